//! Blocks of rows for training: read one by one, in any order, as NumPy arrays.

use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch, new_empty_array};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;
use tolerant::file::{DEFAULT_BLOCK_ROWS, FileError, Opened, ReaderBuilder};
use tolerant::tools::{ToolError, paths, readers};

use super::{errors, ndarray};

/// Columns that one thread reads at a time, at most: a reader of each holds some 50 kB.
const MAX_COLUMNS: usize = 512;

/// The files of a table, opened, and the blocks in which their rows are coded.
#[pyclass(frozen, module = "tolerant._native")]
pub struct Blocks {
    files: Vec<(PathBuf, ReaderBuilder)>,
    columns: Vec<String>,
    blocks: Vec<Block>,
}

/// Rows that are coded together.
#[derive(Clone)]
struct Block {
    file: usize,
    row_group: usize,
    /// Counted from the row group's first.
    rows: Range<u64>,
}

#[pymethods]
impl Blocks {
    /// Opens a file, a folder or a glob; `columns` are all that have numbers unless given.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, columns: Option<Vec<String>>) -> PyResult<Self> {
        let files = py.detach(|| open(&path)).map_err(errors::tool)?;
        let columns = columns_of(&files, columns)?;
        let blocks = files
            .iter()
            .enumerate()
            .flat_map(|(i, (_, file))| blocks_of(i, file))
            .collect();
        Ok(Self {
            files,
            columns,
            blocks,
        })
    }

    /// The columns that are read.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    /// Rows of each block.
    #[getter]
    fn lengths(&self) -> Vec<u64> {
        let blocks = self.blocks.iter();
        blocks
            .map(|block| block.rows.end - block.rows.start)
            .collect()
    }

    /// The rows from `start` to `end` of a block: a dictionary of arrays by column.
    fn read<'py>(
        &self,
        py: Python<'py>,
        block: usize,
        start: u64,
        end: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let block = self
            .blocks
            .get(block)
            .ok_or_else(|| PyIndexError::new_err(format!("there is no block {block}")))?;
        let length = block.rows.end - block.rows.start;
        let end = end.min(length);
        let rows = block.rows.start + start.min(end)..block.rows.start + end;
        let (path, file) = &self.files[block.file];
        let read = || {
            readers::install(|| {
                let step = self.columns.len().div_ceil(rayon::current_num_threads());
                let parts = self.columns.par_chunks(step.clamp(1, MAX_COLUMNS));
                let parts = parts.map(|columns| read(file, columns, block.row_group, rows.clone()));
                parts.collect::<Result<Vec<_>, FileError>>()
            })
        };
        let parts = py.detach(read);
        let parts = parts.map_err(|error| errors::file(error.at(path.display())))?;
        let arrays = PyDict::new(py);
        for (name, column) in self.columns.iter().zip(parts.into_iter().flatten()) {
            let made = ndarray::array(column).map_err(|what| {
                PyValueError::new_err(format!("{}: column {name:?}: {what}", path.display()))
            })?;
            arrays.set_item(name, made(py)?)?;
        }
        Ok(arrays)
    }
}

fn open(path: &Path) -> Result<Vec<(PathBuf, ReaderBuilder)>, ToolError> {
    let files = paths::expand(&[path])?;
    let files = files.into_iter().map(|path| {
        let builder = ReaderBuilder::open(&path).map_err(|error| ToolError::file(&path, error))?;
        Ok((path, builder))
    });
    files.collect()
}

/// The names of the columns to read, which all files have in one type.
fn columns_of(
    files: &[(PathBuf, ReaderBuilder)],
    columns: Option<Vec<String>>,
) -> PyResult<Vec<String>> {
    let Some((_, first)) = files.first() else {
        return Ok(Vec::new());
    };
    let schema: &SchemaRef = first.schema();
    let columns = columns.unwrap_or_else(|| {
        let fields = schema.fields().iter();
        let numeric = fields.filter(|field| ndarray::is_numeric(field.data_type()));
        numeric.map(|field| field.name().clone()).collect()
    });
    for name in &columns {
        for (path, file) in files {
            let here = |what| PyValueError::new_err(format!("{}: {what}", path.display()));
            let field = file
                .schema()
                .field_with_name(name)
                .map_err(|_| here(format!("there is no column named {name:?}")))?;
            let data_type = field.data_type();
            if !ndarray::is_numeric(data_type) {
                return Err(here(format!(
                    "column {name:?} is {data_type}, which has no array of numbers"
                )));
            }
            // The first file has it: it was looked at first.
            let wanted = schema.field_with_name(name).map_err(errors::arrow)?;
            if data_type != wanted.data_type() {
                return Err(here(format!(
                    "column {name:?} is {data_type}, but {} in the first file",
                    wanted.data_type()
                )));
            }
        }
    }
    Ok(columns)
}

fn blocks_of(file: usize, reader: &ReaderBuilder) -> Vec<Block> {
    let step = match reader.opened() {
        Opened::Packed(layout) => layout.index().block_rows,
        Opened::Ordinary(_) => DEFAULT_BLOCK_ROWS,
    }
    .max(1) as u64;
    let row_groups = reader.opened().metadata().row_groups().iter().enumerate();
    row_groups
        .flat_map(|(row_group, metadata)| {
            let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
            (0..rows).step_by(step as usize).map(move |start| Block {
                file,
                row_group,
                rows: start..(start + step).min(rows),
            })
        })
        .collect()
}

/// Some columns of some rows of a row group, in the order of `columns`.
fn read(
    file: &ReaderBuilder,
    columns: &[String],
    row_group: usize,
    rows: Range<u64>,
) -> Result<Vec<ArrayRef>, FileError> {
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let reader = file
        .clone()
        .with_columns(&names)?
        .with_row_groups(vec![row_group])
        .with_batch_size(usize::try_from(rows.end - rows.start).unwrap_or(usize::MAX))
        .with_rows(rows)
        .build()?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    let mut batches = reader.collect::<Result<Vec<_>, _>>()?;
    let batch = match batches.len() {
        1 => batches.remove(0),
        _ => concat_batches(&schema, &batches)?,
    };
    columns.iter().map(|name| column(&batch, name)).collect()
}

fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, FileError> {
    let index = batch.schema().index_of(name)?;
    let column = batch.column(index);
    Ok(match column.is_empty() {
        true => new_empty_array(column.data_type()),
        false => ArrayRef::clone(column),
    })
}
