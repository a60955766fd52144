//! A packed file as an ordinary Parquet file.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::file::{AtomicFile, FileError, ReaderBuilder};

use super::error::{Result, ToolError};
use super::input::batch_rows;
use super::paths;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecompressReport {
    pub rows: u64,
    pub file_bytes: u64,
    pub seconds: f64,
}

/// Writes a packed (or ordinary) Parquet file as ordinary Parquet with ZSTD, in row groups of the
/// same size, under the Arrow schema that it was written with. `progress` gets the rows written.
///
/// # Errors
/// When the input cannot be read or is damaged, or the output cannot be written; the output is
/// then as it was before.
pub fn decompress(input: &Path, output: &Path, progress: &dyn Fn(u64, u64)) -> Result<DecompressReport> {
    let start = Instant::now();
    let bad_input = |error| ToolError::file(input, error);
    let bad_output = |error| ToolError::file(output, error);
    let builder = ReaderBuilder::open(input).map_err(bad_input)?;
    paths::check_output(output, [input])?;
    let metadata = builder.opened().metadata();
    let row_group_rows = metadata.row_groups().iter().map(|group| group.num_rows()).max().unwrap_or(0).max(1);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(row_group_rows as usize))
        .build();

    let total = builder.num_rows();
    let schema = Arc::clone(builder.schema());
    let reader = builder.with_batch_size(batch_rows(schema.fields().len())).build().map_err(bad_input)?;
    let mut file = AtomicFile::create(output).map_err(bad_output)?;
    let mut writer =
        ArrowWriter::try_new(&mut file, schema, Some(properties)).map_err(|error| bad_output(error.into()))?;
    let mut rows = 0;
    for batch in reader {
        let batch = batch.map_err(|error| bad_input(FileError::from(error)))?;
        writer.write(&batch).map_err(|error| bad_output(error.into()))?;
        rows += batch.num_rows() as u64;
        progress(rows, total);
    }
    writer.close().map_err(|error| bad_output(error.into()))?;
    file.commit().map_err(bad_output)?;
    let written = fs::metadata(output).map_err(|error| ToolError::io("read", output, error))?;
    Ok(DecompressReport { rows, file_bytes: written.len(), seconds: start.elapsed().as_secs_f64() })
}
