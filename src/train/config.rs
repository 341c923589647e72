//! The run configuration of a training: `configs/train.toml`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::model::architecture::{Architecture, ArchitectureError};
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
    /// Sizes of the new network; they go into the model's own card.
    #[serde(default)]
    pub architecture: Architecture,
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
    pub steps_per_epoch: u32,
    pub crops_per_step: u32,
    /// Ticks of a crop. The first of them have a short history, as an animal that was just put into its cage has.
    pub crop_ticks: u32,
    /// Share of crops that are drawn around a bout of an evenly chosen behavior rather than anywhere.
    pub rare_share: f64,
    /// Threads, each with its share of the crops of a step. The sum of their gradients is taken in a fixed order.
    pub threads: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs: 26,
            steps_per_epoch: 60,
            crops_per_step: 4,
            crop_ticks: 1024,
            rare_share: 0.5,
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

/// Chances are per crop.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    pub mirror_chance: f64,
    /// Sizes are multiplied by 1 ± this.
    pub scale_spread: f64,
    pub jitter_chance: f64,
    /// Largest standard deviation of positions, in body lengths.
    pub jitter_max: f64,
    /// Stretches, per animal and 1,000 ticks, in which one keypoint is lost.
    pub keypoint_losses: f64,
    /// Stretches, per animal and 1,000 ticks, in which the whole animal is lost.
    pub animal_losses: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            mirror_chance: 0.5,
            scale_spread: 0.1,
            jitter_chance: 0.5,
            jitter_max: 0.02,
            keypoint_losses: 4.0,
            animal_losses: 0.3,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("{key}: expected {expected}, got {got}")]
    Bound { key: &'static str, expected: String, got: String },
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
}

impl TrainConfig {
    /// # Errors
    /// Unknown keys, and values out of their bounds.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
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
        self.augmentation.check()?;
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
        within("schedule.steps_per_epoch", self.steps_per_epoch, 1.0, 1e4)?;
        within("schedule.crops_per_step", self.crops_per_step, 1.0, 1024.0)?;
        within("schedule.crop_ticks", self.crop_ticks, 64.0, 1e5)?;
        within("schedule.rare_share", self.rare_share, 0.0, 1.0)?;
        within("schedule.threads", self.threads, 1.0, 256.0)
    }
}

impl OptimiserConfig {
    fn check(&self) -> Result<(), ConfigError> {
        within("optimiser.learning_rate", self.learning_rate, 1e-9, 1.0)?;
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

impl Augmentation {
    fn check(&self) -> Result<(), ConfigError> {
        within("augmentation.mirror_chance", self.mirror_chance, 0.0, 1.0)?;
        within("augmentation.scale_spread", self.scale_spread, 0.0, 0.5)?;
        within("augmentation.jitter_chance", self.jitter_chance, 0.0, 1.0)?;
        within("augmentation.jitter_max", self.jitter_max, 0.0, 1.0)?;
        within("augmentation.keypoint_losses", self.keypoint_losses, 0.0, 1000.0)?;
        within("augmentation.animal_losses", self.animal_losses, 0.0, 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_out_of_bounds_is_named_with_its_key() {
        let text = "description = \"d.toml\"\n[optimiser]\ndrop_rate = 1.5";
        let error = TrainConfig::parse(text).unwrap_err().to_string();
        assert_eq!(error, "optimiser.drop_rate: expected 0 to 0.9, got 1.5");
        assert!(TrainConfig::parse("description = \"d.toml\"\nepochz = 3").is_err());
        assert!(TrainConfig::parse("").is_ok());
    }
}
