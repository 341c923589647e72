//! Animals that approach each other, touch and part: enough for a detector to have something to say.

use std::f32::consts::TAU;

use crate::poses::{Frame, Keypoint};
use crate::skeleton::Skeleton;
use crate::stream::StreamDescription;

/// Seconds of one approach and parting.
const ROUND_SECS: f32 = 6.0;

/// The animals of one cage.
#[derive(Clone, Debug)]
pub struct Dance {
    /// Where each keypoint lies along the body axis and beside it, in body lengths.
    points: Vec<(f32, f32)>,
    individuals: usize,
    body_length_px: f32,
    /// Cages dance out of step.
    phase: f32,
}

impl Dance {
    pub fn new(stream: &StreamDescription, cage: u32) -> Self {
        Self {
            points: places(stream.skeleton()),
            individuals: stream.individuals().len(),
            body_length_px: stream.body_length_px() as f32,
            phase: 0.37 * cage as f32,
        }
    }

    /// The frame of a number, at 30 Hz.
    pub fn frame(&self, number: u64) -> Frame {
        let time = (number % (1 << 20)) as f32 / 30.0 + self.phase;
        let mut keypoints = Vec::with_capacity(self.individuals * self.points.len());
        for animal in 0..self.individuals {
            let own = animal as f32 / self.individuals as f32 * TAU;
            // Apart by three body lengths, and together again until noses touch; all the while around a middle.
            let reach = 0.55 + 1.2 * (1.0 + (TAU * time / ROUND_SECS).cos());
            let around = own + 0.4 * time + 0.3 * (0.9 * time + own).sin();
            let centre = (4.0 + reach * around.cos(), 4.0 + reach * around.sin());
            // Towards the middle, with a wobble.
            let heading = around + TAU / 2.0 + 0.5 * (1.3 * time + 2.0 * own).sin();
            for (part, (along, beside)) in self.points.iter().enumerate() {
                let sway = 0.03 * (5.0 * time + part as f32).sin();
                let x = centre.0 + along * heading.cos() - (beside + sway) * heading.sin();
                let y = centre.1 + along * heading.sin() + (beside + sway) * heading.cos();
                keypoints.push(Keypoint { x: x * self.body_length_px, y: y * self.body_length_px, confidence: 0.95 });
            }
        }
        Frame { number, capture_nanos: None, keypoints }
    }
}

/// Front, centre and rear on the axis, whatever else there is beside it.
fn places(skeleton: &Skeleton) -> Vec<(f32, f32)> {
    let axis = skeleton.axis();
    let place = |keypoint: usize| match keypoint {
        _ if keypoint == axis.front => (0.5, 0.0),
        _ if keypoint == axis.centre => (0.0, 0.0),
        _ if keypoint == axis.rear => (-0.5, 0.0),
        _ => (0.35 - 0.1 * keypoint as f32 % 0.8, if keypoint.is_multiple_of(2) { 0.12 } else { -0.12 }),
    };
    (0..skeleton.keypoints().len()).map(place).collect()
}
