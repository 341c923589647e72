//! The file under a log: named by its start, never an older one, written at an offset that survives failed writes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What a log's file ends in.
const ENDING: &str = "mcap";

/// Files of one name that are tried, `-2` and so on.
const SAME_NAME_MAX: u32 = 10_000;

/// Where logs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// Into this folder, as `vibrissa-20261125T141833Z.mcap`: the time in UTC at which the file begins.
    Folder(PathBuf),
    /// Into this file, which must not be there; those that follow it are `NAME-2.mcap` and so on.
    File(PathBuf),
}

impl Out {
    /// A path that ends in `.mcap` is a file, another one a folder.
    pub fn of(path: PathBuf) -> Self {
        let file = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(ENDING));
        if file { Self::File(path) } else { Self::Folder(path) }
    }

    /// Creates the file that begins now; `first` is the first of its recorder.
    fn create(&self, now_unix_nanos: i64, first: bool) -> io::Result<(File, PathBuf)> {
        let base = match self {
            Self::File(path) if first => return create_new(path).map(|file| (file, path.clone())),
            Self::File(path) => path.with_extension(""),
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder)?;
                folder.join(format!("vibrissa-{}", compact_utc(now_unix_nanos)))
            }
        };
        let follows = matches!(self, Self::File(_));
        for number in if follows { 2..=SAME_NAME_MAX } else { 1..=SAME_NAME_MAX } {
            let mut name = base.file_name().unwrap_or_default().to_os_string();
            if number > 1 {
                name.push(format!("-{number}"));
            }
            name.push(format!(".{ENDING}"));
            let path = base.with_file_name(name);
            match create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| (file, path)),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{SAME_NAME_MAX} logs of that name are there")))
    }
}

fn create_new(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    // The name must survive the machine as well.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// Bytes that wait to be stored. Writing to it cannot fail, so what encodes into it never stops half way.
#[derive(Clone, Debug, Default)]
pub struct Pending(Arc<Mutex<Vec<u8>>>);

impl Pending {
    pub fn len(&self) -> usize {
        self.with(|bytes| bytes.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that is pending, which then no longer is.
    pub fn take(&self) -> Vec<u8> {
        self.with(std::mem::take)
    }

    fn with<T>(&self, use_bytes: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        use_bytes(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|pending| pending.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that only grows. After a write that failed (a full disk) the same bytes are tried again at the same place.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    path: PathBuf,
    /// Bytes known to be written.
    stored: u64,
    pending: Pending,
}

impl LogFile {
    /// Creates the file of a log that begins now; `first` says whether it is the first of its recorder.
    ///
    /// # Errors
    /// A file or folder that cannot be created, and for [`Out::File`] one that is there already.
    pub fn create(out: &Out, now_unix_nanos: i64, first: bool) -> io::Result<Self> {
        let (file, path) = out.create(now_unix_nanos, first)?;
        Ok(Self { file, path, stored: 0, pending: Pending::default() })
    }

    /// The place for what is to be stored next.
    pub fn pending(&self) -> Pending {
        self.pending.clone()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that were stored.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// Hands everything that is pending to the operating system: from then on it survives the end of this process.
    ///
    /// # Errors
    /// A failed write. What was pending still is.
    pub fn store(&mut self) -> io::Result<()> {
        let Self { file, stored, pending, .. } = self;
        pending.with(|bytes| {
            file.write_all_at(bytes, *stored)?;
            *stored += bytes.len() as u64;
            bytes.clear();
            Ok(())
        })
    }

    /// Waits until what was stored survives the end of the machine.
    ///
    /// # Errors
    /// The device's.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A moment in UTC as file names have it, `20261125T141833Z`.
fn compact_utc(unix_nanos: i64) -> String {
    let text = utc(unix_nanos);
    text.chars().filter(|char| !matches!(char, '-' | ':')).collect()
}

/// A moment in UTC to the second, `2026-11-25T14:18:33Z`.
pub fn utc(unix_nanos: i64) -> String {
    let secs = unix_nanos.div_euclid(1_000_000_000);
    let (days, second) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    // Years of the calendar that begin in March, so that leap days are the last of theirs; from 0000-03-01 on.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carried) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + carried;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_616_313_000_000_000;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (secs, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_616_313, "2026-11-25T14:18:33Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(secs * 1_000_000_000), expected);
        }
    }

    #[test]
    fn a_file_never_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let name = |out: &Out, first| {
            let created = LogFile::create(out, NOW, first)?;
            io::Result::Ok(created.path().file_name().unwrap().to_string_lossy().into_owned())
        };
        let within = Out::of(folder.path().join("deep/logs"));
        assert_eq!(name(&within, true).unwrap(), "vibrissa-20261125T141833Z.mcap");
        assert_eq!(name(&within, false).unwrap(), "vibrissa-20261125T141833Z-2.mcap");
        assert_eq!(name(&within, true).unwrap(), "vibrissa-20261125T141833Z-3.mcap");
        let file = Out::of(folder.path().join("day.1.mcap"));
        assert_eq!(name(&file, true).unwrap(), "day.1.mcap");
        assert_eq!(name(&file, true).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(name(&file, false).unwrap(), "day.1-2.mcap");
        assert_eq!(name(&file, false).unwrap(), "day.1-3.mcap");
    }

    #[test]
    fn what_a_full_disk_refused_is_stored_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::create(&Out::of(folder.path().to_path_buf()), NOW, true).unwrap();
        let mut pending = log.pending();
        pending.write_all(b"first ").unwrap();
        log.store().unwrap();
        let disk = std::mem::replace(&mut log.file, OpenOptions::new().write(true).open("/dev/full").unwrap());
        pending.write_all(b"second ").unwrap();
        assert_eq!(log.store().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!((log.stored(), pending.len()), (6, 7));
        // A part of it may have been written before the disk was full.
        disk.write_all_at(b"sec", 6).unwrap();
        log.file = disk;
        pending.write_all(b"third").unwrap();
        log.store().unwrap();
        log.sync().unwrap();
        assert!(pending.is_empty());
        assert_eq!(std::fs::read(log.path()).unwrap(), b"first second third");
    }
}
