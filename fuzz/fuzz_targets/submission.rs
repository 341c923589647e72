//! Any submission that is read is written and read back the same, and the score reads what was written as well.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vibrissa::corpus::mabe::solution::Submission;
use vibrissa::corpus::mabe::submission::{Writer, read};

fuzz_target!(|bytes: &[u8]| {
    let file = Path::new("fuzz.csv");
    let scored = Submission::read(bytes, file);
    if let Ok(scored) = &scored {
        assert!(scored.series.iter().all(|series| series.video < scored.videos.len()));
        assert!(scored.series.iter().flat_map(|series| &series.intervals).all(|frames| frames.start <= frames.end));
    }
    let Ok(rows) = read(bytes, file) else { return };
    let mut writer = Writer::new(Vec::new()).unwrap();
    for row in &rows {
        writer.write(row).unwrap();
    }
    let written = writer.finish().unwrap();
    assert_eq!(read(&written[..], file).unwrap(), rows);
    if let Ok(scored) = scored {
        assert_eq!(Submission::read(&written[..], file).unwrap(), scored);
    }
});
