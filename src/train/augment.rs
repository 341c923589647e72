//! Poses as another camera, another animal or a worse tracker would have given them.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::config::Augmentation;
use crate::poses::Keypoint;

/// A lost keypoint or animal stays lost for up to this many ticks.
const LOSS_TICKS_MAX: usize = 60;

/// Alters T × I × K points in place; the same seed alters alike.
pub fn augment(points: &mut [Keypoint], individuals: usize, keypoints: usize, how: &Augmentation, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let ticks = points.len() / (individuals * keypoints);
    let mirror = if rng.random_bool(how.mirror_chance) { -1.0 } else { 1.0 };
    let scale = 1.0 + rng.random_range(-1.0..=1.0) * how.scale_spread as f32;
    let deviation = if rng.random_bool(how.jitter_chance) { rng.random::<f32>() * how.jitter_max as f32 } else { 0.0 };
    for point in points.iter_mut() {
        // The sum of three uniform numbers is near enough to normal, and has no far outliers.
        let mut noise = || (0..3).map(|_| rng.random_range(-1.0..=1.0_f32)).sum::<f32>() * deviation;
        let (dx, dy) = (noise(), noise());
        point.x = point.x * scale + dx;
        point.y = point.y * scale * mirror + dy;
    }
    let mut lose = |rng: &mut StdRng, per_thousand: f64, whole: bool| {
        let count = per_thousand * ticks as f64 / 1000.0;
        let stretches = count as usize + usize::from(rng.random_bool(count.fract()));
        for individual in 0..individuals {
            for _ in 0..stretches {
                let length = rng.random_range(1..=LOSS_TICKS_MAX);
                let first = rng.random_range(0..ticks);
                let lost = rng.random_range(0..keypoints);
                for tick in first..(first + length).min(ticks) {
                    for keypoint in (0..keypoints).filter(|&keypoint| whole || keypoint == lost) {
                        points[(tick * individuals + individual) * keypoints + keypoint] = Keypoint::MISSING;
                    }
                }
            }
        }
    };
    lose(&mut rng, how.keypoint_losses, false);
    lose(&mut rng, how.animal_losses, true);
}
