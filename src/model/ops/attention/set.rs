//! Attention within small sets.

use candle_core::{CpuStorage, CustomOp3, D, DType, Layout, Result, Shape, Tensor};
use pulp::{Arch, Simd, WithSimd};

use super::super::kernels::{self, Kernel, KeysValues, add_scaled};
use super::super::simd::softmax;
use super::super::{runs_fused, slice};
use super::recall::{ROOM, products, weighted_sum};
use super::{Scratch, attend_grad, of_heads};

/// Attention within N small sets.
///
/// # Shapes
/// q (N, Q, C), kv (N, L, 2C), bias (H, Q, L), present (N, L) of 0 and 1 → (N, Q, C). A query to which no element is
/// present gets zeros.
pub fn set(q: &Tensor, kv: &Tensor, bias: &Tensor, present: &Tensor) -> Result<Tensor> {
    if !runs_fused(q) {
        return plain(q, kv, bias, present);
    }
    let present = present.contiguous()?.flatten_all()?.to_vec1()?;
    q.contiguous()?.apply_op3(&kv.contiguous()?, &bias.contiguous()?, Set { present })
}

/// A score that leaves nothing of an element beside any other, and that no arithmetic turns into NaN.
const ABSENT: f32 = -1e30;

/// The same of single operations, for other devices.
pub fn plain(q: &Tensor, kv: &Tensor, bias: &Tensor, present: &Tensor) -> Result<Tensor> {
    let ((sets, queries, channels), (heads, _, elements)) = (q.dims3()?, bias.dims3()?);
    let (keys, values) = (of_heads(kv, 0, channels, heads)?, of_heads(kv, 1, channels, heads)?);
    let scale = 1.0 / ((channels / heads) as f64).sqrt();
    let scores = (of_heads(q, 0, channels, heads)?.matmul(&keys.t()?)? * scale)?.broadcast_add(bias)?;
    let present = present.reshape((sets, 1, 1, elements))?;
    let is_present = present.to_dtype(DType::U8)?.broadcast_as(scores.shape())?;
    let absent = Tensor::full(ABSENT, (), scores.device())?.broadcast_as(scores.shape())?;
    let scores = is_present.where_cond(&scores, &absent)?;
    let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?.broadcast_mul(&present)?;
    // Where nothing is present, nothing is divided by one.
    let nobody = present.max_keepdim(D::Minus1)?.affine(-1.0, 1.0)?;
    let probabilities = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?.broadcast_add(&nobody)?)?;
    probabilities.matmul(&values)?.transpose(1, 2)?.reshape((sets, queries, channels))
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
        let kernel = SetKernel {
            queries: Queries { rows: q, set_stride: queries * channels, stride: channels },
            elements: Elements { rows: slice(kv, kl, self.name())?, offset: 0, stride: 2 * channels },
            bias: slice(bias, bl, self.name())?,
            present: &self.present,
            shape: SetShape { queries, elements, channels, heads },
            out: &mut out,
        };
        kernel.run();
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

/// Rows of queries for each set: `set_stride` is 0 where all sets share them.
#[derive(Clone, Copy)]
struct Queries<'a> {
    rows: &'a [f32],
    set_stride: usize,
    stride: usize,
}

/// Rows of keys and values for each set, the first `offset` numbers in.
#[derive(Clone, Copy)]
struct Elements<'a> {
    rows: &'a [f32],
    offset: usize,
    stride: usize,
}

struct SetKernel<'a> {
    queries: Queries<'a>,
    elements: Elements<'a>,
    bias: &'a [f32],
    present: &'a [f32],
    shape: SetShape,
    out: &'a mut [f32],
}

impl SetKernel<'_> {
    fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for SetKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let SetShape { queries, elements, channels, heads } = self.shape;
        let (width, stride) = (channels / heads, elements.next_multiple_of(ROOM));
        let whole = elements.next_multiple_of(S::F32_LANES);
        let scale = 1.0 / (width as f32).sqrt();
        // The keys of a set, channel by channel: a score sums over channels for many elements side by side.
        let mut keys = vec![0.0_f32; channels * stride];
        let mut query = vec![0.0_f32; channels];
        let mut scores = vec![0.0_f32; stride];
        let mut absent = vec![f32::NEG_INFINITY; stride];
        let sets = self.present.chunks_exact(elements).zip(self.out.chunks_exact_mut(queries * channels));
        for (set, (present, out)) in sets.enumerate() {
            let rows = &self.elements.rows[set * elements * self.elements.stride + self.elements.offset..];
            for (element, present) in present.iter().enumerate() {
                absent[element] = if *present > 0.0 { 0.0 } else { f32::NEG_INFINITY };
                let key = &rows[element * self.elements.stride..][..channels];
                for (keys, key) in keys.chunks_exact_mut(stride).zip(key) {
                    keys[element] = *key;
                }
            }
            let values = &rows[channels..];
            for index in 0..queries {
                let row = set * self.queries.set_stride + index * self.queries.stride;
                for (query, q) in query.iter_mut().zip(&self.queries.rows[row..]) {
                    *query = q * scale;
                }
                for head in 0..heads {
                    let part = head * width..(head + 1) * width;
                    let keys = &keys[part.start * stride..part.end * stride];
                    products(simd, &query[part.clone()], keys, elements, &mut scores);
                    let bias = &self.bias[(head * queries + index) * elements..][..elements];
                    add_scaled(&mut scores[..elements], 1.0, bias);
                    add_scaled(&mut scores[..whole], 1.0, &absent);
                    softmax(simd, &mut scores[..whole]);
                    let out = &mut out[index * channels..][part.clone()];
                    weighted_sum(simd, &scores[..elements], &values[part.start..], self.elements.stride, out);
                }
            }
        }
    }
}

/// Attention within N sets whose elements are also the queries, from one product. Without a backward pass; the
/// reference is [`set`].
///
/// # Shapes
/// qkv (N, L, 3C), bias (H, L, L), present (N, L) → (N, L, C)
pub fn within(qkv: &Tensor, bias: &Tensor, present: &Tensor) -> Result<Tensor> {
    qkv.contiguous()?.apply_op3(&bias.contiguous()?, &present.contiguous()?, Within)
}

struct Within;

impl CustomOp3 for Within {
    fn name(&self) -> &'static str {
        "set-attention-within"
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        ql: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
        present: &CpuStorage,
        pl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((sets, elements, packed), (heads, ..)) = (ql.shape().dims3()?, bl.shape().dims3()?);
        let channels = packed / 3;
        let qkv = slice(qkv, ql, self.name())?;
        let mut out = vec![0.0_f32; sets * elements * channels];
        let kernel = SetKernel {
            queries: Queries { rows: qkv, set_stride: elements * packed, stride: packed },
            elements: Elements { rows: qkv, offset: channels, stride: packed },
            bias: slice(bias, bl, self.name())?,
            present: slice(present, pl, self.name())?,
            shape: SetShape { queries: elements, elements, channels, heads },
            out: &mut out,
        };
        kernel.run();
        Ok((CpuStorage::F32(out), Shape::from((sets, elements, channels))))
    }
}

/// Attention of the same queries, without a bias, over each of N sets. Without a backward pass; the reference is
/// [`set`].
///
/// # Shapes
/// queries (Q, C), kv (N, L, 2C), present (N, L) → (N, Q, C)
pub fn pool(queries: &Tensor, kv: &Tensor, present: &Tensor, heads: usize) -> Result<Tensor> {
    queries.contiguous()?.apply_op3(&kv.contiguous()?, &present.contiguous()?, Pool { heads })
}

struct Pool {
    heads: usize,
}

impl CustomOp3 for Pool {
    fn name(&self) -> &'static str {
        "set-attention-pool"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        ql: &Layout,
        kv: &CpuStorage,
        kl: &Layout,
        present: &CpuStorage,
        pl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((queries, channels), (sets, elements, _)) = (ql.shape().dims2()?, kl.shape().dims3()?);
        let bias = vec![0.0_f32; self.heads * queries * elements];
        let mut out = vec![0.0_f32; sets * queries * channels];
        let kernel = SetKernel {
            queries: Queries { rows: slice(q, ql, self.name())?, set_stride: 0, stride: channels },
            elements: Elements { rows: slice(kv, kl, self.name())?, offset: 0, stride: 2 * channels },
            bias: &bias,
            present: slice(present, pl, self.name())?,
            shape: SetShape { queries, elements, channels, heads: self.heads },
            out: &mut out,
        };
        kernel.run();
        Ok((CpuStorage::F32(out), Shape::from((sets, queries, channels))))
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
