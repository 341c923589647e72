//! What is checked before the parquet crate decodes a page, as it would panic or allocate on trust.
//!
//! Limits: a page may claim up to 2 GiB, for which memory is asked (not filled, but with snappy) before it turns out too
//! short; one of gzip may grow to the 1,032-fold of its bytes first. Texts stored as differences of lengths or of prefixes are refused, as their decoder trusts a count in the data.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::basic::{Encoding, Type as Physical};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};

/// Runs code of the parquet crate; an error or a panic is told in words. The line that a panic prints is left, as what
/// prints it belongs to the whole process.
pub fn guarded<T>(code: impl FnOnce() -> ParquetResult<T>) -> Result<T, String> {
    // What the code leaves half done is dropped by every caller.
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ParquetError::General(error))) => Err(error),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("damaged data ({})", text.unwrap_or("the decoder gave up")))
        }
    }
}

/// The pages of a column chunk, each checked.
pub struct Checked {
    pages: Box<dyn PageReader>,
    physical: Physical,
    dictionary_seen: bool,
}

impl Checked {
    pub fn new(pages: Box<dyn PageReader>, physical: Physical) -> Self {
        Self { pages, physical, dictionary_seen: false }
    }

    fn check(&mut self, page: &Page) -> Result<(), String> {
        match page {
            Page::DictionaryPage { buf, num_values, .. } => {
                self.dictionary_seen = true;
                let bytes_each = match self.physical {
                    Physical::INT64 | Physical::DOUBLE => 8,
                    // The floats of 16 bits.
                    Physical::FIXED_LEN_BYTE_ARRAY => 2,
                    _ => 4,
                };
                if u64::from(*num_values) * bytes_each > buf.len() as u64 {
                    return Err(format!("a dictionary of {num_values} values in {} bytes", buf.len()));
                }
                Ok(())
            }
            Page::DataPage { encoding, def_level_encoding, .. } => {
                #[expect(deprecated, reason = "old files hold it")]
                if !matches!(def_level_encoding, Encoding::RLE | Encoding::BIT_PACKED) {
                    return Err(format!("levels encoded as {def_level_encoding}"));
                }
                self.check_encoding(*encoding)
            }
            Page::DataPageV2 { buf, encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
                if levels > buf.len() as u64 {
                    return Err(format!("{levels} bytes of levels in a page of {}", buf.len()));
                }
                self.check_encoding(*encoding)
            }
        }
    }

    fn check_encoding(&self, encoding: Encoding) -> Result<(), String> {
        let text = self.physical == Physical::BYTE_ARRAY;
        match encoding {
            Encoding::PLAIN => Ok(()),
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY if self.dictionary_seen => Ok(()),
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => Err("a page without its dictionary".to_string()),
            Encoding::BYTE_STREAM_SPLIT | Encoding::DELTA_BINARY_PACKED if !text => Ok(()),
            other => Err(format!(
                "values encoded as {other}, which is not read: rewrite the file with dictionaries or plain values"
            )),
        }
    }
}

impl PageReader for Checked {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            self.check(page).map_err(ParquetError::General)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pages.skip_next_page()
    }
}

impl Iterator for Checked {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
