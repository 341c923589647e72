//! Frames to ticks.

use super::reorder::Reorder;
use super::resample::Resampler;
use crate::acquire::identity::{Continuity, Identity, Swap};
use crate::behavior::Individual;
use crate::poses::{Frame, Keypoint};
use crate::skeleton::INDIVIDUALS_MAX;
use crate::stream::StreamDescription;
use crate::time::{TICK_RATE_HZ, Tick, WINDOW_TICKS};

pub use super::reorder::REORDER_FRAMES;
pub use super::resample::{MEAN_RATE_HZ_MIN, SPAN_TICKS_MAX, WHOLE_RATE_HZ};

/// Turns the frames of a cage into even ticks: a value without clock or IO, the same live and offline.
///
/// The first frame is tick 0, and time is told by frame numbers alone. The stream's rate decides how:
///
/// | rate | a tick is |
/// |---|---|
/// | [`WHOLE_RATE_HZ`] (within 2% of 30 Hz) | one frame |
/// | under [`MEAN_RATE_HZ_MIN`] | interpolated between two frames no more than [`SPAN_TICKS_MAX`] ticks apart |
/// | [`MEAN_RATE_HZ_MIN`] and faster | the mean of the frames within half a tick of its time |
///
/// A stream without gaps is not delayed beyond the frame that a tick needs. Where numbers are missing, later frames
/// wait until nothing before them can come any more, which is [`REORDER_FRAMES`] frames at most.
#[derive(Clone, Debug)]
pub struct Ticker {
    point_count: usize,
    /// Frames in [`WINDOW_TICKS`] ticks.
    window_frames: f64,
    reorder: Reorder,
    identity: Identity,
    /// As it was before the first frame.
    identity_new: Identity,
    resampler: Resampler,
    /// The frame in hand, its instances in the places of their animals; reused.
    identified: Frame,
}

/// Where ticks lie among frames: with it a ticker goes on where another one stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Number of the frame that is tick 0.
    pub base: u64,
    /// The first tick that was not given yet.
    pub next: u64,
    /// Number of the newest frame that was used.
    pub newest: u64,
}

/// Frames from one tick to the next: where a frame's tick and a tick's frame are found without a [`Ticker`].
pub fn frames_per_tick(rate_hz: f64) -> f64 {
    if WHOLE_RATE_HZ.contains(&rate_hz) { 1.0 } else { rate_hz / TICK_RATE_HZ }
}

/// What became known about the ticks of a cage.
#[derive(Clone, Debug, PartialEq)]
pub enum Ticked {
    Tick {
        /// Without holes, from 0.
        tick: Tick,
        /// I × K points in the stream's units (pixels); in a missing tick all of them are [`Keypoint::MISSING`].
        keypoints: Vec<Keypoint>,
        /// Capture time of the frame, interpolated between both or the mean of the frames used; `None` where one of
        /// them has none, and in a missing tick.
        capture_nanos: Option<i64>,
    },
    /// [`WINDOW_TICKS`] ticks or more are missing in a row, or the camera began to count anew. Everything behind
    /// must start as new, and ticks go on from 0.
    Reset,
}

/// What the frames of a push say about who is who.
#[derive(Clone, Debug, PartialEq)]
pub struct Identified {
    /// By slot, the lowest confidence over the frames that it holds the animal that it held before.
    pub confidence: [f32; INDIVIDUALS_MAX],
    pub swaps: Vec<Swap>,
}

impl Default for Identified {
    fn default() -> Self {
        Self { confidence: [1.0; INDIVIDUALS_MAX], swaps: Vec::new() }
    }
}

impl Identified {
    fn add(&mut self, continuity: &Continuity) {
        for (slot, lowest) in self.confidence.iter_mut().enumerate() {
            *lowest = lowest.min(continuity.confidence(Individual(slot as u8)));
        }
        self.swaps.extend(continuity.swap);
    }
}

/// Why a frame was not taken. It changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("frame {number} is more than {REORDER_FRAMES} numbers behind frame {newest}, or before the first")]
    Late { number: u64, newest: u64 },
    #[error("frame {number} came before")]
    Duplicate { number: u64 },
    #[error("expected a frame of {expected} points, got {got}")]
    PointCount { expected: usize, got: usize },
}

impl Refused {
    /// The word under which refused frames are counted.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Late { .. } => "late",
            Self::Duplicate { .. } => "duplicate",
            Self::PointCount { .. } => "point-count",
        }
    }
}

impl Ticker {
    pub fn new(stream: &StreamDescription) -> Self {
        let rate_hz = stream.rate_hz();
        let point_count = stream.point_count();
        let (individuals, keypoints) = (stream.individuals().len(), stream.skeleton().keypoints().len());
        let identity_new = Identity::new(stream.identities(), individuals, keypoints, stream.body_length_px(), rate_hz);
        Self {
            point_count,
            window_frames: WINDOW_TICKS as f64 * frames_per_tick(rate_hz),
            reorder: Reorder::default(),
            identity: identity_new.clone(),
            identity_new,
            resampler: Resampler::new(rate_hz, point_count),
            identified: Frame { number: 0, capture_nanos: None, keypoints: Vec::with_capacity(point_count) },
        }
    }

    /// Takes a frame and appends what became known by it, in order.
    ///
    /// A number that lies [`WINDOW_TICKS`] ticks or more behind the newest is a camera that started again.
    ///
    /// # Errors
    /// Frames that are doubled, too late or of another shape. They change nothing, and the caller counts them.
    pub fn push(&mut self, frame: &Frame, out: &mut Vec<Ticked>) -> Result<Identified, Refused> {
        let (expected, got) = (self.point_count, frame.keypoints.len());
        if expected != got {
            return Err(Refused::PointCount { expected, got });
        }
        if self.reorder.behind(frame.number) as f64 >= self.window_frames {
            self.flush(out);
            out.push(Ticked::Reset);
        }
        let Self { identity, resampler, identified, .. } = self;
        let mut identified_as = Identified::default();
        self.reorder.push(frame, |frame| {
            identified.clone_from(frame);
            identified_as.add(&identity.take(identified));
            resampler.push(identified, out);
        })?;
        Ok(identified_as)
    }

    /// Where the ticks lie among the frames; `None` before the first frame.
    pub fn anchor(&self) -> Option<Anchor> {
        let (base, next) = self.resampler.place()?;
        Some(Anchor { base, next, newest: self.reorder.released()? })
    }

    /// Makes a new ticker go on from there: frames before its next tick are late, and ticks are missing up to the first
    /// frame that comes.
    pub fn resume(&mut self, anchor: Anchor) {
        self.resampler.resume(anchor.base, anchor.next);
        self.reorder.resume(anchor.newest);
    }

    /// The end of the stream: appends the ticks of frames that are still held. Ticks after the last frame are not
    /// made up. Afterwards the ticker is as new, and whatever stands behind it has to be.
    pub fn flush(&mut self, out: &mut Vec<Ticked>) {
        let Self { identity, resampler, identified, .. } = self;
        self.reorder.flush(|frame| {
            identified.clone_from(frame);
            identity.take(identified);
            resampler.push(identified, out);
        });
        resampler.flush(out);
        self.identity = self.identity_new.clone();
    }
}

#[cfg(test)]
mod tests;
