//! What a tick costs, frame in to verdict out, on one thread: `cargo bench --bench step`.
//!
//! Ratios within one run mean something; absolute times depend on the machine. The model has the default architecture
//! and random weights: its arithmetic is that of the shipped one.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use criterion::{Criterion, criterion_group, criterion_main};
use vibrissa::behavior::{BehaviorSpec, Ethogram, Kind, LabelSet};
use vibrissa::buffer::ring::TickRing;
use vibrissa::core::Cage;
use vibrissa::features::{self, Extractor};
use vibrissa::model::architecture::Architecture;
use vibrissa::model::bundle::{Card, Model, Provenance};
use vibrissa::model::device::one_thread_pool;
use vibrissa::model::inputs::InputsBuilder;
use vibrissa::model::network::Network;
use vibrissa::model::variables::Variables;
use vibrissa::model::wiring::{Vocabulary, Wiring};
use vibrissa::output::decoder::DecodeRule;
use vibrissa::poses::{Frame, Keypoint};
use vibrissa::skeleton::Skeleton;
use vibrissa::stream::{Origin, StreamDefaults, StreamDescription};
use vibrissa::time::{DelayTicks, TICK_RATE_HZ, WINDOW_TICKS};

const DELAYS: [u32; 4] = [0, 15, 30, 60];

fn skeleton(keypoints: usize) -> Skeleton {
    let names: Vec<String> = (0..keypoints).map(|part| format!("\"p{part}\"")).collect();
    let edges: Vec<String> = (1..keypoints).map(|part| format!("[\"p{}\", \"p{part}\"]", part - 1)).collect();
    let text = format!(
        "name = \"chain\"\nkeypoints = [{}]\nfront = \"p0\"\ncentre = \"p1\"\nrear = \"p2\"\nedges = [{}]",
        names.join(", "),
        edges.join(", ")
    );
    toml::from_str(&text).expect("a skeleton")
}

fn model(keypoints: usize) -> Arc<Model> {
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
        architecture: Architecture::default(),
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
        scores: BTreeMap::new(),
    };
    let variables = Variables::new(1);
    let vb = variables.builder(&Device::Cpu);
    Network::new(&card.architecture, keypoints, &Ethogram::new(label_sets), DELAYS.len(), &vb).expect("a network");
    let weights = variables.tensors().expect("weights");
    Arc::new(Model::assemble(card, weights, "bench".into(), Path::new("bench")).expect("a model"))
}

fn stream(individuals: usize, keypoints: usize) -> StreamDescription {
    let names = (0..individuals).map(|slot| format!("animal{slot}")).collect();
    StreamDescription::new(skeleton(keypoints), names, TICK_RATE_HZ, 100.0, None, Origin::Simulated).expect("a stream")
}

fn frame(individuals: usize, keypoints: usize, number: u64) -> Frame {
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

/// A frame of every cage, each cage by itself as live detection takes them.
fn push(criterion: &mut Criterion) {
    let pool = one_thread_pool("bench").expect("a thread");
    for (individuals, keypoints) in [(2, 5), (2, 18), (4, 18)] {
        let model = model(keypoints);
        for count in [1, 4, 16] {
            let open = || Cage::open(Arc::clone(&model), &stream(individuals, keypoints)).expect("a cage");
            let mut cages: Vec<Cage> = (0..count).map(|_| open()).collect();
            let mut number = 0;
            let mut tick = |cages: &mut Vec<Cage>| {
                let frame = frame(individuals, keypoints, number);
                number += 1;
                for cage in cages {
                    black_box(cage.push(&frame).expect("an advance"));
                }
            };
            pool.install(|| (0..WINDOW_TICKS).for_each(|_| tick(&mut cages)));
            let name = format!("push/{individuals}x{keypoints}/{count} cages");
            criterion.bench_function(&name, |b| pool.install(|| b.iter(|| tick(&mut cages))));
        }
    }
}

/// The whole window anew for one tick, as a program without incremental inference would compute it.
fn window(criterion: &mut Criterion) {
    let pool = one_thread_pool("bench").expect("a thread");
    for keypoints in [5, 18] {
        let model = model(keypoints);
        let skeleton = skeleton(keypoints);
        let parts = model.card().vocabulary.indices(&skeleton).expect("known parts");
        let wiring = Wiring::new(&skeleton, parts, 2, model.ethogram(), &Device::Cpu).expect("wiring");
        let (mut ring, mut extractor) = (TickRing::new(2 * keypoints), Extractor::new(skeleton, 2));
        let mut builder = InputsBuilder::new(2, keypoints);
        for number in 0..WINDOW_TICKS as u64 {
            let points: Vec<_> = frame(2, keypoints, number).keypoints.iter().map(|point| point.scaled(0.01)).collect();
            ring.push(&points);
            builder.push(extractor.advance(&ring));
        }
        let inputs = builder.finish(1, WINDOW_TICKS, &Device::Cpu).expect("inputs");
        criterion.bench_function(&format!("window/2x{keypoints}"), |b| {
            pool.install(|| b.iter(|| black_box(model.network().forward(&inputs, &wiring, None).expect("logits"))));
        });
        criterion.bench_function(&format!("features/2x{keypoints}"), |b| {
            b.iter(|| black_box(extractor.advance(&ring)).nodes.len());
        });
    }
}

criterion_group!(benches, push, window);
criterion_main!(benches);
