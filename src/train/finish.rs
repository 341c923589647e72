//! The end of every training, whatever system was trained: calibration, thresholds and triggers, the model directory,
//! and the page about it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use super::checkpoint::EpochLog;
use super::config::TrainConfig;
use super::validate::{self, Answering, Quality};
use super::{Material, adaptation, fit, names, profile, report};
use crate::behavior::Ethogram;
use crate::model::blueprint::Blueprint;
use crate::model::bundle::{self, Card, Provenance};
use crate::model::device::device;
use crate::model::weights::Weights;
use crate::model::wiring::Vocabulary;
use crate::time::TICK_RATE_HZ;

/// The page of a run's report in its model directory.
pub const REPORT_FILE: &str = "report.html";

/// What a training arrived at.
#[derive(Debug)]
pub struct Learned {
    pub weights: Weights,
    pub vocabulary: Vocabulary,
    /// What came of every epoch; none of trees.
    pub epochs: Vec<EpochLog>,
    /// The epoch or the rounds of boosting that validation chose; of an ensemble its members.
    pub best_epoch: u32,
    /// Recordings that it has seen, beside those of the material.
    pub trained: Vec<String>,
}

/// Fits what turns scores into probabilities, bouts and triggers on the validation recordings, and writes model and
/// report.
///
/// # Errors
/// Recordings that cannot be read, a system that fails, and a disk that takes nothing.
pub fn finish(material: &Material, config: &TrainConfig, out: &Path, learned: Learned) -> anyhow::Result<()> {
    let Material { validation, ethogram, .. } = material;
    let TrainConfig { architecture, delays_ticks: delays, .. } = config;
    println!("fitting thresholds on {} validation recordings", validation.len());
    let Learned { weights, vocabulary, epochs, best_epoch, trained } = learned;
    let system_of =
        |weights: &Weights| weights.system(architecture, vocabulary.0.len(), ethogram, delays.len(), &device());
    let has_statistics = architecture.has_statistics();
    let system = system_of(&weights)?;
    let answering = Answering { system: system.as_ref(), has_statistics, vocabulary: &vocabulary, ethogram, delays };
    let scores = validate::scores(answering, validation, config.schedule.threads as usize)?;
    // What these recordings cannot say stays as another model said it.
    let unseen = match &material.donor {
        Some(_) => adaptation::not_looked_for(material.train.iter().chain(validation), ethogram),
        None => Vec::new(),
    };
    say_untold(material, config, &unseen);
    let validated = fit::Validation { sessions: validation, ethogram, delays, bouts_min: config.bouts_min };
    let mut fitted = fit::fit(validated, scores, weights)?;
    let calibrated = system_of(&fitted.weights)?;
    let Quality { mean, by_delay } = Quality::of(validation, &fitted.scores, ethogram, delays);
    let warm_up = profile::warm_up(Answering { system: calibrated.as_ref(), ..answering }, validation)?;
    let mut rules = by_behavior(ethogram, &fitted.rules, |rule| *rule);
    let mut calibration = by_behavior(ethogram, &fitted.calibrations, |fit| fit.card.clone());
    let mut triggers = by_behavior(ethogram, &fitted.triggers, |fit| fit.card.clone());
    if let Some(donor) = &material.donor {
        adaptation::keep(&mut rules, &donor.card.rules, &unseen);
        adaptation::keep(&mut calibration, &donor.card.calibration, &unseen);
        adaptation::keep(&mut triggers, &donor.card.triggers, &unseen);
    }
    // The report is about the rules of the card.
    for (behavior, set, spec) in ethogram.behaviors() {
        let of_card = &rules[&ethogram.label_sets()[set].name][&spec.name];
        for (of_delay, rule) in fitted.rules.iter_mut().zip(of_card) {
            of_delay[usize::from(behavior.0)] = *rule;
        }
    }
    let mut bouts = profile::bouts(&material.train.iter().chain(validation).collect::<Vec<_>>(), ethogram);
    if let Some(donor) = &material.donor {
        adaptation::keep(&mut bouts, &donor.card.bouts, &unseen);
    }
    let noise = config.augmentation.jitter_max as f32;
    let card = Card {
        name: out.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned()),
        feature_version: crate::features::VERSION,
        tick_rate_hz: TICK_RATE_HZ,
        delays_ticks: delays.clone(),
        confidence_min: material.confidence_min,
        architecture: architecture.clone(),
        vocabulary,
        label_sets: ethogram.label_sets().to_vec(),
        defaults: material.defaults.clone(),
        rules,
        calibration,
        triggers,
        weights_hash: String::new(),
        provenance: Provenance {
            corpus: material.corpus.clone(),
            source: material.source.clone(),
            train_recordings: trained_recordings(material, &trained),
            validation_recordings: names(validation),
            seed: config.schedule.seed,
            epochs: best_epoch,
            software: concat!("vibrissa ", env!("CARGO_PKG_VERSION")).into(),
        },
        // `evaluate --record` measures them, decoded as they are live.
        range: Some(profile::range(material.train.iter().chain(validation), noise)?),
        warm_up: Some(warm_up),
        bouts,
        scores: BTreeMap::new(),
    };
    bundle::save(out, &card, &fitted.weights)?;
    write_report(material, out, &fitted, &epochs)?;
    let chosen = match architecture {
        Blueprint::Ensemble(_) => "members",
        Blueprint::Xgboost | Blueprint::XgboostPerBehavior => "rounds up to",
        Blueprint::Hhstf(_) | Blueprint::Lstm(_) | Blueprint::Cnn(_) => "epoch",
    };
    let by_delay: Vec<String> = by_delay.iter().map(|f1| format!("{f1:.3}")).collect();
    println!(
        "wrote {} ({chosen} {best_epoch}, validation F1 {mean:.4}, by delay {})",
        out.display(),
        by_delay.join(" ")
    );
    Ok(())
}

/// Says which behaviors have too few bouts for a threshold.
fn say_untold(material: &Material, config: &TrainConfig, unseen: &[(String, String)]) {
    let Material { validation, ethogram, .. } = material;
    for (behavior, set, spec) in ethogram.behaviors() {
        let bouts: usize = validation.iter().map(|session| session.bouts(behavior)).sum();
        let is_kept = unseen.contains(&(ethogram.label_sets()[set].name.clone(), spec.name.clone()));
        if bouts < config.bouts_min && !is_kept {
            let (set, least) = (&ethogram.label_sets()[set].name, config.bouts_min);
            println!("{set} {}: {bouts} bouts on validation, expected at least {least}: it is never told", spec.name);
        }
    }
}

/// The recordings that the weights have seen, those of the model that they began with included.
fn trained_recordings(material: &Material, more: &[String]) -> Vec<String> {
    let donor = material.donor.as_ref().map(|donor| &donor.card.provenance.train_recordings);
    let mut trained = names(&material.train);
    for more in donor.into_iter().flatten().chain(more) {
        if !trained.contains(more) {
            trained.push(more.clone());
        }
    }
    trained
}

/// Writes the report of the model that was written.
fn write_report(material: &Material, out: &Path, fitted: &fit::Fitted, epochs: &[EpochLog]) -> anyhow::Result<()> {
    let Material { train, validation, ethogram, .. } = material;
    let (card, ..) = bundle::read(out)?;
    let measured = report::Measured {
        card: &card,
        ethogram,
        rules: &fitted.rules,
        part: crate::report::Part::Validation,
        sessions: validation,
        scores: &fitted.scores,
    };
    let report = report::of_training(measured, train, epochs, fitted);
    let path = out.join(REPORT_FILE);
    std::fs::write(&path, crate::report::html(&report)).with_context(|| path.display().to_string())?;
    println!("report: {}", path.display());
    Ok(())
}

/// Label set → behavior → one value for each delay, of values by delay and behavior.
pub(super) fn by_behavior<T, U>(
    ethogram: &Ethogram,
    values: &[Vec<T>],
    of: impl Fn(&T) -> U,
) -> BTreeMap<String, BTreeMap<String, Vec<U>>> {
    let mut by_set = BTreeMap::<String, BTreeMap<_, _>>::new();
    for (behavior, set, spec) in ethogram.behaviors() {
        let of_delays = values.iter().map(|of_delay| of(&of_delay[usize::from(behavior.0)])).collect();
        by_set.entry(ethogram.label_sets()[set].name.clone()).or_default().insert(spec.name.clone(), of_delays);
    }
    by_set
}
