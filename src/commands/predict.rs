//! `vibrissa predict`

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use super::corpora::{self, Part};
use super::offline::{Decoded, in_frames, in_parallel};
use super::recordings::Facts;
use crate::behavior::{Behavior, Bout, Individual, Subject, pair_name};
use crate::corpus::annotations::boris;
use crate::corpus::mabe::dataset::Dataset;
use crate::corpus::mabe::scores::{self, Series};
use crate::corpus::mabe::submission::{Row, Writer};
use crate::corpus::recording::name_of;
use crate::corpus::timeline::Timeline;
use crate::corpus::{Corpus, Entry, Recording};
use crate::model::Model;
use crate::time::DelayTicks;

/// Score recordings offline, by the same core that detects live: bouts as MABe submission rows or for BORIS, scores as
/// parquet.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model directory.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Pose files of any format that `inspect` knows.
    #[arg(value_name = "RECORDING", required_unless_present = "corpus")]
    recordings: Vec<PathBuf>,
    /// Score the recordings of an imported corpus (or another folder in the layout of MABe) instead.
    #[arg(long, value_name = "DIR", conflicts_with = "recordings")]
    corpus: Option<PathBuf>,
    /// Which recordings of the corpus.
    #[arg(long, value_enum, default_value_t = Part::Test, requires = "corpus")]
    split: Part,
    /// The MABe submission to write.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["boris", "scores"])]
    out: Option<PathBuf>,
    /// A folder for BORIS tables of each recording: NAME.csv (tabular events) and NAME.paste.txt, which BORIS takes into
    /// an observation by "Paste events".
    #[arg(long, value_name = "DIR")]
    boris: Option<PathBuf>,
    /// Write the target into the code (attack>mouse2) instead of into the modifier, for readers of BORIS tables that
    /// know no modifiers.
    #[arg(long, requires = "boris")]
    target_in_code: bool,
    /// The score of every tick and cell, as parquet; recordings in the order in which they were done.
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Decision delay in ticks of 1/30 s; the model's largest by default.
    #[arg(long, value_name = "TICKS")]
    delay: Option<u32>,
    /// Only this label set (repeatable); all by default.
    #[arg(long = "lab", value_name = "NAME")]
    labs: Vec<String>,
    #[command(flatten)]
    facts: Facts,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Arc::new(Model::load(&args.model)?);
    let job = Job::new(args, Arc::clone(&model))?;
    let sources = sources(args)?;
    let out = match &args.out {
        Some(path) => Some((path, File::create(path).with_context(|| path.display().to_string())?)),
        None => None,
    };
    if let Some(folder) = &args.boris {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    // One bad recording must not cost the others of a night.
    let results = in_parallel(&sources.list, |source| Ok(job.score(source, sources.corpus.as_ref())))?;
    let (mut rows, mut bouts, mut good, mut failed) = (Vec::new(), 0, 0, 0);
    for result in results {
        match result {
            Ok(scored) => {
                bouts += scored.bouts;
                good += scored.recordings;
                rows.extend(scored.rows);
            }
            Err(error) => {
                failed += 1;
                eprintln!("error: {error:#}");
            }
        }
    }
    if let Some((path, file)) = out {
        let mut writer = Writer::new(BufWriter::new(file))?;
        rows.iter().try_for_each(|row| writer.write(row)).with_context(|| path.display().to_string())?;
        writer.finish()?;
    }
    eprintln!("{bouts} bouts of {good} recordings at delay {}", job.delay.0);
    job.finish()?;
    anyhow::ensure!(failed == 0, "{failed} of {} recordings could not be scored", sources.list.len());
    Ok(())
}

/// What is to be scored.
struct Sources {
    corpus: Option<Corpus>,
    list: Vec<Source>,
}

enum Source {
    File(PathBuf),
    Entry(Entry),
}

fn sources(args: &Args) -> anyhow::Result<Sources> {
    if let Some(dir) = &args.corpus {
        let corpus = corpora::open_layout(dir)?;
        let list = corpora::entries(&corpus, args.split)?.into_iter().map(Source::Entry).collect();
        return Ok(Sources { corpus: Some(corpus), list });
    }
    for (index, path) in args.recordings.iter().enumerate() {
        let doubled = args.recordings[..index].iter().find(|other| name_of(other) == name_of(path));
        anyhow::ensure!(
            doubled.is_none(),
            "{}: a second recording of the video_id {:?}",
            path.display(),
            name_of(path)
        );
    }
    Ok(Sources { corpus: None, list: args.recordings.iter().cloned().map(Source::File).collect() })
}

/// How all recordings are scored.
struct Job<'a> {
    args: &'a Args,
    model: Arc<Model>,
    delay: DelayTicks,
    scores: Option<Mutex<scores::Writer>>,
}

/// What became of the recordings of a file.
#[derive(Default)]
struct Scored {
    recordings: usize,
    bouts: usize,
    rows: Vec<Row>,
}

impl<'a> Job<'a> {
    fn new(args: &'a Args, model: Arc<Model>) -> anyhow::Result<Self> {
        let delay = chosen_delay(&model, args.delay)?;
        let sets = model.ethogram().label_sets();
        for lab in &args.labs {
            let known: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
            anyhow::ensure!(known.contains(&lab.as_str()), "--lab: expected one of {known:?}, got {lab:?}");
        }
        let scores = args.scores.as_deref().map(scores::Writer::create).transpose()?.map(Mutex::new);
        Ok(Self { args, model, delay, scores })
    }

    fn chosen(&self, behavior: Behavior) -> bool {
        let ethogram = self.model.ethogram();
        let set = &ethogram.label_sets()[ethogram.label_set_of(behavior)].name;
        self.args.labs.is_empty() || self.args.labs.contains(set)
    }

    fn score(&self, source: &Source, corpus: Option<&Corpus>) -> anyhow::Result<Scored> {
        let mut scored = Scored::default();
        match (source, corpus) {
            (Source::Entry(entry), Some(corpus)) => {
                let annotated = corpora::load(corpus, entry)?;
                self.score_one(
                    &annotated.recording,
                    &annotated.numbers,
                    corpus.as_mabe().zip(Some(entry)),
                    &mut scored,
                )?;
            }
            (Source::Entry(entry), None) => anyhow::bail!("{}: no corpus", entry.id),
            (Source::File(path), _) => {
                for recording in self.args.facts.read_all(path, &self.model)? {
                    self.score_one(&recording, &[], None, &mut scored)?;
                }
            }
        }
        Ok(scored)
    }

    fn score_one(
        &self,
        recording: &Recording,
        numbers: &[u8],
        of_corpus: Option<(&Dataset, &Entry)>,
        scored: &mut Scored,
    ) -> anyhow::Result<()> {
        let ethogram = self.model.ethogram();
        let labs = of_corpus.map_or(Vec::new(), |(dataset, entry)| self.known_labs(entry, dataset));
        let asked = |behavior: Behavior| {
            self.chosen(behavior) && (labs.is_empty() || labs.contains(&ethogram.label_set_of(behavior)))
        };
        let decoded = match &self.scores {
            Some(writer) => self.with_scores(writer, recording, &asked)?,
            None => Decoded::run(&self.model, recording)?,
        };
        decoded.warn(recording);
        let mut bouts = decoded.bouts(self.delay, recording);
        bouts.retain(|bout| asked(bout.cell.behavior));
        if let Some(folder) = &self.args.boris {
            write_boris(folder, &boris_session(recording, &bouts, ethogram), self.args.target_in_code)?;
        }
        // Animals of a corpus go by their numbers there, others by their order.
        let numbered = |slot: Individual| {
            let number = numbers.get(usize::from(slot.0)).and_then(|number| number.checked_sub(1));
            number.map_or(slot, Individual)
        };
        scored.recordings += 1;
        scored.bouts += bouts.len();
        for bout in &bouts {
            let row = Row::new(&recording.name, ethogram, bout);
            let orders = match (of_corpus, bout.cell.subject.map(numbered)) {
                (Some((dataset, entry)), Subject::Both { first, second }) => {
                    let lab = &ethogram.label_sets()[ethogram.label_set_of(bout.cell.behavior)].name;
                    dataset.orders(entry, lab, &row.action, [first, second])
                }
                _ => Vec::new(),
            };
            if orders.is_empty() {
                scored.rows.push(Row { subject: row.subject.map(numbered), ..row });
            } else {
                scored.rows.extend(orders.into_iter().map(|subject| Row { subject, ..row.clone() }));
            }
        }
        Ok(())
    }

    /// The label sets of the model that annotated a recording: what other labs call a behavior is not asked for there.
    /// None where the model knows none of its labs; then all are written.
    fn known_labs(&self, entry: &Entry, dataset: &Dataset) -> Vec<usize> {
        let sets = self.model.ethogram().label_sets();
        dataset.labs(entry).filter_map(|lab| sets.iter().position(|set| set.name == lab)).collect()
    }

    /// Runs a recording and writes the scores of the chosen delay and label sets.
    fn with_scores(
        &self,
        writer: &Mutex<scores::Writer>,
        recording: &Recording,
        asked: &dyn Fn(Behavior) -> bool,
    ) -> anyhow::Result<Decoded> {
        let model = &self.model;
        let cells = model.ethogram().cells(recording.stream.individuals().len());
        let lane = model.delays().iter().position(|delay| *delay == self.delay).context("a delay of the model")?;
        let chosen: Vec<usize> = (0..cells.len()).filter(|&cell| asked(cells[cell].behavior)).collect();
        // Ticks × chosen cells.
        let mut kept: Vec<(u64, Vec<f32>)> = Vec::new();
        let decoded = Decoded::run_watched(model, recording, &mut |tick, scores| {
            if let Some(about) = tick.0.checked_sub(u64::from(self.delay.0)) {
                let scores = &scores[lane * cells.len()..(lane + 1) * cells.len()];
                kept.push((about, chosen.iter().map(|&cell| scores[cell]).collect()));
            }
        })?;
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let frame_of = in_frames(recording);
        for (place, &cell) in chosen.iter().enumerate() {
            let ethogram = model.ethogram();
            let (behavior, subject) = (cells[cell].behavior, cells[cell].subject);
            let series = writer.series(&Series {
                video: &recording.name,
                label_set: &ethogram.label_sets()[ethogram.label_set_of(behavior)].name,
                behavior: &ethogram.spec(behavior).name,
                kind: ethogram.spec(behavior).kind,
                subject,
                individuals: recording.stream.individuals(),
                delay_ticks: self.delay.0,
            });
            for (tick, scores) in &kept {
                writer.push(series, *tick, frame_of(*tick), scores[place])?;
            }
        }
        Ok(decoded)
    }

    fn finish(self) -> anyhow::Result<()> {
        match self.scores {
            Some(writer) => Ok(writer.into_inner().unwrap_or_else(PoisonError::into_inner).finish()?),
            None => Ok(()),
        }
    }
}

/// Writes a session twice, as NAME.csv (tabular events) and as NAME.paste.txt (what BORIS takes by "Paste events").
pub(super) fn write_boris(folder: &Path, session: &boris::Session, target_in_code: bool) -> anyhow::Result<()> {
    let name = session.observation.replace(['/', '\\'], "_");
    for (ending, layout) in [("csv", boris::Layout::Tabular), ("paste.txt", boris::Layout::Paste)] {
        let path = folder.join(format!("{name}.{ending}"));
        let out = BufWriter::new(File::create(&path).with_context(|| path.display().to_string())?);
        boris::write(out, &path, session, boris::Options { layout, target_in_code })?;
    }
    Ok(())
}

/// Bouts as BORIS knows them, in seconds of the video.
pub(super) fn boris_session(
    recording: &Recording,
    bouts: &[Bout],
    ethogram: &crate::behavior::Ethogram,
) -> boris::Session {
    let (names, timeline) = (recording.stream.individuals(), Timeline::of(recording));
    let name = |slot: crate::behavior::Individual| names[usize::from(slot.0)].clone();
    let bout = |bout: &Bout| {
        let (agent, target) = match bout.cell.subject {
            Subject::One(one) => (Some(name(one)), None),
            Subject::Ordered { agent, target } => (Some(name(agent)), Some(name(target))),
            Subject::Both { first, second } => (None, Some(pair_name(&name(first), &name(second)))),
        };
        boris::Bout {
            agent,
            target,
            behavior: ethogram.spec(bout.cell.behavior).name.clone(),
            start_secs: timeline.secs_of(bout.start).max(0.0),
            stop_secs: timeline.secs_of(bout.stop),
        }
    };
    boris::Session {
        observation: recording.name.clone(),
        media: recording.name.clone(),
        rate_hz: recording.stream.rate_hz(),
        length_secs: timeline.secs_of(recording.extent().end),
        // What ended before the video began is not to be seen in it.
        bouts: bouts.iter().map(bout).filter(|bout| bout.stop_secs > bout.start_secs).collect(),
    }
}

/// The delay asked for, or the model's largest.
pub(super) fn chosen_delay(model: &Model, asked: Option<u32>) -> anyhow::Result<DelayTicks> {
    let known = model.delays();
    match asked {
        None => known.last().copied().context("a model without delays"),
        Some(asked) => known.iter().copied().find(|delay| delay.0 == asked).with_context(|| {
            let known: Vec<u32> = known.iter().map(|delay| delay.0).collect();
            format!("--delay: expected one of the model's {known:?}, got {asked}")
        }),
    }
}
