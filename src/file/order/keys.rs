//! What rows are compared by: each column's values as ranks of what will be stored of them.

use arrow::array::{Array, ArrayRef};
use arrow::row::{RowConverter, SortField};
use rayon::prelude::*;

use crate::codec::{Cell, Float};

use super::OrderColumn;
use crate::file::column::Values;

/// Columns that rows are compared by, at most: of a wider table as many, evenly spread.
const MAX_KEYS: usize = 512;

/// One column, as dense ranks: null first, then ascending, NaN last.
pub(super) struct Key {
    /// Position in the schema.
    pub(super) column: usize,
    pub(super) codes: Vec<u32>,
    /// Ranks are below this.
    pub(super) distinct: u32,
    /// Bits a row, were they coded by their frequencies alone.
    pub(super) entropy: f64,
}

/// The columns that tell rows apart.
pub(super) fn of(columns: &[OrderColumn<'_>]) -> Vec<Key> {
    let usable: Vec<usize> = (0..columns.len()).filter(|i| columns[*i].key).collect();
    let kept = usable.len().min(MAX_KEYS);
    (0..kept)
        .into_par_iter()
        .filter_map(|i| {
            let column = usable[i * usable.len() / kept];
            let key = key(column, &columns[column])?;
            (key.distinct > 1).then_some(key)
        })
        .collect()
}

fn key(position: usize, column: &OrderColumn<'_>) -> Option<Key> {
    let data = column.array.to_data();
    let values = match Values::of(column.field.data_type(), &data) {
        Some(Values::F16(values)) => floats(&values, column),
        Some(Values::F32(values)) => floats(&values, column),
        Some(Values::F64(values)) => floats(&values, column),
        Some(Values::I32(values)) => values.iter().map(|x| signed(i64::from(*x))).collect(),
        Some(Values::U32(values)) => values.iter().map(|x| u64::from(*x)).collect(),
        Some(Values::I64(values)) => values.iter().map(|x| signed(*x)).collect(),
        Some(Values::U64(values)) => values.to_vec(),
        None => return ranked_rows(position, &column.array),
    };
    let (ranks, distinct) = ranks(&values);
    let Some(nulls) = data.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return Some(Key::new(position, ranks, distinct));
    };
    let mut codes = vec![0; data.len()];
    for (row, rank) in nulls.valid_indices().zip(ranks) {
        codes[row] = rank + 1;
    }
    Some(Key::new(position, codes, distinct + 1))
}

impl Key {
    fn new(column: usize, codes: Vec<u32>, distinct: u32) -> Self {
        let mut counts = vec![0u32; distinct as usize];
        codes.iter().for_each(|code| counts[*code as usize] += 1);
        let n = codes.len() as f64;
        let share = |count: u32| f64::from(count) / n;
        let counts = counts.into_iter().filter(|count| *count > 0);
        let entropy = counts
            .map(|count| -share(count) * share(count).log2())
            .sum();
        Self {
            column,
            codes,
            distinct,
            entropy,
        }
    }
}

/// In the order of the integers.
fn signed(x: i64) -> u64 {
    (x as u64) ^ (1 << 63)
}

/// Numbers in the order of what will be stored; equal where that is equal.
fn floats<F: Float>(values: &[F], column: &OrderColumn<'_>) -> Vec<u64> {
    /// Twice the quanta, so that -0.0 has a place below 0.
    const ZERO: i64 = 1 << 60;
    let Some(grid) = column.grid else {
        return values.iter().map(|x| total_order(x.to_f64())).collect();
    };
    let place = |(x, cell): (&F, Cell)| match cell {
        Cell::Point(point) => (ZERO + 2 * point) as u64,
        Cell::Outlier => {
            let x = x.to_f64();
            if x.is_nan() {
                u64::MAX
            } else if x.is_infinite() {
                if x > 0.0 { u64::MAX - 1 } else { 0 }
            } else {
                // Beside the cell that it lies in, as nearly as floats tell.
                let doubled = (x / column.abs_bound).clamp(-1e15, 1e15).floor();
                (ZERO + doubled as i64 - i64::from(x == 0.0)) as u64
            }
        }
    };
    let cells = grid.cells(values, column.abs_bound);
    values.iter().zip(cells).map(place).collect()
}

fn total_order(x: f64) -> u64 {
    let bits = x.to_bits();
    if x.is_nan() {
        // Of either sign: engines sort NaN last.
        u64::MAX
    } else if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

/// Dense ranks, and how many there are.
fn ranks(values: &[u64]) -> (Vec<u32>, u32) {
    let mut distinct = values.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let rank = |x: &u64| distinct.partition_point(|y| y < x) as u32;
    (values.iter().map(rank).collect(), distinct.len() as u32)
}

/// Ranks of values of any type that Arrow can sort; None for others.
fn ranked_rows(position: usize, array: &ArrayRef) -> Option<Key> {
    let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())]);
    let rows = converter
        .ok()?
        .convert_columns(&[ArrayRef::clone(array)])
        .ok()?;
    let mut order: Vec<u32> = (0..array.len() as u32).collect();
    order.sort_by(|a, b| rows.row(*a as usize).cmp(&rows.row(*b as usize)));
    let mut codes = vec![0; array.len()];
    let mut code = 0;
    for pair in order.windows(2) {
        code += u32::from(rows.row(pair[0] as usize) != rows.row(pair[1] as usize));
        codes[pair[1] as usize] = code;
    }
    Some(Key::new(position, codes, code + 1))
}
