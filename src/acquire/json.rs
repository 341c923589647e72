//! The JSON twin of the binary pose payload; [`super::wire`] documents both.

use serde::{Deserialize, Serialize};

use crate::acquire::description::StreamId;
use crate::acquire::wire::{Content, Packet, Shape, VERSION, WireError};
use crate::poses::{Frame, Keypoint};

/// x, y (pixels) and confidence; `null` is a missing point.
type Point = Option<(f32, f32, f32)>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPacket {
    version: u32,
    number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capture_nanos: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<StreamId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<u32>,
    #[serde(default)]
    lossless: bool,
    #[serde(default)]
    end: bool,
    points: Vec<Vec<Point>>,
}

pub(super) fn encode(packet: &Packet) -> Vec<u8> {
    let (number, capture_nanos, end, points) = match &packet.content {
        Content::Frame { shape, frame } => {
            let point = |point: &Keypoint| point.is_present().then_some((point.x, point.y, point.confidence));
            let points = frame.keypoints.chunks(shape.keypoints).map(|one| one.iter().map(point).collect()).collect();
            (frame.number, frame.capture_nanos, false, points)
        }
        Content::End { frames } => (*frames, None, true, Vec::new()),
    };
    let Packet { stream, run, lossless, .. } = *packet;
    let raw = RawPacket { version: VERSION, number, capture_nanos, stream, run, lossless, end, points };
    serde_json::to_vec(&raw).expect("numbers, lists and names always serialize")
}

pub(super) fn decode(payload: &[u8], confidence_min: f32) -> Result<Packet, WireError> {
    let raw: RawPacket = serde_json::from_slice(payload).map_err(|error| WireError::Json(error.to_string()))?;
    if raw.version != VERSION {
        return Err(WireError::Version { got: raw.version });
    }
    let content = if raw.end {
        let got = raw.points.iter().map(Vec::len).sum();
        if got > 0 {
            return Err(WireError::EndPoints { got });
        }
        Content::End { frames: raw.number }
    } else {
        let shape = Shape::new(raw.points.len(), raw.points.first().map_or(0, Vec::len))?;
        if let Some((individual, points)) =
            raw.points.iter().enumerate().find(|(_, points)| points.len() != shape.keypoints)
        {
            return Err(WireError::Ragged { individual, expected: shape.keypoints, got: points.len() });
        }
        let observed = |point: Point| {
            point.map_or(Keypoint::MISSING, |(x, y, confidence)| Keypoint::observed(x, y, confidence, confidence_min))
        };
        let keypoints = raw.points.into_iter().flatten().map(observed).collect();
        Content::Frame { shape, frame: Frame { number: raw.number, capture_nanos: raw.capture_nanos, keypoints } }
    };
    Ok(Packet { stream: raw.stream, run: raw.run, lossless: raw.lossless, content })
}
