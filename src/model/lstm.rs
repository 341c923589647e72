//! A recurrent backbone: Hochreiter & Schmidhuber 1997, with a forget gate.
//!
//! A recurrent state remembers everything since it began, but a verdict has to depend on the last ticks only. So every
//! `segment_ticks` a new state begins, and the verdicts are those of the one before it: they have seen one to two
//! segments.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::architecture::ArchitectureError;
use super::layers::Linear;
use super::noise::Noise;
use super::ops::recurrence;
use super::ops::ring::{Places, put};
use super::reach::Reach;
use crate::time::WINDOW_TICKS;

/// Sizes of an LSTM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LstmShape {
    /// C: one vector for each animal and tick.
    pub channels: usize,
    pub pair_channels: usize,
    /// Hidden width of the pair and self heads.
    pub head_channels: usize,
    pub layers: usize,
    /// Ticks after which a new state begins: a power of two.
    pub segment_ticks: usize,
}

impl Default for LstmShape {
    fn default() -> Self {
        Self { channels: 96, pair_channels: 64, head_channels: 96, layers: 2, segment_ticks: 128 }
    }
}

impl LstmShape {
    /// Of the network without its features.
    pub fn receptive_field(&self) -> usize {
        2 * self.segment_ticks
    }

    pub(super) fn check(&self) -> std::result::Result<(), ArchitectureError> {
        let bound = |key, got, min, max| {
            if (min..=max).contains(&got) { Ok(()) } else { Err(ArchitectureError::Bound { key, min, max, got }) }
        };
        super::architecture::check_widths(self.channels, self.pair_channels, self.head_channels)?;
        bound("layers", self.layers, 1, 16)?;
        bound("segment_ticks", self.segment_ticks, 1, WINDOW_TICKS / 4)?;
        if !self.segment_ticks.is_power_of_two() {
            return Err(ArchitectureError::PowerOfTwo { key: "segment_ticks", got: self.segment_ticks });
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub struct Lstm {
    layers: Vec<Layer>,
    channels: usize,
    segment_ticks: usize,
}

#[derive(Clone, Debug)]
struct Layer {
    /// Into input, forget, candidate and output.
    input: Linear,
    recurrent: Linear,
}

/// What is remembered of the streams that may step together: (slots, 2 · layers · C) of the state that speaks, and of the
/// one that follows it.
#[derive(Debug)]
pub struct LstmState {
    speaking: Tensor,
    following: Tensor,
}

impl LstmState {
    /// Makes a slot ready for a stream that begins at position 0: its first state speaks from the beginning.
    pub fn clear(&self, slot: u32) -> Result<()> {
        let place = Arc::new(Places { slots: vec![slot], positions: vec![0] });
        let zeros = Tensor::zeros((1, self.following.dim(1)?), DType::F32, self.following.device())?;
        put(&self.following, &zeros, &place, 1)
    }
}

impl Layer {
    /// (n, C) and the state (n, 2 · C) → the next state
    fn advance(&self, x: &Tensor, state: &Tensor) -> Result<Tensor> {
        let output = state.narrow(1, 0, state.dim(1)? / 2)?.contiguous()?;
        recurrence::cell(&self.recurrent.onto(&self.input.apply(x)?, &output)?, state)
    }

    /// (n, T, C) and the state before → the same, and the last state.
    fn run(&self, x: &Tensor, begin: &Tensor) -> Result<(Tensor, Tensor)> {
        let (_, ticks, channels) = x.dims3()?;
        let gates = self.input.apply(x)?.broadcast_add(self.recurrent.bias())?;
        let states = recurrence::sequence(&gates, self.recurrent.weight(), begin)?;
        Ok((states.narrow(2, 0, channels)?.contiguous()?, states.narrow(1, ticks - 1, 1)?.squeeze(1)?.contiguous()?))
    }
}

impl Lstm {
    pub fn new(shape: &LstmShape, vb: &VarBuilder) -> Result<Self> {
        let LstmShape { channels, layers, segment_ticks, .. } = *shape;
        let layer = |index: usize| {
            let vb = vb.pp(format!("layers.{index}"));
            Ok(Layer {
                input: Linear::new(channels, 4 * channels, &vb.pp("input"))?,
                recurrent: Linear::new(channels, 4 * channels, &vb.pp("recurrent"))?,
            })
        };
        Ok(Self { layers: (0..layers).map(layer).collect::<Result<_>>()?, channels, segment_ticks })
    }

    pub fn period_ticks(&self) -> u64 {
        self.segment_ticks as u64
    }

    pub fn zero_state(&self, slots: usize, device: &Device) -> Result<LstmState> {
        let zeros = || Tensor::zeros((slots, 2 * self.layers.len() * self.channels), DType::F32, device);
        Ok(LstmState { speaking: zeros()?, following: zeros()? })
    }

    /// (S, T, C) → (S, T, C), from the beginning of the sequences.
    pub fn forward(&self, x: &Tensor, noise: Option<&Noise>) -> Result<Tensor> {
        let (streams, ticks, channels) = x.dims3()?;
        let segments = ticks.div_ceil(self.segment_ticks);
        let x = x.pad_with_zeros(1, 0, segments * self.segment_ticks - ticks)?;
        let x = x.reshape((streams, segments, self.segment_ticks, channels))?;
        let part = |x: &Tensor, first: usize, count: usize| x.narrow(1, first, count)?.contiguous();
        let lanes = |x: Tensor| {
            let (streams, segments, ticks, channels) = x.dims4()?;
            x.reshape((streams * segments, ticks, channels))
        };
        // Every segment from nothing: what comes out of the first is final, the states of the others are where the
        // segments after them begin.
        let zeros = Tensor::zeros((streams * segments, 2 * channels), DType::F32, x.device())?;
        let fresh = vec![zeros; self.layers.len()];
        let (first, states) = self.run(lanes(x.clone())?, fresh, noise)?;
        let first = part(&first.reshape(x.shape())?, 0, 1)?;
        let outputs = if segments == 1 {
            first
        } else {
            let before = |state: &Tensor| {
                let state = state.reshape((streams, segments, 2 * channels))?;
                part(&state, 0, segments - 1)?.reshape((streams * (segments - 1), 2 * channels))
            };
            let states = states.iter().map(before).collect::<Result<Vec<_>>>()?;
            let (later, _) = self.run(lanes(part(&x, 1, segments - 1)?)?, states, noise)?;
            let later = later.reshape((streams, segments - 1, self.segment_ticks, channels))?;
            Tensor::cat(&[first, later], 1)?
        };
        outputs.reshape((streams, segments * self.segment_ticks, channels))?.narrow(1, 0, ticks)?.contiguous()
    }

    fn run(&self, x: Tensor, begin: Vec<Tensor>, noise: Option<&Noise>) -> Result<(Tensor, Vec<Tensor>)> {
        let (mut x, mut ends) = (x, Vec::with_capacity(self.layers.len()));
        for (layer, begin) in self.layers.iter().zip(begin) {
            let (outputs, end) = layer.run(&x, &begin)?;
            x = Noise::drop_some(noise, outputs)?;
            ends.push(end);
        }
        Ok((x, ends))
    }

    /// (S, 1, C) → (S, 1, C): row r is the next tick of the stream in its place, each stream at a position of its own.
    pub fn step(&self, x: &Tensor, state: &LstmState, places: &Arc<Places>) -> Result<Tensor> {
        let (streams, _, channels) = x.dims3()?;
        let slots = Tensor::from_slice(&places.slots, places.len(), x.device())?;
        let begins = |position: &u64| u8::from(position.is_multiple_of(self.period_ticks()));
        let begins =
            Tensor::from_vec(places.positions.iter().map(begins).collect::<Vec<u8>>(), (streams, 1), x.device())?;
        let following = state.following.index_select(&slots, 0)?;
        let begins = begins.broadcast_as(following.shape())?;
        let speaking = begins.where_cond(&following, &state.speaking.index_select(&slots, 0)?)?;
        let following = begins.where_cond(&following.zeros_like()?, &following)?;
        let held = Tensor::cat(&[speaking, following], 0)?;
        let x = x.squeeze(1)?;
        let mut x = Tensor::cat(&[&x, &x], 0)?;
        let mut ends = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let state = layer.advance(&x, &held.narrow(1, 2 * index * channels, 2 * channels)?.contiguous()?)?;
            x = state.narrow(1, 0, channels)?.contiguous()?;
            ends.push(state);
        }
        let ends = Tensor::cat(&ends, 1)?;
        let places = places.map(|_| 0);
        put(&state.speaking, &ends.narrow(0, 0, streams)?, &places, 1)?;
        put(&state.following, &ends.narrow(0, streams, streams)?, &places, 1)?;
        x.narrow(0, 0, streams)?.contiguous()?.unsqueeze(1)
    }
}

impl Reach for Lstm {
    fn receptive_field(&self) -> usize {
        2 * self.segment_ticks
    }
}
