//! Errors of the tracker that says which point is whose.

use std::ops::Range;

use rand::RngExt;
use rand::rngs::StdRng;

use super::chance::stretches;
use super::config::{Augmentation, SWAP_TICKS_MIN};
use super::poses::Poses;

/// Of so many drawn stretches, the one that begins where the two animals are nearest to each other becomes a swap:
/// trackers swap animals that touch.
const CANDIDATES: usize = 4;

/// Two animals exchange all their points for a while.
pub fn swap(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    for ((one, other), stretch) in meetings(poses, how.swaps, how.swap_ticks_max, rng) {
        exchange(poses, (one, other), stretch, 0..poses.keypoints);
    }
}

/// Two animals exchange one keypoint for a while.
pub fn swap_partly(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    for ((one, other), stretch) in meetings(poses, how.partial_swaps, how.swap_ticks_max, rng) {
        let keypoint = rng.random_range(0..poses.keypoints);
        exchange(poses, (one, other), stretch, keypoint..keypoint + 1);
    }
}

fn exchange(poses: &mut Poses<'_>, (one, other): (usize, usize), ticks: Range<usize>, keypoints: Range<usize>) {
    for tick in ticks {
        for keypoint in keypoints.clone() {
            poses.points.swap(poses.at(tick, one, keypoint), poses.at(tick, other, keypoint));
        }
    }
}

/// Two animals each, and when they are confused.
fn meetings(
    poses: &Poses<'_>,
    per_thousand: f64,
    ticks_max: u32,
    rng: &mut StdRng,
) -> Vec<((usize, usize), Range<usize>)> {
    if poses.individuals < 2 {
        return Vec::new();
    }
    let found = stretches(per_thousand, (SWAP_TICKS_MIN, ticks_max), poses.ticks, rng);
    let nearest = found.into_iter().filter_map(|stretch| {
        let one = rng.random_range(0..poses.individuals);
        let other = poses.other(one, rng)?;
        let drawn: [usize; CANDIDATES] = std::array::from_fn(|_| rng.random_range(0..poses.ticks));
        let first =
            drawn.into_iter().min_by(|a, b| gap(poses, *a, one, other).total_cmp(&gap(poses, *b, one, other)))?;
        Some(((one, other), first..(first + stretch.len()).min(poses.ticks)))
    });
    nearest.collect()
}

/// The smallest squared distance between the same keypoint of two animals, in square body lengths; infinite where they
/// have none in common.
fn gap(poses: &Poses<'_>, tick: usize, one: usize, other: usize) -> f32 {
    let gaps = (0..poses.keypoints).map(|keypoint| {
        let (a, b) = (&poses.points[poses.at(tick, one, keypoint)], &poses.points[poses.at(tick, other, keypoint)]);
        (a.x - b.x).powi(2) + (a.y - b.y).powi(2)
    });
    // The minimum of a number and NaN is the number.
    gaps.fold(f32::INFINITY, f32::min)
}
