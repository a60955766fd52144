//! How a file is to be written.

use std::collections::HashMap;

use arrow::datatypes::Schema;

use crate::codec::{Effort, ErrorBound, MAX_BLOCK_VALUES, Search, ValueRange};

use super::error::{FileError, Result};
use super::nested::Leaf;

/// Rows of a block (one data page of every column) unless told otherwise.
pub const DEFAULT_BLOCK_ROWS: usize = 65_536;
/// Rows of a row group unless told otherwise.
pub const DEFAULT_ROW_GROUP_ROWS: usize = 4 * DEFAULT_BLOCK_ROWS;
/// Rows of a row group of a portable file unless told otherwise: each has a dictionary of its own.
const PORTABLE_ROW_GROUP_ROWS: usize = 1 << 20;
/// The same where rows may be in any order: the more rows are sorted together, the more alike are
/// neighbours.
const DEFAULT_ANY_ORDER_ROWS: usize = 4 * DEFAULT_ROW_GROUP_ROWS;
/// Raw bytes that a row group of the default size stays below: a writer holds one in memory.
pub(super) const ROW_GROUP_BYTES: usize = 256 << 20;
/// A block of the default size is not cut below this, however wide the table.
const LEAST_BLOCK_ROWS: usize = 4096;

/// The two kinds of file that Tolerant writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileLayout {
    /// The smallest and fastest to decode; read with Tolerant. See [`Writer`](super::Writer).
    #[default]
    Packed,
    /// Ordinary Parquet, read by anything that reads Parquet. See
    /// [`PortableWriter`](super::PortableWriter).
    Portable,
}

/// Whether the order of the rows is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowOrder {
    /// Rows are read in the order that they were written in.
    #[default]
    Keep,
    /// The rows of each row group may be stored in whichever order makes it smallest.
    Any,
}

/// What the range is of that a bound of vectors is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VectorRange {
    /// All values.
    #[default]
    All,
    /// The values of each dimension of lists of fixed size; other lists have no dimensions, and one
    /// range.
    Dimension,
}

/// Options of a [`Writer`](super::Writer): bounds, ranges, sizes.
#[derive(Debug, Clone, Default)]
pub struct WriterOptions {
    bound: Option<ErrorBound>,
    column_bounds: HashMap<String, ErrorBound>,
    column_ranges: HashMap<String, ValueRange>,
    block_rows: Option<usize>,
    row_group_rows: Option<usize>,
    effort: Effort,
    max_references: Option<usize>,
    row_order: RowOrder,
    row_id: Option<String>,
    vector_range: VectorRange,
    dimension_ranges: HashMap<String, Vec<ValueRange>>,
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

    /// The error bound of one column. Only floats take another than `exact`.
    ///
    /// The name of a column of lists or structs stands for all floats in it; `s.x` stands for those
    /// in the field `x` of the structs of column `s`, unless a column is called `s.x`. The longest
    /// name decides.
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

    /// Whether bounds of vectors are relative to the range of all values, as they are unless told
    /// otherwise, or of each dimension.
    pub fn with_vector_range(mut self, range: VectorRange) -> Self {
        self.vector_range = range;
        self
    }

    /// The ranges of the dimensions of a leaf over *all* of its data, for
    /// [`VectorRange::Dimension`]: see [`with_column_range`](Self::with_column_range).
    pub fn with_dimension_ranges(
        mut self,
        name: impl Into<String>,
        ranges: Vec<ValueRange>,
    ) -> Self {
        self.dimension_ranges.insert(name.into(), ranges);
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

    /// Whether the order of the rows is kept, as it is unless [`RowOrder::Any`] is given here.
    pub fn with_row_order(mut self, order: RowOrder) -> Self {
        self.row_order = order;
        self
    }

    /// Adds a last column of this name that holds each row's position among all that are written,
    /// counted from 0: Int64, never null.
    pub fn with_row_id(mut self, name: impl Into<String>) -> Self {
        self.row_id = Some(name.into());
        self
    }

    pub(crate) fn row_order(&self) -> RowOrder {
        self.row_order
    }

    pub(super) fn row_id(&self) -> Option<&str> {
        self.row_id.as_deref()
    }

    /// How much work to spend on making the file small; [`Effort::Balanced`] unless given.
    pub fn with_effort(mut self, effort: Effort) -> Self {
        self.effort = effort;
        self
    }

    /// The most other columns that the coding of a column may refer to: 3 unless given, 0 for
    /// columns that are read each for itself. A reader of one column decodes those that it refers
    /// to, directly or not, besides.
    pub fn with_max_references(mut self, references: usize) -> Self {
        self.max_references = Some(references);
        self
    }

    pub(super) fn effort(&self) -> Effort {
        self.effort
    }

    pub(super) fn search(&self) -> Search {
        Search::of(self.effort, self.max_references.unwrap_or(usize::MAX))
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
        let ranges = self.column_ranges.keys();
        let ranges = ranges.chain(self.dimension_ranges.keys());
        self.column_bounds.keys().chain(ranges)
    }

    /// The bound given for a leaf of a nested column, by the longest of the names that it goes by.
    pub(super) fn bound_of_leaf(&self, leaf: &Leaf, schema: &Schema) -> Option<ErrorBound> {
        let names = leaf.names(schema);
        names.iter().find_map(|name| self.bound_of(name))
    }

    pub(super) fn range_of_leaf(&self, leaf: &Leaf, schema: &Schema) -> Option<ValueRange> {
        self.range_of(&leaf.own_name(schema)?)
    }

    pub(super) fn is_by_dimension(&self) -> bool {
        self.vector_range == VectorRange::Dimension
    }

    pub(super) fn dimension_ranges_of(
        &self,
        leaf: &Leaf,
        schema: &Schema,
    ) -> Option<&[ValueRange]> {
        let ranges = self.dimension_ranges.get(&leaf.own_name(schema)?);
        ranges.map(Vec::as_slice)
    }

    /// Rows of a row group of a portable file, for rows of `row_bytes` raw bytes.
    pub(super) fn portable_rows(&self, row_bytes: usize) -> Result<usize> {
        let affordable = (ROW_GROUP_BYTES / row_bytes.max(1)).max(LEAST_BLOCK_ROWS);
        match self.row_group_rows {
            Some(0) => Err(FileError::invalid("a row group needs at least 1 row")),
            Some(rows) => Ok(rows),
            None => Ok(PORTABLE_ROW_GROUP_ROWS.min(affordable)),
        }
    }

    /// Rows of a block, of a row group, and of one whose rows are kept in their order, for rows of
    /// `row_bytes` raw bytes.
    pub(super) fn rows(&self, row_bytes: usize) -> Result<(usize, usize, usize)> {
        for (what, rows) in [
            ("block", self.block_rows),
            ("row group", self.row_group_rows),
        ] {
            if rows == Some(0) {
                return Err(FileError::invalid(format!("a {what} needs at least 1 row")));
            }
        }
        // Ordering rows holds their ranks and a second copy besides.
        let (bytes, rows) = match self.row_order {
            RowOrder::Keep => (ROW_GROUP_BYTES, DEFAULT_ROW_GROUP_ROWS),
            RowOrder::Any => (ROW_GROUP_BYTES / 2, DEFAULT_ANY_ORDER_ROWS),
        };
        let affordable = (bytes / row_bytes.max(1)).max(LEAST_BLOCK_ROWS);
        let group = self.row_group_rows.unwrap_or(rows.min(affordable));
        let block = self
            .block_rows
            .unwrap_or(DEFAULT_BLOCK_ROWS.min(affordable).min(group));
        if block > MAX_BLOCK_VALUES {
            return Err(FileError::invalid(format!(
                "{block} rows are too many for a block; give at most {MAX_BLOCK_VALUES}"
            )));
        }
        let whole_blocks = |rows: usize| rows.max(block).div_ceil(block).saturating_mul(block);
        let kept = self.row_group_rows.unwrap_or(DEFAULT_ROW_GROUP_ROWS);
        Ok((block, whole_blocks(group), whole_blocks(kept.min(group))))
    }
}
