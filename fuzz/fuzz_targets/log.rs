//! Any log that is read has sessions of frames by ascending number, each of I × K points.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vibrissa::corpus::log::reader::parse;

/// As elsewhere.
const CONFIDENCE_MIN: f32 = 0.1;

fuzz_target!(|bytes: &[u8]| {
    let Ok(sessions) = parse(bytes, Path::new("fuzz.mcap"), CONFIDENCE_MIN) else { return };
    assert!(!sessions.is_empty());
    for session in sessions {
        let recording = session.recording;
        let points = recording.individuals.len() * recording.keypoints.len();
        assert!(!recording.frames.is_empty());
        assert!(recording.frames.iter().all(|frame| frame.keypoints.len() == points));
        assert!(recording.frames.is_sorted_by(|one, next| one.number < next.number));
    }
});
