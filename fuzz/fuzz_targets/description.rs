//! Any stream description that decodes encodes and decodes to itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vibrissa::acquire::description::{Described, StreamId, encode};

fuzz_target!(|json: &[u8]| {
    let Ok(described) = Described::decode(json) else { return };
    assert_eq!(described.id, StreamId::of(json));
    let encoded = encode(&described.stream);
    let again = Described::decode(&encoded).expect("what was encoded is a description");
    assert_eq!(again.stream, described.stream);
    assert_eq!(encode(&again.stream), encoded);
});
