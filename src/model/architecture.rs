//! The sizes of a network: they lie beside its weights, in `model.toml`, never in a run's configuration.

use serde::{Deserialize, Serialize};

use super::ops::kernels::LANES;
use crate::features;
use crate::time::WINDOW_TICKS;

/// Widths, windows and kernels of an HHSTF.
///
/// # The reach budget (ticks; a half-rate step is two)
///
/// ```text
/// features             longest mean 60 + held heading 10          70
/// entry block          window + kernel − 2                        23
/// reduce               kernel − 1, and one for the parity          3
/// middle blocks        2 · (window + kernel − 2) each       42 + 346
/// exit block           window + kernel − 2                        23
///                                                         sum ≤ 512
/// ```
///
/// With statistics, features reach 310 ticks (the oldest sample of ten seconds 294, a lag and a held heading 15), and the
/// wide block 48 half-rate steps instead of 168: 507 in all.
///
/// The figures are those of [`Architecture::default`]; [`Architecture::receptive_field`] adds up any other, and an
/// architecture that reaches further than [`WINDOW_TICKS`] is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// C of the keypoint graph.
    pub node_channels: usize,
    pub node_heads: usize,
    /// Learned queries that pool keypoints into an animal.
    pub pool_queries: usize,
    /// Channels into which the relational features of a pair are encoded.
    pub pair_channels: usize,
    /// C of the backbone: one vector for each animal and tick.
    pub channels: usize,
    pub heads: usize,
    /// Hidden width of the feed-forward modules, as a multiple of `channels`.
    pub expansion: usize,
    /// The block before the half-rate middle.
    pub entry: BlockShape,
    /// Taps of the reducing convolution.
    pub reduce_kernel: usize,
    /// The half-rate blocks; one of them is the wide one.
    pub middle: Vec<BlockShape>,
    /// The block after the half-rate middle.
    pub exit: BlockShape,
    /// Hidden width of the pair and self heads.
    pub head_channels: usize,
    /// Whether the network is given statistics of signals over long windows, see [`features`].
    #[serde(default)]
    pub statistics: bool,
}

/// Steps that a block's attention and convolution see, at the block's own rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockShape {
    pub window: usize,
    pub kernel: usize,
}

impl BlockShape {
    pub fn receptive_field(self) -> usize {
        self.window + self.kernel - 1
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArchitectureError {
    #[error(
        "architecture.{key}: expected a multiple of {divisor} up to 4096 (vector lanes, and heads where there are), got {got}"
    )]
    Width { key: &'static str, divisor: usize, got: usize },
    #[error("architecture.{key}: expected {min} to {max}, got {got}")]
    Bound { key: &'static str, min: usize, max: usize, got: usize },
    #[error("architecture.{key}: expected a power of two, got {got}")]
    PowerOfTwo { key: &'static str, got: usize },
    #[error("the network reaches {got} ticks back, expected at most {WINDOW_TICKS}")]
    Reach { got: usize },
}

impl Default for Architecture {
    fn default() -> Self {
        Self {
            node_channels: 32,
            node_heads: 4,
            pool_queries: 4,
            pair_channels: 64,
            channels: 96,
            heads: 4,
            expansion: 2,
            entry: BlockShape { window: 16, kernel: 9 },
            reduce_kernel: 3,
            middle: vec![BlockShape { window: 16, kernel: 7 }, BlockShape { window: 168, kernel: 7 }],
            exit: BlockShape { window: 16, kernel: 9 },
            head_channels: 96,
            statistics: false,
        }
    }
}

impl Architecture {
    /// Ticks, the newest included, that a verdict depends on: features, convolutions and attention windows, at the
    /// worse half-rate parity.
    pub fn receptive_field(&self) -> usize {
        let middle: usize = self.middle.iter().map(|block| 2 * (block.receptive_field() - 1)).sum();
        let held_half_step = 1;
        self.features_reach()
            + (self.entry.receptive_field() - 1)
            + (self.reduce_kernel - 1)
            + held_half_step
            + middle
            + (self.exit.receptive_field() - 1)
    }

    /// Ticks, the newest included, that what the network is given depends on.
    pub fn features_reach(&self) -> usize {
        if self.statistics { features::STATISTICS_REACH_TICKS } else { features::REACH_TICKS }
    }

    /// # Errors
    /// Widths that heads or vector lanes do not divide, empty or absurd sizes, and a reach above [`WINDOW_TICKS`].
    pub fn check(&self) -> Result<(), ArchitectureError> {
        let bound = |key, got, min, max| {
            if (min..=max).contains(&got) { Ok(()) } else { Err(ArchitectureError::Bound { key, min, max, got }) }
        };
        bound("node_heads", self.node_heads, 1, 64)?;
        bound("heads", self.heads, 1, 64)?;
        bound("pool_queries", self.pool_queries, 1, 64)?;
        bound("expansion", self.expansion, 1, 16)?;
        bound("reduce_kernel", self.reduce_kernel, 1, WINDOW_TICKS)?;
        bound("middle (blocks)", self.middle.len(), 1, 32)?;
        for block in [&self.entry, &self.exit].into_iter().chain(&self.middle) {
            bound("window", block.window, 1, WINDOW_TICKS)?;
            bound("kernel", block.kernel, 1, WINDOW_TICKS)?;
        }
        check_width("node_channels", self.node_channels, LANES * self.node_heads)?;
        check_width("channels", self.channels, LANES * self.heads)?;
        check_widths(self.channels, self.pair_channels, self.head_channels)?;
        match self.receptive_field() {
            got if got > WINDOW_TICKS => Err(ArchitectureError::Reach { got }),
            _ => Ok(()),
        }
    }
}

/// Widths that are fit for vector lanes.
pub(super) fn check_widths(channels: usize, of_pairs: usize, of_heads: usize) -> Result<(), ArchitectureError> {
    check_width("channels", channels, LANES)?;
    check_width("pair_channels", of_pairs, LANES)?;
    check_width("head_channels", of_heads, LANES)
}

fn check_width(key: &'static str, got: usize, divisor: usize) -> Result<(), ArchitectureError> {
    if got == 0 || !got.is_multiple_of(divisor) || got > 4096 {
        return Err(ArchitectureError::Width { key, divisor, got });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_fills_the_window() {
        let architecture = Architecture::default();
        assert_eq!(architecture.check(), Ok(()));
        assert_eq!(architecture.receptive_field(), 507);
    }

    #[test]
    fn statistics_take_their_reach_from_the_wide_block() {
        let mut architecture = Architecture { statistics: true, ..Architecture::default() };
        assert!(matches!(architecture.check(), Err(ArchitectureError::Reach { .. })));
        architecture.middle[1].window = 48;
        assert_eq!(architecture.check(), Ok(()));
        assert_eq!(architecture.receptive_field(), 507);
    }

    #[test]
    fn a_longer_reach_is_refused_with_its_length() {
        let mut architecture = Architecture::default();
        architecture.middle[1].window += 3;
        assert_eq!(architecture.check(), Err(ArchitectureError::Reach { got: 513 }));
    }
}
