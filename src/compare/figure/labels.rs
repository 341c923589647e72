//! Where names of points stand, so that none lies over another or over a point.

use crate::svg::Anchor;

const LINE_PX: f64 = 14.0;
/// From a point to its name.
const GAP_PX: f64 = 10.0;
/// From a name's base line to its middle.
const BASE_PX: f64 = 4.0;
/// Names that had to move by more are joined to their points.
const FAR_PX: f64 = 6.0;
const TRIES: i32 = 40;

/// Of a panel.
#[derive(Debug)]
pub(super) struct Labels {
    x: [f64; 2],
    /// Upper end and lower end.
    y: [f64; 2],
    /// Left, right and middle height of what is there already.
    taken: Vec<[f64; 3]>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    /// Of its base line.
    pub(super) at: [f64; 2],
    pub(super) anchor: Anchor,
    /// Its end that is nearest to the point.
    pub(super) near: [f64; 2],
    pub(super) is_far: bool,
}

impl Labels {
    pub(super) fn new(x: [f64; 2], y: [f64; 2], points: &[[f64; 2]]) -> Self {
        let taken = points.iter().map(|[x, y]| [x - GAP_PX * 0.6, x + GAP_PX * 0.6, *y]).collect();
        Self { x, y, taken }
    }

    /// Right of its point where there is room, else left of it, at the nearest height that is free.
    pub(super) fn place(&mut self, point: [f64; 2], width: f64) -> Label {
        let is_right = point[0] + GAP_PX + width <= self.x[1];
        let near = if is_right { point[0] + GAP_PX } else { point[0] - GAP_PX };
        let (left, right) = if is_right { (near, near + width) } else { (near - width, near) };
        let shifts = (0..TRIES).map(|index| {
            let by = f64::from((index + 1) / 2) * LINE_PX / 2.0;
            if index % 2 == 0 { by } else { -by }
        });
        let is_free = |shift: &f64| {
            let y = point[1] + shift;
            let is_inside = y - BASE_PX >= self.y[0] && y + BASE_PX <= self.y[1];
            is_inside
                && self.taken.iter().all(|[from, to, at]| right < *from || left > *to || (y - at).abs() >= LINE_PX)
        };
        let shift = shifts.into_iter().find(is_free).unwrap_or(0.0);
        let y = point[1] + shift;
        self.taken.push([left, right, y]);
        let anchor = if is_right { Anchor::Start } else { Anchor::End };
        Label { at: [near, y + BASE_PX], anchor, near: [near, y], is_far: shift.abs() > FAR_PX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_points_at_one_place_stand_apart() {
        let points = [[100.0, 100.0]; 5];
        let mut labels = Labels::new([0.0, 400.0], [0.0, 200.0], &points);
        let mut heights: Vec<f64> = points.iter().map(|point| labels.place(*point, 80.0).near[1]).collect();
        heights.sort_unstable_by(f64::total_cmp);
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= LINE_PX), "{heights:?}");
        assert!(heights.contains(&100.0));
    }

    #[test]
    fn a_name_without_room_at_the_right_stands_left() {
        let mut labels = Labels::new([0.0, 400.0], [0.0, 200.0], &[[390.0, 100.0]]);
        let label = labels.place([390.0, 100.0], 80.0);
        assert_eq!((label.anchor, label.near, label.is_far), (Anchor::End, [380.0, 100.0], false));
    }
}
