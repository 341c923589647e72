//! The crops that are drawn from annotated recordings, and what the network is given of them.

use rand::RngExt;
use rand::rngs::StdRng;

use super::augment::augment;
use super::config::{Augmentation, Schedule};
use crate::buffer::ring::TickRing;
use crate::corpus::session::Session;
use crate::features::Extractor;
use crate::model::inputs::InputsBuilder;
use crate::time::DelayTicks;

/// Features of a stretch of a session, computed as if the animals had just appeared at its first tick.
pub fn inputs(
    session: &Session,
    first: usize,
    ticks: usize,
    change: Option<(&Augmentation, u64)>,
    into: &mut InputsBuilder,
) {
    let keypoints = session.skeleton.keypoints().len();
    let width = session.individuals * keypoints;
    let mut points = session.stretch(first, ticks).to_vec();
    if let Some((how, seed)) = change {
        augment(&mut points, session.individuals, keypoints, how, seed);
    }
    let mut ring = TickRing::new(width);
    let mut extractor = Extractor::new(session.skeleton.clone(), session.individuals);
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

/// Draws crops: some anywhere, some around a bout of an evenly chosen behavior, so that rare ones are met.
#[derive(Debug)]
pub struct Sampler {
    /// For each behavior that ever happens, (session, tick) of every onset.
    onsets: Vec<Vec<(usize, usize)>>,
    /// Ticks of each session.
    ticks: Vec<usize>,
    crop_ticks: usize,
    rare_share: f64,
}

impl Sampler {
    /// # Errors
    /// No session, or one that is shorter than a crop.
    pub fn new(sessions: &[Session], schedule: &Schedule) -> anyhow::Result<Self> {
        let crop_ticks = schedule.crop_ticks as usize;
        anyhow::ensure!(!sessions.is_empty(), "expected at least one training recording, got none");
        if let Some(short) = sessions.iter().find(|session| session.ticks < crop_ticks) {
            anyhow::bail!("{}: expected at least the {crop_ticks} ticks of a crop, got {}", short.name, short.ticks);
        }
        let behaviors = sessions.iter().flat_map(|session| &session.cells).map(|cell| usize::from(cell.behavior.0) + 1);
        let mut onsets = vec![Vec::new(); behaviors.max().unwrap_or(0)];
        for (index, session) in sessions.iter().enumerate() {
            let count = session.cells.len();
            for tick in 0..session.ticks {
                for (at, cell) in (tick * count..).zip(&session.cells) {
                    let before = tick > 0 && session.truth[at - count];
                    if session.truth[at] && session.labelled[at] && !before {
                        onsets[usize::from(cell.behavior.0)].push((index, tick));
                    }
                }
            }
        }
        onsets.retain(|onsets| !onsets.is_empty());
        let ticks = sessions.iter().map(|session| session.ticks).collect();
        Ok(Self { onsets, ticks, crop_ticks, rare_share: schedule.rare_share })
    }

    pub fn draw(&self, rng: &mut StdRng) -> Crop {
        let augmentation_seed = rng.random();
        if !self.onsets.is_empty() && rng.random_bool(self.rare_share) {
            let onsets = &self.onsets[rng.random_range(0..self.onsets.len())];
            let (session, tick) = onsets[rng.random_range(0..onsets.len())];
            let earliest = (tick + 1).saturating_sub(self.crop_ticks * 9 / 10);
            let first = rng.random_range(earliest..=tick).min(self.ticks[session] - self.crop_ticks);
            return Crop { session, first, augmentation_seed };
        }
        let session = rng.random_range(0..self.ticks.len());
        let first = rng.random_range(0..=self.ticks[session] - self.crop_ticks);
        Crop { session, first, augmentation_seed }
    }
}

/// Truth and labelled mask of a stretch for every delay: (T, D, N), delay D at tick t being about t − D.
pub fn targets(session: &Session, first: usize, ticks: usize, delays: &[DelayTicks]) -> (Vec<bool>, Vec<bool>) {
    let cells = session.cells.len();
    let size = ticks * delays.len() * cells;
    let (mut truth, mut labelled) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for tick in 0..ticks {
        for delay in delays {
            if let Some(about) = tick.checked_sub(delay.0 as usize) {
                let row = (first + about) * cells..(first + about + 1) * cells;
                truth.extend_from_slice(&session.truth[row.clone()]);
                labelled.extend_from_slice(&session.labelled[row]);
            } else {
                truth.extend(std::iter::repeat_n(false, cells));
                labelled.extend(std::iter::repeat_n(false, cells));
            }
        }
    }
    (truth, labelled)
}
