//! The `CalMS21` data set: poses of a resident and an intruder mouse with annotations, as JSON.
//!
//! ```text
//! {annotator: {sequence: {
//!     keypoints:   T × 2 mice (resident, intruder) × (x, y) × 7 parts, in pixels of 1024 × 570
//!     scores:      T × 2 × 7, the confidences
//!     annotations: T numbers of the vocabulary; absent in unlabelled files
//!     metadata:    {vocab: {attack: 0, investigation: 1, mount: 2, other: 3}, fps: 30, …}
//! }}}
//! ```
//!
//! All tasks of the data set have this form; its files of features carry no poses and are refused. What else a sequence
//! or its metadata say is passed over. Every frame is labelled: the resident does it to the intruder, and what counts
//! as background (`other`) is for a description to say. Without a stated rate it is 30 Hz.
//!
//! A coordinate or a confidence that is `null`, or `NaN` or `Infinity` as Python writes them, is missing.
//!
//! A file is read as a stream: beside the recordings it takes the memory of one sequence, never a tree of its values.

mod literals;
mod sequences;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::annotations::{Annotation, Annotations, Span};
use super::error::{CorpusError, Place, quoted};
use super::recording::RawRecording;
use super::sidecar::Sidecar;
use crate::poses::{Frame, Keypoint};
use sequences::Sequence;

const INDIVIDUALS: [&str; 2] = ["resident", "intruder"];
const KEYPOINTS: [&str; PARTS] = ["nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail_base"];
const MICE: usize = INDIVIDUALS.len();
const PARTS: usize = 7;

/// Rate of the data set's videos.
const RATE_HZ: f64 = 30.0;

/// How much of a file is read at once.
const BUFFER_BYTES: usize = 1 << 18;

/// What a sequence consists of; a file is recognised by any of them.
const FIELDS: [&str; 5] = ["keypoints", "scores", "annotations", "metadata", "features"];

/// A recording and what was annotated in it, if that was.
pub type Annotated = (RawRecording, Option<Annotations>);

/// Whether a file that starts like this is one of the data set's.
pub fn recognises(start: &str) -> bool {
    let mut rest = start;
    for depth in 0.. {
        let Some(inner) = rest.trim_start().strip_prefix('{') else { return false };
        let Some(text) = inner.trim_start().strip_prefix('"') else { return false };
        // Names with escapes are none of this data set's.
        let Some((name, after)) = text.split_once('"') else { return false };
        if depth == 2 {
            return FIELDS.contains(&name);
        }
        let Some(value) = after.trim_start().strip_prefix(':') else { return false };
        rest = value;
    }
    false
}

/// Reads every sequence of every annotator, in the file's order. A recording is named after its sequence, with `_` for
/// `/`; the name of one that an earlier annotator has too begins with its annotator.
///
/// # Errors
/// What is no such file: text that is no JSON, a frame of another form, keypoints, scores and annotations of different lengths, values that
/// are no numbers, a number that is not in the vocabulary. Each with annotator and sequence, the row is the frame
/// counted from 1.
pub fn read(file: &Path, confidence_min: f32) -> Result<Vec<Annotated>, CorpusError> {
    let input = File::open(file).map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
    parse(input, file, confidence_min)
}

/// As [`read`], from bytes; `file` is what errors and recordings are named after.
///
/// # Errors
/// See [`read`].
pub fn parse(input: impl Read, file: &Path, confidence_min: f32) -> Result<Vec<Annotated>, CorpusError> {
    let mut names = HashSet::new();
    let mut found = Vec::new();
    sequences::each(BufReader::with_capacity(BUFFER_BYTES, input), file, |sequence| {
        let mut name = sequence.name.replace(['/', '\\'], "_");
        if !names.insert(name.clone()) {
            name = format!("{}_{name}", sequence.annotator);
            if !names.insert(name.clone()) {
                let expected = format!("a name of its own for {}", sequence.shown());
                return Err(Place::file(file).fault(expected, quoted(&name)));
            }
        }
        found.push(recording(sequence, name, file, confidence_min)?);
        Ok(())
    })?;
    if found.is_empty() {
        return Err(Place::file(file).fault("at least one sequence", "none"));
    }
    Ok(found)
}

fn recording(sequence: Sequence, name: String, file: &Path, confidence_min: f32) -> Result<Annotated, CorpusError> {
    let here = sequence.shown();
    let missing = |field: &str| Place::file(file).fault(format!("{field} of {here}"), "none");
    let keypoints = sequence.keypoints.ok_or_else(|| missing("keypoints"))?;
    let scores = sequence.scores.ok_or_else(|| missing("scores"))?;
    if keypoints.is_empty() {
        return Err(Place::file(file).fault(format!("at least one frame of {here}"), "none"));
    }
    let count_is = |field: &str, count: usize| {
        if count == keypoints.len() {
            return Ok(());
        }
        let expected = format!("{field} of {here} for each of its {} frames", keypoints.len());
        Err(Place::row(file, count.min(keypoints.len()) as u64 + 1).fault(expected, count.to_string()))
    };
    count_is("scores", scores.len())?;
    let annotations = match &sequence.annotations {
        Some(labels) => {
            count_is("annotations", labels.count as usize)?;
            let vocabulary = sequence.vocabulary.as_ref().ok_or_else(|| missing("metadata.vocab"))?;
            Some(annotations(labels, vocabulary, &name, &here, file)?)
        }
        None => None,
    };
    let frames = (0..).zip(keypoints.iter().zip(&scores)).map(|(number, (positions, scores))| {
        let mut keypoints = Vec::with_capacity(MICE * PARTS);
        for ([xs, ys], scores) in positions.iter().zip(scores) {
            let points = xs.iter().zip(ys).zip(scores);
            keypoints.extend(points.map(|((x, y), score)| Keypoint::observed(x.0, y.0, score.0, confidence_min)));
        }
        Frame { number, capture_nanos: None, keypoints }
    });
    let recording = RawRecording {
        file: file.to_path_buf(),
        name,
        individuals: INDIVIDUALS.map(str::to_string).to_vec(),
        keypoints: KEYPOINTS.map(str::to_string).to_vec(),
        frames: frames.collect(),
        stated: Sidecar { rate_hz: Some(sequence.rate_hz.unwrap_or(RATE_HZ)), ..Sidecar::default() },
        ..RawRecording::default()
    };
    Ok((recording, annotations))
}

/// The label of each frame, run by run.
#[derive(Default)]
struct Labels {
    /// Number and first frame of each run.
    runs: Vec<(u64, u64)>,
    count: u64,
}

impl Labels {
    fn push(&mut self, number: u64) {
        if self.runs.last().is_none_or(|(last, _)| *last != number) {
            self.runs.push((number, self.count));
        }
        self.count += 1;
    }
}

fn annotations(
    labels: &Labels,
    vocabulary: &BTreeMap<u64, String>,
    name: &str,
    here: &str,
    file: &Path,
) -> Result<Annotations, CorpusError> {
    let mut intervals = Vec::with_capacity(labels.runs.len());
    let stops = labels.runs.iter().skip(1).map(|(_, start)| *start).chain([labels.count]);
    for (&(number, start), stop) in labels.runs.iter().zip(stops) {
        let row = start + 1;
        let Some(label) = vocabulary.get(&number) else {
            let known: Vec<String> = vocabulary.iter().map(|(number, label)| format!("{number} {label}")).collect();
            let expected = format!("an annotation of {here} that its vocabulary knows ({})", quoted(&known.join(", ")));
            return Err(Place::row(file, row).fault(expected, number.to_string()));
        };
        let [agent, target] = INDIVIDUALS.map(|name| Some(name.to_string()));
        let span = Span::Frames(start..stop);
        intervals.push(Annotation { channel: None, agent, target, label: label.clone(), span, row });
    }
    let recording = Some(name.to_string());
    Ok(Annotations { file: file.to_path_buf(), recording, channels: Vec::new(), intervals, repairs: Vec::new() })
}
