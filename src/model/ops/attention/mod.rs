//! Attention over a window of the past, over whole sequences and tick by tick, and over small sets. All three are
//! loops around the one kernel [`attend`] and its backward pass.

mod set;
mod window;

use super::kernels::{KeysValues, add_scaled, attend, dot};

pub use set::set;
pub use window::{window, window_step};

const NO_ROWS: KeysValues<'static> = KeysValues { rows: &[], stride: 0, count: 0 };

/// What [`attend_grad`] works in.
struct Scratch {
    probabilities: Vec<f32>,
    dscores: Vec<f32>,
    out: Vec<f32>,
    dquery: Vec<f32>,
}

impl Scratch {
    fn new(scores: usize, channels: usize) -> Self {
        Self {
            probabilities: vec![0.0; scores],
            dscores: vec![0.0; scores],
            out: vec![0.0; channels],
            dquery: vec![0.0; channels],
        }
    }
}

/// The backward pass of [`attend`] over one segment: adds to the gradients of keys and values (`drows`, laid out as
/// the rows are) and of the bias, and leaves that of the query in `scratch.dquery`.
#[inline(always)]
fn attend_grad(
    query: &[f32],
    rows: KeysValues<'_>,
    heads: usize,
    (bias, dbias, bias_stride): (&[f32], &mut [f32], usize),
    grad: &[f32],
    scratch: &mut Scratch,
    drows: &mut [f32],
) {
    let channels = query.len();
    let width = channels / heads;
    let scale = 1.0 / (width as f32).sqrt();
    let count = rows.count;
    let Scratch { probabilities, dscores, out, dquery } = scratch;
    attend(query, [rows, NO_ROWS], heads, (bias, bias_stride), probabilities, out);
    dquery.fill(0.0);
    for head in 0..heads {
        let part = head * width..(head + 1) * width;
        // Σ p · dp over the rows is the product of the output with its own gradient.
        let mean = dot(&out[part.clone()], &grad[part.clone()]);
        let probabilities = &probabilities[head * count..(head + 1) * count];
        let dscores = &mut dscores[head * count..(head + 1) * count];
        for row in 0..count {
            let dprobability = dot(&grad[part.clone()], &rows.value(row, channels)[part.clone()]);
            dscores[row] = probabilities[row] * (dprobability - mean);
        }
        add_scaled(&mut dbias[head * bias_stride..][..count], 1.0, dscores);
    }
    for row in 0..count {
        let (dkey, dvalue) = drows[row * rows.stride..][..2 * channels].split_at_mut(channels);
        let key = rows.key(row, channels);
        for head in 0..heads {
            let part = head * width..(head + 1) * width;
            let dscore = scale * dscores[head * count + row];
            add_scaled(&mut dquery[part.clone()], dscore, &key[part.clone()]);
            add_scaled(&mut dkey[part.clone()], dscore, &query[part.clone()]);
            add_scaled(&mut dvalue[part.clone()], probabilities[head * count + row], &grad[part]);
        }
    }
}
