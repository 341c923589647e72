//! From values to pixels.

/// Marks of a linear axis, about.
const MARKS: f64 = 6.0;

/// A linear axis spans about as much at least.
const RANGE_MIN: f64 = 0.1;

/// Values of a logarithmic axis are taken to lie within.
const LOG_VALUES: [f64; 2] = [1e-3, 1e9];

/// Up to so many powers of ten, 2 and 5 have marks as well.
const DECADES_FINE_MAX: f64 = 2.0;

#[derive(Debug)]
pub(super) struct Axis {
    is_log: bool,
    /// Ends, of a logarithmic axis as powers of ten.
    low: f64,
    high: f64,
    step: f64,
    px: [f64; 2],
}

impl Axis {
    /// Even marks around all values, within `bounds`; from the first pixel to the second.
    pub(super) fn linear(values: impl Iterator<Item = f64>, bounds: [f64; 2], px: [f64; 2]) -> Self {
        let (least, most) = ends(values).unwrap_or((bounds[0], bounds[1]));
        let step = even_step((most - least).max(RANGE_MIN) / MARKS);
        let low = (((least - 0.25 * step) / step).floor() * step).max(bounds[0]);
        let high = (((most + 0.25 * step) / step).ceil() * step).clamp(low + step, bounds[1].max(low + step));
        Self { is_log: false, low, high, step, px }
    }

    /// Around all values, one power of ten at least. What is not positive lies at the lower end.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>, px: [f64; 2]) -> Self {
        let clamped = values.map(|value| value.clamp(LOG_VALUES[0], LOG_VALUES[1]).log10());
        let (least, most) = ends(clamped).unwrap_or((0.0, 1.0));
        // Room for what lies at either end.
        let (low, high) = ((least - 0.08).floor(), (most + 0.08).ceil());
        Self { is_log: true, low, high: high.max(low + 1.0), step: 1.0, px }
    }

    pub(super) fn low(&self) -> f64 {
        self.low
    }

    pub(super) fn high(&self) -> f64 {
        self.high
    }

    /// At the end where it lies beyond.
    pub(super) fn px(&self, value: f64) -> f64 {
        let place = if self.is_log { value.clamp(LOG_VALUES[0], LOG_VALUES[1]).log10() } else { value };
        let share = ((place - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.px[0] + (self.px[1] - self.px[0]) * share
    }

    /// Pixels, and what is written there.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        let count = ((self.high - self.low) / self.step).round() as u32;
        if !self.is_log {
            let at = |index: u32| self.low + f64::from(index) * self.step;
            let inside = (0..=count).map(at).filter(|value| *value <= self.high + self.step * 1e-6);
            return inside.map(|value| (self.px(value), format!("{value:.2}"))).collect();
        }
        let within: &[f64] = if self.high - self.low <= DECADES_FINE_MAX { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let of_decade = |index: u32| {
            let decade = 10_f64.powf(self.low + f64::from(index));
            within.iter().map(move |digit| digit * decade)
        };
        let values = (0..=count).flat_map(of_decade).filter(|value| value.log10() <= self.high + 1e-6);
        values.map(|value| (self.px(value), written(value))).collect()
    }
}

/// `0.05`, `20`, `5k`, `2M`.
fn written(value: f64) -> String {
    match value {
        value if value >= 0.999e6 => format!("{}M", (value / 1e6).round()),
        value if value >= 999.0 => format!("{}k", (value / 1e3).round()),
        value => format!("{}", (value * 1e3).round() / 1e3),
    }
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.map(|value| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// The next of 1, 2, 5 times a power of ten.
fn even_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].map(|step| step * power).into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(axis: &Axis) -> Vec<String> {
        axis.marks().into_iter().map(|(_, mark)| mark).collect()
    }

    #[test]
    fn a_linear_axis_holds_all_values_between_even_marks() {
        let axis = Axis::linear([0.17, 0.43].into_iter(), [0.0, 1.0], [100.0, 0.0]);
        assert_eq!(marks(&axis), ["0.15", "0.20", "0.25", "0.30", "0.35", "0.40", "0.45"]);
        assert_eq!((axis.px(0.15), axis.px(0.45), axis.px(7.0)), (100.0, 0.0, 0.0));
        let flat = Axis::linear([0.5].into_iter(), [0.0, 1.0], [100.0, 0.0]);
        assert!(flat.low() < 0.5 && flat.high() > 0.5);
        for value in [0.0, 1.0] {
            let at_the_edge = Axis::linear([value].into_iter(), [0.0, 1.0], [100.0, 0.0]);
            assert!(at_the_edge.low() >= 0.0 && at_the_edge.high() > at_the_edge.low());
            assert!(at_the_edge.px(value).is_finite());
        }
    }

    #[test]
    fn a_logarithmic_axis_has_room_and_no_place_for_nothing() {
        let axis = Axis::logarithmic([40.0, 300.0].into_iter(), [0.0, 200.0]);
        assert_eq!(marks(&axis), ["10", "20", "50", "100", "200", "500", "1k"]);
        assert_eq!((axis.px(100.0), axis.px(0.0)), (100.0, 0.0));
        let wide = Axis::logarithmic([0.0, 2e6].into_iter(), [0.0, 200.0]);
        assert_eq!(marks(&wide)[..3], ["0", "0.001", "0.01"].map(str::to_owned)[..]);
        assert!(wide.px(f64::MAX) <= 200.0);
    }
}
