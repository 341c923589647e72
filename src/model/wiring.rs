//! How a cage's skeleton and animals connect inside a network: index tables, made once for a cage.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::ops::tables::Source;
use crate::anatomy::Part;
use crate::behavior::{Behavior, Cell, Ethogram, Kind, Subject};
use crate::features::ANCHORS;
use crate::skeleton::Skeleton;

/// Anatomical hops beyond which keypoints count as unconnected.
pub const HOPS_MAX: usize = 3;

/// The names of the body parts that a network has embeddings for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Vocabulary(pub Vec<String>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("skeleton {skeleton:?} has the keypoint {keypoint:?}, which the model does not know; it knows {known:?}")]
pub struct UnknownPart {
    pub skeleton: String,
    pub keypoint: String,
    pub known: Vec<String>,
}

impl Vocabulary {
    /// The embedding of a body part: the one of its name, else of the same part of the body under another spelling
    /// ([`Part::of_name`]).
    pub fn index(&self, name: &str) -> Option<usize> {
        let exact = self.0.iter().position(|part| part == name);
        let same_part = || {
            let meant = Part::of_name(name)?;
            self.0.iter().position(|part| Part::of_name(part) == Some(meant))
        };
        exact.or_else(same_part)
    }

    /// The embedding of each keypoint of a skeleton, see [`Vocabulary::index`].
    pub fn indices(&self, skeleton: &Skeleton) -> std::result::Result<Vec<u32>, UnknownPart> {
        let index = |keypoint: &String| {
            self.index(keypoint).map(|index| index as u32).ok_or_else(|| UnknownPart {
                skeleton: skeleton.name().to_owned(),
                keypoint: keypoint.clone(),
                known: self.0.clone(),
            })
        };
        skeleton.keypoints().iter().map(index).collect()
    }
}

/// Index tables of one skeleton, one count of individuals and one ethogram.
#[derive(Clone, Debug)]
pub struct Wiring {
    pub individuals: usize,
    pub keypoints: usize,
    /// (K) indices into the part embeddings.
    pub parts: Tensor,
    /// (K · K) anatomical hops, at most [`HOPS_MAX`].
    pub hops: Tensor,
    /// (A) keypoints of the body axis.
    pub anchors: Tensor,
    /// (I · J) focal animal and other animal of every ordered pair.
    pub focal: Tensor,
    pub other: Tensor,
    /// (P) for every unordered pair, the places of both its orders among the ordered pairs.
    pub forth: Tensor,
    pub back: Tensor,
    /// (N) where each cell's score lies among all outputs of the heads, see [`super::heads`].
    pub cells: Tensor,
    /// (N) what each cell is about.
    pub behaviors: Arc<[Behavior]>,
    /// `anchors` and `cells` once more, as fused operations read them.
    pub anchor_rows: Arc<[u32]>,
    pub sources: Arc<[Source]>,
}

impl Wiring {
    /// The wiring that gives a score for every cell of the ethogram. `parts` from [`Vocabulary::indices`].
    pub fn new(
        skeleton: &Skeleton,
        parts: Vec<u32>,
        individuals: usize,
        ethogram: &Ethogram,
        device: &Device,
    ) -> Result<Self> {
        Self::of_cells(skeleton, parts, individuals, ethogram, &ethogram.cells(individuals), device)
    }

    /// The wiring that gives scores for some cells only, in their order: N is their count.
    ///
    /// # Panics
    /// On a cell that the ethogram has not in a cage of so many individuals.
    pub fn of_cells(
        skeleton: &Skeleton,
        parts: Vec<u32>,
        individuals: usize,
        ethogram: &Ethogram,
        cells: &[Cell],
        device: &Device,
    ) -> Result<Self> {
        let axis = skeleton.axis();
        let anchors: [u32; ANCHORS] = [axis.front, axis.centre, axis.rear].map(|keypoint| keypoint as u32);
        let ordered = ordered_pairs(individuals);
        let place = |pair: (u32, u32)| {
            let place = ordered.iter().position(|ordered| *ordered == pair);
            place.expect("the ordered pairs hold both orders of every pair") as u32
        };
        let places: HashMap<Cell, u32> =
            ethogram.cells(individuals).into_iter().zip(cell_places(ethogram, individuals)).collect();
        let unordered: Vec<(u32, u32)> = ordered.iter().copied().filter(|(a, b)| a < b).collect();
        let forth: Vec<u32> = unordered.iter().map(|&pair| place(pair)).collect();
        let back: Vec<u32> = unordered.iter().map(|&(a, b)| place((b, a))).collect();
        let chosen: Vec<u32> = cells.iter().map(|cell| places[cell]).collect();
        let source = |place: &u32| source_of(*place, HeadCounts::of(ethogram), ordered.len(), (&forth, &back));
        let sources = chosen.iter().map(source).collect();
        let indices = |values: Vec<u32>| {
            let count = values.len();
            Tensor::from_vec(values, count, device)
        };
        Ok(Self {
            behaviors: cells.iter().map(|cell| cell.behavior).collect(),
            sources,
            anchor_rows: Arc::from(anchors),
            individuals,
            keypoints: skeleton.keypoints().len(),
            parts: indices(parts)?,
            hops: indices(skeleton.hops(HOPS_MAX).into_iter().map(|hops| hops as u32).collect())?,
            anchors: Tensor::new(&anchors, device)?,
            focal: indices(ordered.iter().map(|pair| pair.0).collect())?,
            other: indices(ordered.iter().map(|pair| pair.1).collect())?,
            forth: indices(forth)?,
            back: indices(back)?,
            cells: indices(chosen)?,
        })
    }
}

/// In the order of [`Subject::all`].
fn ordered_pairs(individuals: usize) -> Vec<(u32, u32)> {
    let pairs = Subject::all(Kind::Directed, individuals).into_iter();
    pairs
        .filter_map(|subject| match subject {
            Subject::Ordered { agent, target } => Some((u32::from(agent.0), u32::from(target.0))),
            _ => None,
        })
        .collect()
}

/// Which outputs a network has for a behavior: every behavior has one channel in the pair head or in the self head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadCounts {
    pub of_pairs: usize,
    pub of_selves: usize,
}

impl HeadCounts {
    pub fn of(ethogram: &Ethogram) -> Self {
        let of_selves = ethogram.behaviors().filter(|(.., spec)| spec.kind == Kind::OfSelf).count();
        Self { of_pairs: ethogram.behavior_count() - of_selves, of_selves }
    }
}

/// The heads give, one after the other: ordered pairs × pair channels, unordered pairs × pair channels, animals × self
/// channels. This is where each cell of the ethogram lies in that row.
fn cell_places(ethogram: &Ethogram, individuals: usize) -> Vec<u32> {
    let counts = HeadCounts::of(ethogram);
    let ordered = individuals * (individuals - 1);
    let (mut pair_channel, mut self_channel) = (0, 0);
    let mut places = Vec::new();
    for (_, _, spec) in ethogram.behaviors() {
        let (start, channels, channel) = match spec.kind {
            Kind::Directed => (0, counts.of_pairs, &mut pair_channel),
            Kind::Mutual | Kind::Undirected => (ordered * counts.of_pairs, counts.of_pairs, &mut pair_channel),
            Kind::OfSelf => ((ordered + ordered / 2) * counts.of_pairs, counts.of_selves, &mut self_channel),
        };
        let subjects = Subject::all(spec.kind, individuals).len();
        places.extend((0..subjects).map(|subject| (start + subject * channels + *channel) as u32));
        *channel += 1;
    }
    places
}

/// The outputs behind a place of [`cell_places`].
fn source_of(place: u32, counts: HeadCounts, ordered: usize, (forth, back): (&[u32], &[u32])) -> Source {
    let (place, pairs) = (place as usize, counts.of_pairs);
    let (of_ordered, of_both) = (ordered * pairs, (ordered + ordered / 2) * pairs);
    if place < of_ordered {
        Source::Pairs { places: [(place / pairs) as u32; 2], channel: (place % pairs) as u32 }
    } else if place < of_both {
        let (pair, channel) = ((place - of_ordered) / pairs, ((place - of_ordered) % pairs) as u32);
        Source::Pairs { places: [forth[pair], back[pair]], channel }
    } else {
        let place = place - of_both;
        Source::Animal { place: (place / counts.of_selves) as u32, channel: (place % counts.of_selves) as u32 }
    }
}
