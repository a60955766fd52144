//! The range of a column's finite values over all of an input: declared by the files, or read.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema};
use half::f16;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;
use rayon::prelude::*;

use crate::codec::ValueRange;
use crate::file::{finite_range, is_float};

use super::error::Result;
use super::input::Input;

/// For each column, the range that the statistics of every row group declare: exact, finite, and
/// of a top-level float column; else `None`.
pub(super) fn declared(schema: &Schema, metadata: &ParquetMetaData) -> Vec<Option<ValueRange>> {
    let descriptor = metadata.file_metadata().schema_descr();
    let leaves = descriptor
        .columns()
        .iter()
        .enumerate()
        .filter(|(_, leaf)| leaf.path().parts().len() == 1);
    let leaves: HashMap<&str, usize> = leaves.map(|(index, leaf)| (leaf.name(), index)).collect();
    let column = |name: &str, data_type: &DataType| {
        let leaf = *leaves.get(name)?;
        metadata
            .row_groups()
            .iter()
            .try_fold(ValueRange::EMPTY, |range, row_group| {
                Some(range.union(&declared_by_chunk(row_group.column(leaf), data_type)?))
            })
    };
    let known = |field: &FieldRef| {
        column(field.name(), field.data_type()).filter(|_| is_float(field.data_type()))
    };
    schema.fields().iter().map(known).collect()
}

fn declared_by_chunk(chunk: &ColumnChunkMetaData, data_type: &DataType) -> Option<ValueRange> {
    if chunk.num_values() == 0 {
        return Some(ValueRange::EMPTY);
    }
    let statistics = chunk.statistics()?;
    if statistics.null_count_opt() == u64::try_from(chunk.num_values()).ok() {
        return Some(ValueRange::EMPTY);
    }
    if statistics.is_min_max_deprecated()
        || !statistics.min_is_exact()
        || !statistics.max_is_exact()
    {
        return None;
    }
    let (min, max) = match (statistics, data_type) {
        (Statistics::Float(values), DataType::Float32) => {
            (f64::from(*values.min_opt()?), f64::from(*values.max_opt()?))
        }
        (Statistics::Double(values), DataType::Float64) => (*values.min_opt()?, *values.max_opt()?),
        (Statistics::FixedLenByteArray(values), DataType::Float16) => {
            let number = |bytes: &[u8]| Some(f16::from_le_bytes(bytes.try_into().ok()?).to_f64());
            (
                number(values.min_opt()?.data())?,
                number(values.max_opt()?.data())?,
            )
        }
        _ => return None,
    };
    // An infinity says nothing of the finite values, and NaN is no statistic.
    (min.is_finite() && max.is_finite() && min <= max).then_some(ValueRange { min, max })
}

/// Reads `columns` (ascending, all of them floats) for their ranges, in parallel over files, row
/// groups and columns; `progress` gets the rows of each batch read, and stops by an error.
pub(super) fn read(
    input: &Input,
    columns: &[usize],
    progress: &(dyn Fn(u64) -> Result<()> + Sync),
) -> Result<Vec<ValueRange>> {
    let ranges: Vec<Mutex<ValueRange>> = vec![ValueRange::EMPTY; columns.len()]
        .into_iter()
        .map(Mutex::new)
        .collect();
    for_each_batch(input, columns, |batch| {
        ranges
            .par_iter()
            .zip(batch.columns())
            .for_each(|(all, column)| {
                let range = finite_range(column);
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                *all = all.union(&range);
            });
        progress(batch.num_rows() as u64)
    })?;
    Ok(ranges
        .into_iter()
        .map(|range| range.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect())
}

/// Reads `columns` (ascending), in parallel over files and row groups, and gives each batch to
/// `visit`, whose error ends it.
pub(super) fn for_each_batch(
    input: &Input,
    columns: &[usize],
    visit: impl Fn(RecordBatch) -> Result<()> + Sync,
) -> Result<()> {
    let parts = rayon::current_num_threads();
    let tasks: Vec<(usize, Range<usize>)> = input
        .files()
        .iter()
        .enumerate()
        .flat_map(|(file, table)| {
            let groups = table.row_groups();
            let step = groups.div_ceil(parts).max(1);
            (0..groups)
                .step_by(step)
                .map(move |start| (file, start..(start + step).min(groups)))
        })
        .collect();
    tasks.into_par_iter().try_for_each(|(file, row_groups)| {
        for batch in input.read(file, Some(columns), Some(row_groups))? {
            visit(batch?)?;
        }
        Ok(())
    })
}
