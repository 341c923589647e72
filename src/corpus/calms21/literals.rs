//! JSON as Python writes it, made JSON: `NaN`, `Infinity` and `-Infinity` outside of texts become `null`.

use std::io::{BufRead, ErrorKind, Read, Result};

const NULL: &[u8] = b"null";
const NAN: &[u8] = b"NaN";
const INFINITY: &[u8] = b"Infinity";
const MINUS_INFINITY: &[u8] = b"-Infinity";

/// How many replacements are remembered: a parser may read past what it complains about by a few bytes.
const REMEMBERED: usize = 16;

/// Everything that `input` holds, with those literals replaced. It comes byte by byte, as `serde_json` asks for it, and
/// nothing is kept beside the replacements remembered for [`located`](Self::located). What only begins like a literal stays
/// as it is; a literal with more around it is no JSON before and after.
pub(super) struct Literals<R> {
    input: R,
    context: Context,
    /// What is to be given before anything else is read.
    pending: &'static [u8],
    /// Where the next byte given stands: lines from 1, bytes before it in the line.
    line: usize,
    column: usize,
    /// How much longer the line became by what was replaced in it.
    grown: isize,
    /// The last ones, in a ring.
    replaced: [Replaced; REMEMBERED],
    replacements: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Plain,
    Text,
    /// After a backslash in a text.
    Escape,
}

/// A `null` in the place of a literal; the default is none.
#[derive(Clone, Copy, Default)]
struct Replaced {
    line: usize,
    /// Bytes of the line given before it.
    column: usize,
    literal_bytes: usize,
    /// How much longer the line became up to it, itself not counted.
    grown: isize,
}

impl<R: BufRead> Literals<R> {
    pub fn new(input: R) -> Self {
        let (context, pending, replaced) = (Context::Plain, &[][..], [Replaced::default(); REMEMBERED]);
        Self { input, context, pending, line: 1, column: 0, grown: 0, replaced, replacements: 0 }
    }

    /// What an error of the parser says, with its place in the input.
    pub fn located(&self, error: &serde_json::Error) -> String {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        match text.strip_suffix(&format!(" at line {line} column {column}")) {
            Some(text) => format!("{text} at line {line} column {}", self.column(line, column)),
            None => text,
        }
    }

    /// The column of the input that a column (counted from 1) of what was given is: the end of the literal at most, within
    /// a replacement.
    fn column(&self, line: usize, column: usize) -> usize {
        let newest_first = (1..=REMEMBERED.min(self.replacements)).map(|back| self.replacements - back);
        let mut replaced = newest_first.map(|number| self.replaced[number % REMEMBERED]);
        let Some(last) = replaced.find(|it| it.line == line && it.column < column) else { return column };
        let past_null = column.saturating_sub(last.column + NULL.len());
        let within = if past_null > 0 { last.literal_bytes } else { (column - last.column).min(last.literal_bytes) };
        last.column.saturating_add_signed(-last.grown) + within + past_null
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Option<u8>> {
        let byte = if let Some((&byte, rest)) = self.pending.split_first() {
            self.pending = rest;
            byte
        } else {
            let Some(byte) = self.peek()? else { return Ok(None) };
            self.input.consume(1);
            match (self.context, byte) {
                (Context::Plain, b'N') => self.literal(NAN)?,
                (Context::Plain, b'I') => self.literal(INFINITY)?,
                (Context::Plain, b'-') => self.literal(MINUS_INFINITY)?,
                _ => {
                    self.context = match (self.context, byte) {
                        (Context::Plain, b'"') | (Context::Escape, _) => Context::Text,
                        (Context::Text, b'"') => Context::Plain,
                        (Context::Text, b'\\') => Context::Escape,
                        (context, _) => context,
                    };
                    byte
                }
            }
        };
        self.column += 1;
        if byte == b'\n' {
            (self.line, self.column, self.grown) = (self.line + 1, 0, 0);
        }
        Ok(Some(byte))
    }

    /// Reads on after the first byte of what may be `literal`; what is to be given now, the rest is pending.
    #[cold]
    fn literal(&mut self, literal: &'static [u8]) -> Result<u8> {
        let mut length = 1;
        while length < literal.len() && self.peek()? == Some(literal[length]) {
            self.input.consume(1);
            length += 1;
        }
        let mut given = &literal[..length];
        if length == literal.len() {
            given = NULL;
            self.replaced[self.replacements % REMEMBERED] =
                Replaced { line: self.line, column: self.column, literal_bytes: length, grown: self.grown };
            self.replacements += 1;
            self.grown += NULL.len() as isize - length as isize;
        }
        self.pending = &given[1..];
        Ok(given[0])
    }
}

impl<R: BufRead> Read for Literals<R> {
    /// Gives one byte at most.
    #[inline]
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let Some(out) = out.first_mut() else { return Ok(0) };
        let next = self.next()?;
        *out = next.unwrap_or(*out);
        Ok(usize::from(next.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// The same on a whole text, where nothing has to be remembered from chunk to chunk.
    fn expected(text: &str) -> String {
        let (mut rest, mut out, mut quoted) = (text, String::new(), false);
        while let Some(first) = rest.chars().next() {
            let literal = ["NaN", "Infinity", "-Infinity"].into_iter().find(|it| !quoted && rest.starts_with(it));
            let (taken, given) = match literal {
                Some(literal) => (literal.len(), "null"),
                None if quoted && first == '\\' => {
                    let bytes = rest.chars().take(2).map(char::len_utf8).sum();
                    (bytes, &rest[..bytes])
                }
                None => (first.len_utf8(), &rest[..first.len_utf8()]),
            };
            quoted ^= first == '"';
            out.push_str(given);
            rest = &rest[taken..];
        }
        out
    }

    fn replaced(text: &str, chunk_bytes: usize) -> String {
        let mut out = String::new();
        Literals::new(BufReader::with_capacity(chunk_bytes, text.as_bytes())).read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn literals_become_null_outside_of_texts_only() {
        for (text, expected) in [
            ("[NaN, -Infinity,Infinity]", "[null, null,null]"),
            (r#"{"NaN": "a\"NaN\\", "b": NaN}"#, r#"{"NaN": "a\"NaN\\", "b": null}"#),
            ("[-1, -0.5e-3, Na, Inf, -I, nan, NaNo]", "[-1, -0.5e-3, Na, Inf, -I, nan, nullo]"),
            ("-Infinit", "-Infinit"),
            ("NNaN", "Nnull"),
            ("", ""),
        ] {
            for chunk_bytes in 1..12 {
                assert_eq!(replaced(text, chunk_bytes), expected, "in chunks of {chunk_bytes}");
            }
        }
    }

    /// Where a parser that stops after any byte says it is, is where the text has it.
    #[test]
    fn columns_are_those_of_the_input() {
        let text = "[NaN, 1,\n-Infinity,NaN , Infinity,2]\n3";
        let given = expected(text);
        let mut literals = Literals::new(text.as_bytes());
        let (mut line, mut column) = (1, 0);
        let mut seen = Vec::new();
        for byte in given.bytes() {
            assert_eq!(literals.next().unwrap(), Some(byte));
            (line, column) = if byte == b'\n' { (line + 1, 0) } else { (line, column + 1) };
            seen.push((byte, line, column, literals.column(line, column)));
        }
        // What was read since does not change it.
        for &(byte, line, column, source) in &seen {
            assert_eq!(literals.column(line, column), source);
            let here = text.lines().nth(line - 1).unwrap().as_bytes();
            assert!(source <= here.len());
            if column > 0 && !NULL.contains(&byte) {
                assert_eq!(here[source - 1], byte, "{line}:{column} is not {source}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_else_changes_in_any_chunks(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "NaN", "Infinity", "-Infinity", "-", "--", "N", "Na", "aN", "I", "Inf", "inity", "\"", "\\", "\\\"", "null",
                "1", "-2.5", "é", "\n", ", ", "[", "]", "{", ":",
            ]), 0..40),
            chunk_bytes in 1_usize..20,
        ) {
            let text = pieces.concat();
            prop_assert_eq!(replaced(&text, chunk_bytes), expected(&text));
        }
    }
}
