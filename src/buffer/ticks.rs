//! Frames to ticks.

use super::reorder::Reorder;
use super::resample::Resampler;
use crate::poses::{Frame, Keypoint};
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
    resampler: Resampler,
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
            Self::PointCount { .. } => "point_count",
        }
    }
}

impl Ticker {
    pub fn new(stream: &StreamDescription) -> Self {
        let rate_hz = stream.rate_hz();
        let point_count = stream.point_count();
        Self {
            point_count,
            window_frames: WINDOW_TICKS as f64 * frames_per_tick(rate_hz),
            reorder: Reorder::default(),
            resampler: Resampler::new(rate_hz, point_count),
        }
    }

    /// Takes a frame and appends what became known by it, in order.
    ///
    /// A number that lies [`WINDOW_TICKS`] ticks or more behind the newest is a camera that started again.
    ///
    /// # Errors
    /// Frames that are doubled, too late or of another shape. They change nothing, and the caller counts them.
    pub fn push(&mut self, frame: &Frame, out: &mut Vec<Ticked>) -> Result<(), Refused> {
        let (expected, got) = (self.point_count, frame.keypoints.len());
        if expected != got {
            return Err(Refused::PointCount { expected, got });
        }
        if self.reorder.behind(frame.number) as f64 >= self.window_frames {
            self.flush(out);
            out.push(Ticked::Reset);
        }
        let resampler = &mut self.resampler;
        self.reorder.push(frame, |frame| resampler.push(frame, out))
    }

    /// The end of the stream: appends the ticks of frames that are still held. Ticks after the last frame are not
    /// made up. Afterwards the ticker is as new, and whatever stands behind it has to be.
    pub fn flush(&mut self, out: &mut Vec<Ticked>) {
        let resampler = &mut self.resampler;
        self.reorder.flush(|frame| resampler.push(frame, out));
        resampler.flush(out);
    }
}

#[cfg(test)]
mod tests;
