use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::behavior::{Behavior, Kind, Subject};
use crate::corpus::annotations::{Annotation, Span};
use crate::corpus::labels::SELF;
use crate::corpus::mabe::dataset::Dataset;
use crate::corpus::mabe::sheet::Sheet;
use crate::corpus::mabe::{annotation, tracking};
use crate::corpus::{Description, Split};
use crate::poses::{Frame, Keypoint};

const PARTS: [&str; 3] = ["nose", "spine", "tail"];
const NAMES: [&str; 4] = ["Ada", "Bo", "Cy", "Di"];

/// Behaviors of every kind, in two label sets.
const LAB: &str = r#"
name = "lab"
source = "made up"
species = "rat"
[layout]
pose_directory = "poses"
annotation_directory = "labels"
annotation_file = "{id}.parquet"
[stream]
rate_hz = 25.0
body_length_px = 80.0
body_length_cm = 16.0
individuals = INDIVIDUALS
[aliases]
mouse1 = "Ada"
mouse2 = "Bo"
mouse3 = "Cy"
mouse4 = "Di"
[skeleton]
name = "three"
keypoints = ["tail", "nose", "spine"]
front = "nose"
centre = "spine"
rear = "tail"
edges = [["nose", "spine"], ["spine", "tail"]]
[[label_sets]]
name = "Social"
behaviors = [
    { name = "attack", kind = "directed" },
    { name = "huddle", kind = "mutual" },
    { name = "contact", kind = "undirected" },
    { name = "rear", kind = "self" },
]
excluded = ["human"]
SOCIAL
[[label_sets]]
name = "Care"
behaviors = [{ name = "groom", kind = "directed" }, { name = "rest", kind = "self" }]
scored_within = "Social"
CARE
[split]
validation = ["2"]
test = ["3"]
"#;

/// Animals `agent` and `target` (the same for a self behavior) by number from 1, what, and the frames.
type Labelled = (u8, u8, &'static str, u64, u64);

/// Files of a lab with cages of so many animals.
struct Files {
    dir: tempfile::TempDir,
    description: Description,
}

impl Files {
    /// The whitelists are lines of the description.
    fn new(animals: usize, [social, care]: [&str; 2]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for below in ["poses", "labels"] {
            fs::create_dir(dir.path().join(below)).unwrap();
        }
        let individuals = format!("{:?}", &NAMES[..animals]);
        let text = LAB.replace("INDIVIDUALS", &individuals).replace("SOCIAL", social).replace("CARE", care);
        let description = Description::parse(&text, Path::new("lab.toml")).unwrap();
        Self { dir, description }
    }

    fn poses(&self, id: &str) -> PathBuf {
        self.dir.path().join(format!("poses/{id}.parquet"))
    }

    fn add(&self, id: &str, frames: &[Frame], labels: &[Labelled]) {
        let animals = self.description.stream.individuals.as_ref().unwrap().len();
        tracking::write(&self.poses(id), animals, &PARTS.map(str::to_owned), frames).unwrap();
        let one = |&(agent, target, label, start, stop): &Labelled| Annotation {
            channel: None,
            agent: Some(format!("mouse{agent}")),
            target: Some(format!("mouse{target}")),
            label: label.to_owned(),
            span: Span::Frames(start..stop),
            row: 0,
        };
        let labels: Vec<Annotation> = labels.iter().map(one).collect();
        annotation::write(&self.dir.path().join(format!("labels/{id}.parquet")), &labels).unwrap();
    }

    fn corpus(&self) -> Corpus {
        Corpus::of_files(&[self.dir.path().to_path_buf()], &self.description).unwrap()
    }

    /// Imports all of it into a folder beside.
    fn import(&self) -> (Imported, PathBuf) {
        let out = self.dir.path().join("out");
        let mut met = Vec::new();
        let imported = import(&self.corpus(), &out, |entry| met.push(entry.id.clone())).unwrap();
        assert_eq!(met.len(), self.corpus().entries().len(), "each is told: {met:?}");
        (imported, out)
    }
}

/// Frames of animals that are seen throughout; a recording is told from another by its `seed`.
fn seen(animals: usize, frames: u64, seed: f32) -> Vec<Frame> {
    let point = |slot: usize| Keypoint::observed(seed + slot as f32, 5.0, 1.0, 0.0);
    let keypoints: Vec<Keypoint> = (0..animals * PARTS.len()).map(point).collect();
    (0..frames).map(|number| Frame { number, capture_nanos: None, keypoints: keypoints.clone() }).collect()
}

fn ids(corpus: &Corpus) -> Vec<&str> {
    corpus.entries().iter().map(|entry| entry.id.as_str()).collect()
}

#[test]
fn of_two_recordings_with_one_name_the_first_is_kept() {
    let files = Files::new(2, ["", ""]);
    for (id, seed) in [("day:1", 7.0), ("day*1", 3.0), ("day 1", 5.0)] {
        files.add(id, &seen(2, 10, seed), &[(1, 2, "attack", 2, 4)]);
    }
    let (imported, out) = files.import();
    let [error] = &imported.failed[..] else { panic!("{:?}", imported.failed) };
    let (kept, refused) = (files.poses("day*1"), files.poses("day:1"));
    let wanted = "expected a recording that is not called \"day_1\", got one as";
    assert_eq!(error.to_string(), format!("{}: {wanted} {}", refused.display(), kept.display()));
    assert_eq!((imported.recordings, imported.frames, imported.rows, imported.bouts), (2, 20, 4, 2));
    let corpus = Corpus::of_layout(&out).unwrap();
    assert_eq!(ids(&corpus), ["day 1", "day_1"]);
    let recording = corpus.load(&corpus.entries()[1]).unwrap().recording;
    assert_eq!(recording.frames[0].keypoints[1].x, 3.0, "the nose, which the skeleton has second, of the first");
}

#[test]
fn a_bad_file_costs_only_itself() {
    let files = Files::new(2, ["", ""]);
    for id in ["1", "2", "3", "4", "5"] {
        files.add(id, &seen(2, 10, 1.0), &[(1, 2, "attack", 2, 4)]);
    }
    fs::write(files.poses("2"), "PAR1 and nothing else").unwrap();
    fs::write(files.dir.path().join("labels/3.parquet"), "nothing at all").unwrap();
    files.add("4", &seen(2, 10, 1.0), &[(1, 2, "attak", 2, 4)]);
    let (imported, out) = files.import();
    let errors: Vec<String> = imported.failed.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    for (error, wanted) in errors.iter().zip(["poses/2.parquet: ", "labels/3.parquet: ", "labels/4.parquet: row 1: "]) {
        assert!(error.contains(wanted), "{error}\nlacks\n{wanted}");
    }
    assert!(errors[2].ends_with("got \"attak\""), "{errors:?}");
    assert_eq!((imported.recordings, imported.rows), (2, 4));
    assert_eq!(ids(&Corpus::of_layout(&out).unwrap()), ["1", "5"]);
    let tracked: Vec<_> = fs::read_dir(out.join("train_tracking/Social")).unwrap().collect();
    assert_eq!(tracked.len(), 2, "nothing of the others");
}

#[test]
fn nothing_is_written_into_a_folder_that_holds_something() {
    let files = Files::new(2, ["", ""]);
    files.add("1", &seen(2, 10, 1.0), &[]);
    let out = files.dir.path().join("out");
    fs::create_dir_all(out.join("older")).unwrap();
    let error = import(&files.corpus(), &out, |_| panic!("too late")).unwrap_err().to_string();
    assert_eq!(error, format!("{}: expected a new or empty folder, got one with files in it", out.display()));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    fs::remove_dir(out.join("older")).unwrap();
    assert_eq!(import(&files.corpus(), &out, |_| ()).unwrap().recordings, 1, "an empty one will do");
}

#[test]
fn a_corpus_of_which_everything_was_left_out_is_none() {
    let mut files = Files::new(2, ["", ""]);
    files.add("1", &seen(2, 10, 1.0), &[]);
    fs::remove_file(files.dir.path().join("labels/1.parquet")).unwrap();
    files.description.layout.without_annotations = crate::corpus::description::WithoutAnnotations::LeaveOut;
    let out = files.dir.path().join("out");
    let error = import(&files.corpus(), &out, |_| ()).unwrap_err().to_string();
    assert!(error.ends_with("out: expected recordings with annotations, got no recordings"), "{error}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}

/// The whitelist of a label set in the imported table.
fn whitelist(out: &Path, lab: &str) -> Vec<String> {
    let sheet = Sheet::read(&out.join(Dataset::SHEET)).unwrap();
    let row = sheet.rows.iter().find(|row| row.lab == lab).unwrap();
    row.whitelist.iter().map(|entry| format!("{},{},{}", entry.agent, entry.target, entry.action)).collect()
}

#[test]
fn whitelists_name_animals_by_number_and_a_pair_without_direction_once() {
    let files = Files::new(3, ["", "annotated = [\"Cy,Ada,groom\", \"Bo,self,rest\", \"Ada,Cy,groom\"]"]);
    // A pair without direction is written in one order, whichever its annotation has; a self behavior names one animal.
    let labels = [(3, 1, "contact", 2, 4), (2, 3, "huddle", 3, 5), (2, 2, "rest", 5, 6), (3, 1, "attack", 6, 7)];
    files.add("1", &seen(3, 10, 1.0), &labels);
    let (_, out) = files.import();
    let wanted = [
        "mouse1,mouse2,attack",
        "mouse1,mouse3,attack",
        "mouse2,mouse1,attack",
        "mouse2,mouse3,attack",
        "mouse3,mouse1,attack",
        "mouse3,mouse2,attack",
        "mouse1,mouse2,huddle",
        "mouse1,mouse3,huddle",
        "mouse2,mouse3,huddle",
        "mouse1,mouse2,contact",
        "mouse1,mouse3,contact",
        "mouse2,mouse3,contact",
        "mouse1,self,rear",
        "mouse2,self,rear",
        "mouse3,self,rear",
    ];
    assert_eq!(whitelist(&out, "Social"), wanted);
    assert_eq!(whitelist(&out, "Care"), ["mouse1,mouse3,groom", "mouse3,mouse1,groom", "mouse2,self,rest"]);
    let written = |lab: &str| -> Vec<Labelled> {
        let number = |name: &Option<String>| name.as_ref().unwrap()[5..].parse().unwrap();
        let one = |annotation: Annotation| {
            let Span::Frames(frames) = annotation.span else { panic!("{annotation:?}") };
            let label = ["attack", "huddle", "contact", "rest"].into_iter().find(|name| *name == annotation.label);
            (number(&annotation.agent), number(&annotation.target), label.unwrap(), frames.start, frames.end)
        };
        let file = out.join(format!("train_annotation/{lab}/1.parquet"));
        annotation::read(&file).unwrap().intervals.into_iter().map(one).collect()
    };
    assert_eq!(written("Social"), [(1, 3, "contact", 2, 4), (2, 3, "huddle", 3, 5), (3, 1, "attack", 6, 7)]);
    assert_eq!(written("Care"), [(2, 2, "rest", 5, 6)]);
}

#[test]
fn the_card_and_the_table_say_what_the_description_said() {
    let files = Files::new(2, ["", ""]);
    for (id, offset) in [("1", 1.0), ("2", 2.0), ("3", 3.0)] {
        files.add(id, &seen(2, 50, offset), &[(1, 2, "human", 10, 20), (1, 2, "attack", 45, 60)]);
    }
    let (imported, out) = files.import();
    assert_eq!(imported.repairs.len(), 3, "{:?}", imported.repairs);
    assert!(imported.repairs[0].ends_with("1 annotations reach beyond the recording: clipped (the first in row 2)"));
    let (corpus, source) = (Corpus::of_layout(&out).unwrap(), files.corpus());
    assert_eq!((corpus.name(), corpus.source(), corpus.species()), ("lab", "made up", "rat"));
    assert_eq!((corpus.ethogram(), corpus.body_length_cm()), (source.ethogram(), 16.0));
    let splits = |corpus: &Corpus| corpus.entries().iter().map(|entry| entry.split).collect::<Vec<_>>();
    assert_eq!(splits(&corpus), [Split::Train, Split::Validation, Split::Test]);
    assert_eq!(splits(&source), splits(&corpus));
    let sheet = Sheet::read(&out.join(Dataset::SHEET)).unwrap();
    assert_eq!((sheet.rows.len(), &sheet.rows[1].tracking_lab), (6, &Some("Social".to_owned())));
    for row in &sheet.rows {
        assert_eq!((row.rate_hz, row.duration_secs, row.pix_per_cm), (25.0, Some(2.0), Some(5.0)));
        assert_eq!(row.scored_frames, Some(vec![0..10, 20..50]), "{}", row.lab);
    }
}

#[test]
fn the_same_poses_do_not_both_train_and_test() {
    let files = Files::new(2, ["", ""]);
    for id in ["1", "3", "4"] {
        files.add(id, &seen(2, 50, 1.0), &[(1, 2, "attack", 10, 20)]);
    }
    let (imported, out) = files.import();
    assert_eq!((imported.recordings, imported.failed.len()), (2, 1), "both that train are kept");
    let error = imported.failed[0].to_string();
    assert!(
        error.contains("expected the split Train as of the same poses in ") && error.ends_with("got Test"),
        "{error}"
    );
    assert!(!out.join("train_tracking/Social/3.parquet").exists());
}

/// A recording, its whitelists and what happened.
#[derive(Clone, Debug)]
struct Case {
    animals: usize,
    frames: Vec<Frame>,
    /// By label set, as entries of a description.
    listed: [Vec<String>; 2],
    labels: Vec<Labelled>,
}

const SETS: [&[(&str, Kind)]; 2] = [
    &[("attack", Kind::Directed), ("huddle", Kind::Mutual), ("contact", Kind::Undirected), ("rear", Kind::OfSelf)],
    &[("groom", Kind::Directed), ("rest", Kind::OfSelf)],
];

/// Everything that a label set may list in a cage.
fn all_of(set: usize, animals: usize) -> Vec<(u8, u8, &'static str)> {
    let of = |&(name, kind): &(&'static str, Kind)| {
        let pair = move |subject| match subject {
            Subject::One(one) => (one.0 + 1, one.0 + 1, name),
            // In either order, as whoever lists or annotates a pair likes.
            Subject::Both { first, second } => (second.0 + 1, first.0 + 1, name),
            Subject::Ordered { agent, target } => (agent.0 + 1, target.0 + 1, name),
        };
        Subject::all(kind, animals).into_iter().map(pair).collect::<Vec<_>>()
    };
    SETS[set].iter().flat_map(of).collect()
}

fn cases() -> impl Strategy<Value = Case> {
    let point = (0.0_f32..500.0, 1.0_f32..500.0, 0.0_f32..=1.0);
    let shape = (2_usize..=4, 1_usize..10, 0_u64..50);
    shape.prop_flat_map(move |(animals, frames, first)| {
        let frame = (1_u64..4, proptest::collection::vec(point.clone(), animals * PARTS.len()));
        let cells = [all_of(0, animals), all_of(1, animals)];
        let chosen = cells.clone().map(|cells| proptest::collection::vec(any::<bool>(), cells.len()));
        let bout = (any::<proptest::sample::Index>(), 0..frames as u64, 1_u64..6);
        let frames = proptest::collection::vec(frame, frames);
        (frames, chosen, proptest::collection::vec(bout, 0..12)).prop_map(move |(frames, chosen, bouts)| {
            let mut number = first;
            let frame = |(step, points): (u64, Vec<(f32, f32, f32)>)| {
                number += step;
                let points = points.into_iter().map(|(x, y, confidence)| Keypoint::observed(x, y, confidence, 0.3));
                Frame { number, capture_nanos: None, keypoints: points.collect() }
            };
            let frames: Vec<Frame> = frames.into_iter().map(frame).collect();
            let taken = |set: usize| {
                let chosen = cells[set].iter().zip(&chosen[set]);
                chosen.filter(|(_, is_chosen)| **is_chosen).map(|(cell, _)| *cell).collect::<Vec<_>>()
            };
            let listed = |&(agent, target, action): &(u8, u8, &str)| {
                let name = |number: u8| NAMES[usize::from(number) - 1];
                format!("{},{},{action}", name(agent), if agent == target { SELF } else { name(target) })
            };
            let known = [taken(0), taken(1)].concat();
            let labels = bouts.into_iter().map(|(which, start, length)| {
                let (agent, target, label) = *which.get(&[&[(1, 2, "human")], &known[..]].concat());
                let start = frames[0].number + start;
                (agent, target, label, start, start + length)
            });
            let labels = labels.collect();
            Case { animals, listed: [0, 1].map(|set| taken(set).iter().map(listed).collect()), labels, frames }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_corpus_read_back_is_what_was_loaded(case in cases()) {
        let [social, care] = case.listed.clone().map(|listed| format!("annotated = {listed:?}"));
        let files = Files::new(case.animals, [&social, &care]);
        files.add("1", &case.frames, &case.labels);
        let source = files.corpus();
        let mut there = source.load(&source.entries()[0]).unwrap();
        let (imported, out) = files.import();
        prop_assert!(imported.failed.is_empty(), "{:?}", imported.failed);
        prop_assert_eq!(&imported.repairs, &there.repairs);
        if case.listed.iter().all(Vec::is_empty) {
            // The poses are kept, for whoever labels them.
            let corpus = Corpus::of_layout(&out).unwrap();
            let here = corpus.load(&corpus.entries()[0]).unwrap();
            prop_assert!(here.labels.iter().all(|labels| labels.annotated.is_empty() && labels.bouts.is_empty()));
            prop_assert!(out.join("train_tracking/Social/1.parquet").is_file());
            return Ok(());
        }
        let corpus = Corpus::of_layout(&out).unwrap();
        prop_assert!(corpus.warnings().is_empty(), "{:?}", corpus.warnings());
        prop_assert_eq!(corpus.ethogram(), source.ethogram());
        let here = corpus.load(&corpus.entries()[0]).unwrap();
        prop_assert_eq!(here.recording.extent(), case.frames[0].number..case.frames[case.frames.len() - 1].number + 1);
        let bouts: usize = there.labels.iter().map(|set| set.bouts.len()).sum();
        prop_assert_eq!(imported.bouts, bouts);
        there.repairs.clear();
        for labels in there.labels.iter_mut().filter(|labels| labels.annotated.is_empty()) {
            // Where nothing was looked for, it does not matter when.
            labels.scored.clear();
        }
        prop_assert_eq!(here, there);
    }
}

#[test]
fn cells_of_the_random_corpora_are_those_of_the_ethogram() {
    let files = Files::new(4, ["", ""]);
    let ethogram = files.description.ethogram();
    let names: Vec<(&str, Kind)> = ethogram.behaviors().map(|(.., spec)| (spec.name.as_str(), spec.kind)).collect();
    assert_eq!(names, SETS.concat());
    assert_eq!(all_of(0, 4).len() + all_of(1, 4).len(), ethogram.cells(4).len());
    assert_eq!(ethogram.find("Care", "groom"), Some(Behavior(4)));
}
