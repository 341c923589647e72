//! One output: its schedule, and what the detector is told of it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::guard::schedule::{Limits, Schedule, Step};
use crate::guard::session::Command;
use crate::guard::spec::{OutputSpec, Protocol};
use crate::guard::wire::{Cause, Refusal, Report};

pub struct Output {
    pub name: String,
    /// Index of its device.
    pub device: usize,
    index: usize,
    channel: u8,
    self_timed: bool,
    schedule: Schedule,
    /// The stimulus that was begun and whose off is not confirmed yet.
    record: Option<Record>,
    fault: Option<String>,
}

struct Record {
    id: u64,
    ordered: Instant,
    reported_on: bool,
    lit: Option<Lit>,
    on_time: Duration,
    end: Option<Cause>,
}

/// A pulse that is on: since when, and for how long the device was told.
struct Lit {
    since: Instant,
    told: Duration,
}

impl Output {
    pub fn new(index: usize, name: &str, device: usize, spec: &OutputSpec) -> Self {
        let (channel, self_timed) = match spec.protocol {
            Protocol::Vibrissa { channel } => (channel, true),
            Protocol::Bytes { .. } => (0, false),
        };
        let on_time_max = Duration::from_millis(spec.on_time_max_millis.into());
        Self {
            name: name.to_owned(),
            device,
            index,
            channel,
            self_timed,
            schedule: Schedule::new(Limits { on_time_max, self_timed }),
            record: None,
            fault: None,
        }
    }

    /// Asks the schedule, unless the output failed or its last off is not confirmed.
    pub fn ask(
        &mut self,
        ordered: Instant,
        id: u64,
        ask: impl FnOnce(&mut Schedule) -> Result<Step, Refusal>,
    ) -> Result<Command, Refusal> {
        if let Some(reason) = &self.fault {
            return Err(Refusal::Fault { reason: reason.clone() });
        }
        if let Some(Record { id: by, end: Some(_), .. }) = self.record {
            return Err(if id <= by { Refusal::Ended { last: by } } else { Refusal::Busy { by } });
        }
        let step = ask(&mut self.schedule)?;
        if let Step::On { renewal: false, .. } = step {
            let fresh = Record { id, ordered, reported_on: false, lit: None, on_time: Duration::ZERO, end: None };
            self.record = Some(fresh);
        }
        Ok(self.command(step))
    }

    pub fn next(&self) -> Option<Instant> {
        self.schedule.next()
    }

    pub fn due(&mut self, now: Instant) -> Option<Command> {
        self.schedule.due(now).map(|step| self.command(step))
    }

    fn command(&mut self, step: Step) -> Command {
        let (output, channel) = (self.index, self.channel);
        match step {
            Step::On { on, renewal } => Command::On { output, channel, on, renewal },
            Step::Dark => Command::Off { output, channel },
            Step::End { cause, .. } => {
                self.close(cause);
                Command::Off { output, channel }
            }
        }
    }

    /// Ends what is under way; the caller sees to the device.
    pub fn end(&mut self, cause: Cause) {
        self.schedule.all_off();
        self.close(cause);
    }

    /// An earlier cause stays: it is what ended the stimulus.
    fn close(&mut self, cause: Cause) {
        if let Some(record) = &mut self.record {
            record.end.get_or_insert(cause);
        }
    }

    pub fn confirm_on(&mut self, now: Instant, on: Duration, renewal: bool) -> Option<Report> {
        let record = self.record.as_mut()?;
        match &mut record.lit {
            Some(lit) if renewal => lit.told = now.duration_since(lit.since) + on,
            // The next pulse of a train has replaced one that the device ended.
            lit => {
                record.on_time += lit.take().map_or(Duration::ZERO, |lit| lit.told);
                *lit = Some(Lit { since: now, told: on });
            }
        }
        if record.reported_on {
            return None;
        }
        record.reported_on = true;
        Some(Report::On {
            id: record.id,
            output: self.name.clone(),
            unix_nanos: unix_nanos(),
            monotonic_nanos: monotonic_nanos(),
            latency_micros: now.duration_since(record.ordered).as_micros() as u64,
        })
    }

    pub fn confirm_off(&mut self, now: Instant) -> Option<Report> {
        let record = self.record.as_mut()?;
        if let Some(Lit { since, told }) = record.lit.take() {
            let measured = now.duration_since(since);
            record.on_time += match record.end {
                _ if !self.self_timed => measured,
                // The device came to the end of it before the guard spoke of off.
                None | Some(Cause::Done | Cause::Lease | Cause::OnTimeMax) => told,
                Some(_) => measured.min(told),
            };
        }
        let cause = record.end?;
        let Record { id, on_time, .. } = self.record.take()?;
        Some(Report::Off {
            id,
            output: self.name.clone(),
            on_micros: on_time.as_micros() as u64,
            cause,
            unix_nanos: unix_nanos(),
            monotonic_nanos: monotonic_nanos(),
        })
    }

    /// Refuses everything from now on.
    pub fn fail(&mut self, reason: &str) -> Report {
        self.schedule.all_off();
        self.fault = Some(reason.to_owned());
        let id = self.record.take().map(|record| record.id);
        Report::Fault { output: self.name.clone(), id, reason: reason.to_owned() }
    }
}

fn unix_nanos() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

fn monotonic_nanos() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: Duration = Duration::from_millis(30);

    fn output(self_timed: bool) -> Output {
        let protocol = if self_timed {
            Protocol::Vibrissa { channel: 1 }
        } else {
            Protocol::Bytes { on: b"1".to_vec(), off: b"0".to_vec(), reply: None }
        };
        let spec = OutputSpec {
            device: "/dev/ttyACM0".into(),
            baud: 115_200,
            protocol,
            bounded_by: crate::guard::spec::BoundedBy::Guard,
            on_time_max_millis: 1_000,
            reply_millis_max: 100,
        };
        Output::new(0, "laser", 0, &spec)
    }

    fn on_micros(report: Option<&Report>) -> u64 {
        let Some(Report::Off { on_micros, .. }) = report else { panic!("{report:?}") };
        *on_micros
    }

    #[test]
    fn on_time_is_the_devices_own_where_it_times_and_measured_elsewhere() {
        let now = Instant::now();
        for (self_timed, expected) in [(true, 30_000), (false, 33_000)] {
            let mut output = output(self_timed);
            output.ask(now, 1, |schedule| schedule.pulse(now, 1, 30)).unwrap();
            assert!(matches!(output.confirm_on(now, ON, false), Some(Report::On { id: 1, .. })));
            assert!(output.due(now + Duration::from_millis(40)).is_some());
            assert_eq!(on_micros(output.confirm_off(now + Duration::from_millis(33)).as_ref()), expected);
        }
    }

    #[test]
    fn a_stimulus_that_is_cut_short_was_on_until_then() {
        let now = Instant::now();
        let mut output = output(true);
        output.ask(now, 1, |schedule| schedule.pulse(now, 1, 30)).unwrap();
        output.confirm_on(now, ON, false);
        output.end(Cause::Stop);
        output.end(Cause::Pipe);
        let off = output.confirm_off(now + Duration::from_millis(10));
        assert!(matches!(off, Some(Report::Off { cause: Cause::Stop, on_micros: 10_000, .. })), "{off:?}");
    }

    #[test]
    fn nothing_begins_before_the_last_off_is_confirmed() {
        let now = Instant::now();
        let mut output = output(true);
        output.ask(now, 1, |schedule| schedule.hold(now, 1, 30)).unwrap();
        output.ask(now, 1, |schedule| schedule.release(1)).unwrap();
        let again = output.ask(now, 2, |schedule| schedule.pulse(now, 2, 30));
        assert_eq!(again, Err(Refusal::Busy { by: 1 }));
        assert_eq!(output.ask(now, 1, |schedule| schedule.hold(now, 1, 30)), Err(Refusal::Ended { last: 1 }));
        output.confirm_off(now);
        output.ask(now, 2, |schedule| schedule.pulse(now, 2, 30)).unwrap();
    }
}
