//! Even ticks out of frames, and the last ticks of a cage.

mod reorder;
mod resample;
pub mod ring;
pub mod ticks;
