//! Faults of animals that touch: occlusion, swaps, fragments, order.

use super::*;

/// An animal at `x`, along the x axis, with a tail behind it.
fn animal_at(x: f32, y: f32) -> [Vec2; KEYPOINTS] {
    // Away from the origin, at which a point counts as missing.
    [0.5, 0.0, -0.5, -0.7, -0.9, -1.1].map(|ahead| Vec2 { x: 2.0 + x + ahead, y: 2.0 + y })
}

fn scene(one: [Vec2; KEYPOINTS], other: [Vec2; KEYPOINTS]) -> Vec<Vec2> {
    [one, other].concat()
}

/// Share of frames in which each point was missing.
fn missing(preset: &Preset, points: &[Vec2], heights: &[f32]) -> Vec<f64> {
    let mut tracker = Tracker::new(preset, AXIS, INDIVIDUALS, KEYPOINTS, 30.0, 1);
    let mut counts = vec![0.0; points.len()];
    for _ in 0..10_000 {
        let observed = tracker.observe(points, heights);
        for (count, keypoint) in counts.iter_mut().zip(&observed.keypoints) {
            *count += f64::from(u8::from(!keypoint.is_present())) / 10_000.0;
        }
    }
    counts
}

#[test]
fn only_the_lower_of_two_is_occluded_and_only_where_the_other_lies() {
    let mut preset = faultless();
    preset.occlusion.lost_probability = 0.8;
    // The other's axis spans 0.5 to 1.5: over the front of the first, and 0.15 beside it.
    let points = scene(animal_at(0.0, 0.0), animal_at(1.0, 0.15));
    let below = missing(&preset, &points, &[0.0, 1.0]);
    assert_near("front", below[0], 0.8, 0.05);
    assert!(below[1..].iter().all(|share| *share == 0.0), "{below:?}");
    let above = missing(&preset, &points, &[1.0, 0.0]);
    assert_eq!(above[0], 0.0);
    assert_near("the other's rear", above[KEYPOINTS + 2], 0.8, 0.05);
    assert_near("its tail", above[KEYPOINTS + 4], 0.8, 0.05);
    // As high as each other: each covers the other only where it is half as far away.
    for heights in [&[1.0, 1.0][..], &[], &[f32::NAN, 1.0]] {
        assert!(missing(&preset, &points, heights).iter().all(|share| *share == 0.0));
        let closer = missing(&preset, &scene(animal_at(0.0, 0.0), animal_at(1.0, 0.05)), heights);
        assert!(closer[0] > 0.7 && closer[KEYPOINTS + 2] > 0.7, "{closer:?}");
    }
}

#[test]
fn a_covered_point_that_is_still_found_is_doubtful() {
    let mut preset = faultless();
    (preset.occlusion.lost_probability, preset.occlusion.correlation_secs) = (0.5, 10.0);
    let points = scene(animal_at(0.0, 0.0), animal_at(0.0, 0.1));
    let mut tracker = Tracker::new(&preset, AXIS, INDIVIDUALS, KEYPOINTS, 30.0, 1);
    let mut found = 0;
    for _ in 0..1000 {
        let observed = tracker.observe(&points, &[0.0, 1.0]);
        let (below, above) = (observed.keypoints[1], observed.keypoints[KEYPOINTS + 1]);
        assert!((above.confidence - preset.confidence.seen).abs() < 1e-5, "{above:?}");
        if below.is_present() {
            found += 1;
            assert!(below.confidence < above.confidence - 0.02, "{below:?}");
        }
    }
    assert!((50..950).contains(&found), "{found}");
}

#[test]
fn a_point_that_comes_out_from_below_is_found_again_soon() {
    let mut preset = faultless();
    (preset.occlusion.lost_probability, preset.occlusion.correlation_secs) = (1.0, 0.1);
    let (over, apart) =
        (scene(animal_at(0.0, 0.0), animal_at(0.0, 0.1)), scene(animal_at(0.0, 0.0), animal_at(3.0, 0.0)));
    let mut tracker = Tracker::new(&preset, AXIS, INDIVIDUALS, KEYPOINTS, 30.0, 1);
    let present = |observed: Observed| observed.keypoints[..3].iter().filter(|keypoint| keypoint.is_present()).count();
    for _ in 0..60 {
        tracker.observe(&over, &[0.0, 1.0]);
    }
    assert_eq!(present(tracker.observe(&over, &[0.0, 1.0])), 0);
    for _ in 0..60 {
        tracker.observe(&apart, &[0.0, 1.0]);
    }
    assert_eq!(present(tracker.observe(&apart, &[0.0, 1.0])), 3);
}

#[test]
fn swaps_begin_near_each_other_at_their_rate_and_are_corrected_in_their_time() {
    for rate_hz in [30.0, 120.0] {
        let mut preset = faultless();
        (preset.swaps.per_near_minute, preset.swaps.corrected_mean_secs) = (20.0, 2.0);
        let (mut onsets, mut ends, mut last) = (0.0, 0.0, false);
        // Seconds by whether the two are swapped, and whether they are near.
        let mut secs = [[0.0; 2]; 2];
        watch(&preset, rate_hz, 60.0, |points, observed, tracker| {
            let near = centres_bl(points) <= preset.near_bl;
            let swapped = tracker.owners() == [1, 0];
            secs[usize::from(swapped)][usize::from(near)] += 1.0 / rate_hz;
            if swapped && !last {
                assert!(near, "a swap at {} body lengths", centres_bl(points));
                onsets += 1.0;
            }
            ends += f64::from(u8::from(last && !swapped));
            last = swapped;
            for (slot, body) in tracker.owners().iter().enumerate() {
                assert!(distance(&observed.keypoints[slot * KEYPOINTS], points[body * KEYPOINTS]) < 1e-6);
            }
        });
        let [[_, near], [swapped_apart, swapped_near]] = secs;
        assert!(near > 200.0 && swapped_apart > 10.0, "{secs:?}");
        assert_near("onsets", onsets, near * 20.0 / 60.0, 0.3);
        // While they are near, the next swap undoes the last.
        let expected = swapped_apart * 0.5 + swapped_near * (0.5 + 20.0 / 60.0);
        assert_near("ends", ends, expected, 0.3);
    }
}

#[test]
fn a_cycle_of_many_animals_is_put_right() {
    let mut preset = faultless();
    (preset.swaps.per_near_minute, preset.swaps.corrected_mean_secs) = (60.0, 0.5);
    let mut tracker = Tracker::new(&preset, AXIS, 8, KEYPOINTS, 30.0, 1);
    let together: Vec<Vec2> = (0..8).flat_map(|animal| animal_at(0.0, 0.05 * animal as f32)).collect();
    let apart: Vec<Vec2> = (0..8).flat_map(|animal| animal_at(0.0, 5.0 * animal as f32)).collect();
    let mut wrong_most = 0;
    for _ in 0..300 {
        tracker.observe(&together, &[]);
        let mut sorted = tracker.owners().to_vec();
        wrong_most = wrong_most.max(sorted.iter().enumerate().filter(|(slot, body)| slot != *body).count());
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7], "every body stands in one slot");
    }
    assert!(wrong_most >= 6, "{wrong_most}");
    for _ in 0..600 {
        tracker.observe(&apart, &[]);
    }
    assert_eq!(tracker.owners(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_fragment_gives_the_front_or_the_rear_of_one_to_the_other() {
    let mut preset = faultless();
    (preset.fragments.per_near_minute, preset.fragments.mean_secs) = (12.0, 0.5);
    let (mut near_frames, mut mixed, mut shapes) = (0.0, 0.0, Vec::new());
    watch(&preset, 60.0, 60.0, |points, observed, tracker| {
        assert_eq!(tracker.owners(), [0, 1]);
        let near = centres_bl(points) <= preset.near_bl;
        near_frames += f64::from(u8::from(near));
        let lost: Vec<usize> = (0..2 * KEYPOINTS).filter(|index| !observed.keypoints[*index].is_present()).collect();
        if lost.is_empty() {
            return;
        }
        mixed += 1.0;
        for index in &lost {
            // The point is not lost: the other animal has it.
            let other = (index + KEYPOINTS) % (2 * KEYPOINTS);
            assert!(distance(&observed.keypoints[other], points[*index]) < 1e-6);
        }
        let shape: Vec<usize> = lost.iter().map(|index| index % KEYPOINTS).collect();
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    });
    // 12 a minute of half a second: a tenth of what is not a fragment; those that outlast the contact add a little.
    assert_near("share", mixed / near_frames, 0.1, 0.35);
    assert!(shapes.contains(&vec![0]), "{shapes:?}");
    assert!(shapes.iter().any(|shape| shape.contains(&5) && !shape.contains(&0)), "{shapes:?}");
}

#[test]
fn an_unordered_estimator_shuffles_every_frame_and_says_how_unless_an_order_is_asked_for() {
    let preset = Preset { unordered: true, ..faultless() };
    let mut tracker = Tracker::new(&preset, AXIS, 3, KEYPOINTS, 30.0, 1);
    assert!(tracker.is_unordered());
    let mut first = [0; 3];
    for frame in 0..3000 {
        let (points, heights) = herd(3, KEYPOINTS, f64::from(frame) / 30.0);
        let observed = tracker.observe(&points, &heights);
        first[tracker.owners()[0]] += 1;
        for (slot, body) in tracker.owners().iter().enumerate() {
            assert!(distance(&observed.keypoints[slot * KEYPOINTS], points[body * KEYPOINTS]) < 1e-6);
        }
    }
    for count in first {
        assert_near("first", f64::from(count), 1000.0, 0.1);
    }
    let mut ordered = Tracker::new(&preset, AXIS, 3, KEYPOINTS, 30.0, 1).with_order();
    assert!(!ordered.is_unordered());
    let (points, heights) = herd(3, KEYPOINTS, 0.0);
    for _ in 0..100 {
        ordered.observe(&points, &heights);
        assert_eq!(ordered.owners(), [0, 1, 2]);
    }
}
