//! One column of one row group, from Arrow arrays to the bytes of a Parquet column chunk.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{FieldRef, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;

use crate::codec::{
    EncodedBlock, ErrorBound, Float, PayloadKind, Percentile, ValueRange, absolute_bound,
    encode_exact, encode_lossy, encode_pointwise_rel, quantile_range,
};

use super::column::Values;
use super::error::{FileError, Result};
use super::index::{Block, Page, block_lengths};
use super::{levels, page, psnr};

/// A packed column chunk, and what the index is to know of it.
pub(super) struct PackedChunk {
    pub(super) bytes: Vec<u8>,
    pub(super) blocks: Vec<Block>,
    /// Of the finite values of this row group.
    pub(super) range: ValueRange,
    /// None for bounds that have none.
    pub(super) abs_bound: Option<f64>,
    pub(super) max_error: f64,
}

/// Encodes the arrays of a packed column, one after another, in blocks of `block_rows`.
///
/// A bound that needs a range takes `declared_range`, or else that of these arrays.
pub(super) fn packed_chunk(
    field: &FieldRef,
    arrays: &[ArrayRef],
    bound: ErrorBound,
    declared_range: Option<ValueRange>,
    block_rows: usize,
) -> Result<PackedChunk> {
    let array = concatenated(arrays)?;
    let range = finite_range(&array);
    let mut first = 0;
    let slices: Vec<ArrayRef> = block_lengths(array.len(), block_rows)
        .map(|rows| {
            first += rows;
            array.slice(first - rows, rows)
        })
        .collect();
    let encode = |limit: Limit| -> Result<Vec<EncodedPage>> {
        slices
            .par_iter()
            .map(|block| packed_page(field, block, limit))
            .collect()
    };
    let reference = declared_range.unwrap_or_else(|| reference_range(bound, &array, range));
    let abs_bound = absolute_bound(bound, reference);
    let (pages, abs_bound) = match bound {
        ErrorBound::PointwiseRel(ratio) => (encode(Limit::PointwiseRel(ratio))?, None),
        ErrorBound::Psnr(_) => {
            let encode = |bound| encode(Limit::Absolute(bound));
            let (pages, bound) = psnr::fit(&slices, abs_bound, encode, EncodedPage::payload)?;
            (pages, Some(bound))
        }
        _ => (encode(Limit::Absolute(abs_bound))?, Some(abs_bound)),
    };
    Ok(PackedChunk {
        bytes: pages
            .iter()
            .map(|page| page.bytes.as_slice())
            .collect::<Vec<_>>()
            .concat(),
        blocks: pages.iter().map(|page| page.block).collect(),
        range,
        abs_bound,
        max_error: pages.iter().fold(0.0, |max, page| page.max_error.max(max)),
    })
}

fn concatenated(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    match arrays {
        [array] => Ok(Arc::clone(array)),
        arrays => Ok(concat(
            &arrays
                .iter()
                .map(|array| array.as_ref())
                .collect::<Vec<_>>(),
        )?),
    }
}

/// What is asked of each value.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// The largest |x - x'|; 0 is lossless.
    Absolute(f64),
    /// The largest |x - x'| / |x|.
    PointwiseRel(f64),
}

/// The range of these values that `bound` is relative to, given that of all finite ones.
fn reference_range(bound: ErrorBound, array: &ArrayRef, range: ValueRange) -> ValueRange {
    match bound {
        ErrorBound::RobustRel { low, high, .. } => finite_quantiles(array, low, high),
        _ => range,
    }
}

/// The range between two quantiles of the finite values of a float array; empty for other types.
pub fn finite_quantiles(array: &ArrayRef, low: Percentile, high: Percentile) -> ValueRange {
    fn of<F: Float>(values: &[F], low: Percentile, high: Percentile) -> ValueRange {
        let mut values = values.iter().map(|x| x.to_f64()).collect();
        quantile_range(&mut values, low, high)
    }
    match Values::of(array.data_type(), &array.to_data()) {
        Some(Values::F16(values)) => of(&values, low, high),
        Some(Values::F32(values)) => of(&values, low, high),
        Some(Values::F64(values)) => of(&values, low, high),
        _ => ValueRange::EMPTY,
    }
}

/// The range of the finite values of a float array; empty for other types.
pub fn finite_range(array: &ArrayRef) -> ValueRange {
    fn of<F: Float>(values: &[F]) -> ValueRange {
        values
            .par_chunks(1 << 16)
            .map(ValueRange::of_slice)
            .reduce(|| ValueRange::EMPTY, |a, b| a.union(&b))
    }
    match Values::of(array.data_type(), &array.to_data()) {
        Some(Values::F16(values)) => of(&values),
        Some(Values::F32(values)) => of(&values),
        Some(Values::F64(values)) => of(&values),
        _ => ValueRange::EMPTY,
    }
}

struct EncodedPage {
    bytes: Vec<u8>,
    block: Block,
    max_error: f64,
}

impl EncodedPage {
    /// The payload, which is the last of a page; empty where all rows are null.
    fn payload(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - self.block.payload_len..]
    }
}

fn packed_page(field: &FieldRef, array: &ArrayRef, limit: Limit) -> Result<EncodedPage> {
    let data = array.to_data();
    let encoded = match Values::of(field.data_type(), &data) {
        Some(Values::F16(values)) => Encoded::float(&values, limit, |x| u64::from(x.to_bits())),
        Some(Values::F32(values)) => Encoded::float(&values, limit, |x| u64::from(x.to_bits())),
        Some(Values::F64(values)) => Encoded::float(&values, limit, f64::to_bits),
        Some(Values::I32(values)) => Encoded::new(encode_exact(&values), |x| u64::from(x as u32)),
        Some(Values::U32(values)) => Encoded::new(encode_exact(&values), u64::from),
        Some(Values::I64(values)) => Encoded::new(encode_exact(&values), |x| x as u64),
        Some(Values::U64(values)) => Encoded::new(encode_exact(&values), |x| x),
        None => {
            return Err(FileError::invalid(format!(
                "{} cannot be packed",
                field.data_type()
            )));
        }
    }?;

    let validity = data.nulls().filter(|nulls| nulls.null_count() > 0);
    let bits = validity.map(|nulls| nulls.inner().sliced());
    let mut body = Vec::with_capacity(encoded.payload.len() + 64);
    levels::write_physical(array.len(), bits.as_deref(), field.is_nullable(), &mut body);
    let nulls = array.null_count();
    let payload_len = if nulls == array.len() {
        0
    } else {
        encoded.payload.len()
    };
    if payload_len > 0 {
        let length = u32::try_from(payload_len)
            .map_err(|_| FileError::invalid("a payload of more than 4 GiB; use smaller blocks"))?;
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&encoded.payload);
    }
    let mut bytes = page::header(array.len(), body.len());
    bytes.extend_from_slice(&body);
    let block = Block {
        page_len: bytes.len(),
        payload_len,
        checksum: crc32c::crc32c(&bytes),
        kind: encoded.kind,
        nulls,
        nans: encoded.nans,
        outliers: encoded.outliers,
        min_max: encoded.min_max,
    };
    Ok(EncodedPage {
        bytes,
        block,
        max_error: encoded.max_error,
    })
}

/// An [`EncodedBlock`] with the element type erased.
struct Encoded {
    payload: Vec<u8>,
    kind: PayloadKind,
    outliers: usize,
    nans: usize,
    max_error: f64,
    min_max: Option<(u64, u64)>,
}

impl Encoded {
    fn new<T: Copy>(
        block: std::result::Result<EncodedBlock<T>, crate::codec::CodecError>,
        bits: impl Fn(T) -> u64,
    ) -> Result<Self> {
        let block = block?;
        Ok(Self {
            payload: block.payload,
            kind: block.kind,
            outliers: block.outliers,
            nans: block.nans,
            max_error: block.max_error,
            min_max: block.min_max.map(|(min, max)| (bits(min), bits(max))),
        })
    }

    fn float<F: Float>(values: &[F], limit: Limit, bits: impl Fn(F) -> u64) -> Result<Self> {
        let block = match limit {
            Limit::Absolute(0.0) => encode_exact(values),
            Limit::Absolute(bound) => encode_lossy(values, bound),
            Limit::PointwiseRel(ratio) => encode_pointwise_rel(values, ratio),
        };
        Self::new(block, bits)
    }
}

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
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
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
