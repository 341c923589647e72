//! What commands print as their result.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Prints a line on standard output. A reader that has seen enough (`head`) is no error; one that cannot take it is.
pub fn line(text: impl fmt::Display) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
