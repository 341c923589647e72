//! Plain egocentric coordinates: what the simplest networks are given of a tick.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::graph::Encoded;
use super::inputs::Inputs;
use super::layers::Linear;
use super::ops::pointwise::silu;
use super::wiring::Wiring;
use crate::features::ANCHORS;

/// Numbers of a point: x, y, and whether it is there.
pub const POINT: usize = 3;

/// Of a pair: every anchor of the other animal seen from every anchor of the focal one.
pub const PAIR_POINTS: usize = ANCHORS * ANCHORS * POINT;

/// An animal's keypoints in its own body frame, and the anchors of the others in that frame. A keypoint's weights go by
/// the name of its body part, so that one network serves several skeletons.
#[derive(Clone, Debug)]
pub struct Coordinates {
    /// (vocabulary, 3 · C)
    parts: Tensor,
    channels: usize,
    pairs: Linear,
    from_pairs: Linear,
}

impl Coordinates {
    pub fn new(channels: usize, pair_channels: usize, vocabulary: usize, vb: &VarBuilder) -> Result<Self> {
        // Some five keypoints of three numbers each add up.
        let init = Init::Uniform { lo: -0.25, up: 0.25 };
        Ok(Self {
            parts: vb.get_with_hints((vocabulary, POINT * channels), "parts", init)?,
            channels,
            pairs: Linear::new(PAIR_POINTS, pair_channels, &vb.pp("pairs"))?,
            from_pairs: Linear::new(pair_channels, channels, &vb.pp("from_pairs"))?,
        })
    }

    /// As [`super::graph::Graph::apply`].
    pub fn apply(&self, inputs: &Inputs, wiring: &Wiring) -> Result<Encoded> {
        let (b, t, i, k, _) = inputs.nodes.dims5()?;
        let weights = self.parts.index_select(&wiring.parts, 0)?.reshape((k * POINT, self.channels))?;
        let own = own_points(inputs)?.reshape((b * t * i, k * POINT))?.matmul(&weights)?.reshape((b, t, i, ()))?;
        let pairs = self.pairs.then_silu(&pair_points(inputs)?)?;
        let of_others = if i == 2 { pairs.squeeze(3)? } else { pairs.mean(3)? };
        let animals = silu(&self.from_pairs.onto(&own, &of_others)?)?;
        Ok(Encoded { animals, pairs: pairs.reshape((b, t, i * (i - 1), ()))? })
    }
}

/// (B, T, I, K, 3)
pub fn own_points(inputs: &Inputs) -> Result<Tensor> {
    let present = inputs.node_present.unsqueeze(4)?;
    Tensor::cat(&[inputs.nodes.narrow(4, 0, 2)?, present], 4)?.contiguous()
}

/// (B, T, I, J, 9 · 3)
pub fn pair_points(inputs: &Inputs) -> Result<Tensor> {
    let (b, t, i, j, ..) = inputs.pairs.dims5()?;
    let edges = inputs.edges.reshape((b * t, i * j, ANCHORS * ANCHORS, ()))?.narrow(3, 0, 2)?;
    let present = inputs.edge_present.reshape((b * t, i * j, ANCHORS * ANCHORS, 1))?;
    Tensor::cat(&[edges, present], 3)?.contiguous()?.reshape((b, t, i, j, PAIR_POINTS))
}
