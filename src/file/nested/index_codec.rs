//! What the block index holds of nested columns beyond what it holds of flat ones.

use arrow::datatypes::Field;

use super::leaf::MAX_BLOCK_LEVELS;
use super::{Leaf, PageShape, leaves};
use crate::codec::{ElementType, ValueRange};
use crate::file::column::element_type;
use crate::file::error::Result;
use crate::file::index::{
    Block, Dimension, IndexLeaf, NestedColumn, OrdinaryColumn, PackedColumn, PackedLeaf,
};
use crate::file::index_arrays::{Arrays, Input, cut, sum};
use crate::file::index_codec::implied_bound;

/// The first format version in which leaves of nested columns are packed.
pub(in crate::file) const FIRST_VERSION: u8 = 3;

/// How a top-level column is stored, which follows from its type.
pub(in crate::file) enum Kind {
    Packed(ElementType),
    Ordinary,
    Nested(Vec<Leaf>),
}

impl Kind {
    pub(in crate::file) fn of(field: &Field, version: u8) -> Self {
        if let Some(element) = element_type(field.data_type()) {
            return Self::Packed(element);
        }
        match leaves(field).filter(|_| version >= FIRST_VERSION) {
            Some(leaves) => Self::Nested(leaves),
            None => Self::Ordinary,
        }
    }

    pub(in crate::file) fn element(&self) -> Option<ElementType> {
        match self {
            Self::Packed(element) => Some(*element),
            Self::Ordinary | Self::Nested(_) => None,
        }
    }

    pub(in crate::file) fn leaves(&self) -> &[Leaf] {
        match self {
            Self::Nested(leaves) => leaves,
            Self::Packed(_) | Self::Ordinary => &[],
        }
    }
}

/// A leaf's block as the arrays of all blocks hold it.
pub(in crate::file) fn stored(block: &Block) -> Block {
    Block {
        payload_len: block.page_len,
        ..*block
    }
}

pub(in crate::file) fn encode_block_counts(leaves: &[&PackedLeaf], out: &mut Arrays) {
    let row_groups = leaves.iter().flat_map(|leaf| &leaf.shapes);
    out.varints(row_groups.map(Vec::len));
}

/// For each leaf and row group the number of blocks.
pub(in crate::file) fn decode_block_counts(
    input: &mut Input<'_>,
    leaves: usize,
    row_groups: &[usize],
) -> Result<Vec<Vec<usize>>> {
    (0..leaves)
        .map(|_| {
            let counts = input.varints(row_groups.len())?;
            // A block has a row at least.
            let fit = counts.iter().zip(row_groups);
            let fit = fit
                .into_iter()
                .all(|(count, rows)| (1..=*rows).contains(count));
            if fit { Ok(counts) } else { Err(cut()) }
        })
        .collect()
}

pub(in crate::file) fn encode_leaves(leaves: &[&PackedLeaf], out: &mut Arrays) {
    let shapes = || leaves.iter().flat_map(|leaf| leaf.shapes.iter().flatten());
    out.varints(shapes().map(|shape| shape.rows));
    out.varints(shapes().map(|shape| shape.levels));
    out.varints(shapes().map(|shape| shape.levels_len));
    let blocks = leaves.iter().flat_map(|leaf| leaf.column.blocks());
    out.varints(blocks.map(|block| block.payload_len));
    out.varints(
        leaves
            .iter()
            .map(|leaf| usize::from(!leaf.dimensions.is_empty())),
    );
    for leaf in leaves.iter().filter(|leaf| !leaf.dimensions.is_empty()) {
        let dimensions = || leaf.dimensions.iter();
        out.words(dimensions().map(|dimension| dimension.range.min.to_bits()));
        out.words(dimensions().map(|dimension| dimension.range.max.to_bits()));
        if !is_implied(&leaf.column) {
            let bounds = dimensions().flat_map(|dimension| &dimension.abs_bounds);
            out.words(bounds.map(|bound| bound.to_bits()));
        }
    }
}

/// Whether the dimensions' bounds follow from their ranges.
fn is_implied(column: &PackedColumn) -> bool {
    let range = ValueRange { min: 0.0, max: 1.0 };
    implied_bound(column.bound, range, column.range_declared).is_some()
}

/// The packed leaves; of `columns` the blocks are yet [`stored`].
pub(in crate::file) fn decode_leaves(
    input: &mut Input<'_>,
    leaves: &[&Leaf],
    columns: Vec<PackedColumn>,
) -> Result<Vec<PackedLeaf>> {
    let all: Vec<usize> = columns
        .iter()
        .map(|column| column.blocks().count())
        .collect();
    let all = sum(&all)?;
    let rows = input.varints(all)?;
    let levels = input.varints(all)?;
    let levels_lens = input.varints(all)?;
    let payload_lens = input.varints(all)?;
    let numbers = rows.iter().chain(&levels).chain(&levels_lens);
    if numbers
        .into_iter()
        .any(|number| *number > 8 * MAX_BLOCK_LEVELS)
    {
        return Err(cut());
    }
    let mut shapes = (0..all).map(|i| PageShape {
        rows: rows[i],
        levels: levels[i],
        levels_len: levels_lens[i],
    });
    let mut payload_lens = payload_lens.into_iter();
    let by_dimension = input.varints(leaves.len())?;
    let mut out = Vec::with_capacity(leaves.len());
    for ((leaf, mut column), by_dimension) in leaves.iter().zip(columns).zip(by_dimension) {
        for block in column.row_groups.iter_mut().flatten() {
            block.payload_len = payload_lens.next().ok_or_else(cut)?;
        }
        let row_groups = column.row_groups.iter();
        let shapes = row_groups.map(|blocks| shapes.by_ref().take(blocks.len()).collect());
        let shapes = shapes.collect();
        let dimensions = match by_dimension {
            0 => Vec::new(),
            1 => dimensions(input, leaf.dimensions(), &column)?,
            _ => return Err(cut()),
        };
        out.push(PackedLeaf {
            name: leaf.name(),
            column,
            shapes,
            dimensions,
        });
    }
    Ok(out)
}

fn dimensions(input: &mut Input<'_>, n: usize, column: &PackedColumn) -> Result<Vec<Dimension>> {
    let mins = input.words(n)?;
    let maxs = input.words(n)?;
    let range = |i: usize| ValueRange {
        min: f64::from_bits(mins[i]),
        max: f64::from_bits(maxs[i]),
    };
    if is_implied(column) {
        let implied = |i| implied_bound(column.bound, range(i), column.range_declared);
        return Ok((0..n)
            .map(|i| Dimension {
                range: range(i),
                abs_bounds: implied(i).into_iter().collect(),
            })
            .collect());
    }
    let each = column.abs_bounds.len();
    let bounds = input.words(n.checked_mul(each).ok_or_else(cut)?)?;
    Ok((0..n)
        .map(|i| Dimension {
            range: range(i),
            abs_bounds: bounds[i * each..(i + 1) * each]
                .iter()
                .map(|bound| f64::from_bits(*bound))
                .collect(),
        })
        .collect())
}

/// The nested columns, of their leaves in order.
pub(in crate::file) fn nested_columns(
    kinds: &[Kind],
    packed: Vec<PackedLeaf>,
    ordinary: Vec<OrdinaryColumn>,
) -> Result<std::vec::IntoIter<NestedColumn>> {
    let (mut packed, mut ordinary) = (packed.into_iter(), ordinary.into_iter());
    let mut columns = Vec::new();
    for kind in kinds {
        let Kind::Nested(leaves) = kind else { continue };
        let leaves = leaves.iter().map(|leaf| match leaf.element {
            Some(_) => packed.next().map(IndexLeaf::Packed),
            None => ordinary.next().map(IndexLeaf::Ordinary),
        });
        columns.push(NestedColumn {
            leaves: leaves.collect::<Option<Vec<_>>>().ok_or_else(cut)?,
        });
    }
    Ok(columns.into_iter())
}
