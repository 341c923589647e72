use std::time::Instant;

use super::*;
use crate::behavior::Kind;
use crate::output::event::{EdgeWord, Verdict};
use crate::stream::Origin;

const SETTLED: u32 = 60;
/// Of a verdict: what delivery and inference take.
const LATE_NANOS: i64 = 25_000_000;
/// A tick or two.
const CLOSE_NANOS: u64 = 67_000_000;

fn tick_nanos(tick: u64) -> i64 {
    START + (tick as f64 / 30.0 * 1e9) as i64
}

/// What the longest delay says of a chase from `onset` on.
fn event(number: u64, edge: EdgeWord, onset: u64, stop: Option<u64>, decided: u64) -> Event {
    let verdict = Verdict {
        rig: "rig1".into(),
        cage: "cage1".into(),
        bout: format!("rig1/cage1/17c2f0a1-{number}"),
        animals: directed("rat1", "rat2"),
        behavior: "chase".into(),
        kind: Kind::Directed,
        label_set: "Lab".into(),
        edge,
        onset_tick: onset,
        stop_tick: stop,
        decision_tick: decided,
        delay: SETTLED,
        score: 0.9,
        revises: None,
        settled: true,
        history_ticks: 512,
        warming: false,
        identity: 1.0,
        capture_nanos: None,
        clock: None,
        decision_nanos: tick_nanos(decided) + LATE_NANOS,
        model: "hash".into(),
        origin: Origin::Live,
    };
    // In the order in which they are decided.
    Event::new(verdict, decided, 0)
}

fn whole(number: u64, onset: u64, stop: u64) -> [Event; 2] {
    [
        event(number, EdgeWord::Onset, onset, None, onset + 65),
        event(number, EdgeWord::Offset, onset, Some(stop), stop + 63),
    ]
}

#[track_caller]
fn assert_close(got: i64, expected: i64) {
    assert!(got.abs_diff(expected) < CLOSE_NANOS, "expected {expected}, got {got}");
}

#[test]
fn onsets_and_offsets_pair_by_name_in_any_order() {
    let mut events = [whole(1, 300, 390), whole(2, 500, 530), whole(3, 350, 900)].concat();
    // What the fast delay says is no bout of its own, wherever it puts it.
    let mut fast = event(1, EdgeWord::Onset, 340, None, 345);
    (fast.verdict.settled, fast.verdict.delay) = (false, 0);
    events.push(fast);
    // A bout that never was, and another rig's.
    events.push(event(4, EdgeWord::Retraction, 600, None, 700));
    let mut other = whole(5, 100, 200);
    for event in &mut other {
        event.verdict.rig = "rig2".into();
    }
    events.extend(other);
    let journaled = bouts(&events, "rig1", &[], None).unwrap();
    assert_eq!((journaled.retracted, journaled.abandoned, journaled.open), (1, 0, 0));
    let expected = [300..390, 350..900, 500..530];
    assert_eq!(journaled.bouts.len(), expected.len());
    for (bout, ticks) in journaled.bouts.iter().zip(expected) {
        assert_close(bout.start_nanos, tick_nanos(ticks.start));
        assert_close(bout.stop_nanos, tick_nanos(ticks.end));
        assert!(!bout.is_cut && bout.behavior == "chase" && bout.animals == directed("rat1", "rat2"));
    }
    events.reverse();
    assert_eq!(bouts(&events, "rig1", &[], None).unwrap(), journaled);
    events.swap(0, 3);
    assert_eq!(bouts(&events, "rig1", &[], None).unwrap(), journaled);
    assert!(bouts(&events, "rig3", &[], None).unwrap().bouts.is_empty());
}

#[test]
fn an_abandoned_bout_ends_with_the_last_that_was_heard_of_its_cage() {
    let mut events = [whole(1, 300, 390), whole(2, 1000, 1100)].concat();
    let onset = event(3, EdgeWord::Onset, 900, None, 965);
    // An hour later the next detector begins; its abandonment repeats all but the time.
    let later = START + 3600 * SEC;
    events.push(onset.clone());
    events.push(Event::new(onset.verdict.abandoned(later), 2000, 0));
    let mut next = event(9, EdgeWord::Onset, 0, None, 65);
    next.verdict.bout = "rig1/cage1/17c2ffff-1".into();
    next.verdict.decision_nanos = later + 3 * SEC;
    next.sequence = 2001;
    events.push(next);
    let journaled = bouts(&events, "rig1", &[], None).unwrap();
    let abandoned = &journaled.bouts[1];
    assert_close(abandoned.start_nanos, tick_nanos(900));
    // The offset of the second bout was decided then.
    assert_close(abandoned.stop_nanos, tick_nanos(1163));
    assert!(abandoned.is_cut && journaled.abandoned == 1);
    // The next detector's runs to the end: of the journal, or as told.
    let open = journaled.bouts.last().unwrap();
    assert_eq!((open.stop_nanos, open.is_cut, journaled.open), (later + 3 * SEC, true, 1));
    let told = bouts(&events, "rig1", &[], Some(later + 60 * SEC)).unwrap();
    assert_eq!(told.bouts.last().unwrap().stop_nanos, later + 60 * SEC);
}

#[test]
fn lives_of_a_cage_have_clocks_of_their_own() {
    let mut events = whole(1, 300, 390).to_vec();
    for mut event in whole(1, 300, 390) {
        event.verdict.bout = "rig1/cage1/ffff-1".into();
        event.verdict.decision_nanos += 500 * SEC;
        events.push(event);
    }
    let journaled = bouts(&events, "rig1", &[], None).unwrap();
    assert_eq!(journaled.bouts.len(), 2);
    assert_close(journaled.bouts[1].start_nanos, journaled.bouts[0].start_nanos + 500 * SEC);
}

#[test]
fn the_trail_tells_ticks_where_verdicts_come_late() {
    let mut events = whole(1, 300, 390);
    for event in &mut events {
        event.verdict.decision_nanos += 2 * SEC;
    }
    let late = bouts(&events, "rig1", &[], None).unwrap();
    assert!(late.bouts[0].start_nanos > tick_nanos(300) + SEC);
    let anchors: Vec<Anchor> = [310, 420]
        .map(|tick| Anchor {
            cage: "cage1".into(),
            epoch: "17c2f0a1".into(),
            tick,
            decision_nanos: tick_nanos(tick) + LATE_NANOS,
        })
        .to_vec();
    let journaled = bouts(&events, "rig1", &anchors, None).unwrap();
    assert_close(journaled.bouts[0].start_nanos, tick_nanos(300));
    assert_close(journaled.bouts[0].stop_nanos, tick_nanos(390));
}

#[test]
fn an_offset_without_its_onset_and_names_without_a_life_are_taken() {
    let mut offset = event(1, EdgeWord::Offset, 300, Some(390), 453);
    assert_eq!(bouts(&[offset.clone()], "rig1", &[], None).unwrap().bouts.len(), 1);
    for name in ["", "-", "///", "no life"] {
        offset.verdict.bout = name.into();
        assert_close(bouts(&[offset.clone()], "rig1", &[], None).unwrap().bouts[0].stop_nanos, tick_nanos(390));
    }
    (offset.verdict.onset_tick, offset.verdict.stop_tick) = (u64::MAX, Some(0));
    let bout = &bouts(&[offset], "rig1", &[], None).unwrap().bouts[0];
    assert!(bout.start_nanos <= bout.stop_nanos);
}

#[test]
fn a_hundred_thousand_events_and_a_thousand_triggers_take_little_time() {
    let began = Instant::now();
    let mut events = Vec::new();
    for number in 0..25_000 {
        let mut pair = whole(number, number * 100, number * 100 + 40 + number % 50);
        for event in &mut pair {
            event.verdict.behavior = format!("b{}", number % 20);
        }
        let fast = pair.clone().map(|mut event| {
            (event.verdict.settled, event.verdict.delay) = (false, 0);
            event.verdict.decision_tick -= u64::from(SETTLED);
            event
        });
        events.extend(pair.into_iter().chain(fast));
    }
    assert_eq!(events.len(), 100_000);
    let journaled = bouts(&events, "rig1", &[], None).unwrap();
    let triggers: Vec<_> = (0..1000).map(|number| stimulated(number, number as f64 * 83.0, number % 2 == 0)).collect();
    let aligned = align(&triggers, &journaled.bouts, settings(20.0, 40.0, 0.5)).unwrap();
    assert!(aligned.series.len() >= 40);
    // A few seconds without optimisation; what grows with the square would take hours.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}
