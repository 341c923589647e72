//! A CSV file whose columns are found by their names, in any order; columns that nobody asks for are not looked at.

use std::io::Read;
use std::path::Path;

use csv::ByteRecord;

use crate::corpus::error::{CorpusError, Place, quoted};

/// Bytes that are read at once: whitelists make rows of kilobytes.
const BUFFER_BYTES: usize = 1 << 18;

/// One row at a time; see [`Sheet::advance`].
pub struct Sheet<'a, R> {
    csv: csv::Reader<R>,
    file: &'a Path,
    header: Vec<String>,
    record: ByteRecord,
    /// Line of the file that the current row begins on, counted from 1.
    line: u64,
}

impl<'a, R: Read> Sheet<'a, R> {
    /// Reads the header; `file` is what errors are named after.
    ///
    /// # Errors
    /// An input that cannot be read, is empty, or whose header is not text.
    pub fn open(input: R, file: &'a Path) -> Result<Self, CorpusError> {
        let mut builder = csv::ReaderBuilder::new();
        let csv = builder.has_headers(false).flexible(true).buffer_capacity(BUFFER_BYTES).from_reader(input);
        let mut sheet = Self { csv, file, header: Vec::new(), record: ByteRecord::new(), line: 1 };
        if !sheet.read_record()? {
            return Err(Place::file(file).fault("a header", "an empty file"));
        }
        sheet.header =
            (0..sheet.record.len()).map(|at| sheet.text(at).map(str::to_string)).collect::<Result<_, _>>()?;
        Ok(sheet)
    }

    /// The first column of that name, counted from 0.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|candidate| candidate == name)
    }

    /// As [`Sheet::column`], where there is no going on without it.
    ///
    /// # Errors
    /// A header that lacks the column.
    pub fn required(&self, name: &str) -> Result<usize, CorpusError> {
        let fault = || Place::row(self.file, 1).fault(format!("a column {name:?}"), format!("{:?}", self.header));
        self.column(name).ok_or_else(fault)
    }

    /// Goes to the next row; false after the last.
    ///
    /// # Errors
    /// What cannot be read, and a row that is longer or shorter than the header.
    pub fn advance(&mut self) -> Result<bool, CorpusError> {
        if !self.read_record()? {
            return Ok(false);
        }
        if self.record.len() != self.header.len() {
            let expected = format!("{} columns", self.header.len());
            return Err(Place::row(self.file, self.line).fault(expected, self.record.len().to_string()));
        }
        Ok(true)
    }

    fn read_record(&mut self) -> Result<bool, CorpusError> {
        let more = self.csv.read_byte_record(&mut self.record).map_err(|error| {
            Place::row(self.file, self.line + 1).fault("a row of comma-separated cells", error.to_string())
        })?;
        self.line = self.record.position().map_or(self.line, csv::Position::line);
        Ok(more)
    }

    /// A cell of the current row, as it is.
    ///
    /// # Panics
    /// On a column that the header does not have.
    pub fn bytes(&self, column: usize) -> &[u8] {
        &self.record[column]
    }

    /// A cell that must hold text.
    ///
    /// # Errors
    /// An empty cell, and other bytes than UTF-8.
    pub fn text(&self, column: usize) -> Result<&str, CorpusError> {
        let text = std::str::from_utf8(self.bytes(column)).ok().filter(|text| !text.is_empty());
        text.ok_or_else(|| self.fault(column, "a text"))
    }

    /// A cell that must hold a frame number. As pandas would read it as a float, on which the official score fails,
    /// `12.0` is none.
    ///
    /// # Errors
    /// Anything but a whole number of 64 bits.
    pub fn frame(&self, column: usize) -> Result<i64, CorpusError> {
        let number = std::str::from_utf8(self.bytes(column)).ok().and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| self.fault(column, "a whole frame number"))
    }

    /// The error that a cell of the current row is something else than expected.
    pub fn fault(&self, column: usize, expected: impl Into<String>) -> CorpusError {
        let got = quoted(&String::from_utf8_lossy(self.bytes(column)));
        Place::cell(self.file, self.line, column + 1).fault(expected, got)
    }
}
