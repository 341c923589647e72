use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

/// A row as a file has it; `lab` and `whitelist` belong to its video.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    lab: &'static str,
    video: &'static str,
    agent: &'static str,
    target: &'static str,
    action: &'static str,
    interval: Range<i64>,
    whitelist: Vec<&'static str>,
    scored: Option<Vec<(i64, i64)>>,
}

fn row(video: &'static str, action: &'static str, interval: Range<i64>) -> Row {
    let whitelist = vec!["1,2,attack", "1,2,mount", "1,2,sniff_face", "1,2,face"];
    Row { lab: "Lab", video, agent: "1", target: "2", action, interval, whitelist, scored: None }
}

fn solution(rows: &[Row]) -> Solution {
    let mut text = "lab_id,video_id,agent_id,target_id,action,start_frame,stop_frame,behaviors_labeled,scored_frames\n"
        .to_string()
        .into_bytes();
    for row in rows {
        let Row { lab, video, agent, target, action, interval: Range { start, end }, .. } = row;
        let quoted = |json: String| json.replace('"', "\"\"");
        let whitelist = quoted(serde_json::to_string(&row.whitelist).unwrap());
        let scored = row.scored.as_ref().map_or(String::new(), |scored| serde_json::to_string(scored).unwrap());
        writeln!(text, "{lab},{video},{agent},{target},{action},{start},{end},\"{whitelist}\",\"{scored}\"").unwrap();
    }
    Solution::read(&text[..], Path::new("solution.csv")).unwrap()
}

fn submission(rows: &[Row]) -> Submission {
    let mut text = b"video_id,agent_id,target_id,action,start_frame,stop_frame\n".to_vec();
    for Row { video, agent, target, action, interval: Range { start, end }, .. } in rows {
        writeln!(text, "{video},{agent},{target},{action},{start},{end}").unwrap();
    }
    Submission::read(&text[..], Path::new("submission.csv")).unwrap()
}

fn score(truth: &[Row], predicted: &[Row], beta: f64) -> Result<f64, ScoreError> {
    let (solution, submission) = (solution(truth), submission(predicted));
    Ok(Comparison::new(&solution, &submission)?.score(beta).value)
}

#[test]
fn every_recorded_score_comes_out_to_the_last_bit() {
    let Some(cases) = crate::testing::corpus_dir("../metric-cases") else { return };
    let mut seen = 0;
    for case in std::fs::read_dir(cases).unwrap() {
        let case: PathBuf = case.unwrap().path();
        let open = |name: &str| std::fs::File::open(case.join(name)).unwrap();
        let expected: serde_json::Value = serde_json::from_reader(open("expected.json")).unwrap();
        let result = || -> Result<f64, String> {
            let text = |error: &dyn std::error::Error| error.to_string();
            let solution = Solution::read(open("solution.csv"), Path::new("solution.csv")).map_err(|e| text(&e))?;
            let submission =
                Submission::read(open("submission.csv"), Path::new("submission.csv")).map_err(|e| text(&e))?;
            let comparison = Comparison::new(&solution, &submission).map_err(|e| text(&e))?;
            Ok(comparison.score(expected["beta"].as_f64().unwrap()).value)
        }();
        match (&expected["score"], expected["error"].as_str()) {
            (serde_json::Value::Number(score), None) => assert_eq!(result, Ok(score.as_f64().unwrap()), "{case:?}"),
            (_, Some("ValueError")) => assert!(result.unwrap_err().contains("at least one bout"), "{case:?}"),
            (_, Some("AssertionError")) => assert!(result.unwrap_err().contains("a stop frame of"), "{case:?}"),
            _ => panic!("{case:?}: {expected}"),
        }
        seen += 1;
    }
    assert!(seen >= 43, "{seen} cases");
}

#[test]
fn sides_without_a_bout_are_not_scored() {
    let rows = [row("1", "attack", 0..10)];
    let error = score(&rows, &[], 1.0).unwrap_err();
    assert_eq!(error.to_string(), "expected at least one bout in the submission, got none");
    let error = score(&[], &rows, 1.0).unwrap_err();
    assert_eq!(error.to_string(), "expected at least one bout in the solution, got none");
}

#[test]
fn two_actions_of_a_pair_on_a_frame_are_an_error_and_one_twice_is_none() {
    let truth = [row("1", "attack", 0..10)];
    let twice = [row("1", "attack", 0..6), row("1", "attack", 5..10)];
    assert_eq!(score(&truth, &twice, 1.0), Ok(1.0));
    let adjoining = [row("1", "attack", 0..5), row("1", "mount", 5..10)];
    assert!(score(&truth, &adjoining, 1.0).is_ok());
    let both = [row("1", "mount", 5..10), row("1", "attack", 0..6)];
    let error = score(&truth, &both, 1.0).unwrap_err().to_string();
    let wanted = "video 1: expected of the submission at most one action of 1 towards 2 on a frame, got \"attack\" and \
                  \"mount\" on frame 5";
    assert_eq!(error, wanted);
    // Neither what is not listed nor what is not in the solution is looked at, nor may one pair stand for another.
    let unlisted = Row { whitelist: vec!["1,2,attack"], ..row("1", "attack", 0..10) };
    assert_eq!(score(&[unlisted], &both, 1.0), Ok(2.0 * 6.0 / 16.0));
    let other_pair = Row { agent: "2", target: "1", ..row("1", "mount", 0..10) };
    let listed = Row { whitelist: vec!["1,2,attack", "2,1,mount"], ..row("1", "attack", 0..10) };
    assert_eq!(score(&[listed], &[both[1].clone(), other_pair], 1.0), Ok(f64::midpoint(0.0, 0.75)));
}

#[test]
fn an_action_is_pooled_under_what_follows_its_last_underscore() {
    assert_eq!(["attack", "sniff_face", "a_b_c", "a_"].map(pooled_action), ["attack", "face", "c", ""]);
    let truth = [row("1", "sniff_face", 0..10), row("2", "face", 0..10)];
    let predicted = [row("1", "sniff_face", 0..10)];
    // One action with 10 of 20 frames found, not two of which one is found.
    assert_eq!(score(&truth, &predicted, 1.0), Ok(20.0 / 30.0));
    // It stays another key: the one does not stand for the other.
    assert_eq!(score(&truth[..1], &[row("1", "face", 0..10)], 1.0), Ok(0.0));
}

#[test]
fn the_whitelist_is_that_of_the_first_row_in_the_lab() {
    let first = Row { whitelist: vec![], ..row("1", "attack", 0..10) };
    let rows = [first, row("1", "attack", 10..20)];
    let predicted = [row("1", "attack", 0..20)];
    assert_eq!(score(&rows, &predicted, 1.0), Ok(0.0));
    let other_lab = Row { lab: "Other", ..row("1", "attack", 0..20) };
    assert_eq!(score(&[rows[0].clone(), other_lab], &predicted, 1.0), Ok(0.5));
}

#[test]
fn the_length_of_an_interval_costs_nothing() {
    let predicted = [row("1", "attack", i64::MIN..i64::MAX), row("2", "attack", 0..9_000_000_000_000_000_000)];
    let value = score(&[row("1", "attack", 0..10)], &predicted, 1.0).unwrap();
    assert!(value > 0.0 && value < 1e-17, "{value}");
}

#[test]
fn both_sides_are_cut_to_the_scored_frames_first() {
    let scored = |rows: &[Row], frames: &[(i64, i64)]| -> Vec<Row> {
        rows.iter().map(|row| Row { scored: Some(frames.to_vec()), ..row.clone() }).collect()
    };
    let truth = [row("1", "attack", 0..10), row("1", "mount", 50..60)];
    let predicted = [row("1", "attack", 5..25), row("1", "mount", 24..30)];
    assert!(score(&truth, &predicted, 1.0).is_err());
    // Mount has no row left on either side, and so no place in the mean; the actions that collide do so outside.
    assert_eq!(score(&scored(&truth, &[(8, 20), (2, 4)]), &predicted, 1.0), Ok(4.0 / 16.0));
    // Mount is still predicted, and counts as 0.
    assert_eq!(score(&scored(&truth, &[(2, 4), (26, 28)]), &predicted, 1.0), Ok(0.0));
    assert_eq!(score(&scored(&truth, &[(8, 12), (26, 28)]), &predicted, 1.0), Ok(f64::midpoint(4.0 / 6.0, 0.0)));
    assert_eq!(score(&scored(&truth, &[]), &predicted, 1.0), Err(ScoreError::NothingScored));
    // A row without frames stays where it stands.
    let empty = [row("1", "attack", 0..10), row("1", "mount", 3..3)];
    assert_eq!(score(&scored(&truth[..1], &[(0, 3)]), &empty, 1.0), Ok(6.0 / 6.0));
    assert_eq!(score(&scored(&truth[..1], &[(0, 4)]), &empty, 1.0), Ok(0.5));
    // A lab of which nothing is left is no lab of the mean.
    let other = Row { lab: "Other", scored: Some(vec![(0, 10)]), ..row("2", "attack", 90..95) };
    assert_eq!(score(&[truth[0].clone(), other], &[row("1", "attack", 0..10)], 1.0), Ok(1.0));
}

/// The algorithm as it is told, with a set of frames for each key; plain sums in the order of [`place_in_sum`].
fn naive(truth: &[Row], predicted: &[Row], beta: f64) -> Option<f64> {
    if truth.is_empty() || predicted.is_empty() {
        return None;
    }
    let frames = |rows: &[&Row], key: (&str, &str, &str, &str)| -> HashSet<i64> {
        let of_key = rows.iter().filter(|row| (row.video, row.agent, row.target, row.action) == key);
        of_key.flat_map(|row| row.interval.clone()).collect()
    };
    let mut values = Vec::new();
    for lab in truth.iter().map(|row| row.lab).collect::<BTreeSet<&str>>() {
        let truth: Vec<&Row> = truth.iter().filter(|row| row.lab == lab).collect();
        let listed = |row: &&Row| {
            let first = truth.iter().find(|other| other.video == row.video);
            let name = format!("{},{},{}", row.agent, row.target, row.action);
            first.is_some_and(|first| first.whitelist.contains(&name.as_str()))
        };
        let predicted: Vec<&Row> = predicted.iter().filter(listed).collect();
        for (row, other) in predicted.iter().flat_map(|row| predicted.iter().map(move |other| (row, other))) {
            let pair = |row: &Row| (row.video, row.agent, row.target);
            let collide = row.interval.clone().any(|frame| other.interval.contains(&frame));
            if pair(row) == pair(other) && row.action != other.action && collide {
                return None;
            }
        }
        let both = || truth.iter().chain(&predicted);
        let keys: BTreeSet<_> = both().map(|row| (row.video, row.agent, row.target, row.action)).collect();
        let mut counts = BTreeMap::<u64, [usize; 3]>::new();
        for key in keys {
            let (truth, predicted) = (frames(&truth, key), frames(&predicted, key));
            let count = counts.entry(place_in_sum(key.3.rsplit('_').next().unwrap())).or_default();
            count[0] += truth.intersection(&predicted).count();
            count[1] += truth.difference(&predicted).count();
            count[2] += predicted.difference(&truth).count();
        }
        let f_beta = |[hits, missed, wrong]: &[usize; 3]| {
            let hits = (1.0 + beta * beta) * *hits as f64;
            let whole = hits + beta * beta * *missed as f64 + *wrong as f64;
            if whole == 0.0 { 0.0 } else { hits / whole }
        };
        values.push(counts.values().map(f_beta).sum::<f64>() / counts.len() as f64);
    }
    values.sort_by(|a, b| b.total_cmp(a));
    Some(values.iter().sum::<f64>() / values.len() as f64)
}

const ACTIONS: [&str; 4] = ["attack", "mount", "sniff_face", "face"];
const WHITELISTS: [&[&str]; 3] = [
    &["1,2,attack", "1,2,mount", "2,1,attack", "2,1,face", "1,2,sniff_face"],
    &["1,2,attack", "2,1,mount", "1,2,face", "2,1,sniff_face"],
    &["1,2,mount"],
];

fn any_rows(length_max: i64) -> impl Strategy<Value = Vec<Row>> {
    let interval = (-3_i64..25, 0..=length_max).prop_map(|(start, length)| start..start + length);
    let row = (0..4_usize, 0..4_usize, any::<bool>(), interval, 0..3_usize).prop_map(
        |(video, action, forth, interval, whitelist)| {
            let (agent, target) = if forth { ("1", "2") } else { ("2", "1") };
            let lab = ["A", "A", "B", "C"][video];
            let whitelist = WHITELISTS[whitelist].to_vec();
            let video = ["10", "11", "12", "x"][video];
            Row { lab, video, agent, target, action: ACTIONS[action], interval, whitelist, scored: None }
        },
    );
    proptest::collection::vec(row, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_score_is_what_sets_of_frames_give(
        truth in any_rows(9),
        predicted in any_rows(5),
        beta in prop::sample::select(vec![1.0, 0.5, 2.0, 0.3]),
    ) {
        prop_assert_eq!(score(&truth, &predicted, beta).ok(), naive(&truth, &predicted, beta));
    }
}

proptest! {
    #[test]
    fn what_tells_the_same_scores_the_same(
        truth in any_rows(9),
        predicted in any_rows(3),
        seed in any::<prop::sample::Index>(),
    ) {
        let whitelist = WHITELISTS[0].to_vec();
        let truth: Vec<Row> = truth.into_iter().map(|row| Row { whitelist: whitelist.clone(), ..row }).collect();
        let value = score(&truth, &predicted, 1.0);
        let shuffled = |rows: &[Row]| -> Vec<Row> {
            let mut rows = rows.to_vec();
            for at in (1..rows.len()).rev() {
                rows.swap(at, seed.index(at + 1));
            }
            rows
        };
        prop_assert_eq!(score(&shuffled(&truth), &shuffled(&predicted), 1.0).ok(), value.clone().ok());
        let rename = |row: &Row| Row { lab: ["Z", "M", "Y"][usize::from(row.lab.as_bytes()[0] - b'A')], ..row.clone() };
        let renamed: Vec<Row> = truth.iter().map(rename).collect();
        prop_assert_eq!(score(&renamed, &predicted, 1.0), value.clone());
        let split = |rows: &[Row]| -> Vec<Row> {
            let halves = rows.iter().flat_map(|row| {
                let middle = row.interval.start + seed.index(1 + (row.interval.end - row.interval.start) as usize) as i64;
                [row.interval.start..middle, middle..row.interval.end].map(|interval| Row { interval, ..row.clone() })
            });
            halves.collect()
        };
        prop_assert_eq!(score(&split(&truth), &split(&predicted), 1.0), value.clone());
        let foreign = [row("99", "attack", 0..10), row("99", "mount", 0..10)];
        if !predicted.is_empty() {
            prop_assert_eq!(score(&truth, &[&predicted[..], &foreign].concat(), 1.0), value.clone());
        }
        let everything: Vec<Row> =
            truth.iter().map(|row| Row { scored: Some(vec![(-50, 7), (7, 99)]), ..row.clone() }).collect();
        prop_assert_eq!(score(&everything, &predicted, 1.0), value);
    }
}
