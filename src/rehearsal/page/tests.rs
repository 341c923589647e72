mod sample;

use std::fmt::Write;

use self::sample::{counted_by_hand, decision, interval, refused, rule};
use super::judged::{Fate, held};
use super::marks::{Mark, joined};
use super::rows::Rows;
use super::text::{as_set, clock, rate_beside, signed, written};
use super::*;
use crate::rehearsal::{OfRule, Outcome, Recording, score};

const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"onload='x' & </style></title>",
    "a\u{0}b\u{1b}[31m\r\n\u{fffe}",
    "\u{202e}drawkcab \u{5d0}\u{5d1}\u{5d2}",
    "-->]]><![CDATA[",
    "",
    "</svg></table>'><img src=x onerror=y>",
];

/// Panics unless every tag is closed in its order, every attribute is quoted, every place is a number and nothing is
/// left to be escaped.
fn check(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    let (before, rest) = body.split_once("<style>").expect("a style");
    let (style, after) = rest.split_once("</style>").expect("its end");
    assert!(["<", "url(", "@import"].iter().all(|word| !style.contains(word)));
    let body = format!("{before}{after}");
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body.as_str();
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        check_text(text);
        let end = tag.find('>').expect("an end of the tag");
        let inner = &tag[1..end];
        assert!(!inner.contains('<') && inner.matches('"').count() % 2 == 0, "{inner:?}");
        for (place, part) in inner.split('"').enumerate() {
            let is_bare = |word: &str| word.chars().all(|char| char.is_ascii_alphanumeric() || "-=/".contains(char));
            assert!(place % 2 == 1 || part.split_whitespace().all(is_bare), "{inner:?}");
        }
        check_places(inner);
        let name = inner.split_whitespace().next().expect("a tag's name");
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{inner}");
        } else if !inner.ends_with('/') {
            open.push(name);
        }
        rest = &tag[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
    for word in ["NaN", ">inf", "<script", "<img", "javascript:", "http"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.chars().all(|char| !char.is_control() || char == '\n'));
}

fn check_text(text: &str) {
    assert!(!text.contains('>'), "a stray > in {text:?}");
    for entity in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        assert!(known.iter().any(|known| entity.starts_with(known)), "{entity:?}");
    }
}

/// Every place along a row lies within it, and no bar is longer.
fn check_places(inner: &str) {
    for key in [" x=\"", " x1=\"", " width=\""] {
        let Some((_, value)) = inner.split_once(key) else { continue };
        let value = value.split('"').next().unwrap_or_default();
        if let Some(percent) = value.strip_suffix('%') {
            assert!((0.0..=100.2).contains(&percent.parse::<f64>().expect("a number")), "{inner}");
        }
    }
}

fn assert_has(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_rehearsal_is_one_page_with_every_section() {
    let rehearsal = sample::rehearsal();
    let page = page(&rehearsal);
    check(&page);
    assert_eq!(page, super::page(&rehearsal));
    for section in &SECTIONS {
        assert_has(&page, &[&format!("href=\"#{}\"", section.id), &format!("<h2>{}</h2>", section.title)]);
    }
    assert_has(&page, &[&rehearsal.plan_hash, &rehearsal.model_hash, "rig-2", "3 recordings, 60.0 min together"]);
    assert_has(&page, &["day 2, cage B", "anogenital sniffing", "the agent is in the zone &lt;arena&gt;"]);
    // Four rows of five minutes for each of two rules in each of three recordings, and symbols and a legend of nine.
    assert_eq!(page.matches("<svg height=").count(), 4 * 2 * 3);
    assert_eq!(page.matches("<svg class=").count(), 1 + 9);
    assert!(page.len() < 200_000, "{}", page.len());
}

#[test]
fn numbers_counted_by_hand_stand_in_words() {
    let page = page(&counted_by_hand());
    check(&page);
    assert_has(
        &page,
        &["passes: 3.0 false triggers an hour, at most 6 are tolerated", "The plan passes, with 1 rule."],
    );
    assert_has(&page, &["3 false triggers in 1.00 labelled hours; 2 of 4 annotated bouts hit"]);
    assert_has(&page, &["7<small>1 sham</small>", "2 of 4<small>50.0%</small>", "3<small>2 cage_refractory</small>"]);
    let different = "hits 1 more of 4 bouts than distance alone, triggers falsely 3.0 times an hour less, and is 1.00 s \
                     earlier in the median.";
    assert_has(&page, &[different]);
    // Latencies of 0.2 s and 1 s: with two, the median is the later one.
    assert_has(&page, &["<td class=\"num\">1.00</td><td class=\"num\">1.00</td>", "<span class=\"fit\">−1.00</span>"]);
    assert_has(
        &page,
        &["<h5>False triggers: 3</h5>", "<h5>Missed bouts: 2 of 4</h5>", "0.50 s before one<", "none within 10 s"],
    );
    assert_has(&page, &["within one of <bdi>rat2 → rat1</bdi>", "05:00.0 to 05:03.3", "11:06.7 to 11:10.0"]);
    // By time, though they were not told in this order.
    assert!(page.find("00:32.8").unwrap() < page.find("27:46.7").unwrap());
    assert_has(&page, &["refused at 05:00.3: cage_refractory", "the rule did not begin to hold"]);
}

#[test]
fn marks_are_told_apart_by_shape() {
    let page = page(&counted_by_hand());
    let drawn = page.split_once("</h4>").unwrap().1;
    let number = |look: &str| drawn.matches(&format!("<use href=\"#m-{look}\"")).count();
    let looks = ["hit", "hit-sham", "false", "unknown", "x", "hit-low", "false-low"];
    assert_eq!(looks.map(number), [2, 1, 3, 1, 3, 1, 6]);
    let bars = ["bout p0", "bout p1", "missed p0", "missed p1"];
    assert_eq!(bars.map(|bar| drawn.matches(&format!("<rect class=\"{bar}\"")).count()), [1, 1, 2, 0]);
    assert_has(
        drawn,
        &["05:00.3 rat1 → rat2, refused, cage_refractory: too soon", "00:35.0 rat1 → rat2, again within a bout (sham)"],
    );
    // A colour stays with its pair: with bouts of the second alone, it is still the second.
    let mut rehearsal = counted_by_hand();
    let mut second = rehearsal.recordings[0].clone();
    second.rules[0].bouts.retain(|bout| bout.animals == sample::PAIRS[1]);
    rehearsal.recordings.push(second);
    let page = super::page(&rehearsal);
    assert_eq!(page.matches("<rect class=\"bout p1\"").count(), 2);
}

#[test]
fn each_trigger_is_judged_as_it_is_scored() {
    for recording in sample::rehearsal().recordings.iter().chain(&counted_by_hand().recordings) {
        for of_rule in &recording.rules {
            for decisions in [&of_rule.decisions, &of_rule.by_distance] {
                let (held, scored) = (held(of_rule, decisions), score(of_rule, decisions));
                let number = |fate| held.triggers.iter().filter(|judged| judged.fate == fate).count() as u64;
                assert_eq!(number(Fate::Hit), scored.hits);
                assert_eq!(number(Fate::False), scored.false_triggers);
                assert_eq!(number(Fate::Unlabelled), scored.unlabelled);
                assert_eq!(held.triggers.len() as u64, scored.triggers);
                assert_eq!(held.is_hit.iter().filter(|is_hit| **is_hit).count() as u64, scored.hits);
            }
        }
    }
}

#[test]
fn a_verdict_says_why() {
    let told = |change: fn(&mut Rehearsal)| {
        let mut rehearsal = counted_by_hand();
        change(&mut rehearsal);
        let page = page(&rehearsal);
        check(&page);
        page
    };
    let page = told(|rehearsal| rehearsal.rules[0].false_per_hour_max = 2.96);
    assert_has(
        &page,
        &["does not pass: 3.0 false triggers an hour, at most 2.96 are", "1 of 1 rule does not, and arming"],
    );
    let page = told(|rehearsal| rehearsal.rules[0].false_per_hour_max = f64::NAN);
    assert_has(&page, &["does not pass: the number of false triggers that the plan tolerates is no number"]);
    let page = told(|rehearsal| rehearsal.rules[0].false_per_hour_max = f64::INFINITY);
    assert_has(&page, &["passes: 3.0 false triggers an hour, any number is tolerated"]);
    let page = told(|rehearsal| rehearsal.recordings[0].rules[0].labelled.clear());
    assert_has(
        &page,
        &["nobody labelled what it aims at: no permit", "nobody labelled what it aims at.", "not labelled"],
    );
    let page = told(|rehearsal| {
        rehearsal.recordings.clear();
        rehearsal.rules[0].aim.clear();
    });
    assert_has(&page, &["nobody said what it aims at: no permit", "no recordings"]);
    let page = told(|rehearsal| rehearsal.recordings[0].rules[0].decisions.clear());
    assert_has(&page, &["passes: it never triggered, so never for nothing, at most 6 are tolerated", "no hit"]);
    let page = told(|rehearsal| rehearsal.rules.clear());
    assert_has(&page, &["The plan has no rules: there is nothing to permit."]);
    let page =
        told(|rehearsal| rehearsal.recordings[0].rules[0].labelled.iter_mut().for_each(|span| span.stop = 10_800));
    assert_has(
        &page,
        &["too little is labelled to be sure: where none is false in so long, 30.0 an hour are possible"],
    );
}

#[test]
fn a_rule_of_one_animal_is_not_held_against_distance() {
    let mut rehearsal = counted_by_hand();
    assert_has(&page(&rehearsal), &["bodies nearer than 0.2 body lengths", ">difference<", "class=\"low\""]);
    rehearsal.rules[0].by_distance.clear();
    rehearsal.recordings[0].rules[0].by_distance.clear();
    let page = page(&rehearsal);
    check(&page);
    assert_has(&page, &["is held against no rule of distance: there is none for it."]);
    assert!([">difference<", "class=\"low\""].iter().all(|text| !page.contains(text)));
}

#[test]
fn names_stay_names() {
    for name in HOSTILE {
        let mut rehearsal = counted_by_hand();
        let heads = [&mut rehearsal.plan, &mut rehearsal.plan_hash, &mut rehearsal.rig, &mut rehearsal.model];
        heads.into_iter().chain([&mut rehearsal.model_hash]).for_each(|text| name.clone_into(text));
        let said = &mut rehearsal.rules[0];
        (said.name, said.stimulus, said.by_distance) = (name.to_owned(), name.to_owned(), name.to_owned());
        (said.conditions, said.aim) = (vec![name.to_owned()], vec![name.to_owned()]);
        let recording = &mut rehearsal.recordings[0];
        name.clone_into(&mut recording.name);
        let of_rule = &mut recording.rules[0];
        of_rule.bouts.iter_mut().chain(&mut of_rule.labelled).for_each(|span| name.clone_into(&mut span.animals));
        for decision in of_rule.decisions.iter_mut().chain(&mut of_rule.by_distance) {
            name.clone_into(&mut decision.animals);
            if let Outcome::Refused { .. } = decision.outcome {
                decision.outcome = refused(name, &name.repeat(100));
            }
        }
        check(&page(&rehearsal));
    }
    let mut rehearsal = counted_by_hand();
    rehearsal.rig = "r".repeat(100_000);
    assert!(page(&rehearsal).contains(&format!("{}…<", "r".repeat(63))));
}

#[test]
fn what_makes_no_sense_is_no_reason_to_fail() {
    let ends = [0, 1, 999, 30_000, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    let pairs = ends.iter().flat_map(|a| ends.iter().map(move |b| (*a, *b)));
    let spans: Vec<_> = pairs.map(|(start, stop)| interval(start, stop, sample::PAIRS[0])).collect();
    let outcomes = [Outcome::Stimulus, Outcome::Sham, refused("cause", "why")];
    let decisions: Vec<_> = ends
        .iter()
        .flat_map(|tick| outcomes.iter().map(|outcome| decision(*tick, sample::PAIRS[0], outcome.clone())))
        .collect();
    let whole = OfRule { bouts: spans.clone(), labelled: spans, by_distance: decisions.clone(), decisions };
    let of_rules = [
        OfRule { bouts: Vec::new(), ..whole.clone() },
        OfRule { decisions: Vec::new(), ..whole.clone() },
        OfRule { labelled: Vec::new(), ..whole.clone() },
        OfRule::default(),
        whole,
    ];
    for ticks in ends {
        for (index, max) in [0.0, -1.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().enumerate() {
            let mut rehearsal = counted_by_hand();
            // Once with fewer rules in the recording than in the plan, and once with more.
            rehearsal.rules = vec![rule("a", max); index + 2];
            rehearsal.recordings[0].ticks = ticks;
            rehearsal.recordings[0].rules = of_rules.to_vec();
            rehearsal.recordings.push(Recording { name: String::new(), ticks, rules: Vec::new() });
            check(&page(&rehearsal));
        }
    }
    let mut backward = counted_by_hand();
    backward.recordings[0].rules[0].labelled = vec![interval(500, 100, sample::PAIRS[0])];
    let page_of_it = page(&backward);
    check(&page_of_it);
    assert_has(&page_of_it, &["nobody labelled what it aims at: no permit"]);
    let empty = Rehearsal { rules: Vec::new(), recordings: Vec::new(), ..counted_by_hand() };
    check(&page(&empty));
}

#[test]
fn what_lies_beyond_the_end_is_counted() {
    let mut rehearsal = counted_by_hand();
    rehearsal.recordings[0].ticks = 40_000;
    let page = page(&rehearsal);
    check(&page);
    // Two triggers, and none of the labelled time, which begins before it.
    assert_has(&page, &["not drawn: 2 marks beyond the end of the recording, or without a length"]);
    assert_has(&page, &["2 of 4<small>50.0%</small>"]);
}

#[test]
fn many_decisions_make_no_endless_page() {
    let mut rehearsal = counted_by_hand();
    let mut of_rule = OfRule::default();
    for index in 0..10_000_u64 {
        let animals = format!("a{} → b", index % 20);
        let outcome = if index % 2 == 0 { Outcome::Stimulus } else { refused("cause", "why & how") };
        of_rule.decisions.push(decision(index * 5, &animals, outcome));
        of_rule.by_distance.push(decision(index * 5, &animals, Outcome::Stimulus));
        if index < 2000 {
            of_rule.bouts.push(interval(index * 25 + 1, index * 25 + 3, &animals));
        }
    }
    of_rule.labelled = (0..20).map(|index| interval(0, 54_000, &format!("a{index} → b"))).collect();
    rehearsal.recordings[0] = Recording { name: "busy".to_owned(), ticks: 54_000, rules: vec![of_rule] };
    let one = page(&rehearsal);
    check(&one);
    assert_has(
        &one,
        &["<h5>False triggers: 5,000</h5>", "Not listed: 4,960 more", "<h5>Missed bouts: 2,000 of 2,000</h5>"],
    );
    assert_has(
        &one,
        &["refusals of one kind within ", " s are drawn as one", "not drawn: 8 lanes to which less happens"],
    );
    assert_has(&one, &["5,000<small>5,000 cause</small>", "at most 1,500 marks of a kind"]);
    assert!(one.matches("<use ").count() <= 3 * 1500 + 10, "{}", one.matches("<use ").count());
    assert!(one.len() < 1_500_000, "{}", one.len());

    // Few bouts: each trigger is held against all of them.
    rehearsal.recordings[0].rules[0].bouts.truncate(20);
    rehearsal.rules = vec![rule("a", 1.0); 20];
    rehearsal.recordings[0].rules = vec![rehearsal.recordings[0].rules[0].clone(); 2];
    rehearsal.recordings = vec![rehearsal.recordings[0].clone(); 60];
    rehearsal.recordings[0].rules = vec![rehearsal.recordings[0].rules[0].clone(); 20];
    let many = page(&rehearsal);
    check(&many);
    assert_has(&many, &["Not drawn: 50 more recordings", "Not drawn: 4 more rules", "Not told: 4 more rules"]);
    assert!(many.len() < 12_000_000, "{}", many.len());
}

#[test]
fn rows_hold_a_recording() {
    let rows_of = |secs: u64| Rows::of(secs * 30).map(|rows| (rows.row_ticks / 30, rows.count()));
    assert_eq!(rows_of(0), None);
    assert_eq!([7, 61, 300, 301].map(rows_of), [Some((10, 1)), Some((120, 1)), Some((300, 1)), Some((300, 2))]);
    assert_eq!([1800, 7200, 7201, 86_400].map(rows_of), [(300, 6), (300, 24), (600, 13), (3600, 24)].map(Some));
    for ticks in [1, 29, 1234, 54_001, 1 << 40, u64::MAX - 1, u64::MAX] {
        let rows = Rows::of(ticks).unwrap();
        assert!(rows.count() <= 24, "{ticks}");
        let last = rows.count() - 1;
        assert!(rows.start(last) < ticks && rows.stop(last) == ticks && rows.row_of(ticks - 1) == last);
        assert!(rows.marks(0).len() <= 13, "{rows:?}");
    }
    let marks: Vec<String> = Rows::of(54_000).unwrap().marks(5).into_iter().map(|(_, text)| text).collect();
    assert_eq!(marks, ["25:00", "26:00", "27:00", "28:00", "29:00", "30:00"]);
}

#[test]
fn marks_are_joined_only_where_there_are_too_many() {
    let point = |tick| Mark::point(0, "x", tick, "it".to_owned());
    let points: Vec<Mark> = (0..100).map(|index| point(index * 10)).collect();
    let all = joined(points.clone(), 4, 100);
    assert_eq!((all.marks.len(), all.apart_ticks), (100, 0));
    let some = joined(points, 4, 99);
    // 4 and 8 are too close; points within 16 are two each, and do not chain.
    assert_eq!((some.marks.len(), some.apart_ticks), (50, 16));
    assert_eq!(some.marks.iter().map(|mark| mark.count).sum::<u64>(), 100);
    assert_eq!(some.marks[1].title(), "00:00.7 2 drawn as one, the first: it");
    let bars = (0..10).map(|index| Mark { stop: index * 10 + 5, ..point(index * 10) }).collect();
    let one = joined(bars, 4, 3);
    assert_eq!((one.marks.len(), one.marks[0].start, one.marks[0].stop), (1, 0, 95));
    // Looks and lanes are never mixed.
    let apart = (0..5).map(|lane| Mark { lane, ..point(7) }).collect();
    assert_eq!(joined(apart, 4, 2).marks.len(), 5);
}

#[test]
fn numbers_read_as_people_write_them() {
    assert_eq!([0, 31, 1851, 108_000, 300_000].map(clock), ["00:00.0", "00:01.0", "01:01.7", "60:00.0", "166:40.0"]);
    assert_eq!([6.0, 0.5, 100.0, -1.0, 1e300].map(as_set), ["6", "0.5", "100", "−1", "1.00e300"]);
    assert_eq!(
        [(6.04, 6.0), (5.99, 6.0), (6.0, 6.0), (3.21, 6.0)].map(|(a, b)| rate_beside(a, b)),
        ["6.04", "6.0", "6.0", "3.2"]
    );
    assert_eq!(rate_beside(1.0, f64::NAN), "1.0");
    assert_eq!([0.3, -0.3, 0.001, 0.0].map(|value| signed(value, 1)), ["+0.3", "−0.3", "0.0", "0.0"]);
    let mut all = String::new();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, -0.001] {
        let _ = write!(all, "{} ", written(value, 1));
    }
    assert_eq!(all, "not a number ∞ −∞ 0.0 0.0 ");
}
