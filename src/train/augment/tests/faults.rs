//! Each kind of fault, alone.

use super::*;

/// x of one point, tick by tick, over what it was.
fn error(points: &[Keypoint], altered: &[Keypoint], column: usize) -> Vec<f32> {
    let pairs = points.iter().zip(altered).skip(column).step_by(points.len() / TICKS);
    pairs.map(|(was, is)| is.x - was.x).collect()
}

#[test]
fn jitter_is_white() {
    let points = crop(TICKS, 2);
    let mut deviations = Vec::new();
    for seed in 0..10 {
        let jittered = altered(&points, &Augmentation { jitter_chance: 1.0, jitter_max: 0.02, ..off() }, seed);
        let (deviation, correlation) = spread(&error(&points, &jittered, 7));
        assert!(deviation < 0.021, "{deviation}");
        // Four standard errors: 1 / √4000 = 0.016.
        assert!(correlation.abs() < 0.064, "{correlation}");
        deviations.push(deviation);
    }
    assert!(deviations.iter().any(|deviation| *deviation > 0.01), "{deviations:?}");
}

#[test]
fn drift_wanders_for_half_a_second() {
    let points = crop(TICKS, 2);
    let how = Augmentation { drift_chance: 1.0, drift_max: 0.5, ..off() };
    for seed in 0..10 {
        let drifted = altered(&points, &how, seed);
        let (nose, tail) = (error(&points, &drifted, 0), error(&points, &drifted, 4));
        let (deviation, correlation) = spread(&nose);
        assert!(deviation < 0.6, "{deviation}");
        // exp(-1/10) to exp(-1/20), and what 4,000 ticks leave unsure.
        assert!((0.88..0.97).contains(&correlation), "{correlation}");
        let together: f32 = nose.iter().zip(&tail).map(|(a, b)| a * b).sum::<f32>() / TICKS as f32;
        assert!(together.abs() < 0.5 * deviation * deviation, "each keypoint goes its own way");
    }
}

#[test]
fn outliers_are_short_and_lie_nearby_or_on_the_other() {
    let points = crop(TICKS, 2);
    let jumped = altered(&points, &Augmentation { outlier_chance: 1.0, ..off() }, 2);
    let width = 2 * KEYPOINTS;
    let (mut onto, mut aside) = (0, 0);
    for column in 0..width {
        let changed = |tick: usize| points[tick * width + column] != jumped[tick * width + column];
        assert!(runs((0..TICKS).map(changed)).iter().all(|run| *run <= 3), "{column}");
        for tick in (0..TICKS).filter(|&tick| changed(tick)) {
            let (was, is) = (points[tick * width + column], jumped[tick * width + column]);
            let other = points[tick * width + (column + KEYPOINTS) % width];
            assert_eq!(is.confidence, was.confidence);
            if (is.x, is.y) == (other.x, other.y) {
                onto += 1;
            } else {
                // The animal goes on meanwhile.
                assert!((is.x - was.x).hypot(is.y - was.y) < 2.0 + 0.2, "{column} {tick}");
                aside += 1;
            }
        }
    }
    // 4 per 1,000 ticks and animal, of 2 ticks, half of either: 32 of each.
    within(onto, 15..=60);
    within(aside, 15..=60);
}

#[test]
fn outliers_of_an_animal_that_is_alone_lie_nearby() {
    let points = crop(TICKS, 1);
    let jumped = altered(&points, &Augmentation { outlier_chance: 1.0, ..off() }, 2);
    within(points.iter().zip(&jumped).filter(|(was, is)| was != is).count(), 15..=60);
}

#[test]
fn confidence_wanders_slowly_and_has_a_floor() {
    let points = crop(TICKS, 2);
    let how = Augmentation { confidence_chance: 1.0, confidence_spread: 2.0, ..off() };
    let unsure = |confidence_min: f32, seed: u64| {
        let mut altered = points.clone();
        augment(&mut altered, 2, KEYPOINTS, confidence_min, &how, seed);
        altered
    };
    let mut means = Vec::new();
    for seed in 0..10 {
        let all = unsure(0.0, seed);
        assert!(points.iter().zip(&all).all(|(was, is)| (was.x, was.y) == (is.x, is.y)));
        let logits: Vec<f32> =
            all.iter().step_by(2 * KEYPOINTS).map(|point| (point.confidence / (1.0 - point.confidence)).ln()).collect();
        let mean = logits.iter().sum::<f32>() / TICKS as f32;
        let (deviation, correlation) = spread(&logits.iter().map(|logit| logit - mean).collect::<Vec<_>>());
        assert!(deviation < 2.0 && correlation > 0.9, "{deviation} {correlation}");
        means.push(mean);
        let seen = unsure(0.85, seed);
        for (all, seen) in all.iter().zip(seen) {
            let expected = if all.confidence < 0.85 { Keypoint::MISSING } else { *all };
            assert_eq!(seen, expected);
        }
    }
    let usual = (0.9_f32 / 0.1).ln();
    assert!(means.iter().any(|mean| *mean < usual - 0.3) && means.iter().any(|mean| *mean > usual + 0.3), "{means:?}");
}

/// Whether a point that was there is lost.
fn lost(altered: &[Keypoint], tick: usize, individual: usize, keypoint: usize) -> bool {
    !altered[(tick * 2 + individual) * KEYPOINTS + keypoint].is_present()
}

/// What is not lost is as it was.
fn assert_only_lost(points: &[Keypoint], altered: &[Keypoint]) {
    assert!(points.iter().zip(altered).all(|(was, is)| was == is || !is.is_present()));
}

#[test]
fn keypoints_are_lost_one_by_one() {
    let points = crop(TICKS, 2);
    let how = Augmentation { keypoint_loss_chance: 1.0, keypoint_losses: 2.0, loss_ticks_max: 20, ..off() };
    let altered = altered(&points, &how, 1);
    assert_only_lost(&points, &altered);
    let mut losses = Vec::new();
    for column in 0..2 * KEYPOINTS {
        losses.extend(runs((0..TICKS).map(|tick| lost(&altered, tick, column / KEYPOINTS, column % KEYPOINTS))));
    }
    // 2 per 1,000 ticks and animal: 16, four standard errors about it. A few may overlap.
    within(losses.len(), 4..=32);
    assert!(losses.iter().all(|run| *run <= 20), "{losses:?}");
}

#[test]
fn animals_are_lost_as_a_whole() {
    let points = crop(TICKS, 2);
    let how = Augmentation { animal_loss_chance: 1.0, animal_losses: 2.0, loss_ticks_max: 20, ..off() };
    let altered = altered(&points, &how, 1);
    assert_only_lost(&points, &altered);
    for individual in 0..2 {
        for tick in 0..TICKS {
            let gone = (0..KEYPOINTS).filter(|&keypoint| lost(&altered, tick, individual, keypoint)).count();
            assert!(gone == 0 || gone == KEYPOINTS, "{individual} {tick}");
        }
        let losses = runs((0..TICKS).map(|tick| lost(&altered, tick, individual, 0)));
        // 8, three standard errors about it.
        within(losses.len(), 1..=17);
        assert!(losses.iter().all(|run| *run <= 20), "{losses:?}");
    }
    assert!((0..TICKS).any(|tick| lost(&altered, tick, 0, 0) != lost(&altered, tick, 1, 0)));
}

#[test]
fn frames_are_lost_singly_and_in_bursts() {
    let points = crop(TICKS, 2);
    let altered = altered(&points, &Augmentation { frame_loss_chance: 1.0, ..off() }, 4);
    assert_only_lost(&points, &altered);
    let frames: Vec<&[Keypoint]> = altered.chunks_exact(2 * KEYPOINTS).collect();
    let gone = |frame: &&[Keypoint]| frame.iter().all(|point| !point.is_present());
    assert!(frames.iter().all(|frame| gone(frame) || frame.iter().all(Keypoint::is_present)));
    let losses = runs(frames.iter().map(gone));
    // 12, three standard errors about it, about half of them of one frame.
    within(losses.len(), 2..=22);
    within(losses.iter().filter(|run| **run == 1).count(), losses.len() / 3..=losses.len() * 4 / 5);
    assert!(losses.iter().any(|run| *run > 2) && losses.iter().all(|run| *run <= 10), "{losses:?}");
}

#[test]
fn swapped_animals_have_each_others_points() {
    let points = crop_with_gaps(TICKS, 2);
    let altered = altered(&points, &Augmentation { swap_chance: 1.0, ..off() }, 1);
    let mut swapped = Vec::new();
    for (was, is) in points.chunks_exact(2 * KEYPOINTS).zip(altered.chunks_exact(2 * KEYPOINTS)) {
        let exchanged = [&was[KEYPOINTS..], &was[..KEYPOINTS]].concat();
        assert!(is == was || is == exchanged);
        swapped.push(is != was);
    }
    let swaps = runs(swapped);
    // 4 are expected; other seeds have none, or two that overlap.
    within(swaps.len(), 1..=12);
    assert!(swaps.iter().all(|run| (5..=60).contains(run)), "{swaps:?}");
}

#[test]
fn only_two_of_three_animals_are_swapped() {
    let points = crop(TICKS, 3);
    let altered = altered(&points, &Augmentation { swap_chance: 1.0, swaps: 0.5, ..off() }, 1);
    let mut swapped = 0;
    for (was, is) in points.chunks_exact(3 * KEYPOINTS).zip(altered.chunks_exact(3 * KEYPOINTS)) {
        let moved: Vec<usize> = (0..3).filter(|&animal| was[animal * KEYPOINTS] != is[animal * KEYPOINTS]).collect();
        if let [one, other] = moved[..] {
            assert_eq!(was[one * KEYPOINTS..][..KEYPOINTS], is[other * KEYPOINTS..][..KEYPOINTS]);
            assert_eq!(was[other * KEYPOINTS..][..KEYPOINTS], is[one * KEYPOINTS..][..KEYPOINTS]);
            swapped += 1;
        } else {
            assert!(moved.is_empty(), "{moved:?}");
        }
    }
    assert!(swapped > 0);
}

#[test]
fn swaps_begin_where_animals_are_near() {
    let points = crop(TICKS, 2);
    let gap = |tick: usize| points[tick * 2 * KEYPOINTS].x - points[(tick * 2 + 1) * KEYPOINTS].x;
    let usual = (0..TICKS).map(|tick| gap(tick).abs()).sum::<f32>() / TICKS as f32;
    let (mut sum, mut swaps) = (0.0, 0);
    for seed in 0..20 {
        let altered = altered(&points, &Augmentation { swap_chance: 1.0, ..off() }, seed);
        let is_swapped = |tick: usize| altered[tick * 2 * KEYPOINTS] != points[tick * 2 * KEYPOINTS];
        for tick in (1..TICKS).filter(|&tick| is_swapped(tick) && !is_swapped(tick - 1)) {
            (sum, swaps) = (sum + gap(tick).abs(), swaps + 1);
        }
    }
    assert!(swaps > 20 && sum / (swaps as f32) < 0.6 * usual, "{} of {usual}, {swaps} swaps", sum / swaps as f32);
}

#[test]
fn a_partial_swap_exchanges_one_keypoint() {
    let points = crop_with_gaps(TICKS, 2);
    let altered = altered(&points, &Augmentation { partial_swap_chance: 1.0, ..off() }, 1);
    let mut swaps = Vec::new();
    for keypoint in 0..KEYPOINTS {
        let is_swapped = |tick: usize| {
            let (one, other) = (tick * 2 * KEYPOINTS + keypoint, (tick * 2 + 1) * KEYPOINTS + keypoint);
            let (was, is) = ((points[one], points[other]), (altered[one], altered[other]));
            assert!(is == was || is == (was.1, was.0), "{keypoint} {tick}");
            is != was
        };
        swaps.push(runs((0..TICKS).map(is_swapped)));
    }
    // 2 per 1,000 ticks are 8; they would be all alike if whole animals were swapped.
    within(swaps.concat().len(), 2..=16);
    assert!(swaps.concat().iter().all(|run| (5..=60).contains(run)), "{swaps:?}");
    assert!(swaps.iter().any(|runs| *runs != swaps[0]), "{swaps:?}");
}

#[test]
fn one_animal_is_never_swapped() {
    let points = crop(TICKS, 1);
    let how = Augmentation { swap_chance: 1.0, partial_swap_chance: 1.0, swaps: 100.0, partial_swaps: 100.0, ..off() };
    assert_eq!(altered(&points, &how, 1), points);
}

/// One point at 0.1 body lengths a tick, with a gap.
fn ramp() -> Vec<Keypoint> {
    let point = |tick: usize| Keypoint { x: tick as f32 * 0.1, y: 1.0, confidence: 0.9 };
    (0..200).map(|tick| if (100..105).contains(&tick) { Keypoint::MISSING } else { point(tick) }).collect()
}

#[test]
fn a_filter_lags_behind_motion_and_begins_anew_after_a_gap() {
    let mut behind = Vec::new();
    for seed in 0..30 {
        let (source, mut points) = (ramp(), ramp());
        augment(&mut points, 1, 1, 0.1, &Augmentation { lag_chance: 1.0, ..off() }, seed);
        let lag = |tick: usize| (source[tick].x - points[tick].x) / 0.1;
        assert_eq!((lag(0), lag(105)), (0.0, 0.0));
        assert!(!points[102].is_present());
        // Settled to single precision after 99 and 94 ticks.
        assert!((lag(99) - lag(199)).abs() < 1e-3 && lag(106) <= lag(199) + 1e-3, "{} {}", lag(99), lag(199));
        assert!((0.0..=2.54).contains(&lag(99)), "{}", lag(99));
        behind.push(lag(99));
    }
    assert!(behind.iter().any(|lag| *lag < 0.5) && behind.iter().any(|lag| *lag > 1.5), "{behind:?}");
}

#[test]
fn a_filter_knows_no_future() {
    let how = Augmentation { lag_chance: 1.0, ..off() };
    let (mut one, mut other) = (ramp(), ramp());
    other[50].x += 1.0;
    augment(&mut one, 1, 1, 0.1, &how, 1);
    augment(&mut other, 1, 1, 0.1, &how, 1);
    assert_eq!(one[..50], other[..50]);
    assert!(other[51].x > one[51].x, "the past lingers");
}

#[test]
fn a_held_keypoint_stays_as_it_was_last() {
    let points = crop_with_gaps(TICKS, 2);
    let altered = altered(&points, &Augmentation { hold_chance: 1.0, ..off() }, 1);
    let width = 2 * KEYPOINTS;
    let mut holds = Vec::new();
    for column in 0..width {
        let at = |tick: usize| tick * width + column;
        let is_held = |tick: usize| points[at(tick)] != altered[at(tick)];
        for tick in (0..TICKS).filter(|&tick| is_held(tick)) {
            assert_eq!(altered[at(tick)], altered[at(tick - 1)], "{column} {tick}");
        }
        holds.extend(runs((0..TICKS).map(is_held)));
    }
    // 5 per 1,000 ticks and animal are 40; a fifth falls into gaps.
    within(holds.len(), 15..=50);
    assert!(holds.iter().all(|run| *run <= 5), "{holds:?}");
}
