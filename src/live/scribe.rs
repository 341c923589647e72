//! The scribe: one thread that writes every event to the journal and only then hands it on to be published.

use std::fs::File;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::keys::CageName;
use crate::live::clock::Moment;
use crate::live::herald::{Outbox, Outgoing};
use crate::live::queue::LaneQueue;
use crate::live::tally::Tallies;
use crate::live::{LiveError, join, lock, spawn};
use crate::output::event::Verdict;
use crate::output::journal::Journal;
use crate::time::DelayTicks;

/// Verdicts of each cage that may wait for the journal; the oldest give way and are counted.
pub const VERDICTS_MAX: usize = 1024;

/// How long after a failed write the next one is tried.
const RETRY: Duration = Duration::from_millis(500);

/// Shortest time between two syncs, so that a burst of events costs few of them; well within the 100 ms that an event
/// may take to reach the device.
const SYNC_PACE: Duration = Duration::from_millis(50);

/// A decided edge on its way to the journal.
#[derive(Debug)]
pub struct Decided {
    pub cage: CageName,
    pub verdict: Verdict,
    pub decided: Instant,
}

/// Verdicts on their way to the journal.
pub type Inbox = LaneQueue<CageName, Decided>;

/// Whether the journal can be written, as all threads see it.
#[derive(Clone, Debug, Default)]
pub struct JournalHealth {
    failing: Arc<Mutex<Option<String>>>,
}

impl JournalHealth {
    /// Why the journal cannot be written; `None` while it can.
    pub fn failing(&self) -> Option<String> {
        lock(&self.failing).clone()
    }

    fn set(&self, failing: Option<String>) {
        *lock(&self.failing) = failing;
    }
}

/// The threads that write and sync; they end when the inbox is closed.
#[derive(Debug)]
pub struct Scribe {
    writing: JoinHandle<Journal>,
    syncing: JoinHandle<()>,
}

impl Scribe {
    pub fn start(
        journal: Journal,
        inbox: Arc<Inbox>,
        outbox: Arc<Outbox>,
        tallies: Arc<Tallies>,
        health: JournalHealth,
    ) -> Result<Self, LiveError> {
        let file = journal.sync_handle()?;
        let (dirty, wake) = bounded(1);
        let (failed, sync_failures) = bounded(1);
        let syncing = spawn("journal sync", move || sync(&file, &wake, &failed))?;
        let desk = Desk { journal, inbox, outbox, tallies, health, dirty, sync_failures, distrust: None };
        Ok(Self { writing: spawn("journal", move || desk.work())?, syncing })
    }

    /// Waits until everything is written, handed on and synced.
    pub fn join(self) -> Result<(), LiveError> {
        let journal = join("journal", self.writing)?;
        join("journal sync", self.syncing)?;
        Ok(journal.sync()?)
    }
}

struct Desk {
    journal: Journal,
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
    tallies: Arc<Tallies>,
    health: JournalHealth,
    dirty: Sender<()>,
    sync_failures: Receiver<String>,
    /// A sync failed and none has succeeded since.
    distrust: Option<String>,
}

impl Desk {
    fn work(mut self) -> Journal {
        while let Some(decided) = self.inbox.pop_or_closed() {
            match self.write(&decided) {
                Some(json) => {
                    let Decided { cage, verdict, decided } = decided;
                    let key = cage.event(DelayTicks(verdict.delay));
                    self.outbox.send(Outgoing::Event { cage, key, json, decided }, &self.tallies);
                }
                None => self.tallies.with(&decided.cage, |tally| tally.counts.lose_unjournaled()),
            }
        }
        self.journal
    }

    /// Tries until it succeeds; once the detector ends, only once more.
    fn write(&mut self, decided: &Decided) -> Option<String> {
        loop {
            match self.try_write(decided) {
                Ok(json) => {
                    self.health.set(None);
                    return Some(json);
                }
                Err(failure) => self.health.set(Some(failure)),
            }
            if self.inbox.wait_closed(RETRY) {
                return self.try_write(decided).ok();
            }
        }
    }

    fn try_write(&mut self, decided: &Decided) -> Result<String, String> {
        if let Ok(failure) = self.sync_failures.try_recv() {
            self.distrust = Some(failure);
        }
        if let Some(failure) = &self.distrust {
            self.journal.sync().map_err(|error| format!("{failure}; again: {error}"))?;
            self.distrust = None;
        }
        let json =
            self.journal.append(&decided.verdict, Moment::now().unix_nanos).map_err(|error| error.to_string())?;
        // A full channel means that a sync is due already.
        let _ = self.dirty.try_send(());
        Ok(json)
    }
}

/// Syncs whenever something was written, until the writer is gone.
fn sync(file: &File, wake: &Receiver<()>, failed: &Sender<String>) {
    let mut last: Option<Instant> = None;
    while wake.recv().is_ok() {
        if let Some(last) = last {
            std::thread::sleep(SYNC_PACE.saturating_sub(last.elapsed()));
        }
        last = Some(Instant::now());
        if let Err(error) = file.sync_data() {
            let _ = failed.try_send(format!("sync: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::{Individual, Subject};
    use crate::live::queue::{Popped, Pushed, WhenFull};
    use crate::output::Edge;
    use crate::output::event::Event;
    use crate::output::event::tests::verdict;
    use crate::output::journal::JOURNAL_BYTES_MAX;

    struct Bench {
        _folder: tempfile::TempDir,
        path: std::path::PathBuf,
        inbox: Arc<Inbox>,
        outbox: Arc<Outbox>,
        tallies: Arc<Tallies>,
        health: JournalHealth,
        cage: CageName,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self {
                path: folder.path().join("journal.jsonl"),
                _folder: folder,
                inbox: Arc::new(Inbox::new(VERDICTS_MAX)),
                outbox: Arc::new(Outbox::new()),
                tallies: Arc::default(),
                health: JournalHealth::default(),
                cage: CageName::new("rig1", "cage1").unwrap(),
            }
        }

        fn start(&self, bytes_max: u64) -> Scribe {
            let (journal, _) = Journal::open(&self.path, bytes_max).unwrap();
            let (inbox, outbox) = (Arc::clone(&self.inbox), Arc::clone(&self.outbox));
            Scribe::start(journal, inbox, outbox, Arc::clone(&self.tallies), self.health.clone()).unwrap()
        }

        fn decide(&self) {
            let verdict = verdict(Subject::One(Individual(0)), Edge::Onset);
            let decided = Decided { cage: self.cage.clone(), verdict, decided: Instant::now() };
            assert!(matches!(self.inbox.push(&self.cage, decided, WhenFull::DropOldest), Pushed::Taken));
        }

        fn journaled(&self) -> Vec<String> {
            std::fs::read_to_string(&self.path).unwrap().lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn what_is_handed_on_is_in_the_journal_word_by_word() {
        let bench = Bench::new();
        let scribe = bench.start(JOURNAL_BYTES_MAX);
        for expected in 1..=50 {
            bench.decide();
            let Popped::Item(Outgoing::Event { json, .. }) = bench.outbox.pop(Instant::now() + Duration::from_mins(1))
            else {
                panic!("an event within a minute");
            };
            assert_eq!(bench.journaled().last(), Some(&json), "not in the journal before it was handed on");
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap().sequence, expected);
        }
        bench.inbox.close();
        scribe.join().unwrap();
    }

    #[test]
    fn a_journal_that_cannot_be_written_publishes_nothing_and_says_so() {
        let bench = Bench::new();
        let scribe = bench.start(10);
        bench.decide();
        let deadline = Instant::now() + Duration::from_mins(1);
        while bench.health.failing().is_none() {
            assert!(Instant::now() < deadline, "the failure was never told");
            std::thread::yield_now();
        }
        assert!(bench.health.failing().unwrap().contains("expected at most 10 bytes"));
        bench.decide();
        bench.inbox.close();
        scribe.join().unwrap();
        assert_eq!(bench.tallies.counts(&bench.cage).unjournaled, 2);
        assert!(matches!(bench.outbox.pop(Instant::now()), Popped::Empty) && bench.journaled().is_empty());
    }
}
