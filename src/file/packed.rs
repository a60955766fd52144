//! One packed column of one row group, from Arrow arrays to the bytes of a Parquet column chunk: first
//! to integers, by which the columns of a row group can be compared, then to payloads.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;
use rayon::prelude::*;

use crate::codec::{
    ABSENT, Block, Effort, ErrorBound, Float, Follow, Grid, Percentile, Plan, ValueRange,
    absolute_bound, grid_of, quantile_range, unsealed,
};

use super::column::Values;
use super::error::{FileError, Result};
use super::index::{self, block_lengths};
use super::planning::ColumnCoding;
use super::{levels, page, psnr};

/// A packed column chunk, and what the index is to know of it.
pub(super) struct PackedChunk {
    pub(super) bytes: Vec<u8>,
    pub(super) blocks: Vec<index::Block>,
    /// Columns that its payloads refer to.
    pub(super) references: Vec<usize>,
    pub(super) max_error: f64,
}

/// A packed column of a row group on its way to a chunk.
pub(super) struct PreparedChunk {
    array: ArrayRef,
    blocks: Vec<Block>,
    block_rows: usize,
    /// Whether a series is followed, so that blocks are coded each as it asks for.
    followed: bool,
    /// Of the finite values of this row group.
    pub(super) range: ValueRange,
    /// None for bounds that have none.
    pub(super) abs_bound: Option<f64>,
}

impl PreparedChunk {
    /// Quantizes a column, in blocks of `block_rows`.
    ///
    /// A bound that needs a range takes `declared_range`, or else that of the array. `grid` is one
    /// that [`grid`] gave for the same values, in whichever order.
    pub(super) fn new(
        array: ArrayRef,
        bound: ErrorBound,
        declared_range: Option<ValueRange>,
        block_rows: usize,
        grid: Option<Grid>,
    ) -> Result<Self> {
        let range = finite_range(&array);
        let reference = declared_range.unwrap_or_else(|| reference_range(bound, &array, range));
        let abs_bound = absolute_bound(bound, reference);
        let slices = slices(&array, block_rows);
        let prepare = |limit: Limit, way: Option<Way>| -> Result<Vec<Block>> {
            slices
                .par_iter()
                .map(|slice| prepared_block(slice, limit, way))
                .collect()
        };
        let mut followed = false;
        let (blocks, abs_bound) = match bound {
            ErrorBound::PointwiseRel(ratio) => (prepare(Limit::Pointwise(ratio), None)?, None),
            ErrorBound::Psnr(_) => {
                let (blocks, bound) = psnr::fit(&slices, abs_bound, |bound| {
                    let grid = self::grid(&array, bound).map(Way::Nearest);
                    prepare(Limit::Absolute(bound), grid)
                })?;
                (blocks, Some(bound))
            }
            _ => {
                // Rows that were put into an order by a grid are on that grid.
                let way = match grid {
                    Some(grid) => Some(Way::Nearest(grid)),
                    None => way(&array, abs_bound),
                };
                followed = matches!(way, Some(Way::Follow(_)));
                let limit = Limit::Absolute(abs_bound);
                (prepare(limit, way)?, Some(abs_bound))
            }
        };
        Ok(Self {
            array,
            blocks,
            block_rows,
            followed,
            range,
            abs_bound,
        })
    }

    /// For each block the integers of its rows, ABSENT for nulls; None if a block has none.
    pub(super) fn integers(&self) -> Option<Vec<Cow<'_, [i32]>>> {
        if self.followed || self.array.null_count() == self.array.len() {
            return None;
        }
        let slices = slices(&self.array, self.block_rows);
        self.blocks
            .iter()
            .zip(slices)
            .map(|(block, slice)| {
                let integers = block.integers()?;
                let Some(nulls) = slice.nulls().filter(|nulls| nulls.null_count() > 0) else {
                    return Some(Cow::Borrowed(integers));
                };
                let mut integers = integers.iter();
                let row = |valid: bool| {
                    if valid {
                        integers.next().copied()
                    } else {
                        Some(ABSENT)
                    }
                };
                nulls
                    .iter()
                    .map(row)
                    .collect::<Option<Vec<i32>>>()
                    .map(Cow::Owned)
            })
            .collect()
    }

    /// Codes the chunk.
    pub(super) fn encode(
        &self,
        field: &FieldRef,
        coding: &ColumnCoding<'_>,
    ) -> Result<PackedChunk> {
        let ColumnCoding {
            plan,
            references,
            effort,
        } = coding;
        let pages: Vec<EncodedPage> = slices(&self.array, self.block_rows)
            .into_par_iter()
            .enumerate()
            .map(|(i, slice)| {
                let references: Vec<&[i32]> = references.iter().map(|blocks| &*blocks[i]).collect();
                packed_page(field, &slice, &self.blocks[i], plan, &references, *effort)
            })
            .collect::<Result<_>>()?;
        Ok(PackedChunk {
            bytes: pages
                .iter()
                .map(|page| page.bytes.as_slice())
                .collect::<Vec<_>>()
                .concat(),
            blocks: pages.iter().map(|page| page.block).collect(),
            references: plan.references.clone(),
            max_error: pages.iter().fold(0.0, |max, page| page.max_error.max(max)),
        })
    }
}

/// The grid for the values of a row group; None where they are kept exactly.
pub(super) fn grid(array: &ArrayRef, abs_bound: f64) -> Option<Grid> {
    match Values::of(array.data_type(), &array.to_data()) {
        Some(Values::F16(values)) => Grid::of(&values, abs_bound),
        Some(Values::F32(values)) => Grid::of(&values, abs_bound),
        Some(Values::F64(values)) => Grid::of(&values, abs_bound),
        _ => None,
    }
}

/// One array of all the arrays of a column. Dictionaries that have too many values together for
/// their keys give way to plain values, which Parquet stores alike.
pub(super) fn concatenated(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    fn joined(arrays: &[ArrayRef]) -> std::result::Result<ArrayRef, ArrowError> {
        concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>())
    }
    match arrays {
        [array] => Ok(Arc::clone(array)),
        [first, ..] => match (joined(arrays), first.data_type()) {
            (Err(_), DataType::Dictionary(_, values)) => {
                let plain: std::result::Result<Vec<ArrayRef>, ArrowError> =
                    arrays.iter().map(|array| cast(array, values)).collect();
                Ok(joined(&plain?)?)
            }
            (array, _) => Ok(array?),
        },
        [] => Err(FileError::invalid("a row group without rows")),
    }
}

fn slices(array: &ArrayRef, block_rows: usize) -> Vec<ArrayRef> {
    let mut first = 0;
    block_lengths(array.len(), block_rows)
        .map(|rows| {
            first += rows;
            array.slice(first - rows, rows)
        })
        .collect()
}

/// The range of the finite values of a float array; empty for other types.
pub fn finite_range(array: &ArrayRef) -> ValueRange {
    fn of<F: Float>(values: &[F]) -> ValueRange {
        values
            .par_chunks(1 << 16)
            .map(ValueRange::of_slice)
            .reduce(|| ValueRange::EMPTY, |a, b| a.union(&b))
    }
    match Values::of(array.data_type(), &array.to_data()) {
        Some(Values::F16(values)) => of(&values),
        Some(Values::F32(values)) => of(&values),
        Some(Values::F64(values)) => of(&values),
        _ => ValueRange::EMPTY,
    }
}

/// What is asked of each value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// The largest |x - x'|; 0 is lossless.
    Absolute(f64),
    /// The largest |x - x'| / |x|.
    Pointwise(f64),
}

/// The range of these values that `bound` is relative to, given that of all finite ones.
pub(super) fn reference_range(
    bound: ErrorBound,
    array: &ArrayRef,
    range: ValueRange,
) -> ValueRange {
    match bound {
        ErrorBound::RobustRel { low, high, .. } => finite_quantiles(array, low, high),
        _ => range,
    }
}

/// The range between two quantiles of the finite values of a float array; empty for other types.
pub fn finite_quantiles(array: &ArrayRef, low: Percentile, high: Percentile) -> ValueRange {
    fn of<F: Float>(values: &[F], low: Percentile, high: Percentile) -> ValueRange {
        let mut values = values.iter().map(|x| x.to_f64()).collect();
        quantile_range(&mut values, low, high)
    }
    match Values::of(array.data_type(), &array.to_data()) {
        Some(Values::F16(values)) => of(&values, low, high),
        Some(Values::F32(values)) => of(&values, low, high),
        Some(Values::F64(values)) => of(&values, low, high),
        _ => ValueRange::EMPTY,
    }
}

/// How floats become integers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Nearest(Grid),
    Follow(Follow),
}

/// The way for the values of a row group; None where they are kept exactly.
fn way(array: &ArrayRef, bound: f64) -> Option<Way> {
    match Values::of(array.data_type(), &array.to_data()) {
        Some(Values::F16(values)) => way_of(&values, bound),
        Some(Values::F32(values)) => way_of(&values, bound),
        Some(Values::F64(values)) => way_of(&values, bound),
        _ => None,
    }
}

pub(super) fn way_of<F: Float>(values: &[F], bound: f64) -> Option<Way> {
    let grid = Grid::of(values, bound)?;
    Some(Follow::of(values, bound, grid).map_or(Way::Nearest(grid), Way::Follow))
}

/// A block of floats, to be coded within a limit.
pub(super) fn float_block<F: Float>(values: &[F], limit: Limit, way: Option<Way>) -> Result<Block> {
    Ok(match (limit, way) {
        (Limit::Pointwise(ratio), _) => Block::pointwise(values, ratio)?,
        (Limit::Absolute(bound), Some(Way::Nearest(grid))) => Block::lossy(values, bound, grid)?,
        (Limit::Absolute(bound), Some(Way::Follow(follow))) => {
            Block::followed(values, bound, follow)?
        }
        (Limit::Absolute(_), None) => Block::exact(values)?,
    })
}

fn prepared_block(array: &ArrayRef, limit: Limit, way: Option<Way>) -> Result<Block> {
    let data = array.to_data();
    match Values::of(array.data_type(), &data) {
        Some(Values::F16(values)) => float_block(&values, limit, way),
        Some(Values::F32(values)) => float_block(&values, limit, way),
        Some(Values::F64(values)) => float_block(&values, limit, way),
        Some(Values::I32(values)) => Ok(Block::exact(&values)?),
        Some(Values::U32(values)) => Ok(Block::exact(&values)?),
        Some(Values::I64(values)) => Ok(Block::exact(&values)?),
        Some(Values::U64(values)) => Ok(Block::exact(&values)?),
        None => Err(FileError::invalid(format!(
            "{} cannot be packed",
            array.data_type()
        ))),
    }
}

struct EncodedPage {
    bytes: Vec<u8>,
    block: index::Block,
    max_error: f64,
}

/// One block as a page. `references` have an integer for each row of the block.
fn packed_page(
    field: &FieldRef,
    array: &ArrayRef,
    block: &Block,
    plan: &Plan,
    references: &[&[i32]],
    effort: Effort,
) -> Result<EncodedPage> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let encoded = match nulls {
        None => block.encode(plan, references, effort),
        Some(nulls) => {
            let present: Vec<Vec<i32>> = references
                .iter()
                .map(|integers| nulls.valid_indices().map(|row| integers[row]).collect())
                .collect();
            let present: Vec<&[i32]> = present.iter().map(Vec::as_slice).collect();
            block.encode(plan, &present, effort)
        }
    };
    let grid = grid_of(&encoded.payload)?;
    let payload = unsealed(&encoded.payload)?;
    let bits = nulls.map(|nulls| nulls.inner().sliced());
    let mut body = Vec::with_capacity(payload.len() + 64);
    levels::write_physical(array.len(), bits.as_deref(), field.is_nullable(), &mut body);
    let nulls = array.null_count();
    let payload_len = if nulls == array.len() {
        0
    } else {
        payload.len()
    };
    if payload_len > 0 {
        let length = u32::try_from(payload_len)
            .map_err(|_| FileError::invalid("a payload of more than 4 GiB; use smaller blocks"))?;
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&payload);
    }
    let mut bytes = page::header(array.len(), body.len());
    bytes.extend_from_slice(&body);
    let block = index::Block {
        page_len: bytes.len(),
        payload_len,
        checksum: crc32c::crc32c(&bytes),
        kind: encoded.kind,
        nulls,
        nans: encoded.nans,
        outliers: encoded.outliers,
        min_max: encoded.min_max,
        grid: grid.map(|grid| {
            let (step, phase) = grid.to_parts();
            index::BlockGrid { step, phase }
        }),
    };
    Ok(EncodedPage {
        bytes,
        block,
        max_error: encoded.max_error,
    })
}
