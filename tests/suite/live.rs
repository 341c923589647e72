//! The live edges over real zenoh sessions on loopback: nothing lost, bad input counted, the journal before all.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded, never, unbounded};
use vibrissa::acquire::description;
use vibrissa::acquire::wire::{Content, ENCODING_BINARY, ENCODING_JSON, Encoding, Packet, Shape};
use vibrissa::core::Cage;
use vibrissa::keys::{CageName, Rigs};
use vibrissa::live::detector::{Config, Detector};
use vibrissa::live::publisher::{Play, Played, play};
use vibrissa::live::session::{Endpoints, Patience, listening};
use vibrissa::live::tally::Counts;
use vibrissa::model::Model;
use vibrissa::model::bundle;
use vibrissa::output::event::{EdgeWord, Event};
use vibrissa::output::journal::{JOURNAL_BYTES_MAX, Journal};
use vibrissa::output::{Edge, Transition};
use vibrissa::poses::Frame;
use vibrissa::stream::Origin;
use zenoh::qos::{CongestionControl, Priority};
use zenoh::sample::Sample;
use zenoh::{Session, Wait};
use zenoh_ext::{AdvancedSubscriberBuilderExt, HistoryConfig};

use crate::world;

pub const PATIENCE: Duration = Duration::from_mins(1);
pub const DELAYS: [u32; 2] = [0, 15];
pub const SEED: u64 = 3;

/// Looks at a condition again and again until it holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        let _ = never::<()>().recv_timeout(Duration::from_millis(2));
    }
}

pub fn cage() -> CageName {
    CageName::new("rig1", "cage1").unwrap()
}

pub fn frames(count: u64) -> impl Iterator<Item = Frame> {
    (0..count).map(|number| world::frame(2, number, SEED))
}

/// A detector and a rig's session that is connected to it.
pub struct Bench {
    pub detector: Detector,
    near: Session,
    pub rig: Session,
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(world::model(&DELAYS), change)
    }

    pub fn of(model: Arc<Model>, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let near =
            Endpoints { listen: vec!["tcp/127.0.0.1:0".into()], connect: vec![] }.open(Patience::Detector).unwrap();
        let mut config = Config::new(folder.path().join("journal.jsonl"));
        change(&mut config);
        let detector = Detector::start(&near, model, &config).unwrap();
        let rig = Endpoints { listen: vec![], connect: listening(&near) }.open(Patience::Rig).unwrap();
        Self { detector, near, rig, folder }
    }

    pub fn play(&self, count: u64) -> Played {
        let how =
            Play { cage: cage(), origin: Origin::Replay, speed: 1000.0, lossless: true, encoding: Encoding::Binary };
        let (_open, stop) = bounded(1);
        play(&self.rig, &world::stream(2), frames(count), &how, &stop).unwrap()
    }

    pub fn counts(&self) -> Counts {
        self.detector.tallies().counts(&cage())
    }

    pub fn journal(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("journal.jsonl")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// States of the cage as they are published, once the detector's session knows of the subscriber.
    pub fn states(&self) -> (Receiver<serde_json::Value>, zenoh::pubsub::Subscriber<()>) {
        let (states, heard) = unbounded();
        let on_status = move |sample: Sample| {
            let _ = states.send(serde_json::from_slice(&sample.payload().to_bytes()).unwrap());
        };
        let subscriber = self.rig.declare_subscriber(Rigs::All.statuses()).callback(on_status).wait().unwrap();
        let known = self.near.declare_publisher(cage().status()).wait().unwrap();
        until("the subscription to be known", || known.matching_status().wait().unwrap().matching());
        (heard, subscriber)
    }

    pub fn put(&self, key: &str, encoding: &str, payload: Vec<u8>) {
        let put = self.rig.put(key, payload).encoding(encoding).congestion_control(CongestionControl::Block);
        put.priority(Priority::RealTime).express(true).wait().unwrap();
    }

    pub fn describe(&self) {
        let poses = self.rig.declare_publisher(cage().pose()).wait().unwrap();
        until("the detector to subscribe", || poses.matching_status().wait().unwrap().matching());
        self.put(&cage().stream(), ENCODING_JSON, description::encode(&world::stream(2)));
    }

    pub fn put_frame(&self, number: u64, run: Option<u32>) {
        self.put(&cage().pose(), ENCODING_BINARY, payload(number, run, true));
    }
}

pub fn payload(number: u64, run: Option<u32>, lossless: bool) -> Vec<u8> {
    let content =
        Content::Frame { shape: Shape { individuals: 2, keypoints: 5 }, frame: world::frame(2, number, SEED) };
    Packet { stream: None, run, lossless, content }.encode(Encoding::Binary)
}

pub fn heard_state(states: &Receiver<serde_json::Value>, expected: &str) -> serde_json::Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = states.recv_deadline(deadline).unwrap_or_else(|_| panic!("no state {expected:?} was told"));
        if state["state"] == expected {
            return state;
        }
    }
}

/// What an event says about a transition of the core.
pub fn said(transition: &Transition) -> (u32, u64, u64, Option<u64>) {
    let stop = match transition.edge {
        Edge::Onset | Edge::Retraction => None,
        Edge::Offset { stop } => Some(stop.0),
    };
    (transition.delay.0, transition.onset.0, transition.decided.0, stop)
}

#[test]
fn a_lossless_replay_gives_the_bouts_of_the_core_alone_whatever_system_answers() {
    world::systems(&DELAYS).into_iter().for_each(replay_gives_the_bouts_of_the_core);
}

fn replay_gives_the_bouts_of_the_core(model: Arc<Model>) {
    const FRAMES: u64 = 300;
    let name = model.name().to_owned();
    let bench = Bench::of(Arc::clone(&model), |_| {});
    let played = bench.play(FRAMES);
    assert_eq!(played, Played { frames: FRAMES, taken: Some(FRAMES), stopped: false });
    let mut alone = Cage::open(model, &world::stream(2)).unwrap();
    let mut expected: Vec<_> = frames(FRAMES).flat_map(|frame| alone.push(&frame).unwrap().transitions).collect();
    expected.extend(alone.flush().unwrap().transitions);
    let folder = bench.folder.path().to_owned();
    let tallies = bench.detector.stop().unwrap();
    let counts = tallies.counts(&cage());
    assert_eq!((counts.displaced, counts.refused_in_all(), counts.unjournaled, counts.unpublished), (0, 0, 0, 0));
    assert_eq!(counts.published, expected.len() as u64);
    let text = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let events: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let live: Vec<_> = events.iter().map(|event| &event.verdict).collect();
    assert!(live.len() > 10, "{name}: too few events ({}) to say anything", live.len());
    assert!(live.iter().all(|verdict| verdict.origin == Origin::Replay));
    let live: Vec<_> = live
        .iter()
        .map(|verdict| (verdict.delay, verdict.onset_tick, verdict.decision_tick, verdict.stop_tick))
        .collect();
    assert_eq!(live, expected.iter().map(said).collect::<Vec<_>>(), "{name}");
}

#[test]
fn every_bout_that_began_ends_and_late_joiners_hear_of_it() {
    let bench = Bench::new(|_| {});
    bench.play(200);
    until("all to be published", || bench.counts().published == bench.counts().decided);
    let journal = bench.journal();
    let (late, heard) = unbounded();
    let subscriber = bench
        .rig
        .declare_subscriber(Rigs::All.events())
        .history(HistoryConfig::default().detect_late_publishers())
        .callback(move |sample: Sample| late.send(sample.payload().try_to_string().unwrap().into_owned()).unwrap());
    let _subscriber = subscriber.wait().unwrap();
    let mut told: Vec<String> = journal.iter().map(|_| heard.recv_timeout(PATIENCE).unwrap()).collect();
    let sequence = |json: &String| serde_json::from_str::<Event>(json).unwrap().sequence;
    told.sort_by_key(sequence);
    assert_eq!(told, journal);
    let edge = |word| move |event: &&Event| event.verdict.edge == word;
    let events: Vec<Event> = journal.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bouts = |word| {
        let mut bouts: Vec<_> = events.iter().filter(edge(word)).map(|event| event.verdict.bout.clone()).collect();
        bouts.sort();
        bouts
    };
    assert!(!bouts(EdgeWord::Onset).is_empty());
    assert_eq!(bouts(EdgeWord::Onset), bouts(EdgeWord::Offset));
    bench.detector.stop().unwrap();
}

#[test]
fn bad_input_is_counted_by_cause_and_harms_nothing() {
    let bench = Bench::new(|_| {});
    let (pose, good) = (cage().pose(), payload(0, None, true));
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let undescribed = CageName::new("rig1", "cage2").unwrap();
    bench.describe();
    bench.put(&undescribed.pose(), ENCODING_BINARY, good.clone());
    bench.put(&pose, ENCODING_BINARY, damaged(&|bytes| bytes[0] = b'X'));
    bench.put(&pose, ENCODING_BINARY, damaged(&|bytes| bytes[3] = b'9'));
    bench.put(&pose, ENCODING_BINARY, damaged(&|bytes| bytes[6] = 1));
    bench.put(&pose, ENCODING_BINARY, damaged(&|bytes| bytes.truncate(100)));
    bench.put(&pose, ENCODING_BINARY, Vec::new());
    bench.put(&pose, ENCODING_BINARY, vec![0; 300_000]);
    bench.put(&pose, ENCODING_BINARY, damaged(&|bytes| bytes[36] = 200));
    bench.put(&pose, ENCODING_BINARY, damaged(&|bytes| (bytes[36], bytes[38]) = (5, 2)));
    bench.put(&pose, ENCODING_JSON, b"{\"version\": 1, \"number\": NaN}".to_vec());
    bench.put(&pose, "text/plain", good.clone());
    bench.put(&cage().stream(), ENCODING_JSON, b"{}".to_vec());
    bench.put("vibrissa/rig 1/cage1/pose", ENCODING_BINARY, good.clone());
    let all_nan = |bytes: &mut Vec<u8>| {
        for value in bytes[40..].chunks_exact_mut(4) {
            value.copy_from_slice(&f32::NAN.to_le_bytes());
        }
    };
    bench.put(&pose, ENCODING_BINARY, damaged(&all_nan));
    (1..=20).for_each(|number| bench.put_frame(number, None));
    bench.put_frame(20, None);
    until("the good frames to be taken", || bench.counts().frames == 21 && bench.counts().refused_in_all() == 12);
    let counts = bench.counts();
    let causes: Vec<_> = counts.refused.iter().map(|(cause, count)| (*cause, *count)).collect();
    let expected = [
        ("description", 1),
        ("duplicate", 1),
        ("encoding", 1),
        ("flags", 1),
        ("json", 1),
        ("length", 2),
        ("magic", 1),
        ("oversized", 1),
        ("point-count", 1),
        ("shape", 1),
        ("version", 1),
    ];
    assert_eq!(causes, expected);
    assert!(counts.points_missing >= 10 && counts.points == 210);
    assert_eq!(bench.detector.tallies().counts(&undescribed).refused["undescribed"], 1);
    assert_eq!(bench.detector.tallies().others().refused["key"], 1);
    assert!(bench.detector.is_running());
    bench.detector.stop().unwrap();
}

#[test]
fn a_cage_is_freed_when_its_publisher_vanishes_and_opened_anew() {
    let bench = Bench::new(|config| config.idle = Duration::from_millis(300));
    let (states, _subscriber) = bench.states();
    for expected_frames in [3, 6] {
        bench.describe();
        (0..3).for_each(|number| bench.put_frame(number, Some(1)));
        heard_state(&states, "started");
        assert_eq!(heard_state(&states, "stopped")["reason"], "silent");
        assert_eq!(bench.counts().frames, expected_frames);
    }
    bench.detector.stop().unwrap();
}

#[test]
fn a_second_publisher_is_refused_while_the_first_one_speaks() {
    let bench = Bench::new(|_| {});
    bench.describe();
    for number in 0..10 {
        bench.put_frame(number, Some(1));
        bench.put_frame(number, Some(2));
    }
    until("all to be judged", || bench.counts().frames + bench.counts().refused_in_all() == 20);
    assert_eq!((bench.counts().frames, bench.counts().refused["other-publisher"]), (10, 10));
    bench.detector.stop().unwrap();
}

#[test]
fn a_journal_that_fails_silences_events_but_not_inference() {
    let bench = Bench::new(|config| config.journal_bytes_max = 2000);
    let (states, _subscriber) = bench.states();
    bench.describe();
    let mut number = 0;
    until("the journal to fail", || {
        bench.put_frame(number, None);
        number += 1;
        bench.detector.journal_failing().is_some()
    });
    assert!(
        heard_state(&states, "journal-failing")["reason"].as_str().unwrap().contains("expected at most 2000 bytes")
    );
    let (frames, published) = (bench.counts().frames, bench.counts().published);
    (number..number + 50).for_each(|number| bench.put_frame(number, None));
    until("inference to go on", || bench.counts().frames >= frames + 50);
    assert_eq!(bench.counts().published, published);
    let lines = bench.journal().len() as u64;
    let tallies = bench.detector.stop().unwrap();
    let counts = tallies.counts(&cage());
    assert_eq!((counts.published, counts.published + counts.unjournaled), (lines, counts.decided));
}

/// The program itself, detecting.
pub struct Program {
    pub child: std::process::Child,
    pub endpoint: String,
}

impl Program {
    pub fn detect(model: &Path, journal: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vibrissa"))
            .arg("detect")
            .args(["--listen", "tcp/127.0.0.1:0", "--model"])
            .arg(model)
            .arg("--journal")
            .arg(journal)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let waiting = lines.find(|line| line.as_ref().unwrap().starts_with("waiting for poses")).unwrap().unwrap();
        let endpoint = waiting.rsplit_once(" at ").unwrap().1.to_owned();
        // Its output is read to the end, so that the program never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, endpoint }
    }
}

/// Receives events until `enough` came; the replay goes on until the sender is dropped.
fn receive(endpoint: &str, enough: usize) -> (Session, Receiver<String>, Sender<()>) {
    let rig = Endpoints { listen: vec![], connect: vec![endpoint.to_owned()] }.open(Patience::Rig).unwrap();
    let (events, heard) = unbounded();
    let on_event = move |sample: Sample| {
        let _ = events.send(sample.payload().try_to_string().unwrap().into_owned());
    };
    rig.declare_subscriber(Rigs::All.events()).callback(on_event).background().wait().unwrap();
    let (stop, stopped) = bounded(1);
    let session = rig.clone();
    std::thread::spawn(move || {
        let how =
            Play { cage: cage(), origin: Origin::Replay, speed: 20.0, lossless: false, encoding: Encoding::Binary };
        let _ = play(&session, &world::stream(2), frames(1_000_000), &how, &stopped);
    });
    until("events to come", || heard.len() >= enough);
    (rig, heard, stop)
}

#[test]
fn an_event_that_was_published_is_in_the_journal_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let (model, journal) = (folder.path().join("model"), folder.path().join("journal.jsonl"));
    let card = world::card(&DELAYS);
    bundle::save(&model, &card, world::weights(&card, 5)).unwrap();
    let mut sequence_next = 1;
    let mut bouts = std::collections::BTreeSet::new();
    for _life in 0..3 {
        let mut program = Program::detect(&model, &journal, &[]);
        let (rig, heard, stop) = receive(&program.endpoint, 25);
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        drop(stop);
        rig.close().wait().unwrap();
        let text = std::fs::read_to_string(&journal).unwrap();
        for event in heard.try_iter() {
            assert!(text.lines().any(|line| line == event), "published, but not in the journal: {event}");
        }
        let whole = text.matches('\n').count() as u64;
        let events: Vec<Event> =
            text.lines().take(whole as usize).map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(events.iter().map(|event| event.sequence).eq(1..=whole), "a hole in the sequence");
        let onsets = events.iter().filter(|event| event.sequence >= sequence_next);
        for onset in onsets.filter(|event| event.verdict.edge == EdgeWord::Onset) {
            let told = (onset.verdict.delay, onset.verdict.bout.clone());
            assert!(bouts.insert(told), "{} is used twice", onset.verdict.bout);
        }
        sequence_next = Journal::open(&journal, JOURNAL_BYTES_MAX).unwrap().1.sequence_next;
        assert_eq!(sequence_next, whole + 1);
    }
    // Whoever comes next ends what the killed ones left open.
    let open = |journal: &Path| Journal::open(journal, JOURNAL_BYTES_MAX).unwrap().0.open_bouts().unwrap().len();
    assert!(open(&journal) > 0);
    let mut program = Program::detect(&model, &journal, &[]);
    let killed_left = |edge: EdgeWord| {
        let text = std::fs::read_to_string(&journal).unwrap();
        text.lines()
            .filter(|line| serde_json::from_str::<Event>(line).is_ok_and(|event| event.verdict.edge == edge))
            .count()
    };
    until("the bouts to be abandoned", || {
        killed_left(EdgeWord::Onset) == killed_left(EdgeWord::Offset) + killed_left(EdgeWord::Abandoned)
    });
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    assert_eq!(open(&journal), 0);
}
