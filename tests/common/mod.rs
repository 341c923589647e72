//! What tests share.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder of the test data (`rat-dyads`), below where `VIBRISSA_CORPUS` points or in `../shared/data`; `None`, with
/// a line on stderr, where it is not at hand: the test then returns.
pub fn corpus_dir(folder: &str) -> Option<PathBuf> {
    let data = std::env::var_os("VIBRISSA_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let dir = data.join(folder);
    if !dir.is_dir() {
        // Not by `eprintln!`: the test harness shows that of failing tests only.
        let _ = writeln!(std::io::stderr(), "SKIPPED: this test needs {}, which is not at hand", dir.display());
        return None;
    }
    Some(dir)
}
