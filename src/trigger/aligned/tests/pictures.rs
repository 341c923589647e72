use super::*;

/// Attacks that stimuli stop, and what else two rats do.
pub(super) fn sample() -> Aligned {
    let mut random = StdRng::seed_from_u64(3);
    let (mut triggers, mut bouts) = (Vec::new(), Vec::new());
    let mut secs = 30.0;
    for number in 0..90 {
        let sham = random.random_bool(0.5);
        let rule = if number % 4 == 0 { "approach-in-corner" } else { "attack" };
        triggers.push(Stimulated { rule: rule.into(), ..stimulated(number, secs, sham) });
        let mut does = |behavior: &str, animals: Animals, from: f64, lasts: f64| {
            let lasts = lasts * (0.3 + 1.4 * random.random::<f64>());
            bouts.push(bout(behavior, animals, secs + from..secs + from + lasts));
            lasts
        };
        let attack = does("attack", directed("rat1", "rat2"), -0.8, if sham { 5.0 } else { 2.2 });
        does("defend", alone("rat2"), -0.5, if sham { 4.0 } else { 2.0 });
        does("approach", directed("rat1", "rat2"), -3.5, 2.5);
        does("nose contact", Animals::Undirected { animals: ["rat1".into(), "rat2".into()] }, attack - 0.5, 1.2);
        if number % 3 != 0 {
            does("rear", alone("rat1"), attack + 1.0, 2.0);
            does("groom", alone("rat2"), attack + 0.5, 4.0);
        }
        if number % 5 == 0 {
            does("escape", directed("rat2", "rat1"), 0.8, 2.0);
        }
        secs += if number % 20 == 0 { 8.0 } else { 15.0 + 40.0 * random.random::<f64>() };
    }
    let settings = Settings { recorded_nanos: nanos(0.0)..nanos(secs), ..settings(5.0, 15.0, 0.5) };
    align(&triggers, &bouts, settings).unwrap()
}

#[test]
fn a_figure_has_a_panel_for_each_behavior_of_each_role() {
    let svg = figure(&sample());
    if let Some(path) = std::env::var_os("ALIGNED_SAMPLE") {
        std::fs::write(path, &svg).unwrap();
    }
    for text in [
        "attack of the agent",
        "defend of the target",
        "time from the trigger (s)",
        "share of trials (%)",
        "sham",
        "Rule attack",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(!svg.contains("NaN") && svg.contains("; end "));
}

#[test]
fn hostile_names_stay_text_in_both() {
    let hostile = "</text><script>alert(1)</script>\u{202e}\n\"a\",'b';=1+1\u{1b}[0m&".repeat(20);
    let triggers: Vec<_> = (0..8)
        .map(|number| Stimulated { rule: hostile.clone(), ..stimulated(number, number as f64 * 30.0, number < 4) })
        .collect();
    let named = |number: u64| Bout {
        label_set: hostile.clone(),
        ..bout(&hostile, alone("rat1"), number as f64 * 30.0..number as f64 * 30.0 + 1.0)
    };
    let bouts: Vec<_> = (0..8).map(named).collect();
    let aligned = align(&triggers, &bouts, settings(1.0, 2.0, 0.5)).unwrap();
    let svg = figure(&aligned);
    assert!(!svg.contains("<script") && !svg.contains('\u{202e}') && !svg.contains('\u{1b}'));
    assert!(svg.contains("&lt;/text&gt;"));
    let mut table = Vec::new();
    write_csv(&aligned, &mut table).unwrap();
    let mut reader = ::csv::Reader::from_reader(&table[..]);
    for record in reader.records() {
        let record = record.unwrap();
        assert_eq!([&record[0], &record[4], &record[5]], [hostile.as_str(); 3]);
    }
}

#[test]
fn panels_are_limited_the_most_frequent_first_and_the_rest_counted() {
    let triggers: Vec<_> = (0..6).map(|number| stimulated(number, number as f64 * 100.0, number < 3)).collect();
    // The later its number, the longer it lasts.
    let lasting = |number: u64| {
        let animals = Animals::Undirected { animals: ["rat1".into(), "rat2".into()] };
        bout(&format!("behavior {number}"), animals, 100.0..100.0 + number as f64)
    };
    let bouts: Vec<_> = (1..=20).map(lasting).collect();
    let svg = figure(&align(&triggers, &bouts, settings(5.0, 30.0, 0.5)).unwrap());
    assert_eq!(svg.matches(" of the agent<").count() + svg.matches(" of the target<").count(), PANELS_MAX);
    assert!(svg.contains("16 panels of less frequent behaviors are left out"), "{svg}");
    let place = |number: u64| svg.find(&format!("behavior {number} of the agent"));
    assert!(place(20).unwrap() < place(19).unwrap() && place(9).is_some() && place(8).is_none());
}

#[test]
fn the_table_has_a_row_for_each_bin_and_numbers_that_come_back() {
    let aligned = sample();
    let mut table = Vec::new();
    write_csv(&aligned, &mut table).unwrap();
    let mut reader = ::csv::Reader::from_reader(&table[..]);
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), aligned.series.len() * 2 * 40);
    let cell = |row: &::csv::StringRecord, column: &str| {
        row[columns.iter().position(|name| name == column).unwrap()].to_owned()
    };
    let series = find(&aligned, &Who::Agent, "attack").unwrap();
    let is_of = |row: &&::csv::StringRecord| {
        [cell(row, "rule"), cell(row, "role"), cell(row, "behavior"), cell(row, "arm")]
            == [series.rule.as_str(), "agent", "attack", "sham"]
    };
    for (row, (bin, share)) in rows.iter().filter(is_of).zip(series.sham.shares.iter().enumerate()) {
        let number = |column: &str| cell(row, column).parse::<f64>().unwrap();
        assert_eq!(
            [number("bin_start_secs"), number("bin_stop_secs")],
            [aligned.edges_secs[bin], aligned.edges_secs[bin + 1]]
        );
        assert_eq!(number("share"), share.value);
        assert_eq!(Some([number("share_lower"), number("share_upper")]), share.interval);
        assert_eq!(number("difference"), series.difference[bin].value);
        assert_eq!(number("after_difference"), series.difference_after.unwrap().value);
        assert_eq!(
            Some([number("after_share_lower"), number("after_share_upper")]),
            series.sham.after.unwrap().interval
        );
        assert_eq!(number("trials") as usize, series.sham.trials);
        assert_eq!(Some(number("remaining_median_secs")), series.sham.remaining_median_secs());
    }
    let named: Vec<_> = rows.iter().filter(|row| cell(row, "role") == "named").collect();
    assert!(
        !named.is_empty()
            && named.iter().all(|row| cell(row, "cage") == "cage1" && cell(row, "animal").starts_with("rat"))
    );
}

#[test]
fn two_animals_without_direction_are_named_and_none_is_an_agent() {
    let pair = || Animals::Undirected { animals: ["rat1".into(), "rat2".into()] };
    let triggers: Vec<Stimulated> = (0..8)
        .map(|number| Stimulated { animals: pair(), ..stimulated(number, number as f64 * 30.0, number % 2 == 1) })
        .collect();
    let begins = (0..8).map(|number| f64::from(number) * 30.0);
    let bouts: Vec<Bout> = begins.map(|begin| bout("fight", pair(), begin - 1.0..begin + 2.0)).collect();
    let aligned = align(&triggers, &bouts, settings(5.0, 5.0, 0.5)).unwrap();
    assert!(aligned.series.iter().all(|series| matches!(series.who, Who::Named { .. })), "{:?}", aligned.series);
    let svg = figure(&aligned);
    assert!(svg.contains("fight of rat1, cage1") && svg.contains("fight of rat2, cage1"), "{svg}");
    assert!(!svg.contains("agent") && !svg.contains("target"), "{svg}");
}
