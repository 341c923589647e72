//! Newton's method for a slope and an offset.

use super::{Calibration, Sample, held, sigmoid};

/// Lin, Lin and Weng's constants: the most steps, what is added to the Hessian's diagonal, the shortest part of a step
/// that is tried, and the share of the promised descent that a step must reach.
const STEPS_MAX: usize = 100;
const RIDGE: f64 = 1e-12;
const STEP_SHARE_MIN: f64 = 1e-10;
const DESCENT_SHARE_MIN: f64 = 1e-4;

/// Of the mean loss with standardized logits, where it is 0: far below what matters, above what rounding leaves.
const GRADIENT_MAX: f64 = 1e-9;

/// Why there is no calibration.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unfitted {
    #[error("expected samples at which the behavior happened, got none")]
    NoPositives,
    #[error("expected samples at which the behavior did not happen, got none")]
    NoNegatives,
    #[error("expected logits that differ, got only {0}")]
    Constant(f64),
    #[error("expected a slope above 0, got {0}: the scores do not rise with the behavior")]
    Slope(f64),
}

/// A logit, standardized; its target; its share of all weight.
struct Row {
    x: f64,
    target: f64,
    weight: f64,
}

pub fn fit<'a>(samples: impl Iterator<Item = &'a Sample> + Clone) -> Result<Calibration, Unfitted> {
    let samples = samples.filter(|sample| sample.counts());
    let (mut positives, mut negatives, mut sum) = (0.0, 0.0, 0.0);
    for sample in samples.clone() {
        let weight = f64::from(sample.weight);
        *(if sample.truth { &mut positives } else { &mut negatives }) += weight;
        sum += weight * held(sample.logit);
    }
    if positives == 0.0 {
        return Err(Unfitted::NoPositives);
    }
    if negatives == 0.0 {
        return Err(Unfitted::NoNegatives);
    }
    let all = positives + negatives;
    let mean = sum / all;
    let squares = samples.clone().map(|sample| f64::from(sample.weight) * (held(sample.logit) - mean).powi(2));
    let spread = (squares.sum::<f64>() / all).sqrt();
    // Less is what rounding leaves of equal logits.
    if spread <= 1e-6 * (1.0 + mean.abs()) {
        return Err(Unfitted::Constant(mean));
    }
    // Platt's targets: the posterior means of a rate of error that is uniform a priori.
    let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
    let row = |sample: &Sample| Row {
        x: (held(sample.logit) - mean) / spread,
        target: if sample.truth { high } else { low },
        weight: f64::from(sample.weight) / all,
    };
    let rows: Vec<Row> = samples.map(row).collect();
    let (slope, offset) = descend(&rows, ((positives + 1.0) / (negatives + 1.0)).ln());
    let slope = slope / spread;
    if slope > 0.0 { Ok(Calibration { slope, offset: offset - slope * mean }) } else { Err(Unfitted::Slope(slope)) }
}

/// Slope and offset of the least loss, from a slope of 0.
fn descend(rows: &[Row], offset: f64) -> (f64, f64) {
    let (mut slope, mut offset) = (0.0, offset);
    let mut loss = loss_at(rows, slope, offset);
    for _ in 0..STEPS_MAX {
        let [mut gradient_slope, mut gradient_offset] = [0.0; 2];
        let [mut slope_slope, mut slope_offset, mut offset_offset] = [RIDGE, 0.0, RIDGE];
        for Row { x, target, weight } in rows {
            let probability = sigmoid(slope * x + offset);
            let error = weight * (probability - target);
            gradient_slope += error * x;
            gradient_offset += error;
            let curvature = weight * probability * (1.0 - probability);
            slope_slope += curvature * x * x;
            slope_offset += curvature * x;
            offset_offset += curvature;
        }
        if gradient_slope.abs().max(gradient_offset.abs()) < GRADIENT_MAX {
            break;
        }
        let determinant = slope_slope * offset_offset - slope_offset * slope_offset;
        let step_slope = -(offset_offset * gradient_slope - slope_offset * gradient_offset) / determinant;
        let step_offset = -(slope_slope * gradient_offset - slope_offset * gradient_slope) / determinant;
        let descent = gradient_slope * step_slope + gradient_offset * step_offset;
        let mut share = 1.0;
        loop {
            let (slope_next, offset_next) = (slope + share * step_slope, offset + share * step_offset);
            let loss_next = loss_at(rows, slope_next, offset_next);
            if loss_next < loss + DESCENT_SHARE_MIN * share * descent {
                (slope, offset, loss) = (slope_next, offset_next, loss_next);
                break;
            }
            share /= 2.0;
            // Rounding hides what is left to gain.
            if share < STEP_SHARE_MIN {
                return (slope, offset);
            }
        }
    }
    (slope, offset)
}

/// The mean cross-entropy.
fn loss_at(rows: &[Row], slope: f64, offset: f64) -> f64 {
    let loss = |Row { x, target, weight }: &Row| {
        let z = slope * x + offset;
        // ln(1 + eᶻ) − target · z, without an overflow.
        weight * (z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z)
    };
    rows.iter().map(loss).sum()
}
