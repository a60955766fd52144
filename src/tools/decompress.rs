//! A packed file as an ordinary Parquet file.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::Schema;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{Compression, LogicalType, Type, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use crate::file::{AtomicFile, FileError, ReaderBuilder};

use super::error::{Result, ToolError};
use super::paths;
use super::row_groups::{columns_at_once, read_columns};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecompressReport {
    pub rows: u64,
    pub file_bytes: u64,
    pub seconds: f64,
}

/// Writes a packed (or ordinary) Parquet file as ordinary Parquet with ZSTD, in the same row
/// groups, under the Arrow schema that it was written with. `progress` gets the rows written and
/// the rows there are. A portable file is copied as it is.
///
/// Holds the rows of one row group in memory, of some columns at a time.
///
/// # Errors
/// When the input cannot be read or is damaged, or the output cannot be written; the output is
/// then as it was before.
pub fn decompress(
    input: &Path,
    output: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<DecompressReport> {
    let start = Instant::now();
    let reader = ReaderBuilder::open(input).map_err(|error| ToolError::file(input, error))?;
    paths::check_output(output, [input])?;
    let failed = |error: FileError| ToolError::file(output, error);
    let failed_parquet = |error: ParquetError| failed(error.into());

    if reader.is_portable() {
        return copy(&reader, input, output, start);
    }
    let schema = reader.schema();
    let mut properties = properties(&reader);
    add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    let parquet_schema = ArrowSchemaConverter::new()
        .convert(schema)
        .map_err(failed_parquet)?;
    let mut file = AtomicFile::create(output).map_err(failed)?;
    let mut writer = SerializedFileWriter::new(
        &mut file,
        parquet_schema.root_schema_ptr(),
        Arc::new(properties),
    )
    .map_err(failed_parquet)?;

    let total = reader.num_rows();
    let mut rows = 0;
    let columns: Vec<usize> = (0..schema.fields().len()).collect();
    let groups: Vec<&[usize]> = columns.chunks(columns_at_once(columns.len())).collect();
    for row_group in 0..reader.opened().metadata().num_row_groups() {
        let mut written = writer.next_row_group().map_err(failed_parquet)?;
        // As many at once as there are threads: what waits to be written is in memory.
        for groups in groups.chunks(rayon::current_num_threads()) {
            let encode = |columns: &&[usize]| encode(&reader, columns, row_group);
            let chunks: std::result::Result<Vec<_>, FileError> =
                groups.par_iter().map(encode).collect();
            let chunks = chunks.map_err(|error| ToolError::file(input, error))?;
            for chunk in chunks.into_iter().flatten() {
                chunk
                    .append_to_row_group(&mut written)
                    .map_err(failed_parquet)?;
            }
        }
        let metadata = written.close().map_err(failed_parquet)?;
        rows += u64::try_from(metadata.num_rows()).unwrap_or(0);
        progress(rows, total);
    }
    writer.close().map_err(failed_parquet)?;
    let file_bytes = file.len().map_err(failed)?;
    file.commit().map_err(failed)?;
    Ok(DecompressReport {
        rows,
        file_bytes,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Bytes of a file that are copied at a time.
const COPIED: u64 = 8 << 20;

/// A portable file is ordinary Parquet already.
fn copy(
    reader: &ReaderBuilder,
    input: &Path,
    output: &Path,
    start: Instant,
) -> Result<DecompressReport> {
    let from = reader.stored();
    let len = from
        .len()
        .map_err(|error| ToolError::io("open", input, error))?;
    let mut to = AtomicFile::create(output).map_err(|error| ToolError::file(output, error))?;
    let mut position = 0;
    while position < len {
        let end = (position + COPIED).min(len);
        let bytes = from
            .read_at(position..end)
            .map_err(|error| ToolError::io("read", input, error))?;
        to.write_all(&bytes)
            .map_err(|error| ToolError::io("write", output, error))?;
        position = end;
    }
    to.commit()
        .map_err(|error| ToolError::file(output, error))?;
    Ok(DecompressReport {
        rows: reader.num_rows(),
        file_bytes: len,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// ZSTD; and no statistics of floats where chunks that are read have none, for they hold NaN.
/// Statistics leave NaN out, but engines sort it above all numbers, and would prune what a filter such
/// as `x > 5` is to keep.
fn properties(reader: &ReaderBuilder) -> WriterProperties {
    let metadata = reader.opened().metadata();
    let leaves = metadata.file_metadata().schema_descr();
    let mut properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    for (i, leaf) in leaves.columns().iter().enumerate() {
        let is_float = match leaf.physical_type() {
            Type::FLOAT | Type::DOUBLE => true,
            _ => leaf.logical_type_ref() == Some(&LogicalType::Float16),
        };
        let mut chunks = metadata.row_groups().iter().map(|group| group.column(i));
        if is_float && chunks.any(may_hold_nan) {
            let none = EnabledStatistics::None;
            properties = properties.set_column_statistics_enabled(leaf.path().clone(), none);
        }
    }
    properties.build()
}

/// Whether a chunk of floats has values, and no word on which is the largest.
fn may_hold_nan(chunk: &ColumnChunkMetaData) -> bool {
    chunk.statistics().is_none_or(|statistics| {
        let nulls = statistics.null_count_opt();
        let all_null =
            nulls.and_then(|nulls| i64::try_from(nulls).ok()) == Some(chunk.num_values());
        statistics.max_bytes_opt().is_none() && !all_null
    })
}

/// Some columns of a row group as Parquet's column chunks.
fn encode(
    reader: &ReaderBuilder,
    columns: &[usize],
    row_group: usize,
) -> std::result::Result<Vec<ArrowColumnChunk>, FileError> {
    let schema: Arc<Schema> = Arc::new(reader.schema().project(columns)?);
    let parquet_schema = ArrowSchemaConverter::new().convert(&schema)?;
    // Column writers come from a file writer only; this one's file is nowhere.
    let nowhere = SerializedFileWriter::new(
        io::sink(),
        parquet_schema.root_schema_ptr(),
        Arc::new(properties(reader)),
    )?;
    let factory = ArrowRowGroupWriterFactory::new(&nowhere, Arc::clone(&schema));
    let mut writers = factory.create_column_writers(row_group)?;
    for batch in read_columns(reader, columns, row_group)? {
        let mut next = writers.iter_mut();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, column)? {
                // There are as many writers as the schema has leaves.
                if let Some(writer) = next.next() {
                    writer.write(&leaf)?;
                }
            }
        }
    }
    writers
        .into_iter()
        .map(|writer| Ok(writer.close()?))
        .collect()
}
