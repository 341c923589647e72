//! Crops of annotated recordings, and what the network is given of them. [`super::sampler`] draws them.

use super::augment::{Stretch, augment};
use super::config::Augmentation;
use crate::buffer::ring::TickRing;
use crate::corpus::session::{Session, SessionError};
use crate::features::Extractor;
use crate::model::inputs::InputsBuilder;
use crate::poses::Keypoint;
use crate::time::DelayTicks;

/// Features of a stretch of a session, computed as if the animals had just appeared at its first tick.
///
/// # Errors
/// Points that cannot be read.
pub fn inputs(
    session: &Session,
    first: usize,
    ticks: usize,
    has_statistics: bool,
    into: &mut InputsBuilder,
) -> Result<(), SessionError> {
    features(session, &session.stretch(first, ticks)?, has_statistics, into);
    Ok(())
}

fn features(session: &Session, points: &[Keypoint], has_statistics: bool, into: &mut InputsBuilder) {
    let width = session.individuals * session.skeleton.keypoints().len();
    let mut ring = TickRing::new(width);
    let mut extractor = Extractor::new(session.skeleton.clone(), session.individuals, has_statistics);
    for points in points.chunks_exact(width) {
        ring.push(points);
        into.push(extractor.advance(&ring));
    }
}

/// A stretch of a session that a training step looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    pub session: usize,
    pub first: usize,
    pub augmentation_seed: u64,
}

impl Crop {
    /// How fast the crop is played.
    fn stretch(self, session: &Session, ticks: usize, how: &Augmentation) -> Stretch {
        Stretch::draw(how, self.augmentation_seed).fitting(ticks, session.ticks - self.first)
    }

    /// For each tick of the crop, the tick of the session whose labels it has.
    pub fn sources(self, session: &Session, ticks: usize, how: &Augmentation) -> Vec<usize> {
        let stretch = self.stretch(session, ticks, how);
        (0..ticks).map(|tick| self.first + stretch.source_tick(tick)).collect()
    }

    /// Features of the crop, altered by its seed.
    ///
    /// # Errors
    /// Points that cannot be read.
    pub fn inputs(
        self,
        session: &Session,
        ticks: usize,
        confidence_min: f32,
        how: &Augmentation,
        has_statistics: bool,
        into: &mut InputsBuilder,
    ) -> Result<(), SessionError> {
        let stretch = self.stretch(session, ticks, how);
        let keypoints = session.skeleton.keypoints().len();
        let source = session.stretch(self.first, stretch.source_ticks(ticks))?;
        let mut points = stretch.resample(&source, session.individuals * keypoints, ticks);
        augment(&mut points, session.individuals, keypoints, confidence_min, how, self.augmentation_seed);
        features(session, &points, has_statistics, into);
        Ok(())
    }
}

/// Truth and labelled mask of ticks with the labels of these ticks of a session, for every delay: (T, D, N), delay D at
/// tick t being about t − D.
pub fn targets(session: &Session, sources: &[usize], delays: &[DelayTicks]) -> (Vec<bool>, Vec<bool>) {
    let cells = session.cells.len();
    let size = sources.len() * delays.len() * cells;
    let (mut truth, mut labelled) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for tick in 0..sources.len() {
        for delay in delays {
            if let Some(about) = tick.checked_sub(delay.0 as usize) {
                let row = sources[about] * cells..(sources[about] + 1) * cells;
                truth.extend(row.clone().map(|at| session.truth[at]));
                labelled.extend(row.map(|at| session.labelled[at]));
            } else {
                truth.extend(std::iter::repeat_n(false, cells));
                labelled.extend(std::iter::repeat_n(false, cells));
            }
        }
    }
    (truth, labelled)
}
