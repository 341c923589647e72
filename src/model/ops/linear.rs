//! y = x · Wᵀ + b, and what surrounds it in one pass over the rows.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use super::kernels::{self, Kernel};
use super::panels::Panels;
use super::pointwise::NormKernel;
use super::{simd, slice};

/// Applies a weight of (out, in) and a bias of (out) to the last dimension of `x`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (out, width) = weight.dims2()?;
    let flat = x.reshape((x.elem_count() / width, width))?;
    flat.matmul(&weight.t()?)?.broadcast_add(bias)?.reshape(with_last(x.dims(), out))
}

/// A factor and a summand for each channel.
#[derive(Clone, Debug)]
pub struct Affine {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// What [`fused`] does around the product, in this order.
#[derive(Clone, Debug, Default)]
pub struct Around<'a> {
    /// On the input: `scale · x + shift`.
    pub before: Option<Arc<Affine>>,
    /// Added to the product. Of a tensor with fewer rows, the rows are taken over and over.
    pub onto: Option<&'a Tensor>,
    pub silu: bool,
    /// Layer norm with this weight and bias.
    pub norm: Option<Arc<Affine>>,
}

/// A linear layer of stored weights together with its surroundings. The plain reference is
/// [`crate::model::layers::Linear`] over weights that are trained.
///
/// It has no backward pass; asking for one is an error rather than a missing gradient.
pub fn fused(x: &Tensor, panels: &Arc<Panels>, around: Around<'_>) -> Result<Tensor> {
    let op = Fused { panels: Arc::clone(panels), before: around.before, silu: around.silu, norm: around.norm };
    let x = x.contiguous()?;
    match around.onto {
        Some(base) => x.apply_op2(&base.contiguous()?, op),
        None => x.apply_op1(op),
    }
}

/// A shape with another last dimension.
pub(super) fn with_last(dims: &[usize], last: usize) -> Vec<usize> {
    let mut dims = dims.to_vec();
    if let Some(dim) = dims.last_mut() {
        *dim = last;
    }
    dims
}

struct Fused {
    panels: Arc<Panels>,
    before: Option<Arc<Affine>>,
    silu: bool,
    norm: Option<Arc<Affine>>,
}

impl Fused {
    const NAME: &'static str = "fused-linear";

    fn run(&self, x: &[f32], dims: &[usize], base: Option<&[f32]>) -> Result<(CpuStorage, Shape)> {
        let (inputs, outputs) = (self.panels.inputs(), self.panels.outputs());
        if dims.last() != Some(&inputs) {
            candle_core::bail!("{}: expected rows of {inputs} inputs, got a shape of {dims:?}", Self::NAME);
        }
        let mut y = vec![0.0_f32; x.len() / inputs * outputs];
        if base.is_some_and(|base| base.is_empty() || !y.len().is_multiple_of(base.len())) {
            candle_core::bail!("{}: what is added does not fit {} numbers", Self::NAME, y.len());
        }
        match &self.before {
            None => self.panels.multiply(x, &mut y),
            Some(before) => {
                let mut entered = x.to_vec();
                kernels::run(Enter { before, x: &mut entered });
                self.panels.multiply(&entered, &mut y);
            }
        }
        if let Some(base) = base {
            kernels::run(Onto { base, y: &mut y });
        }
        if self.silu {
            simd::silu(&mut y);
        }
        if let Some(norm) = &self.norm {
            kernels::run(NormKernel { y: &mut y, weight: &norm.scale, bias: &norm.shift });
        }
        Ok((CpuStorage::F32(y), Shape::from(with_last(dims, outputs))))
    }
}

/// The layers' weights, to be read by a fused operation: of each a weight of (out, in) and a bias of (out), with the
/// same `in`. Their outputs follow each other.
pub fn pack(layers: &[(&Tensor, &Tensor)]) -> Result<Arc<Panels>> {
    let (mut rows, mut biases) = (Vec::new(), Vec::new());
    for (weight, bias) in layers {
        rows.extend(weight.to_vec2::<f32>()?);
        biases.extend(bias.to_vec1::<f32>()?);
    }
    Ok(Arc::new(Panels::new(rows.first().map_or(0, Vec::len), &rows, &biases)))
}

impl CustomOp1 for Fused {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(slice(x, layout, Self::NAME)?, layout.dims(), None)
    }
}

impl CustomOp2 for Fused {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, base: &CpuStorage, bl: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(slice(x, xl, Self::NAME)?, xl.dims(), Some(slice(base, bl, Self::NAME)?))
    }
}

struct Enter<'a> {
    before: &'a Affine,
    x: &'a mut [f32],
}

impl Kernel for Enter<'_> {
    #[inline(always)]
    fn call(self) {
        for row in self.x.chunks_exact_mut(self.before.scale.len()) {
            for ((x, scale), shift) in row.iter_mut().zip(&self.before.scale).zip(&self.before.shift) {
                *x = *x * scale + shift;
            }
        }
    }
}

struct Onto<'a> {
    base: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Onto<'_> {
    #[inline(always)]
    fn call(self) {
        for y in self.y.chunks_exact_mut(self.base.len()) {
            for (y, base) in y.iter_mut().zip(self.base) {
                *y += base;
            }
        }
    }
}
