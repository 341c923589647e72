//! The shortest delay from capture to arrival, on clocks that differ by anything; and leaps of the capture clock.
//!
//! Transport only ever adds, so the lowest delay is the difference of both clocks plus the fastest way. It sinks at
//! once and rises slowly: what comes to stay, such as a full queue, must not soon count as normal.

/// How fast the floor may rise, beside a known drift, in parts per million of time: a little more than the difference
/// of two free quartz clocks. A delay of 1 s that comes to stay is forgotten after more than an hour.
pub(super) const RISE_PPM: f64 = 200.0;

/// The fastest drift that a pause may hide before the delays on both its sides are taken for a leap.
const PAUSE_DRIFT_PPM: i64 = 500;

/// A leap is certain when the delays after it have stayed for so long, over so many frames.
const CERTAIN_NANOS: i64 = 1_000_000_000;
const CERTAIN_FRAMES: u32 = 8;

/// Until then after the first frame, leaps are taken for the beginning.
const SETTLED_NANOS: i64 = 2_000_000_000;

/// Leaps, certain or taken back, of which one is forgotten every ten seconds: more of them than this, and capture times
/// are no clock; fewer than [`CALM_LEAPS`], and they are one again.
const ERRATIC_LEAPS: f64 = 6.0;
const CALM_LEAPS: f64 = 1.0;
const FORGOTTEN_LEAPS_HZ: f64 = 0.1;

/// From a frame with a capture time to the next of a higher number.
#[allow(clippy::struct_field_names, reason = "units belong into names")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Differences in capture and arrival.
    pub capture_nanos: i64,
    pub arrival_nanos: i64,
    /// How long the camera needs for as many frames as lie between; `None` where it began to count anew.
    pub due_nanos: Option<i64>,
}

/// What a delay was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Of the clock as it is known.
    Known,
    /// After what may have been a leap: nothing is known about it yet, or it was a stray.
    Doubtful,
    /// It made certain that the capture clock has leapt ahead by so much.
    Leapt(i64),
}

#[derive(Debug)]
pub(super) struct Floor {
    leap_nanos_min: i64,
    lowest: i64,
    at: i64,
    since: i64,
    frames: u32,
    /// Delay of the frame before.
    before: i64,
    doubt: Option<Doubt>,
    leaps: f64,
    erratic: bool,
}

/// Delays after what may have been a leap.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: i64,
    frames: u32,
    lowest: i64,
}

impl Floor {
    pub fn new(leap_nanos_min: i64, at: i64, delay: i64) -> Self {
        Self {
            leap_nanos_min: leap_nanos_min.max(1),
            lowest: delay,
            at,
            since: at,
            frames: 1,
            before: delay,
            doubt: None,
            leaps: 0.0,
            erratic: false,
        }
    }

    pub fn lowest(&self) -> i64 {
        self.lowest
    }

    /// Enough was seen that the lowest delay means something.
    pub fn is_settled(&self) -> bool {
        self.frames >= CERTAIN_FRAMES && self.at.saturating_sub(self.since) >= SETTLED_NANOS
    }

    /// Capture times leap about so much that they are no clock.
    pub fn is_erratic(&self) -> bool {
        self.erratic
    }

    /// Whether a step is one that no transport can make: the capture clock moved otherwise than the camera's frame
    /// numbers and the arrivals together allow.
    pub fn is_leap(&self, delay: i64, step: &Step) -> bool {
        let least = self.leap_nanos_min.saturating_add(step.arrival_nanos / 1_000_000 * PAUSE_DRIFT_PPM);
        let rose = delay.saturating_sub(self.before);
        // Frames that were dropped without a number look like a leap ahead, but end at the floor, not below it.
        let below = delay < self.lowest.saturating_sub(least / 2);
        let extra = step.due_nanos.map(|due| step.capture_nanos.saturating_sub(due));
        let ahead = below && rose <= -least && extra.is_none_or(|extra| extra >= least);
        let back = rose >= least && extra.is_none_or(|extra| extra <= -least);
        ahead || back
    }

    /// Takes the delay of a frame of a higher number than any before. `slope_ppm` is how fast delays are known to rise.
    pub fn take(&mut self, at: i64, delay: i64, is_leap: bool, slope_ppm: f64) -> Taken {
        let nanos = at.saturating_sub(self.at).max(0) as f64;
        self.lowest = self.lowest.saturating_add((nanos * (slope_ppm + RISE_PPM) * 1e-6) as i64);
        self.leaps = (self.leaps - nanos * 1e-9 * FORGOTTEN_LEAPS_HZ).max(0.0);
        self.at = at;
        self.before = delay;
        self.frames = self.frames.saturating_add(1);
        if is_leap {
            self.leaps = (self.leaps + 1.0).min(2.0 * ERRATIC_LEAPS);
            self.leap(delay);
        }
        if self.leaps >= ERRATIC_LEAPS {
            self.erratic = true;
        } else if self.leaps < CALM_LEAPS {
            self.erratic = false;
        }
        if let Some(doubt) = self.doubt {
            return self.decide(doubt, delay);
        }
        self.lowest = self.lowest.min(delay);
        Taken::Known
    }

    /// Takes the delay of a late frame, which tells nothing of leaps.
    pub fn take_late(&mut self, delay: i64) -> Taken {
        if self.doubt.is_some() || delay < self.lowest.saturating_sub(self.leap_nanos_min) {
            return Taken::Doubtful;
        }
        self.lowest = self.lowest.min(delay);
        Taken::Known
    }

    fn leap(&mut self, delay: i64) {
        if !self.is_settled() {
            (self.lowest, self.since, self.frames, self.doubt) = (delay, self.at, 1, None);
            return;
        }
        let returned = delay.saturating_sub(self.lowest).saturating_abs() < self.leap_nanos_min;
        let doubt = Doubt { since: self.at, frames: 0, lowest: delay };
        self.doubt = (self.doubt.is_none() || !returned).then_some(doubt);
    }

    fn decide(&mut self, doubt: Doubt, delay: i64) -> Taken {
        let doubt = Doubt { frames: doubt.frames.saturating_add(1), lowest: doubt.lowest.min(delay), ..doubt };
        if doubt.frames < CERTAIN_FRAMES || self.at.saturating_sub(doubt.since) < CERTAIN_NANOS {
            self.doubt = Some(doubt);
            return Taken::Doubtful;
        }
        self.doubt = None;
        let rose = doubt.lowest.saturating_sub(self.lowest);
        if rose.saturating_abs() < self.leap_nanos_min {
            self.lowest = self.lowest.min(doubt.lowest);
            return Taken::Known;
        }
        self.lowest = doubt.lowest;
        Taken::Leapt(rose.saturating_neg())
    }
}
