//! Row groups read in parallel, some columns at a time: a reader of a column holds a decompressor
//! and buffers of some 50 kB, of which a table of 60,000 columns cannot have one for each.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use rayon::prelude::*;

use crate::file::{FileError, Reader, ReaderBuilder};

use super::error::{Result, ToolError};
use super::input::batch_rows;
use super::readers;

/// Columns that one thread reads or writes at a time, at most.
const MAX_COLUMNS: usize = 512;
/// A row group of more bytes is streamed rather than read as a whole, in parallel.
const MAX_BYTES: i64 = 128 << 20;
/// The same for more than `MAX_COLUMNS` columns, where streaming is what takes most memory.
const MAX_BYTES_WIDE: i64 = 2 << 30;

/// The batches of a Parquet file's row groups, in order.
pub struct RowGroups {
    builder: ReaderBuilder,
    path: PathBuf,
    schema: SchemaRef,
    /// Positions of the columns to read, ascending.
    columns: Vec<usize>,
    remaining: Range<usize>,
    ready: VecDeque<RecordBatch>,
    streamed: Option<Reader>,
}

impl RowGroups {
    /// Reads `columns` (ascending positions; all of them if `None`) of `row_groups`.
    pub fn new(
        builder: ReaderBuilder,
        path: &Path,
        columns: Option<&[usize]>,
        row_groups: Range<usize>,
    ) -> Result<Self> {
        let all = || (0..builder.schema().fields().len()).collect();
        let columns: Vec<usize> = columns.map_or_else(all, <[usize]>::to_vec);
        let schema = builder.schema().project(&columns);
        let schema = schema.map_err(|error| ToolError::bad_file(path, error))?;
        Ok(Self {
            builder,
            path: path.to_path_buf(),
            schema: Arc::new(schema),
            columns,
            remaining: row_groups,
            ready: VecDeque::new(),
            streamed: None,
        })
    }

    fn read(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if let Some(batch) = self.streamed.as_mut().and_then(Iterator::next) {
                return batch.map(Some).map_err(|error| self.failed(error));
            }
            self.streamed = None;
            let Some(row_group) = self.remaining.next() else {
                return Ok(None);
            };
            let wide = self.columns.len() > MAX_COLUMNS;
            if self.bytes(row_group) <= if wide { MAX_BYTES_WIDE } else { MAX_BYTES } {
                self.ready = self.whole(row_group)?.into();
            } else {
                let builder = self
                    .builder
                    .clone()
                    .with_column_positions(self.columns.clone());
                let builder = builder.with_row_groups(vec![row_group]);
                let reader = builder
                    .with_batch_size(batch_rows(self.columns.len()))
                    .build();
                self.streamed = Some(reader.map_err(|error| ToolError::file(&self.path, error))?);
            }
        }
    }

    /// What a row group takes in memory, roughly: dictionaries and runs may be far smaller in the
    /// file.
    fn bytes(&self, row_group: usize) -> i64 {
        let metadata = self.builder.opened().metadata().row_group(row_group);
        let fields = self.schema.fields().iter();
        let row: usize = fields
            .map(|field| field.data_type().primitive_width().unwrap_or(8))
            .sum();
        metadata
            .num_rows()
            .saturating_mul(row as i64)
            .max(metadata.total_byte_size())
    }

    /// All rows of a row group, each thread reading some of the columns.
    fn whole(&self, row_group: usize) -> Result<Vec<RecordBatch>> {
        let (builder, path, columns) = (&self.builder, &self.path, &self.columns);
        let parts: Vec<Vec<RecordBatch>> = readers::install(|| {
            let parts = columns.par_chunks(columns_at_once(columns.len()));
            let parts = parts.map(|columns| {
                read_columns(builder, columns, row_group)
                    .map_err(|error| ToolError::file(path, error))
            });
            parts.collect::<Result<_>>()
        })?;
        let batches = parts.iter().map(Vec::len).max().unwrap_or(0);
        (0..batches)
            .map(|i| {
                let parts = parts.iter().map(|part| part.get(i));
                let parts = parts.collect::<Option<Vec<_>>>().unwrap_or_default();
                let columns = parts.iter().flat_map(|part| part.columns());
                let columns: Vec<ArrayRef> = columns.map(Arc::clone).collect();
                let rows = parts.first().map_or(0, |part| part.num_rows());
                // Also an error where one column has fewer rows than another.
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
                    .map_err(|error| self.failed(error))
            })
            .collect()
    }

    fn failed(&self, error: arrow::error::ArrowError) -> ToolError {
        ToolError::file(&self.path, error.into())
    }
}

impl Iterator for RowGroups {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.ready.len(), None)
    }
}

/// How many of `columns` each thread takes at a time.
pub fn columns_at_once(columns: usize) -> usize {
    columns
        .div_ceil(rayon::current_num_threads())
        .clamp(1, MAX_COLUMNS)
}

/// The rows of some columns of one row group, in batches that are the same for all columns.
pub fn read_columns(
    builder: &ReaderBuilder,
    columns: &[usize],
    row_group: usize,
) -> std::result::Result<Vec<RecordBatch>, FileError> {
    let builder = builder.clone().with_column_positions(columns.to_vec());
    let reader = builder
        .with_row_groups(vec![row_group])
        .with_batch_size(1 << 16)
        .build()?;
    reader.map(|batch| batch.map_err(FileError::from)).collect()
}
