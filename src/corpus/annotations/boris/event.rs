//! An event of a table of tabular events.

use super::table::Row;
use crate::corpus::annotations::{Annotation, Span};
use crate::corpus::error::CorpusError;

/// Who does what to whom, as a row says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub subject: Option<String>,
    /// The behavior's code as it stands in the file.
    pub behavior: String,
    /// The behavior without a target that its code carries.
    pub label: String,
    pub target: Option<String>,
    /// Every modifier that is filled.
    pub modifiers: Vec<String>,
}

impl Who {
    pub fn annotation(self, span: Span, row: u64) -> Annotation {
        Annotation { channel: None, agent: self.subject, target: self.target, label: self.label, span, row }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Start,
    Stop,
    Point,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub who: Who,
    pub status: Status,
    /// Seconds of the media; `None` in observations of pictures.
    pub secs: Option<f64>,
    pub frame: Option<u64>,
    pub row: u64,
}

impl Event {
    pub fn of(row: &Row) -> Result<Self, CorpusError> {
        let (text, fault) = row.status();
        let status = match text.to_ascii_uppercase().as_str() {
            "START" => Status::Start,
            "STOP" => Status::Stop,
            "POINT" => Status::Point,
            _ => return Err(fault("START, STOP or POINT")),
        };
        let (secs, frame) = row.moment()?;
        if secs.is_none() && frame.is_none() {
            return Err(row.place().fault("a time or an image index", "neither"));
        }
        Ok(Self { who: row.who()?, status, secs, frame, row: row.number() })
    }
}

/// The span from one moment (seconds, frame) to another, or the instant where they are one, with frames where both
/// have one, unless those run backwards, which is noted. `None` where there is no common clock or the seconds run backwards.
pub(super) fn span(
    start: (Option<f64>, Option<u64>),
    stop: (Option<f64>, Option<u64>),
    row: u64,
    repairs: &mut Vec<String>,
) -> Option<Span> {
    let secs = start.0.zip(stop.0);
    if secs.is_some_and(|(start, stop)| stop < start) {
        return None;
    }
    match start.1.zip(stop.1) {
        Some((first, last)) if last >= first => {
            let frames = first..last.max(first + 1);
            Some(secs.map_or(Span::Frames(frames.clone()), |(from, to)| Span::Video { frames, secs: from..to }))
        }
        frames => {
            let (from, to) = secs?;
            if let Some((first, last)) = frames {
                repairs.push(format!("row {row}: image index {last} after {first}: took the seconds"));
            }
            Some(Span::Secs(from..to))
        }
    }
}
