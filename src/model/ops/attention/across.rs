//! Attention of each animal's anchors over the anchors of the others.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::kernels::{self, Kernel, KeysValues, add_scaled, attend};
use super::super::slice;
use super::{NO_ROWS, set};
use crate::features::ANCHORS;
use crate::model::wiring::Wiring;

/// The sizes of [`across`].
#[derive(Clone, Copy, Debug)]
pub struct Across {
    pub individuals: usize,
    pub heads: usize,
}

/// What the anchors hear from those of the others: the mean over the others that are there, and nothing where nobody is.
/// Keys and values are those of the other's anchor plus those of the edge to it. Without a backward pass; the reference
/// is [`plain`].
///
/// # Shapes
/// qkv (n · I, A, 3C), edges (n · I · J · A, A, 2C), bias (H, 1, A), present (n · I · J · A, A) → (n · I, A, C)
pub fn across(qkv: &Tensor, edges: &Tensor, bias: &Tensor, present: &Tensor, sizes: Across) -> Result<Tensor> {
    let bias = bias.flatten_all()?.to_vec1()?;
    qkv.contiguous()?.apply_op3(&edges.contiguous()?, &present.contiguous()?, Fused { sizes, bias })
}

/// The reference, of operations that have gradients.
pub fn plain(qkv: &Tensor, edges: &Tensor, bias: &Tensor, present: &Tensor, wiring: &Wiring) -> Result<Tensor> {
    let (i, a) = (wiring.individuals, ANCHORS);
    let (rows, _, packed) = qkv.dims3()?;
    let (ticks, pairs, channels) = (rows / i, i * (i - 1), packed / 3);
    let qkv = qkv.reshape((ticks, i, a, packed))?;
    let query = qkv.narrow(3, 0, channels)?.contiguous()?.index_select(&wiring.focal, 1)?;
    let query = query.reshape((ticks * pairs * a, 1, channels))?;
    let kv = qkv.narrow(3, channels, 2 * channels)?.contiguous()?.index_select(&wiring.other, 1)?;
    let kv = kv.reshape((ticks * pairs, 1, a, 2 * channels))?;
    let edges = edges.reshape((ticks * pairs, a, a, 2 * channels))?;
    let kv = edges.broadcast_add(&kv)?.reshape((ticks * pairs * a, a, 2 * channels))?;
    let heard = set(&query, &kv, bias, present)?;
    let there = present.max(1)?.reshape((ticks, i, i - 1, a, 1))?;
    // At least one; a limit that is a number would travel to the device anew.
    let count = ((there.sum(2)? - 1.0)?.relu()? + 1.0)?;
    let heard = heard.reshape((ticks, i, i - 1, a, channels))?.sum(2)?.broadcast_div(&count)?;
    heard.reshape((rows, a, channels))
}

struct Fused {
    sizes: Across,
    /// H × A
    bias: Vec<f32>,
}

impl CustomOp3 for Fused {
    fn name(&self) -> &'static str {
        "attention-across"
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        ql: &Layout,
        edges: &CpuStorage,
        el: &Layout,
        present: &CpuStorage,
        pl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, anchors, packed) = ql.shape().dims3()?;
        let others = self.sizes.individuals - 1;
        let (sets, _) = pl.shape().dims2()?;
        if sets != rows * others * anchors || anchors != ANCHORS {
            candle_core::bail!("{}: expected {} sets of anchors, got {sets}", self.name(), rows * others * anchors);
        }
        let channels = packed / 3;
        let mut out = vec![0.0_f32; rows * anchors * channels];
        kernels::run(AcrossKernel {
            op: self,
            qkv: slice(qkv, ql, self.name())?,
            edges: slice(edges, el, self.name())?,
            present: slice(present, pl, self.name())?,
            channels,
            out: &mut out,
        });
        Ok((CpuStorage::F32(out), Shape::from((rows, anchors, channels))))
    }
}

struct AcrossKernel<'a> {
    op: &'a Fused,
    qkv: &'a [f32],
    edges: &'a [f32],
    present: &'a [f32],
    channels: usize,
    out: &'a mut [f32],
}

impl Kernel for AcrossKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let Fused { sizes: Across { individuals, heads }, bias } = self.op;
        let (individuals, heads, c) = (*individuals, *heads, self.channels);
        let (animal, others) = (ANCHORS * 3 * c, individuals - 1);
        let mut rows = vec![0.0_f32; ANCHORS * 2 * c];
        let mut masked = vec![0.0_f32; heads * ANCHORS];
        let stride = ANCHORS.next_multiple_of(kernels::LANES);
        let mut probabilities = vec![0.0_f32; heads * stride];
        let mut heard = vec![0.0_f32; c];
        for (index, out) in self.out.chunks_exact_mut(c).enumerate() {
            let (focal, anchor) = (index / ANCHORS, index % ANCHORS);
            let first = focal / individuals * individuals;
            let mut count = 0.0_f32;
            for place in 0..others {
                let other = first + place + usize::from(first + place >= focal);
                let set = (focal * others + place) * ANCHORS + anchor;
                let present = &self.present[set * ANCHORS..][..ANCHORS];
                if present.iter().all(|present| *present <= 0.0) {
                    continue;
                }
                count += 1.0;
                for (head, masked) in masked.chunks_exact_mut(ANCHORS).enumerate() {
                    for (element, masked) in masked.iter_mut().enumerate() {
                        let learned = bias[head * ANCHORS + element];
                        *masked = if present[element] > 0.0 { learned } else { f32::NEG_INFINITY };
                    }
                }
                let of_other = self.qkv[other * animal..][..animal].chunks_exact(3 * c);
                let of_edges = self.edges[set * ANCHORS * 2 * c..].chunks_exact(2 * c);
                for ((row, other), edge) in rows.chunks_exact_mut(2 * c).zip(of_other).zip(of_edges) {
                    for ((row, other), edge) in row.iter_mut().zip(&other[c..]).zip(edge) {
                        *row = edge + other;
                    }
                }
                let query = &self.qkv[focal * animal + anchor * 3 * c..][..c];
                let rows = KeysValues { rows: &rows, stride: 2 * c, count: ANCHORS };
                attend(query, [rows, NO_ROWS], heads, (&masked, ANCHORS), (&mut probabilities, stride), &mut heard);
                add_scaled(out, 1.0, &heard);
            }
            for out in out {
                *out /= count.max(1.0);
            }
        }
    }
}
