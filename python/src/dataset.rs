//! Reading tables: the Arrow schema, streams of record batches, and the table for DataFusion.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion_ffi::proto::logical_extension_codec::FFI_LogicalExtensionCodec;
use datafusion_ffi::table_provider::FFI_TableProvider;
use futures::StreamExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tolerant::file::FileError;
use tolerant::tools::ToolError;
use tolerant::tools::input::Input;

use super::scan::{Group, Scan};
use super::table::FilteringTable;
use super::{errors, threads};

/// The names of the columns of a file, a folder or a glob.
#[pyfunction]
pub fn column_names(py: Python<'_>, path: String) -> PyResult<Vec<String>> {
    let input = py.detach(|| Input::open(&[path])).map_err(errors::tool)?;
    let fields = input.schema().fields().iter();
    Ok(fields.map(|field| field.name().clone()).collect())
}

/// The rows for which the SQL expression `filter` is true, of some columns, in the file's order; at
/// most `limit` of them.
#[pyfunction]
pub fn scan(
    py: Python<'_>,
    path: String,
    columns: Option<Vec<String>>,
    filter: Option<String>,
    limit: Option<u64>,
) -> PyResult<Scan> {
    match (&filter, limit) {
        (None, None | Some(0)) => whole(py, path, columns, limit),
        _ => planned(py, path, columns, filter, limit),
    }
}

/// Sends what `next` gives, until there is an error or nobody wants more.
fn send(sender: &SyncSender<Group>, mut next: impl FnMut() -> Option<Group>) {
    while let Some(group) = next() {
        let failed = group.iter().any(Result::is_err);
        if sender.send(group).is_err() || failed {
            return;
        }
    }
}

/// All rows, or none: columns are read side by side.
fn whole(
    py: Python<'_>,
    path: String,
    columns: Option<Vec<String>>,
    limit: Option<u64>,
) -> PyResult<Scan> {
    let input = py.detach(|| Input::open(&[path])).map_err(errors::tool)?;
    let wanted = positions(input.schema(), columns)?;
    let schema = input.schema().project(&wanted).map_err(errors::arrow)?;
    let mut ascending = wanted.clone();
    ascending.sort_unstable();
    // Where each wanted column is among those read.
    let order: Vec<usize> = wanted
        .iter()
        .map(|column| ascending.partition_point(|other| other < column))
        .collect();
    Ok(Scan::new(Arc::new(schema), move |sender| {
        if limit == Some(0) {
            return;
        }
        let mut batches = input.batches_of(&ascending);
        send(sender, || {
            let group = batches.next_together()?.into_iter();
            let ordered = |batch: RecordBatch| batch.project(&order);
            Some(
                group
                    .map(|batch| batch.map_err(external).and_then(ordered))
                    .collect(),
            )
        });
    }))
}

fn positions(schema: &SchemaRef, columns: Option<Vec<String>>) -> PyResult<Vec<usize>> {
    let Some(columns) = columns else {
        return Ok((0..schema.fields().len()).collect());
    };
    let mut positions = Vec::with_capacity(columns.len());
    for name in columns {
        let position = schema
            .index_of(&name)
            .map_err(|_| PyValueError::new_err(format!("there is no column named {name:?}")))?;
        if positions.contains(&position) {
            return Err(PyValueError::new_err(format!(
                "column {name:?} is asked for twice"
            )));
        }
        positions.push(position);
    }
    Ok(positions)
}

fn external(error: ToolError) -> ArrowError {
    match error {
        ToolError::File(FileError::Arrow(error)) => error,
        error => ArrowError::ExternalError(Box::new(error)),
    }
}

/// What DataFusion makes of a filter and a limit, in one stream, so that rows keep their order.
fn planned(
    py: Python<'_>,
    path: String,
    columns: Option<Vec<String>>,
    filter: Option<String>,
    limit: Option<u64>,
) -> PyResult<Scan> {
    let (table, plan, task) = py.detach(|| {
        threads::runtime()?.block_on(async {
            let table = FilteringTable::open(&path, Some(1)).await;
            let table = table.map_err(errors::tool)?;
            let mut frame = narrowed(&table, columns, filter.as_deref())?;
            if let Some(limit) = limit {
                let limit = usize::try_from(limit).ok();
                frame = frame.limit(0, limit).map_err(errors::datafusion)?;
            }
            let task = Arc::new(frame.task_ctx());
            let plan = frame.create_physical_plan().await;
            Ok::<_, PyErr>((table, plan.map_err(errors::datafusion)?, task))
        })
    })?;
    Ok(Scan::new(plan.schema(), move |sender| {
        let _table = table;
        if let Err(error) = run(plan, task, sender) {
            let _ = sender.send(vec![Err(error)]);
        }
    }))
}

/// Sends what a plan gives, on a runtime that ends with it.
fn run(
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    sender: &SyncSender<Group>,
) -> Result<(), ArrowError> {
    let runtime = threads::runtime()?;
    let stream = {
        let _inside = runtime.enter();
        execute_stream(plan, task)
    };
    let external = |error| ArrowError::ExternalError(Box::new(error));
    let mut stream = stream.map_err(external)?;
    send(sender, || {
        let batch = runtime.block_on(stream.next())?;
        Some(vec![batch.map_err(external)])
    });
    Ok(())
}

/// Some columns of the rows for which `filter` is true.
fn narrowed(
    table: &FilteringTable,
    columns: Option<Vec<String>>,
    filter: Option<&str>,
) -> PyResult<DataFrame> {
    let mut frame = table.frame().map_err(errors::datafusion)?;
    if let Some(filter) = filter {
        let filter = frame.parse_sql_expr(filter).map_err(errors::datafusion)?;
        frame = frame.filter(filter).map_err(errors::datafusion)?;
    }
    if let Some(columns) = columns {
        positions(&table.schema(), Some(columns.clone()))?;
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        frame = frame.select_columns(&names).map_err(errors::datafusion)?;
    }
    Ok(frame)
}

/// The capsule `datafusion_table_provider` of some columns of the rows for which `filter` is true,
/// of a file, a folder or a glob, for `session`.
#[pyfunction]
pub fn table_provider<'py>(
    py: Python<'py>,
    path: String,
    columns: Option<Vec<String>>,
    filter: Option<String>,
    session: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let Some(session) = session else {
        return Err(PyValueError::new_err(
            "datafusion 55 is needed, which says for which session the table is",
        ));
    };
    let codec = codec_of(session)?;
    let runtime = threads::tables()?;
    let table = py.detach(|| {
        let table = runtime.block_on(FilteringTable::open(&path, None));
        let mut table = table.map_err(errors::tool)?;
        if columns.is_some() || filter.is_some() {
            let view = narrowed(&table, columns, filter.as_deref())?;
            table = table.of(view.into_view());
        }
        Ok::<_, PyErr>(table)
    })?;
    let runtime = Some(runtime.handle().clone());
    let provider = FFI_TableProvider::new_with_ffi_codec(Arc::new(table), true, runtime, codec);
    PyCapsule::new_with_value(py, provider, c"datafusion_table_provider")
}

/// The codec by which the session writes expressions that it pushes down.
fn codec_of(session: &Bound<'_, PyAny>) -> PyResult<FFI_LogicalExtensionCodec> {
    const NAME: &std::ffi::CStr = c"datafusion_logical_extension_codec";
    let capsule = match session.hasattr("__datafusion_logical_extension_codec__")? {
        true => session.call_method0("__datafusion_logical_extension_codec__")?,
        false => session.clone(),
    };
    let capsule = capsule.cast::<PyCapsule>()?;
    let codec = capsule
        .pointer_checked(Some(NAME))?
        .cast::<FFI_LogicalExtensionCodec>();
    // SAFETY: a capsule of that name holds such a codec, for as long as the capsule lives.
    Ok(unsafe { codec.as_ref() }.clone())
}
