//! The stages, each named from what to what, and how long they took.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::millis;

/// Longest time that is told apart: an hour. What took longer counts as an hour.
pub const NANOS_MAX: i64 = 3_600_000_000_000;

/// Times are told apart to three digits, and to this many nanoseconds where they are short.
const NANOS_APART: u64 = 64;
const DIGITS: u8 = 3;

/// What a histogram has room for before it grows.
const NANOS_AT_FIRST: u64 = 10_000_000;

/// A part of the way of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// How late our own timer put the frame.
    DueToPut,
    /// Wire out, across two clocks.
    PutToArrived,
    /// Waiting in the detector.
    ArrivedToInference,
    Inference,
    DecidedToSent,
    /// Wire back, across two clocks.
    SentToReceived,
    /// The whole round trip, by our clock alone.
    PutToReceived,
    /// The round trip without inference.
    AllButInference,
    /// Of events: by way of the journal.
    PutToEventReceived,
    /// Of events: from the decision until the event is in the journal and handed to the wire.
    DecidedToPublished,
}

pub const STAGES: [Stage; 10] = [
    Stage::DueToPut,
    Stage::PutToArrived,
    Stage::ArrivedToInference,
    Stage::Inference,
    Stage::DecidedToSent,
    Stage::SentToReceived,
    Stage::PutToReceived,
    Stage::AllButInference,
    Stage::PutToEventReceived,
    Stage::DecidedToPublished,
];

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::DueToPut => "due → put",
            Self::PutToArrived => "put → arrived",
            Self::ArrivedToInference => "arrived → inference",
            Self::Inference => "inference",
            Self::DecidedToSent => "decided → sent",
            Self::SentToReceived => "sent → received",
            Self::PutToReceived => "put → received",
            Self::AllButInference => "all but inference",
            Self::PutToEventReceived => "put → event received",
            Self::DecidedToPublished => "decided → event published",
        }
    }

    /// What it is, in a word or two.
    pub fn gist(self) -> &'static str {
        match self {
            Self::DueToPut => "our own timer",
            Self::PutToArrived => "wire out",
            Self::ArrivedToInference => "waiting",
            Self::Inference => "the network",
            Self::DecidedToSent => "handing over",
            Self::SentToReceived => "wire back",
            Self::PutToReceived => "ROUND TRIP",
            Self::AllButInference => "of the round trip",
            Self::PutToEventReceived => "TO THE EVENT",
            Self::DecidedToPublished => "journal",
        }
    }

    /// Whether it begins on one clock and ends on the other.
    pub fn is_one_way(self) -> bool {
        matches!(self, Self::PutToArrived | Self::SentToReceived)
    }
}

/// How long each stage took, all along.
#[derive(Clone, Debug)]
pub(super) struct Record {
    histograms: Vec<Histogram<u32>>,
}

/// Percentiles of one stage; `None` where too few were measured for one to exist: a hundredth of the longest needs a
/// hundred.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    pub stage: Stage,
    pub count: u64,
    pub p50_millis: Option<f64>,
    pub p90_millis: Option<f64>,
    pub p99_millis: Option<f64>,
    pub p99_9_millis: Option<f64>,
    pub max_millis: Option<f64>,
    /// Every number of this stage may be off by so much, all in the same direction; `None` where one clock took both
    /// ends.
    pub uncertainty_millis: Option<f64>,
}

impl Default for Record {
    fn default() -> Self {
        let histogram = |_| {
            let mut histogram = Histogram::new_with_bounds(NANOS_APART, NANOS_AT_FIRST, DIGITS)
                .expect("bounds and digits are constants within the allowed");
            histogram.auto(true);
            histogram
        };
        Self { histograms: STAGES.iter().map(histogram).collect() }
    }
}

impl Record {
    /// Less than nothing counts as nothing, more than [`NANOS_MAX`] as that.
    pub fn take(&mut self, stage: Stage, nanos: i64) {
        // Within an hour a histogram always grows.
        let _ = self.histograms[stage as usize].record(nanos.clamp(0, NANOS_MAX) as u64);
    }

    pub fn add(&mut self, other: &Self) {
        for (sum, other) in self.histograms.iter_mut().zip(&other.histograms) {
            let _ = sum.add(other);
        }
    }

    pub fn of(&self, stage: Stage) -> &Histogram<u32> {
        &self.histograms[stage as usize]
    }

    /// `one_way_nanos` is the uncertainty of the stages between two clocks.
    pub fn percentiles(&self, stage: Stage, one_way_nanos: Option<i64>) -> Percentiles {
        let histogram = self.of(stage);
        let count = histogram.len();
        let quantile = |per_mille: u64| {
            let exists = count.saturating_mul(1000 - per_mille) >= 1000 || (per_mille == 500 && count > 0);
            exists.then(|| {
                let nanos = histogram.value_at_quantile(per_mille as f64 / 1000.0);
                millis(nanos.min(histogram.max()) as f64)
            })
        };
        Percentiles {
            stage,
            count,
            p50_millis: quantile(500),
            p90_millis: quantile(900),
            p99_millis: quantile(990),
            p99_9_millis: quantile(999),
            max_millis: (count > 0).then(|| millis(histogram.max() as f64)),
            uncertainty_millis: one_way_nanos.filter(|_| stage.is_one_way()).map(|nanos| millis(nanos as f64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_at_their_own_index() {
        assert!(STAGES.iter().enumerate().all(|(index, stage)| *stage as usize == index));
    }

    #[test]
    fn percentiles_hold_to_three_digits_and_exist_only_where_there_are_enough() {
        let mut record = Record::default();
        (1..=999).for_each(|micros| record.take(Stage::Inference, micros * 10_000));
        let of = record.percentiles(Stage::Inference, Some(5));
        let near = |got: Option<f64>, expected: f64| (got.unwrap() / expected - 1.0).abs() < 1.5e-3;
        assert!(near(of.p50_millis, 5.0) && near(of.p90_millis, 9.0) && near(of.p99_millis, 9.9), "{of:?}");
        assert!(near(of.max_millis, 9.99), "{of:?}");
        assert_eq!((of.count, of.p99_9_millis, of.uncertainty_millis), (999, None, None));
        record.take(Stage::Inference, 50_000_000);
        let of = record.percentiles(Stage::Inference, None);
        assert!(near(of.p99_9_millis, 9.99) && near(of.max_millis, 50.0), "{of:?}");
        let none = record.percentiles(Stage::PutToArrived, Some(2_000_000));
        assert_eq!((none.count, none.p50_millis, none.max_millis), (0, None, None));
        assert_eq!(none.uncertainty_millis, Some(2.0));
    }

    #[test]
    fn absurd_times_saturate() {
        let mut record = Record::default();
        for nanos in [i64::MIN, -1, 0, NANOS_MAX, i64::MAX] {
            record.take(Stage::DueToPut, nanos);
        }
        let of = record.percentiles(Stage::DueToPut, None);
        assert_eq!((of.count, of.p50_millis), (5, Some(0.000063)));
        assert!((of.max_millis.unwrap() / 3.6e6 - 1.0).abs() < 1e-3, "an hour: {of:?}");
    }
}
