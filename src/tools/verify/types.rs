//! Which Arrow types may stand for each other: those that differ in layout only.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};

/// The one type that stands for all layouts of the same values: strings and binaries in 64-bit
/// offsets, dictionaries and runs unpacked, lists as large lists. Names, nullability and metadata
/// of the fields of lists and maps, which Parquet does not keep, are made equal as well.
pub(super) fn canonical(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::Utf8View => DataType::LargeUtf8,
        DataType::Binary | DataType::BinaryView => DataType::LargeBinary,
        DataType::Dictionary(_, values) => canonical(values),
        DataType::RunEndEncoded(_, values) => canonical(values.data_type()),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => DataType::LargeList(member("item", field)),
        DataType::FixedSizeList(field, size) => {
            DataType::FixedSizeList(member("item", field), *size)
        }
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| member(field.name(), field))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn member(name: &str, field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(name, canonical(field.data_type()), true))
}
