//! Space: from keypoints to one vector per animal and tick, by attention over graphs. No memory.

use std::sync::Arc;

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::architecture::Architecture;
use super::inputs::Inputs;
use super::layers::{FeedForward, Linear, Norm, Residual, Stack};
use super::ops::attention::{self, Across};
use super::ops::tables::{Onto, add_then_norm};
use super::reach::Reach;
use super::wiring::{HOPS_MAX, Wiring};
use crate::features::{
    ANCHORS, EDGE_CHANNELS, NODE_CHANNELS, PAIR_CHANNELS, PAIR_STATISTICS, SELF_CHANNELS, SELF_STATISTICS,
};

/// Graph attention within every animal, then between animals, then pooling.
#[derive(Clone, Debug)]
pub struct Graph {
    embed: Linear,
    /// (vocabulary, C): embeddings by body-part name, so that one network serves several skeletons.
    parts: Tensor,
    within: Within,
    between: Between,
    pool: Pool,
    selves: Linear,
    pairs: Linear,
    from_pairs: Linear,
    norm: Norm,
    /// Into an animal, and into a pair; of an architecture with statistics.
    statistics: Option<[Linear; 2]>,
}

/// What the graph makes of T ticks of B cages.
pub struct Encoded {
    /// (B, T, I, C)
    pub animals: Tensor,
    /// (B, T, I · J, Cp): the relational features of each ordered pair.
    pub pairs: Tensor,
}

impl Graph {
    pub fn new(architecture: &Architecture, vocabulary: usize, vb: &VarBuilder) -> Result<Self> {
        let Architecture { node_channels, pair_channels, channels, .. } = *architecture;
        let statistics = if architecture.statistics {
            Some([
                Linear::new(SELF_STATISTICS, channels, &vb.pp("self_statistics"))?,
                Linear::new(PAIR_STATISTICS, pair_channels, &vb.pp("pair_statistics"))?,
            ])
        } else {
            None
        };
        Ok(Self {
            statistics,
            embed: Linear::new(NODE_CHANNELS, node_channels, &vb.pp("embed"))?,
            parts: vb.get_with_hints((vocabulary, node_channels), "parts", Init::Randn { mean: 0.0, stdev: 0.5 })?,
            within: Within::new(architecture, &vb.pp("within"))?,
            between: Between::new(architecture, &vb.pp("between"))?,
            pool: Pool::new(architecture, &vb.pp("pool"))?,
            selves: Linear::new(SELF_CHANNELS, channels, &vb.pp("selves"))?,
            pairs: Linear::new(PAIR_CHANNELS, pair_channels, &vb.pp("pairs"))?,
            from_pairs: Linear::new(pair_channels, channels, &vb.pp("from_pairs"))?,
            norm: Norm::new(channels, &vb.pp("norm"))?,
        })
    }

    /// An animal of which nothing is present still gets a vector: that of an empty pool and of channels that say so.
    /// What the others are to an animal is the mean over all of them, absent ones included, with their validity among
    /// the channels.
    pub fn apply(&self, inputs: &Inputs, wiring: &Wiring) -> Result<Encoded> {
        let (b, t, i, k, _) = inputs.nodes.dims5()?;
        let animals = b * t * i;
        let parts = self.parts.index_select(&wiring.parts, 0)?;
        let nodes = self.embed.onto_then_silu(&parts, &inputs.nodes.reshape((animals, k, ()))?)?;
        let present = inputs.node_present.reshape((animals, k))?;
        let nodes = self.within.apply(&nodes, &present, wiring)?;
        let nodes = self.between.apply(&nodes, inputs, wiring)?;
        let pooled = self.pool.apply(&nodes, &present)?.reshape((b, t, i, ()))?;

        let (pairs, pooled) = match (&self.statistics, &inputs.statistics) {
            (None, _) => (self.pairs.then_silu(&inputs.pairs)?, pooled),
            (Some([of_selves, of_pairs]), Some(statistics)) => (
                self.pairs.onto_then_silu(&of_pairs.apply(&statistics.pairs)?, &inputs.pairs)?,
                of_selves.onto(&pooled, &statistics.selves)?,
            ),
            (Some(_), None) => candle_core::bail!("a network of features with statistics, given features without"),
        };
        let of_others = if i == 2 { pairs.squeeze(3)? } else { pairs.mean(3)? };
        let animals = self.selves.onto(&pooled, &inputs.selves)?;
        let animals = self.from_pairs.onto_then_norm(&animals, &of_others, &self.norm)?;
        Ok(Encoded { animals, pairs: pairs.reshape((b, t, i * (i - 1), ()))? })
    }
}

/// A tick sees itself only.
impl Reach for Graph {
    fn receptive_field(&self) -> usize {
        1
    }
}

/// Attention over the keypoints of one animal, with a learned bias for each head and anatomical distance.
#[derive(Clone, Debug)]
struct Within {
    qkv: Linear,
    out: Linear,
    /// (H, hops)
    hop_bias: Tensor,
    feed_forward: FeedForward,
    residual: [Residual; 2],
}

impl Within {
    fn new(architecture: &Architecture, vb: &VarBuilder) -> Result<Self> {
        let (channels, heads) = (architecture.node_channels, architecture.node_heads);
        Ok(Self {
            qkv: Linear::new(channels, 3 * channels, &vb.pp("qkv"))?,
            out: Linear::new(channels, channels, &vb.pp("out"))?,
            hop_bias: vb.get_with_hints((heads, HOPS_MAX + 1), "hop_bias", Init::Const(0.0))?,
            feed_forward: FeedForward::new(channels, architecture.expansion * channels, &vb.pp("feed_forward"))?,
            residual: [Residual::new(channels, &vb.pp("residual.0"))?, Residual::new(channels, &vb.pp("residual.1"))?],
        })
    }

    /// nodes (n, K, C), present (n, K) → (n, K, C)
    fn apply(&self, nodes: &Tensor, present: &Tensor, wiring: &Wiring) -> Result<Tensor> {
        let (_, keypoints, channels) = nodes.dims3()?;
        let heads = self.hop_bias.dim(0)?;
        let bias = self.hop_bias.index_select(&wiring.hops, 1)?.reshape((heads, keypoints, keypoints))?;
        let qkv = self.residual[0].enter(nodes, &self.qkv)?;
        let heard = if self.qkv.is_fixed() {
            attention::within(&qkv, &bias, present)?
        } else {
            let (q, kv) = (qkv.narrow(2, 0, channels)?, qkv.narrow(2, channels, 2 * channels)?);
            attention::set(&q, &kv, &bias, present)?
        };
        let nodes = self.residual[0].leave(nodes, &heard, &self.out, None)?;
        self.feed_forward.apply(&nodes, &self.residual[1], None)
    }
}

/// Attention of each animal's anchors over the anchors of the others. Keys and values carry the geometry of the edge:
/// where the other's anchor lies in the focal animal's frame, how far, how fast it comes.
#[derive(Clone, Debug)]
struct Between {
    /// Queries of the anchors, then their keys and values.
    qkv: Stack,
    edges: Linear,
    out: Linear,
    /// (H, 1, A)
    bias: Tensor,
    residual: Residual,
}

impl Between {
    fn new(architecture: &Architecture, vb: &VarBuilder) -> Result<Self> {
        let (channels, heads) = (architecture.node_channels, architecture.node_heads);
        Ok(Self {
            qkv: Stack::new(channels, &[("query", channels), ("kv", 2 * channels)], vb)?,
            edges: Linear::new(EDGE_CHANNELS, 2 * channels, &vb.pp("edges"))?,
            out: Linear::new(channels, channels, &vb.pp("out"))?,
            bias: vb.get_with_hints((heads, 1, ANCHORS), "bias", Init::Const(0.0))?,
            residual: Residual::new(channels, &vb.pp("residual"))?,
        })
    }

    /// nodes (B · T · I, K, C) → the same
    fn apply(&self, nodes: &Tensor, inputs: &Inputs, wiring: &Wiring) -> Result<Tensor> {
        let (b, t, i, j, _) = inputs.pairs.dims5()?;
        let sets = b * t * i * j * ANCHORS;
        let qkv = self.residual.enter_stack(&nodes.index_select(&wiring.anchors, 1)?, &self.qkv)?;
        let edges = self.edges.apply(&inputs.edges.reshape((sets, ANCHORS, ()))?)?;
        let present = inputs.edge_present.reshape((sets, ANCHORS))?;
        if let Some(norm) = self.residual.norm().values() {
            let sizes = Across { individuals: i, heads: self.bias.dim(0)? };
            let heard = attention::across(&qkv, &edges, &self.bias, &present, sizes)?;
            let onto = Onto::Rows { rows: Arc::clone(&wiring.anchor_rows), of: wiring.keypoints };
            return add_then_norm(nodes, &self.out.apply(&heard)?, onto, norm);
        }
        let heard = attention::across_plain(&qkv, &edges, &self.bias, &present, wiring)?;
        let spread = nodes.zeros_like()?.index_add(&wiring.anchors, &self.out.apply(&heard)?, 1)?;
        self.residual.norm().apply(&(nodes + spread)?)
    }
}

/// Attention of learned queries over the keypoints that are present: their number is free.
#[derive(Clone, Debug)]
struct Pool {
    /// (Q, C)
    queries: Tensor,
    kv: Linear,
    out: Linear,
    heads: usize,
}

impl Pool {
    fn new(architecture: &Architecture, vb: &VarBuilder) -> Result<Self> {
        let (channels, queries) = (architecture.node_channels, architecture.pool_queries);
        Ok(Self {
            queries: vb.get_with_hints((queries, channels), "queries", Init::Randn { mean: 0.0, stdev: 1.0 })?,
            kv: Linear::new(channels, 2 * channels, &vb.pp("kv"))?,
            out: Linear::new(queries * channels, architecture.channels, &vb.pp("out"))?,
            heads: architecture.node_heads,
        })
    }

    /// nodes (n, K, C), present (n, K) → (n, animal channels)
    fn apply(&self, nodes: &Tensor, present: &Tensor) -> Result<Tensor> {
        let (n, keypoints, _) = nodes.dims3()?;
        let (queries, channels) = self.queries.dims2()?;
        if self.kv.is_fixed() {
            let pooled = attention::pool(&self.queries, &self.kv.apply(nodes)?, present, self.heads)?;
            return self.out.apply(&pooled.reshape((n, queries * channels))?);
        }
        let q = self.queries.unsqueeze(0)?.broadcast_as((n, queries, channels))?;
        let bias = Tensor::zeros((self.heads, queries, keypoints), nodes.dtype(), nodes.device())?;
        let pooled = attention::set(&q, &self.kv.apply(nodes)?, &bias, present)?;
        self.out.apply(&pooled.reshape((n, queries * channels))?)
    }
}
