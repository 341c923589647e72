//! What a score is worth as a trigger: how many bouts it finds, how late, and how often it fires for nothing.
//!
//! A [`Trace`] is put through a [`Gate`], the same value that fires in a closed loop. A trigger *told* at tick t is
//! *about* tick t − delay. By the tick that it is about it is
//!
//! - a **hit**, the first one of an annotated bout;
//! - **repeated**, a later one of the same bout: neither found nor false;
//! - **false**, where the behavior was looked for and was not there;
//! - nothing of these where nobody looked.
//!
//! Bouts are the maximal runs of truth within what is labelled: one that goes on over an unlabelled hole is two.

mod curve;
mod poisson;

use std::ops::{AddAssign, Range};

use crate::output::gate::{Gate, TriggerRule};
use crate::time::{DelayTicks, TICK_RATE_HZ};

pub use curve::{Grid, OFF_ODDS_SHARE, Point, choose, curve, frontier};

const SECS_PER_HOUR: f64 = 3600.0;

/// How long before an annotated onset a false trigger counts as early as well: half a second, about as far as two
/// people differ on an onset.
const EARLY_TICKS: usize = 15;

/// One cell of one recording at one decision delay, T ticks.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    /// By the tick at which it was told. They may go on after the last labelled tick, so that a delay can still speak
    /// about that one; where they do not, its bouts are harder to hit. NaN is unknown.
    pub scores: &'a [f32],
    /// By the tick that it is about, as `labelled`: whether the behavior was annotated there.
    pub truth: &'a [bool],
    /// Whether anybody looked.
    pub labelled: &'a [bool],
}

/// Triggers of one behavior by what they were about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TriggerTally {
    /// Annotated bouts.
    pub bouts: u64,
    /// Bouts of which a trigger was about a tick. With a delay it may have been told when the bout was over.
    pub hits: u64,
    /// Hits that were told before the annotated offset: those to which an animal can still be answered.
    pub hits_while_going: u64,
    /// Triggers about bouts that had been hit before.
    pub repeated: u64,
    /// Triggers about labelled ticks outside of bouts.
    pub false_triggers: u64,
    /// Of the false ones, those about the half second before an annotated onset. Many of them say that the score is
    /// earlier than the annotator rather than wrong; their bout is missed unless the score falls and rises again.
    pub early: u64,
    /// All triggers, also those about ticks at which nobody looked.
    pub triggers: u64,
    /// Labelled time outside of bouts, in seconds: the sum over cells, as all times here.
    pub background_secs: f64,
    /// Labelled time, in seconds.
    pub labelled_secs: f64,
    /// Of each hit, ascending: from the annotated onset to the tick at which it was told, in seconds. The delay is part
    /// of it: this is what an animal sees, but for the time that frames and inference take.
    pub onset_latencies_secs: Vec<f64>,
}

impl TriggerTally {
    /// The triggers of a rule over traces of one behavior.
    ///
    /// # Panics
    /// On a trace whose truths are not as many as its labelled flags, and on a rule that is not checked.
    pub fn of(traces: &[Trace], delay: DelayTicks, rule: TriggerRule) -> Self {
        let traces: Vec<Prepared> = traces.iter().map(|trace| Prepared::new(trace, delay)).collect();
        Self::of_prepared(&traces, rule)
    }

    fn of_prepared(traces: &[Prepared], rule: TriggerRule) -> Self {
        let mut tally = Self::default();
        for trace in traces {
            trace.count(rule, &mut tally);
        }
        tally.onset_latencies_secs.sort_unstable_by(f64::total_cmp);
        tally
    }

    /// Hits among the bouts; 0 where there are none.
    pub fn hit_share(&self) -> f64 {
        if self.bouts == 0 { 0.0 } else { self.hits as f64 / self.bouts as f64 }
    }

    /// Hits that were told after the annotated offset.
    pub fn late(&self) -> u64 {
        self.hits - self.hits_while_going
    }

    /// False triggers in an hour of labelled time, bouts included: of one cell, so that a cage with several animals sees
    /// as many times more. 0 where nothing was labelled.
    pub fn false_per_hour(&self) -> f64 {
        if self.labelled_secs > 0.0 { self.false_triggers as f64 / self.labelled_hours() } else { 0.0 }
    }

    /// The rate that [`Self::false_per_hour`] is below with 95% confidence, if false triggers come at random: the exact
    /// one-sided Poisson bound (Garwood, *Fiducial limits for the Poisson distribution*, Biometrika 28, 1936). None
    /// within an hour still allows 3 an hour. Infinite where nothing was labelled.
    pub fn false_per_hour_upper(&self) -> f64 {
        if self.labelled_secs > 0.0 {
            poisson::mean_upper(self.false_triggers) / self.labelled_hours()
        } else {
            f64::INFINITY
        }
    }

    fn labelled_hours(&self) -> f64 {
        self.labelled_secs / SECS_PER_HOUR
    }

    /// A quantile of the onset latencies, in seconds, as the nearest rank: one that was seen. `None` without a hit.
    pub fn latency_secs(&self, quantile: f64) -> Option<f64> {
        let rank = (quantile.clamp(0.0, 1.0) * self.onset_latencies_secs.len() as f64).ceil() as usize;
        self.onset_latencies_secs.get(rank.saturating_sub(1)).copied()
    }

    pub fn median_latency_secs(&self) -> Option<f64> {
        self.latency_secs(0.5)
    }

    /// 95% of the hits were no later.
    pub fn latency_95_secs(&self) -> Option<f64> {
        self.latency_secs(0.95)
    }
}

/// Pools recordings and cells.
impl AddAssign for TriggerTally {
    fn add_assign(&mut self, other: Self) {
        self.bouts += other.bouts;
        self.hits += other.hits;
        self.hits_while_going += other.hits_while_going;
        self.repeated += other.repeated;
        self.false_triggers += other.false_triggers;
        self.early += other.early;
        self.triggers += other.triggers;
        self.background_secs += other.background_secs;
        self.labelled_secs += other.labelled_secs;
        self.onset_latencies_secs.extend(other.onset_latencies_secs);
        self.onset_latencies_secs.sort_unstable_by(f64::total_cmp);
    }
}

/// A trace with what no rule changes.
struct Prepared<'a> {
    /// From the first that is about a tick of the recording: by that tick.
    scores: &'a [f32],
    labelled: &'a [bool],
    lag: usize,
    /// Ascending.
    bouts: Vec<Range<usize>>,
    labelled_ticks: usize,
}

impl<'a> Prepared<'a> {
    fn new(trace: &Trace<'a>, delay: DelayTicks) -> Self {
        let Trace { scores, truth, labelled } = *trace;
        assert_eq!(truth.len(), labelled.len(), "truths and labelled flags of the same ticks");
        let mut bouts: Vec<Range<usize>> = Vec::new();
        for tick in (0..truth.len()).filter(|&tick| truth[tick] && labelled[tick]) {
            match bouts.last_mut() {
                Some(bout) if bout.end == tick => bout.end += 1,
                _ => bouts.push(tick..tick + 1),
            }
        }
        let lag = delay.0 as usize;
        Self {
            scores: scores.get(lag..).unwrap_or_default(),
            labelled,
            lag,
            bouts,
            labelled_ticks: labelled.iter().filter(|labelled| **labelled).count(),
        }
    }

    /// Adds the triggers of a rule; the latencies are not in order afterwards.
    fn count(&self, rule: TriggerRule, tally: &mut TriggerTally) {
        let bout_ticks: usize = self.bouts.iter().map(ExactSizeIterator::len).sum();
        tally.bouts += self.bouts.len() as u64;
        tally.labelled_secs += self.labelled_ticks as f64 / TICK_RATE_HZ;
        tally.background_secs += (self.labelled_ticks - bout_ticks) as f64 / TICK_RATE_HZ;
        let mut gate = Gate::new(rule);
        let mut hit_before = None;
        for (about, &score) in self.scores.iter().enumerate() {
            if !gate.push(Some(score)) {
                continue;
            }
            tally.triggers += 1;
            if !self.labelled.get(about).copied().unwrap_or(false) {
                continue;
            }
            let next = self.bouts.partition_point(|bout| bout.end <= about);
            match self.bouts.get(next) {
                Some(bout) if bout.start <= about && hit_before == Some(next) => tally.repeated += 1,
                Some(bout) if bout.start <= about => {
                    hit_before = Some(next);
                    let told = about + self.lag;
                    tally.hits += 1;
                    tally.hits_while_going += u64::from(told < bout.end);
                    tally.onset_latencies_secs.push((told - bout.start) as f64 / TICK_RATE_HZ);
                }
                bout => {
                    tally.false_triggers += 1;
                    tally.early += u64::from(bout.is_some_and(|bout| bout.start - about <= EARLY_TICKS));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
