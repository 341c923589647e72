//! Messages into MCAP. A value that writes to whatever takes bytes and reads no clock.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use mcap::records::{MessageHeader, Metadata};
use mcap::write::NoSeek;
use mcap::{McapError, WriteOptions};
use serde::Serialize;

use super::{LOG_VERSION, Part, RECORDER_TOPIC, Topic, mcap_encoding, wire_encoding};
use crate::acquire::description::Described;
use crate::acquire::wire::{Content, Encoding, Packet};
use crate::keys::CageName;
use crate::stream::CLOCK_UNIX;

/// A chunk is written once it holds more than this, if it was not flushed before.
pub const CHUNK_BYTES: u64 = 256 * 1024;

/// Most topics of one file, far under the 65,535 of the format.
pub const TOPICS_MAX: usize = 8192;

/// A message as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    pub topic: Topic,
    pub encoding: Encoding,
    pub payload: Vec<u8>,
    /// On the log's clock: nanoseconds since 1970 (UTC).
    pub arrived_nanos: i64,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// A frame was written.
    Frame,
    /// Something else was written.
    Written,
    /// Written as it came, though it is no pose packet or stream description.
    Garbled,
    /// Left out: [`TOPICS_MAX`] others are there.
    TooManyTopics,
}

/// What the recorder lost, by cage and cause, from its start on.
pub type Lost = BTreeMap<String, BTreeMap<&'static str, u64>>;

/// An MCAP file on its way into `W`. Bytes come in whole chunks: what was flushed can be read whatever happens after.
///
/// Grows by the index of its chunks (some 100 bytes and 24 for each topic in it), so files should be of bounded length;
/// everything else is bounded.
pub struct LogWriter<W: Write> {
    mcap: mcap::Writer<NoSeek<W>>,
    /// By topic and MCAP's name of the encoding.
    channels: HashMap<(Topic, &'static str), Channel>,
    streams: HashMap<CageName, Stream>,
    recorder: Channel,
    messages: u64,
}

struct Channel {
    id: u16,
    count: u32,
}

/// The description in force, as it came.
struct Stream {
    logged: Logged,
    unix_clock: bool,
}

#[derive(Serialize)]
struct LostNote<'a> {
    version: u32,
    lost: &'a Lost,
}

impl<W: Write> LogWriter<W> {
    /// Begins a file. `started` is when, in words for people.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn new(sink: W, started: &str) -> io::Result<Self> {
        let options = WriteOptions::new().profile("vibrissa").library(concat!("vibrissa ", env!("CARGO_PKG_VERSION")));
        let options = options.compression(None).chunk_size(Some(CHUNK_BYTES)).disable_seeking(true);
        let mut mcap = options.create(NoSeek::new(sink)).map_err(into_io)?;
        let facts = [
            ("log_version", LOG_VERSION.to_string()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("clock", "unix, set at the start of the file and advanced by a monotonic clock".to_owned()),
            ("started", started.to_owned()),
        ];
        mcap.write_metadata(&metadata("vibrissa", facts)).map_err(into_io)?;
        let id = mcap.add_channel(0, RECORDER_TOPIC, super::MCAP_JSON, &BTreeMap::new()).map_err(into_io)?;
        let recorder = Channel { id, count: 0 };
        Ok(Self { mcap, channels: HashMap::new(), streams: HashMap::new(), recorder, messages: 0 })
    }

    /// Writes a message, which lies in the open chunk until that is full or flushed.
    ///
    /// # Errors
    /// Those of the sink; the writer is of no use afterwards.
    pub fn put(&mut self, logged: &Logged) -> io::Result<Put> {
        let Some(channel) = self.channel(&logged.topic, logged.encoding)? else {
            return Ok(Put::TooManyTopics);
        };
        let arrived = unsigned(logged.arrived_nanos);
        let (mut sequence, mut publish_time, mut put) = (channel.1, arrived, Put::Written);
        match logged.topic.part {
            Part::Pose => match Packet::decode(logged.encoding, &logged.payload, 0.0) {
                Ok(Packet { content: Content::Frame { frame, .. }, .. }) => {
                    (sequence, put) = (frame.number as u32, Put::Frame);
                    let unix = self.streams.get(&logged.topic.cage).is_some_and(|stream| stream.unix_clock);
                    let captured = frame.capture_nanos.filter(|_| unix);
                    publish_time = captured.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(arrived);
                }
                Ok(_) => {}
                Err(_) => put = Put::Garbled,
            },
            Part::Stream if !self.describe(logged) => put = Put::Garbled,
            Part::Stream | Part::Event(_) | Part::Status => {}
        }
        let header = MessageHeader { channel_id: channel.0, sequence, log_time: arrived, publish_time };
        self.mcap.write_to_known_channel(&header, &logged.payload).map_err(into_io)?;
        self.messages += 1;
        Ok(put)
    }

    /// Takes a description; one that is none leaves that before it in force.
    fn describe(&mut self, logged: &Logged) -> bool {
        if let Some(known) = self.streams.get(&logged.topic.cage)
            && known.logged.payload == logged.payload
        {
            return true;
        }
        let Ok(described) = Described::decode(&logged.payload) else { return false };
        let unix_clock = described.stream.clock() == Some(CLOCK_UNIX);
        self.streams.insert(logged.topic.cage.clone(), Stream { logged: logged.clone(), unix_clock });
        true
    }

    /// Id and count so far of the topic's channel; `None` where there is no room for it.
    fn channel(&mut self, topic: &Topic, encoding: Encoding) -> io::Result<Option<(u16, u32)>> {
        let key = (topic.clone(), mcap_encoding(encoding));
        if !self.channels.contains_key(&key) {
            if self.channels.len() >= TOPICS_MAX {
                return Ok(None);
            }
            let facts = [("rig", topic.cage.rig()), ("cage", topic.cage.cage()), ("encoding", wire_encoding(encoding))];
            let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let id = self.mcap.add_channel(0, &topic.key(), key.1, &facts).map_err(into_io)?;
            self.channels.insert(key.clone(), Channel { id, count: 0 });
        }
        Ok(self.channels.get_mut(&key).map(|channel| {
            channel.count = channel.count.wrapping_add(1);
            (channel.id, channel.count - 1)
        }))
    }

    /// Writes what was lost.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn note_lost(&mut self, lost: &Lost, now_nanos: i64) -> io::Result<()> {
        let time = unsigned(now_nanos);
        let sequence = self.recorder.count;
        self.recorder.count = sequence.wrapping_add(1);
        let header = MessageHeader { channel_id: self.recorder.id, sequence, log_time: time, publish_time: time };
        let note = serde_json::to_vec(&LostNote { version: LOG_VERSION, lost })?;
        self.mcap.write_to_known_channel(&header, &note).map_err(into_io)
    }

    /// Gives the sink everything that was put.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.mcap.flush().map_err(into_io)
    }

    /// The descriptions in force, with which the next file begins.
    pub fn descriptions(&self) -> impl Iterator<Item = &Logged> {
        self.streams.values().map(|stream| &stream.logged)
    }

    /// Messages that were put.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Ends the file with its index. `stepped_nanos` is how far the wall clock has left the log's clock.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn finish(mut self, lost: u64, stepped_nanos: i64) -> io::Result<W> {
        let facts = [
            ("messages", self.messages.to_string()),
            ("lost", lost.to_string()),
            ("wall_clock_stepped_nanos", stepped_nanos.to_string()),
        ];
        self.mcap.write_metadata(&metadata("vibrissa.end", facts)).map_err(into_io)?;
        self.mcap.finish().map_err(into_io)?;
        Ok(self.mcap.into_inner().into_inner())
    }
}

fn metadata<const N: usize>(name: &str, facts: [(&str, String); N]) -> Metadata {
    Metadata { name: name.to_owned(), metadata: facts.map(|(key, value)| (key.to_owned(), value)).into() }
}

fn unsigned(nanos: i64) -> u64 {
    u64::try_from(nanos).unwrap_or(0)
}

fn into_io(error: McapError) -> io::Error {
    match error {
        McapError::Io(error) => error,
        other => io::Error::other(other),
    }
}
