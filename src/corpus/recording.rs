//! A recording: a stream of frames at rest.

use std::path::{Path, PathBuf};

use super::sidecar::Sidecar;
use crate::buffer::ticks::frames_per_tick;
use crate::poses::Frame;
use crate::stream::StreamDescription;
use crate::time::WINDOW_TICKS;

/// The highest frame number that a file may carry (four years at 30 Hz): it keeps arithmetic on frames far from
/// overflow, whatever a damaged file says.
pub const FRAME_NUMBER_MAX: u64 = u32::MAX as u64;

/// Endings that are no part of a recording's name.
const ENDINGS: [&str; 8] = [".gz", ".csv", ".txt", ".h5", ".hdf5", ".parquet", ".json", ".mcap"];

/// A recording with everything that detection has to know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The pose file's name without its endings; a `MABe` submission calls it `video_id`.
    pub name: String,
    pub stream: StreamDescription,
    /// Frames by ascending number; a number may be absent.
    pub frames: Vec<Frame>,
    /// When its video begins, on the clock of the frames' capture times; `None`: with the first frame.
    pub video_start_nanos: Option<i64>,
}

/// What a pose file alone says: seldom rate or scale, hardly ever which keypoints make up the body axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawRecording {
    pub file: PathBuf,
    pub name: String,
    pub individuals: Vec<String>,
    /// Keypoint names in the order in which the frames carry the points.
    pub keypoints: Vec<String>,
    /// At least one frame, numbers ascending, each with I × K points.
    pub frames: Vec<Frame>,
    /// Name of the clock of the capture times, where frames carry them.
    pub clock: Option<String>,
    /// Rate, scale and skeleton, where the file says them.
    pub stated: Sidecar,
    /// What was repaired or left out while reading, each with its place and reason; empty where nothing was.
    pub repairs: Vec<String>,
}

impl Recording {
    /// Frame numbers from the first frame to one past the last; empty where there is no frame.
    pub fn extent(&self) -> std::ops::Range<u64> {
        match (self.frames.first(), self.frames.last()) {
            (Some(first), Some(last)) => first.number..last.number + 1,
            _ => 0..0,
        }
    }

    /// The frames between gaps of a window or more, over which nothing is remembered: each stretch with the tick of the
    /// recording that its first frame is. Ticks run on through the gaps.
    pub fn stretches(&self) -> impl Iterator<Item = (u64, &[Frame])> {
        let step = frames_per_tick(self.stream.rate_hz());
        // A tick less than a window, so that no stretch ever makes the ticks begin anew.
        let gap_max = (WINDOW_TICKS as f64 - 1.0) * step;
        let first = self.frames.first().map_or(0, |frame| frame.number);
        self.frames.chunk_by(move |a, b| ((b.number - a.number) as f64) < gap_max).map(move |stretch| {
            let number = stretch.first().map_or(first, |frame| frame.number);
            (((number - first) as f64 / step).round() as u64, stretch)
        })
    }
}

/// The file's name without its endings (`2DLC_el.csv.gz` is `2DLC_el`); other dots belong to the name.
pub fn name_of(file: &Path) -> String {
    let mut name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for ending in ENDINGS {
        let start = name.len().saturating_sub(ending.len());
        if start > 0 && name.is_char_boundary(start) && name[start..].eq_ignore_ascii_case(ending) {
            name.truncate(start);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poses::Keypoint;
    use crate::skeleton::Skeleton;
    use crate::stream::Origin;

    #[test]
    fn a_gap_of_a_window_parts_two_stretches_whose_ticks_run_on() {
        let skeleton =
            Skeleton::new("s", ["a", "b", "c"].map(str::to_owned).to_vec(), ("a", "b", "c"), Vec::new()).unwrap();
        let names = vec!["one".to_owned(), "two".to_owned()];
        let stream = StreamDescription::new(skeleton, names, 60.0, 50.0, None, Origin::Replay).unwrap();
        // 60 Hz: a window is 1024 frames.
        let numbers = (20..50).chain(1060..1070).chain(3000..3001);
        let frame = |number| Frame { number, capture_nanos: None, keypoints: vec![Keypoint::MISSING; 6] };
        let frames: Vec<Frame> = numbers.map(frame).collect();
        let recording = Recording { name: "day".to_owned(), stream, frames, video_start_nanos: None };
        let stretches: Vec<(u64, usize)> = recording.stretches().map(|(tick, frames)| (tick, frames.len())).collect();
        assert_eq!(stretches, [(0, 40), (1490, 1)]);
    }

    #[test]
    fn a_name_loses_the_endings_and_nothing_else() {
        for (file, name) in [
            ("poses/2DLC_el_filtered.csv.gz", "2DLC_el_filtered"),
            ("2024.05.01 cage 3.CSV", "2024.05.01 cage 3"),
            ("day1.2", "day1.2"),
            (".csv", ".csv"),
            ("é.gz", "é"),
        ] {
            assert_eq!(name_of(Path::new(file)), name);
        }
    }
}
