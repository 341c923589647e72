//! Datasets and attributes as numbers and texts.

use std::path::Path;

use hdf5_reader::error::ByteOrder;
use hdf5_reader::{Attribute, Dataset, DatasetChunkIterator, Datatype};

use super::{Container, unreadable};
use crate::corpus::error::{CorpusError, Place, quoted};

/// A dataset whose size was found to be one that the file can hold.
pub(in crate::corpus::poses) struct Array<'a> {
    file: &'a Path,
    name: String,
    dataset: Dataset,
    shape: Vec<usize>,
    /// Where its bytes begin, if they lie in one piece and as they are.
    contiguous: Option<u64>,
}

/// How many bytes are read at a time: few enough to stay in the cache.
const PIECE_BYTES: usize = 1 << 18;

impl<'a> Array<'a> {
    /// # Errors
    /// A shape of more than `bytes_max` bytes.
    pub(super) fn new(
        file: &'a Path,
        name: &str,
        dataset: Dataset,
        bytes_max: u64,
        contiguous: Option<u64>,
    ) -> Result<Self, CorpusError> {
        let size = dataset.raw_element_size().map_err(|error| unreadable(file, name, &error))?;
        let bytes = dataset.shape().iter().try_fold(size as u64, |bytes, length| bytes.checked_mul(*length));
        let shape: Option<Vec<usize>> = dataset.shape().iter().map(|length| usize::try_from(*length).ok()).collect();
        match (bytes, shape) {
            (Some(bytes), Some(shape)) if bytes <= bytes_max => {
                Ok(Self { file, name: name.to_string(), dataset, shape, contiguous })
            }
            _ => {
                let expected = format!("at most the {bytes_max} bytes of {} that the file can hold", quoted(name));
                Err(Place::file(file).fault(expected, format!("the shape {:?} of {size} bytes each", dataset.shape())))
            }
        }
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its bytes begin, if they lie in one piece and as they are.
    pub(super) fn contiguous(&self) -> Option<u64> {
        self.contiguous
    }

    /// Its chunks in the order of the file's index.
    pub(super) fn chunks(&self) -> Result<DatasetChunkIterator, CorpusError> {
        self.dataset.iter_chunks().map_err(|error| unreadable(self.file, &self.name, &error))
    }

    /// The shape of its chunks; `None` where it has none.
    pub(super) fn chunk_shape(&self) -> Option<Vec<u32>> {
        self.dataset.chunks()
    }

    pub fn attribute(&self, name: &str) -> Option<Attribute> {
        self.dataset.attribute(name).ok()
    }

    pub fn datatype(&self) -> &Datatype {
        self.dataset.dtype()
    }

    /// # Errors
    /// A fault of this dataset as a whole.
    pub fn fault(&self, expected: impl std::fmt::Display, got: impl Into<String>) -> CorpusError {
        Place::file(self.file).fault(format!("{} with {expected}", quoted(&self.name)), got)
    }

    /// The bytes of all elements, row-major, in the byte order of the file.
    pub fn bytes(&self) -> Result<Vec<u8>, CorpusError> {
        self.dataset.read_raw_bytes().map_err(|error| unreadable(self.file, &self.name, &error))
    }

    /// How the elements are to be read as numbers.
    pub fn number(&self) -> Result<Number, CorpusError> {
        Number::of(self.datatype()).ok_or_else(|| self.fault("numbers", kind(self.datatype())))
    }

    /// All elements, row-major.
    pub fn floats(&self, container: &Container) -> Result<Vec<f32>, CorpusError> {
        let number = self.number()?;
        let count: usize = self.shape.iter().product();
        let mut floats = Vec::with_capacity(count);
        let Some(address) = self.contiguous else {
            number.floats(&self.bytes()?, &mut floats);
            return Ok(floats);
        };
        let bytes = count * number.size;
        for start in (0..bytes).step_by(PIECE_BYTES) {
            let length = PIECE_BYTES.min(bytes - start);
            let piece = container.piece(&self.name, address.saturating_add(start as u64), length)?;
            number.floats(&piece, &mut floats);
        }
        Ok(floats)
    }

    /// All elements of a list of at most `count_max` texts.
    pub fn texts(&self, count_max: usize) -> Result<Vec<String>, CorpusError> {
        if !matches!(self.datatype(), Datatype::String { .. } | Datatype::VarLen { .. }) {
            return Err(self.fault("texts", kind(self.datatype())));
        }
        // Many texts of variable length may be one and the same place of the file.
        if self.shape.len() != 1 || self.shape[0] > count_max {
            let expected = format!("one dimension of at most {count_max}");
            return Err(self.fault(expected, format!("the shape {:?}", self.shape)));
        }
        self.dataset.read_strings().map_err(|error| unreadable(self.file, &self.name, &error))
    }
}

/// What a datatype is, as an error shows it.
pub(in crate::corpus::poses) fn kind(datatype: &Datatype) -> String {
    match datatype {
        Datatype::FixedPoint { size, .. } => format!("integers of {size} bytes"),
        Datatype::FloatingPoint { size, .. } => format!("floats of {size} bytes"),
        Datatype::String { .. } => "texts".to_string(),
        Datatype::Compound { .. } => "records".to_string(),
        Datatype::VarLen { .. } => "elements of variable length".to_string(),
        _ => "another datatype".to_string(),
    }
}

/// A number as the file stores it.
#[derive(Clone, Copy)]
pub(in crate::corpus::poses) struct Number {
    /// 4 or 8 where it is a float; 1, 2, 4 or 8 where it is an integer.
    pub size: usize,
    float: bool,
    signed: bool,
    big_endian: bool,
}

impl Number {
    pub fn of(datatype: &Datatype) -> Option<Self> {
        let (size, float, signed, order) = match datatype {
            Datatype::FloatingPoint { size: size @ (4 | 8), byte_order } => (*size, true, true, byte_order),
            Datatype::FixedPoint { size: size @ (1 | 2 | 4 | 8), signed, byte_order } => {
                (*size, false, *signed, byte_order)
            }
            _ => return None,
        };
        Some(Self { size: size.into(), float, signed, big_endian: matches!(order, ByteOrder::BigEndian) })
    }

    /// Appends the numbers in `bytes`, nearest in single precision.
    pub fn floats(self, bytes: &[u8], floats: &mut Vec<f32>) {
        if self.float && !self.big_endian {
            match self.size {
                4 => floats.extend(bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word))),
                _ => floats.extend(bytes.as_chunks().0.iter().map(|word| f64::from_le_bytes(*word) as f32)),
            }
            return;
        }
        floats.extend(
            bytes
                .chunks_exact(self.size)
                .map(|word| if self.float { self.float(word) as f32 } else { self.signed_integer(word) as f32 }),
        );
    }

    /// A number as a whole number, where it is one that fits.
    pub fn integer(self, word: &[u8]) -> Option<i64> {
        if self.float {
            let float = self.float(word);
            let whole = float.fract() == 0.0 && float.abs() < 2_f64.powi(53);
            return whole.then_some(float as i64);
        }
        i64::try_from(self.signed_integer(word)).ok()
    }

    /// A number as text.
    pub fn shown(self, word: &[u8]) -> String {
        if self.float { self.float(word).to_string() } else { self.signed_integer(word).to_string() }
    }

    fn float(self, word: &[u8]) -> f64 {
        let bits = self.bits(word);
        if self.size == 4 { f32::from_bits(bits as u32).into() } else { f64::from_bits(bits) }
    }

    fn signed_integer(self, word: &[u8]) -> i128 {
        let bits = self.bits(word);
        let unused = 64 - 8 * self.size as u32;
        if self.signed { (((bits << unused) as i64) >> unused).into() } else { bits.into() }
    }

    fn bits(self, word: &[u8]) -> u64 {
        let fold = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
        let word = &word[..self.size];
        if self.big_endian { word.iter().fold(0, fold) } else { word.iter().rev().fold(0, fold) }
    }
}

/// An attribute's text; `None` where it holds something else.
pub(in crate::corpus::poses) fn text(attribute: &Attribute) -> Option<String> {
    attribute.read_string().ok().map(|text| text.trim_end_matches('\0').to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_kind_are_read() {
        let integer =
            |size, signed, byte_order| Number::of(&Datatype::FixedPoint { size, signed, byte_order }).unwrap();
        let float = |size, byte_order| Number::of(&Datatype::FloatingPoint { size, byte_order }).unwrap();
        let (little, big) = (ByteOrder::LittleEndian, ByteOrder::BigEndian);
        for (number, word, wanted) in [
            (integer(1, true, little), &(-3_i8).to_le_bytes()[..], -3),
            (integer(1, false, little), &200_u8.to_le_bytes(), 200),
            (integer(2, true, big), &(-300_i16).to_be_bytes(), -300),
            (integer(4, true, little), &(-70_000_i32).to_le_bytes(), -70_000),
            (integer(8, true, big), &(-5_000_000_000_i64).to_be_bytes(), -5_000_000_000),
            (float(4, little), &7_f32.to_le_bytes(), 7),
            (float(4, big), &7_f32.to_be_bytes(), 7),
            (float(8, little), &(-9_f64).to_le_bytes(), -9),
            (float(8, big), &(-9_f64).to_be_bytes(), -9),
        ] {
            assert_eq!(number.integer(word), Some(wanted));
            assert_eq!(number.shown(word), wanted.to_string());
            let mut floats = Vec::new();
            number.floats(word, &mut floats);
            assert_eq!(floats, [wanted as f32]);
        }
        assert_eq!(integer(8, false, little).integer(&u64::MAX.to_le_bytes()), None);
        assert_eq!(float(8, little).integer(&1.5_f64.to_le_bytes()), None);
        assert_eq!(float(8, little).integer(&f64::NAN.to_le_bytes()), None);
        assert!(Number::of(&Datatype::FloatingPoint { size: 2, byte_order: little }).is_none());
    }
}
