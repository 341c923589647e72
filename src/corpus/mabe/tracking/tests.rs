use parquet::basic::Compression;
use proptest::prelude::*;

use super::*;
use crate::corpus::mabe::table::tests::{Damage, Raw, write_raw};
use crate::testing::corpus_dir;

type Cells = (i64, i32, &'static str, f64, f64);

const ROWS: [Cells; 4] =
    [(7, 4, "nose", 1.0, 2.0), (5, 1, "tail", 3.0, 4.0), (5, 4, "nose", 0.5, f64::NAN), (7, 1, "nose", 5.0, 6.0)];

/// A file as other tools may write it: wide numbers, no likelihood.
fn write_rows(file: &Path, rows: &[Cells]) {
    let frames: Vec<_> = rows.iter().map(|row| Some(row.0)).collect();
    let mice: Vec<_> = rows.iter().map(|row| Some(row.1)).collect();
    let parts: Vec<_> = rows.iter().map(|row| Some(row.2.as_bytes())).collect();
    let xs: Vec<_> = rows.iter().map(|row| Some(row.3)).collect();
    let ys: Vec<_> = rows.iter().map(|row| Some(row.4)).collect();
    let schema = "optional int64 video_frame; optional int32 mouse_id (UINT_8); optional binary bodypart (UTF8); \
        optional double x; optional double y;";
    let columns = [Raw::Int64(&frames), Raw::Int32(&mice), Raw::Bytes(&parts), Raw::Double(&xs), Raw::Double(&ys)];
    write_raw(file, schema, &columns, 1, Compression::SNAPPY);
}

fn in_temporary<T>(test: impl FnOnce(&Path) -> T) -> T {
    let dir = tempfile::tempdir().unwrap();
    test(&dir.path().join("12.parquet"))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn point(x: f32, y: f32) -> Keypoint {
    Keypoint::observed(x, y, 1.0, 0.0)
}

#[test]
fn rows_in_any_order_make_frames_without_gaps() {
    in_temporary(|file| {
        write_rows(file, &ROWS);
        let recording = read(file, 0.1).unwrap();
        assert_eq!(recording.name, "12");
        assert_eq!(recording.individuals, ["mouse1", "mouse4"]);
        assert_eq!(recording.keypoints, ["nose", "tail"]);
        let absent = Keypoint::MISSING;
        let frame =
            |number, keypoints: [Keypoint; 4]| Frame { number, capture_nanos: None, keypoints: keypoints.into() };
        let expected = [
            frame(5, [absent, point(3.0, 4.0), absent, absent]),
            frame(6, [absent; 4]),
            frame(7, [point(5.0, 6.0), absent, point(1.0, 2.0), absent]),
        ];
        assert_eq!(recording.frames, expected);
        let listed = names(&["tail", "ear", "nose"]);
        let recording = read_with(file, 0.1, Some(&listed)).unwrap();
        assert_eq!(recording.keypoints, listed);
        let mouse4 = [absent, absent, point(1.0, 2.0)];
        assert_eq!(recording.frames[2].keypoints, [&[absent, absent, point(5.0, 6.0)][..], &mouse4].concat());
    });
}

#[test]
fn numbers_that_became_floats_by_the_way_are_read() {
    in_temporary(|file| {
        write_rows(file, &ROWS);
        let expected = read(file, 0.1).unwrap();
        let schema = "optional double video_frame; optional float mouse_id; optional binary bodypart (UTF8); \
            optional double x; optional double y;";
        let write = |first: f64| {
            let frames: Vec<_> = ROWS.iter().map(|row| Some(row.0 as f64 - ROWS[0].0 as f64 + first)).collect();
            let mice: Vec<_> = ROWS.iter().map(|row| Some(row.1 as f32)).collect();
            let parts: Vec<_> = ROWS.iter().map(|row| Some(row.2.as_bytes())).collect();
            let xs: Vec<_> = ROWS.iter().map(|row| Some(row.3)).collect();
            let ys: Vec<_> = ROWS.iter().map(|row| Some(row.4)).collect();
            let (frames, mice, parts) = (Raw::Double(&frames), Raw::Float(&mice), Raw::Bytes(&parts));
            let gzip = Compression::GZIP(parquet::basic::GzipLevel::default());
            write_raw(file, schema, &[frames, mice, parts, Raw::Double(&xs), Raw::Double(&ys)], 1, gzip);
        };
        write(ROWS[0].0 as f64);
        assert_eq!(read(file, 0.1).unwrap(), expected);
        write(7.25);
        let error = read(file, 0.1).unwrap_err().to_string();
        let expected = r#"row 1: expected a whole number in the column "video_frame", got 7.25"#;
        assert!(error.ends_with(expected), "{error}");
    });
}

#[test]
fn a_mouse_0_in_the_first_row_is_told_too() {
    in_temporary(|file| {
        write_rows(file, &[(0, 0, "nose", 1.0, 1.0)]);
        let error = read(file, 0.1).unwrap_err().to_string();
        assert!(error.ends_with("row 1: expected a mouse_id from 1 to 127, got 0"), "{error}");
    });
}

#[test]
fn a_fault_is_told_with_its_row() {
    in_temporary(|file| {
        let listed = names(&["tail", "ear"]);
        let message = |rows: &[Cells], listed: Option<&[String]>| {
            write_rows(file, rows);
            read_with(file, 0.1, listed).unwrap_err().to_string()
        };
        let with = |cells: Cells| message(&[&ROWS[..], &[cells]].concat(), None);
        let nine: Vec<Cells> = (1..=9).map(|mouse| (0, mouse, "nose", 1.0, 1.0)).collect();
        for (error, expected) in [
            (with((-1, 1, "nose", 1.0, 1.0)), "row 5: expected a video_frame from 0 to 4294967295, got -1"),
            (
                with((1 << 32, 1, "nose", 1.0, 1.0)),
                "row 5: expected a video_frame from 0 to 4294967295, got 4294967296",
            ),
            (with((9, 0, "nose", 1.0, 1.0)), "row 5: expected a mouse_id from 1 to 127, got 0"),
            (
                with((5, 4, "nose", 1.0, 1.0)),
                r#"row 5: expected each point of a frame once, got frame 5, mouse 4, "nose" again"#,
            ),
            (
                message(&nine, None),
                "row 9: expected at most 8 individuals, got number 9 besides [1, 2, 3, 4, 5, 6, 7, 8]",
            ),
            (message(&ROWS, Some(&listed)), r#"row 1: expected one of the body parts ["tail", "ear"], got "nose""#),
            (message(&[], None), "12.parquet: expected at least one row, got an empty table"),
        ] {
            assert!(error.ends_with(expected), "{error}\nis not\n{expected}");
        }
    });
}

#[test]
fn a_span_out_of_proportion_is_refused_with_both_numbers() {
    in_temporary(|file| {
        let ends = |last: i64| [(0, 1, "nose", 1.0, 1.0), (last, 1, "nose", 1.0, 1.0)];
        write_rows(file, &ends(100_199));
        assert_eq!(read(file, 0.1).unwrap().frames.len(), 100_200);
        write_rows(file, &ends(100_200));
        let error = read(file, 0.1).unwrap_err().to_string();
        let expected = "at most 100200 frames from the first to the last of 2, got 100201 (frames 0 to 100200)";
        assert!(error.ends_with(expected), "{error}");
    });
}

#[test]
fn what_the_layout_cannot_hold_is_not_written() {
    in_temporary(|file| {
        let frame = |number, points| Frame { number, capture_nanos: None, keypoints: vec![point(1.0, 1.0); points] };
        let parts = names(&["nose", "tail"]);
        for (individuals, frames, expected) in [
            (2, vec![], "expected at least one frame, got none"),
            (9, vec![frame(0, 18)], "expected 1 to 8 individuals and 1 to 64 body parts, got 9 and 2"),
            (2, vec![frame(0, 4), frame(1, 3)], "row 2: expected 2 × 2 points, got 3"),
            (2, vec![frame(3, 4), frame(3, 4)], "row 2: expected a frame from 4 to 2147483647, got 3"),
            (2, vec![frame(1 << 31, 4)], "row 1: expected a frame from 0 to 2147483647, got 2147483648"),
        ] {
            let error = write(file, individuals, &parts, &frames).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}\nis not\n{expected}");
            assert!(!file.exists());
        }
    });
}

#[test]
fn genuine_clips_of_three_mice_come_back_as_they_were_read() {
    let Some(data) = corpus_dir("mouse-trios") else { return };
    let mut files: Vec<_> =
        std::fs::read_dir(data.join("train_tracking/Trio")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort_unstable();
    assert_eq!(files.len(), 470);
    in_temporary(|copy| {
        for file in files.iter().step_by(10) {
            let recording = read(file, 0.0).unwrap();
            assert_eq!((recording.individuals.len(), recording.keypoints.len()), (3, 15));
            assert_eq!(recording.frames.len(), 130);
            write(copy, 3, &recording.keypoints, &recording.frames).unwrap();
            assert_eq!(read(copy, 0.0).unwrap().frames, recording.frames);
        }
    });
}

/// Any recording of 1 to 3 individuals and 1 to 4 body parts, with its counts.
fn recordings() -> impl Strategy<Value = (usize, usize, Vec<Frame>)> {
    let keypoint = prop_oneof![
        Just(Keypoint::MISSING),
        (-1e6_f32..1e6, -1e6_f32..1e6, 0_f32..=1.0)
            .prop_map(|(x, y, confidence)| Keypoint::observed(x, y, confidence, 0.0)),
    ];
    (1_usize..4, 1_usize..5, 0_u64..1000, 1_usize..30).prop_flat_map(move |(individuals, parts, first, length)| {
        let points = individuals * parts;
        let unseen = Just(vec![Keypoint::MISSING; points]);
        let frame = prop_oneof![unseen, prop::collection::vec(keypoint.clone(), points)];
        prop::collection::vec(frame, length).prop_map(move |frames| {
            let frame = |(number, keypoints)| Frame { number, capture_nanos: None, keypoints };
            (individuals, parts, (first..).zip(frames).map(frame).collect())
        })
    })
}

fn bits(frames: &[Frame]) -> Vec<(u32, u32, u32)> {
    let points = frames.iter().flat_map(|frame| &frame.keypoints).filter(|point| point.is_present());
    points.map(|point| (point.x.to_bits(), point.y.to_bits(), point.confidence.to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_recording_comes_back_as_it_was_written((individuals, parts, frames) in recordings(), shuffled in any::<bool>()) {
        let keypoints: Vec<String> = (0..parts).map(|part| format!("part{part}")).collect();
        let (read, listed) = in_temporary(|file| {
            write(file, individuals, &keypoints, &frames).unwrap();
            let mut listed = keypoints.clone();
            if shuffled {
                listed.reverse();
            }
            (read(file, 0.0).unwrap(), read_with(file, 0.0, Some(&listed)).unwrap())
        });
        prop_assert_eq!(&read.keypoints, &keypoints);
        prop_assert_eq!(read.individuals.len(), individuals);
        prop_assert_eq!(&read.frames, &frames);
        prop_assert_eq!(bits(&read.frames), bits(&frames));
        prop_assert_eq!(listed.frames.len(), frames.len());
    }

    #[test]
    fn damage_gives_an_error_or_a_sound_recording(damage in Damage::any(), (individuals, parts, frames) in recordings()) {
        let keypoints: Vec<String> = (0..parts).map(|part| format!("part{part}")).collect();
        let read = in_temporary(|file| {
            write(file, individuals, &keypoints, &frames).unwrap();
            let mut bytes = std::fs::read(file).unwrap();
            damage.apply(&mut bytes);
            std::fs::write(file, bytes).unwrap();
            read(file, 0.0)
        });
        if let Ok(recording) = read {
            prop_assert!(!matches!(damage, Damage::Cut(_)));
            let points = recording.individuals.len() * recording.keypoints.len();
            prop_assert!(recording.frames.iter().all(|frame| frame.keypoints.len() == points));
            prop_assert!(recording.frames.windows(2).all(|pair| pair[0].number + 1 == pair[1].number));
        }
    }
}
