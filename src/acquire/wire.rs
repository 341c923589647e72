//! The pose payload: what a rig publishes for every frame of its camera.
//!
//! A rig publishes on two keys. On `vibrissa/{rig}/{cage}/stream` it puts its stream description as JSON (see
//! [`super::description`]) before the first frame and again every second, so that a detector that joins late learns it.
//! On `vibrissa/{rig}/{cage}/pose` it puts one packet a frame, in one of two encodings; the encoding of the zenoh sample
//! tells which. All rigs may use either, frame by frame.
//!
//! # `application/x-vibrissa-pose`: binary, version 1
//!
//! Little endian, 40 bytes of header and 12 bytes a point, nothing behind:
//!
//! | bytes | type | what |
//! |---|---|---|
//! | 0–3 | bytes | `VBP1`: the last one is the version |
//! | 4–7 | u32 | flags: 1 capture time known, 2 stream known, 4 run known, 8 END, 16 lossless; all others zero |
//! | 8–15 | u64 | the camera's frame number; at END the count of frames that were published |
//! | 16–23 | i64 | capture time in nanoseconds on the stream's clock; ignored without flag 1 |
//! | 24–31 | u64 | stream id, see [`super::description::StreamId`]; ignored without flag 2 |
//! | 32–35 | u32 | run: a number that the publisher draws when it starts; ignored without flag 4 |
//! | 36–37 | u16 | individuals, 1 to 8; zero at END |
//! | 38–39 | u16 | keypoints of an individual, 1 to 64; zero at END |
//! | 40– | 3 × f32 | x, y (pixels) and confidence of each point, individual by individual |
//!
//! # `application/json`: the same as JSON
//!
//! ```json
//! {"version": 1, "number": 17, "capture_nanos": 1700000000000000000, "stream": "00c0ffee00c0ffee", "run": 7,
//!  "lossless": false, "end": false, "points": [[[10.5, 20.0, 0.98], null], [[11.0, 21.0, 0.5], [12.0, 22.0, 0.7]]]}
//! ```
//!
//! `points` holds a list for each individual; a point is `[x, y, confidence]` or `null`. Only `version`, `number` and
//! `points` must be there. JSON knows no NaN: write `null`.
//!
//! # What counts as missing
//!
//! NaN or infinite coordinates, the origin (0, 0) and a confidence under the detector's minimum, in either encoding.
//!
//! # A rig in Python
//!
//! ```python
//! import json, struct, time, zenoh
//!
//! config = zenoh.Config()
//! config.insert_json5("connect/endpoints", '["tcp/127.0.0.1:7447"]')
//! session = zenoh.open(config)
//! pose = session.declare_publisher("vibrissa/rig1/cage1/pose", encoding="application/x-vibrissa-pose", express=True,
//!     priority=zenoh.Priority.REAL_TIME, congestion_control=zenoh.CongestionControl.DROP)
//! description = session.declare_publisher("vibrissa/rig1/cage1/stream", encoding="application/json", express=True,
//!     priority=zenoh.Priority.REAL_TIME)
//! stream = json.dumps({"skeleton": {"name": "rat-5", "keypoints": ["top", "body", "tail", "tail-m", "tail-e"],
//!     "front": "top", "centre": "body", "rear": "tail", "edges": [["top", "body"], ["body", "tail"]]},
//!     "individuals": ["rat1", "rat2"], "rate_hz": 30.0, "body_length_px": 80.0, "clock": "unix", "origin": "live",
//!     "identities": "stable"})
//! for number, animals in enumerate(camera):  # animals: 2 x 5 x (x, y, confidence)
//!     if number % 30 == 0:
//!         description.put(stream)
//!     header = struct.pack("<4sIQqQIHH", b"VBP1", 1, number, time.time_ns(), 0, 0, 2, 5)
//!     pose.put(header + struct.pack("<30f", *(v for animal in animals for point in animal for v in point)))
//! ```

use crate::acquire::description::StreamId;
use crate::acquire::json;
use crate::poses::{Frame, Keypoint};
use crate::skeleton::{INDIVIDUALS_MAX, KEYPOINTS_MAX};

pub const ENCODING_BINARY: &str = "application/x-vibrissa-pose";
pub const ENCODING_JSON: &str = "application/json";

/// Version of both encodings.
pub const VERSION: u32 = 1;

/// Most bytes of a JSON payload; a binary one is bounded by [`BINARY_BYTES_MAX`].
pub const JSON_BYTES_MAX: usize = 128 * 1024;

const MAGIC: [u8; 3] = *b"VBP";
const VERSION_BYTE: u8 = b'1';
const HEADER_BYTES: usize = 40;
const POINT_BYTES: usize = 12;

/// Most bytes of a binary payload.
pub const BINARY_BYTES_MAX: usize = HEADER_BYTES + INDIVIDUALS_MAX * KEYPOINTS_MAX * POINT_BYTES;

const CAPTURE_KNOWN: u32 = 1;
const STREAM_KNOWN: u32 = 2;
const RUN_KNOWN: u32 = 4;
const END: u32 = 8;
const LOSSLESS: u32 = 16;
const FLAGS_ALL: u32 = CAPTURE_KNOWN | STREAM_KNOWN | RUN_KNOWN | END | LOSSLESS;

/// One payload, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// The description under which the frame was taken, where the rig says so.
    pub stream: Option<StreamId>,
    /// Drawn by the publisher at its start, so that two publishers of one cage can be told apart.
    pub run: Option<u32>,
    /// The receiver must not drop this packet: it blocks the publisher instead. For replays.
    pub lossless: bool,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Frame {
        shape: Shape,
        frame: Frame,
    },
    /// The publisher is done, after `frames` frames.
    End {
        frames: u64,
    },
}

/// I × K of a frame, as the payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub individuals: usize,
    pub keypoints: usize,
}

/// Which of the two encodings a sample carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Binary,
    Json,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum WireError {
    #[error("expected encoding {ENCODING_BINARY} or {ENCODING_JSON}, got {0:?}")]
    Encoding(String),
    #[error("expected at most {expected} bytes, got {got}")]
    Oversized { expected: usize, got: usize },
    #[error("expected a header of {HEADER_BYTES} bytes, got {got} bytes in all")]
    Header { got: usize },
    #[error("expected a payload that begins with \"VBP\", got {got:?}")]
    Magic { got: [u8; 3] },
    #[error("expected version {VERSION}, got {got}")]
    Version { got: u32 },
    #[error("expected flags within {FLAGS_ALL:#b}, got {got:#b}")]
    Flags { got: u32 },
    #[error(
        "expected 1 to {INDIVIDUALS_MAX} individuals of 1 to {KEYPOINTS_MAX} keypoints, got {individuals} of {keypoints}"
    )]
    Shape { individuals: usize, keypoints: usize },
    #[error("individual {individual}: expected {expected} keypoints like the first, got {got}")]
    Ragged { individual: usize, expected: usize, got: usize },
    #[error("expected {expected} bytes, got {got}")]
    Length { expected: usize, got: usize },
    #[error("expected no points in an END mark, got {got}")]
    EndPoints { got: usize },
    #[error("not a pose packet in JSON: {0}")]
    Json(String),
}

impl WireError {
    /// A short word for counting.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Encoding(_) => "encoding",
            Self::Oversized { .. } => "oversized",
            Self::Header { .. } | Self::Length { .. } => "length",
            Self::Magic { .. } => "magic",
            Self::Version { .. } => "version",
            Self::Flags { .. } => "flags",
            Self::Shape { .. } | Self::Ragged { .. } | Self::EndPoints { .. } => "shape",
            Self::Json(_) => "json",
        }
    }
}

impl Encoding {
    /// The encoding of that name.
    pub fn parse(name: &str) -> Result<Self, WireError> {
        match name {
            ENCODING_BINARY => Ok(Self::Binary),
            ENCODING_JSON => Ok(Self::Json),
            _ => Err(WireError::Encoding(name.chars().take(64).collect())),
        }
    }

    /// Refuses a payload by its length, before anything is copied or allocated for it.
    pub fn check_size(self, bytes: usize) -> Result<(), WireError> {
        let expected = match self {
            Self::Binary => BINARY_BYTES_MAX,
            Self::Json => JSON_BYTES_MAX,
        };
        if bytes > expected { Err(WireError::Oversized { expected, got: bytes }) } else { Ok(()) }
    }
}

impl Shape {
    /// A shape within the limits of a cage.
    pub fn new(individuals: usize, keypoints: usize) -> Result<Self, WireError> {
        if !(1..=INDIVIDUALS_MAX).contains(&individuals) || !(1..=KEYPOINTS_MAX).contains(&keypoints) {
            return Err(WireError::Shape { individuals, keypoints });
        }
        Ok(Self { individuals, keypoints })
    }
}

impl Packet {
    /// The payload in that encoding. A missing point is written as NaN (binary) or null (JSON).
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        match encoding {
            Encoding::Binary => self.encode_binary(),
            Encoding::Json => json::encode(self),
        }
    }

    /// Reads a payload. Points whose confidence lies under `confidence_min` are missing.
    ///
    /// # Errors
    /// Anything that the layout does not allow; nothing is repaired.
    pub fn decode(encoding: Encoding, payload: &[u8], confidence_min: f32) -> Result<Self, WireError> {
        encoding.check_size(payload.len())?;
        match encoding {
            Encoding::Binary => Self::decode_binary(payload, confidence_min),
            Encoding::Json => json::decode(payload, confidence_min),
        }
    }

    fn encode_binary(&self) -> Vec<u8> {
        let (number, capture_nanos, individuals, keypoints, points) = match &self.content {
            Content::Frame { shape, frame } => {
                (frame.number, frame.capture_nanos, shape.individuals, shape.keypoints, frame.keypoints.as_slice())
            }
            Content::End { frames } => (*frames, None, 0, 0, [].as_slice()),
        };
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let flags = flag(capture_nanos.is_some(), CAPTURE_KNOWN)
            | flag(self.stream.is_some(), STREAM_KNOWN)
            | flag(self.run.is_some(), RUN_KNOWN)
            | flag(matches!(self.content, Content::End { .. }), END)
            | flag(self.lossless, LOSSLESS);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + points.len() * POINT_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION_BYTE);
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&capture_nanos.unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&self.stream.map_or(0, |id| id.0).to_le_bytes());
        bytes.extend_from_slice(&self.run.unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&(individuals as u16).to_le_bytes());
        bytes.extend_from_slice(&(keypoints as u16).to_le_bytes());
        for point in points {
            for value in [point.x, point.y, point.confidence] {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
        bytes
    }

    fn decode_binary(payload: &[u8], confidence_min: f32) -> Result<Self, WireError> {
        let Some((header, body)) = payload.split_first_chunk::<HEADER_BYTES>() else {
            return Err(WireError::Header { got: payload.len() });
        };
        if header[..3] != MAGIC {
            return Err(WireError::Magic { got: field(header, 0) });
        }
        if header[3] != VERSION_BYTE {
            return Err(WireError::Version { got: u32::from(header[3].wrapping_sub(b'0')) });
        }
        let flags = u32::from_le_bytes(field(header, 4));
        if flags & !FLAGS_ALL != 0 {
            return Err(WireError::Flags { got: flags });
        }
        let number = u64::from_le_bytes(field(header, 8));
        let individuals = usize::from(u16::from_le_bytes(field(header, 36)));
        let keypoints = usize::from(u16::from_le_bytes(field(header, 38)));
        let known = |flag: u32| flags & flag != 0;
        let content = if known(END) {
            if individuals * keypoints != 0 || !body.is_empty() {
                return Err(WireError::EndPoints { got: (individuals * keypoints).max(body.len() / POINT_BYTES) });
            }
            Content::End { frames: number }
        } else {
            let shape = Shape::new(individuals, keypoints)?;
            let expected = HEADER_BYTES + individuals * keypoints * POINT_BYTES;
            if payload.len() != expected {
                return Err(WireError::Length { expected, got: payload.len() });
            }
            let value = |point: &[u8; POINT_BYTES], at: usize| f32::from_le_bytes(field(point, at));
            let (points, _) = body.as_chunks::<POINT_BYTES>();
            let keypoints = points
                .iter()
                .map(|point| Keypoint::observed(value(point, 0), value(point, 4), value(point, 8), confidence_min))
                .collect();
            let capture_nanos = known(CAPTURE_KNOWN).then(|| i64::from_le_bytes(field(header, 16)));
            Content::Frame { shape, frame: Frame { number, capture_nanos, keypoints } }
        };
        Ok(Self {
            stream: known(STREAM_KNOWN).then(|| StreamId(u64::from_le_bytes(field(header, 24)))),
            run: known(RUN_KNOWN).then(|| u32::from_le_bytes(field(header, 32))),
            lossless: known(LOSSLESS),
            content,
        })
    }
}

/// The `N` bytes at an offset that the layout places within `bytes`.
fn field<const N: usize, const M: usize>(bytes: &[u8; M], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

#[cfg(test)]
mod tests;
