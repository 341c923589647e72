//! The packets of a cage, told apart by who published them and when, and put in the order of their numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::acquire::description::{Described, StreamId};
use crate::acquire::wire::{Content, Packet, Shape};
use crate::corpus::recording::{FRAME_NUMBER_MAX, RawRecording};
use crate::corpus::sidecar::Sidecar;
use crate::keys::CageName;
use crate::poses::Frame;
use crate::stream::StreamDescription;

/// Silence after which numbers that do not go on begin a new session, as they do in a detector.
const IDLE_NANOS: i64 = 10_000_000_000;

/// A frame that lies more than this behind the newest is not late: someone counts from another beginning.
const LATE_SECS_MAX: f64 = 1.0;

/// For how long there must be nothing but such frames until they are believed.
const DOUBT_NANOS: i64 = 1_000_000_000;

/// Most sessions of a cage in one log.
pub const SESSIONS_MAX: usize = 1024;

/// What one publisher told of a cage, from its first frame to its last.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedSession {
    pub cage: CageName,
    /// As every reader of poses gives it; named `{rig}_{cage}`, from the second session of a cage on with its number.
    pub recording: RawRecording,
    /// The whole description: with it comes the clock of the capture times, and whether identities are stable.
    pub stream: StreamDescription,
    /// By which the publisher told itself from others.
    pub run: Option<u32>,
    /// Every frame as it arrived, doubles and late ones where they came.
    pub arrivals: Vec<Arrival>,
}

/// When a frame came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// On the recorder's clock: nanoseconds since 1970 (UTC).
    pub nanos: i64,
    /// Index of the frame in the recording.
    pub frame: usize,
}

/// The packets of a cage in the order of the log, and the descriptions among them.
#[derive(Default)]
pub(super) struct CageLog {
    packets: Vec<(i64, Packet)>,
    /// Each with the count of packets before it. A description that only repeats the last is not held again.
    descriptions: Vec<(usize, Arc<Described>)>,
    left_out: BTreeMap<&'static str, u64>,
}

impl CageLog {
    pub fn describe(&mut self, json: &[u8]) {
        if let Some((_, last)) = self.descriptions.last()
            && last.id == StreamId::of(json)
        {
            return;
        }
        match Described::decode(json) {
            Ok(described) => self.descriptions.push((self.packets.len(), Arc::new(described))),
            Err(_) => self.leave_out("description"),
        }
    }

    pub fn hear(&mut self, packet: Packet, arrived_nanos: i64) {
        self.packets.push((arrived_nanos, packet));
    }

    pub fn leave_out(&mut self, cause: &'static str) {
        *self.left_out.entry(cause).or_default() += 1;
    }

    /// The sessions of this cage, and how many of its packets belong to none, by cause. `names` are taken by
    /// others.
    pub fn sessions(
        mut self,
        cage: &CageName,
        file: &Path,
        names: &mut BTreeSet<String>,
    ) -> (Vec<LoggedSession>, BTreeMap<&'static str, u64>) {
        let by_id: HashMap<StreamId, &Arc<Described>> =
            self.descriptions.iter().map(|(_, described)| (described.id, described)).collect();
        let (mut sorter, mut in_force) = (Sorter::default(), 0);
        for (index, (arrived, packet)) in self.packets.into_iter().enumerate() {
            while self.descriptions.get(in_force + 1).is_some_and(|(before, _)| *before <= index) {
                in_force += 1;
            }
            let described = match packet.stream {
                Some(id) => by_id.get(&id).copied(),
                // Frames may come before the first word about them, which is repeated every second.
                None => self.descriptions.get(in_force).map(|(_, described)| described),
            };
            match (packet.content, described) {
                (Content::End { .. }, _) => sorter.end(packet.run),
                (Content::Frame { .. }, None) => *self.left_out.entry("undescribed").or_default() += 1,
                (Content::Frame { shape, frame }, Some(described)) => {
                    let refused = misfit(&described.stream, shape, &frame)
                        .or_else(|| sorter.frame(packet.run, described, arrived, frame).err());
                    if let Some(cause) = refused {
                        *self.left_out.entry(cause).or_default() += 1;
                    }
                }
            }
        }
        let (mut sessions, doubted) = sorter.finish();
        if doubted > 0 {
            self.left_out.insert("late by more than a second", doubted);
        }
        sessions.sort_by_key(|session| session.arrived.first().map(|(nanos, _)| *nanos));
        let mut sessions: Vec<LoggedSession> =
            sessions.into_iter().map(|session| session.into_logged(cage, file, names)).collect();
        let left_out = self.left_out.iter().map(|(cause, count)| format!("{cage}: {count} packets left out: {cause}"));
        for repair in left_out {
            for session in &mut sessions {
                session.recording.repairs.push(repair.clone());
            }
        }
        (sessions, self.left_out)
    }
}

/// Frames by who published them.
#[derive(Default)]
struct Sorter {
    open: HashMap<(Option<u32>, StreamId), Session>,
    closed: Vec<Session>,
    /// Frames that were in doubt and not believed.
    doubted: u64,
}

struct Session {
    run: Option<u32>,
    described: Arc<Described>,
    /// In the order of arrival.
    arrived: Vec<(i64, Frame)>,
    newest: u64,
    newest_nanos: i64,
    /// Frames that would begin the numbers anew, since the last that did not.
    doubt: Vec<(i64, Frame)>,
}

impl Sorter {
    fn frame(
        &mut self,
        run: Option<u32>,
        described: &Arc<Described>,
        nanos: i64,
        frame: Frame,
    ) -> Result<(), &'static str> {
        let key = (run, described.id);
        let room = self.open.len() + self.closed.len() < SESSIONS_MAX;
        let Some(session) = self.open.get_mut(&key) else {
            if !room {
                return Err("of too many sessions");
            }
            self.open.insert(key, Session::new(run, described, vec![(nanos, frame)]));
            return Ok(());
        };
        let late_frames_max = LATE_SECS_MAX * described.stream.rate_hz();
        let behind = session.newest.saturating_sub(frame.number) as f64 > late_frames_max;
        let silent = nanos.saturating_sub(session.newest_nanos) >= IDLE_NANOS && frame.number <= session.newest;
        if !behind && !silent {
            self.doubted += session.doubt.drain(..).len() as u64;
            session.take(nanos, frame);
            return Ok(());
        }
        session.doubt.push((nanos, frame));
        let doubted_nanos = nanos.saturating_sub(session.doubt[0].0);
        if (silent || doubted_nanos >= DOUBT_NANOS) && room {
            let anew = Session::new(run, described, std::mem::take(&mut session.doubt));
            self.closed.extend(self.open.insert(key, anew));
        }
        Ok(())
    }

    /// The publisher is done.
    fn end(&mut self, run: Option<u32>) {
        let ended: Vec<_> = self.open.keys().filter(|(open, _)| *open == run).copied().collect();
        self.closed.extend(ended.iter().filter_map(|key| self.open.remove(key)));
    }

    fn finish(mut self) -> (Vec<Session>, u64) {
        self.closed.extend(self.open.into_values());
        let doubted = self.doubted + self.closed.iter().map(|session| session.doubt.len() as u64).sum::<u64>();
        (self.closed, doubted)
    }
}

impl Session {
    fn new(run: Option<u32>, described: &Arc<Described>, arrived: Vec<(i64, Frame)>) -> Self {
        let described = Arc::clone(described);
        let mut session = Self { run, described, arrived: Vec::new(), newest: 0, newest_nanos: 0, doubt: Vec::new() };
        for (nanos, frame) in arrived {
            session.take(nanos, frame);
        }
        session
    }

    fn take(&mut self, nanos: i64, frame: Frame) {
        self.newest = self.newest.max(frame.number);
        self.newest_nanos = nanos;
        self.arrived.push((nanos, frame));
    }

    fn into_logged(self, cage: &CageName, file: &Path, names: &mut BTreeSet<String>) -> LoggedSession {
        let mut order: Vec<usize> = (0..self.arrived.len()).collect();
        // Of doubles the one that came first stays: the sort is stable.
        order.sort_by_key(|&at| self.arrived[at].1.number);
        let mut arrivals: Vec<Arrival> =
            self.arrived.iter().map(|&(nanos, _)| Arrival { nanos, frame: usize::MAX }).collect();
        let mut frames: Vec<Frame> = Vec::new();
        let mut arrived: Vec<Option<Frame>> = self.arrived.into_iter().map(|(_, frame)| Some(frame)).collect();
        let mut doubles = 0_u64;
        for at in order {
            let Some(frame) = arrived[at].take() else { continue };
            if frames.last().is_some_and(|last| last.number == frame.number) {
                doubles += 1;
            } else {
                frames.push(frame);
            }
            arrivals[at].frame = frames.len() - 1;
        }
        let stream = self.described.stream.clone();
        let (individuals, skeleton) = (stream.individuals().to_vec(), stream.skeleton().clone());
        let keypoints = skeleton.keypoints().to_vec();
        let stated = Sidecar {
            rate_hz: Some(stream.rate_hz()),
            body_length_px: Some(stream.body_length_px()),
            skeleton: Some(skeleton),
            individuals: Some(individuals.clone()),
            ..Sidecar::default()
        };
        let (name, file) = (name(cage, names), file.to_path_buf());
        let repairs = repairs(&name, &arrivals, doubles);
        let clock = stream.clock().map(str::to_owned);
        let recording = RawRecording { file, name, individuals, keypoints, frames, clock, stated, repairs };
        LoggedSession { cage: cage.clone(), recording, stream, run: self.run, arrivals }
    }
}

/// A name that no other session of the file has.
fn name(cage: &CageName, names: &mut BTreeSet<String>) -> String {
    let base = format!("{}_{}", cage.rig(), cage.cage());
    let mut numbered = std::iter::once(base.clone()).chain((2..).map(|number: usize| format!("{base}_{number}")));
    let free = numbered.find(|name| !names.contains(name)).unwrap_or(base);
    names.insert(free.clone());
    free
}

fn repairs(name: &str, arrivals: &[Arrival], doubles: u64) -> Vec<String> {
    let mut repairs = Vec::new();
    let (mut newest, mut not_ascending) = (None, 0);
    for arrival in arrivals {
        not_ascending += u64::from(newest >= Some(arrival.frame));
        newest = newest.max(Some(arrival.frame));
    }
    if doubles > 0 {
        repairs.push(format!("{name}: {doubles} frames came again: the first of each stays"));
    }
    if not_ascending > doubles {
        repairs
            .push(format!("{name}: {} frames came late: put in the order of their numbers", not_ascending - doubles));
    }
    repairs
}

/// Why a frame cannot be one of a stream.
fn misfit(stream: &StreamDescription, shape: Shape, frame: &Frame) -> Option<&'static str> {
    let expected = Shape { individuals: stream.individuals().len(), keypoints: stream.skeleton().keypoints().len() };
    if shape != expected {
        return Some("point-count");
    }
    (frame.number > FRAME_NUMBER_MAX).then_some("number")
}
