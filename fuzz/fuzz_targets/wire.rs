//! Any packet that decodes has as many points as its shape says, and encodes and decodes to itself, in both encodings.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vibrissa::acquire::wire::{Content, Encoding, Packet};

/// That of `models/rat-dyads`.
const CONFIDENCE_MIN: f32 = 0.1;

const ENCODINGS: [Encoding; 2] = [Encoding::Binary, Encoding::Json];

fuzz_target!(|payload: &[u8]| {
    for from in ENCODINGS {
        let Ok(packet) = Packet::decode(from, payload, CONFIDENCE_MIN) else { continue };
        if let Content::Frame { shape, frame } = &packet.content {
            assert_eq!(frame.keypoints.len(), shape.individuals * shape.keypoints);
        }
        for to in ENCODINGS {
            let encoded = packet.encode(to);
            assert_eq!(to.check_size(encoded.len()), Ok(()), "{from:?} to {to:?}");
            assert_eq!(Packet::decode(to, &encoded, CONFIDENCE_MIN).as_ref(), Ok(&packet), "{from:?} to {to:?}");
        }
    }
});
