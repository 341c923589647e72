//! The causal temporal backbone: a block at the full rate, a half-rate middle with the wide block, and a block at the
//! full rate again that sees both (Squeezeformer's temporal U-net, made causal).

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::architecture::Architecture;
use super::layers::{Linear, Norm};
use super::noise::Noise;
use super::ops::ring::{Places, put};
use super::ops::tables::{Onto, add_then_norm};
use super::reach::Reach;
use super::temporal::{Block, BlockState, CausalConvolution, Slab};

/// Ticks of a half-rate step.
pub(super) const HALF_RATE_TICKS: u64 = 2;

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

/// Everything that the backbone remembers of the streams that may step together, each in a slot of its own. It is
/// written in place. A slot is ready for a new stream once it was cleared.
#[derive(Debug)]
pub struct BackboneState {
    entry: BlockState,
    reduce: Slab,
    middle: Vec<BlockState>,
    /// The newest output of the middle, held until the next: (slots, C), zeros before the first.
    held: Tensor,
    exit: BlockState,
}

impl BackboneState {
    /// Makes a slot ready for a stream that begins at position 0.
    pub fn clear(&self, slot: u32) -> Result<()> {
        // Rings are read as far back as the stream goes; only what is held is read from the beginning.
        let zeros = Tensor::zeros((1, self.held.dim(1)?), DType::F32, self.held.device())?;
        put(&self.held, &zeros, &Arc::new(Places { slots: vec![slot], positions: vec![0] }), 1)
    }
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

    pub fn zero_state(&self, slots: usize, channels: usize, device: &Device) -> Result<BackboneState> {
        Ok(BackboneState {
            entry: self.entry.zero_state(slots)?,
            reduce: self.reduce.convolution.zero_state(slots)?,
            middle: self.middle.iter().map(|block| block.zero_state(slots)).collect::<Result<_>>()?,
            held: Tensor::zeros((slots, channels), DType::F32, device)?,
            exit: self.exit.zero_state(slots)?,
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

    /// (S, 1, C) → (S, 1, C): row r is the next tick of the stream in its place, each stream at a position of its own.
    pub fn step(&self, x: &Tensor, state: &BackboneState, places: &Arc<Places>) -> Result<Tensor> {
        let x = self.entry.step(x, &state.entry, places)?;
        self.reduce.convolution.put(&x, &state.reduce, places)?;
        let due = places.filter(|position| position % HALF_RATE_TICKS == HALF_RATE_TICKS - 1);
        if !due.is_empty() {
            let mut half = self.reduce.linear.apply(&self.reduce.convolution.newest(&state.reduce, &due)?)?;
            let due = due.map(|position| position / HALF_RATE_TICKS);
            for (block, state) in self.middle.iter().zip(&state.middle) {
                half = block.step(&half, state, &due)?;
            }
            put(&state.held, &self.recover.apply(&half)?, &due, 1)?;
        }
        let joined = if let Some(norm) = self.joined.values() {
            add_then_norm(&x, &state.held, Onto::Slots(Arc::clone(places)), norm)?
        } else {
            let slots = Tensor::from_slice(&places.slots, places.len(), x.device())?;
            self.join(&x, &state.held.index_select(&slots, 0)?.unsqueeze(1)?)?
        };
        self.exit.step(&joined, &state.exit, places)
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
