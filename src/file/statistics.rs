//! Parquet statistics of the virtual file, from the block index.
//!
//! They describe *reconstructed* values, or pruning would drop rows. A chunk that holds NaN gets
//! none: engines order NaN above all numbers, statistics leave it out, and a filter such as
//! `x > 5` would lose its rows.

use half::f16;
use parquet::basic::Type as PhysicalType;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::metadata::ColumnIndexBuilder;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};

use crate::codec::ElementType;

use super::error::Result;
use super::index::Block;

/// The Parquet physical type whose PLAIN bytes are those of the element type.
pub(super) fn physical_type(element: ElementType) -> PhysicalType {
    match element {
        ElementType::F16 => PhysicalType::FIXED_LEN_BYTE_ARRAY,
        ElementType::F32 => PhysicalType::FLOAT,
        ElementType::F64 => PhysicalType::DOUBLE,
        ElementType::I32 | ElementType::U32 => PhysicalType::INT32,
        ElementType::I64 | ElementType::U64 => PhysicalType::INT64,
    }
}

/// The extremes of two runs of values, given as bit patterns.
pub(super) fn union(element: ElementType, a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    let max = if least(element, a.1, b.1) == a.1 {
        b.1
    } else {
        a.1
    };
    (least(element, a.0, b.0), max)
}

/// Statistics of a column chunk.
pub(super) fn of_chunk(element: ElementType, blocks: &[Block]) -> Statistics {
    let nulls = Some(blocks.iter().map(|block| block.nulls as u64).sum());
    let ordered = blocks.iter().all(|block| block.nans == 0);
    let min_max = blocks
        .iter()
        .filter_map(|block| block.min_max)
        .filter(|_| ordered);
    let (min, max) = min_max.reduce(|a, b| union(element, a, b)).unzip();
    match element {
        ElementType::F32 => {
            let value = |bits: u64| f32::from_bits(bits as u32);
            Statistics::Float(ValueStatistics::new(
                min.map(value),
                max.map(value),
                None,
                nulls,
                false,
            ))
        }
        ElementType::F64 => Statistics::Double(ValueStatistics::new(
            min.map(f64::from_bits),
            max.map(f64::from_bits),
            None,
            nulls,
            false,
        )),
        ElementType::F16 => {
            let value = |bits: u64| {
                FixedLenByteArray::from(ByteArray::from((bits as u16).to_le_bytes().to_vec()))
            };
            Statistics::FixedLenByteArray(ValueStatistics::new(
                min.map(value),
                max.map(value),
                None,
                nulls,
                false,
            ))
        }
        ElementType::I32 | ElementType::U32 => {
            let value = |bits: u64| bits as i32;
            Statistics::Int32(ValueStatistics::new(
                min.map(value),
                max.map(value),
                None,
                nulls,
                false,
            ))
        }
        ElementType::I64 | ElementType::U64 => {
            let value = |bits: u64| bits as i64;
            Statistics::Int64(ValueStatistics::new(
                min.map(value),
                max.map(value),
                None,
                nulls,
                false,
            ))
        }
    }
}

/// The column index of a chunk: statistics of each page. There is none where a page holds NaN, for
/// the index cannot leave out a page.
pub(super) fn of_pages(
    element: ElementType,
    blocks: &[Block],
    rows: impl Iterator<Item = usize>,
) -> Result<ColumnIndexMetaData> {
    if blocks.iter().any(|block| block.nans > 0) {
        return Ok(ColumnIndexMetaData::NONE);
    }
    let bytes = |bits: u64| bits.to_le_bytes()[..element.width()].to_vec();
    let mut index = ColumnIndexBuilder::new(physical_type(element));
    for (block, rows) in blocks.iter().zip(rows) {
        match block.min_max {
            Some((min, max)) => index.append(false, bytes(min), bytes(max), block.nulls as i64),
            None if block.nulls == rows => {
                index.append(true, Vec::new(), Vec::new(), block.nulls as i64)
            }
            None => return Ok(ColumnIndexMetaData::NONE),
        }
    }
    Ok(index.build()?)
}

/// The smaller of two values given as bit patterns, in the order of statistics.
fn least(element: ElementType, a: u64, b: u64) -> u64 {
    let ordering = match element {
        ElementType::F16 => f16::from_bits(a as u16).total_cmp(&f16::from_bits(b as u16)),
        ElementType::F32 => f32::from_bits(a as u32).total_cmp(&f32::from_bits(b as u32)),
        ElementType::F64 => f64::from_bits(a).total_cmp(&f64::from_bits(b)),
        ElementType::I32 => (a as i32).cmp(&(b as i32)),
        ElementType::I64 => (a as i64).cmp(&(b as i64)),
        ElementType::U32 | ElementType::U64 => a.cmp(&b),
    };
    if ordering.is_gt() { b } else { a }
}
