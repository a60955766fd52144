//! SQL over packed and ordinary files, by path or by name, with the rows in one of four formats, and
//! with the functions that know the error.

mod copy;
mod explain;
mod output;
mod script;
mod tables;

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParser, Statement};
use futures::StreamExt;

use crate::datafusion::{bounds, session_config, session_context_with_config};
use crate::file::AtomicFile;

use super::error::{Result, ToolError};
use super::paths;

use explain::explain;
use output::RowWriter;

pub use script::{ScriptOptions, script};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: columns lined up by the first thousand rows.
    Table,
    /// A header, then a line for each row. Nulls and empty strings are empty fields.
    Csv,
    /// A JSON object for each row, a line each (NDJSON), with all columns: nulls are `null`, and so
    /// are NaN and the infinities, for which JSON has no other word.
    Json,
    /// Ordinary Parquet, with ZSTD.
    Parquet,
}

impl Format {
    /// The format of a file by the ending of its name; a table where it tells of none.
    pub fn of_name(file: Option<&Path>) -> Self {
        let ending = file.and_then(Path::extension).and_then(OsStr::to_str);
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("parquet" | "pq") => Self::Parquet,
            Some("csv") => Self::Csv,
            Some("json" | "jsonl" | "ndjson") => Self::Json,
            _ => Self::Table,
        }
    }
}

/// A query, and what its tables' names stand for.
#[derive(Debug, Clone)]
pub struct QueryOptions {
    /// One or several statements, `;` between them; the last one's rows are the result. A quoted
    /// path in the place of a table is the file, the folder, or the files of the glob of that path.
    pub sql: String,
    /// Names for files, folders, globs and URLs.
    pub tables: Vec<(String, String)>,
    /// How the rows are written.
    pub format: Format,
    /// Where the query runs.
    pub sessions: Sessions,
}

/// How sessions are made of a configuration: those of this process, or of any other engine that
/// reads packed files.
#[derive(Clone)]
pub struct Sessions(Arc<dyn Fn(SessionConfig) -> SessionContext + Send + Sync>);

impl Sessions {
    /// Sessions that `make` makes.
    pub fn new(make: impl Fn(SessionConfig) -> SessionContext + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new(session_context_with_config)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

/// Runs a query and writes its rows to `out` as they come; returns how many there were.
///
/// Blocks, and must not be called from asynchronous code.
///
/// # Errors
/// When the SQL is wrong, a file is missing or damaged, or `out` refuses to be written, which is
/// [`ToolError::Io`] with the source as it was. Rows found until then may have been written.
pub fn query(options: &QueryOptions, out: impl Write + Send) -> Result<u64> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let session = Session::open(&options.sessions, &options.tables, options.format).await?;
        session.run(options, out, &mut |_| Ok(())).await
    })
}

/// Runs a query and writes its rows to a file, which appears complete or not at all.
///
/// # Errors
/// As [`query`], and when `path` is one of the files that are read.
pub fn query_to_file(options: &QueryOptions, path: &Path) -> Result<u64> {
    let cannot_write = |error| ToolError::file(path, error);
    paths::check_output(path, None::<&Path>)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let session = Session::open(&options.sessions, &options.tables, options.format).await?;
        let mut file = AtomicFile::create(path).map_err(cannot_write)?;
        let check = &mut |inputs: &[PathBuf]| paths::check_output(path, inputs);
        let rows = session.run(options, &mut file, check).await?;
        file.commit().map_err(cannot_write)?;
        Ok(rows)
    })
}

/// The table of a file, a folder, a glob or a URL, as queries open the paths that they name.
///
/// # Errors
/// When there is no such file, or it is damaged or of no kind that is known.
pub async fn open_table(ctx: &SessionContext, path: &str) -> Result<Arc<dyn TableProvider>> {
    Ok(tables::open(ctx, path).await?.0)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| ToolError::Io {
            what: "cannot start threads".to_owned(),
            source,
        })
}

/// A DataFusion session and the local files that its tables read.
struct Session {
    ctx: SessionContext,
    inputs: Vec<PathBuf>,
}

impl Session {
    async fn open(
        sessions: &Sessions,
        tables: &[(String, String)],
        format: Format,
    ) -> Result<Self> {
        let mut config = session_config();
        if format == Format::Parquet {
            // Other readers know strings better than the views of strings that DataFusion prefers.
            config
                .options_mut()
                .execution
                .parquet
                .schema_force_view_types = false;
            config.options_mut().optimizer.expand_views_at_output = true;
        }
        let mut session = Self {
            ctx: (sessions.0)(config),
            inputs: Vec::new(),
        };
        tolerant_udfs::register_all(&session.ctx);
        for (name, path) in tables {
            session
                .inputs
                .extend(tables::register(&session.ctx, name, path).await?);
        }
        for (name, _) in tables {
            tables::register_lower_case(&session.ctx, name).await?;
        }
        Ok(session)
    }

    /// Runs all statements; `check` sees the files that the last one may read before it runs.
    async fn run(
        mut self,
        options: &QueryOptions,
        out: impl Write + Send,
        check: &mut dyn FnMut(&[PathBuf]) -> Result<()>,
    ) -> Result<u64> {
        let mut statements = DFParser::parse_sql(&options.sql).map_err(explain)?;
        let last = statements
            .pop_back()
            .ok_or_else(|| ToolError::invalid("no SQL was given"))?;
        for statement in statements {
            self.start(statement)
                .await?
                .collect()
                .await
                .map_err(explain)?;
        }
        let rows = self.start(last).await?;
        check(&self.inputs)?;
        write_rows(rows, options.format, out).await
    }

    /// Runs a statement; returns how many rows it had.
    async fn write_rows(
        &mut self,
        statement: Statement,
        format: Format,
        out: impl Write + Send,
    ) -> Result<u64> {
        let rows = self.start(statement).await?;
        write_rows(rows, format, out).await
    }

    async fn start(&mut self, statement: Statement) -> Result<DataFrame> {
        let state = self.ctx.state();
        let references = state
            .resolve_table_references(&statement)
            .map_err(explain)?;
        for reference in &references {
            self.inputs
                .extend(tables::register_path(&self.ctx, reference).await?);
        }
        let plan = match state.statement_to_plan(statement).await {
            Ok(plan) => plan,
            Err(error) => {
                let urls = references.iter();
                let urls = urls.map(|reference| reference.table().to_owned());
                let unreachable = tables::unreachable(urls.collect()).await;
                return Err(unreachable.unwrap_or_else(|| explain(error)));
            }
        };
        copy::check(&plan)?;
        self.ctx.execute_logical_plan(plan).await.map_err(explain)
    }
}

async fn write_rows(rows: DataFrame, format: Format, out: impl Write + Send) -> Result<u64> {
    let mut stream = rows.execute_stream().await.map_err(explain)?;
    // What is true of the tables' columns is not said of these.
    let schema = Arc::new(bounds::without(&stream.schema()));
    let mut writer = RowWriter::try_new(format, &schema, out)?;
    let mut count = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(explain)?;
        count += batch.num_rows() as u64;
        if batch.num_columns() > 0 {
            let columns = batch.columns().to_vec();
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
                .map_err(|error| explain(error.into()))?;
            writer.write(&batch)?;
        }
    }
    writer.finish()?;
    Ok(count)
}

/// An error of writing rows to wherever they go.
fn cannot_write(source: io::Error) -> ToolError {
    ToolError::Io {
        what: "cannot write the rows".to_owned(),
        source,
    }
}
