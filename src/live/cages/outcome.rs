//! What comes of a frame, on its way to the journal, the wire and the files.

use std::sync::Arc;

use super::{Open, Ticked};
use crate::acquire::description::Described;
use crate::core::Advance;
use crate::keys::CageName;
use crate::live::keeper::Keep;
use crate::live::status::Notice;
use crate::live::timing::Age;
use crate::model::Model;
use crate::output::Transition;
use crate::output::event::{Setting, Verdict};
use crate::output::scores::{SCORES_VERSION, ScoredCell, Scores, Times};
use crate::time::{DelayTicks, Tick};

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
    /// Of the frame, where it was taken.
    pub age: Option<Age>,
    /// Ticks that a restart would have to know.
    pub kept: Vec<(CageName, Keep)>,
    /// The scores of the frame's ticks, where somebody watches them.
    pub scores: Vec<Scored>,
    /// The frame opened its cage, which may have cost a whole window.
    pub opened: bool,
    /// What a closed loop is told.
    pub ticked: Option<Ticked>,
    /// Somebody else than its publisher spoke on the cage's key, or its life ended: nothing is armed there any more.
    pub strange: Vec<(CageName, &'static str)>,
}

/// The scores of one tick of a cage together with what a message of them needs besides.
pub struct Scored {
    pub cage: CageName,
    pub(super) tick: Tick,
    /// Number of the newest frame.
    pub(super) frame: u64,
    /// D × N.
    pub(super) scores: Vec<f32>,
    pub(super) described: Arc<Described>,
    pub(super) model: Arc<Model>,
    /// All but the last, which the message gets when it is sent.
    pub times: Times,
}

impl Scored {
    pub fn message(&self, sent_nanos: i64) -> Scores {
        let (ethogram, stream) = (self.model.ethogram(), &self.described.stream);
        let cells = ethogram.cells(stream.individuals().len());
        Scores {
            version: SCORES_VERSION,
            rig: self.cage.rig().to_owned(),
            cage: self.cage.cage().to_owned(),
            tick: self.tick.0,
            frame: self.frame,
            origin: stream.origin(),
            model: self.model.hash().to_owned(),
            delays: self.model.delays().iter().map(|delay| delay.0).collect(),
            times: Times { sent_nanos, ..self.times },
            scores: self.scores.chunks(cells.len().max(1)).map(<[f32]>::to_vec).collect(),
            cells: cells.into_iter().map(|cell| ScoredCell::new(cell, ethogram, stream)).collect(),
        }
    }
}

/// A transition of a cage together with what its event needs besides it.
pub struct Decision {
    pub cage: CageName,
    epoch: String,
    described: Arc<Described>,
    model: Arc<Model>,
    transition: Transition,
}

impl Decision {
    pub fn verdict(&self, decision_nanos: i64) -> Verdict {
        let setting = Setting {
            rig: self.cage.rig(),
            cage: self.cage.cage(),
            epoch: &self.epoch,
            ethogram: self.model.ethogram(),
            model: self.model.hash(),
            stream: &self.described.stream,
            capture_nanos: self.transition.decided_capture_nanos,
            decision_nanos,
            settled: self.model.delays().last().copied().unwrap_or(DelayTicks(0)),
            warm_ticks: self.model.warm_ticks(),
        };
        Verdict::new(&self.transition, &setting)
    }
}

impl Outcome {
    pub(super) fn add(&mut self, name: &CageName, open: &Open, model: &Arc<Model>, advance: Advance) {
        self.ticks += advance.ticks;
        self.resets += advance.resets;
        let decision = |transition: Transition| Decision {
            cage: name.clone(),
            epoch: open.epoch.clone(),
            described: Arc::clone(&open.described),
            model: Arc::clone(model),
            transition,
        };
        self.decisions.extend(advance.transitions.into_iter().map(decision));
    }
}
