//! The dose book: what was given, in a file that outlives the process and the machine's power.
//!
//! A dose that is forgotten is given twice, so a stimulus may only go out when the book holds it on the device. To sync
//! a file takes milliseconds that would delay the laser; so it is done *before* the stimulus is needed:
//! [`DoseBook::reserve`] writes and syncs that an output may give one stimulus, and [`DoseBook::spend`] uses it without
//! waiting.
//!
//! # In which order
//! 1. At arming, and again after every stimulus: `reserve` the longest stimulus that the output may be asked for.
//! 2. `Allowance::book`, then [`DoseBook::spend`], then the stimulus goes out. If `spend` fails: `Allowance::cancel`,
//!    and nothing goes out.
//! 3. At its end: [`DoseBook::settle`], then `Allowance::settle`. If it provably never went out: `cancel` in both.
//! 4. At disarming: [`DoseBook::release`] what is reserved, or it counts as given.
//!
//! # After a crash
//! A reservation without a stimulus counts as a stimulus of its full length that ended when the book was opened again,
//! on any of the rig's animals. A stimulus that was not settled counts with its planned on-time and ended then, too.
//! Times that lie in the future, because the clock was set back, count as now. A clock that was set *forward* between
//! two processes cannot be told from time that went by: only the session's maxima hold against it.

mod line;
mod replay;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use self::line::{BOOK_VERSION, Chain, LINE_BYTES_MAX, Misfit, Record};
use self::replay::{Damage, Reading, Replay};
use crate::trigger::allowance::{Allowance, BookingId, Kind, NAME_BYTES_MAX, OUTPUTS_MAX, Past, Request};

/// Largest dose book unless configured otherwise: some 80,000 stimuli.
pub const BOOK_BYTES_MAX: u64 = 64 << 20;

/// How far a full book may still grow: by what uses and ends the reservations that it holds.
const ENDING_BYTES_MAX: u64 = (OUTPUTS_MAX * 4 * LINE_BYTES_MAX) as u64;

/// An append-only file of one session's doses, held by one process at a time.
#[derive(Debug)]
pub struct DoseBook {
    file: File,
    path: PathBuf,
    bytes: u64,
    bytes_max: u64,
    chain: Chain,
    replay: Replay,
    failing: bool,
    #[cfg(test)]
    synced_bytes: u64,
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub allowance: Allowance,
    /// Stimulations whose end was not in the book: they count in full. 0 after an orderly end.
    pub unsettled: usize,
    /// Bytes of a torn last line that were cut off.
    pub torn_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum DoseBookError {
    #[error("dose book {path}: {what}: {source}")]
    Io { path: PathBuf, what: &'static str, source: io::Error },
    #[error("dose book {path}: expected a regular file")]
    NotAFile { path: PathBuf },
    #[error("dose book {path}: another process holds it")]
    Held { path: PathBuf },
    #[error("dose book {path}: expected at most {expected} bytes, got {got}")]
    TooLarge { path: PathBuf, expected: u64, got: u64 },
    #[error("dose book {path}: expected session {expected:?}, got {got:?}; choose another file")]
    Session { path: PathBuf, expected: String, got: String },
    #[error("dose book {path}: line {line}: expected {expected}, got {got}")]
    Damaged { path: PathBuf, line: u64, expected: String, got: String },
    #[error("dose book {path}: expected {expected}, got {got}")]
    Misuse { path: PathBuf, expected: String, got: String },
    #[error("dose book {path}: expected at most {expected} bytes, got {got} with the next record")]
    Full { path: PathBuf, expected: u64, got: u64 },
    #[error("dose book {path}: it could not be written before; open it again")]
    Failing { path: PathBuf },
}

impl DoseBook {
    /// Opens or creates the book of a session, of at most `bytes_max` bytes (a little more to end what is on), and
    /// holds it until dropped. `now_nanos` is a moment of the steady time line that the book is used with.
    ///
    /// # Errors
    /// A file that cannot be written, that another process holds, of another session, or with damage that a torn last
    /// line does not explain. Nothing may be armed then.
    pub fn open(path: &Path, session: &str, now_nanos: i64, bytes_max: u64) -> Result<(Self, Restored), DoseBookError> {
        let path = path.to_owned();
        let mut file = hold(&path)?;
        let bytes = read(&mut file, &path, bytes_max)?;
        let Reading { replay, chain, mut past, whole_bytes, unended } =
            Replay::read(&bytes).map_err(|Damage { line, misfit }| damaged(&path, line, misfit))?;
        if let Some(got) = replay.session().filter(|got| *got != session) {
            return Err(DoseBookError::Session { expected: session.to_string(), got: got.to_string(), path });
        }
        let torn_bytes = bytes.len() as u64 - whole_bytes;
        file.set_len(whole_bytes).map_err(io_error(&path, "cut"))?;
        let mut book = Self {
            file,
            path,
            bytes: whole_bytes,
            bytes_max,
            chain,
            replay,
            failing: false,
            #[cfg(test)]
            synced_bytes: 0,
        };
        if unended {
            book.write(b"\n")?;
        }
        let first = book.replay.session().is_none();
        let opened = if first {
            Record::Header { version: BOOK_VERSION, session: session.to_string(), at_nanos: now_nanos }
        } else {
            Record::Opened { at_nanos: now_nanos }
        };
        let before = past.len();
        past.extend(book.append(&opened, book.bytes_max)?);
        book.sync()?;
        sync_folder(&book.path)?;
        let unsettled = past.len() - before;
        let allowance = Allowance::restore(now_nanos, book.replay.booking_next(), past);
        Ok((book, Restored { allowance, unsettled, torn_bytes }))
    }

    /// What another session's book says was given, without holding it. What it does not know the end of ended now.
    ///
    /// # Errors
    /// A file that cannot be read, or with damage that a torn last line does not explain.
    pub fn past(path: &Path, now_nanos: i64, bytes_max: u64) -> Result<Vec<Past>, DoseBookError> {
        let mut file = File::open(path).map_err(io_error(path, "open"))?;
        if !file.metadata().map_err(io_error(path, "inspect"))?.is_file() {
            return Err(DoseBookError::NotAFile { path: path.to_owned() });
        }
        let bytes = read(&mut file, path, bytes_max)?;
        let damage = |Damage { line, misfit }| damaged(path, line, misfit);
        let Reading { mut replay, mut past, .. } = Replay::read(&bytes).map_err(damage)?;
        if replay.session().is_some() {
            let unended = replay.apply(&Record::Opened { at_nanos: now_nanos });
            past.extend(unended.map_err(|misfit| misuse(path, misfit))?);
        }
        Ok(past)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a write failed: then nothing may go out until the book was opened again.
    pub fn is_failing(&self) -> bool {
        self.failing
    }

    /// The longest stimulus that the output may give without waiting.
    pub fn reserved_millis(&self, output: &str) -> Option<u64> {
        self.replay.reserved_millis(output)
    }

    /// Lets the output give one stimulus of at most `on_millis`, and waits until that, and all before it, is on the
    /// device. What is reserved already is raised, or left where it is enough.
    pub fn reserve(&mut self, now_nanos: i64, output: &str, on_millis: u64) -> Result<(), DoseBookError> {
        if !(1..=NAME_BYTES_MAX).contains(&output.len()) {
            let expected = format!("an output with a name of 1 to {NAME_BYTES_MAX} bytes");
            return Err(self.misuse(Misfit { expected, got: format!("{} bytes", output.len()) }));
        }
        if !self.failing && self.reserved_millis(output).is_some_and(|reserved_millis| reserved_millis >= on_millis) {
            return Ok(());
        }
        let record = Record::Reserved { at_nanos: now_nanos, output: output.to_string(), on_millis };
        self.append(&record, self.bytes_max)?;
        self.sync()
    }

    /// Gives a reservation back that was not used.
    pub fn release(&mut self, now_nanos: i64, output: &str) -> Result<(), DoseBookError> {
        self.append(&Record::Released { at_nanos: now_nanos, output: output.to_string() }, self.ending_bytes_max())?;
        self.sync()
    }

    /// Writes a stimulation that was allowed and is about to begin. It does not wait for the device: a stimulus takes
    /// up the reservation of its output. A sham needs one as well, and leaves it.
    ///
    /// # Errors
    /// Also where less is reserved. Then nothing may go out.
    pub fn spend(&mut self, booking: BookingId, request: &Request) -> Result<(), DoseBookError> {
        let record = Record::Spent {
            booking: booking.number,
            begin_nanos: booking.begin_nanos,
            kind: request.kind,
            output: request.output.clone(),
            animals: request.animals.clone(),
            on_millis: request.on_millis,
        };
        let sham = request.kind == Kind::Sham;
        self.append(&record, if sham { self.bytes_max } else { self.ending_bytes_max() })?;
        Ok(())
    }

    /// Writes when a stimulation ended and how long the output was on. Waits for the device only if that is more than
    /// was planned: else the book says no less without it.
    pub fn settle(&mut self, booking: BookingId, end_nanos: i64, on_millis_actual: u64) -> Result<(), DoseBookError> {
        let planned_millis = self.replay.planned_millis(booking.number);
        let record = Record::Settled { booking: booking.number, end_nanos, on_millis: on_millis_actual };
        self.append(&record, self.ending_bytes_max())?;
        if planned_millis.is_some_and(|planned_millis| on_millis_actual > planned_millis) {
            self.sync()?;
        }
        Ok(())
    }

    /// Writes that a stimulation provably never went out. Its reservation is used up all the same.
    pub fn cancel(&mut self, booking: BookingId) -> Result<(), DoseBookError> {
        self.append(&Record::Cancelled { booking: booking.number }, self.ending_bytes_max())?;
        Ok(())
    }

    fn ending_bytes_max(&self) -> u64 {
        self.bytes_max.saturating_add(ENDING_BYTES_MAX)
    }

    /// Writes a record, unless it does not fit what the book says or has no room; then the book is as before.
    fn append(&mut self, record: &Record, bytes_max: u64) -> Result<Vec<Past>, DoseBookError> {
        if self.failing {
            return Err(DoseBookError::Failing { path: self.path.clone() });
        }
        let mut chain = self.chain.clone();
        let line = chain.seal(record).map_err(|misfit| self.misuse(misfit))?;
        let got = self.bytes + line.len() as u64;
        if got > bytes_max {
            return Err(DoseBookError::Full { path: self.path.clone(), expected: bytes_max, got });
        }
        let past = self.replay.apply(record).map_err(|misfit| misuse(&self.path, misfit))?;
        self.write(line.as_bytes())?;
        self.chain = chain;
        Ok(past)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DoseBookError> {
        self.failing = true;
        self.file.write_all(bytes).map_err(io_error(&self.path, "write"))?;
        self.failing = false;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), DoseBookError> {
        self.failing = true;
        self.file.sync_data().map_err(io_error(&self.path, "sync"))?;
        self.failing = false;
        #[cfg(test)]
        {
            self.synced_bytes = self.bytes;
        }
        Ok(())
    }

    fn misuse(&self, misfit: Misfit) -> DoseBookError {
        misuse(&self.path, misfit)
    }
}

/// Opens or creates a regular file, and locks it.
fn hold(path: &Path) -> Result<File, DoseBookError> {
    let failed = |what| io_error(path, what);
    let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed("open"))?;
    if !file.metadata().map_err(failed("inspect"))?.is_file() {
        return Err(DoseBookError::NotAFile { path: path.to_owned() });
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DoseBookError::Held { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed("lock")(source)),
    }
}

fn read(file: &mut File, path: &Path, bytes_max: u64) -> Result<Vec<u8>, DoseBookError> {
    let expected = bytes_max.saturating_add(ENDING_BYTES_MAX);
    let got = file.metadata().map_err(io_error(path, "inspect"))?.len();
    if got > expected {
        return Err(DoseBookError::TooLarge { path: path.to_owned(), expected, got });
    }
    let mut bytes = Vec::with_capacity(got as usize);
    file.take(got).read_to_end(&mut bytes).map_err(io_error(path, "read"))?;
    Ok(bytes)
}

/// Without this a new file may vanish with the power, and all its doses with it.
fn sync_folder(path: &Path) -> Result<(), DoseBookError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(path, "sync the folder of"))
}

fn io_error(path: &Path, what: &'static str) -> impl Fn(io::Error) -> DoseBookError + use<> {
    let path = path.to_owned();
    move |source| DoseBookError::Io { path: path.clone(), what, source }
}

fn damaged(path: &Path, line: u64, Misfit { expected, got }: Misfit) -> DoseBookError {
    DoseBookError::Damaged { path: path.to_owned(), line, expected, got }
}

fn misuse(path: &Path, Misfit { expected, got }: Misfit) -> DoseBookError {
    DoseBookError::Misuse { path: path.to_owned(), expected, got }
}
