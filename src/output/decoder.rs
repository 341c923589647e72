//! Scores to bouts.

mod rule;

use super::{Edge, Transition};
use crate::behavior::{Bout, Cell, Ethogram};
use crate::time::{DelayTicks, Tick};

pub use rule::{DecodeRule, RuleError};

/// Turns the scores of one cage into bouts: causal, a value, every decision delay for itself.
///
/// # Which cells are on
/// Cells of one label set whose subjects overlap exclude each other at every tick. Candidates are the cells that were
/// on a tick ago and score at least `off`, and all others that score at least `on`. They are taken in the order of
/// their margin (score − `on`), each unless it overlaps one that was taken. At equal margins the cell that was on a
/// tick ago comes first, then the lower behavior. So a running bout keeps its place until another behavior has a
/// larger margin. Overlapping cells are of different behaviors: slots of individuals decide nothing.
///
/// # What becomes a bout
/// A bout runs from its first to its last tick that is on; holes of at most `gap_ticks_max` ticks belong to it. Its
/// onset is told at the tick at which it has lasted `duration_ticks_min`, and from then on it ends every overlapping
/// bout at that one's last tick that was on, whatever gap it may still be allowed. What has not lasted that long ends
/// nothing. Thus bouts that exclude each other never share a tick.
///
/// Scores are held to [0, 1]; one that is not finite counts as 0.
#[derive(Clone, Debug)]
pub struct Decoder {
    cells: Vec<Cell>,
    /// For each cell those that exclude it.
    rivals: Vec<Vec<usize>>,
    lanes: Vec<Lane>,
    /// Bouts that were told so far: the id of the newest.
    bouts: u64,
    decided: Option<Tick>,
    first: Tick,
    last: Option<Tick>,
    candidates: Vec<Candidate>,
}

/// One decision delay.
#[derive(Clone, Debug)]
struct Lane {
    delay: DelayTicks,
    /// By cell, as `runs` and `on`.
    rules: Vec<DecodeRule>,
    runs: Vec<Option<Run>>,
    on: Vec<bool>,
}

/// A bout that runs, told or not yet long enough.
#[derive(Clone, Copy, Debug)]
struct Run {
    onset: Tick,
    last_on: Tick,
    score_first: f32,
    /// Over the ticks up to `last_on`, and over those since.
    score_sum: f64,
    score_sum_since: f64,
    /// Set with the onset.
    bout: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    index: usize,
    margin: f32,
    was_on: bool,
}

impl Decoder {
    /// A decoder for `delays[d]` with `rules[d][behavior]`, before its first tick.
    ///
    /// # Panics
    /// On rules that are not D × behaviors or that [`DecodeRule::checked`] refuses: a network's loader checks both.
    pub fn new(ethogram: &Ethogram, individuals: usize, delays: &[DelayTicks], rules: &[Vec<DecodeRule>]) -> Self {
        assert_eq!(rules.len(), delays.len(), "delays with rules");
        let cells = ethogram.cells(individuals);
        let label_sets: Vec<usize> = ethogram.behaviors().map(|(_, label_set, _)| label_set).collect();
        let label_set = |cell: &Cell| label_sets[usize::from(cell.behavior.0)];
        let excludes = |a: &Cell, b: &Cell| a != b && label_set(a) == label_set(b) && a.subject.overlaps(b.subject);
        let rivals = cells
            .iter()
            .map(|cell| (0..cells.len()).filter(|&other| excludes(cell, &cells[other])).collect())
            .collect();
        let lane = |(&delay, rules): (&DelayTicks, &Vec<DecodeRule>)| {
            assert_eq!(rules.len(), label_sets.len(), "behaviors with rules at delay {}", delay.0);
            let rule = |cell: &Cell| rules[usize::from(cell.behavior.0)].checked().expect("a checked rule");
            Lane {
                delay,
                rules: cells.iter().map(rule).collect(),
                runs: vec![None; cells.len()],
                on: vec![false; cells.len()],
            }
        };
        let lanes = delays.iter().zip(rules).map(lane).collect();
        let candidates = Vec::with_capacity(cells.len());
        Self { cells, rivals, lanes, bouts: 0, decided: None, first: Tick(0), last: None, candidates }
    }

    /// Takes the scores that the network gave at its newest tick and appends the edges that they settle: delay by
    /// delay, offsets before onsets. The score at delay d speaks about tick `decided` − `delays[d]`; before there are
    /// that many ticks it is ignored. Allocates nothing but what `out` needs.
    ///
    /// # Shapes
    /// `scores`: D × N, cells in the order of [`Ethogram::cells`].
    ///
    /// # Panics
    /// On scores of another shape, and unless `decided` follows the tick before it.
    pub fn push(&mut self, decided: Tick, scores: &[f32], out: &mut Vec<Transition>) {
        assert_eq!(scores.len(), self.lanes.len() * self.cells.len(), "scores, D × N");
        if let Some(before) = self.decided {
            assert_eq!(decided.0, before.0 + 1, "the tick after the one before");
        }
        self.decided = Some(decided);
        let last = self.last.unwrap_or(decided);
        for (lane, scores) in self.lanes.iter_mut().zip(scores.chunks(self.cells.len().max(1))) {
            if let Some(tick) = decided.0.checked_sub(lane.delay.0.into()).map(Tick)
                && (self.first..=last).contains(&tick)
            {
                lane.arbitrate(tick, scores, &self.rivals, &mut self.candidates);
                lane.follow(tick, scores);
                lane.tell(tick, decided, &self.cells, &self.rivals, &mut self.bouts, out);
            }
        }
    }

    /// Says that scores about ticks before `first` are to be ignored: they were decoded before.
    pub fn begin(&mut self, first: Tick) {
        self.first = first;
    }

    /// Says that the stream has ended with tick `last`. Scores of later ticks, which only exist so that the longer
    /// delays can still speak about the last ones, are ignored from here on, until the flush.
    pub fn end(&mut self, last: Tick) {
        self.last = Some(last);
    }

    /// Ends every bout that runs and drops what is still too short for one. `decided` is the newest tick that the
    /// network has seen, `last` the newest that really existed. Bouts end at `last` + 1 at the latest; one that began
    /// later, which [`Decoder::end`] prevents, ends empty. Afterwards any tick may come next; the numbers of bouts go
    /// on.
    pub fn flush(&mut self, decided: Tick, last: Tick, out: &mut Vec<Transition>) {
        for lane in &mut self.lanes {
            for (run, &cell) in lane.runs.iter_mut().zip(&self.cells) {
                let Some(run) = run.take() else { continue };
                let stop = Tick((run.last_on.min(last).0 + 1).max(run.onset.0));
                out.extend(run.offset(stop, lane.delay, cell, decided));
            }
        }
        self.decided = None;
        self.first = Tick(0);
        self.last = None;
    }
}

impl Lane {
    /// Decides which cells are on.
    fn arbitrate(&mut self, tick: Tick, scores: &[f32], rivals: &[Vec<usize>], candidates: &mut Vec<Candidate>) {
        candidates.clear();
        for (index, (&score, rule)) in scores.iter().zip(&self.rules).enumerate() {
            let score = held_to_unit(score);
            let was_on = self.runs[index].is_some_and(|run| run.last_on.0 + 1 == tick.0);
            if score >= if was_on { rule.off } else { rule.on } {
                candidates.push(Candidate { index, margin: score - rule.on, was_on });
            }
        }
        // Cells come behavior by behavior, so the lower index is the lower behavior.
        candidates.sort_unstable_by(|a, b| {
            b.margin.total_cmp(&a.margin).then(b.was_on.cmp(&a.was_on)).then(a.index.cmp(&b.index))
        });
        self.on.fill(false);
        for candidate in candidates {
            self.on[candidate.index] = !rivals[candidate.index].iter().any(|&rival| self.on[rival]);
        }
    }

    /// Carries every run on by a tick and begins new ones.
    fn follow(&mut self, tick: Tick, scores: &[f32]) {
        for ((run, &on), &score) in self.runs.iter_mut().zip(&self.on).zip(scores) {
            let score = held_to_unit(score);
            match run {
                Some(run) => {
                    run.score_sum_since += f64::from(score);
                    if on {
                        run.last_on = tick;
                        run.score_sum += run.score_sum_since;
                        run.score_sum_since = 0.0;
                    }
                }
                None if on => {
                    let (score_sum, score_sum_since) = (score.into(), 0.0);
                    *run = Some(Run {
                        onset: tick,
                        last_on: tick,
                        score_first: score,
                        score_sum,
                        score_sum_since,
                        bout: None,
                    });
                }
                None => {}
            }
        }
    }

    /// Ends the runs whose time is over, then tells the onsets of those that have lasted long enough.
    fn tell(
        &mut self,
        tick: Tick,
        decided: Tick,
        cells: &[Cell],
        rivals: &[Vec<usize>],
        bouts: &mut u64,
        out: &mut Vec<Transition>,
    ) {
        for (index, &cell) in cells.iter().enumerate() {
            let Some(run) = self.runs[index].filter(|_| !self.on[index]) else { continue };
            let gap_is_over = tick.0 - run.last_on.0 > self.rules[index].gap_ticks_max.into();
            if gap_is_over || rivals[index].iter().any(|&rival| self.is_bout(rival)) {
                self.runs[index] = None;
                out.extend(run.offset(Tick(run.last_on.0 + 1), self.delay, cell, decided));
            }
        }
        for (index, &cell) in cells.iter().enumerate() {
            if !self.is_bout(index) {
                continue;
            }
            let Some(run) = self.runs[index].as_mut().filter(|run| run.bout.is_none()) else { continue };
            *bouts += 1;
            run.bout = Some(*bouts);
            out.push(Transition {
                delay: self.delay,
                bout: *bouts,
                cell,
                edge: Edge::Onset,
                onset: run.onset,
                decided,
                decided_capture_nanos: None,
                score: run.score_first,
                revises: None,
                history_ticks: 0,
                identity: 1.0,
            });
        }
    }

    /// Whether a cell is on in a bout that has lasted long enough.
    fn is_bout(&self, index: usize) -> bool {
        let lasted = |run: Run| run.last_on.0 - run.onset.0 + 1 >= self.rules[index].duration_ticks_min.into();
        self.on[index] && self.runs[index].is_some_and(lasted)
    }
}

impl Run {
    /// The end of a bout; `None` where its onset was never told.
    fn offset(self, stop: Tick, delay: DelayTicks, cell: Cell, decided: Tick) -> Option<Transition> {
        let ticks = self.last_on.0 - self.onset.0 + 1;
        let score = (self.score_sum / ticks as f64) as f32;
        let (onset, edge) = (self.onset, Edge::Offset { stop });
        self.bout.map(|bout| Transition {
            delay,
            bout,
            cell,
            edge,
            onset,
            decided,
            decided_capture_nanos: None,
            score,
            revises: None,
            history_ticks: 0,
            identity: 1.0,
        })
    }
}

fn held_to_unit(score: f32) -> f32 {
    if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 }
}

/// The bouts of one delay in ticks, by start and cell. Bouts whose offset is not among the transitions and empty ones
/// are left out.
pub fn bouts<'a>(transitions: impl Iterator<Item = &'a Transition>, delay: DelayTicks) -> Vec<Bout> {
    let ended = |transition: &Transition| match transition.edge {
        Edge::Offset { stop } if transition.delay == delay && stop > transition.onset => {
            Some(Bout { cell: transition.cell, start: transition.onset.0, stop: stop.0 })
        }
        _ => None,
    };
    let mut bouts: Vec<Bout> = transitions.filter_map(ended).collect();
    bouts.sort_unstable_by_key(|bout| (bout.start, bout.cell));
    bouts
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
