//! Sessions that know packed files.

use std::sync::Arc;

use datafusion::catalog::DynamicFileCatalog;
use datafusion::datasource::dynamic_file::DynamicListTableFactory;
use datafusion::datasource::provider::DefaultTableFactory;
use datafusion::execution::SessionStateBuilder;
#[cfg(feature = "remote")]
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::format::TolerantFormatFactory;
#[cfg(feature = "remote")]
use super::stores::RemoteStores;

/// Bytes that a session keeps of opened files and of their statistics. DataFusion's own limits
/// leave out a file of 60,000 columns, which each query would then open again.
const METADATA_CACHE: usize = 256 << 20;
const STATISTICS_CACHE: usize = 128 << 20;

/// A new session that reads packed and ordinary Parquet files: by path (`SELECT ... FROM
/// 'file.parquet'`, `FROM 'folder/'`), `STORED AS TOLERANT` and `STORED AS PARQUET`. With the feature
/// `remote` a URL (`s3://`, `gs://`, `az://`, `http://`, `https://`) is as good as a path.
pub fn session_context() -> SessionContext {
    session_context_with_config(session_config())
}

/// The configuration of [`session_context`], for more to be set on it.
///
/// DataFusion's own, but for what gives wrong answers in its version 55: dynamic filters of MIN
/// and MAX drop rows, of ordinary Parquet too, when several columns are asked for or a part of the
/// data holds only nulls (apache/datafusion issues 25147, 24816); and a LIMIT makes scans of a
/// declared order forget it (the rule `LimitPushdown`, `with_preserve_order(false)`), so that idle
/// partitions take the files of others and merge them in the wrong place.
///
/// Late materialisation, which fetches and decodes only the blocks in which a row is left by the
/// filters, is off as in DataFusion; `SET datafusion.execution.parquet.pushdown_filters = true`
/// turns it on.
pub fn session_config() -> SessionConfig {
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.execution.enable_file_stream_work_stealing = false;
    config
}

/// [`session_context`] with a configuration of the caller's, best begun from [`session_config`].
pub fn session_context_with_config(config: SessionConfig) -> SessionContext {
    open(builder(config))
}

/// A session to be, for more to be set on it before it is [`open`]ed.
pub(crate) fn builder(config: SessionConfig) -> SessionStateBuilder {
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features();
    #[cfg(feature = "remote")]
    let builder = builder.with_runtime_env(runtime());
    builder
}

pub(crate) fn open(builder: SessionStateBuilder) -> SessionContext {
    let ctx = SessionContext::new_with_state(builder.build());
    let caches = &ctx.runtime_env().cache_manager;
    caches
        .get_file_metadata_cache()
        .update_cache_limit(METADATA_CACHE);
    if let Some(statistics) = caches.get_file_statistic_cache() {
        statistics.update_cache_limit(STATISTICS_CACHE);
    }
    register(&ctx);
    ctx
}

/// DataFusion's own, but for stores that are found by their URLs.
#[cfg(feature = "remote")]
fn runtime() -> Arc<RuntimeEnv> {
    Arc::new(RuntimeEnv {
        object_store_registry: Arc::new(RemoteStores::default()),
        ..RuntimeEnv::default()
    })
}

/// Teaches a session to read packed files: `STORED AS TOLERANT`, `STORED AS PARQUET` and files
/// named by path in SQL.
///
/// From here on the session's Parquet files, also ordinary ones, are read through
/// [`TolerantFormat`](super::TolerantFormat). Tables that were created before stay as they are, and
/// so does the session's configuration; see [`session_config`].
pub fn register(ctx: &SessionContext) {
    let state = ctx.state_ref();
    let mut state = state.write();
    for factory in [
        TolerantFormatFactory::tolerant(),
        TolerantFormatFactory::parquet(),
    ] {
        state
            .register_file_format(Arc::new(factory), true)
            .expect("a format that may overwrite is always accepted");
    }
    for name in ["TOLERANT", "PARQUET"] {
        state
            .table_factories_mut()
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(DefaultTableFactory::new()));
    }
    // A path as a table name: what SessionContext::enable_url_table does, for a session that is.
    let files = Arc::new(DynamicListTableFactory::default());
    files.session_store().with_state(ctx.state_weak_ref());
    let catalogs = Arc::clone(state.catalog_list());
    state.register_catalog_list(Arc::new(DynamicFileCatalog::new(catalogs, files)));
}
