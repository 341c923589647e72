//! Why a stimulation is not allowed, in numbers and in plain words.

use std::fmt;

/// Whose stimulations a refractory period looks back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The same agent and the same target (or none) of the same cage.
    Pair,
    Cage,
    Rig,
}

/// What stands against a stimulation. Where several limits do, the first of these is told: they are in the order of how
/// long they last by their nature.
///
/// Waits are in milliseconds, rounded up; this limit allows the same request after them if nothing else happens.
/// `None`: that hangs on the end of a stimulus that is not known yet, or no wait will do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("expected names of 1 to {expected_max} bytes, got one of {got}")]
    Name { expected_max: usize, got: usize },
    #[error("expected at most {expected_max} {what} to keep in mind, got another one")]
    TooMany { what: &'static str, expected_max: usize },
    #[error("the {count_max} stimuli that this output may give in a session are used up ({count} given)")]
    CountPerSession { count_max: u32, count: u64 },
    #[error(
        "{} of {on_millis_max} ms on-time are left to this output for the session, {planned_millis} ms asked",
        on_millis_max.saturating_sub(*on_millis)
    )]
    OnTimePerSession { on_millis_max: u64, on_millis: u64, planned_millis: u64 },
    #[error("{count} stimuli of this output within an hour, {count_max} allowed{}", again(*wait_millis))]
    CountPerHour { count_max: u32, count: u64, wait_millis: Option<u64> },
    #[error(
        "{} of {on_millis_max} ms on-time are left to this output within the hour, {planned_millis} ms asked{}",
        on_millis_max.saturating_sub(*on_millis), again(*wait_millis)
    )]
    OnTimePerHour { on_millis_max: u64, on_millis: u64, planned_millis: u64, wait_millis: Option<u64> },
    #[error("less than {period_millis} ms since the end of the last stimulation of the {scope}{}", again(*wait_millis))]
    Refractory { scope: Scope, period_millis: u64, wait_millis: Option<u64> },
    #[error("the output is on, or not known to be off yet")]
    OutputOn,
}

impl Refusal {
    /// One word, to count refusals by.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name",
            Self::TooMany { .. } => "too_many",
            Self::CountPerSession { .. } => "session_count",
            Self::OnTimePerSession { .. } => "session_on_time",
            Self::CountPerHour { .. } => "hour_count",
            Self::OnTimePerHour { .. } => "hour_on_time",
            Self::Refractory { scope: Scope::Pair, .. } => "pair_refractory",
            Self::Refractory { scope: Scope::Cage, .. } => "cage_refractory",
            Self::Refractory { scope: Scope::Rig, .. } => "rig_refractory",
            Self::OutputOn => "output_on",
        }
    }

    /// When this limit allows the request again.
    pub fn wait_millis(&self) -> Option<u64> {
        match self {
            Self::CountPerHour { wait_millis, .. }
            | Self::OnTimePerHour { wait_millis, .. }
            | Self::Refractory { wait_millis, .. } => *wait_millis,
            _ => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pair => "pair",
            Self::Cage => "cage",
            Self::Rig => "rig",
        })
    }
}

fn again(wait_millis: Option<u64>) -> String {
    wait_millis.map(|wait_millis| format!("; again in {wait_millis} ms")).unwrap_or_default()
}
