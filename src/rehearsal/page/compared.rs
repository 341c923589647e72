//! Every rule beside a rule of distance alone.

use std::fmt::Write;

use super::Told;
use super::judged::Totals;
use super::limits::{CAUSES_MAX, RULES_MAX};
use super::text::{as_set, name, plain, rate_beside, sentence, signed, written};
use super::write_more;
use crate::rehearsal::{RuleSaid, Scored};
use crate::words::{count, percent};

const HEADINGS: &str = "<thead><tr><th>Rule</th><th></th><th class=\"num\">Labelled, h</th>\
    <th class=\"num\">Triggers</th><th class=\"num\">Bouts hit</th><th class=\"num\">False per hour</th>\
    <th class=\"num\">In unlabelled time</th><th class=\"num\">Latency, median, s</th><th class=\"num\">Latency, 95%, s</th>\
    <th>Refused</th></tr></thead>";

/// What each column counts, from where to where.
const COLUMNS: [(&str, &str); 7] = [
    (
        "Labelled, h",
        "Hours in which somebody looked for what the rule aims at, of all animals that it may be about, and in which it \
         could have triggered: not while histories warm up, after swap alarms or out of the model's range. Time counts \
         once, however many animals were looked at in it.",
    ),
    (
        "Triggers",
        "Ticks at which the rule held and was taken, from the first tick of each recording to its last: stimuli, and \
         shams at which the output would have stayed off. Each is a hit, another trigger within a bout that has one, \
         false, or in unlabelled time.",
    ),
    (
        "Bouts hit",
        "Annotated bouts with a trigger about the same animals from their annotated onset to their annotated offset, \
         of all bouts of what the rule aims at. A trigger that is early by one tick is not within it.",
    ),
    (
        "False per hour",
        "Triggers within no bout of the same animals although somebody had looked for one at that time, divided by \
         the labelled hours from the first to the last tick of the labelled stretches: an hour of a recording, all its \
         animals together. Below it stands what the plan tolerates.",
    ),
    (
        "In unlabelled time",
        "Triggers from the first tick of each recording to its last at which nobody had looked for those animals: \
         neither right nor wrong.",
    ),
    (
        "Latency",
        "From the annotated onset of a bout to the tick of its first trigger, the decision delay included; the way \
         to the device and what the device needs are not, nor a delay that the plan adds. Over the bouts that were \
         hit: half of them were within the median, 95% within the other.",
    ),
    (
        "Refused",
        "Ticks at which the rule began to hold and was not taken, from the first tick of each recording to its last, \
         by cause. Those of distance alone are not told.",
    ),
];

pub(super) fn write(page: &mut String, told: &Told) {
    page.push_str(
        "<p class=\"lead\">Each rule as it would have triggered, and below it, where it is about two animals, one \
         that looks at the distance between their bodies and at nothing else, with the same refractory periods. That \
         distance was chosen among a few by these very recordings, which flatters it. If the two do not differ, the \
         model adds nothing that a ruler does not tell.</p>\n",
    );
    let rules = &told.rehearsal.rules;
    if rules.is_empty() {
        page.push_str("<p class=\"none\">no rules</p>\n");
        return;
    }
    let _ = writeln!(page, "<div class=\"wide\"><table class=\"compared\">{HEADINGS}");
    for (rule, totals) in rules.iter().zip(&told.totals).take(RULES_MAX) {
        write_rule(page, rule, totals);
    }
    page.push_str("</table></div>\n<ul class=\"differences\">\n");
    for (rule, totals) in rules.iter().zip(&told.totals).take(RULES_MAX) {
        let _ = writeln!(page, "<li><b>{}</b> {}</li>", name(&rule.name), difference(rule, totals));
    }
    page.push_str("</ul>\n");
    write_more(page, rules.len(), RULES_MAX, "Not in the table", "rule");
    page.push_str("<h3>Columns</h3>\n<dl class=\"columns\">");
    for (column, text) in COLUMNS {
        let _ = write!(page, "<dt>{column}</dt><dd>{text}</dd>");
    }
    page.push_str("</dl>\n");
}

/// What was measured of one of the two, as cells.
fn cells(scored: &Scored, max: f64, shams: Option<u64>) -> [String; 7] {
    let is_labelled = scored.labelled_hours > 0.0;
    let seconds = |share| scored.latency_secs(share).map_or_else(|| none("no hit"), |secs| written(secs, 2));
    let mut triggers = count(scored.triggers);
    if let Some(shams) = shams.filter(|shams| *shams > 0) {
        let _ = write!(triggers, "<small>{} sham</small>", count(shams));
    }
    let hits = match scored.bouts {
        0 => none("no bout"),
        bouts => format!(
            "{} of {}<small>{}</small>",
            count(scored.hits),
            count(bouts),
            percent(scored.hits as f64 / bouts as f64)
        ),
    };
    let rate = scored.false_per_hour();
    let rates = if is_labelled {
        let class = if rate <= max { "fit" } else { "unfit" };
        let tolerated = if max.is_nan() { "no number tolerated".to_owned() } else { format!("≤ {}", as_set(max)) };
        format!("<span class=\"{class}\">{}</span><small>{tolerated}</small>", rate_beside(rate, max))
    } else {
        none("not labelled")
    };
    let hours = written(scored.labelled_hours, 2);
    [hours, triggers, hits, rates, count(scored.unlabelled), seconds(0.5), seconds(0.95)]
}

fn none(text: &str) -> String {
    format!("<span class=\"none\">{text}</span>")
}

fn write_rule(page: &mut String, rule: &RuleSaid, totals: &Totals) {
    let max = rule.false_per_hour_max;
    let is_compared = is_compared(rule, totals);
    let rows = if is_compared { 3 } else { 1 };
    let _ = write!(page, "<tbody><tr><th rowspan=\"{rows}\">{}</th><td>this rule</td>", name(&rule.name));
    for cell in cells(&totals.rule, max, Some(totals.shams)) {
        let _ = write!(page, "<td class=\"num\">{cell}</td>");
    }
    let _ = writeln!(page, "<td class=\"causes\" rowspan=\"{rows}\">{}</td></tr>", refused(totals));
    if !is_compared {
        page.push_str("</tbody>\n");
        return;
    }
    let distance = match rule.by_distance.trim() {
        "" => String::new(),
        distance => format!("<small>{}</small>", sentence(distance)),
    };
    let _ = write!(page, "<tr><td class=\"distance\">distance alone{distance}</td>");
    for cell in cells(&totals.by_distance, max, None) {
        let _ = write!(page, "<td class=\"num\">{cell}</td>");
    }
    page.push_str("</tr>\n<tr class=\"apart\"><td>difference</td><td></td>");
    for cell in differences(totals) {
        let _ = write!(page, "<td class=\"num\">{cell}</td>");
    }
    page.push_str("</tr></tbody>\n");
}

/// Whether there is a rule of distance alone: there is none for a rule about a single animal.
fn is_compared(rule: &RuleSaid, totals: &Totals) -> bool {
    !rule.by_distance.trim().is_empty() || totals.by_distance.triggers > 0
}

fn refused(totals: &Totals) -> String {
    let causes = totals.causes();
    if causes.is_empty() {
        return none("none");
    }
    let sum = causes.iter().map(|(_, count)| count).sum();
    let mut text = count(sum);
    for (cause, number) in causes.iter().take(CAUSES_MAX) {
        let _ = write!(text, "<small>{} {}</small>", count(*number), plain(cause));
    }
    if causes.len() > CAUSES_MAX {
        let rest = causes.iter().skip(CAUSES_MAX).map(|(_, count)| count).sum();
        let _ = write!(text, "<small>{} of {} other causes</small>", count(rest), causes.len() - CAUSES_MAX);
    }
    text
}

/// The rule less distance alone: what is better is marked as such, what is worse too.
fn differences(totals: &Totals) -> [String; 6] {
    let (rule, other) = (&totals.rule, &totals.by_distance);
    let less = |a: u64, b: u64| a as f64 - b as f64;
    let judged = |value: f64, digits: usize, is_better: bool| {
        let class = match value {
            0.0 => "same",
            _ if is_better => "fit",
            _ => "unfit",
        };
        format!("<span class=\"{class}\">{}</span>", signed(value, digits))
    };
    let hits = less(rule.hits, other.hits);
    let rate = rule.false_per_hour() - other.false_per_hour();
    let late = |share| match latencies(totals, share) {
        Some(secs) => judged(secs, 2, secs < 0.0),
        None => String::new(),
    };
    [
        signed(less(rule.triggers, other.triggers), 0),
        if rule.bouts > 0 { judged(hits, 0, hits > 0.0) } else { String::new() },
        if rule.labelled_hours > 0.0 { judged(rate, 1, rate < 0.0) } else { String::new() },
        signed(less(rule.unlabelled, other.unlabelled), 0),
        late(0.5),
        late(0.95),
    ]
}

/// How much later the rule is.
fn latencies(totals: &Totals, share: f64) -> Option<f64> {
    Some(totals.rule.latency_secs(share)? - totals.by_distance.latency_secs(share)?)
}

/// The same in words.
fn difference(said: &RuleSaid, totals: &Totals) -> String {
    let (rule, other) = (&totals.rule, &totals.by_distance);
    if !is_compared(said, totals) {
        return "is held against no rule of distance: there is none for it.".to_owned();
    }
    if rule.labelled_hours <= 0.0 {
        return "cannot be held against distance alone: nobody labelled what it aims at.".to_owned();
    }
    if other.triggers == 0 {
        return "has nothing to be held against: the rule of distance alone never triggered.".to_owned();
    }
    let hits = match (rule.hits, other.hits) {
        (a, b) if a > b => format!("hits {} more of {} bouts than distance alone", count(a - b), count(rule.bouts)),
        (a, b) if a < b => format!("hits {} fewer of {} bouts than distance alone", count(b - a), count(rule.bouts)),
        _ => format!("hits as many of {} bouts as distance alone", count(rule.bouts)),
    };
    let rate = other.false_per_hour() - rule.false_per_hour();
    let rates = match written(rate.abs(), 1) {
        same if same == "0.0" => "triggers falsely as often".to_owned(),
        fewer if rate > 0.0 => format!("triggers falsely {fewer} times an hour less"),
        more => format!("triggers falsely {more} times an hour more"),
    };
    let late = match latencies(totals, 0.5) {
        Some(secs) if secs > 0.0 => format!(", and is {} s later in the median", written(secs, 2)),
        Some(secs) if secs < 0.0 => format!(", and is {} s earlier in the median", written(-secs, 2)),
        Some(_) => ", and is as late in the median".to_owned(),
        None => String::new(),
    };
    format!("{hits}, {rates}{late}.")
}
