//! The writer of packed files.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::file::metadata::{KeyValue, ParquetColumnIndex, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::schema::types::SchemaDescPtr;
use rayon::prelude::*;

use crate::codec::{ErrorBound, ValueRange};

use super::column::{element_type, is_float, raw_bytes};
use super::encode::{OrdinaryChunks, PackedChunk, ordinary_chunks, packed_chunk};
use super::error::{FileError, Result};
use super::footer;
use super::index::{Index, IndexColumn, OrdinaryColumn, PackedColumn};
use super::options::{ROW_GROUP_BYTES, WriterOptions};
use super::report::{ColumnReport, WriteReport};
use super::seal::{self, Seal};
use super::{index_codec, open};

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
    buffered: Vec<RecordBatch>,
    buffered_rows: usize,
    /// Counted only where rows differ in size.
    buffered_bytes: Option<u64>,
    row_groups: Vec<RowGroupMetaData>,
    column_index: ParquetColumnIndex,
}

/// One top-level column on its way to the file.
struct Column {
    field: FieldRef,
    state: State,
    /// Of the finite values seen.
    range: ValueRange,
    raw_bytes: u64,
    nulls: u64,
}

enum State {
    Packed {
        declared: Option<ValueRange>,
        index: PackedColumn,
    },
    Ordinary(OrdinaryColumn),
}

/// A column of one row group, encoded.
enum Chunk {
    Packed(PackedChunk),
    Ordinary(OrdinaryChunks),
}

impl<W: Write + Send> Writer<W> {
    /// Starts a file of `schema`.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`] for options that name a column which is not there or cannot
    /// take the bound, and for a schema with two columns of one name or a type that Parquet lacks.
    pub fn try_new(mut sink: W, schema: SchemaRef, options: WriterOptions) -> Result<Self> {
        check_columns(&schema, &options)?;
        let row_bytes = schema
            .fields()
            .iter()
            .map(|f| f.data_type().primitive_width().unwrap_or(16))
            .sum();
        let varying = schema
            .fields()
            .iter()
            .any(|f| f.data_type().primitive_width().is_none());
        let (block_rows, row_group_rows) = options.rows(row_bytes)?;
        let parquet_schema = ArrowSchemaConverter::new().convert(&schema)?;
        let physical_schema = footer::physical_schema(&parquet_schema, |i| {
            element_type(schema.field(i).data_type()).is_some()
        })?;
        let columns = schema
            .fields()
            .iter()
            .map(|field| Column::new(field, &options))
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
            buffered: Vec::new(),
            buffered_rows: 0,
            buffered_bytes: varying.then_some(0),
            row_groups: Vec::new(),
            column_index: Vec::new(),
        })
    }

    /// Adds rows. Full row groups are encoded and written.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`] for a batch of another schema, and [`FileError::Io`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.check_batch(batch)?;
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
            let heavy = self
                .buffered_bytes
                .is_some_and(|bytes| bytes >= ROW_GROUP_BYTES as u64)
                && self.buffered_rows.is_multiple_of(self.block_rows);
            if self.buffered_rows == self.row_group_rows || heavy {
                self.flush_row_group()?;
            }
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
        if self.buffered_rows > 0 {
            self.flush_row_group()?;
        }
        let reports: Vec<ColumnReport> = self.columns.iter().map(Column::report).collect();
        let index = Index {
            schema: Arc::clone(&self.schema),
            block_rows: self.block_rows,
            columns: std::mem::take(&mut self.columns)
                .into_iter()
                .map(Column::into_index)
                .collect(),
        };
        let mut tail = index_codec::encode(&index)?;
        let seal = Seal {
            version: seal::VERSION,
            index_offset: self.position,
            index_len: tail.len() as u64,
        };
        let rows = self.rows();
        let metadata = footer::metadata(
            self.physical_schema,
            format!("{} {}", seal::CREATED_BY, env!("CARGO_PKG_VERSION")),
            vec![KeyValue::new(seal::KEY.to_owned(), seal.blank())],
            self.row_groups,
            Some(self.column_index),
            None,
        );
        let footer_offset = self.position + tail.len() as u64;
        // What cannot be opened must not be finished: a schema beyond what readers take, say.
        open::layout(&metadata, &tail, footer_offset, seal)
            .map_err(|error| error.at("this table cannot be packed"))?;
        tail.extend(footer::serialize(metadata, footer_offset)?);
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
        };
        Ok((self.sink, report))
    }

    fn check_batch(&self, batch: &RecordBatch) -> Result<()> {
        let (ours, theirs) = (self.schema.fields(), batch.schema_ref().fields());
        if ours.len() != theirs.len() {
            return Err(FileError::invalid(format!(
                "a batch of {} columns was given to a writer of {}",
                theirs.len(),
                ours.len()
            )));
        }
        for ((field, other), array) in ours.iter().zip(theirs).zip(batch.columns()) {
            if field.name() != other.name() || field.data_type() != other.data_type() {
                return Err(FileError::invalid(format!(
                    "column {:?} of type {} was given where column {:?} of type {} belongs",
                    other.name(),
                    other.data_type(),
                    field.name(),
                    field.data_type()
                )));
            }
            if !field.is_nullable() && array.null_count() > 0 {
                return Err(FileError::invalid(format!(
                    "column {:?} is declared non-null but holds nulls",
                    field.name()
                )));
            }
        }
        Ok(())
    }

    fn flush_row_group(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.buffered);
        let rows = std::mem::take(&mut self.buffered_rows);
        self.buffered_bytes = self.buffered_bytes.map(|_| 0);
        let block_rows = self.block_rows;
        let chunks: Vec<Chunk> = self
            .columns
            .par_iter_mut()
            .enumerate()
            .map(|(i, column)| {
                let arrays: Vec<ArrayRef> = batches
                    .iter()
                    .map(|batch| Arc::clone(batch.column(i)))
                    .collect();
                let name = column.field.name().clone();
                column
                    .encode(&arrays, block_rows)
                    .map_err(|error| error.at(format!("column {name:?}")))
            })
            .collect::<Result<_>>()?;
        drop(batches);

        let mut leaves = self.physical_schema.columns().iter();
        let mut metadata = Vec::with_capacity(leaves.len());
        let mut column_indexes = Vec::with_capacity(leaves.len());
        for chunk in chunks {
            let bytes = match &chunk {
                Chunk::Packed(chunk) => &chunk.bytes[..],
                Chunk::Ordinary(chunks) => chunks.data(),
            };
            match &chunk {
                Chunk::Packed(_) => {
                    let leaf = leaves
                        .next()
                        .ok_or_else(|| FileError::invalid("schema without leaves"))?;
                    metadata.push(
                        footer::plain_chunk(
                            Arc::clone(leaf),
                            self.position,
                            bytes.len() as u64,
                            rows,
                        )
                        .build()?,
                    );
                    column_indexes.push(ColumnIndexMetaData::NONE);
                }
                Chunk::Ordinary(chunks) => {
                    let shift = self.position as i64 - chunks.data_start() as i64;
                    for (leaf, _) in chunks.leaves.iter().zip(&mut leaves) {
                        metadata.push(footer::moved(&leaf.metadata, shift)?);
                        column_indexes.push(leaf.column_index.clone());
                    }
                }
            }
            self.sink
                .write_all(bytes)
                .map_err(FileError::io("writing"))?;
            self.position += bytes.len() as u64;
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

impl Column {
    fn new(field: &FieldRef, options: &WriterOptions) -> Self {
        let state = match element_type(field.data_type()) {
            None => State::Ordinary(OrdinaryColumn {
                row_groups: Vec::new(),
            }),
            Some(element) => {
                let default = if is_float(field.data_type()) {
                    options.default_bound()
                } else {
                    ErrorBound::Exact
                };
                let bound = options.bound_of(field.name()).unwrap_or(default);
                let declared = options.range_of(field.name());
                let index = PackedColumn {
                    element,
                    bound,
                    range: ValueRange::EMPTY,
                    range_declared: declared.is_some(),
                    abs_bounds: Vec::new(),
                    max_error: 0.0,
                    row_groups: Vec::new(),
                };
                State::Packed { declared, index }
            }
        };
        Self {
            field: Arc::clone(field),
            state,
            range: ValueRange::EMPTY,
            raw_bytes: 0,
            nulls: 0,
        }
    }

    fn encode(&mut self, arrays: &[ArrayRef], block_rows: usize) -> Result<Chunk> {
        self.raw_bytes += arrays.iter().map(raw_bytes).sum::<u64>();
        self.nulls += arrays
            .iter()
            .map(|array| array.null_count() as u64)
            .sum::<u64>();
        match &mut self.state {
            State::Packed { declared, index } => {
                let mut chunk =
                    packed_chunk(&self.field, arrays, index.bound, *declared, block_rows)?;
                self.range = self.range.union(&chunk.range);
                index.range = declared.unwrap_or(self.range);
                index.max_error = index.max_error.max(chunk.max_error);
                // A bound that never changes is stored once.
                let varies = match index.bound {
                    ErrorBound::Psnr(_) => true,
                    bound => bound.needs_range() && declared.is_none(),
                };
                if index.abs_bounds.is_empty() || varies {
                    index.abs_bounds.extend(chunk.abs_bound);
                }
                index.row_groups.push(std::mem::take(&mut chunk.blocks));
                Ok(Chunk::Packed(chunk))
            }
            State::Ordinary(index) => {
                let mut chunks = ordinary_chunks(&self.field, arrays, block_rows)?;
                let pages = chunks
                    .leaves
                    .iter_mut()
                    .map(|leaf| std::mem::take(&mut leaf.pages));
                index.row_groups.push(pages.collect());
                Ok(Chunk::Ordinary(chunks))
            }
        }
    }

    fn report(&self) -> ColumnReport {
        let (bound, abs_bound, max_error, outliers, packed_bytes, range_declared) =
            match &self.state {
                State::Packed { declared, index } => {
                    let bound = index.bound;
                    let largest = index.abs_bounds.iter().copied().reduce(f64::max);
                    let lossy = is_float(self.field.data_type()) && !bound.is_exact();
                    let declared = declared.is_some() || !bound.needs_range();
                    (
                        Some(bound),
                        largest.filter(|_| lossy),
                        index.max_error,
                        index.outliers(),
                        index.packed_bytes(),
                        declared,
                    )
                }
                State::Ordinary(index) => (None, None, 0.0, 0, index.bytes(), true),
            };
        ColumnReport {
            name: self.field.name().clone(),
            data_type: self.field.data_type().clone(),
            bound,
            abs_bound,
            range: self.range,
            range_declared,
            max_error,
            outliers,
            nulls: self.nulls,
            raw_bytes: self.raw_bytes,
            packed_bytes,
        }
    }

    fn into_index(self) -> IndexColumn {
        match self.state {
            State::Packed { index, .. } => IndexColumn::Packed(index),
            State::Ordinary(index) => IndexColumn::Ordinary(index),
        }
    }
}

fn check_columns(schema: &SchemaRef, options: &WriterOptions) -> Result<()> {
    let mut names = HashSet::new();
    if let Some(twice) = schema
        .fields()
        .iter()
        .find(|field| !names.insert(field.name()))
    {
        return Err(FileError::invalid(format!(
            "two columns are named {:?}; rename one",
            twice.name()
        )));
    }
    if let Some(missing) = options.bounded_columns().find(|name| !names.contains(name)) {
        return Err(FileError::invalid(format!(
            "there is no column named {missing:?}"
        )));
    }
    options.default_bound().checked()?;
    for field in schema.fields() {
        if let Some(bound) = options.bound_of(field.name()) {
            bound.checked()?;
        }
        if !reads_back(field.data_type()) {
            return Err(FileError::invalid(format!(
                "column {:?} is of type {}, which Parquet does not give back; cast it to its value type first",
                field.name(),
                field.data_type()
            )));
        }
        if let Some(bound) = options.bound_of(field.name())
            && !bound.is_exact()
            && !is_float(field.data_type())
        {
            return Err(FileError::invalid(format!(
                "column {:?} is of type {} and takes no error bound but exact (asked for: {bound})",
                field.name(),
                field.data_type()
            )));
        }
    }
    Ok(())
}

/// Whether parquet-rs reads the type back that it writes: it does not decode into runs, nor into
/// dictionaries but for those of strings, bytes and plain numbers.
fn reads_back(data_type: &DataType) -> bool {
    match data_type {
        DataType::RunEndEncoded(_, _) => false,
        DataType::Dictionary(_, values) => match values.as_ref() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => true,
            values => values.is_integer() || is_float(values),
        },
        DataType::Struct(fields) => fields.iter().all(|field| reads_back(field.data_type())),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => reads_back(field.data_type()),
        _ => true,
    }
}
