//! Each trigger and each bout on its own, as [`score`] counts them, and their sums.

use std::collections::BTreeMap;

use crate::rehearsal::{Decision, Interval, OfRule, Outcome, Rehearsal, Scored, score};

/// Where a trigger lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// The first one within a bout.
    Hit,
    /// Another one within the same bout.
    Again,
    False,
    /// Where nobody looked.
    Unlabelled,
}

#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub decision: &'a Decision,
    pub fate: Fate,
}

/// Triggers in their order, and which bouts were hit.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub triggers: Vec<Judged<'a>>,
    pub is_hit: Vec<bool>,
}

pub(super) fn held<'a>(of_rule: &OfRule, decisions: &'a [Decision]) -> Held<'a> {
    let mut is_hit = vec![false; of_rule.bouts.len()];
    let mut triggers = Vec::new();
    for decision in decisions.iter().filter(|decision| decision.outcome.is_trigger()) {
        let within = |span: &Interval| is_within(span, decision.tick) && span.animals == decision.animals;
        let mut fate = if of_rule.labelled.iter().any(within) { Fate::False } else { Fate::Unlabelled };
        for (_, is_hit) in of_rule.bouts.iter().zip(&mut is_hit).filter(|(bout, _)| within(bout)) {
            if !std::mem::replace(is_hit, true) {
                fate = Fate::Hit;
            } else if fate != Fate::Hit {
                fate = Fate::Again;
            }
        }
        triggers.push(Judged { decision, fate });
    }
    Held { triggers, is_hit }
}

pub(super) fn is_within(span: &Interval, tick: u64) -> bool {
    (span.start..span.stop).contains(&tick)
}

/// A rule over all recordings.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub rule: Scored,
    pub by_distance: Scored,
    pub shams: u64,
    /// By cause.
    pub refused: BTreeMap<String, u64>,
}

impl Totals {
    /// By rule of the plan. A recording that lacks a rule adds nothing to it.
    pub fn of(rehearsal: &Rehearsal) -> Vec<Self> {
        let mut totals: Vec<Self> = rehearsal.rules.iter().map(|_| Self::default()).collect();
        for recording in &rehearsal.recordings {
            for (total, of_rule) in totals.iter_mut().zip(&recording.rules) {
                total.add(of_rule);
            }
        }
        totals
    }

    fn add(&mut self, of_rule: &OfRule) {
        // Labelled time that ends before it begins is none.
        let labelled = of_rule.labelled.iter().filter(|span| span.start < span.stop).cloned().collect();
        let annotated = OfRule { bouts: of_rule.bouts.clone(), labelled, ..OfRule::default() };
        self.rule.add(&score(&annotated, &of_rule.decisions));
        self.by_distance.add(&score(&annotated, &of_rule.by_distance));
        for decision in &of_rule.decisions {
            match &decision.outcome {
                Outcome::Stimulus => {}
                Outcome::Sham => self.shams += 1,
                Outcome::Refused { cause, .. } => *self.refused.entry(cause.clone()).or_default() += 1,
            }
        }
    }

    /// Causes of refusals, the commonest first.
    pub fn causes(&self) -> Vec<(&str, u64)> {
        let mut causes: Vec<(&str, u64)> = self.refused.iter().map(|(cause, count)| (cause.as_str(), *count)).collect();
        causes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        causes
    }
}
