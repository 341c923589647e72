//! What can be said of social behavior by distances, facing and speeds alone: the baseline that stands beside the
//! network.
//!
//! [`Measurer`] turns the points of each tick into named quantities ([`Quantity`]), causally and within
//! [`REACH_TICKS`]. A behavior's rule ([`rules`]) is a conjunction of a few conditions *quantity above or below a
//! threshold*, as an ethologist would write it. [`fit`](fn@fit) moves the thresholds to where they agree best with
//! validation recordings, and [`FittedRules`] tells bouts by the decoder that the network's scores go through.
//!
//! What is not seen is not known: a condition on a quantity that cannot be measured does not hold, so that missing
//! points give no verdict, never a wrong one.

mod fit;
mod fitted;
mod measure;
mod posture;
mod quantities;
mod reading;
pub mod rules;
mod search;

use crate::behavior::{Behavior, Cell, Ethogram, Subject};
use crate::poses::Keypoint;
use crate::skeleton::{INDIVIDUALS_MAX, Skeleton};

pub use self::fit::fit;
pub use self::fitted::{Agreement, FittedRule, FittedRules, RuleScorer};
pub use self::measure::{Measurer, REACH_TICKS};
pub use self::quantities::Quantity;
pub use self::rules::{Condition, Side};

/// The points of a recording, tick by tick.
#[derive(Clone, Debug)]
pub struct Track<'a> {
    skeleton: &'a Skeleton,
    individuals: usize,
    ticks: Vec<&'a [Keypoint]>,
}

impl<'a> Track<'a> {
    /// # Shapes
    /// `ticks`: T of I × K points in body lengths, individual by individual, at 30 Hz.
    ///
    /// # Errors
    /// More individuals than a cage may have, a tick of another shape.
    pub fn new(
        skeleton: &'a Skeleton,
        individuals: usize,
        ticks: impl IntoIterator<Item = &'a [Keypoint]>,
    ) -> Result<Self, BaselineError> {
        if individuals > INDIVIDUALS_MAX {
            return Err(BaselineError::Individuals(individuals));
        }
        let expected = individuals * skeleton.keypoints().len();
        let ticks: Vec<_> = ticks.into_iter().collect();
        match ticks.iter().enumerate().find(|(_, points)| points.len() != expected) {
            Some((tick, points)) => Err(BaselineError::Points { tick, expected, got: points.len() }),
            None => Ok(Self { skeleton, individuals, ticks }),
        }
    }

    pub fn skeleton(&self) -> &Skeleton {
        self.skeleton
    }

    pub fn individuals(&self) -> usize {
        self.individuals
    }

    /// T of I × K points.
    pub fn ticks(&self) -> &[&'a [Keypoint]] {
        &self.ticks
    }
}

/// What was annotated in a recording.
///
/// # Shapes
/// `truth` and `labelled`: T × N, N being the length of `cells`.
#[derive(Clone, Copy, Debug)]
pub struct Truth<'a> {
    /// What somebody looked for.
    pub cells: &'a [Cell],
    /// Whether the behavior of the cell was annotated at the tick.
    pub truth: &'a [bool],
    /// Whether the cell was up for annotation there.
    pub labelled: &'a [bool],
}

impl Truth<'_> {
    fn check(&self, recording: usize, track: &Track<'_>, ethogram: &Ethogram) -> Result<(), BaselineError> {
        let expected = track.ticks.len() * self.cells.len();
        for (what, got) in [("truth", self.truth.len()), ("labelled", self.labelled.len())] {
            if got != expected {
                return Err(BaselineError::Labels { recording, what, expected, got });
            }
        }
        let kinds: Vec<_> = ethogram.behaviors().map(|(_, _, spec)| spec.kind).collect();
        let known = |cell: &Cell| {
            let kind = kinds.get(usize::from(cell.behavior.0));
            kind.is_some_and(|kind| Subject::all(*kind, track.individuals).contains(&cell.subject))
        };
        match self.cells.iter().find(|cell| !known(cell)) {
            Some(&cell) => Err(BaselineError::Cell { recording, individuals: track.individuals, cell }),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BaselineError {
    #[error("expected at most {INDIVIDUALS_MAX} individuals, got {0}")]
    Individuals(usize),
    #[error("tick {tick}: expected {expected} points, got {got}")]
    Points { tick: usize, expected: usize, got: usize },
    #[error("recording {recording}: expected {expected} values of {what}, ticks × cells, got {got}")]
    Labels { recording: usize, what: &'static str, expected: usize, got: usize },
    #[error("recording {recording}: expected cells of the ethogram and of {individuals} individuals, got {cell:?}")]
    Cell { recording: usize, individuals: usize, cell: Cell },
    #[error("expected a rule for each of {expected} behaviors, got {got}")]
    RuleCount { expected: usize, got: usize },
    #[error("{behavior:?}: expected at most {} conditions with finite thresholds, got {got}", rules::CONDITIONS_MAX)]
    Conditions { behavior: Behavior, got: String },
    #[error("{behavior:?}: {source}")]
    Decoding { behavior: Behavior, source: crate::output::decoder::RuleError },
    #[error("{behavior:?}: expected a priority within 0 to 1, got {got}")]
    Priority { behavior: Behavior, got: f32 },
    #[error("{behavior:?}: expected an F1, a precision and a recall within 0 to 1, got {got:?}")]
    Agreement { behavior: Behavior, got: Agreement },
}

#[cfg(test)]
mod tests;
