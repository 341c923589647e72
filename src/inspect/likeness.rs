//! How like life is it? Two or more sets of recordings beside each other, real and simulated ones say: how their animals
//! move, stand to each other and behave.
//!
//! [`Measures`] takes the recordings of one side one after the other and keeps histograms, never samples, so a side may
//! be of any length. [`text`] sets sides beside each other in a table, [`figure`] draws them.
//!
//! ```
//! use vibrissa::inspect::likeness::{Measures, figure, text};
//!
//! let (mut real, mut simulated) = (Measures::new(), Measures::new());
//! // for each recording of a side: real.add(&annotated, corpus.ethogram());
//! # real = simulated.clone();
//! let sides = [("rats", &real), ("simulated", &simulated)];
//! println!("{}", text(&sides));
//! let svg = figure(&sides);
//! # assert!(svg.starts_with("<svg"));
//! ```
//!
//! # Units and rates
//!
//! Lengths are in body lengths of the recording's stream, times in seconds, angles in degrees. Poses are looked at every
//! [`STEP_SECS`], to the nearest whole number of frames, and every difference is over that step, whatever the frame rate:
//! nothing is interpolated or smoothed. At each multiple of 5 Hz the step is exact; at others it is off by half a
//! frame at most, and differences are divided by what it is. Time is the frame number over the stream's rate; capture
//! times are not looked at.
//!
//! # Jitter
//!
//! A tracker's jitter makes animals faster than they are, never slower. Where each coordinate jitters by a standard
//! deviation of σ body lengths, independently from step to step, an animal that does not move at all has a median
//! speed of 1.18 √2 σ / [`STEP_SECS`] (8.3 σ a second) and a median acceleration of 1.18 √6 σ / [`STEP_SECS`]² (72 σ a second
//! squared); the mean square of a moving one's speed is too large by 4 σ² / [`STEP_SECS`]². A body axis of one body length
//! turns by a median of 0.67 · 2 σ / [`STEP_SECS`] radians a second (390 σ degrees). So poses that were filtered,
//! and simulated ones without jitter, look calmer than raw ones of the same animals: compare poses that were made alike.
//! Poses on a grid of whole pixels, or of a network's coarser cells, have speeds of whole cells in a step: peaks with
//! nothing between them.
//!
//! # What is missing
//!
//! A point that was not seen, and a frame that is not there, make no sample, and no difference is taken across them:
//! missing is never zero. Animals that are hidden where they huddle are therefore counted apart more often than they are.

mod bouts;
mod histogram;
mod motion;
mod table;

use std::collections::BTreeMap;

pub use self::bouts::BehaviorMeasures;
pub use self::histogram::{Histogram, Scale};
pub use self::table::text;
pub use super::plot::distributions as figure;
use crate::behavior::Ethogram;
use crate::corpus::Annotated;

/// What poses are looked at every, and differences are taken over.
pub const STEP_SECS: f64 = 0.2;

/// Slower than this, in body lengths a second, is nearly still.
pub const STILL_BODY_LENGTHS_PER_SEC: f64 = 0.1;

/// Where the front of either animal is nearer than this to a point of the other's axis, in body lengths, both are in
/// contact.
pub const CONTACT_BODY_LENGTHS: f64 = 0.5;

/// A behavior follows another where it begins this long after the other's offset, at most.
pub const FOLLOWS_SECS: f64 = 2.0;

/// What a quantity or share is about, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Animal,
    Pair,
    Tracking,
    Behavior,
}

/// A quantity that has a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Of the centre: how far it came in a step.
    Speed,
    /// Of the centre: how much its velocity changed from step to step, in any direction.
    Acceleration,
    /// Of the direction from rear to front, either way. A turn by more than 180° in a step is taken for the rest of it.
    Turning,
    /// By how much the way from rear over centre to front is bent at the centre; 0 is straight.
    Bend,
    /// From front to rear.
    BodyLength,
    /// Between both centres.
    CentreDistance,
    /// From the front of one to the nearest of front, centre and rear of the other, all of which have to be seen; of both
    /// orders.
    FrontDistance,
    /// Between where an animal faces and where the other's centre is, seen from its own centre; 0 is straight ahead. Of
    /// both orders.
    Facing,
    /// How fast an animal's own step takes it towards where the other's centre was; below 0 is away. Of both orders.
    Approach,
    /// How long a keypoint was not seen, each time; frames that are not there are among it.
    GapLength,
    /// Of all behaviors together.
    BoutLength,
}

/// A share of time (or of points), within [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Of the steps of an animal, those slower than [`STILL_BODY_LENGTHS_PER_SEC`].
    Still,
    /// Of the moments of a pair with both axes seen, those with the pair in contact: see [`CONTACT_BODY_LENGTHS`].
    Contact,
    /// Of all points of all frames that are there.
    PointsMissing,
    /// Of all animals of all frames that are there, those without any point.
    AnimalsUnseen,
}

/// What one side's recordings hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    whole: Part,
    /// The recordings by turns.
    halves: [Part; 2],
}

/// What some recordings hold.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    recordings: u64,
    frames: u64,
    secs: f64,
    /// In the order of [`Quantity::ALL`].
    distributions: Vec<Histogram>,
    /// In the order of [`Share::ALL`]: how often, and of how many.
    shares: [(u64, u64); Share::ALL.len()],
    behaviors: BTreeMap<String, BehaviorMeasures>,
    /// How often the second followed the first.
    transitions: BTreeMap<(String, String), u64>,
}

impl Default for Measures {
    fn default() -> Self {
        Self::new()
    }
}

impl Measures {
    /// Of no recording. Takes some 250 kB, and 25 kB for each behavior.
    pub fn new() -> Self {
        Self { whole: Part::new(), halves: [Part::new(), Part::new()] }
    }

    /// Takes one more recording. Of label sets with a behavior of the same name, both count. Frames that do not
    /// follow in order of their numbers, bouts that are empty and cells that `ethogram` does not know are passed over.
    pub fn add(&mut self, annotated: &Annotated, ethogram: &Ethogram) {
        let mut part = Part::new();
        part.recordings = 1;
        part.frames = annotated.recording.frames.len() as u64;
        part.secs = part.frames as f64 / annotated.recording.stream.rate_hz();
        motion::measure(&mut part, &annotated.recording);
        bouts::measure(&mut part, &annotated.labels, annotated.recording.stream.rate_hz(), ethogram);
        self.halves[(self.whole.recordings % 2) as usize].merge(&part);
        self.whole.merge(&part);
    }

    pub fn recordings(&self) -> u64 {
        self.whole.recordings
    }

    pub fn frames(&self) -> u64 {
        self.whole.frames
    }

    /// How long all frames that are there last.
    pub fn secs(&self) -> f64 {
        self.whole.secs
    }

    pub fn distribution(&self, quantity: Quantity) -> &Histogram {
        self.whole.distribution(quantity)
    }

    /// `None` where there was nothing to take a share of.
    pub fn share(&self, share: Share) -> Option<f64> {
        self.whole.share(share)
    }

    /// Behaviors by name that were looked for or seen, in alphabetical order.
    pub fn behaviors(&self) -> impl Iterator<Item = (&str, &BehaviorMeasures)> {
        self.whole.behaviors.iter().map(|(name, behavior)| (name.as_str(), behavior))
    }

    pub fn behavior(&self, name: &str) -> Option<&BehaviorMeasures> {
        self.whole.behaviors.get(name)
    }

    /// Of the bouts of `first`, the share that `second` followed: see [`FOLLOWS_SECS`]. `None` where `first` has no bout.
    pub fn transition(&self, first: &str, second: &str) -> Option<f64> {
        let bouts = self.behavior(first).map_or(0, |behavior| behavior.bouts);
        let follows = self.whole.transitions.get(&(first.to_owned(), second.to_owned())).copied().unwrap_or(0);
        (bouts > 0).then(|| follows as f64 / bouts as f64)
    }

    /// Pairs of behaviors of which the second ever followed the first, and how often, in alphabetical order.
    pub fn transitions(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.whole.transitions.iter().map(|((first, second), count)| (first.as_str(), second.as_str(), *count))
    }

    /// By how much every second recording differs from the others, of this side alone; `None` with fewer than two that
    /// have the quantity. Halves differ by more than wholes would.
    pub fn distance_within(&self, quantity: Quantity) -> Option<f64> {
        let [one, other] = &self.halves;
        one.distribution(quantity).distance(other.distribution(quantity))
    }

    /// As [`Measures::distance_within`], of a share.
    pub fn share_distance_within(&self, share: Share) -> Option<f64> {
        let [one, other] = &self.halves;
        Some((one.share(share)? - other.share(share)?).abs())
    }

    /// As [`Measures::distance_within`], of the bout lengths of a behavior.
    pub fn bout_distance_within(&self, behavior: &str) -> Option<f64> {
        let [one, other] = self.halves.each_ref().map(|half| half.behaviors.get(behavior));
        one?.lengths.distance(&other?.lengths)
    }
}

impl Part {
    fn new() -> Self {
        Self {
            recordings: 0,
            frames: 0,
            secs: 0.0,
            distributions: Quantity::ALL.iter().map(|quantity| Histogram::new(quantity.scale())).collect(),
            shares: [(0, 0); Share::ALL.len()],
            behaviors: BTreeMap::new(),
            transitions: BTreeMap::new(),
        }
    }

    fn distribution(&self, quantity: Quantity) -> &Histogram {
        &self.distributions[quantity as usize]
    }

    fn share(&self, share: Share) -> Option<f64> {
        let (part, whole) = self.shares[share as usize];
        (whole > 0).then(|| part as f64 / whole as f64)
    }

    fn sample(&mut self, quantity: Quantity, value: f64) {
        self.distributions[quantity as usize].add(value);
    }

    fn tally(&mut self, share: Share, is_so: bool) {
        let (part, whole) = &mut self.shares[share as usize];
        *part += u64::from(is_so);
        *whole += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.recordings += other.recordings;
        self.frames += other.frames;
        self.secs += other.secs;
        for (histogram, other) in self.distributions.iter_mut().zip(&other.distributions) {
            histogram.merge(other);
        }
        for (share, other) in self.shares.iter_mut().zip(&other.shares) {
            *share = (share.0 + other.0, share.1 + other.1);
        }
        for (name, other) in &other.behaviors {
            self.behaviors.entry(name.clone()).or_default().merge(other);
        }
        for (names, count) in &other.transitions {
            *self.transitions.entry(names.clone()).or_default() += count;
        }
    }
}

impl Quantity {
    /// Stage by stage.
    pub const ALL: [Self; 11] = [
        Self::Speed,
        Self::Acceleration,
        Self::Turning,
        Self::Bend,
        Self::BodyLength,
        Self::CentreDistance,
        Self::FrontDistance,
        Self::Facing,
        Self::Approach,
        Self::GapLength,
        Self::BoutLength,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Acceleration => "acceleration",
            Self::Turning => "turning of the axis",
            Self::Bend => "bend at the centre",
            Self::BodyLength => "body length",
            Self::CentreDistance => "distance of centres",
            Self::FrontDistance => "front to the other",
            Self::Facing => "angle to the other",
            Self::Approach => "approach",
            Self::GapLength => "gaps of a keypoint",
            Self::BoutLength => "bouts",
        }
    }

    /// `bl` are body lengths.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Speed | Self::Approach => "bl/s",
            Self::Acceleration => "bl/s²",
            Self::Turning => "°/s",
            Self::Bend | Self::Facing => "°",
            Self::BodyLength | Self::CentreDistance | Self::FrontDistance => "bl",
            Self::GapLength | Self::BoutLength => "s",
        }
    }

    pub fn stage(self) -> Stage {
        match self {
            Self::Speed | Self::Acceleration | Self::Turning | Self::Bend | Self::BodyLength => Stage::Animal,
            Self::CentreDistance | Self::FrontDistance | Self::Facing | Self::Approach => Stage::Pair,
            Self::GapLength => Stage::Tracking,
            Self::BoutLength => Stage::Behavior,
        }
    }

    /// Its bins: logarithmic, about 2 % wide, where it is long-tailed.
    pub fn scale(self) -> Scale {
        match self {
            Self::Speed => Scale::log(1e-3, 1e2, 580),
            Self::Acceleration => Scale::log(1e-2, 1e3, 580),
            Self::Turning => Scale::log(0.1, 1e3, 465),
            Self::Bend | Self::Facing => Scale::DEGREES,
            Self::BodyLength => Scale::linear(0.0, 3.0, 600),
            Self::CentreDistance => Scale::linear(0.0, 25.0, 2500),
            Self::FrontDistance => Scale::log(1e-2, 1e2, 465),
            Self::Approach => Scale::linear(-10.0, 10.0, 2000),
            Self::GapLength | Self::BoutLength => Scale::SECS,
        }
    }
}

impl Share {
    /// Stage by stage.
    pub const ALL: [Self; 4] = [Self::Still, Self::Contact, Self::PointsMissing, Self::AnimalsUnseen];

    pub fn name(self) -> &'static str {
        match self {
            Self::Still => "nearly still",
            Self::Contact => "in contact",
            Self::PointsMissing => "points missing",
            Self::AnimalsUnseen => "animals unseen",
        }
    }

    pub fn stage(self) -> Stage {
        match self {
            Self::Still => Stage::Animal,
            Self::Contact => Stage::Pair,
            Self::PointsMissing | Self::AnimalsUnseen => Stage::Tracking,
        }
    }
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Animal, Self::Pair, Self::Tracking, Self::Behavior];

    pub fn name(self) -> &'static str {
        match self {
            Self::Animal => "One animal",
            Self::Pair => "Pairs",
            Self::Tracking => "Tracking",
            Self::Behavior => "Behavior",
        }
    }
}

#[cfg(test)]
mod tests;
