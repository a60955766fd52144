//! `compress`, `verify` and `inspect` for Python: the tools of the library, with their reports as
//! the JSON that the command line prints.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatchReader;
use arrow::error::ArrowError;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Serialize;
use tolerant::codec::{Effort, ErrorBound};
use tolerant::file::{FileLayout, RowOrder, VectorRange};
use tolerant::tools::ToolError;
use tolerant::tools::compress::CompressOptions;
use tolerant::tools::input::Input;

use super::{data, errors, work};

/// How a table is to be written, all in the words of the command line.
#[derive(FromPyObject)]
pub struct Options {
    #[pyo3(item)]
    bound: String,
    #[pyo3(item)]
    columns: Vec<(String, String)>,
    #[pyo3(item)]
    layout: String,
    #[pyo3(item)]
    effort: String,
    #[pyo3(item)]
    row_order: String,
    #[pyo3(item)]
    vector_range: String,
    #[pyo3(item)]
    row_id: Option<String>,
    #[pyo3(item)]
    max_references: Option<usize>,
    #[pyo3(item)]
    block_rows: Option<usize>,
    #[pyo3(item)]
    row_group_rows: Option<usize>,
}

impl Options {
    fn parse(self, inputs: Vec<PathBuf>, output: PathBuf) -> PyResult<CompressOptions> {
        let columns = self.columns.into_iter();
        let columns = columns.map(|(name, bound)| Ok((name, parse::<ErrorBound>(&bound)?)));
        Ok(CompressOptions {
            inputs,
            output,
            bound: parse(&self.bound)?,
            columns: columns.collect::<PyResult<_>>()?,
            layout: match self.layout.as_str() {
                "packed" => FileLayout::Packed,
                "portable" => FileLayout::Portable,
                other => return Err(unknown("layout", other, "packed or portable")),
            },
            effort: parse::<Effort>(&self.effort)?,
            row_order: match self.row_order.as_str() {
                "keep" => RowOrder::Keep,
                "any" => RowOrder::Any,
                other => return Err(unknown("row_order", other, "keep or any")),
            },
            vector_range: match self.vector_range.as_str() {
                "all" => VectorRange::All,
                "dimension" => VectorRange::Dimension,
                other => return Err(unknown("vector_range", other, "all or dimension")),
            },
            row_id: self.row_id,
            max_references: self.max_references,
            block_rows: self.block_rows,
            row_group_rows: self.row_group_rows,
            keep_rows: None,
        })
    }
}

fn parse<T: std::str::FromStr<Err = tolerant::codec::CodecError>>(text: &str) -> PyResult<T> {
    text.parse()
        .map_err(|error: T::Err| errors::exception(&error))
}

fn unknown(what: &str, given: &str, known: &str) -> PyErr {
    PyValueError::new_err(format!("{what}={given:?} is not known; give {known}"))
}

/// Compresses `paths`, or else the table `data`, into the file `output`; the report as JSON.
#[pyfunction]
#[pyo3(signature = (paths, data, output, options, progress=None))]
pub fn compress(
    py: Python<'_>,
    paths: Option<Vec<PathBuf>>,
    data: Option<&Bound<'_, PyAny>>,
    output: PathBuf,
    options: Options,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let spool = match (data, &paths) {
        (Some(data), None) => {
            let batches = data::batches(data)?;
            Some(data::spool(py, batches, folder_of(&output))?)
        }
        (None, Some(_)) => None,
        _ => return Err(PyValueError::new_err("give paths or data")),
    };
    let spooled = spool.as_ref().map(|file| file.path().to_path_buf());
    let inputs = paths
        .or(spooled.clone().map(|file| vec![file]))
        .unwrap_or_default();
    let options = options.parse(inputs, output)?;
    let report = work::run(py, progress, move |shared| {
        // The spool goes when the work is over, not when its caller has stopped waiting for it.
        let _spool = spool;
        let tell = |progress| shared.report(progress);
        tolerant::tools::compress::compress(&options, &tell)
    })
    .map_err(|error| named(py, error, spooled.as_deref()))?;
    json(&tolerant::cli::compress_json(&report))
}

fn folder_of(output: &Path) -> &Path {
    match output.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The error, with the data called so and not by the name of a temporary file.
fn named(py: Python<'_>, error: PyErr, spool: Option<&Path>) -> PyErr {
    let message = error.value(py).to_string();
    match spool.and_then(Path::to_str) {
        Some(path) if message.contains(path) => {
            PyErr::from_type(error.get_type(py), message.replace(path, "the data"))
        }
        _ => error,
    }
}

/// Removes the files that are being written: Python is about to end.
#[pyfunction]
pub fn remove_unfinished() {
    tolerant::file::remove_unfinished();
}

/// Compares `paths`, or else the table `data`, with the file `packed`; the report as JSON.
#[pyfunction]
pub fn verify(
    py: Python<'_>,
    paths: Option<Vec<PathBuf>>,
    data: Option<&Bound<'_, PyAny>>,
    packed: PathBuf,
) -> PyResult<String> {
    let data = data.map(data::batches).transpose()?;
    let report = work::run(py, None, move |shared| {
        let checked = |batch| shared.check().and(batch);
        if let Some(data) = data {
            let schema = data.schema();
            let batches = data.map(|batch| checked(batch.map_err(of_data)));
            return tolerant::tools::verify::verify(&schema, batches, &packed);
        }
        let input = Input::open(&paths.unwrap_or_default())?;
        tolerant::tools::verify::verify(input.schema(), input.batches().map(checked), &packed)
    })?;
    json(&report)
}

fn of_data(error: ArrowError) -> ToolError {
    ToolError::File(error.into())
}

/// What the file at `path` holds, as JSON.
#[pyfunction]
pub fn inspect(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    let report = py
        .detach(|| tolerant::tools::inspect::inspect(&path))
        .map_err(errors::tool)?;
    json(&report)
}

fn json(report: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(report).map_err(|error| PyValueError::new_err(error.to_string()))
}
