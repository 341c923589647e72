//! Attention within small sets.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::kernels::{self, Kernel, KeysValues, attend};
use super::super::slice;
use super::{NO_ROWS, Scratch, attend_grad};

/// Attention within N small sets.
///
/// # Shapes
/// q (N, Q, C), kv (N, L, 2C), bias (H, Q, L), present (N, L) of 0 and 1 → (N, Q, C). A query to which no element is
/// present gets zeros.
pub fn set(q: &Tensor, kv: &Tensor, bias: &Tensor, present: &Tensor) -> Result<Tensor> {
    let present = present.contiguous()?.flatten_all()?.to_vec1()?;
    q.contiguous()?.apply_op3(&kv.contiguous()?, &bias.contiguous()?, Set { present })
}

struct Set {
    /// N × L
    present: Vec<f32>,
}

#[derive(Clone, Copy)]
struct SetShape {
    queries: usize,
    elements: usize,
    channels: usize,
    heads: usize,
}

impl CustomOp3 for Set {
    fn name(&self) -> &'static str {
        "set-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        ql: &Layout,
        kv: &CpuStorage,
        kl: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, queries, channels) = ql.shape().dims3()?;
        let (heads, _, elements) = bl.shape().dims3()?;
        let q = slice(q, ql, self.name())?;
        let mut out = vec![0.0_f32; q.len()];
        kernels::run(SetKernel {
            q,
            kv: slice(kv, kl, self.name())?,
            bias: slice(bias, bl, self.name())?,
            present: &self.present,
            shape: SetShape { queries, elements, channels, heads },
            out: &mut out,
        });
        Ok((CpuStorage::F32(out), ql.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        kv: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, queries, channels) = q.dims3()?;
        let (heads, _, elements) = bias.dims3()?;
        // The grad op takes three operands: queries and their gradients travel in one.
        let q_and_grad = Tensor::cat(&[q, &grad.contiguous()?], 0)?;
        let shape = SetShape { queries, elements, channels, heads };
        let op = SetGrad { present: &self.present, shape };
        let all = q_and_grad.apply_op3_no_bwd(kv, bias, &op)?;
        let (dq, dkv) = (q.elem_count(), kv.elem_count());
        Ok((
            Some(all.narrow(0, 0, dq)?.reshape(q.shape())?),
            Some(all.narrow(0, dq, dkv)?.reshape(kv.shape())?),
            Some(all.narrow(0, dq + dkv, bias.elem_count())?.reshape(bias.shape())?),
        ))
    }
}

/// The learned bias of every query and head, with −∞ where an element is absent: (Q, H, L).
#[inline(always)]
fn masked_bias(bias: &[f32], present: &[f32], shape: SetShape, masked: &mut [f32]) {
    let SetShape { queries, elements, heads, .. } = shape;
    for query in 0..queries {
        for head in 0..heads {
            let learned = &bias[(head * queries + query) * elements..][..elements];
            let masked = &mut masked[(query * heads + head) * elements..][..elements];
            for element in 0..elements {
                masked[element] = if present[element] > 0.0 { learned[element] } else { f32::NEG_INFINITY };
            }
        }
    }
}

struct SetKernel<'a> {
    q: &'a [f32],
    kv: &'a [f32],
    bias: &'a [f32],
    present: &'a [f32],
    shape: SetShape,
    out: &'a mut [f32],
}

impl Kernel for SetKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let SetShape { queries, elements, channels, heads } = self.shape;
        let mut probabilities = vec![0.0_f32; heads * elements];
        let mut masked = vec![0.0_f32; queries * heads * elements];
        let sets = self.kv.chunks_exact(elements * 2 * channels).zip(self.present.chunks_exact(elements));
        let sides = self.q.chunks_exact(queries * channels).zip(self.out.chunks_exact_mut(queries * channels));
        for ((kv, present), (q, out)) in sets.zip(sides) {
            masked_bias(self.bias, present, self.shape, &mut masked);
            let rows = KeysValues { rows: kv, stride: 2 * channels, count: elements };
            for query in 0..queries {
                attend(
                    &q[query * channels..][..channels],
                    [rows, NO_ROWS],
                    heads,
                    (&masked[query * heads * elements..], elements),
                    &mut probabilities,
                    &mut out[query * channels..][..channels],
                );
            }
        }
    }
}

/// Gives dq, then dkv, then dbias, as one flat tensor.
struct SetGrad<'a> {
    present: &'a [f32],
    shape: SetShape,
}

impl CustomOp3 for SetGrad<'_> {
    fn name(&self) -> &'static str {
        "set-attention-grad"
    }

    fn cpu_fwd(
        &self,
        q_and_grad: &CpuStorage,
        ql: &Layout,
        kv: &CpuStorage,
        kl: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let q_and_grad = slice(q_and_grad, ql, self.name())?;
        let (q, grad) = q_and_grad.split_at(q_and_grad.len() / 2);
        let (kv, bias) = (slice(kv, kl, self.name())?, slice(bias, bl, self.name())?);
        let mut all = vec![0.0_f32; q.len() + kv.len() + bias.len()];
        let (dq, rest) = all.split_at_mut(q.len());
        let (dkv, dbias) = rest.split_at_mut(kv.len());
        kernels::run(SetGradKernel { q, kv, bias, grad, present: self.present, shape: self.shape, dq, dkv, dbias });
        let shape = Shape::from(all.len());
        Ok((CpuStorage::F32(all), shape))
    }
}

struct SetGradKernel<'a> {
    q: &'a [f32],
    kv: &'a [f32],
    bias: &'a [f32],
    grad: &'a [f32],
    present: &'a [f32],
    shape: SetShape,
    dq: &'a mut [f32],
    dkv: &'a mut [f32],
    dbias: &'a mut [f32],
}

impl Kernel for SetGradKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let SetShape { queries, elements, channels, heads } = self.shape;
        let mut scratch = Scratch::new(heads * elements, channels);
        let mut masked = vec![0.0_f32; queries * heads * elements];
        // Query-major as the masked bias is; turned to (H, Q, L) at the end.
        let mut dmasked = vec![0.0_f32; queries * heads * elements];
        let sets = self
            .kv
            .chunks_exact(elements * 2 * channels)
            .zip(self.dkv.chunks_exact_mut(elements * 2 * channels))
            .zip(self.present.chunks_exact(elements));
        let size = queries * channels;
        let sides = self.q.chunks_exact(size).zip(self.grad.chunks_exact(size)).zip(self.dq.chunks_exact_mut(size));
        for (((kv, dkv), present), ((q, grad), dq)) in sets.zip(sides) {
            masked_bias(self.bias, present, self.shape, &mut masked);
            let rows = KeysValues { rows: kv, stride: 2 * channels, count: elements };
            for query in 0..queries {
                let at = query * heads * elements;
                attend_grad(
                    &q[query * channels..][..channels],
                    rows,
                    heads,
                    (&masked[at..], &mut dmasked[at..], elements),
                    &grad[query * channels..][..channels],
                    &mut scratch,
                    dkv,
                );
                dq[query * channels..][..channels].copy_from_slice(&scratch.dquery);
            }
        }
        for query in 0..queries {
            for head in 0..heads {
                let from = &dmasked[(query * heads + head) * elements..][..elements];
                self.dbias[(head * queries + query) * elements..][..elements].copy_from_slice(from);
            }
        }
    }
}
