//! The line above everything, the alarm under it and the keys at the bottom.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::layout::SIZE_MIN;
use super::screen::Look;
use super::text::{clock, fit, width};
use super::theme::Theme;
use super::timeline::secs_of;
use super::{Journal, State};

/// Most columns of the cage's and of the model's name.
const NAME_COLUMNS_MAX: usize = 24;

/// A part of the header; what is least needed goes first where there is no room.
struct Part<'a> {
    need: u8,
    span: Span<'a>,
}

pub(super) fn draw(look: &Look, area: Rect, buffer: &mut Buffer) {
    let mut parts = parts(look);
    let columns = |parts: &[Part]| parts.iter().map(|part| part.span.width() + 2).sum::<usize>();
    while columns(&parts) > usize::from(area.width) && parts.len() > 1 {
        let least = (0..parts.len()).min_by_key(|&index| parts[index].need).unwrap_or(0);
        parts.remove(least);
    }
    let mut line = Line::default();
    for part in parts {
        line.push_span(Span::raw(" "));
        line.push_span(part.span);
        line.push_span(Span::raw(" "));
    }
    line.render(area, buffer);
}

fn parts<'a>(look: &Look<'a>) -> Vec<Part<'a>> {
    let (theme, scene, screen) = (look.theme, look.scene, look.screen);
    let mut parts = Vec::new();
    let mut push = |need: u8, span: Span<'a>| parts.push(Part { need, span });
    let bold = Theme::title();
    if let Some((cage, at, of)) = screen.place() {
        push(8, Span::styled(fit(&cage.to_string(), NAME_COLUMNS_MAX), bold));
        if of > 1 {
            push(4, Span::styled(format!("cage {at} of {of}"), theme.quiet()));
        }
    } else {
        push(8, Span::styled("Vibrissa: no cage yet", bold));
    }
    if let Some(stream) = &scene.stream {
        let (style, word) = theme.origin(stream.origin());
        push(10, Span::styled(word, style));
    }
    if screen.is_paused() {
        push(9, Span::styled("PAUSED", theme.warning()));
    }
    // What the cage is doing is of the present, whatever the picture shows.
    let present = Look { scene: screen.scene().unwrap_or(scene), ..*look };
    let (style, word) = standing(&present);
    push(7, Span::styled(word, style));
    push(6, Span::raw(clock(scene.head())));
    if let Some(rate) = present.scene.rate_hz().filter(|_| present.scene.silent(look.now).is_none()) {
        push(3, Span::raw(format!("{rate:.1} Hz")));
    }
    if !screen.model.is_empty() {
        push(2, Span::styled(format!("model {}", fit(&screen.model, NAME_COLUMNS_MAX)), Style::new()));
    }
    match screen.journal {
        Journal::Unknown => {}
        Journal::Writing => push(5, Span::styled("✓ journal", theme.good())),
        Journal::Failing { .. } => push(9, Span::styled("JOURNAL FAILS", theme.alarm())),
    }
    parts
}

/// What the cage is doing, in a symbol and a word.
fn standing(look: &Look) -> (Style, String) {
    let theme = look.theme;
    if let Some(silent) = look.scene.silent(look.now) {
        return (theme.warning(), format!("○ silent {:.0} s", silent.as_secs_f64()));
    }
    match &look.scene.state {
        State::Waiting => (theme.quiet(), "○ waiting".to_owned()),
        State::Warming { history_ticks, warm_ticks } => {
            let (seen, need) = (secs_of(u64::from(*history_ticks)), secs_of(u64::from(*warm_ticks)));
            (theme.warning(), format!("◐ warming {seen:.0}/{need:.0} s"))
        }
        State::Warm => (theme.good(), "● warm".to_owned()),
        State::Stale { .. } => (theme.alarm(), "○ STALE".to_owned()),
        State::Ended => (theme.quiet(), "□ ended".to_owned()),
    }
}

/// What must not be overlooked; the worst of it.
pub(super) fn alarm(look: &Look) -> Option<String> {
    if let Journal::Failing { reason } = &look.screen.journal {
        return Some(format!("THE JOURNAL CANNOT BE WRITTEN, NOTHING IS PUBLISHED: {reason}"));
    }
    if let State::Stale { cause } = &look.scene.state {
        return Some(format!("STALE: what is known of this cage is too old to act on ({cause})"));
    }
    let [first, second] = look.scene.swapped(look.now)?;
    Some(format!("SWAP ALARM: {} and {} may have exchanged their names", fit(first, 20), fit(second, 20)))
}

pub(super) fn draw_alarm(alarm: &str, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = usize::from(area.width);
    buffer.set_style(area, theme.alarm());
    buffer.set_stringn(area.x, area.y, fit(&format!(" ! {alarm}"), columns), columns, theme.alarm());
}

pub(super) fn footer(look: &Look, area: Rect, buffer: &mut Buffer) {
    let theme = look.theme;
    let pause = if look.screen.is_paused() { "go on" } else { "pause" };
    let delay = format!("delay {:.1} s", secs_of(u64::from(look.delay)));
    let mut keys = vec![("q", "quit".to_owned()), ("p", pause.to_owned()), ("d", delay)];
    if look.screen.place().is_some_and(|(.., of)| of > 1) {
        keys.push(("tab", "next cage".to_owned()));
    }
    keys.push(("?", "what is this?".to_owned()));
    let mut line = Line::default();
    for (key, word) in keys {
        line.push_span(Span::styled(format!(" {key} "), Style::new().add_modifier(Modifier::REVERSED)));
        line.push_span(Span::raw(format!(" {word}  ")));
    }
    let taken = line.width();
    line.render(area, buffer);
    let left = usize::from(area.width).saturating_sub(taken + 1);
    // Half a note would be worse than none.
    if width(&look.screen.note) <= left {
        let x = area.right() - 1 - width(&look.screen.note) as u16;
        buffer.set_stringn(x, area.y, &look.screen.note, left, theme.quiet());
    }
}

pub(super) fn too_small(area: Rect, buffer: &mut Buffer) {
    let (width, height) = SIZE_MIN;
    let lines = [
        format!("This window has {} × {} characters;", area.width, area.height),
        format!("{width} × {height} are needed: make it larger, or q quits"),
    ];
    for (row, line) in area.rows().zip(lines) {
        buffer.set_stringn(row.x, row.y, fit(&line, row.width.into()), row.width.into(), Style::new());
    }
}
