//! The column of row numbers: the position of each row in what was written.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use parquet::file::metadata::{KeyValue, ParquetMetaData};

use super::error::{FileError, Result};

/// The key of the footer's entry that names the column.
pub(super) const KEY: &str = "tolerant.row_id";

pub(super) fn to_entry(name: &str) -> KeyValue {
    KeyValue::new(KEY.to_owned(), name.to_owned())
}

/// The column's name among a footer's entries, if there is such a column.
pub(super) fn find(entries: Option<&Vec<KeyValue>>) -> Option<String> {
    let entry = entries?.iter().find(|entry| entry.key == KEY)?;
    entry.value.clone()
}

/// The name of the column of row numbers in a portable file, if it has one. Packed files have it in
/// their [`Layout`](super::Layout).
pub fn row_id_of(metadata: &ParquetMetaData) -> Option<String> {
    find(metadata.file_metadata().key_value_metadata())
}

/// `schema` with a last column `name`, if one is asked for.
pub(super) fn with_column(schema: SchemaRef, name: Option<&str>) -> Result<SchemaRef> {
    let Some(name) = name else {
        return Ok(schema);
    };
    if schema.field_with_name(name).is_ok() {
        return Err(FileError::invalid(format!(
            "there is a column named {name:?} already; give the row number another name"
        )));
    }
    let number = Arc::new(Field::new(name, DataType::Int64, false));
    let fields: Vec<_> = schema.fields().iter().cloned().chain([number]).collect();
    let metadata = schema.metadata().clone();
    Ok(Arc::new(Schema::new_with_metadata(fields, metadata)))
}

/// `batch`, whose first row is number `first`, with its rows numbered.
pub(super) fn numbered(schema: &SchemaRef, batch: &RecordBatch, first: u64) -> Result<RecordBatch> {
    let Some(inputs) = schema.fields().len().checked_sub(1) else {
        return Err(FileError::invalid("a schema without the row number"));
    };
    if batch.num_columns() != inputs {
        return Err(FileError::invalid(format!(
            "a batch of {} columns was given to a writer of {inputs} and a row number",
            batch.num_columns(),
        )));
    }
    let first = first as i64;
    let numbers = Int64Array::from_iter_values(first..first + batch.num_rows() as i64);
    let fields = batch.schema_ref().fields().iter().cloned();
    let number = Arc::clone(&schema.fields()[inputs]);
    let own = Arc::new(Schema::new(fields.chain([number]).collect::<Vec<_>>()));
    let columns = batch.columns().iter().cloned();
    let columns = columns.chain([Arc::new(numbers) as ArrayRef]).collect();
    Ok(RecordBatch::try_new(own, columns)?)
}
