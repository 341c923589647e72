//! What benches are run on: a model of the default architecture with random weights, whose arithmetic is that of the
//! shipped one (9 pair behaviors, 4 delays), and animals that circle.

#![allow(dead_code, reason = "not every bench needs everything")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use vibrissa::behavior::{BehaviorSpec, Ethogram, Kind, LabelSet};
use vibrissa::features;
use vibrissa::model::architecture::Architecture;
use vibrissa::model::backbone::Backbone;
use vibrissa::model::bundle::{Card, Model, Provenance};
use vibrissa::model::graph::Graph;
use vibrissa::model::heads::{Heads, Widths};
use vibrissa::model::network::Network;
use vibrissa::model::variables::Variables;
use vibrissa::model::wiring::{HeadCounts, Vocabulary};
use vibrissa::output::decoder::DecodeRule;
use vibrissa::poses::{Frame, Keypoint};
use vibrissa::skeleton::Skeleton;
use vibrissa::stream::{Origin, StreamDefaults, StreamDescription};
use vibrissa::time::{DelayTicks, TICK_RATE_HZ};

pub const DELAYS: [u32; 4] = [0, 15, 30, 60];

pub fn skeleton(keypoints: usize) -> Skeleton {
    let names: Vec<String> = (0..keypoints).map(|part| format!("\"p{part}\"")).collect();
    let edges: Vec<String> = (1..keypoints).map(|part| format!("[\"p{}\", \"p{part}\"]", part - 1)).collect();
    let text = format!(
        "name = \"chain\"\nkeypoints = [{}]\nfront = \"p0\"\ncentre = \"p1\"\nrear = \"p2\"\nedges = [{}]",
        names.join(", "),
        edges.join(", ")
    );
    toml::from_str(&text).expect("a skeleton")
}

pub fn model(keypoints: usize) -> Arc<Model> {
    model_of(Architecture::default(), keypoints)
}

pub fn model_of(architecture: Architecture, keypoints: usize) -> Arc<Model> {
    let spec = |index: usize| BehaviorSpec { name: format!("b{index}"), kind: Kind::Undirected };
    let label_sets = vec![LabelSet { name: "lab".into(), behaviors: (0..9).map(spec).collect() }];
    let rule = DecodeRule { on: 0.9, off: 0.8, duration_ticks_min: 1, gap_ticks_max: 0 };
    let rules = label_sets[0].behaviors.iter().map(|spec| (spec.name.clone(), vec![rule; DELAYS.len()])).collect();
    let skeleton = skeleton(keypoints);
    let card = Card {
        name: "bench".into(),
        feature_version: features::VERSION,
        tick_rate_hz: TICK_RATE_HZ,
        delays_ticks: DELAYS.map(DelayTicks).to_vec(),
        confidence_min: 0.1,
        architecture: architecture.into(),
        vocabulary: Vocabulary(skeleton.keypoints().to_vec()),
        label_sets: label_sets.clone(),
        defaults: StreamDefaults { rate_hz: TICK_RATE_HZ, body_length_px: 100.0, skeleton },
        rules: BTreeMap::from([("lab".to_owned(), rules)]),
        weights_hash: String::new(),
        provenance: Provenance {
            corpus: String::new(),
            source: String::new(),
            train_recordings: Vec::new(),
            validation_recordings: Vec::new(),
            seed: 1,
            epochs: 0,
            software: String::new(),
        },
        range: None,
        warm_up: None,
        calibration: BTreeMap::new(),
        triggers: BTreeMap::new(),
        bouts: BTreeMap::new(),
        scores: BTreeMap::new(),
    };
    let variables = Variables::new(1);
    let vb = variables.builder(&Device::Cpu);
    Network::new(&card.architecture, keypoints, &Ethogram::new(label_sets), DELAYS.len(), &vb).expect("a network");
    let weights = variables.tensors().expect("weights");
    Arc::new(Model::assemble(card, weights, "bench".into(), Path::new("bench")).expect("a model"))
}

pub fn stream(individuals: usize, keypoints: usize) -> StreamDescription {
    let names = (0..individuals).map(|slot| format!("animal{slot}")).collect();
    StreamDescription::new(skeleton(keypoints), names, TICK_RATE_HZ, 100.0, None, Origin::Simulated).expect("a stream")
}

pub fn frame(individuals: usize, keypoints: usize, number: u64) -> Frame {
    let time = number as f32 / 30.0;
    let points = (0..individuals * keypoints).map(|index| {
        let (animal, part) = ((index / keypoints) as f32, (index % keypoints) as f32);
        let angle = 0.7 * time + 2.0 * animal;
        let (x, y) =
            (400.0 + 150.0 * angle.cos() + 12.0 * part, 300.0 + 150.0 * angle.sin() + 7.0 * (part + time).sin());
        Keypoint { x, y, confidence: 0.9 }
    });
    Frame { number, capture_nanos: None, keypoints: points.collect() }
}

/// The parts of such a model's network, each by itself.
pub struct Parts {
    pub graph: Graph,
    pub backbone: Backbone,
    pub heads: Heads,
}

impl Parts {
    pub fn of(model: &Model) -> Self {
        let architecture = model.card().architecture.hhstf().expect("an HHSTF");
        let vocabulary = model.card().vocabulary.0.len();
        let Architecture { channels, pair_channels, head_channels, .. } = *architecture;
        let widths = Widths { channels, pair_channels, head_channels };
        let counts = HeadCounts::of(model.ethogram());
        let make = |vb: &VarBuilder| Self {
            graph: Graph::new(architecture, vocabulary, &vb.pp("graph")).expect("a graph"),
            backbone: Backbone::new(architecture, &vb.pp("backbone")).expect("a backbone"),
            heads: Heads::new(widths, counts, DELAYS.len(), &vb.pp("heads")).expect("heads"),
        };
        let variables = Variables::new(1);
        drop(make(&variables.builder(&Device::Cpu)));
        make(&VarBuilder::from_tensors(variables.tensors().expect("weights"), DType::F32, &Device::Cpu))
    }
}
