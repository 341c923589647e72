//! Words from outside, made safe and made to fit.

use std::time::Duration;

use ratatui::style::Style;
use ratatui::text::Span;

use crate::output::event::Animals;

/// Most characters that are kept of a name.
pub(super) const NAME_CHARS_MAX: usize = 64;

/// Most characters that are kept of a reason or a note.
pub(super) const LINE_CHARS_MAX: usize = 240;

/// In place of what must not be shown.
const HIDDEN: char = '·';

/// Whom something is about, by cleaned names. A pair without direction is in alphabetical order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    One(String),
    Ordered { agent: String, target: String },
    Both([String; 2]),
}

impl Who {
    pub(super) fn of(animals: &Animals) -> Self {
        match animals {
            Animals::Alone { agent } => Self::One(name(agent)),
            Animals::Directed { agent, target } => Self::Ordered { agent: name(agent), target: name(target) },
            Animals::Undirected { animals } => Self::both(name(&animals[0]), name(&animals[1])),
        }
    }

    /// Whether one of them is the other without its direction.
    pub(super) fn is_pair_of(&self, ordered: &Self) -> bool {
        match ordered {
            Self::Ordered { agent, target } => *self == Self::both(agent.clone(), target.clone()),
            _ => false,
        }
    }

    fn both(a: String, b: String) -> Self {
        if a <= b { Self::Both([a, b]) } else { Self::Both([b, a]) }
    }

    /// First name, what stands between, second name.
    pub(super) fn parts(&self) -> (&str, Option<(&'static str, &str)>) {
        match self {
            Self::One(one) => (one, None),
            Self::Ordered { agent, target } => (agent, Some(("→", target))),
            Self::Both([first, second]) => (first, Some(("+", second))),
        }
    }
}

/// At most `chars_max` characters, without any that a terminal could take for a command or that would reorder or hide
/// what stands beside it.
pub(super) fn clean(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).map(|c| if is_unsafe(c) { HIDDEN } else { c }).collect()
}

pub(super) fn name(text: &str) -> String {
    clean(text, NAME_CHARS_MAX)
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text in at most `columns` columns, its end replaced by `…` where it is longer.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut fitted, mut taken) = (String::new(), 1);
    for grapheme in Span::raw(text).styled_graphemes(Style::new()) {
        taken += width(grapheme.symbol);
        if taken > columns {
            break;
        }
        fitted.push_str(grapheme.symbol);
    }
    if columns > 0 {
        fitted.push('…');
    }
    fitted
}

/// The same, filled up with spaces to exactly `columns`.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let mut fitted = fit(text, columns);
    fitted.push_str(&" ".repeat(columns.saturating_sub(width(&fitted))));
    fitted
}

/// `1:05`, or `1:01:05` from an hour on.
pub(super) fn clock(secs: f64) -> String {
    // The cast saturates, and takes NaN for zero.
    let secs = secs.max(0.0) as u64;
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{secs:02}") } else { format!("{minutes}:{secs:02}") }
}

/// A latency with the unit that suits it.
pub(super) fn latency(took: Duration) -> String {
    let secs = took.as_secs_f64();
    match secs {
        0.0..0.001 => format!("{:.0} µs", secs * 1e6),
        0.001..0.1 => format!("{:.1} ms", secs * 1e3),
        0.1..1.0 => format!("{:.0} ms", secs * 1e3),
        _ => format!("{secs:.1} s"),
    }
}

/// A count in at most five characters, until it passes a thousand billions.
pub(super) fn count(number: u64) -> String {
    let thousands = |unit: f64| {
        let value = number as f64 / unit;
        if value < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") }
    };
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => thousands(1e3) + "k",
        1_000_000..1_000_000_000 => thousands(1e6) + "M",
        _ => thousands(1e9) + "G",
    }
}
