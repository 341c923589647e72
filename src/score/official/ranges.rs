//! Sets of frames as ascending, disjoint, non-empty half-open ranges. Frames may be any number of 64 bits, below 0 too;
//! what is counted is therefore wider.

use std::ops::Range;

/// The union of any ranges, as a set; what adjoins becomes one range.
pub fn union(mut ranges: Vec<Range<i64>>) -> Vec<Range<i64>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let joins = next.start <= last.end;
        if joins {
            last.end = last.end.max(next.end);
        }
        joins
    });
    ranges
}

/// The parts of a range that a set holds.
pub fn parts(range: &Range<i64>, set: &[Range<i64>]) -> impl Iterator<Item = Range<i64>> {
    let first = set.partition_point(|other| other.end <= range.start);
    let (start, end) = (range.start, range.end);
    let within = set[first..].iter().take_while(move |other| other.start < end);
    within.map(move |other| other.start.max(start)..other.end.min(end))
}

/// How many frames a set holds.
pub fn length(set: &[Range<i64>]) -> u128 {
    set.iter().map(frames).sum()
}

/// How many frames two sets share.
pub fn shared(a: &[Range<i64>], b: &[Range<i64>]) -> u128 {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        count += frames(&(a[i].start.max(b[j].start)..a[i].end.min(b[j].end)));
        if a[i].end < b[j].end {
            i += 1;
        } else {
            j += 1;
        }
    }
    count
}

fn frames(range: &Range<i64>) -> u128 {
    (i128::from(range.end) - i128::from(range.start)).max(0) as u128
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges() -> impl Strategy<Value = Vec<Range<i64>>> {
        let range = (-20_i64..40, 0_i64..9).prop_map(|(start, length)| start..start + length);
        proptest::collection::vec(range, 0..12)
    }

    fn holds(ranges: &[Range<i64>], frame: i64) -> bool {
        ranges.iter().any(|range| range.contains(&frame))
    }

    proptest! {
        #[test]
        fn sets_hold_what_their_ranges_hold(a in ranges(), b in ranges(), one in (-20_i64..40, 1_i64..30)) {
            let (set_a, set_b) = (union(a.clone()), union(b.clone()));
            let one = one.0..one.0 + one.1;
            let cut: Vec<Range<i64>> = parts(&one, &set_a).collect();
            for set in [&set_a, &set_b, &cut] {
                prop_assert!(set.windows(2).all(|pair| pair[0].end < pair[1].start));
                prop_assert!(set.iter().all(|range| range.start < range.end));
            }
            let frames = || -30..80;
            for frame in frames() {
                prop_assert_eq!(holds(&set_a, frame), holds(&a, frame));
                prop_assert_eq!(holds(&cut, frame), holds(&a, frame) && one.contains(&frame));
            }
            prop_assert_eq!(length(&set_a), frames().filter(|frame| holds(&a, *frame)).count() as u128);
            let both = frames().filter(|frame| holds(&a, *frame) && holds(&b, *frame)).count();
            prop_assert_eq!(shared(&set_a, &set_b), both as u128);
        }
    }

    #[test]
    fn frames_at_the_ends_of_64_bits_are_counted() {
        let all = union(vec![i64::MIN..0, 0..i64::MAX]);
        assert_eq!(length(&all), u128::from(u64::MAX));
        assert_eq!(shared(&all, &all), u128::from(u64::MAX));
    }
}
