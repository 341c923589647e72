//! Histograms with fixed bins.

use std::ops::Range;

/// Where the bins of a histogram lie: evenly on a linear or a logarithmic axis from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    pub bins: usize,
    pub is_log: bool,
}

/// How often values fell into each bin. What lies beyond the scale is counted too.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    scale: Scale,
    below: u64,
    counts: Vec<u64>,
    above: u64,
}

impl Scale {
    /// Of lengths of time, in seconds, from less than a frame to more than a day.
    pub const SECS: Self = Self::log(1e-3, 1e5, 930);

    /// Of angles without a side.
    pub(crate) const DEGREES: Self = Self::linear(0.0, 180.0, 720);
    /// Of shares, and of shares and rates that differ by orders of magnitude.
    pub(crate) const SHARES: Self = Self::linear(0.0, 1.0, 1);
    pub(crate) const TIME_SHARES: Self = Self::log(1e-6, 1.0, 1);
    pub(crate) const RATES: Self = Self::log(1e-3, 1e5, 1);

    pub(super) const fn linear(low: f64, high: f64, bins: usize) -> Self {
        Self { low, high, bins, is_log: false }
    }

    pub(super) const fn log(low: f64, high: f64, bins: usize) -> Self {
        Self { low, high, bins, is_log: true }
    }

    /// Where a value lies on the axis, 0 for `low` to 1 for `high`; within these.
    pub fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        if self.is_log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// The value at a place: undoes [`Scale::place`].
    pub fn value(&self, place: f64) -> f64 {
        if self.is_log {
            self.low * (self.high / self.low).powf(place)
        } else {
            self.low + (self.high - self.low) * place
        }
    }
}

impl Histogram {
    pub fn new(scale: Scale) -> Self {
        Self { scale, below: 0, counts: vec![0; scale.bins], above: 0 }
    }

    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// What is not finite is no value.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if value < self.scale.low {
            self.below += 1;
        } else if value > self.scale.high {
            self.above += 1;
        } else {
            let bin = (self.scale.place(value) * self.scale.bins as f64) as usize;
            self.counts[bin.min(self.scale.bins - 1)] += 1;
        }
    }

    /// Takes the values of another of the same scale.
    pub(super) fn merge(&mut self, other: &Self) {
        debug_assert_eq!(self.scale, other.scale);
        self.below += other.below;
        self.above += other.above;
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += other;
        }
    }

    pub fn count(&self) -> u64 {
        self.below + self.counts.iter().sum::<u64>() + self.above
    }

    /// How many values lie below and above the scale.
    pub fn beyond(&self) -> (u64, u64) {
        (self.below, self.above)
    }

    /// The value below which that share of all values lies, to within a bin; `low` or `high` where it lies beyond the
    /// scale, `None` without any value.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * count as f64;
        let mut passed = self.below as f64;
        if self.below > 0 && rank <= passed {
            return Some(self.scale.low);
        }
        for (bin, bin_count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let within = *bin_count as f64;
            if rank <= passed + within {
                let place = (bin as f64 + (rank - passed) / within) / self.scale.bins as f64;
                return Some(self.scale.value(place));
            }
            passed += within;
        }
        Some(self.scale.high)
    }

    /// The Kolmogorov–Smirnov statistic: the largest difference between both shares of values below any one value, here
    /// below any edge of a bin; 0 for equal distributions, 1 for disjoint ones. `None` where either has no value, or
    /// they are of different scales.
    pub fn distance(&self, other: &Self) -> Option<f64> {
        let (count, other_count) = (self.count(), other.count());
        if count == 0 || other_count == 0 || self.scale != other.scale {
            return None;
        }
        let (mut passed, mut other_passed) = (self.below, other.below);
        let difference = |passed: u64, other_passed: u64| {
            (passed as f64 / count as f64 - other_passed as f64 / other_count as f64).abs()
        };
        let mut most = difference(passed, other_passed);
        for (in_bin, other_in_bin) in self.counts.iter().zip(&other.counts) {
            passed += in_bin;
            other_passed += other_in_bin;
            most = most.max(difference(passed, other_passed));
        }
        Some(most)
    }

    /// The share of all values in each of `columns` even columns of that part of the axis, in places of the scale.
    /// Where edges of columns cut a bin, its values count as spread evenly over it.
    pub(crate) fn columns(&self, places: &Range<f64>, columns: usize) -> Vec<f64> {
        let count = self.count().max(1) as f64;
        let mut shares = vec![0.0; columns];
        let columns_per_place = columns as f64 / (places.end - places.start);
        for (bin, in_bin) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let column = |edge: usize| (edge as f64 / self.scale.bins as f64 - places.start) * columns_per_place;
            let (start, end) = (column(bin), column(bin + 1));
            let share = *in_bin as f64 / count / (end - start);
            let first = start.floor().max(0.0) as usize;
            let after = (end.ceil().max(0.0) as usize).min(columns);
            for (index, column) in shares.iter_mut().enumerate().take(after).skip(first) {
                *column += share * (end.min(index as f64 + 1.0) - start.max(index as f64)).max(0.0);
            }
        }
        shares
    }
}
