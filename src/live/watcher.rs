//! Watching cages as any program on the network can: poses, descriptions, events, scores and states, as they come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::channel::{Receiver, Sender, bounded};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zenoh::pubsub::Subscriber;
use zenoh::sample::{Sample, SampleKind};
use zenoh::{Session, Wait};

use crate::acquire::description::{DESCRIPTION_BYTES_MAX, Described};
use crate::acquire::wire::Content;
use crate::keys::{CageName, Rigs};
use crate::live::{LiveError, intake};
use crate::output::event::{EVENT_BYTES_MAX, EVENT_VERSION, Event};
use crate::output::scores::{SCORES_BYTES_MAX, SCORES_VERSION, Scores};
use crate::poses::Frame;
use crate::stream::StreamDescription;

/// Things that may wait to be looked at; more are left out and counted, so that the wire never waits for the watcher.
pub const SEEN_MAX: usize = 4096;

/// Longest status message that is read.
const STATUS_BYTES_MAX: usize = 64 * 1024;

/// Something that came by.
#[derive(Debug)]
pub enum Seen {
    Described(CageName, Box<StreamDescription>),
    Frame(CageName, Frame),
    Event(Box<Event>),
    Scores(Box<Scores>),
    Status(CageName, Box<Status>),
}

/// The parts of a status message that a watcher shows, see [`crate::live::status`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Status {
    pub state: String,
    pub history_ticks: u32,
    pub warm_ticks: u32,
    pub animals: Vec<String>,
    pub cause: String,
    pub reason: String,
    pub counts: Counts,
}

/// What a status message counts, as far as a watcher shows it; see [`crate::live::tally::Counts`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Counts {
    pub frames: u64,
    pub ticks: u64,
    pub published: u64,
    pub displaced: u64,
    pub unjournaled: u64,
    pub unpublished: u64,
    pub refused: BTreeMap<String, u64>,
}

/// The cages of some rigs, from now on.
pub struct Watcher {
    pub seen: Receiver<Seen>,
    missed: Arc<AtomicU64>,
    _subscribers: Vec<Subscriber<()>>,
}

/// What becomes of a message; `None` of one that cannot be read.
type Read = fn(&Sample) -> Option<Seen>;

impl Watcher {
    /// # Errors
    /// zenoh refusing a subscription.
    pub fn new(session: &Session, rigs: &Rigs) -> Result<Self, LiveError> {
        let (arrived, seen) = bounded(SEEN_MAX);
        let missed = Arc::<AtomicU64>::default();
        let kinds: [(String, Read); 5] = [
            (rigs.streams(), description),
            (rigs.poses(), frame),
            (rigs.events(), event),
            (rigs.scores(), scores),
            (rigs.statuses(), status),
        ];
        let mut subscribers = Vec::new();
        for (key, read) in kinds {
            let (arrived, missed): (Sender<Seen>, _) = (arrived.clone(), Arc::clone(&missed));
            let take = move |sample: Sample| {
                let seen = if sample.kind() == SampleKind::Put { read(&sample) } else { None };
                if seen.is_some_and(|seen| arrived.try_send(seen).is_err()) {
                    missed.fetch_add(1, Ordering::Relaxed);
                }
            };
            let subscriber = session.declare_subscriber(key).callback(take).wait();
            subscribers.push(subscriber.map_err(LiveError::zenoh("subscribing to what is watched"))?);
        }
        Ok(Self { seen, missed, _subscribers: subscribers })
    }

    /// How much was left out because nobody looked in time.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

fn cage(sample: &Sample, part: &'static str) -> Option<CageName> {
    CageName::of_key(sample.key_expr().as_str(), part).ok()
}

fn description(sample: &Sample) -> Option<Seen> {
    let payload = sample.payload();
    if payload.len() > DESCRIPTION_BYTES_MAX {
        return None;
    }
    let described = Described::decode(&payload.to_bytes()).ok()?;
    Some(Seen::Described(cage(sample, "stream")?, Box::new(described.stream)))
}

fn frame(sample: &Sample) -> Option<Seen> {
    let (encoding, payload) = (sample.encoding().to_string(), sample.payload());
    let packet = intake::decode(&encoding, payload.len(), || payload.to_bytes(), 0.0).ok()?;
    match packet.content {
        Content::Frame { frame, .. } => Some(Seen::Frame(cage(sample, "pose")?, frame)),
        Content::End { .. } => None,
    }
}

/// A message of JSON that is not longer than it may be.
fn json<T: DeserializeOwned>(sample: &Sample, bytes_max: usize) -> Option<T> {
    let payload = sample.payload();
    (payload.len() <= bytes_max).then(|| serde_json::from_slice(&payload.to_bytes()).ok())?
}

fn event(sample: &Sample) -> Option<Seen> {
    let event: Event = json(sample, EVENT_BYTES_MAX)?;
    (event.version == EVENT_VERSION).then(|| Seen::Event(Box::new(event)))
}

fn scores(sample: &Sample) -> Option<Seen> {
    let cage = cage(sample, "score")?;
    let scores: Scores = json(sample, SCORES_BYTES_MAX)?;
    let honest = scores.version == SCORES_VERSION && scores.rig == cage.rig() && scores.cage == cage.cage();
    honest.then(|| Seen::Scores(Box::new(scores)))
}

fn status(sample: &Sample) -> Option<Seen> {
    let status: Status = json(sample, STATUS_BYTES_MAX)?;
    Some(Seen::Status(cage(sample, "status")?, Box::new(status)))
}
