//! The memory of layers for many streams that step together: a slab with a row for each slot, written in place.

use std::sync::Arc;

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor};

use super::{runs_fused, slice, slice_mut};

/// Where the rows of a step belong: row r is the tick `positions[r]` of the stream in slot `slots[r]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub slots: Vec<u32>,
    /// Ticks that each stream took before this one, at the rate of the layer.
    pub positions: Vec<u64>,
}

impl Places {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The streams of `slots` slots from the first on, all at one position.
    pub fn in_step(slots: usize, position: u64) -> Arc<Self> {
        Arc::new(Self { slots: (0..slots as u32).collect(), positions: vec![position; slots] })
    }

    /// The places whose position is of a kind.
    pub fn filter(&self, is_due: impl Fn(u64) -> bool) -> Arc<Self> {
        let due = self.slots.iter().copied().zip(self.positions.iter().copied());
        let (slots, positions) = due.filter(|(_, position)| is_due(*position)).unzip();
        Arc::new(Self { slots, positions })
    }

    /// The same slots at other positions.
    pub fn map(&self, position: impl Fn(u64) -> u64) -> Arc<Self> {
        Arc::new(Self {
            slots: self.slots.clone(),
            positions: self.positions.iter().map(|own| position(*own)).collect(),
        })
    }

    /// Slot and position of every row.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.slots.iter().map(|slot| *slot as usize).zip(self.positions.iter().copied())
    }

    /// Refuses rows without a place, and places outside of a slab of `capacity` slots.
    pub(super) fn check(&self, rows: usize, capacity: usize, operation: &'static str) -> Result<()> {
        if rows != self.len() || self.positions.len() != self.len() {
            candle_core::bail!("{operation}: expected {} rows, got {rows}", self.len());
        }
        if let Some(beyond) = self.slots.iter().find(|slot| **slot as usize >= capacity) {
            candle_core::bail!("{operation}: expected slots under {capacity}, got {beyond}");
        }
        Ok(())
    }
}

/// Writes the row of every place into its ring, over the oldest: tick p lies at p mod `length`.
///
/// # Shapes
/// slab (slots, length · C), rows (S, …) of C numbers each
pub fn put(slab: &Tensor, rows: &Tensor, places: &Arc<Places>, length: usize) -> Result<()> {
    let channels = slab.dim(1)? / length;
    let rows = rows.reshape((places.len(), channels))?.contiguous()?;
    if runs_fused(slab) {
        slab.inplace_op2(&rows, &Put { places, length })
    } else {
        put_plain(slab, &rows, places, length, length)
    }
}

/// The same of one operation of candle's, for other devices; rows (S, C). A slot has room for `stride` rows, of which
/// its ring takes `length`.
pub(super) fn put_plain(slab: &Tensor, rows: &Tensor, places: &Places, length: usize, stride: usize) -> Result<()> {
    let ((capacity, size), (count, channels)) = (slab.dims2()?, rows.dims2()?);
    places.check(count, capacity, "ring-put")?;
    let at = places.iter().map(|(slot, position)| (slot * stride) as u32 + (position % length as u64) as u32);
    // One index a number: on a GPU each channel is then a thread of its own, and what is uploaded is small.
    let at: Vec<u32> = at.flat_map(|at| std::iter::repeat_n(at, channels)).collect();
    let at = Tensor::from_vec(at, (count, channels), slab.device())?;
    slab.reshape((capacity * size / channels, channels))?.scatter_set(&at, rows, 0)
}

struct Put<'a> {
    places: &'a Places,
    length: usize,
}

impl InplaceOp2 for Put<'_> {
    fn name(&self) -> &'static str {
        "ring-put"
    }

    fn cpu_fwd(&self, slab: &mut CpuStorage, sl: &Layout, rows: &CpuStorage, rl: &Layout) -> Result<()> {
        let ((capacity, size), (count, channels)) = (sl.shape().dims2()?, rl.shape().dims2()?);
        self.places.check(count, capacity, self.name())?;
        let rows = slice(rows, rl, self.name())?;
        let slab = slice_mut(slab, sl, self.name())?;
        for ((slot, position), row) in self.places.iter().zip(rows.chunks_exact(channels)) {
            let at = slot * size + (position % self.length as u64) as usize * channels;
            slab[at..at + channels].copy_from_slice(row);
        }
        Ok(())
    }
}
