//! Corpora as a user meets them: imported, inspected, trained on, predicted and scored.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use vibrissa::acquire::description;
use vibrissa::acquire::wire::{Content, Encoding, Packet, Shape};
use vibrissa::behavior::{Individual, Subject};
use vibrissa::corpus::log::{LogWriter, Logged, Part, Topic};
use vibrissa::corpus::mabe::dataset::Dataset;
use vibrissa::corpus::mabe::sheet::Sheet;
use vibrissa::corpus::mabe::submission;
use vibrissa::corpus::mabe::tracking;
use vibrissa::corpus::{Annotated, Corpus, Description, Entry, Split, spans};
use vibrissa::keys::CageName;
use vibrissa::poses::{Frame, Keypoint};
use vibrissa::stream::{Origin, StreamDescription};

use crate::commands::{CONFIG, corpus, fails, succeeds, text, vibrissa};
use crate::common::corpus_dir;
use crate::world;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")
}

fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(from, to).unwrap();
}

fn load(corpus: &Corpus, entry: &Entry) -> Annotated {
    corpus.load(entry).unwrap_or_else(|error| panic!("{error}"))
}

/// Three of the rats' recordings, one of each split, imported by the command.
#[test]
fn an_imported_corpus_is_the_same_corpus_with_its_poses_stored_once() {
    let Some(rats) = corpus_dir("rat-dyads") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("rats"), folder.path().join("corpus"));
    for id in ["2", "8", "10"] {
        let name = format!("{id}DLC_");
        let is_wanted = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().starts_with(&name);
        let poses = fs::read_dir(rats.join("poses")).unwrap().map(|file| file.unwrap().path()).find(is_wanted).unwrap();
        link(&poses, &source.join("poses").join(poses.file_name().unwrap()));
        let labels = format!("annotations/{id}_annot.txt");
        link(&rats.join(&labels), &source.join(labels));
    }
    let description = configs().join("corpora/rat-dyads.toml");
    let said = succeeds(&["import", text(&source), "--description", text(&description), "--out", text(&out)]);
    assert!(said.contains("3 recordings") && said.contains("6 rows"), "{said}");

    let files = Corpus::of_files(&[source], &Description::read(&description).unwrap()).unwrap();
    let imported = Corpus::of_layout(&out).unwrap();
    assert_eq!(imported.ethogram(), files.ethogram());
    assert_eq!((imported.name(), imported.source()), (files.name(), files.source()));
    assert_eq!(imported.entries().len(), 3);
    for (there, here) in files.entries().iter().zip(imported.entries()) {
        assert_eq!((&there.id, there.split), (&here.id, here.split));
        let (mut there, here) = (load(&files, there), load(&imported, here));
        there.recording.name.clone_from(&here.recording.name);
        assert!(there.recording.stream == here.recording.stream, "{}", here.recording.name);
        assert!(there.recording.frames == here.recording.frames, "{}: other frames", here.recording.name);
        assert!(there.labels == here.labels, "{}: other labels", here.recording.name);
    }
    let tracked = |lab: &str| fs::read_dir(out.join("train_tracking").join(lab)).map_or(0, Iterator::count);
    assert_eq!((tracked("RatSocial"), tracked("RatAggression")), (3, 0), "poses are stored once");
    let error = fails(&["import", text(&out), "--description", text(&description), "--out", text(&out)]);
    assert!(error.contains("train.csv") || error.contains("poses"), "{error}");
}

const DYAD: &str = r#"
name = "mouse-dyad"
source = "benlansdell/ethome, MIT"
species = "mouse"
[layout]
pose_endings = ["_filtered.csv"]
annotation_file = "{id}_reencode.csv"
recording_id = { before = "DLC" }
[stream]
rate_hz = 30.0
body_length_px = 120.0
[skeleton]
name = "mouse-7"
keypoints = ["nose", "leftear", "rightear", "neck", "lefthip", "righthip", "tail"]
front = "nose"
centre = "neck"
rear = "tail"
edges = [["nose", "neck"], ["neck", "tail"]]
[[label_sets]]
name = "Dyad"
behaviors = [{ name = "interact", kind = "directed" }]
annotated = ["adult,juvenile,interact"]
"#;

#[test]
fn boris_events_over_deeplabcut_poses_become_a_corpus() {
    let Some(dyad) = corpus_dir("mouse-dyad") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (description, out) = (folder.path().join("dyad.toml"), folder.path().join("corpus"));
    fs::write(&description, DYAD).unwrap();
    succeeds(&["import", text(&dyad), "--description", text(&description), "--out", text(&out)]);
    let imported = Corpus::of_layout(&out).unwrap();
    let Annotated { recording, labels, .. } = load(&imported, &imported.entries()[0]);
    assert_eq!(recording.stream.individuals(), ["adult", "juvenile"]);
    assert_eq!(labels[0].bouts.len(), 10);
    assert_eq!(labels[0].annotated.len(), 1, "nobody looked at what the juvenile does");
    // 29.850 s to 34.725 s at 30 frames a second.
    assert_eq!((labels[0].bouts[0].start, labels[0].bouts[0].stop), (896, 1042));
    let table = succeeds(&["inspect", text(&out)]);
    assert!(table.contains("interact") && table.contains("10"), "{table}");

    // The same events cannot be about somebody else.
    fs::write(&description, DYAD.replace("interact\"", "intract\"")).unwrap();
    let again = folder.path().join("again");
    let error = fails(&["import", text(&dyad), "--description", text(&description), "--out", text(&again)]);
    assert!(error.contains("_reencode.csv: row 17") && error.contains("got \"interact\""), "{error}");
}

/// Frames of mice that wander: enough for a network to chew on.
fn wandering(mice: usize, parts: usize, frames: u64, seed: u64) -> Vec<Frame> {
    let frame = |number: u64| {
        let point = |index: usize| {
            let (mouse, part) = (index / parts, index % parts);
            if world::noise(seed + 7, number / 9 * 64 + index as u64) < 0.05 {
                return Keypoint::MISSING;
            }
            let time = number as f32 / 30.0 + mouse as f32;
            let x = 300.0 + 120.0 * (0.7 * time).sin() + 12.0 * part as f32;
            Keypoint::observed(x, 200.0 + 90.0 * (0.4 * time).cos() + 3.0 * part as f32, 1.0, 0.0)
        };
        Frame { number, capture_nanos: None, keypoints: (0..mice * parts).map(point).collect() }
    };
    frame_gap((0..frames).map(frame).collect())
}

/// Genuine recordings miss frames.
fn frame_gap(mut frames: Vec<Frame>) -> Vec<Frame> {
    frames.retain(|frame| !(100..110).contains(&frame.number));
    frames
}

/// The challenge's own table and annotations, with poses made up for some recordings of every lab.
#[test]
fn the_challenges_folder_trains_with_all_its_labs_and_faults() {
    let Some(genuine) = corpus_dir("mabe2025-annotations") else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("kaggle");
    fs::create_dir(&root).unwrap();
    link(&genuine.join("train.csv"), &root.join("train.csv"));
    link(&genuine.join("train_annotation"), &root.join("train_annotation"));
    let sheet = Sheet::read(&genuine.join("train.csv")).unwrap();
    let mut made: std::collections::BTreeMap<&str, u32> = std::collections::BTreeMap::new();
    for (index, row) in sheet.rows.iter().enumerate() {
        let count = made.entry(&row.lab).or_default();
        if *count == 4 || row.whitelist.is_empty() {
            continue;
        }
        *count += 1;
        let listed = row.whitelist.iter().flat_map(|entry| [&entry.agent, &entry.target]);
        let mice: BTreeSet<&String> = listed.filter(|name| name.starts_with("mouse")).collect();
        let path = row.tracking_path(&root);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let frames = wandering(mice.len().max(2), row.body_parts.len(), 600, index as u64);
        tracking::write(&path, mice.len().max(2), &row.body_parts, &frames).unwrap();
    }
    let corpus = Corpus::of_layout(&root).unwrap();
    let labs: BTreeSet<&str> = corpus.ethogram().label_sets().iter().map(|set| set.name.as_str()).collect();
    assert_eq!(labs.len(), 19);
    assert!(
        corpus.warnings().iter().any(|warning| warning.contains("rows have no tracking")),
        "{:?}",
        corpus.warnings()
    );
    let mut labelled = BTreeSet::new();
    for entry in corpus.entries() {
        let Annotated { recording, labels, .. } = load(&corpus, entry);
        assert_eq!(recording.extent(), 0..600, "{}", entry.id);
        assert_eq!(recording.frames.len(), 600, "gaps are frames without points");
        for (set, labels) in corpus.ethogram().label_sets().iter().zip(&labels) {
            if !labels.annotated.is_empty() {
                labelled.insert(set.name.as_str());
                assert!(labels.bouts.iter().all(|bout| bout.stop <= 600 && labels.annotated.contains(&bout.cell)));
                // Four of its recordings are annotated on another clock, which runs out before they end.
                let converted = set.name == "AdaptableSnail" && recording.stream.rate_hz() == 25.0;
                assert_eq!(spans::length(&labels.scored), if converted { 500 } else { 600 });
            }
        }
    }
    assert_eq!(labelled, labs);
    for split in [Split::Validation, Split::Test] {
        assert!(corpus.split(split).count() >= 15, "{split:?}: {}", corpus.split(split).count());
    }

    let config = folder.path().join("train.toml");
    fs::write(&config, CONFIG.replace("epochs = 2", "epochs = 1")).unwrap();
    let model = folder.path().join("model");
    let said = succeeds(&["train", "--corpus", text(&root), "--config", text(&config), "--out", text(&model)]);
    assert!(said.contains("wrote "), "{said}");
    let rows = folder.path().join("rows.csv");
    succeeds(&["predict", "--model", text(&model), "--corpus", text(&root), "--out", text(&rows)]);
    let score = succeeds(&["score", "--corpus", text(&root), "--submission", text(&rows)]);
    let score: f64 = score.lines().last().unwrap().parse().unwrap();
    assert!((0.0..1.0).contains(&score), "{score}");
}

#[test]
fn predictions_go_into_boris_and_parquet_and_come_back_as_a_score() {
    let folder = tempfile::tempdir().unwrap();
    let (source, config) = corpus(folder.path());
    let (out, model) = (folder.path().join("imported"), folder.path().join("model"));
    let description = folder.path().join("description.toml");
    succeeds(&["import", text(&source), "--description", text(&description), "--out", text(&out)]);
    assert!(Dataset::is_at(&out));
    let train = ["train", "--corpus", text(&out), "--config", text(&config), "--epochs", "1", "--out", text(&model)];
    succeeds(&train);
    let (rows, boris) = (folder.path().join("rows.csv"), folder.path().join("boris"));
    let scores = folder.path().join("scores.parquet");
    let predict = ["predict", "--model", text(&model), "--corpus", text(&out), "--split", "all", "--out", text(&rows)];
    succeeds(&[&predict[..], &["--boris", text(&boris), "--scores", text(&scores)]].concat());
    assert_eq!(fs::read_dir(&boris).unwrap().count(), 6, "a table and what to paste of each");
    assert!(fs::metadata(&scores).unwrap().len() > 1000);
    let score = succeeds(&["score", "--corpus", text(&out), "--split", "all", "--submission", text(&rows)]);
    score.lines().last().unwrap().parse::<f64>().unwrap();

    // The truth, written as a solution and handed in as a submission, is perfect.
    let solution = folder.path().join("solution.csv");
    let perfect = ["score", "--corpus", text(&out), "--split", "all", "--save-solution", text(&solution)];
    succeeds(&[&perfect[..], &["--submission", text(&rows)]].concat());
    let score = succeeds(&["score", "--solution", text(&solution), "--submission", text(&solution)]);
    assert_eq!(score.lines().last(), Some("1.0"));
}

const LOGGED: &str = r#"
name = "logged"
source = "tests"
species = "rat"
[layout]
pose_directory = "logs"
annotation_directory = "labels"
annotation_file = "{id}.csv"
[[label_sets]]
name = "Lab"
behaviors = [{ name = "chase", kind = "directed" }]
"#;

/// A camera of 25 Hz by its description and 24 in truth, that lost a second of frames; its video was labelled in BORIS.
#[test]
fn a_log_and_labels_made_on_its_video_become_a_corpus_by_capture_time() {
    let folder = tempfile::tempdir().unwrap();
    for below in ["logs", "labels"] {
        fs::create_dir(folder.path().join(below)).unwrap();
    }
    let cage = CageName::new("rig", "cage").unwrap();
    let names = vec!["animal0".to_owned(), "animal1".to_owned()];
    let clock = Some("unix".to_owned());
    let stream = StreamDescription::new(world::skeleton(), names, 25.0, 100.0, clock, Origin::Live).unwrap();
    let mut log = LogWriter::new(Vec::new(), "at the test").unwrap();
    let mut put = |part: Part, encoding: Encoding, payload: Vec<u8>, arrived_nanos: i64| {
        let topic = Topic { cage: cage.clone(), part };
        log.put(&Logged { topic, encoding, payload, arrived_nanos }).unwrap();
    };
    let start = 1_800_000_000_000_000_000;
    put(Part::Stream, Encoding::Json, description::encode(&stream), start);
    for number in (1000_u64..1480).filter(|number| !(1240..1264).contains(number)) {
        let mut frame = world::frame(2, number, 5);
        let capture = start + ((number - 1000) * 1_000_000_000 / 24) as i64;
        frame.capture_nanos = Some(capture);
        let content = Content::Frame { shape: Shape { individuals: 2, keypoints: 5 }, frame };
        let packet = Packet { stream: None, run: Some(1), lossless: false, content };
        put(Part::Pose, Encoding::Binary, packet.encode(Encoding::Binary), capture + 3_000_000);
    }
    fs::write(folder.path().join("logs/day.mcap"), log.finish(0, 0).unwrap()).unwrap();
    // The video began two seconds before the first frame that was logged.
    fs::write(folder.path().join("logs/day.toml"), "video_start_unix_secs = 1799999998.0").unwrap();
    // Its own frames are not those of the camera, and its first label is of before there were poses.
    let table = "Observation id,Media file name,FPS,Subject,Behavior,Modifier #1,Behavior type,Time,Image index\n\
        day,day,24,animal1,chase,animal0,START,0.5,12\nday,day,24,animal1,chase,animal0,STOP,1.0,24\n\
        day,day,24,animal1,chase,animal0,START,4.0,96\nday,day,24,animal1,chase,animal0,STOP,17.0,408\n";
    fs::write(folder.path().join("labels/day.csv"), table).unwrap();
    let (description, out) = (folder.path().join("logged.toml"), folder.path().join("corpus"));
    fs::write(&description, LOGGED).unwrap();
    let import = ["import", text(folder.path()), "--description", text(&description), "--out", text(&out)];
    let said = vibrissa(&import);
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("1 annotations lie outside the recording: left out (the first in row 2)"), "{said}");
    let imported = Corpus::of_layout(&out).unwrap();
    let Annotated { recording, labels, .. } = load(&imported, &imported.entries()[0]);
    assert_eq!((recording.extent(), labels[0].bouts.len()), (1000..1480, 1));
    // Two and fifteen seconds after the first frame, at 24 Hz.
    assert_eq!((labels[0].bouts[0].start, labels[0].bouts[0].stop), (1048, 1360));
    assert_eq!(labels[0].bouts[0].cell.subject, Subject::Ordered { agent: Individual(1), target: Individual(0) });
}

/// Predicted, looked through by a person, and back: the doubtful stretches become a corpus of their own.
#[test]
fn what_was_reviewed_comes_back_as_labels_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (source, config) = corpus(folder.path());
    let model = folder.path().join("model");
    succeeds(&["train", "--corpus", text(&source), "--config", text(&config), "--epochs", "1", "--out", text(&model)]);
    let recording = source.join("poses/3-made-up.csv");
    let review = folder.path().join("review");
    let flags = ["--rate-hz", "30", "--body-length-px", "100", "--count", "2", "--secs", "2"];
    let said = succeeds(
        &[&["review", "--model", text(&model), text(&recording), "--out", text(&review)][..], &flags].concat(),
    );
    assert!(said.contains("2 stretches of 1 recordings"), "{said}");
    assert_eq!(fs::read_to_string(review.join("review.csv")).unwrap().lines().count(), 3);
    let (description, out) = (review.join("description.toml"), folder.path().join("reviewed"));
    let poses = source.join("poses");
    let import = ["import", text(&poses), "--description", text(&description), "--out", text(&out)];
    let error = fails(&import);
    assert!(error.contains("no recordings"), "nobody has looked yet: {error}");
    // What a person exports who agrees with every bout.
    fs::copy(review.join("predicted/3-made-up.csv"), review.join("corrected/3-made-up.csv")).unwrap();
    succeeds(&import);
    let imported = Corpus::of_layout(&out).unwrap();
    assert_eq!(imported.entries().len(), 1);
    let Annotated { labels, .. } = load(&imported, &imported.entries()[0]);
    assert_eq!(spans::length(&labels[0].scored), 120);
    assert!(
        labels[0].bouts.iter().all(|bout| {
            labels[0].scored.iter().any(|scored| scored.start <= bout.start && bout.stop <= scored.end)
        })
    );
}

#[test]
fn a_summary_has_a_row_for_everything_that_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = corpus(folder.path());
    let out = folder.path().join("imported");
    let description = folder.path().join("description.toml");
    succeeds(&["import", text(&source), "--description", text(&description), "--out", text(&out)]);
    let table = succeeds(&["summary", "--corpus", text(&out)]);
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("session,label_set,behavior,kind,agent,target,pair,"));
    // Four bouts of 40 frames in 400, the first after 60: a pair without direction names no agent.
    let rows: Vec<&str> = lines.collect();
    assert_eq!(rows.len(), 3);
    let wanted = "1,Lab,contact,undirected,,,animal0+animal1,,0,13.333333,0,13.333333,2,4,1,5.333333,0.4,";
    assert!(rows[0].starts_with(wanted), "{}", rows[0]);
    // The same as predictions, which a submission has to give an order.
    let rows = folder.path().join("rows.csv");
    let row = "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame\n0,1,mouse2,mouse1,contact,59,99\n\
        1,1,mouse1,mouse2,other,0,9\n";
    fs::write(&rows, row).unwrap();
    let output = vibrissa(&["summary", "--corpus", text(&out), "--submission", text(&rows), "--bin-secs", "5"]);
    let (table, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1: 1 rows of the submission that nobody looked for"), "{said}");
    assert_eq!(table.lines().count(), 1 + 3 * 3);
    assert!(table.contains("1,Lab,contact,undirected,,,animal0+animal1,1,0,5,0,5,1.966667,1,0,1.333333,"), "{table}");
}

/// Nobody published for a minute: the cage begins anew, as it does live, and what comes after keeps its frames.
#[test]
fn a_gap_of_more_than_a_window_does_not_cost_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (source, config) = corpus(folder.path());
    let model = folder.path().join("model");
    succeeds(&["train", "--corpus", text(&source), "--config", text(&config), "--epochs", "1", "--out", text(&model)]);
    let whole = fs::read_to_string(source.join("poses/3-made-up.csv")).unwrap();
    let (header, frames): (Vec<&str>, Vec<&str>) = whole.lines().partition(|line| !line.starts_with(char::is_numeric));
    let moved = |line: &str| {
        let (number, rest) = line.split_once(',').unwrap();
        format!("{},{rest}", number.parse::<u64>().unwrap() + 2000)
    };
    let later: Vec<String> = frames.iter().map(|line| moved(line)).collect();
    let both = [header, frames, later.iter().map(String::as_str).collect()].concat().join("\n") + "\n";
    let gap = folder.path().join("gap.csv");
    fs::write(&gap, both).unwrap();
    let rows = |recording: &Path| {
        let out = folder.path().join("rows.csv");
        let facts = ["--rate-hz", "30", "--body-length-px", "100", "--delay", "0"];
        let predict = ["predict", "--model", text(&model), text(recording), "--out", text(&out)];
        succeeds(&[&predict[..], &facts].concat());
        let rows = submission::read(fs::File::open(&out).unwrap(), &out).unwrap();
        rows.into_iter().map(|row| (row.start, row.stop)).collect::<Vec<_>>()
    };
    let alone = rows(&source.join("poses/3-made-up.csv"));
    assert!(!alone.is_empty(), "a model that says nothing proves nothing");
    let again = alone.iter().map(|(start, stop)| (start + 2000, stop + 2000));
    assert_eq!(rows(&gap), alone.iter().copied().chain(again).collect::<Vec<_>>());
}

/// Nobody annotated them: imported without annotations, and three mice in a folder of the layout without a whitelist.
#[test]
fn recordings_that_nobody_annotated_are_inspected_and_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let (source, config) = corpus(folder.path());
    let model = folder.path().join("model");
    succeeds(&["train", "--corpus", text(&source), "--config", text(&config), "--epochs", "1", "--out", text(&model)]);
    let described = fs::read_to_string(folder.path().join("description.toml")).unwrap();
    let poses_only = described.replace("annotation_file = \"{id}_annot.txt\"", "");
    let (description, out) = (folder.path().join("poses.toml"), folder.path().join("unlabelled"));
    fs::write(&description, poses_only).unwrap();
    succeeds(&["import", text(&source), "--description", text(&description), "--out", text(&out)]);
    let rows = folder.path().join("rows.csv");
    succeeds(&["predict", "--model", text(&model), "--corpus", text(&out), "--split", "all", "--out", text(&rows)]);
    assert!(!submission::read(fs::File::open(&rows).unwrap(), &rows).unwrap().is_empty());
    let error = fails(&["train", "--corpus", text(&out), "--config", text(&config), "--out", text(&model)]);
    assert!(error.contains("no annotated recordings"), "{error}");
    let Some(trios) = corpus_dir("mouse-trios") else { return };
    let mice = folder.path().join("mice");
    for name in ["train.csv", "train_tracking"] {
        link(&trios.join(name), &mice.join(name));
    }
    let error = fails(&["inspect", text(&mice)]);
    assert!(error.contains("train.csv: row 2: expected a scale: pix_per_cm_approx or body_length_px"), "{error}");
    fs::write(mice.join("corpus.toml"), "body_length_px = 150.0").unwrap();
    let said = succeeds(&["inspect", text(&mice)]);
    assert!(said.contains("700000") && said.contains("50 Hz"), "{said}");
}
