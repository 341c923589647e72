//! What an experimenter tells a closed loop, and hears back: JSON on `vibrissa/{rig}/{cage}/control`.
//!
//! ```json
//! {"version":1,"do":"arm","session":"2026-03-14-a"}
//! {"version":1,"do":"disarm"}
//! {"version":1,"do":"stop","why":"the animal is hurt"}
//! {"version":1,"do":"mark","name":"stimulation"}
//! {"version":1,"do":"tell"}
//! ```
//!
//! A zenoh query is answered with a [`Reply`]; a plain put is carried out without one. `stop` and `mark` go for the whole
//! rig, whichever cage they are sent to.

use serde::{Deserialize, Serialize};

pub const CONTROL_VERSION: u32 = 1;

/// Most bytes of a command, and characters of a text in it.
pub const CONTROL_BYTES_MAX: usize = 4096;
pub const TEXT_CHARS_MAX: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Command {
    /// Lets the cage trigger, bound to its present publisher, in an experimental session of this name.
    Arm {
        session: String,
    },
    Disarm,
    /// Everything off and disarmed, until the detector is started anew.
    Stop {
        #[serde(default)]
        why: Option<String>,
    },
    /// The phase of this name begins.
    Mark {
        name: String,
    },
    /// Tells how things stand.
    Tell,
}

#[derive(Serialize, Deserialize)]
struct Message {
    version: u32,
    #[serde(flatten)]
    command: Command,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub version: u32,
    pub done: bool,
    /// What was done, or why not.
    pub said: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("expected at most {CONTROL_BYTES_MAX} bytes, got {0}")]
    Oversized(usize),
    #[error("expected a command: {0}")]
    Json(String),
    #[error("expected version {CONTROL_VERSION}, got {0}")]
    Version(u32),
    #[error("{key}: expected 1 to {TEXT_CHARS_MAX} characters without control codes, got {got:?}")]
    Text { key: &'static str, got: String },
    #[error("session: expected a name of 1 to 64 letters, digits, '_', '-' or '.', not beginning with '.', got {0:?}")]
    Session(String),
}

impl Command {
    /// # Errors
    /// What is no command of this version, and names out of their bounds.
    pub fn decode(json: &[u8]) -> Result<Self, ControlError> {
        if json.len() > CONTROL_BYTES_MAX {
            return Err(ControlError::Oversized(json.len()));
        }
        if let Some(stop) = Self::stop(json) {
            return Ok(stop);
        }
        let message: Message = serde_json::from_slice(json).map_err(|error| ControlError::Json(error.to_string()))?;
        if message.version != CONTROL_VERSION {
            return Err(ControlError::Version(message.version));
        }
        let text = |key, got: &str| {
            let is_text = (1..=TEXT_CHARS_MAX).contains(&got.chars().count()) && !got.chars().any(char::is_control);
            let got = got.chars().take(TEXT_CHARS_MAX).collect();
            if is_text { Ok(()) } else { Err(ControlError::Text { key, got }) }
        };
        match &message.command {
            Self::Arm { session } => check_session(session)?,
            Self::Mark { name } => text("name", name)?,
            Self::Disarm | Self::Stop { .. } | Self::Tell => {}
        }
        Ok(message.command)
    }

    /// A stop is one whatever else is wrong with it: of another version, or with a reason that is no text.
    fn stop(json: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(json).ok()?;
        if value.get("do")?.as_str()? != "stop" {
            return None;
        }
        let why = value.get("why").and_then(|why| why.as_str());
        let why = why.map(|why| why.chars().filter(|char| !char.is_control()).take(TEXT_CHARS_MAX).collect::<String>());
        Some(Self::Stop { why: why.filter(|why| !why.is_empty()) })
    }

    /// The JSON of this command.
    #[allow(clippy::missing_panics_doc, reason = "names always serialize")]
    pub fn to_json(&self) -> String {
        let message = Message { version: CONTROL_VERSION, command: self.clone() };
        serde_json::to_string(&message).expect("names always serialize")
    }
}

/// Files are named by it.
fn check_session(session: &str) -> Result<(), ControlError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=64).contains(&session.len()) && session.bytes().all(allowed) && !session.starts_with('.') {
        return Ok(());
    }
    Err(ControlError::Session(session.chars().take(64).collect()))
}

impl Reply {
    pub fn new(result: Result<String, String>) -> Self {
        let done = result.is_ok();
        Self { version: CONTROL_VERSION, done, said: result.unwrap_or_else(|why| why) }
    }

    /// The JSON of this reply.
    #[allow(clippy::missing_panics_doc, reason = "words always serialize")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("words always serialize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_it_was_written() {
        for command in [
            Command::Arm { session: "2026-03-14.a".into() },
            Command::Disarm,
            Command::Stop { why: None },
            Command::Stop { why: Some("it hurts".into()) },
            Command::Mark { name: "baseline".into() },
            Command::Tell,
        ] {
            assert_eq!(Command::decode(command.to_json().as_bytes()), Ok(command));
        }
        for stop in [r#"{"version":1,"do":"stop"}"#, r#"{"do":"stop","version":"7"}"#, r#"{"do":"stop","why":7}"#] {
            assert_eq!(Command::decode(stop.as_bytes()), Ok(Command::Stop { why: None }));
        }
        let Ok(Command::Stop { why: Some(why) }) =
            Command::decode(format!(r#"{{"version":1,"do":"stop","why":"a\nb{}"}}"#, "x".repeat(500)).as_bytes())
        else {
            panic!("a stop")
        };
        assert!(why.starts_with("abxxx") && why.chars().count() == TEXT_CHARS_MAX);
    }

    #[test]
    fn what_is_no_command_is_refused_by_what_it_is() {
        for (json, said) in [
            (r#"{"version":2,"do":"disarm"}"#, "expected version 1, got 2"),
            (r#"{"version":1,"do":"fire"}"#, "fire"),
            (r#"{"version":1,"do":"arm"}"#, "session"),
            (r#"{"version":1,"do":"arm","session":"../../etc/x"}"#, "session: expected a name"),
            (r#"{"version":1,"do":"arm","session":".hidden"}"#, "not beginning with '.'"),
            (r#"{"version":1,"do":"arm","session":""}"#, "got \"\""),
            (r#"{"version":1,"do":"mark","name":"a\u0007"}"#, "without control codes"),
            ("", "expected a command"),
        ] {
            let error = Command::decode(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{json}: {error}");
        }
        assert_eq!(
            Command::decode(&[b' '; CONTROL_BYTES_MAX + 1]),
            Err(ControlError::Oversized(CONTROL_BYTES_MAX + 1))
        );
    }
}
