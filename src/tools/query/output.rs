//! Rows in four formats, written as they come.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json;
use arrow::json::writer::LineDelimited;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::tools::error::ToolError;

use super::{Format, cannot_write};

type Result<T, E = ToolError> = std::result::Result<T, E>;

/// Rows that a table's columns are lined up by. Those after them are not held back.
const LINED_UP_ROWS: usize = 1000;

/// Writes rows in a format.
pub(super) struct RowWriter<W: Write + Send> {
    format: Writer<W>,
    failure: Failure,
}

enum Writer<W: Write + Send> {
    Table(TableWriter<Output<W>>),
    Csv(Box<csv::Writer<Output<W>>>),
    Json(json::Writer<Output<W>, LineDelimited>),
    Parquet(Box<ArrowWriter<Output<W>>>),
    /// Of a statement that has no rows, such as SET.
    Nothing,
}

impl<W: Write + Send> RowWriter<W> {
    /// # Errors
    /// When the format has no place for what the rows hold, or `out` cannot be written to.
    pub(super) fn try_new(format: Format, schema: &SchemaRef, out: W) -> Result<Self> {
        let failure = Failure::default();
        let output = Output {
            inner: out,
            failure: failure.clone(),
        };
        let mut writer = Self {
            format: Writer::Nothing,
            failure,
        };
        if schema.fields().is_empty() {
            return Ok(writer);
        }
        writer.format = match format {
            Format::Table => Writer::Table(TableWriter {
                output,
                schema: Arc::clone(schema),
                rows: Vec::new(),
                widths: None,
            }),
            Format::Csv => {
                check_flat(schema)?;
                let mut csv = csv::WriterBuilder::new().with_header(true).build(output);
                // The header stands there even without rows.
                let header = csv.write(&RecordBatch::new_empty(Arc::clone(schema)));
                header.map_err(|error| writer.arrow_error(error))?;
                Writer::Csv(Box::new(csv))
            }
            Format::Json => {
                check_names(schema)?;
                Writer::Json(
                    json::WriterBuilder::new()
                        .with_explicit_nulls(true)
                        .build(output),
                )
            }
            Format::Parquet => {
                check_names(schema)?;
                let zstd = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(zstd).build();
                let parquet = ArrowWriter::try_new(output, Arc::clone(schema), Some(properties));
                Writer::Parquet(Box::new(
                    parquet.map_err(|error| writer.parquet_error(error))?,
                ))
            }
        };
        Ok(writer)
    }

    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.format {
            Writer::Table(table) => table.write(batch),
            Writer::Csv(csv) => csv.write(batch).map_err(|error| self.arrow_error(error)),
            Writer::Json(json) => json.write(batch).map_err(|error| self.arrow_error(error)),
            Writer::Parquet(parquet) => parquet
                .write(batch)
                .map_err(|error| self.parquet_error(error)),
            Writer::Nothing => Ok(()),
        }
    }

    /// Writes what is left to write.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub(super) fn finish(mut self) -> Result<()> {
        match &mut self.format {
            Writer::Table(table) => table.finish(),
            Writer::Csv(_) | Writer::Nothing => Ok(()),
            Writer::Json(json) => json.finish().map_err(|error| self.arrow_error(error)),
            Writer::Parquet(parquet) => parquet
                .finish()
                .map(drop)
                .map_err(|error| self.parquet_error(error)),
        }
    }

    fn arrow_error(&self, error: ArrowError) -> ToolError {
        match self.failure.take() {
            Some(error) => cannot_write(error),
            None => ToolError::invalid(format!("cannot write the rows: {error}")),
        }
    }

    fn parquet_error(&self, error: ParquetError) -> ToolError {
        match self.failure.take() {
            Some(error) => cannot_write(error),
            None => ToolError::invalid(format!("cannot write the rows as Parquet: {error}")),
        }
    }
}

/// What the writers write to. They make text of its errors, which are kept here as they were, so
/// that a closed pipe can be told from a full disk.
struct Output<W> {
    inner: W,
    failure: Failure,
}

#[derive(Default, Clone)]
struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let text = io::Error::from(error.kind());
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            text
        })
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.failure.keep(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.failure.keep(result)
    }
}

/// CSV has no place for columns in columns.
fn check_flat(schema: &SchemaRef) -> Result<()> {
    match schema
        .fields()
        .iter()
        .find(|field| field.data_type().is_nested())
    {
        Some(field) => Err(ToolError::invalid(format!(
            "CSV cannot hold column {}, which is a {}; select its parts, or give --format json or parquet",
            field.name(),
            field.data_type()
        ))),
        None => Ok(()),
    }
}

/// A JSON object or a Parquet file with two columns of one name would lose one with most readers.
fn check_names(schema: &SchemaRef) -> Result<()> {
    let mut names = HashSet::new();
    match schema
        .fields()
        .iter()
        .find(|field| !names.insert(field.name()))
    {
        Some(field) => Err(ToolError::invalid(format!(
            "two columns of the result are named {0}; tell them apart by AS, as in {0} AS {0}_2",
            field.name()
        ))),
        None => Ok(()),
    }
}

/// Lines up columns, numbers to the right.
struct TableWriter<W: Write> {
    output: W,
    schema: SchemaRef,
    /// Rows held back until the widths are known.
    rows: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl<W: Write> TableWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let options = FormatOptions::new()
            .with_null("NULL")
            .with_display_error(true);
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns
            .collect::<Result<Vec<_>, ArrowError>>()
            .map_err(|error| {
                ToolError::invalid(format!(
                    "cannot show the rows as a table: {error}; give --format json"
                ))
            })?;
        for row in 0..batch.num_rows() {
            self.rows.push(
                columns
                    .iter()
                    .map(|column| printable(&column.value(row).to_string()))
                    .collect(),
            );
            if self.rows.len() >= LINED_UP_ROWS || self.widths.is_some() {
                self.write_rows().map_err(cannot_write)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let rule = |table: &mut Self| {
            table.write_rows()?;
            let rule = table.rule();
            table.output.write_all(rule.as_bytes())?;
            table.output.flush()
        };
        rule(self).map_err(cannot_write)
    }

    /// Writes the rows held back, and before the first of them the header.
    fn write_rows(&mut self) -> io::Result<()> {
        let mut text = String::new();
        if self.widths.is_none() {
            let names: Vec<String> = self
                .schema
                .fields()
                .iter()
                .map(|field| printable(field.name()))
                .collect();
            let mut widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
            for row in &self.rows {
                widths
                    .iter_mut()
                    .zip(row)
                    .for_each(|(widest, cell)| *widest = width(cell).max(*widest));
            }
            self.widths = Some(widths);
            let rule = self.rule();
            text = format!("{rule}{}{rule}", self.line(&names));
        }
        for row in &self.rows {
            text += &self.line(row);
        }
        self.rows.clear();
        self.output.write_all(text.as_bytes())
    }

    fn line(&self, cells: &[String]) -> String {
        let widths = self.widths.iter().flatten();
        let cells =
            cells
                .iter()
                .zip(widths)
                .zip(self.schema.fields())
                .map(|((cell, &wanted), field)| {
                    let pad = " ".repeat(wanted.saturating_sub(width(cell)));
                    if field.data_type().is_numeric() {
                        format!("| {pad}{cell} ")
                    } else {
                        format!("| {cell}{pad} ")
                    }
                });
        cells.collect::<String>() + "|\n"
    }

    fn rule(&self) -> String {
        let widths = self.widths.iter().flatten();
        widths
            .map(|width| format!("+{}", "-".repeat(width + 2)))
            .collect::<String>()
            + "+\n"
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Text that stays in its cell: line breaks and other control characters escaped.
fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().fold(String::new(), |mut out, c| {
        if c.is_control() {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        out
    })
}
