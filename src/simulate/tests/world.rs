//! The world itself: the same for the same seed, whoever films it, and fair to every slot.

use super::*;
use crate::anatomy::Place;
use crate::simulate::arena::Arena;
use crate::simulate::body::{TRUNK, TRUNK_RADIUS};
use crate::simulate::film::{Film, MARGIN_BL, Shot};
use crate::simulate::preset::Preset;
use crate::simulate::recording::record;
use crate::simulate::society::Temper;

const LABS: &str = include_str!("../../../configs/simulation/labs.toml");

fn preset(name: &str) -> Preset {
    Preset::named(name).unwrap()
}

#[test]
fn a_seed_gives_one_recording_and_another_seed_another() {
    let mut simulation = Simulation::built_in();
    simulation.set_minutes(0.5).unwrap();
    for lab in &simulation.labs {
        let take = |seed| record(&simulation, lab, &preset("awful"), "take", seed);
        let once = take(7);
        assert_eq!(once, take(7));
        let other = take(8);
        assert_ne!(once.recording.frames, other.recording.frames, "{}", lab.name);
        assert_ne!(once.labels, other.labels, "{}", lab.name);
    }
}

#[test]
fn recordings_do_not_depend_on_which_other_labs_there_are() {
    let mut parts = LABS.split("\n[[labs]]\n");
    let head = parts.next().unwrap();
    let mut backwards: Vec<&str> = parts.collect();
    backwards.reverse();
    let mut reversed = Simulation::parse(&format!("{head}\n[[labs]]\n{}", backwards.join("\n[[labs]]\n"))).unwrap();
    let (mut all, mut alone) = (Simulation::built_in(), Simulation::built_in());
    assert_eq!(reversed.labs[0].name, all.labs.last().unwrap().name);
    alone.keep_labs(&["SimColony".to_owned()]).unwrap();
    let take = |simulation: &mut Simulation| {
        simulation.set_minutes(0.3).unwrap();
        let lab = simulation.labs.iter().find(|lab| lab.name == "SimColony").unwrap();
        record(simulation, lab, &preset("rig"), "take", simulation.seed_of(&lab.name, Split::Test, 3))
    };
    let expected = take(&mut all);
    assert_eq!(take(&mut reversed), expected);
    assert_eq!(take(&mut alone), expected);
    let mut seeds: Vec<u64> = Vec::new();
    for lab in ["SimRat", "SimColony"] {
        for split in [Split::Train, Split::Validation, Split::Test] {
            seeds.extend((1..=20).map(|number| all.seed_of(lab, split, number)));
        }
    }
    all.seed += 1;
    seeds.push(all.seed_of("SimRat", Split::Train, 1));
    let count = seeds.len();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), count, "two recordings share a seed");
}

/// Films the animals of `SimTwelve` with the camera of another lab.
fn filmed(camera: &Lab, preset: &Preset, secs: f64) -> Vec<Shot> {
    let habitat = lab("SimTwelve").habitat;
    Film::new(camera, &habitat, preset, 5).take((secs * camera.rate_hz()) as usize).collect()
}

/// A lab's camera at another rate.
fn camera(name: &str, rate_hz: f64) -> Lab {
    let at = LABS.find(&format!("name = \"{name}\"\nskeleton")).unwrap();
    let rate = at + LABS[at..].find("rate_hz = ").unwrap();
    let end = rate + LABS[rate..].find('\n').unwrap();
    let text = format!("{}rate_hz = {rate_hz:?}{}", &LABS[..rate], &LABS[end..]);
    Simulation::parse(&text).unwrap().labs.into_iter().find(|lab| lab.name == name).unwrap()
}

/// Bouts in seconds, by deed.
fn bouts(shots: &[Shot], rate_hz: f64) -> Vec<(Deed, f64, f64)> {
    let mut runs = Runs::new(rate_hz);
    for shot in shots {
        runs.push(shot.number, &shot.deeds);
    }
    runs.push(2 * shots.len() as u64 + 1000, &[]);
    runs.ended.sort_by_key(|run| (run.deed, run.start));
    let in_secs = |run: Run| (run.deed, run.start as f64 / rate_hz, run.stop as f64 / rate_hz);
    runs.ended.into_iter().map(in_secs).collect()
}

#[test]
fn the_world_does_not_depend_on_the_camera() {
    const SECS: f64 = 180.0;
    let fast = bouts(&filmed(&camera("SimTwelve", 120.0), &preset("clean"), SECS), 120.0);
    assert!(fast.len() > 60);
    for (name, rate_hz, tracker) in
        [("SimRat", 25.0, "rig"), ("SimMars", 30.0, "awful"), ("SimEight", 60.0, "clean"), ("SimColony", 50.0, "rig")]
    {
        let slow = bouts(&filmed(&camera(name, rate_hz), &preset(tracker), SECS), rate_hz);
        let frame = 1.0 / rate_hz + 1.0 / 120.0 + 1e-9;
        let mut found = Share::default();
        for (deed, start, stop) in fast.iter().filter(|(_, start, stop)| stop - start > 0.15) {
            let same = |(other, from, to): &(Deed, f64, f64)| {
                other == deed && (from - start).abs() < frame && (to - stop).abs() < frame
            };
            found.count(slow.iter().any(same));
        }
        assert!(found.get() > 0.98, "{rate_hz} Hz: {found:?}");
    }
}

/// A tracker that sees what is there.
fn flawless() -> Preset {
    let mut preset = preset("clean");
    (preset.jitter.white_bl, preset.jitter.drift_bl, preset.losses.per_keypoint_minute) = (0.0, 0.0, 0.0);
    preset
}

#[test]
fn cameras_see_shared_parts_in_the_same_places() {
    const SECS: u64 = 40;
    const PARTS: [Part; 2] = [Part::BodyCentre, Part::TailBase];
    let mut truth = Vec::new();
    let habitat = lab("SimTwelve").habitat;
    let see = |body: &Body| PARTS.map(|part| body.part(part));
    truth.push(Vivarium::new(&habitat, 5).bodies().iter().flat_map(see).collect::<Vec<_>>());
    live(&habitat, 5, SECS, |vivarium| truth.push(vivarium.bodies().iter().flat_map(see).collect()));
    for (name, rate_hz) in
        [("SimRat", 25.0), ("SimRat", 30.0), ("SimEight", 60.0), ("SimTwelve", 120.0), ("SimColony", 240.0)]
    {
        let camera = camera(name, rate_hz);
        let names = camera.skeleton().keypoints();
        let index = PARTS.map(|part| names.iter().position(|name| Part::of_name(name) == Some(part)).unwrap());
        for shot in filmed(&camera, &flawless(), SECS as f64) {
            // The camera's moment lies between two steps of the world.
            let moment = shot.number as f64 / rate_hz * f64::from(STEP_HZ);
            let (step, share) = (moment as usize, moment.fract() as f32);
            let frame = shot.frame.unwrap();
            let points = frame.keypoints.chunks(names.len()).flat_map(|points| index.map(|index| points[index]));
            for (number, point) in points.enumerate() {
                let (before, after) = (truth[step][number], truth[(step + 1).min(truth.len() - 1)][number]);
                let margin = Vec2 { x: MARGIN_BL, y: MARGIN_BL };
                let expected = (before + (after - before) * share + margin) * camera.scale_px();
                let off = (Vec2 { x: point.x, y: point.y } - expected).length();
                assert!(off < 0.02, "{name} {rate_hz} {} {off} pixels", shot.number);
            }
        }
    }
}

/// All factors of temper the same, at the pace that goes with them.
fn temper(factor: f32, pace: f32) -> Temper {
    Temper { activity: factor, sociability: factor, aggression: factor, timidity: factor, pace }
}

#[test]
fn crowds_small_and_large_arenas_and_extreme_tempers_do_no_harm() {
    let arenas = [Arena::Rectangle([2.5, 2.5]), Arena::Circle(2.5), Arena::Rectangle([2.5, 40.0]), Arena::Circle(40.0)];
    for (number, arena) in arenas.into_iter().enumerate() {
        for individuals in [2, 3, 4, 8] {
            for (factor, pace) in [(0.1, 0.3), (10.0, 2.0)] {
                let mut habitat = lab("SimTwelve").habitat;
                (habitat.arena, habitat.individuals, habitat.spread) = (arena, individuals, 0.6);
                habitat.temper = temper(factor, pace);
                let what = format!("{arena:?} {individuals} {factor}");
                let mut least = vec![Vec2 { x: 100.0, y: 100.0 }; individuals];
                let mut most = vec![Vec2::default(); individuals];
                live(&habitat, number as u64, 20, |vivarium| {
                    for (index, body) in vivarium.bodies().iter().enumerate() {
                        for along in TRUNK {
                            let point = body.point(Place::Trunk { along, aside: 0.0 });
                            assert!(arena.clearance(point) > TRUNK_RADIUS * body.size - 0.02, "{what}");
                        }
                        if vivarium.steps().is_multiple_of(10) {
                            assert!(PARTS.iter().all(|part| is_finite(body.part(*part))), "{what}");
                        }
                        let (least, most) = (&mut least[index], &mut most[index]);
                        (least.x, least.y) = (least.x.min(body.centre.x), least.y.min(body.centre.y));
                        (most.x, most.y) = (most.x.max(body.centre.x), most.y.max(body.centre.y));
                    }
                });
                for (least, most) in least.iter().zip(&most) {
                    assert!(factor < 1.0 || (*most - *least).length() > 0.5, "{what}: somebody is stuck");
                }
            }
        }
    }
}

/// Of each slot in one cage of two: time of bold acts, path, size.
fn sums(habitat: &Habitat, seed: u64) -> [[f32; 3]; 2] {
    let mut sums = [[0.0; 3]; 2];
    live(habitat, seed, 40, |vivarium| {
        for deed in vivarium.deeds().filter(|deed| matches!(deed.act, Act::Attack | Act::Chase | Act::Mount)) {
            sums[deed.agent][0] += 1.0;
        }
        for (sum, body) in sums.iter_mut().zip(vivarium.bodies()) {
            sum[1] += body.velocity.length();
            sum[2] = body.size;
        }
    });
    sums
}

#[test]
fn neither_slot_is_bolder_faster_or_larger() {
    let habitat = lab("SimTwelve").habitat;
    let (mut more, mut decided) = ([0_u32; 3], [0_u32; 3]);
    for seed in 1000..1120 {
        let [first, second] = sums(&habitat, seed);
        for what in 0..3 {
            more[what] += u32::from(first[what] > second[what]);
            decided[what] += u32::from(first[what] != second[what]);
        }
    }
    for (more, decided) in more.into_iter().zip(decided) {
        // Three standard deviations of a fair coin.
        let (mean, spread) = (f64::from(decided) / 2.0, f64::from(decided).sqrt() / 2.0);
        assert!(decided > 90 && (f64::from(more) - mean).abs() < 3.0 * spread, "{more} of {decided}");
    }
}
