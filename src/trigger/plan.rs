//! What a closed loop is to do: outputs, limits, phases and rules, as `configs/triggers/*.toml` says it.

#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::allowance::limits::{DoseLimits, Refractory};
use super::zone::Zone;
use crate::baseline::{Quantity, Side};
use crate::guard::spec::{OutputSpec, check_outputs};
use crate::time::{DelayTicks, WINDOW_TICKS};

/// Most rules of a plan, and most behaviors or geometric bounds of a rule.
pub const RULES_MAX: usize = 16;
pub const PARTS_MAX: usize = 8;

/// Longest a stimulus may be put off, in milliseconds.
pub const DELAY_MILLIS_MAX: u64 = 10_000;

/// Most pulses of a train, and how long it may last.
pub const TRAIN_COUNT_MAX: u64 = 100_000;
pub const SPAN_MILLIS_MAX: u64 = 600_000;

/// Stimuli and shams are drawn in blocks of so many, see [`super::allocation`].
pub const BLOCK: u32 = 10;

/// A plan: parsed, and checked as far as it can be without a model. [`super::watch::Watch::new`] holds it against one.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub name: String,
    /// The rig that it is for: its outputs stand there.
    pub rig: String,
    pub outputs: BTreeMap<String, OutputSpec>,
    /// By output: every one has some.
    pub limits: BTreeMap<String, DoseLimits>,
    pub zones: BTreeMap<String, Zone>,
    pub phases: Vec<Phase>,
    pub rules: Vec<Rule>,
    /// Of the file's text: a rehearsal of another text is no permit for this one.
    pub hash: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlan {
    name: String,
    rig: String,
    outputs: BTreeMap<String, OutputSpec>,
    limits: BTreeMap<String, DoseLimits>,
    #[serde(default)]
    zones: BTreeMap<String, Zone>,
    #[serde(default)]
    phases: Vec<Phase>,
    rules: Vec<Rule>,
}

/// A part of the experiment, begun by a marker of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    pub name: String,
    /// After so long it is over; until the next phase where this is left out.
    #[serde(default)]
    pub secs: Option<u64>,
}

/// When to stimulate, and how. All that it names has to hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: String,
    /// Of the rig; any where it is left out.
    #[serde(default)]
    pub cage: Option<String>,
    /// The agent, or the single animal, by name; any where it is left out.
    #[serde(default)]
    pub agent: Option<String>,
    #[serde(default)]
    pub target: Option<String>,
    #[serde(default)]
    pub score: Option<ScoreBound>,
    #[serde(default)]
    pub geometry: Vec<GeometricBound>,
    #[serde(default)]
    pub zones: Vec<ZoneBound>,
    /// Ticks in a row at which everything holds before it triggers.
    #[serde(default = "one_tick")]
    pub sustain_ticks: u32,
    /// Phases in which it may stimulate; in all where none is named.
    #[serde(default)]
    pub phases: Vec<String>,
    pub refractory: Refractory,
    pub output: String,
    pub stimulus: Stimulus,
    /// From the decision to the begin of the stimulus.
    #[serde(default)]
    pub delay_millis: u64,
    /// Share of the triggers at which the output stays off, and nobody is told which: a multiple of a tenth.
    #[serde(default)]
    pub sham_share: f64,
    /// Chance that a trigger is taken at all; the others are refused.
    #[serde(default = "certain")]
    pub probability: f64,
    /// A rehearsal with more false triggers an hour is no permit.
    pub false_per_hour_max: f64,
    /// What its triggers are held against in a rehearsal: the behaviors of its score where this is left out.
    #[serde(default)]
    pub aim: Option<Aim>,
}

/// Behaviors that somebody annotated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aim {
    pub label_set: String,
    pub behaviors: Vec<String>,
}

fn one_tick() -> u32 {
    1
}

fn certain() -> f64 {
    1.0
}

/// A learned score at a decision delay, with a hysteresis of its own: this is no decoded bout, and no gap in it is
/// filled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreBound {
    pub label_set: String,
    /// Any of them, all of one kind.
    pub behaviors: Vec<String>,
    pub delay_ticks: DelayTicks,
    /// It holds from a score of `on` upward.
    pub on: f32,
    /// It has ended at a score below `off`.
    pub off: f32,
}

/// A quantity of [`crate::baseline`] above or below a threshold, at the newest tick.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeometricBound {
    pub quantity: Quantity,
    pub side: Side,
    pub on: f32,
    /// It has ended beyond this, on the other side of `on`.
    pub off: f32,
}

/// Where an animal's centre has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneBound {
    pub zone: String,
    pub animal: Role,
    #[serde(default = "yes")]
    pub inside: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The agent, or the single animal.
    Agent,
    Target,
}

/// What an output does at a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Stimulus {
    Pulse {
        on_millis: u64,
    },
    Train {
        on_millis: u64,
        period_millis: u64,
        count: u64,
    },
    /// On while the rule holds.
    Gate {
        on_millis_max: u64,
    },
}

impl Stimulus {
    /// For how long the output is on at most.
    pub fn on_millis(self) -> u64 {
        match self {
            Self::Pulse { on_millis } | Self::Gate { on_millis_max: on_millis } => on_millis,
            Self::Train { on_millis, count, .. } => on_millis.saturating_mul(count),
        }
    }

    /// From its begin to its end at most.
    pub fn span_millis(self) -> u64 {
        match self {
            Self::Pulse { on_millis } | Self::Gate { on_millis_max: on_millis } => on_millis,
            Self::Train { on_millis, period_millis, count } => {
                period_millis.saturating_mul(count.saturating_sub(1)).saturating_add(on_millis)
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Toml { path: PathBuf, source: toml::de::Error },
    #[error("{place}: expected {expected}, got {got}")]
    Value { place: String, expected: String, got: String },
}

impl PlanError {
    #[allow(clippy::needless_pass_by_value, reason = "numbers and texts of all kinds, which are done with")]
    pub(super) fn value(place: impl Into<String>, expected: impl Into<String>, got: impl ToString) -> Self {
        Self::Value { place: place.into(), expected: expected.into(), got: got.to_string() }
    }
}

impl Plan {
    /// # Errors
    /// An unreadable file, unknown keys, and whatever is out of its bounds, by its place.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| PlanError::Read { path: path.to_owned(), source })?;
        let toml = |source| PlanError::Toml { path: path.to_owned(), source };
        Self::checked(toml::from_str(&text).map_err(toml)?, &text)
    }

    /// # Errors
    /// As [`Plan::read`].
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let toml = |source| PlanError::Toml { path: PathBuf::from("plan"), source };
        Self::checked(toml::from_str(text).map_err(toml)?, text)
    }

    fn checked(raw: RawPlan, text: &str) -> Result<Self, PlanError> {
        let RawPlan { name, rig, outputs, limits, zones, phases, rules } = raw;
        let hash = blake3::hash(text.as_bytes()).to_hex()[..16].to_owned();
        let plan = Self { name, rig, outputs, limits, zones, phases, rules, hash };
        check_name("name", &plan.name)?;
        check_name("rig", &plan.rig)?;
        check_outputs(&plan.outputs)
            .map_err(|error| PlanError::value("outputs", "outputs that a guard can own", error))?;
        for output in plan.outputs.keys() {
            if !plan.limits.contains_key(output) {
                return Err(PlanError::value(format!("limits.{output}"), "limits of every output", "none"));
            }
        }
        if let Some(stray) = plan.limits.keys().find(|output| !plan.outputs.contains_key(*output)) {
            return Err(PlanError::value(format!("limits.{stray}"), "limits of an output that is there", stray));
        }
        plan.check_phases()?;
        if !(1..=RULES_MAX).contains(&plan.rules.len()) {
            return Err(PlanError::value("rules", format!("1 to {RULES_MAX} rules"), plan.rules.len()));
        }
        let mut names = HashSet::new();
        for rule in &plan.rules {
            check_name("rules.name", &rule.name)?;
            if !names.insert(&rule.name) {
                return Err(PlanError::value("rules.name", "every name once", &rule.name));
            }
            plan.check_rule(rule)?;
        }
        Ok(plan)
    }

    fn check_phases(&self) -> Result<(), PlanError> {
        let mut names = HashSet::new();
        for phase in &self.phases {
            check_name("phases.name", &phase.name)?;
            if !names.insert(&phase.name) {
                return Err(PlanError::value("phases.name", "every name once", &phase.name));
            }
            if phase.secs.is_some_and(|secs| !(1..=86_400).contains(&secs)) {
                let got = phase.secs.unwrap_or(0);
                return Err(PlanError::value(format!("phases.{}.secs", phase.name), "1 to 86400", got));
            }
        }
        Ok(())
    }

    fn check_rule(&self, rule: &Rule) -> Result<(), PlanError> {
        let at = |key: &str| format!("rules.{}.{key}", rule.name);
        let Some(output) = self.outputs.get(&rule.output) else {
            let known: Vec<&str> = self.outputs.keys().map(String::as_str).collect();
            return Err(PlanError::value(
                at("output"),
                format!("one of the outputs {}", known.join(", ")),
                &rule.output,
            ));
        };
        rule.check_conditions()?;
        rule.check_stimulus(output.on_time_max_millis.into())?;
        let aims = rule.aim.as_ref().map_or(1, |aim| aim.behaviors.len());
        if !(1..=PARTS_MAX).contains(&aims) {
            return Err(PlanError::value(at("aim.behaviors"), format!("1 to {PARTS_MAX} behaviors"), aims));
        }
        for bound in &rule.zones {
            if !self.zones.contains_key(&bound.zone) {
                return Err(PlanError::value(at("zones"), "a zone that the plan describes", &bound.zone));
            }
        }
        for phase in &rule.phases {
            if !self.phases.iter().any(|known| known.name == *phase) {
                return Err(PlanError::value(at("phases"), "a phase that the plan describes", phase));
            }
        }
        Ok(())
    }
}

impl Rule {
    /// What its triggers are held against; `None` where nobody said.
    pub fn aim(&self) -> Option<Aim> {
        let of_score = |score: &ScoreBound| {
            let ScoreBound { label_set, behaviors, .. } = score.clone();
            Aim { label_set, behaviors }
        };
        self.aim.clone().or_else(|| self.score.as_ref().map(of_score))
    }

    /// Whether it is about an agent and a target rather than one animal, as far as the geometry says.
    pub fn is_about_pair(&self) -> bool {
        self.target.is_some()
            || self.geometry.iter().any(|bound| bound.quantity.is_of_pair())
            || self.zones.iter().any(|bound| bound.animal == Role::Target)
    }

    fn check_conditions(&self) -> Result<(), PlanError> {
        let at = |key: &str| format!("rules.{}.{key}", self.name);
        if self.score.is_none() && self.geometry.is_empty() && self.zones.is_empty() {
            return Err(PlanError::value(format!("rules.{}", self.name), "a score, geometry or zones", "none of them"));
        }
        if self.target.is_some() && self.target == self.agent {
            let got = self.target.as_deref().unwrap_or_default();
            return Err(PlanError::value(at("target"), "another animal than the agent", got));
        }
        if let Some(ScoreBound { behaviors, on, off, .. }) = &self.score {
            if !(1..=PARTS_MAX).contains(&behaviors.len()) {
                let expected = format!("1 to {PARTS_MAX} behaviors");
                return Err(PlanError::value(at("score.behaviors"), expected, behaviors.len()));
            }
            if !(*on > 0.0 && *on <= 1.0) {
                return Err(PlanError::value(at("score.on"), "a score above 0 and at most 1", on));
            }
            if !(*off > 0.0 && off <= on) {
                return Err(PlanError::value(at("score.off"), format!("above 0 and at most on, {on}"), off));
            }
        }
        if self.geometry.len() > PARTS_MAX || self.zones.len() > PARTS_MAX {
            let got = self.geometry.len().max(self.zones.len());
            return Err(PlanError::value(at("geometry"), format!("at most {PARTS_MAX} bounds"), got));
        }
        for GeometricBound { quantity, side, on, off } in &self.geometry {
            let ordered = match side {
                Side::Above => off <= on,
                Side::Below => off >= on,
            };
            if !(on.is_finite() && off.is_finite() && ordered) {
                let expected = format!("finite thresholds, off on the other side of on ({on})");
                return Err(PlanError::value(at(&format!("geometry ({quantity})")), expected, off));
            }
        }
        if !(1..=WINDOW_TICKS as u32).contains(&self.sustain_ticks) {
            return Err(PlanError::value(at("sustain_ticks"), format!("1 to {WINDOW_TICKS}"), self.sustain_ticks));
        }
        Ok(())
    }

    fn check_stimulus(&self, on_time_max_millis: u64) -> Result<(), PlanError> {
        let at = |key: &str| format!("rules.{}.{key}", self.name);
        if let Stimulus::Train { on_millis, period_millis, count } = self.stimulus {
            if !(1..=TRAIN_COUNT_MAX).contains(&count) {
                return Err(PlanError::value(at("stimulus.count"), format!("1 to {TRAIN_COUNT_MAX}"), count));
            }
            if on_millis >= period_millis {
                let expected = format!("more than on_millis, {on_millis}");
                return Err(PlanError::value(at("stimulus.period_millis"), expected, period_millis));
            }
            if self.stimulus.span_millis() > SPAN_MILLIS_MAX {
                let expected = format!("a train of at most {SPAN_MILLIS_MAX} ms");
                return Err(PlanError::value(at("stimulus"), expected, self.stimulus.span_millis()));
            }
        }
        let on_millis = self.stimulus.on_millis();
        if !(1..=on_time_max_millis).contains(&on_millis) {
            let expected = format!("1 to {on_time_max_millis} ms on, the most of output {}", self.output);
            return Err(PlanError::value(at("stimulus"), expected, on_millis));
        }
        if self.delay_millis > DELAY_MILLIS_MAX {
            return Err(PlanError::value(at("delay_millis"), format!("at most {DELAY_MILLIS_MAX}"), self.delay_millis));
        }
        let tenths = self.sham_share * f64::from(BLOCK);
        if !((0.0..=1.0).contains(&self.sham_share) && (tenths - tenths.round()).abs() < 1e-9) {
            return Err(PlanError::value(at("sham_share"), "a multiple of a tenth within 0 to 1", self.sham_share));
        }
        if !(self.probability > 0.0 && self.probability <= 1.0) {
            return Err(PlanError::value(at("probability"), "above 0 and at most 1", self.probability));
        }
        if !(self.false_per_hour_max >= 0.0 && self.false_per_hour_max.is_finite()) {
            return Err(PlanError::value(at("false_per_hour_max"), "at least 0", self.false_per_hour_max));
        }
        Ok(())
    }
}

fn check_name(place: &str, name: &str) -> Result<(), PlanError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let got: String = name.chars().take(64).collect();
    Err(PlanError::value(place, "a name of 1 to 64 letters, digits, '_', '-' or '.'", format!("{got:?}")))
}
