//! SiLU and layer norm, each with its backward pass.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, D, Layout, Result, Shape, Tensor};

use super::kernels::{self, Kernel, sigmoid};
use super::{runs_fused, simd, slice};

/// x · σ(x)
pub fn silu(x: &Tensor) -> Result<Tensor> {
    if runs_fused(x) { x.contiguous()?.apply_op1(Silu) } else { silu_plain(x) }
}

/// The same for other devices.
pub(super) fn silu_plain(x: &Tensor) -> Result<Tensor> {
    x.silu()
}

struct Silu;

impl CustomOp1 for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = slice(x, layout, self.name())?.to_vec();
        simd::silu(&mut y);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(x.apply_op2_no_bwd(&grad.contiguous()?, &SiluGrad)?))
    }
}

pub(super) struct SiluGrad;

impl SiluGrad {
    /// Turns gradients of silu(x) into those of x.
    pub(super) fn turn(x: &[f32], gradients: &mut [f32]) {
        kernels::run(SiluGradKernel { x, dx: gradients });
    }
}

impl CustomOp2 for SiluGrad {
    fn name(&self) -> &'static str {
        "silu-grad"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, grad: &CpuStorage, gl: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut dx = slice(grad, gl, self.name())?.to_vec();
        Self::turn(slice(x, xl, self.name())?, &mut dx);
        Ok((CpuStorage::F32(dx), xl.shape().clone()))
    }
}

struct SiluGradKernel<'a> {
    x: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for SiluGradKernel<'_> {
    #[inline(always)]
    fn call(self) {
        for (dx, x) in self.dx.iter_mut().zip(self.x) {
            let s = sigmoid(*x);
            *dx *= s * (1.0 + x * (1.0 - s));
        }
    }
}

const NORM_EPSILON: f32 = 1e-5;

/// Layer norm over the last dimension, with weight and bias of (C).
///
/// The variance is the mean of squared deviations, so a constant row gives the bias (E\[x²\] − mean² may fall below
/// zero there).
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if runs_fused(x) { x.contiguous()?.apply_op3(weight, bias, LayerNorm) } else { layer_norm_plain(x, weight, bias) }
}

/// The same of single operations, for other devices.
pub(super) fn layer_norm_plain(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let count = weight.elem_count() as f64;
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.sum_keepdim(D::Minus1)?;
    let deviation = variance.affine(1.0 / count, f64::from(NORM_EPSILON))?.sqrt()?;
    centred.broadcast_div(&deviation)?.broadcast_mul(weight)?.broadcast_add(bias)
}

struct LayerNorm;

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        weight: &CpuStorage,
        wl: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut y = slice(x, xl, self.name())?.to_vec();
        let (weight, bias) = (slice(weight, wl, self.name())?, slice(bias, bl, self.name())?);
        kernels::run(NormKernel { y: &mut y, weight, bias });
        Ok((CpuStorage::F32(y), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let channels = weight.elem_count();
        let count = x.elem_count();
        let all = x.apply_op3_no_bwd(weight, &grad.contiguous()?, &LayerNormGrad)?;
        let dx = all.narrow(0, 0, count)?.reshape(x.shape())?;
        let dweight = all.narrow(0, count, channels)?;
        let dbias = all.narrow(0, count + channels, channels)?;
        Ok((Some(dx), Some(dweight), Some(dbias)))
    }
}

/// Mean and 1/σ of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let count = row.len() as f32;
    let mut lanes = [0.0_f32; kernels::LANES];
    for chunk in row.chunks_exact(kernels::LANES) {
        for lane in 0..kernels::LANES {
            lanes[lane] += chunk[lane];
        }
    }
    let mean = lanes.iter().sum::<f32>() / count;
    let mut lanes = [0.0_f32; kernels::LANES];
    for chunk in row.chunks_exact(kernels::LANES) {
        for lane in 0..kernels::LANES {
            let deviation = chunk[lane] - mean;
            lanes[lane] = deviation.mul_add(deviation, lanes[lane]);
        }
    }
    let variance = lanes.iter().sum::<f32>() / count;
    (mean, 1.0 / (variance + NORM_EPSILON).sqrt())
}

/// Layer norm of every row, in place.
#[inline(always)]
pub(super) fn normalise(rows: &mut [f32], weight: &[f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(weight.len()) {
        let (mean, inverse) = moments(row);
        for ((y, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
            *y = ((*y - mean) * inverse).mul_add(*weight, *bias);
        }
    }
}

pub(super) struct NormKernel<'a> {
    pub y: &'a mut [f32],
    pub weight: &'a [f32],
    pub bias: &'a [f32],
}

impl Kernel for NormKernel<'_> {
    #[inline(always)]
    fn call(self) {
        normalise(self.y, self.weight, self.bias);
    }
}

/// Gives dx, then dweight, then dbias, as one flat tensor.
struct LayerNormGrad;

impl CustomOp3 for LayerNormGrad {
    fn name(&self) -> &'static str {
        "layer-norm-grad"
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
        let (x, weight) = (slice(x, xl, self.name())?, slice(weight, wl, self.name())?);
        let all = norm_grad(x, weight, slice(grad, gl, self.name())?);
        let shape = Shape::from(all.len());
        Ok((CpuStorage::F32(all), shape))
    }
}

/// The gradients of x, of the weight and of the bias, one after the other.
pub(super) fn norm_grad(x: &[f32], weight: &[f32], grad: &[f32]) -> Vec<f32> {
    let mut all = vec![0.0_f32; x.len() + 2 * weight.len()];
    let (dx, rest) = all.split_at_mut(x.len());
    let (dweight, dbias) = rest.split_at_mut(weight.len());
    kernels::run(NormGradKernel { x, weight, grad, dx, dweight, dbias });
    all
}

struct NormGradKernel<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    grad: &'a [f32],
    dx: &'a mut [f32],
    dweight: &'a mut [f32],
    dbias: &'a mut [f32],
}

impl Kernel for NormGradKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let channels = self.weight.len();
        let count = channels as f32;
        let rows = self.x.chunks_exact(channels).zip(self.grad.chunks_exact(channels));
        for ((x, grad), dx) in rows.zip(self.dx.chunks_exact_mut(channels)) {
            let (mean, inverse) = moments(x);
            // dx holds dŷ/dx̂ = grad · weight on the way.
            let (mut sums, mut products) = ([0.0_f32; kernels::LANES], [0.0_f32; kernels::LANES]);
            for c in 0..channels {
                let normed = (x[c] - mean) * inverse;
                self.dweight[c] = grad[c].mul_add(normed, self.dweight[c]);
                self.dbias[c] += grad[c];
                dx[c] = grad[c] * self.weight[c];
            }
            for (x, dx) in x.chunks_exact(kernels::LANES).zip(dx.chunks_exact(kernels::LANES)) {
                for lane in 0..kernels::LANES {
                    sums[lane] += dx[lane];
                    products[lane] = dx[lane].mul_add((x[lane] - mean) * inverse, products[lane]);
                }
            }
            let sum = sums.iter().sum::<f32>() / count;
            let product = products.iter().sum::<f32>() / count;
            for c in 0..channels {
                let normed = (x[c] - mean) * inverse;
                dx[c] = inverse * (dx[c] - sum - normed * product);
            }
        }
    }
}
