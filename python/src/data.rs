//! Tables that Python programs hold: anything that exports Arrow streams, or an iterator of such.

use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchOptions, RecordBatchReader};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use pyo3_arrow::PyRecordBatchReader;
use pyo3_arrow::input::AnyRecordBatch;
use tempfile::NamedTempFile;
use tolerant::file::Unfinished;

use super::errors;

/// A table as record batches, from whichever thread asks for them.
pub type Batches = Box<dyn RecordBatchReader + Send>;

/// The batches of `data`: an object with `__arrow_c_stream__` or `__arrow_c_array__`, or an
/// iterable of such objects.
pub fn batches(data: &Bound<'_, PyAny>) -> PyResult<Batches> {
    if is_table(data)? {
        return reader(data);
    }
    let Ok(mut items) = data.try_iter() else {
        return Err(PyTypeError::new_err(format!(
            "{} is no table: give a path, an object with __arrow_c_stream__ (pandas, Polars, pyarrow, DuckDB), or an iterable of such",
            data.get_type().name()?
        )));
    };
    let first = items.next().transpose()?.ok_or_else(|| {
        PyValueError::new_err("an iterable without a single batch says nothing of its columns")
    })?;
    let current = reader(&first)?;
    // Any later batch may have nulls; what else batches say of themselves is not of the whole.
    let fields = current.schema().fields().clone();
    let fields = fields
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true));
    Ok(Box::new(Items {
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        current,
        rest: items.unbind(),
    }))
}

fn is_table(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(data.hasattr("__arrow_c_stream__")? || data.hasattr("__arrow_c_array__")?)
}

fn reader(item: &Bound<'_, PyAny>) -> PyResult<Batches> {
    if !is_table(item)? {
        return Err(PyTypeError::new_err(format!(
            "{} is no batch of a table: it has neither __arrow_c_stream__ nor __arrow_c_array__",
            item.get_type().name()?
        )));
    }
    if item.hasattr("__arrow_c_stream__")? {
        let reader = item.extract::<PyRecordBatchReader>()?;
        return Ok(with_plain_dictionaries(reader.into_reader()?));
    }
    let batch: AnyRecordBatch = item.extract()?;
    Ok(with_plain_dictionaries(batch.into_reader()?))
}

/// The same with strings for the views of strings in dictionaries, as Polars has them and Parquet
/// does not give them back.
fn with_plain_dictionaries(reader: Batches) -> Batches {
    let schema = reader.schema();
    let fields: Vec<FieldRef> = schema.fields().iter().map(plain_field).collect();
    if schema.fields()[..] == fields[..] {
        return reader;
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let stored = SchemaRef::clone(&schema);
    let batches = reader.map(move |batch| {
        let batch = batch?;
        let columns = batch.columns().iter().zip(stored.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type()));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = columns.collect::<Result<_, _>>()?;
        RecordBatch::try_new_with_options(SchemaRef::clone(&stored), columns, &options)
    });
    Box::new(RecordBatchIterator::new(batches, schema))
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let plain = match field.data_type() {
        DataType::Dictionary(keys, values) if **values == DataType::Utf8View => {
            DataType::Dictionary(keys.clone(), Box::new(DataType::Utf8))
        }
        DataType::List(item) => DataType::List(plain_field(item)),
        DataType::LargeList(item) => DataType::LargeList(plain_field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(plain_field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        _ => return FieldRef::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(plain))
}

/// The batches of each item of a Python iterator, one after the other.
struct Items {
    schema: SchemaRef,
    current: Batches,
    rest: Py<PyIterator>,
}

impl Items {
    fn next_item(&mut self) -> Option<PyResult<()>> {
        Python::attach(|py| {
            let item = self.rest.bind(py).clone().next()?;
            Some(item.and_then(|item| {
                self.current = reader(&item)?;
                let schema = self.current.schema();
                if !same_columns(&schema, &self.schema) {
                    return Err(PyValueError::new_err(format!(
                        "a batch has other columns than the first one: {schema}, not {}",
                        self.schema
                    )));
                }
                Ok(())
            }))
        })
    }
}

/// Whether names and types are the same; nullability and metadata may differ.
fn same_columns(left: &Schema, right: &Schema) -> bool {
    let columns = |schema: &Schema| -> Vec<(String, DataType)> {
        let fields = schema.fields().iter();
        fields
            .map(|field| (field.name().clone(), field.data_type().clone()))
            .collect()
    };
    columns(left) == columns(right)
}

impl Iterator for Items {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.current.next() {
                let schema = SchemaRef::clone(&self.schema);
                return Some(batch.and_then(|batch| {
                    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                    let columns = batch.columns().to_vec();
                    RecordBatch::try_new_with_options(schema, columns, &options)
                }));
            }
            match self.next_item()? {
                Ok(()) => {}
                Err(error) => {
                    let schema = SchemaRef::clone(&self.schema);
                    self.current = Box::new(RecordBatchIterator::new([], schema));
                    return Some(Err(ArrowError::ExternalError(Box::new(error))));
                }
            }
        }
    }
}

impl RecordBatchReader for Items {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

/// Values of a batch that is spooled.
const BATCH_VALUES: usize = 4 << 20;

/// Writes a table to a temporary file of Arrow IPC in `folder`: it comes once, and compressing may
/// take several passes.
pub fn spool(py: Python<'_>, mut batches: Batches, folder: &Path) -> PyResult<Spool> {
    let schema = batches.schema();
    let rows = (BATCH_VALUES / schema.fields().len().max(1)).clamp(64, 1 << 16);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tolerant-").suffix(".arrow");
    let (file, unfinished) = Unfinished::make(|| builder.tempfile_in(folder))?;
    let mut writer = StreamWriter::try_new(BufWriter::new(file), &schema).map_err(errors::arrow)?;
    loop {
        py.check_signals()?;
        let more = py.detach(|| {
            let Some(batch) = batches.next().transpose()? else {
                return Ok(false);
            };
            // A whole table may be one batch, and comes back as it was written.
            (0..batch.num_rows()).step_by(rows).try_for_each(|start| {
                writer.write(&batch.slice(start, rows.min(batch.num_rows() - start)))
            })?;
            Ok::<_, ArrowError>(true)
        });
        if !more.map_err(errors::arrow)? {
            break;
        }
    }
    let file = writer.into_inner().map_err(errors::arrow)?;
    Ok(Spool {
        file: file.into_inner().map_err(|error| error.into_error())?,
        _unfinished: unfinished,
    })
}

/// A table in a temporary file, which is gone when this is dropped, or Python ends.
pub struct Spool {
    file: NamedTempFile,
    _unfinished: Unfinished,
}

impl Spool {
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}
