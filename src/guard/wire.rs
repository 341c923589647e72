//! What detector and guard say to each other: one JSON object a line.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::guard::spec::OutputSpec;

/// Version of these messages, said in the first one.
pub const WIRE_VERSION: u32 = 1;
/// Longest line, with its end.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// Bounds of the silence after which the guard turns everything off.
pub const SILENCE_MILLIS_MIN: u64 = 20;
pub const SILENCE_MILLIS_MAX: u64 = 100;

/// Detector to guard.
///
/// A stimulus is numbered by its `id`. Numbers of an output only go up: one that ended, by whatever cause, can never be
/// lit again by a message that comes late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// The first message, and only the first.
    Hello {
        version: u32,
        outputs: BTreeMap<String, OutputSpec>,
        silence_millis: u64,
    },
    /// Only beats count against silence.
    Beat {
        number: u64,
    },
    /// On once.
    Pulse {
        id: u64,
        output: String,
        on_millis: u64,
    },
    /// On `count` times, from onset to onset `period_millis`.
    Train {
        id: u64,
        output: String,
        on_millis: u64,
        period_millis: u64,
        count: u64,
    },
    /// On until the lease ends; another hold of the same id before that begins a new lease.
    Hold {
        id: u64,
        output: String,
        lease_millis: u64,
    },
    /// Ends a stimulus of any kind.
    Release {
        id: u64,
        output: String,
    },
    AllOff,
}

/// Guard to detector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// All devices answered and everything is off.
    Ready {
        version: u32,
        outputs: BTreeMap<String, Readiness>,
    },
    Beat {
        number: u64,
    },
    /// The first onset of a stimulus, as the device confirmed it. `latency_micros` is from the order's arrival at the
    /// guard; `monotonic_nanos` is `CLOCK_MONOTONIC`, which all processes of a machine share.
    On {
        id: u64,
        output: String,
        unix_nanos: i64,
        monotonic_nanos: u64,
        latency_micros: u64,
    },
    /// The end of a stimulus, as the device confirmed it. `on_micros` is how long it was on in all: as
    /// commanded where the device timed it to its end, else from confirmed on to confirmed off.
    Off {
        id: u64,
        output: String,
        on_micros: u64,
        cause: Cause,
        unix_nanos: i64,
        monotonic_nanos: u64,
    },
    /// An order that was not carried out. What is on is as it was before it.
    Refused {
        id: u64,
        output: String,
        reason: Refusal,
    },
    /// A device failed: off was sent to it, and the output is refused from now on. A stimulus that was on (`id`) gets no
    /// other end than this, for nobody confirmed it.
    Fault {
        output: String,
        id: Option<u64>,
        reason: String,
    },
    /// No beat came: everything is off and stays off. Only a new guard lights anything again.
    Silence {
        silence_millis: u64,
    },
}

/// What a device said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readiness {
    pub firmware: String,
    pub watchdog_millis: Option<u64>,
}

/// Why a stimulus ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It came to its own end.
    Done,
    Released,
    /// The lease was not renewed.
    Lease,
    Silence,
    /// The detector's pipe ended, or brought what cannot be read.
    Pipe,
    /// All off was ordered, or the guard was told to end.
    Stop,
    OnTimeMax,
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Refusal {
    #[error("no such output")]
    Unknown,
    #[error("stimulus {by} is on, or its off not confirmed yet")]
    Busy { by: u64 },
    #[error("stimulus is over, or its number not above {last}, the last of this output")]
    Ended { last: u64 },
    #[error("{key}: expected {min} to {max}, got {got}")]
    Range { key: String, min: u64, max: u64, got: u64 },
    #[error("the device failed: {reason}")]
    Fault { reason: String },
    #[error("the detector was silent: everything stays off")]
    Silence,
}

#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("read a line: {0}")]
    Io(#[from] io::Error),
    #[error("line: expected at most {LINE_BYTES_MAX} bytes, got more")]
    Long,
    #[error("line: expected a message of version {WIRE_VERSION}, got {got:?}: {source}")]
    Parse { got: String, source: serde_json::Error },
}

/// Reads the next message; `None` at the end. A last line without its end is one that a killed writer left: none.
pub fn read_message<T: DeserializeOwned>(from: &mut impl BufRead) -> Result<Option<T>, WireError> {
    let mut line = Vec::new();
    from.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
    if line.len() > LINE_BYTES_MAX {
        return Err(WireError::Long);
    }
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    serde_json::from_slice(&line).map(Some).map_err(|source| {
        let got = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        WireError::Parse { got, source }
    })
}

/// A message as its line, with the end.
///
/// # Panics
/// Never: these messages are maps of strings and numbers.
pub fn line_of<T: Serialize>(message: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages are JSON");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Option<Order>, WireError> {
        read_message(&mut &*text)
    }

    #[test]
    fn messages_are_one_line_each() {
        let orders = [
            Order::Beat { number: 7 },
            Order::Train { id: 1, output: "laser".into(), on_millis: 5, period_millis: 50, count: 20 },
            Order::AllOff,
        ];
        let text: Vec<u8> = orders.iter().flat_map(line_of).collect();
        let mut from = &*text;
        for order in orders {
            assert_eq!(read_message::<Order>(&mut from).unwrap(), Some(order));
        }
        assert_eq!(read_message::<Order>(&mut from).unwrap(), None);
        let json = line_of(&Report::Refused { id: 1, output: "laser".into(), reason: Refusal::Busy { by: 0 } });
        assert_eq!(
            json,
            b"{\"type\":\"refused\",\"id\":1,\"output\":\"laser\",\"reason\":{\"why\":\"busy\",\"by\":0}}\n"
        );
    }

    #[test]
    fn lines_of_something_else_are_errors() {
        let lines = [
            "garbage\n",
            "\n",
            "{}\n",
            "{\"type\":\"beat\"}\n",
            "{\"type\":\"beat\",\"number\":-1}\n",
            "{\"type\":\"beat\",\"number\":1,\"more\":2}\n",
            "{\"type\":\"fire\"}\n",
            "{\"type\":\"all_off\"} {}\n",
            "\0\u{7f}\n",
        ];
        for line in lines {
            let error = read(line.as_bytes()).unwrap_err();
            assert!(matches!(error, WireError::Parse { .. }), "{line:?}: {error}");
        }
        assert!(matches!(read(&[0xff, b'\n']), Err(WireError::Parse { .. })));
    }

    #[test]
    fn a_torn_line_is_the_end_and_an_endless_one_an_error() {
        assert!(read(b"").unwrap().is_none());
        assert!(read(b"{\"type\":\"all_off\"}").unwrap().is_none());
        assert!(matches!(read_message::<Order>(&mut io::BufReader::new(io::repeat(b' '))), Err(WireError::Long)));
    }
}
