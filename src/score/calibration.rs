//! From scores to probabilities, and how far those can be trusted.
//!
//! A network's score orders moments; it is no probability: losses that weigh rare behaviors up, as focal and class
//! weights do, move it. Platt scaling puts a slope and an offset on its logit and keeps the order: Platt,
//! *Probabilistic outputs for support vector machines* (1999). That two parameters are enough for most, and a step
//! function is better only with many samples, is from Niculescu-Mizil and Caruana, *Predicting good probabilities with
//! supervised learning* (ICML 2005). Fitted by Newton's method as Lin, Lin and Weng state it, *A note on Platt's
//! probabilistic outputs for support vector machines*, Machine Learning 68 (2007), algorithm 1.

mod fit;
mod reliability;

pub use fit::Unfitted;
pub use reliability::{Bin, Reliability};

/// Logits are held to ± this, a little further than those of scores below 1 in single precision: a score of 1 is to
/// weigh no more than its neighbors.
pub const LOGIT_MAX: f32 = 20.0;

/// A logit and what was true of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Infinite ones are held to [`LOGIT_MAX`]; a sample whose logit is NaN does not count.
    pub logit: f32,
    pub truth: bool,
    /// How often it counts, as where only some of the negatives were kept. A sample whose weight is not finite and
    /// above 0 does not count.
    pub weight: f32,
}

impl Sample {
    /// One that counts once.
    pub fn new(logit: f32, truth: bool) -> Self {
        Self { logit, truth, weight: 1.0 }
    }

    fn counts(&self) -> bool {
        !self.logit.is_nan() && self.weight.is_finite() && self.weight > 0.0
    }
}

/// The logit of a score within 0 and 1; infinite at the ends, NaN outside.
pub fn logit(score: f32) -> f32 {
    (score / (1.0 - score)).ln()
}

/// What makes a logit a probability: σ(slope · logit + offset).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Above 0: a higher logit is a higher probability.
    pub slope: f64,
    pub offset: f64,
}

impl Calibration {
    /// Takes the score as it is.
    pub const IDENTITY: Self = Self { slope: 1.0, offset: 0.0 };

    /// The calibration under which the samples are likeliest, but for Platt's targets, which are a little less sure
    /// than the samples so that separable ones have an answer, too. In O(samples) of time and memory.
    ///
    /// # Errors
    /// Where the samples do not say what a slope above 0 is. Whoever wants to go on takes [`Self::IDENTITY`].
    pub fn fitted(samples: &[Sample]) -> Result<Self, Unfitted> {
        fit::fit(samples.iter())
    }

    /// The probability of a logit: never falling with it, and within 0 and 1. NaN of NaN: the unknown stays so.
    pub fn probability(&self, logit: f32) -> f64 {
        sigmoid(self.slope * held(logit) + self.offset)
    }
}

fn held(logit: f32) -> f64 {
    logit.clamp(-LOGIT_MAX, LOGIT_MAX).into()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CrossFitError {
    #[error("expected at least 2 folds, got {0}")]
    Folds(usize),
    #[error("expected at least 2 groups to fit on some and ask the others, got {0}")]
    Groups(usize),
    #[error("without the groups of fold {fold} of {folds}: {source}")]
    Unfitted { fold: usize, folds: usize, source: Unfitted },
    #[error("expected samples, got none that count")]
    NoSamples,
}

/// The reliability of calibrated probabilities on samples that their calibration was not fitted to. A group is what
/// belongs together, as the samples of one recording: it is asked whole or fitted on whole, as neighboring ticks are
/// nearly copies. Group g is in fold g mod `folds`; more folds than groups are as many as groups.
///
/// # Errors
/// Fewer than 2 folds or groups, and where the groups outside of a fold cannot be fitted: a behavior that only one
/// recording shows has no calibration that can be checked.
pub fn cross_fitted(groups: &[Vec<Sample>], folds: usize) -> Result<Reliability, CrossFitError> {
    if folds < 2 {
        return Err(CrossFitError::Folds(folds));
    }
    if groups.len() < 2 {
        return Err(CrossFitError::Groups(groups.len()));
    }
    let folds = folds.min(groups.len());
    let mut told = Vec::with_capacity(groups.iter().map(Vec::len).sum());
    for fold in 0..folds {
        let (asked, others): (Vec<_>, Vec<_>) = (0..groups.len()).partition(|group| group % folds == fold);
        let calibration = fit::fit(others.iter().flat_map(|group| &groups[*group]))
            .map_err(|source| CrossFitError::Unfitted { fold, folds, source })?;
        let samples = asked.iter().flat_map(|group| &groups[*group]);
        told.extend(samples.map(|sample| (calibration.probability(sample.logit), *sample)));
    }
    Reliability::of_told(told).ok_or(CrossFitError::NoSamples)
}

#[cfg(test)]
mod tests;
