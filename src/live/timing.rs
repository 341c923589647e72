//! What the times of a cage's frames are worth: how old a frame is, whether the cage is stale, and what is wrong with
//! the rig's clock, its rate or our own clock.
//!
//! The *delay* of a frame is its arrival on a steady time line (our wall clock at the first frame, carried on by the
//! monotonic clock) less its capture time: the difference of both clocks plus the way of the frame. The way only ever
//! adds, so the lowest delay, the *floor*, stands for the clocks. No one-way stream tells a clock that lies behind from
//! frames that all come late: where that matters, it is taken for lateness.

mod drift;
mod floor;
mod pace;
mod rate;
mod steady;
#[cfg(test)]
mod tests;
mod verdict;

use std::time::{Duration, Instant};

use crate::live::clock::Moment;
use crate::stream::CLOCK_UNIX;
use drift::{Drift, Slope};
use floor::{Floor, Step, Taken};
use pace::Pace;
use rate::{Rate, RateVerdict};
use steady::Steady;
pub use verdict::{Age, Notice, Notices, Offset, Sighting, Stale};
use verdict::{CaptureFault, Standing};

/// A camera whose numbers fall back by more than this has begun to count anew; by less, a frame is late. As long as
/// the window of a cage.
const RESTART_SECS: f64 = 17.0;

/// Blocks of two seconds that must agree that the clock lies behind, and that a floor has risen to stay.
const BEHIND_BLOCKS: usize = 3;
const RISEN_BLOCKS: usize = 6;

/// A disagreement of clocks ends within this share of its limit.
const AGREES_SHARE: i64 = 2;

/// Drift beyond this, in parts per million, is a pace of capture time, see [`Notice::CapturePace`].
const DRIFT_PPM_MAX: f64 = 30_000.0;

/// Drift is told from nothing when it is so many times its uncertainty, in so many estimates in a row.
const DRIFT_CERTAINTY: f64 = 4.0;
const DRIFT_ESTIMATES: u32 = 3;

/// An uncertainty (ppm) with which a drift near zero counts as known.
const DRIFT_KNOWN_PPM: f64 = 10.0;

/// From where on times are wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The newest frame is stale when it is so much older than the freshest frames were at their arrival.
    pub age_max: Duration,
    /// A cage is stale so long after its newest frame arrived.
    pub silence_max: Duration,
    /// The newest frame is stale when frames for so long are missing before it.
    pub gap_max: Duration,
    /// Capture times may lie so far in the future before the clocks disagree: a synchronised clock is that good.
    pub ahead_max: Duration,
    /// Every frame may be so old before the clocks disagree.
    pub behind_max: Duration,
    /// The least leap of a capture clock.
    pub jump_min: Duration,
    /// The least drift, in parts per million: 20 ppm are 72 ms an hour.
    pub drift_ppm_min: f64,
    /// The share by which a rate may differ from the described one; infinite where frames are not played at the
    /// camera's own speed.
    pub rate_tolerance: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            age_max: Duration::from_millis(250),
            silence_max: Duration::from_millis(500),
            gap_max: Duration::from_millis(250),
            ahead_max: Duration::from_millis(20),
            behind_max: Duration::from_millis(500),
            jump_min: Duration::from_millis(100),
            drift_ppm_min: 20.0,
            rate_tolerance: 0.05,
        }
    }
}

/// The times of one cage's stream, from its opening to its closing: another publisher or another description is another
/// value. It reads no clock, and neither grows nor allocates once it is made.
#[derive(Debug)]
pub struct Timing {
    limits: Limits,
    clock: Clock,
    described_hz: f64,
    steady: Option<Steady>,
    newest: Option<Newest>,
    /// The newest frame that has a capture time.
    timed: Option<Timed>,
    floor: Option<Floor>,
    pace: Pace,
    drift: Drift,
    rate: Rate,
    slope: Option<Slope>,
    /// How many estimates in a row saw a drift.
    drifting: u32,
    said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// Frames carry no usable time.
    None,
    /// Wall clock time, as ours.
    Unix,
    /// Time since anything.
    Other,
}

/// Where a frame's number stands to those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Next,
    /// The camera began to count anew.
    Anew,
    /// Another frame of this number or a higher one came before.
    Late,
}

/// The frame of the highest number since the camera began to count.
#[derive(Clone, Copy, Debug)]
struct Newest {
    number: u64,
    arrived: Instant,
    at: i64,
    /// Numbers missing before it.
    gap: u64,
    /// Over the floor, where its capture time is of use.
    over: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Timed {
    number: u64,
    capture_nanos: i64,
    at: i64,
}

/// What was said last, so that it is not said again.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    clocks: Standing,
    capture: Option<CaptureFault>,
    drift: Option<f64>,
}

impl Timing {
    /// `clock` is the stream's clock domain: [`CLOCK_UNIX`] is comparable with ours, any other name is time since
    /// anything, and with `None` capture times are not looked at. `rate_hz` is the camera's rate as described.
    pub fn new(clock: Option<&str>, rate_hz: f64, limits: Limits) -> Self {
        let clock = match clock {
            None => Clock::None,
            Some(CLOCK_UNIX) => Clock::Unix,
            Some(_) => Clock::Other,
        };
        Self {
            limits,
            clock,
            described_hz: rate_hz,
            steady: None,
            newest: None,
            timed: None,
            floor: None,
            pace: Pace::default(),
            drift: Drift::new(),
            rate: Rate::new(rate_hz, limits.rate_tolerance),
            slope: None,
            drifting: 0,
            said: Said::default(),
        }
    }

    /// Takes a frame at its arrival: any number, any capture time. Arrivals should ascend.
    pub fn frame(&mut self, number: u64, capture_nanos: Option<i64>, arrived: Moment) -> Sighting {
        let mut notices = Notices::default();
        let steady = self.steady.get_or_insert_with(|| Steady::new(arrived));
        if let Some(by_nanos) = steady.advance(arrived) {
            notices.say(Notice::OwnClockSet { by_nanos });
        }
        let (at, now) = (steady.now(), steady.unix_nanos());
        let capture_nanos = capture_nanos.filter(|_| self.clock != Clock::None);
        let before = self.newest;
        let order = self.number(number, arrived.monotonic, at);
        let Some(capture_nanos) = capture_nanos else {
            if order != Order::Late {
                self.untimed_frame(before, number, order, at, &mut notices);
            }
            return Sighting { age: Age::Unknown, notices };
        };
        let delay = now.saturating_sub(capture_nanos);
        let is_known = if order == Order::Late {
            self.floor.as_mut().is_some_and(|floor| floor.take_late(delay) == Taken::Known)
        } else {
            self.timed_frame(number, capture_nanos, delay, order, &mut notices)
        };
        self.tell_capture(&mut notices);
        let over = self.floor.as_ref().map(|floor| over(delay, floor.lowest()));
        if let Some(newest) = self.newest.as_mut().filter(|_| order != Order::Late) {
            newest.over = over;
        }
        let is_future = self.clock == Clock::Unix && capture_nanos > arrived.unix_nanos;
        let age = if is_known && !is_future { self.age(delay) } else { Age::Unknown };
        Sighting { age, notices }
    }

    /// Whether the cage's newest frame is stale now, and the first reason why.
    ///
    /// The time since arrival counts into the age. Where it is open whether the clock was set back or frames come late,
    /// they come late; an age by capture times that are no clock at all is not looked at.
    pub fn stale(&self, now: Instant) -> Option<Stale> {
        let Some(newest) = self.newest else { return Some(Stale::NoFrame) };
        let silence = now.saturating_duration_since(newest.arrived);
        if silence > self.limits.silence_max {
            return Some(Stale::Silence(silence));
        }
        let queue = |fault| matches!(fault, CaptureFault::Pace { ratio } if (0.5..=2.0).contains(&ratio));
        let over = newest.over.filter(|_| self.said.capture.is_none_or(queue));
        if let Some(over) = over.map(|over| over.saturating_add(silence)).filter(|over| *over > self.limits.age_max) {
            return Some(Stale::Age(over));
        }
        let gap_max = self.limits.gap_max.as_secs_f64() * self.described_hz;
        (newest.gap as f64 > gap_max).then_some(Stale::Gap(newest.gap))
    }

    /// The estimate of the capture clock in force; `None` until enough was seen, and while capture times are no clock.
    pub fn offset(&self) -> Option<Offset> {
        let floor = self.floor.as_ref().filter(|floor| floor.is_settled() && self.said.capture.is_none())?;
        let (above, span) = self.pace.spread(floor.lowest())?;
        let wall = if self.clock == Clock::Unix { self.steady.as_ref()?.wall_nanos() } else { 0 };
        let known = self.slope.filter(Slope::is_known);
        let wander_ppm = known.map_or(floor::RISE_PPM, |slope| slope.uncertainty_ppm);
        let uncertainty_nanos = above.saturating_add((span as f64 * wander_ppm * 1e-6) as i64);
        let offset_nanos = floor.lowest().saturating_add(wall);
        Some(Offset { offset_nanos, uncertainty_nanos, drift_ppm: known.map(|slope| -slope.ppm) })
    }

    /// The notice about the capture clock that stands: while there is one, no age of this cage can be relied on.
    pub fn clock_fault(&self) -> Option<Notice> {
        self.said.capture.map(CaptureFault::notice).or(match self.said.clocks {
            Standing::Agrees => None,
            standing => Some(standing.notice()),
        })
    }

    /// Takes the number of a frame: where it stands to those before.
    fn number(&mut self, number: u64, arrived: Instant, at: i64) -> Order {
        let mut next = Newest { number, arrived, at, gap: 0, over: None };
        let order = match self.newest {
            None => Order::Next,
            Some(newest) if number > newest.number => {
                next.gap = number - newest.number - 1;
                Order::Next
            }
            Some(newest) => {
                next.gap = newest.number - number;
                if next.gap as f64 > RESTART_SECS * self.described_hz { Order::Anew } else { Order::Late }
            }
        };
        if order != Order::Late {
            self.newest = Some(next);
        }
        order
    }

    /// Takes a new frame without a capture time.
    fn untimed_frame(&mut self, before: Option<Newest>, number: u64, order: Order, at: i64, notices: &mut Notices) {
        if self.clock != Clock::None {
            self.pace.take_missing(at);
            self.tell_capture(notices);
        }
        if let Some(before) = before.filter(|_| self.clock == Clock::None || self.said.capture.is_some()) {
            let frames = order.frames(before.number, number);
            self.measure(frames, None, at.saturating_sub(before.at), notices);
        }
    }

    /// Takes the capture time of a new frame. Returns whether its delay is of the clock as it is known.
    fn timed_frame(&mut self, number: u64, capture: i64, delay: i64, order: Order, notices: &mut Notices) -> bool {
        let Some(steady) = &self.steady else { return false };
        let at = steady.now();
        let before = self.timed.replace(Timed { number, capture_nanos: capture, at });
        let (Some(before), Some(floor)) = (before, &mut self.floor) else {
            self.floor = Some(Floor::new(nanos(self.limits.jump_min), at, delay));
            return true;
        };
        let frames = order.frames(before.number, number);
        let step = Step {
            capture_nanos: capture.saturating_sub(before.capture_nanos),
            arrival_nanos: at.saturating_sub(before.at),
            due_nanos: frames.map(|frames| (frames as f64 * self.rate.frame_nanos()) as i64),
        };
        let is_leap = floor.is_leap(delay, &step);
        let slope_ppm = self.slope.filter(Slope::is_known).map_or(0.0, |slope| slope.ppm);
        let taken = floor.take(at, delay, is_leap, slope_ppm);
        self.pace.take_step(at, &step);
        if let Taken::Leapt(by_nanos) = taken {
            if !floor.is_erratic() && !steady.explains(by_nanos) {
                notices.say(Notice::ClockJumped { by_nanos });
            }
            self.pace.clear();
            self.forget_drift();
        }
        let capture_nanos = self.said.capture.is_none().then_some(step.capture_nanos);
        self.measure(frames.filter(|_| !is_leap), capture_nanos, step.arrival_nanos, notices);
        if is_leap || taken != Taken::Known {
            return false;
        }
        if self.pace.take_delay(at, delay, &step) {
            self.tell_clocks(notices);
        }
        self.estimate_drift(at, delay, notices);
        true
    }

    /// Takes a step of so many frames; `None` where it is not known how many, or how long they took.
    fn measure(&mut self, frames: Option<u64>, capture: Option<i64>, arrival_nanos: i64, notices: &mut Notices) {
        let Some(frames) = frames else {
            self.rate.restart();
            return;
        };
        match self.rate.take(frames, capture, arrival_nanos) {
            Some(RateVerdict::Differs { measured_hz }) => {
                notices.say(Notice::RateDiffers { described_hz: self.described_hz, measured_hz });
            }
            Some(RateVerdict::Agrees) => notices.say(Notice::RateAgrees),
            None => {}
        }
    }

    /// The age of a frame whose delay is of the clock as it is known.
    fn age(&self, delay: i64) -> Age {
        let Some((floor, steady)) = self.floor.as_ref().zip(self.steady.as_ref()) else { return Age::Unknown };
        if self.said.capture.is_some() {
            return Age::Unknown;
        }
        if self.clock == Clock::Unix {
            let Ok(claimed) = u64::try_from(delay.saturating_add(steady.wall_nanos())) else { return Age::Unknown };
            let claimed = Duration::from_nanos(claimed);
            if self.said.clocks == Standing::Agrees && (floor.is_settled() || claimed <= self.limits.behind_max) {
                return Age::Absolute(claimed);
            }
        }
        if floor.is_settled() { Age::OverMinimum(over(delay, floor.lowest())) } else { Age::Unknown }
    }

    /// Says when capture times cease to be a clock, or become one again.
    fn tell_capture(&mut self, notices: &mut Notices) {
        let erratic = self.floor.as_ref().is_some_and(Floor::is_erratic);
        let fault = if erratic { Some(CaptureFault::Erratic) } else { self.pace.fault() };
        if fault != self.said.capture {
            self.said.capture = fault;
            notices.say(fault.map_or(Notice::CaptureRuns, CaptureFault::notice));
            self.forget_drift();
        }
    }

    fn forget_drift(&mut self) {
        self.drift.clear();
        (self.slope, self.drifting) = (None, 0);
    }

    /// Says when the clocks cease to agree, or agree again. Called when a block of delays has closed.
    fn tell_clocks(&mut self, notices: &mut Notices) {
        let (Some(steady), Some(floor)) = (&self.steady, &self.floor) else { return };
        let (ahead_max, behind_max) = (nanos(self.limits.ahead_max), nanos(self.limits.behind_max));
        let zero = if self.clock == Clock::Unix { steady.wall_nanos().saturating_neg() } else { floor.lowest() };
        let blocks = if self.clock == Clock::Unix { BEHIND_BLOCKS } else { RISEN_BLOCKS };
        let (Some(newest), Some(lasting)) = (self.pace.lowest(1, false), self.pace.lowest(blocks, true)) else {
            return;
        };
        let (newest, lasting) = (newest.saturating_sub(zero), lasting.saturating_sub(zero));
        let said = self.said.clocks;
        let share = |limit: i64, holds: bool| if holds { limit / AGREES_SHARE } else { limit };
        let standing = if newest < -share(ahead_max, matches!(said, Standing::Ahead(_))) && self.clock == Clock::Unix {
            Standing::Ahead(newest.unsigned_abs())
        } else if lasting > share(behind_max, matches!(said, Standing::Behind(_))) {
            Standing::Behind(lasting.unsigned_abs())
        } else {
            Standing::Agrees
        };
        if !standing.is_about(said) {
            self.said.clocks = standing;
            notices.say(standing.notice());
        }
    }

    fn estimate_drift(&mut self, at: i64, delay: i64, notices: &mut Notices) {
        let Some(slope) = self.drift.take(at, delay) else { return };
        self.slope = Some(slope);
        let (ppm, uncertainty_ppm) = (-slope.ppm, slope.uncertainty_ppm);
        let is_drift = ppm.abs() >= self.limits.drift_ppm_min
            && ppm.abs() <= DRIFT_PPM_MAX
            && ppm.abs() >= DRIFT_CERTAINTY * uncertainty_ppm;
        self.drifting = if is_drift { self.drifting + 1 } else { 0 };
        if self.drifting >= DRIFT_ESTIMATES {
            let news = |said: f64| (ppm - said).abs() > (said.abs() / 2.0).max(DRIFT_CERTAINTY * uncertainty_ppm);
            if self.said.drift.is_none_or(news) {
                self.said.drift = Some(ppm);
                notices.say(Notice::ClockDrifts { ppm: tenth(ppm), uncertainty_ppm: tenth(uncertainty_ppm) });
            }
        } else if ppm.abs() + uncertainty_ppm < self.limits.drift_ppm_min && self.said.drift.take().is_some() {
            notices.say(Notice::ClockHolds);
        }
    }
}

impl Order {
    /// How many frames the camera took from a number to this one.
    fn frames(self, before: u64, number: u64) -> Option<u64> {
        (self == Self::Next).then(|| number.saturating_sub(before))
    }
}

impl Slope {
    /// Known well enough to be reckoned with.
    fn is_known(&self) -> bool {
        self.uncertainty_ppm <= DRIFT_KNOWN_PPM.max(self.ppm.abs() / DRIFT_CERTAINTY)
    }
}

fn over(delay: i64, lowest: i64) -> Duration {
    Duration::from_nanos(u64::try_from(delay.saturating_sub(lowest)).unwrap_or(0))
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
