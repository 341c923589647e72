//! One training step: crops, their loss, and the sum of the gradients of all threads.

use anyhow::Context;
use candle_core::Var;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::ThreadPool;

use super::config::TrainConfig;
use super::loss::{ClassWeights, focal, indicator, short_history_weight};
use super::optimiser::Gradients;
use super::sessions::{Crop, Sampler, Session, targets};
use crate::behavior::Ethogram;
use crate::model::device::{device, one_thread_pool};
use crate::model::inputs::InputsBuilder;
use crate::model::network::Network;
use crate::model::noise::Noise;
use crate::model::ops::kernels::sigmoid;
use crate::model::variables::Variables;
use crate::model::wiring::{Vocabulary, Wiring};

/// What training steps share.
pub struct Stepper<'a> {
    pub config: &'a TrainConfig,
    pub sessions: &'a [Session],
    pub ethogram: &'a Ethogram,
    pub network: Network,
    sampler: Sampler,
    /// All training sessions are of one skeleton and count of animals.
    wiring: Wiring,
    vars: Vec<(String, Var)>,
    pools: Vec<ThreadPool>,
}

/// What one thread found out.
struct Part {
    loss: f64,
    gradients: Gradients,
    /// Σ p·y and Σ (p + y) by behavior.
    hits: Vec<f64>,
    mass: Vec<f64>,
}

impl<'a> Stepper<'a> {
    pub fn new(
        config: &'a TrainConfig,
        sessions: &'a [Session],
        ethogram: &'a Ethogram,
        vocabulary: &Vocabulary,
        variables: &Variables,
    ) -> anyhow::Result<Self> {
        let first = sessions.first().context("expected at least one training recording, got none")?;
        for session in sessions {
            anyhow::ensure!(
                session.skeleton == first.skeleton && session.individuals == first.individuals,
                "{}: expected {} animals of skeleton {:?} as in {}, got {} of {:?}",
                session.name,
                first.individuals,
                first.skeleton.name(),
                first.name,
                session.individuals,
                session.skeleton.name(),
            );
        }
        let parts = vocabulary.indices(&first.skeleton)?;
        let vb = variables.builder(&device());
        let delays = config.delays_ticks.len();
        let network = Network::new(&config.architecture, vocabulary.0.len(), ethogram, delays, &vb)?;
        let threads = config.schedule.threads.min(config.schedule.crops_per_step);
        Ok(Self {
            sampler: Sampler::new(sessions, &config.schedule)?,
            wiring: Wiring::new(&first.skeleton, parts, first.individuals, ethogram, &device())?,
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
        let mut loss = 0.0;
        let behaviors = self.ethogram.behavior_count();
        let (mut hits, mut mass) = (vec![0.0; behaviors], vec![0.0; behaviors]);
        let mut sum: Option<Gradients> = None;
        for part in parts {
            let part = part?;
            loss += part.loss;
            for (sum, more) in hits.iter_mut().zip(part.hits).chain(mass.iter_mut().zip(part.mass)) {
                *sum += more;
            }
            match &mut sum {
                None => sum = Some(part.gradients),
                Some(sum) => {
                    for (sum, more) in sum.iter_mut().flatten().zip(part.gradients.iter().flatten()) {
                        *sum += more;
                    }
                }
            }
        }
        if hits.iter().chain(&mass).all(|sum: &f64| sum.is_finite()) {
            class_weights.observe(&hits, &mass);
        }
        Ok((loss, sum.unwrap_or_default()))
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

    fn part(&self, crops: &[Crop], weights: &[(f32, f32)]) -> anyhow::Result<Part> {
        let ticks = self.config.schedule.crop_ticks as usize;
        let delays = &self.config.delays_ticks;
        let mut inputs = InputsBuilder::new(self.wiring.individuals, self.wiring.keypoints);
        let (mut truth, mut labelled) = (Vec::new(), Vec::new());
        for crop in crops {
            let session = &self.sessions[crop.session];
            let change = Some((&self.config.augmentation, crop.augmentation_seed));
            session.inputs(crop.first, ticks, change, &mut inputs);
            let (crop_truth, crop_labelled) = targets(session, crop.first, ticks, delays);
            truth.extend(crop_truth);
            labelled.extend(crop_labelled);
        }
        let inputs = inputs.finish(crops.len(), ticks, &device())?;
        let noise_seed = crops.iter().fold(0_u64, |seed, crop| seed.rotate_left(7) ^ crop.augmentation_seed);
        let noise = Noise::new(self.config.optimiser.drop_rate, noise_seed);
        let logits = self.network.forward(&inputs, &self.wiring, Some(&noise))?;
        let shape = logits.dims().to_vec();
        let behaviors: Vec<usize> =
            self.sessions[crops[0].session].cells.iter().map(|cell| cell.behavior.0 as usize).collect();
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
