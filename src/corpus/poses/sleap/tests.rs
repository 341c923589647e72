use crate::corpus::poses::deeplabcut_csv::{ANIMAL, CONFIDENCE_MIN};
use crate::corpus::poses::hdf5::read;
use crate::corpus::poses::hdf5::tests::{bytes_of, fixture, point, read_bytes, replaced};
use crate::poses::Keypoint;

/// A point as the script stores it; those of the first track on the last frame were placed by hand.
fn stored(frame: usize, track: usize, node: usize) -> Keypoint {
    let point = point(frame, track, node);
    if frame == 4 && track == 0 { Keypoint { confidence: 1.0, ..point } } else { point }
}

#[test]
fn every_order_of_axes_is_read() {
    for name in ["sleap.h5", "sleap_turned.h5", "sleap_standard.h5"] {
        let recording = read(&fixture(name), CONFIDENCE_MIN).unwrap();
        assert_eq!(recording.individuals, ["track 0", "track 1"]);
        assert_eq!(recording.keypoints, ["nose", "body", "tail"]);
        assert_eq!(recording.repairs, ["3 points without a score (placed by hand): taking 1"]);
        assert_eq!(recording.frames.len(), 5);
        for (number, frame) in recording.frames.iter().enumerate() {
            assert_eq!(frame.number, number as u64);
            let wanted: Vec<Keypoint> = (0..6).map(|index| stored(number, index / 3, index % 3)).collect();
            assert_eq!(frame.keypoints, wanted, "{name}");
        }
    }
}

#[test]
fn without_scores_all_that_was_seen_is_certain() {
    let recording = read(&fixture("sleap_custom.h5"), CONFIDENCE_MIN).unwrap();
    for (number, frame) in recording.frames.iter().enumerate() {
        for (index, got) in frame.keypoints.iter().enumerate() {
            assert_eq!(*got, Keypoint { confidence: 1.0, ..point(number, index / 3, index % 3) });
        }
    }
    assert_eq!(recording.repairs, [""; 0]);
}

#[test]
fn a_track_without_a_name_is_one_animal() {
    let recording = read(&fixture("sleap_unnamed.h5"), CONFIDENCE_MIN).unwrap();
    assert_eq!(recording.individuals, [ANIMAL]);
    assert_eq!(recording.frames[1].keypoints[2], point(1, 0, 2));
    assert_eq!(recording.repairs[0], "the tracks have no names: taking [\"animal\"]");
}

#[test]
fn a_fault_is_named() {
    let standard = || bytes_of("sleap_standard.h5");
    for (bytes, wanted) in [
        (
            bytes_of("sleap_many.h5"),
            "expected at most 8 tracks, got 9: merge or cull them in SLEAP first, one track for each animal",
        ),
        (bytes_of("sleap_ambiguous.h5"), "expected \"tracks\" with a single order of axes that fits, got [[Track, Xy,"),
        (replaced(standard(), b"bodytail", b"nosetail"), "expected each of the nodes once, got \"nose\" twice"),
        (replaced(standard(), b"track 1", b"track 0"), "expected each of the tracks once, got \"track 0\" twice"),
        (
            replaced(
                standard(),
                b"[\"frame\", \"track\", \"node\", \"xy\"]",
                b"[\"frame\", \"track\", \"node\", \"yx\"]",
            ),
            "expected \"tracks\" with the names of 4 axes as dims, got \"[\\\"frame\\\"",
        ),
        (
            replaced(
                standard(),
                b"[\"frame\", \"track\", \"node\", \"xy\"]",
                b"[\"track\", \"frame\", \"node\", \"xy\"]",
            ),
            "expected \"tracks\" with 2 coordinates of 3 nodes of 2 tracks with a track_occupancy of [5, 2], got [5, 2, 3, 2] as [Track,",
        ),
        (
            replaced(standard(), b"[\"frame\", \"track\", \"node\"]", b"[\"track\", \"frame\", \"node\"]"),
            "expected \"point_scores\" with the shape [2, 5, 3], got [5, 2, 3]",
        ),
        (
            replaced(bytes_of("sleap_ambiguous.h5"), b"node_names\0", b"nodes_name\0"),
            "expected the dataset \"node_names\", got none",
        ),
    ] {
        let error = read_bytes(bytes).unwrap_err().to_string();
        assert!(error.starts_with("x.h5: ") && error.contains(wanted), "{error}\nis not\n{wanted}");
    }
}
