//! When scores become a bout.

use serde::{Deserialize, Serialize};

use crate::time::WINDOW_TICKS;

/// Threshold, hysteresis, minimum duration and gap filling of one behavior at one decision delay, learned on
/// validation. Read ones are checked; [`super::Decoder::new`] refuses any other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRule", into = "RawRule")]
pub struct DecodeRule {
    /// A bout begins at this score; above 1 it never does.
    pub on: f32,
    /// A bout goes on while the score is at least this: above 0, at most `on`.
    pub off: f32,
    /// Shorter bouts never appear: 1 to [`WINDOW_TICKS`].
    pub duration_ticks_min: u32,
    /// Holes of at most this many ticks, up to [`WINDOW_TICKS`], belong to the bout around them.
    pub gap_ticks_max: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    on: f32,
    off: f32,
    duration_ticks_min: u32,
    gap_ticks_max: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum RuleError {
    #[error("expected an off threshold above 0 and at most the on threshold {on}, got {off}")]
    Thresholds { on: f32, off: f32 },
    #[error("expected a duration_ticks_min within 1 to {WINDOW_TICKS}, got {0}")]
    Duration(u32),
    #[error("expected a gap_ticks_max of at most {WINDOW_TICKS}, got {0}")]
    Gap(u32),
}

impl DecodeRule {
    /// A behavior that is never told.
    pub const NEVER: Self = Self { on: 1.5, off: 1.5, duration_ticks_min: 1, gap_ticks_max: 0 };

    /// # Errors
    /// Anything outside the bounds that the fields state.
    pub fn checked(self) -> Result<Self, RuleError> {
        let Self { on, off, duration_ticks_min, gap_ticks_max } = self;
        if !(off > 0.0 && off <= on) {
            return Err(RuleError::Thresholds { on, off });
        }
        if !(1..=WINDOW_TICKS as u32).contains(&duration_ticks_min) {
            return Err(RuleError::Duration(duration_ticks_min));
        }
        if gap_ticks_max > WINDOW_TICKS as u32 {
            return Err(RuleError::Gap(gap_ticks_max));
        }
        Ok(self)
    }
}

impl TryFrom<RawRule> for DecodeRule {
    type Error = RuleError;

    fn try_from(raw: RawRule) -> Result<Self, RuleError> {
        let RawRule { on, off, duration_ticks_min, gap_ticks_max } = raw;
        Self { on, off, duration_ticks_min, gap_ticks_max }.checked()
    }
}

impl From<DecodeRule> for RawRule {
    fn from(rule: DecodeRule) -> Self {
        let DecodeRule { on, off, duration_ticks_min, gap_ticks_max } = rule;
        Self { on, off, duration_ticks_min, gap_ticks_max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_outside_its_bounds_is_refused_by_name() {
        let read = |on: &str, off: &str, duration: u32, gap: u32| {
            toml::from_str::<DecodeRule>(&format!(
                "on = {on}\noff = {off}\nduration_ticks_min = {duration}\ngap_ticks_max = {gap}"
            ))
        };
        for (on, off) in [("0.5", "0.5"), ("1.5", "0.3"), ("inf", "1.0")] {
            let rule = read(on, off, 1, 0).unwrap();
            assert_eq!(toml::from_str::<DecodeRule>(&toml::to_string(&rule).unwrap()).unwrap(), rule);
        }
        for (on, off, duration, gap, name) in [
            ("0.5", "0.6", 1, 0, "on threshold 0.5, got 0.6"),
            ("0.5", "0.0", 1, 0, "off threshold above 0"),
            ("nan", "0.3", 1, 0, "off threshold"),
            ("0.5", "nan", 1, 0, "off threshold"),
            ("0.5", "0.3", 0, 0, "duration_ticks_min within 1 to 512, got 0"),
            ("0.5", "0.3", 1, 513, "gap_ticks_max of at most 512, got 513"),
        ] {
            let error = read(on, off, duration, gap).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let unknown = "on = 0.5\noff = 0.3\nduration_ticks_min = 1\ngap_ticks_max = 0\nhold = 3";
        assert!(toml::from_str::<DecodeRule>(unknown).unwrap_err().to_string().contains("hold"));
    }
}
