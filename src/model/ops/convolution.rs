//! Causal depthwise convolution along time, over whole sequences and tick by tick.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::kernels::{self, Kernel};
use super::ring::Places;
use super::{runs_fused, simd, slice};

/// y\[t, c\] = Σⱼ weight\[j, c\] · x\[t − (k − 1) + j, c\], with nothing before the beginning.
///
/// # Shapes
/// x (S, T, C), weight (k, C) → (S, T, C)
pub fn depthwise(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if runs_fused(x) { x.contiguous()?.apply_op2(weight, Depthwise) } else { depthwise_plain(x, weight) }
}

/// The same of single operations, for other devices.
pub(super) fn depthwise_plain(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (ticks, kernel) = (x.dim(1)?, weight.dim(0)?);
    let padded = x.pad_with_zeros(1, kernel - 1, 0)?;
    let tap = |tap: usize| padded.narrow(1, tap, ticks)?.broadcast_mul(&weight.narrow(0, tap, 1)?);
    (1..kernel).try_fold(tap(0)?, |sum, lag| sum + tap(lag)?)
}

/// The weight of a convolution as a step reads it: k × C.
#[derive(Clone, Debug)]
pub struct Taps {
    kernel: usize,
    values: Vec<f32>,
}

impl Taps {
    /// Weight (k, C).
    pub fn new(weight: &Tensor) -> Result<Self> {
        Ok(Self { kernel: weight.dim(0)?, values: weight.flatten_all()?.to_vec1()? })
    }
}

/// The newest output of [`depthwise`] from the last k inputs, and its SiLU where that is asked for.
///
/// # Shapes
/// slab (slots, k · C), each row a ring in which tick p lies at p mod k, the newest included → (S, 1, C)
pub fn step(slab: &Tensor, taps: &Arc<Taps>, places: &Arc<Places>, has_silu: bool) -> Result<Tensor> {
    slab.apply_op1(DepthwiseStep { taps: Arc::clone(taps), places: Arc::clone(places), has_silu })
}

/// [`step`] without SiLU, of single operations: for weights that are trained, and for other devices; weight (k, C).
pub fn step_plain(slab: &Tensor, weight: &Tensor, places: &Places) -> Result<Tensor> {
    let (kernel, channels) = weight.dims2()?;
    places.check(places.len(), slab.dim(0)?, "depthwise-step")?;
    let (mut taps, mut known) = (Vec::new(), Vec::new());
    for (_, position) in places.iter() {
        for slot in 0..kernel {
            let lag = ((position % kernel as u64) as usize + kernel - slot) % kernel;
            taps.push((kernel - 1 - lag) as u32);
            known.push(u8::from(lag as u64 <= position));
        }
    }
    let shape = (places.len(), kernel, channels);
    let slots = Tensor::from_slice(&places.slots, places.len(), slab.device())?;
    let rings = slab.index_select(&slots, 0)?.reshape(shape)?;
    let known = Tensor::from_vec(known, (places.len(), kernel, 1), slab.device())?.broadcast_as(shape)?;
    let rings = known.where_cond(&rings, &rings.zeros_like()?)?;
    let taps = Tensor::from_vec(taps, places.len() * kernel, slab.device())?;
    (rings * weight.index_select(&taps, 0)?.reshape(shape)?)?.sum_keepdim(1)
}

struct Depthwise;

impl CustomOp2 for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, weight: &CpuStorage, wl: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, ticks, channels) = xl.shape().dims3()?;
        let x = slice(x, xl, self.name())?;
        let mut y = vec![0.0_f32; x.len()];
        kernels::run(DepthwiseKernel { x, weight: slice(weight, wl, self.name())?, ticks, channels, y: &mut y });
        Ok((CpuStorage::F32(y), xl.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let all = x.apply_op3_no_bwd(weight, &grad.contiguous()?, &DepthwiseGrad)?;
        let count = x.elem_count();
        let dx = all.narrow(0, 0, count)?.reshape(x.shape())?;
        let dweight = all.narrow(0, count, weight.elem_count())?.reshape(weight.shape())?;
        Ok((Some(dx), Some(dweight)))
    }
}

struct DepthwiseKernel<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    ticks: usize,
    channels: usize,
    y: &'a mut [f32],
}

impl Kernel for DepthwiseKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let (ticks, channels) = (self.ticks, self.channels);
        let kernel = self.weight.len() / channels;
        let sequences = self.x.chunks_exact(ticks * channels).zip(self.y.chunks_exact_mut(ticks * channels));
        for (x, y) in sequences {
            for tick in 0..ticks {
                let y = &mut y[tick * channels..(tick + 1) * channels];
                for lag in 0..kernel.min(tick + 1) {
                    let x = &x[(tick - lag) * channels..][..channels];
                    let weight = &self.weight[(kernel - 1 - lag) * channels..][..channels];
                    for c in 0..channels {
                        y[c] = x[c].mul_add(weight[c], y[c]);
                    }
                }
            }
        }
    }
}

/// Gives dx, then dweight, as one flat tensor.
struct DepthwiseGrad;

impl CustomOp3 for DepthwiseGrad {
    fn name(&self) -> &'static str {
        "depthwise-grad"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        weight: &CpuStorage,
        wl: &Layout,
        grad: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, ticks, channels) = xl.shape().dims3()?;
        let (x, weight) = (slice(x, xl, self.name())?, slice(weight, wl, self.name())?);
        let mut all = vec![0.0_f32; x.len() + weight.len()];
        let (dx, dweight) = all.split_at_mut(x.len());
        let grad = slice(grad, gl, self.name())?;
        kernels::run(DepthwiseGradKernel { x, weight, grad, ticks, channels, dx, dweight });
        let shape = Shape::from(all.len());
        Ok((CpuStorage::F32(all), shape))
    }
}

struct DepthwiseGradKernel<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    grad: &'a [f32],
    ticks: usize,
    channels: usize,
    dx: &'a mut [f32],
    dweight: &'a mut [f32],
}

impl Kernel for DepthwiseGradKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let (ticks, channels) = (self.ticks, self.channels);
        let kernel = self.weight.len() / channels;
        let size = ticks * channels;
        let sequences = self.x.chunks_exact(size).zip(self.grad.chunks_exact(size)).zip(self.dx.chunks_exact_mut(size));
        for ((x, grad), dx) in sequences {
            for tick in 0..ticks {
                let grad = &grad[tick * channels..][..channels];
                for lag in 0..kernel.min(tick + 1) {
                    let at = (tick - lag) * channels;
                    let tap = (kernel - 1 - lag) * channels;
                    let (x, dx) = (&x[at..][..channels], &mut dx[at..][..channels]);
                    let (weight, dweight) = (&self.weight[tap..][..channels], &mut self.dweight[tap..][..channels]);
                    for c in 0..channels {
                        dx[c] = grad[c].mul_add(weight[c], dx[c]);
                        dweight[c] = grad[c].mul_add(x[c], dweight[c]);
                    }
                }
            }
        }
    }
}

struct DepthwiseStep {
    taps: Arc<Taps>,
    places: Arc<Places>,
    has_silu: bool,
}

impl CustomOp1 for DepthwiseStep {
    fn name(&self) -> &'static str {
        "depthwise-step"
    }

    fn cpu_fwd(&self, slab: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (capacity, size) = layout.shape().dims2()?;
        let streams = self.places.len();
        self.places.check(streams, capacity, self.name())?;
        let channels = size / self.taps.kernel;
        let mut y = vec![0.0_f32; streams * channels];
        kernels::run(DepthwiseStepKernel { slab: slice(slab, layout, self.name())?, op: self, channels, y: &mut y });
        if self.has_silu {
            simd::silu(&mut y);
        }
        Ok((CpuStorage::F32(y), Shape::from((streams, 1, channels))))
    }
}

struct DepthwiseStepKernel<'a> {
    slab: &'a [f32],
    op: &'a DepthwiseStep,
    channels: usize,
    y: &'a mut [f32],
}

impl Kernel for DepthwiseStepKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let Self { op: DepthwiseStep { taps, places, .. }, channels, .. } = self;
        let kernel = taps.kernel as u64;
        for ((slot, position), y) in places.iter().zip(self.y.chunks_exact_mut(channels)) {
            let ring = &self.slab[slot * taps.values.len()..][..taps.values.len()];
            for lag in 0..kernel.min(position.saturating_add(1)) {
                let at = ((position - lag) % kernel) as usize * channels;
                let tap = (kernel - 1 - lag) as usize * channels;
                let (x, weight) = (&ring[at..at + channels], &taps.values[tap..tap + channels]);
                for c in 0..channels {
                    y[c] = x[c].mul_add(weight[c], y[c]);
                }
            }
        }
    }
}
