//! Parquet footers of our own making: the packed file's, and the virtual file's.

use std::sync::Arc;

use arrow::datatypes::Schema;
use parquet::basic::{Compression, Encoding, Repetition, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, ParquetColumnIndex, ParquetMetaData,
    ParquetMetaDataBuilder, ParquetMetaDataReader, ParquetMetaDataWriter, ParquetOffsetIndex,
    RowGroupMetaData,
};
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

use super::column::element_type;
use super::error::{FileError, Result};
use super::levels::write_varint;
use super::nested;

/// The length of what ends every Parquet file: footer length and magic.
pub(super) const FOOTER_END: usize = 8;
pub(super) const MAGIC: &[u8; 4] = b"PAR1";

/// The name of the child that holds a packed column's payloads; footers have it twice a column.
pub(super) const PAYLOAD_FIELD: &str = "p";
/// Its name before format version 3.
pub(super) const LONG_PAYLOAD_FIELD: &str = "packed";

/// The physical schema: `schema` (as parquet-rs converts it) with the packed fields replaced.
///
/// A packed field is a group of one optional binary child. The group is present exactly where the
/// value is not null, so that other tools count and test for nulls rightly; the child is present
/// only at the first such row of a block.
pub(super) fn physical_schema(
    schema: &SchemaDescriptor,
    arrow: &Schema,
) -> Result<SchemaDescPtr, ParquetError> {
    with_fields(schema, |i, field| {
        let arrow = arrow.field(i);
        if element_type(arrow.data_type()).is_some() {
            return payload_group(field);
        }
        match nested::leaves(arrow) {
            Some(leaves) => nested::physical_field(field, &leaves),
            None => Ok(Arc::clone(field)),
        }
    })
}

/// The group that stands for a packed field, or for a packed leaf of a nested one.
pub(super) fn payload_group(field: &TypePtr) -> Result<TypePtr, ParquetError> {
    let payload = Type::primitive_type_builder(PAYLOAD_FIELD, PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::OPTIONAL)
        .build()?;
    let group = Type::group_type_builder(field.name())
        .with_repetition(field.get_basic_info().repetition())
        .with_fields(vec![Arc::new(payload)])
        .build()?;
    Ok(Arc::new(group))
}

/// `schema` with each top-level field put through `map`.
pub(super) fn with_fields(
    schema: &SchemaDescriptor,
    mut map: impl FnMut(usize, &TypePtr) -> Result<TypePtr, ParquetError>,
) -> Result<SchemaDescPtr, ParquetError> {
    let root = schema.root_schema();
    let fields = root
        .get_fields()
        .iter()
        .enumerate()
        .map(|(i, field)| map(i, field));
    let root = Type::group_type_builder(root.name())
        .with_fields(fields.collect::<Result<_, _>>()?)
        .build()?;
    Ok(Arc::new(SchemaDescriptor::new(Arc::new(root))))
}

/// The metadata of an uncompressed PLAIN chunk at `offset`.
pub(super) fn plain_chunk(
    column: ColumnDescPtr,
    offset: u64,
    len: u64,
    rows: usize,
) -> parquet::file::metadata::ColumnChunkMetaDataBuilder {
    ColumnChunkMetaData::builder(column)
        .set_encodings(vec![Encoding::PLAIN])
        .set_compression(Compression::UNCOMPRESSED)
        .set_num_values(rows as i64)
        .set_data_page_offset(offset as i64)
        .set_total_compressed_size(len as i64)
        .set_total_uncompressed_size(len as i64)
}

/// Offset and length of a chunk, as [`ColumnChunkMetaData::byte_range`], which panics where a
/// footer says nonsense.
pub(super) fn byte_range(chunk: &ColumnChunkMetaData) -> Result<(u64, u64)> {
    let start = chunk
        .dictionary_page_offset()
        .unwrap_or(chunk.data_page_offset());
    match (u64::try_from(start), u64::try_from(chunk.compressed_size())) {
        (Ok(start), Ok(len)) => Ok((start, len)),
        _ => Err(FileError::corrupt("a column chunk at a negative offset")),
    }
}

/// The leaf of a top-level column, if it has just one.
pub(super) fn single_leaf(schema: &SchemaDescriptor, column: usize) -> Option<i32> {
    let mut leaves =
        (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == column);
    match (leaves.next(), leaves.next()) {
        (Some(leaf), None) => i32::try_from(leaf).ok(),
        _ => None,
    }
}

/// `chunk` moved by `shift` bytes.
pub(super) fn moved(
    chunk: &ColumnChunkMetaData,
    shift: i64,
) -> Result<ColumnChunkMetaData, ParquetError> {
    chunk
        .clone()
        .into_builder()
        .set_data_page_offset(chunk.data_page_offset() + shift)
        .set_dictionary_page_offset(chunk.dictionary_page_offset().map(|offset| offset + shift))
        .set_column_index_offset(None)
        .set_column_index_length(None)
        .set_offset_index_offset(None)
        .set_offset_index_length(None)
        .build()
}

/// File metadata of `row_groups`.
pub(super) fn metadata(
    schema: SchemaDescPtr,
    created_by: String,
    key_values: Vec<KeyValue>,
    row_groups: Vec<RowGroupMetaData>,
    column_index: Option<ParquetColumnIndex>,
    offset_index: Option<ParquetOffsetIndex>,
) -> ParquetMetaData {
    let rows = row_groups.iter().map(RowGroupMetaData::num_rows).sum();
    let key_values = (!key_values.is_empty()).then_some(key_values);
    let file = FileMetaData::new(1, rows, Some(created_by), key_values, schema, None);
    ParquetMetaDataBuilder::new(file)
        .set_row_groups(row_groups)
        .set_column_index(column_index)
        .set_offset_index(offset_index)
        .build()
}

/// Page indexes, footer, footer length and magic, as they stand at `offset` of a file.
///
/// parquet-rs writes page indexes at offsets that count from the start of its output, so they are
/// written once, and the footer again with the offsets put right.
pub(super) fn serialize(metadata: ParquetMetaData, offset: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish()?;
    if metadata.column_index().is_none() && metadata.offset_index().is_none() {
        return Ok(bytes);
    }
    let written = ParquetMetaDataReader::decode_metadata(footer_of(&bytes))?;
    bytes.truncate(bytes.len() - FOOTER_END - footer_of(&bytes).len());
    let shift = |position: Option<i64>| position.map(|position| position + offset as i64);
    let row_groups = metadata
        .row_groups()
        .iter()
        .zip(written.row_groups())
        .map(|(row_group, written)| {
            let columns =
                row_group
                    .columns()
                    .iter()
                    .zip(written.columns())
                    .map(|(column, written)| {
                        column
                            .clone()
                            .into_builder()
                            .set_column_index_offset(shift(written.column_index_offset()))
                            .set_column_index_length(written.column_index_length())
                            .set_offset_index_offset(shift(written.offset_index_offset()))
                            .set_offset_index_length(written.offset_index_length())
                            .build()
                    });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            row_group
                .clone()
                .into_builder()
                .set_column_metadata(columns)
                .build()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let footer = metadata
        .into_builder()
        .set_row_groups(row_groups)
        .set_column_index(None)
        .set_offset_index(None)
        .build();
    ParquetMetaDataWriter::new(&mut bytes, &footer).finish()?;
    Ok(bytes)
}

/// What [`serialize`] gave of columns without statistics, without the orders that say what statistics
/// mean: parquet-rs writes three bytes for each of `leaves` behind the entries, of which the last is
/// to be near the end of the file. If it ever writes them in another way, all stays as it is.
pub(super) fn without_orders(bytes: Vec<u8>, leaves: usize) -> Vec<u8> {
    /// Of Thrift's compact protocol: a list in the field after the one before, of structs that each
    /// are a union of an empty struct.
    const LIST: u8 = 0x19;
    const STRUCT: u8 = 0x0c;
    const ORDER: [u8; 3] = [1 << 4 | STRUCT, STOP, STOP];
    const STOP: u8 = 0;
    let mut orders = vec![LIST];
    match leaves {
        0..=14 => orders.push((leaves as u8) << 4 | STRUCT),
        _ => {
            orders.push(15 << 4 | STRUCT);
            write_varint(leaves as u64, &mut orders);
        }
    }
    orders.extend(ORDER.repeat(leaves));
    orders.push(STOP);
    let footer = footer_of(&bytes);
    let Some(kept) = footer.strip_suffix(&orders[..]) else {
        return bytes;
    };
    let footer = [kept, &[STOP]].concat();
    let before = &bytes[..bytes.len() - FOOTER_END - orders.len() - kept.len()];
    [before, &footer, &(footer.len() as u32).to_le_bytes(), MAGIC].concat()
}

/// The Thrift footer at the end of `tail`, of as many bytes as `tail` says and has.
pub(super) fn footer_of(tail: &[u8]) -> &[u8] {
    let end = tail.len().saturating_sub(FOOTER_END);
    let len = tail[end..]
        .first_chunk::<4>()
        .map_or(0, |len| u32::from_le_bytes(*len) as usize);
    &tail[end.saturating_sub(len)..end]
}
