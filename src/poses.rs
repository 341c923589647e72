//! Keypoints and frames, as they come from a pose estimator.

/// Coordinates beyond this many units (pixels) are taken for garbage: squares and third differences of what is left stay
/// far from the limits of single precision.
pub const COORDINATE_MAX: f32 = 1e6;

/// One tracked point. A point that was not seen has NaN coordinates and zero confidence, and nothing else does:
/// what comes from outside enters by [`Keypoint::observed`].
#[derive(Clone, Copy, Debug)]
pub struct Keypoint {
    pub x: f32,
    pub y: f32,
    /// The estimator's own confidence, within [0, 1].
    pub confidence: f32,
}

impl Keypoint {
    pub const MISSING: Self = Self { x: f32::NAN, y: f32::NAN, confidence: 0.0 };

    /// A point as an estimator reported it. Coordinates that are not finite or beyond [`COORDINATE_MAX`], the origin
    /// (0, 0) and a confidence that is not finite or lies under `confidence_min` all mean *missing*.
    pub fn observed(x: f32, y: f32, confidence: f32, confidence_min: f32) -> Self {
        let at_origin = x == 0.0 && y == 0.0;
        // A NaN is not within any bounds.
        let in_bounds = x.abs() <= COORDINATE_MAX && y.abs() <= COORDINATE_MAX;
        if !in_bounds || at_origin || !confidence.is_finite() || confidence < confidence_min {
            return Self::MISSING;
        }
        Self { x, y, confidence: confidence.clamp(0.0, 1.0) }
    }

    /// The same point in other units.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        Self { x: self.x * factor, y: self.y * factor, ..self }
    }

    pub fn is_present(&self) -> bool {
        self.x.is_finite()
    }
}

/// Equality in which a missing point equals a missing point.
impl PartialEq for Keypoint {
    fn eq(&self, other: &Self) -> bool {
        if !self.is_present() || !other.is_present() {
            return self.is_present() == other.is_present();
        }
        (self.x, self.y, self.confidence) == (other.x, other.y, other.confidence)
    }
}

/// The keypoints of all individuals of a cage at one moment of its camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The camera's own frame number.
    pub number: u64,
    /// When the camera took the frame, in the clock domain that its stream names; `None` where the rig cannot say.
    pub capture_nanos: Option<i64>,
    /// I × K points, individual by individual, in the stream's units (pixels).
    pub keypoints: Vec<Keypoint>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_is_missing() {
        for (x, y, confidence) in
            [(f32::NAN, 1.0, 1.0), (1.0, f32::INFINITY, 1.0), (0.0, 0.0, 1.0), (1.0, 1.0, f32::NAN), (1.0, 1.0, 0.09)]
        {
            assert!(!Keypoint::observed(x, y, confidence, 0.1).is_present(), "{x} {y} {confidence}");
        }
        assert!(Keypoint::observed(0.0, 1.0, 0.1, 0.1).is_present());
    }
}
