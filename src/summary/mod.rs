//! What an ethologist counts: how soon, how often, how long and in which part of the time each behavior happened.
//!
//! A row is one session, one behavior and one subject (an ordered pair, an animal, or a pair without direction), over
//! the whole observation or over one time bin of it: the long form that R and pandas take as it is. Whatever was looked
//! for has its rows, also what never happened.
//!
//! # What counts as observed
//! Only the scored frames. The *observation* runs from the first scored frame to the last; all times of a row are
//! seconds from its start, except `observation_start_secs`, which says where in the recording that is. Holes between
//! scored stretches are part of the observation but not of `observed_secs`. Where nothing was observed, nothing is
//! known: the measures are empty, not zero.
//!
//! # What counts as a bout
//! Bouts of one cell that touch or overlap are one. A bout is then cut to the scored stretches, and each piece counts
//! as a bout of its own: nobody knows what happened in between. A piece that begins or ends at the edge of its stretch
//! is also in `cut_count`, as its true duration is not known, only that it is no shorter.
//!
//! In a time bin, a bout counts where it begins, with its whole duration for mean, median and longest; its time
//! (`total_secs`, `share`) is split among the bins that it runs through. So counts and totals of the bins add up to the
//! whole, and a bin can have time without a bout.

mod measures;
mod table;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::measures::{Edges, Observation};
use crate::behavior::{Individual, Kind, Subject};
use crate::corpus::spans;

pub use measures::{Durations, Measures};
pub use table::write_csv;
pub(crate) use table::{decimal, names};

/// Most time bins of one observation.
pub const BINS_MAX: u64 = 1 << 20;

/// Frames beyond this number are refused, as their seconds would not be exact.
pub const FRAMES_MAX: u64 = 1 << 48;

/// The annotations or predictions of one label set over one recording; all frames by number.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub name: String,
    pub label_set: String,
    /// Names of the animals, by slot.
    pub individuals: Vec<String>,
    pub rate_hz: f64,
    /// From the first frame of the recording to one past its last.
    pub frames: Range<u64>,
    /// Where somebody looked, in any order.
    pub scored: Vec<Range<u64>>,
    /// What was looked for, each cell once.
    pub cells: Vec<Sought>,
    /// What happened, in any order: the index of its cell, and when.
    pub bouts: Vec<(usize, Range<u64>)>,
}

/// A behavior of a subject, as it was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    pub behavior: String,
    pub kind: Kind,
    pub subject: Subject,
}

/// One row: a cell over the whole observation, or over a bin of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    pub session: &'a Session,
    pub sought: &'a Sought,
    /// Counted from 1; `None` for the whole observation.
    pub bin: Option<u64>,
    /// From the observation's start. The last bin is as long as the others, even where the observation ends in it.
    pub bin_secs: Range<f64>,
    /// The first scored frame; `None` where there is none.
    pub observation_start: Option<u64>,
    /// Scored frames within.
    pub observed_frames: u64,
    /// `None` where nothing was observed.
    pub measures: Option<Measures>,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SummaryError {
    #[error("{session}: expected a rate above 0 Hz, got {got}")]
    Rate { session: String, got: f64 },
    #[error("{session}: expected frames of 0 to {FRAMES_MAX}, got one past {got}")]
    Frames { session: String, got: u64 },
    #[error("{session}: cell {cell}: expected a subject of the kind {kind:?} among {animals} animals, got {got:?}")]
    Subject { session: String, cell: usize, kind: Kind, animals: usize, got: Subject },
    #[error("{session}: cell {cell}: expected each behavior of a subject once, got {behavior:?} of {got:?} again")]
    Doubled { session: String, cell: usize, behavior: String, got: Subject },
    #[error("{session}: bout {bout}: expected one of {cells} cells, got the cell {got}")]
    Bout { session: String, bout: usize, cells: usize, got: usize },
    #[error("{session}: expected bins of one frame ({frame_secs} s) at least, got {got} s")]
    Bin { session: String, frame_secs: f64, got: f64 },
    #[error("{session}: expected at most {BINS_MAX} bins, got {got} of {bin_secs} s")]
    Bins { session: String, got: u64, bin_secs: f64 },
}

/// The rows of a session, cell by cell in the session's order: one each for the whole observation, or, with
/// `bin_secs`, one for each bin, the first of which begins with the observation. Bins have a whole number of frames:
/// their edges are rounded to the nearest frame.
///
/// # Errors
/// A session that contradicts itself, bins shorter than a frame, and more bins than [`BINS_MAX`].
pub fn rows(session: &Session, bin_secs: Option<f64>) -> Result<impl Iterator<Item = Row<'_>>, SummaryError> {
    check(session)?;
    let scored = spans::intersection(&spans::union(session.scored.clone()), &whole(&session.frames));
    let extent = match (scored.first(), scored.last()) {
        (Some(first), Some(last)) => first.start..last.end,
        _ => 0..0,
    };
    let edges = match bin_secs {
        None => Edges::whole(&extent, session.rate_hz),
        Some(secs) => Edges::every(secs, &extent, session)?,
    };
    let mut bouts: Vec<Vec<Range<u64>>> = vec![Vec::new(); session.cells.len()];
    for (cell, frames) in &session.bouts {
        bouts[*cell].push(frames.clone());
    }
    let observation = Observation::new(scored, edges);
    let observation_start = observation.start();
    Ok(session.cells.iter().zip(bouts).flat_map(move |(sought, bouts)| {
        let bins = observation.measure(bouts).into_iter();
        bins.map(move |bin| Row {
            session,
            sought,
            bin: bin_secs.is_some().then_some(bin.number),
            bin_secs: bin.secs,
            observation_start,
            observed_frames: bin.observed_frames,
            measures: bin.measures,
        })
    }))
}

fn whole(frames: &Range<u64>) -> Vec<Range<u64>> {
    spans::union(vec![frames.clone()])
}

fn check(session: &Session) -> Result<(), SummaryError> {
    let name = || session.name.clone();
    if !(session.rate_hz > 0.0 && session.rate_hz.is_finite()) {
        return Err(SummaryError::Rate { session: name(), got: session.rate_hz });
    }
    if session.frames.end > FRAMES_MAX {
        return Err(SummaryError::Frames { session: name(), got: session.frames.end });
    }
    let animals = session.individuals.len();
    let mut seen = std::collections::HashSet::new();
    for (cell, sought) in session.cells.iter().enumerate() {
        if !fits(sought, animals) {
            let (kind, got) = (sought.kind, sought.subject);
            return Err(SummaryError::Subject { session: name(), cell, kind, animals, got });
        }
        if !seen.insert((&sought.behavior, sought.kind, sought.subject)) {
            let (behavior, got) = (sought.behavior.clone(), sought.subject);
            return Err(SummaryError::Doubled { session: name(), cell, behavior, got });
        }
    }
    let cells = session.cells.len();
    match session.bouts.iter().enumerate().find(|(_, (cell, _))| *cell >= cells) {
        Some((bout, (got, _))) => Err(SummaryError::Bout { session: name(), bout, cells, got: *got }),
        None => Ok(()),
    }
}

/// Whether a subject is one of its kind, and of animals that are there.
fn fits(sought: &Sought, animals: usize) -> bool {
    let there = |individual: Individual| usize::from(individual.0) < animals;
    match (sought.kind, sought.subject) {
        (Kind::OfSelf, Subject::One(one)) => there(one),
        (Kind::Directed, Subject::Ordered { agent, target }) => there(agent) && there(target) && agent != target,
        (Kind::Mutual | Kind::Undirected, Subject::Both { first, second }) => first < second && there(second),
        _ => false,
    }
}
