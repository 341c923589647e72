//! Logs of live cages: MCAP files that hold what came over the wire, as it came.
//!
//! # Layout
//!
//! Everything lies in chunks that are not compressed, written at least twice a second; a closed file ends with an index.
//!
//! | MCAP | here |
//! |---|---|
//! | topic | the zenoh key: `vibrissa/{rig}/{cage}/pose`, `…/stream`, `…/event/{delay}`, `…/status` |
//! | payload | byte by byte as it came |
//! | `message_encoding` | `json` (without a schema), or `application/x-vibrissa-pose`: see [`crate::acquire::wire`] |
//! | `log_time` | arrival at the recorder, nanoseconds since 1970 (UTC): see below |
//! | `publish_time` | of a frame whose stream's clock is `unix`, its capture; else the arrival |
//! | `sequence` | of a frame the low 32 bits of its number; else how many came before on this topic |
//! | channel metadata | `rig`, `cage`, `encoding` (the zenoh encoding) |
//! | metadata `vibrissa` | `log_version`, `version` (of the program), `clock`, `started` |
//! | metadata `vibrissa.end` | only where the file was closed: `messages`, `lost`, `wall_clock_stepped_nanos` |
//! | topic [`RECORDER_TOPIC`] | JSON, when something was lost: `{"version":1,"lost":{"rig/cage":{"backlog":3}}}`, counts from the start on |
//!
//! Arrivals are the recorder's wall clock at the start of the file, advanced by its monotonic clock: they never step, and
//! their differences are true durations.
//!
//! # What survives
//!
//! Each file is complete in itself: one that follows another begins with the stream descriptions in force, as if they came
//! then. [`read`] takes a file that was never
//! closed, and one whose end is torn up to its last whole record.

pub mod file;
pub mod reader;
mod records;
mod sessions;
pub mod writer;

pub use reader::{LOG_MAGIC, is_log, read};
pub use sessions::{Arrival, LoggedSession};
pub use writer::{LogWriter, Logged};

#[cfg(test)]
mod tests;

use crate::acquire::wire::{ENCODING_BINARY, ENCODING_JSON, Encoding};
use crate::keys::CageName;
use crate::time::{DelayTicks, WINDOW_TICKS};

/// Version of the layout.
pub const LOG_VERSION: u32 = 1;

/// Topic of what the recorder itself has to say.
pub const RECORDER_TOPIC: &str = "vibrissa-recorder";

/// MCAP's own word for JSON.
const MCAP_JSON: &str = "json";

/// What a message is about, from the key on which it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    pub cage: CageName,
    pub part: Part,
}

/// The last part of a cage's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Pose,
    Stream,
    Event(DelayTicks),
    Status,
}

impl Topic {
    /// The topic of a key; `None` for keys that are none of a cage's, and for delays beyond a window.
    pub fn of_key(key: &str) -> Option<Self> {
        let (rest, last) = key.rsplit_once('/')?;
        let named = |part: Part, name| CageName::of_key(key, name).ok().map(|cage| Self { cage, part });
        match last {
            "pose" => named(Part::Pose, "pose"),
            "stream" => named(Part::Stream, "stream"),
            "status" => named(Part::Status, "status"),
            delay => {
                let ticks: u32 = delay.parse().ok()?;
                // A number has one form only: "+1" and "01" would be topics of their own.
                let plain = ticks as usize <= WINDOW_TICKS && ticks.to_string() == delay;
                let cage = CageName::of_key(rest, "event").ok().filter(|_| plain)?;
                Some(Self { cage, part: Part::Event(DelayTicks(ticks)) })
            }
        }
    }

    pub fn key(&self) -> String {
        match self.part {
            Part::Pose => self.cage.pose(),
            Part::Stream => self.cage.stream(),
            Part::Event(delay) => self.cage.event(delay),
            Part::Status => self.cage.status(),
        }
    }
}

/// MCAP's name of an encoding; the binary pose layout keeps its own.
fn mcap_encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Binary => ENCODING_BINARY,
        Encoding::Json => MCAP_JSON,
    }
}

fn wire_encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Binary => ENCODING_BINARY,
        Encoding::Json => ENCODING_JSON,
    }
}
