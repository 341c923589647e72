//! What the arbiter says, done: doses and decisions written down, orders given to the guard.

use std::collections::VecDeque;

use super::Sitting;
use crate::guard::wire::Order;
use crate::live::cages::Ticked;
use crate::live::clock::Moment;
use crate::live::desk::Told;
use crate::trigger::arbiter::{Action, Decided, Outcome};
use crate::trigger::message::Trigger;
use crate::trigger::trail::{Decision, Entry, Sealed, Verdict};

impl Sitting {
    /// Does what the arbiter says. `ticked` is the frame that it was decided on.
    pub(in crate::live::desk) fn perform(
        &mut self,
        actions: Vec<Action>,
        ticked: Option<&Ticked>,
        now_nanos: i64,
    ) -> Vec<Told> {
        let mut told = Vec::new();
        let mut todo = VecDeque::from(actions);
        // Of these the dose could not be written down.
        let mut withdrawn = Vec::new();
        while let Some(action) = todo.pop_front() {
            let done = match action {
                Action::Book { trigger, booking, request } => {
                    self.spent = true;
                    let done = self.book.spend(booking, &request).map_err(|error| error.to_string());
                    if done.is_err() {
                        self.arbiter.withdraw(trigger);
                        withdrawn.push(trigger);
                    }
                    done
                }
                Action::Tell(order) => {
                    // Not for whom it was decided in a doubt that has come since.
                    if lights(&order).is_none_or(|id| self.arbiter.may_light(id)) {
                        todo.extend(self.order(order, now_nanos));
                    }
                    Ok(())
                }
                Action::Record(decided) => {
                    let trigger = decided.trigger();
                    let done = self.record(decided, ticked, &withdrawn, &mut told);
                    if let (Err(_), Some(trigger)) = (&done, trigger) {
                        // Its dose stays in the book: that errs on the safe side.
                        self.arbiter.withdraw(trigger);
                        withdrawn.push(trigger);
                    }
                    done
                }
                Action::Settle { booking, end_nanos, on_millis, .. } => {
                    self.book.settle(booking, end_nanos, on_millis).map_err(|error| error.to_string())
                }
                Action::Cancel { trigger, booking } => {
                    let entry = Entry::Cancelled { trigger, unix_nanos: Moment::now().unix_nanos };
                    let booked = self.book.cancel(booking).map_err(|error| error.to_string());
                    booked.and_then(|()| self.trail.append(&entry).map_err(|error| error.to_string()))
                }
                Action::Disarmed { cage, why } => {
                    let (why, unix_nanos) = (why.to_string(), Moment::now().unix_nanos);
                    let entry = Entry::Disarmed { cage: cage.cage().to_owned(), why: why.clone(), unix_nanos };
                    told.push(Told::Disarmed { cage, why });
                    self.trail.append(&entry).map_err(|error| error.to_string())
                }
            };
            if let Err(why) = done {
                todo.extend(self.give_up(&why, now_nanos));
            }
        }
        told
    }

    fn order(&mut self, order: Order, now_nanos: i64) -> Vec<Action> {
        match &self.guard {
            Some(guard) => match guard.order(order) {
                Ok(()) => Vec::new(),
                Err(error) => self.lose_guard(&error.to_string(), now_nanos),
            },
            None => Vec::new(),
        }
    }

    fn record(
        &mut self,
        decided: Decided,
        ticked: Option<&Ticked>,
        withdrawn: &[u64],
        told: &mut Vec<Told>,
    ) -> Result<(), String> {
        let Decided { candidate, cage, who, outcome } = decided;
        let rule = self.plan.rules[candidate.rule].name.clone();
        let verdict = match outcome {
            Outcome::Triggered { trigger, .. } if withdrawn.contains(&trigger) => Verdict::Refused {
                cause: "unwritable".to_owned(),
                why: "the dose could not be written down".to_owned(),
            },
            Outcome::Triggered { trigger, sham } => {
                let arm = Sealed::Arm { trigger, rule: rule.clone(), sham };
                self.sealed.append(&arm).map_err(|error| error.to_string())?;
                Verdict::Triggered { trigger }
            }
            Outcome::Refused(refused) => {
                told.push(Told::Refused { cause: refused.cause() });
                Verdict::Refused { cause: refused.cause().to_owned(), why: refused.to_string() }
            }
        };
        let now = Moment::now();
        let decision = Decision {
            cage: cage.cage().to_owned(),
            rule,
            animals: who,
            verdict,
            score: candidate.score,
            quantities: candidate.quantities,
            frame: ticked.map_or(0, |ticked| ticked.frame),
            tick: candidate.tick.0,
            epoch: ticked.map(|ticked| ticked.epoch.clone()).unwrap_or_default(),
            model: ticked.map(|ticked| ticked.model.clone()).unwrap_or_default(),
            capture_nanos: ticked.and_then(|ticked| ticked.capture_nanos),
            arrival_nanos: ticked.map_or(now.unix_nanos, |ticked| ticked.arrived.unix_nanos),
            decision_nanos: now.unix_nanos,
        };
        let json = match decision.verdict {
            Verdict::Triggered { trigger } => {
                Some(Trigger::new(trigger, &self.name, &self.plan, &cage, &decision).to_json())
            }
            Verdict::Refused { .. } => None,
        };
        self.trail.append(&Entry::Decision(decision)).map_err(|error| error.to_string())?;
        told.extend(json.map(|json| Told::Triggered { cage, json }));
        Ok(())
    }
}

/// The stimulus that an order lights.
fn lights(order: &Order) -> Option<u64> {
    match order {
        Order::Pulse { id, .. } | Order::Train { id, .. } | Order::Hold { id, .. } => Some(*id),
        Order::Release { .. } | Order::Hello { .. } | Order::Beat { .. } | Order::AllOff => None,
    }
}
