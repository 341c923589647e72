use candle_core::Device;
use candle_nn::Init;

use super::*;
use crate::behavior::Kind;
use crate::train::samples::{self, label_set};

fn words(parts: &[&str]) -> Vocabulary {
    Vocabulary(parts.iter().map(|part| (*part).to_owned()).collect())
}

fn tensor(rows: &[[f32; 2]]) -> Tensor {
    Tensor::from_slice(rows.as_flattened(), (rows.len(), 2), &Device::Cpu).unwrap()
}

fn donor(ethogram: &Ethogram, parts: &[&str], weights: Vec<(&str, Tensor)>) -> Donor {
    let mut config = samples::config(1, 1, 0.0);
    config.delays_ticks = [0, 15].map(DelayTicks).to_vec();
    let card = samples::card(&config, ethogram, &words(parts));
    Donor { card, weights: weights.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

/// Variables of these names and shapes, all 0.
fn zeros(shapes: &[(&str, &[usize])]) -> Variables {
    let variables = Variables::new(1);
    let vb = variables.builder(&Device::Cpu);
    for (name, shape) in shapes {
        vb.get_with_hints(*shape, name, Init::Const(0.0)).unwrap();
    }
    variables
}

#[test]
fn what_both_have_is_taken_over_and_parts_go_by_their_meaning() {
    let ethogram = Ethogram::new(Vec::new());
    let variables = zeros(&[("graph.parts", &[3, 2]), ("backbone.w", &[2, 2]), ("heads.pair.weight", &[4, 2])]);
    let weights = vec![
        ("graph.parts", tensor(&[[1.0, 2.0], [3.0, 4.0]])),
        ("backbone.w", tensor(&[[5.0, 6.0], [7.0, 8.0]])),
        ("heads.pair.weight", tensor(&[[9.0, 9.0]])),
    ];
    let vocabulary = words(&["nose", "leftear", "tail"]);
    let outline = Outline { vocabulary: &vocabulary, ethogram: &ethogram, delays: &[DelayTicks(0)] };
    let adopted = adopt(&variables, outline, &donor(&ethogram, &["ear_left", "nose"], weights), &[]).unwrap();
    let expected = Adopted { variables: 1, of: 2, parts: 2, of_parts: 3, behaviors: 0, of_behaviors: 0 };
    assert_eq!(adopted, expected);
    let values = variables.tensors().unwrap();
    let of = |name: &str| values[name].to_vec2::<f32>().unwrap();
    assert_eq!(of("graph.parts"), [[3.0, 4.0], [1.0, 2.0], [0.0, 0.0]]);
    assert_eq!(of("backbone.w"), [[5.0, 6.0], [7.0, 8.0]]);
    assert_eq!(of("heads.pair.weight"), [[0.0, 0.0]; 4]);
}

#[test]
fn parts_are_the_donors_and_then_those_that_it_knows_by_no_name() {
    let more = ["leftear", "tail", "headpiece", "nose", "tailbase"].map(str::to_owned);
    let vocabulary = vocabulary(&words(&["nose", "ear_left"]), &more);
    assert_eq!(vocabulary, words(&["nose", "ear_left", "tail", "headpiece"]));
}

/// By the rows of `output_rows`: delay major, then behaviors of pairs or of single animals.
#[test]
fn rows_of_the_heads_go_by_name_where_counts_and_kinds_differ() {
    let theirs = Ethogram::new(vec![label_set("A", &[("attack", Kind::Directed), ("rear", Kind::OfSelf)])]);
    let ours = Ethogram::new(vec![
        label_set("B", &[("attack", Kind::Directed), ("dig", Kind::OfSelf)]),
        label_set("A", &[("contact", Kind::Mutual), ("rear", Kind::OfSelf), ("attack", Kind::Directed)]),
    ]);
    let names = ["heads.of_pairs.weight", "heads.of_pairs.bias", "heads.of_selves.weight", "heads.of_selves.bias"];
    // Two delays; the donor has one behavior of pairs and one of single animals.
    let bias = |values: [f32; 2]| Tensor::new(&values, &Device::Cpu).unwrap();
    let weights = vec![
        (names[0], tensor(&[[1.0, 2.0], [3.0, 4.0]])),
        (names[1], bias([0.1, 0.2])),
        (names[2], tensor(&[[5.0, 6.0], [7.0, 8.0]])),
        (names[3], bias([0.3, 0.4])),
    ];
    let variables = zeros(&[(names[0], &[6, 2]), (names[1], &[6]), (names[2], &[4, 2]), (names[3], &[4])]);
    let vocabulary = words(&["nose"]);
    let delays = [0, 15].map(DelayTicks);
    let outline = Outline { vocabulary: &vocabulary, ethogram: &ours, delays: &delays };
    // B attack, B dig, A contact, A rear, A attack; nobody labelled the contact.
    let log_odds = [Some(-1.0), Some(-2.0), None, Some(-3.0), Some(-4.0)];
    let adopted = adopt(&variables, outline, &donor(&theirs, &["nose"], weights), &log_odds).unwrap();
    assert_eq!((adopted.behaviors, adopted.of_behaviors, adopted.of), (2, 5, 0));
    let values = variables.tensors().unwrap();
    let [of_pairs, of_selves] = [names[0], names[2]].map(|name| values[name].to_vec2::<f32>().unwrap());
    let [pair_biases, self_biases] = [names[1], names[3]].map(|name| values[name].to_vec1::<f32>().unwrap());
    let none = [0.0; 2];
    assert_eq!(of_pairs, [none, none, [1.0, 2.0], none, none, [3.0, 4.0]]);
    assert_eq!(pair_biases, [-1.0, 0.0, 0.1, -1.0, 0.0, 0.2]);
    assert_eq!(of_selves, [none, [5.0, 6.0], none, [7.0, 8.0]]);
    assert_eq!(self_biases, [-2.0, 0.3, -2.0, 0.4]);
}

#[test]
fn new_behaviors_begin_as_likely_as_they_were_labelled() {
    let ethogram = Ethogram::new(vec![
        label_set("A", &[("rear", Kind::OfSelf), ("dig", Kind::OfSelf)]),
        label_set("B", &[("sleep", Kind::OfSelf)]),
    ]);
    let mut session = samples::session(0, &ethogram, &ethogram.cells(2)[..4], 150);
    // Each animal rears in 30 of 150 ticks; nobody digs; nobody looked for sleep.
    session.truth = session.truth.iter().enumerate().map(|(at, truth)| truth && at % 4 < 2).collect();
    let log_odds = log_odds(&[session], &ethogram);
    assert!((log_odds[0].unwrap() - (0.25_f32).ln()).abs() < 1e-6);
    assert_eq!(log_odds[1..], [Some(-6.0), None]);
}
