//! A folder in the layout of `MABe`: `train.csv`, `train_tracking/{lab}/{video}.parquet` and
//! `train_annotation/{lab}/{video}.parquet`, with [`Card`] beside them where a corpus was imported.
//!
//! Rows of `train.csv` that share their poses (its column `tracking_lab`) are one recording with several label sets.
//! What is known to be wrong with the challenge's data is repaired and said: see [`Dataset::open`] and
//! [`crate::corpus::Corpus::load`].

pub(in crate::corpus) mod opening;
mod truth;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use self::opening::{label_sets, summarise, with_splits};
use super::annotation::animal_number;
use super::card::Card;
use super::sheet::{Listed as Listing, Row, Sheet};
use super::{annotation, skeletons, tracking};
use crate::behavior::{Cell, Ethogram, Individual, Kind, Subject};
use crate::corpus::annotations::Span;
use crate::corpus::catalog::{Annotated, Entry, Split};
use crate::corpus::error::{CorpusError, Place};
use crate::corpus::labels::{SELF, SetLabels, disjoint, sorted};
use crate::corpus::recording::{RawRecording, Recording};
use crate::corpus::sidecar::{self, Sidecar};
use crate::corpus::spans;

/// A corpus in the layout of `MABe`.
#[derive(Clone, Debug)]
pub struct Dataset {
    dir: PathBuf,
    card: Card,
    ethogram: Ethogram,
    /// By the path of their tracking.
    recordings: BTreeMap<PathBuf, Listed>,
    warnings: Vec<String>,
}

/// A recording and everything that `train.csv` says about it.
#[derive(Clone, Debug)]
struct Listed {
    id: String,
    split: Split,
    /// One for each lab that annotated it.
    rows: Vec<Row>,
}

impl Dataset {
    /// The table of all recordings.
    pub const SHEET: &str = "train.csv";

    /// Whether a folder is in this layout.
    pub fn is_at(dir: &Path) -> bool {
        dir.join(Self::SHEET).is_file()
    }

    /// Finds the recordings of a folder that have poses and were annotated, or, where none was annotated, all that have
    /// poses; all else is told by [`Dataset::warnings`]:
    /// rows without tracking, annotations that no row names, malformed whitelist entries.
    ///
    /// Rows that say neither train, validation nor test are split by content, see [`super::splits::split`].
    ///
    /// # Errors
    /// A table or card that is none, a recording whose rows contradict each other, a folder without a usable recording.
    pub fn open(dir: &Path) -> Result<Self, CorpusError> {
        let card = Card::of(dir)?;
        let file = dir.join(Self::SHEET);
        let sheet = Sheet::read(&file)?;
        let mut warnings = Vec::new();
        if let Some(first) = sheet.repairs.first() {
            warnings
                .push(format!("{} rows with malformed whitelists, which were repaired ({first})", sheet.repairs.len()));
        }
        let stray = super::sheet::annotations_without_row(dir, &sheet)?;
        summarise(&mut warnings, &file, "annotation files have no row, so no rate: left out", &stray);
        let ethogram = Ethogram::new(label_sets(&sheet, &card, &file)?);
        let mut grouped: BTreeMap<PathBuf, Vec<Row>> = BTreeMap::new();
        // Recordings without labels serve only where there are no others: to be looked at and predicted.
        let any_labelled = sheet.rows.iter().any(|row| !row.whitelist.is_empty());
        let (mut untracked, mut unlabelled) = (Vec::new(), 0_u64);
        for row in sheet.rows {
            let tracking = row.tracking_path(dir);
            if any_labelled && row.whitelist.is_empty() {
                unlabelled += 1;
            } else if tracking.is_file() {
                grouped.entry(tracking).or_default().push(row);
            } else {
                untracked.push(tracking);
            }
        }
        summarise(&mut warnings, &file, "rows have no tracking: left out", &untracked);
        if unlabelled > 0 {
            warnings.push(format!("{}: {unlabelled} rows list no behaviors: left out", file.display()));
        }
        let labelled = grouped.values().flatten().filter(|row| !row.whitelist.is_empty());
        let bare: Vec<PathBuf> = labelled.map(|row| row.annotation_path(dir)).collect();
        let bare: Vec<PathBuf> = bare.into_iter().filter(|path| !path.is_file()).collect();
        summarise(&mut warnings, &file, "rows have no annotations, so nothing is known of them", &bare);
        if grouped.is_empty() {
            return Err(Place::file(&file).fault("a row with tracking", "none"));
        }
        let recordings = with_splits(grouped, &file)?;
        Ok(Self { dir: dir.to_path_buf(), card, ethogram, recordings, warnings })
    }

    pub fn name(&self) -> &str {
        &self.card.name
    }

    pub fn source(&self) -> &str {
        &self.card.source
    }

    pub fn species(&self) -> &str {
        &self.card.species
    }

    pub fn confidence_min(&self) -> f32 {
        self.card.confidence_min
    }

    pub fn body_length_cm(&self) -> f64 {
        self.card.body_length_cm
    }

    /// A label set for each lab, by name, or as the card has them.
    pub fn ethogram(&self) -> &Ethogram {
        &self.ethogram
    }

    /// What was left out when the folder was opened, and why.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(in crate::corpus) fn entries(&self) -> Vec<Entry> {
        let entry = |(poses, listed): (&PathBuf, &Listed)| Entry {
            id: listed.id.clone(),
            split: listed.split,
            poses: poses.clone(),
            annotations: None,
        };
        let mut entries: Vec<Entry> = self.recordings.iter().map(entry).collect();
        entries.sort_by_cached_key(|entry| (entry.id.parse::<u64>().unwrap_or(u64::MAX), entry.id.clone()));
        entries
    }

    /// The rows of a recording, one for each lab that annotated it.
    pub fn rows(&self, entry: &Entry) -> &[Row] {
        self.recordings.get(&entry.poses).map_or(&[], |listed| &listed.rows)
    }

    /// The annotations of a recording, one file for each lab; some may not be there.
    pub(in crate::corpus) fn annotation_paths(&self, entry: &Entry) -> impl Iterator<Item = PathBuf> {
        self.rows(entry).iter().map(|row| row.annotation_path(&self.dir))
    }

    /// What card and table say about a recording.
    pub(in crate::corpus) fn facts(&self, entry: &Entry) -> (&Card, &[Row]) {
        (&self.card, self.rows(entry))
    }

    /// The labs that annotated a recording.
    pub fn labs(&self, entry: &Entry) -> impl Iterator<Item = &str> {
        self.rows(entry).iter().map(|row| row.lab.as_str())
    }

    /// The orders of a pair (animals by their numbers, less one) in which the whitelist lists a behavior, as a submission,
    /// which must name an agent, has to write it: empty where it lists none.
    pub fn orders(&self, entry: &Entry, lab: &str, action: &str, pair: [Individual; 2]) -> Vec<Subject> {
        let name = |slot: Individual| format!("mouse{}", u16::from(slot.0) + 1);
        let listed = |agent: Individual, target: Individual| {
            let entry_of = Listing { agent: name(agent), target: name(target), action: action.to_owned() };
            self.rows(entry).iter().any(|row| row.lab == lab && row.whitelist.contains(&entry_of))
        };
        let [first, second] = pair;
        let orders = [(first, second), (second, first)].into_iter().filter(|&(agent, target)| listed(agent, target));
        orders.map(|(agent, target)| Subject::Ordered { agent, target }).collect()
    }

    /// Reads a recording and its annotations.
    ///
    /// Whitelist entries about animals that were never tracked, and annotations that the whitelist does not list, are
    /// left out; intervals are clipped to the recording; intervals of a lab that counted another clock than its frames
    /// (see [`clock_of`]) are converted. All of it is told.
    ///
    /// # Errors
    /// Whatever is wrong with a file, with its place.
    pub(in crate::corpus) fn load(&self, entry: &Entry) -> Result<Annotated, CorpusError> {
        let rows = self.rows(entry);
        let first =
            rows.first().ok_or_else(|| Place::file(&entry.poses).fault("a recording of this corpus", "none"))?;
        let parts = Some(first.body_parts.as_slice()).filter(|parts| !parts.is_empty());
        let mut raw = tracking::read_with(&entry.poses, self.card.confidence_min, parts)?;
        raw.name.clone_from(&entry.id);
        let mice = raw.individuals.clone();
        let mut repairs = std::mem::take(&mut raw.repairs);
        let recording = self.describe(raw, first)?;
        let mut labels = vec![SetLabels::default(); self.ethogram.label_sets().len()];
        for row in rows {
            let set = self.ethogram.label_sets().iter().position(|set| set.name == row.lab);
            if let Some(set) = set {
                labels[set] = self.labels(row, &mice, &recording, &mut repairs)?;
            }
        }
        let numbers = mice.iter().map(|mouse| animal_number(mouse).unwrap_or_default() as u8).collect();
        Ok(Annotated { recording, labels, numbers, repairs })
    }

    fn describe(&self, raw: RawRecording, row: &Row) -> Result<Recording, CorpusError> {
        let skeleton = match self.card.skeletons.iter().find(|skeleton| skeleton.keypoints() == raw.keypoints) {
            Some(skeleton) => skeleton.clone(),
            None => skeletons::infer(&row.lab, &raw.keypoints)
                .map_err(|error| Place::file(&raw.file).fault("keypoints of a known anatomy", error.to_string()))?,
        };
        let scale = row.body_length_px.or(row.pix_per_cm.map(|px| px * self.card.body_length_cm));
        let scale = scale.or(self.card.body_length_px).ok_or_else(|| {
            let expected = "a scale: pix_per_cm_approx or body_length_px in its row, or body_length_px in corpus.toml";
            Place::row(&self.dir.join(Self::SHEET), row.row).fault(expected, "none")
        })?;
        // The animals' own names are listed by their numbers, of which some may not have been tracked.
        let own = |mouse: &String| {
            let number = animal_number(mouse).and_then(|number| usize::try_from(number).ok())?;
            row.individuals.as_ref()?.get(number.checked_sub(1)?).cloned()
        };
        let individuals: Option<Vec<String>> = raw.individuals.iter().map(own).collect();
        let facts = Sidecar {
            rate_hz: Some(row.rate_hz),
            body_length_px: Some(scale),
            skeleton: Some(skeleton),
            individuals,
            ..Sidecar::default()
        };
        sidecar::describe(raw, facts)
    }

    /// The labels of one lab over a recording of `mice` (as the tracking calls them).
    fn labels(
        &self,
        row: &Row,
        mice: &[String],
        recording: &Recording,
        repairs: &mut Vec<String>,
    ) -> Result<SetLabels, CorpusError> {
        let slot = |name: &str| mice.iter().position(|mouse| mouse == name).map(|slot| Individual(slot as u8));
        let cell = |agent: &str, target: &str, action: &str| -> Option<Cell> {
            let behavior = self.ethogram.find(&row.lab, action)?;
            let agent = slot(agent)?;
            let target = if target == SELF { agent } else { slot(target)? };
            let subject = subject(self.ethogram.spec(behavior).kind, agent, target)?;
            Some(Cell { behavior, subject })
        };
        let listed = row.whitelist.iter().map(|entry| cell(&entry.agent, &entry.target, &entry.action));
        let (known, unknown): (Vec<_>, Vec<_>) = listed.partition(Option::is_some);
        let annotated = sorted(known.into_iter().flatten().collect());
        let mut tell = |count: usize, what: &str| {
            if count > 0 {
                repairs.push(format!("{} {}: {count} {what}", row.lab, row.video));
            }
        };
        tell(unknown.len(), "behaviors of animals that were not tracked: left out");
        let extent = recording.extent();
        let file = row.annotation_path(&self.dir);
        if !file.is_file() {
            return Ok(SetLabels::default());
        }
        let annotations = annotation::read(&file)?;
        tell(annotations.repairs.len(), "annotations without a frame: left out");
        tell(usize::from(clock_of(row).is_some()), "clock other than the recording's: its labels were converted");
        let (mut beside, mut clipped) = (0, 0);
        let mut bouts: BTreeMap<Cell, Vec<Range<u64>>> = BTreeMap::new();
        for annotation in &annotations.intervals {
            let (Some(agent), Some(target), Span::Frames(frames)) =
                (&annotation.agent, &annotation.target, &annotation.span)
            else {
                continue;
            };
            let of_self = if agent == target { SELF } else { target };
            let Some(cell) = cell(agent, of_self, &annotation.label).filter(|cell| annotated.contains(cell)) else {
                beside += 1;
                continue;
            };
            let frames = in_recording(frames, row);
            let within = spans::clip(&frames, &extent);
            clipped += usize::from(within != frames);
            bouts.entry(cell).or_default().push(within);
        }
        tell(beside, "annotations that the whitelist does not list, or of animals that were not tracked: left out");
        tell(clipped, "annotations beyond the recording: clipped");
        let all = std::slice::from_ref(&extent);
        let scored = match scored_of(row, extent.end) {
            Some(scored) => spans::intersection(&scored, all),
            None => all.to_vec(),
        };
        Ok(SetLabels { scored, annotated, bouts: disjoint(bouts) })
    }
}

/// The subject of a kind that a whitelist entry speaks of; `target` is the agent itself for a self behavior.
fn subject(kind: Kind, agent: Individual, target: Individual) -> Option<Subject> {
    match kind {
        Kind::OfSelf => (agent == target).then_some(Subject::One(agent)),
        Kind::Directed => (agent != target).then_some(Subject::Ordered { agent, target }),
        Kind::Mutual | Kind::Undirected => {
            (agent != target).then_some(Subject::Both { first: agent.min(target), second: agent.max(target) })
        }
    }
}

/// Frames of the recording in a frame of a lab's annotations, where they count by another clock.
///
/// AdaptableSnail's recordings of 25 Hz were annotated on a clock of 30 Hz: none of their frame numbers is 3 modulo 6, as
/// numbers of 25 Hz that were counted up to 30 are. They end where the clock reached the number of frames.
fn clock_of(row: &Row) -> Option<f64> {
    const LAB: &str = "AdaptableSnail";
    const CLOCK_HZ: f64 = 30.0;
    // An imported corpus says which frames are scored, and counts by the recording's frames.
    let is_genuine = row.scored_frames.is_none();
    (is_genuine && row.lab == LAB && (row.rate_hz - 25.0).abs() < 0.5).then_some(row.rate_hz / CLOCK_HZ)
}

/// The frames over which the labels of a recording of so many frames are complete; `None`: all.
fn scored_of(row: &Row, frames: u64) -> Option<Vec<Range<u64>>> {
    match (&row.scored_frames, clock_of(row)) {
        (Some(scored), _) => Some(spans::union(scored.clone())),
        // The annotators' clock ran out before the recording ended.
        (None, Some(factor)) => Some(std::iter::once(0..(frames as f64 * factor) as u64).collect()),
        (None, None) => None,
    }
}

/// Annotated frames as frames of the recording.
fn in_recording(frames: &Range<u64>, row: &Row) -> Range<u64> {
    let Some(factor) = clock_of(row) else { return frames.clone() };
    let frame = |frame: u64| (frame as f64 * factor).round() as u64;
    let start = frame(frames.start);
    start..frame(frames.end).max(start + 1)
}

#[cfg(test)]
mod tests;
