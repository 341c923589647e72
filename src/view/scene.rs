//! What is known of one cage.

use std::collections::VecDeque;
use std::time::Duration;

use super::extent::Extent;
use super::text::{LINE_CHARS_MAX, Who, clean, name};
use super::timeline::{Timeline, number_of, secs_of};
use super::{Counts, EVENTS_MAX, ScoredCell, State, Truth};
use crate::output::event::{EdgeWord, Event};
use crate::poses::Frame;
use crate::stream::StreamDescription;
use crate::time::{TICK_RATE_HZ, WINDOW_TICKS};

/// Later ticks than three centuries have are no ticks.
const TICK_MAX: u64 = 300_000_000_000;

/// Frames over which the rate is measured.
const RATE_FRAMES: usize = 60;

/// Frames this much older than the newest came late.
const LATE_FRAMES: u64 = 64;

/// What is left after a tick of the mark that a high score leaves, by which cells are chosen: half after two seconds.
const HOLD: f32 = 0.988_5;

/// Cells whose scores are kept: with eight animals and 64 directed behaviors there are 3,584.
const CELLS_MAX: usize = 8192;

/// Without frames for this long, a cage is silent.
pub(super) const SILENT: Duration = Duration::from_secs(1);

/// How long an alarm stays in sight.
const ALARM: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub(super) stream: Option<StreamDescription>,
    /// Cleaned names, by slot.
    pub(super) individuals: Vec<String>,
    pub(super) frame: Option<Frame>,
    pub(super) extent: Extent,
    pub(super) timeline: Timeline,
    /// Newest last.
    pub(super) events: VecDeque<Line>,
    pub(super) cells: Vec<Scored>,
    pub(super) counts: Counts,
    pub(super) state: State,
    swap: Option<(Duration, [String; 2])>,
    arrivals: VecDeque<Duration>,
    clock: Clock,
    /// The life of the cage that events belong to.
    epoch: Option<u64>,
}

/// A cell and its newest score.
#[derive(Clone, Debug)]
pub(super) struct Scored {
    pub(super) behavior: String,
    pub(super) who: Who,
    pub(super) threshold: f32,
    pub(super) score: f32,
    pub(super) hold: f32,
}

/// An event, as it is listed.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// When it began or ended; of what was taken back or lost, when that was said.
    pub(super) at_secs: f64,
    pub(super) who: Who,
    pub(super) behavior: String,
    pub(super) edge: EdgeWord,
    pub(super) score: f32,
    pub(super) delay: u32,
    pub(super) revises: bool,
    pub(super) warming: bool,
    /// What it says was taken back later.
    pub(super) retracted: bool,
    bout: u64,
}

/// The newest moment of a cage's time line.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// What events and scores know beyond the frames that were seen here.
    base_secs: f64,
    /// Frames since then, and how many of them make a second of the time line.
    frames: u64,
    rate_hz: f64,
    newest: Option<u64>,
}

impl Clock {
    fn head(&self) -> f64 {
        self.base_secs + if self.frames == 0 { 0.0 } else { self.frames as f64 / self.rate_hz }
    }

    /// Frames have another rate from now on.
    fn set_rate(&mut self, rate_hz: f64) {
        (self.base_secs, self.frames, self.rate_hz, self.newest) = (self.head(), 0, rate_hz, None);
    }

    /// Takes in a frame's number; false where it came late.
    fn frame(&mut self, number: u64) -> bool {
        let ahead = self.newest.map(|newest| (number.checked_sub(newest), newest.saturating_sub(number)));
        match ahead {
            None => {}
            Some((None, behind)) if behind <= LATE_FRAMES => return false,
            Some((Some(0), _)) => return false,
            // Beyond the window, and where a rig counts anew, how long it was is not known.
            Some((Some(ahead), _)) if ahead as f64 / self.rate_hz <= secs_of(WINDOW_TICKS as u64) => {
                self.frames += ahead;
            }
            Some(_) => self.frames += 1,
        }
        self.newest = Some(number);
        true
    }

    fn raise(&mut self, secs: f64) {
        self.base_secs += (secs - self.head()).max(0.0);
    }

    fn restart(&mut self, secs: f64) {
        self.base_secs += secs - self.head();
    }
}

impl Scene {
    /// Seconds from the first tick to the newest moment.
    pub(super) fn head(&self) -> f64 {
        self.clock.head()
    }

    pub(super) fn slot(&self, animal: &str) -> Option<usize> {
        self.individuals.iter().position(|name| name == animal)
    }

    /// Frames in a second as they came; `None` before the second one.
    pub(super) fn rate_hz(&self) -> Option<f64> {
        let took = self.arrivals.back()?.saturating_sub(*self.arrivals.front()?).as_secs_f64();
        (took > 0.0).then(|| (self.arrivals.len() - 1) as f64 / took)
    }

    /// How long no frame came, beyond [`SILENT`].
    pub(super) fn silent(&self, now: Duration) -> Option<Duration> {
        let silent = now.saturating_sub(*self.arrivals.back()?);
        (silent > SILENT && self.state != State::Ended).then_some(silent)
    }

    /// The animals that may have exchanged their names a short while ago.
    pub(super) fn swapped(&self, now: Duration) -> Option<&[String; 2]> {
        self.swap.as_ref().filter(|(at, _)| now.saturating_sub(*at) < ALARM).map(|(_, animals)| animals)
    }

    pub(super) fn swap_alarm(&mut self, animals: [&str; 2], now: Duration) {
        self.swap = Some((now, animals.map(name)));
    }

    pub(super) fn describe(&mut self, stream: &StreamDescription) {
        if self.stream.as_ref() == Some(stream) {
            return;
        }
        self.individuals = stream.individuals().iter().map(|individual| name(individual)).collect();
        self.stream = Some(stream.clone());
        self.frame = None;
        self.extent = Extent::default();
        // At the tick rate, or nearly, one frame is one tick, whatever it says on the rig.
        let is_tick_rate = (stream.rate_hz() / TICK_RATE_HZ - 1.0).abs() <= 0.02;
        self.clock.set_rate(if is_tick_rate { TICK_RATE_HZ } else { stream.rate_hz() });
    }

    /// Frames that do not fit the description are left out.
    pub(super) fn frame(&mut self, frame: &Frame, now: Duration) {
        let Some(stream) = &self.stream else { return };
        if frame.keypoints.len() != stream.point_count() {
            return;
        }
        if !self.clock.frame(frame.number) {
            return;
        }
        if self.arrivals.len() > RATE_FRAMES {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
        let keypoints = stream.skeleton().keypoints().len();
        self.extent.push(&frame.keypoints, keypoints, stream.body_length_px() as f32);
        self.frame = Some(frame.clone());
    }

    pub(super) fn event(&mut self, event: &Event) {
        let verdict = &event.verdict;
        if verdict.decision_tick.max(verdict.onset_tick) > TICK_MAX || verdict.stop_tick.is_some_and(|t| t > TICK_MAX) {
            return;
        }
        let decided = secs_of(verdict.decision_tick);
        // What a killed detector left open is told in the words of its own time.
        if verdict.edge != EdgeWord::Abandoned {
            let epoch = number_of(verdict.bout.rsplit_once('-').map_or("", |(epoch, _)| epoch));
            if self.epoch.is_some_and(|before| before != epoch) {
                self.timeline = Timeline::default();
                self.clock.restart(decided);
            }
            self.epoch = Some(epoch);
            self.clock.raise(decided);
        }
        self.timeline.tell(verdict, self.clock.head());
        let bout = number_of(&verdict.bout);
        if verdict.edge == EdgeWord::Retraction {
            self.events.iter_mut().filter(|line| line.bout == bout).for_each(|line| line.retracted = true);
        }
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        let at = match verdict.edge {
            EdgeWord::Onset => verdict.onset_tick,
            EdgeWord::Offset => verdict.stop_tick.unwrap_or(verdict.decision_tick),
            EdgeWord::Retraction | EdgeWord::Abandoned => verdict.decision_tick,
        };
        self.events.push_back(Line {
            at_secs: secs_of(at),
            who: Who::of(&verdict.animals),
            behavior: name(&verdict.behavior),
            edge: verdict.edge,
            score: verdict.score,
            delay: verdict.delay,
            revises: verdict.revises.is_some(),
            warming: verdict.warming,
            retracted: false,
            bout,
        });
    }

    pub(super) fn cells(&mut self, cells: &[ScoredCell]) {
        let scored = |cell: &ScoredCell| Scored {
            behavior: name(&cell.behavior),
            who: Who::of(&cell.animals),
            threshold: cell.threshold,
            score: 0.0,
            hold: 0.0,
        };
        self.cells = cells.iter().take(CELLS_MAX).map(scored).collect();
    }

    /// The newest scores in the order of the cells; what follows them is of longer delays.
    pub(super) fn scores(&mut self, tick: u64, scores: &[f32]) {
        if tick > TICK_MAX || scores.len() < self.cells.len() {
            return;
        }
        self.clock.raise(secs_of(tick));
        for (cell, &score) in self.cells.iter_mut().zip(scores) {
            cell.score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
            cell.hold = (cell.hold * HOLD).max(cell.score);
        }
    }

    /// What truly happens. Where the model scores a pair without direction, its row holds both directions.
    pub(super) fn truth(&mut self, truth: &Truth) {
        let (behavior, who) = (name(&truth.behavior), Who::of(&truth.animals));
        let of_behavior = || self.cells.iter().filter(|cell| cell.behavior == behavior);
        let exact = of_behavior().any(|cell| cell.who == who);
        let pair = of_behavior().find(|cell| !exact && cell.who.is_pair_of(&who)).map(|cell| cell.who.clone());
        self.timeline.truth(truth, pair.unwrap_or(who), self.clock.head());
    }

    pub(super) fn state(&mut self, state: State) {
        self.state = match state {
            State::Stale { cause } => State::Stale { cause: clean(&cause, LINE_CHARS_MAX) },
            State::Ended => {
                self.timeline.end(self.clock.head());
                State::Ended
            }
            state => state,
        };
    }
}
