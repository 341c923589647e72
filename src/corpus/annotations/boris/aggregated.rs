//! Aggregated events: a bout a row.

use super::event::span;
use super::table::Row;
use crate::corpus::annotations::Annotation;
use crate::corpus::error::CorpusError;

/// The bout of a row.
pub(super) fn bout(row: &Row, repairs: &mut Vec<String>) -> Result<Annotation, CorpusError> {
    let (text, fault) = row.status();
    let point = match text.to_ascii_uppercase().as_str() {
        "STATE" | "STATE EVENT" => false,
        "POINT" | "POINT EVENT" => true,
        _ => return Err(fault("STATE or POINT")),
    };
    let start = row.moment()?;
    let stop = if point { start } else { row.end()? };
    let Some(span) = span(start, stop, row.number(), repairs) else {
        let shown = |(secs, frame): (Option<f64>, Option<u64>)| match (secs, frame) {
            (Some(secs), _) => format!("{secs} s"),
            (None, Some(frame)) => format!("image index {frame}"),
            (None, None) => "nothing".to_string(),
        };
        let got = format!("{} to {}", shown(start), shown(stop));
        return Err(row.place().fault("a start and a stop at or after it", got));
    };
    Ok(row.who()?.annotation(span, row.number()))
}
