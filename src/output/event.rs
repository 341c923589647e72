//! The event: what leaves the house when a bout begins or ends. Versioned JSON, one object an edge.
//!
//! ```json
//! {"version":1,"sequence":42,"publication_nanos":1700000000700000000,"rig":"rig1","cage":"cage1",
//!  "bout":"rig1/cage1/17c2f0a1-7","agent":"rat1","target":"rat2","behavior":"chase","kind":"directed",
//!  "label_set":"Lab","edge":"offset","onset_tick":300,"stop_tick":345,"decision_tick":360,"delay":15,"score":0.93,
//!  "revises":{"delay":0,"onset_tick":303,"stop_tick":340},"settled":false,"history_ticks":512,"warming":false,
//!  "identity":0.998,"capture_nanos":1700000000600000000,"clock":"unix","decision_nanos":1700000000690000000,"model":"3f…","origin":"live"}
//! ```
//!
//! - `agent` and `target` are there for directed behaviors, `agent` alone for self behaviors; mutual and undirected ones
//!   carry `animals`, two names without order, and never name an agent.
//! - `stop_tick` (the first tick after the bout) is there at an offset only.
//! - `capture_nanos` is the capture time of the newest frame that the decision saw, on the clock that `clock` names;
//!   both are absent where the rig cannot say. `decision_nanos` and `publication_nanos` are of this machine's wall
//!   clock (since 1970, UTC); the latter is read just before the event is written to the journal and published.
//! - `edge` is `onset`, `offset`, `retraction` or `abandoned`. Each delay is a stream of its own, in which a bout has one onset and one
//!   offset; a `retraction` comes at the longest delay, where that has no bout of this name: what a shorter delay told
//!   did not happen, or it is part of another bout (two fast bouts that were one).
//!   A detector that was killed leaves bouts without an end: the next one begins with an `abandoned` for each of them.
//!   When they ended is not known.
//! - `bout` names the bout at every delay at which it is told, and is never used again. `settled` marks the word of the
//!   longest delay; `revises` holds what a shorter delay had said, where that was something else.
//! - `history_ticks` is what the network had seen of the animals when it decided, at most 512; `warming` says that it was
//!   less than what the model's verdicts need to be as reliable as they get.
//! - `identity` is the lowest confidence, over the ticks of the bout, that its animals are those whose names they bear.
//! - `sequence` counts all events of a journal and goes on after a restart.

use serde::{Deserialize, Serialize};

use crate::behavior::{Ethogram, Kind, Subject};
use crate::output::{Edge, Transition};
use crate::stream::{Origin, StreamDescription};
use crate::time::DelayTicks;

pub const EVENT_VERSION: u32 = 1;

/// Most bytes of an event, by the limits of the names in it.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;

/// An event as it is written and published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub version: u32,
    pub sequence: u64,
    pub publication_nanos: i64,
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// An edge of a bout in words, before the journal gives it its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub rig: String,
    pub cage: String,
    pub bout: String,
    #[serde(flatten)]
    pub animals: Animals,
    pub behavior: String,
    pub kind: Kind,
    pub label_set: String,
    pub edge: EdgeWord,
    pub onset_tick: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_tick: Option<u64>,
    pub decision_tick: u64,
    /// Ticks between a moment and the verdict on it.
    pub delay: u32,
    pub score: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revises: Option<Revised>,
    /// Whether this is the word of the longest delay, which no other will contradict.
    pub settled: bool,
    pub history_ticks: u32,
    pub warming: bool,
    pub identity: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_nanos: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    pub decision_nanos: i64,
    /// Hash of the model that decided.
    pub model: String,
    pub origin: Origin,
}

/// What had been said of the same bout at a shorter delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revised {
    pub delay: u32,
    pub onset_tick: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_tick: Option<u64>,
}

/// Whom an event is about, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Animals {
    Directed { agent: String, target: String },
    Undirected { animals: [String; 2] },
    Alone { agent: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeWord {
    Onset,
    Offset,
    Retraction,
    Abandoned,
}

/// Where and when a transition was decided: all that an event needs besides the transition itself.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub rig: &'a str,
    pub cage: &'a str,
    /// Never the same for two lives of a cage.
    pub epoch: &'a str,
    pub ethogram: &'a Ethogram,
    pub model: &'a str,
    pub stream: &'a StreamDescription,
    pub capture_nanos: Option<i64>,
    pub decision_nanos: i64,
    /// The model's longest delay.
    pub settled: DelayTicks,
    /// Histories shorter than this are warming.
    pub warm_ticks: u32,
}

impl Verdict {
    /// A transition in words.
    ///
    /// # Panics
    /// On a transition of another ethogram or of more individuals than the stream's.
    pub fn new(transition: &Transition, setting: &Setting) -> Self {
        let Setting { rig, cage, epoch, ethogram, stream, .. } = *setting;
        let spec = ethogram.spec(transition.cell.behavior);
        let label_set = &ethogram.label_sets()[ethogram.label_set_of(transition.cell.behavior)];
        let (edge, stop_tick) = match transition.edge {
            Edge::Onset => (EdgeWord::Onset, None),
            Edge::Offset { stop } => (EdgeWord::Offset, Some(stop.0)),
            Edge::Retraction => (EdgeWord::Retraction, None),
        };
        let revises = transition.revises.map(|revision| Revised {
            delay: revision.delay.0,
            onset_tick: revision.onset.0,
            stop_tick: revision.stop.map(|stop| stop.0),
        });
        Self {
            rig: rig.to_owned(),
            cage: cage.to_owned(),
            bout: format!("{rig}/{cage}/{epoch}-{}", transition.bout),
            animals: Animals::new(transition.cell.subject, stream.individuals()),
            behavior: spec.name.clone(),
            kind: spec.kind,
            label_set: label_set.name.clone(),
            edge,
            onset_tick: transition.onset.0,
            stop_tick,
            decision_tick: transition.decided.0,
            delay: transition.delay.0,
            score: transition.score,
            revises,
            settled: setting.settled == transition.delay,
            history_ticks: transition.history_ticks,
            warming: transition.history_ticks < setting.warm_ticks,
            identity: transition.identity,
            capture_nanos: setting.capture_nanos,
            clock: setting.capture_nanos.and(stream.clock()).map(str::to_owned),
            decision_nanos: setting.decision_nanos,
            model: setting.model.to_owned(),
            origin: stream.origin(),
        }
    }
}

impl Verdict {
    /// What is said of a bout whose detector was killed: that nothing more is known of it.
    #[must_use]
    pub fn abandoned(self, decision_nanos: i64) -> Self {
        Self { edge: EdgeWord::Abandoned, revises: None, decision_nanos, ..self }
    }
}

impl Animals {
    /// # Panics
    /// On more individuals than those named.
    pub fn new(subject: Subject, individuals: &[String]) -> Self {
        let name = |slot: crate::behavior::Individual| individuals[usize::from(slot.0)].clone();
        match subject {
            Subject::One(individual) => Self::Alone { agent: name(individual) },
            Subject::Ordered { agent, target } => Self::Directed { agent: name(agent), target: name(target) },
            Subject::Both { first, second } => Self::Undirected { animals: [name(first), name(second)] },
        }
    }
}

impl Event {
    pub fn new(verdict: Verdict, sequence: u64, publication_nanos: i64) -> Self {
        Self { version: EVENT_VERSION, sequence, publication_nanos, verdict }
    }

    /// The JSON of this event, in one line without its end.
    #[allow(clippy::missing_panics_doc, reason = "names and numbers always serialize")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names and numbers always serialize")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::behavior::{Behavior, BehaviorSpec, Cell, Individual, LabelSet};
    use crate::time::Tick;

    fn transition(subject: Subject, edge: Edge) -> Transition {
        let cell = Cell { behavior: Behavior(1), subject };
        let (onset, decided) = (Tick(300), Tick(360));
        Transition {
            delay: DelayTicks(15),
            bout: 7,
            cell,
            edge,
            onset,
            decided,
            decided_capture_nanos: None,
            score: 0.5,
            revises: None,
            history_ticks: 512,
            identity: 1.0,
        }
    }

    pub(crate) fn verdict(subject: Subject, edge: Edge) -> Verdict {
        let kind = match subject {
            Subject::One(_) => Kind::OfSelf,
            Subject::Ordered { .. } => Kind::Directed,
            Subject::Both { .. } => Kind::Undirected,
        };
        let set = |set: &str, name: &str| LabelSet {
            name: set.to_owned(),
            behaviors: vec![BehaviorSpec { name: name.to_owned(), kind }],
        };
        let stream = r#"{"skeleton":{"name":"m","keypoints":["nose","neck","tail"],"front":"nose","centre":"neck",
            "rear":"tail","edges":[]},"individuals":["rat1","rat2"],"rate_hz":30.0,"body_length_px":80.0,"clock":"unix",
            "origin":"simulated"}"#;
        let setting = Setting {
            rig: "rig1",
            cage: "cage1",
            epoch: "e",
            ethogram: &Ethogram::new(vec![set("A", "rest"), set("Lab", "chase")]),
            model: "hash",
            stream: &serde_json::from_str(stream).unwrap(),
            capture_nanos: Some(5),
            decision_nanos: 6,
            settled: DelayTicks(60),
            warm_ticks: 150,
        };
        Verdict::new(&transition(subject, edge), &setting)
    }

    const BOTH: Subject = Subject::Both { first: Individual(0), second: Individual(1) };
    const ORDERED: Subject = Subject::Ordered { agent: Individual(1), target: Individual(0) };

    #[test]
    fn an_event_reads_as_it_was_written() {
        for subject in [BOTH, ORDERED, Subject::One(Individual(1))] {
            for edge in [Edge::Onset, Edge::Offset { stop: Tick(345) }] {
                let event = Event::new(verdict(subject, edge), 42, 9);
                assert_eq!(serde_json::from_str::<Event>(&event.to_json()).unwrap(), event);
            }
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let event = Event::new(verdict(ORDERED, Edge::Offset { stop: Tick(345) }), 42, 9);
        let expected = concat!(
            r#"{"version":1,"sequence":42,"publication_nanos":9,"rig":"rig1","cage":"cage1","bout":"rig1/cage1/e-7","#,
            r#""agent":"rat2","target":"rat1","behavior":"chase","kind":"directed","label_set":"Lab","edge":"offset","#,
            r#""onset_tick":300,"stop_tick":345,"decision_tick":360,"delay":15,"score":0.5,"settled":false,"history_ticks":512,"#,
            r#""warming":false,"identity":1.0,"capture_nanos":5,"#,
            r#""clock":"unix","decision_nanos":6,"model":"hash","origin":"simulated"}"#
        );
        assert_eq!(event.to_json(), expected);
    }

    #[test]
    fn an_undirected_verdict_never_names_an_agent() {
        let json = Event::new(verdict(BOTH, Edge::Onset), 1, 9).to_json();
        assert!(json.contains(r#""animals":["rat1","rat2"]"#) && !json.contains("agent"), "{json}");
    }
}
