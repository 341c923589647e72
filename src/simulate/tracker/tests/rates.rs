//! Each fault at its stated rate, whatever the rate of the camera.

use super::*;

/// What can be counted of a sequence, as shares of time or times a minute.
#[derive(Debug, Default)]
struct Statistics {
    missing: f64,
    far: f64,
    spread: f64,
    confidence: f64,
    swapped: f64,
    dropped_a_minute: f64,
    late_a_minute: f64,
    latency_millis: f64,
    near_minutes: f64,
}

fn statistics(preset: &Preset, rate_hz: f64, minutes: f64) -> Statistics {
    let (mut of, mut frames, mut points_all, mut present) = (Statistics::default(), 0.0, 0.0, 0.0);
    watch(preset, rate_hz, minutes, |points, observed, tracker| {
        frames += 1.0;
        of.latency_millis += observed.latency.as_secs_f64() * 1e3;
        of.late_a_minute += f64::from(u8::from(observed.late > Duration::ZERO)) / minutes;
        of.dropped_a_minute += f64::from(u8::from(observed.dropped)) / minutes;
        of.swapped += f64::from(u8::from(tracker.owners() == [1, 0]));
        of.near_minutes += f64::from(u8::from(centres_bl(points) <= preset.near_bl)) / (60.0 * rate_hz);
        if observed.dropped {
            return;
        }
        for (slot, body) in tracker.owners().iter().enumerate() {
            for keypoint in 0..KEYPOINTS {
                let report = observed.keypoints[slot * KEYPOINTS + keypoint];
                points_all += 1.0;
                if !report.is_present() {
                    of.missing += 1.0;
                    continue;
                }
                let error = f64::from(distance(&report, points[body * KEYPOINTS + keypoint]));
                present += 1.0;
                of.confidence += f64::from(report.confidence);
                if error > 0.12 {
                    of.far += 1.0;
                } else {
                    of.spread += error * error / 2.0;
                }
            }
        }
    });
    of.missing /= points_all;
    of.spread = (of.spread / (present - of.far)).sqrt();
    of.far /= present;
    of.confidence /= present;
    of.swapped /= frames;
    of.latency_millis /= frames;
    of
}

/// Half an hour of 2 × 6 points; tolerances are about three standard errors of the numbers of events in it.
#[test]
fn cameras_of_30_and_120_hertz_see_the_same_faults() {
    let mut preset = Preset::named("rig").unwrap();
    preset.jitter.difficulty_spread = 0.0;
    preset.losses.per_animal_minute = 6.0;
    preset.outliers.per_keypoint_hour = 120.0;
    (preset.swaps.per_near_minute, preset.fragments.per_near_minute) = (6.0, 0.0);
    preset.frames.late_per_minute = 10.0;
    (preset.frames.dropped_per_minute, preset.frames.bursts_per_hour) = (10.0, 0.0);
    let (slow, fast) = (statistics(&preset, 30.0, 30.0), statistics(&preset, 120.0, 30.0));
    assert_near("missing", slow.missing, fast.missing, 0.15);
    assert_near("far", slow.far, fast.far, 0.25);
    assert_near("spread", slow.spread, fast.spread, 0.02);
    assert_near("confidence", slow.confidence, fast.confidence, 0.01);
    assert_near("swapped", slow.swapped, fast.swapped, 0.6);
    assert_near("dropped", slow.dropped_a_minute, fast.dropped_a_minute, 0.25);
    assert_near("late", slow.late_a_minute, fast.late_a_minute, 0.25);
    assert_near("latency", slow.latency_millis, fast.latency_millis, 0.02);
}

#[test]
fn jitter_is_as_large_as_stated_and_its_slow_part_lasts_as_long_at_any_rate() {
    for rate_hz in [30.0, 120.0] {
        let mut preset = faultless();
        (preset.jitter.white_bl, preset.jitter.drift_bl, preset.jitter.drift_secs) = (0.01, 0.02, 0.5);
        let (mut errors, mut sum, mut lagged) = (Vec::new(), 0.0, 0.0);
        watch(&preset, rate_hz, 20.0, |points, observed, _| errors.push(observed.keypoints[0].x - points[0].x));
        let lag = (0.5 * rate_hz) as usize;
        for (error, later) in errors.iter().zip(&errors[lag..]) {
            sum += f64::from(error * error) / (errors.len() - lag) as f64;
            lagged += f64::from(error * later) / (errors.len() - lag) as f64;
        }
        assert_near("variance", sum, 0.01 * 0.01 + 0.02 * 0.02, 0.1);
        // After one correlation time, 1/e of the slow part is left.
        assert_near("covariance", lagged, 0.02 * 0.02 / std::f64::consts::E, 0.35);
    }
}

#[test]
fn keypoints_are_as_unequal_as_stated_and_the_axis_is_easiest() {
    let mut preset = faultless();
    (preset.jitter.white_bl, preset.jitter.difficulty_spread) = (0.01, 0.5);
    let mut squares = [0.0_f64; KEYPOINTS];
    watch(&preset, 30.0, 5.0, |points, observed, _| {
        for (keypoint, square) in squares.iter_mut().enumerate() {
            *square += f64::from(distance(&observed.keypoints[keypoint], points[keypoint])).powi(2) / 2.0 / 9000.0;
        }
    });
    let mean = squares.iter().map(|square| square.sqrt()).sum::<f64>() / KEYPOINTS as f64;
    assert_near("mean", mean, 0.01, 0.02);
    let worst = squares.iter().copied().fold(0.0, f64::max).sqrt();
    assert!(worst > 1.3 * mean, "{squares:?}");
    // Over many seeds, the body axis is easier than the rest.
    let (mut axis, mut rest) = (0.0, 0.0);
    for seed in 0..200 {
        let tracker = Tracker::new(&preset, AXIS, 2, KEYPOINTS, 30.0, seed);
        let difficulties = tracker.points.difficulties();
        axis += difficulties[..3].iter().sum::<f32>();
        rest += difficulties[3..].iter().sum::<f32>();
    }
    assert!(rest > 1.3 * axis, "{axis} {rest}");
}

#[test]
fn points_are_lost_for_the_stated_share_of_time_and_length() {
    for rate_hz in [30.0, 120.0] {
        let mut preset = faultless();
        (preset.losses.per_keypoint_minute, preset.losses.keypoint_mean_secs) = (12.0, 0.5);
        let share = statistics(&preset, rate_hz, 30.0).missing;
        assert_near("points", share, 0.1 / 1.1, 0.1);
    }
}

#[test]
fn animals_are_lost_as_a_whole_and_more_often_near_another() {
    let mut preset = faultless();
    (preset.losses.per_animal_minute, preset.losses.animal_mean_secs) = (6.0, 0.5);
    preset.losses.near_factor = 5.0;
    let (mut lost, mut frames) = ([0.0; 2], [0.0; 2]);
    watch(&preset, 30.0, 120.0, |points, observed, _| {
        let near = usize::from(centres_bl(points) <= preset.near_bl);
        for animal in observed.keypoints.chunks(KEYPOINTS) {
            let missing = animal.iter().filter(|keypoint| !keypoint.is_present()).count();
            assert!(missing == 0 || missing == KEYPOINTS, "{missing}");
            lost[near] += f64::from(u8::from(missing > 0));
            frames[near] += 1.0;
        }
    });
    assert_near("apart", lost[0] / frames[0], 0.05 / 1.05, 0.2);
    assert_near("near", lost[1] / frames[1], 0.25 / 1.25, 0.2);
}

#[test]
fn outliers_come_as_often_as_stated_from_all_three_places_and_mostly_with_low_confidence() {
    let mut preset = faultless();
    (preset.outliers.per_keypoint_hour, preset.outliers.mean_secs) = (600.0, 0.1);
    (preset.outliers.reach_bl, preset.outliers.confident_probability) = (0.8, 0.25);
    let (mut outliers, mut low, mut all, mut places) = (0.0, 0.0, 0.0, [0.0; 3]);
    let (mut last, mut stayed, mut moved) = ([None; INDIVIDUALS * KEYPOINTS], 0.0, 0.0);
    watch(&preset, 60.0, 60.0, |points, observed, _| {
        for (index, (report, truth)) in observed.keypoints.iter().zip(points).enumerate() {
            all += 1.0;
            if distance(report, *truth) < 1e-4 {
                last[index] = None;
                continue;
            }
            let (animal, keypoint) = (index / KEYPOINTS, index % KEYPOINTS);
            let is_at = |place: usize| distance(report, points[place]) < 1e-5;
            outliers += 1.0;
            low += f64::from(u8::from(report.confidence < 0.5));
            let place = match () {
                () if is_at((1 - animal) * KEYPOINTS + keypoint) => 0,
                () if (animal * KEYPOINTS..(animal + 1) * KEYPOINTS).any(is_at) => 1,
                () => 2,
            };
            places[place] += 1.0;
            if let Some(last) = last[index].replace(place) {
                *(if last == place { &mut stayed } else { &mut moved }) += 1.0;
            }
            assert!(place < 2 || distance(report, *truth) <= 0.8, "{report:?} {truth:?}");
        }
    });
    assert_near("share", outliers / all, (600.0 * 0.1 / 3600.0) / (1.0 + 600.0 * 0.1 / 3600.0), 0.1);
    assert_near("low", low / outliers, 0.75, 0.08);
    assert!(moved < 0.05 * stayed, "an outlier stays where it jumped: {moved} against {stayed}");
    for place in places {
        assert_near("place", place / outliers, 1.0 / 3.0, 0.15);
    }
}

#[test]
fn confidence_is_as_stated_and_falls_before_a_point_or_an_animal_is_lost() {
    for (keypoint_losses, animal_losses) in [(10.0, 0.0), (0.0, 20.0)] {
        let mut preset = faultless();
        (preset.losses.per_keypoint_minute, preset.losses.per_animal_minute) = (keypoint_losses, animal_losses);
        preset.confidence.spread = 0.7;
        let (mut all, mut last, mut earlier) = (Vec::new(), Vec::new(), Vec::new());
        let mut history = vec![[None::<f32>; 16]; INDIVIDUALS * KEYPOINTS];
        watch(&preset, 60.0, 15.0, |_, observed, _| {
            for (report, history) in observed.keypoints.iter().zip(&mut history) {
                if !report.is_present() && history.iter().all(Option::is_some) {
                    last.extend(history[0]);
                    // Before the 0.15 s in which it falls.
                    earlier.extend(history[12]);
                }
                history.rotate_right(1);
                history[0] = report.is_present().then_some(report.confidence);
                all.extend(history[0]);
            }
        });
        let median = |values: &mut Vec<f32>| {
            values.sort_by(f32::total_cmp);
            f64::from(values[values.len() / 2])
        };
        assert!(last.len() > 1000, "{}", last.len());
        assert_near("seen", median(&mut all), f64::from(preset.confidence.seen), 0.02);
        assert_near("earlier", median(&mut earlier), f64::from(preset.confidence.seen), 0.03);
        // Up to a frame before the loss, that is 0.06 of the way back on the mean.
        assert_near("last", median(&mut last), f64::from(preset.confidence.low), 0.2);
    }
}

#[test]
fn stretches_between_two_frames_count_for_what_they_are() {
    use rand::SeedableRng;
    let rates = chance::Rates::new(1.0 / 0.3, 0.1);
    for interval_secs in [0.01, 0.1, 0.5] {
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        let mut stretch = chance::Stretch::new(&mut random);
        let (mut on, mut changes, mut last) = (0.0, 0.0, false);
        let frames = 100_000;
        for _ in 0..frames {
            let is_on = stretch.step(rates, interval_secs, &mut random);
            on += f64::from(u8::from(is_on)) / f64::from(frames);
            changes += f64::from(u8::from(is_on != last)) / f64::from(frames);
            last = is_on;
        }
        assert_near("share", on, 0.25, 0.04);
        // Of a process with two states that forgets at the sum of its rates.
        let expected = 2.0 * 0.25 * 0.75 * (1.0 - (-(10.0 + 1.0 / 0.3) * interval_secs).exp());
        assert_near("changes", changes, expected, 0.04);
    }
}

/// An hour of frames of an empty cage: what becomes of frames does not depend on what they show.
fn delivered(preset: &Preset, rate_hz: f64) -> Vec<Observed> {
    let mut tracker = Tracker::new(preset, AXIS, 0, 0, rate_hz, 7);
    (0..(3600.0 * rate_hz) as u64).map(|_| tracker.observe(&[], &[])).collect()
}

#[test]
fn frames_are_dropped_alone_and_in_bursts() {
    for rate_hz in [30.0, 120.0] {
        // How many, and how many of them behind another.
        let dropped = |preset: &Preset| {
            let dropped: Vec<bool> = delivered(preset, rate_hz).iter().map(|observed| observed.dropped).collect();
            let count = |dropped: &mut dyn Iterator<Item = bool>| dropped.filter(|dropped| *dropped).count() as f64;
            (count(&mut dropped.iter().copied()), count(&mut dropped.windows(2).map(|pair| pair[0] && pair[1])))
        };
        let mut preset = faultless();
        preset.frames.dropped_per_minute = 10.0;
        let (all, runs) = dropped(&preset);
        assert_near("alone", all / 60.0, 10.0, 0.15);
        assert!(runs < 0.05 * all, "{runs} of {all}");
        preset.frames.dropped_per_minute = 0.0;
        (preset.frames.bursts_per_hour, preset.frames.burst_mean_secs) = (120.0, 1.0);
        let (all, runs) = dropped(&preset);
        assert_near("in bursts", all / rate_hz / 3600.0, 1.0 / 31.0, 0.4);
        assert_near("bursts", all - runs, 120.0 * 30.0 / 31.0, 0.3);
    }
}

#[test]
fn late_frames_come_after_their_successor_and_no_others_do() {
    for (name, rate_hz) in [("rig", 120.0), ("awful", 30.0), ("awful", 120.0)] {
        let preset = Preset::named(name).unwrap();
        let frames = delivered(&preset, rate_hz);
        let secs = |duration: Duration| duration.as_secs_f64();
        let mean_millis = frames.iter().map(|frame| secs(frame.latency) * 1e3).sum::<f64>() / frames.len() as f64;
        // Those that wait behind a slow one add to the mean, the more the faster the camera.
        let stated_millis = preset.frames.latency_millis + preset.frames.latency_spread_millis;
        assert!((stated_millis - 0.2..1.6 * stated_millis).contains(&mean_millis), "{name}: {mean_millis}");
        let (mut late, mut beyond_millis) = (0.0, 0.0);
        for (number, pair) in frames.windows(2).enumerate() {
            let (arrival, next) = (secs(pair[0].latency), 1.0 / rate_hz + secs(pair[1].latency));
            assert!(next >= arrival - 2e-9, "{name}: frame {number} is overtaken");
            if pair[0].late > Duration::ZERO {
                late += 1.0;
                beyond_millis += (arrival + secs(pair[0].late) - next) * 1e3;
                assert!(arrival + secs(pair[0].late) >= next - 2e-9, "{name}: frame {number}");
            }
        }
        assert_near(name, late / 60.0, preset.frames.late_per_minute, 0.5);
        assert_near(name, beyond_millis / late, preset.frames.late_mean_millis, 0.5);
    }
}
