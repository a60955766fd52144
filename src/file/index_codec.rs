//! What the block index tells of the columns: arrays by field rather than by column.
//! `docs/format.md` is the specification.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::codec::{
    ElementType, ErrorBound, MAX_BLOCK_VALUES, PayloadKind, ValueRange, absolute_bound,
};

use super::bound_codec;
use super::error::{FileError, Result};
use super::index::{
    Block, BlockGrid, Index, IndexColumn, IndexLeaf, OrdinaryColumn, PackedColumn, PackedLeaf, Page,
};
use super::index_arrays::{Arrays, Input, cut, sum};
use super::nested::index_codec::{self as nested_codec, Kind};
use super::nested::{Leaf, MAX_BLOCK_LEVELS, all_leaves};
use super::{index_compact, schema_codec};

/// The least that a page takes: its header.
const LEAST_PAGE: usize = 12;
/// Columns that one refers to, at most.
const MAX_REFERENCES: usize = 8;

pub(super) fn encode(index: &Index, out: &mut Arrays) {
    // No IPC message is empty.
    let simple = schema_codec::simple(&index.schema);
    let schema = match &simple {
        Some(_) => Vec::new(),
        None => schema_codec::to_ipc(&index.schema),
    };
    out.varints([schema.len(), index.block_rows]);
    if simple.is_some() {
        schema_codec::encode_texts(&index.schema, out);
    }
    out.bytes(simple.unwrap_or(schema));

    // Leaves of nested columns come behind the flat columns.
    let flat: Vec<&PackedColumn> = index.packed().map(|(_, column)| column).collect();
    let leaves: Vec<&PackedLeaf> = index.packed_leaves().map(|(_, leaf)| leaf).collect();
    nested_codec::encode_block_counts(&leaves, out);
    let columns = leaves.iter().map(|leaf| &leaf.column);
    let packed: Vec<&PackedColumn> = flat.iter().copied().chain(columns).collect();
    out.bytes(
        packed
            .iter()
            .map(|c| bound_codec::kind(c.bound) | u8::from(c.range_declared) << 4),
    );
    out.words(
        packed
            .iter()
            .map(|c| bound_codec::number(c.bound).to_bits()),
    );
    bound_codec::encode_percentiles(packed.iter().map(|c| c.bound), out);
    out.words(packed.iter().map(|c| c.range.min.to_bits()));
    out.words(packed.iter().map(|c| c.range.max.to_bits()));
    out.words(packed.iter().map(|c| {
        if index_compact::has_relative_error(c) {
            0
        } else {
            c.max_error.to_bits()
        }
    }));
    let abs_bounds = || packed.iter().map(|c| stored_bounds(c));
    out.varints(abs_bounds().map(<[f64]>::len));
    out.words(abs_bounds().flatten().map(|b| b.to_bits()));

    // Of leaves, whose pages may be compressed, this is the whole page.
    let flat_blocks = flat.iter().flat_map(|c| c.blocks()).copied();
    let leaf_blocks = leaves.iter().flat_map(|leaf| leaf.column.blocks());
    let blocks: Vec<Block> = flat_blocks
        .chain(leaf_blocks.map(nested_codec::stored))
        .collect();
    let statistics: Vec<Statistics> = packed
        .iter()
        .flat_map(|c| c.blocks().map(|block| Statistics::of(c, block)))
        .collect();
    let tags = blocks.iter().zip(&statistics);
    out.bytes(tags.map(|(b, kept)| b.kind as u8 | (*kept as u8) << 4));
    out.varints(blocks.iter().map(|b| b.payload_len));
    out.varints(blocks.iter().map(|b| b.page_len - b.payload_len));
    out.varints(blocks.iter().map(|b| b.nulls));
    out.varints(blocks.iter().map(|b| b.nans));
    out.varints(blocks.iter().map(|b| b.outliers));
    let bits = || {
        let bits = blocks.iter().zip(&statistics);
        bits.filter_map(|(b, kept)| b.min_max.filter(|_| *kept == Statistics::Bits))
    };
    out.words(bits().map(|(min, _)| min));
    out.words(bits().map(|(_, max)| max));
    out.words(blocks.iter().map(|b| u64::from(b.checksum)));

    let ordinary = ordinary_columns(index);
    let chunks: Vec<&Vec<Page>> = ordinary
        .iter()
        .flat_map(|column| column.row_groups.iter().flatten())
        .collect();
    out.varints(chunks.iter().map(|pages| pages.len()));
    let pages: Vec<&Page> = chunks.into_iter().flatten().collect();
    out.varints(pages.iter().map(|page| page.len));
    out.varints(pages.iter().map(|page| page.rows));
    out.words(pages.iter().map(|page| u64::from(page.checksum)));

    encode_references(&flat, out);
    index_compact::encode(&packed, out);
    nested_codec::encode_leaves(&leaves, out);
}

/// How the smallest and the largest value of a block are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Statistics {
    None = 0,
    Bits = 1,
    /// From version 3 on.
    Grid = 2,
}

impl Statistics {
    fn of(column: &PackedColumn, block: &Block) -> Self {
        match (block.min_max, index_compact::quanta(column, block)) {
            (None, _) => Self::None,
            (_, None) => Self::Bits,
            (_, Some(_)) => Self::Grid,
        }
    }

    fn read(tag: u8, version: u8) -> Result<Self> {
        match tag >> 4 {
            0 => Ok(Self::None),
            1 => Ok(Self::Bits),
            2 if version >= 3 => Ok(Self::Grid),
            _ => Err(cut()),
        }
    }
}

/// Ordinary columns, and behind them the ordinary leaves of nested ones.
fn ordinary_columns(index: &Index) -> Vec<&OrdinaryColumn> {
    let flat = index.columns.iter().filter_map(|column| match column {
        IndexColumn::Ordinary(column) => Some(column),
        IndexColumn::Packed(_) | IndexColumn::Nested(_) => None,
    });
    let nested = index.columns.iter().flat_map(|column| match column {
        IndexColumn::Nested(column) => &column.leaves[..],
        IndexColumn::Packed(_) | IndexColumn::Ordinary(_) => &[],
    });
    let nested = nested.filter_map(|leaf| match leaf {
        IndexLeaf::Ordinary(leaf) => Some(leaf),
        IndexLeaf::Packed(_) => None,
    });
    flat.chain(nested).collect()
}

/// What the index is laid out by.
pub(super) struct Shape<'a> {
    /// The format version of the file.
    pub(super) version: u8,
    /// Rows of each row group.
    pub(super) row_groups: &'a [usize],
    /// The names of the top-level fields, if the footer tells them: before version 5.
    pub(super) names: Option<&'a [String]>,
    /// Bytes of the file: what an index may hold is limited by it.
    pub(super) file_len: u64,
}

/// What [`encode`] wrote, now or in an earlier version.
pub(super) fn decode(input: &mut Input<'_>, shape: &Shape<'_>) -> Result<Index> {
    let (schema, block_rows) = decode_schema(input, shape)?;
    // Before anything is laid out by their numbers.
    let names = shape.names.map_or(schema.fields().len(), <[String]>::len);
    if schema.fields().len() != names || shape.row_groups.contains(&0) {
        return Err(cut());
    }
    let blocks_of: Vec<usize> = shape
        .row_groups
        .iter()
        .map(|rows| rows.div_ceil(block_rows))
        .collect();
    // From version 3 on, floats in lists and structs are packed.
    let kinds: Vec<Kind> = schema
        .fields()
        .iter()
        .map(|field| Kind::of(field, shape.version))
        .collect();
    let leaves: Vec<&Leaf> = kinds.iter().flat_map(Kind::leaves).collect();
    let packed_leaves: Vec<&Leaf> = leaves
        .iter()
        .copied()
        .filter(|leaf| leaf.element.is_some())
        .collect();
    let flat: Vec<ElementType> = kinds.iter().filter_map(Kind::element).collect();
    let leaf_elements = packed_leaves.iter().filter_map(|leaf| leaf.element);
    let elements: Vec<ElementType> = flat.iter().copied().chain(leaf_elements).collect();
    // Each of these chunks has a block at least, and that a byte.
    if flat.len().saturating_mul(blocks_of.len()) > input.left() {
        return Err(cut());
    }
    let mut counts = vec![blocks_of.clone(); flat.len()];
    counts.extend(nested_codec::decode_block_counts(
        input,
        packed_leaves.len(),
        shape.row_groups,
    )?);
    let mut packed = decode_packed(input, shape, &elements, &counts)?;
    let fields = schema.fields().iter().zip(&kinds);
    let mut leaves_of: Vec<usize> = fields
        .filter(|(_, kind)| matches!(kind, Kind::Ordinary))
        .map(|(field, _)| all_leaves(field).len())
        .collect();
    leaves_of.extend(
        leaves
            .iter()
            .filter(|leaf| leaf.element.is_none())
            .map(|_| 1),
    );
    // What would take no bytes in any number of row groups; Parquet has no such columns.
    if leaves_of.contains(&0) {
        return Err(cut());
    }
    let mut ordinary = decode_ordinary(input, shape, &leaves_of)?;
    if shape.version >= 2 {
        let is_packed: Vec<bool> = kinds.iter().map(|kind| kind.element().is_some()).collect();
        decode_references(
            input,
            &is_packed,
            blocks_of.len(),
            &mut packed[..flat.len()],
        )?;
    }
    if shape.version >= 3 {
        index_compact::decode(input, &mut packed)?;
    }
    let packed_leaf_columns = packed.split_off(flat.len());
    let packed_leaves = nested_codec::decode_leaves(input, &packed_leaves, packed_leaf_columns)?;
    let flat_ordinary = kinds.iter().filter(|kind| matches!(kind, Kind::Ordinary));
    let ordinary_leaves = ordinary.split_off(flat_ordinary.count());
    let mut nested = nested_codec::nested_columns(&kinds, packed_leaves, ordinary_leaves)?;
    let (mut packed, mut ordinary) = (packed.into_iter(), ordinary.into_iter());
    let columns = kinds
        .iter()
        .map(|kind| match kind {
            Kind::Packed(_) => packed.next().map(IndexColumn::Packed),
            Kind::Ordinary => ordinary.next().map(IndexColumn::Ordinary),
            Kind::Nested(_) => nested.next().map(IndexColumn::Nested),
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(cut)?;
    Ok(Index {
        schema,
        block_rows,
        columns,
    })
}

/// The schema, and the rows of a block.
fn decode_schema(input: &mut Input<'_>, shape: &Shape<'_>) -> Result<(SchemaRef, usize)> {
    let [schema_len, block_rows] = input.varints(2)?[..] else {
        return Err(cut());
    };
    if !(1..=MAX_BLOCK_VALUES).contains(&block_rows) {
        return Err(FileError::corrupt(format!("blocks of {block_rows} rows")));
    }
    if schema_len > 0 || shape.version < 3 {
        let schema = schema_codec::from_ipc(input.bytes(schema_len)?)?;
        return Ok((Arc::new(schema), block_rows));
    }
    let (names, metadata) = match shape.names {
        Some(names) => (names.to_vec(), HashMap::new()),
        None => schema_codec::decode_texts(input)?,
    };
    let schema = schema_codec::from_simple(input.bytes(names.len())?, &names)?;
    Ok((Arc::new(schema.with_metadata(metadata)), block_rows))
}

fn decode_packed(
    input: &mut Input<'_>,
    shape: &Shape<'_>,
    elements: &[ElementType],
    blocks_of: &[Vec<usize>],
) -> Result<Vec<PackedColumn>> {
    let n = elements.len();
    let tags = input.bytes(n)?;
    let numbers = input.words(n)?;
    let kinds = tags.iter().map(|tag| tag & 15);
    let bounds = bound_codec::decode(shape.version, kinds, &numbers, input)?;
    let mins = input.words(n)?;
    let maxs = input.words(n)?;
    let max_errors = input.words(n)?;
    let bound_counts = input.varints(n)?;
    let mut abs_bounds = input
        .words(sum(&bound_counts)?)?
        .into_iter()
        .map(f64::from_bits);

    let mut all = 0usize;
    for counts in blocks_of {
        all = all.checked_add(sum(counts)?).ok_or_else(cut)?;
    }
    let mut blocks = decode_blocks(input, shape, all)?.into_iter();
    (0..n)
        .map(|i| {
            let range = ValueRange {
                min: f64::from_bits(mins[i]),
                max: f64::from_bits(maxs[i]),
            };
            let range_declared = tags[i] >> 4 == 1;
            let mut own_bounds: Vec<f64> = abs_bounds.by_ref().take(bound_counts[i]).collect();
            if own_bounds.is_empty() && shape.version >= 2 && !shape.row_groups.is_empty() {
                own_bounds.extend(implied_bound(bounds[i], range, range_declared));
            }
            Ok(PackedColumn {
                element: elements[i],
                bound: bounds[i],
                range,
                range_declared,
                abs_bounds: own_bounds,
                max_error: f64::from_bits(max_errors[i]),
                row_groups: blocks_of[i]
                    .iter()
                    .map(|n| blocks.by_ref().take(*n).collect())
                    .collect(),
                references: Vec::new(),
            })
        })
        .collect()
}

fn decode_blocks(input: &mut Input<'_>, shape: &Shape<'_>, n: usize) -> Result<Vec<Block>> {
    let tags = input.bytes(n)?.to_vec();
    let statistics = tags.iter().map(|tag| Statistics::read(*tag, shape.version));
    let statistics: Vec<Statistics> = statistics.collect::<Result<_>>()?;
    let payload_lens = input.varints(n)?;
    let overheads = input.varints(n)?;
    let nulls = input.varints(n)?;
    let nans = input.varints(n)?;
    let outliers = input.varints(n)?;
    let ordered = statistics.iter().filter(|s| **s == Statistics::Bits);
    let ordered = ordered.count();
    let mut mins = input.words(ordered)?.into_iter();
    let mut maxs = input.words(ordered)?.into_iter();
    let checksums = input.words(n)?;
    let counts = nulls.iter().chain(&nans).chain(&outliers);
    if counts.into_iter().any(|count| *count > MAX_BLOCK_LEVELS) {
        return Err(cut());
    }
    let page_lens = payload_lens.iter().zip(&overheads);
    let page_lens: Vec<usize> = page_lens
        .map(|(payload, rest)| payload.checked_add(*rest).ok_or_else(cut))
        .collect::<Result<_>>()?;
    check_pages(&page_lens, shape)?;
    (0..n)
        .map(|i| {
            Ok(Block {
                page_len: page_lens[i],
                payload_len: payload_lens[i],
                checksum: u32::try_from(checksums[i]).map_err(|_| cut())?,
                kind: PayloadKind::from_number(tags[i] & 15).ok_or_else(cut)?,
                nulls: nulls[i],
                nans: nans[i],
                outliers: outliers[i],
                min_max: match statistics[i] {
                    Statistics::Bits => mins.next().zip(maxs.next()),
                    Statistics::None | Statistics::Grid => None,
                },
                grid: (statistics[i] == Statistics::Grid).then(BlockGrid::default),
            })
        })
        .collect()
}

/// Whether the file has room for these pages: what is known of each takes many times a byte.
fn check_pages(lens: &[usize], shape: &Shape<'_>) -> Result<()> {
    let all = lens.iter().try_fold(0usize, |sum, len| {
        sum.checked_add(*len).filter(|_| *len >= LEAST_PAGE)
    });
    match all {
        Some(all) if all as u64 <= shape.file_len => Ok(()),
        _ => Err(cut()),
    }
}

fn decode_ordinary(
    input: &mut Input<'_>,
    shape: &Shape<'_>,
    leaves_of: &[usize],
) -> Result<Vec<OrdinaryColumn>> {
    let row_groups = shape.row_groups.len();
    let chunks = sum(leaves_of)?.checked_mul(row_groups).ok_or_else(cut)?;
    let counts = input.varints(chunks)?;
    let n = sum(&counts)?;
    let lens = input.varints(n)?;
    let rows = input.varints(n)?;
    let checksums = input.words(n)?;
    check_pages(&lens, shape)?;
    // What their sums are checked against fits 32 bits as well.
    if lens
        .iter()
        .chain(&rows)
        .any(|number| u32::try_from(*number).is_err())
    {
        return Err(cut());
    }
    let mut pages = (0..n).map(|i| Page {
        len: lens[i],
        rows: rows[i],
        checksum: checksums[i] as u32,
    });
    let mut counts = counts.into_iter();
    let mut chunk = || pages.by_ref().take(counts.next().unwrap_or(0)).collect();
    Ok(leaves_of
        .iter()
        .map(|leaves| OrdinaryColumn {
            row_groups: (0..row_groups)
                .map(|_| (0..*leaves).map(|_| chunk()).collect())
                .collect(),
        })
        .collect())
}

/// The absolute bounds but for one that follows from bound and range.
fn stored_bounds(column: &PackedColumn) -> &[f64] {
    match &column.abs_bounds[..] {
        [bound]
            if implied_bound(column.bound, column.range, column.range_declared) == Some(*bound) =>
        {
            &[]
        }
        bounds => bounds,
    }
}

/// The absolute bound of a column that stores none.
pub(super) fn implied_bound(bound: ErrorBound, range: ValueRange, declared: bool) -> Option<f64> {
    let implied = bound.is_on_grid() && (declared || !bound.needs_range());
    implied.then(|| absolute_bound(bound, range))
}

/// How many columns each column refers to, row group by row group, then which.
fn encode_references(packed: &[&PackedColumn], out: &mut Arrays) {
    let row_groups = packed.first().map_or(0, |column| column.row_groups.len());
    let lists = || {
        packed
            .iter()
            .flat_map(|column| (0..row_groups).map(|i| column.references(i)))
    };
    out.varints(lists().map(<[usize]>::len));
    out.varints(lists().flatten().copied());
}

fn decode_references(
    input: &mut Input<'_>,
    is_packed: &[bool],
    row_groups: usize,
    packed: &mut [PackedColumn],
) -> Result<()> {
    let lists = packed.len().checked_mul(row_groups).ok_or_else(cut)?;
    let counts = input.varints(lists)?;
    if counts.iter().any(|count| *count > MAX_REFERENCES) {
        return Err(FileError::corrupt("a column refers to too many others"));
    }
    let columns = input.varints(sum(&counts)?)?;
    if columns
        .iter()
        .any(|column| is_packed.get(*column) != Some(&true))
    {
        return Err(FileError::corrupt(
            "a reference to a column that is not packed",
        ));
    }
    let (mut counts, mut columns) = (counts.into_iter(), columns.into_iter());
    for column in packed {
        column.references = (0..row_groups)
            .map(|_| columns.by_ref().take(counts.next().unwrap_or(0)).collect())
            .collect();
        while column.references.last().is_some_and(Vec::is_empty) {
            column.references.pop();
        }
    }
    Ok(())
}
