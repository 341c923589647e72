//! The ethogram of a model together with that of a corpus.

use crate::behavior::{Behavior, BehaviorSpec, Ethogram, LabelSet};
use crate::corpus::flags::Flags;
use crate::corpus::session::Session;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JoinError {
    #[error(
        "label set {label_set:?}: the model's {behavior:?} is {donors}, that of the corpus {corpus}: expected the same kind, or \
         a label set of another name"
    )]
    Kind { label_set: String, behavior: String, donors: &'static str, corpus: &'static str },
}

/// Both, and where the behaviors of the corpus went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub ethogram: Ethogram,
    /// By behavior of the corpus's ethogram.
    pub of_corpus: Vec<Behavior>,
}

impl Joined {
    /// The donor's label sets, then those that only the corpus has. Label sets of the same name are one: the donor's
    /// behaviors, then those that only the corpus's has.
    ///
    /// # Errors
    /// A behavior that is of one kind here and of another there.
    pub fn new(donor: &Ethogram, corpus: &Ethogram) -> Result<Self, JoinError> {
        let mut sets = donor.label_sets().to_vec();
        for set in corpus.label_sets() {
            match sets.iter_mut().find(|known| known.name == set.name) {
                Some(known) => join(known, set)?,
                None => sets.push(set.clone()),
            }
        }
        let ethogram = Ethogram::new(sets);
        let place =
            |(_, set, spec): (_, usize, &BehaviorSpec)| ethogram.find(&corpus.label_sets()[set].name, &spec.name);
        // What was joined holds every one of them.
        let of_corpus = corpus.behaviors().filter_map(place).collect();
        Ok(Self { ethogram, of_corpus })
    }
}

fn join(known: &mut LabelSet, more: &LabelSet) -> Result<(), JoinError> {
    for spec in &more.behaviors {
        match known.behaviors.iter().find(|known| known.name == spec.name) {
            None => known.behaviors.push(spec.clone()),
            Some(same) if same.kind == spec.kind => {}
            Some(other) => {
                return Err(JoinError::Kind {
                    label_set: more.name.clone(),
                    behavior: spec.name.clone(),
                    donors: other.kind.name(),
                    corpus: spec.kind.name(),
                });
            }
        }
    }
    Ok(())
}

/// Gives the cells of a session the behaviors of another ethogram, `to` by behavior of its own, and puts them and the
/// columns of their labels into that ethogram's order.
///
/// # Panics
/// On a cell whose behavior `to` does not have.
pub fn translate(session: &mut Session, to: &[Behavior]) {
    for cell in &mut session.cells {
        cell.behavior = to[usize::from(cell.behavior.0)];
    }
    // Subjects of a behavior are in order, and stay so.
    let mut order: Vec<usize> = (0..session.cells.len()).collect();
    order.sort_by_key(|&cell| session.cells[cell].behavior);
    session.cells = order.iter().map(|&cell| session.cells[cell]).collect();
    let sorted = |flags: &Flags| -> Flags {
        let flags = flags.to_vec();
        flags.chunks_exact(order.len().max(1)).flat_map(|row| order.iter().map(|&cell| row[cell])).collect()
    };
    (session.truth, session.labelled) = (sorted(&session.truth), sorted(&session.labelled));
}
