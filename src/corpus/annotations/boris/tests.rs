mod written;

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::corpus::annotations::Span;
use crate::testing;

/// Two states that overlap, one of them with a modifier, and a point.
const TABULAR: &str = "\
Observation id,Observation date,Description,Observation duration,Observation type,Source,Time offset (s),Subject,Behavior,Behavioral category,Modifier #1,Modifier #2,Behavior type,Time,Media file name,Image index,Image file path,Comment
obs 1,2024-05-01 10:00:00,,60.000,Media file(s),player #1:/v/rats_7.mp4,0,rat1,attack,,None,rat2,START,1.500,/v/rats_7.mp4,45,NA,
obs 1,2024-05-01 10:00:00,,60.000,Media file(s),player #1:/v/rats_7.mp4,0,,social,,,,START,2.000,/v/rats_7.mp4,NA,NA,\"he said \"\"now\"\", twice\"
obs 1,2024-05-01 10:00:00,,60.000,Media file(s),player #1:/v/rats_7.mp4,0,rat1,attack,,None,rat2,STOP,2.500,/v/rats_7.mp4,75,NA,
obs 1,2024-05-01 10:00:00,,60.000,Media file(s),player #1:/v/rats_7.mp4,0,rat2,rear,,,,POINT,2.750,/v/rats_7.mp4,NA,NA,
obs 1,2024-05-01 10:00:00,,60.000,Media file(s),player #1:/v/rats_7.mp4,0,,social,,,,STOP,3.250,/v/rats_7.mp4,98,NA,
";

const AGGREGATED: &str = "\
Observation id,Observation date,Description,Media file,Total length,FPS,Subject,Behavior,Behavioral category,Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,Comment stop
a,2020,,/v/one.avi,60,30,rat1,attack,,rat2|hard,STATE,1.5,2.5,1.0,,
b,2020,,/v/two.avi,60,30,No focal subject,rear,,,POINT,4.25,4.25,NA,,
a,2020,,/v/one.avi,60,30,rat2,attack>rat1,,,STATE,7.0,8.0,1.0,,
";

const PREAMBLE: &str = "\
Observation id,DLC1,,,,,,,
,,,,,,,,
Media file(s),,,,,,,,
Player #1,C:\\video\\day1.2.avi,,,,,,,
Time offset (s),10.5,,,,,,,
Time,Media file path,Total length,FPS,Subject,Behavior,Behavioral category,Comment,Status
11.5,C:\\video\\day1.2.avi,60,30,rat1,attack,,,START
12.75,C:\\video\\day1.2.avi,60,30,rat1,attack,,,STOP
";

fn read_text(text: &str) -> Result<Vec<Annotations>, CorpusError> {
    parse(text.as_bytes(), Path::new("rats/7.csv"))
}

fn one(text: &str) -> Annotations {
    let mut observations = read_text(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(observations.len(), 1);
    observations.remove(0)
}

fn annotation(agent: Option<&str>, target: Option<&str>, label: &str, span: Span, row: u64) -> Annotation {
    let text = |name: Option<&str>| name.map(str::to_string);
    Annotation { channel: None, agent: text(agent), target: text(target), label: label.to_string(), span, row }
}

#[test]
fn tabular_events_are_paired_by_subject_behavior_and_modifiers() {
    let read = one(TABULAR);
    assert_eq!(read.recording.as_deref(), Some("rats_7"));
    assert_eq!(read.repairs, [] as [String; 0]);
    let expected = [
        annotation(Some("rat1"), Some("rat2"), "attack", Span::Video { frames: 45..75, secs: 1.5..2.5 }, 2),
        annotation(None, None, "social", Span::Secs(2.0..3.25), 3),
        annotation(Some("rat2"), None, "rear", Span::Secs(2.75..2.75), 5),
    ];
    assert_eq!(read.intervals, expected);
}

#[test]
fn separators_line_ends_and_marks_change_nothing() {
    let expected = read_text(TABULAR).unwrap();
    let plain = TABULAR.replace("\"he said \"\"now\"\", twice\"", "");
    let semicolons = plain.replace(',', ";").replace("1.500", "1,500").replace("3.250", "\"3,250\"");
    for text in [
        format!("\u{feff}{TABULAR}"),
        TABULAR.replace('\n', "\r\n"),
        plain.replace(',', "\t"),
        semicolons,
        TABULAR.replace("Observation id", "\"Observation id\"").replace("Behavior type", "Status"),
        TABULAR.replace("Source", "Strain of the animals").replace(",Comment", ",Comment,Weight"),
    ] {
        assert!(recognises(&text), "{text}");
        assert_eq!(read_text(&text).unwrap(), expected, "{text}");
    }
}

#[test]
fn aggregated_events_are_bouts_by_observation() {
    let expected = [
        vec![
            annotation(Some("rat1"), Some("rat2"), "attack", Span::Secs(1.5..2.5), 2),
            annotation(Some("rat2"), Some("rat1"), "attack", Span::Secs(7.0..8.0), 4),
        ],
        vec![annotation(None, None, "rear", Span::Secs(4.25..4.25), 3)],
    ];
    let read = read_text(AGGREGATED).unwrap();
    assert_eq!(read.iter().map(|read| read.recording.as_deref()).collect::<Vec<_>>(), [Some("one"), Some("two")]);
    assert!(read.iter().map(|read| &read.intervals).eq(&expected));

    let newer = AGGREGATED
        .replace("Media file,Total length,FPS", "Source,Media duration (s),FPS (frame/s)")
        .replace("/v/one.avi", "player #1:/v/one.avi|player #2:/v/side.avi")
        .replace("/v/two.avi", "NA")
        .replace("Comment start", "Image index start")
        .replace("Comment stop", "Image index stop")
        .replace("1.0,,\n", "1.0,30,60.0\n");
    let read = read_text(&newer).unwrap();
    assert_eq!(read.iter().map(|read| read.recording.as_deref()).collect::<Vec<_>>(), [Some("one"), Some("b")]);
    assert_eq!(read[0].intervals[0].span, Span::Video { frames: 30..60, secs: 1.5..2.5 });
    assert_eq!(read[1].intervals[0].span, Span::Secs(4.25..4.25));
}

#[test]
fn the_time_offset_is_taken_off_again() {
    let read = one(PREAMBLE);
    assert_eq!(read.recording.as_deref(), Some("day1.2"));
    assert_eq!(read.intervals, [annotation(Some("rat1"), None, "attack", Span::Secs(1.0..2.25), 7)]);
    let column = TABULAR.replace(".mp4,0,rat1", ".mp4,0.5,rat1").replace(",75,NA", ",NA,NA");
    assert_eq!(one(&column).intervals[0].span, Span::Secs(1.0..2.0));
    for (text, wanted) in [
        (
            PREAMBLE.replace("11.5,", "10.25,"),
            "row 7, column 1: expected seconds of 0 to 10000000 after the time offset of 10.5, got \"10.25\"",
        ),
        (PREAMBLE.replace(",10.5,", ",ten,"), "row 5, column 2: expected a time offset in seconds, got \"ten\""),
    ] {
        let error = read_text(&text).unwrap_err().to_string();
        assert_eq!(error, format!("rats/7.csv: {wanted}"));
    }
}

/// Tabular events of that many rows: time, subject, behavior, modifier, status.
fn events(rows: &str) -> String {
    format!("Time,Subject,Behavior,Modifier 1,Status\n{rows}")
}

#[test]
fn a_repair_is_noted_with_its_row() {
    let unsorted = one(&events("5,a,x,,STOP\n1,a,x,,START\n5,a,x,,START\n6,a,x,,STOP\n"));
    assert_eq!(unsorted.repairs, ["row 3: earlier than the row before: sorted by time"]);
    let spans: Vec<_> = unsorted.intervals.iter().map(|bout| (bout.span.clone(), bout.row)).collect();
    assert_eq!(spans, [(Span::Secs(1.0..5.0), 3), (Span::Secs(5.0..6.0), 4)]);
    assert_eq!(unsorted.recording, None);

    let lost = one(&events("1,a,x,b,START\n2,a,x,,STOP\n"));
    assert_eq!(lost.repairs, ["row 3: a STOP without modifier: took it for that of row 2"]);
    assert_eq!(lost.intervals, [annotation(Some("a"), Some("b"), "x", Span::Secs(1.0..2.0), 2)]);

    let backwards = one(&TABULAR.replace(",75,NA", ",40,NA"));
    assert_eq!(backwards.repairs, ["row 4: image index 40 after 45: took the seconds"]);
    assert_eq!(backwards.intervals[0].span, Span::Secs(1.5..2.5));
}

#[test]
fn pictures_have_frames_and_no_times() {
    let read = one("Subject,Behavior,Behavior type,Time,Image index\na,x,START,NA,4\na,x,STOP,NA,9\na,y,POINT,NA,9\n");
    let spans: Vec<_> = read.intervals.into_iter().map(|bout| bout.span).collect();
    assert_eq!(spans, [Span::Frames(4..9), Span::Frames(9..10)]);
}

#[test]
fn a_fault_is_named_with_its_row_and_both_sides() {
    for (text, wanted) in [
        (
            String::new(),
            "row 1: expected a header of BORIS events (Behavior, Behavior type or Status, and Time or Start and Stop), got the end of the file",
        ),
        (PREAMBLE.replace("Status", "Statue"), "row 9: expected a header of BORIS events"),
        (TABULAR.replace("Description", "Subject"), "row 1: expected each column once, got \"Subject\" again"),
        (events("1,a\n"), "row 2: expected 5 columns at least, got 2"),
        (events("1,a,x,,BEGIN\n"), "row 2, column 5: expected START, STOP or POINT, got \"BEGIN\""),
        (events("1,a,,,START\n"), "row 2, column 3: expected a behavior, got \"\""),
        (events("-1,a,x,,START\n"), "row 2, column 1: expected seconds of 0 to 10000000, got \"-1\""),
        (events("1:02,a,x,,START\n"), "row 2, column 1: expected seconds of 0 to 10000000, got \"1:02\""),
        (events("\"1,5\",a,x,,START\n"), "row 2, column 1: expected seconds of 0 to 10000000, got \"1,5\""),
        (events("inf,a,x,,START\n"), "row 2, column 1: expected seconds of 0 to 10000000, got \"inf\""),
        (events("1714557600,a,x,,START\n"), "row 2, column 1: expected seconds of 0 to 10000000, got \"1714557600\""),
        (events(",a,x,,START\n"), "row 2: expected a time or an image index, got neither"),
        (
            events("1,a,x,b,START\n2,a,x,b,START\n"),
            "row 3: expected a STOP of what was started in row 2, got another START of \"x\" by \"a\" with \"b\"",
        ),
        (events("1,a,x,b,STOP\n"), "row 2: expected a START of \"x\" by \"a\" with \"b\" before its STOP, got none"),
        (
            events("1,a,x,b,START\n2,a,x,c,STOP\n"),
            "row 3: expected a START of \"x\" by \"a\" with \"c\" before its STOP, got starts with other modifiers only (row 2)",
        ),
        (
            events("1,a,x,b,START\n1,a,x,c,START\n2,a,x,,STOP\n"),
            "row 4: expected a START of \"x\" by \"a\" before its STOP, got starts with other modifiers only (row 2, 3)",
        ),
        (events("2,a,x,,START\n1,a,x,,STOP\n"), "row 3: expected a START of \"x\" by \"a\" before its STOP, got none"),
        (
            events("1,,x,,START\n2,a,y,,POINT\n"),
            "row 2: expected a STOP after the START of \"x\", got the end of the observation",
        ),
        (
            TABULAR.replacen(",45,NA", ",4.5,NA", 1),
            "row 2, column 16: expected an image index of 0 to 4294967295, got \"4.5\"",
        ),
        (
            TABULAR.replace("3.250,/v/rats_7.mp4", "3.250,/v/rats_8.mp4"),
            "row 6: expected events of one media file in an observation, \"/v/rats_7.mp4\", got \"/v/rats_8.mp4\"",
        ),
        (
            TABULAR.replacen("1.500", "NA", 1),
            "row 2: expected a time, as other events of the observation have one, got none",
        ),
        (format!("\r\n\n{}", events("1,a,x,,START\r\n\n\n2,a,x,,BEGIN\n")), "row 7, column 5: expected START"),
        (
            AGGREGATED.replace("1.5,2.5", "2.5,1.5"),
            "row 2: expected a start and a stop at or after it, got 2.5 s to 1.5 s",
        ),
        (
            AGGREGATED.replace("1.5,2.5", "2.5,NA"),
            "row 2: expected a start and a stop at or after it, got 2.5 s to nothing",
        ),
        (AGGREGATED.replacen("STATE", "START", 1), "row 2, column 11: expected STATE or POINT, got \"START\""),
    ] {
        let error = read_text(&text).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.starts_with("rats/7.csv: "), "{error}\nis not\n{wanted}");
    }
    let error = parse(b"Time,Behavior,Status\n1,\xff,POINT\n", Path::new("7.csv")).unwrap_err().to_string();
    assert_eq!(error, "7.csv: row 2: expected a row of UTF-8 text, got other bytes");
}

#[test]
fn other_tables_are_not_recognised() {
    for text in [
        "",
        "scorer,a,a,a\n",
        "{\"a\": {}}",
        "Caltech Behavior Annotator\n",
        "Observation id\n",
        "Behavior,Status,Start\n",
        "video_frame,mouse_id\n",
    ] {
        assert!(!recognises(text), "{text}");
    }
    assert!(recognises(PREAMBLE) && recognises(AGGREGATED) && recognises(&PREAMBLE[..40]));
}

#[test]
fn real_exports_are_read() {
    let Some(dir) = testing::corpus_dir("formats/boris-csv") else { return };
    for (name, recording, bouts, first, repairs) in [
        ("ethome_T120637-121213.csv", "e3v813a-20210610T120637-121213_reencode", 15, ("interact", 17.075..22.1), 0),
        ("ethome_multiple_behaviors.csv", "e3v813a-20210610T120637-121213_reencode", 17, ("mount", 18.075..23.1), 1),
        ("ethome_simultaneous_events.csv", "e3v813a-20210610T120637-121213", 3, ("mm", 9.955..11.256), 0),
    ] {
        let file = dir.join(name);
        assert!(recognises(&std::fs::read_to_string(&file).unwrap()));
        let observations = read(&file).unwrap_or_else(|error| panic!("{error}"));
        let [read] = &observations[..] else { panic!("{name}: {} observations", observations.len()) };
        assert_eq!((read.recording.as_deref(), read.intervals.len()), (Some(recording), bouts), "{name}");
        assert_eq!((read.intervals[0].label.as_str(), &read.intervals[0].span), (first.0, &Span::Secs(first.1)));
        assert_eq!(read.repairs.len(), repairs, "{name}: {:?}", read.repairs);
    }
    let Some(dir) = testing::corpus_dir("mouse-dyad") else { return };
    let read = read(&dir.join("e3v813a-20210610T122332-122642_reencode.csv")).unwrap().remove(0);
    assert_eq!(read.recording.as_deref(), Some("e3v813a-20210610T122332-122642_reencode"));
    assert_eq!(read.intervals.len(), 10);
    assert!(read.intervals.iter().all(|bout| bout.agent.as_deref() == Some("adult") && bout.label == "interact"));
    assert_eq!(read.intervals[0].span.frames(30.0), 896..1042);
}

proptest! {
    #[test]
    fn damaged_tables_never_panic(
        table in prop::sample::select(vec![TABULAR, AGGREGATED, PREAMBLE]),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = table.as_bytes().to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = parse(&bytes, Path::new("x.csv"));
        bytes.truncate(cut.index(bytes.len()));
        let _ = parse(&bytes, Path::new("x.csv"));
        let _ = recognises(&String::from_utf8_lossy(&bytes));
    }
}

/// A file that ends too early has no bout that the whole one lacks: what is cut off is missing or an error.
#[test]
fn a_truncated_table_makes_nothing_up() {
    for table in [TABULAR, AGGREGATED, PREAMBLE] {
        let whole: Vec<Annotation> = read_text(table).unwrap().into_iter().flat_map(|read| read.intervals).collect();
        for length in 0..table.len() {
            for read in read_text(&table[..length]).unwrap_or_default() {
                // A state of which the whole row is there but the end of a number.
                let same = |a: &Annotation, b: &Annotation| (a.row, &a.label, &a.agent) == (b.row, &b.label, &b.agent);
                assert!(read.intervals.iter().all(|bout| whole.iter().any(|known| same(bout, known))), "{length}");
            }
        }
    }
}
