//! Coded symbols to integers, a piece at a time, so that contexts, symbols and integers stay in the
//! first-level cache.

use super::CodecError;
use super::alphabet::{Alphabet, Extra};
use super::context::Context;
use super::many;
use super::payload::Cursor;
use super::rans::{self, Bases, Coded, DecodeTables, Decoder};
use super::wide;

/// Integers decoded at a time: a multiple of all numbers of lanes.
const PIECE: usize = 2048;

/// What the symbols of a payload are decoded with.
pub(super) struct Unpack<'a> {
    pub(super) context: &'a Context,
    pub(super) alphabet: &'a Alphabet,
    pub(super) tables: &'a DecodeTables,
    pub(super) bases: &'a Bases,
    /// Aligned with the integers.
    pub(super) references: &'a [&'a [i32]],
    pub(super) lanes: usize,
}

impl Unpack<'_> {
    /// Decodes coded symbols, and what they do not say, into `values`.
    pub(super) fn run(
        &self,
        cursor: &mut Cursor<'_>,
        values: &mut [i32],
    ) -> Result<(), CodecError> {
        if self.lanes == many::LANES {
            return self.run_many(cursor, values);
        }
        let coded = Coded::open(cursor, self.lanes)?;
        let mut extra = self.alphabet.open_extra(cursor)?;
        wide::run(
            #[inline(always)]
            || self.any_lanes(&coded, &mut extra, values),
        )?;
        extra.finish()
    }

    fn run_many(&self, cursor: &mut Cursor<'_>, values: &mut [i32]) -> Result<(), CodecError> {
        let (n, previous) = (values.len(), self.context.previous);
        let mut decoder = many::Decoder::open(cursor, self.tables, self.bases, n, previous)?;
        let mut extra = self.alphabet.open_extra(cursor)?;
        let mut symbols = vec![0u8; n];
        // Runs are decoded side by side, so that the first integers are known last.
        let first = previous.map_or(decoder.in_rounds(), |_| 0);
        let times = self.context.by_previous(self.alphabet.symbols()) as u16;
        let mut rows = vec![0u16; n - first];
        wide::run(
            #[inline(always)]
            || {
                let (symbols, values) = (&mut symbols[..first], &mut values[..first]);
                self.rounds(&mut decoder, &mut extra, symbols, values);
                self.context.fill(self.references, first, times, &mut rows);
            },
        );
        if previous.is_some() {
            decoder.in_runs(&rows, &mut symbols);
        }
        decoder.finish(|index| rows[index - first], &mut symbols)?;
        wide::run(
            #[inline(always)]
            || {
                let (symbols, values) = (&symbols[first..], &mut values[first..]);
                self.alphabet.decode(symbols, &mut extra, values);
            },
        );
        extra.finish()
    }

    #[inline(always)]
    fn rounds(
        &self,
        decoder: &mut many::Decoder<'_>,
        extra: &mut Extra<'_>,
        symbols: &mut [u8],
        values: &mut [i32],
    ) {
        let mut rows = [0u16; PIECE];
        let pieces = symbols.chunks_mut(PIECE).zip(values.chunks_mut(PIECE));
        for (at, (symbols, values)) in pieces.enumerate() {
            if self.context.is_empty() {
                decoder.interleaved(&[], symbols);
            } else {
                let rows = &mut rows[..symbols.len()];
                self.context.fill(self.references, at * PIECE, 1, rows);
                decoder.interleaved(rows, symbols);
            }
            self.alphabet.decode(symbols, extra, values);
        }
    }

    #[inline(always)]
    fn any_lanes(
        &self,
        coded: &Coded<'_>,
        extra: &mut Extra<'_>,
        values: &mut [i32],
    ) -> Result<(), CodecError> {
        match self.lanes {
            1 => self.in_lanes::<1>(coded, extra, values),
            2 => self.in_lanes::<2>(coded, extra, values),
            4 => self.in_lanes::<4>(coded, extra, values),
            _ => self.in_lanes::<8>(coded, extra, values),
        }
    }

    #[inline(always)]
    fn in_lanes<const LANES: usize>(
        &self,
        coded: &Coded<'_>,
        extra: &mut Extra<'_>,
        values: &mut [i32],
    ) -> Result<(), CodecError> {
        let mut decoder = Decoder::<LANES>::new(coded, self.tables);
        match self.context.previous {
            None => self.interleaved(&mut decoder, extra, values),
            Some(shift) => self.in_runs(&mut decoder, shift, extra, values),
        }
        decoder.finish()
    }

    #[inline(always)]
    fn interleaved<const LANES: usize>(
        &self,
        decoder: &mut Decoder<'_, '_, LANES>,
        extra: &mut Extra<'_>,
        values: &mut [i32],
    ) {
        let (mut rows, mut symbols) = ([0u16; PIECE], [0u8; PIECE]);
        for (at, values) in values.chunks_mut(PIECE).enumerate() {
            let symbols = &mut symbols[..values.len()];
            if self.context.is_empty() {
                let base = self.bases.of(0);
                decoder.interleaved(symbols, &[(); PIECE][..values.len()], |()| base);
            } else {
                let rows = &mut rows[..values.len()];
                self.context.fill(self.references, at * PIECE, 1, rows);
                decoder.interleaved(symbols, rows, |row| self.bases.of(row.into()));
            }
            self.alphabet.decode(symbols, extra, values);
        }
    }

    #[inline(always)]
    fn in_runs<const LANES: usize>(
        &self,
        decoder: &mut Decoder<'_, '_, LANES>,
        shift: u32,
        extra: &mut Extra<'_>,
        values: &mut [i32],
    ) {
        let n = values.len();
        let mut symbols = vec![0u8; n];
        let run = rans::run(n, LANES);
        if self.context.buckets.is_empty() {
            decoder.in_runs(&mut symbols, run, |_, before| {
                self.bases.of(usize::from(before >> shift))
            });
        } else {
            let times = self.context.by_previous(self.alphabet.symbols()) as u16;
            let mut rows = vec![0u16; n];
            self.context.fill(self.references, 0, times, &mut rows);
            decoder.in_runs(&mut symbols, run, |i, before| {
                self.bases
                    .of(usize::from(rows[i]) + usize::from(before >> shift))
            });
        }
        self.alphabet.decode(&symbols, extra, values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn symbols_come_back_in_any_lanes(
            symbols in prop::collection::vec(0u8..3, 64..5000),
            rows in 0i32..4,
            previous in prop::option::of(Just(0u32)),
            lanes in prop::sample::select(vec![1usize, 2, 4, 8]),
        ) {
            let n = symbols.len();
            let frequencies = vec![vec![300u16, 200, 12], vec![100, 400, 12]];
            let context = Context { buckets: Vec::new(), previous };
            let alphabet = Alphabet::Range { low: rows, count: 3 };
            let table_of = |before: u8| u8::from(previous.is_some() && before > 0);
            let run = rans::run(n, lanes);
            let chosen: Vec<u8> = (0..n)
                .map(|i| if i % run == 0 { 0 } else { table_of(symbols[i - 1]) })
                .collect();
            let mut out = Vec::new();
            rans::encode(&symbols, &chosen, &frequencies, 9, previous.is_some(), lanes, &mut out);
            let tables = DecodeTables::new(&frequencies, 9).unwrap();
            let unpack = Unpack {
                context: &context,
                alphabet: &alphabet,
                tables: &tables,
                bases: &Bases::new(&[0, 1, 1], 9),
                references: &[],
                lanes,
            };
            let mut read_back = vec![0; n];
            unpack.run(&mut Cursor::new(&out), &mut read_back).unwrap();
            let expected: Vec<i32> = symbols.iter().map(|s| rows + i32::from(*s)).collect();
            prop_assert_eq!(&read_back, &expected);
        }
    }
}
