//! Chance in ticks.

use std::ops::Range;

use rand::RngExt;
use rand::rngs::StdRng;

/// True with `chance`; one that is not a number is never.
pub fn happens(chance: f64, rng: &mut StdRng) -> bool {
    rng.random::<f64>() < chance
}

/// Largest of [`normal`], in standard deviations: √12.
pub const NORMAL_MAX: f32 = 3.464_101_6;

/// Normally distributed but for the far tails: the sum of four even numbers, never beyond [`NORMAL_MAX`]. Errors that
/// are far out are another matter than noise.
pub fn normal(rng: &mut StdRng) -> f32 {
    let bits: u64 = rng.random();
    let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    // Four numbers of variance (2^32 - 1) / 12 each, about 2 * 65535.
    (sum as f32 - 131_070.0) * (NORMAL_MAX / 131_070.0)
}

/// How a value of mean 0 and standard deviation 1 wanders from tick to tick: an AR(1) process.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    keep: f32,
    kick: f32,
}

impl Walk {
    /// What is left of a value after `time_ticks` is 1/e of it.
    pub fn new(time_ticks: f32) -> Self {
        let keep = (-1.0 / time_ticks).exp();
        Self { keep, kick: (1.0 - keep * keep).sqrt() }
    }

    pub fn step(self, value: f32, rng: &mut StdRng) -> f32 {
        self.keep * value + self.kick * normal(rng)
    }
}

/// Stretches of ticks that begin at random, in the order of their first ticks: on average `per_thousand` in 1,000
/// ticks, of lengths drawn evenly from `fewest` to `most` ticks (`fewest` if that is more), cut at the end of `ticks`.
pub fn stretches(per_thousand: f64, (fewest, most): (u32, u32), ticks: usize, rng: &mut StdRng) -> Vec<Range<usize>> {
    let mut stretches = Vec::new();
    let mut onset = 0.0;
    loop {
        onset += -(1.0 - rng.random::<f64>()).ln() * 1000.0 / per_thousand;
        // Neither an endless wait nor one that is not a number is before the end.
        if onset < ticks as f64 {
            let first = onset as usize;
            let length = rng.random_range(fewest..=most.max(fewest)) as usize;
            stretches.push(first..(first + length).min(ticks));
        } else {
            return stretches;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn noise_has_unit_variance_at_once_and_after_a_walk() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut white, mut walked) = (0.0, 0.0);
        for _ in 0..2000 {
            let start = normal(&mut rng);
            let end = (0..30).fold(start, |value, _| Walk::new(15.0).step(value, &mut rng));
            (white, walked) = (white + start * start / 2000.0, walked + end * end / 2000.0);
        }
        // Four standard errors of a variance: √(2 / 2000) = 0.032.
        assert!((white - 1.0_f32).abs() < 0.13 && (walked - 1.0_f32).abs() < 0.13, "{white} {walked}");
    }

    #[test]
    fn stretches_come_at_their_rate_and_end_in_time() {
        let mut rng = StdRng::seed_from_u64(1);
        let found = stretches(10.0, (3, 8), 100_000, &mut rng);
        // Four standard errors about 1,000.
        assert!((874..=1126).contains(&found.len()), "{}", found.len());
        assert!(found.iter().all(|stretch| stretch.end == 100_000 || (3..=8).contains(&stretch.len())));
        assert!(found.iter().all(|stretch| stretch.end <= 100_000) && found.is_sorted_by_key(|stretch| stretch.start));
        assert!(found.iter().any(|stretch| stretch.len() == 3) && found.iter().any(|stretch| stretch.len() == 8));
        for rate in [0.0, f64::NAN] {
            assert!(stretches(rate, (3, 8), 1000, &mut rng).is_empty(), "{rate}");
        }
    }
}
