//! A plain Arrow reader over packed and ordinary Parquet files.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, RecordBatchReader};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::direct::{self, DirectColumns};
use super::error::{FileError, Result};
use super::open::{Opened, unpanicked};
use super::portable;
use super::source::{self, ReadAt};
use super::virtual_file::{VirtualFile, VirtualRead, open_source};

/// Configures a [`Reader`]: columns, row groups, batch size.
///
/// ```no_run
/// # use std::path::Path;
/// use tolerant::file::ReaderBuilder;
///
/// let reader = ReaderBuilder::open(Path::new("table.parquet"))?.with_columns(&["a", "b"])?.build()?;
/// for batch in reader {
///     println!("{} rows", batch?.num_rows());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ReaderBuilder {
    source: AnySource,
    opened: Opened,
    /// Of an ordinary file. That of a packed one is made where parquet-rs is to read some of it.
    metadata: Option<ArrowReaderMetadata>,
    schema: SchemaRef,
    columns: Option<Vec<usize>>,
    row_groups: Option<Vec<usize>>,
    rows: Option<Range<u64>>,
    batch_size: Option<usize>,
}

/// Rows of a batch unless told otherwise.
const BATCH_SIZE: usize = 8192;

/// Values that the vectors of a batch hold unless told otherwise. Those of nulls take memory too, but
/// no bytes of a file: a small one could ask for any amount of it.
const BATCH_VALUES: usize = 1 << 25;

/// Rows of a batch of `schema` unless told otherwise.
fn batch_rows(schema: &Schema) -> usize {
    fn values(data_type: &DataType) -> usize {
        match data_type {
            DataType::FixedSizeList(item, size) => usize::try_from(*size)
                .unwrap_or(0)
                .saturating_mul(values(item.data_type())),
            DataType::Struct(fields) => fields
                .iter()
                .map(|field| values(field.data_type()))
                .fold(0, usize::saturating_add),
            _ => 1,
        }
    }
    let fields = schema.fields().iter();
    let most = fields.map(|field| values(field.data_type())).max();
    (BATCH_VALUES / most.unwrap_or(1).max(1)).clamp(1, BATCH_SIZE)
}

impl ReaderBuilder {
    /// Opens a packed or an ordinary Parquet file, by path or, with the feature `remote`, by URL.
    ///
    /// # Errors
    /// [`FileError::Io`], and [`FileError::Corrupt`] for what is no Parquet file or a damaged one.
    pub fn open(path: &Path) -> Result<Self> {
        Self::new(source::open_source(path)?).map_err(FileError::in_file(path))
    }

    /// Opens a packed or an ordinary Parquet file from any source of bytes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn new(source: Arc<dyn ReadAt>) -> Result<Self> {
        let opened = open_source(source.as_ref())?;
        let (source, schema, metadata) = match &opened {
            Opened::Packed(layout) => (
                AnySource::Virtual(VirtualFile::from_layout(source, Arc::clone(layout))),
                Arc::clone(layout.schema()),
                None,
            ),
            Opened::Ordinary(_) => {
                let metadata = arrow_metadata(&opened)?;
                let schema = portable::without_promises(metadata.schema());
                (AnySource::Ordinary(source), schema, Some(metadata))
            }
        };
        Ok(Self {
            source,
            opened,
            metadata,
            schema,
            columns: None,
            row_groups: None,
            rows: None,
            batch_size: None,
        })
    }

    /// The schema of the whole file, as it was written.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Whether the file is of the portable layout.
    pub fn is_portable(&self) -> bool {
        match &self.opened {
            Opened::Packed(_) => false,
            Opened::Ordinary(metadata) => {
                portable::Promises::of(metadata, &self.schema).is_ok_and(|found| found.is_some())
            }
        }
    }

    /// The file's bytes as they are stored.
    pub fn stored(&self) -> &Arc<dyn ReadAt> {
        match &self.source {
            AnySource::Virtual(file) => file.stored(),
            AnySource::Ordinary(source) => source,
        }
    }

    pub fn num_rows(&self) -> u64 {
        self.opened.metadata().file_metadata().num_rows() as u64
    }

    /// Reads these top-level columns only, in the file's order.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`] for a name that no column has.
    pub fn with_columns(mut self, names: &[&str]) -> Result<Self> {
        let mut columns = names
            .iter()
            .map(|name| {
                self.schema
                    .index_of(name)
                    .map_err(|_| FileError::invalid(format!("there is no column named {name:?}")))
            })
            .collect::<Result<Vec<_>>>()?;
        columns.sort_unstable();
        columns.dedup();
        self.columns = Some(columns);
        Ok(self)
    }

    /// Reads these top-level columns only, in the file's order, by their positions in the schema.
    pub fn with_column_positions(mut self, mut columns: Vec<usize>) -> Self {
        columns.sort_unstable();
        columns.dedup();
        self.columns = Some(columns);
        self
    }

    /// Reads these row groups only, in the order given.
    pub fn with_row_groups(mut self, row_groups: Vec<usize>) -> Self {
        self.row_groups = Some(row_groups);
        self
    }

    /// Reads these rows only, counted from the first of the row groups that are read. Blocks that
    /// hold none of them are neither read nor decoded.
    pub fn with_rows(mut self, rows: Range<u64>) -> Self {
        self.rows = Some(rows);
        self
    }

    /// Rows of a batch: 8,192 unless given, fewer of very long vectors.
    pub fn with_batch_size(mut self, rows: usize) -> Self {
        self.batch_size = Some(rows);
        self
    }

    /// # Errors
    /// [`FileError::InvalidInput`] for a row group that is not there and for batches of no rows, and
    /// [`FileError::Parquet`].
    pub fn build(self) -> Result<Reader> {
        if self.batch_size == Some(0) {
            return Err(FileError::invalid("a batch needs at least one row"));
        }
        let count = self.opened.metadata().num_row_groups();
        if let Some(missing) = self.row_groups.iter().flatten().find(|i| **i >= count) {
            return Err(FileError::invalid(format!(
                "there is no row group {missing} among {count}"
            )));
        }
        let columns = self
            .columns
            .unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        let batch_size = self.batch_size.unwrap_or_else(|| batch_rows(&schema));
        let rows = self.rows.unwrap_or(0..u64::MAX);
        let (direct, others): (Vec<usize>, Vec<usize>) =
            columns.iter().partition(|column| match &self.opened {
                Opened::Packed(layout) => direct::is_direct(layout, **column),
                Opened::Ordinary(_) => false,
            });
        let is_direct = columns
            .iter()
            .map(|column| direct.binary_search(column).is_ok())
            .collect();
        let direct = match &self.source {
            AnySource::Virtual(file) if !direct.is_empty() => {
                let all = || (0..count).collect();
                let row_groups = self.row_groups.clone().unwrap_or_else(all);
                let file = file.clone();
                let rows = rows.clone();
                let beside_others = !others.is_empty();
                Some(DirectColumns::new(
                    file,
                    &direct,
                    beside_others,
                    &row_groups,
                    rows,
                ))
            }
            _ => None,
        };
        let parquet = match (&direct, others.as_slice()) {
            (Some(_), []) => None,
            (_, others) => {
                let metadata = match self.metadata {
                    Some(metadata) => metadata,
                    None => arrow_metadata(&self.opened)?,
                };
                let mask = ProjectionMask::roots(metadata.parquet_schema(), others.iter().copied());
                let mut builder =
                    ParquetRecordBatchReaderBuilder::new_with_metadata(self.source, metadata)
                        .with_projection(mask)
                        .with_batch_size(batch_size);
                if let Some(row_groups) = self.row_groups {
                    builder = builder.with_row_groups(row_groups);
                }
                if rows != (0..u64::MAX) {
                    let skipped = usize::try_from(rows.start).unwrap_or(usize::MAX);
                    builder = builder.with_offset(skipped).with_limit(
                        usize::try_from(rows.end.saturating_sub(rows.start)).unwrap_or(usize::MAX),
                    );
                }
                Some(unpanicked(|| Ok(builder.build()?))?)
            }
        };
        Ok(Reader {
            inner: Some(Columns {
                parquet,
                direct,
                is_direct,
                batch_size,
            }),
            schema,
        })
    }
}

/// What parquet-rs reads by.
fn arrow_metadata(opened: &Opened) -> Result<ArrowReaderMetadata> {
    let metadata = Arc::clone(opened.metadata());
    unpanicked(|| {
        Ok(ArrowReaderMetadata::try_new(
            metadata,
            ArrowReaderOptions::new(),
        )?)
    })
}

/// Record batches of a packed or an ordinary Parquet file, in the schema that was written.
pub struct Reader {
    /// None after an error.
    inner: Option<Columns>,
    schema: SchemaRef,
}

/// The columns of a reader: those that parquet-rs reads, and those taken directly.
struct Columns {
    /// None where it would have nothing to read.
    parquet: Option<ParquetRecordBatchReader>,
    direct: Option<DirectColumns>,
    /// For each column of the schema.
    is_direct: Vec<bool>,
    batch_size: usize,
}

impl Columns {
    /// The next rows of all columns, and how many they are; None after the last.
    fn next(&mut self) -> Result<Option<(Vec<ArrayRef>, usize)>> {
        let batch = match &mut self.parquet {
            Some(parquet) => parquet.next().transpose()?,
            None => None,
        };
        let ahead = self.direct.as_ref().map_or(0, DirectColumns::remaining);
        let rows = match (&batch, &self.parquet) {
            (Some(batch), _) => batch.num_rows(),
            (None, None) => {
                usize::try_from(ahead).map_or(self.batch_size, |n| n.min(self.batch_size))
            }
            (None, Some(_)) if ahead > 0 => {
                return Err(FileError::corrupt("columns of different lengths"));
            }
            (None, Some(_)) => 0,
        };
        if rows == 0 {
            return Ok(None);
        }
        let taken = match &mut self.direct {
            Some(direct) => direct.take(rows)?,
            None => Vec::new(),
        };
        let mut taken = taken.into_iter();
        let mut read = batch.iter().flat_map(RecordBatch::columns).cloned();
        let columns = self.is_direct.iter().map(|is_direct| match is_direct {
            true => taken.next(),
            false => read.next(),
        });
        let columns: Option<Vec<ArrayRef>> = columns.collect();
        let columns = columns.ok_or_else(|| FileError::corrupt("a column is missing"))?;
        Ok(Some((columns, rows)))
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let inner = self.inner.as_mut()?;
        let batch = unpanicked(|| {
            let Some((columns, rows)) = inner.next()? else {
                return Ok(None);
            };
            // The virtual file says REQUIRED where a column holds no null; the user may not have.
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let schema = Arc::clone(&self.schema);
            let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
            Ok(Some(batch))
        });
        if batch.is_err() {
            self.inner = None;
        }
        batch.map_err(ArrowError::from).transpose()
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The bytes of either kind of file, for parquet-rs.
#[derive(Clone)]
enum AnySource {
    Virtual(VirtualFile),
    Ordinary(Arc<dyn ReadAt>),
}

impl Length for AnySource {
    fn len(&self) -> u64 {
        match self {
            Self::Virtual(file) => Length::len(file),
            Self::Ordinary(source) => source.len().unwrap_or(0),
        }
    }
}

impl ChunkReader for AnySource {
    type T = AnyRead;

    fn get_read(&self, start: u64) -> Result<AnyRead, ParquetError> {
        match self {
            Self::Virtual(file) => Ok(AnyRead::Virtual(file.get_read(start)?)),
            Self::Ordinary(source) => {
                let len = source.len()?;
                let end = start.saturating_add(ORDINARY_READ).min(len);
                let bytes = source.read_at(start.min(end)..end)?;
                Ok(AnyRead::Ordinary {
                    source: Arc::clone(source),
                    position: end,
                    len,
                    bytes,
                })
            }
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        match self {
            Self::Virtual(file) => file.get_bytes(start, length),
            Self::Ordinary(source) => {
                Ok(source.read_at(start..start.saturating_add(length as u64))?)
            }
        }
    }
}

/// Bytes that a sequential read of an ordinary file takes at a time: page headers, mostly.
const ORDINARY_READ: u64 = 8 << 10;

/// Sequential reading of either kind of file.
enum AnyRead {
    Virtual(VirtualRead),
    Ordinary {
        source: Arc<dyn ReadAt>,
        position: u64,
        len: u64,
        bytes: Bytes,
    },
}

impl std::io::Read for AnyRead {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Virtual(read) => read.read(to),
            Self::Ordinary {
                source,
                position,
                len,
                bytes,
            } => {
                if bytes.is_empty() && *position < *len {
                    let end = (*position + ORDINARY_READ).min(*len);
                    *bytes = source.read_at(*position..end)?;
                    *position = end;
                }
                let n = bytes.len().min(to.len());
                to[..n].copy_from_slice(&bytes.split_to(n));
                Ok(n)
            }
        }
    }
}
