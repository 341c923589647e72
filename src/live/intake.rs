//! What is decided about a packet before it waits for the network: does it decode, and does it agree with its stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::acquire::description::{Described, DescriptionError};
use crate::acquire::wire::{Content, Encoding, Packet, WireError};
use crate::keys::{CAGES_MAX, CageName};
use crate::live::clock::Moment;

/// The descriptions in force, by cage: at most [`CAGES_MAX`].
#[derive(Debug, Default)]
pub struct Intake {
    streams: HashMap<CageName, InForce>,
}

#[derive(Debug)]
struct InForce {
    described: Arc<Described>,
    heard: Instant,
}

/// A packet that agrees with its stream, on its way to the network.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub cage: CageName,
    pub described: Arc<Described>,
    pub packet: Packet,
    pub arrived: Moment,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Refusal {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Description(#[from] DescriptionError),
    #[error("{0}: no stream description has come yet")]
    Undescribed(CageName),
    #[error("{cage}: expected frames of stream {expected}, got one of {got}")]
    OtherStream { cage: CageName, expected: String, got: String },
    #[error("{cage}: expected {expected} points a frame, got {got}")]
    PointCount { cage: CageName, expected: String, got: String },
    #[error("{0}: {CAGES_MAX} other cages are being served")]
    TooManyCages(CageName),
}

impl Refusal {
    /// A short word for counting.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Wire(error) => error.cause(),
            Self::Description(_) => "description",
            Self::Undescribed(_) => "undescribed",
            Self::OtherStream { .. } => "other-stream",
            Self::PointCount { .. } => "point-count",
            Self::TooManyCages(_) => "too-many-cages",
        }
    }
}

impl Intake {
    /// Takes a stream description; the newest of a cage is in force.
    pub fn describe(&mut self, cage: &CageName, json: &[u8], now: Instant) -> Result<(), Refusal> {
        let described = Described::decode(json)?;
        if let Some(known) = self.streams.get_mut(cage) {
            known.heard = now;
            if known.described.id != described.id {
                known.described = Arc::new(described);
            }
            return Ok(());
        }
        if self.streams.len() >= CAGES_MAX {
            return Err(Refusal::TooManyCages(cage.clone()));
        }
        self.streams.insert(cage.clone(), InForce { described: Arc::new(described), heard: now });
        Ok(())
    }

    /// Takes a decoded packet and ties it to the description in force.
    pub fn agree(&mut self, cage: &CageName, packet: Packet, arrived: Moment) -> Result<Arrival, Refusal> {
        let known = self.streams.get_mut(cage).ok_or_else(|| Refusal::Undescribed(cage.clone()))?;
        let described = &known.described;
        if let Some(got) = packet.stream.filter(|id| *id != described.id) {
            let (expected, got) = (described.id.to_string(), got.to_string());
            return Err(Refusal::OtherStream { cage: cage.clone(), expected, got });
        }
        if let Content::Frame { shape, .. } = &packet.content {
            let expected = (described.stream.individuals().len(), described.stream.skeleton().keypoints().len());
            if expected != (shape.individuals, shape.keypoints) {
                let expected = format!("{} × {}", expected.0, expected.1);
                let got = format!("{} × {}", shape.individuals, shape.keypoints);
                return Err(Refusal::PointCount { cage: cage.clone(), expected, got });
            }
        }
        known.heard = arrived.monotonic;
        Ok(Arrival { cage: cage.clone(), described: Arc::clone(described), packet, arrived })
    }

    /// Forgets the descriptions of cages that have been silent for `idle`.
    pub fn expire(&mut self, now: Instant, idle: Duration) {
        self.streams.retain(|_, known| now.saturating_duration_since(known.heard) < idle);
    }
}

/// Reads the payload of a pose sample; `bytes` is asked for only when `len` is within the limit of the encoding.
pub fn decode<'a>(
    encoding: &str,
    len: usize,
    bytes: impl FnOnce() -> std::borrow::Cow<'a, [u8]>,
    confidence_min: f32,
) -> Result<Packet, WireError> {
    let encoding = Encoding::parse(encoding)?;
    encoding.check_size(len)?;
    Packet::decode(encoding, &bytes(), confidence_min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquire::description::{self, StreamId};
    use crate::acquire::wire::Shape;
    use crate::poses::{Frame, Keypoint};
    use crate::stream::StreamDescription;

    fn stream(rate_hz: f64) -> StreamDescription {
        let json = format!(
            r#"{{"skeleton":{{"name":"m","keypoints":["nose","neck","tail"],"front":"nose","centre":"neck","rear":"tail",
            "edges":[]}},"individuals":["a","b"],"rate_hz":{rate_hz},"body_length_px":80.0,"origin":"live"}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn packet(stream: Option<StreamId>, keypoints: usize) -> Packet {
        let frame = Frame { number: 1, capture_nanos: None, keypoints: vec![Keypoint::MISSING; 2 * keypoints] };
        let content = Content::Frame { shape: Shape { individuals: 2, keypoints }, frame };
        Packet { stream, run: None, lossless: false, content }
    }

    fn cage(name: &str) -> CageName {
        CageName::new("rig", name).unwrap()
    }

    #[test]
    fn frames_must_agree_with_the_description_in_force() {
        let (mut intake, now, cage) = (Intake::default(), Moment::now(), cage("c"));
        let cause = |intake: &mut Intake, packet| {
            intake.agree(&cage, packet, now).map_or_else(|refusal| refusal.cause(), |_| "taken")
        };
        assert_eq!(cause(&mut intake, packet(None, 3)), "undescribed");
        let (first, second) = (description::encode(&stream(30.0)), description::encode(&stream(25.0)));
        intake.describe(&cage, &first, now.monotonic).unwrap();
        assert_eq!(cause(&mut intake, packet(None, 3)), "taken");
        assert_eq!(cause(&mut intake, packet(Some(StreamId::of(&first)), 3)), "taken");
        assert_eq!(cause(&mut intake, packet(None, 4)), "point-count");
        intake.describe(&cage, &second, now.monotonic).unwrap();
        assert_eq!(cause(&mut intake, packet(Some(StreamId::of(&first)), 3)), "other-stream");
        assert_eq!(intake.describe(&cage, b"{}", now.monotonic).unwrap_err().cause(), "description");
    }

    #[test]
    fn cages_are_limited_and_silent_ones_make_room() {
        let (mut intake, now) = (Intake::default(), Moment::now());
        let json = description::encode(&stream(30.0));
        for index in 0..CAGES_MAX {
            intake.describe(&cage(&format!("c{index}")), &json, now.monotonic).unwrap();
        }
        let refused = intake.describe(&cage("one-more"), &json, now.monotonic).unwrap_err();
        assert_eq!(refused.cause(), "too-many-cages");
        let later = now.later(Duration::from_secs(10));
        intake.agree(&cage("c7"), packet(None, 3), later).unwrap();
        intake.expire(later.monotonic, Duration::from_secs(10));
        assert_eq!(intake.streams.keys().collect::<Vec<_>>(), [&cage("c7")]);
    }

    #[test]
    fn an_oversized_payload_is_not_even_copied() {
        let refused = decode("application/json", 1 << 30, || panic!("copied"), 0.1);
        assert_eq!(refused.unwrap_err().cause(), "oversized");
        assert_eq!(decode("text/plain", 1, || panic!("copied"), 0.1).unwrap_err().cause(), "encoding");
    }
}
