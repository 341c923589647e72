//! Adapting a model to a new lab, skeleton or behavior without forgetting the old ones.
//!
//! The new model knows what both know: the donor's label sets joined with the corpus's ([`joined`]), its body parts and
//! then new ones, and its sizes and delays. It begins with all that the donor has learned ([`super::start`]). At first only
//! what is new can move ([`pace`]), and all along it is held to what it said at its beginning about behaviors that nobody
//! labelled in the new corpus ([`super::loss`]). What was fitted to validation stays the donor's for these ([`keep`]).

pub mod joined;
pub mod pace;

use std::collections::BTreeMap;

use self::joined::{JoinError, Joined};
use super::start::Donor;
use super::{Material, validate};
use crate::behavior::{Behavior, Ethogram};
use crate::corpus::session::Session;

impl Material {
    /// Makes this a training that starts from another model: from here on, ethogram and cells are those of both.
    ///
    /// # Errors
    /// A behavior that is of another kind in the model.
    pub fn start_from(&mut self, donor: Donor) -> Result<(), JoinError> {
        let joined = Joined::new(&Ethogram::new(donor.card.label_sets.clone()), &self.ethogram)?;
        for session in self.train.iter_mut().chain(&mut self.validation) {
            joined::translate(session, &joined.of_corpus);
        }
        self.ethogram = joined.ethogram;
        self.donor = Some(donor);
        Ok(())
    }
}

impl Donor {
    /// Its behaviors in an ethogram that has all of them.
    pub fn behaviors(&self, ethogram: &Ethogram) -> Vec<Behavior> {
        let sets = self.card.label_sets.iter();
        sets.flat_map(|set| set.behaviors.iter().filter_map(|spec| ethogram.find(&set.name, &spec.name))).collect()
    }
}

/// Label set → behavior → something, as a card keeps it.
type OfBehaviors<T> = BTreeMap<String, BTreeMap<String, T>>;

/// Label set and name of the behaviors that nobody looked for in these sessions.
pub fn not_looked_for<'a>(
    sessions: impl IntoIterator<Item = &'a Session>,
    ethogram: &Ethogram,
) -> Vec<(String, String)> {
    let looked_for = looked_for(sessions, ethogram);
    let unseen = ethogram.behaviors().filter(|(behavior, ..)| !looked_for[usize::from(behavior.0)]);
    unseen.map(|(_, set, spec)| (ethogram.label_sets()[set].name.clone(), spec.name.clone())).collect()
}

/// Takes over what the donor's card has of these behaviors.
pub fn keep<T: Clone>(own: &mut OfBehaviors<T>, donor: &OfBehaviors<T>, behaviors: &[(String, String)]) {
    for (set, name) in behaviors {
        if let Some(kept) = donor.get(set).and_then(|set| set.get(name)) {
            own.entry(set.clone()).or_default().insert(name.clone(), kept.clone());
        }
    }
}

/// By behavior, whether anybody looked for it in these sessions.
pub fn looked_for<'a>(sessions: impl IntoIterator<Item = &'a Session>, ethogram: &Ethogram) -> Vec<bool> {
    let mut looked_for = vec![false; ethogram.behavior_count()];
    for cell in sessions.into_iter().flat_map(|session| &session.cells) {
        looked_for[usize::from(cell.behavior.0)] = true;
    }
    looked_for
}

/// The plain mean over label sets of the plain mean over their behaviors, of those behaviors that were looked for: what a
/// model keeps from its donor has no score here, which is not a score of 0.
pub fn lab_averaged(by_behavior: &[f64], ethogram: &Ethogram, looked_for: &[bool]) -> f64 {
    let mut scores = Vec::new();
    let mut sets = Vec::new();
    for (label_set, set) in ethogram.label_sets().iter().enumerate() {
        let mut set = set.clone();
        set.behaviors.clear();
        for (behavior, _, spec) in ethogram.behaviors().filter(|(_, of, _)| *of == label_set) {
            let behavior = usize::from(behavior.0);
            if looked_for[behavior] {
                scores.push(by_behavior[behavior]);
                set.behaviors.push(spec.clone());
            }
        }
        if !set.behaviors.is_empty() {
            sets.push(set);
        }
    }
    validate::lab_averaged(&scores, &Ethogram::new(sets))
}

#[cfg(test)]
mod tests;
