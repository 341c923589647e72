//! A plan against the ticks of a recording, with outputs that do exactly as they are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Decision, Outcome};
use crate::behavior::{Individual, Subject, pair_name};
use crate::guard::wire::{Cause, Order, Report};
use crate::keys::CageName;
use crate::time::Tick;
use crate::trigger::allocation::Allocation;
use crate::trigger::allowance::Allowance;
use crate::trigger::arbiter::{self, Action, Arbiter, Before, Decided, Sighting};
use crate::trigger::plan::{Plan, Stimulus};
use crate::trigger::standing::Standing;
use crate::trigger::watch::Candidate;

/// Decides on the candidates of a recording as the desk would, were its poses live: each recording is a session of its own,
/// armed from the beginning, and every rule's phase goes on.
#[derive(Debug)]
pub struct Player<'a> {
    arbiter: Arbiter,
    cage: CageName,
    individuals: &'a [String],
    /// By output: what is on.
    on: BTreeMap<String, Lit>,
    /// By rule.
    decisions: Vec<Vec<(Subject, Decision)>>,
}

/// A stimulus that goes on.
#[derive(Clone, Copy, Debug)]
struct Lit {
    trigger: u64,
    begin_nanos: i64,
    end_nanos: i64,
    /// Of a train, for how long it is on in all; else for as long as it goes on.
    on_micros: Option<u64>,
}

impl<'a> Player<'a> {
    /// `standing` is how the cage stands at the beginning.
    ///
    /// # Panics
    /// On a standing that cannot be armed.
    pub fn new(plan: &Plan, individuals: &'a [String], standing: &Standing) -> Self {
        let mut plan = plan.clone();
        for rule in &mut plan.rules {
            rule.cage = None;
            rule.phases.clear();
        }
        let cage = CageName::new(&plan.rig, "rehearsal").expect("the rig of a checked plan");
        let decisions = vec![Vec::new(); plan.rules.len()];
        // The same draws for the same plan: a rehearsal is repeated word by word.
        let allocation = Allocation::new(*blake3::hash(plan.hash.as_bytes()).as_bytes());
        let mut arbiter = Arbiter::new(Arc::new(plan), allocation, Allowance::new(), Before::default());
        arbiter.arm(&cage, standing).expect("a standing that can be armed");
        Self { arbiter, cage, individuals, on: BTreeMap::new(), decisions }
    }

    /// Takes the next tick.
    pub fn see(&mut self, tick: Tick, standing: Standing, candidates: &[Candidate]) {
        let now = (tick.secs() * 1e9) as i64;
        let over = self.on.iter().filter(|(_, lit)| lit.end_nanos <= now);
        let over: Vec<(String, i64)> = over.map(|(output, lit)| (output.clone(), lit.end_nanos)).collect();
        for (output, end) in over {
            self.end(&output, end);
        }
        let actions = self.arbiter.pass_time(now);
        self.perform(actions, tick, now);
        let cage = self.cage.clone();
        let sighting = Sighting { cage: &cage, individuals: self.individuals, standing, candidates };
        let actions = self.arbiter.see(&sighting, now);
        self.perform(actions, tick, now);
    }

    /// What was decided, by rule and tick, with the animals that it was about.
    pub fn finish(self) -> Vec<Vec<(Subject, Decision)>> {
        self.decisions
    }

    fn perform(&mut self, actions: Vec<Action>, tick: Tick, now: i64) {
        for action in actions {
            match action {
                Action::Tell(order) => self.order(order, now),
                Action::Record(Decided { candidate, outcome, .. }) => {
                    let outcome = match outcome {
                        arbiter::Outcome::Triggered { sham: true, .. } => Outcome::Sham,
                        arbiter::Outcome::Triggered { sham: false, .. } => Outcome::Stimulus,
                        arbiter::Outcome::Refused(refused) => {
                            Outcome::Refused { cause: refused.cause().to_owned(), why: refused.to_string() }
                        }
                    };
                    let animals = animals(candidate.subject, self.individuals);
                    let decision = Decision { tick: tick.0, animals, outcome };
                    self.decisions[candidate.rule].push((candidate.subject, decision));
                }
                Action::Book { .. } | Action::Settle { .. } | Action::Cancel { .. } | Action::Disarmed { .. } => {}
            }
        }
    }

    fn order(&mut self, order: Order, now: i64) {
        let end = |millis: u64| now.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000_000));
        let lit = |trigger, millis, on_micros| Lit { trigger, begin_nanos: now, end_nanos: end(millis), on_micros };
        match order {
            Order::Pulse { id, output, on_millis } => drop(self.on.insert(output, lit(id, on_millis, None))),
            Order::Train { id, output, on_millis, period_millis, count } => {
                let train = Stimulus::Train { on_millis, period_millis, count };
                let on_micros = Some(train.on_millis().saturating_mul(1000));
                self.on.insert(output, lit(id, train.span_millis(), on_micros));
            }
            Order::Hold { id, output, lease_millis } => {
                let begin_nanos = self.on.get(&output).map_or(now, |lit| lit.begin_nanos);
                self.on.insert(output, Lit { begin_nanos, ..lit(id, lease_millis, None) });
            }
            Order::Release { output, .. } => self.end(&output, now),
            Order::AllOff => {
                self.on.keys().cloned().collect::<Vec<_>>().iter().for_each(|output| self.end(output, now));
            }
            Order::Hello { .. } | Order::Beat { .. } => {}
        }
    }

    fn end(&mut self, output: &str, at: i64) {
        let Some(Lit { trigger: id, begin_nanos, end_nanos, on_micros }) = self.on.remove(output) else { return };
        let since = u64::try_from((at - begin_nanos) / 1000).unwrap_or(0);
        // A train that is cut short counts in full: that errs on the safe side.
        let on_micros = on_micros.unwrap_or(since);
        let cause = if at < end_nanos { Cause::Released } else { Cause::Done };
        let output = output.to_owned();
        // Nothing comes of an end but that its dose is known.
        let _ = self.arbiter.hear(&Report::Off { id, output, on_micros, cause, unix_nanos: 0, monotonic_nanos: 0 }, at);
    }
}

/// Animals in words.
pub fn animals(subject: Subject, individuals: &[String]) -> String {
    let name = |slot: Individual| individuals.get(usize::from(slot.0)).map_or("?", String::as_str);
    match subject {
        Subject::One(one) => name(one).to_owned(),
        Subject::Ordered { agent, target } => format!("{} → {}", name(agent), name(target)),
        Subject::Both { first, second } => pair_name(name(first), name(second)),
    }
}

/// Ticks of a recording's frames.
pub fn tick_of(first_frame: u64, frames_per_tick: f64) -> impl Fn(u64) -> u64 {
    move |frame| (frame.saturating_sub(first_frame) as f64 / frames_per_tick).round() as u64
}
