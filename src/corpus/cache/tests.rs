use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;
use crate::corpus::Description;
use crate::corpus::description::tests::OTHER_LAB;
use crate::corpus::session::Points;
use crate::poses::Keypoint;

const FRAMES: usize = 1200;

/// Two animals of three points that wander about and are lost at times.
fn poses(seed: usize) -> String {
    let columns = |word: &dyn Fn(usize) -> &'static str| (0..18).map(word).collect::<Vec<_>>().join(",");
    let header = [
        columns(&|column| ["a", "b"][column / 9]),
        columns(&|column| ["spine", "nose", "tail"][column / 3 % 3]),
        columns(&|column| ["x", "y", "likelihood"][column % 3]),
    ];
    let mut text = format!("scorer{}\n", ",s".repeat(18));
    for (name, row) in ["individuals", "bodyparts", "coords"].iter().zip(header) {
        let _ = writeln!(text, "{name},{row}");
    }
    for frame in 0..FRAMES {
        text += &frame.to_string();
        for point in 0..6 {
            let phase = (frame * (point + 2) + seed) as f64 * 0.013;
            let likelihood = if (frame + 31 * point) % 97 < 5 { 0.0 } else { 0.97 };
            let (x, y) = (300.0 + 200.0 * phase.sin(), 400.0 + 90.0 * phase.cos());
            let _ = write!(text, ",{x:.6},{y:.6},{likelihood}");
        }
        text.push('\n');
    }
    text
}

fn labels(start: usize) -> String {
    let stop = start + 100;
    format!("Caltech Behavior Annotator\nS1: start end type\n{start} {stop} attack\n{} 900 other\n", stop + 1)
}

fn lab(dir: &Path) {
    for below in ["poses", "labels"] {
        fs::create_dir_all(dir.join(below)).unwrap();
    }
    for (seed, id) in ["1", "10"].into_iter().enumerate() {
        fs::write(dir.join(format!("poses/{id}DLC_x.csv")), poses(seed)).unwrap();
        fs::write(dir.join(format!("labels/{id}.txt")), labels(100)).unwrap();
    }
}

fn open(dir: &Path, description: &str) -> Corpus {
    let description = Description::parse(description, Path::new("lab.toml")).unwrap();
    Corpus::of_files(&[dir.to_path_buf()], &description).unwrap()
}

/// The first recording, and what was warned of.
fn load(cache: &Cache, corpus: &Corpus) -> (Cached, Vec<String>) {
    let mut warnings = Vec::new();
    let cached = cache.load(corpus, &corpus.entries()[0], &mut |warning| warnings.push(warning)).unwrap();
    (cached, warnings)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn is_in_file(cached: &Cached) -> bool {
    matches!(cached.session.stored(), Points::File(_))
}

fn bits(points: &[Keypoint]) -> Vec<[u32; 3]> {
    points.iter().map(|point| [point.x, point.y, point.confidence].map(f32::to_bits)).collect()
}

fn assert_same(a: &Cached, b: &Cached) {
    let ((one, of_one), (other, of_other)) = ((&a.session, &a.defaults), (&b.session, &b.defaults));
    assert_eq!((&one.name, &one.skeleton, &one.cells, one.individuals), {
        (&other.name, &other.skeleton, &other.cells, other.individuals)
    });
    assert_eq!((one.ticks, of_one, &a.repairs), (other.ticks, of_other, &b.repairs));
    assert!(one.truth == other.truth && one.labelled == other.labelled, "other labels");
    assert!(one.truth.iter().any(|flag| flag) && one.labelled.iter().any(|flag| flag), "labels to compare");
    for (first, ticks) in [(0, one.ticks), (0, 1), (511, 2), (512, 512), (700, 600), (one.ticks - 1, 1), (one.ticks, 0)]
    {
        let points = |session: &Session| bits(&session.stretch(first, ticks).unwrap());
        assert!(points(one) == points(other), "ticks {first} to {}", first + ticks);
    }
    let rows = |session: &Session| session.points().flat_map(|row| bits(&row.unwrap())).collect::<Vec<_>>();
    assert!(rows(one) == rows(other) && rows(one) == bits(&one.stretch(0, one.ticks).unwrap()));
}

#[test]
fn a_recording_comes_back_bit_for_bit_and_is_decoded_once() {
    let dir = tempfile::tempdir().unwrap();
    lab(dir.path());
    let (corpus, cache) = (open(dir.path(), OTHER_LAB), Cache::at(&dir.path().join("made/cache")));
    let mut decoded = decode(&corpus, &corpus.entries()[0]).unwrap();
    // 25 Hz: 30 ticks for 25 frames, in three blocks.
    assert!(decoded.session.ticks > 1400 && !is_in_file(&decoded));
    let (first, warnings) = load(&cache, &corpus);
    assert!(is_in_file(&first) && warnings.is_empty(), "{warnings:?}");
    assert_same(&decoded, &first);
    // The same size and time, but nothing that could be decoded.
    let poses = corpus.entries()[0].poses.clone();
    let metadata = fs::metadata(&poses).unwrap();
    fs::write(&poses, vec![b'?'; metadata.len() as usize]).unwrap();
    fs::File::options().write(true).open(&poses).unwrap().set_modified(metadata.modified().unwrap()).unwrap();
    let (mut second, warnings) = load(&cache, &corpus);
    assert!(is_in_file(&second) && warnings.is_empty(), "{warnings:?}");
    assert_same(&decoded, &second);
    for cached in [&mut decoded, &mut second] {
        let ticks = cached.session.ticks;
        cached.session.pad(ticks + 70);
        assert!(!cached.session.stretch(ticks + 10, 20).unwrap().iter().any(Keypoint::is_present));
    }
    assert_same(&decoded, &second);
}

#[test]
fn a_damaged_file_is_made_anew_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    lab(dir.path());
    let (corpus, folder) = (open(dir.path(), OTHER_LAB), dir.path().join("cache"));
    let cache = Cache::at(&folder);
    let (whole, _) = load(&cache, &corpus);
    let file = files(&folder).remove(0);
    let good = fs::read(&file).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut damages: Vec<Vec<u8>> = [0, 8, 12, 15, 20, 50, 60, 900, 1200, good.len() - 1].map(flipped).to_vec();
    damages.extend((0..6).map(|part| flipped(good.len() * part / 6 + 77)));
    damages.extend([0, 7, 47, 400, 1500, good.len() - 1].map(|length| good[..length].to_vec()));
    damages.push([&good[..], b"more"].concat());
    damages.push(vec![0xff; 4096]);
    for (index, damage) in damages.into_iter().enumerate() {
        fs::write(&file, damage).unwrap();
        let (again, warnings) = load(&cache, &corpus);
        assert_eq!(warnings.len(), 1, "damage {index}: {warnings:?}");
        assert!(warnings[0].starts_with(&file.display().to_string()), "{warnings:?}");
        assert!(is_in_file(&again) && fs::read(&file).unwrap() == good, "damage {index}");
        assert!(load(&cache, &corpus).1.is_empty(), "damage {index}: made anew");
    }
    assert_same(&load(&cache, &corpus).0, &decode(&corpus, &corpus.entries()[0]).unwrap());
    // Who had the file open has it still.
    assert_same(&whole, &decode(&corpus, &corpus.entries()[0]).unwrap());
}

#[test]
fn what_changes_a_recording_makes_a_new_file_and_removes_the_old() {
    let dir = tempfile::tempdir().unwrap();
    lab(dir.path());
    let folder = dir.path().join("cache");
    let cache = Cache::at(&folder);
    let all = |description: &str| {
        let corpus = open(dir.path(), description);
        for entry in corpus.entries() {
            cache.load(&corpus, entry, &mut |warning| panic!("{warning}")).unwrap();
        }
        let files = files(&folder);
        assert_eq!(files.len(), 2, "{files:?}");
        files
    };
    let unchanged = |before: &[PathBuf], after: &[PathBuf]| after.iter().filter(|file| before.contains(file)).count();
    let first = all(OTHER_LAB);
    assert_eq!(all(OTHER_LAB), first);
    assert_eq!(all(&OTHER_LAB.replace("test = [\"b\"]", "test = [\"10\"]")), first, "who tests changes no recording");
    fs::write(dir.path().join("labels/1.txt"), labels(99)).unwrap();
    let labelled = all(OTHER_LAB);
    assert_eq!(unchanged(&first, &labelled), 1, "of the recording that was annotated anew only");
    fs::write(dir.path().join("poses/10DLC_x.csv"), poses(5) + "\n").unwrap();
    let posed = all(OTHER_LAB);
    assert_eq!(unchanged(&labelled, &posed), 1);
    fs::write(dir.path().join("poses/1DLC_x.toml"), "body_length_px = 90.0").unwrap();
    let scaled = all(OTHER_LAB);
    assert_eq!(unchanged(&posed, &scaled), 1, "a sidecar is a source");
    assert_eq!(unchanged(&scaled, &all(&OTHER_LAB.replace("huddle", "nestle"))), 0, "an ethogram is part of all");
}

#[test]
fn a_folder_that_cannot_be_written_leaves_the_recording_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    lab(dir.path());
    let corpus = open(dir.path(), OTHER_LAB);
    fs::write(dir.path().join("taken"), "").unwrap();
    let (cached, warnings) = load(&Cache::at(&dir.path().join("taken")), &corpus);
    assert!(!is_in_file(&cached) && warnings.last().unwrap().ends_with("1DLC_x stays in memory"), "{warnings:?}");
}

#[test]
fn points_that_change_under_a_training_are_refused_by_the_name_of_their_file() {
    let dir = tempfile::tempdir().unwrap();
    lab(dir.path());
    let (corpus, folder) = (open(dir.path(), OTHER_LAB), dir.path().join("cache"));
    let (cached, _) = load(&Cache::at(&folder), &corpus);
    let file = files(&folder).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    // In place, as a failing disk would: the open file sees it.
    fs::write(&file, bytes).unwrap();
    let ticks = cached.session.ticks;
    assert!(cached.session.stretch(0, 600).is_ok(), "other blocks are as they were");
    let error = cached.session.stretch(ticks - 3, 2).unwrap_err().to_string();
    assert!(error.starts_with(&file.display().to_string()) && error.contains("ticks 1024 to "), "{error}");
    assert!(cached.session.points().any(|row| row.is_err()));
}
