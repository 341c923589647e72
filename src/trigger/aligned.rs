//! What animals did around the triggers of a closed loop: stimulus against sham.
//!
//! A *trial* is a trigger with some time before and after it, cut into bins. For each rule, animal and behavior, and
//! apart for stimuli and shams, [`align`] tells in which share of the trials the animal did the behavior in each bin:
//! for any part of the bin, however short. Mutual and undirected behaviors are done by both animals, directed ones by
//! their agent. The difference stimulus − sham is the effect of the stimulus, as what triggered is the same in both.
//!
//! Bouts of one animal and behavior that touch or overlap, with whomever, are one here. A behavior that the animal did
//! in no trial of a rule has no series: its share is 0 in every bin.
//!
//! Trials that the recording does not cover in whole are left out. Trials in which the same cage was triggered again,
//! by whichever rule, are kept, and counted as overlapping: what the other trigger did is in their bins as well.

mod bouts;
mod clock;
mod csv;
mod draws;
mod figure;
mod measure;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use self::bouts::{Anchor, EVENTS_MAX, Journaled, bouts};
pub use self::csv::write_csv;
pub use self::draws::DRAWS;
pub use self::figure::{PANELS_MAX, figure};
pub use self::measure::align;

use crate::output::event::Animals;

/// Most triggers of a call: one every four seconds for a day.
pub const TRIALS_MAX: usize = 20_000;
pub const BOUTS_MAX: usize = 4_000_000;

/// Most animals of a cage, and most behaviors of all label sets, that are named.
pub const ANIMALS_MAX: usize = 64;
pub const BEHAVIORS_MAX: usize = 1024;

/// Longest time before and after a trigger.
pub const SIDE_SECS_MAX: f64 = 3600.0;

/// Most bins of a trial; none is shorter than a tick.
pub const BINS_MAX: usize = 600;
pub const BIN_SECS_MIN: f64 = 1.0 / crate::time::TICK_RATE_HZ;

/// Most bins of all series.
pub const CELLS_MAX: usize = 1_000_000;

/// Most bouts within trials, each as often as it lies in one.
pub const RUNS_MAX: usize = 8_000_000;

/// Arms of fewer trials have no interval.
pub const INTERVAL_TRIALS_MIN: usize = 3;

/// A trigger whose arm is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stimulated {
    pub trigger: u64,
    pub cage: String,
    pub rule: String,
    pub animals: Animals,
    /// Of the wall clock, in nanoseconds since 1970 (UTC), as all times here. The decision, for both arms: a sham has no
    /// other moment.
    pub moment_nanos: i64,
    pub sham: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bout {
    pub cage: String,
    pub label_set: String,
    pub behavior: String,
    pub animals: Animals,
    pub start_nanos: i64,
    /// It is over at this moment.
    pub stop_nanos: i64,
    /// Nobody saw it end: it was going on at `stop_nanos`.
    pub is_cut: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A whole number of bins each.
    pub before_secs: f64,
    pub after_secs: f64,
    pub bin_secs: f64,
    /// From when to when bouts are known; `i64::MIN..i64::MAX` where nobody says. The longest delay speaks late: it knows
    /// nothing of the last seconds before a detector was killed.
    pub recorded_nanos: Range<i64>,
}

/// What a recording's triggers came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Aligned {
    pub settings: Settings,
    /// Edges of the bins in seconds from the trigger, one more than there are bins.
    pub edges_secs: Vec<f64>,
    /// Those that the series are of.
    pub trials: usize,
    /// Of these: the cage was triggered again within the trial.
    pub overlapping: usize,
    /// Trials that the recording does not cover in whole.
    pub left_out: usize,
    /// By rule, animal, label set and behavior.
    pub series: Vec<Series>,
}

/// One behavior of one animal around the triggers of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub rule: String,
    pub who: Who,
    pub label_set: String,
    pub behavior: String,
    pub stimulus: Arm,
    pub sham: Arm,
    /// Stimulus − sham, bin by bin; empty where an arm has no trial.
    pub difference: Vec<Estimate>,
    pub difference_after: Option<Estimate>,
}

/// Whose behavior it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Whoever was the agent of the trial, and its target. Of two animals without direction neither is: they are named.
    Agent,
    Target,
    /// An animal, in all trials of its cage, whichever part it had.
    Named {
        cage: String,
        animal: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arm {
    pub trials: usize,
    pub overlapping: usize,
    /// Share of the trials by bin; empty without trials.
    pub shares: Vec<Estimate>,
    /// The mean share over the bins from the trigger on.
    pub after: Option<Estimate>,
    /// Of the bouts that were going on at their trigger, among them what triggered.
    pub remaining: Vec<Remaining>,
    /// Bouts that were going on at their trigger and whose end nobody saw.
    pub endless: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    /// Of 95%; see [`DRAWS`]. `None` of fewer than [`INTERVAL_TRIALS_MIN`] trials of an arm.
    pub interval: Option<[f64; 2]>,
}

/// How long a bout went on from its trigger: the latency to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remaining {
    pub trigger: u64,
    pub secs: f64,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AlignError {
    #[error("expected {what} of {expected}, got {got} s")]
    Secs { what: &'static str, expected: String, got: f64 },
    #[error("expected at most {BINS_MAX} bins, got {got}")]
    Bins { got: usize },
    #[error("expected at most {expected} {what}, got {got}")]
    Many { what: &'static str, expected: usize, got: usize },
}

impl Series {
    /// Stimulus, then sham.
    pub fn arms(&self) -> [&Arm; 2] {
        [&self.stimulus, &self.sham]
    }
}

impl Arm {
    /// Of the latencies; `None` without any.
    pub fn remaining_median_secs(&self) -> Option<f64> {
        let mut secs: Vec<f64> = self.remaining.iter().map(|remaining| remaining.secs).collect();
        secs.sort_unstable_by(f64::total_cmp);
        let (lower, upper) = (secs.get(secs.len().checked_sub(1)? / 2)?, secs.get(secs.len() / 2)?);
        Some(f64::midpoint(*lower, *upper))
    }
}
