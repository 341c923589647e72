//! What is remembered of one animal, and how well an instance continues it.

use crate::poses::Keypoint;

/// How fast an animal leaves the place where it is expected: for a time t in seconds the spread is
/// √(noise² + (speed · t)² / (1 + t / turn)) body lengths, a walk that keeps its direction for about the turning time
/// and diffuses afterwards. It depends on seconds, not on frames, so it is right at every rate.
const NOISE_BODY_LENGTHS: f64 = 0.006;
const SPEED_BODY_LENGTHS_HZ: f64 = 0.4;
const TURN_SECS: f64 = 0.2;

/// The distance from the expected place follows a two-dimensional Student t of this many degrees of freedom: trackers
/// jump far more often than any normal distribution allows.
const DEGREES: f64 = 1.5;

/// Spread between the centroids of different keypoints of one animal.
const ANATOMY_BODY_LENGTHS: f64 = 0.3;

/// Distances count up to this many body lengths. With [`NOISE_BODY_LENGTHS`] it keeps a product over
/// [`crate::skeleton::KEYPOINTS_MAX`] squared distances within `f64`.
const DISTANCE_BODY_LENGTHS_MAX: f64 = 10.0;

/// Density of an animal of which nothing is known, per squared body length: it is somewhere in a cage of this area.
const CAGE_SQUARE_BODY_LENGTHS: f64 = 16.0;

/// Share of frames in which a tracker puts an animal anywhere.
const JUMP_SHARE: f64 = 1e-3;

/// Velocity is smoothed over, and believed for, about this long.
const VELOCITY_SECS: f64 = 0.1;

/// What moved faster has jumped, and what was unseen longer starts anew; neither says where it goes next.
const VELOCITY_BODY_LENGTHS_HZ_MAX: f64 = 8.0;
const VELOCITY_GAP_SECS_MAX: f64 = 0.25;

/// An animal unseen for longer may be anywhere.
pub(super) const LOST_SECS: f64 = 60.0;

/// Where one animal was last seen, keypoint by keypoint, and its velocity. Lengths are in body lengths.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    body_lengths_per_px: f64,
    points: Vec<Point>,
    velocity_hz: [f64; 2],
    /// `None` until the animal was seen.
    unseen_secs: Option<f64>,
    /// By how much the animal is expected to have moved since it was seen.
    moved: [f64; 2],
}

#[derive(Clone, Copy, Debug)]
struct Point {
    place: [f64; 2],
    /// Infinite until the point was seen.
    unseen_secs: f64,
    /// Square of the spread at present and its logarithm.
    variance: f64,
    log_variance: f64,
}

impl Memory {
    pub(super) fn new(keypoints: usize, body_length_px: f64) -> Self {
        let point = Point { place: [0.0; 2], unseen_secs: f64::INFINITY, variance: 1.0, log_variance: 0.0 };
        Self {
            body_lengths_per_px: 1.0 / body_length_px,
            points: vec![point; keypoints],
            velocity_hz: [0.0; 2],
            unseen_secs: None,
            moved: [0.0; 2],
        }
    }

    /// Seconds since the animal was seen; `None` if it never was.
    pub(super) fn unseen_secs(&self) -> Option<f64> {
        self.unseen_secs
    }

    /// Whether nothing is known of where the animal is.
    pub(super) fn is_lost(&self) -> bool {
        self.unseen_secs.is_none_or(|secs| secs > LOST_SECS)
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, secs: f64) {
        let Some(unseen_secs) = &mut self.unseen_secs else { return };
        *unseen_secs += secs;
        let believed_secs = VELOCITY_SECS * (1.0 - (-*unseen_secs / VELOCITY_SECS).exp());
        self.moved = self.velocity_hz.map(|velocity| velocity * believed_secs);
        for point in &mut self.points {
            point.unseen_secs += secs;
            if point.unseen_secs.is_finite() {
                point.variance = variance(point.unseen_secs);
                point.log_variance = point.variance.ln();
            }
        }
    }

    /// Logarithm of the density (per squared body length) of seeing this animal as `instance`, which has a point: the
    /// mean over the keypoints that both have, else that of the centroids. Points of an animal move together, so they
    /// count as one observation. At least the density of a jump, and finite.
    pub(super) fn log_density(&self, instance: &[Keypoint]) -> f64 {
        let anywhere = 1.0 / CAGE_SQUARE_BODY_LENGTHS;
        if self.is_lost() {
            return anywhere.ln();
        }
        let (mut product, mut log_variances, mut shared) = (1.0, 0.0, 0);
        for (point, keypoint) in self.points.iter().zip(instance) {
            if !is_present(keypoint) || point.unseen_secs > LOST_SECS {
                continue;
            }
            let [x, y] = self.place_of(keypoint);
            let squared = (x - point.place[0] - self.moved[0]).powi(2) + (y - point.place[1] - self.moved[1]).powi(2);
            product *= point.variance + squared.min(DISTANCE_BODY_LENGTHS_MAX.powi(2));
            log_variances += point.log_variance;
            shared += 1;
        }
        let (log_distance, log_variance) = if shared == 0 {
            self.between_centroids(instance)
        } else {
            (product.ln() / f64::from(shared), log_variances / f64::from(shared))
        };
        let log_density = (DEGREES / std::f64::consts::TAU).ln() + DEGREES / 2.0 * log_variance
            - (DEGREES / 2.0 + 1.0) * log_distance;
        ((1.0 - JUMP_SHARE) * log_density.exp() + JUMP_SHARE * anywhere).ln()
    }

    /// Takes in where the animal is now.
    pub(super) fn see(&mut self, instance: &[Keypoint]) {
        let unseen_secs = self.unseen_secs.unwrap_or(f64::INFINITY);
        let (mut way, mut shared) = ([0.0; 2], 0.0);
        for (point, keypoint) in self.points.iter().zip(instance) {
            // Points that were unseen longer than the animal were moved along with it, and say nothing new.
            if is_present(keypoint) && point.unseen_secs <= unseen_secs && unseen_secs.is_finite() {
                let [x, y] = self.place_of(keypoint);
                way[0] += x - point.place[0];
                way[1] += y - point.place[1];
                shared += 1.0;
            }
        }
        if shared > 0.0 {
            way = way.map(|sum| sum / shared);
        }
        self.velocity_hz = if shared > 0.0 { self.velocity_after(way, unseen_secs) } else { [0.0; 2] };
        let body_lengths_per_px = self.body_lengths_per_px;
        for (point, keypoint) in self.points.iter_mut().zip(instance) {
            if is_present(keypoint) {
                (point.place, point.unseen_secs) = (place(keypoint, body_lengths_per_px), 0.0);
            } else {
                point.place = [point.place[0] + way[0], point.place[1] + way[1]];
            }
        }
        self.unseen_secs = Some(0.0);
        self.moved = [0.0; 2];
    }

    fn velocity_after(&self, way: [f64; 2], secs: f64) -> [f64; 2] {
        let limit = VELOCITY_BODY_LENGTHS_HZ_MAX * secs;
        if secs > VELOCITY_GAP_SECS_MAX || way[0].hypot(way[1]) > limit {
            return [0.0; 2];
        }
        let kept = (-secs / VELOCITY_SECS).exp();
        [0, 1].map(|axis| kept * self.velocity_hz[axis] + (1.0 - kept) * way[axis] / secs)
    }

    /// Logarithms of the squared distance of the centroids, its spread included, and of the spread.
    fn between_centroids(&self, instance: &[Keypoint]) -> (f64, f64) {
        let seen = instance.iter().filter(|keypoint| is_present(keypoint)).map(|keypoint| self.place_of(keypoint));
        let known = self.points.iter().filter(|point| point.unseen_secs <= LOST_SECS).map(|point| point.place);
        let ([x, y], [expected_x, expected_y]) = (centroid(seen), centroid(known));
        let squared = (x - expected_x - self.moved[0]).powi(2) + (y - expected_y - self.moved[1]).powi(2);
        let spread = variance(self.unseen_secs.unwrap_or(LOST_SECS)) + ANATOMY_BODY_LENGTHS.powi(2);
        ((spread + squared.min(DISTANCE_BODY_LENGTHS_MAX.powi(2))).ln(), spread.ln())
    }

    fn place_of(&self, keypoint: &Keypoint) -> [f64; 2] {
        place(keypoint, self.body_lengths_per_px)
    }
}

fn place(keypoint: &Keypoint, body_lengths_per_px: f64) -> [f64; 2] {
    [f64::from(keypoint.x) * body_lengths_per_px, f64::from(keypoint.y) * body_lengths_per_px]
}

pub(super) fn is_present(keypoint: &Keypoint) -> bool {
    keypoint.x.is_finite() && keypoint.y.is_finite()
}

fn variance(unseen_secs: f64) -> f64 {
    let way = SPEED_BODY_LENGTHS_HZ * unseen_secs;
    NOISE_BODY_LENGTHS.powi(2) + way.powi(2) / (1.0 + unseen_secs / TURN_SECS)
}

fn centroid(places: impl Iterator<Item = [f64; 2]>) -> [f64; 2] {
    let (sum, count) = places.fold(([0.0; 2], 0.0_f64), |(sum, count), [x, y]| ([sum[0] + x, sum[1] + y], count + 1.0));
    sum.map(|sum| sum / count.max(1.0))
}
