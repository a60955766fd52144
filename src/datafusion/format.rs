//! The file format: what a table of packed and ordinary files looks like before it is read.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::Session;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{GetExt, Statistics, config_err, internal_datafusion_err, not_impl_err};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::parquet::{
    ParquetFormat, ParquetFormatFactory, transform_binary_to_string, transform_schema_to_view,
};
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory, FileMeta};
use datafusion::datasource::physical_plan::parquet::Int96Coercer;
use datafusion::datasource::physical_plan::parquet::metadata::ordering_from_parquet_metadata;
use datafusion::datasource::physical_plan::{
    FileScanConfig, FileScanConfigBuilder, FileSinkConfig, FileSource, ParquetSource,
};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::physical_expr::{LexOrdering, LexRequirement};
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::parquet_to_arrow_schema;

use tolerant_udfs::bounds::CarryBounds;

use crate::file::{Opened, Promises};

use super::bounds::{self, FileBounds};
use super::cache::{self, OpenSlot};
use super::in_order::InOrderExec;
use super::sink::TolerantSink;
use super::source::TolerantSource;
use super::statistics;
use super::write_options::WriteOptions;

/// The names under which the format is registered, which differ in what they write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    /// `STORED AS TOLERANT`: writes packed files, or portable ones.
    Tolerant,
    /// `STORED AS PARQUET`: writes ordinary Parquet, as DataFusion does.
    Parquet,
}

/// Creates [`TolerantFormat`]s for a session: under the name `TOLERANT`, or in place of
/// DataFusion's own `PARQUET`.
#[derive(Debug)]
pub struct TolerantFormatFactory {
    name: Name,
}

impl TolerantFormatFactory {
    /// The factory of `STORED AS TOLERANT`.
    pub fn tolerant() -> Self {
        Self {
            name: Name::Tolerant,
        }
    }

    /// The factory that takes the place of DataFusion's own for Parquet: reads packed and ordinary
    /// files alike, and writes ordinary ones.
    pub fn parquet() -> Self {
        Self {
            name: Name::Parquet,
        }
    }
}

impl GetExt for TolerantFormatFactory {
    fn get_ext(&self) -> String {
        match self.name {
            Name::Tolerant => "tolerant".to_owned(),
            Name::Parquet => "parquet".to_owned(),
        }
    }
}

impl FileFormatFactory for TolerantFormatFactory {
    fn create(
        &self,
        state: &dyn Session,
        format_options: &HashMap<String, String>,
    ) -> Result<Arc<dyn FileFormat>> {
        let mut format_options = format_options.clone();
        let write_options = match self.name {
            Name::Tolerant => WriteOptions::take(&mut format_options)?,
            Name::Parquet => WriteOptions::default(),
        };
        let format = ParquetFormatFactory::new().create(state, &format_options)?;
        let options = format
            .downcast_ref::<ParquetFormat>()
            .ok_or_else(|| internal_datafusion_err!("the Parquet factory made another format"))?
            .options();
        // Packed files are never encrypted, and only DataFusion knows how encrypted ones are read.
        if options.crypto.file_decryption.is_some() || options.crypto.factory_id.is_some() {
            return Ok(format);
        }
        let format = TolerantFormat::try_new(options.clone())?;
        Ok(Arc::new(TolerantFormat {
            name: self.name,
            write_options,
            ..format
        }))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(TolerantFormat {
            name: self.name,
            ..TolerantFormat::default()
        })
    }
}

/// Packed files, and ordinary Parquet files beside them, as a DataFusion file format.
#[derive(Debug)]
pub struct TolerantFormat {
    parquet: ParquetFormat,
    int96_unit: Option<TimeUnit>,
    name: Name,
    write_options: WriteOptions,
}

impl Default for TolerantFormat {
    fn default() -> Self {
        Self {
            parquet: ParquetFormat::default(),
            int96_unit: None,
            name: Name::Tolerant,
            write_options: WriteOptions::default(),
        }
    }
}

impl TolerantFormat {
    /// A format that reads with DataFusion's options for Parquet.
    ///
    /// # Errors
    /// A configuration error when `coerce_int96` is not a unit of time.
    pub fn try_new(options: TableParquetOptions) -> Result<Self> {
        let int96_unit = options
            .global
            .coerce_int96
            .as_deref()
            .map(time_unit)
            .transpose()?;
        let parquet = ParquetFormat::default().with_options(options);
        Ok(Self {
            parquet,
            int96_unit,
            ..Self::default()
        })
    }

    /// The options of reading.
    pub fn options(&self) -> &TableParquetOptions {
        self.parquet.options()
    }

    /// The columns of a file, as the scan will read them.
    fn file_schema(&self, opened: &Opened) -> Result<Schema> {
        let file = opened.metadata().file_metadata();
        let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?;
        if let Opened::Packed(layout) = opened {
            return Ok(with_nullability(&schema, layout.schema()));
        }
        let Some(unit) = &self.int96_unit else {
            return Ok(schema);
        };
        let timezone = self
            .options()
            .global
            .coerce_int96_tz
            .as_deref()
            .map(Arc::from);
        let coercer = Int96Coercer::new(file.schema_descr(), &schema, unit).with_timezone(timezone);
        Ok(coercer.coerce().unwrap_or(schema))
    }
}

fn time_unit(name: &str) -> Result<TimeUnit> {
    match name.to_lowercase().as_str() {
        "ns" => Ok(TimeUnit::Nanosecond),
        "us" => Ok(TimeUnit::Microsecond),
        "ms" => Ok(TimeUnit::Millisecond),
        "s" => Ok(TimeUnit::Second),
        _ => config_err!("coerce_int96 is {name}; give ns, us, ms or s"),
    }
}

fn metadata_cache(state: &dyn Session) -> Arc<FileMetadataCache> {
    state.runtime_env().cache_manager.get_file_metadata_cache()
}

async fn open(
    state: &dyn Session,
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
) -> Result<Opened> {
    cache::open(store, object, metadata_cache(state).as_ref())
        .await
        .map_err(super::external)
}

/// The virtual file's schema, nullable where the user's is.
///
/// A column without nulls is REQUIRED in the virtual file, which says something about this file
/// only. Were it said of the table, a file that lacks the column would have no nulls there either.
fn with_nullability(schema: &Schema, user: &Schema) -> Schema {
    let fields = schema.fields().iter().zip(user.fields());
    let fields = fields.map(|(field, user)| {
        field
            .as_ref()
            .clone()
            .with_nullable(field.is_nullable() || user.is_nullable())
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}

/// All columns of all schemas. Merging takes time with the square of the columns, so it is left
/// out where there is nothing to merge.
fn merge(schemas: impl IntoIterator<Item = Schema>) -> Result<Schema> {
    let mut schemas: Vec<Schema> = schemas.into_iter().collect();
    schemas.dedup();
    match schemas.len() {
        1 => Ok(schemas.remove(0)),
        _ => Ok(Schema::try_merge(schemas)?),
    }
}

/// The schema without what each file may say differently, which would keep files from merging.
fn without_metadata(schema: Schema) -> Schema {
    let bare = |field: &Arc<Field>| field.as_ref().clone().with_metadata(HashMap::new());
    Schema::new(schema.fields().iter().map(bare).collect::<Vec<_>>())
}

/// What a file promises of its columns, which are those of `schema`.
fn file_bounds(opened: &Opened, schema: &Schema) -> Result<FileBounds> {
    let metadata = match opened {
        Opened::Packed(layout) => return Ok(FileBounds::packed(layout)),
        Opened::Ordinary(metadata) => metadata,
    };
    let promises = Promises::of(metadata, schema).map_err(super::external)?;
    Ok(promises.map_or_else(FileBounds::ordinary, |promises| {
        FileBounds::portable(&promises, schema, metadata.num_row_groups())
    }))
}

#[async_trait]
impl FileFormat for TolerantFormat {
    /// Packed files are Parquet files, and are named so.
    fn get_ext(&self) -> String {
        self.parquet.get_ext()
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        self.parquet.get_ext_with_compression(compression)
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        match self.name {
            // Makes a folder STORED AS TOLERANT be searched for *.parquet, not for *.tolerant.
            Name::Tolerant => Some(FileCompressionType::UNCOMPRESSED),
            Name::Parquet => None,
        }
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        let concurrency = state
            .config_options()
            .execution
            .meta_fetch_concurrency
            .get();
        let mut schemas: Vec<_> = futures::stream::iter(objects)
            .map(|object| async move {
                let opened = open(state, store, object).await?;
                let schema = self.file_schema(&opened)?;
                let bounds = file_bounds(&opened, &schema)?;
                let schema = if self.parquet.skip_metadata() {
                    without_metadata(schema)
                } else {
                    schema
                };
                Ok::<_, datafusion::error::DataFusionError>((&object.location, schema, bounds))
            })
            .boxed() // Without it the compiler finds the future not general enough.
            .buffer_unordered(concurrency)
            .try_collect()
            .await?;
        // Columns stand in the order of the first file that has them, whichever came first here.
        schemas.sort_unstable_by_key(|(location, ..)| *location);

        let (schemas, bounds): (Vec<_>, Vec<_>) = schemas
            .into_iter()
            .map(|(_, schema, bounds)| (schema, bounds))
            .unzip();
        let mut schema = merge(schemas)?;
        if state.config().get_extension::<CarryBounds>().is_some() {
            schema = bounds::attach(schema, &bounds);
        }
        if self.parquet.binary_as_string() {
            schema = transform_binary_to_string(&schema);
        }
        if self.parquet.force_view_types() {
            schema = transform_schema_to_view(&schema);
        }
        Ok(Arc::new(schema))
    }

    async fn infer_stats(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Statistics> {
        let opened = open(state, store, object).await?;
        statistics::of_file(opened.metadata(), &table_schema)
    }

    async fn infer_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Option<LexOrdering>> {
        let opened = open(state, store, object).await?;
        ordering_from_parquet_metadata(opened.metadata(), &table_schema)
    }

    async fn infer_stats_and_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<FileMeta> {
        let opened = open(state, store, object).await?;
        let metadata = opened.metadata();
        let statistics = statistics::of_file(metadata, &table_schema)?;
        let ordering = ordering_from_parquet_metadata(metadata, &table_schema)?;
        Ok(FileMeta::new(statistics).with_ordering(ordering))
    }

    async fn create_physical_plan(
        &self,
        state: &dyn Session,
        mut conf: FileScanConfig,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = conf
            .file_source()
            .downcast_ref::<TolerantSource>()
            .ok_or_else(|| internal_datafusion_err!("Expected TolerantSource"))?
            .clone()
            .with_table_parquet_options(self.options().clone())
            .with_metadata_cache(metadata_cache(state));
        // Parts of a file are copies of it, and so will share the slot.
        for group in &mut conf.file_groups {
            for i in 0..group.len() {
                group[i].extensions.insert(OpenSlot::default());
            }
        }
        let conf = FileScanConfigBuilder::from(conf)
            .with_source(Arc::new(source))
            .build();
        Ok(DataSourceExec::from_data_source(conf))
    }

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        state: &dyn Session,
        mut conf: FileSinkConfig,
        order_requirements: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.name == Name::Parquet {
            conf.output_schema = Arc::new(bounds::without(conf.output_schema()));
            return self
                .parquet
                .create_writer_physical_plan(input, state, conf, order_requirements)
                .await;
        }
        if conf.insert_op != InsertOp::Append {
            return not_impl_err!(
                "files are added to a table; OVERWRITE and REPLACE are not known"
            );
        }
        let input = match self.write_options.keeps_order() {
            true => InOrderExec::of(input),
            false => input,
        };
        let sink = Arc::new(TolerantSink::try_new(conf, &self.write_options)?);
        Ok(Arc::new(DataSinkExec::new(input, sink, order_requirements)))
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        let source = ParquetSource::new(table_schema);
        let source = source.with_table_parquet_options(self.options().clone());
        Arc::new(TolerantSource::new(source))
    }
}
