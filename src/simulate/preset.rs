//! Presets: how badly a simulated pose estimator sees, as a TOML file.

use serde::{Deserialize, Serialize};

/// Longest name of a preset, in characters.
const NAME_CHARS_MAX: usize = 64;

const TEXTS: [(&str, &str); 3] = [
    ("clean", include_str!("presets/clean.toml")),
    ("rig", include_str!("presets/rig.toml")),
    ("awful", include_str!("presets/awful.toml")),
];

/// The faults of a simulated pose estimator and its camera, with the rate of each.
///
/// Lengths are in body lengths (`_bl`), rates are per second, minute or hour, whatever the camera's rate. A file states
/// every key: who wants a preset of their own starts from a copy of `presets/rig.toml`, whose comments say what each
/// key means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    pub name: String,
    /// The estimator's own seed; with the seed of a [`super::tracker::Tracker`] it decides all randomness.
    pub seed: u64,
    /// Animals come in another order in every frame.
    pub unordered: bool,
    /// Two animals are near each other when their centres are within this.
    pub near_bl: f32,
    pub jitter: Jitter,
    pub confidence: Confidence,
    pub outliers: Outliers,
    pub losses: Losses,
    pub occlusion: Occlusion,
    pub swaps: Swaps,
    pub fragments: Fragments,
    pub frames: Frames,
}

/// Errors of position, standard deviations along x and along y.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    /// New in every frame.
    pub white_bl: f32,
    /// Wanders slowly about zero.
    pub drift_bl: f32,
    pub drift_secs: f64,
    /// How unequal keypoints are: the standard deviation of the logarithm of their difficulty, whose mean is 1 and
    /// which multiplies jitter, losses and outliers.
    pub difficulty_spread: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confidence {
    /// Median of a point that is well seen.
    pub seen: f32,
    /// Median of a point at the moment before it is lost, and of most outliers.
    pub low: f32,
    /// Standard deviation of the confidence's logit.
    pub spread: f32,
    pub drift_secs: f64,
    /// How long before a loss the confidence begins to fall.
    pub fall_secs: f64,
}

/// Single points that are reported where they are not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outliers {
    pub per_keypoint_hour: f64,
    pub mean_secs: f64,
    /// How far away a place may be that is no keypoint.
    pub reach_bl: f32,
    /// That the estimator is as sure as ever.
    pub confident_probability: f32,
}

/// Points and animals that are lost with nothing before them. Rates count the time in which they are seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    pub per_keypoint_minute: f64,
    pub keypoint_mean_secs: f64,
    pub per_animal_minute: f64,
    pub animal_mean_secs: f64,
    /// Whole animals near another are lost so many times as often.
    pub near_factor: f64,
}

/// Points below another body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Occlusion {
    /// Half the width of a body: how far from the body axis of a higher animal a point is covered.
    pub radius_bl: f32,
    /// Share of the time below in which a covered point is lost.
    pub lost_probability: f64,
    /// How long a covered point stays lost or found, and about how long one that was lost needs to be found again.
    pub correlation_secs: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swaps {
    /// For each two animals, while they are near each other.
    pub per_near_minute: f64,
    pub corrected_mean_secs: f64,
}

/// The front or the rear of one animal, reported as the other's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fragments {
    /// For each two animals, while they are near each other.
    pub per_near_minute: f64,
    pub mean_secs: f64,
}

/// Whole frames: those that never come, and when the others do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frames {
    /// Single ones.
    pub dropped_per_minute: f64,
    pub bursts_per_hour: f64,
    pub burst_mean_secs: f64,
    /// Frames that come after their successor.
    pub late_per_minute: f64,
    /// How long after the successor.
    pub late_mean_millis: f64,
    /// Shortest time from a frame's capture to its keypoints.
    pub latency_millis: f64,
    /// Mean of what is added to it.
    pub latency_spread_millis: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("{key}: expected {expected}, got {got}")]
    Bound { key: &'static str, expected: String, got: String },
}

impl Preset {
    /// What [`Preset::named`] knows, from the least faults to the most.
    pub const NAMES: [&str; 3] = [TEXTS[0].0, TEXTS[1].0, TEXTS[2].0];

    /// One of [`Preset::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = TEXTS.iter().find(|(known, _)| *known == name)?;
        Self::parse(text).ok()
    }

    /// # Errors
    /// Keys that are unknown or absent, and values out of their bounds.
    pub fn parse(text: &str) -> Result<Self, PresetError> {
        let preset: Self = toml::from_str(text)?;
        preset.check()?;
        Ok(preset)
    }

    /// # Errors
    /// Values out of their bounds.
    pub fn check(&self) -> Result<(), PresetError> {
        let chars = self.name.chars().count();
        if !(1..=NAME_CHARS_MAX).contains(&chars) {
            let expected = format!("1 to {NAME_CHARS_MAX} characters");
            return Err(PresetError::Bound { key: "name", expected, got: format!("{chars}") });
        }
        within("near_bl", self.near_bl, 0.0, 10.0)?;
        self.jitter.check()?;
        self.confidence.check()?;
        self.outliers.check()?;
        self.losses.check()?;
        self.occlusion.check()?;
        self.swaps.check()?;
        self.fragments.check()?;
        self.frames.check()
    }
}

fn within(key: &'static str, got: impl Into<f64>, min: f64, max: f64) -> Result<(), PresetError> {
    let got = got.into();
    if (min..=max).contains(&got) {
        return Ok(());
    }
    Err(PresetError::Bound { key, expected: format!("{min} to {max}"), got: got.to_string() })
}

impl Jitter {
    fn check(&self) -> Result<(), PresetError> {
        within("jitter.white_bl", self.white_bl, 0.0, 1.0)?;
        within("jitter.drift_bl", self.drift_bl, 0.0, 1.0)?;
        within("jitter.drift_secs", self.drift_secs, 0.01, 600.0)?;
        within("jitter.difficulty_spread", self.difficulty_spread, 0.0, 2.0)
    }
}

impl Confidence {
    fn check(&self) -> Result<(), PresetError> {
        within("confidence.seen", self.seen, 0.01, 0.999)?;
        within("confidence.low", self.low, 0.01, 0.999)?;
        within("confidence.spread", self.spread, 0.0, 5.0)?;
        within("confidence.drift_secs", self.drift_secs, 0.01, 600.0)?;
        within("confidence.fall_secs", self.fall_secs, 0.001, 10.0)
    }
}

impl Outliers {
    fn check(&self) -> Result<(), PresetError> {
        within("outliers.per_keypoint_hour", self.per_keypoint_hour, 0.0, 1e5)?;
        within("outliers.mean_secs", self.mean_secs, 0.01, 60.0)?;
        within("outliers.reach_bl", self.reach_bl, 0.0, 100.0)?;
        within("outliers.confident_probability", self.confident_probability, 0.0, 1.0)
    }
}

impl Losses {
    fn check(&self) -> Result<(), PresetError> {
        within("losses.per_keypoint_minute", self.per_keypoint_minute, 0.0, 1e4)?;
        within("losses.keypoint_mean_secs", self.keypoint_mean_secs, 0.01, 3600.0)?;
        within("losses.per_animal_minute", self.per_animal_minute, 0.0, 1e4)?;
        within("losses.animal_mean_secs", self.animal_mean_secs, 0.01, 3600.0)?;
        within("losses.near_factor", self.near_factor, 0.0, 1e3)
    }
}

impl Occlusion {
    fn check(&self) -> Result<(), PresetError> {
        within("occlusion.radius_bl", self.radius_bl, 0.0, 10.0)?;
        within("occlusion.lost_probability", self.lost_probability, 0.0, 1.0)?;
        within("occlusion.correlation_secs", self.correlation_secs, 0.01, 60.0)
    }
}

impl Swaps {
    fn check(&self) -> Result<(), PresetError> {
        within("swaps.per_near_minute", self.per_near_minute, 0.0, 1e3)?;
        within("swaps.corrected_mean_secs", self.corrected_mean_secs, 0.01, 1e5)
    }
}

impl Fragments {
    fn check(&self) -> Result<(), PresetError> {
        within("fragments.per_near_minute", self.per_near_minute, 0.0, 1e3)?;
        within("fragments.mean_secs", self.mean_secs, 0.01, 600.0)
    }
}

impl Frames {
    fn check(&self) -> Result<(), PresetError> {
        within("frames.dropped_per_minute", self.dropped_per_minute, 0.0, 1e4)?;
        within("frames.bursts_per_hour", self.bursts_per_hour, 0.0, 1e4)?;
        within("frames.burst_mean_secs", self.burst_mean_secs, 0.01, 3600.0)?;
        within("frames.late_per_minute", self.late_per_minute, 0.0, 1e4)?;
        within("frames.late_mean_millis", self.late_mean_millis, 0.0, 1e5)?;
        within("frames.latency_millis", self.latency_millis, 0.0, 1e5)?;
        within("frames.latency_spread_millis", self.latency_spread_millis, 0.0, 1e5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of `rig` with the value of `key` (`section.key` or `key`) replaced.
    fn altered(key: &str, value: &str) -> String {
        let mut table: toml::Table = TEXTS[1].1.parse().unwrap();
        let value: toml::Table = format!("value = {value}").parse().unwrap();
        let (inner, name) = match key.split_once('.') {
            Some((section, name)) => (table[section].as_table_mut().unwrap(), name),
            None => (&mut table, key),
        };
        inner.insert(name.to_owned(), value["value"].clone());
        table.to_string()
    }

    fn keys_of_numbers() -> Vec<String> {
        let table: toml::Table = TEXTS[1].1.parse().unwrap();
        let mut keys = vec!["near_bl".to_owned()];
        for (section, inner) in table.iter().filter_map(|(section, value)| Some((section, value.as_table()?))) {
            keys.extend(inner.keys().map(|key| format!("{section}.{key}")));
        }
        keys
    }

    #[test]
    fn every_named_preset_is_valid_bears_its_name_and_survives_a_round_trip() {
        for name in Preset::NAMES {
            let preset = Preset::named(name).unwrap();
            assert_eq!(preset.name, name);
            assert_eq!(Preset::parse(&toml::to_string(&preset).unwrap()).unwrap(), preset);
        }
        assert_eq!(Preset::named("filthy"), None);
    }

    #[test]
    fn every_number_is_bounded_on_both_sides_and_named_when_it_is_not() {
        let keys = keys_of_numbers();
        assert_eq!(keys.len(), 33, "{keys:?}");
        for key in keys {
            for value in ["-1.0", "1e9", "nan", "inf"] {
                let error = Preset::parse(&altered(&key, value)).unwrap_err().to_string();
                assert!(error.starts_with(&format!("{key}: expected ")), "{key} = {value}: {error}");
            }
        }
    }

    #[test]
    fn an_error_says_what_was_expected_and_what_came() {
        let error = |key: &str, value: &str| Preset::parse(&altered(key, value)).unwrap_err().to_string();
        assert_eq!(error("occlusion.lost_probability", "1.5"), "occlusion.lost_probability: expected 0 to 1, got 1.5");
        assert_eq!(error("jitter.drift_secs", "0.0"), "jitter.drift_secs: expected 0.01 to 600, got 0");
        assert_eq!(error("name", "\"\""), "name: expected 1 to 64 characters, got 0");
        assert!(error("jitter.jitter_px", "1.0").contains("unknown field `jitter_px`"));
        assert!(error("seed", "-1").contains("expected u64"), "{}", error("seed", "-1"));
        let absent = Preset::parse("name = \"x\"\nseed = 1\nunordered = false").unwrap_err().to_string();
        assert!(absent.contains("missing field `near_bl`"), "{absent}");
    }
}
