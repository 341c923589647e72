use serde::Deserialize;
use tempfile::tempdir;

use super::*;
use crate::behavior::{BehaviorSpec, LabelSet};
use crate::model::inputs::{InputsBuilder, Statistics};

/// What `XGBoost`'s own library answers, see `tests/data/make_trees.py`.
#[derive(Deserialize)]
struct Answers {
    rows: Vec<Vec<Option<f32>>>,
    binary: Vec<f32>,
    classes: Vec<Vec<f32>>,
}

const BINARY: &[u8] = include_bytes!("../../../tests/data/trees_binary.json");
const CLASSES: &[u8] = include_bytes!("../../../tests/data/trees_classes.json");
const ANSWERS: &[u8] = include_bytes!("../../../tests/data/trees_answers.json");

const PARTS: usize = 5;
const IDENTITY: LogitLine = LogitLine { slope: 1.0, offset: 0.0 };

fn booster(number: usize, bytes: &[u8]) -> Booster {
    let trees = BoostedModel::decode(bytes, ModelFormat::XgboostJson).unwrap();
    Booster::new(number, "any words / at all", Arc::new(trees))
}

fn ethogram() -> Ethogram {
    let spec = |name: &str, kind| BehaviorSpec { name: name.to_owned(), kind };
    let behaviors = vec![spec("chase", Kind::Directed), spec("clinch", Kind::Undirected), spec("bite", Kind::Directed)];
    Ethogram::new(vec![LabelSet { name: "Lab".to_owned(), behaviors }])
}

fn forest() -> Forest {
    let output = |answer| Output { answer, line: IDENTITY };
    let outputs = vec![vec![
        output(Answer::Margin { booster: 0 }),
        output(Answer::Class { booster: 1, class: 2 }),
        output(Answer::Constant { logit: -3.0 }),
    ]];
    Forest::new(Reading::Basic, PARTS, &ethogram(), vec![booster(0, BINARY), booster(1, CLASSES)], outputs).unwrap()
}

/// Rows of 5 ticks of 5 pairs: as many as were asked.
fn answers() -> (Answers, Rows) {
    let answers: Answers = serde_json::from_slice(ANSWERS).unwrap();
    let of_pairs = answers.rows.iter().flatten().map(|value| value.unwrap_or(f32::NAN)).collect();
    (answers, Rows { individuals: 2, of_selves: Vec::new(), of_pairs })
}

#[test]
fn trees_that_xgboost_stored_answer_what_it_answers() {
    let (forest, (answers, rows)) = (forest(), answers());
    let mut margins = Margins::new(&forest, &rows);
    for (row, (one, several)) in answers.binary.iter().zip(&answers.classes).enumerate() {
        let (tick, place) = (row / rows.pairs(), row % rows.pairs());
        let got = margins.logit(Answer::Margin { booster: 0 }, false, place, tick).unwrap();
        // Sums of a dozen leaves in single precision.
        assert!((got - one).abs() < 1e-6, "row {row}: {got}, {one}");
        let of_all: f32 = several.iter().map(|margin| margin.exp()).sum();
        for (class, margin) in several.iter().enumerate() {
            let got = margins.logit(Answer::Class { booster: 1, class }, false, place, tick).unwrap();
            let share = margin.exp() / of_all;
            let expected = (share / (1.0 - share)).ln();
            assert!((got - expected).abs() < 1e-5, "row {row}, class {class}: {got}, {expected}");
        }
    }
}

#[test]
fn a_forest_is_read_as_it_was_written() {
    let (forest, (_, rows)) = (forest(), answers());
    let directory = tempdir().unwrap();
    let index = forest.save(directory.path()).unwrap();
    let read = Forest::read(directory.path(), &index).unwrap();
    assert_eq!((read.outputs.clone(), read.vocabulary, read.reading), (forest.outputs.clone(), PARTS, Reading::Basic));
    for booster in 0..2 {
        let [was, is] = [&forest, &read].map(|forest| Margins::new(forest, &rows).predict(booster, false).unwrap());
        assert_eq!(was, is);
    }
    let names: Vec<&str> = read.boosters().iter().map(|booster| booster.name.as_str()).collect();
    assert_eq!(names, ["trees/000-any_words___at_all.json", "trees/001-any_words___at_all.json"]);
    // In its binary JSON as well.
    let ubjson = forest.boosters[0].trees.encode(ModelFormat::XgboostUbjson).unwrap();
    std::fs::write(directory.path().join(names[0]), &ubjson).unwrap();
    let text = String::from_utf8(index).unwrap();
    let old = index::hash(&std::fs::read(directory.path().join("forest.json")).unwrap());
    assert_eq!(old, index::hash(text.as_bytes()));
    let stored: serde_json::Value = serde_json::from_str(&text).unwrap();
    let text = text.replace(stored["boosters"][0]["hash"].as_str().unwrap(), &index::hash(&ubjson));
    assert!(Forest::read(directory.path(), text.as_bytes()).is_ok());
}

#[test]
fn bad_files_are_named_with_what_was_expected() {
    let forest = forest();
    let directory = tempdir().unwrap();
    let index = String::from_utf8(forest.save(directory.path()).unwrap()).unwrap();
    let error = |index: &str| Forest::read(directory.path(), index.as_bytes()).unwrap_err().to_string();
    let swapped = |from: &str, to: &str| {
        assert!(index.contains(from), "{from} is in the index");
        error(&index.replace(from, to))
    };
    assert!(error("{").contains("EOF"));
    assert!(swapped("\"format\": 1", "\"format\": 2").contains("format: expected 1, got 2"));
    assert!(swapped("trees/000-any", "../000-any").contains("file: expected a file in trees"));
    assert!(swapped("trees/000-any", "trees/../000-any").contains("file: expected a file in trees"));
    assert!(swapped("trees/000-any", "trees/009-any").contains("trees/009-any"));
    assert!(swapped("\"class\": 2", "\"class\": 3").contains("expected more than 3 outputs"));
    assert!(swapped("\"vocabulary\": 5", "\"vocabulary\": 6").contains("columns: expected 108"));
    assert!(swapped("\"slope\": 1.0", "\"slope\": 0.0").contains("a slope above 0"));
    assert!(swapped("\"booster\": 0", "\"booster\": 7").contains("booster: expected under 2, got 7"));
    assert!(
        swapped("\"booster\": 0", "\"booster\": 1").contains("objective: expected binary:logistic, got multi:softprob")
    );
    let path = directory.path().join(&forest.boosters[0].name);
    std::fs::write(&path, b"{\"learner\": {}}").unwrap();
    assert!(error(&index).contains("expected the hash"));
    let hash = index::hash(b"{\"learner\": {}}");
    let stored: serde_json::Value = serde_json::from_str(&index).unwrap();
    let with_hash = index.replace(stored["boosters"][0]["hash"].as_str().unwrap(), &hash);
    assert!(error(&with_hash).contains("000-any"));
}

#[test]
fn trees_that_answer_no_log_odds_are_refused() {
    let refused = |from: &str, to: &str| {
        let text = String::from_utf8(BINARY.to_vec()).unwrap();
        assert!(text.contains(from), "{from} is in the file");
        let boosters = vec![booster(0, text.replace(from, to).as_bytes())];
        let outputs = vec![vec![Output { answer: Answer::Margin { booster: 0 }, line: IDENTITY }; 3]];
        Forest::new(Reading::Basic, PARTS, &ethogram(), boosters, outputs).unwrap_err().to_string()
    };
    let squares = "\"objective\":{\"name\":\"reg:squarederror\",\"reg_loss_param\":{\"scale_pos_weight\":\"1\"}}";
    let text = String::from_utf8(BINARY.to_vec()).unwrap();
    let first = text.find("\"objective\":{").unwrap();
    let stated = &text[first..first + text[first..].find("}}").unwrap() + 2];
    assert!(refused(stated, squares).contains("objective: expected binary:logistic, got reg:squarederror"));
    // The first leaf that there is.
    let conditions = text.find("\"base_weights\":[").unwrap();
    let weights = &text[conditions..conditions + text[conditions..].find(']').unwrap()];
    assert!(!weights.is_empty());
    let split = text.find("\"split_conditions\":[").unwrap();
    let all = &text[split..split + text[split..].find(']').unwrap()];
    let last = all.rsplit(',').next().unwrap();
    let huge = all.strip_suffix(last).unwrap().to_owned() + "3e38";
    assert!(refused(all, &huge).contains("leaves: expected answers under"));
}

#[test]
fn calibrations_come_on_top_of_each_other() {
    let mut forest = forest();
    let lines = |slope, offset| vec![vec![LogitLine { slope, offset }; 3]];
    forest.calibrate(&lines(2.0, 1.0)).unwrap();
    forest.calibrate(&lines(0.5, -2.0)).unwrap();
    // 0.5 · (2 · x + 1) − 2
    assert_eq!(forest.outputs[0][0].line, LogitLine { slope: 1.0, offset: -1.5 });
    assert!(forest.calibrate(&[]).is_err());
    assert!(forest.calibrate(&lines(f64::NAN, 0.0)).is_err());
}

#[test]
fn a_row_holds_the_focal_animal_the_other_one_and_what_is_between_them() {
    let (ticks, individuals, keypoints) = (2, 3, 4);
    let numbers = |count: usize, of: f32| (0..count).map(|i| of + i as f32).collect::<Vec<_>>();
    let tensor =
        |shape: &[usize], of: f32| Tensor::from_vec(numbers(shape.iter().product(), of), shape, &Device::Cpu).unwrap();
    let lead = [1, ticks, individuals];
    let with = |more: &[usize]| [&lead[..], more].concat();
    let inputs = Inputs {
        nodes: tensor(&with(&[keypoints, features::NODE_CHANNELS]), 0.0),
        node_present: tensor(&with(&[keypoints]), 0.0),
        selves: tensor(&with(&[features::SELF_CHANNELS]), 0.0),
        pairs: tensor(&with(&[2, features::PAIR_CHANNELS]), 1e5),
        edges: tensor(&with(&[2, 3, 3, features::EDGE_CHANNELS]), 2e5),
        edge_present: tensor(&with(&[2, 3, 3]), 3e5),
        statistics: Some(Statistics {
            selves: tensor(&with(&[features::SELF_STATISTICS]), 4e5),
            pairs: tensor(&with(&[2, features::PAIR_STATISTICS]), 5e5),
        }),
    };
    let rich = Rows::of(&inputs, &[0, 1, 2, 3], Reading::Rich, PARTS).unwrap();
    let (own, width) = (Reading::Rich.self_width(PARTS), Reading::Rich.pair_width(PARTS));
    // Tick 1, focal animal 2, the other one 0: the fifth pair of the tick.
    let row = &rich.of_pairs[(rich.pairs() + 4) * width..][..width];
    let animal = |tick: usize, individual: usize| &rich.of_selves[(tick * individuals + individual) * own..][..own];
    assert_eq!((&row[..own], &row[own..2 * own]), (animal(1, 2), animal(1, 0)));
    assert_eq!(row[2 * own], 1e5 + ((rich.pairs() + 4) * features::PAIR_CHANNELS) as f32);
    let first_statistic = 5e5 + ((rich.pairs() + 4) * features::PAIR_STATISTICS) as f32;
    assert_eq!(row[2 * own + features::PAIR_CHANNELS], first_statistic);
    // A skeleton of four of five body parts, in another order.
    let basic = Rows::of(&inputs, &[4, 0, 1, 2], Reading::Basic, PARTS).unwrap();
    assert_eq!(basic.of_selves[0], features::NODE_CHANNELS as f32, "the second keypoint is the first part");
    assert_eq!(basic.of_selves[4 * 6], 0.0);
    assert!(basic.of_selves[3 * 6..4 * 6].iter().all(|value| value.is_nan()), "no keypoint is the fourth part");
    let without = Inputs { statistics: None, ..inputs };
    assert!(Rows::of(&without, &[0, 1, 2, 3], Reading::Rich, PARTS).is_err());
    assert_eq!(InputsBuilder::new(2, 3).finish(0, 0, &Device::Cpu).unwrap().nodes.elem_count(), 0);
}
