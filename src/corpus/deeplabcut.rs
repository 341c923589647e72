//! Multi-animal `DeepLabCut` CSV, plain or gzipped.
//!
//! Four header rows (scorer, individuals, bodyparts, coords), then a row for each frame: its number, and x, y (pixels)
//! and likelihood of each point, individual by individual. An empty cell means that the point was not seen.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv::ByteRecord;
use flate2::bufread::MultiGzDecoder;

use super::error::{CorpusError, Place, quoted};
use super::recording::{FRAME_NUMBER_MAX, RawRecording, name_of};
use crate::poses::{Frame, Keypoint};
use crate::skeleton::{INDIVIDUALS_MAX, KEYPOINTS_MAX};

/// Likelihood under which a point counts as missing, unless a description says otherwise.
pub const CONFIDENCE_MIN: f32 = 0.1;

/// What a point's three columns are called.
const COORDS: [&str; 3] = ["x", "y", "likelihood"];

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

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
    rows.header("scorer")?;
    let individual_cells = rows.header("individuals")?;
    let bodypart_cells = rows.header("bodyparts")?;
    let coord_cells = rows.header("coords")?;
    let columns = Columns::new(file, &individual_cells, &bodypart_cells, &coord_cells)?;
    let mut frames: Vec<Frame> = Vec::new();
    while let Some(row) = rows.next()? {
        let previous = frames.last().map(|frame| frame.number);
        frames.push(columns.frame(&Cells { record: &rows.record, file, row }, previous, confidence_min)?);
    }
    if frames.is_empty() {
        return Err(Place::row(file, rows.row + 1).fault("at least one frame", "the end of the file"));
    }
    let (name, file) = (name_of(file), file.to_path_buf());
    Ok(RawRecording { file, name, individuals: columns.individuals, keypoints: columns.bodyparts, frames })
}

/// The rows of a CSV file, one at a time.
struct Rows<'a> {
    csv: csv::Reader<Box<dyn Read + 'a>>,
    record: ByteRecord,
    file: &'a Path,
    /// The row in hand, counted from 1.
    row: u64,
}

impl<'a> Rows<'a> {
    fn new(input: impl Read + 'a, file: &'a Path) -> Result<Self, CorpusError> {
        let mut input = BufReader::new(input);
        let start = input.fill_buf().map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
        if start.is_empty() {
            return Err(Place::file(file).fault("a DeepLabCut table", "an empty file"));
        }
        let gzipped = start.starts_with(&GZIP_MAGIC);
        let input: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
        let csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
        Ok(Self { csv, record: ByteRecord::new(), file, row: 0 })
    }

    /// Takes the next row in hand and gives its number, or `None` at the end.
    fn next(&mut self) -> Result<Option<u64>, CorpusError> {
        let found = self.csv.read_byte_record(&mut self.record).map_err(|error| {
            let place = Place::row(self.file, self.row + 1);
            match error.into_kind() {
                csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    place.fault("the whole of the gzipped data", "a truncated file")
                }
                csv::ErrorKind::Io(error) => place.fault("readable data", error.to_string()),
                other => place.fault("a row of comma-separated cells", format!("{other:?}")),
            }
        })?;
        if !found {
            return Ok(None);
        }
        self.row = self.record.position().map_or(self.row + 1, csv::Position::line);
        Ok(Some(self.row))
    }

    /// The cells of the next row, which must be the header of that name, after their title.
    fn header(&mut self, title: &str) -> Result<Vec<String>, CorpusError> {
        let wanted = format!("the header row {title:?} of a multi-animal DeepLabCut table");
        let Some(row) = self.next()? else {
            return Err(Place::row(self.file, self.row + 1).fault(wanted, "the end of the file"));
        };
        let mut cells = self.record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
        let got = cells.next().unwrap_or_default();
        if got != title {
            return Err(Place::cell(self.file, row, 1).fault(wanted, quoted(&got)));
        }
        Ok(cells.collect())
    }
}

/// What the header says about the columns.
struct Columns {
    individuals: Vec<String>,
    bodyparts: Vec<String>,
}

impl Columns {
    fn new(file: &Path, individuals: &[String], bodyparts: &[String], coords: &[String]) -> Result<Self, CorpusError> {
        let count = individuals.len();
        for (row, cells) in [(3, bodyparts), (4, coords)] {
            if cells.len() != count {
                return Err(column_count(file, row, count + 1, cells.len() + 1));
            }
        }
        if count == 0 || !count.is_multiple_of(COORDS.len()) {
            return Err(
                Place::row(file, 4).fault("three columns (x, y, likelihood) for each point", format!("{count}"))
            );
        }
        // A scorer's row is not compared: pandas numbers its repeated cells.
        for (index, cell) in coords.iter().enumerate() {
            let wanted = COORDS[index % COORDS.len()];
            if cell != wanted {
                return Err(Place::cell(file, 4, index + 2).fault(quoted(wanted), quoted(cell)));
            }
        }
        let first_individual = individuals.iter().take_while(|name| **name == individuals[0]).count();
        let mut columns = Self { individuals: Vec::new(), bodyparts: Vec::new() };
        columns.bodyparts.extend(bodyparts[..first_individual].iter().step_by(COORDS.len()).cloned());
        columns.individuals.extend(individuals.iter().step_by(first_individual).cloned());
        columns.check_names(file)?;
        columns.check_order(file, individuals, bodyparts)?;
        Ok(columns)
    }

    fn check_names(&self, file: &Path) -> Result<(), CorpusError> {
        for (row, what, names, limit) in
            [(2, "individuals", &self.individuals, INDIVIDUALS_MAX), (3, "bodyparts", &self.bodyparts, KEYPOINTS_MAX)]
        {
            if names.len() > limit {
                return Err(Place::row(file, row).fault(format!("at most {limit} {what}"), format!("{}", names.len())));
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
    fn check_order(&self, file: &Path, individuals: &[String], bodyparts: &[String]) -> Result<(), CorpusError> {
        let parts = self.bodyparts.len();
        for (index, (individual, bodypart)) in individuals.iter().zip(bodyparts).enumerate() {
            let point = index / COORDS.len();
            for (row, wanted, got) in
                [(2, &self.individuals[point / parts], individual), (3, &self.bodyparts[point % parts], bodypart)]
            {
                if got != wanted {
                    return Err(Place::cell(file, row, index + 2).fault(quoted(wanted), quoted(got)));
                }
            }
        }
        let expected = self.individuals.len() * parts * COORDS.len();
        if individuals.len() != expected {
            return Err(column_count(file, 3, expected + 1, individuals.len() + 1));
        }
        Ok(())
    }

    fn frame(&self, cells: &Cells, previous: Option<u64>, confidence_min: f32) -> Result<Frame, CorpusError> {
        let points = self.individuals.len() * self.bodyparts.len();
        let columns = 1 + points * COORDS.len();
        if cells.record.len() != columns {
            return Err(column_count(cells.file, cells.row, columns, cells.record.len()));
        }
        let number = cells.number(previous)?;
        let mut keypoints = Vec::with_capacity(points);
        for point in 0..points {
            let value = |axis: usize| cells.coordinate(1 + point * COORDS.len() + axis);
            keypoints.push(Keypoint::observed(value(0)?, value(1)?, value(2)?, confidence_min));
        }
        Ok(Frame { number, capture_nanos: None, keypoints })
    }
}

/// The cells of a frame's row.
struct Cells<'a> {
    record: &'a ByteRecord,
    file: &'a Path,
    row: u64,
}

impl Cells<'_> {
    fn fault(&self, column: usize, expected: impl Into<String>) -> CorpusError {
        let got = quoted(&String::from_utf8_lossy(&self.record[column]));
        Place::cell(self.file, self.row, column + 1).fault(expected, got)
    }

    fn text(&self, column: usize) -> Option<&str> {
        std::str::from_utf8(&self.record[column]).ok().map(str::trim)
    }

    fn number(&self, previous: Option<u64>) -> Result<u64, CorpusError> {
        let number: Option<u64> = self.text(0).and_then(|text| text.parse().ok());
        let Some(number) = number.filter(|number| *number <= FRAME_NUMBER_MAX) else {
            return Err(self.fault(0, format!("a frame number of 0 to {FRAME_NUMBER_MAX}")));
        };
        match previous {
            Some(previous) if number <= previous => Err(self.fault(0, format!("a frame number above {previous}"))),
            _ => Ok(number),
        }
    }

    /// A coordinate or likelihood; NaN where the cell is empty.
    fn coordinate(&self, column: usize) -> Result<f32, CorpusError> {
        match self.text(column) {
            Some("") => Ok(f32::NAN),
            text => text.and_then(|text| text.parse().ok()).ok_or_else(|| self.fault(column, "a number or nothing")),
        }
    }
}

fn column_count(file: &Path, row: u64, expected: usize, got: usize) -> CorpusError {
    Place::row(file, row).fault(format!("{expected} columns"), format!("{got}"))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    /// Two individuals of two bodyparts, three frames; number 2 is absent.
    const TABLE: &str = "scorer,s,s,s,s.1,s.1,s.1,s,s,s,s,s,s\n\
        individuals,a,a,a,a,a,a,b,b,b,b,b,b\n\
        bodyparts,nose,nose,nose,tail,tail,tail,nose,nose,nose,tail,tail,tail\n\
        coords,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood\n\
        0,1.5,2,0.9,3,4,1,,,,5,6,0.05\n\
        1,1,2,0.9,3,4,1,7,8,1,0.0,0.0,0.0\n\
        3,,,,,,,,,,,,\n";

    fn read_text(text: &str) -> Result<RawRecording, CorpusError> {
        parse(text.as_bytes(), Path::new("rats/7DLC_el.csv"), CONFIDENCE_MIN)
    }

    fn gzipped(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_table_is_read_plain_and_gzipped_whatever_its_ending() {
        let recording = read_text(TABLE).unwrap();
        assert_eq!(recording.name, "7DLC_el");
        assert_eq!(recording.individuals, ["a", "b"]);
        assert_eq!(recording.keypoints, ["nose", "tail"]);
        assert_eq!(recording.frames.iter().map(|frame| frame.number).collect::<Vec<_>>(), [0, 1, 3]);
        let present = |frame: usize| recording.frames[frame].keypoints.iter().map(Keypoint::is_present);
        assert_eq!(present(0).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(present(1).collect::<Vec<_>>(), [true, true, true, false]);
        assert_eq!(recording.frames[0].keypoints[0], Keypoint { x: 1.5, y: 2.0, confidence: 0.9 });

        let packed = parse(&gzipped(TABLE)[..], Path::new("rats/7DLC_el.csv"), CONFIDENCE_MIN).unwrap();
        assert_eq!(packed, recording);
        assert_eq!(read_text(&TABLE.replace('\n', "\r\n")).unwrap(), recording);
    }

    #[test]
    fn a_fault_is_named_with_its_place_and_both_sides() {
        let header_end = TABLE.find("0,1.5").unwrap();
        for (text, wanted) in [
            (String::new(), "7DLC_el.csv: expected a DeepLabCut table, got an empty file"),
            (
                TABLE.replace("individuals,a,a,a,a,a,a,b,b,b,b,b,b\n", ""),
                "row 2, column 1: expected the header row \"individuals\" of a multi-animal DeepLabCut table, got \"bodyparts\"",
            ),
            (TABLE[..20].to_string(), "row 2: expected the header row \"individuals\""),
            (TABLE[..header_end].to_string(), "row 5: expected at least one frame, got the end of the file"),
            (TABLE.replace("a,a,a,a,a,a,b,", "a,a,a,a,a,a,"), "row 3: expected 12 columns, got 13"),
            (TABLE.replacen("x,y,likelihood", "y,x,likelihood", 1), "row 4, column 2: expected \"x\", got \"y\""),
            (
                TABLE.replace("tail,tail,tail,nose", "nose,nose,nose,nose"),
                "row 3: expected each of the bodyparts in one place, got \"nose\" twice",
            ),
            (TABLE.replace("b,b,b,b,b,b", "b,b,b,c,c,c"), "row 2, column 11: expected \"b\", got \"c\""),
            (
                TABLE.replace("nose,tail,tail,tail\n", "nose,ear,ear,ear\n"),
                "row 3, column 11: expected \"tail\", got \"ear\"",
            ),
            (TABLE.replace("1,1,2,", "1,1,two,"), "row 6, column 3: expected a number or nothing, got \"two\""),
            (TABLE.replace("3,4,1,7", "3,4,1,7,7"), "row 6: expected 13 columns, got 14"),
            (
                TABLE.replace("\n1,1,", "\nimg1,1,"),
                "row 6, column 1: expected a frame number of 0 to 4294967295, got \"img1\"",
            ),
            (TABLE.replace("\n1,1,", "\n0,1,"), "row 6, column 1: expected a frame number above 0, got \"0\""),
            (TABLE.replace("\n3,,", "\n0,,"), "row 7, column 1: expected a frame number above 1, got \"0\""),
            (TABLE.replace("\n3,,", "\n99999999999,,"), "row 7, column 1: expected a frame number of 0 to"),
        ] {
            let error = read_text(&text).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.starts_with("rats/7DLC_el.csv"), "{error}\nis not\n{wanted}");
        }
    }

    #[test]
    fn a_truncated_gzip_is_an_error_and_no_shorter_recording() {
        let mut long = TABLE.to_string();
        for number in 4..400 {
            writeln!(long, "{number},1,2,1,3,4,1,{number}.5,8,1,9,{number},1").unwrap();
        }
        let packed = gzipped(&long);
        for length in [packed.len() - 1, packed.len() - 9, packed.len() / 2, 3] {
            let error = parse(&packed[..length], Path::new("7.csv.gz"), CONFIDENCE_MIN).unwrap_err().to_string();
            assert!(error.contains("7.csv.gz: row"), "{error}");
            assert!(error.contains("the whole of the gzipped data, got a truncated file"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), packed in any::<bool>()) {
            let bytes = if packed { [&GZIP_MAGIC[..], &[8, 0], &bytes[..]].concat() } else { bytes };
            let _ = parse(&bytes[..], Path::new("x.csv"), CONFIDENCE_MIN);
        }

        #[test]
        fn damaged_tables_never_panic(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
            packed in any::<bool>(),
        ) {
            let mut bytes = if packed { gzipped(TABLE) } else { TABLE.as_bytes().to_vec() };
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = parse(&bytes[..], Path::new("x.csv"), CONFIDENCE_MIN);
            let _ = parse(&bytes[..cut.index(bytes.len())], Path::new("x.csv"), CONFIDENCE_MIN);
        }
    }
}
