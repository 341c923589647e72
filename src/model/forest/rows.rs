//! The columns that trees read of a tick: a row for each ordered pair, and one for each animal.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::features::{
    ANCHORS, EDGE_CHANNELS, NODE_CHANNELS, PAIR_CHANNELS, PAIR_STATISTICS, SELF_CHANNELS, SELF_STATISTICS,
};
use crate::model::blueprint::Blueprint;
use crate::model::inputs::Inputs;

/// Columns of a body part: position and velocity with their validity.
const PART_COLUMNS: usize = 6;

/// Columns of an edge between anchors: relative position, distance, and whether both are there.
const EDGE_COLUMNS: usize = 4;

/// Which columns there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// Of the tick alone: coordinates and velocities of an animal's keypoints in its own body frame, and where the other's
    /// anchors are seen from its own.
    Basic,
    /// All features of animals and pairs, statistics over ten seconds included.
    Rich,
}

impl Reading {
    /// What a system reads; `None` of networks.
    pub fn of(blueprint: &Blueprint) -> Option<Self> {
        match blueprint {
            Blueprint::Xgboost => Some(Self::Basic),
            Blueprint::XgboostPerBehavior => Some(Self::Rich),
            Blueprint::Hhstf(_) | Blueprint::Lstm(_) | Blueprint::Cnn(_) | Blueprint::Ensemble(_) => None,
        }
    }

    pub fn has_statistics(self) -> bool {
        self == Self::Rich
    }

    /// Columns of an animal, of so many body parts in all.
    pub fn self_width(self, vocabulary: usize) -> usize {
        match self {
            Self::Basic => vocabulary * PART_COLUMNS,
            Self::Rich => SELF_CHANNELS + SELF_STATISTICS,
        }
    }

    fn edge_width(self) -> usize {
        match self {
            Self::Basic => ANCHORS * ANCHORS * EDGE_COLUMNS,
            Self::Rich => PAIR_CHANNELS + PAIR_STATISTICS,
        }
    }

    /// Columns of an ordered pair: those of the focal animal, of the other one, and of what is between them.
    pub fn pair_width(self, vocabulary: usize) -> usize {
        2 * self.self_width(vocabulary) + self.edge_width()
    }
}

/// The rows of B · T ticks.
#[derive(Clone, Debug)]
pub struct Rows {
    pub individuals: usize,
    /// Ticks × I
    pub of_selves: Vec<f32>,
    /// Ticks × I · J, focal animal major, the others ascending.
    pub of_pairs: Vec<f32>,
}

impl Rows {
    /// `parts` are the places of the skeleton's keypoints among all body parts.
    ///
    /// # Errors
    /// Inputs without statistics where they are read, and candle's own.
    pub fn of(inputs: &Inputs, parts: &[u32], reading: Reading, vocabulary: usize) -> Result<Self> {
        let (b, t, individuals, ..) = inputs.nodes.dims5()?;
        let (of_selves, between) = match (reading, &inputs.statistics) {
            (Reading::Basic, _) => (basic_selves(inputs, parts, vocabulary)?, basic_edges(inputs)?),
            (Reading::Rich, Some(statistics)) => (
                beside(&inputs.selves, SELF_CHANNELS, &statistics.selves, SELF_STATISTICS)?,
                beside(&inputs.pairs, PAIR_CHANNELS, &statistics.pairs, PAIR_STATISTICS)?,
            ),
            (Reading::Rich, None) => candle_core::bail!("trees that read statistics, given features without"),
        };
        let (own, edge) = (reading.self_width(vocabulary), reading.edge_width());
        let mut of_pairs = Vec::with_capacity(b * t * individuals * (individuals - 1) * reading.pair_width(vocabulary));
        let mut between = between.chunks_exact(edge);
        for selves in of_selves.chunks_exact(individuals * own) {
            let animal = |individual: usize| &selves[individual * own..(individual + 1) * own];
            for focal in 0..individuals {
                for other in (0..individuals).filter(|other| *other != focal) {
                    of_pairs.extend_from_slice(animal(focal));
                    of_pairs.extend_from_slice(animal(other));
                    of_pairs.extend_from_slice(between.next().unwrap_or_default());
                }
            }
        }
        Ok(Self { individuals, of_selves, of_pairs })
    }

    /// Ordered pairs of a tick.
    pub fn pairs(&self) -> usize {
        self.individuals * (self.individuals - 1)
    }
}

fn values(x: &Tensor) -> Result<Vec<f32>> {
    x.flatten_all()?.to_vec1()
}

/// The channels of two tensors, one behind the other.
fn beside(a: &Tensor, of_a: usize, b: &Tensor, of_b: usize) -> Result<Vec<f32>> {
    let (a, b) = (values(a)?, values(b)?);
    let mut both = Vec::with_capacity(a.len() + b.len());
    for (a, b) in a.chunks_exact(of_a).zip(b.chunks_exact(of_b)) {
        both.extend_from_slice(a);
        both.extend_from_slice(b);
    }
    Ok(both)
}

/// Every animal's body parts in the order of the vocabulary; those that its skeleton has not are missing.
fn basic_selves(inputs: &Inputs, parts: &[u32], vocabulary: usize) -> Result<Vec<f32>> {
    let nodes = values(&inputs.nodes)?;
    let mut columns = Vec::with_capacity(nodes.len() / NODE_CHANNELS / parts.len().max(1) * vocabulary * PART_COLUMNS);
    for animal in nodes.chunks_exact(parts.len() * NODE_CHANNELS) {
        let first = columns.len();
        columns.resize(first + vocabulary * PART_COLUMNS, f32::NAN);
        for (node, part) in animal.chunks_exact(NODE_CHANNELS).zip(parts) {
            let at = first + *part as usize * PART_COLUMNS;
            columns[at..at + PART_COLUMNS].copy_from_slice(&node[..PART_COLUMNS]);
        }
    }
    Ok(columns)
}

fn basic_edges(inputs: &Inputs) -> Result<Vec<f32>> {
    let (edges, present) = (values(&inputs.edges)?, values(&inputs.edge_present)?);
    let mut columns = Vec::with_capacity(present.len() * EDGE_COLUMNS);
    for (edge, present) in edges.chunks_exact(EDGE_CHANNELS).zip(present) {
        columns.extend_from_slice(&edge[..3]);
        columns.push(present);
    }
    Ok(columns)
}
