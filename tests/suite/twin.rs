//! The network against golden logits of its `PyTorch` twin.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::Deserialize;
use vibrissa::behavior::{Ethogram, LabelSet};
use vibrissa::model::architecture::Architecture;
use vibrissa::model::inputs::{Inputs, Statistics};
use vibrissa::model::network::Network;
use vibrissa::model::ops::ring::Places;
use vibrissa::model::wiring::{Vocabulary, Wiring};
use vibrissa::skeleton::Skeleton;
use vibrissa::time::DelayTicks;

/// Logits are about 1; single precision through six blocks costs some 1e-6 of them.
const TOLERANCE: f32 = 1e-4;

/// `hhstf.toml`: what the network of the golden case is made from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    individuals: usize,
    delays_ticks: Vec<DelayTicks>,
    vocabulary: Vocabulary,
    architecture: Architecture,
    skeleton: Skeleton,
    label_sets: Vec<LabelSet>,
    #[serde(rename = "made_by")]
    _made_by: toml::Table,
}

struct Golden {
    case: Case,
    ethogram: Ethogram,
    wiring: Wiring,
    weights: HashMap<String, Tensor>,
    inputs: Inputs,
    /// (B, T, D, N)
    logits: Tensor,
}

impl Golden {
    fn read() -> Self {
        let file = |name: &str| -> PathBuf { Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name) };
        let case: Case = toml::from_str(&std::fs::read_to_string(file("hhstf.toml")).unwrap()).unwrap();
        case.architecture.check().unwrap();
        let mut tensors = candle_core::safetensors::load(file("hhstf.safetensors"), &Device::Cpu).unwrap();
        let logits = tensors.remove("logits").unwrap();
        let mut input = |name: &str| tensors.remove(&format!("input.{name}")).unwrap();
        let inputs = Inputs {
            nodes: input("nodes"),
            node_present: input("node_present"),
            selves: input("selves"),
            pairs: input("pairs"),
            edges: input("edges"),
            edge_present: input("edge_present"),
            statistics: Some(Statistics { selves: input("self_statistics"), pairs: input("pair_statistics") }),
        };
        let weights = tensors.into_iter().map(|(name, tensor)| {
            let name = name.strip_prefix("weight.").unwrap_or_else(|| panic!("expected a weight, got {name}"));
            (name.to_owned(), tensor)
        });
        let weights = weights.collect();
        let ethogram = Ethogram::new(case.label_sets.clone());
        let parts = case.vocabulary.indices(&case.skeleton).unwrap();
        let wiring = Wiring::new(&case.skeleton, parts, case.individuals, &ethogram, &Device::Cpu).unwrap();
        Self { case, ethogram, wiring, weights, inputs, logits }
    }

    fn network(&self, weights: HashMap<String, Tensor>) -> Network {
        let vb = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
        let Case { architecture, vocabulary, delays_ticks, .. } = &self.case;
        Network::new(&architecture.clone().into(), vocabulary.0.len(), &self.ethogram, delays_ticks.len(), &vb).unwrap()
    }

    /// The largest difference from the golden logits of the first ticks.
    fn distance(&self, logits: &Tensor) -> f32 {
        let golden = self.logits.narrow(1, 0, logits.dim(1).unwrap()).unwrap();
        assert_eq!(logits.dims(), golden.dims());
        (logits - golden).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }
}

// The golden files are written by `python benches/twin/make_golden.py` (see benches/twin/README.md).

#[test]
fn whole_sequences_agree_with_the_twin() {
    let golden = Golden::read();
    let network = golden.network(golden.weights.clone());
    let ticks = golden.logits.dim(1).unwrap();
    // A verdict knows nothing of later ticks, so beginnings of all parities have the same golden logits.
    for length in [1, 2, 3, ticks - 1, ticks] {
        let logits = network.forward(&golden.inputs.narrow(0, length).unwrap(), &golden.wiring, None).unwrap();
        let off = golden.distance(&logits);
        println!("forward over {length} ticks: off by {off:e}");
        assert!(off <= TOLERANCE, "forward over {length} ticks: off by {off:e}, expected at most {TOLERANCE:e}");
    }
}

#[test]
fn single_ticks_agree_with_the_twin() {
    let golden = Golden::read();
    let network = golden.network(golden.weights.clone());
    let (cages, ticks, ..) = golden.logits.dims4().unwrap();
    let streams = cages * golden.case.individuals;
    let state = network.zero_state(streams, &Device::Cpu).unwrap();
    let step = |tick: usize| {
        let (inputs, places) = (golden.inputs.narrow(tick, 1).unwrap(), Places::in_step(streams, tick as u64));
        network.step(&inputs, &golden.wiring, &state, &places).unwrap()
    };
    let steps: Vec<Tensor> = (0..ticks).map(step).collect();
    let off = golden.distance(&Tensor::cat(&steps, 1).unwrap());
    println!("step: off by {off:e}");
    assert!(off <= TOLERANCE, "step: off by {off:e}, expected at most {TOLERANCE:e}");
}

/// The comparison above would miss a weight that the golden case leaves without influence.
#[test]
fn every_weight_tells_in_the_golden_logits() {
    let golden = Golden::read();
    for name in golden.weights.keys() {
        let mut weights = golden.weights.clone();
        weights.insert(name.clone(), (&golden.weights[name] * 1.25).unwrap());
        let off = golden.distance(&golden.network(weights).forward(&golden.inputs, &golden.wiring, None).unwrap());
        assert!(off > 10.0 * TOLERANCE, "{name} by a quarter larger moves the logits by {off:e} only");
    }
}
