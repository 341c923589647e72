//! Two rules in three recordings of 20 minutes, two rats.

use crate::rehearsal::{Decision, Interval, OfRule, Outcome, Recording, Rehearsal, RuleSaid};

pub const PAIRS: [&str; 2] = ["rat1 → rat2", "rat2 → rat1"];
const TICKS: u64 = 36_000;

/// Knuth's generator of the MMIX: the upper half of its state.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) % bound
    }
}

pub fn interval(start: u64, stop: u64, animals: &str) -> Interval {
    Interval { start, stop, animals: animals.to_owned() }
}

pub fn decision(tick: u64, animals: &str, outcome: Outcome) -> Decision {
    Decision { tick, animals: animals.to_owned(), outcome }
}

pub fn refused(cause: &str, why: &str) -> Outcome {
    Outcome::Refused { cause: cause.to_owned(), why: why.to_owned() }
}

pub fn rule(name: &str, false_per_hour_max: f64) -> RuleSaid {
    RuleSaid {
        name: name.to_owned(),
        conditions: vec!["the score of attack is 0.80 or more, 0.20 s after the fact".to_owned()],
        aim: vec!["RatAggression: attack".to_owned()],
        stimulus: "laser: 20 pulses of 5 ms, 50 ms apart; a tenth are shams".to_owned(),
        false_per_hour_max,
        by_distance: "bodies nearer than 0.2 body lengths".to_owned(),
    }
}

fn of_rule(drawn: &mut Drawn, skill: u64, bouts: u64, ticks: u64) -> OfRule {
    let mut of_rule = OfRule::default();
    for animals in PAIRS {
        of_rule.labelled.push(interval(0, 19_800, animals));
        of_rule.labelled.push(interval(23_400, ticks, animals));
    }
    let mut at = 300;
    for _ in 0..bouts {
        at += 200 + drawn.below((ticks - 1200) / bouts * 2 - 500);
        let animals = PAIRS[usize::from(drawn.below(10) < 3)];
        let bout = interval(at, at + 24 + drawn.below(180), animals);
        if bout.stop + 30 > ticks {
            break;
        }
        at = bout.stop;
        let onset = bout.start + 5 + drawn.below(14);
        match drawn.below(100) {
            draw if draw < skill => {
                let outcome = if draw % 8 == 0 { Outcome::Sham } else { Outcome::Stimulus };
                of_rule.decisions.push(decision(onset, animals, outcome));
                if drawn.below(3) == 0 {
                    let why = "less than 2000 ms since the end of the last stimulation of the pair";
                    of_rule.decisions.push(decision(onset + 20, animals, refused("pair_refractory", why)));
                }
            }
            draw if draw < skill + 8 => {
                let why = "less than 5000 ms since the end of the last stimulation of the cage";
                of_rule.decisions.push(decision(onset, animals, refused("cage_refractory", why)));
            }
            _ => {}
        }
        if drawn.below(10) < 8 {
            let near = bout.start.saturating_sub(6) + drawn.below(14);
            of_rule.by_distance.push(decision(near, animals, Outcome::Stimulus));
        }
        if bout.start < 19_800 || bout.start > 23_400 {
            of_rule.bouts.push(bout);
        }
    }
    for index in 0..6 {
        let tick = drawn.below(ticks);
        let outcome = [Outcome::Stimulus, Outcome::Sham, refused("phase", "the rule does not act in this phase")];
        let outcome = outcome[index % 3].clone();
        of_rule.decisions.push(decision(tick, PAIRS[usize::from(drawn.below(2) == 0)], outcome));
    }
    for _ in 0..15 {
        of_rule.by_distance.push(decision(drawn.below(ticks), PAIRS[0], Outcome::Stimulus));
    }
    of_rule.decisions.sort_by_key(|decision| decision.tick);
    of_rule.by_distance.sort_by_key(|decision| decision.tick);
    of_rule
}

/// As a lab would see it.
pub fn rehearsal() -> Rehearsal {
    let mut drawn = Drawn(7);
    let mut sniff = rule("stop sniffing", 6.0);
    sniff.aim = vec!["RatSocial: anogenital sniffing".to_owned(), "RatSocial: nose-to-nose".to_owned()];
    sniff.conditions.push("the nose of the agent is within 3.0 cm of the target".to_owned());
    sniff.conditions.push("the agent is in the zone <arena>".to_owned());
    let recordings = ["day 1, cage A", "day 2, cage A", "day 2, cage B"].map(|name| Recording {
        name: name.to_owned(),
        ticks: TICKS,
        rules: vec![of_rule(&mut drawn, 78, 22, TICKS), of_rule(&mut drawn, 60, 26, TICKS)],
    });
    Rehearsal {
        plan: "aggression-stop".to_owned(),
        plan_hash: "9f3c21d07b5e4a8896d1c0b2fa47e3555f0a6c6de2b14a7790cc1d3b58e2a114".to_owned(),
        rig: "rig-2".to_owned(),
        model: "rats-2025-long".to_owned(),
        model_hash: "02c7be19a4d35f6688117a9c3b0d4ef1f29e8d7c6b5a43210fedcba987654321".to_owned(),
        rules: vec![rule("stop attack", 15.0), sniff],
        recordings: recordings.to_vec(),
    }
}

/// One rule, one hour, numbers that can be counted by hand: of four bouts two are hit, 0.2 s and 1 s after their
/// onsets, one is refused and one has nothing; three triggers are false, one lies in unlabelled time, one comes again.
pub fn counted_by_hand() -> Rehearsal {
    let [there, back] = PAIRS;
    let hour = 30 * 3600;
    let mut decisions = vec![
        decision(1006, there, Outcome::Stimulus),
        decision(1050, there, Outcome::Sham),
        decision(5030, back, Outcome::Stimulus),
        decision(9010, there, refused("cage_refractory", "too soon")),
        decision(9400, there, refused("cage_refractory", "too soon")),
        decision(9500, there, refused("phase", "not now")),
    ];
    // 0.5 s before a bout, in a bout of the other direction, and far from any.
    decisions.extend([985, 5010, 50_000].map(|tick| decision(tick, there, Outcome::Stimulus)));
    decisions.push(decision(hour + 10, there, Outcome::Stimulus));
    let of_rule = OfRule {
        bouts: vec![
            interval(1000, 1100, there),
            interval(5000, 5100, back),
            interval(9000, 9100, there),
            interval(20_000, 20_100, there),
        ],
        labelled: vec![interval(0, hour, there), interval(0, hour, back)],
        decisions,
        by_distance: vec![1060, 30_000, 31_000, 32_000, 33_000, 34_000, 35_000]
            .into_iter()
            .map(|tick| decision(tick, there, Outcome::Stimulus))
            .collect(),
    };
    Rehearsal {
        rules: vec![rule("stop attack", 6.0)],
        recordings: vec![Recording { name: "morning".to_owned(), ticks: hour + 1800, rules: vec![of_rule] }],
        ..rehearsal()
    }
}
