//! Events of BORIS, the Behavioral Observation Research Interactive Software: its exports read, its tables written.
//!
//! Three kinds of table are read, told apart by their columns, which are found by name; others may be there too:
//! - *tabular events* with a preamble (versions up to 7): names and values (`Observation id`, `Player #1`,
//!   `Time offset (s)`, …), then a header with `Time`, `Behavior` and `Status`, then an event a row;
//! - *tabular events* of later versions: the same without a preamble, `Behavior type` for `Status`;
//! - *aggregated events*: a bout a row, with `Start (s)` and `Stop (s)`.
//!
//! Commas, tabs or semicolons separate the cells, a mark of UTF-8 may come first; `1,5` is a number only between
//! semicolons. `NA` is an empty cell.
//!
//! **Times.** BORIS shows and exports the media's time *plus* the observation's `Time offset (s)`: the offset is taken
//! off again. Frames are preferred, where both ends of a bout carry an `Image index` (the frame's number from 0).
//!
//! **Who.** The subject is the agent (`No focal subject` is nobody), the first modifier that is filled the target.
//! Where no modifier is, a target may stand behind the last [`TARGET_SEPARATOR`] of the behavior (`attack>mouse2`).
//!
//! **Which recording.** The media file's name without folder and ending, else the observation's id. Events of one
//! observation in several media files are refused: their times count through all of them.

mod aggregated;
mod event;
mod pairing;
mod rows;
mod table;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::path::Path;

pub use writer::{Bout, Layout, Options, Session, write};

use super::{Annotation, Annotations};
use crate::corpus::error::{CorpusError, Place, quoted};
use event::Event;
use table::{Row, Table};

/// Between behavior and target where a reader of our tables knows no modifiers.
pub const TARGET_SEPARATOR: char = '>';

/// Subject of an event that nobody in particular did.
const NO_SUBJECT: &str = "No focal subject";

/// Name of the first column, also the first cell of a preamble; in lower case.
const OBSERVATION_ID: &str = "observation id";

/// The latest time of a media file, in seconds (115 days): later ones are dates, not times of a video.
const SECS_MAX: f64 = 1e7;

/// Whether a file that starts like this is one of the tables read here.
pub fn recognises(start: &str) -> bool {
    table::recognises(start)
}

/// Reads every observation of an export, in the order in which the file names them first.
///
/// # Errors
/// What is no such table; a time, frame or status that cannot be; a state that was started twice, stopped without a
/// start or never stopped; events of one observation in several media files. Each with its row.
pub fn read(file: &Path) -> Result<Vec<Annotations>, CorpusError> {
    let bytes = std::fs::read(file).map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
    parse(&bytes, file)
}

/// As [`read`], from bytes; `file` is what errors are named after.
///
/// # Errors
/// See [`read`].
pub fn parse(bytes: &[u8], file: &Path) -> Result<Vec<Annotations>, CorpusError> {
    let mut table = Table::open(bytes, file)?;
    let mut observations = Observations::default();
    if table.has_preamble() {
        observations.find(table.observation());
    }
    while let Some(row) = table.next()? {
        observations.find(&row.observation()).add(&row)?;
    }
    let media = table.media();
    observations.in_order.into_iter().map(|observation| observation.finish(file, media.as_deref())).collect()
}

#[derive(Default)]
struct Observations {
    in_order: Vec<Observation>,
    places: HashMap<String, usize>,
}

impl Observations {
    fn find(&mut self, id: &str) -> &mut Observation {
        let next = self.in_order.len();
        let place = *self.places.entry(id.to_string()).or_insert(next);
        if place == next {
            self.in_order.push(Observation { id: id.to_string(), ..Observation::default() });
        }
        &mut self.in_order[place]
    }
}

#[derive(Default)]
struct Observation {
    id: String,
    media: Option<String>,
    /// Of tabular events.
    events: Vec<Event>,
    /// Of aggregated events.
    bouts: Vec<Annotation>,
    repairs: Vec<String>,
}

impl Observation {
    fn add(&mut self, row: &Row) -> Result<(), CorpusError> {
        if let Some(media) = row.media() {
            match &self.media {
                Some(known) if *known != media => {
                    let expected = format!("events of one media file in an observation, {}", quoted(known));
                    return Err(row.place().fault(expected, quoted(&media)));
                }
                _ => self.media = Some(media),
            }
        }
        if row.is_aggregated() {
            self.bouts.push(aggregated::bout(row, &mut self.repairs)?);
        } else {
            self.events.push(Event::of(row)?);
        }
        Ok(())
    }

    fn finish(self, file: &Path, media: Option<&str>) -> Result<Annotations, CorpusError> {
        let Self { id, media: own_media, events, bouts: mut intervals, mut repairs } = self;
        intervals.extend(pairing::bouts(events, file, &mut repairs)?);
        let stem = own_media.as_deref().or(media).map(table::stem_of).filter(|stem| !stem.is_empty());
        let recording = stem.map(str::to_string).or((!id.is_empty()).then_some(id));
        Ok(Annotations { file: file.to_path_buf(), recording, channels: Vec::new(), intervals, repairs })
    }
}

/// The fault of a row.
fn fault(file: &Path, row: u64, expected: impl Into<String>, got: impl Into<String>) -> CorpusError {
    Place::row(file, row).fault(expected, got)
}
