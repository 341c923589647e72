//! Sets of frames or ticks, as half-open ranges: ascending, disjoint, none empty.

use std::ops::Range;

/// The union of any ranges, as a set.
pub fn union(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_unstable_by_key(|range| range.start);
    let mut set: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match set.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => set.push(range),
        }
    }
    set
}

/// What two sets share.
pub fn intersection(a: &[Range<u64>], b: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut i, mut j) = (0, 0);
    let mut shared = Vec::new();
    while i < a.len() && j < b.len() {
        let both = clip(&a[i], &b[j]);
        if !both.is_empty() {
            shared.push(both);
        }
        if a[i].end < b[j].end {
            i += 1;
        } else {
            j += 1;
        }
    }
    shared
}

/// What a set holds and another does not.
pub fn difference(a: &[Range<u64>], without: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut rest = Vec::new();
    let mut next = 0;
    for range in a {
        let mut start = range.start;
        while next < without.len() && without[next].end <= start {
            next += 1;
        }
        for hole in without[next..].iter().take_while(|hole| hole.start < range.end) {
            if start < hole.start {
                rest.push(start..hole.start);
            }
            start = start.max(hole.end);
        }
        if start < range.end {
            rest.push(start..range.end);
        }
    }
    rest
}

/// What two ranges share; empty where they share nothing.
pub fn clip(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    a.start.max(b.start)..a.end.min(b.end)
}

/// How many frames (or ticks) a set holds.
pub fn length(set: &[Range<u64>]) -> u64 {
    set.iter().map(|range| range.end - range.start).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges() -> impl Strategy<Value = Vec<Range<u64>>> {
        proptest::collection::vec((0_u64..60, 0_u64..12).prop_map(|(start, length)| start..start + length), 0..12)
    }

    fn holds(ranges: &[Range<u64>], frame: u64) -> bool {
        ranges.iter().any(|range| range.contains(&frame))
    }

    proptest! {
        #[test]
        fn sets_hold_what_their_ranges_hold(a in ranges(), b in ranges()) {
            let (set_a, set_b) = (union(a.clone()), union(b.clone()));
            let shared = intersection(&set_a, &set_b);
            let rest = difference(&set_a, &set_b);
            for set in [&set_a, &set_b, &shared, &rest] {
                prop_assert!(set.windows(2).all(|pair| pair[0].end < pair[1].start));
                prop_assert!(set.iter().all(|range| range.start < range.end));
            }
            for frame in 0..80 {
                prop_assert_eq!(holds(&set_a, frame), holds(&a, frame));
                prop_assert_eq!(holds(&shared, frame), holds(&a, frame) && holds(&b, frame));
                prop_assert_eq!(holds(&rest, frame), holds(&a, frame) && !holds(&b, frame));
            }
            prop_assert_eq!(length(&shared), (0..80).filter(|frame| holds(&shared, *frame)).count() as u64);
        }
    }
}
