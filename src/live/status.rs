//! Status messages: JSON on `vibrissa/{rig}/{cage}/status`, when something about a cage changes and every few seconds.
//!
//! ```json
//! {"version":1,"rig":"rig1","cage":"cage1","state":"ended","frames_sent":1500,"frames_taken":1500,
//!  "nanos":1700000000000000000,"model":"3f…","origin":"replay","counts":{"frames":1500,…}}
//! ```

use serde::Serialize;

use crate::live::keys::CageName;
use crate::live::tally::Counts;
use crate::stream::Origin;

pub const STATUS_VERSION: u32 = 1;

/// What a cage is doing, or what just happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// The first frame came.
    Started,
    /// Said every few seconds while frames come.
    Running,
    /// The core refuses the stream as a whole: no frame of it will be taken.
    Refused { reason: &'static str },
    /// A gap in the frames began the window anew.
    Reset,
    /// The publisher said that it is done after `frames_sent` frames; those that came are in the counts.
    Ended { frames_sent: u64, frames_taken: u64 },
    /// Closed for another reason. Every bout has ended; where the network failed, without events that say so.
    Stopped { reason: &'static str },
    /// The journal cannot be written: no event is published until it can.
    JournalFailing { reason: String },
    /// Events are written and published again.
    JournalRestored,
}

/// A state of a cage, on its way to be published.
#[derive(Clone, Debug)]
pub struct Notice {
    pub cage: CageName,
    pub origin: Origin,
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

impl Notice {
    /// The JSON of this notice; `nanos` is the wall clock now.
    #[allow(clippy::missing_panics_doc, reason = "names and numbers always serialize")]
    pub fn to_json(&self, counts: &Counts, model: &str, nanos: i64) -> String {
        let Self { cage, origin, state } = self;
        let (rig, cage) = (cage.rig(), cage.cage());
        let message = Message { version: STATUS_VERSION, rig, cage, state, nanos, model, origin: *origin, counts };
        serde_json::to_string(&message).expect("names and numbers always serialize")
    }
}
