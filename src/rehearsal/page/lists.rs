//! What to look at again: false triggers and missed bouts, with their times.

use std::fmt::Write;

use super::judged::{Fate, Held, is_within};
use super::text::{clock, name, plain, secs, written};
use crate::rehearsal::{Decision, Interval, OfRule, Outcome};
use crate::words::count;

/// A bout farther away has nothing to do with a trigger.
const NEAR_SECS: f64 = 10.0;

pub(super) fn write(page: &mut String, of_rule: &OfRule, held: &Held, rows_max: usize) {
    page.push_str("<div class=\"lists\">\n");
    let mut false_ones: Vec<&Decision> =
        held.triggers.iter().filter(|judged| judged.fate == Fate::False).map(|judged| judged.decision).collect();
    false_ones.sort_by_key(|decision| decision.tick);
    let title = format!("False triggers: {}", count(false_ones.len() as u64));
    list(page, &title, ["Time", "Animals", "Nearest bout"], false_ones.len(), rows_max, |index| {
        let decision = false_ones[index];
        let sham = if decision.outcome == Outcome::Sham { " <small>sham</small>" } else { "" };
        [clock(decision.tick) + sham, name(&decision.animals), nearest(of_rule, decision)]
    });
    let missed = of_rule.bouts.iter().zip(&held.is_hit).filter(|(_, is_hit)| !**is_hit);
    let mut missed: Vec<&Interval> = missed.map(|(bout, _)| bout).collect();
    missed.sort_by_key(|bout| bout.start);
    let title = format!("Missed bouts: {} of {}", count(missed.len() as u64), count(of_rule.bouts.len() as u64));
    list(page, &title, ["From, to", "Animals", "Within it"], missed.len(), rows_max, |index| {
        let bout = missed[index];
        let times = format!("{} to {}", clock(bout.start), clock(bout.stop));
        [times, name(&bout.animals), why_missed(of_rule, bout)]
    });
    page.push_str("</div>\n");
}

fn list(
    page: &mut String,
    title: &str,
    columns: [&str; 3],
    rows: usize,
    rows_max: usize,
    cells: impl Fn(usize) -> [String; 3],
) {
    let _ = writeln!(page, "<div class=\"list\"><h5>{title}</h5>");
    if rows > 0 {
        page.push_str("<div class=\"wide\"><table><thead><tr>");
        for column in columns {
            let _ = write!(page, "<th>{column}</th>");
        }
        page.push_str("</tr></thead><tbody>\n");
        for index in 0..rows.min(rows_max) {
            let [first, second, third] = cells(index);
            let _ = writeln!(page, "<tr><td class=\"time\">{first}</td><td>{second}</td><td>{third}</td></tr>");
        }
        page.push_str("</tbody></table></div>\n");
    }
    if rows > rows_max {
        let _ = writeln!(page, "<p class=\"left-out\">Not listed: {} more</p>", count((rows - rows_max) as u64));
    }
    page.push_str("</div>\n");
}

/// The bout that a false trigger may have been about, of any animals.
fn nearest(of_rule: &OfRule, decision: &Decision) -> String {
    let away = |bout: &Interval| match decision.tick {
        tick if tick < bout.start => bout.start - tick,
        // The last tick of a bout is the one before its stop.
        tick => tick.saturating_add(1).saturating_sub(bout.stop),
    };
    let others = of_rule.bouts.iter().filter(|bout| bout.start < bout.stop);
    let Some(bout) = others.min_by_key(|bout| (away(bout), bout.animals != decision.animals)) else {
        return "<span class=\"none\">none annotated</span>".to_owned();
    };
    let ticks = away(bout);
    let whose = if bout.animals == decision.animals { String::new() } else { format!(" of {}", name(&bout.animals)) };
    let far = secs(ticks);
    if ticks == 0 {
        format!("within one{whose}")
    } else if far > NEAR_SECS {
        format!("<span class=\"none\">none within {} s</span>", written(NEAR_SECS, 0))
    } else {
        let side = if decision.tick < bout.start { "before" } else { "after" };
        format!("{} s {side} one{whose}", written(far, 2))
    }
}

/// What happened in a bout that was not triggered at.
fn why_missed(of_rule: &OfRule, bout: &Interval) -> String {
    if bout.start >= bout.stop {
        return "<span class=\"none\">ends before it begins</span>".to_owned();
    }
    let is_about = |decision: &&Decision| decision.animals == bout.animals && is_within(bout, decision.tick);
    let decisions = || of_rule.decisions.iter().filter(is_about);
    if decisions().any(|decision| decision.outcome.is_trigger()) {
        return "its trigger counts for another bout, which it overlaps".to_owned();
    }
    let mut within = decisions().filter_map(|decision| match &decision.outcome {
        Outcome::Refused { cause, .. } => Some((decision.tick, cause)),
        _ => None,
    });
    match within.next() {
        Some((tick, cause)) => {
            let rest = within.count();
            let more = if rest > 0 { format!(" and {} more", count(rest as u64)) } else { String::new() };
            format!("refused at {}: {}{more}", clock(tick), plain(cause))
        }
        None => "the rule did not begin to hold".to_owned(),
    }
}
