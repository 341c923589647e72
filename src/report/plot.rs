//! A small plot: two axes, lines and marks.

use super::axis::Axis;
use super::svg::{Anchor, Svg};

/// Width and height of a plot.
pub(super) const SIZE: [f64; 2] = [280.0, 186.0];

const LEFT: f64 = 42.0;
const RIGHT: f64 = 17.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 36.0;

/// From the left to the right end of a plot's x axis.
pub(super) const X_PX: [f64; 2] = [LEFT, SIZE[0] - RIGHT];
/// From the lower to the upper end of a plot's y axis.
pub(super) const Y_PX: [f64; 2] = [SIZE[1] - BOTTOM, TOP];

/// Points of a line that lie closer are one.
const POINTS_APART_PX: f64 = 0.7;

/// A plot in the making; its axes lie where [`X_PX`] and [`Y_PX`] say.
#[derive(Debug)]
pub(super) struct Plot {
    svg: Svg,
    x: Axis,
    y: Axis,
    is_empty: bool,
}

impl Plot {
    /// Grid and axes, with what each means.
    pub(super) fn new((x, x_title): (Axis, &str), (y, y_title): (Axis, &str)) -> Self {
        let mut svg = Svg::default();
        let ([left, right], [bottom, top]) = (x.ends_px(), y.ends_px());
        for (at, label) in y.ticks() {
            svg.segment([left, at], [right, at], "grid");
            svg.text([left - 5.0, at + 3.5], Anchor::End, "note", &label);
        }
        for (at, label) in x.ticks() {
            svg.segment([at, top], [at, bottom + 3.0], "grid");
            svg.text([at, bottom + 14.0], Anchor::Middle, "note", &label);
        }
        svg.segment([left, bottom], [right, bottom], "axis");
        if let Some([zero, first]) = x.zero_gap_px() {
            let middle = f64::midpoint(zero, first);
            for at in [middle - 2.0, middle + 2.0] {
                svg.segment([at - 2.0, bottom + 4.0], [at + 2.0, bottom - 4.0], "axis");
            }
        }
        svg.text([f64::midpoint(left, right), bottom + 29.0], Anchor::Middle, "label", x_title);
        svg.text([4.0, top - 9.0], Anchor::Start, "label", y_title);
        Self { svg, x, y, is_empty: true }
    }

    pub(super) fn place(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        Some([self.x.px(x)?, self.y.px(y)?])
    }

    /// A line through values; it breaks where one cannot be drawn, and what stands alone is a dot.
    pub(super) fn line(&mut self, points: impl Iterator<Item = [f64; 2]>, look: &str) {
        let places: Vec<Option<[f64; 2]>> = points.map(|point| self.place(point)).collect();
        for piece in places.split(Option::is_none) {
            let piece = thinned(piece.iter().flatten().copied());
            self.is_empty &= piece.is_empty();
            match piece[..] {
                [] => {}
                [alone] => self.svg.circle(alone, 2.5, &format!("dot {look}")),
                _ => self.svg.line(&piece, &format!("line {look}")),
            }
        }
    }

    /// A ring with a dot in it, if the value can be drawn.
    pub(super) fn target(&mut self, point: [f64; 2], look: &str) {
        if let Some(at) = self.place(point) {
            self.svg.circle(at, 4.6, &format!("ring {look}"));
            self.svg.circle(at, 1.8, &format!("dot {look}"));
            self.is_empty = false;
        }
    }

    /// A filled or hollow dot.
    pub(super) fn dot(&mut self, point: [f64; 2], radius: f64, class: &str) {
        if let Some(at) = self.place(point) {
            self.svg.circle(at, radius, class);
            self.is_empty = false;
        }
    }

    /// A line across the plot at a value of x, with a word beside its top.
    pub(super) fn upright(&mut self, x: f64, word: &str) {
        let Some(at) = self.x.px(x) else { return };
        let [left, right] = self.x.ends_px();
        let [bottom, top] = self.y.ends_px();
        self.svg.segment([at, bottom], [at, top], "mark");
        let (anchor, shift) = if at > f64::midpoint(left, right) { (Anchor::End, -4.0) } else { (Anchor::Start, 4.0) };
        self.svg.text([at + shift, bottom - 5.0], anchor, "note halo", word);
    }

    /// A plain line behind what is drawn later, from one pair of values to another.
    pub(super) fn guide(&mut self, from: [f64; 2], to: [f64; 2]) {
        if let (Some(from), Some(to)) = (self.place(from), self.place(to)) {
            self.svg.segment(from, to, "mark");
        }
    }

    /// The drawing; it says so where nothing was drawn.
    pub(super) fn finish(mut self, what: &str) -> String {
        if self.is_empty {
            let ([left, right], [bottom, top]) = (self.x.ends_px(), self.y.ends_px());
            let middle = [f64::midpoint(left, right), f64::midpoint(bottom, top)];
            self.svg.text(middle, Anchor::Middle, "label halo", super::markup::NOT_MEASURED);
        }
        self.svg.finish(SIZE, what)
    }
}

/// Leaves out points that lie at their forerunner's place; the last one stays.
fn thinned(points: impl Iterator<Item = [f64; 2]>) -> Vec<[f64; 2]> {
    let mut kept: Vec<[f64; 2]> = Vec::new();
    let mut left_out = None;
    for point in points {
        let is_near = kept.last().is_some_and(|last| {
            (last[0] - point[0]).abs() < POINTS_APART_PX && (last[1] - point[1]).abs() < POINTS_APART_PX
        });
        left_out = is_near.then_some(point);
        if !is_near {
            kept.push(point);
        }
    }
    // One that lies exactly on its forerunner adds nothing.
    kept.extend(left_out.filter(|point| kept.last() != Some(point)));
    kept
}
