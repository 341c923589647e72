#![allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]

use std::fs;

use super::*;
use crate::behavior::{Behavior, BehaviorSpec, Bout, LabelSet};
use crate::corpus::Corpus;
use crate::corpus::annotations::Annotation;
use crate::corpus::mabe::solution::{Solution, Video};
use crate::corpus::mabe::submission;
use crate::corpus::mabe::table::{Kind as Column, Values, Writer};
use crate::poses::{Frame, Keypoint};

const PARTS: [&str; 3] = ["nose", "body_center", "tail_base"];

/// Agent, target (the agent's own number for a self behavior), action, frames.
type Labelled = (u8, u8, &'static str, Range<u64>);

/// A folder in the layout, before its table is written.
#[derive(Default)]
struct Lab {
    sheet: Sheet,
    dir: Option<tempfile::TempDir>,
}

/// A recording of 30 Hz by what a lab looked for in it, as `"mouse1,mouse2,attack"`.
fn row(lab: &str, video: &str, whitelist: &[&str]) -> Row {
    let listed = |entry: &&str| {
        let [agent, target, action] = entry.split(',').collect::<Vec<_>>()[..] else { panic!("{entry}") };
        Listing { agent: agent.into(), target: target.into(), action: action.into() }
    };
    Row {
        lab: lab.into(),
        video: video.into(),
        rate_hz: 30.0,
        pix_per_cm: Some(10.0),
        body_parts: PARTS.map(str::to_owned).to_vec(),
        whitelist: whitelist.iter().map(listed).collect(),
        ..Row::default()
    }
}

/// Where a part was seen: the same for the same `seed`, whatever number its animal has.
fn place_of(seed: u64, frame: u64, animal: usize, part: usize) -> (f32, f32) {
    (10.0 * (seed + 1) as f32 + frame as f32, 100.0 * (animal + 1) as f32 + part as f32)
}

/// Tracking of the animals of these numbers, as the challenge has it: rows of points that were seen.
fn track(file: &Path, numbers: &[i64], frames: u64, seed: u64) {
    let (mut ints, mut parts, mut floats) = ([Vec::new(), Vec::new()], Vec::new(), [Vec::new(), Vec::new()]);
    for frame in 0..frames {
        for (animal, number) in numbers.iter().enumerate() {
            for part in 0..PARTS.len() {
                let (x, y) = place_of(seed, frame, animal, part);
                ints[0].push(frame as i64);
                ints[1].push(*number);
                parts.push(part as u32);
                floats[0].push(x);
                floats[1].push(y);
            }
        }
    }
    let columns = [
        ("video_frame", Column::Int32),
        ("mouse_id", Column::Int8),
        ("bodypart", Column::Text),
        ("x", Column::Float),
        ("y", Column::Float),
    ];
    let ([frame, mouse], [x, y]) = (&ints, &floats);
    let mut writer = Writer::create(file, &columns).unwrap();
    let names = PARTS.map(str::to_owned);
    let texts = Values::Texts(&names, &parts);
    writer.group(&[Values::Ints(frame), Values::Ints(mouse), texts, Values::Floats(x), Values::Floats(y)]).unwrap();
    writer.finish().unwrap();
}

fn in_new_folder(file: PathBuf) -> PathBuf {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    file
}

impl Lab {
    fn dir(&mut self) -> &Path {
        self.dir.get_or_insert_with(|| tempfile::tempdir().unwrap()).path()
    }

    /// A recording of so many frames of the animals of these numbers.
    fn poses(&mut self, row: Row, numbers: &[i64], frames: u64, seed: u64) -> &mut Self {
        track(&in_new_folder(row.tracking_path(self.dir())), numbers, frames, seed);
        let duration_secs = Some(frames as f64 / row.rate_hz);
        self.sheet.rows.push(Row { duration_secs, ..row });
        self
    }

    /// The annotations of the last row.
    fn labels(&mut self, labels: &[Labelled]) -> &mut Self {
        let one = |(row, (agent, target, action, frames)): (u64, &Labelled)| Annotation {
            channel: None,
            agent: Some(format!("mouse{agent}")),
            target: Some(format!("mouse{target}")),
            label: (*action).to_owned(),
            span: Span::Frames(frames.clone()),
            row,
        };
        let annotations: Vec<Annotation> = (1..).zip(labels).map(one).collect();
        let row = self.sheet.rows.last().unwrap().clone();
        annotation::write(&in_new_folder(row.annotation_path(self.dir())), &annotations).unwrap();
        self
    }

    /// Two mice over 100 frames in which nothing happened.
    fn quiet(&mut self, row: Row, seed: u64) -> &mut Self {
        self.poses(row, &[1, 2], 100, seed).labels(&[])
    }

    /// The table, changed as text.
    fn written(&mut self, change: impl Fn(String) -> String) -> Result<Corpus, CorpusError> {
        let sheet = self.sheet.clone();
        let file = self.dir().join(Dataset::SHEET);
        sheet.write(&file).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, change(text)).unwrap();
        Corpus::of_layout(self.dir())
    }

    fn open(&mut self) -> Corpus {
        self.written(|text| text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(&mut self) -> String {
        self.written(|text| text).unwrap_err().to_string()
    }

    /// The folder's one recording.
    fn load(&mut self) -> Annotated {
        let corpus = self.open();
        corpus.load(&corpus.entries()[0]).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn ordered(agent: u8, target: u8) -> Subject {
    Subject::Ordered { agent: Individual(agent), target: Individual(target) }
}

fn both(first: u8, second: u8) -> Subject {
    Subject::Both { first: Individual(first), second: Individual(second) }
}

fn ranges(bouts: &[Bout]) -> Vec<Range<u64>> {
    bouts.iter().map(|bout| bout.start..bout.stop).collect()
}

fn card(kinds: &[(&str, Kind)]) -> Card {
    let spec = |(name, kind): &(&str, Kind)| BehaviorSpec { name: (*name).to_owned(), kind: *kind };
    let behaviors = kinds.iter().map(spec).collect();
    Card { label_sets: vec![LabelSet { name: "Lab".into(), behaviors }], ..Card::default() }
}

const ATTACK: &str = "mouse1,mouse2,attack";

#[test]
fn labels_on_the_snails_clock_are_converted_and_only_what_it_reached_is_scored() {
    let labels = [(1, 2, "attack", 1..2), (1, 2, "attack", 3..4), (1, 2, "attack", 31..60), (1, 2, "attack", 143..144)];
    // Frames × 25 / 30, rounded; none shorter than a frame, those beyond the recording cut.
    let converted = vec![1..2, 3..4, 26..50, 119..120];
    let slower = vec![1..3, 26..50, 119..120];
    let as_written = vec![1..2, 3..4, 31..60];
    let snail = "AdaptableSnail";
    for (lab, rate_hz, scored_frames, wanted, scored) in [
        (snail, 25.0, None, &converted, 0..100),
        (snail, 24.99, None, &slower, 0..99),
        (snail, 30.0, None, &as_written, 0..120),
        ("AgileGiraffe", 25.0, None, &as_written, 0..120),
        // An imported corpus counts by the recording's frames, whatever its lab is called.
        (snail, 25.0, Some(vec![0..70]), &as_written, 0..70),
    ] {
        let row = Row { rate_hz, scored_frames, ..row(lab, "1", &[ATTACK]) };
        let mut folder = Lab::default();
        let Annotated { labels, repairs, .. } = folder.poses(row, &[1, 2], 120, 0).labels(&labels).load();
        assert_eq!((&ranges(&labels[0].bouts), &labels[0].scored), (wanted, &vec![scored]), "{lab} {rate_hz}");
        let told = repairs.iter().any(|repair| repair.contains("AdaptableSnail 1: 1 clock other than the recording's"));
        assert_eq!(told, wanted != &as_written, "{repairs:?}");
        assert_eq!(wanted == &as_written, repairs.iter().any(|repair| repair.contains("1 annotations beyond")));
    }
}

#[test]
fn an_animal_that_was_never_tracked_leaves_its_number_free() {
    let whitelist = [
        "mouse4,mouse1,attack",
        "mouse3,mouse1,attack",
        "mouse1,mouse3,attack",
        "mouse3,self,rear",
        "mouse4,self,rear",
    ];
    let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let row = Row { individuals: Some(names), ..row("Lab", "9", &whitelist) };
    let mut folder = Lab::default();
    folder.poses(row, &[1, 2, 4], 50, 0);
    folder.labels(&[(4, 1, "attack", 5..9), (3, 1, "attack", 6..8), (4, 4, "rear", 20..30)]);
    let corpus = folder.open();
    let Annotated { recording, labels, numbers, repairs } = corpus.load(&corpus.entries()[0]).unwrap();
    assert_eq!(
        (numbers.as_slice(), recording.stream.individuals()),
        ([1, 2, 4].as_slice(), ["a", "b", "d"].map(String::from).as_slice())
    );
    let (x, y) = place_of(0, 7, 2, 0);
    assert_eq!((recording.frames[7].keypoints[6].x, recording.frames[7].keypoints[6].y), (x, y));
    let cells = [(0, ordered(2, 0)), (1, Subject::One(Individual(2)))];
    let cells = cells.map(|(behavior, subject)| Cell { behavior: Behavior(behavior), subject });
    assert_eq!(labels[0].annotated, cells);
    let bouts = [(cells[0], 5..9), (cells[1], 20..30)];
    assert_eq!(labels[0].bouts, bouts.map(|(cell, frames)| Bout { cell, start: frames.start, stop: frames.end }));
    let wanted = [
        "Lab 9: 3 behaviors of animals that were not tracked: left out",
        "Lab 9: 1 annotations that the whitelist does not list, or of animals that were not tracked: left out",
    ];
    assert_eq!(repairs, wanted);

    // Whoever hands in names the animals by their numbers again.
    let mut rows = submission::Writer::new(Vec::new()).unwrap();
    for bout in &labels[0].bouts {
        let row = submission::Row::new(&recording.name, corpus.ethogram(), bout);
        let numbered = row.subject.map(|slot| Individual(numbers[usize::from(slot.0)] - 1));
        rows.write(&submission::Row { subject: numbered, ..row }).unwrap();
    }
    let rows = String::from_utf8(rows.finish().unwrap()).unwrap();
    assert!(rows.ends_with("\n0,9,mouse4,mouse1,attack,5,9\n1,9,mouse4,self,rear,20,30\n"), "{rows}");
}

/// The layout's own writer gives an animal that is never seen a row without coordinates: it is there.
#[test]
fn an_animal_that_was_tracked_and_never_seen_keeps_its_slot() {
    let row = row("Lab", "1", &["mouse3,self,rear"]);
    let mut folder = Lab::default();
    folder.poses(row.clone(), &[1], 1, 0).labels(&[(3, 3, "rear", 2..4)]);
    let point = |animal: usize, part: usize| {
        let (x, y) = place_of(0, 0, animal, part);
        if animal == 2 { Keypoint::MISSING } else { Keypoint::observed(x, y, 1.0, 0.0) }
    };
    let frame = |number| Frame {
        number,
        capture_nanos: None,
        keypoints: (0..12).map(|slot| point(slot / 3, slot % 3)).collect(),
    };
    let frames: Vec<Frame> = (0..5).map(frame).collect();
    tracking::write(&row.tracking_path(folder.dir()), 4, &row.body_parts, &frames).unwrap();
    let Annotated { recording, labels, numbers, repairs } = folder.load();
    assert_eq!((numbers.as_slice(), recording.frames), ([1, 2, 3, 4].as_slice(), frames));
    assert_eq!((ranges(&labels[0].bouts), repairs), (vec![2..4], Vec::<String>::new()));
    assert_eq!(labels[0].bouts[0].cell.subject, Subject::One(Individual(2)));
}

#[test]
fn a_pair_without_direction_is_one_cell_in_whichever_orders_it_is_listed() {
    let whitelist = ["mouse1,mouse2,contact", "mouse2,mouse1,contact", "mouse3,mouse1,contact", "mouse1,mouse2,attack"];
    let mut folder = Lab::default();
    card(&[("contact", Kind::Undirected), ("attack", Kind::Directed)]).write(folder.dir()).unwrap();
    folder.poses(row("Lab", "1", &whitelist), &[1, 2, 3], 60, 0);
    folder.labels(&[(2, 1, "contact", 5..9), (1, 2, "contact", 8..12), (1, 3, "contact", 1..2)]);
    let corpus = folder.open();
    let entry = &corpus.entries()[0];
    let Annotated { labels, repairs, .. } = corpus.load(entry).unwrap();
    let subjects = labels[0].annotated.iter().map(|cell| cell.subject).collect::<Vec<_>>();
    assert_eq!(subjects, [both(0, 1), both(0, 2), ordered(0, 1)]);
    let found: Vec<_> = labels[0].bouts.iter().map(|bout| (bout.cell.subject, bout.start..bout.stop)).collect();
    assert_eq!(found, [(both(0, 2), 1..2), (both(0, 1), 5..12)]);
    assert!(repairs.is_empty(), "{repairs:?}");

    let dataset = corpus.as_mabe().unwrap();
    let orders =
        |lab, action: &str, one, other| dataset.orders(entry, lab, action, [Individual(one), Individual(other)]);
    assert_eq!(orders("Lab", "contact", 0, 1), [ordered(0, 1), ordered(1, 0)]);
    assert_eq!(orders("Lab", "contact", 0, 2), [ordered(2, 0)]);
    assert_eq!(orders("Lab", "contact", 1, 2), []);
    assert_eq!(orders("Lab", "attack", 0, 1), [ordered(0, 1)]);
    assert_eq!(orders("Other", "contact", 0, 1), []);
}

#[test]
fn rows_that_contradict_each_other_about_the_same_poses_are_refused_with_both() {
    type Change = fn(&mut Row);
    let changes: [(&str, Change); 6] = [
        ("30 Some(10.0)", |row| row.pix_per_cm = Some(12.0)),
        ("30 Some(10.0)", |row| row.rate_hz = 25.0),
        ("[\"nose\", \"body_center\", \"tail_base\"]", |row| row.body_parts.swap(0, 2)),
        ("None", |row| row.individuals = Some(vec!["x".into(), "y".into()])),
        ("None", |row| row.body_length_px = Some(80.0)),
        ("None", |row| row.split = Some(Split::Test)),
    ];
    for (said, change) in changes {
        let mut folder = Lab::default();
        folder.quiet(row("One", "1", &[ATTACK]), 0);
        let mut second = Row { tracking_lab: Some("One".into()), ..row("Two", "1", &[ATTACK]) };
        folder.sheet.rows.push(second.clone());
        assert_eq!(folder.open().entries().len(), 1, "they share a recording");
        change(&mut second);
        folder.sheet.rows[1] = second;
        let error = folder.refused();
        assert!(error.contains("train.csv: row 3: expected what row 2 says about the same poses, 30 "), "{error}");
        let (expected, got) = error.split_once(", got ").unwrap();
        assert!(expected.contains(said) && expected != got, "{error}");
    }
}

/// Labels of two labs over the same poses, stored once, and recordings that only share their name.
#[test]
fn recordings_are_told_apart_by_where_their_poses_lie() {
    let mut folder = Lab::default();
    folder.poses(row("One", "7", &[ATTACK]), &[1, 2], 40, 0).labels(&[(1, 2, "attack", 3..5)]);
    folder.sheet.rows.push(Row { tracking_lab: Some("One".into()), ..row("Two", "7", &["mouse2,self,rear"]) });
    folder.labels(&[(2, 2, "rear", 0..9)]);
    folder.quiet(row("Three", "7", &[ATTACK]), 1).quiet(row("Three", "8", &[ATTACK]), 2);
    let corpus = folder.open();
    let ids: Vec<&str> = corpus.entries().iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["8", "One/7", "Three/7"]);
    let dataset = corpus.as_mabe().unwrap();
    assert_eq!(dataset.labs(&corpus.entries()[1]).collect::<Vec<_>>(), ["One", "Two"]);
    let sets: Vec<&str> = corpus.ethogram().label_sets().iter().map(|set| set.name.as_str()).collect();
    assert_eq!(sets, ["One", "Three", "Two"]);
    let Annotated { recording, labels, .. } = corpus.load(&corpus.entries()[1]).unwrap();
    assert_eq!(recording.name, "One/7");
    assert_eq!(labels.iter().map(|set| ranges(&set.bouts)).collect::<Vec<_>>(), [vec![3..5], vec![], vec![0..9]]);
    assert_eq!(labels[1], SetLabels::default(), "another lab did not look");
}

/// By id.
fn splits(corpus: &Corpus) -> BTreeMap<String, Split> {
    corpus.entries().iter().map(|entry| (entry.id.clone(), entry.split)).collect()
}

#[test]
fn what_is_stated_of_poses_holds_for_the_same_poses_that_say_nothing() {
    for stated in [Split::Train, Split::Validation, Split::Test] {
        let mut folder = Lab::default();
        for seed in 0..10 {
            let split = (seed == 4).then_some(stated);
            folder.quiet(Row { split, ..row("One", &format!("a{seed}"), &[ATTACK]) }, seed);
        }
        folder.quiet(row("Two", "again", &[ATTACK]), 4);
        let splits = splits(&folder.open());
        assert_eq!((splits["a4"], splits["again"]), (stated, stated));
        for share in [Split::Validation, Split::Test] {
            let of_one = splits.iter().filter(|(id, split)| id.starts_with('a') && *id != "again" && **split == share);
            assert_eq!(of_one.count(), 1, "{stated:?}: a tenth of the lab, the stated one among them");
        }
    }
}

#[test]
fn the_same_poses_stated_on_two_sides_are_refused() {
    let mut folder = Lab::default();
    for (video, split, seed) in [("1", Some(Split::Train), 0), ("2", Some(Split::Test), 0), ("3", None, 1)] {
        folder.quiet(Row { split, ..row("Lab", video, &[ATTACK]) }, seed);
    }
    let error = folder.refused();
    let wanted = "train.csv: expected recordings of the same poses on one side of the split, got some on two sides";
    assert!(error.ends_with(wanted), "{error}");
    folder.sheet.rows[1].split = Some(Split::Train);
    assert_eq!(splits(&folder.open())["2"], Split::Train);
}

#[test]
fn the_same_poses_are_on_one_side_though_another_lab_has_them_under_other_names() {
    let mut folder = Lab::default();
    for seed in 0..20 {
        folder.quiet(row("One", &format!("a{seed}"), &[ATTACK]), seed);
    }
    for seed in (0..20).rev() {
        // Other numbers of the animals, and another body.
        let row = Row { rate_hz: 25.0, ..row("Two", &format!("b{seed}"), &["mouse3,mouse5,chase"]) };
        folder.poses(row, &[3, 5], 100, seed).labels(&[]);
    }
    let splits = splits(&folder.open());
    for seed in 0..20 {
        assert_eq!(splits[&format!("a{seed}")], splits[&format!("b{seed}")], "{seed}");
    }
    let count = |wanted| splits.values().filter(|split| **split == wanted).count();
    assert_eq!((count(Split::Validation), count(Split::Test)), (4, 4));
}

#[test]
fn a_row_without_annotations_is_unannotated_and_told() {
    let mut folder = Lab::default();
    folder.quiet(row("Lab", "1", &[ATTACK]), 0).poses(row("Lab", "2", &[ATTACK]), &[1, 2], 100, 1);
    let corpus = folder.open();
    let [warning] = corpus.warnings() else { panic!("{:?}", corpus.warnings()) };
    assert!(
        warning.contains("train.csv: 1 rows have no annotations, so nothing is known of them (the first: "),
        "{warning}"
    );
    assert!(warning.ends_with("train_annotation/Lab/2.parquet)"), "{warning}");
    let [looked, not] = [0, 1].map(|index| corpus.load(&corpus.entries()[index]).unwrap().labels);
    assert_eq!(not, [SetLabels::default()]);
    assert_eq!((looked[0].scored.as_slice(), looked[0].annotated.len()), ([0..100].as_slice(), 1));
}

#[test]
fn annotations_beyond_the_recording_are_clipped_and_told() {
    let mut folder = Lab::default();
    folder.poses(row("Lab", "1", &[ATTACK]), &[1, 2], 50, 0);
    folder.labels(&[(1, 2, "attack", 10..20), (1, 2, "attack", 40..51), (1, 2, "attack", 60..70)]);
    let Annotated { labels, repairs, .. } = folder.load();
    assert_eq!(ranges(&labels[0].bouts), [10..20, 40..50]);
    assert_eq!(repairs, ["Lab 1: 2 annotations beyond the recording: clipped"]);
}

#[test]
fn a_malformed_whitelist_is_repaired_and_told() {
    let mut folder = Lab::default();
    folder.poses(row("Lab", "1", &[ATTACK]), &[1, 2], 50, 0).labels(&[(1, 2, "attack", 10..20)]);
    let quotes = |text: String| text.replace(ATTACK, "'mouse1','mouse2','attack'");
    let corpus = folder.written(quotes).unwrap();
    let [warning] = corpus.warnings() else { panic!("{:?}", corpus.warnings()) };
    assert!(warning.starts_with("1 rows with malformed whitelists, which were repaired ("), "{warning}");
    assert!(warning.contains("train.csv: row 2, column ") && warning.contains("1 in stray quotes"), "{warning}");
    let Annotated { labels, repairs, .. } = corpus.load(&corpus.entries()[0]).unwrap();
    assert_eq!((ranges(&labels[0].bouts), repairs), (vec![10..20], Vec::<String>::new()));
    let error = folder.written(|text| text.replace(ATTACK, "mouse1,attack")).unwrap_err().to_string();
    assert!(error.contains("train.csv: row 2, column ") && error.ends_with("got \"mouse1,attack\""), "{error}");
}

#[test]
fn what_cannot_be_used_is_left_out_and_told_and_nothing_left_is_refused() {
    let mut folder = Lab::default();
    folder.quiet(row("Lab", "1", &[ATTACK]), 0).quiet(row("Lab", "2", &[]), 1).quiet(row("Lab", "3", &[ATTACK]), 2);
    folder.quiet(row("Lab", "4", &[ATTACK]), 3);
    folder.sheet.rows.pop();
    let gone = folder.sheet.rows[2].clone();
    fs::remove_file(gone.tracking_path(folder.dir())).unwrap();
    let corpus = folder.open();
    assert_eq!(corpus.entries().len(), 1);
    let told = corpus.warnings().join("\n");
    for wanted in [
        "train.csv: 1 annotation files have no row, so no rate: left out (the first: ",
        "train_annotation/Lab/4.parquet)",
        "train.csv: 1 rows have no tracking: left out (the first: ",
        "train_tracking/Lab/3.parquet)",
        "train.csv: 1 rows list no behaviors: left out",
    ] {
        assert!(told.contains(wanted), "{told}\nlacks\n{wanted}");
    }
    assert_eq!(corpus.warnings().len(), 3, "{told}");
    folder.sheet.rows.remove(0);
    let error = folder.refused();
    assert!(error.ends_with("train.csv: expected a row with tracking, got none"), "{error}");
}

#[test]
fn a_behavior_has_one_kind_in_a_lab_and_is_one_of_the_cards() {
    let mut folder = Lab::default();
    folder.quiet(row("Lab", "1", &["mouse1,mouse2,groom"]), 0).quiet(row("Lab", "2", &["mouse1,self,groom"]), 1);
    let error = folder.refused();
    let wanted = "train.csv: expected in Lab \"groom\" of one kind, got a self and a directed behavior";
    assert!(error.ends_with(wanted), "{error}");
    folder.sheet.rows[1].lab = "Other".into();
    let corpus = folder.open();
    let kinds: Vec<Kind> = corpus.ethogram().behaviors().map(|(.., spec)| spec.kind).collect();
    assert_eq!(kinds, [Kind::Directed, Kind::OfSelf]);
    card(&[("sniff", Kind::Directed)]).write(folder.dir()).unwrap();
    let error = folder.refused();
    assert!(error.ends_with("expected behaviors of Lab as in corpus.toml, [\"sniff\"], got \"groom\""), "{error}");
}

fn solution_of(corpus: &Corpus) -> (String, Vec<Video>) {
    let (text, silent) = corpus.as_mabe().unwrap().solution(corpus.entries()).unwrap();
    Solution::read(&text[..], Path::new("solution.csv")).unwrap();
    (String::from_utf8(text).unwrap(), silent)
}

#[test]
fn a_solution_says_what_is_scored_and_names_a_pair_as_its_file_does() {
    let mut folder = Lab::default();
    card(&[("contact", Kind::Undirected), ("rear", Kind::OfSelf)]).write(folder.dir()).unwrap();
    let whitelist = ["mouse1,mouse2,contact", "mouse2,mouse1,contact", "mouse2,self,rear"];
    let scored_frames = Some(vec![0..30, 40..50]);
    folder.poses(Row { scored_frames, ..row("Lab", "1", &whitelist) }, &[1, 2], 50, 0);
    folder.labels(&[(2, 1, "contact", 5..9), (1, 2, "contact", 10..11), (2, 2, "rear", 28..45)]);
    // One in which nothing happened, and one that nobody looked at.
    let quiet = Row { scored_frames: Some(vec![3..9]), ..row("Lab", "2", &["mouse2,self,rear"]) };
    folder.quiet(quiet, 1).poses(row("Lab", "3", &["mouse2,self,rear"]), &[1, 2], 50, 2);
    let listed =
        r#""[""mouse1,mouse2,contact"",""mouse2,mouse1,contact"",""mouse2,self,rear""]","[[0,30],[40,50]]",30"#;
    let wanted = format!(
        "video_id,agent_id,target_id,action,start_frame,stop_frame,lab_id,behaviors_labeled,scored_frames,\
         frames_per_second\n1,mouse2,mouse1,contact,5,9,Lab,{listed}\n1,mouse1,mouse2,contact,10,11,Lab,{listed}\n\
         1,mouse2,self,rear,28,45,Lab,{listed}\n"
    );
    let silent = Video {
        lab: "Lab".into(),
        id: "2".into(),
        whitelist: ["mouse2,self,rear".to_owned()].into(),
        scored: Some(vec![3..9]),
        rate_hz: Some(30.0),
    };
    assert_eq!(solution_of(&folder.open()), (wanted, vec![silent]));

    let mut folder = Lab::default();
    folder.poses(Row { rate_hz: 25.0, ..row("AdaptableSnail", "1", &[ATTACK]) }, &[1, 2], 120, 0);
    let (text, _) = solution_of(&folder.labels(&[(1, 2, "attack", 31..60)]).open());
    let wanted = "\n1,mouse1,mouse2,attack,26,50,AdaptableSnail,\"[\"\"mouse1,mouse2,attack\"\"]\",\"[[0,100]]\",25\n";
    assert!(text.ends_with(wanted), "{text}");
}

#[test]
fn a_card_out_of_bounds_is_refused_with_its_key() {
    let mut folder = Lab::default();
    folder.quiet(row("Lab", "1", &[ATTACK]), 0);
    let file = folder.dir().join(Card::FILE);
    for (text, wanted) in [
        ("body_length_cm = 0.9", "corpus.toml: expected a body_length_cm within 1 to 50, got 0.9"),
        ("body_length_cm = 51.0", "corpus.toml: expected a body_length_cm within 1 to 50, got 51"),
        ("body_length_cm = nan", "corpus.toml: expected a body_length_cm within 1 to 50, got NaN"),
        ("confidence_min = -0.5", "corpus.toml: expected a confidence_min within 0 to 1, got -0.5"),
        ("confidence_min = 1.5", "corpus.toml: expected a confidence_min within 0 to 1, got 1.5"),
        ("confidence_min = nan", "corpus.toml: expected a confidence_min within 0 to 1, got NaN"),
    ] {
        fs::write(&file, text).unwrap();
        let error = folder.refused();
        assert!(error.ends_with(wanted), "{error}\nis not\n{wanted}");
    }
    fs::write(&file, "species_ = \"rat\"").unwrap();
    assert!(folder.refused().contains("unknown field `species_`"));
    fs::write(&file, "species = \"rat\"\nbody_length_cm = 20.0\nconfidence_min = 1.0").unwrap();
    let corpus = folder.open();
    assert_eq!((corpus.species(), corpus.body_length_cm(), corpus.confidence_min()), ("rat", 20.0, 1.0));
    assert_eq!(corpus.name(), folder.dir().file_name().unwrap().to_str().unwrap());
    assert_eq!(folder.load().recording.stream.body_length_px(), 200.0);
}
