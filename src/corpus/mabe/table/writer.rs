//! Writing flat tables, one row group at a time.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type};

use super::NONE;
use crate::corpus::error::CorpusError;

/// Texts that are handed to the encoder at once.
const TEXTS_AT_ONCE: usize = 8192;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Read back as 8 bits wide by those who know that annotation.
    Int8,
    Int32,
    Int64,
    Float,
    /// Many rows, few texts.
    Text,
    /// The same, where a text may be absent.
    TextOrNone,
}

/// The values of a column in a row group.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    Ints(&'a [i64]),
    Floats(&'a [f32]),
    /// Codes into the names; [`NONE`] is absent.
    Texts(&'a [String], &'a [u32]),
}

/// A parquet file (zstd), open for writing. It can be read only once it is finished.
pub struct Writer {
    file: PathBuf,
    writer: SerializedFileWriter<BufWriter<File>>,
}

impl Writer {
    /// # Errors
    /// A file that cannot be created.
    pub fn create(file: &Path, columns: &[(&str, Kind)]) -> Result<Self, CorpusError> {
        let out = File::create(file).map_err(|error| CorpusError::Io { file: file.to_path_buf(), error })?;
        let writer = schema(columns).and_then(|schema| {
            SerializedFileWriter::new(BufWriter::new(out), Arc::new(schema), Arc::new(properties(columns)))
        });
        Ok(Self { writer: writer.map_err(|error| failed(file, error))?, file: file.to_path_buf() })
    }

    /// Writes a row group: as many values for each column, in the order of the columns.
    ///
    /// # Errors
    /// What writing gives.
    pub fn group(&mut self, columns: &[Values]) -> Result<(), CorpusError> {
        self.try_group(columns).map_err(|error| failed(&self.file, error))
    }

    fn try_group(&mut self, columns: &[Values]) -> ParquetResult<()> {
        let mut group = self.writer.next_row_group()?;
        for values in columns {
            let Some(mut column) = group.next_column()? else { break };
            write_column(&mut column, values)?;
            column.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// What writing gives.
    pub fn finish(self) -> Result<(), CorpusError> {
        let Self { file, writer } = self;
        let mut out = writer.into_inner().map_err(|error| failed(&file, error))?;
        out.flush().map_err(|error| CorpusError::Io { file, error })
    }
}

fn failed(file: &Path, error: ParquetError) -> CorpusError {
    CorpusError::Io { file: file.to_path_buf(), error: io::Error::other(error) }
}

fn schema(columns: &[(&str, Kind)]) -> ParquetResult<Type> {
    let field = |&(name, kind): &(&str, Kind)| {
        let (physical, logical) = match kind {
            Kind::Int8 => (Physical::INT32, Some(LogicalType::integer(8, true))),
            Kind::Int32 => (Physical::INT32, None),
            Kind::Int64 => (Physical::INT64, None),
            Kind::Float => (Physical::FLOAT, None),
            Kind::Text | Kind::TextOrNone => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let repetition = if kind == Kind::TextOrNone { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        builder.with_logical_type(logical).build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<ParquetResult<Vec<_>>>()?;
    Type::group_type_builder("table").with_fields(fields).build()
}

fn properties(columns: &[(&str, Kind)]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("vibrissa".to_string());
    for &(name, kind) in columns {
        let path = ColumnPath::from(name);
        // A dictionary of coordinates or of ticks would be as long as the column.
        properties = match kind {
            Kind::Float => properties.set_column_dictionary_enabled(path, false),
            Kind::Int32 | Kind::Int64 => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            Kind::Int8 | Kind::Text | Kind::TextOrNone => properties,
        };
    }
    properties.build()
}

fn write_column(column: &mut SerializedColumnWriter, values: &Values) -> ParquetResult<()> {
    match *values {
        Values::Ints(ints) => {
            if matches!(column.untyped(), ColumnWriter::Int64ColumnWriter(_)) {
                column.typed::<Int64Type>().write_batch(ints, None, None)?;
            } else {
                let narrow: Vec<i32> = ints.iter().map(|&int| int as i32).collect();
                column.typed::<Int32Type>().write_batch(&narrow, None, None)?;
            }
        }
        Values::Floats(floats) => {
            column.typed::<FloatType>().write_batch(floats, None, None)?;
        }
        Values::Texts(names, codes) => {
            let names: Vec<ByteArray> = names.iter().map(|name| ByteArray::from(name.as_str())).collect();
            let (mut texts, mut levels) = (Vec::new(), Vec::new());
            for codes in codes.chunks(TEXTS_AT_ONCE) {
                texts.clear();
                texts.extend(codes.iter().filter_map(|&code| names.get(code as usize).cloned()));
                levels.clear();
                levels.extend(codes.iter().map(|&code| i16::from(code != NONE)));
                column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None)?;
            }
        }
    }
    Ok(())
}
