//! How fast one clock gains on the other, from points of offset along the run.

use super::{Drift, Point};

/// Points that are kept; when there are more, the better of each two stays.
const POINTS_MAX: usize = 128;

/// A drift is known over so long, and more.
const SPAN_NANOS_MIN: i64 = 10_000_000_000;

#[derive(Clone, Debug)]
pub(super) struct Drifts {
    points: Vec<Point>,
    /// One point is kept of so many.
    each: u32,
    open: Option<(Point, u32)>,
}

impl Default for Drifts {
    fn default() -> Self {
        Self { points: Vec::new(), each: 1, open: None }
    }
}

fn better(a: Point, b: Point) -> Point {
    if b.half < a.half { b } else { a }
}

impl Drifts {
    pub fn take(&mut self, point: Point) {
        let (best, count) = self.open.map_or((point, 1), |(open, count)| (better(open, point), count + 1));
        self.open = Some((best, count));
        if count < self.each {
            return;
        }
        self.open = None;
        self.points.push(best);
        if self.points.len() >= POINTS_MAX {
            self.points = self.points.chunks(2).map(|pair| better(pair[0], pair[pair.len() - 1])).collect();
            self.each = self.each.saturating_mul(2);
        }
    }

    /// The slope between two points, one of the first quarter of the run and one of the last, that are good and far
    /// apart. Both brackets hold whatever lies between, so the uncertainty holds for the mean drift of any clocks.
    pub fn drift(&self) -> Option<Drift> {
        let points: Vec<Point> = self.points.iter().copied().chain(self.open.map(|(point, _)| point)).collect();
        let quarter = points.len().div_ceil(4);
        let pairs = points[..quarter]
            .iter()
            .flat_map(|from| points[points.len() - quarter..].iter().map(move |to| (from, to)))
            .filter(|(from, to)| to.at.saturating_sub(from.at) >= SPAN_NANOS_MIN);
        let slopes = pairs.map(|(from, to)| {
            let nanos = to.at.saturating_sub(from.at) as f64;
            let ppm = to.offset.saturating_sub(from.offset) as f64 / nanos * 1e6;
            Drift { ppm, uncertainty_ppm: from.half.saturating_add(to.half) as f64 / nanos * 1e6 }
        });
        slopes.min_by(|a, b| a.uncertainty_ppm.total_cmp(&b.uncertainty_ppm))
    }
}
