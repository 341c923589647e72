//! Each behavior in numbers.

use std::fmt::Write;

use super::markup::{delay_look, delay_name, distinct, finite, measured, name, nothing, sentence};
use super::value::{Amount, AtDelay, BehaviorReport, Fitness, Part, Report};
use crate::time::DelayTicks;
use crate::words::counted;

const HEADINGS: &str = "<th>Delay</th><th class=\"num\">F1</th><th class=\"num\">Precision</th><th class=\"num\">Recall</th>\
    <th class=\"num\">Average precision</th><th class=\"num\">Threshold</th>\
    <th class=\"num\">Calibration error</th><th>Trigger</th></tr></thead>\n";

pub(super) fn write(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "<p class=\"lead\">How much of each behavior was annotated (bouts, and minutes of all animals or pairs \
         together), and how well it is found on {} recordings at each decision delay, frame by frame, at its threshold. \
         The calibration error is that of raw scores → after calibration. Few bouts make every number beside them \
         uncertain.</p>",
        report.part.name()
    );
    if report.behaviors.is_empty() {
        page.push_str(&nothing());
    }
    for label_set in label_sets(report) {
        let _ = writeln!(
            page,
            "<h3>{}</h3>\n<div class=\"wide\"><table class=\"behaviors\">{}",
            name(label_set),
            headings(report)
        );
        for behavior in report.behaviors.iter().filter(|behavior| behavior.label_set == label_set) {
            rows(page, behavior, &report.head.delays);
        }
        page.push_str("</table></div>\n");
    }
}

/// How much there was to learn from beside how much to measure on, then [`HEADINGS`].
fn headings(report: &Report) -> String {
    let measured = match report.part {
        Part::Train => "Measured",
        part => part.title(),
    };
    format!("<thead><tr><th>Behavior</th><th class=\"num\">Train</th><th class=\"num\">{measured}</th>{HEADINGS}")
}

/// Label sets that have behaviors, in order.
pub(super) fn label_sets(report: &Report) -> Vec<&str> {
    distinct(report.behaviors.iter().map(|behavior| behavior.label_set.as_str()))
}

fn rows(page: &mut String, behavior: &BehaviorReport, delays: &[DelayTicks]) {
    let span = delays.len().max(1);
    let fitness = match &behavior.fitness {
        Fitness::NotMeasured => measured(None, 0),
        Fitness::Fit => "<span class=\"fit\">fit</span>".to_owned(),
        Fitness::Unfit(reason) => format!("<span class=\"unfit\">unfit</span> <small>{}</small>", sentence(reason)),
    };
    let _ = write!(
        page,
        "<tbody><tr><th rowspan=\"{span}\">{} <small>{}</small></th><td class=\"num\" rowspan=\"{span}\">{}</td>\
         <td class=\"num\" rowspan=\"{span}\">{}</td>",
        name(&behavior.name),
        behavior.kind.name(),
        amount(behavior.train),
        amount(behavior.measured)
    );
    let fitness = format!("<td class=\"why\" rowspan=\"{span}\">{fitness}</td>");
    if delays.is_empty() {
        let _ = write!(page, "<td colspan=\"7\">{}</td>{fitness}</tr>", measured(None, 0));
    }
    let unmeasured = AtDelay::default();
    for (index, delay) in delays.iter().enumerate() {
        let cells = cells(behavior.delays.get(index).unwrap_or(&unmeasured), index, *delay);
        let (start, end) = if index == 0 { ("", fitness.as_str()) } else { ("<tr>", "") };
        let _ = writeln!(page, "{start}{cells}{end}</tr>");
    }
    page.push_str("</tbody>\n");
}

fn cells(at: &AtDelay, index: usize, delay: DelayTicks) -> String {
    let mut html =
        format!("<td class=\"delay\"><span class=\"chip {}\"></span>{}</td>", delay_look(index), delay_name(delay));
    for share in [at.f1, at.precision, at.recall, at.average_precision] {
        let bar = finite(share).unwrap_or(0.0).clamp(0.0, 1.0) * 100.0;
        let _ = write!(html, "<td class=\"num bar\" style=\"--bar:{bar:.0}%\">{}</td>", measured(share, 2));
    }
    let is_never_told = at.threshold.is_some_and(|threshold| threshold == f64::INFINITY);
    let threshold = if is_never_told { "never told".to_owned() } else { measured(at.threshold, 2) };
    let errors = match (finite(at.before.error), finite(at.after.error)) {
        (None, None) => measured(None, 3),
        (before, after) => format!("{} → {}", measured(before, 3), measured(after, 3)),
    };
    let _ = write!(html, "<td class=\"num\">{threshold}</td><td class=\"num\">{errors}</td>");
    html
}

fn amount(amount: Amount) -> String {
    let bouts = amount.bouts.map_or_else(|| measured(None, 0), |bouts| counted(bouts, "bout"));
    match finite(amount.minutes) {
        Some(minutes) => format!("{bouts} <small>{} min</small>", measured(Some(minutes), 1)),
        None => bouts,
    }
}
