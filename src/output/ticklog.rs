//! The last ticks of a cage in a file, so that a detector that was killed and started again knows them.
//!
//! A ring of [`SLOTS`] records of fixed size behind a head, written in place: it never grows. A record survives the
//! death of the process as soon as it is written; each has a checksum, so that a torn one ends what is known instead of
//! spoiling it. It is a memory aid and no evidence: where it cannot be written or read, a cage begins with a short
//! history and says so.
//!
//! A cage that was closed in order because its detector ended has its file renamed, so that whoever goes on knows that
//! every delay has spoken about all of its ticks. A cage that ended otherwise leaves no file.
//!
//! # Layout
//! Little endian. Head: `VBT1`, points a tick (u32), stream id (u64), run (u64, all ones without one), base (u64).
//! Record: tick (u64), frame (u64), the points (3 × f32 each, in body lengths), the first 8 bytes of the blake3 hash of
//! the head and what comes before in the record. The record of tick t lies in slot t mod [`SLOTS`].

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::acquire::description::StreamId;
use crate::buffer::ring::TickRing;
use crate::buffer::ticks::Anchor;
use crate::core::Past;
use crate::poses::Keypoint;
use crate::skeleton::{INDIVIDUALS_MAX, KEYPOINTS_MAX};
use crate::time::WINDOW_TICKS;

/// Twice a window: while one is being overwritten the one before is whole.
pub const SLOTS: u64 = 2 * WINDOW_TICKS as u64;

const OPEN: &str = "ticks";
const CLOSED: &str = "closed";

const HEAD_BYTES: usize = 32;
const POINT_BYTES: usize = 12;
const SUM_BYTES: usize = 8;

/// Whose ticks a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub stream: StreamId,
    pub run: Option<u32>,
    /// Number of the frame that is tick 0.
    pub base: u64,
}

/// A tick on its way into the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub life: Life,
    pub tick: u64,
    /// The newest frame that it was made of.
    pub frame: u64,
    /// I × K, in body lengths.
    pub points: Vec<Keypoint>,
    /// Its cage goes on where the file ends.
    pub resumed: bool,
}

/// A file that was closed longer ago than this is of no use: a window has passed, and then some.
pub const AGE_SECS_MAX: u64 = 30;

/// The file of one cage, open for writing.
#[derive(Debug)]
pub struct TickLog {
    file: File,
    head: Option<[u8; HEAD_BYTES]>,
    newest: u64,
    record: Vec<u8>,
}

impl TickLog {
    /// Where the ticks of a cage lie below `folder`. Names hold no `+`.
    pub fn path(folder: &Path, rig: &str, cage: &str) -> PathBuf {
        folder.join(format!("{rig}+{cage}.{OPEN}"))
    }

    pub fn open(path: &Path) -> io::Result<Self> {
        let closed = path.with_extension(CLOSED);
        if closed.exists() {
            std::fs::rename(closed, path)?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file, head: None, newest: 0, record: Vec::new() })
    }

    /// Says that every delay has spoken about all ticks of a file.
    pub fn close(path: &Path) -> io::Result<()> {
        std::fs::rename(path, path.with_extension(CLOSED))
    }

    /// Takes the files of a cage away.
    pub fn forget(path: &Path) {
        // One of them is not there, or none.
        let _ = std::fs::remove_file(path);
        let _ = std::fs::remove_file(path.with_extension(CLOSED));
    }

    /// Takes away the files of a folder that are too old to go on from.
    pub fn clean(folder: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let ours = path.extension().is_some_and(|ending| ending == OPEN || ending == CLOSED);
            if ours && !is_young(&path) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Writes a tick. The first of another life than the file's, or one that does not come after the last, empties it.
    pub fn write(&mut self, kept: &Kept) -> io::Result<()> {
        let head = head(&kept.life, kept.points.len());
        if self.head != Some(head) || kept.tick <= self.newest {
            self.begin(head, kept)?;
        }
        self.newest = kept.tick;
        self.record.clear();
        self.record.extend_from_slice(&kept.tick.to_le_bytes());
        self.record.extend_from_slice(&kept.frame.to_le_bytes());
        for point in &kept.points {
            for value in [point.x, point.y, point.confidence] {
                self.record.extend_from_slice(&value.to_le_bytes());
            }
        }
        let sum = checksum(&head, &self.record);
        self.record.extend_from_slice(&sum);
        let place = HEAD_BYTES as u64 + kept.tick % SLOTS * self.record.len() as u64;
        self.file.write_all_at(&self.record, place)
    }

    /// Keeps what lies there only where the same life goes on after a restart.
    fn begin(&mut self, head: [u8; HEAD_BYTES], kept: &Kept) -> io::Result<()> {
        if !kept.resumed || self.head.is_some() {
            self.file.set_len(0)?;
        }
        self.file.write_all_at(&head, 0)?;
        self.head = Some(head);
        Ok(())
    }
}

/// The last ticks in a file that belong to this stream and run, without a hole between them; `None` where there are
/// none, or no such file.
pub fn read(path: &Path, stream: StreamId, run: Option<u32>, point_count: usize) -> Option<(Life, Past)> {
    let record_bytes = 16 + point_count * POINT_BYTES + SUM_BYTES;
    let closed = path.with_extension(CLOSED);
    let settled = !path.exists();
    let path = if settled { closed.as_path() } else { path };
    let file = File::open(path).ok().filter(|_| is_young(path))?;
    let length = usize::try_from(file.metadata().ok()?.len()).ok()?;
    if point_count > INDIVIDUALS_MAX * KEYPOINTS_MAX || length > HEAD_BYTES + SLOTS as usize * record_bytes {
        return None;
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let (head_bytes, body) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let life = Life { stream, run, base: u64::from_le_bytes(*head_bytes.last_chunk()?) };
    if *head_bytes != head(&life, point_count) {
        return None;
    }
    // By slot: the tick and the newest frame of each whole record.
    let whole: Vec<Option<(u64, u64)>> = body
        .chunks(record_bytes)
        .enumerate()
        .map(|(slot, record)| {
            whole_record(head_bytes, record, record_bytes).filter(|(tick, _)| tick % SLOTS == slot as u64)
        })
        .collect();
    let (newest, frame) = whole.iter().flatten().copied().max()?;
    if newest > u64::MAX / 2 || frame < life.base {
        return None;
    }
    let holds = |tick: u64| whole.get((tick % SLOTS) as usize).copied().flatten().is_some_and(|(held, _)| held == tick);
    let count = (0..WINDOW_TICKS as u64).take_while(|age| *age <= newest && holds(newest - age)).count() as u64;
    let mut ring = TickRing::new(point_count);
    for tick in newest + 1 - count..=newest {
        let at = (tick % SLOTS) as usize * record_bytes + 16;
        let (values, _) = body.get(at..at + point_count * POINT_BYTES)?.as_chunks::<4>();
        let points: Vec<Keypoint> = values
            .chunks_exact(3)
            .map(|point| {
                let [x, y, confidence] = [point[0], point[1], point[2]].map(f32::from_le_bytes);
                if x.is_finite() && y.is_finite() { Keypoint { x, y, confidence } } else { Keypoint::MISSING }
            })
            .collect();
        ring.push(&points);
    }
    let anchor = Anchor { base: life.base, next: newest + 1, newest: frame };
    Some((life, Past { anchor, ring, settled }))
}

fn is_young(path: &Path) -> bool {
    let age = std::fs::metadata(path).and_then(|metadata| metadata.modified()).map(|then| then.elapsed());
    // A file from the future is one of a clock that was set meanwhile.
    age.is_ok_and(|age| age.map_or(true, |age| age.as_secs() <= AGE_SECS_MAX))
}

fn whole_record(head: &[u8; HEAD_BYTES], record: &[u8], record_bytes: usize) -> Option<(u64, u64)> {
    let (content, sum) = record.split_last_chunk::<SUM_BYTES>()?;
    if record.len() != record_bytes || checksum(head, content) != *sum {
        return None;
    }
    let (tick, rest) = content.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*tick), u64::from_le_bytes(*rest.first_chunk()?)))
}

fn head(life: &Life, point_count: usize) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(b"VBT1");
    head[4..8].copy_from_slice(&(point_count as u32).to_le_bytes());
    head[8..16].copy_from_slice(&life.stream.0.to_le_bytes());
    head[16..24].copy_from_slice(&life.run.map_or(u64::MAX, u64::from).to_le_bytes());
    head[24..].copy_from_slice(&life.base.to_le_bytes());
    head
}

fn checksum(head: &[u8; HEAD_BYTES], content: &[u8]) -> [u8; SUM_BYTES] {
    let hash = blake3::Hasher::new().update(head).update(content).finalize();
    std::array::from_fn(|index| hash.as_bytes()[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Life = Life { stream: StreamId(7), run: Some(3), base: 1000 };

    fn kept(tick: u64) -> Kept {
        let point = |at: u64| Keypoint { x: tick as f32, y: at as f32, confidence: 0.5 };
        Kept {
            life: LIFE,
            tick,
            frame: 1000 + tick,
            points: vec![point(0), Keypoint::MISSING, point(2)],
            resumed: false,
        }
    }

    fn written(ticks: std::ops::Range<u64>) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = TickLog::path(folder.path(), "rig", "..");
        let mut log = TickLog::open(&path).unwrap();
        ticks.for_each(|tick| log.write(&kept(tick)).unwrap());
        (folder, path)
    }

    #[test]
    fn the_last_window_is_read_as_it_was_written() {
        for ticks in [1, 511, 3000] {
            let (folder, path) = written(0..ticks);
            assert_eq!(path.parent(), Some(folder.path()), "a name is no way out of the folder");
            let (life, past) = read(&path, LIFE.stream, LIFE.run, 3).unwrap();
            let anchor = Anchor { base: 1000, next: ticks, newest: 999 + ticks };
            assert_eq!((life, past.anchor), (LIFE, anchor));
            assert_eq!(past.ring.len() as u64, ticks.min(WINDOW_TICKS as u64));
            for age in 0..past.ring.len() {
                assert_eq!(past.ring.age(age).unwrap(), kept(ticks - 1 - age as u64).points, "{age}");
            }
            assert!(std::fs::metadata(&path).unwrap().len() <= 32 + SLOTS * (16 + 36 + 8));
        }
    }

    #[test]
    fn what_belongs_to_another_stream_or_run_is_not_taken() {
        let (_folder, path) = written(0..5);
        assert!(read(&path, StreamId(8), LIFE.run, 3).is_none());
        assert!(read(&path, LIFE.stream, None, 3).is_none());
        assert!(read(&path, LIFE.stream, LIFE.run, 4).is_none());
        assert!(read(&path.with_extension("absent"), LIFE.stream, LIFE.run, 3).is_none());
        // Another life begins anew.
        let mut log = TickLog::open(&path).unwrap();
        log.write(&Kept { life: Life { run: Some(4), ..LIFE }, ..kept(0) }).unwrap();
        assert!(read(&path, LIFE.stream, LIFE.run, 3).is_none());
        assert_eq!(read(&path, LIFE.stream, Some(4), 3).unwrap().1.anchor.next, 1);
    }

    #[test]
    fn a_life_that_begins_again_under_the_same_head_leaves_nothing_of_the_one_before() {
        let (_folder, path) = written(0..1500);
        let mut log = TickLog::open(&path).unwrap();
        (0..300).for_each(|tick| log.write(&kept(tick)).unwrap());
        (0..20).for_each(|tick| log.write(&kept(tick)).unwrap());
        let (_, past) = read(&path, LIFE.stream, LIFE.run, 3).unwrap();
        assert_eq!((past.anchor.next, past.ring.len()), (20, 20));
    }

    #[test]
    fn a_resumed_life_goes_on_in_its_file_and_an_orderly_end_is_known() {
        let (folder, path) = written(0..700);
        assert!(!read(&path, LIFE.stream, LIFE.run, 3).unwrap().1.settled);
        TickLog::close(&path).unwrap();
        assert!(read(&path, LIFE.stream, LIFE.run, 3).unwrap().1.settled);
        let mut log = TickLog::open(&path).unwrap();
        (700..710).for_each(|tick| log.write(&Kept { resumed: true, ..kept(tick) }).unwrap());
        let (_, past) = read(&path, LIFE.stream, LIFE.run, 3).unwrap();
        assert_eq!((past.anchor.next, past.ring.len(), past.settled), (710, 512, false));
        let yesterday = std::time::SystemTime::now() - std::time::Duration::from_hours(24);
        File::options().write(true).open(&path).unwrap().set_modified(yesterday).unwrap();
        assert!(read(&path, LIFE.stream, LIFE.run, 3).is_none(), "yesterday's ticks are no history");
        TickLog::clean(folder.path()).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_damaged_file_gives_what_is_whole_and_never_panics() {
        let (_folder, path) = written(0..2000);
        let good = std::fs::read(&path).unwrap();
        // Tick 1990 lies in slot 1990 − 1024.
        let mut torn = good.clone();
        torn[32 + 966 * 60 + 20] ^= 1;
        std::fs::write(&path, &torn).unwrap();
        let (_, past) = read(&path, LIFE.stream, LIFE.run, 3).unwrap();
        assert_eq!((past.anchor.next, past.ring.len()), (2000, 9));
        for cut in [0, 1, 31, 32, 33, 90, 92, good.len() / 2, good.len() - 1] {
            std::fs::write(&path, &good[..cut]).unwrap();
            let _ = read(&path, LIFE.stream, LIFE.run, 3);
        }
        std::fs::write(&path, vec![0xff; good.len()]).unwrap();
        assert!(read(&path, LIFE.stream, LIFE.run, 3).is_none());
    }
}
