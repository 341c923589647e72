//! Networks as a whole: what encodes a tick, what hears it through time, and the heads.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::architecture::Architecture;
use super::backbone::{Backbone, BackboneState};
use super::blueprint::Blueprint;
use super::cnn::{Cnn, CnnShape, CnnState};
use super::coordinates::Coordinates;
use super::graph::{Encoded, Graph};
use super::heads::{Heads, Widths};
use super::inputs::Inputs;
use super::lstm::{Lstm, LstmShape, LstmState};
use super::noise::Noise;
use super::ops::ring::Places;
use super::reach::Reach;
use super::system::{Streams, System, check_step};
use super::wiring::{HeadCounts, Wiring};
use crate::behavior::Ethogram;

/// A network: HHSTF, or one of the simpler ones that it is held against. Weights are immutable; what streams remember is
/// a [`State`].
#[derive(Clone, Debug)]
pub struct Network {
    space: Space,
    time: Time,
    heads: Heads,
    features_reach: usize,
    device: Device,
}

/// From the features of a tick to a vector for each animal, and one for each ordered pair.
#[derive(Clone, Debug)]
enum Space {
    Graph(Box<Graph>),
    Coordinates(Coordinates),
}

/// From the vectors of an animal so far to one that knows of them.
#[derive(Clone, Debug)]
enum Time {
    Squeezeformer { backbone: Box<Backbone>, channels: usize },
    Lstm(Lstm),
    Cnn(Cnn),
}

/// What is remembered of the streams that may step together, each in a slot of its own.
#[derive(Debug)]
pub enum State {
    Squeezeformer(BackboneState),
    Lstm(LstmState),
    Cnn(CnnState),
}

impl State {
    /// Makes a slot ready for a stream that begins at position 0.
    pub fn clear(&self, slot: u32) -> Result<()> {
        match self {
            Self::Squeezeformer(state) => state.clear(slot),
            Self::Lstm(state) => state.clear(slot),
            // A ring is read only as far back as its stream goes.
            Self::Cnn(_) => Ok(()),
        }
    }
}

impl Time {
    fn zero_state(&self, slots: usize, device: &Device) -> Result<State> {
        Ok(match self {
            Self::Squeezeformer { backbone, channels } => {
                State::Squeezeformer(backbone.zero_state(slots, *channels, device)?)
            }
            Self::Lstm(lstm) => State::Lstm(lstm.zero_state(slots, device)?),
            Self::Cnn(cnn) => State::Cnn(cnn.zero_state(slots, device)?),
        })
    }

    fn forward(&self, x: &Tensor, noise: Option<&Noise>) -> Result<Tensor> {
        match self {
            Self::Squeezeformer { backbone, .. } => backbone.forward(x, noise),
            Self::Lstm(lstm) => lstm.forward(x, noise),
            Self::Cnn(cnn) => cnn.forward(x, noise),
        }
    }

    fn step(&self, x: &Tensor, state: &State, places: &Arc<Places>) -> Result<Tensor> {
        match (self, state) {
            (Self::Squeezeformer { backbone, .. }, State::Squeezeformer(state)) => backbone.step(x, state, places),
            (Self::Lstm(lstm), State::Lstm(state)) => lstm.step(x, state, places),
            (Self::Cnn(cnn), State::Cnn(state)) => cnn.step(x, state, places),
            _ => candle_core::bail!("expected the state of this network, got that of another kind"),
        }
    }

    fn reach(&self) -> &dyn Reach {
        match self {
            Self::Squeezeformer { backbone, .. } => backbone.as_ref(),
            Self::Lstm(lstm) => lstm,
            Self::Cnn(cnn) => cnn,
        }
    }
}

impl Network {
    /// One constructor serves training and inference: `vb` makes new variables or reads stored weights. The
    /// blueprint is one that passed its [`Blueprint::check`].
    ///
    /// # Errors
    /// A blueprint of a system that is no network, and candle's own.
    pub fn new(
        blueprint: &Blueprint,
        vocabulary: usize,
        ethogram: &Ethogram,
        delays: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let coordinates = |channels, pair_channels| {
            Ok::<_, candle_core::Error>(Space::Coordinates(Coordinates::new(
                channels,
                pair_channels,
                vocabulary,
                &vb.pp("coordinates"),
            )?))
        };
        let through_time = vb.pp("backbone");
        let (space, time, widths) = match blueprint {
            Blueprint::Hhstf(architecture) => {
                let Architecture { channels, pair_channels, head_channels, .. } = *architecture;
                let space = Space::Graph(Box::new(Graph::new(architecture, vocabulary, &vb.pp("graph"))?));
                let backbone = Box::new(Backbone::new(architecture, &through_time)?);
                let time = Time::Squeezeformer { backbone, channels };
                (space, time, Widths { channels, pair_channels, head_channels })
            }
            Blueprint::Lstm(shape) => {
                let LstmShape { channels, pair_channels, head_channels, .. } = *shape;
                let time = Time::Lstm(Lstm::new(shape, &through_time)?);
                (coordinates(channels, pair_channels)?, time, Widths { channels, pair_channels, head_channels })
            }
            Blueprint::Cnn(shape) => {
                let CnnShape { channels, pair_channels, head_channels, .. } = *shape;
                let time = Time::Cnn(Cnn::new(shape, &through_time)?);
                (coordinates(channels, pair_channels)?, time, Widths { channels, pair_channels, head_channels })
            }
            Blueprint::Xgboost | Blueprint::XgboostPerBehavior | Blueprint::Ensemble(_) => {
                candle_core::bail!("expected the blueprint of a network, got that of {}", blueprint.system())
            }
        };
        Ok(Self {
            space,
            time,
            heads: Heads::new(widths, HeadCounts::of(ethogram), delays, &vb.pp("heads"))?,
            features_reach: blueprint.features_reach(),
            device: vb.device().clone(),
        })
    }

    /// Room for so many streams: a cage needs one for each of its animals.
    pub fn zero_state(&self, slots: usize, device: &Device) -> Result<State> {
        self.time.zero_state(slots, device)
    }

    /// Logits (B, T, D, N) of whole sequences from their beginning.
    pub fn forward(&self, inputs: &Inputs, wiring: &Wiring, noise: Option<&Noise>) -> Result<Tensor> {
        self.run(inputs, wiring, noise, |x| self.time.forward(x, noise))
    }

    /// Logits (B, 1, D, N) of the next tick of B cages that may be at different positions. `places` are those of all
    /// animals, cage after cage; a cage's result does not depend on the others.
    ///
    /// # Errors
    /// Inputs of more or fewer than one tick, and places that are not one for each animal.
    pub fn step(&self, inputs: &Inputs, wiring: &Wiring, state: &State, places: &Arc<Places>) -> Result<Tensor> {
        check_step(inputs, places)?;
        self.run(inputs, wiring, None, |x| self.time.step(x, state, places))
    }

    fn run(
        &self,
        inputs: &Inputs,
        wiring: &Wiring,
        noise: Option<&Noise>,
        through_time: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let Encoded { animals, pairs } = match &self.space {
            Space::Graph(graph) => graph.apply(inputs, wiring)?,
            Space::Coordinates(coordinates) => coordinates.apply(inputs, wiring)?,
        };
        let (b, t, i, c) = animals.dims4()?;
        // Every animal of every cage is a stream of its own: (B · I, T, C).
        let streams = swapped(animals, b * i)?;
        let animals = swapped(through_time(&streams)?.reshape((b, i, t, c))?, b * t)?.reshape((b, t, i, c))?;
        self.heads.apply(&animals, &pairs, wiring, noise)
    }
}

impl System for Network {
    fn forward(&self, inputs: &Inputs, wiring: &Wiring) -> Result<Tensor> {
        Self::forward(self, inputs, wiring, None)
    }

    fn open(&self, slots: usize) -> Result<Box<dyn Streams>> {
        Ok(Box::new(Opened { state: self.zero_state(slots, &self.device)?, network: self.clone() }))
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn receptive_field(&self) -> usize {
        Reach::receptive_field(self)
    }

    fn period_ticks(&self) -> u64 {
        match &self.time {
            Time::Squeezeformer { .. } => super::backbone::HALF_RATE_TICKS,
            Time::Lstm(lstm) => lstm.period_ticks(),
            Time::Cnn(_) => 1,
        }
    }
}

/// A network with the state of its streams.
#[derive(Debug)]
struct Opened {
    network: Network,
    state: State,
}

impl Streams for Opened {
    fn step(&self, inputs: &Inputs, wiring: &Wiring, places: &Arc<Places>) -> Result<Tensor> {
        self.network.step(inputs, wiring, &self.state, places)
    }

    fn clear(&self, slot: u32) -> Result<()> {
        self.state.clear(slot)
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
        // What encodes a tick and the heads see that tick only.
        self.features_reach + self.time.reach().receptive_field() - 1 + self.heads.receptive_field() - 1
    }

    fn delay(&self) -> usize {
        self.time.reach().delay() + self.heads.delay()
    }
}
