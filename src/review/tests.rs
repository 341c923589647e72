use proptest::prelude::*;

use super::report::{Event, REVIEWED, Session, events, write_csv};
use super::*;
use crate::behavior::{Behavior, BehaviorSpec, Bout, Cell, Ethogram, Kind, LabelSet};
use crate::corpus::timeline::Timeline;
use crate::output::decoder::DecodeRule;
use crate::time::{DelayTicks, Tick};

const DELAYS: [DelayTicks; 2] = [DelayTicks(0), DelayTicks(7)];
const LONGEST: u64 = 7;
const CELLS: usize = 4;

/// attack (directed: two cells), clinch (undirected) and rear (self: two cells, of which tests score one).
fn ethogram() -> Ethogram {
    let behavior = |name: &str, kind| BehaviorSpec { name: name.to_string(), kind };
    let behaviors =
        vec![behavior("attack", Kind::Directed), behavior("clinch", Kind::Undirected), behavior("rear", Kind::OfSelf)];
    Ethogram::new(vec![LabelSet { name: "Rats".to_string(), behaviors }])
}

fn cells() -> Vec<Cell> {
    ethogram().cells(2)[..CELLS].to_vec()
}

/// Thresholds 0.6, 0.3 and one that is never reached.
fn rules() -> Vec<Vec<DecodeRule>> {
    let rule = |on| DecodeRule { on, off: 0.1, duration_ticks_min: 1, gap_ticks_max: 0 };
    vec![vec![rule(0.6), rule(0.3), rule(1.5)]; DELAYS.len()]
}

fn watch(plan: &Plan, ticks: u64, score: impl Fn(u64, usize, usize) -> f32) -> Doubts {
    let (cells, rules) = (cells(), rules());
    let heads = Heads { cells: &cells, delays: &DELAYS, rules: &rules, delay: DELAYS[1] };
    let mut watched = Watched::new(plan, heads, |_| true).unwrap();
    push(&mut watched, ticks, score);
    watched.finish(plan)
}

/// Pushes `ticks` ticks and those that flush; `score(about, delay, cell)`.
fn push(watched: &mut Watched, ticks: u64, score: impl Fn(u64, usize, usize) -> f32) {
    for tick in 0..ticks + LONGEST {
        let about = |delay: usize| tick.checked_sub(u64::from(DELAYS[delay].0)).filter(|about| *about < ticks);
        let of = |delay: usize, cell: usize| about(delay).map_or(0.5, |about| score(about, delay, cell));
        let scores: Vec<f32> =
            (0..DELAYS.len()).flat_map(|delay| (0..CELLS).map(move |cell| of(delay, cell))).collect();
        watched.push(Tick(tick), &scores);
    }
}

fn pick(doubts: &[Doubts], plan: &Plan) -> Vec<(usize, u64, Cell)> {
    let picks = select(doubts, plan).unwrap();
    picks.into_iter().map(|pick| (pick.session, pick.proposal.ticks.start, pick.proposal.cell)).collect()
}

#[test]
fn planted_doubts_are_found_where_they_are() {
    // Sure everywhere but for 5 s of attack from tick 900 on, 3 s of clinch from tick 2010 on, and likely rears.
    let score = |about: u64, _: usize, cell: usize| match cell {
        1 if (900..1050).contains(&about) => 0.6,
        2 if (2010..2100).contains(&about) => 0.25,
        3 if (3000..3150).contains(&about) => 0.2,
        _ => 0.001,
    };
    let plan = Plan { count: 3, ..Plan::default() };
    let doubts = watch(&plan, 4000, score);
    let picks = select(std::slice::from_ref(&doubts), &plan).unwrap();
    let found: Vec<_> = picks.iter().map(|pick| (pick.proposal.cell, pick.proposal.ticks.clone())).collect();
    // Attack is in most doubt, but it was predicted before. The clinch is as doubtful in each stretch around it: the
    // first of them leads up to it.
    assert_eq!(found, [(cells()[3], 3000..3150), (cells()[2], 1950..2100), (cells()[1], 900..1050)]);
    assert!((picks[2].proposal.doubt - 1.0).abs() < 1e-3);
    assert_eq!([0, 1, 2].map(|rank| picks[rank].proposal.threshold), [None, Some(0.3), Some(0.6)]);
    let on = doubts.tallies.values().map(|tally| (tally.on_ticks, tally.visible_ticks)).collect::<Vec<_>>();
    assert_eq!(on, [(150, 8000), (0, 4000), (0, 4000)]);
}

#[test]
fn delays_that_disagree_are_doubtful_though_each_is_sure() {
    let score = |about: u64, delay: usize, cell: usize| match (cell, delay) {
        (0, 0) if (300..450).contains(&about) => 0.999,
        _ => 0.001,
    };
    let plan = Plan::default();
    assert_eq!(pick(&[watch(&plan, 1000, score)], &plan)[0], (0, 300, cells()[0]));
    let agreeing = |about: u64, _: usize, cell: usize| score(about, 0, cell);
    assert_eq!(pick(&[watch(&plan, 1000, agreeing)], &plan), []);
}

#[test]
fn where_nobody_was_there_is_no_doubt() {
    let plan = Plan::default();
    let masked = |about: u64, _: usize, _: usize| if about < 300 { 0.0 } else { 0.6 };
    let doubts = watch(&plan, 600, masked);
    assert!(doubts.proposals.iter().all(|proposal| proposal.ticks.end > 300));
    assert_eq!(doubts.tallies[&Behavior(0)].visible_ticks, 600);
    for nothing in [0.0, f32::NAN, f32::INFINITY, -1.0] {
        assert_eq!(watch(&plan, 600, |_, _, _| nothing).proposals, []);
    }
}

#[test]
fn no_session_and_no_behavior_takes_everything() {
    let doubtful = |_: u64, _: usize, _: usize| 0.55;
    let attack_only = |_: u64, _: usize, cell: usize| if cell < 2 { 0.6 } else { 0.0001 };
    let plan = Plan { count: 20, session_share: 0.3, behavior_share: 0.4, ..Plan::default() };
    let doubts: Vec<Doubts> = [4000, 4000, 4000, 4000].map(|ticks| watch(&plan, ticks, doubtful)).to_vec();
    let picks = pick(&doubts, &plan);
    assert_eq!(picks.len(), 20);
    for session in 0..4 {
        assert!(picks.iter().filter(|pick| pick.0 == session).count() <= 6);
    }
    for behavior in 0..3 {
        let count = picks.iter().filter(|pick| pick.2.behavior == Behavior(behavior)).count();
        assert!((1..=8).contains(&count), "{behavior}: {count}");
    }
    // One session, one behavior: their share is everything.
    assert_eq!(pick(&[watch(&plan, 9000, attack_only)], &plan).len(), 20);
}

#[test]
fn a_rare_behavior_goes_before_a_common_one_of_the_same_doubt() {
    let plan = Plan { count: 1, ..Plan::default() };
    let score = |about: u64, _: usize, cell: usize| match cell {
        0 if about < 600 => 0.99,
        0 if about < 750 => 0.6,
        2 if (750..900).contains(&about) => 0.29,
        _ => 0.001,
    };
    assert_eq!(pick(&[watch(&plan, 3000, score)], &plan), [(0, 750, cells()[2])]);
}

#[test]
fn a_day_of_a_hundred_cells_stays_within_its_memory() {
    let individuals = 10;
    let behaviors = vec![BehaviorSpec { name: "attack".to_string(), kind: Kind::Directed }];
    let cells = Ethogram::new(vec![LabelSet { name: "Mice".to_string(), behaviors }]).cells(individuals);
    let rules = vec![vec![rules()[0][0]]];
    let heads = Heads { cells: &cells, delays: &DELAYS[..1], rules: &rules, delay: DELAYS[0] };
    let plan = Plan::default();
    let mut watched = Watched::new(&plan, heads, |_| true).unwrap();
    let scores = vec![0.5; cells.len()];
    let minute_ticks = 1800;
    for tick in 0..minute_ticks {
        watched.push(Tick(tick), &scores);
    }
    let day_bytes = watched.slice_bytes() * 24 * 60;
    assert!(day_bytes * 100 / cells.len() <= 53_000_000, "{day_bytes}");
    // Ticks may leap: the memory may not.
    watched.push(Tick(1 << 60), &scores);
    watched.push(Tick(5), &scores);
    watched.push(Tick(u64::MAX), &scores);
    assert!(watched.slice_bytes() <= WATCHED_BYTES_MAX);
    assert_eq!(watched.finish(&plan).unwatched_ticks, 3);
}

#[test]
fn a_hole_in_the_ticks_starts_the_delays_anew() {
    let (cells, rules) = (cells(), rules());
    let heads = Heads { cells: &cells, delays: &DELAYS, rules: &rules, delay: DELAYS[0] };
    let plan = Plan::default();
    let mut watched = Watched::new(&plan, heads, |behavior| behavior == Behavior(0)).unwrap();
    for tick in (0..100).chain(400..700) {
        watched.push(Tick(tick), &[0.6; 2 * CELLS]);
    }
    let doubts = watched.finish(&plan);
    assert_eq!(doubts.tallies.len(), 1);
    assert_eq!(doubts.tallies[&Behavior(0)].visible_ticks, 2 * (100 - LONGEST + 300 - LONGEST));
    assert_eq!(doubts.proposals.iter().map(|proposal| proposal.ticks.end).max(), Some(700 - LONGEST));
}

#[test]
fn what_cannot_be_planned_or_watched_is_refused_by_name() {
    let plan = Plan::default();
    let said = [
        Plan { stretch_secs: 0.1, ..plan }.checked(),
        Plan { stretch_secs: f64::NAN, ..plan }.checked(),
        Plan { count: 0, ..plan }.checked(),
        Plan { session_share: 0.0, ..plan }.checked(),
        Plan { behavior_share: 1.1, ..plan }.checked(),
    ]
    .map(|plan| plan.unwrap_err().to_string());
    let expected = [
        "stretch_secs: expected 0.5 to 300 s, got 0.1",
        "stretch_secs: expected 0.5 to 300 s, got NaN",
        "count: expected 1 to 10000, got 0",
        "session_share: expected a share above 0 and at most 1, got 0",
        "behavior_share: expected a share above 0 and at most 1, got 1.1",
    ];
    assert_eq!(said, expected);
    let (cells, rules) = (cells(), rules());
    let heads = Heads { cells: &cells, delays: &DELAYS, rules: &rules, delay: DELAYS[0] };
    let error = |heads| Watched::new(&plan, heads, |_| true).unwrap_err().to_string();
    assert_eq!(error(Heads { delay: DelayTicks(3), ..heads }), "delay: expected one of [0, 7] ticks, got 3");
    assert_eq!(error(Heads { rules: &rules[..1], ..heads }), "expected 2 delays with rules, got 1");
    let short = vec![rules[0][..2].to_vec(); 2];
    assert_eq!(error(Heads { rules: &short, ..heads }), "expected 3 behaviors with rules, got 2");
}

#[test]
fn picks_become_rows_for_people_and_events_to_correct() {
    let ethogram = ethogram();
    let individuals = ["b".to_string(), "a".to_string()];
    let bout = |cell: usize, start, stop| Bout { cell: cells()[cell], start, stop };
    // 60 Hz, the first frame is 12: tick 300 is frame 612.
    let bouts = [bout(1, 600, 650), bout(2, 640, 700), bout(3, 900, 2000), bout(3, 0, 20)];
    let timeline = Timeline::at_rate(60.0);
    let session = Session {
        name: "day 1",
        ethogram: &ethogram,
        individuals: &individuals,
        timeline: &timeline,
        frames: 12..1200,
        frames_per_tick: 2.0,
        bouts: &bouts,
    };
    let proposal = |ticks, cell: usize, threshold| Proposal {
        ticks,
        cell: cells()[cell],
        doubt: 0.875,
        scores: (0.25, 0.75),
        threshold,
    };
    let picks = [
        Pick { session: 0, proposal: proposal(300..450, 1, Some(0.6)) },
        Pick { session: 1, proposal: proposal(0..150, 1, Some(0.6)) },
        Pick { session: 0, proposal: proposal(450..600, 3, None) },
        Pick { session: 0, proposal: proposal(594..744, 3, None) },
    ];
    let mut out = Vec::new();
    write_csv(&mut out, &picks, std::slice::from_ref(&session)).unwrap();
    let lines: Vec<String> = String::from_utf8(out).unwrap().lines().map(str::to_string).collect();
    let expected = [
        "rank,session,video_offset,start_secs,stop_secs,label_set,behavior,agent,target,pair,uncertainty,score_low,\
         score_high,threshold,why,predicted",
        "1,day 1,00:00:10.200,10.2,15.2,Rats,attack,a,b,a+b,0.875,0.25,0.75,0.6,the score crosses its threshold 0.60,\
         attack a>b 10.2-10.83 s; clinch a+b 10.67-11.67 s; rear b 15-15.2 s",
        "3,day 1,00:00:15.200,15.2,20,Rats,rear,b,,,0.875,0.25,0.75,,never predicted by this model; it scores up to \
         0.75 here,rear b 15.2-20 s",
    ];
    assert_eq!(lines, expected);

    let event = |agent: Option<&str>, target: Option<&str>, behavior: &str, frames: std::ops::Range<u32>| Event {
        agent: agent.map(str::to_string),
        target: target.map(str::to_string),
        behavior: behavior.to_string(),
        start_secs: f64::from(frames.start) / 60.0,
        stop_secs: f64::from(frames.end) / 60.0,
    };
    let expected = [
        event(None, None, REVIEWED, 612..1200),
        event(Some("a"), Some("b"), "attack", 612..650),
        event(None, Some("a+b"), "clinch", 640..700),
        event(Some("b"), None, "rear", 900..1200),
    ];
    assert_eq!(events(&picks, 0, &session), expected);
    assert_eq!(events(&picks, 2, &session), []);
}

fn scores() -> impl Strategy<Value = f32> {
    prop_oneof![8 => 0.0_f32..1.0, 2 => Just(0.0), 1 => Just(f32::NAN), 1 => any::<f32>()]
}

/// A score for every 20 ticks, delay and cell.
fn sessions() -> impl Strategy<Value = Vec<(u64, Vec<f32>)>> {
    let session = (0_u64..900, proptest::collection::vec(scores(), 45 * DELAYS.len() * CELLS));
    proptest::collection::vec(session, 0..4)
}

fn plans() -> impl Strategy<Value = Plan> {
    (0.5_f64..8.0, 1_usize..12, 0.05_f64..1.0, 0.05_f64..1.0).prop_map(
        |(stretch_secs, count, session_share, behavior_share)| Plan {
            stretch_secs,
            count,
            session_share,
            behavior_share,
        },
    )
}

proptest! {
    #[test]
    fn picks_are_bounded_disjoint_and_always_the_same(sessions in sessions(), plan in plans()) {
        let watch = |(ticks, scores): &(u64, Vec<f32>)| {
            let of = |about, delay| (about as usize / 20 * DELAYS.len() + delay) * CELLS;
            watch(&plan, *ticks, |about, delay, cell| scores[of(about, delay) + cell])
        };
        let doubts: Vec<Doubts> = sessions.iter().map(watch).collect();
        let overlap = |a: &Proposal, b: &Proposal| a.ticks.start < b.ticks.end && b.ticks.start < a.ticks.end;
        for proposals in doubts.iter().map(|doubts| &doubts.proposals) {
            for (index, one) in proposals.iter().enumerate() {
                let same = proposals[..index].iter().filter(|other| other.cell.behavior == one.cell.behavior);
                prop_assert!(same.into_iter().all(|other| other.doubt >= one.doubt && !overlap(one, other)));
            }
        }
        let picks = select(&doubts, &plan).unwrap();
        prop_assert_eq!(&picks, &select(&sessions.iter().map(watch).collect::<Vec<_>>(), &plan).unwrap());
        prop_assert!(picks.len() <= plan.count);
        let longest = (plan.stretch_secs * 30.0).round() as u64 * 6 / 5 + 1;
        for (rank, pick) in picks.iter().enumerate() {
            let Proposal { ticks, doubt, scores: (low, high), .. } = &pick.proposal;
            prop_assert!(ticks.start < ticks.end && ticks.end <= sessions[pick.session].0);
            prop_assert!(ticks.end - ticks.start <= longest);
            prop_assert!((0.01..=1.0).contains(doubt) && 0.0 <= *low && low <= high && *high <= 1.0);
            let others = picks[..rank].iter().filter(|other| other.session == pick.session);
            prop_assert!(others.into_iter().all(|other| !overlap(&other.proposal, &pick.proposal)));
        }
        let offering = doubts.iter().filter(|doubts| !doubts.proposals.is_empty()).count().max(1);
        let most = ((plan.count as f64 * plan.session_share).ceil() as usize).max(plan.count.div_ceil(offering));
        for session in 0..sessions.len() {
            prop_assert!(picks.iter().filter(|pick| pick.session == session).count() <= most);
        }
    }

    #[test]
    fn a_stretch_has_the_mean_doubt_of_its_ticks(scores in proptest::collection::vec(0.01_f32..0.99, 45)) {
        let plan = Plan { count: 1, stretch_secs: 2.0, ..Plan::default() };
        let score = |about: u64, cell: usize| if cell == 0 { scores[about as usize / 20] } else { 0.0 };
        let doubts = watch(&plan, 900, |about, _, cell| score(about, cell));
        let best = &doubts.proposals[0];
        let of_tick = |about: u64| f64::from(doubt::doubt(doubt::centred(score(about, 0), 0.6)));
        let of = |start: u64| (start..start + 60).map(of_tick).sum::<f64>() / 60.0;
        prop_assert!((of(best.ticks.start) - f64::from(best.doubt)).abs() < 1e-4);
        let most = (0..=(900 - 60) / 12).map(|slice| of(slice * 12)).fold(0.0, f64::max);
        prop_assert!((most - f64::from(best.doubt)).abs() < 1e-4);
    }
}
