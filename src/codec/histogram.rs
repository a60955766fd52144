//! Frequencies of symbols: from counts to a description of a few bits a symbol, and from that to
//! the frequencies that coder and decoder use.

use super::bits::{Bit, BitReader, BitWriter, Number, unzigzag, zigzag};
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

/// What the descriptions of a payload's tables have in common.
pub(super) struct Models {
    first: Number,
    /// Symbols without a code at the start, and at the end.
    ends: [Number; 2],
    /// Whether a symbol has a code, by whether the one before has, and the same one in the table before.
    some: [[Bit; 2]; 2],
    /// How far codes are off, by how far the one before was, and by the same symbol in the table before.
    off: [[Number; 2]; 3],
}

impl Models {
    pub(super) const NEW: Models = Models {
        first: Number::NEW,
        ends: [Number::NEW; 2],
        some: [[Bit::EVEN; 2]; 2],
        off: [const { [Number::NEW; 2] }; 3],
    };
}

/// The last code of a table that is not zero, and how far it was off the one before, zigzag.
#[derive(Clone, Copy)]
struct Last {
    code: u32,
    off: u32,
}

impl Last {
    /// Of a table's first code, which is off nothing.
    fn first(code: u32) -> Self {
        Self { code, off: 8 }
    }

    fn row(self) -> usize {
        match self.off {
            0..=2 => 0,
            3..=8 => 1,
            _ => 2,
        }
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

/// Describes a table: where its codes start and end, and each by how far it is off the one before, for
/// symbols next to one another are about as frequent. `above` are the codes of the table before.
pub(super) fn write(
    codes: &[u32],
    above: Option<&[u32]>,
    models: &mut Models,
    out: &mut BitWriter,
) {
    let is_some = |code: &u32| *code > 0;
    let (Some(first), Some(last)) = (
        codes.iter().position(is_some),
        codes.iter().rposition(is_some),
    ) else {
        return;
    };
    out.number(&mut models.ends[0], first as u32);
    out.number(&mut models.ends[1], (codes.len() - 1 - last) as u32);
    out.number(&mut models.first, codes[first]);
    let mut near = Last::first(codes[first]);
    for symbol in first + 1..=last {
        let code = codes[symbol];
        let above = usize::from(above.is_some_and(|above| above[symbol] > 0));
        if symbol < last {
            let before = usize::from(codes[symbol - 1] > 0);
            out.bit(&mut models.some[before][above], code > 0);
        }
        if code > 0 {
            let off = zigzag(code.wrapping_sub(near.code) as i32);
            out.number(&mut models.off[near.row()][above], off);
            near = Last { code, off };
        }
    }
}

/// The codes of a table of `symbols` that [`write`] described; None where they start behind the end.
pub(super) fn read(
    symbols: usize,
    above: Option<&[u32]>,
    models: &mut Models,
    input: &mut BitReader<'_>,
) -> Option<Vec<u32>> {
    let first = input.number(&mut models.ends[0]) as usize;
    let last = (symbols - 1).checked_sub(input.number(&mut models.ends[1]) as usize)?;
    let mut codes = vec![0; symbols];
    *codes.get_mut(first).filter(|_| first <= last)? = input.number(&mut models.first);
    let mut near = Last::first(codes[first]);
    for symbol in first + 1..=last {
        let above = usize::from(above.is_some_and(|above| above[symbol] > 0));
        if symbol < last {
            let before = usize::from(codes[symbol - 1] > 0);
            if !input.bit(&mut models.some[before][above]) {
                continue;
            }
        }
        let off = input.number(&mut models.off[near.row()][above]);
        let code = near.code.wrapping_add(unzigzag(off) as u32);
        codes[symbol] = code;
        near = Last { code, off };
    }
    Some(codes)
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
