//! Who is who: swaps, fragments and frames without an order.

use rand::RngExt;
use rand::rngs::StdRng;

use super::super::preset::Preset;
use super::chance::{Event, Rates, Stretch};
use super::scene::Scene;
use crate::poses::Keypoint;

#[derive(Clone, Debug)]
pub struct Identity {
    pub unordered: bool,
    interval_secs: f64,
    swaps_per_sec: f64,
    corrections_per_sec: f64,
    fragments: Rates,
    /// Each two animals once.
    pairs: Vec<Pair>,
    correction: Event,
    /// I: whose body the tracker takes for each animal's.
    believed: Vec<usize>,
    /// I: the same in the order of the last frame.
    owners: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    bodies: (usize, usize),
    swap: Event,
    fragment: Stretch,
    /// While there is a fragment: from whom to whom, and the keypoints as bits.
    part: (usize, usize, u64),
}

impl Identity {
    pub fn new(preset: &Preset, individuals: usize, interval_secs: f64, random: &mut StdRng) -> Self {
        let mut pairs = Vec::new();
        for one in 0..individuals {
            for other in one + 1..individuals {
                let (swap, fragment) = (Event::new(random), Stretch::new(random));
                pairs.push(Pair { bodies: (one, other), swap, fragment, part: (one, other, 0) });
            }
        }
        Self {
            unordered: preset.unordered,
            interval_secs,
            swaps_per_sec: preset.swaps.per_near_minute / 60.0,
            corrections_per_sec: 1.0 / preset.swaps.corrected_mean_secs,
            fragments: Rates::new(preset.fragments.per_near_minute / 60.0, preset.fragments.mean_secs),
            pairs,
            correction: Event::new(random),
            believed: (0..individuals).collect(),
            owners: (0..individuals).collect(),
        }
    }

    /// Whose body stands in each slot.
    pub fn owners(&self) -> &[usize] {
        &self.owners
    }

    pub fn step(&mut self, scene: &Scene, random: &mut StdRng) {
        self.correct(random);
        for pair in &mut self.pairs {
            let (one, other) = pair.bodies;
            let near = scene.are_near(one, other);
            if near && pair.swap.step(self.swaps_per_sec * self.interval_secs, random) {
                exchange(&mut self.believed, one, other);
            }
            let was_fragment = pair.fragment.is_on();
            let rates = self.fragments.times(if near { 1.0 } else { 0.0 });
            if pair.fragment.step(rates, self.interval_secs, random) && !was_fragment {
                let (from, to) = if random.random() { (one, other) } else { (other, one) };
                let front = scene.front_half(from);
                pair.part = (from, to, if random.random() { front } else { !front });
            }
        }
        self.owners.copy_from_slice(&self.believed);
        if self.unordered {
            for last in (1..self.owners.len()).rev() {
                self.owners.swap(last, random.random_range(0..=last));
            }
        }
    }

    /// Moves the fragments of bodies (I × K, body by body) to the animals that they are taken for.
    pub fn mix(&self, keypoints: usize, seen: &mut [Keypoint]) {
        for pair in self.pairs.iter().filter(|pair| pair.fragment.is_on()) {
            let (from, to, part) = pair.part;
            for keypoint in (0..keypoints).filter(|keypoint| part >> keypoint & 1 == 1) {
                let (from, to) = (from * keypoints + keypoint, to * keypoints + keypoint);
                if seen[from].is_present() {
                    seen[to] = std::mem::replace(&mut seen[from], Keypoint::MISSING);
                }
            }
        }
    }

    /// Each two animals that stand for each other are put right after the same mean time, however many there are.
    fn correct(&mut self, random: &mut StdRng) {
        let wrong = |believed: &[usize]| believed.iter().enumerate().filter(|(slot, body)| slot != *body).count();
        let count = wrong(&self.believed);
        let expected = self.corrections_per_sec * self.interval_secs * count as f64 / 2.0;
        if count == 0 || !self.correction.step(expected, random) {
            return;
        }
        let which = random.random_range(0..count);
        let slot = (0..self.believed.len()).filter(|slot| self.believed[*slot] != *slot).nth(which);
        if let Some(slot) = slot {
            let body = self.believed[slot];
            exchange(&mut self.believed, slot, body);
        }
    }
}

/// Two bodies exchange their slots.
fn exchange(believed: &mut [usize], one: usize, other: usize) {
    for body in believed {
        if *body == one {
            *body = other;
        } else if *body == other {
            *body = one;
        }
    }
}
