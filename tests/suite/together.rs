//! Many cages of one detector over real zenoh sessions: what they say, and how long it takes.

use std::sync::Barrier;

use crossbeam::channel::{bounded, never};
use vibrissa::acquire::wire::Encoding;
use vibrissa::core::{Cage, Past};
use vibrissa::keys::{CageName, Rigs};
use vibrissa::latency::Meter;
use vibrissa::latency::stages::Stage;
use vibrissa::latency::system::System;
use vibrissa::live::cages::STAGGERED_FROM;
use vibrissa::live::detector::FRAMES_MAX;
use vibrissa::live::prober::{Plan, Prober};
use vibrissa::live::publisher::{Play, play};
use vibrissa::output::event::Event;
use vibrissa::poses::Frame;
use vibrissa::stream::{Origin, StreamDescription};

use crate::live::{Bench, DELAYS};
use crate::world;

fn name(cage: usize) -> CageName {
    CageName::new("rig1", &format!("cage{cage}")).unwrap()
}

fn frames(cage: usize, count: u64) -> impl Iterator<Item = Frame> {
    // Cameras count from where they are.
    (0..count).map(move |number| Frame { number: number + 100, ..world::frame(2, number, cage as u64) })
}

/// Delay, onset tick, decision tick and stop tick of what is said.
type Said = (u32, u64, u64, Option<u64>);

/// What a core alone says of a cage that begins at its first frame, or a tick before.
fn expected(cage: usize, count: u64, is_late: bool) -> Vec<Said> {
    let mut alone = Cage::open(world::model(&DELAYS), &world::stream(2)).unwrap();
    if is_late {
        assert!(alone.begin_one_tick_before(100));
    }
    let mut transitions: Vec<_> =
        frames(cage, count).flat_map(|frame| alone.push(&frame).unwrap().transitions).collect();
    transitions.extend(alone.flush().unwrap().transitions);
    transitions.iter().map(crate::live::said).collect()
}

/// Plays so many frames of so many cages at the same time, dropping none, and gives what the journal says of each. No
/// camera goes further than frames can wait before all have begun.
fn play_all(bench: Bench, cages: usize, count: u64) -> Vec<Vec<Said>> {
    let all_open = Barrier::new(cages);
    std::thread::scope(|scope| {
        for cage in 0..cages {
            let (rig, all_open) = (&bench.rig, &all_open);
            scope.spawn(move || {
                let how = Play {
                    cage: name(cage),
                    origin: Origin::Replay,
                    speed: 1000.0,
                    lossless: true,
                    encoding: Encoding::Binary,
                };
                let (_open, stop) = bounded(1);
                let frames = frames(cage, count).inspect(|frame| {
                    if frame.number == 100 + 2 * FRAMES_MAX as u64 {
                        all_open.wait();
                    }
                });
                let played = play(rig, &world::stream(2), frames, &how, &stop).unwrap();
                assert_eq!(played.taken, Some(count));
            });
        }
    });
    drop(bench.detector.stop().unwrap());
    let text = std::fs::read_to_string(bench.folder.path().join("journal.jsonl")).unwrap();
    let events: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_cage = |cage: usize| {
        let own = events.iter().map(|event| &event.verdict).filter(|verdict| verdict.cage == name(cage).cage());
        own.map(|own| (own.delay, own.onset_tick, own.decision_tick, own.stop_tick)).collect()
    };
    (0..cages).map(of_cage).collect()
}

#[test]
fn many_cages_say_what_each_says_alone() {
    const FRAMES: u64 = 150;
    let cages = STAGGERED_FROM + 4;
    let mut late = 0;
    for (cage, said) in play_all(Bench::new(|_| {}), cages, FRAMES).into_iter().enumerate() {
        assert!(!said.is_empty(), "cage {cage} says nothing");
        let (whole, staggered) = (expected(cage, FRAMES, false), expected(cage, FRAMES, true));
        assert!(said == whole || said == staggered, "cage {cage}: {said:?}");
        late += usize::from(said != whole);
    }
    assert_eq!(late, cages - STAGGERED_FROM, "as many begin a tick before as make both kinds alike");
}

#[test]
fn cages_on_two_threads_say_what_each_says_alone() {
    const FRAMES: u64 = 100;
    for (cage, said) in play_all(Bench::new(|config| config.threads = 2), 6, FRAMES).into_iter().enumerate() {
        assert_eq!(said, expected(cage, FRAMES, false), "cage {cage}");
    }
}

#[test]
fn a_cage_that_begins_a_tick_before_is_one_that_lost_a_frame() {
    let mut late = Cage::open(world::model(&DELAYS), &world::stream(2)).unwrap();
    assert!(late.begin_one_tick_before(100));
    let mut ticks = Vec::new();
    for frame in frames(1, 40) {
        late.push_watched(&frame, &mut |tick, _| ticks.push(tick.0)).unwrap();
    }
    assert_eq!(ticks, (0..41).collect::<Vec<_>>());
    assert!(late.ring().age(40).unwrap().iter().all(|point| !point.is_present()));
    let anchor = late.anchor().unwrap();
    assert_eq!((anchor.base, anchor.next), (99, 41));
    // It goes on from there as any other.
    let past = Past { anchor, ring: late.ring().clone(), settled: false };
    let room = vibrissa::core::Room::new(world::model(&DELAYS), 2).unwrap();
    let mut resumed = Cage::resume(&room, &world::stream(2), &past).unwrap();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for frame in frames(1, 60).skip(40) {
        late.push_watched(&frame, &mut |tick, scores| one.push((tick, scores.to_vec()))).unwrap();
        resumed.push_watched(&frame, &mut |tick, scores| other.push((tick, scores.to_vec()))).unwrap();
    }
    assert_eq!(one, other);
    // Where the camera's numbers leave no room, or frames are no ticks, the cage begins with its first frame.
    for (rate_hz, number) in [(30.0, 0), (10.0, 100), (25.0, 100), (60.0, 100)] {
        let stream = world::stream(2);
        let (skeleton, names, scale) =
            (stream.skeleton().clone(), stream.individuals().to_vec(), stream.body_length_px());
        let stream = StreamDescription::new(skeleton, names, rate_hz, scale, None, Origin::Live).unwrap();
        let mut first = Cage::open(world::model(&DELAYS), &stream).unwrap();
        assert!(!first.begin_one_tick_before(number), "{rate_hz} Hz from {number}");
        let advance = first.push(&Frame { number, ..world::frame(2, 0, 1) }).unwrap();
        assert!(advance.ticks <= 1 && advance.resets == 0, "{rate_hz} Hz from {number}: {advance:?}");
    }
}

#[test]
fn a_rig_measures_its_own_latency() {
    const BEFORE: u64 = 15;
    const FRAMES: u64 = 45;
    let bench = Bench::new(|config| config.threads = 2);
    let cages: Vec<CageName> = (0..3).map(name).collect();
    let mut meter = Meter::new(cages.iter().map(|cage| cage.cage().to_owned()).collect(), 30.0).unwrap();
    let plan = Plan { cages, stream: world::stream(2), frames_before: BEFORE, frames: FRAMES, together: false };
    let mut prober = Prober::new(&bench.rig, &Rigs::All, plan).unwrap();
    let frame = |cage: u32, number: u64| world::frame(2, number, u64::from(cage));
    let counted = prober.measure(&mut meter, frame, &never()).unwrap();
    let summary = meter.finish(counted, System::default());
    assert_eq!((summary.frames.asked, summary.frames.answers, summary.frames.unanswered), (135, 135, 0));
    assert_eq!((summary.frames.unknown, summary.frames.repeated, summary.frames.impossible), (0, 0, 0));
    assert!(summary.frames.events > 0 && summary.frames.events_unknown == 0);
    assert_eq!((summary.counted.displaced, summary.counted.missed), (0, 0));
    let median = |stage| summary.stage(stage).p50_millis.unwrap();
    let parts = [Stage::ArrivedToInference, Stage::Inference, Stage::DecidedToSent].map(median);
    assert!(
        parts.iter().all(|part| *part >= 0.0) && parts.iter().sum::<f64>() < median(Stage::PutToReceived),
        "{summary}"
    );
    // One machine, one clock.
    let offset = summary.offset.unwrap();
    assert!(offset.offset_millis.abs() <= offset.uncertainty_millis + 0.05, "{offset:?}");
    drop(prober);
    bench.detector.stop().unwrap();
}

#[test]
fn nobody_who_answers_is_an_error_that_names_what_was_waited_for() {
    // A session that nobody is connected to.
    let session = vibrissa::live::session::Endpoints::default().open(vibrissa::live::session::Patience::Rig).unwrap();
    let plan = Plan { cages: vec![name(1)], stream: world::stream(2), frames_before: 0, frames: 1, together: false };
    let said = Prober::new(&session, &Rigs::All, plan).err().unwrap().to_string();
    assert!(said.contains("vibrissa/rig1/cage1/pose") && said.contains("10 s"), "{said}");
}
