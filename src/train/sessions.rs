//! Annotated recordings as ticks, and the crops that are drawn from them.

use anyhow::Context;
use rand::RngExt;
use rand::rngs::StdRng;

use super::augment::augment;
use super::config::{Augmentation, Schedule};
use crate::behavior::{Cell, Ethogram};
use crate::buffer::ring::TickRing;
use crate::buffer::ticks::{Ticked, Ticker, frames_per_tick};
use crate::corpus::Annotated;
use crate::features::Extractor;
use crate::model::inputs::InputsBuilder;
use crate::poses::Keypoint;
use crate::skeleton::Skeleton;
use crate::time::DelayTicks;

/// One annotated recording in ticks.
#[derive(Clone, Debug)]
pub struct Session {
    pub name: String,
    pub skeleton: Skeleton,
    pub individuals: usize,
    pub cells: Vec<Cell>,
    pub ticks: usize,
    /// T × I × K, in body lengths.
    points: Vec<Keypoint>,
    /// T × N: whether the behavior of the cell was annotated at the tick.
    pub truth: Vec<bool>,
    /// T × N: whether the cell was up for annotation there.
    pub labelled: Vec<bool>,
}

impl Session {
    /// # Errors
    /// A recording whose frames cannot be turned into ticks.
    pub fn new(annotated: &Annotated, ethogram: &Ethogram) -> anyhow::Result<Self> {
        let recording = &annotated.recording;
        let stream = &recording.stream;
        let mut ticker = Ticker::new(stream);
        let mut ticked = Vec::new();
        for frame in &recording.frames {
            ticker.push(frame, &mut ticked).with_context(|| recording.name.clone())?;
        }
        ticker.flush(&mut ticked);
        let scale = (1.0 / stream.body_length_px()) as f32;
        let mut points = Vec::with_capacity(ticked.len() * stream.point_count());
        for ticked in ticked {
            match ticked {
                Ticked::Tick { keypoints, .. } => points.extend(keypoints.into_iter().map(|point| point.scaled(scale))),
                Ticked::Reset => {
                    anyhow::bail!("{}: a gap of 512 or more ticks; cut the recording there", recording.name)
                }
            }
        }
        let ticks = points.len() / stream.point_count();
        let individuals = stream.individuals().len();
        let cells = ethogram.cells(individuals);
        let mut session = Self {
            name: recording.name.clone(),
            skeleton: stream.skeleton().clone(),
            individuals,
            truth: vec![false; ticks * cells.len()],
            labelled: vec![false; ticks * cells.len()],
            cells,
            ticks,
            points,
        };
        let first = recording.frames.first().map_or(0, |frame| frame.number);
        let tick_of = |frame: u64| {
            let frames = frame.saturating_sub(first) as f64;
            ((frames / frames_per_tick(stream.rate_hz())).round() as usize).min(ticks)
        };
        session.label(annotated, ethogram, tick_of);
        Ok(session)
    }

    fn label(&mut self, annotated: &Annotated, ethogram: &Ethogram, tick_of: impl Fn(u64) -> usize) {
        let count = self.cells.len();
        for (index, cell) in self.cells.iter().enumerate() {
            let labels = &annotated.labels[ethogram.label_set_of(cell.behavior)];
            if !labels.annotated.contains(cell) {
                continue;
            }
            for range in &labels.scored {
                for tick in tick_of(range.start)..tick_of(range.end) {
                    self.labelled[tick * count + index] = true;
                }
            }
            for bout in labels.bouts.iter().filter(|bout| bout.cell == *cell) {
                for tick in tick_of(bout.start)..tick_of(bout.stop) {
                    self.truth[tick * count + index] = true;
                }
            }
        }
    }

    /// I × K points of every tick, in body lengths.
    pub fn points(&self) -> impl Iterator<Item = &[Keypoint]> {
        self.points.chunks_exact(self.individuals * self.skeleton.keypoints().len())
    }

    /// Features of a stretch, computed as if the animals had just appeared at its first tick.
    pub fn inputs(&self, first: usize, ticks: usize, change: Option<(&Augmentation, u64)>, into: &mut InputsBuilder) {
        let keypoints = self.skeleton.keypoints().len();
        let width = self.individuals * keypoints;
        let mut points = self.points[first * width..(first + ticks) * width].to_vec();
        if let Some((how, seed)) = change {
            augment(&mut points, self.individuals, keypoints, how, seed);
        }
        let mut ring = TickRing::new(width);
        let mut extractor = Extractor::new(self.skeleton.clone(), self.individuals);
        for points in points.chunks_exact(width) {
            ring.push(points);
            into.push(extractor.advance(&ring));
        }
    }
}

/// A stretch of a session that a training step looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    pub session: usize,
    pub first: usize,
    pub augmentation_seed: u64,
}

/// Draws crops: some anywhere, some around a bout of an evenly chosen cell, so that rare behaviors are met.
#[derive(Debug)]
pub struct Sampler {
    /// For each cell that ever happens, (session, tick) of every onset.
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
        let cells = sessions.iter().map(|session| session.cells.len()).max().unwrap_or(0);
        let mut onsets = vec![Vec::new(); cells];
        for (index, session) in sessions.iter().enumerate() {
            let count = session.cells.len();
            for tick in 0..session.ticks {
                for (cell, onsets) in onsets.iter_mut().enumerate().take(count) {
                    let at = tick * count + cell;
                    let before = tick > 0 && session.truth[at - count];
                    if session.truth[at] && session.labelled[at] && !before {
                        onsets.push((index, tick));
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
