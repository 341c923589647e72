//! How well predicted bouts agree with annotated ones.
//!
//! Times are frames or ticks, the same on both sides of a comparison; only what is scored counts. [`FrameScores`] asks
//! frame by frame, [`BoutScores`] bout by bout, [`best_threshold`] where to cut a score, [`ranking`] what
//! all cuts are worth.

mod bouts;
pub mod calibration;
mod frames;
pub mod interval;
pub mod official;
pub mod ranking;
pub mod table;
mod threshold;
pub mod triggers;

pub use bouts::{BoutScores, BoutTally};
pub use frames::{FrameScores, Tally, macro_f1};
pub use threshold::best_threshold;

use std::ops::Range;

use crate::behavior::{Behavior, Bout, Cell};
use crate::corpus::SetLabels;

/// The annotated cells of a behavior.
fn cells_of(labels: &SetLabels, behavior: Behavior) -> impl Iterator<Item = Cell> {
    labels.annotated.iter().copied().filter(move |cell| cell.behavior == behavior)
}

/// The bouts of a cell, as they are.
fn ranges_of(bouts: &[Bout], cell: Cell) -> Vec<Range<u64>> {
    bouts.iter().filter(|bout| bout.cell == cell).map(|bout| bout.start..bout.stop).collect()
}

#[cfg(test)]
mod testing {
    use super::{Bout, Cell, Range, SetLabels};
    use crate::behavior::{Behavior, BehaviorSpec, Ethogram, Individual, Kind, LabelSet, Subject};

    const PAIR: Subject = Subject::Both { first: Individual(0), second: Individual(1) };

    /// Label sets of two and of one behavior, all undirected.
    pub fn ethogram() -> Ethogram {
        let set = |name: &str, behaviors: &[&str]| LabelSet {
            name: name.to_string(),
            behaviors: behaviors
                .iter()
                .map(|name| BehaviorSpec { name: (*name).to_string(), kind: Kind::Undirected })
                .collect(),
        };
        Ethogram::new(vec![set("A", &["social", "aggression"]), set("B", &["bite"])])
    }

    pub fn bout(behavior: u16, range: Range<u64>) -> Bout {
        Bout { cell: Cell { behavior: Behavior(behavior), subject: PAIR }, start: range.start, stop: range.end }
    }

    /// Labels of both sets, scored on [0, 100).
    pub fn labels(a: &[Bout], b: &[Bout]) -> Vec<SetLabels> {
        let cell = |behavior| Cell { behavior: Behavior(behavior), subject: PAIR };
        let set = |behaviors: Range<u16>, bouts: &[Bout]| SetLabels {
            scored: std::iter::once(0..100).collect(),
            annotated: behaviors.map(cell).collect(),
            bouts: bouts.to_vec(),
        };
        vec![set(0..2, a), set(2..3, b)]
    }
}
