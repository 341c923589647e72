//! Whether latencies grew over the run, by the medians of its seconds.
//!
//! The first third of the run is held against the last. Growth is said only where nearly every value of the last third
//! lies above nearly every one of the first (the statistic of Mann and Whitney 1947, "On a test of whether one of two
//! random variables is stochastically larger than the other", at a share that chance alone gives once in tens of
//! thousands of runs), where the middle third lies between, and where it is more than a trifle.

use super::millis;
use super::stalls::Stalls;

/// Latencies of one second that are looked at; of more, the first.
const SECOND_ANSWERS_MAX: usize = 4096;

/// Values that are kept of a run; when there are more, each two become their mean.
const VALUES_MAX: usize = 96;

/// Values that a judgement needs: ten for each third.
const VALUES_MIN: usize = 30;

/// The share of pairs, one value of each outer third, in which the last lies above the first.
const SHARE_MIN: f64 = 0.97;

/// Growth by less than so much, or by less than this share of what it was, is no news.
const GROWTH_NANOS_MIN: f64 = 250_000.0;
const GROWTH_SHARE_MIN: f64 = 0.02;

/// Medians of a run's seconds, of at most so many stretches of equal length.
#[derive(Clone, Debug)]
pub(super) struct Series {
    values: Vec<f64>,
    /// Seconds that a value stands for.
    each: u32,
    open: (f64, u32),
}

/// The medians of the first and the last third of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    pub from_millis: f64,
    pub to_millis: f64,
}

/// What is watched second by second.
#[derive(Clone, Debug, Default)]
pub(super) struct Trends {
    second: Option<i64>,
    trips_now: Vec<i64>,
    waits_now: Vec<i64>,
    inferences_now: Vec<i64>,
    pub trips: Series,
    pub waits: Series,
    pub inferences: Series,
    pub stalls: Stalls,
}

impl Default for Series {
    fn default() -> Self {
        Self { values: Vec::new(), each: 1, open: (0.0, 0) }
    }
}

impl Growth {
    pub fn millis(&self) -> f64 {
        self.to_millis - self.from_millis
    }
}

impl Series {
    fn take(&mut self, value: f64) {
        self.open = (self.open.0 + value, self.open.1 + 1);
        if self.open.1 < self.each {
            return;
        }
        self.values.push(self.open.0 / f64::from(self.open.1));
        self.open = (0.0, 0);
        if self.values.len() >= VALUES_MAX {
            self.values = self.values.chunks(2).map(|pair| pair.iter().sum::<f64>() / pair.len() as f64).collect();
            self.each = self.each.saturating_mul(2);
        }
    }

    /// `None` where nothing grew, or where too little was seen to say so: half a minute.
    pub fn growth(&self) -> Option<Growth> {
        if self.values.len() < VALUES_MIN {
            return None;
        }
        let third = self.values.len() / 3;
        let (first, last) = (&self.values[..third], &self.values[self.values.len() - third..]);
        let middle = median(&self.values[third..self.values.len() - third]);
        let (from, to) = (median(first), median(last));
        let above = |value: f64| first.iter().filter(|other| **other < value).count();
        let share = last.iter().map(|value| above(*value)).sum::<usize>() as f64 / (third * third) as f64;
        let news = to - from >= GROWTH_NANOS_MIN.max(GROWTH_SHARE_MIN * from);
        let grew = share >= SHARE_MIN && from < middle && middle < to && news;
        grew.then(|| Growth { from_millis: millis(from), to_millis: millis(to) })
    }
}

impl Trends {
    /// Takes an answer by when it was received, on our monotonic clock.
    pub fn take(&mut self, at_nanos: i64, trip_nanos: i64, wait_nanos: i64, inference_nanos: i64) {
        let second = at_nanos.div_euclid(1_000_000_000);
        if self.second.is_some_and(|open| open != second) {
            self.close();
        }
        self.second = Some(second);
        self.stalls.take(at_nanos, trip_nanos);
        if self.trips_now.len() < SECOND_ANSWERS_MAX {
            self.trips_now.push(trip_nanos);
            self.waits_now.push(wait_nanos);
            self.inferences_now.push(inference_nanos);
        }
    }

    fn close(&mut self) {
        for (now, series) in [
            (&mut self.trips_now, &mut self.trips),
            (&mut self.waits_now, &mut self.waits),
            (&mut self.inferences_now, &mut self.inferences),
        ] {
            now.sort_unstable();
            series.take(now[now.len() / 2] as f64);
        }
        self.stalls.learn(&self.trips_now);
        for now in [&mut self.trips_now, &mut self.waits_now, &mut self.inferences_now] {
            now.clear();
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::super::tests::Random;
    use super::*;

    /// The growth of `secs` seconds at 30 answers a second, in milliseconds by the second.
    fn growth(secs: u32, mut trip: impl FnMut(f64) -> f64) -> Option<Growth> {
        let mut trends = Trends::default();
        for frame in 0..secs * 30 {
            let at = f64::from(frame) / 30.0;
            trends.take((at * 1e9) as i64, (trip(at) * 1e6) as i64, 0, 0);
        }
        trends.trips.growth()
    }

    #[test]
    fn noise_alone_never_grows() {
        let mut warned = 0;
        for seed in 0..2000 {
            let mut random = Random::new(seed);
            let secs = [32, 60, 97, 200][seed as usize % 4];
            // Much noise, with a tail: a trip of 1 ms, a mean of 3 ms more, now and then 50 ms.
            let noise = |_| {
                1.0 + random.exponential(3.0) + if random.uniform() < 0.01 { random.exponential(50.0) } else { 0.0 }
            };
            warned += u32::from(growth(secs, noise).is_some());
        }
        assert_eq!(warned, 0);
    }

    #[test]
    fn noise_that_lasts_for_seconds_seldom_grows() {
        let mut warned = 0;
        for seed in 0..500 {
            let (mut random, mut level, mut before) = (Random::new(seed), 0.0, 0);
            let noise = |at: f64| {
                if at as u32 > before {
                    before = at as u32;
                    level = 0.8 * level + random.exponential(1.0) - 1.0;
                }
                10.0 + level + random.uniform()
            };
            warned += u32::from(growth(180, noise).is_some());
        }
        assert!(warned <= 1, "{warned} of 500");
    }

    #[test]
    fn a_creep_of_a_millisecond_a_minute_is_found_in_noise_of_as_much() {
        let creep = |seed, secs| {
            let mut random = Random::new(seed);
            growth(secs, |at| 2.0 + at / 60.0 + random.exponential(1.0))
        };
        for (secs, seeds) in [(120, 100), (300, 30), (3600, 3)] {
            for seed in 0..seeds {
                let got = creep(seed, secs).unwrap_or_else(|| panic!("seed {seed}: no growth over {secs} s"));
                let expected = f64::from(secs) / 60.0 * 2.0 / 3.0;
                assert!((got.millis() / expected - 1.0).abs() < 0.3, "expected {expected} ms, got {got:?}");
            }
        }
        let found = (0..100).filter(|seed| creep(*seed, 60).is_some()).count();
        assert!(found >= 60, "{found} of 100 within a minute");
    }

    #[test]
    fn a_trifle_is_no_news_and_neither_is_a_bump() {
        assert_eq!(growth(300, |at| 1.0 + at / 300.0 * 0.3), None, "0.2 ms from third to third");
        assert_eq!(growth(300, |at| 100.0 + at / 300.0 * 2.9), None, "less than 2%");
        assert_eq!(growth(300, |at| 1.0 + if (100.0..200.0).contains(&at) { 5.0 } else { at / 100.0 }), None);
        assert_eq!(growth(29, |at| at), None, "too short to say");
        assert_eq!(growth(300, |at| 10.0 - at / 60.0), None, "it shrinks");
    }

    #[test]
    fn memory_is_bounded_and_absurd_times_do_no_harm() {
        let mut trends = Trends::default();
        for step in 0..20_000_i64 {
            let at = if step % 7 == 0 { i64::MIN } else { step * 1_000_000_000 };
            trends.take(at, i64::MAX, i64::MIN, 0);
        }
        assert!((VALUES_MIN..100).contains(&trends.trips.values.len()));
        assert_eq!(trends.trips.growth(), None);
    }
}
