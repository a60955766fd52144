//! From a path, or a name given to one, to a table of the session.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::prelude::SessionContext;
use datafusion::sql::TableReference;

use crate::tools::csv;
use crate::tools::error::{Result, ToolError};
use crate::tools::paths;

use super::explain;

/// Names a file, folder, glob or URL; returns the local files that the table reads.
pub(super) async fn register(ctx: &SessionContext, name: &str, path: &str) -> Result<Vec<PathBuf>> {
    let (table, files) = open(ctx, path).await?;
    // SQL reads a name without quotes as lower case.
    let mut names = vec![name.to_owned(), name.to_lowercase()];
    names.dedup();
    for name in names {
        add(ctx, TableReference::bare(name), Arc::clone(&table))?;
    }
    Ok(files)
}

/// Makes a table of a path that stands in SQL where a table does, unless there is a table so named.
pub(super) async fn register_path(ctx: &SessionContext, reference: &TableReference) -> Result<Vec<PathBuf>> {
    let TableReference::Bare { table: path } = reference else { return Ok(Vec::new()) };
    let is_path = Path::new(path.as_ref()).exists() || path.contains(['/', '*']) && !path.contains("://");
    let known = ctx.table_exist(reference.clone()).map_err(explain)?;
    if known || !is_path {
        return Ok(Vec::new());
    }
    let (table, files) = open(ctx, path).await?;
    add(ctx, reference.clone(), table)?;
    Ok(files)
}

fn add(ctx: &SessionContext, reference: TableReference, table: Arc<dyn TableProvider>) -> Result<()> {
    ctx.register_table(reference, table).map_err(explain)?;
    Ok(())
}

async fn open(ctx: &SessionContext, path: &str) -> Result<(Arc<dyn TableProvider>, Vec<PathBuf>)> {
    if path.contains("://") {
        return Ok((by_url(ctx, path).await?, Vec::new()));
    }
    let files = paths::expand(&[path])?;
    let Some(kind) = kind_of(&files)? else {
        return Ok((by_url(ctx, path).await?, files));
    };
    let state = ctx.state();
    let (format, schema): (Arc<dyn FileFormat>, _) = match kind {
        Kind::Parquet => {
            let factory = state.get_file_format_factory("parquet");
            let factory = factory.ok_or_else(|| ToolError::invalid("this session reads no Parquet"))?;
            (factory.create(&state, &Default::default()).map_err(explain)?, None)
        }
        Kind::Csv => {
            let (schema, delimiter) = csv_schema(&files)?;
            let format = CsvFormat::default().with_has_header(true).with_delimiter(delimiter);
            (Arc::new(format.with_newlines_in_values(true)), Some(schema))
        }
    };
    let folder = Path::new(path).is_dir();
    let mut options = ListingOptions::new(format).with_file_extension("");
    let urls = if folder {
        let extension = files.first().and_then(|file| file.extension()).and_then(|e| e.to_str());
        options = options.with_file_extension(extension.map(|e| format!(".{e}")).unwrap_or_default());
        vec![url_of(Path::new(path), true)?]
    } else {
        files.iter().map(|file| url_of(file, false)).collect::<Result<Vec<_>>>()?
    };
    let mut config = ListingTableConfig::new_with_multi_paths(urls.clone()).with_listing_options(options);
    if folder {
        config = config.infer_partitions_from_path(&state).await.map_err(explain)?;
    }
    config = match schema {
        Some(schema) => config.with_schema(schema),
        None => merge_schemas(config, &state, &urls).await?,
    };
    let table = ListingTable::try_new(config).map_err(explain)?;
    let cache = ctx.runtime_env().cache_manager.get_file_statistic_cache();
    Ok((Arc::new(table.with_cache(cache)), files))
}
