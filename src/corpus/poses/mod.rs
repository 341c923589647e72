//! Pose files of every format, read into recordings; which format a file is of, is recognised by its content.

pub mod deeplabcut_csv;
pub mod deeplabcut_h5;
pub mod hdf5;
pub mod prefixes;
pub mod sleap;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::annotations::Annotations;
use super::calms21;
use super::error::{CorpusError, Place, quoted};
use super::log::{self, LoggedSession};
use super::mabe::tracking;
use super::recording::RawRecording;
use crate::acquire::identity::Identity;
use crate::stream::Identities;

/// Bytes that are enough to tell every format.
const START_BYTES: usize = 4096;

const PARQUET_MAGIC: &[u8] = b"PAR1";
const MCAP_MAGIC: &[u8] = b"\x89MCAP";
const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

/// What a file is, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    DeepLabCutCsv,
    /// DeepLabCut's or SLEAP's.
    Hdf5,
    /// Tracking of the `MABe` challenge.
    MabeTracking,
    CalMS21,
    /// A log of `vibrissa record`.
    Log,
}

impl Format {
    /// The format of a file.
    ///
    /// # Errors
    /// A file that cannot be read, and one that begins as none of these.
    pub fn of(file: &Path) -> Result<Self, CorpusError> {
        let start = start_of(file)?;
        if hdf5::is_hdf5(&start) {
            return Ok(Self::Hdf5);
        }
        for (magic, format) in [(PARQUET_MAGIC, Self::MabeTracking), (MCAP_MAGIC, Self::Log)] {
            if start.starts_with(magic) {
                return Ok(format);
            }
        }
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
        match text.first() {
            Some(b'{') => Ok(Self::CalMS21),
            Some(_) if start.starts_with(GZIP_MAGIC) || deeplabcut_csv::recognises(&start) => Ok(Self::DeepLabCutCsv),
            Some(_) => {
                let first = text.split(|byte| *byte == b'\n').next().unwrap_or(text);
                let expected = "poses (DeepLabCut CSV or HDF5, SLEAP analysis HDF5, MABe parquet, CalMS21 JSON, a log of \
                                `vibrissa record`) or annotations (Caltech text, BORIS events, MABe parquet, CalMS21 JSON)";
                Err(Place::row(file, 1).fault(expected, quoted(&String::from_utf8_lossy(first))))
            }
            None => Err(Place::file(file).fault("poses", "an empty file")),
        }
    }
}

/// The first bytes of a file.
pub(super) fn start_of(file: &Path) -> Result<Vec<u8>, CorpusError> {
    let unreadable = |error| CorpusError::Io { file: file.to_path_buf(), error };
    let mut start = Vec::with_capacity(START_BYTES);
    let input = File::open(file).map_err(unreadable)?;
    input.take(START_BYTES as u64).read_to_end(&mut start).map_err(unreadable)?;
    Ok(start)
}

/// Reads all recordings of a pose file: one in most formats.
///
/// # Errors
/// A file of no known format, and whatever is wrong within, with its place.
pub fn read(file: &Path, confidence_min: f32) -> Result<Vec<RawRecording>, CorpusError> {
    Ok(read_annotated(file, confidence_min)?.into_iter().map(|(raw, _)| raw).collect())
}

/// Reads the only recording of a pose file.
///
/// # Errors
/// As [`read`]; a file of several recordings.
pub fn read_one(file: &Path, confidence_min: f32) -> Result<RawRecording, CorpusError> {
    let mut all = read(file, confidence_min)?;
    match (all.pop(), all.len()) {
        (Some(one), 0) => Ok(one),
        (last, more) => {
            let got = more + usize::from(last.is_some());
            Err(Place::file(file).fault("one recording", got.to_string()))
        }
    }
}

/// As [`read`], each with the annotations that the file itself holds.
///
/// # Errors
/// See [`read`].
pub fn read_annotated(
    file: &Path,
    confidence_min: f32,
) -> Result<Vec<(RawRecording, Option<Annotations>)>, CorpusError> {
    let alone = |raw: RawRecording| vec![(raw, None)];
    match Format::of(file)? {
        Format::DeepLabCutCsv => deeplabcut_csv::read(file, confidence_min).map(alone),
        Format::Hdf5 => hdf5::read(file, confidence_min).map(alone),
        Format::MabeTracking => tracking::read(file, confidence_min).map(alone),
        Format::CalMS21 => calms21::read(file, confidence_min),
        Format::Log => {
            let sessions = log::read(file, confidence_min)?;
            Ok(sessions.into_iter().map(|session| (in_slots(session), None)).collect())
        }
    }
}

/// The recording of a logged session, whose animals keep their slots: instances that came in any order are assigned as
/// they are live.
fn in_slots(session: LoggedSession) -> RawRecording {
    let LoggedSession { mut recording, stream, .. } = session;
    if stream.identities() == Identities::Unordered {
        let (individuals, keypoints) = (stream.individuals().len(), stream.skeleton().keypoints().len());
        let (identities, scale) = (stream.identities(), stream.body_length_px());
        let mut identity = Identity::new(identities, individuals, keypoints, scale, stream.rate_hz());
        for frame in &mut recording.frames {
            identity.take(frame);
        }
        recording.repairs.push("instances came in any order: assigned to individuals from frame to frame".to_owned());
    }
    recording
}
