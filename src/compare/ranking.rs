//! Who is better, and by more than chance.

use super::comparison::{Comparison, SystemRuns};
use crate::score::interval::{Interval, IntervalError, RecordingTallies, Resampled};

/// A number and where it may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    /// Lower and upper end of the 95% interval; none where there is but one recording to draw from.
    pub interval: Option<[f64; 2]>,
}

impl Estimate {
    /// Whether the interval leaves it open on which side of 0 it lies, as it does where there is none.
    pub fn is_tie(&self) -> bool {
        self.interval.is_none_or(|[lower, upper]| lower <= 0.0 && upper >= 0.0)
    }

    fn is_above_zero(&self) -> bool {
        self.interval.is_some_and(|[lower, _]| lower > 0.0)
    }

    fn reversed(self) -> Self {
        // Taken from 0, so that 0 keeps its sign.
        Self { value: 0.0 - self.value, interval: self.interval.map(|[lower, upper]| [0.0 - upper, 0.0 - lower]) }
    }
}

impl From<Interval> for Estimate {
    fn from(interval: Interval) -> Self {
        Self { value: interval.estimate, interval: Some([interval.lower, interval.upper]) }
    }
}

/// A system's place at a delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// By its index in [`Comparison::systems`].
    pub system: usize,
    /// From 1; several systems may share one.
    pub rank: usize,
    /// The mean F1, over the seeds.
    pub score: Estimate,
}

/// The systems in order at one delay.
///
/// They are ordered by their mean F1. The first has rank 1 and heads a group. A system joins the group before it, and
/// has its rank, unless the interval of the difference between *the first of that group* and the system lies above 0;
/// then it heads a group of its own, and its rank is its place: 1, 1, 3, 3, 5. So systems of one rank cannot be told from
/// the best of them, though two of them may be told from each other, and the last of a group from nobody in the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    standings: Vec<Standing>,
    /// `differences[a][b]` says how much better system a is than system b; a < b.
    differences: Vec<Vec<Option<Estimate>>>,
}

impl Ranking {
    fn new(comparison: &Comparison, delay: usize, resamples: usize, random_seed: u64) -> Result<Self, IntervalError> {
        let systems = comparison.systems();
        // Of one recording there is nothing to draw.
        if comparison.any().recordings.len() < 2 {
            let score = |system: &SystemRuns| {
                let each = system.each(|run| run.mean_f1(delay));
                each.iter().sum::<f64>() / each.len() as f64
            };
            let scores: Vec<f64> = systems.iter().map(score).collect();
            let alone = |value| Estimate { value, interval: None };
            let difference = |a: usize, b: usize| Ok(alone(scores[a] - scores[b]));
            let scores: Vec<Estimate> = scores.iter().copied().map(alone).collect();
            return Self::of(&scores, difference);
        }
        let behaviors_of_sets: Vec<usize> = comparison.any().label_sets.iter().map(|set| set.behaviors.len()).collect();
        let resampled = |system: &SystemRuns| {
            let seeds: Vec<Vec<RecordingTallies>> = system.runs.iter().map(|run| run.tallies(delay)).collect();
            let seeds: Vec<&[RecordingTallies]> = seeds.iter().map(Vec::as_slice).collect();
            Resampled::new(&seeds, &behaviors_of_sets, resamples, random_seed)
        };
        let resampled: Vec<Resampled> = systems.iter().map(resampled).collect::<Result<_, _>>()?;
        let scores: Vec<Estimate> = resampled.iter().map(|system| system.interval().into()).collect();
        Self::of(&scores, |a, b| Ok(resampled[a].minus(&resampled[b])?.into()))
    }

    /// `difference` is asked of each pair of systems, the earlier one first.
    fn of(
        scores: &[Estimate],
        difference: impl Fn(usize, usize) -> Result<Estimate, IntervalError>,
    ) -> Result<Self, IntervalError> {
        let systems = scores.len();
        let row = |a: usize| (0..systems).map(|b| (a < b).then(|| difference(a, b)).transpose()).collect();
        let differences = (0..systems).map(row).collect::<Result<_, _>>()?;
        let mut ranking = Self { standings: Vec::new(), differences };
        let mut order: Vec<usize> = (0..systems).collect();
        order.sort_by(|a, b| scores[*b].value.total_cmp(&scores[*a].value));
        let mut head = (order[0], 1);
        for (place, system) in order.into_iter().enumerate() {
            if ranking.difference(head.0, system).is_above_zero() {
                head = (system, place + 1);
            }
            ranking.standings.push(Standing { system, rank: head.1, score: scores[system] });
        }
        Ok(ranking)
    }

    /// From the best on.
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// The mean F1 of a system by its index.
    ///
    /// # Panics
    /// On an index of no system.
    pub fn score(&self, system: usize) -> Estimate {
        let of_system = self.standings.iter().find(|standing| standing.system == system);
        of_system.expect("a system of this comparison").score
    }

    /// How much better system `a` is than system `b`, by their indices; of one and the same it is 0.
    ///
    /// # Panics
    /// On an index of no system.
    pub fn difference(&self, a: usize, b: usize) -> Estimate {
        let none = Estimate { value: 0.0, interval: Some([0.0; 2]) };
        let given = self.differences[a.min(b)][a.max(b)].unwrap_or(none);
        if a > b { given.reversed() } else { given }
    }
}

/// A comparison whose systems are ranked at every delay.
#[derive(Clone, Debug)]
pub struct Ranked<'a> {
    pub(super) comparison: &'a Comparison,
    /// By delay.
    rankings: Vec<Ranking>,
}

impl<'a> Ranked<'a> {
    /// Draws the recordings `resamples` times, the same for all systems, seeds and delays. Of a single recording there
    /// are no intervals, and so all systems tie.
    ///
    /// # Errors
    /// No draws or too many, see [`crate::score::interval::RESAMPLES_MAX`].
    pub fn new(comparison: &'a Comparison, resamples: usize, random_seed: u64) -> Result<Self, IntervalError> {
        let of_delay = |delay| Ranking::new(comparison, delay, resamples, random_seed);
        let rankings = (0..comparison.delays_ticks().len()).map(of_delay).collect::<Result<_, _>>()?;
        Ok(Self { comparison, rankings })
    }

    /// At a delay, by its index.
    ///
    /// # Panics
    /// On an index of no delay.
    pub fn at(&self, delay: usize) -> &Ranking {
        &self.rankings[delay]
    }

    /// At the longest delay, where verdicts are best.
    pub fn settled(&self) -> &Ranking {
        self.at(self.comparison.longest())
    }

    /// Systems from the best on, by the longest delay.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (Standing, &'a SystemRuns)> {
        let systems = self.comparison.systems();
        self.settled().standings().iter().map(|standing| (*standing, &systems[standing.system]))
    }
}

#[cfg(test)]
mod tests;
