//! Systems trained and compared as a user does it, and what of it is done again when something changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::commands::{corpus, fails, poses, succeeds, text};

const SYSTEMS: &str = "xgboost-per-behavior,xgboost,cnn";

struct Bench {
    folder: tempfile::TempDir,
    corpus: PathBuf,
    config: PathBuf,
}

impl Bench {
    /// Two recordings to test on.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (corpus, config) = corpus(folder.path());
        fs::copy(corpus.join("annotations/3_annot.txt"), corpus.join("annotations/4_annot.txt")).unwrap();
        fs::write(corpus.join("poses/4-made-up.csv"), poses(400, 4)).unwrap();
        let description = folder.path().join("description.toml");
        let split = fs::read_to_string(&description).unwrap().replace("test = [\"3\"]", "test = [\"3\", \"4\"]");
        fs::write(&description, split).unwrap();
        Self { folder, corpus, config }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn arguments<'a>(&'a self, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let base = ["compare", "--corpus", text(&self.corpus), "--config", text(&self.config), "--out", text(out)];
        [&base[..], &["--systems", SYSTEMS, "--seeds", "1"], more].concat()
    }

    /// What was trained, and what was scored.
    fn compare(&self, more: &[&str]) -> (Vec<String>, Vec<String>) {
        let out = self.out();
        let said = succeeds(&self.arguments(&out, more));
        let systems = |word: &str| {
            let lines = said.lines().filter(|line| line.contains(word)).filter_map(|line| line.split_once(", seed "));
            lines.map(|(system, _)| system.to_owned()).collect()
        };
        assert!(said.contains("| rank | system |"), "{said}");
        (systems(": training"), systems(": scoring"))
    }
}

fn all() -> Vec<String> {
    SYSTEMS.split(',').map(str::to_owned).collect()
}

fn only(system: &str) -> Vec<String> {
    vec![system.to_owned()]
}

fn none() -> Vec<String> {
    Vec::new()
}

/// Replaces a text in a file.
fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} is in {}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_comparison_goes_on_where_it_was_and_does_again_what_changed() {
    let bench = Bench::new();
    let out = bench.out();
    assert_eq!(bench.compare(&[]), (all(), all()));
    let tables = || -> BTreeMap<&str, Vec<u8>> {
        ["compare.md", "compare.csv", "compare.svg"].map(|name| (name, fs::read(out.join(name)).unwrap())).into()
    };
    let first = tables();
    assert_eq!(bench.compare(&[]), (none(), none()));
    assert!(first == tables(), "the same outcomes make the same tables");
    // What is lost or damaged is found out again.
    fs::write(out.join("cnn-1/outcome.json"), "{").unwrap();
    fs::remove_file(out.join("xgboost-1/outcome.json")).unwrap();
    assert_eq!(bench.compare(&[]), (none(), vec!["xgboost".to_owned(), "cnn".to_owned()]));
    fs::write(out.join("xgboost-1/run.json"), "").unwrap();
    // The same trees again: they were scored before.
    assert_eq!(bench.compare(&[]), (only("xgboost"), none()));
    // Another model in the folder is none of this comparison.
    fs::copy(out.join("xgboost-per-behavior-1/model.toml"), out.join("model.toml")).unwrap();
    edit(&out.join("xgboost-per-behavior-1/model.toml"), "confidence_min = 0.1", "confidence_min = 0.2");
    assert_eq!(bench.compare(&[]), (only("xgboost-per-behavior"), none()));
    // A schedule is of networks, and trees do not look at it.
    edit(&bench.config, "epochs = 2", "epochs = 1");
    assert_eq!(bench.compare(&[]), (only("cnn"), only("cnn")));
    // A checkpoint of the run before does not get in the way of another one.
    edit(&bench.config, "epochs = 1", "epochs = 3");
    let stale: serde_json::Value = serde_json::from_slice(&fs::read(out.join("cnn-1/run.json")).unwrap()).unwrap();
    assert!(stale["model"].is_string() && out.join("cnn-1/checkpoint").exists());
    assert_eq!(bench.compare(&[]), (only("cnn"), only("cnn")));
    // Weights that are lost, a checkpoint that is cut short, an outcome of another shape.
    fs::remove_file(out.join("xgboost-1/forest.json")).unwrap();
    fs::write(out.join("cnn-1/model.safetensors"), "").unwrap();
    edit(&out.join("xgboost-per-behavior-1/outcome.json"), "\"asked\": [", "\"asked\": [ true,");
    let again = (vec!["xgboost".to_owned(), "cnn".to_owned()], only("xgboost-per-behavior"));
    assert_eq!(bench.compare(&[]), again);
    let run: serde_json::Value = serde_json::from_slice(&fs::read(out.join("cnn-1/run.json")).unwrap()).unwrap();
    let begun = serde_json::json!({ "fingerprint": run["fingerprint"], "training_secs": 1.0, "model": null });
    fs::write(out.join("cnn-1/run.json"), begun.to_string()).unwrap();
    for file in fs::read_dir(out.join("cnn-1/checkpoint")).unwrap() {
        fs::write(file.unwrap().path(), "{").unwrap();
    }
    assert_eq!(bench.compare(&[]), (only("cnn"), none()));
    // Validation is scored by the same models, and says that it flatters.
    assert_eq!(bench.compare(&["--split", "validation"]), (none(), all()));
    assert!(fs::read_to_string(out.join("compare.md")).unwrap().contains("flatters"));
    // Poses of a recording that trains.
    fs::write(bench.corpus.join("poses/1-made-up.csv"), poses(400, 9)).unwrap();
    assert_eq!(bench.compare(&[]), (all(), all()));
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_was_expected() {
    let bench = Bench::new();
    let out = bench.out();
    let refused = |more: &[&str]| fails(&bench.arguments(&out, more));
    assert!(refused(&["--split", "train"]).contains("expected recordings that no system is trained on"));
    fs::create_dir_all(&out).unwrap();
    let held = fs::File::create(out.join("compare.lock")).unwrap();
    held.try_lock().unwrap();
    assert!(refused(&[]).contains("nobody else works in"));
    drop(held);
    let wrong = ["compare", "--corpus", text(&bench.corpus), "--out", text(&out), "--systems", "gru"];
    assert!(fails(&wrong).contains("got \"gru\""));
}

#[test]
fn models_are_combined_into_one_that_runs_as_any() {
    let bench = Bench::new();
    let [network, trees, both] = ["network", "trees", "both"].map(|name| bench.folder.path().join(name));
    let base = ["--corpus", text(&bench.corpus), "--config", text(&bench.config), "--out"];
    let train = |system: &str, out: &Path| {
        succeeds(&[&["train", "--system", system], &base[..], &[text(out)]].concat());
    };
    train("hhstf", &network);
    train("xgboost-per-behavior", &trees);
    let combine = |models: &[&Path], out: &Path| -> Vec<String> {
        let models = models.iter().flat_map(|model| ["--model", text(model)]);
        ["combine"].into_iter().chain(models).chain(base).chain([text(out)]).map(str::to_owned).collect()
    };
    let run = |arguments: &[String]| succeeds(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let refused = |arguments: &[String]| fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(run(&combine(&[&network, &trees], &both)).contains("(members 2, validation F1"));
    let model = vibrissa::model::Model::load(&both).unwrap();
    assert_eq!(model.card().architecture.system().name(), "ensemble");
    assert_eq!(model.card().provenance.train_recordings, ["1-made-up"]);
    let table = succeeds(&[
        "evaluate",
        "--model",
        text(&both),
        "--corpus",
        text(&bench.corpus),
        "--description",
        text(&bench.folder.path().join("description.toml")),
    ]);
    assert!(table.contains("| Lab | contact |"), "{table}");
    assert!(succeeds(&["check", "--model", text(&both)]).contains("ensemble"));
    // One is none, ensembles do not nest, and members stay who they are.
    assert!(refused(&combine(&[&network], &both)).contains("members: expected 2 to 16, got 1"));
    let other = bench.folder.path().join("other");
    assert!(refused(&combine(&[&network, &both], &other)).contains("models that are no ensembles"));
    assert!(refused(&combine(&[&network, &trees], &trees)).contains("expected another folder"));
    edit(&both.join("members/1/model.toml"), "confidence_min = 0.1", "confidence_min = 0.2");
    let changed = vibrissa::model::Model::load(&both).unwrap_err().to_string();
    assert!(changed.contains("hash: expected"), "{changed}");
    edit(&trees.join("model.toml"), "confidence_min = 0.1", "confidence_min = 0.2");
    assert!(refused(&combine(&[&network, &trees], &both)).contains("confidence_min: expected 0.1, got 0.2"));
}
