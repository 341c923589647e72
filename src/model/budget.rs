//! What a tick costs: multiplications and bytes, counted from the architecture.
//!
//! For the default architecture, 9 pair behaviors and 4 delays (the shipped rat model), per tick of one cage:
//!
//! | animals × keypoints | multiply–adds | weights read | state read | state kept |
//! |---|---|---|---|---|
//! | 2 × 5 | 1.10 M | 1.87 MB | 0.21 MB | 0.36 MB |
//! | 2 × 18 | 1.42 M | 1.87 MB | 0.21 MB | 0.36 MB |
//! | 4 × 18 | 3.00 M | 1.87 MB | 0.42 MB | 0.71 MB |
//!
//! What that takes is measured by `cargo bench --bench versus`, and what other architectures would take by its `study`.
//! Half-rate layers count half, as they work every second tick. Weights are read once for all animals and cages that
//! step together; the state is each cage's own.

use super::architecture::{Architecture, BlockShape};
use super::wiring::HeadCounts;
use crate::features::{
    ANCHORS, EDGE_CHANNELS, NODE_CHANNELS, PAIR_CHANNELS, PAIR_STATISTICS, SELF_CHANNELS, SELF_STATISTICS,
};

/// Cost of one tick of one cage, on average over both half-rate parities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Multiply–adds; a multiply–add is two operations.
    pub multiply_adds: f64,
    pub weight_bytes: f64,
    pub state_read_bytes: f64,
    pub state_kept_bytes: f64,
}

/// A linear layer of `input` × `output`: multiply–adds for each row.
fn linear(input: usize, output: usize) -> f64 {
    (input * output) as f64
}

impl Budget {
    pub fn of(
        architecture: &Architecture,
        heads: HeadCounts,
        delays: usize,
        individuals: usize,
        keypoints: usize,
    ) -> Self {
        let pairs = individuals * (individuals - 1);
        let graph = graph_multiply_adds(architecture, individuals, keypoints);
        let verdict = head_multiply_adds(architecture, heads, delays, individuals, pairs);
        let mut budget = Self {
            multiply_adds: graph + verdict,
            // Every weight of graph and heads is used once a row.
            weight_bytes: 4.0 * (graph_weights(architecture) + head_weights(architecture, heads, delays)),
            state_read_bytes: 0.0,
            state_kept_bytes: 0.0,
        };
        budget.add_block(architecture, architecture.entry, 1.0, individuals);
        budget.add_block(architecture, architecture.exit, 1.0, individuals);
        for &block in &architecture.middle {
            budget.add_block(architecture, block, 0.5, individuals);
        }
        // Reduce and recover: a short convolution and two linear layers at half rate.
        let channels = architecture.channels;
        let between = linear(channels, channels) + 0.5 * (architecture.reduce_kernel * channels) as f64;
        budget.multiply_adds += individuals as f64 * between;
        budget.weight_bytes += 4.0 * between;
        budget
    }

    fn add_block(&mut self, architecture: &Architecture, block: BlockShape, rate: f64, individuals: usize) {
        let Architecture { channels, expansion, .. } = *architecture;
        let weights = 4.0 * linear(channels, channels)
            + 4.0 * linear(channels, expansion * channels)
            + 2.0 * linear(channels, channels)
            + (block.kernel * channels) as f64;
        let attention = 2.0 * (block.window * channels) as f64;
        let state = (2 * block.window * channels + block.kernel * channels) as f64;
        self.multiply_adds += rate * individuals as f64 * (weights + attention);
        self.weight_bytes += rate * 4.0 * weights;
        self.state_read_bytes += rate * individuals as f64 * 4.0 * state;
        self.state_kept_bytes += individuals as f64 * 4.0 * state;
    }
}

fn graph_multiply_adds(architecture: &Architecture, individuals: usize, keypoints: usize) -> f64 {
    let Architecture { node_channels: c, pool_queries, pair_channels, channels, expansion, .. } = *architecture;
    let pairs = individuals * (individuals - 1);
    let per_node = linear(NODE_CHANNELS, c)
        + 4.0 * linear(c, c)
        + 2.0 * linear(c, expansion * c)
        + linear(c, 2 * c)
        + (2 * keypoints * c + 2 * pool_queries * c) as f64;
    let per_animal = linear(pool_queries * c, channels)
        + linear(self_channels(architecture), channels)
        + linear(pair_channels, channels)
        + ANCHORS as f64 * (linear(c, c) + linear(c, 2 * c) + linear(c, c));
    let edges = (ANCHORS * ANCHORS) as f64;
    let per_pair =
        linear(pair_inputs(architecture), pair_channels) + edges * (linear(EDGE_CHANNELS, 2 * c) + (2 * c) as f64);
    (individuals * keypoints) as f64 * per_node + individuals as f64 * per_animal + pairs as f64 * per_pair
}

fn graph_weights(architecture: &Architecture) -> f64 {
    let Architecture { node_channels: c, pool_queries, pair_channels, channels, expansion, .. } = *architecture;
    linear(NODE_CHANNELS, c)
        + 4.0 * linear(c, c)
        + 2.0 * linear(c, expansion * c)
        + linear(c, 2 * c)
        + linear(pool_queries * c, channels)
        + linear(self_channels(architecture), channels)
        + linear(pair_channels, channels)
        + 4.0 * linear(c, c)
        + linear(pair_inputs(architecture), pair_channels)
        + linear(EDGE_CHANNELS, 2 * c)
}

/// What an animal and a pair are given by themselves.
fn self_channels(architecture: &Architecture) -> usize {
    SELF_CHANNELS + if architecture.statistics { SELF_STATISTICS } else { 0 }
}

fn pair_inputs(architecture: &Architecture) -> usize {
    PAIR_CHANNELS + if architecture.statistics { PAIR_STATISTICS } else { 0 }
}

fn head_weights(architecture: &Architecture, heads: HeadCounts, delays: usize) -> f64 {
    let Architecture { channels, pair_channels, head_channels, .. } = *architecture;
    let of_pairs = 2.0 * linear(channels, head_channels)
        + linear(pair_channels, head_channels)
        + linear(head_channels, heads.of_pairs * delays);
    let of_selves = linear(channels, head_channels) + linear(head_channels, heads.of_selves * delays);
    (if heads.of_pairs > 0 { of_pairs } else { 0.0 }) + (if heads.of_selves > 0 { of_selves } else { 0.0 })
}

fn head_multiply_adds(
    architecture: &Architecture,
    heads: HeadCounts,
    delays: usize,
    individuals: usize,
    pairs: usize,
) -> f64 {
    let Architecture { channels, pair_channels, head_channels, .. } = *architecture;
    let mut sum = 0.0;
    if heads.of_pairs > 0 {
        sum += individuals as f64 * 2.0 * linear(channels, head_channels);
        sum += pairs as f64 * (linear(pair_channels, head_channels) + linear(head_channels, heads.of_pairs * delays));
    }
    if heads.of_selves > 0 {
        sum += individuals as f64 * (linear(channels, head_channels) + linear(head_channels, heads.of_selves * delays));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table above, printed by `cargo test --release budget -- --nocapture`.
    #[test]
    fn the_table_is_what_the_architecture_costs() {
        let heads = HeadCounts { of_pairs: 9, of_selves: 0 };
        let of = |individuals, keypoints| Budget::of(&Architecture::default(), heads, 4, individuals, keypoints);
        for (individuals, keypoints, millions, kept) in [(2, 5, 1.10, 0.36), (2, 18, 1.42, 0.36), (4, 18, 3.00, 0.71)] {
            let budget = of(individuals, keypoints);
            println!(
                "| {individuals} × {keypoints} | {:.2} M | {:.2} MB | {:.2} MB | {:.2} MB |",
                budget.multiply_adds / 1e6,
                budget.weight_bytes / 1e6,
                budget.state_read_bytes / 1e6,
                budget.state_kept_bytes / 1e6
            );
            assert!((budget.multiply_adds / 1e6 - millions).abs() < 0.005, "{budget:?}");
            assert!((budget.state_kept_bytes / 1e6 - kept).abs() < 0.005, "{budget:?}");
            assert!(budget.state_kept_bytes / (individuals as f64) < 0.5e6, "a cage of two stays under a megabyte");
        }
    }
}
