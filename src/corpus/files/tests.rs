use std::fmt::Write as _;
use std::fs;

use super::*;
use crate::corpus::Corpus;

/// Two animals over three frames, as DeepLabCut tracks them.
const POSES: &str = "scorer,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s\n\
    individuals,a,a,a,a,a,a,a,a,a,b,b,b,b,b,b,b,b,b\n\
    bodyparts,nose,nose,nose,spine,spine,spine,tail,tail,tail,nose,nose,nose,spine,spine,spine,tail,tail,tail\n\
    coords,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood\n\
    0,1,2,1,3,4,1,5,6,1,1,2,1,3,4,1,5,6,1\n\
    1,1,2,1,3,4,1,5,6,1,1,2,1,3,4,1,5,6,1\n\
    2,1,2,1,3,4,1,5,6,1,1,2,1,3,4,1,5,6,1\n";

const LAB: &str = r#"
name = "lab"
source = "made up"
species = "mouse"
[layout]
LAYOUT
[stream]
rate_hz = 10.0
body_length_px = 80.0
[skeleton]
name = "three"
keypoints = ["nose", "spine", "tail"]
front = "nose"
centre = "spine"
rear = "tail"
edges = [["nose", "spine"], ["spine", "tail"]]
[[label_sets]]
name = "Lab"
behaviors = [{ name = "attack", kind = "directed" }]
[split]
validation = ["b"]
"#;

fn description(layout: &str) -> Description {
    Description::parse(&LAB.replace("LAYOUT", layout), Path::new("lab.toml")).unwrap()
}

/// An export of BORIS: in each observation `a` attacks `b` for so many tenths of a second from the start.
fn boris(observations: &[(&str, u32)]) -> String {
    let mut text = "Observation id,Subject,Behavior,Modifier #1,Behavior type,Time\n".to_owned();
    for (name, tenths) in observations {
        for (status, time) in [("START", "0.0".to_owned()), ("STOP", format!("0.{tenths}"))] {
            writeln!(text, "{name},a,attack,b,{status},{time}").unwrap();
        }
    }
    text
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn open(dir: &tempfile::TempDir, layout: &str) -> Result<Corpus, CorpusError> {
    Corpus::of_files(&[dir.path().to_path_buf()], &description(layout))
}

fn ids(corpus: &Corpus) -> Vec<&str> {
    corpus.entries().iter().map(|entry| entry.id.as_str()).collect()
}

/// How long the attack of each recording lasts, in frames.
fn lengths(corpus: &Corpus) -> Vec<u64> {
    let length = |entry: &Entry| {
        let bouts = &corpus.load(entry).unwrap_or_else(|error| panic!("{error}")).labels[0].bouts;
        bouts.iter().map(|bout| bout.stop - bout.start).sum()
    };
    corpus.entries().iter().map(length).collect()
}

#[test]
fn an_observation_is_found_by_its_name_and_what_may_follow_it() {
    let entry = |annotations: Option<&str>| Entry {
        id: "1".into(),
        split: Split::Train,
        poses: "1.csv".into(),
        annotations: annotations.map(PathBuf::from),
    };
    let find = |names: &[&str], own_file: bool| {
        // Nameless are those of formats that know no observations.
        let named = |name: &&str| (*name != "-").then(|| (*name).to_owned());
        let all: Vec<Annotations> =
            names.iter().map(|name| Annotations { recording: named(name), ..Annotations::default() }).collect();
        let found = of_recording(&all, "1", own_file, &entry(Some("e.csv"))).map_err(|error| error.to_string());
        found.map(|found| all.iter().position(|one| std::ptr::eq(one, found)).unwrap())
    };
    for (names, own_file, found) in [
        (&["1_front", "1", "1_side"][..], false, 1),
        (&["2_front", "1_front"], false, 1),
        (&["1 (day 2)", "12"], false, 0),
        (&["1-b"], false, 0),
        (&["-"], false, 0),
        (&["something else"], true, 0),
        (&["something else", "1"], true, 1),
        (&["something else", "1.mp4"], true, 1),
    ] {
        assert_eq!(find(names, own_file), Ok(found), "{names:?}");
    }
    for (names, own_file, got) in [
        // A number behind it makes another recording.
        (&["12", "2"][..], false, r#"["12", "2"]"#),
        (&["1_2"], false, r#"["1_2"]"#),
        (&["1.5", "1 2"], false, r#"["1.5", "1 2"]"#),
        (&["1b"], false, r#"["1b"]"#),
        (&["day 1"], false, r#"["day 1"]"#),
        (&["1_front", "1_side"], false, r#"2 of ["1_front", "1_side"]"#),
        (&["1", "1", "2"], false, r#"2 of ["1", "1", "2"]"#),
        (&["something else"], false, r#"["something else"]"#),
        (&["something else", "more"], true, r#"["something else", "more"]"#),
        (&[], true, "[]"),
    ] {
        let wanted = format!("e.csv: expected one observation of \"1\", got {got}");
        assert_eq!(find(names, own_file), Err(wanted), "{names:?}");
    }
    let error = of_recording(&[], "1", false, &entry(None)).unwrap_err().to_string();
    assert_eq!(error, "1.csv: expected one observation of \"1\", got []");
}

#[test]
fn a_table_of_events_among_the_poses_is_no_pose_file() {
    let events = boris(&[("a", 1), ("b_front", 2), ("c", 3)]);
    let dir = folder(&[("a.csv", POSES), ("b.CSV", POSES), ("events.csv", &events), ("lab.toml", LAB)]);
    let corpus = open(&dir, "annotation_file = \"events.csv\"").unwrap();
    assert_eq!((ids(&corpus), corpus.warnings()), (vec!["a", "b"], [].as_slice()));
    assert_eq!(corpus.entries().iter().map(|entry| entry.split).collect::<Vec<_>>(), [Split::Train, Split::Validation]);
    assert_eq!(lengths(&corpus), [1, 2]);

    // What is neither is not passed over: it may be poses that were damaged.
    fs::write(dir.path().join("notes.csv"), "who,when\n").unwrap();
    let corpus = open(&dir, "annotation_file = \"events.csv\"").unwrap();
    let error = corpus.load(&corpus.entries()[2]).unwrap_err().to_string();
    assert!(error.contains("notes.csv: row 1: expected poses (") && error.ends_with("got \"who,when\""), "{error}");
}

#[test]
fn a_file_of_its_own_may_hold_an_observation_of_any_name() {
    let of_several = boris(&[("trial 1", 2), ("b", 1)]);
    let files = [
        ("a.csv", POSES),
        ("b.csv", POSES),
        ("a_events.csv", &boris(&[("trial 7", 3)])),
        ("b_events.csv", &of_several),
    ];
    let dir = folder(&files);
    let corpus = open(&dir, "annotation_file = \"{id}_events.csv\"").unwrap();
    assert_eq!((ids(&corpus), lengths(&corpus)), (vec!["a", "b"], vec![3, 1]));
    fs::write(dir.path().join("b_events.csv"), of_several.replace("\nb,", "\ntrial 2,")).unwrap();
    let error = corpus.load(&corpus.entries()[1]).unwrap_err().to_string();
    let wanted = "b_events.csv: expected one observation of \"b\", got [\"trial 1\", \"trial 2\"]";
    assert!(error.ends_with(wanted), "{error}");
}

#[test]
fn poses_without_annotations_are_refused_or_left_out_and_told() {
    let dir = folder(&[("a.csv", POSES), ("b.csv", POSES), ("a_events.csv", &boris(&[("a", 3)]))]);
    let path = |name: &str| dir.path().join(".").join(name).display().to_string();
    let fault = format!("{}: expected its annotations in {}, got no such file", path("b.csv"), path("b_events.csv"));
    let layout = "annotation_file = \"{id}_events.csv\"\n";
    assert_eq!(open(&dir, layout).unwrap_err().to_string(), fault);
    let corpus = open(&dir, &format!("{layout}without_annotations = \"leave-out\"")).unwrap();
    assert_eq!((ids(&corpus), corpus.warnings()), (vec!["a"], [format!("left out: {fault}")].as_slice()));
    assert_eq!(lengths(&corpus), [3]);

    // Where the description names none, they are poses alone: nothing is known, not even that nothing happened.
    let corpus = open(&dir, "").unwrap();
    let alone = corpus.load(&corpus.entries()[0]).unwrap();
    assert_eq!((alone.recording.frames.len(), alone.labels), (3, vec![SetLabels::default()]));
}

#[test]
fn an_id_is_what_the_rule_says_or_is_refused() {
    let id = |rule: IdRule, name: &str| id_of(&rule, Path::new(name)).map_err(|error| error.to_string());
    assert_eq!(id(IdRule::WholeName, "p/day 1.x.csv.gz"), Ok("day 1.x".into()));
    assert_eq!(id(IdRule::LeadingDigits, "p/017b_2.csv"), Ok("017".into()));
    assert_eq!(id(IdRule::Before("DLC".into()), "p/7DLC_DLC.csv"), Ok("7".into()));
    for (rule, name, wanted) in [
        (IdRule::LeadingDigits, "b7.csv", "b7.csv: expected a name that begins with digits, got \"b7\""),
        (IdRule::Before("DLC".into()), "7.csv", "7.csv: expected a name with an id before \"DLC\", got \"7\""),
        (IdRule::Before("DLC".into()), "DLC7.csv", "DLC7.csv: expected a name with an id before \"DLC\", got \"DLC7\""),
    ] {
        assert_eq!(id(rule, name), Err(wanted.into()));
    }
}
