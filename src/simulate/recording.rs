//! A film as an annotated recording.

use std::collections::BTreeMap;
use std::ops::Range;

use super::act::Company;
use super::film::Film;
use super::preset::Preset;
use super::society::LAPSE_SECS;
use super::spec::{Lab, Simulation};
use super::vivarium::Deed;
use crate::behavior::{Bout, Cell, Individual, Subject};
use crate::corpus::{Annotated, Recording, SetLabels};

/// Shorter bouts are nobody's labels: who annotates a video does not see them.
const BOUT_SECS_MIN: f64 = 0.15;

/// Whether something that lasts so many frames is long enough for a label.
pub fn is_label(frames: u64, rate_hz: f64) -> bool {
    frames as f64 >= BOUT_SECS_MIN * rate_hz
}

/// The truth about a stretch of film, as the label sets of a simulation say it.
#[derive(Debug)]
pub struct Truth<'a> {
    simulation: &'a Simulation,
    lab: &'a Lab,
    /// Bouts that run: the frame in which each began, and the last in which it was seen.
    running: BTreeMap<Cell, (u64, u64)>,
    bouts: Vec<Bout>,
}

impl<'a> Truth<'a> {
    pub fn new(simulation: &'a Simulation, lab: &'a Lab) -> Self {
        Self { simulation, lab, running: BTreeMap::new(), bouts: Vec::new() }
    }

    /// The cells of a deed: one for each label set that has a word for it.
    fn cells(&self, deed: &Deed) -> impl Iterator<Item = Cell> {
        let Simulation { ethogram, meanings, .. } = self.simulation;
        let subject = subject_of(deed);
        ethogram.behaviors().filter_map(move |(behavior, set, _)| {
            let said = self.lab.annotated_by.contains(&set) && meanings[usize::from(behavior.0)].contains(&deed.act);
            said.then_some(Cell { behavior, subject })
        })
    }

    /// Takes in what goes on in a frame; frames come in order. Gives the cells that
    /// begin and the bouts that end here, too short ones included.
    pub fn push(&mut self, frame: u64, deeds: &[Deed]) -> (Vec<Cell>, Vec<Bout>) {
        let now: Vec<Cell> = deeds.iter().flat_map(|deed| self.cells(deed)).collect();
        // What is interrupted for less is one bout.
        let gap_max = (f64::from(LAPSE_SECS) * self.lab.rate_hz()).round() as u64;
        let mut ended: Vec<Bout> = Vec::new();
        let mut begun = Vec::new();
        for cell in now {
            let (_, seen) = self.running.entry(cell).or_insert_with(|| {
                begun.push(cell);
                (frame, frame)
            });
            *seen = frame;
        }
        self.running.retain(|cell, (start, seen)| {
            let goes_on = frame.saturating_sub(*seen) <= gap_max;
            if !goes_on {
                ended.push(Bout { cell: *cell, start: *start, stop: *seen + 1 });
            }
            goes_on
        });
        ended.sort_by_key(|bout| (bout.start, bout.cell));
        let lasting = |bout: &&Bout| is_label(bout.stop.saturating_sub(bout.start), self.lab.rate_hz());
        self.bouts.extend(ended.iter().filter(lasting));
        (begun, ended)
    }

    /// Ends all that runs, where it was seen last.
    pub fn end(&mut self) -> Vec<Bout> {
        self.push(u64::MAX, &[]).1
    }

    /// Labels of every label set, in the ethogram's order, over the frames `extent`.
    pub fn finish(mut self, extent: Range<u64>) -> Vec<SetLabels> {
        let _ = self.end();
        let ethogram = &self.simulation.ethogram;
        let mut all = vec![SetLabels::default(); ethogram.label_sets().len()];
        for set in &self.lab.annotated_by {
            all[*set].scored = vec![extent.clone()];
        }
        for cell in ethogram.cells(self.lab.habitat.individuals) {
            let set = ethogram.label_set_of(cell.behavior);
            if self.lab.annotated_by.contains(&set) {
                all[set].annotated.push(cell);
            }
        }
        self.bouts.sort_by_key(|bout| (bout.start, bout.cell));
        for bout in self.bouts {
            let clipped = Bout { start: bout.start.max(extent.start), stop: bout.stop.min(extent.end), ..bout };
            if clipped.start < clipped.stop {
                all[ethogram.label_set_of(bout.cell.behavior)].bouts.push(clipped);
            }
        }
        all
    }
}

fn subject_of(deed: &Deed) -> Subject {
    let slot = |index: usize| Individual(index as u8);
    match (deed.act.company(), deed.target) {
        (Company::Towards, Some(target)) => Subject::Ordered { agent: slot(deed.agent), target: slot(target) },
        (Company::Together, Some(other)) => {
            Subject::Both { first: slot(deed.agent.min(other)), second: slot(deed.agent.max(other)) }
        }
        _ => Subject::One(slot(deed.agent)),
    }
}

/// Films a lab for `minutes` and annotates what really happened: the labels follow the animals, the poses the tracker.
///
/// Instances have an order, whatever the preset says: a recording's animals have numbers.
pub fn record(simulation: &Simulation, lab: &Lab, preset: &Preset, name: &str, seed: u64) -> Annotated {
    let count = (simulation.minutes * 60.0 * lab.rate_hz()).round() as u64;
    let mut truth = Truth::new(simulation, lab);
    let mut frames = Vec::with_capacity(count as usize);
    for shot in Film::new(lab, &lab.habitat, preset, seed).with_order().take(count as usize) {
        let _ = truth.push(shot.number, &shot.deeds);
        frames.extend(shot.frame);
    }
    let extent = match (frames.first(), frames.last()) {
        (Some(first), Some(last)) => first.number..last.number + 1,
        _ => 0..0,
    };
    let labels = truth.finish(extent);
    let numbers = (1..=lab.habitat.individuals as u8).collect();
    let stream = lab.stream().clone();
    let recording = Recording { name: name.to_owned(), stream, frames, video_start_nanos: None };
    Annotated { recording, labels, numbers, repairs: Vec::new() }
}
