//! The part of the plane where animals are: as the last minutes showed it, since no stream says where the walls are.

use std::collections::VecDeque;

use crate::poses::Keypoint;

/// Frames of a block.
const BLOCK_FRAMES: u32 = 900;

/// Blocks that are remembered: about five minutes at 30 Hz.
const BLOCKS: usize = 10;

/// Points farther from the middle of their animal than this, in body lengths, are slips of the tracker.
const REACH: f32 = 4.0;

/// An animal that moves farther than this from one frame to the next, in body lengths, has not walked.
const STEP: f32 = 3.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) left: f32,
    pub(super) right: f32,
    /// The smaller y: images count down.
    pub(super) top: f32,
    pub(super) bottom: f32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Extent {
    blocks: VecDeque<Option<Bounds>>,
    frames: u32,
    /// The middle of every animal when it was last seen.
    middles: Vec<Option<(f32, f32)>>,
}

impl Extent {
    /// Takes in a frame of I × K points.
    pub(super) fn push(&mut self, points: &[Keypoint], keypoints: usize, body_length: f32) {
        if self.frames == 0 {
            if self.blocks.len() >= BLOCKS {
                self.blocks.pop_front();
            }
            self.blocks.push_back(None);
        }
        self.frames = (self.frames + 1) % BLOCK_FRAMES;
        let animals = points.chunks_exact(keypoints.max(1));
        self.middles.resize(animals.len(), None);
        for (animal, before) in animals.zip(&mut self.middles) {
            let Some(middle) = middle(animal) else { continue };
            let far = |a: (f32, f32), x: f32, y: f32, most: f32| (x - a.0).hypot(y - a.1) > most * body_length;
            let jumped = before.is_some_and(|before| far(before, middle.0, middle.1, STEP));
            *before = Some(middle);
            if jumped {
                continue;
            }
            for point in animal.iter().filter(|point| point.is_present() && !far(middle, point.x, point.y, REACH)) {
                let here = Bounds { left: point.x, right: point.x, top: point.y, bottom: point.y };
                if let Some(block) = self.blocks.back_mut() {
                    *block = Some(block.map_or(here, |block| block.and(here)));
                }
            }
        }
    }

    /// All of it, rounded to half body lengths so that the picture does not creep; `None` where nothing was seen.
    pub(super) fn bounds(&self, body_length: f32) -> Option<Bounds> {
        let bounds = self.blocks.iter().flatten().copied().reduce(Bounds::and)?;
        let step = body_length / 2.0;
        let (down, up) = (|v: f32| ((v / step).floor() - 0.5) * step, |v: f32| ((v / step).ceil() + 0.5) * step);
        Some(Bounds {
            left: down(bounds.left),
            right: up(bounds.right),
            top: down(bounds.top),
            bottom: up(bounds.bottom),
        })
    }
}

impl Bounds {
    fn and(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            right: self.right.max(other.right),
            top: self.top.min(other.top),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// The median of an animal's points in x and in y.
fn middle(points: &[Keypoint]) -> Option<(f32, f32)> {
    let median = |of: fn(&Keypoint) -> f32| {
        let mut values: Vec<f32> = points.iter().filter(|point| point.is_present()).map(of).collect();
        values.sort_by(f32::total_cmp);
        values.get(values.len() / 2).copied()
    };
    Some((median(|point| point.x)?, median(|point| point.y)?))
}
