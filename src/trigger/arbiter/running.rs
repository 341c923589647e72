//! Stimulations that were decided and are not over: begun later, renewed, ended and settled.

use super::{
    Action, Arbiter, Booking, CageName, Candidate, Disarming, LEASE_MILLIS, NANOS_PER_MILLI, OVERDUE_MILLIS, Order,
    Report, nanos,
};
use crate::behavior::Subject;
use crate::trigger::plan::Stimulus;

/// Goes on, or was ordered to.
#[derive(Debug)]
pub(super) struct Running {
    pub trigger: u64,
    pub rule: usize,
    pub cage: CageName,
    pub subject: Subject,
    pub output: String,
    pub sham: bool,
    pub booking: Booking,
    /// Time on at most.
    pub planned_millis: u64,
    /// When it begins, and the latest end that was planned.
    pub begins_nanos: i64,
    pub ends_nanos: i64,
}

/// Begins later.
#[derive(Debug)]
pub(super) struct Waiting {
    pub begin_nanos: i64,
    pub running: Running,
}

impl Running {
    /// For how long it may be on without another word: it is never longer on than planned.
    pub fn lease_millis(&self, now_nanos: i64) -> u64 {
        let left = self.ends_nanos.saturating_sub(now_nanos) / NANOS_PER_MILLI;
        u64::try_from(left).unwrap_or(0).min(LEASE_MILLIS)
    }

    fn is(&self, cage: &CageName, candidate: &Candidate) -> bool {
        (&self.cage, self.rule, self.subject) == (cage, candidate.rule, candidate.subject)
    }
}

impl Arbiter {
    /// When time alone will ask for something: the earliest moment for [`Arbiter::pass_time`].
    pub fn due_nanos(&self) -> Option<i64> {
        let waiting = self.waiting.iter().map(|waiting| waiting.begin_nanos);
        let running = self.running.iter().map(|running| {
            let slack = if running.sham { 0 } else { nanos(OVERDUE_MILLIS) };
            running.ends_nanos.saturating_add(slack)
        });
        waiting.chain(running).min()
    }

    /// Begins what was put off, ends shams, and gives up on stimuli of which nobody said that they ended.
    pub fn pass_time(&mut self, now_nanos: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        let (due, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.begin_nanos <= now_nanos);
        self.waiting = waiting;
        let due: Vec<Waiting> = due;
        actions.extend(due.into_iter().filter_map(|waiting| self.begin(waiting.running, now_nanos)));
        let over = |running: &Running| running.sham && running.ends_nanos <= now_nanos;
        for running in self.take_running(over) {
            let end_nanos = running.ends_nanos;
            actions.push(self.settle(running, end_nanos, 0));
        }
        let overdue =
            |running: &Running| !running.sham && running.ends_nanos.saturating_add(nanos(OVERDUE_MILLIS)) <= now_nanos;
        if let Some(silent) = self.running.iter().find(|running| overdue(running)) {
            let output = silent.output.clone();
            actions.extend(self.fail(&output, "nobody said that the stimulus ended", now_nanos));
        }
        actions
    }

    /// Takes in what the guard says.
    pub fn hear(&mut self, report: &Report, now_nanos: i64) -> Vec<Action> {
        match report {
            Report::Off { id, on_micros, .. } => {
                let ended = self.take_running(|running| running.trigger == *id && !running.sham);
                ended.into_iter().map(|running| self.settle(running, now_nanos, on_micros.div_ceil(1000))).collect()
            }
            Report::Refused { id, output, reason } => {
                // A renewal that came too late: the end of the stimulus is told, too.
                let is_late = matches!(reason, crate::guard::wire::Refusal::Ended { .. });
                let is_known = self.running.iter().any(|running| running.trigger == *id && !running.sham);
                if is_late || !is_known {
                    return Vec::new();
                }
                self.fail(output, &reason.to_string(), now_nanos)
            }
            Report::Fault { output, reason, .. } => self.fail(output, reason, now_nanos),
            Report::Silence { .. } => self.fail_all("the guard heard nothing for too long", now_nanos),
            Report::Ready { .. } | Report::Beat { .. } | Report::On { .. } => Vec::new(),
        }
    }

    /// The guard is gone, and with it every word about what it had on.
    pub fn fail_all(&mut self, reason: &str, now_nanos: i64) -> Vec<Action> {
        let outputs: Vec<String> = self.plan.outputs.keys().cloned().collect();
        outputs.iter().flat_map(|output| self.fail(output, reason, now_nanos)).collect()
    }

    /// Whether a stimulus that is to be lit still goes on, in a cage that is armed.
    pub fn may_light(&self, trigger: u64) -> bool {
        let running = self.running.iter().find(|running| running.trigger == trigger && !running.sham);
        running.is_some_and(|running| self.armed.contains_key(&running.cage))
    }

    /// Frames of a cage have ceased: what goes on there does so on the word of nobody.
    pub fn lose_sight(&mut self, cage: &CageName, now_nanos: i64) -> Vec<Action> {
        self.end_all(|other| other == cage, now_nanos)
    }

    pub fn has_failed_outputs(&self) -> bool {
        !self.failed.is_empty()
    }

    /// All outputs answer again, after a new guard drove them off.
    pub fn restore_outputs(&mut self) {
        self.failed.clear();
    }

    /// Takes back a stimulation that could not be written down: its order must not go out.
    pub fn withdraw(&mut self, trigger: u64) {
        self.cancel_waiting(|running| running.trigger == trigger);
        for running in self.take_running(|running| running.trigger == trigger) {
            self.allowance.cancel(running.booking);
        }
    }

    /// Its stimuli count as given in full, for nobody knows; every cage is disarmed.
    fn fail(&mut self, output: &str, reason: &str, now_nanos: i64) -> Vec<Action> {
        self.failed.entry(output.to_owned()).or_insert_with(|| reason.to_owned());
        let mut actions = Vec::new();
        for running in self.take_running(|running| running.output == output && !running.sham) {
            let since = now_nanos.saturating_sub(running.begins_nanos) / NANOS_PER_MILLI;
            let planned = match self.plan.rules[running.rule].stimulus {
                Stimulus::Gate { .. } => running.planned_millis.max(u64::try_from(since).unwrap_or(0)),
                Stimulus::Pulse { .. } | Stimulus::Train { .. } => running.planned_millis,
            };
            let (id, output) = (running.trigger, running.output.clone());
            actions.push(Action::Tell(Order::Release { id, output }));
            actions.push(self.settle(running, now_nanos, planned));
        }
        let why = Disarming::Output { output: output.to_owned(), reason: reason.to_owned() };
        actions.extend(self.disarm_all(&why, now_nanos));
        actions
    }

    /// Goes on with a gate whose rule still holds, up to the most that it may be on.
    pub(super) fn renew(&self, cage: &CageName, candidate: &Candidate, now_nanos: i64) -> Option<Action> {
        let running = self.running.iter().find(|running| running.is(cage, candidate) && !running.sham)?;
        let (id, output) = (running.trigger, running.output.clone());
        Some(Action::Tell(match running.lease_millis(now_nanos) {
            0 => Order::Release { id, output },
            lease_millis => Order::Hold { id, output, lease_millis },
        }))
    }

    /// Ends a gate whose rule has ended. Pulses and trains end by themselves.
    pub(super) fn release(&mut self, cage: &CageName, candidate: &Candidate, now_nanos: i64) -> Vec<Action> {
        if !matches!(self.plan.rules[candidate.rule].stimulus, Stimulus::Gate { .. }) {
            return Vec::new();
        }
        let mut actions = self.cancel_waiting(|running| running.is(cage, candidate));
        for running in self.take_running(|running| running.sham && running.is(cage, candidate)) {
            actions.push(self.settle(running, now_nanos, 0));
        }
        let lit = self.running.iter().filter(|running| running.is(cage, candidate));
        actions.extend(lit.map(|running| Action::Tell(running.off())));
        actions
    }

    /// Ends everything of some cages; what was put off does not begin. Stimuli are settled when their end is told, shams
    /// at once.
    pub(super) fn end_all(&mut self, of: impl Fn(&CageName) -> bool, now_nanos: i64) -> Vec<Action> {
        let mut actions = self.cancel_waiting(|running| of(&running.cage));
        for running in self.take_running(|running| running.sham && of(&running.cage)) {
            actions.push(self.settle(running, now_nanos, 0));
        }
        let lit = self.running.iter().filter(|running| !running.sham && of(&running.cage));
        actions.extend(lit.map(|running| Action::Tell(running.off())));
        actions
    }

    fn cancel_waiting(&mut self, of: impl Fn(&Running) -> bool) -> Vec<Action> {
        let (dropped, kept): (Vec<Waiting>, _) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| of(&waiting.running));
        self.waiting = kept;
        let cancel = |Waiting { running, .. }: Waiting| {
            let (trigger, booking) = (running.trigger, running.booking.id());
            self.allowance.cancel(running.booking);
            Action::Cancel { trigger, booking }
        };
        dropped.into_iter().map(cancel).collect()
    }

    fn take_running(&mut self, of: impl Fn(&Running) -> bool) -> Vec<Running> {
        let (taken, kept) = std::mem::take(&mut self.running).into_iter().partition(of);
        self.running = kept;
        taken
    }

    fn settle(&mut self, running: Running, end_nanos: i64, on_millis: u64) -> Action {
        let Running { trigger, booking, .. } = running;
        let id = booking.id();
        self.allowance.settle(booking, end_nanos, on_millis);
        Action::Settle { trigger, booking: id, end_nanos, on_millis }
    }
}

impl Running {
    fn off(&self) -> Order {
        Order::Release { id: self.trigger, output: self.output.clone() }
    }
}
