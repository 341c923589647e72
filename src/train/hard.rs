//! Where the loss was high lately: part of a run's state, so that a resumed run draws the windows that an uninterrupted
//! one would have.
//!
//! Recordings are cut into bins of [`BIN_TICKS`]. A bin has a running mean of the focal loss of the labelled cells that
//! crops showed of it, without class weights: rare behaviors have a pool of their own. What is known of a bin fades with
//! the steps since it was last looked at, or those of the first steps, when nothing was known, would be drawn for ever.
//!
//! ```text
//! mean(bin)   ← (1 − α)·mean(bin) + α·(mean of this step)        α = 0.5, and 1 at the first time
//! weight(bin) = mean(bin) · 2^(−steps since it was seen / 500)
//! ```

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// Eight seconds: a few bouts, a quarter of a crop.
pub const BIN_TICKS: usize = 256;

/// How far a new mean moves the running one.
const NOVELTY: f64 = 0.5;

/// Steps after which half of what was known of a bin is forgotten.
const FADING_STEPS: f64 = 500.0;

/// The losses of a step's cells in a bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BinLoss {
    /// Session and bin.
    at: (usize, usize),
    sum: f64,
    cells: u32,
}

impl BinLoss {
    /// Adds the loss of a cell at (session, tick). Crops are gone through tick by tick, so that its bin is among the last.
    pub fn gather(losses: &mut Vec<Self>, (session, tick): (usize, usize), loss: f64) {
        let at = (session, tick / BIN_TICKS);
        match losses.iter_mut().rev().find(|known| known.at == at) {
            Some(known) => (known.sum, known.cells) = (known.sum + loss, known.cells + 1),
            None => losses.push(Self { at, sum: loss, cells: 1 }),
        }
    }
}

/// Running losses of the bins that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HardBins {
    /// By ascending session and place.
    bins: Vec<Bin>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bin {
    session: usize,
    /// In bins from the beginning of the session.
    place: usize,
    mean: f64,
    /// The last in which it was seen.
    step: u32,
}

impl Bin {
    fn weight(&self, step: u32) -> f64 {
        self.mean * (-f64::from(step.saturating_sub(self.step)) / FADING_STEPS).exp2()
    }
}

impl HardBins {
    /// Takes in the losses of a step. A loss that is no finite number is left out.
    pub fn observe(&mut self, step: u32, losses: Vec<BinLoss>) {
        let mut by_bin = BTreeMap::<_, (f64, u32)>::new();
        for loss in losses {
            let (sum, cells) = by_bin.entry(loss.at).or_default();
            (*sum, *cells) = (*sum + loss.sum, *cells + loss.cells);
        }
        for ((session, place), (sum, cells)) in by_bin {
            let mean = sum / f64::from(cells.max(1));
            if !mean.is_finite() {
                continue;
            }
            match self.bins.binary_search_by_key(&(session, place), |bin| (bin.session, bin.place)) {
                Ok(at) => {
                    let bin = &mut self.bins[at];
                    bin.mean += NOVELTY * (mean - bin.mean);
                    bin.step = step;
                }
                Err(at) => self.bins.insert(at, Bin { session, place, mean, step }),
            }
        }
    }

    /// Session and first tick of a bin, drawn in proportion to its weight at `step`; `None` where none has any.
    pub fn draw(&self, step: u32, rng: &mut StdRng) -> Option<(usize, usize)> {
        let total: f64 = self.bins.iter().map(|bin| bin.weight(step)).sum();
        let mut left = rng.random::<f64>() * total;
        let mut candidates = self.bins.iter().filter(|bin| bin.weight(step) > 0.0).peekable();
        while let Some(bin) = candidates.next() {
            left -= bin.weight(step);
            // The last takes what rounding leaves.
            if left < 0.0 || candidates.peek().is_none() {
                return Some((bin.session, bin.place * BIN_TICKS));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn seen(losses: &[(usize, usize, f64)]) -> Vec<BinLoss> {
        let mut gathered = Vec::new();
        for &(session, tick, loss) in losses {
            BinLoss::gather(&mut gathered, (session, tick), loss);
        }
        gathered
    }

    #[test]
    fn bins_are_drawn_in_proportion_to_their_mean_loss() {
        let mut hard = HardBins::default();
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(hard.draw(0, &mut rng), None, "nothing is known yet");
        // Two cells of one bin count by their mean.
        hard.observe(0, seen(&[(0, 10, 0.2), (1, 300, 2.0), (1, 511, 4.0), (2, 0, 0.8), (2, 600, 0.0)]));
        let mut counts = BTreeMap::<_, u32>::new();
        (0..10_000).for_each(|_| *counts.entry(hard.draw(0, &mut rng).unwrap()).or_default() += 1);
        for (at, share) in [((0, 0), 0.05), ((1, 256), 0.75), ((2, 0), 0.2)] {
            let got = f64::from(counts.remove(&at).unwrap()) / 1e4;
            // Five standard errors of the greatest.
            assert!((got - share).abs() < 0.022, "{at:?}: {got}, expected {share}");
        }
        assert!(counts.is_empty(), "{counts:?}: a bin without loss is not drawn");
    }

    #[test]
    fn what_is_known_of_a_bin_follows_its_loss_and_fades() {
        let mut hard = HardBins::default();
        hard.observe(7, seen(&[(0, 0, 4.0)]));
        assert_eq!(hard.bins[0].weight(7), 4.0);
        assert_eq!(hard.bins[0].weight(507), 2.0);
        hard.observe(9, seen(&[(0, 255, 1.0)]));
        assert_eq!((hard.bins[0].mean, hard.bins[0].step), (2.5, 9));
        hard.observe(10, seen(&[(0, 0, f64::NAN)]));
        assert_eq!((hard.bins[0].mean, hard.bins[0].step), (2.5, 9));
    }

    #[test]
    fn a_state_that_was_saved_draws_as_the_one_that_was_not() {
        let mut hard = HardBins::default();
        let losses: Vec<_> = (0..50).map(|index| (index % 3, index * 997, (index as f64 * 0.37).sin().abs())).collect();
        hard.observe(3, seen(&losses));
        let back: HardBins = serde_json::from_slice(&serde_json::to_vec_pretty(&hard).unwrap()).unwrap();
        assert_eq!(back, hard);
        let draws = |hard: &HardBins| {
            let mut rng = StdRng::seed_from_u64(5);
            (0..100).map(|_| hard.draw(11, &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(draws(&back), draws(&hard));
    }
}
