//! The floor that the animals walk on.

use serde::{Deserialize, Serialize};

use crate::plane::Vec2;

/// Sides and diameters, in body lengths: less and two animals have no room, more and they never meet.
pub const SIDE_BL: std::ops::RangeInclusive<f32> = 2.5..=40.0;

/// Shape and size of an arena, in body lengths. Its corner, or the corner of the square around it, lies at the origin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arena {
    /// Width and height.
    Rectangle([f32; 2]),
    /// Diameter.
    Circle(f32),
}

impl Arena {
    /// Width and height of the rectangle around it.
    pub fn extent(self) -> Vec2 {
        match self {
            Self::Rectangle([width, height]) => Vec2 { x: width, y: height },
            Self::Circle(diameter) => Vec2 { x: diameter, y: diameter },
        }
    }

    pub fn centre(self) -> Vec2 {
        self.extent() * 0.5
    }

    /// The nearest point that is at least `margin` from every wall.
    #[must_use]
    pub fn inside(self, point: Vec2, margin: f32) -> Vec2 {
        let centre = self.centre();
        match self {
            Self::Rectangle([width, height]) => {
                let clamp = |value: f32, side: f32| {
                    let margin = margin.min(side / 2.0);
                    value.clamp(margin, side - margin)
                };
                Vec2 { x: clamp(point.x, width), y: clamp(point.y, height) }
            }
            Self::Circle(diameter) => {
                let (radius, out) = ((diameter / 2.0 - margin).max(0.0), point - centre);
                if out.length() <= radius { point } else { centre + out * (radius / out.length()) }
            }
        }
    }

    /// How far a point is from the nearest wall; negative beyond it.
    pub fn clearance(self, point: Vec2) -> f32 {
        match self {
            Self::Rectangle([width, height]) => point.x.min(width - point.x).min(point.y.min(height - point.y)),
            Self::Circle(diameter) => diameter / 2.0 - (point - self.centre()).length(),
        }
    }

    /// A point by two numbers within [0, 1): evenly spread, `margin` from the walls.
    pub fn point(self, [a, b]: [f32; 2], margin: f32) -> Vec2 {
        match self {
            Self::Rectangle([width, height]) => self.inside(Vec2 { x: a * width, y: b * height }, margin),
            Self::Circle(diameter) => {
                let radius = (diameter / 2.0 - margin).max(0.0) * a.sqrt();
                self.centre() + Vec2::at_angle(b * std::f32::consts::TAU) * radius
            }
        }
    }

    /// A point near a wall, by two numbers within [0, 1).
    pub fn point_at_wall(self, [a, b]: [f32; 2], margin: f32) -> Vec2 {
        match self {
            Self::Rectangle([width, height]) => {
                let along = a * 2.0 * (width + height);
                let point = if along < width {
                    Vec2 { x: along, y: b * margin }
                } else if along < width + height {
                    Vec2 { x: width, y: along - width }
                } else if along < 2.0 * width + height {
                    Vec2 { x: along - width - height, y: height }
                } else {
                    Vec2 { x: 0.0, y: along - 2.0 * width - height }
                };
                self.inside(point, margin)
            }
            Self::Circle(diameter) => {
                self.centre() + Vec2::at_angle(a * std::f32::consts::TAU) * (diameter / 2.0 - margin).max(0.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_where_they_are_asked_for() {
        for arena in [Arena::Rectangle([5.0, 4.0]), Arena::Circle(4.0)] {
            for step in 0..100_u8 {
                let [a, b] = [f32::from(step) / 100.0, f32::from(step * 7 % 100) / 100.0];
                assert!(arena.clearance(arena.point([a, b], 0.3)) > 0.299, "{arena:?} {a} {b}");
                let wall = arena.clearance(arena.point_at_wall([a, b], 0.3));
                assert!((wall - 0.3).abs() < 1e-3, "{arena:?} {a} {b} {wall}");
                let far = Vec2 { x: 20.0 * a - 9.0, y: 20.0 * b - 9.0 };
                assert!(arena.clearance(arena.inside(far, 0.2)) > 0.199);
            }
            let middle = arena.centre();
            assert_eq!(arena.inside(middle, 0.2), middle);
        }
    }
}
