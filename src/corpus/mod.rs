//! Recordings and their annotations, as files hold them.
//!
//! A [`Description`] says what the files of a corpus cannot (rate, scale, skeleton, what the labels mean, who tests);
//! [`Corpus::open`] finds the recordings, [`Corpus::load`] reads one. All times here are frame numbers, counted from 0,
//! and intervals are half open. A recording without a corpus is read by its format's own `read` and completed by
//! [`sidecar::resolve`].

pub mod caltech;
pub mod catalog;
pub mod deeplabcut;
pub mod description;
mod error;
mod labels;
pub mod recording;
pub mod sidecar;
pub mod spans;
pub mod submission;

pub use catalog::{Annotated, Corpus, Entry, Split};
pub use description::Description;
pub use error::{CorpusError, Place};
pub use labels::SetLabels;
pub use recording::{RawRecording, Recording};

#[cfg(test)]
mod rat_dyads;
#[cfg(test)]
#[path = "../../tests/common/mod.rs"]
mod testing;
