//! Where two animals seem to have exchanged their names.

use super::{animal, distance_px, sampling_stride};
use crate::acquire::identity::Identity;
use crate::corpus::RawRecording;
use crate::inspect::Quantiles;
use crate::poses::Frame;
use crate::skeleton::INDIVIDUALS_MAX;
use crate::stream::{BODY_LENGTH_PX_MAX, BODY_LENGTH_PX_MIN, Identities};

/// Most animals that the estimate of a scale looks at.
const SCALE_ANIMALS_MAX: usize = 20_000;

/// How long an animal of this recording is, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// The recording states it.
    Stated(f64),
    /// The median distance from front to rear.
    BodyAxis(f64),
    /// No skeleton says what front and rear are: the median, over the animals seen with two points or more, of the
    /// greatest distance between two points of one animal. Whatever belongs to it counts, a tail too.
    Span(f64),
}

/// The exchanges that the watch over live identities ([`Identity`]) tells of when it is led through a recording. Only
/// places tell animals apart, so an exchange while animals lie on each other, or both are out of sight, is not seen.
#[derive(Clone, Debug, PartialEq)]
pub struct SwapWatch {
    /// What a body length was taken for; `None` where nothing could be watched: fewer than two animals or more than
    /// [`INDIVIDUALS_MAX`], or no animal that shows its size.
    pub scale: Option<Scale>,
    /// By ascending frame.
    pub suspected: Vec<SuspectedSwap>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuspectedSwap {
    /// The first frame in the new order, or the first after the refractory period of the swap before.
    pub frame: u64,
    pub first: usize,
    pub second: usize,
    /// Within [0, 1].
    pub confidence: f32,
}

impl Scale {
    pub(super) fn of(raw: &RawRecording, axis_px: Option<Quantiles>) -> Option<Self> {
        let usable = |px: &f64| (BODY_LENGTH_PX_MIN..=BODY_LENGTH_PX_MAX).contains(px);
        let stated = raw.stated.body_length_px.filter(usable).map(Self::Stated);
        let axis = || axis_px.map(|lengths| lengths.p50).filter(usable).map(Self::BodyAxis);
        stated.or_else(axis).or_else(|| span_px(raw).filter(usable).map(Self::Span))
    }

    pub fn px(self) -> f64 {
        match self {
            Self::Stated(px) | Self::BodyAxis(px) | Self::Span(px) => px,
        }
    }
}

fn span_px(raw: &RawRecording) -> Option<f64> {
    let animals = raw.frames.len().saturating_mul(raw.individuals.len());
    let stride = sampling_stride(raw).max(animals / SCALE_ANIMALS_MAX);
    let frames = raw.frames.iter().step_by(stride);
    let spans =
        frames.flat_map(|frame| (0..raw.individuals.len()).map(move |slot| animal(raw, frame, slot))).map(|points| {
            let others = points.iter().enumerate().flat_map(|(index, a)| points[..index].iter().map(move |b| (a, b)));
            let distances = others.map(|(a, b)| distance_px(a, b)).filter(|distance| distance.is_finite());
            distances.fold(f64::NAN, f64::max)
        });
    Quantiles::of(spans).map(|spans| spans.p50)
}

impl SwapWatch {
    pub(super) fn of(raw: &RawRecording, rate_hz: f64, scale: Option<Scale>) -> Self {
        let individuals = raw.individuals.len();
        let scale = scale.filter(|_| (2..=INDIVIDUALS_MAX).contains(&individuals));
        let Some(Scale::Stated(px) | Scale::BodyAxis(px) | Scale::Span(px)) = scale else {
            return Self { scale: None, suspected: Vec::new() };
        };
        let mut identity = Identity::new(Identities::Stable, individuals, raw.keypoints.len(), px, rate_hz);
        let mut passing = Frame { number: 0, capture_nanos: None, keypoints: Vec::new() };
        let mut suspected = Vec::new();
        for frame in &raw.frames {
            passing.clone_from(frame);
            if let Some(swap) = identity.take(&mut passing).swap {
                let (first, second) = (usize::from(swap.first.0), usize::from(swap.second.0));
                suspected.push(SuspectedSwap { frame: frame.number, first, second, confidence: swap.confidence });
            }
        }
        Self { scale, suspected }
    }
}
