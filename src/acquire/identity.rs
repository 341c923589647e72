//! Identity: that a slot of the frame goes on holding the same animal.

mod continuity;
mod matching;
mod memory;

pub use self::continuity::{Continuity, Swap};
use self::matching::Matching;
use self::memory::{Memory, is_present};
use crate::behavior::Individual;
use crate::poses::{Frame, Keypoint};
use crate::skeleton::INDIVIDUALS_MAX;
use crate::stream::Identities;

/// How often two animals of a stream with stable names exchange their names unnoticed, per second: the prior of a swap.
/// It is also how fast confidence in an animal that nobody sees fades.
const EXCHANGES_HZ: f64 = 1.0 / 120.0;

/// How often an animal in sight is lost by the tracker, and one out of sight comes back, per second.
const VANISHINGS_HZ: f64 = 1.0;
const RETURNS_HZ: f64 = 3.0;

/// Another order of a stable stream is believed from this probability on.
pub const SWAP_CONFIDENCE_MIN: f32 = 0.9;

/// An assignment of unordered instances is told to be doubtful when another animal claims one of them with at least
/// this probability.
pub const DOUBT_CONFIDENCE_MIN: f32 = 0.1;

/// Two instances with two points or more in common, none of which are further apart, are one animal found twice.
pub const TWIN_BODY_LENGTHS_MAX: f64 = 0.02;

/// The refractory period: after a swap was told of an individual, nothing is told of it for so long.
pub const REFRACTORY_SECS: f64 = 0.5;

/// Follows the animals of one cage from frame to frame: a value without clock or IO that allocates only when created.
/// Creating it is resetting it.
///
/// Every animal is remembered by where its keypoints were last seen, and expected to go on with its velocity for about
/// a tenth of a second; the longer it is unseen, the wider the spread. An instance (the points of one slot of a frame)
/// that has a point continues one animal, and every assignment of instances to animals is weighed at once. Only places
/// tell animals apart, not looks: what happens while animals lie on each other, or both are out of sight, is not seen.
///
/// Instances that coincide (see [`TWIN_BODY_LENGTHS_MAX`]) are one animal that the tracker found twice: one counts, and
/// the animal of the other slot is out of sight.
///
/// # Stable
/// Names are trusted and frames pass unchanged. Where another order explains a frame better than the order in force,
/// with a probability of [`SWAP_CONFIDENCE_MIN`] and against a prior that grows with the time since the animals were
/// seen, that order is in force from this frame on, so a swap is noticed once. It is told as a [`Swap`] in the same
/// frame, unless one of the two is in its refractory period or another pair is told; then it is told in the first frame
/// that allows it, if by then the animals have not changed back. Hence all swaps told so far, one after the other, lead
/// from the first order to that in force, and lag behind it by one refractory period where two animals are concerned (a
/// ring of more takes one more for every further swap); and an individual is in at most one swap a refractory period,
/// whatever the tracker does. An exchange that is likely, but less than that, only shows in the confidence.
///
/// # Unordered
/// Instances are moved into the slots of the animals that they continue, by the likeliest assignment. It depends on
/// what the instances are, never on their order in the frame. An instance that continues nobody is a new animal: new
/// ones take the lowest slots that never held any, then those unseen longest (more than a minute), in the order of
/// their coordinates. Slots of animals that are not seen hold missing points, and of instances that coincide the frame
/// keeps one. A [`Swap`] says that an assignment was
/// doubtful (see [`DOUBT_CONFIDENCE_MIN`]): from then on the two may be exchanged. The refractory period holds here
/// too; doubts within it are not told later.
///
/// # Shapes
/// Frames of I × K points; what a shorter frame lacks is missing.
#[derive(Clone, Debug)]
pub struct Identity {
    identities: Identities,
    keypoints: usize,
    twin_px_max: f64,
    rate_hz: f64,
    number: Option<u64>,
    memories: Vec<Memory>,
    matching: Matching,
    held: Vec<Held>,
    /// Confidence that slots hold the same animals as before.
    confidence: [f32; INDIVIDUALS_MAX],
    /// Stable: by slot, the slot in which its animal is, as far as told.
    told: [usize; INDIVIDUALS_MAX],
    /// Stable: by slot, the confidence of its last change.
    changed: [f32; INDIVIDUALS_MAX],
    /// By slot, frames left of its refractory period.
    quiet_frames: [u64; INDIVIDUALS_MAX],
    /// I × K points, where instances wait for their slots.
    moved: Vec<Keypoint>,
}

/// An instance of the present frame, or the slot that was found for it.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Its place in the frame as it came.
    place: usize,
    slot: usize,
}

impl Identity {
    /// # Panics
    /// On more individuals than [`INDIVIDUALS_MAX`].
    pub fn new(
        identities: Identities,
        individuals: usize,
        keypoints: usize,
        body_length_px: f64,
        rate_hz: f64,
    ) -> Self {
        assert!(individuals <= INDIVIDUALS_MAX, "a stream has at most {INDIVIDUALS_MAX} individuals");
        Self {
            identities,
            keypoints,
            twin_px_max: TWIN_BODY_LENGTHS_MAX * body_length_px,
            rate_hz,
            number: None,
            memories: vec![Memory::new(keypoints, body_length_px); individuals],
            matching: Matching::new(individuals),
            held: Vec::with_capacity(individuals),
            confidence: [1.0; INDIVIDUALS_MAX],
            told: std::array::from_fn(|slot| slot),
            changed: [0.0; INDIVIDUALS_MAX],
            quiet_frames: [0; INDIVIDUALS_MAX],
            moved: vec![Keypoint::MISSING; individuals * keypoints],
        }
    }

    /// Takes the next frame in the order of numbers. A gap in the numbers is time in which animals moved unseen; a
    /// number that does not ascend counts as the next.
    pub fn take(&mut self, frame: &mut Frame) -> Continuity {
        let frames = self.number.map_or(0, |last| frame.number.saturating_sub(last).max(1));
        self.number = Some(frame.number);
        let secs = frames as f64 / self.rate_hz;
        for memory in &mut self.memories {
            memory.advance(secs);
        }
        for quiet_frames in &mut self.quiet_frames {
            *quiet_frames = quiet_frames.saturating_sub(frames);
        }
        self.gather(frame);
        self.drop_twins(frame);
        self.weigh(frame, secs);
        let swap = match self.identities {
            Identities::Stable => {
                self.judge(secs);
                self.follow_order();
                self.tell_change()
            }
            Identities::Unordered => {
                self.place();
                self.judge(secs);
                self.rearrange(frame);
                self.tell_doubt()
            }
        };
        for held in &self.held {
            self.memories[held.slot].see(instance(frame, self.keypoints, held.slot));
        }
        Continuity { confidence: self.confidence, swap }
    }

    /// The instances that have a point; those of an unordered stream in the order of their coordinates, so that nothing
    /// depends on their places.
    fn gather(&mut self, frame: &Frame) {
        self.held.clear();
        for place in 0..self.memories.len() {
            if instance(frame, self.keypoints, place).iter().any(is_present) {
                self.held.push(Held { place, slot: place });
            }
        }
        if self.identities == Identities::Unordered {
            let coordinates = |held: &Held| {
                instance(frame, self.keypoints, held.place)
                    .iter()
                    .flat_map(|point| [point.x, point.y, point.confidence])
            };
            self.held.sort_unstable_by(|a, b| {
                let pairs = coordinates(a).zip(coordinates(b));
                pairs.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne()).unwrap_or(a.place.cmp(&b.place))
            });
        }
    }

    /// Of instances that coincide keeps one: in a stable stream that which continues its own slot best, else any, for
    /// they are alike.
    fn drop_twins(&mut self, frame: &Frame) {
        let Self { identities, keypoints, twin_px_max, memories, held, .. } = self;
        let points = |held: Held| instance(frame, *keypoints, held.place);
        let mut index = 0;
        while index < held.len() {
            let (kept, found) = (held[index], points(held[index]));
            let twin = (index + 1..held.len()).find(|&other| are_twins(found, points(held[other]), *twin_px_max));
            let Some(twin) = twin else {
                index += 1;
                continue;
            };
            let density = |held: Held| memories[held.slot].log_density(points(held));
            let other_fits_better = *identities == Identities::Stable && density(held[twin]) > density(kept);
            held.remove(if other_fits_better { index } else { twin });
        }
    }

    /// Weighs every assignment of the instances to the animals.
    fn weigh(&mut self, frame: &Frame, secs: f64) {
        let Self { identities, keypoints, memories, matching, held, .. } = self;
        let logit = |probability: f64| (probability / (1.0 - probability)).ln();
        let within = |rate_hz: f64| (1.0 - (-rate_hz * secs).exp()).clamp(1e-9, 0.5);
        let (stay, return_) = (-logit(within(VANISHINGS_HZ)), logit(within(RETURNS_HZ)));
        matching.solve(held.len(), |slot, index| {
            let place = held[index].place;
            let memory = &memories[slot];
            let was_seen = memory.unseen_secs().is_some_and(|unseen_secs| unseen_secs <= secs);
            let mut log_weight = memory.log_density(instance(frame, *keypoints, place));
            log_weight += if was_seen { stay } else { return_ };
            if *identities == Identities::Stable && slot != place {
                let unseen_secs = [slot, place].into_iter().filter_map(|slot| memories[slot].unseen_secs());
                let exchanged = (0.5 - 0.5 * fade(unseen_secs.fold(secs, f64::max), 2)).max(1e-9);
                // Both ends of an exchange bear half of it; where the other has no instance, this one bears it all.
                let share = if held.iter().any(|other| other.place == slot) { 0.5 } else { 1.0 };
                log_weight += share * logit(exchanged);
            }
            log_weight
        });
    }

    /// Confidence of every slot, given the slots of the instances.
    fn judge(&mut self, secs: f64) {
        for slot in 0..self.memories.len() {
            let index = self.held.iter().position(|held| held.slot == slot);
            let never_seen = self.memories[slot].unseen_secs().is_none();
            let probability = match index {
                // New animals are interchangeable.
                Some(index) if never_seen && self.identities == Identities::Unordered => {
                    let never_seen = |&slot: &usize| self.memories[slot].unseen_secs().is_none();
                    let slots = (0..self.memories.len()).filter(never_seen);
                    slots.map(|slot| self.matching.marginal(slot, index)).sum()
                }
                Some(index) => self.matching.marginal(slot, index),
                None if never_seen => 1.0,
                None => {
                    let taken: f64 = (0..self.held.len()).map(|index| self.matching.marginal(slot, index)).sum();
                    let chance = 1.0 / self.memories.len() as f64;
                    let kept = fade(secs, 1);
                    let faded = chance + (f64::from(self.confidence[slot]) - chance) * kept;
                    faded.min(1.0 - taken)
                }
            };
            self.confidence[slot] = probability.clamp(0.0, 1.0) as f32;
        }
    }

    /// Stable: brings the memories into the likeliest order of the animals.
    fn follow_order(&mut self) {
        let slots = self.memories.len();
        let best = self.matching.best();
        // By slot, the slot whose animal is in it now.
        let mut source: [Option<usize>; INDIVIDUALS_MAX] = [None; INDIVIDUALS_MAX];
        for (held, &slot) in self.held.iter().zip(&best) {
            source[held.slot] = Some(slot);
        }
        for slot in 0..slots {
            if source[slot].is_none() {
                let free = |candidate: &usize| !source.contains(&Some(*candidate));
                source[slot] = std::iter::once(slot).chain(0..slots).find(free);
            }
        }
        let mut order: [usize; INDIVIDUALS_MAX] = std::array::from_fn(|slot| source[slot].unwrap_or(slot));
        for start in 0..slots {
            // Each cycle of the order is a change of its own, handled from its lowest slot.
            let mut cycle = [start; INDIVIDUALS_MAX];
            let mut length = 1;
            while order[cycle[length - 1]] != start {
                cycle[length] = order[cycle[length - 1]];
                length += 1;
            }
            let cycle = &cycle[..length];
            if length == 1 {
                continue;
            }
            let of_cycle = self.held.iter().enumerate().filter(|(_, held)| cycle.contains(&held.slot));
            let confidence = of_cycle.map(|(index, held)| self.matching.marginal(order[held.slot], index));
            let confidence = confidence.fold(1.0, f64::min) as f32;
            for (&slot, &next) in cycle.iter().zip(&cycle[1..]) {
                if confidence >= SWAP_CONFIDENCE_MIN {
                    self.memories.swap(slot, next);
                    self.told.swap(slot, next);
                }
            }
            for &slot in cycle {
                if confidence >= SWAP_CONFIDENCE_MIN {
                    self.changed[slot] = confidence;
                }
                // The other members need it no more.
                order[slot] = slot;
            }
        }
    }

    /// Stable: the next change that was not told and may be.
    fn tell_change(&mut self) -> Option<Swap> {
        let slots = self.memories.len();
        let may_tell = |&slot: &usize| {
            let other = self.told[slot];
            other != slot && self.quiet_frames[slot] == 0 && self.quiet_frames[other] == 0
        };
        let slot = (0..slots).find(may_tell)?;
        let other = self.told[slot];
        for told in &mut self.told[..slots] {
            if *told == slot {
                *told = other;
            } else if *told == other {
                *told = slot;
            }
        }
        Some(self.swap(slot, other, self.changed[slot]))
    }

    /// Unordered: finds the slots of the instances.
    fn place(&mut self) {
        let best = self.matching.best();
        for (held, &slot) in self.held.iter_mut().zip(&best) {
            held.slot = slot;
        }
        // Slots of which nothing is known weigh the same. The first in rank are taken: never seen, then longest unseen.
        let rank = |slot: usize| self.memories[slot].unseen_secs().unwrap_or(f64::INFINITY);
        let mut lost = [0; INDIVIDUALS_MAX];
        let mut count = 0;
        for slot in (0..self.memories.len()).filter(|&slot| self.memories[slot].is_lost()) {
            lost[count] = slot;
            count += 1;
        }
        lost[..count].sort_unstable_by(|&a, &b| rank(b).total_cmp(&rank(a)).then(a.cmp(&b)));
        let newcomers = self.held.iter_mut().filter(|held| lost[..count].contains(&held.slot));
        for (held, &slot) in newcomers.zip(&lost) {
            held.slot = slot;
        }
    }

    /// Unordered: moves the instances into their slots; all other slots become missing.
    fn rearrange(&mut self, frame: &mut Frame) {
        self.moved.fill(Keypoint::MISSING);
        for held in &self.held {
            let from = instance(frame, self.keypoints, held.place);
            self.moved[held.slot * self.keypoints..][..from.len()].copy_from_slice(from);
        }
        let points = frame.keypoints.len().min(self.moved.len());
        frame.keypoints[..points].copy_from_slice(&self.moved[..points]);
    }

    /// Unordered: the most doubtful instance, if it is doubtful enough and may be told.
    fn tell_doubt(&mut self) -> Option<Swap> {
        let never_seen = |slot: usize| self.memories[slot].unseen_secs().is_none();
        let mut doubt: Option<(usize, usize, f32)> = None;
        for (index, held) in self.held.iter().enumerate() {
            for rival in (0..self.memories.len()).filter(|&rival| rival != held.slot) {
                let confidence = self.matching.marginal(rival, index) as f32;
                let quiet = self.quiet_frames[held.slot] > 0 || self.quiet_frames[rival] > 0;
                // Which slot a new animal takes is no question of identity.
                let both_new = never_seen(held.slot) && never_seen(rival);
                let least = doubt.map_or(DOUBT_CONFIDENCE_MIN, |(.., confidence)| confidence);
                if confidence >= least && !quiet && !both_new {
                    doubt = Some((held.slot, rival, confidence));
                }
            }
        }
        doubt.map(|(slot, rival, confidence)| self.swap(slot, rival, confidence))
    }

    fn swap(&mut self, a: usize, b: usize, confidence: f32) -> Swap {
        let quiet_frames = (REFRACTORY_SECS * self.rate_hz).ceil() as u64;
        (self.quiet_frames[a], self.quiet_frames[b]) = (quiet_frames, quiet_frames);
        Swap { first: Individual(a.min(b) as u8), second: Individual(a.max(b) as u8), confidence }
    }
}

/// The points of one place of a frame, as far as it goes.
fn instance(frame: &Frame, keypoints: usize, place: usize) -> &[Keypoint] {
    let points = &frame.keypoints;
    &points[(place * keypoints).min(points.len())..((place + 1) * keypoints).min(points.len())]
}

/// Whether two instances are the same points. Stops at the first that is not.
fn are_twins(a: &[Keypoint], b: &[Keypoint], distance_px_max: f64) -> bool {
    let mut shared = 0;
    for (a, b) in a.iter().zip(b).filter(|(a, b)| is_present(a) && is_present(b)) {
        if f64::from(a.x - b.x).hypot(f64::from(a.y - b.y)) > distance_px_max {
            return false;
        }
        shared += 1;
    }
    shared >= 2
}

/// What is left, after a time, of the certainty that names were not exchanged: e^(−changes · rate · t).
fn fade(secs: f64, changes: u8) -> f64 {
    (-f64::from(changes) * EXCHANGES_HZ * secs).exp()
}

#[cfg(test)]
mod tests;
