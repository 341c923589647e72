//! The scores of one tick, for whoever watches: versioned JSON, a message a tick.
//!
//! ```json
//! {"version":1,"rig":"rig1","cage":"cage1","tick":300,"frame":412,"origin":"live","model":"3f…","delays":[0,15],
//!  "cells":[{"label_set":"Lab","behavior":"chase","kind":"directed","agent":"rat1","target":"rat2"}],"scores":[[0.93],[0.88]],
//!  "times":{"arrived_nanos":1700000000600000000,"started_nanos":1700000000600100000,"decided_nanos":1700000000600300000,
//!  "sent_nanos":1700000000600350000}}
//! ```
//!
//! `scores` has a row for each delay and a number for each cell, within 0 and 1. The score of delay D at tick t is about
//! the tick t − D. Scores are no events: they are not in the journal, one that finds no room on its way is dropped, and
//! none are made while nobody listens. `times` are of the detector's wall clock (since 1970, UTC): when the newest frame arrived,
//! when inference began and ended, and when the message was handed to the wire.

use serde::{Deserialize, Serialize};

use super::event::Animals;
use crate::behavior::{Cell, Ethogram, Kind};
use crate::stream::{Origin, StreamDescription};

/// Version of the layout.
pub const SCORES_VERSION: u32 = 1;

/// Longest message that is read: some thousand cells.
pub const SCORES_BYTES_MAX: usize = 1024 * 1024;

/// What the network thinks at one tick, before anything is decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    pub version: u32,
    pub rig: String,
    pub cage: String,
    pub tick: u64,
    /// Number of the newest frame that it saw: what ties ticks to the camera's frames.
    pub frame: u64,
    pub origin: Origin,
    pub model: String,
    pub delays: Vec<u32>,
    pub cells: Vec<ScoredCell>,
    /// D × N.
    pub scores: Vec<Vec<f32>>,
    pub times: Times,
}

/// When what happened to the newest frame, on the detector's wall clock (since 1970, UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    pub arrived_nanos: i64,
    /// Inference began: of all cages that step together.
    pub started_nanos: i64,
    pub decided_nanos: i64,
    /// Handed to the wire.
    pub sent_nanos: i64,
}

/// What a score is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredCell {
    pub label_set: String,
    pub behavior: String,
    pub kind: Kind,
    #[serde(flatten)]
    pub animals: Animals,
}

impl ScoredCell {
    /// # Panics
    /// On a cell of another ethogram or of more individuals than the stream's.
    pub fn new(cell: Cell, ethogram: &Ethogram, stream: &StreamDescription) -> Self {
        let spec = ethogram.spec(cell.behavior);
        Self {
            label_set: ethogram.label_sets()[ethogram.label_set_of(cell.behavior)].name.clone(),
            behavior: spec.name.clone(),
            kind: spec.kind,
            animals: Animals::new(cell.subject, stream.individuals()),
        }
    }
}

impl Scores {
    /// The JSON of this message.
    #[allow(clippy::missing_panics_doc, reason = "names and numbers always serialize")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names and numbers always serialize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_documented_one() {
        let pair = Animals::Directed { agent: "rat1".into(), target: "rat2".into() };
        let cell =
            ScoredCell { label_set: "Lab".into(), behavior: "chase".into(), kind: Kind::Directed, animals: pair };
        let scores = Scores {
            version: SCORES_VERSION,
            rig: "rig1".into(),
            cage: "cage1".into(),
            tick: 300,
            frame: 412,
            origin: Origin::Live,
            model: "3f".into(),
            delays: vec![0, 15],
            cells: vec![cell],
            scores: vec![vec![0.5], vec![0.25]],
            times: Times { arrived_nanos: 1, started_nanos: 2, decided_nanos: 3, sent_nanos: 4 },
        };
        let json = concat!(
            r#"{"version":1,"rig":"rig1","cage":"cage1","tick":300,"frame":412,"origin":"live","model":"3f","delays":[0,15],"#,
            r#""cells":[{"label_set":"Lab","behavior":"chase","kind":"directed","agent":"rat1","target":"rat2"}],"#,
            r#""scores":[[0.5],[0.25]],"times":{"arrived_nanos":1,"started_nanos":2,"decided_nanos":3,"sent_nanos":4}}"#
        );
        assert_eq!(scores.to_json(), json);
        assert_eq!(serde_json::from_str::<Scores>(json).unwrap(), scores);
    }
}
