//! What a measurement says, as a plain value: [`Display`](std::fmt::Display) prints it, serde writes it with units in
//! the names of its fields.

use serde::Serialize;

use super::Counted;
use super::histogram::{Bin, Glyphs, bins, draw};
use super::judge::judge;
use super::matching::FrameCounts;
use super::meter::Meter;
use super::offset::Offset;
use super::stages::{Percentiles, Record, STAGES, Stage};
use super::system::System;
use super::warnings::{self, Warning};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How often a frame was put for each cage.
    pub rate_hz: f64,
    /// From the first frame put to the last.
    pub span_secs: f64,
    /// Of all cages, and of answers and events of others.
    pub frames: FrameCounts,
    pub counted: Counted,
    /// `None` where no answer came.
    pub offset: Option<Offset>,
    /// How much of the time the detector inferred.
    pub busy_share: Option<f64>,
    /// Of all cages together, in the order of [`STAGES`].
    pub stages: Vec<Percentiles>,
    pub cages: Vec<CageSummary>,
    /// Of all cages together.
    pub round_trip_bins: Vec<Bin>,
    pub event_bins: Vec<Bin>,
    #[serde(serialize_with = "warnings::with_text")]
    pub warnings: Vec<Warning>,
    pub system: System,
}

/// One cage, by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CageSummary {
    pub cage: String,
    pub frames: FrameCounts,
    pub stages: Vec<Percentiles>,
}

impl Summary {
    pub(super) fn new(
        meter: &Meter,
        rate_hz: f64,
        span_secs: f64,
        offset: Option<Offset>,
        counted: Counted,
        system: System,
    ) -> Self {
        let one_way_nanos = offset.map(|offset| (offset.one_way_uncertainty_millis * 1e6) as i64);
        let stages = |record: &Record| -> Vec<Percentiles> {
            STAGES.iter().map(|stage| record.percentiles(*stage, one_way_nanos)).collect()
        };
        let (mut all, mut frames) = (Record::default(), meter.strange);
        for cage in &meter.cages {
            all.add(&cage.record);
            frames.add(&cage.counts);
        }
        let of_cage = |cage: &super::meter::Cage| CageSummary {
            cage: cage.name.clone(),
            frames: cage.counts,
            stages: stages(&cage.record),
        };
        let mut summary = Self {
            rate_hz,
            span_secs,
            frames,
            counted,
            offset,
            busy_share: meter.busy.share(),
            stages: stages(&all),
            cages: meter.cages.iter().map(of_cage).collect(),
            round_trip_bins: bins(all.of(Stage::PutToReceived)),
            event_bins: bins(all.of(Stage::PutToEventReceived)),
            warnings: Vec::new(),
            system,
        };
        summary.warnings = judge(&summary, meter);
        summary
    }

    /// A stage of all cages together.
    pub fn stage(&self, stage: Stage) -> &Percentiles {
        &self.stages[stage as usize]
    }

    /// The round trips and, where there are any, the events, as bars within so many characters, see [`draw`].
    pub fn histograms(&self, width: usize, glyphs: Glyphs) -> String {
        let trips = draw("Round trip, put → received", &self.round_trip_bins, width, glyphs);
        if self.event_bins.is_empty() {
            return trips;
        }
        let events = draw("Events, put → event received", &self.event_bins, width, glyphs);
        format!("{trips}\n{events}")
    }
}
