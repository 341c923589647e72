//! What trackers do wrong: points that hang, points that lie elsewhere, one animal found twice.

use super::{Extent, Open, Scale, animal, distance_px};
use crate::acquire::identity::TWIN_BODY_LENGTHS_MAX;
use crate::corpus::RawRecording;
use crate::inspect::Stretches;
use crate::poses::{Frame, Keypoint};

/// A point whose coordinates are repeated exactly for so long hangs. No animal holds that still, but a tracker that
/// rounds to whole pixels may repeat an animal that sleeps.
pub const FROZEN_SECS_MIN: f64 = 1.0;

/// A point is far from its animal beyond this many body lengths from the median of the animal's points.
pub const FAR_BODY_LENGTHS: f64 = 3.0;

/// A point is out of range where it lies further beyond the middle 98% of all points than those are wide.
pub const OUTSIDE_WIDTHS: f64 = 1.0;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// By individual: every point that is seen stays exactly where it was, at least two of them where there are two
    /// keypoints or more, for [`FROZEN_SECS_MIN`] or longer.
    pub frozen: Vec<Stretches>,
    /// By individual, then keypoint: the point stays exactly where it was so long, while the animal's others moved in
    /// at least half of those frames.
    pub stuck: Vec<Vec<Stretches>>,
    /// Pairs of slots that held the same points at least once.
    pub twins: Vec<Twins>,
    /// By individual: points that lie far from the animal, and the first frame with one.
    pub far: Vec<Stray>,
    /// Points out of the range of the others.
    pub outside: Stray,
}

/// Two slots that hold one animal, as far as the coordinates tell: all points that both have, two or more (one, where
/// there is but one keypoint), lie within [`TWIN_BODY_LENGTHS_MAX`]; without a scale they are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Twins {
    pub first: usize,
    pub second: usize,
    pub frames: Stretches,
}

/// Points that lie where they should not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stray {
    pub points: u64,
    pub first_frame: Option<u64>,
}

impl Stray {
    fn add(&mut self, frame: &Frame, points: usize) {
        if points > 0 {
            self.points += points as u64;
            self.first_frame.get_or_insert(frame.number);
        }
    }
}

impl Faults {
    pub(super) fn of(raw: &RawRecording, rate_hz: f64, extent: Option<Extent>, scale: Option<Scale>) -> Self {
        let mut outside = Stray::default();
        let mut far = vec![Stray::default(); raw.individuals.len()];
        for frame in &raw.frames {
            if let Some(extent) = extent {
                outside.add(frame, frame.keypoints.iter().filter(|point| is_outside(point, &extent)).count());
            }
            for (slot, far) in far.iter_mut().enumerate() {
                if let Some(scale) = scale {
                    far.add(frame, far_count(animal(raw, frame, slot), FAR_BODY_LENGTHS * scale.px()));
                }
            }
        }
        let frozen_frames = ((FROZEN_SECS_MIN * rate_hz).ceil() as u64).max(2);
        let still = |slot| Still::of(raw, slot, frozen_frames);
        let (frozen, stuck) = (0..raw.individuals.len()).map(still).map(|still| (still.frozen, still.stuck)).unzip();
        Self { frozen, stuck, twins: twins(raw, scale), far, outside }
    }
}

fn is_outside(point: &Keypoint, extent: &Extent) -> bool {
    point.is_present()
        && [point.x, point.y].into_iter().enumerate().any(|(axis, place)| {
            let (low, high) = (extent.p01[axis], extent.p99[axis]);
            let margin = OUTSIDE_WIDTHS * (high - low);
            high > low && !(low - margin..=high + margin).contains(&f64::from(place))
        })
}

/// Points that lie further than that from the median of an animal's points; of two, neither is said to be wrong.
fn far_count(points: &[Keypoint], distance_px_max: f64) -> usize {
    let seen: Vec<&Keypoint> = points.iter().filter(|point| point.is_present()).collect();
    if seen.len() < 3 {
        return 0;
    }
    let median = |place: fn(&Keypoint) -> f32| {
        let mut places: Vec<f32> = seen.iter().map(|point| place(point)).collect();
        places.sort_unstable_by(f32::total_cmp);
        places[places.len() / 2]
    };
    let middle = Keypoint { x: median(|point| point.x), y: median(|point| point.y), confidence: 1.0 };
    seen.iter().filter(|point| distance_px(point, &middle) > distance_px_max).count()
}

/// How long an animal, and each of its points, stood perfectly still.
struct Still {
    frozen: Stretches,
    stuck: Vec<Stretches>,
}

/// A point's stretch at one place, and in how many of its frames the animal moved otherwise.
#[derive(Clone, Copy, Default)]
struct AtPlace {
    open: Open,
    frames_moving: u64,
}

impl Still {
    fn of(raw: &RawRecording, slot: usize, frames_min: u64) -> Self {
        let keypoints = raw.keypoints.len();
        let points_min = keypoints.min(2);
        let mut still = Self { frozen: Stretches::default(), stuck: vec![Stretches::default(); keypoints] };
        let mut frozen = Open::default();
        let mut at_place = vec![AtPlace::default(); keypoints];
        for pair in raw.frames.windows(2) {
            let (before, after) = (animal(raw, &pair[0], slot), animal(raw, &pair[1], slot));
            let number = pair[1].number;
            let follows = number == pair[0].number.saturating_add(1);
            let stayed = |keypoint: usize| is_same(before.get(keypoint), after.get(keypoint));
            let moved = (0..keypoints).filter(|&keypoint| is_moved(before.get(keypoint), after.get(keypoint))).count();
            let stayed_count = (0..keypoints).filter(|&keypoint| stayed(keypoint)).count();
            let seen_count = after.iter().filter(|point| point.is_present()).count();
            let is_frozen = follows && stayed_count == seen_count && stayed_count >= points_min && moved == 0;
            if let Some(stretch) = frozen.take(number, is_frozen) {
                add_long(&mut still.frozen, stretch, frames_min);
            }
            for (keypoint, at_place) in at_place.iter_mut().enumerate() {
                let on = follows && stayed(keypoint);
                if let Some(stretch) = at_place.open.take(number, on) {
                    at_place.end(&mut still.stuck[keypoint], stretch, frames_min);
                }
                at_place.frames_moving += u64::from(on && moved > 0);
            }
        }
        if let Some(stretch) = frozen.end() {
            add_long(&mut still.frozen, stretch, frames_min);
        }
        for (at_place, stuck) in at_place.iter_mut().zip(&mut still.stuck) {
            if let Some(stretch) = at_place.open.end() {
                at_place.end(stuck, stretch, frames_min);
            }
        }
        still
    }
}

impl AtPlace {
    fn end(&mut self, stuck: &mut Stretches, stretch: std::ops::Range<u64>, frames_min: u64) {
        if 2 * self.frames_moving >= stretch.end - stretch.start {
            add_long(stuck, stretch, frames_min);
        }
        self.frames_moving = 0;
    }
}

fn add_long(stretches: &mut Stretches, stretch: std::ops::Range<u64>, frames_min: u64) {
    if stretch.end - stretch.start >= frames_min {
        stretches.add(stretch);
    }
}

fn is_same(before: Option<&Keypoint>, after: Option<&Keypoint>) -> bool {
    matches!((before, after), (Some(a), Some(b)) if a.is_present() && a.x == b.x && a.y == b.y)
}

fn is_moved(before: Option<&Keypoint>, after: Option<&Keypoint>) -> bool {
    matches!((before, after), (Some(a), Some(b)) if a.is_present() && b.is_present() && (a.x != b.x || a.y != b.y))
}

fn twins(raw: &RawRecording, scale: Option<Scale>) -> Vec<Twins> {
    let distance_px_max = scale.map_or(0.0, |scale| TWIN_BODY_LENGTHS_MAX * scale.px());
    let points_min = raw.keypoints.len().clamp(1, 2);
    let mut found = Vec::new();
    for second in 1..raw.individuals.len() {
        for first in 0..second {
            let mut frames = Stretches::default();
            let mut open = Open::default();
            for frame in &raw.frames {
                let pairs = animal(raw, frame, first).iter().zip(animal(raw, frame, second));
                let distances = pairs.map(|(a, b)| distance_px(a, b)).filter(|distance| distance.is_finite());
                let (shared, widest) = distances.fold((0, 0.0), |(count, widest), one| (count + 1, one.max(widest)));
                let together = shared >= points_min && widest <= distance_px_max;
                if let Some(stretch) = open.take(frame.number, together) {
                    frames.add(stretch);
                }
            }
            if let Some(stretch) = open.end() {
                frames.add(stretch);
            }
            if frames.count > 0 {
                found.push(Twins { first, second, frames });
            }
        }
    }
    found
}
