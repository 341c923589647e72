//! The numbers of one outcome, and what several seeds of them say.

use std::fmt;

use super::outcome::{BoutOutcome, LabelSetNames, Outcome, RecordingOutcome};
use crate::score::interval::RecordingTallies;
use crate::score::{Tally, macro_f1};

impl Outcome {
    pub(super) fn behavior_count(&self) -> usize {
        self.label_sets.iter().map(|set| set.behaviors.len()).sum()
    }

    /// Every behavior: its index, the index of its label set, that set and its name.
    pub(super) fn behaviors(&self) -> impl Iterator<Item = (usize, usize, &LabelSetNames, &str)> {
        let of_sets = self.label_sets.iter().enumerate();
        let all = of_sets.flat_map(|(index, set)| set.behaviors.iter().map(move |name| (index, set, name.as_str())));
        all.enumerate().map(|(behavior, (index, set, name))| (behavior, index, set, name))
    }

    /// Whether anybody looked for any behavior of a label set in any recording.
    pub(super) fn is_asked(&self, set: usize) -> bool {
        self.recordings.iter().any(|recording| recording.asked[set])
    }

    /// By behavior, over all recordings.
    pub(super) fn pooled(&self, delay: usize) -> Vec<Tally> {
        let mut pooled = vec![Tally::default(); self.behavior_count()];
        for recording in &self.recordings {
            for (pooled, counts) in pooled.iter_mut().zip(&recording.frames[delay]) {
                *pooled += tally(counts);
            }
        }
        pooled
    }

    /// The mean over the label sets that anybody asked for of the mean F1 over their behaviors.
    pub(super) fn mean_f1(&self, delay: usize) -> f64 {
        self.mean_over_sets(&self.frame_f1(delay))
    }

    /// By behavior.
    pub(super) fn frame_f1(&self, delay: usize) -> Vec<f64> {
        self.pooled(delay).iter().map(Tally::f1).collect()
    }

    /// By label set; of one that nobody asked for there is none.
    pub(super) fn set_f1(&self, delay: usize) -> Vec<Option<f64>> {
        let (pooled, mut first) = (self.pooled(delay), 0);
        let of_set = |(index, set): (usize, &LabelSetNames)| {
            let of_set = first..first + set.behaviors.len();
            first = of_set.end;
            self.is_asked(index).then(|| macro_f1(&pooled[of_set]))
        };
        self.label_sets.iter().enumerate().map(of_set).collect()
    }

    /// As [`Self::mean_f1`], of bouts.
    pub(super) fn mean_bout_f1(&self, delay: usize) -> f64 {
        let by_behavior: Vec<f64> = self.bouts[delay].iter().map(BoutOutcome::f1).collect();
        self.mean_over_sets(&by_behavior)
    }

    fn mean_over_sets(&self, by_behavior: &[f64]) -> f64 {
        let mut first = 0;
        let of_set = |(index, set): (usize, &LabelSetNames)| {
            let of_set = first..first + set.behaviors.len();
            first = of_set.end;
            self.is_asked(index).then(|| mean(&by_behavior[of_set]).unwrap_or(0.0))
        };
        let of_sets: Vec<f64> = self.label_sets.iter().enumerate().filter_map(of_set).collect();
        mean(&of_sets).unwrap_or(0.0)
    }

    /// By recording, as draws of them take it.
    pub(super) fn tallies(&self, delay: usize) -> Vec<RecordingTallies> {
        let of_recording = |recording: &RecordingOutcome| RecordingTallies {
            tallies: recording.frames[delay].iter().map(tally).collect(),
            asked: recording.asked.clone(),
        };
        self.recordings.iter().map(of_recording).collect()
    }
}

impl BoutOutcome {
    /// The harmonic mean of the share of told bouts that overlap an annotated one and of the share of annotated bouts
    /// that were hit; 0 where either is 0 or there is no bout.
    pub fn f1(&self) -> f64 {
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let precision = share(self.told - self.false_bouts.min(self.told), self.told);
        let recall = share(self.hit, self.annotated);
        if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
    }
}

fn tally(counts: &[u64; 3]) -> Tally {
    let [true_positives, false_positives, false_negatives] = *counts;
    Tally { true_positives, false_positives, false_negatives }
}

/// None of none.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// What several seeds say: their mean, and how far they are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) mean: f64,
    /// The standard deviation, n − 1 being what it is divided by; of one seed there is none.
    pub(super) deviation: Option<f64>,
}

impl Spread {
    /// None of no value.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mean = mean(values)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt());
        Some(Self { mean, deviation })
    }
}

/// `0.441 ± 0.012`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.mean)?;
        self.deviation.map_or(Ok(()), |deviation| write!(f, " ± {deviation:.3}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::testing::outcome;

    #[test]
    fn a_spread_is_that_of_a_sample() {
        let spread = Spread::of(&[0.4, 0.5, 0.6]).unwrap();
        assert_eq!(spread.to_string(), "0.500 ± 0.100");
        assert_eq!(Spread::of(&[0.25]).unwrap().to_string(), "0.250");
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn bouts_count_by_those_told_and_those_annotated() {
        // A long told bout may hit three, and three told ones may hit one.
        let bouts = BoutOutcome { annotated: 4, hit: 3, told: 5, false_bouts: 3, ..BoutOutcome::default() };
        assert_eq!(bouts.f1(), 2.0 * 0.4 * 0.75 / (0.4 + 0.75));
        assert_eq!(BoutOutcome::default().f1(), 0.0);
        assert_eq!(BoutOutcome { annotated: 4, told: 2, false_bouts: 2, ..BoutOutcome::default() }.f1(), 0.0);
    }

    #[test]
    fn behaviors_are_averaged_within_their_label_sets_and_only_where_somebody_looked() {
        let mut outcome = outcome("cnn", 1, 500);
        for recording in &mut outcome.recordings {
            recording.frames[0] = vec![[1, 0, 0], [1, 0, 2], [0, 1, 1]];
        }
        assert_eq!(outcome.frame_f1(0), [1.0, 0.5, 0.0]);
        assert_eq!(outcome.set_f1(0), [Some(0.75), Some(0.0)]);
        assert_eq!(outcome.mean_f1(0), 0.375);
        for recording in &mut outcome.recordings {
            recording.asked[1] = false;
        }
        assert_eq!((outcome.set_f1(0)[1], outcome.mean_f1(0)), (None, 0.75));
        outcome.bouts[0] = vec![BoutOutcome { annotated: 1, hit: 1, told: 1, ..BoutOutcome::default() }; 3];
        outcome.bouts[0][1].hit = 0;
        assert_eq!(outcome.mean_bout_f1(0), 0.5);
    }
}
