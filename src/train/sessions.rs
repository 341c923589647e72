//! Annotated recordings as ticks, and the crops that are drawn from them.

use std::collections::HashSet;

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

/// Most ticks of a session: four days.
const TICKS_MAX: u64 = 10_000_000;

/// One annotated recording in ticks.
#[derive(Clone, Debug)]
pub struct Session {
    pub name: String,
    pub skeleton: Skeleton,
    pub individuals: usize,
    /// What somebody looked for in this recording, in the ethogram's order: the N of its labels and scores.
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
        let scale = (1.0 / stream.body_length_px()) as f32;
        let width = stream.point_count();
        let mut points = Vec::new();
        for (first, frames) in recording.stretches() {
            anyhow::ensure!(
                first <= TICKS_MAX,
                "{}: expected at most {TICKS_MAX} ticks, got {first} before a gap's end",
                recording.name
            );
            // Nobody is seen in a gap.
            points.resize((first as usize * width).max(points.len()), Keypoint::MISSING);
            let (mut ticker, mut ticked) = (Ticker::new(stream), Vec::new());
            for frame in frames {
                ticker.push(frame, &mut ticked).with_context(|| recording.name.clone())?;
            }
            ticker.flush(&mut ticked);
            for ticked in ticked {
                let Ticked::Tick { keypoints, .. } = ticked else {
                    anyhow::bail!("{}: a stretch of frames with a gap of a window", recording.name)
                };
                points.extend(keypoints.into_iter().map(|point| point.scaled(scale)));
            }
        }
        let ticks = points.len() / stream.point_count();
        let individuals = stream.individuals().len();
        let annotated_cells: HashSet<Cell> = annotated.labels.iter().flat_map(|set| &set.annotated).copied().collect();
        let mut cells = ethogram.cells(individuals);
        cells.retain(|cell| annotated_cells.contains(cell));
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

    /// Whether anybody looked for any behavior of a label set.
    pub fn has_set(&self, ethogram: &Ethogram, set: usize) -> bool {
        self.cells.iter().any(|cell| ethogram.label_set_of(cell.behavior) == set)
    }

    /// Appends ticks at which nobody is seen and nothing labelled, up to `ticks`, so that a crop fits in.
    pub fn pad(&mut self, ticks: usize) {
        let ticks = ticks.max(self.ticks);
        self.points.resize(ticks * self.individuals * self.skeleton.keypoints().len(), Keypoint::MISSING);
        self.truth.resize(ticks * self.cells.len(), false);
        self.labelled.resize(ticks * self.cells.len(), false);
        self.ticks = ticks;
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
