//! Two animals that wander, approach, follow and retreat: enough to see the program at work.

use std::f32::consts::{PI, TAU};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::poses::{Frame, Keypoint};
use crate::skeleton::Skeleton;
use crate::stream::{Origin, StreamDescription, StreamError};

const RATE_HZ: f64 = 30.0;
const BODY_LENGTH_PX: f32 = 80.0;
const ARENA_PX: (f32, f32) = (640.0, 480.0);

/// How far in front of (or behind) the body each keypoint lies, in body lengths.
const KEYPOINTS: [(&str, f32); 5] = [("top", 0.5), ("body", 0.0), ("tail", -0.5), ("tail-m", -0.9), ("tail-e", -1.3)];

/// Sharpest turn in a frame, in radians.
const TURN_MAX: f32 = 0.15;

/// The stream that [`Animals`] make.
pub fn stream() -> Result<StreamDescription, StreamError> {
    let skeleton: Skeleton = serde_json::from_value(serde_json::json!({
        "name": "rat-5",
        "keypoints": KEYPOINTS.map(|(name, _)| name),
        "front": "top", "centre": "body", "rear": "tail",
        "edges": [["top", "body"], ["body", "tail"], ["tail", "tail-m"], ["tail-m", "tail-e"]],
    }))
    .expect("this skeleton is valid");
    let individuals = vec!["rat1".to_owned(), "rat2".to_owned()];
    StreamDescription::new(skeleton, individuals, RATE_HZ, f64::from(BODY_LENGTH_PX), None, Origin::Simulated)
}

/// An endless stream of frames; the same for the same seed.
pub struct Animals {
    random: StdRng,
    pair: [Animal; 2],
    number: u64,
}

#[derive(Clone, Copy)]
struct Animal {
    x: f32,
    y: f32,
    heading: f32,
    speed: f32,
    plan: Plan,
    frames_left: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Plan {
    Rest,
    Wander,
    Approach,
    Follow,
    Retreat,
}

impl Animals {
    pub fn new(seed: u64) -> Self {
        let animal = |x, heading| Animal { x, y: 240.0, heading, speed: 0.0, plan: Plan::Rest, frames_left: 0 };
        Self { random: StdRng::seed_from_u64(seed), pair: [animal(160.0, 0.0), animal(480.0, PI)], number: 0 }
    }

    fn step(&mut self, index: usize) {
        let other = self.pair[1 - index];
        let random = &mut self.random;
        let animal = &mut self.pair[index];
        if animal.frames_left == 0 {
            animal.plan = match random.random_range(0..6) {
                0 => Plan::Rest,
                1 | 2 => Plan::Wander,
                3 => Plan::Approach,
                4 => Plan::Follow,
                _ => Plan::Retreat,
            };
            animal.frames_left = random.random_range(30..120);
        }
        animal.frames_left -= 1;
        let to_other = (other.y - animal.y).atan2(other.x - animal.x);
        let distance = (other.x - animal.x).hypot(other.y - animal.y);
        let (towards, speed) = match animal.plan {
            Plan::Rest => (animal.heading, 0.0),
            Plan::Wander => (animal.heading + random.random_range(-0.4..0.4), 2.5),
            Plan::Approach => (to_other, if distance > BODY_LENGTH_PX { 4.0 } else { 0.3 }),
            Plan::Follow => (to_other, if distance > 0.8 * BODY_LENGTH_PX { other.speed + 1.5 } else { 0.5 }),
            Plan::Retreat => (to_other + PI, 5.0),
        };
        animal.walk(towards, speed, random);
    }
}

impl Animal {
    fn walk(&mut self, towards: f32, speed: f32, random: &mut StdRng) {
        let (width, height) = ARENA_PX;
        let margin = BODY_LENGTH_PX;
        let inside = (margin..width - margin).contains(&self.x) && (margin..height - margin).contains(&self.y);
        let towards = if inside { towards } else { (height / 2.0 - self.y).atan2(width / 2.0 - self.x) };
        let turn = (towards - self.heading + PI).rem_euclid(TAU) - PI;
        self.heading += turn.clamp(-TURN_MAX, TURN_MAX) + random.random_range(-0.02..0.02);
        self.speed += 0.2 * (speed - self.speed);
        self.x = (self.x + self.speed * self.heading.cos()).clamp(1.0, width);
        self.y = (self.y + self.speed * self.heading.sin()).clamp(1.0, height);
    }

    /// The five points, now and then one of the tail unseen.
    fn keypoints(&self, random: &mut StdRng) -> [Keypoint; 5] {
        let wag = 0.2 * (self.x + self.y).sin();
        KEYPOINTS.map(|(_, ahead)| {
            let direction = if ahead < -0.5 { self.heading + wag } else { self.heading };
            let mut jitter = || random.random_range(-0.5..0.5);
            let x = self.x + ahead * BODY_LENGTH_PX * direction.cos() + jitter();
            let y = self.y + ahead * BODY_LENGTH_PX * direction.sin() + jitter();
            let seen = ahead > -0.5 || random.random_bool(0.97);
            if seen { Keypoint::observed(x, y, 0.95, 0.0) } else { Keypoint::MISSING }
        })
    }
}

impl Iterator for Animals {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        for index in 0..self.pair.len() {
            self.step(index);
        }
        let pair = self.pair;
        let keypoints = pair.iter().flat_map(|animal| animal.keypoints(&mut self.random)).collect();
        self.number += 1;
        Some(Frame { number: self.number, capture_nanos: None, keypoints })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn animals_move_smoothly_stay_near_the_arena_and_meet() {
        let (mut meetings, mut last) = (0, None::<[f32; 2]>);
        for frame in Animals::new(1).take(3000) {
            assert_eq!(frame.keypoints.len(), stream().unwrap().point_count());
            let (body, other) = (frame.keypoints[1], frame.keypoints[6]);
            assert!((-1.0..ARENA_PX.0 + 1.0).contains(&body.x) && (-1.0..ARENA_PX.1 + 1.0).contains(&body.y));
            if let Some([x, y]) = last {
                assert!((body.x - x).hypot(body.y - y) < 0.2 * BODY_LENGTH_PX, "a jump at frame {}", frame.number);
            }
            last = Some([body.x, body.y]);
            meetings += u32::from((body.x - other.x).hypot(body.y - other.y) < 1.2 * BODY_LENGTH_PX);
        }
        assert!(meetings > 100, "near each other in only {meetings} of 3000 frames");
        assert!(Animals::new(1).take(50).eq(Animals::new(1).take(50)));
    }
}
