//! Boosted trees as a system: Chen & Guestrin 2016, *`XGBoost`: a scalable tree boosting system*.
//!
//! Trees remember nothing: all that they know of the past is in the features of a tick. They are stored as `XGBoost` 3
//! stores them, a file for each booster, so that its own library reads them; [`INDEX_FILE`] says which output of which
//! booster is the logit of which behavior at which delay.

mod index;
pub mod rows;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use candle_core::{Device, Error, Result, Tensor};
use hessboost::model::{BoostedModel, ModelFormat};
use hessboost::tree::{Node, RegTree};

use self::index::Index;
pub use self::index::{Answer, INDEX_FILE, Output};
use self::rows::{Reading, Rows};
use super::blueprint::Blueprint;
use super::inputs::Inputs;
use super::ops::ring::Places;
use super::ops::tables::Source;
use super::system::{Streams, System, check_step};
use super::trust::{LOGIT_MAX, LogitLine};
use super::weights::WEIGHTS_BYTES_MAX;
use super::wiring::Wiring;
use crate::behavior::{Ethogram, Kind};
use crate::features;

/// Sums of leaves of this size are no log-odds, and their differences might be no numbers.
const MARGIN_MAX: f64 = 1e6;

/// Most boosters of a model.
const BOOSTERS_MAX: usize = 1 << 16;

#[derive(Debug, thiserror::Error)]
pub enum ForestError {
    #[error("{0}")]
    Index(#[from] serde_json::Error),
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: expected {expected}, got {got}")]
    File { path: PathBuf, expected: String, got: String },
    #[error("{path}: {source}")]
    Trees { path: PathBuf, source: hessboost::error::HessboostError },
    #[error("{key}: expected {expected}, got {got}")]
    Value { key: &'static str, expected: String, got: String },
}

/// One booster, and the name of its file.
#[derive(Clone, Debug)]
pub struct Booster {
    pub name: String,
    pub trees: Arc<BoostedModel>,
}

impl Booster {
    /// `words` are for those who look at its file.
    pub fn new(number: usize, words: &str, trees: Arc<BoostedModel>) -> Self {
        Self { name: index::file_name(number, words), trees }
    }

    /// What no answer is above.
    fn margin_max(&self) -> f64 {
        let of_node = |node: &Node| if node.is_leaf() { f64::from(node.leaf_value.abs()) } else { 0.0 };
        let of_tree = |tree: &RegTree| tree.nodes().iter().map(of_node).fold(0.0, f64::max);
        let base = self.trees.base_scores().iter().map(|base| f64::from(base.abs())).fold(0.0, f64::max);
        let weights = self.trees.tree_weights().map(|weight| f64::from(weight.abs()));
        base + self.trees.trees().iter().zip(weights).map(|(tree, weight)| weight * of_tree(tree)).sum::<f64>()
    }
}

/// Boosted trees with the behaviors that they speak about.
#[derive(Clone, Debug)]
pub struct Forest {
    reading: Reading,
    /// Body parts that have columns.
    vocabulary: usize,
    /// By behavior: whether it is of one animal.
    of_self: Vec<bool>,
    boosters: Vec<Booster>,
    /// By delay, then by behavior.
    outputs: Vec<Vec<Output>>,
}

impl Forest {
    /// # Errors
    /// Outputs that are not one for each behavior at each delay, those of a booster that is not there or has not so many
    /// outputs, and boosters of another number of columns.
    pub fn new(
        reading: Reading,
        vocabulary: usize,
        ethogram: &Ethogram,
        boosters: Vec<Booster>,
        outputs: Vec<Vec<Output>>,
    ) -> std::result::Result<Self, ForestError> {
        let of_self = ethogram.behaviors().map(|(.., spec)| spec.kind == Kind::OfSelf).collect();
        let forest = Self { reading, vocabulary, of_self, boosters, outputs };
        forest.check_outputs()?;
        Ok(forest)
    }

    fn check_outputs(&self) -> std::result::Result<(), ForestError> {
        let value = |key, expected: String, got: String| Err(ForestError::Value { key, expected, got });
        let behaviors = self.of_self.len();
        if self.boosters.len() > BOOSTERS_MAX {
            return value("boosters", format!("at most {BOOSTERS_MAX}"), self.boosters.len().to_string());
        }
        for booster in &self.boosters {
            let most = booster.margin_max();
            // NaN is refused, too.
            if !matches!(most.partial_cmp(&MARGIN_MAX), Some(Ordering::Less)) {
                let expected = format!("answers under {MARGIN_MAX:e} of {}", booster.name);
                return value("leaves", expected, most.to_string());
            }
        }
        for of_delay in &self.outputs {
            if of_delay.len() != behaviors {
                return value("outputs", format!("{behaviors} a delay, one a behavior"), of_delay.len().to_string());
            }
            for (output, of_self) in of_delay.iter().zip(&self.of_self) {
                if !output.line.is_sound() {
                    return value("line", "finite numbers, and a slope above 0".into(), format!("{:?}", output.line));
                }
                let (booster, class) = match output.answer {
                    Answer::Constant { logit } if logit.is_finite() => continue,
                    Answer::Constant { logit } => return value("logit", "a finite number".into(), logit.to_string()),
                    Answer::Margin { booster } => (booster, None),
                    Answer::Class { booster, class } => (booster, Some(class)),
                };
                let Some(found) = self.boosters.get(booster) else {
                    return value("booster", format!("under {}", self.boosters.len()), booster.to_string());
                };
                let (width, got) = (self.width(*of_self), found.trees.n_features());
                if width != got {
                    return value("columns", format!("{width} in {}", found.name), got.to_string());
                }
                let objective = if class.is_some() { "multi:softprob" } else { "binary:logistic" };
                if found.trees.objective().name() != objective {
                    let got = format!("{} in {}", found.trees.objective().name(), found.name);
                    return value("objective", objective.into(), got);
                }
                let outputs = found.trees.n_outputs();
                let fits = class.map_or(outputs == 1, |class| outputs >= 2 && class < outputs);
                if !fits {
                    let expected = class.map_or("1 output".into(), |class| format!("more than {class} outputs"));
                    return value("outputs", format!("{expected} of {}", found.name), outputs.to_string());
                }
            }
        }
        Ok(())
    }

    fn width(&self, of_self: bool) -> usize {
        if of_self { self.reading.self_width(self.vocabulary) } else { self.reading.pair_width(self.vocabulary) }
    }

    /// The boosters in the order of the index.
    pub fn boosters(&self) -> &[Booster] {
        &self.boosters
    }

    /// Trees of all boosters.
    pub fn trees(&self) -> usize {
        self.boosters.iter().map(|booster| booster.trees.num_trees()).sum()
    }

    /// Reads the boosters that an index names.
    pub(super) fn read(directory: &Path, index: &[u8]) -> std::result::Result<Self, ForestError> {
        let Index { reading, vocabulary, of_self, boosters, outputs, .. } = Index::parse(index)?;
        let (mut read, mut bytes_left) = (Vec::with_capacity(boosters.len()), WEIGHTS_BYTES_MAX);
        for stored in boosters {
            let path = directory.join(&stored.file);
            let io = |source| ForestError::Read { path: path.clone(), source };
            let size = std::fs::metadata(&path).map_err(io)?.len();
            let Some(left) = bytes_left.checked_sub(size) else {
                let expected = format!("at most {WEIGHTS_BYTES_MAX} bytes of trees in all");
                return Err(ForestError::File { path, expected, got: format!("{size} more") });
            };
            bytes_left = left;
            let bytes = std::fs::read(&path).map_err(io)?;
            let got = index::hash(&bytes);
            if got != stored.hash {
                return Err(ForestError::File { path, expected: format!("the hash {}", stored.hash), got });
            }
            let format = match ModelFormat::detect(&bytes) {
                Some(format @ (ModelFormat::XgboostJson | ModelFormat::XgboostUbjson)) => format,
                other => {
                    let expected = "a model in XGBoost's JSON or UBJSON format".to_owned();
                    return Err(ForestError::File { path, expected, got: format!("{other:?}") });
                }
            };
            let trees = BoostedModel::decode(&bytes, format);
            let trees = Arc::new(trees.map_err(|source| ForestError::Trees { path, source })?);
            read.push(Booster { name: stored.file, trees });
        }
        let forest = Self { reading, vocabulary, of_self, boosters: read, outputs };
        forest.check_outputs()?;
        Ok(forest)
    }

    /// Writes every booster, then the index, and gives the index's bytes. Files of boosters that are no longer there stay.
    pub(super) fn save(&self, directory: &Path) -> anyhow::Result<Vec<u8>> {
        let write = |name: &str, bytes: &[u8]| -> anyhow::Result<()> {
            let (path, staged) = (directory.join(name), directory.join(format!("{name}.partial")));
            let within = || path.display().to_string();
            std::fs::write(&staged, bytes).with_context(within)?;
            std::fs::rename(&staged, &path).with_context(within)
        };
        std::fs::create_dir_all(directory.join(index::FOLDER)).with_context(|| directory.display().to_string())?;
        let mut stored = Vec::with_capacity(self.boosters.len());
        for Booster { name, trees } in &self.boosters {
            let bytes = trees.encode(ModelFormat::XgboostJson).with_context(|| name.clone())?;
            write(name, &bytes)?;
            stored.push(index::Stored { file: name.clone(), hash: index::hash(&bytes) });
        }
        let index = Index::new(self.reading, self.vocabulary, &self.of_self, stored, &self.outputs);
        let bytes = serde_json::to_vec_pretty(&index)?;
        write(INDEX_FILE, &bytes)?;
        Ok(bytes)
    }

    /// Refuses trees of another model's card.
    pub(super) fn check(
        &self,
        blueprint: &Blueprint,
        vocabulary: usize,
        ethogram: &Ethogram,
        delays: usize,
    ) -> Result<()> {
        let of_self: Vec<bool> = ethogram.behaviors().map(|(.., spec)| spec.kind == Kind::OfSelf).collect();
        if Reading::of(blueprint) != Some(self.reading) {
            candle_core::bail!(
                "expected trees of {}, got those that read {:?} columns",
                blueprint.system(),
                self.reading
            );
        }
        if (of_self.as_slice(), delays, vocabulary) != (self.of_self.as_slice(), self.outputs.len(), self.vocabulary) {
            candle_core::bail!(
                "expected trees for {} behaviors ({} of one animal) at {delays} delays and {vocabulary} body parts, got \
                 {} ({}) at {} and {}",
                of_self.len(),
                of_self.iter().filter(|of_self| **of_self).count(),
                self.of_self.len(),
                self.of_self.iter().filter(|of_self| **of_self).count(),
                self.outputs.len(),
                self.vocabulary
            );
        }
        Ok(())
    }

    /// By delay and behavior, on top of what is there.
    pub(super) fn calibrate(&mut self, lines: &[Vec<LogitLine>]) -> anyhow::Result<()> {
        let expected = vec![self.of_self.len(); self.outputs.len()];
        let got: Vec<usize> = lines.iter().map(Vec::len).collect();
        anyhow::ensure!(expected == got, "expected calibrations of {expected:?} behaviors, by delay, got {got:?}");
        for (output, more) in self.outputs.iter_mut().flatten().zip(lines.iter().flatten()) {
            output.line = output.line.then(*more);
        }
        self.check_outputs()?;
        Ok(())
    }

    /// Logits (B, T, D, N).
    fn answer(&self, inputs: &Inputs, wiring: &Wiring) -> Result<Tensor> {
        let (b, t, ..) = inputs.nodes.dims5()?;
        let rows = Rows::of(inputs, &wiring.parts.to_vec1()?, self.reading, self.vocabulary)?;
        let behaviors = Channels::of(&self.of_self);
        let mut margins = Margins::new(self, &rows);
        let (delays, cells) = (self.outputs.len(), wiring.sources.len());
        let mut logits = vec![0.0; b * t * delays * cells];
        for (delay, outputs) in self.outputs.iter().enumerate() {
            for (cell, source) in wiring.sources.iter().enumerate() {
                let (behavior, of_self, places) = behaviors.find(*source)?;
                let output = &outputs[behavior];
                for tick in 0..b * t {
                    let mut sum = 0.0;
                    for &place in places.as_slice() {
                        sum += margins.logit(output.answer, of_self, place, tick)?;
                    }
                    let logit = f64::from(sum / places.as_slice().len() as f32);
                    let calibrated = output.line.slope.mul_add(logit, output.line.offset) as f32;
                    logits[(tick * delays + delay) * cells + cell] = calibrated.clamp(-LOGIT_MAX, LOGIT_MAX);
                }
            }
        }
        Tensor::from_vec(logits, (b, t, delays, cells), &Device::Cpu)
    }
}

/// The behaviors behind the channels of pairs and of single animals, see [`super::wiring::HeadCounts`].
struct Channels {
    of_pairs: Vec<usize>,
    of_selves: Vec<usize>,
}

/// The rows whose mean a cell is read from.
enum RowsOfCell {
    One([usize; 1]),
    Both([usize; 2]),
}

impl RowsOfCell {
    fn as_slice(&self) -> &[usize] {
        match self {
            Self::One(one) => one,
            Self::Both(both) => both,
        }
    }
}

impl Channels {
    fn of(of_self: &[bool]) -> Self {
        let with = |wanted: bool| (0..of_self.len()).filter(|behavior| of_self[*behavior] == wanted).collect();
        Self { of_pairs: with(false), of_selves: with(true) }
    }

    /// Behavior, whether it is of one animal, and rows of a cell.
    fn find(&self, source: Source) -> Result<(usize, bool, RowsOfCell)> {
        let (behavior, of_self, rows) = match source {
            Source::Pairs { places: [a, b], channel } if a == b => {
                (self.of_pairs.get(channel as usize), false, RowsOfCell::One([a as usize]))
            }
            Source::Pairs { places: [a, b], channel } => {
                (self.of_pairs.get(channel as usize), false, RowsOfCell::Both([a as usize, b as usize]))
            }
            Source::Animal { place, channel } => {
                (self.of_selves.get(channel as usize), true, RowsOfCell::One([place as usize]))
            }
        };
        let behavior = *behavior.ok_or_else(|| Error::Msg("expected the cells of these trees' behaviors".into()))?;
        Ok((behavior, of_self, rows))
    }
}

/// What each booster answers to each row, found out once.
struct Margins<'a> {
    forest: &'a Forest,
    rows: &'a Rows,
    /// By booster: ticks × places × outputs.
    known: Vec<Option<Vec<f32>>>,
}

impl<'a> Margins<'a> {
    fn new(forest: &'a Forest, rows: &'a Rows) -> Self {
        Self { forest, rows, known: vec![None; forest.boosters.len()] }
    }

    fn logit(&mut self, answer: Answer, of_self: bool, place: usize, tick: usize) -> Result<f32> {
        let (booster, class) = match answer {
            Answer::Constant { logit } => return Ok(logit),
            Answer::Margin { booster } => (booster, None),
            Answer::Class { booster, class } => (booster, Some(class)),
        };
        if self.known[booster].is_none() {
            self.known[booster] = Some(self.predict(booster, of_self)?);
        }
        let places = if of_self { self.rows.individuals } else { self.rows.pairs() };
        let outputs = self.forest.boosters[booster].trees.n_outputs();
        let at = (tick * places + place) * outputs;
        let margins = self.known[booster].as_ref().map_or(&[][..], |margins| &margins[at..at + outputs]);
        Ok(class.map_or_else(|| margins[0], |class| one_against_all(margins, class)))
    }

    fn predict(&self, booster: usize, of_self: bool) -> Result<Vec<f32>> {
        let trees = &self.forest.boosters[booster].trees;
        let rows = if of_self { &self.rows.of_selves } else { &self.rows.of_pairs };
        let width = self.forest.width(of_self);
        let outputs = trees.n_outputs();
        let mut margins = vec![0.0; rows.len() / width * outputs];
        for (row, margins) in rows.chunks_exact(width).zip(margins.chunks_exact_mut(outputs)) {
            trees.predict_margin_row_into(row, .., margins).map_err(Error::wrap)?;
        }
        Ok(margins)
    }
}

/// The log-odds of a class by the margins of all.
fn one_against_all(margins: &[f32], class: usize) -> f32 {
    let others = || margins.iter().enumerate().filter(|(other, _)| *other != class).map(|(_, margin)| *margin);
    let most = others().fold(f32::NEG_INFINITY, f32::max);
    margins[class] - most - others().map(|margin| (margin - most).exp()).sum::<f32>().ln()
}

impl System for Forest {
    fn forward(&self, inputs: &Inputs, wiring: &Wiring) -> Result<Tensor> {
        self.answer(inputs, wiring)
    }

    fn open(&self, _slots: usize) -> Result<Box<dyn Streams>> {
        Ok(Box::new(self.clone()))
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn receptive_field(&self) -> usize {
        if self.reading.has_statistics() { features::STATISTICS_REACH_TICKS } else { features::REACH_TICKS }
    }

    fn period_ticks(&self) -> u64 {
        1
    }
}

/// Nothing is remembered.
impl Streams for Forest {
    fn step(&self, inputs: &Inputs, wiring: &Wiring, places: &Arc<Places>) -> Result<Tensor> {
        check_step(inputs, places)?;
        self.answer(inputs, wiring)
    }

    fn clear(&self, _slot: u32) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
