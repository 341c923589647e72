//! Thresholds, durations and gaps from validation recordings.

use std::ops::Range;

use super::fitted::{Agreement, FittedRule, FittedRules};
use super::measure::{Measurer, value_index};
use super::reading::Reading;
use super::rules::Condition;
use super::search::{self, Rows};
use super::{BaselineError, Track, Truth};
use crate::behavior::{Behavior, Ethogram, Kind};

/// Rows (ticks × orders of two animals) that a rule's thresholds are fitted on; of longer recordings every second tick,
/// every third and so on is taken.
const ROWS_MAX: usize = 400_000;

/// Minimum durations and gaps that are tried, each with each.
const DURATIONS_TICKS_MIN: [u32; 4] = [1, 5, 10, 20];
const GAPS_TICKS_MAX: [u32; 4] = [0, 5, 15, 30];
const DECODINGS: usize = DURATIONS_TICKS_MIN.len() * GAPS_TICKS_MAX.len();

/// A longer duration or gap has to be worth this much F1.
const GAIN_MIN: f64 = 1e-3;

/// Rules for every behavior of the ethogram whose word has one, each fitted by itself: thresholds by coordinate
/// descent from the written ones, at the best frame F1 over the labelled ticks of all its subjects pooled; then the
/// minimum duration and the gap of the best F1; at last which of behaviors that exclude each other is told. The same
/// recordings give the same rules.
///
/// The budget of a rule of 5 conditions is at most 1,320 thresholds and 16 decodings; two rankings are tried for all
/// together. A behavior that never happens in the recordings keeps its written thresholds, and of two that exclude each
/// other it gives way.
///
/// # Errors
/// Labels of another shape than their track, cells that are none of the ethogram.
pub fn fit(recordings: &[(Track<'_>, Truth<'_>)], ethogram: &Ethogram) -> Result<FittedRules, BaselineError> {
    for (index, (track, truth)) in recordings.iter().enumerate() {
        truth.check(index, track, ethogram)?;
    }
    let stride = stride(recordings);
    let sampled: Vec<Sampled> = recordings.iter().map(|(track, _)| Sampled::new(track, stride)).collect();
    let mut rules = Vec::with_capacity(ethogram.behavior_count());
    for (behavior, _, spec) in ethogram.behaviors() {
        let mut rule = FittedRule::written(&spec.name);
        let rows = rows(recordings, &sampled, behavior, spec.kind, &rule.conditions);
        rule.conditions = search::descend(&rule.conditions, &rows);
        rules.push(rule);
    }
    drop(sampled);
    let fitted = FittedRules::new(ethogram.clone(), rules)?;
    let mut counts = vec![Counts::default(); ethogram.behavior_count()];
    for (track, truth) in recordings {
        count(&fitted, track, truth, &mut counts);
    }
    let rules = fitted.rules().iter().zip(&counts).map(|(rule, counts)| counts.decoded(rule.clone()));
    ranked(recordings, ethogram, &rules.collect::<Vec<_>>())
}

/// The rules with priorities: in each label set the more precise rule first, or the rarer behavior first where the bouts
/// then have the better mean F1. What is rare and lies within something common (aggression within social) is less
/// precisely told, and would never be told by precision alone.
fn ranked(
    recordings: &[(Track<'_>, Truth<'_>)],
    ethogram: &Ethogram,
    rules: &[FittedRule],
) -> Result<FittedRules, BaselineError> {
    let ranked = |rank: fn(&Agreement) -> f32| {
        let with_rank = |rule: &FittedRule| {
            let priority = rule.agreement.as_ref().map_or(0.0, rank);
            FittedRule { priority, ..rule.clone() }
        };
        FittedRules::new(ethogram.clone(), rules.iter().map(with_rank).collect())
    };
    let by_precision = ranked(|agreement| agreement.precision as f32)?;
    let by_rarity = ranked(|agreement| 1.0 / agreement.happened_ticks.max(1) as f32)?;
    let [precise, rare] = [&by_precision, &by_rarity].map(|rules| set_f1(recordings, rules));
    let rules = ethogram.behaviors().map(|(behavior, set, _)| {
        let ranked = if rare[set] > precise[set] { &by_rarity } else { &by_precision };
        ranked.rules()[usize::from(behavior.0)].clone()
    });
    FittedRules::new(ethogram.clone(), rules.collect())
}

/// The sum over the behaviors of each label set of the frame F1 that their bouts have.
fn set_f1(recordings: &[(Track<'_>, Truth<'_>)], rules: &FittedRules) -> Vec<f64> {
    let ethogram = rules.ethogram();
    let mut counts = vec![[0_u64; 3]; ethogram.behavior_count()];
    for (track, truth) in recordings {
        let width = truth.cells.len();
        let mut told = vec![false; truth.truth.len()];
        for bout in rules.bouts_of(track, truth.cells) {
            let Some(index) = truth.cells.iter().position(|cell| *cell == bout.cell) else { continue };
            for tick in bout.start..bout.stop {
                told[tick as usize * width + index] = true;
            }
        }
        for (at, told) in told.into_iter().enumerate().filter(|(at, _)| truth.labelled[*at]) {
            let counts = &mut counts[usize::from(truth.cells[at % width].behavior.0)];
            let happened = truth.truth[at];
            for (count, holds) in counts.iter_mut().zip([told && happened, told, happened]) {
                *count += u64::from(holds);
            }
        }
    }
    let mut sums = vec![0.0; ethogram.label_sets().len()];
    for ((_, set, _), [hits, told, happened]) in ethogram.behaviors().zip(counts) {
        sums[set] += 2.0 * hits as f64 / (told + happened).max(1) as f64;
    }
    sums
}

fn stride(recordings: &[(Track<'_>, Truth<'_>)]) -> usize {
    let orders = |individuals: usize| (individuals * individuals.saturating_sub(1)).max(1);
    let rows: usize = recordings.iter().map(|(track, _)| track.ticks().len() * orders(track.individuals())).sum();
    rows.div_ceil(ROWS_MAX).max(1)
}

/// All quantities of a recording at every `stride`-th tick.
struct Sampled {
    stride: usize,
    width: usize,
    /// Sampled ticks × width.
    values: Vec<f32>,
}

impl Sampled {
    fn new(track: &Track<'_>, stride: usize) -> Self {
        let mut measurer = Measurer::new(track.skeleton(), track.individuals());
        let (width, mut values) = (measurer.values().len(), Vec::new());
        for (tick, points) in track.ticks().iter().enumerate() {
            measurer.advance(points);
            if tick % stride == 0 {
                values.extend_from_slice(measurer.values());
            }
        }
        Self { stride, width, values }
    }

    /// (tick, its values)
    fn ticks(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.values.chunks_exact(self.width.max(1)).enumerate().map(|(at, values)| (at * self.stride, values))
    }
}

/// What the conditions read at the labelled ticks of all subjects of a behavior.
fn rows(
    recordings: &[(Track<'_>, Truth<'_>)],
    sampled: &[Sampled],
    behavior: Behavior,
    kind: Kind,
    conditions: &[Condition],
) -> Rows {
    let mut rows = Rows { values: Vec::new(), ends: Vec::new(), truth: Vec::new(), every: kind == Kind::Mutual };
    if conditions.is_empty() {
        return rows;
    }
    for ((track, truth), sampled) in recordings.iter().zip(sampled) {
        let count = truth.cells.len();
        for (index, cell) in truth.cells.iter().enumerate().filter(|(_, cell)| cell.behavior == behavior) {
            let reading = Reading::new(kind, cell.subject, conditions, track.individuals());
            for (tick, values) in sampled.ticks().filter(|(tick, _)| truth.labelled[tick * count + index]) {
                for &(agent, target) in &reading.orders {
                    let at = |one: &Condition| values[value_index(track.individuals(), one.quantity, agent, target)];
                    rows.values.extend(conditions.iter().map(at));
                }
                rows.ends.push(rows.values.len() / conditions.len());
                rows.truth.push(truth.truth[tick * count + index]);
            }
        }
    }
    rows
}

/// Labelled ticks of one behavior: told and rightly told by each decoding, and at which it happened.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    told: [u64; DECODINGS],
    hits: [u64; DECODINGS],
    happened: u64,
}

fn decodings() -> impl Iterator<Item = (u32, u32)> {
    DURATIONS_TICKS_MIN.into_iter().flat_map(|duration| GAPS_TICKS_MAX.into_iter().map(move |gap| (duration, gap)))
}

impl Counts {
    fn agreement(&self, decoding: usize) -> Agreement {
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let (told, hits) = (self.told[decoding], self.hits[decoding]);
        Agreement {
            f1: share(2 * hits, told + self.happened),
            precision: share(hits, told),
            recall: share(hits, self.happened),
            happened_ticks: self.happened,
        }
    }

    /// The rule with the decoding of the best F1, as it is where the behavior never happened.
    fn decoded(&self, mut rule: FittedRule) -> FittedRule {
        if self.happened == 0 || rule.conditions.is_empty() {
            return rule;
        }
        let mut best = self.agreement(0);
        for (index, (duration_ticks_min, gap_ticks_max)) in decodings().enumerate() {
            let agreement = self.agreement(index);
            if agreement.f1 > best.f1 + GAIN_MIN {
                best = agreement;
                rule = FittedRule { duration_ticks_min, gap_ticks_max, ..rule };
            }
        }
        FittedRule { agreement: Some(best), ..rule }
    }
}

/// Adds a recording.
fn count(fitted: &FittedRules, track: &Track<'_>, truth: &Truth<'_>, counts: &mut [Counts]) {
    let mut scorer = fitted.scorer(track.skeleton(), track.individuals());
    let mut runs: Vec<Vec<Range<usize>>> = vec![Vec::new(); scorer.cells().len()];
    for (tick, points) in track.ticks().iter().enumerate() {
        for (runs, score) in runs.iter_mut().zip(scorer.advance(points)) {
            match runs.last_mut() {
                Some(run) if *score > 0.0 && run.end == tick => run.end = tick + 1,
                _ if *score > 0.0 => runs.push(tick..tick + 1),
                _ => {}
            }
        }
    }
    let (ticks, width) = (track.ticks().len(), truth.cells.len());
    for (index, cell) in truth.cells.iter().enumerate() {
        let Some(own) = scorer.cells().iter().position(|candidate| candidate == cell) else { continue };
        let counts = &mut counts[usize::from(cell.behavior.0)];
        let mut sums = vec![(0, 0)];
        for at in (0..ticks).map(|tick| tick * width + index) {
            let (labelled, happened) = sums[sums.len() - 1];
            let (is_labelled, happens) = (truth.labelled[at], truth.labelled[at] && truth.truth[at]);
            sums.push((labelled + u64::from(is_labelled), happened + u64::from(happens)));
        }
        counts.happened += sums[ticks].1;
        for (decoding, (duration, gap)) in decodings().enumerate() {
            for bout in joined(&runs[own], gap as usize).filter(|bout| bout.len() >= duration as usize) {
                counts.told[decoding] += sums[bout.end].0 - sums[bout.start].0;
                counts.hits[decoding] += sums[bout.end].1 - sums[bout.start].1;
            }
        }
    }
}

/// Runs across holes of at most `gap` ticks.
fn joined(runs: &[Range<usize>], gap: usize) -> impl Iterator<Item = Range<usize>> {
    runs.chunk_by(move |before, after| after.start - before.end <= gap)
        .map(|joined| joined[0].start..joined[joined.len() - 1].end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_up_to_the_gap_are_filled_and_longer_ones_are_not() {
        let runs = [2..4, 9..10, 16..20];
        assert_eq!(joined(&runs, 0).collect::<Vec<_>>(), runs);
        assert_eq!(joined(&runs, 5).collect::<Vec<_>>(), [2..10, 16..20]);
        assert!(joined(&runs, 6).eq(std::iter::once(2..20)));
        assert_eq!(joined(&[], 5).count(), 0);
    }
}
