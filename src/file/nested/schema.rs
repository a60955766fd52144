//! Parquet schemas of nested columns: the physical one, whose packed leaves are groups of a payload,
//! and the columns that are left when they are taken away.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, make_array};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescriptor, Type, TypePtr};

use super::Leaf;
use crate::file::footer;

/// `field`, as parquet-rs converts it, with its packed leaves replaced.
pub(in crate::file) fn physical_field(
    field: &TypePtr,
    leaves: &[Leaf],
) -> Result<TypePtr, ParquetError> {
    fn replaced(
        field: &TypePtr,
        leaves: &mut std::slice::Iter<'_, Leaf>,
    ) -> Result<TypePtr, ParquetError> {
        if field.is_primitive() {
            return match leaves.next() {
                Some(leaf) if leaf.element.is_some() => footer::payload_group(field),
                _ => Ok(Arc::clone(field)),
            };
        }
        let info = field.get_basic_info();
        let fields = field.get_fields().iter();
        let fields = fields.map(|field| replaced(field, leaves));
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        let mut group = Type::group_type_builder(field.name())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields);
        if info.has_repetition() {
            group = group.with_repetition(info.repetition());
        }
        Ok(Arc::new(group.build()?))
    }
    replaced(field, &mut leaves.iter())
}

/// Whether a leaf of the physical schema is what it must be to stand for one of the virtual schema.
pub(in crate::file) fn is_same_leaf(
    physical: &ColumnDescriptor,
    seen: &ColumnDescriptor,
    packed: bool,
) -> bool {
    if packed {
        // The payload's own level comes on top.
        return physical.max_def_level() == seen.max_def_level() + 1
            && physical.max_rep_level() == seen.max_rep_level();
    }
    physical.max_def_level() == seen.max_def_level()
        && physical.max_rep_level() == seen.max_rep_level()
        && physical.physical_type() == seen.physical_type()
        && physical.type_length() == seen.type_length()
}

/// The column without its packed leaves; None if nothing is left. Levels of what is left are the
/// same as before.
pub(in crate::file) fn without_packed(
    field: &FieldRef,
    array: &ArrayRef,
    leaves: &[Leaf],
) -> Option<(FieldRef, ArrayRef)> {
    let mut leaves = leaves.iter();
    remaining(field, array, &mut leaves)
}

fn remaining(
    field: &FieldRef,
    array: &ArrayRef,
    leaves: &mut std::slice::Iter<'_, Leaf>,
) -> Option<(FieldRef, ArrayRef)> {
    match field.data_type() {
        DataType::Struct(fields) => {
            let array = array.as_struct();
            let children = fields.iter().zip(array.columns());
            let kept: Vec<(FieldRef, ArrayRef)> = children
                .filter_map(|(field, child)| remaining(field, child, leaves))
                .collect();
            if kept.is_empty() {
                return None;
            }
            let (fields, children): (Vec<FieldRef>, Vec<ArrayRef>) = kept.into_iter().unzip();
            let fields = Fields::from(fields);
            let data = arrow::array::ArrayDataBuilder::new(DataType::Struct(fields.clone()))
                .len(array.len())
                .nulls(array.nulls().cloned())
                .child_data(children.iter().map(|child| child.to_data()).collect());
            // Children and nulls are those of an array of the same length.
            let data = data.build().ok()?;
            Some((with_type(field, DataType::Struct(fields)), make_array(data)))
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let data = array.to_data();
            let items = make_array(data.child_data()[0].clone());
            let (item, items) = remaining(item, &items, leaves)?;
            let data_type = match field.data_type() {
                DataType::List(_) => DataType::List(item),
                DataType::LargeList(_) => DataType::LargeList(item),
                DataType::FixedSizeList(_, size) => DataType::FixedSizeList(item, *size),
                other => other.clone(),
            };
            let data = data.into_builder().data_type(data_type.clone());
            let data = data.child_data(vec![items.to_data()]).build().ok()?;
            Some((with_type(field, data_type), make_array(data)))
        }
        DataType::ListView(item) | DataType::LargeListView(item) | DataType::Map(item, _) => {
            // Nothing below is packed.
            skip(item, leaves);
            Some((Arc::clone(field), Arc::clone(array)))
        }
        _ => match leaves.next() {
            Some(leaf) if leaf.element.is_some() => None,
            _ => Some((Arc::clone(field), Arc::clone(array))),
        },
    }
}

fn skip(field: &Field, leaves: &mut std::slice::Iter<'_, Leaf>) {
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().for_each(|field| skip(field, leaves)),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => skip(item, leaves),
        _ => {
            leaves.next();
        }
    }
}

fn with_type(field: &FieldRef, data_type: DataType) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}
