//! Attention over a window of the past, over whole sequences and tick by tick, and over small sets.

mod across;
mod recall;
mod set;
mod step;
mod window;

use candle_core::{D, Result, Tensor};

use super::kernels::{KeysValues, add_scaled, attend, dot};

pub use across::{Across, across, plain as across_plain};
pub use set::{plain as set_plain, pool, set, within};
pub use step::{LagBias, plain as step_plain, slot_size, step};
pub use window::{plain as window_plain, window};

const NO_ROWS: KeysValues<'static> = KeysValues { rows: &[], stride: 0, count: 0 };

/// Softmax over the last dimension, of single operations that have gradients. No row may be −∞ throughout.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    // A constant as far as the gradient goes: shifting a row changes nothing.
    let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

/// Part `index` of rows of packed channels, head by head: (N, L, parts · C) → (N, H, L, C / H).
fn of_heads(packed: &Tensor, index: usize, channels: usize, heads: usize) -> Result<Tensor> {
    let (sets, rows, _) = packed.dims3()?;
    let apart = packed.reshape((sets, rows, (), heads, channels / heads))?;
    apart.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous()
}

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
    attend(query, [rows, NO_ROWS], heads, (bias, bias_stride), (probabilities, count), out);
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
