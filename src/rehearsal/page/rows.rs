//! A recording's time, wrapped into rows of the same length.

use super::text::clock_secs;
use crate::time::TICK_RATE_HZ;

/// Most rows of a drawing: a recording of two hours in rows of five minutes. Rows of longer ones are longer.
const ROWS_MAX: u64 = 24;
/// A shorter recording is one row.
const WRAPPED_SECS: u64 = 300;
/// Lengths of a row and the marks along it, in seconds.
const STEPS_SECS: [(u64, u64); 12] = [
    (10, 2),
    (30, 5),
    (60, 10),
    (120, 20),
    (WRAPPED_SECS, 60),
    (600, 120),
    (1800, 300),
    (3600, 600),
    (7200, 1200),
    (14_400, 3600),
    (28_800, 3600),
    (86_400, 14_400),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// Of the recording.
    pub ticks: u64,
    /// Of a row.
    pub row_ticks: u64,
    step_ticks: u64,
}

impl Rows {
    /// `None` for a recording without time.
    pub fn of(ticks: u64) -> Option<Self> {
        if ticks == 0 {
            return None;
        }
        let fits = |(row_secs, step_secs): (u64, u64)| {
            let rows = Self { ticks, row_ticks: in_ticks(row_secs), step_ticks: in_ticks(step_secs) };
            let rows_max = if row_secs < WRAPPED_SECS { 1 } else { ROWS_MAX };
            (rows.count() <= rows_max).then_some(rows)
        };
        let row_ticks = ticks.div_ceil(ROWS_MAX);
        Some(STEPS_SECS.into_iter().find_map(fits).unwrap_or(Self {
            ticks,
            row_ticks,
            step_ticks: row_ticks.div_ceil(6),
        }))
    }

    pub fn count(&self) -> u64 {
        self.ticks.div_ceil(self.row_ticks)
    }

    pub fn start(&self, row: u64) -> u64 {
        row * self.row_ticks
    }

    /// End of the recording within a row, or that of the row.
    pub fn stop(&self, row: u64) -> u64 {
        self.start(row).saturating_add(self.row_ticks).min(self.ticks)
    }

    pub fn row_of(&self, tick: u64) -> u64 {
        tick / self.row_ticks
    }

    /// Where a tick of a row stands, in percent of its length.
    pub fn percent(&self, row: u64, tick: u64) -> f64 {
        tick.saturating_sub(self.start(row)) as f64 / self.row_ticks as f64 * 100.0
    }

    /// Marks within a row and at its ends: where, in percent, and what is written there.
    pub fn marks(&self, row: u64) -> Vec<(f64, String)> {
        let (start, stop) = (self.start(row), self.stop(row));
        let at = (0..=self.row_ticks / self.step_ticks).map(|index| start.saturating_add(index * self.step_ticks));
        at.filter(|tick| *tick <= stop).map(|tick| (self.percent(row, tick), clock_secs(tick))).collect()
    }
}

fn in_ticks(secs: u64) -> u64 {
    (secs as f64 * TICK_RATE_HZ) as u64
}
