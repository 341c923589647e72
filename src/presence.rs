//! Who was there lately: a verdict needs somebody to be about.

use std::collections::VecDeque;

use crate::behavior::{Cell, Individual, Subject};
use crate::poses::Keypoint;
use crate::time::{DelayTicks, WINDOW_TICKS};

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

/// An animal that was not seen for so long has left its cage; when it is seen again, it appears anew.
pub const LEFT_TICKS: u32 = 150;

/// Which animals are in a cage, and for how long: what the network can know about each of them.
#[derive(Clone, Debug)]
pub struct Attendance {
    keypoints: usize,
    animals: Vec<Stay>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Stay {
    here: bool,
    /// Since it appeared, occlusions included: at most [`WINDOW_TICKS`].
    history_ticks: u32,
    unseen_ticks: u32,
}

/// An animal that came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attended {
    Joined(Individual),
    Left(Individual),
}

impl Attendance {
    pub fn new(individuals: usize, keypoints: usize) -> Self {
        Self { keypoints, animals: vec![Stay::default(); individuals] }
    }

    /// Takes in a tick of I × K points and tells who came and who went.
    pub fn push(&mut self, points: &[Keypoint], mut tell: impl FnMut(Attended)) {
        for (slot, (animal, points)) in self.animals.iter_mut().zip(points.chunks_exact(self.keypoints)).enumerate() {
            let individual = Individual(slot as u8);
            let seen = points.iter().any(Keypoint::is_present);
            animal.unseen_ticks = if seen { 0 } else { animal.unseen_ticks.saturating_add(1) };
            if seen && !animal.here {
                *animal = Stay { here: true, history_ticks: 0, unseen_ticks: 0 };
                tell(Attended::Joined(individual));
            } else if animal.here && animal.unseen_ticks >= LEFT_TICKS {
                *animal = Stay::default();
                tell(Attended::Left(individual));
            }
            if animal.here {
                animal.history_ticks = (animal.history_ticks + 1).min(WINDOW_TICKS as u32);
            }
        }
    }

    /// Ticks that the network has seen of whom a verdict is about: of the animal that came last, among those that are
    /// there. Zero where none is.
    pub fn history_ticks(&self, subject: Subject) -> u32 {
        let slots = match subject {
            Subject::One(one) => [one, one],
            Subject::Ordered { agent: a, target: b } | Subject::Both { first: a, second: b } => [a, b],
        };
        let here = slots.iter().filter_map(|slot| self.animals.get(usize::from(slot.0))).filter(|animal| animal.here);
        here.map(|animal| animal.history_ticks).min().unwrap_or(0)
    }

    /// The shortest history of all animals that are there; zero where none is.
    pub fn shortest_ticks(&self) -> u32 {
        let here = self.animals.iter().filter(|animal| animal.here);
        here.map(|animal| animal.history_ticks).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_occlusion_is_no_absence_and_a_return_begins_a_new_history() {
        let seen = Keypoint { x: 1.0, y: 1.0, confidence: 1.0 };
        let mut attendance = Attendance::new(2, 1);
        let mut told = Vec::new();
        let mut push = |attendance: &mut Attendance, first: bool, ticks: u32| {
            for _ in 0..ticks {
                let points = [if first { seen } else { Keypoint::MISSING }, seen];
                attendance.push(&points, |attended| told.push(attended));
            }
        };
        let both = Subject::Both { first: Individual(0), second: Individual(1) };
        push(&mut attendance, false, 10);
        assert_eq!(attendance.history_ticks(both), 10, "an animal that never came does not count");
        push(&mut attendance, true, 20);
        push(&mut attendance, false, LEFT_TICKS - 1);
        assert_eq!(attendance.history_ticks(both), 20 + LEFT_TICKS - 1);
        push(&mut attendance, false, 1);
        push(&mut attendance, true, 3);
        assert_eq!((attendance.history_ticks(both), attendance.shortest_ticks()), (3, 3));
        push(&mut attendance, true, 2 * WINDOW_TICKS as u32);
        assert_eq!(attendance.shortest_ticks(), WINDOW_TICKS as u32);
        let (resident, visitor) = (Individual(1), Individual(0));
        let expected =
            [Attended::Joined(resident), Attended::Joined(visitor), Attended::Left(visitor), Attended::Joined(visitor)];
        assert_eq!(told, expected);
    }
}
