//! What was trained on what, how well it went in short, and what the words mean.

use std::fmt::Write;

use super::axis::Axis;
use super::markup::{
    NOT_MEASURED, delay_look, delay_name, escaped, finite, measured, name, nothing, sentence, shortened, written,
};
use super::svg::{Anchor, Svg};
use super::value::{Estimate, Part, Report, Summary};
use crate::time::DelayTicks;
use crate::words::counted;

/// Names of a list beyond these are counted.
const NAMES_MAX: usize = 60;
/// A hash is as long as that.
const HASH_CHARS_MAX: usize = 130;

pub(super) fn write(page: &mut String, report: &Report) {
    let head = &report.head;
    page.push_str(
        "<p class=\"lead\">What was trained, on which recordings, and by what: enough to do it again.</p>\n<dl>\n",
    );
    let best = head.best_epoch.map(|epoch| format!(", weights kept of epoch {epoch}"));
    let epochs = if report.epochs.is_empty() {
        NOT_MEASURED.to_owned()
    } else {
        format!("{}{}", report.epochs.len(), best.unwrap_or_default())
    };
    let delays: Vec<String> =
        head.delays.iter().map(|delay| format!("{} ({})", delay_name(*delay), ticks(*delay))).collect();
    let hash = escaped(&shortened(&head.weights_hash, HASH_CHARS_MAX));
    let rows = [
        ("Model", text(&head.model)),
        ("Corpus", text(&head.corpus)),
        ("Source", if head.source.trim().is_empty() { unknown() } else { sentence(&head.source) }),
        ("Trained on", recordings(&head.trained)),
        ("Validated on", recordings(&head.validated)),
        ("Tested on", recordings(&head.tested)),
        ("Label sets", names(&head.label_sets)),
        ("Decision delays", if delays.is_empty() { unknown() } else { delays.join(", ") }),
        ("Epochs", epochs),
        ("Seed", head.seed.map_or_else(unknown, |seed| seed.to_string())),
        ("Software", text(&head.software)),
        ("Weights", if hash.is_empty() { unknown() } else { format!("<code>{hash}</code>") }),
    ];
    for (term, value) in rows {
        let _ = writeln!(page, "<dt>{term}</dt><dd>{value}</dd>");
    }
    page.push_str("</dl>\n");
}

fn ticks(delay: DelayTicks) -> String {
    counted(u64::from(delay.0), "tick")
}

fn unknown() -> String {
    "<span class=\"none\">not given</span>".to_owned()
}

fn text(text: &str) -> String {
    if text.trim().is_empty() { unknown() } else { name(text) }
}

fn names(names: &[String]) -> String {
    let mut html: Vec<String> = names.iter().take(NAMES_MAX).map(|text| name(text)).collect();
    if names.len() > NAMES_MAX {
        html.push(format!("and {} more", names.len() - NAMES_MAX));
    }
    if html.is_empty() { "none".to_owned() } else { html.join(", ") }
}

fn recordings(recordings: &[String]) -> String {
    match recordings {
        [] => "none".to_owned(),
        _ => format!("{}: {}", counted(recordings.len() as u64, "recording"), names(recordings)),
    }
}

pub(super) fn write_summary(page: &mut String, report: &Report) {
    let summary = &report.summary;
    page.push_str(
        "<p class=\"lead\">How well annotated and predicted frames agree (F1: 1 is perfect, 0 is not at all), \
         averaged over behaviors and then over labs, for each decision delay. A delay runs from a moment to the \
         verdict on it: the longer the network may look on, the more it knows.",
    );
    if !summary.interval.trim().is_empty() {
        let _ = write!(page, " In brackets: {}.", sentence(summary.interval.trim_end_matches('.')));
    }
    page.push_str("</p>\n");
    let delays = &report.head.delays;
    if delays.is_empty() {
        page.push_str(&nothing());
    } else {
        page.push_str("<div class=\"beside\">\n");
        let has_test = !summary.test.is_empty();
        let test = if has_test { "<th class=\"num\">Test</th>" } else { "" };
        let _ = writeln!(
            page,
            "<table><thead><tr><th>Delay</th><th class=\"num\">{}</th>{test}</tr></thead><tbody>",
            report.part.title()
        );
        for (index, delay) in delays.iter().enumerate() {
            let cell = |estimates: &[Estimate]| format!("<td class=\"num\">{}</td>", estimate(estimates.get(index)));
            let test = if has_test { cell(&summary.test) } else { String::new() };
            let (name, measured) = (delay_name(*delay), cell(&summary.measured));
            let _ = writeln!(page, "<tr><th>{name}</th>{measured}{test}</tr>");
        }
        let _ = writeln!(page, "</tbody></table>\n{}</div>", dots(delays, summary, report.part));
    }
    if summary.warnings.is_empty() {
        page.push_str("<p>No warnings.</p>\n");
        return;
    }
    page.push_str("<div class=\"warnings\"><h3>Mind</h3><ul>\n");
    for warning in &summary.warnings {
        let _ = writeln!(page, "<li>{}</li>", sentence(warning));
    }
    page.push_str("</ul></div>\n");
}

fn estimate(estimate: Option<&Estimate>) -> String {
    let Some(estimate) = estimate else { return measured(None, 2) };
    let value = measured(estimate.value, 3);
    match ends(estimate) {
        Some([lower, upper]) => format!("{value} <small>[{}, {}]</small>", written(lower, 3), written(upper, 3)),
        None => value,
    }
}

fn ends(estimate: &Estimate) -> Option<[f64; 2]> {
    estimate.interval.filter(|ends| ends.iter().all(|end| end.is_finite()))
}

/// A dot and a whisker for each delay: hollow for test recordings beside others.
fn dots(delays: &[DelayTicks], summary: &Summary, part: Part) -> String {
    const WIDTH: f64 = 420.0;
    const ROW: f64 = 30.0;
    const TOP: f64 = 26.0;
    let bottom = TOP + ROW * delays.len() as f64;
    let axis = Axis::share([60.0, WIDTH - 16.0]);
    let mut svg = Svg::default();
    for (at, label) in axis.ticks() {
        svg.segment([at, TOP], [at, bottom + 3.0], "grid");
        svg.text([at, bottom + 15.0], Anchor::Middle, "note", &label);
    }
    let words = match &summary.test[..] {
        [] => format!("F1 on {} recordings", part.name()),
        _ => format!("F1; filled: {}, hollow: test", part.name()),
    };
    svg.text([60.0, 14.0], Anchor::Start, "label", &words);
    for (index, delay) in delays.iter().enumerate() {
        let middle = TOP + ROW * (index as f64 + 0.5);
        let look = delay_look(index);
        svg.text([52.0, middle + 4.0], Anchor::End, "label", &delay_name(*delay));
        for (estimates, y, class) in [(&summary.measured, middle - 5.0, "dot"), (&summary.test, middle + 6.0, "ring")] {
            let Some(estimate) = estimates.get(index) else { continue };
            if let Some([from, to]) = ends(estimate).map(|ends| ends.map(|end| axis.px(end))) {
                let (Some(from), Some(to)) = (from, to) else { continue };
                svg.segment([from, y], [to, y], &format!("whisker {look}"));
            }
            if let Some(at) = finite(estimate.value).and_then(|value| axis.px(value)) {
                svg.circle([at, y], 4.0, &format!("{class} {look}"));
            }
        }
    }
    svg.finish([WIDTH, bottom + 22.0], "F1 by delay")
}

/// Terms, and what they mean here.
const WORDS: [(&str, &str); 9] = [
    ("Tick", "A step of the network; there are 30 a second."),
    (
        "Decision delay",
        "From a moment to the tick at which the network speaks about it; camera and pose estimation come on top.",
    ),
    ("Label set", "What one lab annotates, by its own rules. The same word may mean something else in another one."),
    ("Bout", "A stretch of a behavior from its annotated onset to its offset."),
    ("Precision", "Of what was said, the share that was annotated, too."),
    ("Recall", "Of what was annotated, the share that was said, too."),
    ("F1", "The harmonic mean of precision and recall."),
    ("Threshold", "The score from which on a behavior is said to happen; chosen on validation."),
    (
        "Calibration error",
        "How far scores lie from the share of ticks at which the behavior was annotated, on average over ticks.",
    ),
];

pub(super) fn write_words(page: &mut String, _: &Report) {
    page.push_str("<p class=\"lead\">What the words of this page mean.</p>\n<dl>\n");
    for (term, meaning) in WORDS {
        let _ = writeln!(page, "<dt>{term}</dt><dd>{meaning}</dd>");
    }
    page.push_str("</dl>\n");
}
