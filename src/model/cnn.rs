//! A convolutional backbone: causal dilated convolutions (Bai, Kolter & Koltun 2018), each in a residual.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::architecture::ArchitectureError;
use super::layers::{Linear, Norm};
use super::noise::Noise;
use super::ops::ring::{Places, put};
use super::reach::Reach;
use crate::time::WINDOW_TICKS;

/// Sizes of a CNN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CnnShape {
    /// C: one vector for each animal and tick.
    pub channels: usize,
    pub pair_channels: usize,
    /// Hidden width of the pair and self heads.
    pub head_channels: usize,
    pub kernel: usize,
    /// Ticks between the taps of each layer.
    pub dilations: Vec<usize>,
}

impl Default for CnnShape {
    fn default() -> Self {
        Self { channels: 96, pair_channels: 64, head_channels: 96, kernel: 5, dilations: vec![1, 2, 4, 8, 16, 32] }
    }
}

impl CnnShape {
    /// Of the network without its features.
    pub fn receptive_field(&self) -> usize {
        1 + self.dilations.iter().map(|dilation| (self.kernel - 1) * dilation).sum::<usize>()
    }

    pub(super) fn check(&self) -> std::result::Result<(), ArchitectureError> {
        let bound = |key, got, min, max| {
            if (min..=max).contains(&got) { Ok(()) } else { Err(ArchitectureError::Bound { key, min, max, got }) }
        };
        super::architecture::check_widths(self.channels, self.pair_channels, self.head_channels)?;
        bound("kernel", self.kernel, 1, WINDOW_TICKS)?;
        bound("dilations (layers)", self.dilations.len(), 1, 32)?;
        self.dilations.iter().try_for_each(|dilation| bound("dilations", *dilation, 1, WINDOW_TICKS))
    }
}

#[derive(Clone, Debug)]
pub struct Cnn {
    layers: Vec<Layer>,
    channels: usize,
}

/// `norm(x + silu(convolution(x)))`
#[derive(Clone, Debug)]
struct Layer {
    /// Of all taps, oldest first: (k · C) → (C). (The weight gradient of candle's dense convolution is wrong.)
    taps: Linear,
    norm: Norm,
    kernel: usize,
    dilation: usize,
}

/// The last inputs of every layer, for the streams that may step together: (slots, reach · C) each. What a slot holds of
/// an earlier stream is never read.
#[derive(Debug)]
pub struct CnnState {
    layers: Vec<Tensor>,
}

impl Layer {
    fn forward(&self, x: &Tensor, noise: Option<&Noise>) -> Result<Tensor> {
        let ticks = x.dim(1)?;
        let padded = x.pad_with_zeros(1, (self.kernel - 1) * self.dilation, 0)?;
        let tap = |tap: usize| padded.narrow(1, tap * self.dilation, ticks);
        let taps = Tensor::cat(&(0..self.kernel).map(tap).collect::<Result<Vec<_>>>()?, 2)?;
        self.leave(x, &taps.contiguous()?, noise)
    }

    fn leave(&self, x: &Tensor, taps: &Tensor, noise: Option<&Noise>) -> Result<Tensor> {
        let heard = Noise::drop_some(noise, self.taps.then_silu(taps)?)?;
        self.norm.apply(&(x + heard)?)
    }

    fn step(&self, x: &Tensor, state: &Tensor, places: &Arc<Places>) -> Result<Tensor> {
        let (streams, _, channels) = x.dims3()?;
        let (slots, length) = (state.dim(0)?, self.receptive_field());
        put(state, x, places, length)?;
        let (mut rows, mut is_there) = (Vec::new(), Vec::new());
        for (slot, position) in places.slots.iter().zip(&places.positions) {
            for age in (0..self.kernel).rev().map(|tap| (tap * self.dilation) as u64) {
                let at = position.saturating_sub(age) % length as u64;
                rows.push(slot * length as u32 + at as u32);
                is_there.push(f32::from(age <= *position));
            }
        }
        let rows = Tensor::from_vec(rows, streams * self.kernel, x.device())?;
        let is_there = Tensor::from_vec(is_there, (streams * self.kernel, 1), x.device())?;
        let taps = state.reshape((slots * length, channels))?.index_select(&rows, 0)?.broadcast_mul(&is_there)?;
        self.leave(x, &taps.reshape((streams, 1, self.kernel * channels))?, None)
    }
}

impl Reach for Layer {
    fn receptive_field(&self) -> usize {
        1 + (self.kernel - 1) * self.dilation
    }
}

impl Cnn {
    pub fn new(shape: &CnnShape, vb: &VarBuilder) -> Result<Self> {
        let CnnShape { channels, kernel, .. } = *shape;
        let layer = |(index, &dilation): (usize, &usize)| {
            let vb = vb.pp(format!("layers.{index}"));
            let taps = Linear::new(kernel * channels, channels, &vb.pp("taps"))?;
            Ok(Layer { taps, norm: Norm::new(channels, &vb.pp("norm"))?, kernel, dilation })
        };
        Ok(Self { layers: shape.dilations.iter().enumerate().map(layer).collect::<Result<_>>()?, channels })
    }

    pub fn zero_state(&self, slots: usize, device: &Device) -> Result<CnnState> {
        let zeros = |layer: &Layer| Tensor::zeros((slots, layer.receptive_field() * self.channels), DType::F32, device);
        Ok(CnnState { layers: self.layers.iter().map(zeros).collect::<Result<_>>()? })
    }

    /// (S, T, C) → (S, T, C), from the beginning of the sequences.
    pub fn forward(&self, x: &Tensor, noise: Option<&Noise>) -> Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |x, layer| layer.forward(&x, noise))
    }

    /// (S, 1, C) → (S, 1, C): row r is the next tick of the stream in its place, each stream at a position of its own.
    pub fn step(&self, x: &Tensor, state: &CnnState, places: &Arc<Places>) -> Result<Tensor> {
        self.layers.iter().zip(&state.layers).try_fold(x.clone(), |x, (layer, state)| layer.step(&x, state, places))
    }
}

impl Reach for Cnn {
    fn receptive_field(&self) -> usize {
        1 + self.layers.iter().map(|layer| layer.receptive_field() - 1).sum::<usize>()
    }
}
