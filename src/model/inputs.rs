//! Features of many ticks as tensors.

use candle_core::{Device, Result, Tensor};

use crate::features::{
    ANCHORS, EDGE_CHANNELS, Features, NODE_CHANNELS, PAIR_CHANNELS, PAIR_STATISTICS, SELF_CHANNELS, SELF_STATISTICS,
};

/// What the network reads of T ticks of B cages; every tensor leads with (B, T).
#[derive(Clone, Debug)]
pub struct Inputs {
    /// (B, T, I, K, [`NODE_CHANNELS`])
    pub nodes: Tensor,
    /// (B, T, I, K)
    pub node_present: Tensor,
    /// (B, T, I, [`SELF_CHANNELS`])
    pub selves: Tensor,
    /// (B, T, I, J, [`PAIR_CHANNELS`])
    pub pairs: Tensor,
    /// (B, T, I, J, A, A, [`EDGE_CHANNELS`])
    pub edges: Tensor,
    /// (B, T, I, J, A, A)
    pub edge_present: Tensor,
    /// Of features with statistics.
    pub statistics: Option<Statistics>,
}

/// Statistics of signals over long windows.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// (B, T, I, [`SELF_STATISTICS`])
    pub selves: Tensor,
    /// (B, T, I, J, [`PAIR_STATISTICS`])
    pub pairs: Tensor,
}

/// Collects features tick by tick, cage after cage.
#[derive(Debug)]
pub struct InputsBuilder {
    individuals: usize,
    keypoints: usize,
    nodes: Vec<f32>,
    node_present: Vec<f32>,
    selves: Vec<f32>,
    pairs: Vec<f32>,
    edges: Vec<f32>,
    edge_present: Vec<f32>,
    self_statistics: Vec<f32>,
    pair_statistics: Vec<f32>,
}

impl InputsBuilder {
    pub fn new(individuals: usize, keypoints: usize) -> Self {
        let empty = Vec::new;
        Self {
            individuals,
            keypoints,
            nodes: empty(),
            node_present: empty(),
            selves: empty(),
            pairs: empty(),
            edges: empty(),
            edge_present: empty(),
            self_statistics: empty(),
            pair_statistics: empty(),
        }
    }

    pub fn push(&mut self, features: &Features) {
        self.nodes.extend_from_slice(&features.nodes);
        self.node_present.extend_from_slice(&features.node_present);
        self.selves.extend_from_slice(&features.selves);
        self.pairs.extend_from_slice(&features.pairs);
        self.edges.extend_from_slice(&features.edges);
        self.edge_present.extend_from_slice(&features.edge_present);
        self.self_statistics.extend_from_slice(&features.self_statistics);
        self.pair_statistics.extend_from_slice(&features.pair_statistics);
    }

    /// # Errors
    /// Unless exactly `cages` × `ticks` features of this shape were pushed.
    pub fn finish(self, cages: usize, ticks: usize, device: &Device) -> Result<Inputs> {
        let (b, t, i, k) = (cages, ticks, self.individuals, self.keypoints);
        let j = i - 1;
        let statistics = if self.self_statistics.is_empty() {
            None
        } else {
            Some(Statistics {
                selves: Tensor::from_vec(self.self_statistics, &[b, t, i, SELF_STATISTICS], device)?,
                pairs: Tensor::from_vec(self.pair_statistics, &[b, t, i, j, PAIR_STATISTICS], device)?,
            })
        };
        Ok(Inputs {
            statistics,
            nodes: Tensor::from_vec(self.nodes, &[b, t, i, k, NODE_CHANNELS], device)?,
            node_present: Tensor::from_vec(self.node_present, &[b, t, i, k], device)?,
            selves: Tensor::from_vec(self.selves, &[b, t, i, SELF_CHANNELS], device)?,
            pairs: Tensor::from_vec(self.pairs, &[b, t, i, j, PAIR_CHANNELS], device)?,
            edges: Tensor::from_vec(self.edges, &[b, t, i, j, ANCHORS, ANCHORS, EDGE_CHANNELS], device)?,
            edge_present: Tensor::from_vec(self.edge_present, &[b, t, i, j, ANCHORS, ANCHORS], device)?,
        })
    }
}

impl Inputs {
    /// A stretch of the ticks.
    pub fn narrow(&self, first: usize, ticks: usize) -> Result<Self> {
        let part = |x: &Tensor| x.narrow(1, first, ticks)?.contiguous();
        let statistics = match &self.statistics {
            Some(Statistics { selves, pairs }) => Some(Statistics { selves: part(selves)?, pairs: part(pairs)? }),
            None => None,
        };
        Ok(Self {
            statistics,
            nodes: part(&self.nodes)?,
            node_present: part(&self.node_present)?,
            selves: part(&self.selves)?,
            pairs: part(&self.pairs)?,
            edges: part(&self.edges)?,
            edge_present: part(&self.edge_present)?,
        })
    }
}
