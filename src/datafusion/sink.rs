//! Writing: `COPY ... TO`, `INSERT INTO`.
//!
//! Files appear when all of a statement's have been written, each of them complete: what has failed
//! leaves nothing behind. Locally each is a temporary file until it is durable; in an object store
//! it is an upload that is not completed.

use std::fmt::{self, Formatter};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::runtime::{JoinSet, SpawnedTask};
use datafusion::common::{DataFusionError, exec_datafusion_err};
use datafusion::datasource::physical_plan::{FileSink, FileSinkConfig};
use datafusion::datasource::sink::DataSink;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType};
use datafusion_datasource::write::demux::DemuxedStreamReceiver;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::Receiver;

use crate::file::{AtomicFile, FileLayout, WriterOptions, create_folder};

use super::encoder::Encoder;
use super::write_options::WriteOptions;

/// How object_store names the store of local files.
const LOCAL_STORE: &str = "LocalFileSystem(file:///)";

/// A file takes so small a part of a memory pool: DataFusion writes four at once.
const BUDGETS: usize = 8;

/// Writes packed or portable files.
#[derive(Debug)]
pub(super) struct TolerantSink {
    config: FileSinkConfig,
    /// The columns of the files: those of the table that are not in their folders' names.
    schema: SchemaRef,
    layout: FileLayout,
    options: WriterOptions,
    metrics: ExecutionPlanMetricsSet,
}

impl TolerantSink {
    /// # Errors
    /// A plan error for options that the table's columns do not take.
    pub(super) fn try_new(config: FileSinkConfig, options: &WriteOptions) -> Result<Self> {
        let schema = super::bounds::without(&file_schema(&config));
        Ok(Self {
            schema: Arc::new(schema.clone()),
            layout: options.layout,
            options: options.of_table(&schema)?,
            config,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl TolerantSink {
    fn start(
        &self,
        context: &TaskContext,
        store: &Arc<dyn ObjectStore>,
        path: &Path,
    ) -> Result<(Target, Encoder)> {
        let reservation = MemoryConsumer::new(format!("TolerantSink[{path}]"))
            .with_can_spill(true)
            .register(context.memory_pool());
        let (schema, options) = (Arc::clone(&self.schema), self.options.clone());
        let budget = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / BUDGETS,
            MemoryLimit::Infinite | MemoryLimit::Unknown => usize::MAX,
        };
        let encoder = Encoder::try_new(schema, self.layout, options, reservation, budget)
            .map_err(super::external)?;
        Ok((Target::create(store, path)?, encoder))
    }
}

/// The columns that are written to files.
fn file_schema(config: &FileSinkConfig) -> SchemaRef {
    let schema = config.output_schema();
    if config.table_partition_cols.is_empty() || config.keep_partition_by_columns {
        return Arc::clone(schema);
    }
    let in_names = |name: &str| {
        config
            .table_partition_cols
            .iter()
            .any(|(part, _)| part == name)
    };
    let kept = (0..schema.fields().len()).filter(|i| !in_names(schema.field(*i).name()));
    match schema.project(&kept.collect::<Vec<_>>()) {
        Ok(schema) => Arc::new(schema),
        // The indices are the schema's own.
        Err(_) => Arc::clone(schema),
    }
}

impl DisplayAs for TolerantSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "TolerantSink({})", self.config.original_url)
    }
}

#[async_trait]
impl FileSink for TolerantSink {
    fn config(&self) -> &FileSinkConfig {
        &self.config
    }

    async fn spawn_writer_tasks_and_join(
        &self,
        context: &Arc<TaskContext>,
        demux_task: SpawnedTask<Result<()>>,
        mut file_stream_rx: DemuxedStreamReceiver,
        object_store: Arc<dyn ObjectStore>,
    ) -> Result<u64> {
        let mut tasks: JoinSet<Result<Written>> = JoinSet::new();
        let mut failed = None;
        while let Some((path, batches)) = file_stream_rx.recv().await {
            match self.start(context, &object_store, &path) {
                Ok((target, encoder)) => tasks.spawn(write_file(target, encoder, batches)),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
        }
        drop(file_stream_rx);
        let mut written = Vec::new();
        while let Some(result) = tasks.join_next().await {
            match result {
                Ok(Ok(file)) => written.push(file),
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(error) => {
                    failed = failed.or(Some(DataFusionError::ExecutionJoin(Box::new(error))))
                }
            }
        }
        // Channels close where the rows end, and where the query fails.
        let rows_ended = match demux_task.join_unwind().await {
            Ok(result) => result,
            Err(error) => Err(DataFusionError::ExecutionJoin(Box::new(error))),
        };
        // A writer that fails closes its channel, of which the query's side knows no reason.
        if let Some(error) = failed.or(rows_ended.err()) {
            for file in written {
                file.target.abort().await;
            }
            return Err(error);
        }
        let (rows, bytes) = (
            MetricBuilder::new(&self.metrics).global_counter("rows_written"),
            MetricBuilder::new(&self.metrics).global_counter("bytes_written"),
        );
        for file in written {
            file.target.complete().await?;
            rows.add(file.rows as usize);
            bytes.add(file.bytes as usize);
        }
        Ok(rows.value() as u64)
    }
}

#[async_trait]
impl DataSink for TolerantSink {
    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn schema(&self) -> &SchemaRef {
        self.config.output_schema()
    }

    async fn write_all(
        &self,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
    ) -> Result<u64> {
        FileSink::write_all(self, data, context).await
    }
}

/// A file whose bytes have all been written, but which is not there yet.
struct Written {
    target: Target,
    rows: u64,
    bytes: u64,
}

/// Where a file's bytes go.
enum Target {
    Local(Box<AtomicFile>),
    Store { upload: Box<BufWriter>, path: Path },
}

impl Target {
    fn create(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Self> {
        if store.to_string() != LOCAL_STORE {
            return Ok(Self::Store {
                upload: Box::new(BufWriter::new(Arc::clone(store), path.clone())),
                path: path.clone(),
            });
        }
        let path = PathBuf::from(format!("/{path}"));
        if let Some(folder) = path.parent() {
            create_folder(folder).map_err(|error| {
                exec_datafusion_err!("{}: cannot create: {error}", folder.display())
            })?;
        }
        let file = AtomicFile::create(&path).map_err(super::external)?;
        Ok(Self::Local(Box::new(file)))
    }

    async fn put(&mut self, bytes: Vec<u8>) -> Result<()> {
        match self {
            Self::Local(file) => Ok(file.write_all(&bytes)?),
            Self::Store { upload, path } => upload
                .put(Bytes::from(bytes))
                .await
                .map_err(|error| exec_datafusion_err!("{path}: cannot write: {error}")),
        }
    }

    async fn complete(self) -> Result<()> {
        match self {
            Self::Local(file) => blocking(move || file.commit().map_err(super::external)).await,
            Self::Store { mut upload, path } => upload
                .shutdown()
                .await
                .map_err(|error| exec_datafusion_err!("{path}: cannot write: {error}")),
        }
    }

    /// Nothing remains of the file. A store that fails here too removes the upload in its own time.
    async fn abort(self) {
        if let Self::Store { mut upload, .. } = self {
            let _ = upload.abort().await;
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    SpawnedTask::spawn_blocking(work)
        .join_unwind()
        .await
        .map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
}

async fn write_file(
    mut target: Target,
    mut encoder: Encoder,
    mut batches: Receiver<RecordBatch>,
) -> Result<Written> {
    let result = async {
        while let Some(batch) = batches.recv().await {
            let (returned, bytes) = blocking(move || {
                let bytes = encoder.write(batch)?;
                Ok((encoder, bytes))
            })
            .await?;
            encoder = returned;
            target.put(bytes).await?;
        }
        let (rows, size, bytes) = blocking(move || encoder.close()).await?;
        target.put(bytes).await?;
        Ok((rows, size))
    }
    .await;
    match result {
        Ok((rows, bytes)) => Ok(Written {
            target,
            rows,
            bytes,
        }),
        Err(error) => {
            target.abort().await;
            Err(error)
        }
    }
}
