//! What can be wrong with a file of a corpus, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::stream::StreamError;

/// Most characters of a file's own text that an error quotes.
const QUOTED_CHARS_MAX: usize = 60;

#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    #[error("{}: {error}", file.display())]
    Io { file: PathBuf, error: std::io::Error },
    #[error("{place}: expected {expected}, got {got}")]
    Fault { place: Place, expected: String, got: String },
    #[error("{}: {error}", file.display())]
    Stream { file: PathBuf, error: StreamError },
    #[error("{}: {error}", file.display())]
    Toml { file: PathBuf, error: Box<toml::de::Error> },
}

/// A place in a file; rows and columns are counted from 1, as a spreadsheet shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    pub row: Option<u64>,
    pub column: Option<usize>,
}

impl Place {
    pub fn file(file: &Path) -> Self {
        Self { file: file.to_path_buf(), row: None, column: None }
    }

    pub fn row(file: &Path, row: u64) -> Self {
        Self { row: Some(row), ..Self::file(file) }
    }

    pub fn cell(file: &Path, row: u64, column: usize) -> Self {
        Self { column: Some(column), ..Self::row(file, row) }
    }

    /// The error that something else than `expected` stands here.
    pub fn fault(self, expected: impl Into<String>, got: impl Into<String>) -> CorpusError {
        CorpusError::Fault { place: self, expected: expected.into(), got: got.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(row) = self.row {
            write!(f, ": row {row}")?;
        }
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        Ok(())
    }
}

/// Text of a file as an error shows it: quoted, escaped and cut, as garbage may be long.
pub(in crate::corpus) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_what_was_expected_and_what_was_got() {
        let error = Place::cell(Path::new("rats/2.csv"), 7, 3).fault("a number", quoted("x\ny"));
        assert_eq!(error.to_string(), r#"rats/2.csv: row 7, column 3: expected a number, got "x\ny""#);
        assert_eq!(quoted(&"é".repeat(100)).chars().filter(|c| *c == 'é').count(), QUOTED_CHARS_MAX);
    }
}
