//! The labels of a corpus, as text.

use std::fmt::Write;

use super::{Table, clean, duration, write_look_at, write_wrapped};
use crate::inspect::labels::{Kinds, LabLabels, LabelReport, Oddity, Place, Tally};
use crate::words::{count, counted, percent};

/// A directed behavior whose reverse order is annotated for so much of its time is mutual.
const MUTUAL_SHARE_MIN: f64 = 0.9;

/// Fewer bouts than this teach nobody a behavior.
const BOUTS_FEW: u64 = 20;

/// What the columns mean.
const LEGEND: &str = "kind: \"both\" is directed, with both orders annotated at the same time. recordings: those that \
    show the behavior, of those that look for it. time: of all animals together. share: of the scored time of those \
    recordings, in which anybody shows it. bout: median length (5% to 95%). actors: animals or pairs that show it, of \
    those listed.";

/// Most behaviors that one line names.
const NAMES_MAX: usize = 12;

/// A table for each lab, and what is suspicious in all of them.
pub fn label_text(report: &LabelReport) -> String {
    let mut text = String::new();
    let mut lines = Vec::new();
    let labs: Vec<(&str, &LabLabels)> = report.labs().collect();
    if labs.is_empty() {
        return "No labels.\n".to_string();
    }
    for (name, lab) in &labs {
        let scored = duration(lab.scored_secs);
        let _ = writeln!(text, "{}: {}, {scored} scored", clean(name), counted(lab.recordings, "recording"));
        write_behaviors(&mut text, lab);
        text.push('\n');
        let lead = if labs.len() == 1 { String::new() } else { format!("{name}: ") };
        lines.extend(look_at(lab).into_iter().map(|line| format!("{lead}{line}")));
    }
    write_wrapped(&mut text, "", LEGEND);
    write_look_at(&mut text, &lines);
    text
}

fn write_behaviors(text: &mut String, lab: &LabLabels) {
    let mut table = Table::new(
        2,
        &["behavior<", "kind<", "recordings", "bouts", "time", "share", "bout", "(5% to 95%)<", "actors"],
    );
    for (name, tally) in lab.behaviors_by_secs() {
        let (seen, listed) = tally.actors();
        let mut row = vec![name.to_string(), kind_name(tally).to_string()];
        row.push(format!("{}/{}", tally.recordings, tally.recordings_labelled));
        row.extend([count(tally.bouts), duration(tally.secs), percent(tally.share())]);
        row.extend(match tally.lengths_secs() {
            Some(lengths) => {
                let within = format!("({} to {})", bare_secs(lengths.p05), duration(lengths.p95));
                [duration(lengths.p50), within]
            }
            None => ["-".to_string(), String::new()],
        });
        row.push(format!("{seen}/{listed}"));
        table.row(row);
    }
    table.write(text);
}

fn bare_secs(secs: f64) -> String {
    duration(secs).trim_end_matches(" s").to_string()
}

pub(in crate::inspect) fn kind_name(tally: &Tally) -> &'static str {
    match tally.kinds {
        Kinds { of_self: true, directed: false, undirected: false } => "self",
        Kinds { of_self: false, directed: true, undirected: false } if tally.reversed() >= MUTUAL_SHARE_MIN => "both",
        Kinds { of_self: false, directed: true, undirected: false } => "directed",
        Kinds { of_self: false, directed: false, undirected: true } => "undirected",
        Kinds { of_self: false, directed: false, undirected: false } => "-",
        _ => "mixed",
    }
}

fn look_at(lab: &LabLabels) -> Vec<String> {
    let mut lines = Vec::new();
    let names = |wanted: &dyn Fn(&Tally) -> bool| {
        let found: Vec<&str> = lab.behaviors().filter(|(_, tally)| wanted(tally)).map(|(name, _)| name).collect();
        let more = found.len().saturating_sub(NAMES_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!found.is_empty()).then(|| format!("{}{more}", found[..found.len().min(NAMES_MAX)].join(", ")))
    };
    lines.extend(names(&|tally| tally.bouts == 0).map(|names| format!("listed but never seen: {names}")));
    let few = names(&|tally| (1..BOUTS_FEW).contains(&tally.bouts));
    lines.extend(few.map(|names| format!("fewer than {BOUTS_FEW} bouts: {names}")));
    let mixed = names(&|tally| kind_name(tally) == "mixed");
    lines.extend(mixed.map(|names| format!("of more than one kind: {names}")));
    for (a, b, overlap) in lab.overlaps() {
        let times = counted(overlap.count, "time");
        let total = duration(overlap.secs);
        lines.push(format!("{a} and {b} of the same animals overlap {times}, {total}; {}", places(&overlap.places)));
    }
    let mut odd = |oddity: &Oddity, what: &str| {
        if oddity.count > 0 {
            let total = if oddity.secs > 0.0 { format!(", by {}", duration(oddity.secs)) } else { String::new() };
            lines.push(format!("{} {what}{total}; {}", counted(oddity.count, "bout"), places(&oddity.places)));
        }
    };
    odd(&lab.empty_bouts, "without a frame");
    odd(&lab.doubled_bouts, "on top of another of the same behavior and animals");
    odd(&lab.unscored_bouts, "not wholly within the scored frames");
    if lab.unlisted.count > 0 {
        let actions = counted(lab.unlisted.count, "action");
        lines.push(format!("{actions} annotated but not listed; {}", places(&lab.unlisted.places)));
    }
    if !lab.odd_names.is_empty() {
        let names: Vec<String> = lab.odd_names.iter().take(NAMES_MAX).map(|name| format!("{name:?}")).collect();
        lines.push(format!("{} odd names: {}", lab.odd_names.len(), names.join(", ")));
    }
    lines
}

fn places(places: &[Place]) -> String {
    let place = |Place { recording, action, frames }: &Place| {
        format!("{recording} frames {} to {} ({}, {})", frames.start, frames.end, action.behavior, action.actors())
    };
    format!("e.g. {}", places.first().map(place).unwrap_or_default())
}
