//! Whether capture times pass as time does, and the shortest delays of the last seconds.

use super::floor::Step;
use super::verdict::CaptureFault;

/// A block closes after so long, with so many frames.
const BLOCK_NANOS: i64 = 2_000_000_000;
const BLOCK_FRAMES: u32 = 8;

/// Blocks that are kept.
const BLOCKS: usize = 6;

/// Capture time in a block may pass so many times faster or slower than arrivals: a backlog comes and goes.
const BLOCK_RATIO_MAX: f64 = 3.0;

/// So many blocks in a row beyond that are no backlog; so many within it, and capture times are a clock again.
const RATIO_BLOCKS: usize = 3;
const CALM_BLOCKS: u32 = 2;

/// The least slope of the shortest delays that is a pace, not a drift; each block's own lies within a factor of two.
const SLOPE_MIN: f64 = 0.03;

/// Frames in a row, and the time they span, for capture times to stand still, to run backwards or to be missing.
const RUN_FRAMES: u32 = 10;
const RUN_NANOS: i64 = 2_000_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    since: i64,
    frames: u32,
    lowest: i64,
    lowest_at: i64,
    captured: i64,
    arrived: i64,
}

/// Frames in a row with the same fault.
#[derive(Clone, Copy, Debug)]
struct Run {
    fault: CaptureFault,
    since: i64,
    frames: u32,
}

#[derive(Debug, Default)]
pub(super) struct Pace {
    open: Option<Block>,
    /// The newest first.
    closed: [Option<Block>; BLOCKS],
    calm: u32,
    run: Option<Run>,
    fault: Option<CaptureFault>,
}

impl Block {
    fn ratio(&self) -> f64 {
        self.captured as f64 / (self.arrived as f64).max(1.0)
    }

    fn is_paced(&self) -> bool {
        (1.0 / BLOCK_RATIO_MAX..=BLOCK_RATIO_MAX).contains(&self.ratio())
    }
}

impl Pace {
    pub fn fault(&self) -> Option<CaptureFault> {
        self.fault
    }

    /// Delays begin anew: the clock was set.
    pub fn clear(&mut self) {
        (self.open, self.closed, self.calm) = (None, Default::default(), 0);
    }

    /// Takes a frame without a capture time on a stream that names a clock.
    pub fn take_missing(&mut self, at: i64) {
        self.lengthen(Some(CaptureFault::Missing), at);
    }

    /// Takes a step, whatever became of the delay at its end.
    pub fn take_step(&mut self, at: i64, step: &Step) {
        let running = match step.capture_nanos {
            0 => Some(CaptureFault::Stands),
            ..0 => Some(CaptureFault::Backwards),
            _ => None,
        };
        self.lengthen(running, at);
    }

    /// Takes the delay of a frame that is of the clock as it is known, and the step to it. Returns whether a block has
    /// closed.
    pub fn take_delay(&mut self, at: i64, delay: i64, step: &Step) -> bool {
        let fresh = Block { since: at, lowest: delay, lowest_at: at, ..Block::default() };
        let block = self.open.get_or_insert(fresh);
        block.frames = block.frames.saturating_add(1);
        block.captured = block.captured.saturating_add(step.capture_nanos);
        block.arrived = block.arrived.saturating_add(step.arrival_nanos);
        if delay < block.lowest {
            (block.lowest, block.lowest_at) = (delay, at);
        }
        if block.frames < BLOCK_FRAMES || at.saturating_sub(block.since) < BLOCK_NANOS {
            return false;
        }
        let closed = *block;
        self.open = None;
        self.closed.rotate_right(1);
        self.closed[0] = Some(closed);
        self.judge(closed);
        true
    }

    /// The shortest delay of the newest `blocks` blocks, or of all since the beginning where there are fewer and
    /// `or_fewer`; `None` where capture time did not pass as time does.
    pub fn lowest(&self, blocks: usize, or_fewer: bool) -> Option<i64> {
        let newest = || self.closed[..blocks].iter().flatten();
        let enough = newest().count() == blocks || or_fewer;
        (enough && newest().all(Block::is_paced)).then(|| newest().map(|block| block.lowest).min())?
    }

    /// How far the shortest delays of blocks lie above `lowest`, on average, and the time that they span; `None` for
    /// fewer than two.
    pub fn spread(&self, lowest: i64) -> Option<(i64, i64)> {
        let blocks = || self.closed.iter().flatten();
        let count = blocks().count();
        let oldest = blocks().last().filter(|_| count >= 2)?;
        let above = |block: &Block| block.lowest.saturating_sub(lowest).max(0) / count as i64;
        let span = self.closed[0].map_or(0, |newest| newest.since.saturating_sub(oldest.since));
        Some((blocks().map(above).fold(0, i64::saturating_add), span.saturating_add(BLOCK_NANOS)))
    }

    fn judge(&mut self, newest: Block) {
        self.calm = if newest.is_paced() { self.calm.saturating_add(1) } else { 0 };
        if self.run.is_some_and(|run| self.fault == Some(run.fault)) {
            return;
        }
        let unpaced = |block: &Option<Block>| block.is_some_and(|block| block.captured > 0 && !block.is_paced());
        if self.closed[..RATIO_BLOCKS].iter().all(unpaced) {
            self.say(CaptureFault::Pace { ratio: newest.ratio() });
        } else if let Some(ratio) = self.steady_ratio() {
            self.say(CaptureFault::Pace { ratio });
        } else if self.calm >= CALM_BLOCKS {
            self.fault = None;
        }
    }

    /// Sets a fault. A pace that is about the one in force is no news.
    fn say(&mut self, fault: CaptureFault) {
        let known = match (self.fault, fault) {
            (Some(CaptureFault::Pace { ratio: known }), CaptureFault::Pace { ratio }) => {
                (0.5..=2.0).contains(&(known / ratio))
            }
            _ => false,
        };
        if !known {
            self.fault = Some(fault);
        }
    }

    /// The pace of capture time, where the shortest delays of all blocks rise or fall as evenly as a clock makes them.
    fn steady_ratio(&self) -> Option<f64> {
        let mut slopes = [0.0; BLOCKS - 1];
        for (slope, pair) in slopes.iter_mut().zip(self.closed.windows(2)) {
            let (newer, older) = (pair[0]?, pair[1]?);
            let nanos = newer.lowest_at.saturating_sub(older.lowest_at).max(1) as f64;
            *slope = newer.lowest.saturating_sub(older.lowest) as f64 / nanos;
        }
        let mean = slopes.iter().sum::<f64>() / slopes.len() as f64;
        let even = slopes.iter().all(|slope| (0.5..=2.0).contains(&(slope / mean)));
        (mean.abs() >= SLOPE_MIN && even).then_some(1.0 - mean)
    }

    fn lengthen(&mut self, fault: Option<CaptureFault>, at: i64) {
        let Some(fault) = fault else {
            self.run = None;
            return;
        };
        let run = match self.run {
            Some(run) if run.fault == fault => Run { frames: run.frames.saturating_add(1), ..run },
            _ => Run { fault, since: at, frames: 1 },
        };
        self.run = Some(run);
        if run.frames >= RUN_FRAMES && at.saturating_sub(run.since) >= RUN_NANOS {
            (self.fault, self.calm) = (Some(fault), 0);
        }
    }
}
