//! What whole runs say.

use super::super::stages::Stage;
use super::super::warnings::Warning;
use super::*;

fn near(got: Option<f64>, expected: f64, tolerance: f64) -> bool {
    got.is_some_and(|got| (got - expected).abs() <= tolerance)
}

/// The warnings of a run of ten minutes, without those about its length.
fn warnings(rig: &Rig, seed: u64) -> Vec<Warning> {
    let mut warnings = rig.run(seed).warnings;
    warnings.retain(|warning| !matches!(warning, Warning::FewAnswers { .. }));
    warnings
}

#[test]
fn a_good_rig_has_its_stages_and_no_warnings() {
    let rig = Rig { cages: 2, secs: 600, ..Rig::default() };
    for seed in 0..3 {
        let summary = rig.run(seed);
        assert_eq!(summary.warnings, []);
        let p50 = |stage| summary.stage(stage).p50_millis;
        let exponential = std::f64::consts::LN_2;
        assert!(near(p50(Stage::DueToPut), 0.02 + 0.02 * exponential, 0.002));
        assert!(near(p50(Stage::ArrivedToInference), 0.02 + 0.02 * exponential, 0.002));
        assert!(near(p50(Stage::Inference), 0.9 + 0.05 * exponential, 0.003));
        assert!(near(p50(Stage::DecidedToSent), 0.01 + 0.01 * exponential, 0.001));
        let uncertainty = summary.stage(Stage::PutToArrived).uncertainty_millis.unwrap();
        assert!(uncertainty < 0.12, "{uncertainty}");
        assert!(near(p50(Stage::PutToArrived), 0.1, uncertainty));
        assert!(near(p50(Stage::SentToReceived), 0.11, uncertainty));
        assert!(near(p50(Stage::PutToReceived), 1.22, 0.05));
        assert!(near(p50(Stage::AllButInference), 0.28, 0.03));
        assert!(near(p50(Stage::DecidedToPublished), 2.0 + 0.8 * exponential, 0.08));
        let counts: Vec<u64> = summary.stages.iter().map(|of| of.count).collect();
        assert_eq!(counts, [36_000, 36_000, 36_000, 36_000, 36_000, 36_000, 36_000, 36_000, 600, 600]);
        assert!(near(summary.busy_share, 0.95 * 0.03, 0.03), "two cages at the same moment: {:?}", summary.busy_share);
    }
}

#[test]
fn an_offset_leaves_every_stage_as_it_was() {
    let here = Rig::default().run(5);
    let there = Rig { offset: |at| 3200.0 + 0.05 * at, ..Rig::default() }.run(5);
    for (here, there) in here.stages.iter().zip(&there.stages) {
        let tolerance = there.uncertainty_millis.map_or(0.001, |there| there + here.uncertainty_millis.unwrap());
        assert!(near(there.p50_millis, here.p50_millis.unwrap(), tolerance), "{here:?} {there:?}");
    }
    let offset = there.offset.unwrap();
    let expected = 3200.0 + 0.05 * offset.at_secs;
    assert!((offset.offset_millis - expected).abs() <= offset.uncertainty_millis, "{offset:?}");
    let drift = offset.drift.unwrap();
    assert!((drift.ppm - 50.0).abs() <= drift.uncertainty_ppm, "{drift:?}");
    assert_eq!(here.stage(Stage::PutToReceived), there.stage(Stage::PutToReceived));
}

#[test]
fn frames_without_answers_are_counted_by_cage() {
    let met = |at, random: &mut Random| Met { lost: random.uniform() < 0.01, ..calm(at, random) };
    let summary = Rig { cages: 2, met, ..Rig::default() }.run(1);
    let lost: Vec<u64> = summary.cages.iter().map(|cage| cage.frames.unanswered).collect();
    assert!(lost.iter().all(|lost| (5..35).contains(lost)), "{lost:?}");
    assert_eq!(summary.frames.unanswered, lost.iter().sum::<u64>());
    assert_eq!(summary.warnings[0], Warning::Unanswered { unanswered: lost.iter().sum(), asked: 3600 });
    assert_eq!(summary.stage(Stage::PutToReceived).count, 3600 - summary.frames.unanswered);
}

#[test]
fn age_that_creeps_up_is_told_by_where_it_creeps() {
    let creep = |stage: fn(&mut Met, f64), seed| {
        // Which stage grows is chosen by the function, which may not capture.
        let rig = Rig { secs: 180, ..Rig::default() };
        let mut meter = Meter::new(vec!["cage1".into()], 30.0).unwrap();
        let mut random = Random::new(seed);
        for frame in 0..180 * 30 {
            let at = frame as f64 / 30.0;
            let mut met = calm(at, &mut random);
            met.back += random.exponential(1.0);
            stage(&mut met, at / 60.0);
            rig.pass(&mut meter, 0, frame, MONOTONIC + (at * 1e9) as i64, &met, &mut random);
        }
        let warnings = meter.finish(Counted::default(), System::default()).warnings;
        let grown = |warning: &Warning| matches!(warning, Warning::Growing { .. } | Warning::WaitGrowing { .. });
        warnings.into_iter().filter(grown).collect::<Vec<_>>()
    };
    for seed in 0..5 {
        let wire = creep(|met, millis| met.back += millis, seed);
        assert!(matches!(wire[..], [Warning::Growing { by_inference: false, .. }]), "{wire:?}");
        let inference = creep(|met, millis| met.inference += millis, seed);
        assert!(matches!(inference[..], [Warning::Growing { by_inference: true, .. }]), "{inference:?}");
        let wait = creep(|met, millis| met.wait += millis, seed);
        let [Warning::WaitGrowing { from_millis, to_millis, run_secs, .. }] = wait[..] else { panic!("{wait:?}") };
        assert!((to_millis - from_millis - 2.0).abs() < 0.3 && (run_secs - 180.0).abs() < 0.1, "{wait:?}");
        assert_eq!(creep(|_, _| (), seed), []);
    }
}

#[test]
fn each_fault_has_its_own_warning_and_no_other() {
    type Meet = fn(f64, &mut Random) -> Met;
    type Check = fn(&Warning) -> bool;
    let faults: [(Meet, Check); 6] = [
        (
            |at, random| Met {
                back: calm(at, random).back + if at % 7.0 < 0.1 { 25.0 } else { 0.0 },
                ..calm(at, random)
            },
            |warning| matches!(warning, Warning::Stalls { every_secs, .. } if (every_secs - 7.0).abs() < 0.1),
        ),
        (
            |at, random| Met { late: if random.uniform() < 0.02 { 1.5 } else { 0.05 }, ..calm(at, random) },
            |warning| matches!(warning, Warning::LateTimer { p99_millis } if (p99_millis - 1.5).abs() < 0.01),
        ),
        (
            |at, random| Met { wait: if random.uniform() < 0.004 { 40.0 } else { 0.05 }, ..calm(at, random) },
            |warning| matches!(warning, Warning::LongWaits { .. }),
        ),
        (
            |at, random| Met { wait: if random.uniform() < 0.3 { 5.0 } else { 0.05 }, ..calm(at, random) },
            |warning| matches!(warning, Warning::TwoWaits { cage, .. } if cage == "cage1"),
        ),
        (
            |at, random| Met { inference: 35.0 + random.exponential(0.1), ..calm(at, random) },
            |warning| matches!(warning, Warning::SlowInference { .. }),
        ),
        (
            |at, random| Met { back: 0.02, out: 0.5 + 4.0 * random.uniform() * random.uniform(), ..calm(at, random) },
            |warning| matches!(warning, Warning::OneWayUncertain { stage: Stage::SentToReceived, .. }),
        ),
    ];
    for (index, (met, check)) in faults.into_iter().enumerate() {
        let got = warnings(&Rig { secs: 300, met, ..Rig::default() }, 11);
        assert!(got.len() == 1 && check(&got[0]), "fault {index}: {got:?}");
    }
}

#[test]
fn who_set_a_clock_is_told() {
    let detector = warnings(&Rig { offset: |at| if at < 30.0 { 0.0 } else { 50.0 }, ..Rig::default() }, 2);
    let [Warning::DetectorClockSet { times: 1, largest_millis }] = detector[..] else { panic!("{detector:?}") };
    assert!((largest_millis - 50.0).abs() < 0.5);
    let ours = warnings(&Rig { set: |at| if at < 30.0 { 0.0 } else { 50.0 }, ..Rig::default() }, 2);
    let [Warning::OwnClockSet { times: 1, largest_millis }] = ours[..] else { panic!("{ours:?}") };
    assert!((largest_millis - 50.0).abs() < 0.5);
    let both = |at| if at < 30.0 { 0.0 } else { 50.0 };
    let same_machine = warnings(&Rig { offset: both, set: both, ..Rig::default() }, 2);
    assert!(matches!(same_machine[..], [Warning::OwnClockSet { .. }]), "{same_machine:?}");
}

#[test]
fn counts_of_the_detector_become_warnings() {
    let refused = [("magic".to_string(), 2), ("late".to_string(), 0), ("rate".to_string(), 3)].into();
    let counted = Counted { displaced: 1, refused, unjournaled: 4, unpublished: 5, missed: 6 };
    let mut got = Rig { secs: 600, ..Rig::default() }.meter(1).finish(counted, System::default()).warnings;
    let expected = [
        Warning::Displaced { frames: 1 },
        Warning::Refused { packets: 5, causes: "magic 2, rate 3".into() },
        Warning::Unjournaled { events: 4 },
        Warning::Unpublished { events: 5 },
        Warning::Missed { messages: 6 },
    ];
    got.retain(|warning| expected.contains(warning));
    assert_eq!(got, expected);
}

#[test]
fn nothing_is_a_summary_too() {
    let meter = || Meter::new(vec!["a".into()], 30.0).unwrap();
    let summary = meter().finish(Counted::default(), System::default());
    assert_eq!(summary.warnings, [Warning::NoAnswers { asked: 0 }]);
    assert_eq!((summary.offset, summary.round_trip_bins.len()), (None, 0));
    let mut asked = meter();
    for frame in 0..100 {
        let put_nanos = frame as i64 * 33_000_000;
        asked.ask(&Asked { cage: 0, frame, due_nanos: put_nanos, put_nanos, put_unix_nanos: UNIX + put_nanos });
    }
    let summary = asked.finish(Counted::default(), System::default());
    assert_eq!(summary.warnings, [Warning::NoAnswers { asked: 100 }]);
    assert_eq!(summary.frames.unanswered, 100);
    assert!(
        summary.to_string().contains("1 cage at 30 Hz for 3.3 s: 100 frames put, 0 answers, 100 without"),
        "{summary}"
    );
}

#[test]
fn a_meter_has_bounds() {
    let new =
        |cages: usize, rate_hz| Meter::new(vec![String::new(); cages], rate_hz).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(new(0, 30.0), Err("expected 1 to 1024 cages, got 0".into()));
    assert_eq!(new(CAGES_MAX + 1, 30.0), Err("expected 1 to 1024 cages, got 1025".into()));
    assert_eq!(new(1, f64::NAN), Err("expected a rate of 1 to 1000 Hz, got NaN".into()));
    assert_eq!(new(1, 0.5), Err("expected a rate of 1 to 1000 Hz, got 0.5".into()));
    assert_eq!(new(CAGES_MAX, 1000.0), Ok(()));
}

#[test]
fn an_answer_that_cannot_be_is_counted_and_spoils_nothing() {
    let mut meter = Meter::new(vec!["a".into()], 30.0).unwrap();
    let good = Answered {
        cage: 0,
        frame: 0,
        arrived_unix_nanos: UNIX + 1_000_000,
        started_unix_nanos: UNIX + 2_000_000,
        decided_unix_nanos: UNIX + 3_000_000,
        sent_unix_nanos: UNIX + 4_000_000,
        received_nanos: MONOTONIC + 5_000_000,
        received_unix_nanos: UNIX + 5_000_000,
    };
    let bad = [
        good,
        Answered { started_unix_nanos: UNIX, ..good },
        Answered { decided_unix_nanos: UNIX, ..good },
        Answered { sent_unix_nanos: UNIX, ..good },
        Answered { received_nanos: MONOTONIC - 1, ..good },
    ];
    for (frame, answered) in (0..).zip(bad) {
        let (due_nanos, put_nanos, put_unix_nanos) = (MONOTONIC, MONOTONIC, UNIX);
        meter.ask(&Asked { cage: 0, frame, due_nanos, put_nanos, put_unix_nanos });
        meter.answer(&Answered { frame, ..answered });
    }
    let told = Told {
        cage: 0,
        frame: 0,
        decided_unix_nanos: UNIX + 3_000_000,
        published_unix_nanos: UNIX + 2_999_999,
        received_nanos: MONOTONIC + 6_000_000,
    };
    meter.tell(&told);
    let summary = meter.finish(Counted::default(), System::default());
    assert_eq!((summary.frames.impossible, summary.frames.answers, summary.frames.events), (5, 5, 1));
    for stage in [Stage::PutToArrived, Stage::ArrivedToInference, Stage::Inference, Stage::DecidedToSent] {
        assert_eq!(summary.stage(stage).count, 1);
        assert!(near(summary.stage(stage).max_millis, 1.0, 0.001), "{:?}", summary.stage(stage));
    }
    assert!(summary.warnings.contains(&Warning::Impossible { messages: 5 }), "{:?}", summary.warnings);
}

#[test]
fn what_is_hostile_is_counted() {
    let mut random = Random::new(7);
    let mut meter = Meter::new(vec!["a".into(), "b".into()], 30.0).unwrap();
    let any = |random: &mut Random| match random.bits() % 6 {
        0 => i64::MIN,
        1 => i64::MAX,
        2 => -1,
        3 => (random.bits() % 1_000_000_000) as i64,
        _ => random.bits() as i64,
    };
    let frame = |random: &mut Random| if random.bits().is_multiple_of(50) { u64::MAX } else { random.bits() % 9000 };
    for _ in 0..100_000 {
        let (cage, [a, b, c, d, e, f]) = ((random.bits() % 3) as u32, std::array::from_fn(|_| any(&mut random)));
        match random.bits() % 3 {
            0 => meter.ask(&Asked { cage, frame: frame(&mut random), due_nanos: a, put_nanos: b, put_unix_nanos: c }),
            1 => meter.answer(&Answered {
                cage,
                frame: frame(&mut random),
                arrived_unix_nanos: a,
                started_unix_nanos: b,
                decided_unix_nanos: c,
                sent_unix_nanos: d,
                received_nanos: e,
                received_unix_nanos: f,
            }),
            _ => meter.tell(&Told {
                cage: if cage == 2 { u32::MAX } else { cage },
                frame: frame(&mut random),
                decided_unix_nanos: a,
                published_unix_nanos: b,
                received_nanos: c,
            }),
        }
    }
    let summary = meter.finish(Counted { displaced: u64::MAX, ..Counted::default() }, System::default());
    let frames = &summary.frames;
    assert!(frames.unknown > 0 && frames.repeated > 0 && frames.asked_twice > 0 && frames.impossible > 0, "{frames:?}");
    let measured = summary.stage(Stage::PutToReceived).count + summary.stage(Stage::DecidedToPublished).count;
    let of_them = frames.answers - frames.unknown - frames.repeated + frames.events - frames.events_unknown;
    assert_eq!(measured + frames.impossible, of_them);
    assert!(!summary.to_string().is_empty() && !serde_json::to_string(&summary).unwrap().contains("null,null,null"));
}
