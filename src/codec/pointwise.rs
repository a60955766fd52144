//! Blocks under a point-wise relative bound: logarithms on a uniform grid ([`LogGrid`]).
//!
//! ```text
//! LogQuantized32,  step: upper half of an f64, 4 bytes LE
//! LogQuantized64:  base: varint, zigzag
//!                  outliers, as of other quantized kinds
//!                  stream of i32 or i64: a code for each value; an outlier repeats the one before
//! ```

use super::decode::{dequantize, read_outliers, read_step};
use super::element::{Element, Float};
use super::encode::{Block, check_length};
use super::integers::{Extremes, Quantized, Summary};
use super::log_grid::{self, LogGrid};
use super::payload::{self, Cursor, PayloadKind};
use super::{CodecError, ErrorBound, quantize};

/// Integers that codes are stored as.
trait Code: Element + Default + Into<i64> {
    fn from_f64(code: f64) -> Self;
    fn to_f64(self) -> f64;
}

impl Code for i32 {
    #[inline(always)]
    fn from_f64(code: f64) -> i32 {
        // Adding the rounder leaves an integer below 2^51 in the low bits, without a conversion
        // that checks for NaN, which does not vectorize.
        (code + quantize::ROUNDER).to_bits() as i32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Code for i64 {
    #[inline(always)]
    fn from_f64(code: f64) -> i64 {
        code as i64
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self as f64
    }
}

impl Block {
    /// A block to be coded so that every reconstruction x' of a value x keeps
    /// `|x - x'| <= ratio * |x|`; zeros, NaN payloads and infinities are kept bit-exactly, signs too.
    ///
    /// Takes the lossless form where that is smaller or the only one that keeps the bound, as it is
    /// for ratios near the spacing of the element type and below.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] for more than [`MAX_BLOCK_VALUES`](super::MAX_BLOCK_VALUES) values,
    /// and [`CodecError::InvalidBound`] unless `0 <= ratio < 1`.
    pub fn pointwise<F: Float>(values: &[F], ratio: f64) -> Result<Self, CodecError> {
        check_length(values.len())?;
        ErrorBound::pointwise_rel(ratio)?;
        let (least, largest) = magnitudes(values);
        let grid = if least <= largest {
            LogGrid::new::<F>(ratio, least)
        } else {
            // Nothing but zeros, NaN and infinities: any grid will do.
            LogGrid::new::<F>(0.5, 1.0)
        };
        let Some(grid) = grid.filter(|_| ratio > 0.0) else {
            return Self::exact(values);
        };
        let (_, highest) = grid.level(largest.max(least), 1.0 / grid.step);
        Ok(if highest - grid.base < i64::from(i32::MAX - 1) {
            let coded = code_all::<F, i32>(values, ratio, grid);
            let head = head(grid, &coded.quanta);
            Self::of_32(PayloadKind::LogQuantized32, head, values, coded, None)
        } else {
            let coded = code_all::<F, i64>(values, ratio, grid);
            let head = head(grid, &coded.quanta);
            Self::of_64(PayloadKind::LogQuantized64, head, values, coded)
        })
    }
}

/// What a payload says before its outliers and codes.
fn head<C: Code>(grid: LogGrid, codes: &[C]) -> Vec<u8> {
    let mut head = quantize::step_to_bytes(grid.step).to_vec();
    let (low, high) = span(codes);
    for number in [grid.base, low, high] {
        payload::write_varint(zigzag(number), &mut head);
    }
    head
}

/// The least and the largest finite magnitude above zero; infinity and 0 if there is none.
fn magnitudes<F: Float>(values: &[F]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, 0.0), |(least, largest), x| {
            let magnitude = x.to_f64().abs();
            let counts = (magnitude > 0.0) & (magnitude < f64::INFINITY);
            (
                if counts & (magnitude < least) {
                    magnitude
                } else {
                    least
                },
                if counts & (magnitude > largest) {
                    magnitude
                } else {
                    largest
                },
            )
        })
}

/// The smallest and the largest code; zeros if there is none.
fn span<C: Code>(codes: &[C]) -> (i64, i64) {
    let codes = codes.iter().map(|code| (*code).into());
    codes
        .fold(None, |span, code: i64| match span {
            None => Some((code, code)),
            Some((low, high)) => Some((code.min(low), code.max(high))),
        })
        .unwrap_or((0, 0))
}

/// Values coded at a time.
const CHUNK: usize = 256;

fn code_all<F: Float, C: Code>(values: &[F], ratio: f64, grid: LogGrid) -> Quantized<F, C> {
    let inverse_step = 1.0 / grid.step;
    let mut codes = vec![C::default(); values.len()];
    let mut outliers = Vec::new();
    let mut kept = Extremes::NONE;
    let mut distances = [0.0; CHUNK];
    for (index, (values, codes)) in values
        .chunks(CHUNK)
        .zip(codes.chunks_mut(CHUNK))
        .enumerate()
    {
        let distances = &mut distances[..values.len()];
        let chunk = code_chunk(values, codes, distances, inverse_step, ratio, grid);
        if chunk.worst < f64::INFINITY {
            kept.add(chunk);
            continue;
        }
        for (i, (worst, code)) in distances.iter().zip(codes).enumerate() {
            if *worst < f64::INFINITY {
                let y = grid.reconstruct::<F>(code.to_f64()).to_f64();
                kept.add(Extremes {
                    worst: *worst,
                    min: y,
                    max: y,
                });
            } else {
                outliers.push((index * CHUNK + i) as u32);
            }
        }
    }
    let mut summary = Summary::new();
    if kept.min <= kept.max {
        summary.add(F::from_f64(kept.min));
        summary.add(F::from_f64(kept.max));
    }
    for i in &outliers {
        let i = *i as usize;
        codes[i] = if i == 0 { C::default() } else { codes[i - 1] };
        summary.add(values[i]);
    }
    Quantized {
        quanta: codes,
        outliers,
        max_error: kept.worst,
        summary,
    }
}

/// Codes up to [`CHUNK`] values, with the distance of each, infinite for what must be an outlier;
/// the extremes hold, and their `worst` is finite, if there is none. Step by step, each free of
/// branches, so that all but the last vectorize.
fn code_chunk<F: Float, C: Code>(
    values: &[F],
    codes: &mut [C],
    distances: &mut [f64],
    inverse_step: f64,
    ratio: f64,
    grid: LogGrid,
) -> Extremes {
    let mut exact = [0.0; CHUNK];
    let mut stored = [0.0; CHUNK];
    let (exact, stored) = (&mut exact[..values.len()], &mut stored[..values.len()]);
    for (exact, x) in exact.iter_mut().zip(values) {
        *exact = x.to_f64();
    }
    for (code, x) in stored.iter_mut().zip(&*exact) {
        *code = grid.code(*x, inverse_step);
    }
    // By way of the code as it is stored: what does not fit it, shows.
    for (to, code) in codes.iter_mut().zip(&*stored) {
        *to = C::from_f64(*code);
    }
    for (code, from) in stored.iter_mut().zip(&*codes) {
        *code = from.to_f64();
    }
    for code in &mut *stored {
        *code = grid.reconstruct::<F>(*code).to_f64();
    }
    for ((distance, x), y) in distances.iter_mut().zip(&*exact).zip(&*stored) {
        *distance = log_grid::distance(*x, *y, ratio);
    }
    let mut extremes = Extremes::NONE;
    for (worst, y) in distances.iter().zip(&*stored) {
        extremes.add(Extremes {
            worst: *worst,
            min: *y,
            max: *y,
        });
    }
    extremes
}

/// What makes values of codes.
pub(super) struct Levels {
    grid: LogGrid,
    low: i64,
    high: i64,
}

impl Levels {
    pub(super) fn read(body: &mut Cursor<'_>) -> Result<Self, CodecError> {
        let step = read_step(body)?;
        let [base, low, high] = [body.varint()?, body.varint()?, body.varint()?].map(unzigzag);
        Ok(Self {
            grid: LogGrid::stored(step, base),
            low,
            high,
        })
    }

    /// The values of `codes`.
    pub(super) fn each<F: Float>(&self, codes: &[i32], mut value: impl FnMut(F)) {
        let codes_in_all = codes.len();
        match Table::new(self.grid, self.low, self.high, codes_in_all) {
            Some(table) => codes
                .iter()
                .for_each(|code| value(table.value((*code).into()))),
            None => codes
                .iter()
                .for_each(|code| value(self.grid.reconstruct(code.to_f64()))),
        }
    }
}

/// Reads the body of a payload of 64-bit codes.
pub(super) fn decode_64<F: Float>(
    body: &mut Cursor<'_>,
    n: usize,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), CodecError> {
    let Levels { grid, low, high } = Levels::read(body)?;
    let outliers = read_outliers::<F>(body, n)?;
    match Table::<F>::new(grid, low, high, n) {
        Some(table) => dequantize(body, n, &outliers, |code: i64| table.value(code), sink),
        None => dequantize(
            body,
            n,
            &outliers,
            |code: i64| grid.reconstruct::<F>(code.to_f64()),
            sink,
        ),
    }
}

/// The values of all codes of a block, where they are few: looking up is several times faster than
/// computing.
struct Table<F> {
    low: i64,
    values: Vec<F>,
}

impl<F: Float> Table<F> {
    /// None where a table does not pay for itself over `n` values.
    fn new(grid: LogGrid, low: i64, high: i64, n: usize) -> Option<Self> {
        const MAX_CODES: u64 = 1 << 15;
        let codes = high
            .checked_sub(low)?
            .try_into()
            .ok()
            .filter(|codes: &u64| *codes < MAX_CODES && *codes < n as u64 / 4)?;
        let value = |i| grid.reconstruct(low.wrapping_add(i as i64) as f64);
        Some(Self {
            low,
            values: (0..=codes).map(value).collect(),
        })
    }

    /// Codes outside the span, which only a forged payload can hold, are taken for its end.
    #[inline(always)]
    fn value(&self, code: i64) -> F {
        let last = self.values.len() - 1;
        self.values[(code.wrapping_sub(self.low) as u64).min(last as u64) as usize]
    }
}

/// Small numbers of either sign as small ones: 0, -1, 1, -2.
fn zigzag(x: i64) -> u64 {
    ((x << 1) ^ (x >> 63)) as u64
}

fn unzigzag(x: usize) -> i64 {
    let x = x as u64;
    (x >> 1) as i64 ^ -((x & 1) as i64)
}
