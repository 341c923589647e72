//! What was rehearsed, and what came of it in a sentence a rule.

use std::fmt::Write;

use super::Told;
use super::judged::Totals;
use super::limits::{CONDITIONS_MAX, RECORDINGS_NAMED_MAX, RULES_MAX};
use super::text::{as_set, minutes, name, plain, rate_beside, sentence, written};
use super::write_more;
use crate::rehearsal::{Rehearsal, RuleSaid};
use crate::words::{count, counted};

/// Of events at random, so many in a time have a chance of 5% that none is seen in it: −ln 0.05.
const RATE_OF_NONE: f64 = 2.995_732;

pub(super) fn write(page: &mut String, rehearsal: &Rehearsal) {
    page.push_str(
        "<p class=\"lead\">What the rules of a plan would have done in recordings that somebody labelled: nothing \
         was stimulated for this page, and the animals in the recordings met no light. What a stimulus would have \
         changed in their behavior is not in here. Each recording is taken for a session of its own, in which every \
         rule is played alone, armed throughout and in its phase.</p>\n<dl>",
    );
    let hashed = |text: &str, hash: &str| match hash.trim() {
        "" => name(text),
        hash => format!("{} <code>{}</code>", name(text), plain(hash)),
    };
    let rows = [
        ("Plan", hashed(&rehearsal.plan, &rehearsal.plan_hash)),
        ("Rig", name(&rehearsal.rig)),
        ("Model", hashed(&rehearsal.model, &rehearsal.model_hash)),
        ("Recordings", recordings(rehearsal)),
    ];
    for (term, text) in rows {
        let _ = write!(page, "<dt>{term}</dt><dd>{text}</dd>");
    }
    page.push_str("</dl>\n");
}

fn recordings(rehearsal: &Rehearsal) -> String {
    let all = &rehearsal.recordings;
    let ticks = all.iter().fold(0_u64, |sum, recording| sum.saturating_add(recording.ticks));
    let mut text = format!("{}, {} together", counted(all.len() as u64, "recording"), minutes(ticks));
    for (index, recording) in all.iter().take(RECORDINGS_NAMED_MAX).enumerate() {
        let between = if index == 0 { ": " } else { "; " };
        let _ = write!(text, "{between}{}", name(&recording.name));
    }
    if all.len() > RECORDINGS_NAMED_MAX {
        let _ = write!(text, " and {} more", count((all.len() - RECORDINGS_NAMED_MAX) as u64));
    }
    text
}

/// Whether a rule passes, as the permit has it, and the sentence that says so.
pub(super) fn verdict(rule: &RuleSaid, totals: &Totals) -> (bool, String) {
    let (rate, max) = (totals.rule.false_per_hour(), rule.false_per_hour_max);
    if totals.rule.labelled_hours <= 0.0 {
        let who = if rule.aim.is_empty() { "nobody said what it aims at" } else { "nobody labelled what it aims at" };
        return (false, format!("{who}: no permit"));
    }
    if max.is_nan() {
        return (false, "does not pass: the number of false triggers that the plan tolerates is no number".to_owned());
    }
    let passes = rate <= max;
    let word = if passes { "passes" } else { "does not pass" };
    let tolerated = match max {
        f64::INFINITY => "any number is tolerated".to_owned(),
        max => format!("at most {} are tolerated", as_set(max)),
    };
    let found = match totals.rule.triggers {
        0 => "it never triggered, so never for nothing".to_owned(),
        _ => format!("{} false triggers an hour", rate_beside(rate, max)),
    };
    (passes, format!("{word}: {found}, {tolerated}"))
}

pub(super) fn write_verdicts(page: &mut String, told: &Told) {
    let rules = &told.rehearsal.rules;
    let verdicts: Vec<(bool, String)> =
        rules.iter().zip(&told.totals).map(|(rule, totals)| verdict(rule, totals)).collect();
    let passed = verdicts.iter().filter(|(passes, _)| *passes).count();
    let all = counted(rules.len() as u64, "rule");
    let (class, whole) = match rules.len() {
        0 => ("unfit", "The plan has no rules: there is nothing to permit.".to_owned()),
        rules if passed == rules => ("fit", format!("The plan passes, with {all}.")),
        rules => {
            let (short, word) = (rules - passed, if rules - passed == 1 { "does" } else { "do" });
            ("unfit", format!("The plan does not pass: {short} of {all} {word} not, and arming asks for every one."))
        }
    };
    let _ = writeln!(page, "<p class=\"whole {class}\">{whole}</p>");
    page.push_str("<ul class=\"verdicts\">\n");
    for ((rule, totals), (passes, text)) in rules.iter().zip(&told.totals).zip(&verdicts).take(RULES_MAX) {
        let (class, sign) = if *passes { ("fit", "✓") } else { ("unfit", "✗") };
        let _ = writeln!(
            page,
            "<li class=\"{class}\"><span class=\"sign\">{sign}</span> <b>{}</b> <span>{text}</span><small>{}</small></li>",
            name(&rule.name),
            counts(totals, rule.false_per_hour_max)
        );
    }
    page.push_str("</ul>\n");
    write_more(page, rules.len(), RULES_MAX, "Not told", "rule");
}

/// The numbers behind a verdict.
fn counts(totals: &Totals, max: f64) -> String {
    let rule = &totals.rule;
    if rule.labelled_hours <= 0.0 {
        return format!("{} in time that nobody labelled", counted(rule.triggers, "trigger"));
    }
    let hits = match rule.bouts {
        0 => "nobody annotated a bout of what it aims at".to_owned(),
        bouts => format!("{} of {} hit", count(rule.hits), counted(bouts, "annotated bout")),
    };
    let possible = RATE_OF_NONE / rule.labelled_hours;
    let short = if possible > max {
        format!(
            "; too little is labelled to be sure: where none is false in so long, {} an hour are possible still (95%)",
            written(possible, 1)
        )
    } else {
        String::new()
    };
    format!(
        "{} in {} labelled hours; {hits}{short}",
        counted(rule.false_triggers, "false trigger"),
        written(rule.labelled_hours, 2)
    )
}

pub(super) fn write_rules(page: &mut String, told: &Told) {
    if told.rehearsal.rules.is_empty() {
        page.push_str("<p class=\"none\">no rules</p>\n");
    }
    page.push_str("<div class=\"rules\">\n");
    for rule in told.rehearsal.rules.iter().take(RULES_MAX) {
        let _ = write!(page, "<article><h3>{}</h3><dl>", name(&rule.name));
        for (term, items, none) in
            [("Holds when", &rule.conditions, "not told"), ("Held against", &rule.aim, "nobody said what it aims at")]
        {
            let _ = write!(page, "<dt>{term}</dt><dd>{}</dd>", items_of(items, none));
        }
        let _ = write!(page, "<dt>Then</dt><dd>{}</dd>", sentence(&rule.stimulus));
        let _ = writeln!(
            page,
            "<dt>Tolerated</dt><dd>{} false triggers an hour</dd></dl></article>",
            as_set(rule.false_per_hour_max)
        );
    }
    page.push_str("</div>\n");
}

fn items_of(items: &[String], none: &str) -> String {
    if items.is_empty() {
        return format!("<span class=\"none\">{none}</span>");
    }
    let mut text = "<ul>".to_owned();
    for item in items.iter().take(CONDITIONS_MAX) {
        let _ = write!(text, "<li>{}</li>", sentence(item));
    }
    if items.len() > CONDITIONS_MAX {
        let _ = write!(text, "<li>and {} more</li>", count((items.len() - CONDITIONS_MAX) as u64));
    }
    text.push_str("</ul>");
    text
}
