//! The program as a user runs it: train, resume, predict, replay into detect.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use vibrissa::core::Cage;
use vibrissa::corpus::mabe::submission;
use vibrissa::model::Model;
use vibrissa::model::bundle::{self, Card};
use vibrissa::model::trust::Calibrated;
use vibrissa::output::Transition;
use vibrissa::output::event::{EdgeWord, Event};

use crate::common::corpus_dir;
use crate::world;

pub fn vibrissa(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vibrissa")).args(args).output().unwrap()
}

pub fn succeeds(args: &[&str]) -> String {
    let output = vibrissa(args);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args:?}\n{out}\n{err}");
    out.into_owned()
}

pub fn fails(args: &[&str]) -> String {
    let output = vibrissa(args);
    assert!(!output.status.success(), "{args:?} should have failed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A pose file of the animals of `seed`, in the table that multi-animal DeepLabCut writes.
pub fn poses(frames: u64, seed: u64) -> String {
    let (mut individuals, mut parts, mut coords) =
        (String::from("individuals"), String::from("bodyparts"), String::from("coords"));
    let mut scorer = String::from("scorer");
    for animal in 0..2 {
        for part in world::skeleton().keypoints() {
            for coordinate in ["x", "y", "likelihood"] {
                scorer.push_str(",made-up");
                write!(individuals, ",animal{animal}").unwrap();
                write!(parts, ",{part}").unwrap();
                write!(coords, ",{coordinate}").unwrap();
            }
        }
    }
    let mut table = format!("{scorer}\n{individuals}\n{parts}\n{coords}\n");
    for number in 0..frames {
        write!(table, "{number}").unwrap();
        for point in world::frame(2, number, seed).keypoints {
            if point.is_present() {
                write!(table, ",{:.3},{:.3},{:.2}", point.x, point.y, point.confidence).unwrap();
            } else {
                table.push_str(",,,");
            }
        }
        table.push('\n');
    }
    table
}

const DESCRIPTION: &str = r#"
name = "made-up"
source = "tests"
species = "rat"

[layout]
pose_directory = "poses"
annotation_directory = "annotations"
annotation_file = "{id}_annot.txt"
recording_id = "leading-digits"

[stream]
rate_hz = 30.0
body_length_px = 100.0
confidence_min = 0.1

[skeleton]
name = "rat-5"
keypoints = ["top", "body", "tail", "tail-m", "tail-e"]
front = "top"
centre = "body"
rear = "tail"
edges = [["top", "body"], ["body", "tail"]]

[[label_sets]]
name = "Lab"
channel = "S1"
behaviors = [{ name = "contact", kind = "undirected" }]
background = ["other"]

[split]
validation = ["2"]
test = ["3"]
"#;

pub const CONFIG: &str = r#"
description = "description.toml"
delays_ticks = [0, 15]
bouts_min = 1
[schedule]
epochs = 2
steps_per_epoch = 3
crops_per_step = 2
crop_ticks = 128
hard_share = 0.2
[architecture]
node_channels = 16
node_heads = 2
pool_queries = 2
pair_channels = 16
channels = 16
heads = 2
expansion = 2
entry = { window = 8, kernel = 3 }
reduce_kernel = 3
middle = [{ window = 8, kernel = 3 }]
exit = { window = 4, kernel = 3 }
head_channels = 16
"#;

/// A small corpus of three recordings with one behavior.
pub fn corpus(folder: &Path) -> (PathBuf, PathBuf) {
    std::fs::create_dir_all(folder.join("corpus/poses")).unwrap();
    std::fs::create_dir_all(folder.join("corpus/annotations")).unwrap();
    for id in 1..=3 {
        std::fs::write(folder.join(format!("corpus/poses/{id}-made-up.csv")), poses(400, id)).unwrap();
        let mut annotation = String::from(
            "Caltech Behavior Annotator - Annotation File\n\nConfiguration file:\ncontact\tc\nother\to\n\nS1:\tstart\tend\ttype\n-----------------------------\n",
        );
        for bout in 0..4 {
            let start = 1 + bout * 100;
            let row = format!("   \t{start}\t{}\tother\n   \t{}\t{}\tcontact\n", start + 59, start + 60, start + 99);
            annotation.push_str(&row);
        }
        std::fs::write(folder.join(format!("corpus/annotations/{id}_annot.txt")), annotation).unwrap();
    }
    std::fs::write(folder.join("description.toml"), DESCRIPTION).unwrap();
    std::fs::write(folder.join("train.toml"), CONFIG).unwrap();
    (folder.join("corpus"), folder.join("train.toml"))
}

#[test]
fn training_ends_in_a_model_that_predicts_and_a_resumed_run_is_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, config) = corpus(folder.path());
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let base = ["train", "--corpus", text(&corpus), "--config", text(&config), "--out"];
    succeeds(&[&base[..], &[text(&whole)]].concat());
    // The schedule of the whole run, stopped half way as by Ctrl-C, then resumed.
    let half = std::fs::read_to_string(&config).unwrap();
    let stopped = folder.path().join("stopped.toml");
    std::fs::write(&stopped, half.replace("description = ", "stop_after_epochs = 1\ndescription = ")).unwrap();
    // Recordings as the whole run left them, in ticks.
    let cache = whole.join("cache");
    let first = ["train", "--corpus", text(&corpus), "--config", text(&stopped), "--cache", text(&cache)];
    let first = [&first[..], &["--out", text(&parts)]].concat();
    succeeds(&first);
    assert!(parts.join("model.safetensors").exists(), "a stopped run leaves a usable model");
    succeeds(&[&base[..], &[text(&parts), "--resume"]].concat());
    let read = |model: &Path| std::fs::read(model.join("model.safetensors")).unwrap();
    assert!(read(&whole) == read(&parts), "the resumed run has other weights");

    let out = folder.path().join("rows.csv");
    let recording = corpus.join("poses/3-made-up.csv");
    succeeds(&["predict", "--model", text(&whole), text(&recording), "--out", text(&out), "--delay", "0"]);
    let rows = submission::read(std::fs::File::open(&out).unwrap(), &out).unwrap();
    assert!(rows.iter().all(|row| row.video == "3-made-up" && row.action == "contact" && row.stop <= 400));
    let table = succeeds(&[
        "evaluate",
        "--model",
        text(&whole),
        "--corpus",
        text(&corpus),
        "--description",
        text(&folder.path().join("description.toml")),
        "--record",
    ]);
    assert!(table.contains("| Lab | contact |"), "{table}");
    let card: Card = toml::from_str(&std::fs::read_to_string(whole.join("model.toml")).unwrap()).unwrap();
    assert_eq!(card.scores["test"]["Lab"]["contact"].len(), 2);
}

#[test]
#[cfg(unix)]
fn ctrl_c_leaves_a_usable_model() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, config) = corpus(folder.path());
    let model = folder.path().join("model");
    let endless = std::fs::read_to_string(&config).unwrap().replace("epochs = 2", "epochs = 100000");
    std::fs::write(&config, endless).unwrap();
    let mut training = Command::new(env!("CARGO_BIN_EXE_vibrissa"))
        .args(["train", "--corpus", text(&corpus), "--config", text(&config), "--out", text(&model)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(training.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("epoch ")).expect("a first epoch");
    assert!(Command::new("kill").args(["-INT", &training.id().to_string()]).status().unwrap().success());
    assert!(lines.any(|line| line.starts_with("wrote ")), "it ends by writing the model");
    assert!(training.wait().unwrap().success());
    vibrissa::model::Model::load(&model).unwrap();
}

#[test]
fn a_model_directory_that_cannot_be_used_is_refused_with_file_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.csv");
    std::fs::write(&recording, poses(10, 1)).unwrap();
    let refused = |model: &Path| {
        let out = folder.path().join("rows.csv");
        fails(&["predict", "--model", text(model), text(&recording), "--out", text(&out)])
    };
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    assert!(refused(&model).contains("model.toml"), "an empty folder");

    let card = world::card(&[0, 15]);
    let weights = world::weights(&card, 1);
    let mut other = card.clone();
    other.feature_version = 999;
    bundle::save(&model, &other, &weights).unwrap();
    let error = refused(&model);
    assert!(error.contains("feature_version: expected 1, got 999"), "{error}");

    let mut uncalibrated = card.clone();
    let calibrated = Calibrated { slope: f64::NAN, offset: 0.0, unfitted: None, error_before: 0.1, error_after: None };
    let of_set = BTreeMap::from([("sniff".to_owned(), vec![calibrated; 2])]);
    uncalibrated.calibration = BTreeMap::from([("A".to_owned(), of_set)]);
    bundle::save(&model, &uncalibrated, &weights).unwrap();
    let error = refused(&model);
    assert!(error.contains("calibration: expected 2 finite ones"), "{error}");

    let mut wider = card.clone();
    wider.architecture.hhstf_mut().unwrap().channels = 64;
    bundle::save(&model, &wider, &weights).unwrap();
    let error = refused(&model);
    assert!(error.contains("do not fit the architecture"), "{error}");

    let mut surplus = weights.clone();
    surplus.insert("graph.more".into(), weights["graph.parts"].clone());
    bundle::save(&model, &card, &surplus).unwrap();
    assert!(refused(&model).contains("graph.more"));

    let mut broken = weights.clone();
    broken.insert("graph.parts".into(), (&weights["graph.parts"] * f64::NAN).unwrap());
    bundle::save(&model, &card, &broken).unwrap();
    assert!(refused(&model).contains("graph.parts with NaN"));

    bundle::save(&model, &card, &weights).unwrap();
    let file = model.join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    for bad in [&bytes[..bytes.len() / 2], &[0xff; 64][..], &[]] {
        std::fs::write(&file, bad).unwrap();
        assert!(refused(&model).contains("model.safetensors"), "{} bytes", bad.len());
    }
}

#[test]
fn a_model_tells_only_of_the_label_sets_that_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let card = world::card(&[0]);
    bundle::save(folder.path(), &card, world::weights(&card, 1)).unwrap();
    let only = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Model::load_only(folder.path(), &names).map_err(|error| error.to_string())
    };
    let [all, one, both] = [&[][..], &["A"], &["A", "B"]].map(|names| Arc::new(only(names).unwrap()));
    assert_eq!(all.hash(), both.hash());
    assert_ne!(all.hash(), one.hash(), "what decides has another name");
    let error = only(&["C"]).unwrap_err();
    assert!(error.contains(r#"label_sets: expected label sets out of ["A", "B"], got C"#), "{error}");

    let told = |model: &Arc<Model>| -> HashSet<String> {
        let mut cage = Cage::open(Arc::clone(model), &world::stream(2)).unwrap();
        let mut transitions = Vec::new();
        for number in 0..300 {
            transitions.extend(cage.push(&world::frame(2, number, 3)).unwrap().transitions);
        }
        let set = |transition: &Transition| model.ethogram().label_set_of(transition.cell.behavior);
        transitions.iter().map(|transition| model.ethogram().label_sets()[set(transition)].name.clone()).collect()
    };
    assert_eq!(told(&all), HashSet::from(["A".to_owned(), "B".to_owned()]));
    assert_eq!(told(&one), HashSet::from(["A".to_owned()]));
}

#[test]
fn a_recording_of_other_parts_is_refused_with_both_lists() {
    let folder = tempfile::tempdir().unwrap();
    let (model, recording) = (folder.path().join("model"), folder.path().join("recording.csv"));
    let card = world::card(&[0]);
    bundle::save(&model, &card, world::weights(&card, 1)).unwrap();
    std::fs::write(&recording, poses(10, 1).replace("tail-m", "whisker")).unwrap();
    let out = folder.path().join("rows.csv");
    let error = fails(&["predict", "--model", text(&model), text(&recording), "--out", text(&out)]);
    assert!(error.contains("tail-m") && error.contains("whisker"), "{error}");
}

/// The shipped model on a real recording: replayed over zenoh into a detector of its own process, and predicted.
#[test]
fn a_real_recording_gives_the_same_bouts_live_and_offline() {
    let Some(corpus) = corpus_dir("rat-dyads") else { return };
    let folder = tempfile::tempdir().unwrap();
    let recording = corpus.join("poses/2DLC_dlcrnetms5_DLC_ratJan24shuffle1_5000_el_filtered.csv.gz");
    let (journal, rows) = (folder.path().join("journal.jsonl"), folder.path().join("rows.csv"));
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/rat-dyads");
    let facts = ["--rate-hz", "30", "--body-length-px", "183.4"];

    let detect = ["detect", "--listen", "tcp/127.0.0.1:0", "--until-idle", "--model", text(&model), "--journal"];
    let mut detector =
        Command::new(env!("CARGO_BIN_EXE_vibrissa")).args(detect).arg(&journal).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(detector.stdout.take().unwrap()).lines().map(Result::unwrap);
    let waiting = lines.find(|line| line.contains("waiting for poses")).expect("a line with the endpoint");
    let endpoint = waiting.split_whitespace().last().unwrap().to_owned();
    let replay = ["replay", text(&recording), "--lossless", "--speed", "1000", "--connect", &endpoint, "--model"];
    succeeds(&[&replay[..], &[text(&model)], &facts].concat());
    let said: Vec<String> = lines.collect();
    assert!(detector.wait().unwrap().success(), "{said:?}");

    let predict = ["predict", "--model", text(&model), text(&recording), "--out", text(&rows), "--delay", "60"];
    succeeds(&[&predict[..], &facts].concat());
    let mut offline: Vec<(String, i64, i64)> = submission::read(std::fs::File::open(&rows).unwrap(), &rows)
        .unwrap()
        .into_iter()
        .map(|row| (row.action, row.start, row.stop))
        .collect();
    let events = std::fs::read_to_string(&journal).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Event>(line).unwrap());
    let mut live: Vec<(String, i64, i64)> = events
        .filter(|event| event.verdict.delay == 60 && event.verdict.edge == EdgeWord::Offset)
        .map(|event| {
            let stop = event.verdict.stop_tick.unwrap();
            (event.verdict.behavior, event.verdict.onset_tick as i64, stop as i64)
        })
        .collect();
    offline.sort();
    live.sort();
    assert!(offline.len() > 10, "too few bouts ({}) to say anything", offline.len());
    assert_eq!(live, offline);
}
