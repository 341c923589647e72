//! Single keypoints: jitter, confidence, outliers, losses.

use std::f32::consts::TAU;

use rand::RngExt;
use rand::rngs::StdRng;

use super::super::preset::{Outliers, Preset};
use super::chance::{Rates, Stretch, Walk, happens, normal};
use super::scene::Scene;
use crate::plane::Vec2;
use crate::poses::Keypoint;
use crate::skeleton::Axis;

/// How much harder than those of the body axis other keypoints are, before chance: limbs and tails bend and hide.
const OFF_AXIS_DIFFICULTY: f32 = 1.5;

/// How doubtful, from 0 (as seen) to 1 (as about to be lost), a point below another body is that is not lost, where such
/// points are lost for certain; less where fewer are.
const COVERED_DOUBT: f32 = 0.5;

#[derive(Clone, Debug)]
pub struct Points {
    preset: Preset,
    interval_secs: f64,
    drift: Walk,
    mood: Walk,
    seen_logit: f32,
    low_logit: f32,
    /// K.
    kinds: Vec<Kind>,
    /// I × K.
    states: Vec<State>,
    /// I: whole animals that are lost.
    lost: Vec<Stretch>,
}

/// What is the same for a keypoint of every animal.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// 1 on the mean of all keypoints.
    difficulty: f32,
    losses: Rates,
    outliers: Rates,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// In standard deviations, as `mood`.
    drift: Vec2,
    /// Of the confidence.
    mood: f32,
    lost: Stretch,
    lost_below: Stretch,
    outlier: Stretch,
    jump: Jump,
}

/// Where an outlier is.
#[derive(Clone, Copy, Debug)]
struct Jump {
    to: Place,
    confident: bool,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// Another keypoint of the same animal.
    Keypoint(usize),
    /// The same keypoint of another animal.
    Animal(usize),
    /// So far from the truth.
    Offset(Vec2),
}

impl Points {
    pub fn new(
        preset: &Preset,
        axis: Axis,
        (individuals, keypoints): (usize, usize),
        interval_secs: f64,
        random: &mut StdRng,
    ) -> Self {
        let losses = Rates::new(preset.losses.per_keypoint_minute / 60.0, preset.losses.keypoint_mean_secs);
        let outliers = Rates::new(preset.outliers.per_keypoint_hour / 3600.0, preset.outliers.mean_secs);
        let kind = |difficulty: f32| {
            let factor = f64::from(difficulty);
            Kind { difficulty, losses: losses.times(factor), outliers: outliers.times(factor) }
        };
        let kinds = difficulties(preset.jitter.difficulty_spread, axis, keypoints, random).into_iter().map(kind);
        let kinds = kinds.collect();
        let mut state = || State {
            drift: Vec2 { x: normal(random), y: normal(random) },
            mood: normal(random),
            lost: Stretch::new(random),
            lost_below: Stretch::new(random),
            outlier: Stretch::new(random),
            jump: Jump { to: Place::Offset(Vec2::default()), confident: false },
        };
        let states = (0..individuals * keypoints).map(|_| state()).collect();
        let lost = (0..individuals).map(|_| Stretch::new(random)).collect();
        let drift = Walk::new(preset.jitter.drift_secs, interval_secs);
        let mood = Walk::new(preset.confidence.drift_secs, interval_secs);
        let (seen_logit, low_logit) = (logit(preset.confidence.seen), logit(preset.confidence.low));
        Self { preset: preset.clone(), interval_secs, drift, mood, seen_logit, low_logit, kinds, states, lost }
    }

    #[cfg(test)]
    pub fn difficulties(&self) -> Vec<f32> {
        self.kinds.iter().map(|kind| kind.difficulty).collect()
    }

    /// Writes what is seen of each animal, I × K, body by body.
    pub fn report(&mut self, scene: &Scene, random: &mut StdRng, seen: &mut [Keypoint]) {
        let keypoints = self.kinds.len();
        let losses = &self.preset.losses;
        let rates = Rates::new(losses.per_animal_minute / 60.0, losses.animal_mean_secs);
        let near_rates = rates.times(losses.near_factor);
        for animal in 0..self.lost.len() {
            let rates = if scene.is_near_any(animal) { near_rates } else { rates };
            let lost = self.lost[animal].step(rates, self.interval_secs, random);
            let animal_until_secs = self.lost[animal].until_onset_secs(rates);
            for keypoint in 0..keypoints {
                let report = self.advance(animal, keypoint, animal_until_secs, scene, random);
                seen[animal * keypoints + keypoint] = if lost { Keypoint::MISSING } else { report };
            }
        }
    }

    /// Moves all of a point's states on by a frame, whether it is seen or not, and reports it.
    fn advance(
        &mut self,
        animal: usize,
        keypoint: usize,
        animal_until_secs: f64,
        scene: &Scene,
        random: &mut StdRng,
    ) -> Keypoint {
        let secs = self.interval_secs;
        let kind = self.kinds[keypoint];
        let covered = scene.is_covered(animal, keypoint);
        let below = self.rates_below(covered);
        let state = &mut self.states[animal * self.kinds.len() + keypoint];
        state.drift = Vec2 { x: self.drift.step(state.drift.x, random), y: self.drift.step(state.drift.y, random) };
        state.mood = self.mood.step(state.mood, random);
        let lost = state.lost.step(kind.losses, secs, random);
        let lost_below = state.lost_below.step(below, secs, random);
        let was_outlier = state.outlier.is_on();
        let outlier = state.outlier.step(kind.outliers, secs, random);
        let white = Vec2 { x: normal(random), y: normal(random) };
        if outlier && !was_outlier {
            state.jump = self.preset.outliers.jump(animal, keypoint, scene, random);
        }
        let Some(truth) = scene.point(animal, keypoint).filter(|_| !lost && !lost_below) else {
            return Keypoint::MISSING;
        };
        let until_secs = state
            .lost
            .until_onset_secs(kind.losses)
            .min(state.lost_below.until_onset_secs(below))
            .min(animal_until_secs);
        let falling = (1.0 - until_secs / self.preset.confidence.fall_secs).clamp(0.0, 1.0) as f32;
        let doubt = match (outlier, covered) {
            (true, _) if !state.jump.confident => 1.0,
            (false, true) => falling.max(COVERED_DOUBT * self.preset.occlusion.lost_probability as f32),
            _ => falling,
        };
        let at = if outlier { state.jump.place(animal, keypoint, truth, scene) } else { truth };
        let jitter = &self.preset.jitter;
        let at = at + (state.drift * jitter.drift_bl + white * jitter.white_bl) * kind.difficulty;
        let mean = self.seen_logit + doubt * (self.low_logit - self.seen_logit);
        let confidence = 1.0 / (1.0 + (-mean - self.preset.confidence.spread * state.mood).exp());
        Keypoint::observed(at.x, at.y, confidence, 0.0)
    }

    fn rates_below(&self, covered: bool) -> Rates {
        let occlusion = &self.preset.occlusion;
        let changes_per_sec = 1.0 / occlusion.correlation_secs;
        let lost = if covered { occlusion.lost_probability } else { 0.0 };
        Rates { onsets_per_sec: lost * changes_per_sec, ends_per_sec: (1.0 - lost) * changes_per_sec }
    }
}

/// One of each keypoint, 1 on the mean.
fn difficulties(spread: f32, axis: Axis, keypoints: usize, random: &mut StdRng) -> Vec<f32> {
    let mut difficulty = |keypoint: usize| {
        let on_axis = [axis.front, axis.centre, axis.rear].contains(&keypoint);
        let before_chance = if on_axis || spread == 0.0 { 1.0 } else { OFF_AXIS_DIFFICULTY };
        before_chance * (spread * normal(random)).exp()
    };
    let mut difficulties: Vec<f32> = (0..keypoints).map(&mut difficulty).collect();
    let mean = difficulties.iter().sum::<f32>() / keypoints as f32;
    for difficulty in &mut difficulties {
        *difficulty /= mean;
    }
    difficulties
}

impl Outliers {
    fn jump(&self, animal: usize, keypoint: usize, scene: &Scene, random: &mut StdRng) -> Jump {
        let confident = happens(self.confident_probability, random);
        // Any but the point itself; where there is no other, and where the draw is of neither, some place nearby.
        let other = |itself: usize, count: usize, random: &mut StdRng| {
            (count > 1).then(|| (itself + random.random_range(1..count)) % count)
        };
        let to = match random.random_range(0..3) {
            0 => other(keypoint, scene.keypoints, random).map(Place::Keypoint),
            1 => other(animal, scene.individuals, random).map(Place::Animal),
            _ => None,
        };
        let nearby = |random: &mut StdRng| {
            let distance = self.reach_bl * random.random::<f32>().sqrt();
            Place::Offset(Vec2::at_angle(TAU * random.random::<f32>()) * distance)
        };
        Jump { to: to.unwrap_or_else(|| nearby(random)), confident }
    }
}

impl Jump {
    /// The truth itself where the place that it jumped to is not seen.
    fn place(self, animal: usize, keypoint: usize, truth: Vec2, scene: &Scene) -> Vec2 {
        match self.to {
            Place::Keypoint(other) => scene.point(animal, other).unwrap_or(truth),
            Place::Animal(other) => scene.point(other, keypoint).unwrap_or(truth),
            Place::Offset(offset) => truth + offset,
        }
    }
}

fn logit(share: f32) -> f32 {
    (share / (1.0 - share)).ln()
}
