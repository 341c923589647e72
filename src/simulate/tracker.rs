//! How a real pose estimator fails: true positions in, what would be reported out.
//!
//! The faults and their rates are a [`Preset`]'s. All of them run in seconds, so that cameras of 30 Hz and of 120 Hz see
//! the same world; every rate holds for any scene, but for the faults of contact, which need animals that touch.

mod chance;
mod delivery;
mod identity;
mod points;
mod scene;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use self::delivery::Delivery;
use self::identity::Identity;
use self::points::Points;
use self::scene::Scene;
use super::preset::Preset;
use crate::plane::Vec2;
use crate::poses::Keypoint;
use crate::skeleton::{Axis, INDIVIDUALS_MAX, KEYPOINTS_MAX};

/// A pose estimator and its tracker, watching one cage. The same preset, seed and scene give the same reports.
#[derive(Debug)]
pub struct Tracker {
    random: StdRng,
    scene: Scene,
    points: Points,
    identity: Identity,
    delivery: Delivery,
    /// Body by body, before identities are given.
    seen: Vec<Keypoint>,
}

/// What becomes of one frame of the camera. It arrives at its capture + `latency` + `late`.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// I × K, in body lengths, slot by slot as the tracker believes the animals to be; all missing in a dropped frame.
    pub keypoints: Vec<Keypoint>,
    /// The camera or the estimator lost this frame: it never arrives.
    pub dropped: bool,
    /// What every frame takes. Of these alone, no frame overtakes another.
    pub latency: Duration,
    /// Beyond it: zero, or long enough to arrive after the next frame.
    pub late: Duration,
}

impl Tracker {
    /// An estimator that reports `individuals` × `keypoints` points `rate_hz` times a second. Counts beyond
    /// [`INDIVIDUALS_MAX`] and [`KEYPOINTS_MAX`] are taken for these; a rate outside of 1 to 1,000 Hz for the nearer of
    /// the two, one that is not a number for 30 Hz.
    pub fn new(preset: &Preset, axis: Axis, individuals: usize, keypoints: usize, rate_hz: f64, seed: u64) -> Self {
        let (individuals, keypoints) = (individuals.min(INDIVIDUALS_MAX), keypoints.min(KEYPOINTS_MAX));
        let rate_hz = if rate_hz.is_nan() { crate::time::TICK_RATE_HZ } else { rate_hz.clamp(1.0, 1000.0) };
        let interval_secs = 1.0 / rate_hz;
        let mut key = [0; 32];
        key[..8].copy_from_slice(&preset.seed.to_le_bytes());
        key[8..16].copy_from_slice(&seed.to_le_bytes());
        let mut random = StdRng::from_seed(key);
        let random_ref = &mut random;
        // Points first: which keypoints are hard depends on the seeds alone, not on the rate.
        let points = Points::new(preset, axis, (individuals, keypoints), interval_secs, random_ref);
        let identity = Identity::new(preset, individuals, interval_secs, random_ref);
        let delivery = Delivery::new(&preset.frames, interval_secs, random_ref);
        let scene = Scene::new(preset, axis, individuals, keypoints);
        Self { random, scene, points, identity, delivery, seen: vec![Keypoint::MISSING; individuals * keypoints] }
    }

    /// The same with animals in one order, whatever the preset says: recordings need one.
    #[must_use]
    pub fn with_order(mut self) -> Self {
        self.identity.unordered = false;
        self
    }

    /// Whether the animals come in another order in every frame.
    pub fn is_unordered(&self) -> bool {
        self.identity.unordered
    }

    /// To be called for each frame of the camera, in order. `points`: I × K true positions in body lengths; those that
    /// are not finite, or that a short slice lacks, are unseen. `heights`: one of each animal, in any unit; the higher
    /// of two covers the lower, and of two as high (or of no height) each covers the other half as wide.
    pub fn observe(&mut self, points: &[Vec2], heights: &[f32]) -> Observed {
        self.scene.look(points, heights);
        self.points.report(&self.scene, &mut self.random, &mut self.seen);
        self.identity.step(&self.scene, &mut self.random);
        self.identity.mix(self.scene.keypoints, &mut self.seen);
        let due = self.delivery.step(&mut self.random);
        let width = self.scene.keypoints;
        let mut keypoints = Vec::with_capacity(self.seen.len());
        for &body in self.identity.owners() {
            keypoints.extend_from_slice(&self.seen[body * width..][..width]);
        }
        if due.dropped {
            keypoints.fill(Keypoint::MISSING);
        }
        Observed { keypoints, dropped: due.dropped, latency: due.latency, late: due.late }
    }

    /// Whose body stands in each slot of the last observed frame: the truth behind swaps and unordered frames.
    pub fn owners(&self) -> &[usize] {
        self.identity.owners()
    }
}
