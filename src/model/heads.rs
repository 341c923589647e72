//! Verdicts: from the vectors of the animals to a score for every delay and cell.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::layers::{Linear, Stack};
use super::noise::Noise;
use super::ops::tables::{self, Outputs};
use super::reach::Reach;
use super::wiring::{HeadCounts, Wiring};
use crate::behavior::{Ethogram, Kind};

/// The last layers, one for pairs and one for single animals.
const OF_PAIRS: &str = "of_pairs";
const OF_SELVES: &str = "of_selves";

/// Where the last layers keep what they know of one behavior at one delay.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutputRow {
    /// Names of the layer's weight and bias among those of a network.
    pub weight: String,
    pub bias: String,
    /// Of both.
    pub row: usize,
}

/// The rows of a network's last layers: by delay, then by behavior.
pub fn output_rows(ethogram: &Ethogram, delays: usize) -> Vec<Vec<OutputRow>> {
    let counts = HeadCounts::of(ethogram);
    let of_delay = |delay: usize| {
        let (mut of_pairs, mut of_selves) = (0, 0);
        let row = |kind: Kind| {
            let (layer, channels, channel) = match kind {
                Kind::OfSelf => (OF_SELVES, counts.of_selves, &mut of_selves),
                Kind::Directed | Kind::Mutual | Kind::Undirected => (OF_PAIRS, counts.of_pairs, &mut of_pairs),
            };
            let row = delay * channels + *channel;
            *channel += 1;
            OutputRow { weight: format!("heads.{layer}.weight"), bias: format!("heads.{layer}.bias"), row }
        };
        ethogram.behaviors().map(|(.., spec)| spec.kind).map(row).collect()
    };
    (0..delays).map(of_delay).collect()
}

/// What heads read, and how wide they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// C
    pub channels: usize,
    pub pair_channels: usize,
    pub head_channels: usize,
}

/// A head for every ordered pair and one for every animal; the mean of both orders of a pair is what mutual and
/// undirected behaviors are read from.
#[derive(Clone, Debug)]
pub struct Heads {
    delays: usize,
    counts: HeadCounts,
    of_pairs: Option<PairHead>,
    /// Hidden and output layer; absent where no behavior is of one animal.
    of_selves: Option<(Linear, Linear)>,
    /// The weights are stored, not trained.
    fixed: bool,
}

#[derive(Clone, Debug)]
struct PairHead {
    /// What the focal animal brings, then what the other one brings.
    animals: Stack,
    pair: Linear,
    out: Linear,
}

impl Heads {
    pub fn new(widths: Widths, counts: HeadCounts, delays: usize, vb: &VarBuilder) -> Result<Self> {
        let Widths { channels, pair_channels, head_channels } = widths;
        let of_pairs = match counts.of_pairs {
            0 => None,
            outputs => Some(PairHead {
                animals: Stack::new(channels, &[("focal", head_channels), ("other", head_channels)], vb)?,
                pair: Linear::new(pair_channels, head_channels, &vb.pp("pair"))?,
                out: Linear::small(head_channels, outputs * delays, &vb.pp(OF_PAIRS))?,
            }),
        };
        let of_selves = match counts.of_selves {
            0 => None,
            outputs => Some((
                Linear::new(channels, head_channels, &vb.pp("alone"))?,
                Linear::small(head_channels, outputs * delays, &vb.pp(OF_SELVES))?,
            )),
        };
        let layers = of_pairs.iter().map(|head: &PairHead| &head.out).chain(of_selves.iter().map(|(_, out)| out));
        let fixed = layers.clone().all(Linear::is_fixed);
        Ok(Self { delays, counts, of_pairs, of_selves, fixed })
    }

    /// animals (B, T, I, C), pairs (B, T, I · J, Cp) → logits (B, T, D, N)
    pub fn apply(&self, animals: &Tensor, pairs: &Tensor, wiring: &Wiring, noise: Option<&Noise>) -> Result<Tensor> {
        let of_pairs = self.of_pairs.as_ref().map(|head| head.apply(animals, pairs, wiring, noise)).transpose()?;
        let of_selves = match &self.of_selves {
            None => None,
            Some((alone, out)) => Some(out.apply(&Noise::drop_some(noise, alone.then_silu(animals)?)?)?),
        };
        if self.fixed { self.read(of_pairs, of_selves, wiring) } else { self.gather(of_pairs, of_selves, wiring) }
    }

    /// (B, T, I · J, D · channels) and (B, T, I, D · channels) → (B, T, D, N)
    fn read(&self, of_pairs: Option<Tensor>, of_selves: Option<Tensor>, wiring: &Wiring) -> Result<Tensor> {
        let flat = |outputs: Tensor| {
            let (b, t, subjects, channels) = outputs.dims4()?;
            outputs.reshape((b * t, subjects * channels))
        };
        let either = of_pairs.as_ref().or(of_selves.as_ref());
        let (b, t) = either.map_or(Ok((0, 0)), |outputs| outputs.dims4().map(|(b, t, ..)| (b, t)))?;
        let outputs = match (of_pairs, of_selves) {
            (Some(pairs), Some(selves)) => Tensor::cat(&[flat(pairs)?, flat(selves)?], 1)?,
            (Some(one), None) | (None, Some(one)) => flat(one)?,
            (None, None) => candle_core::bail!("a network without outputs"),
        };
        let layout = Outputs {
            pairs: if self.counts.of_pairs > 0 { wiring.individuals * (wiring.individuals - 1) } else { 0 },
            delays: self.delays,
            of_pairs: self.counts.of_pairs,
            of_selves: self.counts.of_selves,
        };
        let logits = tables::read(&outputs, &wiring.sources, layout)?;
        logits.reshape((b, t, self.delays, wiring.sources.len()))
    }

    /// The same, of operations that have gradients.
    fn gather(&self, of_pairs: Option<Tensor>, of_selves: Option<Tensor>, wiring: &Wiring) -> Result<Tensor> {
        let mut outputs = Vec::with_capacity(3);
        if let Some(logits) = of_pairs {
            let (b, t, ordered, _) = logits.dims4()?;
            let logits = logits.reshape((b, t, ordered, self.delays, self.counts.of_pairs))?;
            let both = (logits.index_select(&wiring.forth, 2)? + logits.index_select(&wiring.back, 2)?)?;
            outputs.push(by_delay(&logits)?);
            outputs.push(by_delay(&(both * 0.5)?)?);
        }
        if let Some(logits) = of_selves {
            let (b, t, i, _) = logits.dims4()?;
            outputs.push(by_delay(&logits.reshape((b, t, i, self.delays, self.counts.of_selves))?)?);
        }
        Tensor::cat(&outputs, 3)?.index_select(&wiring.cells, 3)
    }
}

impl PairHead {
    /// animals (B, T, I, C), pairs (B, T, I · J, Cp) → (B, T, I · J, D · channels)
    fn apply(&self, animals: &Tensor, pairs: &Tensor, wiring: &Wiring, noise: Option<&Noise>) -> Result<Tensor> {
        let (b, t, i, _) = animals.dims4()?;
        let brought = self.animals.apply(animals)?;
        let hidden = brought.dim(3)? / 2;
        let of_pairs = if self.out.is_fixed() {
            tables::of_pairs(&brought.reshape((b * t * i, 2 * hidden))?, i)?
        } else {
            let half = |first: usize| brought.narrow(3, first, hidden)?.contiguous();
            (half(0)?.index_select(&wiring.focal, 2)? + half(hidden)?.index_select(&wiring.other, 2)?)?
        };
        let of_pairs = of_pairs.reshape((b, t, i * (i - 1), hidden))?;
        let hidden = self.pair.onto_then_silu(&of_pairs, pairs)?;
        self.out.apply(&Noise::drop_some(noise, hidden)?)
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
