//! The allowance of a rig: whether a stimulus may be given now, by refractory periods and hard maxima.
//!
//! # What an engineer can rely on
//! - **Dose.** An output never gives more stimuli, nor more on-time, than its [`DoseLimits`] within any sliding hour
//!   and within the session. A stimulus counts, in number and with all of its on-time, from when it is booked until
//!   more than an hour after its end; with its planned on-time until it is settled, with what was really on from then
//!   on.
//! - **Refractory periods** of the rule that asks, against every earlier stimulation of the pair, the cage and the rig,
//!   whatever rule or output made it. They count from the end of the earlier one to the booking of the next.
//! - **One at a time.** An output gives one stimulus at a time: none is allowed before the last was settled. A stimulus
//!   that was never settled has no known end, so it goes on: its output stays refused, and so does every pair, cage and
//!   rig with a refractory period that looks back on it.
//! - **Shams** stand for a stimulus: they are booked, occupy their output, are settled and start refractory periods as
//!   it would, but use no dose and are not refused for want of it. To keep both arms of an experiment alike, ask for
//!   the stimulus first, whichever of both it then becomes. Light that was on during a sham counts as a stimulus.
//! - **No clock.** Time is passed in, of a steady time line. If it runs backwards all the same, it stands still here
//!   until it has caught up.
//!
//! What may only be known after the fact is beyond it: a device that stays on longer than planned is counted as it was,
//! and may so exceed a maximum once.

mod dose;
mod ends;
pub mod limits;
pub mod refusal;
#[cfg(test)]
pub(in crate::trigger) mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::dose::{Dose, Used};
use self::ends::Ends;
use self::limits::{DoseLimits, Refractory};
use self::refusal::{Refusal, Scope};

/// Longest name of an output, a cage or an animal.
pub const NAME_BYTES_MAX: usize = 128;

/// Most outputs of a session.
pub const OUTPUTS_MAX: usize = 64;

/// Most pairs, and most cages, that were stimulated within a day.
pub const PAIRS_MAX: usize = 4096;
pub const CAGES_MAX: usize = 256;

const HOUR_NANOS: i64 = 3_600_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// What was given on one rig, and so what may be given now. A plain value: it reads no clock and writes no file.
///
/// # Memory
/// The ended stimuli of the last hour, one that is on for each output, one time for each pair and cage of the last day:
/// at most [`OUTPUTS_MAX`] times the hourly maximum, [`PAIRS_MAX`] and [`CAGES_MAX`]. Sessions are sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The newest moment at which anything was booked.
    latest_nanos: i64,
    number_next: u64,
    /// Booked and not settled, at most one an output.
    running: Vec<Running>,
    /// By output.
    doses: BTreeMap<String, Dose>,
    ends: Ends,
}

/// The animals of a stimulation, in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Animals {
    pub cage: String,
    pub agent: String,
    pub target: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Stimulus,
    /// All is as for a stimulus, but nothing goes on.
    Sham,
}

/// What a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    /// Of the rule that asks.
    pub refractory: Refractory,
    /// Name of the output. Names outlast a restart, numbers of outputs need not.
    pub output: String,
    /// Of this output.
    pub dose: DoseLimits,
    pub animals: Animals,
    /// Planned time for which the output is on; of a sham, what it stands for.
    pub on_millis: u64,
}

/// A stimulation that was allowed and has yet to be settled or cancelled.
#[must_use = "a stimulation that is neither settled nor cancelled goes on for ever"]
#[derive(Debug, PartialEq, Eq)]
pub struct Booking {
    number: u64,
    begin_nanos: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Running {
    number: u64,
    begin_nanos: i64,
    kind: Kind,
    output: String,
    animals: Animals,
    on_millis: u64,
}

/// A stimulation of an earlier process of the same session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    pub kind: Kind,
    pub output: String,
    /// `None` if they are not known: then it counts for all.
    pub animals: Option<Animals>,
    /// The latest at which it may have ended.
    pub end_nanos: i64,
    /// The most for which the output may have been on.
    pub on_millis: u64,
}

impl Allowance {
    /// Of a session in which nothing was given yet.
    pub fn new() -> Self {
        Self {
            latest_nanos: i64::MIN,
            number_next: 1,
            running: Vec::new(),
            doses: BTreeMap::new(),
            ends: Ends::default(),
        }
    }

    /// Of a session that goes on, from all that it gave so far; bookings are numbered from `number_next` on.
    ///
    /// What ended after `now_nanos`, by a clock that was set back since, ended now.
    pub fn restore(now_nanos: i64, number_next: u64, past: impl IntoIterator<Item = Past>) -> Self {
        let mut allowance = Self { latest_nanos: now_nanos, number_next, ..Self::new() };
        for past in past {
            let end_nanos = past.end_nanos.min(now_nanos);
            allowance.note(past.kind, past.output, past.animals.as_ref(), end_nanos, past.on_millis);
        }
        allowance.forget(now_nanos);
        allowance
    }

    /// Takes in what other sessions gave on this rig: hours and refractory periods go on from one session to the next, the
    /// sums of a session do not. What ended after `now_nanos`, by a clock that was set back since, ended now.
    pub fn remember(&mut self, now_nanos: i64, elsewhere: impl IntoIterator<Item = Past>) {
        for past in elsewhere {
            let end_nanos = past.end_nanos.min(now_nanos);
            self.ends.note(past.animals.as_ref(), end_nanos);
            if past.kind == Kind::Stimulus {
                self.doses.entry(past.output).or_default().add_elsewhere(end_nanos, past.on_millis);
            }
        }
        self.forget(now_nanos);
    }

    /// Whether this may begin now.
    ///
    /// # Errors
    /// The limit that stands against it.
    pub fn ask(&self, now_nanos: i64, request: &Request) -> Result<(), Refusal> {
        let now_nanos = now_nanos.max(self.latest_nanos);
        self.room(now_nanos, request)?;
        if request.kind == Kind::Stimulus {
            self.dose_left(now_nanos, request)?;
        }
        self.rested(now_nanos, request)?;
        if self.running.iter().any(|running| running.output == request.output) {
            return Err(Refusal::OutputOn);
        }
        Ok(())
    }

    /// Books what begins now. It counts from here on, so nothing may be given before.
    ///
    /// # Errors
    /// As [`ask`](Self::ask); then nothing is booked.
    pub fn book(&mut self, now_nanos: i64, request: &Request) -> Result<Booking, Refusal> {
        self.ask(now_nanos, request)?;
        self.latest_nanos = now_nanos.max(self.latest_nanos);
        self.forget(self.latest_nanos);
        let number = self.number_next;
        self.number_next += 1;
        self.doses.entry(request.output.clone()).or_default();
        self.running.push(Running {
            number,
            begin_nanos: self.latest_nanos,
            kind: request.kind,
            output: request.output.clone(),
            animals: request.animals.clone(),
            on_millis: request.on_millis,
        });
        Ok(Booking { number, begin_nanos: self.latest_nanos })
    }

    /// Says when a stimulation ended and how long the output was on, which may be more than was planned. Give an upper
    /// bound of what is not known exactly.
    ///
    /// # Panics
    /// On a booking of another allowance.
    #[allow(clippy::needless_pass_by_value, reason = "a booking ends once")]
    pub fn settle(&mut self, booking: Booking, end_nanos: i64, on_millis_actual: u64) {
        let running = self.take(booking.number);
        let end_nanos = end_nanos.max(running.begin_nanos);
        let kind = if on_millis_actual > 0 { Kind::Stimulus } else { running.kind };
        self.note(kind, running.output, Some(&running.animals), end_nanos, on_millis_actual);
    }

    /// Takes a booking back. Only for what provably never went out.
    ///
    /// # Panics
    /// On a booking of another allowance.
    #[allow(clippy::needless_pass_by_value, reason = "a booking ends once")]
    pub fn cancel(&mut self, booking: Booking) {
        self.take(booking.number);
    }

    fn take(&mut self, number: u64) -> Running {
        let at = self.running.iter().position(|running| running.number == number);
        self.running.swap_remove(at.expect("a booking of this allowance"))
    }

    fn note(&mut self, kind: Kind, output: String, animals: Option<&Animals>, end_nanos: i64, on_millis: u64) {
        self.ends.note(animals, end_nanos);
        if kind == Kind::Stimulus {
            self.doses.entry(output).or_default().add(end_nanos, on_millis);
        }
    }

    fn forget(&mut self, now_nanos: i64) {
        self.doses.values_mut().for_each(|dose| dose.forget(now_nanos));
        self.ends.forget(now_nanos);
    }

    /// Whether there is memory for it.
    fn room(&self, now_nanos: i64, request: &Request) -> Result<(), Refusal> {
        let Animals { cage, agent, target } = &request.animals;
        for name in [&request.output, cage, agent].into_iter().chain(target) {
            if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
                return Err(Refusal::Name { expected_max: NAME_BYTES_MAX, got: name.len() });
            }
        }
        let (pairs, cages) = self.ends.others(now_nanos, &request.animals);
        // What is on is kept in mind once it is settled.
        let others = |other: fn(&Animals, &Animals) -> bool| {
            self.running.iter().filter(|running| other(&running.animals, &request.animals)).count()
        };
        let outputs = self.doses.keys().filter(|output| **output != request.output).count();
        for (what, count, expected_max) in [
            ("pairs", pairs + others(|one, two| one != two), PAIRS_MAX),
            ("cages", cages + others(|one, two| one.cage != two.cage), CAGES_MAX),
            ("outputs", outputs, OUTPUTS_MAX),
        ] {
            if count >= expected_max {
                return Err(Refusal::TooMany { what, expected_max });
            }
        }
        Ok(())
    }

    /// Whether the output has dose left: the session's first, which no wait brings back.
    fn dose_left(&self, now_nanos: i64, request: &Request) -> Result<(), Refusal> {
        let unused = Dose::default();
        let dose = self.doses.get(&request.output).unwrap_or(&unused);
        let (limits, planned_millis) = (&request.dose, request.on_millis);
        let Used { count, on_millis } = self.with_running(&request.output, dose.in_session());
        let count_max = limits.count_per_session_max();
        if count >= count_max.into() {
            return Err(Refusal::CountPerSession { count_max, count });
        }
        let on_millis_max = limits.on_millis_per_session_max();
        if on_millis.saturating_add(planned_millis) > on_millis_max {
            return Err(Refusal::OnTimePerSession { on_millis_max, on_millis, planned_millis });
        }
        let Used { count, on_millis } = self.with_running(&request.output, dose.in_hour(now_nanos));
        let wait = |free: Option<i64>| free.map(|free| wait_millis(now_nanos, free));
        let count_max = limits.count_per_hour_max();
        if count >= count_max.into() {
            let free = dose.freed_nanos(now_nanos, count + 1 - u64::from(count_max), 0);
            return Err(Refusal::CountPerHour { count_max, count, wait_millis: wait(free) });
        }
        let on_millis_max = limits.on_millis_per_hour_max();
        let asked = on_millis.saturating_add(planned_millis);
        if asked > on_millis_max {
            let free = dose.freed_nanos(now_nanos, 0, asked - on_millis_max);
            return Err(Refusal::OnTimePerHour { on_millis_max, on_millis, planned_millis, wait_millis: wait(free) });
        }
        Ok(())
    }

    /// Adds the stimulus that is on.
    fn with_running(&self, output: &str, ended: Used) -> Used {
        let on = self.running.iter().filter(|running| running.output == output && running.kind == Kind::Stimulus);
        on.fold(ended, |used, running| Used {
            count: used.count.saturating_add(1),
            on_millis: used.on_millis.saturating_add(running.on_millis),
        })
    }

    /// Whether all refractory periods are over.
    fn rested(&self, now_nanos: i64, request: &Request) -> Result<(), Refusal> {
        let (refractory, animals) = (&request.refractory, &request.animals);
        for (scope, period_millis) in [
            (Scope::Rig, refractory.rig_millis()),
            (Scope::Cage, refractory.cage_millis()),
            (Scope::Pair, refractory.pair_millis()),
        ] {
            if period_millis == 0 {
                continue;
            }
            if self.running.iter().any(|running| within(scope, &running.animals, animals)) {
                return Err(Refusal::Refractory { scope, period_millis, wait_millis: None });
            }
            let Some(last_nanos) = self.ends.last_nanos(scope, animals) else { continue };
            // As a difference, which holds at the end of the number line, too.
            if now_nanos.saturating_sub(last_nanos) < nanos(period_millis) {
                let wait_millis = Some(wait_millis(now_nanos, last_nanos.saturating_add(nanos(period_millis))));
                return Err(Refusal::Refractory { scope, period_millis, wait_millis });
            }
        }
        Ok(())
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self::new()
    }
}

/// What a dose book knows a booking by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookingId {
    /// Never used again within the session.
    pub number: u64,
    pub begin_nanos: i64,
}

impl Booking {
    pub fn id(&self) -> BookingId {
        BookingId { number: self.number, begin_nanos: self.begin_nanos }
    }
}

fn within(scope: Scope, one: &Animals, two: &Animals) -> bool {
    match scope {
        Scope::Pair => one == two,
        Scope::Cage => one.cage == two.cage,
        Scope::Rig => true,
    }
}

/// As nanoseconds, or all there are.
fn nanos(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(NANOS_PER_MILLI)
}

/// From now until then, rounded up.
fn wait_millis(now_nanos: i64, free_nanos: i64) -> u64 {
    free_nanos.abs_diff(now_nanos).div_ceil(NANOS_PER_MILLI as u64)
}
