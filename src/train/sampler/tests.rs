#![allow(clippy::single_range_in_vec_init, reason = "what is labelled may be one range")]

use std::collections::BTreeMap;
use std::ops::Range;

use rand::SeedableRng;

use super::*;
use crate::behavior::{Behavior, BehaviorSpec, Bout, Cell, Individual, Kind, LabelSet, Subject};
use crate::corpus::{Annotated, Recording, SetLabels};
use crate::poses::{Frame, Keypoint};
use crate::skeleton::Skeleton;
use crate::stream::{Origin, StreamDescription};
use crate::time::TICK_RATE_HZ;
use crate::train::hard::BinLoss;

const CROP: u32 = 100;
const DRAWS: usize = 20_000;

/// A set of three behaviors and one of one.
fn ethogram() -> Ethogram {
    let spec = |name: &&str| BehaviorSpec { name: (*name).to_owned(), kind: Kind::OfSelf };
    let set = |name: &str, behaviors: &[&str]| LabelSet {
        name: name.to_owned(),
        behaviors: behaviors.iter().map(spec).collect(),
    };
    Ethogram::new(vec![set("Big", &["rear", "groom", "dig"]), set("Small", &["run"])])
}

/// A recording in which each set was labelled over `scored`, with a bout of ten ticks of a behavior of
/// one animal at each onset.
fn session(ticks: u64, scored: [&[Range<u64>]; 2], onsets: &[(u16, u64)]) -> Session {
    let parts = ["nose", "spine", "tail"].map(str::to_owned).to_vec();
    let skeleton = Skeleton::new("s", parts, ("nose", "spine", "tail"), Vec::new()).unwrap();
    let names = ["a", "b"].map(str::to_owned).to_vec();
    let stream = StreamDescription::new(skeleton, names, TICK_RATE_HZ, 100.0, None, Origin::Simulated).unwrap();
    let frame = |number| Frame { number, capture_nanos: None, keypoints: vec![Keypoint::MISSING; 6] };
    let frames = (0..ticks).map(frame).collect();
    let recording = Recording { name: "r".to_owned(), stream, frames, video_start_nanos: None };
    let cell = |behavior| Cell { behavior: Behavior(behavior), subject: Subject::One(Individual(0)) };
    let labels = |(behaviors, scored): (Range<u16>, &[Range<u64>])| {
        let mine = onsets.iter().filter(|(behavior, _)| behaviors.contains(behavior));
        SetLabels {
            scored: scored.to_vec(),
            bouts: mine.map(|&(behavior, start)| Bout { cell: cell(behavior), start, stop: start + 10 }).collect(),
            annotated: behaviors.map(cell).collect(),
        }
    };
    let labels = [0..3, 3..4].into_iter().zip(scored).map(labels).collect();
    Session::new(&Annotated { recording, labels, numbers: vec![1, 2], repairs: Vec::new() }, &ethogram()).unwrap()
}

fn sampler(sessions: &[Session], [rare_share, short_share, hard_share]: [f64; 3]) -> Sampler {
    let schedule = Schedule { crop_ticks: CROP, rare_share, short_share, hard_share, ..Schedule::default() };
    Sampler::new(sessions, &ethogram(), &schedule).unwrap()
}

fn draws(sampler: &Sampler, hard: &HardBins) -> Vec<Crop> {
    let mut rng = StdRng::seed_from_u64(3);
    (0..DRAWS).map(|_| sampler.draw(hard, 9, &mut rng)).collect()
}

/// Losses of single cells, by (session, tick).
fn hard(losses: &[((usize, usize), f64)]) -> HardBins {
    let (mut hard, mut gathered) = (HardBins::default(), Vec::new());
    for &(at, loss) in losses {
        BinLoss::gather(&mut gathered, at, loss);
    }
    hard.observe(9, gathered);
    hard
}

fn share(crops: &[Crop], is_it: impl Fn(&Crop) -> bool) -> f64 {
    crops.iter().filter(|crop| is_it(crop)).count() as f64 / crops.len() as f64
}

/// Five standard errors of a share of one half: 0.5 / √20000.
const ERROR: f64 = 0.018;

#[test]
fn every_pool_has_its_share() {
    // Each pool has a recording of its own, but that short and rare share one: unlabelled ones make no background.
    let quiet = session(3000, [&[0..3000], &[]], &[]);
    let busy = session(3000, [&[1000..1001], &[]], &[(0, 1000)]);
    let unlabelled = session(3000, [&[], &[]], &[]);
    let sessions = [quiet, busy, unlabelled];
    let crops = draws(&sampler(&sessions, [0.3, 0.2, 0.1]), &hard(&[((2, 700), 1.0)]));
    // √1 of √1 + √3000.
    let busy_background = 0.4 / (1.0 + 3000_f64.sqrt());
    let expected = [0.4 - busy_background, 0.5 + busy_background, 0.1];
    for (session, expected) in expected.into_iter().enumerate() {
        let got = share(&crops, |crop| crop.session == session);
        assert!((got - expected).abs() < ERROR, "recording {session}: {got}, expected {expected}");
    }
    // A short history has all of the short pool, and of the rare one 61 of 90 places.
    let got = share(&crops, |crop| crop.session == 1 && (1000 - SHORT_TICKS..=1000).contains(&crop.first));
    let expected = 0.2 + 0.3 * 61.0 / 90.0 + busy_background * 0.61;
    assert!((got - expected).abs() < ERROR, "{got}, expected {expected}");
}

#[test]
fn label_sets_count_alike_and_so_do_behaviors_within_them() {
    let all = 0..9000;
    let all = std::slice::from_ref(&all);
    let often = (0..30).map(|bout| (0, 200 + 200 * bout));
    let onsets: Vec<(u16, u64)> = often.chain([(1, 7000), (3, 7500), (3, 8000)]).collect();
    let sessions = [session(9000, [all, all], &onsets)];
    for shares in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] {
        let crops = draws(&sampler(&sessions, shares), &HardBins::default());
        let mut counts = BTreeMap::<u16, usize>::new();
        for crop in &crops {
            let shown = |tick: u64| (crop.first as u64..crop.first as u64 + u64::from(CROP)).contains(&tick);
            let shown: Vec<u16> =
                onsets.iter().filter(|(_, tick)| shown(*tick)).map(|(behavior, _)| *behavior).collect();
            assert_eq!(shown.len(), 1, "{crop:?}");
            *counts.entry(shown[0]).or_default() += 1;
        }
        // One behavior never happens.
        for (behavior, expected) in [(0, 0.25), (1, 0.25), (3, 0.5)] {
            let got = counts[&behavior] as f64 / DRAWS as f64;
            assert!((got - expected).abs() < ERROR, "{shares:?}, behavior {behavior}: {got}, expected {expected}");
        }
    }
}

#[test]
fn short_crops_have_the_onset_early() {
    let all = 0..1000;
    let all = std::slice::from_ref(&all);
    // The first has less than two seconds before it, the last less than a crop behind it, one no crop can begin before.
    let sessions = [session(1000, [all, &[]], &[(0, 20), (0, 500), (0, 940), (0, 975)])];
    let crops = draws(&sampler(&sessions, [0.0, 1.0, 0.0]), &HardBins::default());
    let mut histories = BTreeMap::<usize, Vec<usize>>::new();
    for crop in &crops {
        let onset = [20, 500, 940].into_iter().find(|onset| (crop.first..=crop.first + SHORT_TICKS).contains(onset));
        histories.entry(onset.expect("an early onset")).or_default().push(crop.first);
    }
    for (onset, expected) in [(20, 0..=20), (500, 440..=500), (940, 880..=900)] {
        let firsts = &histories[&onset];
        let (least, most) = (firsts.iter().min().unwrap(), firsts.iter().max().unwrap());
        assert_eq!(*least..=*most, expected, "all beginnings that there are");
    }
}

#[test]
fn unlabelled_regions_are_no_background() {
    let (few, many) = (session(5000, [&[2000..2300, 4000..4100], &[]], &[]), session(5000, [&[500..2100], &[]], &[]));
    let sessions = [few, many];
    let crops = draws(&sampler(&sessions, [0.0; 3]), &HardBins::default());
    for crop in &crops {
        let labels = crop.first..crop.first + CROP as usize;
        let cells = sessions[crop.session].cells.len();
        assert!(sessions[crop.session].labelled.any(labels.start * cells..labels.end * cells), "{crop:?}");
    }
    // √400 and √1600.
    let got = share(&crops, |crop| crop.session == 1);
    assert!((got - 2.0 / 3.0).abs() < ERROR, "{got}");
    let got = share(&crops, |crop| crop.session == 0 && crop.first > 3000);
    assert!((got - 1.0 / 12.0).abs() < ERROR, "a quarter of the labelled ticks of a third: {got}");
    let nothing = [session(1000, [&[], &[]], &[])];
    let error = Sampler::new(&nothing, &ethogram(), &Schedule { crop_ticks: CROP, ..Schedule::default() }).unwrap_err();
    assert_eq!(error.to_string(), "expected labelled ticks in training recordings, got none");
}

#[test]
fn windows_whose_loss_was_high_are_drawn_more() {
    let all = 0..5000;
    let sessions = [session(5000, [std::slice::from_ref(&all), &[]], &[])];
    let sampler = sampler(&sessions, [0.0, 0.0, 1.0]);
    // Whose bins begin at 1024 and 3072.
    let hard = hard(&[((0, 1030), 3.0), ((0, 3300), 1.0)]);
    let shows = |crop: &Crop, bin: usize| crop.first < bin + BIN_TICKS && bin < crop.first + CROP as usize;
    let crops = draws(&sampler, &hard);
    for (bin, expected) in [(1024, 0.75), (3072, 0.25)] {
        let got = share(&crops, |crop| shows(crop, bin));
        assert!((got - expected).abs() < ERROR, "{bin}: {got}");
    }
    let before = draws(&sampler, &HardBins::default());
    let got = share(&before, |crop| shows(crop, 1024));
    // Nothing is known yet: the background.
    assert!((got - 355.0 / 5000.0).abs() < ERROR, "{got}");
}

#[test]
fn the_same_seed_draws_the_same_crops() {
    let all = 0..3000;
    let all = std::slice::from_ref(&all);
    let sessions = [session(3000, [all, all], &[(0, 700), (3, 900), (3, 2000)])];
    let sampler = sampler(&sessions, [0.3, 0.2, 0.3]);
    let known = hard(&[((0, 10), 1.0), ((0, 2900), 0.5)]);
    assert_eq!(draws(&sampler, &known), draws(&sampler, &known.clone()));
    assert_ne!(draws(&sampler, &known), draws(&sampler, &HardBins::default()));
    // A state of other recordings is no reason to fail.
    let foreign = hard(&[((7, 10), 1.0), ((0, 900_000), 1.0)]);
    assert!(draws(&sampler, &foreign).iter().all(|crop| crop.session == 0 && crop.first + CROP as usize <= 3000));
}
