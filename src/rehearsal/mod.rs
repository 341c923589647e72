//! What a plan would have done in recordings that somebody labelled: plain values, and one page about them.
//!
//! Ticks are those of a recording, 30 a second. A trigger is *about* the animals that its rule saw.

pub mod page;
pub mod play;
mod score;

use serde::Serialize;

pub use self::score::{Scored, score};

/// A plan's rehearsal on recordings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rehearsal {
    pub plan: String,
    pub plan_hash: String,
    pub rig: String,
    pub model: String,
    pub model_hash: String,
    pub rules: Vec<RuleSaid>,
    pub recordings: Vec<Recording>,
}

/// A rule in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleSaid {
    pub name: String,
    /// Its conditions, a sentence each.
    pub conditions: Vec<String>,
    /// Label set and behaviors that its triggers are held against; empty where nobody said.
    pub aim: Vec<String>,
    pub stimulus: String,
    pub false_per_hour_max: f64,
    /// The rule of distance alone that it is held against; empty where there is none.
    pub by_distance: String,
}

/// What happened in a recording, rule by rule in the order of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recording {
    pub name: String,
    pub ticks: u64,
    pub rules: Vec<OfRule>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OfRule {
    /// Annotated bouts of what the rule aims at, of animals that it may be about, by onset.
    pub bouts: Vec<Interval>,
    /// Time in which somebody looked for that, of any such animals.
    pub labelled: Vec<Interval>,
    /// Everything that the rule began to hold for, taken or not, by tick.
    pub decisions: Vec<Decision>,
    /// Triggers of a rule of distance alone, with the same refractory periods.
    pub by_distance: Vec<Decision>,
}

/// Ticks [start, stop), about certain animals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interval {
    pub start: u64,
    pub stop: u64,
    /// Such as `rat1 → rat2`.
    pub animals: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    pub tick: u64,
    pub animals: String,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    Stimulus,
    Sham,
    /// The cause as a short word, and in words.
    Refused {
        cause: String,
        why: String,
    },
}

impl Outcome {
    /// A stimulus, or what stands for one.
    pub fn is_trigger(&self) -> bool {
        matches!(self, Self::Stimulus | Self::Sham)
    }
}
