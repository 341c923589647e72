//! `corpus.toml`: what the layout of `MABe` has no place for, beside its `train.csv`.
//!
//! The challenge's own data has none; everything here then has a default.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::behavior::LabelSet;
use crate::corpus::error::{CorpusError, Place};
use crate::corpus::poses::deeplabcut_csv::CONFIDENCE_MIN;
use crate::skeleton::Skeleton;

/// Centimetres in the nominal body length (nose to tail base) of an adult mouse, by which a scale in pixels per
/// centimetre becomes one in body lengths.
pub const BODY_LENGTH_CM: f64 = 9.0;

/// From a newborn mouse to the largest rat.
pub const BODY_LENGTH_CM_BOUNDS: std::ops::RangeInclusive<f64> = 1.0..=50.0;

/// Name, source and what the whitelist cannot say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Card {
    pub name: String,
    /// Where the recordings come from, and their licence.
    pub source: String,
    pub species: String,
    /// Likelihood under which a point counts as missing.
    pub confidence_min: f32,
    pub body_length_cm: f64,
    /// Pixels in one nominal body length, of recordings whose row states no scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_length_px: Option<f64>,
    /// Labs whose behaviors have kinds that a whitelist cannot say: mutual and undirected ones, which it lists for every
    /// order or for one. All other labs' behaviors are of one animal or directed, as the whitelist says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub label_sets: Vec<LabelSet>,
    /// Skeletons for keypoint lists; for all others they are inferred from the names, see [`super::skeletons`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skeletons: Vec<Skeleton>,
}

impl Default for Card {
    fn default() -> Self {
        Self {
            name: String::new(),
            source: "unknown".to_owned(),
            species: "mouse".to_owned(),
            confidence_min: CONFIDENCE_MIN,
            body_length_cm: BODY_LENGTH_CM,
            body_length_px: None,
            label_sets: Vec::new(),
            skeletons: Vec::new(),
        }
    }
}

impl Card {
    pub const FILE: &str = "corpus.toml";

    /// The card of a corpus's folder; the default, with the folder's name, where there is none.
    ///
    /// # Errors
    /// A file that cannot be read or holds anything else.
    pub fn of(dir: &Path) -> Result<Self, CorpusError> {
        let file = dir.join(Self::FILE);
        let mut card = match std::fs::read_to_string(&file) {
            Ok(text) => toml::from_str::<Self>(&text)
                .map_err(|error| CorpusError::Toml { file: file.clone(), error: Box::new(error) })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(CorpusError::Io { file, error }),
        };
        let bounds = [
            ("body_length_cm", card.body_length_cm, BODY_LENGTH_CM_BOUNDS),
            ("confidence_min", f64::from(card.confidence_min), 0.0..=1.0),
        ];
        for (key, value, bounds) in bounds {
            if !bounds.contains(&value) {
                let expected = format!("a {key} within {} to {}", bounds.start(), bounds.end());
                return Err(Place::file(&file).fault(expected, value.to_string()));
            }
        }
        if card.name.is_empty() {
            card.name = dir.file_name().map_or_else(|| "corpus".into(), |name| name.to_string_lossy().into_owned());
        }
        Ok(card)
    }

    /// # Errors
    /// What writing gives.
    pub fn write(&self, dir: &Path) -> Result<(), CorpusError> {
        let file = dir.join(Self::FILE);
        let text = toml::to_string(self).unwrap_or_else(|error| unreachable!("a card is always TOML: {error}"));
        std::fs::write(&file, text).map_err(|error| CorpusError::Io { file, error })
    }
}
