//! What looking on longer is worth, and what having seen more is.

use std::fmt::Write;

use super::axis::Axis;
use super::behaviors::label_sets;
use super::markup::{
    Mark, behavior_look, delay_entries, delay_look, delay_name, delay_secs, figure, finite, legend, name, nothing,
};
use super::plot::{Plot, X_PX, Y_PX};
use super::value::{BehaviorReport, History, Report};

pub(super) fn write(page: &mut String, report: &Report) {
    let delay =
        report.history_delay.map(|delay| format!(", at the delay of {}", delay_name(delay))).unwrap_or_default();
    let _ = writeln!(
        page,
        "<p class=\"lead\">Frame F1 on {} recordings against the decision delay (from a moment to the verdict on it), \
         and on validation against the history (from when the cage was first seen to that moment){delay}: how long \
         to wait after a start before verdicts can be relied on. Colours stand for behaviors here; the thick line is their mean.</p>",
        report.part.name()
    );
    overall(page, report);
    if report.behaviors.is_empty() {
        page.push_str(&nothing());
    }
    for label_set in label_sets(report) {
        let behaviors: Vec<&BehaviorReport> =
            report.behaviors.iter().filter(|behavior| behavior.label_set == label_set).collect();
        let by_delay: Vec<Vec<[f64; 2]>> = behaviors.iter().map(|behavior| by_delay(report, behavior)).collect();
        let by_history: Vec<Vec<[f64; 2]>> = behaviors.iter().map(|behavior| behavior.f1_by_history.clone()).collect();
        let _ = writeln!(page, "<h3>{}</h3>", name(label_set));
        let entries = behaviors.iter().enumerate();
        let mut entries: Vec<_> =
            entries.map(|(index, behavior)| (Mark::Line, behavior_look(index), name(&behavior.name))).collect();
        entries.push((Mark::Line, "all mean".to_owned(), "mean".to_owned()));
        page.push_str(&legend(&entries));
        page.push_str("<div class=\"panels two\">\n");
        page.push_str(&figure("By decision delay", &lines(&by_delay, "decision delay, s")));
        if by_history.iter().any(|points| !points.is_empty()) {
            page.push_str(&figure("By history", &lines(&by_history, "seconds since the cage was first seen")));
        }
        page.push_str("</div>\n");
    }
}

/// The lab average by history, a line for each delay.
fn overall(page: &mut String, report: &Report) {
    if report.history.is_empty() {
        return;
    }
    page.push_str("<h3>Lab average by history</h3>\n");
    page.push_str(&legend(&delay_entries(&report.head.delays)));
    let x = Axis::linear(report.history.iter().map(|history| history.secs).chain([0.0]), X_PX);
    let mut plot = Plot::new((x, "seconds since the cage was first seen"), (Axis::share(Y_PX), "F1"));
    for delay in 0..report.head.delays.len() {
        let f1 = |history: &History| finite(history.f1.get(delay).copied().flatten()).unwrap_or(f64::NAN);
        plot.line(report.history.iter().map(|history| [history.secs, f1(history)]), &delay_look(delay));
    }
    page.push_str("<div class=\"panels two\">\n");
    page.push_str(&figure("At the best thresholds for whole windows, on validation", &plot.finish("F1 by history")));
    page.push_str("</div>\n");
}

fn by_delay(report: &Report, behavior: &BehaviorReport) -> Vec<[f64; 2]> {
    let points = report.head.delays.iter().zip(&behavior.delays);
    points.map(|(delay, at)| [delay_secs(*delay), finite(at.f1).unwrap_or(f64::NAN)]).collect()
}

fn lines(behaviors: &[Vec<[f64; 2]>], x_title: &str) -> String {
    let x = Axis::linear(behaviors.iter().flatten().map(|point| point[0]).chain([0.0]), X_PX);
    let mut plot = Plot::new((x, x_title), (Axis::share(Y_PX), "F1"));
    for (index, points) in behaviors.iter().enumerate() {
        plot.line(points.iter().copied(), &behavior_look(index));
    }
    plot.line(mean(behaviors).into_iter(), "all mean");
    plot.finish("F1")
}

/// Of the behaviors that have values, where all of them have one for the same x: a mean would jump as they come and go.
fn mean(behaviors: &[Vec<[f64; 2]>]) -> Vec<[f64; 2]> {
    let behaviors: Vec<&Vec<[f64; 2]>> = behaviors.iter().filter(|points| !points.is_empty()).collect();
    let Some(first) = behaviors.first() else { return Vec::new() };
    let at = |(index, [x, _]): (usize, &[f64; 2])| {
        let values =
            behaviors.iter().map(|points| points.get(index).filter(|point| point[0] == *x).map(|point| point[1]));
        let sum = values.sum::<Option<f64>>().unwrap_or(f64::NAN);
        [*x, sum / behaviors.len() as f64]
    };
    first.iter().enumerate().map(at).collect()
}
