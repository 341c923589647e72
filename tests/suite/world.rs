//! Animals, skeletons and small models that tests share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use hessboost::config::TrainingParams;
use hessboost::data::DMatrix;
use hessboost::model::BoostedModel;
use hessboost::objective::{Multiclass, Objective, RegLoss};
use vibrissa::behavior::{BehaviorSpec, Ethogram, Kind, LabelSet};
use vibrissa::features;
use vibrissa::model::architecture::{Architecture, BlockShape};
use vibrissa::model::blueprint::Blueprint;
use vibrissa::model::bundle::{Card, Model, Provenance};
use vibrissa::model::cnn::CnnShape;
use vibrissa::model::ensemble::{Ensemble, Member};
use vibrissa::model::forest::rows::Reading;
use vibrissa::model::forest::{Answer, Booster, Forest, Output};
use vibrissa::model::lstm::LstmShape;
use vibrissa::model::network::Network;
use vibrissa::model::trust::LogitLine;
use vibrissa::model::variables::Variables;
use vibrissa::model::weights::Weights;
use vibrissa::model::wiring::Vocabulary;
use vibrissa::output::decoder::DecodeRule;
use vibrissa::poses::{Frame, Keypoint};
use vibrissa::skeleton::Skeleton;
use vibrissa::stream::{Origin, StreamDefaults, StreamDescription};
use vibrissa::time::{DelayTicks, TICK_RATE_HZ};

pub const BODY_LENGTH_PX: f64 = 100.0;

pub fn skeleton() -> Skeleton {
    toml::from_str(
        r#"
        name = "rat-5"
        keypoints = ["top", "body", "tail", "tail-m", "tail-e"]
        front = "top"
        centre = "body"
        rear = "tail"
        edges = [["top", "body"], ["body", "tail"], ["tail", "tail-m"], ["tail-m", "tail-e"]]
        "#,
    )
    .unwrap()
}

pub fn stream(individuals: usize) -> StreamDescription {
    let names = (0..individuals).map(|slot| format!("animal{slot}")).collect();
    StreamDescription::new(skeleton(), names, TICK_RATE_HZ, BODY_LENGTH_PX, None, Origin::Simulated).unwrap()
}

/// Numbers without pattern, the same for the same arguments (`SplitMix64`), within [0, 1).
pub fn noise(seed: u64, index: u64) -> f32 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(index.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
}

/// The frame `number` of animals that circle, wobble and now and then lose a point; in pixels.
pub fn frame(individuals: usize, number: u64, seed: u64) -> Frame {
    let time = number as f32 / 30.0;
    let mut keypoints = Vec::new();
    for animal in 0..individuals {
        let phase = noise(seed, animal as u64) * 6.0;
        let angle = (0.6 + 0.5 * noise(seed, 50 + animal as u64)) * time + phase;
        let radius = 150.0 + 60.0 * (0.3 * time + phase).sin();
        let centre = (400.0 + radius * angle.cos(), 300.0 + radius * angle.sin());
        let heading = angle + 1.5 + 0.4 * (1.7 * time).sin();
        for (part, along) in [50.0_f32, 0.0, -50.0, -80.0, -110.0].into_iter().enumerate() {
            let index = 1000 + (number * 8 + animal as u64) * 8 + part as u64;
            let jitter = |axis| 3.0 * (noise(seed, index * 2 + axis) - 0.5);
            let (x, y) = (centre.0 + along * heading.cos() + jitter(0), centre.1 + along * heading.sin() + jitter(1));
            let lost = noise(seed + 77, index) < 0.08;
            keypoints.push(if lost { Keypoint::MISSING } else { Keypoint { x, y, confidence: 0.9 } });
        }
    }
    Frame { number, capture_nanos: None, keypoints }
}

pub fn label_sets() -> Vec<LabelSet> {
    let spec = |(name, kind): (&str, Kind)| BehaviorSpec { name: name.into(), kind };
    let set = |name: &str, behaviors: &[(&str, Kind)]| LabelSet {
        name: name.into(),
        behaviors: behaviors.iter().copied().map(spec).collect(),
    };
    vec![
        set(
            "A",
            &[("sniff", Kind::Directed), ("rear", Kind::OfSelf), ("huddle", Kind::Mutual), ("chase", Kind::Directed)],
        ),
        set("B", &[("contact", Kind::Undirected), ("rest", Kind::OfSelf)]),
    ]
}

/// The shipped layout of layers at a tenth of its cost, filling the window as it does.
pub fn architecture() -> Architecture {
    Architecture {
        node_channels: 16,
        node_heads: 2,
        pool_queries: 2,
        pair_channels: 16,
        channels: 32,
        heads: 2,
        expansion: 2,
        entry: BlockShape { window: 16, kernel: 9 },
        reduce_kernel: 3,
        middle: vec![BlockShape { window: 16, kernel: 7 }, BlockShape { window: 48, kernel: 7 }],
        exit: BlockShape { window: 16, kernel: 9 },
        head_channels: 32,
        statistics: true,
    }
}

/// A card for an untrained model whose scores wander around its thresholds.
pub fn card(delays: &[u32]) -> Card {
    let rule = DecodeRule { on: 0.5, off: 0.45, duration_ticks_min: 2, gap_ticks_max: 3 };
    let rules = |set: &LabelSet| {
        let of = |spec: &BehaviorSpec| (spec.name.clone(), vec![rule; delays.len()]);
        (set.name.clone(), set.behaviors.iter().map(of).collect())
    };
    Card {
        name: "untrained".into(),
        feature_version: features::VERSION,
        tick_rate_hz: TICK_RATE_HZ,
        delays_ticks: delays.iter().copied().map(DelayTicks).collect(),
        confidence_min: 0.1,
        architecture: architecture().into(),
        vocabulary: Vocabulary(skeleton().keypoints().to_vec()),
        label_sets: label_sets(),
        defaults: StreamDefaults { rate_hz: 30.0, body_length_px: BODY_LENGTH_PX, skeleton: skeleton() },
        rules: label_sets().iter().map(rules).collect(),
        weights_hash: String::new(),
        provenance: Provenance {
            corpus: "none".into(),
            source: "random weights".into(),
            train_recordings: Vec::new(),
            validation_recordings: Vec::new(),
            seed: 0,
            epochs: 0,
            software: "tests".into(),
        },
        range: None,
        warm_up: None,
        calibration: BTreeMap::new(),
        triggers: BTreeMap::new(),
        bouts: BTreeMap::new(),
        scores: BTreeMap::new(),
    }
}

/// The same of another system.
fn card_of(delays: &[u32], blueprint: Blueprint) -> Card {
    Card { name: blueprint.system().to_string(), architecture: blueprint, ..card(delays) }
}

/// Cards of networks of every kind, of small sizes: first that of [`card`].
pub fn networks(delays: &[u32]) -> Vec<Card> {
    let (channels, pair_channels, head_channels) = (32, 16, 32);
    let lstm = LstmShape { channels, pair_channels, head_channels, layers: 2, segment_ticks: 16 };
    let cnn = CnnShape { channels, pair_channels, head_channels, kernel: 3, dilations: vec![1, 4, 9] };
    vec![card(delays), card_of(delays, Blueprint::Lstm(lstm)), card_of(delays, Blueprint::Cnn(cnn))]
}

/// An untrained model of every system, of small sizes.
pub fn systems(delays: &[u32]) -> Vec<Arc<Model>> {
    let assembled = |card: Card, weights: Weights| {
        Arc::new(Model::assemble(card, weights, "0123456789abcdef".into(), Path::new("untrained")).unwrap())
    };
    let network = |card: Card| {
        let weights = weights(&card, 5).into();
        assembled(card, weights)
    };
    let trees = |blueprint: Blueprint| {
        let card = card_of(delays, blueprint);
        let weights = forest(&card).into();
        assembled(card, weights)
    };
    let networks = networks(delays).into_iter().map(network);
    let trees = [Blueprint::Xgboost, Blueprint::XgboostPerBehavior].map(trees);
    let mut systems: Vec<Arc<Model>> = networks.chain(trees).collect();
    let together = Ensemble::new(vec![Member::of(&systems[0]), Member::of(&systems[4])]).unwrap();
    let card = card_of(delays, together.blueprint());
    systems.push(assembled(card, together.into()));
    systems
}

/// Trees that were shown random columns: one booster for each behavior and delay, or one of classes for a label set.
fn forest(card: &Card) -> Forest {
    let ethogram = Ethogram::new(card.label_sets.clone());
    let reading = Reading::of(&card.architecture).unwrap();
    let parts = card.vocabulary.0.len();
    let line = LogitLine { slope: 1.0, offset: 0.0 };
    let (mut boosters, mut outputs) = (Vec::new(), Vec::new());
    for delay in 0..card.delays_ticks.len() {
        let mut of_delay = Vec::new();
        for (behavior, _, spec) in ethogram.behaviors() {
            let of_self = spec.kind == Kind::OfSelf;
            let width = if of_self { reading.self_width(parts) } else { reading.pair_width(parts) };
            let seed = (delay * 100 + usize::from(behavior.0)) as u64;
            let trees = boosted(width, reading == Reading::Basic, seed);
            let booster = boosters.len();
            boosters.push(Booster::new(booster, &spec.name, Arc::new(trees)));
            let answer = match reading {
                Reading::Basic => Answer::Class { booster, class: 1 },
                Reading::Rich => Answer::Margin { booster },
            };
            of_delay.push(Output { answer, line });
        }
        outputs.push(of_delay);
    }
    Forest::new(reading, parts, &ethogram, boosters, outputs).unwrap()
}

fn boosted(width: usize, is_multiclass: bool, seed: u64) -> BoostedModel {
    let rows = 400;
    let columns: Vec<f32> = (0..rows * width).map(|index| 2.0 * noise(seed + 1000, index as u64) - 0.5).collect();
    let of_row = |row: &[f32]| row.iter().step_by(5).sum::<f32>() / (width as f32 / 5.0).sqrt();
    let mut scores: Vec<f32> = columns.chunks_exact(width).map(of_row).collect();
    let middle = scores.iter().sum::<f32>() / rows as f32;
    for score in &mut scores {
        *score = f32::from(*score > middle);
    }
    let objective = if is_multiclass {
        Objective::Softprob(Multiclass::new(3).unwrap())
    } else {
        Objective::BinaryLogistic(RegLoss::default())
    };
    let params = TrainingParams::builder().objective(objective).max_depth(4).seed(seed).nthread(1).build().unwrap();
    let data = DMatrix::from_dense_vec(columns, rows, width).unwrap().with_labels(&scores).unwrap();
    hessboost::training::train(&params, &data, 8).unwrap()
}

/// Random weights, with output layers strong enough that scores move.
pub fn weights(card: &Card, seed: u64) -> std::collections::HashMap<String, candle_core::Tensor> {
    let variables = Variables::new(seed);
    let ethogram = Ethogram::new(card.label_sets.clone());
    let vb = variables.builder(&Device::Cpu);
    Network::new(&card.architecture, card.vocabulary.0.len(), &ethogram, card.delays_ticks.len(), &vb).unwrap();
    let mut weights = variables.tensors().unwrap();
    for (name, tensor) in &mut weights {
        if name.starts_with("heads.of_") && name.ends_with("weight") {
            *tensor = (&*tensor * 60.0).unwrap();
        } else if name.ends_with("bias") {
            let values: Vec<f32> = (0..tensor.elem_count())
                .map(|i| 0.4 * (noise(seed, i as u64 + name.len() as u64 * 977) - 0.5))
                .collect();
            *tensor = candle_core::Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap();
        }
    }
    weights
}

pub fn model(delays: &[u32]) -> Arc<Model> {
    let card = card(delays);
    let weights = weights(&card, 5);
    Arc::new(Model::assemble(card, weights, "0123456789abcdef".into(), Path::new("untrained")).unwrap())
}
