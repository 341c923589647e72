//! Starts and stops of tabular events, put together.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::event::{Event, Status, Who, span};
use super::fault;
use crate::corpus::annotations::Annotation;
use crate::corpus::error::{CorpusError, quoted};

/// States that were started and not yet stopped, by subject and behavior, then by modifiers.
type Open = HashMap<(Option<String>, String), BTreeMap<Vec<String>, Event>>;

/// The bouts of one observation's events, by the row of their start.
///
/// A stop belongs to the start of the same subject, behavior and modifiers; one without modifiers also to the only
/// open state of its subject and behavior, which is noted. Events that are not in order are put in order of their
/// times, those of one time staying as they stand.
pub(super) fn bouts(
    mut events: Vec<Event>,
    file: &Path,
    repairs: &mut Vec<String>,
) -> Result<Vec<Annotation>, CorpusError> {
    order(&mut events, file, repairs)?;
    let (mut open, mut found) = (Open::new(), Vec::new());
    for event in events {
        let row = event.row;
        match event.status {
            Status::Point => {
                let moment = (event.secs, event.frame);
                // One moment is on one clock.
                found.extend(span(moment, moment, row, repairs).map(|span| event.who.annotation(span, row)));
            }
            Status::Start => {
                let states = open.entry((event.who.subject.clone(), event.who.behavior.clone())).or_default();
                if let Some(first) = states.get(&event.who.modifiers) {
                    let expected = format!("a STOP of what was started in row {}", first.row);
                    return Err(fault(file, row, expected, format!("another START of {}", shown(&event))));
                }
                states.insert(event.who.modifiers.clone(), event);
            }
            Status::Stop => {
                let start = started(&mut open, &event, file, repairs)?;
                let (from, to) = ((start.secs, start.frame), (event.secs, event.frame));
                let Some(span) = span(from, to, row, repairs) else {
                    let expected = format!("an image index at or after that of the start in row {}", start.row);
                    return Err(fault(
                        file,
                        row,
                        expected,
                        event.frame.map_or("none".to_string(), |it| it.to_string()),
                    ));
                };
                found.push(start.who.annotation(span, start.row));
            }
        }
    }
    let left = open.into_values().flat_map(BTreeMap::into_values).min_by_key(|event| event.row);
    if let Some(event) = left {
        let expected = format!("a STOP after the START of {}", shown(&event));
        return Err(fault(file, event.row, expected, "the end of the observation"));
    }
    found.sort_by_key(|bout| bout.row);
    Ok(found)
}

/// Puts events in order of their seconds, or of their frames where none has seconds.
fn order(events: &mut [Event], file: &Path, repairs: &mut Vec<String>) -> Result<(), CorpusError> {
    let timed = events.iter().filter(|event| event.secs.is_some()).count();
    if timed > 0
        && timed < events.len()
        && let Some(event) = events.iter().find(|event| event.secs.is_none())
    {
        return Err(fault(file, event.row, "a time, as other events of the observation have one", "none"));
    }
    let key = |event: &Event| (event.secs.unwrap_or(0.0), if timed > 0 { 0 } else { event.frame.unwrap_or(0) });
    let compare = |a: &Event, b: &Event| key(a).0.total_cmp(&key(b).0).then(key(a).1.cmp(&key(b).1));
    if let Some(pair) = events.windows(2).find(|pair| compare(&pair[1], &pair[0]).is_lt()) {
        repairs.push(format!("row {}: earlier than the row before: sorted by time", pair[1].row));
        events.sort_by(compare);
    }
    Ok(())
}

/// Takes the start that a stop ends.
fn started(open: &mut Open, stop: &Event, file: &Path, repairs: &mut Vec<String>) -> Result<Event, CorpusError> {
    let (row, who) = (stop.row, &stop.who);
    let states = open.get_mut(&(who.subject.clone(), who.behavior.clone()));
    let Some(states) = states.filter(|states| !states.is_empty()) else {
        return Err(fault(file, row, format!("a START of {} before its STOP", shown(stop)), "none"));
    };
    if let Some(start) = states.remove(&who.modifiers) {
        return Ok(start);
    }
    if !who.modifiers.is_empty() || states.len() > 1 {
        let rows: Vec<String> = states.values().take(4).map(|event| event.row.to_string()).collect();
        let got = format!("starts with other modifiers only (row {})", rows.join(", "));
        return Err(fault(file, row, format!("a START of {} before its STOP", shown(stop)), got));
    }
    match states.pop_first() {
        Some((_, start)) => {
            repairs.push(format!("row {row}: a STOP without modifier: took it for that of row {}", start.row));
            Ok(start)
        }
        None => Err(fault(file, row, format!("a START of {} before its STOP", shown(stop)), "none")),
    }
}

/// An event as errors name it.
fn shown(event: &Event) -> String {
    let Who { behavior, subject, modifiers, .. } = &event.who;
    let by = subject.as_ref().map(|subject| format!(" by {}", quoted(subject))).unwrap_or_default();
    let with = if modifiers.is_empty() { String::new() } else { format!(" with {}", quoted(&modifiers.join("|"))) };
    format!("{}{by}{with}", quoted(behavior))
}
