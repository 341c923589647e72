//! Recordings in ticks, kept in files beside a training: decoded once, and read stretch by stretch.
//!
//! A training looks at a second here and a minute there of hours of poses. With a cache the points of a recording stay
//! in a file, of which a crop reads its own ticks; only flags are in memory. A second start finds the file and decodes
//! nothing.
//!
//! What comes out of a file is bit for bit what went in, so that a training by way of a cache has the weights of one
//! without. Coordinates are therefore kept in single precision. Fewer bits would show: steps of 0.001 body lengths
//! (16 bits over ±32) err by 3e-4 each, and a third difference sums four positions with the weights 1, 3, 3, 1, which
//! makes 1.3e-3 body lengths of noise, √20 times as much, in the jerk of an animal at rest.
//!
//! The name of a file holds a key over all that its content follows from: the rules by which ticks are made, name, size
//! and time of change of every source file, and what description, ethogram or table say about the recording. Another key
//! makes another file, and those of older keys of the same recording are removed. A file is written under another name
//! first, then renamed; so two trainings may share a folder. A file that is damaged is made anew, with a warning.

mod format;

use std::fs::OpenOptions;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;

pub use self::format::StoredPoints;
use super::catalog::{Corpus, Entry, defaults_of};
use super::session::Session;
use crate::stream::StreamDefaults;

/// Changes whenever the same frames and labels make other ticks, see [`Session::new`].
const TICK_RULES: u32 = 1;

const ENDING: &str = ".ticks";
const PARTIAL_ENDING: &str = ".partial";

/// A file that nobody finished in this time was left behind by a process that ended.
const ABANDONED: Duration = Duration::from_hours(24);

/// A recording as training wants it.
#[derive(Clone, Debug)]
pub struct Cached {
    pub session: Session,
    pub defaults: StreamDefaults,
    /// What was repaired while it was decoded.
    pub repairs: Vec<String>,
}

/// A folder with recordings in ticks.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The folder is made when something is first put into it.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// A recording from its file; where there is none for its present state, it is decoded and the file made.
    /// `warn` is told of damaged files, and of a folder that cannot be written: then the recording stays in memory.
    ///
    /// # Errors
    /// A recording that cannot be read.
    pub fn load(&self, corpus: &Corpus, entry: &Entry, warn: &mut dyn FnMut(String)) -> anyhow::Result<Cached> {
        let recording = recording_name(corpus, entry);
        let key = key(corpus, entry)?;
        let file = self.folder.join(format!("{recording}-{}{ENDING}", &key.to_hex()[..16]));
        match format::open(&file, &key, corpus.ethogram()) {
            Ok(cached) => return Ok(cached),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn(format!("{}: {error}: it is made anew", file.display())),
        }
        let cached = decode(corpus, entry)?;
        let stored = self.put(&file, &cached, &key, corpus);
        self.remove_stale(&recording, &file);
        Ok(stored.unwrap_or_else(|error| {
            warn(format!("{}: {error}: {} stays in memory", file.display(), cached.session.name));
            cached
        }))
    }

    /// Writes a recording and gives it back with its points in the file.
    fn put(&self, file: &Path, cached: &Cached, key: &blake3::Hash, corpus: &Corpus) -> io::Result<Cached> {
        std::fs::create_dir_all(&self.folder)?;
        let unique = RandomState::new().build_hasher().finish();
        let partial = file.with_extension(format!("{unique:016x}{PARTIAL_ENDING}"));
        let written = (|| {
            let handle = OpenOptions::new().read(true).write(true).create_new(true).open(&partial)?;
            let mut writer = BufWriter::with_capacity(1 << 20, handle);
            format::write(&mut writer, cached, key, corpus.ethogram())?;
            writer.flush()?;
            let handle = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
            std::fs::rename(&partial, file)?;
            format::read(handle, file, key, corpus.ethogram())
        })();
        if written.is_err() {
            // Best effort: the first error is the one to tell.
            let _ = std::fs::remove_file(&partial);
        }
        written
    }

    /// Removes files of other keys of a recording, and unfinished ones that nobody writes any more. What cannot be
    /// removed stays: it is only in the way of other files.
    fn remove_stale(&self, recording: &str, keep: &Path) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_of_it = name.strip_prefix(recording).is_some_and(|rest| rest.starts_with('-'));
            let is_stale = if name.ends_with(PARTIAL_ENDING) {
                let changed = entry.metadata().and_then(|metadata| metadata.modified());
                let age = changed.ok().and_then(|changed| SystemTime::now().duration_since(changed).ok());
                age.is_some_and(|age| age > ABANDONED)
            } else {
                name.ends_with(ENDING) && entry.path() != keep
            };
            if is_of_it && is_stale {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// A recording decoded from its own files, its points in memory.
///
/// # Errors
/// A recording that cannot be read.
pub fn decode(corpus: &Corpus, entry: &Entry) -> anyhow::Result<Cached> {
    let annotated = corpus.load(entry)?;
    let session = Session::new(&annotated, corpus.ethogram())?;
    Ok(Cached { session, defaults: defaults_of(&annotated.recording), repairs: annotated.repairs })
}

/// What the files of a recording begin with: its id as far as it makes a file name, and what tells it from others.
fn recording_name(corpus: &Corpus, entry: &Entry) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let id: String = entry.id.chars().take(40).map(plain).collect();
    let poses = entry.poses.file_name().unwrap_or_default();
    let exact = blake3::hash(format!("{:?}", (corpus.name(), &entry.id, poses)).as_bytes());
    format!("{id}-{}", &exact.to_hex()[..8])
}

fn key(corpus: &Corpus, entry: &Entry) -> anyhow::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    // Strings as Debug writes them end where they end: no two lists of them look alike.
    hasher.update(format!("{:?}", (format::VERSION, TICK_RULES, &entry.id, corpus.facts(entry))).as_bytes());
    for source in corpus.sources(entry) {
        let metadata = match std::fs::metadata(&source) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            metadata => Some(metadata.with_context(|| source.display().to_string())?),
        };
        let changed = metadata.as_ref().map(std::fs::Metadata::modified).transpose();
        let changed = changed.with_context(|| source.display().to_string())?;
        // To the nanosecond, where the file system says it.
        let changed = changed.map(|at| at.duration_since(SystemTime::UNIX_EPOCH).map_err(|before| before.duration()));
        let size = metadata.map(|metadata| metadata.len());
        hasher.update(format!("{:?}", (source.file_name(), size, changed)).as_bytes());
    }
    Ok(hasher.finalize())
}

#[cfg(test)]
mod tests;
