use std::collections::HashMap;

use candle_core::Tensor;

use super::super::config::TrainConfig;
use super::super::hard::HardBins;
use super::super::loss::ClassWeights;
use super::super::optimiser::Optimiser;
use super::super::samples::{self, config, label_set};
use super::super::standard::Standard;
use super::super::start::{self, Outline};
use super::super::step::Stepper;
use super::pace::Pace;
use super::*;
use crate::behavior::Kind;
use crate::model::device::device;
use crate::model::inputs::InputsBuilder;
use crate::model::ops::kernels::sigmoid;
use crate::model::variables::Variables;
use crate::model::wiring::{Vocabulary, Wiring};
use crate::time::DelayTicks;
use crate::train::crops;

const TICKS: usize = 160;

/// What the old model knows.
fn old() -> Ethogram {
    Ethogram::new(vec![label_set("Lab", &[("attack", Kind::Directed), ("rear", Kind::OfSelf)])])
}

/// What the new corpus labels.
fn new() -> Ethogram {
    Ethogram::new(vec![label_set("New", &[("chase", Kind::Directed)])])
}

#[test]
fn label_sets_of_one_name_are_one_and_others_are_appended() {
    let donor = Ethogram::new(vec![
        label_set("A", &[("attack", Kind::Directed), ("rear", Kind::OfSelf)]),
        label_set("B", &[("attack", Kind::Mutual)]),
    ]);
    let corpus = Ethogram::new(vec![
        label_set("C", &[("attack", Kind::OfSelf)]),
        label_set("A", &[("rear", Kind::OfSelf), ("chase", Kind::Directed)]),
    ]);
    let joined = Joined::new(&donor, &corpus).unwrap();
    let expected = [
        label_set("A", &[("attack", Kind::Directed), ("rear", Kind::OfSelf), ("chase", Kind::Directed)]),
        label_set("B", &[("attack", Kind::Mutual)]),
        label_set("C", &[("attack", Kind::OfSelf)]),
    ];
    assert_eq!(joined.ethogram.label_sets(), expected);
    assert_eq!(joined.of_corpus, [4, 1, 2].map(Behavior));
}

#[test]
fn a_behavior_of_two_kinds_is_refused_by_both_their_kinds() {
    let corpus = Ethogram::new(vec![label_set("Lab", &[("attack", Kind::Mutual)])]);
    let error = Joined::new(&old(), &corpus).unwrap_err().to_string();
    let expected = "label set \"Lab\": the model's \"attack\" is directed, that of the corpus mutual: expected the same \
                    kind, or a label set of another name";
    assert_eq!(error, expected);
}

#[test]
fn translated_columns_go_with_their_cells_in_the_joined_order() {
    let corpus = Ethogram::new(vec![
        label_set("C", &[("sniff", Kind::Directed)]),
        label_set("A", &[("rear", Kind::OfSelf), ("chase", Kind::Directed)]),
    ]);
    let donor = Ethogram::new(vec![label_set("A", &[("rear", Kind::OfSelf)])]);
    let joined = Joined::new(&donor, &corpus).unwrap();
    let before = samples::session(0, &corpus, &corpus.cells(2), TICKS as u64);
    let mut session = before.clone();
    joined::translate(&mut session, &joined.of_corpus);
    assert_eq!(session.cells, joined.ethogram.cells(2));
    for (behavior, set, spec) in corpus.behaviors() {
        let same = joined.ethogram.find(&corpus.label_sets()[set].name, &spec.name).unwrap();
        assert_eq!(session.bouts(same), before.bouts(behavior));
    }
    // Each cell has a bout of its own, by which its column is known.
    let onset = |session: &Session, cell: usize| {
        (0..TICKS).find(|tick| session.truth[tick * session.cells.len() + cell]).unwrap()
    };
    let onsets: Vec<usize> = (0..6).map(|cell| onset(&session, cell)).collect();
    assert_eq!(onsets, [50, 70, 90, 110, 10, 30]);
}

#[test]
fn a_behavior_that_nobody_looked_for_has_no_part_in_the_average() {
    let ethogram = Ethogram::new(vec![
        label_set("A", &[("x", Kind::OfSelf), ("y", Kind::OfSelf)]),
        label_set("B", &[("x", Kind::OfSelf)]),
        label_set("C", &[("x", Kind::OfSelf)]),
    ]);
    assert_eq!(lab_averaged(&[0.2, 0.0, 0.0, 0.8], &ethogram, &[true, false, false, true]), 0.5);
    assert_eq!(lab_averaged(&[0.2, 0.4, 0.1, 0.8], &ethogram, &[true; 4]), (0.3 + 0.1 + 0.8) / 3.0);
    assert_eq!(lab_averaged(&[0.0; 4], &ethogram, &[false; 4]), 0.0);
}

/// A network of some variables and what it is for.
struct Adapted {
    variables: Variables,
    vocabulary: Vocabulary,
    ethogram: Ethogram,
    delays: Vec<DelayTicks>,
    standard: Standard,
}

impl Adapted {
    /// A donor that never trained, but whose heads say much; adapted to another body and label set by some steps.
    fn by(steps: u32, config: &TrainConfig, sessions: &mut [Session]) -> (Self, HashMap<String, Tensor>, Optimiser) {
        let joined = Joined::new(&old(), &new()).unwrap();
        for session in sessions.iter_mut() {
            joined::translate(session, &joined.of_corpus);
        }
        let (donor, known) = (Variables::new(5), Vocabulary(["nose", "spine", "tail"].map(str::to_owned).to_vec()));
        let delays = config.delays_ticks.clone();
        let vb = donor.builder(&device());
        crate::model::network::Network::new(&config.architecture, 3, &old(), delays.len(), &vb).unwrap();
        let loud = |(name, value): (String, Tensor)| {
            let is_last = name == "heads.of_pairs.weight" || name == "heads.of_selves.weight";
            (name, if is_last { (value * 40.0).unwrap() } else { value })
        };
        let weights: HashMap<String, Tensor> = donor.tensors().unwrap().into_iter().map(loud).collect();
        let donor = Donor { card: samples::card(config, &old(), &known), weights };

        let vocabulary = start::vocabulary(&known, samples::skeleton(1).keypoints());
        let standard = Standard::measure(sessions, &config.architecture).unwrap();
        let adapted = Self { variables: Variables::new(6), vocabulary, ethogram: joined.ethogram, delays, standard };
        let (variables, ethogram) = (&adapted.variables, &adapted.ethogram);
        let mut stepper = {
            let standard = adapted.standard.clone();
            Stepper::new(config, sessions, ethogram, &adapted.vocabulary, variables, 0.1, standard).unwrap()
        };
        let outline = Outline { vocabulary: &adapted.vocabulary, ethogram, delays: &adapted.delays };
        start::adopt(variables, outline, &donor, &start::log_odds(sessions, ethogram)).unwrap();
        adapted.standard.unfold(variables).unwrap();
        stepper.retain(&donor.behaviors(ethogram), &adapted.vocabulary, variables).unwrap();
        let before = variables.tensors().unwrap();
        let pace = Pace::of(variables, known.0.len(), config);
        let mut optimiser = Optimiser::new(variables, config.optimiser.clone(), 100).unwrap();
        let (mut class_weights, mut hard) = (ClassWeights::new(sessions, ethogram), HardBins::default());
        for step in 0..steps {
            let (_, gradients) = stepper.gradients(step, &mut class_weights, &mut hard).unwrap();
            optimiser.step(gradients, &pace.factors(step)).unwrap();
        }
        drop(stepper);
        (adapted, before, optimiser)
    }

    /// What the network says with these weights about the old behaviors in a session: probabilities.
    fn says(&self, weights: &HashMap<String, Tensor>, config: &TrainConfig, session: &Session) -> Vec<f32> {
        let vb = candle_nn::VarBuilder::from_tensors(weights.clone(), candle_core::DType::F32, &device());
        let (parts, delays) = (self.vocabulary.0.len(), self.delays.len());
        let network =
            crate::model::network::Network::new(&config.architecture, parts, &self.ethogram, delays, &vb).unwrap();
        let cells: Vec<_> = self.ethogram.cells(2).into_iter().filter(|cell| cell.behavior.0 < 2).collect();
        let parts = self.vocabulary.indices(&session.skeleton).unwrap();
        let wiring = Wiring::of_cells(&session.skeleton, parts, 2, &self.ethogram, &cells, &device()).unwrap();
        let mut inputs = InputsBuilder::new(2, session.skeleton.keypoints().len());
        crops::inputs(session, 0, TICKS, false, &mut inputs).unwrap();
        let inputs = self.standard.apply(inputs.finish(1, TICKS, &device()).unwrap()).unwrap();
        let logits = network.forward(&inputs, &wiring, None).unwrap();
        logits.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(sigmoid).collect()
    }
}

fn corpus() -> Vec<Session> {
    vec![samples::session(1, &new(), &new().cells(2), TICKS as u64)]
}

/// How far probabilities lie apart in the mean.
fn drift(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / a.len() as f64
}

#[test]
fn retention_keeps_what_nobody_labels_where_a_training_without_it_drifts() {
    let drift_by = |retention: f64| {
        let mut config = config(1, 1, 0.0);
        config.adaptation.heads_epochs = 0;
        config.adaptation.backbone_rate = 1.0;
        config.adaptation.retention = retention;
        (config.optimiser.learning_rate, config.optimiser.warmup_steps) = (4e-3, 4);
        let mut sessions = corpus();
        let (adapted, before, _) = Adapted::by(30, &config, &mut sessions);
        let after = adapted.variables.tensors().unwrap();
        let [before, after] = [before, after].map(|weights| adapted.says(&weights, &config, &sessions[0]));
        let mean = before.iter().sum::<f32>() / before.len() as f32;
        let spread = before.iter().map(|p| (p - mean).abs()).sum::<f32>() / before.len() as f32;
        assert!(spread > 0.1, "{spread}: the model says something that can be forgotten");
        drift(&before, &after)
    };
    let (with, without) = (drift_by(1.0), drift_by(0.0));
    println!("drift {with:.4} with retention, {without:.4} without");
    assert!(with < 0.06 && without > 2.0 * with, "{with} with retention, {without} without");
}

#[test]
fn while_the_heads_learn_the_rest_is_bit_for_bit_the_donors() {
    let mut config = config(1, 1, 0.2);
    config.schedule.steps_per_epoch = 2;
    let mut sessions = corpus();
    let (adapted, before, optimiser) = Adapted::by(4, &config, &mut sessions);
    let (now, averages) = (adapted.variables.tensors().unwrap(), optimiser.averages().unwrap());
    let values = |tensors: &HashMap<String, Tensor>, name: &str| -> Vec<f32> {
        tensors[name].flatten_all().unwrap().to_vec1().unwrap()
    };
    for name in now.keys() {
        let [before, now, average] = [&before, &now, &averages].map(|tensors| values(tensors, name));
        if name.ends_with(start::PARTS) {
            // ear and tip are new.
            let known = 3 * config.architecture.hhstf().unwrap().node_channels;
            assert_eq!((&now[..known], &average[..known]), (&before[..known], &before[..known]));
            assert!(now[known..].iter().zip(&before[known..]).all(|(now, before)| now != before));
        } else if name.starts_with("heads.") {
            assert_ne!(now, before, "{name}");
        } else {
            assert_eq!((&now, &average), (&before, &before), "{name}");
        }
    }
    let (adapted, before, _) = Adapted::by(5, &config, &mut corpus());
    let now = adapted.variables.tensors().unwrap();
    let moved = now.keys().filter(|name| values(&now, name) != values(&before, name)).count();
    assert_eq!(moved, now.len(), "then everything moves");
}
