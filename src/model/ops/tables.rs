//! Operations that move rows by index tables and add and normalise them on the way. None has a backward pass; each
//! reference stands where the table is used, in operations that have one.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use super::kernels::{self, Kernel};
use super::linear::Affine;
use super::pointwise::normalise;
use super::ring::Places;
use super::slice;

/// Where the rows of a second operand are added to those of the first.
#[derive(Clone, Debug)]
pub enum Onto {
    /// Row r of the first takes the row of its slot.
    Slots(Arc<Places>),
    /// The second's rows go to these of every `of` rows of the first.
    Rows { rows: Arc<[u32]>, of: usize },
}

/// Layer norm of rows to which others were added.
///
/// # Shapes
/// x (…, C), other (…, C) → as x
pub fn add_then_norm(x: &Tensor, other: &Tensor, onto: Onto, norm: &Arc<Affine>) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&other.contiguous()?, AddThenNorm { onto, norm: Arc::clone(norm) })
}

struct AddThenNorm {
    onto: Onto,
    norm: Arc<Affine>,
}

impl CustomOp2 for AddThenNorm {
    fn name(&self) -> &'static str {
        "add-then-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, other: &CpuStorage, ol: &Layout) -> Result<(CpuStorage, Shape)> {
        let channels = self.norm.scale.len();
        let mut y = slice(x, xl, self.name())?.to_vec();
        let other = slice(other, ol, self.name())?;
        let (count, of_other) = (y.len() / channels, other.len() / channels);
        match &self.onto {
            Onto::Slots(places) => places.check(count, of_other, self.name())?,
            Onto::Rows { rows, of }
                if count / of * rows.len() == of_other && rows.iter().all(|row| *row < *of as u32) => {}
            Onto::Rows { rows, of } => {
                candle_core::bail!("{}: {of_other} rows for {} of every {of} of {count}", self.name(), rows.len())
            }
        }
        kernels::run(AddThenNormKernel { op: self, other, channels, y: &mut y });
        Ok((CpuStorage::F32(y), xl.shape().clone()))
    }
}

struct AddThenNormKernel<'a> {
    op: &'a AddThenNorm,
    other: &'a [f32],
    channels: usize,
    y: &'a mut [f32],
}

impl Kernel for AddThenNormKernel<'_> {
    #[inline(always)]
    fn call(self) {
        let Self { op, other, channels, y } = self;
        let mut add = |to: usize, from: usize| {
            let from = &other[from * channels..][..channels];
            for (y, other) in y[to * channels..][..channels].iter_mut().zip(from) {
                *y += other;
            }
        };
        match &op.onto {
            Onto::Slots(places) => {
                for (row, slot) in places.slots.iter().enumerate() {
                    add(row, *slot as usize);
                }
            }
            Onto::Rows { rows, of } => {
                for from in 0..other.len() / channels {
                    add(from / rows.len() * of + rows[from % rows.len()] as usize, from);
                }
            }
        }
        normalise(y, &op.norm.scale, &op.norm.shift);
    }
}

/// For every ordered pair, what its focal animal and its other animal bring: the first half of the focal's channels plus
/// the second half of the other's.
///
/// # Shapes
/// animals (n · I, 2C) → (n · I · J, C)
pub fn of_pairs(animals: &Tensor, individuals: usize) -> Result<Tensor> {
    animals.contiguous()?.apply_op1(OfPairs { individuals })
}

struct OfPairs {
    individuals: usize,
}

impl CustomOp1 for OfPairs {
    fn name(&self) -> &'static str {
        "of-pairs"
    }

    fn cpu_fwd(&self, animals: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, both) = layout.shape().dims2()?;
        let (channels, others) = (both / 2, self.individuals - 1);
        let animals = slice(animals, layout, self.name())?;
        let mut pairs = Vec::with_capacity(rows * others * channels);
        for focal in 0..rows {
            let first = focal / self.individuals * self.individuals;
            for place in first..first + others {
                let other = place + usize::from(place >= focal);
                let of_focal = &animals[focal * both..][..channels];
                let of_other = &animals[other * both + channels..][..channels];
                pairs.extend(of_focal.iter().zip(of_other).map(|(a, b)| a + b));
            }
        }
        Ok((CpuStorage::F32(pairs), Shape::from((rows * others, channels))))
    }
}

/// Which outputs of the heads a score is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The mean over both places among the ordered pairs; one place twice where the behavior is directed.
    Pairs {
        places: [u32; 2],
        channel: u32,
    },
    Animal {
        place: u32,
        channel: u32,
    },
}

/// How the outputs of the heads lie in a row: ordered pairs × delays × channels, then animals × delays × channels.
#[derive(Clone, Copy, Debug)]
pub struct Outputs {
    pub pairs: usize,
    pub delays: usize,
    pub of_pairs: usize,
    pub of_selves: usize,
}

impl Outputs {
    fn columns(&self, delay: usize, source: Source) -> [usize; 2] {
        match source {
            Source::Pairs { places, channel } => {
                places.map(|pair| (pair as usize * self.delays + delay) * self.of_pairs + channel as usize)
            }
            Source::Animal { place, channel } => {
                let selves = self.pairs * self.delays * self.of_pairs;
                [selves + (place as usize * self.delays + delay) * self.of_selves + channel as usize; 2]
            }
        }
    }
}

/// The logits of every delay and source.
///
/// # Shapes
/// outputs (n, …) as [`Outputs`] says, N sources → (n, D, N)
pub fn read(outputs: &Tensor, sources: &Arc<[Source]>, layout: Outputs) -> Result<Tensor> {
    outputs.contiguous()?.apply_op1(Read { sources: Arc::clone(sources), layout })
}

struct Read {
    sources: Arc<[Source]>,
    layout: Outputs,
}

impl CustomOp1 for Read {
    fn name(&self) -> &'static str {
        "read-outputs"
    }

    fn cpu_fwd(&self, outputs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let delays = self.layout.delays;
        let last = |source: &Source| self.layout.columns(delays - 1, *source).into_iter().max().unwrap_or(0);
        if let Some(beyond) = self.sources.iter().map(last).find(|column| *column >= width) {
            candle_core::bail!("{}: expected columns under {width}, got {beyond}", self.name());
        }
        let outputs = slice(outputs, layout, self.name())?;
        let mut logits = Vec::with_capacity(rows * delays * self.sources.len());
        for row in outputs.chunks_exact(width) {
            for delay in 0..delays {
                let columns = self.sources.iter().map(|source| self.layout.columns(delay, *source));
                logits.extend(columns.map(|[a, b]| (row[a] + row[b]) * 0.5));
            }
        }
        Ok((CpuStorage::F32(logits), Shape::from((rows, delays, self.sources.len()))))
    }
}
