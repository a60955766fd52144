//! From a path, or a name given to one, to a table of the session.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;

use crate::file::{open_source, shown};
use crate::tools::csv;
use crate::tools::error::{Result, ToolError};
use crate::tools::paths;

use super::explain;

/// Names a file, folder, glob or URL; returns the local files that the table reads.
pub(super) async fn register(ctx: &SessionContext, name: &str, path: &str) -> Result<Vec<PathBuf>> {
    let (table, files) = open(ctx, path).await?;
    if ctx
        .table_exist(TableReference::bare(name))
        .map_err(explain)?
    {
        return Err(ToolError::invalid(format!(
            "two tables are named {name}; give them different names"
        )));
    }
    add(ctx, TableReference::bare(name), table)?;
    Ok(files)
}

/// Lets SQL name a table without quotes, which it reads as lower case.
pub(super) async fn register_lower_case(ctx: &SessionContext, name: &str) -> Result<()> {
    let lower = TableReference::bare(name.to_lowercase());
    if !ctx.table_exist(lower.clone()).map_err(explain)? {
        let table = ctx
            .table_provider(TableReference::bare(name))
            .await
            .map_err(explain)?;
        add(ctx, lower, table)?;
    }
    Ok(())
}

/// Makes a table of a path that stands in SQL where a table does, unless there is a table so named.
pub(super) async fn register_path(
    ctx: &SessionContext,
    reference: &TableReference,
) -> Result<Vec<PathBuf>> {
    let TableReference::Bare { table: path } = reference else {
        return Ok(Vec::new());
    };
    let is_path =
        Path::new(path.as_ref()).exists() || path.contains(['/', '*']) && !path.contains("://");
    let known = ctx.table_exist(reference.clone()).map_err(explain)?;
    if known || !is_path {
        return Ok(Vec::new());
    }
    let (table, files) = open(ctx, path).await?;
    add(ctx, reference.clone(), table)?;
    Ok(files)
}

fn add(
    ctx: &SessionContext,
    reference: TableReference,
    table: Arc<dyn TableProvider>,
) -> Result<()> {
    ctx.register_table(reference, table).map_err(explain)?;
    Ok(())
}

/// The table of a path, and the local files that it reads.
pub(super) async fn open(
    ctx: &SessionContext,
    path: &str,
) -> Result<(Arc<dyn TableProvider>, Vec<PathBuf>)> {
    if path.contains("://") {
        return Ok((by_name(ctx, path).await?, Vec::new()));
    }
    let named = files_of(path)?;
    let kinds = named
        .iter()
        .map(|file| recognise(file))
        .collect::<Result<Vec<_>>>()?;
    // What else lies in a folder, a README say, is none of the table's.
    let of_kind = |kind| {
        named
            .iter()
            .zip(&kinds)
            .filter(move |(_, k)| **k == Some(kind))
            .map(|(file, _)| file.clone())
    };
    let (parquet, csv): (Vec<_>, Vec<_>) = (
        of_kind(Kind::Parquet).collect(),
        of_kind(Kind::Csv).collect(),
    );
    let state = ctx.state();
    let (files, format, schema): (_, Arc<dyn FileFormat>, _) = match (parquet.first(), csv.first())
    {
        (None, None) => return Ok((by_name(ctx, path).await?, named)),
        (Some(parquet), Some(csv)) => {
            return Err(ToolError::invalid(format!(
                "{path} holds both Parquet ({}) and CSV ({}); name the files of one kind, as in '{path}/*.parquet'",
                parquet.display(),
                csv.display()
            )));
        }
        (Some(_), None) => {
            let factory = state.get_file_format_factory("parquet");
            let factory =
                factory.ok_or_else(|| ToolError::invalid("this session reads no Parquet"))?;
            (
                parquet,
                factory
                    .create(&state, &Default::default())
                    .map_err(explain)?,
                None,
            )
        }
        (None, Some(_)) => {
            let (schema, delimiter) = csv_schema(&csv)?;
            let format = CsvFormat::default()
                .with_has_header(true)
                .with_delimiter(delimiter);
            // Quoted text may hold line breaks.
            (
                csv,
                Arc::new(format.with_newlines_in_values(true)),
                Some(schema),
            )
        }
    };

    let folder = Path::new(path);
    let in_partitions = files.iter().any(|file| {
        let below = file.strip_prefix(folder).ok().and_then(Path::parent);
        below.is_some_and(|below| {
            below
                .iter()
                .any(|part| part.as_encoded_bytes().contains(&b'='))
        })
    });
    let mut options = ListingOptions::new(format).with_file_extension("");
    let urls = if in_partitions {
        // The values of partition columns are in the paths below the folder.
        let extension = files[0]
            .extension()
            .and_then(|extension| extension.to_str());
        options.file_extension = extension
            .map(|extension| format!(".{extension}"))
            .unwrap_or_default();
        vec![url(folder, true)?]
    } else {
        files
            .iter()
            .map(|file| url(file, false))
            .collect::<Result<Vec<_>>>()?
    };
    let schema = match schema {
        Some(schema) => schema,
        None => parquet_schema(ctx, &options, &urls).await?,
    };
    let mut config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(schema);
    if in_partitions {
        config = config
            .infer_partitions_from_path(&state)
            .await
            .map_err(explain)?;
    }
    let table = ListingTable::try_new(config).map_err(explain)?;
    let cache = ctx.runtime_env().cache_manager.get_file_statistic_cache();
    Ok((Arc::new(table.with_cache(cache)), files))
}

/// The files that a path names. A folder may be one of partitions, which `compress` cannot keep.
fn files_of(path: &str) -> Result<Vec<PathBuf>> {
    if !Path::new(path).is_dir() {
        return paths::expand(&[path]);
    }
    let mut files = Vec::new();
    paths::walk(Path::new(path), &mut files)?;
    if files.is_empty() {
        return Err(ToolError::invalid(format!(
            "the folder {path} holds no files"
        )));
    }
    Ok(files)
}

/// All columns of all files.
async fn parquet_schema(
    ctx: &SessionContext,
    options: &ListingOptions,
    urls: &[ListingTableUrl],
) -> Result<SchemaRef> {
    let state = ctx.state();
    // All local, in one store.
    let store = ctx.runtime_env().object_store(&urls[0]).map_err(explain)?;
    let mut objects = Vec::new();
    for url in urls {
        let listed = url
            .list_all_files(&state, store.as_ref(), &options.file_extension)
            .await
            .map_err(explain)?;
        objects.extend(listed.try_collect::<Vec<_>>().await.map_err(explain)?);
    }
    options
        .format
        .infer_schema(&state, &store, &objects)
        .await
        .map_err(explain)
}

/// What DataFusion makes of a URL, or of a file of another kind: JSON, Arrow, compressed CSV.
async fn by_name(ctx: &SessionContext, path: &str) -> Result<Arc<dyn TableProvider>> {
    match ctx.table_provider(TableReference::bare(path)).await {
        Ok(table) => Ok(table),
        Err(DataFusionError::Plan(_)) => {
            let unreachable = unreachable(vec![path.to_owned()]).await;
            Err(unreachable.unwrap_or_else(|| {
                ToolError::invalid(format!(
                    "{} is neither Parquet by its first bytes, nor CSV, JSON or Arrow by its name",
                    shown(Path::new(path))
                ))
            }))
        }
        Err(error) => Err(explain(error)),
    }
}

/// Why the file of one of `urls` cannot be opened, which DataFusion keeps to itself; None where all can, or where none
/// is such a URL.
pub(super) async fn unreachable(urls: Vec<String>) -> Option<ToolError> {
    let file = |url: &str| url.contains("://") && !url.ends_with('/') && !url.contains('*');
    let open = move || {
        let mut files = urls.iter().filter(|url| file(url)).map(Path::new);
        files.find_map(|path| {
            let opened = open_source(path);
            opened.err().map(|error| ToolError::file(path, error))
        })
    };
    // Nothing is known of what could not be tried.
    tokio::task::spawn_blocking(open).await.ok().flatten()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Parquet,
    Csv,
}

/// The kinds that this module opens; others are DataFusion's to know.
fn recognise(path: &Path) -> Result<Option<Kind>> {
    // A look into a pipe would take from it what it shows.
    if !path.is_file() {
        return Ok(None);
    }
    let mut magic = Vec::new();
    let file = File::open(path).map_err(|error| ToolError::io("open", path, error))?;
    file.take(4)
        .read_to_end(&mut magic)
        .map_err(|error| ToolError::io("read", path, error))?;
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    Ok(match magic.as_slice() {
        b"PAR1" => Some(Kind::Parquet),
        // DataFusion would take it for a table without rows.
        b"" if extension.eq_ignore_ascii_case("parquet") => {
            return Err(ToolError::bad_file(path, "an empty file"));
        }
        _ if ["csv", "tsv"]
            .iter()
            .any(|csv| extension.eq_ignore_ascii_case(csv)) =>
        {
            Some(Kind::Csv)
        }
        _ => None,
    })
}

/// The types that fit all values of all files, as `compress` finds them, and the delimiter.
fn csv_schema(files: &[PathBuf]) -> Result<(SchemaRef, u8)> {
    let mut all: Option<csv::CsvScan> = None;
    for file in files {
        let scan = csv::scan(file)?;
        match &mut all {
            Some(all) if (all.delimiter, &all.names) != (scan.delimiter, &scan.names) => {
                return Err(ToolError::bad_file(
                    file,
                    format!(
                        "its columns or delimiter are not those of {}",
                        files[0].display()
                    ),
                ));
            }
            Some(all) => all
                .seen
                .iter_mut()
                .zip(&scan.seen)
                .for_each(|(all, one)| *all = all.merge(one)),
            None => all = Some(scan),
        }
    }
    let all = all.ok_or_else(|| ToolError::invalid("no CSV file was named"))?;
    let fields = all
        .names
        .iter()
        .zip(&all.seen)
        .map(|(name, seen)| Field::new(name, seen.data_type(), true));
    Ok((
        Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        all.delimiter,
    ))
}

/// The URL of a local file or folder, in which no character of its name has a meaning of its own.
fn url(path: &Path, folder: bool) -> Result<ListingTableUrl> {
    let absolute = path
        .canonicalize()
        .map_err(|error| ToolError::io("open", path, error))?;
    let text = absolute
        .to_str()
        .ok_or_else(|| ToolError::bad_file(path, "its name is not UTF-8; rename it"))?;
    let end = if folder { "/" } else { "" };
    let plain = !text.contains(['*', '?', '[', '%', '#']);
    if plain || cfg!(not(unix)) {
        return ListingTableUrl::parse(format!("{text}{end}")).map_err(explain);
    }
    let mut url = String::from("file://");
    for byte in text.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => url.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(url, "%{byte:02X}")),
        }
    }
    ListingTableUrl::parse(url + end).map_err(explain)
}
