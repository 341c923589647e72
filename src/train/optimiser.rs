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
    /// changes nothing, but counts as a step.
    pub fn step(&mut self, mut gradients: Gradients) -> Result<f64> {
        let squared: f64 = gradients.iter().flatten().map(|&g| f64::from(g) * f64::from(g)).sum();
        let norm = squared.sqrt();
        let rate = self.learning_rate() as f32;
        self.steps += 1;
        if !norm.is_finite() {
            return Ok(norm);
        }
        let clip = (self.config.gradient_norm_max / norm.max(1e-12)).min(1.0) as f32;
        let steps = self.steps as i32;
        let (scale_1, scale_2) = (1.0 / (1.0 - BETA_1.powi(steps)), 1.0 / (1.0 - BETA_2.powi(steps)));
        let decay = rate * self.config.weight_decay as f32;
        // Early averages follow quickly: the first weights are random.
        let keep = self.config.ema_decay.min((1.0 + f64::from(self.steps)) / (10.0 + f64::from(self.steps))) as f32;
        for (slot, gradient) in self.weights.iter_mut().zip(&mut gradients) {
            let mut values: Vec<f32> = slot.var.flatten_all()?.to_vec1()?;
            let decay = if slot.var.rank() >= 2 { decay } else { 0.0 };
            for (index, value) in values.iter_mut().enumerate() {
                let g = gradient[index] * clip;
                let (m, v) = (&mut slot.first_moment[index], &mut slot.second_moment[index]);
                *m = BETA_1 * *m + (1.0 - BETA_1) * g;
                *v = BETA_2 * *v + (1.0 - BETA_2) * g * g;
                *value -= decay * *value + rate * (*m * scale_1) / ((*v * scale_2).sqrt() + EPSILON);
                slot.average[index] = keep * slot.average[index] + (1.0 - keep) * *value;
            }
            slot.var.set(&Tensor::from_vec(values, slot.var.shape(), slot.var.device())?)?;
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
