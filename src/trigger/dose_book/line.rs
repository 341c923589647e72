//! The lines of a dose book, each sealed with a check over itself and all lines before it.
//!
//! ```json
//! {"line":1,"record":{"header":{"version":1,"session":"day 3","at_nanos":1700000000}},"check":"8a53c1de7f00b1c2"}
//! {"line":2,"record":{"reserved":{"at_nanos":1800000000,"output":"laser","on_millis":500}},"check":"…"}
//! ```
//! So a line that was changed, lost or put in is found where it is, and never taken for a smaller dose.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::trigger::allowance::{Animals, Kind};

/// Version of the lines, stated in the first one.
pub(super) const BOOK_VERSION: u32 = 1;

/// Longest line: four names of 128 bytes, six bytes each where JSON escapes them, and numbers.
pub(super) const LINE_BYTES_MAX: usize = 4096;

/// Hexadecimal digits of a check: the first 8 bytes of a BLAKE3 hash.
const CHECK_DIGITS: usize = 16;

/// What happened, in the order of happening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Record {
    /// The first line, and only it.
    Header {
        version: u32,
        session: String,
        at_nanos: i64,
    },
    /// The book was opened again. What the process before had reserved or not settled is over, and was spent in full.
    Opened {
        at_nanos: i64,
    },
    /// The output may give one stimulus of at most so long. One reservation an output; a later one replaces it.
    Reserved {
        at_nanos: i64,
        output: String,
        on_millis: u64,
    },
    /// The reservation was not used.
    Released {
        at_nanos: i64,
        output: String,
    },
    /// A stimulus takes up its output's reservation; a sham leaves it.
    Spent {
        booking: u64,
        begin_nanos: i64,
        kind: Kind,
        output: String,
        animals: Animals,
        on_millis: u64,
    },
    Settled {
        booking: u64,
        end_nanos: i64,
        on_millis: u64,
    },
    /// It never went out.
    Cancelled {
        booking: u64,
    },
}

/// What should be, and what is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub expected: String,
    pub got: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "line")]
    number: u64,
    record: Record,
    /// Compared before, as bytes.
    #[serde(rename = "check")]
    _check: String,
}

/// The lines so far: what the next one has to follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    lines: u64,
    check: String,
}

impl Chain {
    /// The number of the next line.
    pub fn line_next(&self) -> u64 {
        self.lines + 1
    }

    /// A record as the next line, with its end.
    ///
    /// # Errors
    /// A line beyond [`LINE_BYTES_MAX`].
    pub fn seal(&mut self, record: &Record) -> Result<String, Misfit> {
        let json = serde_json::to_string(record).expect("records are plain JSON");
        let body = format!(r#"{{"line":{},"record":{json}"#, self.line_next());
        let check = self.follow(body.as_bytes());
        let line = format!("{body},\"check\":\"{check}\"}}\n");
        if line.len() > LINE_BYTES_MAX {
            let expected = format!("a record of at most {LINE_BYTES_MAX} bytes");
            return Err(Misfit { expected, got: format!("{} bytes", line.len()) });
        }
        self.step(check);
        Ok(line)
    }

    /// The record of the next line, given without its end.
    pub fn unseal(&mut self, line: &[u8]) -> Result<Record, Misfit> {
        let misfit = |expected: String| Misfit { expected, got: shown(line) };
        let end = line.len().saturating_sub(r#","check":""}"#.len() + CHECK_DIGITS);
        let check = self.follow(&line[..end]);
        let seal = format!(r#","check":"{check}"}}"#);
        if &line[end..] != seal.as_bytes() {
            return Err(misfit(format!("a line {} that ends in {seal}", self.line_next())));
        }
        match serde_json::from_slice::<Line>(line) {
            Ok(Line { number, record, .. }) if number == self.line_next() => {
                self.step(check);
                Ok(record)
            }
            Ok(_) => Err(misfit(format!("line number {}", self.line_next()))),
            Err(error) => Err(misfit(format!("a record of version {BOOK_VERSION} ({error})"))),
        }
    }

    /// Whether bytes without a line's end may be what a killed writer, or a lost power supply, left of the next line:
    /// its beginning, or nothing, with zeros behind. What begins with a whole JSON object may have been a whole record.
    pub fn could_be_torn(&self, bytes: &[u8]) -> bool {
        let bytes = without_zeros(bytes);
        let version = if self.lines == 0 { format!(r#"header":{{"version":{BOOK_VERSION},"#) } else { String::new() };
        let head = format!(r#"{{"line":{},"record":{{"{version}"#, self.line_next());
        let common = bytes.len().min(head.len());
        let whole = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>().next();
        bytes[..common] == head.as_bytes()[..common] && bytes.len() < LINE_BYTES_MAX && !matches!(whole, Some(Ok(_)))
    }

    fn follow(&self, body: &[u8]) -> String {
        let hash = blake3::Hasher::new().update(self.check.as_bytes()).update(body).finalize().to_hex();
        hash[..CHECK_DIGITS].to_string()
    }

    fn step(&mut self, check: String) {
        self.check = check;
        self.lines += 1;
    }
}

pub(super) fn without_zeros(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    &bytes[..len]
}

/// The beginning of a line, for an error.
fn shown(line: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&line[..line.len().min(160)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_fit_into_a_line() {
        let name = "\u{1}".repeat(crate::trigger::allowance::NAME_BYTES_MAX);
        let animals = Animals { cage: name.clone(), agent: name.clone(), target: Some(name.clone()) };
        let record = Record::Spent {
            booking: u64::MAX,
            begin_nanos: i64::MIN,
            kind: Kind::Stimulus,
            output: name,
            animals,
            on_millis: u64::MAX,
        };
        let mut chain = Chain { lines: u64::MAX - 1, check: "0".repeat(CHECK_DIGITS) };
        let mut reader = chain.clone();
        let line = chain.seal(&record).unwrap();
        assert_eq!(reader.unseal(line.trim_end().as_bytes()), Ok(record));
    }
}
