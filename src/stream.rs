//! What a stream of frames is: said once, before its first frame.

use serde::{Deserialize, Serialize};

use crate::skeleton::{INDIVIDUALS_MAX, Skeleton};

/// Rates (Hz) that the buffer can turn into ticks.
pub const RATE_HZ_MIN: f64 = 10.0;
pub const RATE_HZ_MAX: f64 = 240.0;

/// Coordinate units in one body length: from metres to the finest camera. What lies outside is a slip that would make
/// every distance meaningless.
pub const BODY_LENGTH_PX_MIN: f64 = 1e-3;
pub const BODY_LENGTH_PX_MAX: f64 = 1e5;

/// Name of the clock domain of wall clock nanoseconds since 1970 (UTC), the one that ages can be measured in.
pub const CLOCK_UNIX: &str = "unix";

/// Where a frame comes from. It is part of every event, and nothing but `Live` may ever fire a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Live,
    Replay,
    Simulated,
}

/// Whether the animals of a stream keep their places in its frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identities {
    /// Each place is one animal, by name: the tracker's word is trusted, and watched.
    #[default]
    Stable,
    /// Instances come in any order, as pose estimators without a tracker give them: which of them is which animal is
    /// found from frame to frame.
    Unordered,
}

/// Rate, scale and skeleton of the recordings that a model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamDefaults {
    pub rate_hz: f64,
    /// Pixels in one nominal body length.
    pub body_length_px: f64,
    pub skeleton: Skeleton,
}

/// Skeleton, individuals, rate, scale, clock domain and origin of one cage's frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawStream", into = "RawStream")]
pub struct StreamDescription {
    skeleton: Skeleton,
    individuals: Vec<String>,
    rate_hz: f64,
    body_length_px: f64,
    clock: Option<String>,
    origin: Origin,
    identities: Identities,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStream {
    skeleton: Skeleton,
    individuals: Vec<String>,
    rate_hz: f64,
    body_length_px: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<String>,
    origin: Origin,
    #[serde(default)]
    identities: Identities,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum StreamError {
    #[error("expected 2 to {INDIVIDUALS_MAX} individuals, got {0}")]
    IndividualCount(usize),
    #[error("individual {0:?} is listed twice")]
    Doubled(String),
    #[error("expected a rate_hz within {RATE_HZ_MIN} to {RATE_HZ_MAX}, got {0}")]
    Rate(f64),
    #[error("expected a body_length_px within {BODY_LENGTH_PX_MIN} to {BODY_LENGTH_PX_MAX}, got {0}")]
    Scale(f64),
}

impl StreamDescription {
    /// A stream of [`Identities::Stable`] animals.
    ///
    /// # Errors
    /// Any count, rate or scale outside the stated limits.
    pub fn new(
        skeleton: Skeleton,
        individuals: Vec<String>,
        rate_hz: f64,
        body_length_px: f64,
        clock: Option<String>,
        origin: Origin,
    ) -> Result<Self, StreamError> {
        if !(2..=INDIVIDUALS_MAX).contains(&individuals.len()) {
            return Err(StreamError::IndividualCount(individuals.len()));
        }
        for (index, name) in individuals.iter().enumerate() {
            if individuals[..index].contains(name) {
                return Err(StreamError::Doubled(name.clone()));
            }
        }
        if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
            return Err(StreamError::Rate(rate_hz));
        }
        if !(BODY_LENGTH_PX_MIN..=BODY_LENGTH_PX_MAX).contains(&body_length_px) {
            return Err(StreamError::Scale(body_length_px));
        }
        let identities = Identities::Stable;
        Ok(Self { skeleton, individuals, rate_hz, body_length_px, clock, origin, identities })
    }

    pub fn skeleton(&self) -> &Skeleton {
        &self.skeleton
    }

    /// Names of the individuals in the order in which frames carry them: the slots of the cage.
    pub fn individuals(&self) -> &[String] {
        &self.individuals
    }

    pub fn rate_hz(&self) -> f64 {
        self.rate_hz
    }

    /// Coordinate units (pixels) in one nominal body length. One scale a cage, so that size differences survive.
    pub fn body_length_px(&self) -> f64 {
        self.body_length_px
    }

    /// Name of the clock that stamps `capture_nanos`; `None` where frames carry no usable time.
    pub fn clock(&self) -> Option<&str> {
        self.clock.as_deref()
    }

    pub fn origin(&self) -> Origin {
        self.origin
    }

    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    pub fn identities(&self) -> Identities {
        self.identities
    }

    #[must_use]
    pub fn with_identities(mut self, identities: Identities) -> Self {
        self.identities = identities;
        self
    }

    /// Points that each frame must carry: I × K.
    pub fn point_count(&self) -> usize {
        self.individuals.len() * self.skeleton.keypoints().len()
    }
}

impl TryFrom<RawStream> for StreamDescription {
    type Error = StreamError;

    fn try_from(raw: RawStream) -> Result<Self, StreamError> {
        let stream = Self::new(raw.skeleton, raw.individuals, raw.rate_hz, raw.body_length_px, raw.clock, raw.origin)?;
        Ok(stream.with_identities(raw.identities))
    }
}

impl From<StreamDescription> for RawStream {
    fn from(stream: StreamDescription) -> Self {
        let StreamDescription { skeleton, individuals, rate_hz, body_length_px, clock, origin, identities } = stream;
        Self { skeleton, individuals, rate_hz, body_length_px, clock, origin, identities }
    }
}
