//! The values of an encoded column as a reader will see them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};

use crate::codec::{ElementType, decode_bytes};
use crate::file::error::{FileError, Result};
use crate::file::index::{Block, block_lengths};

/// Decodes the chunk of a float column, of which `array` is the original.
pub(super) fn values(
    array: &ArrayRef,
    chunk: &[u8],
    blocks: &[Block],
    block_rows: usize,
) -> Result<ArrayRef> {
    let element = match array.data_type() {
        DataType::Float16 => ElementType::F16,
        DataType::Float32 => ElementType::F32,
        DataType::Float64 => ElementType::F64,
        _ => return Ok(Arc::clone(array)),
    };
    let mut bytes = Vec::with_capacity(array.len() * element.width());
    let mut end = 0;
    for (block, rows) in blocks.iter().zip(block_lengths(array.len(), block_rows)) {
        end += block.page_len;
        if block.payload_len > 0 {
            // A payload is the last value of its page.
            let payload = chunk.get(end.wrapping_sub(block.payload_len)..end);
            let payload = payload.ok_or_else(|| FileError::corrupt("pages beyond their chunk"))?;
            decode_bytes(payload, element, rows - block.nulls, &mut bytes)?;
        }
    }
    match element {
        ElementType::F16 => spread::<Float16Type>(array, &bytes),
        ElementType::F32 => spread::<Float32Type>(array, &bytes),
        _ => spread::<Float64Type>(array, &bytes),
    }
}

/// The non-null values `bytes`, with nulls where `array` has them.
fn spread<T: ArrowPrimitiveType>(array: &ArrayRef, bytes: &[u8]) -> Result<ArrayRef>
where
    T::Native: bytemuck::Pod,
{
    let valid = bytes.chunks_exact(size_of::<T::Native>());
    let valid: Vec<T::Native> = valid.map(bytemuck::pod_read_unaligned).collect();
    if valid.len() != array.len() - array.null_count() {
        return Err(FileError::corrupt("a chunk of another number of values"));
    }
    let mut valid = valid.into_iter();
    let values = (0..array.len()).map(|row| {
        let value = if array.is_null(row) {
            None
        } else {
            valid.next()
        };
        value.unwrap_or_default()
    });
    let values: ScalarBuffer<T::Native> = values.collect();
    let nulls = array.nulls().cloned();
    Ok(Arc::new(PrimitiveArray::<T>::new(values, nulls)))
}
