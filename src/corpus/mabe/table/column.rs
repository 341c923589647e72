//! A column, batch by batch.

use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{
    ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::schema::types::ColumnDescPtr;

use super::lexicon::Lexicon;
use super::pages::{Checked, guarded};
use crate::corpus::error::{CorpusError, Place};

/// Bytes of a float of 16 bits.
const HALF_BYTES: i32 = 2;

/// From here on 32-bit floats leave whole numbers out, so that one may stand for another.
const WHOLE_SINGLE_END: f64 = 16_777_216.0;
/// The same of 64-bit floats.
const WHOLE_DOUBLE_END: f64 = 9_007_199_254_740_992.0;

/// A column of one row group.
pub struct Column<'a> {
    file: &'a Path,
    name: &'a str,
    unsigned: bool,
    typed: Typed,
}

pub enum Typed {
    Int32(Cursor<Int32Type>),
    Int64(Cursor<Int64Type>),
    Float(Cursor<FloatType>),
    Double(Cursor<DoubleType>),
    /// Two bytes each.
    Half(Cursor<FixedLenByteArrayType>),
    Text(Cursor<ByteArrayType>),
}

impl Typed {
    /// `None` for what is neither numbers nor texts.
    pub fn new(descriptor: &ColumnDescPtr, pages: Checked) -> Option<Self> {
        let is_half =
            || descriptor.type_length() == HALF_BYTES && descriptor.logical_type_ref() == Some(&LogicalType::Float16);
        Some(match descriptor.physical_type() {
            Physical::INT32 => Self::Int32(Cursor::new(descriptor.clone(), pages)),
            Physical::INT64 => Self::Int64(Cursor::new(descriptor.clone(), pages)),
            Physical::FLOAT => Self::Float(Cursor::new(descriptor.clone(), pages)),
            Physical::DOUBLE => Self::Double(Cursor::new(descriptor.clone(), pages)),
            Physical::BYTE_ARRAY => Self::Text(Cursor::new(descriptor.clone(), pages)),
            Physical::FIXED_LEN_BYTE_ARRAY if is_half() => Self::Half(Cursor::new(descriptor.clone(), pages)),
            _ => return None,
        })
    }
}

impl<'a> Column<'a> {
    pub fn new(file: &'a Path, name: &'a str, descriptor: &ColumnDescPtr, typed: Typed) -> Self {
        Self { file, name, unsigned: is_unsigned(descriptor), typed }
    }
}

impl Column<'_> {
    fn damaged(&self, row: u64, got: String) -> CorpusError {
        Place::row(self.file, row).fault(format!("values in the column {:?}", self.name), got)
    }

    fn mismatch(&self, expected: &str) -> CorpusError {
        let got = match self.typed {
            Typed::Int32(_) | Typed::Int64(_) => "whole numbers",
            Typed::Float(_) | Typed::Double(_) | Typed::Half(_) => "floating-point numbers",
            Typed::Text(_) => "texts",
        };
        Place::file(self.file).fault(format!("{expected} in the column {:?}", self.name), got)
    }

    /// That nothing is absent in what was just read from `row` on.
    fn complete(&self, absent: Option<usize>, row: u64, expected: &str) -> Result<(), CorpusError> {
        match absent {
            None => Ok(()),
            Some(index) => {
                let expected = format!("{expected} in the column {:?}", self.name);
                Err(Place::row(self.file, row + index as u64).fault(expected, "an empty cell"))
            }
        }
    }

    /// The next rows as whole numbers; floating-point ones that are whole are what pandas makes of a column of integers
    /// in which something was once absent.
    pub fn ints(&mut self, rows: usize, row: u64, into: &mut Vec<i64>) -> Result<(), CorpusError> {
        into.clear();
        let unsigned = self.unsigned;
        let read = match &mut self.typed {
            Typed::Int32(cursor) => cursor.read(rows).map(|()| {
                let widen = |&value: &i32| if unsigned { i64::from(value as u32) } else { i64::from(value) };
                into.extend(cursor.values.iter().map(widen));
                (cursor.absent(), Ok(()))
            }),
            Typed::Int64(cursor) => cursor.read(rows).map(|()| {
                // What is beyond the signed range is far beyond every limit, on either side.
                into.extend(cursor.values.iter().map(|&value| if unsigned && value < 0 { i64::MAX } else { value }));
                (cursor.absent(), Ok(()))
            }),
            Typed::Float(cursor) => cursor.read(rows).map(|()| {
                let values = cursor.values.iter().map(|&value| f64::from(value));
                (cursor.absent(), whole(values, WHOLE_SINGLE_END, into))
            }),
            Typed::Double(cursor) => cursor.read(rows).map(|()| {
                let values = cursor.values.iter().copied();
                (cursor.absent(), whole(values, WHOLE_DOUBLE_END, into))
            }),
            _ => return Err(self.mismatch("whole numbers")),
        };
        let (absent, whole) = read.map_err(|got| self.damaged(row, got))?;
        self.complete(absent, row, "a number")?;
        whole.map_err(|broken| {
            let expected = format!("{} in the column {:?}", broken.expected, self.name);
            Place::row(self.file, row + broken.index as u64).fault(expected, format!("{:?}", broken.got))
        })
    }

    /// The next rows as numbers, with NaN where one is absent.
    pub fn floats(&mut self, rows: usize, row: u64, into: &mut Vec<f32>) -> Result<(), CorpusError> {
        into.clear();
        let read = match &mut self.typed {
            Typed::Float(cursor) => cursor.read(rows).map(|()| cursor.spread(into, |value| *value)),
            Typed::Double(cursor) => cursor.read(rows).map(|()| cursor.spread(into, |value| *value as f32)),
            Typed::Half(cursor) => cursor.read(rows).map(|()| cursor.spread(into, half)),
            // Whole pixels are written as integers by some tools.
            Typed::Int32(cursor) => cursor.read(rows).map(|()| cursor.spread(into, |value| *value as f32)),
            Typed::Int64(cursor) => cursor.read(rows).map(|()| cursor.spread(into, |value| *value as f32)),
            Typed::Text(_) => return Err(self.mismatch("numbers")),
        };
        read.map_err(|got| self.damaged(row, got))
    }

    /// The next rows as codes into `names`.
    pub fn texts(
        &mut self,
        rows: usize,
        row: u64,
        lexicon: &mut Lexicon,
        names: &mut Vec<String>,
        into: &mut Vec<u32>,
    ) -> Result<(), CorpusError> {
        into.clear();
        let Typed::Text(cursor) = &mut self.typed else { return Err(self.mismatch("texts")) };
        let read = cursor.read(rows).map(|()| (cursor.absent(), lexicon.codes(&cursor.values, names, into)));
        let (absent, coded) = read.map_err(|got| self.damaged(row, got))?;
        self.complete(absent, row, "a text")?;
        coded.map_err(|index| self.damaged(row + index as u64, "a text that is no UTF-8".to_string()))
    }
}

/// The place in a column, with the values that were last read there.
pub struct Cursor<T: DataType> {
    reader: ColumnReaderImpl<T>,
    /// One for each row: 0 where the value is absent. Empty where none may be.
    levels: Vec<i16>,
    /// Those that are not absent.
    values: Vec<T::T>,
}

impl<T: DataType> Cursor<T> {
    fn new(descriptor: ColumnDescPtr, pages: Checked) -> Self {
        Self { reader: ColumnReaderImpl::new(descriptor, Box::new(pages)), levels: Vec::new(), values: Vec::new() }
    }

    /// Reads the next `rows` rows.
    fn read(&mut self, rows: usize) -> Result<(), String> {
        self.levels.clear();
        self.values.clear();
        let Self { reader, levels, values } = self;
        let (read, _, _) = guarded(|| reader.read_records(rows, Some(levels), None, values))?;
        if read == rows { Ok(()) } else { Err(format!("the end of the column after {read} of {rows} rows")) }
    }

    /// The first row of the last read that has no value.
    fn absent(&self) -> Option<usize> {
        self.levels.iter().position(|level| *level == 0)
    }

    /// The values of the last read, with NaN where one is absent.
    fn spread(&self, into: &mut Vec<f32>, convert: impl Fn(&T::T) -> f32) {
        let mut values = self.values.iter().map(convert);
        if self.values.len() >= self.levels.len() {
            into.extend(values);
        } else {
            let one = |level: &i16| if *level == 0 { f32::NAN } else { values.next().unwrap_or(f32::NAN) };
            into.extend(self.levels.iter().map(one));
        }
    }
}

/// A value that is not whole, the index of it and what should stand there.
struct Broken {
    index: usize,
    expected: String,
    got: f64,
}

/// Appends whole numbers of a size under `end`, at which floats begin to leave some out.
fn whole(values: impl Iterator<Item = f64>, end: f64, into: &mut Vec<i64>) -> Result<(), Broken> {
    for (index, got) in values.enumerate() {
        // NaN and the infinities have no fraction of 0.
        if got.fract() != 0.0 {
            return Err(Broken { index, expected: "a whole number".to_string(), got });
        }
        if got.abs() >= end {
            let expected = format!("a whole number under {end} (beyond it floats of this size leave some out)");
            return Err(Broken { index, expected, got });
        }
        into.push(got as i64);
    }
    Ok(())
}

/// A float of 16 bits (IEEE 754): sign, 5 bits of exponent, 10 of fraction; NaN where it is of another size.
fn half(value: &FixedLenByteArray) -> f32 {
    let &[low, high] = value.data() else { return f32::NAN };
    let bits = u16::from_le_bytes([low, high]);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f32.powi(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

fn is_unsigned(descriptor: &ColumnDescPtr) -> bool {
    let converted = matches!(
        descriptor.converted_type(),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
    );
    converted || matches!(descriptor.logical_type_ref(), Some(LogicalType::Integer(int)) if !int.is_signed)
}
