//! What all systems have in common: features in, logits out, by whole sequences or tick by tick.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::inputs::Inputs;
use super::ops::ring::Places;
use super::wiring::Wiring;

/// What turns the features of cages into verdicts. It is immutable; what it remembers of animals is in [`Streams`].
pub trait System: Debug + Send + Sync {
    /// Logits (B, T, D, N) of whole sequences from their beginning.
    fn forward(&self, inputs: &Inputs, wiring: &Wiring) -> Result<Tensor>;

    /// Room for so many animals, on the device on which the system lies.
    fn open(&self, slots: usize) -> Result<Box<dyn Streams>>;

    /// Where its inputs have to be.
    fn device(&self) -> &Device;

    /// Ticks, the newest included, that a verdict depends on, features included.
    fn receptive_field(&self) -> usize;

    /// A verdict depends on those ticks and on the number of ticks before them modulo this: a part of the system may work
    /// at every second tick only, or begin anew every few.
    fn period_ticks(&self) -> u64;
}

/// A system with what it remembers of animals, each in a slot of its own. What is remembered is written in place.
pub trait Streams: Debug + Send + Sync {
    /// Logits (B, 1, D, N) of the next tick of B cages that may be at different positions. `places` are those of all
    /// animals, cage after cage; a cage's result does not depend on the others.
    ///
    /// # Errors
    /// Inputs of more or fewer than one tick, and places that are not one for each animal.
    fn step(&self, inputs: &Inputs, wiring: &Wiring, places: &Arc<Places>) -> Result<Tensor>;

    /// Makes a slot ready for an animal whose first tick comes next.
    fn clear(&self, slot: u32) -> Result<()>;
}

/// Refuses inputs of more or fewer than one tick, and places that are not one for each animal.
pub(super) fn check_step(inputs: &Inputs, places: &Places) -> Result<()> {
    let (cages, ticks, individuals, ..) = inputs.nodes.dims5()?;
    if ticks != 1 {
        candle_core::bail!("a step takes inputs of one tick, got {ticks}");
    }
    if places.len() != cages * individuals {
        candle_core::bail!("expected places for {cages} × {individuals} animals, got {}", places.len());
    }
    Ok(())
}
