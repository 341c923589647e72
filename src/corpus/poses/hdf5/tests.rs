use std::io::Write as _;
use std::path::PathBuf;

use hdf5_reader::BytesStorage;
use proptest::prelude::*;

use super::*;
use crate::corpus::poses::deeplabcut_csv::CONFIDENCE_MIN;
use crate::poses::Keypoint;

/// A file made by `tests/data/make_hdf5.py`.
pub(in crate::corpus::poses) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(in crate::corpus::poses) fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// Reads bytes as the file `x.h5`.
pub(in crate::corpus::poses) fn read_bytes(bytes: Vec<u8>) -> Result<RawRecording, CorpusError> {
    parse(Arc::new(BytesStorage::new(bytes)), Path::new("x.h5"), CONFIDENCE_MIN)
}

/// `bytes` with each `old` made `new`.
pub(in crate::corpus::poses) fn replaced(mut bytes: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
    bytes
}

/// The point k of animal i on a row, as the script makes it.
pub(in crate::corpus::poses) fn point(row: usize, i: usize, k: usize) -> Keypoint {
    if row == 2 && i == 1 {
        return Keypoint::MISSING;
    }
    let x = (100 * (i + 1) + 10 * k) as f32 + row as f32 / 4.0;
    Keypoint { x, y: x + 1000.0, confidence: 0.5 + k as f32 / 8.0 }
}

#[test]
fn a_signature_is_found_behind_a_user_block() {
    for (start, wanted) in [(0, true), (512, true), (4096, true), (256, false), (1000, false)] {
        let mut bytes = vec![0; start];
        bytes.extend_from_slice(&SIGNATURE);
        assert_eq!(is_hdf5(&bytes), wanted, "{start}");
    }
    assert!(!is_hdf5(&SIGNATURE[..7]) && !is_hdf5(b""));
    let recording = read(&fixture("sleap.h5"), CONFIDENCE_MIN).unwrap();
    let behind = [vec![7; 512], bytes_of("sleap.h5")].concat();
    assert_eq!(read_bytes(behind).unwrap().frames, recording.frames);
}

#[test]
fn what_is_not_read_is_named() {
    let other = "expected the tracks of DeepLabCut (a pandas table) or a SLEAP analysis file, got ";
    for (name, wanted) in [
        ("sleap_virtual.h5", "expected the data of \"tracks\" in this file, got a virtual dataset".to_string()),
        (
            "sleap_linked.h5",
            "expected the data of \"tracks\" in this file, got an external link to \"elsewhere.h5\"".to_string(),
        ),
        ("sleap_external.h5", "expected the data of \"tracks\" in this file, got data in an external file".to_string()),
        (
            "sleap_lzf.h5",
            "expected \"tracks\" compressed by gzip or not at all, got the filter LZF (number 32000)".to_string(),
        ),
        ("dlc_blosc.h5", "\"table\" compressed by gzip or not at all, got the filter Blosc (number 32001)".to_string()),
        ("sleap_project.h5", format!("{other}a SLEAP project: export it from SLEAP as analysis HDF5")),
        ("nwb.h5", format!("{other}NWB \"2.7.0\"")),
        ("jabs.h5", format!("{other}a pose file of JABS")),
    ] {
        let error = read(&fixture(name), CONFIDENCE_MIN).unwrap_err().to_string();
        assert!(error.contains(&wanted) && error.contains(name), "{error}\nis not\n{wanted}");
    }
    let renamed = replaced(bytes_of("jabs.h5"), b"poseest\0", b"tracker\0");
    let error = read_bytes(renamed).unwrap_err().to_string();
    assert_eq!(error, format!("x.h5: {other}the groups \"tracker\" and datasets \"\""));
}

#[test]
fn what_is_no_hdf5_is_named() {
    for (bytes, wanted) in [
        (&b""[..], "got an empty file"),
        (b"\x80\x04\x95", "got a Python pickle: have DeepLabCut convert its detections to tracks in HDF5 or CSV"),
        (b"scorer,s,s,s", "got \"scorer,s\""),
    ] {
        let error = read_bytes(bytes.to_vec()).unwrap_err().to_string();
        assert!(error.starts_with("x.h5: expected the signature of HDF5, ") && error.ends_with(wanted), "{error}");
    }
    let error = read(Path::new("no/such.h5"), CONFIDENCE_MIN).unwrap_err();
    assert!(matches!(error, CorpusError::Io { .. }), "{error}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&SIGNATURE).unwrap();
    assert!(read(file.path(), CONFIDENCE_MIN).is_err());
}

#[test]
fn a_small_file_that_claims_to_be_large_is_refused() {
    let bytes = bytes_of("sleap_vast.h5");
    let error = read_bytes(bytes.clone()).unwrap_err().to_string();
    let most = bytes.len() as u64 * EXPANSION_MAX;
    let wanted = format!("expected at most the {most} bytes of \"tracks\" that the file can hold");
    assert!(error.contains(&wanted) && error.ends_with("[1, 2, 3, 1000000000000] of 8 bytes each"), "{error}");
}

#[test]
fn a_truncated_file_is_an_error_and_no_shorter_recording() {
    for name in ["sleap.h5", "dlc_gzip.h5"] {
        let bytes = bytes_of(name);
        for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            let error = read_bytes(bytes[..length].to_vec()).unwrap_err().to_string();
            assert!(error.starts_with("x.h5: expected "), "{error}");
        }
        let error = read_bytes(bytes[..bytes.len() - 1].to_vec()).unwrap_err().to_string();
        let wanted = format!("{} bytes, got a truncated file of {}", bytes.len(), bytes.len() - 1);
        assert_eq!(error, format!("x.h5: expected {wanted}"));
    }
}

const DAMAGED: [&str; 6] =
    ["sleap.h5", "sleap_turned.h5", "sleap_standard.h5", "dlc_gzip.h5", "dlc_fixed.h5", "dlc_mixed.h5"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn damaged_files_never_panic(
        name in prop::sample::select(&DAMAGED[..]),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = bytes_of(name);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = read_bytes(bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_bytes([&SIGNATURE[..], &bytes].concat());
    }
}
