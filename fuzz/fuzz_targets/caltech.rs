//! Any file that is read has channels of ascending intervals that hold frames.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vibrissa::corpus::annotations::caltech;

fuzz_target!(|bytes: &[u8]| {
    let Ok(channels) = caltech::parse(bytes, Path::new("fuzz.txt")) else { return };
    assert!(!channels.is_empty());
    for channel in channels {
        assert!(channel.intervals.iter().all(|interval| interval.start < interval.stop && !interval.label.is_empty()));
        assert!(channel.intervals.is_sorted_by(|one, next| one.stop <= next.start));
    }
});
