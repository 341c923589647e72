//! What a closed loop looks for in an open cage, and what it is told of every frame.

use std::sync::Arc;

use super::Open;
use crate::acquire::description::Described;
use crate::core::{Advance, Cage, Note};
use crate::keys::CageName;
use crate::live::clock::Moment;
use crate::live::intake::Arrival;
use crate::live::timing::Age;
use crate::model::Model;
use crate::stream::StreamDescription;
use crate::time::Tick;
use crate::trigger::plan::Plan;
use crate::trigger::standing::{KnownAge, Publisher, Standing};
use crate::trigger::watch::{Candidate, Watch};

/// The rules of a plan in one cage.
pub(super) struct Vigil {
    /// Why they do not fit the cage, in words.
    watch: Result<Watch, String>,
    /// Before its first tick.
    fresh: Result<Watch, String>,
    newest: Option<Tick>,
    /// Since animals may have exchanged their names.
    swap_ticks_ago: Option<u64>,
    out_of_range: bool,
}

/// What a frame of a cage brought a closed loop.
#[derive(Clone, Debug)]
pub struct Ticked {
    pub cage: CageName,
    pub described: Arc<Described>,
    /// Of the cage's life.
    pub epoch: String,
    pub model: String,
    pub standing: Standing,
    /// Why no rule can trigger here.
    pub misfit: Option<String>,
    pub frame: u64,
    pub tick: Option<Tick>,
    pub capture_nanos: Option<i64>,
    pub arrived: Moment,
    pub candidates: Vec<Candidate>,
}

/// The vigil over a cage of the plan's rig.
pub(super) fn vigil_of(
    plan: Option<&Arc<Plan>>,
    name: &CageName,
    stream: &StreamDescription,
    model: &Model,
) -> Option<Vigil> {
    let plan = plan.filter(|plan| plan.rig == name.rig())?;
    let watch = Watch::new(plan, model.card(), stream).map_err(|error| error.to_string());
    Some(Vigil { fresh: watch.clone(), watch, newest: None, swap_ticks_ago: None, out_of_range: false })
}

impl Vigil {
    /// In the place of another one over the same ticks, with what that one knew of the animals.
    pub(super) fn after(self, before: Option<&Self>) -> Self {
        let known = before.map(|before| (before.newest, before.swap_ticks_ago, before.out_of_range));
        let (newest, swap_ticks_ago, out_of_range) = known.unwrap_or((None, None, false));
        Self { newest, swap_ticks_ago, out_of_range, ..self }
    }

    /// As new: whatever is known of the cage is of another time.
    pub(super) fn restart(&mut self) {
        self.watch.clone_from(&self.fresh);
        (self.newest, self.swap_ticks_ago, self.out_of_range) = (None, None, false);
    }

    /// Takes in what a frame brought about, before its ticks.
    pub(super) fn hear(&mut self, advance: &Advance) {
        if advance.resets > 0 {
            self.restart();
        }
        for note in &advance.notes {
            match note {
                Note::Swapped(_) => self.swap_ticks_ago = Some(0),
                Note::Range(what) => self.out_of_range = !what.is_empty(),
                Note::Attended(_) | Note::Warm(_) => {}
            }
        }
    }

    /// Takes the scores of a frame's ticks.
    fn look(&mut self, cage: &Cage, scores: &[(Tick, Vec<f32>)]) -> Vec<Candidate> {
        self.newest = scores.last().map(|(tick, _)| *tick).or(self.newest);
        self.swap_ticks_ago = self.swap_ticks_ago.map(|ticks| ticks + scores.len() as u64);
        self.watch.as_mut().map_or(Vec::new(), |watch| watch.follow(scores, cage.ring()))
    }
}

/// A frame that its cage has stepped with, as a closed loop sees it.
pub(super) struct Seen<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) frame: u64,
    pub(super) capture_nanos: Option<i64>,
    pub(super) age: Age,
    pub(super) scores: &'a [(Tick, Vec<f32>)],
    pub(super) now: Moment,
    pub(super) journal_failing: bool,
}

impl Open {
    /// What a closed loop is told of a frame, where one looks.
    pub(super) fn look(&mut self, seen: &Seen<'_>) -> Option<Ticked> {
        let (cage, vigil) = (self.cage.as_ref()?, self.vigil.as_mut()?);
        let candidates = vigil.look(cage, seen.scores);
        let waited = seen.now.since(&seen.arrival.arrived);
        let standing = Standing {
            publisher: Publisher { run: self.run, stream: self.described.id, origin: self.described.stream.origin() },
            warming: cage.history_ticks() < cage.model().warm_ticks(),
            stale: self.timing.stale(seen.now.monotonic).map(|stale| stale.word()),
            age: if seen.age == Age::Unknown { KnownAge::Unknown } else { KnownAge::Known },
            swap_ticks_ago: vigil.swap_ticks_ago,
            out_of_range: vigil.out_of_range,
            waited_millis: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
            journal_failing: seen.journal_failing,
        };
        Some(Ticked {
            cage: seen.arrival.cage.clone(),
            described: Arc::clone(&self.described),
            epoch: self.epoch.clone(),
            model: cage.model().hash().to_owned(),
            standing,
            misfit: vigil.watch.as_ref().err().cloned(),
            frame: seen.frame,
            tick: vigil.newest,
            capture_nanos: seen.capture_nanos,
            arrived: seen.arrival.arrived,
            candidates,
        })
    }
}
