//! y = x · Wᵀ + b, also where x has few rows.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::kernels::{self, Kernel, dot};
use super::slice;

/// Up to this many rows the weights are read once and multiplied row by row: a general matrix product spends most of
/// its time on packing there. One tick of four animals of 18 keypoints has 108 rows at most.
const FEW_ROWS_MAX: usize = 120;

/// Applies a weight of (out, in) and a bias of (out) to the last dimension of `x`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (out, width) = weight.dims2()?;
    let rows = x.elem_count() / width;
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = out;
    }
    let flat = x.reshape((rows, width))?;
    let y = if rows <= FEW_ROWS_MAX && !weight.is_variable() && x.device().is_cpu() {
        flat.apply_op3(weight, bias, FewRows)?
    } else {
        flat.matmul(&weight.t()?)?.broadcast_add(bias)?
    };
    y.reshape(shape)
}

/// For stored weights only, which are no variables: it has no backward pass, and asking for one is an error rather than a
/// missing gradient.
struct FewRows;

impl CustomOp3 for FewRows {
    fn name(&self) -> &'static str {
        "linear-few-rows"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (out, width) = weight_layout.shape().dims2()?;
        let x = slice(x, x_layout, self.name())?;
        let mut y = vec![0.0_f32; x.len() / width * out];
        kernels::run(FewRowsKernel {
            x,
            weight: slice(weight, weight_layout, self.name())?,
            bias: slice(bias, bias_layout, self.name())?,
            width,
            y: &mut y,
        });
        let shape = Shape::from((x.len() / width, out));
        Ok((CpuStorage::F32(y), shape))
    }
}

struct FewRowsKernel<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    width: usize,
    y: &'a mut [f32],
}

impl Kernel for FewRowsKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let out = self.bias.len();
        for (index, (weights, bias)) in self.weight.chunks_exact(self.width).zip(self.bias).enumerate() {
            for (row, x) in self.x.chunks_exact(self.width).enumerate() {
                self.y[row * out + index] = dot(weights, x) + bias;
            }
        }
    }
}
