//! `DeepLabCut` CSV of one or several animals, plain or gzipped.
//!
//! Three header rows (scorer, bodyparts, coords), or four where there are several animals (individuals after scorer), then
//! a row for each frame: its number, and x, y (pixels) and likelihood of each point, individual by individual. Tables
//! without likelihood are read with confidence 1. An empty cell, `NA` and what is no finite number mean that the point
//! was not seen. A blank header title, as tools leave that rewrite such tables, is taken for the right one.
//!
//! What is not read, but named in the error: tables of labelled images and three-dimensional points. Individuals called
//! `single` hold a multi-animal project's unique bodyparts, objects of the arena: they are left out and told among the
//! repairs. Frames must ascend; a missing one is a gap, a doubled one a fault.

mod header;
mod number;
mod rows;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use header::{Columns, UNSCORED};
use rows::{Line, Record, Rows};

use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::{FRAME_NUMBER_MAX, RawRecording, name_of};
use crate::poses::{Frame, Keypoint};

/// Likelihood under which a point counts as missing, unless a description says otherwise.
pub const CONFIDENCE_MIN: f32 = 0.1;

/// What the individual of a table without individuals is called.
pub const ANIMAL: &str = "animal";

/// Endings of labelled images, which stand where a video's table has frame numbers.
const IMAGE_ENDINGS: [&str; 5] = [".png", ".jpg", ".jpeg", ".bmp", ".tif"];

/// Whether that may be the beginning of such a table (unzipped, the first 16 bytes do): its first cell is `scorer`, or
/// blank.
pub fn recognises(head: &[u8]) -> bool {
    let head = head.strip_prefix(&rows::BYTE_ORDER_MARK[..]).unwrap_or(head);
    let head = head.strip_prefix(b"\"").unwrap_or(head);
    [&b"scorer,"[..], b"scorer\"", b",", b"\",", b"Unnamed: 0"].iter().any(|beginning| head.starts_with(beginning))
}

/// Reads a recording; gzip is recognised by the content.
///
/// # Errors
/// Whatever is not such a file, with its row and column.
pub fn read(file: &Path, confidence_min: f32) -> Result<RawRecording, CorpusError> {
    let input = File::open(file).map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
    parse(input, file, confidence_min)
}

/// As [`read`], from bytes; `file` is what errors and the recording are named after.
///
/// # Errors
/// See [`read`].
pub fn parse(input: impl Read, file: &Path, confidence_min: f32) -> Result<RawRecording, CorpusError> {
    let mut rows = Rows::new(input, file)?;
    let mut columns = Columns::read(&mut rows)?;
    let mut frames: Vec<Frame> = Vec::new();
    let mut index_named = false;
    while let Some(line) = rows.next()? {
        let previous = frames.last().map(|frame| frame.number);
        if let Some(frame) = columns.plain_frame(line.bytes, previous, confidence_min) {
            frames.push(frame);
            continue;
        }
        let cells = Cells { record: &line.record()?, line, file };
        if frames.is_empty() && !index_named && cells.name_the_index() {
            index_named = true;
            continue;
        }
        frames.push(columns.frame(&cells, previous, confidence_min)?);
    }
    if frames.is_empty() {
        return Err(Place::row(file, rows.row + 1).fault("at least one frame", "the end of the file"));
    }
    if rows.unended {
        columns
            .repairs
            .push(format!("row {}: no line end after the last row, which may be cut: read as it is", rows.row));
    }
    let (name, file) = (name_of(file), file.to_path_buf());
    let Columns { individuals, bodyparts: keypoints, repairs, .. } = columns;
    Ok(RawRecording { file, name, individuals, keypoints, frames, repairs, ..RawRecording::default() })
}

impl Columns {
    /// The frame of a row of plain numbers; `None` where [`Columns::frame`] has to look, which knows quotes and faults.
    fn plain_frame(&self, mut line: &[u8], previous: Option<u64>, confidence_min: f32) -> Option<Frame> {
        let number = ascending(number::take_whole(&mut line)?, previous)?;
        let mut keypoints = Vec::with_capacity(self.individuals.len() * self.bodyparts.len());
        for kept in &self.kept {
            let mut value = || {
                line = line.strip_prefix(b",")?;
                number::take(&mut line)
            };
            let (x, y) = (value()?, value()?);
            let confidence = if self.axes == UNSCORED { 1.0 } else { value()? };
            if *kept {
                keypoints.push(Keypoint::observed(x, y, confidence, confidence_min));
            }
        }
        line.is_empty().then_some(Frame { number, capture_nanos: None, keypoints })
    }

    fn frame(&self, cells: &Cells, previous: Option<u64>, confidence_min: f32) -> Result<Frame, CorpusError> {
        let columns = 1 + self.kept.len() * self.axes;
        if cells.record.len() != columns {
            return Err(header::column_count(cells.file, cells.line.row, columns, cells.record.len()));
        }
        let number = cells.number(previous)?;
        let mut keypoints = Vec::with_capacity(self.individuals.len() * self.bodyparts.len());
        for (point, kept) in self.kept.iter().enumerate() {
            let value = |axis: usize| cells.coordinate(1 + point * self.axes + axis);
            let (x, y) = (value(0)?, value(1)?);
            let confidence = if self.axes == UNSCORED { 1.0 } else { value(2)? };
            if *kept {
                keypoints.push(Keypoint::observed(x, y, confidence, confidence_min));
            }
        }
        Ok(Frame { number, capture_nanos: None, keypoints })
    }
}

/// The cells of a frame's row, split with care.
struct Cells<'a> {
    record: &'a Record,
    line: Line<'a>,
    file: &'a Path,
}

impl Cells<'_> {
    fn fault(&self, column: usize, expected: impl Into<String>) -> CorpusError {
        let got = quoted(&String::from_utf8_lossy(&self.record[column]));
        Place::cell(self.file, self.line.row, column + 1).fault(expected, got)
    }

    /// Whether this is the row that pandas writes below the header of a table whose index has a name.
    fn name_the_index(&self) -> bool {
        let blank = |cell: &[u8]| cell.trim_ascii().is_empty();
        let named = !blank(&self.record[0]) && number::coordinate(&self.record[0]).is_none();
        named && self.record.len() > 1 && self.record.iter().skip(1).all(blank)
    }

    fn number(&self, previous: Option<u64>) -> Result<u64, CorpusError> {
        let Some(number) = number::whole(&self.record[0]).filter(|number| *number <= FRAME_NUMBER_MAX) else {
            let text = String::from_utf8_lossy(&self.record[0]).to_ascii_lowercase();
            if text.contains(['/', '\\']) || IMAGE_ENDINGS.iter().any(|ending| text.ends_with(ending)) {
                return Err(self.fault(0, "a table of a video's numbered frames, not of labelled images"));
            }
            return Err(self.fault(0, format!("a frame number of 0 to {FRAME_NUMBER_MAX}")));
        };
        ascending(number, previous)
            .ok_or_else(|| self.fault(0, format!("a frame number above {}", previous.unwrap_or_default())))
    }

    /// A coordinate or likelihood; NaN where there is none.
    fn coordinate(&self, column: usize) -> Result<f32, CorpusError> {
        number::coordinate(&self.record[column]).ok_or_else(|| self.fault(column, "a number or nothing"))
    }
}

/// A frame's number, where it may follow the previous one.
fn ascending(number: u64, previous: Option<u64>) -> Option<u64> {
    (number <= FRAME_NUMBER_MAX && previous.is_none_or(|previous| number > previous)).then_some(number)
}
