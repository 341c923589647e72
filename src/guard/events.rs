//! What wakes the guard's one deciding thread, and the threads that do nothing but wait for it.
//!
//! They are not joined: a read that waits for ever ends with the process.

use std::io::{self, BufReader, Read, Write};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

use crate::guard::open::{OpenError, Opened};
use crate::guard::wire::{Order, Report, WireError, line_of, read_message};

/// Events that may wait. Their senders wait when it is full: the pipe and the devices then do, too.
pub const EVENTS_MAX: usize = 64;
/// Reports that may wait for the detector to read them, besides what its pipe holds.
const REPORTS_MAX: usize = 1_024;

pub enum Event {
    /// An order and when it came; `None` when the pipe ended.
    Order(Instant, Result<Option<Order>, WireError>),
    Opened(usize, Result<Opened, OpenError>),
    Bytes(usize, Vec<u8>),
    Gone(usize, String),
    /// The process was told to end.
    Stop,
}

pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().name(name.to_owned()).spawn(work).map(|_| ())
}

/// Reads orders until the pipe ends or brings what is none.
pub fn read_orders(stdin: impl Read + Send + 'static, events: Sender<Event>) -> io::Result<()> {
    spawn("orders", move || {
        let mut stdin = BufReader::new(stdin);
        loop {
            let order = read_message(&mut stdin);
            let last = !matches!(order, Ok(Some(_)));
            if events.send(Event::Order(Instant::now(), order)).is_err() || last {
                return;
            }
        }
    })
}

pub fn forward_stop(stop: Receiver<()>, events: Sender<Event>) -> io::Result<()> {
    spawn("stop", move || {
        if stop.recv().is_ok() {
            let _ = events.send(Event::Stop);
        }
    })
}

/// The way to the detector. A detector that does not read must not hold up the guard.
pub struct Reports {
    queue: Sender<Report>,
    written: Receiver<()>,
    lost: Option<Lost>,
}

/// Why a report could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The detector does not read.
    Full,
    /// It cannot any more.
    Closed,
}

impl Reports {
    pub fn start(mut stdout: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, waiting) = bounded::<Report>(REPORTS_MAX);
        let (done, written) = bounded(1);
        spawn("reports", move || {
            for report in waiting {
                if stdout.write_all(&line_of(&report)).and_then(|()| stdout.flush()).is_err() {
                    break;
                }
            }
            let _ = done.send(());
        })?;
        Ok(Self { queue, written, lost: None })
    }

    pub fn send(&mut self, report: Report) {
        match self.queue.try_send(report) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.lost = self.lost.or(Some(Lost::Full)),
            Err(TrySendError::Disconnected(_)) => self.lost = self.lost.or(Some(Lost::Closed)),
        }
    }

    pub fn lost(&self) -> Option<Lost> {
        self.lost
    }

    /// Waits for the last ones to be written, but not for ever.
    pub fn finish(self, patience: Duration) {
        drop(self.queue);
        let _ = self.written.recv_timeout(patience);
    }
}
