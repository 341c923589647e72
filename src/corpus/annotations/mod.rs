//! What somebody wrote down about a recording, before it is known what the labels mean.
//!
//! Every format is read into [`Annotations`]; which of them a file is, is recognised by its content. What a label means
//! (its kind, whether it is background) is said by a description, see [`super::labels`].

pub mod boris;
pub mod caltech;

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::calms21;
use super::error::{CorpusError, Place, quoted};
use super::mabe::annotation;
use super::poses::start_of;

/// What a file of annotations is, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Caltech,
    Boris,
    /// Annotations of the `MABe` challenge; its tracking begins alike.
    Mabe,
    CalMS21,
}

impl Format {
    /// The format of a file.
    ///
    /// # Errors
    /// A file that cannot be read, and one that begins as none of these.
    pub fn of(file: &Path) -> Result<Self, CorpusError> {
        let start = start_of(file)?;
        if start.starts_with(b"PAR1") {
            return Ok(Self::Mabe);
        }
        let text = String::from_utf8_lossy(&start);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with(caltech::TITLE) {
            return Ok(Self::Caltech);
        }
        if calms21::recognises(text) {
            return Ok(Self::CalMS21);
        }
        if boris::recognises(text) {
            return Ok(Self::Boris);
        }
        let expected = "annotations as Caltech Behavior Annotator text, BORIS tabular or aggregated events, MABe parquet \
                        or CalMS21 JSON";
        let got = text.lines().next().map_or_else(|| "an empty file".to_owned(), quoted);
        Err(Place::row(file, 1).fault(expected, got))
    }
}

/// Reads all annotations of a file: of one recording in most formats. Which it is, is recognised by the content.
///
/// # Errors
/// A file of no known format, and whatever is wrong within, with its place.
pub fn read(file: &Path) -> Result<Vec<Annotations>, CorpusError> {
    match Format::of(file)? {
        Format::Mabe => Ok(vec![annotation::read(file)?]),
        Format::Caltech => Ok(vec![caltech::read(file)?]),
        Format::Boris => boris::read(file),
        Format::CalMS21 => {
            // How sure a point has to be does not matter: only the annotations are looked at.
            let recordings = calms21::read(file, 0.0)?;
            Ok(recordings.into_iter().filter_map(|(_, annotations)| annotations).collect())
        }
    }
}

/// The annotations of one recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// The file that they were read from, for errors.
    pub file: PathBuf,
    /// Which recording they are about, where the file says so (a `BORIS` observation, a `CalMS21` sequence).
    pub recording: Option<String>,
    /// Every channel that was annotated, also one in which nothing was found; none in formats without channels.
    pub channels: Vec<String>,
    /// In the file's order.
    pub intervals: Vec<Annotation>,
    /// What was repaired while reading, each with row and reason; empty where nothing was.
    pub repairs: Vec<String>,
}

/// One stretch of one label.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    pub channel: Option<String>,
    /// Who acts, by the file's own name for it; `None` where the file does not say.
    pub agent: Option<String>,
    /// On whom; the agent's own name for a self behavior.
    pub target: Option<String>,
    pub label: String,
    pub span: Span,
    /// Row of the file (or element of a list), counted from 1.
    pub row: u64,
}

/// When: half open, from the recording's beginning.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// Frames by number, counted from 0.
    Frames(Range<u64>),
    /// Seconds of the video, as tools write that know no frames.
    Secs(Range<f64>),
    /// Frames of the video, counted from 0, and its seconds, as tools write that know both.
    Video { frames: Range<u64>, secs: Range<f64> },
}

impl Span {
    /// In frames of a video of that rate. An instant is one frame; what ends within a frame includes it where more than
    /// half of it is covered.
    pub fn frames(&self, rate_hz: f64) -> Range<u64> {
        match self {
            Self::Frames(frames) | Self::Video { frames, .. } => frames.clone(),
            Self::Secs(secs) => {
                let frame = |secs: f64| (secs * rate_hz).round().max(0.0) as u64;
                let start = frame(secs.start);
                start..frame(secs.end).max(start + 1)
            }
        }
    }
}
