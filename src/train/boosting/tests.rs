use tempfile::tempdir;

use super::table::Label;
use super::*;
use crate::behavior::{Behavior, Ethogram, Kind};
use crate::buffer::ring::TickRing;
use crate::features::Extractor;
use crate::model::Model;
use crate::model::blueprint::SystemName;
use crate::model::device::device;
use crate::model::inputs::InputsBuilder;
use crate::model::wiring::Vocabulary;
use crate::time::DelayTicks;
use crate::train::samples;
use crate::train::validate::{self, Answering, Quality};

const DELAYS: [DelayTicks; 2] = [DelayTicks(0), DelayTicks(15)];

fn ethogram() -> Ethogram {
    let kinds = [("attack", Kind::Directed), ("huddle", Kind::Mutual), ("rear", Kind::OfSelf)];
    Ethogram::new(vec![samples::label_set("A", &kinds), samples::label_set("B", &[("contact", Kind::Undirected)])])
}

fn vocabulary(session: &crate::corpus::session::Session) -> Vocabulary {
    Vocabulary(session.skeleton.keypoints().to_vec())
}

fn table(session: &crate::corpus::session::Session, ethogram: &Ethogram, reading: Reading, rows_max: usize) -> Table {
    Table::sample(std::slice::from_ref(session), ethogram, &DELAYS, &vocabulary(session), reading, rows_max, 3).unwrap()
}

#[test]
fn rows_are_the_features_of_their_ticks_and_labels_those_of_the_delay_before() {
    let ethogram = ethogram();
    let session = samples::session(0, &ethogram, &ethogram.cells(2), 120);
    let all = table(&session, &ethogram, Reading::Rich, usize::MAX);
    assert_eq!((all.of_pairs.rows(), all.of_selves.rows()), (240, 240));
    // The last tick, by an extractor of its own.
    let (mut ring, mut extractor) = (TickRing::new(6), Extractor::new(session.skeleton.clone(), 2, true));
    let mut builder = InputsBuilder::new(2, 3);
    for points in session.stretch(0, 120).unwrap().chunks_exact(6) {
        ring.push(points);
        builder.push(extractor.advance(&ring));
    }
    let inputs = builder.finish(1, 120, &device()).unwrap();
    let rows = crate::model::forest::rows::Rows::of(&inputs, &[0, 1, 2], Reading::Rich, 3).unwrap();
    assert_eq!(all.of_pairs.values, rows.of_pairs);
    // The bout of the first cell (a attacks b) goes from tick 10 to 40; b attacks a from 30 to 60.
    let attack = Behavior(0);
    let labels = |order: usize, delay: usize| -> Vec<Label> {
        (0..120).map(|tick| all.of_pairs.label(2 * tick + order, delay, attack)).collect()
    };
    let truth = |ticks: std::ops::Range<usize>, delay: usize| -> Vec<Label> {
        let label = |tick: usize| match tick.checked_sub(delay) {
            None => Label::Unknown,
            Some(about) if ticks.contains(&about) => Label::True,
            Some(_) => Label::False,
        };
        (0..120).map(label).collect()
    };
    assert_eq!(labels(0, 0), truth(10..40, 0));
    assert_eq!(labels(1, 1), truth(30..60, 15));
    assert!(
        (0..240).all(|row| all.of_pairs.label(row, 0, Behavior(2)) == Label::NeverAsked),
        "rearing is of one animal"
    );
    let few = table(&session, &ethogram, Reading::Rich, 50);
    assert!((40..=50).contains(&few.of_pairs.rows()), "{}", few.of_pairs.rows());
}

#[test]
fn what_nobody_looked_for_is_no_negative_of_its_own_booster() {
    let ethogram = ethogram();
    // Only the attacks of a on b were looked for, and contact.
    let mut cells = ethogram.cells(2);
    cells.retain(|cell| cell.behavior != Behavior(1) && cell.behavior != Behavior(2));
    cells.remove(1);
    let session = samples::session(0, &ethogram, &cells, 100);
    let rich = table(&session, &ethogram, Reading::Rich, usize::MAX);
    let job =
        |behavior: u16| Job { delay: 0, of_self: false, behaviors: vec![Behavior(behavior)], is_multiclass: false };
    let attacks = Labels::of(&job(0), &rich);
    assert_eq!((attacks.rows.len(), attacks.positives.as_slice()), (100, &[30][..]));
    assert!(attacks.rows.iter().all(|row| row % 2 == 0), "rows of the other order");
    assert_eq!(Labels::of(&job(1), &rich), Labels { positives: vec![0], ..Labels::default() });
    assert_eq!(Labels::of(&job(1), &rich).log_odds(8.0), [-8.0]);
    // Of a label set together: what was never asked in this recording does not matter.
    let together = Job { behaviors: vec![Behavior(0), Behavior(1)], is_multiclass: true, ..job(0) };
    assert_eq!(Labels::of(&together, &rich).rows.len(), 100);
    let late = Job { delay: 1, ..together };
    assert_eq!(Labels::of(&late, &rich).rows.len(), 85, "the first 15 ticks have nothing to speak about");
}

#[test]
fn every_behavior_and_delay_has_its_job() {
    let ethogram = ethogram();
    let names = |reading| -> Vec<String> {
        all_jobs(reading, &ethogram).iter().map(|job| job.name(&ethogram, &DELAYS)).collect()
    };
    assert_eq!(names(Reading::Rich)[..5], ["A.attack@0", "A.huddle@0", "A.rear@0", "B.contact@0", "A.attack@15"]);
    assert_eq!(names(Reading::Basic)[..4], ["A.pairs@0", "A.animals@0", "B.pairs@0", "A.pairs@15"]);
}

fn all_jobs(reading: Reading, ethogram: &Ethogram) -> Vec<Job> {
    jobs::all(reading, ethogram, &DELAYS)
}

fn material(ethogram: &Ethogram) -> Material {
    let session = || samples::session(0, ethogram, &ethogram.cells(2), 600);
    samples::material(vec![session()], vec![session()], ethogram.clone())
}

fn config(system: SystemName, threads: u32, seed: u64) -> TrainConfig {
    let mut config = samples::config(1, threads, 0.0);
    config.choose(system);
    config.delays_ticks = DELAYS.to_vec();
    config.bouts_min = 1;
    config.schedule.seed = seed;
    config.boosting.rounds = 20;
    config.boosting.child_weight_min = 1.0;
    config.boosting.columns_share = 0.5;
    config
}

#[test]
fn trees_learn_what_is_shown_and_depend_on_the_seed_alone() {
    let ethogram = ethogram();
    let material = material(&ethogram);
    for system in [SystemName::Xgboost, SystemName::XgboostPerBehavior] {
        let directory = tempdir().unwrap();
        let hash = |threads, seed| {
            let out = directory.path().join(format!("{threads}-{seed}"));
            train(&material, &config(system, threads, seed), &out, &AtomicBool::new(false)).unwrap();
            let model = Model::load(&out).unwrap();
            let scores = validate::scores(Answering::of(&model), &material.validation, 1).unwrap();
            // They were trained on what they are asked here; classes that exclude each other miss what happens at once.
            let quality = Quality::of(&material.validation, &scores, &ethogram, &DELAYS);
            assert!(quality.mean > 0.75, "{system}: {quality:?}");
            assert!(out.join(finish::REPORT_FILE).exists());
            model.card().weights_hash.clone()
        };
        let first = hash(1, 1);
        assert_eq!(first, hash(2, 1), "{system}");
        assert_ne!(first, hash(1, 2), "{system}");
    }
}

#[test]
fn an_interrupted_training_writes_nothing() {
    let ethogram = ethogram();
    let (directory, stop) = (tempdir().unwrap(), AtomicBool::new(true));
    let out = directory.path().join("model");
    let result = train(&material(&ethogram), &config(SystemName::Xgboost, 1, 1), &out, &stop);
    assert!(result.unwrap_err().to_string().contains("interrupted"));
    assert!(!out.exists());
}
