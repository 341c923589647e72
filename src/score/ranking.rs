//! What a score is worth over all thresholds: precision against recall.

/// What a threshold gives. A score *at or above* it is a verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    pub threshold: f32,
    pub recall: f64,
    pub precision: f64,
}

/// Every cut that a threshold can make, thresholds ascending: from all scores told to the highest alone.
///
/// Exact, in O(n log n). Equal scores fall on the same side. A NaN is never a verdict. Empty where there is nothing to
/// find, or no score to find it by.
///
/// # Panics
/// Where the scores are not as many as the truths.
pub fn precision_recall(scores: &[f32], truth: &[bool]) -> Vec<Cut> {
    assert_eq!(scores.len(), truth.len(), "a truth for each score");
    let positives = truth.iter().filter(|truth| **truth).count();
    if positives == 0 {
        return Vec::new();
    }
    let mut descending: Vec<(f32, bool)> = scores.iter().copied().zip(truth.iter().copied()).collect();
    descending.retain(|(score, _)| !score.is_nan());
    descending.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut cuts, mut found, mut told) = (Vec::new(), 0_usize, 0_usize);
    // 0 and -0 are equal, too.
    for equal in descending.chunk_by(|a, b| a.0 == b.0) {
        told += equal.len();
        found += equal.iter().filter(|(_, truth)| *truth).count();
        cuts.push(Cut {
            threshold: equal[equal.len() - 1].0,
            recall: found as f64 / positives as f64,
            precision: found as f64 / told as f64,
        });
    }
    cuts.reverse();
    cuts
}

/// The mean precision over what there is to find: each cut's precision weighs what recall it adds to the next higher
/// one. Nothing is interpolated, as that would flatter. `None` without a cut.
///
/// # Source
/// Manning, Raghavan and Schütze, *Introduction to Information Retrieval* (2008), §8.4.
pub fn average_precision(cuts: &[Cut]) -> Option<f64> {
    let above = cuts.iter().skip(1).map(|cut| cut.recall).chain([0.0]);
    (!cuts.is_empty()).then(|| cuts.iter().zip(above).map(|(cut, above)| (cut.recall - above) * cut.precision).sum())
}

/// At most `most` of the cuts, both ends among them, at about even steps of the recall.
pub fn thinned(cuts: &[Cut], most: usize) -> Vec<Cut> {
    let ([first, .., last], true) = (cuts, cuts.len() > most.max(2)) else { return cuts.to_vec() };
    let steps = (most.max(2) - 1) as f64;
    let at = |step: usize| {
        let goal = first.recall + (last.recall - first.recall) * step as f64 / steps;
        // Recall falls as thresholds rise: of cuts of one recall the highest, which is the most precise.
        cuts.partition_point(|cut| cut.recall >= goal).saturating_sub(1)
    };
    let inner = (1..most.max(2) - 1).map(at);
    let mut chosen: Vec<usize> = std::iter::once(0).chain(inner).chain([cuts.len() - 1]).collect();
    chosen.dedup();
    chosen.into_iter().map(|index| cuts[index]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::score::Tally;

    fn cut(threshold: f32, recall: f64, precision: f64) -> Cut {
        Cut { threshold, recall, precision }
    }

    #[test]
    fn cuts_and_their_average_are_those_counted_by_hand() {
        let (scores, truth) = ([0.9, 0.8, 0.8, 0.3, 0.1], [true, false, true, false, true]);
        let cuts = precision_recall(&scores, &truth);
        let expected = [
            cut(0.1, 1.0, 3.0 / 5.0),
            cut(0.3, 2.0 / 3.0, 2.0 / 4.0),
            cut(0.8, 2.0 / 3.0, 2.0 / 3.0),
            cut(0.9, 1.0 / 3.0, 1.0),
        ];
        assert_eq!(cuts, expected);
        let average = average_precision(&cuts).unwrap();
        assert!((average - (1.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0).abs() < 1e-12, "{average}");
        // One threshold for all is as good as chance.
        assert_eq!(average_precision(&precision_recall(&[0.5; 4], &[true, false, false, false])), Some(0.25));
    }

    #[test]
    fn without_anything_to_find_there_is_no_curve() {
        assert_eq!(precision_recall(&[0.5, 0.2], &[false, false]), []);
        assert_eq!(precision_recall(&[f32::NAN], &[true]), []);
        assert_eq!(average_precision(&[]), None);
        assert_eq!(thinned(&[], 10), []);
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends_and_its_shape() {
        let scores: Vec<f32> = (0..5000_u16).map(|index| f32::from(index) / 5000.0).collect();
        let truth: Vec<bool> = (0..5000_usize).map(|index| (index * index) % 5000 < index).collect();
        let cuts = precision_recall(&scores, &truth);
        let thin = thinned(&cuts, 200);
        assert!(thin.len() <= 200 && thin.len() > 100, "{}", thin.len());
        assert_eq!((thin[0], thin[thin.len() - 1]), (cuts[0], cuts[cuts.len() - 1]));
        assert!(thin.windows(2).all(|pair| pair[0].threshold < pair[1].threshold));
        assert!(thin.windows(2).all(|pair| pair[0].recall - pair[1].recall < 0.02));
        assert_eq!(thinned(&cuts[..150], 200), cuts[..150]);
    }

    proptest! {
        #[test]
        fn each_cut_is_what_its_threshold_gives(
            cells in proptest::collection::vec((prop_oneof![9 => (-4_i8..4).prop_map(f32::from), 1 => Just(f32::NAN)], any::<bool>()), 0..40)
        ) {
            let (scores, truth): (Vec<f32>, Vec<bool>) = cells.into_iter().unzip();
            for cut in precision_recall(&scores, &truth) {
                let predicted: Vec<bool> = scores.iter().map(|score| *score >= cut.threshold).collect();
                let tally = Tally::from_masks(&predicted, &truth);
                prop_assert_eq!((cut.recall, cut.precision), (tally.recall(), tally.precision()));
            }
        }
    }
}
