use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const RULE: TriggerRule = TriggerRule { on: 0.8, off: 0.4, sustain_ticks: 1, refractory_ticks: 0 };

/// One trace that owns what it is about.
struct Owned {
    scores: Vec<f32>,
    truth: Vec<bool>,
    labelled: Vec<bool>,
}

impl Owned {
    /// A tick a letter. Scores: `#` is 0.9, else 0.1. Truth: `#` happened, `.` did not, ` ` nobody looked, and `?`
    /// nobody looked either, though it is said to have happened.
    fn new(scores: &str, truth: &str) -> Self {
        Self {
            scores: scores.chars().map(|letter| if letter == '#' { 0.9 } else { 0.1 }).collect(),
            truth: truth.chars().map(|letter| matches!(letter, '#' | '?')).collect(),
            labelled: truth.chars().map(|letter| matches!(letter, '#' | '.')).collect(),
        }
    }

    fn trace(&self) -> Trace<'_> {
        Trace { scores: &self.scores, truth: &self.truth, labelled: &self.labelled }
    }

    fn tally(&self, delay: u32) -> TriggerTally {
        TriggerTally::of(&[self.trace()], DelayTicks(delay), RULE)
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn a_bout_is_hit_once_and_what_comes_again_is_neither_found_nor_false() {
    let tally = Owned::new("..#..#..#......#.", "....#######..##..").tally(0);
    assert_eq!((tally.bouts, tally.hits, tally.hits_while_going, tally.repeated), (2, 1, 1, 1));
    assert_eq!((tally.false_triggers, tally.triggers), (2, 4));
    assert_eq!(tally.onset_latencies_secs, [1.0 / 30.0]);
    assert!(close(tally.labelled_secs, 17.0 / 30.0) && close(tally.background_secs, 8.0 / 30.0), "{tally:?}");
    assert_eq!(tally.hit_share(), 0.5);
    assert!(close(tally.false_per_hour(), 2.0 * 3600.0 * 30.0 / 17.0));
}

#[test]
fn what_nobody_looked_at_is_neither_found_nor_false() {
    // The bout begins where somebody looked.
    let tally = Owned::new("..#.#..#.#.#", "  .???##..??").tally(0);
    assert_eq!((tally.bouts, tally.hits, tally.false_triggers, tally.triggers), (1, 1, 2, 5));
    assert_eq!(tally.onset_latencies_secs, [1.0 / 30.0]);
    assert!(close(tally.labelled_secs, 5.0 / 30.0) && close(tally.background_secs, 3.0 / 30.0), "{tally:?}");
    let over_a_hole = Owned::new("..#..#..", ".### ##.").tally(0);
    assert_eq!((over_a_hole.bouts, over_a_hole.hits, over_a_hole.repeated), (2, 2, 0));
}

#[test]
fn a_trigger_is_about_an_earlier_tick_and_is_seen_when_it_is_told() {
    // Told at 5, 9 and 13; about 2, 6 and 10. The first bout is over when the animal sees it.
    let tally = Owned::new(".....#...#...#", "..##..########").tally(3);
    assert_eq!((tally.bouts, tally.hits, tally.hits_while_going, tally.late()), (2, 2, 1, 1));
    assert_eq!((tally.repeated, tally.false_triggers), (1, 0));
    assert_eq!(tally.onset_latencies_secs, [0.1, 0.1]);
    // Told at the annotated offset is told too late.
    assert_eq!(Owned::new(".....#", "..###.").tally(3).late(), 1);
    assert_eq!(Owned::new(".....#", "..####").tally(3).late(), 0);
}

#[test]
fn scores_before_the_recording_and_after_its_labels_count_for_nothing() {
    // Told at 1 is about no tick of the recording, and so told at 3, about the first, may go on since before; told at 9
    // is about a tick past the labels.
    let tally = Owned::new(".#.#...#.#", "#.....").tally(3);
    assert_eq!((tally.triggers, tally.hits, tally.false_triggers), (2, 0, 1));
    let silent = Owned::new("", "..##..").tally(5);
    assert_eq!((silent.bouts, silent.triggers, silent.hit_share()), (1, 0, 0.0));
}

#[test]
fn false_ones_shortly_before_an_onset_are_early() {
    let background = |ticks: usize| ".".repeat(ticks);
    let (scores, bout) = (format!(".#{}", background(40)), "#".repeat(5));
    let early = |ticks: usize| Owned::new(&scores, &format!("{}{bout}", background(1 + ticks))).tally(0).early;
    assert_eq!([1, 15, 16].map(early), [1, 1, 0]);
    assert_eq!(Owned::new(".#...", ".....").tally(0).early, 0);
}

#[test]
fn tallies_pool() {
    let parts = [Owned::new("...#...#", "..##...."), Owned::new(".#.#.#", "###. #"), Owned::new(".....#", ".#####")];
    let traces: Vec<Trace> = parts.iter().map(Owned::trace).collect();
    let pooled = TriggerTally::of(&traces, DelayTicks(0), RULE);
    let mut sum = TriggerTally::default();
    for part in &parts {
        sum += part.tally(0);
    }
    assert_eq!(pooled, sum);
    assert_eq!((pooled.bouts, pooled.hits, pooled.false_triggers), (4, 4, 2));
    assert!(pooled.onset_latencies_secs.is_sorted());
}

#[test]
fn latencies_are_ones_that_were_seen() {
    let of = |count: usize| TriggerTally {
        onset_latencies_secs: (1..=count).map(|secs| secs as f64).collect(),
        ..TriggerTally::default()
    };
    let both = |count| (of(count).median_latency_secs(), of(count).latency_95_secs());
    assert_eq!(both(0), (None, None));
    assert_eq!(both(1), (Some(1.0), Some(1.0)));
    assert_eq!(both(4), (Some(2.0), Some(4.0)));
    assert_eq!(both(100), (Some(50.0), Some(95.0)));
    assert_eq!((of(3).latency_secs(-1.0), of(3).latency_secs(2.0)), (Some(1.0), Some(3.0)));
}

#[test]
fn nothing_seen_in_few_hours_is_no_rate_of_zero() {
    let hours = |hours: f64, false_triggers| {
        let tally = TriggerTally { false_triggers, labelled_secs: hours * 3600.0, ..TriggerTally::default() };
        (tally.false_per_hour(), tally.false_per_hour_upper())
    };
    let (rate, upper) = hours(0.5, 0);
    assert!(rate == 0.0 && (upper - 2.9957 / 0.5).abs() < 1e-3, "{upper}");
    let (rate, upper) = hours(10.0, 5);
    assert!(close(rate, 0.5) && (upper - 1.0513).abs() < 1e-3, "{upper}");
    assert_eq!(hours(0.0, 0), (0.0, f64::INFINITY));
}

/// Ticks whose logits wander about −4, and about `level` while the behavior goes on.
fn wandering(ticks: usize, level: f32, seed: u64) -> Owned {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut logit, mut happens) = (-4.0_f32, false);
    let (mut scores, mut truth) = (Vec::new(), Vec::new());
    for _ in 0..ticks {
        happens = if happens { random.random_range(0..60) > 0 } else { random.random_range(0..600) == 0 };
        logit += 0.1 * (if happens { level } else { -4.0 } - logit) + random.random_range(-0.7..0.7);
        scores.push(1.0 / (1.0 + (-logit).exp()));
        truth.push(happens);
    }
    Owned { scores, truth, labelled: vec![true; ticks] }
}

fn wandering_curve() -> Vec<Point> {
    let parts = [wandering(10_000, -0.5, 1), wandering(10_000, -1.5, 2)];
    let traces: Vec<Trace> = parts.iter().map(Owned::trace).collect();
    curve(&traces, DelayTicks(0), &Grid::default()).unwrap()
}

#[test]
fn a_curve_spans_from_what_fires_often_to_the_highest_score() {
    let points = wandering_curve();
    let grid = Grid::default();
    for (of_sustain, &sustain) in
        points.chunk_by(|a, b| a.rule.sustain_ticks == b.rule.sustain_ticks).zip(&grid.sustains_ticks)
    {
        assert!((40..=grid.thresholds).contains(&of_sustain.len()), "{} thresholds", of_sustain.len());
        assert!(of_sustain.windows(2).all(|pair| pair[0].rule.on < pair[1].rule.on));
        for Point { rule, .. } in of_sustain {
            assert_eq!((rule.sustain_ticks, rule.refractory_ticks), (sustain, grid.refractory_ticks));
            let odds = |score: f32| f64::from(score) / (1.0 - f64::from(score));
            assert!((odds(rule.off) / odds(rule.on) - OFF_ODDS_SHARE).abs() < 1e-3, "{rule:?}");
        }
    }
    let parts = [wandering(10_000, -0.5, 1), wandering(10_000, -1.5, 2)];
    let scores: Vec<f32> = parts.iter().flat_map(|part| part.scores.clone()).collect();
    let highest = scores.iter().copied().fold(0.0, f32::max);
    assert!(points.iter().all(|point| point.rule.on <= highest));
    assert_eq!(points[points.len() - 1].rule.on, highest);
    let above = |threshold: f32| scores.iter().filter(|score| **score >= threshold).count();
    // Half of the scores reach the lowest, the highest few are told apart, and no step between two is wide.
    assert!(above(points[0].rule.on).abs_diff(scores.len() / 2) <= 1);
    assert!(points.iter().filter(|point| above(point.rule.on) <= 10).count() >= 6 * grid.sustains_ticks.len());
    let logits: Vec<f32> = points.iter().map(|point| point.rule.on).map(|on| (on / (1.0 - on)).ln()).collect();
    let step_max = (logits[logits.len() - 1] - logits[0]) / 30.0;
    assert!(logits.windows(2).all(|pair| pair[1] - pair[0] < step_max));
    let (often, seldom) = (&points[..40], &points[points.len() - 1]);
    let most = often.iter().map(|point| point.tally.hit_share()).fold(0.0, f64::max);
    assert!(most > 0.6, "{most}");
    assert_eq!(seldom.tally.false_triggers, 0);
    for point in points.iter().step_by(17) {
        let traces: Vec<Trace> = parts.iter().map(Owned::trace).collect();
        assert_eq!(point.tally, TriggerTally::of(&traces, DelayTicks(0), point.rule));
    }
}

#[test]
fn a_curve_of_saturated_or_no_scores_holds_only_rules() {
    let truth = [false, true, true, false];
    let of = |scores: &[f32]| {
        let trace = Trace { scores, truth: &truth, labelled: &[true; 4] };
        curve(&[trace], DelayTicks(0), &Grid::default()).unwrap()
    };
    let saturated = of(&[0.0, 1.0, 1.0, 0.0]);
    assert!(!saturated.is_empty() && saturated.iter().all(|point| point.rule.checked().is_ok()));
    assert_eq!(choose(&saturated, 0.0).unwrap().rule.on, 1.0);
    assert_eq!(choose(&of(&[0.0, 7.0, f32::INFINITY, -1.0]), 0.0).unwrap().tally.hits, 1);
    assert!(of(&[f32::NAN; 4]).is_empty() && of(&[0.0; 4]).is_empty() && of(&[]).is_empty());
    let long = Grid { sustains_ticks: vec![1, 600], ..Grid::default() };
    let trace = Trace { scores: &[0.5; 4], truth: &truth, labelled: &[true; 4] };
    assert!(curve(&[trace], DelayTicks(0), &long).unwrap_err().to_string().contains("got 600"));
}

#[test]
fn the_chosen_point_has_the_most_hits_within_the_limit() {
    let points = wandering_curve();
    let mut hits_before = 0;
    for limit in [0.0, 5.0, 30.0, 100.0, f64::INFINITY] {
        let chosen = choose(&points, limit).unwrap();
        assert!(chosen.tally.false_per_hour() <= limit);
        let allowed = points.iter().filter(|point| point.tally.false_per_hour() <= limit);
        assert_eq!(chosen.tally.hits, allowed.map(|point| point.tally.hits).max().unwrap());
        assert!(chosen.tally.hits >= hits_before);
        hits_before = chosen.tally.hits;
    }
    assert!(hits_before > choose(&points, 0.0).unwrap().tally.hits);
    assert!(choose(&points, f64::NAN).is_none() && choose(&points, -1.0).is_none());
}

fn point(on: f32, hits: u64, false_triggers: u64, latency_secs: f64) -> Point {
    let onset_latencies_secs = vec![latency_secs; hits as usize];
    let tally = TriggerTally {
        bouts: 10,
        hits,
        false_triggers,
        labelled_secs: 3600.0,
        onset_latencies_secs,
        ..TriggerTally::default()
    };
    Point { rule: TriggerRule { on, ..RULE }, tally }
}

#[test]
fn of_equal_hits_the_earlier_and_then_the_higher_threshold_is_chosen() {
    let points = [point(0.9, 5, 2, 0.4), point(0.5, 5, 2, 0.3), point(0.6, 5, 0, 0.3), point(0.4, 9, 3, 0.1)];
    assert_eq!(choose(&points, 2.0), Some(&points[2]));
    assert_eq!(choose(&points, 3.0), Some(&points[3]));
    assert_eq!(choose(&[point(0.9, 0, 0, 0.0)], 3.0), None);
}

#[test]
fn the_frontier_holds_what_nothing_else_beats() {
    let by_hand = [
        point(0.9, 0, 0, 0.0),
        point(0.8, 4, 1, 0.2),
        point(0.7, 4, 1, 0.1),
        point(0.6, 4, 2, 0.1),
        point(0.5, 6, 2, 0.3),
    ];
    assert_eq!(frontier(&by_hand), [&by_hand[2], &by_hand[4]]);
    let points = wandering_curve();
    let front = frontier(&points);
    assert!(front.len() > 5, "{}", front.len());
    let cost = |point: &Point| (point.tally.false_triggers, point.tally.hits);
    assert!(front.windows(2).all(|pair| cost(pair[0]).0 < cost(pair[1]).0 && cost(pair[0]).1 < cost(pair[1]).1));
    for point in points.iter().filter(|point| point.tally.hits > 0) {
        let (false_triggers, hits) = cost(point);
        assert!(front.iter().any(|best| cost(best).0 <= false_triggers && cost(best).1 >= hits), "{point:?}");
    }
}
