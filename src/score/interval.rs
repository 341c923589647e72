//! How sure a pooled score is: the bootstrap over recordings.
//!
//! The frames of a recording are nearly copies of each other, and its animals behave as they do. So recordings are
//! drawn, with replacement and whole; their frames are pooled and scored as [`FrameScores::mean_f1`] does. The interval
//! is that between the 2.5% and 97.5% quantiles of the score over many such draws: Efron and Tibshirani, *An
//! introduction to the bootstrap* (1993), §13.3. Two systems are compared on the *same* draws, as most of what one
//! recording is harder than another it is for both.
//!
//! Recordings of one lab are all that it speaks about, and few of them are little: with fewer than about 10 it is too
//! narrow. A draw without the only recording that shows a behavior scores that behavior 0, so the interval of one
//! system may lie low; that of a difference hardly does.
//!
//! A system that was trained with several seeds scores their mean on each draw: the interval is that of the mean of
//! these seeds, and what other seeds would have given is not in it.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{FrameScores, Tally, macro_f1};
use crate::behavior::Ethogram;

/// The quantiles between which 95% of the draws lie.
const QUANTILES: [f64; 2] = [0.025, 0.975];

/// The most draws.
pub const RESAMPLES_MAX: usize = 1_000_000;

/// One recording, as a system scored it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingTallies {
    /// By behavior, in the order of the label sets.
    pub tallies: Vec<Tally>,
    /// By label set: whether anybody looked for any of its behaviors.
    pub asked: Vec<bool>,
}

impl RecordingTallies {
    /// # Panics
    /// On scores of another ethogram.
    pub fn new(scores: &FrameScores, ethogram: &Ethogram) -> Self {
        Self {
            tallies: ethogram.behaviors().map(|(behavior, ..)| scores.tally(behavior)).collect(),
            asked: (0..ethogram.label_sets().len()).map(|set| scores.is_asked(set)).collect(),
        }
    }
}

/// A score and where it may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Of the recordings as they are.
    pub estimate: f64,
    pub lower: f64,
    pub upper: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    #[error("expected at least 2 recordings to draw from, got {0}")]
    Few(usize),
    #[error("expected the same recordings of both systems, got {a} and {b}")]
    Recordings { a: usize, b: usize },
    #[error("expected {expected} behaviors in recording {recording}, got {got}")]
    Behaviors { recording: usize, expected: usize, got: usize },
    #[error("expected {expected} label sets in recording {recording}, got {got}")]
    LabelSets { recording: usize, expected: usize, got: usize },
    #[error("expected 1 to {RESAMPLES_MAX} draws, got {0}")]
    Resamples(usize),
    #[error("expected a system of at least one seed, got none")]
    NoSeed,
    #[error("expected {expected} recordings of every seed of a system, got {got} of its seed {index}")]
    Seeds { index: usize, expected: usize, got: usize },
    #[error("expected {expected} draws from the same random numbers of both systems, got {got}, or others")]
    OtherDraws { expected: usize, got: usize },
}

/// A system's score on its recordings and on draws of them: the mean over its seeds of the pooled score. Systems of
/// equally many recordings, resamples and `random_seed` have the same draws, so that many of them are compared pair by
/// pair without drawing again.
#[derive(Clone, Debug, PartialEq)]
pub struct Resampled {
    recordings: usize,
    random_seed: u64,
    estimate: f64,
    /// In the order in which they were drawn.
    draws: Vec<f64>,
}

impl Resampled {
    /// `seeds[s]` are the recordings as the system scored them that was trained with its s-th seed, in one order.
    ///
    /// # Errors
    /// No seed, recordings that differ in number or shape, fewer than 2 of them, and no draws or too many.
    pub fn new(
        seeds: &[&[RecordingTallies]],
        behaviors_of_sets: &[usize],
        resamples: usize,
        random_seed: u64,
    ) -> Result<Self, IntervalError> {
        let first = seeds.first().ok_or(IntervalError::NoSeed)?;
        for (index, recordings) in seeds.iter().enumerate() {
            if recordings.len() != first.len() {
                return Err(IntervalError::Seeds { index, expected: first.len(), got: recordings.len() });
            }
            check(recordings, behaviors_of_sets)?;
        }
        let statistic = |drawn: &[usize]| {
            let scores = seeds.iter().map(|recordings| pooled_f1(recordings, drawn, behaviors_of_sets));
            scores.sum::<f64>() / seeds.len() as f64
        };
        bootstrap(first.len(), resamples, random_seed, statistic)
    }

    pub fn interval(&self) -> Interval {
        interval_of(self.estimate, self.draws.clone())
    }

    /// How much better this system scores than the other, and its 95% interval, draw by draw.
    ///
    /// # Errors
    /// Other recordings in number, and other draws.
    pub fn minus(&self, other: &Self) -> Result<Interval, IntervalError> {
        if self.recordings != other.recordings {
            return Err(IntervalError::Recordings { a: self.recordings, b: other.recordings });
        }
        if (self.draws.len(), self.random_seed) != (other.draws.len(), other.random_seed) {
            return Err(IntervalError::OtherDraws { expected: self.draws.len(), got: other.draws.len() });
        }
        let differences = self.draws.iter().zip(&other.draws).map(|(ours, theirs)| ours - theirs);
        Ok(interval_of(self.estimate - other.estimate, differences.collect()))
    }
}

/// The mean over label sets of the mean F1 over their behaviors, and its 95% interval. A label set that nobody asked for
/// in a draw does not count in it; `behaviors_of_sets[s]` says how many behaviors label set s has.
///
/// # Errors
/// Fewer than 2 recordings, those of another shape, and no draws or too many.
pub fn of_one(
    recordings: &[RecordingTallies],
    behaviors_of_sets: &[usize],
    resamples: usize,
    seed: u64,
) -> Result<Interval, IntervalError> {
    Ok(Resampled::new(&[recordings], behaviors_of_sets, resamples, seed)?.interval())
}

/// How much better `a` scores than `b` on the same recordings in the same order, and its 95% interval. One that holds
/// 0 does not tell them apart.
///
/// # Errors
/// As [`of_one`], and where the recordings differ in number.
pub fn of_difference(
    a: &[RecordingTallies],
    b: &[RecordingTallies],
    behaviors_of_sets: &[usize],
    resamples: usize,
    seed: u64,
) -> Result<Interval, IntervalError> {
    let [a, b] = [a, b].map(|system| Resampled::new(&[system], behaviors_of_sets, resamples, seed));
    a?.minus(&b?)
}

fn check(recordings: &[RecordingTallies], behaviors_of_sets: &[usize]) -> Result<(), IntervalError> {
    let (behaviors, sets) = (behaviors_of_sets.iter().sum::<usize>(), behaviors_of_sets.len());
    for (recording, RecordingTallies { tallies, asked }) in recordings.iter().enumerate() {
        if tallies.len() != behaviors {
            return Err(IntervalError::Behaviors { recording, expected: behaviors, got: tallies.len() });
        }
        if asked.len() != sets {
            return Err(IntervalError::LabelSets { recording, expected: sets, got: asked.len() });
        }
    }
    Ok(())
}

/// Of recordings by index, each as often as it is named.
fn pooled_f1(recordings: &[RecordingTallies], drawn: &[usize], behaviors_of_sets: &[usize]) -> f64 {
    let (mut sum, mut sets, mut first) = (0.0, 0, 0);
    let mut pooled = Vec::new();
    for (set, &behaviors) in behaviors_of_sets.iter().enumerate() {
        let stop = first + behaviors;
        if drawn.iter().any(|&recording| recordings[recording].asked[set]) {
            pooled.clear();
            pooled.resize(behaviors, Tally::default());
            for &recording in drawn {
                for (pooled, tally) in pooled.iter_mut().zip(&recordings[recording].tallies[first..stop]) {
                    *pooled += *tally;
                }
            }
            sum += macro_f1(&pooled);
            sets += 1;
        }
        first = stop;
    }
    if sets == 0 { 0.0 } else { sum / f64::from(sets) }
}

fn bootstrap(
    recordings: usize,
    resamples: usize,
    random_seed: u64,
    statistic: impl Fn(&[usize]) -> f64,
) -> Result<Resampled, IntervalError> {
    if recordings < 2 {
        return Err(IntervalError::Few(recordings));
    }
    if !(1..=RESAMPLES_MAX).contains(&resamples) {
        return Err(IntervalError::Resamples(resamples));
    }
    let mut drawn: Vec<usize> = (0..recordings).collect();
    let estimate = statistic(&drawn);
    let mut random = StdRng::seed_from_u64(random_seed);
    let mut draws = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        drawn.fill_with(|| random.random_range(0..recordings));
        draws.push(statistic(&drawn));
    }
    Ok(Resampled { recordings, random_seed, estimate, draws })
}

/// `draws` are at least one.
fn interval_of(estimate: f64, mut draws: Vec<f64>) -> Interval {
    draws.sort_unstable_by(f64::total_cmp);
    // The nearest rank.
    let [lower, upper] = QUANTILES.map(|quantile| draws[(quantile * draws.len() as f64).ceil() as usize - 1]);
    Interval { estimate, lower, upper }
}

#[cfg(test)]
mod tests;
