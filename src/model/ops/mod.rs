//! Operations that candle lacks, gets wrong in a backward pass, or runs slowly on few rows. Each is checked against a
//! plain reference (in the tests) and against finite differences.
//!
//! They are the processor's. Each that a network of trained weights is made of has a plain form beside it, of candle's
//! own operations and with the same results: other devices run that.
//!
//! Layer norm and softmax live here and nowhere else: candle's own `LayerNorm`, `RmsNorm` and `softmax_last_dim` lose
//! the gradient without a word.

pub mod attention;
pub mod convolution;
pub mod kernels;
pub mod linear;
pub mod panels;
pub mod pointwise;
pub mod recurrence;
pub mod ring;
pub mod simd;
pub mod tables;
pub mod trained;

use candle_core::{CpuStorage, Error, Layout, Result, Tensor};

/// Whether a weight is stored and on the CPU, and so may be laid out anew for fused operations. Variables change while
/// they are trained.
pub(crate) fn is_fixed(weight: &Tensor) -> bool {
    !weight.is_variable() && runs_fused(weight)
}

/// Whether an operand lies on the processor, where the fused operations are.
pub(crate) fn runs_fused(x: &Tensor) -> bool {
    #[cfg(test)]
    if tests::IS_ELSEWHERE.get() {
        return false;
    }
    x.device().is_cpu()
}

/// The numbers of a contiguous f32 operand.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout, operation: &'static str) -> Result<&'a [f32]> {
    // A candle error takes a backtrace when it is made: never make one that is not returned.
    let (start, end) = layout.contiguous_offsets().ok_or_else(|| Error::RequiresContiguous { op: operation }.bt())?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// The numbers of a contiguous f32 operand that is written in place.
pub(crate) fn slice_mut<'a>(
    storage: &'a mut CpuStorage,
    layout: &Layout,
    operation: &'static str,
) -> Result<&'a mut [f32]> {
    let (start, end) = layout.contiguous_offsets().ok_or_else(|| Error::RequiresContiguous { op: operation }.bt())?;
    match storage {
        CpuStorage::F32(values) => Ok(&mut values[start..end]),
        _ => candle_core::bail!("{operation}: expected f32"),
    }
}

#[cfg(test)]
mod tests;
