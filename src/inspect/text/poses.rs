//! The poses of a recording, as text.

use std::fmt::Write;
use std::ops::Range;

use super::{Table, duration, shortened_start, write_look_at};
use crate::inspect::Stretches;
use crate::inspect::poses::{FAR_BODY_LENGTHS, FROZEN_SECS_MIN, PoseReport, RATE_ASSUMED_HZ, Scale};
use crate::words::{count, counted, percent};

/// What lies beyond these is worth a look.
const MISSING_SHARE_LOOK: f64 = 0.25;
const KEYPOINT_MISSING_SHARE_LOOK: f64 = 0.5;
const ABSENCE_SECS_LOOK: f64 = 10.0;
const FLICKERS_PER_MIN_LOOK: f64 = 5.0;
const FAR_POINTS_PER_MIN_LOOK: f64 = 1.0;
const CONFIDENCE_LOOK: f64 = 0.3;
/// A ratio between stated and measured rate that the buffer no longer takes for one frame a tick.
const RATE_RATIO_LOOK: f64 = 0.02;
/// Suspected swaps that are named one by one.
const SWAPS_NAMED_MAX: usize = 6;
/// What names of columns have of a line, all together, and each of them.
const NAMES_CHARS: usize = 60;
const NAME_CHARS: std::ops::RangeInclusive<usize> = 6..=14;

/// One recording, in full.
pub fn pose_text(report: &PoseReport) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", super::clean(&report.name));
    let mut table = Table::new(2, &["<", "<"]);
    table.rows.extend(facts(report).into_iter().map(|(what, value)| vec![what.to_string(), super::clean(&value)]));
    let mut block = String::new();
    table.write(&mut block);
    // Facts have no headings.
    text.push_str(block.split_once('\n').map_or("", |(_, rows)| rows));
    text.push('\n');
    write_animals(&mut text, report);
    text.push('\n');
    write_keypoints(&mut text, report);
    write_look_at(&mut text, &look_at(report));
    text
}

/// A line for each recording.
pub fn pose_table(reports: &[PoseReport]) -> String {
    let headings = [
        "recording<",
        "animals",
        "points",
        "frames",
        "length",
        "rate",
        "all seen",
        "missing",
        "body",
        "swaps",
        "look at",
    ];
    let mut table = Table::new(0, &headings);
    for report in reports {
        let rate = report.rate.known_hz().map_or("?".to_string(), |rate_hz| format!("{} Hz", rounded(rate_hz)));
        let animals = &report.visibility.animals;
        let missing = animals.iter().map(|animal| animal.missing).sum::<f64>() / animals.len().max(1) as f64;
        table.row([
            report.name.clone(),
            report.individuals.len().to_string(),
            report.keypoints.len().to_string(),
            count(report.frames.count),
            report.duration_secs.map_or("?".to_string(), duration),
            rate,
            percent(report.visibility.all_seen),
            percent(missing),
            body_px(report).map_or("?".to_string(), |px| format!("{} px", rounded(px))),
            report.swaps.scale.map_or("-".to_string(), |_| count(report.swaps.suspected.len() as u64)),
            look_at(report).len().to_string(),
        ]);
    }
    let mut text = String::new();
    table.write(&mut text);
    text
}

fn body_px(report: &PoseReport) -> Option<f64> {
    report.body_length_px.map(|lengths| lengths.p50).or(report.swaps.scale.map(Scale::px))
}

fn facts(report: &PoseReport) -> Vec<(&'static str, String)> {
    let frames = &report.frames;
    let mut facts = vec![
        ("animals", report.individuals.join(", ")),
        ("keypoints", report.keypoints.join(", ")),
        ("frames", format!("{}, numbers {} to {}", count(frames.count), frames.first, frames.last)),
        ("rate", rate_text(report)),
        ("length", report.duration_secs.map_or("unknown, without a rate".to_string(), duration)),
    ];
    let visibility = &report.visibility;
    let (all, none) = (percent(visibility.all_seen), percent(visibility.none_seen));
    facts.push(("in sight", format!("all animals in {all} of the frames, none in {none}")));
    if let Some(extent) = report.extent {
        let along = |axis: usize| {
            let [min, p01, p99, max] = [extent.min, extent.p01, extent.p99, extent.max].map(|of| rounded(of[axis]));
            format!("{min} to {max} px (98% within {p01} to {p99})")
        };
        facts.push(("x", along(0)));
        facts.push(("y", along(1)));
    }
    if let Some(confidence) = report.confidence {
        let text = format!("median {:.2}, 5% to 95%: {:.2} to {:.2}", confidence.p50, confidence.p05, confidence.p95);
        facts.push(("confidence", text));
    }
    if let Some(lengths) = report.body_length_px {
        let [low, middle, high] = [lengths.p05, lengths.p50, lengths.p95].map(rounded);
        facts.push(("body length", format!("median {middle} px from front to rear, 5% to 95%: {low} to {high} px")));
    }
    facts.push(("identity", swap_text(report)));
    facts
}

fn rate_text(report: &PoseReport) -> String {
    let measured = report.rate.measured.map(|measured| {
        let (rate, jitter) = (rounded(measured.median_hz), rounded(measured.jitter_millis));
        format!("{rate} Hz measured, 95% of the intervals within {jitter} ms of the median")
    });
    match (report.rate.stated_hz, measured) {
        (Some(stated), Some(measured)) => format!("{} Hz stated, {measured}", rounded(stated)),
        (Some(stated), None) => format!("{} Hz stated", rounded(stated)),
        (None, Some(measured)) => measured,
        (None, None) => format!("unknown; lengths of time are judged as at {RATE_ASSUMED_HZ} Hz"),
    }
}

fn swap_text(report: &PoseReport) -> String {
    let scale = match report.swaps.scale {
        None => return "not watched".to_string(),
        Some(Scale::Stated(px)) => format!("a body of {} px, as stated", rounded(px)),
        Some(Scale::BodyAxis(px)) => format!("a body of {} px, from front to rear", rounded(px)),
        Some(Scale::Span(px)) => format!("a body of {} px, its widest span", rounded(px)),
    };
    format!("{}, watched with {scale}", counted(report.swaps.suspected.len() as u64, "suspected swap"))
}

fn write_animals(text: &mut String, report: &PoseReport) {
    let headings = ["animal<", "points missing", "unseen", "absences", "of them short", "longest absence", "at frame"];
    let mut table = Table::new(2, &headings);
    for (name, animal) in report.individuals.iter().zip(&report.visibility.animals) {
        let longest = animal.absences.longest.as_ref();
        table.row([
            name.clone(),
            percent(animal.missing),
            percent(animal.unseen),
            count(animal.absences.count),
            count(animal.flickers),
            longest.map_or("-".to_string(), |frames| lasting(report, frames)),
            longest.map_or("-".to_string(), |frames| count(frames.start)),
        ]);
    }
    table.write(text);
}

fn write_keypoints(text: &mut String, report: &PoseReport) {
    let mut headings = vec!["missing<".to_string()];
    let share = NAMES_CHARS / report.individuals.len().max(1);
    let chars_max = share.saturating_sub(2).clamp(*NAME_CHARS.start(), *NAME_CHARS.end());
    headings.extend(report.individuals.iter().map(|name| shortened_start(name, chars_max)));
    headings.push("of animals in sight".to_string());
    let mut table = Table::new(2, &headings.iter().map(String::as_str).collect::<Vec<_>>());
    let visibility = &report.visibility;
    for (keypoint, name) in report.keypoints.iter().enumerate() {
        let shares = visibility.missing.iter().map(|shares| percent(shares[keypoint]));
        let while_seen = percent(visibility.missing_while_seen[keypoint]);
        table.row(std::iter::once(name.clone()).chain(shares).chain([while_seen]));
    }
    table.write(text);
}

fn look_at(report: &PoseReport) -> Vec<String> {
    let mut lines: Vec<String> =
        report.repairs.iter().map(|repair| format!("repaired while reading: {repair}")).collect();
    let mut say = |line: String| lines.push(line);
    time_faults(report, &mut say);
    sight_faults(report, &mut say);
    track_faults(report, &mut say);
    swap_faults(report, &mut say);
    lines
}

fn time_faults(report: &PoseReport, say: &mut impl FnMut(String)) {
    if let Some(longest) = &report.frames.gaps.longest {
        let (gaps, frames) = (&report.frames.gaps, counted(report.frames.gaps.frames, "frame"));
        let at = format!("the longest of {} at frame {}", lasting(report, longest), longest.start);
        say(format!("{} in the frame numbers, {frames} in all; {at}", counted(gaps.count, "gap")));
    }
    let Some(measured) = report.rate.measured else { return };
    if let Some(stated) = report.rate.stated_hz
        && (measured.median_hz / stated - 1.0).abs() > RATE_RATIO_LOOK
    {
        let (stated, measured) = (rounded(stated), rounded(measured.median_hz));
        say(format!("the rate is stated as {stated} Hz, but frames come at {measured} Hz"));
    }
    if measured.backwards > 0 {
        say(format!("{} not captured after the one before", counted(measured.backwards, "frame")));
    }
    if measured.jitter_millis > 0.5e3 / measured.median_hz {
        say(format!("intervals between frames vary by {} ms", rounded(measured.jitter_millis)));
    }
}

fn sight_faults(report: &PoseReport, say: &mut impl FnMut(String)) {
    let visibility = &report.visibility;
    let minutes = minutes(report);
    for (name, animal) in report.individuals.iter().zip(&visibility.animals) {
        if animal.unseen >= 1.0 {
            say(format!("{name} is never in sight"));
            continue;
        }
        if animal.missing > MISSING_SHARE_LOOK {
            say(format!("{} of the points of {name} are missing", percent(animal.missing)));
        }
        if let Some(longest) = &animal.absences.longest
            && (longest.end - longest.start) as f64 / report.rate.used_hz() > ABSENCE_SECS_LOOK
        {
            say(format!("{name} is out of sight for {} from frame {}", lasting(report, longest), longest.start));
        }
        let per_minute = animal.flickers as f64 / minutes;
        if animal.flickers > 1 && per_minute > FLICKERS_PER_MIN_LOOK {
            let flickers = counted(animal.flickers, "time");
            say(format!("{name} drops out for an instant {flickers}, {} a minute", rounded(per_minute)));
        }
    }
    for (name, &missing) in report.keypoints.iter().zip(&visibility.missing_while_seen) {
        if missing > KEYPOINT_MISSING_SHARE_LOOK {
            say(format!("{name} is missing in {} of the animals in sight", percent(missing)));
        }
    }
    if let Some(confidence) = report.confidence
        && confidence.p50 < CONFIDENCE_LOOK
    {
        say(format!("the median confidence is {:.2}", confidence.p50));
    }
}

fn track_faults(report: &PoseReport, say: &mut impl FnMut(String)) {
    let faults = &report.faults;
    let name = |slot: usize| report.individuals.get(slot).map_or("?", String::as_str);
    let longest = |stretches: &Stretches| {
        let longest = stretches.longest.clone().unwrap_or_default();
        format!("the longest of {} at frame {}", lasting(report, &longest), longest.start)
    };
    for (slot, frozen) in faults.frozen.iter().enumerate().filter(|(_, frozen)| frozen.count > 0) {
        let times = counted(frozen.count, "time");
        let for_ = format!("exactly the same coordinates for {FROZEN_SECS_MIN} s or longer");
        say(format!("{} has {for_}, {times}; {}", name(slot), longest(frozen)));
    }
    for (slot, stuck) in faults.stuck.iter().enumerate() {
        for (keypoint, stuck) in report.keypoints.iter().zip(stuck).filter(|(_, stuck)| stuck.count > 0) {
            let times = counted(stuck.count, "time");
            say(format!("{keypoint} of {} hangs while the animal moves, {times}; {}", name(slot), longest(stuck)));
        }
    }
    for twins in &faults.twins {
        let (pair, frames) = (format!("{} and {}", name(twins.first), name(twins.second)), &twins.frames);
        let times = counted(frames.count, "time");
        let total = counted(frames.frames, "frame");
        say(format!("{pair} are one animal found twice, {times}, {total}; {}", longest(frames)));
    }
    for (slot, far) in faults.far.iter().enumerate() {
        if far.points > 1 && far.points as f64 / minutes(report) > FAR_POINTS_PER_MIN_LOOK {
            let points = counted(far.points, "point");
            let at = far.first_frame.unwrap_or_default();
            say(format!(
                "{points} of {} more than {FAR_BODY_LENGTHS} body lengths away, first at frame {at}",
                name(slot)
            ));
        }
    }
    if faults.outside.points > 0 {
        let (points, at) = (counted(faults.outside.points, "point"), faults.outside.first_frame.unwrap_or_default());
        say(format!("{points} far out of the range of all others, first at frame {at}"));
    }
}

fn swap_faults(report: &PoseReport, say: &mut impl FnMut(String)) {
    let suspected = &report.swaps.suspected;
    if suspected.is_empty() {
        return;
    }
    let name = |slot: usize| report.individuals.get(slot).map_or("?", String::as_str);
    let pairs = report.individuals.len() > 2;
    let places = suspected.iter().take(SWAPS_NAMED_MAX).map(|swap| {
        let pair = format!(" ({} and {})", name(swap.first), name(swap.second));
        format!("{}{}", swap.frame, if pairs { pair.as_str() } else { "" })
    });
    let places = places.collect::<Vec<_>>().join(", ");
    let more = suspected.len().saturating_sub(SWAPS_NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let swaps = counted(suspected.len() as u64, "suspected swap");
    say(format!("{swaps} of identities, at frames {places}{more}"));
}

fn minutes(report: &PoseReport) -> f64 {
    (report.frames.count as f64 / report.rate.used_hz() / 60.0).max(f64::MIN_POSITIVE)
}

/// In seconds where the rate is known, else in frames.
fn lasting(report: &PoseReport, frames: &Range<u64>) -> String {
    let length = frames.end.saturating_sub(frames.start);
    match report.rate.known_hz() {
        Some(rate_hz) => duration(length as f64 / rate_hz),
        None => counted(length, "frame"),
    }
}

/// To three digits or so.
fn rounded(number: f64) -> String {
    let places = match number.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{number:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_string() } else { text.to_string() }
}
