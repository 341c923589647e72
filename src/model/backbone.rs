//! The causal temporal backbone: a block at the full rate, a half-rate middle with the wide block, and a block at the
//! full rate again that sees both (Squeezeformer's temporal U-net, made causal).

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::architecture::Architecture;
use super::layers::{Linear, Norm};
use super::noise::Noise;
use super::reach::Reach;
use super::temporal::{Block, BlockState, CausalConvolution, RingState};

/// Ticks of a half-rate step.
const HALF_RATE_TICKS: u64 = 2;

#[derive(Clone, Debug)]
pub struct Backbone {
    entry: Block,
    reduce: Reduce,
    middle: Vec<Block>,
    recover: Linear,
    joined: Norm,
    exit: Block,
}

/// Halves the rate: every second output of a short convolution. Step m comes with tick 2m + 1.
#[derive(Clone, Debug)]
struct Reduce {
    convolution: CausalConvolution,
    linear: Linear,
}

/// Everything that the backbone remembers of S streams that advance together. Creating it is resetting it.
#[derive(Debug)]
pub struct BackboneState {
    /// Ticks taken so far.
    position: u64,
    entry: BlockState,
    reduce: RingState,
    middle: Vec<BlockState>,
    /// The newest output of the middle, held until the next: (S, 1, C), zeros before the first.
    held: Tensor,
    exit: BlockState,
}

impl Backbone {
    pub fn new(architecture: &Architecture, vb: &VarBuilder) -> Result<Self> {
        let Architecture { channels, heads, expansion, .. } = *architecture;
        let block = |shape, name: String| Block::new(channels, heads, expansion * channels, shape, &vb.pp(name));
        let middle = architecture.middle.iter().enumerate();
        Ok(Self {
            entry: block(architecture.entry, "entry".into())?,
            reduce: Reduce {
                convolution: CausalConvolution::new(channels, architecture.reduce_kernel, &vb.pp("reduce"))?,
                linear: Linear::new(channels, channels, &vb.pp("reduce.linear"))?,
            },
            middle: middle.map(|(i, shape)| block(*shape, format!("middle.{i}"))).collect::<Result<_>>()?,
            recover: Linear::new(channels, channels, &vb.pp("recover"))?,
            joined: Norm::new(channels, &vb.pp("joined"))?,
            exit: block(architecture.exit, "exit".into())?,
        })
    }

    pub fn zero_state(&self, streams: usize, channels: usize, device: &Device) -> Result<BackboneState> {
        Ok(BackboneState {
            position: 0,
            entry: self.entry.zero_state(streams)?,
            reduce: self.reduce.convolution.zero_state(streams)?,
            middle: self.middle.iter().map(|block| block.zero_state(streams)).collect::<Result<_>>()?,
            held: Tensor::zeros((streams, 1, channels), DType::F32, device)?,
            exit: self.exit.zero_state(streams)?,
        })
    }

    /// (S, T, C) → (S, T, C), from the beginning of the sequences.
    pub fn forward(&self, x: &Tensor, noise: Option<&Noise>) -> Result<Tensor> {
        let (streams, ticks, channels) = x.dims3()?;
        let x = self.entry.forward(x, noise)?;
        let reduced = self.reduce.convolution.forward(&x)?;
        let steps = ticks / HALF_RATE_TICKS as usize;
        let recovered = if steps == 0 {
            x.zeros_like()?
        } else {
            // The odd ticks.
            let paired = reduced.narrow(1, 0, 2 * steps)?.reshape((streams, steps, 2, channels))?;
            let mut half = self.reduce.linear.apply(&paired.narrow(2, 1, 1)?.squeeze(2)?.contiguous()?)?;
            for block in &self.middle {
                half = block.forward(&half, noise)?;
            }
            let half = self.recover.apply(&half)?;
            // Step m serves ticks 2m + 1 and 2m + 2; nothing serves tick 0.
            let doubled = half.unsqueeze(2)?.broadcast_as((streams, steps, 2, channels))?;
            let doubled = doubled.contiguous()?.reshape((streams, 2 * steps, channels))?;
            doubled.pad_with_zeros(1, 1, 0)?.narrow(1, 0, ticks)?
        };
        self.exit.forward(&self.join(&x, &recovered)?, noise)
    }

    /// (S, 1, C) → (S, 1, C)
    pub fn step(&self, x: &Tensor, state: &mut BackboneState) -> Result<Tensor> {
        let position = state.position;
        let x = self.entry.step(x, &mut state.entry, position)?;
        let reduced = self.reduce.convolution.step(&x, &mut state.reduce, position)?;
        if position % HALF_RATE_TICKS == HALF_RATE_TICKS - 1 {
            let mut half = self.reduce.linear.apply(&reduced)?;
            for (block, state) in self.middle.iter().zip(&mut state.middle) {
                half = block.step(&half, state, position / HALF_RATE_TICKS)?;
            }
            state.held = self.recover.apply(&half)?;
        }
        state.position += 1;
        self.exit.step(&self.join(&x, &state.held)?, &mut state.exit, position)
    }

    /// Skip connection around the middle.
    fn join(&self, x: &Tensor, recovered: &Tensor) -> Result<Tensor> {
        self.joined.apply(&(x + recovered)?)
    }
}

impl Reach for Backbone {
    fn receptive_field(&self) -> usize {
        let half_rate = HALF_RATE_TICKS as usize;
        let middle: usize = self.middle.iter().map(|block| half_rate * (block.receptive_field() - 1)).sum();
        // The output of the middle is held until the next one.
        let held = half_rate - 1;
        self.entry.receptive_field()
            + (self.reduce.convolution.receptive_field() - 1)
            + held
            + middle
            + (self.exit.receptive_field() - 1)
    }

    fn delay(&self) -> usize {
        let middle: usize = self.middle.iter().map(Block::delay).sum();
        self.entry.delay() + self.reduce.convolution.delay() + HALF_RATE_TICKS as usize * middle + self.exit.delay()
    }
}
