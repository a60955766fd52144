//! Definition levels: Parquet's RLE / bit-packing hybrid, for the two shapes that packed pages use.
//!
//! Physical pages of a packed column have a level for each row: null, non-null, or "non-null and
//! the payload is here". Virtual pages have one validity bit for each row. (Those of
//! [nested](super::nested) columns have levels of their own.)
//! (<https://parquet.apache.org/docs/file-format/data-pages/encodings/>)

use super::error::{FileError, Result};

/// Appends the physical levels of a block, with their length in front, to `out`.
///
/// `validity` has a bit for each row, least significant first; None stands for no nulls. The
/// level of nulls is 0 and exists only where the column is `nullable`.
pub(super) fn write_physical(
    rows: usize,
    validity: Option<&[u8]>,
    nullable: bool,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let (present, payload) = if nullable { (1, 2) } else { (0, 1) };
    let mut encoder = HybridEncoder {
        width: if nullable { 2 } else { 1 },
        literals: Vec::new(),
        out,
    };
    let mut payload_seen = false;
    let mut row = 0;
    while row < rows {
        let level = match validity {
            Some(bits) if !bit(bits, row) => 0,
            _ if payload_seen => present,
            _ => payload,
        };
        payload_seen |= level == payload;
        let run = match validity {
            _ if level == payload => 1,
            None => rows - row,
            Some(bits) => (row..rows)
                .take_while(|i| bit(bits, *i) == bit(bits, row))
                .count(),
        };
        encoder.put(level, run);
        row += run;
    }
    encoder.flush_literals();
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Reads the physical levels in front of `page`; returns the validity bits of its `rows`, the
/// number of non-null rows, and how long the levels were.
pub(super) fn read_physical(
    page: &[u8],
    rows: usize,
    nullable: bool,
) -> Result<(Vec<u8>, usize, usize)> {
    let (length, rest) = page.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = u32::from_le_bytes(*length) as usize;
    let mut levels = rest.get(..length).ok_or_else(cut)?;
    let mut bits = vec![0u8; rows.div_ceil(8)];
    let (mut row, mut valid) = (0, 0);
    let mut set = |row: usize, level: u8| {
        if level > 0 || !nullable {
            bits[row / 8] |= 1 << (row % 8);
            valid += 1;
        }
    };
    let width = if nullable { 2 } else { 1 };
    while row < rows {
        let header = read_varint(&mut levels)?;
        let run = (header >> 1) as usize;
        if header & 1 == 0 {
            let (level, rest) = levels.split_first().ok_or_else(cut)?;
            levels = rest;
            let end = row
                .checked_add(run)
                .filter(|end| *end <= rows && run > 0)
                .ok_or_else(cut)?;
            (row..end).for_each(|row| set(row, *level));
            row = end;
        } else {
            let bytes = run.checked_mul(width).ok_or_else(cut)?;
            let (packed, rest) = levels.split_at_checked(bytes).ok_or_else(cut)?;
            levels = rest;
            let end = rows.min(row + run * 8);
            if run == 0 {
                return Err(cut());
            }
            for (i, row) in (row..end).enumerate() {
                let at = i * width;
                set(row, (packed[at / 8] >> (at % 8)) & ((1 << width) - 1));
            }
            row = end;
        }
    }
    Ok((bits, valid, 4 + length))
}

/// Appends validity bits as the levels of a virtual page: one bit-packed run, whose length follows
/// from the number of rows alone.
pub(super) fn write_virtual(rows: usize, validity: &[u8], out: &mut Vec<u8>) {
    let groups = rows.div_ceil(8);
    let mut run = Vec::with_capacity(5);
    write_varint((groups as u64) << 1 | 1, &mut run);
    out.extend_from_slice(&((run.len() + groups) as u32).to_le_bytes());
    out.extend_from_slice(&run);
    out.extend_from_slice(&validity[..groups]);
}

/// The length of what [`write_virtual`] writes.
pub(super) fn virtual_len(rows: usize) -> usize {
    let groups = rows.div_ceil(8);
    let header = (groups as u64) << 1 | 1;
    4 + (64 - header.leading_zeros() as usize).div_ceil(7) + groups
}

fn bit(bits: &[u8], i: usize) -> bool {
    bits[i / 8] >> (i % 8) & 1 == 1
}

fn cut() -> FileError {
    FileError::corrupt("definition levels do not fit the page")
}

/// Runs of 8 and more become RLE runs, the rest bit-packed groups of 8.
pub(super) struct HybridEncoder<'a> {
    /// Bits of a level, 8 at most.
    pub(super) width: usize,
    pub(super) literals: Vec<u8>,
    pub(super) out: &'a mut Vec<u8>,
}

impl HybridEncoder<'_> {
    pub(super) fn put(&mut self, level: u8, mut run: usize) {
        // A group that has begun must be filled before an RLE run may start.
        let fill = run.min((8 - self.literals.len() % 8) % 8);
        self.literals.extend(std::iter::repeat_n(level, fill));
        run -= fill;
        if run >= 8 {
            self.flush_literals();
            write_varint((run as u64) << 1, self.out);
            self.out.push(level);
        } else {
            self.literals.extend(std::iter::repeat_n(level, run));
        }
    }

    pub(super) fn flush_literals(&mut self) {
        if self.literals.is_empty() {
            return;
        }
        let groups = self.literals.len().div_ceil(8);
        self.literals.resize(groups * 8, 0);
        write_varint((groups as u64) << 1 | 1, self.out);
        for group in self.literals.chunks(8) {
            let packed = group.iter().rev().fold(0u64, |packed, level| {
                packed << self.width | u64::from(*level)
            });
            self.out
                .extend_from_slice(&packed.to_le_bytes()[..self.width]);
        }
        self.literals.clear();
    }
}

pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn read_varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(cut)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok(value);
        }
    }
    Err(cut())
}
