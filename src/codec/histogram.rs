//! Frequencies of symbols: from counts to a description of a few bits a symbol, and from that to
//! the frequencies that coder and decoder use.

use super::bits::{BitReader, BitWriter, Number};
use super::rans::Frequencies;

/// A weight is a small number, or one with this many bits below the leading one: fewer cost less
/// to describe and fit the counts worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Precision(u32);

impl Precision {
    /// For `n` symbols by all tables.
    pub(super) fn of(n: usize) -> Self {
        Self(if n < 16_384 { 1 } else { 3 })
    }

    /// The nearest code of a frequency; 0 for 0 only.
    fn code(self, frequency: u32) -> u32 {
        let single = 2 << self.0;
        if frequency < single {
            return frequency;
        }
        let rounded = frequency + (1 << frequency.ilog2() >> (self.0 + 1));
        let exponent = rounded.ilog2();
        single
            + ((exponent - self.0 - 1) << self.0)
            + (rounded >> (exponent - self.0) & ((1 << self.0) - 1))
    }

    fn weight(self, code: u32) -> u32 {
        let single = 2 << self.0;
        if code < single {
            return code;
        }
        let exponent = ((code - single) >> self.0) + 1;
        // Codes of a reader may be anything; weights stay below 2^24.
        ((1 << self.0) + ((code - single) & ((1 << self.0) - 1))) << exponent.min(20)
    }
}

/// What the numbers of one description have in common.
pub(super) struct Models([[Number; 2]; 4]);

impl Models {
    pub(super) const NEW: Models = Models([const { [Number::NEW; 2] }; 4]);

    /// The model of a code, by the code before it and the code of the same symbol in the table
    /// before.
    fn of(&mut self, before: u32, above: u32) -> &mut Number {
        let row = match before {
            0 => 0,
            1..=2 => 1,
            3..=8 => 2,
            _ => 3,
        };
        &mut self.0[row][usize::from(above > 0)]
    }
}

/// Weights of `counts` for tables of 2^log slots: what is described of them.
pub(super) fn codes(counts: &[u32], log: u32, precision: Precision) -> Vec<u32> {
    let total: u64 = counts.iter().map(|c| u64::from(*c)).sum();
    let half = total / 2;
    counts
        .iter()
        .map(|count| {
            let scaled = ((u64::from(*count) << log) + half) / total.max(1);
            match count {
                0 => 0,
                _ => precision.code((scaled as u32).max(1)),
            }
        })
        .collect()
}

pub(super) fn write(
    codes: &[u32],
    above: Option<&[u32]>,
    models: &mut Models,
    out: &mut BitWriter,
) {
    let mut before = 0;
    for (symbol, &code) in codes.iter().enumerate() {
        let above = above.map_or(0, |above| above[symbol]);
        out.number(models.of(before, above), code);
        before = code;
    }
}

pub(super) fn read(
    symbols: usize,
    above: Option<&[u32]>,
    models: &mut Models,
    input: &mut BitReader<'_>,
) -> Vec<u32> {
    let mut before = 0;
    (0..symbols)
        .map(|symbol| {
            let above = above.map_or(0, |above| above.get(symbol).copied().unwrap_or(0));
            before = input.number(models.of(before, above));
            before
        })
        .collect()
}

/// Frequencies in proportion to the weights, none of those zero, adding up to 2^log; None where
/// that cannot be (no weights, or more symbols than slots).
pub(super) fn frequencies(codes: &[u32], log: u32, precision: Precision) -> Option<Frequencies> {
    let weights: Vec<u64> = codes
        .iter()
        .map(|code| u64::from(precision.weight(*code)))
        .collect();
    let total: u64 = weights.iter().sum();
    if total == 0 {
        return None;
    }
    let slots = 1i64 << log;
    let mut frequencies: Vec<i64> = weights
        .iter()
        .map(|weight| match weight {
            0 => 0,
            weight => ((((weight << log) + total / 2) / total) as i64).max(1),
        })
        .collect();
    let mut missing = slots - frequencies.iter().sum::<i64>();
    while missing != 0 {
        // The largest bears it best; the first of equals, on every platform.
        let (at, largest) = frequencies
            .iter()
            .enumerate()
            .rev()
            .max_by_key(|(_, frequency)| **frequency)
            .map(|(at, frequency)| (at, *frequency))?;
        let change = if missing > 0 {
            missing
        } else {
            missing.max(-(largest / 4).max(1))
        };
        if largest + change < 1 {
            return None;
        }
        frequencies[at] += change;
        missing -= change;
    }
    Some(frequencies.into_iter().map(|f| f as u16).collect())
}
