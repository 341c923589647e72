//! Where a training starts: at random, or from what another model has learned.

use std::collections::HashMap;

use candle_core::Tensor;

use crate::anatomy::Part;
use crate::model::variables::Variables;
use crate::model::wiring::Vocabulary;

/// Name of the variable with a row for each body part.
const PARTS: &str = "graph.parts";

/// A model whose weights are taken over.
#[derive(Debug)]
pub struct Donor {
    pub vocabulary: Vocabulary,
    pub weights: HashMap<String, Tensor>,
}

/// What was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Variables, of how many.
    pub variables: usize,
    pub of: usize,
    /// Body parts, of how many.
    pub parts: usize,
    pub of_parts: usize,
}

/// Gives every variable the donor's values where it has one of that name and shape, and every body part the row of the same
/// part. What the donor does not have, heads of other behaviors above all, stays as it is.
///
/// # Errors
/// candle's own.
pub fn adopt(variables: &Variables, vocabulary: &Vocabulary, donor: &Donor) -> candle_core::Result<Adopted> {
    let all = variables.all();
    let mut adopted = Adopted { variables: 0, of: all.len(), parts: 0, of_parts: vocabulary.0.len() };
    for (name, var) in all {
        let Some(value) = donor.weights.get(&name) else { continue };
        if name.ends_with(PARTS) {
            let (rows, count) = rows(var.as_tensor(), vocabulary, value, &donor.vocabulary)?;
            var.set(&rows)?;
            adopted.parts = count;
            adopted.variables += 1;
        } else if value.shape() == var.shape() {
            var.set(value)?;
            adopted.variables += 1;
        }
    }
    Ok(adopted)
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
        let same = |other: &String| {
            other == part || Part::of_name(part).is_some_and(|meant| Part::of_name(other) == Some(meant))
        };
        let exact = known.0.iter().position(|other| other == part);
        match exact.or_else(|| known.0.iter().position(same)) {
            Some(row) if theirs.dims()[1..] == own.dims()[1..] => {
                rows.push(theirs.get(row)?);
                count += 1;
            }
            _ => rows.push(own.get(index)?),
        }
    }
    Ok((Tensor::stack(&rows, 0)?, count))
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use candle_nn::Init;

    use super::*;

    #[test]
    fn what_both_have_is_taken_over_and_parts_go_by_their_meaning() {
        let words = |parts: &[&str]| Vocabulary(parts.iter().map(|part| (*part).to_owned()).collect());
        let variables = Variables::new(1);
        let vb = variables.builder(&Device::Cpu);
        let zero = Init::Const(0.0);
        for (name, shape) in [("graph.parts", (3, 2)), ("backbone.w", (2, 2)), ("heads.of_pairs", (4, 2))] {
            vb.get_with_hints(shape, name, zero).unwrap();
        }
        let tensor =
            |rows: &[[f32; 2]]| Tensor::from_slice(rows.as_flattened(), (rows.len(), 2), &Device::Cpu).unwrap();
        let weights = HashMap::from([
            ("graph.parts".to_owned(), tensor(&[[1.0, 2.0], [3.0, 4.0]])),
            ("backbone.w".to_owned(), tensor(&[[5.0, 6.0], [7.0, 8.0]])),
            ("heads.of_pairs".to_owned(), tensor(&[[9.0, 9.0]])),
        ]);
        let donor = Donor { vocabulary: words(&["ear_left", "nose"]), weights };
        let adopted = adopt(&variables, &words(&["nose", "leftear", "tail"]), &donor).unwrap();
        assert_eq!(adopted, Adopted { variables: 2, of: 3, parts: 2, of_parts: 3 });
        let values = variables.tensors().unwrap();
        let of = |name: &str| values[name].to_dtype(DType::F32).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(of("graph.parts"), [[3.0, 4.0], [1.0, 2.0], [0.0, 0.0]]);
        assert_eq!(of("backbone.w"), [[5.0, 6.0], [7.0, 8.0]]);
        assert_eq!(of("heads.of_pairs"), [[0.0, 0.0]; 4]);
    }
}
