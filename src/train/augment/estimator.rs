//! Errors of the pose estimator: where it sees keypoints, how sure it is, and what it does not see.

use std::f32::consts::{FRAC_1_SQRT_2, TAU};

use rand::RngExt;
use rand::rngs::StdRng;

use super::chance::{Walk, happens, normal, stretches};
use super::config::Augmentation;
use super::poses::Poses;
use crate::plane::Vec2;
use crate::poses::Keypoint;

/// Share of outliers that lie on another animal, where there is one: estimators take one animal's nose for another's
/// more often than a spot of the floor.
const ON_OTHER_SHARE: f64 = 0.5;

/// Time constants of drift, in ticks.
const DRIFT_TICKS: std::ops::RangeInclusive<f32> = 10.0..=20.0;

/// Time constant of confidences, in ticks: postures that are hard to see last about a second.
const CONFIDENCE_TICKS: f32 = 30.0;

/// Confidences are taken for this far from 0 and 1 at least: beyond it logits have no end, and many files say 1
/// throughout.
const CONFIDENCE_EDGE: f32 = 0.002;

/// Single keypoints jump to some place, or onto the same keypoint of another animal, and come back.
pub fn outliers(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    for individual in 0..poses.individuals {
        for stretch in stretches(how.outliers, (1, how.outlier_ticks_max), poses.ticks, rng) {
            let keypoint = rng.random_range(0..poses.keypoints);
            let onto = poses.other(individual, rng).filter(|_| happens(ON_OTHER_SHARE, rng));
            let jump = Vec2::at_angle(rng.random::<f32>() * TAU) * (rng.random::<f32>() * how.outlier_max as f32);
            let mut place = None;
            for tick in stretch {
                let at = poses.at(tick, individual, keypoint);
                let Some(seen) = Vec2::of(&poses.points[at]) else { continue };
                let taken = match onto {
                    Some(other) => Vec2::of(&poses.points[poses.at(tick, other, keypoint)]),
                    None => Some(*place.get_or_insert(seen + jump)),
                };
                if let Some(Vec2 { x, y }) = taken {
                    poses.points[at] = Keypoint { x, y, ..poses.points[at] };
                }
            }
        }
    }
}

/// Every keypoint wanders about its place.
pub fn drift(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    let deviation = rng.random::<f32>() * how.drift_max as f32;
    let walk = Walk::new(rng.random_range(DRIFT_TICKS));
    for column in 0..poses.width() {
        let (mut dx, mut dy) = (normal(rng), normal(rng));
        for point in poses.column(column) {
            point.x += dx * deviation;
            point.y += dy * deviation;
            (dx, dy) = (walk.step(dx, rng), walk.step(dy, rng));
        }
    }
}

/// White noise.
pub fn jitter(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    let deviation = rng.random::<f32>() * how.jitter_max as f32;
    for point in poses.points.iter_mut() {
        point.x += normal(rng) * deviation;
        point.y += normal(rng) * deviation;
    }
}

/// The estimator is more or less sure than it was: throughout the crop, and of every keypoint at its own times, each
/// with half of the variance.
pub fn confidence(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    let deviation = rng.random::<f32>() * how.confidence_spread as f32 * FRAC_1_SQRT_2;
    let throughout = normal(rng) * deviation;
    let walk = Walk::new(CONFIDENCE_TICKS);
    let confidence_min = poses.confidence_min;
    for column in 0..poses.width() {
        let mut mood = normal(rng);
        for point in poses.column(column) {
            if point.is_present() {
                let was = point.confidence.clamp(CONFIDENCE_EDGE, 1.0 - CONFIDENCE_EDGE);
                let logit = (was / (1.0 - was)).ln() + throughout + mood * deviation;
                point.confidence = 1.0 / (1.0 + (-logit).exp());
                if point.confidence < confidence_min {
                    *point = Keypoint::MISSING;
                }
            }
            mood = walk.step(mood, rng);
        }
    }
}

/// Single keypoints are not seen for a while.
pub fn lose_keypoints(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    for individual in 0..poses.individuals {
        for stretch in stretches(how.keypoint_losses, (1, how.loss_ticks_max), poses.ticks, rng) {
            let keypoint = rng.random_range(0..poses.keypoints);
            for tick in stretch {
                let at = poses.at(tick, individual, keypoint);
                poses.points[at] = Keypoint::MISSING;
            }
        }
    }
}

/// Whole animals are not seen for a while.
pub fn lose_animals(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    for individual in 0..poses.individuals {
        for stretch in stretches(how.animal_losses, (1, how.loss_ticks_max), poses.ticks, rng) {
            for tick in stretch {
                let at = poses.at(tick, individual, 0);
                poses.points[at..at + poses.keypoints].fill(Keypoint::MISSING);
            }
        }
    }
}
