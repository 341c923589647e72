//! Time that goes faster or slower: livelier and lazier animals, and the same act at another speed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::chance::happens;
use super::config::Augmentation;
use crate::poses::Keypoint;

/// Sets the draws of a stretch apart from those of [`super::augment`] with the same seed.
const SEED_SALT: u64 = 0x7374_7265_7463_6865;

/// What positions may be off by rounding, in ticks: one that is this little beyond the last source tick is on it.
const POSITION_ERROR: f64 = 1e-6;

/// How fast the ticks of a source are played: tick t of the result is what happened at t × factor.
///
/// Source ticks are counted from the first that the result shows. To use it: take [`Self::source_ticks`] of them,
/// [`Self::resample`] their points, and take the labels of [`Self::source_tick`]; then [`super::augment`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    factor: f64,
}

impl Stretch {
    /// Time as it was.
    pub const NONE: Self = Self { factor: 1.0 };

    /// Source ticks per tick: above 1 animals are faster than they were. One that is not within 0.01 to 100 is taken
    /// for 1.
    pub fn new(factor: f64) -> Self {
        if (0.01..=100.0).contains(&factor) { Self { factor } } else { Self::NONE }
    }

    /// Between 1 / (1 + [`Augmentation::stretch_spread`]) and its inverse, evenly in the logarithm; the same seed draws
    /// alike.
    pub fn draw(how: &Augmentation, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ SEED_SALT);
        if !happens(how.stretch_chance, &mut rng) {
            return Self::NONE;
        }
        Self::new((rng.random_range(-1.0..=1.0) * how.stretch_spread.ln_1p()).exp())
    }

    /// No faster than that `ticks` need no more than `available` source ticks: near its end a recording has no more.
    #[must_use]
    pub fn fitting(self, ticks: usize, available: usize) -> Self {
        if self.source_ticks(ticks) <= available {
            return self;
        }
        Self { factor: available.saturating_sub(1) as f64 / ticks.saturating_sub(1).max(1) as f64 }
    }

    pub fn factor(self) -> f64 {
        self.factor
    }

    /// How many source ticks `ticks` need.
    pub fn source_ticks(self, ticks: usize) -> usize {
        ticks.checked_sub(1).map_or(0, |last| (self.position(last) - POSITION_ERROR).ceil() as usize + 1)
    }

    /// The source tick whose labels are those of a tick: the nearest. Never beyond [`Self::source_ticks`].
    pub fn source_tick(self, tick: usize) -> usize {
        self.position(tick).round() as usize
    }

    /// Where in the source a tick lies, in source ticks.
    pub fn position(self, tick: usize) -> f64 {
        tick as f64 * self.factor
    }

    /// The points of `ticks` ticks, `width` each. What lies beyond the source is missing.
    ///
    /// Between two source ticks a point lies on the straight line if both have it, with the lesser confidence.
    /// Otherwise it is where the one has it that is at most half a tick away, and missing if that one has not.
    pub fn resample(self, source: &[Keypoint], width: usize, ticks: usize) -> Vec<Keypoint> {
        let mut points = Vec::with_capacity(ticks * width);
        let row = |tick: usize| source.get(tick * width..(tick + 1) * width);
        for tick in 0..ticks {
            let position = self.position(tick);
            let before = position as usize;
            let along = (position - before as f64) as f32;
            let Some(earlier) = row(before) else {
                points.resize(points.len() + width, Keypoint::MISSING);
                continue;
            };
            // Where the source ends there is no later one.
            let later = row(before + 1);
            points.extend(earlier.iter().enumerate().map(|(column, earlier)| {
                between(earlier, later.map_or(&Keypoint::MISSING, |later| &later[column]), along)
            }));
        }
        points
    }
}

/// The point `along` (0 to 1) the way between two ticks.
fn between(earlier: &Keypoint, later: &Keypoint, along: f32) -> Keypoint {
    match (earlier.is_present(), later.is_present()) {
        (true, true) if along > 0.0 => Keypoint {
            x: earlier.x * (1.0 - along) + later.x * along,
            y: earlier.y * (1.0 - along) + later.y * along,
            confidence: earlier.confidence.min(later.confidence),
        },
        (true, _) if along <= 0.5 => *earlier,
        (_, true) if along >= 0.5 => *later,
        _ => Keypoint::MISSING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32) -> Keypoint {
        Keypoint { x, y: 3.0 - 2.0 * x, confidence: 0.5 + 0.001 * x }
    }

    #[test]
    fn even_motion_stays_even_at_the_speed_of_the_factor() {
        for factor in [0.5, 0.87, 1.0, 1.15, 2.0] {
            let stretch = Stretch::new(factor);
            let source: Vec<Keypoint> = (0..stretch.source_ticks(200)).map(|tick| at(tick as f32 * 0.1)).collect();
            let points = stretch.resample(&source, 1, 200);
            for (tick, point) in points.iter().enumerate() {
                let expected = at(tick as f32 * 0.1 * factor as f32);
                // Single precision at 40 body lengths.
                assert!((point.x - expected.x).abs() < 1e-4 && (point.y - expected.y).abs() < 1e-4, "{factor} {tick}");
                assert!(point.confidence <= expected.confidence + 1e-6, "{factor} {tick}: the lesser of two");
            }
        }
    }

    #[test]
    fn labels_go_along_with_points() {
        for factor in [0.5, 0.87, 1.0, 1.15, 2.0] {
            let stretch = Stretch::new(factor);
            let sources: Vec<usize> = (0..300).map(|tick| stretch.source_tick(tick)).collect();
            let needed = stretch.source_ticks(300);
            assert_eq!(sources[0], 0);
            assert!(needed - 1 - sources[299] <= 1, "{factor}: the last is as near as can be to the end");
            let steps = if factor <= 1.0 { 0..=1 } else { 1..=2 };
            assert!(sources.windows(2).all(|pair| steps.contains(&(pair[1] - pair[0]))), "{factor}");
            let near = |tick: usize| (stretch.position(tick) - sources[tick] as f64).abs() <= 0.5;
            assert!((0..300).all(near), "{factor}");
        }
    }

    #[test]
    fn a_point_that_is_missing_is_not_made_up() {
        let (there, gone) = (at(1.0), Keypoint::MISSING);
        for (earlier, later, along, expected) in [
            (there, gone, 0.0, there),
            (there, gone, 0.5, there),
            (there, gone, 0.6, gone),
            (gone, there, 0.0, gone),
            (gone, there, 0.4, gone),
            (gone, there, 0.5, there),
            (gone, gone, 0.5, gone),
        ] {
            assert_eq!(between(&earlier, &later, along), expected, "{along}");
        }
        assert_eq!(Stretch::new(1.5).resample(&[there; 3], 1, 4), [there, there, gone, gone], "beyond the source");
    }

    #[test]
    fn time_as_it_was_changes_nothing() {
        let source: Vec<Keypoint> =
            (0..60).map(|index| if index % 7 == 0 { Keypoint::MISSING } else { at(index as f32) }).collect();
        assert_eq!(Stretch::NONE.source_ticks(20), 20);
        assert_eq!(Stretch::NONE.resample(&source, 3, 20), source);
        assert_eq!(Stretch::NONE.source_ticks(0), 0);
    }

    #[test]
    fn what_is_there_is_enough_after_fitting() {
        for ticks in 1..200 {
            for available in 1..300 {
                let wanted = Stretch::new(1.3);
                let fitted = wanted.fitting(ticks, available);
                assert!(fitted.source_ticks(ticks) <= available, "{ticks} of {available}");
                assert!(fitted.source_tick(ticks - 1) < available, "{ticks} of {available}");
                assert!(fitted == wanted || wanted.source_ticks(ticks) > available, "{ticks} of {available}");
            }
        }
        assert_eq!(Stretch::new(1.3).fitting(100, 100), Stretch::NONE);
    }

    #[test]
    fn factors_are_drawn_evenly_about_one() {
        let how = Augmentation { stretch_chance: 1.0, stretch_spread: 0.25, ..Augmentation::default() };
        let factors: Vec<f64> = (0..2000).map(|seed| Stretch::draw(&how, seed).factor()).collect();
        assert!(factors.iter().all(|factor| (0.8..=1.25).contains(factor)));
        let mean = factors.iter().map(|factor| factor.ln()).sum::<f64>() / 2000.0;
        // Five standard errors: 0.223 / √3 / √2000 = 0.0029.
        assert!(mean.abs() < 0.015, "{mean}");
        assert!(factors.iter().any(|factor| *factor < 0.81) && factors.iter().any(|factor| *factor > 1.23));
        assert_eq!(Stretch::draw(&how, 5), Stretch::draw(&how, 5));
        let off = Augmentation { stretch_chance: 0.0, ..how };
        assert!((0..100).all(|seed| Stretch::draw(&off, seed) == Stretch::NONE));
        assert_eq!(Stretch::new(f64::NAN), Stretch::NONE);
    }
}
