//! All cages of a detector: opened by their first frame, advanced frame by frame, closed when their publisher is gone.
//!
//! A plain value: it does no IO, and time is passed in.

mod outcome;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::outcome::{Decision, Outcome, Scored};
use crate::acquire::description::{Described, StreamId};
use crate::acquire::wire::Content;
use crate::core::{Cage, CoreError, Note, Past};
use crate::keys::{CAGES_MAX, CageName};
use crate::live::clock::Moment;
use crate::live::intake::Arrival;
use crate::live::keeper::Keep;
use crate::live::pace::{self, Pace, Unpaced};
use crate::live::status::{Notice, State};
use crate::live::timing::{Limits, Timing};
use crate::model::Model;
use crate::output::ticklog::{Kept, Life};
use crate::poses::Frame;
use crate::presence::Attended;
use crate::stream::Origin;
use crate::time::Tick;

/// How long a publisher may be silent, or all of its frames refused, before another takes over its cage, in seconds.
pub const TAKEOVER_SECS: u64 = 2;

/// Cages that are closed at one look: each costs as many steps as the longest delay has ticks.
const CLOSED_AT_ONCE_MAX: usize = 4;

const NUMBERS_BEGAN_ANEW: &str = "frame numbers began anew";
const DETECTOR_ENDS: &str = "the detector ends";
const NETWORK_FAILED: &str = "the network failed";

/// Finds the last ticks of a cage that an earlier process of this detector kept.
pub type Recall = Box<dyn Fn(&CageName, StreamId, Option<u32>, usize) -> Option<Past> + Send>;

/// The open cages. Their number is bounded by the intake.
pub struct Cages {
    model: Arc<Model>,
    idle: Duration,
    open: HashMap<CageName, Open>,
    epoch_last: i64,
    /// Somebody watches scores: they are handed on.
    pub watched: bool,
    /// `None`: nothing is kept for a restart.
    recall: Option<Recall>,
    /// Credit of cages that were closed, so that ends and beginnings without end are no way around it.
    paces: HashMap<CageName, Pace>,
}

struct Open {
    described: Arc<Described>,
    run: Option<u32>,
    epoch: String,
    /// `None` where the core refused the stream.
    cage: Option<Cage>,
    refused: &'static str,
    /// The last frame that the core took, or the opening.
    taken: Instant,
    frames: u64,
    timing: Timing,
    stale: bool,
    pace: Pace,
    /// Number of the newest frame that was taken.
    newest: Option<u64>,
    /// The life of the ticks that were kept last, and the first that was not.
    kept: Option<(Life, u64)>,
    resumed: bool,
    /// Since when frames were refused as doubled or late, with none taken in between.
    refused_since: Option<Instant>,
    /// A model that this cage cannot go on with.
    misfit: Option<Arc<Model>>,
}

impl Cages {
    /// `idle`: a cage of which no frame was taken for so long is closed.
    pub fn new(model: Arc<Model>, idle: Duration, recall: Option<Recall>) -> Self {
        Self { model, idle, open: HashMap::new(), epoch_last: 0, watched: false, recall, paces: HashMap::new() }
    }

    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// What each open cage is doing, said again every few seconds.
    pub fn states(&self) -> impl Iterator<Item = Notice> {
        self.open.iter().map(|(name, open)| {
            let state = match &open.cage {
                None => State::Refused { reason: open.refused },
                Some(cage) if cage.history_ticks() < cage.model().warm_ticks() => State::warming(cage),
                Some(_) => State::Running,
            };
            self.notice(name, open, state)
        })
    }

    /// The same state of every open cage.
    pub fn all(&self, state: &State) -> Vec<Notice> {
        self.open.iter().map(|(name, open)| self.notice(name, open, state.clone())).collect()
    }

    /// The model of cages that open from now on. Those that are open go on with theirs until
    /// [`Cages::replace_next`] comes to them.
    pub fn set_model(&mut self, model: Arc<Model>) {
        self.model = model;
    }

    /// Gives one of the cages that still run another model the present one; false where there is none. A cage costs as
    /// many steps as the window has ticks.
    pub fn replace_next(&mut self, outcome: &mut Outcome) -> bool {
        let present = |model: &Arc<Model>| Arc::ptr_eq(model, &self.model);
        let old = |open: &Open| {
            open.cage.as_ref().is_some_and(|cage| !present(cage.model())) && !open.misfit.as_ref().is_some_and(present)
        };
        let Some(name) = self.open.iter().find(|(_, open)| old(open)).map(|(name, _)| name.clone()) else {
            return false;
        };
        let Some(open) = self.open.get_mut(&name) else { return false };
        let Some(cage) = &mut open.cage else { return false };
        let before = Arc::clone(cage.model());
        let replaced = cage.replace_model(Arc::clone(&self.model));
        match replaced {
            Ok(advance) => {
                outcome.add(&name, open, &before, advance);
                let state = State::ModelReplaced { before: before.hash().to_owned() };
                outcome.notices.extend(self.open.get(&name).map(|open| self.notice(&name, open, state)));
            }
            Err(CoreError::Network(_)) => self.close(&name, &State::Stopped { reason: NETWORK_FAILED }, outcome),
            Err(error) => {
                open.misfit = Some(Arc::clone(&self.model));
                let state = State::ModelRefused { reason: error.to_string() };
                outcome.notices.extend(self.open.get(&name).map(|open| self.notice(&name, open, state)));
            }
        }
        true
    }

    /// Takes a packet at the moment `now`.
    pub fn take(&mut self, arrival: &Arrival, now: Moment) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(open) = self.open.get_mut(&arrival.cage)
            && let Err(stranger) = open.check(arrival, now.monotonic)
        {
            let silent = now.monotonic.saturating_duration_since(open.taken);
            if !stranger.takes_over(silent) {
                outcome.refused = Some(stranger.cause());
                return outcome;
            }
            self.close(&arrival.cage, &State::Stopped { reason: stranger.reason() }, &mut outcome);
        }
        match &arrival.packet.content {
            Content::Frame { frame, .. } => self.frame(arrival, frame, now, &mut outcome),
            Content::End { frames } => {
                let frames_taken = self.open.get(&arrival.cage).map_or(0, |open| open.frames);
                let state = State::Ended { frames_sent: *frames, frames_taken };
                self.close(&arrival.cage, &state, &mut outcome);
            }
        }
        outcome
    }

    /// Looks at what time alone changes: tells cages that became stale, and closes those of which no frame was taken for
    /// the idle time, a few at a time.
    pub fn pass_time(&mut self, now: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        for (name, open) in &mut self.open {
            let stale = open.timing.stale(now);
            if stale.is_some() != open.stale && open.cage.is_some() {
                open.stale = stale.is_some();
                let state = stale.map_or(State::Fresh, |stale| State::stale(&stale));
                outcome.notices.push(notice(name, open, &self.model, state));
            }
        }
        let idle = |open: &Open| now.saturating_duration_since(open.taken) >= self.idle;
        let silent = self.open.iter().filter(|(_, open)| idle(open)).map(|(name, _)| name.clone());
        for name in silent.take(CLOSED_AT_ONCE_MAX).collect::<Vec<_>>() {
            self.close(&name, &State::Stopped { reason: "silent" }, &mut outcome);
        }
        outcome
    }

    /// Closes every cage, with every open bout of it.
    pub fn close_all(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        for name in self.open.keys().cloned().collect::<Vec<_>>() {
            self.close(&name, &State::Stopped { reason: DETECTOR_ENDS }, &mut outcome);
        }
        outcome
    }

    fn frame(&mut self, arrival: &Arrival, frame: &Frame, now: Moment, outcome: &mut Outcome) {
        if !self.open.contains_key(&arrival.cage) {
            let live = arrival.described.stream.origin() == Origin::Live;
            if live && self.paces.get_mut(&arrival.cage).is_some_and(|pace| !pace.has_credit(now.monotonic)) {
                outcome.refused = Some(Stranger::Unpaced(Unpaced::Flood).cause());
                return;
            }
            outcome.opened = true;
            let opened = self.open_cage(arrival, frame, now, outcome);
            self.open.insert(arrival.cage.clone(), opened);
        }
        let name = &arrival.cage;
        let Some(open) = self.open.get_mut(name) else { return };
        let Some(cage) = &mut open.cage else {
            outcome.refused = Some(open.refused);
            return;
        };
        let mut scores = Vec::new();
        let mut watch = |tick: Tick, of_tick: &[f32]| {
            if self.watched {
                scores.push((tick, of_tick.to_vec()));
            }
        };
        match cage.push_watched(frame, &mut watch) {
            Ok(mut advance) => {
                open.taken = now.monotonic;
                open.refused_since = None;
                open.newest = open.newest.max(Some(frame.number));
                open.frames += 1;
                open.pace.spend(advance.ticks);
                outcome.frames = 1;
                let model = Arc::clone(cage.model());
                let sighting = open.timing.frame(frame.number, frame.capture_nanos, arrival.arrived);
                outcome.age = Some(sighting.age);
                if advance.resets > 0 {
                    open.newest = Some(frame.number);
                    outcome.notices.push(notice(name, open, &model, State::Reset));
                }
                let timing = sighting.notices.iter().map(|said| State::Timing(*said));
                outcome.notices.extend(timing.map(|state| notice(name, open, &model, state)));
                for note in std::mem::take(&mut advance.notes) {
                    outcome.notices.push(notice(name, open, &model, open.said(note)));
                }
                if self.recall.is_some() {
                    open.keep(name, outcome);
                }
                let scored = |(tick, scores)| {
                    let (cage, described) = (name.clone(), Arc::clone(&open.described));
                    Scored { cage, tick, frame: frame.number, scores, described, model: Arc::clone(&model) }
                };
                outcome.scores.extend(scores.into_iter().map(scored));
                outcome.add(name, open, &model, advance);
            }
            Err(error) => {
                outcome.refused = Some(error.cause());
                if matches!(error, CoreError::Network(_)) {
                    // The core leaves a cage whose network failed to be opened anew, which the next frame does.
                    open.cage = None;
                    self.close(name, &State::Stopped { reason: NETWORK_FAILED }, outcome);
                } else if now.monotonic.saturating_duration_since(*open.refused_since.get_or_insert(now.monotonic))
                    >= Duration::from_secs(TAKEOVER_SECS)
                {
                    // Nothing but doubled and late frames: someone counts from another beginning.
                    self.close(name, &State::Stopped { reason: NUMBERS_BEGAN_ANEW }, outcome);
                }
            }
        }
    }

    fn open_cage(&mut self, arrival: &Arrival, frame: &Frame, now: Moment, outcome: &mut Outcome) -> Open {
        // The wall clock makes epochs differ between processes; strictly ascending, they differ within one as well.
        self.epoch_last = now.unix_nanos.max(self.epoch_last + 1);
        let (stream, name) = (&arrival.described.stream, &arrival.cage);
        let run = arrival.packet.run;
        let recalled = self.recall.as_ref();
        let past = recalled.and_then(|recall| recall(name, arrival.described.id, run, stream.point_count()));
        let past = past.filter(|past| pace::follows(past.anchor.newest, frame.number, stream.rate_hz()));
        let opened = match &past {
            Some(past) => Cage::resume(Arc::clone(&self.model), stream, past),
            None => Cage::open(Arc::clone(&self.model), stream),
        };
        let (cage, refused) = match opened {
            Ok(cage) => (Some(cage), ""),
            Err(error) => (None, error.cause()),
        };
        let life = |base| Life { stream: arrival.described.id, run, base };
        let kept = past.as_ref().map(|past| (life(past.anchor.base), past.anchor.next));
        let mut limits = Limits::default();
        if stream.origin() != Origin::Live {
            limits.rate_tolerance = f64::INFINITY;
        }
        let open = Open {
            described: Arc::clone(&arrival.described),
            run,
            epoch: format!("{:x}", self.epoch_last),
            cage,
            refused,
            taken: now.monotonic,
            frames: 0,
            timing: Timing::new(stream.clock(), stream.rate_hz(), limits),
            stale: false,
            pace: self.paces.remove(name).unwrap_or_else(|| Pace::new(now.monotonic)),
            newest: None,
            kept,
            resumed: past.is_some(),
            refused_since: None,
            misfit: None,
        };
        let state = if open.cage.is_some() { State::Started } else { State::Refused { reason: open.refused } };
        outcome.notices.push(self.notice(name, &open, state));
        if let Some(cage) = &open.cage {
            if let Some(past) = past {
                let ticks_known = past.ring.len() as u64;
                outcome.notices.push(self.notice(name, &open, State::Resumed { ticks_known }));
            }
            if cage.history_ticks() < self.model.warm_ticks() {
                outcome.notices.push(self.notice(name, &open, State::warming(cage)));
            }
        }
        open
    }

    fn close(&mut self, name: &CageName, state: &State, outcome: &mut Outcome) {
        let Some(mut open) = self.open.remove(name) else { return };
        if self.recall.is_some() {
            let ends = matches!(state, State::Stopped { reason: DETECTOR_ENDS });
            outcome.kept.push((name.clone(), if ends { Keep::Close } else { Keep::Forget }));
        }
        if let Some(mut cage) = open.cage.take() {
            let model = Arc::clone(cage.model());
            match cage.flush() {
                Ok(advance) => {
                    open.pace.spend(advance.ticks);
                    outcome.add(name, &open, &model, advance);
                }
                Err(_) => outcome.notices.push(self.notice(name, &open, State::Stopped { reason: NETWORK_FAILED })),
            }
        }
        outcome.notices.push(self.notice(name, &open, state.clone()));
        outcome.closed.push(name.clone());
        if self.paces.len() >= CAGES_MAX {
            self.paces.clear();
        }
        self.paces.insert(name.clone(), open.pace);
    }

    fn notice(&self, name: &CageName, open: &Open, state: State) -> Notice {
        let model = open.cage.as_ref().map_or(&self.model, Cage::model);
        notice(name, open, model, state)
    }
}

/// Why a packet does not belong to the life of a cage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stranger {
    Publisher,
    Stream,
    Unpaced(Unpaced),
}

impl Stranger {
    /// Whether the packet begins another life, after so long without a frame that belongs to this one.
    fn takes_over(self, silent: Duration) -> bool {
        match self {
            Self::Stream => true,
            Self::Publisher | Self::Unpaced(Unpaced::Jump) => silent >= Duration::from_secs(TAKEOVER_SECS),
            Self::Unpaced(Unpaced::Flood) => false,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Publisher => "another publisher",
            Self::Stream => "another stream",
            Self::Unpaced(_) => NUMBERS_BEGAN_ANEW,
        }
    }

    /// The word that refused frames are counted under.
    fn cause(self) -> &'static str {
        match self {
            Self::Publisher => "other-publisher",
            Self::Stream => "other-stream",
            Self::Unpaced(Unpaced::Jump) => "number-jump",
            Self::Unpaced(Unpaced::Flood) => "flood",
        }
    }
}

impl Open {
    /// Whether a packet belongs to this life of the cage.
    fn check(&mut self, arrival: &Arrival, now: Instant) -> Result<(), Stranger> {
        if self.run != arrival.packet.run {
            return Err(Stranger::Publisher);
        }
        if self.described.id != arrival.described.id {
            return Err(Stranger::Stream);
        }
        let stream = &self.described.stream;
        match (&arrival.packet.content, self.newest) {
            // Replays and simulations may run as fast as they can, and leap where their recording does.
            (Content::Frame { frame, .. }, Some(newest)) if stream.origin() == Origin::Live => {
                self.pace.check(newest, frame.number, stream.rate_hz(), now).map_err(Stranger::Unpaced)
            }
            _ => Ok(()),
        }
    }

    fn said(&self, note: Note) -> State {
        let name = |slot: crate::behavior::Individual| {
            self.described.stream.individuals().get(usize::from(slot.0)).cloned().unwrap_or_default()
        };
        match note {
            Note::Attended(Attended::Joined(animal)) => State::AnimalJoined { animal: name(animal) },
            Note::Attended(Attended::Left(animal)) => State::AnimalLeft { animal: name(animal) },
            Note::Swapped(swap) => {
                State::SwapAlarm { animals: [name(swap.first), name(swap.second)], confidence: swap.confidence }
            }
            Note::Warm(true) => State::Warm,
            Note::Warm(false) => self.cage.as_ref().map_or(State::Running, State::warming),
            Note::Range(what) if what.is_empty() => State::InRange,
            Note::Range(what) => State::OutOfRange { what },
        }
    }

    /// Hands on the ticks since those that were kept last.
    fn keep(&mut self, name: &CageName, outcome: &mut Outcome) {
        let Some((cage, anchor)) = self.cage.as_ref().and_then(|cage| Some((cage, cage.anchor()?))) else { return };
        let life = Life { stream: self.described.id, run: self.run, base: anchor.base };
        let first = self.kept.filter(|(kept, _)| *kept == life).map_or(0, |(_, next)| next);
        for tick in first.max(anchor.next.saturating_sub(cage.ring().len() as u64))..anchor.next {
            let Some(points) = cage.ring().age((anchor.next - 1 - tick) as usize) else { continue };
            let (frame, points) = (anchor.newest, points.to_vec());
            let kept = Kept { life, tick, frame, points, resumed: self.resumed };
            outcome.kept.push((name.clone(), Keep::Tick(kept)));
        }
        self.kept = Some((life, anchor.next));
    }
}

fn notice(name: &CageName, open: &Open, model: &Model, state: State) -> Notice {
    Notice { cage: name.clone(), origin: open.described.stream.origin(), model: model.hash().to_owned(), state }
}
