//! How long it takes from a pose frame being put on zenoh to the verdict on it being received: what a lab measures on
//! its own rig, and what that says. The analysis behind `vibrissa latency`.
//!
//! ```text
//! due ─▶ put ─▶ arrived ─▶ inference ─▶ decided ─▶ sent ─▶ received             scores, one message a tick
//!                                          └────▶ journal ─▶ published ─▶ received   events
//! └ our clock ┘ └────── the detector's clock ────────────┘   └ our clock ┘
//! ```
//!
//! Who measures publishes frames, hands over what was seen of each ([`Asked`], [`Answered`], [`Told`]) to a [`Meter`]
//! and gets a [`Summary`] at the end. Plain values: nothing here reads a clock or knows zenoh; only [`system`] reads
//! files, those by which Linux describes itself.
//!
//! # Invariants
//!
//! - Memory is bounded, however long it is measured: about 0.6 MB a cage while latencies stay within a second, 1.2 MB
//!   at most, and 6 MB for all cages together.
//! - Any number may come in. What cannot be (an answer before its frame, a clock that ran backwards) is counted and
//!   left out of the stages that it would spoil; nothing overflows, nothing panics.
//! - What lies between two clocks is never told without its uncertainty, see [`offset`].
//! - The offset of clocks is no age: it says nothing of how old a frame was when it was put.

use std::collections::BTreeMap;

use serde::Serialize;

pub mod histogram;
mod judge;
mod matching;
mod meter;
mod modes;
pub mod offset;
pub mod stages;
mod stalls;
pub mod summary;
pub mod system;
mod text;
mod trend;
pub mod warnings;

#[cfg(test)]
mod tests;

pub use matching::FrameCounts;
pub use meter::Meter;
pub use summary::Summary;

/// Most cages that are measured together: as many as a detector serves.
pub const CAGES_MAX: usize = crate::keys::CAGES_MAX;

/// Bounds of the camera's rate.
pub const RATE_HZ_MIN: f64 = 1.0;
pub const RATE_HZ_MAX: f64 = 1000.0;

/// A frame that is about to be put: handed over before it is put, so that no answer comes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Index among the meter's cages.
    pub cage: u32,
    pub frame: u64,
    /// When it should have been put, on our monotonic clock.
    pub due_nanos: i64,
    /// Just before it is put, on our monotonic clock.
    pub put_nanos: i64,
    /// The same moment, on our wall clock.
    pub put_unix_nanos: i64,
}

/// The scores of one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    pub cage: u32,
    /// The newest frame that the tick saw.
    pub frame: u64,
    /// On the detector's wall clock: the frame arrived, its inference began and ended, the answer was handed to the
    /// wire.
    pub arrived_unix_nanos: i64,
    pub started_unix_nanos: i64,
    pub decided_unix_nanos: i64,
    pub sent_unix_nanos: i64,
    /// On our monotonic clock, and the same moment on our wall clock.
    pub received_nanos: i64,
    pub received_unix_nanos: i64,
}

/// An event: a bout began or ended. It is in the journal before it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub cage: u32,
    /// The newest frame that the decision saw.
    pub frame: u64,
    /// On the detector's wall clock.
    pub decided_unix_nanos: i64,
    pub published_unix_nanos: i64,
    /// On our monotonic clock.
    pub received_nanos: i64,
}

/// What the detector and our own subscriber counted while it was measured: differences, not counts since their start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Frames given up because the network was behind.
    pub displaced: u64,
    /// Packets refused, by cause.
    pub refused: BTreeMap<String, u64>,
    /// Events lost because the journal could not be written.
    pub unjournaled: u64,
    /// Events that are in the journal, but did not get onto the wire.
    pub unpublished: u64,
    /// Messages that we ourselves left out because we did not look in time.
    pub missed: u64,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum LatencyError {
    #[error("expected 1 to {CAGES_MAX} cages, got {0}")]
    Cages(usize),
    #[error("expected a rate of {RATE_HZ_MIN} to {RATE_HZ_MAX} Hz, got {0}")]
    Rate(f64),
}

/// Length of a tick: 33.3 ms.
const TICK_NANOS: f64 = 1e9 / TICK_RATE_HZ;
const TICK_RATE_HZ: f64 = crate::time::TICK_RATE_HZ;

/// Nanoseconds in milliseconds.
fn millis(nanos: f64) -> f64 {
    nanos / 1e6
}
