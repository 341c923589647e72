//! Stalls that come again and again after the same time: something else on the machine runs on a timer.

use std::collections::VecDeque;

use super::millis;

/// Seconds from which is known what is usual, and how many are needed.
const SECONDS_MAX: usize = 30;
const SECONDS_MIN: usize = 3;

/// A stall lies so many times as far above the median as nine of ten answers do, and by so much at least.
const SPREADS: i64 = 4;
const STALL_NANOS_MIN: i64 = 2_000_000;

/// Stalls closer together than this are one.
const APART_NANOS: i64 = 500_000_000;

/// Stalls of which the intervals are kept.
const STALLS_MAX: usize = 256;

/// Intervals that a judgement needs, and how many of them must be within which share of their median. Of stalls at
/// random, one of eight is.
const INTERVALS_MIN: usize = 8;
const REGULAR_SHARE: f64 = 0.75;
const TOLERANCE: f64 = 0.1;

#[derive(Clone, Debug, Default)]
pub(super) struct Stalls {
    /// Median and ninth tenth of the last seconds.
    usual: VecDeque<(i64, i64)>,
    threshold: Option<i64>,
    /// The last answer of the last stall, and the first.
    last: Option<i64>,
    onset: Option<i64>,
    /// From the onset before, and the longest round trip.
    seen: VecDeque<(i64, i64)>,
}

/// Stalls at regular times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Period {
    pub every_secs: f64,
    /// Median of the longest round trips.
    pub trip_millis: f64,
    pub stalls: u64,
}

impl Stalls {
    /// Takes the round trips of a second, sorted.
    pub fn learn(&mut self, sorted: &[i64]) {
        if sorted.is_empty() {
            return;
        }
        if self.usual.len() >= SECONDS_MAX {
            self.usual.pop_front();
        }
        self.usual.push_back((sorted[sorted.len() / 2], sorted[sorted.len() * 9 / 10]));
        if self.usual.len() >= SECONDS_MIN {
            let (p50, p90) =
                (median(self.usual.iter().map(|usual| usual.0)), median(self.usual.iter().map(|usual| usual.1)));
            let above = p90.saturating_sub(p50).saturating_mul(SPREADS).max(STALL_NANOS_MIN);
            self.threshold = Some(p50.saturating_add(above));
        }
    }

    pub fn take(&mut self, at: i64, trip: i64) {
        if self.threshold.is_none_or(|threshold| trip <= threshold) {
            return;
        }
        let goes_on = self.last.is_some_and(|last| at.saturating_sub(last) < APART_NANOS);
        self.last = Some(at);
        if goes_on {
            if let Some((_, longest)) = self.seen.back_mut() {
                *longest = trip.max(*longest);
            }
            return;
        }
        if let Some(before) = self.onset.replace(at) {
            if self.seen.len() >= STALLS_MAX {
                self.seen.pop_front();
            }
            self.seen.push_back((at.saturating_sub(before), trip));
        }
    }

    /// `None` where there are few stalls, or where they come at random.
    pub fn period(&self) -> Option<Period> {
        if self.seen.len() < INTERVALS_MIN {
            return None;
        }
        let every = median(self.seen.iter().map(|stall| stall.0)) as f64;
        let regular = |interval: i64| (interval as f64 - every).abs() <= TOLERANCE * every;
        let count = self.seen.iter().filter(|stall| regular(stall.0)).count();
        (count as f64 >= REGULAR_SHARE * self.seen.len() as f64).then(|| Period {
            every_secs: every / 1e9,
            trip_millis: millis(median(self.seen.iter().map(|stall| stall.1)) as f64),
            stalls: self.seen.len() as u64 + 1,
        })
    }
}

fn median(values: impl Iterator<Item = i64>) -> i64 {
    let mut sorted: Vec<i64> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Random;
    use super::*;

    /// Two minutes of round trips in milliseconds, by the second of the run.
    fn period(mut trip: impl FnMut(f64) -> f64) -> Option<Period> {
        let mut stalls = Stalls::default();
        let mut second = Vec::new();
        for frame in 0..120 * 30 {
            let at = f64::from(frame) / 30.0;
            let trip = (trip(at) * 1e6) as i64;
            stalls.take((at * 1e9) as i64, trip);
            second.push(trip);
            if frame % 30 == 29 {
                second.sort_unstable();
                stalls.learn(&second);
                second.clear();
            }
        }
        period_of(&stalls)
    }

    fn period_of(stalls: &Stalls) -> Option<Period> {
        assert!(stalls.seen.len() <= STALLS_MAX && stalls.usual.len() <= SECONDS_MAX);
        stalls.period()
    }

    #[test]
    fn a_stall_every_five_seconds_is_found_in_noise() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            // Noise alone may pass for a stall now and then.
            let got = period(|at| 1.0 + random.exponential(0.5) + if at % 5.0 < 0.1 { 40.0 } else { 0.0 }).unwrap();
            assert!((got.every_secs - 5.0).abs() < 0.05, "{got:?}");
            assert!((got.trip_millis - 42.0).abs() < 1.0 && (20..=28).contains(&got.stalls), "{got:?}");
        }
    }

    #[test]
    fn stalls_at_random_have_no_period() {
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let often = [0.002, 0.005, 0.02, 0.09][seed as usize % 4];
            let got = period(|_| 1.0 + random.exponential(0.5) + if random.uniform() < often { 40.0 } else { 0.0 });
            assert_eq!(got, None, "seed {seed}");
        }
    }

    #[test]
    fn absurd_times_do_no_harm() {
        let mut stalls = Stalls::default();
        for step in 0..2000 {
            stalls.take([i64::MIN, i64::MAX, 0][step % 3], [i64::MAX, i64::MIN][step % 2]);
            stalls.learn(&[i64::MIN, i64::MAX]);
        }
        period_of(&stalls);
    }
}
