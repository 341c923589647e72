//! Things that happen by chance in continuous time, looked at once a frame.

use rand::RngExt;
use rand::rngs::StdRng;

/// Most changes of a [`Stretch`] between two frames: bounds the work whatever the rates.
const CHANGES_MAX: usize = 16;

/// Exponentially distributed with mean 1.
pub fn exponential(random: &mut StdRng) -> f64 {
    -(1.0 - random.random::<f64>()).ln()
}

/// True with `probability`; one that is not a number is never.
pub fn happens(probability: f32, random: &mut StdRng) -> bool {
    random.random::<f32>() < probability
}

/// Normally distributed but for the far tails: the sum of four even numbers, never beyond [`NORMAL_MAX`].
pub fn normal(random: &mut StdRng) -> f32 {
    let bits: u64 = random.random();
    let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    // Four numbers of variance (2^32 - 1) / 12 each, about 2 * 65535.
    (sum as f32 - 131_070.0) * (NORMAL_MAX / 131_070.0)
}

/// √12, in standard deviations.
pub const NORMAL_MAX: f32 = 3.464_101_6;

/// How a value of mean 0 and standard deviation 1 wanders (an Ornstein–Uhlenbeck process): exact for any interval.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    keep: f32,
    kick: f32,
}

impl Walk {
    pub fn new(correlation_secs: f64, interval_secs: f64) -> Self {
        let keep = (-interval_secs / correlation_secs).exp();
        Self { keep: keep as f32, kick: (1.0 - keep * keep).sqrt() as f32 }
    }

    pub fn step(self, value: f32, random: &mut StdRng) -> f32 {
        self.keep * value + self.kick * normal(random)
    }
}

/// An event at a rate that may change from frame to frame.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Expected events from now to the next one.
    left: f64,
}

impl Event {
    pub fn new(random: &mut StdRng) -> Self {
        Self { left: exponential(random) }
    }

    /// Whether it happened since the last frame, in which `expected` were to be expected: much fewer than one.
    pub fn step(&mut self, expected: f64, random: &mut StdRng) -> bool {
        self.left -= expected;
        let happened = self.left <= 0.0;
        if happened {
            self.left = exponential(random);
        }
        happened
    }
}

/// How often a stretch begins while there is none, and how often one ends.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    pub onsets_per_sec: f64,
    pub ends_per_sec: f64,
}

impl Rates {
    pub fn new(onsets_per_sec: f64, mean_secs: f64) -> Self {
        Self { onsets_per_sec, ends_per_sec: 1.0 / mean_secs }
    }

    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { onsets_per_sec: self.onsets_per_sec * factor, ..self }
    }
}

/// On for stretches of exponential length, off between them, at rates that may change from frame to frame. Frames only
/// look at it: the share of frames in which it is on does not depend on their rate, and a stretch between two frames
/// goes unseen.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    on: bool,
    /// Expected changes from now to the next one.
    left: f64,
}

impl Stretch {
    /// Off.
    pub fn new(random: &mut StdRng) -> Self {
        Self { on: false, left: exponential(random) }
    }

    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Whether it is on, `interval_secs` after the last frame.
    pub fn step(&mut self, rates: Rates, interval_secs: f64, random: &mut StdRng) -> bool {
        let mut secs = interval_secs;
        for _ in 0..CHANGES_MAX {
            let rate = if self.on { rates.ends_per_sec } else { rates.onsets_per_sec };
            if self.left >= rate * secs {
                self.left -= rate * secs;
                break;
            }
            secs -= self.left / rate;
            self.on = !self.on;
            self.left = exponential(random);
        }
        self.on
    }

    /// While off: when the next stretch begins at this rate. The estimator cannot know, but the picture can tell.
    pub fn until_onset_secs(&self, rates: Rates) -> f64 {
        self.left / rates.onsets_per_sec
    }
}
