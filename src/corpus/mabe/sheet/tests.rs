use proptest::prelude::*;

use super::*;
use crate::testing::corpus_dir;

const TEXT: &str = r#"video_id,arena,lab_id,frames_per_second,pix_per_cm_approx,body_parts_tracked,behaviors_labeled,split,scored_frames,individuals,tracking_lab,body_length_px
7,"round, old",Snail,24.99,16,"[""nose"", ""tail""]","[""mouse1,mouse2,attack"", ""mouse2,self,rear""]",test,"[[0, 10], [20, 30]]","[""A"", ""B""]",Giraffe,80.5
8,,Snail,30,,"[""nose""]",,,,,,
"#;

fn parse(text: &str) -> Result<Sheet, CorpusError> {
    Sheet::parse(text.as_bytes(), Path::new("train.csv"))
}

fn listed(agent: &str, target: &str, action: &str) -> Listed {
    Listed { agent: agent.to_string(), target: target.to_string(), action: action.to_string() }
}

#[test]
fn a_row_is_read_by_the_names_of_its_columns() {
    let sheet = parse(TEXT).unwrap();
    let full = Row {
        row: 2,
        lab: "Snail".to_string(),
        video: "7".to_string(),
        rate_hz: 24.99,
        pix_per_cm: Some(16.0),
        duration_secs: None,
        body_parts: vec!["nose".to_string(), "tail".to_string()],
        whitelist: vec![listed("mouse1", "mouse2", "attack"), listed("mouse2", "self", "rear")],
        tracking_lab: Some("Giraffe".to_string()),
        scored_frames: Some(vec![0..10, 20..30]),
        individuals: Some(vec!["A".to_string(), "B".to_string()]),
        body_length_px: Some(80.5),
        split: Some(Split::Test),
        other: vec![("arena".to_string(), "round, old".to_string())],
    };
    let bare = Row {
        row: 3,
        lab: "Snail".to_string(),
        video: "8".to_string(),
        rate_hz: 30.0,
        body_parts: vec!["nose".to_string()],
        other: vec![("arena".to_string(), String::new())],
        ..Row::default()
    };
    assert_eq!(sheet, Sheet { rows: vec![full, bare], repairs: Vec::new() });
    let [full, bare] = &sheet.rows[..] else { unreachable!() };
    assert_eq!(full.tracking_path(Path::new("c")), Path::new("c/train_tracking/Giraffe/7.parquet"));
    assert_eq!(full.annotation_path(Path::new("c")), Path::new("c/train_annotation/Snail/7.parquet"));
    assert_eq!(bare.tracking_path(Path::new("c")), Path::new("c/train_tracking/Snail/8.parquet"));
}

#[test]
fn a_table_is_written_as_it_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("train.csv");
    let sheet = parse(TEXT).unwrap();
    sheet.write(&file).unwrap();
    assert_eq!(Sheet::read(&file).unwrap(), sheet);
    let header = std::fs::read_to_string(&file).unwrap().lines().next().unwrap().to_string();
    assert_eq!(
        header,
        "lab_id,video_id,frames_per_second,pix_per_cm_approx,body_parts_tracked,behaviors_labeled,arena,tracking_lab,\
         scored_frames,individuals,body_length_px,split"
    );
}

#[test]
fn stray_quotes_and_doubles_of_a_whitelist_are_repaired_and_told() {
    let text = TEXT.replace(r#"""mouse2,self,rear"""#, r#"""mouse2,self,rear"", ""'mouse1','mouse2','attack'"""#);
    let sheet = parse(&text).unwrap();
    assert_eq!(sheet.rows, parse(TEXT).unwrap().rows);
    let repair =
        "train.csv: row 2, column 7: of 3 entries, 1 in stray quotes (stripped) and 1 listed already (dropped)";
    assert_eq!(sheet.repairs, [repair]);
}

#[test]
fn a_fault_is_told_with_its_place_and_both_sides() {
    for (from, to, expected) in [
        ("lab_id", "lab", r#"row 1: expected a header with the columns ["lab_id"], got "video_id,arena,lab,"#),
        ("arena", "split", r#"row 1, column 8: expected each column once, got "split" again"#),
        ("Snail,24.99", "Snail,0", r#"row 2, column 4: expected a number above 0, got "0""#),
        ("Snail,24.99", "Snail,NaN", r#"row 2, column 4: expected a number above 0, got "NaN""#),
        ("24.99,16", "24.99,-16", r#"row 2, column 5: expected a number above 0, got "-16""#),
        (r#""[""nose""]""#, "nose", r#"row 3, column 6: expected a list of texts ["a", "b"], got "nose""#),
        (r#""[""nose""]""#, "[]", r#"row 3, column 6: expected a list of texts, none of them empty, got "[]""#),
        (r#"""tail"""#, r#"""nose"""#, r#"row 2, column 6: expected each of the listed texts once, got "nose" twice"#),
        (
            "mouse2,self,rear",
            "rear",
            r#"row 2, column 7: expected "agent,target,action" with mouse1, mouse2, … or self, got "rear""#,
        ),
        ("mouse2,self,rear", "mouse2,mouse2,rear", r#"or self, got "mouse2,mouse2,rear""#),
        (",test,", ",exam,", r#"row 2, column 8: expected train, validation or test, got "exam""#),
        (
            "[20, 30]",
            "[5, 30]",
            "row 2, column 9: expected ascending frames [start, stop) up to 4294967295, got [5, 30]",
        ),
        ("[20, 30]", "[30, 30]", "ascending frames [start, stop) up to 4294967295, got [30, 30]"),
        ("[20, 30]", "20", r#"row 2, column 9: expected frames [[start, stop], …], got "[[0, 10], 20]""#),
        ("8,,Snail", "7,,Snail", r#"row 3: expected another recording than that of row 2, got "7" of "Snail" again"#),
        ("8,,Snail", "../8,,Snail", r#"row 3, column 1: expected a name of a file or folder, got "../8""#),
        ("Giraffe", "..", r#"row 2, column 11: expected a name of a file or folder, got "..""#),
        ("8,,Snail", "8,,", r#"row 3, column 3: expected a name of a file or folder, got """#),
        ("8,,Snail", "8,Snail", "row 3: expected 12 columns, as in the header, got 11"),
    ] {
        assert!(TEXT.contains(from), "{from}");
        let error = parse(&TEXT.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with("train.csv: ") && error.contains(expected), "{error}\nis not\n{expected}");
    }
    assert!(parse("").unwrap_err().to_string().ends_with("got an empty file"));
    let latin = [TEXT.as_bytes(), b"9,\xff,Snail,1,,,,,,,,\n"].concat();
    let error = Sheet::parse(&latin, Path::new("train.csv")).unwrap_err().to_string();
    assert!(error.contains("row 4: expected a row of comma-separated cells in UTF-8"), "{error}");
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("train.csv");
    for (change, expected) in [
        (
            Row { lab: "../up".to_string(), ..Row::default() },
            r#"row 2: expected a name of a file or folder, got "../up""#,
        ),
        (
            Row { lab: "Snail".to_string(), video: "7".to_string(), ..Row::default() },
            "row 2: expected frames_per_second above 0, got 0",
        ),
    ] {
        let root = dir.path();
        assert!(change.annotation_path(root).components().all(|part| part.as_os_str() != ".."));
        let error = Sheet { rows: vec![change], ..Sheet::default() }.write(&file).unwrap_err().to_string();
        assert!(error.ends_with(expected) && !file.exists(), "{error}");
    }
    let doubled = [parse(TEXT).unwrap().rows, parse(TEXT).unwrap().rows].concat();
    let error = Sheet { rows: doubled, ..Sheet::default() }.write(&file).unwrap_err().to_string();
    assert!(error.contains("expected another recording than that of row 2"), "{error}");
}

#[test]
fn files_without_rows_and_rows_without_files_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let sheet = parse(TEXT).unwrap();
    assert!(annotations_without_row(dir.path(), &sheet).unwrap().is_empty());
    assert_eq!(rows_without_annotations(dir.path(), &sheet), [&sheet.rows[0]]);
    let folder = dir.path().join("train_annotation/Snail");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["7.parquet", "9.parquet", "notes.txt"] {
        std::fs::write(folder.join(name), "").unwrap();
    }
    assert_eq!(annotations_without_row(dir.path(), &sheet).unwrap(), [folder.join("9.parquet")]);
    assert!(rows_without_annotations(dir.path(), &sheet).is_empty());
}

#[test]
fn the_genuine_table_is_read_and_rewritten_without_loss() {
    let Some(data) = corpus_dir("mabe2025-annotations") else { return };
    let sheet = Sheet::read(&data.join("train.csv")).unwrap();
    assert_eq!(sheet.rows.len(), 862);
    assert_eq!(sheet.rows.iter().filter(|row| row.whitelist.is_empty()).count(), 15);
    assert_eq!(sheet.repairs.len(), 26);
    assert!(sheet.rows.iter().all(|row| row.other.len() == 31 && row.pix_per_cm.is_some()));
    let strays = annotations_without_row(&data, &sheet).unwrap();
    assert_eq!(strays, [data.join("train_annotation/CRIM13/1733903958.parquet")]);
    let bare: Vec<_> = rows_without_annotations(&data, &sheet).into_iter().map(|row| &row.video).collect();
    assert_eq!(bare, ["1375833299"]);
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("train.csv");
    sheet.write(&copy).unwrap();
    let rewritten = Sheet::read(&copy).unwrap();
    assert_eq!(rewritten.rows, sheet.rows);
    assert_eq!(rewritten.repairs, [""; 0]);
}

#[test]
fn a_table_without_whitelists_and_scales_is_read() {
    let Some(data) = corpus_dir("mouse-trios") else { return };
    let sheet = Sheet::read(&data.join("train.csv")).unwrap();
    assert_eq!(sheet.rows.len(), 470);
    assert!(sheet.rows.iter().all(|row| row.whitelist.is_empty() && row.tracking_path(&data).is_file()));
}

proptest! {
    #[test]
    fn garbage_gives_an_error_or_sound_rows(at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..4)) {
        let at = at.index(TEXT.len());
        let mut text = TEXT.as_bytes().to_vec();
        text.splice(at..(at + bytes.len()).min(TEXT.len()), bytes);
        if let Ok(sheet) = Sheet::parse(&text, Path::new("train.csv")) {
            for row in &sheet.rows {
                prop_assert!(row.rate_hz > 0.0 && is_folder_name(&row.lab) && is_folder_name(&row.video));
            }
        }
        let cut = Sheet::parse(&TEXT.as_bytes()[..at], Path::new("train.csv"));
        prop_assert!(cut.is_err() || cut.is_ok_and(|sheet| sheet.rows.len() <= 2));
    }
}
