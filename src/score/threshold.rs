//! Where to cut a score.

/// The threshold of the best F1 over validation, and that F1. A score *at or above* its threshold is a verdict.
///
/// Exact: every threshold that makes a difference is tried, in O(n log n). Equal scores fall on the same side. Among
/// equally good thresholds the highest wins, as it fires least. A NaN is never a verdict. Where no threshold gives an
/// F1 above 0 the answer is infinity, which no finite score reaches, and 0.
///
/// # Panics
/// Where the scores are not as many as the truths.
pub fn best_threshold(scores: &[f32], truth: &[bool]) -> (f32, f64) {
    assert_eq!(scores.len(), truth.len(), "a truth for each score");
    let positives = truth.iter().filter(|truth| **truth).count();
    let mut descending: Vec<(f32, bool)> = scores.iter().copied().zip(truth.iter().copied()).collect();
    descending.retain(|(score, _)| !score.is_nan());
    descending.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut best, mut true_positives) = ((f32::INFINITY, 0.0), 0_usize);
    for (index, &(score, truth)) in descending.iter().enumerate() {
        true_positives += usize::from(truth);
        // A cut within equal scores is none that a threshold can make; 0 and -0 are equal, too.
        if descending.get(index + 1).is_some_and(|next| next.0 == score) {
            continue;
        }
        let predicted = index + 1;
        let f1 = 2.0 * true_positives as f64 / (predicted + positives) as f64;
        if f1 > best.1 {
            best = (score, f1);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::score::Tally;

    fn f1_at(threshold: f32, scores: &[f32], truth: &[bool]) -> f64 {
        let predicted: Vec<bool> = scores.iter().map(|score| *score >= threshold).collect();
        Tally::from_masks(&predicted, truth).f1()
    }

    #[test]
    fn ties_fall_on_one_side_and_the_highest_of_equal_thresholds_wins() {
        assert_eq!(best_threshold(&[0.9, 0.5, 0.5, 0.1], &[true, true, false, false]), (0.5, 0.8));
        // One of one found, or two of two among four: 2/3 either way.
        assert_eq!(best_threshold(&[0.9, 0.8, 0.7, 0.6], &[true, false, false, true]).0, 0.9);
        assert_eq!(best_threshold(&[0.0, -0.0], &[true, false]), (-0.0, 2.0 / 3.0));
    }

    #[test]
    fn without_anything_to_find_nothing_fires() {
        assert_eq!(best_threshold(&[0.9, 0.5], &[false, false]), (f32::INFINITY, 0.0));
        assert_eq!(best_threshold(&[f32::NAN], &[true]), (f32::INFINITY, 0.0));
        assert_eq!(best_threshold(&[], &[]), (f32::INFINITY, 0.0));
    }

    proptest! {
        #[test]
        fn no_threshold_is_better(
            cells in proptest::collection::vec((prop_oneof![9 => (-4_i8..4).prop_map(f32::from), 1 => Just(f32::NAN)], any::<bool>()), 0..40)
        ) {
            let (scores, truth): (Vec<f32>, Vec<bool>) = cells.into_iter().unzip();
            let (threshold, f1) = best_threshold(&scores, &truth);
            prop_assert_eq!(f1, f1_at(threshold, &scores, &truth));
            for other in -5_i8..6 {
                prop_assert!(f1 >= f1_at(f32::from(other), &scores, &truth));
            }
        }
    }
}
