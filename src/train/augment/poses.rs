//! The points of a crop, addressed by tick, individual and keypoint.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::poses::Keypoint;

/// T × I × K, none of them zero.
#[derive(Debug)]
pub struct Poses<'a> {
    pub points: &'a mut [Keypoint],
    pub ticks: usize,
    pub individuals: usize,
    pub keypoints: usize,
    /// Points of a lower confidence are missing.
    pub confidence_min: f32,
}

impl Poses<'_> {
    /// Points of a tick.
    pub fn width(&self) -> usize {
        self.individuals * self.keypoints
    }

    /// Where a point lies.
    pub fn at(&self, tick: usize, individual: usize, keypoint: usize) -> usize {
        (tick * self.individuals + individual) * self.keypoints + keypoint
    }

    /// One keypoint of one individual (0 to I × K), tick by tick.
    pub fn column(&mut self, column: usize) -> impl Iterator<Item = &mut Keypoint> {
        let width = self.width();
        self.points.iter_mut().skip(column).step_by(width)
    }

    /// Another individual than this one, if there is any.
    pub fn other(&self, individual: usize, rng: &mut StdRng) -> Option<usize> {
        (self.individuals > 1).then(|| (individual + rng.random_range(1..self.individuals)) % self.individuals)
    }
}
