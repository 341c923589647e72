//! `MABe` submissions: a row for each predicted bout.
//!
//! Columns `row_id,video_id,agent_id,target_id,action,start_frame,stop_frame`; animals are `mouse1`, `mouse2`, … in the
//! order of the recording's slots, a self behavior has the target `self`, the stop frame is exclusive.

use std::io::{self, Read, Write};
use std::path::Path;

use crate::behavior::{Bout, Ethogram, Individual, Subject};
use crate::corpus::error::{CorpusError, Place, quoted};

const COLUMNS: [&str; 7] = ["row_id", "video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame"];
const SELF: &str = "self";
const ANIMAL: &str = "mouse";

/// A bout as a submission names it. The subject is one animal or an ordered pair: the format has no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub video: String,
    pub subject: Subject,
    pub action: String,
    /// First frame. Signed, as submissions with frames before the recording are scored too.
    pub start: i64,
    /// One past the last frame.
    pub stop: i64,
}

impl Row {
    /// The row of a bout in frames. A pair without direction must be given an order: the lower slot first.
    pub fn new(video: &str, ethogram: &Ethogram, bout: &Bout) -> Self {
        let subject = match bout.cell.subject {
            Subject::Both { first, second } => Subject::Ordered { agent: first, target: second },
            subject => subject,
        };
        let action = ethogram.spec(bout.cell.behavior).name.clone();
        Self { video: video.to_string(), subject, action, start: bout.start as i64, stop: bout.stop as i64 }
    }
}

/// Writes rows, numbered from 0.
pub struct Writer<W: Write> {
    csv: csv::Writer<W>,
    row_id: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// What writing gives.
    pub fn new(out: W) -> io::Result<Self> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(COLUMNS)?;
        Ok(Self { csv, row_id: 0 })
    }

    /// # Errors
    /// What writing gives.
    pub fn write(&mut self, row: &Row) -> io::Result<()> {
        let (agent, target) = match row.subject {
            Subject::One(agent) => (agent, None),
            Subject::Ordered { agent, target } | Subject::Both { first: agent, second: target } => {
                (agent, Some(target))
            }
        };
        let animal = |individual: Individual| format!("{ANIMAL}{}", u16::from(individual.0) + 1);
        let target = target.map_or(SELF.to_string(), animal);
        let (row_id, start, stop) = (self.row_id.to_string(), row.start.to_string(), row.stop.to_string());
        self.csv.write_record([&row_id, &row.video, &animal(agent), &target, &row.action, &start, &stop])?;
        self.row_id += 1;
        Ok(())
    }

    /// Flushes and gives the output back.
    ///
    /// # Errors
    /// What writing gives.
    pub fn finish(self) -> io::Result<W> {
        self.csv.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// Reads the rows of a submission; `file` is what errors are named after.
///
/// # Errors
/// Whatever is no submission, with its row and column.
pub fn read(input: impl Read, file: &Path) -> Result<Vec<Row>, CorpusError> {
    let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
    let mut rows = Vec::new();
    let (mut number, mut header_seen) = (0, false);
    for record in csv.records() {
        let record = record
            .map_err(|error| Place::row(file, number + 1).fault("a row of comma-separated cells", error.to_string()))?;
        number = record.position().map_or(number + 1, csv::Position::line);
        if record.len() != COLUMNS.len() {
            return Err(Place::row(file, number).fault(format!("{} columns", COLUMNS.len()), record.len().to_string()));
        }
        if header_seen {
            rows.push(parse_row(&record, file, number)?);
            continue;
        }
        if let Some((column, wanted)) = (0..).zip(COLUMNS).find(|(column, name)| record[*column] != **name) {
            return Err(Place::cell(file, number, column + 1).fault(quoted(wanted), quoted(&record[column])));
        }
        header_seen = true;
    }
    if !header_seen {
        return Err(Place::file(file).fault(format!("the header {:?}", COLUMNS.join(",")), "an empty file"));
    }
    Ok(rows)
}

fn parse_row(record: &csv::StringRecord, file: &Path, row: u64) -> Result<Row, CorpusError> {
    let fault =
        |column: usize, expected: &str| Place::cell(file, row, column + 1).fault(expected, quoted(&record[column]));
    let animal = |column: usize| {
        let number: Option<u8> = record[column].strip_prefix(ANIMAL).and_then(|number| number.parse().ok());
        number.and_then(|number| number.checked_sub(1)).map(Individual)
    };
    let frame = |column: usize| record[column].parse::<i64>().map_err(|_| fault(column, "a frame number"));
    record[0].parse::<u64>().map_err(|_| fault(0, "a row number"))?;
    let agent = animal(2).ok_or_else(|| fault(2, "mouse1, mouse2, …"))?;
    let subject = match &record[3] {
        SELF => Subject::One(agent),
        _ => match animal(3) {
            Some(target) if target != agent => Subject::Ordered { agent, target },
            _ => return Err(fault(3, "self or another mouse than the agent")),
        },
    };
    let (start, stop) = (frame(5)?, frame(6)?);
    if stop < start {
        return Err(fault(6, &format!("a stop frame of {start} or later")));
    }
    Ok(Row { video: record[1].to_string(), subject, action: record[4].to_string(), start, stop })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::{Behavior, BehaviorSpec, Cell, Kind, LabelSet};

    fn ethogram() -> Ethogram {
        let kinds = [("rear", Kind::OfSelf), ("attack", Kind::Directed), ("social", Kind::Undirected)];
        let behaviors = kinds.map(|(name, kind)| BehaviorSpec { name: name.to_string(), kind });
        Ethogram::new(vec![LabelSet { name: "Lab".to_string(), behaviors: behaviors.to_vec() }])
    }

    fn rows() -> Vec<Row> {
        let (first, second) = (Individual(0), Individual(1));
        let subjects =
            [Subject::One(second), Subject::Ordered { agent: second, target: first }, Subject::Both { first, second }];
        let bouts = (0..).zip(subjects).map(|(behavior, subject)| Bout {
            cell: Cell { behavior: Behavior(behavior), subject },
            start: u64::from(behavior),
            stop: 10,
        });
        bouts.map(|bout| Row::new("2DLC_a,b", &ethogram(), &bout)).collect()
    }

    const TEXT: &str = "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame\n\
        0,\"2DLC_a,b\",mouse2,self,rear,0,10\n\
        1,\"2DLC_a,b\",mouse2,mouse1,attack,1,10\n\
        2,\"2DLC_a,b\",mouse1,mouse2,social,2,10\n";

    #[test]
    fn a_submission_comes_back_as_it_was_written() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for row in rows() {
            writer.write(&row).unwrap();
        }
        let bytes = writer.finish().unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), TEXT);
        assert_eq!(read(&bytes[..], Path::new("s.csv")).unwrap(), rows());
        let empty = Writer::new(Vec::new()).unwrap().finish().unwrap();
        assert_eq!(read(&empty[..], Path::new("s.csv")).unwrap(), []);
    }

    #[test]
    fn a_fault_is_named_with_its_place_and_both_sides() {
        for (from, to, wanted) in [
            ("agent_id", "agent", r#"row 1, column 3: expected "agent_id", got "agent""#),
            ("0,\"2DLC_a,b\"", "zero,v", r#"row 2, column 1: expected a row number, got "zero""#),
            ("mouse2,self", "rat,self", r#"row 2, column 3: expected mouse1, mouse2, …, got "rat""#),
            ("mouse2,self", "mouse0,self", r#"row 2, column 3: expected mouse1, mouse2, …, got "mouse0""#),
            (
                "mouse2,mouse1",
                "mouse1,mouse1",
                r#"row 3, column 4: expected self or another mouse than the agent, got "mouse1""#,
            ),
            (",1,10", ",1.5,10", r#"row 3, column 6: expected a frame number, got "1.5""#),
            (",2,10", ",2", "row 4: expected 7 columns, got 6"),
        ] {
            assert!(TEXT.contains(from), "{from}");
            let error = read(TEXT.replacen(from, to, 1).as_bytes(), Path::new("s.csv")).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.starts_with("s.csv: "), "{error}\nis not\n{wanted}");
        }
        assert!(read(&b""[..], Path::new("s.csv")).unwrap_err().to_string().contains("an empty file"));
    }
}
