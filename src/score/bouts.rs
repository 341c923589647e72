//! Agreement bout by bout: what was found, how late, and how often for nothing.

use std::ops::Range;

use super::{cells_of, ranges_of};
use crate::behavior::{Behavior, Bout, Ethogram};
use crate::corpus::{SetLabels, spans};

const SECS_PER_HOUR: f64 = 3600.0;

/// Bouts of one behavior by agreement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoutTally {
    /// Annotated bouts.
    pub annotated: u64,
    /// Annotated bouts that a predicted one overlaps.
    pub hit: u64,
    /// Predicted bouts.
    pub told: u64,
    /// Those of them that overlap no annotated one.
    pub false_bouts: u64,
    /// Time that was scored, in seconds: the sum over the cells of the behavior.
    pub scored_secs: f64,
    /// Of each hit: start of the first overlapping prediction after the annotated start, in seconds. Negative where
    /// the prediction began before.
    pub onset_latencies_secs: Vec<f64>,
}

impl BoutTally {
    /// Compares bouts of one cell; what lies outside `scored` (ascending, disjoint) is cut off both.
    pub fn from_ranges(predicted: &[Range<u64>], truth: &[Range<u64>], scored: &[Range<u64>], rate_hz: f64) -> Self {
        let (predicted, truth) = (within(predicted, scored), within(truth, scored));
        let mut tally = Self { scored_secs: spans::length(scored) as f64 / rate_hz, ..Self::default() };
        for bout in &truth {
            tally.annotated += 1;
            let onset = predicted.iter().filter(|other| overlap(bout, other)).map(|other| start(other)).min();
            if let Some(onset) = onset {
                tally.hit += 1;
                tally.onset_latencies_secs.push((onset as f64 - start(bout) as f64) / rate_hz);
            }
        }
        let is_false = |bout: &&Vec<Range<u64>>| !truth.iter().any(|other| overlap(bout, other));
        tally.told = predicted.len() as u64;
        tally.false_bouts = predicted.iter().filter(is_false).count() as u64;
        tally
    }

    /// False bouts in an hour of scored time; 0 where nothing was scored.
    pub fn false_per_hour(&self) -> f64 {
        if self.scored_secs > 0.0 { self.false_bouts as f64 * SECS_PER_HOUR / self.scored_secs } else { 0.0 }
    }

    /// The median onset latency of the hits, in seconds; `None` without a hit.
    pub fn median_onset_latency_secs(&self) -> Option<f64> {
        let mut latencies = self.onset_latencies_secs.clone();
        latencies.sort_unstable_by(f64::total_cmp);
        let middle = latencies.len() / 2;
        match latencies.len() {
            0 => None,
            count if count.is_multiple_of(2) => Some(f64::midpoint(latencies[middle - 1], latencies[middle])),
            _ => Some(latencies[middle]),
        }
    }

    fn add(&mut self, other: Self) {
        self.annotated += other.annotated;
        self.hit += other.hit;
        self.told += other.told;
        self.false_bouts += other.false_bouts;
        self.scored_secs += other.scored_secs;
        self.onset_latencies_secs.extend(other.onset_latencies_secs);
    }
}

/// The scored parts of each bout, ascending; bouts without one are left out.
fn within(bouts: &[Range<u64>], scored: &[Range<u64>]) -> Vec<Vec<Range<u64>>> {
    let parts = bouts.iter().map(|bout| spans::intersection(std::slice::from_ref(bout), scored));
    parts.filter(|parts| !parts.is_empty()).collect()
}

fn start(parts: &[Range<u64>]) -> u64 {
    parts[0].start
}

fn overlap(a: &[Range<u64>], b: &[Range<u64>]) -> bool {
    !spans::intersection(a, b).is_empty()
}

/// A tally for each behavior of an ethogram, over all recordings added.
#[derive(Clone, Debug, PartialEq)]
pub struct BoutScores {
    /// By [`Behavior`].
    tallies: Vec<BoutTally>,
}

impl BoutScores {
    pub fn new(ethogram: &Ethogram) -> Self {
        Self { tallies: vec![BoutTally::default(); ethogram.behavior_count()] }
    }

    /// Adds a recording; `rate_hz` says how many of the units of the bouts make a second.
    ///
    /// # Panics
    /// On labels of another ethogram.
    pub fn add(&mut self, labels: &[SetLabels], predicted: &[Bout], rate_hz: f64) {
        for labels in labels {
            for (index, tally) in self.tallies.iter_mut().enumerate() {
                for cell in cells_of(labels, Behavior(index as u16)) {
                    let (predicted, truth) = (ranges_of(predicted, cell), ranges_of(&labels.bouts, cell));
                    tally.add(BoutTally::from_ranges(&predicted, &truth, &labels.scored, rate_hz));
                }
            }
        }
    }

    /// # Panics
    /// On a behavior of another ethogram.
    pub fn tally(&self, behavior: Behavior) -> &BoutTally {
        &self.tallies[usize::from(behavior.0)]
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]
mod tests {
    use super::*;
    use crate::score::testing::{bout, ethogram, labels};

    #[test]
    fn a_bout_is_hit_once_however_often_it_is_found() {
        let truth = [10..20, 40..50, 60..70];
        let predicted = [5..8, 13..15, 17..19, 30..42, 200..210];
        let tally = BoutTally::from_ranges(&predicted, &truth, &[0..100], 10.0);
        assert_eq!((tally.annotated, tally.hit, tally.told, tally.false_bouts), (3, 2, 4, 1));
        assert_eq!(tally.onset_latencies_secs, [0.3, -1.0]);
        assert_eq!(tally.median_onset_latency_secs(), Some(-0.35));
        assert_eq!(tally.scored_secs, 10.0);
        assert_eq!(tally.false_per_hour(), 360.0);
    }

    #[test]
    fn a_bout_over_an_unscored_gap_is_one_bout() {
        let tally = BoutTally::from_ranges(&[0..100], &[30..60], &[0..10, 40..45, 50..55], 1.0);
        assert_eq!((tally.annotated, tally.hit, tally.false_bouts), (1, 1, 0));
        let tally = BoutTally::from_ranges(&[12..38], &[20..30], &[0..10, 40..45], 1.0);
        assert_eq!((tally.annotated, tally.hit, tally.false_bouts), (0, 0, 0));
        assert_eq!(tally.median_onset_latency_secs(), None);
    }

    #[test]
    fn recordings_are_pooled() {
        let mut scores = BoutScores::new(&ethogram());
        scores.add(&labels(&[bout(0, 0..10), bout(1, 20..30)], &[]), &[bout(0, 4..6), bout(2, 0..5)], 1.0);
        scores.add(&labels(&[bout(0, 50..60)], &[]), &[bout(0, 52..60), bout(0, 61..62)], 2.0);
        let social = scores.tally(Behavior(0));
        assert_eq!((social.annotated, social.hit, social.false_bouts), (2, 2, 1));
        assert_eq!(social.scored_secs, 150.0);
        assert_eq!(social.median_onset_latency_secs(), Some(2.5));
        assert_eq!((scores.tally(Behavior(1)).annotated, scores.tally(Behavior(2)).false_bouts), (1, 1));
        assert_eq!(BoutTally::default().false_per_hour(), 0.0);
    }
}
