//! Live detection: the thin shell of threads and zenoh sessions around [`crate::core`].
//!
//! ```text
//! zenoh callbacks ─▶ intake ─▶ queue ─▶ cages (one thread) ─▶ scribe ─▶ herald ─▶ zenoh
//!                    decode,   bounded   network, bouts        journal   events, status
//!                    agree     per cage   │                    first
//!                                         ├▶ keeper: last ticks, for a restart
//!                                         └▶ desk: decisions, doses, trail ─▶ guard (a process of its own)
//! ```
//!
//! Invariants:
//! - Nothing is published as an event that is not in the journal.
//! - A slow network, disk or subscriber never slows a camera: every queue is bounded, drops are counted by cause, and
//!   only a replay that asked to be lossless is made to wait. One exception: where ticks are kept for a restart, the
//!   inference thread reads a cage's file as the cage opens, and steps through its window if it goes on from it.
//! - Callbacks decode and hand over; the inference thread owns every cage; time is read here and passed in.

pub mod cages;
pub mod clock;
pub mod control;
pub mod delivery;
pub mod desk;
pub mod detector;
pub mod export;
pub mod herald;
pub mod inference;
pub mod intake;
pub mod interrupt;
pub mod keeper;
pub mod listener;
pub mod pace;
pub mod prober;
pub mod publisher;
pub mod queue;
pub mod recorder;
pub mod replayed;
pub mod scribe;
pub mod session;
pub mod status;
pub mod tally;
pub mod timing;
pub mod watcher;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::output::journal::JournalError;

/// What stops live work as a whole. Single frames that are refused are counted instead, see [`tally`].
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Key(#[from] crate::keys::KeyError),
    #[error("zenoh: {what}: {source}")]
    Zenoh { what: &'static str, source: zenoh::Error },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("cannot start the {thread} thread: {source}")]
    Thread { thread: &'static str, source: std::io::Error },
    #[error("cannot start the inference pool: {0}")]
    Pool(#[from] rayon::ThreadPoolBuildError),
    #[error("the {thread} thread ended by a panic")]
    Panicked { thread: &'static str },
    #[error("expected a speed within {SPEED_MIN} to {SPEED_MAX}, got {0}", SPEED_MIN = publisher::SPEED_MIN, SPEED_MAX = publisher::SPEED_MAX)]
    Speed(f64),
    #[error("no detector subscribed to {key} within {waited_secs} s")]
    NoSubscriber { key: String, waited_secs: u64 },
    #[error("tick log {folder}: {source}")]
    TickLog { folder: std::path::PathBuf, source: std::io::Error },
    #[error("metrics at {address}: {reason}")]
    Metrics { address: std::net::SocketAddr, reason: String },
    #[error(transparent)]
    Stream(#[from] crate::stream::StreamError),
}

impl LiveError {
    fn zenoh(what: &'static str) -> impl FnOnce(zenoh::Error) -> Self {
        move |source| Self::Zenoh { what, source }
    }
}

/// Locks a mutex whose data stays consistent even when a holder panicked: counters and queues of whole values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a named thread.
fn spawn<T: Send + 'static>(
    thread: &'static str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, LiveError> {
    thread::Builder::new().name(thread.to_owned()).spawn(run).map_err(|source| LiveError::Thread { thread, source })
}

/// Waits for a thread to end.
fn join<T>(thread: &'static str, handle: JoinHandle<T>) -> Result<T, LiveError> {
    handle.join().map_err(|_| LiveError::Panicked { thread })
}
