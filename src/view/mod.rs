//! The terminal view: the animals of a cage, what is said of them and how fast, as a person watches it.
//!
//! A [`Screen`] is a plain value: descriptions, frames, events, scores and counts go in, a picture comes out. It reads
//! no clock (`now` is the time since any fixed moment, on one monotonic clock), knows no zenoh and no threads.
//! [`Terminal`] alone touches the terminal.
//!
//! ```text
//! describe, cells ─▶ ┌────────┐
//! frame, event    ─▶ │ Screen │ ─▶ draw(ratatui::Frame)
//! scores, truth   ─▶ │        │
//! counts, state   ─▶ └────────┘ ◀─ key ─▶ Action
//! ```
//!
//! # Time
//! Everything is drawn on the cage's own time line: seconds since its first tick, a tick being 1/30 s. The newest moment
//! is told by the frames that come; events and scores with later ticks set it right, so that a view that joins late
//! agrees with the events after the first of them.
//!
//! # Bounds
//! Every history has an end: [`EVENTS_MAX`] lines, [`HISTORY_SECS`] of bouts, [`TRACKS_MAX`] rows, as many cages as a
//! detector serves. Names and reasons are cleaned of all that a terminal could take for a command, and cut.

mod arena;
mod extent;
mod header;
mod help;
mod layout;
mod panels;
mod raster;
mod scene;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod timeline;

use std::time::Duration;

use crate::output::event::Animals;
use crate::time::DelayTicks;

pub use screen::{Action, Screen};
pub use terminal::Terminal;

/// Lines of events that are kept of a cage.
pub const EVENTS_MAX: usize = 200;

/// How far back bouts are kept.
pub const HISTORY_SECS: f64 = 60.0;

/// Most rows (behavior, who → whom) that are kept of a cage.
pub const TRACKS_MAX: usize = 96;

/// What is known before anything is seen.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Name of the model that decides.
    pub model: String,
    /// The model's decision delays; where they are unknown, they are learned from the events.
    pub delays: Vec<DelayTicks>,
    /// Whether colours may be used: see [`Terminal::has_colour`].
    pub colour: bool,
    /// A line for the bottom of the screen, such as what the numbers do not mean.
    pub note: String,
}

/// What a score is about, and the threshold at which a bout may begin, both at the shortest delay.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredCell {
    pub behavior: String,
    pub animals: Animals,
    /// Above 1 where no score begins a bout.
    pub threshold: f32,
}

/// Something that truly began or ended, as a simulation knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub behavior: String,
    pub animals: Animals,
    /// On the cage's time line.
    pub at_secs: f64,
    pub begins: bool,
}

/// What was counted and timed of a cage so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub frames: u64,
    pub ticks: u64,
    pub events: u64,
    /// Frames that were refused or displaced, and events that were lost.
    pub drops: u64,
    /// From capture to arrival; `None` where the clocks do not tell.
    pub age: Option<Quantiles>,
    /// From arrival to the start of inference.
    pub wait: Option<Quantiles>,
    /// Inference of one tick.
    pub inference: Option<Quantiles>,
    /// From the decision to the event being on the wire.
    pub publication: Option<Quantiles>,
}

/// A latency that half of all samples stay within, and one that 99% stay within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    pub median: Duration,
    pub p99: Duration,
}

/// What a cage is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing came yet.
    #[default]
    Waiting,
    /// The animals were not seen for long enough: verdicts are less reliable than they get.
    Warming {
        history_ticks: u32,
        warm_ticks: u32,
    },
    Warm,
    /// What is known is too old to act on.
    Stale {
        cause: String,
    },
    Ended,
}

/// How the journal, without which nothing is published, is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Journal {
    /// It belongs to a detector elsewhere.
    #[default]
    Unknown,
    Writing,
    Failing {
        reason: String,
    },
}
