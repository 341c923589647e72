//! The output guard: a small process of its own that owns the devices, and drives everything off when the detector dies.
//!
//! # Invariants
//! - Every output is driven off before the guard says that it is ready, and again as the last thing it does.
//! - The end of the detector's pipe, silence, a line that cannot be read, a signal to end, and a detector that no longer
//!   reads: each turns everything off. After silence everything stays off for the rest of the guard's life.
//! - No stimulus is on for longer than its output's maximum, and one that ended is never lit again under its number.
//! - One thread decides. It never waits for a device: bytes that a device does not take at once are a fault.
//! - What a device was told counts as done once the device has said it back, where its protocol does so.
//!
//! # The way of an order
//! [`wire`] reads it, [`schedule`] decides when an output is on, [`session`] knows what to say and what must come back,
//! [`device`] says it to the port, [`mod@run`] is the process. The detector's side is [`handle`].

pub mod device;
mod events;
pub mod handle;
mod keeper;
pub mod open;
mod output;
pub mod process;
pub mod run;
pub mod schedule;
pub mod session;
pub mod spec;
pub mod wire;

pub use handle::{Guard, HandleError};
pub use process::main;
pub use run::{GuardError, run};
pub use spec::{OutputSpec, SpecError};
pub use wire::{Cause, Order, Refusal, Report};
