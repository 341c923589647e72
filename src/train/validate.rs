//! How good the present weights are on recordings that are not trained on.

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

use super::crops;
use super::rules::{DelayScores, SessionScores};
use crate::behavior::{Behavior, Ethogram};
use crate::corpus::session::Session;
use crate::model::architecture::Architecture;
use crate::model::device::{device, one_thread_pool};
use crate::model::inputs::InputsBuilder;
use crate::model::network::Network;
use crate::model::ops::kernels::sigmoid;
use crate::model::wiring::{Vocabulary, Wiring};
use crate::score::best_threshold;
use crate::time::DelayTicks;

/// Sessions are looked at in stretches of this many ticks, each with a whole window of history before it.
const STRETCH_TICKS: usize = 4096;

/// Scores of whole sessions by a network with these weights, by the parallel way through time.
pub fn scores(
    sessions: &[Session],
    architecture: &Architecture,
    vocabulary: &Vocabulary,
    ethogram: &Ethogram,
    delays: &[DelayTicks],
    weights: &HashMap<String, Tensor>,
    threads: usize,
) -> anyhow::Result<Vec<SessionScores>> {
    let vb = VarBuilder::from_tensors(weights.clone(), DType::F32, &device());
    let network = Network::new(architecture, vocabulary.0.len(), ethogram, delays.len(), &vb)?;
    let share = sessions.len().div_ceil(threads.max(1)).max(1);
    let parts: Vec<anyhow::Result<Vec<SessionScores>>> = std::thread::scope(|scope| {
        let network = &network;
        let work = |part: &[Session]| -> anyhow::Result<Vec<SessionScores>> {
            let scores =
                |session: &Session| session_scores(session, network, architecture, vocabulary, ethogram, delays);
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

fn session_scores(
    session: &Session,
    network: &Network,
    architecture: &Architecture,
    vocabulary: &Vocabulary,
    ethogram: &Ethogram,
    delays: &[DelayTicks],
) -> anyhow::Result<SessionScores> {
    let parts = vocabulary.indices(&session.skeleton)?;
    let wiring = Wiring::of_cells(&session.skeleton, parts, session.individuals, ethogram, &session.cells, &device())?;
    let row = delays.len() * session.cells.len();
    let mut scores = Vec::with_capacity(session.ticks * row);
    let mut first = 0;
    while first < session.ticks {
        // An even lead keeps the half-rate parity that the session has from its beginning.
        let lead = first.min(crate::time::WINDOW_TICKS);
        let ticks = STRETCH_TICKS.min(session.ticks - first);
        let mut inputs = InputsBuilder::new(session.individuals, session.skeleton.keypoints().len());
        crops::inputs(session, first - lead, lead + ticks, architecture.statistics, &mut inputs)?;
        let inputs = inputs.finish(1, lead + ticks, &device())?;
        let logits = network.forward(&inputs, &wiring, None)?.narrow(1, lead, ticks)?;
        scores.extend(logits.flatten_all()?.to_vec1::<f32>()?.into_iter().map(sigmoid));
        first += ticks;
    }
    Ok(SessionScores { scores, delays: delays.len(), cells: session.cells.len() })
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
