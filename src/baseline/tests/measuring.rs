use super::*;
use crate::time::WINDOW_TICKS;

/// Three animals that wander, run, stop and turn, with holes.
fn wanderers(ticks: usize) -> Played {
    let played = Played::new(ticks, |secs| {
        [0.0, 2.0, 4.0].map(|phase: f32| {
            let run = (secs * 0.7 + phase).sin().max(0.0) * 2.0;
            let place = Vec2::at_angle(secs * 0.2 + phase) * (1.5 + run);
            Animal { nose_aside: 0.1 * (secs * 9.0).sin(), ..Animal::at(place.x, place.y, secs * 0.5 + phase) }
        })
    });
    let mut rng = StdRng::seed_from_u64(5);
    played.hidden(|_, _, _| rng.random_bool(0.03))
}

fn all(measurer: &Measurer) -> Vec<Option<f32>> {
    let individuals = measurer.individuals();
    let of = |quantity: Quantity| {
        let pairs = (0..individuals).flat_map(move |agent| (0..individuals).map(move |target| (agent, target)));
        pairs.map(move |(agent, target)| measurer.value(quantity, agent, Some(target)))
    };
    Quantity::ALL.into_iter().flat_map(of).collect()
}

fn measured<'a>(ticks: impl Iterator<Item = &'a [Keypoint]>, individuals: usize) -> Vec<Vec<Option<f32>>> {
    let mut measurer = Measurer::new(&skeleton(), individuals);
    let tick = |points: &[Keypoint]| {
        measurer.advance(points);
        all(&measurer)
    };
    ticks.map(tick).collect()
}

fn last(played: &Played) -> Measurer {
    let mut measurer = Measurer::new(&skeleton(), played.individuals);
    played.ticks().for_each(|points| measurer.advance(points));
    measurer
}

fn near(value: Option<f32>, expected: f32, tolerance: f32) {
    assert!(value.is_some_and(|value| (value - expected).abs() <= tolerance), "{value:?} for {expected}");
}

#[test]
fn quantities_of_a_chase_are_what_was_made() {
    let measurer = last(&chase(120));
    let value = |quantity, agent: usize| measurer.value(quantity, agent, Some(1 - agent));
    for agent in [0, 1] {
        near(value(Quantity::Speed, agent), 3.0, 0.05);
        near(value(Quantity::TargetSpeedMean, agent), 3.0, 0.05);
        near(value(Quantity::TurningSpeed, agent), 0.6_f32.to_degrees(), 4.0);
        near(value(Quantity::PairTurning, agent), 0.6_f32.to_degrees(), 4.0);
        near(value(Quantity::Elongation, agent), 1.0, 0.02);
        near(value(Quantity::Stillness, agent), 0.0, 0.0);
        near(value(Quantity::CentreDistance, agent), 1.49, 0.02);
        near(value(Quantity::HeadingDifference, agent), 0.3_f32.to_degrees(), 1.0);
    }
    near(value(Quantity::NoseToTailBase, 1), 0.51, 0.03);
    near(value(Quantity::NoseToTailBase, 0), 2.45, 0.05);
    near(value(Quantity::BodyDistance, 0), 0.51, 0.03);
    near(value(Quantity::Facing, 1), 0.15_f32.to_degrees(), 1.0);
    near(value(Quantity::TargetFacing, 1), 180.0 - 0.15_f32.to_degrees(), 1.0);
    near(value(Quantity::Approach, 1), 2.97, 0.1);
    near(value(Quantity::TargetApproach, 1), -2.97, 0.1);
    near(value(Quantity::FollowingMean, 1), 2.9, 0.2);
    assert_eq!(measurer.value(Quantity::NoseToNose, 0, None), None);
    assert_eq!(measurer.value(Quantity::NoseToNose, 0, Some(0)), None);
    assert_eq!(measurer.value(Quantity::Speed, 2, None), None);
    near(measurer.value(Quantity::Speed, 0, None), 3.0, 0.05);
}

#[test]
fn stillness_counts_up_and_nobody_follows_who_stays() {
    let measurer = last(&alone(605, 0.0));
    near(measurer.value(Quantity::Stillness, 0, None), 10.0, 0.0);
    near(last(&alone(65, 0.0)).value(Quantity::Stillness, 0, None), 2.0, 0.0);
    assert_eq!(measurer.value(Quantity::Following, 0, Some(1)), Some(0.0));
    // The jitter of 0.003 bl alone is a tenth of a body length per second.
    near(measurer.value(Quantity::HeadMotion, 0, None), 0.1, 0.05);
    near(last(&alone(65, 0.1)).value(Quantity::HeadMotion, 0, None), 1.9, 0.4);
    let lost = alone(65, 0.0).hidden(|tick, individual, _| individual == 0 && tick == 40);
    let value = last(&lost).value(Quantity::Stillness, 0, None);
    assert!(value.is_some_and(|secs| secs < 0.8), "begins anew: {value:?}");
}

#[test]
fn who_is_not_seen_now_is_not_judged_by_the_second_before() {
    let means = [Quantity::SpeedMean, Quantity::TurningSpeedMean, Quantity::HeadMotion, Quantity::PairTurning];
    for quantity in means.into_iter().chain([Quantity::CentreDistanceMean, Quantity::FollowingMean]) {
        let value = |played: Played| last(&played).value(quantity, 1, Some(0));
        assert!(value(chase(90)).is_some(), "{quantity}");
        assert_eq!(value(chase(90).hidden(|tick, individual, _| tick == 89 && individual == 1)), None, "{quantity}");
        assert!(value(chase(90).hidden(|tick, _, _| tick == 70)).is_some(), "{quantity}");
    }
}

#[test]
fn a_jump_of_the_tracker_is_no_speed() {
    let jumped = alone(40, 0.0).then(alone(3, 0.0).map(|point| point + Vec2 { x: 30.0, y: 0.0 }));
    let measurer = last(&jumped);
    for quantity in [Quantity::Speed, Quantity::SpeedMean, Quantity::Approach, Quantity::Stillness] {
        assert_eq!(measurer.value(quantity, 0, Some(1)), None, "{quantity}");
    }
}

#[test]
fn nothing_depends_on_the_future_or_beyond_the_reach() {
    const { assert!(REACH_TICKS <= WINDOW_TICKS) };
    let (played, ticks) = (wanderers(700), 700);
    let whole = measured(played.ticks(), 3);
    let other_future = measured(played.ticks().take(500), 3);
    assert_eq!(whole[..500], other_future[..]);
    for tick in [REACH_TICKS - 1, 400, 555, ticks - 1] {
        let reach = played.ticks().skip(tick + 1 - REACH_TICKS).take(REACH_TICKS);
        assert_eq!(measured(reach, 3).last(), Some(&whole[tick]), "{tick}");
    }
    // Far beyond the reach it stays where it was: stillness.
    let still = alone(1000, 0.0);
    let reach = still.ticks().skip(1000 - REACH_TICKS);
    assert_eq!(measured(reach, 2).last(), measured(still.ticks(), 2).last());
}

#[test]
fn turning_and_moving_the_arena_changes_no_quantity() {
    let there = measured(wanderers(400).ticks(), 3);
    let turned = wanderers(400).map(|point| point.from_frame(Vec2::at_angle(1.0)) + Vec2 { x: 7.0, y: -3.0 });
    let mut known = 0;
    for (there, turned) in there.iter().flatten().zip(measured(turned.ticks(), 3).iter().flatten()) {
        assert_eq!(there.is_some(), turned.is_some());
        if let Some((there, turned)) = there.zip(*turned) {
            // Degrees are the largest numbers, and noisy where two lines are nearly parallel.
            assert!((there - turned).abs() < 0.05 + 1e-3 * there.abs(), "{there} {turned}");
            known += 1;
        }
    }
    assert!(known > 60_000, "{known}");
}

#[test]
fn points_of_another_shape_are_missing_not_a_panic() {
    let mut measurer = Measurer::new(&skeleton(), 2);
    for count in [0, 1, 7, 8, 30] {
        measurer.advance(&vec![Keypoint { x: 1.0, y: 1.0, confidence: 1.0 }; count]);
        assert_eq!(measurer.value(Quantity::Bend, 1, None), None);
    }
}
