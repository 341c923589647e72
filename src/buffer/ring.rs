//! The last ticks of a cage.
