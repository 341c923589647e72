//! What a model's card says about how far its scores and triggers can be trusted, measured on validation recordings.

use serde::{Deserialize, Serialize};

use crate::output::gate::TriggerRule;

/// How the scores of one behavior at one delay became probabilities. Slope and offset are part of the weights: what the
/// network answers is calibrated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrated {
    /// What the trained logit was multiplied by, and what was added then: 1 and 0 where nothing could be fitted.
    pub slope: f64,
    pub offset: f64,
    /// Why nothing could be fitted: the score is then no probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfitted: Option<String>,
    /// Expected calibration error of the trained scores.
    pub error_before: f64,
    /// That of recordings that the calibration was not fitted to; absent where too few recordings show the behavior.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_after: Option<f64>,
}

/// What a logit becomes: `slope · logit + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogitLine {
    pub slope: f64,
    pub offset: f64,
}

/// Logits are within ± this: what is sure answers no infinity.
pub const LOGIT_MAX: f32 = 30.0;

impl LogitLine {
    /// Finite numbers in single precision, and a slope above 0.
    pub fn is_sound(&self) -> bool {
        let (slope, offset) = (self.slope as f32, self.offset as f32);
        slope.is_finite() && slope > 0.0 && offset.is_finite()
    }

    /// Both, one after the other.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self { slope: self.slope * next.slope, offset: self.offset * next.slope + next.offset }
    }
}

/// How long the bouts of a behavior are that somebody annotated, in the recordings that a model was made with: a verdict
/// that comes later than half of them have ended is none to act on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoutLengths {
    pub bouts: u64,
    pub median_secs: f64,
}

/// What a closed loop may expect of one behavior at one delay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerAdvice {
    /// Why nothing should be fired by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit: Option<String>,
    /// By the false triggers that were allowed, ascending; of a limit that no rule keeps there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<TriggerChoice>,
}

/// The rule that hits most bouts with at most so many false triggers. It was chosen on the recordings on which its
/// figures were measured, so they flatter it: rehearse it on others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerChoice {
    /// False triggers an hour that were allowed, of one animal or pair, as all rates here.
    pub false_per_hour_max: f64,
    pub rule: TriggerRule,
    pub bouts: u64,
    pub hits: u64,
    /// Of the hits, those told while the bout still went on.
    pub hits_while_going: u64,
    pub false_per_hour: f64,
    /// What the rate is below with 95% confidence, see [`crate::score::triggers`].
    pub false_per_hour_upper: f64,
    /// From the annotated onset to the tick of the trigger, the decision delay included.
    pub latency_median_secs: f64,
    pub latency_95_secs: f64,
}
