//! What is said of the identities in a frame.

use crate::behavior::Individual;
use crate::skeleton::INDIVIDUALS_MAX;

/// What became of the identities in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Continuity {
    pub(super) confidence: [f32; INDIVIDUALS_MAX],
    /// At most one a frame.
    pub swap: Option<Swap>,
}

/// Two individuals that have changed places (of a stable stream), or may have (of an unordered one).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swap {
    /// The lower slot.
    pub first: Individual,
    pub second: Individual,
    /// Probability of the change when it was noticed, within [0, 1].
    pub confidence: f32,
}

impl Continuity {
    /// The probability that a slot holds the same animal as when it last held any, within [0, 1].
    ///
    /// Of an animal in sight it is that of this frame alone: it falls where animals are hard to tell apart, and is back
    /// as soon as they are apart, though a mistake made in between lasts. Of one out of sight it starts at what it was
    /// and fades towards chance, 1 / I, within minutes. A slot that never held an animal has 1.
    ///
    /// # Panics
    /// On an individual beyond [`INDIVIDUALS_MAX`].
    pub fn confidence(&self, individual: Individual) -> f32 {
        self.confidence[usize::from(individual.0)]
    }
}
