//! The numbers of an allowance, as a protocol states them.

use serde::{Deserialize, Serialize};

/// Longest refractory period, and the most light of a session: a day.
pub const DAY_MILLIS: u64 = 86_400_000;

/// The most light that any sliding hour may have: all of it.
pub const HOUR_MILLIS: u64 = 3_600_000;

/// The highest `count_per_hour_max`. It bounds what an output has to remember.
pub const COUNT_PER_HOUR_MAX: u32 = 10_000;

/// The highest `count_per_session_max`.
pub const COUNT_PER_SESSION_MAX: u32 = 1_000_000;

/// The least times of a rule from the *end* of any stimulation to the begin of the rule's next one.
///
/// Whichever rule or output made the earlier stimulation, and a sham as the stimulus that it stands for. Counting from
/// the end is the safer reading: a stimulus that lasts longer than planned moves all that follows. A period of 0 asks
/// nothing: stimulations of that scope may then overlap, but never on one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawRefractory")]
#[expect(clippy::struct_field_names, reason = "what stands in a protocol names its unit and its bound")]
pub struct Refractory {
    pair_millis: u64,
    cage_millis: u64,
    rig_millis: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "what stands in a protocol names its unit and its bound")]
struct RawRefractory {
    pair_millis: u64,
    cage_millis: u64,
    rig_millis: u64,
}

/// What one output may give at the utmost. Stimuli count, shams do not.
///
/// An hour is any sliding one, its ends included: a stimulus counts, in number and with all of its on-time, from when
/// it is booked until more than an hour after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawDoseLimits")]
#[expect(clippy::struct_field_names, reason = "what stands in a protocol names its unit and its bound")]
pub struct DoseLimits {
    count_per_hour_max: u32,
    count_per_session_max: u32,
    on_millis_per_hour_max: u64,
    on_millis_per_session_max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "what stands in a protocol names its unit and its bound")]
struct RawDoseLimits {
    count_per_hour_max: u32,
    count_per_session_max: u32,
    on_millis_per_hour_max: u64,
    on_millis_per_session_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: expected {expected_min} to {expected_max}, got {got}")]
pub struct LimitError {
    pub name: &'static str,
    pub expected_min: u64,
    pub expected_max: u64,
    pub got: u64,
}

impl Refractory {
    /// # Errors
    /// A period above [`DAY_MILLIS`].
    pub fn new(pair_millis: u64, cage_millis: u64, rig_millis: u64) -> Result<Self, LimitError> {
        Ok(Self {
            pair_millis: within("pair_millis", pair_millis, 0, DAY_MILLIS)?,
            cage_millis: within("cage_millis", cage_millis, 0, DAY_MILLIS)?,
            rig_millis: within("rig_millis", rig_millis, 0, DAY_MILLIS)?,
        })
    }

    pub fn pair_millis(&self) -> u64 {
        self.pair_millis
    }

    pub fn cage_millis(&self) -> u64 {
        self.cage_millis
    }

    pub fn rig_millis(&self) -> u64 {
        self.rig_millis
    }
}

impl TryFrom<RawRefractory> for Refractory {
    type Error = LimitError;

    fn try_from(raw: RawRefractory) -> Result<Self, LimitError> {
        Self::new(raw.pair_millis, raw.cage_millis, raw.rig_millis)
    }
}

impl DoseLimits {
    /// # Errors
    /// A limit of 0, or above [`COUNT_PER_HOUR_MAX`], [`COUNT_PER_SESSION_MAX`], [`HOUR_MILLIS`] and [`DAY_MILLIS`].
    pub fn new(
        count_per_hour_max: u32,
        count_per_session_max: u32,
        on_millis_per_hour_max: u64,
        on_millis_per_session_max: u64,
    ) -> Result<Self, LimitError> {
        let count = |name, got: u32, max: u32| within(name, got.into(), 1, max.into()).map(|count| count as u32);
        Ok(Self {
            count_per_hour_max: count("count_per_hour_max", count_per_hour_max, COUNT_PER_HOUR_MAX)?,
            count_per_session_max: count("count_per_session_max", count_per_session_max, COUNT_PER_SESSION_MAX)?,
            on_millis_per_hour_max: within("on_millis_per_hour_max", on_millis_per_hour_max, 1, HOUR_MILLIS)?,
            on_millis_per_session_max: within("on_millis_per_session_max", on_millis_per_session_max, 1, DAY_MILLIS)?,
        })
    }

    pub fn count_per_hour_max(&self) -> u32 {
        self.count_per_hour_max
    }

    pub fn count_per_session_max(&self) -> u32 {
        self.count_per_session_max
    }

    pub fn on_millis_per_hour_max(&self) -> u64 {
        self.on_millis_per_hour_max
    }

    pub fn on_millis_per_session_max(&self) -> u64 {
        self.on_millis_per_session_max
    }
}

impl TryFrom<RawDoseLimits> for DoseLimits {
    type Error = LimitError;

    fn try_from(raw: RawDoseLimits) -> Result<Self, LimitError> {
        Self::new(
            raw.count_per_hour_max,
            raw.count_per_session_max,
            raw.on_millis_per_hour_max,
            raw.on_millis_per_session_max,
        )
    }
}

fn within(name: &'static str, got: u64, expected_min: u64, expected_max: u64) -> Result<u64, LimitError> {
    if (expected_min..=expected_max).contains(&got) {
        return Ok(got);
    }
    Err(LimitError { name, expected_min, expected_max, got })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOSE: &str = "count_per_hour_max = 10\ncount_per_session_max = 40\n\
                        on_millis_per_hour_max = 3600000\non_millis_per_session_max = 86400000\n";

    #[test]
    fn a_protocol_states_every_number() {
        let refractory: Refractory = toml::from_str("pair_millis = 0\ncage_millis = 5\nrig_millis = 86400000").unwrap();
        assert_eq!(refractory, Refractory::new(0, 5, DAY_MILLIS).unwrap());
        assert_eq!(toml::from_str::<Refractory>(&toml::to_string(&refractory).unwrap()).unwrap(), refractory);
        let dose: DoseLimits = toml::from_str(DOSE).unwrap();
        assert_eq!(dose, DoseLimits::new(10, 40, HOUR_MILLIS, DAY_MILLIS).unwrap());
        assert!(toml::from_str::<Refractory>("pair_millis = 0\ncage_millis = 5").is_err());
        for line in DOSE.lines() {
            assert!(toml::from_str::<DoseLimits>(&DOSE.replace(line, "")).is_err(), "{line}");
        }
        assert!(toml::from_str::<DoseLimits>(&format!("{DOSE}count_per_day_max = 3\n")).is_err());
    }

    #[test]
    fn no_limit_is_left_open() {
        for (from, to, told) in [
            ("hour_max = 10\n", "hour_max = 0\n", "count_per_hour_max: expected 1 to 10000, got 0"),
            ("hour_max = 10\n", "hour_max = 10001\n", "count_per_hour_max: expected 1 to 10000, got 10001"),
            ("3600000", "3600001", "on_millis_per_hour_max: expected 1 to 3600000, got 3600001"),
            ("86400000", "0", "on_millis_per_session_max: expected 1 to 86400000, got 0"),
        ] {
            let error = toml::from_str::<DoseLimits>(&DOSE.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!(Refractory::new(0, DAY_MILLIS + 1, 0).unwrap_err().got, DAY_MILLIS + 1);
    }
}
