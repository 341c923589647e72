//! Reports as plain text: tables whose columns line up, within [`COLUMNS_MAX`] columns, the same on a terminal as in a
//! pipe. What is fine takes few words; what is suspicious stands in a section of its own, "Look at".

mod labels;
mod poses;

pub(super) use labels::kind_name;
pub use labels::label_text;
pub use poses::{pose_table, pose_text};

use std::fmt::Write;

use crate::markup::is_unprintable;

/// Most characters of a line, where a table can be fitted to it.
pub const COLUMNS_MAX: usize = 100;

/// Columns stand this far apart.
const GAP: usize = 2;

/// A column of text is shortened to no less than this.
const CELL_CHARS_MIN: usize = 8;

/// Units stay in the line of their number.
const UNITS: [&str; 7] = ["s", "min", "h", "ms", "px", "Hz", "→"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// Rows of cells under headings.
#[derive(Clone, Debug)]
struct Table {
    headings: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// Headings of columns; one that ends in `<` is of text, the others are of numbers.
    fn new(indent: usize, headings: &[&str]) -> Self {
        let heading = |text: &&str| match text.strip_suffix('<') {
            Some(text) => (clean(text), Align::Left),
            None => (clean(text), Align::Right),
        };
        Self { headings: headings.iter().map(heading).collect(), rows: Vec::new(), indent }
    }

    /// Cells that a row lacks stay empty.
    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| clean(&cell)).take(self.headings.len()).collect();
        row.resize(self.headings.len(), String::new());
        self.rows.push(row);
    }

    fn widths(&self) -> Vec<usize> {
        let column = |index: usize| self.rows.iter().map(move |row| chars(&row[index])).max().unwrap_or(0);
        let mut widths: Vec<usize> =
            self.headings.iter().enumerate().map(|(i, (text, _))| chars(text).max(column(i))).collect();
        let apart = self.indent + GAP * widths.len().saturating_sub(1);
        loop {
            let excess = (widths.iter().sum::<usize>() + apart).saturating_sub(COLUMNS_MAX);
            let texts = (0..widths.len()).filter(|&index| self.headings[index].1 == Align::Left);
            let Some(widest) = texts.max_by_key(|&index| widths[index]) else { return widths };
            if excess == 0 || widths[widest] <= CELL_CHARS_MIN {
                return widths;
            }
            // One by one, so that two long columns share the loss.
            widths[widest] -= 1;
        }
    }

    fn write(&self, text: &mut String) {
        let widths = self.widths();
        let headings: Vec<String> = self.headings.iter().map(|(heading, _)| heading.clone()).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = " ".repeat(self.indent);
            for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(&self.headings) {
                let cell = shortened(cell, *width);
                let padding = " ".repeat(width - chars(&cell));
                match align {
                    Align::Left => line.extend([cell.as_str(), &padding]),
                    Align::Right => line.extend([padding.as_str(), &cell]),
                }
                line.push_str(&" ".repeat(GAP));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
}

/// Lines under "Look at", or one that says that there are none.
fn write_look_at(text: &mut String, lines: &[String]) {
    if lines.is_empty() {
        text.push_str("\nNothing suspicious was found.\n");
        return;
    }
    text.push_str("\nLook at\n");
    for line in lines {
        write_wrapped(text, "  - ", &clean(line));
    }
}

/// A paragraph whose further lines are indented as far as `lead` is long.
fn write_wrapped(text: &mut String, lead: &str, paragraph: &str) {
    let indent = chars(lead);
    let mut line = lead.to_string();
    let mut empty = true;
    let mut words = paragraph.split(' ').peekable();
    while let Some(word) = words.next() {
        let unit = words.peek().filter(|next| UNITS.contains(&next.trim_end_matches([';', ',', '.', ':'])));
        let needed = chars(word) + unit.map_or(0, |unit| 1 + chars(unit));
        if !empty && chars(&line) + 1 + needed > COLUMNS_MAX {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// At most that many characters; what is cut is marked.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    if chars(text) <= chars_max {
        return text.to_string();
    }
    let mut short: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// As [`shortened`], from the start: names of animals differ in their ends.
fn shortened_start(text: &str, chars_max: usize) -> String {
    let cut = chars(text).saturating_sub(chars_max);
    if cut == 0 { text.to_string() } else { std::iter::once('…').chain(text.chars().skip(cut + 1)).collect() }
}

/// Names come from files: what would break a line or colour a terminal is shown as a question mark.
fn clean(text: &str) -> String {
    text.chars().map(|char| if is_unprintable(char) { '?' } else { char }).collect()
}

/// A length of time, to three digits or so: `0.23 s`, `41 s`, `3.4 min`, `2.1 h`.
pub(super) fn duration(secs: f64) -> String {
    const HOUR_SECS: f64 = 3600.0;
    match secs {
        secs if !secs.is_finite() => "-".to_string(),
        0.0 => "0 s".to_string(),
        secs if secs.abs() < 9.995 => format!("{secs:.2} s"),
        secs if secs.abs() < 99.95 => format!("{secs:.1} s"),
        secs if secs.abs() < 120.0 => format!("{secs:.0} s"),
        secs if secs.abs() < 2.0 * HOUR_SECS => format!("{:.1} min", secs / 60.0),
        secs => format!("{:.1} h", secs / HOUR_SECS),
    }
}

#[cfg(test)]
mod tests;
