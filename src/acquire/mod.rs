//! Poses as they come over the wire: two encodings of one packet, and the description of the stream it belongs to.

pub mod description;
pub mod identity;
mod json;
pub mod wire;
