//! Packed float columns without nulls, taken as they are decoded: a block of all of them at a time,
//! and not by way of virtual pages, which parquet-rs would copy.

use std::collections::VecDeque;
use std::ops::Range;

use arrow::array::{Array, ArrayData, ArrayRef, make_array};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;

use super::column::is_float;
use super::error::{FileError, Result};
use super::index::{IndexColumn, block_lengths};
use super::layout::Layout;
use super::packed::concatenated;
use super::virtual_file::VirtualFile;

/// Whether a top-level column can be taken so.
pub(super) fn is_direct(layout: &Layout, column: usize) -> bool {
    let index = layout.index();
    match &index.columns[column] {
        IndexColumn::Packed(packed) => {
            packed.nulls() == 0 && is_float(index.schema.field(column).data_type())
        }
        IndexColumn::Ordinary(_) | IndexColumn::Nested(_) => false,
    }
}

/// The chosen rows of some columns, one after the other.
pub(super) struct DirectColumns {
    file: VirtualFile,
    columns: Vec<(usize, DataType)>,
    /// Whether other columns of the same rows are read besides.
    beside_others: bool,
    /// Blocks that are yet to be decoded.
    ahead: VecDeque<Part>,
    /// What has been decoded and not been taken.
    arrays: Vec<ArrayRef>,
    remaining: u64,
}

/// Rows of one block.
struct Part {
    row_group: usize,
    block: usize,
    rows: Range<usize>,
}

impl DirectColumns {
    /// `columns` are such as [`is_direct`] allows; `rows` are counted from the first of
    /// `row_groups`.
    pub(super) fn new(
        file: VirtualFile,
        columns: &[usize],
        beside_others: bool,
        row_groups: &[usize],
        rows: Range<u64>,
    ) -> Self {
        let layout = file.layout();
        let data_type = |column: usize| layout.schema().field(column).data_type().clone();
        let columns = columns
            .iter()
            .map(|column| (*column, data_type(*column)))
            .collect();
        let mut ahead = VecDeque::new();
        let (mut first, mut remaining) = (0u64, 0);
        for &row_group in row_groups {
            let all = layout.metadata().row_group(row_group).num_rows();
            let lengths =
                block_lengths(usize::try_from(all).unwrap_or(0), layout.index().block_rows);
            for (block, length) in lengths.enumerate() {
                let from = |row: u64| row.saturating_sub(first).min(length as u64) as usize;
                let rows = from(rows.start)..from(rows.end);
                first += length as u64;
                if !rows.is_empty() {
                    remaining += rows.len() as u64;
                    ahead.push_back(Part {
                        row_group,
                        block,
                        rows,
                    });
                }
            }
        }
        Self {
            file,
            columns,
            beside_others,
            ahead,
            arrays: Vec::new(),
            remaining,
        }
    }

    /// Rows that are yet to be taken.
    pub(super) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The next rows of all columns; more than there are is an error.
    pub(super) fn take(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        let mut pieces = vec![Vec::with_capacity(1); self.columns.len()];
        let mut missing = rows;
        while missing > 0 {
            let decoded = self.arrays.first().map_or(0, |array| array.len());
            if decoded == 0 {
                self.decode_next()?;
                continue;
            }
            let taken = missing.min(decoded);
            for (array, pieces) in self.arrays.iter_mut().zip(&mut pieces) {
                pieces.push(array.slice(0, taken));
                *array = array.slice(taken, decoded - taken);
            }
            missing -= taken;
        }
        self.remaining = self.remaining.saturating_sub(rows as u64);
        pieces.iter().map(|pieces| concatenated(pieces)).collect()
    }

    fn decode_next(&mut self) -> Result<()> {
        let part = self
            .ahead
            .pop_front()
            .ok_or_else(|| FileError::corrupt("columns of different lengths"))?;
        let layout = self.file.layout();
        let units = self
            .columns
            .iter()
            .map(|(column, _)| layout.unit_of(part.row_group, *column, part.block))
            .collect::<Option<Vec<usize>>>()
            .ok_or_else(|| FileError::corrupt("a block that is not there"))?;
        let pages = self.file.read_pages(&units, self.beside_others)?;
        let arrays = self
            .columns
            .iter()
            .zip(pages)
            .map(|((_, data_type), bytes)| {
                let array = array_of(data_type, bytes)?;
                if array.len() < part.rows.end {
                    return Err(FileError::corrupt("a page of too few values"));
                }
                Ok(array.slice(part.rows.start, part.rows.len()))
            });
        self.arrays = arrays.collect::<Result<_>>()?;
        Ok(())
    }
}

/// The floats that `bytes` are, without a copy where they lie as they must, which they do but for
/// odd allocators.
fn array_of(data_type: &DataType, bytes: Vec<u8>) -> Result<ArrayRef> {
    let width = data_type.primitive_width().unwrap_or(1);
    let data = ArrayData::builder(data_type.clone())
        .len(bytes.len() / width)
        .add_buffer(Buffer::from_vec(bytes))
        .align_buffers(true)
        .build()?;
    Ok(make_array(data))
}
