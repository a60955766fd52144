//! One ordinary column of one row group, from Arrow arrays to the bytes of Parquet column chunks.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::WriterProperties;

use super::error::{FileError, Result};
use super::index::Page;

/// The chunks of an ordinary column's leaves, in one run of bytes.
pub(super) struct OrdinaryChunks {
    pub(super) bytes: Bytes,
    pub(super) leaves: Vec<OrdinaryLeaf>,
}

impl OrdinaryChunks {
    /// Where the first chunk starts in the file that they were written to.
    pub(super) fn data_start(&self) -> usize {
        self.leaves
            .first()
            .map_or(0, |leaf| leaf.metadata.byte_range().0 as usize)
    }

    /// Each leaf with its chunk's bytes.
    pub(super) fn each(&self) -> impl Iterator<Item = (&OrdinaryLeaf, &[u8])> {
        self.leaves.iter().map(|leaf| {
            let (start, len) = leaf.metadata.byte_range();
            (leaf, &self.bytes[start as usize..(start + len) as usize])
        })
    }

    /// The chunks' bytes, which follow one another without gaps.
    pub(super) fn data(&self) -> &[u8] {
        let len: u64 = self
            .leaves
            .iter()
            .map(|leaf| leaf.metadata.byte_range().1)
            .sum();
        &self.bytes[self.data_start()..self.data_start() + len as usize]
    }
}

/// One leaf of an ordinary column.
pub(super) struct OrdinaryLeaf {
    /// Offsets are relative to the run of bytes.
    pub(super) metadata: ColumnChunkMetaData,
    pub(super) column_index: ColumnIndexMetaData,
    pub(super) pages: Vec<Page>,
}

/// Encodes the arrays of an ordinary column as parquet-rs does: dictionary where it helps, ZSTD.
///
/// It writes a whole Parquet file of that one column, whose chunks are then taken over.
pub(super) fn ordinary_chunks(
    field: &FieldRef,
    arrays: &[ArrayRef],
    block_rows: usize,
) -> Result<OrdinaryChunks> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_data_page_row_count_limit(block_rows)
        .set_max_row_group_row_count(None)
        .build();
    ordinary_chunks_with(field, arrays, properties)
}

/// As [`ordinary_chunks`], with other properties.
pub(super) fn ordinary_chunks_with(
    field: &FieldRef,
    arrays: &[ArrayRef],
    properties: WriterProperties,
) -> Result<OrdinaryChunks> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    // Dictionaries may have given way to plain values, see `concatenated`.
    let stored = arrays
        .first()
        .map_or(field.data_type(), |array| array.data_type());
    let field = Arc::new(field.as_ref().clone().with_data_type(stored.clone()));
    let schema = Arc::new(Schema::new(vec![Arc::clone(&field)]));
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut file, Arc::clone(&schema), options)?;
    for array in arrays {
        writer.write(&RecordBatch::try_new(
            Arc::clone(&schema),
            vec![Arc::clone(array)],
        )?)?;
    }
    writer.close()?;

    let file = Bytes::from(file);
    let metadata = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Required)
        .parse_and_finish(&file)?;
    let unexpected = || {
        FileError::invalid(format!(
            "column {:?}: no page index was written",
            field.name()
        ))
    };
    let [row_group] = metadata.row_groups() else {
        return Err(unexpected());
    };
    let column_indexes = metadata
        .column_index()
        .and_then(|index| index.first())
        .ok_or_else(unexpected)?;
    let offset_indexes = metadata
        .offset_index()
        .and_then(|index| index.first())
        .ok_or_else(unexpected)?;
    let leaves: Vec<OrdinaryLeaf> = row_group
        .columns()
        .iter()
        .zip(column_indexes)
        .zip(offset_indexes)
        .map(|((metadata, column_index), offset_index)| OrdinaryLeaf {
            metadata: metadata.clone(),
            column_index: column_index.clone(),
            pages: pages(&file, metadata, offset_index, row_group.num_rows() as usize),
        })
        .collect();
    Ok(OrdinaryChunks {
        bytes: file,
        leaves,
    })
}

/// The pages of a chunk, the dictionary page (which the offset index leaves out) first.
fn pages(
    file: &Bytes,
    metadata: &ColumnChunkMetaData,
    offset_index: &OffsetIndexMetaData,
    chunk_rows: usize,
) -> Vec<Page> {
    let page = |start: usize, len: usize, rows: usize| Page {
        len,
        rows,
        checksum: crc32c::crc32c(&file[start..start + len]),
    };
    let (chunk_start, _) = metadata.byte_range();
    let locations = offset_index.page_locations();
    let first_data = locations
        .first()
        .map_or(chunk_start as usize, |page| page.offset as usize);
    let dictionary = (first_data > chunk_start as usize)
        .then(|| page(chunk_start as usize, first_data - chunk_start as usize, 0));
    let ends = locations
        .iter()
        .skip(1)
        .map(|next| next.first_row_index as usize)
        .chain([chunk_rows]);
    let data = locations.iter().zip(ends).map(|(location, end)| {
        let rows = end - location.first_row_index as usize;
        page(
            location.offset as usize,
            location.compressed_page_size as usize,
            rows,
        )
    });
    dictionary.into_iter().chain(data).collect()
}
