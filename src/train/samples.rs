//! Small sessions and networks for tests.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Material;
use super::config::TrainConfig;
use crate::behavior::{BehaviorSpec, Bout, Cell, Ethogram, Kind, LabelSet};
use crate::corpus::session::Session;
use crate::corpus::{Annotated, Recording, SetLabels};
use crate::model::architecture::{Architecture, BlockShape};
use crate::model::bundle::{Card, Provenance};
use crate::model::wiring::Vocabulary;
use crate::output::decoder::DecodeRule;
use crate::poses::{Frame, Keypoint};
use crate::skeleton::Skeleton;
use crate::stream::{Origin, StreamDefaults, StreamDescription};
use crate::time::TICK_RATE_HZ;

/// Two bodies that share names of parts, so that both teach the same embeddings.
const BODIES: [&[&str]; 2] = [&["nose", "spine", "tail"], &["ear", "nose", "spine", "tail", "tip"]];

pub fn skeleton(body: usize) -> Skeleton {
    let edges = [("nose", "spine"), ("spine", "tail")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    let parts = BODIES[body].iter().map(ToString::to_string).collect();
    Skeleton::new(&format!("body{body}"), parts, ("nose", "spine", "tail"), edges).unwrap()
}

pub fn defaults(body: usize) -> StreamDefaults {
    StreamDefaults { rate_hz: TICK_RATE_HZ, body_length_px: 100.0, skeleton: skeleton(body) }
}

pub fn label_set(name: &str, behaviors: &[(&str, Kind)]) -> LabelSet {
    let spec = |(name, kind): &(&str, Kind)| BehaviorSpec { name: (*name).to_owned(), kind: *kind };
    LabelSet { name: name.to_owned(), behaviors: behaviors.iter().map(spec).collect() }
}

/// A recording of two animals of a body, in which these cells were looked for: each has a bout of 30 ticks, 20 after that of
/// the one before.
pub fn session(body: usize, ethogram: &Ethogram, cells: &[Cell], ticks: u64) -> Session {
    let names = vec!["a".to_owned(), "b".to_owned()];
    let stream = StreamDescription::new(skeleton(body), names, TICK_RATE_HZ, 100.0, None, Origin::Simulated).unwrap();
    let mut rng = StdRng::seed_from_u64(body as u64);
    let frame = |number: u64| {
        let point = |slot: usize| {
            let (x, y) = (3.0 * number as f32 + 20.0 * slot as f32, 60.0 + 15.0 * (number as f32 / 9.0).sin());
            Keypoint::observed(x + rng.random::<f32>(), y + rng.random::<f32>() + slot as f32, 1.0, 0.0)
        };
        Frame { number, capture_nanos: None, keypoints: (0..2 * BODIES[body].len()).map(point).collect() }
    };
    let frames = std::iter::successors(Some(0), |number| Some(number + 1)).take(ticks as usize).map(frame).collect();
    let recording = Recording { name: format!("r{body}"), stream, frames, video_start_nanos: None };
    let bout = |(index, cell): (u64, &Cell)| Bout { cell: *cell, start: 10 + 20 * index, stop: 40 + 20 * index };
    let bouts: Vec<Bout> = (0..).zip(cells).map(bout).collect();
    let labels = |set: usize| {
        let is_of_set = |cell: &Cell| ethogram.label_set_of(cell.behavior) == set;
        SetLabels {
            scored: std::iter::once(0..ticks).collect(),
            annotated: cells.iter().copied().filter(is_of_set).collect(),
            bouts: bouts.iter().copied().filter(|bout| is_of_set(&bout.cell)).collect(),
        }
    };
    let labels = (0..ethogram.label_sets().len()).map(labels).collect();
    let annotated = Annotated { recording, labels, numbers: vec![1, 2], repairs: Vec::new() };
    Session::new(&annotated, ethogram).unwrap()
}

pub fn config(crops_per_step: u32, threads: u32, drop_rate: f32) -> TrainConfig {
    let mut config = TrainConfig::parse("description = \"none.toml\"").unwrap();
    config.delays_ticks = [0, 15].map(crate::time::DelayTicks).to_vec();
    config.schedule.crop_ticks = 64;
    config.schedule.crops_per_step = crops_per_step;
    config.schedule.threads = threads;
    config.optimiser.drop_rate = drop_rate;
    let architecture = Architecture {
        node_channels: 16,
        node_heads: 2,
        pool_queries: 2,
        pair_channels: 16,
        channels: 32,
        heads: 2,
        expansion: 2,
        entry: BlockShape { window: 16, kernel: 9 },
        reduce_kernel: 3,
        middle: vec![BlockShape { window: 16, kernel: 7 }],
        exit: BlockShape { window: 16, kernel: 9 },
        head_channels: 32,
        statistics: false,
    };
    config.architecture = architecture.into();
    config.check().unwrap();
    config
}

/// Of these sessions.
pub fn material(train: Vec<Session>, validation: Vec<Session>, ethogram: Ethogram) -> Material {
    Material {
        train,
        validation,
        ethogram,
        corpus: "sample".to_owned(),
        source: "sample".to_owned(),
        defaults: defaults(0),
        confidence_min: 0.1,
        donor: None,
    }
}

/// The card of a network of this configuration, which never tells anything.
pub fn card(config: &TrainConfig, ethogram: &Ethogram, vocabulary: &Vocabulary) -> Card {
    let never = |spec: &BehaviorSpec| (spec.name.clone(), vec![DecodeRule::NEVER; config.delays_ticks.len()]);
    let of_set = |set: &LabelSet| (set.name.clone(), set.behaviors.iter().map(never).collect());
    Card {
        name: "sample".to_owned(),
        feature_version: crate::features::VERSION,
        tick_rate_hz: TICK_RATE_HZ,
        delays_ticks: config.delays_ticks.clone(),
        confidence_min: 0.1,
        architecture: config.architecture.clone(),
        vocabulary: vocabulary.clone(),
        label_sets: ethogram.label_sets().to_vec(),
        defaults: defaults(0),
        rules: ethogram.label_sets().iter().map(of_set).collect(),
        weights_hash: "none".to_owned(),
        provenance: Provenance {
            corpus: "sample".to_owned(),
            source: "sample".to_owned(),
            train_recordings: Vec::new(),
            validation_recordings: Vec::new(),
            seed: 1,
            epochs: 0,
            software: "vibrissa".to_owned(),
        },
        range: None,
        warm_up: None,
        calibration: BTreeMap::new(),
        triggers: BTreeMap::new(),
        bouts: BTreeMap::new(),
        scores: BTreeMap::new(),
    }
}
