//! Repetition and definition levels of any depth, a byte each in memory: Parquet's RLE /
//! bit-packing hybrid.
//!
//! Physical pages hold them in the shortest form. Virtual pages hold one bit-packed run, whose length
//! follows from the number of levels alone.

use crate::file::error::{FileError, Result};
use crate::file::levels::{HybridEncoder, read_varint, write_varint};

/// Bits of levels up to `max`.
fn width(max: u8) -> usize {
    (u8::BITS - max.leading_zeros()) as usize
}

/// Appends levels in their shortest form, their length in front; nothing where all must be 0.
pub(super) fn write(levels: impl Iterator<Item = u8>, max: u8, out: &mut Vec<u8>) {
    if max == 0 {
        return;
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let mut encoder = HybridEncoder {
        width: width(max),
        literals: Vec::new(),
        out,
    };
    let (mut last, mut run) = (0, 0);
    for level in levels {
        if level != last && run > 0 {
            encoder.put(last, run);
            run = 0;
        }
        last = level;
        run += 1;
    }
    if run > 0 {
        encoder.put(last, run);
    }
    encoder.flush_literals();
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// No fewer bytes than [`write`] takes for `n` levels.
pub(super) fn most_bytes(n: usize, max: u8) -> usize {
    // A group of eight and a run of eight by turns.
    4 + (n / 8 + 1) * (width(max) + 3)
}

/// Reads `n` levels off the front of `page`; those beyond `max` are an error.
pub(super) fn read(page: &mut &[u8], n: usize, max: u8) -> Result<Vec<u8>> {
    if max == 0 {
        return Ok(vec![0; n]);
    }
    let (length, rest) = page.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (mut encoded, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    *page = rest;
    let width = width(max);
    let mut levels = Vec::with_capacity(n);
    while levels.len() < n {
        let header = read_varint(&mut encoded)?;
        let run = usize::try_from(header >> 1).map_err(|_| cut())?;
        if run == 0 {
            return Err(cut());
        }
        if header & 1 == 0 {
            let (level, rest) = encoded.split_first().ok_or_else(cut)?;
            encoded = rest;
            if run > n - levels.len() {
                return Err(cut());
            }
            levels.resize(levels.len() + run, *level);
        } else {
            let bytes = run.checked_mul(width).ok_or_else(cut)?;
            let (packed, rest) = encoded.split_at_checked(bytes).ok_or_else(cut)?;
            encoded = rest;
            unpack(packed, width, n, &mut levels);
        }
    }
    if !encoded.is_empty() || levels.iter().any(|level| *level > max) {
        return Err(cut());
    }
    Ok(levels)
}

/// Appends the levels of bit-packed groups of eight, until there are `n`.
fn unpack(packed: &[u8], width: usize, n: usize, levels: &mut Vec<u8>) {
    let mask = ((1u16 << width) - 1) as u8;
    for group in packed.chunks_exact(width) {
        let mut word = [0; 8];
        word[..width].copy_from_slice(group);
        let word = u64::from_le_bytes(word);
        let count = 8.min(n - levels.len());
        levels.extend((0..count).map(|i| (word >> (i * width)) as u8 & mask));
    }
}

/// Appends levels as one bit-packed run, their length in front; nothing where all must be 0.
pub(super) fn write_virtual(levels: &[u8], max: u8, out: &mut Vec<u8>) {
    if max == 0 {
        return;
    }
    let width = width(max);
    let groups = levels.len().div_ceil(8);
    let mut header = Vec::with_capacity(5);
    write_varint((groups as u64) << 1 | 1, &mut header);
    out.extend_from_slice(&((header.len() + groups * width) as u32).to_le_bytes());
    out.extend_from_slice(&header);
    for group in levels.chunks(8) {
        let word = group.iter().rev();
        let word = word.fold(0u64, |word, level| word << width | u64::from(*level));
        out.extend_from_slice(&word.to_le_bytes()[..width]);
    }
}

/// The length of what [`write_virtual`] writes.
pub(super) fn virtual_len(n: usize, max: u8) -> usize {
    if max == 0 {
        return 0;
    }
    let groups = n.div_ceil(8);
    let header = (groups as u64) << 1 | 1;
    4 + (64 - header.leading_zeros() as usize).div_ceil(7) + groups * width(max)
}

fn cut() -> FileError {
    FileError::corrupt("levels do not fit the page")
}
