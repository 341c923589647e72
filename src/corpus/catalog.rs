//! A corpus: its recordings, found at once and loaded one by one.

use std::path::{Path, PathBuf};

use super::description::{Description, SplitIds};
use super::error::{CorpusError, Place, quoted};
use super::files;
use super::labels::SetLabels;
use super::mabe::card::BODY_LENGTH_CM;
use super::mabe::dataset::Dataset;
use super::recording::Recording;
use super::sidecar::Sidecar;
use crate::behavior::Ethogram;
use crate::stream::StreamDefaults;

/// The recordings of one or more directories.
#[derive(Clone, Debug)]
pub struct Corpus {
    ethogram: Ethogram,
    entries: Vec<Entry>,
    warnings: Vec<String>,
    store: Store,
}

/// Where the recordings lie.
#[derive(Clone, Debug)]
enum Store {
    /// Files as tools wrote them, by a description.
    Files(Box<Description>),
    /// The layout of `MABe`.
    Mabe(Box<Dataset>),
}

/// A recording that is there, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How annotations and split name the recording.
    pub id: String,
    pub split: Split,
    pub poses: PathBuf,
    /// `None` where the pose file itself holds the annotations, or several files do.
    pub annotations: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    Train,
    Validation,
    Test,
}

/// A recording with its labels, one [`SetLabels`] for each label set of the corpus's ethogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotated {
    pub recording: Recording,
    pub labels: Vec<SetLabels>,
    /// By slot, the number that the layout of `MABe` has for the animal: `mouse1`, `mouse2`, …; some may be absent.
    pub numbers: Vec<u8>,
    /// What was repaired or left out on the way, each with its place and reason.
    pub repairs: Vec<String>,
}

impl Corpus {
    /// The recordings in `dirs`, each laid out as the description says.
    ///
    /// # Errors
    /// A directory that cannot be read or holds no recording, a pose file without id or annotations, an id that two
    /// files claim.
    pub fn of_files(dirs: &[PathBuf], description: &Description) -> Result<Self, CorpusError> {
        let (mut entries, mut warnings) = (Vec::<Entry>::new(), Vec::new());
        for dir in dirs {
            let warned = warnings.len();
            let found = files::entries(dir, description, &mut warnings)?;
            if found.is_empty() && warnings.len() == warned {
                let endings = &description.layout.pose_endings;
                let poses = dir.join(&description.layout.pose_directory);
                return Err(Place::file(&poses).fault(format!("files that end in {endings:?}"), "none"));
            }
            entries.extend(found);
        }
        entries.sort_by_cached_key(|entry| (entry.id.parse::<u64>().unwrap_or(u64::MAX), entry.id.clone()));
        for pair in entries.windows(2) {
            if pair[0].id == pair[1].id {
                let expected = format!("one recording with the id {}", quoted(&pair[0].id));
                return Err(
                    Place::file(&pair[0].poses).fault(expected, format!("another, {}", pair[1].poses.display()))
                );
            }
        }
        let store = Store::Files(Box::new(description.clone()));
        Ok(Self { ethogram: description.ethogram(), entries, warnings, store })
    }

    /// An imported corpus, or the challenge's own data: a folder in the layout of `MABe`.
    ///
    /// # Errors
    /// See [`Dataset::open`].
    pub fn of_layout(dir: &Path) -> Result<Self, CorpusError> {
        let dataset = Dataset::open(dir)?;
        let (ethogram, entries) = (dataset.ethogram().clone(), dataset.entries());
        let warnings = dataset.warnings().to_vec();
        Ok(Self { ethogram, entries, warnings, store: Store::Mabe(Box::new(dataset)) })
    }

    pub fn name(&self) -> &str {
        match &self.store {
            Store::Files(description) => &description.name,
            Store::Mabe(dataset) => dataset.name(),
        }
    }

    /// Where the recordings come from, and their licence.
    pub fn source(&self) -> &str {
        match &self.store {
            Store::Files(description) => &description.source,
            Store::Mabe(dataset) => dataset.source(),
        }
    }

    pub fn species(&self) -> &str {
        match &self.store {
            Store::Files(description) => &description.species,
            Store::Mabe(dataset) => dataset.species(),
        }
    }

    /// Likelihood under which a point counts as missing.
    pub fn confidence_min(&self) -> f32 {
        match &self.store {
            Store::Files(description) => description.stream.confidence_min,
            Store::Mabe(dataset) => dataset.confidence_min(),
        }
    }

    /// Centimetres in one nominal body length.
    pub fn body_length_cm(&self) -> f64 {
        match &self.store {
            Store::Files(description) => description.stream.body_length_cm.unwrap_or(BODY_LENGTH_CM),
            Store::Mabe(dataset) => dataset.body_length_cm(),
        }
    }

    pub fn ethogram(&self) -> &Ethogram {
        &self.ethogram
    }

    /// All recordings, by ascending id (as numbers, where they are).
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn split(&self, split: Split) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.split == split)
    }

    /// What was left out when the corpus was opened, and why.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The corpus as a folder in the layout of `MABe`; `None` where it lies in the files of other tools.
    pub fn as_mabe(&self) -> Option<&Dataset> {
        match &self.store {
            Store::Files(_) => None,
            Store::Mabe(dataset) => Some(dataset),
        }
    }

    /// Ids that the split names and no recording has: another directory of the corpus, or a slip that would let a test
    /// recording train.
    pub fn absent_ids(&self) -> Vec<&str> {
        let Store::Files(description) = &self.store else { return Vec::new() };
        let split = &description.split;
        let ids = split.validation.iter().chain(&split.test).map(String::as_str);
        ids.filter(|id| !self.entries.iter().any(|entry| entry.id == *id)).collect()
    }

    /// The files that a recording is read from; some may not be there.
    pub fn sources(&self, entry: &Entry) -> Vec<PathBuf> {
        let mut sources = vec![entry.poses.clone()];
        sources.extend(entry.annotations.clone());
        match &self.store {
            Store::Files(_) => sources.push(Sidecar::path(&entry.poses)),
            Store::Mabe(dataset) => sources.extend(dataset.annotation_paths(entry)),
        }
        sources
    }

    /// All that what is read of a recording depends on besides its files. The same text means the same recording.
    pub fn facts(&self, entry: &Entry) -> String {
        match &self.store {
            Store::Files(description) => {
                // Who tests is no part of a recording.
                let description = Description { split: SplitIds::default(), ..*description.clone() };
                format!("{description:?}")
            }
            Store::Mabe(dataset) => format!("{:?} {:?}", self.ethogram, dataset.facts(entry)),
        }
    }

    /// Reads a recording and its annotations.
    ///
    /// # Errors
    /// Whatever is wrong with either file, with its place; a file of several recordings.
    pub fn load(&self, entry: &Entry) -> Result<Annotated, CorpusError> {
        let mut all = self.load_all(entry)?;
        match (all.pop(), all.len()) {
            (Some(one), 0) => Ok(one),
            (None, _) => Err(Place::file(&entry.poses).fault("one recording", "none")),
            (Some(_), more) => {
                let expected = "one recording; import a file of several first";
                Err(Place::file(&entry.poses).fault(expected, format!("{}", more + 1)))
            }
        }
    }

    /// Reads all recordings of a file, with their annotations.
    ///
    /// # Errors
    /// Whatever is wrong with either file, with its place.
    pub fn load_all(&self, entry: &Entry) -> Result<Vec<Annotated>, CorpusError> {
        match &self.store {
            Store::Files(description) => files::load(description, entry),
            Store::Mabe(dataset) => Ok(vec![dataset.load(entry)?]),
        }
    }
}

/// Rate, scale and skeleton of a recording, as what a model is told where nothing else is.
pub fn defaults_of(recording: &Recording) -> StreamDefaults {
    let stream = &recording.stream;
    StreamDefaults {
        rate_hz: stream.rate_hz(),
        body_length_px: stream.body_length_px(),
        skeleton: stream.skeleton().clone(),
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]
mod tests {
    use std::fs;

    use super::*;
    use crate::corpus::description::tests::OTHER_LAB;

    const POSES: &str = "scorer,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s\n\
        individuals,a,a,a,a,a,a,a,a,a,b,b,b,b,b,b,b,b,b\n\
        bodyparts,spine,spine,spine,nose,nose,nose,tail,tail,tail,spine,spine,spine,nose,nose,nose,tail,tail,tail\n\
        coords,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood\n\
        0,1,2,1,3,4,1,5,6,1,1,2,1,3,4,1,5,6,1\n\
        1,1,2,1,3,4,1,5,6,1,1,2,1,3,4,1,5,6,1\n";
    const LABELS: &str = "Caltech Behavior Annotator\nS1: start end type\n1 1 attack\n2 9 other\n";

    fn lab(ids: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for below in ["poses", "labels"] {
            fs::create_dir(dir.path().join(below)).unwrap();
        }
        for id in ids {
            fs::write(dir.path().join(format!("poses/{id}DLC_x.csv")), POSES).unwrap();
            fs::write(dir.path().join(format!("labels/{id}.txt")), LABELS).unwrap();
        }
        fs::write(dir.path().join("poses/notes.md"), "").unwrap();
        dir
    }

    fn description() -> Description {
        Description::parse(OTHER_LAB, Path::new("other.toml")).unwrap()
    }

    fn open(dirs: &[&tempfile::TempDir]) -> Result<Corpus, CorpusError> {
        let dirs: Vec<PathBuf> = dirs.iter().map(|dir| dir.path().to_path_buf()).collect();
        Corpus::of_files(&dirs, &description())
    }

    #[test]
    fn recordings_of_several_directories_are_found_in_order_and_loaded() {
        let (one, other) = (lab(&["10", "b"]), lab(&["9"]));
        let corpus = open(&[&one, &other]).unwrap();
        assert_eq!(corpus.entries().iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["9", "10", "b"]);
        assert_eq!(corpus.split(Split::Test).count(), 1);
        assert!(corpus.absent_ids().is_empty());
        assert_eq!(open(&[&other]).unwrap().absent_ids(), ["b"]);

        let Annotated { recording, labels, .. } = corpus.load(&corpus.entries()[0]).unwrap();
        assert_eq!(recording.name, "9DLC_x");
        assert_eq!(recording.stream.individuals(), ["resident", "intruder"]);
        assert_eq!(recording.stream.rate_hz(), 25.0);
        assert_eq!(recording.frames[0].keypoints[0].x, 3.0, "the nose comes first in the skeleton");
        assert_eq!(labels.len(), 2);
        assert_eq!((labels[0].scored.as_slice(), labels[0].bouts.len()), ([0..2].as_slice(), 1));
    }

    #[test]
    fn what_does_not_belong_together_is_named() {
        let (dir, empty) = (lab(&["9"]), lab(&[]));
        let error = open(&[&dir, &dir]).unwrap_err().to_string();
        assert!(error.contains("expected one recording with the id \"9\", got another, "), "{error}");
        let error = open(&[&empty]).unwrap_err().to_string();
        assert!(error.contains("expected files that end in [\".csv\"") && error.ends_with("got none"), "{error}");
        fs::remove_file(dir.path().join("labels/9.txt")).unwrap();
        let error = open(&[&dir]).unwrap_err().to_string();
        assert!(
            error.contains("9DLC_x.csv: expected its annotations in ") && error.contains("labels/9.txt"),
            "{error}"
        );
        fs::rename(dir.path().join("poses/9DLC_x.csv"), dir.path().join("poses/9.csv")).unwrap();
        let error = open(&[&dir]).unwrap_err().to_string();
        assert!(error.contains("9.csv: expected a name with an id before \"DLC\", got \"9\""), "{error}");
        let error = Corpus::of_files(&[dir.path().join("nowhere")], &description()).unwrap_err().to_string();
        assert!(error.contains("nowhere/poses: "), "{error}");
    }
}
