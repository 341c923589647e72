//! Which triggers are shams: drawn before the experiment, and sealed until it is over.
//!
//! Of every [`BLOCK`] triggers of a rule as many are shams as its share says, in an order that only the key tells
//! (permuted blocks, as in clinical trials): the arms stay balanced, however early a session ends, and whoever watches
//! cannot tell what comes next.

use serde::{Deserialize, Serialize};

use super::plan::BLOCK;

/// The key of a session's draws. Whoever knows it knows every sham.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Allocation {
    key: [u8; 32],
}

impl std::fmt::Debug for Allocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Allocation (sealed)")
    }
}

impl Allocation {
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// What may be told of it before the end: that it was this one.
    pub fn commitment(&self) -> String {
        blake3::hash(&self.key).to_hex().to_string()
    }

    /// Whether a trigger of a rule is a sham; triggers are counted from 0.
    pub fn is_sham(&self, rule: &str, trigger: u64, sham_share: f64) -> bool {
        let shams = (sham_share * f64::from(BLOCK)).round() as usize;
        let block = trigger / u64::from(BLOCK);
        let mut order: Vec<usize> = (0..BLOCK as usize).collect();
        let mut draws = self.draws("sham", rule, block);
        // Fisher–Yates; of 64 bits the remainder by 10 is as good as even.
        for last in (1..order.len()).rev() {
            order.swap(last, (next(&mut draws) % (last as u64 + 1)) as usize);
        }
        order[(trigger % u64::from(BLOCK)) as usize] < shams
    }

    /// Whether a trigger is taken, where only a share of them is; opportunities are counted from 0.
    pub fn is_taken(&self, rule: &str, opportunity: u64, probability: f64) -> bool {
        let draw = next(&mut self.draws("taken", rule, opportunity));
        // The upper 53 bits: an even number in [0, 1).
        ((draw >> 11) as f64 / (1_u64 << 53) as f64) < probability
    }

    fn draws(&self, purpose: &str, rule: &str, number: u64) -> blake3::OutputReader {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in [purpose.as_bytes(), rule.as_bytes(), &number.to_le_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize_xof()
    }
}

fn next(draws: &mut blake3::OutputReader) -> u64 {
    let mut bytes = [0; 8];
    draws.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shams(key: u8, share: f64, triggers: u64) -> Vec<bool> {
        let allocation = Allocation::new([key; 32]);
        (0..triggers).map(|trigger| allocation.is_sham("attack", trigger, share)).collect()
    }

    #[test]
    fn every_block_has_the_share_of_shams_in_an_order_of_its_own() {
        for (share, expected) in [(0.0, 0), (0.3, 3), (0.5, 5), (1.0, 10)] {
            let drawn = shams(7, share, 200);
            assert!(drawn.chunks(10).all(|block| block.iter().filter(|sham| **sham).count() == expected), "{share}");
        }
        let drawn = shams(7, 0.5, 200);
        assert!(drawn.chunks(10).collect::<std::collections::HashSet<_>>().len() > 10, "{drawn:?}");
        assert_eq!(drawn, shams(7, 0.5, 200));
        assert_ne!(drawn, shams(8, 0.5, 200));
        // No place in a block is a sham more often than another: of 400 blocks 200, by chance up to about 45 more or less.
        let many = shams(9, 0.5, 4000);
        for place in 0..10 {
            let count = many.iter().skip(place).step_by(10).filter(|sham| **sham).count();
            assert!((155..=245).contains(&count), "place {place}: {count} of 400");
        }
    }

    #[test]
    fn a_share_of_opportunities_is_taken() {
        let allocation = Allocation::new([3; 32]);
        let taken =
            |probability| (0..2000).filter(|number| allocation.is_taken("attack", *number, probability)).count();
        assert_eq!((taken(1.0), taken(0.0)), (2000, 0));
        assert!((500..=700).contains(&taken(0.3)), "{}", taken(0.3));
    }

    #[test]
    fn what_is_printed_of_it_is_not_its_key() {
        let allocation = Allocation::new([0xab; 32]);
        assert!(!format!("{allocation:?}").contains("171") && !allocation.commitment().contains("abab"));
    }
}
