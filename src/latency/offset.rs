//! The detector's clock against ours, as NTP does it (RFC 5905, section 8), and with it the ways out and back.
//!
//! An answer brackets the offset: the detector's clock minus ours is at most `arrived − put` and at least `sent −
//! received`, for neither way takes less than nothing. The middle of the bracket is off by at most half its width,
//! which is half of what the round trip spent outside the detector, however unevenly that was spent. So the answer that
//! was outside for the shortest time knows best.
//!
//! Clocks drift apart, so every two seconds or so have a point of their own, and offsets between points lie on the line
//! between them. What no drift can do is a step: then everything begins anew.

mod drift;

use serde::Serialize;

use self::drift::Drifts;

/// A point stands for so long; for so long at most while answers are worse than what is known already.
const POINT_NANOS: i64 = 2_000_000_000;
const POINT_NANOS_MAX: i64 = 10_000_000_000;

/// Answers that may wait for the next point.
const WAITING_MAX: usize = 65_536;

/// Two clocks may drift apart this fast, in parts per million, before it is taken for a step: as fast as any clock is
/// allowed to be slewed.
const STEP_PPM: i64 = 500;

/// What is known grows old by this drift, in parts per million, where the drift itself is not known: that of two quartz
/// clocks.
const QUARTZ_PPM: f64 = 100.0;

/// A step is certain after so many answers in a row that agree with each other, but not with what was known.
const STEP_ANSWERS: usize = 5;

/// The detector's clock minus ours. It says nothing of how old a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Offset {
    /// By the answer that was outside the detector for the shortest time, since the last step.
    pub offset_millis: f64,
    /// Half of that time: the offset is not further off.
    pub uncertainty_millis: f64,
    /// When that was, from the first answer on.
    pub at_secs: f64,
    /// How fast the detector's clock gains on ours; `None` under ten seconds.
    pub drift: Option<Drift>,
    /// What the ways out and back may be off by, at any time of the run: what one takes too much, the other takes too
    /// little. That the drift is steady between two points, and under 100 ppm, is assumed.
    pub one_way_uncertainty_millis: f64,
    /// Times that the offset changed faster than any clock drifts, and by how much at most.
    pub steps: u32,
    pub largest_step_millis: f64,
    /// Answers that contradict all others, and have no one-way stages.
    pub strays: u64,
}

/// On average over the run, since the last step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Drift {
    pub ppm: f64,
    pub uncertainty_ppm: f64,
}

/// Both ways of an answer, as far apart as the clocks are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways {
    pub cage: u32,
    /// On our monotonic clock, when the answer was received.
    pub at_nanos: i64,
    /// From put on our clock to arrived on the detector's: the way out and the offset.
    pub out_nanos: i64,
    /// From received on our clock back to sent on the detector's: the offset without the way back.
    pub back_nanos: i64,
    /// Round trip.
    pub trip_nanos: i64,
}

/// The offset at a moment, on our monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at: i64,
    offset: i64,
    /// Half the width of the bracket.
    half: i64,
}

/// What becomes of the ways out and back once the offset is known: cage, out, back.
pub(super) type OneWay<'a> = &'a mut dyn FnMut(u32, i64, i64);

/// Brackets offsets answer by answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Estimator {
    first_at: Option<i64>,
    /// The narrowest of late: what the next answer is held against.
    known: Option<Point>,
    /// Answers since the clocks began or stepped.
    answers: u64,
    /// The best since the last point, and when its time began.
    open: Option<(i64, Point)>,
    /// The last point.
    last: Option<Point>,
    waiting: Vec<Ways>,
    /// Answers before the first point, which wait for the drift.
    early: Option<(Point, Vec<Ways>)>,
    doubt: Vec<Ways>,
    drifts: Drifts,
    best: Option<Point>,
    worst_half: i64,
    steps: u32,
    largest_step: i64,
    strays: u64,
}

impl Ways {
    fn point(&self) -> Point {
        let width = self.out_nanos.saturating_sub(self.back_nanos);
        // Rounded up: an uncertainty is never too small.
        let half = width / 2 + width % 2;
        Point { at: self.at_nanos, offset: self.back_nanos.saturating_add(width / 2), half }
    }
}

impl Point {
    /// Whether two clocks can come from one to the other without a step.
    fn agrees(&self, other: &Self, trip_nanos: i64) -> bool {
        let apart = self.at.saturating_sub(other.at).saturating_abs().saturating_add(trip_nanos.max(0));
        let slack = (apart / 1_000_000).saturating_add(1).saturating_mul(STEP_PPM);
        let least = self.half.saturating_add(other.half).saturating_add(slack);
        self.offset.saturating_sub(other.offset).saturating_abs() <= least
    }

    /// What another point knows of this moment, where that is more.
    fn or_better(self, other: &Self) -> Self {
        let half = other.half_at(self.at);
        if half < self.half { Self { at: self.at, offset: other.offset, half } } else { self }
    }

    /// How much of it holds at another time.
    fn half_at(&self, at: i64) -> i64 {
        self.half.saturating_add(aged(at.saturating_sub(self.at), QUARTZ_PPM))
    }
}

fn aged(nanos: i64, ppm: f64) -> i64 {
    (nanos.saturating_abs() as f64 * ppm * 1e-6) as i64
}

impl Estimator {
    /// Takes the ways of an answer, and passes on those whose offset became known by it.
    pub fn take(&mut self, ways: Ways, one_way: OneWay) {
        self.first_at.get_or_insert(ways.at_nanos);
        let point = ways.point();
        if point.half < 0 {
            // Outside the detector for less than nothing: a clock was set meanwhile.
            self.strays += 1;
            return;
        }
        if self.known.is_none_or(|known| known.agrees(&point, ways.trip_nanos)) {
            // An answer that was long under way may agree with both sides of a step: it decides nothing.
            if self.doubt.first().is_some_and(|first| first.point().agrees(&point, ways.trip_nanos)) {
                return;
            }
            self.strays += self.doubt.len() as u64;
            self.doubt.clear();
            self.absorb(ways, one_way);
            return;
        }
        if self.doubt.first().is_some_and(|first| !first.point().agrees(&point, ways.trip_nanos)) {
            self.strays += self.doubt.len() as u64;
            self.doubt.clear();
        }
        self.doubt.push(ways);
        if self.doubt.len() >= STEP_ANSWERS {
            self.step(one_way);
        }
    }

    /// No more answers will come.
    pub fn finish(&mut self, one_way: OneWay) -> Option<Offset> {
        self.strays += self.doubt.len() as u64;
        self.doubt.clear();
        self.settle(one_way);
        let (first, best) = (self.first_at?, self.best?);
        Some(Offset {
            offset_millis: super::millis(best.offset as f64),
            uncertainty_millis: super::millis(best.half as f64),
            at_secs: best.at.saturating_sub(first) as f64 / 1e9,
            drift: self.drifts.drift(),
            one_way_uncertainty_millis: super::millis(self.worst_half as f64),
            steps: self.steps,
            largest_step_millis: super::millis(self.largest_step as f64),
            strays: self.strays,
        })
    }

    fn step(&mut self, one_way: OneWay) {
        let doubt = std::mem::take(&mut self.doubt);
        // What began with answers that nothing confirmed was no clock.
        if self.answers < STEP_ANSWERS as u64 {
            self.strays += self.answers;
            (self.waiting, self.open, self.early) = (Vec::new(), None, None);
        } else {
            let best = doubt.iter().map(Ways::point).min_by_key(|point| point.half);
            let by = best.zip(self.known).map_or(0, |(after, before)| after.offset.saturating_sub(before.offset));
            self.steps = self.steps.saturating_add(1);
            if by.saturating_abs() > self.largest_step.saturating_abs() {
                self.largest_step = by;
            }
            self.settle(one_way);
        }
        (self.known, self.last, self.best, self.answers) = (None, None, None, 0);
        self.drifts = Drifts::default();
        for ways in doubt {
            self.absorb(ways, one_way);
        }
    }

    fn absorb(&mut self, ways: Ways, one_way: OneWay) {
        let point = ways.point();
        self.answers += 1;
        self.waiting.push(ways);
        let narrower = |than: &Point| point.half <= than.half_at(point.at);
        if self.known.is_none_or(|known| narrower(&known)) {
            self.known = Some(point);
        }
        if self.best.is_none_or(|best| point.half < best.half) {
            self.best = Some(point);
        }
        let (since, best) = self.open.get_or_insert((point.at, point));
        if point.half < best.half {
            *best = point;
        }
        let (lasted, best) = (point.at.saturating_sub(*since), *best);
        let good = self.known.is_none_or(|known| best.half <= known.half_at(best.at));
        if (lasted >= POINT_NANOS && good) || lasted >= POINT_NANOS_MAX || self.waiting.len() >= WAITING_MAX {
            self.close(best, one_way);
        }
    }

    /// A point is known: passes on what lies between the one before and it.
    fn close(&mut self, point: Point, one_way: OneWay) {
        self.open = None;
        self.drifts.take(point);
        let waiting = std::mem::take(&mut self.waiting);
        let (mut before, after): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|ways| ways.at_nanos <= point.at);
        if after.len() <= WAITING_MAX / 2 {
            self.waiting = after;
        } else {
            // Answers from the future must not be sifted again with every answer.
            before.extend(after);
        }
        let Some(last) = self.last else {
            self.last = Some(point);
            self.early = Some((point, before));
            return;
        };
        // A run may begin in a stall, and end in one.
        if let Some((early, _)) = &mut self.early
            && point.half_at(early.at) < early.half
        {
            *early = point;
        }
        let (from, to) = (last.or_better(&point), point.or_better(&last));
        self.last = Some(to);
        if !before.is_empty() {
            self.worst_half = self.worst_half.max(from.half).max(to.half);
        }
        for ways in &before {
            pass(ways, between(from, to, ways.at_nanos), one_way);
        }
    }

    /// Passes on all that waits, before the first point and behind the last.
    fn settle(&mut self, one_way: OneWay) {
        if let Some((_, best)) = self.open {
            // The last stretch is short: it gets a point of its own only where that is as good as what is known.
            let good = self.last.is_none_or(|last| best.half <= last.half_at(best.at));
            if good {
                self.close(best, one_way);
            }
        }
        let drift = self.drifts.drift();
        let (ppm, uncertainty_ppm) = drift.map_or((0.0, QUARTZ_PPM), |drift| (drift.ppm, drift.uncertainty_ppm));
        let ends = [self.early.take(), self.last.map(|last| (last, std::mem::take(&mut self.waiting)))];
        for (point, waiting) in ends.into_iter().flatten() {
            for ways in waiting {
                let nanos = ways.at_nanos.saturating_sub(point.at);
                let half = point.half.saturating_add(aged(nanos, uncertainty_ppm));
                self.worst_half = self.worst_half.max(half);
                pass(&ways, point.offset.saturating_add((nanos as f64 * ppm * 1e-6) as i64), one_way);
            }
        }
        self.open = None;
    }
}

fn pass(ways: &Ways, offset: i64, one_way: OneWay) {
    one_way(ways.cage, ways.out_nanos.saturating_sub(offset), offset.saturating_sub(ways.back_nanos));
}

/// The offset on the line between two points.
fn between(from: Point, to: Point, at: i64) -> i64 {
    let (apart, along) = (to.at.saturating_sub(from.at), at.saturating_sub(from.at));
    let share = (along as f64 / (apart as f64).max(1.0)).clamp(0.0, 1.0);
    from.offset.saturating_add((to.offset.saturating_sub(from.offset) as f64 * share) as i64)
}

/// Our own wall clock against our monotonic clock: whether it was set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnClock {
    known: Option<i64>,
    doubt: Option<(i64, usize)>,
    pub steps: u32,
    pub largest_step: i64,
}

/// The two clocks are read one after the other: a program that is held up between them sees no step.
const OWN_STEP_NANOS: i64 = 1_000_000;

impl OwnClock {
    /// Takes both readings of one moment.
    pub fn take(&mut self, monotonic_nanos: i64, unix_nanos: i64) {
        let ahead = unix_nanos.saturating_sub(monotonic_nanos);
        let near = |other: i64| ahead.saturating_sub(other).saturating_abs() < OWN_STEP_NANOS;
        let Some(known) = self.known.filter(|known| !near(*known)) else {
            (self.known, self.doubt) = (Some(ahead), None);
            return;
        };
        let times = self.doubt.filter(|(doubt, _)| near(*doubt)).map_or(1, |(_, times)| times + 1);
        self.doubt = Some((ahead, times));
        if times >= STEP_ANSWERS {
            let by = ahead.saturating_sub(known);
            self.steps = self.steps.saturating_add(1);
            if by.saturating_abs() > self.largest_step.saturating_abs() {
                self.largest_step = by;
            }
            (self.known, self.doubt) = (Some(ahead), None);
        }
    }
}

#[cfg(test)]
mod tests;
