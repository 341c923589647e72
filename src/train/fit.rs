//! From weights to a model that can be believed: scores become probabilities, and get the thresholds at which bouts are
//! told and triggers fire. All of it is learned on validation recordings.

use super::rules::{self, DelayScores, SessionScores};
use crate::behavior::{Behavior, Ethogram};
use crate::corpus::flags::Flags;
use crate::corpus::session::Session;
use crate::model::trust::{Calibrated, LogitLine, TriggerAdvice, TriggerChoice};
use crate::model::weights::Weights;
use crate::output::decoder::DecodeRule;
use crate::output::gate::TriggerRule;
use crate::score::calibration::{self, Calibration, Reliability, Sample, cross_fitted, logit};
use crate::score::triggers::{self, Grid, Point, Trace, TriggerTally};
use crate::time::DelayTicks;

/// False triggers an hour of one animal or pair that a loop may tolerate: one in an hour, in ten minutes, in three.
pub const FALSE_PER_HOUR: [f64; 3] = [1.0, 6.0, 20.0];

/// Share of its bouts that a behavior's most tolerant trigger has to hit: what misses more is no handle on it.
const HIT_SHARE_MIN: f64 = 0.2;

/// Folds of recordings by which the calibration error is measured.
const FOLDS: usize = 5;

/// Weights whose answers on validation are known, and everything that was fitted to these.
#[derive(Debug)]
pub struct Fitted {
    /// With the calibration in them.
    pub weights: Weights,
    /// Calibrated.
    pub scores: Vec<SessionScores>,
    /// By delay, then by behavior, as all below.
    pub calibrations: Vec<Vec<CalibrationFit>>,
    pub rules: Vec<Vec<DecodeRule>>,
    pub triggers: Vec<Vec<TriggerFit>>,
}

/// A calibration with the reliability before it and after.
#[derive(Clone, Debug)]
pub struct CalibrationFit {
    pub card: Calibrated,
    pub before: Option<Reliability>,
    /// On recordings that it was not fitted to.
    pub after: Option<Reliability>,
}

/// Trigger advice with the whole curve behind it.
#[derive(Clone, Debug, Default)]
pub struct TriggerFit {
    pub card: TriggerAdvice,
    pub curve: Vec<Point>,
}

/// What is fitted to.
#[derive(Clone, Copy, Debug)]
pub struct Validation<'a> {
    pub sessions: &'a [Session],
    pub ethogram: &'a Ethogram,
    pub delays: &'a [DelayTicks],
    /// Bouts under which a behavior is never told and is unfit for triggering.
    pub bouts_min: usize,
}

/// Fits everything to the answers of a network with these weights.
///
/// # Errors
/// Weights without the rows that the ethogram has.
pub fn fit(validation: Validation<'_>, mut scores: Vec<SessionScores>, mut weights: Weights) -> anyhow::Result<Fitted> {
    let Validation { sessions, ethogram, delays, bouts_min } = validation;
    let calibrations =
        by_delay_and_behavior(validation, |delay, behavior| calibrate(validation, &scores, delay, behavior));
    let applied: Vec<Vec<Calibration>> = calibrations
        .iter()
        .map(|of_delay| {
            of_delay.iter().map(|fit| Calibration { slope: fit.card.slope, offset: fit.card.offset }).collect()
        })
        .collect();
    let lines: Vec<Vec<LogitLine>> = applied.iter().map(|of_delay| of_delay.iter().map(line).collect()).collect();
    weights.calibrate(ethogram, &lines)?;
    for (session, scored) in sessions.iter().zip(&mut scores) {
        let columns = scored.delays * scored.cells;
        for (at, score) in scored.scores.iter_mut().enumerate() {
            let (delay, cell) = (at % columns / scored.cells, at % scored.cells);
            let behavior = usize::from(session.cells[cell].behavior.0);
            *score = applied[delay][behavior].probability(logit(*score)) as f32;
        }
    }
    let rules = rules::fit(sessions, &scores, ethogram, delays, bouts_min);
    let triggers = by_delay_and_behavior(validation, |delay, behavior| advise(validation, &scores, delay, behavior));
    Ok(Fitted { weights, scores, calibrations, rules, triggers })
}

fn line(&Calibration { slope, offset }: &Calibration) -> LogitLine {
    LogitLine { slope, offset }
}

pub(super) fn by_delay_and_behavior<T: Send>(
    validation: Validation<'_>,
    of: impl Fn(usize, Behavior) -> T + Sync,
) -> Vec<Vec<T>> {
    let of = &of;
    std::thread::scope(|scope| {
        let of_delay =
            |delay: usize| move || validation.ethogram.behaviors().map(|(behavior, ..)| of(delay, behavior)).collect();
        let handles: Vec<_> = (0..validation.delays.len()).map(|delay| scope.spawn(of_delay(delay))).collect();
        let joined = |handle: std::thread::ScopedJoinHandle<'_, Vec<T>>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        handles.into_iter().map(joined).collect()
    })
}

fn calibrate(validation: Validation<'_>, scores: &[SessionScores], delay: usize, behavior: Behavior) -> CalibrationFit {
    let Validation { sessions, delays, .. } = validation;
    let of_session = |(session, scored): (&Session, &SessionScores)| -> Vec<Sample> {
        let (session, scored) = (std::slice::from_ref(session), std::slice::from_ref(scored));
        let gathered = DelayScores::gather(session, scored, delays, delay, behavior);
        let pairs = gathered.scores.iter().zip(&gathered.truth);
        pairs.map(|(score, truth)| Sample::new(logit(*score), *truth)).collect()
    };
    let groups: Vec<Vec<Sample>> =
        sessions.iter().zip(scores).map(of_session).filter(|group| !group.is_empty()).collect();
    let all = groups.concat();
    let before = Reliability::of(&all, Calibration::IDENTITY);
    let fitted = Calibration::fitted(&all);
    let after = fitted.ok().and_then(|_| cross_fitted(&groups, FOLDS).ok());
    let Calibration { slope, offset } = fitted.unwrap_or(Calibration::IDENTITY);
    let rounded = |reliability: &Reliability| (reliability.expected_calibration_error() * 1e5).round() / 1e5;
    let card = Calibrated {
        slope,
        offset,
        unfitted: fitted.err().map(|reason: calibration::Unfitted| reason.to_string()),
        error_before: before.as_ref().map_or(0.0, rounded),
        error_after: after.as_ref().map(rounded),
    };
    CalibrationFit { card, before, after }
}

/// How a trigger does on sessions with these scores, at a delay by its index.
pub fn measure_trigger(
    sessions: &[Session],
    scores: &[SessionScores],
    (delay, ticks): (usize, DelayTicks),
    behavior: Behavior,
    rule: TriggerRule,
) -> TriggerTally {
    let columns = columns(sessions, scores, delay, behavior);
    let traces: Vec<Trace> = columns.iter().map(Column::trace).collect();
    TriggerTally::of(&traces, ticks, rule)
}

fn columns(sessions: &[Session], scores: &[SessionScores], delay: usize, behavior: Behavior) -> Vec<Column> {
    let of_session = |(session, scored)| Column::all(session, scored, delay, behavior);
    sessions.iter().zip(scores).flat_map(of_session).collect()
}

fn advise(validation: Validation<'_>, scores: &[SessionScores], delay: usize, behavior: Behavior) -> TriggerFit {
    let Validation { sessions, delays, bouts_min, .. } = validation;
    let columns = columns(sessions, scores, delay, behavior);
    let traces: Vec<Trace> = columns.iter().map(Column::trace).collect();
    let Ok(curve) = triggers::curve(&traces, delays[delay], &Grid::default()) else {
        return TriggerFit::default();
    };
    let bouts: usize = sessions.iter().map(|session| session.bouts(behavior)).sum();
    let choice = |&false_per_hour_max: &f64| {
        let Point { rule, tally } = triggers::choose(&curve, false_per_hour_max)?;
        let rounded = |value: f64| (value * 1e3).round() / 1e3;
        Some(TriggerChoice {
            false_per_hour_max,
            rule: *rule,
            bouts: tally.bouts,
            hits: tally.hits,
            hits_while_going: tally.hits_while_going,
            false_per_hour: rounded(tally.false_per_hour()),
            false_per_hour_upper: rounded(tally.false_per_hour_upper()),
            latency_median_secs: rounded(tally.median_latency_secs()?),
            latency_95_secs: rounded(tally.latency_95_secs()?),
        })
    };
    let choices: Vec<TriggerChoice> = FALSE_PER_HOUR.iter().filter_map(choice).collect();
    let unfit = if bouts < bouts_min {
        Some(format!("{bouts} bouts on validation, expected at least {bouts_min}"))
    } else {
        let most = FALSE_PER_HOUR[FALSE_PER_HOUR.len() - 1];
        let (hits, of) = choices.last().map_or((0, bouts as u64), |choice| (choice.hits, choice.bouts));
        let is_few = (hits as f64) < HIT_SHARE_MIN * of as f64;
        is_few.then(|| format!("hits {hits} of {of} bouts with at most {most} false triggers an hour"))
    };
    TriggerFit { card: TriggerAdvice { unfit, choices }, curve }
}

/// One cell of a session at one delay.
pub(super) struct Column {
    scores: Vec<f32>,
    truth: Vec<bool>,
    labelled: Vec<bool>,
}

impl Column {
    pub fn all(session: &Session, scored: &SessionScores, delay: usize, behavior: Behavior) -> Vec<Self> {
        let cells = session.cells.iter().enumerate().filter(|(_, cell)| cell.behavior == behavior);
        let of_cell = |(cell, _): (usize, _)| {
            let count = session.cells.len();
            let flags = |of: &Flags| of.iter().skip(cell).step_by(count).collect();
            let scores = scored.scores.iter().skip(delay * count + cell).step_by(scored.delays * count).copied();
            Self { scores: scores.collect(), truth: flags(&session.truth), labelled: flags(&session.labelled) }
        };
        cells.map(of_cell).collect()
    }

    pub fn trace(&self) -> Trace<'_> {
        Trace { scores: &self.scores, truth: &self.truth, labelled: &self.labelled }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::{DType, Device, Tensor};
    use candle_nn::VarBuilder;

    use super::*;
    use crate::behavior::Kind;
    use crate::model::inputs::InputsBuilder;
    use crate::model::network::Network;
    use crate::model::variables::Variables;
    use crate::model::wiring::{Vocabulary, Wiring};
    use crate::train::{crops, samples};

    const TICKS: usize = 40;

    /// One slope and offset for each behavior and delay, all different.
    fn calibration(delay: usize, behavior: usize) -> Calibration {
        Calibration { slope: 0.5 + 0.3 * behavior as f64 + 0.2 * delay as f64, offset: behavior as f64 - delay as f64 }
    }

    #[test]
    fn folded_weights_answer_calibrated_logits_whatever_a_behavior_is_about() {
        let kinds = [("sniff", Kind::Directed), ("rear", Kind::OfSelf), ("huddle", Kind::Mutual)];
        let sets = vec![samples::label_set("A", &kinds), samples::label_set("B", &[("contact", Kind::Undirected)])];
        let (config, ethogram) = (samples::config(1, 1, 0.0), Ethogram::new(sets));
        let session = samples::session(0, &ethogram, &ethogram.cells(2), TICKS as u64);
        let variables = Variables::new(3);
        Network::new(&config.architecture, 3, &ethogram, 2, &variables.builder(&Device::Cpu)).unwrap();
        let logits = |weights: &HashMap<String, Tensor>| -> Vec<f32> {
            let vb = VarBuilder::from_tensors(weights.clone(), DType::F32, &Device::Cpu);
            let network = Network::new(&config.architecture, 3, &ethogram, 2, &vb).unwrap();
            let parts = Vocabulary(session.skeleton.keypoints().to_vec()).indices(&session.skeleton).unwrap();
            let wiring = Wiring::new(&session.skeleton, parts, 2, &ethogram, &Device::Cpu).unwrap();
            let mut inputs = InputsBuilder::new(2, 3);
            crops::inputs(&session, 0, TICKS, false, &mut inputs).unwrap();
            let inputs = inputs.finish(1, TICKS, &Device::Cpu).unwrap();
            network.forward(&inputs, &wiring, None).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        let mut weights = Weights::from(variables.tensors().unwrap());
        let before = logits(weights.tensors().unwrap());
        let all: Vec<Vec<LogitLine>> =
            (0..2).map(|delay| (0..4).map(|behavior| line(&calibration(delay, behavior))).collect()).collect();
        weights.calibrate(&ethogram, &all).unwrap();
        let cells = ethogram.cells(2);
        for (at, (before, after)) in before.iter().zip(logits(weights.tensors().unwrap())).enumerate() {
            let (delay, cell) = (at / cells.len() % 2, at % cells.len());
            let Calibration { slope, offset } = calibration(delay, usize::from(cells[cell].behavior.0));
            let expected = slope * f64::from(*before) + offset;
            // Single precision.
            assert!(
                (f64::from(after) - expected).abs() < 1e-4,
                "delay {delay}, {:?}: {after}, {expected}",
                cells[cell]
            );
        }
        assert!(Weights::from(HashMap::new()).calibrate(&ethogram, &all).is_err(), "weights without heads");
    }

    #[test]
    fn what_is_seldom_seen_or_seldom_hit_is_unfit_for_triggering() {
        let ethogram = Ethogram::new(vec![samples::label_set("A", &[("contact", Kind::Undirected)])]);
        let session = samples::session(0, &ethogram, &ethogram.cells(2), 3000);
        let advice = |score: f32, bouts_min: usize| {
            // The only bout runs from tick 10 to 40.
            let scores = (0..3000).map(|tick| if (10..40).contains(&tick) { score } else { 0.1 }).collect();
            let scores = [SessionScores { scores, delays: 1, cells: 1 }];
            let (sessions, delays) = (std::slice::from_ref(&session), &[DelayTicks(0)]);
            let validation = Validation { sessions, ethogram: &ethogram, delays, bouts_min };
            advise(validation, &scores, 0, Behavior(0)).card
        };
        let found = advice(0.9, 1);
        assert_eq!((found.unfit, found.choices[0].hits, found.choices[0].false_per_hour), (None, 1, 0.0));
        assert!(advice(0.9, 2).unfit.unwrap().contains("1 bouts on validation, expected at least 2"));
        assert!(advice(0.05, 1).unfit.unwrap().contains("hits 0 of 1 bouts"));
    }
}
