//! The last ticks of a cage.

use crate::poses::Keypoint;
use crate::time::WINDOW_TICKS;

/// The keypoints of the last [`WINDOW_TICKS`] ticks, in body lengths. Allocates once, when it is made.
///
/// A plain array and not a queue from a library: features read it by age through a shared reference, and a cage's
/// state has to be a value that can be copied; queues made for two threads offer neither.
#[derive(Clone, Debug)]
pub struct TickRing {
    /// `WINDOW_TICKS` × I × K; the slot of a tick is its count modulo [`WINDOW_TICKS`].
    points: Box<[Keypoint]>,
    point_count: usize,
    /// Slot that the next tick goes to.
    next: usize,
    len: usize,
}

impl TickRing {
    /// An empty ring for ticks of `point_count` (I × K) points.
    pub fn new(point_count: usize) -> Self {
        let points = vec![Keypoint::MISSING; WINDOW_TICKS * point_count].into_boxed_slice();
        Self { points, point_count, next: 0, len: 0 }
    }

    /// Adds the newest tick; the oldest goes where the ring is full.
    ///
    /// # Panics
    /// When `keypoints` are not as many as the ring was made for.
    pub fn push(&mut self, keypoints: &[Keypoint]) {
        assert_eq!(keypoints.len(), self.point_count, "points of a tick");
        let start = self.next * self.point_count;
        self.points[start..start + self.point_count].copy_from_slice(keypoints);
        self.next = (self.next + 1) % WINDOW_TICKS;
        self.len = (self.len + 1).min(WINDOW_TICKS);
    }

    /// Ticks held, at most [`WINDOW_TICKS`].
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The tick `ticks` before the newest (0 is the newest); `None` where the ring does not reach back that far.
    ///
    /// # Shapes
    /// I × K, individual by individual.
    pub fn age(&self, ticks: usize) -> Option<&[Keypoint]> {
        (ticks < self.len).then(|| self.before_next(ticks))
    }

    /// All ticks held, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[Keypoint]> + ExactSizeIterator {
        (0..self.len).rev().map(|ticks| self.before_next(ticks))
    }

    fn before_next(&self, ticks: usize) -> &[Keypoint] {
        let slot = (self.next + WINDOW_TICKS - 1 - ticks) % WINDOW_TICKS;
        &self.points[slot * self.point_count..(slot + 1) * self.point_count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(value: usize) -> [Keypoint; 2] {
        [value, value + 1].map(|x| Keypoint { x: x as f32, y: 0.0, confidence: 1.0 })
    }

    #[test]
    fn age_counts_back_from_the_newest() {
        let mut ring = TickRing::new(2);
        assert!(ring.is_empty() && ring.age(0).is_none());
        for count in 1..=2 * WINDOW_TICKS + 3 {
            ring.push(&tick(count));
            let len = count.min(WINDOW_TICKS);
            assert_eq!(ring.len(), len);
            for ticks in [0, len / 2, len - 1] {
                assert_eq!(ring.age(ticks), Some(&tick(count - ticks)[..]), "{count} {ticks}");
            }
            assert_eq!(ring.age(len), None);
        }
    }

    #[test]
    fn iteration_runs_from_the_oldest_to_the_newest() {
        let mut ring = TickRing::new(2);
        for count in 0..WINDOW_TICKS + 5 {
            ring.push(&tick(count));
        }
        assert_eq!(ring.iter().len(), WINDOW_TICKS);
        assert!(ring.iter().eq((5..WINDOW_TICKS + 5).map(tick).collect::<Vec<_>>().iter()));
    }

    #[test]
    fn a_copy_is_a_value_of_its_own() {
        let mut ring = TickRing::new(2);
        ring.push(&tick(1));
        let copy = ring.clone();
        ring.push(&tick(2));
        assert_eq!((copy.len(), copy.age(0)), (1, Some(&tick(1)[..])));
    }
}
