//! The block index: bounds, ranges, statistics and checksums of everything in a packed file.
//!
//! One compact structure instead of a document for each column: a table may have 60,000 of them.

use arrow::datatypes::SchemaRef;

use crate::codec::{ElementType, ErrorBound, Grid, PayloadKind, ValueRange};

use super::nested::PageShape;

/// All that a packed file knows of its columns beyond Parquet's own footer.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// The schema as the user wrote it.
    pub schema: SchemaRef,
    /// Rows of every block but the last of a row group.
    pub block_rows: usize,
    /// One for each top-level field of the schema.
    pub columns: Vec<IndexColumn>,
}

/// What the index holds of one top-level column.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexColumn {
    Packed(PackedColumn),
    Ordinary(OrdinaryColumn),
    /// Lists and structs with floats in them.
    Nested(NestedColumn),
}

/// A column of lists or structs, of which at least one leaf is packed.
#[derive(Debug, Clone, PartialEq)]
pub struct NestedColumn {
    /// In the order of the Parquet schema.
    pub leaves: Vec<IndexLeaf>,
}

/// What the index holds of one leaf of a nested column.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexLeaf {
    Packed(PackedLeaf),
    /// Of one leaf.
    Ordinary(OrdinaryColumn),
}

/// A leaf of payloads.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedLeaf {
    /// The names of the column and of the fields of structs below it, joined by dots.
    pub name: String,
    /// Where dimensions have bounds of their own, its absolute bounds are the largest of those, and
    /// its range is that of all values.
    pub column: PackedColumn,
    /// For each row group how large its blocks are.
    pub shapes: Vec<Vec<PageShape>>,
    /// One for each dimension of the vectors, where those have bounds of their own.
    pub dimensions: Vec<Dimension>,
}

/// What is true of one dimension of vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimension {
    /// The range that its bound is relative to if it was known beforehand, else the union of those
    /// of the row groups.
    pub range: ValueRange,
    /// As of a [`PackedColumn`].
    pub abs_bounds: Vec<f64>,
}

impl Default for Dimension {
    fn default() -> Self {
        Self {
            range: ValueRange::EMPTY,
            abs_bounds: Vec::new(),
        }
    }
}

impl Dimension {
    /// The absolute bound in force in row group `i`.
    pub fn abs_bound(&self, i: usize) -> f64 {
        bound_of(&self.abs_bounds, i)
    }
}

fn bound_of(bounds: &[f64], i: usize) -> f64 {
    let bound = bounds.get(i).or(bounds.first());
    bound.copied().unwrap_or(0.0)
}

/// A column of payloads.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedColumn {
    pub element: ElementType,
    /// What was asked for.
    pub bound: ErrorBound,
    /// Finite values only. The range that a `rel` or `psnr` bound is relative to if
    /// `range_declared` (that between two quantiles, if the bound is), else the range seen over the
    /// file.
    pub range: ValueRange,
    /// Whether the range was known beforehand. If not, bounds are relative to the range of each row
    /// group. But for ranges between quantiles that is at most the column's: the stricter promise.
    pub range_declared: bool,
    /// The largest |x - x'| allowed: one for the file, or one for each row group where those
    /// differ. 0 is lossless. None for `pwrel`, which allows another to each value.
    pub abs_bounds: Vec<f64>,
    /// The largest |x - x'| found.
    pub max_error: f64,
    /// For each row group its blocks, in row order.
    pub row_groups: Vec<Vec<Block>>,
    /// For each row group the columns that the payloads refer to, in the payloads' order. Nothing
    /// stands for row groups that refer to none, at the end.
    pub references: Vec<Vec<usize>>,
}

impl PackedColumn {
    /// The columns that the payloads of row group `i` refer to.
    pub fn references(&self, i: usize) -> &[usize] {
        self.references.get(i).map_or(&[], Vec::as_slice)
    }

    /// The absolute bound in force in row group `i`; 0 where there is none.
    pub fn abs_bound(&self, i: usize) -> f64 {
        bound_of(&self.abs_bounds, i)
    }

    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.row_groups.iter().flatten()
    }

    pub fn nulls(&self) -> u64 {
        self.blocks().map(|block| block.nulls as u64).sum()
    }

    pub fn outliers(&self) -> u64 {
        self.blocks().map(|block| block.outliers as u64).sum()
    }

    /// Bytes of the column's pages, headers included.
    pub fn packed_bytes(&self) -> u64 {
        self.blocks().map(|block| block.page_len as u64).sum()
    }
}

/// One block of a packed column, which is one data page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Bytes of the physical page, header included.
    pub page_len: usize,
    /// Bytes of the payload at its end; 0 where all rows are null.
    pub payload_len: usize,
    /// CRC-32C of the physical page.
    pub checksum: u32,
    pub kind: PayloadKind,
    pub nulls: usize,
    pub nans: usize,
    pub outliers: usize,
    /// Bit patterns (zero-extended) of the smallest and largest reconstructed value, NaN aside.
    pub min_max: Option<(u64, u64)>,
    /// The grid that both lie on, where that is known.
    pub grid: Option<BlockGrid>,
}

/// A grid as payloads store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockGrid {
    /// The upper half of an f64.
    pub step: u32,
    pub phase: u8,
}

impl BlockGrid {
    pub(super) fn grid(self) -> Option<Grid> {
        Grid::from_parts(self.step, self.phase)
    }
}

/// A column of ordinary Parquet.
#[derive(Debug, Clone, PartialEq)]
pub struct OrdinaryColumn {
    /// For each row group and leaf, the pages in file order; a dictionary page comes first and
    /// has no rows.
    pub row_groups: Vec<Vec<Vec<Page>>>,
}

impl OrdinaryColumn {
    pub fn bytes(&self) -> u64 {
        self.row_groups
            .iter()
            .flatten()
            .flatten()
            .map(|page| page.len as u64)
            .sum()
    }
}

/// One page of an ordinary column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Page {
    /// Bytes, header included.
    pub len: usize,
    pub rows: usize,
    /// CRC-32C of the page.
    pub checksum: u32,
}

impl Index {
    /// Whether the top-level column at this position is a flat packed one.
    pub(super) fn is_packed(&self, column: usize) -> bool {
        matches!(self.columns.get(column), Some(IndexColumn::Packed(_)))
    }

    /// Whether all columns are flat packed ones.
    pub(super) fn is_flat(&self) -> bool {
        (0..self.columns.len()).all(|column| self.is_packed(column))
    }

    /// The flat columns that are packed, with their positions.
    pub fn packed(&self) -> impl Iterator<Item = (usize, &PackedColumn)> {
        self.columns
            .iter()
            .enumerate()
            .filter_map(|(i, column)| match column {
                IndexColumn::Packed(column) => Some((i, column)),
                IndexColumn::Ordinary(_) | IndexColumn::Nested(_) => None,
            })
    }

    /// The packed leaves of nested columns, with the columns' positions.
    pub fn packed_leaves(&self) -> impl Iterator<Item = (usize, &PackedLeaf)> {
        let columns = self.columns.iter().enumerate();
        columns.flat_map(|(i, column)| {
            let leaves: &[IndexLeaf] = match column {
                IndexColumn::Nested(column) => &column.leaves,
                IndexColumn::Packed(_) | IndexColumn::Ordinary(_) => &[],
            };
            leaves.iter().filter_map(move |leaf| match leaf {
                IndexLeaf::Packed(leaf) => Some((i, leaf)),
                IndexLeaf::Ordinary(_) => None,
            })
        })
    }
}

/// Rows of each block of a row group of `rows`.
pub(super) fn block_lengths(
    rows: usize,
    block_rows: usize,
) -> impl ExactSizeIterator<Item = usize> {
    (0..rows.div_ceil(block_rows)).map(move |i| block_rows.min(rows - i * block_rows))
}
