//! The conversation with a device, without its port: what is said, and what must come back by when.
//!
//! # Protocol "vibrissa"
//! ASCII lines, each answered by itself, but for the greeting:
//!
//! | said | answered | meaning |
//! |---|---|---|
//! | `V` | `VIBRISSA 1 <watchdog_millis>` | greeting |
//! | `P <channel> <micros>` | the same | on for so long, timed by the device; replaces what the channel was doing; 0 is off |
//! | `0` | `0` | every channel off |
//! | `B` | `B` | heartbeat |
//!
//! The device turns everything off when it received nothing for `watchdog_millis`. Empty lines mean nothing: one ends
//! whatever half a line went before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::guard::spec::Protocol;

/// Commands that may wait for their answers. Far more than a device that keeps its time ever has.
const WAITING_MAX: usize = 32;

/// What is said to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `output` is whose command it is; `renewal` if it is on already.
    On {
        output: usize,
        channel: u8,
        on: Duration,
        renewal: bool,
    },
    Off {
        output: usize,
        channel: u8,
    },
    AllOff,
    Beat,
}

/// How commands become bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    Vibrissa,
    Bytes { on: Vec<u8>, off: Vec<u8>, reply: Option<Vec<u8>> },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("answer: expected {expected:?} within {millis} ms, got {got:?}")]
    Late { expected: String, millis: u128, got: String },
    #[error("answer: expected {expected:?}, got {got:?}")]
    Wrong { expected: String, got: String },
    #[error("answer: expected none, got {got:?}")]
    Unasked { got: String },
    #[error("answers: expected at most {WAITING_MAX} outstanding, got {got}")]
    Behind { got: usize },
    #[error("write: expected {expected} bytes to be taken at once, got {got}")]
    Full { expected: usize, got: usize },
    #[error("port: {what}")]
    Gone { what: String },
}

/// What was said and not answered yet.
#[derive(Debug)]
pub struct Session {
    dialect: Dialect,
    reply_max: Duration,
    waiting: VecDeque<Waiting>,
    /// Bytes of the first answer that have come.
    received: usize,
}

#[derive(Debug)]
struct Waiting {
    command: Command,
    answer: Vec<u8>,
    until: Instant,
}

impl Dialect {
    pub fn of(protocol: &Protocol) -> Self {
        match protocol.clone() {
            Protocol::Vibrissa { .. } => Self::Vibrissa,
            Protocol::Bytes { on, off, reply } => Self::Bytes { on, off, reply },
        }
    }

    /// The bytes of a command; none for what the dialect cannot say.
    pub fn encode(&self, command: Command) -> Vec<u8> {
        match (self, command) {
            (Self::Vibrissa, Command::On { channel, on, .. }) => {
                // A pulse of no length would be an off.
                format!("P {channel} {}\n", on.as_micros().max(1)).into_bytes()
            }
            (Self::Vibrissa, Command::Off { channel, .. }) => format!("P {channel} 0\n").into_bytes(),
            (Self::Vibrissa, Command::AllOff) => b"0\n".to_vec(),
            (Self::Vibrissa, Command::Beat) => b"B\n".to_vec(),
            (Self::Bytes { on, .. }, Command::On { .. }) => on.clone(),
            (Self::Bytes { off, .. }, Command::Off { .. } | Command::AllOff) => off.clone(),
            (Self::Bytes { .. }, Command::Beat) => Vec::new(),
        }
    }

    /// Off for a device in whatever state: it may hold half a line.
    pub fn last_resort(&self) -> Vec<u8> {
        match self {
            Self::Vibrissa => b"\n0\n".to_vec(),
            Self::Bytes { off, .. } => off.clone(),
        }
    }

    /// Whether the device times pulses itself.
    pub fn self_timed(&self) -> bool {
        matches!(self, Self::Vibrissa)
    }

    /// Whether the device answers at all.
    pub fn answers(&self) -> bool {
        !matches!(self, Self::Bytes { reply: None, .. })
    }

    fn answer_to(&self, said: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Vibrissa => Some(said.to_vec()),
            Self::Bytes { reply, .. } => reply.clone(),
        }
    }
}

impl Session {
    pub fn new(dialect: Dialect, reply_max: Duration) -> Self {
        Self { dialect, reply_max, waiting: VecDeque::new(), received: 0 }
    }

    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Notes that a command was said; `true` if no answer is to come.
    pub fn said(&mut self, now: Instant, command: Command, bytes: &[u8]) -> Result<bool, Fault> {
        let Some(answer) = self.dialect.answer_to(bytes) else { return Ok(true) };
        if self.waiting.len() == WAITING_MAX {
            return Err(Fault::Behind { got: WAITING_MAX + 1 });
        }
        self.waiting.push_back(Waiting { command, answer, until: now + self.reply_max });
        Ok(false)
    }

    /// Compares what came with what must come, and says which commands that confirms.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Command>, Fault> {
        let mut confirmed = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            // Line endings are the device library's choice.
            if matches!(self.dialect, Dialect::Vibrissa) && *byte == b'\r' {
                continue;
            }
            let Some(first) = self.waiting.front() else {
                return Err(Fault::Unasked { got: shown(&bytes[at..]) });
            };
            if first.answer[self.received] != *byte {
                let got = [&first.answer[..self.received], &bytes[at..]].concat();
                return Err(Fault::Wrong { expected: shown(&first.answer), got: shown(&got) });
            }
            self.received += 1;
            if self.received == first.answer.len() {
                confirmed.push(first.command);
                self.waiting.pop_front();
                self.received = 0;
            }
        }
        Ok(confirmed)
    }

    /// When the first answer must have come.
    pub fn next(&self) -> Option<Instant> {
        self.waiting.front().map(|first| first.until)
    }

    pub fn due(&self, now: Instant) -> Result<(), Fault> {
        match self.waiting.front() {
            Some(first) if now >= first.until => Err(Fault::Late {
                expected: shown(&first.answer),
                millis: self.reply_max.as_millis(),
                got: shown(&first.answer[..self.received]),
            }),
            _ => Ok(()),
        }
    }

    /// Whether everything was answered.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Expects nothing any more.
    pub fn forget(&mut self) {
        self.waiting.clear();
        self.received = 0;
    }
}

/// The watchdog that a greeting states, in milliseconds.
pub fn greeting(line: &[u8]) -> Option<u64> {
    std::str::from_utf8(line).ok()?.strip_prefix("VIBRISSA 1 ")?.parse().ok()
}

/// Bytes for a message: the first few, as text.
pub fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(40)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY_MAX: Duration = Duration::from_millis(100);

    fn say(session: &mut Session, now: Instant, command: Command) -> Vec<u8> {
        let bytes = session.dialect().encode(command);
        assert!(!session.said(now, command, &bytes).unwrap());
        bytes
    }

    #[test]
    fn echoes_confirm_in_order_however_they_are_cut() {
        let now = Instant::now();
        let mut session = Session::new(Dialect::Vibrissa, REPLY_MAX);
        let on = Command::On { output: 0, channel: 2, on: Duration::from_millis(10), renewal: false };
        let said = [say(&mut session, now, on), say(&mut session, now, Command::AllOff)].concat();
        assert_eq!(said, b"P 2 10000\n0\n");
        let mut confirmed = Vec::new();
        for byte in b"P 2 10000\r\n0\r\n" {
            confirmed.extend(session.receive(&[*byte]).unwrap());
        }
        assert_eq!(confirmed, [on, Command::AllOff]);
        assert_eq!(session.next(), None);
    }

    #[test]
    fn wrong_unasked_and_late_answers_are_faults() {
        let now = Instant::now();
        let mut session = Session::new(Dialect::Vibrissa, REPLY_MAX);
        assert!(matches!(session.receive(b"B\n"), Err(Fault::Unasked { .. })));
        let on = Command::On { output: 0, channel: 1, on: Duration::from_millis(10), renewal: false };
        say(&mut session, now, on);
        session.due(now + REPLY_MAX / 2).unwrap();
        assert!(matches!(session.due(now + REPLY_MAX), Err(Fault::Late { .. })));
        let error = session.receive(b"P 1 90000\n").unwrap_err();
        assert_eq!(error.to_string(), r#"answer: expected "P 1 10000\\n", got "P 1 90000\\n""#);
    }

    #[test]
    fn plain_bytes_may_be_answered_or_not() {
        let now = Instant::now();
        let dialect = |reply: Option<&[u8]>| Dialect::Bytes {
            on: b"1".to_vec(),
            off: b"0".to_vec(),
            reply: reply.map(<[u8]>::to_vec),
        };
        let mut silent = Session::new(dialect(None), REPLY_MAX);
        assert!(silent.said(now, Command::AllOff, b"0").unwrap());
        let mut session = Session::new(dialect(Some(b"ok")), REPLY_MAX);
        assert_eq!(say(&mut session, now, Command::AllOff), b"0");
        assert_eq!(session.receive(b"ok").unwrap(), [Command::AllOff]);
    }

    #[test]
    fn answers_outstanding_are_bounded() {
        let now = Instant::now();
        let mut session = Session::new(Dialect::Vibrissa, REPLY_MAX);
        for _ in 0..WAITING_MAX {
            session.said(now, Command::Beat, b"B\n").unwrap();
        }
        assert!(matches!(session.said(now, Command::Beat, b"B\n"), Err(Fault::Behind { .. })));
    }

    #[test]
    fn a_greeting_states_its_watchdog() {
        assert_eq!(greeting(b"VIBRISSA 1 250"), Some(250));
        for line in [&b"VIBRISSA 2 250"[..], b"VIBRISSA 1", b"VIBRISSA 1 -5", b"B", b""] {
            assert_eq!(greeting(line), None);
        }
    }
}
