//! Picked stretches, as people and BORIS get them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;

use super::select::Pick;
use crate::behavior::{Bout, Cell, Ethogram, Subject};
use crate::corpus::spans;
use crate::corpus::timeline::Timeline;
use crate::summary::{decimal, names};

/// The state event without subject under which somebody has looked.
pub const REVIEWED: &str = "reviewed";

const COLUMNS: [&str; 16] = [
    "rank",
    "session",
    "video_offset",
    "start_secs",
    "stop_secs",
    "label_set",
    "behavior",
    "agent",
    "target",
    "pair",
    "uncertainty",
    "score_low",
    "score_high",
    "threshold",
    "why",
    "predicted",
];

/// A session that was watched, by the same place as its [`super::Doubts`] had among those of [`super::select`].
#[derive(Clone, Debug)]
pub struct Session<'a> {
    pub name: &'a str,
    pub ethogram: &'a Ethogram,
    /// Names of the animals, by slot.
    pub individuals: &'a [String],
    /// When frames were taken, in seconds of the video.
    pub timeline: &'a Timeline,
    /// Numbers of the first frame, which is tick 0, and of one past the last; frame 0 is the start of the video.
    pub frames: Range<u64>,
    /// See [`crate::buffer::ticks::frames_per_tick`].
    pub frames_per_tick: f64,
    /// What was predicted at the chosen delay, in frames.
    pub bouts: &'a [Bout],
}

/// Somebody does something from one second of the video to another, as an event table has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `None` for a pair without direction, and for [`REVIEWED`].
    pub agent: Option<String>,
    /// `None` for a self behavior and for [`REVIEWED`]; both names in alphabetical order, joined by `+`, for a pair
    /// without direction.
    pub target: Option<String>,
    pub behavior: String,
    pub start_secs: f64,
    pub stop_secs: f64,
}

impl Session<'_> {
    fn frames_of(&self, ticks: &Range<u64>) -> Range<u64> {
        let frame = |tick: u64| {
            let past_first = (tick as f64 * self.frames_per_tick).round() as u64;
            self.frames.start.saturating_add(past_first).min(self.frames.end)
        };
        frame(ticks.start)..frame(ticks.end)
    }

    fn secs(&self, frame: u64) -> f64 {
        self.timeline.secs_of(frame)
    }

    fn event(&self, cell: Cell, frames: &Range<u64>) -> Event {
        let [agent, target, pair] = names(self.individuals, cell.subject);
        let (agent, target) = match cell.subject {
            Subject::One(_) => (Some(agent), None),
            Subject::Ordered { .. } => (Some(agent), Some(target)),
            Subject::Both { .. } => (None, Some(pair)),
        };
        let behavior = self.ethogram.spec(cell.behavior).name.clone();
        Event { agent, target, behavior, start_secs: self.secs(frames.start), stop_secs: self.secs(frames.end) }
    }

    /// The predicted bouts within a set of frames, cut to it, by start and cell.
    fn predicted(&self, set: &[Range<u64>]) -> Vec<(Range<u64>, Cell)> {
        let mut cells: Vec<Cell> = self.bouts.iter().map(|bout| bout.cell).collect();
        cells.sort_unstable();
        cells.dedup();
        let mut within: Vec<(Range<u64>, Cell)> = Vec::new();
        for cell in cells {
            let bouts = self.bouts.iter().filter(|bout| bout.cell == cell).map(|bout| bout.start..bout.stop);
            let pieces = spans::intersection(&spans::union(bouts.collect()), set);
            within.extend(pieces.into_iter().map(|piece| (piece, cell)));
        }
        within.sort_by_key(|(piece, cell)| (piece.start, *cell));
        within
    }
}

/// Writes a header and a row for each pick.
///
/// | column | |
/// |---|---|
/// | `rank` | 1 is worth most |
/// | `video_offset`, `start_secs`, `stop_secs` | hours:minutes:seconds.milliseconds, and seconds, from frame 0 |
/// | `behavior`, `agent`, `target`, `pair` | what is in doubt; a pair without direction has no agent and no target |
/// | `uncertainty` | mean doubt, within \[0, 1\] |
/// | `score_low`, `score_high` | of that behavior within, rounded in its odds by up to a thirtieth |
/// | `threshold` | where a bout of it begins; empty where none ever does |
/// | `why` | the same in words |
/// | `predicted` | the bouts within, as the model has them |
///
/// Picks of sessions that are not there, or without a frame, are left out.
///
/// # Errors
/// What writing gives.
pub fn write_csv(out: impl Write, picks: &[Pick], sessions: &[Session]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS)?;
    for (rank, pick) in (1..).zip(picks) {
        let Some(session) = sessions.get(pick.session) else { continue };
        let frames = session.frames_of(&pick.proposal.ticks);
        if !frames.is_empty() {
            csv.write_record(row(rank, pick, session, frames))?;
        }
    }
    csv.flush()
}

fn row(rank: usize, pick: &Pick, session: &Session, frames: Range<u64>) -> [String; COLUMNS.len()] {
    let proposal = &pick.proposal;
    let (behavior, (low, high)) = (proposal.cell.behavior, proposal.scores);
    let [agent, target, pair] = names(session.individuals, proposal.cell.subject);
    let (start_secs, stop_secs) = (session.secs(frames.start), session.secs(frames.end));
    let score = |score: f32| decimal(f64::from(score), 3);
    [
        rank.to_string(),
        session.name.to_string(),
        clock(start_secs),
        decimal(start_secs, 6),
        decimal(stop_secs, 6),
        session.ethogram.label_sets()[session.ethogram.label_set_of(behavior)].name.clone(),
        session.ethogram.spec(behavior).name.clone(),
        agent,
        target,
        pair,
        score(proposal.doubt),
        score(low),
        score(high),
        proposal.threshold.map(score).unwrap_or_default(),
        why(proposal.scores, proposal.threshold),
        predicted(session, frames),
    ]
}

/// What is doubtful about scores.
fn why((low, high): (f32, f32), threshold: Option<f32>) -> String {
    match threshold {
        None => format!("never predicted by this model; it scores up to {high:.2} here"),
        Some(on) if low < on && on <= high => format!("the score crosses its threshold {on:.2}"),
        Some(on) if high < on => format!("the score comes close to its threshold {on:.2} from below"),
        Some(on) => format!("the score is hardly above its threshold {on:.2}"),
    }
}

/// Bouts in words: `attack a>b 3.2-4.1 s; …`.
fn predicted(session: &Session, frames: Range<u64>) -> String {
    let mut text = String::new();
    for (piece, cell) in session.predicted(&spans::union(vec![frames])) {
        let event = session.event(cell, &piece);
        let who = [event.agent, event.target].into_iter().flatten().collect::<Vec<_>>().join(">");
        let separator = if text.is_empty() { "" } else { "; " };
        let (start, stop) = (decimal(event.start_secs, 2), decimal(event.stop_secs, 2));
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{} {who} {start}-{stop} s", event.behavior);
    }
    text
}

/// Hours, minutes, seconds and milliseconds.
fn clock(secs: f64) -> String {
    let millis = (secs * 1000.0).round().max(0.0) as u64;
    let (hours, minutes, secs) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{secs:02}.{:03}", millis % 1000)
}

/// The events of one session for a person to correct: [`REVIEWED`] over each picked stretch, and the predicted bouts
/// within, cut to it. Stretches that touch are one. By start; the stretch comes before its bouts.
pub fn events(picks: &[Pick], index: usize, session: &Session) -> Vec<Event> {
    let picked = picks.iter().filter(|pick| pick.session == index);
    let reviewed = spans::union(picked.map(|pick| session.frames_of(&pick.proposal.ticks)).collect());
    let reviewed_event = |frames: &Range<u64>| Event {
        agent: None,
        target: None,
        behavior: REVIEWED.to_string(),
        start_secs: session.secs(frames.start),
        stop_secs: session.secs(frames.end),
    };
    let mut events: Vec<Event> = reviewed.iter().map(reviewed_event).collect();
    events.extend(session.predicted(&reviewed).into_iter().map(|(piece, cell)| session.event(cell, &piece)));
    events.sort_by(|a, b| a.start_secs.total_cmp(&b.start_secs));
    events
}
