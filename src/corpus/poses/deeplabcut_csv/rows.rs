//! The rows of a table: unzipped, and cut at line ends.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::corpus::error::{CorpusError, Place};

pub type Record = csv::ByteRecord;

pub const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 17;

/// The longest row: several times that of the most individuals and keypoints.
const ROW_BYTES_MAX: usize = 1 << 20;

/// One row, without its line end. A cell never spans lines.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    pub bytes: &'a [u8],
    /// Counted from 1, blank lines too.
    pub row: u64,
    file: &'a Path,
}

impl Line<'_> {
    /// Its cells, quotes resolved; at least one.
    pub fn record(&self) -> Result<Record, CorpusError> {
        let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(self.bytes);
        let mut record = Record::new();
        let found = csv.read_byte_record(&mut record);
        let fault = |got: String| Place::row(self.file, self.row).fault("a row of comma-separated cells", got);
        if found.map_err(|error| fault(error.to_string()))? && !record.is_empty() {
            return Ok(record);
        }
        Err(fault("none".to_owned()))
    }
}

/// The rows of a CSV file, one at a time; blank lines are left out.
pub struct Rows<'a> {
    input: BufReader<Box<dyn Read + 'a>>,
    line: Vec<u8>,
    pub file: &'a Path,
    /// The row in hand, counted from 1.
    pub row: u64,
    /// Whether the row in hand has no line end, and so is the last.
    pub unended: bool,
}

impl<'a> Rows<'a> {
    pub fn new(input: impl Read + 'a, file: &'a Path) -> Result<Self, CorpusError> {
        let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
        let start = input.fill_buf().map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
        if start.is_empty() {
            return Err(Place::file(file).fault("a DeepLabCut table", "an empty file"));
        }
        let gzipped = start.starts_with(&GZIP_MAGIC);
        let input: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
        let input = BufReader::with_capacity(CHUNK_BYTES, input);
        Ok(Self { input, line: Vec::new(), file, row: 0, unended: false })
    }

    /// Takes the next row in hand, or gives `None` at the end.
    pub fn next(&mut self) -> Result<Option<Line<'_>>, CorpusError> {
        loop {
            self.line.clear();
            let mut limited = self.input.by_ref().take(ROW_BYTES_MAX as u64);
            let count = limited.read_until(b'\n', &mut self.line).map_err(|error| self.unreadable(&error))?;
            if count == 0 {
                return Ok(None);
            }
            self.row += 1;
            let ended = self.line.ends_with(b"\n");
            if !ended && count == ROW_BYTES_MAX {
                let expected = format!("a row of less than {ROW_BYTES_MAX} bytes");
                return Err(Place::row(self.file, self.row).fault(expected, "a longer one"));
            }
            self.unended = !ended;
            let begin =
                if self.row == 1 && self.line.starts_with(&BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            let end = self.line.len() - usize::from(ended);
            let end = end - usize::from(self.line[begin..end].ends_with(b"\r"));
            if begin < end {
                return Ok(Some(Line { bytes: &self.line[begin..end], row: self.row, file: self.file }));
            }
        }
    }

    fn unreadable(&self, error: &io::Error) -> CorpusError {
        let place = Place::row(self.file, self.row + 1);
        match error.kind() {
            ErrorKind::UnexpectedEof => place.fault("the whole of the gzipped data", "a truncated file"),
            _ => place.fault("readable data", error.to_string()),
        }
    }
}
