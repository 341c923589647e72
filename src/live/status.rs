//! Status messages: JSON on `vibrissa/{rig}/{cage}/status`, when something about a cage changes and every few seconds.
//!
//! ```json
//! {"version":1,"rig":"rig1","cage":"cage1","state":"ended","frames_sent":1500,"frames_taken":1500,
//!  "nanos":1700000000000000000,"model":"3f…","origin":"replay","counts":{"frames":1500,…}}
//! ```
//!
//! Counts are those of the moment. `ended` may come before the last events of its cage: they have all come when as many
//! were seen as `decided` says.

use serde::Serialize;

use crate::core::Cage;
use crate::keys::CageName;
use crate::live::tally::Counts;
use crate::live::timing::{self, Stale};
use crate::stream::Origin;

pub const STATUS_VERSION: u32 = 1;

/// What a cage is doing, or what just happened to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// The first frame came.
    Started,
    /// Said every few seconds while frames come.
    Running,
    /// Said instead while the animals that are there were not seen for long enough: what F1 the model had on its own
    /// validation from such short histories, by delay, where that was measured.
    Warming {
        history_ticks: u32,
        warm_ticks: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        f1: Option<Vec<f64>>,
    },
    /// Histories are long enough from now on.
    Warm,
    /// The cage goes on where an earlier process stopped, of which so many ticks are known.
    Resumed {
        ticks_known: u64,
    },
    /// The state was rebuilt for another model; `model` names the present one.
    ModelReplaced {
        before: String,
    },
    /// The cage stays with the model that it has: the other one does not fit its stream.
    ModelRefused {
        reason: String,
    },
    /// What the network ran on failed: no verdict until the state is rebuilt on the processor, and frames are refused.
    Suspended {
        reason: String,
    },
    /// The state was rebuilt on the processor; verdicts go on, and bouts with them.
    Rebuilt {
        ticks_known: u64,
    },
    AnimalJoined {
        animal: String,
    },
    AnimalLeft {
        animal: String,
    },
    /// These two may have exchanged their names, with this confidence.
    SwapAlarm {
        animals: [String; 2],
        confidence: f32,
    },
    /// Input of a kind that the model was not trained on; what, got and expected.
    OutOfRange {
        what: Vec<String>,
    },
    /// Nothing is out of range any more.
    InRange,
    /// Something about the clocks or the rate, see [`Notice`](crate::live::timing::Notice).
    Timing(timing::Notice),
    /// What is known of the cage is too old to act on.
    Stale {
        cause: &'static str,
        /// Of silence and age.
        #[serde(skip_serializing_if = "Option::is_none")]
        for_nanos: Option<u64>,
        /// Of a gap: how many are missing.
        #[serde(skip_serializing_if = "Option::is_none")]
        frames: Option<u64>,
    },
    Fresh,
    /// The core refuses the stream as a whole: no frame of it will be taken.
    Refused {
        reason: &'static str,
    },
    /// A gap in the frames began the window anew.
    Reset,
    /// The publisher said that it is done after `frames_sent` frames; those that came are in the counts.
    Ended {
        frames_sent: u64,
        frames_taken: u64,
    },
    /// Closed for another reason. Every bout has ended; where the network failed, without events that say so.
    Stopped {
        reason: &'static str,
    },
    /// The journal cannot be written: no event is published until it can.
    JournalFailing {
        reason: String,
    },
    /// Events are written and published again.
    JournalRestored,
    /// A closed loop may act on the cage from now on.
    Armed {
        session: String,
    },
    /// It may not any more.
    Disarmed {
        why: String,
    },
}

/// A state of a cage, on its way to be published.
#[derive(Clone, Debug)]
pub struct Notice {
    pub cage: CageName,
    pub origin: Origin,
    /// Hash of the cage's model.
    pub model: String,
    pub state: State,
}

#[derive(Serialize)]
struct Message<'a> {
    version: u32,
    rig: &'a str,
    cage: &'a str,
    #[serde(flatten)]
    state: &'a State,
    nanos: i64,
    model: &'a str,
    origin: Origin,
    counts: &'a Counts,
}

impl State {
    /// The cage warms up.
    pub fn warming(cage: &Cage) -> Self {
        let (model, history_ticks) = (cage.model(), cage.history_ticks());
        let measured = model.card().warm_up.iter().flat_map(|warm_up| &warm_up.reliability);
        let reached = measured.rev().find(|reliability| reliability.history_ticks <= history_ticks);
        let f1 = reached.map(|reliability| reliability.f1.clone());
        Self::Warming { history_ticks, warm_ticks: model.warm_ticks(), f1 }
    }

    /// The word that stands as `state` in the message.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Running => "running",
            Self::Warming { .. } => "warming",
            Self::Warm => "warm",
            Self::Resumed { .. } => "resumed",
            Self::ModelReplaced { .. } => "model-replaced",
            Self::ModelRefused { .. } => "model-refused",
            Self::Suspended { .. } => "suspended",
            Self::Rebuilt { .. } => "rebuilt",
            Self::AnimalJoined { .. } => "animal-joined",
            Self::AnimalLeft { .. } => "animal-left",
            Self::SwapAlarm { .. } => "swap-alarm",
            Self::OutOfRange { .. } => "out-of-range",
            Self::InRange => "in-range",
            Self::Timing(_) => "timing",
            Self::Stale { .. } => "stale",
            Self::Fresh => "fresh",
            Self::Refused { .. } => "refused",
            Self::Reset => "reset",
            Self::Ended { .. } => "ended",
            Self::Stopped { .. } => "stopped",
            Self::JournalFailing { .. } => "journal-failing",
            Self::JournalRestored => "journal-restored",
            Self::Armed { .. } => "armed",
            Self::Disarmed { .. } => "disarmed",
        }
    }

    pub fn stale(stale: &Stale) -> Self {
        let nanos = |duration: &std::time::Duration| u64::try_from(duration.as_nanos()).ok();
        let (for_nanos, frames) = match stale {
            Stale::NoFrame => (None, None),
            Stale::Silence(since) => (nanos(since), None),
            Stale::Age(over) => (nanos(over), None),
            Stale::Gap(missing) => (None, Some(*missing)),
        };
        Self::Stale { cause: stale.word(), for_nanos, frames }
    }
}

impl Notice {
    /// The JSON of this notice; `nanos` is the wall clock now.
    #[allow(clippy::missing_panics_doc, reason = "names and numbers always serialize")]
    pub fn to_json(&self, counts: &Counts, nanos: i64) -> String {
        let Self { cage, origin, model, state } = self;
        let (rig, cage) = (cage.rig(), cage.cage());
        let message = Message { version: STATUS_VERSION, rig, cage, state, nanos, model, origin: *origin, counts };
        serde_json::to_string(&message).expect("names and numbers always serialize")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_state_says_a_key_twice_and_each_is_its_word() {
        let states = [
            State::stale(&Stale::Age(Duration::from_secs(1))),
            State::stale(&Stale::Gap(9)),
            State::Timing(timing::Notice::ClockAhead { by_nanos: 5 }),
            State::Warming { history_ticks: 1, warm_ticks: 2, f1: Some(vec![0.5]) },
            State::SwapAlarm { animals: ["a".into(), "b".into()], confidence: 0.9 },
            State::OutOfRange { what: vec!["speed".into()] },
            State::Ended { frames_sent: 1, frames_taken: 1 },
        ];
        for state in states {
            let word = state.word();
            let cage = CageName::new("rig", "cage").unwrap();
            let notice = Notice { cage, origin: Origin::Live, model: "hash".into(), state };
            let json = notice.to_json(&Counts::default(), 7);
            for key in ["version", "state", "nanos", "model", "origin", "counts"] {
                assert_eq!(json.matches(&format!("\"{key}\":")).count(), 1, "{key} in {json}");
            }
            assert!(json.contains(&format!("\"state\":\"{word}\"")), "{json}");
        }
    }
}
