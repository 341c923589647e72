mod sessions;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use proptest::prelude::*;

use super::file::Pending;
use super::reader::parse;
use super::writer::{Lost, Put};
use super::{LogWriter, Logged, LoggedSession, Part, Topic, is_log};
use crate::acquire::description::{self, StreamId};
use crate::acquire::wire::{Content, Encoding, Packet, Shape};
use crate::keys::CageName;
use crate::poses::{Frame, Keypoint};
use crate::stream::{Identities, StreamDescription};
use crate::time::DelayTicks;

const START: i64 = 1_700_000_000_000_000_000;
const FRAME: i64 = 33_333_333;

fn stream(clock: &str, individuals: &str) -> StreamDescription {
    let json = format!(
        r#"{{"skeleton":{{"name":"m","keypoints":["nose","neck","tail"],"front":"nose","centre":"neck","rear":"tail",
        "edges":[]}},"individuals":{individuals},"rate_hz":30.0,"body_length_px":80.0,"clock":"{clock}","origin":"live",
        "identities":"unordered"}}"#
    );
    serde_json::from_str(&json).unwrap()
}

fn pair() -> StreamDescription {
    stream("unix", r#"["a","b"]"#)
}

fn frame(number: u64) -> Frame {
    let point = |index: u64| match (number + index) % 7 {
        0 => Keypoint::MISSING,
        _ => Keypoint { x: number as f32 + 0.5, y: index as f32 + 1.0, confidence: 0.5 },
    };
    let capture_nanos = Some(START + number as i64 * FRAME - 5_000_000);
    Frame { number, capture_nanos, keypoints: (0..6).map(point).collect() }
}

fn cage(name: &str) -> CageName {
    CageName::new("rig", name).unwrap()
}

/// A packet of a cage at a time after the start.
fn at(name: &str, nanos: i64, packet: &Packet, encoding: Encoding) -> Logged {
    let topic = Topic { cage: cage(name), part: Part::Pose };
    Logged { topic, encoding, payload: packet.encode(encoding), arrived_nanos: START + nanos }
}

fn packet(run: Option<u32>, stream: Option<StreamId>, number: u64) -> Packet {
    let content = Content::Frame { shape: Shape { individuals: 2, keypoints: 3 }, frame: frame(number) };
    Packet { stream, run, lossless: false, content }
}

fn end(run: Option<u32>) -> Packet {
    Packet { stream: None, run, lossless: false, content: Content::End { frames: 9 } }
}

fn described(name: &str, nanos: i64, stream: &StreamDescription) -> Logged {
    let topic = Topic { cage: cage(name), part: Part::Stream };
    Logged { topic, encoding: Encoding::Json, payload: description::encode(stream), arrived_nanos: START + nanos }
}

fn said(name: &str, part: Part, nanos: i64, json: &str) -> Logged {
    let topic = Topic { cage: cage(name), part };
    Logged { topic, encoding: Encoding::Json, payload: json.as_bytes().to_vec(), arrived_nanos: START + nanos }
}

fn log(messages: &[Logged]) -> Vec<u8> {
    let mut writer = LogWriter::new(Vec::new(), "now").unwrap();
    for (index, message) in messages.iter().enumerate() {
        assert!(matches!(writer.put(message).unwrap(), Put::Frame | Put::Written), "{message:?}");
        if index % 10 == 9 {
            writer.flush().unwrap();
        }
    }
    writer.finish(0, 0).unwrap()
}

/// Frames of a cage in a row, as a good camera gives them.
fn row(name: &str, run: Option<u32>, numbers: std::ops::Range<u64>, from_nanos: i64) -> Vec<Logged> {
    let first = numbers.start;
    let nanos = |number: u64| from_nanos + (number - first) as i64 * FRAME;
    numbers.map(|number| at(name, nanos(number), &packet(run, None, number), Encoding::Binary)).collect()
}

fn read(bytes: &[u8]) -> Vec<LoggedSession> {
    parse(bytes, Path::new("logs/day.mcap"), 0.1).unwrap()
}

fn fails(bytes: &[u8]) -> String {
    parse(bytes, Path::new("logs/day.mcap"), 0.1).unwrap_err().to_string()
}

fn numbers(session: &LoggedSession) -> Vec<u64> {
    session.recording.frames.iter().map(|frame| frame.number).collect()
}

/// Two cages, one of which publishes JSON, with events and a status between.
fn day() -> Vec<Logged> {
    let mut messages = vec![described("one", 0, &pair()), described("two", 0, &stream("camera", r#"["a","b"]"#))];
    for number in 0..40 {
        let nanos = number as i64 * FRAME;
        messages.push(at("one", nanos, &packet(Some(7), None, number), Encoding::Binary));
        messages.push(at("two", nanos + 1, &packet(None, None, 100 + number), Encoding::Json));
        if number % 20 == 10 {
            messages.push(said("one", Part::Event(DelayTicks(15)), nanos + 2, r#"{"version":1}"#));
            messages.push(said("one", Part::Status, nanos + 3, r#"{"version":1,"state":"running"}"#));
        }
    }
    messages
}

#[test]
fn a_log_gives_back_the_frames_and_their_arrivals() {
    let sessions = read(&log(&day()));
    assert_eq!(sessions.iter().map(|session| session.cage.clone()).collect::<Vec<_>>(), [cage("one"), cage("two")]);
    for (session, (first, clock)) in sessions.iter().zip([(0, "unix"), (100, "camera")]) {
        let recording = &session.recording;
        assert_eq!(recording.frames, (first..first + 40).map(frame).collect::<Vec<_>>());
        assert_eq!(recording.name, format!("rig_{}", session.cage.cage()));
        assert_eq!((recording.individuals.as_slice(), recording.keypoints.len()), (&["a".into(), "b".into()][..], 3));
        assert_eq!((recording.stated.rate_hz, recording.stated.body_length_px), (Some(30.0), Some(80.0)));
        assert_eq!(recording.repairs, Vec::<String>::new());
        assert_eq!((session.stream.clock(), session.stream.identities()), (Some(clock), Identities::Unordered));
        let expected = (0..40).map(|index| (START + index as i64 * FRAME + i64::from(first > 0), index));
        assert!(session.arrivals.iter().map(|arrival| (arrival.nanos, arrival.frame)).eq(expected));
    }
    assert_eq!((sessions[0].run, sessions[1].run), (Some(7), None));
}

#[test]
fn others_read_the_log_as_documented() {
    let bytes = log(&day());
    let messages: Vec<_> = mcap::read::MessageStream::new(&bytes).unwrap().map(Result::unwrap).collect();
    assert_eq!(messages.len(), day().len());
    for (message, logged) in messages.iter().zip(day()) {
        assert_eq!((&message.channel.topic, &*message.data), (&logged.topic.key(), logged.payload.as_slice()));
        assert_eq!(message.log_time, logged.arrived_nanos as u64);
        let (encoding, named) = match logged.encoding {
            Encoding::Binary => ("application/x-vibrissa-pose", "application/x-vibrissa-pose"),
            Encoding::Json => ("json", "application/json"),
        };
        assert_eq!(message.channel.message_encoding, encoding);
        let facts = [("rig", "rig"), ("cage", logged.topic.cage.cage()), ("encoding", named)];
        let facts: BTreeMap<_, _> = facts.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(message.channel.metadata, facts);
    }
    let of = |topic: &str| messages.iter().filter(|message| message.channel.topic == topic).collect::<Vec<_>>();
    let (one, two) = (of("vibrissa/rig/one/pose"), of("vibrissa/rig/two/pose"));
    assert_eq!((one[3].sequence, one[3].publish_time), (3, (START + 3 * FRAME - 5_000_000) as u64));
    assert_eq!(
        (two[3].sequence, two[3].publish_time),
        (103, two[3].log_time),
        "another clock's capture is no time here"
    );
    assert_eq!(of("vibrissa/rig/one/event/15").iter().map(|event| event.sequence).collect::<Vec<_>>(), [0, 1]);
    let summary = mcap::Summary::read(&bytes).unwrap().unwrap();
    assert_eq!(summary.stats.as_ref().unwrap().message_count, day().len() as u64);
    assert_eq!(summary.chunk_indexes.len(), day().len().div_ceil(10));
    let named: Vec<_> = summary.metadata_indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(named, ["vibrissa", "vibrissa.end"]);
}

#[test]
fn whatever_is_cut_off_what_was_flushed_before_is_read() {
    let sink = Pending::default();
    let mut writer = LogWriter::new(sink.clone(), "now").unwrap();
    let (mut flushed, mut frames) = (Vec::new(), 0);
    for (index, message) in day().into_iter().take(40).enumerate() {
        writer.put(&message).unwrap();
        frames += usize::from(message.topic.part == Part::Pose);
        if index % 10 == 9 {
            writer.flush().unwrap();
            flushed.push((sink.len(), frames));
        }
    }
    writer.finish(0, 0).unwrap();
    let bytes = sink.take();
    let mut last = 0;
    for cut in 0..=bytes.len() {
        let read = parse(&bytes[..cut], Path::new("x.mcap"), 0.1);
        let count = read.as_ref().map_or(0, |read| read.iter().map(|session| session.arrivals.len()).sum());
        let safe = flushed.iter().rev().find(|(len, _)| *len <= cut).map_or(0, |(_, frames)| *frames);
        assert!(
            count >= safe && count >= last,
            "{count} frames of {cut} bytes, {safe} are safe, {last} of one byte less"
        );
        last = count;
        let closed = read.is_ok_and(|read| read[0].recording.repairs.is_empty());
        assert!(!closed || cut > flushed.last().unwrap().0, "a file of {cut} bytes passes for a closed one");
    }
    assert_eq!((last, flushed.len()), (frames, 4));
}

#[test]
fn what_is_no_log_is_refused_with_what_it_is() {
    let wanted = "logs/day.mcap: expected frames of described cages, on topics vibrissa/RIG/CAGE/pose, got ";
    for (bytes, expected) in [
        (Vec::new(), "logs/day.mcap: expected an MCAP file, got an empty file".to_owned()),
        (
            b"scorer,a,b".to_vec(),
            "logs/day.mcap: expected an MCAP file, got one that begins with \"scorer,a\"".to_owned(),
        ),
        (foreign_file(), format!("{wanted}the topics \"/tf\" (\"ros1\"), \"vibrissa/rig/one/pose\" (\"cdr\")")),
        (log(&[]), format!("{wanted}none")),
        (log(&row("one", None, 0..3, 0)), format!("{wanted}rig/one: 3 packets left out: undescribed")),
        (
            log(&[vec![described("one", 0, &stream("unix", r#"["a","b","c"]"#))], row("one", None, 0..3, 0)].concat()),
            format!("{wanted}rig/one: 3 packets left out: point-count"),
        ),
        (
            compressed(),
            "logs/day.mcap: expected chunks that are not compressed (the tool of MCAP turns them into such: mcap \
             decompress), got chunks compressed with \"zstd\""
                .to_owned(),
        ),
    ] {
        assert_eq!(fails(&bytes), expected);
    }
}

fn foreign_file() -> Vec<u8> {
    let options = mcap::WriteOptions::new().compression(None).disable_seeking(true);
    let mut writer = options.create(mcap::write::NoSeek::new(Vec::new())).unwrap();
    for (topic, encoding) in [("/tf", "ros1"), ("vibrissa/rig/one/pose", "cdr")] {
        let channel_id = writer.add_channel(0, topic, encoding, &BTreeMap::new()).unwrap();
        let header = mcap::records::MessageHeader { channel_id, sequence: 0, log_time: 0, publish_time: 0 };
        writer.write_to_known_channel(&header, b"x").unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().into_inner()
}

/// The start of a file with a chunk of another kind.
fn compressed() -> Vec<u8> {
    let mut chunk = vec![0; 28];
    chunk.extend_from_slice(&[4, 0, 0, 0]);
    chunk.extend_from_slice(b"zstd\x01\0\0\0\0\0\0\0x");
    let mut bytes = super::LOG_MAGIC.to_vec();
    bytes.push(6);
    bytes.extend_from_slice(&(chunk.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&chunk);
    bytes
}

#[test]
fn a_chunk_that_does_not_match_its_checksum_is_left_out_alone() {
    let bytes = log(&[vec![described("one", 0, &pair())], row("one", None, 0..40, 0)].concat());
    let needle = 25.5_f32.to_le_bytes();
    let at = bytes.windows(4).rposition(|window| window == needle).unwrap();
    let mut damaged = bytes.clone();
    damaged[at] ^= 1;
    let session = &read(&damaged)[0];
    assert_eq!(numbers(session), (0..19).chain(29..40).collect::<Vec<_>>());
    assert!(session.recording.repairs[0].contains("a chunk that does not match its checksum"), "{session:?}");
    assert_eq!(read(&bytes)[0].recording.frames.len(), 40);
}

#[test]
fn a_claimed_length_costs_nothing() {
    let begun = log(&[]);
    for (opcode, len) in [(4, u64::MAX), (5, 1 << 40), (6, u64::MAX), (6, 60 << 20), (9, u64::MAX - 1), (200, 1 << 63)]
    {
        let mut bytes = begun[..8].to_vec();
        bytes.push(opcode);
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&[0xff; 60]);
        let started = Instant::now();
        let error = fails(&bytes);
        assert!(error.contains("got from byte 8 on: torn") || error.contains("whole header"), "{error}");
        assert!(started.elapsed().as_millis() < 100);
    }
}

#[test]
fn what_is_garbled_is_kept_as_it_came_and_left_out_when_read() {
    let mut writer = LogWriter::new(Vec::new(), "now").unwrap();
    writer.put(&described("one", 0, &pair())).unwrap();
    assert_eq!(writer.put(&said("one", Part::Stream, 1, "{}")).unwrap(), Put::Garbled);
    for frame in row("one", None, 0..3, 0) {
        assert_eq!(writer.put(&frame).unwrap(), Put::Frame);
    }
    assert_eq!(writer.put(&said("one", Part::Pose, 1, "no pose")).unwrap(), Put::Garbled);
    let lost = Lost::from([("rig/one".to_owned(), BTreeMap::from([("backlog", 3)]))]);
    writer.note_lost(&lost, START).unwrap();
    assert_eq!(
        writer.descriptions().map(|logged| &logged.payload).collect::<Vec<_>>(),
        [&description::encode(&pair())]
    );
    let bytes = writer.finish(3, 0).unwrap();
    let session = &read(&bytes)[0];
    assert_eq!(numbers(session), [0, 1, 2]);
    let expected = ["rig/one: 1 packets left out: description", "rig/one: 1 packets left out: json"];
    assert_eq!(session.recording.repairs, expected);
    let messages: Vec<_> = mcap::read::MessageStream::new(&bytes).unwrap().map(Result::unwrap).collect();
    assert_eq!(&*messages.last().unwrap().data, br#"{"version":1,"lost":{"rig/one":{"backlog":3}}}"#);
    assert!(messages.iter().any(|message| *message.data == *b"no pose"));
}

#[test]
fn topics_are_the_keys_of_cages_and_no_others() {
    for key in ["vibrissa/r/c/pose", "vibrissa/r/c/stream", "vibrissa/r/c/status", "vibrissa/r/c/event/60"] {
        assert_eq!(Topic::of_key(key).unwrap().key(), key);
    }
    let others =
        ["vibrissa/r/c/event/+1", "vibrissa/r/c/event/01", "vibrissa/r/c/event/513", "vibrissa/r/c/score", "pose"];
    assert!(others.iter().all(|key| Topic::of_key(key).is_none()));
}

#[test]
fn a_log_is_known_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, expected) in
        [("a", log(&day()), true), ("b.mcap", b"scorer".to_vec(), false), ("c", Vec::new(), false)]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(is_log(&path).unwrap(), expected);
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&[&super::LOG_MAGIC[..], &bytes].concat()[..], Path::new("x.mcap"), 0.1);
    }

    #[test]
    fn damaged_logs_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = log(&day());
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            for session in parse(bytes, Path::new("x.mcap"), 0.1).unwrap_or_default() {
                let frames = &session.recording.frames;
                prop_assert!(frames.windows(2).all(|pair| pair[0].number < pair[1].number));
                prop_assert!(session.arrivals.iter().all(|arrival| arrival.frame < frames.len()));
            }
        }
    }
}
