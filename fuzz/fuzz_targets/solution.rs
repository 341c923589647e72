//! Any solution that is read has series of its own videos, none of which ends before it starts.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vibrissa::corpus::mabe::solution::{Solution, read_scored};

fuzz_target!(|bytes: &[u8]| {
    let file = Path::new("fuzz.csv");
    if let Ok(scored) = read_scored(bytes, file) {
        assert!(scored.values().flatten().all(|frames| frames.start <= frames.end));
    }
    let Ok(solution) = Solution::read(bytes, file) else { return };
    for series in &solution.series {
        assert!(series.video < solution.videos.len());
        assert!(series.intervals.iter().all(|frames| frames.start <= frames.end));
    }
});
