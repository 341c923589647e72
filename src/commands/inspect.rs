//! `vibrissa inspect`

mod beside;
mod views;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;

use self::views::{Seen, action, of_row};
use super::corpora;
use super::offline::in_parallel;
use super::stdout::line;
use crate::behavior::{Cell, Ethogram};
use crate::corpus::annotations::{self, Annotations};
use crate::corpus::mabe::annotation;
use crate::corpus::mabe::dataset::Dataset;
use crate::corpus::mabe::sheet::{Row, Sheet};
use crate::corpus::poses::deeplabcut_csv::CONFIDENCE_MIN;
use crate::corpus::poses::prefixes;
use crate::corpus::recording::name_of;
use crate::corpus::sidecar::Sidecar;
use crate::corpus::{Corpus, CorpusError, Description, RawRecording, poses};
use crate::inspect::labels::{Action, LabelReport, Labelled, Track};
use crate::inspect::plot::{PANELS_MAX, Panel, balance, raster, unseen};
use crate::inspect::poses::PoseReport;
use crate::inspect::text::{label_text, pose_table, pose_text};

/// Rate at which seconds of annotations are counted in frames where no rate is known.
const RATE_ASSUMED_HZ: f64 = 30.0;

/// Say what recordings and their labels hold, before anybody trains on them or trusts them.
///
/// Poses: DeepLabCut CSV (plain or gzipped) and HDF5, SLEAP analysis HDF5, MABe parquet, CalMS21 JSON, logs of `record`.
/// Annotations: Caltech Behavior Annotator text, BORIS tabular and aggregated events, MABe parquet, CalMS21 JSON. Formats
/// are recognised by their content.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file of poses or annotations, a folder of such files, or a corpus: a folder in the layout of MABe, or with
    /// --description any other.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What the files of the folders cannot say.
    #[arg(long, value_name = "FILE")]
    description: Option<PathBuf>,
    /// Write an ethogram of the recordings (raster.svg) and the balance of the labels (balance.svg) into this folder.
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// Set a corpus (the one folder given, with --description where it is not in the layout of MABe) beside this one, in
    /// that layout: how animals move and how long they do what; drawn as likeness.svg where --plot names a folder.
    #[arg(long, value_name = "DIR")]
    beside: Option<PathBuf>,
    /// Frames per second, where the files do not say it.
    #[arg(long, value_name = "HZ")]
    rate_hz: Option<f64>,
    /// What the keypoints of each individual begin with, in a table that knows one animal only (`B_,W_`).
    #[arg(long, value_delimiter = ',', value_name = "PREFIX")]
    prefixes: Vec<String>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(other) = &args.beside {
        return beside::run(args, other);
    }
    let mut found =
        Findings { args, reports: Vec::new(), labels: LabelReport::default(), panels: Vec::new(), strange: 0 };
    if let Some(description) = &args.description {
        let corpus = Corpus::of_files(&args.paths, &Description::read(description)?)?;
        found.corpus(&corpus)?;
    } else {
        for path in &args.paths {
            found.path(path)?;
        }
    }
    found.print()?;
    if let Some(folder) = &args.plot {
        found.plot(folder)?;
    }
    anyhow::ensure!(found.strange == 0, "{} files could not be read", found.strange);
    Ok(())
}

/// What was found so far.
struct Findings<'a> {
    args: &'a Args,
    reports: Vec<PoseReport>,
    labels: LabelReport,
    /// For the plot, one for each recording; at most [`PANELS_MAX`].
    panels: Vec<Panel>,
    /// Files that could not be read.
    strange: usize,
}

impl Findings<'_> {
    fn path(&mut self, path: &Path) -> anyhow::Result<()> {
        if !path.is_dir() {
            return self.file(path).map_err(anyhow::Error::from);
        }
        if Dataset::is_at(path) {
            return self.mabe(path);
        }
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).with_context(|| path.display().to_string())? {
            let file = entry.with_context(|| path.display().to_string())?.path();
            if file.is_file() && file.extension().is_none_or(|ending| ending != "toml") {
                files.push(file);
            }
        }
        anyhow::ensure!(!files.is_empty(), "{}: expected files of poses or annotations, got none", path.display());
        files.sort();
        for file in files {
            if poses::Format::of(&file).is_err() && annotations::Format::of(&file).is_err() {
                eprintln!("left out: {}: neither poses nor annotations", file.display());
            } else if let Err(error) = self.file(&file) {
                eprintln!("error: {error}");
                self.strange += 1;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: &Path) -> Result<(), CorpusError> {
        let (of_poses, of_annotations) = (poses::Format::of(file), annotations::Format::of(file));
        match (of_poses, of_annotations) {
            // Parquet may be tracking or annotations.
            (Ok(poses::Format::MabeTracking), _) if annotation::is_one(file)? => {
                self.all_annotations(&annotations::read(file)?);
                Ok(())
            }
            (Ok(_), _) => self.recordings(file),
            (Err(_), Ok(_)) => {
                self.all_annotations(&annotations::read(file)?);
                Ok(())
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    fn recordings(&mut self, file: &Path) -> Result<(), CorpusError> {
        let beside = Sidecar::beside(file)?;
        for (raw, own) in poses::read_annotated(file, CONFIDENCE_MIN)? {
            self.poses(raw, &beside)?;
            self.all_annotations(own.as_slice());
        }
        Ok(())
    }

    fn poses(&mut self, mut raw: RawRecording, beside: &Sidecar) -> Result<(), CorpusError> {
        let flags = (!self.args.prefixes.is_empty()).then(|| self.args.prefixes.clone());
        let flags = Sidecar { individual_prefixes: flags, ..Sidecar::default() };
        raw.stated = flags.or(beside.clone()).or(raw.stated);
        if let Some(prefixes) = &raw.stated.individual_prefixes.clone() {
            raw = prefixes::split_prefixed(raw, prefixes)?;
        } else if let Some(prefixes) = prefixes::suggest_prefixes(&raw.keypoints).filter(|_| raw.individuals.len() == 1)
        {
            let joined = prefixes.join(",");
            raw.repairs.push(format!(
                "one animal whose keypoints repeat under the prefixes {prefixes:?}: several animals? then give --prefixes \
                 {joined} or individual_prefixes in the TOML beside the file"
            ));
        }
        let rate_hz = self.args.rate_hz.or(raw.stated.rate_hz);
        self.reports.push(PoseReport::of(&raw, rate_hz));
        if self.args.plot.is_some() && self.panels.len() < PANELS_MAX {
            let rate_hz = rate_hz.unwrap_or(RATE_ASSUMED_HZ);
            let frames = raw.frames.first().map_or(0, |frame| frame.number)
                ..raw.frames.last().map_or(0, |frame| frame.number + 1);
            let panel = Panel { title: raw.name.clone(), rate_hz, frames, labels: Vec::new(), unseen: unseen(&raw) };
            self.panels.push(panel);
        }
        Ok(())
    }

    fn all_annotations(&mut self, all: &[Annotations]) {
        for annotations in all {
            self.annotations(annotations);
        }
    }

    /// Labels whose meaning nobody said.
    fn annotations(&mut self, annotations: &Annotations) {
        let rate_hz = self.args.rate_hz.unwrap_or(RATE_ASSUMED_HZ);
        let recording = annotations.recording.clone().unwrap_or_else(|| name_of(&annotations.file));
        let mut by_lab: BTreeMap<&str, BTreeMap<Action, Track>> = BTreeMap::new();
        for interval in &annotations.intervals {
            let lab = interval.channel.as_deref().unwrap_or("labels");
            let action = Action::new(&interval.label, interval.agent.as_deref(), interval.target.as_deref());
            let track = by_lab
                .entry(lab)
                .or_default()
                .entry(action.clone())
                .or_insert_with(|| Track { action, ..Track::default() });
            track.bouts.push(interval.span.frames(rate_hz));
        }
        for channel in &annotations.channels {
            by_lab.entry(channel).or_default();
        }
        for (lab, tracks) in by_lab {
            let tracks: Vec<Track> = tracks.into_values().collect();
            let stop = tracks.iter().flat_map(|track| &track.bouts).map(|bout| bout.end).max().unwrap_or(0);
            let labelled = Labelled {
                lab: lab.to_owned(),
                recording: recording.clone(),
                rate_hz,
                scored: std::iter::once(0..stop).collect(),
                tracks,
                listed: Vec::new(),
            };
            self.add(&labelled, 0..stop);
        }
        for repair in &annotations.repairs {
            eprintln!("repaired: {}: {repair}", annotations.file.display());
        }
    }

    fn add(&mut self, labelled: &Labelled, frames: Range<u64>) {
        self.labels.add(labelled);
        if self.args.plot.is_none() {
            return;
        }
        if let Some(panel) = self.panels.iter_mut().find(|panel| panel.title == labelled.recording) {
            panel.labels.push(labelled.clone());
        } else if self.panels.len() < PANELS_MAX {
            self.panels.push(Panel {
                title: labelled.recording.clone(),
                rate_hz: labelled.rate_hz,
                frames,
                labels: vec![labelled.clone()],
                unseen: Vec::new(),
            });
        }
    }

    /// A folder in the layout of `MABe`, whose poses may be elsewhere.
    fn mabe(&mut self, dir: &Path) -> anyhow::Result<()> {
        if dir.join("train_tracking").is_dir() {
            return self.corpus(&corpora::open_layout(dir)?);
        }
        let sheet = Sheet::read(&dir.join(Dataset::SHEET))?;
        line(format_args!("{}: no train_tracking: labels only\n", dir.display()))?;
        let rows: Vec<&Row> = sheet.rows.iter().collect();
        let labelled = in_parallel(&rows, |row| Ok(of_row(dir, row)))?;
        for labelled in labelled {
            match labelled {
                Ok(Some(labelled)) => {
                    let frames = labelled.scored.first().cloned().unwrap_or(0..0);
                    self.add(&labelled, frames);
                }
                Ok(None) => {}
                Err(error) => {
                    eprintln!("error: {error}");
                    self.strange += 1;
                }
            }
        }
        for repair in &sheet.repairs {
            eprintln!("repaired: {repair}");
        }
        Ok(())
    }

    fn corpus(&mut self, corpus: &Corpus) -> anyhow::Result<()> {
        let seen = in_parallel(corpus.entries(), |entry| {
            Ok(corpus.load_all(entry).map(|all| all.into_iter().map(Seen::of).collect::<Vec<_>>()))
        })?;
        for seen in seen {
            match seen {
                Ok(all) => all.into_iter().for_each(|seen| self.seen(corpus.ethogram(), seen)),
                Err(error) => {
                    eprintln!("error: {error}");
                    self.strange += 1;
                }
            }
        }
        Ok(())
    }

    fn seen(&mut self, ethogram: &Ethogram, seen: Seen) {
        let Seen { name, individuals, rate_hz, extent, labels, report, unseen } = seen;
        for (set, labels) in ethogram.label_sets().iter().zip(&labels) {
            if labels.annotated.is_empty() {
                continue;
            }
            let action = |cell: Cell| action(ethogram, &individuals, cell);
            let mut tracks: BTreeMap<Cell, Track> = BTreeMap::new();
            for bout in &labels.bouts {
                let track =
                    tracks.entry(bout.cell).or_insert_with(|| Track { action: action(bout.cell), bouts: Vec::new() });
                track.bouts.push(bout.start..bout.stop);
            }
            let labelled = Labelled {
                lab: set.name.clone(),
                recording: name.clone(),
                rate_hz,
                scored: labels.scored.clone(),
                tracks: tracks.into_values().collect(),
                listed: labels.annotated.iter().map(|&cell| action(cell)).collect(),
            };
            self.add(&labelled, extent.clone());
        }
        if let Some(panel) = self.panels.iter_mut().find(|panel| panel.title == name) {
            panel.unseen = unseen;
        }
        self.reports.push(report);
    }

    fn print(&self) -> anyhow::Result<()> {
        match &self.reports[..] {
            [] => {}
            [report] => line(pose_text(report))?,
            reports => line(pose_table(reports))?,
        }
        if self.labels.labs().next().is_some() {
            line(label_text(&self.labels))?;
        }
        Ok(())
    }

    fn plot(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let write = |name: &str, drawing: String| -> anyhow::Result<()> {
            let file = folder.join(name);
            std::fs::write(&file, drawing).with_context(|| file.display().to_string())?;
            line(format_args!("wrote {}", file.display()))?;
            Ok(())
        };
        if !self.panels.is_empty() {
            write("raster.svg", raster(&self.panels))?;
        }
        if self.labels.labs().next().is_some() {
            write("balance.svg", balance(&self.labels))?;
        }
        Ok(())
    }
}
