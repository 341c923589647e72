//! A part of the arena.

use serde::{Deserialize, Serialize};

use crate::plane::Vec2;

/// Most corners of a zone.
pub const CORNERS_MAX: usize = 64;

/// A polygon in the camera's pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawZone", into = "RawZone")]
pub struct Zone {
    corners_px: Vec<[f64; 2]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawZone {
    corners_px: Vec<[f64; 2]>,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ZoneError {
    #[error("corners_px: expected 3 to {CORNERS_MAX} corners, got {0}")]
    Corners(usize),
    #[error("corners_px: expected finite coordinates, got {0:?}")]
    Coordinate([f64; 2]),
}

impl TryFrom<RawZone> for Zone {
    type Error = ZoneError;

    fn try_from(RawZone { corners_px }: RawZone) -> Result<Self, ZoneError> {
        if !(3..=CORNERS_MAX).contains(&corners_px.len()) {
            return Err(ZoneError::Corners(corners_px.len()));
        }
        match corners_px.iter().find(|corner| corner.iter().any(|number| !number.is_finite())) {
            Some(corner) => Err(ZoneError::Coordinate(*corner)),
            None => Ok(Self { corners_px }),
        }
    }
}

impl From<Zone> for RawZone {
    fn from(Zone { corners_px }: Zone) -> Self {
        Self { corners_px }
    }
}

impl Zone {
    /// Whether a point (in body lengths of so many pixels) lies within: by the even-odd rule.
    pub fn contains(&self, point: Vec2, body_length_px: f64) -> bool {
        let (x, y) = (f64::from(point.x) * body_length_px, f64::from(point.y) * body_length_px);
        let mut inside = false;
        let mut before = self.corners_px[self.corners_px.len() - 1];
        for corner in &self.corners_px {
            let ([x1, y1], [x2, y2]) = (before, *corner);
            if (y1 > y) != (y2 > y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1 {
                inside = !inside;
            }
            before = *corner;
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_holds_what_lies_within_its_corners() {
        let read = |text: &str| toml::from_str::<Zone>(text).map_err(|error| error.to_string());
        let bent = read("corners_px = [[0, 0], [100, 0], [100, 100], [50, 50], [0, 100]]").unwrap();
        let at = |x: f32, y: f32| bent.contains(Vec2 { x, y }, 50.0);
        assert!(at(0.2, 0.2) && at(1.9, 1.7) && at(0.1, 1.8));
        assert!(!at(1.0, 1.5), "the notch");
        assert!(!at(-0.1, 0.5) && !at(2.1, 0.5) && !at(f32::NAN, 0.5));
        assert!(read("corners_px = [[0, 0], [1, 1]]").unwrap_err().contains("got 2"));
        assert!(read("corners_px = [[0, 0], [1, 1], [nan, 2]]").unwrap_err().contains("finite"));
    }
}
