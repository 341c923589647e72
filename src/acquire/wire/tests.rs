use proptest::prelude::*;

use super::*;

/// Present or missing, as an estimator reports with a minimum of zero.
fn keypoint() -> impl Strategy<Value = Keypoint> {
    prop_oneof![
        1 => Just(Keypoint::MISSING),
        3 => (-1e5f32..1e5, -1e5f32..1e5, 0.0f32..=1.0).prop_map(|(x, y, c)| Keypoint::observed(x, y, c, 0.0)),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    let frame = (1..=INDIVIDUALS_MAX, 1..=KEYPOINTS_MAX).prop_flat_map(|(individuals, keypoints)| {
        let points = prop::collection::vec(keypoint(), individuals * keypoints);
        (any::<u64>(), any::<Option<i64>>(), points).prop_map(move |(number, capture_nanos, points)| Content::Frame {
            shape: Shape { individuals, keypoints },
            frame: Frame { number, capture_nanos, keypoints: points },
        })
    });
    prop_oneof![4 => frame, 1 => any::<u64>().prop_map(|frames| Content::End { frames })]
}

fn packet() -> impl Strategy<Value = Packet> {
    (any::<Option<u64>>(), any::<Option<u32>>(), any::<bool>(), content())
        .prop_map(|(stream, run, lossless, content)| Packet { stream: stream.map(StreamId), run, lossless, content })
}

fn encoding() -> impl Strategy<Value = Encoding> {
    prop_oneof![Just(Encoding::Binary), Just(Encoding::Json)]
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(packet in packet(), encoding in encoding()) {
        let payload = packet.encode(encoding);
        prop_assert!(encoding.check_size(payload.len()).is_ok());
        prop_assert_eq!(Packet::decode(encoding, &payload, 0.0).unwrap(), packet);
    }

    #[test]
    fn a_truncated_payload_is_refused(packet in packet(), encoding in encoding(), cut in 0.0f64..1.0) {
        let payload = packet.encode(encoding);
        let kept = (payload.len() as f64 * cut) as usize;
        prop_assert!(Packet::decode(encoding, &payload[..kept], 0.0).is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), encoding in encoding()) {
        let _ = Packet::decode(encoding, &bytes, 0.1);
    }

    #[test]
    fn damaged_payloads_never_panic(packet in packet(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for encoding in [Encoding::Binary, Encoding::Json] {
            let mut payload = packet.encode(encoding);
            let at = at.index(payload.len());
            payload[at] = byte;
            if let Ok(Packet { content: Content::Frame { shape, frame }, .. }) = Packet::decode(encoding, &payload, 0.1) {
                prop_assert_eq!(frame.keypoints.len(), shape.individuals * shape.keypoints);
            }
        }
    }
}

fn small() -> Packet {
    let keypoints = (1..=6).map(|n| Keypoint::observed(n as f32, 2.0 * n as f32, 0.9, 0.1)).collect();
    let frame = Frame { number: 258, capture_nanos: Some(-2), keypoints };
    let content = Content::Frame { shape: Shape { individuals: 2, keypoints: 3 }, frame };
    Packet { stream: Some(StreamId(3)), run: Some(4), lossless: false, content }
}

fn refused(change: impl FnOnce(&mut Vec<u8>)) -> WireError {
    let mut payload = small().encode(Encoding::Binary);
    change(&mut payload);
    Packet::decode(Encoding::Binary, &payload, 0.1).unwrap_err()
}

// import struct; print(struct.pack("<4sIQqQIHH", b"VBP1", 7, 258, -2, 3, 4, 2, 3).hex())
#[test]
fn the_header_is_what_python_packs() {
    let expected = "56425031070000000201000000000000feffffffffffffff03000000000000000400000002000300";
    let header =
        small().encode(Encoding::Binary)[..40].iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(header, expected);
}

#[test]
fn each_fault_has_its_error() {
    assert_eq!(refused(|bytes| bytes[0] = b'X'), WireError::Magic { got: *b"XBP" });
    assert_eq!(refused(|bytes| bytes[3] = b'2'), WireError::Version { got: 2 });
    assert_eq!(refused(|bytes| bytes[7] = 1), WireError::Flags { got: (1 << 24) | 7 });
    assert_eq!(refused(|bytes| bytes[36] = 9), WireError::Shape { individuals: 9, keypoints: 3 });
    assert_eq!(refused(|bytes| bytes[38] = 2), WireError::Length { expected: 88, got: 112 });
    assert_eq!(refused(|bytes| bytes.push(0)), WireError::Length { expected: 112, got: 113 });
    assert_eq!(refused(|bytes| bytes.truncate(39)), WireError::Header { got: 39 });
    assert_eq!(refused(|bytes| bytes[4] |= 8), WireError::EndPoints { got: 6 });
    let expected = BINARY_BYTES_MAX;
    assert_eq!(refused(|bytes| bytes.resize(expected + 1, 0)), WireError::Oversized { expected, got: expected + 1 });
}

#[test]
fn what_the_estimator_did_not_see_is_missing() {
    let mut payload = small().encode(Encoding::Binary);
    payload[40..44].copy_from_slice(&f32::NAN.to_le_bytes());
    payload[56..60].copy_from_slice(&f32::INFINITY.to_le_bytes());
    payload[64..72].fill(0);
    payload[84..88].copy_from_slice(&0.05f32.to_le_bytes());
    let packet = Packet::decode(Encoding::Binary, &payload, 0.1).unwrap();
    let Content::Frame { frame, .. } = packet.content else { panic!("a frame") };
    let present: Vec<bool> = frame.keypoints.iter().map(Keypoint::is_present).collect();
    assert_eq!(present, [false, false, false, false, true, true]);
}

#[test]
fn json_needs_only_version_number_and_points() {
    let payload = br#"{"version": 1, "number": 17, "points": [[[10.5, 20.0, 0.98], null], [[0, 0, 1], [1e30, 2, 1]]]}"#;
    let packet = Packet::decode(Encoding::Json, payload, 0.1).unwrap();
    let Content::Frame { shape, frame } = packet.content else { panic!("a frame") };
    assert_eq!((shape.individuals, shape.keypoints, frame.number, frame.capture_nanos), (2, 2, 17, None));
    let present: Vec<bool> = frame.keypoints.iter().map(Keypoint::is_present).collect();
    assert_eq!(present, [true, false, false, false]);
}

#[test]
fn each_fault_in_json_has_its_error() {
    let decode = |text: &str| Packet::decode(Encoding::Json, text.as_bytes(), 0.1).unwrap_err();
    assert_eq!(decode(r#"{"version": 2, "number": 1, "points": [[null]]}"#), WireError::Version { got: 2 });
    assert_eq!(
        decode(r#"{"version": 1, "number": 1, "points": [[null, null], [null]]}"#),
        WireError::Ragged { individual: 1, expected: 2, got: 1 }
    );
    assert_eq!(
        decode(r#"{"version": 1, "number": 1, "points": []}"#),
        WireError::Shape { individuals: 0, keypoints: 0 }
    );
    assert_eq!(
        decode(r#"{"version": 1, "number": 1, "end": true, "points": [[null]]}"#),
        WireError::EndPoints { got: 1 }
    );
    assert_eq!(decode(r#"{"version": 1, "number": 1, "points": [[NaN]]}"#).cause(), "json");
    assert_eq!(decode(r#"{"version": 1, "number": 1, "points": [[null]], "fps": 30}"#).cause(), "json");
}
