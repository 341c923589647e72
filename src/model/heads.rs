//! Verdicts: from the vectors of the animals to a score for every delay and cell.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::architecture::Architecture;
use super::layers::Linear;
use super::noise::Noise;
use super::ops::pointwise::silu;
use super::reach::Reach;
use super::wiring::{HeadCounts, Wiring};

/// A head for every ordered pair and one for every animal; the mean of both orders of a pair is what mutual and
/// undirected behaviors are read from.
#[derive(Clone, Debug)]
pub struct Heads {
    delays: usize,
    counts: HeadCounts,
    of_pairs: Option<PairHead>,
    /// Hidden and output layer; absent where no behavior is of one animal.
    of_selves: Option<(Linear, Linear)>,
}

#[derive(Clone, Debug)]
struct PairHead {
    focal: Linear,
    other: Linear,
    pair: Linear,
    out: Linear,
}

impl Heads {
    pub fn new(architecture: &Architecture, counts: HeadCounts, delays: usize, vb: &VarBuilder) -> Result<Self> {
        let Architecture { channels, pair_channels, head_channels, .. } = *architecture;
        let of_pairs = match counts.of_pairs {
            0 => None,
            outputs => Some(PairHead {
                focal: Linear::new(channels, head_channels, &vb.pp("focal"))?,
                other: Linear::new(channels, head_channels, &vb.pp("other"))?,
                pair: Linear::new(pair_channels, head_channels, &vb.pp("pair"))?,
                out: Linear::small(head_channels, outputs * delays, &vb.pp("of_pairs"))?,
            }),
        };
        let of_selves = match counts.of_selves {
            0 => None,
            outputs => Some((
                Linear::new(channels, head_channels, &vb.pp("alone"))?,
                Linear::small(head_channels, outputs * delays, &vb.pp("of_selves"))?,
            )),
        };
        Ok(Self { delays, counts, of_pairs, of_selves })
    }

    /// animals (B, T, I, C), pairs (B, T, I · J, Cp) → logits (B, T, D, N)
    pub fn apply(&self, animals: &Tensor, pairs: &Tensor, wiring: &Wiring, noise: Option<&Noise>) -> Result<Tensor> {
        let (b, t, i, _) = animals.dims4()?;
        let ordered = i * (i - 1);
        let mut outputs = Vec::with_capacity(3);
        if let Some(head) = &self.of_pairs {
            let focal = head.focal.apply(animals)?.index_select(&wiring.focal, 2)?;
            let other = head.other.apply(animals)?.index_select(&wiring.other, 2)?;
            let hidden = silu(&((focal + other)? + head.pair.apply(pairs)?)?)?;
            let hidden = Noise::drop_some(noise, hidden)?;
            let logits = head.out.apply(&hidden)?.reshape((b, t, ordered, self.delays, self.counts.of_pairs))?;
            let both = (logits.index_select(&wiring.forth, 2)? + logits.index_select(&wiring.back, 2)?)?;
            outputs.push(by_delay(&logits)?);
            outputs.push(by_delay(&(both * 0.5)?)?);
        }
        if let Some((alone, of_selves)) = &self.of_selves {
            let hidden = Noise::drop_some(noise, silu(&alone.apply(animals)?)?)?;
            let logits = of_selves.apply(&hidden)?.reshape((b, t, i, self.delays, self.counts.of_selves))?;
            outputs.push(by_delay(&logits)?);
        }
        Tensor::cat(&outputs, 3)?.index_select(&wiring.cells, 3)
    }
}

/// A tick sees itself only: what lies further back has to be in the animals' vectors.
impl Reach for Heads {
    fn receptive_field(&self) -> usize {
        1
    }
}

/// (B, T, subjects, D, channels) → (B, T, D, subjects · channels)
fn by_delay(logits: &Tensor) -> Result<Tensor> {
    let (b, t, subjects, delays, channels) = logits.dims5()?;
    logits.transpose(2, 3)?.contiguous()?.reshape((b, t, delays, subjects * channels))
}
