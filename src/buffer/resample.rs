//! Ordered frames to ticks.
//!
//! Places are computed from the counts of ticks and frames, never accumulated, so nothing drifts. `count · rate / 30`
//! in `f64` has an exact product for whole rates (up to 2⁵³, millennia) and one rounding in the division, so a place
//! that is a whole number comes out whole; for other rates the error after a year (10⁹ ticks) is under 10⁻⁶ frames.

use std::mem;
use std::ops::RangeInclusive;

use super::ticks::Ticked;
use crate::poses::{Frame, Keypoint};
use crate::time::{TICK_RATE_HZ, Tick, WINDOW_TICKS};

/// Rates (Hz) at which one frame is one tick: within 2% of 30 Hz.
pub const WHOLE_RATE_HZ: RangeInclusive<f64> = 29.4..=30.6;

/// From this rate (Hz) on, a tick is the mean of its frames.
pub const MEAN_RATE_HZ_MIN: f64 = 45.0;

/// Two frames further apart than this many ticks are not interpolated between: 100 ms, what neighbouring frames of
/// the slowest allowed stream ([`crate::stream::RATE_HZ_MIN`]) are.
pub const SPAN_TICKS_MAX: f64 = 3.0;

/// Turns frames with strictly ascending numbers into ticks.
#[derive(Clone, Debug)]
pub struct Resampler {
    rate_hz: f64,
    point_count: usize,
    method: Method,
    /// Number of the frame that is tick 0.
    base: Option<u64>,
    /// The first tick that was not given yet.
    next: u64,
    /// Missing ticks in a row up to `next`: more than one gap where a frame between them lies on no tick.
    missing: u64,
}

#[derive(Clone, Debug)]
enum Method {
    Whole,
    /// The newest frame.
    Between(Option<Frame>),
    /// The frames of the tick `next` so far.
    Mean(Mean),
}

impl Resampler {
    pub fn new(rate_hz: f64, point_count: usize) -> Self {
        let method = if WHOLE_RATE_HZ.contains(&rate_hz) {
            Method::Whole
        } else if rate_hz < MEAN_RATE_HZ_MIN {
            Method::Between(None)
        } else {
            Method::Mean(Mean::new(point_count))
        };
        Self { rate_hz, point_count, method, base: None, next: 0, missing: 0 }
    }

    /// Takes the frame after those before it and appends what became known.
    pub fn push(&mut self, frame: &Frame, out: &mut Vec<Ticked>) {
        let base = *self.base.get_or_insert(frame.number);
        let place = frame.number - base;
        let first = self.first_tick_of(place);
        if first > self.next {
            self.close_mean(out);
        }
        let missing = first.saturating_sub(self.next);
        let in_a_row = self.missing.saturating_add(missing);
        if in_a_row >= WINDOW_TICKS as u64 {
            self.flush(out);
            out.push(Ticked::Reset);
            // Ends there: a frame that is its own base misses nothing.
            return self.push(frame, out);
        }
        for _ in 0..missing {
            self.give(vec![Keypoint::MISSING; self.point_count], None, out);
        }
        self.missing = in_a_row;
        match &mut self.method {
            Method::Whole => self.give(frame.keypoints.clone(), frame.capture_nanos, out),
            Method::Between(_) => self.interpolate(place, frame, out),
            Method::Mean(mean) => {
                mean.add(frame);
                if self.nearest_tick(place + 1) > self.next {
                    self.close_mean(out);
                }
            }
        }
    }

    /// Appends a tick whose frames did not all come; afterwards as new.
    pub fn flush(&mut self, out: &mut Vec<Ticked>) {
        self.close_mean(out);
        if let Method::Between(newest) = &mut self.method {
            *newest = None;
        }
        self.base = None;
        self.next = 0;
        self.missing = 0;
    }

    /// Number of the frame that is tick 0, and the first tick that was not given yet.
    pub fn place(&self) -> Option<(u64, u64)> {
        self.base.map(|base| (base, self.next))
    }

    /// Goes on from such a place.
    pub fn resume(&mut self, base: u64, next: u64) {
        self.base = Some(base);
        self.next = next;
    }

    /// The first tick that a frame speaks for; those from `next` to there are missing. `place` counts frames from the
    /// base.
    fn first_tick_of(&self, place: u64) -> u64 {
        match &self.method {
            Method::Whole => place,
            Method::Mean(_) => self.nearest_tick(place),
            Method::Between(newest) => {
                let before = newest.as_ref().zip(self.base).map(|(newest, base)| newest.number - base);
                let bridged = before
                    .is_some_and(|before| (place - before) as f64 * TICK_RATE_HZ <= SPAN_TICKS_MAX * self.rate_hz);
                if bridged { self.next } else { self.tick_from(place) }
            }
        }
    }

    /// The tick k whose time span [k/30 − 1/60, k/30 + 1/60) s holds a frame.
    fn nearest_tick(&self, place: u64) -> u64 {
        (place as f64 * TICK_RATE_HZ / self.rate_hz + 0.5).floor() as u64
    }

    /// The first tick at a frame or after it. A place beyond any tick saturates: that is a gap, not a position.
    fn tick_from(&self, place: u64) -> u64 {
        let tick = (place as f64 * TICK_RATE_HZ / self.rate_hz).floor() as u64;
        if self.place_of(tick) < place as f64 { tick.saturating_add(1) } else { tick }
    }

    /// Where a tick lies, in frames from the base.
    fn place_of(&self, tick: u64) -> f64 {
        tick as f64 * self.rate_hz / TICK_RATE_HZ
    }

    /// Gives the ticks up to a frame, which becomes the newest.
    fn interpolate(&mut self, place: u64, frame: &Frame, out: &mut Vec<Ticked>) {
        let Method::Between(newest) = &mut self.method else { return };
        let before = newest.take();
        let end = place as f64;
        while self.place_of(self.next) <= end {
            let at = self.place_of(self.next);
            match &before {
                Some(before) if at < end => {
                    let span = (frame.number - before.number) as f64;
                    let share = 1.0 - (end - at) / span;
                    let keypoints = before.keypoints.iter().zip(&frame.keypoints);
                    let keypoints = keypoints.map(|(a, b)| between(a, b, share)).collect();
                    let capture = before.capture_nanos.zip(frame.capture_nanos);
                    self.give(keypoints, capture.map(|(a, b)| nanos_between(a, b, share)), out);
                }
                _ => self.give(frame.keypoints.clone(), frame.capture_nanos, out),
            }
        }
        self.method = Method::Between(Some(match before {
            None => frame.clone(),
            Some(Frame { mut keypoints, .. }) => {
                keypoints.copy_from_slice(&frame.keypoints);
                Frame { number: frame.number, capture_nanos: frame.capture_nanos, keypoints }
            }
        }));
    }

    fn close_mean(&mut self, out: &mut Vec<Ticked>) {
        if let Method::Mean(mean) = &mut self.method
            && let Some((keypoints, capture_nanos)) = mean.take()
        {
            self.give(keypoints, capture_nanos, out);
        }
    }

    fn give(&mut self, keypoints: Vec<Keypoint>, capture_nanos: Option<i64>, out: &mut Vec<Ticked>) {
        out.push(Ticked::Tick { tick: Tick(self.next), keypoints, capture_nanos });
        self.next += 1;
        self.missing = 0;
    }
}

/// A point at `share` (0 to 1, both excluded) of the way; missing where either end is. Confidence goes the same way as
/// the coordinates: they take as much from each end, and it does not jump while ticks wander over the frames.
fn between(a: &Keypoint, b: &Keypoint, share: f64) -> Keypoint {
    if !a.is_present() || !b.is_present() {
        return Keypoint::MISSING;
    }
    let mix = |a: f32, b: f32| (f64::from(a) * (1.0 - share) + f64::from(b) * share) as f32;
    Keypoint { x: mix(a.x, b.x), y: mix(a.y, b.y), confidence: mix(a.confidence, b.confidence) }
}

fn nanos_between(a: i64, b: i64, share: f64) -> i64 {
    let (start, way) = (i128::from(a), i128::from(b) - i128::from(a));
    (start + (way as f64 * share).round() as i128).clamp(a.min(b).into(), a.max(b).into()) as i64
}

/// The frames of one tick, summed up point by point over those frames that see the point.
#[derive(Clone, Debug)]
struct Mean {
    points: Vec<PointSum>,
    frames: i128,
    /// `None` once a frame had no capture time.
    capture_nanos_sum: Option<i128>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PointSum {
    x: f64,
    y: f64,
    confidence: f64,
    count: u32,
}

impl Mean {
    fn new(point_count: usize) -> Self {
        Self { points: vec![PointSum::default(); point_count], frames: 0, capture_nanos_sum: Some(0) }
    }

    fn add(&mut self, frame: &Frame) {
        self.frames += 1;
        self.capture_nanos_sum =
            self.capture_nanos_sum.zip(frame.capture_nanos).map(|(sum, nanos)| sum + i128::from(nanos));
        for (sum, point) in self.points.iter_mut().zip(&frame.keypoints).filter(|(_, point)| point.is_present()) {
            sum.x += f64::from(point.x);
            sum.y += f64::from(point.y);
            sum.confidence += f64::from(point.confidence);
            sum.count += 1;
        }
    }

    /// The mean, leaving an empty sum; `None` without any frame.
    fn take(&mut self) -> Option<(Vec<Keypoint>, Option<i64>)> {
        if self.frames == 0 {
            return None;
        }
        let keypoints = self.points.iter_mut().map(|sum| mem::take(sum).mean()).collect();
        let capture_nanos = self.capture_nanos_sum.map(|sum| sum.div_euclid(self.frames) as i64);
        self.frames = 0;
        self.capture_nanos_sum = Some(0);
        Some((keypoints, capture_nanos))
    }
}

impl PointSum {
    fn mean(self) -> Keypoint {
        if self.count == 0 {
            return Keypoint::MISSING;
        }
        let mean = |sum: f64| (sum / f64::from(self.count)) as f32;
        Keypoint { x: mean(self.x), y: mean(self.y), confidence: mean(self.confidence) }
    }
}
