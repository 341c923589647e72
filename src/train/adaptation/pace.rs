//! Who moves when, and how fast.

use candle_core::Var;

use super::super::config::TrainConfig;
use super::super::optimiser::Factors;
use super::super::start::PARTS;
use crate::model::variables::Variables;

/// Variables of the heads begin so.
const HEADS: &str = "heads.";

/// What each variable is given of the learning rate as a training goes on.
///
/// What is new (heads and embeddings of new body parts) has all of it from the beginning. The rest stands still through the
/// first epochs, then warms up as the whole did at the beginning, to its share.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Whether a variable, or each of its rows, is new.
    is_new: Vec<Vec<bool>>,
    still_steps: u32,
    warmup_steps: u32,
    share: f64,
}

impl Pace {
    /// All move alike.
    pub fn even(variables: &Variables) -> Self {
        let is_new = variables.all().iter().map(|_| vec![true]).collect();
        Self { is_new, still_steps: 0, warmup_steps: 0, share: 1.0 }
    }

    /// Of a network that begins as another one, whose body parts are the first `known_parts` of its vocabulary.
    pub fn of(variables: &Variables, known_parts: usize, config: &TrainConfig) -> Self {
        let is_new = |(name, var): &(String, Var)| {
            if name.ends_with(PARTS) {
                (0..var.dims()[0]).map(|row| row >= known_parts).collect()
            } else {
                vec![name.starts_with(HEADS)]
            }
        };
        let adaptation = &config.adaptation;
        Self {
            is_new: variables.all().iter().map(is_new).collect(),
            still_steps: adaptation.heads_epochs * config.schedule.steps_per_epoch,
            warmup_steps: config.optimiser.warmup_steps,
            share: adaptation.backbone_rate,
        }
    }

    /// At a step, counted from 0.
    pub fn factors(&self, step: u32) -> Factors {
        let old = match step.checked_sub(self.still_steps) {
            None => 0.0,
            // The optimiser's own warm-up is at work.
            Some(_) if self.still_steps == 0 => self.share,
            Some(moving) => self.share * (f64::from(moving + 1) / f64::from(self.warmup_steps.max(1))).min(1.0),
        };
        let factor = |is_new: &bool| if *is_new { 1.0 } else { old as f32 };
        self.is_new.iter().map(|rows| rows.iter().map(factor).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use candle_nn::Init;

    use super::*;

    #[test]
    fn what_is_new_moves_first_and_the_rest_follows_slowly() {
        let variables = Variables::new(1);
        let vb = variables.builder(&Device::Cpu);
        for name in ["backbone.w", "graph.parts", "heads.of_pairs.weight"] {
            vb.get_with_hints((3, 2), name, Init::Const(0.0)).unwrap();
        }
        let mut config = TrainConfig::parse("").unwrap();
        (config.schedule.steps_per_epoch, config.optimiser.warmup_steps) = (10, 4);
        let pace = Pace::of(&variables, 2, &config);
        let at = |old: f32| vec![vec![old], vec![old, old, 1.0], vec![1.0]];
        assert_eq!([0, 19].map(|step| pace.factors(step)), [at(0.0), at(0.0)]);
        assert_eq!([20, 21, 23, 500].map(|step| pace.factors(step)), [at(0.075), at(0.15), at(0.3), at(0.3)]);
        config.adaptation.heads_epochs = 0;
        assert_eq!(Pace::of(&variables, 2, &config).factors(0), at(0.3));
        assert_eq!(Pace::even(&variables).factors(0), vec![vec![1.0]; 3]);
    }
}
