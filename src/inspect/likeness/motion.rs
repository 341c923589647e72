//! How animals move, each by itself and with another.

use super::{CONTACT_BODY_LENGTHS, Part, Quantity, STEP_SECS, STILL_BODY_LENGTHS_PER_SEC, Share};
use crate::corpus::Recording;
use crate::plane::Vec2;
use crate::poses::{Frame, Keypoint};
use crate::skeleton::Axis;

/// The body axis of an animal at one moment, in body lengths.
#[derive(Clone, Copy, Debug, Default)]
struct Body {
    front: Option<Vec2>,
    centre: Option<Vec2>,
    rear: Option<Vec2>,
}

/// All animals at one moment, which is that many steps after the first frame.
struct Moment {
    step: u64,
    bodies: Vec<Body>,
}

pub(super) fn measure(part: &mut Part, recording: &Recording) {
    let stream = &recording.stream;
    let step_frames = (stream.rate_hz() * STEP_SECS).round().max(1.0);
    let step_secs = step_frames / stream.rate_hz();
    let (axis, keypoints) = (stream.skeleton().axis(), stream.skeleton().keypoints().len());
    let individuals = stream.individuals().len();
    let scale = (1.0 / stream.body_length_px()) as f32;
    let Some(first) = recording.frames.first().map(|frame| frame.number) else { return };
    let mut gaps = Gaps::new(individuals * keypoints, first, stream.rate_hz());
    // The two moments before, the latest last.
    let mut before: [Option<Moment>; 2] = [None, None];
    let mut last = None;
    for frame in &recording.frames {
        if last.is_some_and(|last| frame.number <= last) {
            continue;
        }
        last = Some(frame.number);
        gaps.take(part, frame, keypoints);
        let frames = frame.number - first;
        if !frames.is_multiple_of(step_frames as u64) {
            continue;
        }
        let bodies = (0..individuals).map(|slot| Body::of(frame, slot * keypoints, axis, scale)).collect();
        let moment = Moment { step: frames / step_frames as u64, bodies };
        at_moment(part, &moment.bodies);
        let [earlier, previous] = before.each_ref().map(Option::as_ref);
        if let Some(previous) = previous.filter(|previous| previous.step + 1 == moment.step) {
            let earlier = earlier.filter(|earlier| earlier.step + 2 == moment.step);
            in_step(
                part,
                earlier.map(|earlier| earlier.bodies.as_slice()),
                &previous.bodies,
                &moment.bodies,
                step_secs,
            );
        }
        let [_, previous] = before;
        before = [previous, Some(moment)];
    }
    gaps.finish(part, last.unwrap_or(first));
}

/// What one look shows.
fn at_moment(part: &mut Part, bodies: &[Body]) {
    for body in bodies {
        if let Some(length) = body.length() {
            part.sample(Quantity::BodyLength, length);
        }
        if let Some(bend) = body.bend_degrees() {
            part.sample(Quantity::Bend, bend);
        }
    }
    for (index, one) in bodies.iter().enumerate() {
        for other in &bodies[index + 1..] {
            if let (Some(a), Some(b)) = (one.centre, other.centre) {
                part.sample(Quantity::CentreDistance, f64::from((b - a).length()));
            }
            let fronts = [one.front_distance(other), other.front_distance(one)];
            for distance in fronts.into_iter().flatten() {
                part.sample(Quantity::FrontDistance, distance);
            }
            // One order alone would count contact more readily than its absence.
            if let [Some(a), Some(b)] = fronts {
                part.tally(Share::Contact, a.min(b) < CONTACT_BODY_LENGTHS);
            }
            for facing in [one.facing_degrees(other), other.facing_degrees(one)].into_iter().flatten() {
                part.sample(Quantity::Facing, facing);
            }
        }
    }
}

/// What changes from one look to the next.
fn in_step(part: &mut Part, earlier: Option<&[Body]>, previous: &[Body], now: &[Body], step_secs: f64) {
    let moved = |from: &[Body], to: &[Body], slot: usize| Some(to[slot].centre? - from[slot].centre?);
    for slot in 0..now.len() {
        let step = moved(previous, now, slot);
        if let Some(step) = step {
            let speed = f64::from(step.length()) / step_secs;
            part.sample(Quantity::Speed, speed);
            part.tally(Share::Still, speed < STILL_BODY_LENGTHS_PER_SEC);
        }
        if let (Some(step), Some(before)) = (step, earlier.and_then(|earlier| moved(earlier, previous, slot))) {
            part.sample(Quantity::Acceleration, f64::from((step - before).length()) / (step_secs * step_secs));
        }
        if let (Some(from), Some(to)) = (previous[slot].heading(), now[slot].heading()) {
            part.sample(Quantity::Turning, angle_degrees(from, to) / step_secs);
        }
        for other in (0..now.len()).filter(|other| *other != slot) {
            let way = previous[slot].centre.zip(previous[other].centre).and_then(|(own, other)| (other - own).unit());
            if let (Some(step), Some(way)) = (step, way) {
                part.sample(Quantity::Approach, f64::from(step.dot(way)) / step_secs);
            }
        }
    }
}

impl Body {
    /// Of the animal whose points begin at `start`; points that the frame lacks are missing.
    fn of(frame: &Frame, start: usize, axis: Axis, scale: f32) -> Self {
        let point = |keypoint: usize| Some(Vec2::of(frame.keypoints.get(start + keypoint)?)? * scale);
        Self { front: point(axis.front), centre: point(axis.centre), rear: point(axis.rear) }
    }

    /// From rear to front.
    fn heading(&self) -> Option<Vec2> {
        (self.front? - self.rear?).unit()
    }

    fn length(&self) -> Option<f64> {
        Some(f64::from((self.front? - self.rear?).length()))
    }

    fn bend_degrees(&self) -> Option<f64> {
        let centre = self.centre?;
        Some(angle_degrees((centre - self.rear?).unit()?, (self.front? - centre).unit()?))
    }

    /// From this one's front to the nearest point of the other's axis, where all of it was seen.
    fn front_distance(&self, other: &Self) -> Option<f64> {
        let front = self.front?;
        let [a, b, c] = [other.front?, other.centre?, other.rear?].map(|point| f64::from((point - front).length()));
        Some(a.min(b).min(c))
    }

    fn facing_degrees(&self, other: &Self) -> Option<f64> {
        Some(angle_degrees(self.heading()?, (other.centre? - self.centre?).unit()?))
    }
}

/// Between two directions, either way.
fn angle_degrees(from: Vec2, to: Vec2) -> f64 {
    f64::from(from.cross(to)).atan2(f64::from(from.dot(to))).abs().to_degrees()
}

/// How long each keypoint was not seen.
struct Gaps {
    /// For each point, one past the last frame with it.
    since: Vec<u64>,
    rate_hz: f64,
}

impl Gaps {
    fn new(points: usize, first: u64, rate_hz: f64) -> Self {
        Self { since: vec![first; points], rate_hz }
    }

    fn take(&mut self, part: &mut Part, frame: &Frame, keypoints: usize) {
        let seen = |point: usize| frame.keypoints.get(point).is_some_and(Keypoint::is_present);
        for (point, since) in self.since.iter_mut().enumerate() {
            part.tally(Share::PointsMissing, !seen(point));
            if seen(point) {
                add_gap(part, frame.number - *since, self.rate_hz);
                *since = frame.number.saturating_add(1);
            }
        }
        for start in (0..self.since.len()).step_by(keypoints) {
            part.tally(Share::AnimalsUnseen, !(start..start + keypoints).any(seen));
        }
    }

    /// The recording's end ends all gaps.
    fn finish(&self, part: &mut Part, last: u64) {
        for since in &self.since {
            add_gap(part, last.saturating_add(1).saturating_sub(*since), self.rate_hz);
        }
    }
}

fn add_gap(part: &mut Part, frames: u64, rate_hz: f64) {
    if frames > 0 {
        part.sample(Quantity::GapLength, frames as f64 / rate_hz);
    }
}
