use std::path::Path;

use crate::corpus::poses::deeplabcut_csv::{self, ANIMAL, CONFIDENCE_MIN};
use crate::corpus::poses::hdf5::read;
use crate::corpus::poses::hdf5::tests::{bytes_of, fixture, point, read_bytes, replaced};
use crate::poses::{Frame, Keypoint};
use crate::testing::corpus_dir;

const NUMBERS: [u64; 5] = [7, 8, 9, 11, 12];

/// The frames of the first `animals`, as the script makes them.
fn frames(animals: usize) -> Vec<Frame> {
    let points = |row| (0..animals).flat_map(move |i| (0..3).map(move |k| point(row, i, k)));
    let numbered = NUMBERS.iter().enumerate();
    numbered.map(|(row, &number)| Frame { number, capture_nanos: None, keypoints: points(row).collect() }).collect()
}

#[test]
fn both_formats_are_read_plain_and_compressed() {
    for name in ["dlc_table.h5", "dlc_fixed.h5", "dlc_gzip.h5"] {
        let recording = read(&fixture(name), CONFIDENCE_MIN).unwrap();
        assert_eq!(recording.name, name.trim_end_matches(".h5"));
        assert_eq!(recording.individuals, ["a", "b"]);
        assert_eq!(recording.keypoints, ["nose", "body", "tail"]);
        assert_eq!(recording.frames, frames(2), "{name}");
        assert_eq!(recording.repairs, [""; 0]);
    }
    let one = read(&fixture("dlc_one.h5"), CONFIDENCE_MIN).unwrap();
    assert_eq!((one.individuals, one.frames), (vec![ANIMAL.to_string()], frames(1)));
}

#[test]
fn low_confidence_is_missing() {
    let recording = read(&fixture("dlc_table.h5"), 0.6).unwrap();
    assert_eq!(recording.frames[0].keypoints[0], Keypoint::MISSING);
    assert_eq!(recording.frames[0].keypoints[1], point(0, 0, 1));
}

#[test]
fn columns_of_two_datatypes_in_any_order_are_put_together() {
    let recording = read(&fixture("dlc_mixed.h5"), CONFIDENCE_MIN).unwrap();
    assert_eq!(recording.individuals, ["b", "a"]);
    assert_eq!(recording.keypoints, ["tail", "body", "nose"]);
    for (row, frame) in recording.frames.iter().enumerate() {
        for (index, got) in frame.keypoints.iter().enumerate() {
            let wanted = point(row, 1 - index / 3, 2 - index % 3);
            assert_eq!(*got, Keypoint { x: wanted.x.floor(), confidence: 1.0, ..wanted }, "{row} {index}");
        }
    }
}

#[test]
fn objects_of_the_arena_are_left_out_and_told() {
    let recording = read(&fixture("dlc_arena.h5"), CONFIDENCE_MIN).unwrap();
    assert_eq!((recording.individuals, recording.frames), (vec!["a".to_string()], frames(1)));
    assert_eq!(recording.repairs, ["the individual \"single\" (door) stands for objects of the arena: left out"]);
}

/// The numbers of the five rows as pandas' fixed format stores them.
fn numbers(numbers: [i64; 5]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[test]
fn a_number_out_of_order_or_bounds_is_named_with_its_row() {
    for (patch, wanted) in [
        ([7, 8, 8, 11, 12], "x.h5: row 3: expected a frame number above 8, got 8"),
        ([7, 8, 9, 3, 12], "x.h5: row 4: expected a frame number above 9, got 3"),
        ([-1, 8, 9, 11, 12], "x.h5: row 1: expected a frame number of 0 to 4294967295, got -1"),
        ([7, 8, 9, 11, 1 << 40], "x.h5: row 5: expected a frame number of 0 to 4294967295, got 1099511627776"),
    ] {
        let bytes = replaced(bytes_of("dlc_fixed.h5"), &numbers([7, 8, 9, 11, 12]), &numbers(patch));
        assert_eq!(read_bytes(bytes).unwrap_err().to_string(), wanted);
    }
    // A record of the other format: the number, then x and y of the first point.
    let record =
        |number: i64| [&number.to_le_bytes()[..], &100.25_f64.to_le_bytes(), &1100.25_f64.to_le_bytes()].concat();
    let bytes = replaced(bytes_of("dlc_table.h5"), &record(8), &record(7));
    assert_eq!(read_bytes(bytes).unwrap_err().to_string(), "x.h5: row 2: expected a frame number above 7, got 7");
}

#[test]
fn rows_that_are_images_are_no_tracks() {
    let error = read(&fixture("dlc_images.h5"), CONFIDENCE_MIN).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "expected rows that are numbered by frame, got \"labeled-data/rats/img0007.png\": labels of single images are no tracks"
        ),
        "{error}"
    );
}

#[test]
fn a_fault_of_the_columns_is_named() {
    let codes = |codes: [u8; 18]| codes;
    let parts = codes([1, 1, 1, 0, 0, 0, 2, 2, 2, 1, 1, 1, 0, 0, 0, 2, 2, 2]);
    for (old, new, wanted) in [
        (&b"likelihood"[..], &b"likelihoot"[..], "x.h5, column 3: expected x, y or likelihood, got \"likelihoot\""),
        (b"tail", b"nose", "x.h5, column 7: expected each column once, got \"scorer, a, nose, x\" twice"),
        (b"coords\0", b"chords\0", "got \"scorer, individuals, bodyparts, chords\""),
        (
            &parts,
            &codes([1, 1, 1, 0, 0, 0, 2, 2, 2, 1, 1, 1, 0, 0, 0, 2, 2, 9]),
            "expected \"axis0_label2\" with labels of 0 to 2, got 9",
        ),
        (
            &parts,
            &codes([1, 1, 1, 0, 0, 0, 2, 2, 2, 1, 1, 1, 0, 0, 0, 2, 2, 255]),
            "expected \"axis0_label2\" with labels of 0 to 2, got -1",
        ),
    ] {
        let error = read_bytes(replaced(bytes_of("dlc_fixed.h5"), old, new)).unwrap_err().to_string();
        assert!(error.starts_with("x.h5") && error.contains(wanted), "{error}\nis not\n{wanted}");
    }
    let error = read_bytes(replaced(bytes_of("dlc_table.h5"), b"Vtail", b"Vnose")).unwrap_err().to_string();
    assert_eq!(error, "x.h5, column 7: expected each column once, got \"scorer, a, nose, x\" twice");
    let error = read_bytes(replaced(bytes_of("dlc_table.h5"), b"Vtail", b"Rtail")).unwrap_err().to_string();
    assert!(
        error.contains("expected the attribute non_index_axes of a pandas table, got a pickle with 'R'"),
        "{error}"
    );
}

#[test]
fn a_wrong_checksum_is_an_error() {
    let mut bytes = bytes_of("dlc_gzip.h5");
    // The compressed records are the last that was written.
    let zlib = (0..bytes.len() - 1).rfind(|at| bytes[*at..].starts_with(b"\x78\x9c")).unwrap();
    bytes[zlib + 20] ^= 0x10;
    let error = read_bytes(bytes).unwrap_err().to_string();
    assert!(error.starts_with("x.h5: expected a readable \"table\", got "), "{error}");
}

#[test]
fn real_tables_equal_those_in_csv() {
    let (Some(h5), Some(csv)) = (corpus_dir("formats/dlc-h5"), corpus_dir("formats/dlc-csv")) else { return };
    // The tables in CSV lack the last rows.
    for (name, rows) in [("deepof_madlc", 97), ("deepof_multi_topview_prefixed_bodyparts", 98)] {
        let mut from_h5 = read(&h5.join(name).with_extension("h5"), CONFIDENCE_MIN).unwrap();
        let from_csv = deeplabcut_csv::read(&csv.join(name).with_extension("csv"), CONFIDENCE_MIN).unwrap();
        from_h5.file.clone_from(&from_csv.file);
        assert_eq!(from_h5.frames.len(), 100);
        from_h5.frames.truncate(rows);
        assert!(from_h5 == from_csv, "{name}");
    }
}

#[test]
fn a_real_table_without_likelihood_is_read() {
    let Some(dir) = corpus_dir("mouse-trio-unlabelled") else { return };
    let recording = read(Path::new(&dir.join("EGS8X2MN4SSUGFWAV976.h5")), CONFIDENCE_MIN).unwrap();
    assert_eq!(recording.individuals, ["mouse1", "mouse2", "mouse3"]);
    assert_eq!((recording.keypoints.len(), recording.frames.len()), (12, 1800));
    let points = || recording.frames.iter().flat_map(|frame| &frame.keypoints);
    assert_eq!(points().filter(|point| point.is_present()).count(), 58_056);
    assert!(points().all(|point| point.confidence == if point.is_present() { 1.0 } else { 0.0 }));
}
