//! Key expressions `vibrissa/{rig}/{cage}/…`, parsed into checked names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::time::DelayTicks;

/// Most characters of a rig's or a cage's name.
pub const NAME_CHARS_MAX: usize = 64;

/// Most cages that one detector serves.
pub const CAGES_MAX: usize = 1024;

const ROOT: &str = "vibrissa";

/// A cage of a rig, by their names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CageName {
    rig: Arc<str>,
    cage: Arc<str>,
}

/// Which rigs a detector serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rigs {
    All,
    One(String),
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum KeyError {
    #[error("expected a name of 1 to {NAME_CHARS_MAX} letters, digits, '_', '-' or '.', got {0:?}")]
    Name(String),
    #[error("expected a key vibrissa/RIG/CAGE/{expected}, got {got:?}")]
    Key { expected: &'static str, got: String },
}

fn check(name: &str) -> Result<(), KeyError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(KeyError::Name(name.chars().take(NAME_CHARS_MAX).collect()))
}

impl CageName {
    /// # Errors
    /// A name that is empty, too long or holds other characters than ASCII letters, digits, `_`, `-` and `.`.
    pub fn new(rig: &str, cage: &str) -> Result<Self, KeyError> {
        check(rig)?;
        check(cage)?;
        Ok(Self { rig: rig.into(), cage: cage.into() })
    }

    /// The cage that a key of the given last part (`pose`, `stream`) belongs to.
    pub fn of_key(key: &str, part: &'static str) -> Result<Self, KeyError> {
        let mut chunks = key.split('/');
        match [chunks.next(), chunks.next(), chunks.next(), chunks.next(), chunks.next()] {
            [Some(ROOT), Some(rig), Some(cage), Some(last), None] if last == part => Self::new(rig, cage),
            _ => Err(KeyError::Key { expected: part, got: key.chars().take(2 * NAME_CHARS_MAX).collect() }),
        }
    }

    pub fn rig(&self) -> &str {
        &self.rig
    }

    pub fn cage(&self) -> &str {
        &self.cage
    }

    pub fn pose(&self) -> String {
        format!("{ROOT}/{self}/pose")
    }

    pub fn stream(&self) -> String {
        format!("{ROOT}/{self}/stream")
    }

    pub fn event(&self, delay: DelayTicks) -> String {
        format!("{ROOT}/{self}/event/{}", delay.0)
    }

    pub fn score(&self) -> String {
        format!("{ROOT}/{self}/score")
    }

    pub fn status(&self) -> String {
        format!("{ROOT}/{self}/status")
    }

    pub fn trigger(&self) -> String {
        format!("{ROOT}/{self}/trigger")
    }

    pub fn control(&self) -> String {
        format!("{ROOT}/{self}/control")
    }

    /// Liveliness token of the rig that publishes this cage.
    pub fn alive(&self) -> String {
        format!("{ROOT}/{self}/alive")
    }
}

impl fmt::Display for CageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.rig, self.cage)
    }
}

impl fmt::Debug for CageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Rigs {
    fn chunk(&self) -> &str {
        match self {
            Self::All => "*",
            Self::One(rig) => rig,
        }
    }

    /// The poses of all cages of these rigs.
    pub fn poses(&self) -> String {
        format!("{ROOT}/{}/*/pose", self.chunk())
    }

    /// The stream descriptions of all cages of these rigs.
    pub fn streams(&self) -> String {
        format!("{ROOT}/{}/*/stream", self.chunk())
    }

    /// The events of all cages of these rigs, at every delay.
    pub fn events(&self) -> String {
        format!("{ROOT}/{}/*/event/*", self.chunk())
    }

    /// The scores of all cages of these rigs.
    pub fn scores(&self) -> String {
        format!("{ROOT}/{}/*/score", self.chunk())
    }

    /// The triggers of all cages of these rigs.
    pub fn triggers(&self) -> String {
        format!("{ROOT}/{}/*/trigger", self.chunk())
    }

    /// Where all cages of these rigs are armed and disarmed.
    pub fn controls(&self) -> String {
        format!("{ROOT}/{}/*/control", self.chunk())
    }

    /// The status messages of all cages of these rigs.
    pub fn statuses(&self) -> String {
        format!("{ROOT}/{}/*/status", self.chunk())
    }
}

impl FromStr for Rigs {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text == "*" {
            return Ok(Self::All);
        }
        check(text)?;
        Ok(Self::One(text.to_owned()))
    }
}

/// Liveliness token of a detector, by the id of its zenoh session.
pub fn detector_alive(session: &str) -> String {
    format!("{ROOT}/detector/{session}/alive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_its_cage_and_back() {
        let cage = CageName::of_key("vibrissa/rig-1/cage_2.a/pose", "pose").unwrap();
        assert_eq!((cage.rig(), cage.cage()), ("rig-1", "cage_2.a"));
        assert_eq!(CageName::of_key(&cage.pose(), "pose"), Ok(cage.clone()));
        assert_eq!(cage.event(DelayTicks(15)), "vibrissa/rig-1/cage_2.a/event/15");
    }

    #[test]
    fn other_keys_and_names_are_refused() {
        for key in ["vibrissa/r/c", "vibrissa/r/c/stream", "vibrissa/r/c/pose/x", "other/r/c/pose", ""] {
            assert!(matches!(CageName::of_key(key, "pose"), Err(KeyError::Key { .. })), "{key}");
        }
        for name in ["", "*", "$*", "a b", "ä", "a/b", &"x".repeat(NAME_CHARS_MAX + 1)] {
            assert!(matches!(CageName::new(name, "c"), Err(KeyError::Name(_))), "{name}");
        }
        assert_eq!("*".parse::<Rigs>().unwrap().poses(), "vibrissa/*/*/pose");
        assert!("a*".parse::<Rigs>().is_err());
    }
}
