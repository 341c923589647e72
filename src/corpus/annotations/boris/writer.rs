//! Bouts as a table of BORIS events.
//!
//! Subject is the agent, the modifier the target. A pair without direction names no agent: the modifier is [`crate::behavior::pair_name`] of
//! both. Times have microseconds, rounded up, so that both `round(time × rate)` and `floor(time × rate)` give the frame;
//! each event also carries its `Image index`.
//!
//! BORIS itself reads no exported table back. It takes events from the clipboard (*Paste events* in the events' menu of
//! an open observation): [`Layout::Paste`] is that text. The behaviors must be state events of the project's ethogram,
//! and it keeps milliseconds.

use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use super::table::EMPTY;
use super::{NO_SUBJECT, SECS_MAX, TARGET_SEPARATOR};
use crate::corpus::annotations::Span;
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::FRAME_NUMBER_MAX;

/// What BORIS forbids in a modifier, and what our reader takes for a separator.
const FORBIDDEN_IN_TARGET: &str = "(|),`~>";
const FORBIDDEN_IN_BEHAVIOR: &str = "|>";
/// Between the media files of players.
const FORBIDDEN_IN_MEDIA: &str = ";|";

/// A time this close to a frame's own (in frames) is that.
const FRAME_SLACK: f64 = 1e-6;

/// How many rows come before the header in [`Layout::Preamble`]: readers of that layout skip as many.
const PREAMBLE_ROWS: usize = 15;

const TABULAR_COLUMNS: [&str; 19] = [
    "Observation id",
    "Observation date",
    "Description",
    "Observation duration",
    "Observation type",
    "Source",
    "Time offset (s)",
    "Media duration (s)",
    "FPS",
    "Subject",
    "Behavior",
    "Behavioral category",
    "Modifier #1",
    "Behavior type",
    "Time",
    "Media file name",
    "Image index",
    "Image file path",
    "Comment",
];

const PREAMBLE_COLUMNS: [&str; 11] = [
    "Time",
    "Media file path",
    "Total length",
    "FPS",
    "Subject",
    "Behavior",
    "Behavioral category",
    "Modifier 1",
    "Image index",
    "Comment",
    "Status",
];

/// The bouts of one recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// The observation's id.
    pub observation: String,
    /// The media file.
    pub media: String,
    pub rate_hz: f64,
    pub length_secs: f64,
    pub bouts: Vec<Bout>,
}

/// When somebody did something.
#[derive(Clone, Debug, PartialEq)]
pub struct Bout {
    /// `None` for a pair without direction.
    pub agent: Option<String>,
    /// On whom; the agent's own name, or nobody, for a self behavior; [`crate::behavior::pair_name`] for a pair without direction.
    pub target: Option<String>,
    pub behavior: String,
    /// Half open.
    pub start_secs: f64,
    pub stop_secs: f64,
}

/// Which table is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Tabular events as BORIS exports them since version 8: CSV.
    #[default]
    Tabular,
    /// Tabular events of earlier versions, which more readers know: CSV whose header is the 16th row.
    Preamble,
    /// What BORIS takes from the clipboard into an observation of a media file (version 8.11 and later): time, subject,
    /// behavior, modifier, comment and frame, between tabs; no header, no end of line after the last row.
    Paste,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub layout: Layout,
    /// Writes `attack>mouse2` as the behavior and no modifier, for readers that pair starts and stops by subject and
    /// behavior alone.
    pub target_in_code: bool,
}

/// Writes the starts and stops of a session's bouts, in order of time; stops come before starts of the same time.
///
/// # Errors
/// Names that the table cannot hold; a bout that is empty, negative or overlaps one of the same agent, behavior and
/// target (also by a part of a frame): two of them could not be told apart. What writing gives. `file` is what errors
/// are named after, their row is the bout, counted from 1.
pub fn write(out: impl Write, file: &Path, session: &Session, options: Options) -> Result<(), CorpusError> {
    check(session, file)?;
    let events = events(session, file)?;
    let mut bytes = Vec::new();
    let mut builder = csv::WriterBuilder::new();
    if options.layout == Layout::Paste {
        builder.delimiter(b'\t').quote_style(csv::QuoteStyle::Never);
    }
    let mut csv = builder.from_writer(&mut bytes);
    let rows =
        header(session, options.layout).into_iter().chain(events.iter().map(|event| row(session, event, options)));
    for row in rows {
        csv.write_record(row).map_err(|error| io_error(file, error.into()))?;
    }
    csv.flush().map_err(|error| io_error(file, error))?;
    drop(csv);
    if options.layout == Layout::Paste {
        bytes.pop();
    }
    let mut out = out;
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(|error| io_error(file, error))
}

fn io_error(file: &Path, error: std::io::Error) -> CorpusError {
    CorpusError::Io { file: file.to_path_buf(), error }
}

/// A start or stop.
struct Event<'a> {
    micros: Micros,
    is_start: bool,
    frame: u64,
    bout: &'a Bout,
}

/// A time in whole microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Micros(u64);

impl Micros {
    /// Rounded up, but for what a time of whole microseconds has lost in binary; one more where a frame's own time would
    /// otherwise be cut to the frame before.
    fn ceil(secs: f64, rate_hz: f64) -> Self {
        let micros = (secs * 1e6 - 1e-3).ceil().max(0.0);
        let (frame, read) = ((secs * rate_hz).round(), micros / 1e6 * rate_hz);
        let is_cut = read < frame && frame - read < FRAME_SLACK;
        Self(micros as u64 + u64::from(is_cut))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

fn frames_of(bout: &Bout, rate_hz: f64) -> Range<u64> {
    Span::Secs(bout.start_secs..bout.stop_secs).frames(rate_hz)
}

/// Every start and stop, in the order of the rows.
fn events<'a>(session: &'a Session, file: &Path) -> Result<Vec<Event<'a>>, CorpusError> {
    let mut bouts: Vec<(usize, &Bout)> = (1..).zip(&session.bouts).collect();
    let who = |bout: &'a Bout| (&bout.agent, &bout.target, &bout.behavior);
    bouts.sort_by(|(_, a), (_, b)| who(a).cmp(&who(b)).then(a.start_secs.total_cmp(&b.start_secs)));
    for neighbours in bouts.windows(2) {
        let [(first, a), (second, b)] = neighbours else { continue };
        let frames = (frames_of(a, session.rate_hz).end, frames_of(b, session.rate_hz).start);
        if who(a) == who(b) && (b.start_secs < a.stop_secs || frames.1 < frames.0) {
            let expected = format!("a start at or after {} s, where bout {first} of the same stops", a.stop_secs);
            return Err(Place::row(file, *second as u64).fault(expected, format!("{} s", b.start_secs)));
        }
    }
    let mut events = Vec::new();
    for bout in &session.bouts {
        let frames = frames_of(bout, session.rate_hz);
        for (is_start, secs, frame) in [(true, bout.start_secs, frames.start), (false, bout.stop_secs, frames.end)] {
            events.push(Event { micros: Micros::ceil(secs, session.rate_hz), is_start, frame, bout });
        }
    }
    events.sort_by_key(|event| (event.micros, event.is_start));
    Ok(events)
}

/// The rows before the events.
fn header(session: &Session, layout: Layout) -> Vec<Vec<String>> {
    let columns = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    match layout {
        Layout::Paste => Vec::new(),
        Layout::Tabular => vec![columns(&TABULAR_COLUMNS)],
        Layout::Preamble => {
            let stated = [
                ("Observation id", session.observation.as_str()),
                ("Media file(s)", ""),
                ("Player #1", &session.media),
                ("Observation date", ""),
                ("Description", ""),
                ("Time offset (s)", "0.0"),
            ];
            let mut rows = vec![vec![String::new(); PREAMBLE_COLUMNS.len()]; PREAMBLE_ROWS];
            for (row, (name, value)) in rows.iter_mut().step_by(2).zip(stated) {
                (row[0], row[1]) = (name.to_string(), value.to_string());
            }
            rows[12][0] = "independent variables".to_string();
            (rows[13][0], rows[13][1]) = ("variable".to_string(), "value".to_string());
            rows.push(columns(&PREAMBLE_COLUMNS));
            rows
        }
    }
}

fn row(session: &Session, event: &Event, options: Options) -> Vec<String> {
    let Bout { agent, target, behavior, .. } = event.bout;
    let (code, modifier) = match target {
        Some(target) if options.target_in_code => (format!("{behavior}{TARGET_SEPARATOR}{target}"), String::new()),
        target => (behavior.clone(), target.clone().unwrap_or_default()),
    };
    let status = if event.is_start { "START" } else { "STOP" };
    let subject = agent.as_deref();
    let (rate, length) = (format!("{}", session.rate_hz), format!("{:.3}", session.length_secs));
    let (time, frame, media) = (event.micros.to_string(), event.frame.to_string(), session.media.as_str());
    let cells: &[&str] = match options.layout {
        Layout::Tabular => &[
            &session.observation,
            "",
            "",
            &length,
            "Media file(s)",
            &format!("player #1:{media}"),
            "0",
            &length,
            &rate,
            subject.unwrap_or(NO_SUBJECT),
            &code,
            "",
            &modifier,
            status,
            &time,
            media,
            &frame,
            "NA",
            "",
        ],
        Layout::Preamble => {
            &[&time, media, &length, &rate, subject.unwrap_or(NO_SUBJECT), &code, "", &modifier, &frame, "", status]
        }
        Layout::Paste => &[&time, subject.unwrap_or_default(), &code, &modifier, "", &frame],
    };
    cells.iter().map(ToString::to_string).collect()
}

fn check(session: &Session, file: &Path) -> Result<(), CorpusError> {
    let place = || Place::file(file);
    check_name("an observation id", &session.observation, "", place)?;
    check_name("a media file", &session.media, FORBIDDEN_IN_MEDIA, place)?;
    if !(session.rate_hz > 0.0 && session.rate_hz.is_finite()) {
        return Err(place().fault("a rate above 0 Hz", session.rate_hz.to_string()));
    }
    if !(0.0..=SECS_MAX).contains(&session.length_secs) {
        return Err(place().fault(format!("a length of 0 to {SECS_MAX} s"), session.length_secs.to_string()));
    }
    for (row, bout) in (1..).zip(&session.bouts) {
        let place = || Place::row(file, row);
        check_name("a behavior", &bout.behavior, FORBIDDEN_IN_BEHAVIOR, place)?;
        if let Some(agent) = &bout.agent {
            check_name("an agent", agent, "", place)?;
        }
        if let Some(target) = &bout.target {
            check_name("a target", target, FORBIDDEN_IN_TARGET, place)?;
        }
        let (start, stop) = (bout.start_secs, bout.stop_secs);
        for secs in [start, stop] {
            if !(0.0..=SECS_MAX).contains(&secs) {
                return Err(place().fault(format!("seconds of 0 to {SECS_MAX}"), secs.to_string()));
            }
        }
        if Micros::ceil(stop, session.rate_hz) <= Micros::ceil(start, session.rate_hz) {
            return Err(place().fault(format!("a stop a microsecond after {start} s at least"), format!("{stop} s")));
        }
        if frames_of(bout, session.rate_hz).end > FRAME_NUMBER_MAX {
            return Err(place().fault(format!("frames of 0 to {FRAME_NUMBER_MAX}"), format!("{stop} s")));
        }
    }
    Ok(())
}

/// A name must come back as it was: nothing that means an empty cell, no white space that is trimmed away, nothing
/// that separates.
fn check_name(what: &str, name: &str, forbidden: &str, place: impl Fn() -> Place) -> Result<(), CorpusError> {
    let separates = |letter: char| letter.is_control() || forbidden.contains(letter);
    if name.trim() != name || name == NO_SUBJECT || EMPTY.contains(&name) || name.contains(separates) {
        let nor = if forbidden.is_empty() { String::new() } else { format!(" or any of {forbidden:?}") };
        let expected = format!("{what} that is not empty, NA, None or {NO_SUBJECT:?}, without space around it{nor}");
        return Err(place().fault(expected, quoted(name)));
    }
    Ok(())
}
