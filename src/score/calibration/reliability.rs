//! How often what was told with a probability came true.

use super::{Calibration, Sample};

/// Bins of a reliability diagram, at most.
const BINS: usize = 15;

/// What keeps the logarithm of a probability of 0 finite.
const PROBABILITY_MIN: f64 = 1e-15;

/// Samples with probabilities next to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Means by weight, as all here.
    pub predicted_mean: f64,
    pub observed_share: f64,
    pub count: u64,
    /// The weight of these samples, of 1 in all bins together.
    pub weight_share: f64,
}

/// Probabilities beside what was true of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// At most 15, ascending, of about the same weight. Equal probabilities share one, so that it may be heavier.
    pub bins: Vec<Bin>,
    /// Mean squared distance of probability and truth: Brier (1950). 0 is perfect.
    pub brier: f64,
    /// Mean negative log-likelihood in nats; probabilities are held to 10⁻¹⁵ from 0 and 1.
    pub log_loss: f64,
}

impl Reliability {
    /// Of a calibration on samples. On those that it was fitted to, it flatters: see [`super::cross_fitted`]. `None`
    /// where no sample counts.
    pub fn of(samples: &[Sample], calibration: Calibration) -> Option<Self> {
        Self::of_told(samples.iter().map(|sample| (calibration.probability(sample.logit), *sample)).collect())
    }

    /// Of probabilities, each beside its sample.
    pub(super) fn of_told(mut told: Vec<(f64, Sample)>) -> Option<Self> {
        told.retain(|(_, sample)| sample.counts());
        told.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let weight = |sample: &Sample| f64::from(sample.weight);
        let all: f64 = told.iter().map(|(_, sample)| weight(sample)).sum();
        let (mut brier, mut log_loss) = (0.0, 0.0);
        for (probability, sample) in &told {
            let miss = if sample.truth { 1.0 - probability } else { *probability };
            brier += weight(sample) / all * miss * miss;
            let right = if sample.truth { *probability } else { 1.0 - probability };
            log_loss -= weight(sample) / all * right.max(PROBABILITY_MIN).ln();
        }
        (!told.is_empty()).then(|| Self { bins: bins(&told, all), brier, log_loss })
    }

    /// The mean distance of what was told and what was seen over the bins, by weight; 0 is perfect, 1 the worst. With
    /// few samples a bin it is above 0 by chance alone.
    pub fn expected_calibration_error(&self) -> f64 {
        self.bins.iter().map(|bin| bin.weight_share * (bin.predicted_mean - bin.observed_share).abs()).sum()
    }
}

/// A bin ends where the weight so far reaches its share of all, at the last of equal probabilities.
fn bins(told: &[(f64, Sample)], all: f64) -> Vec<Bin> {
    let mut bins = Vec::with_capacity(BINS);
    let (mut first, mut reached, mut ended) = (0, 0.0, 0.0);
    for (index, (probability, sample)) in told.iter().enumerate() {
        reached += f64::from(sample.weight);
        let last = index + 1 == told.len();
        let full = reached * BINS as f64 >= all * (ended + 1.0);
        if last || full && told[index + 1].0 > *probability {
            bins.push(bin(&told[first..=index], all));
            first = index + 1;
            ended = (reached * BINS as f64 / all).floor();
        }
    }
    bins
}

fn bin(told: &[(f64, Sample)], all: f64) -> Bin {
    let (mut weight, mut predicted, mut observed) = (0.0, 0.0, 0.0);
    for (probability, sample) in told {
        let of_sample = f64::from(sample.weight);
        weight += of_sample;
        predicted += of_sample * probability;
        observed += if sample.truth { of_sample } else { 0.0 };
    }
    Bin {
        predicted_mean: predicted / weight,
        observed_share: observed / weight,
        count: told.len() as u64,
        weight_share: weight / all,
    }
}
