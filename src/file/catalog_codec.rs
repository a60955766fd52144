//! The block index of a file, as bytes: what [`index_codec`] tells of the columns and, from version 5
//! on, the [`Catalog`] around it, zstd-compressed as a whole, with a checksum of its own behind it.

use parquet::file::metadata::{KeyValue, ParquetMetaData};

use crate::codec::unzstd;

use super::catalog::{self, Catalog};
use super::error::{FileError, Result};
use super::footer;
use super::index::Index;
use super::index_arrays::{Arrays, Input};
use super::index_codec::{self, Shape};
use super::seal::Seal;

pub(super) const ZSTD_LEVEL: i32 = 19;

/// Bytes that the schema of a small file may take, its metadata included.
const SCHEMA_LIMIT: u64 = 64 << 20;

/// The block index of a file whose footer is to be `physical`.
pub(super) fn encode(physical: &ParquetMetaData, index: &Index) -> Result<Vec<u8>> {
    let mut bytes = zstd::bulk::compress(&raw(physical, index)?, ZSTD_LEVEL)
        .map_err(FileError::io("compressing the block index"))?;
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// The index's own checksum: a CRC that is masked as LevelDB masks its. Bytes with their plain CRC
/// behind them would leave the seal, a CRC over both, the same whatever they are.
pub(super) fn checksum(compressed: &[u8]) -> u32 {
    let crc = crc32c::crc32c(compressed);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The same before it is compressed.
pub(super) fn raw(physical: &ParquetMetaData, index: &Index) -> Result<Vec<u8>> {
    let mut out = Arrays::default();
    let rows = catalog::rows_of(physical)?;
    out.varints([rows.len()]);
    out.varints(rows);
    index_codec::encode(index, &mut out);
    let entries = catalog::entries_of(physical);
    out.varints([entries.len()]);
    out.texts(entries.iter().map(|entry| entry.key.as_str()));
    let values = entries.iter().map(|entry| entry.value.as_deref());
    out.texts(values.map(Option::unwrap_or_default));
    if let Some(others) = catalog::others_of(physical, index)? {
        out.bytes(footer::serialize(others, 0)?);
    }
    Ok(out.into_bytes())
}

/// The index of a file of `len` bytes whose footer is not known.
pub(super) fn decode(bytes: &[u8], seal: Seal, len: u64) -> Result<(Index, Catalog)> {
    let damaged = || FileError::corrupt("checksum of the block index does not match");
    let (compressed, checksum) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
    if self::checksum(compressed) != u32::from_le_bytes(*checksum) {
        return Err(damaged());
    }
    let raw = decompressed(compressed, len)?;
    let mut input = Input::new(&raw);
    let groups = input.varint()?;
    let rows = input.varints(groups)?;
    catalog::check_rows(&rows)?;
    let shape = Shape {
        version: seal.version,
        row_groups: &rows,
        names: None,
        file_len: len,
    };
    let index = index_codec::decode(&mut input, &shape)?;
    let entries = entries(&mut input)?;
    let others = catalog::parse_others(input.rest())?;
    let catalog = Catalog::of_index(rows, entries, others, &index, seal.index_offset)?;
    Ok((index, catalog))
}

/// The index of a file of `len` bytes whose footer is `physical`: what it lacks, before version 5, is
/// in the footer.
pub(super) fn decode_with(
    physical: &ParquetMetaData,
    bytes: &[u8],
    version: u8,
    len: u64,
) -> Result<(Index, Catalog)> {
    let raw = decompressed(bytes, len)?;
    let root = physical.file_metadata().schema_descr().root_schema();
    let fields = root.get_fields().iter();
    let names: Vec<String> = fields.map(|field| field.name().to_owned()).collect();
    let shape = Shape {
        version,
        row_groups: &catalog::rows_of(physical)?,
        names: Some(&names),
        file_len: len,
    };
    let mut input = Input::new(&raw);
    let index = index_codec::decode(&mut input, &shape)?;
    input.finish()?;
    let catalog = Catalog::of_footer(physical, &index)?;
    Ok((index, catalog))
}

fn entries(input: &mut Input<'_>) -> Result<Vec<KeyValue>> {
    let n = input.varint()?;
    let keys = input.texts(n)?;
    let values = input.texts(n)?;
    let entries = keys.into_iter().zip(values);
    Ok(entries
        .map(|(key, value)| KeyValue::new(key, value))
        .collect())
}

fn decompressed(bytes: &[u8], len: u64) -> Result<Vec<u8>> {
    // A block costs more than 30 bytes of file and less than 60 of index; the rest is for the
    // schema and its metadata.
    let limit = len.saturating_mul(16).saturating_add(SCHEMA_LIMIT);
    let raw = unzstd(bytes, limit)
        .map_err(|error| FileError::corrupt(format!("block index: {error}")))?;
    if raw.len() as u64 == limit {
        return Err(FileError::corrupt(format!(
            "block index of {limit} bytes and more"
        )));
    }
    Ok(raw)
}
