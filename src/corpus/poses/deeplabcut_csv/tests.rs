use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::testing::corpus_dir;

/// Two individuals of two bodyparts, three frames; number 2 is absent.
const TABLE: &str = "scorer,s,s,s,s.1,s.1,s.1,s,s,s,s,s,s\n\
    individuals,a,a,a,a,a,a,b,b,b,b,b,b\n\
    bodyparts,nose,nose,nose,tail,tail,tail,nose,nose,nose,tail,tail,tail\n\
    coords,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood\n\
    0,1.5,2,0.9,3,4,1,,,,5,6,0.05\n\
    1,1,2,0.9,3,4,1,7,8,1,0.0,0.0,0.0\n\
    3,,,,,,,,,,,,\n";

/// One animal of two bodyparts, two frames.
const SINGLE: &str = "scorer,s,s,s,s,s,s\n\
    bodyparts,nose,nose,nose,tail,tail,tail\n\
    coords,x,y,likelihood,x,y,likelihood\n\
    0,1.5,2,0.9,3,4,1\n\
    1,1,2,0.9,,,\n";

/// An individual of unique bodyparts between two animals.
const OBJECTS: &str = "scorer,s,s,s,s,s,s,s,s,s,s,s,s\n\
    individuals,a,a,a,single,single,single,single,single,single,b,b,b\n\
    bodyparts,nose,nose,nose,corner,corner,corner,door,door,door,nose,nose,nose\n\
    coords,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood\n\
    0,1,2,0.9,30,40,1,31,41,1,5,6,1\n\
    1,1,2,\"0.9\",30,40,1,31,41,1,7,8,1\n";

fn read_text(text: &str) -> Result<RawRecording, CorpusError> {
    parse(text.as_bytes(), Path::new("rats/7DLC_el.csv"), CONFIDENCE_MIN)
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_table_is_read_whatever_its_wrapping() {
    let recording = read_text(TABLE).unwrap();
    assert_eq!(recording.name, "7DLC_el");
    assert_eq!(recording.individuals, ["a", "b"]);
    assert_eq!(recording.keypoints, ["nose", "tail"]);
    assert_eq!(recording.frames.iter().map(|frame| frame.number).collect::<Vec<_>>(), [0, 1, 3]);
    let present = |frame: usize| recording.frames[frame].keypoints.iter().map(Keypoint::is_present);
    assert_eq!(present(0).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(present(1).collect::<Vec<_>>(), [true, true, true, false]);
    assert_eq!(recording.frames[0].keypoints[0], Keypoint { x: 1.5, y: 2.0, confidence: 0.9 });
    assert_eq!(recording.repairs, [""; 0]);

    let packed = parse(&gzipped(TABLE)[..], Path::new("rats/7DLC_el.csv"), CONFIDENCE_MIN).unwrap();
    assert_eq!(packed, recording);
    let quoted = format!("\"{}\"", TABLE.trim_end().replace(',', "\",\"").replace('\n', "\"\r\n\"")) + "\r\n";
    for text in [
        TABLE.replace('\n', "\r\n"),
        TABLE.replace('\n', "\n\n"),
        format!("\u{feff}{TABLE}"),
        quoted,
        TABLE.replace("\n0,1.5,2,", "\n0.0, 1.5 ,+2e0,").replace(",,,,,,,", ",nan,NaN,NA,inf,-inf,-nan,"),
        TABLE.replace("\n0,1.5", "\nframe,,,,,,,,,,,,\n0,1.5"),
        TABLE.replace("scorer", "").replace("individuals", "").replace("bodyparts", "").replace("coords", ""),
        TABLE.replace("scorer", "Unnamed: 0_level_0").replace("individuals", "Unnamed: 0_level_1"),
    ] {
        assert_eq!(read_text(&text).unwrap(), recording, "{text}");
    }
}

#[test]
fn a_table_without_individuals_is_of_one_animal() {
    let recording = read_text(SINGLE).unwrap();
    assert_eq!((recording.individuals.as_slice(), recording.frames.len()), (&[ANIMAL.to_owned()][..], 2));
    assert_eq!(recording.keypoints, ["nose", "tail"]);
    assert_eq!(recording.frames[1].keypoints, [Keypoint { x: 1.0, y: 2.0, confidence: 0.9 }, Keypoint::MISSING]);
    let untitled = SINGLE.replace("scorer", "").replace("bodyparts", "").replace("coords", "");
    assert_eq!(read_text(&untitled).unwrap(), recording);
}

#[test]
fn points_without_likelihood_are_certain() {
    let recording = read_text(
        &SINGLE
            .replace(",likelihood", "")
            .replace("s,s,s,s,s,s", "s,s,s,s")
            .replace("nose,nose,nose,tail,tail,tail", "nose,nose,tail,tail")
            .replace(",0.9,", ",")
            .replace("4,1\n", "4\n")
            .replace(",,,", ",,"),
    )
    .unwrap();
    assert_eq!(recording.frames[0].keypoints[1], Keypoint { x: 3.0, y: 4.0, confidence: 1.0 });
    assert_eq!(recording.frames[1].keypoints, [Keypoint { x: 1.0, y: 2.0, confidence: 1.0 }, Keypoint::MISSING]);
}

#[test]
fn unique_bodyparts_are_left_out_and_told() {
    let recording = read_text(OBJECTS).unwrap();
    assert_eq!((recording.individuals, recording.keypoints), (vec!["a".into(), "b".into()], vec!["nose".into()]));
    assert_eq!(
        recording.repairs,
        ["row 2: the individual \"single\" (corner, door) stands for objects of the arena: left out"]
    );
    let seen: Vec<_> = recording.frames.iter().flat_map(|frame| &frame.keypoints).map(|point| point.x).collect();
    assert_eq!(seen, [1.0, 5.0, 1.0, 7.0]);
    let alone =
        read_text(&SINGLE.replace("\nbodyparts", "\nindividuals,single,single,single,single,single,single\nbodyparts"))
            .unwrap();
    assert_eq!((alone.individuals, alone.repairs), (vec!["single".to_owned()], vec![]));
    let namesake = read_text(&TABLE.replace("b,b,b,b,b,b", "single,single,single,single,single,single")).unwrap();
    assert_eq!((namesake.individuals.len(), namesake.repairs), (2, vec![]));
}

#[test]
fn a_file_without_a_last_line_end_is_told_to_be_perhaps_cut() {
    let recording = read_text(TABLE.trim_end()).unwrap();
    assert_eq!(recording.frames, read_text(TABLE).unwrap().frames);
    assert_eq!(recording.repairs, ["row 7: no line end after the last row, which may be cut: read as it is"]);
}

#[test]
fn the_beginning_tells_such_a_table() {
    for head in [TABLE, SINGLE, ",s,s,s\n", "\u{feff}scorer,s", "\"scorer\",s", "Unnamed: 0_level_0,s"] {
        assert!(recognises(head.as_bytes()), "{head}");
    }
    for head in ["", "scorers,", "row_id,video_id", "Observation id,", "{\"scorer\":", "time,x,y"] {
        assert!(!recognises(head.as_bytes()), "{head}");
    }
}

#[test]
fn a_fault_is_named_with_its_place_and_both_sides() {
    let header_end = TABLE.find("0,1.5").unwrap();
    let labelled = "expected a table of a video's numbered frames, not of labelled images, got";
    for (text, wanted) in [
        (String::new(), "7DLC_el.csv: expected a DeepLabCut table, got an empty file".to_owned()),
        ("frame,x\n".to_owned(), "row 1, column 1: expected the header row \"scorer\" of a DeepLabCut table, got \"frame\"".to_owned()),
        (
            TABLE.replace("individuals", "animals"),
            "row 2, column 1: expected the header row \"individuals\" or \"bodyparts\" of a DeepLabCut table, got \"animals\"".to_owned(),
        ),
        (
            TABLE.replace("bodyparts", "coords"),
            "row 3, column 1: expected the header row \"bodyparts\" of a DeepLabCut table, got \"coords\"".to_owned(),
        ),
        (SINGLE.replace("coords", "0"), "row 3, column 1: expected the header row \"coords\" of a DeepLabCut table, got \"0\"".to_owned()),
        (TABLE[..20].to_string(), "row 2: expected the header row \"individuals\" or \"bodyparts\" of".to_owned()),
        (TABLE[..header_end].to_string(), "row 5: expected at least one frame, got the end of the file".to_owned()),
        (TABLE.replace("a,a,a,a,a,a,b,", "a,a,a,a,a,a,"), "row 3: expected 12 columns, got 13".to_owned()),
        (TABLE.replacen("x,y,likelihood", "y,x,likelihood", 1), "row 4, column 2: expected \"x\", got \"y\"".to_owned()),
        (SINGLE.replacen("likelihood", "Likelihood", 1), "row 3, column 4: expected \"likelihood\", got \"Likelihood\"".to_owned()),
        (
            SINGLE.replace("likelihood", "z"),
            "row 3, column 4: expected points in the image (x, y, likelihood), got \"z\", a three-dimensional table".to_owned(),
        ),
        (
            TABLE.replace("tail,tail,tail,nose", "nose,nose,nose,nose"),
            "row 3: expected each of the bodyparts in one place, got \"nose\" twice".to_owned(),
        ),
        (TABLE.replace("b,b,b,b,b,b", "b,b,b,c,c,c"), "row 2, column 11: expected \"b\", got \"c\"".to_owned()),
        (TABLE.replace("b,b,b,b,b,b", "b,b,c,c,c,c"), "row 2, column 10: expected \"b\", got \"c\"".to_owned()),
        (TABLE.replace("nose,tail,tail,tail\n", "nose,ear,ear,ear\n"), "row 3, column 11: expected \"tail\", got \"ear\"".to_owned()),
        (
            SINGLE.replace("\nbodyparts", "\nindividuals,a,a,a,a,a,a\nbodyparts").replace(",likelihood\n", ",likelihood,x,y,likelihood\n"),
            "row 4: expected 7 columns, got 10".to_owned(),
        ),
        (TABLE.replace("1,1,2,", "1,1,two,"), "row 6, column 3: expected a number or nothing, got \"two\"".to_owned()),
        (OBJECTS.replace(",41,", ",far,"), "row 5, column 9: expected a number or nothing, got \"far\"".to_owned()),
        (TABLE.replace("3,4,1,7", "3,4,1,7,7"), "row 6: expected 13 columns, got 14".to_owned()),
        (TABLE.replace("\n1,1,", "\nimg1,1,"), "row 6, column 1: expected a frame number of 0 to 4294967295, got \"img1\"".to_owned()),
        (TABLE.replace("\n1,1,", "\n1.5,1,"), "row 6, column 1: expected a frame number of 0 to 4294967295, got \"1.5\"".to_owned()),
        (TABLE.replace("\n1,1,", "\n0,1,"), "row 6, column 1: expected a frame number above 0, got \"0\"".to_owned()),
        (TABLE.replace("\n3,,", "\n0,,"), "row 7, column 1: expected a frame number above 1, got \"0\"".to_owned()),
        (TABLE.replace("\n3,,", "\nframe,,"), "row 7, column 1: expected a frame number of 0 to".to_owned()),
        (TABLE.replace("\n3,,", "\n99999999999,,"), "row 7, column 1: expected a frame number of 0 to".to_owned()),
        (SINGLE.replace("\n0,", "\nlabeled-data/a/img0.png,"), format!("row 4, column 1: {labelled} \"labeled-data/a/img0.png\"")),
        (
            SINGLE.replace("scorer,", "scorer,,,").replace("parts,", "parts,,,").replace("coords,", "coords,,,"),
            format!("row 3, column 2: {labelled} an index of three columns"),
        ),
        (TABLE.replace("7,8,1,", "7,8,1,\u{e9}"), "row 6, column 11: expected a number or nothing, got \"\u{e9}0.0\"".to_owned()),
        (format!("{TABLE}\n\n4,\n"), "row 10: expected 13 columns, got 2".to_owned()),
        (TABLE.replace("\n1,1", &format!("\n1,{}1", "0".repeat(1 << 20))), "row 6: expected a row of less than 1048576 bytes, got a longer one".to_owned()),
    ] {
        let error = read_text(&text).unwrap_err().to_string();
        assert!(error.contains(&wanted) && error.starts_with("rats/7DLC_el.csv"), "{error}\nis not\n{wanted}");
    }
}

#[test]
fn a_table_has_limits() {
    let table = |individuals: usize, bodyparts: usize| {
        let mut rows = ["scorer".to_owned(), "individuals".into(), "bodyparts".into(), "coords".into(), "0".into()];
        for point in 0..individuals * bodyparts {
            let (individual, bodypart) = (point / bodyparts, point % bodyparts);
            for (row, cells) in rows.iter_mut().zip([
                ",s,s".to_owned(),
                format!(",a{individual},a{individual}"),
                format!(",p{bodypart},p{bodypart}"),
                ",x,y".into(),
                ",1,2".into(),
            ]) {
                row.push_str(&cells);
            }
        }
        rows.map(|row| row + "\n")
    };
    let multi = |individuals, bodyparts| read_text(&table(individuals, bodyparts).concat());
    let single = |bodyparts| {
        let [scorer, _, parts, coords, frame] = table(1, bodyparts);
        read_text(&[scorer, parts, coords, frame].concat())
    };
    assert_eq!(multi(8, 64).unwrap().frames[0].keypoints.len(), 512);
    assert!(multi(9, 1).unwrap_err().to_string().ends_with("row 2: expected at most 8 individuals, got 9"));
    assert!(multi(1, 65).unwrap_err().to_string().ends_with("row 3: expected at most 64 bodyparts, got 65"));
    assert_eq!(single(512).unwrap().keypoints.len(), 512);
    assert!(single(513).unwrap_err().to_string().ends_with("row 2: expected at most 512 bodyparts, got 513"));
}

#[test]
fn a_truncated_gzip_is_an_error_and_no_shorter_recording() {
    let mut long = TABLE.to_string();
    for number in 4..400 {
        writeln!(long, "{number},1,2,1,3,4,1,{number}.5,8,1,9,{number},1").unwrap();
    }
    let packed = gzipped(&long);
    for length in [packed.len() - 1, packed.len() - 9, packed.len() / 2, 3] {
        let error = parse(&packed[..length], Path::new("7.csv.gz"), CONFIDENCE_MIN).unwrap_err().to_string();
        assert!(error.contains("7.csv.gz: row"), "{error}");
        assert!(error.contains("the whole of the gzipped data, got a truncated file"), "{error}");
    }
}

#[test]
fn a_table_cut_anywhere_gives_whole_frames_or_a_fault() {
    for text in [TABLE, SINGLE, OBJECTS] {
        let whole = read_text(text).unwrap();
        for end in 0..text.len() {
            let Ok(cut) = read_text(&text[..end]) else { continue };
            assert!(cut.frames.len() <= whole.frames.len());
            let at_line_end = text[..end].ends_with('\n');
            let sure = cut.frames.len() - usize::from(!at_line_end);
            assert_eq!(cut.frames[..sure], whole.frames[..sure], "{end}");
            assert_eq!(cut.repairs.len(), whole.repairs.len() + usize::from(!at_line_end), "{end}");
        }
    }
}

#[test]
fn real_tables_of_one_animal_are_read() {
    let Some(dir) = corpus_dir("formats/dlc-csv") else { return };
    let cut = |row: u64| vec![format!("row {row}: no line end after the last row, which may be cut: read as it is")];
    for (name, individuals, keypoints, frames, present, repairs) in [
        ("deepof_single_topview.csv", 1, 14, 97, 1358, cut(100)),
        ("deepof_multi_topview_prefixed_bodyparts.csv", 1, 28, 98, 2743, vec![]),
        ("ethome_openfield_missingdata.csv", 1, 4, 2330, 9317, vec![]),
        ("deepof_madlc.csv", 2, 14, 97, 2037, vec![]),
    ] {
        let recording = read(&dir.join(name), CONFIDENCE_MIN).unwrap();
        assert_eq!((recording.individuals.len(), recording.keypoints.len()), (individuals, keypoints), "{name}");
        let seen = recording.frames.iter().flat_map(|frame| &frame.keypoints).filter(|point| point.is_present());
        assert_eq!((recording.frames.len(), seen.count()), (frames, present), "{name}");
        assert_eq!(recording.repairs, repairs, "{name}");
    }
}

/// Cells that occur, and some that must not.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-2000.0..2000.0_f64).prop_map(|value| value.to_string()),
        4 => (-2000.0..2000.0_f64).prop_map(|value| format!("{value:.3}")),
        1 => (0.0..1.0_f32).prop_map(|value| f64::from(value).to_string()),
        1 => any::<f64>().prop_map(|value| format!("{value:e}")),
        1 => "[ 0-9.eE+\"-]{0,6}",
        1 => prop::sample::select(vec!["", "nan", "inf", "NA", " 1", "\"2\"", "x"]).prop_map(str::to_owned),
    ]
}

proptest! {
    /// A row goes the fast way or, where that gives up, the careful one: what both can read must be the same.
    #[test]
    fn the_fast_way_reads_what_the_careful_one_reads(cells in proptest::collection::vec(cell(), 5..8), objects in any::<bool>()) {
        let columns = Columns {
            individuals: vec![ANIMAL.into()],
            bodyparts: if objects { vec!["a".into()] } else { vec!["a".into(), "b".into()] },
            axes: 3,
            kept: vec![true, !objects],
            repairs: Vec::new(),
        };
        let text = format!("7,{}\n", cells.join(","));
        let mut rows = Rows::new(text.as_bytes(), Path::new("x.csv")).unwrap();
        let line = rows.next().unwrap().unwrap();
        let record = line.record().unwrap();
        let careful = columns.frame(&Cells { record: &record, line, file: Path::new("x.csv") }, Some(3), CONFIDENCE_MIN);
        let fast = columns.plain_frame(line.bytes, Some(3), CONFIDENCE_MIN);
        if let Some(fast) = &fast {
            prop_assert_eq!(fast, &careful.unwrap());
        } else {
            prop_assert!(careful.is_err() || text.contains('"'), "{}", text);
        }
        prop_assert_eq!(columns.plain_frame(line.bytes, Some(7), CONFIDENCE_MIN), None);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), packed in any::<bool>()) {
        let bytes = if packed { [&[0x1f, 0x8b, 8, 0], &bytes[..]].concat() } else { bytes };
        let _ = parse(&bytes[..], Path::new("x.csv"), CONFIDENCE_MIN);
    }

    #[test]
    fn damaged_tables_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        text in prop::sample::select(vec![TABLE, SINGLE, OBJECTS]),
        packed in any::<bool>(),
    ) {
        let mut bytes = if packed { gzipped(text) } else { text.as_bytes().to_vec() };
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(recording) = parse(bytes, Path::new("x.csv"), CONFIDENCE_MIN) {
                let points = recording.individuals.len() * recording.keypoints.len();
                prop_assert!(recording.frames.iter().all(|frame| frame.keypoints.len() == points));
            }
        }
    }
}
