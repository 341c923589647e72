//! Who was there lately: a verdict needs somebody to be about.

use std::collections::VecDeque;

use crate::behavior::{Cell, Individual, Subject};
use crate::poses::Keypoint;
use crate::time::DelayTicks;

/// Animals that were last seen longer ago than this are gone.
pub const UNSEEN_TICKS_MAX: u32 = 30;

/// For each of the last ticks, how long every individual had not been seen.
#[derive(Clone, Debug)]
pub struct Presence {
    keypoints: usize,
    /// Newest first; I numbers a tick, saturating.
    unseen_ticks: VecDeque<Vec<u32>>,
    /// Ticks that the longest delay looks back, and the newest.
    kept: usize,
}

impl Presence {
    pub fn new(individuals: usize, keypoints: usize, delays: &[DelayTicks]) -> Self {
        let kept = delays.iter().map(|delay| delay.0 as usize).max().unwrap_or(0) + 1;
        // Before the first tick nobody was seen.
        let unseen_ticks = VecDeque::from([vec![u32::MAX; individuals]]);
        Self { keypoints, unseen_ticks, kept }
    }

    /// Takes in a tick of I × K points.
    pub fn push(&mut self, points: &[Keypoint]) {
        let mut newest = if self.unseen_ticks.len() > self.kept {
            self.unseen_ticks.pop_back().unwrap_or_default()
        } else {
            Vec::with_capacity(points.len() / self.keypoints)
        };
        newest.clear();
        let before = self.unseen_ticks.front();
        for (individual, points) in points.chunks_exact(self.keypoints).enumerate() {
            let unseen = before.and_then(|before| before.get(individual)).copied().unwrap_or(u32::MAX);
            newest.push(if points.iter().any(Keypoint::is_present) { 0 } else { unseen.saturating_add(1) });
        }
        self.unseen_ticks.push_front(newest);
    }

    /// Sets to zero each score about animals none of whom was there at the moment that it is about: D × N scores of the
    /// newest tick.
    pub fn mask(&self, delays: &[DelayTicks], cells: &[Cell], scores: &mut [f32]) {
        for (delay, scores) in delays.iter().zip(scores.chunks_exact_mut(cells.len().max(1))) {
            let Some(unseen) = self.unseen_ticks.get(delay.0 as usize) else { continue };
            let gone = |individual: Individual| unseen[usize::from(individual.0)] > UNSEEN_TICKS_MAX;
            for (cell, score) in cells.iter().zip(scores) {
                let nobody = match cell.subject {
                    Subject::One(one) => gone(one),
                    Subject::Ordered { agent: a, target: b } | Subject::Both { first: a, second: b } => {
                        gone(a) && gone(b)
                    }
                };
                if nobody {
                    *score = 0.0;
                }
            }
        }
    }
}
