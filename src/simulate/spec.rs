//! What is simulated: `configs/simulation/*.toml`. `labs.toml` there is a complete example, with comments.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::act::Act;
use super::arena::{Arena, SIDE_BL};
use super::ethology::Ethology;
use super::society::{Repertoire, Temper};
use super::vivarium::Habitat;
use crate::anatomy::{Part, Place};
use crate::behavior::{BehaviorSpec, Ethogram, LabelSet};
use crate::corpus::Split;
use crate::corpus::mabe::sheet::is_folder_name;
use crate::skeleton::Skeleton;
use crate::stream::{Origin, StreamDescription, StreamError};

/// Most frames of a recording: a bound on memory, 18 hours at 30 Hz.
const FRAMES_MAX: f64 = 2e6;

/// Most recordings of each part of a lab.
const RECORDINGS_MAX: u32 = 10_000;

/// Labs, their protocols and how much of each is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    pub name: String,
    pub seed: u64,
    /// The preset of the tracker, where the command names no other.
    pub preset: String,
    pub minutes: f64,
    pub recordings: Recordings,
    pub ethogram: Ethogram,
    /// By behavior, the acts that it is said of.
    pub meanings: Vec<Vec<Act>>,
    pub labs: Vec<Lab>,
}

/// Recordings of each lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recordings {
    pub train: u32,
    pub validation: u32,
    pub test: u32,
}

impl Recordings {
    pub fn by_split(self) -> [(Split, u32); 3] {
        [(Split::Train, self.train), (Split::Validation, self.validation), (Split::Test, self.test)]
    }
}

/// A lab: its animals, its arena, its camera and who annotates.
#[derive(Clone, Debug, PartialEq)]
pub struct Lab {
    pub name: String,
    stream: StreamDescription,
    places: Vec<Place>,
    pub habitat: Habitat,
    /// Indices of the label sets by whose protocols it is annotated.
    pub annotated_by: Vec<usize>,
}

impl Lab {
    pub fn stream(&self) -> &StreamDescription {
        &self.stream
    }

    pub fn skeleton(&self) -> &Skeleton {
        self.stream.skeleton()
    }

    pub fn rate_hz(&self) -> f64 {
        self.stream.rate_hz()
    }

    pub fn body_length_px(&self) -> f64 {
        self.stream.body_length_px()
    }

    /// Pixels in a length of the body, nose to tail base. What a lab calls a body length runs from its skeleton's front to
    /// its rear, which need not be the nose.
    pub fn scale_px(&self) -> f32 {
        let axis = self.skeleton().axis();
        let along = |keypoint: usize| match self.places[keypoint] {
            Place::Trunk { along, .. } => along,
            Place::Tail { .. } => -0.5,
        };
        self.body_length_px() as f32 / (along(axis.front) - along(axis.rear)).abs().max(0.1)
    }

    /// Where on the body each keypoint lies.
    pub fn places(&self) -> &[Place] {
        &self.places
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("{key}: expected {expected}, got {got}")]
    Value { key: String, expected: String, got: String },
    #[error("labs.{lab}: {source}")]
    Stream { lab: String, source: StreamError },
}

fn fault(key: impl Into<String>, expected: impl Into<String>, got: impl std::fmt::Debug) -> SpecError {
    SpecError::Value { key: key.into(), expected: expected.into(), got: format!("{got:?}") }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSimulation {
    name: String,
    seed: u64,
    preset: String,
    minutes: f64,
    recordings: Recordings,
    skeletons: Vec<Skeleton>,
    label_sets: Vec<RawLabelSet>,
    labs: Vec<RawLab>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLabelSet {
    name: String,
    behaviors: Vec<RawBehavior>,
}

/// A word that means the act of that name, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawBehavior {
    Word(String),
    Several { name: String, acts: Vec<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLab {
    name: String,
    skeleton: String,
    rate_hz: f64,
    body_length_px: f64,
    arena: Arena,
    individuals: Vec<String>,
    annotated_by: Vec<String>,
    /// How often each act is chosen, relative to the others. What is done in answer only (escape, avoid, submit, freeze) is
    /// done or not, whatever its weight.
    acts: BTreeMap<String, f32>,
    #[serde(default)]
    temper: RawTemper,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawTemper {
    activity: f32,
    sociability: f32,
    aggression: f32,
    timidity: f32,
    pace: f32,
    spread: f32,
}

impl Default for RawTemper {
    fn default() -> Self {
        Self { activity: 1.0, sociability: 1.0, aggression: 1.0, timidity: 1.0, pace: 1.0, spread: 0.25 }
    }
}

impl Simulation {
    /// # Errors
    /// Unknown keys, acts, skeletons or label sets, and values out of their bounds; each with its key.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let raw: RawSimulation = toml::from_str(text)?;
        for (index, skeleton) in raw.skeletons.iter().enumerate() {
            if raw.skeletons[..index].iter().any(|known| known.name() == skeleton.name()) {
                return Err(fault("skeletons.name", "a name of its own", skeleton.name()));
            }
        }
        let (label_sets, meanings) = label_sets(&raw.label_sets)?;
        let mut labs: Vec<Lab> = Vec::new();
        for lab in &raw.labs {
            if labs.iter().any(|known| known.name == lab.name) || !is_folder_name(&lab.name) {
                return Err(fault("labs.name", "a name of its own that a folder can have", &lab.name));
            }
            labs.push(lab.checked(&raw.skeletons, &label_sets)?);
        }
        if labs.is_empty() {
            return Err(fault("labs", "at least one", "none"));
        }
        check_minutes(raw.minutes, &labs)?;
        for (split, count) in raw.recordings.by_split() {
            if count > RECORDINGS_MAX {
                return Err(fault(format!("recordings, {split:?}"), format!("at most {RECORDINGS_MAX}"), count));
            }
        }
        Ok(Self {
            name: raw.name,
            seed: raw.seed,
            preset: raw.preset,
            minutes: raw.minutes,
            recordings: raw.recordings,
            ethogram: Ethogram::new(label_sets),
            meanings,
            labs,
        })
    }

    /// The seed of one recording: of a lab, a split and its number there.
    pub fn seed_of(&self, lab: &str, split: Split, number: u32) -> u64 {
        let text = format!("{} {lab} {split:?} {number}", self.seed);
        let hash = blake3::hash(text.as_bytes());
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
    }
}

fn label_sets(raw: &[RawLabelSet]) -> Result<(Vec<LabelSet>, Vec<Vec<Act>>), SpecError> {
    let (mut sets, mut meanings) = (Vec::<LabelSet>::new(), Vec::new());
    for set in raw {
        if sets.iter().any(|known| known.name == set.name) || !is_folder_name(&set.name) {
            return Err(fault("label_sets.name", "a name of its own that a folder can have", &set.name));
        }
        if set.behaviors.is_empty() {
            return Err(fault(format!("label_sets.{}", set.name), "at least one behavior", "none"));
        }
        let mut behaviors: Vec<BehaviorSpec> = Vec::new();
        for behavior in &set.behaviors {
            let (name, words) = match behavior {
                RawBehavior::Word(word) => (word, vec![word.clone()]),
                RawBehavior::Several { name, acts } => (name, acts.clone()),
            };
            let key = || format!("label_sets.{}.{name}", set.name);
            let acts: Vec<Act> = words.iter().map(|word| act(&key(), word)).collect::<Result<_, _>>()?;
            let Some(kind) = acts.first().map(|act| act.kind()) else {
                return Err(fault(key(), "at least one act", "none"));
            };
            if acts.iter().any(|act| act.kind() != kind || *act == Act::Explore) {
                return Err(fault(key(), "acts of one kind, and not explore", words));
            }
            if behaviors.iter().any(|known| known.name == *name) {
                return Err(fault(key(), "each behavior once", name));
            }
            behaviors.push(BehaviorSpec { name: name.clone(), kind });
            meanings.push(acts);
        }
        sets.push(LabelSet { name: set.name.clone(), behaviors });
    }
    Ok((sets, meanings))
}

fn act(key: &str, word: &str) -> Result<Act, SpecError> {
    Act::of_name(word).ok_or_else(|| {
        let known = Act::ALL.map(Act::name).join(", ");
        fault(key, format!("one of the acts {known}"), word)
    })
}

fn within(key: String, got: f32, min: f32, max: f32) -> Result<f32, SpecError> {
    if (min..=max).contains(&got) { Ok(got) } else { Err(fault(key, format!("{min} to {max}"), got)) }
}

impl RawLab {
    fn checked(&self, skeletons: &[Skeleton], label_sets: &[LabelSet]) -> Result<Lab, SpecError> {
        let key = |part: &str| format!("labs.{}.{part}", self.name);
        let skeleton = skeletons.iter().find(|skeleton| skeleton.name() == self.skeleton);
        let skeleton = skeleton.ok_or_else(|| fault(key("skeleton"), "one of the skeletons", &self.skeleton))?;
        let place = |keypoint: &String| {
            let part = Part::of_name(keypoint);
            part.map(Part::place).ok_or_else(|| fault(key("skeleton"), "keypoints with a place on a body", keypoint))
        };
        let places = skeleton.keypoints().iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let sides = match self.arena {
            Arena::Rectangle(sides) => sides,
            Arena::Circle(diameter) => [diameter; 2],
        };
        for side in sides {
            within(key("arena"), side, *SIDE_BL.start(), *SIDE_BL.end())?;
        }
        let RawTemper { activity, sociability, aggression, timidity, pace, spread } = self.temper;
        let factor = |part: &str, value| within(key(&format!("temper.{part}")), value, 0.1, 10.0);
        let temper = Temper {
            activity: factor("activity", activity)?,
            sociability: factor("sociability", sociability)?,
            aggression: factor("aggression", aggression)?,
            timidity: factor("timidity", timidity)?,
            pace: within(key("temper.pace"), pace, 0.3, 2.0)?,
        };
        within(key("temper.spread"), spread, 0.0, 0.6)?;
        let mut weights = Vec::new();
        for (word, weight) in &self.acts {
            let weight = within(key(&format!("acts.{word}")), *weight, 0.0, 1e3)?;
            weights.push((act(&key("acts"), word)?, weight));
        }
        let annotated_by = self.annotated_by.iter().map(|set| {
            let known = label_sets.iter().position(|known| known.name == *set);
            known.ok_or_else(|| fault(key("annotated_by"), "one of the label sets", set))
        });
        let mut annotated_by = annotated_by.collect::<Result<Vec<_>, _>>()?;
        annotated_by.sort_unstable();
        annotated_by.dedup();
        let names = self.individuals.clone();
        let stream =
            StreamDescription::new(skeleton.clone(), names, self.rate_hz, self.body_length_px, None, Origin::Simulated);
        let stream = stream.map_err(|source| SpecError::Stream { lab: self.name.clone(), source })?;
        let repertoire = Repertoire { weights, ethology: Ethology::built_in() };
        let individuals = self.individuals.len();
        let habitat = Habitat { arena: self.arena, individuals, repertoire, temper, spread };
        Ok(Lab { name: self.name.clone(), stream, places, habitat, annotated_by })
    }
}

impl Simulation {
    /// The labs of `configs/simulation/labs.toml`.
    ///
    /// # Panics
    /// Never: a test parses the file.
    pub fn built_in() -> Self {
        Self::parse(include_str!("../../configs/simulation/labs.toml")).expect("the built-in labs are valid")
    }

    /// # Errors
    /// Less than a moment, or more frames than a recording may have.
    pub fn set_minutes(&mut self, minutes: f64) -> Result<(), SpecError> {
        check_minutes(minutes, &self.labs)?;
        self.minutes = minutes;
        Ok(())
    }

    /// Leaves out all labs but those named; keeps all where none is named.
    ///
    /// # Errors
    /// A name that no lab has.
    pub fn keep_labs(&mut self, names: &[String]) -> Result<(), SpecError> {
        let known = |name: &&String| !self.labs.iter().any(|lab| lab.name == **name);
        if let Some(unknown) = names.iter().find(known) {
            let labs: Vec<&str> = self.labs.iter().map(|lab| lab.name.as_str()).collect();
            return Err(fault("--lab", format!("one of {labs:?}"), unknown));
        }
        if !names.is_empty() {
            self.labs.retain(|lab| names.contains(&lab.name));
        }
        Ok(())
    }
}

fn check_minutes(minutes: f64, labs: &[Lab]) -> Result<(), SpecError> {
    if !(0.05..=1440.0).contains(&minutes) {
        return Err(fault("minutes", "0.05 to 1440", minutes));
    }
    match labs.iter().find(|lab| minutes * 60.0 * lab.rate_hz() > FRAMES_MAX) {
        Some(lab) => {
            let minutes_max = (FRAMES_MAX / 60.0 / lab.rate_hz()).floor();
            Err(fault("minutes", format!("at most {minutes_max} for {}", lab.name), minutes))
        }
        None => Ok(()),
    }
}
