//! When a tick of a cage was, on the wall clock.
//!
//! Ticks count frames; nothing says at what time of the day each of them was. What is known are *anchors*: a decision
//! that had seen tick D was taken at time N, so D was before N, by what delivery and inference took. That is some tens
//! of milliseconds as a rule, much more under load, and never less than nothing. Hence the time of a tick is the
//! earliest that the anchors of the next [`HORIZON_TICKS`] allow: N less the ticks from it to D. Only what comes later
//! counts, as a stream that pauses without leaving out frame numbers shifts all that follows.
//!
//! Two things would spoil this and are taken out first:
//! - **Cameras are not of 30 Hz.** A tick is a frame wherever the rate is within 2% of that, so the length of a tick is
//!   measured over minutes, as the median slope between anchors (Theil and Sen), where there are enough of them.
//! - **The end of a stream** is decided at ticks that never were, up to the longest delay beyond the last frame, all at
//!   once. Such anchors lie below all others around them and are left out.
//!
//! What remains is late by the least that delivery and inference took: a tick or two.

use crate::time::TICK_RATE_HZ;

/// How far behind a tick the anchors lie that its time is taken from, where there are any.
pub const HORIZON_TICKS: u64 = 300;

const NOMINAL_NANOS: f64 = 1e9 / TICK_RATE_HZ;

/// How far a camera may be off the rate that its ticks are counted by.
const RATE_ERROR_MAX: f64 = 0.021;

/// Ticks between the anchors of a slope: long enough for delivery not to matter, too short for many pauses.
const SLOPE_TICKS: [u64; 2] = [1800, 18_000];
const SLOPES_MIN: usize = 8;

/// Decisions within such a time may belong to one end of a stream.
const BURST_NANOS: i64 = 3_000_000_000;

/// Anchors at each side that another is held against, and how far away they may be.
const NEIGHBOURS: usize = 16;
const NEIGHBOURHOOD_TICKS: u64 = 9000;

/// How far below its neighbours an anchor may lie.
const BELOW_NANOS_MAX: i64 = 100_000_000;

/// A decision that had seen a tick, and when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    pub tick: u64,
    pub nanos: i64,
}

/// Of one life of a cage.
#[derive(Debug)]
pub(super) struct Clock {
    tick_nanos: f64,
    /// By tick, each once.
    seen: Vec<Seen>,
}

impl Clock {
    /// `seen` in any order.
    pub fn new(mut seen: Vec<Seen>) -> Self {
        seen.sort_unstable();
        // The earliest of each tick.
        seen.dedup_by_key(|seen| seen.tick);
        let mut clock = Self { tick_nanos: tick_nanos(&seen), seen };
        let is_sound: Vec<bool> = (0..clock.seen.len()).map(|index| clock.is_sound(index)).collect();
        let mut is_sound = is_sound.into_iter();
        clock.seen.retain(|_| is_sound.next() == Some(true));
        clock
    }

    /// `None` where nothing was ever decided.
    pub fn nanos(&self, tick: u64) -> Option<i64> {
        let later = &self.seen[self.seen.partition_point(|seen| seen.tick < tick)..];
        let within = later.partition_point(|seen| seen.tick - tick <= HORIZON_TICKS).max(1);
        let earliest = later.iter().take(within).map(|seen| self.at(*seen, tick)).min();
        earliest.or_else(|| self.seen.last().map(|seen| self.at(*seen, tick)))
    }

    /// When a tick was if `seen` was decided at once.
    fn at(&self, seen: Seen, tick: u64) -> i64 {
        let ticks = (i128::from(tick) - i128::from(seen.tick)) as f64;
        seen.nanos.saturating_add((ticks * self.tick_nanos).round() as i64)
    }

    /// Whether an anchor does not lie below those before it and those after it.
    fn is_sound(&self, index: usize) -> bool {
        let one = self.seen[index];
        let is_near = |other: &&Seen| other.tick.abs_diff(one.tick) <= NEIGHBOURHOOD_TICKS;
        let is_apart = |other: &&Seen| other.nanos.abs_diff(one.nanos) > BURST_NANOS as u64;
        let is_below = |others: Vec<i64>| {
            let floor = lower_quartile(others)?;
            Some(one.nanos < floor.saturating_sub(BELOW_NANOS_MAX))
        };
        let expected = |other: &Seen| self.at(*other, one.tick);
        let before = self.seen[..index].iter().rev().take_while(is_near).filter(is_apart).take(NEIGHBOURS);
        // What comes first may be low because a pause lifted the rest.
        if is_below(before.map(expected).collect()) != Some(true) {
            return true;
        }
        let after = self.seen[index + 1..].iter().take_while(is_near).filter(is_apart).take(NEIGHBOURS);
        is_below(after.map(expected).collect()) == Some(false)
    }
}

fn lower_quartile(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 4).copied()
}

/// The length of a tick; what it should be where too little is known.
fn tick_nanos(seen: &[Seen]) -> f64 {
    let mut slopes: Vec<f64> = Vec::new();
    let mut far = 0;
    for near in seen {
        while seen.get(far).is_some_and(|far| far.tick - near.tick < SLOPE_TICKS[0]) {
            far += 1;
        }
        let Some(far) = seen.get(far) else { break };
        let ticks = far.tick - near.tick;
        if ticks <= SLOPE_TICKS[1] {
            slopes.push((i128::from(far.nanos) - i128::from(near.nanos)) as f64 / ticks as f64);
        }
    }
    if slopes.len() < SLOPES_MIN {
        return NOMINAL_NANOS;
    }
    let middle = slopes.len() / 2;
    let (_, median, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
    median.clamp(NOMINAL_NANOS * (1.0 - RATE_ERROR_MAX), NOMINAL_NANOS * (1.0 + RATE_ERROR_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000_000_000_000;
    /// A tick and a half.
    const CLOSE_NANOS: u64 = 50_000_000;

    /// Decisions on every `step`-th tick of a camera, each late by something between 20 and 320 ms.
    fn decisions(rate_hz: f64, step: usize, ticks: u64) -> Vec<Seen> {
        let late = |tick: u64| if tick.is_multiple_of(5) { 20 } else { 20 + tick.wrapping_mul(2_654_435_761) % 300 };
        let seen = |tick: u64| Seen { tick, nanos: truth(rate_hz, tick) + late(tick) as i64 * 1_000_000 };
        (0..ticks).step_by(step).map(seen).collect()
    }

    fn truth(rate_hz: f64, tick: u64) -> i64 {
        START + (tick as f64 / rate_hz * 1e9) as i64
    }

    #[test]
    fn a_tick_is_told_within_a_tick_or_two_at_any_rate() {
        for rate_hz in [29.5, 29.97, 30.0, 30.4] {
            let clock = Clock::new(decisions(rate_hz, 11, 100_000));
            for tick in (0..99_000).step_by(7) {
                let off = clock.nanos(tick).unwrap() - truth(rate_hz, tick);
                assert!(off.unsigned_abs() < CLOSE_NANOS, "{rate_hz} Hz, tick {tick}: {off} ns");
            }
        }
    }

    #[test]
    fn decisions_beyond_the_end_of_a_stream_are_no_anchors() {
        let mut seen = decisions(30.0, 9, 3000);
        // Two seconds of ticks that never were, told at once; the stream then goes on where it would have been.
        let end = truth(30.0, 3000) + 20_000_000;
        seen.extend((3001..=3060).step_by(10).map(|tick| Seen { tick, nanos: end }));
        seen.extend(decisions(30.0, 9, 6000).into_iter().filter(|seen| seen.tick > 3100));
        // And once more at its very end.
        seen.extend((6000..=6060).step_by(10).map(|tick| Seen { tick, nanos: truth(30.0, 6000) + 20_000_000 }));
        let clock = Clock::new(seen);
        for tick in (2000..3000).chain(5000..6000) {
            let off = clock.nanos(tick).unwrap() - truth(30.0, tick);
            // Half a tick more than what is let pass.
            assert!(off.unsigned_abs() < 120_000_000, "tick {tick}: {off} ns");
        }
    }

    #[test]
    fn a_pause_shifts_what_follows_and_nothing_before() {
        let pause = 40_000_000_000;
        let mut seen = decisions(30.0, 5, 4000);
        seen.iter_mut().filter(|seen| seen.tick >= 100).for_each(|seen| seen.nanos += pause);
        let clock = Clock::new(seen);
        for (tick, expected) in [(90, truth(30.0, 90)), (100, truth(30.0, 100) + pause)] {
            let off = clock.nanos(tick).unwrap() - expected;
            assert!(off.unsigned_abs() < CLOSE_NANOS, "tick {tick}: {off} ns");
        }
    }

    #[test]
    fn nothing_known_and_nonsense_are_survived() {
        assert_eq!(Clock::new(Vec::new()).nanos(5), None);
        let ends = [(0, i64::MIN), (u64::MAX, i64::MAX), (u64::MAX, i64::MIN), (7, 0)];
        let clock = Clock::new(ends.map(|(tick, nanos)| Seen { tick, nanos }).to_vec());
        for tick in [0, 8, u64::MAX] {
            assert!(clock.nanos(tick).is_some());
        }
    }
}
