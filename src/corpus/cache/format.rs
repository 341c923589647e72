//! The file of a recording in ticks. Little endian, blocks of [`BLOCK_TICKS`]:
//!
//! ```text
//! "VIBTICKS"  version u32  head length u32  key 32 bytes
//! head        JSON: name, skeleton, individual names, cells, ticks, defaults, repairs
//! truth       T × N bits
//! labelled    T × N bits
//! blocks      a checksum of 32 bytes for each block of points
//! checksum    32 bytes, of all above
//! points      T × I × K × (x, y, confidence), single precision
//! ```
//!
//! All checksums are BLAKE3. Whatever a file holds, reading it ends in a recording or an error, and takes no more memory
//! than the file is long.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Cached;
use crate::behavior::Ethogram;
use crate::corpus::flags::Flags;
use crate::corpus::session::{Points, Session};
use crate::poses::Keypoint;
use crate::skeleton::{INDIVIDUALS_MAX, Skeleton};
use crate::stream::StreamDefaults;

/// Of this layout.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"VIBTICKS";

/// Ticks that are read and checked together: half a crop or less, so that a crop reads little more than its own.
const BLOCK_TICKS: usize = 512;

/// Magic, version, length of the head and key.
const PREFIX_BYTES: usize = 8 + 4 + 4 + HASH_BYTES;
const HASH_BYTES: usize = blake3::OUT_LEN;
const POINT_BYTES: usize = 12;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: String,
    skeleton: Skeleton,
    individual_names: Vec<String>,
    /// As places in [`Ethogram::cells`].
    cells: Vec<usize>,
    ticks: usize,
    defaults: StreamDefaults,
    repairs: Vec<String>,
}

impl Head {
    fn width(&self) -> usize {
        self.individual_names.len() * self.skeleton.keypoints().len()
    }

    fn flag_bytes(&self) -> usize {
        (self.ticks * self.cells.len()).div_ceil(8)
    }
}

/// T × I × K points in a file, each block checked when it is read.
#[derive(Debug)]
pub struct StoredPoints {
    /// Opened for each reading: a corpus of thousands would hold more files open than a process may.
    path: PathBuf,
    /// Bytes before the first point.
    start: u64,
    ticks: usize,
    /// I × K.
    width: usize,
    blocks: Vec<[u8; HASH_BYTES]>,
}

impl StoredPoints {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn ticks(&self) -> usize {
        self.ticks
    }

    /// The points of ticks that are there.
    ///
    /// # Errors
    /// A file that cannot be read, or whose points are others than were written.
    pub fn read(&self, first: usize, ticks: usize) -> io::Result<Vec<Keypoint>> {
        let mut points = Vec::with_capacity(ticks * self.width);
        if ticks == 0 {
            return Ok(points);
        }
        for block in first / BLOCK_TICKS..(first + ticks).div_ceil(BLOCK_TICKS) {
            let bytes = self.block(block)?;
            let begin = block * BLOCK_TICKS;
            let wanted = first.saturating_sub(begin)..(first + ticks - begin).min(BLOCK_TICKS);
            let row = self.width * POINT_BYTES;
            points.extend(bytes[wanted.start * row..wanted.end * row].chunks_exact(POINT_BYTES).map(point));
        }
        Ok(points)
    }

    fn block(&self, block: usize) -> io::Result<Vec<u8>> {
        let first = block * BLOCK_TICKS;
        let ticks = BLOCK_TICKS.min(self.ticks - first);
        let row = self.width * POINT_BYTES;
        let mut bytes = vec![0; ticks * row];
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start + first as u64 * row as u64))?;
        file.read_exact(&mut bytes)?;
        if blake3::hash(&bytes) != self.blocks[block] {
            return Err(damaged(format!("ticks {first} to {} are not those that were written", first + ticks)));
        }
        Ok(bytes)
    }
}

pub fn write(into: &mut impl Write, cached: &Cached, key: &blake3::Hash, ethogram: &Ethogram) -> io::Result<()> {
    let session = &cached.session;
    let all = ethogram.cells(session.individuals);
    let place = |cell| all.iter().position(|known| known == cell);
    let cells: Option<Vec<usize>> = session.cells.iter().map(place).collect();
    let head = Head {
        name: session.name.clone(),
        skeleton: session.skeleton.clone(),
        individual_names: session.individual_names.clone(),
        cells: cells.ok_or_else(|| io::Error::other("cells of another ethogram"))?,
        ticks: session.ticks,
        defaults: cached.defaults.clone(),
        repairs: cached.repairs.clone(),
    };
    let text = serde_json::to_vec(&head)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    let mut front = [&MAGIC[..], &VERSION.to_le_bytes(), &length.to_le_bytes(), key.as_bytes(), &text].concat();
    front.extend_from_slice(session.truth.bytes());
    front.extend_from_slice(session.labelled.bytes());
    let block = |first: usize| -> io::Result<Vec<u8>> {
        let points = session.stretch(first, BLOCK_TICKS.min(session.ticks - first)).map_err(io::Error::other)?;
        Ok(points.iter().flat_map(|point| [point.x, point.y, point.confidence]).flat_map(f32::to_le_bytes).collect())
    };
    let firsts = || (0..session.ticks).step_by(BLOCK_TICKS);
    for first in firsts() {
        front.extend_from_slice(blake3::hash(&block(first)?).as_bytes());
    }
    into.write_all(&front)?;
    into.write_all(blake3::hash(&front).as_bytes())?;
    for first in firsts() {
        into.write_all(&block(first)?)?;
    }
    Ok(())
}

/// A recording whose points stay in the file. Every block of them is checked once, so that damage is met here, where
/// the file can still be made anew.
pub fn open(path: &Path, key: &blake3::Hash, ethogram: &Ethogram) -> io::Result<Cached> {
    let cached = read(File::open(path)?, path, key, ethogram)?;
    if let Points::File(stored) = cached.session.stored() {
        for block in 0..stored.blocks.len() {
            stored.block(block)?;
        }
    }
    Ok(cached)
}

/// As [`open`], without a look at the points.
pub fn read(mut file: File, path: &Path, key: &blake3::Hash, ethogram: &Ethogram) -> io::Result<Cached> {
    let available = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let mut front = vec![0; PREFIX_BYTES];
    file.read_exact(&mut front)?;
    let number = |at: usize| u32::from_le_bytes([front[at], front[at + 1], front[at + 2], front[at + 3]]);
    let (version, length) = (number(8), number(12) as usize);
    if !front.starts_with(MAGIC) || version != VERSION || front[16..] != key.as_bytes()[..] {
        return Err(damaged("expected ticks of this recording in this version, got something else".to_owned()));
    }
    let text = more(&mut file, &mut front, length, available)?;
    let head: Head = serde_json::from_slice(&front[text..])?;
    let individuals = head.individual_names.len();
    let within = (1..=INDIVIDUALS_MAX).contains(&individuals);
    let all = ethogram.cells(if within { individuals } else { 0 });
    let cells: Option<Vec<_>> = head.cells.iter().map(|&place| all.get(place).copied()).collect();
    let point_bytes = (head.ticks as u64).checked_mul((head.width() * POINT_BYTES) as u64);
    let (Some(cells), Some(point_bytes), true) = (cells, point_bytes.filter(|bytes| *bytes <= available), within)
    else {
        return Err(damaged("expected individuals, cells and ticks within bounds, got others".to_owned()));
    };
    let blocks = head.ticks.div_ceil(BLOCK_TICKS);
    let flags = head.flag_bytes();
    let start = (front.len() + 2 * flags + (blocks + 1) * HASH_BYTES) as u64;
    let expected = start + point_bytes;
    if available != expected {
        return Err(damaged(format!("expected {expected} bytes, got {available}")));
    }
    let truth = more(&mut file, &mut front, flags, available)?;
    let labelled = more(&mut file, &mut front, flags, available)?;
    let hashes = more(&mut file, &mut front, blocks * HASH_BYTES, available)?;
    let mut checksum = [0; HASH_BYTES];
    file.read_exact(&mut checksum)?;
    if blake3::hash(&front) != checksum {
        return Err(damaged("head and labels are not those that were written".to_owned()));
    }
    let flags_at = |at: usize| {
        let found = Flags::from_bytes(front[at..at + flags].to_vec(), head.ticks * head.cells.len());
        found.ok_or_else(|| damaged("expected bits past the last flag to be 0, got 1".to_owned()))
    };
    let (truth, labelled) = (flags_at(truth)?, flags_at(labelled)?);
    let stored = StoredPoints {
        path: path.to_path_buf(),
        start,
        ticks: head.ticks,
        width: head.width(),
        blocks: front[hashes..].as_chunks::<HASH_BYTES>().0.to_vec(),
    };
    let session = Session::of_file(head.name, head.skeleton, head.individual_names, cells, stored, truth, labelled);
    Ok(Cached { session, defaults: head.defaults, repairs: head.repairs })
}

/// Reads so many bytes behind `front`, where a file of `available` bytes can have them; where they begin.
fn more(file: &mut File, front: &mut Vec<u8>, bytes: usize, available: u64) -> io::Result<usize> {
    let begin = front.len();
    if (begin as u64 + bytes as u64) > available {
        return Err(damaged(format!("expected {bytes} bytes from byte {begin} on, got {available} in all")));
    }
    front.resize(begin + bytes, 0);
    file.read_exact(&mut front[begin..])?;
    Ok(begin)
}

fn point(bytes: &[u8]) -> Keypoint {
    let number = |at: usize| f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Keypoint { x: number(0), y: number(4), confidence: number(8) }
}

fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
