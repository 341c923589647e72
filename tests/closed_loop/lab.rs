//! A rig with a camera, a detector as a process, and a device at a pseudo-terminal.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command as Program, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use vibrissa::acquire::description;
use vibrissa::acquire::wire::{Content, ENCODING_BINARY, ENCODING_JSON, Encoding, Packet, Shape};
use vibrissa::keys::CageName;
use vibrissa::live::session::{Endpoints, Patience};
use vibrissa::model::Model;
use vibrissa::model::bundle::{self, Reliability, WarmUp};
use vibrissa::poses::{Frame, Keypoint};
use vibrissa::stream::{Identities, Origin, StreamDescription};
use vibrissa::trigger::control::{Command, Reply};
use vibrissa::trigger::message::Trigger;
use vibrissa::trigger::permit::{PERMIT_VERSION, Permit, Rehearsed};
use vibrissa::trigger::plan::Plan;
use vibrissa::trigger::trail::{self, Decision, Entry, Sealed, Verdict};
use zenoh::qos::{CongestionControl, Priority};
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

use crate::device::{Device, PATIENCE};
use crate::world;

pub const SESSION: &str = "test";

const TICK: Duration = Duration::from_nanos(33_333_333);

pub fn cage() -> CageName {
    CageName::new("rig1", "cage1").unwrap()
}

/// A plan that acts while the noses are near, with a stimulus and changes of its text.
pub fn plan(device: &Device, stimulus: &str, changes: &[(&str, &str)]) -> String {
    let mut text = format!(
        r#"
name = "near"
rig = "rig1"

[outputs.laser]
kind = "serial"
device = "{}"
protocol = "vibrissa"
bounded_by = "device"
channel = 1
on_time_max_millis = 5000
reply_millis_max = 1000

[limits.laser]
count_per_hour_max = 100
count_per_session_max = 100
on_millis_per_hour_max = 600000
on_millis_per_session_max = 600000

[[phases]]
name = "baseline"

[[rules]]
name = "near"
agent = "animal0"
output = "laser"
stimulus = {stimulus}
refractory = {{ pair_millis = 0, cage_millis = 300, rig_millis = 0 }}
false_per_hour_max = 10.0

[[rules.geometry]]
quantity = "nose-to-nose"
side = "below"
on = 0.5
off = 1.0
"#,
        device.path.display()
    );
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

pub const PULSE: &str = "{ kind = \"pulse\", on_millis = 50 }";
pub const LONG: &str = "{ kind = \"pulse\", on_millis = 5000 }";
pub const GATE: &str = "{ kind = \"gate\", on_millis_max = 5000 }";

/// What is on the disk of the rig's machine.
pub struct Lab {
    pub folder: tempfile::TempDir,
    pub device: Device,
}

impl Lab {
    pub fn new(stimulus: &str, changes: &[(&str, &str)]) -> Self {
        let (folder, device) = (tempfile::tempdir().unwrap(), Device::start(1000));
        let text = plan(&device, stimulus, changes);
        let lab = Self { folder, device };
        let card = world::card(&[0]);
        let reliability = vec![Reliability { history_ticks: 5, f1: vec![1.0] }];
        let card = bundle::Card { warm_up: Some(WarmUp { ticks: 5, reliability }), ..card };
        bundle::save(&lab.path("model"), &card, world::weights(&card, 5)).unwrap();
        std::fs::write(lab.path("plan.toml"), text).unwrap();
        lab.permit(|_| {});
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the permit that a rehearsal would have written, but for a change.
    pub fn permit(&self, change: impl FnOnce(&mut Permit)) {
        let plan = Plan::read(&self.path("plan.toml")).unwrap();
        let of_rule = |rule: &vibrissa::trigger::plan::Rule| Rehearsed {
            name: rule.name.clone(),
            labelled_hours: 1.0,
            triggers: 5,
            hits: 4,
            bouts: 6,
            false_per_hour: 1.0,
            false_per_hour_max: rule.false_per_hour_max,
        };
        let mut permit = Permit {
            version: PERMIT_VERSION,
            rig: plan.rig.clone(),
            plan: plan.name.clone(),
            plan_hash: plan.hash.clone(),
            model: Model::load(&self.path("model")).unwrap().hash().to_owned(),
            recordings: vec!["one".into()],
            rules: plan.rules.iter().map(of_rule).collect(),
            unix_nanos: 0,
        };
        change(&mut permit);
        std::fs::write(self.path("permit.json"), serde_json::to_vec(&permit).unwrap()).unwrap();
    }

    pub fn entries(&self) -> Vec<Entry> {
        trail::read(&trail::paths(&self.path("sessions"), SESSION)[0]).unwrap_or_default()
    }

    pub fn sealed(&self) -> Vec<Sealed> {
        trail::read(&trail::paths(&self.path("sessions"), SESSION)[1]).unwrap_or_default()
    }

    pub fn decisions(&self) -> Vec<Decision> {
        let decision = |entry| match entry {
            Entry::Decision(decision) => Some(decision),
            _ => None,
        };
        self.entries().into_iter().filter_map(decision).collect()
    }

    /// Causes of refusals.
    pub fn refused(&self) -> Vec<String> {
        let cause = |decision: Decision| match decision.verdict {
            Verdict::Refused { cause, .. } => Some(cause),
            Verdict::Triggered { .. } => None,
        };
        self.decisions().into_iter().filter_map(cause).collect()
    }

    pub fn triggered(&self) -> usize {
        self.decisions().len() - self.refused().len()
    }

    /// Why cages were disarmed.
    pub fn disarmed(&self) -> Vec<String> {
        let why = |entry| match entry {
            Entry::Disarmed { why, .. } => Some(why),
            _ => None,
        };
        self.entries().into_iter().filter_map(why).collect()
    }
}

/// Looks at a condition again and again until it holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        let _ = crossbeam::channel::never::<()>().recv_timeout(Duration::from_millis(2));
    }
}

/// A running detector, and a session that is connected to it.
pub struct Detector {
    pub child: Child,
    pub rig: Session,
    pub triggers: Receiver<Trigger>,
    lines: Receiver<String>,
}

impl Detector {
    pub fn start(lab: &Lab) -> Self {
        Self::start_with(lab, &["--permit", "permit.json"])
    }

    pub fn start_with(lab: &Lab, more: &[&str]) -> Self {
        let mut child = Program::new(env!("CARGO_BIN_EXE_vibrissa"))
            .current_dir(lab.folder.path())
            .args(["detect", "--listen", "tcp/127.0.0.1:0", "--model", "model", "--journal", "journal.jsonl"])
            .args(["--triggers", "plan.toml", "--sessions", "sessions"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let waiting = printed.find(|line| line.as_ref().unwrap().starts_with("waiting for poses")).unwrap().unwrap();
        let endpoint = waiting.rsplit_once(" at ").unwrap().1.to_owned();
        let (print, lines) = unbounded();
        std::thread::spawn(move || printed.map_while(Result::ok).for_each(|line| drop(print.send(line))));
        let rig = Endpoints { listen: vec![], connect: vec![endpoint] }.open(Patience::Rig).unwrap();
        let (told, triggers) = unbounded();
        let on_trigger = move |sample: Sample| {
            let _ = told.send(serde_json::from_slice(&sample.payload().to_bytes()).unwrap());
        };
        rig.declare_subscriber(cage().trigger()).callback(on_trigger).background().wait().unwrap();
        let control = rig.declare_querier(cage().control()).wait().unwrap();
        until("the detector to answer commands", || control.matching_status().wait().unwrap().matching());
        control.undeclare().wait().unwrap();
        Self { child, rig, triggers, lines }
    }

    pub fn ask(&self, command: &Command) -> Reply {
        let replies = self.rig.get(cage().control()).payload(command.to_json()).timeout(PATIENCE).wait().unwrap();
        let reply = replies.recv().unwrap();
        serde_json::from_slice(&reply.result().unwrap().payload().to_bytes()).unwrap()
    }

    #[track_caller]
    pub fn arm(&self) {
        let mut said = String::new();
        // Until the first frames came, there is nothing to be bound to.
        until("the cage to be armed", || {
            let reply = self.ask(&Command::Arm { session: SESSION.into() });
            said = reply.said;
            assert!(reply.done || said.contains("expected frames") || said.contains("age"), "{said}");
            reply.done
        });
    }

    /// The guard that it has started.
    pub fn guard(&self) -> u32 {
        let is_child = |pid: &u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
            parent == Some(self.child.id())
        };
        let pids =
            std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        pids.into_iter().find(is_child).expect("a guard")
    }

    /// The end by Ctrl-C.
    pub fn end(mut self) -> Vec<String> {
        use rustix::process::{Pid, Signal, kill_process};
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success());
        self.lines.iter().collect()
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two animals in front of a camera, published as live frames.
pub struct Camera {
    pub near: Arc<AtomicBool>,
    /// When the first frame was put in which they are near, in nanoseconds since 1970.
    pub neared_nanos: Arc<AtomicU64>,
    /// Put so far.
    frames: Arc<AtomicU64>,
    stop: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub fn stream(origin: Origin, clock: Option<&str>) -> StreamDescription {
    let names = vec!["animal0".to_owned(), "animal1".to_owned()];
    let clock = clock.map(str::to_owned);
    let stream = StreamDescription::new(world::skeleton(), names, 30.0, world::BODY_LENGTH_PX, clock, origin).unwrap();
    stream.with_identities(Identities::Stable)
}

pub fn now_nanos() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

fn frame(number: u64, near: bool, capture_nanos: Option<i64>) -> Frame {
    let apart = if near { 0.2 } else { 2.0 };
    let wobble = 2.0 * (number as f32 / 7.0).sin();
    let body = |nose: f32, way: f32| [0.0, 0.5, 1.0, 1.3, 1.6].map(|along| nose + way * along);
    let points = body(0.0, -1.0).into_iter().chain(body(apart, 1.0));
    let keypoints = points.map(|x| Keypoint { x: 300.0 + 100.0 * x, y: 200.0 + wobble, confidence: 0.9 });
    Frame { number, capture_nanos, keypoints: keypoints.collect() }
}

impl Camera {
    /// Publishes 30 frames a second of a `run`; captured `ahead_millis` in the future.
    pub fn start(rig: &Session, run: u32, stream: &StreamDescription, ahead_millis: i64) -> Self {
        let (near, neared_nanos) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop, stopped) = bounded::<()>(0);
        let frames = Arc::<AtomicU64>::default();
        let thread = std::thread::spawn({
            let (rig, stream) = (rig.clone(), stream.clone());
            let (near, neared_nanos) = (Arc::clone(&near), Arc::clone(&neared_nanos));
            let frames = Arc::clone(&frames);
            move || {
                let put = |key: String, encoding: &str, payload: Vec<u8>| {
                    let put = rig.put(key, payload).encoding(encoding).congestion_control(CongestionControl::Drop);
                    let _ = put.priority(Priority::RealTime).express(true).wait();
                };
                let begin = Instant::now();
                for number in 0.. {
                    if number % 15 == 0 {
                        put(cage().stream(), ENCODING_JSON, description::encode(&stream));
                    }
                    let (is_near, now) = (near.load(Ordering::Relaxed), now_nanos());
                    if is_near {
                        let _ = neared_nanos.compare_exchange(0, now as u64, Ordering::Relaxed, Ordering::Relaxed);
                    }
                    let capture = stream.clock().map(|_| now + ahead_millis * 1_000_000);
                    let (shape, frame) = (Shape { individuals: 2, keypoints: 5 }, frame(number, is_near, capture));
                    let content = Content::Frame { shape, frame };
                    let packet = Packet { stream: None, run: Some(run), lossless: false, content };
                    put(cage().pose(), ENCODING_BINARY, packet.encode(Encoding::Binary));
                    frames.fetch_add(1, Ordering::Relaxed);
                    let due = begin + TICK * (number as u32 + 1);
                    if stopped.recv_deadline(due) != Err(crossbeam::channel::RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            }
        });
        Self { near, neared_nanos, frames, stop: Some(stop), thread: Some(thread) }
    }

    pub fn live(rig: &Session, run: u32) -> Self {
        Self::start(rig, run, &stream(Origin::Live, Some("unix")), 0)
    }

    /// Lets so many frames pass.
    pub fn pass(&self, frames: u64) {
        let before = self.frames.load(Ordering::Relaxed);
        until("frames to pass", || self.frames.load(Ordering::Relaxed) >= before + frames);
    }

    /// The animals come near, or part.
    pub fn near(&self, near: bool) {
        self.neared_nanos.store(0, Ordering::Relaxed);
        self.near.store(near, Ordering::Relaxed);
    }

    /// The animals come near until something comes of it: on a busy machine a frame may be too late to act on, and the
    /// rule begins to hold only once.
    #[track_caller]
    pub fn come_near(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.near(true);
            let next = Instant::now() + Duration::from_millis(700);
            while Instant::now() < next {
                if holds() {
                    return;
                }
                let _ = crossbeam::channel::never::<()>().recv_timeout(Duration::from_millis(2));
            }
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
            self.near(false);
            self.pass(15);
        }
    }

    /// Ends without a word, as when the cable is pulled.
    pub fn stop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A lab with a detector whose cage is armed.
pub fn armed(stimulus: &str, changes: &[(&str, &str)]) -> (Lab, Detector, Camera) {
    let lab = Lab::new(stimulus, changes);
    let detector = Detector::start(&lab);
    let camera = Camera::live(&detector.rig, 1);
    detector.arm();
    // Until the network has seen enough of the animals, it would be refused.
    camera.pass(15);
    (lab, detector, camera)
}
