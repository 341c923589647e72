//! The scalars of every animal and ordered pair at one tick whose statistics over long windows a network is given.
//!
//! Single ticks say little where a third of the points are missing; how much two animals turned, pushed and stayed on
//! each other over some seconds says much of what they are doing.

use super::Past;
use super::geometry::{Body, Geometry, HEADING_HOLD_TICKS, SPEED_LAG_TICKS};
use crate::plane::Vec2;

/// Speed, across and along the body, turning, length, neck, bend, speed of the front.
pub(super) const SELF_SIGNALS: usize = 8;

/// Distances of origins, closest keypoints, anchors (mean), the focal front to the other's origin, rear and closest
/// keypoint (6); facing, approach and speed across the bearing (3); alignment along and across (2); relative speed and
/// change of distance (2); whether the bodies cross, the distance of their axes, the extent of both (3).
pub(super) const PAIR_SIGNALS: usize = 16;

/// Ticks before its own that a signal may depend on: a heading of so long ago, held.
pub(super) const SIGNAL_REACH_TICKS: usize = SPEED_LAG_TICKS + HEADING_HOLD_TICKS;

/// Body lengths per tick to the order of 1.
const SPEED_GAIN: f32 = 10.0;

const FRONT_LAG_TICKS: usize = 3;

/// Signals of one animal or pair; what cannot be measured is NaN.
pub(super) type Signals<const N: usize> = [f32; N];

fn known(value: Option<f32>) -> f32 {
    value.unwrap_or(f32::NAN)
}

/// Front, centre and rear of an animal at an age.
fn axis(past: &Past<'_>, age: usize, individual: usize) -> [Option<Vec2>; 3] {
    let axis = past.skeleton.axis();
    [axis.front, axis.centre, axis.rear].map(|part| past.point(age, individual, part))
}

pub(super) fn of_self(past: &Past<'_>, individual: usize) -> Signals<SELF_SIGNALS> {
    let body = &past.history[0].bodies[individual];
    let [front, centre, rear] = axis(past, 0, individual);
    let apart = |a: Option<Vec2>, b: Option<Vec2>| Some((a? - b?).length());
    let in_body = body.velocity.zip(body.heading).map(|(velocity, heading)| velocity.in_frame(heading) * SPEED_GAIN);
    let heading_before = past.history.get(SPEED_LAG_TICKS).and_then(|geometry| geometry.bodies[individual].heading);
    let turned = body.heading.zip(heading_before).map(|(now, before)| before.cross(now).atan2(before.dot(now)).abs());
    let bend = || Some((front? - centre?).unit()?.dot((centre? - rear?).unit()?));
    let front_before = past.point(FRONT_LAG_TICKS, individual, past.skeleton.axis().front);
    [
        known(body.velocity.map(|velocity| velocity.length() * SPEED_GAIN)),
        known(in_body.map(|velocity| velocity.y.abs())),
        known(in_body.map(|velocity| velocity.x)),
        known(turned),
        known(apart(front, rear)),
        known(apart(front, centre)),
        known(bend()),
        known(apart(front, front_before).map(|path| path * SPEED_GAIN / FRONT_LAG_TICKS as f32)),
    ]
}

pub(super) fn of_pair(past: &Past<'_>, focal: usize, other: usize) -> Signals<PAIR_SIGNALS> {
    let now = &past.history[0];
    let (body, partner) = (&now.bodies[focal], &now.bodies[other]);
    let relation = now.relations[focal * now.bodies.len() + other].as_ref();
    let (own, theirs) = (axis(past, 0, focal), axis(past, 0, other));
    let front = own[0];
    let apart = |a: Option<Vec2>, b: Option<Vec2>| Some((a? - b?).length());
    let across = || Some(relation?.bearing.cross(body.velocity?).abs() * SPEED_GAIN);
    let aligned = body.heading.zip(partner.heading);
    let relative_speed = || Some((partner.velocity? - body.velocity?).length() * SPEED_GAIN);
    let nearest = || {
        let points = (0..past.keypoints()).filter_map(|keypoint| past.point(0, other, keypoint));
        points.map(|point| Some((point - front?).length())).reduce(|a, b| Some(a?.min(b?))).flatten()
    };
    let (crossing, axes_apart) = axes(own, theirs).unzip();
    [
        known(relation.map(|relation| relation.distance)),
        known(relation.map(|relation| relation.distance_min)),
        known(mean_apart(own, theirs)),
        known(apart(front, partner.origin)),
        known(apart(front, theirs[2])),
        known(nearest()),
        known(relation.map(|relation| relation.facing)),
        known(relation.map(|relation| relation.approach * SPEED_GAIN)),
        known(across()),
        known(aligned.map(|(a, b)| a.dot(b))),
        known(aligned.map(|(a, b)| a.cross(b).abs())),
        known(relative_speed()),
        known(distance_change(past, (focal, body), (other, partner))),
        known(crossing),
        known(axes_apart),
        known(relation.and_then(|_| extent(own.into_iter().chain(theirs)))),
    ]
}

fn distance_change(past: &Past<'_>, focal: (usize, &Body), other: (usize, &Body)) -> Option<f32> {
    let before: &Geometry = past.history.get(SPEED_LAG_TICKS)?;
    let then = (before.bodies[other.0].origin? - before.bodies[focal.0].origin?).length();
    let now = (other.1.origin? - focal.1.origin?).length();
    Some((now - then) * SPEED_GAIN / SPEED_LAG_TICKS as f32)
}

/// Mean distance between the anchors that are present.
fn mean_apart(own: [Option<Vec2>; 3], theirs: [Option<Vec2>; 3]) -> Option<f32> {
    let (mut sum, mut count) = (0.0, 0);
    for a in own.into_iter().flatten() {
        for b in theirs.into_iter().flatten() {
            sum += (b - a).length();
            count += 1;
        }
    }
    (count > 0).then(|| sum / count as f32)
}

/// The longest distance between any two anchors of both animals.
fn extent(points: impl Iterator<Item = Option<Vec2>> + Clone) -> Option<f32> {
    let present = points.flatten();
    let mut longest: Option<f32> = None;
    for (index, a) in present.clone().enumerate() {
        for b in present.clone().skip(index + 1) {
            let length = (b - a).length();
            longest = Some(longest.map_or(length, |longest| longest.max(length)));
        }
    }
    longest
}

/// Whether the segments front–rear of two animals cross (1 or 0), and how far they are apart.
fn axes(own: [Option<Vec2>; 3], theirs: [Option<Vec2>; 3]) -> Option<(f32, f32)> {
    let (a, b, c, d) = (own[0]?, own[2]?, theirs[0]?, theirs[2]?);
    let sides = |from: Vec2, to: Vec2, p: Vec2, q: Vec2| (to - from).cross(p - from) * (to - from).cross(q - from);
    if sides(a, b, c, d) < 0.0 && sides(c, d, a, b) < 0.0 {
        return Some((1.0, 0.0));
    }
    let to_segment = |point: Vec2, from: Vec2, to: Vec2| {
        let along = to - from;
        let share = ((point - from).dot(along) / along.dot(along).max(1e-9)).clamp(0.0, 1.0);
        (point - from - along * share).length()
    };
    let apart = [to_segment(a, c, d), to_segment(b, c, d), to_segment(c, a, b), to_segment(d, a, b)];
    Some((0.0, apart.into_iter().fold(f32::INFINITY, f32::min)))
}
