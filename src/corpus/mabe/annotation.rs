//! `MABe` annotations: a row for each bout.
//!
//! Columns `agent_id`, `target_id` (mouse 1, 2, …; a self behavior has the agent as its target), `action`,
//! `start_frame` and `stop_frame`, which is exclusive, as the challenge's score counts it.

use std::path::Path;

use super::table::{Batch, Columns, Kind, Table, Values, Writer};
use crate::corpus::annotations::{Annotation, Annotations, Span};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::FRAME_NUMBER_MAX;

/// What animals are called: `mouse1`, `mouse2`, …
const ANIMAL: &str = "mouse";
/// The highest number of an animal (what the challenge's files can hold).
pub(super) const ANIMAL_NUMBER_MAX: i64 = i8::MAX as i64;

const INTS: [&str; 4] = ["agent_id", "target_id", "start_frame", "stop_frame"];
const TEXTS: [&str; 1] = ["action"];
const COLUMNS: [(&str, Kind); 5] = [
    ("agent_id", Kind::Int8),
    ("target_id", Kind::Int8),
    ("action", Kind::Text),
    ("start_frame", Kind::Int32),
    ("stop_frame", Kind::Int32),
];

/// Most bouts that a file may hold, each of which takes some 300 bytes of memory: a few bytes can claim billions.
const ROWS_MAX: u64 = 1_000_000;

/// The longest action, as every bout carries its own copy.
const ACTION_BYTES_MAX: usize = 256;

/// The name of an animal by its number, if it may have that one.
pub(super) fn animal_name(number: i64) -> Option<String> {
    (1..=ANIMAL_NUMBER_MAX).contains(&number).then(|| format!("{ANIMAL}{number}"))
}

/// The number of an animal by its name.
pub(super) fn animal_number(name: &str) -> Option<i64> {
    let number = name.strip_prefix(ANIMAL)?.parse().ok()?;
    // `mouse01` and `mouse+1` are no names.
    (animal_name(number)? == name).then_some(number)
}

/// Whether a parquet file holds annotations, by its columns, rather than tracking or anything else.
///
/// # Errors
/// A file that is no parquet.
pub fn is_one(file: &Path) -> Result<bool, CorpusError> {
    let table = Table::open(file)?;
    Ok(INTS.iter().chain(&TEXTS).all(|column| table.has(column)))
}

/// Reads the annotations of a recording. An interval that holds no frame counts for nothing in the challenge's score
/// either: it is left out, and told among the repairs.
///
/// # Errors
/// Whatever is no such table, one of more than 1,000,000 rows, an action of more than 256 bytes, and intervals that run
/// backwards; with the row (counted from 1) where it is one's.
pub fn read(file: &Path) -> Result<Annotations, CorpusError> {
    let mut annotations = Annotations { file: file.to_path_buf(), ..Annotations::default() };
    let columns = Columns { ints: &INTS, texts: &TEXTS, floats: &[] };
    let table = Table::open(file)?;
    if table.rows() > ROWS_MAX {
        return Err(Place::file(file).fault(format!("at most {ROWS_MAX} rows"), table.rows().to_string()));
    }
    table.scan(&columns, |batch| {
        for index in 0..batch.texts[0].len() {
            let annotation = annotation(batch, index, file)?;
            let Span::Frames(frames) = &annotation.span else { continue };
            if frames.is_empty() {
                let (row, label) = (annotation.row, quoted(&annotation.label));
                annotations.repairs.push(format!("row {row}: {label} holds no frame ({frames:?}): left out"));
            } else {
                annotations.intervals.push(annotation);
            }
        }
        Ok(())
    })?;
    Ok(annotations)
}

fn annotation(batch: &Batch, index: usize, file: &Path) -> Result<Annotation, CorpusError> {
    let row = batch.row + index as u64;
    let animal = |column: usize| {
        let number = batch.ints[column][index];
        let expected = || format!("{} from 1 to {ANIMAL_NUMBER_MAX}", INTS[column]);
        animal_name(number).ok_or_else(|| Place::row(file, row).fault(expected(), number.to_string()))
    };
    let frame = |column: usize, least: i64| {
        let number = batch.ints[column][index];
        if (least..=FRAME_NUMBER_MAX as i64).contains(&number) {
            return Ok(number);
        }
        let expected = format!("{} from {least} to {FRAME_NUMBER_MAX}", INTS[column]);
        Err(Place::row(file, row).fault(expected, number.to_string()))
    };
    let (agent, target) = (animal(0)?, animal(1)?);
    let start = frame(2, 0)?;
    let stop = frame(3, start)?;
    let label = &batch.names[0][batch.texts[0][index] as usize];
    if label.is_empty() {
        return Err(Place::row(file, row).fault("an action", "an empty text"));
    }
    if label.len() > ACTION_BYTES_MAX {
        let expected = format!("an action of at most {ACTION_BYTES_MAX} bytes");
        return Err(Place::row(file, row).fault(expected, format!("{}, {} bytes", quoted(label), label.len())));
    }
    let span = Span::Frames(start as u64..stop as u64);
    Ok(Annotation { channel: None, agent: Some(agent), target: Some(target), label: label.clone(), span, row })
}

/// Writes annotations, whose animals are called `mouse1`, `mouse2`, … and whose spans are frames.
///
/// # Errors
/// An annotation that the layout cannot hold, with its place in the list (counted from 1), and what writing gives.
pub fn write(file: &Path, annotations: &[Annotation]) -> Result<(), CorpusError> {
    let mut actions: Vec<String> = Vec::new();
    let mut codes = Vec::with_capacity(annotations.len());
    let mut ints: [Vec<i64>; 4] = Default::default();
    for (index, annotation) in annotations.iter().enumerate() {
        let place = || Place::row(file, index as u64 + 1);
        let number = |name: &Option<String>| {
            let number = name.as_deref().and_then(animal_number);
            number.ok_or_else(|| place().fault("an animal mouse1, mouse2, …", format!("{name:?}")))
        };
        let frames = match &annotation.span {
            Span::Frames(frames) if frames.start <= frames.end && i32::try_from(frames.end).is_ok() => frames,
            span => return Err(place().fault(format!("frames from 0 to {}", i32::MAX), format!("{span:?}"))),
        };
        let row = [number(&annotation.agent)?, number(&annotation.target)?, frames.start as i64, frames.end as i64];
        for (column, value) in ints.iter_mut().zip(row) {
            column.push(value);
        }
        let code = actions.iter().position(|action| *action == annotation.label);
        codes.push(code.unwrap_or(actions.len()) as u32);
        if code.is_none() {
            actions.push(annotation.label.clone());
        }
    }
    let [agents, targets, starts, stops] = &ints;
    let mut writer = Writer::create(file, &COLUMNS)?;
    writer.group(&[
        Values::Ints(agents),
        Values::Ints(targets),
        Values::Texts(&actions, &codes),
        Values::Ints(starts),
        Values::Ints(stops),
    ])?;
    writer.finish()
}

#[cfg(test)]
mod tests;
