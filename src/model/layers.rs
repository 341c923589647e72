//! Layers without memory: linear, norm, and the residual around every module.
//!
//! Where weights are trained, and on other devices than the processor, a layer is made of single operations that have
//! gradients. Where weights are stored on the processor, the same layer is one fused operation ([`fused`]); the two
//! agree, and the tests hold one against the other.

use std::sync::Arc;

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::noise::Noise;
use super::ops::linear::{Affine, Around, fused, linear, pack};
use super::ops::panels::Panels;
use super::ops::pointwise::{layer_norm, silu};
use super::ops::{is_fixed, runs_fused, trained};

/// y = x · Wᵀ + b
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
    /// Of stored weights on the CPU.
    packed: Option<Arc<Panels>>,
}

impl Linear {
    pub fn new(input: usize, output: usize, vb: &VarBuilder) -> Result<Self> {
        let bound = 1.0 / (input as f64).sqrt();
        Self::with_init(input, output, Init::Uniform { lo: -bound, up: bound }, vb)
    }

    /// The last layer before an output that should start near nothing.
    pub fn small(input: usize, output: usize, vb: &VarBuilder) -> Result<Self> {
        Self::with_init(input, output, Init::Randn { mean: 0.0, stdev: 0.01 }, vb)
    }

    fn with_init(input: usize, output: usize, init: Init, vb: &VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints((output, input), "weight", init)?;
        let bias = vb.get_with_hints(output, "bias", Init::Const(0.0))?;
        let packed = if is_fixed(&weight) { Some(pack(&[(&weight, &bias)])?) } else { None };
        Ok(Self { weight, bias, packed })
    }

    /// The weight is stored, on the CPU: the layer is one fused operation without a gradient.
    pub(super) fn is_fixed(&self) -> bool {
        self.packed.is_some()
    }

    pub(super) fn weight(&self) -> &Tensor {
        &self.weight
    }

    pub(super) fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// (…, in) → (…, out)
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        self.run(x, Surroundings::default())
    }

    /// SiLU of the product.
    pub fn then_silu(&self, x: &Tensor) -> Result<Tensor> {
        self.run(x, Surroundings { silu: true, ..Surroundings::default() })
    }

    /// The product added to `base`, whose leading dimensions may be lacking.
    pub fn onto(&self, base: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.run(x, Surroundings { onto: Some(base), ..Surroundings::default() })
    }

    /// SiLU of the product added to `base`.
    pub fn onto_then_silu(&self, base: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.run(x, Surroundings { onto: Some(base), silu: true, ..Surroundings::default() })
    }

    /// Layer norm of the product added to `base`.
    pub fn onto_then_norm(&self, base: &Tensor, x: &Tensor, norm: &Norm) -> Result<Tensor> {
        self.run(x, Surroundings { onto: Some(base), norm: Some(norm), ..Surroundings::default() })
    }

    fn run(&self, x: &Tensor, surroundings: Surroundings<'_>) -> Result<Tensor> {
        let Surroundings { before, onto, silu: has_silu, norm } = surroundings;
        if let Some(packed) = &self.packed {
            let around = Around {
                before: before.and_then(|before| before.values.clone()),
                onto,
                silu: has_silu,
                norm: norm.and_then(|norm| norm.0.values.clone()),
            };
            return fused(x, packed, around);
        }
        let mut y = if runs_fused(x) {
            let (weight, bias) = self.entered(before)?;
            if has_silu && onto.is_none() {
                return trained::linear(x, &weight, &bias, true);
            }
            trained::linear(x, &weight, &bias, false)?
        } else {
            let entered = before.map(|before| before.apply(x)).transpose()?;
            linear(entered.as_ref().unwrap_or(x), &self.weight, &self.bias)?
        };
        if let Some(base) = onto {
            y = y.broadcast_add(base)?;
        }
        if has_silu {
            y = silu(&y)?;
        }
        norm.map_or(Ok(y.clone()), |norm| norm.apply(&y))
    }
}

impl Linear {
    /// Weight and bias that do what this layer does after a scale and a shift of its input: few numbers are scaled in
    /// place of many.
    fn entered(&self, before: Option<&Channelwise>) -> Result<(Tensor, Tensor)> {
        let Some(Channelwise { scale, shift, .. }) = before else {
            return Ok((self.weight.clone(), self.bias.clone()));
        };
        let shifted = self.weight.matmul(&shift.unsqueeze(1)?)?.squeeze(1)?;
        Ok((self.weight.broadcast_mul(scale)?, (&self.bias + shifted)?))
    }
}

/// What a linear layer does besides its product.
#[derive(Clone, Copy, Default)]
struct Surroundings<'a> {
    before: Option<&'a Channelwise>,
    onto: Option<&'a Tensor>,
    silu: bool,
    norm: Option<&'a Norm>,
}

/// Several linear layers with one input, their outputs side by side.
#[derive(Clone, Debug)]
pub struct Stack {
    layers: Vec<Linear>,
    packed: Option<Arc<Panels>>,
}

impl Stack {
    /// The layers that stand under these names, each of `input` × its output.
    pub fn new(input: usize, layers: &[(&str, usize)], vb: &VarBuilder) -> Result<Self> {
        let layers: Vec<Linear> =
            layers.iter().map(|(name, output)| Linear::new(input, *output, &vb.pp(name))).collect::<Result<_>>()?;
        let packed = if layers.iter().all(|layer| is_fixed(&layer.weight)) {
            let parts: Vec<_> = layers.iter().map(|layer| (&layer.weight, &layer.bias)).collect();
            Some(pack(&parts)?)
        } else {
            None
        };
        Ok(Self { layers, packed })
    }

    /// (…, in) → (…, all outputs)
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        self.run(x, None)
    }

    fn run(&self, x: &Tensor, before: Option<&Channelwise>) -> Result<Tensor> {
        if let Some(packed) = &self.packed {
            let before = before.and_then(|before| before.values.clone());
            return fused(x, packed, Around { before, ..Around::default() });
        }
        let surroundings = Surroundings { before, ..Surroundings::default() };
        let outputs: Vec<Tensor> = self.layers.iter().map(|layer| layer.run(x, surroundings)).collect::<Result<_>>()?;
        Tensor::cat(&outputs, x.rank() - 1)
    }
}

/// A scale and a shift for each channel.
#[derive(Clone, Debug)]
struct Channelwise {
    scale: Tensor,
    shift: Tensor,
    /// Where both are stored values on the CPU.
    values: Option<Arc<Affine>>,
}

impl Channelwise {
    fn new(channels: usize, [scale, shift]: [&str; 2], vb: &VarBuilder) -> Result<Self> {
        let scale = vb.get_with_hints(channels, scale, Init::Const(1.0))?;
        let shift = vb.get_with_hints(channels, shift, Init::Const(0.0))?;
        let values = if is_fixed(&scale) {
            Some(Arc::new(Affine { scale: scale.to_vec1()?, shift: shift.to_vec1()? }))
        } else {
            None
        };
        Ok(Self { scale, shift, values })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_mul(&self.scale)?.broadcast_add(&self.shift)
    }
}

/// Layer norm over the channels.
#[derive(Clone, Debug)]
pub struct Norm(Channelwise);

impl Norm {
    pub fn new(channels: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self(Channelwise::new(channels, ["weight", "bias"], vb)?))
    }

    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.0.scale, &self.0.shift)
    }

    /// Weight and bias where they are stored values on the CPU.
    pub(super) fn values(&self) -> Option<&Arc<Affine>> {
        self.0.values.as_ref()
    }
}

/// A module with learned scale before it, residual around it and norm after it:
/// `norm(x + module(scale · x + shift))` (Squeezeformer, Kim et al. 2022, section 3.1.3).
///
/// A module begins with a linear layer, given to [`Residual::enter`], and ends with one, given to [`Residual::leave`].
#[derive(Clone, Debug)]
pub struct Residual {
    before: Channelwise,
    norm: Norm,
}

impl Residual {
    pub fn new(channels: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            before: Channelwise::new(channels, ["scale", "shift"], vb)?,
            norm: Norm::new(channels, &vb.pp("norm"))?,
        })
    }

    /// `first(scale · x + shift)`
    pub fn enter(&self, x: &Tensor, first: &Linear) -> Result<Tensor> {
        first.run(x, Surroundings { before: Some(&self.before), ..Surroundings::default() })
    }

    /// As [`Residual::enter`], with several layers side by side.
    pub fn enter_stack(&self, x: &Tensor, first: &Stack) -> Result<Tensor> {
        first.run(x, Some(&self.before))
    }

    /// `silu(first(scale · x + shift))`
    pub fn enter_then_silu(&self, x: &Tensor, first: &Linear) -> Result<Tensor> {
        first.run(x, Surroundings { before: Some(&self.before), silu: true, ..Surroundings::default() })
    }

    /// `norm(x + last(y))`, some of the module's output dropped by the noise.
    pub fn leave(&self, x: &Tensor, y: &Tensor, last: &Linear, noise: Option<&Noise>) -> Result<Tensor> {
        match noise {
            None => last.onto_then_norm(x, y, &self.norm),
            Some(noise) if runs_fused(x) => {
                let y = last.apply(y)?;
                let Channelwise { scale, shift, .. } = &self.norm.0;
                trained::residual_norm(x, &y, scale, shift, noise.kept(y.elem_count()))
            }
            Some(_) => self.norm.apply(&(x + Noise::drop_some(noise, last.apply(y)?)?)?),
        }
    }

    pub(super) fn norm(&self) -> &Norm {
        &self.norm
    }
}

/// Two linear layers with a SiLU between them.
#[derive(Clone, Debug)]
pub struct FeedForward {
    widen: Linear,
    narrow: Linear,
}

impl FeedForward {
    pub fn new(channels: usize, hidden: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            widen: Linear::new(channels, hidden, &vb.pp("widen"))?,
            narrow: Linear::new(hidden, channels, &vb.pp("narrow"))?,
        })
    }

    /// Within its residual.
    pub fn apply(&self, x: &Tensor, residual: &Residual, noise: Option<&Noise>) -> Result<Tensor> {
        residual.leave(x, &residual.enter_then_silu(x, &self.widen)?, &self.narrow, noise)
    }
}
