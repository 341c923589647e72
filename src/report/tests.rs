mod sample;

use proptest::prelude::*;

use super::axis::Axis;
use super::markup::{delay_look, delay_name, written};
use super::scores::at_threshold;
use super::*;
use crate::behavior::Kind;
use crate::time::DelayTicks;

const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"onload='x' & </style></title>",
    "a\u{0}b\u{1b}[31m\r\n\u{fffe}",
    "\u{202e}drawkcab \u{5d0}\u{5d1}\u{5d2}",
    "-->]]><![CDATA[",
    "",
];

/// Panics unless every tag is closed in its order, every attribute is quoted and nothing is left to be escaped.
fn check_page(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    let (before, rest) = body.split_once("<style>").expect("a style");
    let (style, after) = rest.split_once("</style>").expect("its end");
    assert!(["<", "url(", "@import"].iter().all(|word| !style.contains(word)));
    let body = format!("{before}{after}");
    let void = ["meta", "br/", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body.as_str();
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        assert!(!text.contains('>'), "a stray > in {text:?}");
        for entity in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
            assert!(known.iter().any(|known| entity.starts_with(known)), "{entity:?}");
        }
        let end = tag.find('>').expect("an end of the tag");
        let inner = &tag[1..end];
        assert!(!inner.contains('<') && inner.matches('"').count() % 2 == 0, "{inner:?}");
        let name = inner.split_whitespace().next().expect("a tag's name");
        for (place, part) in inner.split('"').enumerate() {
            // Between quoted values stand names with their equals signs.
            assert!(place % 2 == 1 || part.split_whitespace().all(is_bare), "{inner:?}");
        }
        if let Some(name) = name.strip_prefix('/').filter(|name| !name.is_empty()) {
            assert_eq!(open.pop(), Some(name), "{inner}");
        } else if !inner.ends_with('/') && !void.contains(&name) {
            open.push(name);
        }
        rest = &tag[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
    for word in ["NaN", "inf\"", ">inf<", "<script", "javascript:", "http://", "https://", "src="] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.chars().all(|char| !char.is_control() || char == '\n'));
}

fn is_bare(word: &str) -> bool {
    word.chars().all(|char| char.is_ascii_alphanumeric() || "-=/:".contains(char))
}

fn sections(page: &str) -> Vec<&str> {
    page.split("<section ").skip(1).collect()
}

#[test]
fn a_report_is_one_page_with_every_section() {
    let report = sample::report();
    let page = html(&report);
    check_page(&page);
    assert_eq!(page, html(&report));
    let sections = sections(&page);
    assert_eq!(sections.len(), SECTIONS.len());
    for (text, section) in sections.iter().zip(&SECTIONS) {
        assert!(text.contains(section.title) && text.contains("class=\"lead\""), "{}", section.id);
        assert!(page.contains(&format!("href=\"#{}\"", section.id)));
        assert!(text.matches("<p class=\"none\">not measured</p>").count() <= 1, "{text}");
    }
    for text in ["9 recordings: ", "0.442 <small>[", "≤ 6/h", "epoch 24", "01:01.7", "frame 1851", ">never told<"] {
        assert!(page.contains(text), "{text}");
    }
    // A curve for each delay of each behavior that has one, and one of validation.
    let precision = sections[5];
    for index in 0..4 {
        assert_eq!(precision.matches(&format!("class=\"line {}\"", delay_look(index))).count(), 8 + 1, "{index}");
        assert_eq!(precision.matches(&format!("class=\"ring {}\"", delay_look(index))).count(), 8, "{index}");
    }
    assert_eq!(sections[10].matches("<figure").count(), 6);
    assert!(page.len() < 2_000_000, "{}", page.len());
}

#[test]
fn without_anything_measured_the_page_is_complete() {
    let page = html(&Report::default());
    check_page(&page);
    assert_eq!(sections(&page).len(), SECTIONS.len());
    for (text, section) in sections(&page).iter().zip(&SECTIONS) {
        let is_text = section.id == "words";
        assert!(is_text || text.contains("not measured"), "{}", section.id);
    }
}

/// The sample with every number replaced.
fn spoiled(number: f64) -> Report {
    let mut report = sample::report();
    report.summary.measured.iter_mut().chain(&mut report.summary.test).for_each(|estimate| {
        *estimate = Estimate { value: Some(number), interval: Some([number; 2]) };
    });
    for epoch in &mut report.epochs {
        (epoch.loss, epoch.learning_rate, epoch.gradient_norm) = (Some(number), Some(number), Some(number));
        epoch.validation_f1.fill(Some(number));
    }
    for behavior in &mut report.behaviors {
        behavior.train.minutes = Some(number);
        behavior.f1_by_history.fill([number; 2]);
        for at in &mut behavior.delays {
            (at.f1, at.precision, at.recall, at.threshold) = (Some(number), Some(number), Some(number), Some(number));
            at.precision_recall.fill(CutPoint { threshold: number, recall: number, precision: number });
            at.before.bins.fill(Bin { predicted: number, observed: number, ticks: u64::MAX });
            at.after.error = Some(number);
            for point in &mut at.trigger_curve {
                (point.false_per_hour, point.share_hit) = (number, number);
                (point.latency_median_secs, point.latency_p95_secs) = (number, number);
            }
        }
        for trigger in &mut behavior.triggers {
            (trigger.on, trigger.sustain_millis, trigger.false_per_hour) = (Some(number), Some(number), Some(number));
            trigger.latency_median_secs = Some(number);
        }
    }
    for raster in &mut report.rasters {
        for row in &mut raster.rows {
            row.truth.fill([number, number]);
            row.predicted.push([0.0, number]);
        }
    }
    report.rasters[0].secs = Some(number);
    for mistake in &mut report.mistakes {
        (mistake.secs, mistake.score, mistake.threshold) = (Some(number), Some(number), Some(number));
        mistake.scores.fill([number; 2]);
        mistake.truth.push([number, 0.0]);
        mistake.edges.push((usize::MAX, 0));
        for pose in &mut mistake.poses {
            pose.individuals[0].fill(Some([number; 2]));
        }
        mistake.poses[0].offset_secs = number;
    }
    report
}

#[test]
fn numbers_that_are_none_are_said_and_not_drawn() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 5e-324, 0.0, -3.0, 1e12] {
        let page = html(&spoiled(number));
        check_page(&page);
        if !number.is_finite() {
            assert!(sections(&page)[2].matches(">not measured<").count() == 4, "{number}");
        }
    }
}

#[test]
fn names_of_files_cannot_break_the_page() {
    for hostile in HOSTILE.iter().map(|text| (*text).to_owned()).chain(["x".repeat(100_000), "\u{301}".repeat(5000)]) {
        let mut report = sample::report();
        let head = &mut report.head;
        for text in [&mut head.model, &mut head.corpus, &mut head.source, &mut head.software, &mut head.weights_hash] {
            text.clone_from(&hostile);
        }
        for list in [&mut head.trained, &mut head.tested, &mut head.label_sets] {
            list.fill(hostile.clone());
        }
        report.summary.warnings.push(hostile.clone());
        report.summary.interval.clone_from(&hostile);
        for behavior in &mut report.behaviors {
            behavior.label_set.clone_from(&hostile);
            behavior.name.clone_from(&hostile);
            behavior.fitness = Fitness::Unfit(hostile.clone());
            behavior.triggers.iter_mut().for_each(|trigger| trigger.chosen_for.clone_from(&hostile));
        }
        report.confusions.iter_mut().for_each(|confusion| confusion.behaviors.fill(hostile.clone()));
        for raster in &mut report.rasters {
            raster.recording.clone_from(&hostile);
            raster.rows.iter_mut().for_each(|row| row.behavior.clone_from(&hostile));
        }
        for mistake in &mut report.mistakes {
            mistake.individuals.fill(hostile.clone());
            for text in [&mut mistake.said, &mut mistake.annotated, &mut mistake.recording, &mut mistake.behavior] {
                text.clone_from(&hostile);
            }
        }
        let page = html(&report);
        check_page(&page);
        assert!(page.len() < 2_500_000 && !page.contains('\u{202e}'), "{}", page.len());
    }
}

#[test]
fn a_threshold_lies_on_its_curve() {
    let cut = |threshold, recall, precision| CutPoint { threshold, recall, precision };
    let curve = vec![cut(0.2, 0.9, 0.3), cut(0.4, 0.6, 0.5), cut(0.8, 0.2, 0.9)];
    let at = |threshold| {
        at_threshold(&AtDelay { threshold: Some(threshold), precision_recall: curve.clone(), ..AtDelay::default() })
    };
    assert_eq!(at(0.4), Some([0.6, 0.5]));
    let [recall, precision] = at(0.5).expect("a place between two cuts");
    assert!((recall - 0.5).abs() < 1e-12 && (precision - 0.6).abs() < 1e-12, "{recall} {precision}");
    assert_eq!([0.1, 0.9, f64::INFINITY, f64::NAN].map(at), [None; 4]);

    // In the page, too: each ring lies on a line of its panel and its look, to within what thinning leaves out.
    let page = html(&sample::report());
    let mut rings = 0;
    for panel in sections(&page)[5].split("<figure>").skip(1) {
        for ring in panel.split("<circle class=\"ring ").skip(1) {
            let (look, rest) = ring.split_once('"').expect("a class");
            let number = |name: &str| -> f64 {
                let after = rest.split_once(&format!("{name}=\"")).expect("an attribute").1;
                after.split_once('"').expect("its end").0.parse().expect("a number")
            };
            let line = panel.split_once(&format!("class=\"line {look}\" d=\"M")).expect("a line").1;
            let points: Vec<[f64; 2]> = line.split_once('"').expect("its end").0.split('L').map(place).collect();
            let at = [number("cx"), number("cy")];
            let nearest = points.windows(2).map(|ends| distance(at, ends[0], ends[1])).fold(f64::INFINITY, f64::min);
            assert!(nearest < 1.0, "{at:?} lies {nearest} px off {look}");
            rings += 1;
        }
    }
    assert_eq!(rings, 8 * 4);
}

fn place(text: &str) -> [f64; 2] {
    let (x, y) = text.split_once(' ').expect("two numbers");
    [x.parse().expect("x"), y.parse().expect("y")]
}

/// From a point to a line between two.
fn distance(at: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let [along, off] = [[to[0] - from[0], to[1] - from[1]], [at[0] - from[0], at[1] - from[1]]];
    let length = along[0].hypot(along[1]).max(1e-9);
    let share = ((along[0] * off[0] + along[1] * off[1]) / (length * length)).clamp(0.0, 1.0);
    (off[0] - share * along[0]).hypot(off[1] - share * along[1])
}

#[test]
fn a_raster_stays_small_whatever_happens() {
    // A bout in every other tick of ten minutes is as bad as a recording can be.
    let worst: Vec<[f64; 2]> =
        (0..9000).map(|tick| [f64::from(tick) / 15.0, f64::from(tick) / 15.0 + 1.0 / 30.0]).collect();
    // Half a second apart, all of them can be told apart.
    let many: Vec<[f64; 2]> = (0..1200).map(|bout| [f64::from(bout) * 0.5, f64::from(bout) * 0.5 + 0.3]).collect();
    for runs in [worst, many] {
        let row = RasterRow {
            label_set: "S1".to_owned(),
            behavior: "attack".to_owned(),
            truth: runs.clone(),
            predicted: runs.iter().rev().copied().collect(),
            unscored: Vec::new(),
        };
        let raster = Raster {
            recording: "one".to_owned(),
            part: Part::Test,
            delay: DelayTicks(0),
            secs: Some(600.0),
            rows: vec![row; 10],
        };
        let page = html(&Report { rasters: vec![raster], ..Report::default() });
        check_page(&page);
        let section = sections(&page)[9];
        assert!(section.len() < 100_000, "{}", section.len());
        assert_eq!(section.matches("class=\"run truth\"").count(), 10);
    }
}

#[test]
fn a_bout_is_drawn_where_and_as_long_as_it_is() {
    let row =
        RasterRow { truth: vec![[150.0, 300.0], [0.0, 0.001], [599.999, 700.0], [5.0, 4.0]], ..RasterRow::default() };
    let raster = Raster {
        recording: "one".to_owned(),
        part: Part::Test,
        delay: DelayTicks(0),
        secs: Some(600.0),
        rows: vec![row],
    };
    let page = html(&Report { rasters: vec![raster], ..Report::default() });
    assert!(page.contains("<path class=\"run truth\" d=\"M0 6h5m2495 0h2500m4995 0h5\"/>"), "{}", sections(&page)[9]);
}

#[test]
fn a_keypoint_that_is_nowhere_is_absent() {
    let page = |point: Option<[f64; 2]>| {
        let mut report = sample::report();
        for pose in &mut report.mistakes[0].poses {
            pose.individuals[1][2] = point;
        }
        html(&report)
    };
    let absent = page(None);
    assert_ne!(absent, page(Some([420.0, 310.0])));
    for nowhere in [[f64::NAN, 1.0], [1.0, f64::INFINITY], [1e9, 1.0]] {
        assert_eq!(absent, page(Some(nowhere)), "{nowhere:?}");
    }
}

#[test]
fn text_and_numbers_are_written_for_html() {
    assert_eq!(escaped("<a b=\"c\">&'\u{0}\u{202e}"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;\u{fffd}\u{fffd}");
    assert_eq!(shortened("behavior", 8), "behavior");
    assert_eq!(shortened("behaviors", 8), "behavio…");
    let numbers = [(0.125, 2), (-0.001, 2), (-1.5, 1), (1e300, 2), (12.0, 0)];
    assert_eq!(numbers.map(|(number, digits)| written(number, digits)), ["0.12", "0.00", "−1.5", "1.00e300", "12"]);
    assert_eq!([0, 15, 1, 60].map(|ticks| delay_name(DelayTicks(ticks))), ["0 s", "0.5 s", "0.03 s", "2 s"]);
}

#[test]
fn axes_have_even_marks_and_a_place_for_zero() {
    let labels = |axis: Axis| axis.ticks().into_iter().map(|(_, label)| label).collect::<Vec<_>>();
    assert_eq!(labels(Axis::linear([0.3, 4.1].into_iter(), [0.0, 200.0])), ["0", "1", "2", "3", "4", "5"]);
    let rates = Axis::log_and_zero([0.0, 0.2, 40.0].into_iter(), [0.0, 326.0]);
    assert_eq!(labels(rates), ["0", "0.1", "1", "10", "100"]);
    let places = [-1.0, 0.0, 0.01, 0.1, 1.0, 100.0, 1e6].map(|rate| rates.px(rate).expect("a place").round());
    assert_eq!(places, [0.0, 0.0, 0.0, 26.0, 126.0, 326.0, 326.0]);
    assert_eq!([f64::NAN, f64::INFINITY, 1e13].map(|rate| rates.px(rate)), [None; 3]);
}

#[test]
fn rows_of_a_confusion_may_be_short() {
    let confusion = Confusion {
        label_set: "S1".to_owned(),
        delay: DelayTicks(15),
        behaviors: vec!["attack".to_owned()],
        ticks: vec![vec![75, 25]],
    };
    let page = html(&Report { confusions: vec![confusion], ..Report::default() });
    check_page(&page);
    assert!(page.contains("--share:0.750\">75<small>75.0%</small>"));
    assert_eq!(sections(&page)[4].matches("<td class=\"none\">not measured</td>").count(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_behavior_can_be_drawn(
        name in ".{0,80}",
        numbers in proptest::collection::vec(any::<f64>(), 5..60),
        delays in proptest::collection::vec(any::<u32>(), 0..9),
    ) {
        let at = |index: usize| numbers[index % numbers.len()];
        let point = |index: usize| TriggerPoint {
            threshold: at(index), false_per_hour: at(index + 1), share_hit: at(index + 2),
            latency_median_secs: at(index + 3), latency_p95_secs: at(index + 4),
        };
        let delay = AtDelay {
            f1: Some(at(0)),
            threshold: Some(at(1)),
            precision_recall: (0..numbers.len())
                .map(|index| CutPoint { threshold: at(index), recall: at(index + 1), precision: at(index + 2) })
                .collect(),
            trigger_curve: (0..numbers.len()).map(point).collect(),
            ..AtDelay::default()
        };
        let behavior = BehaviorReport {
            label_set: name.clone(), name, kind: Kind::Mutual, train: Amount::default(), measured: Amount::default(),
            delays: vec![delay; 9], fitness: Fitness::Fit, triggers: Vec::new(),
            f1_by_history: numbers.iter().map(|number| [*number, at(3)]).collect(),
        };
        let head = Head { delays: delays.into_iter().map(DelayTicks).collect(), ..Head::default() };
        check_page(&html(&Report { head, behaviors: vec![behavior], ..Report::default() }));
    }
}
