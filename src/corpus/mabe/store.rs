//! Writing a corpus in the layout of `MABe`, recording by recording.
//!
//! The poses of a recording are written once, below the first lab that annotated it; the rows of all others point there
//! (`tracking_lab`). What the layout has no place for goes into [`Card`] and into columns of our own.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::card::Card;
use super::dataset::Dataset;
use super::dataset::opening::content;
use super::sheet::{Listed, Row, Sheet};
use super::{annotation, tracking};
use crate::behavior::{Cell, Ethogram, Individual, Subject};
use crate::corpus::annotations::{Annotation, Span};
use crate::corpus::catalog::{Annotated, Split};
use crate::corpus::error::{CorpusError, Place};
use crate::corpus::labels::{SELF, SetLabels};

/// A corpus that is being written. The table and the card come last: until [`Store::finish`] the folder is no corpus.
pub struct Store {
    out: PathBuf,
    card: Card,
    ethogram: Ethogram,
    sheet: Sheet,
    /// Names that are taken, and the sources that took them.
    videos: BTreeMap<String, PathBuf>,
    /// Contents of tracking, each with its split and the source that had it first.
    contents: HashMap<u64, (Split, PathBuf)>,
}

impl Store {
    /// Begins a corpus of a card's name, source and label sets in a new or empty folder.
    ///
    /// # Errors
    /// A folder that is not empty or cannot be written.
    pub fn create(out: &Path, card: Card) -> Result<Self, CorpusError> {
        let io = |error| CorpusError::Io { file: out.to_path_buf(), error };
        fs::create_dir_all(out).map_err(io)?;
        if fs::read_dir(out).map_err(io)?.next().is_some() {
            return Err(Place::file(out).fault("a new or empty folder", "one with files in it"));
        }
        Ok(Self {
            out: out.to_path_buf(),
            ethogram: Ethogram::new(card.label_sets.clone()),
            card,
            sheet: Sheet::default(),
            videos: BTreeMap::new(),
            contents: HashMap::new(),
        })
    }

    /// Rows of the table by now: a recording has one for each lab.
    pub fn rows(&self) -> usize {
        self.sheet.rows.len()
    }

    /// Writes a recording with its labels, one set for each of the card's; gives the number of bouts. `source` is what
    /// errors name.
    ///
    /// # Errors
    /// A name that another recording has, poses that also lie on another side of the split, and what writing gives.
    pub fn put(
        &mut self,
        video: &str,
        split: Split,
        source: &Path,
        annotated: &Annotated,
    ) -> Result<usize, CorpusError> {
        let Annotated { recording, labels, .. } = annotated;
        let video = as_file_name(video);
        if let Some(other) = self.videos.get(&video) {
            let expected = format!("a recording that is not called {video:?}");
            return Err(Place::file(source).fault(expected, format!("one as {}", other.display())));
        }
        let stream = &recording.stream;
        let sets = self.ethogram.label_sets();
        let mut labelled: Vec<(&String, &SetLabels)> = sets.iter().map(|set| &set.name).zip(labels).collect();
        labelled.retain(|(_, labels)| !labels.annotated.is_empty());
        let nothing = SetLabels::default();
        if labelled.is_empty() {
            // Poses without labels are kept, too, below the first lab.
            labelled.extend(sets.first().map(|set| (&set.name, &nothing)));
        }
        let tracking_lab = labelled.first().map(|(lab, _)| (*lab).clone());
        let mut rows = Vec::new();
        let mut bouts = 0;
        for (lab, labels) in labelled {
            let row = Row {
                lab: lab.clone(),
                video: video.clone(),
                rate_hz: stream.rate_hz(),
                pix_per_cm: Some(stream.body_length_px() / self.card.body_length_cm),
                duration_secs: Some((recording.extent().end as f64) / stream.rate_hz()),
                body_parts: stream.skeleton().keypoints().to_vec(),
                whitelist: labels.annotated.iter().map(|&cell| self.listed(cell)).collect(),
                tracking_lab: tracking_lab.clone(),
                scored_frames: Some(labels.scored.clone()),
                individuals: Some(stream.individuals().to_vec()),
                body_length_px: Some(stream.body_length_px()),
                split: Some(split),
                ..Row::default()
            };
            if rows.is_empty() {
                let file = in_new_folder(row.tracking_path(&self.out))?;
                tracking::write(&file, stream.individuals().len(), stream.skeleton().keypoints(), &recording.frames)?;
                keep_apart(&mut self.contents, split, source, &file)?;
            }
            let annotations = self.annotations(labels);
            annotation::write(&in_new_folder(row.annotation_path(&self.out))?, &annotations)?;
            bouts += annotations.len();
            rows.push(row);
        }
        self.sheet.rows.extend(rows);
        if !self.card.skeletons.contains(stream.skeleton()) {
            self.card.skeletons.push(stream.skeleton().clone());
        }
        self.videos.insert(video, source.to_path_buf());
        Ok(bouts)
    }

    fn annotations(&self, labels: &SetLabels) -> Vec<Annotation> {
        let annotation = |(row, bout): (u64, &crate::behavior::Bout)| {
            let Listed { agent, target, action } = self.listed(bout.cell);
            let target = if target == SELF { agent.clone() } else { target };
            let span = Span::Frames(bout.start..bout.stop);
            Annotation { channel: None, agent: Some(agent), target: Some(target), label: action, span, row }
        };
        (1..).zip(&labels.bouts).map(annotation).collect()
    }

    /// A cell as the whitelist names it; a pair without direction in one order, the lower number first.
    fn listed(&self, cell: Cell) -> Listed {
        let mouse = |individual: Individual| format!("mouse{}", u16::from(individual.0) + 1);
        let (agent, target) = match cell.subject {
            Subject::One(agent) => (mouse(agent), SELF.to_owned()),
            Subject::Ordered { agent, target } => (mouse(agent), mouse(target)),
            Subject::Both { first, second } => (mouse(first), mouse(second)),
        };
        Listed { agent, target, action: self.ethogram.spec(cell.behavior).name.clone() }
    }

    /// Writes card and table.
    ///
    /// # Errors
    /// What writing gives.
    pub fn finish(self) -> Result<(), CorpusError> {
        self.card.write(&self.out)?;
        self.sheet.write(&self.out.join(Dataset::SHEET))
    }
}

/// The same poses must not both train and test.
fn keep_apart(
    contents: &mut HashMap<u64, (Split, PathBuf)>,
    split: Split,
    source: &Path,
    tracking: &Path,
) -> Result<(), CorpusError> {
    let (first_split, first) = contents.entry(content(tracking)?).or_insert_with(|| (split, source.to_path_buf()));
    if *first_split == split {
        return Ok(());
    }
    // What cannot be removed is named by no row.
    let _ = fs::remove_file(tracking);
    let expected = format!("the split {first_split:?} as of the same poses in {}", first.display());
    Err(Place::file(source).fault(expected, format!("{split:?}")))
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
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_one_part_of_a_path() {
        for (name, wanted) in [
            ("2024.05.01 cage-3+a", "2024.05.01 cage-3+a"),
            ("a/b\\c:d", "a_b_c_d"),
            ("..", "_"),
            ("../x", "_x"),
            (" é\n", "é_"),
            ("", "_"),
        ] {
            assert_eq!(as_file_name(name), wanted, "{name:?}");
            assert!(crate::corpus::mabe::sheet::is_folder_name(wanted));
        }
    }
}
