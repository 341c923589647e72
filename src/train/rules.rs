//! Decoding rules from validation: threshold, hysteresis, minimum duration and gap of every behavior and delay.

use crate::behavior::{Behavior, Cell, Ethogram};
use crate::corpus::session::Session;
use crate::output::decoder::{self, DecodeRule, Decoder};
use crate::score::best_threshold;
use crate::time::{DelayTicks, Tick};

/// Scores of a whole session: T × D × N.
#[derive(Clone, Debug)]
pub struct SessionScores {
    pub scores: Vec<f32>,
    pub delays: usize,
    pub cells: usize,
}

/// Scores of one behavior at one delay beside the truth they are about, over the labelled ticks of several sessions.
#[derive(Clone, Debug, Default)]
pub struct DelayScores {
    pub scores: Vec<f32>,
    pub truth: Vec<bool>,
}

impl DelayScores {
    pub fn gather(
        sessions: &[Session],
        scores: &[SessionScores],
        delays: &[DelayTicks],
        delay: usize,
        behavior: Behavior,
    ) -> Self {
        let mut gathered = Self::default();
        let lag = delays[delay].0 as usize;
        for (session, scored) in sessions.iter().zip(scores) {
            for (cell, _) in session.cells.iter().enumerate().filter(|(_, cell)| cell.behavior == behavior) {
                for tick in lag..session.ticks {
                    let about = (tick - lag) * session.cells.len() + cell;
                    if session.labelled[about] {
                        gathered.scores.push(scored.scores[(tick * scored.delays + delay) * scored.cells + cell]);
                        gathered.truth.push(session.truth[about]);
                    }
                }
            }
        }
        gathered
    }
}

/// What is tried for `on`, as factors on the odds of the threshold that is best by itself; beside them *never*.
const ON_ODDS: [f32; 9] = [0.25, 0.4, 0.6, 0.8, 1.0, 1.25, 1.6, 2.5, 4.0];

/// Ratios of `off` to `on`, minimum durations and gaps that are tried.
const OFF_SHARES: [f32; 4] = [1.0, 0.8, 0.6, 0.4];
const DURATIONS_TICKS_MIN: [u32; 4] = [1, 5, 10, 20];
const GAPS_TICKS_MAX: [u32; 4] = [0, 5, 15, 30];

/// Passes over all parameters of all behaviors.
const ROUNDS: usize = 2;

/// A more complicated rule has to be worth this much of the mean F1.
const GAIN_MIN: f64 = 2e-4;

/// For a behavior whose scores would cost the others of its label set more than it gains.
const NEVER: DecodeRule = DecodeRule::NEVER;

/// A rule for every delay and behavior: those by which the decoder, in which behaviors of a label set exclude each
/// other, reaches the best mean frame F1 of the label set on these sessions. Found by coordinate descent from each
/// behavior's best threshold.
///
/// # Panics
/// Never, unless a thread of the search does.
pub fn fit(
    sessions: &[Session],
    scores: &[SessionScores],
    ethogram: &Ethogram,
    delays: &[DelayTicks],
    bouts_min: usize,
) -> Vec<Vec<DecodeRule>> {
    let of_delay = |delay: usize| -> Vec<DecodeRule> {
        let mut rules = Vec::with_capacity(ethogram.behavior_count());
        for set in 0..ethogram.label_sets().len() {
            let start = starting_rules(sessions, scores, ethogram, delays, (delay, set), bouts_min);
            let stretch: Vec<_> = sessions
                .iter()
                .zip(scores)
                .filter(|(session, _)| session.has_set(ethogram, set))
                .map(|(session, scored)| Stretch::new(session, scored, ethogram, delays, delay, set))
                .collect();
            rules.extend(descend(&stretch, start));
        }
        rules
    };
    std::thread::scope(|scope| {
        let of_delay = &of_delay;
        let handles: Vec<_> = (0..delays.len()).map(|delay| scope.spawn(move || of_delay(delay))).collect();
        handles.into_iter().map(|handle| handle.join().expect("a fit does not panic")).collect()
    })
}

fn starting_rules(
    sessions: &[Session],
    scores: &[SessionScores],
    ethogram: &Ethogram,
    delays: &[DelayTicks],
    (delay, set): (usize, usize),
    bouts_min: usize,
) -> Vec<DecodeRule> {
    let rule = |behavior: Behavior| {
        if sessions.iter().map(|session| session.bouts(behavior)).sum::<usize>() < bouts_min {
            return NEVER;
        }
        let gathered = DelayScores::gather(sessions, scores, delays, delay, behavior);
        match best_threshold(&gathered.scores, &gathered.truth) {
            (_, f1) if f1 <= 0.0 => NEVER,
            (threshold, _) => plain(threshold),
        }
    };
    let behaviors = ethogram.behaviors().filter(|(_, label_set, _)| *label_set == set);
    behaviors.map(|(behavior, ..)| rule(behavior)).collect()
}

fn plain(on: f32) -> DecodeRule {
    let on = on.clamp(1e-3, 1.0);
    DecodeRule { on, off: on, duration_ticks_min: 1, gap_ticks_max: 0 }
}

fn descend(stretches: &[Stretch], mut rules: Vec<DecodeRule>) -> Vec<DecodeRule> {
    let thresholds: Vec<f32> = rules.iter().map(|rule| rule.on).collect();
    let mut best = mean_f1(stretches, &rules);
    for _ in 0..ROUNDS {
        for behavior in 0..rules.len() {
            for candidates in [with_on, with_off, with_duration, with_gap] {
                for candidate in candidates(rules[behavior], thresholds[behavior]) {
                    let before = std::mem::replace(&mut rules[behavior], candidate);
                    let f1 = mean_f1(stretches, &rules);
                    if f1 > best + GAIN_MIN {
                        best = f1;
                    } else {
                        rules[behavior] = before;
                    }
                }
            }
        }
    }
    rules
}

fn with_on(rule: DecodeRule, threshold: f32) -> Vec<DecodeRule> {
    let (share, odds) = (rule.off / rule.on, threshold / (1.0 - threshold).max(1e-6));
    let moved = |factor: &f32| {
        let on = plain(odds * factor / (1.0 + odds * factor)).on;
        DecodeRule { on, off: on * share, ..rule }
    };
    // What has no threshold stays untold.
    if threshold > 1.0 {
        return Vec::new();
    }
    std::iter::once(NEVER).chain(ON_ODDS.iter().map(moved)).collect()
}

fn with_off(rule: DecodeRule, _: f32) -> Vec<DecodeRule> {
    OFF_SHARES.iter().map(|share| DecodeRule { off: rule.on * share, ..rule }).collect()
}

fn with_duration(rule: DecodeRule, _: f32) -> Vec<DecodeRule> {
    DURATIONS_TICKS_MIN.iter().map(|&duration_ticks_min| DecodeRule { duration_ticks_min, ..rule }).collect()
}

fn with_gap(rule: DecodeRule, _: f32) -> Vec<DecodeRule> {
    GAPS_TICKS_MAX.iter().map(|&gap_ticks_max| DecodeRule { gap_ticks_max, ..rule }).collect()
}

/// One session at one delay, as one label set sees it.
struct Stretch {
    ethogram: Ethogram,
    individuals: usize,
    /// Behavior of each cell, counted within the label set.
    behaviors: Vec<usize>,
    ticks: usize,
    /// T × cells, about the tick itself.
    scores: Vec<f32>,
    /// For every cell T + 1 running counts: labelled ticks, and among them those at which it happened.
    labelled: Vec<Vec<u32>>,
    happened: Vec<Vec<u32>>,
}

impl Stretch {
    fn new(
        session: &Session,
        scored: &SessionScores,
        ethogram: &Ethogram,
        delays: &[DelayTicks],
        delay: usize,
        set: usize,
    ) -> Self {
        let sets = ethogram.label_sets();
        let first: usize = sets[..set].iter().map(|set| set.behaviors.len()).sum();
        let ethogram = Ethogram::new(vec![sets[set].clone()]);
        let cells = ethogram.cells(session.individuals);
        // Where the session has them: what nobody looked for has no score, and is never told.
        let own: Vec<Option<usize>> = cells
            .iter()
            .map(|cell| Cell { behavior: Behavior(cell.behavior.0 + first as u16), ..*cell })
            .map(|cell| session.cells.iter().position(|candidate| *candidate == cell))
            .collect();
        let lag = delays[delay].0 as usize;
        let ticks = session.ticks.saturating_sub(lag);
        let mut stretch = Self {
            ethogram,
            individuals: session.individuals,
            behaviors: cells.iter().map(|cell| usize::from(cell.behavior.0)).collect(),
            ticks,
            scores: Vec::with_capacity(ticks * own.len()),
            labelled: vec![vec![0]; own.len()],
            happened: vec![vec![0]; own.len()],
        };
        for tick in 0..ticks {
            for (index, cell) in own.iter().enumerate() {
                let (mut score, mut labelled, mut happened) = (0.0, false, false);
                if let Some(cell) = cell {
                    score = scored.scores[((tick + lag) * scored.delays + delay) * scored.cells + cell];
                    let at = tick * session.cells.len() + cell;
                    (labelled, happened) = (session.labelled[at], session.labelled[at] && session.truth[at]);
                }
                stretch.scores.push(score);
                let counted = |counts: &mut Vec<u32>, more: bool| counts.push(counts[tick] + u32::from(more));
                counted(&mut stretch.labelled[index], labelled);
                counted(&mut stretch.happened[index], happened);
            }
        }
        stretch
    }

    /// Adds what the decoder finds by these rules: hits, predicted and true ticks of every behavior.
    fn count(&self, rules: &[DecodeRule], counts: &mut [[u64; 3]]) {
        let delay = DelayTicks(0);
        let mut decoder = Decoder::new(&self.ethogram, self.individuals, &[delay], &[rules.to_vec()]);
        let mut transitions = Vec::new();
        let cells = self.behaviors.len();
        for (tick, scores) in self.scores.chunks_exact(cells).enumerate() {
            decoder.push(Tick(tick as u64), scores, &mut transitions);
        }
        if let Some(last) = self.ticks.checked_sub(1).map(|last| Tick(last as u64)) {
            decoder.flush(last, last, &mut transitions);
        }
        let all = self.ethogram.cells(self.individuals);
        for bout in decoder::bouts(transitions.iter(), delay) {
            let Some(cell) = all.iter().position(|cell| *cell == bout.cell) else { continue };
            let within = |counts: &[u32]| u64::from(counts[bout.stop as usize] - counts[bout.start as usize]);
            let counts = &mut counts[self.behaviors[cell]];
            counts[0] += within(&self.happened[cell]);
            counts[1] += within(&self.labelled[cell]);
        }
        for (cell, &behavior) in self.behaviors.iter().enumerate() {
            counts[behavior][2] += u64::from(self.happened[cell][self.ticks]);
        }
    }
}

/// Mean over the behaviors of the frame F1 pooled over all stretches.
fn mean_f1(stretches: &[Stretch], rules: &[DecodeRule]) -> f64 {
    let mut counts = vec![[0; 3]; rules.len()];
    for stretch in stretches {
        stretch.count(rules, &mut counts);
    }
    let f1 = |[hits, predicted, truth]: &[u64; 3]| match predicted + truth {
        0 => 0.0,
        sum => 2.0 * *hits as f64 / sum as f64,
    };
    counts.iter().map(f1).sum::<f64>() / rules.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::{BehaviorSpec, Kind, LabelSet};

    /// One self behavior a row: scores and truth of every tick.
    fn stretch(rows: &[Vec<(f32, bool)>]) -> Stretch {
        let spec = |index: usize| BehaviorSpec { name: index.to_string(), kind: Kind::OfSelf };
        let set = LabelSet { name: "set".into(), behaviors: (0..rows.len()).map(spec).collect() };
        let ticks = rows[0].len();
        let counts = |of: &dyn Fn(usize, usize) -> bool| -> Vec<Vec<u32>> {
            let sums = |row: usize| (0..=ticks).map(move |stop| (0..stop).filter(|&tick| of(row, tick)).count() as u32);
            (0..rows.len()).map(|row| sums(row).collect()).collect()
        };
        Stretch {
            ethogram: Ethogram::new(vec![set]),
            individuals: 1,
            behaviors: (0..rows.len()).collect(),
            ticks,
            scores: (0..ticks).flat_map(|tick| rows.iter().map(move |row| row[tick].0)).collect(),
            labelled: counts(&|_, _| true),
            happened: counts(&|row, tick| rows[row][tick].1),
        }
    }

    #[test]
    fn a_gap_is_filled_where_that_agrees_better() {
        let row = (0..200).map(|tick| {
            let inside = (40..120).contains(&tick);
            (if inside && tick % 7 != 0 { 0.9 } else { 0.1 }, inside)
        });
        let stretches = [stretch(&[row.collect()])];
        let rules = descend(&stretches, vec![plain(0.9)]);
        assert!(rules[0].gap_ticks_max > 0, "{rules:?}");
        assert!(mean_f1(&stretches, &rules) > 0.98);
    }

    #[test]
    fn a_behavior_that_only_disturbs_its_rivals_is_never_told() {
        let good = (0..400).map(|tick| (if tick % 40 < 20 { 0.8 } else { 0.1 }, tick % 40 < 20));
        // It happens once, but its scores are high all the time.
        let noisy = (0..400).map(|tick| (0.9, tick == 390));
        let stretches = [stretch(&[good.collect(), noisy.collect()])];
        let rules = descend(&stretches, vec![plain(0.8), plain(0.3)]);
        assert_eq!(rules[1], NEVER);
        assert!(mean_f1(&stretches, &rules) > 0.49);
    }
}
