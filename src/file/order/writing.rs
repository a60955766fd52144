//! Ordering as the writer does it, row group by row group, and what it reports of it.

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;
use parquet::file::metadata::KeyValue;
use rayon::prelude::*;

use super::{
    Chosen, OrderColumn, OrderMethod, RowOrderRecord, RowsAre, choose, permuted, sorted_by, stored,
};
use crate::codec::{Effort, ErrorBound, Grid, Search, ValueRange, absolute_bound};
use crate::file::column::element_type;
use crate::file::error::Result;
use crate::file::index::Block;
use crate::file::nested::{NestedCoding, NestedState};
use crate::file::ordinary::ordinary_chunks;
use crate::file::packed::{self, PreparedChunk, finite_range, reference_range};
use crate::file::planning::Planned;

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
    /// What a column of lists or structs is coded by.
    pub(in crate::file) nested: Option<&'a NestedState>,
    pub(in crate::file) bound: ErrorBound,
    pub(in crate::file) declared: Option<ValueRange>,
    /// Whether rows may be sorted by it.
    pub(in crate::file) key: bool,
}

/// A row group in its new order.
pub(in crate::file) struct Ordered {
    pub(in crate::file) arrays: Vec<ArrayRef>,
    /// The grids that the order is of.
    pub(in crate::file) grids: Vec<Option<Grid>>,
}

/// The orders of a file's row groups so far.
#[derive(Debug, Default)]
pub(in crate::file) struct Ordering {
    record: RowOrderRecord,
    kept_bytes: u64,
    bytes: u64,
    /// Of the columns in the last row group.
    bounds: Vec<f64>,
    /// Method and columns of each row group.
    chosen: Vec<(OrderMethod, Vec<usize>)>,
}

impl Ordering {
    /// The arrays of a row group in the order that codes smallest; None if that is theirs.
    pub(in crate::file) fn order(
        &mut self,
        plans: &[ColumnPlan<'_>],
        arrays: &[ArrayRef],
        coding: Coding,
    ) -> Result<Option<Ordered>> {
        let columns: Vec<OrderColumn<'_>> = plans
            .par_iter()
            .zip(arrays)
            .map(|(plan, array)| {
                let reference = || reference_range(plan.bound, array, finite_range(array));
                let abs_bound = absolute_bound(plan.bound, plan.declared.unwrap_or_else(reference));
                let on_grid = plan.bound.is_on_grid();
                OrderColumn {
                    field: plan.field,
                    nested: plan.nested,
                    grid: packed::grid(array, abs_bound).filter(|_| on_grid),
                    abs_bound,
                    bound: if on_grid {
                        ErrorBound::Abs(abs_bound)
                    } else {
                        plan.bound
                    },
                    key: plan.key && on_grid,
                    array: ArrayRef::clone(array),
                }
            })
            .collect();
        let Chosen {
            permutation,
            method,
            columns: by,
            kept_bytes,
            bytes,
        } = choose(&columns, coding.kept_rows, &|arrays, order| {
            coding.bytes(&columns, arrays, order)
        })?;
        self.note(method, by, kept_bytes, bytes);
        self.bounds = columns.iter().map(|column| column.abs_bound).collect();
        let Some(permutation) = permutation else {
            return Ok(None);
        };
        Ok(Some(Ordered {
            arrays: permuted(arrays, &permutation)?,
            grids: columns.iter().map(|column| column.grid).collect(),
        }))
    }

    /// Notes how the next row group was ordered, by which columns, and what that is worth.
    pub(in crate::file) fn note(
        &mut self,
        method: OrderMethod,
        columns: Vec<usize>,
        kept_bytes: u64,
        bytes: u64,
    ) {
        self.kept_bytes += kept_bytes;
        self.bytes += bytes;
        self.chosen.push((method, columns));
    }

    /// As [`note_sorted`](Self::note_sorted), where `stored` gives the values of a column.
    pub(in crate::file) fn note_stored(
        &mut self,
        rows: usize,
        stored: impl FnMut(usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        let columns = match self.chosen.last() {
            Some((OrderMethod::Lexicographic | OrderMethod::Snake, columns)) => &columns[..],
            _ => &[],
        };
        let sorted = sorted_by(columns, rows, stored)?;
        self.record.sorted_by.push(sorted);
        Ok(())
    }

    /// Notes by which columns the row group that was ordered last ascends as stored. `blocks` are
    /// those of a packed column; None stands for a column of ordinary Parquet.
    pub(in crate::file) fn note_sorted<'a>(
        &mut self,
        arrays: &[ArrayRef],
        grids: &[Option<Grid>],
        block_rows: usize,
        blocks: impl Fn(usize) -> Option<&'a [Block]>,
    ) -> Result<()> {
        let rows = arrays.first().map_or(0, |array| array.len());
        let bounds = std::mem::take(&mut self.bounds);
        self.note_stored(rows, |column| {
            let (array, grid) = (&arrays[column], grids.get(column).copied().flatten());
            match blocks(column) {
                Some(blocks) => stored::values(array, blocks, grid, bounds[column], block_rows),
                None => Ok(ArrayRef::clone(array)),
            }
        })
    }

    /// How row groups are sorted; None if all rows stayed where they were.
    pub(in crate::file) fn record(&self) -> Option<&RowOrderRecord> {
        let ordered = |(method, _): &(OrderMethod, _)| *method != OrderMethod::Kept;
        self.chosen.iter().any(ordered).then_some(&self.record)
    }

    /// What the file is to say of it: nothing if all rows stayed where they were.
    pub(in crate::file) fn entry(&self) -> Option<KeyValue> {
        self.record().map(RowOrderRecord::to_entry)
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

/// How the writer codes.
#[derive(Clone, Copy)]
pub(in crate::file) struct Coding {
    pub(in crate::file) block_rows: usize,
    /// Rows of a row group where they are kept in their order.
    pub(in crate::file) kept_rows: usize,
    pub(in crate::file) effort: Effort,
    pub(in crate::file) search: Search,
}

impl Coding {
    /// What rows take in the file, coded as the writer codes them.
    fn bytes(
        &self,
        columns: &[OrderColumn<'_>],
        arrays: &[ArrayRef],
        order: RowsAre,
    ) -> Result<u64> {
        let prepared: Vec<Option<PreparedChunk>> = columns
            .par_iter()
            .zip(arrays)
            .map(|(column, array)| {
                if element_type(array.data_type()).is_none() {
                    return Ok(None);
                }
                let (array, rows) = (ArrayRef::clone(array), self.block_rows);
                // Rows in their own order may be followed as series; others lie on the grid that
                // their order is of.
                let grid = column.grid.filter(|_| order == RowsAre::Ordered);
                PreparedChunk::new(array, column.bound, None, rows, grid).map(Some)
            })
            .collect::<Result<_>>()?;
        let chunks: Vec<Option<&PreparedChunk>> = prepared.iter().map(Option::as_ref).collect();
        let planned = Planned::new(&chunks, self.search);
        let sizes = (0..columns.len()).into_par_iter().map(|i| {
            let field = columns[i].field;
            if let Some(nested) = columns[i].nested {
                let coding = NestedCoding {
                    block_rows: self.block_rows,
                    effort: self.effort,
                    search: self.search,
                };
                return Ok(nested.chunks(field, &arrays[i], coding)?.bytes());
            }
            let Some(chunk) = &prepared[i] else {
                let array = std::slice::from_ref(&arrays[i]);
                return Ok(ordinary_chunks(field, array, self.block_rows)?.data().len() as u64);
            };
            let chunk = chunk.encode(field, &planned.coding(i, self.effort))?;
            Ok(chunk.bytes.len() as u64)
        });
        sizes.sum()
    }
}
