use proptest::prelude::*;

use super::*;
use crate::corpus::poses::deeplabcut_csv;
use crate::corpus::sidecar::Sidecar;
use crate::inspect::text::{pose_table, pose_text};
use crate::testing;

const RATE_HZ: f64 = 30.0;

/// Two animals of three points in a row, 40 pixels apart, that walk to and fro.
fn walk(frames: u64) -> RawRecording {
    let point = |x: f32, y: f32| Keypoint::observed(x, y, 0.9, 0.1);
    let frame = |number: u64| {
        let way = (number as f32 / 9.0).sin() * 60.0 + 300.0;
        let animal =
            |y: f32, sign: f32| (0..3).map(move |index| point(300.0 + sign * (way - 300.0) + 40.0 * index as f32, y));
        let keypoints = animal(100.0, 1.0).chain(animal(400.0, -1.0)).collect();
        Frame { number, capture_nanos: None, keypoints }
    };
    RawRecording {
        name: "walk".to_string(),
        individuals: vec!["a".to_string(), "b".to_string()],
        keypoints: ["nose", "neck", "tail"].map(str::to_string).to_vec(),
        frames: (0..frames).map(frame).collect(),
        ..RawRecording::default()
    }
}

fn hide(raw: &mut RawRecording, slot: usize, frames: Range<usize>) {
    for frame in &mut raw.frames[frames] {
        frame.keypoints[3 * slot..3 * slot + 3].fill(Keypoint::MISSING);
    }
}

fn exchange(raw: &mut RawRecording, from: usize) {
    let keypoints = raw.keypoints.len();
    for frame in &mut raw.frames[from..] {
        let (first, second) = frame.keypoints.split_at_mut(keypoints);
        first.swap_with_slice(second);
    }
}

#[test]
fn a_sound_recording_gives_nothing_to_look_at() {
    let report = PoseReport::of(&walk(900), Some(RATE_HZ));
    assert_eq!((report.frames.count, report.frames.last, report.frames.gaps.count), (900, 899, 0));
    assert_eq!(report.duration_secs, Some(30.0));
    assert_eq!((report.visibility.all_seen, report.visibility.none_seen), (1.0, 0.0));
    assert_eq!(report.swaps, SwapWatch { scale: Some(Scale::Span(80.0)), suspected: Vec::new() });
    assert!(pose_text(&report).contains("Nothing suspicious was found."), "{}", pose_text(&report));
    let extent = report.extent.unwrap();
    assert!((extent.min[0] - 240.0).abs() < 1.0 && (extent.max[0] - 440.0).abs() < 1.0, "{extent:?}");
    assert_eq!((extent.min[1], extent.max[1]), (100.0, 400.0));
}

#[test]
fn absences_are_counted_by_animal_and_keypoint() {
    let mut raw = walk(1000);
    hide(&mut raw, 1, 0..400);
    hide(&mut raw, 1, 500..503);
    hide(&mut raw, 0, 300..400);
    for frame in &mut raw.frames[600..700] {
        frame.keypoints[2] = Keypoint::MISSING;
    }
    let Visibility { all_seen, none_seen, animals, missing, missing_while_seen } =
        PoseReport::of(&raw, Some(RATE_HZ)).visibility;
    assert!((all_seen - 0.597).abs() < 1e-9 && (none_seen - 0.1).abs() < 1e-9);
    assert_eq!(animals[1].absences, Stretches { count: 2, frames: 403, longest: Some(0..400) });
    assert_eq!((animals[0].flickers, animals[1].flickers), (0, 1));
    assert!((animals[0].unseen - 0.1).abs() < 1e-9 && (animals[0].missing - 400.0 / 3000.0).abs() < 1e-9);
    assert!((missing[0][2] - 0.2).abs() < 1e-9 && (missing[1][2] - 0.403).abs() < 1e-9);
    assert!((missing_while_seen[2] - 100.0 / 1497.0).abs() < 1e-9 && missing_while_seen[0].abs() < 1e-9);
}

#[test]
fn what_trackers_do_wrong_is_found_where_it_is() {
    let mut raw = walk(1000);
    for index in 101..160 {
        raw.frames[index].keypoints[..3].clone_from_slice(&walk(101).frames[100].keypoints[..3]);
        raw.frames[index + 200].keypoints[4] = raw.frames[300].keypoints[4];
    }
    for frame in &mut raw.frames[500..510] {
        frame.keypoints.copy_within(0..3, 3);
    }
    raw.frames[700].keypoints[5] = Keypoint::observed(9000.0, 400.0, 0.5, 0.1);
    let faults = PoseReport::of(&raw, Some(RATE_HZ)).faults;
    assert_eq!(faults.frozen, [Stretches { count: 1, frames: 59, longest: Some(101..160) }, Stretches::default()]);
    assert_eq!(faults.stuck[0], vec![Stretches::default(); 3], "a frozen animal has no stuck points");
    assert_eq!(faults.stuck[1][1], Stretches { count: 1, frames: 59, longest: Some(301..360) });
    assert_eq!(
        faults.twins,
        [Twins { first: 0, second: 1, frames: Stretches { count: 1, frames: 10, longest: Some(500..510) } }]
    );
    assert_eq!(faults.far, [Stray::default(), Stray { points: 1, first_frame: Some(700) }]);
    assert_eq!(faults.outside, Stray { points: 1, first_frame: Some(700) });
}

#[test]
fn a_gap_in_the_numbers_ends_what_was_going_on() {
    let mut raw = walk(200);
    for (index, frame) in raw.frames.iter_mut().enumerate() {
        frame.number = 1000 + index as u64 + if index >= 100 { 50 } else { 0 } + if index >= 150 { 3 } else { 0 };
    }
    hide(&mut raw, 0, 90..110);
    let report = PoseReport::of(&raw, None);
    assert_eq!(report.frames.gaps, Stretches { count: 2, frames: 53, longest: Some(1100..1150) });
    assert_eq!((report.frames.first, report.frames.last), (1000, 1252));
    assert_eq!(report.visibility.animals[0].absences, Stretches { count: 2, frames: 20, longest: Some(1090..1100) });
    assert_eq!((report.duration_secs, report.rate.known_hz()), (None, None));
    let text = pose_text(&report);
    assert!(
        text.contains("2 gaps in the frame numbers, 53 frames in all; the longest of 50 frames at frame 1100"),
        "{text}"
    );
    assert!(text.contains("  unknown; lengths of time are judged as at 30 Hz\n"), "{text}");
}

#[test]
fn capture_times_give_the_rate() {
    let mut raw = walk(300);
    for frame in &mut raw.frames {
        let late = if frame.number % 10 == 0 { 4_000_000 } else { 0 };
        frame.capture_nanos = Some(40_000_000 * frame.number as i64 + late);
    }
    raw.frames[200].capture_nanos = raw.frames[199].capture_nanos;
    let report = PoseReport::of(&raw, Some(30.0));
    let measured = report.rate.measured.unwrap();
    assert_eq!((measured.median_hz, measured.backwards), (25.0, 1));
    assert!((measured.jitter_millis - 4.0).abs() < 1e-6, "{measured:?}");
    let text = pose_text(&report);
    assert!(text.contains("the rate is stated as 30 Hz, but frames come at 25 Hz"), "{text}");
    assert!(text.contains("1 frame not captured after the one before"), "{text}");
    assert_eq!(PoseReport::of(&raw, None).duration_secs, Some(12.0));
}

#[test]
fn a_swap_of_names_is_suspected() {
    let mut raw = walk(600);
    exchange(&mut raw, 300);
    raw.stated.body_length_px = Some(80.0);
    let report = PoseReport::of(&raw, Some(RATE_HZ));
    assert_eq!(report.swaps.scale, Some(Scale::Stated(80.0)));
    let found: Vec<_> = report.swaps.suspected.iter().map(|swap| (swap.frame, swap.first, swap.second)).collect();
    assert_eq!(found, [(300, 0, 1)]);
    assert!(pose_text(&report).contains("1 suspected swap of identities, at frames 300"));
    raw.individuals.truncate(1);
    assert_eq!(PoseReport::of(&raw, None).swaps.scale, None);
}

#[test]
fn the_body_length_needs_a_skeleton() {
    let mut raw = walk(100);
    assert_eq!(PoseReport::of(&raw, None).body_length_px, None);
    let skeleton = "name = \"m\"\nkeypoints = [\"neck\", \"nose\", \"tail\"]\nfront = \"nose\"\ncentre = \"neck\"\n\
        rear = \"tail\"\nedges = []\n";
    raw.stated.skeleton = Some(toml::from_str(skeleton).unwrap());
    let report = PoseReport::of(&raw, None);
    assert_eq!(report.body_length_px, Some(Quantiles { count: 200, p05: 80.0, p50: 80.0, p95: 80.0 }));
    assert_eq!(report.swaps.scale, Some(Scale::BodyAxis(80.0)));
}

/// Share of injected swaps that are found within a second.
fn recall(raw: &RawRecording, every: usize) -> f64 {
    let mut changed = raw.clone();
    let at: Vec<usize> = (every..raw.frames.len() - 30).step_by(every).collect();
    for &from in &at {
        exchange(&mut changed, from);
    }
    let found = PoseReport::of(&changed, Some(RATE_HZ)).swaps.suspected;
    let is_found = |from: &&usize| {
        let number = raw.frames[**from].number;
        found.iter().any(|swap| (number..number + 30).contains(&swap.frame))
    };
    at.iter().filter(is_found).count() as f64 / at.len() as f64
}

#[test]
fn real_tracks_are_described_and_injected_swaps_found() {
    let Some(dir) = testing::corpus_dir("rat-dyads") else { return };
    let rats = dir.join("poses/2DLC_dlcrnetms5_DLC_ratJan24shuffle1_5000_el_filtered.csv.gz");
    let raw = deeplabcut_csv::read(&rats, deeplabcut_csv::CONFIDENCE_MIN).unwrap();
    let report = PoseReport::of(&raw, Some(RATE_HZ));
    assert_eq!((report.frames.count, report.individuals.len(), report.keypoints.len()), (15_060, 2, 5));
    assert!((report.visibility.all_seen - 0.579).abs() < 1e-3);
    assert_eq!(report.visibility.animals[1].absences.longest, Some(0..525));
    assert!(report.faults.frozen.iter().all(|frozen| frozen.count == 0));
    assert!(recall(&raw, 450) > 0.8, "{}", recall(&raw, 450));
}

#[test]
fn clean_tracks_raise_no_alarm() {
    let Some(dir) = testing::corpus_dir("mouse-dyad") else { return };
    let mice = dir.join("e3v813a-20210610T122332-122642DLC_dlcrnetms5_pilot_studySep24shuffle1_100000_el_filtered.csv");
    let raw = deeplabcut_csv::read(&mice, deeplabcut_csv::CONFIDENCE_MIN).unwrap();
    assert_eq!(PoseReport::of(&raw, Some(RATE_HZ)).swaps.suspected, []);
    assert!(recall(&raw, 100) > 0.95, "{}", recall(&raw, 100));
}

fn any_coordinate() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0), Just(5.0), -1e6_f32..1e6, Just(f32::NAN), Just(f32::INFINITY)]
}

fn any_raw() -> impl Strategy<Value = RawRecording> {
    let point = (any_coordinate(), any_coordinate(), 0.0_f32..1.0);
    let frame = (0_u64..5, proptest::option::of(any::<i64>()), proptest::collection::vec(point, 0..40));
    let names = |most: usize| proptest::collection::vec(".{0,30}", 0..most);
    let rates = (proptest::option::of(any::<f64>()), proptest::option::of(any::<f64>()));
    (names(10), names(5), proptest::collection::vec(frame, 0..60), rates).prop_map(
        |(individuals, keypoints, frames, rates)| {
            let mut number = 0;
            let frame = |(step, capture_nanos, points): (u64, _, Vec<_>)| {
                number += step;
                let observed = |(x, y, confidence)| Keypoint::observed(x, y, confidence, 0.1);
                Frame { number, capture_nanos, keypoints: points.into_iter().map(observed).collect() }
            };
            let stated = Sidecar { rate_hz: rates.0, body_length_px: rates.1, ..Sidecar::default() };
            let frames = frames.into_iter().map(frame).collect();
            RawRecording { individuals, keypoints, frames, stated, ..RawRecording::default() }
        },
    )
}

proptest! {
    #[test]
    fn whatever_a_file_holds_is_described(raw in any_raw(), rate_hz in proptest::option::of(0.0..1000.0)) {
        let report = PoseReport::of(&raw, rate_hz);
        let visibility = &report.visibility;
        let shares = visibility.animals.iter().flat_map(|animal| [animal.missing, animal.unseen]);
        for share in shares.chain([visibility.all_seen, visibility.none_seen]).chain(visibility.missing.iter().flatten().copied()) {
            prop_assert!((0.0..=1.0).contains(&share), "{}", share);
        }
        for text in [pose_text(&report), pose_table(std::slice::from_ref(&report))] {
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
            for line in text.lines() {
                prop_assert!(line.chars().all(|char| !char.is_control()) && !line.ends_with(' '), "{:?}", line);
            }
        }
    }
}
