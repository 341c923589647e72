//! Scores, latencies and the events as they came.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::raster::{whom, whom_width};
use super::scene::{self, Scored};
use super::screen::Look;
use super::text::{count, fit, latency, pad, width};
use super::theme::{Theme, panel, say};
use super::timeline::secs_of;
use super::{Counts, Quantiles};
use crate::output::event::EdgeWord;

/// Columns of a latency.
const LATENCY_COLUMNS: usize = 8;

/// Columns of an edge with its symbol.
const EDGE_COLUMNS: usize = 13;

/// A bar that is shorter says nothing.
const BAR_COLUMNS_MIN: usize = 10;

pub(super) fn scores(look: &Look, area: Rect, boxed: bool, buffer: &mut Buffer) {
    let delay = secs_of(u64::from(look.fast));
    let now = if look.fast == 0 { " Scores now ".to_owned() } else { format!(" Scores after {delay:.1} s ") };
    let right = Line::styled(" ┃ threshold ", look.theme.quiet());
    let inner = panel(look.theme, (Line::styled(now, Theme::title()), Some(right)), area, boxed, buffer);
    let cells = &look.scene.cells;
    if cells.is_empty() {
        say("no scores come here", look.theme.quiet(), inner, buffer);
        return;
    }
    // The cells that were highest of late, in their own order: rows that swap places cannot be read.
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by(|&a, &b| cells[b].hold.total_cmp(&cells[a].hold));
    order.truncate(inner.height.into());
    order.sort_unstable();
    let widest = |of: fn(&Scored) -> usize| order.iter().map(|&index| of(&cells[index])).max().unwrap_or(0);
    // Beside them and the bar: two spaces and the number.
    let room = usize::from(inner.width).saturating_sub(7 + BAR_COLUMNS_MIN);
    let name_columns = widest(|cell| width(&cell.behavior)).min(room / 2);
    let who_columns = widest(|cell| whom_width(&cell.who)).min(room - name_columns);
    for (row, &index) in inner.rows().zip(&order) {
        draw_score(look, &cells[index], (name_columns, who_columns), row, buffer);
    }
}

fn draw_score(look: &Look, cell: &Scored, (name, who): (usize, usize), row: Rect, buffer: &mut Buffer) {
    let above = cell.score >= cell.threshold;
    let strong = if above { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    let mut line = Line::from(vec![Span::styled(pad(&cell.behavior, name), strong), Span::raw(" ")]);
    line.spans.extend(whom(look, &cell.who, who));
    buffer.set_line(row.x, row.y, &line, row.width);
    let start = (name + who + 2).min(row.width.into()) as u16;
    let bar = Rect { x: row.x + start, width: row.width.saturating_sub(start + 5), ..row };
    let colour = look.theme.who_colour(&cell.who, |animal| look.scene.slot(animal));
    let style = Style::new().fg(colour);
    let style = if above { style.add_modifier(Modifier::BOLD) } else { style };
    draw_bar(cell, bar, style, look.theme.quiet().add_modifier(Modifier::DIM), buffer);
    buffer.set_stringn(row.right().saturating_sub(4), row.y, format!("{:.2}", cell.score), 4, strong);
}

/// A bar from 0 to 1, with the threshold across.
fn draw_bar(cell: &Scored, area: Rect, style: Style, quiet: Style, buffer: &mut Buffer) {
    let halves = (f32::from(area.width) * 2.0 * cell.score).round() as usize;
    let threshold = (f32::from(area.width) * cell.threshold).floor();
    for column in 0..area.width {
        let Some(place) = buffer.cell_mut((area.x + column, area.y)) else { continue };
        let (symbol, style) = match halves.saturating_sub(2 * usize::from(column)) {
            _ if f32::from(column) == threshold => ("┃", Style::new()),
            0 => ("┈", quiet),
            1 => ("╸", style),
            _ => ("━", style),
        };
        place.set_symbol(symbol).set_style(style);
    }
}

pub(super) fn timing(look: &Look, area: Rect, boxed: bool, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let title = Line::styled(" Latency ", Theme::title());
    let right = Line::styled(" median     99 % ", look.theme.quiet());
    let inner = panel(look.theme, (title, Some(right)), area, boxed, buffer);
    let counts = &look.scene.counts;
    let rows: [(&str, Option<Quantiles>); 4] = [
        ("capture → arrival", counts.age),
        ("waiting for inference", counts.wait),
        ("inference, each tick", counts.inference),
        ("decision → published", counts.publication),
    ];
    let numbers = 2 * (LATENCY_COLUMNS + 1);
    let words = usize::from(inner.width).saturating_sub(numbers);
    for (row, (what, took)) in inner.rows().zip(rows) {
        let told = |took: std::time::Duration| format!(" {:>LATENCY_COLUMNS$}", latency(took));
        let (median, p99) = match took {
            Some(Quantiles { median, p99 }) => (told(median), told(p99)),
            None => (format!(" {:>LATENCY_COLUMNS$}", "unknown"), String::new()),
        };
        let quiet = if took.is_some() { Style::new() } else { look.theme.quiet() };
        let line = Line::from(vec![
            Span::raw(pad(what, words)),
            Span::styled(median, quiet),
            Span::styled(p99, look.theme.quiet()),
        ]);
        buffer.set_line(row.x, row.y, &line, row.width);
    }
    if let Some(row) = inner.rows().nth(rows.len()) {
        draw_counts(look, counts, row, buffer);
    }
}

fn draw_counts(look: &Look, counts: &Counts, row: Rect, buffer: &mut Buffer) {
    let drops = if counts.drops > 0 { look.theme.warning() } else { Style::new() };
    let all = [
        (counts.frames, "frames", Style::new()),
        (counts.ticks, "ticks", Style::new()),
        (counts.events, "events", Style::new()),
        (counts.drops, "drops", drops),
    ];
    let line = |parts: &[usize]| {
        let mut line = Line::default();
        for &part in parts {
            let (number, word, style) = all[part];
            line.push_span(Span::styled(count(number), style.add_modifier(Modifier::BOLD)));
            line.push_span(Span::styled(format!(" {word}  "), style));
        }
        line
    };
    let full = line(&[0, 1, 2, 3]);
    // Frames and ticks are nearly the same number.
    let line = if full.width() <= usize::from(row.width) + 2 { full } else { line(&[0, 2, 3]) };
    buffer.set_line(row.x, row.y, &line, row.width);
}

pub(super) fn events(look: &Look, area: Rect, boxed: bool, buffer: &mut Buffer) {
    let delay = secs_of(u64::from(look.delay));
    let title = Line::styled(format!(" Events after {delay:.1} s, newest first "), Theme::title());
    let inner = panel(look.theme, (title, None), area, boxed, buffer);
    let is_shown = |line: &&scene::Line| line.delay == look.delay || line.is_special();
    let mut shown = look.scene.events.iter().rev().filter(is_shown).peekable();
    if shown.peek().is_none() {
        let none = if look.scene.events.is_empty() { "no events yet" } else { "none yet at this delay" };
        say(none, look.theme.quiet(), inner, buffer);
    }
    for (row, line) in inner.rows().zip(shown) {
        draw_event(look, line, row, buffer);
    }
}

fn draw_event(look: &Look, event: &scene::Line, row: Rect, buffer: &mut Buffer) {
    let theme = look.theme;
    let columns = usize::from(row.width);
    let (style, symbol, word) = theme.edge(event.edge);
    let strike = event.retracted && event.edge != EdgeWord::Retraction;
    let said = if strike { theme.quiet().add_modifier(Modifier::CROSSED_OUT) } else { Style::new() };
    let edge = Span::styled(pad(&format!("{symbol} {word}"), EDGE_COLUMNS), style);
    let time = Span::styled(format!("{:>6.1} s ", event.at_secs), theme.quiet());
    let left = columns.saturating_sub(time.width() + edge.width() + 1);
    let behavior_columns = width(&event.behavior).min(left / 2);
    let who_columns = (whom_width(&event.who) + 2).min(left - behavior_columns);
    let mut line = Line::from(vec![time, edge]);
    line.push_span(Span::styled(fit(&event.behavior, behavior_columns), said.add_modifier(Modifier::BOLD)));
    line.push_span(Span::raw(" "));
    line.spans.extend(whom(look, &event.who, who_columns));
    for word in event.details(strike) {
        if line.width() + word.chars().count() + 2 <= columns {
            line.push_span(Span::styled(format!("  {word}"), theme.quiet()));
        }
    }
    buffer.set_line(row.x, row.y, &line, row.width);
}

impl scene::Line {
    /// Whether it is listed whatever delay is shown.
    fn is_special(&self) -> bool {
        matches!(self.edge, EdgeWord::Retraction | EdgeWord::Abandoned)
    }

    /// More about it, what matters most first.
    fn details(&self, taken_back: bool) -> Vec<Cow<'static, str>> {
        let mut words: Vec<Cow<str>> = Vec::new();
        if taken_back {
            words.push("× taken back".into());
        }
        if self.score.is_finite() {
            words.push(format!("({:.2})", self.score).into());
        }
        if self.revises {
            words.push("revised".into());
        }
        if self.warming {
            words.push("while warming".into());
        }
        words.push(format!("delay {:.1} s", secs_of(u64::from(self.delay))).into());
        words
    }
}
