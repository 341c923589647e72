//! Whole frames: those that never come, and when the others do.

use std::time::Duration;

use rand::rngs::StdRng;

use super::super::preset::Frames;
use super::chance::{Event, Rates, Stretch, exponential};

#[derive(Clone, Debug)]
pub struct Delivery {
    frames: Frames,
    interval_secs: f64,
    drop: Event,
    burst: Stretch,
    late: Event,
    /// Of the frame that comes next: known one frame ahead, so that a late frame comes after its successor for certain.
    next_latency_secs: f64,
}

/// When a frame comes.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub dropped: bool,
    pub latency: Duration,
    pub late: Duration,
}

impl Delivery {
    pub fn new(frames: &Frames, interval_secs: f64, random: &mut StdRng) -> Self {
        let (drop, burst, late) = (Event::new(random), Stretch::new(random), Event::new(random));
        let mut delivery = Self { frames: frames.clone(), interval_secs, drop, burst, late, next_latency_secs: 0.0 };
        delivery.next_latency_secs = delivery.draw_latency_secs(random);
        delivery
    }

    pub fn step(&mut self, random: &mut StdRng) -> Due {
        let interval_secs = self.interval_secs;
        let latency_secs = self.next_latency_secs;
        // What is behind another in the estimator's queue does not overtake it.
        self.next_latency_secs = self.draw_latency_secs(random).max(latency_secs - interval_secs);
        let frames = &self.frames;
        let bursts = Rates::new(frames.bursts_per_hour / 3600.0, frames.burst_mean_secs);
        let in_burst = self.burst.step(bursts, interval_secs, random);
        let dropped = self.drop.step(frames.dropped_per_minute / 60.0 * interval_secs, random) || in_burst;
        let mut late_secs = 0.0;
        if self.late.step(frames.late_per_minute / 60.0 * interval_secs, random) {
            let successor_secs = interval_secs + self.next_latency_secs - latency_secs;
            late_secs = successor_secs + frames.late_mean_millis / 1e3 * exponential(random);
        }
        Due { dropped, latency: duration(latency_secs), late: duration(late_secs) }
    }

    fn draw_latency_secs(&self, random: &mut StdRng) -> f64 {
        (self.frames.latency_millis + self.frames.latency_spread_millis * exponential(random)) / 1e3
    }
}

/// Zero for what is no duration.
fn duration(secs: f64) -> Duration {
    Duration::try_from_secs_f64(secs).unwrap_or_default()
}
