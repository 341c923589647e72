//! The sequences of a file, one after the other, each value going straight to where it belongs.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{BufRead, Read};
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::literals::Literals;
use super::{Labels, MICE, PARTS};
use crate::corpus::error::{CorpusError, Place, quoted};

/// Positions of one frame: mice × (x, y) × parts.
pub(super) type Positions = [[[Value; PARTS]; 2]; MICE];

/// Confidences of one frame.
pub(super) type Scores = [[Value; PARTS]; MICE];

/// A coordinate or a confidence; NaN for null, which stands for one that is missing.
#[derive(Clone, Copy)]
pub(super) struct Value(pub f32);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let value: Option<f32> = Deserialize::deserialize(json)?;
        Ok(Self(value.unwrap_or(f32::NAN)))
    }
}

/// What a file says about one sequence.
#[derive(Default)]
pub(super) struct Sequence {
    pub annotator: String,
    pub name: String,
    pub keypoints: Option<Vec<Positions>>,
    pub scores: Option<Vec<Scores>>,
    pub annotations: Option<Labels>,
    pub vocabulary: Option<BTreeMap<u64, String>>,
    pub rate_hz: Option<f64>,
}

impl Sequence {
    pub fn shown(&self) -> String {
        format!("{} by {}", quoted(&self.name), quoted(&self.annotator))
    }
}

/// Gives every sequence of a file to `take`, until that fails.
///
/// # Errors
/// Text that is no such JSON, with sequence and frame; what `take` gives.
pub(super) fn each(
    input: impl BufRead,
    file: &Path,
    mut take: impl FnMut(Sequence) -> Result<(), CorpusError>,
) -> Result<(), CorpusError> {
    let progress = RefCell::new(Progress::default());
    let mut input = Literals::new(input);
    let mut json = serde_json::Deserializer::from_reader(input.by_ref());
    let result = Annotators { progress: &progress, take: &mut take }.deserialize(&mut json).and_then(|()| json.end());
    let progress = progress.into_inner();
    match (result, progress.stopped_by) {
        (_, Some(error)) => Err(error),
        (Ok(()), None) => Ok(()),
        (Err(error), None) if error.is_io() => Err(CorpusError::Io { file: file.to_path_buf(), error: error.into() }),
        (Err(error), None) => {
            let place = progress.frame.map_or(Place::file(file), |frame| Place::row(file, frame + 1));
            let expected = if progress.here.is_empty() {
                "a CalMS21 file: {annotator: {sequence: {keypoints, scores, …}}}".to_string()
            } else {
                format!("{} of {}", progress.expected, progress.here)
            };
            Err(place.fault(expected, input.located(&error)))
        }
    }
}

/// How far reading has come, and what stopped it.
#[derive(Default)]
struct Progress {
    /// The sequence in hand; empty before the first.
    here: String,
    /// What should come next.
    expected: &'static str,
    frame: Option<u64>,
    /// Why `take` wanted no more.
    stopped_by: Option<CorpusError>,
}

impl Progress {
    fn expect(&mut self, expected: &'static str, frame: Option<u64>) {
        (self.expected, self.frame) = (expected, frame);
    }
}

type Take<'a> = &'a mut dyn FnMut(Sequence) -> Result<(), CorpusError>;

/// The whole file.
struct Annotators<'a> {
    progress: &'a RefCell<Progress>,
    take: Take<'a>,
}

impl<'de> DeserializeSeed<'de> for Annotators<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Annotators<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("annotators by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut annotators = HashSet::new();
        while let Some(annotator) = map.next_key::<String>()? {
            if !annotators.insert(annotator.clone()) {
                let mut progress = self.progress.borrow_mut();
                progress.here = quoted(&annotator);
                progress.expect("one list", None);
                return Err(A::Error::custom("it again"));
            }
            let mut names = HashSet::new();
            map.next_value_seed(Sequences { progress: self.progress, take: self.take, annotator, names: &mut names })?;
        }
        Ok(())
    }
}

/// What one annotator annotated.
struct Sequences<'a> {
    progress: &'a RefCell<Progress>,
    take: Take<'a>,
    annotator: String,
    names: &'a mut HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for Sequences<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Sequences<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("sequences by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let sequence = Sequence { annotator: self.annotator.clone(), name: name.clone(), ..Sequence::default() };
            self.progress.borrow_mut().here = sequence.shown();
            self.progress.borrow_mut().expect("the sequence once", None);
            if !self.names.insert(name) {
                return Err(A::Error::custom("it again"));
            }
            let sequence = map.next_value_seed(Fields { progress: self.progress, sequence })?;
            if let Err(error) = (self.take)(sequence) {
                self.progress.borrow_mut().stopped_by = Some(error);
                return Err(A::Error::custom("stopped"));
            }
            self.progress.borrow_mut().expect("the end of the sequence or another one after those", None);
        }
        Ok(())
    }
}

/// One sequence.
struct Fields<'a> {
    progress: &'a RefCell<Progress>,
    sequence: Sequence,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Sequence;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Sequence, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Sequence;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("keypoints, scores and more by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sequence, A::Error> {
        let (mut sequence, progress) = (self.sequence, self.progress);
        let mut seen = HashSet::new();
        loop {
            progress.borrow_mut().expect("keypoints, scores, annotations and metadata", None);
            let Some(field) = map.next_key::<String>()? else { return Ok(sequence) };
            match field.as_str() {
                "keypoints" => {
                    let expected = "2 mice × (x, y) × 7 numbers in each frame of the keypoints";
                    sequence.keypoints = Some(map.next_value_seed(Frames::new(progress, expected))?);
                }
                "scores" => {
                    let expected = "2 mice × 7 numbers in each frame of the scores";
                    sequence.scores = Some(map.next_value_seed(Frames::new(progress, expected))?);
                }
                "annotations" => {
                    sequence.annotations = map.next_value_seed(OptionalLabels { progress })?;
                }
                "metadata" => {
                    progress.borrow_mut().expect("metadata with a vocab of names and numbers, each once,", None);
                    let metadata: Metadata = map.next_value()?;
                    (sequence.vocabulary, sequence.rate_hz) =
                        (metadata.vocab.map(|Vocabulary(names)| names), metadata.fps);
                }
                "features" => {
                    progress.borrow_mut().expect("keypoints", None);
                    return Err(A::Error::custom("features: that file of the data set carries no poses"));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if !seen.insert(field) {
                progress.borrow_mut().expect("each field once", None);
                return Err(A::Error::custom("one again"));
            }
        }
    }
}

/// One value a frame; the progress counts them.
struct Frames<'a, T> {
    progress: &'a RefCell<Progress>,
    expected: &'static str,
    value: PhantomData<T>,
}

impl<'a, T> Frames<'a, T> {
    fn new(progress: &'a RefCell<Progress>, expected: &'static str) -> Self {
        Self { progress, expected, value: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Frames<'_, T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<T>, D::Error> {
        self.progress.borrow_mut().expect(self.expected, None);
        json.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Frames<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of frames")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut frames = Vec::new();
        loop {
            self.progress.borrow_mut().frame = Some(frames.len() as u64);
            match seq.next_element()? {
                Some(frame) => frames.push(frame),
                None => return Ok(frames),
            }
        }
    }
}

/// The number of every frame, or null.
struct OptionalLabels<'a> {
    progress: &'a RefCell<Progress>,
}

impl<'de> DeserializeSeed<'de> for OptionalLabels<'_> {
    type Value = Option<Labels>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<Labels>, D::Error> {
        self.progress.borrow_mut().expect("a number of the vocabulary for each frame in the annotations", None);
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OptionalLabels<'_> {
    type Value = Option<Labels>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of numbers or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Labels>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<Labels>, A::Error> {
        let mut labels = Labels::default();
        loop {
            self.progress.borrow_mut().frame = Some(labels.count);
            match seq.next_element()? {
                Some(Number(number)) => labels.push(number),
                None => return Ok(Some(labels)),
            }
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    vocab: Option<Vocabulary>,
    fps: Option<f64>,
}

/// Numbers and their names, from a map of names to numbers or a list of names.
struct Vocabulary(BTreeMap<u64, String>);

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("names with their numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let (mut names, mut seen) = (BTreeMap::new(), HashSet::new());
                while let Some((name, Number(number))) = map.next_entry::<String, Number>()? {
                    if !seen.insert(name.clone()) || names.insert(number, name).is_some() {
                        return Err(A::Error::custom(format!("a name or the number {number} again")));
                    }
                }
                Ok(Vocabulary(names))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vocabulary, A::Error> {
                let mut names = BTreeMap::new();
                while let Some(name) = seq.next_element()? {
                    names.insert(names.len() as u64, name);
                }
                Ok(Vocabulary(names))
            }
        }
        json.deserialize_any(Names)
    }
}

/// A whole number, which may be written `3.0`.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number of 0 or more")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                if number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX) {
                    return Ok(Number(number as u64));
                }
                Err(E::invalid_value(serde::de::Unexpected::Float(number), &self))
            }
        }
        json.deserialize_any(Whole)
    }
}
