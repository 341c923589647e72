//! Why nothing is triggered, nothing armed any more, and nothing can be.

use crate::trigger::allowance::refusal::Refusal;
use crate::trigger::standing::Unsound;

/// Why a candidate is no trigger.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    #[error("stopped: {0}")]
    Stopped(String),
    #[error("not armed")]
    Disarmed,
    #[error("{}", .0.words())]
    Unsound(Unsound),
    #[error("the rule does not act in this phase")]
    Phase,
    #[error("{0}")]
    Allowance(Refusal),
    /// Which limit, and how much is left of it, would tell stimuli from shams.
    #[error("a dose limit of the output is reached")]
    Dose,
    #[error("not drawn: only a share of the triggers is taken")]
    NotDrawn,
    #[error("the output {0} failed")]
    Output(String),
}

impl Refused {
    /// A short word to count by.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Stopped(_) => "stopped",
            Self::Disarmed => "disarmed",
            Self::Unsound(unsound) => unsound.cause(),
            Self::Phase => "phase",
            Self::Allowance(refusal) => refusal.cause(),
            Self::Dose => "dose",
            Self::NotDrawn => "not-drawn",
            Self::Output(_) => "output",
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::CountPerSession { .. }
            | Refusal::OnTimePerSession { .. }
            | Refusal::CountPerHour { .. }
            | Refusal::OnTimePerHour { .. } => Self::Dose,
            refusal => Self::Allowance(refusal),
        }
    }
}

/// Why a cage is no longer armed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disarming {
    #[error("asked for")]
    Asked,
    #[error("stopped: {0}")]
    Stopped(String),
    #[error("frames that are not live came on the cage's key")]
    NotLive,
    #[error("another publisher came on the cage's key")]
    OtherPublisher,
    #[error("{0}")]
    Strange(&'static str),
    #[error("the session ends")]
    SessionEnds,
    #[error("the output {output} failed: {reason}")]
    Output { output: String, reason: String },
    #[error("{0} cannot be written")]
    Unwritable(String),
    #[error("more frames came than could be followed")]
    Overloaded,
}

/// Why a cage cannot be armed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArmError {
    #[error("stopped ({0}): only a new start of the detector arms anything again")]
    Stopped(String),
    #[error("expected a cage of rig {expected}, got one of {got}")]
    Rig { expected: String, got: String },
    #[error("expected live frames of a publisher that says its run, got {0}")]
    Publisher(&'static str),
    #[error("the output {output} failed: {reason}")]
    Output { output: String, reason: String },
    #[error("nothing is to be done now: {}", .0.words())]
    Unsound(Unsound),
}
