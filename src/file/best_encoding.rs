//! Columns that stay exact, in whichever of Parquet's own encodings makes them smallest.

use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, Type as PhysicalType, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::SchemaDescriptor;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef, Schema};

use super::error::{FileError, Result};
use super::footer;
use super::ordinary::{OrdinaryChunks, OrdinaryLeaf, ordinary_chunks_with};

/// The level at which encodings are compared, and that of the one that is chosen.
const TRIAL_LEVEL: i32 = 3;
const LEVEL: i32 = 19;

/// Larger than zstd's window: cutting here costs nothing, and readers hold a page in memory.
const PAGE_BYTES: usize = 16 << 20;

/// How the pages of a column are cut.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paging {
    /// A page every so many rows, with page indexes; what parquet-rs does unasked otherwise.
    Rows(usize),
    /// As few pages as can be, each of [`PAGE_BYTES`] at most.
    Few,
}

/// An encoding of the values: None is a dictionary.
type Choice = Option<Encoding>;

/// What is tried. Encodings that a leaf's type does not take are left out for it.
const CHOICES: [Choice; 7] = [
    None,
    Some(Encoding::PLAIN),
    Some(Encoding::DELTA_BINARY_PACKED),
    Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
    Some(Encoding::DELTA_BYTE_ARRAY),
    Some(Encoding::BYTE_STREAM_SPLIT),
    Some(Encoding::RLE),
];

fn holds_dictionary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, _) => true,
        DataType::Struct(fields) => fields.iter().any(|f| holds_dictionary(f.data_type())),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => holds_dictionary(field.data_type()),
        _ => false,
    }
}

/// Encodes the arrays of a column, one after another, losslessly: each leaf in the encoding that
/// is smallest with ZSTD. Never larger than any of them at ZSTD's default level, which writers use.
pub(super) fn smallest_chunks(
    field: &FieldRef,
    arrays: &[ArrayRef],
    paging: Paging,
) -> Result<OrdinaryChunks> {
    let schema = ArrowSchemaConverter::new().convert(&Schema::new(vec![field.clone()]))?;
    let mut best: Vec<(Choice, Leaf)> = Vec::new();
    for choice in CHOICES {
        let taken = |leaf: &parquet::schema::types::ColumnDescPtr| {
            choice.is_none_or(|encoding| takes(leaf.physical_type(), encoding))
        };
        if !schema.columns().iter().any(taken) {
            continue;
        }
        // pyarrow (26) reads nothing else into dictionaries.
        let plain = matches!(choice, None | Some(Encoding::PLAIN));
        if holds_dictionary(field.data_type()) && !plain {
            continue;
        }
        let choices = vec![choice; schema.num_columns()];
        let leaves = encode(field, arrays, paging, &schema, &choices, TRIAL_LEVEL)?;
        if best.is_empty() {
            best = leaves.into_iter().map(|leaf| (choice, leaf)).collect();
            continue;
        }
        for (i, leaf) in leaves.into_iter().enumerate() {
            if taken(&schema.column(i)) && leaf.bytes.len() < best[i].1.bytes.len() {
                best[i] = (choice, leaf);
            }
        }
    }
    let choices: Vec<Choice> = best.iter().map(|(choice, _)| *choice).collect();
    let leaves = encode(field, arrays, paging, &schema, &choices, LEVEL)?;
    let leaves = best.into_iter().zip(leaves).map(|((_, trial), last)| {
        if last.bytes.len() < trial.bytes.len() {
            last
        } else {
            trial
        }
    });
    joined(leaves.collect())
}

/// A leaf's column chunk.
struct Leaf {
    bytes: Bytes,
    leaf: OrdinaryLeaf,
}

fn encode(
    field: &FieldRef,
    arrays: &[ArrayRef],
    paging: Paging,
    schema: &SchemaDescriptor,
    choices: &[Choice],
    level: i32,
) -> Result<Vec<Leaf>> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_max_row_group_row_count(None);
    properties = match paging {
        Paging::Rows(rows) => properties.set_data_page_row_count_limit(rows),
        Paging::Few => properties
            .set_data_page_row_count_limit(usize::MAX)
            .set_data_page_size_limit(PAGE_BYTES),
    };
    for (leaf, choice) in schema.columns().iter().zip(choices) {
        properties = with_choice(properties, leaf, *choice);
    }
    let chunks = ordinary_chunks_with(field, arrays, properties.build())?;
    let OrdinaryChunks { bytes, leaves } = chunks;
    leaves
        .into_iter()
        .map(|leaf| {
            let (start, len) = footer::byte_range(&leaf.metadata)?;
            Ok(Leaf {
                bytes: bytes.slice(start as usize..(start + len) as usize),
                leaf,
            })
        })
        .collect()
}

fn with_choice(
    properties: WriterPropertiesBuilder,
    leaf: &parquet::schema::types::ColumnDescPtr,
    choice: Choice,
) -> WriterPropertiesBuilder {
    match choice.filter(|encoding| takes(leaf.physical_type(), *encoding)) {
        None => properties,
        Some(encoding) => properties
            .set_column_dictionary_enabled(leaf.path().clone(), false)
            .set_column_encoding(leaf.path().clone(), encoding),
    }
}

/// Whether the common readers all know the encoding for the type.
fn takes(physical_type: PhysicalType, encoding: Encoding) -> bool {
    use PhysicalType::*;
    match encoding {
        Encoding::PLAIN => true,
        Encoding::DELTA_BINARY_PACKED => matches!(physical_type, INT32 | INT64),
        Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY => {
            physical_type == BYTE_ARRAY
        }
        Encoding::BYTE_STREAM_SPLIT => matches!(physical_type, FLOAT | DOUBLE | INT32 | INT64),
        Encoding::RLE => physical_type == BOOLEAN,
        _ => false,
    }
}

/// Chunks from several files, one behind the other.
fn joined(leaves: Vec<Leaf>) -> Result<OrdinaryChunks> {
    let mut bytes = Vec::new();
    let leaves = leaves
        .into_iter()
        .map(|Leaf { bytes: chunk, leaf }| {
            let (start, _) = footer::byte_range(&leaf.metadata)?;
            let metadata = footer::moved(&leaf.metadata, bytes.len() as i64 - start as i64)?;
            bytes.extend_from_slice(&chunk);
            Ok(OrdinaryLeaf { metadata, ..leaf })
        })
        .collect::<Result<_, FileError>>()?;
    Ok(OrdinaryChunks {
        bytes: bytes.into(),
        leaves,
    })
}
