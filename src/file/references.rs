//! References of columns to others, as a layout resolves them: from a page to the pages that it is
//! decoded with.

use super::error::{FileError, Result};
use super::index::{Index, IndexColumn};
use super::layout::{Layout, Unit, UnitKind, VirtualPage};

/// Who refers to whom, and where their pages are.
#[derive(Debug)]
pub(super) struct References {
    /// The unit of the first block of each row group and column, for those that are packed.
    first_units: Vec<Vec<usize>>,
}

impl References {
    /// # Errors
    /// [`FileError::Corrupt`] for references in a circle, or too far.
    pub(super) fn new(units: &[Unit], index: &Index, row_groups: usize) -> Result<Self> {
        check_references(index, row_groups)?;
        Ok(Self {
            first_units: first_units(units, index, row_groups),
        })
    }
}

impl Layout {
    /// The units of the pages that the payload of `page`'s unit refers to, in its order.
    pub(super) fn referred_pages(&self, unit: usize, page: &VirtualPage) -> Vec<usize> {
        let first = &self.references.first_units[page.row_group];
        let block = unit - first[page.column];
        let references = self.referred_columns(page).iter();
        references.map(|column| first[*column] + block).collect()
    }

    /// The columns that the payload of `page` refers to, in its order.
    pub(super) fn referred_columns(&self, page: &VirtualPage) -> &[usize] {
        match &self.index.columns[page.column] {
            IndexColumn::Packed(packed) => packed.references(page.row_group),
            IndexColumn::Ordinary(_) | IndexColumn::Nested(_) => &[],
        }
    }

    /// The unit of a block of a packed column.
    pub(super) fn unit_of(&self, row_group: usize, column: usize, block: usize) -> Option<usize> {
        let first = *self.references.first_units.get(row_group)?.get(column)?;
        let unit = first.checked_add(block)?;
        match &self.units.get(unit)?.kind {
            UnitKind::Virtual(page) if (page.row_group, page.column) == (row_group, column) => {
                Some(unit)
            }
            _ => None,
        }
    }
}

/// Virtual pages lie in the order of row groups, columns and blocks.
fn first_units(units: &[Unit], index: &Index, row_groups: usize) -> Vec<Vec<usize>> {
    let mut first = vec![vec![usize::MAX; index.columns.len()]; row_groups];
    for (i, unit) in units.iter().enumerate() {
        if let UnitKind::Virtual(page) = &unit.kind {
            let first = &mut first[page.row_group][page.column];
            *first = i.min(*first);
        }
    }
    first
}

/// The most columns that a reader of one column may have to decode besides.
const MAX_ANCESTORS: usize = 64;

/// References lead nowhere in circles, and not far.
fn check_references(index: &Index, row_groups: usize) -> Result<()> {
    fn visit(index: &Index, row_group: usize, column: usize, above: &mut Vec<usize>) -> Result<()> {
        let IndexColumn::Packed(packed) = &index.columns[column] else {
            return Err(FileError::corrupt(
                "a reference to a column that is not packed",
            ));
        };
        for &parent in packed.references(row_group) {
            if !above.contains(&parent) {
                above.push(parent);
                if above.len() > MAX_ANCESTORS {
                    return Err(FileError::corrupt("a column refers to too many others"));
                }
                visit(index, row_group, parent, above)?;
            }
        }
        Ok(())
    }
    for row_group in 0..row_groups {
        for (column, packed) in index.packed() {
            if packed.references(row_group).is_empty() {
                continue;
            }
            let mut above = Vec::new();
            visit(index, row_group, column, &mut above)?;
            if above.contains(&column) {
                return Err(FileError::corrupt(
                    "columns refer to one another in a circle",
                ));
            }
        }
    }
    Ok(())
}
