//! The writer of portable files.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};
use parquet::arrow::{
    ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema, parquet_to_arrow_schema,
};
use parquet::file::metadata::{KeyValue, RowGroupMetaData};
use parquet::schema::types::SchemaDescPtr;
use rayon::prelude::*;

use crate::codec::ErrorBound;

use super::super::check::{check_batch, check_columns};
use super::super::column::{is_float, raw_bytes};
use super::super::error::{FileError, Result};
use super::super::footer;
use super::super::options::{FileLayout, ROW_GROUP_BYTES, RowOrder, WriterOptions};
use super::super::order::{MAX_SORTED_BY, OrderMethod, Ordering, best_by_column, permuted};
use super::super::packed::concatenated;
use super::super::report::{ColumnReport, WriteReport};
use super::super::row_id;
use super::chunk::trial_bytes;
use super::column::snapped;
use super::promises::{Promises, not_promised};
use super::writing::{Chunks, Column};

/// What every portable file's `created_by` starts with.
const CREATED_BY: &str = "tolerant-portable version";

/// What another order may add to the footer at most: the entry that tells it and the sorting columns,
/// and offset and encoding of a dictionary page for each column.
const FOOTER_BYTES: u64 = 384;
const FOOTER_CHUNK_BYTES: u64 = 8;

/// Writes record batches to a portable file: ordinary Parquet, whose float columns are within
/// their bound of the original. Takes the options of a [`Writer`](super::super::Writer), blocks aside.
///
/// Holds one row group in memory and encodes its columns on rayon's threads. A writer that is
/// dropped before [`close`](Self::close) leaves a file without a footer, which no reader opens.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float32Array, RecordBatch};
/// use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
/// use tolerant::ErrorBound;
/// use tolerant::file::{PortableWriter, WriterOptions};
///
/// let column: ArrayRef = Arc::new(Float32Array::from_iter_values((0..1000).map(|i| i as f32)));
/// let batch = RecordBatch::try_from_iter([("x", column)])?;
/// let options = WriterOptions::new().with_bound(ErrorBound::rel(1e-2)?);
/// let mut writer = PortableWriter::try_new(Vec::new(), batch.schema(), options)?;
/// writer.write(&batch)?;
/// let (bytes, report) = writer.close()?;
///
/// assert!(report.columns[0].max_error <= 9.99);
/// let reader = ParquetRecordBatchReader::try_new(bytes::Bytes::from(bytes), 1024)?;
/// assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PortableWriter<W: Write + Send> {
    sink: W,
    position: u64,
    schema: SchemaRef,
    parquet_schema: SchemaDescPtr,
    columns: Vec<Column>,
    row_group_rows: usize,
    buffered: Vec<RecordBatch>,
    buffered_rows: usize,
    buffered_bytes: u64,
    row_groups: Vec<RowGroupMetaData>,
    /// None where rows stay as they come.
    ordering: Option<Ordering>,
    /// Whether the last column is the rows' positions, which batches come without.
    numbered: bool,
}

impl<W: Write + Send> PortableWriter<W> {
    /// Starts a file of `schema`.
    ///
    /// # Errors
    /// As [`Writer::try_new`](super::super::Writer::try_new).
    pub fn try_new(mut sink: W, schema: SchemaRef, options: WriterOptions) -> Result<Self> {
        let schema = row_id::with_column(schema, options.row_id())?;
        check_columns(&schema, &options, FileLayout::Portable)?;
        for field in schema
            .fields()
            .iter()
            .filter(|field| is_float(field.data_type()))
        {
            let bound = options
                .bound_of(field.name())
                .unwrap_or(options.default_bound());
            if !matches!(
                bound,
                ErrorBound::Rel(_) | ErrorBound::Abs(_) | ErrorBound::Exact
            ) {
                let error = not_promised(bound);
                return Err(error.at(format!("column {:?}", field.name())));
            }
        }
        let row_bytes = schema
            .fields()
            .iter()
            .map(|field| field.data_type().primitive_width().unwrap_or(16))
            .sum();
        let row_group_rows = options.portable_rows(row_bytes)?;
        let parquet_schema = Arc::new(ArrowSchemaConverter::new().convert(&schema)?);
        let mut columns: Vec<Column> = schema
            .fields()
            .iter()
            .map(|field| Column::new(field, &options))
            .collect();
        for (leaf, descriptor) in parquet_schema.columns().iter().enumerate() {
            let column = parquet_schema.get_column_root_idx(leaf);
            columns[column].leaves.push(Arc::clone(descriptor));
        }
        sink.write_all(footer::MAGIC)
            .map_err(FileError::io("writing"))?;
        Ok(Self {
            sink,
            position: footer::MAGIC.len() as u64,
            schema,
            parquet_schema,
            columns,
            row_group_rows,
            buffered: Vec::new(),
            buffered_rows: 0,
            buffered_bytes: 0,
            row_groups: Vec::new(),
            ordering: (options.row_order() == RowOrder::Any).then(Ordering::default),
            numbered: options.row_id().is_some(),
        })
    }

    /// Adds rows. Full row groups are encoded and written.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`] for a batch of another schema, and [`FileError::Io`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.numbered {
            let batch = row_id::numbered(&self.schema, batch, self.rows())?;
            return self.write_rows(&batch);
        }
        self.write_rows(batch)
    }

    fn write_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        check_batch(&self.schema, batch)?;
        let mut offset = 0;
        while offset < batch.num_rows() {
            let rows = (batch.num_rows() - offset).min(self.row_group_rows - self.buffered_rows);
            let slice = batch.slice(offset, rows);
            self.buffered_bytes += slice.columns().iter().map(raw_bytes).sum::<u64>();
            self.buffered.push(slice);
            self.buffered_rows += rows;
            offset += rows;
            if self.buffered_rows == self.row_group_rows
                || self.buffered_bytes >= ROW_GROUP_BYTES as u64
            {
                self.flush_row_group()?;
            }
        }
        Ok(())
    }

    /// Rows that are held in memory until their row group is full.
    pub fn in_progress_rows(&self) -> usize {
        self.buffered_rows
    }

    /// Writes the rows that are held in memory, as a row group.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn flush(&mut self) -> Result<()> {
        if self.buffered_rows > 0 {
            self.flush_row_group()?;
        }
        Ok(())
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        let written: i64 = self.row_groups.iter().map(RowGroupMetaData::num_rows).sum();
        written as u64 + self.buffered_rows as u64
    }

    /// Writes what is left and the footer; gives the sink back, flushed.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn close(mut self) -> Result<(W, WriteReport)> {
        self.flush()?;
        let rows = self.rows();
        let key_values = self.key_values()?;
        let record = self.ordering.as_ref().and_then(Ordering::record);
        let leaf = |column| footer::single_leaf(&self.parquet_schema, column);
        if let Some(sorting) = record.and_then(|record| record.sorting_columns(leaf)) {
            // There is one row group, or there were no sorting columns.
            self.row_groups = std::mem::take(&mut self.row_groups)
                .into_iter()
                .map(|group| {
                    let builder = group.into_builder();
                    builder.set_sorting_columns(Some(sorting.clone())).build()
                })
                .collect::<std::result::Result<_, _>>()?;
        }
        let name = |column: usize| self.schema.field(column).name().clone();
        let row_order = self.ordering.as_ref().map(|ordering| ordering.report(name));
        let metadata = footer::metadata(
            self.parquet_schema,
            format!("{CREATED_BY} {}", env!("CARGO_PKG_VERSION")),
            key_values,
            self.row_groups,
            None,
            None,
        );
        let footer = footer::serialize(metadata, self.position)?;
        self.sink
            .write_all(&footer)
            .and_then(|()| self.sink.flush())
            .map_err(FileError::io("writing"))?;
        let columns = self.columns.iter().enumerate();
        let columns: Vec<ColumnReport> =
            columns.map(|(i, column)| column.report(i, rows)).collect();
        let report = WriteReport {
            rows,
            raw_bytes: columns.iter().map(|column| column.raw_bytes).sum(),
            file_bytes: self.position + footer.len() as u64,
            columns,
            row_order,
        };
        Ok((self.sink, report))
    }

    fn key_values(&self) -> Result<Vec<KeyValue>> {
        let entry = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
        let mut key_values = Vec::new();
        // The Arrow schema is as large as the data in a small, wide table: it is written only where
        // Parquet's own says less. Readers take all entries for the schema's metadata.
        let plain = parquet_to_arrow_schema(&self.parquet_schema, None)?;
        if plain.fields() == self.schema.fields() {
            let mut metadata: Vec<_> = self.schema.metadata().iter().collect();
            metadata.sort();
            key_values.extend(metadata.into_iter().map(|(key, value)| entry(key, value)));
        } else {
            key_values.push(entry(
                ARROW_SCHEMA_META_KEY,
                &encode_arrow_schema(&self.schema),
            ));
        }
        let promises = Promises {
            columns: self
                .columns
                .iter()
                .filter_map(|column| column.promise.clone())
                .map(|promise| promise.complete(self.row_groups.len()))
                .collect(),
        };
        key_values.push(promises.to_entry(&self.schema, self.row_groups.len())?);
        let number = self.schema.fields().last().filter(|_| self.numbered);
        key_values.extend(number.map(|field| row_id::to_entry(field.name())));
        key_values.extend(self.ordering.as_ref().and_then(Ordering::entry));
        Ok(key_values)
    }

    fn flush_row_group(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.buffered);
        let rows = std::mem::take(&mut self.buffered_rows);
        self.buffered_bytes = 0;
        let arrays: Vec<ArrayRef> = (0..self.columns.len())
            .into_par_iter()
            .map(|i| {
                let parts: Vec<ArrayRef> = batches
                    .iter()
                    .map(|batch| batch.column(i).clone())
                    .collect();
                concatenated(&parts)
            })
            .collect::<Result<_>>()?;
        drop(batches);
        let bounds: Vec<f64> = self
            .columns
            .par_iter_mut()
            .zip(&arrays)
            .map(|(column, array)| column.note(array))
            .collect();
        let mut chunks = self.encode(&arrays, &bounds, &[])?;
        if let Some(mut ordering) = self.ordering.take() {
            chunks = self.smaller(&mut ordering, arrays, &bounds, chunks)?;
            self.ordering = Some(ordering);
        }
        for (column, chunks) in self.columns.iter_mut().zip(&chunks) {
            column.note_chunks(chunks);
        }

        let mut metadata = Vec::with_capacity(self.parquet_schema.num_columns());
        for chunk in chunks {
            for leaf in &chunk.metadata {
                metadata.push(footer::moved(leaf, self.position as i64)?);
            }
            self.sink
                .write_all(&chunk.bytes)
                .map_err(FileError::io("writing"))?;
            self.position += chunk.bytes.len() as u64;
        }
        let uncompressed = metadata.iter().map(|chunk| chunk.uncompressed_size()).sum();
        self.row_groups.push(
            RowGroupMetaData::builder(Arc::clone(&self.parquet_schema))
                .set_num_rows(rows as i64)
                .set_total_byte_size(uncompressed)
                .set_column_metadata(metadata)
                .build()?,
        );
        Ok(())
    }

    /// Encodes the columns of a row group. The values of the columns `stored` are given back.
    fn encode(&self, arrays: &[ArrayRef], bounds: &[f64], stored: &[usize]) -> Result<Vec<Chunks>> {
        self.columns
            .par_iter()
            .zip(arrays.par_iter().zip(bounds))
            .enumerate()
            .map(|(i, (column, (array, bound)))| {
                column
                    .encode(array, *bound, stored.contains(&i))
                    .map_err(|error| error.at(format!("column {:?}", column.field.name())))
            })
            .collect()
    }

    /// The chunks of a row group in its best order, where they are smaller than those in its own.
    fn smaller(
        &self,
        ordering: &mut Ordering,
        arrays: Vec<ArrayRef>,
        bounds: &[f64],
        kept: Vec<Chunks>,
    ) -> Result<Vec<Chunks>> {
        let rows = arrays.first().map_or(0, |array| array.len());
        let bytes = |chunks: &[Chunks]| chunks.iter().map(|c| c.bytes.len() as u64).sum::<u64>();
        let kept_bytes = bytes(&kept);
        let row_id = self.columns.len().checked_sub(1).filter(|_| self.numbered);
        let stored = self.columns.par_iter().zip(arrays.par_iter().zip(bounds));
        let stored: Vec<(&FieldRef, Option<ArrayRef>)> = stored
            .enumerate()
            .map(|(i, (column, (array, bound)))| {
                let key = (row_id != Some(i)).then(|| snapped(array, *bound));
                Ok((&column.field, key.transpose()?))
            })
            .collect::<Result<_>>()?;
        let sorted = best_by_column(stored, rows, &trial_bytes)?;
        if let Some(sorted) = sorted {
            let arrays = permuted(&arrays, &sorted.permutation)?;
            let first = &sorted.columns[..sorted.columns.len().min(MAX_SORTED_BY)];
            let chunks = self.encode(&arrays, bounds, first)?;
            let footer = FOOTER_BYTES + FOOTER_CHUNK_BYTES * self.columns.len() as u64;
            if bytes(&chunks) + footer < kept_bytes {
                ordering.note(sorted.method, sorted.columns, kept_bytes, bytes(&chunks));
                ordering.note_stored(rows, |column| {
                    let stored = chunks[column].stored.as_ref();
                    Ok(ArrayRef::clone(stored.unwrap_or(&arrays[column])))
                })?;
                return Ok(chunks);
            }
        }
        ordering.note(OrderMethod::Kept, Vec::new(), kept_bytes, kept_bytes);
        ordering.note_stored(rows, |column| Ok(ArrayRef::clone(&arrays[column])))?;
        Ok(kept)
    }
}
