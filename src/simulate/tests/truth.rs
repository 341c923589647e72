//! Recordings: frames as a tracker gives them, and labels that fit them.

use super::*;
use crate::behavior::{Bout, Cell, Individual, Subject};
use crate::corpus::Annotated;
use crate::poses::Keypoint;
use crate::simulate::preset::Preset;
use crate::simulate::recording::{Truth, is_label, record};
use crate::stream::Origin;

/// Two minutes of every lab, badly tracked.
fn takes() -> (Simulation, Vec<Annotated>) {
    let mut simulation = Simulation::built_in();
    simulation.set_minutes(2.0).unwrap();
    let preset = Preset::named("awful").unwrap();
    let takes = simulation
        .labs
        .iter()
        .map(|lab| record(&simulation, lab, &preset, "take", simulation.seed_of(&lab.name, Split::Validation, 1)));
    let takes = takes.collect();
    (simulation, takes)
}

#[test]
fn frames_ascend_and_dropped_ones_are_absent() {
    let (simulation, takes) = takes();
    for (lab, Annotated { recording, numbers, repairs, .. }) in simulation.labs.iter().zip(&takes) {
        let frames = &recording.frames;
        let count = (120.0 * lab.rate_hz()) as u64;
        assert!(frames.windows(2).all(|pair| pair[0].number < pair[1].number), "{}", lab.name);
        assert!(frames.last().unwrap().number < count);
        assert!((0.8..1.0).contains(&(frames.len() as f64 / count as f64)), "{} {}", lab.name, frames.len());
        let points = recording.stream.point_count();
        assert!(frames.iter().all(|frame| frame.keypoints.len() == points && frame.capture_nanos.is_none()));
        let mut seen = Share::default();
        for frame in frames {
            seen.count(frame.keypoints.iter().any(Keypoint::is_present));
        }
        assert!(seen.get() > 0.85, "{} {seen:?}", lab.name);
        assert_eq!((recording.stream.origin(), recording.name.as_str()), (Origin::Simulated, "take"));
        assert_eq!(recording.stream.individuals().len(), lab.habitat.individuals);
        assert_eq!(*numbers, (1..=lab.habitat.individuals as u8).collect::<Vec<_>>());
        assert!(repairs.is_empty());
    }
}

#[test]
fn labels_cover_what_was_looked_for_and_nothing_else() {
    let (simulation, takes) = takes();
    let ethogram = &simulation.ethogram;
    for (lab, take) in simulation.labs.iter().zip(&takes) {
        let frames = &take.recording.frames;
        let extent = frames[0].number..frames.last().unwrap().number + 1;
        assert_eq!(take.labels.len(), ethogram.label_sets().len());
        for (set, labels) in take.labels.iter().enumerate() {
            if !lab.annotated_by.contains(&set) {
                assert_eq!(*labels, crate::corpus::SetLabels::default(), "{} {set}", lab.name);
                continue;
            }
            let cells = ethogram.cells(lab.habitat.individuals).into_iter();
            let expected: Vec<Cell> = cells.filter(|cell| ethogram.label_set_of(cell.behavior) == set).collect();
            assert_eq!(labels.annotated, expected);
            assert_eq!(labels.scored.len(), 1);
            assert_eq!(labels.scored[0], extent);
            assert!(labels.bouts.len() > 20, "{} {set} {}", lab.name, labels.bouts.len());
            assert!(labels.bouts.iter().all(|bout| labels.annotated.contains(&bout.cell)));
        }
    }
}

#[test]
fn bouts_lie_within_the_recording_are_disjoint_and_long_enough() {
    let (simulation, takes) = takes();
    for (lab, take) in simulation.labs.iter().zip(&takes) {
        for labels in take.labels.iter().filter(|labels| !labels.scored.is_empty()) {
            let extent = &labels.scored[0];
            let mut ends: BTreeMap<Cell, u64> = BTreeMap::new();
            assert!(labels.bouts.is_sorted_by_key(|bout| bout.start));
            for Bout { cell, start, stop } in &labels.bouts {
                assert!(extent.start <= *start && start < stop && *stop <= extent.end, "{start} {stop} {extent:?}");
                let cut = *start == extent.start || *stop == extent.end;
                assert!(cut || (stop - start) as f64 >= 0.15 * lab.rate_hz(), "{} {start} {stop}", lab.name);
                let before = ends.insert(*cell, *stop);
                assert!(before.is_none_or(|before| before < *start), "{} {cell:?}", lab.name);
                if let Subject::Both { first, second } = cell.subject {
                    assert!(first < second);
                }
            }
        }
    }
}

fn simulation() -> Simulation {
    Simulation::built_in()
}

fn cell(simulation: &Simulation, set: &str, behavior: &str, subject: Subject) -> Cell {
    Cell { behavior: simulation.ethogram.find(set, behavior).unwrap(), subject }
}

const ATTACK: Deed = Deed { act: Act::Attack, agent: 1, target: Some(0) };
const CHASE: Deed = Deed { act: Act::Chase, agent: 1, target: Some(0) };

#[test]
fn each_label_set_says_it_in_its_own_words() {
    let simulation = simulation();
    let lab = simulation.labs.iter().find(|lab| lab.name == "SimTwelve").unwrap();
    let mut truth = Truth::new(&simulation, lab);
    let ordered = Subject::Ordered { agent: Individual(1), target: Individual(0) };
    let (rat, mars) = (cell(&simulation, "SimRat", "attack", ordered), cell(&simulation, "SimMars", "attack", ordered));
    let colony = cell(&simulation, "SimColony", "attack", ordered);
    assert_eq!(truth.push(10, &[ATTACK]), (vec![rat, mars, colony], vec![]));
    for frame in 11..50 {
        // At 120 Hz a lapse of 20 frames is shorter than 0.3 s.
        let deeds = if (20..40).contains(&frame) { &[][..] } else { &[ATTACK] };
        assert_eq!(truth.push(frame, deeds), (vec![], vec![]), "{frame}");
    }
    // To one of the three a chase is part of the attack.
    let chases = ["SimRat", "SimColony"].map(|set| cell(&simulation, set, "chase", ordered));
    assert_eq!(truth.push(50, &[CHASE]), (chases.to_vec(), vec![]));
    // Both of a pair say the same.
    let tussle = |agent, other| Deed { act: Act::Tussle, agent, target: Some(other) };
    let both = Subject::Both { first: Individual(0), second: Individual(1) };
    let tussles = ["SimRat", "SimColony"].map(|set| cell(&simulation, set, "tussle", both));
    assert_eq!(truth.push(60, &[tussle(0, 1), tussle(1, 0)]), (tussles.to_vec(), vec![]));
    // What is not seen for longer has ended where it was seen last.
    let bout = |cell| Bout { cell, start: 10, stop: 50 };
    let (begun, mut ended) = truth.push(96, &[tussle(1, 0)]);
    ended.sort_by_key(|bout| bout.cell);
    let chase = |cell| Bout { cell, start: 50, stop: 51 };
    let mars_bout = Bout { cell: mars, start: 10, stop: 51 };
    let mut expected = vec![bout(rat), bout(colony), mars_bout, chase(chases[0]), chase(chases[1])];
    expected.sort_by_key(|bout| bout.cell);
    assert_eq!((begun, ended), (vec![], expected));
    let labels = truth.finish(20..70);
    assert_eq!(labels[1].bouts, [Bout { start: 20, ..mars_bout }]);
    // A frame of 120 Hz is too short for a label.
    let tussle = Bout { cell: tussles[0], start: 60, stop: 70 };
    assert_eq!(labels[0].bouts, [Bout { start: 20, ..bout(rat) }, tussle]);
}

#[test]
fn labels_last_at_least_a_moment_at_every_rate() {
    for rate_hz in [10.0, 25.0, 30.0, 59.94, 120.0, 240.0] {
        let least = (0..1000).find(|frames| is_label(*frames, rate_hz)).unwrap() as f64 / rate_hz;
        assert!((0.15..0.15 + 1.0 / rate_hz).contains(&least), "{rate_hz} {least}");
    }
}

#[test]
fn what_begins_after_the_last_frame_that_came_is_no_label() {
    let simulation = simulation();
    for name in ["SimRat", "SimTwelve"] {
        let lab = simulation.labs.iter().find(|lab| lab.name == name).unwrap();
        let mut truth = Truth::new(&simulation, lab);
        let _ = truth.push(100, &[ATTACK]);
        let _ = truth.push(101, &[ATTACK]);
        let labels = truth.finish(0..50);
        assert!(labels.iter().all(|labels| labels.bouts.is_empty()), "{name}");
        assert!(Truth::new(&simulation, lab).finish(0..0).iter().all(|labels| labels.bouts.is_empty()));
    }
}
