#![allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]

use proptest::prelude::*;

use super::*;
use crate::inspect::text::label_text;

fn track(behavior: &str, agent: Option<&str>, target: Option<&str>, bouts: &[Range<u64>]) -> Track {
    Track { action: Action::new(behavior, agent, target), bouts: bouts.to_vec() }
}

fn labelled(recording: &str, tracks: Vec<Track>) -> Labelled {
    Labelled {
        lab: "Lab".to_string(),
        recording: recording.to_string(),
        rate_hz: 10.0,
        scored: vec![0..500, 500..1000],
        tracks,
        listed: Vec::new(),
    }
}

fn report(all: &[Labelled]) -> LabelReport {
    let mut report = LabelReport::default();
    for labelled in all {
        report.add(labelled);
    }
    report
}

fn lab(report: &LabelReport) -> &LabLabels {
    report.labs().next().unwrap().1
}

fn tally<'a>(report: &'a LabelReport, behavior: &str) -> &'a Tally {
    lab(report).behaviors().find(|(name, _)| *name == behavior).unwrap().1
}

#[test]
fn behaviors_are_counted_over_recordings() {
    let (one, two) = (Some("m1"), Some("m2"));
    let first = labelled(
        "1",
        vec![
            track("attack", one, two, &[0..10, 20..50]),
            track("attack", two, one, &[40..60]),
            track("rear", one, None, &[0..100]),
            track("social", None, None, &[100..200]),
        ],
    );
    let second = labelled("2", vec![track("attack", one, two, &[0..5]), track("rear", two, two, &[])]);
    let report = report(&[first, second]);
    assert_eq!((lab(&report).recordings, lab(&report).scored_secs), (2, 200.0));
    let attack = tally(&report, "attack");
    assert_eq!((attack.recordings, attack.recordings_labelled, attack.bouts), (2, 2, 4));
    assert!((attack.secs - 6.5).abs() < 1e-9, "{}", attack.secs);
    // Both orders at once count once: 10 + 40 + 5 of 2000 frames.
    assert!((attack.share() - 55.0 / 2000.0).abs() < 1e-9, "{}", attack.share());
    assert_eq!(attack.actors(), (2, 2));
    assert!((attack.reversed() - 20.0 / 65.0).abs() < 1e-9, "{}", attack.reversed());
    assert_eq!(attack.lengths_secs().map(|lengths| (lengths.p05, lengths.p50, lengths.p95)), Some((0.5, 2.0, 3.0)));
    let rear = tally(&report, "rear");
    assert_eq!((rear.recordings, rear.recordings_labelled, rear.actors()), (1, 2, (1, 2)));
    let kinds = ["attack", "rear", "social"].map(|name| tally(&report, name).kinds);
    let kind = |of_self, directed, undirected| Kinds { of_self, directed, undirected };
    assert_eq!(kinds, [kind(false, true, false), kind(true, false, false), kind(false, false, true)]);
    let order: Vec<_> = lab(&report).behaviors_by_secs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(order, ["rear", "social", "attack"], "equal ones by name");
}

#[test]
fn what_is_odd_is_named_with_its_place() {
    let (one, two) = (Some("m1"), Some("m2"));
    let mut odd = labelled(
        "7",
        vec![
            track("attack", one, two, &[100..130, 120..140, 50..50]),
            track("chase", one, two, &[125..200, 990..1010]),
            track("chase", two, one, &[100..130]),
            track("'sniff'", one, two, &[300..310]),
        ],
    );
    odd.listed = vec![Action::new("attack", one, two), Action::new("chase", one, two), Action::new("mount", one, two)];
    let report = report(&[odd]);
    let lab = lab(&report);
    let overlaps: Vec<_> =
        lab.overlaps().map(|(a, b, overlap)| (a, b, overlap.count, overlap.places[0].frames.clone())).collect();
    assert_eq!(overlaps, [("attack", "chase", 1, 125..140)], "not of the reverse order");
    assert_eq!(
        (lab.empty_bouts.count, lab.doubled_bouts.count, lab.unscored_bouts.count, lab.unlisted.count),
        (1, 1, 1, 2)
    );
    assert_eq!(lab.doubled_bouts.places[0].frames, 120..130);
    assert_eq!((tally(&report, "mount").bouts, tally(&report, "mount").recordings_labelled), (0, 1));
    let text = label_text(&report);
    let text = text.split_once("Look at\n").unwrap().1.replace("\n    ", " ");
    for line in [
        "listed but never seen: mount",
        "fewer than 20 bouts: 'sniff', attack, chase",
        "attack and chase of the same animals overlap 1 time, 1.50 s; e.g. 7 frames 125 to 140 (attack, m1 → m2)",
        "1 bout without a frame; e.g. 7 frames 50 to 50 (attack, m1 → m2)",
        "1 bout on top of another of the same behavior and animals, by 1.00 s; e.g. 7 frames 120 to 130 (attack, m1 → m2)",
        "1 bout not wholly within the scored frames, by 1.00 s; e.g. 7 frames 990 to 1010 (chase, m1 → m2)",
        "2 actions annotated but not listed; e.g. 7 frames 300 to 310 ('sniff', m1 → m2)",
        "1 odd names: \"'sniff'\"",
    ] {
        assert!(text.lines().any(|got| got.trim_start_matches("  - ") == line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn mutual_behaviors_and_mixed_ones_are_told_from_directed_ones() {
    let (one, two) = (Some("m1"), Some("m2"));
    let tracks = vec![
        track("huddle", one, two, &[0..100]),
        track("huddle", two, one, &[2..100]),
        track("groom", one, two, &[0..50]),
        track("groom", two, None, &[0..50]),
    ];
    let text = label_text(&report(&[labelled("1", tracks)]));
    let kind = |name: &str| {
        let row = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        row.split_whitespace().nth(1).unwrap().to_string()
    };
    assert_eq!((kind("huddle").as_str(), kind("groom").as_str()), ("both", "mixed"));
    assert!(text.contains("of more than one kind: groom"), "{text}");
    assert_eq!(label_text(&LabelReport::default()), "No labels.\n");
}

fn any_labelled() -> impl Strategy<Value = Labelled> {
    let frame = prop_oneof![0_u64..1000, Just(u64::MAX), any::<u64>()];
    let ranges = || proptest::collection::vec((frame.clone(), frame.clone()).prop_map(|(start, end)| start..end), 0..8);
    let name = || proptest::option::of(prop_oneof![Just("m1".to_string()), Just("m2".to_string()), ".{0,80}"]);
    let action = || {
        (prop_oneof![Just("attack".to_string()), Just("chase".to_string()), ".{0,80}"], name(), name())
            .prop_map(|(behavior, agent, target)| Action { behavior, agent, target })
    };
    let track = (action(), ranges()).prop_map(|(action, bouts)| Track { action, bouts });
    let tracks = proptest::collection::vec(track, 0..8);
    (
        prop_oneof![Just("A".to_string()), ".{0,20}"],
        prop_oneof![Just(30.0), any::<f64>()],
        ranges(),
        tracks,
        proptest::collection::vec(action(), 0..4),
    )
        .prop_map(|(lab, rate_hz, scored, tracks, listed)| Labelled {
            lab,
            recording: "1".to_string(),
            rate_hz,
            scored,
            tracks,
            listed,
        })
}

proptest! {
    #[test]
    fn whatever_labels_hold_is_described_in_any_order(all in proptest::collection::vec(any_labelled(), 0..5)) {
        let report_ = report(&all);
        let text = label_text(&report_);
        prop_assert!(!text.contains("NaN"), "{}", text);
        let lines: Vec<&str> = text.lines().collect();
        prop_assert!(lines.iter().all(|line| line.chars().all(|char| !char.is_control())));
        for (_, lab) in report_.labs() {
            for (_, tally) in lab.behaviors() {
                prop_assert!((0.0..=1.0 + 1e-9).contains(&tally.share()) && tally.recordings <= tally.recordings_labelled);
            }
        }
        let reversed: Vec<Labelled> = all.iter().rev().cloned().collect();
        let counts = |report: &LabelReport| -> Vec<(String, String, u64, u64)> {
            report.labs().flat_map(|(lab, labels)| labels.behaviors().map(move |(name, tally)|
                (lab.to_string(), name.to_string(), tally.bouts, tally.recordings))).collect()
        };
        prop_assert_eq!(counts(&report_), counts(&report(&reversed)));
    }
}
