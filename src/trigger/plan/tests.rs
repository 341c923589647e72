use super::*;

/// A whole plan: pulses at aggression, ten seconds apart.
pub(in crate::trigger) const PLAN: &str = r#"
name = "attack"
rig = "rig1"

[outputs.laser]
kind = "serial"
device = "/dev/ttyACM0"
protocol = "vibrissa"
bounded_by = "device"
channel = 1
on_time_max_millis = 2000

[limits.laser]
count_per_hour_max = 4
count_per_session_max = 100
on_millis_per_hour_max = 6000
on_millis_per_session_max = 60000

[[rules]]
name = "aggression"
output = "laser"
stimulus = { kind = "pulse", on_millis = 500 }
refractory = { pair_millis = 0, cage_millis = 10000, rig_millis = 0 }
sham_share = 0.0
false_per_hour_max = 6.0

[rules.score]
label_set = "Lab"
behaviors = ["attack"]
delay_ticks = 0
on = 0.8
off = 0.4
"#;

#[test]
fn a_plan_is_read_and_its_hash_is_of_its_text() {
    let plan = Plan::parse(PLAN).unwrap();
    assert_eq!((plan.rules.len(), plan.rules[0].stimulus.on_millis()), (1, 500));
    assert_ne!(plan.hash, Plan::parse(&format!("{PLAN}\n# other")).unwrap().hash);
}

#[test]
fn the_example_is_a_plan() {
    Plan::parse(include_str!("../../../configs/triggers/attack.toml")).unwrap();
}

#[test]
fn what_is_out_of_bounds_is_refused_by_its_place() {
    let zone = "[[rules]]\nzones = [{ zone = \"nest\", animal = \"agent\" }]";
    let geometry = |on: &str, off: &str| {
        format!(
            "[[rules.geometry]]\nquantity = \"nose-to-body\"\nside = \"below\"\non = {on}\noff = {off}\n\n[rules.score]"
        )
    };
    let train = |on: u64, period: u64, count: u64| {
        format!("{{ kind = \"train\", on_millis = {on}, period_millis = {period}, count = {count} }}")
    };
    let pulse = "{ kind = \"pulse\", on_millis = 500 }";
    let cases = [
        ("rig = \"rig1\"", "rig = \"rig 1\"".to_owned(), "rig: expected a name"),
        ("[limits.laser]", "[limits.lamp]".to_owned(), "limits.laser: expected limits of every output, got none"),
        ("output = \"laser\"", "output = \"lamp\"".to_owned(), "expected one of the outputs laser, got lamp"),
        ("bounded_by = \"device\"\n", String::new(), "bounded_by"),
        ("on = 0.8", "on = 1.2".to_owned(), "score.on: expected a score above 0 and at most 1, got 1.2"),
        ("off = 0.4", "off = 0.9".to_owned(), "score.off: expected above 0 and at most on, 0.8, got 0.9"),
        ("off = 0.4", "off = nan".to_owned(), "score.off"),
        ("behaviors = [\"attack\"]", "behaviors = []".to_owned(), "expected 1 to 8 behaviors, got 0"),
        ("sham_share = 0.0", "sham_share = 0.25".to_owned(), "sham_share: expected a multiple of a tenth"),
        ("sham_share = 0.0", "probability = 0.0".to_owned(), "probability: expected above 0"),
        ("sham_share = 0.0", "sustain_ticks = 0".to_owned(), "sustain_ticks: expected 1 to 512, got 0"),
        ("sham_share = 0.0", "delay_millis = 10001".to_owned(), "delay_millis: expected at most 10000"),
        ("false_per_hour_max = 6.0", "false_per_hour_max = nan".to_owned(), "false_per_hour_max"),
        (
            pulse,
            "{ kind = \"pulse\", on_millis = 2001 }".to_owned(),
            "expected 1 to 2000 ms on, the most of output laser, got 2001",
        ),
        (pulse, "{ kind = \"pulse\", on_millis = 0 }".to_owned(), "stimulus"),
        (pulse, train(20, 20, 5), "period_millis: expected more than on_millis, 20, got 20"),
        (pulse, train(5, 50, 401), "got 2005"),
        (pulse, train(1, 10_000, 61), "a train of at most 600000 ms"),
        ("[[rules]]", zone.to_owned(), "zones: expected a zone that the plan describes, got nest"),
        ("[[rules]]", "[[rules]]\nphases = [\"x\"]".to_owned(), "phases: expected a phase"),
        ("[[rules]]", "[[rules]]\nwatts = 5".to_owned(), "watts"),
        ("[rules.score]", geometry("0.5", "0.4"), "off on the other side of on"),
        ("[rules.score]", geometry("nan", "0.4"), "finite thresholds"),
        ("name = \"aggression\"", "name = \"aggression\"\nagent = \"a\"\ntarget = \"a\"".to_owned(), "another animal"),
    ];
    for (from, to, said) in cases {
        assert!(PLAN.contains(from), "{from}");
        let error = Plan::parse(&PLAN.replacen(from, &to, 1)).unwrap_err().to_string();
        assert!(error.contains(said), "{to}: {error}");
    }
    let without = &PLAN[..PLAN.find("[rules.score]").unwrap()];
    let error = Plan::parse(without).unwrap_err().to_string();
    assert!(error.contains("expected a score, geometry or zones, got none"), "{error}");
    let rules = &PLAN[PLAN.find("[[rules]]").unwrap()..];
    let error = Plan::parse(&format!("{PLAN}\n{rules}")).unwrap_err().to_string();
    assert!(error.contains("every name once, got aggression"), "{error}");
}
