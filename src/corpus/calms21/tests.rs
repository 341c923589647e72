use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::corpus::annotations::boris;
use crate::corpus::poses::deeplabcut_csv;
use crate::testing;

const CONFIDENCE_MIN: f32 = 0.1;
const VOCABULARY: &str = r#"{"vocab": {"attack": 0, "investigation": 1, "mount": 2, "other": 3}, "fps": 30.0}"#;

/// The value of one part of a frame, so that no two are the same.
fn value(frame: usize, mouse: usize, axis: usize, part: usize) -> f32 {
    (1000 * frame + 100 * mouse + 10 * axis + part + 1) as f32
}

fn numbers(count: usize, number: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..count).map(number).collect::<Vec<_>>().join(", "))
}

fn keypoints(frames: usize) -> String {
    let point = |frame, mouse, axis, part| value(frame, mouse, axis, part).to_string();
    numbers(frames, |t| numbers(2, |mouse| numbers(2, |axis| numbers(7, |part| point(t, mouse, axis, part)))))
}

fn scores(frames: usize) -> String {
    numbers(frames, |_| {
        numbers(2, |mouse| numbers(7, |part| if part < 6 { "0.5" } else { ["1", "0.05"][mouse] }.to_string()))
    })
}

/// A file of one sequence.
fn file_of(fields: &[(&str, &str)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!(r#"{{"annotator-id_0": {{"task1/train/mouse001": {{{}}}}}}}"#, fields.join(", "))
}

fn labelled() -> String {
    let (keypoints, scores) = (keypoints(4), scores(4));
    let annotations = "[3, 3, 0.0, 3]";
    file_of(&[("keypoints", &keypoints), ("scores", &scores), ("annotations", annotations), ("metadata", VOCABULARY)])
}

fn read_text(text: &str) -> Result<Vec<Annotated>, CorpusError> {
    parse(text.as_bytes(), Path::new("task1.json"), CONFIDENCE_MIN)
}

#[test]
fn a_sequence_is_a_recording_and_its_annotations() {
    let read = read_text(&labelled()).unwrap();
    let [(recording, Some(annotations))] = &read[..] else { panic!("{read:?}") };
    assert_eq!((recording.name.as_str(), recording.stated.rate_hz), ("task1_train_mouse001", Some(30.0)));
    assert_eq!(recording.individuals, ["resident", "intruder"]);
    assert_eq!((recording.keypoints.len(), recording.keypoints[6].as_str()), (7, "tail_base"));
    assert_eq!(recording.frames.iter().map(|frame| frame.number).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for (t, frame) in recording.frames.iter().enumerate() {
        for (index, point) in frame.keypoints.iter().enumerate() {
            let (mouse, part) = (index / 7, index % 7);
            let confidence = if part < 6 { 0.5 } else { 1.0 };
            let expected = Keypoint { x: value(t, mouse, 0, part), y: value(t, mouse, 1, part), confidence };
            // The last part of the intruder lies under the confidence that is asked for.
            assert_eq!(*point, if index == 13 { Keypoint::MISSING } else { expected });
        }
    }
    assert_eq!(annotations.recording.as_deref(), Some("task1_train_mouse001"));
    let bouts: Vec<_> = annotations.intervals.iter().map(|it| (it.label.as_str(), it.span.clone(), it.row)).collect();
    let expected =
        [("other", Span::Frames(0..2), 1), ("attack", Span::Frames(2..3), 3), ("other", Span::Frames(3..4), 4)];
    assert_eq!(bouts, expected);
    let who = annotations.intervals.iter().map(|it| (it.agent.as_deref(), it.target.as_deref()));
    assert!(who.into_iter().all(|who| who == (Some("resident"), Some("intruder"))));
}

#[test]
fn fields_come_in_any_order_and_others_are_passed_over() {
    let (keypoints, scores) = (keypoints(4), scores(4));
    let turned = file_of(&[
        ("annotations", "[3,3,0,3]"),
        ("extra", "[[1], {\"a\": null}]"),
        ("metadata", r#"{"fps": 25, "vocab": ["attack", "investigation", "mount", "other"], "by": "x"}"#),
        ("scores", &scores),
        ("keypoints", &keypoints),
    ]);
    let (read, expected) = (read_text(&turned).unwrap(), read_text(&labelled()).unwrap());
    assert_eq!((&read[0].0.frames, &read[0].1), (&expected[0].0.frames, &expected[0].1));
    assert_eq!(read[0].0.stated.rate_hz, Some(25.0));

    let unlabelled = file_of(&[("keypoints", &keypoints), ("scores", &scores)]);
    let read = read_text(&unlabelled).unwrap();
    assert_eq!((&read[0].0, &read[0].1), (&expected[0].0, &None));
    let null = file_of(&[("keypoints", &keypoints), ("scores", &scores), ("annotations", "null"), ("metadata", "{}")]);
    assert_eq!(read_text(&null).unwrap(), read);
}

#[test]
fn what_two_annotators_saw_is_two_recordings() {
    let one = labelled();
    let inner = &one[1..one.len() - 1];
    let both = format!("{{{inner}, {}}}", inner.replace("id_0", "id_1"));
    let read = read_text(&both).unwrap();
    let names: Vec<&str> = read.iter().map(|(recording, _)| recording.name.as_str()).collect();
    assert_eq!(names, ["task1_train_mouse001", "annotator-id_1_task1_train_mouse001"]);
    let error = read_text(&format!("{{{inner}, {inner}}}")).unwrap_err().to_string();
    assert!(error.starts_with("task1.json: expected one list of \"annotator-id_0\", got it again"), "{error}");
}

#[test]
fn numbers_are_the_nearest_of_single_precision() {
    for text in ["606.248", "0.1", "123.45678901234567", "1e-30", "16777217", "33554433.000001", "7.038531e-26"] {
        let points = keypoints(1).replacen("[1, ", &format!("[{text}, "), 1);
        let scores = scores(1);
        let read = read_text(&file_of(&[("keypoints", &points), ("scores", &scores)])).unwrap();
        let expected = Keypoint::observed(text.parse().unwrap(), value(0, 0, 1, 0), 0.5, CONFIDENCE_MIN);
        assert_eq!(read[0].0.frames[0].keypoints[0], expected, "{text}");
    }
}

#[test]
fn a_fault_is_named_with_sequence_frame_and_both_sides() {
    let (points, confidences) = (keypoints(4), scores(4));
    let with = |points: &str, confidences: &str, annotations: &str, metadata: &str| {
        let fields = [("keypoints", points), ("scores", confidences), ("annotations", annotations)];
        file_of(&[&fields[..], &[("metadata", metadata)]].concat())
    };
    let of_frame =
        "2 mice × (x, y) × 7 numbers in each frame of the keypoints of \"task1/train/mouse001\" by \"annotator-id_0\"";
    let changed = |from: &str, to: &str| with(&points.replacen(from, to, 1), &confidences, "[3,3,0,3]", VOCABULARY);
    for (text, wanted) in [
        (String::new(), "expected a CalMS21 file: {annotator: {sequence: {keypoints, scores, …}}}, got EOF".to_string()),
        ("{}".to_string(), "task1.json: expected at least one sequence, got none".to_string()),
        ("[1]".to_string(), "got invalid type: sequence, expected annotators by name".to_string()),
        (changed("[2001, ", "[nan, "), format!("row 3: expected {of_frame}, got expected ident at line 1")),
        (changed("[2001, ", "[1NaN, "), format!("row 3: expected {of_frame}, got expected `,` or `]` at line 1")),
        (with(&points, &confidences, "[3,3,NaN,3]", VOCABULARY), "got invalid type: null, expected a whole number".to_string()),
        (changed("[2001, ", "[1e999, "), format!("row 3: expected {of_frame}, got number out of range")),
        (changed("[2001, ", "[\"1\", "), format!("row 3: expected {of_frame}, got invalid type: string \"1\"")),
        (changed("[2001, ", "["), format!("row 3: expected {of_frame}, got invalid length 6, expected an array of length 7")),
        (changed("[2001, ", "[1, 2001, "), format!("row 3: expected {of_frame}, got trailing characters")),
        (changed("[[2001", "[[1, 2, 3, 4, 5, 6, 7], [2001"), format!("row 3: expected {of_frame}, got trailing characters")),
        (
            with(&points, &scores(3), "[3,3,0,3]", VOCABULARY),
            "row 4: expected scores of \"task1/train/mouse001\" by \"annotator-id_0\" for each of its 4 frames, got 3".to_string(),
        ),
        (with(&keypoints(2), &confidences, "[3,3]", VOCABULARY), "row 3: expected scores of".to_string()),
        (
            with(&points, &confidences, "[3,3,0]", VOCABULARY),
            "row 4: expected annotations of \"task1/train/mouse001\" by \"annotator-id_0\" for each of its 4 frames, got 3".to_string(),
        ),
        (
            with(&points, &confidences, "[3,3,4,3]", VOCABULARY),
            "row 3: expected an annotation of \"task1/train/mouse001\" by \"annotator-id_0\" that its vocabulary knows (\"0 attack, 1 investigation, 2 mount, 3 other\"), got 4".to_string(),
        ),
        (
            with(&points, &confidences, "[3,3,-1,3]", VOCABULARY),
            "row 3: expected a number of the vocabulary for each frame in the annotations of \"task1/train/mouse001\" by \"annotator-id_0\", got invalid type: integer `-1`".to_string(),
        ),
        (with(&points, &confidences, "[3,3,0.5,3]", VOCABULARY), "got invalid value: floating point `0.5`".to_string()),
        (with(&points, &confidences, "[3,3,0,3]", "{}"), "expected metadata.vocab of \"task1/train".to_string()),
        (
            with(&points, &confidences, "[3,3,0,3]", r#"{"vocab": {"a": 0, "b": 0}}"#),
            "expected metadata with a vocab of names and numbers, each once, of \"task1/train/mouse001\" by \"annotator-id_0\", got a name or the number 0 again".to_string(),
        ),
        (file_of(&[("keypoints", &points)]), "expected scores of \"task1/train/mouse001\" by \"annotator-id_0\", got none".to_string()),
        (file_of(&[("scores", &confidences)]), "expected keypoints of".to_string()),
        (with("[]", "[]", "[]", VOCABULARY), "expected at least one frame of \"task1/train".to_string()),
        (
            file_of(&[("features", "[[1.0]]"), ("annotations", "[0]")]),
            "expected keypoints of \"task1/train/mouse001\" by \"annotator-id_0\", got features: that file of the data set carries no poses".to_string(),
        ),
        (file_of(&[("scores", "[]"), ("scores", "[]")]), "expected each field once of \"task1/train/mouse001\"".to_string()),
        (labelled() + "x", "expected the end of the sequence or another one after those of \"task1".to_string()),
        (labelled().replace("}}}}", "}}, \"task1/train/mouse001\": {}}}"), "expected the sequence once of \"task1".to_string()),
    ] {
        let error = read_text(&text).unwrap_err().to_string();
        assert!(error.contains(&wanted) && error.starts_with("task1.json: "), "{error}\nis not\n{wanted}");
    }
}

#[test]
fn null_and_what_python_writes_for_no_number_are_missing_points() {
    let (points, confidences) = (keypoints(4), scores(4));
    let expected = read_text(&labelled()).unwrap();
    for literal in ["null", "NaN", "Infinity", "-Infinity"] {
        // An x of the resident's second part in the third frame, the confidence of the intruder's first in the first.
        let holed = points.replacen("[2001, 2002, ", &format!("[2001, {literal}, "), 1);
        let score = confidences.match_indices("0.5").nth(6).unwrap().0;
        let unsure = format!("{}{literal}{}", &confidences[..score], &confidences[score + 3..]);
        let fields = [("keypoints", holed.as_str()), ("scores", &unsure), ("by", r#""NaN""#)];
        let read = read_text(&file_of(&fields)).unwrap();
        let mut frames = expected[0].0.frames.clone();
        (frames[2].keypoints[1], frames[0].keypoints[7]) = (Keypoint::MISSING, Keypoint::MISSING);
        assert_eq!(read[0].0.frames, frames, "{literal}");
    }
}

#[test]
fn a_fault_after_replaced_literals_is_told_with_its_column_in_the_file() {
    for literal in ["7", "NaN", "Infinity", "-Infinity"] {
        let points = keypoints(4).replace(", 1001", &format!(", {literal}"));
        let points = points.replacen("[1, 2, 3, 4", &format!("[1, {literal}, {literal}, {literal}"), 1);
        let points = points.replacen("[2001, ", "[true, ", 1);
        let text = file_of(&[("keypoints", &points), ("scores", &scores(4))]);
        let column = text.find("true").unwrap() + "true".len();
        let error = read_text(&text).unwrap_err().to_string();
        let expected = format!("got invalid type: boolean `true`, expected f32 at line 1 column {column}");
        assert!(error.ends_with(&expected), "{error}\nis not\n{expected}");
    }
}

#[test]
fn only_files_of_that_form_are_recognised() {
    for text in [&labelled(), "{\"a\" : {\n\"b\":{ \"features\": [", "{\"a\":{\"b\":{\"metadata\""] {
        assert!(recognises(text), "{text}");
    }
    for text in ["", "{}", "{\"a\": 1}", "{\"a\": {\"b\": {\"c\": ", "[{\"a\": {\"b\": {\"keypoints\"", "Time,Status\n"]
    {
        assert!(!recognises(text), "{text}");
    }
}

/// The poses of a recording in the data set's form.
fn json_of(recording: &RawRecording) -> (String, String) {
    let list = |cells: Vec<String>| format!("[{}]", cells.join(", "));
    let axes = |animal: &[Keypoint], axes: &[fn(&Keypoint) -> f32]| {
        axes.iter().map(|axis| list(animal.iter().map(|point| axis(point).to_string()).collect())).collect::<Vec<_>>()
    };
    let (mut keypoints, mut scores) = (Vec::new(), Vec::new());
    for frame in &recording.frames {
        let animals = || frame.keypoints.chunks_exact(7);
        keypoints.push(list(animals().map(|animal| list(axes(animal, &[|it| it.x, |it| it.y]))).collect()));
        scores.push(list(animals().flat_map(|animal| axes(animal, &[|it| it.confidence])).collect()));
    }
    (list(keypoints), list(scores))
}

/// Real poses and annotations, written in the data set's form, come back as they were.
#[test]
fn real_poses_come_back() {
    let Some(dir) = testing::corpus_dir("mouse-dyad") else { return };
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "csv"));
    files.sort_by_key(|file| std::fs::metadata(file).unwrap().len());
    let [events, poses] = &files[..] else { panic!("{files:?}") };
    let poses = deeplabcut_csv::read(poses, 0.0).unwrap();
    let interactions: Vec<_> =
        boris::read(events).unwrap()[0].intervals.iter().map(|bout| bout.span.frames(30.0)).collect();

    let label = |frame: u64| if interactions.iter().any(|bout| bout.contains(&frame)) { 1 } else { 3 };
    let labels: Vec<u64> = (0..poses.frames.len() as u64).map(label).collect();
    let (keypoints, scores) = json_of(&poses);
    let mut annotations = String::new();
    write!(annotations, "{labels:?}").unwrap();
    let text = file_of(&[
        ("keypoints", &keypoints),
        ("scores", &scores),
        ("annotations", &annotations),
        ("metadata", VOCABULARY),
    ]);
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("task1.json");
    std::fs::write(&file, &text).unwrap();

    assert!(recognises(&text[..200]));
    let read = read(&file, 0.0).unwrap();
    let [(recording, Some(annotations))] = &read[..] else { panic!("{} recordings", read.len()) };
    assert_eq!(recording.frames.len(), 5700);
    assert_eq!(recording.frames, poses.frames);
    let found = annotations.intervals.iter().filter(|it| it.label == "investigation").map(|it| it.span.clone());
    assert!(found.eq(interactions.into_iter().map(Span::Frames)));
    assert_eq!(annotations.intervals.len(), 21);
}

#[test]
fn a_truncated_file_is_an_error_wherever_it_ends() {
    let text = labelled();
    for length in 0..text.len() {
        let error = parse(&text.as_bytes()[..length], Path::new("x.json"), 0.0).unwrap_err().to_string();
        assert!(error.starts_with("x.json: ") && error.contains("got EOF"), "{length}: {error}");
    }
}

proptest! {
    #[test]
    fn damaged_files_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = labelled().into_bytes();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = parse(&bytes[..], Path::new("x.json"), 0.0);
        let _ = parse(&String::from_utf8_lossy(&bytes).replace("0.5", "NaN").into_bytes()[..], Path::new("x.json"), 0.0);
        let _ = parse(&bytes[..cut.index(bytes.len())], Path::new("x.json"), 0.0);
        let _ = recognises(&String::from_utf8_lossy(&bytes));
    }
}
