//! Live: which quantities of a cage are outside the model's range now.

use super::gauges::{Gauge, Gauges};
use super::window::Horizon;
use super::{InputRange, Limits, Outside};
use crate::poses::Keypoint;
use crate::skeleton::Skeleton;

/// What was outside counts as inside again when it is so by this share of the limit: no flicker at the edge.
const RETURN_SHARE: f32 = 0.03;

/// Watches the input of one cage: a value of bounded size that allocates nothing after it was made.
///
/// Gross faults show in the short horizon, a quarter of a minute of ticks with animals, and lesser ones in the long
/// one, about a minute. A window that is not full says nothing, and neither does a quantity that was
/// not observed for [`crate::time::WINDOW_TICKS`] ticks: an absent animal has no speed. When no animal at all was seen
/// for that long everything starts anew.
#[derive(Clone, Debug)]
pub struct RangeWatch {
    gauges: Gauges,
    /// Of each keypoint.
    names: Vec<String>,
    /// Limits and state of each gauge, by horizon.
    states: Vec<[State; 2]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// `None` where nothing is known.
    limits: Option<Limits>,
    /// The latest statistic, while it is outside.
    got: Option<f32>,
}

impl RangeWatch {
    /// A watch that has seen nothing. Keypoints whose names the range does not hold are not looked at.
    pub fn new(range: &InputRange, skeleton: &Skeleton, individuals: usize) -> Self {
        let (gauges, names) = (Gauges::new(skeleton, individuals), skeleton.keypoints().to_vec());
        let state = |gauge: &Gauge| {
            let entry = range.entry(gauge.quantity, gauge.keypoint.map(|keypoint| names[keypoint].as_str()));
            Horizon::ALL.map(|horizon| State { limits: entry.and_then(|entry| entry.limits(horizon)), got: None })
        };
        let states = gauges.about().iter().map(state).collect();
        Self { gauges, names, states }
    }

    /// Takes the next tick. Missing ticks are ticks too.
    ///
    /// # Shapes
    /// I × K points in body lengths, as the network is given them.
    pub fn tick(&mut self, points: &[Keypoint]) {
        let Some((gauge, values)) = self.gauges.tick(points) else {
            for state in self.states.iter_mut().flatten() {
                state.got = None;
            }
            return;
        };
        for (state, value) in self.states[gauge].iter_mut().zip(values) {
            state.take(value);
        }
    }

    /// What is out of range now, in a fixed order: each quantity once, by the horizon in which it is further out.
    pub fn outside(&self) -> impl Iterator<Item = Outside<'_>> {
        let fresh = self.gauges.about().iter().zip(&self.states).enumerate();
        fresh.filter(|(index, _)| self.gauges.is_fresh(*index)).filter_map(|(_, (gauge, states))| {
            let outside = |state: &State| {
                let (expected, got) = (state.limits?, state.got?);
                let part = gauge.keypoint.map(|keypoint| self.names[keypoint].as_str());
                Some(Outside { quantity: gauge.quantity, part, individual: gauge.individual, got, expected })
            };
            states.iter().filter_map(outside).max_by(|a, b| a.times().total_cmp(&b.times()))
        })
    }
}

impl State {
    fn take(&mut self, value: Option<f32>) {
        let (Some(limits), Some(value)) = (self.limits, value) else { return };
        let hold = if self.got.is_some() { RETURN_SHARE } else { 0.0 };
        let below = limits.low.is_some_and(|low| value < low * (1.0 + hold));
        let above = limits.high.is_some_and(|high| value > high * (1.0 - hold));
        self.got = (below || above).then_some(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_stays_so_until_it_is_clearly_inside() {
        let mut state = State { limits: Some(Limits { low: Some(1.0), high: Some(2.0) }), got: None };
        let mut outside = |value| {
            state.take(Some(value));
            state.got.is_some()
        };
        assert_eq!([1.99, 2.01, 1.99, 1.93, 1.99].map(&mut outside), [false, true, true, false, false]);
        assert_eq!([0.99, 1.01, 1.04, 1.01].map(outside), [true, true, false, false]);
    }
}
