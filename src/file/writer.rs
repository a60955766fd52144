//! The writer of packed files.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::file::metadata::{KeyValue, ParquetColumnIndex, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};
use rayon::prelude::*;

use crate::codec::{Effort, Grid, Search};

use super::check::{check_batch, check_columns};
use super::column::{raw_bytes, row_width};
use super::error::{FileError, Result};
use super::footer;
use super::index::Index;
use super::options::{FileLayout, ROW_GROUP_BYTES, RowOrder, WriterOptions};
use super::order::{Coding, ColumnPlan, Ordered, Ordering};
use super::packed::{PreparedChunk, concatenated};
use super::planning::Planned;
use super::report::{ColumnReport, WriteReport};
use super::seal::{self, Seal};
use super::writing::{Chunk, Column, Prepared};
use super::{catalog_codec, open, row_id};

/// Writes record batches to a packed file, in the manner of parquet's `ArrowWriter`.
///
/// Holds one row group in memory and encodes it on rayon's threads. A writer that is dropped
/// before [`close`](Self::close) leaves a file without a footer, which no reader opens; write to
/// an [`AtomicFile`](super::AtomicFile) so that not even that remains.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float32Array, RecordBatch};
/// use tolerant::file::{Writer, WriterOptions};
/// use tolerant::ErrorBound;
///
/// let column: ArrayRef = Arc::new(Float32Array::from_iter_values((0..1000).map(|i| i as f32)));
/// let batch = RecordBatch::try_from_iter([("x", column)])?;
/// let options = WriterOptions::new().with_bound(ErrorBound::rel(1e-2)?);
/// let mut writer = Writer::try_new(Vec::new(), batch.schema(), options)?;
/// writer.write(&batch)?;
/// let (bytes, report) = writer.close()?;
/// assert_eq!(report.file_bytes, bytes.len() as u64);
/// assert!(report.columns[0].max_error <= 9.99);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Writer<W: Write + Send> {
    sink: W,
    position: u64,
    schema: SchemaRef,
    physical_schema: SchemaDescPtr,
    columns: Vec<Column>,
    block_rows: usize,
    row_group_rows: usize,
    /// The same, where rows turn out to be best kept in their order.
    kept_rows: usize,
    effort: Effort,
    search: Search,
    buffered: Vec<RecordBatch>,
    buffered_rows: usize,
    /// Counted only where rows differ in size.
    buffered_bytes: Option<u64>,
    row_groups: Vec<RowGroupMetaData>,
    column_index: ParquetColumnIndex,
    /// None where rows stay as they come.
    ordering: Option<Ordering>,
    /// Whether the last column is the rows' positions, which batches come without.
    numbered: bool,
}

impl<W: Write + Send> Writer<W> {
    /// Starts a file of `schema`.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`] for options that name a column which is not there or cannot
    /// take the bound, and for a schema with two columns of one name or a type that Parquet lacks.
    pub fn try_new(mut sink: W, schema: SchemaRef, options: WriterOptions) -> Result<Self> {
        let schema = row_id::with_column(schema, options.row_id())?;
        check_columns(&schema, &options, FileLayout::Packed)?;
        let row_bytes = schema
            .fields()
            .iter()
            .map(|f| row_width(f.data_type()))
            .fold(0, usize::saturating_add);
        let varying = schema
            .fields()
            .iter()
            .any(|f| f.data_type().primitive_width().is_none());
        let (block_rows, row_group_rows, kept_rows) = options.rows(row_bytes)?;
        let parquet_schema = ArrowSchemaConverter::new().convert(&schema)?;
        let physical_schema = footer::physical_schema(&parquet_schema, &schema)?;
        let columns = schema
            .fields()
            .iter()
            .map(|field| Column::new(field, &schema, &options))
            .collect();
        sink.write_all(footer::MAGIC)
            .map_err(FileError::io("writing"))?;
        Ok(Self {
            sink,
            position: footer::MAGIC.len() as u64,
            schema,
            physical_schema,
            columns,
            block_rows,
            row_group_rows,
            kept_rows,
            effort: options.effort(),
            search: options.search(),
            buffered: Vec::new(),
            buffered_rows: 0,
            buffered_bytes: varying.then_some(0),
            row_groups: Vec::new(),
            column_index: Vec::new(),
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
            let mut rows =
                (batch.num_rows() - offset).min(self.row_group_rows - self.buffered_rows);
            if self.buffered_bytes.is_some() {
                rows = rows.min(self.block_rows - self.buffered_rows % self.block_rows);
            }
            let slice = batch.slice(offset, rows);
            if let Some(bytes) = &mut self.buffered_bytes {
                *bytes += slice.columns().iter().map(raw_bytes).sum::<u64>();
            }
            self.buffered.push(slice);
            self.buffered_rows += rows;
            offset += rows;
            // At the end of a block if that is near; rows of long lists are not waited for.
            let whole_blocks = self.buffered_rows.is_multiple_of(self.block_rows);
            let limit = ROW_GROUP_BYTES as u64 * if whole_blocks { 1 } else { 2 };
            let heavy = self.buffered_bytes.is_some_and(|bytes| bytes >= limit);
            if self.buffered_rows == self.row_group_rows || heavy {
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

    /// Writes what is left, index and footer; gives the sink back, flushed.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn close(mut self) -> Result<(W, WriteReport)> {
        self.flush()?;
        let columns = self.columns.iter().enumerate();
        let reports: Vec<ColumnReport> =
            columns.flat_map(|(i, column)| column.reports(i)).collect();
        let index = Index {
            schema: Arc::clone(&self.schema),
            block_rows: self.block_rows,
            columns: std::mem::take(&mut self.columns)
                .into_iter()
                .map(Column::into_index)
                .collect(),
        };
        let rows = self.rows();
        let numbered = self.schema.fields().last().filter(|_| self.numbered);
        let entries: Vec<KeyValue> = numbered
            .map(|field| row_id::to_entry(field.name()))
            .into_iter()
            .chain(self.ordering.as_ref().and_then(Ordering::entry))
            .chain([KeyValue::new(seal::KEY.to_owned(), Seal::BLANK.blank())])
            .collect();
        let name = |column: usize| self.schema.field(column).name().clone();
        let row_order = self.ordering.as_ref().map(|ordering| ordering.report(name));
        let metadata = footer::metadata(
            self.physical_schema,
            format!("{} {}", seal::CREATED_BY, env!("CARGO_PKG_VERSION")),
            entries,
            self.row_groups,
            Some(self.column_index),
            None,
        );
        let mut tail = catalog_codec::encode(&metadata, &index)?;
        let seal = Seal {
            version: seal::VERSION,
            index_offset: self.position,
            index_len: tail.len() as u64,
        };
        let footer_offset = seal.index_offset + seal.index_len;
        // What cannot be opened must not be finished: a schema beyond what readers take, say.
        open::by_index(&tail, seal, footer_offset, None)
            .map_err(|error| error.at("this table cannot be packed"))?;
        let leaves = metadata.file_metadata().schema_descr().num_columns();
        let written = footer::serialize(metadata, footer_offset)?;
        tail.extend(match index.is_flat() {
            true => footer::without_orders(written, leaves),
            false => written,
        });
        seal::close(&mut tail, seal)?;
        self.sink
            .write_all(&tail)
            .and_then(|()| self.sink.flush())
            .map_err(FileError::io("writing"))?;
        let report = WriteReport {
            rows,
            raw_bytes: reports.iter().map(|column| column.raw_bytes).sum(),
            file_bytes: self.position + tail.len() as u64,
            columns: reports,
            row_order,
        };
        Ok((self.sink, report))
    }

    /// Each column of the buffered rows as one array.
    fn take_buffered(&mut self) -> Result<Vec<ArrayRef>> {
        let batches = std::mem::take(&mut self.buffered);
        self.buffered_bytes = self.buffered_bytes.map(|_| 0);
        self.columns
            .par_iter()
            .enumerate()
            .map(|(i, column)| {
                let arrays: Vec<ArrayRef> = batches
                    .iter()
                    .map(|batch| Arc::clone(batch.column(i)))
                    .collect();
                let named =
                    |error: FileError| error.at(format!("column {:?}", column.field.name()));
                concatenated(&arrays).map_err(named)
            })
            .collect()
    }

    /// The rows in the order that is smallest; None if that is theirs, or is to be kept.
    fn ordered(&mut self, arrays: &[ArrayRef]) -> Result<Option<Ordered>> {
        let Some(ordering) = &mut self.ordering else {
            return Ok(None);
        };
        let row_id = self.columns.len().checked_sub(1).filter(|_| self.numbered);
        let plans = self.columns.iter().enumerate();
        let plans: Vec<ColumnPlan<'_>> = plans
            .map(|(i, column)| column.plan(row_id != Some(i)))
            .collect();
        let coding = Coding {
            block_rows: self.block_rows,
            kept_rows: self.kept_rows,
            effort: self.effort,
            search: self.search,
        };
        ordering.order(&plans, arrays, coding)
    }

    /// Encodes a row group: its columns to integers, all of them to plans, and those to chunks.
    /// Orderings give each column's grid, so that it is the one that rows were ordered by.
    fn encode(&mut self, arrays: &[ArrayRef], grids: &[Option<Grid>]) -> Result<Vec<Chunk>> {
        let (block_rows, effort) = (self.block_rows, self.effort);
        let prepared: Vec<Prepared> = self
            .columns
            .par_iter_mut()
            .zip(arrays)
            .enumerate()
            .map(|(i, (column, array))| {
                let grid = grids.get(i).copied().flatten();
                column.prepare(Arc::clone(array), block_rows, grid)
            })
            .collect::<Result<_>>()?;
        let chunks: Vec<Option<&PreparedChunk>> = prepared.iter().map(Prepared::packed).collect();
        let planned = Planned::new(&chunks, self.search);
        self.columns
            .par_iter_mut()
            .zip(&prepared)
            .enumerate()
            .map(|(i, (column, prepared))| {
                column.encode(prepared, planned.coding(i, effort), block_rows, self.search)
            })
            .collect()
    }

    fn flush_row_group(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.buffered_rows);
        let arrays = self.take_buffered()?;
        let Some(ordered) = self.ordered(&arrays)? else {
            for first in (0..rows).step_by(self.kept_rows) {
                let rows = self.kept_rows.min(rows - first);
                let part: Vec<ArrayRef> = arrays.iter().map(|a| a.slice(first, rows)).collect();
                self.write_row_group(part, &[], rows)?;
            }
            return Ok(());
        };
        drop(arrays);
        self.write_row_group(ordered.arrays, &ordered.grids, rows)
    }

    fn write_row_group(
        &mut self,
        arrays: Vec<ArrayRef>,
        grids: &[Option<Grid>],
        rows: usize,
    ) -> Result<()> {
        let chunks = self.encode(&arrays, grids)?;
        if let Some(ordering) = &mut self.ordering {
            let blocks = |i: usize| self.columns[i].last_blocks();
            ordering.note_sorted(&arrays, grids, self.block_rows, blocks)?;
        }
        drop(arrays);

        let mut leaves = self.physical_schema.columns().iter();
        let mut metadata = Vec::with_capacity(leaves.len());
        let mut column_indexes = Vec::with_capacity(leaves.len());
        for chunk in chunks {
            match &chunk {
                Chunk::Packed(chunk) => {
                    let leaf = next_leaf(&mut leaves)?;
                    let len = chunk.bytes.len() as u64;
                    let chunk_metadata = footer::plain_chunk(leaf, self.position, len, rows);
                    metadata.push(chunk_metadata.build()?);
                    column_indexes.push(ColumnIndexMetaData::NONE);
                    self.position += write(&mut self.sink, &chunk.bytes)?;
                }
                Chunk::Ordinary(chunks) => {
                    let shift = self.position as i64 - chunks.data_start() as i64;
                    for (leaf, _) in chunks.leaves.iter().zip(&mut leaves) {
                        metadata.push(footer::moved(&leaf.metadata, shift)?);
                        column_indexes.push(leaf.column_index.clone());
                    }
                    self.position += write(&mut self.sink, chunks.data())?;
                }
                Chunk::Nested(chunks) => {
                    for chunk in chunks.in_order() {
                        let leaf = next_leaf(&mut leaves)?;
                        let chunk = chunk?.placed(leaf, self.position)?;
                        metadata.push(chunk.metadata);
                        column_indexes.push(chunk.column_index);
                        self.position += write(&mut self.sink, chunk.bytes)?;
                    }
                }
            }
        }
        let uncompressed = metadata.iter().map(|chunk| chunk.uncompressed_size()).sum();
        self.row_groups.push(
            RowGroupMetaData::builder(Arc::clone(&self.physical_schema))
                .set_num_rows(rows as i64)
                .set_total_byte_size(uncompressed)
                .set_column_metadata(metadata)
                .build()?,
        );
        self.column_index.push(column_indexes);
        Ok(())
    }
}

fn next_leaf<'a>(leaves: &mut impl Iterator<Item = &'a ColumnDescPtr>) -> Result<ColumnDescPtr> {
    let leaf = leaves.next().map(Arc::clone);
    leaf.ok_or_else(|| FileError::invalid("schema without leaves"))
}

fn write(sink: &mut impl Write, bytes: &[u8]) -> Result<u64> {
    sink.write_all(bytes).map_err(FileError::io("writing"))?;
    Ok(bytes.len() as u64)
}
