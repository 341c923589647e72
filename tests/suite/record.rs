//! Recording over real zenoh sessions: what was recorded survives `kill -9`, and played back it gives the same bouts.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded};
use vibrissa::acquire::wire::Encoding;
use vibrissa::corpus::log::file::Out;
use vibrissa::corpus::log::{self, LoggedSession};
use vibrissa::keys::{CageName, Rigs};
use vibrissa::live::publisher::{Play, Played, play};
use vibrissa::live::recorder::{Config, Recorder};
use vibrissa::live::replayed::{PlayLog, play_log};
use vibrissa::live::session::{Endpoints, Patience};
use vibrissa::model::bundle;
use vibrissa::output::event::Event;
use vibrissa::stream::Origin;
use zenoh::{Session, Wait};

use crate::live::{Bench, DELAYS, Program, SEED, cage, frames, until};
use crate::world;

/// What killing the recorder may lose.
const LOST: Duration = Duration::from_secs(1);

/// A message may be on its way for so long on a busy machine.
const WAY: Duration = Duration::from_secs(1);

/// The program itself, recording.
struct Recording {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    endpoint: String,
    log: PathBuf,
}

impl Recording {
    fn start(out: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vibrissa"))
            .args(["record", "--report", "1", "--out"])
            .arg(out)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = lines.next().unwrap().unwrap().strip_prefix("log ").unwrap().into();
        let recording = lines.next().unwrap().unwrap();
        assert!(recording.starts_with("recording vibrissa/*/*/pose at "), "{recording}");
        Self { child, lines, endpoint: recording.rsplit_once(" at ").unwrap().1.to_owned(), log }
    }

    /// Waits for a line that says so.
    fn says(&mut self, mut this: impl FnMut(&str) -> bool) -> String {
        self.lines.by_ref().map(Result::unwrap).find(|line| this(line)).expect("the program to say so")
    }
}

fn connect(endpoint: &str) -> Session {
    Endpoints { listen: vec![], connect: vec![endpoint.to_owned()] }.open(Patience::Rig).unwrap()
}

/// Waits until someone beyond this session subscribes to the cage's poses.
fn until_heard(rig: &Session, cage: &CageName) {
    let poses = rig.declare_publisher(cage.pose()).wait().unwrap();
    until("a subscriber", || poses.matching_status().wait().unwrap().matching());
}

/// Publishes a cage until the sender is dropped. The moments are those at which frames were asked for: each was put
/// before the next.
fn publish(rig: &Session, cage: CageName, seed: u64) -> (Sender<()>, Arc<Mutex<Vec<Instant>>>) {
    let (rig, asked) = (rig.clone(), Arc::<Mutex<Vec<Instant>>>::default());
    let (stop, stopped) = bounded(1);
    let note = Arc::clone(&asked);
    std::thread::spawn(move || {
        let frames = (0..1_000_000).map(|number| world::frame(2, number, seed));
        let frames = frames.inspect(|_| note.lock().unwrap().push(Instant::now()));
        let how = Play { cage, origin: Origin::Simulated, speed: 5.0, lossless: true, encoding: Encoding::Binary };
        let _ = play(&rig, &world::stream(2), frames, &how, &stopped);
    });
    (stop, asked)
}

fn numbers(session: &LoggedSession) -> Vec<u64> {
    session.recording.frames.iter().map(|frame| frame.number).collect()
}

#[test]
fn killing_the_recorder_loses_the_last_second_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let mut recording = Recording::start(folder.path(), &["--listen", "tcp/127.0.0.1:0"]);
    let rig = connect(&recording.endpoint);
    let cages = ["left", "right"].map(|name| CageName::new("rig1", name).unwrap());
    for cage in &cages {
        until_heard(&rig, cage);
    }
    let published = [0, 1].map(|index| publish(&rig, cages[index].clone(), index as u64));
    until("three seconds of frames", || published.iter().all(|(_, asked)| asked.lock().unwrap().len() > 450));
    let killed = Instant::now();
    recording.child.kill().unwrap();
    recording.child.wait().unwrap();
    let sessions = log::read(&recording.log, 0.1).unwrap();
    assert_eq!(sessions.len(), 2);
    for (index, session) in sessions.iter().enumerate() {
        assert_eq!(session.cage, cages[index]);
        let asked = published[index].1.lock().unwrap().clone();
        let safe = asked.iter().skip(1).filter(|next| **next + LOST + WAY < killed).count();
        let kept = numbers(session);
        assert!(safe > 100 && kept.len() >= safe, "{} frames kept, {safe} were safe", kept.len());
        assert!(kept.iter().copied().eq(0..kept.len() as u64), "a hole in {kept:?}");
        for frame in &session.recording.frames {
            assert_eq!(frame.keypoints, world::frame(2, frame.number, index as u64).keypoints);
        }
        assert!(session.recording.repairs.iter().any(|repair| repair.contains("never closed")));
    }
}

/// What the events of a journal say, but for names and times that no two lives of a cage share.
fn bouts(journal: &[String]) -> Vec<String> {
    let said = |line: &String| {
        let verdict = serde_json::from_str::<Event>(line).unwrap().verdict;
        let (animals, behavior) = (verdict.animals, verdict.behavior);
        let ticks = (verdict.delay, verdict.edge, verdict.onset_tick, verdict.stop_tick, verdict.decision_tick);
        format!("{animals:?} {behavior} {ticks:?} {}", verdict.score)
    };
    journal.iter().map(said).collect()
}

#[test]
fn a_log_that_is_played_gives_the_bouts_of_the_day() {
    const FRAMES: u64 = 300;
    let day = Bench::new(|_| {});
    // A lossless replay begins when anyone listens, and here the recorder does.
    until_heard(&day.rig, &cage());
    let config = Config {
        rigs: Rigs::All,
        cage: None,
        out: Out::of(day.folder.path().join("day.mcap")),
        span_max: Duration::from_hours(1),
        bytes_max: 1 << 30,
    };
    let recorder = Recorder::start(&day.rig, &config).unwrap();
    assert_eq!(day.play(FRAMES).taken, Some(FRAMES));
    until("all to be published", || day.counts().published == day.counts().decided);
    let journal = day.journal();
    until("all events to be recorded", || recorder.progress().cages[&cage()].events >= journal.len() as u64);
    let progress = recorder.stop().unwrap();
    assert_eq!((progress.cages[&cage()].frames, progress.lost_in_all()), (FRAMES, 0));
    let log_file = progress.files[0].clone();
    let bytes = std::fs::read(&log_file).unwrap();
    let messages = mcap::read::MessageStream::new(&bytes).unwrap().map(Result::unwrap);
    let events = messages.filter(|message| message.channel.topic.contains("/event/"));
    let recorded: BTreeSet<String> = events.map(|event| String::from_utf8(event.data.to_vec()).unwrap()).collect();
    assert_eq!(recorded, journal.iter().cloned().collect());
    let sessions = log::read(&log_file, 0.1).unwrap();
    assert_eq!((sessions.len(), sessions[0].recording.repairs.as_slice()), (1, &[][..]));
    let kept = sessions[0].recording.frames.iter().map(|frame| (frame.number, frame.keypoints.clone()));
    assert!(kept.eq(frames(FRAMES).map(|frame| (frame.number, frame.keypoints))));

    let again = Bench::new(|_| {});
    let how = PlayLog { speed: 1000.0, lossless: true, encoding: Encoding::Binary };
    let (_open, stop) = bounded(1);
    let played = play_log(&again.rig, sessions, &how, &stop).unwrap();
    assert_eq!(played[0].1, Played { frames: FRAMES, taken: Some(FRAMES), stopped: false });
    until("all to be published", || again.counts().published == again.counts().decided);
    assert!(journal.len() > 10, "too few events ({}) to say anything", journal.len());
    assert_eq!(bouts(&again.journal()), bouts(&journal));
    day.detector.stop().unwrap();
    again.detector.stop().unwrap();
}

#[test]
fn a_recorder_joins_a_detector_and_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (model, journal) = (folder.path().join("model"), folder.path().join("journal.jsonl"));
    let card = world::card(&DELAYS);
    bundle::save(&model, &card, world::weights(&card, 5)).unwrap();
    let mut detector = Program::detect(&model, &journal, &[]);
    let mut recording = Recording::start(&folder.path().join("day.mcap"), &["--connect", &detector.endpoint]);
    let rig = connect(&detector.endpoint);
    let (_stop, _asked) = publish(&rig, cage(), SEED);
    let enough = |line: &str| {
        let frames = line.strip_prefix("rig1/cage1  frames ").and_then(|rest| rest.split(' ').next());
        // The description is repeated every second, and 150 frames come in one.
        frames.is_some_and(|frames| frames.parse::<u64>().unwrap() > 500)
    };
    recording.says(enough);
    let interrupted = Command::new("kill").args(["-INT", &recording.child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let last = recording.says(|line| line.contains(" bytes in "));
    assert!(last.ends_with("day.mcap"), "{last}");
    assert!(recording.child.wait().unwrap().success());
    detector.child.kill().unwrap();
    detector.child.wait().unwrap();
    let sessions = log::read(&recording.log, 0.1).unwrap();
    assert_eq!((sessions.len(), sessions[0].recording.repairs.as_slice()), (1, &[][..]));
    let numbers = numbers(&sessions[0]);
    assert!(numbers.len() > 100 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}
