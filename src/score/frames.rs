//! Frame-wise agreement, pooled over recordings.

use std::ops::{AddAssign, Range};

use super::{cells_of, ranges_of};
use crate::behavior::{Behavior, Bout, Cell, Ethogram, Subject};
use crate::corpus::{SetLabels, spans};

/// Frames (or ticks) of one behavior by agreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub true_positives: u64,
    pub false_positives: u64,
    pub false_negatives: u64,
}

impl Tally {
    /// Compares masks over the same scored frames.
    ///
    /// # Panics
    /// On masks of different lengths.
    pub fn from_masks(predicted: &[bool], truth: &[bool]) -> Self {
        assert_eq!(predicted.len(), truth.len(), "masks over the same frames");
        let mut tally = Self::default();
        for (predicted, truth) in predicted.iter().zip(truth) {
            match (predicted, truth) {
                (true, true) => tally.true_positives += 1,
                (true, false) => tally.false_positives += 1,
                (false, true) => tally.false_negatives += 1,
                (false, false) => {}
            }
        }
        tally
    }

    /// Compares intervals within the scored frames. `scored` is ascending and disjoint; the others may overlap
    /// themselves, a frame counts once.
    pub fn from_ranges(predicted: Vec<Range<u64>>, truth: Vec<Range<u64>>, scored: &[Range<u64>]) -> Self {
        let predicted = spans::intersection(&spans::union(predicted), scored);
        let truth = spans::intersection(&spans::union(truth), scored);
        let true_positives = spans::length(&spans::intersection(&predicted, &truth));
        Self {
            true_positives,
            false_positives: spans::length(&predicted) - true_positives,
            false_negatives: spans::length(&truth) - true_positives,
        }
    }

    /// True positives among the predicted; 0 where nothing was predicted.
    pub fn precision(&self) -> f64 {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// True positives among the true; 0 where nothing is true.
    pub fn recall(&self) -> f64 {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// The harmonic mean of precision and recall; 0 where nothing was predicted and nothing is true.
    pub fn f1(&self) -> f64 {
        share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
    }
}

/// The plain mean of the F1 of several behaviors; 0 of none.
pub fn macro_f1(tallies: &[Tally]) -> f64 {
    mean(tallies.iter().map(Tally::f1))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    if count == 0 { 0.0 } else { values.sum::<f64>() / count as f64 }
}

/// Scored frames of `predicted` that are in `reverse` and not in `truth`.
fn only_reverse(
    predicted: &[Range<u64>],
    truth: &[Range<u64>],
    reverse: Vec<Range<u64>>,
    scored: &[Range<u64>],
) -> u64 {
    let predicted = spans::intersection(&spans::union(predicted.to_vec()), scored);
    let told = spans::intersection(&predicted, &spans::union(reverse));
    spans::length(&told) - spans::length(&spans::intersection(&told, &spans::union(truth.to_vec())))
}

/// A tally for each behavior of an ethogram, over all recordings added.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameScores {
    /// By [`Behavior`].
    tallies: Vec<Tally>,
    /// By [`Behavior`]: frames on which it was told of a directed pair while it is true of the same two with their roles
    /// exchanged, and not as told.
    exchanged: Vec<u64>,
    /// Behaviors of each label set, as indices.
    sets: Vec<Range<usize>>,
    /// Label sets of which anybody looked for anything: the others have no score.
    asked: Vec<bool>,
}

impl FrameScores {
    pub fn new(ethogram: &Ethogram) -> Self {
        let mut first = 0;
        let sets = ethogram.label_sets().iter().map(|set| {
            let behaviors = first..first + set.behaviors.len();
            first = behaviors.end;
            behaviors
        });
        let behaviors = ethogram.behavior_count();
        Self {
            sets: sets.collect(),
            tallies: vec![Tally::default(); behaviors],
            exchanged: vec![0; behaviors],
            asked: vec![false; ethogram.label_sets().len()],
        }
    }

    /// Adds a recording. Cells that are not annotated there do not count, whatever was predicted.
    ///
    /// # Panics
    /// Where `labels` are not one for each label set.
    pub fn add(&mut self, labels: &[SetLabels], predicted: &[Bout]) {
        assert_eq!(labels.len(), self.sets.len(), "labels of each label set");
        for (set, (labels, behaviors)) in labels.iter().zip(self.sets.clone()).enumerate() {
            self.asked[set] |= !labels.annotated.is_empty();
            for index in behaviors {
                for cell in cells_of(labels, Behavior(index as u16)) {
                    let (predicted, truth) = (ranges_of(predicted, cell), ranges_of(&labels.bouts, cell));
                    if let Subject::Ordered { agent, target } = cell.subject {
                        let roles_exchanged =
                            Cell { subject: Subject::Ordered { agent: target, target: agent }, ..cell };
                        let reverse = ranges_of(&labels.bouts, roles_exchanged);
                        self.exchanged[index] += only_reverse(&predicted, &truth, reverse, &labels.scored);
                    }
                    self.tallies[index] += Tally::from_ranges(predicted, truth, &labels.scored);
                }
            }
        }
    }

    /// # Panics
    /// On a behavior of another ethogram.
    pub fn tally(&self, behavior: Behavior) -> Tally {
        self.tallies[usize::from(behavior.0)]
    }

    /// Of a directed behavior, the frames on which it was told with the roles of agent and target exchanged.
    ///
    /// # Panics
    /// On a behavior of another ethogram.
    pub fn exchanged(&self, behavior: Behavior) -> u64 {
        self.exchanged[usize::from(behavior.0)]
    }

    /// The plain mean F1 over the behaviors of a label set (its index).
    ///
    /// # Panics
    /// On a label set of another ethogram.
    pub fn set_f1(&self, label_set: usize) -> f64 {
        macro_f1(&self.tallies[self.sets[label_set].clone()])
    }

    /// Whether anybody looked for any behavior of a label set (its index) in the recordings added.
    ///
    /// # Panics
    /// On a label set of another ethogram.
    pub fn is_asked(&self, label_set: usize) -> bool {
        self.asked[label_set]
    }

    /// The plain mean of [`Self::set_f1`] over the label sets of which anybody looked for anything.
    pub fn mean_f1(&self) -> f64 {
        let asked: Vec<f64> = (0..self.sets.len()).filter(|set| self.asked[*set]).map(|set| self.set_f1(set)).collect();
        mean(asked.into_iter())
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::behavior::{BehaviorSpec, Kind, LabelSet};
    use crate::score::testing::{bout, ethogram, labels};

    #[test]
    fn nothing_predicted_and_nothing_true_is_zero() {
        let empty = Tally::default();
        assert_eq!((empty.precision(), empty.recall(), empty.f1()), (0.0, 0.0, 0.0));
        assert_eq!(macro_f1(&[]), 0.0);
    }

    #[test]
    fn only_scored_frames_count_and_each_once() {
        let tally = Tally::from_ranges(vec![0..10, 5..30, 90..200], vec![20..40], &[5..25, 35..95]);
        assert_eq!(tally, Tally { true_positives: 5, false_positives: 15 + 5, false_negatives: 5 });
        assert_eq!(tally.precision(), 0.2);
        assert_eq!(tally.recall(), 0.5);
        assert_eq!(tally.f1(), 10.0 / 35.0);
    }

    #[test]
    fn roles_exchanged_are_told_from_other_errors() {
        let spec = BehaviorSpec { name: "attack".to_owned(), kind: Kind::Directed };
        let ethogram = Ethogram::new(vec![LabelSet { name: "A".to_owned(), behaviors: vec![spec] }]);
        let subjects = Subject::all(Kind::Directed, 2);
        let bout = |order: usize, range: Range<u64>| Bout {
            cell: Cell { behavior: Behavior(0), subject: subjects[order] },
            start: range.start,
            stop: range.end,
        };
        let labels = SetLabels {
            scored: vec![0..100],
            annotated: ethogram.cells(2),
            // From 20 to 30 each attacks the other.
            bouts: vec![bout(0, 10..30), bout(1, 20..40)],
        };
        let mut scores = FrameScores::new(&ethogram);
        scores.add(&[labels], &[bout(0, 25..50), bout(1, 5..15), bout(1, 90..120)]);
        assert_eq!(scores.exchanged(Behavior(0)), 10 + 5);
        assert_eq!(scores.tally(Behavior(0)).false_positives, 20 + 10 + 10);
    }

    #[test]
    fn recordings_are_pooled_and_label_sets_averaged() {
        let mut scores = FrameScores::new(&ethogram());
        scores.add(&labels(&[bout(0, 0..10)], &[bout(2, 0..10)]), &[bout(0, 5..10), bout(2, 0..20)]);
        scores.add(&labels(&[bout(0, 0..10), bout(1, 10..20)], &[]), &[bout(0, 5..20)]);
        let social = scores.tally(Behavior(0));
        assert_eq!(social, Tally { true_positives: 10, false_positives: 10, false_negatives: 10 });
        assert_eq!(scores.tally(Behavior(1)).false_negatives, 10);
        assert_eq!(scores.set_f1(0), 0.25);
        assert_eq!(scores.set_f1(1), 20.0 / 30.0);
        assert_eq!(scores.mean_f1(), f64::midpoint(0.25, 20.0 / 30.0));
    }

    #[test]
    fn a_cell_that_nobody_annotated_does_not_count() {
        let mut scores = FrameScores::new(&ethogram());
        let mut unknown = labels(&[], &[]);
        unknown[1].annotated.clear();
        scores.add(&unknown, &[bout(2, 0..50)]);
        assert_eq!(scores.tally(Behavior(2)), Tally::default());
        assert_eq!([scores.is_asked(0), scores.is_asked(1)], [true, false]);
        scores.add(&unknown, &[]);
        let mut asked = labels(&[bout(0, 0..10)], &[]);
        asked[1].annotated.clear();
        scores.add(&asked, &[bout(0, 0..10)]);
        assert_eq!(scores.mean_f1(), 0.5, "a label set that nobody asked for is no zero");
    }

    proptest! {
        #[test]
        fn ranges_and_masks_agree(
            predicted in proptest::collection::vec((0_u64..90, 0_u64..10), 0..8),
            truth in proptest::collection::vec((0_u64..90, 0_u64..10), 0..8),
            scored in proptest::collection::vec((0_u64..90, 0_u64..30), 0..4),
        ) {
            let ranges = |pairs: &[(u64, u64)]| -> Vec<Range<u64>> {
                pairs.iter().map(|(start, length)| *start..start + length).collect()
            };
            let holds = |pairs: &[(u64, u64)], frame| ranges(pairs).iter().any(|range| range.contains(&frame));
            let frames: Vec<u64> = (0..130).filter(|frame| holds(&scored, *frame)).collect();
            let mask = |pairs: &[(u64, u64)]| -> Vec<bool> { frames.iter().map(|frame| holds(pairs, *frame)).collect() };
            let scored_set = spans::union(ranges(&scored));
            prop_assert_eq!(
                Tally::from_ranges(ranges(&predicted), ranges(&truth), &scored_set),
                Tally::from_masks(&mask(&predicted), &mask(&truth))
            );
        }
    }
}
