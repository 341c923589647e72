//! A recording: a stream of frames at rest.

use std::path::{Path, PathBuf};

use crate::poses::Frame;
use crate::stream::StreamDescription;

/// The highest frame number that a file may carry (four years at 30 Hz): it keeps arithmetic on frames far from
/// overflow, whatever a damaged file says.
pub const FRAME_NUMBER_MAX: u64 = u32::MAX as u64;

/// Endings that are no part of a recording's name.
const ENDINGS: [&str; 3] = [".gz", ".csv", ".txt"];

/// A recording with everything that detection has to know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The pose file's name without its endings; a `MABe` submission calls it `video_id`.
    pub name: String,
    pub stream: StreamDescription,
    /// Frames by ascending number; a number may be absent.
    pub frames: Vec<Frame>,
}

/// What a pose file alone says: neither rate nor scale, nor which keypoints make up the body axis.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRecording {
    pub file: PathBuf,
    pub name: String,
    pub individuals: Vec<String>,
    /// Keypoint names in the order in which the frames carry the points.
    pub keypoints: Vec<String>,
    /// At least one frame, numbers ascending, each with I × K points.
    pub frames: Vec<Frame>,
}

impl Recording {
    /// Frame numbers from the first frame to one past the last; empty where there is no frame.
    pub fn extent(&self) -> std::ops::Range<u64> {
        match (self.frames.first(), self.frames.last()) {
            (Some(first), Some(last)) => first.number..last.number + 1,
            _ => 0..0,
        }
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
