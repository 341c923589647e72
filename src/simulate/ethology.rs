//! How long animals behave in a way, how often, and what follows what: numbers measured on people's annotations.
//!
//! [`Ethology::built_in`] holds those of the `MABe` 2025 challenge; [`Ethology::measure`] derives them from
//! annotations, and [`Ethology::parse`] and [`Ethology::to_toml`] read and write them.
//!
//! Labs differ in what they mean by a word and in how much of it they annotated. Lengths, kinds and transitions are
//! means over labs, each of which weighs as much as its bouts, but never more than [`LAB_WEIGHT_MAX`] of them.

mod measure;
mod text;

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use rand::RngExt;
use rand::rngs::StdRng;

pub use measure::{Annotated, Deed, Interval};

/// Actions of which fewer bouts were seen are left out, and what comes after an action where fewer of it were seen.
pub const SEEN_MIN: u64 = 20;

/// What came after an action less often is left out: one bout among the few of a small lab would make a large share.
pub const PAIR_SEEN_MIN: u64 = 5;

/// A lab weighs no more than one with so many bouts.
pub const LAB_WEIGHT_MAX: u64 = 20;

/// How long after the end of a bout the agent's next one begins at the latest to count as following it.
pub const FOLLOWS_SECS_MAX: f64 = 2.0;

/// How long after the end of a bout the target's next one begins at the latest to count as its answer.
pub const ANSWERS_SECS_MAX: f64 = 1.0;

/// Draws until one within the bounds is no longer waited for.
const DRAWS_MAX: usize = 32;

/// What is known of each action, by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ethology {
    actions: BTreeMap<String, Action>,
}

/// What is known of an action. All figures have three significant digits.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// How many were annotated. What two animals do to each other is annotated, and counted, for each of them.
    pub bouts: u64,
    /// By how many labs.
    pub labs: u64,
    /// Fitted to the bouts' lengths.
    pub length: LogNormal,
    /// The 5 %, 50 % and 95 % quantiles of the lengths themselves, to hold against the fit.
    pub quantiles_secs: [f64; 3],
    /// Bouts per hour of a recording in which somebody looked for it: the median over labs.
    pub bouts_per_hour: f64,
    /// The same per hour of each animal in which somebody looked for it.
    pub bouts_per_animal_hour: f64,
    pub kinds: Kinds,
    /// What the agent does next: the first bout, with whomever, that begins after this one begins, ends after it ends,
    /// and begins no later than [`FOLLOWS_SECS_MAX`] after it ends.
    pub followers: Transitions,
    /// What the target does to the agent: the first bout that begins after this one begins and no later than
    /// [`ANSWERS_SECS_MAX`] after it ends. The same action at the same time is no answer: it makes the bout mutual.
    pub answers: Transitions,
}

/// How an action involves animals: shares of its bouts, which make 1. Whether a bout is mutual can only be told where
/// the opposite direction was looked for; where it never was, all are directed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kinds {
    pub of_self: f64,
    pub directed: f64,
    /// The target does the same to the agent at the same time.
    pub mutual: f64,
}

/// What comes after an action, where it was seen [`SEEN_MIN`] times; else empty, with a share of 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transitions {
    /// Share of the bouts that anything annotated came after, be it too rare to be named here.
    pub share: f64,
    /// Actions with their probabilities where something came, most probable first.
    pub next: Vec<(String, f64)>,
    /// How often each of them was seen.
    pub counts: Vec<u64>,
}

/// A log-normal distribution of lengths of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogNormal {
    pub median_secs: f64,
    /// Standard deviation of the natural logarithm.
    pub spread: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum EthologyError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("{key}: expected {expected}, got {got}")]
    Bound { key: String, expected: String, got: String },
}

impl Ethology {
    /// The numbers that ship with the program.
    ///
    /// # Panics
    /// Never: a test parses them.
    pub fn built_in() -> Self {
        Self::parse(include_str!("ethology.toml")).expect("the built-in ethology parses")
    }

    /// Reads what [`Self::to_toml`] writes.
    ///
    /// # Errors
    /// What is no such TOML, unknown keys, values out of their bounds (named with their key), transitions to an action
    /// that is not there, and probabilities that do not make 1.
    pub fn parse(text: &str) -> Result<Self, EthologyError> {
        text::parse(text)
    }

    /// A table for each action. No comment says where the numbers are from: that is for who measured them to write.
    pub fn to_toml(&self) -> String {
        text::write(self)
    }

    /// Derives the numbers from annotations. Actions of fewer than [`SEEN_MIN`] bouts are left out, and so are
    /// intervals without a frame and those that the recording's list of what was looked for does not name.
    ///
    /// # Errors
    /// Rates and hours out of their bounds, named with their recording (counted from 1).
    pub fn measure(recordings: &[Annotated]) -> Result<Self, EthologyError> {
        measure::measure(recordings)
    }

    /// All actions, by name.
    pub fn actions(&self) -> impl Iterator<Item = (&str, &Action)> {
        self.actions.iter().map(|(name, action)| (name.as_str(), action))
    }

    pub fn action(&self, action: &str) -> Option<&Action> {
        self.actions.get(action)
    }

    /// How long bouts of an action last.
    pub fn bout_length(&self, action: &str) -> Option<LogNormal> {
        self.actions.get(action).map(|action| action.length)
    }

    /// What the agent does after an action, with probabilities that make 1; nothing where it is not known.
    pub fn followers(&self, action: &str) -> &[(String, f64)] {
        self.actions.get(action).map_or(&[], |action| &action.followers.next)
    }

    /// What the target does in answer to an action, with probabilities that make 1; nothing where it is not known.
    pub fn answers(&self, action: &str) -> &[(String, f64)] {
        self.actions.get(action).map_or(&[], |action| &action.answers.next)
    }
}

impl LogNormal {
    /// A length from `secs_min` to `secs_max`. Draws beyond them are drawn again; where a few dozen fail, the last one
    /// is clamped, so that bounds far in a tail give the nearer bound. The longest wins over the shortest where the two
    /// are the wrong way round.
    pub fn sample(&self, rng: &mut StdRng, secs_min: f64, secs_max: f64) -> f64 {
        let mut secs = self.median_secs;
        for _ in 0..DRAWS_MAX {
            secs = self.median_secs * (self.spread * normal(rng)).exp();
            if (secs_min..=secs_max).contains(&secs) {
                break;
            }
        }
        secs.max(secs_min).min(secs_max)
    }
}

/// A draw from the standard normal distribution, by Box and Muller (1958).
fn normal(rng: &mut StdRng) -> f64 {
    // Uniform over (0, 1]: the logarithm of 0 is none.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests;
