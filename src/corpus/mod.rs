//! Recordings and their annotations, as files hold them.
//!
//! ```text
//! pose files ──▶ poses ──────┐                                      ┌─▶ train, evaluate
//! annotations ─▶ annotations ┼─▶ files ─▶ labels ─▶ Corpus ─▶ import ─▶ mabe ─▶ Corpus ─▶ predict, score, summary
//! description (TOML) ────────┘
//! ```
//!
//! [`poses`] and [`annotations`] read what tools wrote, recognised by content, and know no meaning. A [`Description`] says
//! what the files cannot (rate, scale, skeleton, what labels mean, who tests); [`Corpus::of_files`] puts all of it
//! together. [`import`] writes a corpus in the layout of [`mabe`], which [`Corpus::of_layout`] reads, as it reads the
//! challenge's own data. All times here are frame numbers, counted from 0, and intervals are half open. A recording
//! without a corpus is completed by [`sidecar::resolve`].

pub mod annotations;
pub mod cache;
pub mod calms21;
pub mod catalog;
pub mod description;
mod error;
mod files;
pub mod flags;
pub mod import;
pub mod labels;
pub mod log;
pub mod mabe;
pub mod poses;
pub mod recording;
pub mod session;
pub mod sidecar;
pub mod spans;
pub mod timeline;

pub use catalog::{Annotated, Corpus, Entry, Split};
pub use description::Description;
pub use error::{CorpusError, Place};
pub use labels::SetLabels;
pub use recording::{RawRecording, Recording};

#[cfg(test)]
mod rat_dyads;
