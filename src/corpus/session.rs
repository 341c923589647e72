//! An annotated recording in ticks: what training, fitting and baselines look at.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::cache::StoredPoints;
use super::flags::Flags;
use crate::behavior::{Behavior, Cell, Ethogram};
use crate::buffer::ticks::{Refused, Ticked, Ticker, frames_per_tick};
use crate::corpus::Annotated;
use crate::poses::Keypoint;
use crate::skeleton::Skeleton;

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("{recording}: expected at most {TICKS_MAX} ticks, got {ticks} before a gap's end")]
    Length { recording: String, ticks: u64 },
    #[error("{recording}: {source}")]
    Refused { recording: String, source: Refused },
    #[error("{0}: a stretch of frames with a gap of a window")]
    Gap(String),
    #[error("{}: {error}", file.display())]
    Read { file: PathBuf, error: std::io::Error },
}

/// Most ticks of a session: four days.
const TICKS_MAX: u64 = 10_000_000;

/// One annotated recording in ticks.
#[derive(Clone, Debug)]
pub struct Session {
    pub name: String,
    pub skeleton: Skeleton,
    pub individuals: usize,
    /// Of each individual.
    pub individual_names: Vec<String>,
    /// What somebody looked for in this recording, in the ethogram's order: the N of its labels and scores.
    pub cells: Vec<Cell>,
    pub ticks: usize,
    points: Points,
    /// T × N: whether the behavior of the cell was annotated at the tick.
    pub truth: Flags,
    /// T × N: whether the cell was up for annotation there.
    pub labelled: Flags,
}

/// T × I × K points, in body lengths: those of a session, or fewer where it was padded.
#[derive(Clone, Debug)]
pub(super) enum Points {
    Memory(Vec<Keypoint>),
    File(Arc<StoredPoints>),
}

/// Ticks that [`Session::points`] reads at once.
const READ_TICKS: usize = 4096;

impl Session {
    /// # Errors
    /// A recording whose frames cannot be turned into ticks.
    pub fn new(annotated: &Annotated, ethogram: &Ethogram) -> Result<Self, SessionError> {
        let recording = &annotated.recording;
        let stream = &recording.stream;
        let scale = (1.0 / stream.body_length_px()) as f32;
        let width = stream.point_count();
        let mut points = Vec::new();
        for (first, frames) in recording.stretches() {
            if first > TICKS_MAX {
                return Err(SessionError::Length { recording: recording.name.clone(), ticks: first });
            }
            // Nobody is seen in a gap.
            points.resize((first as usize * width).max(points.len()), Keypoint::MISSING);
            let (mut ticker, mut ticked) = (Ticker::new(stream), Vec::new());
            for frame in frames {
                let taken = ticker.push(frame, &mut ticked);
                taken.map_err(|source| SessionError::Refused { recording: recording.name.clone(), source })?;
            }
            ticker.flush(&mut ticked);
            for ticked in ticked {
                let Ticked::Tick { keypoints, .. } = ticked else {
                    return Err(SessionError::Gap(recording.name.clone()));
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
            individual_names: stream.individuals().to_vec(),
            truth: Flags::new(ticks * cells.len()),
            labelled: Flags::new(ticks * cells.len()),
            cells,
            ticks,
            points: Points::Memory(points),
        };
        let first = recording.frames.first().map_or(0, |frame| frame.number);
        let tick_of = |frame: u64| {
            let frames = frame.saturating_sub(first) as f64;
            ((frames / frames_per_tick(stream.rate_hz())).round() as usize).min(ticks)
        };
        session.label(annotated, ethogram, tick_of);
        Ok(session)
    }

    /// A session whose points stay in a file.
    pub(super) fn of_file(
        name: String,
        skeleton: Skeleton,
        individual_names: Vec<String>,
        cells: Vec<Cell>,
        points: StoredPoints,
        truth: Flags,
        labelled: Flags,
    ) -> Self {
        let ticks = points.ticks();
        let points = Points::File(Arc::new(points));
        let individuals = individual_names.len();
        Self { name, skeleton, individuals, individual_names, cells, ticks, points, truth, labelled }
    }

    pub(super) fn stored(&self) -> &Points {
        &self.points
    }

    fn label(&mut self, annotated: &Annotated, ethogram: &Ethogram, tick_of: impl Fn(u64) -> usize) {
        let count = self.cells.len();
        for (index, cell) in self.cells.iter().enumerate() {
            let labels = &annotated.labels[ethogram.label_set_of(cell.behavior)];
            for range in &labels.scored {
                for tick in tick_of(range.start)..tick_of(range.end) {
                    self.labelled.set(tick * count + index);
                }
            }
            for bout in labels.bouts.iter().filter(|bout| bout.cell == *cell) {
                for tick in tick_of(bout.start)..tick_of(bout.stop) {
                    self.truth.set(tick * count + index);
                }
            }
        }
    }

    /// Labelled bouts of a behavior, of all animals and pairs.
    pub fn bouts(&self, behavior: Behavior) -> usize {
        self.bout_ticks(behavior).len()
    }

    /// How long each of them is.
    pub fn bout_ticks(&self, behavior: Behavior) -> Vec<usize> {
        let count = self.cells.len();
        let is_on = |tick: usize, index: usize| {
            let at = tick * count + index;
            self.truth[at] && self.labelled[at]
        };
        let mut lengths = Vec::new();
        for (index, _) in self.cells.iter().enumerate().filter(|(_, cell)| cell.behavior == behavior) {
            let mut length = 0;
            for tick in 0..=self.ticks {
                if tick < self.ticks && is_on(tick, index) {
                    length += 1;
                } else if length > 0 {
                    lengths.push(std::mem::take(&mut length));
                }
            }
        }
        lengths
    }

    /// Whether anybody looked for any behavior of a label set.
    pub fn has_set(&self, ethogram: &Ethogram, set: usize) -> bool {
        self.cells.iter().any(|cell| ethogram.label_set_of(cell.behavior) == set)
    }

    /// Appends ticks at which nobody is seen and nothing labelled, up to `ticks`, so that a crop fits in.
    pub fn pad(&mut self, ticks: usize) {
        let ticks = ticks.max(self.ticks);
        self.truth.grow(ticks * self.cells.len());
        self.labelled.grow(ticks * self.cells.len());
        self.ticks = ticks;
    }

    /// I × K.
    fn width(&self) -> usize {
        self.individuals * self.skeleton.keypoints().len()
    }

    /// I × K points of every tick, in body lengths; of those in a file no more than a few minutes are in memory.
    ///
    /// # Errors
    /// As [`Session::stretch`].
    pub fn points(&self) -> impl Iterator<Item = Result<Vec<Keypoint>, SessionError>> {
        (0..self.ticks).step_by(READ_TICKS).flat_map(|first| {
            let read = self.stretch(first, READ_TICKS.min(self.ticks - first));
            let (points, error) = read.map_or_else(|error| (Cow::default(), Some(error)), |points| (points, None));
            let rows: Vec<_> = points.chunks_exact(self.width()).map(|row| Ok(row.to_vec())).collect();
            rows.into_iter().chain(error.map(Err))
        })
    }

    /// What tells this session from any other: its points, labels and what they are of.
    ///
    /// # Errors
    /// As [`Session::stretch`].
    pub fn digest(&self) -> Result<blake3::Hash, SessionError> {
        let mut hasher = blake3::Hasher::new();
        let Self { name, skeleton, individual_names, cells, ticks, .. } = self;
        hasher.update(format!("{name} {skeleton:?} {individual_names:?} {cells:?} {ticks}").as_bytes());
        hasher.update(self.truth.bytes()).update(self.labelled.bytes());
        for first in (0..self.ticks).step_by(READ_TICKS) {
            for point in self.stretch(first, READ_TICKS.min(self.ticks - first))?.iter() {
                for number in [point.x, point.y, point.confidence] {
                    hasher.update(&number.to_le_bytes());
                }
            }
        }
        Ok(hasher.finalize())
    }

    /// I × K points of the ticks from `first` on, tick by tick, in body lengths.
    ///
    /// # Errors
    /// Points in a file that cannot be read, or are no longer those that were written.
    ///
    /// # Panics
    /// Ticks past the end of the session.
    pub fn stretch(&self, first: usize, ticks: usize) -> Result<Cow<'_, [Keypoint]>, SessionError> {
        let (width, end) = (self.width(), first + ticks);
        assert!(end <= self.ticks, "ticks {first} to {end} of {}", self.ticks);
        let mut points = match &self.points {
            Points::Memory(points) if end * width <= points.len() => {
                return Ok(Cow::Borrowed(&points[first * width..end * width]));
            }
            Points::Memory(points) => points[(first * width).min(points.len())..].to_vec(),
            Points::File(stored) => {
                let first = first.min(stored.ticks());
                let read = stored.read(first, end.min(stored.ticks()) - first);
                read.map_err(|error| SessionError::Read { file: stored.path().to_path_buf(), error })?
            }
        };
        // Nobody is seen in what was added.
        points.resize(ticks * width, Keypoint::MISSING);
        Ok(Cow::Owned(points))
    }
}
