//! The labels of many recordings: what was annotated, how much of it there is, and what is odd about it.

mod lab;

pub use lab::{Kinds, LabLabels, Oddity, Overlap, PLACES_MAX, Place, Tally};

use std::collections::BTreeMap;
use std::ops::Range;

/// What one lab (label set) says about one recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    pub lab: String,
    pub recording: String,
    /// Frames a second of the bouts; what is no rate (beyond a thousandth to a million) makes every length 0 seconds.
    pub rate_hz: f64,
    /// The frames that were annotated, in any order.
    pub scored: Vec<Range<u64>>,
    pub tracks: Vec<Track>,
    /// What the annotators looked for (a whitelist), found or not; empty where nothing says so.
    pub listed: Vec<Action>,
}

/// One behavior of one animal or pair, and when it happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    pub action: Action,
    /// By frame number, half open, in any order.
    pub bouts: Vec<Range<u64>>,
}

/// A behavior and whom it is about, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    pub behavior: String,
    /// `None` where the labels do not say who acts.
    pub agent: Option<String>,
    /// `None`, or the agent itself, for what an animal does by itself.
    pub target: Option<String>,
}

impl Action {
    pub fn new(behavior: &str, agent: Option<&str>, target: Option<&str>) -> Self {
        let [agent, target] = [agent, target].map(|name| name.map(str::to_string));
        Self { behavior: behavior.to_string(), agent, target }
    }

    /// Whom it is about: `mouse1 → mouse2`, `mouse1`, or `the pair`.
    pub fn actors(&self) -> String {
        match (self.agent.as_deref(), self.target.as_deref()) {
            (Some(agent), Some(target)) if agent != target => format!("{agent} → {target}"),
            (Some(agent), _) => agent.to_string(),
            (None, Some(target)) => format!("? → {target}"),
            (None, None) => "the pair".to_string(),
        }
    }
}

/// What the labels of all recordings hold that were added, lab by lab.
///
/// Recordings may be added in any order: the report is the same, but for which of many examples it names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelReport {
    labs: BTreeMap<String, LabLabels>,
}

impl LabelReport {
    /// Takes in what one lab says about one recording.
    pub fn add(&mut self, labelled: &Labelled) {
        self.labs.entry(labelled.lab.clone()).or_default().add(labelled);
    }

    /// By name.
    pub fn labs(&self) -> impl Iterator<Item = (&str, &LabLabels)> {
        self.labs.iter().map(|(name, lab)| (name.as_str(), lab))
    }
}

#[cfg(test)]
mod tests;
