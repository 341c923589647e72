//! What recordings and their labels hold, before anybody trains on them: the analysis behind `vibrissa inspect`.
//!
//! [`poses::PoseReport`] looks at the poses of one recording, [`labels::LabelReport`] at the labels of any number,
//! [`text`] says it in tables, [`plot`] draws it. [`likeness`] sets whole sets of recordings beside each other, real and
//! simulated ones say. Plain values: nothing here reads or writes a file.

use std::ops::{Range, RangeInclusive};

pub mod labels;
pub mod likeness;
pub mod plot;
pub mod poses;
pub mod text;

/// Stretches of frames of one sort: how many, how long, and where the longest is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretches {
    pub count: u64,
    /// In all of them together.
    pub frames: u64,
    /// By frame number; the first of those that are equally long.
    pub longest: Option<Range<u64>>,
}

impl Stretches {
    fn add(&mut self, stretch: Range<u64>) {
        let frames = stretch.end.saturating_sub(stretch.start);
        if frames == 0 {
            return;
        }
        self.count += 1;
        self.frames += frames;
        if self.longest.as_ref().is_none_or(|longest| frames > longest.end - longest.start) {
            self.longest = Some(stretch);
        }
    }
}

/// Some quantiles of one quantity, each a value that was observed (nearest rank).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    pub count: usize,
    pub p05: f64,
    pub p50: f64,
    pub p95: f64,
}

impl Quantiles {
    /// Of the finite ones among `values`; `None` where there is none.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        if sorted.is_empty() {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        let [p05, p50, p95] = [0.05, 0.5, 0.95].map(|share| at_share(&sorted, share));
        Some(Self { count: sorted.len(), p05, p50, p95 })
    }
}

/// The value below which that share of ascending values lies; they are not empty.
fn at_share(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// Rates (Hz) that are taken for one; bouts of any other have no length in seconds.
const RATES_HZ: RangeInclusive<f64> = 1e-3..=1e6;

/// How long frames last; 0 where the rate is none.
fn frame_secs(frames: u64, rate_hz: f64) -> f64 {
    if RATES_HZ.contains(&rate_hz) { frames as f64 / rate_hz } else { 0.0 }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
