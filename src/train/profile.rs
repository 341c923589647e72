//! What a model's card says about trusting its verdicts: which input it knows, how long a history it needs, and how long
//! bouts are.

use std::collections::BTreeMap;

use super::adaptation::{lab_averaged, looked_for};
use super::validate::Answering;
use crate::behavior::Ethogram;
use crate::corpus::session::{Session, SessionError};
use crate::features::range::{InputRange, RangeBuilder};
use crate::model::bundle::{Reliability, WarmUp};
use crate::model::device::one_thread_pool;
use crate::model::ops::kernels::sigmoid;
use crate::model::trust::BoutLengths;
use crate::score::{Tally, best_threshold};
use crate::time::{TICK_RATE_HZ, WINDOW_TICKS};

/// Histories that are measured: half a second, one, two, five and seventeen.
pub const HISTORIES_TICKS: [u32; 5] = [15, 30, 60, 150, WINDOW_TICKS as u32];

/// Ticks between two beginnings in a session.
const STRIDE_TICKS: usize = 128;

/// A history is long enough when F1 falls short of a whole window's by no more than this share.
const SHORTFALL_MAX: f64 = 0.05;

/// What all recordings of the corpus at hand look like to the network, those that validate included: what recordings
/// of one rig have between them is the less guessed the more there are. `noise` as in [`RangeBuilder::new`].
///
/// # Errors
/// Points that cannot be read.
pub fn range<'a>(sessions: impl IntoIterator<Item = &'a Session>, noise: f32) -> Result<InputRange, SessionError> {
    let mut builder = RangeBuilder::new(noise);
    for session in sessions {
        let mut read = Ok(());
        let ticks = session.points().map_while(|points| points.map_err(|error| read = Err(error)).ok());
        builder.add_recording(&session.skeleton, session.individuals, ticks);
        read?;
    }
    Ok(builder.finish())
}

/// How long the annotated bouts of every behavior are, of those that have any.
pub fn bouts(sessions: &[&Session], ethogram: &Ethogram) -> BTreeMap<String, BTreeMap<String, BoutLengths>> {
    let mut lengths: BTreeMap<String, BTreeMap<String, BoutLengths>> = BTreeMap::new();
    for (behavior, set, spec) in ethogram.behaviors() {
        let mut ticks: Vec<usize> = sessions.iter().flat_map(|session| session.bout_ticks(behavior)).collect();
        ticks.sort_unstable();
        let Some(median) = ticks.get(ticks.len() / 2) else { continue };
        let median_secs = (*median as f64 / TICK_RATE_HZ * 1000.0).round() / 1000.0;
        let of_set = lengths.entry(ethogram.label_sets()[set].name.clone()).or_default();
        of_set.insert(spec.name.clone(), BoutLengths { bouts: ticks.len() as u64, median_secs });
    }
    lengths
}

/// A system that is put before cages again and again, as if they had just been opened: how good its verdicts are after
/// histories of each length, with the thresholds that are best for whole windows.
///
/// # Errors
/// A system that fails.
pub fn warm_up(answering: Answering<'_>, sessions: &[Session]) -> anyhow::Result<WarmUp> {
    let Answering { ethogram, delays, .. } = answering;
    let mut by_history: Vec<Vec<Row>> = vec![Vec::new(); HISTORIES_TICKS.len()];
    let pool = one_thread_pool("profile")?;
    for session in sessions {
        let rows = pool.install(|| beginnings(answering, session))?;
        for (all, mut more) in by_history.iter_mut().zip(rows) {
            all.append(&mut more);
        }
    }
    let (behaviors, looked_for) = (ethogram.behavior_count(), looked_for(sessions, ethogram));
    let of = |rows: &[Row], delay: usize, behavior: usize| {
        let mine = rows.iter().filter(|row| (row.delay, row.behavior) == (delay, behavior));
        mine.map(|row| (row.score, row.truth)).unzip::<f32, bool, Vec<_>, Vec<_>>()
    };
    let whole = by_history.last().map_or(&[][..], Vec::as_slice);
    let threshold = |delay, behavior| {
        let (scores, truth) = of(whole, delay, behavior);
        best_threshold(&scores, &truth).0
    };
    let thresholds: Vec<Vec<f32>> =
        (0..delays.len()).map(|delay| (0..behaviors).map(|behavior| threshold(delay, behavior)).collect()).collect();
    let f1 = |rows: &[Row], delay: usize| {
        let of_behavior = |behavior: usize| {
            let (scores, truth) = of(rows, delay, behavior);
            let predicted: Vec<bool> = scores.iter().map(|score| *score >= thresholds[delay][behavior]).collect();
            Tally::from_masks(&predicted, &truth).f1()
        };
        lab_averaged(&(0..behaviors).map(of_behavior).collect::<Vec<_>>(), ethogram, &looked_for)
    };
    let reliability: Vec<Reliability> = HISTORIES_TICKS
        .iter()
        .zip(&by_history)
        .map(|(&history_ticks, rows)| {
            let round = |f1: f64| (f1 * 1e4).round() / 1e4;
            Reliability { history_ticks, f1: (0..delays.len()).map(|delay| round(f1(rows, delay))).collect() }
        })
        .collect();
    let goal = reliability.last().map_or_else(Vec::new, |whole| whole.f1.clone());
    // A delay longer than the history has nothing to speak about yet.
    let is_enough = |reliability: &&Reliability| {
        let longest = delays.iter().map(|delay| delay.0).max().unwrap_or(0);
        let pairs = reliability.f1.iter().zip(&goal);
        reliability.history_ticks > longest
            && pairs.into_iter().all(|(f1, goal)| *goal > 0.0 && *f1 >= goal * (1.0 - SHORTFALL_MAX))
    };
    let ticks = reliability.iter().find(is_enough).map_or(WINDOW_TICKS as u32, |enough| enough.history_ticks);
    Ok(WarmUp { ticks, reliability })
}

/// One score beside its truth.
#[derive(Clone, Copy, Debug)]
struct Row {
    delay: usize,
    behavior: usize,
    score: f32,
    truth: bool,
}

/// Scores at the end of each history, from beginnings all over a session.
fn beginnings(answering: Answering<'_>, session: &Session) -> anyhow::Result<Vec<Vec<Row>>> {
    let (wiring, delays) = (answering.wiring(session)?, answering.delays);
    let cells = session.cells.len();
    let mut rows = vec![Vec::new(); HISTORIES_TICKS.len()];
    let mut first = 0;
    while first + WINDOW_TICKS <= session.ticks {
        let logits = answering.logits(session, &wiring, first, WINDOW_TICKS)?;
        for (rows, &history) in rows.iter_mut().zip(&HISTORIES_TICKS) {
            let tick = history as usize - 1;
            for (delay, lag) in delays.iter().enumerate() {
                let Some(about) = tick.checked_sub(lag.0 as usize).map(|about| (first + about) * cells) else {
                    continue;
                };
                for (cell, of) in session.cells.iter().enumerate().filter(|(cell, _)| session.labelled[about + cell]) {
                    let score = sigmoid(logits[(tick * delays.len() + delay) * cells + cell]);
                    let truth = session.truth[about + cell];
                    rows.push(Row { delay, behavior: usize::from(of.behavior.0), score, truth });
                }
            }
        }
        first += STRIDE_TICKS;
    }
    Ok(rows)
}
