//! Recordings that are named on a command line, and what their files do not say.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::corpus::sidecar::{Sidecar, resolve};
use crate::corpus::{Recording, deeplabcut};
use crate::model::Model;
use crate::skeleton::Skeleton;

/// Facts that a pose file does not state. Each flag goes before the TOML beside the recording (`NAME.toml` with
/// `rate_hz`, `body_length_px`, `skeleton` and `individuals`), and that before the model's own values, which are taken
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
}

impl Facts {
    /// Reads a recording; what had to be assumed is said on standard error.
    pub fn read(&self, path: &Path, model: &Model) -> anyhow::Result<Recording> {
        let raw = deeplabcut::read(path, model.card().confidence_min)?;
        let skeleton = match &self.skeleton {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                Some(toml::from_str::<Skeleton>(&text).with_context(|| path.display().to_string())?)
            }
        };
        let flags = Sidecar { rate_hz: self.rate_hz, body_length_px: self.body_length_px, skeleton, individuals: None };
        let (recording, warnings) = resolve(raw, Sidecar::beside(path)?, flags, &model.card().defaults)?;
        for warning in warnings {
            eprintln!("warning: {warning}");
        }
        Ok(recording)
    }
}
