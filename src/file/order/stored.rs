//! The values of a column as a reader will see them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};

use crate::codec::{Float, Grid, PayloadKind};
use crate::file::error::{FileError, Result};
use crate::file::index::{Block, block_lengths};

/// What the `blocks` of a float column hold of `array`, quantized on `grid` within `bound` or, as
/// each block says of itself, kept.
pub(super) fn values(
    array: &ArrayRef,
    blocks: &[Block],
    grid: Option<Grid>,
    bound: f64,
    block_rows: usize,
) -> Result<ArrayRef> {
    let mut first = 0;
    let mut parts: Vec<ArrayRef> = Vec::with_capacity(blocks.len());
    for (block, rows) in blocks.iter().zip(block_lengths(array.len(), block_rows)) {
        let part = array.slice(first, rows);
        first += rows;
        let grid = match block.kind {
            PayloadKind::Exact | PayloadKind::Integers => {
                parts.push(part);
                continue;
            }
            PayloadKind::Quantized64 => grid.map(Grid::without_phase),
            _ => grid,
        };
        let grid = grid.ok_or_else(|| FileError::invalid("a quantized block without a grid"))?;
        parts.push(match part.data_type() {
            DataType::Float16 => quantized::<Float16Type>(&part, grid, bound),
            DataType::Float32 => quantized::<Float32Type>(&part, grid, bound),
            DataType::Float64 => quantized::<Float64Type>(&part, grid, bound),
            _ => part,
        });
    }
    Ok(concat(
        &parts.iter().map(|part| part.as_ref()).collect::<Vec<_>>(),
    )?)
}

fn quantized<T: ArrowPrimitiveType>(array: &ArrayRef, grid: Grid, bound: f64) -> ArrayRef
where
    T::Native: Float,
{
    let array: &PrimitiveArray<T> = array.as_primitive();
    let values = grid.stored(array.values(), bound);
    Arc::new(PrimitiveArray::<T>::new(
        values.into(),
        array.nulls().cloned(),
    ))
}
