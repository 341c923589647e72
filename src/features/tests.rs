use super::*;
use crate::skeleton::Skeleton;
use proptest::prelude::*;

fn skeleton() -> Skeleton {
    toml::from_str(
        r#"
        name = "rat-5"
        keypoints = ["top", "body", "tail", "tail-m", "tail-e"]
        front = "top"
        centre = "body"
        rear = "tail"
        edges = [["top", "body"], ["body", "tail"], ["tail", "tail-m"], ["tail-m", "tail-e"]]
        "#,
    )
    .unwrap()
}

const POINTS: usize = 10;

type Point = Option<(f32, f32)>;

/// Two wandering animals, some points missing; `None` is missing.
fn wander(ticks: usize) -> impl Strategy<Value = Vec<Vec<Point>>> {
    let step = (-0.2_f32..0.2, -0.2_f32..0.2);
    let point = prop::option::weighted(0.8, (-0.6_f32..0.6, -0.6_f32..0.6));
    let tick = (prop::array::uniform2(step), prop::collection::vec(point, POINTS));
    prop::collection::vec(tick, ticks).prop_map(|ticks| {
        let mut centres = [(0.0_f32, 0.0_f32), (1.5, 0.5)];
        let of_tick = |(steps, points): ([(f32, f32); 2], Vec<Point>)| {
            for (centre, step) in centres.iter_mut().zip(steps) {
                *centre = (centre.0 + step.0, centre.1 + step.1);
            }
            let place = |(index, point): (usize, Option<(f32, f32)>)| {
                let centre = centres[index / 5];
                point.map(|(x, y)| (centre.0 + x, centre.1 + y))
            };
            points.into_iter().enumerate().map(place).collect()
        };
        ticks.into_iter().map(of_tick).collect()
    })
}

fn keypoints(tick: &[Point], change: impl Fn(f32, f32) -> (f32, f32)) -> Vec<Keypoint> {
    let keypoint = |point: &Point| match *point {
        Some((x, y)) => {
            let (x, y) = change(x, y);
            Keypoint { x, y, confidence: 0.9 }
        }
        None => Keypoint::MISSING,
    };
    tick.iter().map(keypoint).collect()
}

/// The features of the last tick.
fn last(ticks: impl Iterator<Item = Vec<Keypoint>>) -> Features {
    let mut ring = TickRing::new(POINTS);
    let mut extractor = Extractor::new(skeleton(), 2, true);
    let mut features = None;
    for tick in ticks {
        ring.push(&tick);
        features = Some(extractor.advance(&ring).clone());
    }
    features.unwrap()
}

fn all(features: &Features) -> Vec<f32> {
    [per_tick(features), features.self_statistics.clone(), features.pair_statistics.clone()].concat()
}

/// All but the statistics.
fn per_tick(features: &Features) -> Vec<f32> {
    let Features { nodes, node_present, selves, pairs, edges, edge_present, .. } = features;
    [nodes, node_present, selves, pairs, edges, edge_present].into_iter().flatten().copied().collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn moving_and_turning_the_arena_changes_nothing(ticks in wander(90), angle in 0.0_f32..6.3, shift in -3.0_f32..3.0) {
        let (sin, cos) = angle.sin_cos();
        let moved = |x: f32, y: f32| (cos * x - sin * y + shift, sin * x + cos * y - 2.0 * shift);
        let before = last(ticks.iter().map(|tick| keypoints(tick, |x, y| (x, y))));
        let after = last(ticks.iter().map(|tick| keypoints(tick, moved)));
        // Third differences of coordinates near 10 in single precision, times their gain.
        prop_assert!(largest_difference(&all(&before), &all(&after)) < 2e-3);
    }

    #[test]
    fn exchanging_the_animals_exchanges_their_features(ticks in wander(80)) {
        let exchanged = |tick: &Vec<Point>| [&tick[5..], &tick[..5]].concat();
        let before = last(ticks.iter().map(|tick| keypoints(tick, |x, y| (x, y))));
        let after = last(ticks.iter().map(|tick| keypoints(&exchanged(tick), |x, y| (x, y))));
        for (before, after) in [
            (&before.nodes, &after.nodes),
            (&before.selves, &after.selves),
            (&before.pairs, &after.pairs),
            (&before.edges, &after.edges),
            (&before.edge_present, &after.edge_present),
            (&before.self_statistics, &after.self_statistics),
            (&before.pair_statistics, &after.pair_statistics),
        ] {
            let (first, second) = before.split_at(before.len() / 2);
            prop_assert_eq!(&[second, first].concat(), after);
        }
    }

    #[test]
    fn nothing_older_than_the_reach_matters(ticks in wander(REACH_TICKS + 40), other in wander(40)) {
        // What was lost before the reach began must be as if it had never been there: a tail, and an animal's whole axis.
        let mut ticks = ticks;
        for tick in &mut ticks[40..] {
            for lost in [3, 5, 6, 7] {
                tick[lost] = None;
            }
        }
        let recent = &ticks[40..];
        let as_they_are = |tick: &Vec<Point>| keypoints(tick, |x, y| (x, y));
        let one = last(ticks.iter().map(as_they_are));
        let two = last(other.iter().chain(recent).map(as_they_are));
        prop_assert_eq!(per_tick(&one), per_tick(&two));
        let alone = last(recent.iter().map(as_they_are));
        prop_assert_eq!(per_tick(&one), per_tick(&alone));
    }

    #[test]
    fn no_statistic_reaches_further_than_stated(ticks in wander(STATISTICS_REACH_TICKS + 20), other in wander(20)) {
        let mut ticks = ticks;
        for tick in &mut ticks[20..30] {
            // An axis that is lost where the reach begins: nothing may hold what it was before.
            tick[5..8].fill(None);
        }
        let recent = &ticks[20..];
        let as_they_are = |tick: &Vec<Point>| keypoints(tick, |x, y| (x, y));
        let one = last(ticks.iter().map(as_they_are));
        let two = last(other.iter().chain(recent).map(as_they_are));
        prop_assert_eq!(all(&one), all(&two));
        let alone = last(recent.iter().map(as_they_are));
        prop_assert_eq!(all(&one), all(&alone));
    }

    #[test]
    fn statistics_are_those_of_the_signals_over_their_windows(ticks in wander(330)) {
        // The length of the first animal, front to rear, is the fifth signal of an animal.
        let lengths: Vec<Option<f64>> = ticks.iter().rev().map(|tick| {
            let ((x, y), (u, v)) = (tick[0]?, tick[2]?);
            Some(f64::from(x - u).hypot(f64::from(y - v)))
        }).collect();
        let features = last(ticks.iter().map(|tick| keypoints(tick, |x, y| (x, y))));
        let mut first = 0;
        for (samples, stride, extremes) in [(30, 1, true), (40, 3, true), (50, 6, false)] {
            let known: Vec<f64> = lengths.iter().step_by(stride).take(samples).copied().flatten().collect();
            let per_signal = if extremes { 4 } else { 2 };
            let found = &features.self_statistics[first + 4 * per_signal..][..per_signal];
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let deviation = (known.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / known.len() as f64).sqrt();
            let mut expected = vec![mean, deviation];
            if extremes {
                expected.push(known.iter().copied().fold(f64::INFINITY, f64::min));
                expected.push(known.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            }
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((f64::from(*found) - expected).abs() < 1e-3, "{samples}: {found} and {expected}");
            }
            first += 8 * per_signal + 1;
        }
        prop_assert_eq!(first, SELF_STATISTICS);
    }

    #[test]
    fn every_channel_is_finite_and_bounded(ticks in wander(40), size in prop::sample::select(vec![1e-6_f32, 1.0, 1e6])) {
        let features = last(ticks.iter().map(|tick| keypoints(tick, |x, y| (x * size, y * size))));
        prop_assert!(all(&features).iter().all(|channel| channel.abs() <= CHANNEL_MAX));
    }
}

#[test]
fn an_unseen_animal_is_all_zero_but_for_the_time_since_it_was_seen() {
    let features = last((0..70).map(|tick| {
        let one = (0..5).map(|k| Some((tick as f32 * 0.01, k as f32 * 0.2)));
        keypoints(&one.chain([None; 5]).collect::<Vec<_>>(), |x, y| (x, y))
    }));
    let unseen = &features.nodes[5 * NODE_CHANNELS..];
    for node in unseen.chunks_exact(NODE_CHANNELS) {
        assert_eq!(node[..NODE_CHANNELS - 1], [0.0; NODE_CHANNELS - 1]);
        assert_eq!(node[NODE_CHANNELS - 1], 1.0);
    }
    assert_eq!(features.node_present[5..], [0.0; 5]);
    assert!(features.edge_present.iter().all(|&present| present == 0.0));
    assert_eq!(features.self_statistics[SELF_STATISTICS..], [0.0; SELF_STATISTICS]);
    assert_eq!(features.pair_statistics, [0.0; 2 * PAIR_STATISTICS]);
}

#[test]
fn nobody_pays_for_statistics_that_were_not_asked_for() {
    let mut ring = TickRing::new(POINTS);
    let mut extractor = Extractor::new(skeleton(), 2, false);
    ring.push(&[Keypoint { x: 0.1, y: 0.2, confidence: 1.0 }; POINTS]);
    let features = extractor.advance(&ring);
    assert!(features.self_statistics.is_empty() && features.pair_statistics.is_empty());
}

#[test]
fn velocity_is_the_animals_own_travel_in_its_own_frame() {
    // Head to the left, tail to the right, walking to the left by 0.05 body lengths a tick.
    let features = last((0..10).map(|tick| {
        let x = tick as f32 * -0.05;
        let body = [(-0.5, 0.0), (0.0, 0.0), (0.5, 0.0), (0.8, 0.0), (1.0, 0.0)];
        let one = body.map(|(dx, dy)| Some((x + dx, dy)));
        keypoints(&[&one[..], &[None; 5]].concat(), |x, y| (x, y))
    }));
    let centre = &features.nodes[NODE_CHANNELS..2 * NODE_CHANNELS];
    assert!((centre[3] - 0.5).abs() < 1e-4 && centre[4].abs() < 1e-4, "{centre:?}");
    assert_eq!(centre[5], 1.0);
    assert!(centre[6].abs() < 1e-3 && centre[9].abs() < 1e-3, "no acceleration, no jerk: {centre:?}");
}
