//! What alters crops, how often and how much.

use serde::Deserialize;

/// Fewest ticks of a swap: trackers that notice at once do not report it.
pub(super) const SWAP_TICKS_MIN: u32 = 5;

/// What is done to a crop, see [`super::augment`]. Chances are per crop, and a tick is 1/30 s.
///
/// By default about half of the crops are nearly clean: mirrored, scaled, stretched in time and slightly jittered at
/// most. Each of the others ([`Self::faulty_chance`]) is what a poor tracker would have given, with some three of
/// the ten kinds of faults at once: faults come together, and a network must not forget what good poses look like.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Default 0.5.
    pub mirror_chance: f64,
    /// Sizes are multiplied by 1 ± this. Default 0.1.
    pub scale_spread: f64,
    /// Default 0.5.
    pub stretch_chance: f64,
    /// Everything happens up to 1 + this times as fast or as slow. Default 0.15.
    pub stretch_spread: f64,
    /// Default 0.5.
    pub jitter_chance: f64,
    /// Largest standard deviation of positions from tick to tick, in body lengths. Default 0.02.
    pub jitter_max: f64,
    /// Chance that a crop has any of the faults below; their own chances are those in such a crop. Default 0.5.
    pub faulty_chance: f64,
    /// Default 0.3.
    pub outlier_chance: f64,
    /// Jumps of one keypoint, per animal and 1,000 ticks. Default 4.
    pub outliers: f64,
    /// Furthest that a keypoint jumps, in body lengths, unless onto another animal. Default 2.
    pub outlier_max: f64,
    /// Most ticks of an outlier. Default 3.
    pub outlier_ticks_max: u32,
    /// Default 0.5.
    pub drift_chance: f64,
    /// Largest standard deviation of what wanders slowly, in body lengths. Default 0.03.
    pub drift_max: f64,
    /// Default 0.5.
    pub confidence_chance: f64,
    /// Largest standard deviation of confidences, in logits. Default 1.
    pub confidence_spread: f64,
    /// Default 0.6.
    pub keypoint_loss_chance: f64,
    /// Stretches, per animal and 1,000 ticks, in which one keypoint is lost. Default 6.
    pub keypoint_losses: f64,
    /// Default 0.3.
    pub animal_loss_chance: f64,
    /// Stretches, per animal and 1,000 ticks, in which the whole animal is lost. Default 1.
    pub animal_losses: f64,
    /// Most ticks for which a keypoint or an animal is lost. Default 60.
    pub loss_ticks_max: u32,
    /// Default 0.15.
    pub swap_chance: f64,
    /// Stretches, per 1,000 ticks, in which two animals have each other's points. Labels stay with the animals, so
    /// these are wrong for as long: rare. Default 1.
    pub swaps: f64,
    /// Default 0.2.
    pub partial_swap_chance: f64,
    /// Stretches, per 1,000 ticks, in which two animals have each other's point of one keypoint. Default 2.
    pub partial_swaps: f64,
    /// Most ticks of a swap, partial or not; the fewest are five. Default 60.
    pub swap_ticks_max: u32,
    /// Default 0.3.
    pub lag_chance: f64,
    /// Largest time constant of a causal filter, in ticks. Default 3.
    pub lag_ticks_max: f64,
    /// Default 0.3.
    pub hold_chance: f64,
    /// Stretches, per animal and 1,000 ticks, in which one keypoint freezes. Default 5.
    pub holds: f64,
    /// Most ticks for which a keypoint freezes. Default 5.
    pub hold_ticks_max: u32,
    /// Default 0.3.
    pub frame_loss_chance: f64,
    /// Losses of one frame or a burst of them, as often the one as the other, per 1,000 ticks. Default 3.
    pub frame_losses: f64,
    /// Most frames of a burst. Default 10.
    pub frame_loss_ticks_max: u32,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            mirror_chance: 0.5,
            scale_spread: 0.1,
            stretch_chance: 0.5,
            stretch_spread: 0.15,
            jitter_chance: 0.5,
            jitter_max: 0.02,
            faulty_chance: 0.5,
            outlier_chance: 0.3,
            outliers: 4.0,
            outlier_max: 2.0,
            outlier_ticks_max: 3,
            drift_chance: 0.5,
            drift_max: 0.03,
            confidence_chance: 0.5,
            confidence_spread: 1.0,
            keypoint_loss_chance: 0.6,
            keypoint_losses: 6.0,
            animal_loss_chance: 0.3,
            animal_losses: 1.0,
            loss_ticks_max: 60,
            swap_chance: 0.15,
            swaps: 1.0,
            partial_swap_chance: 0.2,
            partial_swaps: 2.0,
            swap_ticks_max: 60,
            lag_chance: 0.3,
            lag_ticks_max: 3.0,
            hold_chance: 0.3,
            holds: 5.0,
            hold_ticks_max: 5,
            frame_loss_chance: 0.3,
            frame_losses: 3.0,
            frame_loss_ticks_max: 10,
        }
    }
}

/// Most ticks that a fault may be told to last.
const TICKS_MAX: f64 = 1000.0;

/// Most of a kind of fault per 1,000 ticks: one a tick.
const RATE_MAX: f64 = 1000.0;

impl Augmentation {
    /// Asks `within` (key, got, min, max) about every value.
    ///
    /// # Errors
    /// Those of `within`.
    pub fn check<E>(&self, within: impl Fn(&'static str, f64, f64, f64) -> Result<(), E>) -> Result<(), E> {
        for (key, chance) in [
            ("augmentation.mirror_chance", self.mirror_chance),
            ("augmentation.stretch_chance", self.stretch_chance),
            ("augmentation.jitter_chance", self.jitter_chance),
            ("augmentation.faulty_chance", self.faulty_chance),
            ("augmentation.outlier_chance", self.outlier_chance),
            ("augmentation.drift_chance", self.drift_chance),
            ("augmentation.confidence_chance", self.confidence_chance),
            ("augmentation.keypoint_loss_chance", self.keypoint_loss_chance),
            ("augmentation.animal_loss_chance", self.animal_loss_chance),
            ("augmentation.swap_chance", self.swap_chance),
            ("augmentation.partial_swap_chance", self.partial_swap_chance),
            ("augmentation.lag_chance", self.lag_chance),
            ("augmentation.hold_chance", self.hold_chance),
            ("augmentation.frame_loss_chance", self.frame_loss_chance),
        ] {
            within(key, chance, 0.0, 1.0)?;
        }
        for (key, rate) in [
            ("augmentation.outliers", self.outliers),
            ("augmentation.keypoint_losses", self.keypoint_losses),
            ("augmentation.animal_losses", self.animal_losses),
            ("augmentation.swaps", self.swaps),
            ("augmentation.partial_swaps", self.partial_swaps),
            ("augmentation.holds", self.holds),
            ("augmentation.frame_losses", self.frame_losses),
        ] {
            within(key, rate, 0.0, RATE_MAX)?;
        }
        for (key, ticks) in [
            ("augmentation.outlier_ticks_max", self.outlier_ticks_max),
            ("augmentation.loss_ticks_max", self.loss_ticks_max),
            ("augmentation.hold_ticks_max", self.hold_ticks_max),
            ("augmentation.frame_loss_ticks_max", self.frame_loss_ticks_max),
        ] {
            within(key, ticks.into(), 1.0, TICKS_MAX)?;
        }
        within("augmentation.swap_ticks_max", self.swap_ticks_max.into(), SWAP_TICKS_MIN.into(), TICKS_MAX)?;
        within("augmentation.scale_spread", self.scale_spread, 0.0, 0.5)?;
        within("augmentation.stretch_spread", self.stretch_spread, 0.0, 1.0)?;
        within("augmentation.jitter_max", self.jitter_max, 0.0, 1.0)?;
        within("augmentation.drift_max", self.drift_max, 0.0, 1.0)?;
        within("augmentation.outlier_max", self.outlier_max, 0.0, 100.0)?;
        within("augmentation.confidence_spread", self.confidence_spread, 0.0, 10.0)?;
        within("augmentation.lag_ticks_max", self.lag_ticks_max, 0.0, 30.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        let config: Augmentation = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check(
            |key, got, min, max| {
                if (min..=max).contains(&got) { Ok(()) } else { Err(format!("{key}: {min} to {max}, got {got}")) }
            },
        )
    }

    #[test]
    fn nonsense_in_any_key_is_refused_by_its_name() {
        assert_eq!(checked(""), Ok(()));
        assert!(checked("mirror_chanze = 0.5").is_err());
        let defaults = format!("{:#?}", Augmentation::default());
        let keys: Vec<&str> =
            defaults.lines().filter_map(|line| line.trim().split_once(": ")).map(|pair| pair.0).collect();
        assert!(keys.len() > 30, "{keys:?}");
        for key in keys {
            let nonsense: &[&str] = if key.ends_with("_ticks_max") && key != "lag_ticks_max" {
                &["0", "1001"]
            } else {
                &["-0.1", "1e4", "nan", "inf"]
            };
            for value in nonsense {
                let refusal = checked(&format!("{key} = {value}")).unwrap_err();
                assert!(refusal.starts_with(&format!("augmentation.{key}: ")), "{key} = {value}: {refusal}");
            }
        }
        assert!(checked("swap_ticks_max = 4").is_err());
    }
}
