//! From scores to bouts, and from bouts to the events that leave the house.

pub mod decoder;
pub mod event;
pub mod gate;
pub mod journal;
pub mod ledger;
pub mod scores;
pub mod ticklog;

use crate::behavior::Cell;
use crate::time::{DelayTicks, Tick};

/// An edge of a bout, as the decoder of one delay sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    pub delay: DelayTicks,
    /// Counted from 1 within a cage. All that is said of a bout carries the same number, at every delay; at each delay it
    /// has one onset and one offset, or it is retracted: see [`ledger`].
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
    /// Score of the bout's first tick at an onset and a retraction, mean score over the bout at an offset.
    pub score: f32,
    /// What a shorter delay had said of this bout, where it was something else.
    pub revises: Option<Revision>,
    /// Ticks that the network had seen of the animals when it decided, at most a window; the core fills it in.
    pub history_ticks: u32,
    /// The lowest confidence, over the ticks of the bout, that its animals are those whose names they bear; the core
    /// fills it in.
    pub identity: f32,
}

/// A shorter delay's word on a bout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    pub delay: DelayTicks,
    pub onset: Tick,
    /// The first tick after the bout, where it had ended.
    pub stop: Option<Tick>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Onset,
    /// `stop` is the first tick after the bout.
    Offset {
        stop: Tick,
    },
    /// The longest delay has looked and has no bout under this number: nothing happened there, or it is part of another
    /// bout. Also said where the model is replaced before the longest delay could look.
    Retraction,
}
