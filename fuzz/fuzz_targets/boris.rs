//! Any export that is read has spans that a recording can have, at any rate.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vibrissa::corpus::annotations::{Span, boris};

fuzz_target!(|bytes: &[u8]| {
    let Ok(observations) = boris::parse(bytes, Path::new("fuzz.csv")) else { return };
    for annotation in observations.iter().flat_map(|observation| &observation.intervals) {
        if let Span::Frames(frames) | Span::Video { frames, .. } = &annotation.span {
            assert!(frames.start < frames.end, "{annotation:?}");
        }
        if let Span::Secs(secs) | Span::Video { secs, .. } = &annotation.span {
            assert!(secs.start.is_finite() && secs.end.is_finite() && secs.start <= secs.end, "{annotation:?}");
        }
        for rate_hz in [0.1, 30.0, 1000.0] {
            let frames = annotation.span.frames(rate_hz);
            assert!(frames.start < frames.end, "{annotation:?}");
        }
    }
});
