use super::*;
use crate::behavior::{BehaviorSpec, Kind, LabelSet};

pub const DELAY: DelayTicks = DelayTicks(0);

pub fn ethogram() -> Ethogram {
    let spec = |(name, kind): (&str, Kind)| BehaviorSpec { name: name.to_owned(), kind };
    let set = |name: &str, behaviors: &[(&str, Kind)]| LabelSet {
        name: name.to_owned(),
        behaviors: behaviors.iter().copied().map(spec).collect(),
    };
    let first = [
        ("attack", Kind::Directed),
        ("chase", Kind::Directed),
        ("groom", Kind::OfSelf),
        ("rear", Kind::OfSelf),
        ("huddle", Kind::Mutual),
    ];
    Ethogram::new(vec![set("s1", &first), set("s2", &[("fight", Kind::Directed)])])
}

/// Cells of two individuals, in the order of the ethogram.
const CELLS: [&str; 11] = [
    "attack 0>1",
    "attack 1>0",
    "chase 0>1",
    "chase 1>0",
    "groom 0",
    "groom 1",
    "rear 0",
    "rear 1",
    "huddle",
    "fight 0>1",
    "fight 1>0",
];

fn rule(on: f32, off: f32, duration_ticks_min: u32, gap_ticks_max: u32) -> DecodeRule {
    DecodeRule { on, off, duration_ticks_min, gap_ticks_max }
}

const PLAIN: DecodeRule = DecodeRule { on: 0.6, off: 0.4, duration_ticks_min: 1, gap_ticks_max: 0 };

/// Rules of all behaviors: plain ones but for those named here.
fn rules(special: &[(&str, DecodeRule)]) -> Vec<DecodeRule> {
    let ethogram = ethogram();
    let rule = |spec: &BehaviorSpec| special.iter().find(|(name, _)| *name == spec.name).map_or(PLAIN, |found| found.1);
    ethogram.behaviors().map(|(.., spec)| rule(spec)).collect()
}

/// Scores of a tick from digits (tenths, `n` for NaN), one string a cell; cells that are not named score 0.
fn scores_at(tick: usize, series: &[(&str, &str)]) -> Vec<f32> {
    let digit = |digits: &str| match digits.as_bytes()[tick] {
        b'n' => f32::NAN,
        digit => f32::from(digit - b'0') / 10.0,
    };
    let score = |cell: &&str| series.iter().find(|(name, _)| name == cell).map_or(0.0, |(_, digits)| digit(digits));
    CELLS.iter().map(score).collect()
}

fn name_of(decoder: &Decoder, cell: Cell) -> &'static str {
    CELLS[decoder.cells.iter().position(|other| *other == cell).unwrap()]
}

/// Edges as `cell +onset@decided` and `cell -stop@decided`.
fn decode(special: &[(&str, DecodeRule)], series: &[(&str, &str)]) -> Vec<String> {
    let mut decoder = Decoder::new(&ethogram(), 2, &[DELAY], &[rules(special)]);
    let mut out = Vec::new();
    let ticks = series[0].1.len();
    for tick in 0..ticks {
        decoder.push(Tick(tick as u64), &scores_at(tick, series), &mut out);
    }
    let last = Tick(ticks as u64 - 1);
    decoder.flush(last, last, &mut out);
    let written = out.iter().map(|edge| {
        let cell = name_of(&decoder, edge.cell);
        match edge.edge {
            Edge::Onset => format!("{cell} +{}@{}", edge.onset.0, edge.decided.0),
            Edge::Offset { stop } => format!("{cell} -{}@{}", stop.0, edge.decided.0),
            Edge::Retraction => panic!("a decoder takes nothing back"),
        }
    });
    written.collect()
}

#[test]
fn one_behavior_follows_its_rule() {
    for (case, attack, digits, expected) in [
        ("hysteresis", PLAIN, "0055655430", &["+4@4", "-8@8"][..]),
        ("nothing but noise", PLAIN, "n5nn5", &[]),
        ("a NaN ends what runs", PLAIN, "77n5", &["+0@0", "-2@2"]),
        ("never", rule(1.1, 0.1, 1, 0), "999", &[]),
        ("the end of the stream closes", PLAIN, "077", &["+1@1", "-3@2"]),
        ("minimum duration, backdated", rule(0.6, 0.4, 3, 0), "0660666600", &["+4@6", "-8@8"]),
        ("too short at the end", rule(0.6, 0.4, 3, 0), "00066", &[]),
        ("gaps", rule(0.6, 0.4, 1, 2), "66006600060", &["+0@0", "-6@8", "+9@9", "-10@10"]),
        ("a gap ends with on, not with off", rule(0.6, 0.4, 1, 2), "6605500", &["+0@0", "-2@4"]),
        ("gaps are filled before short bouts fall", rule(0.6, 0.4, 5, 1), "060606", &["+1@5", "-6@5"]),
        ("a gap alone does not make a bout long", rule(0.6, 0.4, 4, 3), "066000", &[]),
    ] {
        let expected: Vec<String> = expected.iter().map(|edge| format!("attack 0>1 {edge}")).collect();
        assert_eq!(decode(&[("attack", attack)], &[("attack 0>1", digits)]), expected, "{case}");
    }
}

#[test]
fn overlapping_cells_of_a_label_set_exclude_each_other() {
    for (case, special, series, expected) in [
        (
            "a runner keeps its place until a larger margin",
            &[][..],
            &[("attack 0>1", "7777"), ("chase 0>1", "0787")][..],
            &["attack 0>1 +0@0", "attack 0>1 -2@2", "chase 0>1 +2@2", "chase 0>1 -4@3"][..],
        ),
        (
            "a tie goes to the lower behavior",
            &[],
            &[("attack 0>1", "70"), ("chase 0>1", "70")],
            &["attack 0>1 +0@0", "attack 0>1 -1@1"],
        ),
        (
            "margins count from each one's own threshold",
            &[("attack", rule(0.8, 0.4, 1, 0))],
            &[("attack 0>1", "990"), ("chase 0>1", "080")],
            &["attack 0>1 +0@0", "attack 0>1 -1@1", "chase 0>1 +1@1", "chase 0>1 -2@2"],
        ),
        (
            "a mutual behavior claims both orders",
            &[],
            &[("huddle", "90"), ("attack 0>1", "80"), ("chase 1>0", "80")],
            &["huddle +0@0", "huddle -1@1"],
        ),
        (
            "one order against a mutual behavior leaves the other free",
            &[],
            &[("huddle", "70"), ("attack 0>1", "80"), ("chase 1>0", "60")],
            &["attack 0>1 +0@0", "chase 1>0 +0@0", "attack 0>1 -1@1", "chase 1>0 -1@1"],
        ),
        (
            "what is itself displaced displaces nothing",
            &[],
            &[("attack 0>1", "770"), ("huddle", "080"), ("chase 1>0", "090")],
            &["attack 0>1 +0@0", "chase 1>0 +1@1", "attack 0>1 -2@2", "chase 1>0 -2@2"],
        ),
        (
            "orders, animals and label sets do not meet",
            &[],
            &[("attack 0>1", "7"), ("attack 1>0", "7"), ("groom 0", "7"), ("rear 1", "7"), ("fight 0>1", "7")],
            &[
                "attack 0>1 +0@0",
                "attack 1>0 +0@0",
                "groom 0 +0@0",
                "rear 1 +0@0",
                "fight 0>1 +0@0",
                "attack 0>1 -1@0",
                "attack 1>0 -1@0",
                "groom 0 -1@0",
                "rear 1 -1@0",
                "fight 0>1 -1@0",
            ],
        ),
    ] {
        assert_eq!(decode(special, series), expected, "{case}");
    }
}

#[test]
fn a_rival_ends_a_bout_in_its_gap_once_it_has_lasted() {
    let special = [("attack", rule(0.6, 0.4, 1, 5)), ("chase", rule(0.6, 0.4, 2, 0))];
    assert_eq!(
        decode(&special, &[("attack 0>1", "77000070"), ("chase 0>1", "00077000")]),
        [
            "attack 0>1 +0@0",
            "attack 0>1 -2@4",
            "chase 0>1 +3@4",
            "chase 0>1 -5@5",
            "attack 0>1 +6@6",
            "attack 0>1 -7@7"
        ]
    );
    assert_eq!(
        decode(&special, &[("attack 0>1", "77007700"), ("chase 0>1", "00070000")]),
        ["attack 0>1 +0@0", "attack 0>1 -6@7"],
        "a rival too short for a bout ends nothing"
    );
    let alternating = [("attack", rule(0.6, 0.4, 5, 1)), ("chase", rule(0.6, 0.4, 5, 1))];
    assert_eq!(
        decode(&alternating, &[("attack 0>1", "7070700"), ("chase 0>1", "0707070")]),
        ["attack 0>1 +0@4", "attack 0>1 -5@6"],
        "the one that lasts first is the bout, and the other starts anew"
    );
}

#[test]
fn every_delay_speaks_about_its_own_tick() {
    let delays = [DelayTicks(0), DelayTicks(2)];
    let mut decoder = Decoder::new(&ethogram(), 2, &delays, &[rules(&[]), rules(&[])]);
    let mut out = Vec::new();
    for tick in 0..5 {
        let fast = scores_at(tick, &[("attack 0>1", "06000")]);
        let settled = scores_at(tick, &[("attack 0>1", "99098")]);
        decoder.push(Tick(tick as u64), &[fast, settled].concat(), &mut out);
    }
    decoder.flush(Tick(4), Tick(4), &mut out);
    let edges: Vec<_> = out.iter().map(|edge| (edge.bout, edge.delay.0, edge.onset.0, edge.decided.0)).collect();
    assert_eq!(edges, [(1, 0, 1, 1), (1, 0, 1, 2), (2, 2, 1, 3), (2, 2, 1, 4)]);
    let cell = out[0].cell;
    assert_eq!(bouts(out.iter(), delays[0]), [Bout { cell, start: 1, stop: 2 }]);
    assert_eq!(bouts(out.iter(), delays[1]), [Bout { cell, start: 1, stop: 3 }]);
    assert_eq!((out[2].score, out[3].score), (0.9, 0.85), "first score, mean score");
}

#[test]
fn the_mean_score_takes_in_filled_gaps_but_not_the_tail() {
    let mut decoder = Decoder::new(&ethogram(), 2, &[DELAY], &[rules(&[("attack", rule(0.6, 0.4, 1, 1))])]);
    let mut out = Vec::new();
    for tick in 0..6 {
        decoder.push(Tick(tick as u64), &scores_at(tick, &[("attack 0>1", "828222")]), &mut out);
    }
    assert_eq!(out[1].edge, Edge::Offset { stop: Tick(3) });
    assert_eq!(out[1].score, 0.6);
}

#[test]
fn nothing_reaches_beyond_the_end_of_the_stream() {
    let series = [("attack 0>1", "0077777"), ("groom 0", "0000077")];
    for (told, expected) in [(true, &[("attack 0>1", 2, 4)][..]), (false, &[("attack 0>1", 2, 4), ("groom 0", 5, 5)])] {
        let mut decoder = Decoder::new(&ethogram(), 2, &[DELAY], &[rules(&[])]);
        let mut out = Vec::new();
        for tick in 0..7 {
            if told && tick == 4 {
                decoder.end(Tick(3));
            }
            decoder.push(Tick(tick as u64), &scores_at(tick, &series), &mut out);
        }
        decoder.flush(Tick(6), Tick(3), &mut out);
        let ended: Vec<_> = out
            .iter()
            .filter_map(|edge| match edge.edge {
                Edge::Offset { stop } => Some((name_of(&decoder, edge.cell), edge.onset.0, stop.0)),
                Edge::Onset | Edge::Retraction => None,
            })
            .collect();
        assert_eq!(ended, expected);
        assert_eq!(out.len(), 2 * ended.len());
        assert_eq!(bouts(out.iter(), DELAY).len(), 1);
        decoder.push(Tick(0), &scores_at(2, &series), &mut out);
        assert_eq!(out.last().unwrap().bout, ended.len() as u64 + 1, "numbers go on after a flush");
    }
}
