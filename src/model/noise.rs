//! Dropout from a seeded generator: candle's own has no seed on the CPU.

use std::sync::Mutex;

use candle_core::{Result, Tensor};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The randomness of one training pass. Inference has none.
#[derive(Debug)]
pub struct Noise {
    drop_rate: f32,
    rng: Mutex<StdRng>,
}

impl Noise {
    /// `drop_rate` within [0, 1): the share of activations that are dropped.
    pub fn new(drop_rate: f32, seed: u64) -> Self {
        Self { drop_rate, rng: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// Drops some of `x` and scales up the rest; leaves `x` as it is without noise.
    pub(super) fn drop_some(noise: Option<&Self>, x: Tensor) -> Result<Tensor> {
        match noise {
            Some(noise) => match noise.kept(x.elem_count()) {
                Some(kept) => &x * Tensor::from_vec(kept, x.shape(), x.device())?,
                None => Ok(x),
            },
            None => Ok(x),
        }
    }

    /// What each of so many numbers is multiplied by; `None` where nothing is dropped.
    pub(super) fn kept(&self, count: usize) -> Option<Vec<f32>> {
        if self.drop_rate <= 0.0 {
            return None;
        }
        let kept = 1.0 / (1.0 - self.drop_rate);
        // Sixteen random bits an element are plenty for a rate.
        let limit = (self.drop_rate * f32::from(u16::MAX)) as u16;
        let mut mask = Vec::with_capacity(count + 3);
        let mut rng = self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while mask.len() < count {
            let bits = rng.next_u64();
            for shift in [0, 16, 32, 48] {
                mask.push(if (bits >> shift) as u16 <= limit { 0.0 } else { kept });
            }
        }
        mask.truncate(count);
        Some(mask)
    }
}
