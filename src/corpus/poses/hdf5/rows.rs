//! A dataset read some rows at a time, so that a long recording is not held twice.

use hdf5_reader::DatasetChunkIterator;

use super::{Array, Container};
use crate::corpus::error::CorpusError;

/// The rows (along the first axis) of a dataset, in order.
pub(in crate::corpus::poses) struct Rows<'a> {
    container: &'a Container<'a>,
    array: Array<'a>,
    row_bytes: usize,
    source: Source,
    /// Bytes that were read; those from `used` on were not given out.
    buffer: Vec<u8>,
    used: usize,
}

enum Source {
    /// From this place of the file on.
    Contiguous(u64),
    /// Chunks of whole rows, of which the next must begin at that row.
    Chunks(Box<DatasetChunkIterator>, u64),
    /// All of it is in the buffer.
    Buffer,
}

impl<'a> Rows<'a> {
    /// # Errors
    /// A dataset that cannot be read.
    pub fn new(container: &'a Container<'a>, array: Array<'a>, element_bytes: usize) -> Result<Self, CorpusError> {
        let row_bytes = array.shape().iter().skip(1).product::<usize>() * element_bytes;
        let rows_are_whole = array.chunk_shape().is_some_and(|chunk| {
            chunk.len() == array.shape().len()
                && chunk.iter().zip(array.shape()).skip(1).all(|(chunk, length)| *chunk as usize == *length)
        });
        let mut buffer = Vec::new();
        let source = match array.contiguous() {
            Some(address) => Source::Contiguous(address),
            None if rows_are_whole => Source::Chunks(Box::new(array.chunks()?), 0),
            None => {
                buffer = array.bytes()?;
                Source::Buffer
            }
        };
        Ok(Self { container, array, row_bytes, source, buffer, used: 0 })
    }

    /// The bytes of the next `count` rows, which must be there.
    pub fn next(&mut self, count: usize) -> Result<&[u8], CorpusError> {
        let bytes = count.saturating_mul(self.row_bytes);
        if let Source::Contiguous(address) = &mut self.source {
            let piece = self.container.piece(self.array.name(), *address, bytes)?;
            *address = address.saturating_add(bytes as u64);
            self.buffer.clear();
            self.buffer.extend_from_slice(&piece);
            return Ok(&self.buffer);
        }
        if self.buffer.len() - self.used < bytes {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        while self.buffer.len() < self.used + bytes {
            self.chunk()?;
        }
        let start = self.used;
        self.used += bytes;
        Ok(&self.buffer[start..self.used])
    }

    /// Adds the next chunk to the buffer.
    fn chunk(&mut self) -> Result<(), CorpusError> {
        let absent = |array: &Array| array.fault("all its rows", "fewer");
        let Source::Chunks(chunks, row) = &mut self.source else { return Err(absent(&self.array)) };
        let chunk = chunks.next().ok_or_else(|| absent(&self.array))?;
        let chunk = chunk.map_err(|error| super::unreadable(self.container.file, self.array.name(), &error))?;
        if chunk.offsets().first() != Some(row) {
            return Err(self
                .array
                .fault(format_args!("rows from {row} on"), format!("a chunk at {:?}", chunk.offsets())));
        }
        *row += chunk.shape().first().copied().unwrap_or(0);
        if chunk.bytes().is_empty() {
            return Err(absent(&self.array));
        }
        self.buffer.extend_from_slice(chunk.bytes());
        Ok(())
    }
}
