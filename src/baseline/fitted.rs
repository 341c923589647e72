//! Rules with their thresholds, and the bouts that they tell.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::measure::{Measurer, value_index};
use super::reading::Reading;
use super::rules::{CONDITIONS_MAX, Condition, written};
use super::{BaselineError, Track};
use crate::behavior::{Bout, Cell, Ethogram, Kind, LabelSet};
use crate::output::decoder::{self, DecodeRule, Decoder};
use crate::poses::Keypoint;
use crate::skeleton::Skeleton;
use crate::time::{DelayTicks, TICK_RATE_HZ, Tick};

/// What a rule has to reach before it is told: any that holds.
const ON: f32 = 0.25;

/// The rule of one behavior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedRule {
    /// All of them have to hold. None at all: the word has no rule and is never told.
    pub conditions: Vec<Condition>,
    /// Shorter bouts never appear.
    pub duration_ticks_min: u32,
    /// Holes of at most this many ticks belong to the bout around them.
    pub gap_ticks_max: u32,
    /// Which of behaviors that exclude each other is told: that of the higher one. Within [0, 1].
    pub priority: f32,
    /// With the validation recordings, the behavior by itself; `None` where it was never looked for or never happened
    /// there, and for rules as they were written.
    pub agreement: Option<Agreement>,
}

/// How well a rule agrees with the annotated ticks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    pub f1: f64,
    pub precision: f64,
    pub recall: f64,
    /// Annotated ticks, over all subjects.
    pub happened_ticks: u64,
}

impl FittedRule {
    pub fn written(word: &str) -> Self {
        let conditions = written(word).unwrap_or_default().to_vec();
        Self { conditions, duration_ticks_min: 1, gap_ticks_max: 0, priority: 0.0, agreement: None }
    }

    /// What the decoder makes of the rule's scores.
    pub fn decode_rule(&self) -> DecodeRule {
        let Self { duration_ticks_min, gap_ticks_max, .. } = *self;
        // Above 1 no bout ever begins.
        let on = if self.conditions.is_empty() { 1.5 } else { ON };
        DecodeRule { on, off: on, duration_ticks_min, gap_ticks_max }
    }

    /// The score where all conditions hold: the decoder tells that of the larger margin.
    fn score(&self) -> f32 {
        0.5 + 0.5 * self.priority
    }
}

/// A rule for every behavior of an ethogram.
///
/// As text a sentence for each behavior; serialised it carries its label sets and is checked when read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRules", into = "RawRules")]
pub struct FittedRules {
    ethogram: Ethogram,
    /// By [`crate::behavior::Behavior`].
    rules: Vec<FittedRule>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    label_sets: Vec<LabelSet>,
    rules: Vec<FittedRule>,
}

impl FittedRules {
    /// The rules as they were written, with thresholds that have seen no data.
    pub fn written(ethogram: &Ethogram) -> Self {
        let rules = ethogram.behaviors().map(|(_, _, spec)| FittedRule::written(&spec.name)).collect();
        Self { ethogram: ethogram.clone(), rules }
    }

    /// # Errors
    /// Rules that are not one for each behavior, too many conditions, a threshold that is not finite, durations,
    /// priorities and shares out of bounds.
    pub fn new(ethogram: Ethogram, rules: Vec<FittedRule>) -> Result<Self, BaselineError> {
        if rules.len() != ethogram.behavior_count() {
            return Err(BaselineError::RuleCount { expected: ethogram.behavior_count(), got: rules.len() });
        }
        for ((behavior, ..), rule) in ethogram.behaviors().zip(&rules) {
            if rule.conditions.len() > CONDITIONS_MAX {
                return Err(BaselineError::Conditions {
                    behavior,
                    got: format!("{} conditions", rule.conditions.len()),
                });
            }
            if let Some(condition) = rule.conditions.iter().find(|condition| !condition.threshold.is_finite()) {
                return Err(BaselineError::Conditions { behavior, got: format!("\"{condition}\"") });
            }
            rule.decode_rule().checked().map_err(|source| BaselineError::Decoding { behavior, source })?;
            if !(0.0..=1.0).contains(&rule.priority) {
                return Err(BaselineError::Priority { behavior, got: rule.priority });
            }
            if let Some(got) = rule.agreement
                && ![got.f1, got.precision, got.recall].iter().all(|share| (0.0..=1.0).contains(share))
            {
                return Err(BaselineError::Agreement { behavior, got });
            }
        }
        Ok(Self { ethogram, rules })
    }

    pub fn ethogram(&self) -> &Ethogram {
        &self.ethogram
    }

    /// By behavior.
    pub fn rules(&self) -> &[FittedRule] {
        &self.rules
    }

    /// By behavior.
    pub fn decode_rules(&self) -> Vec<DecodeRule> {
        self.rules.iter().map(FittedRule::decode_rule).collect()
    }

    /// Scores a cage of at most [`crate::skeleton::INDIVIDUALS_MAX`] individuals tick by tick.
    pub fn scorer(&self, skeleton: &Skeleton, individuals: usize) -> RuleScorer<'_> {
        let cells = self.ethogram.cells(individuals);
        let kinds: Vec<Kind> = self.ethogram.behaviors().map(|(_, _, spec)| spec.kind).collect();
        let reading = |cell: &Cell| {
            let behavior = usize::from(cell.behavior.0);
            Reading::new(kinds[behavior], cell.subject, &self.rules[behavior].conditions, individuals)
        };
        RuleScorer {
            readings: cells.iter().map(reading).collect(),
            scores: vec![0.0; cells.len()],
            measurer: Measurer::new(skeleton, individuals),
            rules: self,
            cells,
        }
    }

    /// The bouts of a recording in ticks, by start and cell. At most one behavior of a label set is told of a subject
    /// at a tick: that of the highest priority.
    pub fn bouts(&self, track: &Track<'_>) -> Vec<Bout> {
        self.bouts_where(track, |_| true)
    }

    /// As [`Self::bouts`], where a lab looked for some cells only: the others are not told and exclude nothing.
    pub fn bouts_of(&self, track: &Track<'_>, cells: &[Cell]) -> Vec<Bout> {
        self.bouts_where(track, |cell| cells.contains(cell))
    }

    fn bouts_where(&self, track: &Track<'_>, looked_for: impl Fn(&Cell) -> bool) -> Vec<Bout> {
        let Some(last) = track.ticks().len().checked_sub(1).map(|last| Tick(last as u64)) else { return Vec::new() };
        let delay = DelayTicks(0);
        let mut scorer = self.scorer(track.skeleton(), track.individuals());
        let looked_for: Vec<bool> = scorer.cells.iter().map(looked_for).collect();
        let mut decoder = Decoder::new(&self.ethogram, track.individuals(), &[delay], &[self.decode_rules()]);
        let (mut transitions, mut scores) = (Vec::new(), vec![0.0; looked_for.len()]);
        for (tick, points) in track.ticks().iter().enumerate() {
            let told = scorer.advance(points).iter().zip(&looked_for);
            for (score, (&told, &looked_for)) in scores.iter_mut().zip(told) {
                *score = if looked_for { told } else { 0.0 };
            }
            decoder.push(Tick(tick as u64), &scores, &mut transitions);
        }
        decoder.flush(last, last, &mut transitions);
        decoder::bouts(transitions.iter(), delay)
    }
}

/// The rules at work on one cage: points in, scores out, as a network's verdict of delay 0. To be decoded by
/// [`FittedRules::decode_rules`].
#[derive(Clone, Debug)]
pub struct RuleScorer<'a> {
    rules: &'a FittedRules,
    measurer: Measurer,
    cells: Vec<Cell>,
    /// By cell, as `scores`.
    readings: Vec<Reading>,
    scores: Vec<f32>,
}

impl RuleScorer<'_> {
    /// The N of the scores, in the order of [`Ethogram::cells`].
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    pub fn measurer(&self) -> &Measurer {
        &self.measurer
    }

    /// Takes the next tick. A score is 0 where the rule does not hold, otherwise at least a half, and the higher the
    /// rule's priority the higher. No probability.
    ///
    /// # Shapes
    /// `points`: I × K in body lengths. The scores: N.
    pub fn advance(&mut self, points: &[Keypoint]) -> &[f32] {
        self.measurer.advance(points);
        let (values, individuals) = (self.measurer.values(), self.measurer.individuals());
        for ((score, cell), reading) in self.scores.iter_mut().zip(&self.cells).zip(&self.readings) {
            let rule = &self.rules.rules[usize::from(cell.behavior.0)];
            let holds = |agent, target| {
                rule.conditions.iter().all(|condition| {
                    let value = values[value_index(individuals, condition.quantity, agent, target)];
                    condition.side.passes(value, condition.threshold)
                })
            };
            *score = if !rule.conditions.is_empty() && reading.holds(holds) { rule.score() } else { 0.0 };
        }
        &self.scores
    }
}

impl fmt::Display for FittedRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last_set = None;
        for ((_, label_set, spec), rule) in self.ethogram.behaviors().zip(&self.rules) {
            if last_set.replace(label_set) != Some(label_set) {
                writeln!(f, "{}", self.ethogram.label_sets()[label_set].name)?;
            }
            writeln!(f, "  {}: {}", spec.name, Sentence(spec.kind, rule))?;
        }
        Ok(())
    }
}

struct Sentence<'a>(Kind, &'a FittedRule);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(kind, rule) = self;
        if rule.conditions.is_empty() {
            return f.write_str("no rule, never told.");
        }
        for (index, condition) in rule.conditions.iter().enumerate() {
            let and = if index > 0 { " and " } else { "" };
            let agent = if condition.quantity.is_of_pair() || *kind == Kind::OfSelf { "" } else { "agent " };
            write!(f, "{and}{agent}{condition}")?;
        }
        match kind {
            Kind::Mutual => f.write_str(", in both orders")?,
            Kind::Undirected => f.write_str(", in either order")?,
            Kind::Directed | Kind::OfSelf => {}
        }
        let secs = |ticks: u32| f64::from(ticks) / TICK_RATE_HZ;
        if rule.duration_ticks_min > 1 {
            write!(f, "; for at least {:.2} s", secs(rule.duration_ticks_min))?;
        }
        if rule.gap_ticks_max > 0 {
            write!(f, "; holes up to {:.2} s filled", secs(rule.gap_ticks_max))?;
        }
        match rule.agreement {
            Some(Agreement { f1, precision, recall, .. }) => {
                write!(f, ". Validation F1 {f1:.3}, precision {precision:.3}, recall {recall:.3}.")
            }
            None => f.write_str(". As written, not fitted."),
        }
    }
}

impl TryFrom<RawRules> for FittedRules {
    type Error = BaselineError;

    fn try_from(raw: RawRules) -> Result<Self, BaselineError> {
        Self::new(Ethogram::new(raw.label_sets), raw.rules)
    }
}

impl From<FittedRules> for RawRules {
    fn from(fitted: FittedRules) -> Self {
        Self { label_sets: fitted.ethogram.label_sets().to_vec(), rules: fitted.rules }
    }
}
