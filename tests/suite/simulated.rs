//! The simulated vivarium as a user runs it: corpora, live cages, scores for whoever watches.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vibrissa::corpus::{Corpus, Split};
use vibrissa::keys::Rigs;
use vibrissa::live::detector::{Config, Detector};
use vibrissa::live::session::{Endpoints, Patience, listening};
use vibrissa::live::watcher::{Seen, Watcher};
use vibrissa::output::scores::Scores;
use vibrissa::stream::{Origin, StreamDescription};

use crate::commands::{fails, succeeds, text};
use crate::world;

const PATIENCE: Duration = Duration::from_secs(30);

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn a_corpus_says_that_it_is_simulated_is_the_same_again_and_is_read_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two, other] = ["one", "two", "other"].map(|name| folder.path().join(name));
    let simulate = |out: &Path, more: &[&str]| {
        let base = ["simulate", "--lab", "SimMars", "--lab", "SimRat", "--minutes", "0.5", "--out", text(out)];
        succeeds(&[&base[..], more].concat())
    };
    let said = simulate(&one, &[]);
    assert!(said.contains("36 recordings") && said.contains("36 rows"), "{said}");
    simulate(&two, &[]);
    simulate(&other, &["--seed", "5", "--split", "test", "--preset", "clean"]);
    let relative = |root: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let file = |path: PathBuf| (path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
        files_below(root).into_iter().map(file).collect()
    };
    assert!(relative(&one) == relative(&two), "the same specification gives the same files, byte by byte");

    let corpus = Corpus::of_layout(&one).unwrap();
    assert!(corpus.source().starts_with("SIMULATED"), "{}", corpus.source());
    assert_eq!([Split::Train, Split::Validation, Split::Test].map(|split| corpus.split(split).count()), [20, 8, 8]);
    let other = Corpus::of_layout(&other).unwrap();
    assert!(other.source().contains("seed 5, preset clean"), "{}", other.source());
    assert_eq!(other.entries().len(), 8);
    let first = |corpus: &Corpus| corpus.load(corpus.split(Split::Test).next().unwrap()).unwrap().recording;
    assert_ne!(first(&corpus).frames, first(&other).frames, "another seed gives other animals");

    succeeds(&["inspect", text(&one)]);
    let beside = succeeds(&["inspect", text(&one), "--beside", text(&two), "--plot", text(folder.path())]);
    assert!(beside.contains("turning of the axis") && folder.path().join("likeness.svg").exists(), "{beside}");
    let table = succeeds(&["evaluate", "--baseline", "--corpus", text(&one)]);
    assert!(table.contains("| SimMars | mount |") && table.contains("roles exchanged"), "{table}");
    assert!(table.contains("Validation F1"), "rules in words: {table}");
}

#[test]
fn what_cannot_be_simulated_is_refused_with_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for (arguments, expected) in [
        (&["--lab", "Nowhere"][..], r#"--lab: expected one of ["SimRat""#),
        (&["--preset", "perfect"], "--preset: expected one of"),
        (&["--minutes", "NaN"], "minutes: expected"),
        (&["--minutes", "1e9"], "minutes: expected"),
        (&["--config", "nowhere.toml"], "nowhere.toml"),
    ] {
        let error = fails(&[&["simulate", "--out", text(&out)], arguments].concat());
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert!(!out.exists(), "{arguments:?}: nothing is written");
    }
    std::fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let error = fails(&["simulate", "--lab", "SimRat", "--minutes", "0.1", "--out", text(folder.path())]);
    assert!(error.contains("expected a new or empty folder"), "{error}");
}

/// `vibrissa simulate --live`, ended when dropped.
struct Rig(Child);

impl Rig {
    fn start(endpoint: &str, arguments: &[&str]) -> Self {
        let base = ["simulate", "--live", "--connect", endpoint];
        let mut command = Command::new(env!("CARGO_BIN_EXE_vibrissa"));
        Self(command.args(base).args(arguments).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn said(mut self) -> Vec<String> {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
        assert!(self.0.wait().unwrap().success(), "{lines:?}");
        lines
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn live_cages_are_simulated_and_scores_go_to_whoever_watches() {
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.csv");
    let near = Endpoints { listen: vec!["tcp/127.0.0.1:0".into()], connect: Vec::new() };
    let near = near.open(Patience::Detector).unwrap();
    let config = Config::new(folder.path().join("journal.jsonl"));
    let model = world::model(&[0, 15]);
    let detector = Detector::start(&near, model.clone(), &config).unwrap();
    let endpoint = listening(&near).remove(0);
    // Peers pass on nothing for others: the rig has to find its way to who watches.
    let far = Endpoints { listen: Vec::new(), connect: vec![endpoint.clone()] }.or_nearby();
    let far = far.open(Patience::Rig).unwrap();
    let watcher = Watcher::new(&far, &Rigs::All).unwrap();
    let rig = Rig::start(
        &endpoint,
        &["--lab", "SimRat", "--cages", "2", "--rig", "lab", "--seconds", "4", "--truth", text(&truth)],
    );

    let (mut scores, mut described) = (Vec::<Scores>::new(), Vec::<StreamDescription>::new());
    let (mut frames, mut cages) = (0, HashSet::new());
    let deadline = Instant::now() + PATIENCE;
    while (scores.len() < 60 || frames < 60) && Instant::now() < deadline {
        match watcher.seen.recv_timeout(Duration::from_millis(100)) {
            Ok(Seen::Scores(seen)) => scores.push(*seen),
            Ok(Seen::Described(_, stream)) => described.push(*stream),
            Ok(Seen::Frame(cage, _)) => {
                frames += 1;
                cages.insert(cage.to_string());
            }
            _ => {}
        }
    }
    assert_eq!(cages, HashSet::from(["lab/cage1".to_owned(), "lab/cage2".to_owned()]));
    assert!(!described.is_empty() && described.iter().all(|stream| stream.origin() == Origin::Simulated));
    let cells = model.ethogram().cells(2).len();
    assert!(scores.len() >= 60, "{} scores", scores.len());
    for seen in &scores {
        assert_eq!((seen.delays.as_slice(), seen.cells.len(), seen.origin), (&[0, 15][..], cells, Origin::Simulated));
        assert!(seen.scores.len() == 2 && seen.scores.iter().all(|row| row.len() == cells));
        assert!(seen.scores.iter().flatten().all(|score| (0.0..=1.0).contains(score)));
        // 30 Hz: a tick is a frame.
        assert!(seen.frame >= seen.tick, "tick {} of frame {}", seen.tick, seen.frame);
    }
    let said = rig.said();
    assert!(said.iter().any(|line| line.contains("SIMULATED")), "{said:?}");
    detector.stop().unwrap();
    let rows = std::fs::read_to_string(&truth).unwrap();
    let head = "rig,cage,label_set,behavior,kind,agent,target,start_frame,stop_frame,frames_per_second";
    assert_eq!(rows.lines().next(), Some(head));
}
