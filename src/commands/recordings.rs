//! Recordings that are named on a command line, and what their files do not say.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::corpus::Recording;
use crate::corpus::poses::deeplabcut_csv::CONFIDENCE_MIN;
use crate::corpus::poses::{self, prefixes};
use crate::corpus::recording::name_of;
use crate::corpus::sidecar::{Sidecar, describe, resolve};
use crate::model::Model;
use crate::skeleton::Skeleton;
use crate::stream::StreamDefaults;

/// Facts that a pose file does not state. Each flag goes before the TOML beside the recording (`NAME.toml` with
/// `rate_hz`, `body_length_px`, `skeleton`, `individuals`, `individual_prefixes`), and that before the model's own values, which are taken
/// with a warning.
#[derive(Clone, Debug, clap::Args)]
pub struct Facts {
    /// Frames per second of the recording.
    #[arg(long, value_name = "HZ")]
    rate_hz: Option<f64>,
    /// Pixels in one nominal body length (head to tail base).
    #[arg(long, value_name = "PX")]
    body_length_px: Option<f64>,
    /// A TOML file with the skeleton of the recording.
    #[arg(long, value_name = "FILE")]
    skeleton: Option<PathBuf>,
    /// What the keypoints of each individual begin with, in a table that knows one animal only (`B_,W_`).
    #[arg(long, value_delimiter = ',', value_name = "PREFIX")]
    prefixes: Vec<String>,
}

impl Facts {
    /// Reads the only recording of a file; what had to be assumed is said on standard error.
    pub fn read(&self, path: &Path, model: &Model) -> anyhow::Result<Recording> {
        one(path, self.read_all(path, model)?)
    }

    /// As [`Facts::read`], with nothing assumed.
    pub fn read_stated(&self, path: &Path) -> anyhow::Result<Recording> {
        one(path, self.all(path, CONFIDENCE_MIN, None)?)
    }

    /// Reads all recordings of a file, as logs and CalMS21 files hold several. The only one is called like the file,
    /// several are called like it and themselves.
    pub fn read_all(&self, path: &Path, model: &Model) -> anyhow::Result<Vec<Recording>> {
        self.all(path, model.card().confidence_min, Some(&model.card().defaults))
    }

    fn all(
        &self,
        path: &Path,
        confidence_min: f32,
        defaults: Option<&StreamDefaults>,
    ) -> anyhow::Result<Vec<Recording>> {
        let flags = self.flags()?;
        let beside = Sidecar::beside(path)?;
        let prefixes = flags.individual_prefixes.as_ref().or(beside.individual_prefixes.as_ref()).cloned();
        let all = poses::read(path, confidence_min)?;
        let several = all.len() > 1;
        let mut recordings = Vec::with_capacity(all.len());
        for mut raw in all {
            raw.name = if several { format!("{}_{}", name_of(path), raw.name) } else { name_of(path) };
            for repair in &raw.repairs {
                eprintln!("repaired: {}: {repair}", path.display());
            }
            if let Some(prefixes) = &prefixes {
                raw = prefixes::split_prefixed(raw, prefixes)?;
            }
            let Some(defaults) = defaults else {
                recordings.push(describe(raw, flags.clone().or(beside.clone()))?);
                continue;
            };
            let (recording, warnings) = resolve(raw, beside.clone(), flags.clone(), defaults)?;
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
            recordings.push(recording);
        }
        Ok(recordings)
    }

    /// The prefixes that were asked for.
    pub fn prefixes(&self) -> Option<&[String]> {
        Some(self.prefixes.as_slice()).filter(|prefixes| !prefixes.is_empty())
    }

    fn flags(&self) -> anyhow::Result<Sidecar> {
        let skeleton = match &self.skeleton {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                Some(toml::from_str::<Skeleton>(&text).with_context(|| path.display().to_string())?)
            }
        };
        Ok(Sidecar {
            rate_hz: self.rate_hz,
            body_length_px: self.body_length_px,
            skeleton,
            individual_prefixes: (!self.prefixes.is_empty()).then(|| self.prefixes.clone()),
            ..Sidecar::default()
        })
    }
}

fn one(path: &Path, mut all: Vec<Recording>) -> anyhow::Result<Recording> {
    match (all.pop(), all.len()) {
        (Some(one), 0) => Ok(one),
        (last, more) => {
            let got = more + usize::from(last.is_some());
            anyhow::bail!("{}: expected one recording, got {got}", path.display())
        }
    }
}
