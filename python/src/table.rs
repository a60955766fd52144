//! Files as a DataFusion table, for filters and for stock datafusion-python.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use tolerant::datafusion::{session_config, session_context_with_config};
use tolerant::tools::{self, query};

/// A table whose scans apply all of their filters themselves.
///
/// Over FFI the host's own pushdown ends at the scan. What the scan is given, a plan of this
/// session takes down to row groups, pages and late materialisation.
pub struct FilteringTable {
    /// Kept for as long as the table: what crosses FFI holds no more than a weak pointer to it.
    session: Arc<SessionContext>,
    files: Arc<dyn TableProvider>,
}

impl fmt::Debug for FilteringTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FilteringTable").field(&self.files).finish()
    }
}

impl FilteringTable {
    /// The table of a file, a folder or a glob. `partitions` streams are read side by side.
    pub async fn open(path: &str, partitions: Option<usize>) -> tools::Result<Self> {
        let mut config = session_config();
        let options = config.options_mut();
        // Names in filters are those of columns, as they are written.
        options.sql_parser.enable_ident_normalization = false;
        // Types are those of the file, and blocks without a row that is wanted are not read.
        options.execution.parquet.schema_force_view_types = false;
        options.execution.parquet.pushdown_filters = true;
        if let Some(partitions) = partitions {
            config = config.with_target_partitions(partitions);
        }
        let session = Arc::new(session_context_with_config(config));
        let files = query::open_table(&session, path).await?;
        Ok(Self { session, files })
    }

    /// The same session with other rows.
    pub fn of(self, files: Arc<dyn TableProvider>) -> Self {
        Self { files, ..self }
    }

    /// All of it, to be narrowed.
    pub fn frame(&self) -> Result<DataFrame> {
        self.session.read_table(Arc::clone(&self.files))
    }
}

#[async_trait]
impl TableProvider for FilteringTable {
    fn schema(&self) -> SchemaRef {
        self.files.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut frame = self.frame()?;
        for filter in filters {
            frame = frame.filter(filter.clone())?;
        }
        if let Some(columns) = projection {
            let schema = self.files.schema();
            let names: Vec<&str> = columns
                .iter()
                .map(|column| schema.field(*column).name().as_str())
                .collect();
            frame = frame.select_columns(&names)?;
        }
        if let Some(rows) = limit {
            frame = frame.limit(0, Some(rows))?;
        }
        frame.create_physical_plan().await
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        self.files.statistics()
    }
}
