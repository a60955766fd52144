//! Long reads in pieces: where to cut the virtual file so that nothing is decoded twice, and the
//! memory that a piece takes.

use std::ops::Range;

use super::error::Result;
use super::index::{Block, IndexColumn, IndexLeaf};
use super::layout::Layout;

/// Bytes that decoding takes for each row of a page, beside what it is asked for: the values of at
/// most eight bytes, and the integers that others may refer to.
const DECODED_ROW: u64 = 12;

impl Layout {
    /// The end of a piece of `range` that starts where the range does: cut between pages, of at
    /// least `target` bytes where the range is longer.
    ///
    /// # Errors
    /// [`FileError::Parquet`](super::FileError::Parquet) when the virtual footer cannot be written.
    pub fn piece_end(&self, range: &Range<u64>, target: u64) -> Result<u64> {
        let wanted = range.start.saturating_add(target);
        let mut end = range.start;
        while end < wanted && end < range.end {
            let boundary = self.next_boundary(end)?;
            // Bytes between pages, and the footer, may be cut anywhere.
            end = if self.is_in_page(end) {
                boundary
            } else {
                boundary.min(wanted)
            };
        }
        Ok(end.min(range.end))
    }

    fn is_in_page(&self, position: u64) -> bool {
        let next = self
            .units
            .partition_point(|unit| unit.range.end <= position);
        self.units
            .get(next)
            .is_some_and(|unit| unit.range.start <= position)
    }

    /// About the bytes of memory that it takes, the virtual footer aside.
    pub fn memory_size(&self) -> usize {
        let pages = self.index.columns.iter().map(|column| match column {
            IndexColumn::Packed(packed) => packed.blocks().count(),
            IndexColumn::Ordinary(ordinary) => {
                ordinary.row_groups.iter().flatten().flatten().count()
            }
            IndexColumn::Nested(nested) => nested.leaves.iter().map(leaf_pages).sum(),
        });
        // Each page has an entry in the index, and one in the layout that repeats it.
        self.metadata().memory_size() + pages.sum::<usize>() * 3 * size_of::<Block>()
    }

    /// About the most memory, in bytes, that reading `range` takes while it lasts, its own bytes
    /// included.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`](super::FileError::InvalidInput) for a range beyond the end.
    pub fn memory_of_read(&self, range: &Range<u64>) -> Result<u64> {
        let plan = self.plan(std::slice::from_ref(range))?;
        let fetched: u64 = plan.fetches().iter().map(|f| f.end - f.start).sum();
        let rows: u64 = plan.page_rows(self);
        Ok(range.end - range.start + fetched + rows * DECODED_ROW)
    }
}

fn leaf_pages(leaf: &IndexLeaf) -> usize {
    match leaf {
        IndexLeaf::Packed(leaf) => leaf.column.blocks().count(),
        IndexLeaf::Ordinary(leaf) => leaf.row_groups.iter().flatten().flatten().count(),
    }
}
