//! The virtual file over an object store, read asynchronously.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{GetOptions, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::buffers::Buffers;
use super::cache::IntegerCache;
use super::error::{FileError, Result};
use super::open::{self, Extent, Opened, Opening};
use super::row_groups_ahead::{FetchAhead, RowGroupsAhead};
use super::{local, plan};

/// Reads a packed or an ordinary Parquet file of an object store, as the file that it stands for.
#[derive(Debug)]
pub struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    object: ObjectMeta,
    opened: Option<Opened>,
    cache: Arc<IntegerCache>,
    buffers: Buffers,
    local: Local,
    ahead: Option<RowGroupsAhead>,
}

/// Whether the store's objects are local files.
#[derive(Debug, Clone)]
enum Local {
    No,
    Perhaps,
    File(Arc<File>),
}

impl ObjectReader {
    pub fn new(store: Arc<dyn ObjectStore>, object: ObjectMeta) -> Self {
        Self {
            store,
            object,
            opened: None,
            cache: Arc::default(),
            buffers: Buffers::default(),
            local: Local::No,
            ahead: None,
        }
    }

    /// Takes memory from `buffers`, which other readers may share.
    pub fn with_buffers(mut self, buffers: Buffers) -> Self {
        self.buffers = buffers;
        self
    }

    /// Asks the store for the file itself, once, and reads its ranges without the store: for objects that are
    /// local files. Of any other store this costs a request for one byte.
    pub fn with_local_files(mut self) -> Self {
        self.local = Local::Perhaps;
        self
    }

    /// Of a packed file, fetches row groups while those before are decoded and used: the same columns of up to eight,
    /// as long as less than 4 MiB are under way, and 16 MiB at most. For a reader that asks for whole column chunks
    /// in turn, of row groups that are `chosen` by number (all of them if None). Without a runtime of Tokio it
    /// does nothing.
    pub fn with_fetch_ahead(mut self, from: FetchAhead, chosen: Option<Vec<bool>>) -> Self {
        self.ahead = Some(RowGroupsAhead::new(from, chosen));
        self
    }

    /// Spares reading the file's tail again.
    pub fn with_opened(mut self, opened: Opened) -> Self {
        self.opened = Some(opened);
        self
    }

    /// Reads the tail of a file.
    ///
    /// # Errors
    /// [`FileError::ObjectStore`], and [`FileError::Corrupt`] for what is no Parquet file or a
    /// damaged one.
    pub async fn open(store: &dyn ObjectStore, object: &ObjectMeta) -> Result<Opened> {
        let mut opening = Opening::new(object.size, open::FIRST_READ, Extent::Needed);
        loop {
            let read = store.get_range(&object.location, opening.range()).await?;
            let opened = opening.take(read);
            if let Some(opened) = opened.map_err(|error| error.at(&object.location))? {
                return Ok(opened);
            }
        }
    }

    async fn opened(&mut self) -> Result<Opened> {
        if let Some(opened) = &self.opened {
            return Ok(opened.clone());
        }
        let opened = Self::open(self.store.as_ref(), &self.object).await?;
        self.opened = Some(opened.clone());
        Ok(opened)
    }

    async fn read(&mut self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        match self.opened().await? {
            Opened::Ordinary(_) => Ok(self
                .store
                .get_ranges(&self.object.location, &ranges)
                .await?),
            Opened::Packed(layout) => {
                let plan = layout.plan_with(&ranges, &self.cache)?;
                let fetched = match &mut self.ahead {
                    Some(ahead) => ahead.take(plan.fetches()).await,
                    None => None,
                };
                let fetched = match fetched {
                    Some(fetched) => fetched,
                    None => self.fetch(plan.fetches()).await?,
                };
                if let Some(ahead) = &mut self.ahead {
                    let location = &self.object.location;
                    ahead.fetch(&layout, &ranges, &self.store, location).await;
                }
                layout
                    .assemble_with(&plan, &fetched, &self.cache, &self.buffers)
                    .map_err(|error| error.at(&self.object.location))
            }
        }
    }

    async fn fetch(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let location = &self.object.location;
        if let Local::Perhaps = self.local {
            let byte = GetOptions::new().with_range(Some(0..1));
            self.local = match self.store.get_opts(location, byte).await?.payload {
                GetResultPayload::File(file, _) => Local::File(Arc::new(file)),
                GetResultPayload::Stream(_) => Local::No,
            };
        }
        match &self.local {
            Local::File(file) => {
                let read = local::read(file, ranges, &self.buffers).await;
                read.map_err(|error| match error.kind() {
                    ErrorKind::UnexpectedEof => plan::shorter().at(location),
                    _ => FileError::io(location.as_ref())(error),
                })
            }
            Local::No | Local::Perhaps => Ok(self.store.get_ranges(location, ranges).await?),
        }
    }
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let mut bytes = self.read(vec![range]).await?;
            bytes
                .pop()
                .ok_or_else(|| FileError::corrupt("nothing was read").into())
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { Ok(self.read(ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move { Ok(Arc::clone(self.opened().await?.metadata())) }.boxed()
    }
}
