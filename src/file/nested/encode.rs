//! One packed leaf of one row group, from arrays to the bytes of a Parquet column chunk.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::Field;
use half::f16;
use rayon::prelude::*;

use crate::codec::{
    Effort, ElementType, EncodedBlock, ErrorBound, Float, Search, ValueRange, absolute_bound,
};

use super::Leaf;
use super::forms::{self, Coder, Coding};
use super::page::{self, PageShape};
use super::shred::{self, Shredded};
use crate::file::column::Values;
use crate::file::error::{FileError, Result};
use crate::file::index::Block;
use crate::file::packed::{Limit, concatenated, finite_range, reference_range};
use crate::file::statistics;

/// Levels of a block, unless a single row has more: of vectors of 384, 5,461 rows.
const BLOCK_LEVELS: usize = 1 << 21;

/// How a leaf is to be coded.
pub(in crate::file) struct LeafOptions<'a> {
    pub(in crate::file) bound: ErrorBound,
    /// The range that the bound is relative to, if known beforehand.
    pub(in crate::file) declared: Option<ValueRange>,
    /// Whether each dimension has a range of its own.
    pub(in crate::file) by_dimension: bool,
    /// Those ranges, if known beforehand.
    pub(in crate::file) declared_dimensions: Option<&'a [ValueRange]>,
    /// Rows of a block, at most.
    pub(in crate::file) block_rows: usize,
    pub(in crate::file) effort: Effort,
    pub(in crate::file) search: Search,
}

/// The chunk of a packed leaf, and what the index is to know of it.
pub(in crate::file) struct LeafChunk {
    pub(in crate::file) bytes: Vec<u8>,
    pub(in crate::file) levels: usize,
    /// Bytes of the chunk if nothing were compressed.
    pub(in crate::file) uncompressed: u64,
    pub(in crate::file) blocks: Vec<Block>,
    pub(in crate::file) shapes: Vec<PageShape>,
    /// Of the finite values of this row group.
    pub(in crate::file) range: ValueRange,
    /// None for bounds that have none.
    pub(in crate::file) abs_bound: Option<f64>,
    /// The same of each dimension, where they are told apart.
    pub(in crate::file) dimensions: Vec<(ValueRange, f64)>,
    pub(in crate::file) max_error: f64,
}

impl LeafChunk {
    /// Codes one leaf of a column's array.
    pub(in crate::file) fn new(
        field: &Field,
        array: &ArrayRef,
        leaf: &Leaf,
        options: &LeafOptions<'_>,
    ) -> Result<Self> {
        let blocks = shredded(field, array, leaf, options.block_rows)?;
        match leaf.element {
            Some(ElementType::F16) => chunk::<f16>(leaf, &blocks, options),
            Some(ElementType::F32) => chunk::<f32>(leaf, &blocks, options),
            Some(ElementType::F64) => chunk::<f64>(leaf, &blocks, options),
            _ => Err(FileError::invalid(format!(
                "{} cannot be packed",
                leaf.data_type
            ))),
        }
    }
}

/// The rows of each block, and what they hold.
fn shredded(
    field: &Field,
    array: &ArrayRef,
    leaf: &Leaf,
    block_rows: usize,
) -> Result<Vec<(usize, Shredded)>> {
    let mut cuts = Vec::new();
    let mut start = 0;
    while start < array.len() {
        let rows = block_rows.min(array.len() - start);
        let rows = shred::block_rows(field, array, leaf, start, rows, BLOCK_LEVELS)?;
        cuts.push(start..start + rows);
        start += rows;
    }
    cuts.into_par_iter()
        .map(|rows| Ok((rows.len(), shred::shred(field, array, leaf, rows)?)))
        .collect()
}

/// What a leaf of one row group keeps: its limits, as bound and as what the index stores.
struct Limits {
    coding: Coding,
    range: ValueRange,
    abs_bound: Option<f64>,
    dimensions: Vec<(ValueRange, f64)>,
}

fn chunk<F: Float>(
    leaf: &Leaf,
    blocks: &[(usize, Shredded)],
    options: &LeafOptions<'_>,
) -> Result<LeafChunk> {
    let limits = limits(leaf, blocks, options)?;
    let values: Vec<ArrayRef> = blocks
        .iter()
        .map(|(_, block)| block.values.clone())
        .collect();
    let data: Vec<_> = values.iter().map(|array| array.to_data()).collect();
    let coder = Coder {
        dimensions: leaf.dimensions(),
        effort: options.effort,
        search: options.search,
    };
    let inputs: Vec<forms::Input<'_, F>> = blocks
        .iter()
        .zip(&data)
        .map(|((_, block), data)| {
            Ok(forms::Input {
                values: floats(leaf, data)?,
                positions: positions(leaf, block),
            })
        })
        .collect::<Result<_>>()?;
    let encoded = coder.encode(&inputs, &limits.coding, &values)?;
    let pages = blocks
        .par_iter()
        .zip(&encoded.blocks)
        .map(|((rows, shredded), coded)| finished(leaf, *rows, shredded, coded))
        .collect::<Result<Vec<_>>>()?;
    let mut chunk = LeafChunk {
        bytes: Vec::with_capacity(pages.iter().map(|(bytes, _, _)| bytes.len()).sum()),
        levels: 0,
        uncompressed: 0,
        blocks: Vec::with_capacity(pages.len()),
        shapes: Vec::with_capacity(pages.len()),
        range: limits.range,
        abs_bound: encoded.abs_bound.or(limits.abs_bound),
        dimensions: limits.dimensions,
        max_error: 0.0,
    };
    for ((bytes, shape, block), coded) in pages.iter().zip(&encoded.blocks) {
        chunk.bytes.extend_from_slice(bytes);
        chunk.uncompressed += page::uncompressed_len(leaf, shape, block);
        chunk.levels += shape.levels;
        chunk.blocks.push(*block);
        chunk.shapes.push(*shape);
        let worst = coded.parts.iter().map(|part| part.max_error);
        chunk.max_error = worst.fold(chunk.max_error, f64::max);
    }
    Ok(chunk)
}

fn floats<'a, F: Float>(leaf: &Leaf, data: &'a arrow::array::ArrayData) -> Result<Cow<'a, [F]>> {
    // Values are of the leaf's element, which is what `F` was chosen by.
    let borrowed = match Values::of(&leaf.data_type, data) {
        Some(Values::F16(Cow::Borrowed(values))) => bytemuck::try_cast_slice(values),
        Some(Values::F32(Cow::Borrowed(values))) => bytemuck::try_cast_slice(values),
        Some(Values::F64(Cow::Borrowed(values))) => bytemuck::try_cast_slice(values),
        _ => return Err(FileError::invalid("values with nulls among them")),
    };
    let borrowed = borrowed.map_err(|_| FileError::invalid("values of another type"))?;
    Ok(Cow::Borrowed(borrowed))
}

/// The values' positions; None where they are whole vectors.
fn positions(leaf: &Leaf, block: &Shredded) -> Option<Vec<u32>> {
    let values = block.values.len();
    let whole = values == block.def.len() && values.is_multiple_of(leaf.dimensions());
    (!whole).then(|| leaf.positions(&block.rep, &block.def))
}

fn limits(leaf: &Leaf, blocks: &[(usize, Shredded)], options: &LeafOptions<'_>) -> Result<Limits> {
    let ranges = blocks
        .par_iter()
        .map(|(_, block)| finite_range(&block.values));
    let range = ranges.reduce(|| ValueRange::EMPTY, |a, b| a.union(&b));
    let bound = options.bound;
    if let ErrorBound::PointwiseRel(ratio) = bound {
        return Ok(Limits {
            coding: Coding::One(Limit::Pointwise(ratio)),
            range,
            abs_bound: None,
            dimensions: Vec::new(),
        });
    }
    if options.by_dimension && bound.needs_range() && leaf.dimensions() > 1 {
        let by_dimension = super::dimensions::references(leaf, blocks, options)?;
        let dimensions: Vec<(ValueRange, f64)> = by_dimension
            .into_iter()
            .map(|range| (range, absolute_bound(bound, range)))
            .collect();
        let bounds: Vec<f64> = dimensions.iter().map(|(_, bound)| *bound).collect();
        return Ok(Limits {
            abs_bound: bounds.iter().copied().reduce(f64::max),
            coding: Coding::Dimensions(bounds),
            range,
            dimensions,
        });
    }
    let reference = match (options.declared, bound) {
        (Some(declared), _) => declared,
        (None, ErrorBound::RobustRel { .. }) => {
            let values: Vec<ArrayRef> = blocks
                .iter()
                .map(|(_, block)| block.values.clone())
                .collect();
            reference_range(bound, &concatenated(&values)?, range)
        }
        (None, _) => range,
    };
    let abs_bound = absolute_bound(bound, reference);
    Ok(Limits {
        coding: match bound {
            ErrorBound::Psnr(_) => Coding::Rmse(abs_bound),
            _ => Coding::One(Limit::Absolute(abs_bound)),
        },
        range,
        abs_bound: Some(abs_bound),
        dimensions: Vec::new(),
    })
}

/// A coded block as a page, with its entry of the index.
fn finished(
    leaf: &Leaf,
    rows: usize,
    shredded: &Shredded,
    coded: &forms::Coded,
) -> Result<(Vec<u8>, PageShape, Block)> {
    let page = page::write(leaf, rows, shredded, &coded.payload)?;
    let element = leaf.element.unwrap_or(ElementType::F32);
    let sum = |of: fn(&EncodedBlock) -> usize| coded.parts.iter().map(of).sum();
    let min_max = coded.parts.iter().filter_map(|part| part.min_max);
    let block = Block {
        page_len: page.bytes.len(),
        payload_len: coded.payload.len(),
        checksum: crc32c::crc32c(&page.bytes),
        kind: coded.kind(),
        nulls: shredded.def.len() - shredded.values.len(),
        nans: sum(|part| part.nans),
        outliers: sum(|part| part.outliers),
        min_max: min_max.reduce(|a, b| statistics::union(element, a, b)),
        grid: None,
    };
    Ok((page.bytes, page.shape, block))
}
