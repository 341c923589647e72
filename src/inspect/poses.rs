//! The poses of one recording: how much there is, how well it was seen, and what is odd about it.

mod faults;
mod seen;
mod swaps;

pub use faults::{FAR_BODY_LENGTHS, FROZEN_SECS_MIN, Faults, OUTSIDE_WIDTHS, Stray, Twins};
pub use seen::{AnimalSeen, FLICKER_SECS_MAX, Visibility};
pub use swaps::{Scale, SuspectedSwap, SwapWatch};

use std::ops::Range;

use super::{Quantiles, RATES_HZ, Stretches, at_share};
use crate::corpus::RawRecording;
use crate::poses::{Frame, Keypoint};

/// Rate that lengths of time are judged by where none is known.
pub const RATE_ASSUMED_HZ: f64 = 30.0;

/// Most points that a quantile is taken of; longer recordings are sampled at even distances.
const SAMPLED_POINTS_MAX: usize = 1_000_000;

/// What the poses of a recording hold.
///
/// Shares lie within [0, 1]; frames are named by their numbers, ranges of them are half open; lengths are in the
/// recording's own units (pixels).
#[derive(Clone, Debug, PartialEq)]
pub struct PoseReport {
    pub name: String,
    pub individuals: Vec<String>,
    pub keypoints: Vec<String>,
    pub frames: FrameCount,
    pub rate: Rate,
    /// From the first frame to the end of the last; `None` where no rate is known.
    pub duration_secs: Option<f64>,
    pub visibility: Visibility,
    /// `None` where no point was seen.
    pub extent: Option<Extent>,
    /// Confidence of the points that were seen; `None` where none was.
    pub confidence: Option<Quantiles>,
    /// Distance from front to rear where both were seen; `None` without a skeleton, or where they never were.
    pub body_length_px: Option<Quantiles>,
    pub faults: Faults,
    pub swaps: SwapWatch,
    /// What the reader repaired or left out.
    pub repairs: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameCount {
    pub count: u64,
    pub first: u64,
    pub last: u64,
    /// Numbers that are skipped between the first and the last frame.
    pub gaps: Stretches,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rate {
    /// What the caller or the file says.
    pub stated_hz: Option<f64>,
    /// By the capture times, where frames carry them.
    pub measured: Option<MeasuredRate>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasuredRate {
    /// Of the median interval between consecutive frame numbers.
    pub median_hz: f64,
    /// 95% of the intervals lie this close to the median.
    pub jitter_millis: f64,
    /// Frames whose capture time is not after that of the frame before.
    pub backwards: u64,
}

/// Where points were seen, x and y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    pub min: [f64; 2],
    pub max: [f64; 2],
    /// The 1% and the 99% quantile.
    pub p01: [f64; 2],
    pub p99: [f64; 2],
}

impl Rate {
    /// The stated rate, else the measured one.
    pub fn known_hz(&self) -> Option<f64> {
        self.stated_hz.or(self.measured.map(|measured| measured.median_hz))
    }

    /// The rate that lengths of time are judged by.
    pub fn used_hz(&self) -> f64 {
        self.known_hz().unwrap_or(RATE_ASSUMED_HZ)
    }
}

impl PoseReport {
    /// Looks at a recording. `rate_hz` comes before what the recording itself states; skeleton and body length are
    /// those that it states, so a caller that knows them from elsewhere puts them into [`RawRecording::stated`].
    ///
    /// Takes about a microsecond for each point and frame; of frames that lack points, those are missing.
    pub fn of(raw: &RawRecording, rate_hz: Option<f64>) -> Self {
        let stated_hz = rate_hz.or(raw.stated.rate_hz).filter(|rate_hz| RATES_HZ.contains(rate_hz));
        let rate = Rate { stated_hz, measured: measured_rate(&raw.frames) };
        let frames = FrameCount::of(&raw.frames);
        let sample = Sample::of(raw);
        let body_length_px = axis_lengths_px(raw);
        let scale = Scale::of(raw, body_length_px);
        let numbers = if raw.frames.is_empty() { 0 } else { (frames.last - frames.first).saturating_add(1) };
        Self {
            name: raw.name.clone(),
            individuals: raw.individuals.clone(),
            keypoints: raw.keypoints.clone(),
            duration_secs: rate.known_hz().map(|rate_hz| numbers as f64 / rate_hz),
            visibility: Visibility::of(raw, rate.used_hz()),
            extent: sample.extent,
            confidence: sample.confidence,
            body_length_px,
            faults: Faults::of(raw, rate.used_hz(), sample.extent, scale),
            swaps: SwapWatch::of(raw, rate.used_hz(), scale),
            repairs: raw.repairs.clone(),
            frames,
            rate,
        }
    }
}

impl FrameCount {
    fn of(frames: &[Frame]) -> Self {
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return Self::default() };
        let mut gaps = Stretches::default();
        for pair in frames.windows(2) {
            gaps.add(pair[0].number.saturating_add(1)..pair[1].number);
        }
        Self { count: frames.len() as u64, first: first.number, last: last.number.max(first.number), gaps }
    }
}

fn measured_rate(frames: &[Frame]) -> Option<MeasuredRate> {
    let mut backwards = 0;
    let mut intervals_secs = Vec::new();
    for pair in frames.windows(2) {
        let (Some(before), Some(after)) = (pair[0].capture_nanos, pair[1].capture_nanos) else { continue };
        let numbers = pair[1].number.saturating_sub(pair[0].number).max(1);
        let nanos = i128::from(after) - i128::from(before);
        backwards += u64::from(nanos <= 0);
        intervals_secs.push(nanos as f64 / 1e9 / numbers as f64);
    }
    intervals_secs.sort_unstable_by(f64::total_cmp);
    let median_secs =
        intervals_secs.get(intervals_secs.len() / 2).copied().filter(|median| RATES_HZ.contains(&(1.0 / median)))?;
    let mut off_secs: Vec<f64> = intervals_secs.iter().map(|secs| (secs - median_secs).abs()).collect();
    off_secs.sort_unstable_by(f64::total_cmp);
    Some(MeasuredRate { median_hz: 1.0 / median_secs, jitter_millis: at_share(&off_secs, 0.95) * 1e3, backwards })
}

/// Statistics over the points of evenly chosen frames; only the extremes are of all.
struct Sample {
    extent: Option<Extent>,
    confidence: Option<Quantiles>,
}

impl Sample {
    fn of(raw: &RawRecording) -> Self {
        let (mut min, mut max) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for point in raw.frames.iter().flat_map(|frame| &frame.keypoints).filter(|point| point.is_present()) {
            for (axis, place) in [point.x, point.y].into_iter().enumerate() {
                min[axis] = min[axis].min(f64::from(place));
                max[axis] = max[axis].max(f64::from(place));
            }
        }
        let stride = sampling_stride(raw);
        let frames = raw.frames.iter().step_by(stride);
        let seen: Vec<&Keypoint> =
            frames.flat_map(|frame| &frame.keypoints).filter(|point| point.is_present()).collect();
        let confidence = Quantiles::of(seen.iter().map(|point| f64::from(point.confidence)));
        if seen.is_empty() {
            return Self { extent: None, confidence };
        }
        let along = |place: fn(&Keypoint) -> f32| {
            let mut places: Vec<f64> = seen.iter().map(|point| f64::from(place(point))).collect();
            places.sort_unstable_by(f64::total_cmp);
            [0.01, 0.99].map(|share| at_share(&places, share))
        };
        let (x, y) = (along(|point| point.x), along(|point| point.y));
        Self { extent: Some(Extent { min, max, p01: [x[0], y[0]], p99: [x[1], y[1]] }), confidence }
    }
}

fn sampling_stride(raw: &RawRecording) -> usize {
    let points = raw.individuals.len() * raw.keypoints.len();
    (raw.frames.len().saturating_mul(points) / SAMPLED_POINTS_MAX).max(1)
}

/// Distances from front to rear, of all animals.
fn axis_lengths_px(raw: &RawRecording) -> Option<Quantiles> {
    let skeleton = raw.stated.skeleton.as_ref()?;
    let slot = |index: usize| raw.keypoints.iter().position(|keypoint| *keypoint == skeleton.keypoints()[index]);
    let (front, rear) = (slot(skeleton.axis().front)?, slot(skeleton.axis().rear)?);
    let frames = raw.frames.iter().step_by(sampling_stride(raw));
    let animals = frames.flat_map(|frame| (0..raw.individuals.len()).map(move |slot| animal(raw, frame, slot)));
    Quantiles::of(animals.filter_map(|points| Some(distance_px(points.get(front)?, points.get(rear)?))))
}

/// The points of one animal, as far as the frame goes.
fn animal<'a>(raw: &RawRecording, frame: &'a Frame, slot: usize) -> &'a [Keypoint] {
    let (points, keypoints) = (&frame.keypoints, raw.keypoints.len());
    &points[(slot * keypoints).min(points.len())..((slot + 1) * keypoints).min(points.len())]
}

/// NaN where either is missing.
fn distance_px(a: &Keypoint, b: &Keypoint) -> f64 {
    f64::from(a.x - b.x).hypot(f64::from(a.y - b.y))
}

/// A stretch that goes on from frame to frame until something ends it.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    start: Option<u64>,
    last: u64,
}

impl Open {
    /// Takes the next frame, `on` or not, and gives the stretch that it ends. A gap in the numbers ends one too.
    fn take(&mut self, number: u64, on: bool) -> Option<Range<u64>> {
        let broken = !on || number != self.last.saturating_add(1);
        let ended = if broken { self.end() } else { None };
        if on {
            self.start.get_or_insert(number);
            self.last = number;
        }
        ended
    }

    /// The stretch that the recording's end ends.
    fn end(&mut self) -> Option<Range<u64>> {
        self.start.take().map(|start| start..self.last.saturating_add(1))
    }
}

#[cfg(test)]
mod tests;
