//! Whether a candidate becomes a trigger, and what is done about it.
//!
//! A plain value for one rig and one experimental session: it does no IO and reads no clock. Time is that of a steady
//! time line ([`super::allowance`]).

mod running;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::running::{Running, Waiting};
pub use self::words::{ArmError, Disarming, Refused};
use super::allocation::Allocation;
use super::allowance::{Allowance, Animals, Booking, BookingId, Kind, Request};
use super::plan::{Plan, Rule, Stimulus};
use super::standing::{Publisher, Standing, Unsound};
use super::watch::{Candidate, Edge};
use crate::guard::wire::{Order, Report};
use crate::keys::CageName;
use crate::output::event;

/// For how long an output stays on without a word that its rule still holds: a few ticks.
pub const LEASE_MILLIS: u64 = 150;

/// So long after its planned end a stimulus of which nobody said that it ended counts as a failure of its output.
pub const OVERDUE_MILLIS: u64 = 2_000;

const NANOS_PER_MILLI: i64 = 1_000_000;

/// What a tick of a cage brought.
#[derive(Clone, Debug)]
pub struct Sighting<'a> {
    pub cage: &'a CageName,
    /// Names by slot.
    pub individuals: &'a [String],
    pub standing: Standing,
    pub candidates: &'a [Candidate],
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Writes down a stimulation that is about to begin. Where that fails, or where the decision cannot be recorded,
    /// [`Arbiter::withdraw`] it and let its order not go out.
    Book {
        trigger: u64,
        booking: BookingId,
        request: Request,
    },
    Tell(Order),
    Record(Decided),
    /// A stimulation is over.
    Settle {
        trigger: u64,
        booking: BookingId,
        end_nanos: i64,
        on_millis: u64,
    },
    /// A stimulation never began.
    Cancel {
        trigger: u64,
        booking: BookingId,
    },
    Disarmed {
        cage: CageName,
        why: Disarming,
    },
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub candidate: Candidate,
    pub cage: CageName,
    /// As an event would name them.
    pub who: event::Animals,
    pub outcome: Outcome,
}

impl Decided {
    /// Its number, where it is a trigger.
    pub fn trigger(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Triggered { trigger, .. } => Some(trigger),
            Outcome::Refused(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// `sham` is sealed: nobody who takes part in the experiment is told.
    Triggered {
        trigger: u64,
        sham: bool,
    },
    Refused(Refused),
}

#[derive(Debug)]
pub struct Arbiter {
    plan: Arc<Plan>,
    allocation: Allocation,
    allowance: Allowance,
    armed: BTreeMap<CageName, Publisher>,
    stopped: Option<String>,
    /// By its place in the plan, and when it began.
    phase: Option<(usize, i64)>,
    /// By rule: candidates that nothing stood against, and triggers.
    opportunities: Vec<u64>,
    triggers: Vec<u64>,
    trigger_next: u64,
    waiting: Vec<Waiting>,
    running: Vec<Running>,
    /// Outputs that failed, and why.
    failed: BTreeMap<String, String>,
}

/// What a session that goes on has behind it.
#[derive(Clone, Debug, Default)]
pub struct Before {
    pub trigger_next: u64,
    /// By rule.
    pub opportunities: Vec<u64>,
    pub triggers: Vec<u64>,
}

impl Arbiter {
    pub fn new(plan: Arc<Plan>, allocation: Allocation, allowance: Allowance, before: Before) -> Self {
        let by_rule = |mut counts: Vec<u64>| {
            counts.resize(plan.rules.len(), 0);
            counts
        };
        Self {
            allocation,
            allowance,
            armed: BTreeMap::new(),
            stopped: None,
            phase: None,
            opportunities: by_rule(before.opportunities),
            triggers: by_rule(before.triggers),
            trigger_next: before.trigger_next.max(1),
            waiting: Vec::new(),
            running: Vec::new(),
            failed: BTreeMap::new(),
            plan,
        }
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub fn armed(&self) -> impl Iterator<Item = &CageName> {
        self.armed.keys()
    }

    /// Whether any output may be on.
    pub fn is_lit(&self) -> bool {
        self.running.iter().any(|running| !running.sham)
    }

    /// Lets a cage trigger from now on, bound to its present publisher.
    ///
    /// # Errors
    /// Whatever would refuse its first candidate at once, but for what ends by itself.
    pub fn arm(&mut self, cage: &CageName, standing: &Standing) -> Result<(), ArmError> {
        if let Some(reason) = &self.stopped {
            return Err(ArmError::Stopped(reason.clone()));
        }
        if cage.rig() != self.plan.rig {
            return Err(ArmError::Rig { expected: self.plan.rig.clone(), got: cage.rig().to_owned() });
        }
        if standing.publisher.run.is_none() {
            return Err(ArmError::Publisher("frames without a run"));
        }
        if let Some((output, reason)) = self.failed.iter().next() {
            return Err(ArmError::Output { output: output.clone(), reason: reason.clone() });
        }
        match standing.against(standing.publisher) {
            // It ends by itself; until then its candidates are refused.
            None | Some(Unsound::Warming | Unsound::SwapAlarm) => {}
            Some(unsound) => return Err(ArmError::Unsound(unsound)),
        }
        self.armed.insert(cage.clone(), standing.publisher);
        Ok(())
    }

    /// Ends what goes on in a cage, and triggers nothing more there.
    pub fn disarm(&mut self, cage: &CageName, why: &Disarming, now_nanos: i64) -> Vec<Action> {
        if self.armed.remove(cage).is_none() {
            return Vec::new();
        }
        let mut actions = self.end_all(|other| other == cage, now_nanos);
        actions.push(Action::Disarmed { cage: cage.clone(), why: why.clone() });
        actions
    }

    pub fn disarm_all(&mut self, why: &Disarming, now_nanos: i64) -> Vec<Action> {
        let cages: Vec<CageName> = self.armed.keys().cloned().collect();
        cages.iter().flat_map(|cage| self.disarm(cage, why, now_nanos)).collect()
    }

    /// Everything off, for as long as this value lives.
    pub fn stop(&mut self, reason: &str, now_nanos: i64) -> Vec<Action> {
        self.stopped.get_or_insert_with(|| reason.to_owned());
        let mut actions = vec![Action::Tell(Order::AllOff)];
        actions.extend(self.disarm_all(&Disarming::Stopped(reason.to_owned()), now_nanos));
        actions
    }

    /// Begins the phase of that name; false where the plan has none.
    pub fn mark(&mut self, marker: &str, now_nanos: i64) -> bool {
        let phase = self.plan.phases.iter().position(|phase| phase.name == marker);
        if let Some(phase) = phase {
            self.phase = Some((phase, now_nanos));
        }
        phase.is_some()
    }

    /// The phase that goes on.
    pub fn phase(&self, now_nanos: i64) -> Option<&str> {
        let (index, began) = self.phase?;
        let phase = self.plan.phases.get(index)?;
        let is_over =
            phase.secs.is_some_and(|secs| now_nanos.saturating_sub(began) >= nanos(secs.saturating_mul(1000)));
        (!is_over).then_some(phase.name.as_str())
    }

    /// Decides on the candidates of a tick.
    pub fn see(&mut self, sighting: &Sighting<'_>, now_nanos: i64) -> Vec<Action> {
        let (cage, standing) = (sighting.cage, &sighting.standing);
        let armed = self.armed.get(cage).copied();
        let unsound = armed.and_then(|armed| standing.against(armed));
        let mut actions = match unsound {
            // These do not pass: whoever comes next is another.
            Some(Unsound::NotLive) => self.disarm(cage, &Disarming::NotLive, now_nanos),
            Some(Unsound::OtherPublisher) => self.disarm(cage, &Disarming::OtherPublisher, now_nanos),
            Some(Unsound::JournalFailing) => {
                self.disarm(cage, &Disarming::Unwritable("the journal".to_owned()), now_nanos)
            }
            Some(Unsound::Warming) | None => Vec::new(),
            // What goes on does so on the word of frames that cannot be relied on.
            Some(_) => self.end_all(|other| other == cage, now_nanos),
        };
        for candidate in sighting.candidates {
            let Some(rule) = self.plan.rules.get(candidate.rule) else { continue };
            if rule.cage.as_ref().is_some_and(|only| only != cage.cage()) {
                continue;
            }
            match candidate.edge {
                Edge::Begins => {
                    let refused = self.stands_against(armed.is_some(), unsound);
                    actions.extend(self.decide(sighting, candidate, refused, now_nanos));
                }
                Edge::Lasts => actions.extend(self.renew(cage, candidate, now_nanos)),
                Edge::Ends => actions.extend(self.release(cage, candidate, now_nanos)),
            }
        }
        actions
    }

    fn stands_against(&self, is_armed: bool, unsound: Option<Unsound>) -> Option<Refused> {
        match (&self.stopped, is_armed, unsound) {
            (Some(reason), ..) => Some(Refused::Stopped(reason.clone())),
            (None, false, _) => Some(Refused::Disarmed),
            (None, true, unsound) => unsound.map(Refused::Unsound),
        }
    }

    fn decide(
        &mut self,
        sighting: &Sighting<'_>,
        candidate: &Candidate,
        refused: Option<Refused>,
        now_nanos: i64,
    ) -> Vec<Action> {
        let plan = Arc::clone(&self.plan);
        let rule = &plan.rules[candidate.rule];
        let animals = animals(sighting, candidate);
        let request = self.request(rule, Kind::Stimulus, &animals);
        let refused = refused.or_else(|| self.refuse(candidate.rule, &request, now_nanos));
        let record = |outcome| {
            let who = event::Animals::new(candidate.subject, sighting.individuals);
            Action::Record(Decided { candidate: candidate.clone(), cage: sighting.cage.clone(), who, outcome })
        };
        if let Some(refused) = refused {
            return vec![record(Outcome::Refused(refused))];
        }
        let sham = self.allocation.is_sham(&rule.name, self.triggers[candidate.rule], rule.sham_share);
        let kind = if sham { Kind::Sham } else { Kind::Stimulus };
        let request = Request { kind, ..request };
        let booking = match self.allowance.book(now_nanos, &request) {
            Ok(booking) => booking,
            Err(refusal) => return vec![record(Outcome::Refused(refusal.into()))],
        };
        self.triggers[candidate.rule] += 1;
        let trigger = self.trigger_next;
        self.trigger_next += 1;
        let begin_nanos = now_nanos.saturating_add(nanos(rule.delay_millis));
        let running = Running {
            trigger,
            rule: candidate.rule,
            cage: sighting.cage.clone(),
            subject: candidate.subject,
            output: rule.output.clone(),
            sham,
            booking,
            planned_millis: rule.stimulus.on_millis(),
            begins_nanos: begin_nanos,
            ends_nanos: begin_nanos.saturating_add(nanos(rule.stimulus.span_millis())),
        };
        let booking = running.booking.id();
        // Written down before it goes out, dose and decision.
        let mut actions =
            vec![Action::Book { trigger, booking, request }, record(Outcome::Triggered { trigger, sham })];
        if rule.delay_millis > 0 {
            self.waiting.push(Waiting { begin_nanos, running });
        } else {
            actions.extend(self.begin(running, now_nanos));
        }
        actions
    }

    /// What the session says against a candidate, the draw last: it is one of those that could have been taken.
    fn refuse(&mut self, rule: usize, request: &Request, now_nanos: i64) -> Option<Refused> {
        let plan = Arc::clone(&self.plan);
        let Rule { name, phases, probability, .. } = &plan.rules[rule];
        if self.failed.contains_key(&request.output) {
            return Some(Refused::Output(request.output.clone()));
        }
        let in_phase = self.phase(now_nanos).is_some_and(|now| phases.iter().any(|phase| phase == now));
        if !phases.is_empty() && !in_phase {
            return Some(Refused::Phase);
        }
        if let Err(refusal) = self.allowance.ask(now_nanos, request) {
            return Some(refusal.into());
        }
        let opportunity = self.opportunities[rule];
        self.opportunities[rule] += 1;
        (!self.allocation.is_taken(name, opportunity, *probability)).then_some(Refused::NotDrawn)
    }

    fn request(&self, rule: &Rule, kind: Kind, animals: &Animals) -> Request {
        Request {
            kind,
            refractory: rule.refractory,
            output: rule.output.clone(),
            dose: self.plan.limits[&rule.output],
            animals: animals.clone(),
            on_millis: rule.stimulus.on_millis(),
        }
    }

    fn begin(&mut self, running: Running, now_nanos: i64) -> Option<Action> {
        let rule = &self.plan.rules[running.rule];
        let (id, output) = (running.trigger, rule.output.clone());
        let order = match rule.stimulus {
            Stimulus::Pulse { on_millis } => Order::Pulse { id, output, on_millis },
            Stimulus::Train { on_millis, period_millis, count } => {
                Order::Train { id, output, on_millis, period_millis, count }
            }
            // Of no time at all it is refused, and its output fails: put off by more than it may last, it never begins.
            Stimulus::Gate { .. } => Order::Hold { id, output, lease_millis: running.lease_millis(now_nanos).max(1) },
        };
        let sham = running.sham;
        self.running.push(running);
        (!sham).then_some(Action::Tell(order))
    }
}

/// As doses are counted: of two animals without direction the lower slot first.
fn animals(sighting: &Sighting<'_>, candidate: &Candidate) -> Animals {
    use crate::behavior::Subject;
    let name = |slot: crate::behavior::Individual| {
        sighting.individuals.get(usize::from(slot.0)).cloned().unwrap_or_else(|| format!("slot {}", slot.0))
    };
    let (agent, target) = match candidate.subject {
        Subject::One(one) => (name(one), None),
        Subject::Ordered { agent, target } => (name(agent), Some(name(target))),
        Subject::Both { first, second } => (name(first), Some(name(second))),
    };
    Animals { cage: sighting.cage.cage().to_owned(), agent, target }
}

fn nanos(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(NANOS_PER_MILLI)
}
