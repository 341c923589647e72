//! What the files of a corpus cannot say themselves: a TOML, one for each corpus.
//!
//! `configs/corpora/rat-dyads.toml` is a complete example, with comments.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;

use super::deeplabcut::CONFIDENCE_MIN;
use super::error::{CorpusError, Place, quoted};
use crate::behavior::{BehaviorSpec, Ethogram, Kind, LabelSet};
use crate::skeleton::Skeleton;
use crate::stream::{Origin, StreamDescription};

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
    pub layout: Layout,
    pub stream: StreamFacts,
    pub skeleton: Skeleton,
    pub label_sets: Vec<ChannelLabels>,
    #[serde(default)]
    pub split: SplitIds,
}

/// Where the files of a corpus lie below its directory.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    pub pose_format: PoseFormat,
    pub pose_directory: String,
    /// Endings of the files in that directory that are poses, matched without regard to case.
    pub pose_endings: Vec<String>,
    pub annotation_format: AnnotationFormat,
    pub annotation_directory: String,
    /// Name of the annotation file of a recording, with `{id}` for its id.
    pub annotation_file: String,
    pub recording_id: IdRule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoseFormat {
    /// See [`super::deeplabcut`].
    DeeplabcutCsv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnotationFormat {
    /// See [`super::caltech`].
    CaltechTxt,
}

/// How a recording's id is found in the name (without endings) of its pose file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdRule {
    LeadingDigits,
    WholeName,
    /// What stands before the first occurrence of a text.
    Before(String),
}

/// What all recordings of a corpus have in common.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamFacts {
    pub rate_hz: f64,
    /// Pixels in one nominal body length.
    pub body_length_px: f64,
    /// Names for the individuals, in the order of the files; the files' own where absent.
    pub individuals: Option<Vec<String>>,
    #[serde(default = "confidence_min")]
    pub confidence_min: f32,
}

fn confidence_min() -> f32 {
    CONFIDENCE_MIN
}

/// A label set and the annotation channel that holds it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelLabels {
    pub name: String,
    pub channel: String,
    pub behaviors: Vec<BehaviorSpec>,
    /// Labels that say: none of the behaviors.
    #[serde(default)]
    pub background: Vec<String>,
    /// Labels whose frames are left out of training and scoring.
    #[serde(default)]
    pub excluded: Vec<String>,
    /// Another label set: what is not scored there is not scored here either.
    pub scored_within: Option<String>,
    #[serde(default)]
    pub absent_channel: AbsentChannel,
    /// Who acts and on whom, by name: needed for directed (both) and self (agent) behaviors, as a channel does not
    /// tell, and for every pair in cages of more than two.
    pub agent: Option<String>,
    pub target: Option<String>,
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
        if !self.layout.annotation_file.contains(ID_PLACEHOLDER) {
            let expected = format!("{ID_PLACEHOLDER:?} in layout.annotation_file");
            return Err(place().fault(expected, quoted(&self.layout.annotation_file)));
        }
        if !(0.0..=1.0).contains(&self.stream.confidence_min) {
            let got = self.stream.confidence_min.to_string();
            return Err(place().fault("a stream.confidence_min within 0 to 1", got));
        }
        let StreamFacts { rate_hz, body_length_px, .. } = self.stream;
        let individuals = self.stream.individuals.clone().unwrap_or_else(|| vec!["1".to_string(), "2".to_string()]);
        StreamDescription::new(self.skeleton.clone(), individuals, rate_hz, body_length_px, None, Origin::Replay)
            .map_err(|error| CorpusError::Stream { file: file.to_path_buf(), error })?;
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

impl ChannelLabels {
    /// What a label means here, if it is known.
    pub(super) fn meaning(&self, label: &str) -> Option<Meaning> {
        if let Some(index) = self.behaviors.iter().position(|behavior| behavior.name == label) {
            return Some(Meaning::Behavior(index));
        }
        if self.background.iter().any(|background| background == label) {
            return Some(Meaning::Background);
        }
        self.excluded.iter().any(|excluded| excluded == label).then_some(Meaning::Excluded)
    }

    /// All labels with a meaning: behaviors, background, excluded.
    pub(super) fn labels(&self) -> impl Iterator<Item = &String> {
        self.behaviors.iter().map(|behavior| &behavior.name).chain(&self.background).chain(&self.excluded)
    }

    fn check(&self, before: &[Self], file: &Path) -> Result<(), CorpusError> {
        let fault = |expected: &str, got: String| {
            Err(Place::file(file).fault(format!("in the label set {:?} {expected}", self.name), got))
        };
        if self.behaviors.is_empty() {
            return fault("at least one behavior", "none".to_string());
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
        for behavior in &self.behaviors {
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
pub(super) mod tests {
    use super::*;

    /// Another lab with the same formats: a resident attacks an intruder, grooming is its own.
    pub(in super::super) const OTHER_LAB: &str = r#"
        name = "residents"
        source = "made up"
        species = "mouse"

        [layout]
        pose_format = "deeplabcut-csv"
        pose_directory = "poses"
        pose_endings = [".csv", ".csv.gz"]
        annotation_format = "caltech-txt"
        annotation_directory = "labels"
        annotation_file = "{id}.txt"
        recording_id = { before = "DLC" }

        [stream]
        rate_hz = 25.0
        body_length_px = 80.0
        individuals = ["resident", "intruder"]

        [skeleton]
        name = "three"
        keypoints = ["nose", "spine", "tail"]
        front = "nose"
        centre = "spine"
        rear = "tail"
        edges = [["nose", "spine"], ["spine", "tail"]]

        [[label_sets]]
        name = "Attack"
        channel = "S1"
        behaviors = [{ name = "attack", kind = "directed" }, { name = "huddle", kind = "mutual" }]
        background = ["other"]
        excluded = ["human"]
        agent = "resident"
        target = "intruder"

        [[label_sets]]
        name = "Care"
        channel = "S2"
        behaviors = [{ name = "groom", kind = "self" }]
        background = ["other"]
        scored_within = "Attack"
        absent_channel = "unannotated"
        agent = "intruder"

        [split]
        test = ["b"]
    "#;

    #[test]
    fn another_lab_writes_another_description() {
        let description = Description::parse(OTHER_LAB, Path::new("other.toml")).unwrap();
        assert_eq!(description.stream.confidence_min, CONFIDENCE_MIN);
        assert_eq!(description.layout.recording_id, IdRule::Before("DLC".to_string()));
        let ethogram = description.ethogram();
        assert_eq!(ethogram.behavior_count(), 3);
        assert_eq!(ethogram.find("Care", "groom").map(|behavior| behavior.0), Some(2));
    }

    #[test]
    fn an_unsound_description_is_refused_with_both_sides() {
        for (from, to, wanted) in [
            ("{id}.txt", "id.txt", r#"expected "{id}" in layout.annotation_file, got "id.txt""#),
            ("rate_hz = 25.0", "rate_hz = 5.0", "expected a rate_hz within 10 to 240, got 5"),
            (
                "body_length_px = 80.0",
                "body_length_px = 80.0\nconfidence_min = 2",
                "confidence_min within 0 to 1, got 2",
            ),
            ("name = \"Care\"", "name = \"Attack\"", r#"expected each label set once, got "Attack" again"#),
            (
                "excluded = [\"human\"]",
                "excluded = [\"other\"]",
                r#"one meaning for each label, got several for "other""#,
            ),
            ("scored_within = \"Attack\"", "scored_within = \"Care\"", r#"names a label set above it, got "Care""#),
            (
                "target = \"intruder\"",
                "",
                r#"an agent and a target, got none for the behavior "attack" of kind Directed"#,
            ),
            ("agent = \"intruder\"", "", r#"an agent, got none for the behavior "groom" of kind OfSelf"#),
            (
                "test = [\"b\"]",
                "test = [\"b\"]\nvalidation = [\"b\"]",
                r#"each recording once in split, got "b" again"#,
            ),
            ("species", "specie", "unknown field `specie`"),
            ("deeplabcut-csv", "sleap", "unknown variant `sleap`"),
        ] {
            assert!(OTHER_LAB.contains(from), "{from}");
            let error =
                Description::parse(&OTHER_LAB.replace(from, to), Path::new("other.toml")).unwrap_err().to_string();
            assert!(error.starts_with("other.toml: ") && error.contains(wanted), "{error}\nis not\n{wanted}");
        }
    }
}
