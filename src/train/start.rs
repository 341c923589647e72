//! Where a training starts: at random, or from what another model has learned.

use std::collections::HashMap;

use candle_core::{Tensor, Var};

use crate::behavior::{Behavior, Ethogram};
use crate::corpus::session::Session;
use crate::model::bundle::Card;
use crate::model::heads::{OutputRow, output_rows};
use crate::model::variables::Variables;
use crate::model::wiring::Vocabulary;
use crate::time::DelayTicks;

use super::loss::counts;

/// How the name of the variable with a row for each body part ends.
pub const PARTS: &str = ".parts";

/// Log-odds that a new behavior begins with are within ± this.
const BIAS_MAX: f64 = 6.0;

/// A model whose weights are taken over.
#[derive(Clone, Debug)]
pub struct Donor {
    pub card: Card,
    pub weights: HashMap<String, Tensor>,
}

/// What a network is made for, beside its architecture.
#[derive(Clone, Copy, Debug)]
pub struct Outline<'a> {
    pub vocabulary: &'a Vocabulary,
    pub ethogram: &'a Ethogram,
    pub delays: &'a [DelayTicks],
}

/// What was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Variables, of how many; those with a row for each body part or behavior aside.
    pub variables: usize,
    pub of: usize,
    /// Body parts, of how many.
    pub parts: usize,
    pub of_parts: usize,
    /// Behaviors, of how many.
    pub behaviors: usize,
    pub of_behaviors: usize,
}

/// The donor's body parts, then those of `more` that it does not know under any spelling.
pub fn vocabulary<'a>(donor: &Vocabulary, more: impl IntoIterator<Item = &'a String>) -> Vocabulary {
    let mut vocabulary = donor.clone();
    for part in more {
        if vocabulary.index(part).is_none() {
            vocabulary.0.push(part.clone());
        }
    }
    vocabulary
}

/// By behavior, the log-odds of its labelled ticks, within ±6; none where nobody labelled it.
pub fn log_odds(sessions: &[Session], ethogram: &Ethogram) -> Vec<Option<f32>> {
    let (positives, labelled) = counts(sessions, ethogram.behavior_count());
    let odds = |(&positives, &labelled): (&u64, &u64)| {
        let log_odds = (positives as f64 / (labelled - positives) as f64).ln();
        (labelled > 0).then(|| log_odds.clamp(-BIAS_MAX, BIAS_MAX) as f32)
    };
    positives.iter().zip(&labelled).map(odds).collect()
}

/// Gives every variable the donor's values where it has one of that name and shape, every body part the row of the same
/// part, and every behavior the rows of the behavior of that name in the label set of that name, at each delay. What
/// the donor does not have stays as it is; new behaviors begin with the bias `log_odds` of theirs.
///
/// # Errors
/// candle's own.
pub fn adopt(
    variables: &Variables,
    outline: Outline<'_>,
    donor: &Donor,
    log_odds: &[Option<f32>],
) -> candle_core::Result<Adopted> {
    let (all, of_behaviors) = (variables.all(), outline.ethogram.behavior_count());
    let of_parts = outline.vocabulary.0.len();
    let mut adopted = Adopted { variables: 0, of: 0, parts: 0, of_parts, behaviors: 0, of_behaviors };
    let outputs = output_rows(outline.ethogram, outline.delays.len());
    let is_output = |name: &String| outputs.iter().flatten().any(|row| row.weight == *name || row.bias == *name);
    for (name, var) in all.iter().filter(|(name, _)| !is_output(name)) {
        let value = donor.weights.get(name);
        if name.ends_with(PARTS) {
            let Some(value) = value else { continue };
            let (rows, count) = rows(var.as_tensor(), outline.vocabulary, value, &donor.card.vocabulary)?;
            var.set(&rows)?;
            adopted.parts = count;
            continue;
        }
        adopted.of += 1;
        if let Some(value) = value.filter(|value| value.shape() == var.shape()) {
            var.set(value)?;
            adopted.variables += 1;
        }
    }
    adopted.behaviors = adopt_heads(&all.into_iter().collect(), outline, donor, log_odds)?;
    Ok(adopted)
}

/// Of the last layers; how many behaviors are the donor's.
fn adopt_heads(
    vars: &HashMap<String, Var>,
    outline: Outline<'_>,
    donor: &Donor,
    log_odds: &[Option<f32>],
) -> candle_core::Result<usize> {
    let theirs = Ethogram::new(donor.card.label_sets.clone());
    let their_rows = output_rows(&theirs, donor.card.delays_ticks.len());
    let mut layers = Layers { vars, donor, values: HashMap::new() };
    let mut known = vec![false; outline.ethogram.behavior_count()];
    for (delay, rows) in outline.delays.iter().zip(output_rows(outline.ethogram, outline.delays.len())) {
        let their_delay = donor.card.delays_ticks.iter().position(|theirs| theirs == delay);
        for ((behavior, set, spec), row) in outline.ethogram.behaviors().zip(&rows) {
            let index = usize::from(behavior.0);
            let same = theirs.find(&outline.ethogram.label_sets()[set].name, &spec.name);
            let same = same.filter(|same| theirs.spec(*same).kind == spec.kind);
            let from = |(same, delay): (Behavior, usize)| &their_rows[delay][usize::from(same.0)];
            if let Some(from) = same.zip(their_delay).map(from)
                && layers.copy(from, row)?
            {
                known[index] = true;
            } else if let Some(log_odds) = log_odds[index] {
                layers.row(&row.bias, row.row)?.fill(log_odds);
            }
        }
    }
    layers.set()?;
    Ok(known.iter().filter(|known| **known).count())
}

/// The last layers while they are put together.
struct Layers<'a> {
    vars: &'a HashMap<String, Var>,
    donor: &'a Donor,
    values: HashMap<String, Vec<f32>>,
}

impl Layers<'_> {
    /// Whether the donor has these rows, in this width.
    fn copy(&mut self, from: &OutputRow, to: &OutputRow) -> candle_core::Result<bool> {
        let (Some(weight), Some(bias)) = (self.donor.weights.get(&from.weight), self.donor.weights.get(&from.bias))
        else {
            return Ok(false);
        };
        let weight: Vec<f32> = weight.get(from.row)?.to_vec1()?;
        let into = self.row(&to.weight, to.row)?;
        if into.len() != weight.len() {
            return Ok(false);
        }
        into.copy_from_slice(&weight);
        let bias = bias.get(from.row)?.to_scalar::<f32>()?;
        self.row(&to.bias, to.row)?.fill(bias);
        Ok(true)
    }

    fn row(&mut self, name: &str, row: usize) -> candle_core::Result<&mut [f32]> {
        let lacking = || candle_core::Error::CannotFindTensor { path: name.to_owned() }.bt();
        let var = self.vars.get(name).ok_or_else(lacking)?;
        if !self.values.contains_key(name) {
            self.values.insert(name.to_owned(), var.flatten_all()?.to_vec1()?);
        }
        let width = var.elem_count() / var.dims()[0].max(1);
        let values = self.values.get_mut(name).ok_or_else(lacking)?;
        Ok(&mut values[row * width..(row + 1) * width])
    }

    fn set(self) -> candle_core::Result<()> {
        for (name, values) in self.values {
            let var = &self.vars[&name];
            var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
        }
        Ok(())
    }
}

/// Rows of `own` with those of the donor's where it knows the part, and how many.
fn rows(
    own: &Tensor,
    vocabulary: &Vocabulary,
    theirs: &Tensor,
    known: &Vocabulary,
) -> candle_core::Result<(Tensor, usize)> {
    let mut count = 0;
    let mut rows = Vec::with_capacity(vocabulary.0.len());
    for (index, part) in vocabulary.0.iter().enumerate() {
        match known.index(part) {
            Some(row) if theirs.dims()[1..] == own.dims()[1..] => {
                rows.push(theirs.get(row)?.to_device(own.device())?);
                count += 1;
            }
            _ => rows.push(own.get(index)?),
        }
    }
    Ok((Tensor::stack(&rows, 0)?, count))
}

#[cfg(test)]
mod tests;
