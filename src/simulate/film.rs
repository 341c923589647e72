//! A camera over a vivarium, and the tracker behind it: frames, and beside each of them the truth.

use std::time::Duration;

use super::preset::Preset;
use super::spec::Lab;
use super::tracker::Tracker;
use super::vivarium::{Deed, Habitat, STEP_HZ, Vivarium};
use crate::anatomy::Place;
use crate::plane::Vec2;
use crate::poses::{Frame, Keypoint};

/// Around the arena, in body lengths.
pub const MARGIN_BL: f32 = 0.5;

/// One moment of the camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    /// As the tracker reports it, in pixels; `None` where the frame was lost. Numbers run on.
    pub frame: Option<Frame>,
    pub number: u64,
    /// How long after its capture it is there.
    pub latency: Duration,
    /// What really goes on.
    pub deeds: Vec<Deed>,
    /// Whose body stands in each place of the frame.
    pub owners: Vec<usize>,
}

/// Films for ever; the same for the same lab, preset and seed.
#[derive(Debug)]
pub struct Film {
    vivarium: Vivarium,
    /// Points of the step before the last, and of the last: the camera's moments lie between steps.
    before: Vec<Vec2>,
    now: Vec<Vec2>,
    places: Vec<Place>,
    tracker: Tracker,
    rate_hz: f64,
    /// Pixels in a body length.
    scale_px: f32,
    number: u64,
}

impl Film {
    pub fn new(lab: &Lab, habitat: &Habitat, preset: &Preset, seed: u64) -> Self {
        let vivarium = Vivarium::new(habitat, seed);
        let places = lab.places().to_vec();
        let axis = lab.skeleton().axis();
        let tracker = Tracker::new(preset, axis, habitat.individuals, places.len(), lab.rate_hz(), seed);
        let now = points(&vivarium, &places);
        Self {
            before: now.clone(),
            now,
            vivarium,
            places,
            tracker,
            rate_hz: lab.rate_hz(),
            scale_px: lab.scale_px(),
            number: 0,
        }
    }

    /// The same, with instances in a fixed order whatever the preset says.
    #[must_use]
    pub fn with_order(mut self) -> Self {
        self.tracker = self.tracker.with_order();
        self
    }

    fn shoot(&mut self) -> Shot {
        let number = self.number;
        self.number += 1;
        // The moment of the frame, in steps of the world.
        let moment = number as f64 * f64::from(STEP_HZ) / self.rate_hz;
        while (self.vivarium.steps() as f64) < moment {
            self.vivarium.step();
            std::mem::swap(&mut self.before, &mut self.now);
            self.now = points(&self.vivarium, &self.places);
        }
        let back = (self.vivarium.steps() as f64 - moment) as f32;
        let between = |(now, before): (&Vec2, &Vec2)| *now + (*before - *now) * back;
        let true_points: Vec<Vec2> = self.now.iter().zip(&self.before).map(between).collect();
        let heights: Vec<f32> = self.vivarium.bodies().iter().map(super::body::Body::height).collect();
        let observed = self.tracker.observe(&true_points, &heights);
        let in_image = |point: Keypoint| Keypoint {
            x: (point.x + MARGIN_BL) * self.scale_px,
            y: (point.y + MARGIN_BL) * self.scale_px,
            ..point
        };
        let keypoints = observed.keypoints.into_iter().map(in_image).collect();
        Shot {
            frame: (!observed.dropped).then_some(Frame { number, capture_nanos: None, keypoints }),
            number,
            latency: observed.latency + observed.late,
            deeds: self.vivarium.deeds().collect(),
            owners: self.tracker.owners().to_vec(),
        }
    }
}

/// I × K points of all animals, in body lengths.
fn points(vivarium: &Vivarium, places: &[Place]) -> Vec<Vec2> {
    vivarium.bodies().iter().flat_map(|body| places.iter().map(|place| body.point(*place))).collect()
}

impl Iterator for Film {
    type Item = Shot;

    fn next(&mut self) -> Option<Shot> {
        Some(self.shoot())
    }
}
