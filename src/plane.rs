//! Points and directions in the plane of the arena, in body lengths.

use std::ops::{Add, Mul, Sub};

use crate::poses::Keypoint;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vec2 {
    pub x: f32,
    pub y: f32,
}

impl Vec2 {
    /// The point, or `None` where it is missing.
    pub fn of(keypoint: &Keypoint) -> Option<Self> {
        keypoint.is_present().then_some(Self { x: keypoint.x, y: keypoint.y })
    }

    /// The unit vector at `angle` radians from the x axis.
    pub fn at_angle(angle: f32) -> Self {
        Self { x: angle.cos(), y: angle.sin() }
    }

    /// Radians from the x axis, within ±π.
    pub fn angle(self) -> f32 {
        self.y.atan2(self.x)
    }

    /// This vector of a frame whose x axis points along `heading` (a unit vector), in the arena: undoes
    /// [`Vec2::in_frame`].
    #[must_use]
    pub fn from_frame(self, heading: Self) -> Self {
        Self { x: heading.x * self.x - heading.y * self.y, y: heading.y * self.x + heading.x * self.y }
    }

    pub fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }

    /// Sine of the angle from `self` to `other` times both lengths.
    pub fn cross(self, other: Self) -> f32 {
        self.x * other.y - self.y * other.x
    }

    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The direction, or `None` for a vector too short to have one.
    pub fn unit(self) -> Option<Self> {
        let length = self.length();
        (length > 1e-4).then(|| self * (1.0 / length))
    }

    /// This arena vector in a frame whose x axis points along `heading` (a unit vector).
    #[must_use]
    pub fn in_frame(self, heading: Self) -> Self {
        Self { x: heading.dot(self), y: heading.cross(self) }
    }
}

impl Add for Vec2 {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { x: self.x + other.x, y: self.y + other.y }
    }
}

impl Sub for Vec2 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { x: self.x - other.x, y: self.y - other.y }
    }
}

impl Mul<f32> for Vec2 {
    type Output = Self;
    fn mul(self, factor: f32) -> Self {
        Self { x: self.x * factor, y: self.y * factor }
    }
}
