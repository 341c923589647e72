//! HHSTF as a whole: graph, backbone, heads.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::architecture::Architecture;
use super::backbone::{Backbone, BackboneState};
use super::graph::Graph;
use super::heads::Heads;
use super::inputs::Inputs;
use super::noise::Noise;
use super::ops::ring::Places;
use super::reach::Reach;
use super::wiring::{HeadCounts, Wiring};
use crate::behavior::Ethogram;

/// The Hybrid Hierarchical Spatio-Temporal Framework. Weights are immutable; what a stream remembers is a
/// [`BackboneState`].
#[derive(Clone, Debug)]
pub struct Network {
    graph: Graph,
    backbone: Backbone,
    heads: Heads,
    channels: usize,
    features_reach: usize,
}

impl Network {
    /// One constructor serves training and inference: `vb` makes new variables or reads stored weights. The
    /// architecture is one that passed its [`Architecture::check`].
    pub fn new(
        architecture: &Architecture,
        vocabulary: usize,
        ethogram: &Ethogram,
        delays: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        Ok(Self {
            graph: Graph::new(architecture, vocabulary, &vb.pp("graph"))?,
            backbone: Backbone::new(architecture, &vb.pp("backbone"))?,
            heads: Heads::new(architecture, HeadCounts::of(ethogram), delays, &vb.pp("heads"))?,
            channels: architecture.channels,
            features_reach: architecture.features_reach(),
        })
    }

    /// Room for so many streams: a cage needs one for each of its animals.
    pub fn zero_state(&self, slots: usize, device: &Device) -> Result<BackboneState> {
        self.backbone.zero_state(slots, self.channels, device)
    }

    /// Logits (B, T, D, N) of whole sequences from their beginning.
    pub fn forward(&self, inputs: &Inputs, wiring: &Wiring, noise: Option<&Noise>) -> Result<Tensor> {
        self.run(inputs, wiring, noise, |x| self.backbone.forward(x, noise))
    }

    /// Logits (B, 1, D, N) of the next tick of B cages that may be at different positions. `places` are those of all
    /// animals, cage after cage; a cage's result does not depend on the others.
    ///
    /// # Errors
    /// Inputs of more or fewer than one tick, and places that are not one for each animal.
    pub fn step(
        &self,
        inputs: &Inputs,
        wiring: &Wiring,
        state: &BackboneState,
        places: &Arc<Places>,
    ) -> Result<Tensor> {
        let (cages, ticks, individuals, ..) = inputs.nodes.dims5()?;
        if ticks != 1 {
            candle_core::bail!("a step takes inputs of one tick, got {ticks}");
        }
        if places.len() != cages * individuals {
            candle_core::bail!("expected places for {cages} × {individuals} animals, got {}", places.len());
        }
        self.run(inputs, wiring, None, |x| self.backbone.step(x, state, places))
    }

    fn run(
        &self,
        inputs: &Inputs,
        wiring: &Wiring,
        noise: Option<&Noise>,
        through_time: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let encoded = self.graph.apply(inputs, wiring)?;
        let (b, t, i, c) = encoded.animals.dims4()?;
        // Every animal of every cage is a stream of its own: (B · I, T, C).
        let streams = swapped(encoded.animals, b * i)?;
        let animals = swapped(through_time(&streams)?.reshape((b, i, t, c))?, b * t)?.reshape((b, t, i, c))?;
        self.heads.apply(&animals, &encoded.pairs, wiring, noise)
    }
}

/// (B, M, N, C) → (`rows`, …, C) with M and N exchanged.
fn swapped(x: Tensor, rows: usize) -> Result<Tensor> {
    let (_, m, n, c) = x.dims4()?;
    let x = if m == 1 || n == 1 { x } else { x.transpose(1, 2)?.contiguous()? };
    x.reshape((rows, (), c))
}

/// In ticks, features included.
impl Reach for Network {
    fn receptive_field(&self) -> usize {
        let parts = [
            self.features_reach,
            self.graph.receptive_field(),
            self.backbone.receptive_field(),
            self.heads.receptive_field(),
        ];
        1 + parts.iter().map(|reach| reach - 1).sum::<usize>()
    }

    fn delay(&self) -> usize {
        self.graph.delay() + self.backbone.delay() + self.heads.delay()
    }
}
