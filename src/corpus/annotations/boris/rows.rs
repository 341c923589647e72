//! Rows of cells, and what separates them.

use std::path::Path;

use csv::StringRecord;

use super::OBSERVATION_ID;
use crate::corpus::error::{CorpusError, Place};

/// The rows of a file, one at a time.
pub(super) struct Rows<'a> {
    csv: csv::Reader<&'a [u8]>,
    bytes: &'a [u8],
    /// The cells in hand.
    pub record: StringRecord,
    pub file: &'a Path,
    /// The row in hand, counted from 1.
    pub row: u64,
    /// How many bytes the count of rows has passed.
    counted: usize,
}

impl<'a> Rows<'a> {
    pub fn new(bytes: &'a [u8], separator: u8, file: &'a Path) -> Self {
        let csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(bytes);
        Self { csv, bytes, record: StringRecord::new(), file, row: 0, counted: 0 }
    }

    /// Takes the next row in hand, if there is one.
    pub fn next(&mut self) -> Result<bool, CorpusError> {
        let read = self.csv.read_record(&mut self.record);
        let position = match &read {
            Ok(_) => self.record.position(),
            Err(error) => error.position(),
        };
        let found = !matches!(read, Ok(false));
        if let Some(position) = position.filter(|_| found) {
            self.count_to(position.byte() as usize);
        }
        read.map_err(|_| self.place().fault("a row of UTF-8 text", "other bytes"))
    }

    /// Counts the row that begins at a byte or, after ends of lines, behind it: the CSV reader's own count takes
    /// neither the second half of an end of line nor empty lines into account.
    fn count_to(&mut self, byte: usize) {
        let ends = self.bytes.iter().skip(byte).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let start = (byte + ends).min(self.bytes.len());
        let passed = &self.bytes[self.counted.min(start)..start];
        self.row = self.row.max(1) + (passed.split(|byte| *byte == b'\n').count() - 1) as u64;
        self.counted = start;
    }

    pub fn place(&self) -> Place {
        Place::row(self.file, self.row)
    }
}

/// What separates the cells of a line: what follows the name of its first cell, else what is there most often.
pub(super) fn separator_of(line: &str) -> u8 {
    let separators = [b',', b'\t', b';'];
    let name = line.trim_start_matches('"');
    if name.get(..OBSERVATION_ID.len()).is_some_and(|name| name.eq_ignore_ascii_case(OBSERVATION_ID)) {
        let next = name[OBSERVATION_ID.len()..].trim_start_matches('"').bytes().next();
        if let Some(next) = next.filter(|next| separators.contains(next)) {
            return next;
        }
    }
    let count = |separator: u8| line.bytes().filter(|byte| *byte == separator).count();
    // The last of the largest is taken: commas win a tie.
    separators.into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}
