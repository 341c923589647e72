//! Masked focal loss with dynamic class weights.
//!
//! Over every cell with a label, y its truth and z its logit,
//!
//! ```text
//! bce  = max(z, 0) − z·y + ln(1 + e^−|z|)
//! loss = Σ w(cell) · (1 − e^−bce)^γ · bce                                  focal: Lin et al. 2017, equation 4
//!
//! w    = share(b) / labelled(b) · (class(b) where y, 1 elsewhere)
//! share(b)    ∝ 1 / √(behaviors in the label set of b), so that large sets do not drown small ones
//! labelled(b) = labelled cells of behavior b in this step
//! class(b)    = min(class_weight_max, rarity(b)^rarity_power · (1 + difficulty · (1 − F(b))))
//! rarity(b)   = negatives / positives of b over all training ticks
//! F(b)        = running soft F1 of b in training, 2·Σ p·y / (Σ p + Σ y)
//! ```
//!
//! so the weight of a class follows how rare it is and how badly it is recognised as training goes. Cells without a
//! label are left out, never taken for negative. The shares of the behaviors that are labelled anywhere sum to 1.
//!
//! A model that is adapted to a new corpus must not forget what nobody labels there. What it would have said before,
//! p of a fixed copy of the network at its start, is what such cells are held to on the same inputs:
//!
//! ```text
//! loss += retention · mean over crops of 1/S · Σ over label sets of the mean over cells, ticks and delays of
//!         max(z, 0) − z·p + ln(1 + e^−|z|)                                Li & Hoiem 2016, equation 2, one class a cell
//! S     = label sets with such cells in the crop's session
//! ```
//!
//! The slope of that is σ(z) − p for every cell: nothing as long as the network says what it said.

use candle_core::{Device, Result, Tensor};

use super::config::LossConfig;
use crate::behavior::Ethogram;
use crate::corpus::session::Session;

/// How much of the running soft F1 a step keeps.
const RECOGNITION_DECAY: f64 = 0.98;

/// Class weights as training goes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ClassWeights {
    /// By behavior.
    rarity: Vec<f64>,
    share: Vec<f64>,
    /// Running Σ p·y and Σ (p + y).
    hits: Vec<f64>,
    mass: Vec<f64>,
}

impl ClassWeights {
    pub fn new(sessions: &[Session], ethogram: &Ethogram) -> Self {
        let behaviors = ethogram.behavior_count();
        let (positives, labelled) = counts(sessions, behaviors);
        let rarity = positives
            .iter()
            .zip(&labelled)
            .map(|(&positives, &labelled)| (labelled - positives) as f64 / positives.max(1) as f64)
            .collect();
        let share: Vec<f64> = ethogram
            .behaviors()
            .map(|(_, label_set, _)| 1.0 / (ethogram.label_sets()[label_set].behaviors.len() as f64).sqrt())
            .collect();
        // What nobody labels has no part in the loss, and must not make that of the others small.
        let counted = share.iter().zip(&labelled).filter(|(_, labelled)| **labelled > 0);
        let total = counted.map(|(share, _)| share).sum::<f64>().max(f64::MIN_POSITIVE);
        let share = share.into_iter().zip(&labelled);
        let share = share.map(|(share, labelled)| if *labelled > 0 { share / total } else { 0.0 }).collect();
        Self { rarity, share, hits: vec![0.0; behaviors], mass: vec![0.0; behaviors] }
    }

    /// The weight of a positive cell of each behavior.
    pub fn of_positives(&self, config: &LossConfig) -> Vec<f64> {
        let weight = |behavior: usize| {
            let recognised = 2.0 * self.hits[behavior] / self.mass[behavior].max(1e-9);
            let difficulty = 1.0 + config.difficulty * (1.0 - recognised.min(1.0));
            (self.rarity[behavior].max(1.0).powf(config.rarity_power) * difficulty).min(config.class_weight_max)
        };
        (0..self.rarity.len()).map(weight).collect()
    }

    pub fn share(&self, behavior: usize) -> f64 {
        self.share[behavior]
    }

    /// Takes in what a step recognised: Σ p·y and Σ (p + y) of every behavior.
    pub fn observe(&mut self, hits: &[f64], mass: &[f64]) {
        for (running, new) in self.hits.iter_mut().zip(hits).chain(self.mass.iter_mut().zip(mass)) {
            *running = RECOGNITION_DECAY * *running + new;
        }
    }
}

/// Positive and labelled cells, summed over ticks, of every behavior.
pub fn counts(sessions: &[Session], behaviors: usize) -> (Vec<u64>, Vec<u64>) {
    let (mut positives, mut labelled) = (vec![0_u64; behaviors], vec![0_u64; behaviors]);
    for session in sessions {
        for (at, truth) in session.truth.iter().enumerate() {
            let behavior = session.cells[at % session.cells.len()].behavior.0 as usize;
            labelled[behavior] += u64::from(session.labelled[at]);
            positives[behavior] += u64::from(session.labelled[at] && truth);
        }
    }
    (positives, labelled)
}

/// History (ticks) at which the extra weight of short histories has halved: two seconds.
const SHORT_HISTORY_TICKS: f64 = 60.0;

/// What a tick weighs by its history, the ticks that the network has seen before it: 1 + gain · 2^(−history / 60). Crops
/// begin as a cage does, with nothing before them; of a crop of 1024 ticks only an eighth would otherwise speak for the
/// first four seconds of every cage.
pub fn short_history_weight(history_ticks: usize, gain: f64) -> f64 {
    1.0 + gain * (-(history_ticks as f64) / SHORT_HISTORY_TICKS).exp2()
}

/// Σ weight · focal(logit, truth); all (B, T, D, N).
pub fn focal(logits: &Tensor, truth: &Tensor, weight: &Tensor, gamma: f64) -> Result<Tensor> {
    let bce = binary_cross_entropy(logits, truth)?;
    let focused = if gamma == 0.0 {
        bce
    } else {
        let missed = (1.0 - bce.neg()?.exp()?)?;
        let missed = if gamma == 1.0 { missed } else { missed.powf(gamma)? };
        (missed * bce)?
    };
    (focused * weight)?.sum_all()
}

/// Σ weight · binary cross-entropy between logits and the probabilities of a teacher; weights of one for each cell.
pub fn retained(logits: &Tensor, teacher: &Tensor, weight: &Tensor) -> Result<Tensor> {
    binary_cross_entropy(logits, teacher)?.broadcast_mul(weight)?.sum_all()
}

/// The focal loss of one cell, without a weight.
pub fn focal_of(logit: f32, truth: bool, gamma: f64) -> f64 {
    let logit = f64::from(logit);
    let bce = logit.max(0.0) - if truth { logit } else { 0.0 } + (-logit.abs()).exp().ln_1p();
    (1.0 - (-bce).exp()).powf(gamma) * bce
}

fn binary_cross_entropy(logits: &Tensor, truth: &Tensor) -> Result<Tensor> {
    let softplus = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    (logits.relu()? - (logits * truth)?)? + softplus
}

/// Flags as 0 and 1.
pub fn indicator(flags: &[bool], shape: &[usize], device: &Device) -> Result<Tensor> {
    let values: Vec<f32> = flags.iter().map(|&flag| f32::from(flag)).collect();
    Tensor::from_vec(values, shape, device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn the_slope_of_the_loss_is_its_difference_quotient() {
        for gamma in [0.0, 1.0, 2.0] {
            let truth = Tensor::new(&[1_f32, 0.0, 1.0, 0.0], &Device::Cpu).unwrap();
            let weight = Tensor::new(&[1_f32, 2.0, 0.5, 0.0], &Device::Cpu).unwrap();
            let start = [0.7_f32, -0.3, -2.0, 5.0];
            let loss = |logits: [f32; 4]| {
                let logits = Var::new(&logits, &Device::Cpu).unwrap();
                let loss = focal(&logits, &truth, &weight, gamma).unwrap();
                let slope = loss.backward().unwrap().get(&logits).unwrap().to_vec1::<f32>().unwrap();
                (loss.to_scalar::<f32>().unwrap(), slope)
            };
            let slope = loss(start).1;
            for at in 0..4 {
                let moved = |by: f32| {
                    let mut logits = start;
                    logits[at] += by;
                    loss(logits).0
                };
                let quotient = (moved(0.01) - moved(-0.01)) / 0.02;
                assert!((quotient - slope[at]).abs() < 1e-3, "γ {gamma}, {at}: {quotient} and {}", slope[at]);
            }
            let (truth, weight) = ([true, false, true, false], [1.0, 2.0, 0.5, 0.0]);
            let singly = (0..4).map(|at| weight[at] * focal_of(start[at], truth[at], gamma)).sum::<f64>();
            assert!((singly - f64::from(loss(start).0)).abs() < 1e-5, "γ {gamma}: cell by cell {singly}");
            assert_eq!(slope[3], 0.0, "an unlabelled cell has no slope");
        }
    }

    #[test]
    fn what_is_retained_pulls_towards_the_teacher_and_rests_on_it() {
        let logits = Var::new(&[[0.0_f32, 2.0], [-1.0, 1.0]], &Device::Cpu).unwrap();
        let p = |z: f32| 1.0 / (1.0 + (-z).exp());
        let teacher = Tensor::new(&[[0.9_f32, p(2.0)], [0.9, p(1.0)]], &Device::Cpu).unwrap();
        let weight = Tensor::new(&[0.5_f32, 3.0], &Device::Cpu).unwrap();
        let store = retained(&logits, &teacher, &weight).unwrap().backward().unwrap();
        let slope = store.get(&logits).unwrap().to_vec2::<f32>().unwrap();
        let expected = [[0.5 * (0.5 - 0.9), 0.0], [0.5 * (p(-1.0) - 0.9), 0.0]];
        for (slope, expected) in slope.concat().iter().zip(expected.as_flattened()) {
            // Rounding of single precision.
            assert!((slope - expected).abs() < 1e-6, "{slope} and {expected}");
        }
    }
}
