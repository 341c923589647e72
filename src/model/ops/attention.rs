//! Attention over a window of the past, over whole sequences and tick by tick, and over small sets. All three are
//! loops around the one kernel [`attend`].

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::kernels::{self, Kernel, KeysValues, add_scaled, attend, dot};
use super::slice;

/// Every tick attends to itself and the W − 1 ticks before it.
///
/// # Shapes
/// qkv (S, T, 3C) as queries, keys, values; bias (H, W), oldest lag first → (S, T, C)
pub fn window(qkv: &Tensor, bias: &Tensor) -> Result<Tensor> {
    qkv.contiguous()?.apply_op2(&bias.contiguous()?, Window)
}

/// The newest output of [`window`] from a cache of the last W keys and values.
///
/// # Shapes
/// query (S, 1, C), cache (S, W, 2C) as a ring in which tick p lies at p mod W (the newest included), bias (H, W),
/// `position` the newest tick → (S, 1, C)
pub fn window_step(query: &Tensor, cache: &Tensor, bias: &Tensor, position: u64) -> Result<Tensor> {
    query.contiguous()?.apply_op3(cache, bias, WindowStep { position })
}

/// Attention within N small sets.
///
/// # Shapes
/// q (N, Q, C), kv (N, L, 2C), bias (H, Q, L), present (N, L) of 0 and 1 → (N, Q, C). A query to which no element is
/// present gets zeros.
pub fn set(q: &Tensor, kv: &Tensor, bias: &Tensor, present: &Tensor) -> Result<Tensor> {
    let present = present.contiguous()?.flatten_all()?.to_vec1()?;
    q.contiguous()?.apply_op3(&kv.contiguous()?, &bias.contiguous()?, Set { present })
}

struct Window;

impl CustomOp2 for Window {
    fn name(&self) -> &'static str {
        "window-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, ql: &Layout, bias: &CpuStorage, bl: &Layout) -> Result<(CpuStorage, Shape)> {
        let (streams, ticks, packed) = ql.shape().dims3()?;
        let (heads, window) = bl.shape().dims2()?;
        let mut out = vec![0.0_f32; streams * ticks * packed / 3];
        kernels::run(WindowKernel {
            qkv: slice(qkv, ql, self.name())?,
            bias: slice(bias, bl, self.name())?,
            shape: WindowShape { ticks, channels: packed / 3, heads, window },
            out: &mut out,
        });
        Ok((CpuStorage::F32(out), Shape::from((streams, ticks, packed / 3))))
    }

    fn bwd(&self, qkv: &Tensor, bias: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let all = qkv.apply_op3_no_bwd(bias, &grad.contiguous()?, &WindowGrad)?;
        let count = qkv.elem_count();
        let dqkv = all.narrow(0, 0, count)?.reshape(qkv.shape())?;
        let dbias = all.narrow(0, count, bias.elem_count())?.reshape(bias.shape())?;
        Ok((Some(dqkv), Some(dbias)))
    }
}

const NO_ROWS: KeysValues<'static> = KeysValues { rows: &[], stride: 0, count: 0 };

#[derive(Clone, Copy)]
struct WindowShape {
    ticks: usize,
    channels: usize,
    heads: usize,
    window: usize,
}

impl WindowShape {
    /// The rows of one sequence that `tick` attends to: the first of them, and how many.
    #[inline(always)]
    fn seen_from(self, tick: usize) -> (usize, usize) {
        let count = self.window.min(tick + 1);
        (tick + 1 - count, count)
    }
}

struct WindowKernel<'a> {
    qkv: &'a [f32],
    bias: &'a [f32],
    shape: WindowShape,
    out: &'a mut [f32],
}

impl Kernel for WindowKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let WindowShape { ticks, channels, heads, window } = self.shape;
        let packed = 3 * channels;
        let mut probabilities = vec![0.0_f32; heads * window];
        let sequences = self.qkv.chunks_exact(ticks * packed).zip(self.out.chunks_exact_mut(ticks * channels));
        for (qkv, out) in sequences {
            for tick in 0..ticks {
                let (first, count) = self.shape.seen_from(tick);
                let rows = KeysValues { rows: &qkv[first * packed + channels..], stride: packed, count };
                attend(
                    &qkv[tick * packed..][..channels],
                    [rows, NO_ROWS],
                    heads,
                    (&self.bias[window - count..], window),
                    &mut probabilities,
                    &mut out[tick * channels..][..channels],
                );
            }
        }
    }
}

/// Gives dqkv, then dbias, as one flat tensor.
struct WindowGrad;

impl CustomOp3 for WindowGrad {
    fn name(&self) -> &'static str {
        "window-attention-grad"
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        ql: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
        grad: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, ticks, packed) = ql.shape().dims3()?;
        let (heads, window) = bl.shape().dims2()?;
        let (qkv, bias) = (slice(qkv, ql, self.name())?, slice(bias, bl, self.name())?);
        let mut all = vec![0.0_f32; qkv.len() + bias.len()];
        let (dqkv, dbias) = all.split_at_mut(qkv.len());
        let shape = WindowShape { ticks, channels: packed / 3, heads, window };
        kernels::run(WindowGradKernel { qkv, bias, grad: slice(grad, gl, self.name())?, shape, dqkv, dbias });
        let shape = Shape::from(all.len());
        Ok((CpuStorage::F32(all), shape))
    }
}

struct WindowGradKernel<'a> {
    qkv: &'a [f32],
    bias: &'a [f32],
    grad: &'a [f32],
    shape: WindowShape,
    dqkv: &'a mut [f32],
    dbias: &'a mut [f32],
}

impl Kernel for WindowGradKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let WindowShape { ticks, channels, heads, window } = self.shape;
        let packed = 3 * channels;
        let mut scratch = Scratch::new(heads * window, channels);
        let sequences = self
            .qkv
            .chunks_exact(ticks * packed)
            .zip(self.grad.chunks_exact(ticks * channels))
            .zip(self.dqkv.chunks_exact_mut(ticks * packed));
        for ((qkv, grad), dqkv) in sequences {
            for tick in 0..ticks {
                let (first, count) = self.shape.seen_from(tick);
                let rows = KeysValues { rows: &qkv[first * packed + channels..], stride: packed, count };
                attend_grad(
                    &qkv[tick * packed..][..channels],
                    rows,
                    heads,
                    (&self.bias[window - count..], &mut self.dbias[window - count..], window),
                    &grad[tick * channels..][..channels],
                    &mut scratch,
                    &mut dqkv[first * packed + channels..],
                );
                add_scaled(&mut dqkv[tick * packed..][..channels], 1.0, &scratch.dquery);
            }
        }
    }
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

struct WindowStep {
    position: u64,
}

impl CustomOp3 for WindowStep {
    fn name(&self) -> &'static str {
        "window-attention-step"
    }

    fn cpu_fwd(
        &self,
        query: &CpuStorage,
        ql: &Layout,
        cache: &CpuStorage,
        cl: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (streams, _, channels) = ql.shape().dims3()?;
        let (heads, window) = bl.shape().dims2()?;
        let mut out = vec![0.0_f32; streams * channels];
        kernels::run(WindowStepKernel {
            query: slice(query, ql, self.name())?,
            cache: slice(cache, cl, self.name())?,
            bias: slice(bias, bl, self.name())?,
            position: self.position,
            shape: WindowShape { ticks: 1, channels, heads, window },
            out: &mut out,
        });
        Ok((CpuStorage::F32(out), ql.shape().clone()))
    }
}

struct WindowStepKernel<'a> {
    query: &'a [f32],
    cache: &'a [f32],
    bias: &'a [f32],
    position: u64,
    shape: WindowShape,
    out: &'a mut [f32],
}

impl Kernel for WindowStepKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let WindowShape { channels, heads, window, .. } = self.shape;
        let stride = 2 * channels;
        let mut probabilities = vec![0.0_f32; heads * window];
        // The ring in the order of time: from the slot after the newest to the end, then from the start to the newest.
        let newest = (self.position % window as u64) as usize;
        let older = if self.position < window as u64 { 0 } else { window - 1 - newest };
        let count = older + newest + 1;
        let streams = self.query.chunks_exact(channels).zip(self.cache.chunks_exact(window * stride));
        for ((query, cache), out) in streams.zip(self.out.chunks_exact_mut(channels)) {
            let segments = [
                KeysValues { rows: &cache[(window - older) * stride..], stride, count: older },
                KeysValues { rows: cache, stride, count: newest + 1 },
            ];
            attend(query, segments, heads, (&self.bias[window - count..], window), &mut probabilities, out);
        }
    }
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
