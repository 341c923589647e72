//! What the files of a corpus cannot say themselves: a TOML, one for each corpus.
//!
//! `configs/corpora/rat-dyads.toml` is a complete example, with comments.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::Deserialize;

use super::error::{CorpusError, Place, quoted};
use super::mabe::card::BODY_LENGTH_CM_BOUNDS;
use super::mabe::sheet::is_folder_name;
use super::poses::deeplabcut_csv::CONFIDENCE_MIN;
use crate::behavior::{BehaviorSpec, Ethogram, Kind, LabelSet};
use crate::skeleton::Skeleton;
use crate::stream::{BODY_LENGTH_PX_MAX, BODY_LENGTH_PX_MIN, RATE_HZ_MAX, RATE_HZ_MIN, StreamError};

/// What stands for the recording's id in the name of its annotation file.
pub const ID_PLACEHOLDER: &str = "{id}";

/// Layout, streams, label sets and split of a corpus.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub name: String,
    pub species: String,
    /// Where the recordings come from, and their licence: it goes into the card of every model trained on them.
    pub source: String,
    #[serde(default)]
    pub layout: Layout,
    #[serde(default)]
    pub stream: StreamFacts,
    /// Where the recordings do not bring their own.
    pub skeleton: Option<Skeleton>,
    /// The annotations' names for the individuals, where they are others.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    pub label_sets: Vec<SetRule>,
    #[serde(default)]
    pub split: SplitIds,
}

/// Where the files of a corpus lie below its directory. Their formats are recognised by their content.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    #[serde(default = "here")]
    pub pose_directory: String,
    /// Endings of the files in that directory that are poses, matched without regard to case.
    #[serde(default = "pose_endings")]
    pub pose_endings: Vec<String>,
    #[serde(default = "here")]
    pub annotation_directory: String,
    /// Name of the annotation file of a recording, with `{id}` for its id; without it, one file for all recordings,
    /// which tells them apart itself (a `BORIS` export, for instance). Poses that hold their own annotations
    /// (`CalMS21`) need none; others are poses without labels where it is not stated.
    pub annotation_file: Option<String>,
    #[serde(default)]
    pub recording_id: IdRule,
    /// What becomes of poses without annotations.
    #[serde(default)]
    pub without_annotations: WithoutAnnotations,
}

/// What it means that the annotations of a recording are not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutAnnotations {
    /// That the corpus is incomplete.
    #[default]
    Error,
    /// That the recording is none of the corpus.
    LeaveOut,
}

fn here() -> String {
    ".".to_owned()
}

fn pose_endings() -> Vec<String> {
    [".csv", ".csv.gz", ".h5", ".hdf5", ".parquet", ".json", ".mcap"].map(str::to_owned).to_vec()
}

/// How a recording's id is found in the name (without endings) of its pose file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdRule {
    LeadingDigits,
    #[default]
    WholeName,
    /// What stands before the first occurrence of a text.
    Before(String),
}

/// What all recordings of a corpus have in common. What stands in a TOML beside a recording goes before it, what the
/// recording itself says comes after it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamFacts {
    pub rate_hz: Option<f64>,
    /// Pixels in one nominal body length.
    pub body_length_px: Option<f64>,
    /// Names for the individuals, in the order of the files; the files' own where absent.
    pub individuals: Option<Vec<String>>,
    /// Centimetres in one nominal body length: by it an imported corpus states pixels per centimetre.
    pub body_length_cm: Option<f64>,
    /// What the names of the keypoints of each individual begin with, in tables that know one animal only.
    pub individual_prefixes: Option<Vec<String>>,
    #[serde(default = "confidence_min")]
    pub confidence_min: f32,
}

fn confidence_min() -> f32 {
    CONFIDENCE_MIN
}

/// A label set and how annotations are read into it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRule {
    pub name: String,
    /// The channel that holds it, in formats with channels; else all annotations are looked through.
    pub channel: Option<String>,
    pub behaviors: Vec<BehaviorSpec>,
    /// Labels that say: none of the behaviors.
    #[serde(default)]
    pub background: Vec<String>,
    /// Labels whose frames are left out of training and scoring.
    #[serde(default)]
    pub excluded: Vec<String>,
    /// Which frames are scored: by default those with a label in a set with a channel, else the whole recording.
    pub coverage: Option<Coverage>,
    /// Another label set: what is not scored there is not scored here either.
    pub scored_within: Option<String>,
    #[serde(default)]
    pub absent_channel: AbsentChannel,
    /// Who acts and on whom, by name, where the annotations do not say it. With a channel it is needed for directed
    /// (both) and self (agent) behaviors; else in cages of more than two.
    pub agent: Option<String>,
    pub target: Option<String>,
    /// The whitelist, as `"agent,target,behavior"` (target `self` for self behaviors); by default each behavior was
    /// looked for in all animals or pairs, and in a channel in its one.
    pub annotated: Option<Vec<String>>,
}

/// Which frames of a recording count as looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Those that any label of the set covers, excluded ones aside.
    Labelled,
    /// All but those of excluded labels.
    Recording,
    /// Those under this label, which says that somebody looked.
    Within(String),
}

/// What it means that a recording lacks the channel of a label set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AbsentChannel {
    /// That its annotations are incomplete.
    #[default]
    Error,
    /// That nobody annotated the label set: its cells are unknown throughout.
    Unannotated,
    /// That none of the behaviors occurred.
    Background,
}

/// Ids of the recordings kept for validation and test; all others train.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitIds {
    #[serde(default)]
    pub validation: Vec<String>,
    #[serde(default)]
    pub test: Vec<String>,
}

/// What a label of a channel means in a label set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Index within the label set.
    Behavior(usize),
    Background,
    Excluded,
    /// Somebody looked here.
    Looked,
}

impl Description {
    /// # Errors
    /// A file that cannot be read or is no sound description.
    pub fn read(file: &Path) -> Result<Self, CorpusError> {
        let text =
            std::fs::read_to_string(file).map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
        Self::parse(&text, file)
    }

    /// # Errors
    /// Text that is no sound description; `file` is what errors are named after.
    pub fn parse(text: &str, file: &Path) -> Result<Self, CorpusError> {
        let description: Self = toml::from_str(text)
            .map_err(|error| CorpusError::Toml { file: file.to_path_buf(), error: Box::new(error) })?;
        description.check(file)?;
        Ok(description)
    }

    /// The label sets, in the description's order.
    pub fn ethogram(&self) -> Ethogram {
        let sets = self.label_sets.iter();
        Ethogram::new(sets.map(|set| LabelSet { name: set.name.clone(), behaviors: set.behaviors.clone() }).collect())
    }

    fn check(&self, file: &Path) -> Result<(), CorpusError> {
        let place = || Place::file(file);
        if !(0.0..=1.0).contains(&self.stream.confidence_min) {
            let got = self.stream.confidence_min.to_string();
            return Err(place().fault("a stream.confidence_min within 0 to 1", got));
        }
        self.stream.check().map_err(|error| CorpusError::Stream { file: file.to_path_buf(), error })?;
        if self.label_sets.is_empty() {
            return Err(place().fault("at least one of label_sets", "none"));
        }
        for (index, set) in self.label_sets.iter().enumerate() {
            let before = &self.label_sets[..index];
            if before.iter().any(|other| other.name == set.name) {
                return Err(place().fault("each label set once", format!("{} again", quoted(&set.name))));
            }
            set.check(before, file)?;
        }
        let ids = self.split.validation.iter().chain(&self.split.test);
        match first_doubled(ids) {
            Some(id) => Err(place().fault("each recording once in split", format!("{} again", quoted(id)))),
            None => Ok(()),
        }
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            pose_directory: here(),
            pose_endings: pose_endings(),
            annotation_directory: here(),
            annotation_file: None,
            recording_id: IdRule::default(),
            without_annotations: WithoutAnnotations::default(),
        }
    }
}

impl Default for StreamFacts {
    fn default() -> Self {
        let confidence_min = confidence_min();
        Self {
            rate_hz: None,
            body_length_px: None,
            body_length_cm: None,
            individuals: None,
            individual_prefixes: None,
            confidence_min,
        }
    }
}

impl StreamFacts {
    fn check(&self) -> Result<(), StreamError> {
        if let Some(cm) = self.body_length_cm.filter(|cm| !BODY_LENGTH_CM_BOUNDS.contains(cm)) {
            return Err(StreamError::Scale(cm));
        }
        match (self.rate_hz, self.body_length_px) {
            (Some(rate_hz), _) if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) => Err(StreamError::Rate(rate_hz)),
            (_, Some(px)) if !(BODY_LENGTH_PX_MIN..=BODY_LENGTH_PX_MAX).contains(&px) => Err(StreamError::Scale(px)),
            _ => Ok(()),
        }
    }
}

impl SetRule {
    /// What a label means here, if it is known.
    pub(super) fn meaning(&self, label: &str) -> Option<Meaning> {
        if let Some(index) = self.behaviors.iter().position(|behavior| behavior.name == label) {
            return Some(Meaning::Behavior(index));
        }
        if self.background.iter().any(|background| background == label) {
            return Some(Meaning::Background);
        }
        if self
            .coverage
            .as_ref()
            .is_some_and(|coverage| matches!(coverage, Coverage::Within(within) if within == label))
        {
            return Some(Meaning::Looked);
        }
        self.excluded.iter().any(|excluded| excluded == label).then_some(Meaning::Excluded)
    }

    /// All labels with a meaning: behaviors, background, excluded, and that which says where somebody looked.
    pub(super) fn labels(&self) -> impl Iterator<Item = &String> {
        let within = match &self.coverage {
            Some(Coverage::Within(label)) => Some(label),
            _ => None,
        };
        self.behaviors.iter().map(|spec| &spec.name).chain(&self.background).chain(&self.excluded).chain(within)
    }

    fn check(&self, before: &[Self], file: &Path) -> Result<(), CorpusError> {
        let fault = |expected: &str, got: String| {
            Err(Place::file(file).fault(format!("in the label set {:?} {expected}", self.name), got))
        };
        if self.behaviors.is_empty() {
            return fault("at least one behavior", "none".to_string());
        }
        if !is_folder_name(&self.name) {
            return fault("a name that a folder may have", quoted(&self.name));
        }
        // Whitelists, submissions and BORIS tables have no way to quote these.
        if let Some(spec) =
            self.behaviors.iter().find(|spec| spec.name.is_empty() || spec.name.contains([',', '|', '>', '"']))
        {
            return fault("names of behaviors without , | > and \"", quoted(&spec.name));
        }
        if let Some(label) = first_doubled(self.labels()) {
            return fault("one meaning for each label", format!("several for {}", quoted(label)));
        }
        if let Some(within) = &self.scored_within
            && !before.iter().any(|other| other.name == *within)
        {
            return fault("a scored_within that names a label set above it", quoted(within));
        }
        if self.target.is_some() && (self.agent.is_none() || self.agent == self.target) {
            return fault("a target only beside an agent, and another", format!("{:?}, {:?}", self.agent, self.target));
        }
        for behavior in self.behaviors.iter().filter(|_| self.channel.is_some() && self.annotated.is_none()) {
            let (needed, given) = match behavior.kind {
                Kind::Directed => ("an agent and a target", self.target.is_some()),
                Kind::OfSelf => ("an agent", self.agent.is_some()),
                Kind::Mutual | Kind::Undirected => ("", true),
            };
            if !given {
                let got = format!("none for the behavior {:?} of kind {:?}", behavior.name, behavior.kind);
                return fault(needed, got);
            }
        }
        Ok(())
    }
}

fn first_doubled<'a>(names: impl IntoIterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

#[cfg(test)]
pub(super) mod tests;
