//! The journal: every event in a file of JSON lines, written before the event is published.
//!
//! A line that was written whole survives the death of this process (`kill -9`), because it lies in the operating
//! system's hands; it survives the death of the machine once the file was synced, which happens off the hot path.
//! Reopening goes on with the sequence of the last whole line. A last line without its end was never published: it is
//! cut off. A file that ends in anything else is left as it is and refused.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::output::event::{EVENT_BYTES_MAX, EVENT_VERSION, EdgeWord, Event, Verdict};

/// Largest journal unless configured otherwise: 64 GiB, more than a year of a busy rig.
pub const JOURNAL_BYTES_MAX: u64 = 64 << 30;

/// How far back a journal is searched for bouts that never ended: some 25,000 events.
pub const LOOK_BACK_BYTES: u64 = 16 << 20;

/// An append-only file of events, held by one process at a time.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Bytes that are known to hold whole lines. Beyond them a failed write may have left a part of one.
    whole_bytes: u64,
    bytes_max: u64,
    torn: bool,
    sequence_next: u64,
}

/// What reopening found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Sequence of the next event: 1 in a new journal.
    pub sequence_next: u64,
    /// Bytes of a torn last line that were cut off.
    pub torn_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("journal {path}: {what}: {source}")]
    Io { path: PathBuf, what: &'static str, source: io::Error },
    #[error("journal {path}: expected a regular file")]
    NotAFile { path: PathBuf },
    #[error("journal {path}: another process holds it")]
    Held { path: PathBuf },
    #[error(
        "journal {path}: expected lines of events of version {EVENT_VERSION}, got {got:?} at byte {at}; choose another file"
    )]
    Foreign { path: PathBuf, at: u64, got: String },
    #[error("journal {path}: expected at most {expected} bytes, got {got} with the next event")]
    Full { path: PathBuf, expected: u64, got: u64 },
}

/// The head of every line: enough to go on from.
#[derive(Deserialize)]
struct Head {
    version: u32,
    sequence: u64,
}

impl Journal {
    /// Opens or creates a journal of at most `bytes_max` bytes, and holds it until dropped.
    ///
    /// # Errors
    /// A file that cannot be written, that another process holds, or that does not end like a journal.
    pub fn open(path: &Path, bytes_max: u64) -> Result<(Self, Recovery), JournalError> {
        let path = path.to_owned();
        let failed = |what| io_error(&path, what);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed("open"))?;
        if !file.metadata().map_err(failed("inspect"))?.is_file() {
            return Err(JournalError::NotAFile { path });
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Held { path }),
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        let bytes = file.metadata().map_err(failed("inspect"))?.len();
        let tail = Tail::read(&mut file, bytes).map_err(failed("read"))?;
        let (whole_bytes, sequence_next) = tail.recover(&path)?;
        let mut journal = Self { file, path, whole_bytes, bytes_max, torn: whole_bytes < bytes, sequence_next };
        journal.mend()?;
        Ok((journal, Recovery { sequence_next, torn_bytes: bytes - whole_bytes }))
    }

    /// The onsets, oldest first, to which the last [`LOOK_BACK_BYTES`] hold no end: their detector was killed.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn open_bouts(&self) -> Result<Vec<Verdict>, JournalError> {
        let offset = self.whole_bytes.saturating_sub(LOOK_BACK_BYTES);
        let mut bytes = vec![0; (self.whole_bytes - offset) as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(io_error(&self.path, "read"))?;
        let mut open: Vec<Verdict> = Vec::new();
        // The first line may lack its beginning: it is none, then.
        for event in bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Event>(line).ok()) {
            match event.verdict.edge {
                EdgeWord::Onset => open.push(event.verdict),
                EdgeWord::Offset | EdgeWord::Abandoned => {
                    let ended = (&event.verdict.bout, event.verdict.delay);
                    open.retain(|onset| (&onset.bout, onset.delay) != ended);
                }
                EdgeWord::Retraction => {}
            }
        }
        Ok(open)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a verdict as the next event and returns its JSON. After an error the journal is as before, and the same
    /// verdict may be tried again.
    pub fn append(&mut self, verdict: &Verdict, publication_nanos: i64) -> Result<String, JournalError> {
        self.mend()?;
        let json = Event::new(verdict.clone(), self.sequence_next, publication_nanos).to_json();
        let line = json + "\n";
        let got = self.whole_bytes + line.len() as u64;
        if got > self.bytes_max {
            return Err(JournalError::Full { path: self.path.clone(), expected: self.bytes_max, got });
        }
        self.torn = true;
        if let Err(source) = self.file.write_all(line.as_bytes()) {
            // What cannot be cut now is cut before the next line, or when the journal is opened again.
            let _ = self.mend();
            return Err(io_error(&self.path, "write")(source));
        }
        self.torn = false;
        self.whole_bytes = got;
        self.sequence_next += 1;
        let mut json = line;
        json.pop();
        Ok(json)
    }

    /// A second handle of the file, to sync it from another thread.
    pub fn sync_handle(&self) -> Result<File, JournalError> {
        self.file.try_clone().map_err(io_error(&self.path, "clone the handle of"))
    }

    /// Waits until all that was written is on the device.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(io_error(&self.path, "sync"))
    }

    /// Cuts off what a torn write left, so that the next line begins on its own.
    fn mend(&mut self) -> Result<(), JournalError> {
        if self.torn {
            self.file.set_len(self.whole_bytes).map_err(io_error(&self.path, "cut"))?;
            self.torn = false;
        }
        Ok(())
    }
}

fn io_error(path: &Path, what: &'static str) -> impl Fn(io::Error) -> JournalError + use<> {
    let path = path.to_owned();
    move |source| JournalError::Io { path: path.clone(), what, source }
}

/// The end of a journal: enough bytes to hold a torn line behind a whole one.
struct Tail {
    bytes: Vec<u8>,
    /// Where in the file these bytes begin.
    offset: u64,
}

impl Tail {
    fn read(file: &mut File, len: u64) -> io::Result<Self> {
        let offset = len.saturating_sub(2 * EVENT_BYTES_MAX as u64 + 2);
        let mut bytes = Vec::with_capacity((len - offset) as usize);
        file.seek(SeekFrom::Start(offset))?;
        file.take(len - offset).read_to_end(&mut bytes)?;
        Ok(Self { bytes, offset })
    }

    /// Bytes of the file up to the end of its last whole line, and the sequence that follows that line.
    fn recover(&self, path: &Path) -> Result<(u64, u64), JournalError> {
        let whole = self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = &self.bytes[whole..];
        if !could_be_torn(torn) || (whole == 0 && self.offset > 0) {
            return Err(self.foreign(path, whole));
        }
        if whole == 0 {
            return Ok((0, 1));
        }
        let start = self.bytes[..whole - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        match serde_json::from_slice::<Head>(&self.bytes[start..whole - 1]) {
            Ok(Head { version: EVENT_VERSION, sequence }) => Ok((self.offset + whole as u64, sequence + 1)),
            _ => Err(self.foreign(path, start)),
        }
    }

    fn foreign(&self, path: &Path, at: usize) -> JournalError {
        let shown = &self.bytes[at..self.bytes.len().min(at + 80)];
        let got = String::from_utf8_lossy(shown).into_owned();
        JournalError::Foreign { path: path.to_owned(), at: self.offset + at as u64, got }
    }
}

/// Whether bytes without a line's end may be what a killed writer (or, as zeros, a lost power supply) left.
fn could_be_torn(bytes: &[u8]) -> bool {
    let head = format!(r#"{{"version":{EVENT_VERSION},"sequence":"#);
    let common = bytes.len().min(head.len());
    bytes[..common] == head.as_bytes()[..common] || bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::{Individual, Subject};
    use crate::output::Edge;
    use crate::output::event::tests::verdict;

    fn any_verdict() -> Verdict {
        verdict(Subject::One(Individual(0)), Edge::Onset)
    }

    fn written(count: u64) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let (mut journal, _) = Journal::open(&path, JOURNAL_BYTES_MAX).unwrap();
        for at in 0..count {
            journal.append(&any_verdict(), at as i64).unwrap();
        }
        (folder, path)
    }

    fn sequences(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str::<Event>(line).unwrap().sequence).collect()
    }

    #[test]
    fn the_sequence_goes_on_after_every_possible_tear() {
        let (_folder, path) = written(3);
        let bytes = std::fs::read(&path).unwrap();
        let two_lines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
        for kept in two_lines..bytes.len() {
            std::fs::write(&path, &bytes[..kept]).unwrap();
            let (mut journal, recovery) = Journal::open(&path, JOURNAL_BYTES_MAX).unwrap();
            assert_eq!(recovery, Recovery { sequence_next: 3, torn_bytes: (kept - two_lines) as u64 });
            journal.append(&any_verdict(), 0).unwrap();
            assert_eq!(sequences(&path), [1, 2, 3]);
        }
    }

    #[test]
    fn a_tear_in_the_first_line_begins_anew() {
        let (_folder, path) = written(1);
        let bytes = std::fs::read(&path).unwrap();
        for torn in [&bytes[..1], &bytes[..bytes.len() - 1], &[0; 10]] {
            std::fs::write(&path, torn).unwrap();
            let (mut journal, _) = Journal::open(&path, JOURNAL_BYTES_MAX).unwrap();
            journal.append(&any_verdict(), 0).unwrap();
            assert_eq!(sequences(&path), [1]);
        }
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let (_folder, path) = written(1);
        let line = std::fs::read_to_string(&path).unwrap();
        for text in ["export PATH\n", "export PATH", "{\"version\":2,\"sequence\":1}\n", &format!("{line}alias ls")] {
            std::fs::write(&path, text).unwrap();
            let error = Journal::open(&path, JOURNAL_BYTES_MAX).unwrap_err();
            assert!(matches!(error, JournalError::Foreign { .. }), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_journal_has_one_writer() {
        let (_folder, path) = written(0);
        let _held = Journal::open(&path, JOURNAL_BYTES_MAX).unwrap();
        assert!(matches!(Journal::open(&path, JOURNAL_BYTES_MAX), Err(JournalError::Held { .. })));
    }

    #[test]
    fn a_full_journal_refuses_and_keeps_its_sequence() {
        let (_folder, path) = written(2);
        let bytes = std::fs::metadata(&path).unwrap().len();
        let (mut journal, _) = Journal::open(&path, bytes).unwrap();
        assert!(matches!(journal.append(&any_verdict(), 0), Err(JournalError::Full { .. })));
        drop(journal);
        let (mut journal, _) = Journal::open(&path, JOURNAL_BYTES_MAX).unwrap();
        journal.append(&any_verdict(), 0).unwrap();
        assert_eq!(sequences(&path), [1, 2, 3]);
    }

    #[test]
    fn what_a_failed_write_left_is_cut_off_before_the_next_line() {
        let (_folder, path) = written(1);
        let (mut journal, _) = Journal::open(&path, JOURNAL_BYTES_MAX).unwrap();
        journal.torn = true;
        journal.file.write_all(br#"{"version":1,"seq"#).unwrap();
        journal.append(&any_verdict(), 0).unwrap();
        assert_eq!(sequences(&path), [1, 2]);
    }
}
