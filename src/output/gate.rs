//! When a score becomes a trigger in a closed loop.
//!
//! A trigger is an instant, a bout is an interval: a laser cannot be taken back, so a gate fills no gap and revises
//! nothing. `score::triggers` measures triggers on recordings by this value, so that what fires by it does as it was measured.

use serde::{Deserialize, Serialize};

use crate::time::{TICK_RATE_HZ, WINDOW_TICKS};

/// Longest refractory period: an hour.
pub const REFRACTORY_TICKS_MAX: u32 = 3600 * TICK_RATE_HZ as u32;

/// When one behavior at one decision delay fires. Read ones are checked; [`Gate::new`] refuses any other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRule", into = "RawRule")]
pub struct TriggerRule {
    /// It fires at scores of at least this: at most 1.
    pub on: f32,
    /// It is armed by a score below this: above 0, at most `on`.
    pub off: f32,
    /// It fires when the score has been at least `on` for so many ticks in a row, the tick of firing among them: 1 to
    /// [`WINDOW_TICKS`].
    pub sustain_ticks: u32,
    /// After firing, nothing arms it before so many ticks have passed: up to [`REFRACTORY_TICKS_MAX`].
    pub refractory_ticks: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    on: f32,
    off: f32,
    sustain_ticks: u32,
    refractory_ticks: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TriggerRuleError {
    #[error("expected an on threshold of at most 1, got {0}")]
    On(f32),
    #[error("expected an off threshold above 0 and at most the on threshold {on}, got {off}")]
    Off { on: f32, off: f32 },
    #[error("expected sustain_ticks within 1 to {WINDOW_TICKS}, got {0}")]
    Sustain(u32),
    #[error("expected refractory_ticks of at most {REFRACTORY_TICKS_MAX}, got {0}")]
    Refractory(u32),
}

impl TriggerRule {
    /// # Errors
    /// Anything outside the bounds that the fields state.
    pub fn checked(self) -> Result<Self, TriggerRuleError> {
        let Self { on, off, sustain_ticks, refractory_ticks } = self;
        if on.is_nan() || on > 1.0 {
            return Err(TriggerRuleError::On(on));
        }
        if !(off > 0.0 && off <= on) {
            return Err(TriggerRuleError::Off { on, off });
        }
        if !(1..=WINDOW_TICKS as u32).contains(&sustain_ticks) {
            return Err(TriggerRuleError::Sustain(sustain_ticks));
        }
        if refractory_ticks > REFRACTORY_TICKS_MAX {
            return Err(TriggerRuleError::Refractory(refractory_ticks));
        }
        Ok(self)
    }
}

impl TryFrom<RawRule> for TriggerRule {
    type Error = TriggerRuleError;

    fn try_from(raw: RawRule) -> Result<Self, TriggerRuleError> {
        let RawRule { on, off, sustain_ticks, refractory_ticks } = raw;
        Self { on, off, sustain_ticks, refractory_ticks }.checked()
    }
}

impl From<TriggerRule> for RawRule {
    fn from(rule: TriggerRule) -> Self {
        let TriggerRule { on, off, sustain_ticks, refractory_ticks } = rule;
        Self { on, off, sustain_ticks, refractory_ticks }
    }
}

/// Turns the scores of one cell into triggers: causal, a value. Creating it is resetting it.
///
/// # When it fires
/// A score below `off` arms it, if it never fired or did so at least `refractory_ticks` ago. Armed, it fires at the
/// tick at which the score has been at least `on` for `sustain_ticks` ticks in a row, and is then not armed. Thus it
/// fires at most once for each rise from below `off`: not for a behavior that went on when the gate began, nor for one
/// that began within the refractory period and outlasted it, as a trigger in its midst is no onset.
///
/// An unknown score ends a run of scores at or above `on`, and neither fires nor arms; time goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    rule: TriggerRule,
    armed: bool,
    /// Ticks in a row, while armed, at which the score was at least `on`.
    run_ticks: u32,
    /// Until it is 0, nothing arms it.
    refractory_ticks_left: u32,
}

impl Gate {
    /// A gate before its first tick, not armed.
    ///
    /// # Panics
    /// On a rule that [`TriggerRule::checked`] refuses: whoever reads or makes one checks it.
    pub fn new(rule: TriggerRule) -> Self {
        let rule = rule.checked().expect("a checked rule");
        Self { rule, armed: false, run_ticks: 0, refractory_ticks_left: 0 }
    }

    /// Takes the score of the next tick and says whether it fires there. `None` and what is not finite are unknown.
    pub fn push(&mut self, score: Option<f32>) -> bool {
        self.refractory_ticks_left = self.refractory_ticks_left.saturating_sub(1);
        let Some(score) = score.filter(|score| score.is_finite()) else {
            self.run_ticks = 0;
            return false;
        };
        if score < self.rule.on {
            self.run_ticks = 0;
            self.armed |= score < self.rule.off && self.refractory_ticks_left == 0;
            return false;
        }
        if !self.armed {
            return false;
        }
        self.run_ticks += 1;
        let fires = self.run_ticks >= self.rule.sustain_ticks;
        if fires {
            self.armed = false;
            self.run_ticks = 0;
            self.refractory_ticks_left = self.rule.refractory_ticks;
        }
        fires
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const RULE: TriggerRule = TriggerRule { on: 0.8, off: 0.4, sustain_ticks: 1, refractory_ticks: 0 };

    /// A tick a letter: `#` is at `on`, `=` between the thresholds, `.` below `off`, `?` unknown. Ticks of firing.
    fn fired(rule: TriggerRule, ticks: &str) -> Vec<usize> {
        let score = |letter| match letter {
            '#' => Some(rule.on),
            '=' => Some(rule.off),
            '.' => Some(0.1),
            _ => None,
        };
        let mut gate = Gate::new(rule);
        let fires = ticks.chars().map(|letter| gate.push(score(letter)));
        fires.enumerate().filter(|(_, fires)| *fires).map(|(tick, _)| tick).collect()
    }

    #[test]
    fn it_fires_once_for_each_rise_from_below_off() {
        assert_eq!(fired(RULE, ".###=##..=#.#"), [1, 10, 12]);
    }

    #[test]
    fn what_went_on_when_it_began_does_not_fire_it() {
        assert_eq!(fired(RULE, "##=#.#"), [5]);
        assert_eq!(fired(RULE, "?##=#.#"), [6]);
    }

    #[test]
    fn a_run_that_dips_begins_anew() {
        let rule = TriggerRule { sustain_ticks: 3, ..RULE };
        assert_eq!(fired(rule, ".##=##.##=###.###"), [12, 16]);
        assert_eq!(fired(TriggerRule { sustain_ticks: 4, ..RULE }, ".###.###=###"), Vec::<usize>::new());
    }

    #[test]
    fn the_unknown_breaks_a_run_and_neither_fires_nor_arms() {
        let rule = TriggerRule { sustain_ticks: 2, ..RULE };
        assert_eq!(fired(rule, ".#?#?##?##.?##"), [6, 13]);
        for score in [None, Some(f32::NAN), Some(f32::INFINITY), Some(f32::NEG_INFINITY)] {
            let mut gate = Gate::new(RULE);
            assert!(!gate.push(Some(0.0)) && !gate.push(score) && gate.push(Some(0.9)), "{score:?}");
            assert!(!gate.push(score) && !gate.push(Some(0.9)), "{score:?} arms it");
        }
    }

    #[test]
    fn nothing_arms_it_within_the_refractory_period() {
        let rule = TriggerRule { refractory_ticks: 4, ..RULE };
        // From 1 to 5; what began within is not fired at when the period is over.
        assert_eq!(fired(rule, ".#..###.##"), [1, 8]);
        assert_eq!(fired(rule, ".#...#.#"), [1, 7]);
        assert_eq!(fired(rule, ".#???.#"), [1, 6]);
    }

    /// What the rule says, with the whole series at hand.
    fn offline(rule: TriggerRule, scores: &[Option<f32>]) -> Vec<usize> {
        let mut fired: Vec<usize> = Vec::new();
        for tick in 0..scores.len() {
            let sustain = rule.sustain_ticks as usize;
            let Some(first) = (tick + 1).checked_sub(sustain) else { continue };
            let at_on = |score: &Option<f32>| score.is_some_and(|score| score >= rule.on);
            let ready = fired.last().map_or(0, |last| last + rule.refractory_ticks.max(1) as usize);
            let arms = |score: &Option<f32>| score.is_some_and(|score| score < rule.off);
            let armed = ready <= tick && scores[ready..tick].iter().any(arms);
            if armed && scores[first..=tick].iter().all(at_on) {
                fired.push(tick);
            }
        }
        fired
    }

    #[test]
    fn it_equals_the_rule_over_the_whole_series() {
        let mut random = StdRng::seed_from_u64(7);
        let mut firings = 0;
        for _ in 0..500 {
            let on = random.random_range(0.3..1.0_f32);
            let rule = TriggerRule {
                on,
                off: on * random.random_range(0.3..=1.0),
                sustain_ticks: random.random_range(1..5),
                refractory_ticks: random.random_range(0..12),
            };
            let mut level = 0.5_f32;
            let mut scores = Vec::new();
            for _ in 0..200 {
                level = (level + random.random_range(-0.4..0.4)).clamp(0.0, 1.0);
                scores.push((random.random_range(0..12) > 0).then_some(level));
            }
            let mut gate = Gate::new(rule);
            let fired: Vec<usize> = (0..scores.len()).filter(|tick| gate.push(scores[*tick])).collect();
            assert_eq!(fired, offline(rule, &scores), "{rule:?}");
            let apart = rule.refractory_ticks.max(rule.sustain_ticks + 1) as usize;
            assert!(fired.windows(2).all(|pair| pair[1] - pair[0] >= apart), "{rule:?}");
            firings += fired.len();
        }
        assert!(firings > 2000, "{firings} firings are too few to tell");
    }

    #[test]
    fn a_rule_outside_its_bounds_is_refused_by_name() {
        let read = |on: &str, off: &str, sustain: u32, refractory: u32| {
            toml::from_str::<TriggerRule>(&format!(
                "on = {on}\noff = {off}\nsustain_ticks = {sustain}\nrefractory_ticks = {refractory}"
            ))
        };
        for (on, off, sustain, refractory) in [("0.5", "0.5", 1, 0), ("1.0", "0.1", 512, REFRACTORY_TICKS_MAX)] {
            let rule = read(on, off, sustain, refractory).unwrap();
            assert_eq!(toml::from_str::<TriggerRule>(&toml::to_string(&rule).unwrap()).unwrap(), rule);
        }
        for (on, off, sustain, refractory, name) in [
            ("1.01", "0.5", 1, 0, "on threshold of at most 1, got 1.01"),
            ("nan", "0.5", 1, 0, "on threshold of at most 1, got NaN"),
            ("0.5", "0.6", 1, 0, "on threshold 0.5, got 0.6"),
            ("0.5", "0.0", 1, 0, "off threshold above 0"),
            ("0.5", "nan", 1, 0, "off threshold"),
            ("0.5", "0.3", 0, 0, "sustain_ticks within 1 to 512, got 0"),
            ("0.5", "0.3", 513, 0, "sustain_ticks within 1 to 512, got 513"),
            ("0.5", "0.3", 1, REFRACTORY_TICKS_MAX + 1, "refractory_ticks of at most 108000, got 108001"),
        ] {
            let error = read(on, off, sustain, refractory).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let unknown = "on = 0.5\noff = 0.3\nsustain_ticks = 1\nrefractory_ticks = 0\nhold = 3";
        assert!(toml::from_str::<TriggerRule>(unknown).unwrap_err().to_string().contains("hold"));
    }
}
