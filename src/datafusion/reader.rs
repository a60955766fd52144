//! Readers of packed and ordinary files, as DataFusion's Parquet scan asks for them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    ParquetAccessPlan, ParquetRowSelection, RowGroupAccess,
};
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::error::Result;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use crate::file::{Buffers, FetchAhead, FileError, ObjectReader, Opened};

use super::cache::{self, OpenCell, OpenSlot};

/// Makes readers that present packed files as ordinary Parquet, and ordinary files as they are.
///
/// [`TolerantSource`](super::TolerantSource) uses it; on its own it serves a
/// [`ParquetSource`](datafusion::datasource::physical_plan::ParquetSource) whose files are not
/// split by byte ranges.
#[derive(Clone)]
pub struct TolerantReaderFactory {
    store: Arc<dyn ObjectStore>,
    cache: Arc<FileMetadataCache>,
    buffers: Buffers,
    local_files: bool,
    fetch_ahead: Option<FetchAhead>,
}

impl TolerantReaderFactory {
    /// Readers of files in `store`, whose metadata is kept in `cache`, the session's own:
    /// `runtime_env.cache_manager.get_file_metadata_cache()`.
    pub fn new(store: Arc<dyn ObjectStore>, cache: Arc<FileMetadataCache>) -> Self {
        Self {
            store,
            cache,
            buffers: Buffers::reused(),
            local_files: false,
            fetch_ahead: None,
        }
    }

    /// For a store whose objects are local files: they are read without asking it each time.
    pub fn with_local_files(mut self) -> Self {
        self.local_files = true;
        self
    }

    /// For a scan of whole row groups in turn, from a store that is asked for each.
    pub(super) fn with_fetch_ahead(mut self, from: FetchAhead) -> Self {
        self.fetch_ahead = Some(from);
        self
    }

    fn reader(&self, meta: ObjectMeta) -> ObjectReader {
        let reader =
            ObjectReader::new(Arc::clone(&self.store), meta).with_buffers(self.buffers.clone());
        match self.local_files {
            true => reader.with_local_files(),
            false => reader,
        }
    }

    /// From when on, and of which row groups, a reader of `file` fetches ahead. Not where rows of them are chosen.
    fn ahead_in(&self, file: &PartitionedFile) -> Option<Ahead> {
        let from = self.fetch_ahead?;
        if file.extensions.contains::<ParquetRowSelection>() {
            return None;
        }
        let whole = |access: &RowGroupAccess| match access {
            RowGroupAccess::Skip => Some(false),
            RowGroupAccess::Scan => Some(true),
            RowGroupAccess::Selection(_) => None,
        };
        let chosen = match file.extensions.get::<ParquetAccessPlan>() {
            Some(plan) => Some(plan.inner().iter().map(whole).collect::<Option<_>>()?),
            None => None,
        };
        Some((from, chosen))
    }

    /// The file that `cell` holds or will hold.
    pub(super) fn file(&self, meta: ObjectMeta, cell: Arc<OpenCell>) -> SharedFile {
        SharedFile {
            factory: self.clone(),
            meta,
            cell,
        }
    }
}

impl fmt::Debug for TolerantReaderFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TolerantReaderFactory")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl ParquetFileReaderFactory for TolerantReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        partitioned_file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let cell = partitioned_file
            .extensions
            .get::<OpenSlot>()
            .map(OpenSlot::cell)
            .unwrap_or_default();
        let ahead = self.ahead_in(&partitioned_file);
        let meta = partitioned_file.object_meta;
        let metrics = ParquetFileMetrics::new(partition_index, meta.location.as_ref(), metrics);
        Ok(Box::new(Reader {
            file: self.file(meta, cell),
            ahead,
            reader: None,
            metrics,
        }))
    }
}

/// A file that its readers open at most once between them.
pub(super) struct SharedFile {
    factory: TolerantReaderFactory,
    meta: ObjectMeta,
    cell: Arc<OpenCell>,
}

impl SharedFile {
    /// The file, opened now if it has not been.
    pub(super) async fn opened(&self) -> Result<&Opened, FileError> {
        let TolerantReaderFactory { store, cache, .. } = &self.factory;
        self.cell
            .get_or_try_init(|| cache::open(store, &self.meta, cache.as_ref()))
            .await
    }
}

/// From when on a reader fetches ahead, and which row groups it may read.
type Ahead = (FetchAhead, Option<Vec<bool>>);

/// One reader of a file. Most are asked for data only, some for metadata only, some for nothing.
struct Reader {
    file: SharedFile,
    ahead: Option<Ahead>,
    reader: Option<ObjectReader>,
    metrics: ParquetFileMetrics,
}

impl Reader {
    /// Counts what a read of `ranges` takes from the store, which is less than their length where
    /// the file is packed.
    fn count_scanned(&self, ranges: &[Range<u64>]) {
        let length = |ranges: &[Range<u64>]| {
            ranges
                .iter()
                .map(|range| range.end - range.start)
                .sum::<u64>()
        };
        let scanned = match self.file.cell.get() {
            // A read that cannot be planned fails, and is not counted.
            Some(Opened::Packed(layout)) => {
                layout.plan(ranges).map_or(0, |plan| length(plan.fetches()))
            }
            _ => length(ranges),
        };
        self.metrics.bytes_scanned.add(scanned as usize);
    }

    async fn reader(&mut self) -> Result<&mut ObjectReader, ParquetError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let opened = self.file.opened().await?.clone();
                let meta = self.file.meta.clone();
                let reader = self.file.factory.reader(meta).with_opened(opened);
                match self.ahead.take() {
                    Some((from, chosen)) => reader.with_fetch_ahead(from, chosen),
                    None => reader,
                }
            }
        };
        Ok(self.reader.insert(reader))
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            self.reader().await?;
            self.count_scanned(std::slice::from_ref(&range));
            self.reader().await?.get_bytes(range).await
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move {
            self.reader().await?;
            self.count_scanned(&ranges);
            self.reader().await?.get_byte_ranges(ranges).await
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move { self.reader().await?.get_metadata(options).await }.boxed()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let ratio = &self.metrics.scan_efficiency_ratio;
        ratio.add_part(self.metrics.bytes_scanned.value());
        // Of the file, which has several readers.
        ratio.set_total(self.file.meta.size as usize);
    }
}
