//! Attention over a window of the past.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::kernels::{self, Kernel, KeysValues, add_scaled, attend};
use super::super::slice;
use super::{NO_ROWS, Scratch, attend_grad};

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
