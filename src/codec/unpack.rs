//! Coded symbols to integers, a piece at a time, so that contexts, symbols and integers stay in the
//! first-level cache.

use std::ops::Range;

use super::CodecError;
use super::alphabet::{Alphabet, Extra};
use super::context::Context;
use super::many;
use super::payload::Cursor;
use super::rans::{self, Bases, Coded, DecodeTables, Decoder};
use super::wide;

/// Integers decoded at a time: a multiple of all numbers of lanes, and of [`GROUP`](super::fields::GROUP).
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
    /// Decodes the `n` integers of coded symbols and of what these do not say, and hands them to `sink` in
    /// pieces.
    pub(super) fn run(
        &self,
        cursor: &mut Cursor<'_>,
        n: usize,
        sink: &mut dyn FnMut(&mut [i32]),
    ) -> Result<(), CodecError> {
        if self.lanes == many::LANES {
            return self.run_many(cursor, n, sink);
        }
        let coded = Coded::open(cursor, self.lanes)?;
        let mut integers = Integers::open(self.alphabet, cursor, n, sink)?;
        wide::run(
            #[inline(always)]
            || match self.lanes {
                1 => self.in_lanes::<1>(&coded, &mut integers),
                2 => self.in_lanes::<2>(&coded, &mut integers),
                4 => self.in_lanes::<4>(&coded, &mut integers),
                _ => self.in_lanes::<8>(&coded, &mut integers),
            },
        )?;
        integers.finish()
    }

    fn run_many(
        &self,
        cursor: &mut Cursor<'_>,
        n: usize,
        sink: &mut dyn FnMut(&mut [i32]),
    ) -> Result<(), CodecError> {
        let previous = self.context.previous;
        let mut decoder = many::Decoder::open(cursor, self.tables, self.bases, n, previous)?;
        let mut integers = Integers::open(self.alphabet, cursor, n, sink)?;
        // Runs are decoded side by side, so that the first integers are known last.
        let first = previous.map_or(decoder.in_rounds(), |_| 0);
        let times = self.context.by_previous(self.alphabet.symbols()) as u16;
        let mut symbols = vec![0u8; n - first];
        let mut rows = match self.context.buckets.is_empty() {
            true => Vec::new(),
            false => vec![0u16; n - first],
        };
        wide::run(
            #[inline(always)]
            || {
                self.pieces(0..first, &mut integers, |rows, symbols| {
                    decoder.interleaved(rows, symbols);
                });
                self.context.add(self.references, first, times, &mut rows);
            },
        );
        if previous.is_some() {
            decoder.in_runs(&rows, &mut symbols);
        }
        decoder.finish(first, &rows, &mut symbols)?;
        wide::run(
            #[inline(always)]
            || integers.add_all(&symbols),
        );
        integers.finish()
    }

    #[inline(always)]
    fn in_lanes<const LANES: usize>(
        &self,
        coded: &Coded<'_>,
        integers: &mut Integers<'_, '_, '_>,
    ) -> Result<(), CodecError> {
        let mut decoder = Decoder::<LANES>::new(coded, self.tables);
        match self.context.previous {
            None => {
                let (n, only) = (integers.n, self.bases.of(0));
                self.pieces(
                    0..n,
                    integers,
                    #[inline(always)]
                    |rows, symbols| match rows {
                        [] => {
                            decoder.interleaved(symbols, &[(); PIECE][..symbols.len()], |()| only)
                        }
                        rows => decoder.interleaved(symbols, rows, |row| self.bases.of(row.into())),
                    },
                );
            }
            Some(shift) => self.in_runs(&mut decoder, shift, integers),
        }
        decoder.finish()
    }

    /// Decodes the integers of `range`, a piece at a time; `decode` is given the contexts of the
    /// rows, or none where there is but one.
    #[inline(always)]
    fn pieces(
        &self,
        range: Range<usize>,
        integers: &mut Integers<'_, '_, '_>,
        mut decode: impl FnMut(&[u16], &mut [u8]),
    ) {
        let (mut rows, mut symbols) = ([0u16; PIECE], [0u8; PIECE]);
        for start in range.clone().step_by(PIECE) {
            let symbols = &mut symbols[..PIECE.min(range.end - start)];
            if self.context.is_empty() {
                decode(&[], symbols);
            } else {
                let rows = &mut rows[..symbols.len()];
                rows.fill(0);
                self.context.add(self.references, start, 1, rows);
                decode(rows, symbols);
            }
            integers.add(symbols);
        }
    }

    #[inline(always)]
    fn in_runs<const LANES: usize>(
        &self,
        decoder: &mut Decoder<'_, '_, LANES>,
        shift: u32,
        integers: &mut Integers<'_, '_, '_>,
    ) {
        let n = integers.n;
        let mut symbols = vec![0u8; n];
        let run = rans::run(n, LANES);
        if self.context.buckets.is_empty() {
            decoder.in_runs(&mut symbols, run, |_, before| {
                self.bases.of(usize::from(before >> shift))
            });
        } else {
            let times = self.context.by_previous(self.alphabet.symbols()) as u16;
            let mut rows = vec![0u16; n];
            self.context.add(self.references, 0, times, &mut rows);
            decoder.in_runs(&mut symbols, run, |i, before| {
                self.bases
                    .of(usize::from(rows[i]) + usize::from(before >> shift))
            });
        }
        integers.add_all(&symbols);
    }
}

/// Integers as they are decoded, piece by piece.
pub(super) struct Integers<'m, 'a, 's> {
    alphabet: &'m Alphabet,
    extra: Extra<'a>,
    n: usize,
    piece: [i32; PIECE],
    sink: &'s mut dyn FnMut(&mut [i32]),
}

impl<'m, 'a, 's> Integers<'m, 'a, 's> {
    /// `n` integers, whose extra bits are at `cursor`.
    pub(super) fn open(
        alphabet: &'m Alphabet,
        cursor: &mut Cursor<'a>,
        n: usize,
        sink: &'s mut dyn FnMut(&mut [i32]),
    ) -> Result<Self, CodecError> {
        Ok(Self {
            alphabet,
            extra: alphabet.open_extra(cursor, n)?,
            n,
            piece: [0; PIECE],
            sink,
        })
    }

    /// Adds those of a piece's symbols.
    #[inline(always)]
    fn add(&mut self, symbols: &[u8]) {
        let piece = &mut self.piece[..symbols.len()];
        self.alphabet.decode(symbols, &mut self.extra, piece);
        (self.sink)(piece);
    }

    #[inline(always)]
    pub(super) fn add_all(&mut self, symbols: &[u8]) {
        for symbols in symbols.chunks(PIECE) {
            self.add(symbols);
        }
    }

    pub(super) fn finish(self) -> Result<(), CodecError> {
        self.extra.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::context::Buckets;
    use proptest::prelude::*;

    /// Contexts are three, by the symbol before or by two rows of a reference, in two tables.
    fn round_trip(symbols: &[u8], low: i32, by_previous: bool, lanes: usize) -> Vec<i32> {
        let n = symbols.len();
        let log = 9;
        let frequencies = vec![vec![300u16, 200, 12], vec![100, 400, 12]];
        let of_context = vec![0, 1, 1];
        let other: Vec<i32> = (0..n as i32).map(|i| i * i % 7 / 3).collect();
        let buckets = Buckets {
            reference: 0,
            difference: false,
            low: 0,
            shift: 0,
            count: 2,
        };
        let context = Context {
            buckets: Vec::from_iter((!by_previous).then_some(buckets)),
            previous: by_previous.then_some(0),
        };
        let alphabet = Alphabet::Range { low, count: 3 };
        let (run, places) = (rans::run(n, lanes), many::Places::new(n, true));
        let before = |i: usize| match lanes {
            many::LANES => places.before(i),
            _ => i.checked_sub(1).filter(|_| !i.is_multiple_of(run)),
        };
        let context_of = |i: usize| match by_previous {
            true => before(i).map_or(0, |at| usize::from(symbols[at])),
            false => other[i].clamp(0, 1) as usize,
        };
        let chosen: Vec<u8> = (0..n).map(|i| of_context[context_of(i)]).collect();
        let mut out = Vec::new();
        match lanes {
            many::LANES => {
                many::encode(symbols, &chosen, &frequencies, log, by_previous, &mut out);
            }
            _ => rans::encode(
                symbols,
                &chosen,
                &frequencies,
                log,
                by_previous,
                lanes,
                &mut out,
            ),
        }
        let unpack = Unpack {
            context: &context,
            alphabet: &alphabet,
            tables: &DecodeTables::new(&frequencies, log).unwrap(),
            bases: &Bases::new(of_context, log),
            references: &[&other],
            lanes,
        };
        let mut integers = Vec::new();
        unpack
            .run(&mut Cursor::new(&out), n, &mut |piece| {
                integers.extend_from_slice(piece);
            })
            .unwrap();
        integers
    }

    proptest! {
        #[test]
        fn symbols_come_back_in_any_lanes(
            symbols in prop::collection::vec(0u8..3, 64..9000),
            low in 0i32..4,
            by_previous: bool,
            lanes in prop::sample::select(vec![1usize, 2, 4, 8, 32, 32]),
        ) {
            let read_back = round_trip(&symbols, low, by_previous, lanes);
            let expected: Vec<i32> = symbols.iter().map(|s| low + i32::from(*s)).collect();
            prop_assert!(read_back == expected);
        }
    }

    /// Rounds that are few or none, and symbols that are left after them.
    #[test]
    fn any_few_symbols_come_back_in_many_lanes() {
        for n in 0..200 {
            for by_previous in [false, true] {
                let symbols: Vec<u8> = (0..n).map(|i| (i * i % 11 % 3) as u8).collect();
                let read_back = round_trip(&symbols, 0, by_previous, many::LANES);
                assert!(
                    read_back
                        .iter()
                        .zip(&symbols)
                        .all(|(x, s)| *x == i32::from(*s))
                );
                assert_eq!(read_back.len(), n);
            }
        }
    }
}
