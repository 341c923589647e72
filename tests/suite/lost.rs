//! A device that is lost: cages go on on the processor, where they were.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use vibrissa::acquire::description::{self, Described};
use vibrissa::acquire::wire::{Content, Packet, Shape};
use vibrissa::core::{Advance, Cage, Room, Turn, Unit, step_together};
use vibrissa::keys::CageName;
use vibrissa::live::cages::{Cages, Outcome};
use vibrissa::live::clock::Moment;
use vibrissa::live::intake::Arrival;
use vibrissa::model::Model;
use vibrissa::stream::Origin;
use vibrissa::time::Tick;

use crate::live::{Bench, DELAYS, heard_state, until};
use crate::world::{self, frame, stream};

type Heard = Vec<(Tick, Vec<f32>)>;

fn push(cage: &mut Cage, number: u64, heard: &mut Heard) -> Result<Advance, vibrissa::core::CoreError> {
    cage.push_watched(&frame(2, number, 4), &mut |tick, scores| heard.push((tick, scores.to_vec())))
}

/// Moves a cage onto the processor and finishes what it was at.
fn rescue(cage: &mut Cage, heard: &mut Heard) -> Advance {
    let room = Room::new(Arc::clone(cage.model()), 2).unwrap();
    cage.move_to(&room).unwrap();
    let mut turn = [Turn::resume(cage, |tick, scores| heard.push((tick, scores.to_vec())))];
    step_together(&mut turn);
    let [turn] = turn;
    turn.finish().unwrap()
}

#[test]
fn a_cage_whose_device_is_lost_says_what_it_would_have_said() {
    let model = world::model(&DELAYS);
    for lost_at in [0, 1, 40, 41] {
        let (unit, lost) = Unit::lost_on_demand();
        let mut cage = Cage::open_in(&Room::on(&unit, Arc::clone(&model), 2).unwrap(), &stream(2)).unwrap();
        let mut whole = Cage::open(Arc::clone(&model), &stream(2)).unwrap();
        let (mut heard, mut expected, mut told, mut meant) =
            (Vec::new(), Vec::new(), Advance::default(), Advance::default());
        for number in 0..90 {
            meant.append(push(&mut whole, number, &mut expected).unwrap());
            lost.store(number == lost_at, Ordering::Relaxed);
            match push(&mut cage, number, &mut heard) {
                Ok(advance) => told.append(advance),
                Err(error) => {
                    assert_eq!((number, error.cause()), (lost_at, "network"));
                    told.append(rescue(&mut cage, &mut heard));
                }
            }
        }
        assert_eq!(heard, expected, "lost at {lost_at}");
        assert_eq!(told, meant, "lost at {lost_at}");
    }
}

#[test]
fn what_a_frame_asked_for_besides_is_done_after_the_loss() {
    let model = world::model(&DELAYS);
    let (unit, lost) = Unit::lost_on_demand();
    let mut cage = Cage::open_in(&Room::on(&unit, Arc::clone(&model), 2).unwrap(), &stream(2)).unwrap();
    let mut whole = Cage::open(Arc::clone(&model), &stream(2)).unwrap();
    let (mut heard, mut expected) = (Vec::new(), Vec::new());
    for number in 0..30 {
        push(&mut cage, number, &mut heard).unwrap();
        push(&mut whole, number, &mut expected).unwrap();
    }
    // A flush asks for as many ticks as the longest delay has: the device is lost after some, which decided something.
    let mut flushed = Vec::new();
    let failed = cage.flush_watched(&mut |tick, scores| {
        flushed.push((tick, scores.to_vec()));
        lost.store(flushed.len() == 12, Ordering::Relaxed);
    });
    assert!(failed.is_err() && flushed.len() == 12);
    heard.extend(flushed);
    let last = whole.flush_watched(&mut |tick, scores| expected.push((tick, scores.to_vec()))).unwrap();
    assert_eq!(rescue(&mut cage, &mut heard), last);
    assert_eq!(heard, expected);
}

/// Cages as the inference thread has them, and frames for them.
struct Watch {
    cages: Cages,
    outcomes: Vec<Outcome>,
    frames: BTreeMap<&'static str, u64>,
}

impl Watch {
    fn put(&mut self, names: &[(&'static str, Origin)], now: Instant) {
        let arrivals: Vec<Arrival> = names.iter().map(|(name, origin)| self.arrival(name, *origin)).collect();
        let Self { cages, outcomes, .. } = self;
        cages.take(&arrivals, Moment { monotonic: now, unix_nanos: 0 }, &mut |_, outcome| outcomes.push(outcome));
    }

    fn arrival(&mut self, name: &'static str, origin: Origin) -> Arrival {
        let number = self.frames.entry(name).or_default();
        let frame = frame(2, *number, 7);
        *number += 1;
        let described = Described::decode(&description::encode(&stream(2).with_origin(origin))).unwrap();
        Arrival {
            cage: CageName::new("rig", name).unwrap(),
            described: Arc::new(described),
            packet: Packet {
                stream: None,
                run: None,
                lossless: false,
                content: Content::Frame { shape: Shape { individuals: 2, keypoints: 5 }, frame },
            },
            arrived: Moment::now(),
        }
    }

    /// Cage and state of every notice so far, without those of the start.
    fn told(&mut self) -> Vec<(String, &'static str)> {
        let notices = std::mem::take(&mut self.outcomes).into_iter().flat_map(|outcome| outcome.notices);
        notices.map(|notice| (notice.cage.cage().to_owned(), notice.state.word())).collect()
    }
}

#[test]
fn live_cages_are_rebuilt_first_and_each_says_what_it_is() {
    let (unit, lost) = Unit::lost_on_demand();
    let cages = Cages::new(world::model(&DELAYS), unit, Duration::from_secs(10), None);
    let mut watch = Watch { cages, outcomes: Vec::new(), frames: BTreeMap::new() };
    let all = [("a", Origin::Replay), ("b", Origin::Simulated), ("c", Origin::Live), ("d", Origin::Live)];
    let now = Instant::now();
    (0..50).for_each(|_| watch.put(&all, now));
    watch.told();
    lost.store(true, Ordering::Relaxed);
    watch.put(&all, now);
    let mut told = watch.told();
    told.sort_unstable();
    assert_eq!(told, ["a", "b", "c", "d"].map(|cage| (cage.to_owned(), "suspended")), "each is told once");
    let words: Vec<_> = watch.cages.states().map(|notice| notice.state.word()).collect();
    assert_eq!(words, ["suspended"; 4]);

    let rescued = |watch: &mut Watch| {
        let (_, outcome) = watch.cages.rescue_next().unwrap();
        let ticks = outcome.ticks;
        watch.outcomes.push(outcome);
        (watch.told(), ticks)
    };
    assert_eq!(rescued(&mut watch), (vec![("c".to_owned(), "rebuilt")], 1));
    // A rebuilt cage is served while the others wait; theirs are refused and counted.
    watch.put(&all, now);
    let refused: Vec<_> = watch.outcomes.iter().map(|outcome| (outcome.refused, outcome.ticks)).collect();
    let suspended = (Some("suspended"), 0);
    assert_eq!(refused, [suspended, suspended, suspended, (None, 1)], "the one that stepped is told of last");
    watch.told();
    assert_eq!(rescued(&mut watch).0, [("d".to_owned(), "rebuilt")]);
    assert_eq!(rescued(&mut watch).0, [("a".to_owned(), "rebuilt")]);

    // A cage that ends while it waits ends all of its bouts.
    let mut end = watch.arrival("b", Origin::Simulated);
    end.packet.content = Content::End { frames: 52 };
    let Watch { cages, outcomes, .. } = &mut watch;
    cages.take(&[end], Moment::now(), &mut |_, outcome| outcomes.push(outcome));
    assert!(watch.outcomes.last().unwrap().decisions.len() > 1);
    assert_eq!(watch.told().last().unwrap().1, "ended");
    assert!(watch.cages.rescue_next().is_none());
    // Whoever comes now is on the processor from the start.
    watch.put(&[("e", Origin::Live)], now);
    assert_eq!(watch.outcomes.last().unwrap().ticks, 1);
}

#[test]
fn a_cage_that_waits_for_another_model_is_rebuilt_with_its_own() {
    let (unit, lost) = Unit::lost_on_demand();
    let cages = Cages::new(world::model(&DELAYS), unit, Duration::from_secs(10), None);
    let mut watch = Watch { cages, outcomes: Vec::new(), frames: BTreeMap::new() };
    let all = [("a", Origin::Live), ("b", Origin::Live)];
    (0..30).for_each(|_| watch.put(&all, Instant::now()));
    let card = world::card(&[0, 15, 30]);
    let weights = world::weights(&card, 2);
    let other = Arc::new(Model::assemble(card, weights, "another".into(), Path::new("another")).unwrap());
    watch.cages.set_model(Arc::clone(&other));
    lost.store(true, Ordering::Relaxed);
    // The device fails while the first cage is being given the new model.
    let mut outcome = Outcome::default();
    assert!(watch.cages.replace_next(&mut outcome));
    let words: Vec<_> = outcome.notices.iter().map(|notice| notice.state.word()).collect();
    assert_eq!(words, ["suspended"; 2]);
    assert!(outcome.notices.iter().all(|notice| notice.model != other.hash()));
    for _ in 0..2 {
        let (_, outcome) = watch.cages.rescue_next().unwrap();
        assert_eq!(outcome.notices.last().unwrap().state.word(), "rebuilt");
        assert_ne!(outcome.notices.last().unwrap().model, other.hash());
    }
    watch.outcomes.clear();
    watch.put(&all, Instant::now());
    assert!(watch.outcomes.iter().all(|outcome| outcome.ticks == 1));
    // Then each is given the new model, on the processor.
    for _ in 0..2 {
        let mut outcome = Outcome::default();
        assert!(watch.cages.replace_next(&mut outcome));
        assert_eq!(outcome.notices.last().unwrap().model, other.hash());
    }
    watch.put(&all, Instant::now());
    assert!(watch.outcomes.iter().all(|outcome| outcome.ticks == 1));
}

#[test]
fn a_cage_that_waits_long_is_no_silent_one() {
    let (unit, lost) = Unit::lost_on_demand();
    let cages = Cages::new(world::model(&DELAYS), unit, Duration::from_secs(10), None);
    let mut watch = Watch { cages, outcomes: Vec::new(), frames: BTreeMap::new() };
    let (one, start) = ([("a", Origin::Live)], Instant::now());
    (0..30).for_each(|_| watch.put(&one, start));
    lost.store(true, Ordering::Relaxed);
    let at = |frame: u64| start + Duration::from_millis(33 * frame);
    for frame in 0..600 {
        watch.put(&one, at(frame));
        let passed = watch.cages.pass_time(at(frame));
        assert!(passed.closed.is_empty());
    }
    assert!(watch.outcomes.iter().all(|outcome| outcome.closed.is_empty()));
    assert_eq!(watch.outcomes.last().unwrap().refused, Some("suspended"));
    let (_, outcome) = watch.cages.rescue_next().unwrap();
    assert_eq!((outcome.notices.last().unwrap().state.word(), outcome.frames), ("rebuilt", 1));
}

#[test]
fn a_detector_that_loses_its_device_goes_on() {
    let (unit, lost) = Unit::lost_on_demand();
    let bench = Bench::new(|config| config.unit = unit);
    let (states, _subscriber) = bench.states();
    bench.describe();
    (0..20).for_each(|number| bench.put_frame(number, Some(1)));
    until("the frames to be taken", || bench.counts().frames == 20);
    lost.store(true, Ordering::Relaxed);
    bench.put_frame(20, Some(1));
    let said = heard_state(&states, "suspended");
    assert!(said["reason"].as_str().unwrap().contains("the device was lost"), "{said}");
    assert_eq!(heard_state(&states, "rebuilt")["ticks_known"], 21);
    (21..40).for_each(|number| bench.put_frame(number, Some(1)));
    until("the frames to be taken", || bench.counts().ticks == 40);
    bench.detector.stop().unwrap();
}
