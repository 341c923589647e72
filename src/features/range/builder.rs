//! From training recordings to an [`InputRange`].

use super::gauges::Gauges;
use super::window::Horizon;
use super::{Entry, InputRange, Limits, Quantity, Scale};
use crate::poses::Keypoint;
use crate::skeleton::Skeleton;

/// A limit lies this many deviations of the recordings' extremes beyond the most extreme recording.
const MARGIN: f32 = 1.0;

/// With one recording the margin is wider by this many times itself, with more by as much divided by their number: the
/// most extreme of few is not very extreme.
const MARGIN_OF_ONE: f32 = 3.0;

/// The deviation of extremes is estimated as if this many more recordings had been seen, of the deviation that
/// [`Scale::deviation_expected`] gives: few recordings say little about how far the next one may be off.
const EXPECTED_RECORDINGS: f32 = 2.0;

/// A limit of a share takes at most this part of what lies between the most extreme recording and the end of the scale.
const ROOM: f32 = 0.8;

/// Of the second difference of a point that stands still under normal noise of deviation 1 (on each axis): each
/// coordinate's has the deviation √6, so the quantile of its length is √6 · √(−2 ln 0.75).
const JITTER_OF_NOISE: f32 = 1.858;

/// Collects what windows of training recordings reach, recording by recording.
#[derive(Debug)]
pub struct RangeBuilder {
    noise: f32,
    gathered: Vec<Gathered>,
}

#[derive(Debug)]
struct Gathered {
    quantity: Quantity,
    part: Option<String>,
    /// By horizon: of each recording in which it was ever full.
    extremes: [Vec<Extremes>; 2],
}

/// The least and the most that a statistic ever was.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Extremes {
    low: f32,
    high: f32,
}

impl Extremes {
    fn and(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

impl RangeBuilder {
    /// `noise` is the largest deviation (body lengths, on each axis) of the noise that training adds to points: as much
    /// [`Quantity::Jitter`] is nothing new to the model, however quiet its recordings are.
    pub fn new(noise: f32) -> Self {
        Self { noise, gathered: Vec::new() }
    }

    /// Takes in a recording. Recordings may differ in skeleton and in number of individuals.
    ///
    /// # Shapes
    /// Each tick I × K points in body lengths, as the network is given them.
    pub fn add_recording(
        &mut self,
        skeleton: &Skeleton,
        individuals: usize,
        ticks: impl IntoIterator<Item = impl AsRef<[Keypoint]>>,
    ) {
        let mut gauges = Gauges::new(skeleton, individuals);
        let mut reached: Vec<[Option<Extremes>; 2]> = vec![[None; 2]; gauges.about().len()];
        for points in ticks {
            let Some((gauge, values)) = gauges.tick(points.as_ref()) else { continue };
            for (reached, value) in reached[gauge].iter_mut().zip(values) {
                if let Some(value) = value {
                    let now = Extremes { low: value, high: value };
                    *reached = Some(reached.map_or(now, |before| before.and(now)));
                }
            }
        }
        // A quantity that is kept animal by animal has one range: that of all of them.
        let mut by_quantity: Vec<(Quantity, Option<usize>, [Option<Extremes>; 2])> = Vec::new();
        for (gauge, reached) in gauges.about().iter().zip(reached) {
            match by_quantity.iter_mut().find(|known| (known.0, known.1) == (gauge.quantity, gauge.keypoint)) {
                Some((_, _, known)) => {
                    for (known, reached) in known.iter_mut().zip(reached) {
                        *known = known.map_or(reached, |known| Some(reached.map_or(known, |more| known.and(more))));
                    }
                }
                None => by_quantity.push((gauge.quantity, gauge.keypoint, reached)),
            }
        }
        for (quantity, keypoint, reached) in by_quantity {
            let gathered = self.of(quantity, keypoint.map(|keypoint| skeleton.keypoints()[keypoint].as_str()));
            for (extremes, reached) in gathered.extremes.iter_mut().zip(reached) {
                extremes.extend(reached);
            }
        }
    }

    fn of(&mut self, quantity: Quantity, part: Option<&str>) -> &mut Gathered {
        let same = |known: &Gathered| known.quantity == quantity && known.part.as_deref() == part;
        let index = self.gathered.iter().position(same).unwrap_or_else(|| {
            let (part, extremes) = (part.map(str::to_owned), [Vec::new(), Vec::new()]);
            self.gathered.push(Gathered { quantity, part, extremes });
            self.gathered.len() - 1
        });
        &mut self.gathered[index]
    }

    /// The range of all recordings together. What no recording was long enough for is left out, and nothing will be
    /// said about it.
    pub fn finish(self) -> InputRange {
        let entry = |gathered: Gathered| {
            let jitter = JITTER_OF_NOISE * self.noise;
            let known = |limits: Limits| Limits { high: limits.high.map(|high| rounded(high.max(jitter))), ..limits };
            let of = |horizon: Horizon| {
                let limits = limits(gathered.quantity, &gathered.extremes[horizon as usize]);
                if gathered.quantity == Quantity::Jitter { limits.map(known) } else { limits }
            };
            let (short, long) = (of(Horizon::Short), of(Horizon::Long));
            let Gathered { quantity, part, .. } = gathered;
            (short.is_some() || long.is_some()).then_some(Entry { quantity, part, short, long })
        };
        InputRange { entries: self.gathered.into_iter().filter_map(entry).collect() }
    }
}

/// Limits of one statistic from what each recording reached.
fn limits(quantity: Quantity, extremes: &[Extremes]) -> Option<Limits> {
    let scale = quantity.scale();
    let lows: Vec<f32> = extremes.iter().map(|extremes| scale.even(extremes.low)).collect();
    let highs: Vec<f32> = extremes.iter().map(|extremes| scale.even(extremes.high)).collect();
    let lowest = lows.iter().copied().reduce(f32::min)?;
    let highest = highs.iter().copied().reduce(f32::max)?;
    let margin = MARGIN * (1.0 + MARGIN_OF_ONE / extremes.len() as f32);
    let (low, high) = (lowest - margin * deviation(&lows, scale), highest + margin * deviation(&highs, scale));
    // However far shares of recordings are apart: what never was at an end of the scale is noticed when it is there.
    let (low, high) = match scale {
        Scale::Magnitude => (low, high),
        Scale::Share => (low.max(lowest * (1.0 - ROOM)), high.min(highest + ROOM * (1.0 - highest))),
    };
    let stored = |value: f32| rounded(scale.uneven(value));
    Some(Limits { low: quantity.has_low().then(|| stored(low)), high: quantity.has_high().then(|| stored(high)) })
}

/// Four decimals: finer than any statistic is known.
fn rounded(value: f32) -> f32 {
    (value * 1e4).round() / 1e4
}

fn deviation(values: &[f32], scale: Scale) -> f32 {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let squares: f32 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let expected = scale.deviation_expected().powi(2) * EXPECTED_RECORDINGS;
    ((squares + expected) / (count - 1.0 + EXPECTED_RECORDINGS)).sqrt()
}

impl Scale {
    /// The scale on which deviations are alike everywhere: octaves of magnitudes, shares as they are.
    fn even(self, value: f32) -> f32 {
        match self {
            Self::Magnitude => value.log2(),
            Self::Share => value,
        }
    }

    fn uneven(self, value: f32) -> f32 {
        match self {
            Self::Magnitude => value.exp2(),
            Self::Share => value,
        }
    }

    /// How far extremes of recordings of one rig are apart before any was seen: 0.3 octaves, 0.15 of the time.
    fn deviation_expected(self) -> f32 {
        match self {
            Self::Magnitude => 0.3,
            Self::Share => 0.15,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_lies_beyond_every_recording_and_further_the_fewer_there_were() {
        let of = |lows: &[f32]| {
            let extremes: Vec<Extremes> = lows.iter().map(|&low| Extremes { low, high: low * 1.2 }).collect();
            limits(Quantity::BodyLength, &extremes).map(|limits| (limits.low.unwrap(), limits.high.unwrap()))
        };
        assert_eq!(of(&[]), None);
        let (one, many) = (of(&[1.0]).unwrap(), of(&[1.0; 20]).unwrap());
        assert!(one.0 < many.0 && many.0 < 1.0 && 1.2 < many.1 && many.1 < one.1, "{one:?} {many:?}");
        assert!(one.0 < 0.5 && many.0 > 0.85, "one recording says little, many much: {one:?} {many:?}");
        let spread = of(&[0.8, 0.9, 1.0, 1.1]).unwrap();
        assert!(spread.0 < 0.8 && 1.32 < spread.1, "{spread:?}");
    }

    #[test]
    fn a_limit_leaves_room_only_where_there_is_some_and_none_stands_on_the_ordinary_side() {
        let of = |quantity| limits(quantity, &[Extremes { low: 0.3, high: 0.6 }]).unwrap();
        assert_eq!(of(Quantity::Forward).high, None);
        assert_eq!(of(Quantity::PartMissing).low, None);
        assert_eq!(of(Quantity::Speed).low, None);
        let often = limits(Quantity::PartMissing, &[Extremes { low: 0.1, high: 0.98 }]).unwrap();
        assert_eq!(often.high, Some(0.996), "a part that was seen at times is noticed when it never is");
        let always = limits(Quantity::PartMissing, &[Extremes { low: 0.9, high: 1.0 }]).unwrap();
        assert_eq!(always.high, Some(1.0), "a part that was missing throughout a recording may be missing");
    }
}
