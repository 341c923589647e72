use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::*;
use crate::behavior::{Behavior, Bout, Cell, Kind};
use crate::corpus::{Annotated, Recording, SetLabels};
use crate::model::Model;
use crate::model::bundle::{Provenance, Reliability, WarmUp};
use crate::model::network::Network;
use crate::model::variables::Variables;
use crate::model::wiring::Vocabulary;
use crate::poses::{Frame, Keypoint};
use crate::report::html;
use crate::stream::{Origin, StreamDescription};
use crate::train::checkpoint::EpochLog;
use crate::train::finish::by_behavior;
use crate::train::fit::{self, Validation};
use crate::train::samples;

const TICKS: u64 = 300;
const DELAYS: [DelayTicks; 2] = [DelayTicks(0), DelayTicks(15)];
const HOSTILE: &str = "<script>alert(1)</script>\u{202e}&\"";

/// Places of cells: attack of either by the other, contact of both, rear of either.
const ATTACK: usize = 0;
const CONTACT: usize = 2;
const REARS: [usize; 2] = [3, 4];

fn ethogram() -> Ethogram {
    let behaviors = [("attack", Kind::Directed), ("contact", Kind::Undirected), ("rear", Kind::OfSelf)];
    Ethogram::new(vec![samples::label_set("Lab", &behaviors)])
}

/// Two animals that walk side by side, with bouts of cells by their places.
fn session(name: &str, happened: &[(usize, Range<u64>)]) -> Session {
    let names = vec![HOSTILE.to_owned(), "b".to_owned()];
    let stream =
        StreamDescription::new(samples::skeleton(0), names, TICK_RATE_HZ, 100.0, None, Origin::Simulated).unwrap();
    let frame = |number: u64| {
        let point = |slot: u16| {
            let (along, across) = (number as f32 + 30.0 * f32::from(slot % 3), 100.0 + 60.0 * f32::from(slot / 3));
            Keypoint::observed(along + 1.0, across + (number as f32 / 7.0).sin(), 1.0, 0.0)
        };
        Frame { number, capture_nanos: None, keypoints: (0..6).map(point).collect() }
    };
    let frames = (0..TICKS).map(frame).collect();
    let recording = Recording { name: name.to_owned(), stream, frames, video_start_nanos: None };
    let annotated = ethogram().cells(2);
    let bout =
        |(cell, range): &(usize, Range<u64>)| Bout { cell: annotated[*cell], start: range.start, stop: range.end };
    let bouts = happened.iter().map(bout).collect();
    let labels = vec![SetLabels { scored: std::iter::once(0..TICKS).collect(), annotated, bouts }];
    let annotated = Annotated { recording, labels, numbers: vec![1, 2], repairs: Vec::new() };
    Session::new(&annotated, &ethogram()).unwrap()
}

/// 0.9 over these stretches of cells, 0.1 elsewhere, at every delay about the same ticks.
fn scores(session: &Session, high: &[(usize, Range<u64>)]) -> SessionScores {
    let score = |tick: u64, delay: DelayTicks, cell: usize| {
        let about = tick.checked_sub(delay.0.into());
        let is_high = high.iter().any(|(of, range)| *of == cell && about.is_some_and(|about| range.contains(&about)));
        if is_high { 0.9 } else { 0.1 }
    };
    let cells = session.cells.len();
    let rows = (0..TICKS).flat_map(|tick| DELAYS.into_iter().map(move |delay| (tick, delay)));
    let scores = rows.flat_map(|(tick, delay)| (0..cells).map(move |cell| score(tick, delay, cell))).collect();
    SessionScores { scores, delays: DELAYS.len(), cells }
}

fn rule(on: f32) -> DecodeRule {
    DecodeRule { on, off: on, duration_ticks_min: 1, gap_ticks_max: 0 }
}

fn rules(on: f32) -> Vec<Vec<DecodeRule>> {
    vec![vec![rule(on); 3]; DELAYS.len()]
}

fn card(rules: &[Vec<DecodeRule>]) -> Card {
    let vocabulary = Vocabulary(samples::skeleton(0).keypoints().to_vec());
    let card = samples::card(&samples::config(1, 1, 0.0), &ethogram(), &vocabulary);
    assert_eq!(card.delays_ticks, DELAYS);
    let validated = vec!["one".into(), "two".into()];
    let provenance = Provenance { validation_recordings: validated, seed: 3, ..card.provenance.clone() };
    Card { rules: by_behavior(&ethogram(), rules, |rule| *rule), provenance, ..card }
}

fn weights() -> HashMap<String, Tensor> {
    let (variables, card) = (Variables::new(5), card(&rules(0.5)));
    let vb = variables.builder(&Device::Cpu);
    Network::new(&card.architecture, card.vocabulary.0.len(), &ethogram(), DELAYS.len(), &vb).unwrap();
    variables.tensors().unwrap()
}

/// Of frames: those of both, those told, those annotated.
fn f1([hits, told, annotated]: [u64; 3]) -> f64 {
    2.0 * hits as f64 / (told + annotated) as f64
}

#[test]
fn what_is_told_is_counted_as_by_hand() {
    let [rear, other_rear] = REARS;
    let happened = [(ATTACK, 10..40), (other_rear, 20..60), (rear, 100..140), (CONTACT, 280..300)];
    let sessions = [session("one", &happened)];
    let scores = [scores(&sessions[0], &[(rear, 110..150), (other_rear, 200..220), (CONTACT, 280..300)])];
    let (card, ethogram, rules) = (card(&rules(0.5)), ethogram(), rules(0.5));
    let part = Part::Test;
    let report = of_split(Measured {
        card: &card,
        ethogram: &ethogram,
        rules: &rules,
        part,
        sessions: &sessions,
        scores: &scores,
    });

    // At the longer delay nothing has been said about the last 15 ticks.
    for (delay, contact_ticks) in [20, 5].into_iter().enumerate() {
        let at = |behavior: usize| &report.behaviors[behavior].delays[delay];
        let rear_f1 = f1([30, 40 + 20, 40 + 40]);
        assert_eq!([0, 1, 2].map(|behavior| at(behavior).f1), [Some(0.0), Some(1.0), Some(rear_f1)]);
        assert_eq!((at(2).precision, at(2).recall), (Some(30.0 / 60.0), Some(30.0 / 80.0)));
        assert_eq!((at(0).precision, at(0).recall), (None, Some(0.0)));
        // 30 of 60 high scores are right; the low ones find the rest among all.
        let ticks = 2.0 * (300.0 - 15.0 * delay as f64);
        let average = 30.0 / 80.0 * 0.5 + 50.0 / 80.0 * 80.0 / ticks;
        assert!((at(2).average_precision.unwrap() - average).abs() < 1e-12);
        let Estimate { value, interval } = report.summary.measured[delay];
        assert!((value.unwrap() - (1.0 + rear_f1) / 3.0).abs() < 1e-12, "{value:?}");
        assert_eq!(interval, None, "one recording alone has none");

        // Both orders of the pair, and either animal.
        let ticks = &report.confusions[delay].ticks;
        let total: u64 = ticks.iter().flatten().sum();
        assert_eq!(total, 4 * (300 - 15 * delay as u64));
        assert_eq!((ticks[0][3], ticks[1][1]), (30, 2 * contact_ticks));
        assert_eq!((ticks[2][2], ticks[3][2], ticks[2][3]), (30, 10 + 20, 10 + 40));
    }
    assert_eq!(report.behaviors[2].measured.bouts, Some(2));
    assert!((report.behaviors[2].measured.minutes.unwrap() - 80.0 / 1800.0).abs() < 1e-12);

    // The missed attack, the missed rear and the one that was made up; what is found in part is no mistake here.
    let said: Vec<(&str, bool)> =
        report.mistakes.iter().map(|one| (one.behavior.as_str(), one.said == "nothing")).collect();
    assert_eq!(said.len(), 3);
    assert!([("attack", true), ("rear", true), ("rear", false)].iter().all(|one| said.contains(one)), "{said:?}");
    let made = report.mistakes.iter().find(|one| one.said != "nothing").unwrap();
    assert_eq!((made.secs, made.poses.len(), made.scores.len()), (Some(200.0 / 30.0), 5, 85 + 120));
    assert_eq!((made.said.as_str(), made.annotated.as_str()), ("rear, b", "nothing"));

    let raster = &report.rasters[0].rows[2];
    assert_eq!(raster.predicted, [[110.0 / 30.0, 5.0], [200.0 / 30.0, 220.0 / 30.0]]);
    assert_eq!((raster.truth.len(), raster.unscored.len()), (2, 0));
    assert_eq!(report.head.tested, ["one"]);
}

#[test]
fn a_split_is_measured_by_the_thresholds_of_the_card() {
    let sessions = [session("one", &[(ATTACK, 10..40), (REARS[0], 50..90)]), session(HOSTILE, &[(REARS[1], 5..200)])];
    let measured = |rules: &[Vec<DecodeRule>]| {
        let model = Model::assemble(card(rules), weights(), "hash".into(), Path::new("untrained")).unwrap();
        of_model(&model, Part::Test, &sessions, 1).unwrap()
    };
    let told = |report: &Report| {
        report.rasters.iter().flat_map(|raster| &raster.rows).filter(|row| !row.predicted.is_empty()).count()
    };
    // Scores of random weights lie around a half.
    let [low, high] = [0.01, 0.999].map(|on| measured(&rules(on)));
    assert!(told(&low) > 0 && told(&high) == 0);
    let rear = |report: &Report| (report.behaviors[2].delays[1].threshold, report.behaviors[2].delays[1].f1);
    assert_eq!((rear(&low).0, rear(&high).0), (Some(f64::from(0.01_f32)), Some(f64::from(0.999_f32))));
    assert!(rear(&low).1 > rear(&high).1);

    // Whatever the network is worth, the page is complete, and no name breaks it.
    for report in [low, high] {
        let page = html(&report);
        assert!(page.ends_with("</html>\n") && page.matches("<section ").count() == 12);
        assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains("NaN"));
        assert!(page.contains("&lt;script&gt;alert(1)"));
        assert_eq!(report.summary.measured.iter().filter(|estimate| estimate.interval.is_some()).count(), 2);
        assert!(report.summary.interval.contains("2 recordings") && report.summary.interval.contains("seed 3"));
        assert_eq!(report.head.tested, ["one", HOSTILE]);
    }
    let never = measured(&[vec![DecodeRule::NEVER; 3], vec![DecodeRule::NEVER; 3]]);
    assert_eq!(rear(&never).0, Some(f64::INFINITY));
    assert!(
        never.summary.warnings.iter().any(|warning| warning.starts_with("Lab rear is never told: 1")
            || warning.starts_with("Lab rear is never told: 2"))
    );
}

#[test]
fn a_run_is_reported_as_it_was_fitted() {
    let rears =
        |first: u64| (0..6).map(|bout| (REARS[0], first + 40 * bout..first + 40 * bout + 15)).collect::<Vec<_>>();
    let sessions = [session("one", &rears(5)), session("two", &rears(12))];
    // One of the bouts is missed, one is found late, and something is made up.
    let high = [(REARS[0], 5..20), (REARS[0], 50..60), (REARS[0], 85..100), (REARS[1], 100..108)];
    let answers = vec![scores(&sessions[0], &high), scores(&sessions[1], &rears(12))];
    let ethogram = ethogram();
    let validation = Validation { sessions: &sessions, ethogram: &ethogram, delays: &DELAYS, bouts_min: 10 };
    let fitted = fit::fit(validation, answers, weights().into()).unwrap();
    let card = Card {
        calibration: by_behavior(&ethogram, &fitted.calibrations, |fit| fit.card.clone()),
        triggers: by_behavior(&ethogram, &fitted.triggers, |fit| fit.card.clone()),
        warm_up: Some(WarmUp {
            ticks: 512,
            reliability: [15, 512].map(|history_ticks| Reliability { history_ticks, f1: vec![0.25, 0.5] }).to_vec(),
        }),
        ..card(&fitted.rules)
    };
    let log = EpochLog { number: 1, loss: 0.5, gradient_norm: 2.0, learning_rate: 1e-3, validation_f1: vec![0.1, 0.2] };
    let (rules, scores) = (&fitted.rules, &fitted.scores);
    let part = Part::Validation;
    let measured = Measured { card: &card, ethogram: &ethogram, rules, part, sessions: &sessions, scores };
    let report = of_training(measured, &sessions[..1], &[log], &fitted);

    let rear = &report.behaviors[2];
    assert_eq!((rear.train.bouts, rear.measured.bouts, &rear.fitness), (Some(6), Some(12), &Fitness::Fit));
    // What a trigger of the card does here is what it was chosen for.
    for (delay, at) in rear.delays.iter().enumerate() {
        let choices = &fitted.triggers[delay][2].card.choices;
        let told: Vec<(u64, u64)> = choices.iter().map(|choice| (choice.hits, choice.bouts)).collect();
        let of_delay = rear.triggers.iter().filter(|trigger| trigger.delay == DELAYS[delay]);
        assert_eq!(of_delay.map(|trigger| (trigger.hits, trigger.bouts)).collect::<Vec<_>>(), told);
        assert!(!told.is_empty() && !at.trigger_curve.is_empty() && !at.before.bins.is_empty());
        assert!(at.trigger_curve.windows(2).all(|pair| pair[0].false_per_hour <= pair[1].false_per_hour));
        assert_eq!(at.threshold, Some(f64::from(fitted.rules[delay][2].on)));
    }
    // Raw scores measured from calibrated ones are those that were fitted.
    let again = of_split(measured);
    let error = |report: &Report| report.behaviors[2].delays[0].before.error.unwrap();
    assert!((error(&again) - error(&report)).abs() < 1e-4, "{} {}", error(&again), error(&report));
    assert_eq!(again.behaviors[2].delays[0].trigger_curve, rear.delays[0].trigger_curve);
    assert_eq!(again.behaviors[2].train, Amount::default());

    assert_eq!((report.epochs.len(), report.epochs[0].validation_f1.clone()), (1, vec![Some(0.1), Some(0.2)]));
    let history: Vec<(f64, Vec<Option<f64>>)> = report.history.iter().map(|one| (one.secs, one.f1.clone())).collect();
    // After 15 ticks a delay of 15 has said nothing.
    assert_eq!(history, [(0.5, vec![Some(0.25), None]), (512.0 / 30.0, vec![Some(0.25), Some(0.5)])]);
    let starts = ["Only 2 recordings of validation", "Lab attack is never told: 0 bouts", "Lab attack is unfit"];
    for start in starts {
        assert!(report.summary.warnings.iter().any(|warning| warning.starts_with(start)), "{start}");
    }
    assert!(html(&report).contains("Lab average by history"));
}

#[test]
fn behaviors_of_one_subject_at_once_count_as_the_first() {
    let sessions = [session("one", &[(CONTACT, 0..100), (ATTACK, 50..60)])];
    let scores = [scores(&sessions[0], &[(CONTACT, 0..100)])];
    let (card, ethogram, rules) = (card(&rules(0.5)), ethogram(), rules(0.5));
    let part = Part::Validation;
    let measured =
        Measured { card: &card, ethogram: &ethogram, rules: &rules, part, sessions: &sessions, scores: &scores };
    let ticks = &of_split(measured).confusions[0].ticks;
    assert_eq!((ticks[0][1], ticks[1][1]), (10, 90 + 100));
    assert_eq!(ethogram.find("Lab", "attack"), Some(Behavior(0)));
    assert_eq!(sessions[0].cells[ATTACK], Cell { behavior: Behavior(0), ..ethogram.cells(2)[ATTACK] });
}
