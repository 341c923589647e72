//! Any file that is read has recordings of two mice, frames by ascending number, and annotations of frames that are there.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vibrissa::corpus::annotations::Span;
use vibrissa::corpus::calms21::parse;

/// As elsewhere.
const CONFIDENCE_MIN: f32 = 0.1;

fuzz_target!(|bytes: &[u8]| {
    let Ok(sequences) = parse(bytes, Path::new("fuzz.json"), CONFIDENCE_MIN) else { return };
    assert!(!sequences.is_empty());
    for (recording, annotations) in sequences {
        let points = recording.individuals.len() * recording.keypoints.len();
        assert!(!recording.frames.is_empty());
        assert!(recording.frames.iter().all(|frame| frame.keypoints.len() == points));
        assert!(recording.frames.is_sorted_by(|one, next| one.number < next.number));
        for annotation in annotations.iter().flat_map(|annotations| &annotations.intervals) {
            let Span::Frames(frames) = &annotation.span else { panic!("{annotation:?}") };
            assert!(frames.start < frames.end && frames.end <= recording.frames.len() as u64, "{annotation:?}");
        }
    }
});
