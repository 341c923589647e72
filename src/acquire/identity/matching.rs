//! Which instance is which animal: sums and maxima over every assignment at once.

use crate::skeleton::INDIVIDUALS_MAX;

/// A weight is at most this many nats below the largest of its instance. With [`INDIVIDUALS_MAX`] instances no product
/// of weights lies under e⁻⁴⁸⁰, so sums of products stay far from the smallest `f64`.
const NATS_MAX: f64 = 60.0;

/// Assignments of M instances to I slots, M ≤ I, each instance to a slot of its own; what is left over is absent.
///
/// The weight of an assignment is the product of its weights. Dynamic programming over the 2^I sets of slots gives the
/// sum over all assignments, its share for every (slot, instance), and the heaviest assignment: exactly, in
/// O(2^I · I) steps.
#[derive(Clone, Debug)]
pub(super) struct Matching {
    slots: usize,
    instances: usize,
    /// By instance, then slot.
    weights: [[f64; INDIVIDUALS_MAX]; INDIVIDUALS_MAX],
    marginals: [[f64; INDIVIDUALS_MAX]; INDIVIDUALS_MAX],
    /// By set of slots (a bit each) that the first instances fill, as many as the set has members: the sum over ways to
    /// fill it, the weight of the heaviest way, and the sum over ways for the other instances to fill other slots.
    before: Vec<f64>,
    heaviest: Vec<f64>,
    after: Vec<f64>,
}

impl Matching {
    pub(super) fn new(slots: usize) -> Self {
        let sets = vec![0.0; 1 << slots];
        let table = [[0.0; INDIVIDUALS_MAX]; INDIVIDUALS_MAX];
        Self {
            slots,
            instances: 0,
            weights: table,
            marginals: table,
            before: sets.clone(),
            heaviest: sets.clone(),
            after: sets,
        }
    }

    /// Weighs all assignments of `instances` instances. `log_weight` of (slot, instance) is finite and relative to the
    /// slot's being absent.
    pub(super) fn solve(&mut self, instances: usize, log_weight: impl Fn(usize, usize) -> f64) {
        self.instances = instances;
        for (instance, row) in self.weights[..instances].iter_mut().enumerate() {
            let row = &mut row[..self.slots];
            for (slot, weight) in row.iter_mut().enumerate() {
                *weight = log_weight(slot, instance);
            }
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for weight in row {
                *weight = (*weight - largest).max(-NATS_MAX).exp();
            }
        }
        self.sum_before();
        self.sum_after();
        self.sum_marginals();
    }

    /// The probability that a slot takes an instance, under all assignments.
    pub(super) fn marginal(&self, slot: usize, instance: usize) -> f64 {
        self.marginals[instance][slot]
    }

    /// The heaviest assignment: for every instance its slot. Among equal ones that which gives the last instance the
    /// lowest slot, then the one before it, and so on.
    pub(super) fn best(&self) -> [usize; INDIVIDUALS_MAX] {
        let mut slot_of = [0; INDIVIDUALS_MAX];
        let mut filled = 0;
        for (set, &weight) in self.heaviest.iter().enumerate() {
            if size(set) == self.instances && (size(filled) != self.instances || weight > self.heaviest[filled]) {
                filled = set;
            }
        }
        for instance in (0..self.instances).rev() {
            let mut chosen: Option<(usize, f64)> = None;
            for slot in members(filled) {
                let weight = self.heaviest[filled & !(1 << slot)] * self.weights[instance][slot];
                if chosen.is_none_or(|(_, heaviest)| weight > heaviest) {
                    chosen = Some((slot, weight));
                }
            }
            if let Some((slot, _)) = chosen {
                slot_of[instance] = slot;
                filled &= !(1 << slot);
            }
        }
        slot_of
    }

    fn sum_before(&mut self) {
        (self.before[0], self.heaviest[0]) = (1.0, 1.0);
        for set in 1..1 << self.slots {
            if size(set) > self.instances {
                continue;
            }
            let weights = &self.weights[size(set) - 1];
            let (mut sum, mut heaviest) = (0.0, 0.0_f64);
            for slot in members(set) {
                let rest = set & !(1 << slot);
                sum += self.before[rest] * weights[slot];
                heaviest = heaviest.max(self.heaviest[rest] * weights[slot]);
            }
            (self.before[set], self.heaviest[set]) = (sum, heaviest);
        }
    }

    fn sum_after(&mut self) {
        let all = (1 << self.slots) - 1;
        for set in (0..=all).rev() {
            self.after[set] = if size(set) >= self.instances {
                1.0
            } else {
                let weights = &self.weights[size(set)];
                members(all & !set).map(|slot| weights[slot] * self.after[set | 1 << slot]).sum()
            };
        }
    }

    fn sum_marginals(&mut self) {
        let all: usize = (1 << self.slots) - 1;
        for row in &mut self.marginals[..self.instances] {
            row.fill(0.0);
        }
        for set in 0..=all {
            let instance = size(set);
            if instance >= self.instances {
                continue;
            }
            for slot in members(all & !set) {
                let way = self.before[set] * self.weights[instance][slot] * self.after[set | 1 << slot];
                self.marginals[instance][slot] += way;
            }
        }
        // Every assignment places every instance once, so each row sums to the sum over all assignments.
        for row in &mut self.marginals[..self.instances] {
            let total: f64 = row[..self.slots].iter().sum();
            for marginal in &mut row[..self.slots] {
                *marginal /= total;
            }
        }
    }
}

fn size(set: usize) -> usize {
    set.count_ones() as usize
}

fn members(set: usize) -> impl Iterator<Item = usize> {
    let mut rest = set;
    std::iter::from_fn(move || {
        let slot = rest.trailing_zeros() as usize;
        (rest != 0).then(|| {
            rest &= rest - 1;
            slot
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every way to give `instances` instances different slots.
    fn assignments(slots: usize, instances: usize) -> Vec<Vec<usize>> {
        let mut ways = vec![Vec::new()];
        for _ in 0..instances {
            ways = ways
                .iter()
                .flat_map(|way: &Vec<usize>| (0..slots).map(move |slot| (way, slot)))
                .filter(|(way, slot)| !way.contains(slot))
                .map(|(way, slot)| way.iter().copied().chain([slot]).collect())
                .collect();
        }
        ways
    }

    proptest! {
        #[test]
        fn sums_and_maxima_equal_those_over_all_assignments_one_by_one(
            slots in 1_usize..=5,
            left_out in 0_usize..=5,
            log_weights in prop::collection::vec(-20.0..20.0_f64, 25),
        ) {
            let instances = slots.saturating_sub(left_out);
            let log_weight = |slot: usize, instance: usize| log_weights[slot * 5 + instance];
            let mut matching = Matching::new(slots);
            matching.solve(instances, log_weight);

            let ways = assignments(slots, instances);
            let log_of = |way: &[usize]| -> f64 { way.iter().enumerate().map(|(i, &slot)| log_weight(slot, i)).sum() };
            let heaviest = ways.iter().map(|way| log_of(way)).fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = ways.iter().map(|way| (log_of(way) - heaviest).exp()).sum();
            // A handful of roundings on each side.
            prop_assert!((log_of(&matching.best()[..instances]) - heaviest).abs() < 1e-9);
            for slot in 0..slots {
                for instance in 0..instances {
                    let through = ways.iter().filter(|way| way[instance] == slot);
                    let share = through.map(|way| (log_of(way) - heaviest).exp()).sum::<f64>() / total;
                    prop_assert!((matching.marginal(slot, instance) - share).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn the_largest_cage_does_not_underflow() {
        let mut matching = Matching::new(INDIVIDUALS_MAX);
        // All want slot 0, and everything else is as unlikely as it can be.
        matching.solve(INDIVIDUALS_MAX, |slot, _| if slot == 0 { 1e4 } else { -1e4 });
        for slot in 0..INDIVIDUALS_MAX {
            for instance in 0..INDIVIDUALS_MAX {
                assert!((matching.marginal(slot, instance) - 1.0 / INDIVIDUALS_MAX as f64).abs() < 1e-12);
            }
        }
        let mut slots = matching.best();
        slots.sort_unstable();
        assert_eq!(slots, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
