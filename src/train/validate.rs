//! How good the present weights are on recordings that are not trained on.

use super::adaptation;
use super::crops;
use super::rules::{DelayScores, SessionScores};
use crate::behavior::{Behavior, Ethogram};
use crate::corpus::session::Session;
use crate::model::Model;
use crate::model::device::{device, one_thread_pool};
use crate::model::inputs::InputsBuilder;
use crate::model::ops::kernels::sigmoid;
use crate::model::system::System;
use crate::model::wiring::{Vocabulary, Wiring};
use crate::score::best_threshold;
use crate::time::{DelayTicks, WINDOW_TICKS};

/// Sessions are looked at in stretches of this many ticks, each with a whole window of history before it.
const STRETCH_TICKS: usize = 4096;

/// Scores of whole sessions, by the parallel way through time.
///
/// # Errors
/// A skeleton with parts that are not in the vocabulary, points that cannot be read, and a system that fails.
pub fn scores(answering: Answering<'_>, sessions: &[Session], threads: usize) -> anyhow::Result<Vec<SessionScores>> {
    let share = sessions.len().div_ceil(threads.max(1)).max(1);
    let parts: Vec<anyhow::Result<Vec<SessionScores>>> = std::thread::scope(|scope| {
        let work = |part: &[Session]| -> anyhow::Result<Vec<SessionScores>> {
            let scores = |session: &Session| answering.session_scores(session);
            one_thread_pool("validate")?.install(|| part.iter().map(scores).collect())
        };
        let handles: Vec<_> = sessions.chunks(share).map(|part| scope.spawn(move || work(part))).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    parts.into_iter().collect::<anyhow::Result<Vec<_>>>().map(|parts| parts.into_iter().flatten().collect())
}

/// A system with what it was made for.
#[derive(Clone, Copy, Debug)]
pub struct Answering<'a> {
    pub system: &'a dyn System,
    pub has_statistics: bool,
    pub vocabulary: &'a Vocabulary,
    pub ethogram: &'a Ethogram,
    pub delays: &'a [DelayTicks],
}

impl<'a> Answering<'a> {
    /// A finished model.
    pub fn of(model: &'a Model) -> Self {
        Self {
            system: model.system().as_ref(),
            has_statistics: model.card().architecture.has_statistics(),
            vocabulary: &model.card().vocabulary,
            ethogram: model.ethogram(),
            delays: model.delays(),
        }
    }

    /// Of a session's skeleton and animals, with scores for what somebody looked for in it.
    ///
    /// # Errors
    /// A skeleton with parts that are not in the vocabulary.
    pub fn wiring(&self, session: &Session) -> anyhow::Result<Wiring> {
        let Session { skeleton, individuals, cells, .. } = session;
        let parts = self.vocabulary.indices(skeleton)?;
        Ok(Wiring::of_cells(skeleton, parts, *individuals, self.ethogram, cells, &device())?)
    }

    /// Logits of ticks of a session, T × D × N, as if the animals had just appeared at the first.
    ///
    /// # Errors
    /// Points that cannot be read, and a system that fails.
    pub fn logits(&self, session: &Session, wiring: &Wiring, first: usize, ticks: usize) -> anyhow::Result<Vec<f32>> {
        let mut inputs = InputsBuilder::new(session.individuals, session.skeleton.keypoints().len());
        crops::inputs(session, first, ticks, self.has_statistics, &mut inputs)?;
        let logits = self.system.forward(&inputs.finish(1, ticks, &device())?, wiring)?;
        Ok(logits.flatten_all()?.to_vec1()?)
    }

    fn session_scores(&self, session: &Session) -> anyhow::Result<SessionScores> {
        let wiring = self.wiring(session)?;
        let row = self.delays.len() * session.cells.len();
        let mut scores = Vec::with_capacity(session.ticks * row);
        let mut first = 0;
        while first < session.ticks {
            // A whole window is a multiple of every system's period: what follows is as from the session's beginning.
            let lead = first.min(WINDOW_TICKS);
            let ticks = STRETCH_TICKS.min(session.ticks - first);
            let logits = self.logits(session, &wiring, first - lead, lead + ticks)?;
            scores.extend(logits[lead * row..].iter().map(|logit| sigmoid(*logit)));
            first += ticks;
        }
        Ok(SessionScores { scores, delays: self.delays.len(), cells: session.cells.len() })
    }
}

/// How good scores are: lab-averaged frame F1 at the best thresholds, of behaviors that somebody looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// Over delays.
    pub mean: f64,
    pub by_delay: Vec<f64>,
}

impl Quality {
    pub fn of(sessions: &[Session], scores: &[SessionScores], ethogram: &Ethogram, delays: &[DelayTicks]) -> Self {
        let looked_for = adaptation::looked_for(sessions, ethogram);
        let by_delay: Vec<f64> = best_f1(sessions, scores, ethogram, delays)
            .iter()
            .map(|by_behavior| adaptation::lab_averaged(by_behavior, ethogram, &looked_for))
            .collect();
        Self { mean: by_delay.iter().sum::<f64>() / by_delay.len().max(1) as f64, by_delay }
    }
}

/// Frame F1 at the best threshold: by delay, then by behavior.
pub fn best_f1(
    sessions: &[Session],
    scores: &[SessionScores],
    ethogram: &Ethogram,
    delays: &[DelayTicks],
) -> Vec<Vec<f64>> {
    let behaviors = ethogram.behavior_count();
    let of = |delay: usize, behavior: usize| {
        let gathered = DelayScores::gather(sessions, scores, delays, delay, Behavior(behavior as u16));
        best_threshold(&gathered.scores, &gathered.truth).1
    };
    (0..delays.len()).map(|delay| (0..behaviors).map(|behavior| of(delay, behavior)).collect()).collect()
}

/// The plain mean over label sets of the plain mean over their behaviors.
pub fn lab_averaged(by_behavior: &[f64], ethogram: &Ethogram) -> f64 {
    let sets = ethogram.label_sets().len();
    let mean_of = |set: usize| {
        let scores = ethogram.behaviors().filter(|(_, label_set, _)| *label_set == set);
        let scores: Vec<f64> = scores.map(|(behavior, ..)| by_behavior[behavior.0 as usize]).collect();
        scores.iter().sum::<f64>() / scores.len().max(1) as f64
    };
    (0..sets).map(mean_of).sum::<f64>() / sets.max(1) as f64
}
