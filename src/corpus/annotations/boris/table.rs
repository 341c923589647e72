//! A table as BORIS exports it: what separates its cells, its preamble, its columns by name.

use std::path::Path;

use csv::StringRecord;

use super::event::Who;
use super::rows::{Rows, separator_of};
use super::{NO_SUBJECT, OBSERVATION_ID, SECS_MAX, TARGET_SEPARATOR};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::FRAME_NUMBER_MAX;

const UTF8_MARK: &str = "\u{feff}";
const TIME_OFFSET: &str = "time offset (s)";

/// What stands in a cell that says nothing.
pub(super) const EMPTY: [&str; 5] = ["", "NA", "None", "NaN", "Not found"];

/// A time this little before 0 is 0: what is left of subtracting an offset.
const SECS_SLACK: f64 = 1e-6;

/// Where the columns are; those that no table must have are optional.
struct Columns {
    behavior: usize,
    /// `Behavior type` or `Status`.
    status: usize,
    when: When,
    observation: Option<usize>,
    subject: Option<usize>,
    media: Option<usize>,
    source: Option<usize>,
    offset: Option<usize>,
    modifiers: Vec<usize>,
}

enum When {
    /// Tabular events.
    At { time: usize, frame: Option<usize> },
    /// Aggregated events.
    Within { start: usize, stop: usize, first: Option<usize>, last: Option<usize> },
}

impl Columns {
    /// The columns of a header; `None` where the row is none.
    fn find(header: &StringRecord, place: Place) -> Result<Option<Self>, CorpusError> {
        let names: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
        let mut doubled = None;
        let mut column = |candidates: &[&str]| {
            let found = candidates.iter().find_map(|name| names.iter().position(|candidate| candidate == name));
            if let Some(index) = found
                && names[index + 1..].contains(&names[index])
            {
                doubled = Some(index);
            }
            found
        };
        let (behavior, status) = (column(&["behavior"]), column(&["behavior type", "status"]));
        let (start, stop) = (column(&["start (s)", "start"]), column(&["stop (s)", "stop"]));
        let when = match (start, stop, column(&["time", "time (s)"])) {
            (Some(start), Some(stop), _) => {
                let (first, last) = (column(&["image index start"]), column(&["image index stop"]));
                When::Within { start, stop, first, last }
            }
            (_, _, Some(time)) => When::At { time, frame: column(&["image index", "frame index"]) },
            _ => return Ok(None),
        };
        let (Some(behavior), Some(status)) = (behavior, status) else { return Ok(None) };
        let columns = Self {
            behavior,
            status,
            when,
            observation: column(&[OBSERVATION_ID]),
            subject: column(&["subject"]),
            media: column(&["media file name", "media file path", "media file"]),
            source: column(&["source"]),
            offset: column(&[TIME_OFFSET]),
            modifiers: (0..names.len()).filter(|&index| names[index].starts_with("modifier")).collect(),
        };
        match doubled {
            Some(index) => Err(place.fault("each column once", format!("{} again", quoted(&header[index])))),
            None => Ok(Some(columns)),
        }
    }

    /// How many cells a row must have at least.
    fn count(&self) -> usize {
        let (from, to) = match self.when {
            When::At { time, frame } => (time, frame.unwrap_or(0)),
            When::Within { start, stop, first, last } => (start.max(stop), first.max(last).unwrap_or(0)),
        };
        [self.behavior, self.status, from, to, self.subject.unwrap_or(0)].into_iter().max().unwrap_or(0) + 1
    }
}

/// What comes before the header, where something does.
#[derive(Default)]
struct Preamble {
    rows: usize,
    observation: String,
    /// Of the first player.
    media: Vec<String>,
    offset: Option<(u64, String)>,
}

impl Preamble {
    fn add(&mut self, record: &StringRecord, row: u64) {
        let cell = |index: usize| record.get(index).map(str::trim).filter(|text| !EMPTY.contains(text));
        let name = cell(0).unwrap_or_default().to_lowercase();
        match (name.as_str(), cell(1)) {
            (OBSERVATION_ID, Some(id)) => self.observation = id.to_string(),
            ("player #1", Some(media)) => self.media.push(media.to_string()),
            (TIME_OFFSET, Some(offset)) => self.offset = Some((row, offset.to_string())),
            _ => {}
        }
        self.rows += 1;
    }
}

pub(super) struct Table<'a> {
    rows: Rows<'a>,
    columns: Columns,
    preamble: Preamble,
    decimal_comma: bool,
}

impl<'a> Table<'a> {
    pub fn open(bytes: &'a [u8], file: &'a Path) -> Result<Self, CorpusError> {
        let bytes = bytes.strip_prefix(UTF8_MARK.as_bytes()).unwrap_or(bytes);
        let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let separator = separator_of(&String::from_utf8_lossy(first_line));
        let (mut rows, mut preamble) = (Rows::new(bytes, separator, file), Preamble::default());
        let columns = loop {
            if !rows.next()? {
                let expected =
                    "a header of BORIS events (Behavior, Behavior type or Status, and Time or Start and Stop)";
                return Err(Place::row(file, rows.row + 1).fault(expected, "the end of the file"));
            }
            match Columns::find(&rows.record, rows.place())? {
                Some(columns) => break columns,
                None => preamble.add(&rows.record, rows.row),
            }
        };
        Ok(Self { rows, columns, preamble, decimal_comma: separator == b';' })
    }

    /// The next row that is not empty.
    pub fn next(&mut self) -> Result<Option<Row<'_>>, CorpusError> {
        loop {
            if !self.rows.next()? {
                return Ok(None);
            }
            if self.rows.record.iter().any(|cell| !cell.trim().is_empty()) {
                break;
            }
        }
        let (expected, got) = (self.columns.count(), self.rows.record.len());
        if got < expected {
            return Err(self.rows.place().fault(format!("{expected} columns at least"), format!("{got}")));
        }
        Ok(Some(Row { table: self }))
    }

    pub fn has_preamble(&self) -> bool {
        self.preamble.rows > 0
    }

    /// The observation that the preamble names; empty where none is.
    pub fn observation(&self) -> &str {
        &self.preamble.observation
    }

    /// The one media file that the preamble names.
    pub fn media(&self) -> Option<String> {
        match &self.preamble.media[..] {
            [media] => Some(media.clone()),
            _ => None,
        }
    }

    fn number(&self, text: &str) -> Option<f64> {
        let comma = self.decimal_comma && !text.contains('.');
        let number = if comma { text.replacen(',', ".", 1).parse() } else { text.parse() };
        number.ok().filter(|number: &f64| number.is_finite())
    }
}

/// A row of a table.
pub(super) struct Row<'a> {
    table: &'a Table<'a>,
}

impl Row<'_> {
    pub fn number(&self) -> u64 {
        self.table.rows.row
    }

    pub fn place(&self) -> Place {
        self.table.rows.place()
    }

    pub fn is_aggregated(&self) -> bool {
        matches!(self.table.columns.when, When::Within { .. })
    }

    pub fn observation(&self) -> String {
        self.text(self.table.columns.observation).unwrap_or(self.table.observation()).to_string()
    }

    /// The media file that the event lies in.
    pub fn media(&self) -> Option<String> {
        let columns = &self.table.columns;
        let cell = self.text(columns.media).or(self.text(columns.source))?;
        first_player(cell).map(str::to_string)
    }

    /// The status as it stands there, and the fault of another one than `expected`.
    pub fn status(&self) -> (&str, impl Fn(&str) -> CorpusError) {
        let column = self.table.columns.status;
        let fault = move |expected: &str| self.fault(column, expected);
        (self.table.rows.record[column].trim(), fault)
    }

    pub fn who(&self) -> Result<Who, CorpusError> {
        let columns = &self.table.columns;
        let Some(behavior) = self.text(Some(columns.behavior)) else {
            return Err(self.fault(columns.behavior, "a behavior"));
        };
        let cells = columns.modifiers.iter().filter_map(|&column| self.text(Some(column)));
        let modifiers: Vec<String> = cells
            .flat_map(|cell| cell.split('|'))
            .map(str::trim)
            .filter(|text| !EMPTY.contains(text))
            .map(str::to_string)
            .collect();
        let subject = self.text(columns.subject).filter(|subject| *subject != NO_SUBJECT);
        let in_code = behavior.rsplit_once(TARGET_SEPARATOR).map(|(label, target)| (label.trim(), target.trim()));
        let (label, target) = match (modifiers.first(), in_code) {
            (None, Some((label, target))) if !label.is_empty() && !target.is_empty() => (label, Some(target)),
            (first, _) => (behavior, first.map(String::as_str)),
        };
        let (label, target) = (label.to_string(), target.map(str::to_string));
        Ok(Who { subject: subject.map(str::to_string), behavior: behavior.to_string(), label, target, modifiers })
    }

    /// Seconds of the media and frame of a tabular event.
    pub fn moment(&self) -> Result<(Option<f64>, Option<u64>), CorpusError> {
        match self.table.columns.when {
            When::At { time, frame } | When::Within { start: time, first: frame, .. } => {
                Ok((self.secs(time)?, self.frame(frame)?))
            }
        }
    }

    /// The same of the end of an aggregated event.
    pub fn end(&self) -> Result<(Option<f64>, Option<u64>), CorpusError> {
        match self.table.columns.when {
            When::At { .. } => self.moment(),
            When::Within { stop, last, .. } => Ok((self.secs(stop)?, self.frame(last)?)),
        }
    }

    fn text(&self, column: Option<usize>) -> Option<&str> {
        let text = self.table.rows.record.get(column?)?.trim();
        (!EMPTY.contains(&text)).then_some(text)
    }

    fn fault(&self, column: usize, expected: impl Into<String>) -> CorpusError {
        Place::cell(self.table.rows.file, self.table.rows.row, column + 1)
            .fault(expected, quoted(&self.table.rows.record[column]))
    }

    fn offset(&self) -> Result<f64, CorpusError> {
        let expected = "a time offset in seconds";
        match (self.table.columns.offset, &self.table.preamble.offset) {
            (Some(column), _) => match self.text(Some(column)) {
                Some(text) => self.table.number(text).ok_or_else(|| self.fault(column, expected)),
                None => Ok(0.0),
            },
            (None, Some((row, text))) => self
                .table
                .number(text)
                .ok_or_else(|| Place::cell(self.table.rows.file, *row, 2).fault(expected, quoted(text))),
            (None, None) => Ok(0.0),
        }
    }

    fn secs(&self, column: usize) -> Result<Option<f64>, CorpusError> {
        let Some(text) = self.text(Some(column)) else { return Ok(None) };
        let offset = self.offset()?;
        let secs = self.table.number(text).map(|secs| secs - offset);
        match secs.filter(|secs| (-SECS_SLACK..=SECS_MAX).contains(secs)) {
            Some(secs) => Ok(Some(secs.max(0.0))),
            None if offset == 0.0 => Err(self.fault(column, format!("seconds of 0 to {SECS_MAX}"))),
            None => Err(self.fault(column, format!("seconds of 0 to {SECS_MAX} after the time offset of {offset}"))),
        }
    }

    fn frame(&self, column: Option<usize>) -> Result<Option<u64>, CorpusError> {
        let (Some(column), Some(text)) = (column, self.text(column)) else { return Ok(None) };
        let number = self.table.number(text).filter(|number| number.fract() == 0.0);
        match number.filter(|number| (0.0..=FRAME_NUMBER_MAX as f64).contains(number)) {
            Some(number) => Ok(Some(number as u64)),
            None => Err(self.fault(column, format!("an image index of 0 to {FRAME_NUMBER_MAX}"))),
        }
    }
}

pub(super) fn recognises(start: &str) -> bool {
    let start = start.strip_prefix(UTF8_MARK).unwrap_or(start);
    let line = start.lines().next().unwrap_or_default();
    let mut csv =
        csv::ReaderBuilder::new().has_headers(false).delimiter(separator_of(line)).from_reader(line.as_bytes());
    let mut record = StringRecord::new();
    if !csv.read_record(&mut record).unwrap_or(false) {
        return false;
    }
    let preamble = record.len() > 1 && record[0].trim().eq_ignore_ascii_case(OBSERVATION_ID);
    preamble || matches!(Columns::find(&record, Place::file(Path::new(""))), Ok(Some(_)))
}

/// The media file of the first player (`player #1:a.mp4|player #2:b.mp4`), unless it played several.
fn first_player(cell: &str) -> Option<&str> {
    let first = match cell.strip_prefix("player #1:") {
        Some(first) => first.split("|player #").next().unwrap_or_default(),
        None => cell,
    };
    let mut files = first.split(';').map(str::trim).filter(|file| !file.is_empty());
    files.next().filter(|_| files.next().is_none())
}

/// A media file's name without folder and ending; an ending has up to five letters or digits, a letter among them.
pub(super) fn stem_of(media: &str) -> &str {
    let name = media.rsplit(['/', '\\']).next().unwrap_or(media);
    match name.rsplit_once('.') {
        Some((stem, ending))
            if !stem.is_empty()
                && (1..=5).contains(&ending.len())
                && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && !ending.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            stem
        }
        _ => name,
    }
}
