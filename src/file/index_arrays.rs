//! What the block index is written in: arrays of bytes, varints and words, without lengths, for
//! readers know how many of each there are.

use super::error::{FileError, Result};
use super::levels::{read_varint, write_varint};

pub(super) fn cut() -> FileError {
    FileError::corrupt("block index does not fit the table")
}

pub(super) fn sum(counts: &[usize]) -> Result<usize> {
    counts
        .iter()
        .try_fold(0usize, |sum, n| sum.checked_add(*n))
        .ok_or_else(cut)
}

/// Arrays of numbers, written one after another.
#[derive(Default)]
pub(super) struct Arrays(Vec<u8>);

impl Arrays {
    pub(super) fn bytes(&mut self, values: impl IntoIterator<Item = u8>) {
        self.0.extend(values);
    }

    pub(super) fn varints(&mut self, values: impl IntoIterator<Item = usize>) {
        values
            .into_iter()
            .for_each(|value| write_varint(value as u64, &mut self.0));
    }

    pub(super) fn numbers(&mut self, values: impl IntoIterator<Item = u64>) {
        values
            .into_iter()
            .for_each(|value| write_varint(value, &mut self.0));
    }

    /// 64-bit words, byte plane by byte plane: what they have in common lies together.
    pub(super) fn words(&mut self, values: impl Iterator<Item = u64>) {
        let values: Vec<u64> = values.collect();
        for plane in 0..8 {
            self.0
                .extend(values.iter().map(|value| (value >> (8 * plane)) as u8));
        }
    }

    /// The lengths of texts, then the texts.
    pub(super) fn texts<'a>(&mut self, texts: impl Iterator<Item = &'a str> + Clone) {
        self.varints(texts.clone().map(str::len));
        texts.for_each(|text| self.bytes(text.bytes()));
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The counterpart of [`Arrays`]. Lengths are checked against what is there before anything is
/// allocated.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<usize> {
        usize::try_from(read_varint(&mut self.0)?).map_err(|_| cut())
    }

    pub(super) fn varints(&mut self, n: usize) -> Result<Vec<usize>> {
        if n > self.0.len() {
            return Err(cut());
        }
        (0..n).map(|_| self.varint()).collect()
    }

    pub(super) fn numbers(&mut self, n: usize) -> Result<Vec<u64>> {
        if n > self.0.len() {
            return Err(cut());
        }
        (0..n).map(|_| read_varint(&mut self.0)).collect()
    }

    pub(super) fn words(&mut self, n: usize) -> Result<Vec<u64>> {
        let planes = self.bytes(n.checked_mul(8).ok_or_else(cut)?)?;
        let word = |i| {
            (0..8).fold(0, |word, plane| {
                word | u64::from(planes[plane * n + i]) << (8 * plane)
            })
        };
        Ok((0..n).map(word).collect())
    }

    /// Texts as [`Arrays::texts`] writes them.
    pub(super) fn texts(&mut self, n: usize) -> Result<Vec<String>> {
        let lens = self.varints(n)?;
        lens.into_iter()
            .map(|len| {
                let text = std::str::from_utf8(self.bytes(len)?).map_err(|_| cut())?;
                Ok(text.to_owned())
            })
            .collect()
    }

    /// Bytes that have not been read.
    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    /// All that has not been read.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// An error unless all has been read.
    pub(super) fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(cut())
        }
    }
}
