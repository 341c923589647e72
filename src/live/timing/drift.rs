//! How fast the capture clock gains on ours, from the shortest delays of minutes.
//!
//! The line below all delays that lies closest to them (Moon, Skelly and Towsley 1999, "Estimation and removal of clock
//! skew from network delay measurements"): the edge of their lower convex hull over their mean time. Such a line always
//! exists; it is a drift only where delays touch it all along, which a queue that fills, a congested quarter of an hour
//! or a step do not make.

use std::collections::VecDeque;

/// Each point is the shortest delay of so long.
const BLOCK_NANOS: i64 = 10_000_000_000;

/// Points that are looked at, ten minutes and more; and how many a first estimate needs.
const POINTS_MAX: usize = 64;
const POINTS_MIN: usize = 9;

/// Parts of the window that must each touch the line, with so many points.
const PARTS: usize = 4;
const TOUCHING: usize = 2;

/// The least uncertainty, in parts per million: clocks wander by as much with the temperature.
const UNCERTAINTY_PPM_MIN: f64 = 1.0;

/// An estimate with its uncertainty, both in parts per million; positive: delays rise, the capture clock is slow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slope {
    pub ppm: f64,
    pub uncertainty_ppm: f64,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    at: i64,
    delay: i64,
}

#[derive(Debug)]
pub(super) struct Drift {
    open: Option<(i64, Point)>,
    points: VecDeque<Point>,
}

impl Drift {
    pub fn new() -> Self {
        Self { open: None, points: VecDeque::with_capacity(POINTS_MAX) }
    }

    /// Delays begin anew: the clock was set.
    pub fn clear(&mut self) {
        self.open = None;
        self.points.clear();
    }

    /// Takes a delay; returns a new estimate every ten seconds, once there is enough.
    pub fn take(&mut self, at: i64, delay: i64) -> Option<Slope> {
        let (since, lowest) = self.open.get_or_insert((at, Point { at, delay }));
        if at.saturating_sub(*since) < BLOCK_NANOS {
            if delay < lowest.delay {
                *lowest = Point { at, delay };
            }
            return None;
        }
        let closed = *lowest;
        self.open = Some((at, Point { at, delay }));
        if self.points.len() == POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back(closed);
        (self.points.len() >= POINTS_MIN).then(|| self.slope())
    }

    fn slope(&self) -> Slope {
        let mut points = [(0.0, 0.0); POINTS_MAX];
        let first = self.points[0];
        for (place, point) in points.iter_mut().zip(&self.points) {
            let (at, delay) = (point.at.saturating_sub(first.at), point.delay.saturating_sub(first.delay));
            *place = (at as f64, delay as f64);
        }
        let points = &points[..self.points.len()];
        let (base, slope) = line_below(points);
        let span = points[points.len() - 1].0.max(1.0);
        let mut farthest: f64 = 0.0;
        for part in 0..PARTS {
            let range = part * points.len() / PARTS..(part + 1) * points.len() / PARTS;
            let mut nearest = [f64::INFINITY; TOUCHING];
            for (at, delay) in &points[range] {
                let mut above = delay - (base.1 + slope * (at - base.0));
                for place in &mut nearest {
                    if above < *place {
                        std::mem::swap(&mut above, place);
                    }
                }
            }
            farthest = farthest.max(nearest[TOUCHING - 1]);
        }
        let uncertainty_ppm = (2e6 * farthest / span).max(UNCERTAINTY_PPM_MIN);
        Slope { ppm: slope * 1e6, uncertainty_ppm }
    }
}

/// A point of the line below all points that is closest to them, and its slope. `points` ascend in time.
fn line_below(points: &[(f64, f64)]) -> ((f64, f64), f64) {
    let slope = |a: (f64, f64), b: (f64, f64)| (b.1 - a.1) / (b.0 - a.0).max(1.0);
    let mut hull = [(0.0, 0.0); POINTS_MAX];
    let mut len = 0;
    for &point in points {
        while len >= 2 && slope(hull[len - 2], hull[len - 1]) >= slope(hull[len - 1], point) {
            len -= 1;
        }
        hull[len] = point;
        len += 1;
    }
    let mean = points.iter().map(|point| point.0).sum::<f64>() / points.len() as f64;
    let edge = hull[..len].windows(2).find(|edge| edge[1].0 >= mean);
    edge.map_or((points[0], 0.0), |edge| (edge[0], slope(edge[0], edge[1])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_lies_below_all_delays_and_touches_those_of_a_drift() {
        let points: Vec<_> = (0..10).map(|k| (f64::from(k), 2.0 * f64::from(k) + f64::from(k % 3))).collect();
        let (base, slope) = line_below(&points);
        assert_eq!(slope, 2.0);
        assert!(points.iter().all(|point| point.1 >= base.1 + slope * (point.0 - base.0)));
    }

    #[test]
    fn a_step_of_the_delay_is_no_drift() {
        let mut drift = Drift::new();
        let mut last = None;
        for second in 0..300 {
            let delay = if second < 120 { 1_000_000 } else { 21_000_000 };
            last = drift.take(second * 1_000_000_000, delay).or(last);
        }
        let slope = last.unwrap();
        assert!(slope.uncertainty_ppm > slope.ppm.abs() / 3.0, "{slope:?}");
    }
}
