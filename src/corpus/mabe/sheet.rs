//! `train.csv`: a row for each recording of each lab that annotated it.
//!
//! Required columns: `lab_id`, `video_id`, `frames_per_second`, `body_parts_tracked`. Known ones: `video_duration_sec`,
//! `pix_per_cm_approx`, `behaviors_labeled`, and as extensions of ours `tracking_lab`, `scored_frames`, `individuals`,
//! `body_length_px`, `split`. They come in any order; all others (arena, strains) are kept as they are.

mod cells;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::corpus::catalog::Split;
use crate::corpus::error::{CorpusError, Place, quoted};
use cells::Cell;

pub use cells::is_folder_name;

const LAB: &str = "lab_id";
const VIDEO: &str = "video_id";
const RATE: &str = "frames_per_second";
const BODY_PARTS: &str = "body_parts_tracked";
const DURATION: &str = "video_duration_sec";
const SCALE: &str = "pix_per_cm_approx";
const WHITELIST: &str = "behaviors_labeled";
const TRACKING_LAB: &str = "tracking_lab";
const SCORED: &str = "scored_frames";
const INDIVIDUALS: &str = "individuals";
const BODY_LENGTH: &str = "body_length_px";
const SPLIT: &str = "split";

const REQUIRED: [&str; 4] = [LAB, VIDEO, RATE, BODY_PARTS];

const TRACKING_FOLDER: &str = "train_tracking";
const ANNOTATION_FOLDER: &str = "train_annotation";
const ENDING: &str = "parquet";

/// The recordings of a corpus, as each lab annotated them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// In the file's order; a pair of lab and video occurs once.
    pub rows: Vec<Row>,
    /// What was repaired while reading, each with its place and reason; empty where nothing was.
    pub repairs: Vec<String>,
}

/// A recording as one lab annotated it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Row of the file, counted from 1 with the header; 0 where it was not read from one.
    pub row: u64,
    /// The folder of the annotations. Like `video` and `tracking_lab` a plain name, no path.
    pub lab: String,
    pub video: String,
    pub rate_hz: f64,
    pub pix_per_cm: Option<f64>,
    /// What the video lasts, by the table's word: labels of the genuine data end past it often.
    pub duration_secs: Option<f64>,
    /// At least one, none twice.
    pub body_parts: Vec<String>,
    /// What was looked for; nothing in a recording without labels.
    pub whitelist: Vec<Listed>,
    /// The lab below which the poses lie, where it is another.
    pub tracking_lab: Option<String>,
    /// Frames over which the labels are complete, ascending and disjoint; `None`: all.
    pub scored_frames: Option<Vec<Range<u64>>>,
    /// The animals' own names, in the order `mouse1`, `mouse2`, …
    pub individuals: Option<Vec<String>>,
    pub body_length_px: Option<f64>,
    pub split: Option<Split>,
    /// All other columns, by name, in the file's order.
    pub other: Vec<(String, String)>,
}

/// Whom and what a lab looked for: `mouse1`, `mouse2` or `self`, the action.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listed {
    pub agent: String,
    pub target: String,
    pub action: String,
}

impl Row {
    /// Where the poses lie below a corpus.
    pub fn tracking_path(&self, root: &Path) -> PathBuf {
        path(root, TRACKING_FOLDER, self.tracking_lab.as_ref().unwrap_or(&self.lab), &self.video)
    }

    /// Where the annotations lie below a corpus.
    pub fn annotation_path(&self, root: &Path) -> PathBuf {
        path(root, ANNOTATION_FOLDER, &self.lab, &self.video)
    }
}

fn path(root: &Path, folder: &str, lab: &str, video: &str) -> PathBuf {
    // Names from a table were checked; no name whatever leads out of the folder.
    let inside = |name: &str| if is_folder_name(name) { name.to_string() } else { "_".to_string() };
    root.join(folder).join(inside(lab)).join(format!("{}.{ENDING}", inside(video)))
}

impl Sheet {
    /// Whitelist entries in stray quotes (`'mouse1','mouse2','sniff'`) lose them, and one that is there already is
    /// dropped: both are told among the repairs.
    ///
    /// # Errors
    /// A column that is missing or there twice, a cell that cannot be read, a recording that occurs twice; each with its row
    /// and column (counted from 1).
    pub fn read(file: &Path) -> Result<Self, CorpusError> {
        let text = fs::read(file).map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
        Self::parse(&text, file)
    }

    /// As [`Self::read`], from bytes; `file` is what errors are named after.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub fn parse(text: &[u8], file: &Path) -> Result<Self, CorpusError> {
        let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let mut sheet = Self::default();
        let mut columns: Vec<String> = Vec::new();
        let mut number = 0;
        for record in csv.records() {
            let record = record.map_err(|error| {
                Place::row(file, number + 1).fault("a row of comma-separated cells in UTF-8", error.to_string())
            })?;
            number = record.position().map_or(number + 1, csv::Position::line);
            if columns.is_empty() {
                columns = header(&record, file)?;
                continue;
            }
            if record.len() != columns.len() {
                let expected = format!("{} columns, as in the header", columns.len());
                return Err(Place::row(file, number).fault(expected, record.len().to_string()));
            }
            let row = row(&columns, &record, file, number, &mut sheet.repairs)?;
            sheet.rows.push(row);
        }
        if columns.is_empty() {
            return Err(Place::file(file).fault(format!("a table with the columns {REQUIRED:?}"), "an empty file"));
        }
        sheet.check(file)?;
        Ok(sheet)
    }

    /// What holds for rows together, and for those that were not read from a file.
    fn check(&self, file: &Path) -> Result<(), CorpusError> {
        let mut seen: HashMap<(&str, &str), u64> = HashMap::new();
        for (index, row) in self.rows.iter().enumerate() {
            let number = if row.row > 0 { row.row } else { index as u64 + 2 };
            let names = [Some(&row.lab), Some(&row.video), row.tracking_lab.as_ref()];
            if let Some(name) = names.into_iter().flatten().find(|name| !is_folder_name(name)) {
                return Err(Place::row(file, number).fault("a name of a file or folder", quoted(name)));
            }
            if !(row.rate_hz.is_finite() && row.rate_hz > 0.0) {
                return Err(Place::row(file, number).fault(format!("{RATE} above 0"), row.rate_hz.to_string()));
            }
            if let Some(first) = seen.insert((&row.lab, &row.video), number) {
                let expected = format!("another recording than that of row {first}");
                let got = format!("{} of {} again", quoted(&row.video), quoted(&row.lab));
                return Err(Place::row(file, number).fault(expected, got));
            }
        }
        Ok(())
    }

    /// Writes the table: the columns of the layout, then those of the rows' own, then our extensions where they are used.
    ///
    /// # Errors
    /// A recording that occurs twice, a name that is a path, a rate that is none, and what writing gives.
    pub fn write(&self, file: &Path) -> Result<(), CorpusError> {
        self.check(file)?;
        let io = |error: csv::Error| CorpusError::Io { file: file.to_path_buf(), error: error.into() };
        let mut csv = csv::Writer::from_path(file).map_err(io)?;
        let columns = self.columns();
        csv.write_record(&columns).map_err(io)?;
        for row in &self.rows {
            csv.write_record(columns.iter().map(|column| row.cell(column))).map_err(io)?;
        }
        csv.flush().map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })
    }

    fn columns(&self) -> Vec<&str> {
        let is_used = |column: &&str| {
            REQUIRED.contains(column)
                || *column == WHITELIST
                || self.rows.iter().any(|row| !row.cell(column).is_empty())
        };
        let mut columns: Vec<&str> =
            [LAB, VIDEO, RATE, DURATION, SCALE, BODY_PARTS, WHITELIST].into_iter().filter(is_used).collect();
        let mut own = HashSet::new();
        let others = self.rows.iter().flat_map(|row| &row.other).map(|(column, _)| column.as_str());
        columns.extend(others.filter(|column| own.insert(*column)));
        columns.extend([TRACKING_LAB, SCORED, INDIVIDUALS, BODY_LENGTH, SPLIT].into_iter().filter(is_used));
        columns
    }
}

/// Annotation files below a corpus that no row names, sorted.
///
/// # Errors
/// A folder that cannot be read.
pub fn annotations_without_row(root: &Path, sheet: &Sheet) -> Result<Vec<PathBuf>, CorpusError> {
    let folder = root.join(ANNOTATION_FOLDER);
    let named: HashSet<PathBuf> = sheet.rows.iter().map(|row| row.annotation_path(root)).collect();
    let mut files = Vec::new();
    for lab in listing(&folder)?.into_iter().filter(|path| path.is_dir()) {
        let is_stray = |file: &PathBuf| file.extension() == Some(OsStr::new(ENDING)) && !named.contains(file);
        files.extend(listing(&lab)?.into_iter().filter(is_stray));
    }
    files.sort_unstable();
    Ok(files)
}

/// Rows with a whitelist whose annotation file is absent.
pub fn rows_without_annotations<'a>(root: &Path, sheet: &'a Sheet) -> Vec<&'a Row> {
    let is_bare = |row: &&Row| !row.whitelist.is_empty() && !row.annotation_path(root).is_file();
    sheet.rows.iter().filter(is_bare).collect()
}

/// What a folder holds; nothing where there is none.
fn listing(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let io = |error| CorpusError::Io { file: folder.to_path_buf(), error };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(folder).map_err(io)?.map(|entry| entry.map(|entry| entry.path()).map_err(io)).collect()
}

fn header(record: &csv::StringRecord, file: &Path) -> Result<Vec<String>, CorpusError> {
    let columns: Vec<String> = record.iter().map(|cell| cell.trim_start_matches('\u{feff}').to_string()).collect();
    let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| !columns.iter().any(|column| column == name)).collect();
    if !missing.is_empty() {
        let got = quoted(&columns.join(","));
        return Err(Place::row(file, 1).fault(format!("a header with the columns {missing:?}"), got));
    }
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].contains(column) {
            return Err(Place::cell(file, 1, index + 1).fault("each column once", format!("{} again", quoted(column))));
        }
    }
    Ok(columns)
}

fn row(
    columns: &[String],
    record: &csv::StringRecord,
    file: &Path,
    number: u64,
    repairs: &mut Vec<String>,
) -> Result<Row, CorpusError> {
    let mut row = Row { row: number, ..Row::default() };
    for (index, (column, text)) in columns.iter().zip(record).enumerate() {
        let cell = Cell { text, place: Place::cell(file, number, index + 1) };
        match column.as_str() {
            LAB => row.lab = cell.name()?,
            VIDEO => row.video = cell.name()?,
            RATE => row.rate_hz = cell.positive()?,
            BODY_PARTS => row.body_parts = cell.texts()?,
            DURATION => row.duration_secs = cell.optional(Cell::positive)?,
            SCALE => row.pix_per_cm = cell.optional(Cell::positive)?,
            WHITELIST => row.whitelist = cell.optional(|cell| cell.whitelist(repairs))?.unwrap_or_default(),
            TRACKING_LAB => row.tracking_lab = cell.optional(Cell::name)?,
            SCORED => row.scored_frames = cell.optional(Cell::frames)?,
            INDIVIDUALS => row.individuals = cell.optional(Cell::texts)?,
            BODY_LENGTH => row.body_length_px = cell.optional(Cell::positive)?,
            SPLIT => row.split = cell.optional(Cell::split)?,
            _ => row.other.push((column.clone(), text.to_string())),
        }
    }
    Ok(row)
}

#[cfg(test)]
mod tests;
