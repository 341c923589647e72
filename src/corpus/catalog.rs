//! A corpus: its recordings, found at once and loaded one by one.

use std::path::{Path, PathBuf};

use super::description::{AnnotationFormat, Description, ID_PLACEHOLDER, IdRule, PoseFormat};
use super::error::{CorpusError, Place, quoted};
use super::labels::{Reader, SetLabels};
use super::recording::{Recording, name_of};
use super::{caltech, deeplabcut, sidecar};
use crate::behavior::Ethogram;

/// The recordings of one or more directories that one description is about.
#[derive(Clone, Debug)]
pub struct Corpus {
    description: Description,
    ethogram: Ethogram,
    entries: Vec<Entry>,
}

/// A recording that is there, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How annotations and split name the recording.
    pub id: String,
    pub split: Split,
    pub poses: PathBuf,
    pub annotations: PathBuf,
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
}

impl Corpus {
    /// Finds the recordings in `dirs`, each laid out as the description says.
    ///
    /// # Errors
    /// A directory that cannot be read or holds no recording, a pose file without id or annotations, an id that two
    /// files claim.
    pub fn open(dirs: &[PathBuf], description: &Description) -> Result<Self, CorpusError> {
        let mut entries: Vec<Entry> = Vec::new();
        for dir in dirs {
            let found = entries_of(dir, description)?;
            if found.is_empty() {
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
        Ok(Self { ethogram: description.ethogram(), description: description.clone(), entries })
    }

    pub fn description(&self) -> &Description {
        &self.description
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

    /// Ids that the description's split names and no recording has: another directory of the corpus, or a slip that
    /// would let a test recording train.
    pub fn absent_ids(&self) -> Vec<&str> {
        let split = &self.description.split;
        let ids = split.validation.iter().chain(&split.test).map(String::as_str);
        ids.filter(|id| !self.entries.iter().any(|entry| entry.id == *id)).collect()
    }

    /// Reads a recording and its annotations.
    ///
    /// # Errors
    /// Whatever is wrong with either file, with its place.
    pub fn load(&self, entry: &Entry) -> Result<Annotated, CorpusError> {
        let Description { layout, stream, skeleton, label_sets, .. } = &self.description;
        let raw = match layout.pose_format {
            PoseFormat::DeeplabcutCsv => deeplabcut::read(&entry.poses, stream.confidence_min)?,
        };
        let individuals = stream.individuals.clone();
        let recording = sidecar::describe(raw, skeleton.clone(), individuals, stream.rate_hz, stream.body_length_px)?;
        let channels = match layout.annotation_format {
            AnnotationFormat::CaltechTxt => caltech::read(&entry.annotations)?,
        };
        let individuals = recording.stream.individuals();
        let reader = Reader { file: &entry.annotations, extent: recording.extent(), individuals };
        let labels = reader.read(label_sets, &channels)?;
        Ok(Annotated { recording, labels })
    }
}

fn entries_of(dir: &Path, description: &Description) -> Result<Vec<Entry>, CorpusError> {
    let layout = &description.layout;
    let poses_dir = dir.join(&layout.pose_directory);
    let unreadable = |error| CorpusError::Io { file: poses_dir.clone(), error };
    let mut entries = Vec::new();
    for file in std::fs::read_dir(&poses_dir).map_err(unreadable)? {
        let poses = file.map_err(unreadable)?.path();
        let name = poses.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if !layout.pose_endings.iter().any(|ending| name.ends_with(&ending.to_lowercase())) {
            continue;
        }
        let id = id_of(&layout.recording_id, &poses)?;
        let annotation_file = layout.annotation_file.replace(ID_PLACEHOLDER, &id);
        let annotations = dir.join(&layout.annotation_directory).join(annotation_file);
        if !annotations.is_file() {
            let expected = format!("its annotations in {}", annotations.display());
            return Err(Place::file(&poses).fault(expected, "no such file"));
        }
        let split = match &description.split {
            split if split.test.contains(&id) => Split::Test,
            split if split.validation.contains(&id) => Split::Validation,
            _ => Split::Train,
        };
        entries.push(Entry { id, split, poses, annotations });
    }
    Ok(entries)
}

fn id_of(rule: &IdRule, poses: &Path) -> Result<String, CorpusError> {
    let name = name_of(poses);
    let (id, expected) = match rule {
        IdRule::WholeName => (Some(name.as_str()), String::new()),
        IdRule::LeadingDigits => {
            let digits = name.bytes().take_while(u8::is_ascii_digit).count();
            (Some(&name[..digits]), "a name that begins with digits".to_string())
        }
        IdRule::Before(text) => {
            (name.split_once(text.as_str()).map(|(id, _)| id), format!("a name with an id before {text:?}"))
        }
    };
    match id {
        Some(id) if !id.is_empty() => Ok(id.to_string()),
        _ => Err(Place::file(poses).fault(expected, quoted(&name))),
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
        Corpus::open(&dirs, &description())
    }

    #[test]
    fn recordings_of_several_directories_are_found_in_order_and_loaded() {
        let (one, other) = (lab(&["10", "b"]), lab(&["9"]));
        let corpus = open(&[&one, &other]).unwrap();
        assert_eq!(corpus.entries().iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["9", "10", "b"]);
        assert_eq!(corpus.split(Split::Test).count(), 1);
        assert!(corpus.absent_ids().is_empty());
        assert_eq!(open(&[&other]).unwrap().absent_ids(), ["b"]);

        let Annotated { recording, labels } = corpus.load(&corpus.entries()[0]).unwrap();
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
        assert!(error.contains("expected files that end in [\".csv\", \".csv.gz\"], got none"), "{error}");
        fs::remove_file(dir.path().join("labels/9.txt")).unwrap();
        let error = open(&[&dir]).unwrap_err().to_string();
        assert!(
            error.contains("9DLC_x.csv: expected its annotations in ") && error.contains("labels/9.txt"),
            "{error}"
        );
        fs::rename(dir.path().join("poses/9DLC_x.csv"), dir.path().join("poses/9.csv")).unwrap();
        let error = open(&[&dir]).unwrap_err().to_string();
        assert!(error.contains("9.csv: expected a name with an id before \"DLC\", got \"9\""), "{error}");
        let error = Corpus::open(&[dir.path().join("nowhere")], &description()).unwrap_err().to_string();
        assert!(error.contains("nowhere/poses: "), "{error}");
    }
}
