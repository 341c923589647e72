//! Flat parquet tables: columns by name, whatever their physical width.
//!
//! Integers of any width are read as `i64`, also from floats and doubles that hold nothing but whole numbers; floats of 16
//! to 64 bits are read as `f32`, texts as codes into the distinct ones. A table is read batch by batch, so that nothing is
//! allocated from a count that the file only states; pages are checked before the parquet crate decodes them.
//!
//! Compressed by snappy, zstd, gzip or LZ4 (raw and Hadoop's), or not at all.

mod column;
mod lexicon;
mod pages;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::Compression;
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{ChunkReader, FileReader};
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};

use crate::corpus::error::{CorpusError, Place, quoted};
use column::{Column, Typed};
use lexicon::Lexicon;
use pages::{Checked, guarded};
pub use writer::{Kind, Values, Writer};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 8192;

/// The code of a text that is not there.
pub const NONE: u32 = u32::MAX;

/// A parquet file, open for reading.
pub struct Table {
    file: PathBuf,
    reader: Box<dyn FileReader>,
}

/// The names of the columns to read, in the order in which a [`Batch`] holds them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Columns<'a> {
    /// Where nothing may be absent.
    pub ints: &'a [&'a str],
    /// Where nothing may be absent.
    pub texts: &'a [&'a str],
    /// Where NaN stands for what is absent.
    pub floats: &'a [&'a str],
}

/// Consecutive rows of a table.
#[derive(Debug, Default)]
pub struct Batch {
    /// Number of the first row, counted from 1 over the whole file.
    pub row: u64,
    pub ints: Vec<Vec<i64>>,
    /// Codes into `names`, column by column.
    pub texts: Vec<Vec<u32>>,
    pub floats: Vec<Vec<f32>>,
    /// The distinct texts of each column so far, in the order of their first appearance.
    pub names: Vec<Vec<String>>,
}

impl Table {
    /// # Errors
    /// A file that cannot be read or is no parquet.
    pub fn open(file: &Path) -> Result<Self, CorpusError> {
        let io = |error| CorpusError::Io { file: file.to_path_buf(), error };
        let input = File::open(file).map_err(io)?;
        let metadata = input.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(Place::file(file).fault("a parquet file", "what is no file"));
        }
        let properties = ReaderProperties::builder().set_read_page_statistics(false).build();
        let options = ReadOptionsBuilder::new().with_reader_properties(properties).build();
        let reader = guarded(|| {
            let bytes = input.get_bytes(0, metadata.len() as usize)?;
            SerializedFileReader::new_with_options(bytes, options)
        });
        let reader = reader.map_err(|got| Place::file(file).fault("a parquet file", got))?;
        Ok(Self { file: file.to_path_buf(), reader: Box::new(reader) })
    }

    pub fn has(&self, column: &str) -> bool {
        self.position(column).is_some()
    }

    /// How many rows [`scan`](Self::scan) reads, as the file states it.
    pub fn rows(&self) -> u64 {
        let groups = self.reader.metadata().row_groups().iter();
        groups.fold(0, |rows: u64, group| rows.saturating_add(group.num_rows().max(0) as u64))
    }

    fn position(&self, column: &str) -> Option<usize> {
        let columns = self.reader.metadata().file_metadata().schema_descr().columns();
        columns.iter().position(|descriptor| descriptor.path().parts() == [column])
    }

    fn names(&self) -> Vec<String> {
        let columns = self.reader.metadata().file_metadata().schema_descr().columns();
        columns.iter().map(|descriptor| descriptor.path().string()).collect()
    }

    /// Reads columns from the first row to the last and shows them, some thousand rows at a time.
    ///
    /// # Errors
    /// A column that is missing or of another type, an absent number or text, damage; and what `visit` gives.
    pub fn scan(
        &self,
        columns: &Columns,
        mut visit: impl FnMut(&Batch) -> Result<(), CorpusError>,
    ) -> Result<(), CorpusError> {
        let wanted = [columns.ints, columns.texts, columns.floats].concat();
        let missing: Vec<&str> = wanted.into_iter().filter(|column| !self.has(column)).collect();
        if !missing.is_empty() {
            let got = format!("the columns {}", quoted(&self.names().join(", ")));
            return Err(Place::file(&self.file).fault(format!("a table with the columns {missing:?}"), got));
        }
        let mut batch = Batch { row: 1, ..Batch::default() };
        batch.ints.resize_with(columns.ints.len(), Vec::new);
        batch.texts.resize_with(columns.texts.len(), Vec::new);
        batch.floats.resize_with(columns.floats.len(), Vec::new);
        batch.names.resize_with(columns.texts.len(), Vec::new);
        let mut lexicons: Vec<Lexicon> = columns.texts.iter().map(|_| Lexicon::default()).collect();
        for group in 0..self.reader.metadata().num_row_groups() {
            let mut ints = self.columns(group, columns.ints)?;
            let mut texts = self.columns(group, columns.texts)?;
            let mut floats = self.columns(group, columns.floats)?;
            let mut left = self.reader.metadata().row_group(group).num_rows().max(0) as u64;
            while left > 0 {
                let rows = left.min(BATCH_ROWS as u64) as usize;
                for (column, into) in ints.iter_mut().zip(&mut batch.ints) {
                    column.ints(rows, batch.row, into)?;
                }
                let into = batch.names.iter_mut().zip(&mut batch.texts);
                for ((column, lexicon), (names, into)) in texts.iter_mut().zip(&mut lexicons).zip(into) {
                    column.texts(rows, batch.row, lexicon, names, into)?;
                }
                for (column, into) in floats.iter_mut().zip(&mut batch.floats) {
                    column.floats(rows, batch.row, into)?;
                }
                visit(&batch)?;
                batch.row += rows as u64;
                left -= rows as u64;
            }
        }
        Ok(())
    }

    fn columns<'a>(&'a self, group: usize, names: &[&'a str]) -> Result<Vec<Column<'a>>, CorpusError> {
        names.iter().map(|name| self.column(group, name)).collect()
    }

    /// A column of a row group, at its first row.
    fn column<'a>(&'a self, group: usize, name: &'a str) -> Result<Column<'a>, CorpusError> {
        let position = self.position(name).unwrap_or_default();
        let metadata = self.reader.metadata();
        let descriptor = metadata.file_metadata().schema_descr().column(position);
        let fault = |expected: &str, got: String| {
            Place::file(&self.file).fault(format!("{expected} in the column {name:?}"), got)
        };
        if descriptor.max_rep_level() > 0 || descriptor.max_def_level() > 1 {
            return Err(fault("plain values", "lists or structures".to_string()));
        }
        let chunk = metadata.row_group(group).column(position);
        let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        if start < 0 || chunk.compressed_size() < 0 {
            return Err(fault("a chunk of values", format!("{} bytes at {start}", chunk.compressed_size())));
        }
        if !is_built(chunk.compression()) {
            let codec = format!("{:?}", chunk.compression());
            let codec = codec.split('(').next().unwrap_or_default();
            let got = format!("{codec}: rewrite the file with snappy or zstd");
            return Err(fault("values compressed by snappy, zstd, gzip or LZ4", got));
        }
        let pages = guarded(|| {
            let pages = self.reader.get_row_group(group)?.get_column_page_reader(position)?;
            Ok(Checked::new(pages, descriptor.physical_type()))
        })
        .map_err(|got| fault("a chunk of values", got))?;
        let typed = Typed::new(&descriptor, pages);
        let typed = typed.ok_or_else(|| fault("numbers or texts", descriptor.physical_type().to_string()))?;
        Ok(Column::new(&self.file, name, &descriptor, typed))
    }
}

/// Whether the parquet crate is built with that codec.
fn is_built(codec: Compression) -> bool {
    match codec {
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::LZ4
        | Compression::LZ4_RAW
        | Compression::ZSTD(_) => true,
        Compression::BROTLI(_) | Compression::LZO => false,
    }
}

#[cfg(test)]
pub(super) mod tests;
