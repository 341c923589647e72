//! Even ticks out of frames, and the last ticks of a cage.

pub mod ring;
pub mod ticks;
