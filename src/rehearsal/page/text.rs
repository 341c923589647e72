//! Text and numbers as the page holds them.

use crate::markup::escaped;
use crate::time::TICK_RATE_HZ;

/// Longer names are cut, and so are longer sentences.
const NAME_CHARS_MAX: usize = 64;
const SENTENCE_CHARS_MAX: usize = 300;

/// At most that many characters; what is cut is marked.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A name where no markup may stand: in an attribute or a title.
pub(super) fn plain(text: &str) -> String {
    if text.trim().is_empty() { "unnamed".to_owned() } else { escaped(&shortened(text, NAME_CHARS_MAX)) }
}

/// A name from a file, kept from turning the text around it.
pub(super) fn name(text: &str) -> String {
    if text.trim().is_empty() {
        return "<span class=\"none\">unnamed</span>".to_owned();
    }
    format!("<bdi>{}</bdi>", plain(text))
}

pub(super) fn sentence(text: &str) -> String {
    format!("<bdi>{}</bdi>", escaped(&shortened(text, SENTENCE_CHARS_MAX)))
}

/// A number with that many digits after the point; very large ones by their power of ten.
pub(super) fn written(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "not a number".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".to_owned() } else { "−∞".to_owned() };
    }
    let text = if value.abs() >= 1e7 { format!("{value:.2e}") } else { format!("{value:.digits$}") };
    let is_zero = !text.contains(|char: char| ('1'..='9').contains(&char));
    match text.strip_prefix('-') {
        Some(zero) if is_zero => zero.to_owned(),
        Some(positive) => format!("−{positive}"),
        None => text,
    }
}

/// As the plan says it: `6`, `0.5`.
pub(super) fn as_set(value: f64) -> String {
    let text = written(value, 3);
    if text.contains('e') || !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A rate with as many digits as it takes to stand on the right side of its bound: 6.04 is not within 6.
pub(super) fn rate_beside(rate: f64, bound: f64) -> String {
    let is_told = |digits: &usize| {
        let power = 10_f64.powi(*digits as i32);
        ((rate * power).round() / power > bound) == (rate > bound)
    };
    written(rate, (1..=6).find(is_told).unwrap_or(1))
}

/// With its sign.
pub(super) fn signed(value: f64, digits: usize) -> String {
    let text = written(value, digits);
    if value > 0.0 && text.contains(|char: char| ('1'..='9').contains(&char)) { format!("+{text}") } else { text }
}

pub(super) fn secs(ticks: u64) -> f64 {
    ticks as f64 / TICK_RATE_HZ
}

/// Minutes, seconds and tenths from the start of a recording: `01:01.7`.
pub(super) fn clock(tick: u64) -> String {
    let tenths = (secs(tick) * 10.0).round() as u64;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

/// Minutes and seconds.
pub(super) fn clock_secs(tick: u64) -> String {
    let secs = secs(tick).round() as u64;
    format!("{:02}:{:02}", secs / 60, secs % 60)
}

pub(super) fn minutes(ticks: u64) -> String {
    format!("{} min", written(secs(ticks) / 60.0, 1))
}
