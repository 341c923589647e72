//! What a report is made of. Numbers that were not measured are `None` (or not finite), and lists of them empty.
//!
//! Seconds of a recording begin at its first frame. Shares lie within \[0, 1\].

use crate::behavior::Kind;
use crate::time::DelayTicks;

/// A training run. Wherever something is told by delay, it comes in the order of [`Head::delays`]; what is missing at
/// the end of such a list was not measured.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The recordings that all is measured on but the epochs.
    pub part: Part,
    pub head: Head,
    pub summary: Summary,
    pub epochs: Vec<Epoch>,
    pub behaviors: Vec<BehaviorReport>,
    /// The delay that [`BehaviorReport::f1_by_history`] is about.
    pub history_delay: Option<DelayTicks>,
    /// Lab-averaged frame F1 on validation by the history that the network had, ascending.
    pub history: Vec<History>,
    pub confusions: Vec<Confusion>,
    pub rasters: Vec<Raster>,
    /// The worst first.
    pub mistakes: Vec<Mistake>,
}

/// What was trained, on what, by what.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub model: String,
    pub corpus: String,
    /// Where the corpus comes from: a citation or an address.
    pub source: String,
    /// Names of recordings.
    pub trained: Vec<String>,
    pub validated: Vec<String>,
    pub tested: Vec<String>,
    pub seed: Option<u64>,
    /// The epoch whose weights were kept, by [`Epoch::number`].
    pub best_epoch: Option<u32>,
    /// Name and version of the program.
    pub software: String,
    pub weights_hash: String,
    pub label_sets: Vec<String>,
    /// Decision delays, ascending: D of them.
    pub delays: Vec<DelayTicks>,
}

/// How well it went, in a few numbers.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Lab-averaged frame F1 on the recordings of [`Report::part`], by delay.
    pub measured: Vec<Estimate>,
    /// The same on test recordings beside them; empty where there are none.
    pub test: Vec<Estimate>,
    /// What the intervals are: "95% of 1000 bootstraps over recordings". Empty where there are none.
    pub interval: String,
    /// What a reader must not miss, a sentence each.
    pub warnings: Vec<String>,
}

/// A number, and between which it may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    pub value: Option<f64>,
    /// Lower and upper end.
    pub interval: Option<[f64; 2]>,
}

/// Means over an epoch, and validation after it.
#[derive(Clone, Debug, Default)]
pub struct Epoch {
    /// The first is 1.
    pub number: u32,
    pub loss: Option<f64>,
    /// Of its last step.
    pub learning_rate: Option<f64>,
    /// Before clipping.
    pub gradient_norm: Option<f64>,
    /// Lab-averaged frame F1 on validation, by delay.
    pub validation_f1: Vec<Option<f64>>,
}

/// How good verdicts are after a history of one length.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Since the cage was first seen.
    pub secs: f64,
    /// By delay.
    pub f1: Vec<Option<f64>>,
}

/// A behavior of a label set.
#[derive(Clone, Debug)]
pub struct BehaviorReport {
    pub label_set: String,
    pub name: String,
    pub kind: Kind,
    pub train: Amount,
    /// In the recordings of [`Report::part`].
    pub measured: Amount,
    /// On the same, by delay.
    pub delays: Vec<AtDelay>,
    pub fitness: Fitness,
    /// The triggers chosen for it, in the order in which a table shows them.
    pub triggers: Vec<Trigger>,
    /// Frame F1 by the history that the network had: seconds since the cage was first seen, and F1; ascending.
    pub f1_by_history: Vec<[f64; 2]>,
}

/// How much of a behavior was annotated, all animals or pairs together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    pub bouts: Option<u64>,
    pub minutes: Option<f64>,
}

/// Whether a behavior may fire a trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fitness {
    #[default]
    NotMeasured,
    Fit,
    /// The reason.
    Unfit(String),
}

/// A behavior at one decision delay.
#[derive(Clone, Debug, Default)]
pub struct AtDelay {
    /// Of frames, at the threshold.
    pub f1: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    /// Over all thresholds: the area under precision and recall.
    pub average_precision: Option<f64>,
    /// Where a verdict begins: a score at or above it. None where the behavior is never told.
    pub threshold: Option<f64>,
    /// By threshold, ascending.
    pub precision_recall: Vec<CutPoint>,
    /// Of the raw scores, and after calibration.
    pub before: Calibration,
    pub after: Calibration,
    /// The best there are, by false triggers an hour, ascending: what a threshold gives depends on how long it has to be
    /// sustained, too, so that thresholds need not descend.
    pub trigger_curve: Vec<TriggerPoint>,
}

/// What one threshold gives, in frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutPoint {
    pub threshold: f64,
    pub recall: f64,
    pub precision: f64,
}

/// How scores and what happened agree.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// Expected calibration error: the mean of |predicted − observed| over bins, by their ticks.
    pub error: Option<f64>,
    /// Empty bins are left out.
    pub bins: Vec<Bin>,
}

/// Ticks of about the same score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Mean score.
    pub predicted: f64,
    /// Share of the ticks at which the behavior was annotated.
    pub observed: f64,
    pub ticks: u64,
}

/// What one threshold gives as a trigger.
///
/// A latency runs from the annotated onset of a bout to the tick at which its trigger fires, the decision delay
/// included, over the bouts that were hit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TriggerPoint {
    pub threshold: f64,
    /// Triggers an hour outside of any bout.
    pub false_per_hour: f64,
    pub share_hit: f64,
    pub latency_median_secs: f64,
    pub latency_p95_secs: f64,
}

/// A trigger that was chosen.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// What it was chosen for: "≤ 1/h".
    pub chosen_for: String,
    pub delay: DelayTicks,
    /// It fires when the score has been at or above `on` for `sustain_millis`; again only after it fell under `off`.
    pub on: Option<f64>,
    pub off: Option<f64>,
    pub sustain_millis: Option<f64>,
    /// Bouts in which it fired, of those there were.
    pub hits: u64,
    pub bouts: u64,
    pub false_per_hour: Option<f64>,
    /// Upper end of the 95% interval.
    pub false_per_hour_upper: Option<f64>,
    /// As of a [`TriggerPoint`].
    pub latency_median_secs: Option<f64>,
    pub latency_p95_secs: Option<f64>,
}

/// What was annotated against what was said.
#[derive(Clone, Debug)]
pub struct Confusion {
    pub label_set: String,
    pub delay: DelayTicks,
    /// N behaviors.
    pub behaviors: Vec<String>,
    /// (N + 1) × (N + 1) ticks, truth by prediction; the last row and the last column are "none".
    pub ticks: Vec<Vec<u64>>,
}

/// Which recordings a measure is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    Train,
    #[default]
    Validation,
    Test,
}

impl Part {
    /// The word for it within a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The word for it over a column.
    pub fn title(self) -> &'static str {
        match self {
            Self::Train => "Training",
            Self::Validation => "Validation",
            Self::Test => "Test",
        }
    }
}

/// What was annotated and what was said over a recording.
#[derive(Clone, Debug)]
pub struct Raster {
    pub recording: String,
    pub part: Part,
    /// Of the verdicts.
    pub delay: DelayTicks,
    pub secs: Option<f64>,
    pub rows: Vec<RasterRow>,
}

/// Runs are [start, stop) in seconds, in any order.
#[derive(Clone, Debug, Default)]
pub struct RasterRow {
    pub label_set: String,
    pub behavior: String,
    pub truth: Vec<[f64; 2]>,
    pub predicted: Vec<[f64; 2]>,
    /// Where nobody has looked for the behavior.
    pub unscored: Vec<[f64; 2]>,
}

/// A moment at which the network was sure and wrong.
#[derive(Clone, Debug)]
pub struct Mistake {
    pub label_set: String,
    pub behavior: String,
    pub recording: String,
    pub delay: DelayTicks,
    pub secs: Option<f64>,
    pub frame: Option<u64>,
    /// What the network said of whom, and what was annotated: "attack, rat1 → rat2", "nothing".
    pub said: String,
    pub annotated: String,
    pub score: Option<f64>,
    pub threshold: Option<f64>,
    /// I names.
    pub individuals: Vec<String>,
    /// Pairs of keypoints.
    pub edges: Vec<(usize, usize)>,
    /// Five or so, ascending.
    pub poses: Vec<Pose>,
    /// Score by seconds from the mistake, ascending.
    pub scores: Vec<[f64; 2]>,
    /// Where the behavior was annotated: [start, stop) in seconds from the mistake.
    pub truth: Vec<[f64; 2]>,
}

/// The animals at one moment.
#[derive(Clone, Debug, Default)]
pub struct Pose {
    /// Seconds from the mistake.
    pub offset_secs: f64,
    /// I × K points (x, y) in pixels of the camera, y downwards; `None` where a keypoint was not seen.
    pub individuals: Vec<Vec<Option<[f64; 2]>>>,
}
