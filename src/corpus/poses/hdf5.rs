//! Poses in HDF5: what `DeepLabCut` and SLEAP write, told apart by the datasets and groups in the file.
//!
//! All data must lie in the file itself: virtual datasets, external data and external links are refused by name. Gzip,
//! shuffle, fletcher32, szip, nbit and scale-offset are read, other filters are refused by name. Nothing is allocated
//! from a length that the size of the file does not bear out.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::{DataLayout, DataLayoutMessage};
use hdf5_reader::messages::link::LinkTarget;
use hdf5_reader::storage::{DynStorage, StorageBuffer};
use hdf5_reader::{ExternalLinkResolver, FileStorage, Hdf5File, OpenOptions};

use super::{deeplabcut_h5, sleap};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::{FRAME_NUMBER_MAX, RawRecording};

pub(super) use array::{Array, Number, kind, text};
pub(super) use rows::Rows;

mod array;
mod rows;

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// What a Python pickle of protocol 2 or later begins with.
const PICKLE: u8 = 0x80;

/// How much of a file may hold the signature: 0, or any power of two from 512 on (a user block comes before it).
const SIGNATURE_SEARCH_BYTES: u64 = 8192;

/// Gzip makes at most this many bytes of one.
const EXPANSION_MAX: u64 = 1032;

/// Largest chunk of a dataset; writers of this field keep far below.
const CHUNK_BYTES_MAX: u64 = 1 << 28;

/// Smallest bound on a chunk: `PyTables` takes chunks for tables larger than the rows there are.
const CHUNK_BYTES_ALWAYS: u64 = 1 << 22;

/// What this reader reads.
const WANTED: &str = "the tracks of DeepLabCut (a pandas table) or a SLEAP analysis file";

/// Whether a file with this `start` is HDF5.
pub fn is_hdf5(start: &[u8]) -> bool {
    let offsets = std::iter::successors(Some(512), |offset| Some(offset * 2_usize));
    std::iter::once(0)
        .chain(offsets.take_while(|offset| *offset < start.len()))
        .any(|offset| start[offset.min(start.len())..].starts_with(&SIGNATURE))
}

/// Reads a recording; which format it is of, is recognised by the content.
///
/// # Errors
/// Whatever is not such a file; rows of an error are rows of the table, counted from 1.
pub fn read(file: &Path, confidence_min: f32) -> Result<RawRecording, CorpusError> {
    let io = |error| CorpusError::Io { file: file.to_path_buf(), error };
    let input = File::open(file).map_err(io)?;
    let storage = FileStorage::from_file(input).map_err(|error| unreadable(file, "the file", &error))?;
    parse(Arc::new(storage), file, confidence_min)
}

/// As [`read`], from a storage; `file` is what errors and the recording are named after.
fn parse(storage: DynStorage, file: &Path, confidence_min: f32) -> Result<RawRecording, CorpusError> {
    let container = Container::open(storage, file)?;
    let root = container.root()?;
    let (groups, datasets) = root.member_names().map_err(|error| container.listing_fault(&root, &error))?;
    let has = |name: &str| datasets.iter().any(|dataset| dataset == name);
    if has("track_occupancy") || (has("tracks") && has("node_names")) {
        return sleap::read(&container, &root, has("point_scores"), confidence_min);
    }
    if has("frames") && has("instances") && has("pred_points") {
        let got = "a SLEAP project: export it from SLEAP as analysis HDF5 (\"Export Analysis HDF5\" or sleap-convert)";
        return Err(Place::file(file).fault(WANTED, got));
    }
    let nwb_version = root.attribute("nwb_version").ok().and_then(|version| text(&version));
    if let Some(version) = nwb_version {
        return Err(Place::file(file).fault(WANTED, format!("NWB {}, which is not read", quoted(&version))));
    }
    if groups.iter().any(|group| group == "poseest") {
        return Err(Place::file(file).fault(WANTED, "a pose file of JABS (group \"poseest\"), which is not read"));
    }
    let mut tables = Vec::new();
    for name in &groups {
        let group = root.group(name).map_err(|error| unreadable(file, name, &error))?;
        let pandas_type = group.attribute("pandas_type").ok().and_then(|kind| text(&kind));
        if pandas_type.is_some_and(|kind| kind == "frame" || kind == "frame_table") {
            tables.push(group);
        }
    }
    match tables.as_slice() {
        [table] => deeplabcut_h5::read(&container, table, confidence_min),
        [] => {
            let got = format!("the groups {} and datasets {}", listed(&groups), listed(&datasets));
            Err(Place::file(file).fault(WANTED, got))
        }
        several => {
            let names: Vec<String> = several.iter().map(|table| table.name().to_string()).collect();
            Err(Place::file(file).fault("one pandas table", format!("{}: {}", names.len(), listed(&names))))
        }
    }
}

/// Names as an error shows them.
fn listed(names: &[String]) -> String {
    quoted(&names.join(", "))
}

/// An open file.
pub(super) struct Container<'a> {
    pub file: &'a Path,
    hdf5: Hdf5File,
    bytes: u64,
}

impl<'a> Container<'a> {
    fn open(storage: DynStorage, file: &'a Path) -> Result<Self, CorpusError> {
        let bytes = storage.len();
        let start = storage
            .read_range(0, usize::try_from(bytes.min(SIGNATURE_SEARCH_BYTES)).unwrap_or(0))
            .map_err(|error| unreadable(file, "the file", &error))?;
        if !is_hdf5(&start) {
            let got = match start.first() {
                None => "an empty file".to_string(),
                Some(&PICKLE) => {
                    "a Python pickle: have DeepLabCut convert its detections to tracks in HDF5 or CSV".to_string()
                }
                Some(_) => quoted(&String::from_utf8_lossy(&start[..start.len().min(SIGNATURE.len())])),
            };
            return Err(Place::file(file).fault("the signature of HDF5", got));
        }
        let read_bytes_max = bytes.saturating_mul(EXPANSION_MAX);
        let chunk_bytes_max = read_bytes_max.clamp(CHUNK_BYTES_ALWAYS, CHUNK_BYTES_MAX);
        let options = OpenOptions::default()
            // Each dataset is read once.
            .with_chunk_cache_bytes(0)
            .with_max_chunk_bytes(usize::try_from(chunk_bytes_max).unwrap_or(usize::MAX))
            .with_max_read_bytes(usize::try_from(read_bytes_max).unwrap_or(usize::MAX))
            .with_external_link_resolver(Arc::new(RefusedLinks));
        let hdf5 = Hdf5File::from_storage_with_options(storage, options)
            .map_err(|error| unreadable(file, "the file", &error))?;
        let end = hdf5.superblock().eof_address;
        if end > bytes {
            return Err(Place::file(file).fault(format!("{end} bytes"), format!("a truncated file of {bytes}")));
        }
        Ok(Self { file, hdf5, bytes })
    }

    fn root(&self) -> Result<Group, CorpusError> {
        self.hdf5.root_group().map_err(|error| unreadable(self.file, "/", &error))
    }

    /// An error in listing a group, with the name of the link that leads out of the file where that is the fault.
    fn listing_fault(&self, group: &Group, error: &Error) -> CorpusError {
        let header = self.hdf5.get_or_parse_header(group.address());
        let outside = header.ok().and_then(|header| {
            header.messages.iter().find_map(|message| match message {
                HdfMessage::Link(link) => match &link.target {
                    LinkTarget::External { filename, .. } => Some((link.name.clone(), filename.clone())),
                    _ => None,
                },
                _ => None,
            })
        });
        match outside {
            Some((name, filename)) => {
                Place::file(self.file).fault(inside(&name), format!("an external link to {}", quoted(&filename)))
            }
            None => unreadable(self.file, group.name(), error),
        }
    }

    /// Opens a dataset and checks that it can be read from this file alone and within its size.
    ///
    /// # Errors
    /// A dataset that is absent, lies elsewhere, is compressed by an unknown filter or claims more than the file holds.
    pub fn array(&self, group: &Group, name: &str) -> Result<Array<'a>, CorpusError> {
        let dataset = group.dataset(name).map_err(|error| match error {
            Error::DatasetNotFound(_) => Place::file(self.file).fault(format!("the dataset {}", quoted(name)), "none"),
            other => unreadable(self.file, name, &other),
        })?;
        let header =
            self.hdf5.get_or_parse_header(dataset.address()).map_err(|error| unreadable(self.file, name, &error))?;
        let (mut filtered, mut contiguous) = (false, None);
        for message in &header.messages {
            match message {
                HdfMessage::ExternalFiles(_) => {
                    return Err(Place::file(self.file).fault(inside(name), "data in an external file"));
                }
                HdfMessage::FilterPipeline(pipeline) => {
                    filtered = !pipeline.filters.is_empty();
                    for filter in &pipeline.filters {
                        check_filter(self.file, name, filter.id)?;
                    }
                }
                HdfMessage::DataLayout(DataLayoutMessage { layout: DataLayout::Contiguous { address, .. } }) => {
                    contiguous = Some(*address);
                }
                _ => {}
            }
        }
        let bytes_max = if filtered { self.bytes.saturating_mul(EXPANSION_MAX) } else { self.bytes };
        Array::new(self.file, name, dataset, bytes_max, contiguous)
    }

    /// Bytes of the file from `start` on.
    fn piece(&self, name: &str, start: u64, length: usize) -> Result<StorageBuffer, CorpusError> {
        self.hdf5.storage().read_range(start, length).map_err(|error| unreadable(self.file, name, &error))
    }
}

/// A link that leads to another file is an error, where it would otherwise be left out.
struct RefusedLinks;

impl ExternalLinkResolver for RefusedLinks {
    fn resolve_external_link(&self, filename: &str) -> Result<Option<Hdf5File>, Error> {
        Err(Error::Other(format!("an external link to {}", quoted(filename))))
    }
}

fn inside(name: &str) -> String {
    format!("the data of {} in this file", quoted(name))
}

/// What was wrong in reading `name`.
pub(super) fn unreadable(file: &Path, name: &str, error: &Error) -> CorpusError {
    let mut cause = error;
    let mut context = name.to_string();
    while let Error::Context { path, source } = cause {
        context.clone_from(path);
        cause = source;
    }
    // The library says "child 'tracks' at 0x1000".
    let child = context.strip_prefix("child '").and_then(|rest| rest.rsplit_once("' at "));
    let context = child.map_or(context.as_str(), |(name, _)| name);
    match cause {
        // Class 3 of a data layout: the data lies in other datasets, mostly of other files.
        Error::UnsupportedLayoutClass(3) => Place::file(file).fault(inside(context), "a virtual dataset"),
        Error::Io(error) => Place::file(file).fault(format!("a readable {}", quoted(context)), error.to_string()),
        other => {
            let got = other.to_string();
            Place::file(file).fault(format!("a readable {}", quoted(context)), got)
        }
    }
}

/// # Errors
/// A filter that is not read, by its registered name.
fn check_filter(file: &Path, name: &str, id: u16) -> Result<(), CorpusError> {
    let filter = match id {
        1..=6 => return Ok(()),
        305 => "LZO",
        307 => "bzip2",
        32000 => "LZF",
        32001 => "Blosc",
        32004 => "LZ4",
        32008 => "bitshuffle",
        32013 => "ZFP",
        32015 => "Zstandard",
        32026 => "Blosc2",
        _ => "unknown",
    };
    let expected = format!("{} compressed by gzip or not at all", quoted(name));
    Err(Place::file(file)
        .fault(expected, format!("the filter {filter} (number {id}): rewrite it with h5repack -f GZIP=4")))
}

/// # Errors
/// A number of a frame that is out of bounds or not above the one before; `row` is counted from 1.
pub(super) fn check_number(
    file: &Path,
    row: u64,
    number: Option<i64>,
    got: impl FnOnce() -> String,
    previous: Option<u64>,
) -> Result<u64, CorpusError> {
    let number = number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number <= FRAME_NUMBER_MAX);
    match (number, previous) {
        (None, _) => Err(Place::row(file, row).fault(format!("a frame number of 0 to {FRAME_NUMBER_MAX}"), got())),
        (Some(number), Some(previous)) if number <= previous => {
            Err(Place::row(file, row).fault(format!("a frame number above {previous}"), got()))
        }
        (Some(number), _) => Ok(number),
    }
}

#[cfg(test)]
pub(super) mod tests;
