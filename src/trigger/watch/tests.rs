use super::*;
use crate::model::trust::{BoutLengths, TriggerAdvice};
use crate::model::wiring::Vocabulary;
use crate::stream::Origin;
use crate::train::samples;
use crate::trigger::plan::tests::PLAN;

fn card() -> Card {
    let behaviors =
        [("attack", Kind::Directed), ("chase", Kind::Directed), ("rest", Kind::OfSelf), ("huddle", Kind::Undirected)];
    let ethogram = Ethogram::new(vec![samples::label_set("Lab", &behaviors)]);
    samples::card(&samples::config(1, 1, 0.0), &ethogram, &Vocabulary(vec!["nose".into()]))
}

fn stream() -> StreamDescription {
    let names = vec!["rat1".to_owned(), "rat2".to_owned()];
    StreamDescription::new(samples::skeleton(0), names, 30.0, 100.0, None, Origin::Live).unwrap()
}

fn watch(plan: &str) -> Watch {
    Watch::new(&Plan::parse(plan).unwrap(), &card(), &stream()).unwrap()
}

/// Nose, spine and tail of two animals that look at each other, their noses `apart`.
fn facing(apart: f32) -> Vec<Keypoint> {
    let point = |x: f32| Keypoint { x, y: 0.0, confidence: 1.0 };
    [0.0, -0.5, -1.0, apart, apart + 0.5, apart + 1.0].map(point).to_vec()
}

/// D × N: delays 0 and 15; attack a→b and b→a, chase a→b and b→a, rest a and b, huddle.
fn scores(attack: [f32; 2], chase: f32) -> Vec<f32> {
    let row = [attack[0], attack[1], chase, chase, 0.0, 0.0, 0.0];
    [row, [0.0; 7]].concat()
}

/// A tick a letter: `#` is at `on` (0.8), `=` between the thresholds, `.` below `off`, `?` no number. What comes of rat1's
/// attack, with the ticks.
fn edges(watch: &mut Watch, letters: &str, points: &[Keypoint]) -> Vec<(u64, Edge)> {
    let score = |letter| match letter {
        '#' => 0.8,
        '=' => 0.4,
        '.' => 0.39,
        _ => f32::NAN,
    };
    let mut edges = Vec::new();
    for (tick, letter) in letters.chars().enumerate() {
        let candidates = watch.push(Tick(tick as u64), &scores([score(letter), 0.0], 0.0), points);
        edges.extend(candidates.into_iter().map(|candidate| (candidate.tick.0, candidate.edge)));
    }
    edges
}

#[test]
fn a_rule_begins_at_a_rise_and_ends_below_off_with_no_gap_filled() {
    use Edge::{Begins, Ends};
    let found = edges(&mut watch(PLAN), "#.##=#.#?#.#", &facing(0.2));
    // What went on at the start is no onset, and neither is what goes on after an unknown score.
    assert_eq!(found, [(2, Begins), (6, Ends), (7, Begins), (8, Ends), (11, Begins)]);
}

#[test]
fn it_is_about_the_animals_that_it_names() {
    let of = |plan: &str| {
        let mut watch = watch(plan);
        let points = facing(0.2);
        watch.push(Tick(0), &scores([0.0, 0.0], 0.0), &points);
        let candidates = watch.push(Tick(1), &scores([0.9, 0.9], 0.0), &points);
        candidates.into_iter().map(|candidate| candidate.subject).collect::<Vec<_>>()
    };
    let ordered = |agent, target| Subject::Ordered { agent: Individual(agent), target: Individual(target) };
    assert_eq!(of(PLAN), [ordered(0, 1), ordered(1, 0)]);
    assert_eq!(of(&PLAN.replace("output = \"laser\"", "agent = \"rat2\"\noutput = \"laser\"")), [ordered(1, 0)]);
    assert_eq!(of(&PLAN.replace("output = \"laser\"", "target = \"rat2\"\noutput = \"laser\"")), [ordered(0, 1)]);
}

#[test]
fn any_of_its_behaviors_at_its_delay_is_enough() {
    let mut both = watch(&PLAN.replace("[\"attack\"]", "[\"attack\", \"chase\"]"));
    let mut later = watch(&PLAN.replace("delay_ticks = 0", "delay_ticks = 15"));
    let points = facing(0.2);
    for watch in [&mut both, &mut later] {
        watch.push(Tick(0), &scores([0.0, 0.0], 0.0), &points);
    }
    let candidates = both.push(Tick(1), &scores([0.1, 0.1], 0.9), &points);
    assert_eq!(candidates.iter().map(|candidate| candidate.score).collect::<Vec<_>>(), [Some(0.9); 2]);
    assert!(later.push(Tick(1), &scores([0.9, 0.9], 0.9), &points).is_empty());
}

const NEAR: &str = "[[rules.geometry]]\nquantity = \"nose-to-body\"\nside = \"below\"\non = 0.3\noff = 0.6\n";

/// The plan with geometry, and without its score where `alone`.
fn near(alone: bool) -> String {
    let score = PLAN.find("[rules.score]").unwrap();
    format!("{}{NEAR}\n{}", &PLAN[..score], if alone { "" } else { &PLAN[score..] })
}

#[test]
fn geometry_has_a_hysteresis_of_its_own_and_runs_without_scores() {
    let mut watch = watch(&near(true));
    let mut found = Vec::new();
    for (tick, apart) in [0.9, 0.5, 0.3, 0.5, 0.2, 0.7, 0.1].into_iter().enumerate() {
        let candidates = watch.push(Tick(tick as u64), &scores([0.0; 2], 0.0), &facing(apart));
        found
            .extend(candidates.into_iter().filter(|candidate| candidate.subject == Subject::all(Kind::Directed, 2)[0]));
    }
    let edges: Vec<_> = found.iter().map(|candidate| (candidate.tick.0, candidate.edge)).collect();
    assert_eq!(edges, [(2, Edge::Begins), (5, Edge::Ends), (6, Edge::Begins)]);
    let [(quantity, value)] = found[0].quantities[..] else { panic!("one quantity") };
    assert!(quantity == Quantity::NoseToBody && (value - 0.3).abs() < 1e-6 && found[0].score.is_none());
}

#[test]
fn score_and_geometry_have_to_hold_together() {
    assert_eq!(edges(&mut watch(&near(false)), "..##", &facing(0.7)), []);
    assert_eq!(edges(&mut watch(&near(false)), "..##", &facing(0.2)), [(2, Edge::Begins)]);
}

#[test]
fn whoever_is_not_seen_does_nothing() {
    let mut watch = watch(PLAN);
    let mut hidden = facing(0.2);
    hidden.fill(Keypoint::MISSING);
    let mut push =
        |tick, attack, points: &[Keypoint]| !watch.push(Tick(tick), &scores([attack, 0.0], 0.0), points).is_empty();
    assert!(!push(0, 0.0, &facing(0.2)));
    for tick in 1..=u64::from(UNSEEN_TICKS_MAX) + 1 {
        assert!(!push(tick, 0.0, &hidden));
    }
    assert!(!push(40, 0.9, &hidden), "gone for too long");
    assert!(!push(41, 0.9, &facing(0.2)), "what went on when they were seen again is no onset");
    assert!(!push(42, 0.0, &facing(0.2)) && push(43, 0.9, &facing(0.2)));
}

#[test]
fn a_gate_is_told_as_long_as_it_lasts() {
    use Edge::{Begins, Ends, Lasts};
    let plan = PLAN.replace("{ kind = \"pulse\", on_millis = 500 }", "{ kind = \"gate\", on_millis_max = 1000 }");
    assert_eq!(edges(&mut watch(&plan), ".#=#.", &facing(0.2)), [(1, Begins), (2, Lasts), (3, Lasts), (4, Ends)]);
}

#[test]
fn zones_admit_who_is_inside() {
    let zone = "[zones.nest]\ncorners_px = [[-100, -100], [20, -100], [20, 100], [-100, 100]]\n\n[[rules]]\n";
    let of = |bound: &str| {
        let plan = PLAN.replace("[[rules]]\n", &format!("{zone}zones = [{{ zone = \"nest\", animal = {bound} }}]\n"));
        !edges(&mut watch(&plan), ".#", &facing(0.2)).is_empty()
    };
    assert!(of("\"agent\"") && !of("\"target\"") && of("\"target\", inside = false"));
}

#[test]
fn a_rule_that_fits_neither_model_nor_rig_is_refused_by_its_place() {
    let refused = |from: &str, to: &str, change: fn(&mut Card)| {
        assert!(PLAN.contains(from), "{from}");
        let mut card = card();
        change(&mut card);
        Watch::new(&Plan::parse(&PLAN.replacen(from, to, 1)).unwrap(), &card, &stream()).unwrap_err().to_string()
    };
    let plain = |from: &str, to: &str| refused(from, to, |_| {});
    for (said, found) in [
        ("score.label_set: expected one of Lab, got Other", plain("\"Lab\"", "\"Other\"")),
        ("expected one of attack, chase, rest, huddle, got bite", plain("[\"attack\"]", "[\"bite\"]")),
        ("expected one of 0, 15, got 30", plain("delay_ticks = 0", "delay_ticks = 30")),
        ("all of one kind (directed), got self", plain("[\"attack\"]", "[\"attack\", \"rest\"]")),
    ] {
        assert!(found.contains(said), "{found}");
    }
    let named = |who: &str, behavior: &str| {
        let plan = PLAN.replace("[\"attack\"]", &format!("[\"{behavior}\"]"));
        let plan = plan.replace("output = \"laser\"", &format!("{who}\noutput = \"laser\""));
        Watch::new(&Plan::parse(&plan).unwrap(), &card(), &stream()).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(named("agent = \"bob\"", "attack").unwrap_err().contains("one of the animals rat1, rat2, got bob"));
    assert!(
        named("agent = \"rat1\"", "huddle")
            .unwrap_err()
            .contains("no agent, target or zone, as the behavior is undirected")
    );
    assert!(named("target = \"rat1\"", "rest").unwrap_err().contains("a behavior of two animals"));
    assert_eq!(named("agent = \"rat1\"", "rest"), Ok(()));
    let unfit = |card: &mut Card| {
        let advice = TriggerAdvice { unfit: Some("2 bouts".into()), choices: Vec::new() };
        card.triggers = [("Lab".to_owned(), [("attack".to_owned(), vec![advice.clone(), advice])].into())].into();
    };
    let error = refused("on = 0.8", "on = 0.8", unfit);
    assert!(error.contains("fit for triggering, got attack (2 bouts)"), "{error}");
    let short = |card: &mut Card| {
        let lengths = BoutLengths { bouts: 9, median_secs: 0.4 };
        card.bouts = [("Lab".to_owned(), [("attack".to_owned(), lengths)].into())].into();
    };
    let error = refused("delay_ticks = 0", "delay_ticks = 15", short);
    assert!(error.contains("at most the median bout of attack, 0.40 s, got 0.50 s"), "{error}");
    let mut card = card();
    let lengths = BoutLengths { bouts: 9, median_secs: 0.499 };
    card.bouts = [("Lab".to_owned(), [("attack".to_owned(), lengths)].into())].into();
    let late = Plan::parse(&PLAN.replace("delay_ticks = 0", "delay_ticks = 15")).unwrap();
    assert!(
        Watch::new(&late, &card, &stream()).is_ok(),
        "15 ticks are no longer than a median of 15, as it is rounded"
    );
}
