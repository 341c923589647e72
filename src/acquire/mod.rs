//! Poses as they come over the wire: two encodings of one packet, and the description of the stream it belongs to.

pub mod description;
mod json;
pub mod wire;
