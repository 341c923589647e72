//! Whether times come in two sorts, short and long ones with few between.

use hdrhistogram::Histogram;

use super::millis;

/// Bins a factor of ten.
const BINS_A_DECADE: f64 = 10.0;

/// From 1 µs to an hour.
const BINS: usize = 96;
const NANOS_MIN: f64 = 1e3;

/// Times that a judgement needs.
const COUNT_MIN: u64 = 1000;

/// Each sort has this share of all, and between them at most this share of the lower peak.
const SHARE_MIN: f64 = 0.1;
const VALLEY_SHARE: f64 = 0.5;

/// And what lies between is missing by so many times what chance would make of it.
const DEVIATIONS: f64 = 4.0;

/// Both sorts lie so far apart.
const APART_NANOS: f64 = 1e6;

/// Two sorts of times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TwoModes {
    pub short_millis: f64,
    pub long_millis: f64,
    /// Share of those that belong to the long ones.
    pub long_share: f64,
}

fn nanos_of(bin: usize) -> f64 {
    NANOS_MIN * 10f64.powf((bin as f64 + 0.5) / BINS_A_DECADE)
}

pub(super) fn two_modes(histogram: &Histogram<u32>) -> Option<TwoModes> {
    if histogram.len() < COUNT_MIN {
        return None;
    }
    let mut counts = [0.0; BINS];
    for value in histogram.iter_recorded() {
        let nanos = histogram.median_equivalent(value.value_iterated_to()) as f64;
        let bin = ((nanos / NANOS_MIN).max(1.0).log10() * BINS_A_DECADE) as usize;
        counts[bin.min(BINS - 1)] += f64::from(value.count_at_value());
    }
    let at = |bin: usize, by: isize| bin.checked_add_signed(by).and_then(|bin| counts.get(bin)).copied().unwrap_or(0.0);
    let smooth: Vec<f64> = (0..BINS).map(|bin| (at(bin, -1) + 2.0 * at(bin, 0) + at(bin, 1)) / 4.0).collect();
    let highest = |bins: std::ops::Range<usize>| bins.max_by(|a, b| smooth[*a].total_cmp(&smooth[*b]));
    // Every valley parts the times in two; the deepest that leaves enough on both sides is judged.
    let total: f64 = counts.iter().sum();
    let mut below = 0.0;
    let mut found: Option<(f64, TwoModes)> = None;
    for valley in 1..BINS - 1 {
        below += counts[valley - 1];
        let above = total - below;
        let (Some(short), Some(long)) = (highest(0..valley), highest(valley + 1..BINS)) else { continue };
        let (peak, depth) = (smooth[short].min(smooth[long]), smooth[valley]);
        let apart = nanos_of(long) - nanos_of(short) >= APART_NANOS;
        let deep = depth <= VALLEY_SHARE * peak && peak - depth >= DEVIATIONS * peak.sqrt();
        if below.min(above) < SHARE_MIN * total || !apart || !deep {
            continue;
        }
        let modes = TwoModes {
            short_millis: millis(nanos_of(short)),
            long_millis: millis(nanos_of(long)),
            long_share: above / total,
        };
        if found.is_none_or(|(best, _)| depth / peak < best) {
            found = Some((depth / peak, modes));
        }
    }
    found.map(|(_, modes)| modes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Random;
    use super::*;

    fn modes(count: u32, mut nanos: impl FnMut() -> f64) -> Option<TwoModes> {
        let mut histogram = Histogram::new_with_bounds(64, 3_600_000_000_000, 3).unwrap();
        (0..count).for_each(|_| histogram.record(nanos() as u64).unwrap());
        two_modes(&histogram)
    }

    #[test]
    fn one_sort_however_broad_is_not_two() {
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let count = [1000, 5000, 30_000][seed as usize % 3];
            assert_eq!(modes(count, || 2e5 + random.exponential(2e6)), None);
            let mut log_uniform =
                || 1e4 * 10f64.powf(4.0 * (random.uniform() + random.uniform() + random.uniform()) / 3.0);
            assert_eq!(modes(count, &mut log_uniform), None, "seed {seed}");
            assert_eq!(modes(1000, || 1e4 * 10f64.powf(8.0 * random.uniform())), None, "seed {seed}");
        }
    }

    #[test]
    fn two_sorts_are_found_with_their_shares() {
        let mut random = Random::new(3);
        let got = modes(4000, || if random.uniform() < 0.3 { 2e7 } else { 3e5 } + random.exponential(1e5)).unwrap();
        assert!((got.short_millis / 0.35 - 1.0).abs() < 0.2 && (got.long_millis / 20.0 - 1.0).abs() < 0.15, "{got:?}");
        assert!((got.long_share - 0.3).abs() < 0.03, "{got:?}");
        assert_eq!(modes(4000, || if random.uniform() < 0.05 { 2e7 } else { 3e5 }), None, "a tail is no sort");
        assert_eq!(modes(4000, || if random.uniform() < 0.5 { 9e5 } else { 1e5 }), None, "under a millisecond apart");
        let mut shallow = || {
            let spread = 10f64.powf((random.uniform() + random.uniform() - 1.0) * 0.55);
            spread * if random.uniform() < 0.5 { 2e6 } else { 1.2e7 }
        };
        assert_eq!(modes(100_000, &mut shallow), None, "they overlap");
        assert_eq!(modes(999, || if random.uniform() < 0.5 { 2e7 } else { 3e5 }), None, "too few");
    }
}
