//! Fields of one width, in groups whose bits lie in eight lanes, as in Lemire and Boytsov's SIMD-BP128
//! (arXiv 1209.2137), so that one shift serves eight fields.
//!
//! A group is 256 fields, or what is left: lane i % 8 holds the i-th in its i / 8-th field.

use super::CodecError;
use super::payload::Cursor;

const LANES: usize = 8;
/// Fields of a group.
pub(super) const GROUP: usize = 32 * LANES;
/// Bits of a field, at most.
pub(super) const MAX_WIDTH: u32 = 32;

/// Appends the lowest `width` bits of each number.
pub(super) fn write(numbers: impl IntoIterator<Item = u32>, width: u32, out: &mut Vec<u8>) {
    let mut numbers = numbers.into_iter();
    loop {
        let mut words = [0u32; GROUP + LANES];
        let mut n = 0;
        for number in numbers.by_ref().take(GROUP) {
            let field = number & mask(width);
            let (word, shift) = place(n / LANES, width);
            words[word * LANES + n % LANES] |= field << shift;
            words[(word + 1) * LANES + n % LANES] |= field >> 1 >> (31 - shift);
            n += 1;
        }
        for word in &words[..bytes_of_group(n, width) / 4] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        if n < GROUP {
            return;
        }
    }
}

/// Fields that are read in order, in pieces.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    width: u32,
    n: usize,
    done: usize,
}

impl<'a> Fields<'a> {
    pub(super) const NONE: Self = Self {
        bytes: &[],
        width: 0,
        n: 0,
        done: 0,
    };

    /// `n` fields, at `cursor`.
    pub(super) fn open(cursor: &mut Cursor<'a>, n: usize, width: u32) -> Result<Self, CodecError> {
        let bytes = cursor.take(bytes_of(n, width))?;
        Ok(Self {
            bytes,
            width,
            n,
            done: 0,
        })
    }

    /// The next fields, each added to `low`, wrapping; zeros behind the last.
    #[inline(always)]
    pub(super) fn next(&mut self, low: i32, values: &mut [i32]) {
        let mut values = values;
        while !values.is_empty() {
            let skip = self.done % GROUP;
            let (piece, rest) = values.split_at_mut(values.len().min(GROUP - skip));
            let at = self.done / GROUP * bytes_of_group(GROUP, self.width);
            let bytes = self.bytes.get(at..).unwrap_or_default();
            let of_group = GROUP.min(self.n.saturating_sub(self.done - skip));
            if skip == 0 && piece.len() == of_group {
                read(bytes, low, self.width, piece);
            } else {
                // Pieces that end within a group are few.
                let mut group = [low; GROUP];
                read(bytes, low, self.width, &mut group[..of_group]);
                piece.copy_from_slice(&group[skip..skip + piece.len()]);
            }
            self.done += piece.len();
            values = rest;
        }
    }
}

/// The fields of one group, each added to `low`, wrapping; eight at a time. Bytes that are missing are
/// zeros.
#[inline(always)]
pub(super) fn read(bytes: &[u8], low: i32, width: u32, group: &mut [i32]) {
    let field = mask(width);
    let (words, _) = bytes.as_chunks::<4>();
    let (mut ahead, _) = words.as_chunks::<LANES>();
    let (rows, rest) = group.as_chunks_mut::<LANES>();
    let mut last = [0; LANES];
    let mut shift = 0;
    // From word to word: a loop over rows would be vectorized across them.
    for to in rows.iter_mut().chain([&mut last]) {
        // The last row reaches into no word behind the last; rows of no bits have no word.
        let (first, second) = match *ahead {
            [first, second, ..] => (first, second),
            [first] => (first, [[0; 4]; LANES]),
            [] => Default::default(),
        };
        let beyond = mask((shift + width).saturating_sub(32));
        // Masked apart, for a shift of 64 bits is not vectorized; and by arrays, which alias nothing.
        let lower = first.map(
            #[inline(always)]
            |word| (u32::from_le_bytes(word) >> shift) & field,
        );
        let upper = second.map(
            #[inline(always)]
            |word| (u32::from_le_bytes(word) & beyond) << ((32 - shift) % 32),
        );
        *to = std::array::from_fn(
            #[inline(always)]
            |lane| low.wrapping_add((lower[lane] | upper[lane]) as i32),
        );
        shift += width;
        if shift >= 32 {
            shift -= 32;
            ahead = ahead.get(1..).unwrap_or_default();
        }
    }
    rest.copy_from_slice(&last[..rest.len()]);
}

#[inline(always)]
pub(super) fn mask(width: u32) -> u32 {
    ((1u64 << width) - 1) as u32
}

/// The word of a lane, and the bit in it, that a row's field starts at. There are at most 32 rows.
#[inline(always)]
fn place(row: usize, width: u32) -> (usize, u32) {
    let bit = row as u32 * width;
    ((bit / 32) as usize % (GROUP / LANES), bit % 32)
}

/// Bytes of a group of `n` fields.
pub(super) fn bytes_of_group(n: usize, width: u32) -> usize {
    (n.div_ceil(LANES) * width as usize).div_ceil(32) * LANES * 4
}

/// Bytes of `n` fields.
pub(super) fn bytes_of(n: usize, width: u32) -> usize {
    n / GROUP * bytes_of_group(GROUP, width) + bytes_of_group(n % GROUP, width)
}

#[cfg(test)]
mod tests {
    use super::super::wide;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wide_or_not_is_the_same(
            low: i32,
            width in 0u32..=32,
            n in 1usize..=GROUP,
            bytes in prop::collection::vec(any::<u8>(), 4 * GROUP),
        ) {
            let (mut plain, mut widened) = (vec![0; n], vec![0; n]);
            let bytes = &bytes[..bytes_of_group(n, width)];
            read(bytes, low, width, &mut plain);
            wide::run(|| read(bytes, low, width, &mut widened));
            prop_assert_eq!(plain, widened);
        }

        #[test]
        fn fields_come_back(
            width in 0u32..=32,
            piece in 1usize..600,
            numbers in prop::collection::vec(any::<u32>(), 0..900),
        ) {
            let mut out = Vec::new();
            write(numbers.iter().copied(), width, &mut out);
            prop_assert_eq!(out.len(), bytes_of(numbers.len(), width));
            let mut cursor = Cursor::new(&out);
            let mut fields = Fields::open(&mut cursor, numbers.len(), width).unwrap();
            prop_assert!(cursor.finish().is_ok());
            for numbers in numbers.chunks(piece) {
                let mut values = vec![0; numbers.len()];
                fields.next(7, &mut values);
                for (x, number) in values.into_iter().zip(numbers) {
                    prop_assert_eq!(x, 7i32.wrapping_add((number & mask(width)) as i32));
                }
            }
        }
    }
}
