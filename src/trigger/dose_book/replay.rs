//! What a dose book's records come to: what is reserved, what is on, and what was given.

use std::collections::BTreeMap;

use super::line::{BOOK_VERSION, Chain, Misfit, Record, without_zeros};
use crate::trigger::allowance::{Animals, Kind, OUTPUTS_MAX, Past};

/// A book up to some line. It is the same whether the records were read or have just been made.
///
/// # Time
/// Within one process time is steady. From one process to the next the clock may have been set back, but what comes
/// later in the book happened later: so a time that lies before the newest time of an earlier process is taken as that
/// one.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    session: Option<String>,
    /// By output: the longest stimulus that it may give next.
    reserved: BTreeMap<String, u64>,
    /// By booking: spent and not settled.
    running: BTreeMap<u64, Running>,
    booking_next: u64,
    /// The newest time of earlier processes.
    floor_nanos: i64,
    /// The newest time of all.
    latest_nanos: i64,
}

#[derive(Clone, Debug)]
struct Running {
    kind: Kind,
    output: String,
    animals: Animals,
    on_millis: u64,
}

/// A book as it was read.
#[derive(Debug)]
pub(super) struct Reading {
    pub replay: Replay,
    pub chain: Chain,
    pub past: Vec<Past>,
    /// Bytes of whole records.
    pub whole_bytes: u64,
    /// Whether the last of them lacks the end of its line.
    pub unended: bool,
}

/// What is wrong with a book, and in which line.
#[derive(Debug)]
pub(super) struct Damage {
    pub line: u64,
    pub misfit: Misfit,
}

impl Replay {
    pub fn new() -> Self {
        Self {
            session: None,
            reserved: BTreeMap::new(),
            running: BTreeMap::new(),
            booking_next: 1,
            floor_nanos: i64::MIN,
            latest_nanos: i64::MIN,
        }
    }

    /// Reads a book from its first byte on, up to its end or a torn last line.
    pub fn read(bytes: &[u8]) -> Result<Reading, Damage> {
        let (mut replay, mut chain, mut past) = (Self::new(), Chain::default(), Vec::new());
        let mut whole_bytes = 0;
        let mut unended = false;
        while whole_bytes < bytes.len() && !unended {
            let rest = &bytes[whole_bytes..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let line = end.map_or_else(|| without_zeros(rest), |end| &rest[..end]);
            let line_number = chain.line_next();
            let before = chain.clone();
            let record = match chain.unseal(line) {
                Err(_) if end.is_none() && before.could_be_torn(rest) => break,
                record => record.map_err(|misfit| Damage { line: line_number, misfit })?,
            };
            past.extend(replay.apply(&record).map_err(|misfit| Damage { line: line_number, misfit })?);
            whole_bytes += line.len() + usize::from(end.is_some());
            unended = end.is_none();
        }
        Ok(Reading { replay, chain, past, whole_bytes: whole_bytes as u64, unended })
    }

    /// `None` before the header.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub fn booking_next(&self) -> u64 {
        self.booking_next
    }

    pub fn reserved_millis(&self, output: &str) -> Option<u64> {
        self.reserved.get(output).copied()
    }

    /// The planned on-time of a stimulus that is on; of a sham none.
    pub fn planned_millis(&self, booking: u64) -> Option<u64> {
        let running = self.running.get(&booking)?;
        Some(if running.kind == Kind::Sham { 0 } else { running.on_millis })
    }

    /// Takes the next record, and tells which stimulations it ends. A record that does not fit changes nothing.
    pub fn apply(&mut self, record: &Record) -> Result<Vec<Past>, Misfit> {
        if self.session.is_some() == matches!(record, Record::Header { .. }) {
            let place = if self.session.is_some() { "after" } else { "of" };
            return Err(misfit(format!("a record {place} the header"), record));
        }
        let mut past = Vec::new();
        match record {
            Record::Header { version, .. } if *version != BOOK_VERSION => {
                return Err(misfit(format!("a dose book of version {BOOK_VERSION}"), record));
            }
            Record::Header { session, at_nanos, .. } => {
                self.session = Some(session.clone());
                self.pass(*at_nanos);
            }
            Record::Opened { at_nanos } => past = self.end_process(*at_nanos),
            Record::Reserved { at_nanos, output, on_millis } => {
                if !self.reserved.contains_key(output) && self.reserved.len() >= OUTPUTS_MAX {
                    return Err(misfit(format!("at most {OUTPUTS_MAX} outputs"), record));
                }
                self.reserved.insert(output.clone(), *on_millis);
                self.pass(*at_nanos);
            }
            Record::Released { at_nanos, output } => {
                self.reserved.remove(output).ok_or_else(|| misfit(format!("a reservation of {output}"), record))?;
                self.pass(*at_nanos);
            }
            Record::Spent { .. } => self.spend(record)?,
            Record::Settled { booking, end_nanos, on_millis } => {
                let running = self.end(*booking, record)?;
                let kind = if *on_millis > 0 { Kind::Stimulus } else { running.kind };
                past.push(running.into_past(kind, (*end_nanos).max(self.floor_nanos), *on_millis));
                self.pass(*end_nanos);
            }
            Record::Cancelled { booking } => {
                self.end(*booking, record)?;
            }
        }
        Ok(past)
    }

    fn spend(&mut self, record: &Record) -> Result<(), Misfit> {
        let Record::Spent { booking, begin_nanos, kind, output, animals, on_millis } = record else {
            return Err(misfit("a stimulation".to_string(), record));
        };
        if *booking < self.booking_next {
            return Err(misfit(format!("a booking from {} on", self.booking_next), record));
        }
        match (kind, self.reserved_millis(output)) {
            // A sham is written unsynced as well: until it is synced, the reservation speaks for it.
            (Kind::Sham, Some(_)) => {}
            (Kind::Stimulus, Some(reserved_millis)) if *on_millis <= reserved_millis => {
                self.reserved.remove(output);
            }
            (_, reserved_millis) => {
                let reserved_millis = reserved_millis.map_or("none".to_string(), |millis| format!("{millis} ms"));
                let expected = format!("no more than is reserved of {output} ({reserved_millis})");
                return Err(misfit(expected, record));
            }
        }
        let running = Running { kind: *kind, output: output.clone(), animals: animals.clone(), on_millis: *on_millis };
        self.running.insert(*booking, running);
        self.booking_next = booking + 1;
        self.pass(*begin_nanos);
        Ok(())
    }

    fn end(&mut self, booking: u64, record: &Record) -> Result<Running, Misfit> {
        self.running.remove(&booking).ok_or_else(|| misfit("a booking that is on".to_string(), record))
    }

    /// All that is reserved or on was spent in full and ended now, at the latest. Which animals a reservation went to
    /// is not known: the record of it may be lost.
    fn end_process(&mut self, at_nanos: i64) -> Vec<Past> {
        self.pass(at_nanos);
        self.floor_nanos = self.latest_nanos;
        let end_nanos = self.latest_nanos;
        let running = std::mem::take(&mut self.running).into_values().map(|running| {
            let (kind, on_millis) = (running.kind, running.on_millis);
            running.into_past(kind, end_nanos, on_millis)
        });
        let reserved = std::mem::take(&mut self.reserved).into_iter().map(|(output, on_millis)| Past {
            kind: Kind::Stimulus,
            output,
            animals: None,
            end_nanos,
            on_millis,
        });
        running.chain(reserved).collect()
    }

    fn pass(&mut self, at_nanos: i64) {
        self.latest_nanos = self.latest_nanos.max(at_nanos);
    }
}

impl Running {
    fn into_past(self, kind: Kind, end_nanos: i64, on_millis: u64) -> Past {
        Past { kind, output: self.output, animals: Some(self.animals), end_nanos, on_millis }
    }
}

fn misfit(expected: String, record: &Record) -> Misfit {
    Misfit { expected, got: format!("{record:?}") }
}
