//! The virtual file over an object store, read asynchronously.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::cache::IntegerCache;
use super::error::{FileError, Result};
use super::open::{self, Extent, Opened, Opening};

/// Reads a packed or an ordinary Parquet file of an object store, as the file that it stands for.
#[derive(Debug, Clone)]
pub struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    object: ObjectMeta,
    opened: Option<Opened>,
    cache: Arc<IntegerCache>,
}

impl ObjectReader {
    pub fn new(store: Arc<dyn ObjectStore>, object: ObjectMeta) -> Self {
        Self {
            store,
            object,
            opened: None,
            cache: Arc::default(),
        }
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
                let fetched = self
                    .store
                    .get_ranges(&self.object.location, plan.fetches())
                    .await?;
                layout
                    .assemble_with(&plan, &fetched, &self.cache)
                    .map_err(|error| error.at(&self.object.location))
            }
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
