//! Rows as CSV.

use std::io::{self, Write};

use super::Row;
use crate::behavior::{Individual, Subject, pair_name};

const COLUMNS: [&str; 21] = [
    "session",
    "label_set",
    "behavior",
    "kind",
    "agent",
    "target",
    "pair",
    "bin",
    "bin_start_secs",
    "bin_stop_secs",
    "observation_start_secs",
    "observed_secs",
    "latency_secs",
    "count",
    "cut_count",
    "total_secs",
    "share",
    "mean_bout_secs",
    "median_bout_secs",
    "longest_bout_secs",
    "bouts_per_minute",
];

/// Writes a header and the rows; an empty cell is what R and pandas call NA.
///
/// | column | |
/// |---|---|
/// | `session`, `label_set`, `behavior`, `kind` | the kind is directed, self, mutual or undirected |
/// | `agent`, `target` | of a directed behavior; a self behavior has an agent only; others name neither |
/// | `pair` | for every behavior of two: both names in alphabetical order, joined by `+`, to group by |
/// | `bin` | counted from 1; empty for a row about the whole observation |
/// | `bin_start_secs`, `bin_stop_secs` | from the start of the observation |
/// | `observation_start_secs` | where in the recording the first scored frame is |
/// | `observed_secs` | scored time within; where it is 0, all that follows is empty |
/// | `latency_secs` | from the start of the bin (or observation) to the first onset within; else empty |
/// | `count`, `cut_count` | bouts that begin within; those of them cut by an edge of the scored time |
/// | `total_secs`, `share` | how long it happened within, and the share of that in the observed time |
/// | `mean_bout_secs`, `median_bout_secs`, `longest_bout_secs` | of the bouts that begin within; else empty |
/// | `bouts_per_minute` | count by observed minutes |
///
/// Seconds have at most six decimals, shares and rates nine.
///
/// # Errors
/// What writing gives.
pub fn write_csv<'a>(out: impl Write, rows: impl IntoIterator<Item = Row<'a>>) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS)?;
    for row in rows {
        csv.write_record(cells(&row))?;
    }
    csv.flush()
}

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let (session, sought) = (row.session, row.sought);
    let [agent, target, pair] = names(&session.individuals, sought.subject);
    let frames = |frames: f64| decimal(frames / session.rate_hz, 6);
    let observed_minutes = row.observed_frames as f64 / session.rate_hz / 60.0;
    let measures = row.measures.as_ref();
    let durations = measures.and_then(|measures| measures.durations);
    let given = |value: Option<String>| value.unwrap_or_default();
    [
        session.name.clone(),
        session.label_set.clone(),
        sought.behavior.clone(),
        sought.kind.name().to_string(),
        agent,
        target,
        pair,
        given(row.bin.map(|bin| bin.to_string())),
        decimal(row.bin_secs.start, 6),
        decimal(row.bin_secs.end, 6),
        given(row.observation_start.map(|start| frames(start as f64))),
        frames(row.observed_frames as f64),
        given(measures.and_then(|measures| measures.latency_frames).map(|latency| frames(latency as f64))),
        given(measures.map(|measures| measures.count.to_string())),
        given(measures.map(|measures| measures.cut_count.to_string())),
        given(measures.map(|measures| frames(measures.total_frames as f64))),
        given(measures.map(|measures| decimal(measures.total_frames as f64 / row.observed_frames as f64, 9))),
        given(durations.map(|durations| frames(durations.mean_frames))),
        given(durations.map(|durations| frames(durations.median_frames))),
        given(durations.map(|durations| frames(durations.longest_frames as f64))),
        given(measures.map(|measures| decimal(measures.count as f64 / observed_minutes, 9))),
    ]
}

/// Agent, target and pair of a subject; what it has not is empty.
pub(crate) fn names(individuals: &[String], subject: Subject) -> [String; 3] {
    let name = |individual: Individual| individuals[usize::from(individual.0)].clone();
    let pair = |a: Individual, b: Individual| pair_name(&name(a), &name(b));
    match subject {
        Subject::One(one) => [name(one), String::new(), String::new()],
        Subject::Ordered { agent, target } => [name(agent), name(target), pair(agent, target)],
        Subject::Both { first, second } => [String::new(), String::new(), pair(first, second)],
    }
}

/// A number with at most so many decimals, none of them a trailing zero.
pub(crate) fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}
