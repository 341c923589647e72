//! How sure a share of trials is: the bootstrap over trials.
//!
//! Trials of an arm are drawn with replacement, whole; the interval lies between the 2.5% and 97.5% quantiles of the
//! share over [`DRAWS`] of such draws (Efron and Tibshirani, *An introduction to the bootstrap*, 1993, §13.3). Arms are
//! drawn apart, so a difference varies as both do.
//!
//! Trials are taken to be independent: those of one animal, or soon after each other, are less so, and the interval is
//! too narrow then. Where none or all of the trials show a behavior the draws do too, and the interval is a point.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Draws of an interval.
pub const DRAWS: usize = 1000;

/// The quantiles between which 95% of the draws lie.
const QUANTILES: [f64; 2] = [0.025, 0.975];

const SEED: u64 = 0x5eed_0000;

/// Bins in a row, of one trial, in which a behavior was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Among the trials of its arm.
    pub trial: u32,
    pub first: u32,
    pub last: u32,
}

/// How often each draw took each trial of an arm.
#[derive(Debug)]
pub(super) struct Draws {
    trials: usize,
    /// Draw by draw.
    taken: Vec<u16>,
}

impl Draws {
    /// The same for the same arm (0 or 1) and number of trials, at least 1 and fewer than 65,536.
    pub fn new(arm: u64, trials: usize) -> Self {
        let mut random = StdRng::seed_from_u64(SEED + arm);
        let mut taken = vec![0; DRAWS * trials];
        for draw in taken.chunks_exact_mut(trials) {
            (0..trials).for_each(|_| draw[random.random_range(0..trials)] += 1);
        }
        Self { trials, taken }
    }

    pub fn trials(&self) -> usize {
        self.trials
    }

    /// Shares of the trials of each draw, bin by bin, and last the mean over the bins from `zero` on. Of each trial, runs
    /// do not overlap.
    pub fn shares(&self, runs: &[Run], bins: usize, zero: usize) -> Vec<Vec<f64>> {
        let mut shares = vec![vec![0.0; DRAWS]; bins + 1];
        if runs.is_empty() {
            return shares;
        }
        let trials = self.trials as f64;
        let mut steps = vec![0_i64; bins + 1];
        for (draw, taken) in self.taken.chunks_exact(self.trials).enumerate() {
            steps.fill(0);
            for run in runs {
                let times = i64::from(taken[run.trial as usize]);
                steps[run.first as usize] += times;
                steps[run.last as usize + 1] -= times;
            }
            let (mut count, mut after) = (0, 0);
            for bin in 0..bins {
                count += steps[bin];
                after += if bin >= zero { count } else { 0 };
                shares[bin][draw] = count as f64 / trials;
            }
            shares[bins][draw] = after as f64 / trials / (bins - zero) as f64;
        }
        shares
    }
}

/// Between the quantiles, by the nearest rank. There is a draw at least.
pub(super) fn interval(draws: &mut [f64]) -> [f64; 2] {
    QUANTILES.map(|quantile| {
        let rank = (quantile * draws.len() as f64).ceil() as usize - 1;
        *draws.select_nth_unstable_by(rank, f64::total_cmp).1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_draws_are_those_of_counting() {
        let runs = [(0, 0, 2), (1, 1, 1), (1, 3, 3), (3, 2, 3)].map(|(trial, first, last)| Run { trial, first, last });
        let (trials, bins, zero) = (4, 4, 1);
        let draws = Draws::new(0, trials);
        let shares = draws.shares(&runs, bins, zero);
        for draw in 0..DRAWS {
            let taken = &draws.taken[draw * trials..][..trials];
            assert_eq!(taken.iter().sum::<u16>(), 4);
            let share = |bin: usize| {
                let does = |trial: usize| {
                    runs.iter().any(|run| run.trial == trial as u32 && (run.first..=run.last).contains(&(bin as u32)))
                };
                (0..trials).filter(|trial| does(*trial)).map(|trial| f64::from(taken[trial])).sum::<f64>() / 4.0
            };
            let expected: Vec<f64> = (0..bins).map(share).collect();
            let got: Vec<f64> = shares[..bins].iter().map(|bin| bin[draw]).collect();
            assert_eq!(got, expected);
            assert!((shares[bins][draw] - expected[zero..].iter().sum::<f64>() / 3.0).abs() < 1e-12);
        }
    }

    #[test]
    fn an_interval_is_that_of_the_binomial_distribution() {
        let runs: Vec<Run> = (0..40).map(|trial| Run { trial, first: 0, last: 0 }).collect();
        let mut shares = Draws::new(1, 100).shares(&runs, 1, 0);
        let [lower, upper] = interval(&mut shares[0]);
        // Quantiles of Binomial(100, 0.4): 31 and 50; three more for a thousand draws.
        assert!((0.28..=0.34).contains(&lower) && (0.47..=0.53).contains(&upper), "{lower} to {upper}");
        assert_eq!(interval(&mut [3.0]), [3.0, 3.0]);
    }
}
