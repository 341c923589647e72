use parquet::basic::Compression;
use proptest::prelude::*;

use super::*;
use crate::corpus::mabe::table::tests::{Damage, Raw, write_raw};
use crate::testing::corpus_dir;

fn annotation(agent: &str, target: &str, label: &str, frames: std::ops::Range<u64>, row: u64) -> Annotation {
    let (agent, target) = (Some(agent.to_string()), Some(target.to_string()));
    Annotation { channel: None, agent, target, label: label.to_string(), span: Span::Frames(frames), row }
}

fn sample() -> Vec<Annotation> {
    vec![
        annotation("mouse1", "mouse2", "attack", 0..10, 1),
        annotation("mouse4", "mouse4", "rear", 5..6, 2),
        annotation("mouse2", "mouse1", "attack", 70_000..70_100, 3),
    ]
}

/// A file of the given rows: agent, target, start, stop.
fn write_rows(file: &Path, width: &str, rows: &[[i32; 4]], action: &str) {
    let column = |index: usize| rows.iter().map(|row| Some(row[index])).collect::<Vec<_>>();
    let [agents, targets, starts, stops] = [0, 1, 2, 3].map(column);
    let actions = vec![Some(action.as_bytes()); rows.len()];
    let schema = format!(
        "optional int32 stop_frame ({width}); optional int32 start_frame ({width}); optional binary action (UTF8); \
         optional int32 target_id (INT_8); optional int32 agent_id (INT_8);"
    );
    let columns =
        [Raw::Int32(&stops), Raw::Int32(&starts), Raw::Bytes(&actions), Raw::Int32(&targets), Raw::Int32(&agents)];
    write_raw(file, &schema, &columns, 1, Compression::SNAPPY);
}

#[test]
fn annotations_come_back_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    for annotations in [sample(), Vec::new()] {
        write(&file, &annotations).unwrap();
        let read = read(&file).unwrap();
        assert_eq!(read, Annotations { file: file.clone(), intervals: annotations, ..Annotations::default() });
    }
}

#[test]
fn an_interval_without_frames_is_left_out_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    write_rows(&file, "INT_16", &[[1, 2, 3, 4], [1, 2, 7, 7]], "sniff");
    let read = read(&file).unwrap();
    assert_eq!(read.intervals, [annotation("mouse1", "mouse2", "sniff", 3..4, 1)]);
    assert_eq!(read.repairs, [r#"row 2: "sniff" holds no frame (7..7): left out"#]);
}

#[test]
fn a_fault_is_told_with_its_row() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    for (row, expected) in [
        ([0, 2, 0, 1], "expected agent_id from 1 to 127, got 0"),
        ([1, -1, 0, 1], "expected target_id from 1 to 127, got -1"),
        ([1, 2, -5, 1], "expected start_frame from 0 to 4294967295, got -5"),
        ([1, 2, 9, 8], "expected stop_frame from 9 to 4294967295, got 8"),
    ] {
        write_rows(&file, "INT_32", &[[1, 2, 0, 1], row], "sniff");
        let error = read(&file).unwrap_err().to_string();
        assert!(error.ends_with(&format!("a.parquet: row 2: {expected}")), "{error}\nis not\n{expected}");
    }
    let longest = "x".repeat(ACTION_BYTES_MAX);
    for (action, expected) in [
        ("", "row 1: expected an action, got an empty text".to_string()),
        (
            &(longest.clone() + "x"),
            format!("row 1: expected an action of at most 256 bytes, got {:?}…, 257 bytes", &longest[..60]),
        ),
    ] {
        write_rows(&file, "INT_32", &[[1, 2, 0, 1]], action);
        let error = read(&file).unwrap_err().to_string();
        assert!(error.ends_with(&expected), "{error}\nis not\n{expected}");
    }
    write_rows(&file, "INT_32", &[[1, 2, 0, 1]], &longest);
    assert_eq!(read(&file).unwrap().intervals[0].label, longest);
}

#[test]
fn a_file_of_too_many_rows_is_refused_before_any_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    // Were a row read, its agent would be what is wrong.
    let rows = |count: usize| write_rows(&file, "INT_32", &vec![[0, 2, 0, 1]; count], "sniff");
    rows(1_000_001);
    let error = read(&file).unwrap_err().to_string();
    assert!(error.ends_with("a.parquet: expected at most 1000000 rows, got 1000001"), "{error}");
    rows(1_000_000);
    let error = read(&file).unwrap_err().to_string();
    assert!(error.ends_with("row 1: expected agent_id from 1 to 127, got 0"), "{error}");
}

#[test]
fn what_the_layout_cannot_hold_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    let with = |change: &dyn Fn(&mut Annotation)| {
        let mut annotations = sample();
        change(&mut annotations[1]);
        write(&file, &annotations).unwrap_err().to_string()
    };
    let beyond = 0..i32::MAX as u64 + 1;
    for (error, expected) in [
        (with(&|a| a.agent = Some("rat1".to_string())), r#"an animal mouse1, mouse2, …, got Some("rat1")"#),
        (with(&|a| a.agent = Some("mouse01".to_string())), r#"got Some("mouse01")"#),
        (with(&|a| a.target = None), "an animal mouse1, mouse2, …, got None"),
        (with(&|a| a.span = Span::Secs(0.0..1.0)), "expected frames from 0 to 2147483647, got Secs(0.0..1.0)"),
        (with(&|a| a.span = Span::Frames(beyond.clone())), "got Frames(0..2147483648)"),
    ] {
        assert!(error.contains("a.parquet: row 2: expected ") && error.ends_with(expected), "{error}");
    }
}

#[test]
fn the_genuine_files_are_read() {
    let Some(data) = corpus_dir("mabe2025-annotations") else { return };
    let (mut files, mut bouts, mut without_frames) = (0, 0, 0);
    for lab in std::fs::read_dir(data.join("train_annotation")).unwrap() {
        for file in std::fs::read_dir(lab.unwrap().path()).unwrap() {
            let annotations = read(&file.unwrap().path()).unwrap();
            files += 1;
            bouts += annotations.intervals.len();
            without_frames += annotations.repairs.len();
        }
    }
    assert_eq!((files, bouts + without_frames, without_frames), (847, 83_620, 59));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn damage_gives_an_error_or_sound_annotations(damage in Damage::any()) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.parquet");
        write(&file, &sample()).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        damage.apply(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        if let Ok(read) = read(&file) {
            prop_assert!(!matches!(damage, Damage::Cut(_)));
            for annotation in read.intervals {
                prop_assert!(matches!(annotation.span, Span::Frames(frames) if !frames.is_empty()));
            }
        }
    }
}
