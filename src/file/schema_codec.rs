//! The Arrow schema in the block index: names, a byte a field and metadata where that says all, else an
//! Arrow IPC message.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::convert::try_schema_from_flatbuffer_bytes;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};

use super::error::{FileError, Result};
use super::index_arrays::{Arrays, Input};

/// The types that a byte stands for, by position.
const SIMPLE: [DataType; 21] = [
    DataType::Float16,
    DataType::Float32,
    DataType::Float64,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
    DataType::Date32,
    DataType::Date64,
    DataType::Boolean,
    DataType::Utf8,
    DataType::LargeUtf8,
    DataType::Utf8View,
    DataType::Binary,
    DataType::LargeBinary,
    DataType::BinaryView,
    DataType::Null,
];

const NULLABLE: u8 = 0x80;

/// The types of a schema whose fields say no more than names, simple types and whether they hold nulls.
pub(super) fn simple(schema: &Schema) -> Option<Vec<u8>> {
    let byte = |field: &Field| -> Option<u8> {
        let at = SIMPLE.iter().position(|simple| simple == field.data_type());
        let plain = field.metadata().is_empty();
        let at = at.filter(|_| plain)? as u8;
        Some(if field.is_nullable() {
            at | NULLABLE
        } else {
            at
        })
    };
    schema.fields().iter().map(|field| byte(field)).collect()
}

/// What such a schema holds beside its types: names and metadata.
pub(super) fn encode_texts(schema: &Schema, out: &mut Arrays) {
    let names = schema.fields().iter().map(|field| field.name().as_str());
    out.varints([names.len()]);
    out.texts(names);
    let mut metadata: Vec<_> = schema.metadata().iter().collect();
    metadata.sort_unstable();
    out.varints([metadata.len()]);
    out.texts(metadata.iter().map(|(key, _)| key.as_str()));
    out.texts(metadata.iter().map(|(_, value)| value.as_str()));
}

/// Names and metadata as [`encode_texts`] wrote them.
pub(super) fn decode_texts(input: &mut Input<'_>) -> Result<Texts> {
    let fields = input.varint()?;
    let names = input.texts(fields)?;
    let entries = input.varint()?;
    let keys = input.texts(entries)?;
    let values = input.texts(entries)?;
    Ok((names, keys.into_iter().zip(values).collect()))
}

/// Names of fields, and metadata of a schema.
pub(super) type Texts = (Vec<String>, HashMap<String, String>);

/// The schema of what [`simple`] gave, one byte for each name.
pub(super) fn from_simple(bytes: &[u8], names: &[String]) -> Result<Schema> {
    let field = |(byte, name): (&u8, &String)| -> Result<Field> {
        let simple = SIMPLE.get(usize::from(byte & !NULLABLE));
        let unknown = || FileError::corrupt(format!("type {byte} in the block index"));
        let data_type = simple.cloned().ok_or_else(unknown)?;
        Ok(Field::new(name, data_type, byte & NULLABLE != 0))
    };
    let fields: Result<Vec<Field>> = bytes.iter().zip(names).map(field).collect();
    Ok(Schema::new(fields?))
}

pub(crate) fn to_ipc(schema: &Schema) -> Vec<u8> {
    let mut tracker = DictionaryTracker::new(true);
    let options = IpcWriteOptions::default();
    IpcDataGenerator::default()
        .schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options)
        .ipc_message
}

pub(crate) fn from_ipc(bytes: &[u8]) -> Result<Schema> {
    // arrow-ipc panics on types that it does not know, which a forged seal could cover.
    std::panic::catch_unwind(|| try_schema_from_flatbuffer_bytes(bytes))
        .map_err(|_| FileError::corrupt("schema in the block index: unknown type"))?
        .map_err(|error| FileError::corrupt(format!("schema in the block index: {error}")))
}
