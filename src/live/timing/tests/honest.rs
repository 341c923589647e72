//! Streams with nothing wrong but their way: nothing is said.

use super::*;

const HOURS: f64 = 3600.0;

#[test]
fn an_honest_stream_is_never_accused_over_hours() {
    let ways = [
        Way::Jitter { millis: 0.0 },
        Way::Jitter { millis: 40.0 },
        Way::Stalls { every_secs: 20.0, millis: 200.0 },
        Way::WiFi,
    ];
    for way in ways {
        for clock in [Some(CLOCK_UNIX), Some("camera"), None] {
            for seed in 0..3 {
                let secs = if matches!(way, Way::WiFi) { 6.0 * HOURS } else { 2.0 * HOURS };
                let capture: Box<dyn Fn(f64, u64) -> _> = match clock {
                    Some("camera") => Box::new(|t, _| Some((t * NANOS) as i64 - 77)),
                    _ => Box::new(|t, _| Some(unix(t))),
                };
                let rig = Rig { seed, secs, clock, way, capture, lost: 0.01, reordered: 0.01, ..Rig::default() };
                let heard = rig.run();
                assert!(heard.notices.is_empty(), "{way:?} {clock:?} {seed}: {:?}", heard.notices);
                let spoken = heard.ages(2.5, secs + 1.0).all(|age| match clock {
                    Some(CLOCK_UNIX) => matches!(age, Age::Absolute(age) if age > Duration::ZERO),
                    Some(_) => matches!(age, Age::OverMinimum(_)),
                    None => age == Age::Unknown,
                });
                assert!(spoken, "{way:?} {clock:?}");
                println!("{way:?} {clock:?}: stale {:.5}, {:?}", heard.stale, heard.timing.offset());
            }
        }
    }
}

#[test]
fn other_honest_cameras_are_not_accused() {
    check(vec![
        ("10 Hz", Rig { rate_hz: |_| 10.0, described_hz: 10.0, secs: 1000.0, ..Rig::default() }, &[]),
        ("240 Hz", Rig { rate_hz: |_| 240.0, described_hz: 240.0, secs: 1000.0, ..Rig::default() }, &[]),
        ("29.97 Hz called 30", Rig { rate_hz: |_| 29.97, secs: 1000.0, ..Rig::default() }, &[]),
        ("paused 10 s", Rig { pause: (50.0, 60.0), ..Rig::default() }, &[]),
        ("paused an hour", Rig { pause: (50.0, 3650.0), secs: 3800.0, ..Rig::default() }, &[]),
        ("paused, no capture times", Rig { pause: (50.0, 60.0), clock: None, ..Rig::default() }, &[]),
        ("every tenth frame doubled", Rig { number: |n| n - u64::from(n % 10 == 9), ..Rig::default() }, &[]),
        ("counts anew", Rig { number: |n| n % 1500, secs: 300.0, ..Rig::default() }, &[]),
        ("numbers leap", Rig { number: |n| n + 40 * (n / 900), secs: 300.0, way: Way::WiFi, ..Rig::default() }, &[]),
        ("half of all lost", Rig { lost: 0.5, secs: 1000.0, way: Way::WiFi, ..Rig::default() }, &[]),
        ("stalls a second long", Rig::default().way(Way::Stalls { every_secs: 30.0, millis: 1000.0 }), &[]),
        (
            "the same without times",
            Rig { secs: 3600.0, clock: None, way: Way::Stalls { every_secs: 30.0, millis: 1000.0 }, ..Rig::default() },
            &[],
        ),
        (
            "capture times in whole seconds",
            Rig {
                capture: Box::new(|t, _| Some(START + t as i64 * 1_000_000_000)),
                clock: Some("camera"),
                secs: 1000.0,
                ..Rig::default()
            },
            &[],
        ),
        (
            "in tenths",
            Rig {
                capture: Box::new(|t, _| Some(START + (t * 10.0) as i64 * 100_000_000)),
                secs: 1000.0,
                ..Rig::default()
            },
            &[],
        ),
        (
            "a third without times",
            Rig { capture: Box::new(|t, n| (n % 3 > 0).then(|| unix(t))), secs: 1000.0, ..Rig::default() },
            &[],
        ),
        (
            "3 s long",
            Rig { secs: 3600.0, ..Rig::default().way(Way::Stalls { every_secs: 100.0, millis: 3000.0 }) },
            &[],
        ),
    ]);
}

#[test]
fn frames_that_a_stalled_link_drops_without_a_number_are_not_another_rate() {
    let stalls = Way::Stalls { every_secs: 10.0, millis: 800.0 };
    for clock in [Some(CLOCK_UNIX), Some("camera"), None] {
        // Without times, numbers over Wi-Fi do ascend too slowly for long enough.
        for way in [stalls, Way::WiFi].into_iter().take(if clock.is_some() { 2 } else { 1 }) {
            let (mut random, mut road) = (Random(5), Road::default());
            let mut frames: Vec<(f64, u64, _)> = Vec::new();
            for count in 0..30 * 7200 {
                let t = f64::from(count) / 30.0;
                let (arrives, number) = (road.carry(way, t, &mut random), frames.len() as u64);
                match frames.last_mut() {
                    // A link that keeps the newest frame only.
                    Some(waits) if arrives <= waits.0 => waits.2 = Some(unix(t)),
                    _ => frames.push((arrives, number, Some(unix(t)))),
                }
            }
            let heard = Rig { clock, ..Rig::default() }.hear(&frames);
            assert!(heard.notices.is_empty(), "{way:?} {clock:?}: {:?}", heard.notices);
        }
    }
}

#[test]
fn a_frame_held_up_is_old_and_the_cage_stale() {
    let rig = Rig { secs: 60.0, ..Rig::default() }.way(Way::Stalls { every_secs: 1e9, millis: 0.0 });
    let mut frames: Vec<_> = (0..1800).map(|n| (n as f64 / 30.0 + 0.002, n, Some(unix(n as f64 / 30.0)))).collect();
    for frame in &mut frames[1000..] {
        frame.0 = frame.0.max(34.5);
    }
    for clock in [Some(CLOCK_UNIX), Some("camera")] {
        let heard = Rig { clock, ..Rig::default() }.hear(&frames[..1001]);
        let oldest = heard.oldest_absolute(34.0, 35.0).or(heard.oldest_over(34.0, 35.0)).unwrap();
        assert!((1.1..1.2).contains(&oldest), "{oldest}");
        let Some(Stale::Age(age)) = heard.timing.stale(heard.timing.newest.unwrap().arrived) else { panic!() };
        assert!(age >= Duration::from_millis(1160), "{age:?}");
    }
    assert!(rig.hear(&frames).notices.is_empty());
}

#[test]
fn silence_gaps_and_no_frame_at_all_are_stale() {
    let now = Instant::now();
    let mut timing = Timing::new(None, 30.0, Limits::default());
    assert_eq!(timing.stale(now), Some(Stale::NoFrame));
    let moment = |millis| Moment { monotonic: now + Duration::from_millis(millis), unix_nanos: START };
    timing.frame(0, None, moment(0));
    assert_eq!(timing.stale(moment(500).monotonic), None);
    assert_eq!(timing.stale(moment(501).monotonic), Some(Stale::Silence(Duration::from_millis(501))));
    for repeat in 1..20 {
        timing.frame(0, None, moment(repeat * 33));
    }
    assert!(matches!(timing.stale(moment(660).monotonic), Some(Stale::Silence(_))), "the same frame is no news");
    timing.frame(8, None, moment(670));
    assert_eq!(timing.stale(moment(670).monotonic), None);
    timing.frame(17, None, moment(700));
    assert_eq!(timing.stale(moment(700).monotonic), Some(Stale::Gap(8)));
    timing.frame(18, None, moment(733));
    assert_eq!(timing.stale(moment(733).monotonic), None);
    let mut timing = Timing::new(Some("camera"), 30.0, Limits::default());
    timing.frame(0, Some(0), moment(0));
    assert!(matches!(timing.stale(moment(300).monotonic), Some(Stale::Age(_))), "time since arrival counts");
}

#[test]
fn a_frame_takes_less_than_a_microsecond() {
    let heard = Rig { secs: 7200.0, way: Way::WiFi, ..Rig::default() }.run();
    println!("{:.0} ns a frame, reading the clock included", heard.nanos_a_frame);
    // Unoptimised, and on a busy machine, it may take many times longer.
    assert!(heard.nanos_a_frame < 20_000.0);
}
