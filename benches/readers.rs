//! How fast pose files are read, each by its own format's reader.
//!
//! `cargo bench --bench readers -- [FILE or FOLDER …]`, by default everything below `VIBRISSA_CORPUS` or `../shared/data`.
//! What is no pose file of a known format is left out. Files lie in the page cache after the first, uncounted reading.
//! Beside pandas, h5py, pyarrow and json on the same files, one after the other on an idle machine:
//!
//! ```sh
//! cargo bench --bench readers -- FOLDER && python benches/readers.py FOLDER
//! ```

use std::path::{Path, PathBuf};
use std::time::Instant;

use vibrissa::corpus::poses::{self, Format};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Confidence under which a point counts as missing.
const CONFIDENCE_MIN: f32 = 0.1;

/// Readings of each file, after one that warms up.
const READINGS: usize = 5;

fn main() {
    let mut files = Vec::new();
    // Cargo passes a flag of its own.
    let stated: Vec<PathBuf> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).map(PathBuf::from).collect();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("VIBRISSA_CORPUS").map_or(here, PathBuf::from);
    for path in if stated.is_empty() { vec![data] } else { stated } {
        gather(&path, &mut files);
    }
    files.sort();
    println!("| format | file | MB | frames | ms, median of {READINGS} | MB/s | frames/s |");
    println!("|---|---|---|---|---|---|---|");
    let (mut mb, mut frames, mut secs) = (0.0, 0, 0.0);
    for file in files {
        let Some(reading) = Reading::of(&file) else { continue };
        reading.print(&file);
        (mb, frames, secs) = (mb + reading.mb, frames + reading.frames, secs + reading.secs);
    }
    Reading { format: "all".to_owned(), mb, frames, secs }.print(Path::new(""));
}

/// All files in and below a folder, or the file.
fn gather(path: &Path, files: &mut Vec<PathBuf>) {
    let Ok(folder) = path.read_dir() else { return files.push(path.to_path_buf()) };
    for entry in folder.flatten() {
        gather(&entry.path(), files);
    }
}

struct Reading {
    format: String,
    mb: f64,
    frames: usize,
    secs: f64,
}

impl Reading {
    /// `None` where the file is none of poses.
    fn of(file: &Path) -> Option<Self> {
        let format = format!("{:?}", Format::of(file).ok()?);
        let read = || poses::read(file, CONFIDENCE_MIN);
        let frames = read().ok()?.iter().map(|recording| recording.frames.len()).sum();
        let mut secs: Vec<f64> = (0..READINGS)
            .map(|_| {
                let begun = Instant::now();
                std::hint::black_box(read().ok());
                begun.elapsed().as_secs_f64()
            })
            .collect();
        secs.sort_by(f64::total_cmp);
        let mb = file.metadata().ok()?.len() as f64 / 1e6;
        Some(Self { format, mb, frames, secs: secs[READINGS / 2] })
    }

    fn print(&self, file: &Path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let Self { format, mb, frames, secs } = self;
        let (mb_rate, frame_rate) = (mb / secs, *frames as f64 / secs);
        println!("| {format} | {name} | {mb:.2} | {frames} | {:.2} | {mb_rate:.0} | {frame_rate:.0} |", secs * 1e3);
    }
}
