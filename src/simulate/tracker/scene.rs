//! What a frame shows: which points are below another body, which animals are near each other.

use std::cmp::Ordering;

use super::super::preset::Preset;
use crate::plane::Vec2;
use crate::poses::COORDINATE_MAX;
use crate::skeleton::Axis;

const UNSEEN: Vec2 = Vec2 { x: f32::NAN, y: f32::NAN };

/// The true scene of one frame.
#[derive(Clone, Debug)]
pub struct Scene {
    pub individuals: usize,
    pub keypoints: usize,
    axis: Axis,
    near_bl: f32,
    radius_bl: f32,
    /// I × K; unseen points are NaN.
    truth: Vec<Vec2>,
    /// I × K.
    covered: Vec<bool>,
    /// I × I, symmetric.
    near: Vec<bool>,
}

impl Scene {
    pub fn new(preset: &Preset, axis: Axis, individuals: usize, keypoints: usize) -> Self {
        Self {
            individuals,
            keypoints,
            axis,
            near_bl: preset.near_bl,
            radius_bl: preset.occlusion.radius_bl,
            truth: vec![UNSEEN; individuals * keypoints],
            covered: vec![false; individuals * keypoints],
            near: vec![false; individuals * individuals],
        }
    }

    /// Takes the next frame.
    pub fn look(&mut self, points: &[Vec2], heights: &[f32]) {
        for (index, truth) in self.truth.iter_mut().enumerate() {
            let point = points.get(index).copied().unwrap_or(UNSEEN);
            // A NaN is not within any bounds.
            let in_bounds = point.x.abs() <= COORDINATE_MAX && point.y.abs() <= COORDINATE_MAX;
            *truth = if in_bounds { point } else { UNSEEN };
        }
        self.covered.fill(false);
        for below in 0..self.individuals {
            for above in (0..self.individuals).filter(|above| *above != below) {
                self.near[below * self.individuals + above] = self.centres_are_near(below, above);
                let height = |animal: usize| heights.get(animal).copied().unwrap_or(f32::NAN);
                match height(below).partial_cmp(&height(above)).unwrap_or(Ordering::Equal) {
                    Ordering::Less => self.cover(below, above, self.radius_bl),
                    Ordering::Equal => self.cover(below, above, 0.5 * self.radius_bl),
                    Ordering::Greater => {}
                }
            }
        }
    }

    /// The true position, if the point is seen at all.
    pub fn point(&self, animal: usize, keypoint: usize) -> Option<Vec2> {
        let index = animal * self.keypoints + keypoint;
        let point = if keypoint < self.keypoints { self.truth.get(index).copied()? } else { UNSEEN };
        point.x.is_finite().then_some(point)
    }

    pub fn is_covered(&self, animal: usize, keypoint: usize) -> bool {
        self.covered[animal * self.keypoints + keypoint]
    }

    pub fn are_near(&self, one: usize, other: usize) -> bool {
        self.near[one * self.individuals + other]
    }

    pub fn is_near_any(&self, animal: usize) -> bool {
        self.near[animal * self.individuals..][..self.individuals].contains(&true)
    }

    /// Bit k: keypoint k is nearer to its animal's front than to its rear.
    pub fn front_half(&self, animal: usize) -> u64 {
        let (Some(front), Some(rear)) = (self.point(animal, self.axis.front), self.point(animal, self.axis.rear))
        else {
            return 0;
        };
        let in_front = |keypoint: usize| {
            self.point(animal, keypoint).is_some_and(|point| (point - front).length() < (point - rear).length())
        };
        (0..self.keypoints).filter(|keypoint| in_front(*keypoint)).fold(0, |half, keypoint| half | 1 << keypoint)
    }

    fn centres_are_near(&self, one: usize, other: usize) -> bool {
        match (self.point(one, self.axis.centre), self.point(other, self.axis.centre)) {
            (Some(one), Some(other)) => (other - one).length() <= self.near_bl,
            _ => false,
        }
    }

    /// Marks the points of `below` that lie within `radius_bl` of the body axis of `above`.
    fn cover(&mut self, below: usize, above: usize, radius_bl: f32) {
        let axis = [self.axis.front, self.axis.centre, self.axis.rear].map(|keypoint| self.point(above, keypoint));
        let mut seen = axis.into_iter().flatten();
        let Some(first) = seen.next() else { return };
        let second = seen.next().unwrap_or(first);
        let third = seen.next().unwrap_or(second);
        // Most points are far from most animals: a box sorts them out.
        let low = |a: f32, b: f32, c: f32| a.min(b).min(c) - radius_bl;
        let high = |a: f32, b: f32, c: f32| a.max(b).max(c) + radius_bl;
        let x = low(first.x, second.x, third.x)..=high(first.x, second.x, third.x);
        let y = low(first.y, second.y, third.y)..=high(first.y, second.y, third.y);
        let range = below * self.keypoints..(below + 1) * self.keypoints;
        for (point, covered) in self.truth[range.clone()].iter().zip(&mut self.covered[range]) {
            if x.contains(&point.x) && y.contains(&point.y) {
                let distance = distance_to(*point, first, second).min(distance_to(*point, second, third));
                *covered |= distance <= radius_bl;
            }
        }
    }
}

/// From a point to a segment, which may have no length.
fn distance_to(point: Vec2, start: Vec2, end: Vec2) -> f32 {
    let (along, to_point) = (end - start, point - start);
    let squared = along.dot(along);
    let share = if squared > 0.0 { (to_point.dot(along) / squared).clamp(0.0, 1.0) } else { 0.0 };
    (to_point - along * share).length()
}
