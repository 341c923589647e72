//! Every trainable variable learns.

use candle_core::Device;
use vibrissa::behavior::Ethogram;
use vibrissa::buffer::ring::TickRing;
use vibrissa::features::Extractor;
use vibrissa::model::Card;
use vibrissa::model::inputs::InputsBuilder;
use vibrissa::model::network::Network;
use vibrissa::model::variables::Variables;
use vibrissa::model::wiring::{Vocabulary, Wiring};

use crate::world;

#[test]
fn every_variable_gets_a_gradient_that_agrees_with_the_difference_quotient() {
    world::networks(&[0, 15]).iter().for_each(check);
}

fn check(card: &Card) {
    const STEP: f64 = 3e-3;
    let system = card.architecture.system();
    let ethogram = Ethogram::new(card.label_sets.clone());
    let variables = Variables::new(4);
    let vb = variables.builder(&Device::Cpu);
    let network = Network::new(&card.architecture, 5, &ethogram, 2, &vb).unwrap();
    let start = world::weights(card, 4);
    variables.assign(&start).unwrap();
    let skeleton = world::skeleton();
    let parts = Vocabulary(skeleton.keypoints().to_vec()).indices(&skeleton).unwrap();
    let wiring = Wiring::new(&skeleton, parts, 2, &ethogram, &Device::Cpu).unwrap();
    let (mut ring, mut extractor) = (TickRing::new(10), Extractor::new(skeleton, 2, true));
    let mut builder = InputsBuilder::new(2, 5);
    for number in 0..40 {
        let scaled: Vec<_> = world::frame(2, number, 1).keypoints.into_iter().map(|point| point.scaled(0.01)).collect();
        ring.push(&scaled);
        builder.push(extractor.advance(&ring));
    }
    let inputs = builder.finish(1, 40, &Device::Cpu).unwrap();
    let loss = || network.forward(&inputs, &wiring, None).unwrap().sqr().unwrap().mean_all().unwrap();
    let gradients = loss().backward().unwrap();
    for (name, var) in variables.all() {
        let gradient = gradients.get(&var).unwrap_or_else(|| panic!("{system} {name} has no gradient"));
        let steepness = gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
        assert!(steepness > 0.0, "{system} {name}: a gradient of zero");
        // Along its own gradient a variable changes the loss the most.
        let way = (gradient / f64::from(steepness)).unwrap();
        let at = |factor: f64| {
            var.set(&(&start[&name] + (&way * factor).unwrap()).unwrap()).unwrap();
            loss().to_scalar::<f32>().unwrap()
        };
        let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP as f32);
        var.set(&start[&name]).unwrap();
        // A loss near 1 in single precision, over a step of 3e-3, is known to about 1e-4.
        assert!(
            (slope - steepness).abs() < 0.05 * steepness + 5e-4,
            "{system} {name}: difference quotient {slope}, gradient {steepness}"
        );
    }
}
