//! What the header rows say about the columns.

use std::collections::HashSet;
use std::path::Path;

use super::ANIMAL;
use super::rows::Rows;
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::skeleton::{INDIVIDUALS_MAX, KEYPOINTS_MAX};

/// What a point's columns are called.
const COORDS: [&str; 3] = ["x", "y", "likelihood"];

/// Columns of a point without likelihood.
pub const UNSCORED: usize = 2;

/// The individual of a multi-animal project that stands for what is no animal.
const OBJECTS: &str = "single";

/// The columns of a table: I individuals of the same K bodyparts.
pub struct Columns {
    pub individuals: Vec<String>,
    pub bodyparts: Vec<String>,
    /// Columns of each point: x, y and mostly likelihood.
    pub axes: usize,
    /// For each point of a row, whether it is one of the I × K; the others are left out.
    pub kept: Vec<bool>,
    pub repairs: Vec<String>,
}

/// A header row: its title, and its cells from column 2 on.
struct HeaderRow {
    title: String,
    cells: Vec<String>,
    row: u64,
}

impl HeaderRow {
    fn read(rows: &mut Rows, wanted: &str) -> Result<Self, CorpusError> {
        let file = rows.file;
        let Some(line) = rows.next()? else {
            return Err(Place::row(file, rows.row + 1).fault(wanted_row(wanted), "the end of the file"));
        };
        let record = line.record()?;
        let mut cells = record.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned());
        Ok(Self { title: cells.next().unwrap_or_default(), cells: cells.collect(), row: line.row })
    }

    /// A table that pandas has read and written again may have lost its titles.
    fn is_untitled(&self) -> bool {
        self.title.is_empty() || self.title.starts_with("Unnamed: 0")
    }

    fn is_coords(&self) -> bool {
        self.cells.iter().all(|cell| COORDS.contains(&cell.as_str()))
    }

    fn check_title(&self, file: &Path, wanted: &str, allowed: &[&str]) -> Result<(), CorpusError> {
        if self.is_untitled() || allowed.contains(&self.title.as_str()) {
            return Ok(());
        }
        Err(Place::cell(file, self.row, 1).fault(wanted_row(wanted), quoted(&self.title)))
    }
}

fn wanted_row(titles: &str) -> String {
    format!("the header row {titles} of a DeepLabCut table")
}

/// A point's columns as the header names them.
#[derive(Clone, Copy)]
struct Point<'a> {
    individual: &'a str,
    bodypart: &'a str,
    /// First of its columns, counted from 1.
    column: usize,
}

impl Columns {
    pub fn read(rows: &mut Rows) -> Result<Self, CorpusError> {
        let file = rows.file;
        let scorer = HeaderRow::read(rows, "\"scorer\"")?;
        scorer.check_title(file, "\"scorer\"", &["scorer"])?;
        let second = HeaderRow::read(rows, "\"individuals\" or \"bodyparts\"")?;
        second.check_title(file, "\"individuals\" or \"bodyparts\"", &["individuals", "bodyparts"])?;
        let third_title = if second.title == "bodyparts" { "\"coords\"" } else { "\"bodyparts\"" };
        let third = HeaderRow::read(rows, third_title)?;
        if second.title == "bodyparts" || second.is_untitled() && (third.title == "coords" || third.is_coords()) {
            third.check_title(file, "\"coords\"", &["coords"])?;
            let individuals = HeaderRow { cells: vec![ANIMAL.to_owned(); second.cells.len()], ..scorer };
            return Self::new(file, &individuals, &second, &third, KEYPOINTS_MAX * INDIVIDUALS_MAX);
        }
        third.check_title(file, "\"bodyparts\"", &["bodyparts"])?;
        let coords = HeaderRow::read(rows, "\"coords\"")?;
        coords.check_title(file, "\"coords\"", &["coords"])?;
        Self::new(file, &second, &third, &coords, KEYPOINTS_MAX)
    }

    /// `bodyparts_max` is larger without individuals: bodyparts may then be those of several animals, by prefix.
    fn new(
        file: &Path,
        individuals: &HeaderRow,
        bodyparts: &HeaderRow,
        coords: &HeaderRow,
        bodyparts_max: usize,
    ) -> Result<Self, CorpusError> {
        let count = individuals.cells.len();
        for header in [bodyparts, coords] {
            if header.cells.len() != count {
                return Err(column_count(file, header.row, count + 1, header.cells.len() + 1));
            }
        }
        let axes = axes(file, coords)?;
        let points = points(file, individuals, bodyparts, axes)?;
        let mut columns = Self {
            individuals: Vec::new(),
            bodyparts: Vec::new(),
            axes,
            kept: vec![true; points.len()],
            repairs: Vec::new(),
        };
        let animals = columns.leave_objects_out(&points, individuals.row);
        let parts = animals.iter().take_while(|point| point.individual == animals[0].individual).count();
        columns.bodyparts.extend(animals[..parts].iter().map(|point| point.bodypart.to_owned()));
        columns.individuals.extend(animals.iter().step_by(parts).map(|point| point.individual.to_owned()));
        columns.check_names(file, individuals.row, bodyparts.row, bodyparts_max)?;
        columns.check_order(file, individuals.row, bodyparts.row, &animals)?;
        Ok(columns)
    }

    /// The points that are animals': all, but for an individual called [`OBJECTS`] beside others of other bodyparts.
    fn leave_objects_out<'a>(&mut self, points: &[Point<'a>], row: u64) -> Vec<Point<'a>> {
        let (objects, animals): (Vec<Point>, Vec<Point>) = points.iter().partition(|point| point.individual == OBJECTS);
        let Some(first) = animals.first().map(|point| point.individual) else { return points.to_vec() };
        let parts = |points: &[Point<'a>], of: &str| {
            let of_one = points.iter().filter(|point| point.individual == of);
            of_one.map(|point| point.bodypart).collect::<Vec<_>>()
        };
        let unique = parts(&objects, OBJECTS);
        if unique.is_empty() || unique == parts(&animals, first) {
            return points.to_vec();
        }
        self.kept = points.iter().map(|point| point.individual != OBJECTS).collect();
        self.repairs.push(format!(
            "row {row}: the individual {OBJECTS:?} ({}) stands for objects of the arena: left out",
            unique.join(", ")
        ));
        animals
    }

    fn check_names(
        &self,
        file: &Path,
        individuals_row: u64,
        bodyparts_row: u64,
        bodyparts_max: usize,
    ) -> Result<(), CorpusError> {
        for (row, what, names, limit) in [
            (individuals_row, "individuals", &self.individuals, INDIVIDUALS_MAX),
            (bodyparts_row, "bodyparts", &self.bodyparts, bodyparts_max),
        ] {
            if names.len() > limit {
                return Err(Place::row(file, row).fault(format!("at most {limit} {what}"), names.len().to_string()));
            }
            let mut seen = HashSet::new();
            if let Some(doubled) = names.iter().find(|name| !seen.insert(*name)) {
                return Err(Place::row(file, row)
                    .fault(format!("each of the {what} in one place"), format!("{} twice", quoted(doubled))));
            }
        }
        Ok(())
    }

    /// Every individual must carry the bodyparts of the first, in the same order.
    fn check_order(
        &self,
        file: &Path,
        individuals_row: u64,
        bodyparts_row: u64,
        points: &[Point],
    ) -> Result<(), CorpusError> {
        let parts = self.bodyparts.len();
        for (index, point) in points.iter().enumerate() {
            for (row, wanted, got) in [
                (individuals_row, &self.individuals[index / parts], point.individual),
                (bodyparts_row, &self.bodyparts[index % parts], point.bodypart),
            ] {
                if got != wanted {
                    return Err(Place::cell(file, row, point.column).fault(quoted(wanted), quoted(got)));
                }
            }
        }
        if !points.len().is_multiple_of(parts) {
            let last = points.last().map_or("", |point| point.individual);
            return Err(Place::row(file, bodyparts_row).fault(
                format!("{parts} bodyparts of each individual"),
                format!("{} of {}", points.len() % parts, quoted(last)),
            ));
        }
        Ok(())
    }
}

/// How many columns each point has.
fn axes(file: &Path, coords: &HeaderRow) -> Result<usize, CorpusError> {
    let cells = &coords.cells;
    let place = |index: usize| Place::cell(file, coords.row, index + 2);
    if cells.len() > 1 && cells[..2].iter().all(String::is_empty) {
        let expected = "a table of a video's numbered frames, not of labelled images";
        return Err(place(0).fault(expected, "an index of three columns"));
    }
    if let Some(depth) = cells.iter().position(|cell| cell == "z") {
        return Err(place(depth).fault("points in the image (x, y, likelihood)", "\"z\", a three-dimensional table"));
    }
    let axes = match cells.get(UNSCORED) {
        Some(cell) if cell != COORDS[0] => COORDS.len(),
        _ => UNSCORED,
    };
    // A scorer's row is not compared: pandas numbers its repeated cells.
    for (index, cell) in cells.iter().enumerate() {
        let wanted = COORDS[index % axes];
        if cell != wanted {
            return Err(place(index).fault(quoted(wanted), quoted(cell)));
        }
    }
    if cells.is_empty() || !cells.len().is_multiple_of(axes) {
        let expected = format!("{axes} columns ({}) for each point", COORDS[..axes].join(", "));
        return Err(Place::row(file, coords.row).fault(expected, cells.len().to_string()));
    }
    Ok(axes)
}

/// The points of a row, each of whose columns must be of one individual and bodypart.
fn points<'a>(
    file: &Path,
    individuals: &'a HeaderRow,
    bodyparts: &'a HeaderRow,
    axes: usize,
) -> Result<Vec<Point<'a>>, CorpusError> {
    for header in [individuals, bodyparts] {
        for (index, cell) in header.cells.iter().enumerate() {
            let wanted = &header.cells[index - index % axes];
            if cell != wanted {
                return Err(Place::cell(file, header.row, index + 2).fault(quoted(wanted), quoted(cell)));
            }
        }
    }
    let names = individuals.cells.iter().zip(&bodyparts.cells).enumerate().step_by(axes);
    Ok(names.map(|(index, (individual, bodypart))| Point { individual, bodypart, column: index + 2 }).collect())
}

pub fn column_count(file: &Path, row: u64, expected: usize, got: usize) -> CorpusError {
    Place::row(file, row).fault(format!("{expected} columns"), got.to_string())
}
