//! Poses as another camera, another animal, a worse or a live tracker would have given them.
//!
//! Published poses were filtered and stitched when the whole film was there; a live tracker has the past only, and
//! nobody mends what it gets wrong. A network that is to work live must have met that.
//!
//! Everything is done in the order in which it comes about, as each step acts on what the one before left:
//!
//! 1. **Time** ([`Stretch`], done by the caller, as labels go along): before all faults, whose durations are those of
//!    a machine and do not follow the animals.
//! 2. **Animal and camera** (mirror, scale): once for a crop, and before noise, whose size does not follow the
//!    animal's.
//! 3. **Estimator** (`estimator`): outliers first, as they are places where it looks, and are as noisy as others; then
//!    drift and jitter; then confidence with its floor, and losses, which noise must not bring back.
//! 4. **Identity** (`identity`): whoever tells animals apart is given what the estimator found, and swaps gaps too.
//! 5. **Filter and delivery** (`live`): a filter knows slots, so that what was swapped or jumped slides there; a point
//!    freezes as it was filtered; and a frame that never comes is lost whatever was in it.
//!
//! Nothing turns or moves the arena: features do not depend on it.

mod chance;
pub mod config;
mod estimator;
mod identity;
mod live;
mod poses;
pub mod stretch;
#[cfg(test)]
mod tests;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use self::chance::happens;
use self::config::Augmentation;
use self::poses::Poses;
use crate::poses::Keypoint;

pub use self::stretch::Stretch;

/// Alters T × I × K points, in body lengths, in place. Points whose confidence falls under `confidence_min` are
/// missing, and those that were missing stay so, unless animals are swapped. The same seed alters alike, and a kind of
/// change that is switched off leaves the draws of the others as they were.
pub fn augment(
    points: &mut [Keypoint],
    individuals: usize,
    keypoints: usize,
    confidence_min: f32,
    how: &Augmentation,
    seed: u64,
) {
    let ticks = points.len().checked_div(individuals * keypoints).unwrap_or(0);
    if ticks == 0 {
        return;
    }
    let points = &mut points[..ticks * individuals * keypoints];
    let mut poses = Poses { points, ticks, individuals, keypoints, confidence_min };
    let mut seeds = StdRng::seed_from_u64(seed);
    let faulty = happens(how.faulty_chance, &mut seeds);
    let mut change = |chance: f64, alter: fn(&mut Poses<'_>, &Augmentation, &mut StdRng)| {
        let mut rng = StdRng::seed_from_u64(seeds.random());
        if happens(chance, &mut rng) {
            alter(&mut poses, how, &mut rng);
        }
    };
    let fault = |chance: f64| if faulty { chance } else { 0.0 };
    change(how.mirror_chance, mirror);
    change(1.0, scale);
    change(fault(how.outlier_chance), estimator::outliers);
    change(fault(how.drift_chance), estimator::drift);
    change(how.jitter_chance, estimator::jitter);
    change(fault(how.confidence_chance), estimator::confidence);
    change(fault(how.keypoint_loss_chance), estimator::lose_keypoints);
    change(fault(how.animal_loss_chance), estimator::lose_animals);
    change(fault(how.swap_chance), identity::swap);
    change(fault(how.partial_swap_chance), identity::swap_partly);
    change(fault(how.lag_chance), live::lag);
    change(fault(how.hold_chance), live::hold);
    change(fault(how.frame_loss_chance), live::lose_frames);
}

fn mirror(poses: &mut Poses<'_>, _: &Augmentation, _: &mut StdRng) {
    for point in poses.points.iter_mut() {
        point.y = -point.y;
    }
}

fn scale(poses: &mut Poses<'_>, how: &Augmentation, rng: &mut StdRng) {
    let factor = 1.0 + rng.random_range(-1.0..=1.0) * how.scale_spread as f32;
    for point in poses.points.iter_mut() {
        *point = point.scaled(factor);
    }
}
