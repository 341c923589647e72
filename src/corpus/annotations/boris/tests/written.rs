//! What is written, and that it is read back.

use super::*;
use crate::behavior::pair_name;

fn session() -> Session {
    let bout = |agent: Option<&str>, target: &str, behavior: &str, start_secs, stop_secs| Bout {
        agent: agent.map(str::to_string),
        target: Some(target.to_string()),
        behavior: behavior.to_string(),
        start_secs,
        stop_secs,
    };
    Session {
        observation: "rats_7".to_string(),
        media: "/v/rats_7.mp4".to_string(),
        rate_hz: 30.0,
        length_secs: 60.0,
        bouts: vec![
            bout(Some("rat1"), "rat2", "attack", 1.0 / 3.0, 1.0),
            bout(None, &pair_name("rat2", "rat1"), "social", 1.0, 2.0),
        ],
    }
}

fn written(session: &Session, layout: Layout, target_in_code: bool) -> Result<String, CorpusError> {
    let mut bytes = Vec::new();
    write(&mut bytes, Path::new("out.csv"), session, Options { layout, target_in_code })?;
    Ok(String::from_utf8(bytes).unwrap())
}

#[test]
fn the_tables_are_what_readers_expect() {
    let text = written(&session(), Layout::Tabular, false).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(
        rows[1],
        "rats_7,,,60.000,Media file(s),player #1:/v/rats_7.mp4,0,60.000,30,rat1,attack,,rat2,START,0.333334,/v/rats_7.mp4,10,NA,"
    );
    assert_eq!(
        rows[3],
        "rats_7,,,60.000,Media file(s),player #1:/v/rats_7.mp4,0,60.000,30,No focal subject,social,,rat1+rat2,START,1.000000,/v/rats_7.mp4,30,NA,"
    );
    let text = written(&session(), Layout::Preamble, true).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(
        rows[15],
        "Time,Media file path,Total length,FPS,Subject,Behavior,Behavioral category,Modifier 1,Image index,Comment,Status"
    );
    assert_eq!(rows[16], "0.333334,/v/rats_7.mp4,60.000,30,rat1,attack>rat2,,,10,,START");
    let text = written(&session(), Layout::Paste, false).unwrap();
    assert_eq!(
        text,
        "0.333334\trat1\tattack\trat2\t\t10\n1.000000\trat1\tattack\trat2\t\t30\n\
         1.000000\t\tsocial\trat1+rat2\t\t30\n2.000000\t\tsocial\trat1+rat2\t\t60"
    );
    assert_eq!(written(&Session { bouts: Vec::new(), ..session() }, Layout::Paste, false).unwrap(), "");
}

#[test]
fn a_recording_without_bouts_is_an_observation_without_events() {
    let empty = Session { bouts: Vec::new(), ..session() };
    let read = one(&written(&empty, Layout::Preamble, false).unwrap());
    assert_eq!((read.recording.as_deref(), read.intervals.len()), (Some("rats_7"), 0));
    assert_eq!(read_text(&written(&empty, Layout::Tabular, false).unwrap()).unwrap(), []);
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let changed = |change: &dyn Fn(&mut Session)| {
        let mut session = session();
        change(&mut session);
        session
    };
    for (session, wanted) in [
        (
            changed(&|it| it.bouts[1].behavior = "a>b".to_string()),
            "out.csv: row 2: expected a behavior that is not empty, NA, None or \"No focal subject\", without space around it or any of \"|>\", got \"a>b\"",
        ),
        (changed(&|it| it.bouts[0].target = Some("a|b".to_string())), "row 1: expected a target that"),
        (changed(&|it| it.bouts[0].target = Some("NA".to_string())), "row 1: expected a target that"),
        (changed(&|it| it.bouts[0].agent = Some("a\n".to_string())), "row 1: expected an agent that"),
        (changed(&|it| it.bouts[0].agent = Some("No focal subject".to_string())), "row 1: expected an agent that"),
        (changed(&|it| it.observation = " x".to_string()), "out.csv: expected an observation id that"),
        (changed(&|it| it.media = "a.mp4;b.mp4".to_string()), "out.csv: expected a media file that"),
        (changed(&|it| it.rate_hz = 0.0), "expected a rate above 0 Hz, got 0"),
        (changed(&|it| it.length_secs = f64::NAN), "expected a length of 0 to 10000000 s, got NaN"),
        (changed(&|it| it.bouts[0].start_secs = -0.5), "row 1: expected seconds of 0 to 10000000, got -0.5"),
        (
            changed(&|it| it.bouts[0].stop_secs = 0.1),
            "row 1: expected a stop a microsecond after 0.3333333333333333 s at least, got 0.1 s",
        ),
        (
            changed(&|it| it.bouts.push(Bout { start_secs: 0.9, stop_secs: 3.0, ..it.bouts[0].clone() })),
            "row 3: expected a start at or after 1 s, where bout 1 of the same stops, got 0.9 s",
        ),
        (
            // Less than half a frame long, it is one frame, which the next may not share.
            changed(&|it| {
                it.bouts[0].stop_secs = 0.34;
                it.bouts.push(Bout { start_secs: 0.345, stop_secs: 3.0, ..it.bouts[0].clone() });
            }),
            "row 3: expected a start at or after 0.34 s, where bout 1 of the same stops, got 0.345 s",
        ),
    ] {
        let error = written(&session, Layout::Tabular, false).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\nis not\n{wanted}");
    }
}

/// An agent, a target and a behavior: directed, self and undirected ones.
const WHO: [(Option<&str>, Option<&str>, &str); 6] = [
    (Some("mouse 1"), Some("mouse 2"), "attack"),
    (Some("mouse 2"), Some("mouse 1"), "attack"),
    (Some("mouse 1"), Some("mouse 3"), "attack"),
    (Some("mouse 1"), None, "rear, high"),
    (Some("mouse 3"), Some("mouse 3"), "rear, high"),
    (None, Some("mouse 1+mouse 2"), "\"social\""),
];

fn any_session() -> impl Strategy<Value = (Session, Vec<(usize, u64, u64)>)> {
    let rate = prop_oneof![Just(25.0), Just(30.0), Just(59.94), Just(120.0), Just(240.0), 10.0..240.0];
    // Edges of each behavior's bouts.
    let edges = proptest::collection::vec(proptest::collection::btree_set(0..200_000_u64, 0..12), WHO.len());
    (rate, edges).prop_map(|(rate_hz, edges)| {
        let mut bouts = Vec::new();
        let mut frames = Vec::new();
        for (who, edges) in edges.into_iter().enumerate() {
            let edges: Vec<u64> = edges.into_iter().collect();
            // Every other bout begins where the one before stops.
            for pair in edges.windows(2).step_by(1 + who % 2) {
                let (agent, target, behavior) = WHO[who];
                bouts.push(Bout {
                    agent: agent.map(str::to_string),
                    target: target.map(str::to_string),
                    behavior: behavior.to_string(),
                    start_secs: pair[0] as f64 / rate_hz,
                    stop_secs: pair[1] as f64 / rate_hz,
                });
                frames.push((who, pair[0], pair[1]));
            }
        }
        (Session { rate_hz, bouts, ..session() }, frames)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back((session, frames) in any_session(), preamble: bool, target_in_code: bool) {
        let layout = if preamble { Layout::Preamble } else { Layout::Tabular };
        let text = written(&session, layout, target_in_code).unwrap();
        prop_assert!(recognises(&text));
        let read = read_text(&text).unwrap();
        // Frames and seconds are both there; the frames are what came in.
        let in_frames = |bout: Annotation| {
            let span = Span::Frames(bout.span.frames(session.rate_hz));
            Annotation { row: 0, span, ..bout }
        };
        let sorted = |bouts: Vec<Annotation>| {
            let mut bouts: Vec<Annotation> = bouts.into_iter().map(in_frames).collect();
            bouts.sort_by_key(|bout| format!("{:?}", (&bout.agent, &bout.target, &bout.label, &bout.span)));
            bouts
        };
        let expected = frames.iter().map(|&(who, start, stop)| {
            let (agent, target, label) = WHO[who];
            annotation(agent, target, label, Span::Frames(start..stop), 0)
        });
        prop_assert!(read.iter().all(|read| read.recording.as_deref() == Some("rats_7") && read.repairs.is_empty()));
        let found: Vec<Annotation> = read.into_iter().flat_map(|read| read.intervals).collect();
        prop_assert_eq!(sorted(found), sorted(expected.collect()));

        // Readers that know no frames find the same ones, whether they round or cut.
        let pasted = written(&session, Layout::Paste, target_in_code).unwrap();
        for row in pasted.lines() {
            let cells: Vec<&str> = row.split('\t').collect();
            prop_assert_eq!(cells.len(), 6);
            let (time, frame): (f64, u64) = (cells[0].parse().unwrap(), cells[5].parse().unwrap());
            prop_assert_eq!((time * session.rate_hz).round() as u64, frame);
            prop_assert_eq!((time * session.rate_hz).floor() as u64, frame);
        }
    }
}
