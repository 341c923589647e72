//! Causal depthwise convolution along time, over whole sequences and tick by tick.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::kernels::{self, Kernel};
use super::slice;

/// y\[t, c\] = Σⱼ weight\[j, c\] · x\[t − (k − 1) + j, c\], with nothing before the beginning.
///
/// # Shapes
/// x (S, T, C), weight (k, C) → (S, T, C)
pub fn depthwise(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(weight, Depthwise)
}

/// The newest output of [`depthwise`] from the last k inputs.
///
/// # Shapes
/// cache (S, k, C) as a ring in which tick p lies at p mod k, weight (k, C), `position` the newest tick → (S, 1, C)
pub fn depthwise_step(cache: &Tensor, weight: &Tensor, position: u64) -> Result<Tensor> {
    cache.apply_op2(weight, DepthwiseStep { position })
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
    position: u64,
}

impl CustomOp2 for DepthwiseStep {
    fn name(&self) -> &'static str {
        "depthwise-step"
    }

    fn cpu_fwd(
        &self,
        cache: &CpuStorage,
        cl: &Layout,
        weight: &CpuStorage,
        wl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (streams, kernel, channels) = cl.shape().dims3()?;
        let mut y = vec![0.0_f32; streams * channels];
        kernels::run(DepthwiseStepKernel {
            cache: slice(cache, cl, self.name())?,
            weight: slice(weight, wl, self.name())?,
            kernel,
            position: self.position,
            channels,
            y: &mut y,
        });
        Ok((CpuStorage::F32(y), Shape::from((streams, 1, channels))))
    }
}

struct DepthwiseStepKernel<'a> {
    cache: &'a [f32],
    weight: &'a [f32],
    kernel: usize,
    position: u64,
    channels: usize,
    y: &'a mut [f32],
}

impl Kernel for DepthwiseStepKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let (kernel, channels) = (self.kernel, self.channels);
        let streams = self.cache.chunks_exact(kernel * channels).zip(self.y.chunks_exact_mut(channels));
        let lags = kernel.min(usize::try_from(self.position).unwrap_or(usize::MAX).saturating_add(1));
        for (cache, y) in streams {
            for lag in 0..lags {
                let slot = ((self.position - lag as u64) % kernel as u64) as usize;
                let x = &cache[slot * channels..][..channels];
                let weight = &self.weight[(kernel - 1 - lag) * channels..][..channels];
                for c in 0..channels {
                    y[c] = x[c].mul_add(weight[c], y[c]);
                }
            }
        }
    }
}
