//! CSV files: names from the header, types from all values, empty fields are null.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use rayon::prelude::*;

use super::error::{Result, ToolError};
use super::infer::Seen;
use super::input::batch_rows;
use super::readers;

/// What one pass over a CSV file tells.
pub struct CsvScan {
    pub delimiter: u8,
    pub names: Vec<String>,
    /// For each column.
    pub seen: Vec<Seen>,
    pub rows: u64,
}

/// The delimiter, and the columns' names.
pub fn header(path: &Path) -> Result<(u8, Vec<String>)> {
    let delimiter = delimiter(path)?;
    let (header, _) = Format::default()
        .with_header(true)
        .with_delimiter(delimiter)
        .infer_schema(open(path)?, Some(0))
        .map_err(|error| csv_error(path, error))?;
    let names: Vec<String> = header
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    if names.is_empty() {
        return Err(ToolError::bad_file(
            path,
            "an empty CSV file; its first line must name the columns",
        ));
    }
    Ok((delimiter, names))
}

/// Reads the whole file for its columns' names and types.
pub fn scan(path: &Path) -> Result<CsvScan> {
    let (delimiter, names) = header(path)?;
    let text = names
        .iter()
        .map(|name| Field::new(name, DataType::Utf8, true))
        .collect::<Vec<_>>();
    let mut seen = vec![Seen::NOTHING; names.len()];
    let mut rows = 0;
    for batch in read(path, delimiter, Arc::new(Schema::new(text)), None)? {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        readers::install(|| {
            let columns = seen.par_iter_mut().zip(batch.columns());
            columns.for_each(|(seen, column)| {
                let texts = column.as_string::<i32>().iter().flatten();
                texts.for_each(|text| seen.update(text));
            });
        });
    }
    Ok(CsvScan {
        delimiter,
        names,
        seen,
        rows,
    })
}

/// The file's rows as `schema` says; `columns` (ascending) selects some.
pub fn read(
    path: &Path,
    delimiter: u8,
    schema: SchemaRef,
    columns: Option<&[usize]>,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let mut builder = ReaderBuilder::new(Arc::clone(&schema))
        .with_header(true)
        .with_delimiter(delimiter)
        // The reader holds every field of a batch as text, selected or not.
        .with_batch_size(batch_rows(schema.fields().len()));
    if let Some(columns) = columns {
        builder = builder.with_projection(columns.to_vec());
    }
    let reader = builder
        .build(open(path)?)
        .map_err(|error| csv_error(path, error))?;
    let path = path.to_path_buf();
    Ok(reader.map(move |batch| batch.map_err(|error| csv_error(&path, error))))
}

/// Tab for `.tsv`; else comma, or where the header has none, a semicolon or tab that it has.
fn delimiter(path: &Path) -> Result<u8> {
    if path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"))
    {
        return Ok(b'\t');
    }
    let mut start = Vec::new();
    open(path)?
        .take(1 << 16)
        .read_to_end(&mut start)
        .map_err(|error| ToolError::io("read", path, error))?;
    let header = start
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    Ok(*[b',', b';', b'\t']
        .iter()
        .find(|&delimiter| header.contains(delimiter))
        .unwrap_or(&b','))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| ToolError::io("open", path, error))
}

fn csv_error(path: &Path, error: ArrowError) -> ToolError {
    let message = error.to_string();
    // A whole row is no help in a line of error, least of all one of 60,000 columns.
    let message = message.split(" Row data:").next().unwrap_or_default();
    ToolError::bad_file(path, message.strip_prefix("Csv error: ").unwrap_or(message))
}
