//! Annotations of the Caltech Behavior Annotator, a text file.
//!
//! A title, the configuration (labels and their keys), then channels. Each has a header (`S1:  start  end  type`), a
//! rule of dashes and rows of start, end and label; frames count from 1, the end is inclusive.

use std::path::Path;

use super::{Annotation, Annotations, Span};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::FRAME_NUMBER_MAX;

/// How every such file begins.
pub const TITLE: &str = "Caltech Behavior Annotator";

/// One stream of annotation: what was labelled together, one label at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub name: String,
    /// Ascending and without overlap; gaps are possible.
    pub intervals: Vec<Interval>,
}

/// A label over the frames [start, stop), counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    pub start: u64,
    pub stop: u64,
    pub label: String,
    /// Row of the file that it stands on, counted from 1.
    pub row: u64,
}

/// Reads all channels of a file. They name no animals.
///
/// # Errors
/// Whatever is not such a file, with its row.
pub fn read(file: &Path) -> Result<Annotations, CorpusError> {
    let bytes = std::fs::read(file).map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
    Ok(annotations(parse(&bytes, file)?, file))
}

/// Channels as annotations, which name no animals.
pub fn annotations(channels: Vec<Channel>, file: &Path) -> Annotations {
    let names = channels.iter().map(|channel| channel.name.clone()).collect();
    let intervals = channels.into_iter().flat_map(|Channel { name, intervals }| {
        intervals.into_iter().map(move |interval| Annotation {
            channel: Some(name.clone()),
            agent: None,
            target: None,
            label: interval.label,
            span: Span::Frames(interval.start..interval.stop),
            row: interval.row,
        })
    });
    let intervals = intervals.collect();
    Annotations { file: file.to_path_buf(), channels: names, intervals, ..Annotations::default() }
}

/// The channels of a file's bytes, in its order; `file` is what errors are named after.
///
/// # Errors
/// See [`read`].
pub fn parse(bytes: &[u8], file: &Path) -> Result<Vec<Channel>, CorpusError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let row = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count() as u64;
        Place::row(file, row).fault("UTF-8 text", "other bytes")
    })?;
    let mut lines = (1..).zip(text.lines());
    match lines.next() {
        Some((_, line)) if line.trim_start().starts_with(TITLE) => {}
        other => {
            let got = other.map_or("an empty file".to_string(), |(_, line)| quoted(line));
            return Err(Place::row(file, 1).fault(format!("the title {TITLE:?}"), got));
        }
    }
    let mut channels: Vec<Channel> = Vec::new();
    for (row, line) in lines {
        let place = || Place::row(file, row);
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some(name) = words.first().and_then(|word| channel_name(word)) {
            if words[1..] != ["start", "end", "type"] {
                return Err(place().fault("the columns start, end and type after a channel's name", quoted(line)));
            }
            if channels.iter().any(|channel| channel.name == name) {
                return Err(place().fault("each channel once", format!("{} again", quoted(name))));
            }
            channels.push(Channel { name: name.to_string(), intervals: Vec::new() });
        } else if let Some(channel) = channels.last_mut() {
            let rule = channel.intervals.is_empty() && words.len() == 1 && words[0].bytes().all(|byte| byte == b'-');
            if !rule && !words.is_empty() {
                channel.intervals.push(interval(&words, line, row, channel.intervals.last(), file)?);
            }
        }
    }
    if channels.is_empty() {
        return Err(Place::file(file).fault("at least one channel (\"S1:  start  end  type\")", "none"));
    }
    Ok(channels)
}

/// `S1` of `S1:`; what else stands in a file is none.
fn channel_name(word: &str) -> Option<&str> {
    let name = word.strip_suffix(':')?;
    let digits = name.strip_prefix('S')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

fn interval(
    words: &[&str],
    line: &str,
    row: u64,
    previous: Option<&Interval>,
    file: &Path,
) -> Result<Interval, CorpusError> {
    let place = || Place::row(file, row);
    let &[start, end, label] = words else {
        return Err(place().fault("start, end and label", quoted(line)));
    };
    let number = |what: &str, word: &str| {
        let number: Option<u64> = word.parse().ok();
        number
            .filter(|number| (1..=FRAME_NUMBER_MAX).contains(number))
            .ok_or_else(|| place().fault(format!("{what} frame of 1 to {FRAME_NUMBER_MAX}"), quoted(word)))
    };
    let (start, stop) = (number("a start", start)? - 1, number("an end", end)?);
    if stop <= start {
        return Err(place().fault(format!("an end of {} or later", start + 1), stop.to_string()));
    }
    match previous {
        Some(previous) if start < previous.stop => {
            let expected = format!("a start after {}, where the interval before ends", previous.stop);
            Err(place().fault(expected, (start + 1).to_string()))
        }
        _ => Ok(Interval { start, stop, label: label.to_string(), row }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "Caltech Behavior Annotator - Annotation File\n\
        \n\
        Configuration file:\n\
        other o\n\
        attack a\n\
        \n\
        S1:\tstart\tend\ttype\n\
        -----------------------------\n\
        \t1\t5\tother\n\
        \t6\t6\tattack\n\
        \x20\n\
        S2: start    end     type\n\
        -----------------------------\n\
        \x20  3   9    attack\n";

    fn read_text(text: &str) -> Result<Vec<Channel>, CorpusError> {
        parse(text.as_bytes(), Path::new("1_annot.txt"))
    }

    #[test]
    fn channels_hold_half_open_intervals_from_zero() {
        let interval = |start, stop, label: &str, row| Interval { start, stop, label: label.to_string(), row };
        let channel = |name: &str, intervals| Channel { name: name.to_string(), intervals };
        let expected = [
            channel("S1", vec![interval(0, 5, "other", 9), interval(5, 6, "attack", 10)]),
            channel("S2", vec![interval(2, 9, "attack", 14)]),
        ];
        assert_eq!(read_text(TEXT).unwrap(), expected);
        assert_eq!(read_text(&TEXT.replace('\n', "\r\n")).unwrap(), expected);
    }

    #[test]
    fn a_fault_is_named_with_its_row_and_both_sides() {
        for (text, wanted) in [
            (String::new(), "row 1: expected the title \"Caltech Behavior Annotator\", got an empty file"),
            (
                "start,stop\n".to_string(),
                "row 1: expected the title \"Caltech Behavior Annotator\", got \"start,stop\"",
            ),
            (
                TEXT[..TEXT.find("S1:").unwrap()].to_string(),
                "expected at least one channel (\"S1:  start  end  type\"), got none",
            ),
            (TEXT.replace("S1:\tstart\tend", "S1:\tstart"), "row 7: expected the columns start, end and type"),
            (TEXT.replace("S2:", "S1:"), "row 12: expected each channel once, got \"S1\" again"),
            (TEXT.replace("\t6\t6", "\t6\t5"), "row 10: expected an end of 6 or later, got 5"),
            (
                TEXT.replace("\t6\t6", "\t5\t6"),
                "row 10: expected a start after 5, where the interval before ends, got 5",
            ),
            (TEXT.replace("\t1\t5", "\t0\t5"), "row 9: expected a start frame of 1 to 4294967295, got \"0\""),
            (TEXT.replace("\t1\t5", "\t1\t-5"), "row 9: expected an end frame of 1 to 4294967295, got \"-5\""),
            (TEXT.replace("\t6\t6\tattack", "\t6\t6"), "row 10: expected start, end and label, got \"\\t6\\t6\""),
            (TEXT.replace("attack\n \n", "attack\n----\n"), "row 11: expected start, end and label, got \"----\""),
        ] {
            let error = read_text(&text).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.starts_with("1_annot.txt: "), "{error}\nis not\n{wanted}");
        }
        let error = parse(b"Caltech Behavior Annotator\n\xff", Path::new("1_annot.txt")).unwrap_err().to_string();
        assert_eq!(error, "1_annot.txt: row 2: expected UTF-8 text, got other bytes");
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
            tail in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = TEXT.as_bytes().to_vec();
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            bytes.extend(tail);
            let _ = parse(&bytes, Path::new("x"));
        }
    }
}
