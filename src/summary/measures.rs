//! The measures of one cell, bin by bin.

use std::ops::Range;

use super::{BINS_MAX, Session, SummaryError};
use crate::corpus::spans;

/// What happened within some observed time; in frames, so that sums are exact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures {
    /// Bouts that begin within.
    pub count: u64,
    /// Those of them whose beginning or end nobody saw.
    pub cut_count: u64,
    /// From the start of the bin (or of the observation) to the first bout that begins within, holes in the scored time
    /// included.
    pub latency_frames: Option<u64>,
    /// Frames within on which it happened.
    pub total_frames: u64,
    /// Of the bouts that begin within, in whole; `None` where none does.
    pub durations: Option<Durations>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Durations {
    pub mean_frames: f64,
    /// Of an even number, the mean of the two in the middle.
    pub median_frames: f64,
    pub longest_frames: u64,
}

impl Durations {
    fn of(mut frames: Vec<u64>) -> Option<Self> {
        frames.sort_unstable();
        let longest_frames = *frames.last()?;
        let count = frames.len();
        let middle = frames[(count - 1) / 2] + frames[count / 2];
        let mean_frames = frames.iter().sum::<u64>() as f64 / count as f64;
        Some(Self { mean_frames, median_frames: middle as f64 / 2.0, longest_frames })
    }
}

/// Where bins begin and end.
pub(super) struct Edges {
    /// In frames, ascending; one more than there are bins.
    frames: Vec<u64>,
    /// Seconds from one to the next.
    step_secs: f64,
}

impl Edges {
    /// One bin over everything.
    pub fn whole(extent: &Range<u64>, rate_hz: f64) -> Self {
        Self { frames: vec![extent.start, extent.end], step_secs: (extent.end - extent.start) as f64 / rate_hz }
    }

    pub fn every(step_secs: f64, extent: &Range<u64>, session: &Session) -> Result<Self, SummaryError> {
        let step_frames = step_secs * session.rate_hz;
        if !(step_frames >= 1.0 && step_frames.is_finite()) {
            let (session, frame_secs) = (session.name.clone(), 1.0 / session.rate_hz);
            return Err(SummaryError::Bin { session, frame_secs, got: step_secs });
        }
        let edge = |index: u64| extent.start.saturating_add((index as f64 * step_frames).round() as u64);
        let mut bins = ((extent.end - extent.start) as f64 / step_frames).ceil() as u64;
        bins = bins.max(1);
        // Rounding may leave the last bin without a frame, or one frame beyond it.
        if bins > 1 && edge(bins - 1) >= extent.end {
            bins -= 1;
        }
        if edge(bins) < extent.end {
            bins += 1;
        }
        if bins > BINS_MAX {
            return Err(SummaryError::Bins { session: session.name.clone(), got: bins, bin_secs: step_secs });
        }
        Ok(Self { frames: (0..=bins).map(edge).collect(), step_secs })
    }

    fn bins(&self) -> impl Iterator<Item = Range<u64>> {
        self.frames.windows(2).map(|edges| edges[0]..edges[1])
    }

    /// The bin of a frame within.
    fn bin_of(&self, frame: u64) -> usize {
        self.frames.partition_point(|edge| *edge <= frame).saturating_sub(1)
    }
}

/// A bin with what happened in it.
pub(super) struct Bin {
    pub number: u64,
    pub secs: Range<f64>,
    pub observed_frames: u64,
    pub measures: Option<Measures>,
}

/// What is the same for all cells of a session.
pub(super) struct Observation {
    /// A set.
    scored: Vec<Range<u64>>,
    edges: Edges,
    observed_frames: Vec<u64>,
}

impl Observation {
    pub fn new(scored: Vec<Range<u64>>, edges: Edges) -> Self {
        let observed_frames = split(&scored, &edges);
        Self { scored, edges, observed_frames }
    }

    pub fn start(&self) -> Option<u64> {
        self.scored.first().map(|first| first.start)
    }

    /// The bins of a cell with these bouts.
    pub fn measure(&self, bouts: Vec<Range<u64>>) -> Vec<Bin> {
        let pieces = spans::intersection(&spans::union(bouts), &self.scored);
        let totals = split(&pieces, &self.edges);
        let bins = self.edges.bins().zip(&self.observed_frames).zip(totals).zip(1..);
        let mut rest = &pieces[..];
        bins.map(|(((frames, &observed_frames), total_frames), number)| {
            let (within, after) = rest.split_at(rest.partition_point(|piece| piece.start < frames.end));
            rest = after;
            let secs = (number - 1) as f64 * self.edges.step_secs..number as f64 * self.edges.step_secs;
            let measures = Measures {
                count: within.len() as u64,
                cut_count: within.iter().filter(|piece| self.is_cut(piece)).count() as u64,
                latency_frames: within.first().map(|first| first.start - frames.start),
                total_frames,
                durations: Durations::of(within.iter().map(|piece| piece.end - piece.start).collect()),
            };
            Bin { number, secs, observed_frames, measures: (observed_frames > 0).then_some(measures) }
        })
        .collect()
    }

    /// Whether a piece begins or ends where its scored stretch does.
    fn is_cut(&self, piece: &Range<u64>) -> bool {
        let stretch = self.scored.partition_point(|stretch| stretch.end <= piece.start);
        self.scored.get(stretch).is_some_and(|stretch| stretch.start == piece.start || stretch.end == piece.end)
    }
}

/// How many frames of a set lie in each bin.
fn split(set: &[Range<u64>], edges: &Edges) -> Vec<u64> {
    let mut lengths = vec![0; edges.frames.len() - 1];
    for range in set {
        for (bin, length) in lengths.iter_mut().enumerate().skip(edges.bin_of(range.start)) {
            let within = spans::clip(range, &(edges.frames[bin]..edges.frames[bin + 1]));
            if within.is_empty() {
                break;
            }
            *length += within.end - within.start;
        }
    }
    lengths
}
