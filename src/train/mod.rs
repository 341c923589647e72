//! Training: annotated recordings to a model directory. Nothing else depends on this module.

pub mod adaptation;
pub mod augment;
pub mod boosting;
pub mod checkpoint;
pub mod config;
pub mod crops;
pub mod finish;
pub mod fit;
pub mod hard;
pub mod label_curve;
pub mod loss;
pub mod optimiser;
pub mod profile;
pub mod report;
pub mod rules;
pub mod sampler;
#[cfg(test)]
pub(crate) mod samples;
pub mod standard;
pub mod start;

pub mod step;
pub mod validate;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use candle_core::Tensor;
use indicatif::{ProgressBar, ProgressStyle};

use self::adaptation::pace::Pace;
use self::checkpoint::{Checkpoint, EpochLog, RunState};
use self::config::TrainConfig;
use self::finish::Learned;
use self::hard::HardBins;
use self::loss::ClassWeights;
use self::optimiser::Optimiser;
use self::standard::Standard;
use self::start::{Donor, Outline};
use self::step::Stepper;
use self::validate::{Answering, Quality};
use crate::behavior::Ethogram;
use crate::corpus::session::Session;
use crate::features;
use crate::model::budget::Budget;
use crate::model::device::device;
use crate::model::variables::Variables;
use crate::model::weights::Weights;
use crate::model::wiring::{HeadCounts, Vocabulary};
use crate::stream::StreamDefaults;
use crate::time::WINDOW_TICKS;

/// What a training starts from.
#[derive(Debug)]
pub struct Material {
    pub train: Vec<Session>,
    pub validation: Vec<Session>,
    pub ethogram: Ethogram,
    /// Name of the corpus, and where it comes from.
    pub corpus: String,
    pub source: String,
    pub defaults: StreamDefaults,
    pub confidence_min: f32,
    /// The model to start from, instead of random weights; see [`Material::start_from`].
    pub donor: Option<Donor>,
}

impl Material {
    /// Every body part that occurs, those of the default skeleton first; after those of the model to start from.
    fn vocabulary(&self) -> Vocabulary {
        let sessions = self.train.iter().chain(&self.validation);
        let all = std::iter::once(&self.defaults.skeleton).chain(sessions.map(|session| &session.skeleton));
        let all = all.flat_map(crate::skeleton::Skeleton::keypoints);
        if let Some(donor) = &self.donor {
            return start::vocabulary(&donor.card.vocabulary, all);
        }
        let mut parts: Vec<String> = Vec::new();
        for part in all {
            if !parts.contains(part) {
                parts.push(part.clone());
            }
        }
        Vocabulary(parts)
    }
}

/// Trains until the schedule ends or `stop` is set; either way a usable model lies in `out` afterwards, with
/// thresholds from validation, and a checkpoint to resume from.
pub fn train(
    material: &Material,
    config: &TrainConfig,
    out: &Path,
    resume: bool,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    anyhow::ensure!(!material.validation.is_empty(), "expected at least one validation recording, got none");
    if !config.architecture.is_network() {
        return boosting::train(material, config, out, stop);
    }
    let mut run = Run::start(material, config, out, resume)?;
    let epochs = config.stop_after_epochs.map_or(config.schedule.epochs, |stop| stop.min(config.schedule.epochs));
    while run.state.epochs_done < epochs && !stop.load(Ordering::Relaxed) && !run.has_stalled() {
        run.epoch(stop)?;
    }
    run.finish()
}

struct Run<'a> {
    material: &'a Material,
    config: &'a TrainConfig,
    out: &'a Path,
    vocabulary: Vocabulary,
    standard: Standard,
    stepper: Stepper<'a>,
    optimiser: Optimiser,
    pace: Pace,
    checkpoint: Checkpoint,
    state: RunState,
    best: HashMap<String, Tensor>,
}

impl<'a> Run<'a> {
    fn start(material: &'a Material, config: &'a TrainConfig, out: &'a Path, resume: bool) -> anyhow::Result<Self> {
        let vocabulary = material.vocabulary();
        let variables = Variables::new(config.schedule.seed);
        let (sessions, ethogram) = (&material.train, &material.ethogram);
        let confidence_min = material.confidence_min;
        let standard = Standard::measure(sessions, &config.architecture)?;
        let mut stepper =
            Stepper::new(config, sessions, ethogram, &vocabulary, &variables, confidence_min, standard.clone())?;
        let pace = match &material.donor {
            None => Pace::even(&variables),
            Some(donor) => {
                let outline = Outline { vocabulary: &vocabulary, ethogram, delays: &config.delays_ticks };
                let log_odds = start::log_odds(sessions, ethogram);
                say_adopted(start::adopt(&variables, outline, donor, &log_odds)?, config);
                standard.unfold(&variables)?;
                // After this the weights may come from a checkpoint; what is kept is what the model said at its beginning.
                stepper.retain(&donor.behaviors(ethogram), &vocabulary, &variables)?;
                Pace::of(&variables, donor.card.vocabulary.0.len(), config)
            }
        };
        let steps_total = config.schedule.epochs * config.schedule.steps_per_epoch;
        let mut optimiser = Optimiser::new(&variables, config.optimiser.clone(), steps_total)?;
        say_budget(material, config);
        let checkpoint = Checkpoint::of(out);
        let fingerprint = fingerprint(material, config)?;
        let (state, best) = if resume {
            checkpoint.load(&mut optimiser, &fingerprint)?
        } else {
            let class_weights = ClassWeights::new(&material.train, &material.ethogram);
            let state = RunState {
                fingerprint,
                epochs_done: 0,
                steps_done: 0,
                class_weights,
                hard: HardBins::default(),
                best_epoch: 0,
                // Under any F1, and unlike −∞ a number in JSON.
                best_score: -1.0,
                epochs: Vec::new(),
            };
            (state, standard.fold(optimiser.averages()?)?)
        };
        Ok(Self { material, config, out, vocabulary, standard, stepper, optimiser, pace, checkpoint, state, best })
    }

    /// Whether the score has not got better for as long as the schedule waits.
    fn has_stalled(&self) -> bool {
        let patience = self.config.schedule.patience_epochs;
        let stalled = patience > 0 && self.state.epochs_done >= self.state.best_epoch.saturating_add(patience);
        if stalled {
            println!("no better score for {patience} epochs: stopping");
        }
        stalled
    }

    /// Trains an epoch (or the part of it before `stop`), validates and writes a checkpoint.
    fn epoch(&mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let schedule = &self.config.schedule;
        let epoch = self.state.epochs_done + 1;
        let style = ProgressStyle::with_template("epoch {prefix} {bar:30} {pos}/{len} {elapsed} {msg}")
            .context("a fixed template")?;
        let bar = ProgressBar::new(u64::from(schedule.steps_per_epoch)).with_style(style);
        bar.set_prefix(format!("{epoch}/{}", schedule.epochs));
        let started = std::time::Instant::now();
        let (mut sum, mut norms, mut steps) = (0.0, 0.0, 0);
        while self.state.steps_done < epoch * schedule.steps_per_epoch && !stop.load(Ordering::Relaxed) {
            bar.set_position(u64::from(self.state.steps_done % schedule.steps_per_epoch));
            let RunState { steps_done, class_weights, hard, .. } = &mut self.state;
            let (loss, gradients) = self.stepper.gradients(*steps_done, class_weights, hard)?;
            let norm = self.optimiser.step(gradients, &self.pace.factors(self.state.steps_done))?;
            self.state.steps_done += 1;
            sum += loss;
            norms += norm;
            steps += 1;
            bar.set_message(format!("loss {:.4} gradient {norm:.2}", sum / f64::from(steps)));
        }
        let complete = self.state.steps_done == epoch * schedule.steps_per_epoch;
        bar.finish_and_clear();
        let trained_secs = started.elapsed().as_secs_f64();
        if !complete {
            // A run that was never interrupted does not validate here: what follows must not reach the checkpoint.
            self.checkpoint.save(&self.state, &self.optimiser, &self.best)?;
        }
        let averages = self.standard.fold(self.optimiser.averages()?)?;
        let Quality { mean: score, by_delay } = self.validate(&averages)?;
        let mean = |sum: f64| sum / f64::from(steps.max(1));
        let log = EpochLog {
            number: epoch,
            loss: mean(sum),
            gradient_norm: mean(norms),
            learning_rate: self.optimiser.learning_rate(),
            validation_f1: by_delay.clone(),
        };
        if score > self.state.best_score {
            (self.state.best_score, self.state.best_epoch) = (score, epoch);
            self.best = averages;
        }
        if complete {
            self.state.epochs_done = epoch;
            self.state.epochs.push(log);
            self.checkpoint.save(&self.state, &self.optimiser, &self.best)?;
        }
        let by_delay: Vec<String> = by_delay.iter().map(|score| format!("{score:.3}")).collect();
        println!(
            "epoch {epoch:>3}  loss {:.4}  rate {:.1e}  validation F1 {score:.4} (by delay {})  best {:.4} (epoch {})  {trained_secs:.0} s ({:.0} µs a tick) + {:.0} s",
            sum / f64::from(steps.max(1)),
            self.optimiser.learning_rate(),
            by_delay.join(" "),
            self.state.best_score,
            self.state.best_epoch,
            trained_secs * 1e6 / (f64::from(steps.max(1)) * ticks_per_step(schedule)),
            started.elapsed().as_secs_f64() - trained_secs,
        );
        Ok(())
    }

    /// See [`validate::Quality`].
    fn validate(&self, weights: &HashMap<String, Tensor>) -> anyhow::Result<Quality> {
        let Material { validation, ethogram, .. } = self.material;
        let (blueprint, delays) = (&self.config.architecture, &self.config.delays_ticks);
        let weights = Weights::from(weights.clone());
        let system = weights.system(blueprint, self.vocabulary.0.len(), ethogram, delays.len(), &device())?;
        let answering = Answering {
            system: system.as_ref(),
            has_statistics: blueprint.has_statistics(),
            vocabulary: &self.vocabulary,
            ethogram,
            delays,
        };
        let scores = validate::scores(answering, validation, self.config.schedule.threads as usize)?;
        Ok(Quality::of(validation, &scores, ethogram, delays))
    }

    /// Fits the decoding rules and writes the model.
    fn finish(self) -> anyhow::Result<()> {
        let RunState { epochs, best_epoch, .. } = self.state;
        let (weights, vocabulary) = (self.best.into(), self.vocabulary);
        let learned = Learned { weights, epochs, best_epoch, vocabulary, trained: Vec::new() };
        finish::finish(self.material, self.config, self.out, learned)
    }
}

/// Ticks of a cage that a step looks at.
fn ticks_per_step(schedule: &config::Schedule) -> f64 {
    f64::from(schedule.crops_per_step) * f64::from(schedule.crop_ticks)
}

/// Says what of another model a training begins with, and how it goes on from there.
fn say_adopted(adopted: start::Adopted, config: &TrainConfig) {
    let start::Adopted { variables, of, parts, of_parts, behaviors, of_behaviors } = adopted;
    let config::Adaptation { heads_epochs, backbone_rate, retention } = config.adaptation;
    println!(
        "starting from another model: {variables} of {of} variables, {parts} of {of_parts} body parts, {behaviors} of \
         {of_behaviors} behaviors; {heads_epochs} epochs of heads and new body parts, then the rest at {backbone_rate} of \
         the learning rate; retention {retention}"
    );
}

/// Says what the new network will cost live, before hours are spent on it.
fn say_budget(material: &Material, config: &TrainConfig) {
    let individuals = material.train.first().map_or(2, |session| session.individuals);
    let keypoints = material.defaults.skeleton.keypoints().len();
    let heads = HeadCounts::of(&material.ethogram);
    let Some(architecture) = config.architecture.hhstf() else {
        println!("{}: reaches {} ticks", config.architecture.system(), config.architecture.receptive_field());
        return;
    };
    let budget = Budget::of(architecture, heads, config.delays_ticks.len(), individuals, keypoints);
    println!(
        "network: reaches {} of {WINDOW_TICKS} ticks; a tick of {individuals} × {keypoints} costs {:.2} M multiply–adds, \
         {:.2} MB of weights and {:.2} MB of state read",
        architecture.receptive_field(),
        budget.multiply_adds / 1e6,
        budget.weight_bytes / 1e6,
        budget.state_read_bytes / 1e6,
    );
}

/// What a checkpoint belongs to: another configuration, corpus or set of labels makes another run.
fn fingerprint(material: &Material, config: &TrainConfig) -> anyhow::Result<String> {
    let mut config = config.clone();
    config.stop_after_epochs = None;
    // Of trees.
    config.boosting = config::Boosting::default();
    let (train, validation) = (names(&material.train), names(&material.validation));
    let mut run = format!("{config:?} {:?} {train:?} {validation:?}", material.ethogram);
    let _ = write!(run, "{} {}", features::VERSION, material.confidence_min);
    for session in material.train.iter().chain(&material.validation) {
        run.push_str(session.digest()?.to_hex().as_str());
    }
    // It also says what is retained.
    if let Some(donor) = &material.donor {
        run.push_str(&donor.card.weights_hash);
    }
    Ok(blake3::hash(run.as_bytes()).to_hex()[..16].to_owned())
}

fn names(sessions: &[Session]) -> Vec<String> {
    sessions.iter().map(|session| session.name.clone()).collect()
}
