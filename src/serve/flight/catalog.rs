//! Tables by the names of files and folders.
//!
//! The folder that is served is the schema `public`, and each folder below it a schema by its path.
//! In a schema, a Parquet file is a table, by its name without `.parquet`, and so is a folder: all the
//! files below it as one table, with a column for each `name=value` in their paths. A name that no
//! file or folder has in that very spelling stands for the one that it equals but for case.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionContext;

use crate::datafusion::TolerantFormat;
use crate::serve::files::{Entry, Folder, Found, Refusal};
use crate::serve::listing;

/// The schema of the served folder itself.
pub const ROOT: &str = "public";

/// Where the session's store has the served folder.
pub const STORE: &str = "folder://served";

/// Folders within folders that are schemas.
const DEPTH: usize = 8;

const EXTENSION: &str = ".parquet";

/// The catalog: all schemas.
pub struct Folders {
    pub folder: Arc<Folder>,
    /// By whose runtime and settings tables are opened.
    pub opener: SessionContext,
}

impl fmt::Debug for Folders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Folders")
    }
}

impl CatalogProvider for Folders {
    fn schema_names(&self) -> Vec<String> {
        let mut names = vec![ROOT.to_owned()];
        tokio::task::block_in_place(|| walk(&self.folder, "", DEPTH, &mut names));
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let path = if name == ROOT { "" } else { name };
        let served = path.is_empty() || path.split('/').all(crate::serve::paths::is_served);
        let found = || tokio::task::block_in_place(|| self.folder.find(path));
        (served && matches!(found(), Ok(Found::Folder))).then(|| {
            Arc::new(Tables {
                folder: Arc::clone(&self.folder),
                opener: self.opener.clone(),
                path: path.to_owned(),
            }) as _
        })
    }
}

fn walk(folder: &Folder, path: &str, depth: usize, names: &mut Vec<String>) {
    let entries = folder.entries(path).unwrap_or_default();
    for entry in entries.into_iter().filter(|entry| entry.is_folder) {
        let below = join(path, &entry.name);
        // The folder of a partition is no schema.
        if depth > 0 && !entry.name.contains('=') {
            names.push(below.clone());
            walk(folder, &below, depth - 1, names);
        }
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}

/// One schema.
struct Tables {
    folder: Arc<Folder>,
    opener: SessionContext,
    path: String,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tables({:?})", self.path)
    }
}

impl Tables {
    /// Names of tables, and what they stand for. Files go before folders of the same name.
    fn tables(&self) -> Vec<(String, Entry)> {
        tokio::task::block_in_place(|| {
            let entries = self.folder.entries(&self.path).unwrap_or_default();
            let mut tables: Vec<(String, Entry)> = entries
                .into_iter()
                .filter(|entry| entry.is_folder || entry.name.ends_with(EXTENSION))
                .map(|entry| {
                    let name = entry
                        .name
                        .strip_suffix(EXTENSION)
                        .filter(|_| !entry.is_folder);
                    (name.unwrap_or(&entry.name).to_owned(), entry)
                })
                .collect();
            tables.sort_by(|(a, one), (b, other)| (a, one.is_folder).cmp(&(b, other.is_folder)));
            tables.dedup_by(|(later, _), (earlier, _)| later == earlier);
            tables
        })
    }

    /// The file or folder that a table's name stands for.
    fn entry(&self, name: &str) -> Option<Entry> {
        let mut tables = self.tables();
        let exact = tables.iter().position(|(known, _)| known == name);
        let close = |tables: &[(String, Entry)]| {
            let lower = name.to_lowercase();
            let mut like = tables.iter().enumerate();
            let first = like
                .find(|(_, (known, _))| known.to_lowercase() == lower)?
                .0;
            let second = like.find(|(_, (known, _))| known.to_lowercase() == lower);
            second.is_none().then_some(first)
        };
        let at = exact.or_else(|| close(&tables))?;
        Some(tables.swap_remove(at).1)
    }

    async fn open(&self, state: &SessionState, entry: Entry) -> Result<Arc<dyn TableProvider>> {
        let below = join(&self.path, &entry.name);
        let end = if entry.is_folder { "/" } else { "" };
        let url = ListingTableUrl::parse(format!("{STORE}{}{end}", listing::url(&below)))?;
        let extension = if entry.is_folder { EXTENSION } else { "" };
        let format = TolerantFormat::try_new(state.default_table_options().parquet)?;
        let options = ListingOptions::new(Arc::new(format)).with_file_extension(extension);
        let mut config = ListingTableConfig::new(url).with_listing_options(options);
        if entry.is_folder {
            config = config.infer_partitions_from_path(state).await?;
        }
        let config = config.infer_schema(state).await?;
        let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
        Ok(Arc::new(ListingTable::try_new(config)?.with_cache(cache)))
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.tables().into_iter().map(|(name, _)| name).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(entry) = self.entry(name) else {
            return Ok(None);
        };
        let path = join(&self.path, &entry.name);
        let opened = tokio::task::block_in_place(|| self.folder.find(&path));
        if let Err(refusal) = opened {
            return match refusal {
                Refusal::NotFound => Ok(None),
                Refusal::Broken(why) => Err(DataFusionError::Execution(format!("{path}: {why}"))),
            };
        }
        Ok(Some(self.open(&self.opener.state(), entry).await?))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.entry(name).map(|_| TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }
}
