//! Outcomes to test with.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::outcome::{BoutOutcome, FORMAT, LabelSetNames, Outcome, RecordingOutcome, TriggerOutcome};

pub const DELAYS_TICKS: [u32; 3] = [0, 15, 60];
const RECORDINGS: u64 = 6;

/// A run that finds about so many of every thousand frames at which something is. Recordings are as hard for all
/// systems and seeds; a seed changes little.
pub fn outcome(system: &str, seed: u64, found: u64) -> Outcome {
    let mut hardness = StdRng::seed_from_u64(1);
    let mut luck = StdRng::seed_from_u64(seed.wrapping_mul(1000) + found);
    let mut recording = |index: u64| {
        let hard = hardness.random_range(0..200_u64);
        let mut counts = |delay: usize| {
            let found = (found + 20 * delay as u64 + luck.random_range(0..60)).saturating_sub(hard);
            [found, 150, 1000_u64.saturating_sub(found)]
        };
        RecordingOutcome {
            name: format!("rec {index}"),
            asked: vec![true; 2],
            frames: (0..DELAYS_TICKS.len()).map(|delay| (0..3).map(|_| counts(delay)).collect()).collect(),
        }
    };
    let recordings = (0..RECORDINGS).map(&mut recording).collect();
    let bouts = BoutOutcome {
        annotated: 20,
        hit: found / 60,
        told: 20,
        false_bouts: 4,
        false_per_hour: 2.5,
        onset_latency_median_secs: Some(0.4),
    };
    let trigger = TriggerOutcome {
        false_per_hour_max: 1.0,
        bouts: 20,
        hits: found / 80,
        false_per_hour: 1.5,
        latency_median_secs: Some(0.5),
        latency_95_secs: Some(2.0),
    };
    Outcome {
        format: FORMAT,
        system: system.to_owned(),
        seed,
        fingerprint: format!("abcd:{system}"),
        part: "test".to_owned(),
        delays_ticks: DELAYS_TICKS.to_vec(),
        label_sets: vec![set("A", &["social", "aggression"]), set("B", &["bite"])],
        recordings,
        bouts: vec![vec![bouts; 3]; 3],
        triggers: vec![vec![Some(trigger), None, Some(trigger)]; 3],
        cpu_micros_per_tick: found as f64 / 4.0,
        bytes: found * 2_000,
        training_secs: 600.0,
        recipe: "12 epochs".to_owned(),
        chosen_at: 12,
        validation_f1: 0.5,
    }
}

fn set(name: &str, behaviors: &[&str]) -> LabelSetNames {
    LabelSetNames { name: name.to_owned(), behaviors: behaviors.iter().map(|name| (*name).to_owned()).collect() }
}
