//! What a detector is told at its start: a TOML file, and flags that go before it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::keys::Rigs;
use crate::live::desk::Loop;
use crate::live::detector::IDLE_SECS;
use crate::live::session::Endpoints;
use crate::model::Model;
use crate::model::device::Choice;
use crate::skeleton::Skeleton;
use crate::stream::{Identities, Origin, StreamDescription, StreamError};
use crate::trigger::permit::Permit;
use crate::trigger::plan::Plan;

/// Bounds of the time after which a silent cage is closed, in seconds.
pub const IDLE_SECS_MIN: u64 = 3;
pub const IDLE_SECS_MAX: u64 = 3600;

/// Most inference threads.
pub const THREADS_MAX: usize = 64;

/// The settings in force: checked, with paths that are relative to the working directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub model: PathBuf,
    /// Label sets of which anything is told; of all where none is named.
    pub label_sets: Vec<String>,
    pub rig: Rigs,
    pub endpoints: Endpoints,
    pub journal: PathBuf,
    /// Folder of the last ticks of every cage.
    pub ticks: Option<PathBuf>,
    pub metrics: Option<SocketAddr>,
    pub idle: Duration,
    /// Inference threads.
    pub threads: usize,
    pub device: Choice,
    /// The plan of a closed loop, the permit of its rehearsal, and where its sessions keep their files.
    pub triggers: Option<PathBuf>,
    pub permit: Option<PathBuf>,
    pub sessions: PathBuf,
    /// What the rigs publish, as far as it is known before they do.
    pub stream: Option<StreamDescription>,
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Toml { path: PathBuf, source: toml::de::Error },
    #[error("{path}: {key}: expected {expected}, got {got}")]
    Value { path: PathBuf, key: &'static str, expected: String, got: String },
    #[error("{path}: stream: {source}")]
    Stream { path: PathBuf, source: StreamError },
}

/// As the file says it. Paths are relative to the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSettings {
    model: Option<PathBuf>,
    #[serde(default)]
    label_sets: Vec<String>,
    rig: Option<String>,
    #[serde(default)]
    listen: Vec<String>,
    #[serde(default)]
    connect: Vec<String>,
    journal: Option<PathBuf>,
    ticks: Option<PathBuf>,
    metrics: Option<String>,
    idle_secs: Option<u64>,
    threads: Option<usize>,
    #[serde(default)]
    device: Choice,
    triggers: Option<PathBuf>,
    permit: Option<PathBuf>,
    sessions: Option<PathBuf>,
    stream: Option<RawExpected>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpected {
    individuals: Vec<String>,
    rate_hz: f64,
    body_length_px: f64,
    #[serde(default)]
    identities: Identities,
    skeleton: Skeleton,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: "models/rat-dyads".into(),
            label_sets: Vec::new(),
            rig: Rigs::All,
            endpoints: Endpoints::default(),
            journal: "vibrissa-events.jsonl".into(),
            ticks: None,
            metrics: None,
            idle: Duration::from_secs(IDLE_SECS),
            threads: 1,
            device: Choice::Cpu,
            triggers: None,
            permit: None,
            sessions: "vibrissa-sessions".into(),
            stream: None,
        }
    }
}

impl Settings {
    /// Reads a file of settings; what it leaves out has its default.
    ///
    /// # Errors
    /// A file that cannot be read, unknown keys, and values out of their bounds; each with file and key.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let raw: RawSettings =
            toml::from_str(&text).map_err(|source| SettingsError::Toml { path: path.to_owned(), source })?;
        let value = |key, expected: &str, got: &dyn std::fmt::Display| SettingsError::Value {
            path: path.to_owned(),
            key,
            expected: expected.to_owned(),
            got: got.to_string(),
        };
        let here = |below: PathBuf| path.parent().unwrap_or(Path::new("")).join(below);
        let defaults = Self::default();
        let rig = match raw.rig {
            None => Rigs::All,
            Some(rig) => rig.parse().map_err(|_| value("rig", "a rig's name, or \"*\" for all", &rig))?,
        };
        let metrics = match raw.metrics {
            None => None,
            Some(text) => Some(parse_metrics(&text).map_err(|expected| value("metrics", expected, &text))?),
        };
        let idle_secs = raw.idle_secs.unwrap_or(IDLE_SECS);
        if !(IDLE_SECS_MIN..=IDLE_SECS_MAX).contains(&idle_secs) {
            let expected = format!("{IDLE_SECS_MIN} to {IDLE_SECS_MAX}");
            return Err(value("idle_secs", &expected, &idle_secs));
        }
        let threads = raw.threads.unwrap_or(defaults.threads);
        if !(1..=THREADS_MAX).contains(&threads) {
            return Err(value("threads", &format!("1 to {THREADS_MAX}"), &threads));
        }
        for (key, endpoints) in [("listen", &raw.listen), ("connect", &raw.connect)] {
            if let Some(bad) = endpoints.iter().find(|endpoint| endpoint.parse::<zenoh::config::EndPoint>().is_err()) {
                return Err(value(key, "an endpoint such as tcp/127.0.0.1:7447", bad));
            }
        }
        let stream = match raw.stream {
            None => None,
            Some(expected) => {
                let RawExpected { individuals, rate_hz, body_length_px, identities, skeleton } = expected;
                let stream = StreamDescription::new(skeleton, individuals, rate_hz, body_length_px, None, Origin::Live);
                let stream = stream.map_err(|source| SettingsError::Stream { path: path.to_owned(), source })?;
                Some(stream.with_identities(identities))
            }
        };
        Ok(Self {
            model: raw.model.map_or(defaults.model, here),
            label_sets: raw.label_sets,
            rig,
            endpoints: Endpoints { listen: raw.listen, connect: raw.connect },
            journal: raw.journal.map_or(defaults.journal, here),
            ticks: raw.ticks.map(here),
            metrics,
            idle: Duration::from_secs(idle_secs),
            threads,
            device: raw.device,
            triggers: raw.triggers.map(here),
            permit: raw.permit.map(here),
            sessions: raw.sessions.map_or(defaults.sessions, here),
            stream,
        })
    }

    /// The closed loop that is to be served, where a plan is named.
    ///
    /// # Errors
    /// A plan or a permit that cannot be read, and a plan for a rig that is not served.
    pub fn closed_loop(&self) -> anyhow::Result<Option<Loop>> {
        let Some(triggers) = &self.triggers else {
            anyhow::ensure!(self.permit.is_none(), "permit: expected a plan to trigger by, got none");
            return Ok(None);
        };
        let plan = Plan::read(triggers).with_context(|| triggers.display().to_string())?;
        if let Rigs::One(rig) = &self.rig {
            let (plan, file) = (&plan.rig, triggers.display());
            anyhow::ensure!(rig == plan, "{file}: rig: expected {rig}, which is served, got {plan}");
        }
        let permit = self.permit.as_deref().map(Permit::read).transpose()?;
        let program = std::env::current_exe().context("the path of this program, to start the guard")?;
        Ok(Some(Loop { plan: Arc::new(plan), folder: self.sessions.clone(), permit, program }))
    }

    /// What a model has to say against the streams that are expected.
    pub fn misfits(&self, model: &Model) -> Vec<String> {
        let mut misfits = Vec::new();
        let architecture = &model.card().architecture;
        if self.device != Choice::Cpu && !architecture.runs_anywhere() {
            let (device, system) = (self.device, architecture.system());
            misfits.push(format!("device: expected \"cpu\" for what has trees, as {system}, got \"{device}\""));
        }
        let Some(stream) = &self.stream else { return misfits };
        if let Err(unknown) = model.card().vocabulary.indices(stream.skeleton()) {
            misfits.push(format!("stream.skeleton: {unknown}"));
        }
        misfits
    }
}

/// An address for metrics: on this machine only.
pub fn parse_metrics(text: &str) -> Result<SocketAddr, &'static str> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => Err("an address with a port that is not 0, such as 127.0.0.1:9464"),
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("an address of this machine's loopback, such as 127.0.0.1:9464 (metrics have no access control)"),
        Err(_) => Err("an address and port such as 127.0.0.1:9464"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("detect.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read(&path)
    }

    #[test]
    fn the_shipped_settings_are_the_defaults_and_fit_the_shipped_model() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let settings = Settings::read(&root.join("configs/detect.toml")).unwrap();
        let model = Model::load(&settings.model).unwrap();
        assert_eq!(settings.misfits(&model), Vec::<String>::new());
        assert!(settings.stream.is_some() && settings.metrics.is_some());
    }

    #[test]
    fn what_is_wrong_is_named_with_file_key_expected_and_got() {
        for (text, expected) in [
            ("idle_secs = 1", "detect.toml: idle_secs: expected 3 to 3600, got 1"),
            ("device = \"gpu\"", "unknown variant `gpu`, expected `cpu` or `cuda`"),
            ("threads = 0", "detect.toml: threads: expected 1 to 64, got 0"),
            ("metrics = \"0.0.0.0:9464\"", "metrics: expected an address of this machine's loopback"),
            ("metrics = \"9464\"", "metrics: expected an address and port such as 127.0.0.1:9464, got 9464"),
            ("listen = [\"7447\"]", "listen: expected an endpoint such as tcp/127.0.0.1:7447, got 7447"),
            ("rig = \"a b\"", "rig: expected a rig's name"),
            ("jurnal = \"x\"", "unknown field `jurnal`"),
            ("idle_secs = \"x\"", "invalid type: string"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let missing = Settings::read(Path::new("nowhere/detect.toml")).unwrap_err().to_string();
        assert!(missing.starts_with("nowhere/detect.toml: "), "{missing}");
    }
}
