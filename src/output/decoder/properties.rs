use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::tests::{DELAY, ethogram};
use super::*;
use crate::behavior::{Behavior, BehaviorSpec, Individual, Kind, LabelSet, Subject};

const INDIVIDUALS: usize = 3;
const TICKS: usize = 50;

fn any_rule() -> impl Strategy<Value = DecodeRule> {
    (1..=11_u8, 0.1..=1.0_f32, 1..6_u32, 0..5_u32).prop_map(|(on, share, duration_ticks_min, gap_ticks_max)| {
        let on = f32::from(on) / 10.0;
        DecodeRule { on, off: on * share, duration_ticks_min, gap_ticks_max }
    })
}

/// Tenths, so that ties happen; now and then no number. Most ticks repeat the one before.
fn any_scores(cells: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let score = prop_oneof![
        12 => (0..=10_u8).prop_map(|tenths| f32::from(tenths) / 10.0),
        1 => proptest::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3.0]),
    ];
    vec(vec((score, 0..4_u8), cells), TICKS).prop_map(|ticks| {
        let mut scores: Vec<Vec<f32>> = Vec::new();
        for tick in ticks {
            let drawn = |(cell, (score, hold)): (usize, (f32, u8))| match scores.last() {
                Some(before) if hold > 0 => before[cell],
                _ => score,
            };
            let row = tick.into_iter().enumerate().map(drawn).collect();
            scores.push(row);
        }
        scores
    })
}

fn run(ethogram: &Ethogram, individuals: usize, rules: &[DecodeRule], scores: &[Vec<f32>]) -> Vec<Transition> {
    let mut decoder = Decoder::new(ethogram, individuals, &[DELAY], &[rules.to_vec()]);
    let mut out = Vec::new();
    for (tick, scores) in scores.iter().enumerate() {
        decoder.push(Tick(tick as u64), scores, &mut out);
    }
    let last = Tick(scores.len() as u64 - 1);
    decoder.flush(last, last, &mut out);
    out
}

/// What the rule says, with the whole series at hand: hysteresis, then gaps, then durations.
fn offline(rule: DecodeRule, scores: &[f32]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let mut on = false;
    for (tick, &score) in scores.iter().enumerate() {
        let tick = tick as u64;
        on = score.is_finite() && score.clamp(0.0, 1.0) >= if on { rule.off } else { rule.on };
        match runs.last_mut() {
            Some((_, stop)) if on && tick - *stop <= rule.gap_ticks_max.into() => *stop = tick + 1,
            _ if on => runs.push((tick, tick + 1)),
            _ => {}
        }
    }
    runs.retain(|(start, stop)| stop - start >= rule.duration_ticks_min.into());
    runs
}

fn moved(subject: Subject, places: &[u8]) -> Subject {
    let to = |individual: Individual| Individual(places[usize::from(individual.0)]);
    match subject {
        Subject::One(one) => Subject::One(to(one)),
        Subject::Ordered { agent, target } => Subject::Ordered { agent: to(agent), target: to(target) },
        Subject::Both { first, second } => {
            Subject::Both { first: to(first).min(to(second)), second: to(first).max(to(second)) }
        }
    }
}

proptest! {
    #[test]
    fn onsets_and_offsets_pair_and_the_rules_hold(
        rules in vec(any_rule(), 6),
        scores in any_scores(ethogram().cells(INDIVIDUALS).len()),
    ) {
        let ethogram = ethogram();
        let out = run(&ethogram, INDIVIDUALS, &rules, &scores);
        prop_assert_eq!(&out, &run(&ethogram, INDIVIDUALS, &rules, &scores));
        let mut open: HashMap<Cell, &Transition> = HashMap::new();
        let mut told = 0;
        for edge in &out {
            let rule = rules[usize::from(edge.cell.behavior.0)];
            match edge.edge {
                Edge::Onset => {
                    told += 1;
                    prop_assert_eq!(edge.bout, told);
                    prop_assert!(edge.score >= rule.on && edge.score <= 1.0);
                    prop_assert!(edge.decided.0 - edge.onset.0 + 1 >= rule.duration_ticks_min.into());
                    prop_assert!(open.insert(edge.cell, edge).is_none());
                }
                Edge::Retraction => prop_assert!(false, "a decoder takes nothing back"),
                Edge::Offset { stop } => {
                    let onset = open.remove(&edge.cell).expect("an onset before its offset");
                    prop_assert_eq!((onset.bout, onset.onset), (edge.bout, edge.onset));
                    prop_assert!(stop.0 - edge.onset.0 >= rule.duration_ticks_min.into());
                    prop_assert!(stop.0 <= TICKS as u64 && edge.score.is_finite());
                }
            }
        }
        prop_assert!(open.is_empty());

        let bouts = bouts(out.iter(), DELAY);
        prop_assert_eq!(bouts.len() as u64, told);
        let rivals = |a: &Bout, b: &Bout| {
            let set = |bout: &Bout| ethogram.label_set_of(bout.cell.behavior);
            a.cell != b.cell && set(a) == set(b) && a.cell.subject.overlaps(b.cell.subject)
        };
        for (index, a) in bouts.iter().enumerate() {
            let gap_ticks_max = u64::from(rules[usize::from(a.cell.behavior.0)].gap_ticks_max);
            for b in &bouts[index + 1..] {
                prop_assert!(!rivals(a, b) || a.stop <= b.start, "{a:?} {b:?}");
                if a.cell == b.cell && b.start - a.stop <= gap_ticks_max {
                    let between = |c: &&Bout| rivals(a, c) && a.stop <= c.start && c.stop <= b.start;
                    prop_assert!(bouts.iter().any(|c| between(&c)), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn a_cell_without_rivals_equals_the_offline_rule(rule in any_rule(), scores in any_scores(2)) {
        let behaviors = vec![BehaviorSpec { name: "groom".to_owned(), kind: Kind::OfSelf }];
        let ethogram = Ethogram::new(vec![LabelSet { name: "s".to_owned(), behaviors }]);
        let out = run(&ethogram, 2, &[rule], &scores);
        for slot in 0..2 {
            let cell = Cell { behavior: Behavior(0), subject: Subject::One(Individual(slot)) };
            let of_cell = out.iter().filter(|edge| edge.cell == cell);
            let found: Vec<_> = bouts(of_cell, DELAY).iter().map(|bout| (bout.start, bout.stop)).collect();
            let series: Vec<f32> = scores.iter().map(|row| row[usize::from(slot)]).collect();
            prop_assert_eq!(found, offline(rule, &series));
        }
    }

    #[test]
    fn reordering_individuals_permutes_the_bouts(
        rules in vec(any_rule(), 6),
        scores in any_scores(ethogram().cells(INDIVIDUALS).len()),
        places in Just(vec![0_u8, 1, 2]).prop_shuffle(),
    ) {
        let ethogram = ethogram();
        let cells = ethogram.cells(INDIVIDUALS);
        let moved = |cell: Cell| Cell { subject: moved(cell.subject, &places), ..cell };
        let to: Vec<usize> = cells
            .iter()
            .map(|&cell| cells.iter().position(|&other| other == moved(cell)).unwrap())
            .collect();
        let moved_scores = scores.iter().map(|row| {
            let mut moved_row = row.clone();
            for (cell, &to) in to.iter().enumerate() {
                moved_row[to] = row[cell];
            }
            moved_row
        });
        let moved_scores: Vec<Vec<f32>> = moved_scores.collect();
        // Only the numbers of bouts that are told at the same tick follow the slots.
        let comparable = |edges: Vec<Transition>| {
            let mut edges: Vec<Transition> = edges.into_iter().map(|edge| Transition { bout: 0, ..edge }).collect();
            edges.sort_by_key(|edge| (edge.cell, edge.decided, edge.onset, edge.edge != Edge::Onset));
            edges
        };
        let there = run(&ethogram, INDIVIDUALS, &rules, &moved_scores);
        let here = run(&ethogram, INDIVIDUALS, &rules, &scores);
        let here = here.into_iter().map(|edge| Transition { cell: moved(edge.cell), ..edge }).collect();
        prop_assert_eq!(comparable(here), comparable(there));
    }
}
