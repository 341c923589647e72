//! Where every animal of a cage is and looks at one tick, and how each pair stands to each other: the per-tick
//! scalars that the short means are taken over.

use crate::plane::Vec2;
use crate::poses::Keypoint;
use crate::skeleton::{Axis, Skeleton};

/// A heading that cannot be measured is held from at most this many ticks ago.
pub const HEADING_HOLD_TICKS: usize = 10;

/// Body frame and speed of one animal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body {
    /// The centre keypoint; without it the mean of those that are present.
    pub origin: Option<Vec2>,
    /// Unit vector along the body axis, see [`Body::measure`].
    pub heading: Option<Vec2>,
    /// Ticks since the heading was measured rather than held.
    pub heading_age_ticks: usize,
    /// Path of the origin over the last [`SPEED_LAG_TICKS`], in body lengths per tick.
    pub velocity: Option<Vec2>,
}

/// Speeds that enter means are differences over this many ticks: short enough to follow, long enough to be quiet.
pub const SPEED_LAG_TICKS: usize = 5;

impl Body {
    /// The animal's frame at this tick.
    ///
    /// The heading is the direction rear → front; where an end is missing rear → centre, then centre → front. Where
    /// fewer than two of the three are present it is held from `past` (newest first) for up to
    /// [`HEADING_HOLD_TICKS`], and after that it is unknown: an animal of unknown heading has no body frame, so its
    /// features are masked.
    pub fn measure<'a>(points: &[Keypoint], axis: Axis, past: &(impl Iterator<Item = &'a Self> + Clone)) -> Self {
        let [front, centre, rear] = [axis.front, axis.centre, axis.rear].map(|part| Vec2::of(&points[part]));
        let direction = |from: Option<Vec2>, to: Option<Vec2>| (to? - from?).unit();
        let measured = direction(rear, front).or_else(|| direction(rear, centre)).or_else(|| direction(centre, front));
        let origin = centre.or_else(|| mean_of_present(points));
        let (heading, heading_age_ticks) = match measured {
            Some(heading) => (Some(heading), 0),
            None => past
                .clone()
                .take(HEADING_HOLD_TICKS)
                .enumerate()
                .find(|(_, body)| body.heading.is_some() && body.heading_age_ticks == 0)
                .map_or((None, HEADING_HOLD_TICKS), |(age, body)| (body.heading, age + 1)),
        };
        let before = past.clone().nth(SPEED_LAG_TICKS - 1).and_then(|body| body.origin);
        let velocity = origin.zip(before).map(|(now, then)| (now - then) * (1.0 / SPEED_LAG_TICKS as f32));
        Self { origin, heading: origin.and(heading), heading_age_ticks, velocity }
    }
}

fn mean_of_present(points: &[Keypoint]) -> Option<Vec2> {
    let (mut sum, mut count) = (Vec2::default(), 0);
    for point in points.iter().filter_map(Vec2::of) {
        sum = sum + point;
        count += 1;
    }
    (count > 0).then(|| sum * (1.0 / count as f32))
}

/// How a focal animal stands to another one at a tick; `None` where either is not seen well enough.
#[derive(Clone, Copy, Debug)]
pub struct Relation {
    /// From origin to origin, in body lengths.
    pub distance: f32,
    /// Between the closest keypoints of the two.
    pub distance_min: f32,
    /// Unit vector from the focal animal to the other.
    pub bearing: Vec2,
    /// Cosine between the focal animal's heading and the bearing.
    pub facing: f32,
    /// Speed of the focal animal toward the other, in body lengths per tick; 0 where its velocity is unknown.
    pub approach: f32,
}

impl Relation {
    pub fn measure(focal: (&Body, &[Keypoint]), other: (&Body, &[Keypoint])) -> Option<Self> {
        let (from, to) = (focal.0.origin?, other.0.origin?);
        let between = to - from;
        let bearing = between.unit().or(focal.0.heading)?;
        let mut squared_min = f32::INFINITY;
        for a in focal.1.iter().filter_map(Vec2::of) {
            for b in other.1.iter().filter_map(Vec2::of) {
                let between = b - a;
                squared_min = squared_min.min(between.dot(between));
            }
        }
        Some(Self {
            distance: between.length(),
            distance_min: squared_min.sqrt(),
            bearing,
            facing: focal.0.heading?.dot(bearing),
            approach: focal.0.velocity.map_or(0.0, |velocity| velocity.dot(bearing)),
        })
    }
}

/// Everything of one tick that later ticks look back at.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// I bodies.
    pub bodies: Vec<Body>,
    /// I × I relations, focal animal major; the diagonal stays empty.
    pub relations: Vec<Option<Relation>>,
}

impl Geometry {
    pub fn empty(individuals: usize) -> Self {
        Self { bodies: vec![Body::default(); individuals], relations: vec![None; individuals * individuals] }
    }

    /// Measures this tick in place. `past(n)` is the geometry of n + 1 ticks ago.
    pub fn measure<'a, P>(&mut self, points: &[Keypoint], skeleton: &Skeleton, past: &P)
    where
        P: Iterator<Item = &'a Self> + Clone,
    {
        let keypoints = skeleton.keypoints().len();
        let individuals = self.bodies.len();
        let points_of = |individual: usize| &points[individual * keypoints..(individual + 1) * keypoints];
        for individual in 0..individuals {
            let past_bodies = past.clone().map(|geometry| &geometry.bodies[individual]);
            self.bodies[individual] = Body::measure(points_of(individual), skeleton.axis(), &past_bodies);
        }
        for focal in 0..individuals {
            for other in (0..individuals).filter(|&other| other != focal) {
                self.relations[focal * individuals + other] =
                    Relation::measure((&self.bodies[focal], points_of(focal)), (&self.bodies[other], points_of(other)));
            }
        }
    }
}
