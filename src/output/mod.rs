//! From scores to bouts, and from bouts to the events that leave the house.

pub mod decoder;
pub mod event;
pub mod journal;

use crate::behavior::Cell;
use crate::time::{DelayTicks, Tick};

/// An edge of a bout, as the decoder of one delay sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    pub delay: DelayTicks,
    /// Counted from 1 within a cage, over all delays; the onset and the offset of a bout carry the same.
    pub bout: u64,
    pub cell: Cell,
    pub edge: Edge,
    /// First tick of the bout.
    pub onset: Tick,
    /// The newest tick that the network had seen when it decided.
    pub decided: Tick,
    /// Capture time of that tick in the stream's clock domain; `None` where the rig cannot say, and from the decoder,
    /// which does not know it: the core fills it in.
    pub decided_capture_nanos: Option<i64>,
    /// Score of the bout's first tick at an onset, mean score over the bout at an offset.
    pub score: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Onset,
    /// `stop` is the first tick after the bout.
    Offset {
        stop: Tick,
    },
}
