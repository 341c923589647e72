//! The last half minute, a row for each behavior and whom it is about.
//!
//! The upper half of a row is what was said, the lower half what is true:
//!
//! | mark | said at the shown delay | said by the fast verdict only | true |
//! |---|---|---|---|
//! | `▀` | yes | | no |
//! | `▄` | no | no | yes |
//! | `█` | yes | | yes |
//! | `▘` | | yes | no |
//! | `▙` | | yes | yes |
//! | `×` | | taken back: it began here | |

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::scene::Scene;
use super::screen::Look;
use super::text::{Who, fit, pad, width};
use super::theme::{Theme, panel, say};
use super::timeline::{Columns, Mark, Said, Track, secs_of};

/// How much time is shown.
pub(super) const SPAN_SECS: f64 = 30.0;

const LEGEND: [(&str, &str); 5] =
    [("▀", "detected"), ("▄", "true"), ("█", "both"), ("▘", "fast verdict only"), ("×", "taken back")];

/// The same without a truth.
const LEGEND_LIVE: [(&str, &str); 3] = [("▀", "detected"), ("▘", "fast verdict only"), ("×", "taken back")];

pub(super) fn draw(look: &Look, area: Rect, boxed: bool, buffer: &mut Buffer) {
    let theme = look.theme;
    let delay = secs_of(u64::from(look.delay));
    let title = Line::styled(format!(" Behavior, decided after {delay:.1} s "), Theme::title());
    let inner = panel(theme, (title, None), area, boxed, buffer);
    if inner.height < 2 || inner.width < 30 {
        return;
    }
    let (behavior, who) = label_columns(look.scene, usize::from(inner.width) * 2 / 5);
    let label = (behavior + who + 4) as u16;
    let time = Rect { x: inner.x + label, width: inner.width - label, ..inner };
    let count = usize::from(time.width);
    let columns = Columns { count, secs: SPAN_SECS / count as f64, head: look.scene.head() };
    let room = usize::from(inner.height - 1);
    let shown = chosen(look.scene, room);
    draw_axis(theme, columns, time, area.y, buffer);
    for (row, track) in shown.iter().enumerate() {
        let y = inner.y + row as u16;
        draw_label(look, track, (behavior, who), Rect { y, width: label, height: 1, ..inner }, buffer);
        let marks = track.marks(look.delay, look.fast, columns);
        draw_marks(look, track, &marks, columns, Rect { y, height: 1, ..time }, buffer);
    }
    if shown.is_empty() {
        say("nothing was said in the last minute", theme.quiet(), inner, buffer);
    }
    draw_legend(look, look.scene.timeline.tracks().len() - shown.len(), inner, buffer);
}

/// The rows of latest activity, as many as there is room for, in their own order.
fn chosen(scene: &Scene, room: usize) -> Vec<&Track> {
    let tracks = scene.timeline.tracks();
    let last = |index: usize| tracks[index].last_secs(scene.head()).unwrap_or(f64::NEG_INFINITY);
    let mut order: Vec<usize> = (0..tracks.len()).collect();
    order.sort_by(|&a, &b| last(b).total_cmp(&last(a)));
    order.truncate(room);
    order.sort_unstable();
    order.into_iter().map(|index| &tracks[index]).collect()
}

/// Seconds before now, on the line above the rows.
fn draw_axis(theme: Theme, columns: Columns, time: Rect, y: u16, buffer: &mut Buffer) {
    for back in [20.0, 10.0] {
        let x = time.x + (columns.at(columns.head - back).clamp(0, i64::from(time.width) - 1)) as u16;
        buffer.set_stringn(x, y, format!("┬−{back:.0} s "), usize::from(time.right() - x), theme.quiet());
    }
    buffer.set_stringn(time.right().saturating_sub(6), y, " now ┐", 6, theme.quiet());
}

/// Columns of the behaviors and of whom they are about, by all that is known rather than by what is shown, so that they
/// stay.
fn label_columns(scene: &Scene, columns: usize) -> (usize, usize) {
    let tracks = scene.timeline.tracks().iter().map(|track| (&track.behavior, &track.who));
    let all = tracks.chain(scene.cells.iter().map(|cell| (&cell.behavior, &cell.who)));
    let (behavior, who) =
        all.fold((4, 8), |(behavior, who), (word, animals)| (behavior.max(width(word)), who.max(whom_width(animals))));
    let room = columns.saturating_sub(4);
    let behavior = behavior.min(room - who.min(room / 2));
    (behavior, who.min(room - behavior))
}

fn draw_label(
    look: &Look,
    track: &Track,
    (behavior_columns, who_columns): (usize, usize),
    area: Rect,
    buffer: &mut Buffer,
) {
    let mut behavior = track.behavior.clone();
    // The same word of two label sets is two behaviors.
    let is_twin = |other: &&Track| other.behavior == track.behavior && other.who == track.who;
    if look.scene.timeline.tracks().iter().filter(is_twin).count() > 1 {
        behavior = format!("{behavior} ({})", track.label_set);
    }
    let mut style = Style::new();
    let is_on = track.is_on(look.fast);
    if is_on {
        style = style.add_modifier(Modifier::BOLD);
    }
    let mut line = Line::default();
    line.push_span(Span::styled(if is_on { "▶ " } else { "  " }, look.theme.good()));
    line.push_span(Span::styled(pad(&behavior, behavior_columns), style));
    line.push_span(Span::raw(" "));
    line.spans.extend(whom(look, &track.who, who_columns));
    buffer.set_line(area.x, area.y, &line, area.width);
}

fn draw_marks(look: &Look, track: &Track, marks: &[Mark], columns: Columns, area: Rect, buffer: &mut Buffer) {
    let scene = look.scene;
    let said = look.theme.who_colour(&track.who, |animal| scene.slot(animal));
    let horizon = columns.at(columns.head - secs_of(u64::from(look.delay)));
    for (column, mark) in marks.iter().enumerate() {
        let (symbol, style) = if *mark == Mark::default() {
            let undecided = look.delay > look.fast && column as i64 == horizon;
            (if undecided { "┊" } else { "·" }, look.theme.quiet().add_modifier(Modifier::DIM))
        } else {
            symbol(*mark, said, look.theme)
        };
        if let Some(cell) = buffer.cell_mut((area.x + column as u16, area.y)) {
            cell.set_symbol(symbol).set_style(style);
        }
    }
}

/// What is drawn in a column that holds anything.
fn symbol(mark: Mark, said: Color, theme: Theme) -> (&'static str, Style) {
    let style = Style::new().fg(said);
    let over_truth = style.bg(theme.truth_colour(false));
    match (mark.said, mark.truth) {
        (Said::Nobody | Said::Fast, truth) if mark.retracted => {
            let style = Style::new().fg(theme.paint(Color::Yellow)).add_modifier(Modifier::BOLD);
            ("×", if truth { style.add_modifier(Modifier::UNDERLINED) } else { style })
        }
        (Said::Shown, true) if theme.colour => ("▀", over_truth),
        (Said::Shown, true) => ("█", style),
        (Said::Shown, false) => ("▀", style),
        (Said::Fast, true) if theme.colour => ("▘", over_truth),
        (Said::Fast, true) => ("▙", style),
        (Said::Fast, false) => ("▘", style),
        (Said::Nobody, _) => ("▄", Style::new().fg(theme.truth_colour(true))),
    }
}

fn draw_legend(look: &Look, hidden: usize, inner: Rect, buffer: &mut Buffer) {
    let legend = if look.scene.timeline.truth_known { &LEGEND[..] } else { &LEGEND_LIVE[..] };
    let mut line = Line::default();
    for (symbol, word) in legend {
        line.push_span(Span::raw(format!(" {symbol} ")));
        line.push_span(Span::styled(format!("{word}  "), look.theme.quiet()));
    }
    if hidden > 0 {
        line.push_span(Span::styled(format!("+{hidden} rows"), look.theme.warning()));
    }
    buffer.set_line(inner.x, inner.bottom() - 1, &line, inner.width);
}

/// Columns that [`whom`] takes where there is room.
pub(super) fn whom_width(who: &Who) -> usize {
    let (first, rest) = who.parts();
    width(first) + rest.map_or(0, |(_, second)| width(second) + 1)
}

/// Whom something is about, in the animals' colours and in at most `columns`.
pub(super) fn whom(look: &Look, who: &Who, columns: usize) -> Vec<Span<'static>> {
    let style = |animal: &str| look.theme.animal(look.scene.slot(animal));
    let (first, rest) = who.parts();
    let Some((between, second)) = rest else { return vec![Span::styled(fit(first, columns), style(first))] };
    let spaced = whom_width(who) + 2 <= columns;
    let room = columns.saturating_sub(if spaced { 3 } else { 1 });
    // A short name leaves its room to the long one.
    let half = room / 2;
    let first_columns = width(first).min(room - half.min(width(second)));
    let between = Span::raw(if spaced { format!(" {between} ") } else { between.to_owned() });
    vec![
        Span::styled(fit(first, first_columns), style(first)),
        between,
        Span::styled(fit(second, room - first_columns), style(second)),
    ]
}
