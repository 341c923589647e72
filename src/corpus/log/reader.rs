//! A log back into recordings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::records::{Ending, Record, Refused, walk};
use super::sessions::{CageLog, LoggedSession};
use super::{MCAP_JSON, Part, RECORDER_TOPIC, Topic};
use crate::acquire::wire::{ENCODING_BINARY, Encoding, Packet};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::name_of;
use crate::keys::{CAGES_MAX, CageName};

/// With what an MCAP file begins.
pub const LOG_MAGIC: [u8; 8] = *b"\x89MCAP0\r\n";

/// Topics of a foreign file that an error names.
const NAMED_MAX: usize = 4;

/// Whether a file begins as an MCAP file does, whatever it is called.
///
/// # Errors
/// A file that cannot be read.
pub fn is_log(file: &Path) -> Result<bool, CorpusError> {
    let failed = |error| CorpusError::Io { file: file.to_path_buf(), error };
    let mut start = Vec::new();
    File::open(file).map_err(failed)?.take(LOG_MAGIC.len() as u64).read_to_end(&mut start).map_err(failed)?;
    Ok(start == LOG_MAGIC)
}

/// The recordings in a log, by cage and by when they began: one for each time that a rig began to publish a cage.
///
/// Points of a confidence under `confidence_min` are missing. What was repaired or left out is said with each recording;
/// what concerns the file as a whole (a torn end, damaged chunks) is said with all of them.
///
/// # Errors
/// A file that cannot be read, is no MCAP file, is compressed, or holds no frame of a described cage.
pub fn read(file: &Path, confidence_min: f32) -> Result<Vec<LoggedSession>, CorpusError> {
    let input = File::open(file).map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
    parse(input, file, confidence_min)
}

/// As [`read`], from bytes; `file` is what errors are named after.
///
/// # Errors
/// See [`read`].
pub fn parse(input: impl Read, file: &Path, confidence_min: f32) -> Result<Vec<LoggedSession>, CorpusError> {
    let mut heard = Heard::new(confidence_min);
    let ending = walk(input, |record| heard.record(&record)).map_err(|refused| refused.told(file))?;
    heard.sessions(file, &ending)
}

impl Refused {
    fn told(self, file: &Path) -> CorpusError {
        let place = Place::file(file);
        match self {
            Self::Io(error) => CorpusError::Io { file: file.to_path_buf(), error },
            Self::Magic(start) if start.is_empty() => place.fault("an MCAP file", "an empty file"),
            Self::Magic(start) => place
                .fault("an MCAP file", format!("one that begins with {}", quoted(&String::from_utf8_lossy(&start)))),
            Self::Compressed(how) => place.fault(
                "chunks that are not compressed (the tool of MCAP turns them into such: mcap decompress)",
                format!("chunks compressed with {}", quoted(&how)),
            ),
        }
    }
}

/// What the records of a file say.
struct Heard {
    confidence_min: f32,
    /// By id: what a channel carries; `None` where that is nothing of a cage.
    channels: HashMap<u16, Option<(Topic, Encoding)>>,
    foreign: BTreeSet<String>,
    cages: BTreeMap<CageName, CageLog>,
    cages_left_out: u64,
}

impl Heard {
    fn new(confidence_min: f32) -> Self {
        let (channels, foreign) = (HashMap::new(), BTreeSet::new());
        Self { confidence_min, channels, foreign, cages: BTreeMap::new(), cages_left_out: 0 }
    }

    fn record(&mut self, record: &Record) {
        match *record {
            Record::Channel { id, topic, encoding } => {
                let channel = channel(topic, encoding);
                if channel.is_none() && topic != RECORDER_TOPIC && self.foreign.len() <= NAMED_MAX {
                    self.foreign.insert(format!("{} ({})", quoted(topic), quoted(encoding)));
                }
                self.channels.insert(id, channel);
            }
            Record::Message { channel, log_time, payload } => {
                let Some(Some((topic, encoding))) = self.channels.get(&channel) else { return };
                if !matches!(topic.part, Part::Pose | Part::Stream) {
                    return;
                }
                if self.cages.len() >= CAGES_MAX && !self.cages.contains_key(&topic.cage) {
                    self.cages_left_out += 1;
                    return;
                }
                let cage = self.cages.entry(topic.cage.clone()).or_default();
                if topic.part == Part::Stream {
                    return cage.describe(payload);
                }
                match Packet::decode(*encoding, payload, self.confidence_min) {
                    Ok(packet) => cage.hear(packet, i64::try_from(log_time).unwrap_or(i64::MAX)),
                    Err(error) => cage.leave_out(error.cause()),
                }
            }
        }
    }

    fn sessions(self, file: &Path, ending: &Ending) -> Result<Vec<LoggedSession>, CorpusError> {
        let (mut names, mut sessions, mut barren) = (BTreeSet::new(), Vec::new(), Vec::new());
        for (name, cage) in self.cages {
            let (found, left_out) = cage.sessions(&name, file, &mut names);
            if found.is_empty() {
                barren.extend(left_out.iter().map(|(why, count)| format!("{name}: {count} packets left out: {why}")));
            }
            sessions.extend(found);
        }
        if sessions.is_empty() {
            let mut got = barren;
            if self.channels.values().all(Option::is_none) && !self.foreign.is_empty() {
                got.push(format!("the topics {}", self.foreign.into_iter().collect::<Vec<_>>().join(", ")));
            }
            got.extend(ending.damage.iter().cloned());
            let got = if got.is_empty() { "none".to_owned() } else { got.join("; ") };
            return Err(Place::file(file).fault("frames of described cages, on topics vibrissa/RIG/CAGE/pose", got));
        }
        let mut repairs = [ending.damage.as_slice(), &barren].concat();
        if !ending.closed {
            repairs.push("never closed: the recorder was killed, or records still".to_owned());
        }
        if self.cages_left_out > 0 {
            repairs.push(format!("{} messages of more than {CAGES_MAX} cages were left out", self.cages_left_out));
        }
        let log = name_of(file);
        for session in &mut sessions {
            session.recording.repairs.extend(repairs.iter().map(|repair| format!("{log}: {repair}")));
        }
        Ok(sessions)
    }
}

/// What a channel carries, where that is something of a cage in an encoding that its topic may have.
fn channel(topic: &str, encoding: &str) -> Option<(Topic, Encoding)> {
    let topic = Topic::of_key(topic)?;
    match encoding {
        MCAP_JSON => Some((topic, Encoding::Json)),
        ENCODING_BINARY if topic.part == Part::Pose => Some((topic, Encoding::Binary)),
        _ => None,
    }
}
