//! From what an animal does to how it moves: what an act asks of a body, and by which distances and speeds the act counts
//! as going on.

use std::f32::consts::PI;

use super::act::Act;
use super::arena::Arena;
use super::body::{Body, Goal, Steer, TRUNK_RADIUS, Wiggle, angle_between};
use crate::anatomy::{Part, Place};
use crate::plane::Vec2;

/// An act with everything that was decided about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub act: Act,
    /// Whom it is done to or with.
    pub partner: Option<usize>,
    /// What an approach is for.
    pub then: Option<Act>,
    /// Where to, while walking about.
    pub waypoint: Vec2,
    /// How fast, while walking about; in body lengths per second.
    pub speed: f32,
    /// −1 or 1: to which side it bends, from which side it comes.
    pub side: f32,
    /// Where on the other's trunk it aims, see [`Place::Trunk`].
    pub spot: f32,
    /// Of two that do the same together: the one who stays.
    pub stays: bool,
}

/// An animal and how it moves in general.
#[derive(Clone, Copy, Debug)]
pub struct Mover<'a> {
    pub body: &'a Body,
    /// Multiplies every speed.
    pub pace: f32,
}

/// What `plan` asks of an animal. `other` is the body of its partner.
pub fn goal(plan: &Plan, me: Mover<'_>, other: Option<&Body>, arena: Arena) -> Goal {
    match (plan.act, other) {
        (Act::Explore, _) => {
            Goal { wiggle: Wiggle::Sniff, ..Goal::new(Steer::Nose { to: plan.waypoint, speed: plan.speed * me.pace }) }
        }
        (Act::Run, _) => Goal::new(Steer::Nose { to: plan.waypoint, speed: 4.3 * me.pace }),
        (Act::Rest, _) => Goal { bend: 0.6 * plan.side, stretch: 0.85, ..Goal::new(Steer::Stay) },
        (Act::Rear, _) => Goal { pitch: 1.1, wiggle: Wiggle::Sniff, ..Goal::new(Steer::Stay) },
        (Act::Selfgroom, _) => {
            Goal { bend: 0.5 * plan.side, stretch: 0.86, pitch: 0.35, wiggle: Wiggle::Groom, ..Goal::new(Steer::Stay) }
        }
        (Act::Dig, _) => Goal { stretch: 0.93, wiggle: Wiggle::Dig, ..Goal::new(Steer::Stay) },
        (Act::Freeze, _) => Goal { stretch: 1.03, wiggle: Wiggle::Still, ..Goal::new(Steer::Stay) },
        (_, Some(other)) => towards(plan, me, other, arena),
        (_, None) => Goal::new(Steer::Stay),
    }
}

fn towards(plan: &Plan, Mover { body, pace }: Mover<'_>, other: &Body, arena: Arena) -> Goal {
    let tail_base = other.part(Part::TailBase);
    let nose_to = |to: Vec2, speed: f32| Goal { look: Some(to), ..Goal::new(Steer::Nose { to, speed: speed * pace }) };
    match plan.act {
        Act::Approach => nose_to(other.nearest(body.nose()).0, 2.4),
        Act::Sniff => {
            let to = other.point(Place::Trunk { along: plan.spot, aside: 0.17 * plan.side });
            Goal { wiggle: Wiggle::Sniff, ..nose_to(to, 1.8) }
        }
        Act::Sniffgenital => {
            let to = tail_base - other.direction() * 0.06;
            Goal { wiggle: Wiggle::Sniff, ..nose_to(to, 2.0) }
        }
        Act::Reciprocalsniff => {
            let to = other.nose() - (other.nose() - body.centre).unit().unwrap_or_default() * 0.07;
            Goal { wiggle: Wiggle::Sniff, ..nose_to(to, 1.2) }
        }
        Act::Follow => nose_to(tail_base - other.direction() * 0.2, 2.2),
        Act::Chase => nose_to(tail_base, 4.9),
        Act::Attack => {
            let to = other.point(Place::Trunk { along: plan.spot, aside: 0.1 * plan.side });
            Goal { wiggle: Wiggle::Bite, stretch: 0.95, ..nose_to(to, 4.8) }
        }
        Act::Mount => {
            let centre = other.point(Place::Trunk { along: -0.36, aside: 0.0 });
            let steer = Steer::Pose { centre, heading: other.heading, speed: 2.5 * pace };
            Goal { pitch: 0.45, stretch: 0.95, wiggle: Wiggle::Thrust, ..Goal::new(steer) }
        }
        Act::Huddle if plan.stays => Goal { stretch: 0.85, bend: 0.25 * plan.side, ..Goal::new(Steer::Stay) },
        Act::Huddle => {
            let centre = other.point(Place::Trunk { along: 0.0, aside: 0.3 * plan.side });
            let steer = Steer::Pose { centre, heading: other.heading, speed: 1.0 * pace };
            Goal { stretch: 0.85, ..Goal::new(steer) }
        }
        Act::Tussle => {
            let middle = (body.centre + other.centre) * 0.5;
            let out = (body.centre - middle).angle() + 0.7 * plan.side;
            let centre = middle + Vec2::at_angle(out) * 0.2;
            let heading = out + PI - 0.9 * plan.side;
            let steer = Steer::Pose { centre, heading, speed: 3.5 * pace };
            Goal { stretch: 0.9, bend: -0.5 * plan.side, wiggle: Wiggle::Bite, ..Goal::new(steer) }
        }
        Act::Escape => Goal::new(Steer::Along { heading: way_out(body, other, arena), speed: 4.4 * pace }),
        Act::Avoid => Goal::new(Steer::Along { heading: way_out(body, other, arena), speed: 1.7 * pace }),
        Act::Submit => Goal { stretch: 0.78, bend: 0.9 * plan.side, wiggle: Wiggle::Still, ..Goal::new(Steer::Stay) },
        _ => Goal::new(Steer::Stay),
    }
}

/// The direction that leads away from another, and not into a wall.
fn way_out(body: &Body, other: &Body, arena: Arena) -> f32 {
    const DIRECTIONS: u8 = 16;
    const AHEAD: f32 = 1.2;
    let away = (body.centre - other.centre).unit().unwrap_or_else(|| body.direction());
    let mut best = (f32::NEG_INFINITY, body.heading);
    for index in 0..DIRECTIONS {
        let heading = f32::from(index) * 2.0 * PI / f32::from(DIRECTIONS);
        let direction = Vec2::at_angle(heading);
        let room = arena.clearance(body.centre + direction * AHEAD).clamp(-AHEAD, 0.4);
        let turn = angle_between(body.heading, heading).abs();
        let value = direction.dot(away) + 1.6 * room - 0.15 * turn;
        if value > best.0 {
            best = (value, heading);
        }
    }
    best.1
}

/// How the two stand to each other, as far as it decides whether an act is going on.
#[derive(Clone, Copy, Debug)]
struct Stand {
    /// From the nose to the trunk of the other, and to the base of its tail.
    nose: f32,
    nose_to_tail: f32,
    centres: f32,
    /// Own speed towards the other, and the speeds of both, in body lengths per second.
    closing: f32,
    speed: f32,
    others_speed: f32,
}

impl Stand {
    fn of(body: &Body, other: &Body) -> Self {
        let nose = body.nose();
        let between = other.centre - body.centre;
        Self {
            nose: other.nearest(nose).1,
            nose_to_tail: (other.part(Part::TailBase) - nose).length(),
            centres: between.length(),
            closing: body.velocity.dot(between.unit().unwrap_or_default()),
            speed: body.velocity.length(),
            others_speed: other.velocity.length(),
        }
    }
}

/// Whether an act is really going on, as someone who annotates a video would see it. `before`: it was going on until
/// now; what goes on may deviate a little more.
pub fn goes_on(act: Act, body: &Body, other: Option<&Body>, before: bool) -> bool {
    let slack = if before { 1.3 } else { 1.0 };
    let Some(other) = other else {
        return match act {
            Act::Explore => false,
            Act::Run => body.velocity.length() > 2.0 / slack,
            Act::Rear => body.height() > 0.55 / slack,
            _ => body.velocity.length() < 0.35 * slack,
        };
    };
    let stand = Stand::of(body, other);
    match act {
        Act::Approach => stand.closing > 0.3 / slack && stand.nose > 0.2,
        Act::Sniff => stand.nose < 0.26 * slack && stand.nose_to_tail > 0.16,
        Act::Sniffgenital => stand.nose_to_tail < 0.24 * slack,
        Act::Reciprocalsniff => (other.nose() - body.nose()).length() < 0.3 * slack,
        Act::Follow => stand.nose_to_tail < 1.0 * slack && stand.speed.min(stand.others_speed) > 0.35 / slack,
        Act::Chase => stand.nose_to_tail < 2.2 * slack && stand.speed.min(stand.others_speed) > 1.3 / slack,
        Act::Attack => stand.nose < 0.4 * slack,
        Act::Mount => {
            (other.point(Place::Trunk { along: -0.3, aside: 0.0 }) - body.centre).length() < 0.4 * slack
                && angle_between(body.heading, other.heading).abs() < 1.2 * slack
        }
        Act::Escape => stand.closing < -0.9 / slack || (before && stand.speed > 0.9 && stand.closing < 0.2),
        Act::Avoid => stand.closing < -0.3 / slack,
        Act::Submit => stand.centres < 1.2 * slack && stand.speed < 0.6 * slack,
        Act::Huddle => stand.centres < 0.5 * slack && stand.speed.max(stand.others_speed) < 0.5 * slack,
        Act::Tussle => stand.centres < 0.6 * slack,
        _ => true,
    }
}

/// Pushes two trunks apart, each by its share.
pub fn collide(a: &mut Body, b: &mut Body, give: f32) {
    let reach = 2.0 * TRUNK_RADIUS * 0.9;
    for along_a in super::body::TRUNK {
        for along_b in super::body::TRUNK {
            let place = |along| Place::Trunk { along, aside: 0.0 };
            let (at_a, at_b) = (a.point(place(along_a)), b.point(place(along_b)));
            let (between, wanted) = (at_b - at_a, reach * 0.5 * (a.size + b.size));
            let overlap = wanted - between.length();
            if overlap > 0.0 {
                let direction = between.unit().unwrap_or_else(|| a.direction());
                let push = direction * (0.5 * overlap * give);
                (a.centre, b.centre) = (a.centre - push, b.centre + push);
            }
        }
    }
}
