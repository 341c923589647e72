//! The thread that writes what the callbacks handed over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Config, Intake, Message, RecordError};
use crate::corpus::log::file::{LogFile, Out, Pending, utc};
use crate::corpus::log::writer::Put;
use crate::corpus::log::{LogWriter, Logged, Part};
use crate::live::clock::Moment;
use crate::live::lock;
use crate::live::queue::Popped;

/// How long at most a message stays in memory: killing the process loses no more.
const STORE: Duration = Duration::from_millis(500);

/// How long at most it stays in the operating system's memory: a machine that fails loses no more.
const SYNC: Duration = Duration::from_secs(1);

/// How often a failed write is tried again, and losses are written into the log.
const RETRY: Duration = Duration::from_secs(1);

/// What waits to be stored is stored early once it is this much.
const PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often storing is tried before the end is given up.
const LAST_TRIES: u32 = 3;

/// The log in hand.
struct Open {
    writer: LogWriter<Pending>,
    file: LogFile,
    pending: Pending,
    /// Where the log's clock was set.
    anchor: Moment,
}

/// What the thread owns.
pub(super) struct Writing {
    intake: Arc<Intake>,
    config: Config,
    open: Open,
    /// Bytes of the files before this one.
    stored_before: u64,
    next_store: Instant,
    next_sync: Instant,
    /// What the log says of losses.
    lost_noted: u64,
    /// Messages that were put and not stored yet.
    unstored: u64,
    next_rotation: Instant,
    /// Why the last file has no index, or the next could not be begun; until another one is.
    trouble: Option<String>,
}

impl Open {
    fn new(config: &Config, first: bool) -> Result<Self, RecordError> {
        let anchor = Moment::now();
        let (Out::Folder(path) | Out::File(path)) = &config.out;
        let failed = |source| RecordError::Create { path: path.clone(), source };
        let mut file = LogFile::create(&config.out, anchor.unix_nanos, first).map_err(failed)?;
        let pending = file.pending();
        let writer = LogWriter::new(pending.clone(), &utc(anchor.unix_nanos)).map_err(failed)?;
        file.store().map_err(failed)?;
        Ok(Self { writer, file, pending, anchor })
    }

    /// A moment on the log's clock, which lies before the file's start for what waited since then.
    fn nanos(&self, moment: &Moment) -> i64 {
        let signed = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let (after, before) = (moment.since(&self.anchor), self.anchor.since(moment));
        self.anchor.unix_nanos.saturating_add(signed(after)).saturating_sub(signed(before))
    }

    /// Ends the file and gives its bytes; how far the wall clock left the log's is written into it.
    fn finish(mut self, lost: u64) -> std::io::Result<u64> {
        let now = Moment::now();
        let stepped = now.unix_nanos.saturating_sub(self.nanos(&now));
        self.writer.finish(lost, stepped)?;
        self.file.store()?;
        self.file.sync()?;
        Ok(self.file.stored())
    }
}

impl Writing {
    /// Begins the first file.
    pub fn new(intake: Arc<Intake>, config: Config) -> Result<Self, RecordError> {
        let open = Open::new(&config, true)?;
        lock(&intake.progress).files.push(open.file.path().to_owned());
        let now = Instant::now();
        let next_rotation = now + config.span_max;
        Ok(Self {
            intake,
            config,
            open,
            stored_before: 0,
            next_store: now + STORE,
            next_sync: now + SYNC,
            lost_noted: 0,
            unstored: 0,
            next_rotation,
            trouble: None,
        })
    }

    /// Writes until the queue is closed.
    pub fn work(mut self) -> Result<(), RecordError> {
        loop {
            match self.intake.queue.pop(self.next_store) {
                Popped::Item(message) => self.put(message),
                Popped::Empty => {}
                Popped::Closed => return self.end(),
            }
            let now = Instant::now();
            if now >= self.next_store || self.open.pending.len() >= PENDING_BYTES_MAX {
                self.store_or_wait();
                let now = Instant::now();
                self.next_store = now + STORE;
                let full = self.open.file.stored() >= self.config.bytes_max && self.trouble.is_none();
                if full || now >= self.next_rotation {
                    self.rotate();
                }
            }
        }
    }

    fn put(&mut self, message: Message) {
        let Message { topic, encoding, payload, arrived } = message;
        let bytes = payload.len();
        self.intake.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        let logged = Logged { topic, encoding, payload, arrived_nanos: self.open.nanos(&arrived) };
        let cage = &logged.topic.cage;
        let put = match self.open.writer.put(&logged) {
            Ok(Put::TooManyTopics) => return self.intake.lose(Some(cage), "too-many-topics"),
            // Writing to memory does not fail; what the format refuses is lost.
            Err(_) => return self.intake.lose(Some(cage), "format"),
            Ok(put) => put,
        };
        self.unstored += 1;
        let mut progress = lock(&self.intake.progress);
        let count = progress.cages.entry(cage.clone()).or_default();
        count.bytes += bytes as u64;
        count.garbled += u64::from(put == Put::Garbled);
        match logged.topic.part {
            Part::Pose if put == Put::Frame => count.frames += 1,
            Part::Event(_) => count.events += 1,
            Part::Pose | Part::Stream | Part::Status => count.others += 1,
        }
    }

    /// Stores what was put; where that fails, tries until it does not, or until the recorder is told to end.
    fn store_or_wait(&mut self) {
        while let Err(error) = self.store() {
            self.fail(Some(format!("nothing can be written, what comes is going to be lost: {error}")));
            if self.intake.queue.wait_closed(RETRY) {
                return;
            }
        }
        self.fail(self.trouble.clone());
    }

    fn fail(&self, failing: Option<String>) {
        lock(&self.intake.progress).failing = failing;
    }

    fn store(&mut self) -> std::io::Result<()> {
        let now = Moment::now();
        let (lost, in_all) = {
            let progress = lock(&self.intake.progress);
            (progress.lost(), progress.lost_in_all())
        };
        if in_all > self.lost_noted && self.open.pending.is_empty() {
            self.open.writer.note_lost(&lost, self.open.nanos(&now))?;
            self.lost_noted = in_all;
        }
        self.open.writer.flush()?;
        self.open.file.store()?;
        self.unstored = 0;
        if now.monotonic >= self.next_sync {
            self.open.file.sync()?;
            self.next_sync = Instant::now() + SYNC;
        }
        lock(&self.intake.progress).stored = self.stored_before + self.open.file.stored();
        Ok(())
    }

    /// Goes on in another file, which begins with the descriptions in force. Where none can be created, the present one
    /// grows on, and it is tried again.
    fn rotate(&mut self) {
        let mut next = match Open::new(&self.config, false) {
            Ok(next) => next,
            Err(error) => {
                self.next_rotation = Instant::now() + RETRY;
                self.trouble = Some(format!("no other file can be begun, the present one goes on: {error}"));
                return;
            }
        };
        self.next_rotation = Instant::now() + self.config.span_max;
        for description in self.open.writer.descriptions() {
            // As if it came now, so that the file does not seem to begin when it first did. This is written to memory,
            // where only the format could refuse it, and it comes again within a second.
            let _ = next.writer.put(&Logged { arrived_nanos: next.anchor.unix_nanos, ..description.clone() });
        }
        lock(&self.intake.progress).files.push(next.file.path().to_owned());
        let past = std::mem::replace(&mut self.open, next);
        let stored = past.file.stored();
        let ended = past.finish(self.lost_noted);
        self.trouble = ended.as_ref().err().map(|error| format!("the past file was left without its index: {error}"));
        self.stored_before += ended.unwrap_or(stored);
    }

    /// Writes what waits and ends the file.
    fn end(mut self) -> Result<(), RecordError> {
        let unwritten = |writing: &Self, source| {
            let (path, lost) = (writing.open.file.path().to_owned(), writing.unstored);
            RecordError::Unwritten { path, lost, source }
        };
        for last in (0..LAST_TRIES).rev() {
            match self.store() {
                Ok(()) => break,
                Err(error) if last == 0 => return Err(unwritten(&self, error)),
                Err(_) => std::thread::sleep(RETRY),
            }
        }
        // What was lost meanwhile is noted once nothing else is pending.
        self.store().map_err(|error| unwritten(&self, error))?;
        self.fail(None);
        let path = self.open.file.path().to_owned();
        let stored = self.open.finish(self.lost_noted);
        let stored = stored.map_err(|source| RecordError::Unwritten { path, lost: 0, source })?;
        lock(&self.intake.progress).stored = self.stored_before + stored;
        Ok(())
    }
}
