use std::collections::BTreeSet;

use rand::SeedableRng;

use super::*;

const RATE_HZ: f64 = 10.0;

fn deed(text: &str) -> Deed {
    let mut words = text.split(' ').map(str::to_owned);
    let mut word = || words.next().unwrap();
    Deed { agent: word(), action: word(), target: word() }
}

/// A recording of one lab, of one hour at 10 Hz.
fn annotated(lab: &str, looked_for: &[&str], bouts: &[(&str, u64, u64)]) -> Annotated {
    let intervals = bouts.iter().map(|(text, start, stop)| Interval { start: *start, stop: *stop, deed: deed(text) });
    Annotated {
        lab: lab.to_owned(),
        rate_hz: RATE_HZ,
        hours: 1.0,
        looked_for: looked_for.iter().map(|text| deed(text)).collect(),
        intervals: intervals.collect(),
    }
}

/// The same bouts again and again, a thousand frames apart.
fn repeated<'a>(times: u64, bouts: &[(&'a str, u64, u64)]) -> Vec<(&'a str, u64, u64)> {
    let shifted =
        |time: u64| bouts.iter().map(move |(text, start, stop)| (*text, start + 1000 * time, stop + 1000 * time));
    (0..times).flat_map(shifted).collect()
}

fn measured(recordings: &[Annotated]) -> Ethology {
    Ethology::measure(recordings).unwrap()
}

#[test]
fn labs_weigh_alike_in_lengths_and_rates_are_their_median() {
    let attack = "a attack b";
    let brief = Annotated { hours: 2.0, ..annotated("brief", &[attack], &repeated(20, &[(attack, 0, 10)])) };
    let long = annotated("long", &[attack, "b attack a"], &repeated(60, &[(attack, 0, 40)]));
    let ethology = measured(&[brief, long]);
    let action = ethology.action("attack").unwrap();
    assert_eq!((action.bouts, action.labs), (80, 2));
    // Between 1 s and 4 s, and ln 2 from either.
    assert_eq!(action.length, LogNormal { median_secs: 2.0, spread: 0.693 });
    assert_eq!(ethology.bout_length("attack"), Some(action.length));
    assert_eq!(action.quantiles_secs, [1.0, 1.0, 4.0]);
    // 10 and 60 an hour; two animals were watched by the second lab.
    assert_eq!((action.bouts_per_hour, action.bouts_per_animal_hour), (35.0, 20.0));
    assert_eq!(ethology.bout_length("sniff"), None);
    assert!(ethology.followers("sniff").is_empty() && ethology.answers("sniff").is_empty());
}

#[test]
fn a_lab_that_found_nothing_counts_in_the_rate() {
    let found = annotated("found", &["a dig a"], &repeated(30, &[("a dig a", 0, 5)]));
    let ethology = measured(&[found.clone(), annotated("none", &["a dig a"], &[])]);
    let dig = ethology.action("dig").unwrap();
    assert_eq!((dig.labs, dig.bouts_per_hour), (1, 15.0));
    assert_eq!(measured(&[found]).action("dig").unwrap().bouts_per_hour, 30.0);
}

#[test]
fn transitions_are_means_over_the_labs_that_looked() {
    let (attack, sniff, rear) = ("a attack b", "a sniff b", "a rear a");
    // Both look for sniffing, only the second for rearing.
    let first = annotated("1", &[attack, sniff], &repeated(100, &[(attack, 0, 10), (sniff, 15, 30)]));
    let mut bouts = repeated(20, &[(attack, 0, 10), (rear, 12, 30)]);
    bouts.extend(repeated(40, &[(attack, 200, 210), (sniff, 400, 410)]));
    let second = annotated("2", &[attack, sniff, rear], &bouts);
    let ethology = measured(&[first, second]);
    let attack = ethology.action("attack").unwrap();
    // Sniffing: (1 + 0) / 2; rearing: a third of the only lab's 60.
    let expected = vec![("sniff".to_owned(), 0.6), ("rear".to_owned(), 0.4)];
    assert_eq!((&attack.followers.next, &attack.followers.counts), (&expected, &vec![100, 20]));
    assert_eq!(ethology.followers("attack"), expected);
    assert_eq!(attack.followers.share, 0.667);
    assert!(attack.answers.next.is_empty(), "nobody looked at the target");
}

#[test]
fn what_follows_outlasts_the_bout_and_begins_within_two_seconds_of_its_end() {
    let follows = |start: u64, stop: u64| {
        let looked_for = ["a attack b", "a sniff c"];
        let bouts = repeated(20, &[("a attack b", 100, 150), ("a sniff c", start, stop)]);
        !measured(&[annotated("lab", &looked_for, &bouts)]).followers("attack").is_empty()
    };
    assert!(follows(150, 160), "at once");
    assert!(follows(170, 171), "after two seconds");
    assert!(!follows(171, 180), "after more than two seconds");
    assert!(follows(120, 151), "before the end");
    assert!(!follows(120, 150), "within");
    assert!(!follows(100, 160), "together");
    assert!(!follows(50, 160), "before");
}

#[test]
fn an_answer_is_the_targets_and_meant_for_the_agent() {
    let answers = |text: &str, start: u64| {
        let looked_for = ["a attack b", "b attack a", "b escape a", "b escape c", "a escape b", "c escape a"];
        let bouts = repeated(20, &[("a attack b", 100, 150), (text, start, start + 100)]);
        let ethology = measured(&[annotated("lab", &looked_for, &bouts)]);
        let attack = ethology.action("attack").unwrap();
        (attack.answers.next.first().map(|(action, _)| action.clone()), attack.kinds.mutual)
    };
    assert_eq!(answers("b escape a", 110), (Some("escape".to_owned()), 0.0));
    assert_eq!(answers("b escape a", 160), (Some("escape".to_owned()), 0.0));
    for (text, start) in
        [("b escape a", 161), ("b escape a", 100), ("b escape c", 110), ("a escape b", 110), ("c escape a", 110)]
    {
        assert_eq!(answers(text, start), (None, 0.0), "{text} {start}");
    }
    assert_eq!(answers("b attack a", 110), (None, 1.0), "mutual, and no answer");
    assert_eq!(answers("b attack a", 60), (None, 1.0));
    let (answer, mutual) = answers("b attack a", 151);
    assert_eq!((answer.as_deref(), mutual), (Some("attack"), 0.0));
}

#[test]
fn kinds_are_told_where_both_directions_were_looked_for() {
    let both = ["a sniff b", "b sniff a", "a rear a"];
    let mut bouts = repeated(10, &[("a sniff b", 0, 10), ("b sniff a", 9, 20), ("a sniff b", 500, 510)]);
    bouts.extend(repeated(20, &[("a rear a", 700, 710)]));
    let two_way = annotated("two-way", &both, &bouts);
    let one_way = annotated("one-way", &["a sniff b"], &repeated(100, &[("a sniff b", 0, 10)]));
    let kinds = |recordings: &[Annotated], action: &str| measured(recordings).action(action).unwrap().kinds;
    let expected = Kinds { of_self: 0.0, directed: 0.333, mutual: 0.667 };
    assert_eq!(kinds(&[two_way.clone(), one_way.clone()], "sniff"), expected);
    assert_eq!(kinds(&[one_way], "sniff"), Kinds { of_self: 0.0, directed: 1.0, mutual: 0.0 });
    assert_eq!(kinds(&[two_way], "rear"), Kinds { of_self: 1.0, directed: 0.0, mutual: 0.0 });
}

#[test]
fn what_is_rare_unlisted_or_empty_is_left_out() {
    let mut bouts = repeated(20, &[("a attack b", 0, 10), ("a mount b", 20, 20), ("a bite b", 20, 30)]);
    bouts.extend(repeated(19, &[("a sniff b", 500, 510)]));
    let ethology = measured(&[annotated("lab", &["a attack b", "a sniff b", "a mount b", "b bite a"], &bouts)]);
    assert_eq!(ethology.actions().map(|(name, _)| name).collect::<Vec<_>>(), ["attack"]);
    // A transition seen 4 times is none, and 20 make a row.
    let rows = |dig: u64, rear: u64| {
        let mut bouts = repeated(dig, &[("a attack b", 0, 10), ("a dig a", 20, 30)]);
        bouts.extend(repeated(rear, &[("a attack b", 500, 510), ("a rear a", 520, 530)]));
        bouts.extend(repeated(20, &[("a rear a", 700, 710), ("a dig a", 800, 810)]));
        measured(&[annotated("lab", &["a attack b", "a dig a", "a rear a"], &bouts)]).followers("attack").to_vec()
    };
    assert_eq!(rows(20, 4), [("dig".to_owned(), 1.0)]);
    assert_eq!(rows(15, 5), [("dig".to_owned(), 0.75), ("rear".to_owned(), 0.25)]);
    assert_eq!(rows(19, 4), []);
    assert_eq!(measured(&[]), Ethology::default());
}

#[test]
fn thousands_of_bouts_within_each_other_take_no_time() {
    let bouts: Vec<_> = (0..200_000).map(|index| ("a attack b", index, 1_000_000 - index)).collect();
    let ethology = measured(&[annotated("lab", &["a attack b", "b attack a"], &bouts)]);
    assert_eq!(ethology.action("attack").unwrap().bouts, 200_000);
}

#[test]
fn rates_and_hours_that_are_none_are_named() {
    let good = annotated("lab", &["a dig a"], &[]);
    let error = |recording: Annotated| Ethology::measure(&[good.clone(), recording]).unwrap_err().to_string();
    for rate_hz in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let expected = format!("recording 2 of \"lab\": rate_hz: expected above 0, to 10000, got {rate_hz}");
        assert_eq!(error(Annotated { rate_hz, ..good.clone() }), expected);
    }
    for hours in [-1.0, f64::NAN, 1e9] {
        let expected = format!("recording 2 of \"lab\": hours: expected 0 to 1000000, got {hours}");
        assert_eq!(error(Annotated { hours, ..good.clone() }), expected);
    }
    let timeless = Annotated { hours: 0.0, ..annotated("lab", &["a dig a"], &repeated(20, &[("a dig a", 0, 9)])) };
    assert_eq!(measured(&[timeless]).action("dig").unwrap().bouts_per_hour, 0.0);
}

#[test]
fn what_was_measured_is_read_as_it_was_written() {
    let odd = r#"a odd."\n b"#;
    let bouts = repeated(50, &[("a attack b", 0, 13), ("b escape a", 9, 31), (odd, 20, 37)]);
    let ethology = measured(&[annotated("lab", &["a attack b", "b escape a", odd], &bouts)]);
    assert!(!ethology.followers("attack").is_empty() && !ethology.answers("attack").is_empty());
    assert_eq!(Ethology::parse(&ethology.to_toml()).unwrap(), ethology);
}

#[test]
fn lengths_are_drawn_by_the_fit_and_within_their_bounds() {
    let length = LogNormal { median_secs: 1.5, spread: 0.8 };
    let draws = |secs_min: f64, secs_max: f64| {
        let mut rng = StdRng::seed_from_u64(7);
        let mut draws: Vec<f64> = (0..20_000).map(|_| length.sample(&mut rng, secs_min, secs_max)).collect();
        draws.sort_by(f64::total_cmp);
        draws
    };
    let free = draws(0.0, 1e9);
    // The standard error of the median is 1.25 × 0.8 / √20,000 of it: 0.7 %.
    assert!((free[10_000] / 1.5 - 1.0).abs() < 0.03, "{}", free[10_000]);
    let quantile = 1.5 * (1.645 * 0.8_f64).exp();
    assert!((free[19_000] / quantile - 1.0).abs() < 0.06, "{} {quantile}", free[19_000]);
    assert_eq!(free, draws(0.0, 1e9), "same seed, same lengths");
    let within = draws(1.0, 3.0);
    assert!(within[0] >= 1.0 && within[19_999] <= 3.0);
    assert!(within.iter().filter(|secs| **secs == 1.0 || **secs == 3.0).count() < 5, "drawn again, not clamped");
    let far = draws(1000.0, 2000.0);
    assert_eq!((far[0], far[19_999]), (1000.0, 1000.0));
    let mut rng = StdRng::seed_from_u64(7);
    assert_eq!(length.sample(&mut rng, 3.0, 1.0), 1.0);
    assert_eq!(LogNormal { median_secs: 2.0, spread: 0.0 }.sample(&mut rng, 0.0, 9.0), 2.0);
}

#[test]
fn the_built_in_numbers_are_whole() {
    let ethology = Ethology::built_in();
    let names: BTreeSet<&str> = ethology.actions().map(|(name, _)| name).collect();
    for name in [
        "approach",
        "attack",
        "avoid",
        "chase",
        "dig",
        "escape",
        "follow",
        "freeze",
        "huddle",
        "mount",
        "rear",
        "reciprocalsniff",
        "rest",
        "run",
        "selfgroom",
        "sniff",
        "sniffgenital",
        "submit",
        "tussle",
    ] {
        assert!(names.contains(name), "{name}");
    }
    for (name, action) in ethology.actions() {
        for transitions in [&action.followers, &action.answers] {
            let sum: f64 = transitions.next.iter().map(|(_, probability)| probability).sum();
            assert!(transitions.next.is_empty() || (sum - 1.0).abs() < 0.005, "{name}: {sum}");
            assert!(transitions.next.iter().all(|(next, _)| names.contains(next.as_str())), "{name}");
            assert!(transitions.next.is_sorted_by(|(_, a), (_, b)| a >= b), "{name}");
        }
        // A fit whose median is not half and not twice that of the lengths describes them.
        let ratio = action.length.median_secs / action.quantiles_secs[1];
        assert!((0.5..2.0).contains(&ratio), "{name}: {ratio}");
    }
    let probability = |next: &[(String, f64)], action: &str| {
        next.iter().find(|(name, _)| name == action).map_or(0.0, |(_, probability)| *probability)
    };
    let attacked = ethology.answers("attack");
    assert!(probability(attacked, "defend") + probability(attacked, "escape") > 0.4, "{attacked:?}");
    assert_eq!(ethology.action("tussle").unwrap().kinds.mutual, 1.0);
}

const SMALL: &str = "\
[actions.attack]
bouts = 80
labs = 2
median_secs = 2.0
spread = 0.693
quantiles_secs = [1.0, 2.0, 4.0]
bouts_per_hour = 35
bouts_per_animal_hour = 20.0
kinds = { self = 0.0, directed = 0.75, mutual = 0.25 }

[actions.attack.followers]
share = 0.5
next = [{ action = \"attack\", probability = 1.0, count = 30 }]
";

#[test]
fn malformed_numbers_are_named() {
    assert_eq!(Ethology::parse(SMALL).unwrap().followers("attack"), [("attack".to_owned(), 1.0)]);
    let twice = "next = [{ action = \"attack\", probability = 0.5, count = 9 }, \
                 { action = \"attack\", probability = 0.5, count = 9 }]";
    let next = "next = [{ action = \"attack\", probability = 1.0, count = 30 }]";
    for (from, to, expected) in [
        ("bouts = 80", "bouts = 0", "actions.attack.bouts: expected 1 to 1000000000, got 0"),
        ("labs = 2", "labs = 81", "actions.attack.labs: expected 1 to 80, got 81"),
        ("median_secs = 2.0", "median_secs = 0.0", "actions.attack.median_secs: expected 0.00001 to 86400, got 0"),
        ("median_secs = 2.0", "median_secs = nan", "actions.attack.median_secs: expected 0.00001 to 86400, got NaN"),
        ("spread = 0.693", "spread = 6.0", "actions.attack.spread: expected 0 to 5, got 6"),
        ("[1.0, 2.0, 4.0]", "[1.0, 2.0, inf]", "actions.attack.quantiles_secs: expected 0.00001 to 86400, got inf"),
        (
            "[1.0, 2.0, 4.0]",
            "[1.0, 4.0, 2.0]",
            "actions.attack.quantiles_secs: expected ascending lengths, got [1.0, 4.0, 2.0]",
        ),
        ("hour = 35", "hour = -1", "actions.attack.bouts_per_hour: expected 0 to 1000000, got -1"),
        ("hour = 20.0", "hour = 2e6", "actions.attack.bouts_per_animal_hour: expected 0 to 1000000, got 2000000"),
        ("self = 0.0", "self = 0.5", "actions.attack.kinds: expected shares that make 1, got 1.5"),
        ("self = 0.0", "self = -0.5", "actions.attack.kinds: expected 0 to 1 as a share, got -0.5"),
        ("share = 0.5", "share = 1.5", "actions.attack.followers.share: expected 0 to 1, got 1.5"),
        (
            "action = \"attack\"",
            "action = \"bite\"",
            "actions.attack.followers.next: expected an action of the table, got \"bite\"",
        ),
        (
            "probability = 1.0",
            "probability = 0.9",
            "actions.attack.followers.next: expected shares that make 1, got 0.9",
        ),
        ("count = 30", "count = 0", "actions.attack.followers.next: expected 1 to 1000000000 as a count, got 0"),
        (next, twice, "actions.attack.followers.next: expected each action once, got \"attack\" again"),
        (next, "next = []", "actions.attack.followers.next: expected 1 to 1000 actions, got 0"),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let error = Ethology::parse(&SMALL.replace(from, to)).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
    assert_eq!(Ethology::parse("[actions]").unwrap_err().to_string(), "actions: expected 1 to 1000 tables, got 0");
    for (from, to, named) in [
        ("spread = 0.693", "sprad = 0.693", "unknown field `sprad`, expected one of"),
        ("spread = 0.693", "", "missing field `spread`"),
        ("spread = 0.693", "spread = \"wide\"", "5 | spread = \"wide\""),
        ("self = 0.0", "sole = 0.0", "unknown field `sole`"),
        ("count = 30", "counts = 30", "unknown field `counts`"),
        ("[actions.attack]", "[actions.attack", "1 | [actions.attack"),
    ] {
        let error = Ethology::parse(&SMALL.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
