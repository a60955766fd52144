//! Ordinary Parquet files in memory: what columns cost that a method leaves as they are.

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;

use super::super::error::Result;

const LEVEL: i32 = 19;

/// The smallest Parquet file of these columns among those with ZSTD 19: of every column the smaller of
/// dictionary and BYTE_STREAM_SPLIT; without statistics and page indexes.
///
/// # Errors
/// For columns that Parquet cannot hold.
pub fn smallest_parquet(table: &RecordBatch) -> Result<Vec<u8>> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(LEVEL)?);
    let (plain, plain_sizes) = write(table, bare(zstd))?;
    let split_columns: Vec<usize> = (0..table.num_columns())
        .filter(|&i| is_splittable(table.column(i).data_type()))
        .collect();
    if split_columns.is_empty() {
        return Ok(plain);
    }
    let split = |positions: &[usize]| {
        let options = positions.iter().fold(bare(zstd), |options, &i| {
            let path = ColumnPath::new(vec![table.schema().field(i).name().clone()]);
            options
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT)
        });
        write(table, options)
    };
    let (all, split_sizes) = split(&split_columns)?;
    let better: Vec<usize> = split_columns
        .iter()
        .copied()
        .filter(|&i| split_sizes[i] < plain_sizes[i])
        .collect();
    let best = match better.len() {
        0 => plain,
        n if n == split_columns.len() => all,
        _ => split(&better)?.0,
    };
    Ok(best)
}

/// A file of one compression in Parquet's default encoding, a dictionary where that is small.
pub(super) fn parquet(table: &RecordBatch, compression: Compression) -> Result<Vec<u8>> {
    Ok(write(table, bare(compression))?.0)
}

fn bare(compression: Compression) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
}

/// The file, and the compressed bytes of each top-level column.
fn write(table: &RecordBatch, options: WriterPropertiesBuilder) -> Result<(Vec<u8>, Vec<u64>)> {
    let options = ArrowWriterOptions::new()
        .with_properties(options.build())
        .with_skip_arrow_metadata(true);
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut file, table.schema(), options)?;
    writer.write(table)?;
    let metadata = writer.close()?;
    let sizes = sizes(&metadata, table.num_columns());
    Ok((file, sizes))
}

fn sizes(metadata: &ParquetMetaData, columns: usize) -> Vec<u64> {
    let mut sizes = vec![0; columns];
    let schema = metadata.file_metadata().schema_descr();
    for group in metadata.row_groups() {
        for (leaf, chunk) in group.columns().iter().enumerate() {
            let column = schema.get_column_root_idx(leaf);
            if let Some(size) = sizes.get_mut(column) {
                *size += chunk.compressed_size().max(0) as u64;
            }
        }
    }
    sizes
}

/// Whether BYTE_STREAM_SPLIT is worth a try: numbers of 2 bytes or more.
fn is_splittable(data_type: &DataType) -> bool {
    data_type.is_floating() || (data_type.is_integer() && data_type.primitive_width() != Some(1))
}
