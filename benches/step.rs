//! What a tick costs, frame in to verdict out, on one thread: `cargo bench --bench step`.
//!
//! Ratios within one run mean something; absolute times depend on the machine. The model has the default architecture
//! and random weights: its arithmetic is that of the shipped one.

mod common;

use std::hint::black_box;
use std::sync::Arc;

use candle_core::Device;
use criterion::{Criterion, criterion_group, criterion_main};
use vibrissa::buffer::ring::TickRing;
use vibrissa::core::{Cage, Room, Turn, step_together};
use vibrissa::features::Extractor;
use vibrissa::model::device::one_thread_pool;
use vibrissa::model::inputs::InputsBuilder;
use vibrissa::model::ops::ring::Places;
use vibrissa::model::wiring::Wiring;
use vibrissa::time::WINDOW_TICKS;

use crate::common::{Parts, frame, model, skeleton, stream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A frame of every cage, all in one room: they step together as those do whose frames wait for live detection.
fn push(criterion: &mut Criterion) {
    let pool = one_thread_pool("bench").expect("a thread");
    for (individuals, keypoints) in [(2, 5), (2, 18), (4, 18)] {
        let model = model(keypoints);
        for count in [1, 4, 16, 32] {
            let room = Room::new(Arc::clone(&model), count * individuals).expect("a room");
            let open = || Cage::open_in(&room, &stream(individuals, keypoints)).expect("a cage");
            let mut cages: Vec<Cage> = (0..count).map(|_| open()).collect();
            let mut number = 0;
            let mut tick = |cages: &mut Vec<Cage>| {
                let frame = frame(individuals, keypoints, number);
                number += 1;
                let mut turns: Vec<_> = cages.iter_mut().map(|cage| Turn::push(cage, &frame, |_, _| {})).collect();
                step_together(&mut turns);
                for turn in turns {
                    black_box(turn.finish().expect("an advance"));
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
        let (mut ring, mut extractor) = (TickRing::new(2 * keypoints), Extractor::new(skeleton, 2, false));
        let mut builder = InputsBuilder::new(2, keypoints);
        for number in 0..WINDOW_TICKS as u64 {
            let points: Vec<_> = frame(2, keypoints, number).keypoints.iter().map(|point| point.scaled(0.01)).collect();
            ring.push(&points);
            builder.push(extractor.advance(&ring));
        }
        let inputs = builder.finish(1, WINDOW_TICKS, &Device::Cpu).expect("inputs");
        criterion.bench_function(&format!("window/2x{keypoints}"), |b| {
            pool.install(|| b.iter(|| black_box(model.system().forward(&inputs, &wiring).expect("logits"))));
        });
        let mut summing = Extractor::new(model.card().defaults.skeleton.clone(), 2, true);
        for _ in 0..400 {
            summing.advance(&ring);
        }
        criterion.bench_function(&format!("features with statistics/2x{keypoints}"), |b| {
            b.iter(|| black_box(summing.advance(&ring)).nodes.len());
        });
        criterion.bench_function(&format!("features/2x{keypoints}"), |b| {
            b.iter(|| black_box(extractor.advance(&ring)).nodes.len());
        });
    }
}

/// What a tick is made of, for one cage and for sixteen that step together: `push` is all of it. The backbone is the mean
/// of even and odd ticks.
fn stages(criterion: &mut Criterion) {
    let pool = one_thread_pool("bench").expect("a thread");
    for (keypoints, cages) in [(5, 1), (5, 16), (18, 1), (18, 16)] {
        let (model, skeleton) = (model(keypoints), skeleton(keypoints));
        let parts = model.card().vocabulary.indices(&skeleton).expect("known parts");
        let wiring = Wiring::new(&skeleton, parts, 2, model.ethogram(), &Device::Cpu).expect("wiring");
        let (mut ring, mut extractor) = (TickRing::new(2 * keypoints), Extractor::new(skeleton, 2, false));
        for number in 0..WINDOW_TICKS as u64 {
            let points: Vec<_> = frame(2, keypoints, number).keypoints.iter().map(|point| point.scaled(0.01)).collect();
            ring.push(&points);
            extractor.advance(&ring);
        }
        let features = extractor.advance(&ring).clone();
        let gather = || {
            let mut builder = InputsBuilder::new(2, keypoints);
            (0..cages).for_each(|_| builder.push(&features));
            builder.finish(cages, 1, &Device::Cpu).expect("inputs")
        };
        let (inputs, parts) = (gather(), Parts::of(&model));
        let encoded = parts.graph.apply(&inputs, &wiring).expect("encoded");
        let streams = encoded.animals.reshape((2 * cages, 1, ())).expect("streams");
        let state = parts.backbone.zero_state(2 * cages, streams.dim(2).expect("channels"), &Device::Cpu);
        let (state, mut position) = (state.expect("a state"), WINDOW_TICKS as u64);
        let mut bench = |stage: &str, run: &mut (dyn FnMut() + Send)| {
            let name = format!("stage/2x{keypoints}/{cages} cages/{stage}");
            criterion.bench_function(&name, |b| pool.install(|| b.iter(&mut *run)));
        };
        bench("gather inputs", &mut || drop(black_box(gather())));
        bench("graph", &mut || drop(black_box(parts.graph.apply(&inputs, &wiring).expect("encoded"))));
        bench("backbone", &mut || {
            let places = Places::in_step(2 * cages, position);
            position += 1;
            drop(black_box(parts.backbone.step(&streams, &state, &places).expect("a step")));
        });
        let animals = encoded.animals.clone();
        bench("heads", &mut || {
            drop(black_box(parts.heads.apply(&animals, &encoded.pairs, &wiring, None).expect("logits")));
        });
    }
}

criterion_group!(benches, push, stages, window);
criterion_main!(benches);
