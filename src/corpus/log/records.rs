//! The records of an MCAP file, one after the other, for as long as it is one.
//!
//! The `mcap` crate reserves memory for the lengths that a file claims, and gives nothing of a torn chunk; a log must be
//! read after the worst that can happen to it. So this reads the few records that matter here itself, and copies what is
//! there, never what is claimed.

use std::io::{self, BufRead, Read};

use super::LOG_MAGIC;

/// Most bytes of a record that is looked into; longer ones, which a log has none of, are passed over.
pub const RECORD_BYTES_MAX: u64 = 1024 * 1024;

/// Most bytes of a chunk.
pub const CHUNK_BYTES_MAX: u64 = 64 * 1024 * 1024;

mod op {
    pub const CHANNEL: u8 = 0x04;
    pub const MESSAGE: u8 = 0x05;
    pub const CHUNK: u8 = 0x06;
    pub const DATA_END: u8 = 0x0f;
}

/// What a record says, as far as it matters here.
#[derive(Debug, PartialEq)]
pub(super) enum Record<'a> {
    Channel { id: u16, topic: &'a str, encoding: &'a str },
    Message { channel: u16, log_time: u64, payload: &'a [u8] },
}

/// What a file was beside its records.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ending {
    /// Whether the file was closed in order.
    pub closed: bool,
    /// What was left out, with its place and reason.
    pub damage: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Refused {
    Io(io::Error),
    /// The bytes at the start of what is no MCAP file.
    Magic(Vec<u8>),
    Compressed(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Gives every whole record to `each`.
pub(super) fn walk(input: impl Read, mut each: impl FnMut(Record)) -> Result<Ending, Refused> {
    let mut input = Counted { input: io::BufReader::with_capacity(1 << 16, input), at: 0 };
    let (mut body, mut ending) = (Vec::new(), Ending::default());
    if input.fill(&mut body, LOG_MAGIC.len() as u64)? < LOG_MAGIC.len() as u64 || body != LOG_MAGIC {
        return Err(Refused::Magic(body));
    }
    loop {
        let start = input.at;
        let got = input.fill(&mut body, HEAD_BYTES)?;
        let Some((opcode, len)) = head(&body) else {
            if got > 0 {
                ending.torn(start);
            }
            return Ok(ending);
        };
        if opcode == op::DATA_END {
            ending.closed = true;
            return Ok(ending);
        }
        let looked_into = match opcode {
            op::CHUNK => len <= CHUNK_BYTES_MAX,
            op::CHANNEL | op::MESSAGE => len <= RECORD_BYTES_MAX,
            _ => false,
        };
        let got = if looked_into { input.fill(&mut body, len)? } else { input.skip(len)? };
        if looked_into && opcode == op::CHUNK {
            chunk(&body, start, &mut ending, &mut each)?;
        } else if looked_into && got == len {
            record(opcode, &body, start, &mut ending, &mut each);
        }
        if got < len {
            ending.torn(start);
            return Ok(ending);
        }
    }
}

/// Opcode and length of a record.
const HEAD_BYTES: u64 = 9;

fn head(bytes: &[u8]) -> Option<(u8, u64)> {
    let mut fields = Fields(bytes);
    Some((fields.array::<1>()?[0], u64::from_le_bytes(fields.array()?)))
}

impl Ending {
    fn torn(&mut self, at: u64) {
        self.damage.push(format!("from byte {at} on: torn, the record there is not whole"));
    }
}

/// The records of a chunk, of which the end may be missing. Where the whole chunk is there but is not what was written,
/// its messages are left out: which of them are damaged is not known. Its channels are still needed by others.
fn chunk(body: &[u8], at: u64, ending: &mut Ending, each: &mut impl FnMut(Record)) -> Result<(), Refused> {
    let mut fields = Fields(body);
    let header = (|| {
        fields.array::<24>()?;
        let crc = u32::from_le_bytes(fields.array()?);
        let compression = fields.text()?.to_owned();
        Some((crc, compression, u64::from_le_bytes(fields.array()?)))
    })();
    let Some((crc, compression, len)) = header else {
        ending.damage.push(format!("byte {at}: a chunk without a whole header"));
        return Ok(());
    };
    if !compression.is_empty() {
        return Err(Refused::Compressed(compression));
    }
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let whole = fields.0.len() >= len;
    let records = &fields.0[..len.min(fields.0.len())];
    let intact = !whole || crc == 0 || crc == crc32(records);
    if !intact {
        ending.damage.push(format!("byte {at}: a chunk that does not match its checksum, its messages are left out"));
    }
    let mut rest = Fields(records);
    while let Some((opcode, len)) = head(rest.0) {
        let Some(body) = usize::try_from(len).ok().and_then(|len| rest.0[HEAD_BYTES as usize..].get(..len)) else {
            break;
        };
        rest = Fields(&rest.0[HEAD_BYTES as usize + body.len()..]);
        if intact || opcode == op::CHANNEL {
            record(opcode, body, at, ending, each);
        }
    }
    Ok(())
}

fn record(opcode: u8, body: &[u8], at: u64, ending: &mut Ending, each: &mut impl FnMut(Record)) {
    let mut fields = Fields(body);
    let parsed = match opcode {
        op::CHANNEL => fields.channel(),
        op::MESSAGE => fields.message(),
        _ => return,
    };
    match parsed {
        Some(record) => each(record),
        None => ending.damage.push(format!("byte {at}: a record that is shorter than what it holds")),
    }
}

/// What is left of a record.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = u32::from_le_bytes(self.array()?);
        std::str::from_utf8(self.take(usize::try_from(len).ok()?)?).ok()
    }

    fn channel(&mut self) -> Option<Record<'a>> {
        let id = u16::from_le_bytes(self.array()?);
        let _schema = self.array::<2>()?;
        Some(Record::Channel { id, topic: self.text()?, encoding: self.text()? })
    }

    fn message(&mut self) -> Option<Record<'a>> {
        let channel = u16::from_le_bytes(self.array()?);
        let _sequence = self.array::<4>()?;
        let log_time = u64::from_le_bytes(self.array()?);
        let _publish_time = self.array::<8>()?;
        Some(Record::Message { channel, log_time, payload: self.0 })
    }
}

struct Counted<R> {
    input: R,
    at: u64,
}

impl<R: BufRead> Counted<R> {
    /// Reads up to `len` bytes into an emptied `body`, and says how many there were.
    fn fill(&mut self, body: &mut Vec<u8>, len: u64) -> io::Result<u64> {
        body.clear();
        let got = self.input.by_ref().take(len).read_to_end(body)? as u64;
        self.at += got;
        Ok(got)
    }

    fn skip(&mut self, len: u64) -> io::Result<u64> {
        let got = io::copy(&mut self.input.by_ref().take(len), &mut io::sink())?;
        self.at += got;
        Ok(got)
    }
}

/// CRC-32 as MCAP and gzip have it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
