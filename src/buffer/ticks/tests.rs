use std::f64::consts::TAU;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn near_30_hz_a_frame_is_a_tick_and_elsewhere_the_rate_counts() {
    for (rate_hz, frames) in [(29.97, 1.0), (30.0, 1.0), (30.6, 1.0), (25.0, 25.0 / 30.0), (60.0, 2.0)] {
        assert_eq!(frames_per_tick(rate_hz), frames, "{rate_hz} Hz");
    }
}
use crate::stream::Origin;

const POINTS: usize = 6;

fn ticker(rate_hz: f64) -> Ticker {
    let skeleton = r#"
        name = "three"
        keypoints = ["nose", "body", "tail"]
        front = "nose"
        centre = "body"
        rear = "tail"
        edges = []
    "#;
    let individuals = vec!["a".to_owned(), "b".to_owned()];
    let skeleton = toml::from_str(skeleton).unwrap();
    Ticker::new(&StreamDescription::new(skeleton, individuals, rate_hz, 100.0, None, Origin::Simulated).unwrap())
}

/// A frame whose every point lies at (x, 1).
fn frame_at(number: u64, x: f64) -> Frame {
    let keypoints = vec![Keypoint { x: x as f32, y: 1.0, confidence: 0.5 }; POINTS];
    Frame { number, capture_nanos: None, keypoints }
}

fn frame(number: u64) -> Frame {
    frame_at(number, number as f64)
}

/// Everything that a new ticker gives for these frames, and the causes of refusal.
fn run(rate_hz: f64, frames: &[Frame]) -> (Vec<Ticked>, Vec<&'static str>) {
    let mut ticker = ticker(rate_hz);
    let (mut out, mut refused) = (Vec::new(), Vec::new());
    for frame in frames {
        refused.extend(ticker.push(frame, &mut out).err().map(|refused| refused.cause()));
    }
    ticker.flush(&mut out);
    (out, refused)
}

/// Ticks by the x of their first point, `.` for a missing tick, `R` for a reset; a run of missing ticks is counted.
fn written(ticked: &[Ticked]) -> String {
    let words: Vec<String> = ticked
        .chunk_by(|a, b| is_missing(a) && is_missing(b))
        .map(|run| match &run[0] {
            Ticked::Reset => "R".to_owned(),
            tick if is_missing(tick) && run.len() > 9 => format!(".x{}", run.len()),
            tick if is_missing(tick) => vec!["."; run.len()].join(" "),
            Ticked::Tick { keypoints, .. } => {
                format!("{:.2}", keypoints[0].x).trim_end_matches('0').trim_end_matches('.').to_owned()
            }
        })
        .map(|word| if word.is_empty() { "0".to_owned() } else { word })
        .collect();
    words.join(" ")
}

fn is_missing(ticked: &Ticked) -> bool {
    matches!(ticked, Ticked::Tick { keypoints, .. } if keypoints.iter().all(|point| !point.is_present()))
}

#[test]
fn numbers_in_ticks_out() {
    for (rate_hz, numbers, expected) in [
        (30.0, &[5, 6, 7][..], "5 6 7"),
        (29.4, &[5, 6, 7], "5 6 7"),
        (30.6, &[5, 6, 7], "5 6 7"),
        (30.0, &[5, 7, 6, 8], "5 6 7 8"),
        (30.0, &[5, 8, 7, 6], "5 6 7 8"),
        (30.0, &[5, 8, 9, 6, 10], "5 . . 8 9 10"),
        (30.0, &[0, 512, 513], "0 .x511 512 513"),
        (30.0, &[0, 513, 514], "0 R 513 514"),
        (30.0, &[0, 515, 513, 514, 516], "0 R 513 514 515 516"),
        (30.0, &[600, 601, 90, 91], "600 601"),
        (30.0, &[600, 601, 89, 90], "600 601 R 89 90"),
        (30.0, &[600, 602, 10, 11], "600 . 602 R 10 11"),
        (25.0, &[0, 1, 2, 3, 4, 5], "0 0.83 1.67 2.5 3.33 4.17 5"),
        (25.0, &[0, 2, 3], "0 0.83 1.67 2.5"),
        (25.0, &[0, 3, 4, 5], "0 . . . 3.33 4.17 5"),
        (25.0, &[0, 425, 426, 427], "0 .x509 425 425.83 426.67"),
        (25.0, &[0, 428, 429], "0 R 428 428.83"),
        (25.0, &[0, 401, 803, 804], "0 .x481 R 803 803.83"),
        (10.0, &[0, 1, 2], "0 0.33 0.67 1 1.33 1.67 2"),
        (10.0, &[0, 2, 3], "0 . . . . . 2 2.33 2.67 3"),
        (40.0, &[0, 1, 2, 3, 4], "0 1.33 2.67 4"),
        (45.0, &[0, 1, 2, 3, 4, 5], "0 1.5 3 4.5"),
        (60.0, &[0, 1, 2, 3, 4], "0 1.5 3.5"),
        (60.0, &[0, 1, 2, 3], "0 1.5 3"),
        (60.0, &[0, 1, 3, 4], "0 1 3.5"),
        (60.0, &[0, 3, 4], "0 . 3.5"),
        (60.0, &[0, 1, 1025], "0 1 .x511 1025"),
        (60.0, &[0, 1, 1027], "0 1 R 1027"),
        (10.0, &[0, u64::MAX], "0 R 18446744073709551616"),
        (30.0, &[0, u64::MAX], "0 R 18446744073709551616"),
        (240.0, &[0, u64::MAX], "0 R 18446744073709551616"),
        (120.0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "0.5 3.5 7.5"),
    ] {
        let frames: Vec<Frame> = numbers.iter().map(|&number| frame(number)).collect();
        assert_eq!(written(&run(rate_hz, &frames).0), expected, "{rate_hz} Hz, {numbers:?}");
    }
}

#[test]
fn a_tick_comes_with_the_frame_that_completes_it() {
    for (rate_hz, ticks_after_each_frame) in [
        (30.0, &[1, 2, 3, 4, 5][..]),
        (25.0, &[1, 2, 3, 4, 5, 7, 8]),
        (60.0, &[1, 1, 2, 2, 3]),
        (120.0, &[0, 1, 1, 1, 1, 2, 2, 2, 2, 3]),
    ] {
        let (mut ticker, mut out) = (ticker(rate_hz), Vec::new());
        for (number, &ticks) in ticks_after_each_frame.iter().enumerate() {
            ticker.push(&frame(number as u64), &mut out).unwrap();
            assert_eq!(out.len(), ticks, "{rate_hz} Hz, frame {number}");
        }
    }
}

#[test]
fn refused_frames_change_nothing_and_name_their_cause() {
    let numbers = [5, 6, 4, 6, 9, 9, 10, 11, 7, 12];
    let mut frames: Vec<Frame> = numbers.iter().map(|&number| frame(number)).collect();
    frames[9].keypoints.pop();
    let (out, refused) = run(30.0, &frames);
    assert_eq!(refused, ["late", "duplicate", "duplicate", "late", "point-count"]);
    assert_eq!(written(&out), "5 6 . . 9 10 11");
}

#[test]
fn a_point_is_missing_where_an_end_that_carries_weight_is() {
    let mut frames: Vec<Frame> = (0..=10).map(frame).collect();
    frames[5].keypoints[0] = Keypoint::MISSING;
    frames[9].keypoints[0] = Keypoint::MISSING;
    let (out, _) = run(25.0, &frames);
    let present = out.iter().map(|ticked| match ticked {
        Ticked::Tick { keypoints, .. } => (keypoints[0].is_present(), keypoints[1].is_present()),
        Ticked::Reset => unreachable!("no gap"),
    });
    let expected: Vec<_> = (0..=12).map(|tick| (![5, 6, 7, 10, 11].contains(&tick), true)).collect();
    assert_eq!(present.collect::<Vec<_>>(), expected, "ticks 6 and 12 lie on a frame, the others on two");
}

#[test]
fn a_mean_takes_each_point_from_the_frames_that_see_it() {
    let mut frames: Vec<Frame> = (0..=4).map(frame).collect();
    frames[1].keypoints[0] = Keypoint::MISSING;
    frames[2].keypoints[0].confidence = 1.0;
    frames[1].keypoints[1].confidence = 1.0;
    frames[1].keypoints[2] = Keypoint::MISSING;
    frames[2].keypoints[2] = Keypoint::MISSING;
    let (out, _) = run(60.0, &frames);
    let Ticked::Tick { keypoints, .. } = &out[1] else { panic!("{:?}", out[1]) };
    assert_eq!(keypoints[0], Keypoint { x: 2.0, y: 1.0, confidence: 1.0 });
    assert_eq!(keypoints[1], Keypoint { x: 1.5, y: 1.0, confidence: 0.75 });
    assert!(!keypoints[2].is_present());
}

#[test]
fn capture_times_follow_the_frames_used() {
    let captures = |rate_hz, nanos: &[Option<i64>]| -> Vec<Option<i64>> {
        let numbered = nanos.iter().enumerate();
        let frames: Vec<_> =
            numbered.map(|(number, &capture_nanos)| Frame { capture_nanos, ..frame(number as u64) }).collect();
        let given = run(rate_hz, &frames).0.into_iter().map(|ticked| match ticked {
            Ticked::Tick { capture_nanos, .. } => capture_nanos,
            Ticked::Reset => unreachable!("no gap"),
        });
        given.collect()
    };
    assert_eq!(captures(30.0, &[Some(7), None, Some(9)]), [Some(7), None, Some(9)]);
    assert_eq!(captures(20.0, &[Some(30), Some(60), None, Some(90)]), [Some(30), Some(50), None, None, None]);
    assert_eq!(captures(60.0, &[Some(1), Some(5), Some(9), None, Some(11)]), [Some(1), Some(7), None]);
    let ends = [Some(i64::MIN), Some(i64::MAX), Some(i64::MIN)];
    // The middle of the whole range, −0.5, to either side.
    assert_eq!(captures(15.0, &ends)[1..4], [Some(0), Some(i64::MAX), Some(-1)]);
    assert_eq!(captures(60.0, &[Some(0), Some(i64::MAX), Some(i64::MAX)])[1], Some(i64::MAX));
}

#[test]
fn a_ticker_is_as_new_after_a_flush() {
    let (mut ticker, mut out) = (ticker(60.0), Vec::new());
    for number in [0, 1, 2, 5] {
        ticker.push(&frame(number), &mut out).unwrap();
    }
    assert_eq!(written(&out), "0 1.5");
    ticker.flush(&mut out);
    assert_eq!(written(&out), "0 1.5 . 5");
    ticker.flush(&mut out);
    ticker.push(&frame(3), &mut out).unwrap();
    assert!(matches!(out[4..], [Ticked::Tick { tick: Tick(0), .. }]));
}

/// The same movement at every rate: off the truth by at most what a line leaves out between two frames (a/8·h²) or
/// what half a 60 Hz frame moves, by which the mean of frames 2k − 1 and 2k lies early.
#[test]
fn one_movement_gives_the_same_ticks_at_every_rate() {
    const AMPLITUDE_PX: f64 = 50.0;
    let x_px = |secs: f64| 300.0 + AMPLITUDE_PX * (TAU * secs).sin();
    for (rate_hz, tolerance_px) in [
        (25.0, AMPLITUDE_PX * TAU * TAU / 8.0 / (25.0 * 25.0)),
        (30.0, 0.0),
        (60.0, AMPLITUDE_PX * TAU / 120.0),
        (120.0, AMPLITUDE_PX * TAU / 120.0),
    ] {
        let frame_count = (10.0 * rate_hz) as u64 + 1;
        let frames: Vec<Frame> =
            (0..frame_count).map(|number| frame_at(number, x_px(number as f64 / rate_hz))).collect();
        let (out, refused) = run(rate_hz, &frames);
        assert!(refused.is_empty());
        assert_eq!(out.len(), 301, "{rate_hz} Hz");
        for ticked in &out {
            let Ticked::Tick { tick, keypoints, .. } = ticked else { panic!("{ticked:?}") };
            let off_px = (f64::from(keypoints[0].x) - x_px(tick.secs())).abs();
            // f32 resolves 350 px to 3e-5 px.
            assert!(off_px <= tolerance_px + 1e-4, "{rate_hz} Hz, {tick:?}: {off_px} px of {tolerance_px}");
        }
    }
}

fn any_rate() -> impl Strategy<Value = f64> {
    prop_oneof![proptest::sample::select(vec![10.0, 25.0, 29.97, 30.0, 44.9, 45.0, 60.0, 120.0, 240.0]), 10.0..=240.0]
}

fn any_numbers() -> impl Strategy<Value = Vec<u64>> {
    let jump = prop_oneof![any::<u64>(), 0..3000_u64, u64::MAX - 3000..=u64::MAX];
    let step = prop_oneof![8 => 1..4_u64, 1 => 400..2500_u64, 1 => (0..5_u64).prop_map(u64::wrapping_neg)];
    let run = (jump, vec(step, 0..40)).prop_map(|(start, steps)| {
        let walk = steps.into_iter().scan(start, |number, step| {
            *number = number.wrapping_add(step);
            Some(*number)
        });
        walk.collect::<Vec<_>>()
    });
    vec(run, 1..5).prop_map(|runs| runs.concat())
}

proptest! {
    #[test]
    fn any_numbers_give_consecutive_ticks(rate_hz in any_rate(), numbers in any_numbers()) {
        let mut ticker = ticker(rate_hz);
        let (mut out, mut next, mut missing) = (Vec::new(), 0, 0);
        for number in numbers.into_iter().map(Some).chain([None]) {
            match number {
                Some(number) => drop(ticker.push(&frame_at(number, 7.0), &mut out)),
                None => ticker.flush(&mut out),
            }
            prop_assert!(out.len() < 3 * WINDOW_TICKS + 10, "{} in one step", out.len());
            for ticked in out.drain(..) {
                missing = if is_missing(&ticked) { missing + 1 } else { 0 };
                prop_assert!(missing < WINDOW_TICKS);
                next = match ticked {
                    Ticked::Reset => 0,
                    Ticked::Tick { tick, .. } => {
                        prop_assert_eq!(tick, Tick(next));
                        next + 1
                    }
                };
            }
        }
    }

    #[test]
    fn order_within_the_horizon_does_not_matter(
        rate_hz in any_rate(),
        first in prop_oneof![Just(0), Just(1_000_000)],
        steps in vec((prop_oneof![20 => Just(1_u64), 4 => 2..5_u64, 1 => 500..2100_u64], 0..=REORDER_FRAMES), 1..60),
    ) {
        let mut frames = vec![(frame(first), 0)];
        for (step, lateness) in steps {
            let number = frames[frames.len() - 1].0.number + step;
            frames.push((frame(number), lateness));
        }
        let sorted: Vec<Frame> = frames.iter().map(|(frame, _)| frame.clone()).collect();
        frames[1..].sort_by_key(|(frame, lateness)| (frame.number + lateness, u64::MAX - frame.number));
        let mixed: Vec<Frame> = frames.into_iter().map(|(frame, _)| frame).collect();
        let (out, refused) = run(rate_hz, &mixed);
        prop_assert!(refused.is_empty(), "{refused:?}");
        prop_assert_eq!(out, run(rate_hz, &sorted).0);
    }
}
