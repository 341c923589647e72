//! The report of a model on annotated recordings, as the value that [`crate::report`] makes a page of.
//!
//! A training run is measured on the recordings that its thresholds were fitted to; [`of_split`] measures a finished
//! model on any others, by the rules of its card: nothing is fitted there. Both decode as live, but for two things: a
//! cell that nobody looked for in a recording has no score and takes no part, and the last ticks of a recording, about
//! which a longer delay would speak after its end, are not measured.

mod behaviors;
mod compared;
mod confusion;
mod mistakes;

use std::ops::Range;

use self::behaviors::{Curve, amount};
use self::compared::Compared;
use super::checkpoint::EpochLog;
use super::fit::Fitted;
use super::rules::SessionScores;
use super::validate::{self, Answering};
use crate::behavior::{BehaviorSpec, Ethogram};
use crate::corpus::session::Session;
use crate::corpus::spans;
use crate::model::Model;
use crate::model::bundle::Card;
use crate::output::decoder::DecodeRule;
use crate::report::{
    Amount, BehaviorReport, Epoch, Estimate, Fitness, Head, History, Part, Raster, RasterRow, Report, Summary,
};
use crate::score::interval::{self, RecordingTallies};
use crate::score::{Tally, macro_f1};
use crate::time::{DelayTicks, TICK_RATE_HZ, Tick};
use crate::words::counted;

/// Draws of the bootstrap.
const RESAMPLES: usize = 1000;

/// With fewer recordings intervals are too narrow, see [`interval`].
const RECORDINGS_MIN: usize = 10;

/// Recordings with what a model answers to them, and the rules by which it tells bouts.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    pub card: &'a Card,
    pub ethogram: &'a Ethogram,
    /// Those of the card, by delay and behavior.
    pub rules: &'a [Vec<DecodeRule>],
    pub part: Part,
    pub sessions: &'a [Session],
    /// Of each session, by the weights of the model: calibrated where it is.
    pub scores: &'a [SessionScores],
}

impl Measured<'_> {
    fn delays(&self) -> &[DelayTicks] {
        &self.card.delays_ticks
    }
}

/// The report of a run on the recordings that validate it. The curves are those that were fitted.
pub fn of_training(validation: Measured<'_>, train: &[Session], epochs: &[EpochLog], fitted: &Fitted) -> Report {
    let curves = fitted.calibrations.iter().zip(&fitted.triggers).map(|(calibrations, triggers)| {
        calibrations.iter().zip(triggers).map(|(calibration, trigger)| Curve::of_fit(calibration, trigger)).collect()
    });
    let amounts: Vec<Amount> = validation.ethogram.behaviors().map(|(behavior, ..)| amount(train, behavior)).collect();
    let mut report = measure(validation, &amounts, &curves.collect::<Vec<_>>());
    report.epochs = of_epochs(epochs);
    report
}

/// The report of a finished model on recordings of a split.
///
/// # Errors
/// A skeleton that the model does not know, and a system that fails.
pub fn of_model(model: &Model, part: Part, sessions: &[Session], threads: usize) -> anyhow::Result<Report> {
    let (card, ethogram) = (model.card(), model.ethogram());
    let scores = validate::scores(Answering::of(model), sessions, threads)?;
    Ok(of_split(Measured { card, ethogram, rules: model.rules(), part, sessions, scores: &scores }))
}

/// The same of scores that are known. Thresholds, calibration and triggers are those of the card.
pub fn of_split(measured: Measured<'_>) -> Report {
    let unknown = vec![Amount::default(); measured.ethogram.behavior_count()];
    let mut report = measure(measured, &unknown, &Curve::all(measured));
    let seen = match measured.part {
        Part::Train => Some("The model was trained on these recordings: all that is measured here flatters it."),
        Part::Validation => Some("Thresholds, calibration and triggers were fitted to these recordings."),
        Part::Test => None,
    };
    report.summary.warnings.extend(seen.map(str::to_owned));
    report
}

/// All that does not depend on how the model came about. `train` by behavior, `curves` by delay and behavior.
fn measure(measured: Measured<'_>, train: &[Amount], curves: &[Vec<Curve>]) -> Report {
    let compared: Vec<Compared> = measured
        .sessions
        .iter()
        .zip(measured.scores)
        .map(|(session, scored)| Compared::new(measured, session, scored))
        .collect();
    let behaviors: Vec<BehaviorReport> = measured
        .ethogram
        .behaviors()
        .zip(train)
        .map(|((behavior, ..), train)| behaviors::report(measured, &compared, *train, curves, behavior))
        .collect();
    Report {
        part: measured.part,
        head: head(measured),
        summary: summary(measured, &compared, &behaviors),
        epochs: Vec::new(),
        behaviors,
        history_delay: None,
        history: history(measured.card),
        confusions: confusion::all(measured, &compared),
        rasters: compared.iter().map(|compared| raster(measured, compared)).collect(),
        mistakes: mistakes::worst(measured, &compared),
    }
}

fn head(measured: Measured<'_>) -> Head {
    let Card { name, provenance, weights_hash, label_sets, delays_ticks, .. } = measured.card;
    let tested = measured.sessions.iter().filter(|_| measured.part == Part::Test);
    Head {
        model: name.clone(),
        corpus: provenance.corpus.clone(),
        source: provenance.source.clone(),
        trained: provenance.train_recordings.clone(),
        validated: provenance.validation_recordings.clone(),
        tested: tested.map(|session| session.name.clone()).collect(),
        seed: Some(provenance.seed),
        best_epoch: Some(provenance.epochs),
        software: provenance.software.clone(),
        weights_hash: weights_hash.clone(),
        label_sets: label_sets.iter().map(|set| set.name.clone()).collect(),
        delays: delays_ticks.clone(),
    }
}

fn of_epochs(epochs: &[EpochLog]) -> Vec<Epoch> {
    let epoch = |log: &EpochLog| Epoch {
        number: log.number,
        loss: Some(log.loss),
        learning_rate: Some(log.learning_rate),
        gradient_norm: Some(log.gradient_norm),
        validation_f1: log.validation_f1.iter().map(|f1| Some(*f1)).collect(),
    };
    epochs.iter().map(epoch).collect()
}

/// A delay as long as the history has nothing to speak about yet.
fn history(card: &Card) -> Vec<History> {
    let reliability = card.warm_up.iter().flat_map(|warm_up| &warm_up.reliability);
    let history = |reliability: &crate::model::bundle::Reliability| {
        let by_delay = card.delays_ticks.iter().zip(&reliability.f1);
        History {
            secs: Tick(reliability.history_ticks.into()).secs(),
            f1: by_delay.map(|(delay, f1)| (reliability.history_ticks > delay.0).then_some(*f1)).collect(),
        }
    };
    reliability.map(history).collect()
}

fn summary(measured: Measured<'_>, compared: &[Compared], behaviors: &[BehaviorReport]) -> Summary {
    let seed = measured.card.provenance.seed;
    let estimates: Vec<Estimate> =
        (0..measured.delays().len()).map(|delay| lab_averaged(measured, compared, delay, seed)).collect();
    let has_intervals = estimates.iter().any(|estimate| estimate.interval.is_some());
    let recordings = counted(compared.len() as u64, "recording");
    let interval = format!("95% of {RESAMPLES} bootstraps over {recordings}, drawn by seed {seed}");
    Summary {
        measured: estimates,
        test: Vec::new(),
        interval: if has_intervals { interval } else { String::new() },
        warnings: warnings(measured, behaviors),
    }
}

/// The mean over label sets that somebody looked for of the mean frame F1 of their behaviors, and where it may lie.
fn lab_averaged(measured: Measured<'_>, compared: &[Compared], delay: usize, seed: u64) -> Estimate {
    let ethogram = measured.ethogram;
    let of_sets: Vec<usize> = ethogram.label_sets().iter().map(|set| set.behaviors.len()).collect();
    let recordings: Vec<RecordingTallies> = compared
        .iter()
        .map(|compared| RecordingTallies {
            tallies: ethogram.behaviors().map(|(behavior, ..)| compared.tally(delay, behavior)).collect(),
            asked: (0..of_sets.len()).map(|set| compared.session.has_set(ethogram, set)).collect(),
        })
        .collect();
    match interval::of_one(&recordings, &of_sets, RESAMPLES, seed) {
        Ok(interval) => Estimate { value: Some(interval.estimate), interval: Some([interval.lower, interval.upper]) },
        // One recording alone, or none.
        Err(_) => Estimate { value: recordings.first().map(|one| f1_of_one(one, &of_sets)), interval: None },
    }
}

fn f1_of_one(recording: &RecordingTallies, of_sets: &[usize]) -> f64 {
    let mut rest: &[Tally] = &recording.tallies;
    let mut asked = Vec::new();
    for (&behaviors, &is_asked) in of_sets.iter().zip(&recording.asked) {
        let (of_set, others) = rest.split_at(behaviors);
        rest = others;
        if is_asked {
            asked.push(macro_f1(of_set));
        }
    }
    asked.iter().sum::<f64>() / asked.len().max(1) as f64
}

fn warnings(measured: Measured<'_>, behaviors: &[BehaviorReport]) -> Vec<String> {
    let part = measured.part.name();
    let mut warnings = Vec::new();
    let recordings = measured.sessions.len();
    if recordings < RECORDINGS_MIN {
        let got = counted(recordings as u64, "recording");
        warnings.push(format!("Only {got} of {part}, fewer than {RECORDINGS_MIN}: the intervals are too narrow."));
    }
    for (behavior, (index, set, spec)) in behaviors.iter().zip(measured.ethogram.behaviors()) {
        let name = format!("{} {}", measured.ethogram.label_sets()[set].name, spec.name);
        let of_delays = measured.rules.iter().map(|rules| rules[usize::from(index.0)]);
        let silent: Vec<String> = of_delays
            .zip(measured.delays())
            .filter(|(rule, _)| rule.on > 1.0)
            .map(|(_, delay)| format!("{:.1} s", Tick(delay.0.into()).secs()))
            .collect();
        let bouts = counted(behavior.measured.bouts.unwrap_or(0), "bout");
        if silent.len() == measured.delays().len() {
            warnings.push(format!("{name} is never told: {bouts} in {part}."));
        } else if !silent.is_empty() {
            warnings.push(format!("{name} is never told at a delay of {}: {bouts} in {part}.", silent.join(", ")));
        }
        if let Fitness::Unfit(reason) = &behavior.fitness {
            warnings.push(format!("{name} is unfit for triggering: {reason}."));
        }
        let unfitted = (0..measured.delays().len())
            .find_map(|delay| behaviors::calibrated(measured, delay, index)?.unfitted.as_ref());
        if let Some(reason) = unfitted {
            warnings.push(format!("Scores of {name} are no probabilities: {reason}."));
        }
    }
    warnings
}

/// A recording at the longest delay: all animals or pairs of a behavior in one row.
fn raster(measured: Measured<'_>, compared: &Compared) -> Raster {
    let session = compared.session;
    let ticks = session.ticks as u64;
    let secs = |ranges: Vec<Range<u64>>| -> Vec<[f64; 2]> {
        ranges.into_iter().map(|range| [range.start, range.end].map(|tick| Tick(tick).secs())).collect()
    };
    let longest = measured.delays().len().saturating_sub(1);
    let behaviors = measured.ethogram.behaviors().filter(|(behavior, ..)| compared.cells(*behavior).next().is_some());
    let row = |(behavior, set, spec): (_, usize, &BehaviorSpec)| {
        let all =
            |of: &[Vec<Range<u64>>]| spans::union(compared.cells(behavior).flat_map(|cell| of[cell].clone()).collect());
        RasterRow {
            label_set: measured.ethogram.label_sets()[set].name.clone(),
            behavior: spec.name.clone(),
            truth: secs(all(&compared.truth)),
            predicted: compared.told.get(longest).map_or_else(Vec::new, |told| secs(all(told))),
            unscored: secs(spans::difference(std::slice::from_ref(&(0..ticks)), &all(&compared.labelled))),
        }
    };
    Raster {
        recording: session.name.clone(),
        part: measured.part,
        delay: measured.delays().last().copied().unwrap_or(DelayTicks(0)),
        secs: Some(ticks as f64 / TICK_RATE_HZ),
        rows: behaviors.map(row).collect(),
    }
}

#[cfg(test)]
mod tests;
