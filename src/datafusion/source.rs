//! The file source: DataFusion's Parquet scan over virtual files.

use std::fmt::{self, Formatter};
use std::sync::Arc;

use datafusion::common::config::{ConfigOptions, TableParquetOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{internal_datafusion_err, not_impl_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileGroupPartitioner, FileOpener, FileScanConfig, FileSource, ParquetSource,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::cache::cache_manager::{
    DEFAULT_METADATA_CACHE_LIMIT, FileMetadataCache,
};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::Morselizer;
use object_store::ObjectStore;

use crate::file::FetchAhead;

use super::morsel::TolerantMorselizer;
use super::reader::TolerantReaderFactory;

/// A [`ParquetSource`] whose files may be packed.
///
/// All planning and reading is the `ParquetSource`'s own. Two things are not: what reads the files
/// (set where a partition begins to run, so that a source which was serialized as its
/// `ParquetSource` and wrapped again works as before), and what the parts of a file are.
#[derive(Clone)]
pub struct TolerantSource {
    parquet: ParquetSource,
    cache: Arc<FileMetadataCache>,
}

impl TolerantSource {
    /// Wraps a Parquet source. Opened files are remembered by this source alone, unless
    /// [`with_metadata_cache`](Self::with_metadata_cache) shares a cache.
    pub fn new(parquet: ParquetSource) -> Self {
        Self {
            parquet,
            cache: Arc::new(DefaultCache::new(DEFAULT_METADATA_CACHE_LIMIT)),
        }
    }

    /// Remembers opened files in `cache`: the session's own, which its
    /// `runtime_env().cache_manager` holds.
    pub fn with_metadata_cache(mut self, cache: Arc<FileMetadataCache>) -> Self {
        self.cache = cache;
        self
    }

    /// Replaces the options of the Parquet scan.
    pub fn with_table_parquet_options(mut self, options: TableParquetOptions) -> Self {
        self.parquet = self.parquet.with_table_parquet_options(options);
        self
    }

    /// The Parquet source that does the work.
    pub fn parquet_source(&self) -> &ParquetSource {
        &self.parquet
    }

    /// None with filters that are pushed down, for which Parquet's reader asks for parts of chunks, and with limits,
    /// which may end the scan at any row.
    fn fetch_ahead(&self, config: &FileScanConfig) -> Option<FetchAhead> {
        let pushdown = self.parquet.table_parquet_options().global.pushdown_filters;
        match (self.parquet.filter(), config.limit) {
            (None, None) => Some(FetchAhead::AtOnce),
            (Some(_), None) if !pushdown => Some(FetchAhead::InTurn),
            _ => None,
        }
    }

    /// What the Parquet source became, as a source of this kind again.
    fn rewrap(&self, parquet: &dyn FileSource) -> Result<Arc<dyn FileSource>> {
        let parquet = parquet
            .downcast_ref::<ParquetSource>()
            .ok_or_else(|| internal_datafusion_err!("a Parquet source turned into another kind"))?;
        Ok(Arc::new(Self {
            parquet: parquet.clone(),
            cache: Arc::clone(&self.cache),
        }))
    }
}

impl FileSource for TolerantSource {
    fn create_file_opener(
        &self,
        _object_store: Arc<dyn ObjectStore>,
        _base_config: &FileScanConfig,
        _partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        not_impl_err!("Tolerant files are read by morsels; use create_morselizer")
    }

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let mut readers =
            TolerantReaderFactory::new(Arc::clone(&object_store), Arc::clone(&self.cache));
        if base_config.object_store_url == ObjectStoreUrl::local_filesystem() {
            readers = readers.with_local_files();
        } else if let Some(from) = self.fetch_ahead(base_config) {
            readers = readers.with_fetch_ahead(from);
        }
        let parquet = self
            .parquet
            .clone()
            .with_parquet_file_reader_factory(Arc::new(readers.clone()));
        let parquet = parquet.create_morselizer(object_store, base_config, partition)?;
        Ok(Box::new(TolerantMorselizer {
            parquet: Arc::from(parquet),
            readers,
        }))
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        let min_size = scaled_min_size(repartition_file_min_size, &config.file_groups);
        let groups = FileGroupPartitioner::new()
            .with_target_partitions(target_partitions)
            .with_repartition_file_min_size(min_size)
            .with_preserve_order_within_groups(output_ordering.is_some())
            .repartition_file_groups(&config.file_groups);
        Ok(groups.map(|file_groups| {
            let mut config = config.clone();
            config.file_groups = file_groups;
            config
        }))
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let result = self.parquet.try_pushdown_filters(filters, config)?;
        let updated_node = result
            .updated_node
            .map(|source| self.rewrap(source.as_ref()))
            .transpose()?;
        Ok(FilterPushdownPropagation {
            filters: result.filters,
            updated_node,
        })
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let source = self.parquet.try_pushdown_projection(projection)?;
        source
            .map(|source| self.rewrap(source.as_ref()))
            .transpose()
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        eq_properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let result = self.parquet.try_pushdown_sort(order, eq_properties)?;
        result.try_map(|source| self.rewrap(source.as_ref()))
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        let source = self.parquet.with_batch_size(batch_size);
        // A Parquet source with another batch size is one still.
        self.rewrap(source.as_ref()).unwrap_or(source)
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.parquet.reorder_files(files)
    }

    fn table_schema(&self) -> &TableSchema {
        self.parquet.table_schema()
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.parquet.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.parquet.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.parquet.metrics()
    }

    fn file_type(&self) -> &str {
        "tolerant"
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        self.parquet.fmt_extra(t, f)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.parquet.apply_expressions(f)
    }
}

/// `min_size`, the size of a scan that is worth splitting, for files that are `ratio` times larger
/// once decoded. It is meant for files that are as much work as they have bytes.
fn scaled_min_size(min_size: usize, groups: &[FileGroup]) -> usize {
    let mut file_bytes = 0u64;
    let mut decoded_bytes = 0u64;
    for file in groups.iter().flat_map(FileGroup::iter) {
        // Without statistics the file counts as it is.
        let decoded = file.statistics.as_ref().map_or(0, |statistics| {
            let columns = statistics.column_statistics.iter();
            columns
                .filter_map(|column| column.byte_size.get_value())
                .sum::<usize>() as u64
        });
        file_bytes += file.object_meta.size;
        decoded_bytes += decoded.max(file.object_meta.size);
    }
    match decoded_bytes {
        0 => min_size,
        _ => (min_size as f64 * (file_bytes as f64 / decoded_bytes as f64)) as usize,
    }
}
