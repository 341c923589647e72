//! What one run gave, checked.

use serde::{Deserialize, Serialize};

use crate::score::Tally;

/// The version of [`Outcome`] as it is stored.
pub const FORMAT: u32 = 1;

/// Most frames or bouts that one number counts, so that sums of them are exact.
pub const COUNT_MAX: u64 = 1 << 40;

/// Most recordings of an outcome.
pub const RECORDINGS_MAX: usize = 1 << 16;

/// What one system, trained with one seed, gave on the recordings that it was scored on.
///
/// # Shapes
/// D delays, N behaviors numbered through the label sets in order. `frames` of each recording, `bouts` and `triggers`
/// are (D, N).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// [`FORMAT`].
    pub format: u32,
    pub system: String,
    pub seed: u64,
    /// Of what it was trained and scored on. What stands before the first `:` is shared by all that may be compared;
    /// what follows it, if anything, is the system's own.
    pub fingerprint: String,
    /// Which recordings it was scored on: "test", say.
    pub part: String,
    /// Ascending.
    pub delays_ticks: Vec<u32>,
    pub label_sets: Vec<LabelSetNames>,
    pub recordings: Vec<RecordingOutcome>,
    pub bouts: Vec<Vec<BoutOutcome>>,
    /// None where the model advises no trigger.
    pub triggers: Vec<Vec<Option<TriggerOutcome>>>,
    /// Processor time that a tick of one cage takes, in microseconds.
    pub cpu_micros_per_tick: f64,
    /// Of the model's card and weights.
    pub bytes: u64,
    pub training_secs: f64,
    /// What it was given to learn, in words.
    pub recipe: String,
    /// The epoch or the boosting rounds that validation chose.
    pub chosen_at: u32,
    /// Mean F1 on the validation recordings by which it was chosen.
    pub validation_f1: f64,
}

/// A label set by its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelSetNames {
    pub name: String,
    pub behaviors: Vec<String>,
}

/// One recording, as the run scored it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingOutcome {
    pub name: String,
    /// By label set: whether anybody looked for any of its behaviors.
    pub asked: Vec<bool>,
    /// By delay and behavior: true positives, false positives and false negatives, see [`counts_of`].
    pub frames: Vec<Vec<[u64; 3]>>,
}

/// Bouts of one behavior, as they were told live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoutOutcome {
    pub annotated: u64,
    /// Annotated bouts that a told one overlaps.
    pub hit: u64,
    pub told: u64,
    /// Told bouts that overlap no annotated one.
    pub false_bouts: u64,
    pub false_per_hour: f64,
    /// Of the hits, after the annotated onset; none without a hit.
    pub onset_latency_median_secs: Option<f64>,
}

/// The trigger whose threshold was chosen on validation recordings, on the recordings that are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerOutcome {
    /// False triggers an hour that were allowed on validation.
    pub false_per_hour_max: f64,
    pub bouts: u64,
    pub hits: u64,
    pub false_per_hour: f64,
    /// From the annotated onset to the tick of the trigger, the decision delay included; none without a hit.
    pub latency_median_secs: Option<f64>,
    pub latency_95_secs: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompareError {
    #[error("expected an outcome of format {FORMAT}, got {0}")]
    Format(u32),
    #[error("expected at least one {0}, got none")]
    None(&'static str),
    #[error("expected delays that ascend, got {0:?} ticks")]
    Delays(Vec<u32>),
    #[error("expected {expected} {what}, got {got}")]
    Shape { what: String, expected: usize, got: usize },
    #[error("expected at most {max} {what}, got {got}")]
    TooMany { what: &'static str, max: u64, got: u64 },
    #[error("expected {what} to be finite and at least {least}, got {got}")]
    Number { what: &'static str, least: f64, got: f64 },
    #[error("expected one outcome of {system} with seed {seed}, got another")]
    Twice { system: String, seed: u64 },
    #[error("expected the {what} of {first}, which are {expected}, got {got} of {second}")]
    Differ { what: &'static str, first: String, expected: String, second: String, got: String },
}

/// The counts of a tally as an outcome stores them.
pub fn counts_of(tally: Tally) -> [u64; 3] {
    [tally.true_positives, tally.false_positives, tally.false_negatives]
}

impl Outcome {
    /// # Errors
    /// Another format, no delay, behavior or recording, lists of another shape, numbers that are not finite or below what
    /// they can be, and counts that cannot be.
    pub fn check(&self) -> Result<(), CompareError> {
        if self.format != FORMAT {
            return Err(CompareError::Format(self.format));
        }
        if self.delays_ticks.is_empty() {
            return Err(CompareError::None("delay"));
        }
        if !self.delays_ticks.is_sorted_by(|a, b| a < b) {
            return Err(CompareError::Delays(self.delays_ticks.clone()));
        }
        if self.behavior_count() == 0 {
            return Err(CompareError::None("behavior"));
        }
        if self.recordings.is_empty() {
            return Err(CompareError::None("recording"));
        }
        at_most("recordings", RECORDINGS_MAX as u64, self.recordings.len() as u64)?;
        for recording in &self.recordings {
            self.check_recording(recording)?;
        }
        self.check_table("lists of bouts", &self.bouts)?;
        self.check_table("lists of triggers", &self.triggers)?;
        self.bouts.iter().flatten().try_for_each(BoutOutcome::check)?;
        self.triggers.iter().flatten().flatten().try_for_each(TriggerOutcome::check)?;
        finite("the processor time of a tick", 0.0, self.cpu_micros_per_tick)?;
        finite("the training time", 0.0, self.training_secs)?;
        finite("the F1 on validation", 0.0, self.validation_f1)
    }

    fn check_recording(&self, recording: &RecordingOutcome) -> Result<(), CompareError> {
        let RecordingOutcome { name, asked, frames } = recording;
        shape(|| format!("label sets in recording {name:?}"), self.label_sets.len(), asked.len())?;
        self.check_table("lists of frames", frames)?;
        let counts = frames.iter().flatten().flatten();
        counts.copied().try_for_each(|count| at_most("frames of a behavior in a recording", COUNT_MAX, count))
    }

    fn check_table<T>(&self, what: &str, by_delay: &[Vec<T>]) -> Result<(), CompareError> {
        shape(|| format!("{what}, one for each delay"), self.delays_ticks.len(), by_delay.len())?;
        let mut of_delays = self.delays_ticks.iter().zip(by_delay);
        of_delays.try_for_each(|(delay, by_behavior)| {
            shape(|| format!("behaviors in the {what} at delay {delay}"), self.behavior_count(), by_behavior.len())
        })
    }
}

impl BoutOutcome {
    fn check(&self) -> Result<(), CompareError> {
        at_most("annotated bouts of a behavior", COUNT_MAX, self.annotated)?;
        at_most("told bouts of a behavior", COUNT_MAX, self.told)?;
        at_most("hits of the annotated bouts", self.annotated, self.hit)?;
        at_most("false bouts of those told", self.told, self.false_bouts)?;
        finite("false bouts an hour", 0.0, self.false_per_hour)?;
        // A bout that is told for longer than it lasts has begun before its onset.
        latency("the onset latency of bouts", f64::MIN, self.onset_latency_median_secs)
    }
}

impl TriggerOutcome {
    fn check(&self) -> Result<(), CompareError> {
        at_most("bouts of a trigger", COUNT_MAX, self.bouts)?;
        at_most("hits of a trigger's bouts", self.bouts, self.hits)?;
        finite("allowed false triggers an hour", 0.0, self.false_per_hour_max)?;
        finite("false triggers an hour", 0.0, self.false_per_hour)?;
        latency("the median latency of a trigger", 0.0, self.latency_median_secs)?;
        latency("the 95% latency of a trigger", 0.0, self.latency_95_secs)
    }
}

fn shape(what: impl Fn() -> String, expected: usize, got: usize) -> Result<(), CompareError> {
    if expected == got { Ok(()) } else { Err(CompareError::Shape { what: what(), expected, got }) }
}

fn at_most(what: &'static str, max: u64, got: u64) -> Result<(), CompareError> {
    if got <= max { Ok(()) } else { Err(CompareError::TooMany { what, max, got }) }
}

fn finite(what: &'static str, least: f64, got: f64) -> Result<(), CompareError> {
    if got.is_finite() && got >= least { Ok(()) } else { Err(CompareError::Number { what, least, got }) }
}

fn latency(what: &'static str, least: f64, got: Option<f64>) -> Result<(), CompareError> {
    got.map_or(Ok(()), |got| finite(what, least, got))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::testing::outcome;

    #[test]
    fn an_outcome_comes_back_from_json_as_it_was() {
        let outcome = outcome("hhstf", 3, 700);
        outcome.check().unwrap();
        let json = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
        let strange = json.replacen('{', "{\"colour\":1,", 1);
        assert!(serde_json::from_str::<Outcome>(&strange).unwrap_err().to_string().contains("colour"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_was_expected() {
        let error = |spoil: &dyn Fn(&mut Outcome)| {
            let mut outcome = outcome("hhstf", 1, 700);
            spoil(&mut outcome);
            outcome.check().unwrap_err().to_string()
        };
        assert_eq!(error(&|outcome| outcome.format = 2), "expected an outcome of format 1, got 2");
        assert_eq!(error(&|outcome| outcome.delays_ticks.clear()), "expected at least one delay, got none");
        assert_eq!(error(&|outcome| outcome.label_sets.clear()), "expected at least one behavior, got none");
        assert_eq!(error(&|outcome| outcome.recordings.clear()), "expected at least one recording, got none");
        let of_order = error(&|outcome| outcome.delays_ticks = vec![30, 0, 60]);
        assert_eq!(of_order, "expected delays that ascend, got [30, 0, 60] ticks");
        let of_frames = error(&|outcome| outcome.recordings[1].frames[2].truncate(1));
        assert_eq!(of_frames, "expected 3 behaviors in the lists of frames at delay 60, got 1");
        let of_asked = error(&|outcome| outcome.recordings[0].asked.truncate(1));
        assert_eq!(of_asked, "expected 2 label sets in recording \"rec 0\", got 1");
        let of_bouts = error(&|outcome| outcome.bouts.truncate(2));
        assert_eq!(of_bouts, "expected 3 lists of bouts, one for each delay, got 2");
        let of_triggers = error(&|outcome| outcome.triggers[0].clear());
        assert_eq!(of_triggers, "expected 3 behaviors in the lists of triggers at delay 0, got 0");
        let of_time = error(&|outcome| outcome.training_secs = f64::NAN);
        assert_eq!(of_time, "expected the training time to be finite and at least 0, got NaN");
        let of_hits = error(&|outcome| outcome.bouts[0][0].hit = 1000);
        assert_eq!(of_hits, "expected at most 20 hits of the annotated bouts, got 1000");
        let spoilt = outcome("hhstf", 1, 700).triggers[0][0]
            .map(|trigger| TriggerOutcome { latency_95_secs: Some(f64::INFINITY), ..trigger });
        assert!(error(&|outcome| outcome.triggers[0][0] = spoilt).contains("95% latency of a trigger to be finite"));
        let huge = error(&|outcome| outcome.recordings[0].frames[0][0][0] = u64::MAX);
        assert!(huge.contains("frames of a behavior in a recording, got 18446744073709551615"), "{huge}");
    }
}
