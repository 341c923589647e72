#![allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]

use super::*;
use crate::behavior::{Behavior, BehaviorSpec, Bout, Cell, Individual, Kind, LabelSet, Subject};
use crate::corpus::{Recording, SetLabels};
use crate::poses::{Frame, Keypoint};
use crate::skeleton::Skeleton;
use crate::stream::{Origin, StreamDescription};

const BODY_LENGTH_PX: f64 = 50.0;

/// Front, centre and rear of each of two animals, in body lengths.
type Axes = [[[f64; 2]; 3]; 2];

fn recording(rate_hz: f64, secs: f64, at: impl Fn(f64) -> Axes) -> Recording {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let skeleton = Skeleton::new("s", names(&["f", "c", "r"]), ("f", "c", "r"), Vec::new()).unwrap();
    let stream =
        StreamDescription::new(skeleton, names(&["a", "b"]), rate_hz, BODY_LENGTH_PX, None, Origin::Replay).unwrap();
    let point = |[x, y]: [f64; 2]| {
        // Away from the origin, which means missing.
        let px = |place: f64| ((place + 20.0) * BODY_LENGTH_PX) as f32;
        Keypoint::observed(px(x), px(y), 1.0, 0.1)
    };
    let frame = |number: u64| Frame {
        number: 7 + number,
        capture_nanos: None,
        keypoints: at(number as f64 / rate_hz).into_iter().flatten().map(point).collect(),
    };
    let frames = (0..(secs * rate_hz) as u64).map(frame).collect();
    Recording { name: "made".to_owned(), stream, frames, video_start_nanos: None }
}

fn measured(recording: Recording) -> Measures {
    let mut measures = Measures::new();
    measures.add(&unlabelled(recording), &Ethogram::new(Vec::new()));
    measures
}

fn unlabelled(recording: Recording) -> Annotated {
    Annotated { recording, labels: Vec::new(), numbers: vec![1, 2], repairs: Vec::new() }
}

/// An animal of one body length, straight.
fn straight([x, y]: [f64; 2], degrees: f64) -> [[f64; 2]; 3] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    [[x + cos / 2.0, y + sin / 2.0], [x, y], [x - cos / 2.0, y - sin / 2.0]]
}

/// Within a bin, which is 2 % wide on a logarithmic scale.
#[track_caller]
fn assert_quantile(measures: &Measures, quantity: Quantity, share: f64, expected: f64) {
    let got = measures.distribution(quantity).quantile(share).unwrap();
    let scale = quantity.scale();
    let bin = (scale.high - scale.low) / scale.bins as f64;
    let tolerance = if scale.is_log { expected.abs() * 0.022 } else { bin + 1e-3 };
    assert!((got - expected).abs() <= tolerance, "{quantity:?} at {share}: expected {expected}, got {got}");
}

#[test]
fn a_run_past_one_that_sits_is_measured_as_it_is() {
    // One runs 1.5 body lengths a second towards another that sits 18 ahead, its body bent by a right angle.
    let sitting = [[18.5, 0.0], [18.0, 0.0], [18.0, 0.5]];
    let measures = measured(recording(30.0, 10.0, |secs| [straight([1.5 * secs, 0.0], 0.0), sitting]));
    let steps = 300 / 6;
    assert_eq!(measures.distribution(Quantity::Speed).count(), 2 * (steps - 1));
    assert_eq!(measures.distribution(Quantity::Acceleration).count(), 2 * (steps - 2));
    assert_quantile(&measures, Quantity::Speed, 0.75, 1.5);
    assert_eq!(measures.distribution(Quantity::Speed).beyond(), (steps - 1, 0), "the one that sits");
    assert_eq!(measures.share(Share::Still), Some(0.5));
    assert_quantile(&measures, Quantity::Approach, 0.25, 0.0);
    assert_quantile(&measures, Quantity::Approach, 0.75, 1.5);
    assert_quantile(&measures, Quantity::Bend, 0.25, 0.0);
    assert_quantile(&measures, Quantity::Bend, 0.75, 90.0);
    assert_quantile(&measures, Quantity::BodyLength, 0.25, 0.5_f64.sqrt());
    assert_quantile(&measures, Quantity::BodyLength, 0.75, 1.0);
    // From 18 down to 3.3 at the last step, evenly.
    assert_quantile(&measures, Quantity::CentreDistance, 0.5, 10.5);
    assert_quantile(&measures, Quantity::CentreDistance, 0.0, 3.3);
    // The runner looks at the other; the other, along its axis from rear to front, away by 135°.
    assert_quantile(&measures, Quantity::Facing, 0.25, 0.0);
    assert_quantile(&measures, Quantity::Facing, 0.75, 135.0);
    assert_quantile(&measures, Quantity::FrontDistance, 0.001, 2.8);
    assert_eq!(measures.share(Share::Contact), Some(0.0));
    assert_eq!(measures.share(Share::PointsMissing), Some(0.0));
    assert_eq!(measures.distribution(Quantity::GapLength).count(), 0);
    assert_eq!((measures.recordings(), measures.frames(), measures.secs()), (1, 300, 10.0));
}

#[test]
fn turns_and_changes_of_speed_are_measured_as_they_are() {
    // From a stand 0.4 body lengths a second squared, turning by 40° a second, through ±180° too.
    let speeding = |secs: f64| straight([0.2 * secs * secs, 0.0], 40.0 * secs);
    let measures = measured(recording(60.0, 12.0, |secs| [speeding(secs), speeding(secs).map(|[x, y]| [x, y + 0.4])]));
    for share in [0.05, 0.5, 0.95] {
        assert_quantile(&measures, Quantity::Turning, share, 40.0);
    }
    assert_quantile(&measures, Quantity::Acceleration, 0.5, 0.4);
    assert_quantile(&measures, Quantity::CentreDistance, 0.5, 0.4);
    assert_eq!(measures.share(Share::Contact), Some(1.0));
    assert_quantile(&measures, Quantity::Approach, 0.5, 0.0);
}

/// Runs, stands and turns of two animals that come and go, without end.
fn lively(secs: f64) -> Axes {
    let place = |phase: f64| {
        let t = secs + phase;
        [3.0 * (0.31 * t).sin() + (1.7 * t).sin(), 2.0 * (0.47 * t).cos() + 0.6 * (2.3 * t).sin()]
    };
    let degrees = |phase: f64| 200.0 * (0.2 * (secs + phase)).sin() + 40.0 * (1.1 * (secs + phase)).cos();
    let mut axes = [straight(place(0.0), degrees(0.0)), straight(place(41.3), degrees(17.0))];
    for (axis, phase) in axes.iter_mut().zip([0.0, 9.0]) {
        axis[0][1] += 0.2 * (0.9 * secs + phase).sin();
    }
    axes
}

#[test]
fn the_frame_rate_makes_no_difference() {
    let [slow, usual, fast] = [25.0, 30.0, 120.0].map(|rate_hz| measured(recording(rate_hz, 600.0, lively)));
    for quantity in Quantity::ALL.into_iter().filter(|quantity| quantity.stage() <= Stage::Pair) {
        for other in [&slow, &fast] {
            let (expected, got) = (usual.distribution(quantity), other.distribution(quantity));
            assert!(expected.count() > 2900 && expected.count().abs_diff(got.count()) < 5, "{quantity:?}");
            let distance = got.distance(expected).unwrap();
            assert!(distance < 0.01, "{quantity:?}: {distance}");
        }
    }
    // A step of two frames lasts 0.1818 s at 11 Hz.
    let odd = measured(recording(11.0, 600.0, lively));
    let distance = odd.distribution(Quantity::Speed).distance(usual.distribution(Quantity::Speed)).unwrap();
    assert!(distance < 0.02, "{distance}");
    for (share, expected) in [(Share::Still, usual.share(Share::Still)), (Share::Contact, usual.share(Share::Contact))]
    {
        let (expected, got) = (expected.unwrap(), fast.share(share).unwrap());
        assert!(expected > 0.0 && (expected - got).abs() < 0.002, "{share:?}: expected {expected}, got {got}");
    }
}

#[test]
fn jitter_makes_a_still_animal_as_fast_as_the_documentation_says() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let mut recording = recording(30.0, 2000.0, |_| [straight([0.0, 0.0], 0.0), straight([5.0, 0.0], 90.0)]);
    let mut random = StdRng::seed_from_u64(1);
    let (sigma, px) = (0.01, BODY_LENGTH_PX as f32);
    for keypoint in recording.frames.iter_mut().flat_map(|frame| &mut frame.keypoints) {
        // Twelve even ones make a normal one.
        let mut normal = || (0..12).map(|_| random.random::<f32>() - 0.5).sum::<f32>() * sigma * px;
        (keypoint.x, keypoint.y) = (keypoint.x + normal(), keypoint.y + normal());
    }
    let measures = measured(recording);
    let sigma = f64::from(sigma);
    for (quantity, factor) in [(Quantity::Speed, 8.3), (Quantity::Acceleration, 72.0), (Quantity::Turning, 387.0)] {
        let (expected, got) = (factor * sigma, measures.distribution(quantity).quantile(0.5).unwrap());
        assert!((got / expected - 1.0).abs() < 0.03, "{quantity:?}: expected {expected}, got {got}");
    }
}

#[test]
fn what_is_missing_is_skipped_and_never_bridged() {
    // It jumps by 10 body lengths while it is not seen, and again while no frame is there.
    let at = |secs: f64| f64::from(u8::from(secs >= 4.0)) * 10.0 + f64::from(u8::from(secs >= 8.0)) * 5.0;
    let mut recording = recording(30.0, 12.0, |secs| [straight([at(secs), 0.0], 0.0), straight([0.0, 3.0], 0.0)]);
    for frame in &mut recording.frames[111..126] {
        frame.keypoints[1] = Keypoint::MISSING;
    }
    recording.frames.drain(240..246);
    let seen = recording.frames.len() as u64;
    let measures = measured(recording);
    let speeds = measures.distribution(Quantity::Speed);
    // Of 60 moments 1 is lost with its frame, and 2 to 3 with the centre: 114, 120 and 126 no more.
    assert_eq!(speeds.count(), (59 - 2) + (59 - 2 - 3));
    assert_eq!(speeds.beyond(), (speeds.count(), 0), "nobody ever moved");
    assert_eq!(measures.distribution(Quantity::Acceleration).count(), (38 + 17) + (17 + 17 + 17));
    assert_eq!(measures.share(Share::Still), Some(1.0));
    assert_eq!(measures.share(Share::PointsMissing), Some(15.0 / (6 * seen) as f64));
    assert_eq!(measures.share(Share::AnimalsUnseen), Some(0.0));
    // 15 frames of one point, 6 of all six.
    let gaps = measures.distribution(Quantity::GapLength);
    assert_eq!(gaps.count(), 7);
    assert_quantile(&measures, Quantity::GapLength, 0.5, 0.2);
    assert_quantile(&measures, Quantity::GapLength, 1.0, 0.5);
    // Without a centre there is an axis, which has its length and its turning.
    assert_eq!(measures.distribution(Quantity::BodyLength).count(), 2 * 59);
    assert_eq!(measures.distribution(Quantity::Bend).count(), 59 + 57);
}

fn directed(agent: u8, target: u8) -> Subject {
    Subject::Ordered { agent: Individual(agent), target: Individual(target) }
}

fn ethogram(sets: &[(&str, &[&str])]) -> Ethogram {
    let spec = |name: &&str| BehaviorSpec { name: (*name).to_owned(), kind: Kind::Directed };
    let set = |(name, behaviors): &(&str, &[&str])| LabelSet {
        name: (*name).to_owned(),
        behaviors: behaviors.iter().map(spec).collect(),
    };
    Ethogram::new(sets.iter().map(set).collect())
}

/// 100 s at 25 Hz of which frames 7 to 2007 are scored, by two label sets that both know sniffing.
fn labelled() -> (Annotated, Ethogram) {
    let bout = |behavior: u16, subject: Subject, start: u64, stop: u64| Bout {
        cell: Cell { behavior: Behavior(behavior), subject },
        start,
        stop,
    };
    let cells = |behaviors: &[u16], subjects: &[Subject]| {
        let cell = |behavior: &u16, subject: &Subject| Cell { behavior: Behavior(*behavior), subject: *subject };
        behaviors.iter().flat_map(|behavior| subjects.iter().map(move |subject| cell(behavior, subject))).collect()
    };
    let (ab, ba) = (directed(0, 1), directed(1, 0));
    let first = SetLabels {
        scored: vec![7..1007, 1007..2007],
        annotated: cells(&[0, 1], &[ab, ba]),
        bouts: vec![
            bout(0, ab, 107, 157),
            // 2 s after the sniff of the same agent: it follows. The other's does not.
            bout(1, ab, 207, 232),
            bout(1, ba, 207, 232),
            // More than 2 s after the chase.
            bout(0, ab, 283, 333),
            // At once.
            bout(1, ab, 333, 358),
            // Reaches 50 frames beyond the scored ones, and one begins there.
            bout(1, ba, 1957, 2057),
            bout(0, ab, 2010, 2100),
            // No frame, nobody's behavior, nobody's cell.
            bout(0, ab, 300, 300),
            bout(9, ab, 300, 310),
            bout(0, Subject::One(Individual(0)), 300, 310),
        ],
    };
    let second = SetLabels { scored: vec![7..1007], annotated: cells(&[2], &[ab]), bouts: vec![bout(2, ab, 507, 607)] };
    let recording = recording(25.0, 100.0, lively);
    let annotated = Annotated { labels: vec![first, second], ..unlabelled(recording) };
    (annotated, ethogram(&[("one", &["sniff", "chase"]), ("other", &["sniff"])]))
}

#[test]
fn bouts_count_where_somebody_looked() {
    let (annotated, ethogram) = labelled();
    let mut measures = Measures::new();
    measures.add(&annotated, &ethogram);
    assert_eq!(measures.behaviors().map(|(name, _)| name).collect::<Vec<_>>(), ["chase", "sniff"]);
    // Two ordered pairs for 80 s, and one for 40 s.
    let sniff = measures.behavior("sniff").unwrap();
    assert_eq!((sniff.bouts, sniff.labelled_secs, sniff.active_secs), (3, 200.0, 8.0));
    assert_eq!((sniff.bouts_per_hour(), sniff.time_share()), (Some(54.0), Some(0.04)));
    let quantiles = [0.1, 0.6, 0.9].map(|share| sniff.lengths.quantile(share).unwrap());
    assert!(
        quantiles.iter().zip([2.0, 2.0, 4.0]).all(|(got, expected)| (got / expected - 1.0).abs() < 0.02),
        "{quantiles:?}"
    );
    let chase = measures.behavior("chase").unwrap();
    assert_eq!((chase.bouts, chase.labelled_secs, chase.active_secs), (4, 160.0, 5.0));
    // A bout that goes on where nobody scores has its whole length.
    assert!((chase.lengths.quantile(0.9).unwrap() / 4.0 - 1.0).abs() < 0.02);
    assert_eq!(measures.distribution(Quantity::BoutLength).count(), 7);
    assert_eq!(measures.transitions().collect::<Vec<_>>(), [("sniff", "chase", 2)]);
    assert_eq!(measures.transition("sniff", "chase"), Some(2.0 / 3.0));
    assert_eq!((measures.transition("chase", "sniff"), measures.transition("rear", "sniff")), (Some(0.0), None));
}

#[test]
fn distances_are_0_to_itself_and_1_to_what_is_disjoint() {
    let lively = measured(recording(30.0, 60.0, lively));
    let apart =
        measured(recording(30.0, 60.0, |secs| [straight([9.0 * secs - 900.0, 0.0], 0.0), straight([0.0, 0.0], 0.0)]));
    for quantity in Quantity::ALL {
        let own = lively.distribution(quantity);
        assert_eq!(own.distance(own), (own.count() > 0).then_some(0.0), "{quantity:?}");
    }
    let distance = |quantity| lively.distribution(quantity).distance(apart.distribution(quantity));
    assert_eq!(distance(Quantity::CentreDistance), Some(1.0));
    assert_eq!(distance(Quantity::BoutLength), None);
    assert_eq!(lively.distribution(Quantity::Bend).distance(lively.distribution(Quantity::Speed)), None);

    // Of 4 values 1 lies below 2 of 2: at most 3 quarters apart.
    let histogram = |values: &[f64]| {
        let mut histogram = Histogram::new(Scale { low: 0.0, high: 10.0, bins: 100, is_log: false });
        for value in values {
            histogram.add(*value);
        }
        histogram
    };
    let (four, two) = (histogram(&[1.0, 5.0, 6.0, 7.0]), histogram(&[2.0, 3.0]));
    assert_eq!((four.distance(&two), two.distance(&four)), (Some(0.75), Some(0.75)));
    assert_eq!(histogram(&[-5.0, 2.0]).distance(&histogram(&[2.0, 11.0])), Some(0.5));
    assert_eq!(histogram(&[-5.0]).distance(&histogram(&[0.05])), Some(1.0));
    assert_eq!(histogram(&[f64::NAN, f64::INFINITY]).count(), 0);
    assert_eq!(histogram(&[10.0]).beyond(), (0, 0), "the end of the scale belongs to it");
    assert_eq!([0.0, 0.9].map(|share| histogram(&[-5.0, 20.0]).quantile(share)), [Some(0.0), Some(10.0)]);
    for columns in [1, 7, 100, 333] {
        let shares = four.columns(&(0.0..1.0), columns);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
    }
    assert_eq!(four.columns(&(0.3..0.65), 1).len(), 1);
    assert!((four.columns(&(0.3..0.65), 1)[0] - 0.5).abs() < 1e-9);
}

#[test]
fn every_second_recording_is_held_against_the_others() {
    let mut measures = Measures::new();
    let empty = Ethogram::new(Vec::new());
    let (near, far) = (
        |_: f64| [straight([1.0, 0.0], 0.0), straight([0.0, 0.0], 0.0)],
        |_: f64| [straight([0.0, 0.0], 0.0), straight([5.0, 0.0], 0.0)],
    );
    measures.add(&unlabelled(recording(30.0, 5.0, near)), &empty);
    assert_eq!(measures.distance_within(Quantity::CentreDistance), None);
    measures.add(&unlabelled(recording(30.0, 5.0, far)), &empty);
    assert_eq!(measures.distance_within(Quantity::CentreDistance), Some(1.0));
    assert_eq!(measures.distance_within(Quantity::BodyLength), Some(0.0));
    // Of both halves one is in contact, as the second animal's front lies at the first one's rear.
    assert_eq!(measures.share_distance_within(Share::Contact), Some(1.0));
    assert_eq!((measures.share(Share::Contact), measures.recordings()), (Some(0.5), 2));
}

#[test]
fn a_table_says_what_both_sides_hold() {
    let (annotated, ethogram) = labelled();
    let (mut real, mut simulated) = (Measures::new(), Measures::new());
    real.add(&annotated, &ethogram);
    let mut fewer = annotated.clone();
    fewer.labels[0].bouts.retain(|bout| bout.cell.behavior == Behavior(0));
    simulated.add(&fewer, &ethogram);
    simulated.add(&fewer, &self::ethogram(&[("one", &["sniff", "rear\u{1b}[31m"])]));
    let table = text(&[("rats", &real), ("made\nup", &simulated)]);
    let row = |name: &str| {
        let row = table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in\n{table}"));
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("rats"), "rats 1 2,500 0.028");
    assert_eq!(row("made?up"), "made?up 2 5,000 0.056");
    assert_eq!(row("One animal"), "One animal unit 5 % 50 % 95 % 5 % 50 % 95 % KS within");
    // Both sides hold the same poses.
    assert!(row("speed").ends_with(" 0.00 0.00"), "{table}");
    assert_eq!(row("points missing"), "points missing share 0% 0% 0.00 0.00");
    assert_eq!(row("gaps of a keypoint"), "gaps of a keypoint s - - - - - - - -");
    assert_eq!(row("sniff    "), "sniff rats 3 54.0 4.0% 1.97 2.00 4.01 -");
    assert_eq!(row("chase   "), "chase rats 4 90.0 3.1% 0.987 1.00 4.00 -");
    assert_eq!(row("Only in rats"), "Only in rats, looked for elsewhere and never seen: chase");
    assert_eq!(row("sniff     chase"), "sniff chase 66.7% 0%");
    assert!(table.lines().all(|line| line.chars().count() <= 107 && line == line.trim_end()), "{table}");
    assert!(!table.contains('\u{1b}') && table.contains("rear?[31m"), "{table}");
    let swapped = text(&[("a", &simulated), ("b", &real), ("c", &Measures::new())]);
    assert!(swapped.contains("KS b") && swapped.contains("Only in b,"), "{swapped}");
}

#[test]
fn nothing_and_nonsense_are_no_trouble() {
    let empty = Measures::new();
    assert_eq!((empty.share(Share::Still), empty.distance_within(Quantity::Speed)), (None, None));
    let mut odd = Measures::new();
    let ethogram = ethogram(&[("one", &["sniff"])]);
    let made = recording(30.0, 3.0, lively);
    let numbered = |numbers: &[u64], points: usize| {
        let frame = |number: &u64| Frame {
            number: *number,
            capture_nanos: None,
            keypoints: made.frames[0].keypoints[..points].to_vec(),
        };
        unlabelled(Recording { frames: numbers.iter().map(frame).collect(), ..made.clone() })
    };
    for (numbers, points) in
        [(&[][..], 6), (&[5][..], 6), (&[9, 3, 3, 4][..], 6), (&[0, u64::MAX][..], 6), (&[0, 6][..], 4)]
    {
        let labels = SetLabels {
            scored: vec![0..u64::MAX, 5..5],
            annotated: vec![Cell { behavior: Behavior(0), subject: directed(0, 1) }],
            bouts: vec![Bout {
                cell: Cell { behavior: Behavior(0), subject: directed(0, 1) },
                start: 1,
                stop: u64::MAX,
            }],
        };
        odd.add(&Annotated { labels: vec![labels, SetLabels::default()], ..numbered(numbers, points) }, &ethogram);
    }
    assert_eq!((odd.recordings(), odd.frames()), (5, 9));
    // The numbers 3, 3 and 4 come after 9; the pair of frames with too few points moves as far as those go.
    assert_eq!(odd.distribution(Quantity::BodyLength).count(), 2 + 2 + 2 + 2);
    assert_eq!(odd.distribution(Quantity::Speed).count(), 1);
    let many: Vec<(&str, &Measures)> = vec![("x", &odd); 9];
    for sides in
        [&[][..], &[("none", &empty)], &[("none", &empty), ("none", &empty)], &[("a & <b>", &odd), ("", &empty)], &many]
    {
        assert!(!text(sides).contains("NaN"));
        let svg = figure(sides);
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<b>"), "{svg}");
        assert_eq!(svg.contains("not drawn: 3 more sides"), sides.len() == 9);
    }
}

#[test]
fn a_figure_shows_every_quantity_and_behavior() {
    let (annotated, ethogram) = labelled();
    let (mut real, mut simulated) = (Measures::new(), Measures::new());
    real.add(&annotated, &ethogram);
    simulated.add(&Annotated { labels: Vec::new(), ..annotated }, &ethogram);
    let sides = [("rats & co", &real), ("made up", &simulated)];
    let svg = figure(&sides);
    let titles = Quantity::ALL.map(|quantity| format!(">{} ({})<", quantity.name(), quantity.unit()));
    let rest = ["rats &amp; co: 1 recording, 100 s", "KS 0.00", "sniff", "chase", "nearly still", "no values"];
    for text in titles.iter().map(String::as_str).chain(rest) {
        assert!(svg.contains(text), "no {text:?} in\n{svg}");
    }
    // Lines and medians of both in nine panels, and of one in that of bouts; two lines in the legend.
    assert_eq!(svg.matches("<polyline").count(), 2 * 9 + 1 + 2);
    // Of both four shares, of one side two behaviors in two panels.
    assert_eq!(svg.matches("<circle").count(), 2 * 4 + 2 * 2);
    assert!(svg.len() < 60_000 && svg == figure(&sides), "{}", svg.len());
}
