//! The one thread that decides: orders, answers and deadlines in, commands and reports out.

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use crate::guard::device::Device;
use crate::guard::events::{EVENTS_MAX, Event, Lost, Reports};
use crate::guard::output::Output;
use crate::guard::run::GuardError;
use crate::guard::session::{Command, Fault};
use crate::guard::wire::{Cause, Order, Refusal, Report};

/// How much longer than its answer may take a device is waited for at the end.
const FAREWELL: Duration = Duration::from_millis(50);

pub struct Keeper {
    pub outputs: Vec<Output>,
    pub devices: Vec<Device>,
    pub reports: Reports,
    pub silence: Duration,
    pub reply_max: Duration,
    pub beat_last: Instant,
    pub silent: bool,
    pub ending: Option<Ending>,
}

/// Everything was told to be off; the devices have until then to say so.
pub struct Ending {
    until: Instant,
    result: Result<(), GuardError>,
}

impl Keeper {
    /// Works until the pipe ends, and then until everything is off.
    pub fn work(mut self, wake: &Receiver<Event>) -> (Result<(), GuardError>, Reports) {
        loop {
            let event = match self.next() {
                Some(at) => wake.recv_deadline(at),
                None => wake.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            // A beat that has come counts, whatever came before it; but no flood holds up the deadlines.
            for event in event.into_iter().chain(wake.try_iter().take(EVENTS_MAX)) {
                self.meet(event);
            }
            self.due(Instant::now());
            if let Some(ending) = self
                .ending
                .take_if(|ending| Instant::now() >= ending.until || self.devices.iter().all(Device::is_settled))
            {
                return (ending.result, self.reports);
            }
        }
    }

    fn next(&self) -> Option<Instant> {
        let silence = (!self.silent && self.ending.is_none()).then(|| self.beat_last + self.silence);
        let ending = self.ending.as_ref().map(|ending| ending.until);
        let outputs = self.outputs.iter().filter_map(Output::next);
        outputs.chain(self.devices.iter().filter_map(Device::next)).chain(silence).chain(ending).min()
    }

    fn meet(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Order(..) if self.ending.is_some() => {}
            Event::Order(arrived, Ok(Some(order))) => self.obey(arrived, order),
            Event::Order(_, Ok(None)) => self.end(now, Cause::Pipe, Ok(())),
            Event::Order(_, Err(error)) => self.end(now, Cause::Pipe, Err(error.into())),
            Event::Bytes(device, bytes) => match self.devices[device].receive(&bytes) {
                Ok(confirmed) => confirmed.into_iter().for_each(|command| self.confirm(now, device, command)),
                Err(fault) => self.fail(now, device, &fault),
            },
            Event::Gone(device, what) => self.fail(now, device, &Fault::Gone { what }),
            Event::Stop => self.end(now, Cause::Stop, Ok(())),
            Event::Opened(..) => {}
        }
    }

    fn due(&mut self, now: Instant) {
        if !self.silent && self.ending.is_none() && now >= self.beat_last + self.silence {
            self.fall_silent(now);
        }
        for output in 0..self.outputs.len() {
            while let Some(command) = self.outputs[output].due(now) {
                self.say(now, self.outputs[output].device, command);
            }
        }
        for device in 0..self.devices.len() {
            if let Err(fault) = self.devices[device].due(now) {
                self.fail(now, device, &fault);
            }
        }
        match self.reports.lost() {
            Some(_) if self.ending.is_some() => {}
            Some(Lost::Full) => self.end(now, Cause::Pipe, Err(GuardError::Deaf)),
            Some(Lost::Closed) => self.end(now, Cause::Pipe, Ok(())),
            None => {}
        }
    }

    fn obey(&mut self, arrived: Instant, order: Order) {
        let now = Instant::now();
        // What comes after the silence is too late, even if nobody woke up in time to see that: the guard itself may have
        // been stopped, and its pipe be full of old orders. A beat counts from when it came.
        let heard = if matches!(order, Order::Beat { .. }) { arrived } else { now };
        if !self.silent && heard > self.beat_last + self.silence {
            self.fall_silent(now);
        }
        match order {
            Order::Hello { .. } => self.end(now, Cause::Pipe, Err(GuardError::Again)),
            Order::Beat { number } => {
                self.beat_last = arrived;
                self.reports.send(Report::Beat { number });
            }
            Order::AllOff => self.all_off(now, Cause::Stop),
            Order::Pulse { id, output, on_millis } => {
                self.ask(arrived, id, output, |output| output.ask(arrived, id, |s| s.pulse(now, id, on_millis)));
            }
            Order::Train { id, output, on_millis, period_millis, count } => {
                self.ask(arrived, id, output, |output| {
                    output.ask(arrived, id, |s| s.train(now, id, on_millis, period_millis, count))
                });
            }
            Order::Hold { id, output, lease_millis } => {
                self.ask(arrived, id, output, |output| output.ask(arrived, id, |s| s.hold(now, id, lease_millis)));
            }
            Order::Release { id, output } => {
                self.ask(arrived, id, output, |output| output.ask(arrived, id, |s| s.release(id)));
            }
        }
    }

    fn ask(
        &mut self,
        now: Instant,
        id: u64,
        output: String,
        ask: impl FnOnce(&mut Output) -> Result<Command, Refusal>,
    ) {
        let found = self.outputs.iter_mut().find(|candidate| candidate.name == output);
        let asked = match found {
            _ if self.silent => Err(Refusal::Silence),
            None => Err(Refusal::Unknown),
            Some(found) => ask(found).map(|command| (found.device, command)),
        };
        match asked {
            Ok((device, command)) => self.say(now, device, command),
            Err(reason) => self.reports.send(Report::Refused { id, output, reason }),
        }
    }

    fn say(&mut self, now: Instant, device: usize, command: Command) {
        match self.devices[device].say(now, command) {
            Ok(true) => self.confirm(Instant::now(), device, command),
            Ok(false) => {}
            Err(fault) => self.fail(now, device, &fault),
        }
    }

    /// A command was obeyed.
    fn confirm(&mut self, now: Instant, device: usize, command: Command) {
        match command {
            Command::On { output, on, renewal, .. } => {
                self.outputs[output].confirm_on(now, on, renewal).into_iter().for_each(|on| self.reports.send(on));
            }
            Command::Off { output, .. } => {
                self.outputs[output].confirm_off(now).into_iter().for_each(|off| self.reports.send(off));
            }
            Command::AllOff => {
                for output in self.outputs.iter_mut().filter(|output| output.device == device) {
                    output.confirm_off(now).into_iter().for_each(|off| self.reports.send(off));
                }
            }
            Command::Beat => {}
        }
    }

    fn fail(&mut self, now: Instant, device: usize, fault: &Fault) {
        if self.devices[device].has_failed() {
            return;
        }
        self.devices[device].fail(now, fault);
        let reason = fault.to_string();
        for output in self.outputs.iter_mut().filter(|output| output.device == device) {
            self.reports.send(output.fail(&reason));
        }
    }

    fn all_off(&mut self, now: Instant, cause: Cause) {
        for output in &mut self.outputs {
            output.end(cause);
        }
        for device in 0..self.devices.len() {
            self.say(now, device, Command::AllOff);
        }
    }

    fn fall_silent(&mut self, now: Instant) {
        self.silent = true;
        self.all_off(now, Cause::Silence);
        self.devices.iter_mut().for_each(Device::stop_beating);
        self.reports.send(Report::Silence { silence_millis: self.silence.as_millis() as u64 });
    }

    fn end(&mut self, now: Instant, cause: Cause, result: Result<(), GuardError>) {
        self.all_off(now, cause);
        self.ending.get_or_insert(Ending { until: now + self.reply_max + FAREWELL, result });
    }
}
