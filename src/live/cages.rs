//! All cages of a detector: opened by their first frame, advanced frame by frame, closed when their publisher is gone.
//!
//! A plain value: it does no IO, and time is passed in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::acquire::description::Described;
use crate::acquire::wire::Content;
use crate::core::{Advance, Cage, CoreError};
use crate::live::clock::Moment;
use crate::live::intake::Arrival;
use crate::live::keys::CageName;
use crate::live::status::{Notice, State};
use crate::model::Model;
use crate::output::Transition;
use crate::output::event::{Setting, Verdict};
use crate::poses::Frame;

/// How long a publisher may be silent before a publisher of another run takes over its cage, in seconds.
pub const TAKEOVER_SECS: u64 = 2;

const OTHER_PUBLISHER: &str = "another publisher";
const OTHER_STREAM: &str = "another stream";
const NETWORK_FAILED: &str = "the network failed";

/// The open cages. Their number is bounded by the intake.
pub struct Cages {
    model: Arc<Model>,
    idle: Duration,
    open: HashMap<CageName, Open>,
    epoch_last: i64,
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
}

/// What came of a frame, an END mark or the passing of time.
#[derive(Default)]
pub struct Outcome {
    pub decisions: Vec<Decision>,
    pub notices: Vec<Notice>,
    /// Cages that were closed.
    pub closed: Vec<CageName>,
    pub ticks: u32,
    pub resets: u32,
    /// Frames taken, 0 or 1.
    pub frames: u64,
    /// Why the frame was refused.
    pub refused: Option<&'static str>,
}

/// A transition of a cage together with what its event needs besides it.
pub struct Decision {
    pub cage: CageName,
    epoch: String,
    described: Arc<Described>,
    capture_nanos: Option<i64>,
    transition: Transition,
}

impl Decision {
    pub fn verdict(&self, model: &Model, decision_nanos: i64) -> Verdict {
        let setting = Setting {
            rig: self.cage.rig(),
            cage: self.cage.cage(),
            epoch: &self.epoch,
            ethogram: model.ethogram(),
            model: model.hash(),
            stream: &self.described.stream,
            capture_nanos: self.capture_nanos,
            decision_nanos,
        };
        Verdict::new(&self.transition, &setting)
    }
}

impl Cages {
    /// `idle`: a cage of which no frame was taken for so long is closed.
    pub fn new(model: Arc<Model>, idle: Duration) -> Self {
        Self { model, idle, open: HashMap::new(), epoch_last: 0 }
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The open cages, each with its description.
    pub fn open(&self) -> impl Iterator<Item = (&CageName, &Described)> {
        self.open.iter().map(|(name, open)| (name, &*open.described))
    }

    /// Takes a packet at the moment `now`.
    pub fn take(&mut self, arrival: &Arrival, now: Moment) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(open) = self.open.get(&arrival.cage)
            && let Some(reason) = open.displaced_by(arrival)
        {
            let silent = now.monotonic.saturating_duration_since(open.taken);
            if reason == OTHER_PUBLISHER && silent < Duration::from_secs(TAKEOVER_SECS) {
                outcome.refused = Some("other-publisher");
                return outcome;
            }
            self.close(&arrival.cage, State::Stopped { reason }, &mut outcome);
        }
        match &arrival.packet.content {
            Content::Frame { frame, .. } => self.frame(arrival, frame, now, &mut outcome),
            Content::End { frames } => {
                let frames_taken = self.open.get(&arrival.cage).map_or(0, |open| open.frames);
                let state = State::Ended { frames_sent: *frames, frames_taken };
                self.close(&arrival.cage, state, &mut outcome);
            }
        }
        outcome
    }

    /// Closes the cages of which no frame was taken for the idle time.
    pub fn expire(&mut self, now: Instant) -> Outcome {
        let idle = |open: &Open| now.saturating_duration_since(open.taken) >= self.idle;
        let silent: Vec<_> = self.open.iter().filter(|(_, open)| idle(open)).map(|(name, _)| name.clone()).collect();
        let mut outcome = Outcome::default();
        for name in silent {
            self.close(&name, State::Stopped { reason: "silent" }, &mut outcome);
        }
        outcome
    }

    /// Closes every cage, with every open bout of it.
    pub fn close_all(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        for name in self.open.keys().cloned().collect::<Vec<_>>() {
            self.close(&name, State::Stopped { reason: "the detector ends" }, &mut outcome);
        }
        outcome
    }

    fn frame(&mut self, arrival: &Arrival, frame: &Frame, now: Moment, outcome: &mut Outcome) {
        if !self.open.contains_key(&arrival.cage) {
            let opened = self.open_cage(arrival, now);
            let state = if opened.cage.is_some() { State::Started } else { State::Refused { reason: opened.refused } };
            outcome.notices.push(notice(&arrival.cage, &opened, state));
            self.open.insert(arrival.cage.clone(), opened);
        }
        let Some(open) = self.open.get_mut(&arrival.cage) else { return };
        let Some(cage) = &mut open.cage else {
            outcome.refused = Some(open.refused);
            return;
        };
        match cage.push(frame) {
            Ok(advance) => {
                open.taken = now.monotonic;
                open.frames += 1;
                outcome.frames = 1;
                if advance.resets > 0 {
                    outcome.notices.push(notice(&arrival.cage, open, State::Reset));
                }
                outcome.add(&arrival.cage, open, advance);
            }
            Err(error) => {
                outcome.refused = Some(error.cause());
                if matches!(error, CoreError::Network(_)) {
                    // The core leaves a cage whose network failed to be opened anew, which the next frame does.
                    open.cage = None;
                    self.close(&arrival.cage, State::Stopped { reason: NETWORK_FAILED }, outcome);
                }
            }
        }
    }

    fn open_cage(&mut self, arrival: &Arrival, now: Moment) -> Open {
        // The wall clock makes epochs differ between processes; strictly ascending, they differ within one as well.
        self.epoch_last = now.unix_nanos.max(self.epoch_last + 1);
        let (cage, refused) = match Cage::open(Arc::clone(&self.model), &arrival.described.stream) {
            Ok(cage) => (Some(cage), ""),
            Err(error) => (None, error.cause()),
        };
        Open {
            described: Arc::clone(&arrival.described),
            run: arrival.packet.run,
            epoch: format!("{:x}", self.epoch_last),
            cage,
            refused,
            taken: now.monotonic,
            frames: 0,
        }
    }

    fn close(&mut self, name: &CageName, state: State, outcome: &mut Outcome) {
        let Some(mut open) = self.open.remove(name) else { return };
        if let Some(mut cage) = open.cage.take() {
            match cage.flush() {
                Ok(advance) => outcome.add(name, &open, advance),
                Err(_) => outcome.notices.push(notice(name, &open, State::Stopped { reason: NETWORK_FAILED })),
            }
        }
        outcome.notices.push(notice(name, &open, state));
        outcome.closed.push(name.clone());
    }
}

impl Open {
    /// Why a packet does not belong to this life of the cage, where it does not.
    fn displaced_by(&self, arrival: &Arrival) -> Option<&'static str> {
        if self.run != arrival.packet.run {
            return Some(OTHER_PUBLISHER);
        }
        (self.described.id != arrival.described.id).then_some(OTHER_STREAM)
    }
}

fn notice(name: &CageName, open: &Open, state: State) -> Notice {
    Notice { cage: name.clone(), origin: open.described.stream.origin(), state }
}

impl Outcome {
    fn add(&mut self, name: &CageName, open: &Open, advance: Advance) {
        self.ticks += advance.ticks;
        self.resets += advance.resets;
        let decision = |transition: Transition| Decision {
            capture_nanos: transition.decided_capture_nanos,
            cage: name.clone(),
            epoch: open.epoch.clone(),
            described: Arc::clone(&open.described),
            transition,
        };
        self.decisions.extend(advance.transitions.into_iter().map(decision));
    }
}
