//! The detector: subscriptions, threads and their orderly end.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use zenoh::liveliness::LivelinessToken;
use zenoh::pubsub::Subscriber;
use zenoh::query::Queryable;
use zenoh::sample::{Sample, SampleKind};
use zenoh::{Session, Wait};

use crate::acquire::description::{DESCRIPTION_BYTES_MAX, DescriptionError};
use crate::core::Unit;
use crate::keys::{CageName, Rigs, detector_alive};
use crate::live::cages::{Cages, Recall};
use crate::live::clock::Moment;
use crate::live::control;
use crate::live::delivery::Delivery;
use crate::live::desk::{self, Loop, ToDesk};
use crate::live::herald::{self, Outbox};
use crate::live::inference::{Inference, Successor};
use crate::live::intake::{self, Arrival, Intake};
use crate::live::keeper::{self, KEPT_MAX, KeepQueue};
use crate::live::queue::{LaneQueue, Pushed, WhenFull};
use crate::live::scribe::{Decided, Inbox, JournalHealth, Scribe, VERDICTS_MAX};
use crate::live::tally::Tallies;
use crate::live::{LiveError, join, lock, spawn};
use crate::model::Model;
use crate::model::device::one_thread_pool;
use crate::output::journal::{JOURNAL_BYTES_MAX, Journal, Recovery};
use crate::output::ticklog::{self, TickLog};

/// Frames of each cage that may wait for the network; about a second. The oldest give way and are counted.
pub const FRAMES_MAX: usize = 32;

/// A cage of which no frame was taken for so long is closed, in seconds.
pub const IDLE_SECS: u64 = 10;

/// What a detector is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    pub rigs: Rigs,
    pub journal: PathBuf,
    pub journal_bytes_max: u64,
    /// Points of a lower confidence are missing.
    pub confidence_min: f32,
    pub idle: Duration,
    /// Where the last ticks of every cage are kept for a restart; `None` keeps none.
    pub ticks: Option<PathBuf>,
    /// Inference threads, at least 1. Each owns the cages that fall to it by their names.
    pub threads: usize,
    /// What networks run on.
    pub unit: Unit,
    /// A closed loop to serve; `None` triggers nothing.
    pub closed_loop: Option<Loop>,
}

impl Config {
    /// All rigs, with the stated defaults.
    pub fn new(journal: PathBuf) -> Self {
        let idle = Duration::from_secs(IDLE_SECS);
        Self {
            rigs: Rigs::All,
            journal,
            journal_bytes_max: JOURNAL_BYTES_MAX,
            confidence_min: 0.1,
            idle,
            ticks: None,
            threads: 1,
            unit: Unit::cpu(),
            closed_loop: None,
        }
    }
}

/// A running detector. Dropping it without [`Detector::stop`] leaves its threads to the end of the process.
pub struct Detector {
    callbacks: Arc<Callbacks>,
    subscribers: Vec<Subscriber<()>>,
    token: LivelinessToken,
    inference: Vec<JoinHandle<()>>,
    scribe: Scribe,
    herald: JoinHandle<()>,
    keeper: Option<JoinHandle<()>>,
    desk: Option<(ToDesk, JoinHandle<()>)>,
    controls: Option<Queryable<()>>,
    inbox: Arc<Inbox>,
    kept: Arc<KeepQueue>,
    outbox: Arc<Outbox>,
    health: JournalHealth,
    recovery: Recovery,
    /// A model that the cages of each inference thread are to go on with.
    successors: Vec<Successor>,
    model_hash: Mutex<String>,
}

impl Detector {
    /// Opens the journal, starts the threads and subscribes.
    ///
    /// # Errors
    /// A journal that cannot be held and written, or zenoh refusing a declaration.
    pub fn start(session: &Session, model: Arc<Model>, config: &Config) -> Result<Self, LiveError> {
        let model_hash = Mutex::new(model.hash().to_owned());
        let (journal, recovery) = Journal::open(&config.journal, config.journal_bytes_max)?;
        let (inbox, outbox, health) =
            (Arc::new(Inbox::new(VERDICTS_MAX)), Arc::<Outbox>::default(), JournalHealth::default());
        let callbacks = Arc::new(Callbacks {
            intake: Arc::default(),
            arrivals: (0..config.threads.max(1)).map(|_| Arc::new(LaneQueue::new(FRAMES_MAX))).collect(),
            tallies: Arc::default(),
            confidence_min_bits: AtomicU32::new(config.confidence_min.to_bits()),
        });
        abandon(&journal, &inbox, &callbacks.tallies)?;
        let tallies = || Arc::clone(&callbacks.tallies);
        let kept = Arc::new(KeepQueue::new(KEPT_MAX));
        let keeper = keep(config.ticks.as_deref(), &kept, &callbacks.tallies)?;
        let herald = herald::start(session.clone(), Arc::clone(&outbox), tallies())?;
        let scribe = Scribe::start(journal, Arc::clone(&inbox), Arc::clone(&outbox), tallies(), health.clone())?;
        let plan = config.closed_loop.as_ref().map(|closed_loop| Arc::clone(&closed_loop.plan));
        let desk =
            config.closed_loop.clone().map(|closed_loop| desk::start(closed_loop, Arc::clone(&outbox), tallies()));
        let desk = desk.transpose()?;
        let to_desk = desk.as_ref().map(|(to_desk, _)| to_desk.clone());
        let (mut inference, mut successors, open) = (Vec::new(), Vec::new(), Arc::default());
        let models = std::iter::repeat_n(model, callbacks.arrivals.len());
        for (arrivals, model) in callbacks.arrivals.iter().zip(models) {
            let successor = Successor::default();
            let recall = config.ticks.as_deref().map(recall_from);
            let mut cages = Cages::new(model, config.unit.clone(), config.idle, recall);
            cages.plan.clone_from(&plan);
            let owner = Inference {
                cages,
                arrivals: Arc::clone(arrivals),
                intake: Arc::clone(&callbacks.intake),
                delivery: Delivery {
                    inbox: Arc::clone(&inbox),
                    outbox: Arc::clone(&outbox),
                    tallies: tallies(),
                    kept: Arc::clone(&kept),
                    open: Arc::clone(&open),
                    desk: to_desk.clone(),
                },
                health: health.clone(),
                successor: Arc::clone(&successor),
                idle: config.idle,
            };
            // Candle hands every operation to rayon's pool; handing over costs more than the arithmetic of one step, so
            // the loop itself runs inside a pool of one thread.
            let pool = one_thread_pool("inference")?;
            inference.push(spawn("inference owner", move || pool.install(|| owner.work()))?);
            successors.push(successor);
        }
        let mut subscribers = callbacks.subscribe(session, &config.rigs)?;
        let mut controls = None;
        if let (Some(to_desk), Some(plan)) = (to_desk, plan) {
            let rig = Rigs::One(plan.rig.clone());
            let (puts, queries) = control::listen(session, &rig, to_desk)?;
            subscribers.push(puts);
            controls = Some(queries);
        }
        // Last of all: zenoh keeps declarations in order, so whoever sees the token knows that frames are heard.
        let token = session.liveliness().declare_token(detector_alive(&session.zid().to_string()));
        let token = token.wait().map_err(LiveError::zenoh("declaring the liveliness token"))?;
        Ok(Self {
            callbacks,
            subscribers,
            token,
            inference,
            scribe,
            herald,
            keeper,
            desk,
            controls,
            inbox,
            kept,
            outbox,
            health,
            recovery,
            successors,
            model_hash,
        })
    }

    pub fn tallies(&self) -> &Tallies {
        &self.callbacks.tallies
    }

    /// Why the journal cannot be written at present: nothing is published then.
    pub fn journal_failing(&self) -> Option<String> {
        self.health.failing()
    }

    /// What reopening the journal found.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// Gives every cage another model, one cage after the other: each state is rebuilt from the cage's last ticks while
    /// frames wait, bouts that run end, and what still happens begins anew.
    pub fn replace_model(&self, model: Arc<Model>) {
        self.callbacks.set_confidence_min(model.card().confidence_min);
        model.hash().clone_into(&mut lock(&self.model_hash));
        let models = std::iter::repeat_n(model, self.successors.len());
        for (successor, model) in self.successors.iter().zip(models) {
            *lock(successor) = Some(model);
        }
    }

    /// Hash of the model that cages have, or are being given.
    pub fn model_hash(&self) -> String {
        lock(&self.model_hash).clone()
    }

    /// Whether every inference thread lives, and the desk. They end by a panic only: stop, and let the error tell.
    pub fn is_running(&self) -> bool {
        let desk = self.desk.as_ref().map(|(_, desk)| desk);
        !self.inference.iter().any(JoinHandle::is_finished) && !desk.is_some_and(JoinHandle::is_finished)
    }

    /// Ends in order: no more frames are taken, waiting ones are finished, open bouts end, everything decided is
    /// journaled and published.
    pub fn stop(self) -> Result<Arc<Tallies>, LiveError> {
        // First of all: whatever is on goes off at once.
        if let Some((to_desk, _)) = &self.desk {
            to_desk.end();
        }
        // A lossless replay that waits in a callback would hold up the undeclaration.
        self.callbacks.arrivals.iter().for_each(|arrivals| arrivals.close());
        let mut undeclared = Ok(());
        for subscriber in self.subscribers {
            undeclared =
                undeclared.and(subscriber.undeclare().wait().map_err(LiveError::zenoh("ending a subscription")));
        }
        // One that failed must not keep the others from finishing what they have: each is joined, then the first
        // failure told.
        if let Some(controls) = self.controls {
            undeclared = undeclared.and(controls.undeclare().wait().map_err(LiveError::zenoh("ending the control")));
        }
        let desked = self.desk.map_or(Ok(()), |(_, desk)| join("trigger desk", desk));
        let joined: Vec<_> = self.inference.into_iter().map(|thread| join("inference", thread)).collect();
        let inferred = joined.into_iter().collect::<Result<(), _>>();
        self.inbox.close();
        self.kept.close();
        let written = self.scribe.join();
        self.outbox.close();
        let told = join("publication", self.herald);
        let kept = self.keeper.map_or(Ok(()), |keeper| join("tick log", keeper));
        let token = self.token.undeclare().wait().map_err(LiveError::zenoh("ending the liveliness token"));
        undeclared.and(desked).and(inferred).and(written).and(told).and(kept).and(token)?;
        Ok(Arc::clone(&self.callbacks.tallies))
    }
}

/// Ends the bouts that a killed detector left open, before anything new is said.
fn abandon(journal: &Journal, inbox: &Inbox, tallies: &Tallies) -> Result<(), LiveError> {
    let now = Moment::now();
    for onset in journal.open_bouts()? {
        let Ok(cage) = CageName::new(&onset.rig, &onset.cage) else { continue };
        let verdict = onset.abandoned(now.unix_nanos);
        tallies.with(&cage, |tally| {
            tally.closed = true;
            tally.counts.decided += 1;
        });
        let decided = Decided { cage: cage.clone(), verdict, decided: now.monotonic };
        inbox.push(&cage, decided, WhenFull::DropOldest);
    }
    Ok(())
}

/// Writes the last ticks of cages, where a folder is named.
fn keep(
    folder: Option<&Path>,
    kept: &Arc<KeepQueue>,
    tallies: &Arc<Tallies>,
) -> Result<Option<JoinHandle<()>>, LiveError> {
    let Some(folder) = folder.map(Path::to_owned) else { return Ok(None) };
    let prepared = std::fs::create_dir_all(&folder).and_then(|()| TickLog::clean(&folder));
    prepared.map_err(|source| LiveError::TickLog { folder: folder.clone(), source })?;
    keeper::start(folder, Arc::clone(kept), Arc::clone(tallies)).map(Some)
}

/// Reads what was written of a cage.
fn recall_from(folder: &Path) -> Recall {
    let folder = folder.to_owned();
    Box::new(move |cage: &CageName, stream, run, point_count| {
        let path = TickLog::path(&folder, cage.rig(), cage.cage());
        ticklog::read(&path, stream, run, point_count).map(|(_, past)| past)
    })
}

/// What zenoh's threads run: decode, agree, hand over.
struct Callbacks {
    intake: Arc<Mutex<Intake>>,
    /// One queue for each inference thread.
    arrivals: Vec<Arc<LaneQueue<CageName, Arrival>>>,
    tallies: Arc<Tallies>,
    confidence_min_bits: AtomicU32,
}

impl Callbacks {
    fn set_confidence_min(&self, confidence_min: f32) {
        self.confidence_min_bits.store(confidence_min.to_bits(), Ordering::Relaxed);
    }

    /// Subscribes to descriptions first, so that whoever sees a subscriber of poses has one of descriptions as well.
    fn subscribe(self: &Arc<Self>, session: &Session, rigs: &Rigs) -> Result<Vec<Subscriber<()>>, LiveError> {
        let (on_stream, on_pose) = (Arc::clone(self), Arc::clone(self));
        let streams = session.declare_subscriber(rigs.streams()).callback(move |sample| on_stream.stream(&sample));
        let streams = streams.wait().map_err(LiveError::zenoh("subscribing to stream descriptions"))?;
        let poses = session.declare_subscriber(rigs.poses()).callback(move |sample| on_pose.pose(&sample));
        let poses = poses.wait().map_err(LiveError::zenoh("subscribing to poses"))?;
        Ok(vec![poses, streams])
    }

    /// The queue of the thread that owns a cage: always the same for a name, so that no cage is ever owned twice.
    fn arrivals_of(&self, cage: &CageName) -> &LaneQueue<CageName, Arrival> {
        let mut hasher = DefaultHasher::new();
        cage.hash(&mut hasher);
        &self.arrivals[(hasher.finish() % self.arrivals.len() as u64) as usize]
    }

    /// The cage of a sample that was put under a valid name.
    fn cage(&self, sample: &Sample, part: &'static str) -> Option<CageName> {
        let cage = CageName::of_key(sample.key_expr().as_str(), part);
        if cage.is_err() || sample.kind() != SampleKind::Put {
            self.tallies.refuse(None, "key");
        }
        cage.ok().filter(|_| sample.kind() == SampleKind::Put)
    }

    fn stream(&self, sample: &Sample) {
        let Some(cage) = self.cage(sample, "stream") else { return };
        let taken = match sample.payload().len() {
            got if got > DESCRIPTION_BYTES_MAX => Err(DescriptionError::Oversized { got }.into()),
            _ => lock(&self.intake).describe(&cage, &sample.payload().to_bytes(), Instant::now()),
        };
        if let Err(refusal) = taken {
            self.tallies.refuse(Some(&cage), refusal.cause());
        }
    }

    fn pose(&self, sample: &Sample) {
        let arrived = Moment::now();
        let Some(cage) = self.cage(sample, "pose") else { return };
        let encoding = sample.encoding().to_string();
        let payload = sample.payload();
        let confidence_min = f32::from_bits(self.confidence_min_bits.load(Ordering::Relaxed));
        let packet = match intake::decode(&encoding, payload.len(), || payload.to_bytes(), confidence_min) {
            Ok(packet) => packet,
            Err(error) => return self.tallies.refuse(Some(&cage), error.cause()),
        };
        let agreed = lock(&self.intake).agree(&cage, packet, arrived);
        let arrival = match agreed {
            Ok(arrival) => arrival,
            Err(refusal) => return self.tallies.refuse(Some(&cage), refusal.cause()),
        };
        let when_full = if arrival.packet.lossless { WhenFull::Wait } else { WhenFull::DropOldest };
        match self.arrivals_of(&cage).push(&cage, arrival, when_full) {
            Pushed::Taken => {}
            Pushed::Displaced(_) => self.tallies.with(&cage, |tally| tally.counts.displace()),
            Pushed::Closed(_) => self.tallies.refuse(Some(&cage), "closing"),
        }
    }
}
