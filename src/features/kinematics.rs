//! Channels of each keypoint and of each animal by itself.

use super::geometry::{Body, HEADING_HOLD_TICKS};
use super::{Features, MEAN_WINDOWS_TICKS, Past, Writer};
use crate::plane::Vec2;

/// Position (2), velocity, acceleration and jerk (2 each), a validity for each of the four, confidence, time since
/// seen.
pub const NODE_CHANNELS: usize = 14;

/// Travel over three lags (9), turning over two (6), mean speed and seen share over two windows (4), posture (7), age
/// of the heading and presence (2).
pub const SELF_CHANNELS: usize = 28;

const TRAVEL_LAGS_TICKS: [usize; 3] = [5, 15, 30];
const TURN_LAGS_TICKS: [usize; 2] = [5, 15];

/// Time since seen saturates here.
const UNSEEN_TICKS_MAX: usize = 30;

/// Brings body lengths per tick, and the second and third differences, to the order of 1.
const VELOCITY_GAIN: f32 = 10.0;
const ACCELERATION_GAIN: f32 = 20.0;
const JERK_GAIN: f32 = 20.0;

pub(super) fn fill(past: &Past<'_>, features: &mut Features) {
    let keypoints = past.keypoints();
    for individual in 0..past.individuals() {
        let body = &past.history[0].bodies[individual];
        for keypoint in 0..keypoints {
            let node = individual * keypoints + keypoint;
            let channels = &mut features.nodes[node * NODE_CHANNELS..(node + 1) * NODE_CHANNELS];
            let present = fill_node(past, body, individual, keypoint, channels);
            features.node_present[node] = f32::from(present);
        }
        let channels = &mut features.selves[individual * SELF_CHANNELS..(individual + 1) * SELF_CHANNELS];
        fill_self(past, body, individual, channels);
    }
}

/// Whether the keypoint is present in a known body frame.
fn fill_node(past: &Past<'_>, body: &Body, individual: usize, keypoint: usize, channels: &mut [f32]) -> bool {
    let at = |age: usize| past.point(age, individual, keypoint);
    let in_body = |vector: Vec2| body.heading.map(|heading| vector.in_frame(heading));
    let differences = [at(0), at(1), at(2), at(3)];
    let velocity = differences[0].zip(differences[1]).map(|(p0, p1)| p0 - p1);
    let acceleration =
        velocity.zip(differences[1].zip(differences[2])).map(|(velocity, (p1, p2))| velocity - (p1 - p2));
    let jerk = acceleration.zip(differences[1].zip(differences[2]).zip(differences[3])).map(
        |(acceleration, ((p1, p2), p3))| {
            let acceleration_before = (p1 - p2) - (p2 - p3);
            acceleration - acceleration_before
        },
    );
    let position = differences[0].zip(body.origin).and_then(|(point, origin)| in_body(point - origin));
    let unseen_ticks = (0..UNSEEN_TICKS_MAX).find(|&age| at(age).is_some()).unwrap_or(UNSEEN_TICKS_MAX);

    let mut writer = Writer::new(channels);
    writer.put_vector(position);
    writer.put_vector(velocity.and_then(in_body).map(|vector| vector * VELOCITY_GAIN));
    writer.put_vector(acceleration.and_then(in_body).map(|vector| vector * ACCELERATION_GAIN));
    writer.put_vector(jerk.and_then(in_body).map(|vector| vector * JERK_GAIN));
    writer.put(past.keypoint(0, individual, keypoint).map_or(0.0, |point| point.confidence));
    writer.put(unseen_ticks as f32 / UNSEEN_TICKS_MAX as f32);
    writer.finish();
    position.is_some()
}

fn fill_self(past: &Past<'_>, body: &Body, individual: usize, channels: &mut [f32]) {
    let body_at = |age: usize| past.history.get(age).map(|geometry| &geometry.bodies[individual]);
    let mut writer = Writer::new(channels);
    for lag in TRAVEL_LAGS_TICKS {
        let before = body_at(lag).and_then(|then| then.origin);
        let travel = body.origin.zip(before).zip(body.heading);
        // The longer the lag the further the way: the square root keeps all lags at one order.
        let gain = VELOCITY_GAIN / (lag as f32).sqrt();
        writer.put_vector(travel.map(|((now, before), heading)| (now - before).in_frame(heading) * gain));
    }
    for lag in TURN_LAGS_TICKS {
        let before = body_at(lag).and_then(|then| then.heading);
        writer.put_vector(before.zip(body.heading).map(|(before, now)| now.in_frame(before)));
    }
    for window in MEAN_WINDOWS_TICKS {
        let bodies = past.history.iter().take(window).map(|geometry| &geometry.bodies[individual]);
        let seen = bodies.clone().filter(|body| body.origin.is_some()).count();
        let (mut path, mut moving) = (0.0, 0);
        for velocity in bodies.filter_map(|body| body.velocity) {
            path += velocity.length();
            moving += 1;
        }
        writer.put(path / moving.max(1) as f32 * VELOCITY_GAIN);
        writer.put(seen as f32 / window as f32);
    }
    let axis = past.skeleton.axis();
    let [front, centre, rear] = [axis.front, axis.centre, axis.rear].map(|part| past.point(0, individual, part));
    let length = |from: Option<Vec2>, to: Option<Vec2>| Some((to? - from?).length());
    writer.put_maybe(length(rear, front));
    writer.put_maybe(length(centre, front));
    let bend = (|| (front? - centre?).unit().zip((centre? - rear?).unit()))();
    writer.put_vector(bend.map(|(fore, hind)| fore.in_frame(hind)));
    writer.put(body.heading_age_ticks as f32 / HEADING_HOLD_TICKS as f32);
    writer.put(f32::from(body.origin.is_some()));
    writer.finish();
}
