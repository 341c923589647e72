use super::*;
use crate::compare::outcome::Outcome;
use crate::compare::testing::outcome;

/// Scores with the intervals of their differences half as wide as `half`.
fn ranking(scores: &[f64], half: f64) -> Ranking {
    let around = |value: f64| Estimate { value, interval: Some([value - half, value + half]) };
    let estimates: Vec<Estimate> = scores.iter().copied().map(around).collect();
    Ranking::of(&estimates, |a, b| Ok(around(scores[a] - scores[b]))).unwrap()
}

fn ranks(ranking: &Ranking) -> Vec<(usize, usize)> {
    ranking.standings().iter().map(|standing| (standing.system, standing.rank)).collect()
}

#[test]
fn systems_that_differ_clearly_have_ranks_of_their_own() {
    assert_eq!(ranks(&ranking(&[0.2, 0.5, 0.4], 0.05)), [(1, 1), (2, 2), (0, 3)]);
}

#[test]
fn systems_that_cannot_be_told_from_the_first_of_a_group_share_its_rank() {
    let scores = [0.5, 0.49, 0.4, 0.395, 0.1];
    assert_eq!(ranks(&ranking(&scores, 0.02)), [(0, 1), (1, 1), (2, 3), (3, 3), (4, 5)]);
    // Equal ones stand in the order in which they came.
    assert_eq!(ranks(&ranking(&[0.3, 0.3], 0.0)), [(0, 1), (1, 1)]);
    // An interval that only touches 0 tells nothing apart.
    assert_eq!(ranks(&ranking(&[0.5, 0.25], 0.25)), [(0, 1), (1, 1)]);
}

#[test]
fn a_chain_of_ties_ends_where_its_first_can_be_told_apart() {
    // Each cannot be told from the next, but the third can from the first, and the fifth from the third.
    let scores = [0.50, 0.47, 0.44, 0.41, 0.38];
    assert_eq!(ranks(&ranking(&scores, 0.05)), [(0, 1), (1, 1), (2, 3), (3, 3), (4, 5)]);
}

#[test]
fn real_runs_are_ranked_by_their_mean_over_seeds() {
    let outcomes = [("cnn", 1, 500), ("cnn", 2, 510), ("hhstf", 1, 800), ("hhstf", 2, 790), ("lstm", 1, 505)];
    let comparison =
        Comparison::new(outcomes.map(|(system, seed, found)| outcome(system, seed, found)).to_vec()).unwrap();
    let ranked = Ranked::new(&comparison, 500, 1).unwrap();
    let settled = ranked.settled();
    assert_eq!(settled.standings()[0].system, 1);
    assert_eq!(settled.standings().iter().map(|standing| standing.rank).collect::<Vec<_>>(), [1, 2, 2]);
    let runs = &comparison.systems()[1].runs;
    let mean = f64::midpoint(runs[0].mean_f1(2), runs[1].mean_f1(2));
    assert!((settled.score(1).value - mean).abs() < 1e-12);
    let [lower, upper] = settled.score(1).interval.unwrap();
    assert!(lower < mean && mean < upper);
    // Its verdicts are better where they may wait.
    assert!(ranked.at(0).score(1).value < mean);
}

#[test]
fn differences_are_antisymmetric() {
    let outcomes = [outcome("cnn", 1, 500), outcome("hhstf", 1, 600)];
    let comparison = Comparison::new(outcomes.to_vec()).unwrap();
    let ranked = Ranked::new(&comparison, 500, 1).unwrap();
    let (there, back) = (ranked.settled().difference(1, 0), ranked.settled().difference(0, 1));
    let ([lower, upper], [back_lower, back_upper]) = (there.interval.unwrap(), back.interval.unwrap());
    assert_eq!((there.value, lower, upper), (-back.value, -back_upper, -back_lower));
    assert!(lower > 0.0 && !there.is_tie() && !back.is_tie());
    let scores = [0, 1].map(|system| ranked.settled().score(system).value);
    assert!((there.value - (scores[1] - scores[0])).abs() < 1e-12);
}

#[test]
fn a_system_against_itself_is_a_tie() {
    let copy = |name: &str| [1, 2].map(|seed| Outcome { system: name.to_owned(), ..outcome("cnn", seed, 500) });
    let comparison = Comparison::new([copy("one"), copy("other")].concat()).unwrap();
    let ranked = Ranked::new(&comparison, 500, 1).unwrap();
    for pair in [[0, 1], [1, 0], [0, 0]] {
        let difference = ranked.settled().difference(pair[0], pair[1]);
        assert_eq!(difference, Estimate { value: 0.0, interval: Some([0.0, 0.0]) });
        assert!(difference.is_tie());
    }
    assert_eq!(ranks(ranked.settled()), [(0, 1), (1, 1)]);
}

#[test]
fn of_one_recording_there_is_no_interval_and_all_tie() {
    let alone = |system, found| {
        let mut outcome = outcome(system, 1, found);
        outcome.recordings.truncate(1);
        outcome
    };
    let comparison = Comparison::new(vec![alone("cnn", 300), alone("hhstf", 900)]).unwrap();
    let ranked = Ranked::new(&comparison, 500, 1).unwrap();
    assert_eq!(ranks(ranked.settled()), [(1, 1), (0, 1)]);
    assert_eq!(ranked.settled().score(1).interval, None);
    assert!(ranked.settled().difference(1, 0).is_tie());
    assert_eq!(ranked.settled().score(0).value, comparison.systems()[0].runs[0].mean_f1(2));
}

#[test]
fn no_draws_are_refused() {
    let comparison = Comparison::new(vec![outcome("cnn", 1, 500)]).unwrap();
    assert_eq!(Ranked::new(&comparison, 0, 1).unwrap_err(), IntervalError::Resamples(0));
}
