use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::output::event::Event;

mod journals;
mod pictures;

const SEC: i64 = 1_000_000_000;
const START: i64 = 1_700_000_000 * SEC;

fn settings(before_secs: f64, after_secs: f64, bin_secs: f64) -> Settings {
    Settings { before_secs, after_secs, bin_secs, recorded_nanos: i64::MIN..i64::MAX }
}

/// Seconds are from the start.
fn stimulated(trigger: u64, secs: f64, sham: bool) -> Stimulated {
    Stimulated {
        trigger,
        cage: "cage1".into(),
        rule: "attack".into(),
        animals: directed("rat1", "rat2"),
        moment_nanos: nanos(secs),
        sham,
    }
}

fn bout(behavior: &str, animals: Animals, secs: Range<f64>) -> Bout {
    Bout {
        cage: "cage1".into(),
        label_set: "Lab".into(),
        behavior: behavior.into(),
        animals,
        start_nanos: nanos(secs.start),
        stop_nanos: nanos(secs.end),
        is_cut: false,
    }
}

fn nanos(secs: f64) -> i64 {
    START + (secs * 1e9).round() as i64
}

fn alone(agent: &str) -> Animals {
    Animals::Alone { agent: agent.into() }
}

fn directed(agent: &str, target: &str) -> Animals {
    Animals::Directed { agent: agent.into(), target: target.into() }
}

fn values(estimates: &[Estimate]) -> Vec<f64> {
    estimates.iter().map(|estimate| estimate.value).collect()
}

fn find<'a>(aligned: &'a Aligned, who: &Who, behavior: &str) -> Option<&'a Series> {
    aligned.series.iter().find(|series| series.who == *who && series.behavior == behavior)
}

#[test]
fn a_behavior_is_in_the_bins_that_it_has_a_part_of() {
    let triggers = [stimulated(1, 10.0, false), stimulated(2, 30.0, false), stimulated(3, 50.0, true)];
    let bouts = [
        // Up to the very edge of a bin, and a hair beyond one.
        bout("chase", directed("rat1", "rat2"), 9.0..11.0),
        bout("chase", directed("rat1", "rat2"), 31.0..32.000000001),
        bout("chase", directed("rat2", "rat1"), 49.0..50.5),
        bout("rest", Animals::Undirected { animals: ["rat2".into(), "rat1".into()] }, 50.0..51.0),
        bout("rest", alone("rat1"), 50.2..50.2),
    ];
    let aligned = align(&triggers, &bouts, settings(2.0, 3.0, 1.0)).unwrap();
    assert_eq!(aligned.edges_secs, [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
    let chase = find(&aligned, &Who::Agent, "chase").unwrap();
    assert_eq!(values(&chase.stimulus.shares), [0.0, 0.5, 0.5, 0.5, 0.5]);
    assert_eq!(values(&chase.sham.shares), [0.0; 5]);
    assert_eq!(values(&chase.difference), [0.0, 0.5, 0.5, 0.5, 0.5]);
    assert_eq!(chase.stimulus.after.unwrap().value, 0.5);
    assert_eq!(chase.stimulus.remaining, [Remaining { trigger: 1, secs: 1.0 }]);
    let of_target = find(&aligned, &Who::Target, "chase").unwrap();
    assert_eq!(values(&of_target.sham.shares), [0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(of_target.sham.remaining, [Remaining { trigger: 3, secs: 0.5 }]);
    for who in [Who::Agent, Who::Target, Who::Named { cage: "cage1".into(), animal: "rat2".into() }] {
        let rest = find(&aligned, &who, "rest").unwrap();
        assert_eq!(values(&rest.sham.shares), [0.0, 0.0, 1.0, 0.0, 0.0], "{who:?}");
    }
}

/// Agent and target, where there are any.
fn roles(trigger: &Stimulated) -> [Option<&String>; 2] {
    match &trigger.animals {
        Animals::Directed { agent, target } => [Some(agent), Some(target)],
        Animals::Alone { agent } => [Some(agent), None],
        Animals::Undirected { .. } => [None, None],
    }
}

fn brute_does(bout: &Bout, trigger: &Stimulated, who: &Who, of: [&str; 2]) -> bool {
    let animal = match who {
        Who::Agent => roles(trigger)[0].unwrap(),
        Who::Target => roles(trigger)[1].unwrap(),
        Who::Named { animal, .. } => animal,
    };
    let doers = match &bout.animals {
        Animals::Alone { agent } | Animals::Directed { agent, .. } => vec![agent],
        Animals::Undirected { animals } => animals.iter().collect(),
    };
    doers.contains(&animal) && bout.cage == trigger.cage && [bout.label_set.as_str(), bout.behavior.as_str()] == of
}

/// Looks at every bout for every trial and bin.
fn brute_share(triggers: &[&Stimulated], bouts: &[Bout], who: &Who, of: [&str; 2], bin_nanos: Range<i64>) -> f64 {
    let does = |trigger: &&&Stimulated| {
        let [start, end] = [bin_nanos.start, bin_nanos.end].map(|edge| trigger.moment_nanos + edge);
        let meets = |bout: &&Bout| bout.start_nanos.max(start) < bout.stop_nanos.min(end);
        bouts.iter().filter(meets).any(|bout| brute_does(bout, trigger, who, of))
    };
    triggers.iter().filter(does).count() as f64 / triggers.len() as f64
}

/// From the trigger to the end of what was going on, bout after bout, and whether nobody saw it; `None` where nothing was.
fn brute_remaining(trigger: &Stimulated, bouts: &[Bout], who: &Who, of: [&str; 2]) -> Option<(f64, bool)> {
    let bouts: Vec<&Bout> =
        bouts.iter().filter(|bout| brute_does(bout, trigger, who, of) && bout.start_nanos < bout.stop_nanos).collect();
    let moment = trigger.moment_nanos;
    let goes_on = |bout: &&&Bout| bout.start_nanos <= moment && moment < bout.stop_nanos;
    let mut end = bouts.iter().filter(goes_on).map(|bout| bout.stop_nanos).max()?;
    while let Some(next) = bouts.iter().find(|bout| bout.start_nanos <= end && bout.stop_nanos > end) {
        end = next.stop_nanos;
    }
    let is_cut = bouts.iter().any(|bout| bout.stop_nanos == end && bout.is_cut);
    Some(((end - moment) as f64 / 1e9, is_cut))
}

fn drawn(random: &mut StdRng, triggers: usize, bouts: usize) -> (Vec<Stimulated>, Vec<Bout>) {
    let pick = |random: &mut StdRng, names: &[&str]| names[random.random_range(0..names.len())].to_owned();
    let rats = ["rat1", "rat2", "rat3"];
    let trigger = |random: &mut StdRng, trigger: u64| Stimulated {
        cage: pick(random, &["cage1", "cage2"]),
        rule: pick(random, &["attack", "zone"]),
        animals: match random.random_range(0..4) {
            0 => alone(&pick(random, &rats)),
            1 => Animals::Undirected { animals: [pick(random, &rats), pick(random, &rats)] },
            _ => directed(&pick(random, &rats), &pick(random, &rats)),
        },
        // Whole seconds, so that many times are equal.
        moment_nanos: START + SEC * random.random_range(0..100),
        sham: random.random_bool(0.5),
        trigger,
    };
    let triggers = (0..triggers as u64).map(|number| trigger(random, number)).collect();
    let bout = |random: &mut StdRng| {
        let start_nanos = START + SEC / 2 * random.random_range(-20..220);
        let animals = match random.random_range(0..3) {
            0 => alone(&pick(random, &rats)),
            1 => directed(&pick(random, &rats), &pick(random, &rats)),
            _ => Animals::Undirected { animals: [pick(random, &rats), pick(random, &rats)] },
        };
        Bout {
            cage: pick(random, &["cage1", "cage2"]),
            label_set: pick(random, &["A", "B"]),
            behavior: pick(random, &["chase", "rest"]),
            animals,
            start_nanos,
            stop_nanos: start_nanos + SEC / 4 * random.random_range(0..12),
            is_cut: random.random_bool(0.2),
        }
    };
    (triggers, (0..bouts).map(|_| bout(random)).collect())
}

#[test]
fn shares_are_those_of_looking_at_everything() {
    let mut random = StdRng::seed_from_u64(1);
    let mut series_seen = 0;
    for _ in 0..6 {
        let (triggers, bouts) = drawn(&mut random, 40, 60);
        let aligned = align(&triggers, &bouts, settings(3.0, 5.0, 0.5)).unwrap();
        for series in &aligned.series {
            series_seen += 1;
            for (arm, sham) in series.arms().into_iter().zip([false, true]) {
                let is_of = |trigger: &&Stimulated| {
                    let has = match &series.who {
                        Who::Agent => roles(trigger)[0].is_some(),
                        Who::Target => roles(trigger)[1].is_some(),
                        Who::Named { cage, .. } => trigger.cage == *cage,
                    };
                    trigger.rule == series.rule && trigger.sham == sham && has
                };
                let trials: Vec<&Stimulated> = triggers.iter().filter(is_of).collect();
                assert_eq!(arm.trials, trials.len());
                assert_eq!(arm.shares.len(), if trials.is_empty() { 0 } else { 16 });
                assert!(arm.shares.iter().all(|share| share.interval.is_some() == (trials.len() >= 3)));
                let of = [series.label_set.as_str(), series.behavior.as_str()];
                let (mut remaining, mut endless) = (Vec::new(), 0);
                for trial in &trials {
                    match brute_remaining(trial, &bouts, &series.who, of) {
                        Some((secs, false)) => remaining.push(Remaining { trigger: trial.trigger, secs }),
                        Some((_, true)) => endless += 1,
                        None => {}
                    }
                }
                assert_eq!((&arm.remaining, arm.endless), (&remaining, endless), "{series:?}");
                for (bin, share) in arm.shares.iter().enumerate() {
                    let start = (bin as i64 - 6) * (SEC / 2);
                    let expected = brute_share(&trials, &bouts, &series.who, of, start..start + SEC / 2);
                    assert!((share.value - expected).abs() < 1e-12, "{series:?}: bin {bin}: expected {expected}");
                    let [lower, upper] = share.interval.unwrap_or([share.value; 2]);
                    assert!(lower <= share.value && share.value <= upper, "{share:?}");
                }
                if let Some(after) = arm.after {
                    let mean = values(&arm.shares)[6..].iter().sum::<f64>() / 10.0;
                    assert!((after.value - mean).abs() < 1e-12);
                }
            }
        }
        // In any order.
        let (mut triggers, mut bouts) = (triggers, bouts);
        bouts.reverse();
        assert_eq!(align(&triggers, &bouts, settings(3.0, 5.0, 0.5)).unwrap(), aligned);
        triggers.reverse();
        let turned = align(&triggers, &bouts, settings(3.0, 5.0, 0.5)).unwrap();
        for (one, other) in turned.series.iter().zip(&aligned.series) {
            assert_eq!(
                [values(&one.stimulus.shares), values(&one.sham.shares)],
                other.arms().map(|arm| values(&arm.shares))
            );
        }
    }
    assert!(series_seen > 100);
}

#[test]
fn differences_are_sure_where_arms_differ_and_not_where_they_do_not() {
    let triggers: Vec<_> = (0..60).map(|number| stimulated(number, number as f64 * 20.0, number % 2 == 1)).collect();
    let chases = |number: &u64| if number.is_multiple_of(2) { number % 10 < 8 } else { number % 10 < 2 };
    let chased = (0..60).filter(chases).map(|number| number as f64 * 20.0);
    let mut bouts: Vec<_> = chased.map(|secs| bout("chase", alone("rat1"), secs..secs + 2.0)).collect();
    bouts.extend(
        (0..60)
            .map(|number| bout("rest", alone("rat1"), f64::from(number) * 20.0 - 1.0..f64::from(number) * 20.0 + 1.0)),
    );
    let aligned = align(&triggers, &bouts, settings(2.0, 4.0, 2.0)).unwrap();
    let chase = find(&aligned, &Who::Agent, "chase").unwrap();
    // 0.8 against 0.2 of 30 trials in one of two bins: standard error of the difference √(2·0.16/30) = 0.103.
    assert!(
        (chase.difference[1].value - 0.6).abs() < 1e-12 && (chase.difference_after.unwrap().value - 0.3).abs() < 1e-12
    );
    let [lower, upper] = chase.difference[1].interval.unwrap();
    assert!((lower - 0.398).abs() < 0.05 && (upper - 0.802).abs() < 0.05, "{lower} to {upper}");
    let [lower, upper] = chase.difference_after.unwrap().interval.unwrap();
    assert!((lower - 0.199).abs() < 0.03 && (upper - 0.401).abs() < 0.03, "{lower} to {upper}");
    assert_eq!(chase.difference[0], Estimate { value: 0.0, interval: Some([0.0; 2]) });
    let rest = find(&aligned, &Who::Agent, "rest").unwrap();
    assert_eq!(rest.stimulus.remaining_median_secs(), Some(1.0));
    assert_eq!(align(&triggers, &bouts, settings(2.0, 4.0, 2.0)).unwrap(), aligned, "the same draws");
}

#[test]
fn one_arm_alone_has_shares_and_no_difference() {
    let triggers = [stimulated(1, 10.0, true), stimulated(2, 40.0, true)];
    let bouts = [bout("chase", alone("rat1"), 10.0..12.0)];
    let aligned = align(&triggers, &bouts, settings(1.0, 1.0, 1.0)).unwrap();
    let chase = find(&aligned, &Who::Agent, "chase").unwrap();
    assert_eq!(chase.stimulus, Arm::default());
    assert_eq!((chase.difference.len(), chase.difference_after), (0, None));
    assert_eq!(chase.sham.shares[1], Estimate { value: 0.5, interval: None });
    assert!(find(&aligned, &Who::Target, "chase").is_none());
    let mut table = Vec::new();
    write_csv(&aligned, &mut table).unwrap();
    // Two bins each of the agent and of the animal by name.
    assert_eq!(String::from_utf8(table).unwrap().lines().count(), 1 + 4);
    figure(&aligned);
}

#[test]
fn nothing_gives_nothing() {
    let none = align(&[], &[], settings(1.0, 1.0, 0.5)).unwrap();
    assert_eq!((none.trials, none.series.len(), none.edges_secs.len()), (0, 0, 5));
    let no_bouts = align(&[stimulated(1, 5.0, false)], &[], settings(1.0, 1.0, 0.5)).unwrap();
    assert_eq!((no_bouts.trials, no_bouts.series.len()), (1, 0));
    assert!(align(&[], &[bout("chase", alone("rat1"), 1.0..2.0)], settings(1.0, 1.0, 0.5)).unwrap().series.is_empty());
    for aligned in [none, no_bouts] {
        let mut table = Vec::new();
        write_csv(&aligned, &mut table).unwrap();
        assert_eq!(String::from_utf8(table).unwrap().lines().count(), 1);
        assert!(figure(&aligned).contains("did anything"));
    }
    assert_eq!(super::bouts(&[] as &[Event], "rig1", &[], None).unwrap(), Journaled::default());
}

#[test]
fn trials_that_overlap_are_kept_and_counted_and_cut_ones_left_out() {
    // The second and the third at one moment; the fourth as far as the span reaches; the fifth in another cage.
    let mut triggers: Vec<_> =
        [2.0, 20.0, 20.0, 25.0, 21.0, 60.0, 96.0].map(|secs| stimulated(1, secs, false)).to_vec();
    triggers[4].cage = "cage2".into();
    let recorded_nanos = nanos(0.0)..nanos(100.0);
    let aligned = align(&triggers, &[], Settings { recorded_nanos, ..settings(3.0, 5.0, 1.0) }).unwrap();
    // The fourth's own span reaches back 3 s only.
    assert_eq!((aligned.trials, aligned.overlapping, aligned.left_out), (5, 2, 2));
    let bouts = [bout("chase", alone("rat1"), 19.0..21.0)];
    let aligned =
        align(&triggers, &bouts, Settings { recorded_nanos: nanos(17.0)..nanos(65.0), ..settings(3.0, 5.0, 1.0) });
    let arm = &find(aligned.as_ref().unwrap(), &Who::Agent, "chase").unwrap().stimulus;
    assert_eq!((arm.trials, arm.overlapping, arm.remaining.len()), (5, 2, 2));
}

#[test]
fn bouts_that_touch_are_one_and_an_unseen_end_is_no_latency() {
    let triggers = [stimulated(7, 10.0, false)];
    let pieces = [
        (8.0..10.5, "rat2", false),
        (10.5..11.0, "rat3", false),
        (10.2..10.8, "rat2", true),
        (11.5..12.0, "rat2", true),
    ];
    let mut bouts: Vec<Bout> = pieces
        .into_iter()
        .map(|(secs, target, is_cut)| Bout { is_cut, ..bout("chase", directed("rat1", target), secs) })
        .collect();
    let remaining = |bouts: &[Bout]| {
        let aligned = align(&triggers, bouts, settings(1.0, 5.0, 1.0)).unwrap();
        let arm = find(&aligned, &Who::Agent, "chase").unwrap().stimulus.clone();
        (arm.remaining, arm.endless)
    };
    assert_eq!(remaining(&bouts), (vec![Remaining { trigger: 7, secs: 1.0 }], 0));
    bouts[1].is_cut = true;
    assert_eq!(remaining(&bouts), (vec![], 1));
}

#[test]
fn what_makes_no_bins_or_is_too_much_is_refused_in_numbers() {
    let refused = |settings| align(&[], &[], settings).unwrap_err().to_string();
    for (settings, said) in [
        (settings(1.0, 1.0, 0.0), "expected bins of a tick (0.0333 s) to 3600 s, got 0 s"),
        (settings(1.0, 1.0, f64::NAN), "got NaN s"),
        (
            settings(1.0, 0.0, 0.5),
            "expected a time after the trigger of 1 bin to 3600 s in whole bins of 0.5 s, got 0 s",
        ),
        (
            settings(0.7, 1.0, 0.5),
            "expected a time before the trigger of 0 bins to 3600 s in whole bins of 0.5 s, got 0.7 s",
        ),
        (settings(-1.0, 1.0, 0.5), "got -1 s"),
        (settings(f64::INFINITY, 1.0, 0.5), "got inf s"),
        (settings(3000.0, 3000.0, 1.0), "expected at most 600 bins, got 6000"),
    ] {
        let got = refused(settings);
        assert!(got.contains(said), "{got}");
    }
    // A third of a second is no binary fraction; a tick neither.
    assert!(align(&[], &[], settings(1.0, 2.0, 1.0 / 3.0)).is_ok());
    assert_eq!(align(&[], &[], settings(1.0, 2.0, 1.0 / 30.0)).unwrap().edges_secs.len(), 91);
    let many = vec![stimulated(1, 0.0, false); TRIALS_MAX + 1];
    let said = align(&many, &[], settings(1.0, 1.0, 1.0)).unwrap_err().to_string();
    assert_eq!(said, "expected at most 20000 triggers, got 20001");
    let named: Vec<_> = (0..65).map(|number| bout("chase", alone(&number.to_string()), 0.0..1.0)).collect();
    let said = align(&many[..1], &named, settings(1.0, 1.0, 1.0)).unwrap_err().to_string();
    assert_eq!(said, "expected at most 64 animals of a cage, got 67");
    let named: Vec<_> = (0..2000).map(|number| bout(&number.to_string(), alone("rat1"), 0.0..1.0)).collect();
    assert!(align(&many[..1], &named, settings(1.0, 1.0, 1.0)).unwrap_err().to_string().contains("1024 behaviors"));
    let series = align(&many[..1], &named[..1000], settings(250.0, 250.0, 1.0)).unwrap_err().to_string();
    assert_eq!(series, "expected at most 1000000 bins of all series, got 2000000");
}

#[test]
fn times_at_the_ends_of_all_time_are_survived() {
    let at = |moment_nanos| Stimulated { moment_nanos, ..stimulated(1, 0.0, false) };
    let mut always = bout("chase", alone("rat1"), 0.0..1.0);
    (always.start_nanos, always.stop_nanos) = (i64::MIN, i64::MAX);
    let aligned = align(&[at(i64::MIN), at(0), at(i64::MAX)], &[always], settings(5.0, 5.0, 1.0)).unwrap();
    assert_eq!(find(&aligned, &Who::Agent, "chase").unwrap().stimulus.trials, 3);
}
