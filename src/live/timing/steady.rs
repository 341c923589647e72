//! Our own two clocks: a time line that nobody sets, and how far the wall clock has left it.

use crate::live::clock::Moment;

/// A step of our wall clock against the monotonic one from which on it was set, rather than read a little late.
const SET_NANOS_MIN: i64 = 50_000_000;

/// Frames in a row that must see the step: a thread put aside between the reads of both clocks spoils one.
const SET_FRAMES: u32 = 3;

/// Until then, the first reading of the clocks is what was wrong.
const SETTLED_NANOS: i64 = 2_000_000_000;

/// How fast the wall clock may be steered without having been set, in parts per million.
const STEERED_PPM: i64 = 1000;

/// How long after our wall clock was set a leap of the capture clock by as much is the same event: the rig reads our
/// clock, or this machine slept.
const SAME_EVENT_NANOS: i64 = 5_000_000_000;

/// The wall clock at the first moment, carried on by the monotonic clock.
#[derive(Debug)]
pub(super) struct Steady {
    origin: Moment,
    /// Time since the first moment; never steps back, whatever is passed in.
    now: i64,
    /// How far the wall clock lies ahead of the steady time line.
    wall: i64,
    strange_frames: u32,
    /// When, on this time line, the wall clock was last set, and by how much.
    set: Option<(i64, i64)>,
}

impl Steady {
    pub fn new(origin: Moment) -> Self {
        Self { origin, now: 0, wall: 0, strange_frames: 0, set: None }
    }

    /// Advances to a moment. Returns by how many nanoseconds our wall clock was set, once that is
    /// certain.
    pub fn advance(&mut self, moment: Moment) -> Option<i64> {
        let elapsed = moment.monotonic.saturating_duration_since(self.origin.monotonic);
        let now = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX).max(self.now);
        let steered = (now - self.now) / 1_000_000 * STEERED_PPM;
        self.now = now;
        let strange = moment.unix_nanos.saturating_sub(self.unix_nanos()).saturating_sub(self.wall);
        if strange.saturating_abs() < SET_NANOS_MIN {
            self.strange_frames = 0;
            self.wall = self.wall.saturating_add(strange.clamp(-steered, steered));
            return None;
        }
        self.strange_frames += 1;
        if self.strange_frames < SET_FRAMES {
            return None;
        }
        self.strange_frames = 0;
        self.wall = self.wall.saturating_add(strange);
        if self.now < SETTLED_NANOS {
            return None;
        }
        self.set = Some((self.now, strange));
        Some(strange)
    }

    /// Nanoseconds since the first moment.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The steady time line in nanoseconds since 1970 (UTC), as the wall clock was at the first moment.
    pub fn unix_nanos(&self) -> i64 {
        self.origin.unix_nanos.saturating_add(self.now)
    }

    /// What to add to a difference to the steady time line to have one to the present wall clock.
    pub fn wall_nanos(&self) -> i64 {
        self.wall
    }

    /// Whether a leap of the capture clock is our own wall clock having been set by as much a moment ago.
    pub fn explains(&self, leap: i64) -> bool {
        self.set.is_some_and(|(at, by)| {
            self.now.saturating_sub(at) <= SAME_EVENT_NANOS
                && leap.saturating_sub(by).saturating_abs() <= SET_NANOS_MIN.max(by.saturating_abs() / 50)
        })
    }
}
