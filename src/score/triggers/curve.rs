//! Which rules there are to choose from, and what each costs.

use std::cmp::Ordering;

use super::{Prepared, Trace, TriggerTally};
use crate::output::gate::{TriggerRule, TriggerRuleError};
use crate::time::DelayTicks;

/// The odds of `off` to those of `on`.
pub const OFF_ODDS_SHARE: f64 = 0.25;

/// Lower scores are not tried as thresholds: what fires there fires always.
const ON_MIN: f32 = 1e-4;

/// The largest score below 1 in single precision: 1 itself has no odds.
const BELOW_ONE: f64 = 1.0 - f32::EPSILON as f64 / 2.0;

/// The lowest threshold has this share of the scores that are tried at or above it.
const SHARE_ABOVE_MAX: f64 = 0.5;

/// What is tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Thresholds for each sustain, at most.
    pub thresholds: usize,
    pub sustains_ticks: Vec<u32>,
    /// The same for all.
    pub refractory_ticks: u32,
}

impl Default for Grid {
    /// 60 thresholds, sustained for 1 to 15 ticks (half a second), a second between triggers.
    fn default() -> Self {
        Self { thresholds: 60, sustains_ticks: vec![1, 3, 6, 10, 15], refractory_ticks: 30 }
    }
}

/// A rule and what it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub rule: TriggerRule,
    pub tally: TriggerTally,
}

/// The trigger curve of one behavior at one decision delay, pooled over the traces: a point for every sustain and
/// threshold, the thresholds ascending within a sustain. Thresholds are scores that occurred, from half of the scores up
/// to the highest, and steps of the logit between them. Nothing where no score is high enough to be one.
///
/// A point that was chosen on these traces looks better on them than it is: choose on validation, tell on others.
///
/// # Errors
/// Sustained or refractory ticks that no rule may have.
///
/// # Panics
/// On a trace whose truths are not as many as its labelled flags.
pub fn curve(traces: &[Trace], delay: DelayTicks, grid: &Grid) -> Result<Vec<Point>, TriggerRuleError> {
    let traces: Vec<Prepared> = traces.iter().map(|trace| Prepared::new(trace, delay)).collect();
    let thresholds = thresholds(&traces, grid.thresholds);
    let mut points = Vec::with_capacity(thresholds.len() * grid.sustains_ticks.len());
    for &sustain_ticks in &grid.sustains_ticks {
        for &on in &thresholds {
            let refractory_ticks = grid.refractory_ticks;
            let rule = TriggerRule { on, off: off_of(on), sustain_ticks, refractory_ticks }.checked()?;
            points.push(Point { rule, tally: TriggerTally::of_prepared(&traces, rule) });
        }
    }
    Ok(points)
}

fn off_of(on: f32) -> f32 {
    let on = f64::from(on).min(BELOW_ONE);
    (OFF_ODDS_SHARE * on / (1.0 - on + OFF_ODDS_SHARE * on)) as f32
}

/// At most `count` thresholds, ascending, each once. Half of them are scores whose ranks from the top are in geometric
/// progression up to half of the scores: a handful among the highest, where false triggers are rare, and few among the
/// many low ones. The other half are even steps of the logit over the same range, for where scores are sparse.
fn thresholds(traces: &[Prepared], count: usize) -> Vec<f32> {
    let scores = traces.iter().flat_map(|trace| trace.scores.iter().copied());
    let tried = scores.filter(|score| score.is_finite() && *score >= ON_MIN);
    let mut descending: Vec<f32> = tried.map(|score| score.min(1.0)).collect();
    descending.sort_unstable_by(|a, b| b.total_cmp(a));
    let (Some(&highest), by_rank) = (descending.first(), count.div_ceil(2)) else { return Vec::new() };
    let rank_max = (descending.len() as f64 * SHARE_ABOVE_MAX).max(1.0);
    let share = |index: usize, of: usize| index as f64 / of.saturating_sub(1).max(1) as f64;
    let of_rank = |index: usize| descending[rank_max.powf(share(index, by_rank)).round() as usize - 1];
    let mut thresholds: Vec<f32> = (0..by_rank).map(of_rank).collect();
    let lowest = thresholds.last().copied().unwrap_or(highest);
    let (low, high) = (logit(lowest), logit(highest));
    let steps = count - by_rank;
    thresholds.extend((0..steps).map(|index| {
        // The ends are ranks already.
        let step = low + (high - low) * (index + 1) as f64 / (steps + 1) as f64;
        (1.0 / (1.0 + (-step).exp())) as f32
    }));
    thresholds.sort_unstable_by(f32::total_cmp);
    thresholds.dedup();
    thresholds
}

fn logit(score: f32) -> f64 {
    let score = f64::from(score).clamp(f64::from(ON_MIN), BELOW_ONE);
    (score / (1.0 - score)).ln()
}

/// The point with the most hits among those with at most so many false triggers an hour; of several the one with the
/// lowest median latency, then the highest threshold. `None` where none of them hits anything.
///
/// The limit is on the rate that was seen: [`TriggerTally::false_per_hour_upper`] says how little that may mean.
pub fn choose(points: &[Point], false_per_hour_max: f64) -> Option<&Point> {
    let allowed = points.iter().filter(|point| point.tally.false_per_hour() <= false_per_hour_max);
    allowed.filter(|point| point.tally.hits > 0).min_by(|a, b| by_worth(a, b))
}

/// The points to which none is better in hits or false triggers an hour and as good in the other, ascending in both; of
/// equal ones that which [`choose`] would take. What hits nothing is none of them.
pub fn frontier(points: &[Point]) -> Vec<&Point> {
    let mut ascending: Vec<&Point> = points.iter().collect();
    let rate = |point: &Point| point.tally.false_per_hour();
    ascending.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then_with(|| by_worth(a, b)));
    let mut hits_max = 0;
    ascending.retain(|point| {
        let better = point.tally.hits > hits_max;
        hits_max = hits_max.max(point.tally.hits);
        better
    });
    ascending
}

/// The better one first.
fn by_worth(a: &Point, b: &Point) -> Ordering {
    let latency = |point: &Point| point.tally.median_latency_secs().unwrap_or(f64::INFINITY);
    let hits = b.tally.hits.cmp(&a.tally.hits);
    hits.then_with(|| latency(a).total_cmp(&latency(b))).then_with(|| b.rule.on.total_cmp(&a.rule.on))
}
