//! Coded symbols to integers, a piece at a time, so that contexts, symbols and integers stay in the
//! first-level cache.

use super::CodecError;
use super::alphabet::{Alphabet, Extra};
use super::context::Context;
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
    /// Decodes `coded` and `extra` into `values`.
    pub(super) fn run(
        &self,
        coded: &Coded<'_>,
        mut extra: Extra<'_>,
        values: &mut [i32],
    ) -> Result<(), CodecError> {
        wide::run(
            #[inline(always)]
            || self.any_lanes(coded, &mut extra, values),
        )?;
        extra.finish()
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
