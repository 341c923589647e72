use super::*;
use crate::behavior::Kind;
use crate::train::samples::{self, config, label_set};

const TICKS: u64 = 150;
const SEED: u64 = 11;

fn ethogram() -> Ethogram {
    let behaviors = [("attack", Kind::Directed), ("contact", Kind::Undirected), ("rear", Kind::OfSelf)];
    Ethogram::new(vec![label_set("Lab", &behaviors)])
}

/// A recording of two animals of a body, in which some of the cells from `first_cell` on were looked for.
fn session(body: usize, first_cell: usize) -> Session {
    samples::session(body, &ethogram(), &ethogram().cells(2)[first_cell..], TICKS)
}

fn stepper<'a>(config: &'a TrainConfig, sessions: &'a [Session], ethogram: &'a Ethogram) -> Stepper<'a> {
    let vocabulary = Vocabulary(["ear", "nose", "spine", "tail", "tip"].map(str::to_owned).to_vec());
    // Each has variables of its own, which begin alike.
    // The same for all, so that a stepper of some sessions does what one of all does.
    let standard = Standard::measure(&[session(0, 0), session(1, 2)], &config.architecture).unwrap();
    Stepper::new(config, sessions, ethogram, &vocabulary, &Variables::new(SEED), 0.1, standard).unwrap()
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
        let drawn: Vec<Crop> = (0..6).map(|_| stepper.sampler.draw(&HardBins::default(), 3, &mut rng)).collect();
        assert!((0..2).all(|session| drawn.iter().any(|crop| crop.session == session)), "{drawn:?}: both forms");
        let of_cells = stepper.weights(&drawn, &weights);
        let singly = drawn.iter().map(|crop| stepper.part(&[*crop], &of_cells).unwrap());
        let sum = singly.reduce(|mut sum, part| {
            sum.add(part);
            sum
        });
        let sum = sum.unwrap();
        let (loss, gradients) = stepper.gradients(3, &mut weights, &mut HardBins::default()).unwrap();
        let step = Part { loss, gradients, hits: sum.hits.clone(), mass: sum.mass.clone(), losses: Vec::new() };
        let off = difference(&numbers(&sum), &numbers(&step));
        // Sums of single precision in another order.
        assert!(off < 1e-4, "{threads} threads: {off}");
        numbers(&step)
    });
    let off = difference(&one, &two);
    assert!(off < 1e-4, "{off}");
}

/// What is retained weighs the same whatever else a step holds, and each label set as much as any other.
#[test]
fn retained_cells_are_of_behaviors_that_nobody_looked_for_and_weigh_evenly_by_label_set() {
    let sets = [
        label_set("Lab", &[("attack", Kind::Directed), ("rear", Kind::OfSelf)]),
        label_set("Other", &[("contact", Kind::Undirected)]),
        label_set("New", &[("chase", Kind::Directed)]),
    ];
    let (config, ethogram) = (config(2, 1, 0.0), Ethogram::new(sets.to_vec()));
    let cells = ethogram.cells(2);
    // Somebody looked for the chase, and for one of the two attacks: the other one is not retained either.
    let sessions = [samples::session(0, &ethogram, &[cells[0], cells[5], cells[6]], TICKS)];
    let vocabulary = Vocabulary(["nose", "spine", "tail"].map(str::to_owned).to_vec());
    let variables = Variables::new(SEED);
    let standard = Standard::measure(&sessions, &config.architecture).unwrap();
    let mut stepper = Stepper::new(&config, &sessions, &ethogram, &vocabulary, &variables, 0.1, standard).unwrap();
    stepper.retain(&[0, 1, 2].map(Behavior), &vocabulary, &variables).unwrap();
    let form = &stepper.forms[0];
    // Two who may rear, and one pair in contact.
    let weight: Vec<f32> = form.retained.as_ref().unwrap().weight.to_vec1().unwrap();
    let step = 64.0 * 2.0 * 2.0;
    assert_eq!(weight, [0.25 / step, 0.25 / step, 0.5 / step]);
    assert_eq!(form.wiring.cells.dims(), [6]);
    // At its beginning the network says what its teacher says: the cross-entropy is the teacher's own entropy.
    let crop = Crop { session: 0, first: 7, augmentation_seed: 3 };
    let nothing = vec![(0.0, 0.0); 4];
    let part = stepper.of_crop(crop, &nothing).unwrap();
    // Two crops a step, and all probabilities near a half.
    assert!((part.loss - 0.5 * 2.0_f64.ln()).abs() < 0.02, "{}", part.loss);
    let steepest = part.gradients.iter().flatten().fold(0.0_f32, |most, gradient| most.max(gradient.abs()));
    // Fused operations against single ones, in single precision.
    assert!(steepest < 1e-4, "{steepest}");
}

/// What was learned about hard windows is part of a run's state: from a state that was saved, steps are the same.
#[test]
fn a_run_with_hard_windows_goes_on_from_its_state_as_if_it_had_never_stopped() {
    let (mut config, ethogram) = (config(3, 2, 0.2), ethogram());
    (config.schedule.rare_share, config.schedule.hard_share) = (0.2, 0.7);
    let sessions = [session(0, 0), session(1, 0)];
    let stepper = stepper(&config, &sessions, &ethogram);
    let (mut weights, mut hard) = (ClassWeights::new(&sessions, &ethogram), HardBins::default());
    for step in 0..2 {
        stepper.gradients(step, &mut weights, &mut hard).unwrap();
    }
    assert_ne!(hard, HardBins::default());
    let saved = serde_json::to_vec(&(&weights, &hard)).unwrap();
    let whole = stepper.gradients(2, &mut weights, &mut hard).unwrap();
    let (mut weights, mut back): (ClassWeights, HardBins) = serde_json::from_slice(&saved).unwrap();
    assert!(whole == stepper.gradients(2, &mut weights, &mut back).unwrap(), "other gradients");
    assert_eq!(hard, back);
}
