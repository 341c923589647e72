//! Several finished models as one system: the mean of their logits.
//!
//! Systems that err in different places are better together than the best of them (Dietterich 2000, *Ensemble methods in
//! machine learning*): a network that learned its features and trees that were given theirs are such. Each member stays
//! a whole model directory; what the mean needs to be a probability is beside them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use super::bundle::{self, Card, Model, ModelError};
use super::inputs::Inputs;
use super::ops::ring::Places;
use super::system::{Streams, System};
use super::trust::{LOGIT_MAX, LogitLine};
use super::weights::Weights;
use super::wiring::Wiring;
use crate::behavior::Ethogram;

/// What the members of a model directory are.
pub const INDEX_FILE: &str = "ensemble.json";

const FORMAT: u32 = 1;

/// Most members.
pub const MEMBERS_MAX: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum EnsembleError {
    #[error("{0}")]
    Index(#[from] serde_json::Error),
    #[error("{key}: expected {expected}, got {got}")]
    Value { key: &'static str, expected: String, got: String },
    #[error(transparent)]
    Member(#[from] Box<ModelError>),
}

/// A finished model.
#[derive(Clone, Debug)]
pub struct Member {
    card: Card,
    weights: Weights,
}

impl Member {
    pub fn of(model: &Model) -> Self {
        Self { card: model.card().clone(), weights: model.weights().clone() }
    }

    pub fn card(&self) -> &Card {
        &self.card
    }
}

/// Models that speak together.
#[derive(Clone, Debug)]
pub struct Ensemble {
    members: Vec<Member>,
    /// By delay and behavior, from the mean of the members' logits to a calibrated one.
    lines: Vec<Vec<LogitLine>>,
}

/// The contents of [`INDEX_FILE`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    format: u32,
    /// The hash of each member, which lies in the folder of its number.
    members: Vec<String>,
    lines: Vec<Vec<LogitLine>>,
}

/// Where a member lies within a model directory.
fn folder(number: usize) -> String {
    format!("members/{number}")
}

fn lengths(lines: &[Vec<LogitLine>]) -> Vec<usize> {
    lines.iter().map(Vec::len).collect()
}

fn value<T>(key: &'static str, expected: String, got: String) -> std::result::Result<T, EnsembleError> {
    Err(EnsembleError::Value { key, expected, got })
}

impl Ensemble {
    /// The plain mean of these members.
    ///
    /// # Errors
    /// Fewer than two members or too many, an ensemble among them, and members of different label sets, delays, body parts,
    /// confidence or features.
    pub fn new(members: Vec<Member>) -> std::result::Result<Self, EnsembleError> {
        let (delays, behaviors) = members.first().map_or((0, 0), |member| {
            (member.card.delays_ticks.len(), Ethogram::new(member.card.label_sets.clone()).behavior_count())
        });
        let lines = vec![vec![LogitLine { slope: 1.0, offset: 0.0 }; behaviors]; delays];
        let ensemble = Self { members, lines };
        ensemble.check()?;
        Ok(ensemble)
    }

    /// Of all members.
    pub fn blueprint(&self) -> Blueprint {
        Blueprint::Ensemble(self.members.iter().map(|member| member.card.architecture.clone()).collect())
    }

    fn check(&self) -> std::result::Result<(), EnsembleError> {
        let [first, rest @ ..] = self.members.as_slice() else {
            return value("members", format!("2 to {MEMBERS_MAX}"), "0".into());
        };
        if rest.is_empty() || self.members.len() > MEMBERS_MAX {
            return value("members", format!("2 to {MEMBERS_MAX}"), self.members.len().to_string());
        }
        if let Some(nested) = self.members.iter().find(|one| matches!(one.card.architecture, Blueprint::Ensemble(_))) {
            return value("members", "models that are no ensembles".into(), nested.card.name.clone());
        }
        for member in rest {
            let differ = |key, what: &dyn Fn(&Card) -> String| {
                let (expected, got) = (what(&first.card), what(&member.card));
                if expected == got { Ok(()) } else { value(key, expected, got) }
            };
            let (ours, theirs) = (&first.card.label_sets, &member.card.label_sets);
            if let Some((expected, got)) = ours.iter().zip(theirs).find(|(a, b)| a != b) {
                return value("label_sets", format!("{expected:?}"), format!("{got:?}"));
            }
            differ("label_sets", &|card| format!("{} of them", card.label_sets.len()))?;
            differ("delays_ticks", &|card| format!("{:?}", card.delays_ticks))?;
            differ("vocabulary", &|card| format!("{:?}", card.vocabulary.0))?;
            differ("confidence_min", &|card| card.confidence_min.to_string())?;
            differ("feature_version", &|card| card.feature_version.to_string())?;
        }
        let behaviors = Ethogram::new(first.card.label_sets.clone()).behavior_count();
        let (expected, got) = (vec![behaviors; first.card.delays_ticks.len()], lengths(&self.lines));
        if expected != got {
            return value("lines", format!("those of {expected:?} behaviors, by delay"), format!("{got:?}"));
        }
        match self.lines.iter().flatten().find(|line| !line.is_sound()) {
            Some(line) => value("lines", "finite numbers, and slopes above 0".into(), format!("{line:?}")),
            None => Ok(()),
        }
    }

    /// Refuses members that are not those of a card.
    pub(super) fn check_card(&self, card: &Card) -> std::result::Result<(), EnsembleError> {
        let of = |card: &Card| {
            (card.label_sets.clone(), card.delays_ticks.clone(), card.vocabulary.0.clone(), card.feature_version)
        };
        let (expected, got) = (of(card), of(&self.members[0].card));
        if expected != got {
            return value("members", format!("{expected:?}"), format!("{got:?}"));
        }
        if self.blueprint() != card.architecture {
            return value("members", format!("{:?}", card.architecture), format!("{:?}", self.blueprint()));
        }
        Ok(())
    }

    /// Reads the members that an index names.
    pub(super) fn read(directory: &Path, index: &[u8]) -> std::result::Result<Self, EnsembleError> {
        let Index { format, members, lines } = serde_json::from_slice(index)?;
        if format != FORMAT {
            return value("format", FORMAT.to_string(), format.to_string());
        }
        if members.len() > MEMBERS_MAX {
            return value("members", format!("2 to {MEMBERS_MAX}"), members.len().to_string());
        }
        let member = |(number, expected): (usize, &String)| {
            let folder = directory.join(folder(number));
            // One that holds itself would never end.
            let card = bundle::read_card(&folder).map_err(Box::new)?;
            if matches!(card.architecture, Blueprint::Ensemble(_)) {
                return value("members", "models that are no ensembles".into(), folder.display().to_string());
            }
            let model = Model::load(&folder).map_err(Box::new)?;
            if model.hash() != expected {
                return value("hash", expected.clone(), format!("{} in {}", model.hash(), folder.display()));
            }
            Ok(Member::of(&model))
        };
        let ensemble =
            Self { members: members.iter().enumerate().map(member).collect::<std::result::Result<_, _>>()?, lines };
        ensemble.check()?;
        Ok(ensemble)
    }

    /// Writes every member, then the index, and gives the index's bytes.
    pub(super) fn save(&self, directory: &Path) -> anyhow::Result<Vec<u8>> {
        let mut members = Vec::with_capacity(self.members.len());
        for (number, member) in self.members.iter().enumerate() {
            let folder: PathBuf = directory.join(folder(number));
            bundle::save(&folder, &member.card, &member.weights)?;
            // Written anew, it may have another hash.
            let (_, _, hash) = bundle::read(&folder)?;
            members.push(hash);
        }
        let index = Index { format: FORMAT, members, lines: self.lines.clone() };
        let (path, staged) = (directory.join(INDEX_FILE), directory.join(format!("{INDEX_FILE}.partial")));
        let (bytes, within) = (serde_json::to_vec_pretty(&index)?, || path.display().to_string());
        std::fs::write(&staged, &bytes).with_context(within)?;
        std::fs::rename(&staged, &path).with_context(within)?;
        Ok(bytes)
    }

    /// By delay and behavior, on top of what is there.
    pub(super) fn calibrate(&mut self, lines: &[Vec<LogitLine>]) -> anyhow::Result<()> {
        let (expected, got) = (lengths(&self.lines), lengths(lines));
        anyhow::ensure!(expected == got, "expected calibrations of {expected:?} behaviors, by delay, got {got:?}");
        for (line, more) in self.lines.iter_mut().flatten().zip(lines.iter().flatten()) {
            *line = line.then(*more);
        }
        self.check()?;
        Ok(())
    }

    /// # Errors
    /// Members that do not run on the device.
    pub(super) fn system(&self, device: &Device) -> Result<Combined> {
        let of_member = |Member { card, weights, .. }: &Member| {
            let ethogram = Ethogram::new(card.label_sets.clone());
            let (vocabulary, delays) = (card.vocabulary.0.len(), card.delays_ticks.len());
            weights.system(&card.architecture, vocabulary, &ethogram, delays, device)
        };
        let members = self.members.iter().map(of_member).collect::<Result<_>>()?;
        Ok(Combined { members, lines: self.lines.clone().into(), device: device.clone() })
    }
}

/// The systems of an ensemble.
#[derive(Debug)]
pub(super) struct Combined {
    members: Vec<Arc<dyn System>>,
    lines: Arc<[Vec<LogitLine>]>,
    device: Device,
}

/// The calibrated mean of logits (B, T, D, N) of several systems.
fn combine(
    logits: impl ExactSizeIterator<Item = Result<Tensor>>,
    lines: &[Vec<LogitLine>],
    wiring: &Wiring,
) -> Result<Tensor> {
    let count = logits.len() as f64;
    let sum = logits.reduce(|sum, more| sum? + more?);
    let mean = (sum.ok_or_else(|| candle_core::Error::Msg("an ensemble without members".into()))?? / count)?;
    let of_cells = |of: &dyn Fn(&LogitLine) -> f64| {
        let numbers = lines.iter().flat_map(|of_delay| {
            wiring.behaviors.iter().map(move |behavior| of(&of_delay[usize::from(behavior.0)]) as f32)
        });
        Tensor::from_vec(numbers.collect(), (lines.len(), wiring.behaviors.len()), mean.device())
    };
    let logits = mean.broadcast_mul(&of_cells(&|line| line.slope)?)?.broadcast_add(&of_cells(&|line| line.offset)?)?;
    logits.clamp(-LOGIT_MAX, LOGIT_MAX)
}

impl System for Combined {
    fn forward(&self, inputs: &Inputs, wiring: &Wiring) -> Result<Tensor> {
        combine(self.members.iter().map(|member| member.forward(inputs, wiring)), &self.lines, wiring)
    }

    fn open(&self, slots: usize) -> Result<Box<dyn Streams>> {
        let members = self.members.iter().map(|member| member.open(slots)).collect::<Result<_>>()?;
        Ok(Box::new(Opened { members, lines: Arc::clone(&self.lines) }))
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn receptive_field(&self) -> usize {
        self.members.iter().map(|member| member.receptive_field()).max().unwrap_or(1)
    }

    /// All periods are powers of two: the longest is a multiple of the others.
    fn period_ticks(&self) -> u64 {
        self.members.iter().map(|member| member.period_ticks()).max().unwrap_or(1)
    }
}

/// The same with what each remembers.
#[derive(Debug)]
struct Opened {
    members: Vec<Box<dyn Streams>>,
    lines: Arc<[Vec<LogitLine>]>,
}

impl Streams for Opened {
    fn step(&self, inputs: &Inputs, wiring: &Wiring, places: &Arc<Places>) -> Result<Tensor> {
        combine(self.members.iter().map(|member| member.step(inputs, wiring, places)), &self.lines, wiring)
    }

    fn clear(&self, slot: u32) -> Result<()> {
        self.members.iter().try_for_each(|member| member.clear(slot))
    }
}
