//! Cameras at another rate than described, and replays.

use super::*;

fn hz(described_hz: f64, rate_hz: fn(f64) -> f64) -> Rig {
    Rig { described_hz, rate_hz, ..Rig::default() }
}

#[test]
fn another_rate_than_described_is_said_and_measured() {
    check(vec![
        ("25 called 30", hz(30.0, |_| 25.0), &[("rate-differs", 5.9, 7.0)]),
        ("25 called 30 over Wi-Fi", hz(30.0, |_| 25.0).way(Way::WiFi), &[("rate-differs", 5.9, 16.0)]),
        ("60 called 30", hz(30.0, |_| 60.0), &[("rate-differs", 5.9, 7.0)]),
        ("15 called 30", hz(30.0, |_| 15.0), &[("rate-differs", 5.9, 7.0)]),
        ("30 to 15", hz(30.0, |t| if t < 60.0 { 30.0 } else { 15.0 }), &[("rate-differs", 65.0, 70.0)]),
        (
            "30 to 15 to 30",
            hz(30.0, |t| if (40.0..80.0).contains(&t) { 15.0 } else { 30.0 }),
            &[("rate-differs", 45.0, 50.0), ("rate-agrees", 85.0, 90.0)],
        ),
        (
            "60 to 15",
            hz(30.0, |t| if t < 60.0 { 60.0 } else { 15.0 }),
            &[("rate-differs", 5.9, 7.0), ("rate-differs", 65.0, 70.0)],
        ),
        ("25 called 30, no times", hz(30.0, |_| 25.0).clock(None), &[("rate-differs", 19.9, 21.0)]),
        (
            "25 called 30, no times, Wi-Fi",
            hz(30.0, |_| 25.0).clock(None).way(Way::WiFi),
            &[("rate-differs", 19.9, 31.0)],
        ),
        ("31 called 30", hz(30.0, |_| 31.0), &[]),
    ]);
    let heard = hz(30.0, |_| 25.0).way(Way::WiFi).run();
    let Notice::RateDiffers { described_hz, measured_hz } = heard.notices[0].1 else { panic!() };
    assert_eq!(described_hz, 30.0);
    assert!((measured_hz - 25.0).abs() < 0.1);
}

#[test]
fn capture_times_counted_at_a_rate_that_is_not_the_cameras_are_no_clock() {
    let counted = |clock| Rig {
        rate_hz: |_| 25.0,
        capture: Box::new(|_, number| Some(START + (number as f64 / 30.0 * NANOS) as i64)),
        clock,
        ..Rig::default()
    };
    for clock in [Some(CLOCK_UNIX), Some("camera")] {
        let heard = counted(clock).run();
        let paces: Vec<_> = heard.notices.iter().filter(|(_, notice)| kind(notice) == "capture-pace").collect();
        let [(t, Notice::CapturePace { ratio })] = paces[..] else { panic!("{:?}", heard.notices) };
        assert!(*t < 15.0 && (ratio - 25.0 / 30.0).abs() < 0.01, "{:?}", heard.notices);
        assert!(heard.all_unknown(15.0, 200.0));
    }
}

#[test]
fn a_link_that_is_too_narrow_is_said_and_its_frames_are_stale() {
    let heard = Rig::default().clock(Some("camera")).way(Way::Narrow { share: 0.9 }).run();
    println!("{:?}", heard.notices);
    assert_eq!(heard.kinds()[0], "capture-pace");
    assert!(heard.notices[0].0 < 76.0);
    assert!(matches!(heard.timing.stale(heard.timing.newest.unwrap().arrived), Some(Stale::Age(_))));
}

#[test]
fn a_lossless_replay_at_full_speed_is_a_fast_camera_and_nothing_else() {
    // Due times of 1000 times the camera's rate, a detector that takes 900 frames a second, and a schedule that begins
    // anew once it is 0.1 s behind.
    for (speed, takes) in [(1000.0, 1.0 / 900.0), (20.0, 1.0 / 900.0), (1.0, 1e-6)] {
        let (mut now, mut start, mut first) = (0.0, 0.0, 0);
        let mut frames = Vec::new();
        for number in 0..40_000_u64 {
            let mut due = start + (number - first) as f64 / (30.0 * speed);
            if now - due > 0.1 {
                (due, start, first) = (now, now, number);
            }
            now = due.max(now) + takes;
            frames.push((now, number, Some(unix(due))));
        }
        let heard = Rig::default().hear(&frames);
        println!("{speed}: {:?}", heard.notices);
        let expected: &[&str] = if speed > 1.0 { &["rate-differs"] } else { &[] };
        assert_eq!(heard.kinds(), expected, "{:?}", heard.notices);
        assert!(heard.oldest_absolute(0.0, 1e9).unwrap() < 0.12);
        let limits = Limits { rate_tolerance: f64::INFINITY, ..Limits::default() };
        assert!(Rig { limits, ..Rig::default() }.hear(&frames).notices.is_empty());
    }
}
