//! Scores tick by tick, as a parquet table: a row for each tick and each series.
//!
//! | column | type | |
//! |---|---|---|
//! | `video_id`, `label_set`, `behavior` | text | |
//! | `kind` | text | `directed`, `self`, `mutual`, `undirected` |
//! | `agent`, `target` | text or null | the animals' names; a self behavior has the agent as its target; both null where nobody is the agent |
//! | `pair` | text or null | `a+b`, in alphabetical order, where nobody is the agent |
//! | `delay_ticks` | int32 | how long after `tick` the verdict on it was given |
//! | `tick`, `frame` | int64 | the tick that the score is about, and its first frame in the recording |
//! | `score` | float | what the head gave; NaN where it could not say |
//!
//! Rows come in groups of [`GROUP_ROWS`] at most; within a group they are sorted by series, then as they were pushed.

use std::collections::HashMap;
use std::path::Path;

use super::table::{Kind as Column, NONE, Values, Writer as Table};
use crate::behavior::{Individual, Kind, Subject, pair_name};
use crate::corpus::error::CorpusError;

/// Rows of a row group, which are held until it is full (24 bytes each).
pub const GROUP_ROWS: usize = 1 << 18;

const COLUMNS: [(&str, Column); 11] = [
    ("video_id", Column::Text),
    ("label_set", Column::Text),
    ("behavior", Column::Text),
    ("kind", Column::Text),
    ("agent", Column::TextOrNone),
    ("target", Column::TextOrNone),
    ("pair", Column::TextOrNone),
    ("delay_ticks", Column::Int32),
    ("tick", Column::Int64),
    ("frame", Column::Int64),
    ("score", Column::Float),
];
const TEXT_COLUMNS: usize = 7;

/// What a run of scores is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series<'a> {
    pub video: &'a str,
    pub label_set: &'a str,
    pub behavior: &'a str,
    pub kind: Kind,
    pub subject: Subject,
    /// Names of the recording's individuals, slot by slot.
    pub individuals: &'a [String],
    pub delay_ticks: u32,
}

/// A series of a [`Writer`], by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesId(u32);

/// Writes scores as they come; what it holds is bounded by a row group and the number of series.
pub struct Writer {
    table: Table,
    /// All texts that occur, and where each stands among them.
    names: Vec<String>,
    codes: HashMap<String, u32>,
    /// Codes of the texts of each series, and its delay.
    series: Vec<([u32; TEXT_COLUMNS], u32)>,
    rows: Vec<Scored>,
}

#[derive(Clone, Copy)]
struct Scored {
    tick: i64,
    frame: i64,
    series: u32,
    score: f32,
}

impl Writer {
    /// # Errors
    /// A file that cannot be created.
    pub fn create(file: &Path) -> Result<Self, CorpusError> {
        let table = Table::create(file, &COLUMNS)?;
        Ok(Self { table, names: Vec::new(), codes: HashMap::new(), series: Vec::new(), rows: Vec::new() })
    }

    /// Announces a series, whose scores may be pushed from now on.
    pub fn series(&mut self, series: &Series) -> SeriesId {
        let name = |individual: Individual| {
            // A slot without a name is numbered, as elsewhere in this layout.
            let slot = usize::from(individual.0);
            series.individuals.get(slot).cloned().unwrap_or_else(|| format!("mouse{}", slot + 1))
        };
        let (agent, target, pair) = match series.subject {
            Subject::One(agent) => (Some(name(agent)), Some(name(agent)), None),
            Subject::Ordered { agent, target } => (Some(name(agent)), Some(name(target)), None),
            Subject::Both { first, second } => (None, None, Some(pair_name(&name(first), &name(second)))),
        };
        let texts =
            [series.video, series.label_set, series.behavior, series.kind.name()].map(|text| Some(text.to_string()));
        let mut codes = [NONE; TEXT_COLUMNS];
        for (code, text) in codes.iter_mut().zip(texts.into_iter().chain([agent, target, pair])) {
            *code = text.map_or(NONE, |text| self.code(text));
        }
        self.series.push((codes, series.delay_ticks));
        SeriesId(self.series.len() as u32 - 1)
    }

    fn code(&mut self, text: String) -> u32 {
        let names = &mut self.names;
        *self.codes.entry(text).or_insert_with_key(|text| {
            names.push(text.clone());
            names.len() as u32 - 1
        })
    }

    /// Adds the score of a tick.
    ///
    /// # Errors
    /// What writing a full row group gives.
    pub fn push(&mut self, series: SeriesId, tick: u64, frame: u64, score: f32) -> Result<(), CorpusError> {
        self.rows.push(Scored { tick: tick as i64, frame: frame as i64, series: series.0, score });
        if self.rows.len() == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes the rows that are held.
    fn flush(&mut self) -> Result<(), CorpusError> {
        self.rows.sort_by_key(|row| row.series);
        let texts: Vec<Vec<u32>> = (0..TEXT_COLUMNS)
            .map(|column| self.rows.iter().map(|row| self.series[row.series as usize].0[column]).collect())
            .collect();
        let delays: Vec<i64> = self.rows.iter().map(|row| i64::from(self.series[row.series as usize].1)).collect();
        let ticks: Vec<i64> = self.rows.iter().map(|row| row.tick).collect();
        let frames: Vec<i64> = self.rows.iter().map(|row| row.frame).collect();
        let scores: Vec<f32> = self.rows.iter().map(|row| row.score).collect();
        let mut columns: Vec<Values> = texts.iter().map(|codes| Values::Texts(&self.names, codes)).collect();
        columns.extend([&delays, &ticks, &frames].map(|ints| Values::Ints(ints)));
        columns.push(Values::Floats(&scores));
        self.table.group(&columns)?;
        self.rows.clear();
        Ok(())
    }

    /// Completes the file, which cannot be read before.
    ///
    /// # Errors
    /// What writing gives.
    pub fn finish(mut self) -> Result<(), CorpusError> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.table.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::mabe::table::{Columns, Table as Reader};

    const TICKS: u64 = GROUP_ROWS as u64 / 2 + 10;

    #[test]
    fn scores_come_back_series_by_series_in_each_group() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("scores.parquet");
        let individuals = ["A".to_string(), "B".to_string()];
        let (first, second) = (Individual(0), Individual(1));
        let directed = Series {
            video: "7",
            label_set: "Lab",
            behavior: "attack",
            kind: Kind::Directed,
            subject: Subject::Ordered { agent: second, target: first },
            individuals: &individuals,
            delay_ticks: 15,
        };
        let kind = Kind::Undirected;
        let undirected =
            Series { behavior: "social", kind, subject: Subject::Both { first, second }, ..directed.clone() };
        let mut writer = Writer::create(&file).unwrap();
        let series = [writer.series(&directed), writer.series(&undirected)];
        for tick in 0..TICKS {
            writer.push(series[0], tick, 2 * tick, tick as f32).unwrap();
            writer.push(series[1], tick, 2 * tick, f32::NAN).unwrap();
        }
        writer.finish().unwrap();

        let table = Reader::open(&file).unwrap();
        let (mut rows, mut known) = (Vec::new(), 0);
        let columns = Columns {
            ints: &["delay_ticks", "tick", "frame"],
            texts: &["video_id", "label_set", "behavior", "kind"],
            floats: &["score"],
        };
        table
            .scan(&columns, |batch| {
                let [delays, ticks, frames] = &batch.ints[..] else { unreachable!() };
                assert!(delays.iter().all(|delay| *delay == 15));
                assert!(ticks.iter().zip(frames).all(|(tick, frame)| 2 * tick == *frame));
                for (index, tick) in ticks.iter().enumerate() {
                    rows.push((batch.texts[2][index], *tick));
                    let score = batch.floats[0][index];
                    assert!(if batch.texts[2][index] == 0 { score == *tick as f32 } else { score.is_nan() });
                }
                known = known.max(batch.names.iter().flatten().count());
                Ok(())
            })
            .unwrap();
        // Two behaviors of two kinds, of one video and one label set.
        assert_eq!(known, 6);
        let half = GROUP_ROWS as i64 / 2;
        let run = |series: u32, ticks: std::ops::Range<i64>| ticks.map(move |tick| (series, tick));
        let expected =
            run(0, 0..half).chain(run(1, 0..half)).chain(run(0, half..half + 10)).chain(run(1, half..half + 10));
        assert!(rows.into_iter().eq(expected));
        // Where nobody is the agent, none is named.
        let error =
            table.scan(&Columns { texts: &["agent"], ..Columns::default() }, |_| Ok(())).unwrap_err().to_string();
        assert!(
            error.contains(&format!("row {}: expected a text in the column \"agent\", got an empty cell", half + 1)),
            "{error}"
        );
    }
}
