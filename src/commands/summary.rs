//! `vibrissa summary`

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::corpora::{self, Part};
use super::offline::{Decoded, in_parallel};
use super::predict::chosen_delay;
use super::recordings::Facts;
use crate::behavior::{Bout, Cell, Ethogram, Individual, Subject};
use crate::corpus::labels::disjoint;
use crate::corpus::mabe::submission;
use crate::corpus::{Annotated, Recording, SetLabels};
use crate::model::Model;
use crate::summary::{Session, Sought, rows, write_csv};

/// Summarise what happened in every session: a tidy CSV row for each session, ordered pair (or animal, or pair without
/// direction) and behavior, with latency, count and durations, in all or by time bins.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Recordings to predict, with --model.
    #[arg(value_name = "RECORDING", requires = "model", required_unless_present = "corpus")]
    recordings: Vec<PathBuf>,
    /// The model that predicts.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Decision delay in ticks of 1/30 s; the model's largest by default.
    #[arg(long, value_name = "TICKS", requires = "model")]
    delay: Option<u32>,
    /// Summarise the annotations of an imported corpus (or another folder in the layout of MABe) instead.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["recordings", "model"])]
    corpus: Option<PathBuf>,
    /// Which recordings of the corpus.
    #[arg(long, value_enum, default_value_t = Part::All)]
    split: Part,
    /// Summarise these predictions over the corpus's recordings instead of its annotations.
    #[arg(long, value_name = "CSV", requires = "corpus")]
    submission: Option<PathBuf>,
    /// Time bins of so many seconds; without it the whole observation.
    #[arg(long, value_name = "SECS")]
    bin_secs: Option<f64>,
    /// The CSV to write; standard output by default.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    facts: Facts,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let sessions = match (&args.corpus, &args.model) {
        (Some(corpus), _) => of_corpus(args, corpus)?,
        (None, Some(model)) => of_predictions(args, model)?,
        (None, None) => anyhow::bail!("expected --corpus, or --model and recordings"),
    };
    let mut all = Vec::new();
    for session in &sessions {
        all.extend(rows(session, args.bin_secs)?);
    }
    let out: Box<dyn Write> = match &args.out {
        Some(path) => Box::new(File::create(path).with_context(|| path.display().to_string())?),
        None => Box::new(io::stdout().lock()),
    };
    write_csv(BufWriter::new(out), all)?;
    if let Some(path) = &args.out {
        eprintln!("{}: {} sessions (a recording is one for each label set)", path.display(), sessions.len());
    }
    Ok(())
}

/// The annotations of a corpus, or predictions over it.
fn of_corpus(args: &Args, dir: &Path) -> anyhow::Result<Vec<Session>> {
    let corpus = corpora::open_layout(dir)?;
    let predicted = args.submission.as_deref().map(predictions).transpose()?;
    let entries = corpora::entries(&corpus, args.split)?;
    if let Some(predicted) = &predicted {
        let known: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        let foreign = predicted.keys().filter(|video| !known.contains(video.as_str())).count();
        if foreign > 0 {
            eprintln!("warning: {foreign} videos of the submission are none of the recordings");
        }
    }
    let sessions = in_parallel(&entries, |entry| {
        let mut annotated = corpora::load(&corpus, entry)?;
        if let Some(predicted) = &predicted {
            let rows = predicted.get(&annotated.recording.name).map_or(&[][..], Vec::as_slice);
            let unasked = replace_bouts(&mut annotated, corpus.ethogram(), rows);
            if unasked > 0 {
                let name = &annotated.recording.name;
                eprintln!("warning: {name}: {unasked} rows of the submission that nobody looked for do not count");
            }
        }
        Ok(sessions(corpus.ethogram(), &annotated.recording, &annotated.labels))
    })?;
    Ok(sessions.into_iter().flatten().collect())
}

fn predictions(path: &Path) -> anyhow::Result<BTreeMap<String, Vec<submission::Row>>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let mut by_video: BTreeMap<String, Vec<submission::Row>> = BTreeMap::new();
    for row in submission::read(file, path)? {
        by_video.entry(row.video.clone()).or_default().push(row);
    }
    Ok(by_video)
}

/// Puts predicted bouts in the place of the annotated ones, where somebody looked for them; gives how many rows no label
/// set of the recording asks for.
fn replace_bouts(annotated: &mut Annotated, ethogram: &Ethogram, rows: &[submission::Row]) -> usize {
    let Annotated { recording, labels, numbers, .. } = annotated;
    let extent = recording.extent();
    let slot = |animal: Individual| {
        let place = numbers.iter().position(|number| u16::from(*number) == u16::from(animal.0) + 1);
        place.map(|place| Individual(place as u8))
    };
    let cell_of = |labels: &SetLabels, row: &submission::Row| {
        let (a, b) = match row.subject {
            Subject::One(one) => (slot(one)?, slot(one)?),
            Subject::Ordered { agent: a, target: b } | Subject::Both { first: a, second: b } => (slot(a)?, slot(b)?),
        };
        let is_meant = |cell: &&Cell| {
            ethogram.spec(cell.behavior).name == row.action
                && match cell.subject {
                    Subject::One(one) => a == b && one == a,
                    Subject::Ordered { agent, target } => (agent, target) == (a, b),
                    Subject::Both { first, second } => (first, second) == (a.min(b), a.max(b)),
                }
        };
        labels.annotated.iter().find(is_meant).copied()
    };
    let frame = |frame: i64| (frame.max(0) as u64).clamp(extent.start, extent.end);
    let mut asked = vec![false; rows.len()];
    for labels in labels {
        let mut bouts: BTreeMap<Cell, Vec<Range<u64>>> = BTreeMap::new();
        for (row, asked) in rows.iter().zip(&mut asked) {
            let Some(cell) = cell_of(labels, row) else { continue };
            *asked = true;
            bouts.entry(cell).or_default().push(frame(row.start)..frame(row.stop));
        }
        labels.bouts = disjoint(bouts);
    }
    asked.iter().filter(|asked| !**asked).count()
}

fn of_predictions(args: &Args, model: &Path) -> anyhow::Result<Vec<Session>> {
    let model = Arc::new(Model::load(model)?);
    let delay = chosen_delay(&model, args.delay)?;
    let ethogram = model.ethogram();
    let of_recording = |recording: &Recording| -> anyhow::Result<Vec<Session>> {
        let decoded = Decoded::run(&model, recording)?;
        decoded.warn(recording);
        let bouts = decoded.bouts(delay, recording);
        let cells = ethogram.cells(recording.stream.individuals().len());
        let of_set = |set: usize| {
            let own = |cell: Cell| ethogram.label_set_of(cell.behavior) == set;
            SetLabels {
                scored: std::iter::once(recording.extent()).collect(),
                annotated: cells.iter().copied().filter(|cell| own(*cell)).collect(),
                bouts: bouts.iter().copied().filter(|bout| own(bout.cell)).collect(),
            }
        };
        let labels: Vec<SetLabels> = (0..ethogram.label_sets().len()).map(of_set).collect();
        Ok(self::sessions(ethogram, recording, &labels))
    };
    let sessions = in_parallel(&args.recordings, |path| {
        let recordings = args.facts.read_all(path, &model)?;
        recordings.iter().map(of_recording).collect::<anyhow::Result<Vec<_>>>()
    })?;
    Ok(sessions.into_iter().flatten().flatten().collect())
}

/// A session for each label set in which somebody looked for anything.
fn sessions(ethogram: &Ethogram, recording: &Recording, labels: &[SetLabels]) -> Vec<Session> {
    let looked = ethogram.label_sets().iter().zip(labels).filter(|(_, labels)| !labels.annotated.is_empty());
    let session = |(set, labels): (&crate::behavior::LabelSet, &SetLabels)| {
        let sought = |cell: &Cell| {
            let spec = ethogram.spec(cell.behavior);
            Sought { behavior: spec.name.clone(), kind: spec.kind, subject: cell.subject }
        };
        let place = |bout: &Bout| labels.annotated.iter().position(|cell| *cell == bout.cell);
        Session {
            name: recording.name.clone(),
            label_set: set.name.clone(),
            individuals: recording.stream.individuals().to_vec(),
            rate_hz: recording.stream.rate_hz(),
            frames: recording.extent(),
            scored: labels.scored.clone(),
            cells: labels.annotated.iter().map(sought).collect(),
            bouts: labels.bouts.iter().filter_map(|bout| Some((place(bout)?, bout.start..bout.stop))).collect(),
        }
    };
    looked.map(session).collect()
}
