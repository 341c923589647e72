//! Text and numbers as HTML holds them.

use std::fmt::Write;

pub(super) use crate::markup::escaped;
use crate::time::{DelayTicks, TICK_RATE_HZ};

/// Colours and kinds of lines: see `page.css`.
const DELAY_LOOKS: usize = 6;
const BEHAVIOR_LOOKS: usize = 9;
const INDIVIDUAL_LOOKS: usize = 8;
const DASHES: usize = 4;

/// Longer names are cut, and so are longer sentences.
const NAME_CHARS_MAX: usize = 64;
const SHORT_NAME_CHARS_MAX: usize = 28;
const SENTENCE_CHARS_MAX: usize = 600;

/// What stands where a number does not.
pub(super) const NOT_MEASURED: &str = "not measured";

/// At most that many characters; what is cut is marked.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A name from a file, kept from turning the text around it.
pub(super) fn name(text: &str) -> String {
    if text.trim().is_empty() {
        return "<span class=\"none\">unnamed</span>".to_owned();
    }
    format!("<bdi>{}</bdi>", escaped(&shortened(text, NAME_CHARS_MAX)))
}

/// As [`name`], for a narrow column.
pub(super) fn short_name(text: &str) -> String {
    name(&shortened(text, SHORT_NAME_CHARS_MAX))
}

/// A behavior with its label set.
pub(super) fn full_name(label_set: &str, behavior: &str) -> String {
    format!("{} <small>{}</small>", name(behavior), name(label_set))
}

pub(super) fn sentence(text: &str) -> String {
    format!("<bdi>{}</bdi>", escaped(&shortened(text, SENTENCE_CHARS_MAX)))
}

/// Where nothing can be shown.
pub(super) fn nothing() -> String {
    format!("<p class=\"none\">{NOT_MEASURED}</p>\n")
}

pub(super) fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// A finite number with that many digits after the point; very large ones by their power of ten.
pub(super) fn written(value: f64, digits: usize) -> String {
    if value.abs() >= 1e7 {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.digits$}");
    let is_zero = !text.contains(|char: char| ('1'..='9').contains(&char));
    match text.strip_prefix('-') {
        Some(zero) if is_zero => zero.to_owned(),
        Some(positive) => format!("−{positive}"),
        None => text,
    }
}

/// As [`written`], or that it was not measured.
pub(super) fn measured(value: Option<f64>, digits: usize) -> String {
    let number = finite(value).map(|value| written(value, digits));
    number.unwrap_or_else(|| format!("<span class=\"none\">{NOT_MEASURED}</span>"))
}

/// The same in plain text.
pub(super) fn measured_text(value: Option<f64>, digits: usize) -> String {
    finite(value).map_or_else(|| NOT_MEASURED.to_owned(), |value| written(value, digits))
}

pub(super) fn delay_secs(delay: DelayTicks) -> f64 {
    f64::from(delay.0) / TICK_RATE_HZ
}

/// `0.5 s`.
pub(super) fn delay_name(delay: DelayTicks) -> String {
    let text = written(delay_secs(delay), 2);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The look of the delay at that place among all of them.
pub(super) fn delay_look(index: usize) -> String {
    format!("d{} k{}", index % DELAY_LOOKS, index % DASHES)
}

/// The look of one of those delays, wherever it stands among them.
pub(super) fn look_of_delay(delays: &[DelayTicks], delay: DelayTicks) -> String {
    delay_look(delays.iter().position(|other| *other == delay).unwrap_or(delays.len()))
}

pub(super) fn behavior_look(index: usize) -> String {
    format!("b{} k{}", index % BEHAVIOR_LOOKS, index / BEHAVIOR_LOOKS % DASHES)
}

pub(super) fn individual_look(index: usize) -> String {
    format!("a{}", index % INDIVIDUAL_LOOKS)
}

/// What a mark of a legend looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    Line,
    Block,
    Dot,
    Ring,
}

/// Marks with the HTML beside each: `(mark, look, text)`.
pub(super) fn legend(entries: &[(Mark, String, String)]) -> String {
    let mut html = "<p class=\"legend\">".to_owned();
    for (mark, look, text) in entries {
        let shape = match mark {
            Mark::Line => format!("<path class=\"line {look}\" d=\"M1 6h28\"/>"),
            Mark::Block => format!("<path class=\"block {look}\" d=\"M6 1h18v10h-18z\"/>"),
            Mark::Dot => format!("<circle class=\"dot {look}\" cx=\"15\" cy=\"6\" r=\"4\"/>"),
            Mark::Ring => format!("<circle class=\"ring {look}\" cx=\"15\" cy=\"6\" r=\"4\"/>"),
        };
        let swatch = format!("<svg class=\"swatch\" viewBox=\"0 0 30 12\" aria-hidden=\"true\">{shape}</svg>");
        let _ = write!(html, "<span class=\"entry\">{swatch}{text}</span> ");
    }
    html.push_str("</p>\n");
    html
}

/// The line of each delay.
pub(super) fn delay_entries(delays: &[DelayTicks]) -> Vec<(Mark, String, String)> {
    let entry =
        |(index, delay): (usize, &DelayTicks)| (Mark::Line, delay_look(index), format!("delay {}", delay_name(*delay)));
    delays.iter().enumerate().map(entry).collect()
}

/// A drawing under its title, both HTML.
pub(super) fn figure(title: &str, drawing: &str) -> String {
    format!("<figure><figcaption>{title}</figcaption>{drawing}</figure>\n")
}

/// Names in the order in which they first come, each once.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}
