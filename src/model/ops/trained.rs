//! Layers of weights that are trained, each one operation with a backward pass of its own.
//!
//! candle adds every gradient onto zeros of its size, so that each operation between two layers costs several passes
//! over memory beside its own; and of a product with a mask it computes the mask's gradient, too. So what always comes
//! together is one operation here.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::kernels::{self, Kernel, add_scaled};
use super::linear::{Around, fused, with_last};
use super::panels::Panels;
use super::pointwise::{NormKernel, SiluGrad, norm_grad};
use super::{simd, slice};

/// y = x · Wᵀ + b, and its SiLU where that is asked for.
///
/// # Shapes
/// x (…, in), weight (out, in), bias (out) → (…, out)
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, silu: bool) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, bias, Product { silu, before: OnceLock::new() })
}

struct Product {
    silu: bool,
    /// What the SiLU was taken of.
    before: OnceLock<Vec<f32>>,
}

impl CustomOp3 for Product {
    fn name(&self) -> &'static str {
        "trained-linear"
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
        let (outputs, inputs) = wl.shape().dims2()?;
        let (x, weight) = (slice(x, xl, self.name())?, slice(weight, wl, self.name())?);
        if xl.dims().last() != Some(&inputs) {
            candle_core::bail!("{}: expected rows of {inputs} inputs, got a shape of {:?}", self.name(), xl.dims());
        }
        let rows: Vec<&[f32]> = weight.chunks_exact(inputs).collect();
        let mut y = vec![0.0_f32; x.len() / inputs * outputs];
        Panels::new(inputs, &rows, slice(bias, bl, self.name())?).multiply(x, &mut y);
        if self.silu {
            // A forward pass is made once; what an earlier one left would be of other weights.
            let _ = self.before.set(y.clone());
            simd::silu(&mut y);
        }
        Ok((CpuStorage::F32(y), Shape::from(with_last(xl.dims(), outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (outputs, inputs) = weight.dims2()?;
        let rows = x.elem_count() / inputs;
        let mut grad = grad.contiguous()?.reshape((rows, outputs))?;
        if let Some(before) = self.before.get() {
            grad = grad.apply_op1_no_bwd(&SiluGradOf { before })?;
        }
        let turned: Vec<Vec<f32>> = weight.t()?.to_vec2()?;
        let panels = Arc::new(Panels::new(outputs, &turned, &vec![0.0; inputs]));
        let dx = fused(&grad, &panels, Around::default())?.reshape(x.shape())?;
        let dweight = grad.t()?.matmul(&x.detach().reshape((rows, inputs))?)?;
        let dbias = grad.apply_op1_no_bwd(&ColumnSums)?.reshape(bias.shape())?;
        Ok((Some(dx), Some(dweight), Some(dbias)))
    }
}

struct SiluGradOf<'a> {
    before: &'a [f32],
}

impl CustomOp1 for SiluGradOf<'_> {
    fn name(&self) -> &'static str {
        "trained-silu-grad"
    }

    fn cpu_fwd(&self, grad: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut dx = slice(grad, layout, self.name())?.to_vec();
        SiluGrad::turn(self.before, &mut dx);
        Ok((CpuStorage::F32(dx), layout.shape().clone()))
    }
}

/// (n, C) → (C)
struct ColumnSums;

impl CustomOp1 for ColumnSums {
    fn name(&self) -> &'static str {
        "column-sums"
    }

    fn cpu_fwd(&self, rows: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, channels) = layout.shape().dims2()?;
        let mut sums = vec![0.0_f32; channels];
        kernels::run(ColumnSumsKernel { rows: slice(rows, layout, self.name())?, sums: &mut sums });
        Ok((CpuStorage::F32(sums), Shape::from(channels)))
    }
}

struct ColumnSumsKernel<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for ColumnSumsKernel<'_> {
    #[inline(always)]
    fn call(self) {
        for row in self.rows.chunks_exact(self.sums.len()) {
            add_scaled(self.sums, 1.0, row);
        }
    }
}

/// norm(x + kept · y): the end of a residual module, some of whose output is dropped.
///
/// # Shapes
/// x and y (…, C); weight and bias of the norm (C) each; `kept`, as many as y, holds what each number of y is multiplied
/// by → (…, C)
pub fn residual_norm(x: &Tensor, y: &Tensor, weight: &Tensor, bias: &Tensor, kept: Option<Vec<f32>>) -> Result<Tensor> {
    if x.shape() != y.shape() || kept.as_ref().is_some_and(|kept| kept.len() != y.elem_count()) {
        candle_core::bail!("residual-norm: expected one shape of all, got {:?} and {:?}", x.dims(), y.dims());
    }
    let affine = Tensor::cat(&[weight, bias], 0)?;
    x.contiguous()?.apply_op3(&y.contiguous()?, &affine, ResidualNorm { kept, sums: OnceLock::new() })
}

struct ResidualNorm {
    kept: Option<Vec<f32>>,
    /// x + kept · y
    sums: OnceLock<Vec<f32>>,
}

impl CustomOp3 for ResidualNorm {
    fn name(&self) -> &'static str {
        "residual-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        y: &CpuStorage,
        yl: &Layout,
        affine: &CpuStorage,
        al: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let affine = slice(affine, al, self.name())?;
        let (weight, bias) = affine.split_at(affine.len() / 2);
        let mut sums = slice(x, xl, self.name())?.to_vec();
        kernels::run(AddKept { sums: &mut sums, y: slice(y, yl, self.name())?, kept: self.kept.as_deref() });
        let mut out = sums.clone();
        kernels::run(NormKernel { y: &mut out, weight, bias });
        let _ = self.sums.set(sums);
        Ok((CpuStorage::F32(out), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        _y: &Tensor,
        affine: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (count, channels) = (x.elem_count(), affine.elem_count() / 2);
        let op = ResidualNormGrad { sums: self.sums.get().map_or(&[], Vec::as_slice) };
        let all = grad.contiguous()?.apply_op2_no_bwd(affine, &op)?;
        let dsum = all.narrow(0, 0, count)?.reshape(x.shape())?;
        let daffine = all.narrow(0, count, 2 * channels)?;
        let dy = match &self.kept {
            Some(kept) => dsum.apply_op1_no_bwd(&Kept { kept })?,
            None => dsum.clone(),
        };
        Ok((Some(dsum), Some(dy), Some(daffine)))
    }
}

struct AddKept<'a> {
    sums: &'a mut [f32],
    y: &'a [f32],
    kept: Option<&'a [f32]>,
}

impl Kernel for AddKept<'_> {
    #[inline(always)]
    fn call(self) {
        match self.kept {
            None => add_scaled(self.sums, 1.0, self.y),
            Some(kept) => {
                for ((sum, y), kept) in self.sums.iter_mut().zip(self.y).zip(kept) {
                    *sum = kept.mul_add(*y, *sum);
                }
            }
        }
    }
}

/// Gives the gradient of the sums, then of the norm's weight and bias, as one flat tensor.
struct ResidualNormGrad<'a> {
    sums: &'a [f32],
}

impl CustomOp2 for ResidualNormGrad<'_> {
    fn name(&self) -> &'static str {
        "residual-norm-grad"
    }

    fn cpu_fwd(&self, grad: &CpuStorage, gl: &Layout, affine: &CpuStorage, al: &Layout) -> Result<(CpuStorage, Shape)> {
        let affine = slice(affine, al, self.name())?;
        let weight = &affine[..affine.len() / 2];
        let all = norm_grad(self.sums, weight, slice(grad, gl, self.name())?);
        let shape = Shape::from(all.len());
        Ok((CpuStorage::F32(all), shape))
    }
}

/// The gradient of what was dropped or scaled up.
struct Kept<'a> {
    kept: &'a [f32],
}

impl CustomOp1 for Kept<'_> {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn cpu_fwd(&self, grad: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut dy = slice(grad, layout, self.name())?.to_vec();
        kernels::run(Scale { values: &mut dy, by: self.kept });
        Ok((CpuStorage::F32(dy), layout.shape().clone()))
    }
}

struct Scale<'a> {
    values: &'a mut [f32],
    by: &'a [f32],
}

impl Kernel for Scale<'_> {
    #[inline(always)]
    fn call(self) {
        for (value, by) in self.values.iter_mut().zip(self.by) {
            *value *= by;
        }
    }
}
