//! Attention over a window of the past.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::kernels::{self, Kernel, KeysValues, add_scaled, attend};
use super::super::{runs_fused, slice};
use super::{NO_ROWS, Scratch, attend_grad, of_heads, softmax};

/// Every tick attends to itself and the W − 1 ticks before it.
///
/// # Shapes
/// qkv (S, T, 3C) as queries, keys, values; bias (H, W), oldest lag first → (S, T, C)
pub fn window(qkv: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if runs_fused(qkv) { qkv.contiguous()?.apply_op2(&bias.contiguous()?, Window) } else { plain(qkv, bias) }
}

/// The same of single operations, for other devices. It has a score for all pairs of ticks: memory for S · H · T² of
/// them.
pub fn plain(qkv: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (streams, ticks, packed) = qkv.dims3()?;
    let (channels, heads) = (packed / 3, bias.dim(0)?);
    let part = |index| of_heads(qkv, index, channels, heads);
    let scale = 1.0 / ((channels / heads) as f64).sqrt();
    let scores = (part(0)?.matmul(&part(1)?.t()?)? * scale)?.broadcast_add(&banded(bias, ticks)?)?;
    softmax(&scores)?.matmul(&part(2)?)?.transpose(1, 2)?.reshape((streams, ticks, channels))
}

/// The bias of every pair of ticks: (H, W) → (H, T, T), −∞ where the second lies outside of the first's window.
fn banded(bias: &Tensor, ticks: usize) -> Result<Tensor> {
    let (heads, window) = bias.dims2()?;
    let unseen = |count: usize| Tensor::full(f32::NEG_INFINITY, (heads, count), bias.device());
    let seen = window.min(ticks);
    let lags = bias.narrow(1, window - seen, seen)?;
    let row = Tensor::cat(&[unseen(ticks + 1 - seen)?, lags, unseen(ticks)?], 1)?;
    // The row of 2T + 1 again and again, read in steps of one less: it moves on by one place a tick.
    let length = 2 * ticks + 1;
    let rows = row.unsqueeze(1)?.broadcast_as((heads, ticks, length))?.reshape((heads, ticks * length))?;
    let moved = rows.narrow(1, 0, ticks * 2 * ticks)?.reshape((heads, ticks, 2 * ticks))?;
    moved.narrow(2, ticks, ticks)
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
                    (&mut probabilities, count),
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
