//! Recording cages as they come: zenoh's callbacks hand over, one thread writes the log of [`crate::corpus::log`].
//!
//! The callbacks wait for nobody: what finds its cage's lane or the backlog full makes the oldest give way or is left
//! out, and is counted, also what a lossless replay sends. The thread gives the operating system what came at least
//! twice a second, and syncs it once a second. While that fails it takes nothing new, tries again every second, and goes
//! on where it stopped.

mod writing;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use zenoh::pubsub::Subscriber;
use zenoh::sample::{Sample, SampleKind};
use zenoh::{Session, Wait};

use self::writing::Writing;
use crate::acquire::description::DESCRIPTION_BYTES_MAX;
use crate::acquire::wire::Encoding;
use crate::corpus::log::file::Out;
use crate::corpus::log::writer::Lost;
use crate::corpus::log::{Part, Topic};
use crate::keys::{CAGES_MAX, CageName, Rigs};
use crate::live::clock::Moment;
use crate::live::queue::{LaneQueue, Pushed, WhenFull};
use crate::live::{LiveError, join, lock, spawn};
use crate::output::event::EVENT_BYTES_MAX;

/// Messages of each cage that may wait for the disk; about half a minute.
pub const MESSAGES_MAX: usize = 1024;

/// Bytes of all cages that may wait for the disk.
pub const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What to record, and where.
#[derive(Clone, Debug)]
pub struct Config {
    pub rigs: Rigs,
    /// The cages of this name only.
    pub cage: Option<String>,
    pub out: Out,
    /// A file that is older than this or larger than that is followed by another one.
    pub span_max: Duration,
    pub bytes_max: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("cannot begin a log in {path}: {source}")]
    Create { path: PathBuf, source: std::io::Error },
    #[error("log {path}: {lost} messages could not be written: {source}")]
    Unwritten { path: PathBuf, lost: u64, source: std::io::Error },
}

/// What came of one cage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CageCount {
    pub frames: u64,
    pub events: u64,
    /// Stream descriptions, statuses and END marks.
    pub others: u64,
    pub bytes: u64,
    /// Written as they came, though they are no pose packets or stream descriptions.
    pub garbled: u64,
    /// By cause.
    pub lost: BTreeMap<&'static str, u64>,
}

/// What the recorder knows of itself.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// At most [`CAGES_MAX`].
    pub cages: BTreeMap<CageName, CageCount>,
    /// What was left out and belongs to none of them, by cause.
    pub lost_elsewhere: BTreeMap<&'static str, u64>,
    /// What is wrong with writing at present.
    pub failing: Option<String>,
    /// The files so far, the present one last.
    pub files: Vec<PathBuf>,
    /// Bytes in all files.
    pub stored: u64,
}

/// A recorder at work. Dropping it without [`Recorder::stop`] leaves a log without its index.
pub struct Recorder {
    intake: Arc<Intake>,
    subscribers: Vec<Subscriber<()>>,
    thread: JoinHandle<Result<(), RecordError>>,
}

impl Recorder {
    /// Begins a log, starts the thread and subscribes.
    ///
    /// # Errors
    /// A file that cannot be created or is there already, or zenoh refusing a subscription.
    pub fn start(session: &Session, config: &Config) -> Result<Self, RecordError> {
        let intake = Arc::new(Intake {
            cage: config.cage.clone(),
            queue: LaneQueue::new(MESSAGES_MAX),
            waiting_bytes: AtomicUsize::new(0),
            progress: Mutex::default(),
        });
        let writing = Writing::new(Arc::clone(&intake), config.clone())?;
        let thread = spawn("recorder", move || writing.work())?;
        let mut subscribers = Vec::new();
        // Descriptions first: whoever sees a subscriber of poses has one of descriptions as well.
        let keys = [config.rigs.streams(), config.rigs.events(), config.rigs.statuses(), config.rigs.poses()];
        for key in keys {
            let intake = Arc::clone(&intake);
            let subscriber = session.declare_subscriber(key).callback(move |sample| intake.take(&sample)).wait();
            subscribers.push(subscriber.map_err(LiveError::zenoh("subscribing to what is recorded"))?);
        }
        Ok(Self { intake, subscribers, thread })
    }

    pub fn progress(&self) -> Progress {
        lock(&self.intake.progress).clone()
    }

    /// Whether the thread lives. It ends by a panic only: stop, and let the error tell.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Ends in order: nothing more is taken, what waits is written, the file gets its index.
    ///
    /// # Errors
    /// What could not be written in the end.
    pub fn stop(self) -> Result<Progress, RecordError> {
        let mut undeclared = Ok(());
        for subscriber in self.subscribers {
            undeclared =
                undeclared.and(subscriber.undeclare().wait().map_err(LiveError::zenoh("ending a subscription")));
        }
        self.intake.queue.close();
        join("recorder", self.thread)??;
        undeclared?;
        let progress = lock(&self.intake.progress).clone();
        Ok(progress)
    }
}

/// What zenoh's threads run, and what they share with the thread that writes.
struct Intake {
    cage: Option<String>,
    queue: LaneQueue<CageName, Message>,
    waiting_bytes: AtomicUsize,
    progress: Mutex<Progress>,
}

/// A message on its way to the log.
struct Message {
    topic: Topic,
    encoding: Encoding,
    payload: Vec<u8>,
    arrived: Moment,
}

impl Intake {
    fn take(&self, sample: &Sample) {
        let arrived = Moment::now();
        let put = sample.kind() == SampleKind::Put;
        let Some(topic) = Topic::of_key(sample.key_expr().as_str()).filter(|_| put) else {
            return self.lose(None, "key");
        };
        if self.cage.as_ref().is_some_and(|cage| cage != topic.cage.cage()) {
            return;
        }
        let payload = sample.payload();
        let encoding =
            match topic.part {
                Part::Pose => Encoding::parse(&sample.encoding().to_string()).map_err(|error| error.cause()).and_then(
                    |encoding| encoding.check_size(payload.len()).map(|()| encoding).map_err(|error| error.cause()),
                ),
                // As a detector does: there is one encoding for these, whether the rig names it or not.
                Part::Stream if payload.len() > DESCRIPTION_BYTES_MAX => Err("oversized"),
                Part::Event(_) | Part::Status if payload.len() > EVENT_BYTES_MAX => Err("oversized"),
                Part::Stream | Part::Event(_) | Part::Status => Ok(Encoding::Json),
            };
        let encoding = match encoding {
            Ok(encoding) => encoding,
            Err(cause) => return self.lose(Some(&topic.cage), cause),
        };
        if !self.knows(&topic.cage) {
            return self.lose(None, "too-many-cages");
        }
        let bytes = payload.len();
        if self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > BACKLOG_BYTES_MAX {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return self.lose(Some(&topic.cage), "backlog");
        }
        let cage = topic.cage.clone();
        let message = Message { topic, encoding, payload: payload.to_bytes().into_owned(), arrived };
        let (gone, cause) = match self.queue.push(&cage, message, WhenFull::DropOldest) {
            Pushed::Taken => return,
            Pushed::Displaced(oldest) => (oldest, "backlog"),
            Pushed::Closed(message) => (message, "closing"),
        };
        self.waiting_bytes.fetch_sub(gone.payload.len(), Ordering::Relaxed);
        self.lose(Some(&cage), cause);
    }

    /// Whether the cage is one of those that are recorded; it becomes one while there is room.
    fn knows(&self, cage: &CageName) -> bool {
        let cages = &mut lock(&self.progress).cages;
        if cages.contains_key(cage) {
            return true;
        }
        let room = cages.len() < CAGES_MAX;
        if room {
            cages.insert(cage.clone(), CageCount::default());
        }
        room
    }

    fn lose(&self, cage: Option<&CageName>, cause: &'static str) {
        let mut progress = lock(&self.progress);
        let Progress { cages, lost_elsewhere, .. } = &mut *progress;
        let lost = cage.and_then(|cage| cages.get_mut(cage)).map_or(lost_elsewhere, |count| &mut count.lost);
        *lost.entry(cause).or_default() += 1;
    }
}

impl Progress {
    /// What was lost, as the log tells it.
    fn lost(&self) -> Lost {
        let cages = self.cages.iter().map(|(cage, count)| (cage.to_string(), count.lost.clone()));
        let all = cages.chain([("elsewhere".to_owned(), self.lost_elsewhere.clone())]);
        all.filter(|(_, lost)| !lost.is_empty()).collect()
    }

    /// All that was lost.
    pub fn lost_in_all(&self) -> u64 {
        let cages = self.cages.values().flat_map(|count| count.lost.values());
        cages.chain(self.lost_elsewhere.values()).sum()
    }
}

impl fmt::Display for CageCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames, events, others, bytes, garbled, lost } = self;
        write!(f, "frames {frames}  events {events}  others {others}  {:.1} MB", *bytes as f64 / 1e6)?;
        if *garbled > 0 {
            write!(f, "  garbled {garbled}")?;
        }
        if !lost.is_empty() {
            let lost: Vec<String> = lost.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
            write!(f, "  LOST {}", lost.join(", "))?;
        }
        Ok(())
    }
}
