//! Channels of each ordered pair, and of the edges between the anchors of two animals.

use super::geometry::{Geometry, Relation};
use super::{Features, MEAN_WINDOWS_TICKS, Past, Writer};
use crate::plane::Vec2;

/// Keypoints through which animals relate: front, centre and rear of the body axis.
pub const ANCHORS: usize = 3;

/// Distance (3), bearing from the focal animal (2), heading of the other (2), bearing from the other (2), closest
/// keypoints (2), anchor distances (18), approach over three lags (6), velocities in the frame of the bearing (6),
/// means over two windows (18), validity (1).
pub const PAIR_CHANNELS: usize = 60;

/// Relative position (2), distance, proximity, relative velocity with validity (3), approach, confidence.
pub const EDGE_CHANNELS: usize = 9;

const APPROACH_LAGS_TICKS: [usize; 3] = [5, 15, 30];
const EDGE_VELOCITY_LAG_TICKS: usize = 3;
const SPEED_GAIN: f32 = 10.0;

pub(super) fn fill(past: &Past<'_>, features: &mut Features) {
    let individuals = past.individuals();
    let edges = ANCHORS * ANCHORS;
    let mut pair = 0;
    for focal in 0..individuals {
        for other in (0..individuals).filter(|&other| other != focal) {
            fill_pair(past, focal, other, &mut features.pairs[pair * PAIR_CHANNELS..(pair + 1) * PAIR_CHANNELS]);
            for edge in 0..edges {
                let index = pair * edges + edge;
                let channels = &mut features.edges[index * EDGE_CHANNELS..(index + 1) * EDGE_CHANNELS];
                let anchors = (edge / ANCHORS, edge % ANCHORS);
                features.edge_present[index] = f32::from(fill_edge(past, focal, other, anchors, channels));
            }
            pair += 1;
        }
    }
}

fn anchor(past: &Past<'_>, anchor: usize) -> usize {
    let axis = past.skeleton.axis();
    [axis.front, axis.centre, axis.rear][anchor]
}

fn relation(geometry: &Geometry, focal: usize, other: usize) -> Option<&Relation> {
    geometry.relations[focal * geometry.bodies.len() + other].as_ref()
}

fn fill_pair(past: &Past<'_>, focal: usize, other: usize, channels: &mut [f32]) {
    let now = &past.history[0];
    let (body, partner) = (&now.bodies[focal], &now.bodies[other]);
    let (there, back) = (relation(now, focal, other), relation(now, other, focal));
    let mut writer = Writer::new(channels);

    let distance = there.map(|relation| relation.distance);
    writer.put(distance.unwrap_or(0.0));
    writer.put(distance.map_or(0.0, |distance| (-distance).exp()));
    writer.put(distance.map_or(0.0, |distance| (-3.0 * distance).exp()));
    for vector in [
        there.zip(body.heading).map(|(there, heading)| there.bearing.in_frame(heading)),
        partner.heading.zip(body.heading).map(|(theirs, heading)| theirs.in_frame(heading)),
        back.zip(partner.heading).map(|(back, heading)| back.bearing.in_frame(heading)),
    ] {
        let vector = vector.unwrap_or_default();
        writer.put(vector.x);
        writer.put(vector.y);
    }
    let closest = there.map(|relation| relation.distance_min);
    writer.put(closest.unwrap_or(0.0));
    writer.put(closest.map_or(0.0, |distance| (-3.0 * distance).exp()));
    for edge in 0..ANCHORS * ANCHORS {
        let from = past.point(0, focal, anchor(past, edge / ANCHORS));
        let to = past.point(0, other, anchor(past, edge % ANCHORS));
        writer.put_maybe(from.zip(to).map(|(from, to)| (to - from).length()));
    }
    fill_approach(past, focal, other, &mut writer);
    for (velocity, relation) in [(body.velocity, there), (partner.velocity, back)] {
        let towards = velocity.zip(relation).map(|(velocity, relation)| velocity.in_frame(relation.bearing));
        writer.put_vector(towards.map(|vector| vector * SPEED_GAIN));
    }
    for window in MEAN_WINDOWS_TICKS {
        fill_means(past, focal, other, window, &mut writer);
    }
    writer.put(f32::from(there.is_some()));
    writer.finish();
}

/// How much the distance shrank over several lags.
fn fill_approach(past: &Past<'_>, focal: usize, other: usize, writer: &mut Writer<'_>) {
    let distance_at = |age: usize| {
        let bodies = &past.history.get(age)?.bodies;
        Some((bodies[other].origin? - bodies[focal].origin?).length())
    };
    for lag in APPROACH_LAGS_TICKS {
        let gain = SPEED_GAIN / (lag as f32).sqrt();
        writer.put_maybe(distance_at(0).zip(distance_at(lag)).map(|(now, before)| (before - now) * gain));
    }
}

/// Means of the per-tick scalars over a window: nine channels.
fn fill_means(past: &Past<'_>, focal: usize, other: usize, window: usize, writer: &mut Writer<'_>) {
    let (mut sums, mut counted) = ([0.0_f32; 6], 0);
    let mut speeds = [(0.0_f32, 0_u32); 2];
    for geometry in past.history.iter().take(window) {
        for (speed, individual) in speeds.iter_mut().zip([focal, other]) {
            if let Some(velocity) = geometry.bodies[individual].velocity {
                speed.0 += velocity.length();
                speed.1 += 1;
            }
        }
        let (Some(there), Some(back)) = (relation(geometry, focal, other), relation(geometry, other, focal)) else {
            continue;
        };
        let values = [there.distance, there.distance_min, there.facing, back.facing, there.approach, back.approach];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
        counted += 1;
    }
    let gains = [1.0, 1.0, 1.0, 1.0, SPEED_GAIN, SPEED_GAIN];
    for (sum, gain) in sums.into_iter().zip(gains) {
        writer.put(sum / counted.max(1) as f32 * gain);
    }
    for (sum, count) in speeds {
        writer.put(sum / count.max(1) as f32 * SPEED_GAIN);
    }
    writer.put(counted as f32 / window as f32);
}

/// Whether both ends of the edge are present in a known body frame.
fn fill_edge(
    past: &Past<'_>,
    focal: usize,
    other: usize,
    (from_anchor, to_anchor): (usize, usize),
    channels: &mut [f32],
) -> bool {
    let (from, to) = (anchor(past, from_anchor), anchor(past, to_anchor));
    let between = |age: usize| Some(past.point(age, other, to)? - past.point(age, focal, from)?);
    let (Some(now), Some(heading)) = (between(0), past.history[0].bodies[focal].heading) else {
        channels.fill(0.0);
        return false;
    };
    let confidence = |individual, part| past.keypoint(0, individual, part).map_or(0.0, |point| point.confidence);
    let distance = now.length();
    let change =
        between(EDGE_VELOCITY_LAG_TICKS).map(|before| (now - before) * (SPEED_GAIN / EDGE_VELOCITY_LAG_TICKS as f32));
    let approach = change.map_or(0.0, |change| -change.dot(now.unit().unwrap_or_default()));
    let mut writer = Writer::new(channels);
    let position: Vec2 = now.in_frame(heading);
    writer.put(position.x);
    writer.put(position.y);
    writer.put(distance);
    writer.put((-2.0 * distance).exp());
    writer.put_vector(change.map(|change| change.in_frame(heading)));
    writer.put(approach);
    writer.put((confidence(focal, from) * confidence(other, to)).sqrt());
    writer.finish();
    true
}
