//! Integers at a fixed width above the smallest, but for some that are kept apart: what decodes
//! fastest.
//!
//! Source: Zukowski et al., "Super-Scalar RAM-CPU Cache Compression" (ICDE 2006).
//!
//! ```text
//! low         zigzag varint
//! width       u8, at most 32
//! exceptions  number: varint; if any: stream of u32 gaps (first index, then distance to the one
//!             before, less 1), stream of their integers, i32
//! fields      of `width` bits, by groups of 256 integers: see `fields`
//! ```

use super::CodecError;
use super::bits::{unzigzag, zigzag};
use super::fields::{self, Fields, GROUP, MAX_WIDTH};
use super::payload::{self, Cursor};
use super::stream::{self, Delta};
use super::wide;

/// Bits of an exception, about; and of there being some.
const EXCEPTION_BITS: usize = 28;
const EXCEPTIONS_BITS: usize = 300;

/// How integers are framed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    low: i32,
    width: u32,
    /// Bits that it all takes, about.
    pub(super) bits: usize,
}

impl Frame {
    /// The frame that takes the fewest bits: it starts at the smallest integer, or leaves few
    /// below it.
    pub(super) fn of(integers: &[i32]) -> Self {
        /// Integers looked at for where the frame might start.
        const ROWS: usize = 2048;
        let step = integers.len().div_ceil(ROWS).max(1);
        let mut sample: Vec<i32> = integers.iter().step_by(step).copied().collect();
        sample.sort_unstable();
        let least = integers.iter().min().copied().unwrap_or(0);
        let at = |thousandths: usize| sample.get(sample.len() * thousandths / 1000).copied();
        let lows = [Some(least), at(2), at(10), at(40)];
        let frames = lows
            .into_iter()
            .flatten()
            .map(|low| Self::from(low, integers));
        let zero = Self {
            low: 0,
            width: 0,
            bits: 0,
        };
        frames.min_by_key(|frame| frame.bits).unwrap_or(zero)
    }

    /// The frame that all integers lie in.
    pub(super) fn spanning(integers: &[i32]) -> Self {
        let range = |(low, high): (i32, i32), x: &i32| (low.min(*x), high.max(*x));
        let (low, high) = integers.iter().fold((i32::MAX, i32::MIN), range);
        let width = match low <= high {
            true => 32 - above(high, low).leading_zeros(),
            false => 0,
        };
        Self {
            low,
            width,
            bits: integers.len() * width as usize,
        }
    }

    /// The best width above `low`.
    fn from(low: i32, integers: &[i32]) -> Self {
        let mut of_width = [0usize; MAX_WIDTH as usize + 1];
        for x in integers {
            of_width[(32 - above(*x, low).leading_zeros()) as usize] += 1;
        }
        let mut beyond = integers.len();
        let widths = of_width.iter().zip(0u32..).map(|(count, width)| {
            beyond -= count;
            let apart = beyond * EXCEPTION_BITS + EXCEPTIONS_BITS * usize::from(beyond > 0);
            (integers.len() * width as usize + apart, width)
        });
        let (bits, width) = widths.min().unwrap_or((0, 0));
        Self { low, width, bits }
    }

    /// Appends `integers`.
    pub(super) fn write(self, integers: &[i32], out: &mut Vec<u8>) {
        let mask = fields::mask(self.width);
        let exceptions: Vec<usize> = (0..integers.len())
            .filter(|i| above(integers[*i], self.low) > mask)
            .collect();
        payload::write_varint(zigzag(self.low).into(), out);
        out.push(self.width as u8);
        payload::write_varint(exceptions.len() as u64, out);
        if !exceptions.is_empty() {
            let mut next = 0;
            let gaps: Vec<u32> = exceptions
                .iter()
                .map(|i| (i - std::mem::replace(&mut next, i + 1)) as u32)
                .collect();
            let apart: Vec<i32> = exceptions.iter().map(|i| integers[*i]).collect();
            stream::write(&gaps, Delta::Order(0), out);
            stream::write(&apart, Delta::Order(0), out);
        }
        fields::write(
            integers.iter().map(|x| above(*x, self.low)),
            self.width,
            out,
        );
    }
}

/// Reads `n` integers that [`Frame::write`] wrote, and hands them to `sink` in pieces.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    n: usize,
    sink: &mut dyn FnMut(&mut [i32]),
) -> Result<(), CodecError> {
    /// Integers handed on at a time: whole groups that stay in the first-level cache.
    const PIECE: usize = 8 * GROUP;
    let low =
        u32::try_from(cursor.varint()?).map_err(|_| CodecError::corrupt("a frame's start"))?;
    let low = unzigzag(low);
    let width = u32::from(cursor.byte()?);
    if width > MAX_WIDTH {
        return Err(CodecError::corrupt(format!("integers of {width} bits")));
    }
    let exceptions = stream::read_apart::<i32>(cursor, n)?;
    let mut exceptions = exceptions.iter().peekable();
    let mut fields = Fields::open(cursor, n, width)?;
    let mut piece = [0; PIECE];
    for start in (0..n).step_by(PIECE) {
        let piece = &mut piece[..PIECE.min(n - start)];
        wide::run(
            #[inline(always)]
            || fields.next(low, piece),
        );
        let end = start + piece.len();
        while let Some((index, x)) = exceptions.next_if(|(index, _)| *index < end) {
            piece[index - start] = *x;
        }
        sink(piece);
    }
    Ok(())
}

/// How far `x` lies above `low`; what lies below is far above.
fn above(x: i32, low: i32) -> u32 {
    x.wrapping_sub(low) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(cursor: &mut Cursor<'_>, n: usize) -> Result<Vec<i32>, CodecError> {
        let mut integers = Vec::new();
        super::read(cursor, n, &mut |piece| integers.extend_from_slice(piece))?;
        Ok(integers)
    }

    fn coded(integers: &[i32]) -> Vec<u8> {
        let mut out = Vec::new();
        Frame::of(integers).write(integers, &mut out);
        out
    }

    proptest! {
        #[test]
        fn integers_come_back(
            shift in 0u32..32,
            far in prop::collection::vec((any::<prop::sample::Index>(), any::<i32>()), 0..9),
            mut integers in prop::collection::vec(any::<i32>(), 1..900),
        ) {
            integers.iter_mut().for_each(|x| *x >>= shift);
            for (at, x) in far {
                let at = at.index(integers.len());
                integers[at] = x;
            }
            let out = coded(&integers);
            let mut cursor = Cursor::new(&out);
            let read_back = read(&mut cursor, integers.len()).unwrap();
            prop_assert!(cursor.finish().is_ok());
            prop_assert_eq!(read_back, integers);
        }

        #[test]
        fn any_bytes_are_an_error_or_integers(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&mut Cursor::new(&bytes), 300);
        }
    }

    #[test]
    fn few_that_lie_far_out_are_kept_apart() {
        let mut integers: Vec<i32> = (0..4096).map(|i| i % 16).collect();
        integers[77] = i32::MAX;
        integers[99] = i32::MIN + 1;
        let frame = Frame::of(&integers);
        assert_eq!((frame.low, frame.width), (0, 4));
        assert!(coded(&integers).len() < 2048 + 64);
    }

    #[test]
    fn words_that_end_early_are_refused() {
        let out = coded(&[5, 6, 7, 900, -3]);
        for len in 0..out.len() {
            assert!(read(&mut Cursor::new(&out[..len]), 5).is_err());
        }
    }
}
