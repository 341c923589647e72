//! What scores are worth: precision and recall over thresholds, and whether a score is a probability.

use std::fmt::Write;

use super::axis::Axis;
use super::markup::{Mark, delay_entries, delay_look, delay_name, figure, full_name, legend, measured_text, nothing};
use super::plot::{Plot, X_PX, Y_PX};
use super::value::{AtDelay, BehaviorReport, Bin, CutPoint, Report};

/// Of the dot that stands for most ticks.
const RADIUS_MAX: f64 = 7.0;
const RADIUS_MIN: f64 = 1.6;

pub(super) fn write_precision(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "<p class=\"lead\">Each line runs over all thresholds, from low ones at the right, where nearly all that was \
         annotated is found, to high ones at the left, where what is said is mostly right; frames of {} recordings. \
         Rings mark the thresholds that were chosen on validation.</p>",
        report.part.name()
    );
    let shown: Vec<&BehaviorReport> = report.behaviors.iter().collect();
    if shown.is_empty() {
        page.push_str(&nothing());
        return;
    }
    page.push_str(&legend(&delay_entries(&report.head.delays)));
    page.push_str("<div class=\"panels\">\n");
    for behavior in shown {
        let mut plot = Plot::new((Axis::share(X_PX), "recall"), (Axis::share(Y_PX), "precision"));
        let delays = || behavior.delays.iter().take(report.head.delays.len()).enumerate();
        for (index, at) in delays() {
            let points = at.precision_recall.iter().map(|point| [point.recall, point.precision]);
            plot.line(points, &delay_look(index));
        }
        for (index, at) in delays() {
            if let Some(point) = at_threshold(at) {
                plot.target(point, &delay_look(index));
            }
        }
        let title = full_name(&behavior.label_set, &behavior.name);
        page.push_str(&figure(&title, &plot.finish("precision against recall")));
    }
    page.push_str("</div>\n");
}

/// Recall and precision at the threshold, on the line between the two cuts around it. None where it lies beyond them.
pub(super) fn at_threshold(at: &AtDelay) -> Option<[f64; 2]> {
    let threshold = at.threshold.filter(|threshold| threshold.is_finite())?;
    let place = |point: &CutPoint| [point.recall, point.precision];
    if let Some(point) = at.precision_recall.iter().find(|point| point.threshold == threshold) {
        return Some(place(point));
    }
    let around = at.precision_recall.windows(2);
    let [below, above] = around
        .filter_map(|pair| <&[CutPoint; 2]>::try_from(pair).ok())
        .find(|[below, above]| below.threshold < threshold && threshold < above.threshold)?;
    let share = (threshold - below.threshold) / (above.threshold - below.threshold);
    let between = |axis: usize| place(below)[axis] + (place(above)[axis] - place(below)[axis]) * share;
    Some([between(0), between(1)])
}

pub(super) fn write_reliability(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "<p class=\"lead\">Does a score of 0.7 mean that the behavior happens at 70% of such ticks? Each dot is a bin \
         of ticks of about the same score, the larger the more ticks (by their logarithm); on the diagonal scores are \
         probabilities, under it the network is too sure. Grey rings are raw scores, dots those after calibration, \
         both on {} recordings; ECE is the mean distance from the diagonal over ticks.</p>",
        report.part.name()
    );
    let with_bins = |at: &AtDelay| !at.before.bins.is_empty() || !at.after.bins.is_empty();
    let mut panels = String::new();
    let mut entries = vec![(Mark::Ring, "all".to_owned(), "before calibration".to_owned())];
    for behavior in &report.behaviors {
        for (index, delay) in report.head.delays.iter().enumerate() {
            let Some(at) = behavior.delays.get(index).filter(|at| with_bins(at)) else { continue };
            let name = full_name(&behavior.label_set, &behavior.name);
            let [before, after] = [&at.before, &at.after].map(|calibration| measured_text(calibration.error, 3));
            let title = format!("{name} <small>delay {}<br/>ECE {before} → {after}</small>", delay_name(*delay));
            panels.push_str(&figure(&title, &diagram(at, &delay_look(index))));
        }
    }
    if panels.is_empty() {
        page.push_str(&nothing());
        return;
    }
    for (index, delay) in report.head.delays.iter().enumerate() {
        if report.behaviors.iter().any(|behavior| behavior.delays.get(index).is_some_and(with_bins)) {
            entries.push((Mark::Dot, delay_look(index), format!("after, delay {}", delay_name(*delay))));
        }
    }
    page.push_str(&legend(&entries));
    page.push_str("<div class=\"panels\">\n");
    page.push_str(&panels);
    page.push_str("</div>\n");
}

fn diagram(at: &AtDelay, look: &str) -> String {
    let mut plot = Plot::new((Axis::share(X_PX), "score"), (Axis::share(Y_PX), "share of ticks annotated"));
    plot.guide([0.0, 0.0], [1.0, 1.0]);
    for (bins, line, dot) in [(&at.before.bins, "all", "ring all"), (&at.after.bins, look, &format!("dot soft {look}"))]
    {
        plot.line(bins.iter().map(|bin| [bin.predicted, bin.observed]), &format!("thin {line}"));
        let most = bins.iter().map(|bin| bin.ticks).max().unwrap_or(0);
        let size = |bin: &Bin| ((bin.ticks.saturating_add(1)) as f64).ln() / (1.0 + most as f64).ln().max(1.0);
        for bin in bins {
            plot.dot([bin.predicted, bin.observed], RADIUS_MIN + (RADIUS_MAX - RADIUS_MIN) * size(bin).min(1.0), dot);
        }
    }
    plot.finish("observed against predicted")
}
