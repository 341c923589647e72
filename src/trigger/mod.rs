//! From what a cage does to a decision to stimulate, or not.
//!
//! ```text
//! scores, ticks ─▶ watch ─▶ candidates ─▶ arbiter ─▶ orders to the guard, decisions to the trail
//!                  (rules)                (standing, phases, allowance, allocation)
//! ```
//!
//! All of it are plain values, the same live and in a rehearsal, but for two files: [`dose_book`] and [`trail`] write.
//! [`plan`] says what is wanted, [`permit`] that it was rehearsed, [`control`] and [`message`] are what is said over the
//! network, [`aligned`] is what became of the animals.

pub mod aligned;
pub mod allocation;
pub mod allowance;
pub mod arbiter;
pub mod control;
pub mod dose_book;
pub mod message;
pub mod permit;
pub mod plan;
pub mod standing;
pub mod trail;
pub mod watch;
pub mod zone;
