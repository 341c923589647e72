//! Operations that candle lacks, gets wrong in a backward pass, or runs slowly on few rows. Each stands beside its
//! plain reference (in the tests) and is checked against it and against finite differences.
//!
//! Layer norm and softmax live here and nowhere else: candle's own `LayerNorm`, `RmsNorm` and `softmax_last_dim` lose
//! the gradient without a word.

pub mod attention;
pub mod convolution;
pub mod kernels;
pub mod linear;
pub mod pointwise;

use candle_core::{CpuStorage, Error, Layout, Result};

/// The numbers of a contiguous f32 operand.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout, operation: &'static str) -> Result<&'a [f32]> {
    // A candle error takes a backtrace when it is made: never make one that is not returned.
    let (start, end) = layout.contiguous_offsets().ok_or_else(|| Error::RequiresContiguous { op: operation }.bt())?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

#[cfg(test)]
mod tests;
