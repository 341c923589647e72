//! A model as it lies on disk: a directory with its weights (`model.safetensors`; `forest.json` and trees; or
//! `ensemble.json` and members) and `model.toml` (everything else).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::architecture::ArchitectureError;
use super::blueprint::Blueprint;
use super::ensemble::EnsembleError;
use super::forest::ForestError;
use super::system::System;
use super::trust::{BoutLengths, Calibrated, TriggerAdvice};
use super::weights::{self, WEIGHTS_BYTES_MAX, Weights};
use super::wiring::Vocabulary;
use crate::behavior::{Ethogram, LabelSet};
use crate::features::{self, range::InputRange};
use crate::output::decoder::DecodeRule;
use crate::stream::StreamDefaults;
use crate::time::{DelayTicks, TICK_RATE_HZ, WINDOW_TICKS};

pub const CARD_FILE: &str = "model.toml";

/// Most choices of triggers for a behavior at a delay.
const TRIGGER_CHOICES_MAX: usize = 64;

/// All of a model but its weights: the contents of `model.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    pub name: String,
    /// Of the feature module that the weights were trained on.
    pub feature_version: u32,
    pub tick_rate_hz: f64,
    /// Ticks between a moment and the verdict on it, ascending.
    pub delays_ticks: Vec<DelayTicks>,
    /// A keypoint of lower confidence counts as missing.
    pub confidence_min: f32,
    /// Which system it is, and its sizes.
    pub architecture: Blueprint,
    /// Names of the body parts that have an embedding.
    pub vocabulary: Vocabulary,
    pub label_sets: Vec<LabelSet>,
    /// What recordings without a description of their own are taken for.
    pub defaults: StreamDefaults,
    /// Label set → behavior → one rule for each delay.
    pub rules: BTreeMap<String, BTreeMap<String, Vec<DecodeRule>>>,
    /// Of the weights that this card belongs to: thresholds of one model never meet the weights of another.
    pub weights_hash: String,
    pub provenance: Provenance,
    /// What the network was trained on, to notice input that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<InputRange>,
    /// How good verdicts are while histories are short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// Label set → behavior → how the scores of each delay became probabilities; empty where nobody calibrated them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calibration: BTreeMap<String, BTreeMap<String, Vec<Calibrated>>>,
    /// Label set → behavior → what a closed loop may expect at each delay; empty where nobody measured it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub triggers: BTreeMap<String, BTreeMap<String, Vec<TriggerAdvice>>>,
    /// Label set → behavior → how long its bouts are; without those of which there are none, and empty where nobody
    /// measured it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bouts: BTreeMap<String, BTreeMap<String, BoutLengths>>,
    /// Data split → label set → behavior → frame F1 at each delay, decoded as live.
    #[serde(default)]
    pub scores: BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<f64>>>>,
}

/// How verdicts on validation depend on the ticks that the network has seen of the animals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// Verdicts from shorter histories are *warming*: the shortest history at which no delay falls short of its F1 with a
    /// whole window by more than a twentieth.
    pub ticks: u32,
    /// By history, ascending.
    pub reliability: Vec<Reliability>,
}

/// F1 from histories of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reliability {
    pub history_ticks: u32,
    /// Mean over label sets of the mean frame F1 of their behaviors at the best thresholds for whole windows; by delay.
    pub f1: Vec<f64>,
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    pub corpus: String,
    pub source: String,
    pub train_recordings: Vec<String>,
    pub validation_recordings: Vec<String>,
    pub seed: u64,
    pub epochs: u32,
    pub software: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Card { path: PathBuf, source: toml::de::Error },
    #[error("{path}: {source}")]
    Architecture { path: PathBuf, source: ArchitectureError },
    #[error("{path}: {key}: expected {expected}, got {got}")]
    Value { path: PathBuf, key: &'static str, expected: String, got: String },
    #[error("{path}: weights of {got} bytes, expected at most {WEIGHTS_BYTES_MAX}")]
    TooLarge { path: PathBuf, got: u64 },
    #[error("{path}: the weights do not fit the architecture in {CARD_FILE}: {source}")]
    Weights { path: PathBuf, source: candle_core::Error },
    #[error("{path}: {source}")]
    Forest { path: PathBuf, source: ForestError },
    #[error("{path}: {source}")]
    Ensemble { path: PathBuf, source: EnsembleError },
}

/// Card, weights and hash of a model directory, as they lie there.
///
/// # Errors
/// Unreadable or malformed files, and weights that are not those of the card.
pub fn read(directory: &Path) -> Result<(Card, Weights, String), ModelError> {
    let card = read_card(directory)?;
    let (weights, bytes) = Weights::read(directory, &card)?;
    let hash = hash_of(&card, &bytes);
    Ok((card, weights, hash))
}

pub(super) fn read_card(directory: &Path) -> Result<Card, ModelError> {
    let path = directory.join(CARD_FILE);
    let text = std::fs::read_to_string(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
    toml::from_str(&text).map_err(|source| ModelError::Card { path, source })
}

/// A checked model, ready to run.
#[derive(Debug)]
pub struct Model {
    card: Card,
    ethogram: Ethogram,
    rules: Vec<Vec<DecodeRule>>,
    hash: String,
    system: Arc<dyn System>,
    /// What the system was made of: clones share their memory.
    weights: Weights,
}

impl Model {
    /// Reads a model directory.
    ///
    /// # Errors
    /// Unreadable or malformed files, another feature version or tick rate, an architecture out of bounds, missing
    /// rules, and weights that do not fit or are not finite; each with file, expected and found.
    pub fn load(directory: &Path) -> Result<Self, ModelError> {
        Self::load_only(directory, &[])
    }

    /// As [`Model::load`], but only behaviors of these label sets are ever told; of all where none is named. What is told
    /// is part of what the hash stands for.
    ///
    /// # Errors
    /// As [`Model::load`], and a label set that the model does not know.
    pub fn load_only(directory: &Path, label_sets: &[String]) -> Result<Self, ModelError> {
        let (mut card, weights, mut hash) = read(directory)?;
        if let Some(unknown) = label_sets.iter().find(|name| !card.rules.contains_key(*name)) {
            let expected = format!("label sets out of {:?}", card.rules.keys().collect::<Vec<_>>());
            let path = directory.join(CARD_FILE);
            return Err(ModelError::Value { path, key: "label_sets", expected, got: unknown.clone() });
        }
        let is_silent = |set: &String| !label_sets.is_empty() && !label_sets.contains(set);
        for (_, behaviors) in card.rules.iter_mut().filter(|(set, _)| is_silent(set)) {
            for by_delay in behaviors.values_mut() {
                by_delay.fill(DecodeRule::NEVER);
            }
        }
        if card.rules.keys().any(is_silent) {
            hash = hash_of(&card, card.weights_hash.as_bytes());
        }
        Self::assemble(card, weights, hash, directory)
    }

    /// A model from its parts; `directory` is where errors say that it lies.
    pub fn assemble(
        card: Card,
        weights: impl Into<Weights>,
        hash: String,
        directory: &Path,
    ) -> Result<Self, ModelError> {
        let weights = weights.into();
        let path = directory.join(CARD_FILE);
        check(&card, &path)?;
        let ethogram = Ethogram::new(card.label_sets.clone());
        let rules = rules_by_delay(&card, &ethogram, &path)?;
        let path = weights::path_of(directory, &card.architecture);
        weights.check(&card, &ethogram, &path)?;
        let system = system_of(&card, &ethogram, &weights, &Device::Cpu);
        let system = system.map_err(|source| ModelError::Weights { path, source })?;
        Ok(Self { card, ethogram, rules, hash, system, weights })
    }

    pub fn name(&self) -> &str {
        &self.card.name
    }

    pub fn card(&self) -> &Card {
        &self.card
    }

    pub fn ethogram(&self) -> &Ethogram {
        &self.ethogram
    }

    pub fn delays(&self) -> &[DelayTicks] {
        &self.card.delays_ticks
    }

    /// Decoding rules by delay and behavior.
    pub fn rules(&self) -> &[Vec<DecodeRule>] {
        &self.rules
    }

    /// Sixteen hexadecimal digits over card and weights: they name this model in every event.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Ticks of history from which verdicts are as reliable as they get; a whole window where nobody measured it.
    pub fn warm_ticks(&self) -> u32 {
        self.card.warm_up.as_ref().map_or(WINDOW_TICKS as u32, |warm_up| warm_up.ticks)
    }

    /// What it answers by, on the processor.
    pub fn system(&self) -> &Arc<dyn System> {
        &self.system
    }

    /// The same on a device: a copy of the weights there, unless it is the processor.
    ///
    /// # Errors
    /// What the device says, as of memory that it has not; and what has trees, which are of the processor only.
    pub fn system_on(&self, device: &Device) -> candle_core::Result<Arc<dyn System>> {
        if device.is_cpu() {
            return Ok(Arc::clone(&self.system));
        }
        system_of(&self.card, &self.ethogram, &self.weights, device)
    }

    /// What was learned.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }
}

fn system_of(
    card: &Card,
    ethogram: &Ethogram,
    weights: &Weights,
    device: &Device,
) -> candle_core::Result<Arc<dyn System>> {
    weights.system(&card.architecture, card.vocabulary.0.len(), ethogram, card.delays_ticks.len(), device)
}

/// Over everything that a verdict depends on: weights and card, without what only tells how far to trust it.
fn hash_of(card: &Card, weights: &[u8]) -> String {
    let decisive = Card {
        scores: BTreeMap::new(),
        calibration: BTreeMap::new(),
        triggers: BTreeMap::new(),
        bouts: BTreeMap::new(),
        range: None,
        warm_up: None,
        ..card.clone()
    };
    let text = serde_json::to_vec(&decisive).unwrap_or_default();
    blake3::Hasher::new().update(&text).update(weights).finalize().to_hex()[..16].to_owned()
}

fn check(card: &Card, path: &Path) -> Result<(), ModelError> {
    let value = |key, expected: String, got: String| Err(ModelError::Value { path: path.into(), key, expected, got });
    if card.feature_version != features::VERSION {
        return value("feature_version", features::VERSION.to_string(), card.feature_version.to_string());
    }
    if card.tick_rate_hz != TICK_RATE_HZ {
        return value("tick_rate_hz", TICK_RATE_HZ.to_string(), card.tick_rate_hz.to_string());
    }
    let delays = &card.delays_ticks;
    let ascending = delays.windows(2).all(|pair| pair[0] < pair[1]);
    if delays.is_empty() || !ascending || delays.iter().any(|delay| delay.0 as usize >= WINDOW_TICKS) {
        return value("delays_ticks", format!("ascending delays under {WINDOW_TICKS}"), format!("{delays:?}"));
    }
    if !(0.0..=1.0).contains(&card.confidence_min) {
        return value("confidence_min", "0 to 1".into(), card.confidence_min.to_string());
    }
    let behaviors: usize = card.label_sets.iter().map(|set| set.behaviors.len()).sum();
    if !(1..=1024).contains(&behaviors) {
        return value("label_sets", "1 to 1024 behaviors in all".into(), behaviors.to_string());
    }
    if card.vocabulary.0.is_empty() || card.vocabulary.0.len() > 4096 {
        return value("vocabulary", "1 to 4096 body parts".into(), card.vocabulary.0.len().to_string());
    }
    let delays = card.delays_ticks.len();
    for (set, behaviors) in &card.calibration {
        for (name, by_delay) in behaviors {
            let is_sound = |calibrated: &Calibrated| {
                calibrated.slope.is_finite() && calibrated.slope > 0.0 && calibrated.offset.is_finite()
            };
            if by_delay.len() != delays || !by_delay.iter().all(is_sound) {
                let expected = format!("{delays} finite ones (one a delay) of a slope above 0 for {set}.{name}");
                return value("calibration", expected, format!("{by_delay:?}"));
            }
        }
    }
    for (set, behaviors) in &card.triggers {
        for (name, by_delay) in behaviors {
            if by_delay.len() != delays || by_delay.iter().any(|advice| advice.choices.len() > TRIGGER_CHOICES_MAX) {
                let expected =
                    format!("{delays} (one a delay) of at most {TRIGGER_CHOICES_MAX} choices for {set}.{name}");
                return value("triggers", expected, by_delay.len().to_string());
            }
        }
    }
    let lengths = card.bouts.values().flatten();
    for (name, BoutLengths { bouts, median_secs }) in lengths {
        if *bouts == 0 || !(median_secs.is_finite() && *median_secs > 0.0) {
            let got = format!("{bouts} bouts of {median_secs} s for {name}");
            return value("bouts", "one or more bouts longer than nothing".into(), got);
        }
    }
    card.architecture.check().map_err(|source| ModelError::Architecture { path: path.into(), source })
}

fn rules_by_delay(card: &Card, ethogram: &Ethogram, path: &Path) -> Result<Vec<Vec<DecodeRule>>, ModelError> {
    let mut by_delay = vec![Vec::new(); card.delays_ticks.len()];
    for (_, label_set, spec) in ethogram.behaviors() {
        let label_set = &ethogram.label_sets()[label_set].name;
        let rules = card.rules.get(label_set).and_then(|rules| rules.get(&spec.name)).map_or(&[][..], Vec::as_slice);
        if rules.len() != by_delay.len() {
            let expected = format!("{} rules (one a delay) for {label_set}.{}", by_delay.len(), spec.name);
            let got = rules.len().to_string();
            return Err(ModelError::Value { path: path.into(), key: "rules", expected, got });
        }
        for (of_delay, rule) in by_delay.iter_mut().zip(rules) {
            of_delay.push(*rule);
        }
    }
    Ok(by_delay)
}

/// Writes a model directory. Each file is written beside its place and renamed, so that a reader never meets half a
/// file.
pub fn save(directory: &Path, card: &Card, weights: impl Into<Weights>) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let weights_hash = weights.into().save(directory)?;
    save_card(directory, &Card { weights_hash, ..card.clone() })
}

/// Writes the card of a model directory whose weights stay as they are.
pub fn save_card(directory: &Path, card: &Card) -> anyhow::Result<()> {
    let staged = directory.join(format!("{CARD_FILE}.partial"));
    let within = || directory.display().to_string();
    std::fs::write(&staged, toml::to_string_pretty(card)?).with_context(within)?;
    std::fs::rename(&staged, directory.join(CARD_FILE)).with_context(within)?;
    Ok(())
}
