//! Another system beside a model, on the same recordings: its bouts in the layout of the challenge's submissions.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use anyhow::Context;

use super::table::Table;
use crate::behavior::{Behavior, Bout, Cell, Ethogram, Kind, Subject};
use crate::commands::corpora;
use crate::commands::offline::in_parallel;
use crate::corpus::mabe::submission::{self, Row};
use crate::corpus::{Corpus, Entry};
use crate::score::interval::{self, Interval, RecordingTallies};
use crate::time::DelayTicks;

/// Draws of a bootstrap, and their seed.
pub const RESAMPLES: usize = 10_000;
const SEED: u64 = 1;

/// The scores of the bouts in a file: of every recording those whose `video_id` is its id.
///
/// # Errors
/// A file that is no submission, and one without a bout of any of the recordings.
pub fn of_file(file: &Path, corpus: &Corpus, entries: &[Entry]) -> anyhow::Result<Table> {
    let input = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    let mut by_video = HashMap::<String, Vec<Row>>::new();
    for row in submission::read(input, file)? {
        by_video.entry(row.video.clone()).or_default().push(row);
    }
    let known = entries.iter().filter(|entry| by_video.contains_key(&entry.id)).count();
    anyhow::ensure!(
        known > 0,
        "{}: expected bouts with a video_id out of {:?}, got {:?}",
        file.display(),
        entries.iter().map(|entry| &entry.id).collect::<Vec<_>>(),
        by_video.keys().collect::<Vec<_>>()
    );
    say_unread(file, &by_video, corpus, entries);
    let annotated = in_parallel(entries, |entry| corpora::load(corpus, entry))?;
    let mut table = Table::new(corpus.ethogram(), &[DelayTicks(0)]);
    for (entry, annotated) in entries.iter().zip(&annotated) {
        let rows = by_video.get(&entry.id).map_or(&[][..], Vec::as_slice);
        let bouts: Vec<Bout> = rows.iter().flat_map(|row| bouts_of(row, corpus.ethogram())).collect();
        table.add(0, annotated, &bouts, &bouts);
    }
    Ok(table)
}

/// Says what of a file counts for nothing: it would look like a poor system otherwise.
fn say_unread(file: &Path, by_video: &HashMap<String, Vec<Row>>, corpus: &Corpus, entries: &[Entry]) {
    let file = file.display();
    let rows = || entries.iter().filter_map(|entry| by_video.get(&entry.id)).flatten();
    let unread = rows().filter(|row| bouts_of(row, corpus.ethogram()).next().is_none()).count();
    if unread > 0 {
        let example = rows().find(|row| bouts_of(row, corpus.ethogram()).next().is_none());
        eprintln!(
            "warning: {file}: {unread} of {} rows are no bouts of this corpus: action, subject or frames; the first is {example:?}",
            rows().count()
        );
    }
    let without: Vec<&str> =
        entries.iter().filter(|entry| !by_video.contains_key(&entry.id)).map(|entry| entry.id.as_str()).collect();
    if !without.is_empty() {
        eprintln!("warning: {file}: no rows of {without:?}: nothing is predicted there");
    }
}

/// The bout of a row in every label set that knows its action.
fn bouts_of<'a>(row: &'a Row, ethogram: &'a Ethogram) -> impl Iterator<Item = Bout> + 'a {
    let behaviors = ethogram.behaviors().filter(|(.., spec)| spec.name == row.action);
    behaviors.filter_map(|(behavior, _, spec)| bout_of(row, behavior, spec.kind))
}

fn bout_of(row: &Row, behavior: Behavior, kind: Kind) -> Option<Bout> {
    let subject = match (kind, row.subject) {
        (Kind::OfSelf, Subject::One(_)) | (Kind::Directed, Subject::Ordered { .. }) => row.subject,
        (Kind::Mutual | Kind::Undirected, Subject::Ordered { agent, target }) => {
            Subject::Both { first: agent.min(target), second: agent.max(target) }
        }
        _ => return None,
    };
    let (start, stop) = (u64::try_from(row.start).unwrap_or(0), u64::try_from(row.stop).ok()?);
    (start < stop).then_some(Bout { cell: Cell { behavior, subject }, start, stop })
}

/// The mean F1 of a table at each delay with the interval in which it may lie, and how much better that is than another's
/// at its first delay.
pub struct Comparison {
    recordings: usize,
    /// By delay.
    rows: Vec<(DelayTicks, Interval, Option<Interval>)>,
}

impl Comparison {
    /// # Errors
    /// Fewer than two recordings.
    pub fn new(table: &Table, other: Option<&Table>) -> anyhow::Result<Self> {
        let sizes: Vec<usize> = table.ethogram().label_sets().iter().map(|set| set.behaviors.len()).collect();
        let theirs = other.map(|other| other.recordings(0));
        let row = |(index, &delay): (usize, &DelayTicks)| {
            let ours: &[RecordingTallies] = table.recordings(index);
            let of_one = interval::of_one(ours, &sizes, RESAMPLES, SEED)?;
            let difference = theirs.map(|theirs| interval::of_difference(ours, theirs, &sizes, RESAMPLES, SEED));
            Ok((delay, of_one, difference.transpose()?))
        };
        let rows = table.delays().iter().enumerate().map(row).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { recordings: table.recordings(0).len(), rows })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let few = if self.recordings < 10 { " (few: the intervals are too narrow)" } else { "" };
        writeln!(f, "mean F1, 95% of {RESAMPLES} bootstraps over the {} recordings{few}", self.recordings)?;
        for (delay, own, difference) in &self.rows {
            let Interval { estimate, lower, upper } = own;
            write!(f, "  delay {:>3}: {estimate:.3} [{lower:.3}, {upper:.3}]", delay.0)?;
            if let Some(Interval { estimate, lower, upper }) = difference {
                write!(f, "   ahead by {estimate:+.3} [{lower:+.3}, {upper:+.3}], paired")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::{BehaviorSpec, Individual, LabelSet};

    #[test]
    fn a_row_is_a_bout_wherever_its_action_has_a_subject_of_its_kind() {
        let set = |name: &str, kind| LabelSet {
            name: name.to_owned(),
            behaviors: vec![BehaviorSpec { name: "chase".to_owned(), kind }],
        };
        let ethogram =
            Ethogram::new(vec![set("A", Kind::Undirected), set("B", Kind::Directed), set("C", Kind::OfSelf)]);
        let (agent, target) = (Individual(1), Individual(0));
        let row = |start, stop| Row {
            video: "v".to_owned(),
            subject: Subject::Ordered { agent, target },
            action: "chase".to_owned(),
            start,
            stop,
        };
        let bouts: Vec<Bout> = bouts_of(&row(-3, 7), &ethogram).collect();
        let subjects: Vec<Subject> = bouts.iter().map(|bout| bout.cell.subject).collect();
        assert_eq!(subjects, [Subject::Both { first: target, second: agent }, Subject::Ordered { agent, target }]);
        assert!(bouts.iter().all(|bout| (bout.start, bout.stop) == (0, 7)));
        assert_eq!(bouts_of(&row(-9, -3), &ethogram).count(), 0, "before the recording");
    }
}
