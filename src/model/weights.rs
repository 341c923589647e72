//! What a system has learned, as it is stored beside its card.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::blueprint::Blueprint;
use super::bundle::{Card, ModelError};
use super::ensemble::{self, Ensemble};
use super::forest::{self, Forest};
use super::heads::output_rows;
use super::network::Network;
use super::system::System;
use super::trust::LogitLine;
use super::variables::Variables;
use crate::behavior::Ethogram;

/// The weights of a network.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// Weights of more bytes than this are not read.
pub(super) const WEIGHTS_BYTES_MAX: u64 = 1 << 30;

/// What was learned: a network's tensors by name, or trees.
#[derive(Clone, Debug)]
pub enum Weights {
    Tensors(HashMap<String, Tensor>),
    Forest(Arc<Forest>),
    Ensemble(Arc<Ensemble>),
}

impl From<HashMap<String, Tensor>> for Weights {
    fn from(tensors: HashMap<String, Tensor>) -> Self {
        Self::Tensors(tensors)
    }
}

/// Tensors share their memory.
impl From<&HashMap<String, Tensor>> for Weights {
    fn from(tensors: &HashMap<String, Tensor>) -> Self {
        Self::Tensors(tensors.clone())
    }
}

impl From<&Self> for Weights {
    fn from(weights: &Self) -> Self {
        weights.clone()
    }
}

impl From<Forest> for Weights {
    fn from(forest: Forest) -> Self {
        Self::Forest(Arc::new(forest))
    }
}

impl From<Ensemble> for Weights {
    fn from(ensemble: Ensemble) -> Self {
        Self::Ensemble(Arc::new(ensemble))
    }
}

/// The file that a system's weights begin with.
fn file_of(blueprint: &Blueprint) -> &'static str {
    match blueprint {
        Blueprint::Hhstf(_) | Blueprint::Lstm(_) | Blueprint::Cnn(_) => WEIGHTS_FILE,
        Blueprint::Xgboost | Blueprint::XgboostPerBehavior => forest::INDEX_FILE,
        Blueprint::Ensemble(_) => ensemble::INDEX_FILE,
    }
}

pub(super) fn path_of(directory: &Path, blueprint: &Blueprint) -> PathBuf {
    directory.join(file_of(blueprint))
}

/// Sixteen hexadecimal digits.
fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

impl Weights {
    /// Those of a model directory, and the bytes that stand for them: trees lie in files of their own, whose hashes
    /// [`forest::INDEX_FILE`] holds.
    ///
    /// # Errors
    /// Unreadable files, and weights that are not those of the card.
    pub(super) fn read(directory: &Path, card: &Card) -> Result<(Self, Vec<u8>), ModelError> {
        let path = path_of(directory, &card.architecture);
        let size = std::fs::metadata(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?.len();
        if size > WEIGHTS_BYTES_MAX {
            return Err(ModelError::TooLarge { path, got: size });
        }
        let bytes = std::fs::read(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        if hash(&bytes) != card.weights_hash {
            let (expected, got) = (card.weights_hash.clone(), hash(&bytes));
            return Err(ModelError::Value { path, key: "weights_hash", expected, got });
        }
        let weights = match card.architecture {
            Blueprint::Hhstf(_) | Blueprint::Lstm(_) | Blueprint::Cnn(_) => {
                let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu);
                Self::Tensors(tensors.map_err(|source| ModelError::Weights { path, source })?)
            }
            Blueprint::Xgboost | Blueprint::XgboostPerBehavior => {
                Forest::read(directory, &bytes).map_err(|source| ModelError::Forest { path, source })?.into()
            }
            Blueprint::Ensemble(_) => {
                Ensemble::read(directory, &bytes).map_err(|source| ModelError::Ensemble { path, source })?.into()
            }
        };
        Ok((weights, bytes))
    }

    /// Writes them into a model directory, each file beside its place and then renamed; gives their hash.
    ///
    /// # Errors
    /// A disk that does not take them.
    pub(super) fn save(&self, directory: &Path) -> anyhow::Result<String> {
        match self {
            Self::Tensors(tensors) => {
                let within = || directory.display().to_string();
                let staged = directory.join(format!("{WEIGHTS_FILE}.partial"));
                candle_core::safetensors::save(tensors, &staged).with_context(within)?;
                let hash = hash(&std::fs::read(&staged).with_context(within)?);
                std::fs::rename(&staged, directory.join(WEIGHTS_FILE)).with_context(within)?;
                Ok(hash)
            }
            Self::Forest(forest) => Ok(hash(&forest.save(directory)?)),
            Self::Ensemble(ensemble) => Ok(hash(&ensemble.save(directory)?)),
        }
    }

    /// A network's tensors.
    ///
    /// # Errors
    /// Weights of another system.
    pub fn tensors(&self) -> anyhow::Result<&HashMap<String, Tensor>> {
        match self {
            Self::Tensors(tensors) => Ok(tensors),
            Self::Forest(_) => anyhow::bail!("expected the weights of a network, got trees"),
            Self::Ensemble(_) => anyhow::bail!("expected the weights of a network, got an ensemble"),
        }
    }

    /// The system that these weights make of a blueprint.
    ///
    /// # Errors
    /// Weights of another system, and what the device says.
    pub fn system(
        &self,
        blueprint: &Blueprint,
        vocabulary: usize,
        ethogram: &Ethogram,
        delays: usize,
        device: &Device,
    ) -> candle_core::Result<Arc<dyn System>> {
        match self {
            Self::Tensors(tensors) => {
                let vb = VarBuilder::from_tensors(tensors.clone(), DType::F32, device);
                Ok(Arc::new(Network::new(blueprint, vocabulary, ethogram, delays, &vb)?))
            }
            Self::Forest(_) if !device.is_cpu() => {
                candle_core::bail!("expected the device \"cpu\" for trees, got another one")
            }
            Self::Forest(forest) => {
                forest.check(blueprint, vocabulary, ethogram, delays)?;
                Ok(Arc::clone(forest) as Arc<dyn System>)
            }
            Self::Ensemble(ensemble) => Ok(Arc::new(ensemble.system(device)?)),
        }
    }

    /// Puts calibrations, by delay and behavior, into what answers: logits become `slope · logit + offset`.
    ///
    /// # Errors
    /// Weights without the outputs that the ethogram has.
    pub fn calibrate(&mut self, ethogram: &Ethogram, calibrations: &[Vec<LogitLine>]) -> anyhow::Result<()> {
        match self {
            Self::Tensors(tensors) => calibrate_tensors(tensors, ethogram, calibrations),
            Self::Forest(forest) => Arc::make_mut(forest).calibrate(calibrations),
            Self::Ensemble(ensemble) => Arc::make_mut(ensemble).calibrate(calibrations),
        }
    }

    /// Refuses tensors that are not finite, those beyond what the card's network is made of, and members of another card.
    pub(super) fn check(&self, card: &Card, ethogram: &Ethogram, path: &Path) -> Result<(), ModelError> {
        let tensors = match self {
            Self::Tensors(tensors) => tensors,
            Self::Forest(_) => return Ok(()),
            Self::Ensemble(ensemble) => {
                let path = path.to_path_buf();
                return ensemble.check_card(card).map_err(|source| ModelError::Ensemble { path, source });
            }
        };
        let misfit = |source| ModelError::Weights { path: path.to_path_buf(), source };
        let value = |expected, got| ModelError::Value { path: path.to_path_buf(), key: "weights", expected, got };
        for (name, tensor) in tensors {
            let sum =
                tensor.to_dtype(DType::F32).and_then(|t| t.abs()?.sum_all()?.to_scalar::<f32>()).map_err(misfit)?;
            if !sum.is_finite() {
                return Err(value("finite numbers".to_owned(), format!("{name} with NaN or infinity")));
            }
        }
        let expected = expected_tensors(card, ethogram).map_err(misfit)?;
        if let Some(surplus) = tensors.keys().find(|name| !expected.contains(*name)) {
            return Err(value(format!("{} tensors", expected.len()), format!("a tensor {surplus} beyond them")));
        }
        Ok(())
    }
}

/// Names of the tensors that this card's network is made of.
fn expected_tensors(card: &Card, ethogram: &Ethogram) -> candle_core::Result<HashSet<String>> {
    let variables = Variables::new(0);
    let (vb, delays) = (variables.builder(&Device::Cpu), card.delays_ticks.len());
    Network::new(&card.architecture, card.vocabulary.0.len(), ethogram, delays, &vb)?;
    Ok(variables.all().into_iter().map(|(name, _)| name).collect())
}

/// Puts slopes and offsets into the last layers. A pair's logit is the mean of both orders, which a slope and an offset
/// on both change alike.
fn calibrate_tensors(
    tensors: &mut HashMap<String, Tensor>,
    ethogram: &Ethogram,
    calibrations: &[Vec<LogitLine>],
) -> anyhow::Result<()> {
    let rows = output_rows(ethogram, calibrations.len());
    let mut layers: HashMap<String, Vec<f32>> = HashMap::new();
    for (row, calibration) in rows.iter().flatten().zip(calibrations.iter().flatten()) {
        for (name, is_bias) in [(&row.weight, false), (&row.bias, true)] {
            let stored = tensors.get(name).with_context(|| format!("expected weights with {name}, got none"))?;
            let width = stored.elem_count() / stored.dim(0)?;
            let values = match layers.entry(name.clone()) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => entry.insert(stored.flatten_all()?.to_vec1()?),
            };
            for value in &mut values[row.row * width..(row.row + 1) * width] {
                let offset = if is_bias { calibration.offset } else { 0.0 };
                *value = calibration.slope.mul_add(f64::from(*value), offset) as f32;
            }
        }
    }
    for (name, values) in layers {
        let shape = tensors[&name].shape().clone();
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?);
    }
    Ok(())
}
