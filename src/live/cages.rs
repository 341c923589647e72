//! All cages of a detector: opened by their first frame, advanced frame by frame, closed when their publisher is gone.
//!
//! A plain value: it does no IO, and time is passed in.

mod open;
mod outcome;
mod rescue;
mod rooms;
mod vigil;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::open::{Open, Stranger, notice};
pub use self::outcome::{Decision, Outcome, Scored};
use self::rooms::Rooms;
pub use self::vigil::Ticked;
use self::vigil::{Seen, Vigil, vigil_of};
use crate::acquire::description::StreamId;
use crate::acquire::wire::Content;
use crate::buffer::ticks::frames_per_tick;
use crate::core::{Advance, Cage, CoreError, Past, Turn, Unit, step_together};
use crate::keys::{CAGES_MAX, CageName};
use crate::live::clock::Moment;
use crate::live::intake::Arrival;
use crate::live::keeper::Keep;
use crate::live::pace::{self, Pace, Unpaced};
use crate::live::status::{Notice, State};
use crate::live::timing::{Limits, Timing};
use crate::model::Model;
use crate::output::scores::Times;
use crate::output::ticklog::Life;
use crate::poses::Frame;
use crate::stream::Origin;
use crate::time::Tick;
use crate::trigger::plan::Plan;

/// How long a publisher may be silent, or all of its frames refused, before another takes over its cage, in seconds.
pub const TAKEOVER_SECS: u64 = 2;

/// Cages that are closed at one look: each costs as many steps as the longest delay has ticks.
const CLOSED_AT_ONCE_MAX: usize = 4;

const NUMBERS_BEGAN_ANEW: &str = "frame numbers began anew";
const DETECTOR_ENDS: &str = "the detector ends";
const NETWORK_FAILED: &str = "the network failed";

/// Frames that ask for more ticks than this step apart from the others, which would wait for them.
const TICKS_TOGETHER_MAX: f64 = 4.0;

/// Open cages from which on every second new one begins a tick earlier, see [`Cage::begin_one_tick_before`]. Fewer cost too
/// little for it to matter, and their ticks have the numbers of their frames.
pub const STAGGERED_FROM: usize = 32;

/// Finds the last ticks of a cage that an earlier process of this detector kept.
pub type Recall = Box<dyn Fn(&CageName, StreamId, Option<u32>, usize) -> Option<Past> + Send>;

/// The open cages. Their number is bounded by the intake.
pub struct Cages {
    rooms: Rooms,
    idle: Duration,
    open: HashMap<CageName, Open>,
    epoch_last: i64,
    /// Somebody watches scores: they are handed on.
    pub watched: bool,
    /// `None`: nothing is kept for a restart.
    recall: Option<Recall>,
    /// Credit of cages that were closed, so that ends and beginnings without end are no way around it.
    paces: HashMap<CageName, Pace>,
    /// What a closed loop looks for.
    pub plan: Option<Arc<Plan>>,
    /// Events cannot be written at present.
    pub journal_failing: bool,
}

/// A frame whose cage is to step with it.
struct Admitted<'a> {
    arrival: &'a Arrival,
    frame: &'a Frame,
    cage: Cage,
    /// So many ticks are missing before the frame that others would wait for it.
    is_behind: bool,
    /// Somebody looks at its scores.
    is_watched: bool,
    scores: Vec<(Tick, Vec<f32>)>,
    outcome: Outcome,
}

impl Cages {
    /// `idle`: a cage of which no frame was taken for so long is closed.
    pub fn new(model: Arc<Model>, unit: Unit, idle: Duration, recall: Option<Recall>) -> Self {
        Self {
            rooms: Rooms::new(model, unit),
            idle,
            open: HashMap::new(),
            epoch_last: 0,
            watched: false,
            recall,
            paces: HashMap::new(),
            plan: None,
            journal_failing: false,
        }
    }

    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// What each open cage is doing, said again every few seconds.
    pub fn states(&self) -> impl Iterator<Item = Notice> {
        self.open.iter().map(|(name, open)| {
            let state = match &open.cage {
                None => State::Refused { reason: open.refused },
                Some(_) if open.suspended => State::Suspended { reason: NETWORK_FAILED.to_owned() },
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
        self.rooms = self.rooms.of(model);
    }

    /// Gives one of the cages that still run another model the present one; false where there is none. A cage costs as
    /// many steps as the window has ticks.
    pub fn replace_next(&mut self, outcome: &mut Outcome) -> bool {
        let present = |model: &Arc<Model>| Arc::ptr_eq(model, self.rooms.model());
        let old = |open: &Open| {
            !open.suspended
                && open.cage.as_ref().is_some_and(|cage| !present(cage.model()))
                && !open.misfit.as_ref().is_some_and(present)
        };
        let Some(name) = self.open.iter().find(|(_, open)| old(open)).map(|(name, _)| name.clone()) else {
            return false;
        };
        let Some(open) = self.open.get_mut(&name) else { return false };
        let Some(cage) = &mut open.cage else { return false };
        let before = Arc::clone(cage.model());
        let room = self.rooms.with_space(open.described.stream.individuals().len());
        let replaced = room.and_then(|room| cage.replace_model(&room));
        match replaced {
            Ok(advance) => {
                let vigil = vigil_of(self.plan.as_ref(), &name, &open.described.stream, self.rooms.model());
                open.vigil = vigil.map(|vigil| vigil.after(open.vigil.as_ref()));
                if open.vigil.is_some() {
                    outcome.strange.push((name.clone(), "another model"));
                }
                outcome.add(&name, open, &before, advance);
                let state = State::ModelReplaced { before: before.hash().to_owned() };
                outcome.notices.extend(self.open.get(&name).map(|open| self.notice(&name, open, state)));
            }
            Err(CoreError::Network(error)) if self.rooms.may_be_lost() => self.suspend(&error.to_string(), outcome),
            Err(CoreError::Network(_)) => self.close(&name, &State::Stopped { reason: NETWORK_FAILED }, outcome),
            Err(error) => {
                open.misfit = Some(Arc::clone(self.rooms.model()));
                let state = State::ModelRefused { reason: error.to_string() };
                outcome.notices.extend(self.open.get(&name).map(|open| self.notice(&name, open, state)));
            }
        }
        true
    }

    /// Takes packets of different cages at the moment `now`; what comes of each is delivered as soon as it is known.
    /// Cages of which a frame asks for a tick step together.
    pub fn take(&mut self, arrivals: &[Arrival], now: Moment, deliver: &mut dyn FnMut(&Arrival, Outcome)) {
        let (mut together, mut apart) = (Vec::with_capacity(arrivals.len()), Vec::new());
        for arrival in arrivals {
            let mut outcome = Outcome::default();
            match self.admit(arrival, now, &mut outcome) {
                Some(admitted) if admitted.is_behind => apart.push(Admitted { outcome, ..admitted }),
                Some(admitted) => together.push(Admitted { outcome, ..admitted }),
                None => deliver(arrival, outcome),
            }
        }
        self.advance(together, now, deliver);
        for admitted in apart {
            self.advance(vec![admitted], now, deliver);
        }
    }

    fn advance(&mut self, mut group: Vec<Admitted<'_>>, now: Moment, deliver: &mut dyn FnMut(&Arrival, Outcome)) {
        let turns = group.iter_mut().map(|Admitted { cage, frame, scores, is_watched, .. }| {
            let is_watched = *is_watched;
            let watch = move |tick: Tick, of_tick: &[f32]| {
                if is_watched {
                    scores.push((tick, of_tick.to_vec()));
                }
            };
            Turn::push(cage, frame, watch)
        });
        let mut turns: Vec<Turn<'_>> = turns.collect();
        step_together(&mut turns);
        let results: Vec<_> = turns.into_iter().map(Turn::finish).collect();
        for (admitted, result) in group.into_iter().zip(results) {
            let (arrival, outcome) = self.follow(admitted, result, now);
            deliver(arrival, outcome);
        }
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
                outcome.notices.push(notice(name, open, self.rooms.model(), state));
            }
        }
        self.rooms.tidy();
        let idle = |open: &Open| !open.suspended && now.saturating_duration_since(open.taken) >= self.idle;
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

    /// Whether a packet is a frame that its cage is to step with: opens cages and closes them as it says.
    fn admit<'a>(&mut self, arrival: &'a Arrival, now: Moment, outcome: &mut Outcome) -> Option<Admitted<'a>> {
        let name = &arrival.cage;
        if let Some(open) = self.open.get_mut(name)
            && open.suspended
            && let Content::Frame { frame, .. } = &arrival.packet.content
            && (open.run, open.described.id) == (arrival.packet.run, arrival.described.id)
        {
            // The camera is there, and no other takes its place.
            open.taken = now.monotonic;
            open.newest = open.newest.max(Some(frame.number));
            outcome.refused = Some(CoreError::Suspended.cause());
            return None;
        }
        if let Some(open) = self.open.get_mut(name)
            && let Err(stranger) = open.check(arrival, now.monotonic)
        {
            let silent = now.monotonic.saturating_duration_since(open.taken);
            if open.vigil.is_some() {
                outcome.strange.push((name.clone(), stranger.reason()));
            }
            if !stranger.takes_over(silent) {
                outcome.refused = Some(stranger.cause());
                return None;
            }
            self.close(name, &State::Stopped { reason: stranger.reason() }, outcome);
        }
        let frame = match &arrival.packet.content {
            Content::Frame { frame, .. } => frame,
            Content::End { frames } => {
                let frames_taken = self.open.get(name).map_or(0, |open| open.frames);
                self.close(name, &State::Ended { frames_sent: *frames, frames_taken }, outcome);
                return None;
            }
        };
        if !self.open.contains_key(name) {
            let live = arrival.described.stream.origin() == Origin::Live;
            if live && self.paces.get_mut(name).is_some_and(|pace| !pace.has_credit(now.monotonic)) {
                outcome.refused = Some(Stranger::Unpaced(Unpaced::Flood).cause());
                return None;
            }
            outcome.opened = true;
            let opened = self.open_cage(arrival, frame, now, outcome);
            self.open.insert(name.clone(), opened);
        }
        let open = self.open.get_mut(name)?;
        let Some(cage) = open.cage.take() else {
            outcome.refused = Some(open.refused);
            return None;
        };
        let ahead = frame.number.abs_diff(open.newest.unwrap_or(frame.number)) as f64;
        let is_behind = ahead > TICKS_TOGETHER_MAX * frames_per_tick(open.described.stream.rate_hz());
        let (is_watched, outcome) = (self.watched || open.vigil.is_some(), Outcome::default());
        Some(Admitted { arrival, frame, cage, is_behind, is_watched, scores: Vec::new(), outcome })
    }

    /// What comes of a frame that its cage has stepped with.
    fn follow<'a>(
        &mut self,
        admitted: Admitted<'a>,
        result: Result<Advance, CoreError>,
        now: Moment,
    ) -> (&'a Arrival, Outcome) {
        let Admitted { arrival, frame, cage, mut scores, mut outcome, .. } = admitted;
        let name = &arrival.cage;
        let Some(open) = self.open.get_mut(name) else { return (arrival, outcome) };
        let model = Arc::clone(cage.model());
        open.cage = Some(cage);
        match result {
            Ok(mut advance) => {
                open.taken = now.monotonic;
                open.refused_since = None;
                open.newest = open.newest.max(Some(frame.number));
                open.frames += 1;
                open.pace.spend(advance.ticks);
                outcome.frames = 1;
                let sighting = open.timing.frame(frame.number, frame.capture_nanos, arrival.arrived);
                outcome.age = Some(sighting.age);
                if advance.resets > 0 {
                    open.newest = Some(frame.number);
                    outcome.notices.push(notice(name, open, &model, State::Reset));
                }
                let timing = sighting.notices.iter().map(|said| State::Timing(*said));
                outcome.notices.extend(timing.map(|state| notice(name, open, &model, state)));
                if let Some(vigil) = &mut open.vigil {
                    vigil.hear(&advance);
                }
                for note in std::mem::take(&mut advance.notes) {
                    outcome.notices.push(notice(name, open, &model, open.said(note)));
                }
                if self.recall.is_some() {
                    open.keep(name, &mut outcome);
                }
                outcome.ticked = open.look(&Seen {
                    arrival,
                    frame: frame.number,
                    capture_nanos: frame.capture_nanos,
                    age: sighting.age,
                    scores: &scores,
                    now,
                    journal_failing: self.journal_failing,
                });
                if !self.watched {
                    scores.clear();
                }
                let scored = |(tick, scores)| {
                    let (cage, described) = (name.clone(), Arc::clone(&open.described));
                    let times = Times {
                        arrived_nanos: arrival.arrived.unix_nanos,
                        started_nanos: now.unix_nanos,
                        ..Times::default()
                    };
                    Scored { cage, tick, frame: frame.number, scores, described, model: Arc::clone(&model), times }
                };
                outcome.scores.extend(scores.into_iter().map(scored));
                outcome.add(name, open, &model, advance);
            }
            Err(error) => {
                outcome.refused = Some(error.cause());
                let network = matches!(error, CoreError::Network(_));
                if network && open.cage.as_ref().is_some_and(|cage| cage.unit().may_be_lost()) {
                    // The frame is not refused: it is finished when the cage is rebuilt.
                    outcome.refused = None;
                    self.suspend(&error.to_string(), &mut outcome);
                } else if network {
                    // The core leaves a cage whose network failed to be opened anew, which the next frame does.
                    open.cage = None;
                    self.close(name, &State::Stopped { reason: NETWORK_FAILED }, &mut outcome);
                } else if now.monotonic.saturating_duration_since(*open.refused_since.get_or_insert(now.monotonic))
                    >= Duration::from_secs(TAKEOVER_SECS)
                {
                    // Nothing but doubled and late frames: someone counts from another beginning.
                    self.close(name, &State::Stopped { reason: NUMBERS_BEGAN_ANEW }, &mut outcome);
                }
            }
        }
        (arrival, outcome)
    }

    fn open_cage(&mut self, arrival: &Arrival, frame: &Frame, now: Moment, outcome: &mut Outcome) -> Open {
        // The wall clock makes epochs differ between processes; strictly ascending, they differ within one as well.
        self.epoch_last = now.unix_nanos.max(self.epoch_last + 1);
        let (stream, name) = (&arrival.described.stream, &arrival.cage);
        let run = arrival.packet.run;
        let recalled = self.recall.as_ref();
        let past = recalled.and_then(|recall| recall(name, arrival.described.id, run, stream.point_count()));
        let past = past.filter(|past| pace::follows(past.anchor.newest, frame.number, stream.rate_hz()));
        let individuals = stream.individuals().len();
        let open_in = |rooms: &mut Rooms| {
            let room = rooms.with_space(individuals)?;
            match &past {
                Some(past) => Cage::resume(&room, stream, past),
                None => Cage::open_in(&room, stream),
            }
        };
        let opened = match open_in(&mut self.rooms) {
            Err(CoreError::Network(error)) if self.rooms.may_be_lost() => {
                self.suspend(&error.to_string(), outcome);
                open_in(&mut self.rooms)
            }
            opened => opened,
        };
        // The middle of the network works every second tick: of many cages, half do so at one tick and half at the next.
        let others = self.open.values().filter(|open| open.at_other_ticks).count();
        let wanted = past.is_none() && self.open.len() >= STAGGERED_FROM && 2 * others < self.open.len();
        let mut at_other_ticks = false;
        let (cage, refused) = match opened {
            Ok(mut cage) => {
                if wanted {
                    at_other_ticks = cage.begin_one_tick_before(frame.number);
                }
                (Some(cage), "")
            }
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
            newest: past.as_ref().map(|past| past.anchor.newest),
            kept,
            resumed: past.is_some(),
            refused_since: None,
            misfit: None,
            suspended: false,
            at_other_ticks,
            vigil: vigil_of(self.plan.as_ref(), name, stream, self.rooms.model()),
        };
        let state = if open.cage.is_some() { State::Started } else { State::Refused { reason: open.refused } };
        outcome.notices.push(self.notice(name, &open, state));
        if let Some(cage) = &open.cage {
            if let Some(past) = past {
                let ticks_known = past.ring.len() as u64;
                outcome.notices.push(self.notice(name, &open, State::Resumed { ticks_known }));
            }
            if cage.history_ticks() < self.rooms.model().warm_ticks() {
                outcome.notices.push(self.notice(name, &open, State::warming(cage)));
            }
        }
        open
    }

    fn close(&mut self, name: &CageName, state: &State, outcome: &mut Outcome) {
        let Some(mut open) = self.open.remove(name) else { return };
        if open.vigil.is_some() {
            outcome.strange.push((name.clone(), "the cage ended"));
        }
        if self.recall.is_some() {
            let ends = matches!(state, State::Stopped { reason: DETECTOR_ENDS });
            outcome.kept.push((name.clone(), if ends { Keep::Close } else { Keep::Forget }));
        }
        if let Some(mut cage) = open.cage.take() {
            let model = Arc::clone(cage.model());
            let may_be_lost = cage.unit().may_be_lost();
            let flushed = if open.suspended { Err(CoreError::Suspended) } else { cage.flush() };
            let flushed = match flushed {
                Err(CoreError::Suspended | CoreError::Network(_)) if may_be_lost => {
                    self.rooms.fall_back();
                    self.move_and_finish(&mut cage).and_then(|mut advance| {
                        let last = cage.flush()?;
                        advance.append(last);
                        Ok(advance)
                    })
                }
                flushed => flushed,
            };
            match flushed {
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
        let model = open.cage.as_ref().map_or(self.rooms.model(), Cage::model);
        notice(name, open, model, state)
    }
}
