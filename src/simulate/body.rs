//! One animal's body: an articulated spine with head and tail, and how fast it may move.
//!
//! Lengths are in nominal body lengths, angles in radians, x to the right and y down, as in an image: an animal that looks
//! along x has its left side at negative y.

use std::f32::consts::{PI, TAU};

use crate::anatomy::{Part, Place};
use crate::plane::Vec2;

/// Fastest turn (radians per second) and how fast a turn can change: a mouse turns round in about half a second.
const TURN_MAX: f32 = 6.0;
const TURN_CHANGE_MAX: f32 = 60.0;

/// How fast the speed can change, in body lengths per second squared (a mouse of 9 cm: 2.7 m/s²).
const ACCELERATION_MAX: f32 = 30.0;

/// Seconds in which a posture comes about; it is eased twice, so that it begins and ends gently.
const POSTURE_SECS: f32 = 0.07;

/// Seconds in which a movement on the spot comes and goes.
const WIGGLE_SECS: f32 = 0.15;

/// How the length changes by itself, and how the bend of the spine does: so many times a second, by so much.
const SLOW_LENGTH: [(f32, f32); 2] = [(0.13, 0.08), (0.41, 0.06)];
const SLOW_BEND: [(f32, f32); 2] = [(0.17, 0.3), (0.37, 0.25)];

/// How far animals differ in the tempo of their movements on the spot, as a share.
const TEMPO_SPREAD: f32 = 0.2;

/// How fast a heading error is turned off, per second: when it goes slowly, and more for each body length per second.
const TURN_GAIN: f32 = 3.5;
const TURN_GAIN_OF_SPEED: f32 = 1.3;

const BEND_MAX: f32 = 1.3;
const YAW_MAX: f32 = 0.9;

/// Segments of the tail and its length.
const TAIL_SEGMENTS: usize = 6;
const TAIL_LENGTH: f32 = 0.85;

/// Where the trunk is pushed and measured: along the spine.
pub const TRUNK: [f32; 3] = [0.3, 0.0, -0.3];

/// Half the width of the trunk.
pub const TRUNK_RADIUS: f32 = 0.15;

/// Where an animal wants to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Steer {
    Stay,
    /// Bring the nose to a point.
    Nose {
        to: Vec2,
        speed: f32,
    },
    /// Run along a direction.
    Along {
        heading: f32,
        speed: f32,
    },
    /// Bring the centre to a point and the body into a direction; sideways steps are allowed.
    Pose {
        centre: Vec2,
        heading: f32,
        speed: f32,
    },
}

/// A movement on the spot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wiggle {
    /// Not even breathing.
    Still,
    Breathe,
    /// Head and forepaws sweep over the flank.
    Groom,
    /// Forepaws scrape, the body rocks to and fro.
    Dig,
    /// The pelvis thrusts.
    Thrust,
    /// The head jerks.
    Bite,
    /// The nose samples the air.
    Sniff,
}

/// What an animal tries to do at this moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    pub steer: Steer,
    /// Where the head turns to.
    pub look: Option<Vec2>,
    /// Bend of the spine from tail base to nose, positive to the right.
    pub bend: f32,
    /// How far the front is lifted: 0 on all fours, 1.2 upright.
    pub pitch: f32,
    /// Length of the trunk as a share of its length at rest.
    pub stretch: f32,
    pub wiggle: Wiggle,
}

impl Goal {
    pub fn new(steer: Steer) -> Self {
        Self { steer, look: None, bend: 0.0, pitch: 0.0, stretch: 1.0, wiggle: Wiggle::Breathe }
    }
}

/// Bend, yaw, pitch and stretch of an animal that does nothing.
const AT_REST: [f32; 4] = [0.0, 0.0, 0.0, 1.0];

/// Position, velocity and posture of one animal.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// Its length as a share of the nominal one.
    pub size: f32,
    pub centre: Vec2,
    pub heading: f32,
    /// Forward speed, in body lengths per second.
    pub speed: f32,
    sideways: f32,
    turning: f32,
    /// Bend, yaw, pitch and stretch: see [`Goal`].
    posture: [f32; 4],
    /// The same, eased once.
    posture_ahead: [f32; 4],
    wiggle: Wiggle,
    /// How much of the wiggle there is, from 0 to 1.
    wiggle_amount: f32,
    /// Phase of the wiggle and of the gait, in turns.
    phase: f32,
    gait: f32,
    /// Phases of the slow changes of its length and of its bend, in turns.
    slow: [f32; 4],
    /// Of its movements on the spot, as a share of the usual one.
    tempo: f32,
    tail: [Vec2; TAIL_SEGMENTS],
    /// Where the centre was before the last step.
    before: Vec2,
    /// Path of the centre over about a tenth of a second, per second: pushes included.
    pub velocity: Vec2,
}

/// The difference of two directions, within ±π.
pub fn angle_between(from: f32, to: f32) -> f32 {
    (to - from + PI).rem_euclid(TAU) - PI
}

fn limit(value: f32, to: f32, step_max: f32) -> f32 {
    value + (to - value).clamp(-step_max, step_max)
}

impl Body {
    /// `chances`, each within [0, 1), decide how it stretches and bends as it goes, and its tempo.
    pub fn new(size: f32, centre: Vec2, heading: f32, chances: [f32; 5]) -> Self {
        let [slow @ .., tempo] = chances;
        let mut body = Self {
            size,
            centre,
            heading,
            speed: 0.0,
            sideways: 0.0,
            turning: 0.0,
            posture: AT_REST,
            posture_ahead: AT_REST,
            wiggle: Wiggle::Breathe,
            wiggle_amount: 0.0,
            phase: 0.0,
            gait: 0.0,
            slow,
            tempo: 1.0 + TEMPO_SPREAD * (2.0 * tempo - 1.0),
            tail: [Vec2::default(); TAIL_SEGMENTS],
            before: centre,
            velocity: Vec2::default(),
        };
        let (base, back) = (body.part(Part::TailBase), Vec2::at_angle(heading + PI));
        for (index, point) in body.tail.iter_mut().enumerate() {
            *point = base + back * (size * TAIL_LENGTH * (index + 1) as f32 / TAIL_SEGMENTS as f32);
        }
        body
    }

    pub fn direction(&self) -> Vec2 {
        Vec2::at_angle(self.heading)
    }

    pub fn nose(&self) -> Vec2 {
        self.part(Part::Nose)
    }

    pub fn part(&self, part: Part) -> Vec2 {
        self.point(part.place())
    }

    /// How far up it stands: whoever is higher covers the other.
    pub fn height(&self) -> f32 {
        let [.., pitch, _] = self.posture;
        pitch + if self.wiggle == Wiggle::Thrust { self.wiggle_amount } else { 0.0 }
    }

    /// Where a place of the body is.
    pub fn point(&self, place: Place) -> Vec2 {
        match place {
            Place::Trunk { along, aside } => {
                let (point, angle) = self.spine(along);
                point + Vec2 { x: angle.sin(), y: -angle.cos() } * (aside * self.size)
            }
            Place::Tail { share } => {
                let at = share.clamp(0.0, 1.0) * TAIL_SEGMENTS as f32;
                let index = (at as usize).min(TAIL_SEGMENTS - 1);
                let from = if index == 0 { self.part(Part::TailBase) } else { self.tail[index - 1] };
                from + (self.tail[index] - from) * (at - index as f32)
            }
        }
    }

    /// The point of the trunk's axis that is nearest to `point`, and how far away it is.
    pub fn nearest(&self, point: Vec2) -> (Vec2, f32) {
        let axis = [0.5, 0.25, 0.0, -0.25, -0.5].map(|along| self.spine(along).0);
        let mut best = (axis[0], f32::INFINITY);
        for ends in axis.windows(2) {
            let (from, along) = (ends[0], ends[1] - ends[0]);
            let share = ((point - from).dot(along) / along.dot(along).max(1e-9)).clamp(0.0, 1.0);
            let nearest = from + along * share;
            let distance = (point - nearest).length();
            if distance < best.1 {
                best = (nearest, distance);
            }
        }
        best
    }

    /// Position and direction of the spine.
    fn spine(&self, along: f32) -> (Vec2, f32) {
        const STEPS: usize = 3;
        let (yaw, rock) = self.wiggled();
        let [bend, _, pitch, stretch] = self.posture;
        let length = self.size * stretch;
        // The rear half keeps its place when the front is lifted.
        let lifted = pitch.cos();
        let step = along / STEPS as f32;
        let mut point = self.centre + self.direction() * (rock * self.size);
        let mut angle = self.heading;
        for index in 0..STEPS {
            let at = step * (index as f32 + 0.5);
            angle = self.heading + bend * at + yaw * ((at - 0.2) / 0.3).clamp(0.0, 1.0);
            let sway =
                if at < 0.0 { 0.25 * at * (TAU * self.gait).sin() * (self.speed / 4.0).clamp(0.0, 1.0) } else { 0.0 };
            let share = if along > 0.0 { lifted } else { 0.5 + 0.5 * lifted };
            point = point + Vec2::at_angle(angle + sway) * (step * length * share);
        }
        (point, angle)
    }

    /// Yaw of the head and shift of the body, the wiggle included.
    fn wiggled(&self) -> (f32, f32) {
        let (wave, [_, yaw, ..]) = (self.wiggle_amount * (TAU * self.phase).sin(), self.posture);
        match self.wiggle {
            Wiggle::Still | Wiggle::Breathe => (yaw, 0.0),
            Wiggle::Groom => (yaw + 0.5 * wave, 0.012 * wave),
            Wiggle::Dig => (yaw + 0.12 * wave, 0.045 * wave),
            Wiggle::Thrust => (yaw, 0.05 * wave),
            Wiggle::Bite => (yaw + 0.35 * wave, 0.03 * wave),
            Wiggle::Sniff => (yaw + 0.08 * wave, 0.0),
        }
    }

    fn wiggle_hz(&self) -> f32 {
        match self.wiggle {
            Wiggle::Still | Wiggle::Breathe => 2.0,
            Wiggle::Groom => 4.0,
            Wiggle::Dig => 3.0,
            Wiggle::Thrust => 2.5,
            Wiggle::Bite => 6.0,
            Wiggle::Sniff => 5.0,
        }
    }

    /// Moves for `secs` towards a goal.
    pub fn advance(&mut self, goal: &Goal, secs: f32) {
        let (forward, sideways, turning) = self.wanted(&goal.steer);
        self.speed = limit(self.speed, forward, ACCELERATION_MAX * secs);
        self.sideways = limit(self.sideways, sideways, ACCELERATION_MAX * secs);
        self.turning = limit(self.turning, turning.clamp(-TURN_MAX, TURN_MAX), TURN_CHANGE_MAX * secs);
        let left = Vec2 { x: self.heading.sin(), y: -self.heading.cos() };
        self.centre = self.centre + (self.direction() * self.speed - left * self.sideways) * secs;
        self.heading = (self.heading + self.turning * secs + PI).rem_euclid(TAU) - PI;

        self.pose(goal, secs);
        self.gait = (self.gait + 0.9 * self.speed.abs() * secs).fract();
    }

    /// Eases the posture and the movement on the spot towards those of a goal.
    fn pose(&mut self, goal: &Goal, secs: f32) {
        let frozen = goal.wiggle == Wiggle::Still;
        let slow = SLOW_LENGTH.into_iter().chain(SLOW_BEND);
        let mut waves = [0.0; 4];
        for ((wave, phase), (hz, amount)) in waves.iter_mut().zip(&mut self.slow).zip(slow) {
            *phase = if frozen { *phase } else { (*phase + hz * secs).fract() };
            *wave = amount * (TAU * *phase).sin();
        }
        let [longer, longer_still, bent, bent_more] = waves;
        // A real animal is long when it runs or reaches out, and never twice as long as before.
        let running = 0.06 * self.speed.clamp(0.0, 3.0);
        let yaw = goal.look.map_or(0.0, |look| {
            let neck = self.spine(0.2).0;
            angle_between(self.heading, (look - neck).angle()).clamp(-YAW_MAX, YAW_MAX)
        });
        let bend = (goal.bend + 0.18 * self.turning + bent + bent_more).clamp(-BEND_MAX, BEND_MAX);
        let wanted = [bend, yaw, goal.pitch, goal.stretch * (0.96 + longer + longer_still + running)];
        let share = (secs / POSTURE_SECS).min(1.0);
        for ((value, ahead), wanted) in self.posture.iter_mut().zip(&mut self.posture_ahead).zip(wanted) {
            *ahead += (wanted - *ahead) * share;
            *value += (*ahead - *value) * share;
        }
        // One movement fades out before another begins.
        let step = secs / WIGGLE_SECS;
        if self.wiggle == goal.wiggle {
            self.wiggle_amount = (self.wiggle_amount + step).min(1.0);
        } else if self.wiggle_amount <= step {
            (self.wiggle, self.wiggle_amount) = (goal.wiggle, 0.0);
        } else {
            self.wiggle_amount -= step;
        }
        let tempo = self.tempo * (1.0 + longer);
        self.phase = (self.phase + tempo * self.wiggle_hz() * secs).fract();
    }

    fn turn_gain(&self) -> f32 {
        TURN_GAIN + TURN_GAIN_OF_SPEED * self.speed.abs()
    }

    /// Forward, sideways (to the right) and turning speed that a steering asks for.
    fn wanted(&self, steer: &Steer) -> (f32, f32, f32) {
        match *steer {
            Steer::Stay => (0.0, 0.0, 0.0),
            Steer::Along { heading, speed } => {
                let turn = angle_between(self.heading, heading);
                (speed * turn.cos().max(0.2), 0.0, self.turn_gain() * turn)
            }
            Steer::Nose { to, speed } => {
                let turn = angle_between(self.heading, (to - self.centre).angle());
                let short = (to - self.nose()).dot(self.direction());
                // What lies behind is reached by turning round, backing off a little.
                let forward = (6.0 * short).clamp(-1.0, speed) * turn.cos().max(0.1);
                (forward, 0.0, self.turn_gain() * turn)
            }
            Steer::Pose { centre, heading, speed } => {
                let off = (centre - self.centre).in_frame(self.direction());
                let (forward, right) = (6.0 * off.x, 6.0 * off.y);
                let share = (speed / forward.hypot(right).max(1e-6)).min(1.0);
                // From afar it walks there as it walks anywhere.
                if off.length() > 0.8 {
                    let turn = off.angle();
                    return (speed * turn.cos().max(0.1), 0.0, self.turn_gain() * turn);
                }
                (forward * share, right * share, 6.0 * angle_between(self.heading, heading))
            }
        }
    }

    /// The tail follows the body like a stiff rope.
    fn drag_tail(&mut self, secs: f32) {
        let length = self.size * TAIL_LENGTH / TAIL_SEGMENTS as f32;
        let (mut previous, rear) = self.spine(-0.5);
        let mut along = Vec2::at_angle(rear + PI);
        for point in &mut self.tail {
            let pulled = (*point - previous).unit().unwrap_or(along);
            let stiff = (4.0 * secs).min(0.5);
            let direction = (pulled * (1.0 - stiff) + along * stiff).unit().unwrap_or(along);
            *point = previous + direction * length;
            previous = *point;
            along = direction;
        }
    }

    /// To be called once a step, after all pushes.
    pub fn settle(&mut self, secs: f32) {
        let now = (self.centre - self.before) * (1.0 / secs);
        // Who is held up loses its speed.
        let forward = now.dot(self.direction());
        if self.speed > 0.0 && forward < self.speed {
            self.speed += (forward.max(0.0) - self.speed) * (secs / 0.05).min(1.0);
        }
        self.drag_tail(secs);
        self.velocity = self.velocity + (now - self.velocity) * (secs / 0.1).min(1.0);
        self.before = self.centre;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: f32 = 1.0 / 120.0;

    fn body() -> Body {
        Body::new(1.0, Vec2 { x: 2.0, y: 2.0 }, 0.0, [0.0, 0.0, 0.0, 0.0, 0.5])
    }

    #[test]
    fn left_is_up_in_the_image_of_an_animal_that_looks_right() {
        let body = body();
        assert!(body.part(Part::EarLeft).y < 2.0 && body.part(Part::EarRight).y > 2.0);
        assert!((body.nose() - Vec2 { x: 2.5, y: 2.0 }).length() < 1e-5);
        assert!((body.part(Part::TailTip) - Vec2 { x: 0.65, y: 2.0 }).length() < 1e-4);
    }

    #[test]
    fn the_nose_reaches_its_goal_within_the_stated_limits() {
        let to = Vec2 { x: 0.5, y: 3.0 };
        let (mut body, goal) = (body(), Goal::new(Steer::Nose { to, speed: 3.0 }));
        for _ in 0..360 {
            let (speed, heading) = (body.speed, body.heading);
            body.advance(&goal, STEP);
            assert!((body.speed - speed).abs() <= ACCELERATION_MAX * STEP + 1e-5);
            assert!(angle_between(heading, body.heading).abs() <= TURN_MAX * STEP + 1e-5);
        }
        assert!((body.nose() - to).length() < 0.05, "{:?}", body.nose());
    }

    #[test]
    fn a_lifted_front_looks_shorter_and_the_tail_keeps_its_length() {
        let mut body = body();
        let goal = Goal { pitch: 1.1, ..Goal::new(Steer::Along { heading: 1.0, speed: 2.0 }) };
        for _ in 0..120 {
            body.advance(&goal, STEP);
            body.settle(STEP);
        }
        let length = (body.nose() - body.part(Part::TailBase)).length();
        assert!((0.4..0.75).contains(&length), "{length}");
        let mut tail = 0.0;
        for step in 0..60_u8 {
            let at = |step: u8| body.point(Place::Tail { share: f32::from(step) / 60.0 });
            tail += (at(step + 1) - at(step)).length();
        }
        assert!((tail - TAIL_LENGTH).abs() < 0.01, "{tail}");
    }
}
