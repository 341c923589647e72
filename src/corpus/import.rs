//! A corpus from the files of any tool to the layout of `MABe`, which training, scoring and other programs read.
//!
//! The poses of a recording are written once, below the first lab that annotated it; the rows of all others point there
//! (`tracking_lab`). What the layout has no place for goes into [`Card`] and into columns of our own.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::annotations::{Annotation, Span};
use super::catalog::{Annotated, Corpus, Entry, Split};
use super::error::{CorpusError, Place};
use super::labels::{SELF, SetLabels};
use super::mabe::card::Card;
use super::mabe::dataset::Dataset;
use super::mabe::dataset::opening::content;
use super::mabe::sheet::{Listed, Row, Sheet};
use super::mabe::{annotation, tracking};
use crate::behavior::{Cell, Individual, Subject};
use crate::skeleton::Skeleton;

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    pub recordings: usize,
    pub frames: u64,
    /// Rows of the table: a recording has one for each lab.
    pub rows: usize,
    pub bouts: usize,
    /// What was repaired or left out, each with its place and reason.
    pub repairs: Vec<String>,
    /// Files that could not be imported.
    pub failed: Vec<CorpusError>,
}

/// Writes every recording of a corpus below `out`, a new or empty folder. A bad recording costs only itself; the table
/// is written last.
///
/// # Errors
/// A folder that is not empty or cannot be written.
pub fn import(corpus: &Corpus, out: &Path, mut progress: impl FnMut(&Entry)) -> Result<Imported, CorpusError> {
    let io = |error| CorpusError::Io { file: out.to_path_buf(), error };
    fs::create_dir_all(out).map_err(io)?;
    if fs::read_dir(out).map_err(io)?.next().is_some() {
        return Err(Place::file(out).fault("a new or empty folder", "one with files in it"));
    }
    let mut writer = Writer {
        corpus,
        out,
        sheet: Sheet::default(),
        skeletons: Vec::new(),
        videos: BTreeMap::new(),
        contents: HashMap::new(),
    };
    let mut imported = Imported::default();
    for entry in corpus.entries() {
        progress(entry);
        let all = match corpus.load_all(entry) {
            Ok(all) => all,
            Err(error) => {
                imported.failed.push(error);
                continue;
            }
        };
        let several = all.len() > 1;
        for annotated in all {
            if let Err(error) = writer.store(entry, several, annotated, &mut imported) {
                imported.failed.push(error);
            }
        }
    }
    imported.rows = writer.sheet.rows.len();
    if corpus.entries().is_empty() {
        return Err(Place::file(out).fault("recordings with annotations", "no recordings"));
    }
    if imported.recordings > 0 {
        writer.finish()?;
    }
    Ok(imported)
}

struct Writer<'a> {
    corpus: &'a Corpus,
    out: &'a Path,
    sheet: Sheet,
    skeletons: Vec<Skeleton>,
    /// Names that are taken, and the files that took them.
    videos: BTreeMap<String, PathBuf>,
    /// Contents of tracking, each with its split and the file that had it first.
    contents: HashMap<u64, (Split, PathBuf)>,
}

impl Writer<'_> {
    fn store(
        &mut self,
        entry: &Entry,
        several: bool,
        annotated: Annotated,
        imported: &mut Imported,
    ) -> Result<(), CorpusError> {
        let Annotated { recording, labels, repairs, .. } = annotated;
        // Two days of one cage are two recordings.
        let video = if several { format!("{}_{}", entry.id, recording.name) } else { entry.id.clone() };
        let video = as_file_name(&video);
        if let Some(other) = self.videos.get(&video) {
            let expected = format!("a recording that is not called {video:?}");
            return Err(Place::file(&entry.poses).fault(expected, format!("one as {}", other.display())));
        }
        let stream = &recording.stream;
        let sets = self.corpus.ethogram().label_sets();
        let looked_for = |(_, labels): &(_, &SetLabels)| !labels.annotated.is_empty();
        let mut labelled: Vec<(&String, &SetLabels)> = sets.iter().map(|set| &set.name).zip(&labels).collect();
        labelled.retain(looked_for);
        let nothing = SetLabels::default();
        if labelled.is_empty() {
            // Poses without labels are kept, too, below the first lab.
            labelled.extend(sets.first().map(|set| (&set.name, &nothing)));
        }
        let tracking_lab = labelled.first().map(|(lab, _)| (*lab).clone());
        let mut tracked = false;
        for (lab, labels) in labelled {
            let row = Row {
                lab: lab.clone(),
                video: video.clone(),
                rate_hz: stream.rate_hz(),
                pix_per_cm: Some(stream.body_length_px() / self.corpus.body_length_cm()),
                duration_secs: Some((recording.extent().end as f64) / stream.rate_hz()),
                body_parts: stream.skeleton().keypoints().to_vec(),
                whitelist: labels.annotated.iter().map(|&cell| self.listed(cell)).collect(),
                tracking_lab: tracking_lab.clone(),
                scored_frames: Some(labels.scored.clone()),
                individuals: Some(stream.individuals().to_vec()),
                body_length_px: Some(stream.body_length_px()),
                split: Some(entry.split),
                ..Row::default()
            };
            if !tracked {
                let file = in_new_folder(row.tracking_path(self.out))?;
                tracking::write(&file, stream.individuals().len(), stream.skeleton().keypoints(), &recording.frames)?;
                self.keep_apart(entry, &file)?;
                tracked = true;
            }
            let annotations: Vec<Annotation> = (1..)
                .zip(&labels.bouts)
                .map(|(row, bout)| {
                    let Listed { agent, target, action } = self.listed(bout.cell);
                    let target = if target == SELF { agent.clone() } else { target };
                    let span = Span::Frames(bout.start..bout.stop);
                    Annotation { channel: None, agent: Some(agent), target: Some(target), label: action, span, row }
                })
                .collect();
            annotation::write(&in_new_folder(row.annotation_path(self.out))?, &annotations)?;
            imported.bouts += annotations.len();
            self.sheet.rows.push(row);
        }
        if !self.skeletons.contains(stream.skeleton()) {
            self.skeletons.push(stream.skeleton().clone());
        }
        self.videos.insert(video, entry.poses.clone());
        imported.recordings += 1;
        imported.frames += recording.frames.len() as u64;
        imported.repairs.extend(repairs);
        Ok(())
    }

    /// The same poses must not both train and test.
    fn keep_apart(&mut self, entry: &Entry, tracking: &Path) -> Result<(), CorpusError> {
        let (split, poses) = self.contents.entry(content(tracking)?).or_insert((entry.split, entry.poses.clone()));
        if *split == entry.split {
            return Ok(());
        }
        // What cannot be removed is named by no row.
        let _ = fs::remove_file(tracking);
        let expected = format!("the split {split:?} as of the same poses in {}", poses.display());
        Err(Place::file(&entry.poses).fault(expected, format!("{:?}", entry.split)))
    }

    /// A cell as the whitelist names it; a pair without direction in one order, the lower number first.
    fn listed(&self, cell: Cell) -> Listed {
        let mouse = |individual: Individual| format!("mouse{}", u16::from(individual.0) + 1);
        let (agent, target) = match cell.subject {
            Subject::One(agent) => (mouse(agent), SELF.to_owned()),
            Subject::Ordered { agent, target } => (mouse(agent), mouse(target)),
            Subject::Both { first, second } => (mouse(first), mouse(second)),
        };
        Listed { agent, target, action: self.corpus.ethogram().spec(cell.behavior).name.clone() }
    }

    fn finish(self) -> Result<(), CorpusError> {
        let card = Card {
            name: self.corpus.name().to_owned(),
            source: self.corpus.source().to_owned(),
            species: self.corpus.species().to_owned(),
            confidence_min: self.corpus.confidence_min(),
            body_length_cm: self.corpus.body_length_cm(),
            body_length_px: None,
            label_sets: self.corpus.ethogram().label_sets().to_vec(),
            skeletons: self.skeletons,
        };
        card.write(self.out)?;
        self.sheet.write(&self.out.join(Dataset::SHEET))
    }
}

/// A name that is one part of a path on every system.
fn as_file_name(name: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | ' ');
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    match name.trim_start_matches('.').trim() {
        "" => "_".to_owned(),
        name => name.to_owned(),
    }
}

fn in_new_folder(file: PathBuf) -> Result<PathBuf, CorpusError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| CorpusError::Io { file: folder.to_path_buf(), error })?;
    Ok(file)
}

#[cfg(test)]
mod tests;
