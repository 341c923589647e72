//! The run configuration of a training: `configs/train.toml`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::model::architecture::{Architecture, ArchitectureError};
use crate::time::{DelayTicks, WINDOW_TICKS};

/// How a model is trained. Every key has the default given at its field's [`Default`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// What the corpus's files cannot say, relative to this file.
    pub description: PathBuf,
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
    /// Sizes of the new network; they go into the model's own card.
    #[serde(default)]
    pub architecture: Architecture,
}

fn default_delays() -> Vec<DelayTicks> {
    [0, 15, 30, 60].map(DelayTicks).to_vec()
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
            epochs: 40,
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
            learning_rate: 2e-3,
            weight_decay: 0.05,
            warmup_steps: 120,
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
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { focal_gamma: 1.0, rarity_power: 0.5, difficulty: 1.0, class_weight_max: 10.0 }
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
    Bound { key: &'static str, expected: &'static str, got: String },
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

    fn check(&self) -> Result<(), ConfigError> {
        let Self { schedule, optimiser, loss, augmentation, delays_ticks, .. } = self;
        let crop = schedule.crop_ticks as usize;
        let delays_fit = delays_ticks.iter().all(|delay| (delay.0 as usize) < WINDOW_TICKS.min(crop));
        let chance = |value: f64| (0.0..=1.0).contains(&value);
        let bounds: [(&'static str, &'static str, bool, String); 18] = [
            ("schedule.epochs", "1 to 100000", (1..=100_000).contains(&schedule.epochs), schedule.epochs.to_string()),
            (
                "schedule.steps_per_epoch",
                "1 to 100000",
                (1..=100_000).contains(&schedule.steps_per_epoch),
                schedule.steps_per_epoch.to_string(),
            ),
            (
                "schedule.crops_per_step",
                "1 to 1024",
                (1..=1024).contains(&schedule.crops_per_step),
                schedule.crops_per_step.to_string(),
            ),
            ("schedule.crop_ticks", "64 to 100000", (64..=100_000).contains(&crop), crop.to_string()),
            ("schedule.rare_share", "0 to 1", chance(schedule.rare_share), schedule.rare_share.to_string()),
            ("schedule.threads", "1 to 256", (1..=256).contains(&schedule.threads), schedule.threads.to_string()),
            (
                "optimiser.learning_rate",
                "above 0 to 1",
                optimiser.learning_rate > 0.0 && optimiser.learning_rate <= 1.0,
                optimiser.learning_rate.to_string(),
            ),
            ("optimiser.weight_decay", "0 to 1", chance(optimiser.weight_decay), optimiser.weight_decay.to_string()),
            ("optimiser.floor_share", "0 to 1", chance(optimiser.floor_share), optimiser.floor_share.to_string()),
            (
                "optimiser.gradient_norm_max",
                "above 0",
                optimiser.gradient_norm_max > 0.0,
                optimiser.gradient_norm_max.to_string(),
            ),
            ("optimiser.ema_decay", "0 to 1", chance(optimiser.ema_decay), optimiser.ema_decay.to_string()),
            (
                "optimiser.drop_rate",
                "0 to under 1",
                (0.0..1.0).contains(&optimiser.drop_rate),
                optimiser.drop_rate.to_string(),
            ),
            // Between 0 and 1 the loss has no finite slope where a cell is certain.
            (
                "loss.focal_gamma",
                "0, or 1 to 10",
                loss.focal_gamma == 0.0 || (1.0..=10.0).contains(&loss.focal_gamma),
                loss.focal_gamma.to_string(),
            ),
            ("loss.rarity_power", "0 to 1", chance(loss.rarity_power), loss.rarity_power.to_string()),
            ("loss.difficulty", "0 to 100", (0.0..=100.0).contains(&loss.difficulty), loss.difficulty.to_string()),
            ("loss.class_weight_max", "at least 1", loss.class_weight_max >= 1.0, loss.class_weight_max.to_string()),
            (
                "augmentation.scale_spread",
                "0 to 0.5",
                (0.0..=0.5).contains(&augmentation.scale_spread),
                augmentation.scale_spread.to_string(),
            ),
            (
                "delays_ticks",
                "ascending, shorter than a crop and than 512",
                !delays_ticks.is_empty() && delays_fit && delays_ticks.windows(2).all(|pair| pair[0] < pair[1]),
                format!("{delays_ticks:?}"),
            ),
        ];
        for (key, expected, holds, got) in bounds {
            if !holds {
                return Err(ConfigError::Bound { key, expected, got });
            }
        }
        Ok(self.architecture.check()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_out_of_bounds_is_named_with_its_key() {
        let text = "description = \"d.toml\"\n[optimiser]\ndrop_rate = 1.5";
        let error = TrainConfig::parse(text).unwrap_err().to_string();
        assert_eq!(error, "optimiser.drop_rate: expected 0 to under 1, got 1.5");
        assert!(TrainConfig::parse("description = \"d.toml\"\nepochz = 3").is_err());
        assert!(TrainConfig::parse("description = \"d.toml\"").is_ok());
    }
}
