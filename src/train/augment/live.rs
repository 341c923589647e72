//! What live poses suffer and published ones do not: those were filtered from both sides, and their gaps filled, when
//! all frames had come.

use rand::RngExt;
use rand::rngs::StdRng;

use super::chance::{happens, stretches};
use super::config::Augmentation;
use super::poses::Poses;
use crate::plane::Vec2;
use crate::poses::Keypoint;

/// Share of losses of frames that are of a single one.
const SINGLE_SHARE: f64 = 0.5;

/// Positions follow through a causal exponential filter, which begins anew where a point appears.
///
/// In steady motion a filter that keeps k = exp(−1 / time constant) is k / (1 − k) ticks behind: 2.5 at three ticks.
pub fn lag(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    let keep = (-1.0 / (rng.random::<f32>() * how.lag_ticks_max as f32)).exp();
    for column in 0..poses.width() {
        let mut filtered = None;
        for point in poses.column(column) {
            filtered = Vec2::of(point).map(|seen| filtered.map_or(seen, |was| was * keep + seen * (1.0 - keep)));
            if let Some(Vec2 { x, y }) = filtered {
                *point = Keypoint { x, y, ..*point };
            }
        }
    }
}

/// Single keypoints freeze as they were last, until they are lost at the latest.
pub fn hold(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    for individual in 0..poses.individuals {
        for stretch in stretches(how.holds, (1, how.hold_ticks_max), poses.ticks, rng) {
            let keypoint = rng.random_range(0..poses.keypoints);
            let Some(before) = stretch.start.checked_sub(1) else { continue };
            let last = poses.points[poses.at(before, individual, keypoint)];
            for tick in stretch {
                let at = poses.at(tick, individual, keypoint);
                if !last.is_present() || !poses.points[at].is_present() {
                    break;
                }
                poses.points[at] = last;
            }
        }
    }
}

/// Whole frames never come: single ones, and bursts.
pub fn lose_frames(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    let width = poses.width();
    for burst in stretches(how.frame_losses, (1, how.frame_loss_ticks_max), poses.ticks, rng) {
        let end = if happens(SINGLE_SHARE, rng) { burst.start + 1 } else { burst.end };
        poses.points[burst.start * width..end * width].fill(Keypoint::MISSING);
    }
}
