//! A summary as text, for the terminal as for a pipe.

use std::fmt::{self, Write};

use super::offset::Offset;
use super::stages::{Percentiles, STAGES, Stage};
use super::summary::Summary;
use crate::words::{count, counted, percent};

/// Most characters of a line.
const COLUMNS_MAX: usize = 100;

/// Columns stand this far apart.
const GAP: &str = "  ";

/// Most characters of the name of a cage.
const NAME_CHARS_MAX: usize = 24;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.table(f)?;
        self.by_cage(f)?;
        if let Some(offset) = &self.offset {
            f.write_str("\n")?;
            wrapped(f, "", &clocks(offset))?;
        }
        if self.warnings.is_empty() {
            return f.write_str("\nNothing suspicious was found.\n");
        }
        f.write_str("\nLook at\n")?;
        self.warnings.iter().try_for_each(|warning| wrapped(f, "  - ", &warning.to_string()))
    }
}

impl Summary {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cages = counted(self.cages.len() as u64, "cage");
        let frames = &self.frames;
        let answers = counted(self.stage(Stage::PutToReceived).count, "answer");
        let mut text = format!(
            "{cages} at {} Hz for {}: {} put, {answers}, {} without, {}.",
            rate(self.rate_hz),
            duration(self.span_secs),
            counted(frames.asked, "frame"),
            count(frames.unanswered),
            counted(frames.events, "event")
        );
        if let Some(share) = self.busy_share {
            let _ = write!(text, " The detector inferred {} of the time.", percent(share));
        }
        wrapped(f, "", &text)
    }

    /// A line for each stage that was seen.
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![headings("stage, ms", &["count", ""])];
        for stage in STAGES {
            let of = self.stage(stage);
            if of.count > 0 {
                rows.push(row(stage.name(), of, &[count(of.count), stage.gist().to_string()]));
            }
        }
        f.write_str("\n")?;
        aligned(f, &rows, 1)
    }

    /// The round trip of each cage, where there are several.
    fn by_cage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cages.len() < 2 {
            return Ok(());
        }
        let mut rows = vec![headings("put → received, ms", &["count", "without"])];
        for cage in &self.cages {
            let of = &cage.stages[Stage::PutToReceived as usize];
            rows.push(row(&name(&cage.cage), of, &[count(of.count), count(cage.frames.unanswered)]));
        }
        f.write_str("\n")?;
        aligned(f, &rows, 0)
    }
}

fn headings(first: &str, last: &[&str]) -> Vec<String> {
    let percentiles = ["p50", "p90", "p99", "p99.9", "max", ""];
    std::iter::once(&first).chain(&percentiles).chain(last).map(ToString::to_string).collect()
}

fn row(name: &str, of: &Percentiles, last: &[String]) -> Vec<String> {
    let times = [of.p50_millis, of.p90_millis, of.p99_millis, of.p99_9_millis, of.max_millis];
    let times = times.into_iter().map(|millis| millis.map_or("-".to_string(), digits));
    let uncertainty = of.uncertainty_millis.map_or(String::new(), |millis| format!("± {}", digits(millis)));
    std::iter::once(name.to_string()).chain(times).chain([uncertainty]).chain(last.iter().cloned()).collect()
}

/// The first column and the last `texts` to the left, the others to the right; columns that are empty are left out.
fn aligned(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>], texts: usize) -> fmt::Result {
    let columns = rows[0].len();
    let width = |column: usize| rows.iter().map(|row| chars(&row[column])).max().unwrap_or(0);
    let shown = |column: &usize| *column == 0 || rows[1..].iter().any(|row| !row[*column].is_empty());
    for row in rows {
        let mut line = String::new();
        for column in (0..columns).filter(shown) {
            let (cell, width) = (&row[column], width(column));
            let left = column == 0 || column >= columns - texts;
            let _ = if left { write!(line, "{cell:<width$}{GAP}") } else { write!(line, "{cell:>width$}{GAP}") };
        }
        writeln!(f, "  {}", line.trim_end())?;
    }
    Ok(())
}

fn clocks(offset: &Offset) -> String {
    let (by, uncertainty) = (offset.offset_millis, offset.uncertainty_millis);
    let mut text = if by.abs() <= uncertainty {
        format!("Clocks: the detector's and ours agree ({by:+.3} ± {uncertainty:.3} ms)")
    } else {
        let side = if by > 0.0 { "ahead of" } else { "behind" };
        let (by, uncertainty) = (thousandths(by.abs()), thousandths(uncertainty));
        let at = duration(offset.at_secs);
        format!("Clocks: {at} into the run the detector's is {by} ± {uncertainty} ms {side} ours")
    };
    if let Some(drift) = offset.drift {
        let size = drift.ppm.abs();
        let (ppm, uncertainty) = (digits(size), digits(drift.uncertainty_ppm));
        let _ = match drift.ppm {
            _ if size <= drift.uncertainty_ppm => {
                write!(text, "; they drift apart by less than {} ppm", digits(size + drift.uncertainty_ppm))
            }
            0.0.. => write!(text, "; it gains {ppm} ± {uncertainty} ppm on ours"),
            _ => write!(text, "; it loses {ppm} ± {uncertainty} ppm on ours"),
        };
    }
    text.push_str(
        ". This is no part of any latency: it only serves to part the ways out and back, to within the ± above.",
    );
    text
}

/// A paragraph whose further lines are indented as far as `lead` is long.
fn wrapped(f: &mut fmt::Formatter<'_>, lead: &str, paragraph: &str) -> fmt::Result {
    let indent = " ".repeat(chars(lead));
    let mut line = lead.to_string();
    let mut empty = true;
    let mut words = paragraph.split(' ').peekable();
    while let Some(word) = words.next() {
        // A unit stays with its number.
        let unit = words.peek().filter(|next| ["ms", "ppm", "s", "min", "h", "µs", "ns", "±"].contains(next));
        let needed = chars(word) + unit.map_or(0, |unit| 1 + chars(unit));
        if !empty && chars(&line) + 1 + needed > COLUMNS_MAX {
            writeln!(f, "{line}")?;
            line.clone_from(&indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    writeln!(f, "{line}")
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// A name of any origin, fit for a table.
fn name(name: &str) -> String {
    let fit = |char: char| if char.is_control() { '?' } else { char };
    if chars(name) <= NAME_CHARS_MAX {
        return name.chars().map(fit).collect();
    }
    name.chars().take(NAME_CHARS_MAX - 1).map(fit).chain(['…']).collect()
}

fn rate(hz: f64) -> String {
    if hz.fract() == 0.0 { format!("{hz:.0}") } else { format!("{hz:.2}") }
}

/// Milliseconds with the digits that mean something: `0.095`, `1.24`, `33.3`, `1,250`.
pub(super) fn digits(millis: f64) -> String {
    match millis.abs() {
        size if !size.is_finite() => "-".to_string(),
        size if size < 0.9995 => format!("{millis:.3}"),
        size if size < 9.995 => format!("{millis:.2}"),
        size if size < 99.95 => format!("{millis:.1}"),
        size => format!("{}{}", if millis < 0.0 { "-" } else { "" }, count(size.round() as u64)),
    }
}

/// `3,200.012`; not negative.
fn thousandths(millis: f64) -> String {
    let thousandths = (millis * 1e3).round() as u64;
    format!("{}.{:03}", count(thousandths / 1000), thousandths % 1000)
}

/// `0.5 s`, `45 s`, `5.6 min`, `2.1 h`.
pub(super) fn duration(secs: f64) -> String {
    match secs {
        secs if !secs.is_finite() => "-".to_string(),
        secs if secs < 9.95 => format!("{secs:.1} s"),
        secs if secs < 119.5 => format!("{secs:.0} s"),
        secs if secs < 7200.0 => format!("{:.1} min", secs / 60.0),
        secs => format!("{:.1} h", secs / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let of = |millis: [f64; 6]| millis.map(digits);
        assert_eq!(of([0.0, 0.0951, 0.9996, 1.236, 9.996, 33.33]), ["0.000", "0.095", "1.00", "1.24", "10.0", "33.3"]);
        assert_eq!(
            of([99.96, 1250.4, 3.6e6, -0.5, -1250.0, f64::NAN]),
            ["100", "1,250", "3,600,000", "-0.500", "-1,250", "-"]
        );
        assert_eq!([3200.0124, 0.085, 0.0].map(thousandths), ["3,200.012", "0.085", "0.000"]);
        assert_eq!([0.5, 45.2, 333.0, 7560.0, f64::INFINITY].map(duration), ["0.5 s", "45 s", "5.5 min", "2.1 h", "-"]);
        assert_eq!(
            [f64::NAN, 0.0, 1e-9, 0.5, 0.999_99, 1.0].map(percent),
            ["-", "0%", "<0.1%", "50.0%", ">99.9%", "100%"]
        );
    }

    #[test]
    fn names_of_any_origin_fit_the_table() {
        assert_eq!(name("cage1"), "cage1");
        assert_eq!(name("a\u{1b}[31m\n"), "a?[31m?");
        assert_eq!(chars(&name(&"x".repeat(500))), NAME_CHARS_MAX);
    }
}
