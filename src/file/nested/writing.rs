//! One nested column on its way to a packed file: its packed leaves, and all else as ordinary
//! Parquet.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{FieldRef, Schema};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;

use crate::codec::{Effort, ErrorBound, Search, ValueRange};

use super::{Leaf, LeafChunk, LeafOptions, without_packed};
use crate::file::best_encoding::{Paging, smallest_chunks};
use crate::file::column::raw_bytes;
use crate::file::error::{FileError, Result};
use crate::file::footer;
use crate::file::index::{
    Dimension, IndexLeaf, NestedColumn, OrdinaryColumn, PackedColumn, PackedLeaf,
};
use crate::file::options::WriterOptions;
use crate::file::ordinary::{OrdinaryChunks, OrdinaryLeaf, ordinary_chunks};
use crate::file::report::ColumnReport;

/// What has been written of a nested column.
pub(in crate::file) struct NestedState {
    leaves: Vec<Leaf>,
    /// In the same order.
    index: Vec<IndexLeaf>,
    written: Vec<Written>,
    /// Bytes of the column's arrays.
    raw_bytes: u64,
}

/// Of one leaf, what the index does not hold.
#[derive(Default)]
struct Written {
    declared: Option<ValueRange>,
    by_dimension: bool,
    declared_dimensions: Option<Vec<ValueRange>>,
    /// Of the finite values seen.
    seen: Option<ValueRange>,
}

/// How the writer codes.
#[derive(Clone, Copy)]
pub(in crate::file) struct NestedCoding {
    pub(in crate::file) block_rows: usize,
    pub(in crate::file) effort: Effort,
    pub(in crate::file) search: Search,
}

fn missing() -> FileError {
    FileError::invalid("fewer leaves than its type has")
}

/// The chunks of a nested column of one row group.
pub(in crate::file) struct NestedChunks {
    /// One for each leaf, in the schema's order; None stands for one of `ordinary`, in order.
    pub(in crate::file) packed: Vec<Option<LeafChunk>>,
    pub(in crate::file) ordinary: Option<OrdinaryChunks>,
}

impl NestedState {
    pub(in crate::file) fn new(
        leaves: Vec<Leaf>,
        schema: &Schema,
        options: &WriterOptions,
    ) -> Self {
        let written = leaves.iter().map(|leaf| Written {
            declared: options.range_of_leaf(leaf, schema),
            by_dimension: options.is_by_dimension() && leaf.dimensions() > 1,
            declared_dimensions: options.dimension_ranges_of(leaf, schema).map(<[_]>::to_vec),
            ..Written::default()
        });
        let written: Vec<Written> = written.collect();
        let index = leaves.iter().zip(&written).map(|(leaf, written)| {
            let Some(element) = leaf.element else {
                return IndexLeaf::Ordinary(OrdinaryColumn {
                    row_groups: Vec::new(),
                });
            };
            let bound = options
                .bound_of_leaf(leaf, schema)
                .unwrap_or(options.default_bound());
            IndexLeaf::Packed(PackedLeaf {
                name: leaf.name(),
                column: PackedColumn {
                    element,
                    bound,
                    range: ValueRange::EMPTY,
                    range_declared: written.is_declared(),
                    abs_bounds: Vec::new(),
                    max_error: 0.0,
                    row_groups: Vec::new(),
                    references: Vec::new(),
                },
                shapes: Vec::new(),
                dimensions: Vec::new(),
            })
        });
        Self {
            index: index.collect(),
            written,
            leaves,
            raw_bytes: 0,
        }
    }

    /// Codes the column of one row group.
    pub(in crate::file) fn encode(
        &mut self,
        field: &FieldRef,
        array: &ArrayRef,
        coding: NestedCoding,
    ) -> Result<NestedChunks> {
        let mut chunks = self.chunks(field, array, coding)?;
        self.raw_bytes += raw_bytes(array);
        let leaves = chunks.ordinary.iter_mut();
        let mut ordinary = leaves.flat_map(|chunks| chunks.leaves.iter_mut());
        let states = self.index.iter_mut().zip(&mut self.written);
        for ((index, written), packed) in states.zip(&mut chunks.packed) {
            match (index, packed) {
                (IndexLeaf::Packed(index), Some(chunk)) => written.note(chunk, index),
                (IndexLeaf::Ordinary(index), _) => {
                    let leaf = ordinary.next().ok_or_else(missing)?;
                    index.row_groups.push(vec![std::mem::take(&mut leaf.pages)]);
                }
                (IndexLeaf::Packed(_), None) => return Err(missing()),
            }
        }
        drop(ordinary);
        Ok(chunks)
    }

    /// The chunks of the column of one row group.
    pub(in crate::file) fn chunks(
        &self,
        field: &FieldRef,
        array: &ArrayRef,
        coding: NestedCoding,
    ) -> Result<NestedChunks> {
        let NestedCoding {
            block_rows,
            effort,
            search,
        } = coding;
        let states = self.leaves.par_iter().zip(&self.index).zip(&self.written);
        let packed = states.map(|((leaf, index), written)| {
            let IndexLeaf::Packed(index) = index else {
                return Ok(None);
            };
            let options = LeafOptions {
                bound: index.column.bound,
                declared: written.declared,
                by_dimension: written.by_dimension,
                declared_dimensions: written.declared_dimensions.as_deref(),
                block_rows,
                effort,
                search,
            };
            LeafChunk::new(field, array, leaf, &options)
                .map(Some)
                .map_err(|error| error.at(format!("column {:?}", leaf.name())))
        });
        let packed = packed.collect::<Result<Vec<_>>>()?;
        let ordinary = without_packed(field, array, &self.leaves)
            .map(|(field, array)| ordinary(&field, array, block_rows, effort))
            .transpose()
            .map_err(|error| error.at(format!("column {:?}", field.name())))?;
        Ok(NestedChunks { packed, ordinary })
    }

    /// One for each packed leaf, and one for the rest if there is any. `whole` is of the column.
    pub(in crate::file) fn reports(&self, whole: ColumnReport) -> Vec<ColumnReport> {
        let mut reports = Vec::new();
        let mut rest = (0, false);
        let mut values_bytes = 0;
        for ((leaf, index), written) in self.leaves.iter().zip(&self.index).zip(&self.written) {
            let index = match index {
                IndexLeaf::Packed(index) => index,
                IndexLeaf::Ordinary(index) => {
                    rest = (rest.0 + index.bytes(), true);
                    continue;
                }
            };
            let column = &index.column;
            let levels: usize = index
                .shapes
                .iter()
                .flatten()
                .map(|shape| shape.levels)
                .sum();
            let values = levels as u64 - column.nulls();
            let raw = values * column.element.width() as u64;
            values_bytes += raw;
            let largest = column.abs_bounds.iter().copied().reduce(f64::max);
            reports.push(ColumnReport {
                column: whole.column,
                name: leaf.name(),
                data_type: leaf.data_type.clone(),
                bound: Some(column.bound),
                abs_bound: largest.filter(|_| !column.bound.is_exact()),
                range: written.seen.unwrap_or(ValueRange::EMPTY),
                range_declared: column.range_declared || !column.bound.needs_range(),
                dimensions: index.dimensions.len(),
                max_error: column.max_error,
                outliers: column.outliers(),
                nulls: column.nulls(),
                values,
                raw_bytes: raw,
                packed_bytes: column.packed_bytes(),
            });
        }
        // Offsets, nulls and all that is not a float.
        let other = self.raw_bytes.saturating_sub(values_bytes);
        match (rest.1, reports.first_mut()) {
            (false, Some(first)) => first.raw_bytes += other,
            _ => reports.push(ColumnReport {
                raw_bytes: other,
                packed_bytes: rest.0,
                ..whole
            }),
        }
        reports
    }

    pub(in crate::file) fn into_index(self) -> NestedColumn {
        NestedColumn { leaves: self.index }
    }
}

impl Written {
    fn is_declared(&self) -> bool {
        match self.by_dimension {
            true => self.declared_dimensions.is_some(),
            false => self.declared.is_some(),
        }
    }

    /// Notes what became of a row group.
    fn note(&mut self, chunk: &mut LeafChunk, index: &mut PackedLeaf) {
        let column = &mut index.column;
        let seen = self
            .seen
            .map_or(chunk.range, |seen| seen.union(&chunk.range));
        self.seen = Some(seen);
        column.range = self.declared.filter(|_| !self.by_dimension).unwrap_or(seen);
        // A bound that never changes is stored once.
        let varies = match column.bound {
            ErrorBound::Psnr(_) => true,
            bound => bound.needs_range() && !self.is_declared(),
        };
        if column.abs_bounds.is_empty() || varies {
            column.abs_bounds.extend(chunk.abs_bound);
        }
        if index.dimensions.is_empty() {
            index.dimensions = vec![Dimension::default(); chunk.dimensions.len()];
        }
        for (dimension, (range, bound)) in index.dimensions.iter_mut().zip(&chunk.dimensions) {
            dimension.range = dimension.range.union(range);
            if dimension.abs_bounds.is_empty() || varies {
                dimension.abs_bounds.push(*bound);
            }
        }
        column.max_error = column.max_error.max(chunk.max_error);
        column.row_groups.push(std::mem::take(&mut chunk.blocks));
        index.shapes.push(std::mem::take(&mut chunk.shapes));
    }
}

fn ordinary(
    field: &FieldRef,
    array: ArrayRef,
    block_rows: usize,
    effort: Effort,
) -> Result<OrdinaryChunks> {
    let array = std::slice::from_ref(&array);
    match effort {
        Effort::Fast => ordinary_chunks(field, array, block_rows),
        _ => smallest_chunks(field, array, Paging::Rows(block_rows)),
    }
}

/// A leaf's chunk, at its place in the file.
pub(in crate::file) struct Placed<'a> {
    pub(in crate::file) metadata: ColumnChunkMetaData,
    pub(in crate::file) column_index: ColumnIndexMetaData,
    pub(in crate::file) bytes: &'a [u8],
}

/// A leaf's chunk, packed or ordinary.
pub(in crate::file) enum AnyChunk<'a> {
    Packed(&'a LeafChunk),
    Ordinary(&'a OrdinaryLeaf, &'a [u8]),
}

impl NestedChunks {
    /// Bytes of all chunks.
    pub(in crate::file) fn bytes(&self) -> u64 {
        let packed = self.packed.iter().flatten().map(|chunk| chunk.bytes.len());
        let ordinary = self.ordinary.iter().map(|chunks| chunks.data().len());
        packed.chain(ordinary).sum::<usize>() as u64
    }

    /// The chunks in the order of the schema.
    pub(in crate::file) fn in_order(&self) -> impl Iterator<Item = Result<AnyChunk<'_>>> {
        let mut ordinary = self.ordinary.iter().flat_map(OrdinaryChunks::each);
        self.packed.iter().map(move |packed| match packed {
            Some(chunk) => Ok(AnyChunk::Packed(chunk)),
            None => {
                let (leaf, bytes) = ordinary.next().ok_or_else(missing)?;
                Ok(AnyChunk::Ordinary(leaf, bytes))
            }
        })
    }
}

impl<'a> AnyChunk<'a> {
    /// The chunk of `leaf`, as it is at `position` of the file.
    pub(in crate::file) fn placed(self, leaf: ColumnDescPtr, position: u64) -> Result<Placed<'a>> {
        match self {
            Self::Packed(chunk) => {
                let len = chunk.bytes.len() as u64;
                let levels = chunk.levels;
                let mut metadata = footer::plain_chunk(Arc::clone(&leaf), position, len, levels);
                if leaf.max_rep_level() > 0 {
                    metadata = metadata
                        .set_compression(Compression::ZSTD(ZstdLevel::default()))
                        .set_total_uncompressed_size(chunk.uncompressed as i64);
                }
                Ok(Placed {
                    metadata: metadata.build()?,
                    column_index: ColumnIndexMetaData::NONE,
                    bytes: &chunk.bytes,
                })
            }
            Self::Ordinary(leaf, bytes) => {
                let (start, _) = footer::byte_range(&leaf.metadata)?;
                Ok(Placed {
                    metadata: footer::moved(&leaf.metadata, position as i64 - start as i64)?,
                    column_index: leaf.column_index.clone(),
                    bytes,
                })
            }
        }
    }
}
