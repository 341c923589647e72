//! One animal, and one ordered pair, at a tick: what later ticks look back at.

use crate::plane::Vec2;
use crate::poses::Keypoint;
use crate::skeleton::Axis;
use crate::time::TICK_RATE_HZ;

/// Speeds are differences over this many ticks.
pub const SPEED_LAG_TICKS: usize = 5;

/// The nose's motion within the body: short enough for the strokes of grooming (4–7 Hz).
pub const HEAD_LAG_TICKS: usize = 2;

/// The target's way that an agent may follow.
pub const WAY_LAG_TICKS: usize = 15;

/// No rodent runs faster (a mouse reaches about 12 bl/s): beyond it the tracker jumped or swapped animals.
const SPEED_MAX: f32 = 20.0;

/// Who went less far has stayed where it was.
const WAY_MIN: f32 = 0.1;

const RATE_HZ: f32 = TICK_RATE_HZ as f32;

/// Where a heading was measured: headings measured between other points are not compared, their difference is the
/// animal's bend and not its turning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    RearFront,
    RearCentre,
    CentreFront,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Posture {
    pub front: Option<Vec2>,
    pub centre: Option<Vec2>,
    pub rear: Option<Vec2>,
    /// The centre, else the middle between front and rear.
    pub place: Option<Vec2>,
    /// Unit vector rear → front, where an end is missing rear → centre, then centre → front.
    heading: Option<(Vec2, Between)>,
    /// The nose as seen from the centre, in the frame of the hind body (rear → centre).
    nose_in_body: Option<Vec2>,
    /// Body lengths per second.
    pub velocity: Option<Vec2>,
    /// Degrees per second, not negative.
    pub turning: Option<f32>,
    /// Body lengths per second.
    pub head_motion: Option<f32>,
    /// Front to rear, body lengths.
    pub length: Option<f32>,
}

impl Posture {
    /// `before(n)` is the animal n ticks ago.
    pub fn measure<'a>(points: &[Keypoint], axis: Axis, before: impl Fn(usize) -> Option<&'a Self>) -> Self {
        let [front, centre, rear] =
            [axis.front, axis.centre, axis.rear].map(|part| points.get(part).and_then(Vec2::of));
        let direction = |from: Option<Vec2>, to: Option<Vec2>, between| Some(((to? - from?).unit()?, between));
        let hind = direction(rear, centre, Between::RearCentre);
        let heading = direction(rear, front, Between::RearFront).or(hind).or_else(|| {
            // Without a rear the fore part is all that is seen.
            direction(centre, front, Between::CentreFront)
        });
        let middle = front.zip(rear).map(|(front, rear)| (front + rear) * 0.5);
        let nose_in_body = hind.and_then(|(hind, _)| Some((front? - centre?).in_frame(hind)));
        let length = front.zip(rear).map(|(front, rear)| (front - rear).length());
        let place = centre.or(middle);
        let mut posture = Self { front, centre, rear, place, heading, nose_in_body, length, ..Self::default() };
        if let Some(then) = before(SPEED_LAG_TICKS) {
            posture.velocity = posture.velocity_since(then);
            posture.turning = posture.turning_since(then);
        }
        posture.head_motion = before(HEAD_LAG_TICKS).and_then(|then| {
            let way = posture.nose_in_body? - then.nose_in_body?;
            Some(way.length() * RATE_HZ / HEAD_LAG_TICKS as f32)
        });
        posture
    }

    pub fn heading(&self) -> Option<Vec2> {
        self.heading.map(|(heading, _)| heading)
    }

    /// Degrees between the fore and the hind part.
    pub fn bend(&self) -> Option<f32> {
        let hind = (self.centre? - self.rear?).unit()?;
        Some(degrees_between(hind, (self.front? - self.centre?).unit()?))
    }

    /// The same points at both ticks, so that one that comes or goes is no motion.
    fn velocity_since(&self, then: &Self) -> Option<Vec2> {
        let way = |now: Option<Vec2>, then: Option<Vec2>| Some(now? - then?);
        let ends = || Some((way(self.front, then.front)? + way(self.rear, then.rear)?) * 0.5);
        let velocity = way(self.centre, then.centre).or_else(ends)? * (RATE_HZ / SPEED_LAG_TICKS as f32);
        (velocity.length() <= SPEED_MAX).then_some(velocity)
    }

    fn turning_since(&self, then: &Self) -> Option<f32> {
        let ((now, between), (before, between_before)) = (self.heading?, then.heading?);
        let turned = degrees_between(now, before) * RATE_HZ / SPEED_LAG_TICKS as f32;
        (between == between_before).then_some(turned)
    }

    /// From a point to the nearest seen point of the line front – centre – rear. Where a part is hidden the body may be
    /// nearer, never farther.
    pub fn distance_from(&self, point: Vec2) -> Option<f32> {
        let alone = self.points().map(|seen| (point - seen).length());
        let between = self.segments().map(|[from, to]| to_segment(point, from, to));
        alone.chain(between).reduce(f32::min)
    }

    /// The parts of the body's line both ends of which are seen; without a centre that between front and rear.
    fn segments(&self) -> impl Iterator<Item = [Vec2; 2]> {
        let part = |from: Option<Vec2>, to: Option<Vec2>| Some([from?, to?]);
        let whole = if self.centre.is_none() { part(self.front, self.rear) } else { None };
        [part(self.front, self.centre), part(self.centre, self.rear), whole].into_iter().flatten()
    }

    fn points(&self) -> impl Iterator<Item = Vec2> {
        [self.front, self.centre, self.rear].into_iter().flatten()
    }
}

/// How an agent stands to a target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    pub distance: Option<f32>,
    /// Unit vector from the agent to the target; `None` where they lie on each other.
    pub bearing: Option<Vec2>,
    /// Body lengths per second.
    pub approach: Option<f32>,
    /// Body lengths per second.
    pub following: Option<f32>,
    /// How fast the line between both turns, degrees per second.
    pub turning: Option<f32>,
}

impl Standing {
    /// `target_before` is the target [`WAY_LAG_TICKS`] ago, `before` this pair [`SPEED_LAG_TICKS`] ago.
    pub fn measure(agent: &Posture, target: &Posture, target_before: Option<&Posture>, before: Option<&Self>) -> Self {
        let between = agent.place.zip(target.place).map(|(from, to)| to - from);
        let bearing = between.and_then(Vec2::unit);
        let turned = |before: &Self| Some(degrees_between(bearing?, before.bearing?));
        let following = || {
            let way = target.place? - target_before?.place?;
            let along = way.unit().filter(|_| way.length() >= WAY_MIN);
            agent.velocity.map(|velocity| along.map_or(0.0, |along| velocity.dot(along)))
        };
        Self {
            distance: between.map(Vec2::length),
            bearing,
            approach: agent.velocity.zip(bearing).map(|(velocity, bearing)| velocity.dot(bearing)),
            following: following(),
            turning: before.and_then(turned).map(|turned| turned * RATE_HZ / SPEED_LAG_TICKS as f32),
        }
    }
}

/// Between the nearest seen points of two bodies: of two lines that do not cross, one of the nearest is an end.
pub fn body_distance(a: &Posture, b: &Posture) -> Option<f32> {
    let nearest =
        |from: &Posture, to: &Posture| from.points().filter_map(|point| to.distance_from(point)).reduce(f32::min);
    let distance = nearest(a, b)?.min(nearest(b, a)?);
    let apart = |[p, q]: [Vec2; 2], [r, s]: [Vec2; 2]| (q - p).cross(r - p) * (q - p).cross(s - p) < 0.0;
    let cross = |one: [Vec2; 2], other: [Vec2; 2]| apart(one, other) && apart(other, one);
    Some(if a.segments().any(|one| b.segments().any(|other| cross(one, other))) { 0.0 } else { distance })
}

pub fn degrees_between(a: Vec2, b: Vec2) -> f32 {
    a.cross(b).abs().atan2(a.dot(b)).to_degrees()
}

fn to_segment(point: Vec2, from: Vec2, to: Vec2) -> f32 {
    let along = to - from;
    let squared = along.dot(along);
    let share = if squared > 0.0 { ((point - from).dot(along) / squared).clamp(0.0, 1.0) } else { 0.0 };
    (point - (from + along * share)).length()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lying(points: [(f32, f32); 3]) -> Posture {
        let points = points.map(|(x, y)| Keypoint { x, y, confidence: 1.0 });
        Posture::measure(&points, Axis { front: 0, centre: 1, rear: 2 }, |_| None)
    }

    #[test]
    fn distances_are_to_the_nearest_point_of_the_line_not_to_the_nearest_keypoint() {
        let body = lying([(1.0, 0.0), (0.0, 0.0), (-1.0, 0.0)]);
        assert_eq!(body.distance_from(Vec2 { x: 0.5, y: 0.3 }), Some(0.3));
        assert_eq!(body.distance_from(Vec2 { x: 4.0, y: 4.0 }), Some(5.0));
        // What is hidden makes it farther, not nearer: who is near is near.
        let hidden = lying([(1.0, 0.0), (0.0, 0.0), (f32::NAN, f32::NAN)]);
        assert_eq!(hidden.distance_from(Vec2 { x: -1.0, y: 0.0 }), Some(1.0));
        let without_centre = lying([(1.0, 0.0), (f32::NAN, f32::NAN), (-1.0, 0.0)]);
        assert_eq!(without_centre.distance_from(Vec2 { x: 0.2, y: 0.1 }), Some(0.1));
        assert_eq!(Posture::default().distance_from(Vec2::default()), None);
    }

    #[test]
    fn crossing_bodies_touch() {
        let along = lying([(1.0, 0.1), (0.0, 0.1), (-1.0, 0.1)]);
        let across = lying([(0.5, 1.0), (0.5, 0.6), (0.5, -1.0)]);
        assert_eq!(body_distance(&along, &across), Some(0.0));
        let beside = lying([(1.0, 0.4), (0.0, 0.4), (-1.0, 0.4)]);
        assert!((body_distance(&along, &beside).unwrap() - 0.3).abs() < 1e-6);
    }

    #[test]
    fn a_centre_that_vanishes_is_no_motion() {
        let bent = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)];
        let seen = lying(bent);
        let mut hidden = bent;
        hidden[1] = (f32::NAN, f32::NAN);
        let now = lying(hidden);
        assert_eq!(now.velocity_since(&seen).map(Vec2::length), Some(0.0));
        hidden[0] = (f32::NAN, f32::NAN);
        assert_eq!(lying(hidden).velocity_since(&seen), None);
    }

    #[test]
    fn a_heading_measured_between_other_points_is_no_turning() {
        let hidden = (f32::NAN, f32::NAN);
        let (whole, tailless) = (lying([(1.0, 1.0), (0.0, 0.0), (-1.0, 0.0)]), lying([(1.0, 1.0), (0.0, 0.0), hidden]));
        assert_eq!(tailless.turning_since(&whole), None);
        assert_eq!(whole.turning_since(&whole), Some(0.0));
        let quarter = lying([(0.0, 1.0), (0.0, 0.0), hidden]);
        assert!(quarter.turning_since(&tailless).is_some_and(|turning| (turning - 270.0).abs() < 0.01));
    }

    #[test]
    fn only_speed_along_the_way_of_the_target_follows() {
        let target = lying([(3.0, 0.0), (2.0, 0.0), (1.0, 0.0)]);
        let target_before = lying([(2.0, 0.0), (1.0, 0.0), (0.0, 0.0)]);
        let mut agent = lying([(0.0, 0.0), (-1.0, 0.0), (-2.0, 0.0)]);
        let mut following = |x: f32, y: f32| {
            agent.velocity = Some(Vec2 { x, y });
            Standing::measure(&agent, &target, Some(&target_before), None).following
        };
        assert_eq!(
            [following(2.0, 0.5), following(0.0, 3.0), following(-1.0, 0.0)],
            [Some(2.0), Some(0.0), Some(-1.0)]
        );
        assert_eq!(Standing::measure(&agent, &target, None, None).following, None);
    }
}
