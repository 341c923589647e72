//! AdamW with warm-up, cosine decay, clipping and an exponential moving average of the weights.
//!
//! candle's own AdamW keeps its moments to itself, so a run could not be resumed, and decays norms and biases too.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, Var};

use super::config::OptimiserConfig;
use crate::model::variables::Variables;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.99;
const EPSILON: f32 = 1e-8;

/// Gradients of all variables in the order of their names.
pub type Gradients = Vec<Vec<f32>>;

/// What each variable is given of the learning rate, in the order of their names: one factor for all of it, or one for
/// each of its rows. What has 0 stays as it is.
pub type Factors = Vec<Vec<f32>>;

/// AdamW (Loshchilov & Hutter 2019) over all variables of a network.
#[derive(Debug)]
pub struct Optimiser {
    config: OptimiserConfig,
    steps: u32,
    /// Steps of the whole run.
    steps_total: u32,
    weights: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    var: Var,
    first_moment: Vec<f32>,
    second_moment: Vec<f32>,
    average: Vec<f32>,
}

/// How far a step goes.
#[derive(Clone, Copy)]
struct Stride {
    rate: f32,
    /// Of weights of two and more dimensions.
    decay: f32,
    /// What makes up for moments that began with nothing.
    scale_1: f32,
    scale_2: f32,
    /// What the average keeps.
    keep: f32,
}

impl Stride {
    fn new(rate: f32, weight_decay: f32, steps: i32, keep: f32) -> Self {
        let scale = |beta: f32| 1.0 / (1.0 - beta.powi(steps));
        Self { rate, decay: rate * weight_decay, scale_1: scale(BETA_1), scale_2: scale(BETA_2), keep }
    }
}

impl Slot {
    fn step(&mut self, gradient: &[f32], clip: f32, stride: Stride, factors: &[f32]) -> Result<()> {
        let Stride { rate, decay, scale_1, scale_2, keep } = stride;
        let mut values: Vec<f32> = self.var.flatten_all()?.to_vec1()?;
        let decay = if self.var.rank() >= 2 { decay } else { 0.0 };
        let row = (values.len() / factors.len()).max(1);
        for (index, value) in values.iter_mut().enumerate() {
            let factor = factors[index / row];
            if factor == 0.0 {
                continue;
            }
            let g = gradient[index] * clip;
            let (m, v) = (&mut self.first_moment[index], &mut self.second_moment[index]);
            *m = BETA_1 * *m + (1.0 - BETA_1) * g;
            *v = BETA_2 * *v + (1.0 - BETA_2) * g * g;
            *value -= factor * (decay * *value + rate * (*m * scale_1) / ((*v * scale_2).sqrt() + EPSILON));
            self.average[index] = keep * self.average[index] + (1.0 - keep) * *value;
        }
        self.var.set(&Tensor::from_vec(values, self.var.shape(), self.var.device())?)
    }
}

impl Optimiser {
    pub fn new(variables: &Variables, config: OptimiserConfig, steps_total: u32) -> Result<Self> {
        let slot = |(name, var): (String, Var)| {
            let count = var.elem_count();
            let average = var.flatten_all()?.to_vec1()?;
            Ok(Slot { name, var, first_moment: vec![0.0; count], second_moment: vec![0.0; count], average })
        };
        let weights = variables.all().into_iter().map(slot).collect::<Result<_>>()?;
        Ok(Self { config, steps: 0, steps_total, weights })
    }

    /// Linear warm-up, then half a cosine down to the floor.
    pub fn learning_rate(&self) -> f64 {
        let OptimiserConfig { learning_rate, warmup_steps, floor_share, .. } = self.config;
        let (step, warmup) = (f64::from(self.steps), f64::from(warmup_steps));
        if step < warmup {
            return learning_rate * (step + 1.0) / warmup;
        }
        let progress = ((step - warmup) / (f64::from(self.steps_total) - warmup).max(1.0)).min(1.0);
        let share = floor_share + (1.0 - floor_share) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        learning_rate * share
    }

    /// Takes one step and gives the norm of the gradient before clipping. A gradient that is not finite
    /// changes nothing, but counts as a step. What has a factor of 0 keeps its moments too, and has no part in the norm.
    pub fn step(&mut self, mut gradients: Gradients, factors: &Factors) -> Result<f64> {
        for (gradient, factors) in gradients.iter_mut().zip(factors) {
            let row = gradient.len() / factors.len().max(1);
            for (part, _) in gradient.chunks_mut(row.max(1)).zip(factors).filter(|(_, factor)| **factor == 0.0) {
                part.fill(0.0);
            }
        }
        let squared: f64 = gradients.iter().flatten().map(|&g| f64::from(g) * f64::from(g)).sum();
        let norm = squared.sqrt();
        let rate = self.learning_rate() as f32;
        self.steps += 1;
        if !norm.is_finite() {
            return Ok(norm);
        }
        let clip = (self.config.gradient_norm_max / norm.max(1e-12)).min(1.0) as f32;
        // Early averages follow quickly: the first weights are random.
        let keep = self.config.ema_decay.min((1.0 + f64::from(self.steps)) / (10.0 + f64::from(self.steps))) as f32;
        let stride = Stride::new(rate, self.config.weight_decay as f32, self.steps as i32, keep);
        for ((slot, gradient), factors) in self.weights.iter_mut().zip(&gradients).zip(factors) {
            if factors.iter().any(|factor| *factor != 0.0) {
                slot.step(gradient, clip, stride, factors)?;
            }
        }
        Ok(norm)
    }

    /// The averaged weights: what is validated and shipped.
    pub fn averages(&self) -> Result<HashMap<String, Tensor>> {
        let tensor = |slot: &Slot| Tensor::from_vec(slot.average.clone(), slot.var.shape(), &Device::Cpu);
        self.weights.iter().map(|slot| Ok((slot.name.clone(), tensor(slot)?))).collect()
    }

    /// Weights, moments and averages under prefixed names, for a checkpoint.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>> {
        let mut tensors = HashMap::new();
        for slot in &self.weights {
            let shaped = |values: &[f32]| Tensor::from_slice(values, slot.var.shape(), &Device::Cpu);
            tensors.insert(format!("weight.{}", slot.name), slot.var.as_detached_tensor().copy()?);
            tensors.insert(format!("first.{}", slot.name), shaped(&slot.first_moment)?);
            tensors.insert(format!("second.{}", slot.name), shaped(&slot.second_moment)?);
            tensors.insert(format!("average.{}", slot.name), shaped(&slot.average)?);
        }
        Ok(tensors)
    }

    /// Goes on where [`Optimiser::tensors`] were taken.
    ///
    /// # Errors
    /// A checkpoint of another network.
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>, steps: u32) -> Result<()> {
        for slot in &mut self.weights {
            let values = |prefix: &str| -> Result<Vec<f32>> {
                let path = format!("{prefix}.{}", slot.name);
                let tensor = tensors
                    .get(&path)
                    .ok_or_else(|| candle_core::Error::CannotFindTensor { path: path.clone() }.bt())?
                    .to_dtype(DType::F32)?;
                if tensor.shape() != slot.var.shape() {
                    let (expected, got) = (slot.var.shape().clone(), tensor.shape().clone());
                    return Err(candle_core::Error::UnexpectedShape { msg: path, expected, got }.bt());
                }
                tensor.flatten_all()?.to_vec1()
            };
            let weight = values("weight")?;
            slot.first_moment = values("first")?;
            slot.second_moment = values("second")?;
            slot.average = values("average")?;
            slot.var.set(&Tensor::from_vec(weight, slot.var.shape(), slot.var.device())?)?;
        }
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_nn::Init;

    use super::*;

    const NAMES: [&str; 2] = ["a", "b"];

    fn optimiser() -> (Variables, Optimiser) {
        let variables = Variables::new(1);
        let vb = variables.builder(&Device::Cpu);
        for name in NAMES {
            vb.get_with_hints((2, 3), name, Init::Randn { mean: 0.0, stdev: 1.0 }).unwrap();
        }
        let config = OptimiserConfig { warmup_steps: 1, ..OptimiserConfig::default() };
        let optimiser = Optimiser::new(&variables, config, 10).unwrap();
        (variables, optimiser)
    }

    /// All of a variable's state after three steps with these factors.
    fn after(factors: &Factors, name: &str) -> Vec<Vec<f32>> {
        let (_, mut optimiser) = optimiser();
        for step in 0..3 {
            // Small enough never to be clipped: each row is alone.
            let gradient = |variable: usize| (0..6).map(|at| 0.01 * ((step + variable + at) as f32).sin()).collect();
            optimiser.step((0..2).map(gradient).collect(), factors).unwrap();
        }
        let tensors = optimiser.tensors().unwrap();
        let values = |kind: &&str| tensors[&format!("{kind}.{name}")].flatten_all().unwrap().to_vec1().unwrap();
        ["weight", "first", "second", "average"].iter().map(values).collect()
    }

    #[test]
    fn a_factor_of_nothing_holds_a_variable_or_a_row_still_and_one_of_1_changes_nothing() {
        let whole = after(&vec![vec![1.0], vec![1.0]], "a");
        let (variables, _) = optimiser();
        let start: Vec<f32> = variables.tensors().unwrap()["a"].flatten_all().unwrap().to_vec1().unwrap();
        assert!(whole[0].iter().zip(&start).all(|(now, before)| now != before));
        let still = [start.clone(), vec![0.0; 6], vec![0.0; 6], start.clone()];
        assert_eq!(after(&vec![vec![0.0], vec![1.0]], "a"), still, "no decay and no moments either");
        // By rows: the first as if all moved, the second as if none did.
        let half = after(&vec![vec![1.0, 0.0], vec![1.0]], "a");
        for (half, (whole, still)) in half.iter().zip(whole.iter().zip(&still)) {
            assert_eq!((&half[..3], &half[3..]), (&whole[..3], &still[3..]));
        }
    }

    #[test]
    fn what_stands_still_has_no_part_in_the_norm() {
        let (_, mut optimiser) = optimiser();
        let norm = optimiser.step(vec![vec![3.0; 6], vec![1e30; 6]], &vec![vec![1.0, 0.0], vec![0.0]]).unwrap();
        assert!((norm - 27.0_f64.sqrt()).abs() < 1e-6, "{norm}");
    }
}
