//! The herald: one thread that publishes events and status messages. A subscriber that is slow holds up this thread,
//! never the journal or the network.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use zenoh::matching::MatchingStatus;
use zenoh::qos::{CongestionControl, Priority};
use zenoh::{Session, Wait};
use zenoh_ext::{AdvancedPublisher, AdvancedPublisherBuilderExt, CacheConfig, MissDetectionConfig};

use crate::acquire::wire::ENCODING_JSON;
use crate::keys::{CAGES_MAX, CageName, Rigs};
use crate::live::cages::Scored;
use crate::live::clock::Moment;
use crate::live::queue::{LaneQueue, Popped, Pushed, WhenFull};
use crate::live::tally::{Latency, Tallies};
use crate::live::{LiveError, spawn};

/// Messages of each cage that may wait for the wire; the oldest give way and are counted.
pub const OUTGOING_MAX: usize = 512;

/// Events of each key that late joiners are given.
pub const HISTORY_EVENTS: usize = 256;

/// Event keys (cage and delay) whose history is kept; the one that was silent for longest gives way.
pub const PUBLISHERS_MAX: usize = 4 * CAGES_MAX;

/// Something to publish.
pub enum Outgoing {
    /// An event that is in the journal.
    Event {
        cage: CageName,
        key: String,
        json: String,
        decided: Instant,
    },
    Status {
        cage: CageName,
        json: String,
    },
    /// That something was triggered; it is in the session's trail.
    Trigger {
        cage: CageName,
        json: String,
    },
    /// For whoever watches; becomes JSON here, off the inference thread.
    Scores(Scored),
}

impl Outgoing {
    fn cage(&self) -> &CageName {
        match self {
            Self::Event { cage, .. }
            | Self::Status { cage, .. }
            | Self::Trigger { cage, .. }
            | Self::Scores(Scored { cage, .. }) => cage,
        }
    }
}

/// Messages on their way to the wire.
pub struct Outbox {
    queue: LaneQueue<CageName, Outgoing>,
    /// Somebody subscribes to scores.
    watched: AtomicBool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbox {
    pub fn new() -> Self {
        Self { queue: LaneQueue::new(OUTGOING_MAX), watched: AtomicBool::new(false) }
    }

    /// Whether anybody subscribes to scores of any cage: otherwise none need to be made.
    pub fn scores_are_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Queues a message; where its cage has too many, the oldest of them is given up and counted.
    pub fn send(&self, message: Outgoing, tallies: &Tallies) {
        let cage = message.cage().clone();
        match self.queue.push(&cage, message, WhenFull::DropOldest) {
            Pushed::Displaced(Outgoing::Event { cage, .. }) | Pushed::Closed(Outgoing::Event { cage, .. }) => {
                tallies.with(&cage, |tally| tally.counts.lose_unpublished());
            }
            _ => {}
        }
    }

    pub fn pop(&self, deadline: Instant) -> Popped<Outgoing> {
        self.queue.pop(deadline)
    }

    pub fn close(&self) {
        self.queue.close();
    }
}

/// Starts the thread; it ends when the outbox is closed and drained.
pub fn start(session: Session, outbox: Arc<Outbox>, tallies: Arc<Tallies>) -> Result<JoinHandle<()>, LiveError> {
    // Never put to: it tells whether somebody subscribes to scores.
    let scores = session.declare_publisher(Rigs::All.scores()).wait();
    let scores = scores.map_err(LiveError::zenoh("declaring the scores"))?;
    let watcher = Arc::clone(&outbox);
    let on_match = move |status: MatchingStatus| watcher.watched.store(status.matching(), Ordering::Relaxed);
    let matching = scores.matching_listener().callback(on_match).wait();
    let matching = matching.map_err(LiveError::zenoh("listening for subscribers"))?;
    spawn("publication", move || {
        let _matching = (scores, matching);
        let mut herald = Herald { session, publishers: HashMap::new(), turn: 0 };
        while let Some(message) = outbox.queue.pop_or_closed() {
            match message {
                Outgoing::Event { cage, key, json, decided } => {
                    let done = herald.event(key, json);
                    tallies.with(&cage, |tally| match done {
                        Ok(()) => {
                            tally.counts.publish();
                            tally.record(Latency::Publication, decided.elapsed());
                        }
                        Err(_) => tally.counts.lose_unpublished(),
                    });
                }
                // A status is said again in a few seconds: one that is lost is not worth counting.
                Outgoing::Scores(scored) => drop(herald.scores(&scored)),
                Outgoing::Status { cage, json } => drop(herald.status(&cage, json)),
                Outgoing::Trigger { cage, json } => drop(herald.event(cage.trigger(), json)),
            }
        }
    })
}

struct Herald {
    session: Session,
    publishers: HashMap<String, (AdvancedPublisher<'static>, u64)>,
    turn: u64,
}

impl Herald {
    fn event(&mut self, key: String, json: String) -> zenoh::Result<()> {
        self.turn += 1;
        if let Some((publisher, used)) = self.publishers.get_mut(&key) {
            *used = self.turn;
            return publisher.put(json).wait();
        }
        if self.publishers.len() >= PUBLISHERS_MAX {
            let oldest = self.publishers.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.publishers.remove(&key));
        }
        let publisher = self
            .session
            .declare_publisher(key.clone())
            .encoding(ENCODING_JSON)
            .congestion_control(CongestionControl::Block)
            .priority(Priority::InteractiveHigh)
            .express(true)
            .cache(CacheConfig::default().max_samples(HISTORY_EVENTS))
            .sample_miss_detection(MissDetectionConfig::default())
            .publisher_detection()
            .wait()?;
        publisher.put(json).wait()?;
        self.publishers.insert(key, (publisher, self.turn));
        Ok(())
    }

    fn scores(&self, scored: &Scored) -> zenoh::Result<()> {
        self.session
            .put(scored.cage.score(), scored.message(Moment::now().unix_nanos).to_json())
            .encoding(ENCODING_JSON)
            .congestion_control(CongestionControl::Drop)
            .priority(Priority::Data)
            .express(true)
            .wait()
    }

    fn status(&self, cage: &CageName, json: String) -> zenoh::Result<()> {
        self.session
            .put(cage.status(), json)
            .encoding(ENCODING_JSON)
            .congestion_control(CongestionControl::Drop)
            .priority(Priority::Data)
            .wait()
    }
}
