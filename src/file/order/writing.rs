//! Ordering as the writer does it, row group by row group, and what it reports of it.

use arrow::array::ArrayRef;
use arrow::compute::concat;
use arrow::datatypes::FieldRef;
use rayon::prelude::*;

use super::{
    Chosen, OrderColumn, OrderMethod, RowOrderRecord, choose, permuted, sorted_by, stored,
};
use crate::codec::{ErrorBound, ValueRange, absolute_bound};
use crate::file::column::element_type;
use crate::file::encode::{finite_range, ordinary_chunks, packed_chunk};
use crate::file::error::Result;
use crate::file::index::Block;

/// What ordering the rows of a file did.
#[derive(Debug, Clone, PartialEq)]
pub struct RowOrderReport {
    /// Bytes of all row groups in the order that their rows came in. An estimate of what the file
    /// would hold: each row group was coded so too, but large ones by other choices.
    pub kept_bytes: u64,
    /// Bytes of all row groups as they were ordered.
    pub bytes: u64,
    /// Row groups, and how many of them each method was best for.
    pub row_groups: u64,
    pub methods: Vec<(OrderMethod, u64)>,
    /// The columns that most of the ordered row groups were sorted by, most significant first.
    pub columns: Vec<String>,
}

/// One column as the writer knows it.
pub(in crate::file) struct ColumnPlan<'a> {
    pub(in crate::file) field: &'a FieldRef,
    pub(in crate::file) bound: ErrorBound,
    pub(in crate::file) declared: Option<ValueRange>,
    /// Whether rows may be sorted by it.
    pub(in crate::file) key: bool,
}

/// The orders of a file's row groups so far.
#[derive(Debug, Default)]
pub(in crate::file) struct Ordering {
    record: RowOrderRecord,
    kept_bytes: u64,
    bytes: u64,
    /// Method and columns of each row group.
    chosen: Vec<(OrderMethod, Vec<usize>)>,
}

impl Ordering {
    /// The arrays of a row group in the order that codes smallest.
    pub(in crate::file) fn order(
        &mut self,
        plans: &[ColumnPlan<'_>],
        arrays: Vec<Vec<ArrayRef>>,
        block_rows: usize,
    ) -> Result<Vec<Vec<ArrayRef>>> {
        let joined: Option<Vec<ArrayRef>> = arrays.par_iter().map(|a| joined(a)).collect();
        // Dictionaries whose union no longer fits their keys cannot be one array: kept.
        let Some(joined) = joined else {
            self.chosen.push((OrderMethod::Kept, Vec::new()));
            return Ok(arrays);
        };
        let columns: Vec<OrderColumn<'_>> = plans
            .par_iter()
            .zip(joined)
            .map(|(plan, array)| {
                let range = || plan.declared.unwrap_or_else(|| finite_range(&array));
                OrderColumn {
                    field: plan.field,
                    abs_bound: absolute_bound(plan.bound, range()),
                    key: plan.key,
                    array,
                }
            })
            .collect();
        let cost = |arrays: &[ArrayRef]| coded_bytes(&columns, arrays, block_rows);
        let Chosen {
            permutation,
            method,
            columns: by,
            kept_bytes,
            bytes,
        } = choose(&columns, &cost)?;
        self.kept_bytes += kept_bytes;
        self.bytes += bytes;
        self.chosen.push((method, by));
        let joined: Vec<ArrayRef> = columns.into_iter().map(|column| column.array).collect();
        let ordered = match permutation {
            Some(permutation) => permuted(&joined, &permutation)?,
            None => joined,
        };
        Ok(ordered.into_iter().map(|array| vec![array]).collect())
    }

    /// Notes by which columns the row group that was ordered last ascends as stored. `encoded`
    /// gives a packed column's chunk and blocks; None stands for a column stored as it is.
    pub(in crate::file) fn note_sorted<'a>(
        &mut self,
        arrays: &[Vec<ArrayRef>],
        block_rows: usize,
        encoded: impl Fn(usize) -> Option<(&'a [u8], &'a [Block])>,
    ) -> Result<()> {
        let columns = match self.chosen.last() {
            Some((OrderMethod::Lexicographic | OrderMethod::Snake, columns)) => &columns[..],
            _ => &[],
        };
        let rows = arrays
            .first()
            .map_or(0, |a| a.iter().map(|a| a.len()).sum());
        let sorted = sorted_by(columns, rows, |column| {
            let array = concat(
                &arrays[column]
                    .iter()
                    .map(|a| a.as_ref())
                    .collect::<Vec<_>>(),
            )?;
            match encoded(column) {
                Some((chunk, blocks)) => stored::values(&array, chunk, blocks, block_rows),
                None => Ok(array),
            }
        })?;
        self.record.sorted_by.push(sorted);
        Ok(())
    }

    pub(in crate::file) fn record(&self) -> &RowOrderRecord {
        &self.record
    }

    pub(in crate::file) fn report(&self, name: impl Fn(usize) -> String) -> RowOrderReport {
        let mut methods: Vec<(OrderMethod, u64)> = Vec::new();
        let mut orders: Vec<(&[usize], u64)> = Vec::new();
        for (method, columns) in &self.chosen {
            count(&mut methods, *method);
            if *method != OrderMethod::Kept {
                count(&mut orders, columns);
            }
        }
        methods.sort_unstable();
        let most = orders.iter().rev().max_by_key(|(_, count)| *count);
        let columns = most.map_or(&[][..], |(columns, _)| *columns);
        RowOrderReport {
            kept_bytes: self.kept_bytes,
            bytes: self.bytes,
            row_groups: self.chosen.len() as u64,
            methods,
            columns: columns.iter().map(|column| name(*column)).collect(),
        }
    }
}

fn count<T: PartialEq>(counts: &mut Vec<(T, u64)>, what: T) {
    match counts.iter_mut().find(|(other, _)| *other == what) {
        Some((_, count)) => *count += 1,
        None => counts.push((what, 1)),
    }
}

fn joined(arrays: &[ArrayRef]) -> Option<ArrayRef> {
    concat(
        &arrays
            .iter()
            .map(|array| array.as_ref())
            .collect::<Vec<_>>(),
    )
    .ok()
}

/// What rows take in the file, coded as the writer codes them.
fn coded_bytes(columns: &[OrderColumn<'_>], arrays: &[ArrayRef], block_rows: usize) -> Result<u64> {
    let sizes = columns.par_iter().zip(arrays).map(|(column, array)| {
        let array = std::slice::from_ref(array);
        Ok(match element_type(column.field.data_type()) {
            Some(_) => {
                let bound = ErrorBound::Abs(column.abs_bound);
                packed_chunk(column.field, array, bound, None, block_rows)?
                    .bytes
                    .len() as u64
            }
            None => ordinary_chunks(column.field, array, block_rows)?
                .data()
                .len() as u64,
        })
    });
    sizes.sum()
}
