use super::*;
use crate::behavior::{Behavior, BehaviorSpec, Bout, Cell, Individual, Kind, LabelSet, Subject};
use crate::corpus::SetLabels;

/// Two label sets, of two behaviors and of one.
const SETS: [usize; 2] = [2, 1];
const RESAMPLES: usize = 2_000;

fn tally(true_positives: u64, false_positives: u64, false_negatives: u64) -> Tally {
    Tally { true_positives, false_positives, false_negatives }
}

/// Recordings that differ; of every thousand frames at which something is, `found` and some at random are found.
fn recordings(count: usize, found: u64, seed: u64) -> Vec<RecordingTallies> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut one = || {
        let tallies = (0..3).map(|_| {
            let found = found + random.random_range(0..300);
            tally(found, random.random_range(0..300), 1000 - found)
        });
        RecordingTallies { tallies: tallies.collect(), asked: vec![true; 2] }
    };
    (0..count).map(|_| one()).collect()
}

#[test]
fn the_estimate_is_the_score_of_all_frames_pooled() {
    let spec = |name: &str| BehaviorSpec { name: name.to_owned(), kind: Kind::OfSelf };
    let set = |name: &str, behaviors: &[&str]| LabelSet {
        name: name.to_owned(),
        behaviors: behaviors.iter().map(|name| spec(name)).collect(),
    };
    let ethogram = Ethogram::new(vec![set("A", &["rear", "groom"]), set("B", &["dig"]), set("C", &["climb"])]);
    let bout = |behavior, start, stop| {
        let cell = Cell { behavior: Behavior(behavior), subject: Subject::One(Individual(0)) };
        Bout { cell, start, stop }
    };
    let labels = |annotated: &[u16], bouts: &[Bout]| SetLabels {
        scored: std::iter::once(0..100).collect(),
        annotated: annotated.iter().map(|behavior| bout(*behavior, 0, 1).cell).collect(),
        bouts: bouts.to_vec(),
    };
    let first =
        [labels(&[0, 1], &[bout(0, 0, 10), bout(1, 20, 30)]), labels(&[2], &[bout(2, 0, 50)]), labels(&[], &[])];
    let second = [labels(&[0], &[bout(0, 50, 90)]), labels(&[2], &[]), labels(&[], &[])];
    let told = [[bout(0, 5, 15), bout(2, 0, 30)], [bout(0, 60, 100), bout(2, 90, 100)]];
    let scored = |parts: &[(&[SetLabels], &[Bout])]| {
        let mut scores = FrameScores::new(&ethogram);
        for (labels, told) in parts {
            scores.add(labels, told);
        }
        scores
    };
    let all = scored(&[(&first, &told[0]), (&second, &told[1])]);
    let each = [scored(&[(&first, &told[0])]), scored(&[(&second, &told[1])])];
    let each = each.map(|scores| RecordingTallies::new(&scores, &ethogram));
    let interval = of_one(&each, &[2, 1, 1], RESAMPLES, 1).unwrap();
    assert!(all.mean_f1() > 0.3 && (interval.estimate - all.mean_f1()).abs() < 1e-12);
    // Of two recordings: one of them twice, or both.
    let mut draws = [[0, 0], [0, 1], [1, 1]].map(|drawn| pooled_f1(&each, &drawn, &[2, 1, 1]));
    draws.sort_unstable_by(f64::total_cmp);
    assert_eq!((interval.lower, interval.upper), (draws[0], draws[2]));
}

#[test]
fn identical_systems_do_not_differ() {
    let a = recordings(12, 500, 1);
    let interval = of_difference(&a, &a, &SETS, RESAMPLES, 9).unwrap();
    assert_eq!(interval, Interval { estimate: 0.0, lower: 0.0, upper: 0.0 });
}

#[test]
fn a_better_system_is_told_from_a_worse_one_by_the_same_draws() {
    let b = recordings(12, 450, 2);
    let better = |recording: &RecordingTallies| {
        let mut better = recording.clone();
        for tally in &mut better.tallies {
            tally.true_positives += 20;
            tally.false_negatives -= 20;
        }
        better
    };
    let a: Vec<RecordingTallies> = b.iter().map(better).collect();
    let interval = of_difference(&a, &b, &SETS, RESAMPLES, 9).unwrap();
    assert!(interval.lower > 0.0 && interval.lower <= interval.estimate && interval.estimate <= interval.upper);
    let [alone_a, alone_b] = [&a, &b].map(|system| of_one(system, &SETS, RESAMPLES, 9).unwrap());
    assert!((interval.estimate - (alone_a.estimate - alone_b.estimate)).abs() < 1e-12);
    // Apart, the two could not be told from each other.
    assert!(alone_a.lower < alone_b.upper);
    let reverse = of_difference(&b, &a, &SETS, RESAMPLES, 9).unwrap();
    assert!(reverse.upper < 0.0);
}

#[test]
fn more_recordings_make_it_narrower() {
    let width = |count| {
        let interval = of_one(&recordings(count, 500, 3), &SETS, RESAMPLES, 4).unwrap();
        assert!(interval.lower < interval.estimate && interval.estimate < interval.upper);
        interval.upper - interval.lower
    };
    let ratio = width(8) / width(128);
    // √16 = 4 is expected.
    assert!((2.0..8.0).contains(&ratio), "{ratio}");
}

#[test]
fn it_leaves_out_a_fortieth_of_the_draws_at_either_end() {
    let draw = std::cell::Cell::new(0_u32);
    let count = |_: &[usize]| f64::from(draw.replace(draw.get() + 1));
    let interval = bootstrap(5, 1000, 1, count).unwrap().interval();
    assert_eq!(interval, Interval { estimate: 0.0, lower: 25.0, upper: 975.0 });
    let same = |drawn: &[usize]| if drawn.len() == 7 { 1.0 } else { 0.0 };
    assert_eq!(bootstrap(7, 1, 1, same).unwrap().interval(), Interval { estimate: 1.0, lower: 1.0, upper: 1.0 });
}

#[test]
fn it_holds_the_truth_about_as_often_as_it_says() {
    let all = of_one(&recordings(5_000, 500, 5), &SETS, 1, 0).unwrap().estimate;
    let holds = |seed: u64| {
        let interval = of_one(&recordings(30, 500, 100 + seed), &SETS, 200, seed).unwrap();
        (interval.lower..=interval.upper).contains(&all)
    };
    let share = (0..200).filter(|seed| holds(*seed)).count() as f64 / 200.0;
    // 0.95 less what 30 recordings cost, and four standard errors of 200 trials.
    assert!((0.87..=0.995).contains(&share), "{share}");
}

#[test]
fn a_seed_draws_the_same_again() {
    let a = recordings(10, 500, 6);
    let interval = |seed| of_one(&a, &SETS, 100, seed).unwrap();
    assert_eq!(interval(1), interval(1));
    assert_ne!(interval(1), interval(2));
}

#[test]
fn a_label_set_that_nobody_asked_for_in_a_draw_is_no_zero() {
    let one = |asked: bool| RecordingTallies {
        tallies: vec![tally(10, 0, 0), tally(10, 0, 0), Tally::default()],
        asked: vec![true, asked],
    };
    let nobody = of_one(&[one(false), one(false)], &SETS, 50, 1).unwrap();
    assert_eq!(nobody, Interval { estimate: 1.0, lower: 1.0, upper: 1.0 });
    let somebody = of_one(&[one(false), one(true)], &SETS, RESAMPLES, 1).unwrap();
    assert_eq!(somebody, Interval { estimate: 0.5, lower: 0.5, upper: 1.0 });
}

#[test]
fn a_system_of_several_seeds_scores_their_mean_on_each_draw() {
    let seeds = [recordings(8, 400, 1), recordings(8, 500, 2), recordings(8, 600, 3)];
    let resampled = |seeds: &[&[RecordingTallies]]| Resampled::new(seeds, &SETS, 50, 4).unwrap();
    let each: Vec<Resampled> = seeds.iter().map(|seed| resampled(&[seed])).collect();
    let all = resampled(&[&seeds[0], &seeds[1], &seeds[2]]);
    let mean = |of: &dyn Fn(&Resampled) -> f64| each.iter().map(of).sum::<f64>() / 3.0;
    assert!((all.estimate - mean(&|seed| seed.estimate)).abs() < 1e-12);
    for (draw, score) in all.draws.iter().enumerate() {
        assert!((score - mean(&|seed| seed.draws[draw])).abs() < 1e-12, "draw {draw}");
    }
    assert_eq!(each[0].interval(), of_one(&seeds[0], &SETS, 50, 4).unwrap());
    assert_eq!(each[0].minus(&each[1]).unwrap(), of_difference(&seeds[0], &seeds[1], &SETS, 50, 4).unwrap());
    // Copies of a seed add nothing.
    let twice = resampled(&[&seeds[0], &seeds[0]]);
    assert!((twice.interval().lower - each[0].interval().lower).abs() < 1e-12);
}

#[test]
fn differences_of_systems_are_antisymmetric() {
    let (a, b) = (recordings(9, 500, 1), recordings(9, 520, 2));
    let [a, b] = [&a, &b].map(|system| Resampled::new(&[system], &SETS, 999, 3).unwrap());
    let (there, back) = (a.minus(&b).unwrap(), b.minus(&a).unwrap());
    assert_eq!(there.estimate, -back.estimate);
    // With 999 draws the 25th from either end.
    assert_eq!((there.lower, there.upper), (-back.upper, -back.lower));
}

#[test]
fn systems_of_other_draws_are_not_compared() {
    let (a, fewer) = (recordings(5, 500, 1), recordings(4, 500, 1));
    let resampled = |seeds: &[&[RecordingTallies]], resamples, seed| Resampled::new(seeds, &SETS, resamples, seed);
    let of_a = resampled(&[&a], 20, 1).unwrap();
    let error = |other: Resampled| of_a.minus(&other).unwrap_err();
    assert_eq!(error(resampled(&[&fewer], 20, 1).unwrap()), IntervalError::Recordings { a: 5, b: 4 });
    let others = [resampled(&[&a], 30, 1).unwrap(), resampled(&[&a], 20, 2).unwrap()];
    assert_eq!(others.map(error), [30, 20].map(|got| IntervalError::OtherDraws { expected: 20, got }));
    assert_eq!(resampled(&[], 20, 1).unwrap_err(), IntervalError::NoSeed);
    let error = resampled(&[&a, &fewer], 20, 1).unwrap_err();
    assert_eq!(error.to_string(), "expected 5 recordings of every seed of a system, got 4 of its seed 1");
}

#[test]
fn what_cannot_be_drawn_from_is_refused_by_name() {
    let a = recordings(5, 500, 7);
    let error = |a: &[RecordingTallies], b: &[RecordingTallies], sets: &[usize], resamples| {
        of_difference(a, b, sets, resamples, 1).unwrap_err().to_string()
    };
    assert_eq!(error(&a, &a[..4], &SETS, 10), "expected the same recordings of both systems, got 5 and 4");
    assert_eq!(error(&a[..1], &a[..1], &SETS, 10), "expected at least 2 recordings to draw from, got 1");
    assert_eq!(error(&a, &a, &[3, 1], 10), "expected 4 behaviors in recording 0, got 3");
    assert_eq!(error(&a, &a, &[1, 1, 1], 10), "expected 3 label sets in recording 0, got 2");
    assert_eq!(error(&a, &a, &SETS, 0), "expected 1 to 1000000 draws, got 0");
    assert!(of_one(&[], &SETS, 10, 1).is_err() && of_one(&a, &SETS, RESAMPLES_MAX + 1, 1).is_err());
}
