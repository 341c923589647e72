//! What a rehearsal found of a plan on a rig's own recordings: the permit that arming asks for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::Plan;

pub const PERMIT_VERSION: u32 = 1;

/// Least time that a rehearsal takes whatever is tolerated, and the most that is asked for.
const HOURS_MIN: f64 = 0.1;
const HOURS_MIN_MOST: f64 = 2.0;

/// Largest file of a permit.
const PERMIT_BYTES_MAX: u64 = 1 << 20;

/// Written by a rehearsal, whether the rules passed or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    pub version: u32,
    pub rig: String,
    pub plan: String,
    /// Of the plan's text.
    pub plan_hash: String,
    pub model: String,
    pub recordings: Vec<String>,
    pub rules: Vec<Rehearsed>,
    pub unix_nanos: i64,
}

/// How a rule did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rehearsed {
    pub name: String,
    pub labelled_hours: f64,
    pub triggers: u64,
    /// Annotated bouts that were triggered at, of so many.
    pub hits: u64,
    pub bouts: u64,
    pub false_per_hour: f64,
    /// As the plan says it.
    pub false_per_hour_max: f64,
}

impl Rehearsed {
    /// Whether it triggered for nothing no oftener than its plan tolerates, in enough time that somebody labelled.
    pub fn passed(&self) -> bool {
        self.labelled_hours >= self.hours_min() && (0.0..=self.false_per_hour_max).contains(&self.false_per_hour)
    }

    /// Less time shows nothing: so long that one false trigger in it is as many as the plan tolerates.
    pub fn hours_min(&self) -> f64 {
        (1.0 / self.false_per_hour_max).clamp(HOURS_MIN, HOURS_MIN_MOST)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PermitError {
    #[error("permit {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("permit {path}: expected at most {PERMIT_BYTES_MAX} bytes, got {got}")]
    TooLarge { path: PathBuf, got: u64 },
    #[error("permit {path}: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("the permit is of another {what}: expected {expected}, got {got}; rehearse again")]
    Other { what: &'static str, expected: String, got: String },
    #[error("rule {rule}: the rehearsal found {got:.1} false triggers an hour, expected at most {expected}")]
    FalseTriggers { rule: String, expected: f64, got: f64 },
    #[error(
        "rule {rule}: expected a rehearsal of {expected:.2} labelled hours in which it could trigger, got {got:.2}"
    )]
    Unlabelled { rule: String, expected: f64, got: f64 },
    #[error("rule {0}: expected in the rehearsal, not found there; rehearse again")]
    Rule(String),
}

impl Permit {
    /// # Errors
    /// What cannot be read as a permit.
    pub fn read(path: &Path) -> Result<Self, PermitError> {
        let failed = |source| PermitError::Read { path: path.to_owned(), source };
        let got = std::fs::metadata(path).map_err(failed)?.len();
        if got > PERMIT_BYTES_MAX {
            return Err(PermitError::TooLarge { path: path.to_owned(), got });
        }
        let text = std::fs::read(path).map_err(failed)?;
        serde_json::from_slice(&text).map_err(|source| PermitError::Json { path: path.to_owned(), source })
    }

    /// Whether a plan may be armed with a model.
    ///
    /// # Errors
    /// A rehearsal of something else, and rules that did not pass.
    pub fn check(&self, plan: &Plan, model: &str) -> Result<(), PermitError> {
        let version = (PERMIT_VERSION.to_string(), self.version.to_string());
        for (what, expected, got) in [
            ("version", version.0.as_str(), version.1.as_str()),
            ("rig", plan.rig.as_str(), self.rig.as_str()),
            ("plan", plan.hash.as_str(), self.plan_hash.as_str()),
            ("model", model, self.model.as_str()),
        ] {
            if expected != got {
                return Err(PermitError::Other { what, expected: expected.to_owned(), got: got.to_owned() });
            }
        }
        for rule in &plan.rules {
            let found = self.rules.iter().find(|rehearsed| rehearsed.name == rule.name);
            let Some(found) = found else { return Err(PermitError::Rule(rule.name.clone())) };
            // By the plan and not by what the permit says of it.
            let rehearsed = Rehearsed { false_per_hour_max: rule.false_per_hour_max, ..found.clone() };
            let (expected, got) = (rehearsed.hours_min(), found.labelled_hours);
            if got.is_nan() || got < expected {
                return Err(PermitError::Unlabelled { rule: rule.name.clone(), expected, got });
            }
            if !rehearsed.passed() {
                let (rule, expected) = (rule.name.clone(), rule.false_per_hour_max);
                return Err(PermitError::FalseTriggers { rule, expected, got: found.false_per_hour });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::plan::tests::PLAN;

    fn permit(plan: &Plan) -> Permit {
        let rule = Rehearsed {
            name: "aggression".into(),
            labelled_hours: 1.0,
            triggers: 5,
            hits: 4,
            bouts: 9,
            false_per_hour: 6.0,
            false_per_hour_max: 6.0,
        };
        Permit {
            version: PERMIT_VERSION,
            rig: "rig1".into(),
            plan: "attack".into(),
            plan_hash: plan.hash.clone(),
            model: "hash".into(),
            recordings: Vec::new(),
            rules: vec![rule],
            unix_nanos: 0,
        }
    }

    #[test]
    fn a_permit_is_one_for_its_plan_model_and_rig_and_for_rules_that_passed() {
        let plan = Plan::parse(PLAN).unwrap();
        assert!(permit(&plan).check(&plan, "hash").is_ok());
        let refused = |change: &dyn Fn(&mut Permit)| {
            let mut permit = permit(&plan);
            change(&mut permit);
            permit.check(&plan, "hash").unwrap_err().to_string()
        };
        let of_rule = |change: fn(&mut Rehearsed)| refused(&|permit| change(&mut permit.rules[0]));
        for (said, why) in [
            (refused(&|permit| permit.version = 2), "another version: expected 1, got 2"),
            (refused(&|permit| permit.rig = "rig2".into()), "another rig"),
            (refused(&|permit| permit.plan_hash = "x".into()), "another plan"),
            (refused(&|permit| permit.model = "x".into()), "another model"),
            (refused(&|permit| permit.rules.clear()), "rule aggression: expected in the rehearsal"),
            (of_rule(|rule| rule.false_per_hour = 6.1), "found 6.1 false triggers an hour, expected at most 6"),
            // What the permit says of the tolerated rate is not looked at.
            (of_rule(|rule| (rule.false_per_hour, rule.false_per_hour_max) = (9.0, 10.0)), "found 9.0"),
            (of_rule(|rule| rule.false_per_hour = f64::NAN), "found NaN"),
            (of_rule(|rule| rule.false_per_hour = -1.0), "found -1.0"),
            (
                of_rule(|rule| rule.labelled_hours = 0.1),
                "a rehearsal of 0.17 labelled hours in which it could trigger, got 0.10",
            ),
            (of_rule(|rule| rule.labelled_hours = f64::NAN), "got NaN"),
        ] {
            assert!(said.contains(why), "{why:?} is not in {said}");
        }
    }
}
