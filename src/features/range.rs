//! Notices input that is out of a model's range: another species, a wrong scale, a moved camera, keypoints in the
//! wrong order, a tracker that lost a part or hangs.
//!
//! A model's card stores for each [`Quantity`] which values its statistic took over windows of the training recordings
//! ([`RangeBuilder`] → [`InputRange`]); live, the same windows are kept of each cage ([`RangeWatch`]), and what lies
//! beyond the limits is told with the value got and those expected ([`Outside`]). A limit is not a quantile of pooled
//! windows: what recordings of one rig have between them is what the next one must be granted, so it is taken from
//! the extremes that whole recordings reach, and lies beyond the most extreme of them.
//!
//! Every quantity is looked at only on the side that ordinary life does not reach. Animals that sleep, huddle or are
//! away are slow, close and unseen for hours, so there is no lower limit to speed, distance and missing points; no
//! statistic of speed tells a wrong scale from a lively day, which is what the lengths are for.

mod builder;
mod gauges;
mod watch;
mod window;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::window::{Horizon, Statistic};
use crate::behavior::Individual;
use crate::time::WINDOW_TICKS;

pub use self::builder::RangeBuilder;
pub use self::watch::RangeWatch;

/// Raised with every change of quantities, statistics or windows: limits of one version say nothing about another.
pub const VERSION: u32 = 1;

/// What is watched. Lengths are in nominal body lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Share of ticks in which not one point of an animal moved, animal by animal: a tracker that hangs.
    Standstill,
    /// Speed of an animal's origin, in body lengths a second: its 95% quantile.
    Speed,
    /// Second difference of an animal's origin from tick to tick: its 25% quantile, the noise of an animal at rest.
    Jitter,
    /// Share of the ticks of a travelling animal in which it goes ahead rather than backwards.
    Forward,
    /// From front to rear: the 75% quantile, an animal that is stretched.
    BodyLength,
    /// Between two animals, origin to origin: the 90% quantile.
    Distance,
    /// Share of all points of all animals that is missing while any is seen.
    Missing,
    /// Share of ticks in which an animal is seen without this part.
    PartMissing,
    /// From the centre of the body axis to this part: the median.
    PartReach,
}

/// How values of a quantity compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// By ratios.
    Magnitude,
    /// By differences, within [0, 1].
    Share,
}

impl Quantity {
    fn statistic(self) -> Statistic {
        match self {
            Self::Speed => Statistic::Quantile(0.95),
            Self::Jitter => Statistic::Quantile(0.25),
            Self::BodyLength => Statistic::Quantile(0.75),
            Self::Distance => Statistic::Quantile(0.9),
            Self::PartReach => Statistic::Quantile(0.5),
            Self::Standstill | Self::Forward | Self::Missing | Self::PartMissing => Statistic::Mean,
        }
    }

    fn scale(self) -> Scale {
        match self.statistic() {
            Statistic::Quantile(_) => Scale::Magnitude,
            Statistic::Mean => Scale::Share,
        }
    }

    /// Observations of the short horizon for each subject (animal, pair or cage). Animals seldom travel, and fewer
    /// observations suffice to tell ahead from backwards.
    fn window_observations(self) -> usize {
        if self == Self::Forward { WINDOW_TICKS / 8 } else { WINDOW_TICKS }
    }

    fn has_low(self) -> bool {
        matches!(self, Self::Forward | Self::BodyLength | Self::PartReach)
    }

    fn has_high(self) -> bool {
        self != Self::Forward
    }

    /// Whether there is one for each part of the skeleton.
    fn is_of_part(self) -> bool {
        matches!(self, Self::PartMissing | Self::PartReach)
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Speed => " body lengths/s",
            Self::Jitter | Self::BodyLength | Self::Distance | Self::PartReach => " body lengths",
            Self::Standstill | Self::Forward | Self::Missing | Self::PartMissing => " of the time",
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standstill => "frozen points",
            Self::Speed => "speed",
            Self::Jitter => "jitter",
            Self::Forward => "going ahead",
            Self::BodyLength => "body length",
            Self::Distance => "distance between animals",
            Self::Missing => "missing points",
            Self::PartMissing => "missing",
            Self::PartReach => "distance from the body's centre",
        })
    }
}

/// What is in range; a side that is `None` has no limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f32>,
}

/// Limits of one quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    quantity: Quantity,
    /// Name of the part, for quantities of a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    /// Over the last [`WINDOW_TICKS`] observations of each animal; `None` where no recording held as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    short: Option<Limits>,
    /// Over [`Horizon::LONG_SHORTS`] times as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    long: Option<Limits>,
}

/// What input a model was trained on: part of its card. Read ones are checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRange", into = "RawRange")]
pub struct InputRange {
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRange {
    version: u32,
    quantities: Vec<Entry>,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum RangeError {
    #[error("expected an input range of version {VERSION}, got {0}")]
    Version(u32),
    #[error("{quantity:?}: expected {}, got {part:?}", if quantity.is_of_part() { "a part" } else { "no part" })]
    Part { quantity: Quantity, part: Option<String> },
    #[error("{quantity:?} {}: listed twice", part.as_deref().unwrap_or_default())]
    Doubled { quantity: Quantity, part: Option<String> },
    #[error("{quantity:?}: expected limits of 0 or more, the low one at most the high one, got {limits:?}")]
    Limits { quantity: Quantity, limits: Limits },
}

impl InputRange {
    fn entry(&self, quantity: Quantity, part: Option<&str>) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.quantity == quantity && entry.part.as_deref() == part)
    }
}

impl Entry {
    fn limits(&self, horizon: Horizon) -> Option<Limits> {
        match horizon {
            Horizon::Short => self.short,
            Horizon::Long => self.long,
        }
    }
}

impl TryFrom<RawRange> for InputRange {
    type Error = RangeError;

    fn try_from(raw: RawRange) -> Result<Self, RangeError> {
        if raw.version != VERSION {
            return Err(RangeError::Version(raw.version));
        }
        for (index, Entry { quantity, part, short, long }) in raw.quantities.iter().enumerate() {
            let quantity = *quantity;
            if quantity.is_of_part() != part.is_some() {
                return Err(RangeError::Part { quantity, part: part.clone() });
            }
            if raw.quantities[..index].iter().any(|before| (before.quantity, &before.part) == (quantity, part)) {
                return Err(RangeError::Doubled { quantity, part: part.clone() });
            }
            for limits in [short, long].into_iter().flatten() {
                let (low, high) = (limits.low.unwrap_or(0.0), limits.high.unwrap_or(f32::MAX));
                if !(0.0 <= low && low <= high && high.is_finite()) {
                    return Err(RangeError::Limits { quantity, limits: *limits });
                }
            }
        }
        Ok(Self { entries: raw.quantities })
    }
}

impl From<InputRange> for RawRange {
    fn from(range: InputRange) -> Self {
        Self { version: VERSION, quantities: range.entries }
    }
}

/// A quantity that is out of range. Its display is a line for people, such as `body length: 0.52 body lengths,
/// expected 0.91 to 1.31`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outside<'a> {
    pub quantity: Quantity,
    /// Name of the part, for quantities of a part.
    pub part: Option<&'a str>,
    /// For quantities that are kept animal by animal.
    pub individual: Option<Individual>,
    /// The statistic of the window, in the units of the quantity.
    pub got: f32,
    pub expected: Limits,
}

impl Outside<'_> {
    /// How many times the limit, or how many times less than it: 1 at the limit, at most 1000.
    pub fn times(&self) -> f32 {
        let above = self.expected.high.map_or(0.0, |high| self.got / high.max(1e-3));
        let below = self.expected.low.map_or(0.0, |low| low / self.got.max(1e-3));
        above.max(below).min(1e3)
    }
}

impl fmt::Display for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(part) = self.part {
            write!(f, "{part}: ")?;
        }
        write!(f, "{}", self.quantity)?;
        if let Some(Individual(slot)) = self.individual {
            write!(f, " of individual {slot}")?;
        }
        // Jitter is small: a hundredth of it would be nothing.
        let places = if self.quantity == Quantity::Jitter { 4 } else { 2 };
        write!(f, ": {:.places$}{}, expected ", self.got, self.quantity.unit())?;
        match (self.expected.low, self.expected.high) {
            (Some(low), Some(high)) => write!(f, "{low:.places$} to {high:.places$}"),
            (Some(low), None) => write!(f, "{low:.places$} or more"),
            (None, Some(high)) => write!(f, "{high:.places$} or less"),
            (None, None) => f.write_str("anything"),
        }
    }
}

#[cfg(test)]
mod tests;
