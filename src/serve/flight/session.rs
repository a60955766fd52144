//! The session that all queries share.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use object_store::ObjectStore;
use url::Url;

use crate::datafusion::session_config;
use crate::serve::files::Folder;

use super::catalog::{Folders, ROOT};
use super::store::FolderStore;

/// The name of the only catalog.
pub const CATALOG: &str = "tolerant";

/// Opens a session over a folder whose queries take at most about `memory` bytes between them, and
/// nothing of any disk.
///
/// # Errors
/// When DataFusion refuses its configuration.
pub fn open(folder: Arc<Folder>, memory: u64) -> Result<SessionContext> {
    // Clients know strings better than the views of strings that DataFusion prefers.
    let mut config = session_config()
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, ROOT);
    let options = config.options_mut();
    options.execution.parquet.schema_force_view_types = false;
    options.optimizer.expand_views_at_output = true;

    let pool = FairSpillPool::new(usize::try_from(memory).unwrap_or(usize::MAX));
    let blamed = NonZeroUsize::MIN;
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let store: Arc<dyn ObjectStore> = Arc::new(FolderStore(Arc::clone(&folder)));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(pool, blamed)))
        .with_disk_manager_builder(disk)
        .with_object_store_registry(Arc::new(OneStore(store)))
        // A folder is listed anew for each query.
        .with_object_list_cache_limit(0)
        .build_arc()?;
    let session = |catalogs| {
        let state = SessionStateBuilder::new()
            .with_config(config.clone())
            .with_runtime_env(Arc::clone(&runtime))
            .with_default_features()
            .with_catalog_list(catalogs)
            .build();
        SessionContext::new_with_state(state)
    };
    let opener = session(Arc::new(MemoryCatalogProviderList::new()));
    let ctx = session(Arc::new(MemoryCatalogProviderList::new()));
    ctx.register_catalog(CATALOG, Arc::new(Folders { folder, opener }));
    Ok(ctx)
}

/// A statement as a plan, which reads and does nothing else.
///
/// # Errors
/// When the statement is wrong, or would change anything.
pub async fn plan(ctx: &SessionContext, sql: &str) -> Result<LogicalPlan> {
    let plan = ctx.state().create_logical_plan(sql).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    Ok(plan)
}

/// A plan, ready to be executed.
pub fn frame(ctx: &SessionContext, plan: LogicalPlan) -> DataFrame {
    DataFrame::new(ctx.state(), plan)
}

/// Knows the served folder and no other store.
#[derive(Debug)]
struct OneStore(Arc<dyn ObjectStore>);

impl ObjectStoreRegistry for OneStore {
    fn register_store(&self, _: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        Some(store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match url.scheme() {
            "folder" => Ok(Arc::clone(&self.0)),
            _ => Err(DataFusionError::Plan(
                "this server reads the tables of its folder only".to_owned(),
            )),
        }
    }
}
