use super::*;
use crate::baseline::rules::CONDITIONS_MAX;

fn acts() -> Ethogram {
    ethogram(&[&[
        ("chase", Kind::Directed),
        ("sniff-genital", Kind::Directed),
        ("SniffFace", Kind::Directed),
        ("freeze", Kind::OfSelf),
        ("self_groom", Kind::OfSelf),
        ("biteobject", Kind::OfSelf),
    ]])
}

#[test]
fn a_chase_is_told_of_the_hunter_and_not_of_the_hunted() {
    let bouts = chase(300).bouts(&FittedRules::written(&acts()));
    assert!(told_ticks(&bouts, directed(0, 1, 0)) > 280, "{bouts:?}");
    assert!(bouts.iter().all(|bout| bout.cell == directed(0, 1, 0)), "{bouts:?}");
}

#[test]
fn noses_at_the_tail_base_and_at_the_nose_are_told_apart() {
    let rules = FittedRules::written(&acts());
    for (played, told, other) in [(sniff_genital(200), 1, 2), (sniff_face(200), 2, 1)] {
        let bouts = played.bouts(&rules);
        assert!(told_ticks(&bouts, directed(told, 1, 0)) > 180, "{told}: {bouts:?}");
        assert_eq!(told_ticks(&bouts, directed(other, 1, 0)), 0, "{told}: {bouts:?}");
        assert_eq!(told_ticks(&bouts, directed(1, 0, 1)), 0, "{told}: {bouts:?}");
    }
}

#[test]
fn freezing_is_still_to_the_nose_and_grooming_is_not() {
    let rules = FittedRules::written(&acts());
    let still = alone(300, 0.0).bouts(&rules);
    assert!(told_ticks(&still, own(3, 0)) > 200 && told_ticks(&still, own(4, 0)) == 0, "{still:?}");
    // What is shorter than usual is curled up: a groomer bends.
    let grooms = alone(200, 0.0).then(alone(300, 0.08).map(|point| {
        // About where animal 0 stands; the other one is far beyond.
        if point.x < 4.0 { point * 0.8 } else { point }
    }));
    let bouts = grooms.bouts(&rules);
    assert!(told_ticks(&bouts, own(4, 0)) > 100, "{bouts:?}");
    assert!(bouts.iter().all(|bout| bout.cell != own(3, 0) || bout.stop <= 220), "{bouts:?}");
}

#[test]
fn what_is_hidden_is_never_told_of() {
    let rules = FittedRules::written(&acts());
    let told_in = |played: &Played| -> Vec<Vec<bool>> {
        let skeleton = skeleton();
        let mut scorer = rules.scorer(&skeleton, 2);
        played.ticks().map(|points| scorer.advance(points).iter().map(|score| *score > 0.0).collect()).collect()
    };
    let scenes: [fn() -> Played; 4] = [|| chase(200), || sniff_genital(200), || sniff_face(200), || alone(200, 0.08)];
    let mut seen_through = 0;
    for scene in scenes {
        let whole = told_in(&scene());
        for share in [0.05, 0.3, 0.7] {
            let mut rng = StdRng::seed_from_u64(3);
            let hidden = told_in(&scene().hidden(|_, _, _| rng.random_bool(share)));
            for (tick, (hidden, whole)) in hidden.iter().zip(&whole).enumerate() {
                for (cell, (hidden, whole)) in hidden.iter().zip(whole).enumerate() {
                    assert!(!hidden | whole, "{share} hidden: cell {cell} is told at {tick}");
                    seen_through += usize::from(*hidden);
                }
            }
        }
        assert_eq!(scene().hidden(|_, _, _| true).bouts(&rules), []);
        // Whom nobody sees does nothing, and nothing is done to it.
        let without_one = scene().hidden(|_, individual, _| individual == 1).bouts(&rules);
        assert!(without_one.iter().all(|bout| bout.cell == own(3, 0) || bout.cell == own(4, 0)), "{without_one:?}");
    }
    assert!(seen_through > 300, "{seen_through}: a few missing points leave most to be told");
}

#[test]
fn kinds_read_a_rule_in_their_own_orders() {
    let pair = |behavior| Cell {
        behavior: Behavior(behavior),
        subject: Subject::Both { first: Individual(0), second: Individual(1) },
    };
    let sets: [&[(&str, Kind)]; 4] = [
        &[("sniffgenital", Kind::Undirected)],
        &[("sniffgenital", Kind::Mutual)],
        &[("sniffgenital", Kind::OfSelf)],
        &[("sniffface", Kind::Mutual)],
    ];
    let rules = FittedRules::written(&ethogram(&sets));
    let bouts = sniff_genital(200).bouts(&rules);
    assert!(told_ticks(&bouts, pair(0)) > 180 && told_ticks(&bouts, own(2, 1)) > 180, "{bouts:?}");
    assert_eq!(told_ticks(&bouts, pair(1)) + told_ticks(&bouts, own(2, 0)), 0, "{bouts:?}");
    assert!(told_ticks(&sniff_face(200).bouts(&rules), pair(3)) > 180);
}

fn always(priority: f32) -> FittedRule {
    let condition = Condition { quantity: Quantity::Speed, side: Side::Above, threshold: -1.0 };
    let agreement = Agreement { f1: 0.5, precision: 0.25, recall: 0.5, happened_ticks: 9 };
    FittedRule {
        conditions: vec![condition],
        duration_ticks_min: 1,
        gap_ticks_max: 0,
        priority,
        agreement: Some(agreement),
    }
}

#[test]
fn of_behaviors_that_exclude_each_other_that_of_the_higher_priority_is_told() {
    let kinds = [("a", Kind::Directed), ("b", Kind::Undirected), ("c", Kind::OfSelf)];
    let ethogram = ethogram(&[&kinds, &[("d", Kind::Directed)]]);
    for (priorities, told) in [([0.4, 0.6], vec![1, 2, 3]), ([0.6, 0.4], vec![0, 2, 3])] {
        let [a, b] = priorities.map(always);
        let rules = FittedRules::new(ethogram.clone(), vec![a, b, always(0.1), always(0.1)]).unwrap();
        let mut behaviors: Vec<u16> = chase(60).bouts(&rules).iter().map(|bout| bout.cell.behavior.0).collect();
        behaviors.sort_unstable();
        behaviors.dedup();
        assert_eq!(behaviors, told);
    }
    let rules = FittedRules::new(ethogram, vec![always(0.4), always(0.6), always(0.1), always(0.1)]).unwrap();
    let (played, skeleton) = (chase(60), skeleton());
    let looked_for = rules.bouts_of(&played.track(&skeleton), &[directed(0, 0, 1)]);
    assert_eq!(looked_for.len(), 1, "what nobody looked for excludes nothing: {looked_for:?}");
    assert_eq!(looked_for[0].cell, directed(0, 0, 1));
}

#[test]
fn nothing_to_see_is_no_bout() {
    let (rules, skeleton) = (FittedRules::written(&acts()), skeleton());
    for individuals in [0, 1, 2] {
        assert_eq!(rules.bouts(&Track::new(&skeleton, individuals, []).unwrap()), []);
    }
    let nobody: [&[Keypoint]; 3] = [&[]; 3];
    assert_eq!(rules.bouts(&Track::new(&skeleton, 0, nobody).unwrap()), []);
    let one = Played::new(200, |_| [Animal::at(0.0, 0.0, 0.0)]);
    assert!(one.bouts(&rules).iter().all(|bout| bout.cell == own(3, 0)));
    assert_eq!(chase(50).bouts(&FittedRules::written(&Ethogram::new(Vec::new()))), []);
}

#[test]
fn exchanging_turning_and_moving_changes_no_verdict() {
    let rules = FittedRules::written(&acts());
    let exchange = |bout: &Bout| {
        let subject = bout.cell.subject.map(|one| Individual(1 - one.0));
        Bout { cell: Cell { subject, ..bout.cell }, ..*bout }
    };
    let scenes: [fn() -> Played; 3] = [|| chase(200), || sniff_genital(200), || sniff_face(200)];
    for scene in scenes {
        let bouts = scene().bouts(&rules);
        assert!(!bouts.is_empty());
        let mut exchanged: Vec<Bout> = scene().exchanged().bouts(&rules).iter().map(exchange).collect();
        exchanged.sort_unstable_by_key(|bout| (bout.start, bout.cell));
        assert_eq!(exchanged, bouts);
        let turned = scene().map(|point| point.from_frame(Vec2::at_angle(2.0)) + Vec2 { x: -8.0, y: 30.0 });
        assert_eq!(turned.bouts(&rules), bouts);
    }
}

#[test]
fn rules_read_as_sentences() {
    let text = FittedRules::written(&acts()).to_string();
    assert!(text.starts_with("lab-0\n  chase: agent speed > 2 bl/s and target speed > 2 bl/s and "), "{text}");
    assert!(text.contains("and facing < 45° and target's facing > 90°. As written, not fitted.\n"), "{text}");
    assert!(text.contains("  freeze: stillness > 1 s and head motion < 0.4 bl/s and "), "{text}");
    assert!(text.contains("  biteobject: no rule, never told.\n"), "{text}");
    let rule = FittedRule { duration_ticks_min: 10, gap_ticks_max: 5, ..always(0.25) };
    let rules = FittedRules::new(ethogram(&[&[("sniff", Kind::Undirected)]]), vec![rule]).unwrap();
    assert_eq!(
        rules.to_string(),
        "lab-0\n  sniff: agent speed > -1 bl/s, in either order; for at least 0.33 s; holes up to 0.17 s filled. \
         Validation F1 0.500, precision 0.250, recall 0.500.\n"
    );
}

#[test]
fn written_down_rules_come_back_and_bad_ones_are_refused() {
    let ethogram = ethogram(&[&[("sniff", Kind::Directed)]]);
    let rules = FittedRules::new(ethogram.clone(), vec![always(0.25)]).unwrap();
    let json = serde_json::to_string(&rules).unwrap();
    assert_eq!(serde_json::from_str::<FittedRules>(&json).unwrap(), rules);
    let changed = |from: &str, to: &str| serde_json::from_str::<FittedRules>(&json.replace(from, to)).unwrap_err();
    for (from, to, message) in [
        (
            "\"gap_ticks_max\":0",
            "\"gap_ticks_max\":513",
            "Behavior(0): expected a gap_ticks_max of at most 512, got 513",
        ),
        ("\"precision\":0.25", "\"precision\":1.5", "expected an F1, a precision and a recall within 0 to 1, got"),
        ("\"priority\":0.25", "\"priority\":-0.5", "Behavior(0): expected a priority within 0 to 1, got -0.5"),
        ("\"speed\"", "\"spead\"", "unknown variant `spead`"),
    ] {
        let error = changed(from, to).to_string();
        assert!(error.contains(message), "{error}");
    }
    let none = FittedRules::new(ethogram.clone(), Vec::new()).unwrap_err();
    assert_eq!(none.to_string(), "expected a rule for each of 1 behaviors, got 0");
    let mut endless = always(0.1);
    endless.conditions[0].threshold = f32::INFINITY;
    let error = FittedRules::new(ethogram.clone(), vec![endless]).unwrap_err().to_string();
    assert!(error.ends_with("conditions with finite thresholds, got \"speed > inf bl/s\""), "{error}");
    let mut many = always(0.1);
    many.conditions = vec![many.conditions[0]; CONDITIONS_MAX + 1];
    let error = FittedRules::new(ethogram, vec![many]).unwrap_err().to_string();
    assert_eq!(error, "Behavior(0): expected at most 8 conditions with finite thresholds, got 9 conditions");
}
