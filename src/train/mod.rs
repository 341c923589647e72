//! Training: annotated recordings to a model directory. Nothing else depends on this module.

pub mod augment;
pub mod checkpoint;
pub mod config;
pub mod crops;
pub mod loss;
pub mod optimiser;
pub mod profile;
pub mod rules;
pub mod start;

pub mod step;
pub mod validate;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use candle_core::Tensor;
use indicatif::{ProgressBar, ProgressStyle};

use self::checkpoint::{Checkpoint, RunState};
use self::config::TrainConfig;
use self::loss::ClassWeights;
use self::optimiser::Optimiser;
use self::start::Donor;
use self::step::Stepper;
use crate::behavior::Ethogram;
use crate::corpus::session::Session;
use crate::model::budget::Budget;
use crate::model::bundle::{self, Card, Provenance};
use crate::model::variables::Variables;
use crate::model::wiring::{HeadCounts, Vocabulary};
use crate::stream::StreamDefaults;
use crate::time::{TICK_RATE_HZ, WINDOW_TICKS};

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
    /// The model to start from, instead of random weights.
    pub donor: Option<Donor>,
}

impl Material {
    /// Every body part that occurs, those of the default skeleton first.
    fn vocabulary(&self) -> Vocabulary {
        let mut parts = self.defaults.skeleton.keypoints().to_vec();
        for session in self.train.iter().chain(&self.validation) {
            for part in session.skeleton.keypoints() {
                if !parts.contains(part) {
                    parts.push(part.clone());
                }
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
    let mut run = Run::start(material, config, out, resume)?;
    let epochs = config.stop_after_epochs.map_or(config.schedule.epochs, |stop| stop.min(config.schedule.epochs));
    while run.state.epochs_done < epochs && !stop.load(Ordering::Relaxed) {
        run.epoch(stop)?;
    }
    run.finish()
}

struct Run<'a> {
    material: &'a Material,
    config: &'a TrainConfig,
    out: &'a Path,
    vocabulary: Vocabulary,
    stepper: Stepper<'a>,
    optimiser: Optimiser,
    checkpoint: Checkpoint,
    state: RunState,
    best: HashMap<String, Tensor>,
}

impl<'a> Run<'a> {
    fn start(material: &'a Material, config: &'a TrainConfig, out: &'a Path, resume: bool) -> anyhow::Result<Self> {
        let vocabulary = material.vocabulary();
        let variables = Variables::new(config.schedule.seed);
        let stepper = Stepper::new(config, &material.train, &material.ethogram, &vocabulary, &variables)?;
        if let Some(donor) = &material.donor {
            let adopted = start::adopt(&variables, &vocabulary, donor)?;
            let start::Adopted { variables, of, parts, of_parts } = adopted;
            println!("starting from another model: {variables} of {of} variables, {parts} of {of_parts} body parts");
        }
        let steps_total = config.schedule.epochs * config.schedule.steps_per_epoch;
        let mut optimiser = Optimiser::new(&variables, config.optimiser.clone(), steps_total)?;
        say_budget(material, config);
        let checkpoint = Checkpoint::of(out);
        let fingerprint = fingerprint(material, config);
        let (state, best) = if resume {
            checkpoint.load(&mut optimiser, &fingerprint)?
        } else {
            let class_weights = ClassWeights::new(&material.train, &material.ethogram);
            let state = RunState {
                fingerprint,
                epochs_done: 0,
                steps_done: 0,
                class_weights,
                best_epoch: 0,
                // Under any F1, and unlike −∞ a number in JSON.
                best_score: -1.0,
            };
            (state, optimiser.averages()?)
        };
        Ok(Self { material, config, out, vocabulary, stepper, optimiser, checkpoint, state, best })
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
        let (mut sum, mut steps) = (0.0, 0);
        while self.state.steps_done < epoch * schedule.steps_per_epoch && !stop.load(Ordering::Relaxed) {
            bar.set_position(u64::from(self.state.steps_done % schedule.steps_per_epoch));
            let (loss, gradients) = self.stepper.gradients(self.state.steps_done, &mut self.state.class_weights)?;
            let norm = self.optimiser.step(gradients)?;
            self.state.steps_done += 1;
            sum += loss;
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
        let averages = self.optimiser.averages()?;
        let (score, by_delay) = self.validate(&averages)?;
        if score > self.state.best_score {
            (self.state.best_score, self.state.best_epoch) = (score, epoch);
            self.best = averages;
        }
        if complete {
            self.state.epochs_done = epoch;
            self.checkpoint.save(&self.state, &self.optimiser, &self.best)?;
        }
        let by_delay: Vec<String> = by_delay.iter().map(|score| format!("{score:.3}")).collect();
        println!(
            "epoch {epoch:>3}  loss {:.4}  rate {:.1e}  validation F1 {score:.4} (by delay {})  best {:.4} (epoch {})  {trained_secs:.0} s + {:.0} s",
            sum / f64::from(steps.max(1)),
            self.optimiser.learning_rate(),
            by_delay.join(" "),
            self.state.best_score,
            self.state.best_epoch,
            started.elapsed().as_secs_f64() - trained_secs,
        );
        Ok(())
    }

    /// Lab-averaged frame F1 at the best thresholds: the mean over delays, and each.
    fn validate(&self, weights: &HashMap<String, Tensor>) -> anyhow::Result<(f64, Vec<f64>)> {
        let Material { validation, ethogram, .. } = self.material;
        let delays = &self.config.delays_ticks;
        let scores = self.scores(weights)?;
        let by_delay: Vec<f64> = validate::best_f1(validation, &scores, ethogram, delays)
            .iter()
            .map(|by_behavior| validate::lab_averaged(by_behavior, ethogram))
            .collect();
        Ok((by_delay.iter().sum::<f64>() / by_delay.len() as f64, by_delay))
    }

    fn scores(&self, weights: &HashMap<String, Tensor>) -> anyhow::Result<Vec<rules::SessionScores>> {
        validate::scores(
            &self.material.validation,
            &self.config.architecture,
            &self.vocabulary,
            &self.material.ethogram,
            &self.config.delays_ticks,
            weights,
            self.config.schedule.threads as usize,
        )
    }

    /// Fits the decoding rules and writes the model.
    fn finish(self) -> anyhow::Result<()> {
        println!("fitting thresholds on {} validation recordings", self.material.validation.len());
        let scores = self.scores(&self.best)?;
        let Material { validation, ethogram, .. } = self.material;
        let delays = &self.config.delays_ticks;
        for (behavior, set, spec) in ethogram.behaviors() {
            let bouts: usize = validation.iter().map(|session| session.bouts(behavior)).sum();
            if bouts < self.config.bouts_min {
                let (set, least) = (&ethogram.label_sets()[set].name, self.config.bouts_min);
                println!(
                    "{set} {}: {bouts} bouts on validation, expected at least {least}: it is never told",
                    spec.name
                );
            }
        }
        let fitted = rules::fit(validation, &scores, ethogram, delays, self.config.bouts_min);
        let (architecture, noise) = (&self.config.architecture, self.config.augmentation.jitter_max as f32);
        let warm_up = profile::warm_up(validation, architecture, &self.vocabulary, ethogram, delays, &self.best)?;
        let mut by_set = BTreeMap::<String, BTreeMap<_, _>>::new();
        for (behavior, label_set, spec) in ethogram.behaviors() {
            let set = &ethogram.label_sets()[label_set].name;
            let index = behavior.0 as usize;
            let rules = fitted.iter().map(|of_delay| of_delay[index]).collect();
            by_set.entry(set.clone()).or_default().insert(spec.name.clone(), rules);
        }
        let card = Card {
            name: self.out.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned()),
            feature_version: crate::features::VERSION,
            tick_rate_hz: TICK_RATE_HZ,
            delays_ticks: delays.clone(),
            confidence_min: self.material.confidence_min,
            architecture: self.config.architecture.clone(),
            vocabulary: self.vocabulary.clone(),
            label_sets: ethogram.label_sets().to_vec(),
            defaults: self.material.defaults.clone(),
            rules: by_set,
            weights_hash: String::new(),
            provenance: Provenance {
                corpus: self.material.corpus.clone(),
                source: self.material.source.clone(),
                train_recordings: names(&self.material.train),
                validation_recordings: names(validation),
                seed: self.config.schedule.seed,
                epochs: self.state.best_epoch,
                software: concat!("vibrissa ", env!("CARGO_PKG_VERSION")).into(),
            },
            // `evaluate --record` measures them, decoded as they are live.
            range: Some(profile::range(self.material.train.iter().chain(validation), noise)),
            warm_up: Some(warm_up),
            scores: BTreeMap::new(),
        };
        bundle::save(self.out, &card, &self.best)?;
        println!(
            "wrote {} (epoch {}, validation F1 {:.4})",
            self.out.display(),
            self.state.best_epoch,
            self.state.best_score
        );
        Ok(())
    }
}

/// Says what the new network will cost live, before hours are spent on it.
fn say_budget(material: &Material, config: &TrainConfig) {
    let individuals = material.train.first().map_or(2, |session| session.individuals);
    let keypoints = material.defaults.skeleton.keypoints().len();
    let heads = HeadCounts::of(&material.ethogram);
    let budget = Budget::of(&config.architecture, heads, config.delays_ticks.len(), individuals, keypoints);
    println!(
        "network: reaches {} of {WINDOW_TICKS} ticks; a tick of {individuals} × {keypoints} costs {:.2} M multiply–adds, \
         {:.2} MB of weights and {:.2} MB of state read",
        config.architecture.receptive_field(),
        budget.multiply_adds / 1e6,
        budget.weight_bytes / 1e6,
        budget.state_read_bytes / 1e6,
    );
}

/// What a checkpoint belongs to: another configuration, corpus or set of labels makes another run.
fn fingerprint(material: &Material, config: &TrainConfig) -> String {
    let config = TrainConfig { stop_after_epochs: None, ..config.clone() };
    let (train, validation) = (names(&material.train), names(&material.validation));
    // Where it started is in the weights of the checkpoint.
    let run = format!("{config:?} {:?} {train:?} {validation:?}", material.ethogram);
    blake3::hash(run.as_bytes()).to_hex()[..16].to_owned()
}

fn names(sessions: &[Session]) -> Vec<String> {
    sessions.iter().map(|session| session.name.clone()).collect()
}
