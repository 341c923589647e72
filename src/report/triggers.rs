//! What a trigger would do: how often it fires for nothing, how many bouts it catches, how late.

use std::fmt::Write;

use super::axis::Axis;
use super::markup::{
    NOT_MEASURED, delay_entries, delay_look, delay_name, figure, finite, full_name, legend, look_of_delay, measured,
    name, nothing,
};
use super::plot::{Plot, X_PX, Y_PX};
use super::value::{AtDelay, BehaviorReport, Report, Trigger, TriggerPoint};
use crate::words::count;

/// Rates under this are drawn as none: a false trigger in a hundred hours is more than a run can tell.
const RATE_MIN_PER_HOUR: f64 = 0.01;

const HEADINGS: &str = "<thead><tr><th>Chosen for</th><th>Delay</th><th class=\"num\">On</th><th class=\"num\">Off</th>\
    <th class=\"num\">Sustain, ms</th><th class=\"num\">Hits of bouts</th><th class=\"num\">False per hour</th>\
    <th class=\"num\">up to (95%)</th><th class=\"num\">Median latency, s</th><th class=\"num\">95% latency, s</th>\
    </tr></thead>";

pub(super) fn write(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "<p class=\"lead\">Each line runs over thresholds: the share of {} bouts in which a trigger fires, \
         and how late it does, against how often an hour it fires outside of any. The axis of rates is logarithmic, \
         and none at all (0) is drawn at its left edge, beyond the break. Latency runs from the annotated onset of a \
         bout to the tick at which its trigger fires, the decision delay included; the median is drawn strong, what \
         95% of the hits stay under is drawn thin. Rates are those of one animal or pair. Rings mark the triggers of the tables: one fires when the score has \
         been at or above <i>on</i> for the sustain time, and again only after it fell under <i>off</i>.</p>",
        report.part.name()
    );
    if report.behaviors.is_empty() {
        page.push_str(&nothing());
        return;
    }
    page.push_str(&legend(&delay_entries(&report.head.delays)));
    let x = rates(report);
    for behavior in &report.behaviors {
        let _ = writeln!(page, "<div class=\"trigger\"><h3>{}</h3>", full_name(&behavior.label_set, &behavior.name));
        if behavior.delays.iter().all(|at| at.trigger_curve.is_empty()) && behavior.triggers.is_empty() {
            let _ = writeln!(page, "<p class=\"none\">{NOT_MEASURED}</p></div>");
            continue;
        }
        page.push_str("<div class=\"trio\">\n");
        curves(page, report, behavior, x);
        table(page, report, &behavior.triggers);
        page.push_str("</div></div>\n");
    }
}

/// One axis for all behaviors, so that they can be compared.
fn rates(report: &Report) -> Axis {
    let curves = report.behaviors.iter().flat_map(|behavior| &behavior.delays).flat_map(|at| &at.trigger_curve);
    let chosen = report.behaviors.iter().flat_map(|behavior| &behavior.triggers);
    let rates = curves.map(|point| point.false_per_hour).chain(chosen.filter_map(|trigger| trigger.false_per_hour));
    Axis::log_and_zero(rates.filter(|rate| *rate >= RATE_MIN_PER_HOUR), X_PX)
}

fn curves(page: &mut String, report: &Report, behavior: &BehaviorReport, x: Axis) {
    let delays = || behavior.delays.iter().take(report.head.delays.len()).enumerate();
    let rate_title = "false triggers per hour";

    let mut hits = Plot::new((x, rate_title), (Axis::share(Y_PX), "share of bouts hit"));
    for (index, at) in delays() {
        hits.line(at.trigger_curve.iter().map(|point| [point.false_per_hour, point.share_hit]), &delay_look(index));
    }
    let of_curves = |at: &AtDelay| {
        at.trigger_curve
            .iter()
            .flat_map(|point| [point.latency_median_secs, point.latency_p95_secs])
            .collect::<Vec<_>>()
    };
    let of_chosen = behavior.triggers.iter().filter_map(|trigger| trigger.latency_median_secs);
    let secs = delays().flat_map(|(_, at)| of_curves(at)).chain(of_chosen);
    let mut late = Plot::new((x, rate_title), (Axis::linear(secs.chain([0.0]), Y_PX), "latency after onset, s"));
    for (index, at) in delays() {
        let look = delay_look(index);
        let line =
            |of: fn(&TriggerPoint) -> f64| at.trigger_curve.iter().map(move |point| [point.false_per_hour, of(point)]);
        late.line(line(|point| point.latency_p95_secs), &format!("thin {look}"));
        late.line(line(|point| point.latency_median_secs), &look);
    }
    for trigger in &behavior.triggers {
        let look = look_of_delay(&report.head.delays, trigger.delay);
        let Some(rate) = finite(trigger.false_per_hour) else { continue };
        if trigger.bouts > 0 {
            hits.target([rate, trigger.hits as f64 / trigger.bouts as f64], &look);
        }
        if let Some(secs) = finite(trigger.latency_median_secs) {
            late.target([rate, secs], &look);
        }
    }
    page.push_str(&figure("Bouts hit", &hits.finish("share of bouts hit against false triggers per hour")));
    page.push_str(&figure("Onset latency", &late.finish("latency after onset against false triggers per hour")));
}

fn table(page: &mut String, report: &Report, triggers: &[Trigger]) {
    if triggers.is_empty() {
        page.push_str("<p class=\"none\">no trigger was chosen</p>\n");
        return;
    }
    let _ = writeln!(page, "<div class=\"wide\"><table class=\"triggers\">{HEADINGS}<tbody>");
    for trigger in triggers {
        let look = look_of_delay(&report.head.delays, trigger.delay);
        let _ = write!(
            page,
            "<tr><th>{}</th><td class=\"delay\"><span class=\"chip {look}\"></span>{}</td>",
            name(&trigger.chosen_for),
            delay_name(trigger.delay)
        );
        for (value, digits) in [(trigger.on, 2), (trigger.off, 2), (trigger.sustain_millis, 0)] {
            let _ = write!(page, "<td class=\"num\">{}</td>", measured(value, digits));
        }
        let _ = write!(page, "<td class=\"num\">{} of {}</td>", count(trigger.hits), count(trigger.bouts));
        let rates = [trigger.false_per_hour, trigger.false_per_hour_upper];
        for value in rates.into_iter().chain([trigger.latency_median_secs, trigger.latency_p95_secs]) {
            let _ = write!(page, "<td class=\"num\">{}</td>", measured(value, 2));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}
