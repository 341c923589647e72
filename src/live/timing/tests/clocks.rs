//! Faults of the rig's clock and of ours.

use super::*;

/// The value of the first notice of a kind.
fn value(heard: &Heard, name: &str, field: &str) -> f64 {
    let found = heard.notices.iter().find(|(_, notice)| kind(notice) == name);
    let (_, notice) = found.unwrap_or_else(|| panic!("no {name} in {:?}", heard.notices));
    serde_json::to_value(notice).unwrap()[field].as_f64().unwrap()
}

#[test]
fn a_clock_ahead_is_said_and_its_frames_have_no_age() {
    check(vec![
        ("5 s ahead", showing(|t| t + 5.0), &[("clock-ahead", 2.0, 2.2)]),
        ("5 s ahead over Wi-Fi", showing(|t| t + 5.0).way(Way::WiFi), &[("clock-ahead", 2.0, 2.5)]),
        ("50 ms ahead", showing(|t| t + 0.05).way(Way::Jitter { millis: 40.0 }), &[("clock-ahead", 2.0, 2.2)]),
    ]);
    let heard = showing(|t| t + 5.0).run();
    assert!(heard.all_unknown(0.0, 200.0));
    assert!((value(&heard, "clock-ahead", "by_nanos") * 1e-9 - 5.0).abs() < 0.01);
    assert!(heard.timing.clock_fault().is_some());
    assert!(heard.stale < 0.001, "staleness is judged by the floor");
}

#[test]
fn a_clock_behind_from_the_first_frame_on_is_said() {
    check(vec![
        ("5 s behind", showing(|t| t - 5.0), &[("clock-behind", 2.0, 2.2)]),
        ("5 s behind over Wi-Fi", showing(|t| t - 5.0).way(Way::WiFi), &[("clock-behind", 2.0, 2.5)]),
        ("another clock is nowhere near ours", showing(|t| t - 5.0).clock(Some("camera")), &[]),
    ]);
    let heard = showing(|t| t - 5.0).run();
    assert!(heard.all_unknown(0.0, 2.0));
    assert!(heard.oldest_over(2.1, 200.0).unwrap() < 0.006);
}

#[test]
fn a_clock_that_leaps_in_mid_stream_is_said_to() {
    for way in [Way::Jitter { millis: 40.0 }, Way::WiFi] {
        for by in [-5.0, -0.5, -0.2, 0.2, 0.5, 5.0] {
            for clock in [Some(CLOCK_UNIX), Some("camera")] {
                for seed in 0..8 {
                    let rig = showing(move |t| if t < 60.0 { t } else { t + by });
                    let heard = Rig { clock, way, seed, ..rig }.run();
                    let (t, first) = heard.notices[0];
                    let case = format!("{way:?} {by} {clock:?} {seed}: {:?}", heard.notices);
                    assert_eq!(kind(&first), "clock-jumped", "{case}");
                    assert!((61.0..62.0).contains(&t), "{case}");
                    // The way's own fastest second is part of the measure.
                    let tolerance = if matches!(way, Way::WiFi) { 0.1 } else { 0.02 };
                    assert!((value(&heard, "clock-jumped", "by_nanos") * 1e-9 - by).abs() < tolerance, "{case}");
                    let after = &heard.kinds()[1..];
                    let expected: &[&str] = match (clock, by) {
                        (Some(CLOCK_UNIX), 0.2..) => &["clock-ahead"],
                        (Some(CLOCK_UNIX), -5.0) => &["clock-behind"],
                        _ => &[],
                    };
                    let half_a_second = by == -0.5 && after.iter().all(|kind| kind.starts_with("clock-"));
                    assert!(after == expected || half_a_second, "{case}");
                    assert!(heard.all_unknown(60.1, 60.9), "{case}");
                }
            }
        }
    }
}

#[test]
fn a_clock_that_is_put_right_is_said_to_agree() {
    check(vec![
        (
            "ahead, then right",
            showing(|t| if t < 60.0 { t + 5.0 } else { t }),
            &[("clock-ahead", 2.0, 2.2), ("clock-jumped", 61.0, 61.2), ("clock-agrees", 62.0, 64.5)],
        ),
        (
            "behind, then right",
            showing(|t| if t < 60.0 { t - 5.0 } else { t }),
            &[("clock-behind", 2.0, 2.2), ("clock-jumped", 61.0, 61.2), ("clock-agrees", 62.0, 64.5)],
        ),
    ]);
}

#[test]
fn a_clock_that_drifts_is_said_to_and_jitter_is_not() {
    for way in [Way::Jitter { millis: 40.0 }, Way::Stalls { every_secs: 20.0, millis: 200.0 }, Way::WiFi] {
        for ppm in [-500.0, -50.0, 0.0, 50.0, 500.0] {
            for seed in 0..4 {
                let rig = showing(move |t| t * (1.0 + ppm * 1e-6)).clock(Some("camera"));
                let heard = Rig { seed, way, secs: 3000.0, ..rig }.run();
                let case = format!("{way:?} {ppm} {seed}: {:?} {:?}", heard.notices, heard.timing.offset());
                println!("{case}");
                assert!(heard.kinds().iter().all(|kind| kind == "clock-drifts"), "{case}");
                assert_eq!(heard.notices.is_empty(), ppm == 0.0, "{case}");
                for (_, notice) in &heard.notices {
                    let Notice::ClockDrifts { ppm: said, uncertainty_ppm } = notice else { panic!("{case}") };
                    assert!((said - ppm).abs() <= uncertainty_ppm.max(0.1 * ppm.abs()), "{case}");
                }
                if let Some(known) = heard.timing.offset().and_then(|offset| offset.drift_ppm) {
                    assert!((known - ppm).abs() <= 10.0_f64.max(0.1 * ppm.abs()), "{case}");
                }
                assert!(heard.oldest_over(2.5, 3000.0).unwrap() < if way_is_rough(way) { 1.0 } else { 0.1 }, "{case}");
            }
        }
    }
}

fn way_is_rough(way: Way) -> bool {
    !matches!(way, Way::Jitter { .. })
}

#[test]
fn our_own_clock_being_set_is_not_the_rigs_doing() {
    check(vec![
        (
            "ours set 5 s ahead",
            Rig { own: |t| if t < 60.0 { 0.0 } else { 5.0 }, ..Rig::default() },
            &[("own-clock-set", 60.0, 60.2), ("clock-behind", 60.0, 63.0)],
        ),
        (
            "ours set right",
            Rig { own: |t| if t < 60.0 { -3600.0 } else { 0.0 }, ..Rig::default() },
            &[("clock-ahead", 2.0, 2.2), ("own-clock-set", 60.0, 60.2), ("clock-agrees", 60.0, 63.0)],
        ),
        (
            "the rig reads our clock",
            Rig { own: |t| if t < 60.0 { 0.0 } else { 5.0 }, ..showing(|t| if t < 60.0 { t } else { t + 5.0 }) },
            &[("own-clock-set", 60.0, 60.2)],
        ),
        (
            "ours set, another clock",
            Rig { own: |t| if t < 60.0 { 0.0 } else { 5.0 }, ..Rig::default() }.clock(Some("camera")),
            &[("own-clock-set", 60.0, 60.2)],
        ),
        (
            "ours steered by 100 ppm",
            Rig { own: |t| t * 1e-4, secs: 600.0, ..Rig::default() }.clock(Some("camera")),
            &[],
        ),
        ("read late now and then", Rig { own: |t| if t % 10.0 < 0.03 { 0.2 } else { 0.0 }, ..Rig::default() }, &[]),
    ]);
    let heard =
        Rig { own: |t| if t < 60.0 { 0.0 } else { 5.0 }, ..showing(|t| if t < 60.0 { t } else { t + 5.0 }) }.run();
    assert!(heard.oldest_absolute(62.0, 200.0).unwrap() < 0.01, "both clocks agree again");
}

#[test]
fn a_frame_that_our_own_clock_sees_in_the_future_has_no_age_before_the_clock_is_known_to_be_set() {
    let heard = Rig { own: |t| if t < 60.0 { 0.0 } else { -1.0 }, ..Rig::default() }.run();
    assert!(heard.oldest_absolute(59.0, 60.0).is_some());
    assert!(heard.all_unknown(60.0, 60.5));
}

#[test]
fn a_clock_set_back_during_a_pause_is_late_until_known_better() {
    let rig = || Rig { pause: (50.0, 60.0), ..showing(|t| if t < 55.0 { t } else { t - 3.0 }) };
    check(vec![
        ("wall clock", rig(), &[("clock-behind", 61.0, 68.0)]),
        ("another clock", rig().clock(Some("camera")), &[("clock-behind", 70.0, 76.0)]),
        (
            "set ahead",
            Rig { pause: (50.0, 60.0), ..showing(|t| if t < 55.0 { t } else { t + 3.0 }) }.clock(Some("camera")),
            &[("clock-jumped", 61.0, 61.2)],
        ),
    ]);
    let heard = rig().clock(Some("camera")).run();
    assert!(matches!(heard.timing.stale(heard.timing.newest.unwrap().arrived), Some(Stale::Age(_))));
}

#[test]
fn a_queue_that_came_to_stay_is_not_forgotten() {
    let mut frames: Vec<_> =
        (0..30 * 1800).map(|n| (n as f64 / 30.0 + 0.002, n, Some(unix(n as f64 / 30.0)))).collect();
    for frame in &mut frames[3000..] {
        frame.0 += 1.0;
    }
    let heard = Rig { clock: Some("camera"), ..Rig::default() }.hear(&frames);
    assert_eq!(heard.kinds(), ["clock-behind"]);
    assert!(
        matches!(heard.timing.stale(heard.timing.newest.unwrap().arrived), Some(Stale::Age(_))),
        "after half an hour"
    );
}
