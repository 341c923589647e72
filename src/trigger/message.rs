//! What is published of a trigger, on `vibrissa/{rig}/{cage}/trigger`: that there was one, and never whether it was a sham.
//!
//! ```json
//! {"version":1,"rig":"rig1","cage":"cage1","session":"2026-03-14-a","trigger":3,"rule":"attack","agent":"rat1",
//!  "target":"rat2","tick":5120,"frame":5120,"plan":"9c…","model":"3f…","capture_nanos":1700000000600000000,
//!  "arrival_nanos":1700000000612000000,"decision_nanos":1700000000615000000}
//! ```
//!
//! A single animal is an `agent` alone; two animals without direction are `animals`, and none of them is an agent.

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::trail::Decision;
use crate::keys::CageName;
use crate::output::event::Animals;

pub const TRIGGER_VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    pub version: u32,
    pub rig: String,
    pub cage: String,
    pub session: String,
    /// Counted from 1 within the session.
    pub trigger: u64,
    pub rule: String,
    /// As an event names them.
    #[serde(flatten)]
    pub animals: Animals,
    pub tick: u64,
    pub frame: u64,
    /// Hash of the plan's text, and of the model.
    pub plan: String,
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_nanos: Option<i64>,
    pub arrival_nanos: i64,
    pub decision_nanos: i64,
}

impl Trigger {
    pub fn new(trigger: u64, session: &str, plan: &Plan, cage: &CageName, decision: &Decision) -> Self {
        Self {
            version: TRIGGER_VERSION,
            rig: cage.rig().to_owned(),
            cage: cage.cage().to_owned(),
            session: session.to_owned(),
            trigger,
            rule: decision.rule.clone(),
            animals: decision.animals.clone(),
            tick: decision.tick,
            frame: decision.frame,
            plan: plan.hash.clone(),
            model: decision.model.clone(),
            capture_nanos: decision.capture_nanos,
            arrival_nanos: decision.arrival_nanos,
            decision_nanos: decision.decision_nanos,
        }
    }

    /// The JSON of this message, in one line.
    #[allow(clippy::missing_panics_doc, reason = "names and numbers always serialize")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names and numbers always serialize")
    }
}
