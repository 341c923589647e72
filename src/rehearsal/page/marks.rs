//! What stands in the lanes of a drawing, no more of it than a page can hold.

use super::text::{clock, plain, shortened};
use crate::markup::escaped;

/// Longer titles are cut, and longer names within them.
const TITLE_CHARS_MAX: usize = 120;
const NAME_CHARS_MAX: usize = 32;

/// A bar, or a point where `start` is `stop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub lane: usize,
    /// A class of the style for bars, the end of a symbol's name for points.
    pub look: &'static str,
    pub start: u64,
    pub stop: u64,
    /// How many are drawn as this one.
    pub count: u64,
    /// What it is, as text that is not escaped yet.
    pub what: String,
}

impl Mark {
    pub fn point(lane: usize, look: &'static str, tick: u64, what: String) -> Self {
        Self { lane, look, start: tick, stop: tick, count: 1, what }
    }

    /// What is read where a pointer rests on it.
    pub fn title(&self) -> String {
        let time = if self.start == self.stop {
            clock(self.start)
        } else {
            format!("{} to {}", clock(self.start), clock(self.stop))
        };
        let what = escaped(&shortened(&self.what, TITLE_CHARS_MAX));
        match self.count {
            1 => format!("{time} {what}"),
            count => format!("{time} {} drawn as one, the first: {what}", crate::words::count(count)),
        }
    }
}

/// Marks of a kind, and how close those lie that are drawn as one, in ticks: 0 where each is drawn.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub marks: Vec<Mark>,
    pub apart_ticks: u64,
}

/// At most so many marks. Where there are more, those of a look and a lane that lie within `apart_ticks` become one,
/// and where that does not do, those within twice the time, and so on. A lane and a look keep one at least.
pub(super) fn joined(mut marks: Vec<Mark>, apart_ticks: u64, marks_max: usize) -> Joined {
    marks.sort_by(|a, b| (a.lane, a.look, a.start, a.stop).cmp(&(b.lane, b.look, b.start, b.stop)));
    let mut joined = Joined { marks, apart_ticks: 0 };
    let mut apart_ticks = apart_ticks.max(1);
    while joined.marks.len() > marks_max && joined.apart_ticks < u64::MAX {
        joined = Joined { marks: once_joined(joined.marks, apart_ticks), apart_ticks };
        apart_ticks = apart_ticks.saturating_mul(2);
    }
    joined
}

/// Bars reach from the first of their parts to the last; points stand where the first of them stood, and do not chain.
fn once_joined(marks: Vec<Mark>, apart_ticks: u64) -> Vec<Mark> {
    let mut joined: Vec<Mark> = Vec::new();
    for mark in marks {
        let is_point = mark.start == mark.stop;
        match joined.last_mut() {
            Some(last)
                if (last.lane, last.look) == (mark.lane, mark.look)
                    && mark.start.saturating_sub(last.stop) < apart_ticks
                    && (last.start == last.stop) == is_point =>
            {
                last.count += mark.count;
                if !is_point {
                    last.stop = last.stop.max(mark.stop);
                }
            }
            _ => joined.push(mark),
        }
    }
    joined
}

/// A name within a title, which is escaped as a whole.
pub(super) fn in_title(name: &str) -> String {
    if name.trim().is_empty() { plain(name) } else { shortened(name, NAME_CHARS_MAX) }
}
