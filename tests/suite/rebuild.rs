//! A cage that goes on: with another model, or in another process.

use std::sync::Arc;

use proptest::prelude::*;
use vibrissa::core::{Cage, Past, Room};
use vibrissa::model::Model;
use vibrissa::output::Edge;
use vibrissa::poses::Frame;
use vibrissa::presence::Attended;
use vibrissa::stream::StreamDescription;
use vibrissa::time::Tick;

use crate::world;

/// A window begins with features that lack what lay before it, and sums run in another order.
const TOLERANCE: f32 = 1e-4;

type Scores = Vec<(Tick, Vec<f32>)>;

/// Room for one cage of the tests.
fn room(model: &Arc<Model>) -> Arc<Room> {
    Room::new(Arc::clone(model), 3).unwrap()
}

fn push(cage: &mut Cage, frames: impl IntoIterator<Item = Frame>) -> Scores {
    let mut all = Vec::new();
    for frame in frames {
        cage.push_watched(&frame, &mut |tick, scores| all.push((tick, scores.to_vec()))).unwrap();
    }
    all
}

fn frames(range: std::ops::Range<u64>) -> impl Iterator<Item = Frame> {
    range.map(|number| world::frame(2, number, 4))
}

fn assert_alike(a: &Scores, b: &Scores) {
    assert_eq!(a.len(), b.len());
    for ((tick, a), (other, b)) in a.iter().zip(b) {
        assert_eq!(tick, other);
        let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < TOLERANCE, "{tick:?}: off by {off}");
    }
}

fn at_rate(rate_hz: f64) -> StreamDescription {
    let stream = world::stream(2);
    let (skeleton, individuals) = (stream.skeleton().clone(), stream.individuals().to_vec());
    StreamDescription::new(skeleton, individuals, rate_hz, stream.body_length_px(), None, stream.origin()).unwrap()
}

#[test]
fn a_replaced_model_goes_on_as_if_it_had_always_been_there() {
    let model = world::model(&[0, 15]);
    // Shorter and longer than the window, at both half-rate parities.
    for before in [1, 60, 61, 700, 701] {
        let mut always = Cage::open(Arc::clone(&model), &world::stream(2)).unwrap();
        let mut replaced = Cage::open(Arc::clone(&model), &world::stream(2)).unwrap();
        push(&mut always, frames(0..before));
        push(&mut replaced, frames(0..before));
        replaced.replace_model(&room(&model)).unwrap();
        assert_eq!(always.history_ticks(), replaced.history_ticks());
        assert_alike(
            &push(&mut always, frames(before..before + 40)),
            &push(&mut replaced, frames(before..before + 40)),
        );
    }
}

#[test]
fn a_replaced_model_ends_the_bouts_of_the_one_before_and_numbers_go_on() {
    let (old, new) = (world::model(&[0, 15]), world::model(&[0, 30]));
    let mut cage = Cage::open(old, &world::stream(2)).unwrap();
    let mut transitions: Vec<_> = frames(0..200).flat_map(|frame| cage.push(&frame).unwrap().transitions).collect();
    transitions.extend(cage.replace_model(&room(&new)).unwrap().transitions);
    let count = |wanted: fn(&Edge) -> bool, from: usize, transitions: &[vibrissa::output::Transition]| {
        transitions[from..].iter().filter(|transition| wanted(&transition.edge)).count()
    };
    let onsets = count(|edge| *edge == Edge::Onset, 0, &transitions);
    assert!(onsets > 5 && onsets == count(|edge| matches!(edge, Edge::Offset { .. }), 0, &transitions));
    let highest = transitions.iter().map(|transition| transition.bout).max().unwrap();
    assert_eq!(cage.model().hash(), new.hash());
    let after: Vec<_> = frames(200..300).flat_map(|frame| cage.push(&frame).unwrap().transitions).collect();
    assert!(!after.is_empty() && after.iter().all(|transition| transition.bout > highest));
}

#[test]
fn a_model_that_does_not_know_the_parts_leaves_the_cage_as_it_was() {
    let model = world::model(&[0, 15]);
    let mut card = world::card(&[0, 15]);
    card.vocabulary.0[4] = "whisker".into();
    let weights = world::weights(&card, 5);
    let other = Model::assemble(card, weights, "other".into(), std::path::Path::new("other")).unwrap();
    let mut cage = Cage::open(Arc::clone(&model), &world::stream(2)).unwrap();
    let mut untouched = Cage::open(model, &world::stream(2)).unwrap();
    push(&mut cage, frames(0..50));
    push(&mut untouched, frames(0..50));
    assert!(cage.replace_model(&room(&Arc::new(other))).unwrap_err().to_string().contains("tail-e"));
    assert_eq!(push(&mut cage, frames(50..80)), push(&mut untouched, frames(50..80)));
}

#[test]
fn a_cage_resumes_where_another_process_stopped() {
    let model = world::model(&[0, 15]);
    for (rate_hz, before) in [(30.0, 701), (25.0, 640), (60.0, 1301)] {
        let stream = at_rate(rate_hz);
        let mut always = Cage::open(Arc::clone(&model), &stream).unwrap();
        push(&mut always, frames(0..before));
        let past = Past { anchor: always.anchor().unwrap(), ring: always.ring().clone(), settled: false };
        let mut resumed = Cage::resume(&room(&model), &stream, &past).unwrap();
        assert_eq!(resumed.history_ticks(), 512);
        // The frame that was in hand when the other stopped is lost: ten more let what hangs on it pass.
        let (mut a, mut b) =
            (push(&mut always, frames(before..before + 80)), push(&mut resumed, frames(before..before + 80)));
        if rate_hz != 30.0 {
            a.drain(..4);
            let first = a[0].0;
            b.retain(|(tick, _)| *tick >= first);
            // A hole of one tick is still in sight of the features; the times must agree all the same.
            assert_eq!(
                a.iter().map(|(tick, _)| tick).collect::<Vec<_>>(),
                b.iter().map(|(tick, _)| tick).collect::<Vec<_>>()
            );
            continue;
        }
        assert_alike(&a, &b);
    }
}

#[test]
fn what_was_settled_before_an_orderly_end_is_not_told_again() {
    let model = world::model(&[0, 30]);
    let told_after = |settled: bool| {
        let mut cage = Cage::open(Arc::clone(&model), &world::stream(2)).unwrap();
        push(&mut cage, frames(0..300));
        let past = Past { anchor: cage.anchor().unwrap(), ring: cage.ring().clone(), settled };
        cage.flush().unwrap();
        let mut resumed = Cage::resume(&room(&model), &world::stream(2), &past).unwrap();
        let transitions: Vec<_> =
            frames(300..400).flat_map(|frame| resumed.push(&frame).unwrap().transitions).collect();
        transitions.iter().filter(|transition| transition.delay.0 == 30 && transition.onset.0 < 300).count()
    };
    assert_eq!(told_after(true), 0);
    assert!(told_after(false) > 0, "after a kill they were never told");
}

#[test]
fn frames_from_before_a_restart_are_late() {
    let model = world::model(&[0]);
    let mut cage = Cage::open(Arc::clone(&model), &world::stream(2)).unwrap();
    push(&mut cage, frames(0..100));
    let past = Past { anchor: cage.anchor().unwrap(), ring: cage.ring().clone(), settled: false };
    let mut resumed = Cage::resume(&room(&model), &world::stream(2), &past).unwrap();
    for number in [99, 98, 50] {
        assert!(resumed.push(&world::frame(2, number, 4)).is_err(), "{number}");
    }
    let scores = push(&mut resumed, frames(110..120));
    assert_eq!(scores.first().map(|(tick, _)| *tick), Some(Tick(100)), "the ticks in between are missing ones");
}

#[test]
fn who_comes_and_goes_is_told_and_the_cage_warms_again() {
    use vibrissa::core::Note;
    let model = world::model(&[0]);
    let mut cage = Cage::open(model, &world::stream(2)).unwrap();
    let mut notes = Vec::new();
    for number in 0..1600 {
        let mut frame = world::frame(2, number, 4);
        if (600..900).contains(&number) {
            frame.keypoints[5..].fill(vibrissa::poses::Keypoint::MISSING);
        }
        notes.extend(cage.push(&frame).unwrap().notes.into_iter().map(|note| (number, note)));
    }
    let attended: Vec<_> = notes
        .iter()
        .filter_map(|(number, note)| match note {
            Note::Attended(Attended::Left(_)) => Some((*number, "left")),
            Note::Attended(Attended::Joined(_)) => Some((*number, "joined")),
            Note::Warm(warm) => Some((*number, if *warm { "warm" } else { "warming" })),
            _ => None,
        })
        .collect();
    let expected =
        [(0, "joined"), (0, "joined"), (511, "warm"), (749, "left"), (900, "joined"), (900, "warming"), (1411, "warm")];
    assert_eq!(attended, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Unordered instances, however shuffled, give the verdicts of the same animals in stable places.
    #[test]
    fn the_order_of_unordered_instances_does_not_matter(seed in any::<u64>()) {
        let model = world::model(&[0]);
        let stream = world::stream(2).with_identities(vibrissa::stream::Identities::Unordered);
        let mut stable = Cage::open(Arc::clone(&model), &stream).unwrap();
        let mut shuffled = Cage::open(model, &stream).unwrap();
        let order = |number: u64| {
            let mut frame = world::frame(2, number, 4);
            if number > 0 && world::noise(seed, number) < 0.5 {
                frame.keypoints.rotate_left(5);
            }
            frame
        };
        let (a, b) = (push(&mut stable, frames(0..150)), push(&mut shuffled, (0..150).map(order)));
        prop_assert_eq!(a, b);
    }
}
