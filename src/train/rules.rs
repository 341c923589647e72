//! Decoding rules from validation: threshold, hysteresis, minimum duration and gap of every behavior and delay.

use super::sessions::Session;
use crate::behavior::{Behavior, Ethogram};
use crate::output::decoder::DecodeRule;
use crate::score::best_threshold;
use crate::time::DelayTicks;

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

/// Ratios of `off` to `on`, minimum durations and gaps that are tried.
const OFF_SHARES: [f32; 3] = [1.0, 0.8, 0.6];
const DURATIONS_TICKS_MIN: [u32; 4] = [1, 5, 10, 20];
const GAPS_TICKS_MAX: [u32; 4] = [0, 5, 15, 30];

/// Thresholds around the one that is best without any smoothing, as factors on the odds.
const THRESHOLD_ODDS: [f32; 5] = [0.6, 0.8, 1.0, 1.25, 1.6];

/// A rule for every delay and behavior, each the best in frame F1 on these sessions.
pub fn fit(
    sessions: &[Session],
    scores: &[SessionScores],
    ethogram: &Ethogram,
    delays: &[DelayTicks],
) -> Vec<Vec<DecodeRule>> {
    let fit_one = |delay, behavior| {
        let gathered = DelayScores::gather(sessions, scores, delays, delay, Behavior(behavior as u16));
        fit_rule(&gathered)
    };
    (0..delays.len()).map(|d| (0..ethogram.behavior_count()).map(|behavior| fit_one(d, behavior)).collect()).collect()
}

fn fit_rule(gathered: &DelayScores) -> DecodeRule {
    let (threshold, f1) = best_threshold(&gathered.scores, &gathered.truth);
    let plain = |on: f32| DecodeRule { on, off: on, duration_ticks_min: 1, gap_ticks_max: 0 };
    if f1 <= 0.0 {
        // Nothing of this behavior was recognised: half is as good as any other.
        return plain(0.5);
    }
    let odds = threshold / (1.0 - threshold).max(1e-6);
    let mut best = (f1, plain(threshold.clamp(1e-3, 1.0)));
    for factor in THRESHOLD_ODDS {
        let on = (odds * factor / (1.0 + odds * factor)).clamp(1e-3, 1.0);
        for off_share in OFF_SHARES {
            for duration_ticks_min in DURATIONS_TICKS_MIN {
                for gap_ticks_max in GAPS_TICKS_MAX {
                    let rule = DecodeRule { on, off: on * off_share, duration_ticks_min, gap_ticks_max };
                    let f1 = smoothed_f1(gathered, &rule);
                    // A more complicated rule has to be worth it.
                    if f1 > best.0 + 1e-3 {
                        best = (f1, rule);
                    }
                }
            }
        }
    }
    best.1
}

/// Frame F1 of one rule by itself. (The decoder also lets behaviors of one pair exclude each other; rules are fitted
/// without that.)
fn smoothed_f1(gathered: &DelayScores, rule: &DecodeRule) -> f64 {
    let (mut hits, mut predicted) = (0_u64, 0_u64);
    let mut close = |first: usize, stop: usize| {
        if stop - first >= rule.duration_ticks_min as usize {
            predicted += (stop - first) as u64;
            hits += gathered.truth[first..stop].iter().filter(|&&truth| truth).count() as u64;
        }
    };
    let mut open: Option<(usize, usize)> = None;
    for (tick, &score) in gathered.scores.iter().enumerate() {
        open = match open {
            Some((first, _)) if score >= rule.off => Some((first, tick + 1)),
            Some((first, stop)) if tick - stop < rule.gap_ticks_max as usize => Some((first, stop)),
            Some((first, stop)) => {
                close(first, stop);
                (score >= rule.on).then_some((tick, tick + 1))
            }
            None => (score >= rule.on).then_some((tick, tick + 1)),
        };
    }
    if let Some((first, stop)) = open {
        close(first, stop);
    }
    let positives = gathered.truth.iter().filter(|&&truth| truth).count() as u64;
    if predicted + positives == 0 { 0.0 } else { 2.0 * hits as f64 / (predicted + positives) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_filled_where_that_agrees_better() {
        let mut gathered = DelayScores::default();
        for tick in 0..200 {
            let inside = (40..120).contains(&tick);
            gathered.truth.push(inside);
            gathered.scores.push(if inside && tick % 7 != 0 { 0.9 } else { 0.1 });
        }
        let rule = fit_rule(&gathered);
        assert!(rule.gap_ticks_max > 0 || rule.off < rule.on, "{rule:?}");
        assert!(smoothed_f1(&gathered, &rule) > 0.98);
    }
}
