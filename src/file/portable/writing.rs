//! One top-level column on its way to a portable file: from the arrays of a row group to its chunks,
//! and to what promises and report are to know of it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::FieldRef;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescPtr;

use crate::codec::{ErrorBound, ValueRange, absolute_bound};

use super::super::best_encoding::{Paging, smallest_chunks};
use super::super::column::{is_float, raw_bytes};
use super::super::error::Result;
use super::super::options::WriterOptions;
use super::super::packed::finite_range;
use super::super::report::ColumnReport;
use super::column::{ROWS_WORTH_STATISTICS, float_chunk};
use super::promises::ColumnPromise;

/// One top-level column on its way to the file.
pub(super) struct Column {
    pub(super) field: FieldRef,
    pub(super) leaves: Vec<ColumnDescPtr>,
    /// None for columns that take no bound.
    pub(super) promise: Option<ColumnPromise>,
    /// Of the finite values seen.
    range: ValueRange,
    max_error: f64,
    outliers: u64,
    nulls: u64,
    raw_bytes: u64,
    written_bytes: u64,
}

/// A column of one row group: the chunks of its leaves, without gaps.
pub(super) struct Chunks {
    pub(super) bytes: Vec<u8>,
    /// Offsets count from the start of `bytes`.
    pub(super) metadata: Vec<ColumnChunkMetaData>,
    max_error: f64,
    outliers: u64,
    /// A float column's values as stored, where asked for.
    pub(super) stored: Option<ArrayRef>,
}

impl Column {
    pub(super) fn new(field: &FieldRef, options: &WriterOptions) -> Self {
        let promise = is_float(field.data_type()).then(|| {
            let declared = options.range_of(field.name());
            ColumnPromise {
                bound: options
                    .bound_of(field.name())
                    .unwrap_or(options.default_bound()),
                range_declared: declared.is_some(),
                ranges: declared.into_iter().collect(),
            }
        });
        Self {
            field: Arc::clone(field),
            leaves: Vec::new(),
            promise,
            range: ValueRange::EMPTY,
            max_error: 0.0,
            outliers: 0,
            nulls: 0,
            raw_bytes: 0,
            written_bytes: 0,
        }
    }

    /// Takes note of a row group's values; returns the absolute bound in force for them.
    pub(super) fn note(&mut self, array: &ArrayRef) -> f64 {
        self.raw_bytes += raw_bytes(array);
        self.nulls += array.null_count() as u64;
        let Some(promise) = &mut self.promise else {
            return 0.0;
        };
        let range = finite_range(array);
        self.range = self.range.union(&range);
        absolute_bound(promise.bound, promise.add(range))
    }

    pub(super) fn encode(
        &self,
        array: &ArrayRef,
        abs_bound: f64,
        give_stored: bool,
    ) -> Result<Chunks> {
        let (Some(_), [leaf]) = (&self.promise, &self.leaves[..]) else {
            return ordinary(&self.field, array);
        };
        let chunk = float_chunk(leaf, array, abs_bound, give_stored)?;
        Ok(Chunks {
            bytes: chunk.bytes,
            metadata: vec![chunk.metadata],
            max_error: chunk.max_error,
            outliers: chunk.outliers,
            stored: chunk.stored,
        })
    }

    /// Takes note of the chunks that are written.
    pub(super) fn note_chunks(&mut self, chunks: &Chunks) {
        self.max_error = self.max_error.max(chunks.max_error);
        self.outliers += chunks.outliers;
        self.written_bytes += chunks.bytes.len() as u64;
    }

    pub(super) fn report(&self, position: usize, rows: u64) -> ColumnReport {
        let bounds = self
            .promise
            .iter()
            .filter(|promise| !promise.bound.is_exact());
        let abs_bound = bounds
            .flat_map(|promise| (0..promise.ranges.len()).map(|i| promise.abs_bound(i)))
            .reduce(f64::max);
        let promise = self.promise.as_ref();
        ColumnReport {
            column: position,
            name: self.field.name().clone(),
            data_type: self.field.data_type().clone(),
            bound: promise.map(|promise| promise.bound),
            abs_bound,
            range: self.range,
            range_declared: promise.is_none_or(|promise| {
                promise.range_declared || !matches!(promise.bound, ErrorBound::Rel(_))
            }),
            dimensions: 0,
            max_error: self.max_error,
            outliers: self.outliers,
            nulls: self.nulls,
            values: rows - self.nulls,
            raw_bytes: self.raw_bytes,
            packed_bytes: self.written_bytes,
        }
    }
}

/// A column that Parquet has better encodings for than floats have.
fn ordinary(field: &FieldRef, array: &ArrayRef) -> Result<Chunks> {
    let chunks = smallest_chunks(field, std::slice::from_ref(array), Paging::Few)?;
    let metadata = chunks.leaves.iter().map(|leaf| {
        let builder = leaf.metadata.clone().into_builder();
        let mut builder = builder
            .clear_page_encoding_stats()
            .set_unencoded_byte_array_data_bytes(None)
            .set_definition_level_histogram(None)
            .set_repetition_level_histogram(None);
        if array.len() < ROWS_WORTH_STATISTICS {
            builder = builder.clear_statistics();
        }
        builder.build()
    });
    Ok(Chunks {
        metadata: metadata.collect::<Result<_, _>>()?,
        bytes: chunks.bytes.to_vec(),
        max_error: 0.0,
        outliers: 0,
        stored: None,
    })
}
