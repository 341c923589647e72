//! A whole network as another device runs it, in plain operations only, against the fused one.

use std::path::{Path, PathBuf};

use candle_core::DType;
use candle_nn::VarBuilder;

use super::*;
use crate::features::{
    ANCHORS, EDGE_CHANNELS, NODE_CHANNELS, PAIR_CHANNELS, PAIR_STATISTICS, SELF_CHANNELS, SELF_STATISTICS,
};
use crate::model::inputs::{Inputs, Statistics};
use crate::model::network::Network;
use crate::model::wiring::Wiring;
use crate::model::{Model, bundle};

/// Of a network over all its layers.
const TOLERANCE: f32 = 1e-4;

const KEYPOINTS: usize = 18;

/// What `run` gives where no operation is fused.
fn elsewhere<T>(run: impl FnOnce() -> T) -> T {
    IS_ELSEWHERE.set(true);
    let result = run();
    IS_ELSEWHERE.set(false);
    result
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/simulated")
}

fn wiring(model: &Model, individuals: usize) -> Wiring {
    let skeleton = &model.card().defaults.skeleton;
    assert_eq!(skeleton.keypoints().len(), KEYPOINTS);
    let parts = model.card().vocabulary.indices(skeleton).unwrap();
    Wiring::new(skeleton, parts, individuals, model.ethogram(), &Device::Cpu).unwrap()
}

/// Random features. Of the first animal nothing is present, nor is any edge to or from it.
fn inputs(cages: usize, ticks: usize, individuals: usize, seed: u64) -> Inputs {
    let (b, t, i, k, j) = (cages, ticks, individuals, KEYPOINTS, individuals - 1);
    let values = |shape: &[usize], seed: u64| random(shape, seed).as_detached_tensor();
    let present = |shape: &[usize], seed: u64| values(shape, seed).gt(-0.5_f32)?.to_dtype(DType::F32);
    let there: Vec<f32> = (0..i).map(|animal| f32::from(u8::from(animal > 0))).collect();
    let there = Tensor::from_vec(there, (1, 1, i, 1), &Device::Cpu).unwrap();
    let edge_present = present(&[b, t, i, j, ANCHORS, ANCHORS], seed + 5).unwrap();
    Inputs {
        nodes: values(&[b, t, i, k, NODE_CHANNELS], seed),
        node_present: present(&[b, t, i, k], seed + 1).unwrap().broadcast_mul(&there).unwrap(),
        selves: values(&[b, t, i, SELF_CHANNELS], seed + 2),
        pairs: values(&[b, t, i, j, PAIR_CHANNELS], seed + 3),
        edges: values(&[b, t, i, j, ANCHORS, ANCHORS, EDGE_CHANNELS], seed + 4),
        edge_present: edge_present.broadcast_mul(&there.reshape((1, 1, i, 1, 1, 1)).unwrap()).unwrap(),
        statistics: Some(Statistics {
            selves: values(&[b, t, i, SELF_STATISTICS], seed + 6),
            pairs: values(&[b, t, i, j, PAIR_STATISTICS], seed + 7),
        }),
    }
}

/// The network of a model, of stored weights.
fn network(model: &Model) -> Network {
    let (card, weights, _) = bundle::read(&directory()).unwrap();
    let vb = VarBuilder::from_tensors(weights.tensors().unwrap().clone(), DType::F32, &Device::Cpu);
    let (parts, delays) = (card.vocabulary.0.len(), card.delays_ticks.len());
    Network::new(&card.architecture, parts, model.ethogram(), delays, &vb).unwrap()
}

#[test]
fn a_network_elsewhere_runs_whole_sequences_as_on_the_processor() {
    let model = Model::load(&directory()).unwrap();
    let (fused, plain) = (network(&model), elsewhere(|| network(&model)));
    for individuals in [2, 3] {
        let (inputs, wiring) = (inputs(2, 30, individuals, 40), wiring(&model, individuals));
        let expected = fused.forward(&inputs, &wiring, None).unwrap();
        let found = elsewhere(|| plain.forward(&inputs, &wiring, None).unwrap());
        assert!(distance(&found, &expected) < TOLERANCE, "{individuals}: off by {}", distance(&found, &expected));
    }
}

#[test]
fn a_network_elsewhere_steps_cages_out_of_phase_as_on_the_processor() {
    let model = Model::load(&directory()).unwrap();
    let (fused, plain) = (network(&model), elsewhere(|| network(&model)));
    for individuals in [2, 3] {
        let wiring = wiring(&model, individuals);
        let slots = 2 * individuals + 1;
        let states = [fused.zero_state(slots, &Device::Cpu).unwrap(), plain.zero_state(slots, &Device::Cpu).unwrap()];
        let seated = |cage: usize| (0..individuals).map(move |animal| (cage * individuals + animal) as u32);
        for tick in 0..40_u64 {
            // The second cage comes five ticks later, into the slots before those of the first.
            let cages: Vec<(usize, u64)> = [(1, Some(tick)), (0, tick.checked_sub(5))]
                .into_iter()
                .filter_map(|(cage, position)| Some((cage, position?)))
                .collect();
            if tick == 5 {
                for slot in seated(0) {
                    states[0].clear(slot).unwrap();
                    elsewhere(|| states[1].clear(slot)).unwrap();
                }
            }
            let places = Arc::new(Places {
                slots: cages.iter().flat_map(|(cage, _)| seated(*cage)).collect(),
                positions: cages.iter().flat_map(|(_, at)| std::iter::repeat_n(*at, individuals)).collect(),
            });
            let inputs = inputs(cages.len(), 1, individuals, 100 + 10 * tick);
            let expected = fused.step(&inputs, &wiring, &states[0], &places).unwrap();
            let found = elsewhere(|| plain.step(&inputs, &wiring, &states[1], &places).unwrap());
            let off = distance(&found, &expected);
            assert!(off < TOLERANCE, "{individuals} animals, tick {tick}: off by {off}");
        }
    }
}
