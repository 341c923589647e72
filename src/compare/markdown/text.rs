//! Cells and what they hold.

use std::fmt::{self, Write};

use crate::compare::measures::Spread;
use crate::compare::ranking::Estimate;

/// What stands where there is no number.
pub(super) const NOTHING: &str = "–";

/// Names of a list beyond these are counted.
const NAMES_MAX: usize = 12;

/// Rows as they are written.
pub(super) struct Table<'a> {
    page: &'a mut String,
}

impl<'a> Table<'a> {
    /// The first `names` columns are names, all others numbers.
    pub(super) fn new(page: &'a mut String, head: &[String], names: usize) -> Result<Self, fmt::Error> {
        let mut table = Self { page };
        table.row(head)?;
        let rule = |column| if column < names { "---" } else { "---:" };
        let rules: Vec<String> = (0..head.len()).map(|column| rule(column).to_owned()).collect();
        table.row(&rules)?;
        Ok(table)
    }

    pub(super) fn row(&mut self, cells: &[String]) -> fmt::Result {
        writeln!(self.page, "| {} |", cells.join(" | "))
    }
}

/// A name from a file as plain text of one line: what Markdown would read as a mark is escaped.
pub(super) fn name(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' | '|' | '`' | '*' | '[' | ']' | '<' | '>' | '&' | '~' | '#' | '$' => safe.extend(['\\', char]),
            char if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => safe.push(' '),
            char => safe.push(char),
        }
    }
    safe
}

/// `a, b and 3 more`.
pub(super) fn list(names: &[String]) -> String {
    let shown = names.len().min(NAMES_MAX);
    let rest = match names.len() - shown {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{rest}", names[..shown].join(", "))
}

pub(super) fn spread(values: &[f64]) -> String {
    Spread::of(values).map_or(NOTHING.to_owned(), |spread| spread.to_string())
}

/// `0.412 to 0.473`.
pub(super) fn interval(estimate: Estimate) -> String {
    estimate.interval.map_or(NOTHING.to_owned(), |[lower, upper]| format!("{lower:.3} to {upper:.3}"))
}

/// `+0.031 ± 0.004`.
pub(super) fn signed_spread(value: f64, error: Option<f64>) -> String {
    signed(value) + &error.map_or(String::new(), |error| format!(" ± {error:.3}"))
}

/// `+0.031`; what rounds to 0 has no sign.
fn signed(value: f64) -> String {
    let text = format!("{value:+.3}");
    if matches!(text.as_str(), "+0.000" | "-0.000") { "0.000".to_owned() } else { text }
}

/// As [`interval`], signed.
pub(super) fn signed_interval(difference: Estimate) -> String {
    difference.interval.map_or(NOTHING.to_owned(), |ends| ends.map(signed).join(" to "))
}

/// About three digits.
pub(super) fn three_digits(value: f64) -> String {
    let digits = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// `812 B`, `23.4 kB`, `1.25 MB`.
pub(super) fn size(bytes: f64) -> String {
    match bytes {
        bytes if bytes < 1e3 => format!("{bytes:.0} B"),
        bytes if bytes < 1e6 => format!("{} kB", three_digits(bytes / 1e3)),
        bytes => format!("{} MB", three_digits(bytes / 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_cell() {
        assert_eq!(name("a|b\\|c\r\nd"), "a\\|b\\\\\\|c  d");
        assert_eq!(name("<b>*x*`[y](z)&amp;"), "\\<b\\>\\*x\\*\\`\\[y\\](z)\\&amp;");
        assert_eq!(name("social_contact é"), "social_contact é");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([812.0, 23_400.0, 1_250_000.0, 340e6].map(size), ["812 B", "23.4 kB", "1.25 MB", "340 MB"]);
        assert_eq!([0.03124, -0.2, -0.0002, 0.0].map(signed), ["+0.031", "-0.200", "0.000", "0.000"]);
        assert_eq!([0.0, 9.876, 98.76, 987.6].map(three_digits), ["0.00", "9.88", "98.8", "988"]);
        let names: Vec<String> = (0..14).map(|index| index.to_string()).collect();
        assert_eq!(list(&names[..2]), "0, 1");
        assert!(list(&names).ends_with("10, 11 and 2 more"));
    }
}
