//! Flags of a recording, a bit each: hours of labels of many cells stay small.

use std::ops::Index;

/// A list of flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Eight flags a byte, the first lowest; bits past the end are 0.
    bytes: Vec<u8>,
    len: usize,
}

impl Flags {
    /// So many flags that are not set.
    pub fn new(len: usize) -> Self {
        Self { bytes: vec![0; len.div_ceil(8)], len }
    }

    /// Flags as [`Flags::bytes`] gave them; `None` where these are no `len` flags.
    pub fn from_bytes(bytes: Vec<u8>, len: usize) -> Option<Self> {
        let spare = bytes.len().checked_mul(8)?.checked_sub(len)?;
        let is_clear = spare == 0 || bytes.last().is_some_and(|last| last.leading_zeros() as usize >= spare);
        (spare < 8 && is_clear).then_some(Self { bytes, len })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// # Panics
    /// A place past the end.
    pub fn set(&mut self, at: usize) {
        assert!(at < self.len, "flag {at} of {}", self.len);
        self.bytes[at / 8] |= 1 << (at % 8);
    }

    /// More flags, which are not set.
    pub fn grow(&mut self, len: usize) {
        self.len = self.len.max(len);
        self.bytes.resize(self.len.div_ceil(8), 0);
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = bool> {
        (0..self.len).map(|at| self[at])
    }

    /// Whether any flag of a range is set.
    pub fn any(&self, mut range: std::ops::Range<usize>) -> bool {
        range.any(|at| self[at])
    }

    pub fn to_vec(&self) -> Vec<bool> {
        self.iter().collect()
    }
}

impl FromIterator<bool> for Flags {
    fn from_iter<I: IntoIterator<Item = bool>>(flags: I) -> Self {
        let (mut bytes, mut len) = (Vec::new(), 0);
        for flag in flags {
            if len % 8 == 0 {
                bytes.push(0);
            }
            bytes[len / 8] |= u8::from(flag) << (len % 8);
            len += 1;
        }
        Self { bytes, len }
    }
}

impl Index<usize> for Flags {
    type Output = bool;

    fn index(&self, at: usize) -> &bool {
        assert!(at < self.len, "flag {at} of {}", self.len);
        if self.bytes[at / 8] >> (at % 8) & 1 == 1 { &true } else { &false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_apart_and_come_back_from_their_bytes() {
        for len in [0, 1, 7, 8, 9, 64, 65] {
            let mut flags = Flags::new(len);
            (0..len).filter(|at| at % 3 == 1).for_each(|at| flags.set(at));
            assert_eq!((0..len).map(|at| at % 3 == 1).collect::<Flags>(), flags);
            let plain: Vec<bool> = (0..len).map(|at| at % 3 == 1).collect();
            assert_eq!(flags.to_vec(), plain);
            assert_eq!(flags.any(0..len), len > 1);
            assert_eq!(Flags::from_bytes(flags.bytes().to_vec(), len).as_ref(), Some(&flags));
            flags.grow(len + 9);
            assert!(flags.len() == len + 9 && !flags.any(len..len + 9));
        }
    }

    #[test]
    fn bytes_that_are_no_such_flags_are_refused() {
        for (bytes, len) in [(vec![1], 9), (vec![1, 0], 8), (vec![2], 1), (vec![], 1), (vec![0], 0)] {
            assert_eq!(Flags::from_bytes(bytes.clone(), len), None, "{bytes:?} {len}");
        }
    }
}
