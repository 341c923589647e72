//! The modules of Vibrissa that read bytes from strangers, as they stand in `src`, and nothing else.
//!
//! Depending on the whole crate would compile zenoh and candle for the fuzzer: many minutes for code that no target
//! calls. A module that begins to use another one fails to compile here, and that one is mounted as well.

#[path = "../src/acquire/mod.rs"]
pub mod acquire;
#[path = "../src/behavior.rs"]
pub mod behavior;
#[path = "../src/buffer/mod.rs"]
pub mod buffer;
#[path = "../src/corpus/mod.rs"]
pub mod corpus;
#[path = "../src/keys.rs"]
pub mod keys;
#[path = "../src/poses.rs"]
pub mod poses;
#[path = "../src/skeleton.rs"]
pub mod skeleton;
#[path = "../src/stream.rs"]
pub mod stream;
#[path = "../src/time.rs"]
pub mod time;
