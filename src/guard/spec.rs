//! What an output is: its device, how to talk to it, and who ends a pulse if all else dies.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Most outputs of one guard.
pub const OUTPUTS_MAX: usize = 16;
/// Longest name of an output.
pub const NAME_BYTES_MAX: usize = 64;

const CHANNELS: RangeInclusive<u64> = 1..=8;
const BAUDS: RangeInclusive<u64> = 300..=4_000_000;
const ON_TIMES_MILLIS: RangeInclusive<u64> = 1..=600_000;
const REPLY_MILLIS: RangeInclusive<u64> = 10..=1_000;
const WORD_BYTES: RangeInclusive<u64> = 1..=16;
const BAUD_DEFAULT: u64 = 115_200;
const REPLY_MILLIS_DEFAULT: u64 = 100;

/// An output as its table in a configuration says it, checked.
///
/// ```toml
/// [outputs.laser]
/// kind = "serial"
/// device = "/dev/ttyACM0"
/// protocol = "vibrissa"       # or "bytes"
/// bounded_by = "device"       # or "guard"; required
/// channel = 1                 # 1 to 8; protocol "vibrissa" only
/// baud = 115200               # the default
/// on_time_max_millis = 5000   # most on-time of one stimulus: 1 to 600000
/// reply_millis_max = 100      # the default; a device that answers later has failed
/// # protocol "bytes" only: 1 to 16 bytes each, a character up to \u00ff is a byte
/// # on = "1"
/// # off = "0"
/// # reply = "k"               # what the device answers to each command, if it does
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawOutputSpec", into = "RawOutputSpec")]
pub struct OutputSpec {
    pub device: PathBuf,
    pub baud: u32,
    pub protocol: Protocol,
    pub bounded_by: BoundedBy,
    pub on_time_max_millis: u32,
    pub reply_millis_max: u32,
}

/// How a device is talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Lines that the device says back; it times pulses itself (`docs/vibrissa_output.ino`).
    Vibrissa { channel: u8 },
    /// Plain bytes for devices that exist already. Without a reply nothing shows that the device obeyed.
    Bytes { on: Vec<u8>, off: Vec<u8>, reply: Option<Vec<u8>> },
}

/// Who ends a pulse if all else dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundedBy {
    /// The device has a watchdog, and says so in its handshake.
    Device,
    /// Only the guard: a guard that dies with the light on leaves it on.
    Guard,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("{key}: expected {min} to {max}, got {got}")]
    Range { key: &'static str, min: u64, max: u64, got: u64 },
    #[error("{key}: expected with protocol {protocol:?}, got none")]
    Missing { key: &'static str, protocol: &'static str },
    #[error("{key}: expected none with protocol {protocol:?}, got {got}")]
    Foreign { key: &'static str, protocol: &'static str, got: String },
    #[error("{key}: expected characters up to \\u00ff, which are one byte each, got {got:?}")]
    NotBytes { key: &'static str, got: String },
    #[error("off: expected other bytes than those of on, got {got:?}")]
    OnIsOff { got: String },
    #[error(
        "bounded_by: expected \"guard\" with protocol \"bytes\", whose devices cannot state a watchdog, got \"device\""
    )]
    Unbounded,
    #[error("device: expected an absolute path, got {got:?}")]
    Relative { got: PathBuf },
    #[error("outputs: expected 1 to {OUTPUTS_MAX}, got {got}")]
    Count { got: usize },
    #[error("outputs: expected names of 1 to {NAME_BYTES_MAX} letters, digits, '-' and '_', got {got:?}")]
    Name { got: String },
    #[error("outputs {first:?} and {second:?} share {device}: expected {expected}")]
    Shared { first: String, second: String, device: PathBuf, expected: &'static str },
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Serial,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ProtocolWord {
    Vibrissa,
    Bytes,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutputSpec {
    kind: Kind,
    device: PathBuf,
    protocol: ProtocolWord,
    bounded_by: BoundedBy,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<u64>,
    #[serde(default = "baud_default")]
    baud: u64,
    on_time_max_millis: u64,
    #[serde(default = "reply_millis_default")]
    reply_millis_max: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    off: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
}

fn baud_default() -> u64 {
    BAUD_DEFAULT
}

fn reply_millis_default() -> u64 {
    REPLY_MILLIS_DEFAULT
}

impl TryFrom<RawOutputSpec> for OutputSpec {
    type Error = SpecError;

    fn try_from(raw: RawOutputSpec) -> Result<Self, SpecError> {
        if !raw.device.is_absolute() {
            return Err(SpecError::Relative { got: raw.device });
        }
        let protocol = match raw.protocol {
            ProtocolWord::Vibrissa => raw.vibrissa()?,
            ProtocolWord::Bytes if raw.bounded_by == BoundedBy::Device => return Err(SpecError::Unbounded),
            ProtocolWord::Bytes => raw.bytes()?,
        };
        Ok(Self {
            baud: within("baud", &BAUDS, raw.baud)? as u32,
            protocol,
            bounded_by: raw.bounded_by,
            on_time_max_millis: within("on_time_max_millis", &ON_TIMES_MILLIS, raw.on_time_max_millis)? as u32,
            reply_millis_max: within("reply_millis_max", &REPLY_MILLIS, raw.reply_millis_max)? as u32,
            device: raw.device,
        })
    }
}

impl RawOutputSpec {
    fn vibrissa(&self) -> Result<Protocol, SpecError> {
        for (key, word) in [("on", &self.on), ("off", &self.off), ("reply", &self.reply)] {
            if let Some(word) = word {
                return Err(SpecError::Foreign { key, protocol: "vibrissa", got: format!("{word:?}") });
            }
        }
        let channel = self.channel.ok_or(SpecError::Missing { key: "channel", protocol: "vibrissa" })?;
        Ok(Protocol::Vibrissa { channel: within("channel", &CHANNELS, channel)? as u8 })
    }

    fn bytes(&self) -> Result<Protocol, SpecError> {
        if let Some(channel) = self.channel {
            return Err(SpecError::Foreign { key: "channel", protocol: "bytes", got: channel.to_string() });
        }
        let word = |key, word: &Option<String>| word.as_deref().map(|word| bytes_of(key, word)).transpose();
        let missing = |key| SpecError::Missing { key, protocol: "bytes" };
        let on = word("on", &self.on)?.ok_or_else(|| missing("on"))?;
        let off = word("off", &self.off)?.ok_or_else(|| missing("off"))?;
        if on == off {
            return Err(SpecError::OnIsOff { got: text_of(&off) });
        }
        Ok(Protocol::Bytes { on, off, reply: word("reply", &self.reply)? })
    }
}

impl From<OutputSpec> for RawOutputSpec {
    fn from(spec: OutputSpec) -> Self {
        let (protocol, channel, on, off, reply) = match spec.protocol {
            Protocol::Vibrissa { channel } => (ProtocolWord::Vibrissa, Some(channel.into()), None, None, None),
            Protocol::Bytes { on, off, reply } => {
                (ProtocolWord::Bytes, None, Some(text_of(&on)), Some(text_of(&off)), reply.as_deref().map(text_of))
            }
        };
        Self {
            kind: Kind::Serial,
            device: spec.device,
            protocol,
            bounded_by: spec.bounded_by,
            channel,
            baud: spec.baud.into(),
            on_time_max_millis: spec.on_time_max_millis.into(),
            reply_millis_max: spec.reply_millis_max.into(),
            on,
            off,
            reply,
        }
    }
}

fn within(key: &'static str, bounds: &RangeInclusive<u64>, got: u64) -> Result<u64, SpecError> {
    let (min, max) = (*bounds.start(), *bounds.end());
    if bounds.contains(&got) { Ok(got) } else { Err(SpecError::Range { key, min, max, got }) }
}

fn bytes_of(key: &'static str, word: &str) -> Result<Vec<u8>, SpecError> {
    let bytes: Option<Vec<u8>> = word.chars().map(|letter| u8::try_from(letter).ok()).collect();
    let bytes = bytes.ok_or_else(|| SpecError::NotBytes { key, got: word.to_owned() })?;
    within(key, &WORD_BYTES, bytes.len() as u64)?;
    Ok(bytes)
}

/// Bytes as the text that stands for them in a configuration.
fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Checks what one output cannot know: how many there are, their names, and devices that several share.
pub fn check_outputs(outputs: &BTreeMap<String, OutputSpec>) -> Result<(), SpecError> {
    if outputs.is_empty() || outputs.len() > OUTPUTS_MAX {
        return Err(SpecError::Count { got: outputs.len() });
    }
    let mut seen: BTreeMap<&Path, Vec<(&String, &OutputSpec)>> = BTreeMap::new();
    for (name, spec) in outputs {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !plain || name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(SpecError::Name { got: name.clone() });
        }
        let sharing = seen.entry(&spec.device).or_default();
        for (first, other) in &*sharing {
            if let Some(expected) = conflict(other, spec) {
                let (first, second) = ((*first).clone(), name.clone());
                return Err(SpecError::Shared { first, second, device: spec.device.clone(), expected });
            }
        }
        sharing.push((name, spec));
    }
    Ok(())
}

/// Why two outputs cannot share a device.
fn conflict(one: &OutputSpec, other: &OutputSpec) -> Option<&'static str> {
    match (&one.protocol, &other.protocol) {
        (Protocol::Vibrissa { channel: a }, Protocol::Vibrissa { channel: b }) if a == b => Some("different channels"),
        (Protocol::Vibrissa { .. }, Protocol::Vibrissa { .. }) if one.baud != other.baud => Some("the same baud"),
        (Protocol::Vibrissa { .. }, Protocol::Vibrissa { .. }) if one.reply_millis_max != other.reply_millis_max => {
            Some("the same reply_millis_max")
        }
        (Protocol::Vibrissa { .. }, Protocol::Vibrissa { .. }) => None,
        _ => Some("protocol \"vibrissa\" for both"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIBRISSA: &str = "kind = 'serial'\ndevice = '/dev/ttyACM0'\nprotocol = 'vibrissa'\nbounded_by = 'device'\n\
                            channel = 1\non_time_max_millis = 5000\n";
    const BYTES: &str = "kind = 'serial'\ndevice = '/dev/ttyACM1'\nprotocol = 'bytes'\nbounded_by = 'guard'\n\
                         on_time_max_millis = 5000\non = '1'\noff = \"\\u00ff\"\nreply = 'k'\n";

    fn parsed(text: &str) -> Result<OutputSpec, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_is_read_and_written_back() {
        for text in [VIBRISSA, BYTES] {
            let spec = parsed(text).unwrap();
            assert_eq!((spec.baud, spec.reply_millis_max), (115_200, 100));
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<OutputSpec>(&json).unwrap(), spec);
        }
        let Protocol::Bytes { off, .. } = parsed(BYTES).unwrap().protocol else { panic!("bytes") };
        assert_eq!(off, [0xff]);
    }

    #[test]
    fn what_nobody_bounds_or_understands_is_refused_by_name() {
        let cases = [
            (VIBRISSA.replace("bounded_by = 'device'\n", ""), "bounded_by"),
            (VIBRISSA.replace("'device'\nch", "'nobody'\nch"), "nobody"),
            (BYTES.replace("'guard'", "'device'"), "cannot state a watchdog"),
            (VIBRISSA.replace("channel = 1", "channel = 9"), "channel: expected 1 to 8, got 9"),
            (VIBRISSA.replace("channel = 1", ""), "channel: expected with protocol \"vibrissa\", got none"),
            (VIBRISSA.replace("5000", "0"), "on_time_max_millis: expected 1 to 600000, got 0"),
            (VIBRISSA.replace("5000", "600001"), "got 600001"),
            (VIBRISSA.replace("on_time_max_millis = 5000", ""), "on_time_max_millis"),
            (format!("{VIBRISSA}baud = 1\n"), "baud: expected 300 to 4000000, got 1"),
            (format!("{VIBRISSA}reply_millis_max = 5\n"), "reply_millis_max: expected 10 to 1000, got 5"),
            (format!("{VIBRISSA}on = '1'\n"), "on: expected none with protocol \"vibrissa\""),
            (format!("{VIBRISSA}watts = 1\n"), "watts"),
            (format!("{BYTES}channel = 1\n"), "channel: expected none with protocol \"bytes\", got 1"),
            (BYTES.replace("\\u00ff", "1"), "off: expected other bytes"),
            (BYTES.replace("'k'", "''"), "reply: expected 1 to 16, got 0"),
            (BYTES.replace("'k'", "'κ'"), "reply: expected characters up to"),
            (BYTES.replace("on = '1'\n", ""), "on: expected with protocol \"bytes\""),
            (BYTES.replace("/dev/ttyACM1", "ttyACM1"), "device: expected an absolute path"),
            (BYTES.replace("'serial'", "'parallel'"), "parallel"),
        ];
        for (text, expected) in cases {
            let error = parsed(&text).unwrap_err();
            assert!(error.contains(expected), "{expected:?} is not in {error}");
        }
    }

    #[test]
    fn outputs_share_a_device_only_by_channel() {
        let laser = parsed(VIBRISSA).unwrap();
        let check = |second: OutputSpec| {
            check_outputs(&[("laser".to_owned(), laser.clone()), ("ttl".to_owned(), second)].into())
        };
        let other = OutputSpec { protocol: Protocol::Vibrissa { channel: 2 }, ..laser.clone() };
        check(other.clone()).unwrap();
        check(parsed(BYTES).unwrap()).unwrap();
        assert!(check(laser.clone()).unwrap_err().to_string().contains("different channels"));
        assert!(check(OutputSpec { baud: 9600, ..other.clone() }).unwrap_err().to_string().contains("same baud"));
        let bytes = OutputSpec { device: laser.device.clone(), ..parsed(BYTES).unwrap() };
        assert!(check(bytes).unwrap_err().to_string().contains("for both"));
        assert!(matches!(check_outputs(&BTreeMap::new()), Err(SpecError::Count { got: 0 })));
        assert!(matches!(check_outputs(&[("a b".to_owned(), laser.clone())].into()), Err(SpecError::Name { .. })));
    }
}
