use rand::RngExt;

use super::*;
use crate::behavior::{BehaviorSpec, Bout, Kind, LabelSet};
use crate::corpus::{Annotated, Recording, SetLabels};
use crate::model::architecture::{Architecture, BlockShape};
use crate::poses::{Frame, Keypoint};
use crate::stream::{Origin, StreamDescription};
use crate::time::TICK_RATE_HZ;

const TICKS: u64 = 150;
const SEED: u64 = 11;

/// Two bodies that share names of parts, so that both teach the same embeddings.
const BODIES: [&[&str]; 2] = [&["nose", "spine", "tail"], &["ear", "nose", "spine", "tail", "tip"]];

fn skeleton(body: usize) -> Skeleton {
    let edges = [("nose", "spine"), ("spine", "tail")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    let parts = BODIES[body].iter().map(ToString::to_string).collect();
    Skeleton::new(&format!("body{body}"), parts, ("nose", "spine", "tail"), edges).unwrap()
}

fn ethogram() -> Ethogram {
    let spec = |(name, kind): (&str, Kind)| BehaviorSpec { name: name.to_owned(), kind };
    let behaviors = [("attack", Kind::Directed), ("contact", Kind::Undirected), ("rear", Kind::OfSelf)].map(spec);
    Ethogram::new(vec![LabelSet { name: "Lab".to_owned(), behaviors: behaviors.to_vec() }])
}

/// A recording of two animals of a body, in which some of the cells from `first_cell` on were looked for.
fn session(body: usize, first_cell: usize) -> Session {
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
    let frames = std::iter::successors(Some(0), |number| Some(number + 1)).take(TICKS as usize).map(frame).collect();
    let recording = Recording { name: format!("r{body}"), stream, frames, video_start_nanos: None };
    let annotated = ethogram().cells(2).split_off(first_cell);
    let bout = |(index, cell): (u64, &Cell)| Bout { cell: *cell, start: 10 + 20 * index, stop: 40 + 20 * index };
    let bouts = (0..).zip(&annotated).map(bout).collect();
    let labels = vec![SetLabels { scored: std::iter::once(0..TICKS).collect(), annotated, bouts }];
    let annotated = Annotated { recording, labels, numbers: vec![1, 2], repairs: Vec::new() };
    Session::new(&annotated, &ethogram()).unwrap()
}

fn config(crops_per_step: u32, threads: u32, drop_rate: f32) -> TrainConfig {
    let mut config = TrainConfig::parse("description = \"none.toml\"").unwrap();
    config.delays_ticks = [0, 15].map(crate::time::DelayTicks).to_vec();
    config.schedule.crop_ticks = 64;
    config.schedule.crops_per_step = crops_per_step;
    config.schedule.threads = threads;
    config.optimiser.drop_rate = drop_rate;
    config.architecture = Architecture {
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
    };
    config.check().unwrap();
    config
}

fn stepper<'a>(config: &'a TrainConfig, sessions: &'a [Session], ethogram: &'a Ethogram) -> Stepper<'a> {
    let vocabulary = Vocabulary(["ear", "nose", "spine", "tail", "tip"].map(str::to_owned).to_vec());
    // Each has variables of its own, which begin alike.
    Stepper::new(config, sessions, ethogram, &vocabulary, &Variables::new(SEED)).unwrap()
}

fn crops(sessions: &[usize]) -> Vec<Crop> {
    let crop =
        |(index, &session): (u64, &usize)| Crop { session, first: 7 * index as usize, augmentation_seed: 1000 + index };
    (0..).zip(sessions).map(crop).collect()
}

/// Those of one session, as the first of a stepper of its own.
fn alone(crops: &[Crop], session: usize) -> Vec<Crop> {
    crops.iter().filter(|crop| crop.session == session).map(|&crop| Crop { session: 0, ..crop }).collect()
}

/// Loss, gradients, hits and mass as one list.
fn numbers(part: &Part) -> Vec<f64> {
    let gradients = part.gradients.iter().flatten().map(|&gradient| f64::from(gradient));
    std::iter::once(part.loss).chain(gradients).chain(part.hits.clone()).chain(part.mass.clone()).collect()
}

/// The greatest difference, as a share of the greatest number.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let greatest =
        |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(0.0_f64, |most, number| most.max(number.abs()));
    greatest(&mut a.iter().zip(b).map(|(a, b)| a - b)) / greatest(&mut a.iter().copied())
}

#[test]
fn crops_of_two_forms_give_the_sum_of_what_each_gives_alone() {
    // Dropped activations depend on the seeds of the crops of one form, not on what other forms a step has.
    let (config, ethogram) = (config(5, 1, 0.2), ethogram());
    let sessions = [session(0, 0), session(1, 2)];
    assert_ne!(sessions[0].cells, sessions[1].cells);
    let all = stepper(&config, &sessions, &ethogram);
    assert_eq!((all.forms.len(), all.form_of.as_slice()), (2, [0, 1].as_slice()));
    let crops = crops(&[1, 0, 1, 1, 0]);
    let weights = all.weights(&crops, &ClassWeights::new(&sessions, &ethogram));
    let together = numbers(&all.part(&crops, &weights).unwrap());

    let mut sum = vec![0.0; together.len()];
    for index in 0..2 {
        let own = &sessions[index..=index];
        let one = numbers(&stepper(&config, own, &ethogram).part(&alone(&crops, index), &weights).unwrap());
        assert!(difference(&together, &one) > 1e-3, "each has its part in it");
        sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
    }
    // The same additions, up to the rounding of the single sums.
    let off = difference(&together, &sum);
    assert!(off < 1e-6, "{off}");
}

#[test]
fn sessions_of_one_form_are_told_from_those_of_another() {
    let (config, ethogram) = (config(1, 1, 0.0), ethogram());
    // The same body with other cells is another form; the same body and cells are not.
    let sessions = [session(0, 0), session(0, 2), session(1, 0), session(0, 0), session(1, 0)];
    let stepper = stepper(&config, &sessions, &ethogram);
    assert_eq!((stepper.forms.len(), stepper.form_of), (3, vec![0, 1, 2, 0, 2]));
}

/// However the crops of a step are spread over threads and forms, its gradient is that of all of them.
#[test]
fn a_step_over_threads_gives_the_sum_over_its_crops() {
    let ethogram = ethogram();
    let sessions = [session(0, 0), session(1, 2)];
    let [one, two] = [1, 2].map(|threads| {
        let config = config(6, threads, 0.0);
        let stepper = stepper(&config, &sessions, &ethogram);
        let mut rng = StdRng::seed_from_u64(config.schedule.seed.wrapping_mul(0x9e37_79b9) ^ 3);
        let mut weights = ClassWeights::new(&sessions, &ethogram);
        let drawn: Vec<Crop> = (0..6).map(|_| stepper.sampler.draw(&mut rng)).collect();
        assert!((0..2).all(|session| drawn.iter().any(|crop| crop.session == session)), "{drawn:?}: both forms");
        let of_cells = stepper.weights(&drawn, &weights);
        let singly = drawn.iter().map(|crop| stepper.part(&[*crop], &of_cells).unwrap());
        let sum = singly.reduce(|mut sum, part| {
            sum.add(part);
            sum
        });
        let sum = sum.unwrap();
        let (loss, gradients) = stepper.gradients(3, &mut weights).unwrap();
        let step = Part { loss, gradients, hits: sum.hits.clone(), mass: sum.mass.clone() };
        let off = difference(&numbers(&sum), &numbers(&step));
        // Sums of single precision in another order.
        assert!(off < 1e-4, "{threads} threads: {off}");
        numbers(&step)
    });
    let off = difference(&one, &two);
    assert!(off < 1e-4, "{off}");
}
