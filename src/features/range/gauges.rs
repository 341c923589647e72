//! What is observed of every tick, and the windows that keep it.

use std::collections::VecDeque;

use super::Quantity;
use super::window::{Horizon, Window};
use crate::behavior::Individual;
use crate::features::geometry::{Body, HEADING_HOLD_TICKS};
use crate::plane::Vec2;
use crate::poses::Keypoint;
use crate::skeleton::{Axis, Skeleton};
use crate::time::{TICK_RATE_HZ, WINDOW_TICKS};

/// An animal that is faster than this (body lengths a second) goes somewhere: only then its direction of travel tells
/// which end leads.
const TRAVEL_SPEED_MIN: f32 = 0.6;

/// A tremble of this (body lengths) and less is as good as none.
const JITTER_MIN: f32 = 1.0 / 256.0;

/// What one window is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    pub quantity: Quantity,
    /// The part's place in the skeleton, for quantities of a part.
    pub keypoint: Option<usize>,
    /// For quantities that are kept animal by animal; all others pool the animals of a cage.
    pub individual: Option<Individual>,
}

/// The windows of a cage, fed with its ticks.
#[derive(Clone, Debug)]
pub struct Gauges {
    axis: Axis,
    keypoints: usize,
    about: Vec<Gauge>,
    /// One for each gauge.
    windows: Vec<Window>,
    /// Ticks since each window took something in.
    idle_ticks: Vec<u32>,
    /// Newest first; I bodies each.
    past: VecDeque<Vec<Body>>,
    /// I × K, of the tick before.
    points_before: Vec<Keypoint>,
    unseen_ticks: u32,
    /// The window that is looked at next.
    turn: usize,
}

impl Gauges {
    pub fn new(skeleton: &Skeleton, individuals: usize) -> Self {
        let keypoints = skeleton.keypoints().len();
        let (mut about, mut windows) = (Vec::new(), Vec::new());
        let mut add = |quantity: Quantity, keypoint, individual| {
            let subjects = match quantity {
                Quantity::Standstill | Quantity::Missing => 1,
                Quantity::Distance => individuals * individuals.saturating_sub(1) / 2,
                _ => individuals,
            };
            about.push(Gauge { quantity, keypoint, individual });
            windows.push(Window::new(quantity.statistic(), quantity.window_observations() * subjects.max(1)));
        };
        // The order of `Slots`.
        for individual in 0..individuals {
            add(Quantity::Standstill, None, Some(Individual(individual as u8)));
        }
        for quantity in Slots::POOLED {
            add(quantity, None, None);
        }
        for keypoint in 0..keypoints {
            add(Quantity::PartMissing, Some(keypoint), None);
            add(Quantity::PartReach, Some(keypoint), None);
        }
        Self {
            axis: skeleton.axis(),
            keypoints,
            idle_ticks: vec![0; windows.len()],
            about,
            windows,
            past: VecDeque::from(vec![vec![Body::default(); individuals]; HEADING_HOLD_TICKS + 1]),
            points_before: vec![Keypoint::MISSING; individuals * keypoints],
            unseen_ticks: 0,
            turn: 0,
        }
    }

    /// What each window is about.
    pub fn about(&self) -> &[Gauge] {
        &self.about
    }

    /// Whether a window took something in within the last [`WINDOW_TICKS`] ticks.
    pub fn is_fresh(&self, gauge: usize) -> bool {
        (self.idle_ticks[gauge] as usize) < WINDOW_TICKS
    }

    /// Takes a tick of I × K points in body lengths and gives the next gauge in turn with what its two horizons say:
    /// each is looked at once in as many ticks as there are gauges. `None` where everything starts anew because no
    /// animal was seen for [`WINDOW_TICKS`] ticks: whoever comes next need not be the same, nor the camera.
    pub fn tick(&mut self, points: &[Keypoint]) -> Option<(usize, [Option<f32>; 2])> {
        for idle in &mut self.idle_ticks {
            *idle = idle.saturating_add(1);
        }
        let seen = points.iter().any(Keypoint::is_present);
        self.unseen_ticks = if seen { 0 } else { self.unseen_ticks.saturating_add(1) };
        if self.unseen_ticks as usize >= WINDOW_TICKS {
            self.windows.iter_mut().for_each(Window::clear);
            return None;
        }
        let mut bodies = self.past.pop_back().unwrap_or_default();
        for (individual, (body, points)) in bodies.iter_mut().zip(points.chunks_exact(self.keypoints)).enumerate() {
            let past = self.past.iter().map(|bodies| &bodies[individual]);
            *body = Body::measure(points, self.axis, &past);
        }
        self.past.push_front(bodies);
        self.observe(points);
        self.points_before.copy_from_slice(points);
        self.turn = if self.turn + 1 >= self.windows.len() { 0 } else { self.turn + 1 };
        let window = &self.windows[self.turn];
        Some((self.turn, Horizon::ALL.map(|horizon| window.value(horizon))))
    }

    fn observe(&mut self, points: &[Keypoint]) {
        let slots = Slots { individuals: points.len() / self.keypoints };
        let (bodies, windows, idle_ticks) = (&self.past[0], &mut self.windows, &mut self.idle_ticks);
        let mut put = |slot: usize, value: Option<f32>| {
            if let Some(value) = value {
                windows[slot].push(value);
                idle_ticks[slot] = 0;
            }
        };
        let mut missing = 0;
        let animals = points.chunks_exact(self.keypoints).zip(self.points_before.chunks_exact(self.keypoints));
        for (individual, (points, before)) in animals.enumerate() {
            let absent = points.iter().filter(|point| !point.is_present()).count();
            missing += absent;
            if absent == points.len() {
                continue;
            }
            let body = &bodies[individual];
            let speed = body.velocity.map(|velocity| velocity.length() * TICK_RATE_HZ as f32);
            let travel = body.velocity.zip(body.heading).filter(|_| speed > Some(TRAVEL_SPEED_MIN));
            let origins = [1, 2].map(|age| self.past[age][individual].origin);
            let jitter = || Some((body.origin? + origins[1]? - origins[0]? * 2.0).length().max(JITTER_MIN));
            let [front, centre, rear] =
                [self.axis.front, self.axis.centre, self.axis.rear].map(|k| Vec2::of(&points[k]));
            put(individual, standstill(points, before));
            put(slots.pooled(Quantity::Speed), speed);
            put(slots.pooled(Quantity::Jitter), jitter());
            put(slots.pooled(Quantity::Forward), travel.map(|(way, heading)| f32::from(way.dot(heading) > 0.0)));
            put(slots.pooled(Quantity::BodyLength), front.zip(rear).map(|(front, rear)| (front - rear).length()));
            for (keypoint, point) in points.iter().enumerate() {
                put(slots.part_missing(keypoint), Some(f32::from(!point.is_present())));
                let reach = centre.zip(Vec2::of(point)).filter(|_| keypoint != self.axis.centre);
                put(slots.part_reach(keypoint), reach.map(|(centre, point)| (point - centre).length()));
            }
            for other in &bodies[..individual] {
                let between = body.origin.zip(other.origin).map(|(here, there)| (here - there).length());
                put(slots.pooled(Quantity::Distance), between);
            }
        }
        if missing < points.len() {
            put(slots.pooled(Quantity::Missing), Some(missing as f32 / points.len() as f32));
        }
    }
}

/// 1 where no point of an animal moved since the tick before, `None` where none is present in both.
fn standstill(points: &[Keypoint], before: &[Keypoint]) -> Option<f32> {
    let mut both = points.iter().zip(before).filter(|(now, then)| now.is_present() && then.is_present()).peekable();
    both.peek()?;
    Some(f32::from(both.all(|(now, then)| (now.x, now.y) == (then.x, then.y))))
}

/// Where the window of each quantity lies.
struct Slots {
    individuals: usize,
}

impl Slots {
    const POOLED: [Quantity; 6] = [
        Quantity::Speed,
        Quantity::Jitter,
        Quantity::Forward,
        Quantity::BodyLength,
        Quantity::Distance,
        Quantity::Missing,
    ];

    fn pooled(&self, quantity: Quantity) -> usize {
        // `Standstill`, which is not pooled, is the first of the quantities.
        self.individuals + quantity as usize - 1
    }

    fn part_missing(&self, keypoint: usize) -> usize {
        self.individuals + Self::POOLED.len() + 2 * keypoint
    }

    fn part_reach(&self, keypoint: usize) -> usize {
        self.part_missing(keypoint) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_holds_the_window_of_its_quantity() {
        let skeleton = crate::features::range::tests::skeleton();
        let gauges = Gauges::new(&skeleton, 3);
        let slots = Slots { individuals: 3 };
        for quantity in Slots::POOLED {
            assert_eq!(gauges.about()[slots.pooled(quantity)].quantity, quantity);
        }
        for keypoint in 0..skeleton.keypoints().len() {
            let of = |slot: usize| (gauges.about()[slot].quantity, gauges.about()[slot].keypoint);
            assert_eq!(of(slots.part_missing(keypoint)), (Quantity::PartMissing, Some(keypoint)));
            assert_eq!(of(slots.part_reach(keypoint)), (Quantity::PartReach, Some(keypoint)));
        }
        assert_eq!(gauges.about().len(), slots.part_reach(skeleton.keypoints().len() - 1) + 1);
    }
}
