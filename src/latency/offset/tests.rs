use super::super::tests::Random;
use super::*;

const MILLI: f64 = 1e6;

/// The ways of 30 answers a second: offset, way out and way back in milliseconds, by the second of the run.
struct Run {
    secs: u32,
    offset: fn(f64) -> f64,
    out: fn(f64, &mut Random) -> f64,
    back: fn(f64, &mut Random) -> f64,
}

struct Got {
    offset: Offset,
    /// True way out and as told of each answer that has one, in milliseconds.
    told: Vec<(f64, f64)>,
}

impl Run {
    fn measure(&self, seed: u64) -> Got {
        let (mut random, mut estimator) = (Random::new(seed), Estimator::default());
        let (mut truth, mut told) = (Vec::new(), Vec::new());
        for frame in 0..self.secs * 30 {
            let at = f64::from(frame) / 30.0;
            let (out, back) = ((self.out)(at, &mut random), (self.back)(at, &mut random));
            let offset = (self.offset)(at);
            truth.push(out);
            let ways = Ways {
                // Answers are told apart by it.
                cage: frame,
                at_nanos: (at * 1e9) as i64,
                out_nanos: ((out + offset) * MILLI) as i64,
                back_nanos: ((offset - back) * MILLI) as i64,
                trip_nanos: ((out + back) * MILLI) as i64,
            };
            estimator.take(ways, &mut |frame, out, _| told.push((frame, out)));
            assert!(estimator.waiting.len() <= WAITING_MAX && estimator.doubt.len() < STEP_ANSWERS);
        }
        let offset = estimator.finish(&mut |frame, out, _| told.push((frame, out))).unwrap();
        let told = told.into_iter().map(|(frame, out)| (truth[frame as usize], out as f64 / MILLI)).collect();
        Got { offset, told }
    }

    /// Whether every way lies within the stated uncertainty; a nanosecond is lost by rounding.
    fn check(&self, seed: u64) -> Offset {
        let got = self.measure(seed);
        assert_eq!(got.told.len(), self.secs as usize * 30, "every answer has its ways: {:?}", got.offset);
        let (uncertainty, mut farthest) = (got.offset.one_way_uncertainty_millis, 0.0_f64);
        for (truth, told) in got.told {
            farthest = farthest.max((truth - told).abs());
        }
        assert!(farthest <= uncertainty + 1e-5, "off by {farthest} ms, stated {uncertainty}; seed {seed}");
        got.offset
    }
}

/// Out is slow and noisy, back is fast.
fn asymmetric(_: f64, random: &mut Random) -> f64 {
    0.3 + random.exponential(2.0)
}

fn fast(_: f64, random: &mut Random) -> f64 {
    0.05 + random.exponential(0.02)
}

#[test]
fn an_offset_of_seconds_with_asymmetric_noise_is_within_the_stated_uncertainty() {
    for seed in 0..50 {
        let run = Run { secs: 120, offset: |_| 3200.0, out: asymmetric, back: fast };
        let offset = run.check(seed);
        let off = (offset.offset_millis - 3200.0).abs();
        assert!(off <= offset.uncertainty_millis, "{offset:?}");
        // The shortest ways are 0.3 and 0.05 ms: half of that, and little more.
        assert!((0.175..0.19).contains(&offset.uncertainty_millis), "{offset:?}");
        assert!(offset.one_way_uncertainty_millis < 0.5, "{offset:?}");
        assert!(off > 0.1, "what is uneven cannot be seen, and must not seem to be: {offset:?}");
        assert_eq!((offset.steps, offset.strays), (0, 0));
        let drift = offset.drift.unwrap();
        assert!(drift.ppm.abs() <= drift.uncertainty_ppm && drift.uncertainty_ppm < 5.0, "{drift:?}");
    }
}

#[test]
fn a_drift_of_fifty_ppm_is_told_and_does_not_spoil_the_ways() {
    for (secs, ppm_max) in [(60, 10.0), (3600, 0.2)] {
        for seed in 0..5 {
            let run = Run { secs, offset: |at| 3200.0 + at * 0.05, out: asymmetric, back: fast };
            let offset = run.check(seed);
            let drift = offset.drift.unwrap();
            assert!((drift.ppm - 50.0).abs() <= drift.uncertainty_ppm && drift.uncertainty_ppm < ppm_max, "{drift:?}");
            assert!(offset.one_way_uncertainty_millis < 0.6, "{offset:?}");
            let truth = 3200.0 + offset.at_secs * 0.05;
            assert!((offset.offset_millis - truth).abs() <= offset.uncertainty_millis, "{offset:?}");
            assert_eq!((offset.steps, offset.strays), (0, 0));
        }
    }
}

#[test]
fn a_step_is_found_with_its_size_and_nothing_else_is_one() {
    for (size, offset) in [
        (40.0, (|at| if at < 31.7 { 3200.0 } else { 3240.0 }) as fn(f64) -> f64),
        (-3200.0, |at| if at < 31.7 { 3200.0 } else { 0.0 }),
    ] {
        let run = Run { secs: 90, offset, out: asymmetric, back: fast };
        for seed in 0..10 {
            let got = run.measure(seed).offset;
            assert_eq!(got.steps, 1, "{got:?}");
            assert!((got.largest_step_millis - size).abs() < 2.0, "{got:?}");
            assert!((got.offset_millis - 3200.0 - size).abs() <= got.uncertainty_millis, "of the time after: {got:?}");
        }
    }
}

#[test]
fn stalls_and_strays_are_no_steps() {
    // Every twenty seconds all answers are late for four, in the run or also at its start; and once in a while a clock
    // is read wrongly.
    let out = |at: f64, random: &mut Random| 0.1 + random.exponential(0.05) + if at % 20.0 > 16.0 { 80.0 } else { 0.0 };
    let offset = Run { secs: 110, offset: |_| -5.0, out, back: fast }.check(1);
    assert_eq!((offset.steps, offset.strays), (0, 0));
    assert!(offset.one_way_uncertainty_millis < 0.2, "stalls do not blur the rest: {offset:?}");
    let out = |at: f64, random: &mut Random| 0.1 + random.exponential(0.05) + if at % 20.0 < 4.0 { 80.0 } else { 0.0 };
    let offset = Run { secs: 120, offset: |_| -5.0, out, back: fast }.check(1);
    assert!(offset.one_way_uncertainty_millis < 0.6, "stalls do not blur the rest: {offset:?}");
    let offset: fn(f64) -> f64 = |at| if (at * 30.0).round() as u32 % 50 == 7 { 1e6 } else { 0.0 };
    let got = Run { secs: 60, offset, out: fast, back: fast }.measure(1).offset;
    assert_eq!((got.steps, got.strays), (0, 36));
    assert!(got.offset_millis.abs() <= got.uncertainty_millis && got.one_way_uncertainty_millis < 0.2, "{got:?}");
}

#[test]
fn the_ends_of_a_run_follow_the_drift_too() {
    for seed in 0..10 {
        let offset = Run { secs: 60, offset: |at| 3200.0 - at * 0.09, out: fast, back: fast }.check(seed);
        assert!(offset.one_way_uncertainty_millis < 0.1, "{offset:?}");
    }
}

#[test]
fn a_drift_during_a_pause_is_no_step() {
    let mut estimator = Estimator::default();
    for second in (0..20).chain(60..80_i64) {
        // 300 ppm, and 0.1 ms each way.
        let (at_nanos, offset) = (second * 1_000_000_000, second * 300_000);
        let ways =
            Ways { cage: 0, at_nanos, out_nanos: offset + 100_000, back_nanos: offset - 100_000, trip_nanos: 200_000 };
        estimator
            .take(ways, &mut |_, out, back| assert!((out - 100_000).abs() < 1000 && (back - 100_000).abs() < 1000));
    }
    let offset = estimator.finish(&mut |_, _, _| ()).unwrap();
    assert_eq!((offset.steps, offset.strays), (0, 0));
    let drift = offset.drift.unwrap();
    assert!((drift.ppm - 300.0).abs() < 0.1 && (2.0..4.0).contains(&drift.uncertainty_ppm), "{drift:?}");
}

#[test]
fn a_short_run_and_an_empty_one() {
    assert_eq!(Estimator::default().finish(&mut |_, _, _| ()), None);
    let offset = Run { secs: 1, offset: |_| 3.0, out: fast, back: fast }.check(4);
    assert!((offset.offset_millis - 3.0).abs() <= offset.uncertainty_millis, "{offset:?}");
    assert_eq!(offset.drift, None, "a second tells nothing of drift");
}

#[test]
fn any_numbers_may_come() {
    let mut random = Random::new(9);
    let mut estimator = Estimator::default();
    let mut count = 0_u64;
    for _ in 0..50_000 {
        let mut any = || match random.bits() % 5 {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => 0,
            3 => (random.bits() % 1000) as i64 - 500,
            _ => random.bits() as i64,
        };
        let ways = Ways { cage: 0, at_nanos: any(), out_nanos: any(), back_nanos: any(), trip_nanos: any() };
        estimator.take(ways, &mut |_, _, _| count += 1);
        assert!(estimator.waiting.len() <= WAITING_MAX);
    }
    let offset = estimator.finish(&mut |_, _, _| count += 1).unwrap();
    assert!(offset.strays + count <= 50_000 && offset.offset_millis.is_finite(), "{offset:?}");
}

#[test]
fn answers_from_the_future_do_not_fill_the_room() {
    let (mut estimator, mut passed) = (Estimator::default(), 0);
    for step in 0..100_000 {
        // Ever better, and ever earlier: each point leaves all before it waiting.
        let (at_nanos, out_nanos) = (i64::MAX - step, 1_000_000 - step);
        let ways = Ways { cage: 0, at_nanos, out_nanos, back_nanos: -100, trip_nanos: 200 };
        estimator.take(ways, &mut |_, _, _| passed += 1);
        assert!(estimator.waiting.len() < WAITING_MAX);
    }
    assert!(estimator.waiting.len() < WAITING_MAX / 2 + 10_000, "{} wait", estimator.waiting.len());
    estimator.finish(&mut |_, _, _| passed += 1);
    assert_eq!(passed, 100_000);
}

#[test]
fn our_own_clock_being_set_is_told_from_being_read_late() {
    let mut own = OwnClock::default();
    for step in 0..1000_i64 {
        let late = if step % 10 == 3 { 4_000_000 } else { step % 7 * 1000 };
        let set = if step < 500 { 0 } else { -40_000_000 };
        own.take(step * 33_000_000, 1_700_000_000_000_000_000 + step * 33_000_000 + late + set);
    }
    assert_eq!(own.steps, 1);
    assert!((own.largest_step + 40_000_000).abs() < 10_000, "{own:?}");
    for nanos in [i64::MIN, i64::MAX, 0, i64::MAX] {
        own.take(nanos, nanos.wrapping_neg());
    }
}
