//! Which columns are packed, and how Arrow arrays become runs of elements.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{ArrowNativeType, DataType};
use half::f16;

use crate::codec::{Element, ElementType};

/// The element type that a column of `data_type` is packed as, or None for a column that stays
/// ordinary Parquet.
///
/// Elements are as wide as the column's Parquet physical type, so that decoded bytes are PLAIN
/// page bytes.
pub fn element_type(data_type: &DataType) -> Option<ElementType> {
    use DataType::*;
    Some(match data_type {
        Float16 => ElementType::F16,
        Float32 => ElementType::F32,
        Float64 => ElementType::F64,
        Int8 | Int16 | Int32 | Date32 | Time32(_) => ElementType::I32,
        UInt8 | UInt16 | UInt32 => ElementType::U32,
        Int64 | Date64 | Time64(_) | Timestamp(_, _) | Duration(_) => ElementType::I64,
        UInt64 => ElementType::U64,
        _ => return None,
    })
}

/// Whether a column takes an error bound other than `exact`.
pub fn is_float(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Float16 | DataType::Float32 | DataType::Float64
    )
}

/// The non-null values of a packed column's array, in the element type of its data type.
pub(super) enum Values<'a> {
    F16(Cow<'a, [f16]>),
    F32(Cow<'a, [f32]>),
    F64(Cow<'a, [f64]>),
    I32(Cow<'a, [i32]>),
    U32(Cow<'a, [u32]>),
    I64(Cow<'a, [i64]>),
    U64(Cow<'a, [u64]>),
}

impl<'a> Values<'a> {
    /// None for the types that [`element_type`] has no element for.
    pub(super) fn of(data_type: &DataType, data: &'a ArrayData) -> Option<Self> {
        Some(match element_type(data_type)? {
            ElementType::F16 => Self::F16(same(data)),
            ElementType::F32 => Self::F32(same(data)),
            ElementType::F64 => Self::F64(same(data)),
            ElementType::I64 => Self::I64(same(data)),
            ElementType::U64 => Self::U64(same(data)),
            ElementType::I32 => Self::I32(match data_type {
                DataType::Int8 => widened::<i8, i32>(data),
                DataType::Int16 => widened::<i16, i32>(data),
                _ => same(data),
            }),
            ElementType::U32 => Self::U32(match data_type {
                DataType::UInt8 => widened::<u8, u32>(data),
                DataType::UInt16 => widened::<u16, u32>(data),
                _ => same(data),
            }),
        })
    }
}

/// The non-null values as they lie in the array.
fn same<T: ArrowNativeType + Element>(data: &ArrayData) -> Cow<'_, [T]> {
    let values = &data.buffer::<T>(0)[..data.len()];
    match data.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => Cow::Borrowed(values),
        Some(nulls) => Cow::Owned(nulls.valid_indices().map(|i| values[i]).collect()),
    }
}

fn widened<T: ArrowNativeType, W: Element + From<T>>(data: &ArrayData) -> Cow<'_, [W]> {
    let values = &data.buffer::<T>(0)[..data.len()];
    Cow::Owned(match data.nulls() {
        None => values.iter().map(|x| W::from(*x)).collect(),
        Some(nulls) => nulls.valid_indices().map(|i| W::from(values[i])).collect(),
    })
}

/// Raw bytes of a row, about: of lists of varying size a guess.
pub(super) fn row_width(data_type: &DataType) -> usize {
    match data_type {
        DataType::FixedSizeList(item, size) => {
            row_width(item.data_type()).saturating_mul(usize::try_from(*size).unwrap_or(0))
        }
        DataType::Struct(fields) => {
            let widths = fields.iter().map(|field| row_width(field.data_type()));
            widths.fold(0, usize::saturating_add)
        }
        data_type => data_type.primitive_width().unwrap_or(16),
    }
}

/// Bytes of an array as Arrow needs them, without slack: what compression ratios count from.
pub fn raw_bytes(array: &ArrayRef) -> u64 {
    let nulls = match array.null_count() {
        0 => 0,
        _ => array.len().div_ceil(8) as u64,
    };
    // Of items, those of the lists at hand: a slice of lists holds all items.
    match array.data_type() {
        DataType::List(_) => nulls + list_bytes(array.as_list::<i32>()),
        DataType::LargeList(_) => nulls + list_bytes(array.as_list::<i64>()),
        DataType::Map(_, _) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            nulls + offset_bytes(map.offsets(), &entries)
        }
        DataType::FixedSizeList(_, _) => nulls + raw_bytes(array.as_fixed_size_list().values()),
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            nulls + columns.iter().map(raw_bytes).sum::<u64>()
        }
        data_type => match data_type.primitive_width() {
            Some(width) => nulls + (array.len() * width) as u64,
            None => array
                .to_data()
                .get_slice_memory_size()
                .unwrap_or(array.get_array_memory_size()) as u64,
        },
    }
}

fn list_bytes<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> u64 {
    offset_bytes(lists.offsets(), lists.values())
}

fn offset_bytes<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, items: &ArrayRef) -> u64 {
    let ends = offsets.first().zip(offsets.last());
    let (start, end) = ends.map_or((0, 0), |(start, end)| (start.as_usize(), end.as_usize()));
    size_of_val(&offsets[..]) as u64 + raw_bytes(&items.slice(start, end - start))
}
