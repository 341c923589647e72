//! What is simulated, as a file says it: each slip is an error that names its key.

use super::*;
use crate::simulate::spec::SpecError;

/// Two labs in few lines.
const SMALL: &str = r#"
name = "small"
seed = 1
preset = "clean"
minutes = 1.0
recordings = { train = 1, validation = 1, test = 1 }

[[skeletons]]
name = "three"
keypoints = ["nose", "body", "tail"]
front = "nose"
centre = "body"
rear = "tail"
edges = [["nose", "body"], ["body", "tail"]]

[[label_sets]]
name = "Words"
behaviors = ["sniff", { name = "fight", acts = ["attack", "chase"] }, "rest"]

[[labs]]
name = "One"
skeleton = "three"
rate_hz = 30.0
body_length_px = 100.0
arena = { circle = 5.0 }
individuals = ["a", "b"]
annotated_by = ["Words"]
temper = { pace = 1.5 }
[labs.acts]
rest = 1.0
sniff = 2.0

[[labs]]
name = "Two"
skeleton = "three"
rate_hz = 50.0
body_length_px = 100.0
arena = { rectangle = [5.0, 6.0] }
individuals = ["a", "b", "c"]
annotated_by = []
[labs.acts]
"#;

fn error_of(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    let parsed = Simulation::parse(&SMALL.replacen(from, to, 1)).map(|_| ());
    parsed.expect_err(to).to_string()
}

#[test]
fn a_small_file_says_all() {
    let simulation = Simulation::parse(SMALL).unwrap();
    assert_eq!((simulation.name.as_str(), simulation.seed, simulation.minutes), ("small", 1, 1.0));
    assert_eq!(simulation.meanings, [vec![Act::Sniff], vec![Act::Attack, Act::Chase], vec![Act::Rest]]);
    let [one, two] = &simulation.labs[..] else { panic!("two labs") };
    assert_eq!((one.name.as_str(), one.rate_hz(), one.body_length_px()), ("One", 30.0, 100.0));
    assert_eq!((one.habitat.temper.pace, two.habitat.temper.pace), (1.5, 1.0));
    assert_eq!((one.habitat.individuals, two.habitat.individuals), (2, 3));
    assert_eq!(one.places().len(), 3);
    assert!(one.habitat.repertoire.has(Act::Sniff) && !one.habitat.repertoire.has(Act::Attack));
    assert_eq!((one.annotated_by.clone(), two.annotated_by.clone()), (vec![0], vec![]));
}

#[test]
fn a_lab_without_acts_walks_about() {
    let simulation = Simulation::parse(SMALL).unwrap();
    let mut path = 0.0;
    live(&simulation.labs[1].habitat, 1, 60, |vivarium| {
        assert_eq!(vivarium.deeds().count(), 0);
        path += vivarium.bodies()[0].velocity.length() / STEP_HZ as f32;
    });
    assert!(path > 10.0, "{path}");
}

#[test]
fn bad_labels_are_refused_with_their_key() {
    let long_acts = "expected one of the acts explore, rest, run, rear, selfgroom, dig, freeze, approach, sniff, \
                     sniffgenital, follow, chase, attack, mount, escape, avoid, submit, huddle, tussle, reciprocalsniff";
    for (from, to, expected) in [
        ("[\"sniff\",", "[\"bite\",", format!("label_sets.Words.bite: {long_acts}, got \"bite\"")),
        ("\"chase\"]", "\"Chase\"]", format!("label_sets.Words.fight: {long_acts}, got \"Chase\"")),
        ("[\"attack\", \"chase\"]", "[]", "label_sets.Words.fight: expected at least one act, got \"none\"".into()),
        (
            "\"chase\"]",
            "\"rest\"]",
            "label_sets.Words.fight: expected acts of one kind, and not explore, got [\"attack\", \"rest\"]".into(),
        ),
        (
            "[\"sniff\",",
            "[\"explore\",",
            "label_sets.Words.explore: expected acts of one kind, and not explore, got [\"explore\"]".into(),
        ),
        ("\"fight\"", "\"sniff\"", "label_sets.Words.sniff: expected each behavior once, got \"sniff\"".into()),
        (
            "\"Words\"\nbe",
            "\"a/b\"\nbe",
            "label_sets.name: expected a name of its own that a folder can have, got \"a/b\"".into(),
        ),
        (
            "[[labs]]",
            "[[label_sets]]\nname = \"Words\"\nbehaviors = []\n[[labs]]",
            "label_sets.name: expected a name of its own that a folder can have, got \"Words\"".into(),
        ),
    ] {
        assert_eq!(error_of(from, to), expected);
    }
}

#[test]
fn bad_labs_are_refused_with_their_key() {
    let own = "expected a name of its own that a folder can have, got";
    for (from, to, expected) in [
        ("\"Two\"", "\"One\"", format!("labs.name: {own} \"One\"")),
        ("\"Two\"", "\"\"", format!("labs.name: {own} \"\"")),
        ("\"Two\"", "\"..\"", format!("labs.name: {own} \"..\"")),
        ("\"Two\"", "\"a/b\"", format!("labs.name: {own} \"a/b\"")),
        ("\"Two\"", "'a\\b'", format!("labs.name: {own} \"a\\\\b\"")),
        (
            "skeleton = \"three\"",
            "skeleton = \"four\"",
            "labs.One.skeleton: expected one of the skeletons, got \"four\"".into(),
        ),
        (
            "\"body\", \"tail\"]\nf",
            "\"body\", \"tail\", \"wing\"]\nf",
            "labs.One.skeleton: expected keypoints with a place on a body, got \"wing\"".into(),
        ),
        ("[\"Words\"]", "[\"Deeds\"]", "labs.One.annotated_by: expected one of the label sets, got \"Deeds\"".into()),
        ("circle = 5.0", "circle = 2.4", "labs.One.arena: expected 2.5 to 40, got 2.4".into()),
        ("circle = 5.0", "circle = nan", "labs.One.arena: expected 2.5 to 40, got NaN".into()),
        ("[5.0, 6.0]", "[5.0, 41.0]", "labs.Two.arena: expected 2.5 to 40, got 41.0".into()),
        ("[5.0, 6.0]", "[-5.0, 6.0]", "labs.Two.arena: expected 2.5 to 40, got -5.0".into()),
        ("pace = 1.5", "pace = 2.5", "labs.One.temper.pace: expected 0.3 to 2, got 2.5".into()),
        ("pace = 1.5", "timidity = 0.0", "labs.One.temper.timidity: expected 0.1 to 10, got 0.0".into()),
        ("pace = 1.5", "activity = inf", "labs.One.temper.activity: expected 0.1 to 10, got inf".into()),
        ("pace = 1.5", "spread = 0.7", "labs.One.temper.spread: expected 0 to 0.6, got 0.7".into()),
        ("rest = 1.0", "rest = -1.0", "labs.One.acts.rest: expected 0 to 1000, got -1.0".into()),
        ("rest = 1.0", "rest = nan", "labs.One.acts.rest: expected 0 to 1000, got NaN".into()),
        ("[\"a\", \"b\"]", "[\"a\"]", "labs.One: expected 2 to 8 individuals, got 1".into()),
        ("[\"a\", \"b\"]", "[]", "labs.One: expected 2 to 8 individuals, got 0".into()),
        ("[\"a\", \"b\"]", "[\"a\", \"a\"]", "labs.One: individual \"a\" is listed twice".into()),
        (
            "[\"a\", \"b\"]",
            "[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\"]",
            "labs.One: expected 2 to 8 individuals, got 9".into(),
        ),
        ("rate_hz = 30.0", "rate_hz = 9.0", "labs.One: expected a rate_hz within 10 to 240, got 9".into()),
        ("rate_hz = 30.0", "rate_hz = 241.0", "labs.One: expected a rate_hz within 10 to 240, got 241".into()),
        ("rate_hz = 30.0", "rate_hz = nan", "labs.One: expected a rate_hz within 10 to 240, got NaN".into()),
        ("px = 100.0", "px = 0.0", "labs.One: expected a body_length_px within 0.001 to 100000, got 0".into()),
    ] {
        assert_eq!(error_of(from, to), expected);
    }
    let error = error_of("rest = 1.0", "groom = 1.0");
    assert!(error.starts_with("labs.One.acts: expected one of the acts explore, rest"), "{error}");
    assert!(error.ends_with("got \"groom\""), "{error}");
}

#[test]
fn recordings_have_a_length() {
    for (to, expected) in [
        ("0.0", "minutes: expected 0.05 to 1440, got 0.0"),
        ("-1.0", "minutes: expected 0.05 to 1440, got -1.0"),
        ("nan", "minutes: expected 0.05 to 1440, got NaN"),
        ("inf", "minutes: expected 0.05 to 1440, got inf"),
        ("1e9", "minutes: expected 0.05 to 1440, got 1000000000.0"),
        ("1200.0", "minutes: expected at most 1111 for One, got 1200.0"),
        ("1000.0", "minutes: expected at most 666 for Two, got 1000.0"),
    ] {
        assert_eq!(error_of("minutes = 1.0", &format!("minutes = {to}")), expected);
        let mut simulation = Simulation::parse(SMALL).unwrap();
        let before = simulation.clone();
        let error = simulation.set_minutes(to.parse().unwrap()).unwrap_err().to_string();
        assert_eq!((error.as_str(), &simulation), (expected, &before));
    }
}

#[test]
fn files_of_another_shape_are_refused() {
    for (from, to, named) in [
        ("seed = 1", "seed = -1", "seed = -1"),
        ("seed = 1", "sed = 1", "unknown field `sed`"),
        ("seed = 1\n", "", "missing field `seed`"),
        ("pace = 1.5", "speed = 1.5", "unknown field `speed`"),
        ("{ circle = 5.0 }", "{ square = 5.0 }", "unknown variant `square`"),
        ("train = 1", "trai = 1", "unknown field `trai`"),
        ("acts = [\"attack\", \"chase\"]", "act = [\"attack\"]", "did not match any variant"),
        ("rear = \"tail\"", "rear = \"nose\"", "front, centre and rear must be three different keypoints"),
        ("rear = \"tail\"", "rear = \"tip\"", "rear names \"tip\", which is none of its keypoints"),
        ("annotated_by = []\n", "", "missing field `annotated_by`"),
    ] {
        let error = error_of(from, to);
        assert!(error.contains(named), "{error}");
    }
    let without = SMALL.split("[[labs]]").next().unwrap().replace("[[skel", "labs = []\n[[skel");
    let error = Simulation::parse(&without).unwrap_err();
    assert!(matches!(error, SpecError::Value { .. }));
    assert_eq!(error.to_string(), "labs: expected at least one, got \"none\"");
}

#[test]
fn labs_are_picked_by_name() {
    let mut simulation = Simulation::parse(SMALL).unwrap();
    let all = simulation.clone();
    simulation.keep_labs(&[]).unwrap();
    assert_eq!(simulation, all);
    let error = simulation.keep_labs(&["Two".to_owned(), "Three".to_owned()]).unwrap_err().to_string();
    assert_eq!(error, "--lab: expected one of [\"One\", \"Two\"], got \"Three\"");
    assert_eq!(simulation, all);
    simulation.keep_labs(&["Two".to_owned(), "Two".to_owned()]).unwrap();
    assert_eq!(simulation.labs.len(), 1);
    assert_eq!(simulation.labs[0].name, "Two");
}

#[test]
fn the_built_in_labs_differ_as_real_ones_do() {
    let simulation = Simulation::built_in();
    let mut keypoints: Vec<usize> = simulation.labs.iter().map(|lab| lab.skeleton().keypoints().len()).collect();
    keypoints.sort_unstable();
    assert_eq!(keypoints, [5, 7, 8, 12, 18]);
    for lab in &simulation.labs {
        assert!((25.0..=120.0).contains(&lab.rate_hz()), "{}", lab.name);
        assert!((2..=4).contains(&lab.habitat.individuals), "{}", lab.name);
        assert!(!lab.annotated_by.is_empty(), "{}", lab.name);
        for (act, _) in &lab.habitat.repertoire.weights {
            assert!(lab.habitat.repertoire.ethology.bout_length(act.name()).is_some(), "{act:?} has no lengths");
        }
        // A word that a lab's protocol has and its animals never do would be labelled absent for ever.
        for (behavior, set, spec) in simulation.ethogram.behaviors() {
            let acts = &simulation.meanings[usize::from(behavior.0)];
            let done = acts.iter().any(|act| lab.habitat.repertoire.has(*act));
            assert!(done || !lab.annotated_by.contains(&set), "{} never does {}", lab.name, spec.name);
        }
    }
}
