//! When the last stimulation of every pair, every cage and the rig has ended.

use std::collections::BTreeMap;

use crate::trigger::allowance::limits::DAY_MILLIS;
use crate::trigger::allowance::refusal::Scope;
use crate::trigger::allowance::{Animals, nanos};

/// One time a pair, a cage and the rig. Nothing is kept longer than the longest refractory period can look back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pairs: BTreeMap<Animals, i64>,
    cages: BTreeMap<String, i64>,
    rig: Option<i64>,
    /// Of a stimulation whose animals are not known: it may have been any.
    unknown: Option<i64>,
}

impl Ends {
    /// `None` for `animals` that are not known.
    pub fn note(&mut self, animals: Option<&Animals>, end_nanos: i64) {
        let latest = |known: Option<i64>| Some(known.map_or(end_nanos, |known| known.max(end_nanos)));
        let Some(animals) = animals else {
            self.unknown = latest(self.unknown);
            return;
        };
        self.rig = latest(self.rig);
        let cage = self.cages.entry(animals.cage.clone()).or_insert(end_nanos);
        *cage = end_nanos.max(*cage);
        let pair = self.pairs.entry(animals.clone()).or_insert(end_nanos);
        *pair = end_nanos.max(*pair);
    }

    /// The end of the last stimulation that the scope looks back on.
    pub fn last_nanos(&self, scope: Scope, animals: &Animals) -> Option<i64> {
        let known = match scope {
            Scope::Pair => self.pairs.get(animals).copied(),
            Scope::Cage => self.cages.get(&animals.cage).copied(),
            Scope::Rig => self.rig,
        };
        known.max(self.unknown)
    }

    pub fn forget(&mut self, now_nanos: i64) {
        self.pairs.retain(|_, end_nanos| matters(*end_nanos, now_nanos));
        self.cages.retain(|_, end_nanos| matters(*end_nanos, now_nanos));
    }

    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.pairs.len() + self.cages.len()
    }

    /// How many pairs other than this one, and cages other than its, have to be kept in mind.
    pub fn others(&self, now_nanos: i64, animals: &Animals) -> (usize, usize) {
        let pairs = self.pairs.iter().filter(|(known, end)| *known != animals && matters(**end, now_nanos));
        let cages = self.cages.iter().filter(|(known, end)| **known != animals.cage && matters(**end, now_nanos));
        (pairs.count(), cages.count())
    }
}

fn matters(end_nanos: i64, now_nanos: i64) -> bool {
    now_nanos.saturating_sub(end_nanos) < nanos(DAY_MILLIS)
}
