//! Which predicted onset answers which true one.

/// Most frames that two matched onsets may lie apart.
pub const REACH_FRAMES_MAX: u32 = 1 << 24;

/// Matches onsets one to one, none farther apart than `reach` frames: as many pairs as possible, and of all such
/// matchings one whose onsets lie nearest to each other in sum. Both sides ascend strictly; gives pairs of indices,
/// ascending.
///
/// On a line a best matching never crosses, so it is a heaviest chain of admissible pairs that ascends on both sides. O(p
/// log m) for p admissible pairs and m predicted onsets; disjoint bouts have at most `reach` + 1 pairs each.
pub fn matched(truth: &[i64], predicted: &[i64], reach: u32) -> Vec<(usize, usize)> {
    let reach = u64::from(reach.min(REACH_FRAMES_MAX));
    let mut chains = Chains { links: Vec::new(), best: vec![None; predicted.len()] };
    let mut from = 0;
    for (i, onset) in truth.iter().enumerate() {
        let near = |other: &i64| other.abs_diff(*onset) <= reach;
        from += predicted[from..].iter().take_while(|other| *other < onset && !near(other)).count();
        let count = predicted[from..].iter().take_while(|other| near(other)).count();
        // From the last: what this onset adds must not be followed by another pair of it.
        for j in (from..from + count).rev() {
            chains.add(i, j, predicted[j].abs_diff(*onset));
        }
    }
    chains.heaviest()
}

/// A pair with the heaviest chain that it ends.
struct Link {
    pair: (usize, usize),
    before: Option<usize>,
    pairs: usize,
    distance: u64,
}

/// Chains by their last predicted onset.
struct Chains {
    links: Vec<Link>,
    /// A Fenwick tree: index of the heaviest link of each stretch of predicted onsets.
    best: Vec<Option<usize>>,
}

impl Chains {
    /// Adds a pair that continues the heaviest chain of the predicted onsets before `j`.
    fn add(&mut self, i: usize, j: usize, distance: u64) {
        let before = self.heaviest_before(j);
        let (pairs, so_far) = before.map_or((0, 0), |link| (self.links[link].pairs, self.links[link].distance));
        let link = self.links.len();
        self.links.push(Link { pair: (i, j), before, pairs: pairs + 1, distance: so_far + distance });
        let mut at = j + 1;
        while at <= self.best.len() {
            self.best[at - 1] = self.heavier(self.best[at - 1], Some(link));
            at += at & at.wrapping_neg();
        }
    }

    fn heaviest_before(&self, j: usize) -> Option<usize> {
        let (mut at, mut heaviest) = (j, None);
        while at > 0 {
            heaviest = self.heavier(heaviest, self.best[at - 1]);
            at -= at & at.wrapping_neg();
        }
        heaviest
    }

    /// The heavier of two links, the first of equals.
    fn heavier(&self, a: Option<usize>, b: Option<usize>) -> Option<usize> {
        let weight = |link: usize| (self.links[link].pairs, std::cmp::Reverse(self.links[link].distance));
        match (a, b) {
            (Some(a), Some(b)) => Some(if weight(b) > weight(a) { b } else { a }),
            (a, b) => a.or(b),
        }
    }

    fn heaviest(&self) -> Vec<(usize, usize)> {
        let mut link = self.heaviest_before(self.best.len());
        let mut pairs = Vec::new();
        while let Some(at) = link {
            pairs.push(self.links[at].pair);
            link = self.links[at].before;
        }
        pairs.reverse();
        pairs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pairs and their summed distance of the best matching, by trying all.
    fn exhaustive(truth: &[i64], predicted: &[i64], reach: u32) -> (usize, u64) {
        let Some((first, rest)) = truth.split_first() else { return (0, 0) };
        let mut best = exhaustive(rest, predicted, reach);
        for (j, other) in predicted.iter().enumerate() {
            let distance = other.abs_diff(*first);
            if distance <= u64::from(reach) {
                let left: Vec<i64> = [&predicted[..j], &predicted[j + 1..]].concat();
                let (pairs, so_far) = exhaustive(rest, &left, reach);
                let (pairs, distance) = (pairs + 1, so_far + distance);
                if pairs > best.0 || pairs == best.0 && distance < best.1 {
                    best = (pairs, distance);
                }
            }
        }
        best
    }

    #[test]
    fn the_nearest_of_the_fullest_matchings_is_taken() {
        assert_eq!(matched(&[100], &[70, 100, 110], 60), [(0, 1)]);
        // Both are matched, though 10 lies nearer to 12 than 0 does.
        assert_eq!(matched(&[10, 20], &[0, 12], 10), [(0, 0), (1, 1)]);
        assert_eq!(matched(&[10], &[14], 3), []);
        assert_eq!(matched(&[i64::MIN], &[i64::MAX], u32::MAX), []);
    }

    proptest! {
        #[test]
        fn a_matching_is_as_good_as_the_best_of_all(
            truth in proptest::collection::btree_set(-15_i64..15, 0..6),
            predicted in proptest::collection::btree_set(-15_i64..15, 0..6),
            reach in 0_u32..9,
        ) {
            let (truth, predicted) = (Vec::from_iter(truth), Vec::from_iter(predicted));
            let pairs = matched(&truth, &predicted, reach);
            prop_assert!(pairs.windows(2).all(|both| both[0].0 < both[1].0 && both[0].1 < both[1].1));
            let distances = pairs.iter().map(|(i, j)| truth[*i].abs_diff(predicted[*j]));
            prop_assert!(distances.clone().all(|distance| distance <= u64::from(reach)));
            prop_assert_eq!((pairs.len(), distances.sum()), exhaustive(&truth, &predicted, reach));
        }
    }
}
