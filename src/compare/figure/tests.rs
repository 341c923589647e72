use super::*;
use crate::compare::comparison::Comparison;
use crate::compare::outcome::Outcome;
use crate::compare::testing::outcome;

fn figure(outcomes: Vec<Outcome>) -> String {
    let comparison = Comparison::new(outcomes).unwrap();
    Ranked::new(&comparison, 100, 1).unwrap().figure()
}

fn systems(names: &[&str], seeds: u64) -> Vec<Outcome> {
    let of = |(index, name): (usize, &&str)| {
        let name = (*name).to_owned();
        (1..=seeds).map(move |seed| outcome(&name, seed, 500 + 60 * index as u64))
    };
    names.iter().enumerate().flat_map(of).collect()
}

/// Every place of a drawing lies within it.
fn check_places(svg: &str) {
    let height: f64 = svg.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    for (attribute, most) in [("cx=\"", WIDTH), ("cy=\"", height), ("<text x=\"", WIDTH)] {
        for value in svg.split(attribute).skip(1) {
            let value: f64 = value.split('"').next().unwrap().parse().unwrap();
            assert!(value > 0.0 && value < most, "{attribute}{value}");
        }
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

const FIVE: [&str; 5] = ["lstm", "cnn", "xgboost", "xgboost-per-behavior", "hhstf"];

#[test]
fn each_system_has_its_line_its_seeds_and_its_point() {
    let svg = figure(systems(&FIVE, 3));
    check_places(&svg);
    // A line and a sample in the legend.
    assert_eq!(svg.matches("<polyline").count(), 5 * 2);
    // By system: in the legend, at each delay the mean and 3 seeds, and one by its cost.
    assert_eq!(svg.matches("<circle").count(), 5 * (1 + 3 * 4 + 1));
    for name in FIVE {
        assert!(svg.contains(&format!(">{name} (3 seeds)</text>")) && svg.contains(&format!(">{name}</text>")));
    }
    assert!(svg.contains("fill=\"#FFFFFF\"") && svg.starts_with("<svg xmlns="));
}

#[test]
fn one_system_with_one_seed_at_one_delay_and_recording_is_drawn() {
    let mut alone = outcome("cnn", 1, 500);
    alone.delays_ticks.truncate(1);
    alone.bouts.truncate(1);
    alone.triggers.truncate(1);
    alone.recordings.truncate(1);
    alone.recordings[0].frames.truncate(1);
    alone.cpu_micros_per_tick = 0.0;
    let svg = figure(vec![alone]);
    check_places(&svg);
    assert_eq!(svg.matches("<circle").count(), 3);
}

#[test]
fn long_and_strange_names_are_shortened_and_escaped() {
    let long = "a system with a name that nobody would ever give to anything, except by mistake";
    let many: Vec<String> = (0..9).map(|index| format!("{index}<&\"\u{202e}{long}")).collect();
    let svg = figure(systems(&many.iter().map(String::as_str).collect::<Vec<_>>(), 1));
    check_places(&svg);
    assert!(svg.contains("0&lt;&amp;&quot;\u{fffd}a system") && svg.contains("mistake</text>"));
    assert!(svg.contains('…') && !svg.contains("anything"));
    // Those beyond the colours: a line and a sample of each.
    assert_eq!(svg.matches("stroke-dasharray").count(), 3 * 2);
}
