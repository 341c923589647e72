//! A cage with its animals: the world that cameras film. It advances in even steps of its own, so that what happens in it
//! does not depend on any camera.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::act::Act;
use super::arena::Arena;
use super::body::{Body, TRUNK, TRUNK_RADIUS};
use super::motor::{self, Mover};
use super::society::{Mind, Repertoire, Society, Temper};
use crate::anatomy::Place;

/// Steps per second.
pub const STEP_HZ: u32 = 120;
const STEP_SECS: f32 = 1.0 / STEP_HZ as f32;

/// How the animals of a lab are on average, and how far they differ from one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Habitat {
    pub arena: Arena,
    pub individuals: usize,
    pub repertoire: Repertoire,
    pub temper: Temper,
    /// Logarithmic standard deviation of every factor of temper, and of body size a tenth of it.
    pub spread: f32,
}

/// Something that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deed {
    pub act: Act,
    pub agent: usize,
    pub target: Option<usize>,
}

/// The animals of one cage.
#[derive(Debug)]
pub struct Vivarium {
    arena: Arena,
    bodies: Vec<Body>,
    society: Society,
    steps: u64,
}

impl Vivarium {
    /// Animals that are drawn, like all they will do, from `seed`. Who is bold and who is shy has nothing to do with the
    /// order of the animals.
    pub fn new(habitat: &Habitat, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let differ = |spread: f32, random: &mut StdRng| {
            let normal: f32 = (0..12).map(|_| random.random_range(0.0_f32..1.0)).sum::<f32>() - 6.0;
            (spread * normal.clamp(-2.5, 2.5)).exp()
        };
        let (mut bodies, mut minds) = (Vec::new(), Vec::new());
        // Around the middle, far apart, in any order and any direction.
        let turn = random.random_range(0.0_f32..1.0);
        let mut places: Vec<usize> = (0..habitat.individuals).collect();
        for last in (1..places.len()).rev() {
            places.swap(last, random.random_range(0..=last));
        }
        for place in places {
            let Temper { activity, sociability, aggression, timidity, pace } = habitat.temper;
            let spread = habitat.spread;
            let temper = Temper {
                activity: activity * differ(spread, &mut random),
                sociability: sociability * differ(spread, &mut random),
                aggression: aggression * differ(2.0 * spread, &mut random),
                timidity: timidity * differ(spread, &mut random),
                pace: pace * differ(0.4 * spread, &mut random),
            };
            let size = differ(0.1 * spread, &mut random);
            let out = turn + (place as f32 + random.random_range(0.0_f32..0.6)) / habitat.individuals as f32;
            let extent = habitat.arena.extent();
            let radius = 0.3 * extent.x.min(extent.y);
            let at = crate::plane::Vec2::at_angle(out * std::f32::consts::TAU) * radius;
            let centre = habitat.arena.inside(habitat.arena.centre() + at, 0.6);
            let heading = random.random_range(-3.1_f32..3.1);
            let chances = std::array::from_fn(|_| random.random_range(0.0_f32..1.0));
            bodies.push(Body::new(size, centre, heading, chances));
            minds.push(Mind::new(temper, centre));
        }
        let society = Society::new(minds, habitat.repertoire.clone(), random);
        Self { arena: habitat.arena, bodies, society, steps: 0 }
    }

    pub fn bodies(&self) -> &[Body] {
        &self.bodies
    }

    /// Steps since the beginning.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What goes on at this moment, by agent; of a mutual act each of both is once the agent.
    pub fn deeds(&self) -> impl Iterator<Item = Deed> {
        let deed = |(agent, mind): (usize, &Mind)| {
            let Mind { plan, engaged, .. } = mind;
            (*engaged && mind.is_seen()).then_some(Deed { act: plan.act, agent, target: plan.partner })
        };
        self.society.minds.iter().enumerate().filter_map(deed)
    }

    /// Advances by one step.
    pub fn step(&mut self) {
        self.society.think(&self.bodies, self.arena, STEP_SECS);
        let goals: Vec<_> = (0..self.bodies.len())
            .map(|index| {
                let Mind { plan, temper, .. } = &self.society.minds[index];
                let me = Mover { body: &self.bodies[index], pace: temper.pace };
                motor::goal(plan, me, plan.partner.map(|partner| &self.bodies[partner]), self.arena)
            })
            .collect();
        for (body, goal) in self.bodies.iter_mut().zip(&goals) {
            body.advance(goal, STEP_SECS);
        }
        self.push_apart();
        for body in &mut self.bodies {
            keep_inside(body, self.arena);
            body.settle(STEP_SECS);
        }
        self.steps += 1;
    }

    fn push_apart(&mut self) {
        for first in 0..self.bodies.len() {
            for second in first + 1..self.bodies.len() {
                // Who mounts lies on the other; who tussles is entangled with it.
                let close = |me: usize, other: usize| {
                    let plan = &self.society.minds[me].plan;
                    plan.partner == Some(other) && matches!(plan.act, Act::Mount | Act::Tussle)
                };
                let give = if close(first, second) || close(second, first) { 0.02 } else { 0.3 };
                let (before, after) = self.bodies.split_at_mut(second);
                motor::collide(&mut before[first], &mut after[0], give);
            }
        }
    }
}

/// Pushes a trunk back from the walls.
fn keep_inside(body: &mut Body, arena: Arena) {
    for along in TRUNK {
        let point = body.point(Place::Trunk { along, aside: 0.0 });
        let push = arena.inside(point, TRUNK_RADIUS * body.size) - point;
        body.centre = body.centre + push;
    }
    let nose = body.nose();
    body.centre = body.centre + (arena.inside(nose, 0.0) - nose);
}
