//! A herd that is known at every moment, and what each fault makes of it.

mod contact;
mod rates;
mod robust;

use super::super::preset::Preset;
use super::*;

const AXIS: Axis = Axis { front: 0, centre: 1, rear: 2 };

const INDIVIDUALS: usize = 2;
const KEYPOINTS: usize = 6;

/// Animals that circle about each other and meet: a function of time, so that every camera sees the same.
fn herd(individuals: usize, keypoints: usize, secs: f64) -> (Vec<Vec2>, Vec<f32>) {
    let mut points = Vec::with_capacity(individuals * keypoints);
    let mut heights = Vec::with_capacity(individuals);
    for animal in 0..individuals {
        let phase = animal as f64 * 2.4;
        let wave = |rate: f64, shift: f64| (rate * secs + phase * shift).sin();
        let x = 2.0 + 0.9 * wave(0.31 + 0.05 * animal as f64, 1.0) + 0.4 * wave(0.83, 2.0);
        let y = 2.0 + 0.9 * wave(0.27 + 0.07 * animal as f64, 3.0) + 0.4 * wave(0.71, 1.5);
        let heading = Vec2::at_angle((2.0 * wave(0.2, 4.0) + phase) as f32);
        for keypoint in 0..keypoints {
            // Front, centre, rear, then a tail.
            let ahead = 0.5 - 0.5 * keypoint.min(2) as f32 - 0.2 * keypoint.saturating_sub(2) as f32;
            let aside = if keypoint > 2 { 0.05 * wave(2.0, 1.0) as f32 } else { 0.0 };
            points.push(Vec2 { x: x as f32, y: y as f32 } + Vec2 { x: ahead, y: aside }.from_frame(heading));
        }
        heights.push(wave(0.5, 5.0) as f32);
    }
    (points, heights)
}

/// `rig` with every fault switched off, errors of position included; each test switches on what it looks at.
fn faultless() -> Preset {
    let mut preset = Preset::named("rig").unwrap();
    (preset.jitter.white_bl, preset.jitter.drift_bl, preset.jitter.difficulty_spread) = (0.0, 0.0, 0.0);
    (preset.confidence.spread, preset.outliers.per_keypoint_hour) = (0.0, 0.0);
    (preset.losses.per_keypoint_minute, preset.losses.per_animal_minute) = (0.0, 0.0);
    preset.occlusion.lost_probability = 0.0;
    (preset.swaps.per_near_minute, preset.fragments.per_near_minute) = (0.0, 0.0);
    (preset.frames.dropped_per_minute, preset.frames.bursts_per_hour, preset.frames.late_per_minute) = (0.0, 0.0, 0.0);
    preset
}

/// Lets a tracker watch the herd for some minutes and shows each frame with the truth.
fn watch(preset: &Preset, rate_hz: f64, minutes: f64, mut look: impl FnMut(&[Vec2], &Observed, &Tracker)) {
    let mut tracker = Tracker::new(preset, AXIS, INDIVIDUALS, KEYPOINTS, rate_hz, 7);
    for frame in 0..(minutes * 60.0 * rate_hz) as u64 {
        let (points, heights) = herd(INDIVIDUALS, KEYPOINTS, frame as f64 / rate_hz);
        let observed = tracker.observe(&points, &heights);
        look(&points, &observed, &tracker);
    }
}

fn distance(keypoint: &Keypoint, truth: Vec2) -> f32 {
    Vec2::of(keypoint).map_or(0.0, |point| (point - truth).length())
}

fn centres_bl(points: &[Vec2]) -> f32 {
    (points[AXIS.centre] - points[KEYPOINTS + AXIS.centre]).length()
}

fn assert_near(what: &str, got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance * expected, "{what}: got {got}, expected {expected} ± {tolerance}");
}

#[test]
fn without_faults_the_truth_is_reported_with_full_confidence() {
    let preset = faultless();
    watch(&preset, 30.0, 2.0, |points, observed, tracker| {
        assert_eq!((observed.dropped, observed.late), (false, Duration::ZERO));
        assert_eq!(tracker.owners(), [0, 1]);
        for (keypoint, truth) in observed.keypoints.iter().zip(points) {
            assert_eq!((keypoint.x, keypoint.y), (truth.x, truth.y));
            assert!(keypoint.confidence > 0.7, "{keypoint:?}");
        }
    });
}

#[test]
fn clean_reports_the_truth_to_within_its_jitter() {
    let preset = Preset::named("clean").unwrap();
    // Of each axis, and both axes at their extremes; the hardest keypoint is well below 1.5.
    let limit = 1.5 * chance::NORMAL_MAX * preset.jitter.white_bl + 1.5 * 5.0 * preset.jitter.drift_bl;
    let (mut missing, mut points_all, mut far) = (0, 0, 0.0_f32);
    watch(&preset, 30.0, 20.0, |points, observed, tracker| {
        assert_eq!((observed.dropped, observed.late, tracker.owners()), (false, Duration::ZERO, &[0, 1][..]));
        for (keypoint, truth) in observed.keypoints.iter().zip(points) {
            missing += usize::from(!keypoint.is_present());
            points_all += 1;
            far = far.max(distance(keypoint, *truth));
        }
    });
    assert!(far < limit * std::f32::consts::SQRT_2 && far > preset.jitter.white_bl, "{far}");
    assert!(missing * 200 < points_all, "{missing} of {points_all}");
}

/// Shares of missing points in this herd, in which two animals are near each other for a tenth of the time.
#[test]
fn presets_lose_what_they_promise() {
    for (name, least, most) in [("clean", 0.0005, 0.005), ("rig", 0.05, 0.08), ("awful", 0.25, 0.40)] {
        let (mut missing, mut all) = (0_u32, 0_u32);
        watch(&Preset::named(name).unwrap(), 30.0, 60.0, |_, observed, _| {
            if !observed.dropped {
                missing += observed.keypoints.iter().filter(|keypoint| !keypoint.is_present()).count() as u32;
                all += observed.keypoints.len() as u32;
            }
        });
        let share = f64::from(missing) / f64::from(all);
        assert!((least..most).contains(&share), "{name}: {share}");
    }
}

#[test]
fn the_same_seeds_give_the_same_reports_and_others_do_not() {
    let reports = |preset_seed: u64, seed: u64| {
        let preset = Preset { seed: preset_seed, ..Preset::named("awful").unwrap() };
        let mut tracker = Tracker::new(&preset, AXIS, 3, KEYPOINTS, 30.0, seed);
        let watched = (0..600).map(|frame| {
            let (points, heights) = herd(3, KEYPOINTS, f64::from(frame) / 30.0);
            (tracker.observe(&points, &heights), tracker.owners().to_vec())
        });
        watched.collect::<Vec<_>>()
    };
    let first = reports(1, 2);
    assert!(first == reports(1, 2));
    assert!(first != reports(1, 3));
    assert!(first != reports(4, 2));
    assert!(first != reports(2, 1), "the two seeds are not the same thing");
}
