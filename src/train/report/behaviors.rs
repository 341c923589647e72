//! Each behavior at each delay: as it is decoded, as its scores rank, and as a trigger.

use super::Measured;
use super::compared::Compared;
use crate::behavior::Behavior;
use crate::corpus::session::Session;
use crate::model::trust::{Calibrated, TriggerAdvice, TriggerChoice};
use crate::report::{Amount, AtDelay, BehaviorReport, Bin, Calibration, CutPoint, Fitness, Trigger, TriggerPoint};
use crate::score::Tally;
use crate::score::calibration::{self, Reliability, Sample, logit};
use crate::score::ranking::{Cut, average_precision, precision_recall, thinned};
use crate::score::triggers::{self, Grid, Point, Trace, TriggerTally};
use crate::time::TICK_RATE_HZ;
use crate::train::fit::{CalibrationFit, Column, TriggerFit, Validation, by_delay_and_behavior};
use crate::train::rules::DelayScores;

/// Points of a curve of precision and recall.
const CUTS_MAX: usize = 200;

/// What is drawn of a behavior at a delay and takes more than a look at its scores.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    before: Calibration,
    after: Calibration,
    triggers: Vec<TriggerPoint>,
}

impl Curve {
    /// As it was fitted; calibrated scores are those of recordings that the calibration was not fitted to.
    pub fn of_fit(calibration: &CalibrationFit, trigger: &TriggerFit) -> Self {
        Self {
            before: reliability(calibration.before.as_ref()),
            after: reliability(calibration.after.as_ref()),
            triggers: trigger_curve(&trigger.curve),
        }
    }

    /// As it is on these recordings, by delay and behavior.
    pub fn all(measured: Measured<'_>) -> Vec<Vec<Self>> {
        let Measured { sessions, ethogram, .. } = measured;
        let validation = Validation { sessions, ethogram, delays: measured.delays(), bouts_min: 0 };
        by_delay_and_behavior(validation, |delay, behavior| Self::of(measured, delay, behavior))
    }

    fn of(measured: Measured<'_>, delay: usize, behavior: Behavior) -> Self {
        let gathered = gather(measured, delay, behavior);
        let reliability_of = |raw: &dyn Fn(f32) -> f32| {
            let pairs = gathered.scores.iter().zip(&gathered.truth);
            let samples: Vec<Sample> = pairs.map(|(score, truth)| Sample::new(raw(logit(*score)), *truth)).collect();
            reliability(Reliability::of(&samples, calibration::Calibration::IDENTITY).as_ref())
        };
        let fitted = calibrated(measured, delay, behavior).filter(|card| card.unfitted.is_none() && card.slope > 0.0);
        let (before, after) = match fitted {
            None => (reliability_of(&|logit| logit), Calibration::default()),
            Some(Calibrated { slope, offset, .. }) => {
                let raw = |logit: f32| ((f64::from(logit) - offset) / slope) as f32;
                (reliability_of(&raw), reliability_of(&|logit| logit))
            }
        };
        let columns = columns(measured, delay, behavior);
        let traces: Vec<Trace> = columns.iter().map(Column::trace).collect();
        let curve = triggers::curve(&traces, measured.delays()[delay], &Grid::default()).unwrap_or_default();
        Self { before, after, triggers: trigger_curve(&curve) }
    }
}

fn reliability(of: Option<&Reliability>) -> Calibration {
    let bin =
        |bin: &calibration::Bin| Bin { predicted: bin.predicted_mean, observed: bin.observed_share, ticks: bin.count };
    of.map_or_else(Calibration::default, |of| Calibration {
        error: Some(of.expected_calibration_error()),
        bins: of.bins.iter().map(bin).collect(),
    })
}

fn trigger_curve(points: &[Point]) -> Vec<TriggerPoint> {
    let point = |Point { rule, tally }: &Point| TriggerPoint {
        threshold: rule.on.into(),
        false_per_hour: tally.false_per_hour(),
        share_hit: tally.hit_share(),
        latency_median_secs: tally.median_latency_secs().unwrap_or(f64::NAN),
        latency_p95_secs: tally.latency_95_secs().unwrap_or(f64::NAN),
    };
    triggers::frontier(points).into_iter().map(point).collect()
}

/// Bouts and minutes of a behavior where it was looked for.
pub fn amount(sessions: &[Session], behavior: Behavior) -> Amount {
    let on = |session: &Session| {
        let flags = session.truth.iter().zip(session.labelled.iter()).enumerate();
        let of = |at: usize| session.cells[at % session.cells.len()].behavior;
        flags.filter(|(at, (truth, labelled))| *truth && *labelled && of(*at) == behavior).count()
    };
    let ticks: usize = sessions.iter().map(on).sum();
    let bouts: usize = sessions.iter().map(|session| session.bouts(behavior)).sum();
    Amount { bouts: Some(bouts as u64), minutes: Some(ticks as f64 / TICK_RATE_HZ / 60.0) }
}

pub fn report(
    measured: Measured<'_>,
    compared: &[Compared],
    train: Amount,
    curves: &[Vec<Curve>],
    behavior: Behavior,
) -> BehaviorReport {
    let spec = measured.ethogram.spec(behavior);
    let set = &measured.ethogram.label_sets()[measured.ethogram.label_set_of(behavior)];
    let at = |(delay, curves): (usize, &Vec<Curve>)| {
        at_delay(measured, compared, &curves[usize::from(behavior.0)], delay, behavior)
    };
    BehaviorReport {
        label_set: set.name.clone(),
        name: spec.name.clone(),
        kind: spec.kind,
        train,
        measured: amount(measured.sessions, behavior),
        delays: curves.iter().enumerate().map(at).collect(),
        fitness: fitness(measured, behavior),
        triggers: (0..measured.delays().len()).flat_map(|delay| chosen(measured, delay, behavior)).collect(),
        f1_by_history: Vec::new(),
    }
}

fn at_delay(measured: Measured<'_>, compared: &[Compared], curve: &Curve, delay: usize, behavior: Behavior) -> AtDelay {
    let mut tally = Tally::default();
    for one in compared {
        tally += one.tally(delay, behavior);
    }
    let gathered = gather(measured, delay, behavior);
    let cuts = precision_recall(&gathered.scores, &gathered.truth);
    let cut_point =
        |cut: &Cut| CutPoint { threshold: cut.threshold.into(), recall: cut.recall, precision: cut.precision };
    // Nothing told has no precision, and nothing annotated no recall.
    let (told, annotated) =
        (tally.true_positives + tally.false_positives, tally.true_positives + tally.false_negatives);
    let on = f64::from(measured.rules[delay][usize::from(behavior.0)].on);
    AtDelay {
        f1: (!gathered.scores.is_empty()).then(|| tally.f1()),
        precision: (told > 0).then(|| tally.precision()),
        recall: (annotated > 0).then(|| tally.recall()),
        average_precision: average_precision(&cuts),
        threshold: Some(if on > 1.0 { f64::INFINITY } else { on }),
        precision_recall: thinned(&cuts, CUTS_MAX).iter().map(cut_point).collect(),
        before: curve.before.clone(),
        after: curve.after.clone(),
        trigger_curve: curve.triggers.clone(),
    }
}

fn gather(measured: Measured<'_>, delay: usize, behavior: Behavior) -> DelayScores {
    DelayScores::gather(measured.sessions, measured.scores, measured.delays(), delay, behavior)
}

fn columns(measured: Measured<'_>, delay: usize, behavior: Behavior) -> Vec<Column> {
    let pairs = measured.sessions.iter().zip(measured.scores);
    pairs.flat_map(|(session, scored)| Column::all(session, scored, delay, behavior)).collect()
}

pub fn calibrated(measured: Measured<'_>, delay: usize, behavior: Behavior) -> Option<&Calibrated> {
    let Measured { card, ethogram, .. } = measured;
    let set = &ethogram.label_sets()[ethogram.label_set_of(behavior)].name;
    card.calibration.get(set)?.get(&ethogram.spec(behavior).name)?.get(delay)
}

fn advice(measured: Measured<'_>, delay: usize, behavior: Behavior) -> Option<&TriggerAdvice> {
    let Measured { card, ethogram, .. } = measured;
    let set = &ethogram.label_sets()[ethogram.label_set_of(behavior)].name;
    card.triggers.get(set)?.get(&ethogram.spec(behavior).name)?.get(delay)
}

/// Fit where it is at any delay; else the reason of the shortest one.
fn fitness(measured: Measured<'_>, behavior: Behavior) -> Fitness {
    let all = (0..measured.delays().len()).filter_map(|delay| advice(measured, delay, behavior));
    let mut unfit = None;
    for advice in all {
        match &advice.unfit {
            None if !advice.choices.is_empty() => return Fitness::Fit,
            Some(reason) => unfit = unfit.or(Some(reason)),
            None => {}
        }
    }
    unfit.map_or(Fitness::NotMeasured, |reason| Fitness::Unfit(reason.clone()))
}

/// The triggers of the card, as they fire on these recordings.
fn chosen(measured: Measured<'_>, delay: usize, behavior: Behavior) -> Vec<Trigger> {
    let choices = advice(measured, delay, behavior).map_or(&[][..], |advice| &advice.choices);
    if choices.is_empty() {
        return Vec::new();
    }
    let columns = columns(measured, delay, behavior);
    let traces: Vec<Trace> = columns.iter().map(Column::trace).collect();
    let trigger = |choice: &TriggerChoice| {
        let delay = measured.delays()[delay];
        let tally = TriggerTally::of(&traces, delay, choice.rule);
        Trigger {
            chosen_for: format!("≤ {}/h", choice.false_per_hour_max),
            delay,
            on: Some(choice.rule.on.into()),
            off: Some(choice.rule.off.into()),
            sustain_millis: Some(f64::from(choice.rule.sustain_ticks) / TICK_RATE_HZ * 1000.0),
            hits: tally.hits,
            bouts: tally.bouts,
            false_per_hour: Some(tally.false_per_hour()).filter(|_| tally.labelled_secs > 0.0),
            false_per_hour_upper: Some(tally.false_per_hour_upper()),
            latency_median_secs: tally.median_latency_secs(),
            latency_p95_secs: tally.latency_95_secs(),
        }
    };
    choices.iter().map(trigger).collect()
}
