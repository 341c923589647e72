//! Where a run stands, so that `--resume` goes on as if it had never stopped.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::hard::HardBins;
use super::loss::ClassWeights;
use super::optimiser::Optimiser;

const FOLDER: &str = "checkpoint";
const TENSORS_FILE: &str = "tensors.safetensors";
const BEST_FILE: &str = "best.safetensors";
const STATE_FILE: &str = "state.json";

/// All of a run's state but its tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Of configuration, recordings and labels.
    pub fingerprint: String,
    pub epochs_done: u32,
    pub steps_done: u32,
    pub class_weights: ClassWeights,
    pub hard: HardBins,
    /// Epoch and validation score of the best weights so far.
    pub best_epoch: u32,
    pub best_score: f64,
    /// What came of every epoch so far.
    pub epochs: Vec<EpochLog>,
}

/// What came of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochLog {
    /// The first is 1.
    pub number: u32,
    /// Means over its steps; 0 where there were none. The gradient's norm is that before clipping.
    pub loss: f64,
    pub gradient_norm: f64,
    /// Of its last step.
    pub learning_rate: f64,
    /// Lab-averaged frame F1 on validation, by delay.
    pub validation_f1: Vec<f64>,
}

/// The checkpoint folder of a model directory.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    folder: PathBuf,
}

impl Checkpoint {
    pub fn of(model_directory: &Path) -> Self {
        Self { folder: model_directory.join(FOLDER) }
    }

    /// Whether there is anything to resume.
    pub fn exists(&self) -> bool {
        self.folder.join(STATE_FILE).exists()
    }

    /// Removes all that could be resumed.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| self.folder.display().to_string())
            }
            _ => Ok(()),
        }
    }

    /// Writes the state last, and everything under another name first: an interrupted save leaves the previous one.
    pub fn save(&self, state: &RunState, optimiser: &Optimiser, best: &HashMap<String, Tensor>) -> anyhow::Result<()> {
        let within = || self.folder.display().to_string();
        std::fs::create_dir_all(&self.folder).with_context(within)?;
        let name = |file: &str| self.folder.join(format!("{}-{file}", state.steps_done));
        candle_core::safetensors::save(&optimiser.tensors()?, name(TENSORS_FILE)).with_context(within)?;
        candle_core::safetensors::save(best, name(BEST_FILE)).with_context(within)?;
        let staged = self.folder.join(format!("{STATE_FILE}.partial"));
        std::fs::write(&staged, serde_json::to_vec_pretty(state)?).with_context(within)?;
        std::fs::rename(&staged, self.folder.join(STATE_FILE)).with_context(within)?;
        self.remove_others(state.steps_done)
    }

    /// The last state, with the optimiser put where it was, and the best weights.
    ///
    /// # Errors
    /// No checkpoint, one that cannot be read, and one of another run than `fingerprint`.
    pub fn load(
        &self,
        optimiser: &mut Optimiser,
        fingerprint: &str,
    ) -> anyhow::Result<(RunState, HashMap<String, Tensor>)> {
        let path = self.folder.join(STATE_FILE);
        let text = std::fs::read(&path).with_context(|| format!("{}: nothing to resume", path.display()))?;
        let state: RunState = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
        anyhow::ensure!(
            state.fingerprint == fingerprint,
            "{}: expected the checkpoint of this configuration, corpus and seed ({fingerprint}), got another ({})",
            path.display(),
            state.fingerprint
        );
        let read = |file: &str| {
            let path = self.folder.join(format!("{}-{file}", state.steps_done));
            candle_core::safetensors::load(&path, &Device::Cpu).with_context(|| path.display().to_string())
        };
        optimiser.restore(&read(TENSORS_FILE)?, state.steps_done)?;
        let best = read(BEST_FILE)?;
        Ok((state, best))
    }

    fn remove_others(&self, steps_done: u32) -> anyhow::Result<()> {
        let (keep, state) = (format!("{steps_done}-"), STATE_FILE.to_owned());
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with(&keep) && name != state {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}
