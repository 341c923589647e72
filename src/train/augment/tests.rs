use std::ops::RangeInclusive;

use super::*;

mod faults;

const TICKS: usize = 4000;
const KEYPOINTS: usize = 5;

/// Nothing at all is done; each test switches on what it looks at.
fn off() -> Augmentation {
    Augmentation {
        mirror_chance: 0.0,
        scale_spread: 0.0,
        jitter_chance: 0.0,
        faulty_chance: 1.0,
        outlier_chance: 0.0,
        drift_chance: 0.0,
        confidence_chance: 0.0,
        keypoint_loss_chance: 0.0,
        animal_loss_chance: 0.0,
        swap_chance: 0.0,
        partial_swap_chance: 0.0,
        lag_chance: 0.0,
        hold_chance: 0.0,
        frame_loss_chance: 0.0,
        ..Augmentation::default()
    }
}

/// All of it, always.
fn everything() -> Augmentation {
    Augmentation {
        mirror_chance: 1.0,
        jitter_chance: 1.0,
        faulty_chance: 1.0,
        outlier_chance: 1.0,
        drift_chance: 1.0,
        confidence_chance: 1.0,
        keypoint_loss_chance: 1.0,
        animal_loss_chance: 1.0,
        swap_chance: 1.0,
        partial_swap_chance: 1.0,
        lag_chance: 1.0,
        hold_chance: 1.0,
        frame_loss_chance: 1.0,
        ..Augmentation::default()
    }
}

/// Animals that pass each other, every point at a place of its own at every tick.
fn crop(ticks: usize, individuals: usize) -> Vec<Keypoint> {
    let mut points = Vec::new();
    for tick in 0..ticks {
        for individual in 0..individuals {
            for keypoint in 0..KEYPOINTS {
                let (phase, along) = (tick as f32 * 0.01, keypoint as f32 * 0.3);
                let x = 4.0 + 3.0 * (phase * (1.0 + 0.1 * individual as f32)).sin() + along;
                let y = 4.0 + individual as f32 + (phase * 0.7).cos();
                points.push(Keypoint { x, y, confidence: 0.9 });
            }
        }
    }
    points
}

/// The same with some points missing.
fn crop_with_gaps(ticks: usize, individuals: usize) -> Vec<Keypoint> {
    let mut points = crop(ticks, individuals);
    for (index, point) in points.iter_mut().enumerate() {
        if index % 21 < 3 {
            *point = Keypoint::MISSING;
        }
    }
    points
}

fn altered(points: &[Keypoint], how: &Augmentation, seed: u64) -> Vec<Keypoint> {
    let individuals = points.len() / KEYPOINTS / TICKS;
    let mut altered = points.to_vec();
    augment(&mut altered, individuals, KEYPOINTS, 0.1, how, seed);
    altered
}

/// Lengths of the stretches in which something is so.
fn runs(of: impl IntoIterator<Item = bool>) -> Vec<usize> {
    let (mut runs, mut run) = (Vec::new(), 0);
    for is_so in of.into_iter().chain([false]) {
        if is_so {
            run += 1;
        } else if run > 0 {
            runs.push(run);
            run = 0;
        }
    }
    runs
}

/// Standard deviation, and correlation from tick to tick, of a value about 0.
fn spread(values: &[f32]) -> (f32, f32) {
    let square = values.iter().map(|value| value * value).sum::<f32>();
    let lagged = values.windows(2).map(|pair| pair[0] * pair[1]).sum::<f32>();
    ((square / values.len() as f32).sqrt(), lagged / square)
}

fn within(value: usize, bounds: RangeInclusive<usize>) {
    assert!(bounds.contains(&value), "expected {bounds:?}, got {value}");
}

#[test]
fn switched_off_nothing_is_done() {
    let points = crop_with_gaps(TICKS, 2);
    for seed in 0..5 {
        assert_eq!(altered(&points, &off(), seed), points);
        let none_faulty = Augmentation { mirror_chance: 0.0, jitter_chance: 0.0, scale_spread: 0.0, ..everything() };
        assert_eq!(altered(&points, &Augmentation { faulty_chance: 0.0, ..none_faulty }, seed), points);
    }
}

#[test]
fn the_same_seed_alters_alike() {
    let points = crop_with_gaps(TICKS, 3);
    assert_eq!(altered(&points, &everything(), 7), altered(&points, &everything(), 7));
    assert_ne!(altered(&points, &everything(), 7), altered(&points, &everything(), 8));
}

#[test]
fn a_kind_that_is_off_leaves_the_draws_of_the_others() {
    let points = crop(TICKS, 2);
    let without = Augmentation { outlier_chance: 0.0, lag_chance: 0.0, scale_spread: 0.0, ..everything() };
    let (with, without) = (altered(&points, &everything(), 3), altered(&points, &without, 3));
    assert_ne!(with, without);
    assert!(with.iter().zip(&without).all(|(a, b)| a.is_present() == b.is_present()), "the same losses");
}

#[test]
fn by_default_half_of_the_crops_are_nearly_clean() {
    let points = crop(1000, 2);
    let altered = |how: &Augmentation, seed: u64| {
        let mut points = points.clone();
        augment(&mut points, 2, KEYPOINTS, 0.1, how, seed);
        points
    };
    let clean = Augmentation { faulty_chance: 0.0, ..Augmentation::default() };
    let is_clean = |&seed: &u64| altered(&Augmentation::default(), seed) == altered(&clean, seed);
    // 0.51 of 200, three standard errors about it.
    within((0..200).filter(is_clean).count(), 81..=123);
}

#[test]
fn nothing_comes_of_nothing() {
    let points = crop_with_gaps(TICKS, 2);
    let how = Augmentation { swap_chance: 0.0, partial_swap_chance: 0.0, ..everything() };
    for seed in 0..10 {
        for (index, (was, is)) in points.iter().zip(altered(&points, &how, seed)).enumerate() {
            assert!(was.is_present() || !is.is_present(), "seed {seed}, point {index}");
        }
    }
}

#[test]
fn every_point_is_whole_or_missing() {
    let most =
        Augmentation { confidence_spread: 10.0, jitter_max: 1.0, drift_max: 1.0, scale_spread: 0.5, ..everything() };
    for (how, individuals) in [(&most, 1), (&most, 2), (&everything(), 3)] {
        let mut points = crop_with_gaps(TICKS, individuals);
        // A tracker that is certain, and one that says nothing.
        for (index, point) in points.iter_mut().enumerate().filter(|(_, point)| point.is_present()) {
            point.confidence = (index % 3) as f32 * 0.5;
        }
        let altered = altered(&points, how, 11);
        assert!(altered.iter().any(Keypoint::is_present));
        for Keypoint { x, y, confidence } in altered {
            let missing = x.is_nan() && y.is_nan() && confidence == 0.0;
            assert!(
                missing || x.is_finite() && y.is_finite() && (0.0..=1.0).contains(&confidence),
                "{x} {y} {confidence}"
            );
        }
    }
}

#[test]
fn crops_of_any_shape_are_taken() {
    for (ticks, individuals, keypoints) in [(0, 2, 5), (1, 1, 1), (1, 2, 3), (7, 3, 1), (2, 0, 5), (2, 2, 0)] {
        for seed in 0..20 {
            let mut points = vec![Keypoint { x: 1.0, y: 2.0, confidence: 1.0 }; ticks * individuals * keypoints];
            augment(&mut points, individuals, keypoints, 0.1, &everything(), seed);
        }
    }
    augment(&mut crop(1, 1)[..3], 1, KEYPOINTS, 0.1, &everything(), 1);
    let limits = Augmentation { swap_ticks_max: 0, hold_ticks_max: 0, outlier_ticks_max: 0, ..everything() };
    augment(&mut crop(50, 2), 2, KEYPOINTS, 0.1, &limits, 1);
}

#[test]
fn a_mirror_turns_one_axis() {
    let points = crop_with_gaps(TICKS, 2);
    let mirrored = altered(&points, &Augmentation { mirror_chance: 1.0, ..off() }, 1);
    assert!(points.iter().zip(mirrored).all(|(was, is)| is == Keypoint { y: -was.y, ..*was }));
}

#[test]
fn a_crop_has_one_scale() {
    let points = crop_with_gaps(TICKS, 2);
    let mut factors = Vec::new();
    for seed in 0..50 {
        let scaled = altered(&points, &Augmentation { scale_spread: 0.2, ..off() }, seed);
        let present: Vec<usize> = (0..points.len()).filter(|&index| points[index].is_present()).collect();
        let factor = scaled[present[0]].x / points[present[0]].x;
        assert!((0.8..=1.2).contains(&factor), "{factor}");
        for index in present {
            let expected = points[index].scaled(factor);
            // Single precision at ten body lengths.
            assert!((scaled[index].x - expected.x).abs() < 1e-5 && (scaled[index].y - expected.y).abs() < 1e-5);
        }
        factors.push(factor);
    }
    assert!(factors.iter().any(|factor| *factor < 0.9) && factors.iter().any(|factor| *factor > 1.1));
}
