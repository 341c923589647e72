//! Which stretches of unlabelled recordings a person should look at, so that the next model learns most from them.
//!
//! The network's scores go into a [`Watched`] as they come; [`select`] picks the stretches about which it is in most
//! doubt; [`report`] writes them down for people and as events for BORIS, where a person corrects the predicted bouts.
//! A state event [`report::REVIEWED`] says which time was looked at: only that is scored when the labels come back.
//!
//! # Doubt
//! A score p is first put on a scale on which its threshold θ lies at one half: logit q = logit p − logit θ. The doubt
//! of a tick is 4·q̄·(1 − q̄) with q̄ the mean of all decision delays that speak about it: 1 at the threshold, 0 where
//! nothing is doubtful. It is both textbook kinds of doubt in one, as the mean of q·(1 − q) over the delays
//! (*uncertainty sampling*; for two classes margin, least confidence and entropy rank alike) and the variance of q
//! among them (*query by committee*) add up to q̄·(1 − q̄); see B. Settles, *Active Learning Literature Survey*,
//! University of Wisconsin–Madison, report 1648, 2009. A rule that never fires has no threshold; its scores are taken
//! as they are, so that the likeliest moments of a behavior that was never learned come first.
//!
//! The doubt of a stretch is the mean over its ticks, as `DeepAction` gives clips a confidence from that of frames
//! (Harris et al., *Scientific Reports* 13:2688, 2023); a tick at which nobody was there counts as none. `A-SOiD` draws
//! at random among all frames under a confidence of one half (Tillmann et al., *Nature Methods* 21, 2024); interactive
//! annotation of rats by queries was tried by Lorbach et al. (*Multimedia Tools and Applications* 78, 2019).
//!
//! On the rat dyads' test recordings, the tenth of all stretches in most doubt holds 55% of the wrong frames that are
//! not at an annotated edge (mean over nine behaviors); 51% with the longest delay alone, 45% with that and no
//! thresholds, 37% by the spread of the delays alone, 11% at random.
//!
//! # Fairness
//! Behaviors compete as parties for seats (the highest averages of d'Hondt): a stretch is worth its doubt × the weight
//! of its behavior ÷ (1 + how many stretches that behavior has). The weight runs from 1 for the behavior that is
//! predicted most of the time to 2 for one that never is.

mod doubt;
pub mod report;
mod select;
#[cfg(test)]
mod tests;
mod watched;

use crate::time::TICK_RATE_HZ;

pub use select::{Pick, select};
pub use watched::{Doubts, Heads, Proposal, Tally, WATCHED_BYTES_MAX, Watched};

/// Most stretches of one review.
pub const COUNT_MAX: usize = 10_000;

/// Bounds of a stretch, in seconds.
pub const STRETCH_SECS: std::ops::RangeInclusive<f64> = 0.5..=300.0;

/// What to pick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// How long a stretch is; within [`STRETCH_SECS`].
    pub stretch_secs: f64,
    /// How many stretches, over all sessions; at most [`COUNT_MAX`].
    pub count: usize,
    /// At most this part of them, above 0 to 1, is from one session, but never fewer than an even share.
    pub session_share: f64,
    /// The same for one behavior.
    pub behavior_share: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { stretch_secs: 5.0, count: 40, session_share: 0.25, behavior_share: 0.25 }
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReviewError {
    #[error("{key}: expected {expected}, got {got}")]
    Plan { key: &'static str, expected: String, got: String },
    #[error("expected {expected} {what}, got {got}")]
    Shape { what: &'static str, expected: usize, got: usize },
}

impl Plan {
    /// # Errors
    /// Anything outside the bounds that the fields state.
    pub fn checked(self) -> Result<Self, ReviewError> {
        let fault = |key, expected: String, got: String| Err(ReviewError::Plan { key, expected, got });
        if !STRETCH_SECS.contains(&self.stretch_secs) {
            let expected = format!("{} to {} s", STRETCH_SECS.start(), STRETCH_SECS.end());
            return fault("stretch_secs", expected, self.stretch_secs.to_string());
        }
        if !(1..=COUNT_MAX).contains(&self.count) {
            return fault("count", format!("1 to {COUNT_MAX}"), self.count.to_string());
        }
        for (key, share) in [("session_share", self.session_share), ("behavior_share", self.behavior_share)] {
            if !(share > 0.0 && share <= 1.0) {
                return fault(key, "a share above 0 and at most 1".to_string(), share.to_string());
            }
        }
        Ok(self)
    }

    fn stretch_ticks(&self) -> u64 {
        ((self.stretch_secs * TICK_RATE_HZ).round() as u64).max(1)
    }

    /// How many stretches may come from one of so many sessions or behaviors.
    fn quota(&self, share: f64, groups: usize) -> usize {
        ((self.count as f64 * share).ceil() as usize).max(self.count.div_ceil(groups.max(1)))
    }
}
