//! The laws of the design: streaming, window, isolation, symmetry and one code path.

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use proptest::prelude::*;
use vibrissa::behavior::{Individual, Subject};
use vibrissa::buffer::ring::TickRing;
use vibrissa::core::{Advance, Cage, Room, Turn, step_together};
use vibrissa::features::Extractor;
use vibrissa::model::Model;
use vibrissa::model::architecture::BlockShape;
use vibrissa::model::backbone::Backbone;
use vibrissa::model::bundle;
use vibrissa::model::inputs::{Inputs, InputsBuilder};
use vibrissa::model::layers::Residual;
use vibrissa::model::network::Network;
use vibrissa::model::ops::ring::Places;
use vibrissa::model::reach::Reach;
use vibrissa::model::temporal::{Block, CausalConvolution, WindowAttention};
use vibrissa::model::trust::LogitLine;
use vibrissa::model::variables::Variables;
use vibrissa::model::wiring::Wiring;
use vibrissa::output::Edge;
use vibrissa::poses::{Frame, Keypoint};
use vibrissa::time::{Tick, WINDOW_TICKS};

use crate::world::{self, BODY_LENGTH_PX, frame, model, stream};

const TOLERANCE: f32 = 1e-4;

fn random(shape: &[usize], seed: u64) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| 2.0 * world::noise(seed, i as u64) - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn distance(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

/// Features of `ticks` ticks of the animals of `seed`.
fn inputs(individuals: usize, first: u64, ticks: usize, seed: u64) -> Inputs {
    let mut ring = TickRing::new(individuals * 5);
    let mut extractor = Extractor::new(world::skeleton(), individuals, true);
    let mut builder = InputsBuilder::new(individuals, 5);
    for tick in 0..ticks as u64 {
        let points = frame(individuals, first + tick, seed).keypoints;
        let scaled: Vec<Keypoint> = points.into_iter().map(|point| point.scaled(1.0 / BODY_LENGTH_PX as f32)).collect();
        ring.push(&scaled);
        builder.push(extractor.advance(&ring));
    }
    builder.finish(1, ticks, &Device::Cpu).unwrap()
}

fn wiring(model: &Model, individuals: usize) -> Wiring {
    let skeleton = world::skeleton();
    let parts = model.card().vocabulary.indices(&skeleton).unwrap();
    Wiring::new(&skeleton, parts, individuals, model.ethogram(), &Device::Cpu).unwrap()
}

/// Runs a layer by steps beside the whole, and checks that its past knows nothing of its future.
fn check_layer(
    length: usize,
    forward: impl Fn(&Tensor) -> Tensor,
    mut step: impl FnMut(&Tensor, u64) -> Tensor,
    receptive_field: usize,
) {
    let x = random(&[3, length, 32], 1);
    let whole = forward(&x);
    for tick in 0..length {
        let one = step(&x.narrow(1, tick, 1).unwrap().contiguous().unwrap(), tick as u64);
        let off = distance(&one, &whole.narrow(1, tick, 1).unwrap());
        assert!(off < TOLERANCE, "tick {tick}: step is off by {off}");
    }
    // Two futures, one past: and NaN in the future stays there.
    let cut = length / 2;
    let past = x.narrow(1, 0, cut).unwrap();
    for future in [random(&[3, length - cut, 32], 2), (random(&[3, length - cut, 32], 3) * f64::NAN).unwrap()] {
        let other = forward(&Tensor::cat(&[&past, &future], 1).unwrap());
        let off = distance(&other.narrow(1, 0, cut).unwrap(), &whole.narrow(1, 0, cut).unwrap());
        assert_eq!(off, 0.0, "the future leaks into the past");
    }
    // What lies before the receptive field does not matter, what lies at its edge does.
    let last = |x: &Tensor| forward(x).narrow(1, length - 1, 1).unwrap();
    for (kept, matters) in [(receptive_field, false), (receptive_field - 1, true)] {
        let changed =
            Tensor::cat(&[&random(&[3, length - kept, 32], 4), &x.narrow(1, length - kept, kept).unwrap()], 1);
        let off = distance(&last(&changed.unwrap()), &last(&x));
        assert_eq!(off > 0.0, matters, "{kept} ticks kept: differs by {off}");
    }
}

/// Builders of the same weights: trained ones, of which layers are made of single operations, and stored ones, of which
/// they are made of fused operations.
fn builders(make: impl Fn(&VarBuilder)) -> [VarBuilder<'static>; 2] {
    let variables = Variables::new(3);
    make(&variables.builder(&Device::Cpu));
    let stored = VarBuilder::from_tensors(variables.tensors().unwrap(), DType::F32, &Device::Cpu);
    [variables.builder(&Device::Cpu), stored]
}

#[test]
fn law_1_every_layer_steps_as_it_runs() {
    let attention = |vb: &VarBuilder| {
        let residual = Residual::new(32, &vb.pp("residual")).unwrap();
        (WindowAttention::new(32, 2, 6, &vb.pp("attention")).unwrap(), residual)
    };
    for vb in builders(|vb| drop(attention(vb))) {
        let (layer, residual) = attention(&vb);
        let state = layer.zero_state(3).unwrap();
        let step = |x: &Tensor, at| layer.step(x, &residual, &state, &Places::in_step(3, at)).unwrap();
        check_layer(40, |x| layer.forward(x, &residual, None).unwrap(), step, layer.receptive_field());
    }
    let convolution = |vb: &VarBuilder| CausalConvolution::new(32, 5, &vb.pp("convolution")).unwrap();
    for vb in builders(|vb| drop(convolution(vb))) {
        let layer = convolution(&vb);
        let state = layer.zero_state(3).unwrap();
        let step = |x: &Tensor, at| {
            let places = Places::in_step(3, at);
            layer.put(x, &state, &places).unwrap();
            layer.newest(&state, &places).unwrap()
        };
        check_layer(40, |x| layer.forward(x).unwrap(), step, layer.receptive_field());
    }
    let block = |vb: &VarBuilder| Block::new(32, 2, 64, BlockShape { window: 5, kernel: 4 }, vb).unwrap();
    for vb in builders(|vb| drop(block(vb))) {
        let layer = block(&vb);
        let state = layer.zero_state(3).unwrap();
        let step = |x: &Tensor, at| layer.step(x, &state, &Places::in_step(3, at)).unwrap();
        check_layer(40, |x| layer.forward(x, None).unwrap(), step, layer.receptive_field());
        assert_eq!(layer.delay(), 0);
    }
    let mut small = world::architecture();
    small.entry = BlockShape { window: 4, kernel: 3 };
    small.middle = vec![BlockShape { window: 3, kernel: 2 }, BlockShape { window: 7, kernel: 3 }];
    small.exit = BlockShape { window: 3, kernel: 2 };
    for vb in builders(|vb| drop(Backbone::new(&small, vb).unwrap())) {
        let layer = Backbone::new(&small, &vb).unwrap();
        let state = layer.zero_state(3, 32, &Device::Cpu).unwrap();
        let step = |x: &Tensor, at| layer.step(x, &state, &Places::in_step(3, at)).unwrap();
        // The exit block looks three ticks back from tick 81, to the even tick 78: there the output of the middle is held
        // from the tick before, which is the worse half-rate parity.
        check_layer(82, |x| layer.forward(x, None).unwrap(), step, layer.receptive_field());
    }
}

/// The network of a model in single operations, as it is trained and as it runs on a device without fused ones.
fn plain_network(model: &Model, directory: &Path) -> Network {
    let (card, weights, _) = bundle::read(directory).unwrap();
    let variables = Variables::new(0);
    let vb = variables.builder(&Device::Cpu);
    let delays = card.delays_ticks.len();
    let network = Network::new(&card.architecture, card.vocabulary.0.len(), model.ethogram(), delays, &vb).unwrap();
    variables.assign(weights.tensors().unwrap()).unwrap();
    network
}

/// The same of fused operations.
fn fused_network(model: &Model) -> Network {
    let (card, tensors) = (model.card(), model.weights().tensors().unwrap().clone());
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let delays = card.delays_ticks.len();
    Network::new(&card.architecture, card.vocabulary.0.len(), model.ethogram(), delays, &vb).unwrap()
}

#[test]
fn fused_operations_give_what_single_ones_give() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/simulated");
    let model = Model::load(&directory).unwrap();
    let (plain, fused) = (plain_network(&model, &directory), fused_network(&model));
    for individuals in [2, 3] {
        let (inputs, wiring) = (inputs(individuals, 0, 60, 8), wiring(&model, individuals));
        let whole = plain.forward(&inputs, &wiring, None).unwrap();
        let off = distance(&fused.forward(&inputs, &wiring, None).unwrap(), &whole);
        assert!(off < TOLERANCE, "{individuals} animals, whole: off by {off}");
        for network in [&plain, &fused] {
            let state = network.zero_state(individuals, &Device::Cpu).unwrap();
            for tick in 0..60 {
                let places = Places::in_step(individuals, tick as u64);
                let one = network.step(&inputs.narrow(tick, 1).unwrap(), &wiring, &state, &places).unwrap();
                let off = distance(&one, &whole.narrow(1, tick, 1).unwrap());
                assert!(off < TOLERANCE, "{individuals} animals, tick {tick}: off by {off}");
            }
        }
    }
}

#[test]
fn law_1_every_system_steps_as_it_runs() {
    for model in world::systems(&[0, 15]) {
        for individuals in [2, 3] {
            let (inputs, wiring) = (inputs(individuals, 0, 75, 8), wiring(&model, individuals));
            let whole = model.system().forward(&inputs, &wiring).unwrap();
            let streams = model.system().open(individuals).unwrap();
            // What another animal left in the slots does not matter.
            for round in 0..2 {
                for tick in 0..75 {
                    let places = Places::in_step(individuals, tick as u64);
                    let one = streams.step(&inputs.narrow(tick, 1).unwrap(), &wiring, &places).unwrap();
                    let off = distance(&one, &whole.narrow(1, tick, 1).unwrap());
                    assert!(off < TOLERANCE, "{}, {individuals} animals, {round}, tick {tick}: {off}", model.name());
                }
                (0..individuals as u32).for_each(|slot| streams.clear(slot).unwrap());
            }
            let many = streams.step(&inputs, &wiring, &Places::in_step(individuals, 0));
            assert!(many.unwrap_err().to_string().contains("one tick, got 75"));
            let few = streams.step(&inputs.narrow(0, 1).unwrap(), &wiring, &Places::in_step(1, 0));
            assert!(few.unwrap_err().to_string().contains("got 1"), "{}", model.name());
        }
    }
}

#[test]
fn an_ensemble_answers_the_mean_of_its_members() {
    let systems = world::systems(&[0, 15]);
    let [network, .., trees, together] = systems.as_slice() else { panic!("six systems") };
    let (inputs, wiring) = (inputs(3, 0, 40, 8), wiring(network, 3));
    let [a, b, mean] = [network, trees, together].map(|model| model.system().forward(&inputs, &wiring).unwrap());
    assert!(distance(&a, &b) > 0.1, "they differ");
    let expected = ((a + b).unwrap() * 0.5).unwrap();
    assert!(distance(&expected, &mean) < TOLERANCE);
    // Each behavior at each delay by a line of its own.
    let behaviors = network.ethogram().behavior_count();
    let line = |delay: usize, behavior: usize| LogitLine {
        slope: 1.0 + 0.1 * behavior as f64,
        offset: delay as f64 - 0.2 * behavior as f64,
    };
    let lines: Vec<Vec<LogitLine>> =
        (0..2).map(|delay| (0..behaviors).map(|behavior| line(delay, behavior)).collect()).collect();
    let mut weights = together.weights().clone();
    weights.calibrate(network.ethogram(), &lines).unwrap();
    let card = together.card().clone();
    let calibrated = Model::assemble(card, weights, "0123456789abcdef".into(), Path::new("calibrated")).unwrap();
    let found = calibrated.system().forward(&inputs, &wiring).unwrap();
    let (expected, found) = (expected.squeeze(0).unwrap(), found.squeeze(0).unwrap());
    let (expected, found) = (expected.to_vec3::<f32>().unwrap(), found.to_vec3::<f32>().unwrap());
    let cells = network.ethogram().cells(3);
    for (expected, found) in expected.iter().zip(&found) {
        for (delay, (expected, found)) in expected.iter().zip(found).enumerate() {
            for ((cell, expected), found) in cells.iter().zip(expected).zip(found) {
                let LogitLine { slope, offset } = line(delay, usize::from(cell.behavior.0));
                assert!((slope as f32 * expected + offset as f32 - found).abs() < TOLERANCE, "{delay}, {cell:?}");
            }
        }
    }
    let ragged = [lines[0].clone(), lines[1][1..].to_vec()];
    assert!(together.weights().clone().calibrate(network.ethogram(), &ragged).is_err());
}

#[test]
fn law_2_a_verdict_needs_the_last_512_ticks_and_no_more() {
    for model in world::systems(&[0]) {
        let (wiring, system) = (wiring(&model, 2), model.system());
        let (reach, period) = (system.receptive_field(), system.period_ticks() as usize);
        // However many ticks came before the last 512: those from the next period on are enough.
        assert!(reach + period - 1 <= WINDOW_TICKS, "{}", model.name());
        assert_eq!(reach, model.card().architecture.receptive_field());
        let last =
            |inputs: &Inputs, ticks: usize| system.forward(inputs, &wiring).unwrap().narrow(1, ticks - 1, 1).unwrap();
        for ticks in [WINDOW_TICKS + 88, WINDOW_TICKS + 89] {
            let long = last(&inputs(2, 0, ticks, 4), ticks);
            let first = (ticks - WINDOW_TICKS).next_multiple_of(period);
            let fresh = last(&inputs(2, first as u64, ticks - first, 4), ticks - first);
            let off = distance(&long, &fresh);
            assert!(off < TOLERANCE, "{}, {ticks} ticks: a fresh system is off by {off}", model.name());
            // Less is not. An LSTM that learned nothing forgets within a second.
            let is_hhstf = model.card().architecture.hhstf().is_some();
            let kept = if is_hhstf { 200 } else { 1 + (reach - model.card().architecture.features_reach()) / 8 };
            let first = (ticks - kept) / period * period;
            let short = last(&inputs(2, first as u64, ticks - first, 4), ticks - first);
            assert!(
                distance(&long, &short) > TOLERANCE,
                "{}: {} ticks should not be enough",
                model.name(),
                ticks - first
            );
        }
    }
}

#[test]
fn a_cage_that_goes_on_elsewhere_says_what_it_would_have_said() {
    for model in world::systems(&[0, 15]) {
        // 600 ticks in, a new room knows the last 512 only.
        let expected = scores(&model, 2, (0..640).map(|number| frame(2, number, 6)));
        let room = Room::new(Arc::clone(&model), 2).unwrap();
        let mut cage = Cage::open_in(&room, &stream(2)).unwrap();
        (0..600).for_each(|number| drop(cage.push(&frame(2, number, 6)).unwrap()));
        let elsewhere = Room::new(Arc::clone(&model), 2).unwrap();
        cage.move_to(&elsewhere).unwrap();
        for number in 600..640 {
            let mut heard = Vec::new();
            cage.push_watched(&frame(2, number, 6), &mut |_, scores| heard = scores.to_vec()).unwrap();
            let off = heard.iter().zip(&expected[number as usize].1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < TOLERANCE, "{}, tick {number}: off by {off}", model.name());
        }
    }
}

#[test]
fn law_3_cages_together_equal_each_alone_to_the_last_bit() {
    world::systems(&[0, 15]).iter().for_each(cages_together_equal_each_alone);
}

fn cages_together_equal_each_alone(model: &Arc<Model>) {
    let alone: Vec<_> =
        (0..4).map(|cage| scores(model, 2, (0..70).map(|number| frame(2, number, 20 + cage)))).collect();
    // The room has no slot to spare: the last cage sits where another one left, whose past is not its own.
    let room = Room::new(Arc::clone(model), 8).unwrap();
    let open = || Cage::open_in(&room, &stream(2)).unwrap();
    let mut leaving = open();
    let mut cages: Vec<(usize, Cage, u64)> = (0..3).map(|cage| (cage, open(), 0)).collect();
    let mut heard = vec![Vec::new(); 4];
    assert_eq!(Cage::open_in(&room, &stream(2)).unwrap_err().cause(), "full");
    for round in 0..40 {
        let mut nothing = |_: Tick, _: &[f32]| {};
        leaving.push_watched(&frame(2, round, 99), &mut nothing).unwrap();
    }
    drop(leaving);
    for round in 0..90_u64 {
        match round {
            11 => cages.push((3, open(), 0)),
            // Cages drop out of step: some rounds are without them.
            30 => cages.rotate_left(1),
            _ => {}
        }
        let due = cages.iter_mut().filter(|(cage, _, next)| *next < 70 && (round + *cage as u64) % 7 != 3);
        let frames: Vec<_> = due
            .map(|(cage, state, next)| {
                *next += 1;
                (*cage, state, frame(2, *next - 1, 20 + *cage as u64))
            })
            .collect();
        let mut watched = vec![Vec::new(); frames.len()];
        let mut turns: Vec<Turn<'_>> = frames
            .into_iter()
            .zip(&mut watched)
            .map(|((cage, state, frame), watched)| {
                Turn::push(state, &frame, move |tick, scores| watched.push((cage, tick, scores.to_vec())))
            })
            .collect();
        step_together(&mut turns);
        for turn in turns {
            assert_eq!(turn.finish().unwrap().ticks, 1);
        }
        watched.into_iter().flatten().for_each(|(cage, tick, scores)| heard[cage].push((tick, scores)));
    }
    for cage in 0..4 {
        assert!(heard[cage].len() >= 60);
        assert_eq!(heard[cage], alone[cage][..heard[cage].len()], "{}, cage {cage}", model.name());
    }
}

#[test]
fn cages_of_different_animals_and_skeletons_share_a_room() {
    let model = model(&[0, 15]);
    let room = Room::new(Arc::clone(&model), 7).unwrap();
    let mut cages = [2, 3, 2].map(|individuals| Cage::open_in(&room, &stream(individuals)).unwrap());
    let mut heard: [Vec<(Tick, Vec<f32>)>; 3] = Default::default();
    for number in 0..50 {
        let frames = [frame(2, number, 1), frame(3, number, 2), frame(2, number, 3)];
        let each = cages.iter_mut().zip(&frames).zip(&mut heard);
        let mut turns: Vec<Turn<'_>> = each
            .map(|((cage, frame), heard)| Turn::push(cage, frame, |tick, scores| heard.push((tick, scores.to_vec()))))
            .collect();
        step_together(&mut turns);
    }
    for (cage, (individuals, seed)) in [(2, 1), (3, 2), (2, 3)].into_iter().enumerate() {
        let alone = scores(&model, individuals, (0..50).map(|number| frame(individuals, number, seed)));
        assert_eq!(heard[cage], alone[..50], "cage {cage}");
    }
}

/// Every score of a cage, tick by tick.
fn scores(model: &Arc<Model>, individuals: usize, frames: impl Iterator<Item = Frame>) -> Vec<(Tick, Vec<f32>)> {
    let mut cage = Cage::open(Arc::clone(model), &stream(individuals)).unwrap();
    let mut all = Vec::new();
    for frame in frames {
        cage.push_watched(&frame, &mut |tick, scores| all.push((tick, scores.to_vec()))).unwrap();
    }
    cage.flush_watched(&mut |tick, scores| all.push((tick, scores.to_vec()))).unwrap();
    all
}

#[test]
fn law_3_joining_leaving_and_resetting_a_cage_leaves_the_others_untouched() {
    let model = model(&[0, 15]);
    let alone = scores(&model, 2, (0..60).map(|number| frame(2, number, 1)));
    let mut watched = Vec::new();
    let mut cage = Cage::open(Arc::clone(&model), &stream(2)).unwrap();
    let mut neighbour = Some(Cage::open(Arc::clone(&model), &stream(3)).unwrap());
    for number in 0..60 {
        match number {
            20 => neighbour = None,
            30 => neighbour = Some(Cage::open(Arc::clone(&model), &stream(3)).unwrap()),
            // A camera that starts anew resets its own cage.
            45 => {
                let neighbour = neighbour.as_mut().unwrap();
                let frames = (5_000_000..5_000_003).map(|number| frame(3, number, 9));
                let resets: u32 = frames.map(|frame| neighbour.push(&frame).unwrap().resets).sum();
                assert_eq!(resets, 1);
            }
            _ => {}
        }
        if let Some(neighbour) = neighbour.as_mut().filter(|_| number < 45) {
            neighbour.push(&frame(3, number, 9)).unwrap();
        }
        cage.push_watched(&frame(2, number, 1), &mut |tick, scores| watched.push((tick, scores.to_vec()))).unwrap();
    }
    cage.flush_watched(&mut |tick, scores| watched.push((tick, scores.to_vec()))).unwrap();
    assert_eq!(alone, watched);
}

#[test]
fn a_long_gap_ends_every_bout_and_starts_the_cage_anew() {
    let model = model(&[0, 15]);
    let after: Vec<Frame> = (5_000_000..5_000_060).map(|number| frame(2, number, 4)).collect();
    let fresh = scores(&model, 2, after.iter().cloned());
    let mut cage = Cage::open(Arc::clone(&model), &stream(2)).unwrap();
    let mut transitions = Vec::new();
    for number in 0..100 {
        transitions.extend(cage.push(&frame(2, number, 4)).unwrap().transitions);
    }
    let (mut resets, mut scores) = (0, Vec::new());
    for frame in &after {
        let mut of_frame = Vec::new();
        let advance = cage.push_watched(frame, &mut |tick, scores| of_frame.push((tick, scores.to_vec()))).unwrap();
        if advance.resets > 0 {
            // What was seen before belongs to the end of the old stream.
            of_frame.retain(|(tick, _)| tick.0 < 50);
        }
        resets += advance.resets;
        transitions.extend(advance.transitions);
        scores.extend(of_frame);
    }
    let last = cage.flush_watched(&mut |tick, of_tick| scores.push((tick, of_tick.to_vec()))).unwrap();
    transitions.extend(last.transitions);
    assert_eq!(resets, 1);
    assert_eq!(scores, fresh);
    let count = |edge: fn(&Edge) -> bool| transitions.iter().filter(|transition| edge(&transition.edge)).count();
    let onsets = count(|edge| *edge == Edge::Onset);
    assert!(onsets > 10 && onsets == count(|edge| matches!(edge, Edge::Offset { .. })), "every onset has its offset");
    let told = transitions.iter().filter(|transition| transition.edge == Edge::Onset);
    let mut bouts: Vec<_> = told.map(|transition| (transition.delay, transition.bout)).collect();
    bouts.sort_unstable();
    bouts.dedup();
    assert_eq!(bouts.len(), onsets, "no number is used twice");
}

#[test]
fn nothing_is_said_of_animals_that_nobody_sees() {
    let model = model(&[0, 15]);
    let seen = |number: u64| {
        let mut frame = frame(2, number, 4);
        if (60..330).contains(&number) {
            frame.keypoints.fill(Keypoint::MISSING);
        }
        frame
    };
    let mut cage = Cage::open(Arc::clone(&model), &stream(2)).unwrap();
    let mut transitions: Vec<_> = (0..420).flat_map(|number| cage.push(&seen(number)).unwrap().transitions).collect();
    transitions.extend(cage.flush().unwrap().transitions);
    for delay in model.delays() {
        let bouts = vibrissa::output::decoder::bouts(transitions.iter(), *delay);
        assert!(bouts.iter().any(|bout| bout.stop < 90) && bouts.iter().any(|bout| bout.start > 330), "{bouts:?}");
        // Seen last at tick 59, gone 30 ticks later; a gap of three ticks may still be filled.
        let through: Vec<_> = bouts.iter().filter(|bout| bout.start < 330 && bout.stop > 60 + 30).collect();
        assert!(through.is_empty(), "{through:?}");
    }
}

#[test]
fn law_4_reordering_individuals_permutes_verdicts() {
    let model = model(&[0, 15]);
    let (individuals, order) = (3, [2_usize, 0, 1]);
    let cells = model.ethogram().cells(individuals);
    let renamed = |individual: Individual| Individual(order[individual.0 as usize] as u8);
    // The cell in the shuffled cage that is about the same animals.
    let place = |index: usize| {
        let subject = match cells[index].subject {
            Subject::One(one) => Subject::One(renamed(one)),
            Subject::Ordered { agent, target } => Subject::Ordered { agent: renamed(agent), target: renamed(target) },
            Subject::Both { first, second } => {
                let (a, b) = (renamed(first), renamed(second));
                Subject::Both { first: a.min(b), second: a.max(b) }
            }
        };
        cells.iter().position(|cell| cell.behavior == cells[index].behavior && cell.subject == subject).unwrap()
    };
    let shuffled = |number| {
        let mut shuffled = frame(individuals, number, 3);
        let points = shuffled.keypoints.clone();
        for (from, to) in order.into_iter().enumerate() {
            shuffled.keypoints[to * 5..(to + 1) * 5].copy_from_slice(&points[from * 5..(from + 1) * 5]);
        }
        shuffled
    };
    let before = scores(&model, individuals, (0..60).map(|number| frame(individuals, number, 3)));
    let after = scores(&model, individuals, (0..60).map(shuffled));
    let mut moved = 0;
    for ((_, before), (_, after)) in before.iter().zip(&after) {
        for delay in 0..2 {
            for index in 0..cells.len() {
                let (a, b) = (before[delay * cells.len() + index], after[delay * cells.len() + place(index)]);
                assert!((a - b).abs() < TOLERANCE, "{:?}: {a} and {b}", cells[index]);
                moved += usize::from((a - after[delay * cells.len() + index]).abs() > 0.01);
            }
        }
    }
    assert!(moved > 100, "the animals must differ for this to mean anything");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn law_4_moving_turning_and_rescaling_the_arena_changes_nothing(
        angle in 0.0_f32..6.3, shift in -500.0_f32..500.0, size in 0.3_f32..3.0,
    ) {
        let model = model(&[0]);
        let (sin, cos) = angle.sin_cos();
        let moved = |number| {
            let mut moved = frame(2, number, 6);
            for point in &mut moved.keypoints {
                let (x, y) = (point.x - 400.0, point.y - 300.0);
                (point.x, point.y) = (size * (cos * x - sin * y) + shift, size * (sin * x + cos * y) - shift);
            }
            moved
        };
        let calibrated = {
            let description = stream(2);
            let body_length_px = BODY_LENGTH_PX * f64::from(size);
            vibrissa::stream::StreamDescription::new(
                description.skeleton().clone(), description.individuals().to_vec(), description.rate_hz(),
                body_length_px, None, description.origin(),
            ).unwrap()
        };
        let before = scores(&model, 2, (0..80).map(|number| frame(2, number, 6)));
        let mut cage = Cage::open(Arc::clone(&model), &calibrated).unwrap();
        for number in 0..80 {
            let expected = &before[number as usize].1;
            let mut worst = 0.0_f32;
            cage.push_watched(&moved(number), &mut |_, scores| {
                worst = scores.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(worst, f32::max);
            }).unwrap();
            // Coordinates of several hundred pixels in single precision leave 1e-5 of a body length, and jerk, its third
            // difference, is multiplied by 20.
            prop_assert!(worst < 2e-3, "frame {}: scores differ by {}", number, worst);
        }
    }
}

#[test]
fn law_5_late_frames_and_chunks_do_not_matter() {
    let model = model(&[0, 15]);
    let frames: Vec<Frame> = (0..200).map(|number| frame(2, number, 12)).collect();
    let mut shuffled = frames.clone();
    for pair in shuffled[10..150].chunks_exact_mut(7) {
        pair.swap(2, 3);
    }
    let transitions = |frames: &[Frame]| {
        let mut cage = Cage::open(Arc::clone(&model), &stream(2)).unwrap();
        let mut all: Vec<_> = frames.iter().flat_map(|frame| cage.push(frame).unwrap().transitions).collect();
        all.extend(cage.flush().unwrap().transitions);
        all
    };
    let expected = transitions(&frames);
    assert!(expected.len() > 20, "bouts are needed for this to mean anything, got {}", expected.len());
    assert_eq!(transitions(&shuffled), expected);
}

#[test]
fn a_refused_frame_changes_nothing() {
    let model = model(&[0, 15]);
    let run = |bad: bool| {
        let mut cage = Cage::open(Arc::clone(&model), &stream(2)).unwrap();
        let mut all: Vec<Advance> = Vec::new();
        for number in 0..60 {
            all.push(cage.push(&frame(2, number, 2)).unwrap());
            if bad && number > 10 {
                let mut wrong = frame(2, number, 3);
                assert!(cage.push(&wrong).is_err(), "a second frame of the same number");
                wrong.number = number - 5;
                assert!(cage.push(&wrong).is_err(), "a frame that comes too late");
                wrong.number = number + 1;
                wrong.keypoints.pop();
                assert!(cage.push(&wrong).is_err(), "a frame that lacks a point");
            }
        }
        all
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn whatever_comes_scores_stay_finite() {
    let model = model(&[0, 15]);
    let wild = |number: u64| {
        let mut frame = frame(2, number, 7);
        for (index, point) in frame.keypoints.iter_mut().enumerate() {
            match (number as usize * 13 + index) % 11 {
                0 => *point = Keypoint { x: f32::NAN, y: 3.0, confidence: 1.0 },
                1 => *point = Keypoint { x: f32::INFINITY, y: 3.0, confidence: 1.0 },
                2 => *point = Keypoint { x: 0.0, y: 0.0, confidence: 1.0 },
                3 => *point = Keypoint { x: 3e38, y: -3e38, confidence: 1.0 },
                4 => *point = Keypoint { x: 1e20, y: 1e-30, confidence: f32::NAN },
                5 => *point = Keypoint { x: 400.0, y: 300.0, confidence: -1.0 },
                _ => {}
            }
            // All animals are gone for two seconds.
            if (100..160).contains(&number) {
                *point = Keypoint::MISSING;
            }
        }
        frame
    };
    for (tick, scores) in scores(&model, 2, (0..220).map(wild)) {
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "tick {tick:?}: {scores:?}");
    }
}
