//! Capture times that are none, and arbitrary input.

use proptest::prelude::*;

use super::*;

fn after(secs: f64, then: impl Fn(f64, u64) -> Option<i64> + 'static) -> Rig {
    Rig { capture: Box::new(move |t, n| if t < secs { Some(unix(t)) } else { then(t, n) }), ..Rig::default() }
}

/// Twice: from the first frame on, and from second 60.
#[test]
fn capture_times_that_are_no_clock_are_said_to_be_none() {
    check(vec![
        ("microseconds", after(0.0, |t, _| Some(unix(t) / 1000)), &[("capture-pace", 6.0, 9.0)]),
        ("milliseconds", after(0.0, |t, _| Some(unix(t) / 1_000_000)), &[("capture-pace", 6.0, 9.0)]),
        ("zero", after(0.0, |_, _| Some(0)), &[("capture-stands", 2.0, 2.2)]),
        ("least", after(0.0, |_, _| Some(i64::MIN)), &[("capture-stands", 2.0, 2.2)]),
        ("greatest", after(0.0, |_, _| Some(i64::MAX)), &[("capture-stands", 2.0, 2.2)]),
        ("backwards", after(0.0, |t, _| Some(unix(-t))), &[("capture-backwards", 2.0, 2.2)]),
        ("missing", after(0.0, |_, _| None), &[("capture-missing", 2.0, 2.2)]),
        (
            "zero from then on",
            after(60.0, |_, _| Some(0)),
            &[("clock-jumped", 61.0, 61.2), ("capture-stands", 62.0, 62.2)],
        ),
        (
            "least from then on",
            after(60.0, |_, _| Some(i64::MIN)),
            &[("clock-jumped", 61.0, 61.2), ("capture-stands", 62.0, 62.2)],
        ),
        (
            "greatest from then on",
            after(60.0, |_, _| Some(i64::MAX)),
            &[("clock-jumped", 61.0, 61.2), ("capture-stands", 62.0, 62.2)],
        ),
        ("stands still from then on", after(60.0, |_, _| Some(unix(60.0))), &[("capture-stands", 62.0, 62.2)]),
        ("backwards from then on", after(60.0, |t, _| Some(unix(120.0 - t))), &[("capture-backwards", 62.0, 62.2)]),
        ("missing from then on", after(60.0, |_, _| None), &[("capture-missing", 62.0, 62.2)]),
        (
            "stands still for 20 s",
            after(60.0, |t, _| Some(unix(if t < 80.0 { 60.0 } else { t }))),
            &[("capture-stands", 62.0, 62.2), ("capture-runs", 83.0, 88.0)],
        ),
    ]);
}

#[test]
fn a_stray_capture_time_now_and_then_changes_nothing() {
    for stray in [0, i64::MIN, i64::MAX, START, START + 3_600_000_000_000] {
        let rig = Rig { secs: 600.0, ..after(0.0, move |t, n| Some(if n % 1000 == 999 { stray } else { unix(t) })) };
        let heard = rig.run();
        assert!(heard.notices.is_empty(), "{stray}: {:?}", heard.notices);
        assert!(heard.ages(2.5, 600.0).all(|age| !matches!(age, Age::Absolute(age) if age > Duration::from_secs(1))));
    }
}

#[test]
fn random_capture_times_are_erratic_once_and_no_age() {
    for spread in [10_000_000_000_i64, i64::MAX] {
        let rig = after(60.0, move |t, n| {
            let noise = Random(n + 1).bits() as i64 % spread;
            Some(unix(t).saturating_add(noise))
        });
        let heard = rig.run();
        println!("{:?}", heard.notices);
        assert_eq!(heard.kinds(), ["capture-erratic"]);
        assert!(heard.all_unknown(62.0, 200.0));
    }
}

#[test]
fn two_rigs_that_write_one_stream_are_erratic_not_a_thousand_jumps() {
    let rig = after(0.0, |t, _| Some(unix(if t % 6.0 < 3.0 { t } else { t + 1.0 })));
    let heard = Rig { secs: 1200.0, ..rig }.run();
    println!("{:?}", heard.notices);
    assert!(heard.notices.len() < 30);
    assert_eq!(heard.kinds().iter().filter(|kind| *kind == "capture-erratic").count(), 1);
}

#[test]
fn capture_times_that_come_back_are_used_again() {
    let rig = after(60.0, |t, _| if t < 80.0 { None } else { Some(unix(t)) });
    let heard = rig.run();
    assert_eq!(heard.kinds(), ["capture-missing", "capture-runs"]);
    assert!(heard.oldest_absolute(88.0, 120.0).unwrap() < 0.01);
}

fn capture() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        Just(None),
        any::<i64>().prop_map(Some),
        (-10_000_000_000..10_000_000_000_i64).prop_map(|by| Some(START + by)),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0)].prop_map(Some),
    ]
}

proptest! {
    #[test]
    fn arbitrary_input_never_panics_nor_has_a_frame_of_the_future_an_age(
        frames in prop::collection::vec(
            (any::<u64>(), 0..100_u64, capture(), 0..3_000_u64, -2000..2000_i64, any::<u8>()),
            1..300,
        ),
        clock in prop_oneof![Just(None), Just(Some("unix")), Just(Some("camera"))],
        is_nearly_right in any::<bool>(),
        rate_hz in prop_oneof![10.0..240.0, Just(0.0), Just(f64::NAN), Just(f64::INFINITY)],
    ) {
        let mut timing = Timing::new(clock, rate_hz, Limits::default());
        let start = Instant::now();
        let (mut millis, mut own, mut number) = (0, 0, 0_u64);
        for (any_number, ahead, capture, wait, set, choice) in frames {
            millis += if choice & 1 == 0 { wait } else { 33 };
            own = if choice & 6 == 0 { set } else { own };
            number = if choice & 0x18 == 0 { any_number } else { number.saturating_add(ahead) };
            let unix_nanos = START + (millis as i64 + own) * 1_000_000;
            let unix_nanos = if choice == 77 { i64::MIN } else { unix_nanos };
            let arrived = Moment { monotonic: start + Duration::from_millis(millis), unix_nanos };
            // Most frames of half the streams are nearly right, so that clocks do agree.
            let near = START + millis as i64 * 1_000_000 - i64::from(choice) * 100_000 + 5_000_000;
            let capture = if is_nearly_right && choice & 0x60 != 0 { Some(near) } else { capture };
            let sighting = timing.frame(number, capture, arrived);
            let future = capture.is_some_and(|capture| capture > unix_nanos);
            let is_absolute = matches!(sighting.age, Age::Absolute(_));
            prop_assert!(!(future && is_absolute));
            prop_assert!(!is_absolute || clock == Some("unix"));
            prop_assert!(capture.is_some() || sighting.age == Age::Unknown);
            prop_assert!(sighting.notices.iter().count() < verdict::NOTICES_MAX);
            timing.stale(arrived.monotonic);
            timing.offset();
        }
    }
}
