//! What a writer did.

use arrow::datatypes::DataType;

use crate::codec::{ErrorBound, ValueRange};

use super::order::RowOrderReport;

/// What was written, and how near to the original it is.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteReport {
    pub rows: u64,
    /// Bytes of the table in Arrow's memory format, without slack.
    pub raw_bytes: u64,
    /// Bytes of the whole file.
    pub file_bytes: u64,
    /// One for each top-level column, in order; but of a column of lists or structs one for each
    /// leaf of floats, and one for the rest, if it has any.
    pub columns: Vec<ColumnReport>,
    /// What ordering the rows did; None where their order was to be kept.
    pub row_order: Option<RowOrderReport>,
}

/// What became of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnReport {
    /// The position of the top-level column.
    pub column: usize,
    /// Of a leaf in structs, the names of the column and of the fields, joined by dots.
    pub name: String,
    /// Of a leaf, that of its values.
    pub data_type: DataType,
    /// None for a column of ordinary Parquet.
    pub bound: Option<ErrorBound>,
    /// The largest |x - x'| allowed, over all row groups; None for lossless columns and `pwrel`.
    pub abs_bound: Option<f64>,
    /// Of the finite values seen; empty for columns that are not floats.
    pub range: ValueRange,
    /// Whether the range was given beforehand. If not, each row group's own range was used.
    pub range_declared: bool,
    /// Dimensions of vectors that have ranges and bounds of their own; 0 where all have the same.
    pub dimensions: usize,
    /// The largest |x - x'| found.
    pub max_error: f64,
    /// Values stored bit-exactly because quantizing them would break the bound.
    pub outliers: u64,
    pub nulls: u64,
    /// Values that are not null; of a leaf, those in all lists.
    pub values: u64,
    /// Bytes in Arrow's memory format, without slack.
    pub raw_bytes: u64,
    /// Bytes of the column's pages in the file.
    pub packed_bytes: u64,
}
