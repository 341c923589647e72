//! `MABe` tracking: a row for each point of each animal in each frame.
//!
//! Columns `video_frame`, `mouse_id`, `bodypart`, `x` and `y` (pixels), and, as an extension, `likelihood`. A point that
//! was not seen has no row; one whose coordinates are NaN was not seen either.

use std::path::Path;

use super::annotation::{ANIMAL_NUMBER_MAX, animal_name};
use super::table::{Batch, Columns, Kind, Table, Values, Writer};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::{FRAME_NUMBER_MAX, RawRecording, name_of};
use crate::poses::{Frame, Keypoint};
use crate::skeleton::{INDIVIDUALS_MAX, KEYPOINTS_MAX};

const INTS: [&str; 2] = ["video_frame", "mouse_id"];
const TEXTS: [&str; 1] = ["bodypart"];
const FLOATS: [&str; 3] = ["x", "y", "likelihood"];
const COLUMNS: [(&str, Kind); 6] = [
    ("video_frame", Kind::Int32),
    ("mouse_id", Kind::Int8),
    ("bodypart", Kind::Text),
    ("x", Kind::Float),
    ("y", Kind::Float),
    ("likelihood", Kind::Float),
];

/// How many frames a file may span, as frames of missing points fill its gaps: so many for each frame in it, …
const SPAN_PER_FRAME_MAX: u64 = 100;
/// … and so many besides.
const SPAN_FREE: u64 = 100_000;

/// Rows of a row group that is written.
const GROUP_ROWS: usize = 1 << 20;

/// Reads a recording whose body parts are found in it, sorted by name. See [`read_with`].
///
/// # Errors
/// See [`read_with`].
pub fn read(file: &Path, confidence_min: f32) -> Result<RawRecording, CorpusError> {
    read_with(file, confidence_min, None)
}

/// Reads a recording with the body parts given, in their order; one that is never seen is missing throughout.
///
/// Individuals are called `mouse1`, `mouse2`, … by their numbers and come in ascending order; a number that does not occur
/// has no slot. Rows may come in any order. Frames run without a gap from the first that occurs to the last.
///
/// # Errors
/// Whatever is no such table, with the row (counted from 1): a number out of range, a point that occurs twice, a body part
/// that is not listed, more individuals or body parts than a cage or a skeleton may have. Also a span of frames that is out
/// of proportion to the frames present.
pub fn read_with(file: &Path, confidence_min: f32, body_parts: Option<&[String]>) -> Result<RawRecording, CorpusError> {
    let table = Table::open(file)?;
    let floats = if table.has(FLOATS[2]) { &FLOATS[..] } else { &FLOATS[..2] };
    let mut rows = Rows::new(file, body_parts);
    table.scan(&Columns { ints: &INTS, texts: &TEXTS, floats }, |batch| rows.take(batch, confidence_min))?;
    rows.into_recording()
}

/// The rows of a file, as far as they were read, in their order.
struct Rows<'a> {
    file: &'a Path,
    /// The body parts that may occur.
    listed: Option<&'a [String]>,
    /// Numbers of the animals, by first appearance.
    mice: Vec<i64>,
    /// Body parts by first appearance.
    parts: Vec<String>,
    frames: Vec<u32>,
    /// Animal and body part of each row: index into `mice` × [`KEYPOINTS_MAX`] + index into `parts`.
    cells: Vec<u16>,
    points: Vec<Keypoint>,
}

impl<'a> Rows<'a> {
    fn new(file: &'a Path, listed: Option<&'a [String]>) -> Self {
        let (mice, parts) = (Vec::new(), Vec::new());
        Self { file, listed, mice, parts, frames: Vec::new(), cells: Vec::new(), points: Vec::new() }
    }

    fn take(&mut self, batch: &Batch, confidence_min: f32) -> Result<(), CorpusError> {
        self.take_parts(batch)?;
        let (numbers, parts) = (&batch.ints[1], &batch.texts[0]);
        let (xs, ys, likelihoods) = (&batch.floats[0], &batch.floats[1], batch.floats.get(2));
        self.frames.reserve(numbers.len());
        self.cells.reserve(numbers.len());
        // Consecutive rows are mostly of one animal.
        let (mut mouse, mut number) = (0, None);
        for (index, &frame) in batch.ints[0].iter().enumerate() {
            let place = || Place::row(self.file, batch.row + index as u64);
            if !(0..=FRAME_NUMBER_MAX as i64).contains(&frame) {
                return Err(place().fault(format!("a {} from 0 to {FRAME_NUMBER_MAX}", INTS[0]), frame.to_string()));
            }
            if number != Some(numbers[index]) {
                number = Some(numbers[index]);
                mouse = self.mouse(numbers[index], place())?;
            }
            self.frames.push(frame as u32);
            self.cells.push((mouse * KEYPOINTS_MAX) as u16 + parts[index] as u16);
        }
        let point = |(index, (&x, &y)): (usize, (&f32, &f32))| {
            let confidence = likelihoods.map_or(1.0, |likelihoods| likelihoods[index]);
            Keypoint::observed(x, y, confidence, confidence_min)
        };
        self.points.extend(xs.iter().zip(ys).enumerate().map(point));
        Ok(())
    }

    /// The index of an animal, which is added where it is new.
    fn mouse(&mut self, number: i64, place: Place) -> Result<usize, CorpusError> {
        if let Some(mouse) = self.mice.iter().position(|&known| known == number) {
            return Ok(mouse);
        }
        if animal_name(number).is_none() {
            return Err(place.fault(format!("a {} from 1 to {ANIMAL_NUMBER_MAX}", INTS[1]), number.to_string()));
        }
        if self.mice.len() == INDIVIDUALS_MAX {
            let got = format!("number {number} besides {:?}", self.mice);
            return Err(place.fault(format!("at most {INDIVIDUALS_MAX} individuals"), got));
        }
        self.mice.push(number);
        Ok(self.mice.len() - 1)
    }

    /// Adds the body parts that are new in a batch.
    fn take_parts(&mut self, batch: &Batch) -> Result<(), CorpusError> {
        for (code, part) in batch.names[0].iter().enumerate().skip(self.parts.len()) {
            let first = batch.texts[0].iter().position(|&other| other as usize == code).unwrap_or_default();
            let place = Place::row(self.file, batch.row + first as u64);
            if self.listed.is_some_and(|listed| !listed.contains(part)) {
                let listed = self.listed.unwrap_or_default();
                return Err(place.fault(format!("one of the body parts {listed:?}"), quoted(part)));
            }
            if code == KEYPOINTS_MAX {
                return Err(
                    place.fault(format!("at most {KEYPOINTS_MAX} body parts"), format!("also {}", quoted(part)))
                );
            }
            self.parts.push(part.clone());
        }
        Ok(())
    }

    fn into_recording(self) -> Result<RawRecording, CorpusError> {
        let mut mice = self.mice.clone();
        mice.sort_unstable();
        let mut keypoints = self.parts.clone();
        keypoints.sort_unstable();
        if let Some(listed) = self.listed {
            keypoints = listed.to_vec();
        }
        let rank = |part: &String| keypoints.iter().position(|keypoint| keypoint == part).unwrap_or_default();
        let ranks: Vec<usize> = self.parts.iter().map(rank).collect();
        // Where the point of a cell stands in a frame.
        let mut slots = vec![0; self.mice.len() * KEYPOINTS_MAX];
        for (mouse, number) in self.mice.iter().enumerate() {
            let animal = mice.partition_point(|other| other < number);
            for (part, rank) in ranks.iter().enumerate() {
                slots[mouse * KEYPOINTS_MAX + part] = animal * keypoints.len() + rank;
            }
        }
        let frames = self.dense(&slots, mice.len() * keypoints.len())?;
        let individuals = mice.into_iter().filter_map(animal_name).collect();
        let (name, file) = (name_of(self.file), self.file.to_path_buf());
        Ok(RawRecording { file, name, individuals, keypoints, frames, ..RawRecording::default() })
    }

    /// Frames of `points` points each, without a gap in their numbers.
    fn dense(&self, slots: &[usize], points: usize) -> Result<Vec<Frame>, CorpusError> {
        let (first, span) = self.span()?;
        let empty = |number| Frame { number, capture_nanos: None, keypoints: vec![Keypoint::MISSING; points] };
        let mut frames: Vec<Frame> = (first..first + span).map(empty).collect();
        let mut taken = vec![0_u64; (span as usize * points).div_ceil(64)];
        for (index, (&frame, &cell)) in self.frames.iter().zip(&self.cells).enumerate() {
            let frame = (u64::from(frame) - first) as usize;
            let slot = slots[usize::from(cell)];
            let (word, bit) = ((frame * points + slot) / 64, (frame * points + slot) % 64);
            if taken[word] >> bit & 1 == 1 {
                return Err(self.doubled(index));
            }
            taken[word] |= 1 << bit;
            frames[frame].keypoints[slot] = self.points[index];
        }
        Ok(frames)
    }

    fn doubled(&self, index: usize) -> CorpusError {
        let (frame, cell) = (self.frames[index], usize::from(self.cells[index]));
        let (mouse, part) = (self.mice[cell / KEYPOINTS_MAX], &self.parts[cell % KEYPOINTS_MAX]);
        let got = format!("frame {frame}, mouse {mouse}, {} again", quoted(part));
        Place::row(self.file, index as u64 + 1).fault("each point of a frame once", got)
    }

    /// The number of the first frame and how many there are from it to the last.
    fn span(&self) -> Result<(u64, u64), CorpusError> {
        let (Some(&first), Some(&last)) = (self.frames.iter().min(), self.frames.iter().max()) else {
            return Err(Place::file(self.file).fault("at least one row", "an empty table"));
        };
        let span = u64::from(last - first) + 1;
        if span > SPAN_FREE {
            let mut present = self.frames.clone();
            present.sort_unstable();
            present.dedup();
            let span_max = SPAN_PER_FRAME_MAX * present.len() as u64 + SPAN_FREE;
            if span > span_max {
                let expected = format!("at most {span_max} frames from the first to the last of {}", present.len());
                return Err(Place::file(self.file).fault(expected, format!("{span} (frames {first} to {last})")));
            }
        }
        Ok((u64::from(first), span))
    }
}

/// Writes a recording, sorted by frame, animal and body part; the individuals are numbered from 1. When a frame was taken
/// (`capture_nanos`) is not kept.
///
/// So that [`read_with`] gives the same frames back, a row without coordinates stands for each frame of which nothing was
/// seen and, in the first frame, for each individual and each body part that is never seen.
///
/// # Errors
/// Frames that the layout cannot hold, with their place in the list (counted from 1), and what writing gives.
pub fn write(file: &Path, individuals: usize, keypoints: &[String], frames: &[Frame]) -> Result<(), CorpusError> {
    if !(1..=INDIVIDUALS_MAX).contains(&individuals) || !(1..=KEYPOINTS_MAX).contains(&keypoints.len()) {
        let expected = format!("1 to {INDIVIDUALS_MAX} individuals and 1 to {KEYPOINTS_MAX} body parts");
        return Err(Place::file(file).fault(expected, format!("{individuals} and {}", keypoints.len())));
    }
    if frames.is_empty() {
        return Err(Place::file(file).fault("at least one frame", "none"));
    }
    for (index, frame) in frames.iter().enumerate() {
        let place = || Place::row(file, index as u64 + 1);
        if frame.keypoints.len() != individuals * keypoints.len() {
            let expected = format!("{individuals} × {} points", keypoints.len());
            return Err(place().fault(expected, frame.keypoints.len().to_string()));
        }
        let least = index.checked_sub(1).map_or(0, |previous| frames[previous].number.saturating_add(1));
        if !(least..=i32::MAX as u64).contains(&frame.number) {
            return Err(place().fault(format!("a frame from {least} to {}", i32::MAX), frame.number.to_string()));
        }
    }
    let mut group = Group::default();
    let mut writer = Writer::create(file, &COLUMNS)?;
    let marks = Marks::of(frames, keypoints.len());
    for (index, frame) in frames.iter().enumerate() {
        group.push(frame, keypoints.len(), (index == 0).then_some(&marks));
        if group.parts.len() >= GROUP_ROWS {
            group.write(&mut writer, keypoints)?;
        }
    }
    group.write(&mut writer, keypoints)?;
    writer.finish()
}

/// Places of a frame that need a row, though nothing was seen there.
struct Marks(Vec<bool>);

impl Marks {
    /// Of individuals (at their first body part) and body parts (of the first individual) that are never seen.
    fn of(frames: &[Frame], parts: usize) -> Self {
        let points = frames.first().map_or(0, |frame| frame.keypoints.len());
        let mut seen = vec![false; points];
        for frame in frames {
            for (seen, point) in seen.iter_mut().zip(&frame.keypoints) {
                *seen |= point.is_present();
            }
        }
        let never = |mut slots: std::iter::StepBy<std::ops::Range<usize>>| !slots.any(|slot| seen[slot]);
        let marked = (0..points).map(|slot| {
            let (animal, part) = (slot / parts, slot % parts);
            let animal_unseen = part == 0 && never((animal * parts..(animal + 1) * parts).step_by(1));
            animal_unseen || animal == 0 && never((part..points).step_by(parts))
        });
        Self(marked.collect())
    }
}

/// The columns of a row group.
#[derive(Default)]
struct Group {
    ints: [Vec<i64>; 2],
    parts: Vec<u32>,
    floats: [Vec<f32>; 3],
}

impl Group {
    fn push(&mut self, frame: &Frame, parts: usize, marks: Option<&Marks>) {
        let rows = self.parts.len();
        for (slot, point) in frame.keypoints.iter().enumerate() {
            if point.is_present() || marks.is_some_and(|marks| marks.0[slot]) {
                self.row(frame.number, slot / parts, slot % parts, point);
            }
        }
        if self.parts.len() == rows {
            self.row(frame.number, 0, 0, &Keypoint::MISSING);
        }
    }

    fn row(&mut self, frame: u64, animal: usize, part: usize, point: &Keypoint) {
        self.ints[0].push(frame as i64);
        self.ints[1].push(animal as i64 + 1);
        self.parts.push(part as u32);
        for (column, value) in self.floats.iter_mut().zip([point.x, point.y, point.confidence]) {
            column.push(value);
        }
    }

    /// Writes the rows and forgets them.
    fn write(&mut self, writer: &mut Writer, keypoints: &[String]) -> Result<(), CorpusError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let [frames, mice] = self.ints.each_ref().map(|ints| Values::Ints(ints));
        let [xs, ys, likelihoods] = self.floats.each_ref().map(|floats| Values::Floats(floats));
        writer.group(&[frames, mice, Values::Texts(keypoints, &self.parts), xs, ys, likelihoods])?;
        *self = Self::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
