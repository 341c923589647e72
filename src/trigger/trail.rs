//! The trail of a session: every decision at a candidate, taken *or not*, and whatever armed and disarmed.
//!
//! Two files of JSON, an entry a line: `SESSION.trail.jsonl` says *triggered* of stimuli and shams alike;
//! `SESSION.sealed.jsonl` holds what would unblind whoever reads it, from the key of the draws to what the outputs
//! confirmed. It, and the dose book beside it, only their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::allocation::Allocation;
use crate::baseline::Quantity;
use crate::output::event::Animals;

pub const TRAIL_VERSION: u32 = 1;

/// Largest file of a trail; some 400,000 decisions.
pub const TRAIL_BYTES_MAX: u64 = 256 << 20;

/// Longest entry.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What everybody may read. Times are of the wall clock, in nanoseconds since 1970 (UTC).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// A process began or went on with the session.
    Opened {
        version: u32,
        session: String,
        rig: String,
        plan: String,
        /// Of the plan's text.
        plan_hash: String,
        model: String,
        /// Of the key of the draws, see [`Allocation::commitment`].
        commitment: String,
        software: String,
        unix_nanos: i64,
    },
    Armed {
        cage: String,
        /// The number that the publisher drew at its start.
        run: u32,
        unix_nanos: i64,
    },
    Disarmed {
        cage: String,
        why: String,
        unix_nanos: i64,
    },
    Stopped {
        why: String,
        unix_nanos: i64,
    },
    Phase {
        name: String,
        unix_nanos: i64,
    },
    Decision(Decision),
    /// A trigger that was put off and did not begin any more.
    Cancelled {
        trigger: u64,
        unix_nanos: i64,
    },
    /// Somebody read what is sealed.
    Unblinded {
        unix_nanos: i64,
    },
}

/// What became of a candidate, and all that it was decided on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub cage: String,
    pub rule: String,
    /// As an event names them: two animals without direction have no agent.
    #[serde(flatten)]
    pub animals: Animals,
    #[serde(flatten)]
    pub verdict: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantities: Vec<(Quantity, f32)>,
    /// Number of the newest frame, and the tick that it decided.
    pub frame: u64,
    pub tick: u64,
    /// Of the cage's life, and of the model that decided.
    pub epoch: String,
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_nanos: Option<i64>,
    pub arrival_nanos: i64,
    pub decision_nanos: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// A stimulus or a sham.
    Triggered {
        trigger: u64,
    },
    Refused {
        cause: String,
        why: String,
    },
}

/// What would unblind its reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Sealed {
    Key {
        version: u32,
        session: String,
        allocation: Allocation,
    },
    Arm {
        trigger: u64,
        rule: String,
        sham: bool,
    },
    /// The output confirmed that it is on.
    On {
        trigger: u64,
        unix_nanos: i64,
        /// From the order's arrival at the guard to the device's answer.
        guard_micros: u64,
    },
    /// It is over.
    Off {
        trigger: u64,
        on_micros: u64,
        cause: String,
        unix_nanos: i64,
    },
    Failed {
        output: String,
        why: String,
        unix_nanos: i64,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    #[error("trail {path}: {what}: {source}")]
    Io { path: PathBuf, what: &'static str, source: std::io::Error },
    #[error("trail {path}: another process holds it")]
    Held { path: PathBuf },
    #[error("trail {path}: expected at most {expected} bytes, got {got}")]
    TooLarge { path: PathBuf, expected: u64, got: u64 },
    #[error("trail {path}: line {line}: expected an entry, got {got}")]
    Damaged { path: PathBuf, line: usize, got: String },
    #[error("trail {path}: expected {expected}, got {got}")]
    Other { path: PathBuf, expected: String, got: String },
}

/// An append-only file of entries, held by one process.
#[derive(Debug)]
pub struct Trail {
    file: File,
    path: PathBuf,
    bytes: u64,
    bytes_max: u64,
}

/// Where a session's trail lies, and what of it is sealed.
pub fn paths(folder: &Path, session: &str) -> [PathBuf; 2] {
    ["trail", "sealed"].map(|part| folder.join(format!("{session}.{part}.jsonl")))
}

impl Trail {
    /// Opens or creates a trail, and reads what is in it. Half an entry at its end, from a process that was killed, is
    /// cut off.
    ///
    /// # Errors
    /// A file that cannot be written or that another process holds, and entries that cannot be read.
    pub fn open<E: DeserializeOwned>(path: &Path, bytes_max: u64) -> Result<(Self, Vec<E>), TrailError> {
        let failed = |what| move |source| TrailError::Io { path: path.to_owned(), what, source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let is_other = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
        if is_other {
            let (expected, got) = ("a regular file".to_owned(), "something else".to_owned());
            return Err(TrailError::Other { path: path.to_owned(), expected, got });
        }
        let file = options.open(path).map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(TrailError::Held { path: path.to_owned() }),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        let (entries, whole) = read_from(&file, path, bytes_max)?;
        file.set_len(whole).map_err(failed("cut"))?;
        Ok((Self { file, path: path.to_owned(), bytes: whole, bytes_max }, entries))
    }

    /// Writes an entry: it outlives the process from here on, and the machine's power once the system has written it.
    ///
    /// # Errors
    /// A full or failing disk. Nothing may be triggered any more then.
    pub fn append(&mut self, entry: &impl Serialize) -> Result<(), TrailError> {
        let failed = |source| TrailError::Io { path: self.path.clone(), what: "write", source };
        let mut line = serde_json::to_vec(entry).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        let got = self.bytes + line.len() as u64;
        if got > self.bytes_max {
            return Err(TrailError::TooLarge { path: self.path.clone(), expected: self.bytes_max, got });
        }
        if let Err(error) = self.file.write_all(&line) {
            // Half an entry would spoil those after it; where even that fails, it is cut off when the trail is opened.
            let _ = self.file.set_len(self.bytes);
            return Err(failed(error));
        }
        self.bytes = got;
        Ok(())
    }

    /// Waits until everything is on the device.
    ///
    /// # Errors
    /// As [`Trail::append`].
    pub fn sync(&self) -> Result<(), TrailError> {
        self.file.sync_data().map_err(|source| TrailError::Io { path: self.path.clone(), what: "sync", source })
    }
}

/// Lets nobody but its owner read a file.
///
/// # Errors
/// A file whose mode cannot be set.
pub fn seal(path: &Path) -> Result<(), TrailError> {
    use std::os::unix::fs::PermissionsExt;
    let sealed = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
    sealed.map_err(|source| TrailError::Io { path: path.to_owned(), what: "seal", source })
}

/// All entries of a trail.
///
/// # Errors
/// As [`Trail::open`].
pub fn read<E: DeserializeOwned>(path: &Path) -> Result<Vec<E>, TrailError> {
    let file = File::open(path);
    let file = file.map_err(|source| TrailError::Io { path: path.to_owned(), what: "open", source })?;
    Ok(read_from(&file, path, TRAIL_BYTES_MAX)?.0)
}

/// The first entry of a trail, where there is a whole one.
///
/// # Errors
/// As [`Trail::open`].
pub fn first<E: DeserializeOwned>(path: &Path) -> Result<Option<E>, TrailError> {
    let failed = |what| move |source| TrailError::Io { path: path.to_owned(), what, source };
    let mut line = Vec::new();
    let file = File::open(path).map_err(failed("open"))?;
    BufReader::new(file).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).map_err(failed("read"))?;
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    let entry = serde_json::from_slice(&line);
    let damaged =
        |error: serde_json::Error| TrailError::Damaged { path: path.to_owned(), line: 1, got: error.to_string() };
    entry.map(Some).map_err(damaged)
}

/// The entries, and the bytes that they take.
fn read_from<E: DeserializeOwned>(file: &File, path: &Path, bytes_max: u64) -> Result<(Vec<E>, u64), TrailError> {
    let failed = |source| TrailError::Io { path: path.to_owned(), what: "read", source };
    let got = file.metadata().map_err(failed)?.len();
    if got > bytes_max {
        return Err(TrailError::TooLarge { path: path.to_owned(), expected: bytes_max, got });
    }
    let (mut reader, mut entries, mut whole) = (BufReader::new(file), Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        let length = reader.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 || (line.last() != Some(&b'\n') && length <= LINE_BYTES_MAX) {
            return Ok((entries, whole));
        }
        let entry = serde_json::from_slice(&line).map_err(|error| TrailError::Damaged {
            path: path.to_owned(),
            line: entries.len() + 1,
            got: error.to_string(),
        })?;
        entries.push(entry);
        whole += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(verdict: Verdict) -> Entry {
        Entry::Decision(Decision {
            cage: "cage1".into(),
            rule: "attack".into(),
            animals: Animals::Directed { agent: "rat1".into(), target: "rat2".into() },
            verdict,
            score: Some(0.9),
            quantities: vec![(Quantity::NoseToBody, 0.1)],
            frame: 7,
            tick: 7,
            epoch: "e".into(),
            model: "hash".into(),
            capture_nanos: None,
            arrival_nanos: 1,
            decision_nanos: 2,
        })
    }

    fn entries() -> Vec<Entry> {
        vec![
            Entry::Armed { cage: "cage1".into(), run: 4, unix_nanos: 5 },
            decision(Verdict::Triggered { trigger: 1 }),
            decision(Verdict::Refused { cause: "stale".into(), why: "the newest frame is too old".into() }),
        ]
    }

    #[test]
    fn a_trail_reads_as_it_was_written_whatever_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.trail.jsonl");
        let (mut trail, before) = Trail::open::<Entry>(&path, TRAIL_BYTES_MAX).unwrap();
        assert!(before.is_empty());
        for entry in entries() {
            trail.append(&entry).unwrap();
        }
        assert!(matches!(Trail::open::<Entry>(&path, TRAIL_BYTES_MAX), Err(TrailError::Held { .. })));
        drop(trail);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let lines = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
            let (mut trail, found) = Trail::open::<Entry>(&path, TRAIL_BYTES_MAX).unwrap();
            assert_eq!(found, entries()[..lines], "{cut} bytes");
            trail.append(&entries()[0]).unwrap();
            drop(trail);
            assert_eq!(read::<Entry>(&path).unwrap().len(), lines + 1);
        }
    }

    #[test]
    fn damage_and_full_files_are_told_by_line_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.trail.jsonl");
        let line = serde_json::to_string(&entries()[0]).unwrap();
        std::fs::write(&path, format!("{line}\n{{\"entry\":\"armed\"}}\n")).unwrap();
        let said = read::<Entry>(&path).unwrap_err().to_string();
        assert!(said.contains("line 2: expected an entry"), "{said}");
        std::fs::write(&path, format!("{line}\n")).unwrap();
        let (mut trail, _) = Trail::open::<Entry>(&path, line.len() as u64 + 10).unwrap();
        let said = trail.append(&entries()[0]).unwrap_err().to_string();
        assert!(said.contains("expected at most"), "{said}");
        std::fs::write(&path, vec![b'x'; LINE_BYTES_MAX + 10]).unwrap();
        assert!(matches!(read::<Entry>(&path), Err(TrailError::Damaged { line: 1, .. })));
    }

    #[test]
    fn two_animals_without_direction_have_no_agent() {
        let Entry::Decision(decision) = decision(Verdict::Triggered { trigger: 1 }) else { panic!("a decision") };
        let animals = Animals::Undirected { animals: ["rat1".into(), "rat2".into()] };
        let entry = Entry::Decision(Decision { animals, ..decision });
        let json = serde_json::to_string(&entry).unwrap();
        assert!(json.contains(r#""animals":["rat1","rat2"]"#) && !json.contains("agent"), "{json}");
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
    }

    #[test]
    fn a_stimulus_and_a_sham_look_alike() {
        let json = serde_json::to_string(&decision(Verdict::Triggered { trigger: 1 })).unwrap();
        assert!(json.contains(r#""verdict":"triggered","trigger":1"#) && !json.contains("sham"), "{json}");
    }
}
