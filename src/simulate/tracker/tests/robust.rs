//! Scenes and numbers that no simulator should give, and that do no harm.

use super::*;

/// A missing point is missing altogether; a present one is finite.
fn assert_sound(observed: &Observed, count: usize) {
    assert_eq!(observed.keypoints.len(), count);
    for keypoint in &observed.keypoints {
        assert_eq!(keypoint.x.is_finite(), keypoint.y.is_finite(), "{keypoint:?}");
        assert!((0.0..=1.0).contains(&keypoint.confidence), "{keypoint:?}");
        assert!(keypoint.is_present() || keypoint.confidence == 0.0, "{keypoint:?}");
    }
    assert!(observed.latency < Duration::from_secs(10) && observed.late < Duration::from_secs(100));
}

#[test]
fn two_to_eight_animals_of_three_to_64_keypoints_are_reported_soundly() {
    for individuals in 2..=INDIVIDUALS_MAX {
        for keypoints in [3, 4, 17, KEYPOINTS_MAX] {
            let mut tracker =
                Tracker::new(&Preset::named("awful").unwrap(), AXIS, individuals, keypoints, 30.0, individuals as u64);
            let mut present = 0;
            for frame in 0..200 {
                let (points, heights) = herd(individuals, keypoints, f64::from(frame) / 30.0);
                let observed = tracker.observe(&points, &heights);
                assert_sound(&observed, individuals * keypoints);
                present += observed.keypoints.iter().filter(|keypoint| keypoint.is_present()).count();
            }
            assert!(present > 200 * individuals * keypoints / 3, "{individuals} × {keypoints}: {present}");
        }
    }
}

#[test]
fn hostile_scenes_do_no_harm() {
    let count = 3 * KEYPOINTS;
    let same = vec![Vec2 { x: 1.0, y: 1.0 }; count];
    let (usual, heights) = herd(3, KEYPOINTS, 0.0);
    let mut some = usual.clone();
    for (index, value) in [(0, f32::NAN), (4, f32::INFINITY), (7, 1e30), (9, -1e30)] {
        some[index].y = value;
    }
    let half = Vec2 { x: f32::NAN, y: 0.0 };
    let huge: Vec<Vec2> = (0..count).map(|index| Vec2 { x: 1e6, y: -9e5 + index as f32 }).collect();
    let scenes = [same, some, vec![half; count], huge, vec![Vec2::default(); count], Vec::new(), usual[..5].to_vec()];
    for name in Preset::NAMES {
        let mut tracker = Tracker::new(&Preset::named(name).unwrap(), AXIS, 3, KEYPOINTS, 30.0, 1);
        for frame in 0..1400 {
            let scene = &scenes[frame / 20 % scenes.len()];
            let heights = [&heights[..], &[], &[f32::NAN; 3], &[f32::INFINITY; 9]][frame % 4];
            let observed = tracker.observe(scene, heights);
            assert_sound(&observed, count);
        }
        // And afterwards it sees as before.
        let mut present = 0;
        for _ in 0..300 {
            let observed = tracker.observe(&usual, &heights);
            present += observed.keypoints.iter().filter(|keypoint| keypoint.is_present()).count();
        }
        assert!(present > 300 * count / 4, "{name}: {present}");
    }
}

#[test]
fn what_is_not_in_the_scene_is_never_reported() {
    let mut tracker = Tracker::new(&Preset::named("awful").unwrap(), AXIS, 2, KEYPOINTS, 30.0, 1);
    let (mut points, heights) = herd(2, KEYPOINTS, 0.0);
    points[..KEYPOINTS].fill(Vec2 { x: f32::NAN, y: f32::NAN });
    for _ in 0..1000 {
        let observed = tracker.observe(&points, &heights);
        let slot = tracker.owners().iter().position(|body| *body == 0).unwrap();
        assert!(observed.keypoints[slot * KEYPOINTS..][..KEYPOINTS].iter().all(|keypoint| !keypoint.is_present()));
    }
}

#[test]
fn odd_counts_rates_axes_and_unchecked_presets_do_no_harm() {
    let mut wild = Preset::named("awful").unwrap();
    for (individuals, keypoints, rate_hz) in [
        (0, 0, 30.0),
        (1, 1, 0.0),
        (usize::MAX, usize::MAX, f64::NAN),
        (2, 3, -5.0),
        (2, 3, f64::INFINITY),
        (1, 3, 1.0),
    ] {
        for _ in 0..2 {
            let axis = Axis { front: usize::MAX, centre: 99, rear: 1 };
            let mut tracker = Tracker::new(&wild, axis, individuals, keypoints, rate_hz, 1);
            let (points, heights) = herd(2, 3, 0.0);
            let count = individuals.min(INDIVIDUALS_MAX) * keypoints.min(KEYPOINTS_MAX);
            for _ in 0..50 {
                assert_eq!(tracker.observe(&points, &heights).keypoints.len(), count);
            }
            wild.losses.keypoint_mean_secs = 0.0;
            (wild.swaps.per_near_minute, wild.outliers.confident_probability) = (f64::INFINITY, 7.0);
            (wild.jitter.white_bl, wild.jitter.drift_secs) = (f32::NAN, -1.0);
            (wild.frames.latency_millis, wild.frames.late_mean_millis) = (-5.0, f64::NAN);
        }
    }
}
