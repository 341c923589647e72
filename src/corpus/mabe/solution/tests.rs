use proptest::prelude::*;

use super::*;

const SOLUTION: &str = "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame,lab_id,behaviors_labeled\n\
    0,1001,mouse1,mouse2,attack,5,10,Lab,\"[\"\"mouse1,mouse2,attack\"\", \"\"mouse1,self,rear\"\"]\"\n\
    1,1001,mouse1,self,rear,7,7,Lab,\"[\"\"mouse1,self,rear\"\"]\"\n\
    2,1001,mouse1,mouse2,attack,2,4,Lab,[]\n\
    3,1001,mouse1,mouse2,attack,0,1,Other,[]\n";
const SUBMISSION: &str = "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame\n\
    0,1001,mouse1,mouse2,attack,-5,10\n\
    1,b 2,mouse1,self,rear,1,2\n";

fn solution(text: &str) -> Result<Solution, CorpusError> {
    Solution::read(text.as_bytes(), Path::new("s.csv"))
}

fn submission(text: &str) -> Result<Submission, CorpusError> {
    Submission::read(text.as_bytes(), Path::new("p.csv"))
}

fn series(video: usize, target: &str, action: &str, intervals: &[Range<i64>]) -> Series {
    let [agent, target, action] = ["mouse1", target, action].map(str::to_string);
    Series { video, agent, target, action, intervals: intervals.to_vec() }
}

#[test]
fn rows_are_gathered_by_key_and_videos_by_lab() {
    let solution = solution(SOLUTION).unwrap();
    let whitelist: HashSet<String> = ["mouse1,mouse2,attack", "mouse1,self,rear"].map(str::to_string).into();
    let video = |lab: &str, whitelist| Video {
        lab: lab.to_string(),
        id: "1001".to_string(),
        whitelist,
        scored: None,
        rate_hz: None,
    };
    assert_eq!(solution.videos, [video("Lab", whitelist), video("Other", HashSet::new())]);
    assert_eq!(
        solution.series,
        [
            series(0, "mouse2", "attack", &[5..10, 2..4]),
            series(0, "self", "rear", std::slice::from_ref(&(7..7))),
            series(1, "mouse2", "attack", std::slice::from_ref(&(0..1)))
        ]
    );
    let submission = submission(SUBMISSION).unwrap();
    assert_eq!(submission.videos, ["1001", "b 2"]);
    assert_eq!(submission.series[0], series(0, "mouse2", "attack", std::slice::from_ref(&(-5..10))));
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let text =
        "stop_frame,note,action,target_id,agent_id,start_frame,video_id\n10,\"a\nb\",attack,mouse2,mouse1,-5,01001\n";
    let one = submission(text).unwrap();
    assert_eq!(one.videos, ["1001"]);
    assert_eq!(one.series, submission(SUBMISSION).unwrap().series[..1]);
    assert_eq!(submission(&format!("\u{feff}{SUBMISSION}")).unwrap(), submission(SUBMISSION).unwrap());
    assert_eq!(submission(&SUBMISSION.replace('\n', "\r\n")).unwrap(), submission(SUBMISSION).unwrap());
}

#[test]
fn whole_numbers_are_one_video_however_they_are_written() {
    for (written, usual) in [
        ("1001", "1001"),
        ("01001", "1001"),
        ("+1001", "1001"),
        (" 1001 ", "1001"),
        ("0", "0"),
        ("-7", "-7"),
        ("1001.0", "1001.0"),
        ("a01", "a01"),
    ] {
        assert_eq!(canonical(written), usual, "{written:?}");
    }
    let twice = submission(&SUBMISSION.replace("1,b 2,mouse1,self", "1,\"01001\",mouse1,self")).unwrap();
    assert_eq!(twice.videos, ["1001"]);
}

#[test]
fn a_video_may_say_what_is_scored_and_how_fast_it_is() {
    let text = "video_id,agent_id,target_id,action,start_frame,stop_frame,lab_id,behaviors_labeled,scored_frames,frames_per_second\n\
        1,mouse1,self,rear,0,5,Lab,[],\"[[0, 3], [4, 9]]\",25.0\n\
        2,mouse1,self,rear,0,5,Lab,[],,30\n\
        1,mouse1,self,rear,9,9,Lab,[],\"[[0, 3], [4, 9]]\",25.0\n";
    let read = solution(text).unwrap();
    assert_eq!(read.videos[0].scored, Some(vec![0..3, 4..9]));
    assert_eq!((&read.videos[1].scored, read.videos[1].rate_hz), (&None, Some(30.0)));
    for (from, to, wanted) in [
        ("25.0\n2", "0\n2", r#"row 2, column 10: expected frames per second above 0, up to 100000, got "0""#),
        (
            "[[0, 3]",
            "[[3, 0]",
            "row 2, column 9: expected a JSON list of [start, stop) frames, none of which stops before",
        ),
        ("\"[[0, 3], [4, 9]]\"", "0-3", "row 2, column 9: expected a JSON list of [start, stop) frames, got \"0-3\""),
        (
            "9,9,Lab,[],\"[[0, 3], ",
            "9,9,Lab,[],\"[[0, 2], ",
            "row 4, column 9: expected what the first row of the video 1 says",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let error = solution(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\nis not\n{wanted}");
    }

    let mut whole = solution(SOLUTION).unwrap();
    let scored = |text: &str| read_scored(text.as_bytes(), Path::new("scored.csv"));
    let intervals = scored("video_id,start_frame,stop_frame\n01001,4,9\n1001,0,2\n7,0,0\n").unwrap();
    whole.restrict(&intervals, Path::new("scored.csv")).unwrap();
    assert_eq!(whole.videos[1].scored, Some(vec![4..9, 0..2]));
    let mut lacking = solution(&SOLUTION.replace("1001", "5")).unwrap();
    let error = lacking.restrict(&intervals, Path::new("scored.csv")).unwrap_err().to_string();
    assert_eq!(error, "scored.csv: expected at least one interval of the video 5, got none");
    let error = whole.restrict(&intervals, Path::new("scored.csv")).unwrap_err().to_string();
    assert!(error.contains("got a solution that has scored_frames of the video 1001, too"), "{error}");
    let error = scored("video_id,start_frame,stop_frame\n1,4,3\n").unwrap_err().to_string();
    assert_eq!(error, r#"scored.csv: row 2, column 3: expected a stop frame of 4 or later, got "3""#);
}

#[test]
fn a_fault_is_named_with_its_place_and_both_sides() {
    for (from, to, wanted) in [
        ("agent_id", "agent", r#"row 1: expected a column "agent_id", got ["row_id", "video_id", "agent", "#),
        ("lab_id", "lab", r#"row 1: expected a column "lab_id", got"#),
        ("behaviors_labeled", "labeled", r#"row 1: expected a column "behaviors_labeled", got"#),
        (",5,10,", ",11,10,", r#"row 2, column 7: expected a stop frame of 11 or later, got "10""#),
        (",5,10,", ",5.0,10,", r#"row 2, column 6: expected a whole frame number, got "5.0""#),
        (",5,10,", ",5,99999999999999999999,", r#"row 2, column 7: expected a whole frame number, got "9999"#),
        (",5,10,", ",5,,", r#"row 2, column 7: expected a whole frame number, got """#),
        ("mouse1,self,rear,7", "mouse1,,rear,7", r#"row 3, column 4: expected a text, got """#),
        ("2,4,Lab,[]", "2,4,Lab", "row 4: expected 9 columns, got 8"),
        (
            "\"[\"\"mouse1,mouse2",
            "\"{\"\"mouse1,mouse2",
            r#"row 2, column 9: expected a JSON list of "agent,target,action", got"#,
        ),
    ] {
        assert!(SOLUTION.contains(from), "{from}");
        let error = solution(&SOLUTION.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.starts_with("s.csv: "), "{error}\nis not\n{wanted}");
    }
    assert_eq!(submission("").unwrap_err().to_string(), "p.csv: expected a header, got an empty file");
    let error = submission(&SUBMISSION.replace("-5,10", "-5,-6")).unwrap_err().to_string();
    assert_eq!(error, r#"p.csv: row 2, column 7: expected a stop frame of -5 or later, got "-6""#);
    let bytes = [SUBMISSION.as_bytes(), b"2,1001,mouse\xff,self,rear,0,1\n"].concat();
    let error = Submission::read(&bytes[..], Path::new("p.csv")).unwrap_err().to_string();
    assert_eq!(error, "p.csv: row 4, column 3: expected a text, got \"mouse\u{fffd}\"");
    assert_eq!(submission(SUBMISSION.lines().next().unwrap()).unwrap(), Submission::default());
}

proptest! {
    #[test]
    fn damaged_tables_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for text in [SOLUTION, SUBMISSION] {
            let mut bytes = text.as_bytes().to_vec();
            for (at, value) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            let file = Path::new("x.csv");
            let _ = (Solution::read(&bytes[..], file), Submission::read(&bytes[..], file), read_scored(&bytes[..], file));
        }
    }
}
