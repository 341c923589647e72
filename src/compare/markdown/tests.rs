use super::*;
use crate::compare::comparison::Comparison;
use crate::compare::testing::outcome;

fn page(outcomes: &[Outcome]) -> String {
    let comparison = Comparison::new(outcomes.to_vec()).unwrap();
    Ranked::new(&comparison, 200, 1).unwrap().markdown()
}

/// The cells of a row that begins with these.
fn row<'a>(page: &'a str, beginning: &str) -> Vec<&'a str> {
    let row = page.lines().find(|line| line.starts_with(beginning)).expect("such a row");
    row.trim_matches('|').split(" | ").map(str::trim).collect()
}

fn three_systems() -> Vec<Outcome> {
    let runs = [("cnn", 500), ("hhstf", 800), ("lstm", 503)];
    runs.iter().flat_map(|(system, found)| [1, 2, 3].map(|seed| outcome(system, seed, *found))).collect()
}

#[test]
fn the_main_table_has_a_row_for_each_system_in_order() {
    let page = page(&three_systems());
    assert!(page.starts_with("# 3 systems on 6 recordings\n"), "{page}");
    assert!(page.contains("- Seeds, the same for each system: 1, 2, 3\n"));
    assert!(page.contains("- Decision delays in ticks: 0 (0.00 s), 15 (0.50 s), 60 (2.00 s)\n"));
    assert!(page.contains("(A/social, B/bite)"), "the behaviors that all advise triggers for");
    let (head, best) = (row(&page, "| rank"), row(&page, "| 1 | hhstf"));
    assert_eq!(head.len(), best.len());
    let at = |what: &str| best[head.iter().position(|cell| *cell == what).unwrap()];
    let runs: Vec<Outcome> = [1, 2, 3].map(|seed| outcome("hhstf", seed, 800)).to_vec();
    assert_eq!(at("F1@60"), spread(&runs.iter().map(|run| run.mean_f1(2)).collect::<Vec<_>>()));
    assert!(at("F1@0").contains(" ± 0.00"), "{}", at("F1@0"));
    assert_eq!((at("trigger hits@0"), at("trigger false/h@0")), ("20.0 of 40", "1.50"));
    assert_eq!([at("trigger onset latency s@0"), at("CPU µs/tick")], ["0.50", "200"]);
    assert_eq!([at("size"), at("training min")], ["1.60 MB", "10.0"]);
    assert_eq!(row(&page, "| 2 |")[0], "2");
}

#[test]
fn behaviors_are_told_by_system_with_their_means_below() {
    let page = page(&three_systems());
    let frames = &page[page.find("## F1 of frames").unwrap()..];
    assert_eq!(row(frames, "| label set")[2], "hhstf");
    let of_run = |seed| outcome("hhstf", seed, 800).frame_f1(2)[1];
    let mean = (of_run(1) + of_run(2) + of_run(3)) / 3.0;
    assert_eq!(row(frames, "| A | aggression")[2], format!("{mean:.3}"));
    assert_eq!(row(frames, "| A | *mean*").len(), 5);
    assert_eq!(row(frames, "| *all*").len(), 5);
}

#[test]
fn each_pair_is_told_apart_or_a_tie_at_both_ends() {
    let page = page(&three_systems());
    let differences = &page[page.find("## Differences").unwrap()..];
    assert_eq!(differences.lines().filter(|line| line.starts_with("| ")).count(), 2 + 3);
    let clear = row(differences, "| hhstf | cnn");
    assert_eq!((clear[4], clear[7]), ("better", "better"));
    assert!(clear[2].starts_with("+0.") && clear[3].starts_with("+0."), "{clear:?}");
    let tie = differences.lines().find(|line| line.contains("cnn") && line.contains("lstm")).unwrap();
    assert_eq!(tie.matches("tie").count(), 2, "{tie}");
}

#[test]
fn what_seeds_could_turn_stands_in_brackets() {
    let better = Estimate { value: 0.02, interval: Some([0.01, 0.03]) };
    let tie = Estimate { value: 0.02, interval: Some([-0.01, 0.05]) };
    let verdicts = [(better, None), (better, Some(0.009)), (better, Some(0.011)), (tie, Some(0.011))];
    assert_eq!(verdicts.map(|(difference, error)| verdict(difference, error)), ["better", "better", "(better)", "tie"]);
    let worse = Estimate { value: -0.02, interval: Some([-0.03, -0.01]) };
    assert_eq!([verdict(worse, None), verdict(worse, Some(1.0))], ["worse", "(worse)"]);
    let runs = |seeds: &[u64]| SystemRuns {
        name: "cnn".to_owned(),
        runs: seeds.iter().map(|seed| outcome("cnn", *seed, 500)).collect(),
    };
    let deviation = Spread::of(&runs(&[1, 2, 3]).each(|run| run.mean_f1(1))).unwrap().deviation.unwrap();
    let error = seeds_error(&runs(&[1, 2, 3]), &runs(&[3, 2, 1]), 1).unwrap();
    assert!((error - deviation * (2.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    assert_eq!(seeds_error(&runs(&[1, 2, 3]), &runs(&[1]), 1), None);
}

#[test]
fn triggers_are_told_by_behavior_with_how_many_seeds_advise_them() {
    let mut outcomes = three_systems();
    outcomes[4].triggers[0][0] = None;
    let page = page(&outcomes);
    let triggers = &page[page.find("## Triggers").unwrap()..];
    let social = row(triggers, "| A | social");
    assert_eq!(social[2], "10.0 of 20, 1.50/h, 0.50 s (2 of 3 seeds)");
    assert_eq!(social[3], "6.0 of 20, 1.50/h, 0.50 s");
    assert_eq!(row(triggers, "| A | aggression")[2..], ["no advice"; 3]);
    assert!(page.contains("(B/bite)"), "the main table is about what all advise");
}

#[test]
fn without_common_advice_the_main_table_has_no_triggers() {
    let mut outcomes = three_systems();
    outcomes[0].triggers[0] = vec![None; 3];
    let some = page(&outcomes);
    assert!(some.contains("no behavior for which every run advises") && !some.contains("trigger hits@0"));
    for outcome in &mut outcomes {
        outcome.triggers = vec![vec![None; 3]; 3];
    }
    let none = page(&outcomes);
    assert!(none.contains("No run advises a trigger.") && !none.contains("## Triggers"));
}

#[test]
fn one_run_of_one_system_has_no_deviation_and_no_pair() {
    let page = page(&[outcome("cnn", 1, 500)]);
    assert!(page.starts_with("# 1 system on") && !page.contains("## Differences"));
    assert!(!page.lines().any(|line| line.starts_with("| 1") && line.contains('±')), "{page}");
}

#[test]
fn of_one_recording_it_says_that_nothing_is_told_apart() {
    let mut outcomes = three_systems();
    for outcome in &mut outcomes {
        outcome.recordings.truncate(1);
    }
    let page = page(&outcomes);
    assert!(page.contains("Of a single recording there are no intervals"));
    assert_eq!(page.lines().filter(|line| line.starts_with("| 1 |")).count(), 3);
}

#[test]
fn names_do_not_break_tables() {
    let mut outcomes = three_systems();
    for outcome in &mut outcomes {
        outcome.system = format!("a|b\n{}", outcome.system);
        outcome.label_sets[0].behaviors[0] = "x | y\r\n| z".to_owned();
        outcome.recordings[0].name = "r\n# not a heading".to_owned();
    }
    let page = page(&outcomes);
    let unescaped = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut columns = None;
    for line in page.lines() {
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        assert_eq!(unescaped(line), *columns.get_or_insert(unescaped(line)), "{line}");
        assert!(line.ends_with(" |"), "{line}");
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("# ")).count(), 1);
    assert!(page.contains("x \\| y  \\| z"));
}

#[test]
fn a_label_set_that_nobody_asked_for_has_no_rows() {
    let mut outcomes = three_systems();
    for recording in outcomes.iter_mut().flat_map(|outcome| &mut outcome.recordings) {
        recording.asked[1] = false;
    }
    assert!(!page(&outcomes).lines().any(|line| line.starts_with("| B |")));
}
