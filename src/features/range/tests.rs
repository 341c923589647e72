use super::*;
use crate::poses::Keypoint;
use crate::skeleton::Skeleton;

pub(super) fn skeleton() -> Skeleton {
    toml::from_str(
        r#"
        name = "mouse-4"
        keypoints = ["nose", "neck", "rump", "tail"]
        front = "nose"
        centre = "neck"
        rear = "rump"
        edges = [["nose", "neck"], ["neck", "rump"], ["rump", "tail"]]
        "#,
    )
    .unwrap()
}

/// Along the body axis, in body lengths.
const PLACES: [f32; 4] = [0.4, 0.0, -0.6, -1.1];

/// Long enough to fill the long horizon of every quantity.
const TICKS: usize = 6 * WINDOW_TICKS;

/// Two animals that walk in circles of one and of two body lengths, nose ahead, and rest every other four seconds; the
/// tracker trembles a little.
fn walk(ticks: usize, seed: u64) -> Vec<Vec<Keypoint>> {
    let mut state = seed;
    let mut tremble = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) as f32 / (1_u64 << 31) as f32 - 0.5) * 0.002
    };
    let mut angle = seed as f32;
    let tick = |tick: usize| {
        angle += if (tick / 120).is_multiple_of(2) { 0.05 } else { 0.0 };
        let animal = |radius: f32| {
            let (sin, cos) = (angle / radius).sin_cos();
            PLACES.map(|place| [radius * cos - place * sin, radius * sin + place * cos])
        };
        let points = [animal(1.0), animal(2.0)].concat();
        let keypoint = |[x, y]: [f32; 2]| Keypoint { x: 5.0 + x + tremble(), y: 5.0 + y + tremble(), confidence: 1.0 };
        points.into_iter().map(keypoint).collect()
    };
    (0..ticks).map(tick).collect()
}

fn trained() -> InputRange {
    trained_with_noise(0.0)
}

fn trained_with_noise(noise: f32) -> InputRange {
    let mut builder = RangeBuilder::new(noise);
    for seed in 1..=4 {
        builder.add_recording(&skeleton(), 2, walk(TICKS, seed).iter().map(Vec::as_slice));
    }
    builder.finish()
}

fn watched(ticks: &[Vec<Keypoint>]) -> RangeWatch {
    let mut watch = RangeWatch::new(&trained(), &skeleton(), 2);
    for points in ticks {
        watch.tick(points);
    }
    watch
}

fn outside(ticks: &[Vec<Keypoint>]) -> Vec<(Quantity, Option<String>)> {
    watched(ticks).outside().map(|outside| (outside.quantity, outside.part.map(str::to_owned))).collect()
}

fn changed(change: impl Fn(usize, &mut Vec<Keypoint>)) -> Vec<(Quantity, Option<String>)> {
    let mut ticks = walk(TICKS, 9);
    for (tick, points) in ticks.iter_mut().enumerate() {
        change(tick, points);
    }
    outside(&ticks)
}

#[test]
fn another_recording_of_the_same_kind_is_in_range_at_every_tick() {
    let mut watch = RangeWatch::new(&trained(), &skeleton(), 2);
    for points in walk(2 * TICKS, 9) {
        watch.tick(&points);
        assert_eq!(watch.outside().next(), None);
    }
}

#[test]
fn a_wrong_scale_is_told_by_the_lengths() {
    for factor in [0.5, 0.7, 1.4, 2.0] {
        let found = changed(|_, points| points.iter_mut().for_each(|point| *point = point.scaled(factor)));
        assert!(found.contains(&(Quantity::BodyLength, None)), "{factor} {found:?}");
    }
}

#[test]
fn a_lost_part_is_named() {
    let found = changed(|_, points| (points[3], points[7]) = (Keypoint::MISSING, Keypoint::MISSING));
    assert_eq!(found, [(Quantity::Missing, None), (Quantity::PartMissing, Some("tail".into()))]);
}

#[test]
fn noise_is_told_unless_training_added_as_much() {
    let mut quiet = RangeWatch::new(&trained(), &skeleton(), 2);
    let mut noisy = RangeWatch::new(&trained_with_noise(0.03), &skeleton(), 2);
    for (tick, mut points) in walk(TICKS, 9).into_iter().enumerate() {
        let off = if tick.is_multiple_of(2) { 0.01 } else { -0.01 };
        for point in &mut points {
            point.x += off;
        }
        quiet.tick(&points);
        noisy.tick(&points);
    }
    assert_eq!(quiet.outside().map(|outside| outside.quantity).collect::<Vec<_>>(), [Quantity::Jitter]);
    assert_eq!(noisy.outside().next(), None);
}

#[test]
fn exchanged_ends_go_backwards() {
    let found = changed(|_, points| points.chunks_exact_mut(4).for_each(|animal| animal.swap(0, 2)));
    assert!(found.contains(&(Quantity::Forward, None)), "{found:?}");
}

#[test]
fn a_tracker_that_hangs_on_one_animal_is_told_with_the_animal() {
    let mut ticks = walk(TICKS, 9);
    let hung = ticks[0][4..].to_vec();
    for points in &mut ticks {
        points[4..].copy_from_slice(&hung);
    }
    let watch = watched(&ticks);
    let told: Vec<_> = watch.outside().filter(|outside| outside.quantity == Quantity::Standstill).collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].individual, told[0].got), (Some(Individual(1)), 1.0));
}

#[test]
fn animals_that_rest_or_huddle_or_are_away_are_in_range() {
    let asleep = changed(|tick, points| {
        let tremble = if tick.is_multiple_of(2) { 0.0003 } else { -0.0003 };
        for (index, point) in points.iter_mut().enumerate() {
            let side = if index < 4 { 0.0 } else { 0.3 };
            *point = Keypoint { x: PLACES[index % 4] + tremble, y: side, confidence: 1.0 };
        }
    });
    assert_eq!(asleep, []);
    let away = changed(|_, points| points.fill(Keypoint::MISSING));
    assert_eq!(away, []);
}

#[test]
fn nothing_is_said_before_a_window_is_full_nor_after_all_animals_left() {
    let small: Vec<Vec<Keypoint>> =
        walk(TICKS, 9).iter().map(|points| points.iter().map(|point| point.scaled(0.3)).collect()).collect();
    let mut watch = RangeWatch::new(&trained(), &skeleton(), 2);
    let mut first = None;
    for (tick, points) in small.iter().enumerate() {
        watch.tick(points);
        first = first.or(watch.outside().next().map(|_| tick));
    }
    // Each gauge has its turn within as many ticks as there are gauges.
    let first = first.unwrap();
    assert!((WINDOW_TICKS - 1..WINDOW_TICKS + 32).contains(&first), "{first}");
    assert_ne!(watch.outside().next(), None);
    for _ in 0..WINDOW_TICKS {
        watch.tick(&[Keypoint::MISSING; 8]);
    }
    assert_eq!(watch.outside().next(), None);
    for points in &small[..100] {
        watch.tick(points);
        assert_eq!(watch.outside().next(), None, "everything starts anew");
    }
}

#[test]
fn nothing_is_said_about_what_is_not_observed_any_more() {
    let told = |watch: &RangeWatch| watch.outside().map(|outside| outside.quantity).collect::<Vec<_>>();
    let large = |points: &Vec<Keypoint>| points.iter().map(|point| point.scaled(3.0)).collect::<Vec<_>>();
    let mut ticks: Vec<Vec<Keypoint>> = walk(TICKS, 9).iter().map(large).collect();
    let mut watch = watched(&ticks);
    assert!(told(&watch).contains(&Quantity::Distance));
    for points in &mut ticks[..WINDOW_TICKS] {
        points[4..].fill(Keypoint::MISSING);
        watch.tick(points);
    }
    assert!(!told(&watch).contains(&Quantity::Distance) && told(&watch).contains(&Quantity::BodyLength));
}

#[test]
fn the_centre_has_no_distance_from_itself() {
    let range = trained();
    assert!(range.entry(Quantity::PartReach, Some("nose")).is_some());
    assert_eq!(range.entry(Quantity::PartReach, Some("neck")), None);
}

#[test]
fn a_fault_that_ends_is_forgotten() {
    let half = |points: &Vec<Keypoint>| points.iter().map(|point| point.scaled(0.5)).collect();
    let (good, bad) = (walk(TICKS, 9), walk(TICKS, 8).iter().map(half).collect::<Vec<_>>());
    assert_ne!(outside(&[good.clone(), bad.clone()].concat()), []);
    assert_eq!(outside(&[bad, good].concat()), []);
}

#[test]
fn a_range_reads_as_it_was_written_and_bad_ones_are_refused() {
    let range = trained();
    let text = toml::to_string_pretty(&range).unwrap();
    assert_eq!(toml::from_str::<InputRange>(&text).unwrap(), range);
    let read = |quantities: &str| toml::from_str::<InputRange>(quantities).map_err(|error| error.to_string());
    let length = "[[quantities]]\nquantity = \"body-length\"\n";
    for (text, complaint) in [
        ("version = 0\nquantities = []".to_owned(), "version"),
        (format!("version = 1\n{length}part = \"nose\""), "no part"),
        (format!("version = 1\n{length}{length}"), "twice"),
        (format!("version = 1\n{length}short = {{ low = 2.0, high = 1.0 }}"), "at most the high one"),
        (format!("version = 1\n{length}short = {{ low = nan }}"), "0 or more"),
        ("version = 1\n[[quantities]]\nquantity = \"part-reach\"".to_owned(), "a part"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(complaint), "{text}: {error}");
    }
}

#[test]
fn what_is_outside_reads_as_a_line() {
    let outside = Outside {
        quantity: Quantity::PartMissing,
        part: Some("nose"),
        individual: None,
        got: 1.0,
        expected: Limits { low: None, high: Some(0.6) },
    };
    assert_eq!(outside.to_string(), "nose: missing: 1.00 of the time, expected 0.60 or less");
    assert!((outside.times() - 1.667).abs() < 0.001);
}

#[test]
fn ticks_without_points_of_known_names_say_nothing_of_them() {
    let stranger: Skeleton =
        toml::from_str(&toml::to_string(&skeleton()).unwrap().replace("\"tail\"", "\"tip\"")).unwrap();
    let mut watch = RangeWatch::new(&trained(), &stranger, 2);
    for mut points in walk(TICKS, 9) {
        (points[3], points[7]) = (Keypoint::MISSING, Keypoint::MISSING);
        watch.tick(&points);
    }
    assert!(watch.outside().all(|outside| outside.part.is_none()));
}
