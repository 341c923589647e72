//! The stream description on the wire: JSON of a [`StreamDescription`], and the short id that frames may carry.
//!
//! | key | what |
//! |---|---|
//! | `skeleton` | name, keypoints in the order of the points, `front`, `centre`, `rear`, edges |
//! | `individuals` | names in the order of the frame: the slots of the cage |
//! | `rate_hz` | of the camera, 10 to 240 |
//! | `body_length_px` | coordinate units in one nominal body length |
//! | `clock` | name of the clock of the capture times; `"unix"` is nanoseconds since 1970 (UTC); absent: none |
//! | `origin` | `live`, `replay` or `simulated` |
//! | `identities` | `stable` (the default): a place is an animal; `unordered`: instances come in any order |

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::stream::StreamDescription;

/// Most bytes of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 64 * 1024;

/// The first 8 bytes (read as little endian) of the blake3 hash of a description's JSON, byte by byte as published.
///
/// A frame that carries it is refused when the description in force is another. In text it is 16 hexadecimal digits of
/// the number, most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId(pub u64);

/// A description as it came over the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub stream: StreamDescription,
    pub id: StreamId,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum DescriptionError {
    #[error("expected a stream description of at most {DESCRIPTION_BYTES_MAX} bytes, got {got}")]
    Oversized { got: usize },
    #[error("not a stream description: {0}")]
    Json(String),
    #[error("expected a stream id of 16 hexadecimal digits, got {0:?}")]
    Id(String),
}

impl StreamId {
    /// The id of a description in the form in which it is published.
    pub fn of(json: &[u8]) -> Self {
        let hash = blake3::hash(json);
        Self(u64::from_le_bytes(std::array::from_fn(|index| hash.as_bytes()[index])))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for StreamId {
    type Error = DescriptionError;

    fn try_from(text: String) -> Result<Self, DescriptionError> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u64::from_str_radix(&text, 16) {
            Ok(id) if digits => Ok(Self(id)),
            _ => Err(DescriptionError::Id(text.chars().take(32).collect())),
        }
    }
}

impl Described {
    /// Reads a description as it was published.
    ///
    /// # Errors
    /// More than [`DESCRIPTION_BYTES_MAX`] bytes, broken JSON, unknown fields, or values outside the limits.
    pub fn decode(json: &[u8]) -> Result<Self, DescriptionError> {
        if json.len() > DESCRIPTION_BYTES_MAX {
            return Err(DescriptionError::Oversized { got: json.len() });
        }
        let stream = serde_json::from_slice(json).map_err(|error| DescriptionError::Json(error.to_string()))?;
        Ok(Self { stream, id: StreamId::of(json) })
    }
}

/// The JSON to publish for a stream.
#[allow(clippy::missing_panics_doc, reason = "names and finite numbers always serialize")]
pub fn encode(stream: &StreamDescription) -> Vec<u8> {
    serde_json::to_vec(stream).expect("names and finite numbers always serialize")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTION: &str = r#"{"skeleton":{"name":"m","keypoints":["nose","neck","tail"],"front":"nose","centre":"neck",
        "rear":"tail","edges":[]},"individuals":["a","b"],"rate_hz":30.0,"body_length_px":80.0,"origin":"live"}"#;

    #[test]
    fn a_description_keeps_the_id_of_its_own_bytes() {
        let described = Described::decode(DESCRIPTION.as_bytes()).unwrap();
        assert_eq!(described.id, StreamId::of(DESCRIPTION.as_bytes()));
        let again = Described::decode(&encode(&described.stream)).unwrap();
        assert_eq!(again.stream, described.stream);
        assert_ne!(again.id, described.id, "other bytes, though the same stream");
    }

    #[test]
    fn an_id_reads_as_it_is_written() {
        let id = StreamId(0x00c0_ffee);
        assert_eq!(id.to_string(), "0000000000c0ffee");
        assert_eq!(StreamId::try_from(id.to_string()), Ok(id));
        assert!(StreamId::try_from("+0000000000c0ffe".to_owned()).is_err());
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_what_was_expected() {
        let error = Described::decode(DESCRIPTION.replace("30.0", "1000.0").as_bytes()).unwrap_err();
        assert!(error.to_string().contains("expected a rate_hz within 10 to 240"), "{error}");
        let got = DESCRIPTION_BYTES_MAX + 1;
        assert_eq!(Described::decode(&vec![b' '; got]), Err(DescriptionError::Oversized { got }));
    }
}
