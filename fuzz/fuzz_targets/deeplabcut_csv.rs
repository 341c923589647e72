//! Any table that is read has frames by ascending number, each of I × K points that are missing or within bounds.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vibrissa::corpus::poses::deeplabcut_csv::{CONFIDENCE_MIN, parse};
use vibrissa::corpus::poses::prefixes::{split_prefixed, suggest_prefixes};
use vibrissa::poses::COORDINATE_MAX;

fuzz_target!(|bytes: &[u8]| {
    let Ok(recording) = parse(bytes, Path::new("fuzz.csv"), CONFIDENCE_MIN) else { return };
    assert!(!recording.frames.is_empty());
    assert!(recording.frames.is_sorted_by(|one, next| one.number < next.number));
    let points = recording.individuals.len() * recording.keypoints.len();
    for frame in &recording.frames {
        assert_eq!(frame.keypoints.len(), points);
        for point in frame.keypoints.iter().filter(|point| point.is_present()) {
            assert!(point.x.abs() <= COORDINATE_MAX && point.y.abs() <= COORDINATE_MAX);
            assert!((CONFIDENCE_MIN..=1.0).contains(&point.confidence));
        }
    }
    if recording.individuals.len() > 1 {
        return;
    }
    if let Some(prefixes) = suggest_prefixes(&recording.keypoints) {
        let split = split_prefixed(recording, &prefixes).unwrap();
        assert_eq!(split.individuals.len() * split.keypoints.len(), points);
    }
});
