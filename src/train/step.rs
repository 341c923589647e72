//! One training step: crops, their loss, and the sum of the gradients of all threads.

use std::collections::BTreeMap;

use anyhow::Context;
use candle_core::Var;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::ThreadPool;

use super::config::TrainConfig;
use super::crops::{self, Crop, Sampler, targets};
use super::loss::{ClassWeights, focal, indicator, short_history_weight};
use super::optimiser::Gradients;
use crate::behavior::{Cell, Ethogram};
use crate::corpus::session::Session;
use crate::model::device::{device, one_thread_pool};
use crate::model::inputs::InputsBuilder;
use crate::model::network::Network;
use crate::model::noise::Noise;
use crate::model::ops::kernels::sigmoid;
use crate::model::variables::Variables;
use crate::model::wiring::{Vocabulary, Wiring};
use crate::skeleton::Skeleton;

/// What training steps share.
pub struct Stepper<'a> {
    pub config: &'a TrainConfig,
    pub sessions: &'a [Session],
    pub ethogram: &'a Ethogram,
    pub network: Network,
    sampler: Sampler,
    /// The forms that the training sessions have, and which of them each has.
    forms: Vec<Form<'a>>,
    form_of: Vec<usize>,
    vars: Vec<(String, Var)>,
    pools: Vec<ThreadPool>,
}

/// What crops must have in common to go through the network together.
struct Form<'a> {
    skeleton: &'a Skeleton,
    cells: &'a [Cell],
    wiring: Wiring,
}

/// What one thread found out.
struct Part {
    loss: f64,
    gradients: Gradients,
    /// Σ p·y and Σ (p + y) by behavior.
    hits: Vec<f64>,
    mass: Vec<f64>,
}

impl Part {
    fn add(&mut self, more: Self) {
        self.loss += more.loss;
        for (sum, more) in self.gradients.iter_mut().flatten().zip(more.gradients.iter().flatten()) {
            *sum += more;
        }
        for (sum, more) in self.hits.iter_mut().zip(more.hits).chain(self.mass.iter_mut().zip(more.mass)) {
            *sum += more;
        }
    }
}

impl<'a> Stepper<'a> {
    pub fn new(
        config: &'a TrainConfig,
        sessions: &'a [Session],
        ethogram: &'a Ethogram,
        vocabulary: &Vocabulary,
        variables: &Variables,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(!sessions.is_empty(), "expected at least one training recording, got none");
        let mut forms: Vec<Form> = Vec::new();
        let mut form_of = Vec::with_capacity(sessions.len());
        for session in sessions {
            let Session { skeleton, cells, individuals, .. } = session;
            let same = |form: &Form| {
                form.skeleton == skeleton && form.wiring.individuals == *individuals && form.cells == *cells
            };
            if let Some(known) = forms.iter().position(same) {
                form_of.push(known);
                continue;
            }
            let parts = vocabulary.indices(skeleton)?;
            let wiring = Wiring::of_cells(skeleton, parts, *individuals, ethogram, cells, &device())?;
            form_of.push(forms.len());
            forms.push(Form { skeleton, cells, wiring });
        }
        let vb = variables.builder(&device());
        let delays = config.delays_ticks.len();
        let network = Network::new(&config.architecture, vocabulary.0.len(), ethogram, delays, &vb)?;
        let threads = config.schedule.threads.min(config.schedule.crops_per_step);
        Ok(Self {
            sampler: Sampler::new(sessions, &config.schedule)?,
            forms,
            form_of,
            vars: variables.all(),
            pools: (0..threads).map(|_| one_thread_pool("train")).collect::<Result<_, _>>()?,
            config,
            sessions,
            ethogram,
            network,
        })
    }

    /// Loss and gradients of step `step`; the same seed and step give the same.
    pub fn gradients(&self, step: u32, class_weights: &mut ClassWeights) -> anyhow::Result<(f64, Gradients)> {
        let mut rng = StdRng::seed_from_u64(self.config.schedule.seed.wrapping_mul(0x9e37_79b9) ^ u64::from(step));
        let crops: Vec<Crop> = (0..self.config.schedule.crops_per_step).map(|_| self.sampler.draw(&mut rng)).collect();
        let weights = self.weights(&crops, class_weights);
        let share = crops.len().div_ceil(self.pools.len());
        let parts: Vec<anyhow::Result<Part>> = std::thread::scope(|scope| {
            let weights = &weights;
            let handles: Vec<_> = crops
                .chunks(share)
                .zip(&self.pools)
                .map(|(crops, pool)| scope.spawn(move || pool.install(|| self.part(crops, weights))))
                .collect();
            handles
                .into_iter()
                .map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut sum: Option<Part> = None;
        for part in parts {
            let part = part?;
            match &mut sum {
                None => sum = Some(part),
                Some(sum) => sum.add(part),
            }
        }
        let Part { loss, gradients, hits, mass } = sum.context("a step without crops")?;
        if hits.iter().chain(&mass).all(|sum: &f64| sum.is_finite()) {
            class_weights.observe(&hits, &mass);
        }
        Ok((loss, gradients))
    }

    /// By behavior, the weight of a negative and of a positive cell in this step.
    fn weights(&self, crops: &[Crop], class_weights: &ClassWeights) -> Vec<(f32, f32)> {
        let positive = class_weights.of_positives(&self.config.loss);
        let ticks = self.config.schedule.crop_ticks as usize;
        let mut labelled = vec![0_u64; positive.len()];
        for crop in crops {
            let session = &self.sessions[crop.session];
            let cells = session.cells.len();
            for at in crop.first * cells..(crop.first + ticks) * cells {
                labelled[session.cells[at % cells].behavior.0 as usize] += u64::from(session.labelled[at]);
            }
        }
        let delays = self.config.delays_ticks.len() as f64;
        let weight = |(behavior, positive): (usize, f64)| {
            let negative = class_weights.share(behavior) / (labelled[behavior].max(1) as f64 * delays);
            (negative as f32, (negative * positive) as f32)
        };
        positive.into_iter().enumerate().map(weight).collect()
    }

    /// Goes through the crops of one thread, those of one form together.
    fn part(&self, crops: &[Crop], weights: &[(f32, f32)]) -> anyhow::Result<Part> {
        let mut by_form: BTreeMap<usize, Vec<Crop>> = BTreeMap::new();
        for &crop in crops {
            by_form.entry(self.form_of[crop.session]).or_default().push(crop);
        }
        let mut sum: Option<Part> = None;
        for (form, crops) in by_form {
            let more = self.of_form(&self.forms[form], &crops, weights)?;
            match &mut sum {
                None => sum = Some(more),
                Some(sum) => sum.add(more),
            }
        }
        sum.context("a thread without crops")
    }

    fn of_form(&self, form: &Form, crops: &[Crop], weights: &[(f32, f32)]) -> anyhow::Result<Part> {
        let ticks = self.config.schedule.crop_ticks as usize;
        let delays = &self.config.delays_ticks;
        let mut inputs = InputsBuilder::new(form.wiring.individuals, form.wiring.keypoints);
        let (mut truth, mut labelled) = (Vec::new(), Vec::new());
        for crop in crops {
            let session = &self.sessions[crop.session];
            let change = Some((&self.config.augmentation, crop.augmentation_seed));
            crops::inputs(session, crop.first, ticks, change, &mut inputs);
            let (crop_truth, crop_labelled) = targets(session, crop.first, ticks, delays);
            truth.extend(crop_truth);
            labelled.extend(crop_labelled);
        }
        let inputs = inputs.finish(crops.len(), ticks, &device())?;
        let noise_seed = crops.iter().fold(0_u64, |seed, crop| seed.rotate_left(7) ^ crop.augmentation_seed);
        let noise = Noise::new(self.config.optimiser.drop_rate, noise_seed);
        let logits = self.network.forward(&inputs, &form.wiring, Some(&noise))?;
        let shape = logits.dims().to_vec();
        let behaviors: Vec<usize> = form.cells.iter().map(|cell| cell.behavior.0 as usize).collect();
        let row = delays.len() * behaviors.len();
        let gain = self.config.loss.short_history_gain;
        let by_history: Vec<f32> = (0..ticks).map(|tick| short_history_weight(tick, gain) as f32).collect();
        let weight_of = |at: usize| {
            let (negative, positive) = weights[behaviors[at % behaviors.len()]];
            let of_class = if truth[at] { positive } else { negative };
            if labelled[at] { of_class * by_history[at / row % ticks] } else { 0.0 }
        };
        let weight: Vec<f32> = (0..truth.len()).map(weight_of).collect();
        let weight = candle_core::Tensor::from_vec(weight, &shape[..], &device())?;
        let loss = focal(&logits, &indicator(&truth, &shape, &device())?, &weight, self.config.loss.focal_gamma)?;
        let store = loss.backward()?;
        let mut gradients = Gradients::with_capacity(self.vars.len());
        for (name, var) in &self.vars {
            let gradient = store.get(var).with_context(|| format!("{name} received no gradient"))?;
            gradients.push(gradient.flatten_all()?.to_vec1()?);
        }
        let (mut hits, mut mass) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
        for (at, logit) in logits.flatten_all()?.to_vec1::<f32>()?.into_iter().enumerate() {
            if labelled[at] {
                let (p, y) = (f64::from(sigmoid(logit)), f64::from(u8::from(truth[at])));
                hits[behaviors[at % behaviors.len()]] += p * y;
                mass[behaviors[at % behaviors.len()]] += p + y;
            }
        }
        Ok(Part { loss: f64::from(loss.to_scalar::<f32>()?), gradients, hits, mass })
    }
}

#[cfg(test)]
mod tests;
