//! The doubts of one session, gathered while it is scored.

use std::collections::BTreeMap;
use std::ops::Range;

use super::doubt::{centred, doubt, from_byte, spoken, threshold_of, to_byte};
use super::{Plan, ReviewError};
use crate::behavior::{Behavior, Cell};
use crate::output::decoder::DecodeRule;
use crate::time::{DelayTicks, Tick};

/// The most that the slices of one session take, in bytes: 120 hours with 100 cells and the default stretch. Ticks
/// beyond are counted, not watched.
pub const WATCHED_BYTES_MAX: usize = 256 << 20;

/// Stretches begin at any slice; a stretch has about this many.
const SLICES_PER_STRETCH: u64 = 5;

/// Stretches of less doubt are not worth anybody's time.
const DOUBT_MIN: f32 = 0.01;

/// Whose scores come.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// N, in the order of the scores.
    pub cells: &'a [Cell],
    /// D, in the order of the scores.
    pub delays: &'a [DelayTicks],
    /// By delay and behavior.
    pub rules: &'a [Vec<DecodeRule>],
    /// The delay whose bouts a person will see.
    pub delay: DelayTicks,
}

/// Ticks of one cell, in few bytes.
#[derive(Clone, Copy, Debug)]
struct Slice {
    /// Mean over the ticks of a slice, in 65535ths.
    doubt: u16,
    /// Ticks at which somebody was there.
    visible: u8,
    /// Scores of the chosen delay over those, as bytes.
    low: u8,
    high: u8,
}

/// The slice that is being filled.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    doubt_sum: f32,
    visible: u8,
    low: f32,
    high: f32,
}

/// Takes in the scores of one session, tick by tick. Memory is bounded by [`WATCHED_BYTES_MAX`]: a day of 100 cells
/// with the default stretch takes 52 MB.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The cells that were asked about, and their places among all.
    cells: Vec<Cell>,
    columns: Vec<usize>,
    column_count: usize,
    delays_ticks: Vec<u64>,
    chosen: usize,
    /// D × asked cells.
    thresholds: Vec<f32>,
    /// Of the chosen delay by asked cell; `None` where its rule never fires.
    firing: Vec<Option<f32>>,
    slice_ticks: u64,
    stretch_slices: usize,
    slices_max: usize,
    /// Of the last ticks, as many as the longest delay needs: each D × asked cells.
    ring: Vec<f32>,
    /// Ticks that came without a hole.
    run: Range<u64>,
    /// The first tick of all.
    origin: Option<u64>,
    /// One past the last tick that is in a slice.
    next: u64,
    /// Slices × asked cells.
    slices: Vec<Slice>,
    open: Vec<Open>,
    tallies: BTreeMap<Behavior, Tally>,
    unwatched_ticks: u64,
}

/// How often a behavior was predicted, over all its cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub visible_ticks: u64,
    /// Of the visible ones, those with a score at the threshold or above.
    pub on_ticks: u64,
}

/// A stretch that might be looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub ticks: Range<u64>,
    /// The cell that is most doubtful.
    pub cell: Cell,
    /// Mean over the stretch, within [0, 1].
    pub doubt: f32,
    /// Lowest and highest score at the chosen delay.
    pub scores: (f32, f32),
    /// The score at which a bout would begin; `None` where the rule never fires.
    pub threshold: Option<f32>,
}

/// What is left of a session once it is watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doubts {
    /// Behavior by behavior, the most doubtful first; those of one behavior do not overlap.
    pub proposals: Vec<Proposal>,
    pub tallies: BTreeMap<Behavior, Tally>,
    /// Ticks that were not watched: beyond the memory, or not after those before.
    pub unwatched_ticks: u64,
}

impl Watched {
    /// Before the first tick. `asked` says which behaviors the review is about.
    ///
    /// # Errors
    /// A plan out of its bounds, rules of another shape, and a delay that the scores do not have.
    pub fn new(plan: &Plan, heads: Heads, asked: impl Fn(Behavior) -> bool) -> Result<Self, ReviewError> {
        let plan = plan.checked()?;
        let shape = |what, expected, got| {
            if expected == got { Ok(()) } else { Err(ReviewError::Shape { what, expected, got }) }
        };
        shape("delays with rules", heads.delays.len(), heads.rules.len())?;
        let behaviors = heads.cells.iter().map(|cell| usize::from(cell.behavior.0) + 1).max().unwrap_or(0);
        for rules in heads.rules {
            shape("behaviors with rules", behaviors.max(rules.len()), rules.len())?;
        }
        let Some(chosen) = heads.delays.iter().position(|delay| *delay == heads.delay) else {
            let known: Vec<u32> = heads.delays.iter().map(|delay| delay.0).collect();
            let (expected, got) = (format!("one of {known:?} ticks"), heads.delay.0.to_string());
            return Err(ReviewError::Plan { key: "delay", expected, got });
        };
        let columns: Vec<usize> =
            (0..heads.cells.len()).filter(|&column| asked(heads.cells[column].behavior)).collect();
        let cells: Vec<Cell> = columns.iter().map(|&column| heads.cells[column]).collect();
        let on = |rules: &Vec<DecodeRule>, cell: &Cell| rules[usize::from(cell.behavior.0)].on;
        let thresholds = heads.rules.iter().flat_map(|rules| cells.iter().map(|cell| threshold_of(on(rules, cell))));
        let firing = cells.iter().map(|cell| Some(on(&heads.rules[chosen], cell)).filter(|on| *on < 1.0)).collect();
        let stretch_ticks = plan.stretch_ticks();
        let slice_ticks = (stretch_ticks / SLICES_PER_STRETCH).clamp(1, u64::from(u8::MAX));
        let longest = heads.delays.iter().map(|delay| delay.0 as usize).max().unwrap_or(0);
        let thresholds: Vec<f32> = thresholds.collect();
        Ok(Self {
            column_count: heads.cells.len(),
            delays_ticks: heads.delays.iter().map(|delay| u64::from(delay.0)).collect(),
            chosen,
            firing,
            slice_ticks,
            stretch_slices: stretch_ticks.div_ceil(slice_ticks) as usize,
            slices_max: WATCHED_BYTES_MAX / size_of::<Slice>() / cells.len().max(1),
            ring: vec![f32::NAN; (longest + 1) * thresholds.len()],
            thresholds,
            run: 0..0,
            origin: None,
            next: 0,
            slices: Vec::new(),
            open: vec![Open::default(); cells.len()],
            tallies: cells.iter().map(|cell| (cell.behavior, Tally::default())).collect(),
            unwatched_ticks: 0,
            cells,
            columns,
        })
    }

    /// Takes the scores that the network gave at its newest tick, as [`crate::core::Cage::push_watched`] hands them
    /// out. A hole in the ticks starts the delays anew.
    ///
    /// # Shapes
    /// `scores`: D × N. The score of delay d is about the tick d before. What is not finite, or 0, says nothing.
    ///
    /// # Panics
    /// On scores of another shape.
    pub fn push(&mut self, tick: Tick, scores: &[f32]) {
        assert_eq!(scores.len(), self.delays_ticks.len() * self.column_count, "D × N scores");
        let tick = tick.0;
        if tick < self.run.end || tick == u64::MAX {
            self.unwatched_ticks += 1;
            return;
        }
        if tick > self.run.end || self.run.is_empty() {
            self.run.start = tick;
        }
        self.run.end = tick + 1;
        let width = self.thresholds.len();
        if width == 0 {
            return;
        }
        let kept = (self.ring.len() / width) as u64;
        let place = (tick % kept) as usize * width;
        let asked =
            scores.chunks_exact(self.column_count).flat_map(|row| self.columns.iter().map(|&column| row[column]));
        for (slot, score) in self.ring[place..].iter_mut().zip(asked) {
            *slot = score;
        }
        if tick - self.run.start + 1 >= kept {
            self.take(tick + 1 - kept);
        }
    }

    /// Takes in what all delays say about a tick.
    fn take(&mut self, about: u64) {
        let origin = *self.origin.get_or_insert(about);
        self.next = self.next.max(origin);
        let slice = |tick: u64| (tick - origin) / self.slice_ticks;
        if slice(about) >= self.slices_max as u64 {
            self.unwatched_ticks += 1;
            return;
        }
        for _ in slice(self.next)..slice(about) {
            self.close();
        }
        self.next = about;
        let (count, width) = (self.cells.len(), self.thresholds.len());
        let kept = (self.ring.len() / width) as u64;
        for cell in 0..count {
            let at = |delay: usize| {
                let place = ((about + self.delays_ticks[delay]) % kept) as usize * width;
                spoken(self.ring[place + delay * count + cell])
            };
            let Some(score) = at(self.chosen) else { continue };
            let centre = |delay: usize| at(delay).map(|score| centred(score, self.thresholds[delay * count + cell]));
            let heard = (0..self.delays_ticks.len()).filter_map(centre);
            let (sum, heads) = heard.fold((0.0, 0.0), |(sum, heads), centred| (sum + centred, heads + 1.0));
            self.open[cell].take(score, doubt(sum / heads));
            if let Some(tally) = self.tallies.get_mut(&self.cells[cell].behavior) {
                tally.visible_ticks += 1;
                tally.on_ticks += u64::from(self.firing[cell].is_some_and(|on| score >= on));
            }
        }
        self.next = about + 1;
        if (self.next - origin).is_multiple_of(self.slice_ticks) {
            self.close();
        }
    }

    /// Closes the slice that is being filled.
    fn close(&mut self) {
        let slice_ticks = self.slice_ticks as f32;
        self.slices.extend(self.open.iter_mut().map(|open| std::mem::take(open).packed(slice_ticks)));
    }

    /// The end of the session: its most doubtful stretches, for each behavior at most twice as many as the plan picks
    /// in all.
    pub fn finish(mut self, plan: &Plan) -> Doubts {
        if self.open.iter().any(|open| open.visible > 0) {
            self.close();
        }
        let mut proposals = Vec::new();
        for behavior in self.tallies.keys() {
            let cells: Vec<usize> =
                (0..self.cells.len()).filter(|&cell| self.cells[cell].behavior == *behavior).collect();
            proposals.extend(self.propose(&cells, 2 * plan.count));
        }
        Doubts { proposals, tallies: self.tallies, unwatched_ticks: self.unwatched_ticks }
    }

    /// The most doubtful stretches of the cells of one behavior.
    fn propose(&self, cells: &[usize], most: usize) -> Vec<Proposal> {
        let slices = self.slices.len() / self.cells.len().max(1);
        let length = self.stretch_slices.min(slices);
        if length == 0 {
            return Vec::new();
        }
        // The largest doubt over the cells, in 65535ths of a slice, by the first slice of a stretch.
        let mut largest = vec![(0_u64, 0_usize); slices - length + 1];
        for &cell in cells {
            let of = |slice: usize| u64::from(self.slices[slice * self.cells.len() + cell].doubt);
            let mut sum: u64 = (0..length).map(of).sum();
            for (first, largest) in largest.iter_mut().enumerate() {
                if first > 0 {
                    sum = sum + of(first + length - 1) - of(first - 1);
                }
                if sum > largest.0 {
                    *largest = (sum, cell);
                }
            }
        }
        let whole = self.stretch_slices as f32 * f32::from(u16::MAX);
        let mut order: Vec<usize> =
            (0..largest.len()).filter(|&first| largest[first].0 as f32 / whole >= DOUBT_MIN).collect();
        order.sort_by_key(|&first| (std::cmp::Reverse(largest[first].0), first));
        let mut taken = vec![false; slices];
        let mut proposals = Vec::new();
        for first in order {
            if proposals.len() == most {
                break;
            }
            // Stretches are of one length: what overlaps holds the first or the last slice.
            if taken[first] || taken[first + length - 1] {
                continue;
            }
            taken[first..first + length].fill(true);
            let (sum, cell) = largest[first];
            proposals.push(self.proposal(first..first + length, cell, sum as f32 / whole));
        }
        proposals
    }

    fn proposal(&self, slices: Range<usize>, cell: usize, doubt: f32) -> Proposal {
        let origin = self.origin.unwrap_or(0);
        let tick = |slice: usize| (origin + slice as u64 * self.slice_ticks).min(self.next);
        let ticks = tick(slices.start)..tick(slices.end);
        let visible =
            slices.map(|slice| self.slices[slice * self.cells.len() + cell]).filter(|slice| slice.visible > 0);
        let (low, high) = visible.fold((u8::MAX, 0), |(low, high), slice| (slice.low.min(low), slice.high.max(high)));
        let scores = (from_byte(low), from_byte(high));
        Proposal { ticks, cell: self.cells[cell], doubt, scores, threshold: self.firing[cell] }
    }

    /// What the slices take, in bytes.
    #[cfg(test)]
    pub(super) fn slice_bytes(&self) -> usize {
        self.slices.len() * size_of::<Slice>()
    }
}

impl Open {
    fn take(&mut self, score: f32, doubt: f32) {
        let first = self.visible == 0;
        self.low = if first { score } else { self.low.min(score) };
        self.high = if first { score } else { self.high.max(score) };
        self.doubt_sum += doubt;
        self.visible += 1;
    }

    fn packed(self, slice_ticks: f32) -> Slice {
        Slice {
            doubt: (self.doubt_sum / slice_ticks * f32::from(u16::MAX)).round() as u16,
            visible: self.visible,
            low: to_byte(self.low),
            high: to_byte(self.high),
        }
    }
}
