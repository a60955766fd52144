//! How a file is to be written.

use std::collections::HashMap;

use crate::codec::{ErrorBound, MAX_BLOCK_VALUES, ValueRange};

use super::error::{FileError, Result};

/// Rows of a block (one data page of every column) unless told otherwise.
pub const DEFAULT_BLOCK_ROWS: usize = 65_536;
/// Rows of a row group unless told otherwise.
pub const DEFAULT_ROW_GROUP_ROWS: usize = 4 * DEFAULT_BLOCK_ROWS;
/// Raw bytes that a row group of the default size stays below: a writer holds one in memory.
pub(super) const ROW_GROUP_BYTES: usize = 256 << 20;
/// A block of the default size is not cut below this, however wide the table.
const LEAST_BLOCK_ROWS: usize = 4096;

/// Options of a [`Writer`](super::Writer): bounds, ranges, sizes.
#[derive(Debug, Clone, Default)]
pub struct WriterOptions {
    bound: Option<ErrorBound>,
    column_bounds: HashMap<String, ErrorBound>,
    column_ranges: HashMap<String, ValueRange>,
    block_rows: Option<usize>,
    row_group_rows: Option<usize>,
}

impl WriterOptions {
    pub fn new() -> Self {
        Self::default()
    }

    /// The error bound of every float column without one of its own; `rel:1e-3` unless given.
    pub fn with_bound(mut self, bound: ErrorBound) -> Self {
        self.bound = Some(bound);
        self
    }

    /// The error bound of one top-level column. Only float columns take another than `exact`.
    pub fn with_column_bound(mut self, name: impl Into<String>, bound: ErrorBound) -> Self {
        self.column_bounds.insert(name.into(), bound);
        self
    }

    /// The range of a column over *all* of its data, which `rel` and `psnr` bounds are relative to;
    /// for [`ErrorBound::RobustRel`], the range between its two quantiles.
    ///
    /// Without it each row group takes its own range, which is the stricter promise (but between
    /// quantiles, where a row group's range may also be the wider one). A value outside the range
    /// given is kept within the same absolute bound.
    pub fn with_column_range(mut self, name: impl Into<String>, range: ValueRange) -> Self {
        self.column_ranges.insert(name.into(), range);
        self
    }

    /// Rows of a block: what is coded together, and the least that a reader decodes.
    /// 65,536 unless given, fewer for very wide tables; at most [`MAX_BLOCK_VALUES`].
    pub fn with_block_rows(mut self, rows: usize) -> Self {
        self.block_rows = Some(rows);
        self
    }

    /// Rows of a row group: what the writer holds in memory. Rounded up to whole blocks.
    pub fn with_row_group_rows(mut self, rows: usize) -> Self {
        self.row_group_rows = Some(rows);
        self
    }

    pub(super) fn bound_of(&self, column: &str) -> Option<ErrorBound> {
        self.column_bounds.get(column).copied()
    }

    pub(super) fn default_bound(&self) -> ErrorBound {
        self.bound.unwrap_or(ErrorBound::DEFAULT)
    }

    pub(super) fn range_of(&self, column: &str) -> Option<ValueRange> {
        self.column_ranges.get(column).copied()
    }

    pub(super) fn bounded_columns(&self) -> impl Iterator<Item = &String> {
        self.column_bounds.keys().chain(self.column_ranges.keys())
    }

    /// Rows of a block and of a row group, for rows of `row_bytes` raw bytes.
    pub(super) fn rows(&self, row_bytes: usize) -> Result<(usize, usize)> {
        for (what, rows) in [
            ("block", self.block_rows),
            ("row group", self.row_group_rows),
        ] {
            if rows == Some(0) {
                return Err(FileError::invalid(format!("a {what} needs at least 1 row")));
            }
        }
        let affordable = (ROW_GROUP_BYTES / row_bytes.max(1)).max(LEAST_BLOCK_ROWS);
        let group = self
            .row_group_rows
            .unwrap_or(DEFAULT_ROW_GROUP_ROWS.min(affordable));
        let block = self
            .block_rows
            .unwrap_or(DEFAULT_BLOCK_ROWS.min(affordable).min(group));
        if block > MAX_BLOCK_VALUES {
            return Err(FileError::invalid(format!(
                "{block} rows are too many for a block; give at most {MAX_BLOCK_VALUES}"
            )));
        }
        Ok((
            block,
            group.max(block).div_ceil(block).saturating_mul(block),
        ))
    }
}
