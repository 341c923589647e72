//! Whose frames they are, and in which order.

use super::*;

/// What came after the description, and the numbers of each session that is made of it.
type Case = (&'static str, Vec<Vec<Logged>>, &'static [(u64, u64)]);

#[test]
fn sessions_are_told_apart_as_a_detector_does() {
    let secs = |secs: i64| secs * 1_000_000_000;
    let other = stream("unix", r#"["c","d"]"#);
    let cases: Vec<Case> = vec![
        ("another run", vec![row("one", Some(1), 0..20, 0), row("one", Some(2), 0..30, secs(1))], &[(0, 20), (0, 30)]),
        (
            "END",
            vec![
                row("one", None, 0..20, 0),
                vec![at("one", secs(1), &end(None), Encoding::Binary)],
                row("one", None, 10..25, secs(2)),
            ],
            &[(0, 20), (10, 25)],
        ),
        (
            "silence, then other numbers",
            vec![row("one", None, 50..70, 0), row("one", None, 60..80, secs(11))],
            &[(50, 70), (60, 80)],
        ),
        (
            "silence, then the next numbers",
            vec![row("one", None, 50..70, 0), row("one", None, 70..80, secs(11))],
            &[(50, 80)],
        ),
        (
            "numbers from the beginning",
            vec![row("one", None, 500..520, 0), row("one", None, 0..60, secs(1))],
            &[(500, 520), (0, 60)],
        ),
        (
            "another description",
            vec![
                row("one", None, 0..20, 0),
                vec![described("one", secs(1), &other)],
                row("one", None, 20..30, secs(1)),
            ],
            &[(0, 20), (20, 30)],
        ),
    ];
    for (what, parts, expected) in cases {
        let messages = [vec![described("one", 0, &pair())], parts.concat()].concat();
        let sessions = read(&log(&messages));
        let got: Vec<_> = sessions.iter().map(numbers).collect();
        assert_eq!(got, expected.iter().map(|&(from, to)| (from..to).collect()).collect::<Vec<Vec<u64>>>(), "{what}");
        let names: Vec<_> = sessions.iter().map(|session| session.recording.name.as_str()).collect();
        assert_eq!(names, ["rig_one", "rig_one_2"][..sessions.len()], "{what}");
    }
}

#[test]
fn late_and_doubled_frames_are_put_right_and_replayed_as_they_came() {
    let came = [0, 1, 3, 2, 2, 4, 4];
    let mut messages = vec![described("one", 0, &pair())];
    for (index, &number) in came.iter().enumerate() {
        messages.push(at("one", index as i64, &packet(None, None, number), Encoding::Binary));
    }
    let session = &read(&log(&messages))[0];
    assert_eq!(numbers(session), [0, 1, 2, 3, 4]);
    let arrived = session.arrivals.iter().map(|arrival| session.recording.frames[arrival.frame].number);
    assert!(arrived.eq(came));
    let expected = [
        "rig_one: 2 frames came again: the first of each stays",
        "rig_one: 1 frames came late: put in the order of their numbers",
    ];
    assert_eq!(session.recording.repairs, expected);
}

#[test]
fn a_stranger_among_the_frames_is_left_out_and_told() {
    let mut messages = vec![described("one", 0, &pair())];
    for number in 0..30 {
        messages.extend(row("one", None, 1000 + number..1001 + number, number as i64 * FRAME));
        messages.extend(row("one", None, number..number + 1, number as i64 * FRAME + 1));
    }
    let sessions = read(&log(&messages));
    assert_eq!(sessions.iter().map(numbers).collect::<Vec<_>>(), [(1000..1030).collect::<Vec<_>>()]);
    assert_eq!(sessions[0].recording.repairs, ["rig/one: 30 packets left out: late by more than a second"]);
}

#[test]
fn frames_belong_to_the_description_that_they_name_or_that_is_in_force() {
    let (first, second) = (pair(), stream("unix", r#"["c","d"]"#));
    let named = |stream: &StreamDescription, number, nanos| {
        let id = StreamId::of(&description::encode(stream));
        at("one", nanos, &packet(None, Some(id), number), Encoding::Binary)
    };
    let messages = [
        row("one", None, 0..3, 0),
        vec![described("one", FRAME * 3, &first), named(&second, 7, FRAME * 4), described("one", FRAME * 5, &second)],
        vec![named(&first, 3, FRAME * 6), named(&StreamDescription::clone(&second), 8, FRAME * 7)],
        vec![at("one", FRAME * 8, &packet(None, Some(StreamId(1)), 9), Encoding::Binary)],
    ];
    let sessions = read(&log(&messages.concat()));
    let got: Vec<_> = sessions.iter().map(|session| (session.stream.clone(), numbers(session))).collect();
    assert_eq!(got, [(first, vec![0, 1, 2, 3]), (second, vec![7, 8])]);
    assert_eq!(sessions[0].recording.repairs, ["rig/one: 1 packets left out: undescribed"]);
}
