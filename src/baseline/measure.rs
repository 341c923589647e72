//! Points to quantities, tick by tick.

use std::collections::VecDeque;

use super::posture::{Posture, SPEED_LAG_TICKS, Standing, WAY_LAG_TICKS, body_distance, degrees_between};
use super::quantities::{OWN_COUNT, PAIR_COUNT, Quantity};
use crate::plane::Vec2;
use crate::poses::Keypoint;
use crate::skeleton::{Axis, Skeleton};
use crate::time::TICK_RATE_HZ;

/// Ticks, the newest included, that the quantities of a tick may depend on: the longest stillness, whose first tick has
/// a speed.
pub const REACH_TICKS: usize = STILL_TICKS_MAX + SPEED_LAG_TICKS + 1;

const STILL_TICKS_MAX: usize = 300;

/// Under this speed (bl/s) an animal is still; what is left is the tracker's jitter and breathing.
const STILL_SPEED: f32 = 0.35;

/// The past second, and the half second of head motion.
const MEAN_TICKS: usize = 30;
const HEAD_MEAN_TICKS: usize = 15;

const SPEED_GAIN_LAG_TICKS: usize = 10;

/// An animal's usual length is the mean of lengths this far apart, over as long as [`STILL_TICKS_MAX`].
const LENGTH_STEP_TICKS: usize = 15;
const LENGTHS_MIN: usize = 4;

/// Measures every [`Quantity`] of a cage tick by tick: a value that remembers [`REACH_TICKS`] ticks. Causal: nothing
/// depends on what comes later.
#[derive(Clone, Debug)]
pub struct Measurer {
    axis: Axis,
    keypoints: usize,
    individuals: usize,
    /// Newest first.
    history: VecDeque<Moment>,
    /// By individual; `None` where its speed is unknown.
    still_ticks: Vec<Option<usize>>,
    /// See [`value_index`]; NaN for what is unknown.
    values: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Moment {
    postures: Vec<Posture>,
    /// I × I, agent major; the diagonal stays empty.
    standings: Vec<Standing>,
}

impl Measurer {
    pub fn new(skeleton: &Skeleton, individuals: usize) -> Self {
        Self {
            axis: skeleton.axis(),
            keypoints: skeleton.keypoints().len(),
            individuals,
            history: VecDeque::with_capacity(REACH_TICKS),
            still_ticks: vec![None; individuals],
            values: vec![f32::NAN; individuals * OWN_COUNT + individuals * individuals * PAIR_COUNT],
        }
    }

    pub fn individuals(&self) -> usize {
        self.individuals
    }

    /// Takes the next tick.
    ///
    /// # Shapes
    /// `points`: I × K in body lengths. Points that are not there are missing.
    pub fn advance(&mut self, points: &[Keypoint]) {
        let mut newest =
            if self.history.len() == REACH_TICKS { self.history.pop_back() } else { None }.unwrap_or_else(|| Moment {
                postures: vec![Posture::default(); self.individuals],
                standings: vec![Standing::default(); self.individuals * self.individuals],
            });
        // Of history the newest entry lies one tick back.
        let before = |ticks: usize| self.history.get(ticks - 1);
        let mut animals = points.chunks(self.keypoints);
        for (individual, posture) in newest.postures.iter_mut().enumerate() {
            let points = animals.next().unwrap_or(&[]);
            *posture = Posture::measure(points, self.axis, |ticks| Some(&before(ticks)?.postures[individual]));
        }
        for agent in 0..self.individuals {
            for target in (0..self.individuals).filter(|&target| target != agent) {
                let index = agent * self.individuals + target;
                newest.standings[index] = Standing::measure(
                    &newest.postures[agent],
                    &newest.postures[target],
                    before(WAY_LAG_TICKS).map(|moment| &moment.postures[target]),
                    before(SPEED_LAG_TICKS).map(|moment| &moment.standings[index]),
                );
            }
        }
        self.history.push_front(newest);
        self.fill();
    }

    /// `None` where it cannot be measured, for a quantity of pairs without another animal as the target, and for an
    /// individual that the cage does not have. Quantities of the agent alone ask for no target and ignore one.
    pub fn value(&self, quantity: Quantity, agent: usize, target: Option<usize>) -> Option<f32> {
        let inside = agent < self.individuals && target.is_none_or(|target| target < self.individuals);
        if !inside || (quantity.is_of_pair() && target.is_none()) {
            return None;
        }
        let value = self.values[value_index(self.individuals, quantity, agent, target.unwrap_or(agent))];
        (!value.is_nan()).then_some(value)
    }

    /// All quantities of the newest tick where [`value_index`] says, NaN for what is unknown.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    fn fill(&mut self) {
        for agent in 0..self.individuals {
            let speed = self.speed(0, agent);
            let still = &mut self.still_ticks[agent];
            *still =
                speed.map(|speed| if speed < STILL_SPEED { (still.unwrap_or(0) + 1).min(STILL_TICKS_MAX) } else { 0 });
        }
        for agent in 0..self.individuals {
            for quantity in &Quantity::ALL[..OWN_COUNT] {
                let index = value_index(self.individuals, *quantity, agent, agent);
                self.values[index] = self.of_agent(*quantity, agent).unwrap_or(f32::NAN);
            }
        }
        for agent in 0..self.individuals {
            for target in (0..self.individuals).filter(|&target| target != agent) {
                for quantity in &Quantity::ALL[OWN_COUNT..] {
                    let index = value_index(self.individuals, *quantity, agent, target);
                    self.values[index] = self.of_pair(*quantity, agent, target).unwrap_or(f32::NAN);
                }
            }
        }
    }

    fn of_agent(&self, quantity: Quantity, agent: usize) -> Option<f32> {
        let posture = self.posture(0, agent)?;
        match quantity {
            Quantity::Speed => self.speed(0, agent),
            Quantity::SpeedMean => self.speed_mean(agent),
            Quantity::SpeedGain => Some(self.speed(0, agent)? - self.speed(SPEED_GAIN_LAG_TICKS, agent)?),
            Quantity::TurningSpeed => posture.turning,
            Quantity::TurningSpeedMean => {
                posture.turning?;
                recent_mean(MEAN_TICKS, |age| self.posture(age, agent)?.turning)
            }
            Quantity::Elongation => Some(posture.length? / self.usual_length(agent)?),
            Quantity::Bend => posture.bend(),
            Quantity::Stillness => self.still_ticks[agent].map(|ticks| ticks as f32 / TICK_RATE_HZ as f32),
            Quantity::HeadMotion => {
                posture.head_motion?;
                recent_mean(HEAD_MEAN_TICKS, |age| self.posture(age, agent)?.head_motion)
            }
            _ => None,
        }
    }

    fn of_pair(&self, quantity: Quantity, agent: usize, target: usize) -> Option<f32> {
        let (from, to) = (self.posture(0, agent)?, self.posture(0, target)?);
        let there = self.standing(0, agent, target)?;
        let distance = |from: Option<Vec2>, to: Option<Vec2>| Some((to? - from?).length());
        let mean = |of: fn(&Standing) -> Option<f32>| {
            of(there)?;
            recent_mean(MEAN_TICKS, |age| of(self.standing(age, agent, target)?))
        };
        match quantity {
            Quantity::NoseToNose => distance(from.front, to.front),
            Quantity::NoseToBody => to.distance_from(from.front?),
            Quantity::NoseToTailBase => distance(from.front, to.rear),
            Quantity::TargetNoseToBody => from.distance_from(to.front?),
            Quantity::BodyDistance => body_distance(from, to),
            Quantity::CentreDistance => there.distance,
            Quantity::CentreDistanceMean => mean(|standing| standing.distance),
            Quantity::Facing => Some(degrees_between(from.heading()?, there.bearing?)),
            Quantity::TargetFacing => Some(degrees_between(to.heading()?, there.bearing? * -1.0)),
            Quantity::HeadingDifference => Some(degrees_between(from.heading()?, to.heading()?)),
            Quantity::Approach => there.approach,
            Quantity::ApproachMean => mean(|standing| standing.approach),
            Quantity::TargetApproach => self.standing(0, target, agent)?.approach,
            Quantity::TargetSpeed => self.speed(0, target),
            Quantity::TargetSpeedMean => self.speed_mean(target),
            Quantity::Following => there.following,
            Quantity::FollowingMean => mean(|standing| standing.following),
            Quantity::PairTurning => mean(|standing| standing.turning),
            _ => None,
        }
    }

    fn posture(&self, age: usize, individual: usize) -> Option<&Posture> {
        self.history.get(age)?.postures.get(individual)
    }

    fn standing(&self, age: usize, agent: usize, target: usize) -> Option<&Standing> {
        self.history.get(age)?.standings.get(agent * self.individuals + target)
    }

    fn speed(&self, age: usize, individual: usize) -> Option<f32> {
        self.posture(age, individual)?.velocity.map(Vec2::length)
    }

    fn speed_mean(&self, individual: usize) -> Option<f32> {
        // Who is not seen now is not judged by what it did before; so with every mean.
        self.speed(0, individual)?;
        recent_mean(MEAN_TICKS, |age| self.speed(age, individual))
    }

    fn usual_length(&self, individual: usize) -> Option<f32> {
        let ages = (LENGTH_STEP_TICKS..=STILL_TICKS_MAX).step_by(LENGTH_STEP_TICKS);
        mean(ages.filter_map(|age| self.posture(age, individual)?.length), LENGTHS_MIN).filter(|length| *length > 1e-3)
    }
}

/// Where a quantity stands among the values of a tick: I × `OWN_COUNT`, then I × I × `PAIR_COUNT`, agent major.
pub(super) fn value_index(individuals: usize, quantity: Quantity, agent: usize, target: usize) -> usize {
    let quantity = quantity as usize;
    if quantity < OWN_COUNT {
        return agent * OWN_COUNT + quantity;
    }
    let pair = agent * individuals + target;
    individuals * OWN_COUNT + pair * PAIR_COUNT + quantity - OWN_COUNT
}

/// Over the last `ticks`, where at least half of them have a value.
fn recent_mean(ticks: usize, of: impl Fn(usize) -> Option<f32>) -> Option<f32> {
    mean((0..ticks).filter_map(of), ticks.div_ceil(2))
}

fn mean(values: impl Iterator<Item = f32>, count_min: usize) -> Option<f32> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count >= count_min).then(|| sum / count as f32)
}
