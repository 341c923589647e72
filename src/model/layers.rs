//! Layers without memory: linear, norm, and the residual around every module.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::noise::Noise;
use super::ops::linear::linear;
use super::ops::pointwise::{layer_norm, silu};

/// y = x · Wᵀ + b
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
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
        Ok(Self {
            weight: vb.get_with_hints((output, input), "weight", init)?,
            bias: vb.get_with_hints(output, "bias", Init::Const(0.0))?,
        })
    }

    /// (…, in) → (…, out)
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias)
    }
}

/// Layer norm over the channels.
#[derive(Clone, Debug)]
pub struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    pub fn new(channels: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: vb.get_with_hints(channels, "weight", Init::Const(1.0))?,
            bias: vb.get_with_hints(channels, "bias", Init::Const(0.0))?,
        })
    }

    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias)
    }
}

/// A module with learned scale before it, residual around it and norm after it:
/// `norm(x + module(scale · x + shift))` (Squeezeformer, Kim et al. 2022, section 3.1.3).
#[derive(Clone, Debug)]
pub struct Residual {
    scale: Tensor,
    shift: Tensor,
    norm: Norm,
}

impl Residual {
    pub fn new(channels: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            scale: vb.get_with_hints(channels, "scale", Init::Const(1.0))?,
            shift: vb.get_with_hints(channels, "shift", Init::Const(0.0))?,
            norm: Norm::new(channels, &vb.pp("norm"))?,
        })
    }

    pub fn around(
        &self,
        x: &Tensor,
        noise: Option<&Noise>,
        module: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let y = module(&x.broadcast_mul(&self.scale)?.broadcast_add(&self.shift)?)?;
        let y = Noise::drop_some(noise, y)?;
        self.norm.apply(&(x + y)?)
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

    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        self.narrow.apply(&silu(&self.widen.apply(x)?)?)
    }
}
