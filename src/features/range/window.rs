//! The last observations of one quantity as histograms: what a statistic over many ticks costs stays small.

/// Bins of a histogram; a bin fits a byte.
const BINS: usize = 128;

/// A magnitude's bins are even steps between powers of two, this many to each.
const BINS_AN_OCTAVE: u32 = 8;

/// Magnitudes of this and less are one and the same; 16 octaves lie above it.
const MAGNITUDE_MIN: f32 = 1.0 / 1024.0;

/// Mantissa bits of a single that do not tell its bin.
const BITS_BELOW_BIN: u32 = f32::MANTISSA_DIGITS - 1 - BINS_AN_OCTAVE.ilog2();

/// How long a window looks back. Sudden faults show in the short one; the long one is steadier, so its limits are
/// closer and it finds what is only a little off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    Short,
    Long,
}

impl Horizon {
    pub const ALL: [Self; 2] = [Self::Short, Self::Long];

    /// Observations of the long horizon for each of the short one.
    pub const LONG_SHORTS: usize = 4;
}

/// How values are binned and what of them is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// A quantile, within (0, 1), of magnitudes from [`MAGNITUDE_MIN`] to 64.
    Quantile(f32),
    /// The mean of shares within [0, 1].
    Mean,
}

impl Statistic {
    fn bin(self, value: f32) -> u8 {
        match self {
            Self::Quantile(_) => {
                let above = value.max(MAGNITUDE_MIN).to_bits() - MAGNITUDE_MIN.to_bits();
                (above >> BITS_BELOW_BIN).min(BINS as u32 - 1) as u8
            }
            Self::Mean => (value.clamp(0.0, 1.0) * (BINS - 1) as f32).round() as u8,
        }
    }

    /// Of a histogram over `total` observations, at least one. A quantile is interpolated within its bin, so it is off
    /// by less than a bin: an eighth of its value at most.
    fn of(self, counts: &[u32; BINS], total: usize) -> f32 {
        match self {
            Self::Quantile(quantile) => {
                let wanted = (quantile * total as f32).ceil() as u32;
                let (mut below, mut bin) = (0, 0);
                // Whole octaves first: most bins need no look of their own.
                for octave in counts.chunks_exact(BINS_AN_OCTAVE as usize) {
                    let within: u32 = octave.iter().sum();
                    if below + within >= wanted {
                        break;
                    }
                    (below, bin) = (below + within, bin + octave.len());
                }
                while bin < BINS - 1 && below + counts[bin] < wanted {
                    below += counts[bin];
                    bin += 1;
                }
                let (low, high) = (magnitude_at(bin), magnitude_at(bin + 1));
                low + (high - low) * (wanted - below) as f32 / counts[bin].max(1) as f32
            }
            Self::Mean => {
                // At most 127 · 8 animals · 2048 observations: far from the limit.
                let sum: u32 = counts.iter().zip(0..).map(|(&count, bin)| count * bin).sum();
                sum as f32 / ((BINS - 1) * total) as f32
            }
        }
    }
}

/// Lower edge of a bin of magnitudes.
fn magnitude_at(bin: usize) -> f32 {
    f32::from_bits(MAGNITUDE_MIN.to_bits() + ((bin as u32) << BITS_BELOW_BIN))
}

/// The last observations of one quantity. Allocates when it is made and never after.
#[derive(Clone, Debug)]
pub struct Window {
    statistic: Statistic,
    /// Bins of the observations of the long horizon.
    ring: Box<[u8]>,
    /// Where the next observation goes.
    next: usize,
    len: usize,
    /// By horizon.
    counts: Box<[[u32; BINS]; 2]>,
}

impl Window {
    /// An empty window whose short horizon is of `observations`, at least one.
    pub fn new(statistic: Statistic, observations: usize) -> Self {
        let ring = vec![0; observations * Horizon::LONG_SHORTS].into_boxed_slice();
        Self { statistic, ring, next: 0, len: 0, counts: Box::new([[0; BINS]; 2]) }
    }

    pub fn clear(&mut self) {
        (self.next, self.len, *self.counts) = (0, 0, [[0; BINS]; 2]);
    }

    /// Takes an observation in; one that is not a number is none.
    pub fn push(&mut self, value: f32) {
        if value.is_nan() {
            return;
        }
        let (bin, long) = (self.statistic.bin(value), self.ring.len());
        for horizon in Horizon::ALL {
            let observations = self.observations(horizon);
            let counts = &mut self.counts[horizon as usize];
            if self.len >= observations {
                let back = self.next + long - observations;
                let leaving = self.ring[if back >= long { back - long } else { back }];
                counts[usize::from(leaving)] -= 1;
            }
            counts[usize::from(bin)] += 1;
        }
        self.ring[self.next] = bin;
        self.next = if self.next + 1 == long { 0 } else { self.next + 1 };
        self.len = (self.len + 1).min(long);
    }

    /// The statistic over the last observations; `None` until the horizon is full.
    pub fn value(&self, horizon: Horizon) -> Option<f32> {
        let observations = self.observations(horizon);
        let full = self.len >= observations;
        full.then(|| self.statistic.of(&self.counts[horizon as usize], observations))
    }

    fn observations(&self, horizon: Horizon) -> usize {
        match horizon {
            Horizon::Short => self.ring.len() / Horizon::LONG_SHORTS,
            Horizon::Long => self.ring.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bins_of_magnitudes_meet_at_their_edges_and_cover_all() {
        let statistic = Statistic::Quantile(0.5);
        for bin in 1..BINS {
            let edge = magnitude_at(bin);
            assert_eq!(usize::from(statistic.bin(edge)), bin);
            assert_eq!(usize::from(statistic.bin(f32::from_bits(edge.to_bits() - 1))), bin - 1);
        }
        assert_eq!((magnitude_at(0), magnitude_at(BINS)), (MAGNITUDE_MIN, 64.0));
        for (value, bin) in [(-1.0, 0), (0.0, 0), (1e-9, 0), (1e9, 127), (f32::INFINITY, 127)] {
            assert_eq!(statistic.bin(value), bin, "{value}");
        }
    }

    #[test]
    fn a_window_waits_until_it_is_full_and_starts_anew_when_cleared() {
        let mut window = Window::new(Statistic::Mean, 3);
        for count in 1..=12 {
            window.push(f32::NAN);
            window.push(1.0);
            assert_eq!(window.value(Horizon::Short).is_some(), count >= 3);
            assert_eq!(window.value(Horizon::Long).is_some(), count >= 12);
        }
        window.clear();
        assert_eq!(window.value(Horizon::Short), None);
    }

    proptest! {
        /// Against the observations themselves: a quantile to within a bin, a mean to within a step.
        #[test]
        fn a_window_knows_the_last_observations(
            values in prop::collection::vec(0.002_f32..50.0, 40..200),
            quantile in 0.05_f32..0.95,
        ) {
            let mut magnitudes = Window::new(Statistic::Quantile(quantile), 10);
            let mut shares = Window::new(Statistic::Mean, 10);
            for &value in &values {
                magnitudes.push(value);
                shares.push(value / 50.0);
            }
            for (horizon, observations) in [(Horizon::Short, 10), (Horizon::Long, 40)] {
                let mut last = values[values.len() - observations..].to_vec();
                let mean = last.iter().sum::<f32>() / 50.0 / observations as f32;
                prop_assert!((shares.value(horizon).unwrap() - mean).abs() < 0.004);
                last.sort_by(f32::total_cmp);
                let rank = (quantile * observations as f32).ceil() as usize - 1;
                let got = magnitudes.value(horizon).unwrap();
                prop_assert!((got / last[rank]).ln().abs() < 0.12, "{got} {}", last[rank]);
            }
        }
    }
}
