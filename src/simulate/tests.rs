//! The built-in labs, watched for some minutes: once for all tests that only look.

mod bodies;
mod deeds;
mod labs;
mod truth;
mod world;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::act::Act;
use super::body::Body;
use super::society::LAPSE_SECS;
use super::spec::{Lab, Simulation};
use super::vivarium::{Deed, Habitat, STEP_HZ, Vivarium};
use crate::anatomy::Part;
use crate::corpus::Split;
use crate::plane::Vec2;

/// Recordings of each lab that are watched, and their minutes.
const WATCHED: u32 = 4;
const MINUTES: u64 = 2;

/// Steps between moments that are kept: 30 a second.
const STRIDE: u64 = 4;

/// All animals of a lab at one moment, and what goes on.
struct Moment {
    bodies: Vec<Body>,
    deeds: Vec<Deed>,
}

/// One lab for `WATCHED` × `MINUTES` minutes.
struct Watched {
    lab: Lab,
    moments: Vec<Moment>,
    /// Lengths in seconds, of bouts that ended.
    bouts: BTreeMap<Act, Vec<f32>>,
}

/// Every built-in lab.
fn watched() -> &'static [Watched] {
    static WORLD: OnceLock<Vec<Watched>> = OnceLock::new();
    WORLD.get_or_init(|| {
        let simulation = Simulation::built_in();
        simulation.labs.iter().map(|lab| watch(&simulation, lab)).collect()
    })
}

fn watch(simulation: &Simulation, lab: &Lab) -> Watched {
    let mut watched = Watched { lab: lab.clone(), moments: Vec::new(), bouts: BTreeMap::new() };
    for number in 1..=WATCHED {
        let mut runs = Runs::new(f64::from(STEP_HZ));
        live(&lab.habitat, simulation.seed_of(&lab.name, Split::Train, number), MINUTES * 60, |vivarium| {
            let deeds: Vec<Deed> = vivarium.deeds().collect();
            runs.push(vivarium.steps(), &deeds);
            if vivarium.steps().is_multiple_of(STRIDE) {
                watched.moments.push(Moment { bodies: vivarium.bodies().to_vec(), deeds });
            }
        });
        for run in runs.ended {
            let secs = (run.stop - run.start) as f32 / STEP_HZ as f32;
            watched.bouts.entry(run.deed.act).or_default().push(secs);
        }
    }
    watched
}

/// Lets animals live for `secs` and looks at them after each step.
fn live(habitat: &Habitat, seed: u64, secs: u64, mut look: impl FnMut(&Vivarium)) {
    let mut vivarium = Vivarium::new(habitat, seed);
    for _ in 0..secs * u64::from(STEP_HZ) {
        vivarium.step();
        look(&vivarium);
    }
}

/// A deed from its first step or frame to one past its last.
#[derive(Clone, Debug, PartialEq)]
struct Run {
    deed: Deed,
    start: u64,
    stop: u64,
}

/// Finds runs of deeds; a short lapse is part of the run.
struct Runs {
    /// How long a lapse may be, in steps or frames.
    lapse_max: u64,
    /// The first and the last step or frame.
    running: BTreeMap<Deed, (u64, u64)>,
    ended: Vec<Run>,
}

impl Runs {
    fn new(rate_hz: f64) -> Self {
        let lapse_max = (f64::from(LAPSE_SECS) * rate_hz).round() as u64;
        Self { lapse_max, running: BTreeMap::new(), ended: Vec::new() }
    }

    fn push(&mut self, now: u64, deeds: &[Deed]) {
        for deed in deeds {
            self.running.entry(*deed).or_insert((now, now)).1 = now;
        }
        self.running.retain(|deed, (start, last)| {
            let goes_on = now - *last <= self.lapse_max;
            if !goes_on {
                self.ended.push(Run { deed: *deed, start: *start, stop: *last + 1 });
            }
            goes_on
        });
    }
}

/// The value under which a share of all lies.
fn quantile(values: &[f32], share: f32) -> f32 {
    assert!(!values.is_empty(), "no values");
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted[((sorted.len() - 1) as f32 * share) as usize]
}

/// The share of moments in which something holds.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    held: u32,
    all: u32,
}

impl Share {
    fn count(&mut self, holds: bool) {
        self.held += u32::from(holds);
        self.all += 1;
    }

    fn get(self) -> f64 {
        f64::from(self.held) / f64::from(self.all.max(1))
    }
}

/// A lab of the built-in ones.
fn lab(name: &str) -> Lab {
    let labs = Simulation::built_in().labs;
    labs.into_iter().find(|lab| lab.name == name).unwrap()
}

/// Every part that a skeleton may name.
const PARTS: [Part; 25] = [
    Part::Nose,
    Part::EyeLeft,
    Part::EyeRight,
    Part::Head,
    Part::EarLeft,
    Part::EarRight,
    Part::Neck,
    Part::ShoulderLeft,
    Part::ShoulderRight,
    Part::ForepawLeft,
    Part::ForepawRight,
    Part::SpineFront,
    Part::BodyCentre,
    Part::LateralLeft,
    Part::LateralRight,
    Part::SpineRear,
    Part::HipLeft,
    Part::HipRight,
    Part::HindpawLeft,
    Part::HindpawRight,
    Part::TailBase,
    Part::TailUpper,
    Part::TailMiddle,
    Part::TailLower,
    Part::TailTip,
];

fn is_finite(point: Vec2) -> bool {
    point.x.is_finite() && point.y.is_finite()
}
