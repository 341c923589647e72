//! Made-up animals whose behavior is known.

mod fitting;
mod measuring;
mod verdicts;

use std::f32::consts::TAU;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::behavior::{BehaviorSpec, Bout, Individual, Kind, LabelSet};
use crate::plane::Vec2;

const KEYPOINTS: usize = 4;

fn skeleton() -> Skeleton {
    let names = ["ear", "nose", "back", "tail-base"].map(str::to_owned).to_vec();
    Skeleton::new("mouse-4", names, ("nose", "back", "tail-base"), Vec::new()).unwrap()
}

/// A label set for each entry; behaviors as (name, kind).
fn ethogram(sets: &[&[(&str, Kind)]]) -> Ethogram {
    let spec = |&(name, kind): &(&str, Kind)| BehaviorSpec { name: name.to_owned(), kind };
    let set = |(index, behaviors): (usize, &&[(&str, Kind)])| LabelSet {
        name: format!("lab-{index}"),
        behaviors: behaviors.iter().map(spec).collect(),
    };
    Ethogram::new(sets.iter().enumerate().map(set).collect())
}

/// An animal of one body length.
#[derive(Clone, Copy)]
struct Animal {
    place: Vec2,
    /// Radians.
    heading: f32,
    /// By how much the nose points to the side, body lengths.
    nose_aside: f32,
}

impl Animal {
    fn at(x: f32, y: f32, heading: f32) -> Self {
        Self { place: Vec2 { x, y }, heading, nose_aside: 0.0 }
    }

    /// Half a body from the nose on the way that the heading shows.
    fn with_nose_at(nose: Vec2, heading: f32) -> Self {
        let place = nose - Vec2::at_angle(heading) * 0.5;
        Self::at(place.x, place.y, heading)
    }

    fn tail_base(self) -> Vec2 {
        self.place - Vec2::at_angle(self.heading) * 0.5
    }

    fn points(self) -> [Vec2; KEYPOINTS] {
        let in_arena = |x: f32, y: f32| self.place + Vec2 { x, y }.from_frame(Vec2::at_angle(self.heading));
        [in_arena(0.35, 0.1), in_arena(0.5, self.nose_aside), self.place, in_arena(-0.5, 0.0)]
    }
}

/// T × I × K points, with a tracker's jitter.
struct Played {
    individuals: usize,
    points: Vec<Keypoint>,
}

impl Played {
    fn new<const I: usize>(ticks: usize, animals: impl Fn(f32) -> [Animal; I]) -> Self {
        let mut rng = StdRng::seed_from_u64(7);
        let mut jittered = |point: Vec2| Keypoint {
            x: point.x + rng.random_range(-0.003..0.003),
            y: point.y + rng.random_range(-0.003..0.003),
            confidence: 1.0,
        };
        let of_tick = |tick: usize| animals(tick as f32 / 30.0).into_iter().flat_map(Animal::points);
        Self { individuals: I, points: (0..ticks).flat_map(of_tick).map(&mut jittered).collect() }
    }

    fn then(mut self, other: Self) -> Self {
        assert_eq!(self.individuals, other.individuals);
        self.points.extend(other.points);
        self
    }

    fn map(mut self, of: impl Fn(Vec2) -> Vec2) -> Self {
        for point in &mut self.points {
            if let Some(moved) = Vec2::of(point).map(&of) {
                (point.x, point.y) = (moved.x, moved.y);
            }
        }
        self
    }

    /// With every point missing that `hides` says: (tick, individual, keypoint).
    fn hidden(mut self, mut hides: impl FnMut(usize, usize, usize) -> bool) -> Self {
        let width = self.individuals * KEYPOINTS;
        for (index, point) in self.points.iter_mut().enumerate() {
            if hides(index / width, index % width / KEYPOINTS, index % KEYPOINTS) {
                *point = Keypoint::MISSING;
            }
        }
        self
    }

    /// The slots of two animals exchanged.
    fn exchanged(mut self) -> Self {
        for tick in self.points.chunks_exact_mut(2 * KEYPOINTS) {
            tick.rotate_left(KEYPOINTS);
        }
        self
    }

    fn ticks(&self) -> impl Iterator<Item = &[Keypoint]> {
        self.points.chunks_exact(self.individuals * KEYPOINTS)
    }

    fn track<'a>(&'a self, skeleton: &'a Skeleton) -> Track<'a> {
        Track::new(skeleton, self.individuals, self.ticks()).unwrap()
    }

    fn bouts(&self, rules: &FittedRules) -> Vec<Bout> {
        rules.bouts(&self.track(&skeleton()))
    }
}

/// Animal 0 flees in a wide circle, animal 1 runs after it, a body and a half behind, at 3 bl/s.
fn chase(ticks: usize) -> Played {
    Played::new(ticks, |secs| {
        [0.3, 0.0].map(|ahead: f32| {
            let angle = secs * 0.6 + ahead;
            let place = Vec2::at_angle(angle) * 5.0;
            Animal::at(place.x, place.y, angle + TAU / 4.0)
        })
    })
}

/// Animal 0 stands; animal 1 keeps its nose where `from` says, coming from `heading`, moving a little.
fn sniff(ticks: usize, from: impl Fn(Animal) -> (Vec2, f32)) -> Played {
    let standing = Animal::at(1.0, 1.0, 0.3);
    let (nose, heading) = from(standing);
    Played::new(ticks, |secs| {
        let sway = Vec2::at_angle(secs * 3.0) * 0.03;
        [standing, Animal::with_nose_at(nose + sway, heading)]
    })
}

fn sniff_genital(ticks: usize) -> Played {
    sniff(ticks, |standing| (standing.tail_base() - Vec2::at_angle(standing.heading) * 0.1, standing.heading))
}

fn sniff_face(ticks: usize) -> Played {
    sniff(ticks, |standing| {
        (standing.points()[1] + Vec2::at_angle(standing.heading) * 0.1, standing.heading + TAU / 2.0)
    })
}

/// Two animals far from each other; animal 0 wags its nose this far at 5 Hz.
fn alone(ticks: usize, nose_aside: f32) -> Played {
    Played::new(ticks, |secs| {
        let wagging = Animal { nose_aside: nose_aside * (secs * 5.0 * TAU).sin(), ..Animal::at(0.0, 0.0, 1.0) };
        [wagging, Animal::at(9.0, 0.0, 0.0)]
    })
}

fn directed(behavior: u16, agent: u8, target: u8) -> Cell {
    let subject = Subject::Ordered { agent: Individual(agent), target: Individual(target) };
    Cell { behavior: Behavior(behavior), subject }
}

fn own(behavior: u16, one: u8) -> Cell {
    Cell { behavior: Behavior(behavior), subject: Subject::One(Individual(one)) }
}

fn told_ticks(bouts: &[Bout], cell: Cell) -> u64 {
    bouts.iter().filter(|bout| bout.cell == cell).map(|bout| bout.stop - bout.start).sum()
}
