//! Ticks: the even time in which everything behind the buffer runs.

use serde::{Deserialize, Serialize};

/// Ticks per second.
pub const TICK_RATE_HZ: f64 = 30.0;

/// How many past ticks a verdict may depend on, and how many a cage keeps.
pub const WINDOW_TICKS: usize = 512;

/// A step of the network, counted from the first tick of a cage (or from the start of a recording).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(pub u64);

impl Tick {
    /// The moment of this tick on the cage's own time line, in seconds.
    pub fn secs(self) -> f64 {
        self.0 as f64 / TICK_RATE_HZ
    }
}

/// Ticks between a moment and the verdict on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DelayTicks(pub u32);

impl DelayTicks {
    pub fn secs(self) -> f64 {
        f64::from(self.0) / TICK_RATE_HZ
    }
}
