//! Texts as codes.

use std::collections::HashMap;

use parquet::data_type::ByteArray;

use super::NONE;

const RECENT: usize = 256;

/// Finds the codes of texts.
pub struct Lexicon {
    codes: HashMap<Vec<u8>, u32>,
    /// Texts that were just met, by where they lie in memory: those of a dictionary lie at few places.
    recent: [(usize, usize, u32); RECENT],
}

impl Default for Lexicon {
    fn default() -> Self {
        Self { codes: HashMap::new(), recent: [(0, 0, NONE); RECENT] }
    }
}

impl Lexicon {
    /// The codes of texts, which are added to `names` where they are new; the index of one that is no UTF-8 otherwise.
    pub fn codes(&mut self, texts: &[ByteArray], names: &mut Vec<String>, into: &mut Vec<u32>) -> Result<(), usize> {
        // An address says which text it is only while these are held.
        self.recent.fill((0, 0, NONE));
        for (index, text) in texts.iter().enumerate() {
            let bytes = text.data();
            let (address, length) = (bytes.as_ptr() as usize, bytes.len());
            let recent = &mut self.recent[(address ^ (address >> 8)) % RECENT];
            if (recent.0, recent.1) != (address, length) || recent.2 == NONE {
                let code = if let Some(&code) = self.codes.get(bytes) {
                    code
                } else {
                    let name = std::str::from_utf8(bytes).map_err(|_| index)?;
                    names.push(name.to_string());
                    self.codes.insert(bytes.to_vec(), names.len() as u32 - 1);
                    names.len() as u32 - 1
                };
                *recent = (address, length, code);
            }
            into.push(recent.2);
        }
        Ok(())
    }
}
