//! Poses to the numbers that a network or a boosting system reads: one versioned module with a declared reach.
//!
//! All lengths are in nominal body lengths, all directions in the body frame of the focal animal, and all
//! differences are taken in the arena *before* they are rotated (differences of egocentric positions would erase the
//! animal's own travel). So moving, turning or rescaling the arena with its calibration changes nothing. What cannot
//! be measured is 0 with a validity of 0 beside it.
//!
//! ```text
//! points ─▶ geometry ─▶ kinematics, relations     every tick, with means over up to two seconds
//!               └─────▶ signals ─▶ statistics     where asked for: means, deviations, extremes over up to ten seconds
//! ```

mod geometry;
mod kinematics;

pub mod range;
mod relations;
mod signals;
mod statistics;

use std::collections::VecDeque;

use self::geometry::Geometry;
use crate::buffer::ring::TickRing;
use crate::plane::Vec2;
use crate::poses::Keypoint;
use crate::skeleton::Skeleton;

pub use self::kinematics::{NODE_CHANNELS, SELF_CHANNELS};
pub use self::relations::{ANCHORS, EDGE_CHANNELS, PAIR_CHANNELS};
use self::statistics::Statistics;
pub use self::statistics::{PAIR_STATISTICS, SELF_STATISTICS, STATISTICS_REACH_TICKS};

/// Raised with every change of what a channel means; a model refuses features of another version.
pub const VERSION: u32 = 1;

/// Windows (ticks) of the short means.
pub(crate) const MEAN_WINDOWS_TICKS: [usize; 2] = [15, 60];

/// Ticks, the newest included, that the features of a tick may depend on: the longest mean, each tick of which may
/// hold a heading.
pub const REACH_TICKS: usize = MEAN_WINDOWS_TICKS[1] + geometry::HEADING_HOLD_TICKS;

/// No channel leaves ±`CHANNEL_MAX`: a tracking jump must not drown everything else.
pub(crate) const CHANNEL_MAX: f32 = 4.0;

/// The features of one tick of a cage.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// I × K × [`NODE_CHANNELS`]
    pub nodes: Vec<f32>,
    /// I × K: 1 where the keypoint is present in a known body frame.
    pub node_present: Vec<f32>,
    /// I × [`SELF_CHANNELS`]
    pub selves: Vec<f32>,
    /// I × J × [`PAIR_CHANNELS`], focal animal major, the others in ascending order.
    pub pairs: Vec<f32>,
    /// I × J × [`ANCHORS`] (focal) × [`ANCHORS`] (other) × [`EDGE_CHANNELS`]
    pub edges: Vec<f32>,
    /// I × J × [`ANCHORS`] × [`ANCHORS`]: 1 where both ends are present.
    pub edge_present: Vec<f32>,
    /// I × [`SELF_STATISTICS`]; empty where nobody asked for statistics.
    pub self_statistics: Vec<f32>,
    /// I × J × [`PAIR_STATISTICS`]; empty where nobody asked for statistics.
    pub pair_statistics: Vec<f32>,
}

impl Features {
    fn zeros(individuals: usize, keypoints: usize, has_statistics: bool) -> Self {
        let pairs = individuals * (individuals - 1);
        let summarised = usize::from(has_statistics);
        Self {
            nodes: vec![0.0; individuals * keypoints * NODE_CHANNELS],
            node_present: vec![0.0; individuals * keypoints],
            selves: vec![0.0; individuals * SELF_CHANNELS],
            pairs: vec![0.0; pairs * PAIR_CHANNELS],
            edges: vec![0.0; pairs * ANCHORS * ANCHORS * EDGE_CHANNELS],
            edge_present: vec![0.0; pairs * ANCHORS * ANCHORS],
            self_statistics: vec![0.0; summarised * individuals * SELF_STATISTICS],
            pair_statistics: vec![0.0; summarised * pairs * PAIR_STATISTICS],
        }
    }
}

/// Computes [`Features`] tick by tick: a value that remembers [`REACH_TICKS`] ticks of derived geometry.
#[derive(Clone, Debug)]
pub struct Extractor {
    skeleton: Skeleton,
    individuals: usize,
    /// Newest first.
    history: VecDeque<Geometry>,
    statistics: Option<Statistics>,
    features: Features,
}

impl Extractor {
    /// With statistics of signals over long windows, or without: their reach is [`STATISTICS_REACH_TICKS`].
    pub fn new(skeleton: Skeleton, individuals: usize, has_statistics: bool) -> Self {
        let features = Features::zeros(individuals, skeleton.keypoints().len(), has_statistics);
        let statistics = has_statistics.then(|| Statistics::new(individuals));
        Self { skeleton, individuals, history: VecDeque::with_capacity(REACH_TICKS + 1), statistics, features }
    }

    /// The features of the newest tick of `ring`. To be called once for every tick that enters the ring.
    pub fn advance(&mut self, ring: &TickRing) -> &Features {
        let mut newest = if self.history.len() > REACH_TICKS {
            self.history.pop_back().unwrap_or_else(|| Geometry::empty(self.individuals))
        } else {
            Geometry::empty(self.individuals)
        };
        let Some(points) = ring.age(0) else { return &self.features };
        newest.measure(points, &self.skeleton, &self.history.iter());
        self.history.push_front(newest);
        let past = Past { ring, history: &self.history, skeleton: &self.skeleton };
        kinematics::fill(&past, &mut self.features);
        relations::fill(&past, &mut self.features);
        if let Some(statistics) = &mut self.statistics {
            statistics.advance(&past, &mut self.features);
        }
        &self.features
    }
}

/// What the channels are computed from.
struct Past<'a> {
    ring: &'a TickRing,
    /// Newest first.
    history: &'a VecDeque<Geometry>,
    skeleton: &'a Skeleton,
}

impl Past<'_> {
    fn individuals(&self) -> usize {
        self.history[0].bodies.len()
    }

    fn keypoints(&self) -> usize {
        self.skeleton.keypoints().len()
    }

    /// A point `age` ticks ago, or `None` where it was missing or lies before the beginning.
    fn point(&self, age: usize, individual: usize, keypoint: usize) -> Option<Vec2> {
        Vec2::of(self.keypoint(age, individual, keypoint)?)
    }

    fn keypoint(&self, age: usize, individual: usize, keypoint: usize) -> Option<&Keypoint> {
        Some(&self.ring.age(age)?[individual * self.keypoints() + keypoint])
    }
}

/// Writes channels one after the other, within ±[`CHANNEL_MAX`].
struct Writer<'a> {
    channels: std::slice::IterMut<'a, f32>,
}

impl<'a> Writer<'a> {
    fn new(channels: &'a mut [f32]) -> Self {
        Self { channels: channels.iter_mut() }
    }

    fn put(&mut self, value: f32) {
        if let Some(channel) = self.channels.next() {
            *channel = value.clamp(-CHANNEL_MAX, CHANNEL_MAX);
        }
    }

    /// A vector and its validity: three channels.
    fn put_vector(&mut self, value: Option<Vec2>) {
        let vector = value.unwrap_or_default();
        self.put(vector.x);
        self.put(vector.y);
        self.put(f32::from(value.is_some()));
    }

    /// A number and its validity: two channels.
    fn put_maybe(&mut self, value: Option<f32>) {
        self.put(value.unwrap_or(0.0));
        self.put(f32::from(value.is_some()));
    }

    fn finish(self) {
        debug_assert_eq!(self.channels.len(), 0, "every channel is written once");
    }
}

#[cfg(test)]
mod tests;
