//! One training step: crops, their loss, and the sum of the gradients of all threads.

use anyhow::Context;
use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::ThreadPool;

use super::config::TrainConfig;
use super::crops::{Crop, targets};
use super::hard::{BinLoss, HardBins};
use super::loss::{ClassWeights, focal, focal_of, indicator, short_history_weight};
use super::optimiser::Gradients;
use super::sampler::Sampler;
use super::standard::Standard;
use crate::behavior::{Behavior, Cell, Ethogram};
use crate::corpus::session::Session;
use crate::model::device::{device, one_thread_pool};
use crate::model::inputs::{Inputs, InputsBuilder};
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
    /// The network as it was at its beginning, with fixed weights; of a training that must not forget.
    teacher: Option<Network>,
    /// A keypoint of lower confidence counts as missing.
    confidence_min: f32,
    standard: Standard,
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
    /// Of these cells, then of those that are retained.
    wiring: Wiring,
    retained: Option<Retained>,
}

/// Cells of the teacher's behaviors that nobody looked for in the sessions of a form.
struct Retained {
    wiring: Wiring,
    /// (N) what a tick of each weighs in the loss of a step, at each delay.
    weight: Tensor,
}

/// What one thread found out.
struct Part {
    loss: f64,
    gradients: Gradients,
    /// Σ p·y and Σ (p + y) by behavior.
    hits: Vec<f64>,
    mass: Vec<f64>,
    /// By crop, in the order of the step.
    losses: Vec<BinLoss>,
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
        self.losses.extend(more.losses);
    }
}

impl<'a> Stepper<'a> {
    pub fn new(
        config: &'a TrainConfig,
        sessions: &'a [Session],
        ethogram: &'a Ethogram,
        vocabulary: &Vocabulary,
        variables: &Variables,
        confidence_min: f32,
        standard: Standard,
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
            forms.push(Form { skeleton, cells, wiring, retained: None });
        }
        let vb = variables.builder(&device());
        let delays = config.delays_ticks.len();
        let network = Network::new(&config.architecture, vocabulary.0.len(), ethogram, delays, &vb)?;
        let threads = config.schedule.threads.min(config.schedule.crops_per_step);
        Ok(Self {
            sampler: Sampler::new(sessions, ethogram, &config.schedule)?,
            forms,
            form_of,
            vars: variables.all(),
            pools: (0..threads).map(|_| one_thread_pool("train")).collect::<Result<_, _>>()?,
            config,
            sessions,
            ethogram,
            network,
            teacher: None,
            confidence_min,
            standard,
        })
    }

    /// From here on holds the network to what it says now, with these variables, about those of the behaviors `known` that
    /// nobody looked for in a session, of any animal; see [`super::loss`]. Where somebody looked for a behavior, their
    /// labels say what it is.
    ///
    /// # Errors
    /// candle's own.
    pub fn retain(&mut self, known: &[Behavior], vocabulary: &Vocabulary, variables: &Variables) -> anyhow::Result<()> {
        let TrainConfig { adaptation, architecture, schedule, .. } = self.config;
        if adaptation.retention == 0.0 {
            return Ok(());
        }
        let (ethogram, delays) = (self.ethogram, self.config.delays_ticks.len());
        let of_step = f64::from(schedule.crop_ticks) * delays as f64 * f64::from(schedule.crops_per_step);
        for form in &mut self.forms {
            let is_labelled = |behavior: Behavior| form.cells.iter().any(|cell| cell.behavior == behavior);
            let mut kept = ethogram.cells(form.wiring.individuals);
            kept.retain(|cell| known.contains(&cell.behavior) && !is_labelled(cell.behavior));
            if kept.is_empty() {
                continue;
            }
            let weight: Vec<f32> = shares_by_set(&kept, ethogram)
                .into_iter()
                .map(|share| (adaptation.retention * share / of_step) as f32)
                .collect();
            let wiring = |cells: &[Cell]| -> anyhow::Result<Wiring> {
                let parts = vocabulary.indices(form.skeleton)?;
                let individuals = form.wiring.individuals;
                Ok(Wiring::of_cells(form.skeleton, parts, individuals, ethogram, cells, &device())?)
            };
            let all = wiring(&[form.cells, &kept].concat())?;
            form.retained =
                Some(Retained { wiring: wiring(&kept)?, weight: Tensor::from_vec(weight, kept.len(), &device())? });
            form.wiring = all;
        }
        let vb = VarBuilder::from_tensors(variables.tensors()?, DType::F32, &device());
        self.teacher = Some(Network::new(architecture, vocabulary.0.len(), ethogram, delays, &vb)?);
        Ok(())
    }

    /// Loss and gradients of step `step`; the same seed, step and state of the run give the same.
    pub fn gradients(
        &self,
        step: u32,
        class_weights: &mut ClassWeights,
        hard: &mut HardBins,
    ) -> anyhow::Result<(f64, Gradients)> {
        let mut rng = StdRng::seed_from_u64(self.config.schedule.seed.wrapping_mul(0x9e37_79b9) ^ u64::from(step));
        let draw = |_| self.sampler.draw(hard, step, &mut rng);
        let crops: Vec<Crop> = (0..self.config.schedule.crops_per_step).map(draw).collect();
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
        let Part { loss, gradients, hits, mass, losses } = sum.context("a step without crops")?;
        if hits.iter().chain(&mass).all(|sum: &f64| sum.is_finite()) {
            class_weights.observe(&hits, &mass);
        }
        if self.config.schedule.hard_share > 0.0 {
            hard.observe(step, losses);
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
            for tick in crop.sources(session, ticks, &self.config.augmentation) {
                for (at, cell) in (tick * session.cells.len()..).zip(&session.cells) {
                    labelled[cell.behavior.0 as usize] += u64::from(session.labelled[at]);
                }
            }
        }
        let delays = self.config.delays_ticks.len() as f64;
        let weight = |(behavior, positive): (usize, f64)| {
            let negative = class_weights.share(behavior) / (labelled[behavior].max(1) as f64 * delays);
            (negative as f32, (negative * positive) as f32)
        };
        positive.into_iter().enumerate().map(weight).collect()
    }

    /// Goes through the crops of one thread, one by one: what a layer makes of a single crop stays in the cache for the
    /// next.
    fn part(&self, crops: &[Crop], weights: &[(f32, f32)]) -> anyhow::Result<Part> {
        let mut sum: Option<Part> = None;
        for &crop in crops {
            let more = self.of_crop(crop, weights)?;
            match &mut sum {
                None => sum = Some(more),
                Some(sum) => sum.add(more),
            }
        }
        sum.context("a thread without crops")
    }

    fn of_crop(&self, crop: Crop, weights: &[(f32, f32)]) -> anyhow::Result<Part> {
        let ticks = self.config.schedule.crop_ticks as usize;
        let (delays, how) = (&self.config.delays_ticks, &self.config.augmentation);
        let (session, form) = (&self.sessions[crop.session], &self.forms[self.form_of[crop.session]]);
        let mut inputs = InputsBuilder::new(form.wiring.individuals, form.wiring.keypoints);
        let has_statistics = self.config.architecture.has_statistics();
        crop.inputs(session, ticks, self.confidence_min, how, has_statistics, &mut inputs)?;
        let sources = crop.sources(session, ticks, how);
        let (truth, labelled) = targets(session, &sources, delays);
        let inputs = self.standard.apply(inputs.finish(1, ticks, &device())?)?;
        let noise = Noise::new(self.config.optimiser.drop_rate, crop.augmentation_seed);
        let all = self.network.forward(&inputs, &form.wiring, Some(&noise))?;
        let logits = all.narrow(3, 0, form.cells.len())?;
        let shape = logits.dims().to_vec();
        let behaviors: Vec<usize> = form.cells.iter().map(|cell| cell.behavior.0 as usize).collect();
        let row = delays.len() * behaviors.len();
        let (gain, gamma) = (self.config.loss.short_history_gain, self.config.loss.focal_gamma);
        let by_history: Vec<f32> = (0..ticks).map(|tick| short_history_weight(tick, gain) as f32).collect();
        let weight_of = |at: usize| {
            let (negative, positive) = weights[behaviors[at % behaviors.len()]];
            let of_class = if truth[at] { positive } else { negative };
            if labelled[at] { of_class * by_history[at / row % ticks] } else { 0.0 }
        };
        let weight: Vec<f32> = (0..truth.len()).map(weight_of).collect();
        let weight = Tensor::from_vec(weight, &shape[..], &device())?;
        let mut loss = focal(&logits, &indicator(&truth, &shape, &device())?, &weight, gamma)?;
        if let (Some(teacher), Some(retained)) = (&self.teacher, &form.retained) {
            loss = (loss + loss_of_retained(teacher, retained, &inputs, &all)?)?;
        }
        let store = loss.backward()?;
        let mut gradients = Gradients::with_capacity(self.vars.len());
        for (name, var) in &self.vars {
            let gradient = store.get(var).with_context(|| format!("{name} received no gradient"))?;
            gradients.push(gradient.flatten_all()?.to_vec1()?);
        }
        let (mut hits, mut mass) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
        let mut losses = Vec::new();
        for (at, logit) in logits.flatten_all()?.to_vec1::<f32>()?.into_iter().enumerate() {
            if labelled[at] {
                // The tick that the cell is about; what is labelled has one.
                let about = sources[at / row - delays[at % row / behaviors.len()].0 as usize];
                BinLoss::gather(&mut losses, (crop.session, about), focal_of(logit, truth[at], gamma));
                let (p, y) = (f64::from(sigmoid(logit)), f64::from(u8::from(truth[at])));
                hits[behaviors[at % behaviors.len()]] += p * y;
                mass[behaviors[at % behaviors.len()]] += p + y;
            }
        }
        Ok(Part { loss: f64::from(loss.to_scalar::<f32>()?), gradients, hits, mass, losses })
    }
}

/// What the network, whose last cells in `logits` are the retained ones, says otherwise than its teacher.
fn loss_of_retained(
    teacher: &Network,
    retained: &Retained,
    inputs: &Inputs,
    logits: &Tensor,
) -> candle_core::Result<Tensor> {
    let count = retained.weight.dim(0)?;
    let said = teacher.forward(inputs, &retained.wiring, None)?.detach();
    let logits = logits.narrow(3, logits.dim(3)? - count, count)?;
    super::loss::retained(&logits, &candle_nn::ops::sigmoid(&said)?, &retained.weight)
}

/// What each cell weighs: all of a label set as much as all of any other, 1 in all.
fn shares_by_set(cells: &[Cell], ethogram: &Ethogram) -> Vec<f64> {
    let sets: Vec<usize> = cells.iter().map(|cell| ethogram.label_set_of(cell.behavior)).collect();
    let count = |set: usize| sets.iter().filter(|other| **other == set).count() as f64;
    let distinct: f64 = sets.iter().map(|&set| 1.0 / count(set)).sum();
    sets.iter().map(|&set| 1.0 / (count(set) * distinct)).collect()
}

#[cfg(test)]
mod tests;
