//! The pandas table in which `DeepLabCut` stores tracks: `df_with_missing`, in pandas' "fixed" or "table" format.
//!
//! A column for each coordinate, with the levels scorer, individuals (of several animals), bodyparts and coords (x, y
//! and likelihood); a row for each frame, with the frame's number. Where there is no likelihood, what was seen has
//! confidence 1. Columns may stand in any order; individuals and keypoints have that of their first column. As in CSV,
//! an individual called `single` whose bodyparts are not those of the others holds objects of the arena: it is left out
//! and told among the repairs.

use std::collections::HashMap;
use std::path::Path;

use hdf5_reader::group::Group;

use super::deeplabcut_csv::ANIMAL;
use super::hdf5::{Container, text};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::{RawRecording, name_of};
use crate::poses::{Frame, Keypoint};
use crate::skeleton::{INDIVIDUALS_MAX, KEYPOINTS_MAX};

mod fixed;
mod pickle;
mod table;

/// The levels of the columns of several animals; those of one animal lack the second.
const LEVELS: [&str; 4] = ["scorer", "individuals", "bodyparts", "coords"];

const COORDS: [&str; 3] = ["x", "y", "likelihood"];

/// The individual of a multi-animal project that stands for what is no animal.
const OBJECTS: &str = "single";

/// A column's texts, level by level.
type Label = Vec<String>;

/// How many rows are read at a time: few enough that their values stay in the cache.
const SLAB_ROWS: usize = 512;

/// A table, in whatever format it was stored.
struct Table<'a> {
    /// The names of the columns' levels.
    levels: Vec<String>,
    columns: Vec<Label>,
    /// The columns of each block: what is stored together, as it has one datatype.
    blocks: Vec<Vec<Label>>,
    row_count: usize,
    rows: Box<dyn RowSource + 'a>,
}

/// Where the rows of a table come from.
trait RowSource {
    /// Adds the next `count` rows, which must be there, to an empty slab.
    fn next(&mut self, count: usize, slab: &mut Slab) -> Result<(), CorpusError>;
}

/// Some rows of a table.
struct Slab {
    /// Frame numbers.
    numbers: Vec<u64>,
    /// Rows × columns of each block.
    blocks: Vec<Vec<f32>>,
}

pub(super) fn read(container: &Container, group: &Group, confidence_min: f32) -> Result<RawRecording, CorpusError> {
    let kind = group.attribute("pandas_type").ok().and_then(|kind| text(&kind));
    let table = if kind.is_some_and(|kind| kind == "frame_table") {
        table::read(container, group)?
    } else {
        fixed::read(container, group)?
    };
    let file = container.file;
    let layout = Layout::new(file, &table)?;
    let frames = layout.frames(file, table, confidence_min)?;
    let Layout { individuals, keypoints, repairs, .. } = layout;
    let (name, file) = (name_of(file), file.to_path_buf());
    Ok(RawRecording { file, name, individuals, keypoints, frames, repairs, ..RawRecording::default() })
}

/// Where the points of the individuals stand in the table.
struct Layout {
    individuals: Vec<String>,
    keypoints: Vec<String>,
    has_likelihood: bool,
    /// The columns of x, y and (where there is one) likelihood, I × K.
    points: Vec<[usize; 3]>,
    repairs: Vec<String>,
}

/// What a column holds.
struct Column<'a> {
    individual: &'a str,
    keypoint: &'a str,
    coord: usize,
    index: usize,
}

impl Layout {
    fn new(file: &Path, table: &Table) -> Result<Self, CorpusError> {
        let mut columns = columns(file, table)?;
        let mut layout = Self {
            individuals: Vec::new(),
            keypoints: Vec::new(),
            has_likelihood: columns.iter().any(|column| column.coord == 2),
            points: Vec::new(),
            repairs: Vec::new(),
        };
        layout.leave_objects_out(&mut columns);
        // Without individuals, bodyparts may be those of several animals, by prefix.
        let has_individuals = table.levels.len() == LEVELS.len();
        let keypoints_max = if has_individuals { KEYPOINTS_MAX } else { KEYPOINTS_MAX * INDIVIDUALS_MAX };
        let mut places = HashMap::new();
        for column in &columns {
            let place = Place { column: Some(column.index + 1), ..Place::file(file) };
            let individual = position(&mut layout.individuals, column.individual);
            let keypoint = position(&mut layout.keypoints, column.keypoint);
            if places.insert((individual, keypoint, column.coord), column.index).is_some() {
                let label = table.columns[column.index].join(", ");
                return Err(place.fault("each column once", format!("{} twice", quoted(&label))));
            }
            let limits = [
                ("individuals", layout.individuals.len(), INDIVIDUALS_MAX),
                ("bodyparts", layout.keypoints.len(), keypoints_max),
            ];
            if let Some((what, count, limit)) = limits.iter().find(|(_, count, limit)| count > limit) {
                return Err(place.fault(format!("at most {limit} {what}"), count.to_string()));
            }
        }
        layout.place(file, &places)?;
        Ok(layout)
    }

    /// Leaves out an individual called [`OBJECTS`] beside others of other bodyparts.
    fn leave_objects_out(&mut self, columns: &mut Vec<Column>) {
        let parts = |of: &str| {
            let mut parts = Vec::new();
            for column in columns.iter().filter(|column| column.individual == of) {
                position(&mut parts, column.keypoint);
            }
            parts
        };
        let Some(first) = columns.iter().find(|column| column.individual != OBJECTS) else { return };
        let objects = parts(OBJECTS);
        if objects.is_empty() || objects == parts(first.individual) {
            return;
        }
        let names = objects.join(", ");
        self.repairs.push(format!("the individual {OBJECTS:?} ({names}) stands for objects of the arena: left out"));
        columns.retain(|column| column.individual != OBJECTS);
    }

    fn place(&mut self, file: &Path, places: &HashMap<(usize, usize, usize), usize>) -> Result<(), CorpusError> {
        let coords = if self.has_likelihood { 3 } else { 2 };
        for (i, individual) in self.individuals.iter().enumerate() {
            for (k, keypoint) in self.keypoints.iter().enumerate() {
                let mut point = [0; 3];
                for (coord, column) in point.iter_mut().enumerate().take(coords) {
                    let name = format!("{individual}, {keypoint}, {}", COORDS[coord]);
                    let absent = || Place::file(file).fault(format!("a column {}", quoted(&name)), "none");
                    *column = *places.get(&(i, k, coord)).ok_or_else(absent)?;
                }
                self.points.push(point);
            }
        }
        Ok(())
    }

    fn frames(&self, file: &Path, mut table: Table, confidence_min: f32) -> Result<Vec<Frame>, CorpusError> {
        if table.row_count == 0 || self.points.is_empty() {
            return Err(no_frames(file));
        }
        let columns = table.stored_columns(file)?;
        let points: Vec<[StoredColumn; 3]> =
            self.points.iter().map(|point| point.map(|column| columns[column])).collect();
        let mut slab = Slab { numbers: Vec::new(), blocks: vec![Vec::new(); table.blocks.len()] };
        let mut frames = Vec::with_capacity(table.row_count);
        while frames.len() < table.row_count {
            slab.numbers.clear();
            slab.blocks.iter_mut().for_each(Vec::clear);
            table.rows.next(SLAB_ROWS.min(table.row_count - frames.len()), &mut slab)?;
            for (row, &number) in slab.numbers.iter().enumerate() {
                let value = |column: StoredColumn| slab.blocks[column.block][row * column.block_width + column.index];
                let keypoints = points.iter().map(|&[x, y, likelihood]| {
                    let confidence = if self.has_likelihood { value(likelihood) } else { 1.0 };
                    Keypoint::observed(value(x), value(y), confidence, confidence_min)
                });
                frames.push(Frame { number, capture_nanos: None, keypoints: keypoints.collect() });
            }
        }
        Ok(frames)
    }
}

/// Where a column is stored.
#[derive(Clone, Copy)]
struct StoredColumn {
    block: usize,
    block_width: usize,
    index: usize,
}

impl Table<'_> {
    /// Where the columns are stored, in the table's order.
    fn stored_columns(&self, file: &Path) -> Result<Vec<StoredColumn>, CorpusError> {
        let mut stored = HashMap::new();
        for (block, labels) in self.blocks.iter().enumerate() {
            let columns = (0..labels.len()).map(|index| StoredColumn { block, block_width: labels.len(), index });
            stored.extend(labels.iter().zip(columns));
        }
        let absent =
            |label: &Label| Place::file(file).fault(format!("values of {}", quoted(&label.join(", "))), "none");
        self.columns.iter().map(|label| stored.get(label).copied().ok_or_else(|| absent(label))).collect()
    }
}

/// What the columns hold, in the table's order.
fn columns<'a>(file: &Path, table: &'a Table) -> Result<Vec<Column<'a>>, CorpusError> {
    check_levels(file, &table.levels)?;
    let mut columns = Vec::with_capacity(table.columns.len());
    for (index, label) in table.columns.iter().enumerate() {
        let place = Place { column: Some(index + 1), ..Place::file(file) };
        let [individual, keypoint, coord] = match label.as_slice() {
            [_, keypoint, coord] => [ANIMAL, keypoint, coord],
            [_, individual, keypoint, coord] => [individual.as_str(), keypoint, coord],
            other => return Err(place.fault("a label on each level", quoted(&other.join(", ")))),
        };
        let Some(coord) = COORDS.iter().position(|known| *known == coord) else {
            return Err(place.fault("x, y or likelihood", quoted(coord)));
        };
        columns.push(Column { individual, keypoint, coord, index });
    }
    Ok(columns)
}

fn check_levels(file: &Path, levels: &[String]) -> Result<(), CorpusError> {
    if levels == LEVELS || levels == [LEVELS[0], LEVELS[2], LEVELS[3]] {
        return Ok(());
    }
    let expected = "columns with the levels scorer, (individuals,) bodyparts and coords";
    Err(Place::file(file).fault(expected, quoted(&levels.join(", "))))
}

/// The place of a name in a list of names, to which it is added where it is new.
fn position(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_string());
        names.len() - 1
    })
}

fn no_frames(file: &Path) -> CorpusError {
    Place::file(file).fault("at least one frame of at least one point", "none")
}

/// The error that rows are named by something else than a frame's number.
fn not_numbered(file: &Path, got: impl Into<String>) -> CorpusError {
    let got = got.into();
    Place::file(file).fault("rows that are numbered by frame", format!("{got}: labels of single images are no tracks"))
}

#[cfg(test)]
mod tests;
