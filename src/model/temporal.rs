//! Layers with memory. Each has two ways through time that share all arithmetic: `forward` over whole sequences from
//! their beginning, and `step` by one tick with the past in a state that is a value.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::architecture::BlockShape;
use super::layers::{FeedForward, Linear, Residual};
use super::noise::Noise;
use super::ops::pointwise::silu;
use super::ops::{attention, convolution};
use super::reach::Reach;

/// The last inputs of a layer for S streams: (S, length, C), tick p at slot p mod length.
#[derive(Debug)]
pub struct RingState {
    cache: Tensor,
}

impl RingState {
    fn zeros(streams: usize, length: usize, channels: usize, device: &Device) -> Result<Self> {
        Ok(Self { cache: Tensor::zeros((streams, length, channels), DType::F32, device)? })
    }

    /// Overwrites the oldest entry by that of tick `position`, (S, 1, C).
    fn put(&mut self, newest: &Tensor, position: u64) -> Result<()> {
        let slot = (position % self.cache.dim(1)? as u64) as usize;
        self.cache.slice_set(&newest.contiguous()?, 1, slot)
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
        Ok(Self {
            qkv: Linear::new(channels, 3 * channels, &vb.pp("qkv"))?,
            out: Linear::new(channels, channels, &vb.pp("out"))?,
            learned: vb.get_with_hints((heads, window), "bias", Init::Const(0.0))?,
            slopes: slopes(heads, window, vb.device())?,
            channels,
        })
    }

    fn bias(&self) -> Result<Tensor> {
        &self.slopes + (&self.learned * LEARNED_BIAS_GAIN)?
    }

    pub fn zero_state(&self, streams: usize) -> Result<RingState> {
        RingState::zeros(streams, self.receptive_field(), 2 * self.channels, self.slopes.device())
    }

    /// (S, T, C) → (S, T, C)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.out.apply(&attention::window(&self.qkv.apply(x)?, &self.bias()?)?)
    }

    /// (S, 1, C) → (S, 1, C)
    pub fn step(&self, x: &Tensor, state: &mut RingState, position: u64) -> Result<Tensor> {
        let qkv = self.qkv.apply(x)?;
        state.put(&qkv.narrow(2, self.channels, 2 * self.channels)?, position)?;
        let query = qkv.narrow(2, 0, self.channels)?;
        self.out.apply(&attention::window_step(&query, &state.cache, &self.bias()?, position)?)
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
}

impl CausalConvolution {
    pub fn new(channels: usize, kernel: usize, vb: &VarBuilder) -> Result<Self> {
        let bound = 1.0 / (kernel as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        Ok(Self { weight: vb.get_with_hints((kernel, channels), "weight", init)? })
    }

    pub fn zero_state(&self, streams: usize) -> Result<RingState> {
        RingState::zeros(streams, self.weight.dim(0)?, self.weight.dim(1)?, self.weight.device())
    }

    /// (S, T, C) → (S, T, C)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        convolution::depthwise(x, &self.weight)
    }

    /// (S, 1, C) → (S, 1, C)
    pub fn step(&self, x: &Tensor, state: &mut RingState, position: u64) -> Result<Tensor> {
        state.put(x, position)?;
        convolution::depthwise_step(&state.cache, &self.weight, position)
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
    attention: RingState,
    convolution: RingState,
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

    pub fn zero_state(&self, streams: usize) -> Result<BlockState> {
        Ok(BlockState {
            attention: self.attention.zero_state(streams)?,
            convolution: self.convolution.zero_state(streams)?,
        })
    }

    /// (S, T, C) → (S, T, C)
    pub fn forward(&self, x: &Tensor, noise: Option<&Noise>) -> Result<Tensor> {
        self.run(x, noise, |x| self.attention.forward(x), |x| self.convolution.forward(x))
    }

    /// (S, 1, C) → (S, 1, C)
    pub fn step(&self, x: &Tensor, state: &mut BlockState, position: u64) -> Result<Tensor> {
        let BlockState { attention, convolution } = state;
        self.run(
            x,
            None,
            |x| self.attention.step(x, attention, position),
            |x| self.convolution.step(x, convolution, position),
        )
    }

    fn run(
        &self,
        x: &Tensor,
        noise: Option<&Noise>,
        attend: impl FnOnce(&Tensor) -> Result<Tensor>,
        convolve: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let x = self.residual[0].around(x, noise, attend)?;
        let x = self.residual[1].around(&x, noise, |x| self.feed_forward[0].apply(x))?;
        let x = self.residual[2].around(&x, noise, |x| {
            let x = convolve(&silu(&self.widen.apply(x)?)?)?;
            self.narrow.apply(&silu(&x)?)
        })?;
        self.residual[3].around(&x, noise, |x| self.feed_forward[1].apply(x))
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
