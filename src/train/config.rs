//! The run configuration of a training: `configs/train.toml`.

use std::path::PathBuf;

use serde::Deserialize;

pub use super::augment::config::Augmentation;
use crate::model::architecture::ArchitectureError;
use crate::model::blueprint::{Blueprint, SystemName};
use crate::time::{DelayTicks, WINDOW_TICKS};

/// How a model is trained. Every key has the default given at its field's [`Default`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// What the files of a corpus cannot say, relative to this file; a corpus in the layout of `MABe` needs none.
    #[serde(default)]
    pub description: Option<PathBuf>,
    #[serde(default)]
    pub schedule: Schedule,
    #[serde(default)]
    pub optimiser: OptimiserConfig,
    #[serde(default)]
    pub loss: LossConfig,
    #[serde(default)]
    pub augmentation: Augmentation,
    /// Of trees; networks do not look at it, and trees look at seed and threads of the schedule only.
    #[serde(default)]
    pub boosting: Boosting,
    /// Of a training that starts from another model; any other does not look at it.
    #[serde(default)]
    pub adaptation: Adaptation,
    /// Stop after so many epochs of the schedule, as Ctrl-C would; `--resume` goes on from there.
    #[serde(default)]
    pub stop_after_epochs: Option<u32>,
    /// Decision delays of the heads, ascending.
    #[serde(default = "default_delays")]
    pub delays_ticks: Vec<DelayTicks>,
    /// Bouts of a behavior on validation under which no rule is fitted and it is never told: a threshold by so few of them
    /// is chance.
    #[serde(default = "default_bouts_min")]
    pub bouts_min: usize,
    /// Which system to train, and its sizes; they go into the model's own card.
    #[serde(default)]
    pub architecture: Blueprint,
    /// What the file itself says, and what has its default.
    #[serde(skip)]
    stated: Stated,
}

/// Whether the text of a configuration has these keys: what it leaves out, a model to start from decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stated {
    architecture: bool,
    delays: bool,
}

fn default_delays() -> Vec<DelayTicks> {
    [0, 15, 30, 60].map(DelayTicks).to_vec()
}

fn default_bouts_min() -> usize {
    10
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    pub seed: u64,
    pub epochs: u32,
    /// Stop when so many epochs brought no better score on validation; 0 goes on to the end.
    pub patience_epochs: u32,
    pub steps_per_epoch: u32,
    pub crops_per_step: u32,
    /// Ticks of a crop. The first of them have a short history, as an animal that was just put into its cage has.
    pub crop_ticks: u32,
    /// Share of crops that are drawn around a bout of an evenly chosen behavior, see [`super::sampler`].
    pub rare_share: f64,
    /// Share of crops that begin shortly before a bout, so that its onset has a short history.
    pub short_share: f64,
    /// Share of crops that are drawn where the loss was high lately. What these three leave is drawn anywhere labelled.
    pub hard_share: f64,
    /// Threads, each with its share of the crops of a step. The sum of their gradients is taken in a fixed order.
    pub threads: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs: 26,
            patience_epochs: 0,
            steps_per_epoch: 60,
            crops_per_step: 4,
            crop_ticks: 1024,
            rare_share: 0.5,
            short_share: 0.1,
            hard_share: 0.0,
            threads: 2,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserConfig {
    pub learning_rate: f64,
    /// Of weights of two and more dimensions; norms, scales and biases are left free.
    pub weight_decay: f64,
    pub warmup_steps: u32,
    /// The last step's learning rate, as a share of the peak.
    pub floor_share: f64,
    pub gradient_norm_max: f64,
    pub ema_decay: f64,
    pub drop_rate: f32,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            learning_rate: 6e-4,
            weight_decay: 0.05,
            warmup_steps: 80,
            floor_share: 0.02,
            gradient_norm_max: 1.0,
            ema_decay: 0.998,
            drop_rate: 0.2,
        }
    }
}

/// See [`super::loss`] for the formula.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    pub focal_gamma: f64,
    pub rarity_power: f64,
    pub difficulty: f64,
    pub class_weight_max: f64,
    /// Ticks soon after the beginning of a crop, where histories are short, weigh up to this much more, see
    /// [`super::loss::short_history_weight`].
    pub short_history_gain: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { focal_gamma: 1.0, rarity_power: 0.5, difficulty: 1.0, class_weight_max: 10.0, short_history_gain: 4.0 }
    }
}

/// How trees are boosted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Boosting {
    /// Most trees of each output.
    pub rounds: u32,
    /// Stop when so many rounds brought no better log loss on validation; 0 goes on to the end.
    pub patience_rounds: u32,
    pub depth: u32,
    pub learning_rate: f64,
    /// Rows that each tree is grown of, and columns.
    pub rows_share: f64,
    pub columns_share: f64,
    /// Least sum of p · (1 − p) in a leaf.
    pub child_weight_min: f64,
    /// Bins into which a column is cut.
    pub bins: u32,
    /// Most labelled rows of pairs, and of animals, about: ticks are left out evenly.
    pub rows_max: u32,
}

impl Default for Boosting {
    fn default() -> Self {
        Self {
            rounds: 200,
            patience_rounds: 30,
            depth: 5,
            learning_rate: 0.08,
            rows_share: 0.5,
            columns_share: 0.3,
            child_weight_min: 10.0,
            bins: 64,
            rows_max: 150_000,
        }
    }
}

/// How a model takes in a new corpus without forgetting what it knows, see [`super::adaptation`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adaptation {
    /// Epochs at the beginning in which only heads and embeddings of new body parts move: a head that knows nothing yet
    /// would drag the rest along.
    pub heads_epochs: u32,
    /// What everything else is given of the learning rate afterwards.
    pub backbone_rate: f64,
    /// Weight of what the model said before about behaviors that nobody labelled, see [`super::loss`]; 0 forgets freely.
    pub retention: f64,
}

impl Default for Adaptation {
    fn default() -> Self {
        Self { heads_epochs: 2, backbone_rate: 0.3, retention: 1.0 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("{key}: expected {expected}, got {got}")]
    Bound { key: &'static str, expected: String, got: String },
    #[error("{key}: expected that of the model to start from ({expected}) or none, got another ({got})")]
    Donor { key: &'static str, expected: String, got: String },
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
}

impl TrainConfig {
    /// # Errors
    /// Unknown keys, and values out of their bounds.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text)?;
        let table: toml::Table = toml::from_str(text)?;
        let states = |key| table.contains_key(key);
        config.stated = Stated { architecture: states("architecture"), delays: states("delays_ticks") };
        config.check()?;
        Ok(config)
    }

    /// Trains this system: with the sizes of the configuration where they are of it, else with its usual ones.
    pub fn choose(&mut self, system: SystemName) {
        if self.architecture.system() != system {
            self.architecture = Blueprint::of(system);
            self.stated.architecture = true;
        }
    }

    /// Takes over sizes and delays of the network to start from.
    ///
    /// # Errors
    /// A configuration whose text asks for others, and a crop that is too short for these delays.
    pub fn start_from(&mut self, architecture: &Blueprint, delays: &[DelayTicks]) -> Result<(), ConfigError> {
        if self.stated.architecture && self.architecture != *architecture {
            let (expected, got) = (format!("{architecture:?}"), format!("{:?}", self.architecture));
            return Err(ConfigError::Donor { key: "architecture", expected, got });
        }
        if self.stated.delays && self.delays_ticks != delays {
            let list = |delays: &[DelayTicks]| format!("{:?}", delays.iter().map(|delay| delay.0).collect::<Vec<_>>());
            let (expected, got) = (list(delays), list(&self.delays_ticks));
            return Err(ConfigError::Donor { key: "delays_ticks", expected, got });
        }
        self.architecture = architecture.clone();
        self.delays_ticks = delays.to_vec();
        self.check()
    }

    /// # Errors
    /// Values out of their bounds.
    pub fn check(&self) -> Result<(), ConfigError> {
        let delays = &self.delays_ticks;
        let shortest = WINDOW_TICKS.min(self.schedule.crop_ticks as usize);
        let fit = delays.iter().all(|delay| (delay.0 as usize) < shortest);
        if delays.is_empty() || !fit || delays.windows(2).any(|pair| pair[0] >= pair[1]) {
            let expected = format!("ascending and under {shortest} ticks (a crop, and {WINDOW_TICKS})");
            return Err(ConfigError::Bound { key: "delays_ticks", expected, got: format!("{delays:?}") });
        }
        self.schedule.check()?;
        self.optimiser.check()?;
        self.loss.check()?;
        self.boosting.check()?;
        self.adaptation.check()?;
        self.augmentation.check(within)?;
        if let Blueprint::Ensemble(_) = self.architecture {
            let expected = "a system that is trained".to_owned();
            return Err(ConfigError::Bound { key: "architecture.system", expected, got: "ensemble".into() });
        }
        Ok(self.architecture.check()?)
    }
}

fn within(key: &'static str, got: impl Into<f64>, min: f64, max: f64) -> Result<(), ConfigError> {
    let got = got.into();
    if (min..=max).contains(&got) {
        return Ok(());
    }
    Err(ConfigError::Bound { key, expected: format!("{min} to {max}"), got: got.to_string() })
}

impl Schedule {
    fn check(&self) -> Result<(), ConfigError> {
        within("schedule.epochs", self.epochs, 1.0, 1e5)?;
        within("schedule.patience_epochs", self.patience_epochs, 0.0, 1e5)?;
        within("schedule.steps_per_epoch", self.steps_per_epoch, 1.0, 1e4)?;
        within("schedule.crops_per_step", self.crops_per_step, 1.0, 1024.0)?;
        within("schedule.crop_ticks", self.crop_ticks, 64.0, 1e5)?;
        within("schedule.rare_share", self.rare_share, 0.0, 1.0)?;
        within("schedule.short_share", self.short_share, 0.0, 1.0)?;
        within("schedule.hard_share", self.hard_share, 0.0, 1.0)?;
        // Shares that make up the whole in decimals need not quite do so in binary.
        let sum = self.rare_share + self.short_share + self.hard_share;
        within("schedule.rare_share + short_share + hard_share", (sum * 1e9).round() / 1e9, 0.0, 1.0)?;
        within("schedule.threads", self.threads, 1.0, 256.0)
    }
}

impl OptimiserConfig {
    fn check(&self) -> Result<(), ConfigError> {
        within("optimiser.learning_rate", self.learning_rate, 1e-9, 1.0)?;
        within("optimiser.warmup_steps", self.warmup_steps, 0.0, 1e7)?;
        within("optimiser.weight_decay", self.weight_decay, 0.0, 1.0)?;
        within("optimiser.floor_share", self.floor_share, 0.0, 1.0)?;
        within("optimiser.gradient_norm_max", self.gradient_norm_max, 1e-9, 1e9)?;
        within("optimiser.ema_decay", self.ema_decay, 0.0, 1.0)?;
        within("optimiser.drop_rate", self.drop_rate, 0.0, 0.9)
    }
}

impl LossConfig {
    fn check(&self) -> Result<(), ConfigError> {
        // Between 0 and 1 the loss has no finite slope where a cell is certain.
        if self.focal_gamma != 0.0 {
            within("loss.focal_gamma (unless 0)", self.focal_gamma, 1.0, 10.0)?;
        }
        within("loss.rarity_power", self.rarity_power, 0.0, 1.0)?;
        within("loss.difficulty", self.difficulty, 0.0, 100.0)?;
        within("loss.class_weight_max", self.class_weight_max, 1.0, 1e6)?;
        within("loss.short_history_gain", self.short_history_gain, 0.0, 100.0)
    }
}

impl Boosting {
    fn check(&self) -> Result<(), ConfigError> {
        within("boosting.rounds", self.rounds, 1.0, 1e5)?;
        within("boosting.patience_rounds", self.patience_rounds, 0.0, 1e5)?;
        within("boosting.depth", self.depth, 1.0, 16.0)?;
        within("boosting.learning_rate", self.learning_rate, 1e-6, 1.0)?;
        within("boosting.rows_share", self.rows_share, 1e-3, 1.0)?;
        within("boosting.columns_share", self.columns_share, 1e-3, 1.0)?;
        within("boosting.child_weight_min", self.child_weight_min, 0.0, 1e9)?;
        within("boosting.bins", self.bins, 2.0, 1024.0)?;
        within("boosting.rows_max", self.rows_max, 100.0, 1e8)
    }
}

impl Adaptation {
    fn check(&self) -> Result<(), ConfigError> {
        within("adaptation.heads_epochs", self.heads_epochs, 0.0, 1e5)?;
        within("adaptation.backbone_rate", self.backbone_rate, 0.0, 1.0)?;
        within("adaptation.retention", self.retention, 0.0, 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::architecture::Architecture;

    #[test]
    fn a_value_out_of_bounds_is_named_with_its_key() {
        let text = "description = \"d.toml\"\n[optimiser]\ndrop_rate = 1.5";
        let error = TrainConfig::parse(text).unwrap_err().to_string();
        assert_eq!(error, "optimiser.drop_rate: expected 0 to 0.9, got 1.5");
        let error = TrainConfig::parse("[schedule]\nrare_share = 0.5\nhard_share = 0.75").unwrap_err().to_string();
        assert_eq!(error, "schedule.rare_share + short_share + hard_share: expected 0 to 1, got 1.35");
        assert!(TrainConfig::parse("[schedule]\nrare_share = 0.6\nshort_share = 0.1\nhard_share = 0.3").is_ok());
        assert!(TrainConfig::parse("description = \"d.toml\"\nepochz = 3").is_err());
        assert!(TrainConfig::parse("").is_ok());
    }

    #[test]
    fn what_a_configuration_leaves_out_is_that_of_the_model_to_start_from() {
        let theirs: Blueprint = Architecture { channels: 128, ..Architecture::default() }.into();
        let delays = [0, 30].map(DelayTicks);
        let mut config = TrainConfig::parse("").unwrap();
        config.start_from(&theirs, &delays).unwrap();
        assert_eq!((&config.architecture, &config.delays_ticks[..]), (&theirs, &delays[..]));

        let mut config = TrainConfig::parse("delays_ticks = [0, 15]").unwrap();
        let error = config.start_from(&theirs, &delays).unwrap_err().to_string();
        assert_eq!(
            error,
            "delays_ticks: expected that of the model to start from ([0, 30]) or none, got another ([0, 15])"
        );
        assert!(config.start_from(&theirs, &[0, 15].map(DelayTicks)).is_ok());

        let text =
            toml::to_string(&std::collections::BTreeMap::from([("architecture", Architecture::default())])).unwrap();
        let mut config = TrainConfig::parse(&text).unwrap();
        assert!(config.start_from(&theirs, &delays).unwrap_err().to_string().starts_with("architecture: expected"));
        assert!(config.start_from(&Blueprint::default(), &delays).is_ok());
    }
}
