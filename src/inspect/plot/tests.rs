#![allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::corpus::RawRecording;
use crate::inspect::labels::{Action, LabelReport, Labelled, Track};
use crate::poses::{Frame, Keypoint};

/// Panics unless every tag is closed in its order, every attribute is quoted and nothing is left to be escaped.
fn check_xml(svg: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        assert!(!text.contains('>'), "a stray > in {text:?}");
        for entity in text.split('&').skip(1) {
            assert!(
                ["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|known| entity.starts_with(known)),
                "{entity:?}"
            );
        }
        let end = tag.find('>').expect("an end of the tag");
        let inner = &tag[1..end];
        assert_eq!(inner.matches('"').count() % 2, 0, "{inner:?}");
        if let Some(name) = inner.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else if !inner.ends_with('/') {
            open.push(inner.split_whitespace().next().unwrap().to_string());
        }
        rest = &tag[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert!(svg.chars().all(|char| !char.is_control() || char == '\n'));
}

fn labelled(lab: &str, behaviors: &[(&str, &[Range<u64>])]) -> Labelled {
    let track = |(name, bouts): &(&str, &[Range<u64>])| Track {
        action: Action::new(name, Some("mouse1"), Some("mouse2")),
        bouts: bouts.to_vec(),
    };
    Labelled {
        lab: lab.to_string(),
        recording: "1".to_string(),
        rate_hz: 30.0,
        scored: vec![100..900],
        tracks: behaviors.iter().map(track).collect(),
        listed: vec![Action::new("mount", Some("mouse1"), Some("mouse2"))],
    }
}

fn panel(labels: Vec<Labelled>) -> Panel {
    let unseen = vec![("mouse1".to_string(), vec![0..30, 31..60])];
    Panel { title: "a <b> & \"c\"".to_string(), rate_hz: 30.0, frames: 0..1800, labels, unseen }
}

#[test]
fn an_ethogram_shows_rows_axis_and_strips() {
    let panel = panel(vec![labelled("Lab", &[("attack", &[0..300, 600..601]), ("chase", &[]), ("sniff", &[5..10])])]);
    let svg = raster(std::slice::from_ref(&panel));
    check_xml(&svg);
    for text in [
        "a &lt;b&gt; &amp; &quot;c&quot;",
        ">attack<",
        ">mouse1 → mouse2<",
        ">10.0 s in 2 bouts<",
        ">never: chase, mount<",
        ">mouse1 unseen<",
        ">scored<",
        ">mostly unseen<",
        ">60<",
    ] {
        assert!(svg.contains(text), "no {text:?} in\n{svg}");
    }
    assert_eq!(svg, raster(std::slice::from_ref(&panel)));
}

#[test]
fn what_is_finer_than_a_pixel_takes_no_more_room() {
    let bouts: Vec<Range<u64>> = (0..100_000).map(|index| 10 * index..10 * index + 3).collect();
    let dense = Panel { frames: 0..1_000_000, ..panel(vec![labelled("Lab", &[("attack", &bouts)])]) };
    let svg = raster(std::slice::from_ref(&dense));
    check_xml(&svg);
    assert!(svg.len() < 10_000, "{}", svg.len());
    // Every second pixel is as bad as a row can be.
    let worst: Vec<Range<u64>> = (0..600).map(|index| 2400 * index..2400 * index + 1200).collect();
    let names: Vec<String> = (0..700).map(|index| format!("behavior {index}")).collect();
    let rows: Vec<(&str, &[Range<u64>])> = names.iter().map(|name| (name.as_str(), worst.as_slice())).collect();
    let svg = raster(&[Panel { frames: 0..1_440_000, ..panel(vec![labelled("Lab", &rows)]) }]);
    check_xml(&svg);
    assert!(svg.len() < 4_000_000 && svg.contains("not drawn: 0 more recordings, 100 more rows"), "{}", svg.len());
    let svg = raster(&vec![dense; PANELS_MAX + 2]);
    assert!(svg.contains("not drawn: 2 more recordings, 0 more rows") && svg.len() < 300_000, "{}", svg.len());
}

#[test]
fn frames_without_an_animal_are_unseen() {
    let seen = Keypoint { x: 1.0, y: 1.0, confidence: 1.0 };
    let frame = |number: u64, points: [Keypoint; 2]| Frame { number, capture_nanos: None, keypoints: points.to_vec() };
    let (here, gone) = (seen, Keypoint::MISSING);
    let frames = vec![
        frame(3, [gone, here]),
        frame(4, [gone, here]),
        frame(5, [here, here]),
        frame(9, [here, gone]),
        frame(10, [gone, gone]),
    ];
    let individuals = vec!["a".to_string(), "b".to_string()];
    let raw = RawRecording { individuals, keypoints: vec!["nose".to_string()], frames, ..RawRecording::default() };
    let expected = [("a".to_string(), vec![3..5, 6..9, 10..11]), ("b".to_string(), vec![6..11])];
    assert_eq!(unseen(&raw), expected);
}

#[test]
fn a_balance_shows_every_lab_and_what_was_never_seen() {
    let mut report = LabelReport::default();
    for lab in 0..19 {
        let name = format!("Lab {lab} & co");
        report.add(&labelled(&name, &[("attack", &[0..300, 600..601]), ("sniff", &[5..10]), ("rear", &[200..700])]));
    }
    let svg = balance(&report);
    check_xml(&svg);
    assert_eq!(svg.matches("looked for in 1, never seen").count(), 19);
    assert_eq!(svg.matches(" &amp; co<").count(), 19);
    assert!(svg.contains(">10.0 s, 2 bouts in 1<") && svg.contains(">10 s<"), "{svg}");
    assert!(svg.len() < 40_000, "{}", svg.len());
    assert_eq!(svg, balance(&report));
    check_xml(&balance(&LabelReport::default()));
    check_xml(&raster(&[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_recording_can_be_drawn(
        title in ".{0,100}",
        rate_hz in prop_oneof![Just(30.0), any::<f64>()],
        frames in prop_oneof![Just(0..1800), (any::<u64>(), any::<u64>()).prop_map(|(start, end)| start..end)],
        bouts in proptest::collection::vec((any::<u64>(), any::<u64>()).prop_map(|(start, end)| start..end), 0..20),
        names in proptest::collection::vec(".{0,60}", 0..6),
    ) {
        let rows: Vec<(&str, &[Range<u64>])> = names.iter().map(|name| (name.as_str(), bouts.as_slice())).collect();
        let labels = vec![Labelled { rate_hz, scored: bouts.clone(), ..labelled(&title, &rows) }];
        let mut report = LabelReport::default();
        report.add(&labels[0]);
        check_xml(&balance(&report));
        let panel = Panel { rate_hz, frames, unseen: vec![(title.clone(), bouts)], title, labels };
        check_xml(&raster(&[panel]));
    }
}
