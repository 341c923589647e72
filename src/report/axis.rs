//! From values to pixels.

use super::markup::written;

/// Values beyond these are taken for garbage, and not drawn.
const VALUE_MAX: f64 = 1e12;

/// The lowest power of ten of a logarithmic axis, and the most powers that one spans.
const DECADE_MIN: f64 = -9.0;
const DECADES_MAX: f64 = 12.0;

/// Room for 0 at the left edge of a logarithmic axis.
const ZERO_PX: f64 = 26.0;

/// Marks of an axis across and of an upright one, about so many pixels apart.
const APART_PX: [f64; 2] = [46.0, 30.0];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
    /// Logarithmic, with 0 and what lies under the first mark at the edge.
    LogAndZero,
}

/// Part of a scale, from one pixel to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    step: f64,
    from_px: f64,
    to_px: f64,
}

/// What lies within an axis's reach.
pub(super) fn is_drawable(value: f64) -> bool {
    value.abs() <= VALUE_MAX
}

impl Axis {
    /// From 0 to 1.
    pub(super) fn share(px: [f64; 2]) -> Self {
        let step = if (px[1] - px[0]).abs() > 150.0 { 0.2 } else { 0.25 };
        Self { scale: Scale::Linear, low: 0.0, high: 1.0, step, from_px: px[0], to_px: px[1] }
    }

    /// Around those values, from one even mark to another; from 0 to 1 where there is none.
    pub(super) fn linear(values: impl Iterator<Item = f64>, px: [f64; 2]) -> Self {
        let (low, high) = ends(values).unwrap_or((0.0, 1.0));
        // Equal values lie in the middle.
        let pad = if high - low > 1e-12 * high.abs().max(low.abs()) { 0.0 } else { low.abs().max(1e-3) };
        let (low, high) = (low - pad, high + pad);
        let step = even_step((high - low) / marks_max(px));
        let outer = |value: f64, round: fn(f64) -> f64| round(value / step) * step;
        let low = outer(low + step * 1e-9, f64::floor);
        let high = outer(high - step * 1e-9, f64::ceil).max(low + step);
        Self { scale: Scale::Linear, low, high, step, from_px: px[0], to_px: px[1] }
    }

    /// Between those values, whatever marks lie there: for time, which begins and ends where it does.
    pub(super) fn tight(low: f64, high: f64, px: [f64; 2]) -> Self {
        let (low, high) = if high > low && is_drawable(low) && is_drawable(high) { (low, high) } else { (0.0, 1.0) };
        let step = even_step((high - low) / marks_max(px));
        Self { scale: Scale::Linear, low, high, step, from_px: px[0], to_px: px[1] }
    }

    /// Around the positive ones of those values, from one power of ten to another.
    pub(super) fn log(values: impl Iterator<Item = f64>, px: [f64; 2]) -> Self {
        Self::powers(Scale::Log, values, px)
    }

    /// The same with 0 at the edge.
    pub(super) fn log_and_zero(values: impl Iterator<Item = f64>, px: [f64; 2]) -> Self {
        Self::powers(Scale::LogAndZero, values, px)
    }

    fn powers(scale: Scale, values: impl Iterator<Item = f64>, px: [f64; 2]) -> Self {
        let (low, high) = ends(values.filter(|value| *value > 0.0)).unwrap_or((0.1, 10.0));
        let high = (high.log10() - 1e-9).ceil().max(DECADE_MIN + 1.0);
        let low = (low.log10() + 1e-9).floor().clamp(DECADE_MIN.max(high - DECADES_MAX), high - 1.0);
        Self { scale, low, high, step: 1.0, from_px: px[0], to_px: px[1] }
    }

    /// Where a value is drawn: at the edge where it lies beyond, and nowhere where it is none.
    pub(super) fn px(&self, value: f64) -> Option<f64> {
        if !is_drawable(value) {
            return None;
        }
        let (from, place) = match self.scale {
            Scale::Linear => (self.from_px, value),
            Scale::Log => (self.from_px, value.max(f64::MIN_POSITIVE).log10()),
            // Positive and yet under the first mark cannot be told from 0 here.
            Scale::LogAndZero if value <= 0.0 || value.log10() < self.low => return Some(self.from_px),
            Scale::LogAndZero => (self.log_from_px(), value.log10()),
        };
        let share = ((place - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        Some(from + (self.to_px - from) * share)
    }

    fn log_from_px(&self) -> f64 {
        self.from_px + ZERO_PX * (self.to_px - self.from_px).signum()
    }

    /// Where 0 ends and the powers of ten begin, if that is how this axis is.
    pub(super) fn zero_gap_px(&self) -> Option<[f64; 2]> {
        (self.scale == Scale::LogAndZero).then(|| [self.from_px, self.log_from_px()])
    }

    pub(super) fn ends_px(&self) -> [f64; 2] {
        [self.from_px, self.to_px]
    }

    /// Marks: pixels, and what is written there.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let every = if self.scale == Scale::Linear {
            self.step
        } else {
            ((self.high - self.low) * 26.0 / (self.to_px - self.from_px).abs()).ceil().max(1.0)
        };
        let first = (self.low / every - 1e-6).ceil();
        let places = (0..64).map(|index| (first + f64::from(index)) * every);
        let places = places.take_while(|place| *place <= self.high + every * 1e-6);
        let mut ticks: Vec<(f64, String)> = places
            .filter_map(|place| {
                let value = if self.scale == Scale::Linear { place } else { 10_f64.powf(place) };
                Some((self.px(value * (1.0 + 1e-12))?, self.label(place)))
            })
            .collect();
        if self.scale == Scale::LogAndZero {
            ticks.insert(0, (self.from_px, "0".to_owned()));
        }
        ticks
    }

    fn label(&self, place: f64) -> String {
        if self.scale != Scale::Linear {
            return match place {
                place if self.high > 5.0 || self.low < -3.0 => format!("1e{place:.0}"),
                place => written(10_f64.powf(place), (-place).max(0.0) as usize),
            };
        }
        let magnitude = self.low.abs().max(self.high.abs());
        if !(1e-3..1e5).contains(&magnitude) {
            let digits = (magnitude / self.step).log10().ceil().clamp(0.0, 3.0) as usize;
            return if place == 0.0 { "0".to_owned() } else { format!("{place:.digits$e}") };
        }
        let digits = (0..6).find(|digits| {
            let scaled = self.step * 10_f64.powi(*digits);
            (scaled - scaled.round()).abs() < 1e-6
        });
        written(place, digits.unwrap_or(6) as usize)
    }
}

/// How many marks an axis has room for. Pixels count downwards, so an upright axis runs from more to fewer.
fn marks_max([from, to]: [f64; 2]) -> f64 {
    ((to - from).abs() / APART_PX[usize::from(to < from)]).max(2.0)
}

/// The least and the greatest.
fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let pairs = values.filter(|value| is_drawable(*value)).map(|value| (value, value));
    pairs.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// The next of 1, 2, 2.5, 5 times a power of ten.
fn even_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-12).log10().floor());
    [1.0, 2.0, 2.5, 5.0].map(|step| step * power).into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}
