//! The few words of Python's pickle (protocol 0) in which `PyTables` stores the columns of a table.

use std::collections::HashMap;

/// Most bytes of a pickle: an attribute of HDF5 holds less than 64 KiB.
const BYTES_MAX: usize = 1 << 16;

/// Most values, and most marks, that may be open at a time: values nest no deeper than both together.
const OPEN_MAX: usize = 64;

/// Longest text that may be taken out of the memo again, as it costs its length each time.
const MEMO_BYTES_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Integer(i64),
    Text(String),
    /// A list or a tuple.
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
}

impl Value {
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    pub fn get(&self, wanted: &Self) -> Option<&Self> {
        match self {
            Self::Dict(entries) => entries.iter().find(|(key, _)| key == wanted).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The texts of a list; `None` where anything else is in it.
    pub fn texts(&self) -> Option<Vec<String>> {
        self.items().iter().map(|item| if let Self::Text(text) = item { Some(text.clone()) } else { None }).collect()
    }
}

/// Reads a pickle of lists, tuples, dictionaries, texts and integers.
///
/// # Errors
/// In words, what else is in it and where.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    if bytes.len() > BYTES_MAX {
        return Err(format!("{} bytes of pickle", bytes.len()));
    }
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let at = machine.at;
        let opcode = machine.bytes.get(at).copied().ok_or("a pickle without end")?;
        machine.at += 1;
        if opcode == b'.' {
            return machine.stack.pop().ok_or_else(|| "an empty pickle".to_string());
        }
        machine.step(opcode).ok_or_else(|| format!("a pickle with {:?} at byte {at}", char::from(opcode)))?;
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    /// Texts and integers only: a container that is taken out twice could make a short pickle grow without bound.
    memo: HashMap<String, Value>,
}

impl Machine<'_> {
    fn step(&mut self, opcode: u8) -> Option<()> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.stack.push(Value::None),
            b'I' | b'L' => {
                let number = self.line()?.trim_end_matches('L').parse().ok()?;
                self.stack.push(Value::Integer(number));
            }
            b'V' => {
                let text = unescaped(&self.line()?)?;
                self.stack.push(Value::Text(text));
            }
            b'l' | b't' => {
                let items = self.since_mark()?;
                self.stack.push(Value::List(items));
            }
            b'd' => {
                let items = self.since_mark()?;
                let entries = items.chunks_exact(2).map(|entry| (entry[0].clone(), entry[1].clone())).collect();
                self.stack.push(Value::Dict(entries));
            }
            b'a' => {
                let item = self.stack.pop()?;
                let Value::List(items) = self.stack.last_mut()? else { return None };
                items.push(item);
            }
            b's' => {
                let (value, key) = (self.stack.pop()?, self.stack.pop()?);
                let Value::Dict(entries) = self.stack.last_mut()? else { return None };
                entries.push((key, value));
            }
            b'p' => {
                let key = self.line()?;
                match self.stack.last()? {
                    Value::Text(text) if text.len() > MEMO_BYTES_MAX => {}
                    value @ (Value::Text(_) | Value::Integer(_)) => {
                        self.memo.insert(key, value.clone());
                    }
                    _ => {}
                }
            }
            b'g' => {
                let key = self.line()?;
                self.stack.push(self.memo.get(&key)?.clone());
            }
            _ => return None,
        }
        (self.stack.len() <= OPEN_MAX && self.marks.len() <= OPEN_MAX).then_some(())
    }

    /// The rest of the line, of which each byte is a character.
    fn line(&mut self) -> Option<String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        self.at += length + 1;
        Some(rest[..length].iter().copied().map(char::from).collect())
    }

    fn since_mark(&mut self) -> Option<Vec<Value>> {
        let mark = self.marks.pop()?;
        (mark <= self.stack.len()).then(|| self.stack.split_off(mark))
    }
}

/// Python's `raw-unicode-escape`.
fn unescaped(line: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('\\') {
        text.push_str(&rest[..start]);
        let escape = &rest[start + 1..];
        let digits = match escape.chars().next() {
            Some('u') => 4,
            Some('U') => 8,
            _ => {
                text.push('\\');
                rest = escape;
                continue;
            }
        };
        let code = u32::from_str_radix(escape.get(1..=digits)?, 16).ok()?;
        text.push(char::from_u32(code)?);
        rest = &escape[1 + digits..];
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `pickle.dumps({1: [("s", "nöse\\x\n", None), ("s", "y")]}, 0)`, with the memo of the C pickler.
    const DICT: &[u8] = b"(dp0\nI1\n(lp1\n(Vs\np2\nVn\xf6se\\u005cx\\u000a\np3\nNtp4\na(g2\nVy\np5\ntp6\nas.";

    #[test]
    fn what_pytables_writes_is_read() {
        let text = |text: &str| Value::Text(text.to_string());
        let value = parse(DICT).unwrap();
        let list = value.get(&Value::Integer(1)).unwrap();
        assert_eq!(list.items()[0], Value::List(vec![text("s"), text("nöse\\x\n"), Value::None]));
        assert_eq!(list.items()[1].texts().unwrap(), ["s", "y"]);
        assert_eq!(list.items()[0].texts(), None);
    }

    #[test]
    fn what_else_is_in_a_pickle_is_named_with_its_place() {
        for (pickle, wanted) in [
            (&b"cos\nsystem\n(S'ls'\ntR."[..], "a pickle with 'c' at byte 0"),
            (b"(lp0\n(I0\n", "a pickle without end"),
            (b".", "an empty pickle"),
            (b"g7\n.", "a pickle with 'g' at byte 0"),
            // A list taken out of the memo.
            (b"(lp0\ng0\na.", "a pickle with 'g' at byte 5"),
            (&[b'('; 100], "a pickle with '(' at byte 64"),
            (&[b'N'; 100], "a pickle with 'N' at byte 64"),
            (&vec![b'N'; BYTES_MAX + 1], "65537 bytes of pickle"),
        ] {
            assert_eq!(parse(pickle).unwrap_err(), wanted);
        }
    }

    proptest! {
        #[test]
        fn damaged_pickles_never_panic(damage in proptest::collection::vec((0..DICT.len(), any::<u8>()), 1..8)) {
            let mut pickle = DICT.to_vec();
            for (at, value) in damage {
                pickle[at] = value;
            }
            let _ = parse(&pickle);
        }
    }
}
