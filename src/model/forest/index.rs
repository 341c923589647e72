//! Which trees a model has, and what they answer: the contents of [`INDEX_FILE`].

use serde::{Deserialize, Serialize};

use super::ForestError;
use super::rows::Reading;
use crate::model::trust::LogitLine;

pub const INDEX_FILE: &str = "forest.json";

/// Where the boosters' files lie in a model directory.
pub(super) const FOLDER: &str = "trees";

const FORMAT: u32 = 1;

/// The logit of a behavior at a delay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub answer: Answer,
    /// From what the trees answer to a calibrated logit.
    pub line: LogitLine,
}

/// Where a logit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// Nobody showed the trees both sides of it.
    Constant { logit: f32 },
    /// The only output of a booster of the objective `binary:logistic`.
    Margin { booster: usize },
    /// A class of a booster of the objective `multi:softprob`, against all others.
    Class { booster: usize, class: usize },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    /// Within the model directory.
    pub file: String,
    pub hash: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    format: u32,
    pub reading: Reading,
    pub vocabulary: usize,
    pub of_self: Vec<bool>,
    pub boosters: Vec<Stored>,
    pub outputs: Vec<Vec<Output>>,
}

impl Index {
    pub fn new(
        reading: Reading,
        vocabulary: usize,
        of_self: &[bool],
        boosters: Vec<Stored>,
        outputs: &[Vec<Output>],
    ) -> Self {
        Self { format: FORMAT, reading, vocabulary, of_self: of_self.to_vec(), boosters, outputs: outputs.to_vec() }
    }

    /// # Errors
    /// Anything else than an index of this format, and files outside of the folder of trees.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForestError> {
        let index: Self = serde_json::from_slice(bytes)?;
        let value = |key, expected: String, got: String| Err(ForestError::Value { key, expected, got });
        if index.format != FORMAT {
            return value("format", FORMAT.to_string(), index.format.to_string());
        }
        if let Some(stored) = index.boosters.iter().find(|stored| !is_within(&stored.file)) {
            return value("file", format!("a file in {FOLDER}"), stored.file.clone());
        }
        Ok(index)
    }
}

/// The file of a booster: its number tells it apart, the words are for those who look.
pub fn file_name(number: usize, words: &str) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() || "-@.".contains(char) { char } else { '_' };
    let words: String = words.chars().map(plain).take(80).collect();
    format!("{FOLDER}/{number:03}-{words}.json")
}

fn is_within(file: &str) -> bool {
    let name = file.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']))
}

/// Sixteen hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}
