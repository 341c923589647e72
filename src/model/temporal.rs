//! Layers with memory. Each has two ways through time that share all arithmetic: `forward` over whole sequences from
//! their beginning, and `step` by one tick with the past in a state that is a value.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::architecture::BlockShape;
use super::layers::{FeedForward, Linear, Residual};
use super::noise::Noise;
use super::ops::attention::LagBias;
use super::ops::convolution::Taps;
use super::ops::pointwise::silu;
use super::ops::ring::{Places, put};
use super::ops::{attention, convolution, is_fixed};
use super::reach::Reach;

/// The last inputs of a layer for many streams, each in a slot of its own: (slots, size). Written in place; what a slot
/// holds of an earlier stream is never read.
#[derive(Debug)]
pub struct Slab {
    rows: Tensor,
}

impl Slab {
    fn zeros(slots: usize, size: usize, device: &Device) -> Result<Self> {
        Ok(Self { rows: Tensor::zeros((slots, size), DType::F32, device)? })
    }
}

/// Multi-head attention over the last `window` ticks.
///
/// The bias of every head and lag is learned, on top of a slope that lets the first head see half of the window and
/// each further head a quarter as far (linear biases: Press et al. 2022): without it every head would begin blind to
/// the order of its past.
#[derive(Clone, Debug)]
pub struct WindowAttention {
    qkv: Linear,
    out: Linear,
    /// (H, W), oldest lag first
    learned: Tensor,
    slopes: Tensor,
    channels: usize,
    /// Bias and slopes as a fused step reads them.
    fixed: Option<Arc<LagBias>>,
}

/// Learned biases are stored small, so that a step of the optimiser moves them far enough.
const LEARNED_BIAS_GAIN: f64 = 4.0;

/// −lag / range for every head and lag, (H, W), oldest lag first.
fn slopes(heads: usize, window: usize, device: &Device) -> Result<Tensor> {
    let mut slopes = Vec::with_capacity(heads * window);
    for head in 0..heads {
        let range = (window as f32 / 2.0 / 4_f32.powi(head as i32)).max(1.0);
        slopes.extend((0..window).rev().map(|lag| -(lag as f32) / range));
    }
    Tensor::from_vec(slopes, (heads, window), device)
}

impl WindowAttention {
    pub fn new(channels: usize, heads: usize, window: usize, vb: &VarBuilder) -> Result<Self> {
        let mut attention = Self {
            qkv: Linear::new(channels, 3 * channels, &vb.pp("qkv"))?,
            out: Linear::new(channels, channels, &vb.pp("out"))?,
            learned: vb.get_with_hints((heads, window), "bias", Init::Const(0.0))?,
            slopes: slopes(heads, window, vb.device())?,
            channels,
            fixed: None,
        };
        if is_fixed(&attention.learned) {
            attention.fixed = Some(Arc::new(LagBias::new(&attention.bias()?)?));
        }
        Ok(attention)
    }

    fn bias(&self) -> Result<Tensor> {
        &self.slopes + (&self.learned * LEARNED_BIAS_GAIN)?
    }

    pub fn zero_state(&self, slots: usize) -> Result<Slab> {
        Slab::zeros(slots, attention::slot_size(self.channels, self.receptive_field()), self.slopes.device())
    }

    /// Within its residual: (S, T, C) → (S, T, C)
    pub fn forward(&self, x: &Tensor, residual: &Residual, noise: Option<&Noise>) -> Result<Tensor> {
        let heard = attention::window(&residual.enter(x, &self.qkv)?, &self.bias()?)?;
        residual.leave(x, &heard, &self.out, noise)
    }

    /// Within its residual: (S, 1, C) → (S, 1, C)
    pub fn step(&self, x: &Tensor, residual: &Residual, state: &Slab, places: &Arc<Places>) -> Result<Tensor> {
        let qkv = residual.enter(x, &self.qkv)?;
        let heard = match &self.fixed {
            Some(bias) => attention::step(&qkv, &state.rows, bias, places)?,
            None => attention::step_plain(&qkv, &state.rows, &self.bias()?, places)?,
        };
        residual.leave(x, &heard, &self.out, None)
    }
}

impl Reach for WindowAttention {
    fn receptive_field(&self) -> usize {
        self.slopes.dims()[1]
    }
}

/// Causal depthwise convolution along time.
#[derive(Clone, Debug)]
pub struct CausalConvolution {
    /// (k, C)
    weight: Tensor,
    /// The weight as a fused step reads it.
    fixed: Option<Arc<Taps>>,
}

impl CausalConvolution {
    pub fn new(channels: usize, kernel: usize, vb: &VarBuilder) -> Result<Self> {
        let bound = 1.0 / (kernel as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let weight = vb.get_with_hints((kernel, channels), "weight", init)?;
        let fixed = if is_fixed(&weight) { Some(Arc::new(Taps::new(&weight)?)) } else { None };
        Ok(Self { weight, fixed })
    }

    pub fn zero_state(&self, slots: usize) -> Result<Slab> {
        Slab::zeros(slots, self.weight.elem_count(), self.weight.device())
    }

    /// (S, T, C) → (S, T, C)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        convolution::depthwise(x, &self.weight)
    }

    /// Takes in a tick: (S, 1, C)
    pub fn put(&self, x: &Tensor, state: &Slab, places: &Arc<Places>) -> Result<()> {
        put(&state.rows, x, places, self.receptive_field())
    }

    /// The output of the tick that was taken in last: (S, 1, C)
    pub fn newest(&self, state: &Slab, places: &Arc<Places>) -> Result<Tensor> {
        match &self.fixed {
            Some(taps) => convolution::step(&state.rows, taps, places, false),
            None => convolution::step_plain(&state.rows, &self.weight, places),
        }
    }

    /// SiLU of [`CausalConvolution::newest`].
    fn newest_then_silu(&self, state: &Slab, places: &Arc<Places>) -> Result<Tensor> {
        match &self.fixed {
            Some(taps) => convolution::step(&state.rows, taps, places, true),
            None => silu(&self.newest(state, places)?),
        }
    }
}

impl Reach for CausalConvolution {
    fn receptive_field(&self) -> usize {
        self.weight.dims()[0]
    }
}

/// One Squeezeformer block: attention → feed-forward → convolution → feed-forward, each a [`Residual`].
#[derive(Clone, Debug)]
pub struct Block {
    attention: WindowAttention,
    widen: Linear,
    convolution: CausalConvolution,
    narrow: Linear,
    feed_forward: [FeedForward; 2],
    residual: [Residual; 4],
}

#[derive(Debug)]
pub struct BlockState {
    attention: Slab,
    convolution: Slab,
}

impl Block {
    pub fn new(channels: usize, heads: usize, hidden: usize, shape: BlockShape, vb: &VarBuilder) -> Result<Self> {
        let residual = |index: usize| Residual::new(channels, &vb.pp(format!("residual.{index}")));
        let feed_forward = |index: usize| FeedForward::new(channels, hidden, &vb.pp(format!("feed_forward.{index}")));
        Ok(Self {
            attention: WindowAttention::new(channels, heads, shape.window, &vb.pp("attention"))?,
            widen: Linear::new(channels, channels, &vb.pp("convolution.before"))?,
            convolution: CausalConvolution::new(channels, shape.kernel, &vb.pp("convolution"))?,
            narrow: Linear::new(channels, channels, &vb.pp("convolution.after"))?,
            feed_forward: [feed_forward(0)?, feed_forward(1)?],
            residual: [residual(0)?, residual(1)?, residual(2)?, residual(3)?],
        })
    }

    pub fn zero_state(&self, slots: usize) -> Result<BlockState> {
        Ok(BlockState {
            attention: self.attention.zero_state(slots)?,
            convolution: self.convolution.zero_state(slots)?,
        })
    }

    /// (S, T, C) → (S, T, C)
    pub fn forward(&self, x: &Tensor, noise: Option<&Noise>) -> Result<Tensor> {
        let attend = |x: &Tensor, residual: &Residual| self.attention.forward(x, residual, noise);
        self.run(x, noise, attend, |x| silu(&self.convolution.forward(x)?))
    }

    /// (S, 1, C) → (S, 1, C)
    pub fn step(&self, x: &Tensor, state: &BlockState, places: &Arc<Places>) -> Result<Tensor> {
        let BlockState { attention, convolution } = state;
        let attend = |x: &Tensor, residual: &Residual| self.attention.step(x, residual, attention, places);
        self.run(x, None, attend, |x| {
            self.convolution.put(x, convolution, places)?;
            self.convolution.newest_then_silu(convolution, places)
        })
    }

    fn run(
        &self,
        x: &Tensor,
        noise: Option<&Noise>,
        attend: impl FnOnce(&Tensor, &Residual) -> Result<Tensor>,
        convolve_then_silu: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let x = attend(x, &self.residual[0])?;
        let x = self.feed_forward[0].apply(&x, &self.residual[1], noise)?;
        let convolved = convolve_then_silu(&self.residual[2].enter_then_silu(&x, &self.widen)?)?;
        let x = self.residual[2].leave(&x, &convolved, &self.narrow, noise)?;
        self.feed_forward[1].apply(&x, &self.residual[3], noise)
    }
}

impl Reach for Block {
    fn receptive_field(&self) -> usize {
        self.attention.receptive_field() + self.convolution.receptive_field() - 1
    }

    fn delay(&self) -> usize {
        self.attention.delay() + self.convolution.delay()
    }
}
