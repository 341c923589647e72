//! Which answer belongs to which frame.

use std::collections::BTreeMap;

use serde::Serialize;

use super::TICK_RATE_HZ;

/// Frames of a cage that may wait for an answer, more than half a minute at 120 Hz; the lowest number gives way.
const FRAMES_MAX: usize = 4096;

/// Rates within this share of the ticks' count as equal, see [`crate::buffer`].
const RATE_TOLERANCE: f64 = 0.02;

/// Frames and answers of a cage, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FrameCounts {
    pub asked: u64,
    /// Frames without an answer of their own, and without one of a later frame of the same tick.
    pub unanswered: u64,
    /// Answers that came in all.
    pub answers: u64,
    /// Answers to frames that were never put, or so long ago that they were given up.
    pub unknown: u64,
    /// Answers to frames that had theirs.
    pub repeated: u64,
    /// Frames whose number was put before: left out.
    pub asked_twice: u64,
    /// Answers and events whose times cannot be: later stages before earlier ones on the same clock.
    pub impossible: u64,
    pub events: u64,
    /// Events about frames that were never put, or so long ago that they were given up.
    pub events_unknown: u64,
}

/// The frames of one cage that were put and may yet be answered.
#[derive(Clone, Debug)]
pub(super) struct Book {
    frames: BTreeMap<u64, Entry>,
    /// So many frames in a row have one answer together, where the camera is faster than ticks.
    frames_a_tick: u64,
    /// A frame may have so many answers, where it is slower.
    ticks_a_frame: u32,
    newest: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    put_nanos: i64,
    answers: u32,
}

/// What an answer is to the frames that were put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    To { put_nanos: i64 },
    Unknown,
    Repeated,
}

impl FrameCounts {
    pub fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.asked, other.asked),
            (&mut self.unanswered, other.unanswered),
            (&mut self.answers, other.answers),
            (&mut self.unknown, other.unknown),
            (&mut self.repeated, other.repeated),
            (&mut self.asked_twice, other.asked_twice),
            (&mut self.impossible, other.impossible),
            (&mut self.events, other.events),
            (&mut self.events_unknown, other.events_unknown),
        ];
        for (sum, other) in sums {
            *sum = sum.saturating_add(other);
        }
    }
}

impl Book {
    /// `rate_hz` is the camera's, within the bounds of the meter.
    pub fn new(rate_hz: f64) -> Self {
        let ratio = rate_hz / TICK_RATE_HZ;
        Self {
            frames: BTreeMap::new(),
            frames_a_tick: (ratio * (1.0 - RATE_TOLERANCE)).ceil().max(1.0) as u64,
            ticks_a_frame: ((1.0 - RATE_TOLERANCE) / ratio).ceil().max(1.0) as u32,
            newest: 0,
        }
    }

    /// Whether the frame was taken.
    pub fn ask(&mut self, frame: u64, put_nanos: i64, counts: &mut FrameCounts) -> bool {
        if self.frames.contains_key(&frame) {
            counts.asked_twice += 1;
            return false;
        }
        counts.asked += 1;
        self.newest = self.newest.max(frame);
        self.frames.insert(frame, Entry { put_nanos, answers: 0 });
        if self.frames.len() > FRAMES_MAX {
            self.give_up_lowest(counts);
        }
        true
    }

    pub fn answer(&mut self, frame: u64) -> Match {
        let Some(entry) = self.frames.get_mut(&frame) else { return Match::Unknown };
        if entry.answers >= self.ticks_a_frame {
            return Match::Repeated;
        }
        entry.answers += 1;
        Match::To { put_nanos: entry.put_nanos }
    }

    /// When the frame was put.
    pub fn put_nanos(&self, frame: u64) -> Option<i64> {
        self.frames.get(&frame).map(|entry| entry.put_nanos)
    }

    /// No more answers will come.
    pub fn close(&mut self, counts: &mut FrameCounts) {
        // The last frames may belong to a tick that never was complete.
        let complete = self.newest.saturating_sub(self.frames_a_tick - 1);
        while self.frames.first_key_value().is_some_and(|(frame, _)| *frame <= complete) {
            self.give_up_lowest(counts);
        }
        self.frames.clear();
    }

    fn give_up_lowest(&mut self, counts: &mut FrameCounts) {
        let Some((frame, entry)) = self.frames.pop_first() else { return };
        let tick = frame..frame.saturating_add(self.frames_a_tick);
        if entry.answers == 0 && !self.frames.range(tick).any(|(_, entry)| entry.answers > 0) {
            counts.unanswered += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts after `asked` frames of which those for which `answered` holds get an answer.
    fn counts(rate_hz: f64, asked: u64, answered: fn(u64) -> u32) -> (FrameCounts, u32) {
        let (mut book, mut counts, mut repeated) = (Book::new(rate_hz), FrameCounts::default(), 0);
        for frame in 0..asked {
            assert!(book.ask(frame, frame as i64, &mut counts));
            for _ in 0..answered(frame) {
                repeated += u32::from(book.answer(frame) == Match::Repeated);
            }
            assert!(book.frames.len() <= FRAMES_MAX);
        }
        book.close(&mut counts);
        (counts, repeated)
    }

    #[test]
    fn every_frame_of_a_camera_at_the_rate_of_ticks_has_an_answer_of_its_own() {
        let (counts, repeated) = counts(30.3, 10_000, |frame| u32::from(frame % 100 != 7) + u32::from(frame == 9));
        assert_eq!((counts.asked, counts.unanswered, repeated), (10_000, 100, 1));
    }

    #[test]
    fn frames_of_a_fast_camera_share_the_answer_of_their_tick() {
        assert_eq!(counts(120.0, 9_999, |frame| u32::from(frame % 4 == 3)).0.unanswered, 0);
        let (lost, _) = counts(120.0, 10_000, |frame| u32::from(frame % 4 == 3 && frame != 403));
        assert_eq!(lost.unanswered, 4, "all frames of a tick that was lost");
    }

    #[test]
    fn frames_of_a_slow_camera_may_have_two_answers() {
        let (counts, repeated) = counts(25.0, 1_000, |frame| if frame % 5 == 0 { 2 } else { 1 });
        assert_eq!((counts.unanswered, repeated), (0, 0));
    }

    #[test]
    fn strange_numbers_are_counted() {
        let (mut book, mut counts) = (Book::new(30.0), FrameCounts::default());
        assert!(book.ask(u64::MAX, 5, &mut counts));
        assert!(!book.ask(u64::MAX, 6, &mut counts));
        assert_eq!(book.answer(0), Match::Unknown);
        assert_eq!(book.answer(u64::MAX), Match::To { put_nanos: 5 });
        assert_eq!(book.put_nanos(u64::MAX), Some(5));
        book.close(&mut counts);
        assert_eq!(counts, FrameCounts { asked: 1, asked_twice: 1, ..FrameCounts::default() });
    }
}
