#![allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]

use super::*;
use crate::corpus::annotations::Span;
use crate::corpus::annotations::caltech;
use crate::corpus::description::{Description, tests::OTHER_LAB};

const TITLE: &str = "Caltech Behavior Annotator\n";

fn read(text: &str, individuals: usize) -> Result<Vec<SetLabels>, CorpusError> {
    let description = Description::parse(OTHER_LAB, Path::new("other.toml")).unwrap();
    let names: Vec<String> = ["resident", "intruder", "third"][..individuals].iter().map(ToString::to_string).collect();
    let file = Path::new("a.txt");
    let channels = caltech::parse(format!("{TITLE}{text}").as_bytes(), file).unwrap();
    let annotations = caltech::annotations(channels, file);
    reader(&names, &description, |reader| reader.read(&description.label_sets, &annotations))
}

const S1: &str = "S1: start end type\n1 5 human\n6 10 attack\n11 20 other\n26 30 huddle\n31 99 other\n";

#[test]
fn frames_of_excluded_labels_and_of_no_label_are_not_scored_in_either_set() {
    let labels = read(&format!("{S1}S2: start end type\n1 8 groom\n9 28 other\n29 60 groom\n"), 2).unwrap();
    let bout = |behavior: u16, subject, start, stop| Bout {
        cell: Cell { behavior: Behavior(behavior), subject },
        start,
        stop,
    };
    let (resident, intruder) = (Individual(0), Individual(1));
    assert_eq!(labels[0].scored, [5..20, 25..40]);
    assert_eq!(
        labels[0].bouts,
        [
            bout(0, Subject::Ordered { agent: resident, target: intruder }, 5, 10),
            bout(1, Subject::Both { first: resident, second: intruder }, 25, 30)
        ]
    );
    assert_eq!(labels[1].scored, [5..20, 25..40]);
    assert_eq!(labels[1].bouts, [bout(2, Subject::One(intruder), 2, 8), bout(2, Subject::One(intruder), 28, 40)]);
    assert_eq!(labels[1].annotated, [labels[1].bouts[0].cell]);
}

#[test]
fn a_channel_that_is_absent_means_what_the_description_says() {
    assert_eq!(read(S1, 2).unwrap()[1], SetLabels::default());
    let error = read("S2: start end type\n", 2).unwrap_err().to_string();
    assert_eq!(error, r#"a.txt: expected the channel "S1", got ["S2"]"#);
}

#[test]
fn an_unknown_label_is_named_with_its_row() {
    let error = read(&S1.replace("huddle", "hudle"), 2).unwrap_err().to_string();
    assert!(error.starts_with(r#"a.txt: row 6: expected in channel S1 a label of the sets ["Attack"]"#), "{error}");
    assert!(error.ends_with(r#"["attack", "huddle", "other", "human"], got "hudle""#), "{error}");
}

#[test]
fn an_individual_that_the_recording_lacks_is_named() {
    let error = read(S1, 1).unwrap_err().to_string();
    assert!(error.contains(r#"one of ["resident"], got "intruder""#), "{error}");
    assert!(read(S1, 3).is_ok());
}
/// Reads against a recording of frames 2 to 39 at 10 Hz.
fn reader<T>(individuals: &[String], description: &Description, read: impl Fn(Reader) -> T) -> T {
    let timeline = Timeline::at_rate(10.0);
    read(Reader { extent: 2..40, timeline: &timeline, individuals, aliases: &description.aliases })
}

/// A lab whose annotations name the animals themselves.
const NAMED: &str = r#"
    name = "named"
    source = "made up"
    species = "mouse"
    [aliases]
    big = "m1"
    [[label_sets]]
    name = "All"
    behaviors = [
        { name = "chase", kind = "directed" },
        { name = "groom", kind = "self" },
        { name = "huddle", kind = "mutual" },
        { name = "fight", kind = "undirected" },
    ]
    background = ["nothing"]
    excluded = ["lights off"]
"#;

fn annotation(agent: &str, target: &str, label: &str, secs: Range<f64>) -> Annotation {
    let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    let span = Span::Secs(secs);
    Annotation { channel: None, agent: name(agent), target: name(target), label: label.to_owned(), span, row: 7 }
}

fn read_named(toml: &str, animals: usize, intervals: &[Annotation]) -> Result<Vec<SetLabels>, CorpusError> {
    let description = Description::parse(toml, Path::new("named.toml")).unwrap();
    let names: Vec<String> = (1..=animals).map(|animal| format!("m{animal}")).collect();
    let annotations =
        Annotations { file: "events.csv".into(), intervals: intervals.to_vec(), ..Annotations::default() };
    reader(&names, &description, |reader| reader.read(&description.label_sets, &annotations))
}

#[test]
fn named_animals_are_found_and_in_a_pair_the_other_goes_without_saying() {
    let intervals = [
        annotation("big", "", "chase", 1.0..2.0),
        annotation("m2", "m2", "groom", 1.0..1.5),
        annotation("", "m2+m1", "fight", 2.0..2.5),
        annotation("m2", "m1", "huddle", 3.0..3.2),
        annotation("", "", "lights off", 3.5..9.0),
    ];
    let labels = read_named(NAMED, 2, &intervals).unwrap();
    let (m1, m2) = (Individual(0), Individual(1));
    let both = Subject::Both { first: m1, second: m2 };
    let bout = |behavior, subject, frames: Range<u64>| Bout {
        cell: Cell { behavior: Behavior(behavior), subject },
        start: frames.start,
        stop: frames.end,
    };
    let expected = [
        bout(0, Subject::Ordered { agent: m1, target: m2 }, 10..20),
        bout(1, Subject::One(m2), 10..15),
        bout(3, both, 20..25),
        bout(2, both, 30..32),
    ];
    assert_eq!(labels[0].bouts, expected);
    assert_eq!(labels[0].scored, [2..35], "all of the recording but what is excluded");
    assert_eq!(labels[0].annotated.len(), 2 + 2 + 1 + 1);
}

#[test]
fn bouts_of_one_cell_that_overlap_are_one_and_two_behaviors_at_once_are_counted() {
    let intervals = [
        annotation("m1", "m2", "chase", 1.0..2.0),
        annotation("m1", "m2", "chase", 1.5..2.5),
        annotation("m1", "m2", "fight", 2.0..3.0),
        annotation("m1", "", "groom", 2.0..3.0),
        annotation("m2", "", "groom", 2.0..3.0),
    ];
    let labels = read_named(NAMED, 2, &intervals).unwrap();
    assert_eq!(labels[0].bouts[0].stop, 25);
    assert_eq!(labels[0].overlapping_frames(), 0, "another kind of subject each");
    let rivals = NAMED.replace("\"fight\", kind = \"undirected\"", "\"fight\", kind = \"directed\"");
    assert_eq!(read_named(&rivals, 2, &intervals).unwrap()[0].overlapping_frames(), 5);
}

#[test]
fn only_what_was_reviewed_is_scored() {
    let toml = NAMED.replace("background", "coverage = { within = \"reviewed\" }\n    background");
    let intervals = [
        annotation("", "", "reviewed", 0.5..1.5),
        annotation("m1", "m2", "chase", 1.0..2.0),
        annotation("", "", "reviewed", 3.0..9.0),
    ];
    let labels = read_named(&toml, 2, &intervals).unwrap();
    assert_eq!((labels[0].scored.as_slice(), labels[0].bouts.len()), ([5..15, 30..40].as_slice(), 1));
}

#[test]
fn a_whitelist_is_taken_as_it_stands() {
    let toml = NAMED.replace("background", "annotated = [\"m1,m3,chase\", \"m2,self,groom\"]\n    background");
    let labels = read_named(&toml, 3, &[]).unwrap();
    let cell = |behavior, subject| Cell { behavior: Behavior(behavior), subject };
    let chase = cell(0, Subject::Ordered { agent: Individual(0), target: Individual(2) });
    assert_eq!(labels[0].annotated, [chase, cell(1, Subject::One(Individual(1)))]);
    for (entry, wanted) in [
        ("m1,chase", "expected in annotated \"agent,target,behavior\", got \"m1,chase\""),
        ("m1,m2,chse", "expected in annotated a behavior of the set \"All\", got \"m1,m2,chse\""),
        ("m1,self,chase", "an entry that fits the behavior's kind"),
        ("m9,m2,chase", "one of [\"m1\", \"m2\", \"m3\"], got \"m9\""),
    ] {
        let error = read_named(&toml.replace("m1,m3,chase", entry), 3, &[]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\nis not\n{wanted}");
    }
}

#[test]
fn an_annotation_that_does_not_say_enough_is_refused_with_its_row() {
    for (animals, interval, wanted) in [
        (3, annotation("m1", "", "chase", 1.0..2.0), "events.csv: row 7: expected two animals for \"chase\""),
        (
            2,
            annotation("", "", "chase", 1.0..2.0),
            "expected two animals for \"chase\" of the set \"All\", got agent None",
        ),
        (2, annotation("m1", "m1", "chase", 1.0..2.0), "expected two animals"),
        (2, annotation("m1", "m2", "groom", 1.0..2.0), "expected one animal for \"groom\""),
        (3, annotation("", "", "fight", 1.0..2.0), "expected two animals for \"fight\""),
        (2, annotation("m3", "", "groom", 1.0..2.0), "for the label set \"All\" one of [\"m1\", \"m2\"], got \"m3\""),
        (2, annotation("m1", "", "gromm", 1.0..2.0), "a label of the sets [\"All\"]"),
    ] {
        let error = read_named(NAMED, animals, &[interval]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\nis not\n{wanted}");
    }
}
