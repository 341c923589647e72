#![allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]

use std::ops::Range;

use super::*;
use crate::corpus::mabe::solution::{Series, Solution, Submission, Video};

/// Actions of mouse1 towards mouse2 in one video, with their intervals.
type Rows<'a> = &'a [(&'a str, &'a [Range<i64>])];

fn series(rows: Rows) -> Vec<Series> {
    let [agent, target] = ["mouse1", "mouse2"].map(str::to_string);
    let one = |(action, intervals): &(&str, &[Range<i64>])| Series {
        video: 0,
        agent: agent.clone(),
        target: target.clone(),
        action: (*action).to_string(),
        intervals: intervals.to_vec(),
    };
    rows.iter().map(one).collect()
}

fn solution(rows: Rows, scored: Option<&[Range<i64>]>, rate_hz: Option<f64>) -> Solution {
    let listed = ["attack", "sniff_face", "mount"].map(|action| format!("mouse1,mouse2,{action}"));
    let video = Video {
        lab: "Lab".to_string(),
        id: "1".to_string(),
        whitelist: listed.into_iter().collect(),
        scored: scored.map(<[_]>::to_vec),
        rate_hz,
    };
    Solution { videos: vec![video], series: series(rows) }
}

fn submission(rows: Rows) -> Submission {
    Submission { videos: vec!["1".to_string()], series: series(rows) }
}

fn rules(tolerances_secs: &[f64]) -> EventRules {
    EventRules { tolerances_secs: tolerances_secs.to_vec(), rate_hz: 10.0 }
}

#[test]
fn behaviors_are_told_under_their_full_names_with_frames_and_bouts() {
    let truth = solution(&[("attack", &[0..10, 10..20, 30..40]), ("sniff_face", &[60..70])], None, None);
    let predicted = submission(&[("attack", &[15..35]), ("mount", &[50..50])]);
    let comparison = Comparison::new(&truth, &predicted).unwrap();
    let table = by_behavior(&comparison);
    let tally = |frames: [u128; 3], true_bouts, predicted_bouts| {
        let [true_positives, false_positives, false_negatives] = frames;
        let frames = Counts { true_positives, false_positives, false_negatives };
        BehaviorTally { frames, true_bouts, predicted_bouts }
    };
    let expected = [
        (("Lab", "attack"), tally([10, 10, 20], 2, 1)),
        (("Lab", "mount"), tally([0, 0, 0], 0, 0)),
        (("Lab", "sniff_face"), tally([0, 0, 10], 1, 0)),
    ];
    assert_eq!(table, BTreeMap::from(expected));
    let frames = table[&("Lab", "attack")].frames;
    assert_eq!((frames.precision(), frames.recall(), frames.f_beta(1.0)), (0.5, 10.0 / 30.0, 20.0 / 50.0));
    assert_eq!([frames.f_beta(2.0), tally([0; 3], 0, 0).frames.f_beta(1.0)], [50.0 / (50.0 + 80.0 + 10.0), 0.0]);
}

#[test]
fn an_event_is_met_by_one_onset_within_the_tolerance() {
    let truth = solution(&[("attack", &[100..120, 200..210, 300..400])], None, None);
    // Two answers to the first, a late one to the second, none to the third but one within it.
    let predicted = submission(&[("attack", &[99..101, 103..110, 206..230, 350..360, 500..600])]);
    let comparison = Comparison::new(&truth, &predicted).unwrap();
    let events = by_event(&comparison, &rules(&[0.0, 0.1, 0.6, 60.0]));
    let tally = &events[&("Lab", "attack")];
    assert_eq!((tally.true_bouts, tally.predicted_bouts), (3, 5));
    assert_eq!(tally.delays_secs, [vec![], vec![-0.1], vec![-0.1, 0.6], vec![-0.1, 0.6, 5.0]]);
    assert_eq!([0, 1, 2, 3].map(|at| tally.f1(at)), [0.0, 2.0 / 8.0, 4.0 / 8.0, 6.0 / 8.0]);
    assert_eq!([0, 3].map(|at| tally.delay_secs(at, 0.5)), [None, Some(0.6)]);
    // Between the two nearest, but for rounding.
    for (at, quantile, wanted) in [(2, 0.5, 0.25), (3, 0.95, 0.6 + 0.9 * 4.4)] {
        let delay = tally.delay_secs(at, quantile).unwrap();
        assert!((delay - wanted).abs() < 1e-12, "{delay}");
    }
    // Only the last shares no frame with a true bout, in the 60 s up to its end.
    assert_eq!((tally.false_alarms, tally.scored_secs), (1, 60.0));
    assert_eq!(tally.false_alarms_per_hour(), Some(60.0));
}

#[test]
fn the_rate_and_the_time_are_the_videos_own_where_it_says_them() {
    let rows: Rows = &[("attack", &[10..30])];
    let truth = solution(rows, Some(&[20..25, 27..40, 100..210]), Some(50.0));
    let predicted = submission(&[("attack", &[0..26, 205..250]), ("mount", &[3..4])]);
    let comparison = Comparison::new(&truth, &predicted).unwrap();
    let events = by_event(&comparison, &rules(&[0.1]));
    // Both bouts begin where scoring does; a bout in parts is one.
    assert_eq!(events.keys().collect::<Vec<_>>(), [&("Lab", "attack")]);
    let tally = &events[&("Lab", "attack")];
    assert_eq!((tally.true_bouts, tally.predicted_bouts, tally.false_alarms), (1, 2, 1));
    assert_eq!(tally.delays_secs, [[0.0]]);
    assert_eq!(tally.scored_secs, 128.0 / 50.0);
    let nothing = EventTally { delays_secs: vec![vec![]], ..EventTally::default() };
    assert_eq!((nothing.f1(0), nothing.false_alarms_per_hour()), (0.0, None));
}

#[test]
fn a_tolerance_in_seconds_is_not_lost_to_rounding() {
    // 0.29 · 100 is a little less than 29 in floating point.
    let truth = solution(&[("attack", &[100..150])], None, Some(100.0));
    let predicted = submission(&[("attack", &[129..150])]);
    let comparison = Comparison::new(&truth, &predicted).unwrap();
    let met = |secs: f64| by_event(&comparison, &rules(&[secs]))[&("Lab", "attack")].f1(0);
    assert_eq!([0.29, 0.2899].map(met), [1.0, 0.0]);
}
