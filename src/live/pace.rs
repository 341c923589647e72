//! How fast a live cage may advance: a camera keeps to the time, a broken script does not.

use std::time::Instant;

use crate::buffer::ticks::frames_per_tick;
use crate::time::WINDOW_TICKS;

/// Ticks that a cage may take at once: two windows.
const BURST_TICKS: f64 = 2.0 * WINDOW_TICKS as f64;

/// Ticks that a cage may take in the long run, each second: four times the camera's, so that a rate that was described
/// wrongly is still served, and a flood costs the other cages little.
const TICKS_PER_SEC_MAX: f64 = 120.0;

/// The credit of one cage.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    credit_ticks: f64,
    at: Instant,
}

/// Why a frame does not follow those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpaced {
    /// A window or more away from the newest frame: another camera, or one that began to count anew.
    Jump,
    /// More ticks than time allows.
    Flood,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { credit_ticks: BURST_TICKS, at: now }
    }

    /// Takes what a frame cost off the credit.
    pub fn spend(&mut self, ticks: u32) {
        self.credit_ticks -= f64::from(ticks);
    }

    /// Whether anything may be taken now.
    pub fn has_credit(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.credit_ticks = (self.credit_ticks + passed * TICKS_PER_SEC_MAX).min(BURST_TICKS);
        self.at = now;
        self.credit_ticks > 0.0
    }

    /// Whether frame `number` may follow frame `newest` now.
    pub fn check(&mut self, newest: u64, number: u64, rate_hz: f64, now: Instant) -> Result<(), Unpaced> {
        let has_credit = self.has_credit(now);
        if number.abs_diff(newest) as f64 >= window_frames(rate_hz) {
            return Err(Unpaced::Jump);
        }
        if has_credit { Ok(()) } else { Err(Unpaced::Flood) }
    }
}

/// Whether a frame goes on where a kept past ends.
pub fn follows(newest: u64, number: u64, rate_hz: f64) -> bool {
    number > newest && ((number - newest) as f64) < window_frames(rate_hz)
}

fn window_frames(rate_hz: f64) -> f64 {
    WINDOW_TICKS as f64 * frames_per_tick(rate_hz)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_of_a_hundred_times_the_rate_costs_four_times_the_camera() {
        let start = Instant::now();
        let (mut pace, mut taken) = (Pace::new(start), 0);
        for frame in 0..3000 * 60_u32 {
            let now = start + Duration::from_secs_f64(f64::from(frame) / 3000.0);
            if pace.check(u64::from(frame), u64::from(frame) + 1, 30.0, now).is_ok() {
                pace.spend(1);
                taken += 1;
            }
        }
        assert!((1024 + 7100..=1024 + 7300).contains(&taken), "{taken}");
    }

    #[test]
    fn cameras_of_every_rate_are_always_within_it() {
        let start = Instant::now();
        for (rate_hz, described_hz) in [(10.0, 10.0), (30.0, 30.0), (120.0, 120.0), (118.0, 30.0)] {
            let mut pace = Pace::new(start);
            for frame in 0..20_000_u64 {
                let now = start + Duration::from_secs_f64(frame as f64 / rate_hz);
                assert_eq!(pace.check(frame, frame + 1, described_hz, now), Ok(()), "{rate_hz}");
                pace.spend(u32::from(rate_hz > 30.0 && described_hz == 30.0) + u32::from(described_hz > 30.0) / 4);
            }
        }
    }

    #[test]
    fn numbers_that_jump_by_nearly_a_window_are_soon_too_dear() {
        let (now, mut taken) = (Instant::now(), 0);
        let mut pace = Pace::new(now);
        for jump in 0..100_u64 {
            if pace.check(jump * 511, (jump + 1) * 511, 30.0, now).is_ok() {
                pace.spend(511);
                taken += 1;
            }
        }
        assert_eq!(taken, 3);
        assert_eq!(Pace::new(now).check(0, 512, 30.0, now), Err(Unpaced::Jump));
        assert_eq!(Pace::new(now).check(512, 0, 30.0, now), Err(Unpaced::Jump));
        assert!(follows(5, 6, 30.0) && !follows(5, 5, 30.0) && !follows(5, 517, 30.0));
    }
}
