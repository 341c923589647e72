//! When an output is on: a pure value for each output, to which times are passed in.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::guard::wire::{Cause, Refusal};

/// A lease says how long light may go on after the detector's last word for it: longer than this is none.
pub const LEASE_MILLIS_MAX: u64 = 1_000;
/// Longest train from its first onset to its last.
pub const TRAIN_MILLIS_MAX: u64 = 600_000;

/// How long after the end of a pulse that the device times the guard confirms it by an off of its own. As much later
/// as a command may take to the device, lest it cut the pulse short.
pub const CONFIRM_AFTER: Duration = Duration::from_millis(5);

/// The bounds of an output.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most on-time of one stimulus, summed over the pulses of a train.
    pub on_time_max: Duration,
    /// The device ends each pulse itself, after the duration that comes with the command.
    pub self_timed: bool,
}

/// What to do to an output now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// On, for as long as said; `renewal` if it is on already.
    On { on: Duration, renewal: bool },
    /// Off, between the pulses of a train.
    Dark,
    /// Off for good.
    End { id: u64, cause: Cause },
}

/// The one stimulus that an output may be giving.
#[derive(Clone, Debug)]
pub struct Schedule {
    limits: Limits,
    stimulus: Option<Stimulus>,
    id_last: Option<u64>,
}

#[derive(Clone, Debug)]
struct Stimulus {
    id: u64,
    /// On-time of the pulses that are over.
    used: Duration,
    lit: bool,
    lit_since: Instant,
    off_at: Instant,
    plan: Plan,
}

#[derive(Clone, Debug)]
enum Plan {
    Pulses { on: Duration, period: Duration, left: u64, on_at: Instant },
    Hold { until_max: Instant },
}

impl Schedule {
    pub fn new(limits: Limits) -> Self {
        Self { limits, stimulus: None, id_last: None }
    }

    /// The stimulus under way.
    pub fn id(&self) -> Option<u64> {
        self.stimulus.as_ref().map(|stimulus| stimulus.id)
    }

    pub fn pulse(&mut self, now: Instant, id: u64, on_millis: u64) -> Result<Step, Refusal> {
        within("on_millis", 1..=self.on_millis_max(), on_millis)?;
        self.begin_pulses(now, id, on_millis, on_millis, 1)
    }

    /// A train whose on-times sum to more than the maximum is refused, not cut.
    pub fn train(
        &mut self,
        now: Instant,
        id: u64,
        on_millis: u64,
        period_millis: u64,
        count: u64,
    ) -> Result<Step, Refusal> {
        within("on_millis", 1..=self.on_millis_max(), on_millis)?;
        within("count", 1..=self.on_millis_max() / on_millis, count)?;
        within("period_millis", on_millis + 1..=TRAIN_MILLIS_MAX / count, period_millis)?;
        self.begin_pulses(now, id, on_millis, period_millis, count)
    }

    fn begin_pulses(
        &mut self,
        now: Instant,
        id: u64,
        on_millis: u64,
        period_millis: u64,
        count: u64,
    ) -> Result<Step, Refusal> {
        self.take(id)?;
        let (on, period) = (Duration::from_millis(on_millis), Duration::from_millis(period_millis));
        let plan = Plan::Pulses { on, period, left: count - 1, on_at: now + period };
        Ok(self.light(now, id, on, plan))
    }

    /// Begins a hold, or renews the one of this id. It is cut off at the maximum, however often it is renewed.
    pub fn hold(&mut self, now: Instant, id: u64, lease_millis: u64) -> Result<Step, Refusal> {
        within("lease_millis", 1..=LEASE_MILLIS_MAX, lease_millis)?;
        let lease = Duration::from_millis(lease_millis);
        if let Some(stimulus) = &mut self.stimulus
            && stimulus.id == id
            && let Plan::Hold { until_max } = stimulus.plan
        {
            // Between the end of the lease and the off, light must not come back.
            if now >= stimulus.off_at {
                return Err(Refusal::Ended { last: id });
            }
            stimulus.off_at = (now + lease).min(until_max);
            return Ok(Step::On { on: stimulus.off_at - now, renewal: true });
        }
        self.take(id)?;
        let until_max = now + self.limits.on_time_max;
        Ok(self.light(now, id, lease.min(self.limits.on_time_max), Plan::Hold { until_max }))
    }

    /// Ends the stimulus of this id.
    pub fn release(&mut self, id: u64) -> Result<Step, Refusal> {
        match &self.stimulus {
            Some(stimulus) if stimulus.id == id => {
                self.stimulus = None;
                Ok(Step::End { id, cause: Cause::Released })
            }
            _ => Err(Refusal::Ended { last: self.id_last.unwrap_or(0) }),
        }
    }

    /// Ends whatever is under way, and says its id.
    pub fn all_off(&mut self) -> Option<u64> {
        self.stimulus.take().map(|stimulus| stimulus.id)
    }

    /// When [`Self::due`] will have something to do.
    pub fn next(&self) -> Option<Instant> {
        let stimulus = self.stimulus.as_ref()?;
        let off_at = stimulus.off_at + self.limits.confirm_after();
        match stimulus.plan {
            Plan::Pulses { on_at, .. } if !stimulus.lit => Some(on_at),
            Plan::Pulses { on_at, left, .. } if left > 0 => Some(off_at.min(on_at)),
            _ => Some(off_at),
        }
    }

    /// What is to be done by now. One step at a time: asked again until there is none.
    pub fn due(&mut self, now: Instant) -> Option<Step> {
        if now < self.next()? {
            return None;
        }
        let limits = self.limits;
        let stimulus = self.stimulus.as_mut()?;
        let overdue = stimulus.lit && (!limits.self_timed || now >= stimulus.off_at + limits.confirm_after());
        if overdue && let Some(cause) = stimulus.darken(now, limits) {
            return self.end(cause);
        }
        if overdue {
            return Some(Step::Dark);
        }
        match stimulus.relight(now, limits) {
            Some(step) => Some(step),
            None => self.end(Cause::OnTimeMax),
        }
    }

    fn end(&mut self, cause: Cause) -> Option<Step> {
        self.all_off().map(|id| Step::End { id, cause })
    }

    fn light(&mut self, now: Instant, id: u64, on: Duration, plan: Plan) -> Step {
        let off_at = now + on;
        self.stimulus = Some(Stimulus { id, used: Duration::ZERO, lit: true, lit_since: now, off_at, plan });
        Step::On { on, renewal: false }
    }

    /// Takes a number for a new stimulus.
    fn take(&mut self, id: u64) -> Result<(), Refusal> {
        if let Some(stimulus) = &self.stimulus {
            return Err(Refusal::Busy { by: stimulus.id });
        }
        if let Some(last) = self.id_last
            && id <= last
        {
            return Err(Refusal::Ended { last });
        }
        self.id_last = Some(id);
        Ok(())
    }

    fn on_millis_max(&self) -> u64 {
        self.limits.on_time_max.as_millis() as u64
    }
}

impl Limits {
    fn confirm_after(self) -> Duration {
        if self.self_timed { CONFIRM_AFTER } else { Duration::ZERO }
    }
}

impl Stimulus {
    /// Counts the pulse that is over, and says why the stimulus ends with it, if it does.
    fn darken(&mut self, now: Instant, limits: Limits) -> Option<Cause> {
        self.lit = false;
        self.used += if limits.self_timed { self.off_at } else { now }.duration_since(self.lit_since);
        match &mut self.plan {
            Plan::Hold { until_max } if self.off_at >= *until_max => Some(Cause::OnTimeMax),
            Plan::Hold { .. } => Some(Cause::Lease),
            Plan::Pulses { left: 0, .. } => Some(Cause::Done),
            // Where the guard itself was late, the next pulse waits for its turn: pulses never run together.
            Plan::Pulses { on_at, period, .. } => {
                while *on_at <= now {
                    *on_at += *period;
                }
                None
            }
        }
    }

    /// The next pulse of a train; `None` if late offs have used up its on-time.
    fn relight(&mut self, now: Instant, limits: Limits) -> Option<Step> {
        if self.lit {
            self.used += self.off_at.duration_since(self.lit_since);
        }
        let Plan::Pulses { on, period, left, on_at } = &mut self.plan else { return None };
        if self.used + *on > limits.on_time_max {
            return None;
        }
        while *on_at <= now + *on {
            *on_at += *period;
        }
        *left -= 1;
        (self.lit, self.lit_since, self.off_at) = (true, now, now + *on);
        Some(Step::On { on: *on, renewal: false })
    }
}

fn within(key: &str, bounds: RangeInclusive<u64>, got: u64) -> Result<(), Refusal> {
    let (min, max) = (*bounds.start(), *bounds.end());
    if bounds.contains(&got) { Ok(()) } else { Err(Refusal::Range { key: key.to_owned(), min, max, got }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX_MILLIS: u64 = 200;

    fn schedule(self_timed: bool) -> Schedule {
        Schedule::new(Limits { on_time_max: Duration::from_millis(MAX_MILLIS), self_timed })
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_pulse_ends_itself_and_its_number_is_spent() {
        let mut schedule = schedule(false);
        let start = Instant::now();
        assert_eq!(schedule.pulse(start, 5, 20).unwrap(), Step::On { on: millis(20), renewal: false });
        assert_eq!(schedule.pulse(start, 6, 20), Err(Refusal::Busy { by: 5 }));
        assert_eq!(schedule.due(start + millis(19)), None);
        assert_eq!(schedule.due(start + millis(20)), Some(Step::End { id: 5, cause: Cause::Done }));
        assert_eq!(schedule.pulse(start + millis(30), 5, 20), Err(Refusal::Ended { last: 5 }));
        assert_eq!(schedule.hold(start + millis(30), 4, 20), Err(Refusal::Ended { last: 5 }));
        schedule.hold(start + millis(30), 6, 20).unwrap();
    }

    #[test]
    fn more_than_the_maximum_is_refused_before_it_begins() {
        let mut schedule = schedule(true);
        let now = Instant::now();
        let range = |key: &str, min, max, got| Err(Refusal::Range { key: key.to_owned(), min, max, got });
        assert_eq!(schedule.pulse(now, 1, 201), range("on_millis", 1, 200, 201));
        assert_eq!(schedule.pulse(now, 1, 0), range("on_millis", 1, 200, 0));
        assert_eq!(schedule.train(now, 1, 10, 20, 21), range("count", 1, 20, 21));
        assert_eq!(schedule.train(now, 1, 10, 10, 20), range("period_millis", 11, 30_000, 10));
        assert_eq!(schedule.hold(now, 1, 1_001), range("lease_millis", 1, 1_000, 1_001));
        assert_eq!(schedule.train(now, 1, u64::MAX, u64::MAX, u64::MAX), range("on_millis", 1, 200, u64::MAX));
        assert!(schedule.id().is_none());
    }

    #[test]
    fn a_hold_lives_by_its_leases_up_to_the_maximum() {
        let mut schedule = schedule(false);
        let start = Instant::now();
        schedule.hold(start, 1, 50).unwrap();
        assert_eq!(schedule.hold(start + millis(40), 1, 50).unwrap(), Step::On { on: millis(50), renewal: true });
        assert_eq!(schedule.hold(start + millis(90), 1, 50), Err(Refusal::Ended { last: 1 }));
        assert_eq!(schedule.due(start + millis(90)), Some(Step::End { id: 1, cause: Cause::Lease }));
        schedule.hold(start + millis(100), 2, 150).unwrap();
        assert_eq!(schedule.hold(start + millis(200), 2, 150).unwrap(), Step::On { on: millis(100), renewal: true });
        assert_eq!(schedule.due(start + millis(300)), Some(Step::End { id: 2, cause: Cause::OnTimeMax }));
        assert_eq!(schedule.hold(start + millis(301), 2, 150), Err(Refusal::Ended { last: 2 }));
    }

    #[test]
    fn a_train_keeps_its_period() {
        for self_timed in [false, true] {
            let mut schedule = schedule(self_timed);
            let start = Instant::now();
            schedule.train(start, 1, 5, 50, 3).unwrap();
            let mut steps = Vec::new();
            while let Some(at) = schedule.next() {
                steps.extend(schedule.due(at).map(|step| (at.duration_since(start).as_millis(), step)));
            }
            let on = Step::On { on: millis(5), renewal: false };
            let off = if self_timed { 10 } else { 5 };
            let end = Step::End { id: 1, cause: Cause::Done };
            let expected = [(off, Step::Dark), (50, on), (50 + off, Step::Dark), (100, on), (100 + off, end)];
            assert_eq!(steps, expected);
        }
    }

    /// An output that does as it is told, and sums how long it was on for a stimulus.
    struct Lamp {
        self_timed: bool,
        lit: Option<(Instant, Instant)>,
        on_time: Duration,
    }

    impl Lamp {
        fn obey(&mut self, now: Instant, step: Step, fresh: bool) {
            self.douse(now);
            if fresh {
                self.on_time = Duration::ZERO;
            }
            if let Step::On { on, .. } = step {
                self.lit = Some((now, now + on));
            }
        }

        fn douse(&mut self, now: Instant) {
            self.on_time += self.lit_for(now);
            self.lit = None;
        }

        fn lit_for(&self, now: Instant) -> Duration {
            let end = |until: Instant| if self.self_timed { until.min(now) } else { now };
            self.lit.map_or(Duration::ZERO, |(since, until)| end(until).duration_since(since))
        }

        fn is_lit(&self, now: Instant) -> bool {
            self.lit.is_some_and(|(_, until)| !self.self_timed || now < until)
        }
    }

    #[derive(Clone, Debug)]
    enum Act {
        Pulse(u64, u64),
        Train(u64, u64, u64, u64),
        Hold(u64, u64),
        Release(u64),
        AllOff,
        Wait(u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            1 => (0..8u64, 0..250u64).prop_map(|(id, on)| Act::Pulse(id, on)),
            1 => (0..8u64, 0..60u64, 0..120u64, 0..12u64)
                .prop_map(|(id, on, period, count)| Act::Train(id, on, period, count)),
            4 => (0..8u64, 0..250u64).prop_map(|(id, lease)| Act::Hold(id, lease)),
            1 => (0..8u64).prop_map(Act::Release),
            1 => Just(Act::AllOff),
            4 => (0..120u64).prop_map(Act::Wait),
        ]
    }

    proptest! {
        #[test]
        fn no_orders_keep_an_output_on_beyond_its_maximum(
            acts in proptest::collection::vec(act(), 1..80),
            self_timed: bool,
            late in 0..4u64,
        ) {
            let mut schedule = schedule(self_timed);
            let mut lamp = Lamp { self_timed, lit: None, on_time: Duration::ZERO };
            let mut now = Instant::now();
            // Ids of the acts are steps above the last, so that fresh, running and spent ones all occur.
            let mut base = 0;
            // An output that the guard times is on for as long as the guard itself is late.
            let allowed = millis(MAX_MILLIS + if self_timed { 0 } else { late });
            for act in acts {
                let running = schedule.id();
                let tried = match act {
                    Act::Pulse(id, on) => schedule.pulse(now, base + id, on),
                    Act::Train(id, on, period, count) => schedule.train(now, base + id, on, period, count),
                    Act::Hold(id, lease) => schedule.hold(now, base + id, lease),
                    Act::Release(id) => schedule.release(base + id),
                    Act::AllOff => {
                        schedule.all_off();
                        lamp.douse(now);
                        prop_assert!(!lamp.is_lit(now) && schedule.next().is_none());
                        continue;
                    }
                    Act::Wait(wait) => {
                        let until = now + millis(wait);
                        while let Some(at) = schedule.next().filter(|at| *at <= until) {
                            now = now.max(at + millis(late));
                            while let Some(step) = schedule.due(now) {
                                lamp.obey(now, step, false);
                            }
                        }
                        now = now.max(until);
                        continue;
                    }
                };
                if let Ok(step) = tried {
                    if let (Some(running), Step::On { renewal, .. }) = (running, step) {
                        prop_assert!(renewal && schedule.id() == Some(running), "two stimuli overlap");
                    }
                    lamp.obey(now, step, running.is_none());
                    base = base.max(schedule.id().unwrap_or(base));
                }
                let on_time = lamp.on_time + lamp.lit_for(now);
                prop_assert!(on_time <= allowed, "on for {on_time:?}");
                prop_assert!(schedule.id().is_some() || !lamp.is_lit(now), "on without a stimulus");
            }
            while let Some(at) = schedule.next() {
                now = now.max(at + millis(late));
                while let Some(step) = schedule.due(now) {
                    lamp.obey(now, step, false);
                }
            }
            prop_assert!(!lamp.is_lit(now));
            prop_assert!(lamp.on_time <= allowed);
        }
    }
}
