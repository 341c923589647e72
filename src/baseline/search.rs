//! Coordinate descent over the thresholds of one rule.

use super::rules::{Condition, Side};

/// Thresholds that are tried for a condition: quantiles of its quantity where the behavior happened, as many over all
/// ticks, and the written one.
const QUANTILES: usize = 16;

/// Passes over the conditions of a rule, from each of two starts. So a rule of 5 conditions costs at most
/// 2 × 4 × 5 scans of its rows, each of which tries 33 thresholds.
const ROUNDS_MAX: usize = 4;

/// Quantiles are read off about this many values.
const QUANTILE_VALUES: usize = 20_000;

/// Stands for *passes no threshold that is tried*.
const NEVER: u8 = u8::MAX;

/// What a rule's conditions read at labelled ticks, beside the truth.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Entries × conditions: an entry is an order in which a row is read.
    pub values: Vec<f32>,
    /// By row, the entry after its last.
    pub ends: Vec<usize>,
    /// By row.
    pub truth: Vec<bool>,
    /// All entries of a row have to hold; otherwise one does.
    pub every: bool,
}

/// The conditions with thresholds of the best frame F1 that the descent finds. It begins at the written thresholds, and
/// once more at the widest that are tried: where a lab's scale is another the written ones may hold nowhere, and no
/// single step would mend that. Written conditions come back where the behavior never happens in `rows` and where
/// nothing that is tried finds it.
pub fn descend(written: &[Condition], rows: &Rows) -> Vec<Condition> {
    if written.is_empty() || !rows.truth.contains(&true) {
        return written.to_vec();
    }
    let cuts: Vec<Vec<f32>> = written.iter().enumerate().map(|(at, one)| cuts(*one, at, written.len(), rows)).collect();
    let search = Search::new(written, &cuts, rows);
    let as_written = written.iter().zip(&cuts).map(|(condition, cuts)| {
        let at = cuts.iter().position(|cut| *cut == condition.threshold);
        at.unwrap_or(0) as u8
    });
    let widest = cuts.iter().map(|cuts| cuts.len() as u8 - 1);
    let (first, second) = (search.run(as_written.collect()), search.run(widest.collect()));
    let (f1, best) = if second.0 > first.0 { second } else { first };
    let moved = written.iter().zip(&cuts).zip(best).map(|((condition, cuts), at)| {
        let threshold = if f1 > 0.0 { cuts[usize::from(at)] } else { condition.threshold };
        Condition { threshold, ..*condition }
    });
    moved.collect()
}

/// Thresholds from the strictest to the widest; no more than 2 × [`QUANTILES`] + 1.
fn cuts(condition: Condition, at: usize, conditions: usize, rows: &Rows) -> Vec<f32> {
    let mut start = 0;
    let (mut all, mut happened) = (Vec::new(), Vec::new());
    for (&end, &truth) in rows.ends.iter().zip(&rows.truth) {
        for entry in start..end {
            let value = rows.values[entry * conditions + at];
            if value.is_finite() {
                all.push(value);
                if truth {
                    happened.push(value);
                }
            }
        }
        start = end;
    }
    let mut cuts = vec![condition.threshold];
    for values in [all, happened] {
        cuts.extend(quantiles(values).map(rounded));
    }
    cuts.sort_unstable_by(f32::total_cmp);
    cuts.dedup();
    if condition.side == Side::Above {
        cuts.reverse();
    }
    cuts
}

fn quantiles(values: Vec<f32>) -> impl Iterator<Item = f32> {
    let step = values.len() / QUANTILE_VALUES + 1;
    let mut values: Vec<f32> = values.into_iter().step_by(step).collect();
    values.sort_unstable_by(f32::total_cmp);
    let count = if values.is_empty() { 0 } else { QUANTILES };
    (0..count).map(move |index| values[(2 * index + 1) * values.len() / (2 * QUANTILES)])
}

/// To three digits, so that a printed rule is the rule.
fn rounded(value: f32) -> f32 {
    let value = f64::from(value);
    if value == 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(2.0 - value.abs().log10().floor());
    ((value * unit).round() / unit) as f32
}

struct Search<'a> {
    rows: &'a Rows,
    conditions: usize,
    /// Entries × conditions: the strictest cut that the value passes.
    passes: Vec<u8>,
    cut_counts: Vec<usize>,
    happened: u64,
}

impl<'a> Search<'a> {
    fn new(written: &[Condition], cuts: &[Vec<f32>], rows: &'a Rows) -> Self {
        let conditions = written.len();
        let strictest = |(index, value): (usize, &f32)| {
            let (condition, cuts) = (&written[index % conditions], &cuts[index % conditions]);
            let at = cuts.partition_point(|cut| !condition.side.passes(*value, *cut));
            if at < cuts.len() { at as u8 } else { NEVER }
        };
        Self {
            rows,
            conditions,
            passes: rows.values.iter().enumerate().map(strictest).collect(),
            cut_counts: cuts.iter().map(Vec::len).collect(),
            happened: rows.truth.iter().filter(|truth| **truth).count() as u64,
        }
    }

    /// From a start to where no single threshold betters the F1: that and the cuts.
    fn run(&self, mut chosen: Vec<u8>) -> (f64, Vec<u8>) {
        let mut best = self.scan(&chosen, 0)[usize::from(chosen[0])];
        for _ in 0..ROUNDS_MAX {
            let before = best;
            for at in 0..self.conditions {
                for (cut, f1) in self.scan(&chosen, at).into_iter().enumerate() {
                    if f1 > best {
                        (best, chosen[at]) = (f1, cut as u8);
                    }
                }
            }
            if best == before {
                break;
            }
        }
        (best, chosen)
    }

    /// The F1 of every cut of one condition, the others staying as chosen.
    fn scan(&self, chosen: &[u8], at: usize) -> Vec<f64> {
        // Rows by the strictest cut at which they hold: those at which the behavior happened, and all.
        let mut counts = vec![[0_u64; 2]; self.cut_counts[at]];
        let mut start = 0;
        for (&end, &truth) in self.rows.ends.iter().zip(&self.rows.truth) {
            let entries = self.passes[start * self.conditions..end * self.conditions].chunks_exact(self.conditions);
            start = end;
            let strictest = entries.map(|entry| {
                let others = entry.iter().zip(chosen).enumerate().all(|(index, (own, cut))| index == at || own <= cut);
                if others { entry[at] } else { NEVER }
            });
            let strictest = if self.rows.every { strictest.max() } else { strictest.min() }.unwrap_or(NEVER);
            if let Some(counts) = counts.get_mut(usize::from(strictest)) {
                counts[0] += u64::from(truth);
                counts[1] += 1;
            }
        }
        let (mut hits, mut told) = (0, 0);
        let f1 = counts.iter().map(|counts| {
            hits += counts[0];
            told += counts[1];
            2.0 * hits as f64 / (told + self.happened) as f64
        });
        f1.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Quantity;

    /// A row whose conditions read the two numbers, in each of some orders.
    fn rows(entries: &[(&[(f32, f32)], bool)], every: bool) -> Rows {
        let mut rows = Rows { values: Vec::new(), ends: Vec::new(), truth: Vec::new(), every };
        for (orders, truth) in entries {
            rows.values.extend(orders.iter().flat_map(|&(a, b)| [a, b]));
            rows.ends.push(rows.values.len() / 2);
            rows.truth.push(*truth);
        }
        rows
    }

    fn written(speed: f32, distance: f32) -> [Condition; 2] {
        let condition = |quantity, side, threshold| Condition { quantity, side, threshold };
        [condition(Quantity::Speed, Side::Above, speed), condition(Quantity::CentreDistance, Side::Below, distance)]
    }

    fn hits(conditions: &[Condition], entries: &[(&[(f32, f32)], bool)], every: bool) -> usize {
        let holds =
            |&(speed, distance): &(f32, f32)| conditions[0].holds(Some(speed)) && conditions[1].holds(Some(distance));
        let right = |(orders, truth): &&(&[(f32, f32)], bool)| {
            (if every { orders.iter().all(holds) } else { orders.iter().any(holds) }) == *truth
        };
        entries.iter().filter(right).count()
    }

    #[test]
    fn a_start_that_holds_nowhere_is_mended() {
        let grid: Vec<[(f32, f32); 1]> = (0..400).map(|at| [((at % 20) as f32, (at / 20) as f32)]).collect();
        let entries: Vec<(&[(f32, f32)], bool)> =
            grid.iter().map(|order| (&order[..], order[0].0 > 10.0 && order[0].1 < 8.0)).collect();
        let fitted = descend(&written(1e4, 1e-4), &rows(&entries, false));
        assert_eq!(hits(&fitted, &entries, false), 400, "{fitted:?}");
    }

    #[test]
    fn one_order_is_enough_unless_every_one_has_to_hold() {
        let (yes, no) = ((5.0, 1.0), (1.0, 5.0));
        let orders = [[yes, yes], [yes, no], [no, yes], [no, no]];
        for every in [false, true] {
            let truth = |pair: &[(f32, f32); 2]| if every { *pair == [yes, yes] } else { *pair != [no, no] };
            let entries: Vec<(&[(f32, f32)], bool)> = orders.iter().map(|pair| (&pair[..], truth(pair))).collect();
            let fitted = descend(&written(9.0, 9.0), &rows(&entries, every));
            assert_eq!(hits(&fitted, &entries, every), 4, "{every} {fitted:?}");
        }
    }

    #[test]
    fn nothing_to_learn_from_leaves_the_rule_as_written() {
        let unknown: &[(f32, f32)] = &[(f32::NAN, f32::NAN)];
        for entries in [vec![], vec![(&[(5.0, 1.0)][..], false)], vec![(unknown, true), (&[][..], true)]] {
            assert_eq!(descend(&written(2.0, 2.0), &rows(&entries, false)), written(2.0, 2.0));
        }
    }

    #[test]
    fn thresholds_have_three_digits() {
        let cases = [(0.123_456, 0.123), (98_765.4, 98_800.0), (-0.004_567, -0.004_57), (0.0, 0.0), (1.0, 1.0)];
        for (value, expected) in cases {
            assert_eq!(rounded(value), expected);
        }
    }
}
