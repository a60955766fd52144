//! Row groups whose rows stand in another order than the original's: stored rows are put in the
//! original's order, then checked as any other.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use arrow::error::ArrowError;

use super::partners::{self, Partners};
use super::rows::Pair;

/// How the rows of a packed file stand to those of the original.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RowsStand {
    /// In the same order.
    #[default]
    InOrder,
    /// In any order within each row group.
    Anyhow,
    /// As the column at this position says, which is not one of the original's.
    Numbered(usize),
}

/// A row group of both sides; the original's may be cut short.
pub(super) struct Group<'a> {
    pub(super) original: &'a RecordBatch,
    pub(super) stored: &'a RecordBatch,
    pub(super) number: usize,
    pub(super) first_row: u64,
}

/// A column of both sides, and the absolute bound in force.
pub(super) struct ColumnPair {
    pub(super) original: ArrayRef,
    pub(super) stored: ArrayRef,
    pub(super) bound: f64,
}

impl Group<'_> {
    /// The stored rows in the original's order, and what is wrong with the rows as such.
    pub(super) fn in_order(
        &self,
        stand: &RowsStand,
        columns: &[ColumnPair],
    ) -> Result<(RecordBatch, Option<String>), ArrowError> {
        let mut wrong_numbers = None;
        if let RowsStand::Numbered(column) = stand {
            match self.by_number(*column) {
                Some(order) => return Ok((take_record_batch(self.stored, &order)?, None)),
                None => wrong_numbers = Some(self.wrong_numbers(*column)),
            }
        }
        let pairs: Vec<Pair<'_>> = columns
            .iter()
            .map(|column| Pair {
                original: &column.original,
                stored: &column.stored,
                bound: column.bound,
            })
            .collect();
        let rows = (self.original.num_rows(), self.stored.num_rows());
        let Partners { stored, unmatched } = partners::find(&pairs, rows)?;
        let ordered = take_record_batch(self.stored, &UInt32Array::from(stored))?;
        Ok((
            ordered,
            wrong_numbers.or_else(|| self.no_matching(&unmatched)),
        ))
    }

    /// The place of each original by the rows' numbers, if those are the original's, each once.
    fn by_number(&self, column: usize) -> Option<UInt32Array> {
        let numbers = self.stored.column(column);
        let number = |row: usize| match numbers.data_type() {
            _ if numbers.is_null(row) => None,
            DataType::Int64 => u64::try_from(numbers.as_primitive::<Int64Type>().value(row)).ok(),
            DataType::UInt64 => Some(numbers.as_primitive::<UInt64Type>().value(row)),
            _ => None,
        };
        let mut order = vec![u32::MAX; self.stored.num_rows()];
        for row in 0..self.stored.num_rows() {
            let place = number(row)?.checked_sub(self.first_row)?;
            let place = order.get_mut(usize::try_from(place).ok()?)?;
            if *place != u32::MAX {
                return None;
            }
            *place = u32::try_from(row).ok()?;
        }
        order.truncate(self.original.num_rows());
        Some(UInt32Array::from(order))
    }

    fn wrong_numbers(&self, column: usize) -> String {
        format!(
            "row group {}: column {:?} does not number its rows from {} to {}, each once",
            self.number,
            self.stored.schema_ref().field(column).name(),
            self.first_row,
            (self.first_row + self.stored.num_rows() as u64).saturating_sub(1),
        )
    }

    fn no_matching(&self, unmatched: &[u32]) -> Option<String> {
        let first = self.first_row + u64::from(*unmatched.first()?);
        Some(format!(
            "row group {}: no one-to-one matching of its rows with the original's is within the \
             bounds: {} of {} rows are left without a partner, row {first} first",
            self.number,
            unmatched.len(),
            self.original.num_rows(),
        ))
    }
}
