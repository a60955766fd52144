//! Quantiles of columns over all of an input, exactly and in bounded memory: radix selection.
//!
//! Finite doubles in the order of their numbers are integers in the order of their bits, once those
//! of negative numbers are turned round. Each pass over the input counts one more digit of the
//! integers that begin like the quantile, from the highest digit down, and the counts tell which
//! digit the quantile has there. With 16 bits a digit that is four passes, or two or one for
//! columns of narrower floats, and half a megabyte for each quantile.

use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use rayon::prelude::*;

use crate::codec::{Percentile, ValueRange};

use super::error::Result;
use super::input::Input;
use super::ranges;

/// Columns that are counted in digits of 16 bits, at a megabyte each; more of them in digits of 8
/// bits, at 4 kilobytes each.
const MAX_WIDE: usize = 256;

/// A column by its index, and two percentiles.
pub(super) type Wanted = (usize, Percentile, Percentile);

/// Finds the ranges between quantiles of the finite values of `columns` (ascending, all of them
/// floats); empty for columns without any. `progress` gets the rows of each batch read.
pub(super) fn read(
    input: &Input,
    columns: &[Wanted],
    progress: &(dyn Fn(u64) -> Result<()> + Sync),
) -> Result<Vec<ValueRange>> {
    let digit_bits = if columns.len() <= MAX_WIDE { 16 } else { 8 };
    let mut searches: Vec<Mutex<[Search; 2]>> = columns
        .iter()
        .map(|(column, low, high)| {
            let width = bits_of(input.schema().field(*column).data_type());
            Mutex::new([*low, *high].map(|percentile| Search::new(percentile, width, digit_bits)))
        })
        .collect();
    loop {
        let unfinished: Vec<usize> = (0..columns.len())
            .filter(|i| !unpoisoned(&mut searches[*i])[0].is_finished())
            .collect();
        if unfinished.is_empty() {
            break;
        }
        let positions: Vec<usize> = unfinished.iter().map(|i| columns[*i].0).collect();
        ranges::for_each_batch(input, &positions, |batch| {
            unfinished
                .par_iter()
                .zip(batch.columns())
                .for_each(|(i, values)| {
                    let mut searches = searches[*i].lock().unwrap_or_else(PoisonError::into_inner);
                    searches.iter_mut().for_each(|search| search.count(values));
                });
            progress(batch.num_rows() as u64)
        })?;
        for i in unfinished {
            unpoisoned(&mut searches[i])
                .iter_mut()
                .for_each(Search::next_digit);
        }
    }
    Ok(searches
        .iter_mut()
        .map(|searches| {
            let [low, high] = unpoisoned(searches);
            match (low.found(), high.found()) {
                (Some(min), Some(max)) => ValueRange { min, max },
                _ => ValueRange::EMPTY,
            }
        })
        .collect())
}

fn unpoisoned(searches: &mut Mutex<[Search; 2]>) -> &mut [Search; 2] {
    searches.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// One quantile of one column, on its way.
struct Search {
    percentile: Percentile,
    /// Bits of a key of the column's type.
    width: u32,
    digit_bits: u32,
    /// The key's highest bits, as far as they are known.
    prefix: u64,
    known_bits: u32,
    /// The rank, from 0, among the keys that begin like this; None before the first pass, and for
    /// a column without finite values.
    rank: Option<u64>,
    /// How many of those keys have each next digit.
    counts: Vec<u64>,
}

impl Search {
    fn new(percentile: Percentile, width: u32, digit_bits: u32) -> Self {
        Self {
            percentile,
            width,
            digit_bits,
            prefix: 0,
            known_bits: 0,
            rank: None,
            counts: vec![0; 1 << digit_bits],
        }
    }

    fn is_finished(&self) -> bool {
        self.known_bits == self.width
    }

    fn count(&mut self, array: &ArrayRef) {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        match array.data_type() {
            DataType::Float16 => {
                let values = array.as_primitive::<Float16Type>().values();
                self.count_keys(values.len(), nulls, |i| {
                    let bits = values[i].to_bits();
                    (key(bits.into(), 16), values[i].is_finite())
                });
            }
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>().values();
                self.count_keys(values.len(), nulls, |i| {
                    let bits = values[i].to_bits();
                    (key(bits.into(), 32), values[i].is_finite())
                });
            }
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>().values();
                self.count_keys(values.len(), nulls, |i| {
                    (key(values[i].to_bits(), 64), values[i].is_finite())
                });
            }
            // Only floats are asked for.
            _ => {}
        }
    }

    fn count_keys(
        &mut self,
        n: usize,
        nulls: Option<&arrow::buffer::NullBuffer>,
        key_of: impl Fn(usize) -> (u64, bool),
    ) {
        let shift = self.width - self.known_bits - self.digit_bits;
        let digits = (1u64 << self.digit_bits) - 1;
        for i in 0..n {
            let (key, finite) = key_of(i);
            let above = key >> shift;
            // What lies above the digit, if anything does, is the prefix.
            let counts = finite
                && above >> self.digit_bits == self.prefix
                && nulls.is_none_or(|nulls| nulls.is_valid(i));
            self.counts[(above & digits) as usize] += u64::from(counts);
        }
    }

    /// Fixes the digit that was counted.
    fn next_digit(&mut self) {
        if self.known_bits == 0 {
            self.rank = self.percentile.rank(self.counts.iter().sum());
        }
        let mut digit = 0;
        if let Some(rank) = &mut self.rank {
            // The counts add up to more than the rank.
            for (i, count) in self.counts.iter().enumerate() {
                if *rank < *count {
                    digit = i as u64;
                    break;
                }
                *rank -= count;
            }
        }
        self.prefix = self.prefix << self.digit_bits | digit;
        self.known_bits += self.digit_bits;
        self.counts.fill(0);
    }

    fn found(&self) -> Option<f64> {
        self.rank.map(|_| {
            let bits = bits_of_key(self.prefix, self.width);
            match self.width {
                16 => half::f16::from_bits(bits as u16).to_f64(),
                32 => f64::from(f32::from_bits(bits as u32)),
                _ => f64::from_bits(bits),
            }
        })
    }
}

fn bits_of(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Float16 => 16,
        DataType::Float32 => 32,
        _ => 64,
    }
}

/// An integer in the order of the float that has these bits.
fn key(bits: u64, width: u32) -> u64 {
    let sign = 1u64 << (width - 1);
    if bits & sign == 0 {
        bits | sign
    } else {
        !bits & (sign | (sign - 1))
    }
}

fn bits_of_key(key: u64, width: u32) -> u64 {
    let sign = 1u64 << (width - 1);
    if key & sign != 0 {
        key & !sign
    } else {
        !key & (sign | (sign - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float16Array, Float32Array, Float64Array};
    use half::f16;
    use proptest::prelude::*;

    use super::*;

    fn found(array: &ArrayRef, percentile: Percentile, digit_bits: u32) -> Option<f64> {
        let mut search = Search::new(percentile, bits_of(array.data_type()), digit_bits);
        while !search.is_finished() {
            // In parts, as batches come.
            let half = array.len() / 2;
            search.count(&array.slice(0, half));
            search.count(&array.slice(half, array.len() - half));
            search.next_digit();
        }
        search.found()
    }

    proptest! {
        /// What sorting all values gives.
        #[test]
        fn any_values(
            bits in prop::collection::vec(prop::option::weighted(0.9, any::<u64>()), 0..300),
            millionths in 0..=100_000_000u32,
            digit_bits in prop::sample::select(vec![8, 16]),
        ) {
            let percentile = Percentile::from_millionths(millionths).unwrap();
            let f64s = bits.iter().map(|b| b.map(f64::from_bits));
            let f32s = bits.iter().map(|b| b.map(|b| f32::from_bits(b as u32)));
            let f16s = bits.iter().map(|b| b.map(|b| f16::from_bits(b as u16)));
            let arrays: [ArrayRef; 3] = [
                Arc::new(f64s.clone().collect::<Float64Array>()),
                Arc::new(f32s.clone().collect::<Float32Array>()),
                Arc::new(f16s.clone().collect::<Float16Array>()),
            ];
            let numbers: [Vec<f64>; 3] = [
                f64s.flatten().collect(),
                f32s.flatten().map(f64::from).collect(),
                f16s.flatten().map(f64::from).collect(),
            ];
            for (array, mut numbers) in arrays.iter().zip(numbers) {
                numbers.retain(|x| x.is_finite());
                numbers.sort_by(f64::total_cmp);
                let rank = percentile.rank(numbers.len() as u64);
                let expected = rank.map(|rank| numbers[rank as usize].to_bits());
                prop_assert_eq!(found(array, percentile, digit_bits).map(f64::to_bits), expected);
            }
        }
    }
}
