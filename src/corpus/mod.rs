//! Recordings and their annotations, as files hold them.

pub mod caltech;
pub mod deeplabcut;
mod error;
pub mod recording;
pub mod sidecar;

pub use error::{CorpusError, Place};
pub use recording::{RawRecording, Recording};
